//! The graph of nearest neighbours: seconds, and the share of the exact neighbours that it has.
//!
//! `cargo bench --bench neighbours`; `NEARWISE_BENCH_SIZES="20000 100000"` for other sizes,
//! `NEARWISE_BENCH_VECTORS=FILE.npy` for vectors of a file (f32, rows of unit length). Recall is
//! that of the fifteen nearest of 1,000 points, against comparing each with all.

mod common;

use common::{DIM, read_npy, sizes, vector};
use ndarray::Array2;
use nearwise::topics::graph::neighbours;
use nearwise::topics::points::Points;
use nearwise::vectors::dot;
use rayon::prelude::*;
use std::time::Instant;

const K: usize = 15;
const SAMPLE: usize = 1000;

fn run(rows: &Array2<f32>) {
    let points = Points::new(rows.view()).expect("finite numbers");
    let begun = Instant::now();
    let found = neighbours(&points, K, 42).expect("nobody cancels it");
    let seconds = begun.elapsed().as_secs_f64();
    let step = points.len().div_ceil(SAMPLE);
    let chosen: Vec<usize> = (0..points.len()).step_by(step).collect();
    let hits: usize = chosen
        .par_iter()
        .map(|&p| {
            let mut all: Vec<f32> = (0..points.len())
                .filter(|&j| j != p)
                .map(|j| dot(points.vector(p), points.vector(j)))
                .collect();
            let (_, least, _) = all.select_nth_unstable_by(K - 1, |a, b| b.total_cmp(a));
            let least = *least - 1e-6;
            found.of(p).filter(|n| n.1 >= least).count()
        })
        .sum();
    println!(
        "{} points of {}: {seconds:.2} s, recall@{K} {:.4}",
        points.len(),
        rows.ncols(),
        hits as f64 / (K * chosen.len()) as f64
    );
}

fn main() {
    if let Ok(path) = std::env::var("NEARWISE_BENCH_VECTORS") {
        return run(&read_npy(&path));
    }
    for n in sizes(&[20_000, 100_000]) {
        let flat: Vec<f32> = (0..n as u64)
            .into_par_iter()
            .flat_map_iter(vector)
            .collect();
        run(&Array2::from_shape_vec((n, DIM), flat).expect("n rows"));
    }
}
