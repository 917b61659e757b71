//! k-means over many vectors: seconds of an iteration, and the share of the kernel's peak.
//!
//! `cargo bench --bench kmeans`; `NEARWISE_BENCH_SIZES="100000 1000000"` for other sizes,
//! `NEARWISE_BENCH_VECTORS=FILE.npy` for vectors of a file (f32, rows of unit length), as
//! `benches/peers/kmeans.py` does to time faiss beside it. Starts are the first rows.

mod common;

use common::{DIM, read_npy, sizes, vector};
use ndarray::Array2;
use nearwise::encoder::Dtype;
use nearwise::encoder::bench::Peak;
use nearwise::topics::cluster::kmeans::refine;
use nearwise::topics::points::Points;
use rayon::prelude::*;
use std::time::Instant;

fn number(variable: &str, usual: usize) -> usize {
    std::env::var(variable)
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(usual)
}

fn run(rows: &Array2<f32>, k: usize, iterations: usize) {
    let (n, dim) = rows.dim();
    let begun = Instant::now();
    let points = Points::new(rows.view()).expect("finite numbers");
    let sorted = begun.elapsed().as_secs_f64();
    let starts: Vec<f32> = rows.iter().take(k * dim).copied().collect();
    let begun = Instant::now();
    let found = refine(&points, starts, iterations).expect("nobody cancels it");
    let seconds = begun.elapsed().as_secs_f64();
    let each = seconds / found.iterations as f64;
    let peak = Peak::new(Dtype::F32);
    let begun = Instant::now();
    peak.run();
    let threads = rayon::current_num_threads();
    let most = threads as f64 * peak.operations() as f64 / begun.elapsed().as_secs_f64();
    let rate = 2.0 * (n * k * dim) as f64 / each;
    println!(
        "{n} x {dim}, k = {k}: {} iterations in {seconds:.2} s, {each:.3} s each, {:.0} GFLOP/s = {:.2} of {threads} threads' peak; sorting {sorted:.2} s; objective {:.6}",
        found.iterations,
        rate / 1e9,
        rate / most,
        found.cohesion
    );
}

fn main() {
    let k = number("NEARWISE_BENCH_K", 1000);
    let iterations = number("NEARWISE_BENCH_ITERATIONS", 10);
    if let Ok(path) = std::env::var("NEARWISE_BENCH_VECTORS") {
        return run(&read_npy(&path), k, iterations);
    }
    for n in sizes(&[100_000]) {
        let flat: Vec<f32> = (0..n as u64)
            .into_par_iter()
            .flat_map_iter(vector)
            .collect();
        let rows = Array2::from_shape_vec((n, DIM), flat).expect("n rows");
        run(&rows, k.min(n), iterations);
    }
}
