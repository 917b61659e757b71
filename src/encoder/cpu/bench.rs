//! Pieces of the CPU encoder on their own, for `benches/encoder.rs`. Not part of the library's
//! interface: it may change with any version.

#![allow(unsafe_code)]

use super::kernels::{Aligned, Finish, Gemm, Kernels, Output, Packed};
use crate::encoder::Dtype;

fn kernels(dtype: Dtype) -> Kernels {
    super::wanted_level()
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
            finish: Finish::Plain,
        };
        // SAFETY: having the kernels proves the level; the buffers are as long as the counts.
        unsafe { (self.kernels.gemm)(&g) }
    }
}
