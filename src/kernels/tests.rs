//! Each kernel of each level against plain arithmetic in f64.

use super::Dtype;
use super::Level;
use super::*;
use proptest::prelude::*;

/// Those of this processor, and those of the twins of the tile unit and of the matrix instructions.
fn kernels() -> impl Iterator<Item = (Level, Dtype, Kernels)> {
    let here = Level::ALL.into_iter().flat_map(|level| {
        Dtype::CPU
            .into_iter()
            .filter_map(move |dtype| Some((level, dtype, level.kernels(dtype)?)))
    });
    let twins = |level, twins: [(Dtype, Kernels); 2]| twins.map(|(dtype, k)| (level, dtype, k));
    here.chain(twins(Level::Amx, amx::tests::TWINS))
        .chain(twins(Level::NeonMmla, mmla::tests::TWINS))
}

/// Numbers from -1 to 1 that a seed decides.
fn numbers(seed: u64, n: usize) -> Vec<f32> {
    let mut state = seed;
    (0..n)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

/// `erf`, to 1e-9: by its series, and far out by the first terms of its asymptotic expansion.
pub(super) fn erf(x: f64) -> f64 {
    let root_pi = std::f64::consts::PI.sqrt();
    if x.abs() > 3.5 {
        let y = 1.0 / (2.0 * x * x);
        let rest = (-x * x).exp() / (x.abs() * root_pi) * (1.0 - y + 3.0 * y * y);
        return (1.0 - rest).copysign(x);
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..100 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    sum * 2.0 / root_pi
}

fn finished(x: f64, epilogue: Epilogue, before: f64) -> f64 {
    match epilogue {
        Epilogue::Plain => x,
        Epilogue::Add => x + before,
        Epilogue::Gelu => 0.5 * x * (1.0 + erf(x / 2.0f64.sqrt())),
        Epilogue::GeluTanh => {
            let y = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
            0.5 * x * (1.0 + y.tanh())
        }
        Epilogue::Relu => x.max(0.0),
        Epilogue::Silu => x / (1.0 + (-x).exp()),
        Epilogue::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Epilogue::Tanh => x.tanh(),
    }
}

/// The numbers of a row of operands.
fn operand(words: &[u32], format: Format, scale: f32, zero: i32, i: usize) -> f64 {
    let word = words[i / format.group()];
    let shift = i % format.group() * 32 / format.group();
    match format {
        Format::F32 | Format::RoundedBf16 => f64::from(f32::from_bits(word)),
        Format::Bf16 | Format::PairedBf16 => f64::from(f32::from_bits((word >> shift) << 16)),
        Format::Int8 | Format::PairedInt8 => {
            f64::from(scale) * f64::from((word >> shift & 0xff) as i32 - zero)
        }
        Format::Int8Signed => {
            f64::from(scale) * f64::from(i32::from((word >> shift) as i8) + 128 - zero)
        }
        Format::Int8Pairs => f64::from(scale) * f64::from((word >> shift & 0xffff) as i32 - zero),
    }
}

fn tolerance(dtype: Dtype) -> f64 {
    match dtype {
        Dtype::F32 => 2e-5,
        Dtype::F16 | Dtype::Bf16 => 2e-2,
        Dtype::Int8 => 3e-2,
    }
}

struct Operands {
    words: Aligned,
    stride: usize,
    scales: Vec<f32>,
    zeros: Vec<i32>,
}

/// Rows made operands by the kernel for that.
fn operands(k: &Kernels, values: &mut [f32], inner: usize) -> Operands {
    let count = values.len() / inner;
    let stride = inner.next_multiple_of(64) / k.format.group() + 16;
    let mut out = Operands {
        words: Aligned::zeros(count * stride),
        stride,
        scales: vec![0.0; count],
        zeros: vec![0; count],
    };
    let rows = Rows {
        values: values.as_mut_ptr(),
        stride: inner,
        normed: values.as_mut_ptr(),
        normed_stride: inner,
        len: inner,
        count,
        operands: out.words.as_mut_ptr(),
        operand_stride: stride,
        scales: out.scales.as_mut_ptr(),
        zeros: out.zeros.as_mut_ptr(),
    };
    // SAFETY: the level is there, and the buffers are as long as the counts say.
    unsafe { (k.operands)(&rows) };
    out
}

impl Operands {
    /// Products of some rows with weights, into numbers that are as many as rows times the panels' columns.
    fn multiply(
        &self,
        k: &Kernels,
        rows: std::ops::Range<usize>,
        weights: &Packed,
        epilogue: Epilogue,
        out: &mut [f32],
    ) {
        let out_stride = weights.panels * k.width;
        assert!(rows.end <= self.scales.len() && out.len() == rows.len() * out_stride);
        let g = Gemm {
            rows: self.words.as_ptr().wrapping_add(rows.start * self.stride),
            stride: self.stride,
            count: rows.len(),
            scales: &raw const self.scales[rows.start],
            zeros: &raw const self.zeros[rows.start],
            weights,
            panels: 0..weights.panels,
            out: out.as_mut_ptr().cast(),
            out_stride,
            output: Output::F32,
            epilogue,
        };
        // SAFETY: the level is there, and the buffers are as long as the counts say.
        unsafe { (k.gemm)(&g) }
    }

    fn number(&self, format: Format, row: usize, i: usize) -> f64 {
        // SAFETY: the buffer has a stride for each row.
        let words = unsafe {
            std::slice::from_raw_parts(self.words.as_ptr().add(row * self.stride), self.stride)
        };
        operand(words, format, self.scales[row], self.zeros[row], i)
    }
}

/// A row as a norm makes it.
fn normalised(row: &[f32], norm: &Norm<'_>) -> Vec<f64> {
    let x: Vec<f64> = row.iter().map(|x| f64::from(*x)).collect();
    let n = x.len() as f64;
    let mean = if norm.centred {
        x.iter().sum::<f64>() / n
    } else {
        0.0
    };
    let square = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
    let factor = 1.0 / (square + f64::from(norm.eps)).sqrt();
    let finished = x.iter().zip(norm.weight).zip(norm.bias);
    finished
        .map(|((x, weight), bias)| (x - mean) * factor * f64::from(*weight) + f64::from(*bias))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(crate::cases::cases(40)))]

    #[test]
    fn products(
        seed in any::<u64>(),
        rows in 1usize..70,
        inner in 1usize..150,
        columns in 1usize..120,
    ) {
        let weights = numbers(seed, columns * inner);
        let bias = numbers(seed ^ 1, columns);
        let epilogues = [
            Epilogue::Plain, Epilogue::Add, Epilogue::Gelu, Epilogue::GeluTanh, Epilogue::Relu,
            Epilogue::Silu, Epilogue::Sigmoid, Epilogue::Tanh,
        ];
        for (level, dtype, k) in kernels() {
            let mut values = numbers(seed ^ 2, rows * inner);
            let packed = Packed::new(&weights, &bias, inner, k.format, k.width);
            let a = operands(&k, &mut values, inner);
            for epilogue in epilogues {
                let out_stride = packed.panels * k.width;
                let before = numbers(seed ^ 3, rows * out_stride);
                let mut out = before.clone();
                a.multiply(&k, 0..rows, &packed, epilogue, &mut out);
                for row in 0..rows {
                    for column in 0..columns {
                        let sum: f64 = (0..inner)
                            .map(|i| f64::from(values[row * inner + i]) * f64::from(weights[column * inner + i]))
                            .sum();
                        let at = row * out_stride + column;
                        let expected =
                            finished(sum + f64::from(bias[column]), epilogue, f64::from(before[at]));
                        let bound = tolerance(dtype) * (inner as f64).sqrt().max(1.0);
                        prop_assert!(
                            (f64::from(out[at]) - expected).abs() < bound,
                            "{:?} {:?} {:?}: {} {}", level, dtype, epilogue, out[at], expected
                        );
                    }
                }
            }
        }
    }

    /// A row's numbers do not depend on the rows beside it, by a bit.
    #[test]
    fn rows_do_not_depend_on_each_other(
        seed in any::<u64>(), rows in 1usize..40, inner in 1usize..80, columns in 1usize..60,
    ) {
        let weights = numbers(seed, columns * inner);
        let bias = numbers(seed ^ 1, columns);
        for (level, dtype, k) in kernels() {
            let mut values = numbers(seed ^ 2, rows * inner);
            let packed = Packed::new(&weights, &bias, inner, k.format, k.width);
            let a = operands(&k, &mut values, inner);
            let wide = packed.panels * k.width;
            let product = |rows: std::ops::Range<usize>| {
                let mut out = vec![0.0f32; rows.len() * wide];
                a.multiply(&k, rows, &packed, Epilogue::Plain, &mut out);
                out
            };
            let all = product(0..rows);
            for (row, among) in all.chunks_exact(wide).enumerate() {
                let alone = product(row..row + 1);
                prop_assert_eq!(&alone[..], among, "{:?} {:?}", level, dtype);
            }
        }
    }

    #[test]
    fn operands_and_norms(seed in any::<u64>(), rows in 1usize..9, n in 2usize..150, shift in -3f32..3.0) {
        let weight = numbers(seed ^ 1, n);
        let bias = numbers(seed ^ 2, n);
        for (level, dtype, k) in kernels() {
            let mut values: Vec<f32> = numbers(seed, rows * n).iter().map(|x| x + shift).collect();
            let before = values.clone();
            let made = operands(&k, &mut values, n);
            for row in 0..rows {
                // A step of a quantised row is its range, zero included, divided by 255.
                let step = if k.format.quantised() { f64::from(made.scales[row]) * 0.51 } else { 0.0 };
                for i in 0..n {
                    let x = f64::from(before[row * n + i]);
                    let error = (made.number(k.format, row, i) - x).abs();
                    let rounding = if dtype == Dtype::Bf16 { x.abs() / 256.0 } else { 1e-6 };
                    prop_assert!(error <= step + rounding, "{:?} {:?}: {}", level, dtype, error);
                }
            }
            let stride = made.stride;
            let mut words = Aligned::zeros(rows * stride);
            let (mut scales, mut zeros) = (made.scales.clone(), made.zeros.clone());
            // In place, and apart; the apart ones are then added to what they came from.
            for (centred, apart) in [(true, false), (true, true), (false, true)] {
                let mut values = before.clone();
                let mut other = vec![0.0f32; rows * n];
                let args = Rows {
                    values: values.as_mut_ptr(),
                    stride: n,
                    normed: if apart { other.as_mut_ptr() } else { values.as_mut_ptr() },
                    normed_stride: n,
                    len: n,
                    count: rows,
                    operands: words.as_mut_ptr(),
                    operand_stride: stride,
                    scales: scales.as_mut_ptr(),
                    zeros: zeros.as_mut_ptr(),
                };
                let norm = Norm { centred, weight: &weight, bias: &bias, eps: 1e-5 };
                // SAFETY: the level is there, and the buffers are as long as the counts say.
                unsafe { (k.norm)(&args, &norm) };
                let normed = if apart { &other } else { &values };
                if apart {
                    prop_assert_eq!(&values, &before);
                }
                let mut expected = Vec::new();
                for row in before.chunks_exact(n) {
                    expected.extend(normalised(row, &norm));
                }
                for (got, expected) in normed.iter().zip(&expected) {
                    let error = (f64::from(*got) - expected).abs();
                    prop_assert!(error < 1e-4, "{:?} {}: {} {}", level, centred, got, expected);
                }
                if apart {
                    let mut sum = before.clone();
                    let mut from = before.clone();
                    let args = Rows { values: from.as_mut_ptr(), normed: sum.as_mut_ptr(), ..args };
                    // SAFETY: as above.
                    unsafe { (k.add_normed)(&args, &norm) };
                    for ((got, x), expected) in sum.iter().zip(&before).zip(&expected) {
                        let error = (f64::from(*got) - f64::from(*x) - expected).abs();
                        prop_assert!(error < 1e-4, "{:?}: {} {}", level, got, expected);
                    }
                }
            }
        }
    }

    #[test]
    fn gates(seed in any::<u64>(), rows in 1usize..9, n in 2usize..150) {
        let before = numbers(seed, rows * 2 * n);
        for (level, dtype, k) in kernels() {
            for activation in [Epilogue::Gelu, Epilogue::GeluTanh, Epilogue::Silu, Epilogue::Sigmoid] {
                let mut values: Vec<f32> = before.iter().map(|x| 3.0 * x).collect();
                let wide: Vec<f64> = values.iter().map(|x| f64::from(*x)).collect();
                let stride = n.next_multiple_of(64) / k.format.group() + 16;
                let mut made = Operands {
                    words: Aligned::zeros(rows * stride),
                    stride,
                    scales: vec![0.0; rows],
                    zeros: vec![0; rows],
                };
                let args = Rows {
                    values: values.as_mut_ptr(),
                    stride: 2 * n,
                    normed: values.as_mut_ptr(),
                    normed_stride: 2 * n,
                    len: n,
                    count: rows,
                    operands: made.words.as_mut_ptr(),
                    operand_stride: stride,
                    scales: made.scales.as_mut_ptr(),
                    zeros: made.zeros.as_mut_ptr(),
                };
                // SAFETY: the level is there, and the buffers are as long as the counts say.
                unsafe { (k.gate)(&args, activation) };
                for row in 0..rows {
                    for i in 0..n {
                        let gate = finished(wide[2 * n * row + i], activation, 0.0);
                        let expected = gate * wide[2 * n * row + n + i];
                        let got = made.number(k.format, row, i);
                        let step = if k.format.quantised() { f64::from(made.scales[row]) * 0.51 } else { 0.0 };
                        let rounding = if dtype == Dtype::F32 { 1e-5 } else { 2e-3 + expected.abs() / 128.0 };
                        prop_assert!(
                            (got - expected).abs() <= step + rounding,
                            "{:?} {:?} {:?}: {} {}", level, dtype, activation, got, expected
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn heads_normalised_and_rotated(
        seed in any::<u64>(),
        tokens in 1usize..6,
        heads in 1usize..4,
        kv_heads in 1usize..3,
        half_dim in 1usize..40,
        rotated in 0usize..40,
        normalised_heads in any::<bool>(),
    ) {
        let head_dim = 2 * half_dim;
        let pairs = rotated.min(half_dim);
        let len = (heads + 2 * kv_heads) * head_dim;
        let weight = numbers(seed ^ 1, head_dim);
        let bias = vec![0.0; head_dim];
        let angles = numbers(seed ^ 2, tokens * pairs);
        let cos: Vec<f32> = angles.iter().map(|a| a.cos()).collect();
        let sin: Vec<f32> = angles.iter().map(|a| a.sin()).collect();
        for (level, dtype, k) in kernels() {
            let stride = len.next_multiple_of(k.width) + 16;
            let mut values = numbers(seed, tokens * stride);
            let before = values.clone();
            let operand_stride = len.next_multiple_of(k.width) / k.operand.group() + 16;
            let mut words = Aligned::zeros(tokens * operand_stride);
            let norm = || Norm { centred: false, weight: &weight, bias: &bias, eps: 1e-6 };
            let args = Heads {
                values: values.as_mut_ptr(),
                stride,
                count: tokens,
                len,
                heads: [heads, kv_heads],
                head_dim,
                norms: normalised_heads.then(|| [norm(), norm()]),
                rotation: (pairs > 0).then_some((cos.as_ptr(), sin.as_ptr())),
                pairs,
                operands: words.as_mut_ptr(),
                operand_stride,
            };
            // SAFETY: the level is there, and the buffers are as long as the counts say.
            unsafe { (k.heads)(&args) };
            for row in 0..tokens {
                // SAFETY: the buffer has a stride for each row.
                let made = unsafe {
                    std::slice::from_raw_parts(words.as_ptr().add(row * operand_stride), operand_stride)
                };
                let x = &before[row * stride..][..len];
                for (head, x) in x.chunks_exact(head_dim).enumerate() {
                    let value = head >= heads + kv_heads;
                    let mut expected: Vec<f64> = x.iter().map(|x| f64::from(*x)).collect();
                    if normalised_heads && !value {
                        expected = normalised(x, &norm());
                    }
                    for i in 0..if value { 0 } else { pairs } {
                        let (a, b) = (expected[i], expected[i + pairs]);
                        let (cos, sin) = (f64::from(cos[row * pairs + i]), f64::from(sin[row * pairs + i]));
                        expected[i] = a * cos - b * sin;
                        expected[i + pairs] = b * cos + a * sin;
                    }
                    for (i, expected) in expected.iter().enumerate() {
                        let got = operand(made, k.operand, 1.0, 0, head * head_dim + i);
                        let bound = if k.operand == Format::F32 { 1e-5 } else { expected.abs() / 128.0 + 1e-5 };
                        prop_assert!((got - expected).abs() <= bound, "{:?} {:?}: {} {}", level, dtype, got, expected);
                    }
                }
            }
        }
    }

    #[test]
    fn attention_of_a_head(
        seed in any::<u64>(),
        tokens in 1usize..140,
        kv_heads in 1usize..3,
        shared in 1usize..3,
        half_dim in 1usize..40,
        biased in any::<bool>(),
        before in prop_oneof![Just(usize::MAX), 0usize..70],
        behind in prop_oneof![Just(usize::MAX), Just(0), 0usize..70],
    ) {
        let head_dim = 2 * half_dim;
        let heads = kv_heads * shared;
        let (hidden, len) = (heads * head_dim, (heads + 2 * kv_heads) * head_dim);
        let values: Vec<f32> = numbers(seed, tokens * len);
        let bias = numbers(seed ^ 1, 2 * tokens - 1);
        // As a longer text and another kernel leave it.
        let mut scratch = AttentionScratch::filled(1 << 16, 0x7fc0_7fc0);
        for (level, dtype, k) in kernels() {
            let group = k.operand.group();
            let stride = len / group + 32;
            let mut qkv = Aligned::zeros(tokens * stride);
            for row in 0..tokens {
                for i in 0..len {
                    let x = values[row * len + i];
                    // SAFETY: within the row.
                    unsafe {
                        let to = qkv.as_mut_ptr().add(row * stride);
                        if group == 1 {
                            *to.cast::<f32>().add(i) = x;
                        } else {
                            *to.cast::<u16>().add(i) = half::bf16::from_f32(x).to_bits();
                        }
                    }
                }
            }
            for head in 0..heads {
                let mut out = vec![7.0f32; tokens * hidden];
                let columns = [head, heads + head / shared, heads + kv_heads + head / shared];
                let a = Attention {
                    qkv: qkv.as_ptr(),
                    stride,
                    tokens,
                    head_dim,
                    columns: columns.map(|n| n * head_dim),
                    before,
                    behind,
                    out: out.as_mut_ptr().wrapping_add(head * head_dim),
                    out_stride: hidden,
                    // From the whole, since it is read on both sides of the number for 0.
                    bias: if biased {
                        bias.as_ptr().wrapping_add(tokens - 1)
                    } else {
                        std::ptr::null()
                    },
                };
                // SAFETY: the level is there; the buffers hold all rows, and the bias reaches
                // as far as the text is long on both sides.
                unsafe { (k.attention)(&a, &mut scratch) };
                let number = |row: usize, part: usize, i: usize| {
                    f64::from(values[row * len + columns[part] * head_dim + i])
                };
                for query in 0..tokens {
                    let seen = query.saturating_sub(before)
                        ..query.saturating_add(behind).saturating_add(1).min(tokens);
                    let powers: Vec<f64> = (0..tokens)
                        .map(|key| {
                            let score: f64 = (0..head_dim).map(|i| number(query, 0, i) * number(key, 1, i)).sum();
                            let bias = if biased { f64::from(bias[tokens - 1 + key - query]) } else { 0.0 };
                            if seen.contains(&key) { (score + bias).exp2() } else { 0.0 }
                        })
                        .collect();
                    let sum: f64 = powers.iter().sum();
                    for i in 0..hidden {
                        let got = f64::from(out[query * hidden + i]);
                        if i / head_dim != head {
                            prop_assert_eq!(got, 7.0, "another head's column is written");
                            continue;
                        }
                        let expected: f64 = (0..tokens)
                            .map(|key| powers[key] / sum * number(key, 2, i % head_dim))
                            .sum();
                        let bound = if k.operand == Format::F32 { 1e-4 } else { 4e-2 };
                        prop_assert!((got - expected).abs() < bound, "{:?} {:?}: {} {}", level, dtype, got, expected);
                    }
                }
            }
        }
    }
}

/// Of the numbers that stand behind a row's nothing is seen: they are another row's.
#[test]
fn what_is_behind_a_row_is_not_read() {
    for (level, dtype, k) in kernels().filter(|(_, _, k)| k.format.group() > 1) {
        for inner in [1, 3, 8, 13, 24] {
            let (weights, mut values) = (numbers(1, 5 * inner), numbers(2, 3 * inner));
            let packed = Packed::new(&weights, &[0.0; 5], inner, k.format, k.width);
            let mut a = operands(&k, &mut values, inner);
            let product = |a: &Operands| {
                let mut out = vec![0.0f32; 3 * packed.panels * k.width];
                a.multiply(&k, 0..3, &packed, Epilogue::Plain, &mut out);
                out
            };
            let alone = product(&a);
            for row in 0..3 {
                for word in inner.div_ceil(k.format.group())..a.stride {
                    // SAFETY: the buffer has a stride for each row.
                    unsafe { *a.words.as_mut_ptr().add(row * a.stride + word) = 0x7fc0_7fc0 };
                }
            }
            assert_eq!(product(&a), alone, "{level:?} {dtype:?} {inner}");
        }
    }
}

/// What is measured ends, and is a number.
#[test]
fn peaks() {
    for (level, dtype, k) in kernels() {
        // SAFETY: the level is there.
        let sum = unsafe { (k.peak)(3) };
        assert!(sum.is_finite() && k.peak_words > 0, "{level:?} {dtype:?}");
    }
}

/// Rows of nothing but zeros, and of one value that is far from the others.
#[test]
fn quantised_rows_at_the_edges() {
    for (level, dtype, k) in kernels().filter(|(_, _, k)| k.format.quantised()) {
        for row in [[0.0f32; 40], [-5.0; 40], [5.0; 40]] {
            let mut row = row;
            let made = operands(&k, &mut row, 40);
            for (i, x) in row.iter().enumerate() {
                let got = made.number(k.format, 0, i);
                assert!(
                    (got - f64::from(*x)).abs() < 1e-5,
                    "{level:?} {dtype:?} {x} {got}"
                );
            }
        }
        let mut row = [0.01f32; 40];
        row[3] = 1e4;
        let made = operands(&k, &mut row, 40);
        assert!((made.number(k.format, 0, 3) - 1e4).abs() < 1e-2);
        assert_eq!(made.number(k.format, 0, 4), 0.0);
    }
}
