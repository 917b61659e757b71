//! Weights as the kernels read them.

/// A linear layer's weights, packed for the register tile of a level.
///
/// The columns (output channels) are cut into panels of `width`; a panel holds, for each word
/// of the inner dimension, `width` words one after another, so that a kernel reads it from
/// end to end. Both dimensions are filled up with zeros.
#[derive(Debug, Clone, Default)]
pub(crate) struct Packed {
    /// (panels, groups, width) words.
    pub words: Aligned,
    /// Words of the inner dimension.
    pub groups: usize,
    /// Panels.
    pub panels: usize,
    /// For each column, what is added to it.
    pub bias: Vec<f32>,
    /// For each column of quantised weights, what a unit stands for.
    pub scales: Vec<f32>,
    /// For each column of quantised weights, their sum.
    pub sums: Vec<i32>,
}

/// Words that begin at a multiple of 64 bytes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Aligned {
    lines: Vec<Line>,
}

#[repr(align(64))]
#[derive(Debug, Clone, Copy)]
struct Line(#[allow(dead_code, reason = "read through pointers")] [u32; 16]);

impl Aligned {
    /// This many 32-bit words, all zero.
    pub(crate) fn zeros(words: usize) -> Self {
        Self {
            lines: vec![Line([0; 16]); words.div_ceil(16)],
        }
    }

    /// Makes it at least so long, with any content.
    pub(crate) fn reserve(&mut self, words: usize) {
        if self.lines.len() < words.div_ceil(16) {
            self.lines.resize(words.div_ceil(16), Line([0; 16]));
        }
    }

    pub(crate) fn as_ptr(&self) -> *const u32 {
        self.lines.as_ptr().cast()
    }

    pub(crate) fn as_mut_ptr(&mut self) -> *mut u32 {
        self.lines.as_mut_ptr().cast()
    }
}

/// How numbers stand in the words of packed weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(dead_code, reason = "each processor's kernels have some of them")]
pub(crate) enum Format {
    /// One f32.
    F32,
    /// One f32, rounded to bf16.
    RoundedBf16,
    /// Two bf16.
    Bf16,
    /// Four signed bytes.
    Int8,
    /// Four signed bytes, those of rows less 128.
    Int8Signed,
    /// Two signed 16-bit numbers, each that of a byte.
    Int8Pairs,
    /// As `Bf16`; panels are laid by [`pair`].
    PairedBf16,
    /// As `Int8`; panels are laid by [`pair`].
    PairedInt8,
}

impl Format {
    /// Numbers in a word.
    pub(crate) fn group(self) -> usize {
        match self {
            Self::F32 | Self::RoundedBf16 => 1,
            Self::Bf16 | Self::PairedBf16 | Self::Int8Pairs => 2,
            Self::Int8 | Self::PairedInt8 | Self::Int8Signed => 4,
        }
    }

    /// Whether numbers are integers with a scale.
    pub(crate) fn quantised(self) -> bool {
        matches!(
            self,
            Self::Int8 | Self::PairedInt8 | Self::Int8Signed | Self::Int8Pairs
        )
    }

    /// Whether panels are laid by [`pair`].
    fn paired(self) -> bool {
        matches!(self, Self::PairedBf16 | Self::PairedInt8)
    }
}

impl Packed {
    /// Packs weights (columns, inner), row by row, as a linear layer holds them.
    ///
    /// Quantised weights are symmetric: each column's largest magnitude becomes 127.
    pub(crate) fn new(
        weights: &[f32],
        bias: &[f32],
        inner: usize,
        format: Format,
        width: usize,
    ) -> Self {
        let columns = bias.len();
        let group = format.group();
        let (groups, panels) = (inner.div_ceil(group), columns.div_ceil(width));
        let mut out = Self {
            words: Aligned::zeros(panels * groups * width),
            groups,
            panels,
            bias: filled(bias, panels * width),
            scales: vec![0.0; panels * width],
            sums: vec![0; panels * width],
        };
        for (column, row) in weights.chunks_exact(inner).enumerate() {
            let bf16 = |x: f32| u32::from(half::bf16::from_f32(x).to_bits());
            // Each format has a loop of its own, which the compiler unrolls.
            match format {
                Format::F32 => out.put(column, row, width, |[x]| x.to_bits()),
                Format::RoundedBf16 => out.put(column, row, width, |[x]| bf16(x) << 16),
                Format::Bf16 | Format::PairedBf16 => {
                    out.put(column, row, width, |[x, y]| bf16(x) | bf16(y) << 16)
                }
                Format::Int8 | Format::PairedInt8 | Format::Int8Signed | Format::Int8Pairs => {
                    let largest = row.iter().fold(0.0f32, |m, x| m.max(x.abs()));
                    let scale = if largest > 0.0 { largest / 127.0 } else { 1.0 };
                    let mut sum = 0;
                    let mut number = |x: f32| {
                        let q = super::portable::round(x / scale) as i32;
                        sum += q;
                        q
                    };
                    if format == Format::Int8Pairs {
                        out.put(column, row, width, |all: [f32; 2]| {
                            let [x, y] = all.map(|x| u32::from(number(x) as i16 as u16));
                            x | y << 16
                        });
                    } else {
                        out.put(column, row, width, |all: [f32; 4]| {
                            u32::from_le_bytes(all.map(|x| number(x) as i8 as u8))
                        });
                    }
                    out.scales[column] = scale;
                    out.sums[column] = sum;
                }
            }
        }
        if format.paired() {
            let panel = groups * width;
            // SAFETY: there are that many words, and nothing else refers to them.
            let words =
                unsafe { std::slice::from_raw_parts_mut(out.words.as_mut_ptr(), panels * panel) };
            for panel in words.chunks_exact_mut(panel) {
                pair(panel, width);
            }
        }
        out
    }

    /// Packs a column; `word` makes a word of as many numbers.
    fn put<const GROUP: usize>(
        &mut self,
        column: usize,
        row: &[f32],
        width: usize,
        mut word: impl FnMut([f32; GROUP]) -> u32,
    ) {
        let begin = column / width * self.groups * width + column % width;
        let words = self.words.as_mut_ptr();
        let (whole, rest) = row.as_chunks::<GROUP>();
        let mut last = [0.0; GROUP];
        last[..rest.len()].copy_from_slice(rest);
        let last = (!rest.is_empty()).then_some(&last);
        for (g, numbers) in whole.iter().chain(last).enumerate() {
            // SAFETY: g < groups, and begin is that of a column of a panel.
            unsafe { *words.add(begin + g * width) = word(*numbers) };
        }
    }
}

/// Lays a panel's groups in twos: of each column the word of the first beside that of the second. A
/// last one without another stays as it is.
#[inline(always)]
pub(super) fn pair(panel: &mut [u32], width: usize) {
    let mut two = [0; 2 * WIDEST];
    let two = &mut two[..2 * width];
    for words in panel.chunks_exact_mut(2 * width) {
        two.copy_from_slice(words);
        let (first, second) = two.split_at(width);
        for ((to, x), y) in words.chunks_exact_mut(2).zip(first).zip(second) {
            to.copy_from_slice(&[*x, *y]);
        }
    }
}

/// Columns of the widest panel that is laid so.
const WIDEST: usize = 16;

/// A copy with zeros behind it.
fn filled(values: &[f32], len: usize) -> Vec<f32> {
    let mut out = values.to_vec();
    out.resize(len, 0.0);
    out
}
