//! Selection, exact neighbours, nearest centres and sums, against sorting and brute force.

use super::super::gpu::{Multiply, Staging};
use super::super::near::{DeviceVectors, Sizes};
use super::*;
use crate::vectors::Accelerator;

proptest! {
    #![proptest_config(ProptestConfig { cases: crate::cases::cases(12), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_best_scores_are_those_of_sorting(
        columns in prop_oneof![1usize..30, 1000usize..1100, 2000usize..9200],
        k in prop_oneof![1usize..20, 250usize..260, 500usize..1025, Just(1024)],
        blocks in 1usize..4,
        parts in 1usize..5,
        order in 0usize..6,
        seed in any::<u64>(),
    ) {
        let mut random = random(seed);
        let rows = 2;
        let mut bench = Bench::new();
        let lists = bench.bytes(&vec![0; rows * parts * k * 8]);
        let best = bench.bytes(&vec![0; rows * k * 8]);
        let mut all = vec![Vec::new(); rows];
        for block in 0..blocks {
            let stride = columns.next_multiple_of(4) + 4;
            let mut scores = vec![f32::NAN; rows * stride];
            for row in 0..rows {
                for column in 0..columns {
                    let x = random.normal(1.0);
                    let number = block * columns + column;
                    let score = match order {
                        0 => x,
                        // Often equal, zeros of both signs among them.
                        1 => (2.0 * x).round(),
                        // The best come last, and each is above all before it.
                        2 => number as f32 - 5000.0,
                        // Each is below all before it, and below zero.
                        3 => -1.0 - number as f32,
                        // No score before the last window, and steps of many equal ones.
                        4 if block + 1 < blocks => 0.0,
                        4 => x,
                        _ => (number / 700) as f32,
                    };
                    scores[row * stride + column] = score;
                    all[row].push((score, number as u32));
                }
            }
            let addresses = [bench.put(GpuDtype::F32, &scores), lists];
            let part = columns.div_ceil(parts).next_multiple_of(4);
            let numbers = [columns, stride, block * columns, k, parts, part];
            let args = Args::addresses(&addresses).numbers(&numbers);
            bench.run("select_best", (rows, parts), 256, args);
        }
        let args = Args::addresses(&[lists, best]).numbers(&[parts * k, k]);
        bench.run("merge_best", (rows, 1), 256, args);
        let bytes = get(&mut bench.gpu, best, rows * k * 8).unwrap();
        for (row, mut all) in bytes.chunks(8 * k).zip(all) {
            let got: Vec<(f32, u32)> = super::super::near::keys(row).map_while(super::super::near::decoded).collect();
            all.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            all.truncate(k);
            prop_assert_eq!(got, all);
        }
    }

    #[test]
    fn vectors_on_a_device_have_the_neighbours_of_brute_force(
        n in 1usize..90, dim in prop_oneof![Just(8usize), Just(12), Just(33)],
        queries in 1usize..20, k in 1usize..12, clusters in 1usize..9,
        // All, a part and hardly any of them fit the device.
        limit in prop_oneof![Just(GIB), Just(60_000usize), Just(40_000)],
        narrow in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let mut random = random(seed);
        let vectors = rounded(GpuDtype::F16, &normals(&mut random, n * dim));
        let asked = rounded(GpuDtype::F16, &normals(&mut random, queries * dim));
        let sizes = Sizes { chunk: 16, scores: 96, queries: 6, scanned: 0, part: 4, spare: 0, segment: 4, first: 20 };
        let twin = Twin::new(0, limit);
        twin.watch.lock().unwrap().narrow = narrow;
        let device = match DeviceVectors::new(Box::new(twin), &vectors, dim, sizes) {
            Ok(device) => device,
            Err(GpuError::OutOfMemory(_)) if limit < GIB => return Ok(()),
            Err(other) => return Err(TestCaseError::fail(other.to_string())),
        };
        let dot = |a: &[f32], b: &[f32]| crate::vectors::dot(a, b);
        let out_of_memory = |e: &crate::Error| limit < GIB && e.to_string().contains("out of memory");
        match device.top_k(&asked, k) {
            Err(f) if out_of_memory(&f) => {}
            other => {
                for (query, got) in asked.chunks(dim).zip(other.unwrap()) {
                    let mut all: Vec<f32> = vectors.chunks(dim).map(|v| dot(query, v)).collect();
                    for (score, number) in &got {
                        prop_assert!((score - all[*number as usize]).abs() < 1e-3);
                    }
                    all.sort_by(|a, b| b.total_cmp(a));
                    prop_assert_eq!(got.len(), k.min(n));
                    for (g, e) in got.iter().zip(&all) {
                        prop_assert!((g.0 - e).abs() < 1e-3, "{} {}", g.0, e);
                    }
                }
            }
        }
        let centres = rounded(GpuDtype::F16, &normals(&mut random, clusters * dim));
        let offsets = normals(&mut random, clusters);
        match device.nearest(&centres, &offsets) {
            Err(f) if out_of_memory(&f) => {}
            other => {
                let (members, scores) = other.unwrap();
                prop_assert_eq!(members.len(), n);
                for ((v, &m), &score) in vectors.chunks(dim).zip(&members).zip(&scores) {
                    let all: Vec<f32> = centres
                        .chunks(dim)
                        .zip(&offsets)
                        .map(|(c, o)| dot(v, c) + o)
                        .collect();
                    let most = all.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                    prop_assert!((score - most).abs() < 1e-3);
                    prop_assert!((all[m as usize] - most).abs() < 1e-3);
                }
            }
        }
        let members: Vec<u32> = (0..n).map(|_| random.below(clusters) as u32).collect();
        let weights: Vec<f32> = (0..n).map(|_| 1.0 + random.below(3) as f32).collect();
        match device.sums(&members, &weights, clusters) {
            Err(f) if out_of_memory(&f) => {}
            other => {
                let mut expected = vec![0.0; clusters * dim];
                for ((v, &m), w) in vectors.chunks(dim).zip(&members).zip(&weights) {
                    for (e, x) in expected[m as usize * dim..][..dim].iter_mut().zip(v) {
                        *e += w * x;
                    }
                }
                close(GpuDtype::F32, &other.unwrap(), &expected);
            }
        }
    }
}

/// Vectors of small whole numbers, whose products are exact in any order, and often equal.
fn whole(random: &mut Random, count: usize) -> Vec<f32> {
    (0..count).map(|_| random.below(7) as f32 - 3.0).collect()
}

/// The best of each query, of equal ones the first, by sorting.
fn sorted(vectors: &[f32], queries: &[f32], dim: usize, k: usize) -> Vec<Vec<(f32, u32)>> {
    let of = |query: &[f32]| {
        let dots = vectors.chunks(dim).map(|v| crate::vectors::dot(query, v));
        let mut all: Vec<(f32, u32)> = dots.zip(0..).collect();
        all.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        all.truncate(k);
        all
    };
    queries.chunks(dim).map(of).collect()
}

#[test]
fn neighbours_are_exact_whatever_the_sizes() {
    let mut random = random(4);
    let mut asked = BTreeSet::new();
    for (n, dim, sizes) in [
        (1, 8, (16, 96, 6, 4)),
        (301, 8, (100, 400, 5, 8)),
        (517, 20, (200, 999, 64, 16)),
        (700, 384, (256, 2048, 7, 32)),
        (300, 1031, (128, 1500, 64, 64)),
        (2300, 3, (2300, 30_000, 64, 8)),
    ] {
        let vectors = whole(&mut random, n * dim);
        let (chunk, scores, at_once, part) = sizes;
        let sizes = Sizes {
            chunk,
            scores,
            queries: at_once,
            scanned: 0,
            part,
            spare: 0,
            segment: 16,
            first: 20,
        };
        for (limit, narrow) in [(GIB, false), (2 * dim * (n / 2) + 40_000, true)] {
            let twin = Twin::new(0, limit);
            let watch = twin.watch.clone();
            watch.lock().unwrap().narrow = narrow;
            let device = DeviceVectors::new(Box::new(twin), &vectors, dim, sizes).unwrap();
            // One after another on the same device, whose memory is kept.
            for (queries, k) in [(1, 1), (1, 10), (3, 37), (8, 5), (9, 2), (23, 7), (1, 1024)] {
                let queries = whole(&mut random, queries * dim);
                let expected = sorted(&vectors, &queries, dim, k);
                match device.top_k(&queries, k) {
                    Err(e) if limit < GIB && e.to_string().contains("out of memory") => {}
                    got => assert_eq!(got.unwrap(), expected, "{n} {dim} {k}"),
                }
            }
            assert!(device.top_k(&[], 3).unwrap().is_empty());
            asked.extend(watch.lock().unwrap().launched.clone());
        }
    }
    for kernel in [
        "few_scores_1",
        "few_scores_8",
        "select_best",
        "merge_best",
        "list_above",
        "list_above_wide",
        "merge_above",
    ] {
        assert!(asked.contains(kernel), "{kernel}");
    }
}

#[test]
fn calls_alike_take_no_more_memory() {
    let mut random = random(6);
    let (n, dim) = (300, 16);
    let vectors = whole(&mut random, n * dim);
    let twin = Twin::new(0, GIB);
    let watch = twin.watch.clone();
    let sizes = Sizes {
        chunk: 128,
        scores: 4096,
        queries: 64,
        scanned: 0,
        part: 8,
        spare: 0,
        segment: 16,
        first: 20,
    };
    let device = DeviceVectors::new(Box::new(twin), &vectors, dim, sizes).unwrap();
    let taken = || watch.lock().unwrap().taken;
    let (centres, offsets) = (whole(&mut random, 5 * dim), vec![0.0; 5]);
    let (members, weights) = (vec![1; n], vec![1.0; n]);
    let mut after = Vec::new();
    for round in 0..3 {
        for queries in [1, 7, 30] {
            device
                .top_k(&whole(&mut random, queries * dim), 10)
                .unwrap();
        }
        device.nearest(&centres, &offsets).unwrap();
        device.sums(&members, &weights, 5).unwrap();
        after.push(taken());
        assert_eq!(after[round], after[0]);
    }
    assert!(after[0] > 0);
}

#[test]
fn few_queries_need_no_matrix_product() {
    let mut random = random(8);
    // Eights of numbers and not.
    for dim in [40, 44] {
        let n = 90;
        let vectors = whole(&mut random, n * dim);
        let twin = Twin::new(0, GIB);
        twin.watch.lock().unwrap().refuses = Some(|_: &Multiply| true);
        let sizes = Sizes {
            scanned: 0,
            ..Sizes::default()
        };
        let device = DeviceVectors::new(Box::new(twin), &vectors, dim, sizes).unwrap();
        for queries in 1..=8 {
            let queries = whole(&mut random, queries * dim);
            let got = device.top_k(&queries, 4).unwrap();
            assert_eq!(got, sorted(&vectors, &queries, dim, 4));
        }
        // Of more there are products, but for eights of numbers.
        let nine = device.top_k(&whole(&mut random, 9 * dim), 4);
        match dim {
            44 => {
                let nine = nine.unwrap_err().to_string();
                let shape = "(9 x 44) by (44 x 90), f16 to f32";
                assert!(nine.contains(shape), "{nine}");
            }
            _ => assert_eq!(nine.unwrap().len(), 9),
        }
    }
}

#[test]
fn bytes_pass_in_steps_through_memory_that_is_in_use() {
    let mut random = random(9);
    let mut bench = Bench::new();
    for (count, step) in [(0, 8), (1, 8), (700, 64), (701, 4096)] {
        let values = whole(&mut random, count);
        for number in NUMBERS {
            let mut staging = Staging::of(step);
            // Each is encoded while the one before is under way.
            let rooms = [(); 3].map(|()| bench.room(count * number.size()));
            for to in rooms {
                staging.encode(&mut bench.gpu, number, &values, to).unwrap();
            }
            for from in rooms {
                let bytes = count * number.size();
                let got = staging.get(&mut bench.gpu, from, bytes).unwrap();
                assert_eq!(got, number.encode(&values), "{count} {step}");
            }
        }
    }
}

#[test]
fn values_are_encoded_on_all_cores_as_one_by_one() {
    let mut random = random(10);
    // More than one core is given at a time, and no multiple of it.
    let mut values = normals(&mut random, (1 << 16) + 77);
    values[..6].copy_from_slice(&[0.0, -0.0, 1e-8, 70_000.0, f32::NEG_INFINITY, 6e-5]);
    let halves = values.iter().map(|&x| half::f16::from_f32(x).to_le_bytes());
    assert_eq!(
        GpuDtype::F16.encode(&values),
        halves.flatten().collect::<Vec<u8>>()
    );
    let halves = values
        .iter()
        .map(|&x| half::bf16::from_f32(x).to_le_bytes());
    assert_eq!(
        GpuDtype::Bf16.encode(&values),
        halves.flatten().collect::<Vec<u8>>()
    );
    let whole = values.iter().flat_map(|x| x.to_le_bytes());
    assert_eq!(GpuDtype::F32.encode(&values), whole.collect::<Vec<u8>>());
}

#[test]
fn of_equal_centres_the_first_is_the_nearest() {
    let mut random = random(11);
    for (columns, stride) in [(1, 4), (4, 8), (127, 128), (1001, 1004), (1100, 1100)] {
        let mut bench = Bench::new();
        let rows = 11;
        let mut offsets: Vec<f32> = whole(&mut random, columns);
        let mut scores = vec![f32::NAN; rows * stride];
        for row in scores.chunks_mut(stride) {
            row[..columns].copy_from_slice(&whole(&mut random, columns));
        }
        let expected: Vec<(f32, u32)> = scores
            .chunks(stride)
            .map(|row| {
                let sums = row.iter().zip(&offsets).map(|(s, o)| s + o);
                // One of an earlier call, above some and below others.
                let before = std::iter::once((1.0, 7));
                let all = before.chain(sums.zip(20..));
                all.fold((f32::NEG_INFINITY, 0), |best, own| {
                    if own.0 > best.0 { own } else { best }
                })
            })
            .collect();
        offsets.resize(stride, f32::NEG_INFINITY);
        let key = (u64::from(1.0f32.to_bits() ^ 0x8000_0000) << 32) | u64::from(u32::MAX - 7);
        let best = bench.bytes(&key.to_le_bytes().repeat(rows));
        let addresses = [
            bench.put(GpuDtype::F32, &scores),
            bench.put(GpuDtype::F32, &offsets),
            best,
        ];
        let args = Args::addresses(&addresses).numbers(&[rows, columns, stride, 20]);
        bench.run("nearest_column", (rows.div_ceil(8), 1), 256, args);
        let bytes = get(&mut bench.gpu, best, 8 * rows).unwrap();
        let got = super::super::near::keys(&bytes).map_while(super::super::near::decoded);
        assert_eq!(got.collect::<Vec<_>>(), expected, "{columns}");
    }
}

#[test]
fn sums_are_exact_whatever_the_segments() {
    let mut random = random(12);
    for (n, dim, clusters, segment) in [
        (1, 1, 1, 1),
        (700, 12, 3, 64),
        (1000, 133, 1, 16),
        (900, 384, 40, 8),
        (257, 130, 300, 512),
    ] {
        let vectors = whole(&mut random, n * dim);
        let sizes = Sizes {
            chunk: 400,
            segment,
            ..Sizes::default()
        };
        let device = DeviceVectors::new(Box::new(Twin::new(0, GIB)), &vectors, dim, sizes).unwrap();
        // One cluster has nearly all, and some have none.
        let member = |r: &mut Random| match r.below(3) {
            0 => r.below(clusters),
            _ => clusters / 2,
        };
        let members: Vec<u32> = (0..n).map(|_| member(&mut random) as u32).collect();
        let weights: Vec<f32> = (0..n).map(|_| random.below(3) as f32).collect();
        let mut expected = vec![0.0; clusters * dim];
        for ((v, &m), w) in vectors.chunks(dim).zip(&members).zip(&weights) {
            for (e, x) in expected[m as usize * dim..][..dim].iter_mut().zip(v) {
                *e += w * x;
            }
        }
        let got = device.sums(&members, &weights, clusters).unwrap();
        assert_eq!(got, expected, "{n} {dim} {clusters}");
    }
}

/// Vectors of as many numbers whose products with queries of ones and 1024s are these whole numbers.
fn with_products(products: &[u32], dim: usize) -> Vec<f32> {
    let of = |&x: &u32| {
        let mut vector = vec![0.0; dim];
        // The places of the first and the last numbers of a row.
        (vector[0], vector[dim - 1]) = ((x % 1024) as f32, (x / 1024) as f32);
        vector
    };
    products.iter().flat_map(of).collect()
}

#[test]
fn products_that_are_not_stored_have_the_same_best() {
    let mut random = random(13);
    for (n, dim, rows, k, order) in [
        // The best come last: lists of parts are full again and again.
        (1700, 8, 40, 10, "up"),
        (900, 384, 9, 64, "up"),
        (900, 16, 9, 1, "up"),
        (1700, 24, 9, 33, "steps up"),
        // Many equal scores, across windows, parts and chunks.
        (1203, 200, 33, 24, "few"),
        (701, 8, 9, 64, "equal"),
        (1001, 136, 300, 5, "down"),
        (1999, 384, 65, 17, "any"),
        (500, 376, 9, 64, "negative"),
    ] {
        let product = |i: u32| match order {
            "up" => i,
            "steps up" => i / 50,
            "few" => i * 7919 % 3,
            "equal" => 5,
            "down" => n - i,
            _ => i * 7919 % 4096,
        };
        let products: Vec<u32> = (0..n).map(product).collect();
        let mut vectors = with_products(&products, dim);
        if order == "negative" {
            vectors.iter_mut().for_each(|x| *x = -*x);
        }
        // Each query by another factor, so that rows are told apart.
        let queries: Vec<f32> = (0..rows)
            .flat_map(|row| {
                let mut query = vec![0.0; dim];
                let factor = (1 + row % 5) as f32;
                (query[0], query[dim - 1]) = (factor, 1024.0 * factor);
                query
            })
            .collect();
        let sizes = Sizes {
            chunk: 640,
            // The first window has fewer or more columns than are wanted of it.
            first: if random.below(2) == 0 { 3 } else { 120 },
            queries: 290,
            scanned: 0,
            ..Sizes::default()
        };
        for kernel in ["list_above", "list_above_wide"] {
            let twin = Twin::new(0, GIB);
            let watch = twin.watch.clone();
            watch.lock().unwrap().refuses = Some(|_: &Multiply| true);
            watch.lock().unwrap().narrow = kernel == "list_above";
            let device = DeviceVectors::new(Box::new(twin), &vectors, dim, sizes).unwrap();
            let got = device.top_k(&queries, k).unwrap();
            assert_eq!(
                got,
                sorted(&vectors, &queries, dim, k),
                "{n} {dim} {k} {order} {kernel}"
            );
            assert!(watch.lock().unwrap().launched.iter().any(|l| l == kernel));
        }
    }
}

#[test]
fn centres_are_nearest_by_products_that_are_not_stored_or_that_are() {
    let mut random = random(14);
    for (n, dim, clusters, chunk, kernel) in [
        (1, 8, 1, 1000, "nearest_centre"),
        (1, 8, 1, 1000, "nearest_centre_wide"),
        (300, 40, 37, 280, "nearest_centre"),
        (300, 40, 37, 280, "nearest_centre_wide"),
        (45, 384, 16, 16, "nearest_centre"),
        (600, 384, 16, 590, "nearest_centre_wide"),
        (90, 376, 101, 1000, "nearest_centre"),
        (90, 376, 101, 1000, "nearest_centre_wide"),
        (90, 12, 101, 50, "nearest_column"),
        (20, 392, 9, 50, "nearest_column"),
    ] {
        // Whole numbers, so that sums are exact and often equal.
        let vectors = whole(&mut random, n * dim);
        let mut centres = whole(&mut random, clusters * dim);
        let offsets = whole(&mut random, clusters);
        if clusters > 20 {
            // Some centres are the same.
            centres.copy_within(3 * dim..9 * dim, 20 * dim);
        }
        let sizes = Sizes {
            chunk,
            ..Sizes::default()
        };
        let twin = Twin::new(0, GIB);
        let watch = twin.watch.clone();
        watch.lock().unwrap().narrow = kernel == "nearest_centre";
        let device = DeviceVectors::new(Box::new(twin), &vectors, dim, sizes).unwrap();
        let (members, scores) = device.nearest(&centres, &offsets).unwrap();
        for (v, (&member, &score)) in vectors.chunks(dim).zip(members.iter().zip(&scores)) {
            let dots = centres.chunks(dim).map(|c| crate::vectors::dot(v, c));
            let sums = dots.zip(&offsets).map(|(d, o)| d + o).zip(0..);
            let best = sums.fold((f32::NEG_INFINITY, 0), |best, own| {
                if own.0 > best.0 { own } else { best }
            });
            assert_eq!((score, member), best, "{n} {dim} {clusters}");
        }
        assert!(watch.lock().unwrap().launched.iter().any(|l| l == kernel));
    }
}
