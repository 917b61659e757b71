//! The transformer: which kernels and products run, over which buffers.

use super::gpu::{Address, Args, Buffer, Epilogue, Gpu, GpuDtype, GpuResult, Launch, Multiply};
use super::pack::{BatchShape, SMALL, TILE};
use super::weights::{
    Layer, Norm, Pair, Shape, Weights, context_width, inner_width, qkv_width, up_width,
};
use crate::model::architecture::{
    Activation, Architecture, Block, NormKind, Norms, Place, Pooling,
};

/// Rows of a block, one a warp, and its threads; `rows.cu`.
const ROWS: (usize, u32) = (4, 128);
/// Threads of a block of the attention; `attention.cu`.
const ATTENTION_THREADS: u32 = 128;
/// Queries of a block of the attention where it takes no whole tile: of wide heads, on the ordinary
/// units, and where a batch is too small to fill a device with blocks; `HALF` in `attention.cu`.
const HALF: usize = 64;
/// The widest head whose blocks take a whole tile; `GROUPS` in `attention.cu`.
const NARROW: usize = 64;
/// Sizes of a head that the attention's kernels are made for; narrower ones take the next.
const HEADS: [usize; 4] = [32, 64, 128, 256];
/// Numbers of a head go to the matrix units by so many.
const EIGHT: usize = 8;
/// The widest head, and heads that a block takes, of the attention of short texts; `attention.cu`.
const SHORT_HEADS: (usize, usize) = (64, 4);
/// Numbers and threads of a block of the activation; `rows.cu`.
const ACTIVATE: (usize, u32) = (1024, 256);
/// Threads of a block of the pooling; `rows.cu`.
const POOL_THREADS: u32 = 512;
/// Parts of 128 numbers of a row that the row kernels are made for.
const PARTS: [usize; 8] = [1, 2, 3, 4, 6, 8, 16, 32];
/// In the order of `activated` in `rows.cu`.
pub(super) const ACTIVATIONS: [Activation; 7] = [
    Activation::Gelu,
    Activation::GeluTanh,
    Activation::Relu,
    Activation::Silu,
    Activation::Tanh,
    Activation::Sigmoid,
    Activation::Identity,
];

/// Buffers of a batch's hidden states, used again by the next.
pub(super) struct Arena {
    /// The rows that they hold.
    pub tokens: usize,
    /// The residual stream, (tokens, hidden).
    stream: Buffer,
    /// Queries, keys and values; when the attention is done, what is added to the stream,
    /// (tokens, hidden).
    qkv: Buffer,
    /// The attention's results; before it and behind it the stream normalised, where the stream is
    /// kept as it is, (tokens, hidden).
    context: Buffer,
    /// Between the feed-forward pair.
    wide: Buffer,
}

/// Numbers of a row of each buffer of an [`Arena`].
fn widths(shape: &Shape) -> [usize; 4] {
    let hidden = shape.hidden_width();
    let widest = |what: fn(&Block) -> usize| {
        let all = shape.architecture.blocks.iter().map(what);
        all.max().unwrap_or(0)
    };
    [
        hidden,
        widest(qkv_width).max(hidden),
        widest(context_width).max(hidden),
        widest(up_width),
    ]
}

impl Arena {
    /// Bytes of a row in all buffers.
    pub(super) fn row_bytes(shape: &Shape) -> usize {
        shape.number.size() * widths(shape).iter().sum::<usize>()
    }

    /// Buffers for this many rows.
    pub(super) fn new(gpu: &mut dyn Gpu, shape: &Shape, tokens: usize) -> GpuResult<Self> {
        let row = tokens * shape.number.size();
        let [stream, qkv, context, wide] = widths(shape);
        let mut arena = Self {
            tokens,
            stream: gpu.alloc(row * stream)?,
            qkv: gpu.alloc(row * qkv)?,
            context: gpu.alloc(row * context)?,
            wide: gpu.alloc(row * wide)?,
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

/// Why an architecture cannot be computed with these kernels, where it cannot.
pub(super) fn unsupported(architecture: &Architecture) -> Option<String> {
    let hidden = architecture.hidden;
    if parts(hidden).is_none() {
        let most = 128 * PARTS[PARTS.len() - 1];
        return Some(format!("its hidden size of {hidden} is above {most}"));
    }
    let mut by_distance = None;
    for block in &architecture.blocks {
        let a = &block.attention;
        if a.head_dim > HEADS[HEADS.len() - 1] {
            let (size, most) = (a.head_dim, HEADS[HEADS.len() - 1]);
            return Some(format!("its heads of {size} numbers are above {most}"));
        }
        if a.kv_heads == 0 || !a.heads.is_multiple_of(a.kv_heads) {
            return Some(format!(
                "its {} heads of queries do not share {} heads of keys evenly",
                a.heads, a.kv_heads
            ));
        }
        // One table holds what scores get by distance, in all blocks.
        if matches!(a.place, Place::Alibi | Place::Buckets(_)) && by_distance.is_none() {
            by_distance = Some(a.heads);
        }
    }
    let other = |heads: usize| {
        architecture
            .blocks
            .iter()
            .any(|b| b.attention.heads != heads)
    };
    if by_distance.is_some_and(other) {
        return Some("its scores depend on distances, and its blocks differ in heads".to_string());
    }
    None
}

fn parts(hidden: usize) -> Option<usize> {
    PARTS.into_iter().find(|p| 128 * p >= hidden)
}

/// How the attention is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// On the matrix units.
    Matrix,
    /// On these, several heads of a short text at once.
    Short,
    /// On the ordinary units: f32, and heads that are no multiple of eight.
    Tiled,
}

impl Way {
    fn of(number: GpuDtype, head_dim: usize, short: bool) -> Self {
        if number == GpuDtype::F32 || !head_dim.is_multiple_of(EIGHT) {
            Self::Tiled
        } else if short && head_dim <= SHORT_HEADS.0 {
            Self::Short
        } else {
            Self::Matrix
        }
    }
}

/// The size of a head that a kernel is made for.
fn head_size(head_dim: usize) -> usize {
    let wide = HEADS.into_iter().find(|&h| h >= head_dim);
    wide.unwrap_or(HEADS[HEADS.len() - 1])
}

/// Asks for the vectors of a batch: `input` describes it as [`BatchShape::write`] does, `out` gets
/// the pooled vectors of each text of the batch as they are, (texts, poolings, hidden width), f32.
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
        weights,
        arena,
        padded,
        input,
        kind: shape.number.name(),
        parts: parts(shape.hidden()).unwrap_or(0),
    };
    run.embed(gpu)?;
    let stream = arena.stream.address();
    // What the block before has not added yet: it is done with the next norm.
    let mut added = Added::Nothing;
    for (block, layer) in shape.architecture.blocks.iter().zip(&weights.layers) {
        let before = match &layer.norms {
            Norms::Post(_) => None,
            Norms::Pre([norm, _]) => norm.as_ref(),
            Norms::Sandwich([norm, ..]) => Some(norm),
        };
        let rows = run.add_norm_apart(gpu, added, before)?;
        run.attention(gpu, block, layer, rows)?;
        let rows = match &layer.norms {
            Norms::Post([norm, _]) => {
                run.add_norm(gpu, Added::AsItIs, Some((norm, stream)))?;
                stream
            }
            Norms::Pre([_, norm]) => run.add_norm_apart(gpu, Added::AsItIs, norm.as_ref())?,
            Norms::Sandwich([_, after, norm, _]) => {
                run.add_norm_apart(gpu, Added::Normed(after), Some(norm))?
            }
        };
        run.feed_forward(gpu, block, layer, rows)?;
        added = match &layer.norms {
            Norms::Post([_, norm]) => {
                run.add_norm(gpu, Added::AsItIs, Some((norm, stream)))?;
                Added::Nothing
            }
            Norms::Pre(_) => Added::AsItIs,
            Norms::Sandwich([.., after]) => Added::Normed(after),
        };
    }
    let last = weights.last_norm.as_ref();
    run.add_norm(gpu, added, last.map(|norm| (norm, stream)))?;
    for (number, pooling) in shape.poolings.iter().enumerate() {
        run.pool(
            gpu,
            *pooling,
            out + (4 * number * shape.hidden_width()) as Address,
        )?;
    }
    Ok(())
}

/// What is added to the stream: what the last product made.
#[derive(Clone, Copy)]
enum Added<'a> {
    Nothing,
    AsItIs,
    Normed(&'a Norm<Buffer>),
}

struct Run<'a> {
    shape: &'a Shape,
    weights: &'a Weights<Buffer>,
    arena: &'a Arena,
    padded: &'a BatchShape,
    input: Address,
    kind: &'static str,
    parts: usize,
}

fn address(buffer: Option<&Buffer>) -> Address {
    buffer.map_or(0, Buffer::address)
}

/// Gain and bias, or nulls.
fn addresses(norm: Option<&Norm<Buffer>>) -> [Address; 2] {
    [
        address(norm.map(|n| &n.gain)),
        address(norm.and_then(|n| n.bias.as_ref())),
    ]
}

/// Whether the mean is taken off, as kernels take it.
fn centred(norm: Option<&Norm<Buffer>>) -> usize {
    usize::from(norm.is_some_and(|n| n.kind == NormKind::Layer))
}

fn eps(norm: Option<&Norm<Buffer>>) -> f32 {
    norm.map_or(0.0, |n| n.eps)
}

impl Run<'_> {
    fn word(&self, at: usize) -> Address {
        self.input + 4 * at as Address
    }

    /// A kernel that takes a row a warp.
    fn rows(&self, gpu: &mut dyn Gpu, kernel: &str, args: Args) -> GpuResult<()> {
        gpu.launch(&Launch {
            kernel: format!("{kernel}_{}_{}", self.kind, self.parts),
            grid: (self.padded.tokens.div_ceil(ROWS.0), 1),
            threads: ROWS.1,
            memory: 0,
            args,
        })
    }

    fn embed(&self, gpu: &mut dyn Gpu) -> GpuResult<()> {
        let w = self.weights;
        let norm = w.norm.as_ref();
        let [gain, bias] = addresses(norm);
        let args = Args::addresses(&[
            self.word(0),
            self.word(self.padded.places_at()),
            w.words.address(),
            address(w.places.as_ref()),
            gain,
            bias,
            self.arena.stream.address(),
        ])
        .numbers(&[
            self.padded.tokens,
            self.shape.hidden(),
            self.shape.place_rows,
            centred(norm),
        ])
        .float(self.shape.architecture.embedding.scale)
        .float(eps(norm));
        self.rows(gpu, "embed", args)
    }

    /// Adds to the stream, and writes the stream normalised, where that is asked for, to an
    /// address, which may be the stream's own.
    fn add_norm(
        &self,
        gpu: &mut dyn Gpu,
        added: Added<'_>,
        norm: Option<(&Norm<Buffer>, Address)>,
    ) -> GpuResult<()> {
        let inner = match (added, norm) {
            (Added::Nothing, None) => return Ok(()),
            (Added::Normed(inner), _) => Some(inner),
            _ => None,
        };
        let values = match added {
            Added::Nothing => 0,
            _ => self.arena.qkv.address(),
        };
        let (norm, out) = norm.unzip();
        let ([inner_gain, inner_bias], [gain, bias]) = (addresses(inner), addresses(norm));
        let args = Args::addresses(&[
            values,
            self.arena.stream.address(),
            inner_gain,
            inner_bias,
            gain,
            bias,
            out.unwrap_or(0),
        ])
        .numbers(&[
            self.padded.tokens,
            self.shape.hidden(),
            centred(inner),
            centred(norm),
        ])
        .float(eps(inner))
        .float(eps(norm));
        let kernel = match (added, norm) {
            (Added::AsItIs, Some(_)) if out == Some(self.arena.stream.address()) => "add_norm",
            _ => "add_norms",
        };
        self.rows(gpu, kernel, args)
    }

    /// Adds to the stream, and says where what the next product takes lies: the stream normalised,
    /// beside the stream, or the stream itself.
    fn add_norm_apart(
        &self,
        gpu: &mut dyn Gpu,
        added: Added<'_>,
        norm: Option<&Norm<Buffer>>,
    ) -> GpuResult<Address> {
        // The attention's results are not there yet, or were read.
        let apart = self.arena.context.address();
        self.add_norm(gpu, added, norm.map(|n| (n, apart)))?;
        Ok(norm.map_or(self.arena.stream.address(), |_| apart))
    }

    /// A product of rows, `stride` numbers from one to the next, with (columns, inner).
    fn linear(
        &self,
        gpu: &mut dyn Gpu,
        weights: &Pair<Buffer>,
        (from, stride): (Address, usize),
        to: Address,
        (inner, columns): (usize, usize),
        epilogue: Epilogue,
    ) -> GpuResult<()> {
        super::products::multiply(
            gpu,
            &Multiply {
                rows: from,
                weights: weights.weights.address(),
                bias: Some(weights.bias.address()),
                out: to,
                count: self.padded.tokens,
                columns,
                inner,
                row_stride: stride,
                out_stride: columns,
                epilogue,
                number: self.shape.number,
                out_number: self.shape.number,
            },
        )
    }

    /// The attention of a block; what is to be added lies in `qkv` then.
    fn attention(
        &self,
        gpu: &mut dyn Gpu,
        block: &Block,
        layer: &Layer<Buffer>,
        rows: Address,
    ) -> GpuResult<()> {
        let (hidden, width) = (self.shape.hidden_width(), context_width(block));
        let (qkv, context) = (self.arena.qkv.address(), self.arena.context.address());
        let sizes = (hidden, qkv_width(block));
        self.linear(gpu, &layer.qkv, (rows, hidden), qkv, sizes, Epilogue::Plain)?;
        self.prepare_heads(gpu, block, layer)?;
        self.attend(gpu, block)?;
        let rows = (context, width);
        let sizes = (width, hidden);
        self.linear(gpu, &layer.output, rows, qkv, sizes, Epilogue::Plain)
    }

    /// Normalises and rotates queries and keys, where the model does.
    fn prepare_heads(
        &self,
        gpu: &mut dyn Gpu,
        block: &Block,
        layer: &Layer<Buffer>,
    ) -> GpuResult<()> {
        let rotation = layer.rotation.map(|i| &self.weights.rotations[i]);
        if rotation.is_none() && layer.head_norms.is_none() {
            return Ok(());
        }
        let norms = layer.head_norms.as_ref();
        let (of_queries, of_keys) = (norms.map(|[q, _]| q), norms.map(|[_, k]| k));
        let ([query_gain, query_bias], [key_gain, key_bias]) =
            (addresses(of_queries), addresses(of_keys));
        let a = &block.attention;
        gpu.launch(&Launch {
            kernel: format!("heads_{}", self.kind),
            grid: (self.padded.tokens.div_ceil(ROWS.0), a.heads + a.kv_heads),
            threads: ROWS.1,
            memory: 0,
            args: Args::addresses(&[
                self.arena.qkv.address(),
                self.word(self.padded.places_at()),
                address(rotation.map(|r| &r.cosines)),
                address(rotation.map(|r| &r.sines)),
                query_gain,
                query_bias,
                key_gain,
                key_bias,
            ])
            .numbers(&[
                self.padded.tokens,
                qkv_width(block),
                a.heads,
                a.head_dim,
                rotation.map_or(0, |r| r.pairs),
                centred(of_queries),
            ])
            .float(eps(of_queries)),
        })
    }

    fn attend(&self, gpu: &mut dyn Gpu, block: &Block) -> GpuResult<()> {
        let a = &block.attention;
        let way = Way::of(self.shape.number, a.head_dim, self.padded.short);
        let size = head_size(a.head_dim);
        let (name, heads) = match way {
            Way::Matrix => ("attention", a.heads),
            Way::Short => ("attention_short", a.heads.div_ceil(SHORT_HEADS.1)),
            Way::Tiled => ("attention_tiled", a.heads),
        };
        let queries = match way {
            // A short text is less than a block.
            Way::Short => TILE,
            Way::Matrix if size <= NARROW && self.padded.tokens > SMALL => TILE,
            _ => HALF,
        };
        // No text is longer.
        let longest = self.shape.longest;
        gpu.launch(&Launch {
            kernel: format!("{name}_{}_{size}", self.kind),
            grid: (self.padded.tiles * heads * (TILE / queries), 1),
            threads: ATTENTION_THREADS,
            memory: 0,
            args: Args::addresses(&[
                self.arena.qkv.address(),
                self.word(self.padded.tiles_at()),
                address(self.weights.relative.as_ref()),
                self.arena.context.address(),
            ])
            .numbers(&[
                a.heads,
                a.kv_heads,
                a.head_dim,
                longest,
                a.reach.before.min(longest),
                a.reach.behind.min(longest),
                queries,
                0,
            ]),
        })
    }

    /// The feed-forward network of a block; what is to be added lies in `qkv` then.
    fn feed_forward(
        &self,
        gpu: &mut dyn Gpu,
        block: &Block,
        layer: &Layer<Buffer>,
        rows: Address,
    ) -> GpuResult<()> {
        let f = block.feed_forward;
        let (hidden, inner, wide) = (
            self.shape.hidden_width(),
            inner_width(block),
            up_width(block),
        );
        let (between, added) = (self.arena.wide.address(), self.arena.qkv.address());
        let epilogue = if f.gated {
            None
        } else {
            self.epilogue(f.activation)
        };
        let sizes = (hidden, wide);
        let fused = epilogue.unwrap_or(Epilogue::Plain);
        self.linear(gpu, &layer.up, (rows, hidden), between, sizes, fused)?;
        if epilogue.is_none() {
            let kernel = if f.gated { "gate" } else { "activate" };
            let count = self.padded.tokens * inner;
            let activation = ACTIVATIONS.iter().position(|a| *a == f.activation);
            gpu.launch(&Launch {
                kernel: format!("{kernel}_{}", self.kind),
                grid: (count.div_ceil(ACTIVATE.0), 1),
                threads: ACTIVATE.1,
                memory: 0,
                args: Args::addresses(&[between]).numbers(&[
                    inner / 4,
                    count / 4,
                    activation.unwrap_or(ACTIVATIONS.len()),
                    0,
                ]),
            })?;
        }
        // Of gated rows the first half is what goes on.
        let rows = (between, wide);
        let sizes = (inner, hidden);
        self.linear(gpu, &layer.down, rows, added, sizes, Epilogue::Plain)
    }

    /// The epilogue of a product that is an activation, where there is one.
    fn epilogue(&self, activation: Activation) -> Option<Epilogue> {
        match activation {
            Activation::Relu => Some(Epilogue::Relu),
            Activation::GeluTanh => Some(Epilogue::Gelu),
            // The approximation of the GELU is off by 5e-4 at most, less than 16-bit numbers are;
            // in f32 it would be seen.
            Activation::Gelu if self.shape.number != GpuDtype::F32 => Some(Epilogue::Gelu),
            Activation::Identity => Some(Epilogue::Plain),
            _ => None,
        }
    }

    fn pool(&self, gpu: &mut dyn Gpu, pooling: Pooling, out: Address) -> GpuResult<()> {
        // As in `rows.cu`.
        let mode = match pooling {
            Pooling::Cls => 0,
            Pooling::Mean => 1,
            Pooling::Max => 2,
            Pooling::MeanSqrtLen => 3,
            Pooling::Weighted => 4,
            Pooling::Last => 5,
        };
        gpu.launch(&Launch {
            kernel: format!("pool_{}", self.kind),
            grid: (self.padded.texts, 1),
            threads: POOL_THREADS,
            memory: 0,
            args: Args::addresses(&[
                self.arena.stream.address(),
                self.word(self.padded.starts_at()),
                out,
            ])
            .numbers(&[
                self.shape.hidden_width(),
                mode,
                self.shape.out_width(),
                self.padded.left_out_at() - self.padded.starts_at(),
            ]),
        })
    }
}
