//! Products by the tile unit of Intel's servers (AMX): of weights in bf16 and int8, and of the
//! attention in bf16.
//!
//! A tile holds 16 rows of 16 words, and one instruction multiplies two of them: 16 rows of
//! activations with the words of 16 columns, as [`Packed`](super::Packed) holds them already. Four
//! tiles of sums (32 rows by the 32 columns of a panel) are kept in the unit while its inner
//! dimension passes, so that four loads go with four products. Sums then go through a small buffer
//! to the vectors' epilogue, which is done in pieces between the products of the next block: both
//! units work at once. An inner dimension that is no multiple of 16 words is ended by vectors.
//!
//! The instructions are written as assembly, because the compiler's functions for them are not
//! stable; it touches no tile itself. [`Twin`](tests) does in Rust what they do, so that whatever
//! stands around them is tested where there is no such unit. Where there is one, [`works`] compares
//! products with plain arithmetic, and an attention with the vectors', before the level counts as there.

mod attention;

#[cfg(target_arch = "x86_64")]
use super::Kernels;
use super::gemm::{Gemm, finish, tile};
use super::simd::{Dot, Simd};
use std::ops::Range;

/// Rows of a tile.
const ROWS: usize = 16;
/// Words of a tile's row.
const WORDS: usize = 16;
/// Columns of a panel.
const WIDTH: usize = 2 * WORDS;
/// Bytes from a row of sums or weights to the next.
const STRIDE: usize = WIDTH * 4;

/// The unit's eight tiles: 0 to 3 hold sums (upper rows left and right, lower rows left and right),
/// 4 and 5 upper and lower rows of activations, 6 and 7 the left and right half of a panel.
///
/// # Safety
/// For every function: the unit is there and this process may use it; pointers are valid for the
/// tile's rows, whose distance is `stride` bytes, and 64 bytes of each.
trait Tiles {
    /// Sets the tiles up for so many upper and lower rows, of which there may be none. All are zero.
    unsafe fn shape(&mut self, upper: usize, lower: usize);
    unsafe fn zero<const TILE: u8>(&mut self);
    unsafe fn load<const TILE: u8>(&mut self, from: *const u32, stride: usize);
    unsafe fn store<const TILE: u8>(&mut self, to: *mut u32, stride: usize);
    /// Adds to sums the products of rows and weights.
    unsafe fn multiply<const SUMS: u8, const ROW: u8, const HALF: u8>(&mut self);
    /// Gives the unit back: its state costs at every switch of threads.
    unsafe fn release(&mut self);
}

/// The rows and bytes of each tile.
fn shapes(upper: usize, lower: usize) -> [(usize, usize); 8] {
    let of = |rows: usize| if rows > 0 { (rows, 64) } else { (0, 0) };
    let (upper, lower) = (of(upper), of(lower));
    [upper, upper, lower, lower, upper, lower, (16, 64), (16, 64)]
}

#[repr(align(64))]
struct Sums([u32; 2 * ROWS * WIDTH]);

impl Sums {
    fn new() -> Self {
        Self([0; 2 * ROWS * WIDTH])
    }
}

/// Zeroes the sums and adds the products of `count` rows, at most 32, and a panel: `whole` times 16
/// words of each. `between` is done after each of these.
///
/// # Safety
/// As [`Tiles`], which were set up for `count` rows; `a` and `b` are valid for that many words.
#[inline(always)]
unsafe fn multiply<T: Tiles>(
    tiles: &mut T,
    count: usize,
    (a, stride): (*const u32, usize),
    b: *const u32,
    whole: usize,
    mut between: impl FnMut(usize),
) {
    let lower = count > ROWS;
    // SAFETY: the caller's.
    unsafe {
        tiles.zero::<0>();
        tiles.zero::<1>();
        if lower {
            tiles.zero::<2>();
            tiles.zero::<3>();
        }
        for k in 0..whole {
            let (a, b) = (a.add(k * WORDS), b.add(k * WORDS * WIDTH));
            tiles.load::<4>(a, stride * 4);
            tiles.load::<6>(b, STRIDE);
            tiles.multiply::<0, 4, 6>();
            tiles.load::<7>(b.add(WORDS), STRIDE);
            tiles.multiply::<1, 4, 7>();
            if lower {
                tiles.load::<5>(a.add(ROWS * stride), stride * 4);
                tiles.multiply::<2, 5, 6>();
                tiles.multiply::<3, 5, 7>();
            }
            between(k);
        }
    }
}

/// Stores the sums of `count` rows.
///
/// # Safety
/// As [`Tiles`]; `to` has room for 32 columns of that many rows, `stride` words apart.
#[inline(always)]
unsafe fn store<T: Tiles>(tiles: &mut T, count: usize, to: *mut u32, stride: usize) {
    // SAFETY: the caller's.
    unsafe {
        tiles.store::<0>(to, stride * 4);
        tiles.store::<1>(to.add(WORDS), stride * 4);
        if count > ROWS {
            tiles.store::<2>(to.add(ROWS * stride), stride * 4);
            tiles.store::<3>(to.add(ROWS * stride + WORDS), stride * 4);
        }
    }
}

/// Sets the tiles up for so many rows, where they are not.
///
/// # Safety
/// As [`Tiles`].
#[inline(always)]
unsafe fn shape<T: Tiles>(tiles: &mut T, is: &mut usize, count: usize) {
    if *is != count {
        // SAFETY: the caller's.
        unsafe { tiles.shape(count.min(ROWS), count.saturating_sub(ROWS)) };
        *is = count;
    }
}

/// Rows of a panel whose sums are in a buffer.
struct Block {
    panel: usize,
    row: usize,
    count: usize,
    sums: *const u32,
}

/// [`gemm`](super::gemm::gemm) by tiles.
///
/// # Safety
/// As there, and as [`Tiles`]; `D` is what the unit computes, and weights were packed for it and
/// panels of [`WIDTH`] columns.
#[inline(always)]
unsafe fn gemm<T: Tiles, S: Simd, D: Dot<S>, O: Dot<S>, const NV: usize>(
    tiles: &mut T,
    g: &Gemm<'_>,
) {
    const { assert!(NV * S::LANES == WIDTH && size_of::<D::Acc>() == size_of::<S::I>()) };
    let w = g.weights;
    let whole = w.groups / WORDS;
    let mut buffers = [Sums::new(), Sums::new()];
    let [mut to, mut other] = buffers.each_mut().map(|sums| sums.0.as_mut_ptr());
    let mut shaped = 0;
    let mut before: Option<Block> = None;
    // SAFETY: the caller's; a buffer holds 32 rows of a panel's columns.
    unsafe {
        for panel in g.panels.clone() {
            let b = w.words.as_ptr().add(panel * w.groups * WIDTH);
            for row in (0..g.count).step_by(2 * ROWS) {
                let count = (g.count - row).min(2 * ROWS);
                shape(tiles, &mut shaped, count);
                let a = (g.rows.add(row * g.stride), g.stride);
                multiply(tiles, count, a, b, whole, |k| {
                    if let Some(block) = &before {
                        let share = |k: usize| block.count * k / whole;
                        ended::<S, D, O, NV>(g, block, share(k)..share(k + 1));
                    }
                });
                if let (0, Some(block)) = (whole, &before) {
                    ended::<S, D, O, NV>(g, block, 0..block.count);
                }
                store(tiles, count, to, WIDTH);
                before = Some(Block {
                    panel,
                    row,
                    count,
                    sums: to,
                });
                std::mem::swap(&mut to, &mut other);
            }
        }
        tiles.release();
        if let Some(block) = &before {
            ended::<S, D, O, NV>(g, block, 0..block.count);
        }
    }
}

/// Finishes some rows of a block: adds what tiles left over and where quantised sums begin, and
/// stores.
///
/// # Safety
/// As [`gemm`].
#[inline(always)]
unsafe fn ended<S: Simd, D: Dot<S>, O: Dot<S>, const NV: usize>(
    g: &Gemm<'_>,
    block: &Block,
    rows: Range<usize>,
) {
    let w = g.weights;
    let done = w.groups / WORDS * WORDS;
    // SAFETY: the caller's.
    unsafe {
        for m in rows {
            let row = block.row + m;
            let (mut scale, mut zero) = (0.0, 0);
            if D::QUANTISED {
                (scale, zero) = (*g.scales.add(row), *g.zeros.add(row));
            }
            let column = block.panel * WIDTH;
            let mut sums = [[D::start(0, w.sums.as_ptr().add(column)); NV]];
            for v in 0..NV {
                let mut sum = S::load_words(block.sums.add(m * WIDTH + v * S::LANES));
                if D::QUANTISED {
                    let start = D::start(zero, w.sums.as_ptr().add(column + v * S::LANES));
                    sum = S::add_int(sum, std::mem::transmute_copy(&start));
                }
                // Both are vectors of as many 32-bit numbers, of which every bit pattern is valid.
                sums[0][v] = std::mem::transmute_copy(&sum);
            }
            if done < w.groups {
                let a = g.rows.add(row * g.stride + done);
                let b = w.words.as_ptr();
                let b = b.add((block.panel * w.groups + done) * WIDTH);
                tile::<S, D, 1, NV>(a, g.stride, b, w.groups - done, &mut sums);
            }
            finish::<S, D, O, NV>(g, block.panel, row, scale, &sums[0]);
        }
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) use unit::{BF16, INT8, works};

#[cfg(target_arch = "x86_64")]
mod unit {
    use super::super::avx512::{Avx512, Bf16, Vnni};
    use super::super::{
        Attention, AttentionScratch, Epilogue, Output, Packed, amx_bf16_vectors, amx_int8_vectors,
    };
    use super::{Gemm, Kernels, Tiles, shapes};
    use std::arch::asm;
    use std::sync::OnceLock;

    /// The unit itself. There is one in each core, and the system keeps its state apart for threads.
    struct Amx<const INT8: bool>;

    /// What `ldtilecfg` reads.
    #[repr(C, align(64))]
    struct Configuration {
        palette: u8,
        start_row: u8,
        reserved: [u8; 14],
        bytes: [u16; 16],
        rows: [u8; 16],
    }

    impl<const INT8: bool> Tiles for Amx<INT8> {
        #[inline(always)]
        unsafe fn shape(&mut self, upper: usize, lower: usize) {
            let mut configuration = Configuration {
                palette: 1,
                start_row: 0,
                reserved: [0; 14],
                bytes: [0; 16],
                rows: [0; 16],
            };
            for (tile, (rows, bytes)) in shapes(upper, lower).into_iter().enumerate() {
                configuration.rows[tile] = rows as u8;
                configuration.bytes[tile] = bytes as u16;
            }
            // SAFETY: 64 bytes are read.
            unsafe {
                asm!("ldtilecfg [{}]", in(reg) &raw const configuration, options(nostack, preserves_flags));
            }
        }
        #[inline(always)]
        unsafe fn zero<const TILE: u8>(&mut self) {
            // SAFETY: the tile is set up.
            unsafe {
                asm!("tilezero tmm{t}", t = const TILE, options(nostack, nomem, preserves_flags))
            }
        }
        #[inline(always)]
        unsafe fn load<const TILE: u8>(&mut self, from: *const u32, stride: usize) {
            // SAFETY: the caller's.
            unsafe {
                asm!(
                    "tileloadd tmm{t}, [{from} + {stride}]",
                    t = const TILE, from = in(reg) from, stride = in(reg) stride,
                    options(nostack, readonly, preserves_flags)
                );
            }
        }
        #[inline(always)]
        unsafe fn store<const TILE: u8>(&mut self, to: *mut u32, stride: usize) {
            // SAFETY: the caller's.
            unsafe {
                asm!(
                    "tilestored [{to} + {stride}], tmm{t}",
                    t = const TILE, to = in(reg) to, stride = in(reg) stride,
                    options(nostack, preserves_flags)
                );
            }
        }
        #[inline(always)]
        unsafe fn multiply<const SUMS: u8, const ROW: u8, const HALF: u8>(&mut self) {
            // SAFETY: the tiles are set up, as many rows of sums as of activations.
            unsafe {
                if INT8 {
                    asm!(
                        "tdpbusd tmm{s}, tmm{r}, tmm{h}",
                        s = const SUMS, r = const ROW, h = const HALF,
                        options(nostack, nomem, preserves_flags)
                    );
                } else {
                    asm!(
                        "tdpbf16ps tmm{s}, tmm{r}, tmm{h}",
                        s = const SUMS, r = const ROW, h = const HALF,
                        options(nostack, nomem, preserves_flags)
                    );
                }
            }
        }
        #[inline(always)]
        unsafe fn release(&mut self) {
            // SAFETY: nothing is left in the tiles.
            unsafe { asm!("tilerelease", options(nostack, nomem, preserves_flags)) }
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
    unsafe fn gemm_bf16(g: &Gemm<'_>) {
        // SAFETY: the caller's.
        unsafe { super::gemm::<_, Avx512, Bf16, Bf16, 2>(&mut Amx::<false>, g) }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512bf16")]
    unsafe fn gemm_int8(g: &Gemm<'_>) {
        // SAFETY: the caller's.
        unsafe { super::gemm::<_, Avx512, Vnni, Bf16, 2>(&mut Amx::<true>, g) }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
    unsafe fn attention(a: &Attention, scratch: &mut AttentionScratch) {
        // SAFETY: the caller's.
        unsafe { super::attention::attention::<_, Avx512, Bf16, 2>(&mut Amx::<false>, a, scratch) }
    }

    /// The unit's peak: four products that do not wait for each other, with four loads.
    #[inline(always)]
    unsafe fn peak<const INT8: bool>(rounds: usize) -> f32 {
        let zeros = super::Sums::new();
        let (from, unit) = (zeros.0.as_ptr(), &mut Amx::<INT8>);
        // SAFETY: the caller's; the buffer holds two tiles beside each other, twice.
        unsafe {
            unit.shape(16, 16);
            for _ in 0..rounds {
                unit.load::<4>(from, super::STRIDE);
                unit.load::<5>(from, super::STRIDE);
                unit.load::<6>(from, super::STRIDE);
                unit.load::<7>(from, super::STRIDE);
                unit.multiply::<0, 4, 6>();
                unit.multiply::<1, 4, 7>();
                unit.multiply::<2, 5, 6>();
                unit.multiply::<3, 5, 7>();
            }
            unit.release();
        }
        0.0
    }

    /// Words that the four products of a round of `peak` multiply.
    const PEAK: usize = 4 * super::ROWS * super::WORDS * super::WORDS;

    /// As many as a run has: weights pass once, and the processors with the unit have larger caches.
    const AT_ONCE: usize = 256;

    pub(in super::super) const BF16: Kernels = Kernels {
        rows: AT_ONCE,
        gemm: gemm_bf16,
        attention,
        peak: peak::<false>,
        peak_words: PEAK,
        ..amx_bf16_vectors::KERNELS
    };
    pub(in super::super) const INT8: Kernels = Kernels {
        rows: AT_ONCE,
        gemm: gemm_int8,
        attention,
        peak: peak::<true>,
        peak_words: PEAK,
        ..amx_int8_vectors::KERNELS
    };

    /// Whether the processor has the unit, the system lets this process use it, and it computes what
    /// it should. The other instructions of the level are there.
    pub(in super::super) fn works() -> bool {
        static WORKS: OnceLock<bool> = OnceLock::new();
        *WORKS.get_or_init(|| {
            is_there() && may_be_used() && computes(&BF16) && computes(&INT8) && attends(&BF16)
        })
    }

    fn is_there() -> bool {
        #[allow(unused_unsafe, reason = "newer compilers know that it is safe")]
        // SAFETY: every 64-bit x86 processor has the instruction; leaf 7 is asked for where it is.
        let features = unsafe {
            if std::arch::x86_64::__cpuid(0).eax < 7 {
                return false;
            }
            std::arch::x86_64::__cpuid_count(7, 0).edx
        };
        // bf16, tiles, int8.
        [22, 24, 25].iter().all(|bit| features >> bit & 1 == 1)
    }

    /// Asks for the state that tiles need; threads that are made later have it as well.
    #[cfg(target_os = "linux")]
    fn may_be_used() -> bool {
        const ARCH_REQ_XCOMP_PERM: libc::c_long = 0x1023;
        const XTILEDATA: libc::c_long = 18;
        // SAFETY: it takes two numbers, and changes nothing where it refuses.
        unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XTILEDATA) == 0 }
    }

    #[cfg(not(target_os = "linux"))]
    fn may_be_used() -> bool {
        false
    }

    /// Multiplies small whole numbers, which every dtype holds exactly.
    fn computes(k: &Kernels) -> bool {
        const COUNT: usize = 37;
        const INNER: usize = 132;
        const COLUMNS: usize = 40;
        let group = k.format.group();
        let weight = |column: usize, i: usize| ((column * 7 + i * 5) % 9) as f32 - 4.0;
        let number = |row: usize, i: usize| (row * 3 + i * 11) % 8;
        // 127 in each column makes a unit of quantised weights 1.
        let weights: Vec<f32> = (0..COLUMNS * INNER)
            .map(|at| match at % INNER {
                0 => 127.0,
                i => weight(at / INNER, i),
            })
            .collect();
        let packed = Packed::new(&weights, &[0.0; COLUMNS], INNER, k.format, k.width);
        let stride = INNER / group + 16;
        let mut rows = vec![0u32; COUNT * stride];
        for (at, word) in rows.iter_mut().enumerate() {
            let (row, first) = (at / stride, at % stride * group);
            for i in (first..first + group).filter(|i| *i < INNER) {
                let x = number(row, i);
                let bits = match group {
                    4 => x as u32,
                    _ => (x as f32).to_bits() >> 16,
                };
                *word |= bits << ((i - first) * 32 / group);
            }
        }
        let wide = packed.panels * k.width;
        let mut out = vec![0.0f32; COUNT * wide];
        let g = Gemm {
            rows: rows.as_ptr(),
            stride,
            count: COUNT,
            scales: [1.0; COUNT].as_ptr(),
            zeros: [0; COUNT].as_ptr(),
            weights: &packed,
            panels: 0..packed.panels,
            out: out.as_mut_ptr().cast(),
            out_stride: wide,
            output: Output::F32,
            epilogue: Epilogue::Plain,
        };
        // SAFETY: the unit and the level's instructions are there; the buffers are as long as said.
        unsafe { (k.gemm)(&g) }
        (0..COUNT * COLUMNS).all(|at| {
            let (row, column) = (at / COLUMNS, at % COLUMNS);
            let sum: f32 = (0..INNER)
                .map(|i| number(row, i) as f32 * weights[column * INNER + i])
                .sum();
            out[row * wide + column] == sum
        })
    }

    /// Attends to a text that fills no tile, and compares with the level's vectors.
    fn attends(k: &Kernels) -> bool {
        const TOKENS: usize = 37;
        const HEAD: usize = 26;
        const STRIDE: usize = 3 * HEAD / 2 + 16;
        let mut qkv = vec![0u32; TOKENS * STRIDE];
        for (at, word) in qkv.iter_mut().enumerate() {
            // Pairs of numbers from -1 to 1.
            let half = |i: usize| ((((i * 7 + i / 5) % 33) as f32 - 16.0) / 16.0).to_bits() >> 16;
            *word = half(2 * at) | half(2 * at + 1) << 16;
        }
        let attend = |kernels: &Kernels| {
            let mut out = vec![0.0f32; TOKENS * HEAD];
            let a = Attention {
                qkv: qkv.as_ptr(),
                stride: STRIDE,
                tokens: TOKENS,
                head_dim: HEAD,
                columns: [0, HEAD, 2 * HEAD],
                before: usize::MAX,
                behind: usize::MAX,
                out: out.as_mut_ptr(),
                out_stride: HEAD,
                bias: std::ptr::null(),
            };
            // SAFETY: the unit and the level's instructions are there; the buffers hold all rows.
            unsafe { (kernels.attention)(&a, &mut AttentionScratch::default()) };
            out
        };
        let (got, expected) = (attend(k), attend(&amx_bf16_vectors::KERNELS));
        let near = |(a, b): (&f32, &f32)| (a - b).abs() < 0.02;
        got.iter().zip(&expected).all(near) && got.iter().any(|x| x.abs() > 0.1)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        /// The check itself, on the level's vectors; it must not be one that always says yes.
        #[test]
        fn the_check_knows_right_from_wrong() {
            if !super::super::super::Level::Avx512Bf16.available() {
                return;
            }
            assert!(computes(&amx_bf16_vectors::KERNELS));
            assert!(computes(&amx_int8_vectors::KERNELS));
            unsafe fn nothing(_: &Gemm<'_>) {}
            let broken = Kernels {
                gemm: nothing,
                ..amx_bf16_vectors::KERNELS
            };
            assert!(!computes(&broken));
            assert!(attends(&amx_bf16_vectors::KERNELS));
            unsafe fn silent(_: &Attention, _: &mut AttentionScratch) {}
            let broken = Kernels {
                attention: silent,
                ..amx_bf16_vectors::KERNELS
            };
            assert!(!attends(&broken));
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
