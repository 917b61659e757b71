//! The attention's kernels against softmax attention in f64.

use super::*;
use crate::model::architecture::Reach;

/// What a query and the keys of one head are.
#[derive(Debug, Clone, Copy)]
struct Heads {
    heads: usize,
    kv_heads: usize,
    dim: usize,
}

impl Heads {
    fn all(heads: usize, dim: usize) -> Self {
        Self {
            heads,
            kv_heads: heads,
            dim,
        }
    }

    fn stride(self) -> usize {
        (self.heads + 2 * self.kv_heads) * self.dim
    }
}

/// Softmax attention of one head over one text, scores as powers of two, in f64.
fn attention(
    qkv: &[f32],
    (first, tokens): (usize, usize),
    (sizes, head): (Heads, usize),
    reach: Reach,
    bias: impl Fn(usize, usize) -> f32,
) -> Vec<f32> {
    let kv = head / (sizes.heads / sizes.kv_heads);
    let part = |row: usize, head: usize| {
        &qkv[(first + row) * sizes.stride() + head * sizes.dim..][..sizes.dim]
    };
    let mut out = Vec::new();
    for query in 0..tokens {
        let keys = reach.keys(query, tokens);
        let score = |key: usize| {
            let pairs = part(query, head).iter().zip(part(key, sizes.heads + kv));
            let score: f64 = pairs.map(|(q, k)| f64::from(*q) * f64::from(*k)).sum();
            score + f64::from(bias(query, key))
        };
        let scores: Vec<f64> = keys.clone().map(score).collect();
        let most = scores.iter().fold(f64::NEG_INFINITY, |m, &s| m.max(s));
        let weights: Vec<f64> = scores.iter().map(|s| (s - most).exp2()).collect();
        let sum: f64 = weights.iter().sum();
        for d in 0..sizes.dim {
            let value = |(key, weight): (usize, &f64)| {
                weight * f64::from(part(key, sizes.heads + sizes.kv_heads + kv)[d])
            };
            let value: f64 = keys.clone().zip(&weights).map(value).sum();
            out.push((value / sum) as f32);
        }
    }
    out
}

fn check(lengths: &[usize], sizes: Heads, reach: Reach, relative: bool, seed: u64) {
    let Heads {
        heads,
        kv_heads,
        dim,
    } = sizes;
    let mut random = random(seed);
    let tokens: usize = lengths.iter().sum();
    let longest = lengths.iter().copied().max().unwrap();
    for number in NUMBERS {
        let mut qkv = normals(&mut random, tokens * sizes.stride());
        // Scores of a few bits, as real ones.
        let scale = 2.0 / (dim as f32).sqrt();
        for row in qkv.chunks_mut(sizes.stride()) {
            row[..heads * dim].iter_mut().for_each(|x| *x *= scale);
        }
        let qkv = rounded(number, &qkv);
        let table = normals(&mut random, heads * (2 * longest - 1));
        let mut tiles = Vec::new();
        let mut first = 0;
        for &n in lengths {
            for query in (0..n).step_by(128) {
                tiles.extend([first as u32, n as u32, query as u32, 0]);
            }
            first += n;
        }
        tiles.extend([0; 4]);
        let count = tiles.len() / 4;
        // All kernels that compute it.
        let size = [32, 64, 128, 256].into_iter().find(|&s| s >= dim).unwrap();
        let kind = number.name();
        let mut names = vec![(format!("attention_tiled_{kind}_{size}"), heads, 64)];
        if number != GpuDtype::F32 && dim % 8 == 0 {
            names.push((format!("attention_{kind}_{size}"), heads, 64));
            if size <= 64 {
                names.push((format!("attention_{kind}_{size}"), heads, 128));
            }
            if longest <= 32 && size <= 64 {
                let name = format!("attention_short_{kind}_{size}");
                names.push((name, heads.div_ceil(4), 128));
            }
        }
        let mut on_matrix_units: Option<Vec<f32>> = None;
        for (name, blocks, queries) in names {
            let mut bench = Bench::new();
            let out = bench.room(tokens * heads * dim * number.size());
            let addresses = [
                bench.put(number, &qkv),
                bench.words(tiles.clone()),
                if relative {
                    bench.put(GpuDtype::F32, &table)
                } else {
                    0
                },
                out,
            ];
            let (before, behind) = (reach.before.min(longest), reach.behind.min(longest));
            let args = Args::addresses(&addresses)
                .numbers(&[heads, kv_heads, dim, longest, before, behind, queries, 0]);
            bench.run(&name, (count * blocks * (128 / queries), 1), 128, args);
            let got = bench.get(number, out, tokens * heads * dim);
            // To the bit, so that a text's vector does not depend on what is in its batch.
            if !name.starts_with("attention_tiled") {
                let same = on_matrix_units.get_or_insert_with(|| got.clone());
                assert!(*same == got, "{name} with {queries} queries a block");
            }
            let mut first = 0;
            for &n in lengths {
                for head in 0..heads {
                    let bias = |q: usize, k: usize| match relative {
                        true => table[head * (2 * longest - 1) + longest - 1 + k - q],
                        false => 0.0,
                    };
                    let expected = attention(&qkv, (first, n), (sizes, head), reach, bias);
                    let own: Vec<f32> = (first..first + n)
                        .flat_map(|row| got[(row * heads + head) * dim..][..dim].to_vec())
                        .collect();
                    close(number, &own, &expected);
                }
                first += n;
            }
        }
    }
}

#[test]
fn attention_is_softmax_attention_at_every_edge_of_a_tile() {
    let edges = [1, 2, 15, 16, 17, 63, 64, 65];
    check(&edges, Heads::all(2, 32), Reach::ALL, false, 1);
    check(&[130, 7, 128], Heads::all(1, 64), Reach::ALL, false, 2);
    check(&[33, 1, 70], Heads::all(2, 64), Reach::ALL, true, 3);
    check(&[127, 129], Heads::all(1, 32), Reach::ALL, true, 4);
    check(&edges, Heads::all(1, 128), Reach::ALL, false, 5);
    check(&[65, 33, 17], Heads::all(1, 256), Reach::ALL, false, 6);
}

#[test]
fn texts_around_the_tiles_sizes_see_all_of_themselves() {
    // Around a step of keys, a stage, half a tile, a tile and two, which warps share differently.
    let lengths = [31, 32, 33, 95, 96, 97, 127, 128, 129, 191, 192, 193, 257];
    check(&lengths, Heads::all(1, 32), Reach::ALL, false, 80);
    check(&lengths, Heads::all(1, 64), Reach::ALL, true, 81);
    check(&[128, 129, 300], Heads::all(1, 128), Reach::ALL, false, 82);
    check(&[128, 193], Heads::all(1, 256), Reach::ALL, true, 83);
}

#[test]
fn windows_cut_tiles_and_steps_of_keys() {
    let lengths = [64, 96, 129, 160, 290];
    let sizes = Heads::all(1, 64);
    let reaches = [
        Reach::CAUSAL,
        Reach::window(31),
        Reach::window(33),
        Reach::window(127),
        Reach {
            before: 5,
            behind: 100,
        },
        Reach {
            before: 129,
            behind: 0,
        },
    ];
    for (seed, reach) in (90..).zip(reaches) {
        check(&lengths, sizes, reach, seed % 2 == 0, seed);
    }
    check(&[290], Heads::all(1, 32), Reach::window(40), true, 96);
    check(&[200], Heads::all(1, 256), Reach::CAUSAL, false, 97);
}

/// The greatest score so far is kept while later ones pass it by a little, and given up when they
/// pass it by much: keys whose scores rise by steps on both sides of that.
#[test]
fn scores_that_rise_along_a_text_lose_nothing() {
    for (seed, step) in [(1, 0.02), (2, 0.25), (3, 1.0), (4, -0.5)] {
        let (dim, tokens) = (32, 200);
        let sizes = Heads::all(1, dim);
        let mut random = random(seed);
        let mut qkv = normals(&mut random, tokens * sizes.stride());
        for (row, numbers) in qkv.chunks_mut(sizes.stride()).enumerate() {
            // A query's first number is 1, a key's says its score nearly alone.
            numbers[..dim].iter_mut().for_each(|x| *x *= 0.05);
            numbers[0] = 1.0;
            numbers[dim] = step * row as f32;
        }
        for number in [GpuDtype::F16, GpuDtype::Bf16] {
            let qkv = rounded(number, &qkv);
            let mut bench = Bench::new();
            let out = bench.room(tokens * dim * number.size());
            let tiles = [0, tokens as u32, 0, 0, 0, tokens as u32, 128, 0];
            let addresses = [bench.put(number, &qkv), bench.words(tiles), 0, out];
            let args =
                Args::addresses(&addresses).numbers(&[1, 1, dim, tokens, tokens, tokens, 128, 0]);
            bench.run(
                &format!("attention_{}_32", number.name()),
                (2, 1),
                128,
                args,
            );
            let got = bench.get(number, out, tokens * dim);
            let expected = attention(&qkv, (0, tokens), (sizes, 0), Reach::ALL, |_, _| 0.0);
            close(number, &got, &expected);
        }
    }
}

#[test]
fn heads_of_other_sizes_have_no_columns_of_others() {
    let lengths = [1, 17, 33, 66];
    for (seed, dim) in (20..).zip([8, 16, 24, 40, 48, 56, 72, 80, 96, 104, 136, 200]) {
        check(&lengths, Heads::all(2, dim), Reach::ALL, false, seed);
    }
    for (seed, dim) in (40..).zip([1, 3, 31, 33, 63, 65, 100, 127, 130, 255]) {
        let lengths = [1, 31, 65];
        check(&lengths, Heads::all(2, dim), Reach::CAUSAL, true, seed);
    }
}

#[test]
fn short_texts_have_several_heads_in_a_block() {
    let lengths = [1, 2, 7, 8, 9, 15, 16, 17, 24, 31, 32];
    for (seed, heads) in (60..).zip([1, 3, 4, 5, 12]) {
        for dim in [16, 32, 40, 64] {
            check(&lengths, Heads::all(heads, dim), Reach::ALL, false, seed);
        }
        // Texts of up to sixteen tokens take half a tile.
        check(&lengths[..7], Heads::all(heads, 32), Reach::ALL, true, seed);
    }
    let shared = Heads {
        heads: 6,
        kv_heads: 2,
        dim: 64,
    };
    check(&lengths, shared, Reach::window(3), true, 70);
    check(&lengths, shared, Reach::CAUSAL, false, 71);
}

#[test]
fn queries_see_the_keys_within_their_reach_alone() {
    let sizes = Heads {
        heads: 4,
        kv_heads: 2,
        dim: 32,
    };
    let lengths = [1, 63, 64, 65, 200];
    let reaches = [
        Reach::CAUSAL,
        Reach::window(0),
        Reach::window(1),
        Reach::window(64),
        Reach {
            before: 0,
            behind: usize::MAX,
        },
        Reach {
            before: 31,
            behind: 2,
        },
    ];
    for (seed, reach) in (10..).zip(reaches) {
        check(&lengths, sizes, reach, false, seed);
        let narrow = Heads {
            heads: 3,
            kv_heads: 1,
            dim: 128,
        };
        check(&[70, 130], narrow, reach, true, seed);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: crate::cases::cases(20), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn attention_is_softmax_attention_on_any_mix(
        lengths in proptest::collection::vec(1usize..150, 1..5),
        (kv_heads, shared, dim) in prop_oneof![
            Just((1, 1, 32)), Just((2, 1, 32)), Just((1, 1, 64)), Just((3, 1, 8)),
            Just((2, 1, 20)), Just((1, 1, 256)), Just((1, 3, 64)), Just((2, 2, 32)),
            Just((2, 2, 5)), Just((1, 2, 128)),
        ],
        reach in prop_oneof![
            2 => Just(Reach::ALL),
            1 => Just(Reach::CAUSAL),
            1 => (0usize..80).prop_map(Reach::window),
            1 => (0usize..80, 0usize..80).prop_map(|(before, behind)| Reach { before, behind }),
        ],
        relative in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let sizes = Heads { heads: kv_heads * shared, kv_heads, dim };
        check(&lengths, sizes, reach, relative, seed);
    }
}
