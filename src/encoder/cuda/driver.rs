//! CUDA's driver and cuBLASLt behind the seam, by cudarc.
//!
//! Both libraries are loaded when a device is asked for, so that the same program starts on a
//! host that has neither. That is why candle's own `cuda` feature is not used: it links them,
//! and a program linked so does not start without a driver.
//!
//! This has been compiled and linked; it has not run on a device yet.
#![allow(unsafe_code)]

use super::cublaslt as lt;
use super::gpu::{
    Address, Args, Buffer, CapturedGraph, Epilogue, Event, Gpu, GpuDtype, GpuError, GpuResult,
    Launch, Multiply, Pinned,
};
use cudarc::cublaslt::sys as lt_sys;
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
/// Memory that cuBLASLt may use, as NVIDIA advises for Hopper.
const WORKSPACE: usize = 32 << 20;
/// Planned products kept.
const PLANS: usize = 2048;
/// The alignment that cuBLASLt makes use of at most.
const ALIGNMENT: u32 = 256;

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

fn failed(e: DriverError, bytes: usize) -> GpuError {
    if e.0 == sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY {
        GpuError::OutOfMemory(bytes)
    } else {
        GpuError::Other(words(e))
    }
}

fn product_failed(e: lt::CublasError) -> GpuError {
    GpuError::Other(format!("cuBLASLt: {:?}", e.0))
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

/// A product whose algorithm was chosen.
struct Plan {
    description: lt_sys::cublasLtMatmulDesc_t,
    weights: lt_sys::cublasLtMatrixLayout_t,
    rows: lt_sys::cublasLtMatrixLayout_t,
    out: lt_sys::cublasLtMatrixLayout_t,
    algorithm: lt_sys::cublasLtMatmulAlgo_t,
}

impl Drop for Plan {
    fn drop(&mut self) {
        // SAFETY: each was created by this plan and is destroyed once.
        unsafe {
            let _ = lt::destroy_matmul_desc(self.description);
            let _ = lt::destroy_matrix_layout(self.weights);
            let _ = lt::destroy_matrix_layout(self.rows);
            let _ = lt::destroy_matrix_layout(self.out);
        }
    }
}

/// What a product's algorithm depends on.
#[derive(PartialEq, Eq, Hash, Clone, Copy)]
struct PlanKey {
    count: usize,
    columns: usize,
    inner: usize,
    row_stride: usize,
    out_stride: usize,
    epilogue: Epilogue,
    bias: bool,
    number: GpuDtype,
    out_number: GpuDtype,
    alignments: [u32; 3],
}

struct Driver {
    context: Arc<CudaContext>,
    stream: Arc<CudaStream>,
    module: Arc<CudaModule>,
    functions: HashMap<String, CudaFunction>,
    handle: lt_sys::cublasLtHandle_t,
    workspace: Option<Buffer>,
    plans: HashMap<PlanKey, Plan>,
    name: String,
}

// SAFETY: the handle and the plans are used by the one thread that has the device at the time.
unsafe impl Send for Driver {}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.context.bind_to_thread();
        let _ = self.stream.synchronize();
        self.plans.clear();
        self.workspace = None;
        // SAFETY: created by `new`, destroyed once, when nothing uses it any more.
        let _ = unsafe { lt::destroy_handle(self.handle) };
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
        let mut driver = Self {
            context,
            stream,
            module,
            functions: HashMap::new(),
            handle: lt::create_handle().map_err(product_failed)?,
            workspace: None,
            plans: HashMap::new(),
            name: format!("cuda:{number}"),
        };
        driver.workspace = Some(driver.alloc(WORKSPACE)?);
        Ok(driver)
    }

    fn bind(&self) -> GpuResult<()> {
        self.context.bind_to_thread().map_err(|e| failed(e, 0))
    }

    fn plan(&mut self, key: PlanKey) -> GpuResult<&Plan> {
        if self.plans.len() >= PLANS && !self.plans.contains_key(&key) {
            self.plans.clear();
        }
        match self.plans.entry(key) {
            std::collections::hash_map::Entry::Occupied(found) => Ok(found.into_mut()),
            std::collections::hash_map::Entry::Vacant(place) => {
                Ok(place.insert(new_plan(self.handle, &key).map_err(product_failed)?))
            }
        }
    }
}

fn number_type(number: GpuDtype) -> lt_sys::cudaDataType {
    match number {
        GpuDtype::F32 => lt_sys::cudaDataType::CUDA_R_32F,
        GpuDtype::F16 => lt_sys::cudaDataType::CUDA_R_16F,
        GpuDtype::Bf16 => lt_sys::cudaDataType::CUDA_R_16BF,
    }
}

/// cuBLASLt counts matrices by columns. Rows of ours are columns of its, so that it is asked
/// for outᵀ = weights · rowsᵀ: its first matrix is `weights`, (inner, columns) as it sees them
/// and transposed, its second `rows`, (inner, count).
fn new_plan(handle: lt_sys::cublasLtHandle_t, key: &PlanKey) -> Result<Plan, lt::CublasError> {
    use lt_sys::cublasLtMatmulDescAttributes_t as Description;
    use lt_sys::cublasLtMatmulPreferenceAttributes_t as Preference;
    let kind = number_type(key.number);
    let (inner, columns, count) = (key.inner as u64, key.columns as u64, key.count as u64);
    let description = lt::create_matmul_desc(
        lt_sys::cublasComputeType_t::CUBLAS_COMPUTE_32F,
        lt_sys::cudaDataType::CUDA_R_32F,
    )?;
    let mut plan = Plan {
        description,
        weights: lt::create_matrix_layout(kind, inner, columns, key.inner as i64)?,
        rows: lt::create_matrix_layout(kind, inner, count, key.row_stride as i64)?,
        out: lt::create_matrix_layout(
            number_type(key.out_number),
            columns,
            count,
            key.out_stride as i64,
        )?,
        // SAFETY: plain numbers, which are overwritten below.
        algorithm: unsafe { std::mem::zeroed() },
    };
    let epilogue = match (key.bias, key.epilogue) {
        (false, _) => lt_sys::cublasLtEpilogue_t::CUBLASLT_EPILOGUE_DEFAULT,
        (true, Epilogue::Plain) => lt_sys::cublasLtEpilogue_t::CUBLASLT_EPILOGUE_BIAS,
        (true, Epilogue::Gelu) => lt_sys::cublasLtEpilogue_t::CUBLASLT_EPILOGUE_GELU_BIAS,
        (true, Epilogue::Relu) => lt_sys::cublasLtEpilogue_t::CUBLASLT_EPILOGUE_RELU_BIAS,
    };
    let transposed: i32 = 1;
    let preference = lt::create_matmul_pref()?;
    // SAFETY: each attribute gets a value of the type that it is documented to have, which
    // outlives the call; the description, the layouts and the preference are alive.
    let found = unsafe {
        let set = |attribute, value: *const c_void, bytes| {
            lt::set_matmul_desc_attribute(description, attribute, value, bytes)
        };
        set(
            Description::CUBLASLT_MATMUL_DESC_TRANSA,
            (&raw const transposed).cast(),
            size_of::<i32>(),
        )
        .and_then(|()| {
            set(
                Description::CUBLASLT_MATMUL_DESC_EPILOGUE,
                (&raw const epilogue).cast(),
                size_of_val(&epilogue),
            )
        })
        .and_then(|()| {
            let [weights, rows, out] = &key.alignments;
            let workspace: u64 = WORKSPACE as u64;
            let wants: [(_, *const c_void, usize); 5] = [
                (
                    Preference::CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                    (&raw const workspace).cast(),
                    size_of::<u64>(),
                ),
                (
                    Preference::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES,
                    std::ptr::from_ref(weights).cast(),
                    size_of::<u32>(),
                ),
                (
                    Preference::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
                    std::ptr::from_ref(rows).cast(),
                    size_of::<u32>(),
                ),
                (
                    Preference::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES,
                    std::ptr::from_ref(out).cast(),
                    size_of::<u32>(),
                ),
                (
                    Preference::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES,
                    std::ptr::from_ref(out).cast(),
                    size_of::<u32>(),
                ),
            ];
            for (attribute, value, bytes) in wants {
                lt::set_matmul_pref_attribute(preference, attribute, value, bytes)?;
            }
            lt::get_matmul_algo_heuristic(
                handle,
                description,
                plan.weights,
                plan.rows,
                plan.out,
                plan.out,
                preference,
            )
        })
    };
    // SAFETY: created above, destroyed once.
    let _ = unsafe { lt::destroy_matmul_pref(preference) };
    plan.algorithm = found?.algo;
    Ok(plan)
}

fn alignment(address: Address) -> u32 {
    1 << address.trailing_zeros().min(ALIGNMENT.trailing_zeros())
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

    fn free_memory(&mut self) -> GpuResult<usize> {
        self.bind()?;
        let (free, _) = self.context.mem_get_info().map_err(|e| failed(e, 0))?;
        Ok(free)
    }

    fn alloc(&mut self, bytes: usize) -> GpuResult<Buffer> {
        self.bind()?;
        let bytes = bytes.max(1);
        // SAFETY: the context is current on this thread; nothing reads the memory before it is
        // written.
        let address = unsafe { result::malloc_sync(bytes) }.map_err(|e| failed(e, bytes))?;
        let context = self.context.clone();
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
                    .map_err(|e| failed(e, 0))?;
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
            shared_mem_bytes: 0,
        };
        // SAFETY: the twin runs the same kernels with the same arguments and sizes, so that
        // each stays within the buffers that the argument names.
        unsafe {
            self.stream
                .launch_builder(function)
                .arg(&block)
                .launch(config)
        }
        .map_err(|e| failed(e, 0))?;
        Ok(())
    }

    fn multiply(&mut self, product: &Multiply) -> GpuResult<()> {
        self.bind()?;
        let key = PlanKey {
            count: product.count,
            columns: product.columns,
            inner: product.inner,
            row_stride: product.row_stride,
            out_stride: product.out_stride,
            epilogue: product.epilogue,
            bias: product.bias.is_some(),
            number: product.number,
            out_number: product.out_number,
            alignments: [product.weights, product.rows, product.out].map(alignment),
        };
        let workspace = self.workspace.as_ref().map_or(0, Buffer::address);
        let (handle, stream) = (self.handle, self.stream.cu_stream());
        let plan = self.plan(key)?;
        let (one, zero) = (1.0f32, 0.0f32);
        // SAFETY: the seam's contract: the matrices lie at these addresses in the sizes that
        // the plan was made for; the scalars are on the host, where they are read at once; the
        // workspace is as large as the plan was told, and only this stream uses it.
        unsafe {
            if let Some(bias) = product.bias {
                lt::set_matmul_desc_attribute(
                    plan.description,
                    lt_sys::cublasLtMatmulDescAttributes_t::CUBLASLT_MATMUL_DESC_BIAS_POINTER,
                    (&raw const bias).cast(),
                    size_of::<Address>(),
                )
                .map_err(product_failed)?;
            }
            lt::matmul(
                handle,
                plan.description,
                (&raw const one).cast(),
                (&raw const zero).cast(),
                product.weights as *const c_void,
                plan.weights,
                product.rows as *const c_void,
                plan.rows,
                product.out as *const c_void,
                plan.out,
                product.out as *mut c_void,
                plan.out,
                &raw const plan.algorithm,
                workspace as *mut c_void,
                WORKSPACE,
                stream.cast(),
            )
        }
        .map_err(product_failed)
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
            .map_err(|e| failed(e, 0))
    }

    fn end_capture(&mut self) -> GpuResult<CapturedGraph> {
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
