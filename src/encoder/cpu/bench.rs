//! Pieces of the CPU encoder on their own, for `benches/encoder.rs`. Not part of the library's
//! interface: it may change with any version.

#![allow(unsafe_code)]

use super::crew::alone;
use super::forward::{Model, Run, Scratch};
use super::weights::{Block, NormWeights, Table, Weights};
use crate::kernels::{Aligned, Epilogue, Gemm, Kernels, Output, Packed};
use crate::kernels::{Dtype, wanted_level};
use crate::model::architecture::{NormKind, Norms, Reach};
use std::sync::Arc;

fn kernels(dtype: Dtype) -> Kernels {
    wanted_level()
        .ok()
        .and_then(|level| level.kernels(dtype))
        .expect("NEARWISE_CPU_LEVEL names a level that this processor has")
}

/// Multiply-adds on registers, single-threaded: the most that a kernel could reach.
#[derive(Debug)]
pub struct Peak(Kernels);

/// Rounds of a run.
const ROUNDS: usize = 100_000;

impl Peak {
    /// With the instructions for `dtype`.
    ///
    /// # Panics
    /// `NEARWISE_CPU_LEVEL` names a level that this processor has not.
    pub fn new(dtype: Dtype) -> Self {
        Self(kernels(dtype))
    }

    /// Multiplications and additions of a run.
    pub fn operations(&self) -> u64 {
        2 * (ROUNDS * self.0.peak_words * self.0.format.group()) as u64
    }

    /// Computes them once.
    pub fn run(&self) -> f32 {
        // SAFETY: having the kernels proves the level.
        unsafe { (self.0.peak)(ROUNDS) }
    }
}

/// A matrix product of rows and weights, single-threaded.
#[derive(Debug)]
pub struct Product {
    kernels: Kernels,
    rows: Aligned,
    stride: usize,
    count: usize,
    inner: usize,
    columns: usize,
    scales: Vec<f32>,
    zeros: Vec<i32>,
    weights: Packed,
    out: Aligned,
}

impl Product {
    /// Rows of `inner` numbers times weights of (`columns`, `inner`), of fixed values.
    ///
    /// # Panics
    /// `NEARWISE_CPU_LEVEL` names a level that this processor has not.
    pub fn new(dtype: Dtype, rows: usize, inner: usize, columns: usize) -> Self {
        let kernels = kernels(dtype);
        let weights: Vec<f32> = (0..columns * inner)
            .map(|i| (i * 7919 % 1000) as f32 / 1000.0 - 0.5)
            .collect();
        let weights = Packed::new(
            &weights,
            &vec![0.0; columns],
            inner,
            kernels.format,
            kernels.width,
        );
        let stride = inner / kernels.format.group() + 16;
        Self {
            rows: Aligned::zeros(rows * stride),
            stride,
            count: rows,
            inner,
            columns,
            scales: vec![0.01; rows],
            zeros: vec![128; rows],
            out: Aligned::zeros(rows * weights.panels * kernels.width),
            weights,
            kernels,
        }
    }

    /// Multiplications and additions of a run.
    pub fn operations(&self) -> u64 {
        2 * (self.count * self.inner * self.columns) as u64
    }

    /// Computes it once.
    pub fn run(&mut self) {
        let g = Gemm {
            rows: self.rows.as_ptr(),
            stride: self.stride,
            count: self.count,
            scales: self.scales.as_ptr(),
            zeros: self.zeros.as_ptr(),
            weights: &self.weights,
            panels: 0..self.weights.panels,
            out: self.out.as_mut_ptr(),
            out_stride: self.weights.panels * self.kernels.width,
            output: Output::F32,
            epilogue: Epilogue::Plain,
        };
        // SAFETY: having the kernels proves the level; the buffers are as long as the counts.
        unsafe { (self.kernels.gemm)(&g) }
    }
}

/// One layer over a run of texts, single-threaded: matrix products, attention and norms.
pub struct OneLayer {
    model: Arc<Model>,
    texts: Vec<Vec<u32>>,
    scratch: Scratch,
}

impl std::fmt::Debug for OneLayer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OneLayer").finish_non_exhaustive()
    }
}

impl OneLayer {
    /// A layer of fixed values, of `hidden` numbers in `heads` heads and four times as many
    /// between, over `texts` texts of `tokens` tokens.
    ///
    /// # Panics
    /// `NEARWISE_CPU_LEVEL` names a level that this processor has not.
    pub fn new(dtype: Dtype, hidden: usize, heads: usize, texts: usize, tokens: usize) -> Self {
        let kernels = kernels(dtype);
        let values = |n: usize| -> Vec<f32> {
            let value = |i: usize| (i * 7919 % 1000) as f32 / 10_000.0 - 0.05;
            (0..n).map(value).collect()
        };
        let norm = || NormWeights {
            kind: NormKind::Layer,
            eps: 1e-12,
            weight: vec![1.0; hidden],
            bias: vec![0.0; hidden],
        };
        let linear = |inner: usize, columns: usize| {
            Packed::new(
                &values(inner * columns),
                &values(columns),
                inner,
                kernels.format,
                kernels.width,
            )
        };
        let intermediate = 4 * hidden;
        Self {
            model: Arc::new(Model {
                weights: Weights {
                    hidden,
                    vocabulary: 1,
                    types: 1,
                    longest: tokens,
                    words: Table::F32(values(hidden)),
                    scale: 1.0,
                    places: Some(values(tokens * hidden)),
                    rows: tokens,
                    padding: None,
                    norm: Some(norm()),
                    blocks: vec![Block {
                        heads,
                        kv_heads: heads,
                        head_dim: hidden / heads,
                        reach: Reach::ALL,
                        qkv: linear(hidden, 3 * hidden),
                        head_norms: None,
                        rotary: None,
                        output: linear(hidden, hidden),
                        norms: Norms::Post([norm(), norm()]),
                        width: intermediate,
                        activation: Epilogue::Gelu,
                        gated: false,
                        up: linear(hidden, intermediate),
                        down: linear(intermediate, hidden),
                    }],
                    last_norm: None,
                    bias: None,
                    operations: 2 * (4 * hidden * hidden + 2 * hidden * intermediate),
                },
                kernels,
            }),
            texts: vec![vec![0; tokens]; texts],
            scratch: Scratch::default(),
        }
    }

    /// Multiplications and additions of a run, those of the attention with it.
    pub fn operations(&self) -> u64 {
        let tokens: usize = self.texts.iter().map(Vec::len).sum();
        let pairs: usize = self.texts.iter().map(|t| t.len() * t.len()).sum();
        (tokens * self.model.weights.operations + 4 * pairs * self.model.weights.hidden) as u64
    }

    /// Computes it once.
    pub fn run(&mut self) {
        let scratch = std::mem::take(&mut self.scratch);
        let run = Run::new(self.model.clone(), self.texts.clone(), 1, scratch);
        alone(|worker| run.compute(worker));
        self.scratch = run.into_scratch();
    }
}
