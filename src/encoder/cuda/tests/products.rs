//! Products whose bias and activation a device does not fuse, and the choice of an algorithm.

use super::super::gpu::{Epilogue, GpuResult, Multiply};
use super::super::products::{fastest, multiply};
use super::*;

/// What a device may have no algorithm for.
type Refusal = fn(&Multiply) -> bool;

const REFUSALS: [(Refusal, usize); 3] = [
    (|m| m.epilogue == Epilogue::Gelu, 1),
    (|m| m.epilogue == Epilogue::Relu, 1),
    (|m| m.bias.is_some(), 4),
];

fn refusing(model: &Model, number: GpuDtype, refuses: Refusal) -> (CudaBackend, Watches) {
    let watches: Watches = Arc::default();
    let opener = opener(vec![GIB], watches.clone());
    let backend = CudaBackend::load(&model.files, &model.config, &[0], opener, number).unwrap();
    watches.lock().unwrap()[0].lock().unwrap().refuses = Some(refuses);
    (backend, watches)
}

#[test]
fn a_product_that_is_not_fused_gets_the_same_vectors() {
    for (seed, activation) in (0..).zip(["gelu", "gelu_new", "relu"]) {
        // Rows of 60 numbers between the feed-forward pair: no multiple of eight.
        let model = model(shape(Family::Bert, 1, 24, activation), seed, |_, _| {});
        let texts = some_texts(seed, 4, 30);
        let texts = slices(&texts);
        for (number, least_cosine) in [
            (GpuDtype::F32, 0.999_999_9),
            (GpuDtype::F16, 0.9999),
            (GpuDtype::Bf16, 0.997),
        ] {
            let fused = backend(&model, number);
            let fused = fused.forward(&texts, &Call::default()).unwrap();
            for (refuses, a_layer) in REFUSALS {
                let (backend, watches) = refusing(&model, number, refuses);
                // Recorded, it is the same.
                for round in 0..4 {
                    let got = backend.forward(&texts, &Call::default()).unwrap();
                    let cosine = least(&got, &fused, 24);
                    assert!(cosine > least_cosine, "{activation} {number:?}: {cosine}");
                    let watches = watches.lock().unwrap();
                    let launched = &watches[0].lock().unwrap().launched;
                    let name = format!("finish_{}", number.name());
                    let finished = launched.iter().filter(|n| **n == name).count();
                    // Two layers; an activation that is not asked for is not missed.
                    let expected = 2 * (round + 1) * a_layer;
                    assert!(finished == expected || (a_layer == 1 && finished == 0));
                }
            }
        }
    }
}

#[test]
fn a_product_without_any_algorithm_is_told_with_its_shape() {
    let model = small_model();
    let (backend, _) = refusing(&model, GpuDtype::F16, |m| m.inner != 32);
    let texts = some_texts(3, 5, 20);
    let error = backend
        .forward(&slices(&texts), &Call::default())
        .unwrap_err()
        .to_string();
    for said in [
        "device cuda:0: there is no algorithm for the product (",
        " x 76) by (76 x 32), f16 to f16, bias: not supported",
    ] {
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn what_is_finished_is_bias_and_activation() {
    let (rows, inner, columns) = (5, 8, 300);
    let stride = columns + 3;
    for number in NUMBERS {
        let mut random = random(2);
        let left = rounded(number, &normals(&mut random, rows * inner));
        let right = rounded(number, &normals(&mut random, columns * inner));
        let bias = rounded(number, &normals(&mut random, columns));
        for epilogue in [Epilogue::Plain, Epilogue::Gelu, Epilogue::Relu] {
            for biased in [true, false] {
                let mut bench = Bench::new();
                let product = Multiply {
                    rows: bench.put(number, &left),
                    weights: bench.put(number, &right),
                    bias: biased.then(|| bench.put(number, &bias)),
                    out: bench.room(rows * stride * number.size()),
                    count: rows,
                    columns,
                    inner,
                    row_stride: inner,
                    out_stride: stride,
                    epilogue,
                    number,
                    out_number: number,
                };
                let mut results = Vec::new();
                let refusals: [Refusal; 3] = [
                    |_| false,
                    |m| m.epilogue != Epilogue::Plain,
                    |m| m.epilogue != Epilogue::Plain || m.bias.is_some(),
                ];
                for refuses in refusals {
                    bench.gpu.watch.lock().unwrap().refuses = Some(refuses);
                    multiply(&mut bench.gpu, &product).unwrap();
                    let last = rows * stride - 3;
                    results.push(bench.get(number, product.out, last));
                }
                for other in &results[1..] {
                    for (row, fused) in other.chunks(stride).zip(results[0].chunks(stride)) {
                        close(number, &row[..columns], &fused[..columns]);
                        // Between rows nothing is written.
                        assert!(row[columns..].iter().all(|x| x.is_nan()));
                    }
                }
            }
        }
    }
}

/// The way that is chosen where ways take these times, one list a round.
fn choice(rounds: &[&[Option<f32>]]) -> Option<usize> {
    let mut asked = vec![0; rounds[0].len()];
    let time = |number: usize| -> GpuResult<Option<f32>> {
        let now = rounds[asked[number].min(rounds.len() - 1)][number];
        asked[number] += 1;
        Ok(now)
    };
    fastest(rounds[0].len(), time).unwrap()
}

#[test]
fn the_fastest_algorithm_is_kept_and_chance_does_not_decide() {
    assert_eq!(choice(&[&[Some(5.0), Some(3.0), Some(4.0)]]), Some(1));
    // The first is as good as one that is hardly faster.
    assert_eq!(choice(&[&[Some(5.0), Some(4.9), Some(5.1)]]), Some(0));
    // The least of several times counts.
    let slow_once = [&[Some(5.0), Some(7.0)][..], &[Some(5.0), Some(2.0)][..]];
    assert_eq!(choice(&slow_once), Some(1));
    // One that is far behind is not timed again.
    let hopeless = [&[Some(5.0), Some(9.0)][..], &[Some(5.0), Some(2.0)][..]];
    assert_eq!(choice(&hopeless), Some(0));
    // What fails is not timed again, and not taken.
    assert_eq!(choice(&[&[None, Some(3.0), None]]), Some(1));
    assert_eq!(choice(&[&[None, None]]), None);
    let failure = || GpuError::Other("an illegal address".to_string());
    assert_eq!(fastest(2, |_| Err(failure())), Err(failure()));
}
