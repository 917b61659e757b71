//! A device that is the CPU: the kernels' own source, compiled by a C++ compiler to their twin
//! (`kernels/twin.h`), behind the same seam as the driver.
//!
//! It is asynchronous as a device is: work is done when a mark after it is waited for, so that
//! what the host overwrites too early comes out wrong. New memory is NaN, has zones on both
//! sides that nothing may write, and ends at a limit.
#![allow(unsafe_code)]

use super::gpu::{
    Address, Args, Asked, Buffer, CapturedGraph, Epilogue, Event, Gpu, GpuDtype, GpuError,
    GpuResult, Launch, Multiply, Pinned,
};
use crate::vectors::Products;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};

type RunKernel =
    unsafe extern "C" fn(*const c_char, u32, u32, u32, usize, *const c_void, usize, u64) -> c_int;
type NameKernel = unsafe extern "C" fn(usize) -> *const c_char;

/// The compiled twin.
struct Library {
    launch: RunKernel,
    name: NameKernel,
}

fn library() -> &'static Library {
    static LIBRARY: OnceLock<Library> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("src/encoder/cuda/kernels/twin.cpp");
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("twin.so");
        let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".to_string());
        let done = Command::new(&compiler)
            .args(["-std=c++17", "-O2", "-shared", "-fPIC", "-U_FORTIFY_SOURCE"])
            .args(["-Wno-unknown-pragmas", "-DNEARWISE_TWIN", "-o"])
            .args([&out, &source])
            .output()
            .unwrap_or_else(|e| panic!("{compiler}: {e}; the tests need a C++ compiler"));
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success(), "{said}");
        // SAFETY: our own code, whose functions have these types; the library is never closed.
        unsafe {
            let library = libloading::Library::new(&out).unwrap();
            let functions = Library {
                launch: *library.get::<RunKernel>(b"twin_launch\0").unwrap(),
                name: *library.get::<NameKernel>(b"twin_kernel\0").unwrap(),
            };
            std::mem::forget(library);
            functions
        }
    })
}

/// The names of all kernels.
pub(super) fn kernels() -> BTreeSet<String> {
    let library = library();
    (0..)
        .map_while(|i| {
            // SAFETY: it gives a string that lives as long as the library, or null.
            unsafe {
                let name = (library.name)(i);
                (!name.is_null()).then(|| CStr::from_ptr(name).to_str().unwrap().to_string())
            }
        })
        .collect()
}

/// Bytes on each side of a buffer that nothing may write.
const ZONE: usize = 64;
const ZONE_BYTE: u8 = 0xA5;

struct Block {
    memory: Vec<u128>,
    bytes: usize,
}

impl Block {
    fn new(bytes: usize) -> Self {
        let mut block = Self {
            memory: vec![0; (bytes + 2 * ZONE).div_ceil(16) + 1],
            bytes,
        };
        let all = block.all();
        all[..ZONE].fill(ZONE_BYTE);
        all[ZONE..ZONE + bytes].fill(0xFF);
        all[ZONE + bytes..].fill(ZONE_BYTE);
        block
    }

    fn all(&mut self) -> &mut [u8] {
        let bytes = 16 * self.memory.len();
        // SAFETY: the same memory as bytes, borrowed as long.
        unsafe { std::slice::from_raw_parts_mut(self.memory.as_mut_ptr().cast(), bytes) }
    }

    fn address(&self) -> Address {
        self.memory.as_ptr() as Address + ZONE as Address
    }

    fn check(&mut self) {
        let bytes = self.bytes;
        let all = self.all();
        let clean = |part: &[u8]| part.iter().all(|&b| b == ZONE_BYTE);
        assert!(
            clean(&all[..ZONE]) && clean(&all[ZONE + bytes..]),
            "written beyond a buffer of {bytes} bytes"
        );
    }
}

#[derive(Default)]
struct Memory {
    blocks: BTreeMap<Address, Block>,
    /// Given back, but work under way may still use it.
    leaving: Vec<Block>,
    pinned_leaving: Vec<Vec<u128>>,
    used: usize,
    most: usize,
}

struct TwinPinned {
    memory: Vec<u128>,
    bytes: usize,
    device: Arc<Mutex<Memory>>,
}

impl Pinned for TwinPinned {
    fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the memory is at least as long.
        unsafe { std::slice::from_raw_parts_mut(self.memory.as_mut_ptr().cast(), self.bytes) }
    }

    fn address(&self) -> usize {
        self.memory.as_ptr() as usize
    }
}

impl Drop for TwinPinned {
    fn drop(&mut self) {
        let memory = std::mem::take(&mut self.memory);
        self.device.lock().unwrap().pinned_leaving.push(memory);
    }
}

type Work = Arc<dyn Fn() -> GpuResult<()> + Send + Sync>;

/// What a test watches and changes while a twin is elsewhere.
#[derive(Default)]
pub(super) struct Watch {
    /// Kernels that were launched, replayed ones included.
    pub launched: Vec<String>,
    /// Recordings that were replayed.
    pub replayed: usize,
    /// Times that memory was taken, of the device or pinned.
    pub taken: usize,
    /// Times that memory ran out.
    pub refused: usize,
    /// Kernels until there is no memory for starting one, once.
    pub no_memory_after: Option<usize>,
    /// Operations until one fails.
    pub fails_after: Option<usize>,
    /// Whether the next piece of work panics, as a fault in the driver's code would.
    pub panics: bool,
    /// Products that it has no algorithm for.
    pub refuses: Option<fn(&Multiply) -> bool>,
    /// Whether it has no products of four warps together.
    pub narrow: bool,
}

/// The twin of a device.
pub(super) struct Twin {
    name: String,
    memory: Arc<Mutex<Memory>>,
    limit: usize,
    queue: VecDeque<(u64, Work)>,
    asked: u64,
    graph: Option<Vec<Work>>,
    pub watch: Arc<Mutex<Watch>>,
}

impl Twin {
    /// A device with this many bytes of memory.
    pub(super) fn new(number: usize, limit: usize) -> Self {
        Self {
            name: format!("cuda:{number}"),
            memory: Arc::default(),
            limit,
            queue: VecDeque::new(),
            asked: 0,
            graph: None,
            watch: Arc::default(),
        }
    }

    fn ask(&mut self, work: impl Fn() -> GpuResult<()> + Send + Sync + 'static) {
        let work: Work = Arc::new(work);
        match &mut self.graph {
            Some(graph) => graph.push(work),
            None => {
                self.asked += 1;
                self.queue.push_back((self.asked, work));
            }
        }
    }

    fn do_until(&mut self, mark: u64) -> GpuResult<()> {
        while self.queue.front().is_some_and(|(n, _)| *n <= mark) {
            let Some((_, work)) = self.queue.pop_front() else {
                break;
            };
            let (fails, panics) = {
                let mut watch = self.watch.lock().unwrap();
                watch.fails_after = watch.fails_after.map(|n| n.saturating_sub(1));
                (watch.fails_after == Some(0), watch.panics)
            };
            assert!(!panics, "a fault that a test asked for");
            if fails {
                return Err(GpuError::Other("an unspecified launch failure".to_string()));
            }
            work()?;
        }
        if self.queue.is_empty() {
            let mut memory = self.memory.lock().unwrap();
            memory.leaving.iter_mut().for_each(Block::check);
            memory.leaving.clear();
            memory.pinned_leaving.clear();
        }
        Ok(())
    }
}

impl Drop for Twin {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let mut memory = self.memory.lock().unwrap();
            memory.blocks.values_mut().for_each(Block::check);
        }
    }
}

/// Panics where a range is not within one buffer.
fn within(memory: &Mutex<Memory>, address: Address, bytes: usize) {
    let memory = memory.lock().unwrap();
    let block = memory.blocks.range(..=address).next_back();
    let fits = block.is_some_and(|(start, b)| address + bytes as u64 <= start + b.bytes as u64);
    assert!(fits, "{bytes} bytes at {address:#x} are in no buffer");
}

fn read(number: GpuDtype, address: Address, count: usize) -> Vec<f32> {
    // SAFETY: the callers have made sure that a buffer holds so many numbers there.
    let bytes = unsafe { std::slice::from_raw_parts(address as *const u8, count * number.size()) };
    let halves = |b: &[u8]| u16::from_le_bytes([b[0], b[1]]);
    match number {
        GpuDtype::F32 => super::gpu::floats(bytes),
        GpuDtype::F16 => bytes
            .chunks_exact(2)
            .map(|b| half::f16::from_bits(halves(b)).to_f32())
            .collect(),
        GpuDtype::Bf16 => bytes
            .chunks_exact(2)
            .map(|b| half::bf16::from_bits(halves(b)).to_f32())
            .collect(),
    }
}

fn write(address: Address, bytes: &[u8]) {
    // SAFETY: as for `read`.
    unsafe {
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), address as *mut u8, bytes.len());
    }
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

/// Numbers from the first of a matrix to its last.
fn span(count: usize, stride: usize, columns: usize) -> usize {
    (count - 1) * stride + columns
}

fn product(m: &Multiply) {
    let mut rows = read(m.number, m.rows, span(m.count, m.row_stride, m.inner));
    if m.row_stride != m.inner {
        let some = rows.chunks(m.row_stride).flat_map(|row| &row[..m.inner]);
        rows = some.copied().collect();
    }
    let weights = read(m.number, m.weights, m.columns * m.inner);
    let bias = m.bias.map(|b| read(m.out_number, b, m.columns));
    let products = Products::new(&weights, m.inner);
    let mut room = Vec::new();
    for (i, row) in products.multiply(&rows, &mut room).enumerate() {
        let mut row = row.to_vec();
        if let Some(bias) = &bias {
            for (x, b) in row.iter_mut().zip(bias) {
                *x += b;
            }
        }
        for x in &mut row {
            *x = match m.epilogue {
                Epilogue::Plain => *x,
                Epilogue::Relu => x.max(0.0),
                Epilogue::Gelu => {
                    let inner = (2.0 / std::f32::consts::PI).sqrt() * (*x + 0.044_715 * x.powi(3));
                    0.5 * *x * (1.0 + inner.tanh())
                }
            };
        }
        let at = m.out + (i * m.out_stride * m.out_number.size()) as Address;
        write(at, &m.out_number.encode(&row));
    }
}

impl Gpu for Twin {
    fn name(&self) -> &str {
        &self.name
    }

    fn about(&self) -> String {
        format!("{} (twin)", self.name)
    }

    fn has_wide_products(&self) -> bool {
        !self.watch.lock().unwrap().narrow
    }

    fn free_memory(&mut self) -> GpuResult<usize> {
        Ok(self.limit.saturating_sub(self.memory.lock().unwrap().used))
    }

    fn alloc(&mut self, bytes: usize) -> GpuResult<Buffer> {
        let mut memory = self.memory.lock().unwrap();
        if memory.used + bytes > self.limit {
            self.watch.lock().unwrap().refused += 1;
            return Err(GpuError::OutOfMemory(bytes));
        }
        self.watch.lock().unwrap().taken += 1;
        memory.used += bytes;
        memory.most = memory.most.max(memory.used);
        let block = Block::new(bytes);
        let address = block.address();
        memory.blocks.insert(address, block);
        let shared = self.memory.clone();
        Ok(Buffer::new(
            address,
            bytes,
            Box::new(move || {
                let mut memory = shared.lock().unwrap();
                memory.used -= bytes;
                if let Some(block) = memory.blocks.remove(&address) {
                    memory.leaving.push(block);
                }
            }),
        ))
    }

    fn pinned(&mut self, bytes: usize) -> GpuResult<Box<dyn Pinned>> {
        self.watch.lock().unwrap().taken += 1;
        Ok(Box::new(TwinPinned {
            memory: vec![u128::MAX; bytes.div_ceil(16).max(1)],
            bytes,
            device: self.memory.clone(),
        }))
    }

    fn upload(&mut self, from: &dyn Pinned, bytes: usize, to: Address) -> GpuResult<()> {
        within(&self.memory, to, bytes);
        let from = from.address();
        // SAFETY: pinned memory lives until work under way is done.
        let read = move || unsafe { std::slice::from_raw_parts(from as *const u8, bytes) };
        let asked = hash(read());
        self.ask(move || {
            let bytes = read();
            // A device reads it at any time in between.
            assert_eq!(hash(bytes), asked, "written while a transfer reads it");
            write(to, bytes);
            Ok(())
        });
        Ok(())
    }

    fn download(&mut self, from: Address, bytes: usize, to: &dyn Pinned) -> GpuResult<()> {
        within(&self.memory, from, bytes);
        let to = to.address();
        self.ask(move || {
            // SAFETY: as for `upload`.
            let bytes = unsafe { std::slice::from_raw_parts(from as *const u8, bytes) };
            write(to as Address, bytes);
            Ok(())
        });
        Ok(())
    }

    fn clear(&mut self, to: Address, bytes: usize) -> GpuResult<()> {
        within(&self.memory, to, bytes);
        self.ask(move || {
            write(to, &vec![0; bytes]);
            Ok(())
        });
        Ok(())
    }

    fn launch(&mut self, launch: &Launch) -> GpuResult<()> {
        {
            let mut watch = self.watch.lock().unwrap();
            match watch.no_memory_after {
                Some(0) => {
                    watch.no_memory_after = None;
                    watch.refused += 1;
                    return Err(GpuError::OutOfMemory(0));
                }
                left => watch.no_memory_after = left.map(|n| n - 1),
            }
        }
        let name = CString::new(launch.kernel.clone()).unwrap();
        let Launch {
            grid,
            threads,
            memory,
            ..
        } = *launch;
        let args = launch.args.finish();
        assert!(args.len() <= Args::MOST);
        let seed = self.asked;
        let watch = self.watch.clone();
        self.ask(move || {
            let name_words = name.to_str().unwrap().to_string();
            watch.lock().unwrap().launched.push(name_words.clone());
            // The argument is a struct of 8-byte alignment.
            let mut aligned = vec![0u64; args.len().div_ceil(8)];
            for (word, bytes) in aligned.iter_mut().zip(args.chunks_exact(8)) {
                *word = u64::from_le_bytes(bytes.try_into().unwrap());
            }
            // SAFETY: the kernel gets an argument of the size that it checks; what it reads and
            // writes is what the test is about, within memory that is alive.
            let code = unsafe {
                (library().launch)(
                    name.as_ptr(),
                    grid.0 as u32,
                    grid.1 as u32,
                    threads,
                    memory,
                    aligned.as_ptr().cast(),
                    args.len(),
                    seed,
                )
            };
            let what = match code {
                0 => return Ok(()),
                1 => "there is no such kernel",
                2 => "its argument has another size",
                3 => "its blocks have another number of threads",
                4 => "its threads wait for each other",
                6 => "it takes more shared memory than was asked for",
                _ => "it writes behind its shared memory",
            };
            panic!("{name_words}: {what}");
        });
        Ok(())
    }

    fn multiply(&mut self, m: &Multiply) -> GpuResult<Asked> {
        if self.watch.lock().unwrap().refuses.is_some_and(|no| no(m)) {
            return Ok(Asked::Refused("not supported".to_string()));
        }
        assert!(m.row_stride >= m.inner && m.out_stride >= m.columns);
        let out = span(m.count, m.out_stride, m.columns) * m.out_number.size();
        let rows = span(m.count, m.row_stride, m.inner) * m.number.size();
        within(&self.memory, m.rows, rows);
        within(
            &self.memory,
            m.weights,
            m.columns * m.inner * m.number.size(),
        );
        within(&self.memory, m.out, out);
        let m = *m;
        self.ask(move || {
            product(&m);
            Ok(())
        });
        Ok(Asked::Started)
    }

    fn mark(&mut self) -> GpuResult<Event> {
        Ok(Event(Box::new(self.asked)))
    }

    fn wait(&mut self, mark: &Event) -> GpuResult<()> {
        let mark = *mark.0.downcast_ref::<u64>().unwrap();
        self.do_until(mark)
    }

    fn begin_capture(&mut self) -> GpuResult<()> {
        assert!(self.graph.is_none());
        self.graph = Some(Vec::new());
        Ok(())
    }

    fn end_capture(&mut self) -> GpuResult<CapturedGraph> {
        let graph = self.graph.take().unwrap();
        Ok(CapturedGraph(Box::new(graph)))
    }

    fn launch_graph(&mut self, graph: &CapturedGraph) -> GpuResult<()> {
        let recorded = graph.0.downcast_ref::<Vec<Work>>().unwrap().clone();
        self.watch.lock().unwrap().replayed += 1;
        for work in recorded {
            self.asked += 1;
            self.queue.push_back((self.asked, work));
        }
        Ok(())
    }
}
