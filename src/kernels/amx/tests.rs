//! The tile unit's twin, and products by it against plain arithmetic.

use super::super::dot::{F32, quantised};
use super::super::portable::Portable;
use super::super::{
    Aligned, Attention, AttentionScratch, Dtype, Epilogue, Format, Kernels, Output, Packed,
    twin_bf16, twin_int8,
};
use super::*;
use proptest::prelude::*;

/// What the tile instructions do, in plain Rust, and what they refuse: a tile that is not set up, and
/// products of tiles that do not fit each other.
struct Twin<const INT8: bool> {
    shapes: [(usize, usize); 8],
    tiles: [[u32; ROWS * WORDS]; 8],
}

impl<const INT8: bool> Twin<INT8> {
    /// What nobody set up holds what nobody wants.
    fn new() -> Self {
        Self {
            shapes: [(0, 0); 8],
            tiles: [[0x7fc0_7fc0; ROWS * WORDS]; 8],
        }
    }

    fn shape_of(&self, tile: u8) -> (usize, usize) {
        let shape = self.shapes[usize::from(tile)];
        assert!(shape.0 > 0, "tile {tile} is not set up");
        shape
    }
}

/// The numbers of a word.
pub(in super::super) fn halves(word: u32) -> [f32; 2] {
    [
        f32::from_bits(word << 16),
        f32::from_bits(word & 0xffff_0000),
    ]
}

impl<const INT8: bool> Tiles for Twin<INT8> {
    unsafe fn shape(&mut self, upper: usize, lower: usize) {
        self.shapes = shapes(upper, lower);
        for (rows, bytes) in self.shapes {
            assert!(rows <= 16 && bytes <= 64 && (rows == 0) == (bytes == 0));
        }
        self.tiles = [[0; ROWS * WORDS]; 8];
    }

    unsafe fn zero<const TILE: u8>(&mut self) {
        self.shape_of(TILE);
        self.tiles[usize::from(TILE)] = [0; ROWS * WORDS];
    }

    unsafe fn load<const TILE: u8>(&mut self, from: *const u32, stride: usize) {
        let (rows, bytes) = self.shape_of(TILE);
        let tile = &mut self.tiles[usize::from(TILE)];
        *tile = [0; ROWS * WORDS];
        for row in 0..rows {
            for word in 0..bytes / 4 {
                // SAFETY: the caller's.
                tile[row * WORDS + word] = unsafe { *from.byte_add(row * stride).add(word) };
            }
        }
    }

    unsafe fn store<const TILE: u8>(&mut self, to: *mut u32, stride: usize) {
        let (rows, bytes) = self.shape_of(TILE);
        for row in 0..rows {
            for word in 0..bytes / 4 {
                let x = self.tiles[usize::from(TILE)][row * WORDS + word];
                // SAFETY: the caller's.
                unsafe { *to.byte_add(row * stride).add(word) = x };
            }
        }
    }

    unsafe fn multiply<const SUMS: u8, const ROW: u8, const HALF: u8>(&mut self) {
        let (sums, row, half) = (self.shape_of(SUMS), self.shape_of(ROW), self.shape_of(HALF));
        assert!(SUMS != ROW && SUMS != HALF && ROW != HALF);
        assert!(sums.0 == row.0 && sums.1 == half.1 && row.1 / 4 == half.0);
        for m in 0..sums.0 {
            for n in 0..sums.1 / 4 {
                // Even and odd numbers have sums of their own until the end.
                let (mut pair, mut whole) = ([0.0f32; 2], 0i32);
                for k in 0..half.0 {
                    let a = self.tiles[usize::from(ROW)][m * WORDS + k];
                    let b = self.tiles[usize::from(HALF)][k * WORDS + n];
                    if INT8 {
                        let (a, b) = (a.to_le_bytes(), b.to_le_bytes());
                        for i in 0..4 {
                            whole += i32::from(a[i]) * i32::from(b[i] as i8);
                        }
                    } else {
                        for i in 0..2 {
                            pair[i] = halves(a)[i].mul_add(halves(b)[i], pair[i]);
                        }
                    }
                }
                let sum = &mut self.tiles[usize::from(SUMS)][m * WORDS + n];
                *sum = if INT8 {
                    sum.wrapping_add(whole as u32)
                } else {
                    (f32::from_bits(*sum) + (pair[0] + pair[1])).to_bits()
                };
            }
        }
    }

    unsafe fn release(&mut self) {
        *self = Self::new();
    }
}

/// Four bytes to a word, as VNNI multiplies them.
#[derive(Clone, Copy)]
pub(in super::super) struct Bytes;

quantised!(
    Bytes,
    Portable,
    4,
    store_u8,
    u8,
    0,
    |acc: [u32; 8], a: [u32; 8], b: [u32; 8]| {
        std::array::from_fn(|lane| {
            let (a, b) = (a[lane].to_le_bytes(), b[lane].to_le_bytes());
            let sum: i32 = (0..4)
                .map(|i| i32::from(a[i]) * i32::from(b[i] as i8))
                .sum();
            acc[lane].wrapping_add(sum as u32)
        })
    }
);

/// Two bf16 to a word.
#[derive(Clone, Copy)]
pub(in super::super) struct Pairs;

impl Dot<Portable> for Pairs {
    const GROUP: usize = 2;
    const QUANTISED: bool = false;
    const ROUGH: bool = true;
    type Acc = [f32; 8];

    unsafe fn start(_: i32, _: *const i32) -> [f32; 8] {
        [0.0; 8]
    }
    unsafe fn dot(acc: [f32; 8], a: [u32; 8], b: [u32; 8]) -> [f32; 8] {
        std::array::from_fn(|lane| {
            let (a, b) = (halves(a[lane]), halves(b[lane]));
            acc[lane] + a[0] * b[0] + a[1] * b[1]
        })
    }
    unsafe fn finish(acc: [f32; 8], _: f32, _: *const f32) -> [f32; 8] {
        acc
    }
    unsafe fn put(row: *mut u32, column: usize, x: [f32; 8], _: i32) {
        let halves = x.map(|x| half::bf16::from_f32(x).to_bits());
        // SAFETY: the caller's.
        unsafe {
            row.cast::<[u16; 8]>()
                .byte_add(2 * column)
                .write_unaligned(halves)
        }
    }
}

unsafe fn twin_gemm(g: &Gemm<'_>) {
    // SAFETY: the caller's; the twin needs no unit.
    unsafe { gemm::<_, Portable, Pairs, Pairs, 4>(&mut Twin::<false>::new(), g) }
}

unsafe fn twin_gemm_int8(g: &Gemm<'_>) {
    // SAFETY: the caller's; the twin needs no unit.
    unsafe { gemm::<_, Portable, Bytes, Pairs, 4>(&mut Twin::<true>::new(), g) }
}

unsafe fn twin_attention(a: &Attention, scratch: &mut AttentionScratch) {
    // SAFETY: the caller's; the twin needs no unit.
    unsafe {
        super::attention::attention::<_, Portable, Pairs, 4>(&mut Twin::<false>::new(), a, scratch);
    }
}

/// The kernels of the level by the twin, which are tested as those of all levels.
pub(in super::super) const TWINS: [(Dtype, Kernels); 2] = [
    (
        Dtype::Bf16,
        Kernels {
            gemm: twin_gemm,
            attention: twin_attention,
            ..twin_bf16::KERNELS
        },
    ),
    (
        Dtype::Int8,
        Kernels {
            gemm: twin_gemm_int8,
            attention: twin_attention,
            ..twin_int8::KERNELS
        },
    ),
];

/// Numbers from -1 to 1 that a seed decides.
fn numbers(seed: u64, n: usize) -> Vec<f32> {
    let mut state = seed;
    let next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    std::iter::repeat_with(next).take(n).collect()
}

fn rounded(x: f32) -> f32 {
    half::bf16::from_f32(x).to_f32()
}

/// Rows times weights by the twin, with what stands behind the rows' numbers no number at all.
fn product<const INT8: bool>(
    [count, inner, columns]: [usize; 3],
    panels: Option<usize>,
    epilogue: Epilogue,
    seed: u64,
) -> (Vec<f32>, Vec<f64>) {
    let format = if INT8 { Format::Int8 } else { Format::Bf16 };
    let group = format.group();
    let (weights, bias) = (numbers(seed, columns * inner), numbers(seed + 1, columns));
    let packed = Packed::new(&weights, &bias, inner, format, WIDTH);
    let values = numbers(seed + 2, count * inner);
    let (scales, zeros): (Vec<f32>, Vec<i32>) = (0..count)
        .map(|row| (0.01 + row as f32 / 1e4, 100 + row as i32 % 60))
        .unzip();
    let byte = |row: usize, i: usize| {
        (values[row * inner + i] / scales[row] + zeros[row] as f32)
            .round()
            .clamp(0.0, 255.0) as u32
    };
    // Only what fills the last word up is zero, as the kernel that makes rows leaves it.
    let stride = inner.div_ceil(group) + 19;
    let mut rows = Aligned::zeros(count * stride);
    // SAFETY: the buffer has that many words.
    let words = unsafe { std::slice::from_raw_parts_mut(rows.as_mut_ptr(), count * stride) };
    words.fill(0x7fc0_7fc0);
    for row in 0..count {
        for word in 0..inner.div_ceil(group) {
            words[row * stride + word] = (0..group)
                .filter(|i| word * group + i < inner)
                .map(|i| {
                    let at = word * group + i;
                    let x = if INT8 {
                        byte(row, at)
                    } else {
                        rounded(values[row * inner + at]).to_bits() >> 16
                    };
                    x << (i * 32 / group)
                })
                .sum();
        }
    }
    let wide = packed.panels * WIDTH;
    let panels = 0..panels.map_or(packed.panels, |n| n.min(packed.panels));
    let mut out = numbers(seed + 3, count * wide);
    let before = out.clone();
    let g = Gemm {
        rows: rows.as_ptr(),
        stride,
        count,
        scales: scales.as_ptr(),
        zeros: zeros.as_ptr(),
        weights: &packed,
        panels: panels.clone(),
        out: out.as_mut_ptr().cast(),
        out_stride: wide,
        output: Output::F32,
        epilogue,
    };
    // SAFETY: the twin needs no unit; the buffers are as long as said.
    unsafe {
        if INT8 {
            gemm::<_, Portable, Bytes, F32<false>, 4>(&mut Twin::<true>::new(), &g);
        } else {
            gemm::<_, Portable, Pairs, F32<false>, 4>(&mut Twin::<false>::new(), &g);
        }
    }
    let expected = (0..count * wide).map(|at| {
        let (row, column) = (at / wide, at % wide);
        let old = f64::from(before[at]);
        if column >= panels.end * WIDTH {
            return old;
        }
        let mut x = 0.0;
        if column < columns {
            for i in 0..inner {
                let w = weights[column * inner + i];
                x += if INT8 {
                    let scale = packed.scales[column];
                    let w = f64::from((w / scale).round_ties_even()) * f64::from(scale);
                    let a = byte(row, i) as i32 - zeros[row];
                    f64::from(a) * f64::from(scales[row]) * w
                } else {
                    f64::from(rounded(values[row * inner + i])) * f64::from(rounded(w))
                };
            }
            x += f64::from(bias[column]);
        }
        match epilogue {
            Epilogue::Add => x + old,
            Epilogue::Relu => x.max(0.0),
            _ => x,
        }
    });
    let expected = expected.collect();
    (out, expected)
}

fn near(got: &[f32], expected: &[f64]) -> Result<(), TestCaseError> {
    for (at, (x, y)) in got.iter().zip(expected).enumerate() {
        prop_assert!(
            (f64::from(*x) - y).abs() < 2e-4 * (1.0 + y.abs()),
            "{at}: {x}, not {y}"
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(crate::cases::cases(48)))]

    #[test]
    fn tiles_multiply_as_plain_arithmetic_does(
        count in 0usize..70,
        inner in 1usize..200,
        columns in 1usize..100,
        panels in proptest::option::of(0usize..4),
        epilogue in prop_oneof![Just(Epilogue::Plain), Just(Epilogue::Add), Just(Epilogue::Relu)],
        seed in any::<u32>(),
    ) {
        let shape = [count, inner, columns];
        let (got, expected) = product::<false>(shape, panels, epilogue, seed.into());
        near(&got, &expected)?;
        let (got, expected) = product::<true>(shape, panels, epilogue, seed.into());
        near(&got, &expected)?;
    }

    /// A row's numbers do not depend on the rows beside it.
    #[test]
    fn rows_do_not_depend_on_each_other(
        count in 1usize..70, inner in 1usize..150, columns in 1usize..70, seed in any::<u32>(),
    ) {
        let one = [1, inner, columns];
        let many = [count, inner, columns];
        let alone = product::<false>(one, None, Epilogue::Plain, seed.into()).0;
        let all = product::<false>(many, None, Epilogue::Plain, seed.into()).0;
        prop_assert_eq!(&alone[..], &all[..alone.len()]);
        let alone = product::<true>(one, None, Epilogue::Plain, seed.into()).0;
        let all = product::<true>(many, None, Epilogue::Plain, seed.into()).0;
        prop_assert_eq!(&alone[..], &all[..alone.len()]);
    }
}

#[test]
#[should_panic(expected = "not set up")]
fn the_twin_refuses_what_the_unit_does() {
    let mut twin = Twin::<false>::new();
    // SAFETY: the twin needs no unit.
    unsafe {
        twin.shape(3, 0);
        twin.zero::<2>();
    }
}
