//! CUDA's driver and cuBLASLt behind the seam, by cudarc.
//!
//! Both libraries are loaded when a device is asked for, so that the same program starts on a
//! host that has neither. That is why candle's own `cuda` feature is not used: it links them,
//! and a program linked so does not start without a driver.
#![allow(unsafe_code)]

use super::cublaslt as lt;
use super::gpu::{
    Address, Args, Asked, Buffer, CapturedGraph, Event, Gpu, GpuError, GpuResult, Launch, Multiply,
    Pinned,
};
use super::plans::Plans;
use cudarc::driver::sys::CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
use cudarc::driver::sys::{self, CUdevice_attribute as Attribute};
use cudarc::driver::{
    CudaContext, CudaEvent, CudaFunction, CudaGraph, CudaModule, CudaStream, DeviceRepr,
    DriverError, LaunchConfig, PushKernelArg, result,
};
use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::{Arc, OnceLock};

/// The toolkit that made it, as the driver counts: 13000 for 13.0.
const TOOLKIT: &str = env!("NEARWISE_CUDA_VERSION");

/// A CUDA device as it is seen.
#[derive(Debug, Clone)]
pub(crate) struct DeviceInfo {
    /// Its number.
    pub number: usize,
    /// The card's name, memory and compute capability.
    pub about: String,
    /// Why it cannot be used.
    pub unusable: Option<String>,
}

/// Why no CUDA device can be used on this host; `None` where one may be.
pub(crate) fn missing() -> Option<String> {
    static WHY: OnceLock<Option<String>> = OnceLock::new();
    WHY.get_or_init(|| {
        // candle's CUDA backend links the driver: without it the program would not have begun.
        #[cfg(feature = "candle-cuda")]
        let driver = true;
        #[cfg(not(feature = "candle-cuda"))]
        // SAFETY: it loads the library by its name and runs its initialisers, as linking it would.
        let driver = unsafe { sys::is_culib_present() };
        if !driver {
            return Some("there is no NVIDIA driver here (libcuda.so.1 was not found)".into());
        }
        let needed = toolkit();
        let version = match driver_version() {
            Err(e) => return Some(format!("the NVIDIA driver does not answer: {}", words(e))),
            Ok(version) => version,
        };
        if version / 1000 < needed / 1000 {
            return Some(format!(
                "the NVIDIA driver is for CUDA {}, this build needs one for {}: update it",
                dotted(version),
                needed / 1000
            ));
        }
        if let Err(e) = result::init() {
            return Some(format!("the NVIDIA driver sees no device: {}", words(e)));
        }
        lt::load(version / 1000).err()
    })
    .clone()
}

/// The numbers of the devices that the driver sees, and why one cannot be used. No device is
/// touched for that: opening one takes a good part of a second.
pub(crate) fn numbers() -> GpuResult<Vec<(usize, Option<String>)>> {
    if let Some(why) = missing() {
        return Err(GpuError::Other(why));
    }
    let count = CudaContext::device_count().map_err(|e| failed(e, 0))?;
    let look = |number: i32| -> Result<Option<String>, DriverError> {
        let device = result::device::get(number)?;
        let attribute = |which| {
            // SAFETY: the driver gave the device, and has been initialised.
            unsafe { result::device::get_attribute(device, which) }
        };
        Ok(too_old(
            attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?,
            attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?,
        ))
    };
    Ok((0..count)
        .map(|n| (n as usize, look(n).unwrap_or_else(|e| Some(words(e)))))
        .collect())
}

/// The driver's version, and what it sees with the memory of each.
pub(crate) fn cards() -> GpuResult<(String, Vec<DeviceInfo>)> {
    let numbers = numbers()?;
    let version = dotted(driver_version().map_err(|e| failed(e, 0))?);
    let cards = numbers.into_iter().map(|(n, unusable)| card(n, unusable));
    Ok((version, cards.collect()))
}

fn card(number: usize, unusable: Option<String>) -> DeviceInfo {
    let look = || -> Result<DeviceInfo, DriverError> {
        let context = CudaContext::new(number)?;
        let (free, all) = context.mem_get_info()?;
        let (major, minor) = context.compute_capability()?;
        Ok(DeviceInfo {
            number,
            about: format!(
                "{}, {} of {} GiB free, compute capability {major}.{minor}",
                context.name()?,
                free >> 30,
                all.div_ceil(1 << 30)
            ),
            unusable: unusable.clone(),
        })
    };
    look().unwrap_or_else(|e| DeviceInfo {
        number,
        about: String::new(),
        unusable: Some(words(e)),
    })
}

/// Kernels are compiled for compute capability 8.0 and above.
fn too_old(major: i32, minor: i32) -> Option<String> {
    (major < 8).then(|| format!("compute capability {major}.{minor} is below 8.0"))
}

/// Opens the device of a number, one that [`numbers`] says can be used.
pub(crate) fn open(number: usize) -> GpuResult<Box<dyn Gpu>> {
    if let Some(why) = missing() {
        return Err(GpuError::Other(why));
    }
    let driver = Driver::new(number)?;
    Ok(Box::new(driver))
}

fn toolkit() -> i32 {
    TOOLKIT.parse().unwrap_or(13_000)
}

fn dotted(version: i32) -> String {
    format!("{}.{}", version / 1000, version % 1000 / 10)
}

fn driver_version() -> Result<i32, DriverError> {
    let mut version = 0;
    // SAFETY: it writes one number, and needs no initialisation before.
    unsafe { sys::cuDriverGetVersion(&raw mut version) }.result()?;
    Ok(version)
}

fn words(e: DriverError) -> String {
    let text = e
        .error_string()
        .ok()
        .and_then(|s| s.to_str().ok().map(str::to_string));
    text.unwrap_or_else(|| format!("{:?}", e.0))
}

pub(super) fn failed(e: DriverError, bytes: usize) -> GpuError {
    if e.0 == sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY {
        GpuError::OutOfMemory(bytes)
    } else {
        GpuError::Other(words(e))
    }
}

/// A kernel's argument as the driver copies it: it reads as many bytes as the kernel's struct
/// has, which are no more than these.
#[repr(C, align(8))]
struct Block([u8; Args::MOST]);

// SAFETY: plain bytes.
unsafe impl DeviceRepr for Block {}

struct PinnedMemory {
    address: *mut u8,
    bytes: usize,
    context: Arc<CudaContext>,
}

// SAFETY: the memory belongs to this value alone, and is not tied to a thread.
unsafe impl Send for PinnedMemory {}

impl Pinned for PinnedMemory {
    fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the driver gave so many bytes, which were set to zero, and they live as long
        // as `self`. The device writes them only before a mark that callers wait for.
        unsafe { std::slice::from_raw_parts_mut(self.address, self.bytes) }
    }

    fn address(&self) -> usize {
        self.address as usize
    }
}

impl Drop for PinnedMemory {
    fn drop(&mut self) {
        // An error here is one of the device, which its next operation reports.
        let _ = self.context.bind_to_thread();
        // SAFETY: the driver gave it, and it is given back once. Transfers that were asked for
        // are waited for by the driver.
        let _ = unsafe { result::free_host(self.address.cast::<c_void>()) };
    }
}

struct Instantiated(CudaGraph);

// SAFETY: a graph is used by the one thread that has its device at the time.
unsafe impl Send for Instantiated {}

struct Driver {
    context: Arc<CudaContext>,
    stream: Arc<CudaStream>,
    module: Arc<CudaModule>,
    functions: HashMap<String, CudaFunction>,
    plans: Plans,
    /// Whether work is being recorded instead of done.
    recording: bool,
    /// Whether its machine code is that of Hopper.
    wide_products: bool,
    name: String,
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.context.bind_to_thread();
        let _ = self.stream.synchronize();
        // The plans are destroyed next, when nothing uses them any more.
    }
}

impl Driver {
    fn new(number: usize) -> GpuResult<Self> {
        let other = |e| failed(e, 0);
        let context = CudaContext::new(number).map_err(other)?;
        // SAFETY: all work of a device is in one stream, so that events between streams, which
        // this turns off, are not needed.
        unsafe { context.disable_event_tracking() };
        let stream = context.new_stream().map_err(other)?;
        let (major, minor) = context.compute_capability().map_err(other)?;
        let Some(kernels) = super::machine_code::kernels(major, minor) else {
            let why = format!("no kernels were built for compute capability {major}.{minor}");
            return Err(GpuError::Other(why));
        };
        let module = context
            .load_module(cudarc::nvrtc::Ptx::from_binary(kernels.to_vec()))
            .map_err(other)?;
        let plans = Plans::new(&context, &stream)?;
        Ok(Self {
            context,
            stream,
            module,
            functions: HashMap::new(),
            plans,
            recording: false,
            wide_products: (major, minor) == (9, 0),
            name: format!("cuda:{number}"),
        })
    }

    fn bind(&self) -> GpuResult<()> {
        self.context.bind_to_thread().map_err(|e| failed(e, 0))
    }
}

/// Memory of a device.
pub(super) fn alloc(context: &Arc<CudaContext>, bytes: usize) -> GpuResult<Buffer> {
    context.bind_to_thread().map_err(|e| failed(e, 0))?;
    let bytes = bytes.max(1);
    // SAFETY: the context is current on this thread; nothing reads the memory before it is
    // written.
    let address = unsafe { result::malloc_sync(bytes) }.map_err(|e| failed(e, bytes))?;
    let context = context.clone();
    Ok(Buffer::new(
        address,
        bytes,
        Box::new(move || {
            let _ = context.bind_to_thread();
            // SAFETY: given by the driver above, and given back once; the driver waits for
            // work that uses it.
            let _ = unsafe { result::free_sync(address) };
        }),
    ))
}

/// A failure of a kernel with its name.
fn kernel_failed(kernel: &str, e: DriverError) -> GpuError {
    match failed(e, 0) {
        GpuError::Other(words) => GpuError::Other(format!("the kernel {kernel}: {words}")),
        memory @ GpuError::OutOfMemory(_) => memory,
    }
}

impl Gpu for Driver {
    fn name(&self) -> &str {
        &self.name
    }

    fn about(&self) -> String {
        match self.context.name() {
            Ok(card) => format!("{} ({card})", self.name),
            Err(_) => self.name.clone(),
        }
    }

    fn has_wide_products(&self) -> bool {
        self.wide_products
    }

    fn free_memory(&mut self) -> GpuResult<usize> {
        self.bind()?;
        let (free, _) = self.context.mem_get_info().map_err(|e| failed(e, 0))?;
        Ok(free)
    }

    fn alloc(&mut self, bytes: usize) -> GpuResult<Buffer> {
        alloc(&self.context, bytes)
    }

    fn pinned(&mut self, bytes: usize) -> GpuResult<Box<dyn Pinned>> {
        self.bind()?;
        let bytes = bytes.max(1);
        // SAFETY: the context is current on this thread; the memory is set to zero before it is
        // read.
        let address = unsafe {
            let address = result::malloc_host(bytes, 0).map_err(|e| failed(e, bytes))?;
            address.cast::<u8>().write_bytes(0, bytes);
            address.cast::<u8>()
        };
        Ok(Box::new(PinnedMemory {
            address,
            bytes,
            context: self.context.clone(),
        }))
    }

    fn upload(&mut self, from: &dyn Pinned, bytes: usize, to: Address) -> GpuResult<()> {
        self.bind()?;
        // SAFETY: the seam's contract: `from` has so many bytes and is not written before the
        // next mark is reached, and `to` has room for them.
        unsafe {
            let from = from.address() as *const c_void;
            sys::cuMemcpyHtoDAsync_v2(to, from, bytes, self.stream.cu_stream())
        }
        .result()
        .map_err(|e| failed(e, bytes))
    }

    fn download(&mut self, from: Address, bytes: usize, to: &dyn Pinned) -> GpuResult<()> {
        self.bind()?;
        // SAFETY: as for `upload`; `to` is not read before the next mark is reached.
        unsafe {
            let to = to.address() as *mut c_void;
            sys::cuMemcpyDtoHAsync_v2(to, from, bytes, self.stream.cu_stream())
        }
        .result()
        .map_err(|e| failed(e, bytes))
    }

    fn clear(&mut self, to: Address, bytes: usize) -> GpuResult<()> {
        self.bind()?;
        // SAFETY: the seam's contract: `to` has so many bytes.
        unsafe { result::memset_d8_async(to, 0, bytes, self.stream.cu_stream()) }
            .map_err(|e| failed(e, bytes))
    }

    fn launch(&mut self, launch: &Launch) -> GpuResult<()> {
        let function = match self.functions.get(&launch.kernel) {
            Some(function) => function,
            None => {
                let function = self
                    .module
                    .load_function(&launch.kernel)
                    .map_err(|e| kernel_failed(&launch.kernel, e))?;
                if launch.memory > 0 {
                    // More than 48 KiB are given when they are asked for by name alone.
                    let most = CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
                    function
                        .set_attribute(most, i32::try_from(launch.memory).unwrap_or(i32::MAX))
                        .map_err(|e| kernel_failed(&launch.kernel, e))?;
                }
                self.functions
                    .entry(launch.kernel.clone())
                    .or_insert(function)
            }
        };
        let mut block = Block([0; Args::MOST]);
        let args = launch.args.finish();
        block.0[..args.len()].copy_from_slice(&args);
        let (x, y) = launch.grid;
        let size = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let config = LaunchConfig {
            grid_dim: (size(x), size(y), 1),
            block_dim: (launch.threads, 1, 1),
            shared_mem_bytes: size(launch.memory),
        };
        // SAFETY: the twin runs the same kernels with the same arguments and sizes, so that
        // each stays within the buffers that the argument names.
        unsafe {
            self.stream
                .launch_builder(function)
                .arg(&block)
                .launch(config)
        }
        .map_err(|e| kernel_failed(&launch.kernel, e))?;
        Ok(())
    }

    fn multiply(&mut self, product: &Multiply) -> GpuResult<Asked> {
        self.bind()?;
        self.plans.start(product, self.recording)
    }

    fn mark(&mut self) -> GpuResult<Event> {
        // A thread that waits sleeps, so that its core is free for the tokenizer.
        let event = self
            .context
            .new_event(Some(sys::CUevent_flags::CU_EVENT_BLOCKING_SYNC))
            .map_err(|e| failed(e, 0))?;
        event.record(&self.stream).map_err(|e| failed(e, 0))?;
        Ok(Event(Box::new(event)))
    }

    fn wait(&mut self, mark: &Event) -> GpuResult<()> {
        match mark.0.downcast_ref::<CudaEvent>() {
            Some(event) => event.synchronize().map_err(|e| failed(e, 0)),
            None => Err(GpuError::Other("a mark of another device".to_string())),
        }
    }

    fn begin_capture(&mut self) -> GpuResult<()> {
        self.stream
            .begin_capture(sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_RELAXED)
            .map_err(|e| failed(e, 0))?;
        self.recording = true;
        Ok(())
    }

    fn end_capture(&mut self) -> GpuResult<CapturedGraph> {
        self.recording = false;
        let none = sys::CUgraphInstantiate_flags(0);
        match self.stream.end_capture(none).map_err(|e| failed(e, 0))? {
            Some(graph) => Ok(CapturedGraph(Box::new(Instantiated(graph)))),
            None => Err(GpuError::Other("nothing was recorded".to_string())),
        }
    }

    fn launch_graph(&mut self, graph: &CapturedGraph) -> GpuResult<()> {
        match graph.0.downcast_ref::<Instantiated>() {
            Some(graph) => graph.0.launch().map_err(|e| failed(e, 0)),
            None => Err(GpuError::Other("a graph of another device".to_string())),
        }
    }
}
