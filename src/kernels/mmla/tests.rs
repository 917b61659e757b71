//! The matrix instructions' twin, and what they do against plain arithmetic.

use super::super::amx::tests::{self as words, halves};
use super::super::dot::quantised;
use super::super::portable::Portable;
use super::super::{Dtype, Kernels, twin_paired_bf16, twin_paired_int8};
use super::*;

impl Squares for Portable {
    unsafe fn words(upper: *const u32, lower: *const u32) -> [u32; 8] {
        // SAFETY: the caller's.
        let ([a, b], [c, d]) = unsafe {
            (
                upper.cast::<[u32; 2]>().read(),
                lower.cast::<[u32; 2]>().read(),
            )
        };
        [a, b, c, d, a, b, c, d]
    }
    unsafe fn squares([a, b]: [[u32; 8]; 2]) -> [[u32; 8]; 2] {
        [
            [a[0], a[1], b[0], b[1], a[2], a[3], b[2], b[3]],
            [a[4], a[5], b[4], b[5], a[6], a[7], b[6], b[7]],
        ]
    }
    unsafe fn rows([a, b]: [[u32; 8]; 2]) -> [[u32; 8]; 2] {
        [
            [a[0], a[1], a[4], a[5], b[0], b[1], b[4], b[5]],
            [a[2], a[3], a[6], a[7], b[2], b[3], b[6], b[7]],
        ]
    }
}

/// What the instructions do: sums of the first words' products, then of the second's.
fn multiply(
    sums: [u32; 8],
    rows: [u32; 8],
    columns: [u32; 8],
    product: impl Fn(u32, u32, u32) -> u32,
) -> [u32; 8] {
    std::array::from_fn(|i| {
        let (square, row, column) = (i / 4 * 4, i / 2 % 2 * 2, i % 2 * 2);
        (0..2).fold(sums[i], |sum, word| {
            let (row, column) = (square + row + word, square + column + word);
            product(sum, rows[row], columns[column])
        })
    })
}

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
        // SAFETY: the caller's.
        unsafe { <words::Pairs as Dot<Portable>>::dot(acc, a, b) }
    }
    unsafe fn finish(acc: [f32; 8], _: f32, _: *const f32) -> [f32; 8] {
        acc
    }
    unsafe fn put(row: *mut u32, column: usize, x: [f32; 8], _: i32) {
        // SAFETY: the caller's.
        unsafe { <words::Pairs as Dot<Portable>>::put(row, column, x, 0) }
    }
    by_squares!(Portable);
}

impl Mmla<Portable> for Pairs {
    unsafe fn multiply(sums: [u32; 8], rows: [u32; 8], columns: [u32; 8]) -> [u32; 8] {
        multiply(sums, rows, columns, |sum, a, b| {
            let ([a, b], [c, d]) = (halves(a), halves(b));
            (f32::from_bits(sum) + (a * c + b * d)).to_bits()
        })
    }
}

/// Four bytes to a word.
#[derive(Clone, Copy)]
pub(in super::super) struct Bytes;

fn bytes(sum: u32, a: u32, b: u32) -> u32 {
    let products = a.to_le_bytes().into_iter().zip(b.to_le_bytes());
    products.fold(sum, |sum, (a, b)| {
        sum.wrapping_add_signed(i32::from(a) * i32::from(b as i8))
    })
}

quantised!(
    Bytes,
    Portable,
    4,
    store_u8,
    u8,
    0,
    |acc: [u32; 8], a: [u32; 8], b: [u32; 8]| std::array::from_fn(|i| bytes(acc[i], a[i], b[i]));
    by_squares!(Portable);
);

impl Mmla<Portable> for Bytes {
    unsafe fn multiply(sums: [u32; 8], rows: [u32; 8], columns: [u32; 8]) -> [u32; 8] {
        multiply(sums, rows, columns, bytes)
    }
}

/// The kernels of the level by the twin, which are tested as those of all levels.
pub(in super::super) const TWINS: [(Dtype, Kernels); 2] = [
    (Dtype::Bf16, twin_paired_bf16::KERNELS),
    (Dtype::Int8, twin_paired_int8::KERNELS),
];

/// What is rounded by the instruction for it has the bits of what is rounded in plain Rust.
#[test]
#[cfg(target_arch = "aarch64")]
fn numbers_are_rounded_as_elsewhere() {
    if !super::super::Level::NeonMmla.available() {
        return;
    }
    #[target_feature(enable = "neon,bf16")]
    unsafe fn put(to: &mut [u32; 2], x: [f32; 4]) {
        use super::super::neon::Neon;
        // SAFETY: the level is there; four numbers take two words.
        unsafe { <BfMmla as Dot<Neon>>::put(to.as_mut_ptr(), 0, Neon::load(x.as_ptr()), 0) }
    }
    // Numbers of every exponent, with what is just below, at and above the middle of two bf16.
    let numbers = (0..=0xffffu32).flat_map(|upper| {
        [0, 1, 0x7fff, 0x8000, 0x8001].map(|lower| f32::from_bits(upper << 16 | lower))
    });
    let numbers: Vec<f32> = numbers.collect();
    for four in numbers.chunks_exact(4) {
        let four: [f32; 4] = four.try_into().unwrap();
        let mut got = [0; 2];
        // SAFETY: the level is there.
        unsafe { put(&mut got, four) };
        for (i, x) in four.into_iter().enumerate() {
            let got = half::bf16::from_bits((got[i / 2] >> (i % 2 * 16)) as u16);
            let expected = half::bf16::from_f32(x);
            assert!(
                got.to_bits() == expected.to_bits() || got.is_nan() && expected.is_nan(),
                "{x:e}: {got} {expected}"
            );
        }
    }
}
