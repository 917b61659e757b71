//! The transformer over a run of tokens: texts one behind another, without padding.
//!
//! All of it is done by one thread, or by a few that share each step. A value depends on its
//! own text alone, and each sum is made in one order, so vectors are the same to the bit
//! whatever else is in the run and however many threads there are.

#![allow(unsafe_code)]

use super::crew::Worker;
use super::weights::{Block, NormWeights, Weights};
use crate::kernels::{
    Aligned, Attention, AttentionScratch, Epilogue, Format, Gemm, Heads, Kernels, Output, Packed,
    Rows,
};
use crate::model::architecture::{Norms, Pooling};
use crate::model::tokens;
use std::ops::Range;
use std::sync::{Arc, Mutex};

/// Memory for one run.
#[derive(Default)]
pub(super) struct Scratch {
    hidden: Aligned,
    operands: Aligned,
    qkv: Aligned,
    qkv_wide: Aligned,
    context: Aligned,
    added: Aligned,
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
    /// (tokens, hidden or what the attention gives) operands. Where those are f32, it is the
    /// stream itself if all norms are of the stream, else `context`.
    operands: *mut u32,
    operand_stride: usize,
    /// (tokens, queries, keys and values) operands of the attention.
    qkv: *mut u32,
    qkv_stride: usize,
    /// The same in f32, where heads are normalised or rotated; `qkv` where operands are f32.
    qkv_wide: *mut f32,
    qkv_wide_stride: usize,
    /// (tokens, hidden or what the attention gives) f32: the attention's results, and normalised
    /// rows where the stream is kept as it is.
    context: *mut f32,
    context_stride: usize,
    /// (tokens, hidden) f32: what is normalised before it is added to the stream.
    added: *mut f32,
    /// (rows at once, width) f32, where operands are quantised or gated.
    wide: *mut f32,
    wide_stride: usize,
    /// (rows at once, width) operands.
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
        let same = kernels.format == Format::F32;
        let quantised = kernels.format.quantised();
        let in_place = weights.in_place();
        let width = weights.widest(|b| b.width);
        let gated = weights.widest(|b| if b.gated { 2 * b.width } else { 0 });
        let result = weights.widest(Block::context_len).max(weights.hidden);
        let qkv_len = weights.widest(Block::qkv_len);
        let prepares = weights.blocks.iter().any(Block::prepares_heads);
        let sandwich = |b: &Block| matches!(b.norms, Norms::Sandwich(_));
        let hidden = full(weights.hidden) + SKEW;
        let context = full(result) + SKEW;
        let operands = words(result, kernels.format);
        let qkv = words(qkv_len, kernels.operand);
        let qkv_wide = full(qkv_len) + SKEW;
        let wide = full(width.max(gated)) + SKEW;
        let wide_operands = words(width, kernels.format);
        let rows = tokens.min(kernels.rows);
        scratch.hidden.reserve(tokens * hidden);
        scratch.context.reserve(tokens * context);
        scratch.qkv.reserve(tokens * qkv);
        scratch.wide_operands.reserve(rows * wide_operands);
        if !same {
            scratch.operands.reserve(tokens * operands);
        }
        let qkv_apart = prepares && kernels.operand.group() > 1;
        if qkv_apart {
            scratch.qkv_wide.reserve(tokens * qkv_wide);
        }
        if weights.blocks.iter().any(sandwich) {
            scratch.added.reserve(tokens * hidden);
        }
        if quantised || gated > 0 {
            scratch.wide.reserve(rows * wide);
        }
        // Read for every format, used where it is quantised.
        scratch.scales.reserve(tokens + rows);
        scratch.zeros.reserve(tokens + rows);
        scratch.attention.resize_with(workers, Mutex::default);
        let stream = scratch.hidden.as_mut_ptr();
        let (operands, operand_stride) = match (same, in_place) {
            (true, true) => (stream, hidden),
            (true, false) => (scratch.context.as_mut_ptr(), context),
            (false, _) => (scratch.operands.as_mut_ptr(), operands),
        };
        let buffers = Buffers {
            hidden: stream.cast(),
            hidden_stride: hidden,
            operands,
            operand_stride,
            qkv: scratch.qkv.as_mut_ptr(),
            qkv_stride: qkv,
            qkv_wide: if qkv_apart {
                scratch.qkv_wide.as_mut_ptr().cast()
            } else {
                scratch.qkv.as_mut_ptr().cast()
            },
            qkv_wide_stride: if qkv_apart { qkv_wide } else { qkv },
            context: scratch.context.as_mut_ptr().cast(),
            context_stride: context,
            added: scratch.added.as_mut_ptr().cast(),
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
        let (tokens, weights) = (self.buffers.tokens, &self.model.weights);
        let share = worker.share(tokens);
        self.embed(share.clone());
        worker.wait();
        let mut made = weights.norm.is_some();
        for block in &weights.blocks {
            let post = matches!(block.norms, Norms::Post(_));
            // Where the norm before was of the stream, it made the operands.
            if !(post && made) {
                let norm = match &block.norms {
                    Norms::Post(_) => None,
                    Norms::Pre([norm, _]) => norm.as_ref(),
                    Norms::Sandwich([norm, ..]) => Some(norm),
                };
                self.norm_apart(share.clone(), norm);
                worker.wait();
            }
            made = post;
            self.gemm(worker, Step::Qkv, block, 0..tokens);
            worker.wait();
            if block.prepares_heads() {
                self.prepare_heads(block, share.clone());
                worker.wait();
            }
            self.attend(worker, block);
            worker.wait();
            if self.model.kernels.format != Format::F32 {
                self.operands(self.context_rows(block, share.clone()));
                worker.wait();
            }
            self.gemm(worker, Step::Output, block, 0..tokens);
            worker.wait();
            match &block.norms {
                Norms::Post([norm, _]) => {
                    self.norm(share.clone(), norm);
                    worker.wait();
                }
                Norms::Pre(_) => {}
                Norms::Sandwich([_, norm, ..]) => self.add_normed(share.clone(), norm),
            }
            let at_once = self.model.kernels.rows;
            for first in (0..tokens).step_by(at_once) {
                let rows = first..tokens.min(first + at_once);
                self.feed_forward(worker, block, rows);
            }
        }
        if let Some(norm) = &weights.last_norm {
            self.norm(share, norm);
            worker.wait();
        }
    }

    /// The feed-forward network over some rows, with the norms around it.
    fn feed_forward(&self, worker: &Worker<'_>, block: &Block, rows: Range<usize>) {
        let share = worker.share(rows.len());
        let own = rows.start + share.start..rows.start + share.end;
        let norm = match &block.norms {
            Norms::Post(_) => None,
            Norms::Pre([_, norm]) => Some(norm.as_ref()),
            Norms::Sandwich([_, _, norm, _]) => Some(Some(norm)),
        };
        if let Some(norm) = norm {
            // The stream's rows are shared out in another way than those of a block.
            worker.wait();
            self.norm_apart(own.clone(), norm);
            worker.wait();
        }
        self.gemm(worker, Step::Up, block, rows.clone());
        worker.wait();
        if block.gated {
            // SAFETY: having the kernels proves the level; the rows are only this worker's, and
            // twice as wide as what is made of them.
            unsafe {
                (self.model.kernels.gate)(&self.wide_rows(block, share.clone()), block.activation);
            }
            worker.wait();
        } else if self.model.kernels.format.quantised() {
            self.operands(self.wide_rows(block, share.clone()));
            worker.wait();
        }
        self.gemm(worker, Step::Down, block, rows);
        worker.wait();
        match &block.norms {
            Norms::Post([_, norm]) => {
                self.norm(own, norm);
                worker.wait();
            }
            Norms::Pre(_) => {}
            Norms::Sandwich([.., norm]) => {
                self.add_normed(own, norm);
                worker.wait();
            }
        }
    }

    /// Embeddings of tokens, of their types and positions, normalised.
    fn embed(&self, rows: Range<usize>) {
        let (w, b) = (&self.model.weights, &self.buffers);
        for (text, &start) in self.texts.iter().zip(&self.starts) {
            let own = |row: usize| row.saturating_sub(start).min(text.len());
            let tokens = text.iter().zip(tokens::places(text, w.padding));
            let here = tokens.enumerate().take(own(rows.end)).skip(own(rows.start));
            for (position, (&token, place)) in here {
                // SAFETY: the row is one of the buffer's, and only this worker's.
                let out = unsafe {
                    let row = b.hidden.add((start + position) * b.hidden_stride);
                    std::slice::from_raw_parts_mut(row, w.hidden)
                };
                w.words.row(tokens::id(token) as usize, out);
                if w.scale != 1.0 {
                    out.iter_mut().for_each(|x| *x *= w.scale);
                }
                if let Some(places) = &w.places {
                    let place = if w.rows == 1 { 0 } else { place };
                    let place = tokens::kind(token) as usize * w.rows + place;
                    for (x, place) in out.iter_mut().zip(&places[place * w.hidden..]) {
                        *x += place;
                    }
                }
            }
        }
        if let Some(norm) = &w.norm {
            self.norm(rows, norm);
        }
    }

    /// Normalises rows of the residual stream and makes operands of them.
    fn norm(&self, rows: Range<usize>, norm: &NormWeights) {
        let rows = self.stream_rows(rows);
        // SAFETY: having the kernels proves the level; the rows are only this worker's.
        unsafe { (self.model.kernels.norm)(&rows, &norm.kernel()) }
    }

    /// Makes operands of rows of the residual stream, normalised or as they are, and leaves the
    /// stream alone.
    fn norm_apart(&self, rows: Range<usize>, norm: Option<&NormWeights>) {
        let b = &self.buffers;
        let mut r = self.stream_rows(rows.clone());
        // SAFETY: having the kernels proves the level; the rows are only this worker's, and those
        // of `context` are free between the attention's product and the next attention.
        unsafe {
            r.normed = b.context.add(rows.start * b.context_stride);
            r.normed_stride = b.context_stride;
            match norm {
                Some(norm) => (self.model.kernels.norm)(&r, &norm.kernel()),
                None => (self.model.kernels.operands)(&r),
            }
        }
    }

    /// Adds rows of `added`, normalised, to the stream.
    fn add_normed(&self, rows: Range<usize>, norm: &NormWeights) {
        let b = &self.buffers;
        let mut r = self.stream_rows(rows.clone());
        r.normed = r.values;
        // SAFETY: having the kernels proves the level; the rows are only this worker's.
        unsafe {
            r.values = b.added.add(rows.start * b.hidden_stride);
            (self.model.kernels.add_normed)(&r, &norm.kernel());
        }
    }

    fn operands(&self, rows: Rows) {
        // SAFETY: having the kernels proves the level; the rows are only this worker's.
        unsafe { (self.model.kernels.operands)(&rows) }
    }

    /// Rows of the residual stream, with the operands that they become.
    fn stream_rows(&self, rows: Range<usize>) -> Rows {
        let b = &self.buffers;
        // SAFETY: the buffers have a row for each token, filled up to whole vectors.
        unsafe {
            let values = b.hidden.add(rows.start * b.hidden_stride);
            Rows {
                values,
                stride: b.hidden_stride,
                normed: values,
                normed_stride: b.hidden_stride,
                len: self.model.weights.hidden,
                count: rows.len(),
                operands: b.operands.add(rows.start * b.operand_stride),
                operand_stride: b.operand_stride,
                scales: b.scales.add(rows.start),
                zeros: b.zeros.add(rows.start),
            }
        }
    }

    /// Rows of the attention's results, with the operands that they become.
    fn context_rows(&self, block: &Block, rows: Range<usize>) -> Rows {
        let b = &self.buffers;
        let first = rows.start;
        // SAFETY: the buffer has a row for each token, filled up to whole vectors.
        let values = unsafe { b.context.add(first * b.context_stride) };
        Rows {
            values,
            stride: b.context_stride,
            normed: values,
            normed_stride: b.context_stride,
            len: block.context_len(),
            ..self.stream_rows(rows)
        }
    }

    /// Rows between the feed-forward pair, of a block of rows.
    fn wide_rows(&self, block: &Block, rows: Range<usize>) -> Rows {
        let b = &self.buffers;
        // SAFETY: the buffers have a row for each of a block.
        unsafe {
            let values = b.wide.add(rows.start * b.wide_stride);
            Rows {
                values,
                stride: b.wide_stride,
                normed: values,
                normed_stride: b.wide_stride,
                len: block.width,
                count: rows.len(),
                operands: b.wide_operands.add(rows.start * b.wide_operand_stride),
                operand_stride: b.wide_operand_stride,
                scales: b.scales.add(b.tokens + rows.start),
                zeros: b.zeros.add(b.tokens + rows.start),
            }
        }
    }

    /// Normalises and rotates the queries and keys of tokens.
    fn prepare_heads(&self, block: &Block, rows: Range<usize>) {
        let b = &self.buffers;
        let (mut row, mut text) = (rows.start, 0);
        while row < rows.end {
            while row >= self.starts[text + 1] {
                text += 1;
            }
            let end = rows.end.min(self.starts[text + 1]);
            let position = row - self.starts[text];
            // SAFETY: having the kernels proves the level; the rows are only this worker's, and
            // the table has a row for each position of a text.
            unsafe {
                let rotation = block.rotary.as_ref().map(|table| {
                    let at = position * table.pairs;
                    (table.cos.as_ptr().add(at), table.sin.as_ptr().add(at))
                });
                let norms = block.head_norms.as_ref();
                (self.model.kernels.heads)(&Heads {
                    values: b.qkv_wide.add(row * b.qkv_wide_stride),
                    stride: b.qkv_wide_stride,
                    count: end - row,
                    len: block.qkv_len(),
                    heads: [block.heads, block.kv_heads],
                    head_dim: block.head_dim,
                    norms: norms.map(|[q, k]| [q.kernel(), k.kernel()]),
                    rotation,
                    pairs: block.rotary.as_ref().map_or(0, |table| table.pairs),
                    operands: b.qkv.add(row * b.qkv_stride),
                    operand_stride: b.qkv_stride,
                });
            }
            row = end;
        }
    }

    /// This worker's panels of a step's matrix product.
    fn gemm(&self, worker: &Worker<'_>, step: Step, block: &Block, rows: Range<usize>) {
        let b = &self.buffers;
        let quantised = self.model.kernels.format.quantised();
        let direct = self.model.kernels.format == Format::F32;
        let sandwich = matches!(block.norms, Norms::Sandwich(_));
        let weights: &Packed = match step {
            Step::Qkv => &block.qkv,
            Step::Output => &block.output,
            Step::Up => &block.up,
            Step::Down => &block.down,
        };
        // SAFETY: having the kernels proves the level, and the weights were packed for them.
        // The buffers have a row for each token, or of a block, as wide as the panels; the
        // panels are only this worker's, and what is read was finished a step before.
        unsafe {
            let operands = (
                b.operands.add(rows.start * b.operand_stride),
                b.operand_stride,
            );
            let at_stream = rows.start * b.hidden_stride;
            // What a sandwich adds, it normalises first.
            let (sum, epilogue) = if sandwich {
                (b.added.add(at_stream), Epilogue::Plain)
            } else {
                (b.hidden.add(at_stream), Epilogue::Add)
            };
            let sum: (*mut u32, usize) = (sum.cast(), b.hidden_stride);
            let ((rows_from, stride), (out, out_stride), output, epilogue) = match step {
                Step::Qkv if block.prepares_heads() => (
                    operands,
                    (b.qkv_wide.cast(), b.qkv_wide_stride),
                    Output::F32,
                    Epilogue::Plain,
                ),
                Step::Qkv => (
                    operands,
                    (b.qkv, b.qkv_stride),
                    Output::Attention,
                    Epilogue::Plain,
                ),
                Step::Output if direct => {
                    let context = b.context.add(rows.start * b.context_stride);
                    (
                        (context.cast(), b.context_stride),
                        sum,
                        Output::F32,
                        epilogue,
                    )
                }
                Step::Output => (operands, sum, Output::F32, epilogue),
                Step::Up if block.gated => (
                    operands,
                    (b.wide.cast(), b.wide_stride),
                    Output::F32,
                    Epilogue::Plain,
                ),
                Step::Up if quantised => (
                    operands,
                    (b.wide.cast(), b.wide_stride),
                    Output::F32,
                    block.activation,
                ),
                Step::Up => (
                    operands,
                    (b.wide_operands, b.wide_operand_stride),
                    Output::Rows,
                    block.activation,
                ),
                Step::Down => (
                    (b.wide_operands, b.wide_operand_stride),
                    sum,
                    Output::F32,
                    epilogue,
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
    fn attend(&self, worker: &Worker<'_>, block: &Block) {
        let (w, b) = (&self.model.weights, &self.buffers);
        // Its own; no other worker asks for it.
        let Ok(mut scratch) = self.scratch.attention[worker.index()].lock() else {
            return;
        };
        let (heads, head_dim) = (block.heads, block.head_dim);
        let shared = heads / block.kv_heads;
        for item in worker.share(self.texts.len() * heads) {
            let (text, head) = (item / heads, item % heads);
            let (first, end) = (self.starts[text], self.starts[text + 1]);
            if first == end {
                continue;
            }
            let column = |number: usize| number * head_dim;
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
                        head_dim,
                        columns: [
                            column(head),
                            column(heads + head / shared),
                            column(heads + block.kv_heads + head / shared),
                        ],
                        before: block.reach.before,
                        behind: block.reach.behind,
                        out: b.context.add(first * b.context_stride + column(head)),
                        out_stride: b.context_stride,
                        bias,
                    },
                    &mut scratch,
                );
            }
        }
    }

    /// The vectors of all tokens, appended to `out`; call it when all workers are done.
    pub(super) fn rows(&self, out: &mut Vec<f32>) {
        let (hidden, b) = (self.model.weights.hidden, &self.buffers);
        for i in 0..self.starts.last().copied().unwrap_or(0) {
            // SAFETY: each is a row of the buffer, and all workers are done.
            let row =
                unsafe { std::slice::from_raw_parts(b.hidden.add(i * b.hidden_stride), hidden) };
            out.extend_from_slice(row);
        }
    }

    /// The pooled vectors, `hidden` values a text; call it when all workers are done.
    pub(super) fn pool(&self, pooling: Pooling, out: &mut [f32]) {
        let (hidden, b) = (self.model.weights.hidden, &self.buffers);
        for (text, out) in out.chunks_exact_mut(hidden).enumerate() {
            let left_out = tokens::left_out(&self.texts[text]);
            let rows = self.starts[text] + left_out..self.starts[text + 1];
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
                Pooling::Last => out.copy_from_slice(row(rows.end - 1)),
                Pooling::Weighted => {
                    // Weights are places in the whole text.
                    let before = left_out as f32;
                    let sum = n * (n + 1.0) / 2.0 + before * n;
                    for (i, row_number) in (left_out..).zip(rows) {
                        let weight = (i + 1) as f32 / sum;
                        for (x, y) in out.iter_mut().zip(row(row_number)) {
                            *x += weight * y;
                        }
                    }
                }
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
