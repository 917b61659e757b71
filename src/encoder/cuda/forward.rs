//! The transformer: which kernels and products run, over which buffers.

use super::gpu::{Address, Args, Buffer, Epilogue, Gpu, GpuDtype, GpuResult, Launch, Multiply};
use super::pack::BatchShape;
use super::weights::{Pair, Shape, Weights};
use crate::model::architecture::{Activation, Pooling};

/// Rows of a block, one a warp, and its threads; `rows.cu`.
const ROWS: (usize, u32) = (4, 128);
/// Threads of a block of the attention; `attention.cu`.
const ATTENTION_THREADS: u32 = 128;
/// Sizes of a head that the matrix units' kernel is made for.
const HEADS: [usize; 2] = [32, 64];
/// The widest head of the other kernel.
const WIDEST_HEAD: usize = 256;
/// Numbers and threads of a block of the activation; `rows.cu`.
const ACTIVATE: (usize, u32) = (1024, 256);
/// Threads of a block of the pooling; `rows.cu`.
const POOL_THREADS: u32 = 512;
/// Parts of 128 numbers of a row that the row kernels are made for.
const PARTS: [usize; 7] = [1, 2, 3, 4, 6, 8, 16];

/// Buffers of a batch's hidden states, used again by the next.
pub(super) struct Arena {
    /// The rows that they hold.
    pub tokens: usize,
    /// The residual stream, (tokens, hidden).
    stream: Buffer,
    /// Queries, keys and values, (tokens, 3 * hidden); when the attention is done, what is
    /// added to the stream.
    qkv: Buffer,
    /// The attention's results, (tokens, hidden).
    context: Buffer,
    /// Between the feed-forward pair, (tokens, intermediate).
    wide: Buffer,
}

impl Arena {
    /// Bytes of a row in all buffers.
    pub(super) fn row_bytes(shape: &Shape) -> usize {
        shape.number.size() * (5 * shape.hidden + shape.intermediate)
    }

    /// Buffers for this many rows.
    pub(super) fn new(gpu: &mut dyn Gpu, shape: &Shape, tokens: usize) -> GpuResult<Self> {
        let row = tokens * shape.number.size();
        let mut arena = Self {
            tokens,
            stream: gpu.alloc(row * shape.hidden)?,
            qkv: gpu.alloc(row * 3 * shape.hidden)?,
            context: gpu.alloc(row * shape.hidden)?,
            wide: gpu.alloc(row * shape.intermediate)?,
        };
        // Rows that fill a batch up have no attention of their own; what they hold must be
        // numbers all the same, for they go through the layers with the others.
        let buffers = [
            &mut arena.stream,
            &mut arena.qkv,
            &mut arena.context,
            &mut arena.wide,
        ];
        for buffer in buffers {
            gpu.clear(buffer.address(), buffer.bytes())?;
        }
        Ok(arena)
    }
}

/// Why a model cannot be computed with these kernels, where it cannot.
pub(super) fn unsupported(shape: &Shape) -> Option<String> {
    let head = shape.hidden / shape.heads;
    if !shape.hidden.is_multiple_of(4) || !shape.intermediate.is_multiple_of(4) {
        return Some(format!(
            "hidden sizes of {} and {} are not divisible by 4",
            shape.hidden, shape.intermediate
        ));
    }
    if parts(shape.hidden).is_none() {
        return Some(format!("a hidden size of {} is above 2048", shape.hidden));
    }
    if head > WIDEST_HEAD {
        return Some(format!("heads of {head} numbers are above {WIDEST_HEAD}"));
    }
    None
}

fn parts(hidden: usize) -> Option<usize> {
    PARTS.into_iter().find(|p| 128 * p >= hidden)
}

/// Asks for the vectors of a batch: `input` describes it as [`BatchShape::write`] does, `out` gets a
/// vector of unit length for each text of the batch, (texts, hidden), f32.
pub(super) fn forward(
    gpu: &mut dyn Gpu,
    shape: &Shape,
    weights: &Weights<Buffer>,
    arena: &Arena,
    padded: &BatchShape,
    input: Address,
    out: Address,
) -> GpuResult<()> {
    let run = Run {
        shape,
        arena,
        padded,
        input,
        kind: shape.number.name(),
        parts: parts(shape.hidden).unwrap_or(0),
    };
    run.embed(gpu, weights)?;
    for layer in &weights.layers {
        let (hidden, wide) = (shape.hidden, shape.intermediate);
        let (stream, qkv) = (arena.stream.address(), arena.qkv.address());
        let (context, between) = (arena.context.address(), arena.wide.address());
        run.linear(
            gpu,
            &layer.qkv,
            stream,
            qkv,
            (hidden, 3 * hidden),
            Epilogue::Plain,
        )?;
        run.attend(gpu, weights.relative.as_ref())?;
        run.linear(
            gpu,
            &layer.output,
            context,
            qkv,
            (hidden, hidden),
            Epilogue::Plain,
        )?;
        run.add_norm(gpu, &layer.norm)?;
        run.widen(gpu, &layer.up)?;
        run.linear(
            gpu,
            &layer.down,
            between,
            qkv,
            (wide, hidden),
            Epilogue::Plain,
        )?;
        run.add_norm(gpu, &layer.last_norm)?;
    }
    run.pool(gpu, out)
}

struct Run<'a> {
    shape: &'a Shape,
    arena: &'a Arena,
    padded: &'a BatchShape,
    input: Address,
    kind: &'static str,
    parts: usize,
}

impl Run<'_> {
    fn word(&self, at: usize) -> Address {
        self.input + 4 * at as Address
    }

    fn rows(&self, gpu: &mut dyn Gpu, kernel: &str, addresses: &[Address]) -> GpuResult<()> {
        gpu.launch(&Launch {
            kernel: format!("{kernel}_{}_{}", self.kind, self.parts),
            grid: (self.padded.tokens.div_ceil(ROWS.0), 1),
            threads: ROWS.1,
            args: Args::addresses(addresses)
                .numbers(&[self.padded.tokens, self.shape.hidden])
                .float(self.shape.eps),
        })
    }

    fn embed(&self, gpu: &mut dyn Gpu, weights: &Weights<Buffer>) -> GpuResult<()> {
        self.rows(
            gpu,
            "embed",
            &[
                self.word(0),
                self.word(self.padded.places_at()),
                weights.words.address(),
                weights.positions.address(),
                weights.norm.weights.address(),
                weights.norm.bias.address(),
                self.arena.stream.address(),
            ],
        )
    }

    fn add_norm(&self, gpu: &mut dyn Gpu, norm: &Pair<Buffer>) -> GpuResult<()> {
        self.rows(
            gpu,
            "add_norm",
            &[
                self.arena.qkv.address(),
                self.arena.stream.address(),
                norm.weights.address(),
                norm.bias.address(),
            ],
        )
    }

    fn linear(
        &self,
        gpu: &mut dyn Gpu,
        weights: &Pair<Buffer>,
        from: Address,
        to: Address,
        (inner, columns): (usize, usize),
        epilogue: Epilogue,
    ) -> GpuResult<()> {
        gpu.multiply(&Multiply {
            rows: from,
            weights: weights.weights.address(),
            bias: Some(weights.bias.address()),
            out: to,
            count: self.padded.tokens,
            columns,
            inner,
            out_stride: columns,
            epilogue,
            number: self.shape.number,
            out_number: self.shape.number,
        })
    }

    /// The first of the feed-forward pair, with its activation.
    fn widen(&self, gpu: &mut dyn Gpu, up: &Pair<Buffer>) -> GpuResult<()> {
        // The approximation of the GELU is off by 5e-4 at most, less than 16-bit numbers are;
        // in f32 it would be seen.
        let exact = self.shape.activation == Activation::Gelu && self.shape.number == GpuDtype::F32;
        let epilogue = match self.shape.activation {
            Activation::Relu => Epilogue::Relu,
            Activation::Gelu if exact => Epilogue::Plain,
            Activation::Gelu | Activation::GeluTanh => Epilogue::Gelu,
            _ => Epilogue::Plain,
        };
        let sizes = (self.shape.hidden, self.shape.intermediate);
        let (stream, wide) = (self.arena.stream.address(), self.arena.wide.address());
        self.linear(gpu, up, stream, wide, sizes, epilogue)?;
        if exact {
            let count = self.padded.tokens * self.shape.intermediate;
            gpu.launch(&Launch {
                kernel: format!("activate_{}", self.kind),
                grid: (count.div_ceil(ACTIVATE.0), 1),
                threads: ACTIVATE.1,
                args: Args::addresses(&[wide, count as Address]),
            })?;
        }
        Ok(())
    }

    fn attend(&self, gpu: &mut dyn Gpu, relative: Option<&Buffer>) -> GpuResult<()> {
        let head = self.shape.hidden / self.shape.heads;
        let kernel = if self.shape.number != GpuDtype::F32 && HEADS.contains(&head) {
            format!("attention_{}_{head}", self.kind)
        } else {
            format!("attention_{}", self.kind)
        };
        gpu.launch(&Launch {
            kernel,
            grid: (self.padded.tiles, self.shape.heads),
            threads: ATTENTION_THREADS,
            args: Args::addresses(&[
                self.arena.qkv.address(),
                self.word(self.padded.tiles_at()),
                relative.map_or(0, Buffer::address),
                self.arena.context.address(),
            ])
            .numbers(&[self.shape.hidden, head, self.shape.longest]),
        })
    }

    fn pool(&self, gpu: &mut dyn Gpu, out: Address) -> GpuResult<()> {
        let mode = match self.shape.pooling {
            Pooling::Cls => 0,
            // They differ in length alone, and vectors are scaled to unit length.
            Pooling::Mean | Pooling::MeanSqrtLen => 1,
            Pooling::Max => 2,
            _ => 3,
        };
        gpu.launch(&Launch {
            kernel: format!("pool_{}", self.kind),
            grid: (self.padded.texts, 1),
            threads: POOL_THREADS,
            args: Args::addresses(&[
                self.arena.stream.address(),
                self.word(self.padded.starts_at()),
                out,
            ])
            .numbers(&[self.shape.hidden, mode]),
        })
    }
}
