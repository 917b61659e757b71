//! The seam between what is computed and what computes it: memory, transfers, launches and
//! matrix products of one device, in the order in which they are asked for.
//!
//! The driver behind it is CUDA's; the tests put a twin there that runs the same kernels on the
//! CPU, so that packing, offsets, buffers and error paths are tested without a device.

use half::slice::HalfFloatSliceExt;
use rayon::prelude::*;
use std::any::Any;
use std::ops::Range;

/// A place in the device's memory.
pub(crate) type Address = u64;

/// Why a device did not do something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GpuError {
    /// There is no memory for this many bytes; 0 where it is not known for how many.
    OutOfMemory(usize),
    /// Anything else, in words.
    Other(String),
}

/// What a device's operation gives.
pub(crate) type GpuResult<T> = Result<T, GpuError>;

impl std::fmt::Display for GpuError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            // The device's own libraries do not say how much they asked for.
            Self::OutOfMemory(0) => f.write_str("out of memory"),
            Self::OutOfMemory(bytes) => {
                write!(
                    f,
                    "out of memory: no {} MiB are free",
                    bytes.div_ceil(1 << 20)
                )
            }
            Self::Other(message) => f.write_str(message),
        }
    }
}

/// Memory on the device, given back when it is dropped and no work under way needs it.
pub(crate) struct Buffer {
    address: Address,
    bytes: usize,
    free: Option<Box<dyn FnOnce() + Send>>,
}

impl Buffer {
    pub(crate) fn new(address: Address, bytes: usize, free: Box<dyn FnOnce() + Send>) -> Self {
        Self {
            address,
            bytes,
            free: Some(free),
        }
    }

    /// Where it begins.
    pub(crate) fn address(&self) -> Address {
        self.address
    }

    /// Its size.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(free) = self.free.take() {
            free();
        }
    }
}

/// Memory of the host that the device copies from and to without help of the processor.
///
/// A transfer that was asked for reads or writes it until the mark after it is reached.
pub(crate) trait Pinned: Send {
    /// Its bytes.
    fn bytes(&mut self) -> &mut [u8];
    /// Where it begins.
    fn address(&self) -> usize;
}

/// The type of the numbers that weights and hidden states have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum GpuDtype {
    F32,
    F16,
    Bf16,
}

impl GpuDtype {
    /// Bytes of one.
    pub(crate) fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    /// Its name, which kernels have in theirs.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        }
    }

    /// Values as numbers of this type, rounded to the nearest.
    pub(crate) fn encode(self, values: &[f32]) -> Vec<u8> {
        let mut bytes = vec![0; values.len() * self.size()];
        self.encode_into(values, &mut bytes);
        bytes
    }

    /// The same into bytes that are there, as many as the values need; on all cores where there
    /// are many.
    pub(crate) fn encode_into(self, values: &[f32], bytes: &mut [u8]) {
        if values.len() <= ENCODED {
            // A query does not wait for cores that others use.
            return self.encode_some(values, bytes);
        }
        bytes
            .par_chunks_mut(ENCODED * self.size())
            .zip(values.par_chunks(ENCODED))
            .for_each(|(bytes, values)| self.encode_some(values, bytes));
    }

    fn encode_some(self, values: &[f32], bytes: &mut [u8]) {
        match self {
            Self::F32 => {
                for (b, x) in bytes.chunks_exact_mut(4).zip(values) {
                    b.copy_from_slice(&x.to_le_bytes());
                }
            }
            Self::F16 => {
                let mut some = [half::f16::ZERO; HALVES];
                for (bytes, values) in bytes.chunks_mut(2 * HALVES).zip(values.chunks(HALVES)) {
                    let some = &mut some[..values.len()];
                    some.convert_from_f32_slice(values);
                    for (b, x) in bytes.chunks_exact_mut(2).zip(some) {
                        b.copy_from_slice(&x.to_le_bytes());
                    }
                }
            }
            Self::Bf16 => {
                for (b, &x) in bytes.chunks_exact_mut(2).zip(values) {
                    b.copy_from_slice(&half::bf16::from_f32(x).to_le_bytes());
                }
            }
        }
    }
}

/// Values that one core encodes at a time.
const ENCODED: usize = 1 << 15;
/// Values that are made f16 at a time, by the processor's instruction where it has one.
const HALVES: usize = 1024;

/// A kernel and how it is started.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    /// The kernel's name.
    pub kernel: String,
    /// Blocks in each direction.
    pub grid: (usize, usize),
    /// Threads of a block.
    pub threads: u32,
    /// Bytes of shared memory of a block that its source leaves open.
    pub memory: usize,
    /// Its argument.
    pub args: Args,
}

/// A kernel's argument, a C struct: addresses first, then numbers of 32 bits, so that nothing
/// is filled up between them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Args {
    bytes: Vec<u8>,
}

impl Args {
    /// The most bytes of an argument.
    pub(crate) const MOST: usize = 128;

    pub(crate) fn addresses(all: &[Address]) -> Self {
        Self {
            bytes: all.iter().flat_map(|a| a.to_le_bytes()).collect(),
        }
    }

    #[must_use]
    pub(crate) fn numbers(mut self, all: &[usize]) -> Self {
        for &n in all {
            // Sizes of a batch; nothing that long fits a device's memory.
            let n = u32::try_from(n).unwrap_or(u32::MAX);
            self.bytes.extend(n.to_le_bytes());
        }
        self
    }

    #[must_use]
    pub(crate) fn float(mut self, x: f32) -> Self {
        self.bytes.extend(x.to_le_bytes());
        self
    }

    /// The struct, filled up to whole 8 bytes as C does it.
    pub(crate) fn finish(&self) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes
    }
}

/// What is done to a matrix product's results on their way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Epilogue {
    /// Nothing but the bias, where there is one.
    Plain,
    /// GELU by its tanh approximation, the only one that the library has.
    Gelu,
    /// Zero below zero.
    Relu,
}

/// out (rows, columns) = rows (rows, inner) · weights (columns, inner)ᵀ + bias, all row by row.
/// Sums are f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Multiply {
    pub rows: Address,
    pub weights: Address,
    /// `columns` numbers of the result's type.
    pub bias: Option<Address>,
    pub out: Address,
    pub count: usize,
    pub columns: usize,
    pub inner: usize,
    /// From one row to the next, in numbers.
    pub row_stride: usize,
    /// From one row of the result to the next, in numbers.
    pub out_stride: usize,
    pub epilogue: Epilogue,
    /// The type of rows and weights.
    pub number: GpuDtype,
    /// The type of the result.
    pub out_number: GpuDtype,
}

/// As error messages name it: `(16 x 384) by (384 x 1536), f16 to f16, bias, GELU`.
impl std::fmt::Display for Multiply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (number, out) = (self.number.name(), self.out_number.name());
        write!(
            f,
            "({} x {}) by ({} x {}), {number} to {out}",
            self.count, self.inner, self.inner, self.columns
        )?;
        if self.row_stride != self.inner || self.out_stride != self.columns {
            write!(f, ", strides {} and {}", self.row_stride, self.out_stride)?;
        }
        if self.bias.is_some() {
            f.write_str(", bias")?;
        }
        match self.epilogue {
            Epilogue::Plain => Ok(()),
            Epilogue::Gelu => f.write_str(", GELU"),
            Epilogue::Relu => f.write_str(", ReLU"),
        }
    }
}

/// What became of a product that a device was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub(crate) enum Asked {
    /// It is under way.
    Started,
    /// The device does not compute it so, in its library's words; nothing is under way.
    Refused(String),
}

/// A point in the device's work.
pub(crate) struct Event(pub Box<dyn Any + Send>);

/// Work that was recorded instead of done.
pub(crate) struct CapturedGraph(pub Box<dyn Any + Send>);

/// One device and its one queue of work. Everything but `wait`, `alloc` and `pinned` returns at
/// once, and errors of work under way come out later.
pub(crate) trait Gpu: Send {
    /// Its name, such as `cuda:0`.
    fn name(&self) -> &str;

    /// What it is, for people.
    fn about(&self) -> String;

    /// Whether four warps can compute a product together, which Hopper alone does (`WIDE_PRODUCTS`
    /// in the kernels).
    fn has_wide_products(&self) -> bool;

    /// Memory that others and we have left, in bytes.
    fn free_memory(&mut self) -> GpuResult<usize>;

    /// Memory of the device; what is in it is anything.
    fn alloc(&mut self, bytes: usize) -> GpuResult<Buffer>;

    /// Memory of the host for transfers.
    fn pinned(&mut self, bytes: usize) -> GpuResult<Box<dyn Pinned>>;

    /// Copies bytes from the start of `from` to the device.
    fn upload(&mut self, from: &dyn Pinned, bytes: usize, to: Address) -> GpuResult<()>;

    /// Copies bytes from the device to the start of `to`.
    fn download(&mut self, from: Address, bytes: usize, to: &dyn Pinned) -> GpuResult<()>;

    /// Sets bytes to zero.
    fn clear(&mut self, to: Address, bytes: usize) -> GpuResult<()>;

    /// Starts a kernel.
    fn launch(&mut self, launch: &Launch) -> GpuResult<()>;

    /// Starts a matrix product, where the device has an algorithm for it; `products::multiply`
    /// goes on where it has none.
    fn multiply(&mut self, product: &Multiply) -> GpuResult<Asked>;

    /// Marks the end of what was asked for so far.
    fn mark(&mut self) -> GpuResult<Event>;

    /// Waits for a mark.
    fn wait(&mut self, mark: &Event) -> GpuResult<()>;

    /// Begins to record work instead of doing it.
    fn begin_capture(&mut self) -> GpuResult<()>;

    /// Ends a capture.
    fn end_capture(&mut self) -> GpuResult<CapturedGraph>;

    /// Does recorded work.
    fn launch_graph(&mut self, graph: &CapturedGraph) -> GpuResult<()>;
}

/// Waits for all that was asked for.
pub(crate) fn finish(gpu: &mut dyn Gpu) -> GpuResult<()> {
    let mark = gpu.mark()?;
    gpu.wait(&mark)
}

/// Bytes of one transfer of weights or vectors.
const STEP: usize = 16 << 20;

/// Pinned memory through which bytes pass in steps. It is kept between transfers, and one part of
/// it is filled while the device reads the other.
pub(crate) struct Staging {
    parts: [Part; 2],
    next: usize,
    step: usize,
}

#[derive(Default)]
struct Part {
    pinned: Option<Box<dyn Pinned>>,
    bytes: usize,
    /// The end of the transfer that uses it.
    busy: Option<Event>,
}

impl Part {
    /// Its memory, that many bytes at least, when no transfer uses it any more.
    fn free(&mut self, gpu: &mut dyn Gpu, bytes: usize) -> GpuResult<&mut Box<dyn Pinned>> {
        if let Some(mark) = self.busy.take() {
            gpu.wait(&mark)?;
        }
        if self.bytes < bytes {
            self.pinned = None;
            self.bytes = 0;
        }
        match &mut self.pinned {
            Some(pinned) => Ok(pinned),
            none => {
                let room = bytes.next_power_of_two();
                let pinned = none.insert(gpu.pinned(room)?);
                self.bytes = room;
                Ok(pinned)
            }
        }
    }
}

impl Default for Staging {
    fn default() -> Self {
        Self::of(STEP)
    }
}

impl Staging {
    /// One that copies so many bytes at a time.
    pub(crate) fn of(step: usize) -> Self {
        Self {
            parts: Default::default(),
            next: 0,
            step,
        }
    }

    /// Starts to copy so many bytes to the device; `fill` writes a range of them.
    pub(crate) fn fill(
        &mut self,
        gpu: &mut dyn Gpu,
        bytes: usize,
        to: Address,
        mut fill: impl FnMut(Range<usize>, &mut [u8]),
    ) -> GpuResult<()> {
        for begin in (0..bytes).step_by(self.step) {
            let some = self.step.min(bytes - begin);
            let own = self.next;
            self.next = (own + 1) % self.parts.len();
            let part = &mut self.parts[own];
            let pinned = part.free(gpu, some)?;
            fill(begin..begin + some, &mut pinned.bytes()[..some]);
            gpu.upload(&**pinned, some, to + begin as Address)?;
            part.busy = Some(gpu.mark()?);
        }
        Ok(())
    }

    /// Starts to copy bytes to the device.
    pub(crate) fn copy(&mut self, gpu: &mut dyn Gpu, bytes: &[u8], to: Address) -> GpuResult<()> {
        self.fill(gpu, bytes.len(), to, |range, out| {
            out.copy_from_slice(&bytes[range]);
        })
    }

    /// Starts to copy values to the device as numbers of a type.
    pub(crate) fn encode(
        &mut self,
        gpu: &mut dyn Gpu,
        number: GpuDtype,
        values: &[f32],
        to: Address,
    ) -> GpuResult<()> {
        let size = number.size();
        self.fill(gpu, values.len() * size, to, |range, out| {
            number.encode_into(&values[range.start / size..range.end / size], out);
        })
    }

    /// Bytes of the device's memory, when all that was asked for is done.
    pub(crate) fn get(
        &mut self,
        gpu: &mut dyn Gpu,
        from: Address,
        bytes: usize,
    ) -> GpuResult<Vec<u8>> {
        let mut out = Vec::with_capacity(bytes);
        self.each(gpu, from, bytes, |_, some| out.extend_from_slice(some))?;
        Ok(out)
    }

    /// The same, a range of them after another to `take`.
    pub(crate) fn each(
        &mut self,
        gpu: &mut dyn Gpu,
        from: Address,
        bytes: usize,
        mut take: impl FnMut(Range<usize>, &[u8]),
    ) -> GpuResult<()> {
        for begin in (0..bytes).step_by(self.step) {
            let some = self.step.min(bytes - begin);
            let pinned = self.parts[0].free(gpu, some)?;
            gpu.download(from + begin as Address, some, &**pinned)?;
            finish(gpu)?;
            take(begin..begin + some, &pinned.bytes()[..some]);
        }
        Ok(())
    }
}

/// Bytes in new memory of the device.
#[cfg(test)]
pub(crate) fn put(gpu: &mut dyn Gpu, bytes: &[u8]) -> GpuResult<Buffer> {
    let buffer = gpu.alloc(bytes.len().max(16))?;
    Staging::default().copy(gpu, bytes, buffer.address())?;
    finish(gpu)?;
    Ok(buffer)
}

/// Bytes of the device's memory, when all that was asked for is done.
#[cfg(test)]
pub(crate) fn get(gpu: &mut dyn Gpu, from: Address, bytes: usize) -> GpuResult<Vec<u8>> {
    Staging::default().get(gpu, from, bytes)
}

/// 32-bit numbers as bytes.
pub(crate) fn words(values: impl IntoIterator<Item = u32>) -> Vec<u8> {
    values.into_iter().flat_map(u32::to_le_bytes).collect()
}

/// Bytes as f32.
pub(crate) fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
        .collect()
}
