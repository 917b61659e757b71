//! The kernels that take rows, or heads of rows, against plain arithmetic.

use super::*;
use crate::encoder::cuda::gpu::words as bytes_of;
use crate::model::architecture::Activation;

/// A norm of rows, in the f32 that kernels are given.
#[derive(Clone)]
struct RowNorm {
    gain: Vec<f32>,
    bias: Option<Vec<f32>>,
    centred: bool,
    eps: f32,
}

impl RowNorm {
    fn random(random: &mut Random, size: usize) -> Self {
        let centred = random.below(2) == 0;
        Self {
            gain: normals(random, size),
            bias: (random.below(3) > 0).then(|| normals(random, size)),
            centred,
            eps: [1e-6, 1e-2][random.below(2)],
        }
    }

    fn of(&self, row: &[f32]) -> Vec<f32> {
        let n = row.len() as f64;
        let mean = match self.centred {
            true => row.iter().map(|&x| f64::from(x)).sum::<f64>() / n,
            false => 0.0,
        };
        let squares = row.iter().map(|&x| (f64::from(x) - mean).powi(2));
        let factor = 1.0 / (squares.sum::<f64>() / n + f64::from(self.eps)).sqrt();
        let number = |(i, &x): (usize, &f32)| {
            let bias = self.bias.as_ref().map_or(0.0, |b| b[i]);
            ((f64::from(x) - mean) * factor * f64::from(self.gain[i]) + f64::from(bias)) as f32
        };
        row.iter().enumerate().map(number).collect()
    }
}

/// Rows with zeros behind them, as the kernels have them.
fn widened(rows: &[f32], hidden: usize) -> Vec<f32> {
    let wide = hidden.next_multiple_of(4);
    rows.chunks(hidden)
        .flat_map(|row| row.iter().copied().chain(vec![0.0; wide - hidden]))
        .collect()
}

/// Where a norm's gain and bias lie, and what its numbers are.
fn put_norm(
    bench: &mut Bench,
    norm: Option<&RowNorm>,
    hidden: usize,
) -> ([Address; 2], usize, f32) {
    let mut put = |values: Option<&Vec<f32>>| {
        values.map_or(0, |v| bench.put(GpuDtype::F32, &widened(v, hidden)))
    };
    let at = [
        put(norm.map(|n| &n.gain)),
        put(norm.and_then(|n| n.bias.as_ref())),
    ];
    let centred = norm.is_some_and(|n| n.centred);
    (at, usize::from(centred), norm.map_or(0.0, |n| n.eps))
}

/// At and beside the sizes that each kernel is made for.
const SIZES: [usize; 16] = [
    1, 4, 15, 128, 132, 130, 312, 384, 512, 640, 768, 1024, 1541, 2048, 2560, 4096,
];

fn kernel(name: &str, number: GpuDtype, hidden: usize) -> String {
    let all = [1, 2, 3, 4, 6, 8, 16, 32];
    let parts = all.into_iter().find(|p| 128 * p >= hidden).unwrap();
    format!("{name}_{}_{parts}", number.name())
}

#[test]
fn words_types_and_places_are_added_and_normed() {
    for (seed, hidden) in (0..).zip(SIZES.into_iter().chain([36, 100, 7, 64])) {
        for number in NUMBERS {
            let mut random = random(seed);
            let rows = 1 + random.below(9);
            let wide = hidden.next_multiple_of(4);
            let (words, types) = (7, 1 + random.below(2));
            let place_rows = [1, 5][random.below(2)];
            let scale = [1.0, 1.75][random.below(2)];
            let table = rounded(number, &normals(&mut random, words * hidden));
            let added = (random.below(4) > 0)
                .then(|| rounded(number, &normals(&mut random, types * place_rows * hidden)));
            let norm = (random.below(3) > 0).then(|| RowNorm::random(&mut random, hidden));
            let mut below = |n: usize| (0..rows).map(|_| random.below(n)).collect::<Vec<_>>();
            let (ids, kinds, places) = (below(words), below(types), below(5));
            let mut bench = Bench::new();
            let out = bench.room(rows * wide * number.size());
            let (at, centred, eps) = put_norm(&mut bench, norm.as_ref(), hidden);
            let tokens = ids.iter().zip(&kinds);
            let addresses = [
                bench.words(tokens.map(|(&i, &k)| crate::model::tokens::typed(i as u32, k as u32))),
                bench.words(places.iter().map(|&p| p as u32)),
                bench.put(number, &widened(&table, hidden)),
                match &added {
                    Some(added) => bench.put(number, &widened(added, hidden)),
                    None => 0,
                },
                at[0],
                at[1],
                out,
            ];
            let args = Args::addresses(&addresses)
                .numbers(&[rows, hidden, place_rows, centred])
                .float(scale)
                .float(eps);
            bench.run(
                &kernel("embed", number, hidden),
                (rows.div_ceil(4), 1),
                128,
                args,
            );
            let mut expected = Vec::new();
            for ((&id, &kind), &place) in ids.iter().zip(&kinds).zip(&places) {
                let mut row: Vec<f32> = table[id * hidden..][..hidden]
                    .iter()
                    .map(|x| x * scale)
                    .collect();
                if let Some(added) = &added {
                    let place = if place_rows == 1 { 0 } else { place };
                    let from = &added[(kind * place_rows + place) * hidden..];
                    row.iter_mut().zip(from).for_each(|(x, y)| *x += y);
                }
                let row = norm.as_ref().map_or(row.clone(), |n| n.of(&row));
                expected.extend(row);
            }
            let got = bench.get(number, out, rows * wide);
            close(number, &got, &widened(&expected, hidden));
        }
    }
}

#[test]
fn the_stream_is_added_to_and_normed_in_place_or_apart() {
    // What is added, the norm of that, the norm of the stream, and whether that takes its place.
    let ways = [
        (true, false, true, true),
        (true, false, true, false),
        (true, false, false, false),
        (true, true, true, true),
        (true, true, true, false),
        (true, true, false, false),
        (false, false, true, true),
        (false, false, true, false),
    ];
    for (seed, hidden) in (0..).zip(SIZES) {
        for (adds, inner, norms, in_place) in ways {
            for number in NUMBERS {
                let mut random = random(seed);
                let rows = 1 + random.below(6);
                let wide = hidden.next_multiple_of(4);
                let stream = rounded(number, &normals(&mut random, rows * hidden));
                // Of another size, so that a wrong mean shows.
                let added: Vec<f32> = normals(&mut random, rows * hidden);
                let added: Vec<f32> = added.iter().map(|x| 2.0 * x + 1.0).collect();
                let added = rounded(number, &added);
                let inner = inner.then(|| RowNorm::random(&mut random, hidden));
                let norm = norms.then(|| RowNorm::random(&mut random, hidden));
                let mut bench = Bench::new();
                let at_stream = bench.put(number, &widened(&stream, hidden));
                let apart = bench.room(rows * wide * number.size());
                let out = if in_place { at_stream } else { apart };
                let (inner_at, inner_centred, inner_eps) =
                    put_norm(&mut bench, inner.as_ref(), hidden);
                let (at, centred, eps) = put_norm(&mut bench, norm.as_ref(), hidden);
                let at_added = match adds {
                    true => bench.put(number, &widened(&added, hidden)),
                    false => 0,
                };
                let addresses = [
                    at_added,
                    at_stream,
                    inner_at[0],
                    inner_at[1],
                    at[0],
                    at[1],
                    out,
                ];
                let args = Args::addresses(&addresses)
                    .numbers(&[rows, hidden, inner_centred, centred])
                    .float(inner_eps)
                    .float(eps);
                let usual = adds && inner.is_none() && norms && in_place;
                let name = if usual { "add_norm" } else { "add_norms" };
                let name = kernel(name, number, hidden);
                bench.run(&name, (rows.div_ceil(4), 1), 128, args);
                let mut sums = Vec::new();
                for (row, delta) in stream.chunks(hidden).zip(added.chunks(hidden)) {
                    let delta = inner.as_ref().map_or(delta.to_vec(), |n| n.of(delta));
                    let of = |(x, d): (&f32, &f32)| if adds { x + d } else { *x };
                    sums.extend(row.iter().zip(&delta).map(of));
                }
                let normed: Vec<f32> = sums
                    .chunks(hidden)
                    .flat_map(|row| norm.as_ref().map_or(row.to_vec(), |n| n.of(row)))
                    .collect();
                let got = bench.get(number, at_stream, rows * wide);
                let expected = if in_place { &normed } else { &sums };
                close(number, &got, &widened(expected, hidden));
                let got = bench.get(number, apart, rows * wide);
                if norms && !in_place {
                    close(number, &got, &widened(&normed, hidden));
                } else {
                    assert!(got.iter().all(|x| x.is_nan()));
                }
            }
        }
    }
}

#[test]
fn activations_are_their_definition() {
    // From scipy.special.erf: x (1 + erf(x / sqrt 2)) / 2.
    let known = [
        (-6.0, -5.919_552e-9),
        (-3.0, -0.004_049_694),
        (-1.0, -0.158_655_26),
        (-0.5, -0.154_268_77),
        (0.0, 0.0),
        (0.5, 0.345_731_23),
        (1.0, 0.841_344_7),
        (3.0, 2.995_950_3),
    ];
    for (x, expected) in known {
        assert!((Activation::Gelu.of(x) - expected).abs() < 1e-7);
    }
    let all = [
        Activation::Gelu,
        Activation::GeluTanh,
        Activation::Relu,
        Activation::Silu,
        Activation::Tanh,
        Activation::Sigmoid,
        Activation::Identity,
    ];
    let mut random = random(1);
    for (rows, width) in [(1, 8), (3, 12), (5, 260), (2, 1024)] {
        for number in NUMBERS {
            let mut values: Vec<f32> = normals(&mut random, 2 * rows * width);
            values.iter_mut().for_each(|x| *x *= 3.0);
            for (x, (known, _)) in values.iter_mut().zip(known) {
                *x = known;
            }
            // Beyond what an exponential of f32 holds.
            let end = values.len() - 1;
            (values[end], values[end - 2 * width + 1]) = (-100.0, 100.0);
            let values = rounded(number, &values);
            for (which, activation) in all.into_iter().enumerate() {
                let mut bench = Bench::new();
                let (plain, gated) = (bench.put(number, &values), bench.put(number, &values));
                let args = |at, rows: usize| {
                    let count = rows * width / 4;
                    Args::addresses(&[at]).numbers(&[width / 4, count, which, 0])
                };
                let grid = |rows: usize| ((rows * width).div_ceil(1024), 1);
                let name = format!("activate_{}", number.name());
                bench.run(&name, grid(2 * rows), 256, args(plain, 2 * rows));
                let name = format!("gate_{}", number.name());
                bench.run(&name, grid(rows), 256, args(gated, rows));
                let expected: Vec<f32> = values.iter().map(|&x| activation.of(x)).collect();
                close(number, &bench.get(number, plain, values.len()), &expected);
                let got = bench.get(number, gated, values.len());
                for (got, row) in got.chunks(2 * width).zip(values.chunks(2 * width)) {
                    let (gate, up) = row.split_at(width);
                    let products = gate.iter().zip(up);
                    let products: Vec<f32> = products.map(|(&g, u)| activation.of(g) * u).collect();
                    close(number, &got[..width], &products);
                    assert_eq!(&got[width..], up);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: crate::cases::cases(40), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn heads_are_normed_and_rotated_in_place(
        rows in 1usize..7,
        (heads, kv_heads) in (1usize..4, 1usize..3),
        head_dim in prop_oneof![1usize..20, Just(64usize), Just(80), Just(128), Just(255), Just(256)],
        (rotates, whole, norms) in any::<(bool, bool, bool)>(),
        seed in any::<u64>(),
    ) {
        let mut random = random(seed);
        let pairs = match (rotates, whole) {
            (false, _) => 0,
            (true, true) => head_dim / 2,
            (true, false) => random.below(head_dim / 2 + 1),
        };
        let longest = 9;
        let stride = (heads + 2 * kv_heads) * head_dim;
        let places: Vec<usize> = (0..rows).map(|_| random.below(longest)).collect();
        let angles: Vec<f32> = normals(&mut random, longest * pairs);
        let cosines: Vec<f32> = angles.iter().map(|a| a.cos()).collect();
        let sines: Vec<f32> = angles.iter().map(|a| a.sin()).collect();
        let of_queries = norms.then(|| RowNorm::random(&mut random, head_dim));
        let of_keys = of_queries.clone().map(|n| RowNorm {
            gain: normals(&mut random, head_dim),
            ..n
        });
        for number in NUMBERS {
            let qkv = rounded(number, &normals(&mut random, rows * stride));
            let mut bench = Bench::new();
            let at = bench.put(number, &qkv);
            let mut put = |values: Option<&Vec<f32>>| {
                values.map_or(0, |v| bench.put(GpuDtype::F32, v))
            };
            let bias = |n: &Option<RowNorm>| n.as_ref().and_then(|n| n.bias.clone());
            let parts = [
                put((pairs > 0).then_some(&cosines)),
                put((pairs > 0).then_some(&sines)),
                put(of_queries.as_ref().map(|n| &n.gain)),
                put(bias(&of_queries).as_ref()),
                put(of_keys.as_ref().map(|n| &n.gain)),
                put(bias(&of_keys).as_ref()),
            ];
            let positions = bench.bytes(&bytes_of(places.iter().map(|&p| p as u32)));
            let addresses: Vec<Address> = [at, positions].into_iter().chain(parts).collect();
            let (centred, eps) =
                of_queries.as_ref().map_or((false, 0.0), |n| (n.centred, n.eps));
            let args = Args::addresses(&addresses)
                .numbers(&[rows, stride, heads, head_dim, pairs, usize::from(centred)])
                .float(eps);
            let name = format!("heads_{}", number.name());
            bench.run(&name, (rows.div_ceil(4), heads + kv_heads), 128, args);
            let mut expected = qkv;
            for (row, &place) in expected.chunks_mut(stride).zip(&places) {
                let all = row.chunks_mut(head_dim).enumerate().take(heads + kv_heads);
                for (i, head) in all {
                    let norm = if i < heads { &of_queries } else { &of_keys };
                    if let Some(norm) = norm {
                        head.copy_from_slice(&norm.of(head));
                    }
                    for pair in 0..pairs {
                        let (c, s) = (cosines[place * pairs + pair], sines[place * pairs + pair]);
                        let (x, y) = (head[pair], head[pair + pairs]);
                        (head[pair], head[pair + pairs]) = (x * c - y * s, y * c + x * s);
                    }
                }
            }
            let got = bench.get(number, at, rows * stride);
            close(number, &got, &expected);
        }
    }
}
