//! The transformer over a run of tokens: texts one behind another, without padding.
//!
//! All of it is done by one thread, or by a few that share each step. A value depends on its
//! own text alone, and each sum is made in one order, so vectors are the same to the bit
//! whatever else is in the run and however many threads there are.

#![allow(unsafe_code)]

use super::crew::Worker;
use super::weights::{NormWeights, Weights};
use crate::kernels::{
    Aligned, Attention, AttentionScratch, Epilogue, Format, Gemm, Kernels, Norm, Output, Packed,
    Rows,
};
use crate::model::Pooling;
use std::ops::Range;
use std::sync::{Arc, Mutex};

/// Rows that go through the feed-forward pair at a time, so that what is between stays in the
/// second-level cache; see `docs/performance.md`.
const FEED_FORWARD_ROWS: usize = 64;

/// Memory for one run.
#[derive(Default)]
pub(super) struct Scratch {
    hidden: Aligned,
    operands: Aligned,
    qkv: Aligned,
    context: Aligned,
    wide: Aligned,
    wide_operands: Aligned,
    scales: Aligned,
    zeros: Aligned,
    attention: Vec<Mutex<AttentionScratch>>,
}

/// Where the buffers are, and their strides.
struct Buffers {
    /// (tokens, hidden) f32: the residual stream.
    hidden: *mut f32,
    hidden_stride: usize,
    /// (tokens, hidden) operands; the residual stream itself where those are f32.
    operands: *mut u32,
    operand_stride: usize,
    /// (tokens, 3 * hidden) operands of the attention.
    qkv: *mut u32,
    qkv_stride: usize,
    /// (tokens, hidden) f32: the attention's results.
    context: *mut f32,
    /// (`FEED_FORWARD_ROWS`, intermediate) f32, where operands are quantised.
    wide: *mut f32,
    wide_stride: usize,
    /// (`FEED_FORWARD_ROWS`, intermediate) operands.
    wide_operands: *mut u32,
    wide_operand_stride: usize,
    /// (tokens) each, where operands are quantised; behind them those of wide rows.
    scales: *mut f32,
    zeros: *mut i32,
    tokens: usize,
}

// SAFETY: workers write to different parts of what the pointers name, or at different steps.
unsafe impl Sync for Buffers {}
// SAFETY: what the pointers name belongs to the run's scratch, which goes where they go.
unsafe impl Send for Buffers {}

/// What is added to a stride of words, so that rows do not fall on the same lines of a cache.
const SKEW: usize = 16;

/// A model's packed weights, and the kernels that they are packed for.
pub(super) struct Model {
    pub weights: Weights,
    pub kernels: Kernels,
}

/// A run of texts.
pub(super) struct Run {
    model: Arc<Model>,
    texts: Vec<Vec<u32>>,
    /// The first token of each text, and the end.
    starts: Vec<usize>,
    /// Into `scratch`, whose memory stays where it is while the run lives.
    buffers: Buffers,
    scratch: Scratch,
}

impl Run {
    /// A run of `texts`, whose tokens are in the vocabulary and whose lengths are within the
    /// model's.
    pub(super) fn new(
        model: Arc<Model>,
        texts: Vec<Vec<u32>>,
        workers: usize,
        mut scratch: Scratch,
    ) -> Self {
        let Model { weights, kernels } = &*model;
        let mut starts = vec![0];
        let mut tokens = 0;
        for text in &texts {
            tokens += text.len();
            starts.push(tokens);
        }
        let full = |n: usize| n.next_multiple_of(kernels.width);
        let words = |n: usize, format: Format| full(n) / format.group() + SKEW;
        let hidden = full(weights.hidden) + SKEW;
        let operands = words(weights.hidden, kernels.format);
        let qkv = words(3 * weights.hidden, kernels.operand);
        let wide = full(weights.intermediate) + SKEW;
        let wide_operands = words(weights.intermediate, kernels.format);
        let rows = tokens.min(FEED_FORWARD_ROWS);
        let same = kernels.format == Format::F32;
        let quantised = kernels.format.quantised();
        scratch.hidden.reserve(tokens * hidden);
        scratch.context.reserve(tokens * hidden);
        scratch.qkv.reserve(tokens * qkv);
        scratch.wide_operands.reserve(rows * wide_operands);
        if !same {
            scratch.operands.reserve(tokens * operands);
        }
        if quantised {
            scratch.wide.reserve(rows * wide);
        }
        // Read for every format, used where it is quantised.
        scratch.scales.reserve(tokens + rows);
        scratch.zeros.reserve(tokens + rows);
        scratch.attention.resize_with(workers, Mutex::default);
        let stream = scratch.hidden.as_mut_ptr();
        let buffers = Buffers {
            hidden: stream.cast(),
            hidden_stride: hidden,
            operands: if same {
                stream
            } else {
                scratch.operands.as_mut_ptr()
            },
            operand_stride: if same { hidden } else { operands },
            qkv: scratch.qkv.as_mut_ptr(),
            qkv_stride: qkv,
            context: scratch.context.as_mut_ptr().cast(),
            wide: scratch.wide.as_mut_ptr().cast(),
            wide_stride: wide,
            wide_operands: scratch.wide_operands.as_mut_ptr(),
            wide_operand_stride: wide_operands,
            scales: scratch.scales.as_mut_ptr().cast(),
            zeros: scratch.zeros.as_mut_ptr().cast(),
            tokens,
        };
        Self {
            model,
            texts,
            starts,
            buffers,
            scratch,
        }
    }

    /// The memory, for another run.
    pub(super) fn into_scratch(self) -> Scratch {
        self.scratch
    }

    /// Computes this worker's share; all workers of the team call it.
    pub(super) fn compute(&self, worker: &Worker<'_>) {
        let tokens = self.buffers.tokens;
        self.embed(worker.share(tokens));
        worker.wait();
        for layer in &self.model.weights.layers {
            self.gemm(worker, Step::Qkv, &layer.qkv, 0..tokens);
            worker.wait();
            self.attend(worker);
            worker.wait();
            if self.model.kernels.format != Format::F32 {
                self.operands(self.rows(self.buffers.context, worker.share(tokens)));
                worker.wait();
            }
            self.gemm(worker, Step::Output, &layer.output, 0..tokens);
            worker.wait();
            self.norm(worker.share(tokens), &layer.norm);
            worker.wait();
            for first in (0..tokens).step_by(FEED_FORWARD_ROWS) {
                let rows = first..tokens.min(first + FEED_FORWARD_ROWS);
                self.gemm(worker, Step::Up, &layer.up, rows.clone());
                worker.wait();
                if self.model.kernels.format.quantised() {
                    self.operands(self.wide_rows(worker.share(rows.len())));
                    worker.wait();
                }
                self.gemm(worker, Step::Down, &layer.down, rows.clone());
                worker.wait();
                let share = worker.share(rows.len());
                self.norm(first + share.start..first + share.end, &layer.last_norm);
                worker.wait();
            }
        }
    }

    /// Embeddings of tokens and positions, normalised.
    fn embed(&self, rows: Range<usize>) {
        let (w, b) = (&self.model.weights, &self.buffers);
        let mut text = 0;
        for row in rows.clone() {
            while row >= self.starts[text + 1] {
                text += 1;
            }
            let position = row - self.starts[text];
            let token = self.texts[text][position] as usize;
            // SAFETY: the row is one of the buffer's, and only this worker's.
            let out = unsafe {
                std::slice::from_raw_parts_mut(b.hidden.add(row * b.hidden_stride), w.hidden)
            };
            let word = &w.words[token * w.hidden..][..w.hidden];
            let place = &w.positions[position * w.hidden..][..w.hidden];
            for ((x, word), place) in out.iter_mut().zip(word).zip(place) {
                *x = word + place;
            }
        }
        self.norm(rows, &w.norm);
    }

    /// Normalises rows of the residual stream and makes operands of them.
    fn norm(&self, rows: Range<usize>, norm: &NormWeights) {
        let norm = Norm {
            weight: &norm.weight,
            bias: &norm.bias,
            eps: self.model.weights.eps,
        };
        let rows = self.rows(self.buffers.hidden, rows);
        // SAFETY: having the kernels proves the level; the rows are only this worker's.
        unsafe { (self.model.kernels.layer_norm)(&rows, &norm) }
    }

    fn operands(&self, rows: Rows) {
        // SAFETY: having the kernels proves the level; the rows are only this worker's.
        unsafe { (self.model.kernels.operands)(&rows) }
    }

    /// Rows of the residual stream or of the attention's results, with the operands that they
    /// become.
    fn rows(&self, values: *mut f32, rows: Range<usize>) -> Rows {
        let b = &self.buffers;
        // SAFETY: the buffers have a row for each token, filled up to whole vectors.
        unsafe {
            Rows {
                values: values.add(rows.start * b.hidden_stride),
                stride: b.hidden_stride,
                len: self.model.weights.hidden,
                count: rows.len(),
                operands: b.operands.add(rows.start * b.operand_stride),
                operand_stride: b.operand_stride,
                scales: b.scales.add(rows.start),
                zeros: b.zeros.add(rows.start),
            }
        }
    }

    /// Rows between the feed-forward pair, of a block.
    fn wide_rows(&self, rows: Range<usize>) -> Rows {
        let b = &self.buffers;
        // SAFETY: the buffers have a row for each of a block.
        unsafe {
            Rows {
                values: b.wide.add(rows.start * b.wide_stride),
                stride: b.wide_stride,
                len: self.model.weights.intermediate,
                count: rows.len(),
                operands: b.wide_operands.add(rows.start * b.wide_operand_stride),
                operand_stride: b.wide_operand_stride,
                scales: b.scales.add(b.tokens + rows.start),
                zeros: b.zeros.add(b.tokens + rows.start),
            }
        }
    }

    /// This worker's panels of a step's matrix product.
    fn gemm(&self, worker: &Worker<'_>, step: Step, weights: &Packed, rows: Range<usize>) {
        let b = &self.buffers;
        let quantised = self.model.kernels.format.quantised();
        let direct = self.model.kernels.format == Format::F32;
        // SAFETY: having the kernels proves the level, and the weights were packed for them.
        // The buffers have a row for each token, or of a block, as wide as the panels; the
        // panels are only this worker's, and what is read was finished a step before.
        unsafe {
            let operands = b.operands.add(rows.start * b.operand_stride);
            let stream = b.hidden.add(rows.start * b.hidden_stride).cast::<u32>();
            let (rows_from, stride, out, out_stride, output, epilogue) = match step {
                Step::Qkv => (
                    operands,
                    b.operand_stride,
                    b.qkv,
                    b.qkv_stride,
                    Output::Operand,
                    Epilogue::Plain,
                ),
                Step::Output => (
                    if direct { b.context.cast() } else { operands },
                    b.operand_stride,
                    stream,
                    b.hidden_stride,
                    Output::F32,
                    Epilogue::Add,
                ),
                Step::Up if quantised => (
                    operands,
                    b.operand_stride,
                    b.wide.cast(),
                    b.wide_stride,
                    Output::F32,
                    self.model.weights.activation,
                ),
                Step::Up => (
                    operands,
                    b.operand_stride,
                    b.wide_operands,
                    b.wide_operand_stride,
                    Output::Operand,
                    self.model.weights.activation,
                ),
                Step::Down => (
                    b.wide_operands,
                    b.wide_operand_stride,
                    stream,
                    b.hidden_stride,
                    Output::F32,
                    Epilogue::Add,
                ),
            };
            let offset = if step == Step::Down {
                b.tokens
            } else {
                rows.start
            };
            (self.model.kernels.gemm)(&Gemm {
                rows: rows_from,
                stride,
                count: rows.len(),
                scales: b.scales.add(offset),
                zeros: b.zeros.add(offset),
                weights,
                panels: worker.share(weights.panels),
                out,
                out_stride,
                output,
                epilogue,
            });
        }
    }

    /// This worker's heads of the attention, of all texts.
    fn attend(&self, worker: &Worker<'_>) {
        let (w, b) = (&self.model.weights, &self.buffers);
        // Its own; no other worker asks for it.
        let Ok(mut scratch) = self.scratch.attention[worker.index()].lock() else {
            return;
        };
        let head_dim = w.hidden / w.heads;
        for item in worker.share(self.texts.len() * w.heads) {
            let (text, head) = (item / w.heads, item % w.heads);
            let (first, end) = (self.starts[text], self.starts[text + 1]);
            if first == end {
                continue;
            }
            // SAFETY: having the kernels proves the level; the rows are the text's, and no
            // other worker writes this head's columns of them. The bias reaches as far on
            // both sides as a text is long.
            unsafe {
                let bias = w.bias.as_ref().map_or(std::ptr::null(), |bias| {
                    let reach = bias.longest - 1;
                    bias.values.as_ptr().add(head * (2 * reach + 1) + reach)
                });
                (self.model.kernels.attention)(
                    &Attention {
                        qkv: b.qkv.add(first * b.qkv_stride),
                        stride: b.qkv_stride,
                        tokens: end - first,
                        hidden: w.hidden,
                        head_dim,
                        head,
                        out: b.context.add(first * b.hidden_stride),
                        out_stride: b.hidden_stride,
                        bias,
                    },
                    &mut scratch,
                );
            }
        }
    }

    /// The pooled vectors, `hidden` values a text; call it when all workers are done.
    pub(super) fn pool(&self, pooling: Pooling, out: &mut [f32]) {
        let (hidden, b) = (self.model.weights.hidden, &self.buffers);
        for (text, out) in out.chunks_exact_mut(hidden).enumerate() {
            let rows = self.starts[text]..self.starts[text + 1];
            // SAFETY: each is a row of the buffer, and all workers are done.
            let row = |i: usize| unsafe {
                std::slice::from_raw_parts(b.hidden.add(i * b.hidden_stride), hidden)
            };
            out.fill(0.0);
            if rows.is_empty() {
                continue;
            }
            let n = rows.len() as f32;
            match pooling {
                Pooling::Cls => out.copy_from_slice(row(rows.start)),
                Pooling::Max => {
                    out.copy_from_slice(row(rows.start));
                    for i in rows.skip(1) {
                        for (x, y) in out.iter_mut().zip(row(i)) {
                            *x = x.max(*y);
                        }
                    }
                }
                Pooling::Mean | Pooling::MeanSqrtLen => {
                    for i in rows {
                        for (x, y) in out.iter_mut().zip(row(i)) {
                            *x += y;
                        }
                    }
                    let divisor = if pooling == Pooling::Mean {
                        n
                    } else {
                        n.sqrt()
                    };
                    for x in out {
                        *x /= divisor;
                    }
                }
            }
        }
    }
}

/// A step that is a matrix product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Qkv,
    Output,
    Up,
    Down,
}
