//! Single dot products with the bits of the f32 kernels.

/// Dot products computed side by side, so that none waits for another's additions.
const SIDE: usize = 8;

/// For each of `chosen`, the dot product of `row` with that one of `vectors`, which stand one behind
/// another. A sum is built as the f32 kernels with fused multiply-adds build it, one number after
/// another, and has the same bits.
///
/// # Panics
/// A chosen vector is not there.
pub(crate) fn dots_in_order(row: &[f32], vectors: &[f32], chosen: &[u32], out: &mut Vec<f32>) {
    out.clear();
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("fma") {
        // SAFETY: the processor has the instructions.
        return unsafe { fused(row, vectors, chosen, out) };
    }
    // Fused here too: by the processor of every other kind, or by a function.
    all(row, vectors, chosen, out);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx,fma")]
fn fused(row: &[f32], vectors: &[f32], chosen: &[u32], out: &mut Vec<f32>) {
    all(row, vectors, chosen, out);
}

#[inline(always)]
fn all(row: &[f32], vectors: &[f32], chosen: &[u32], out: &mut Vec<f32>) {
    let vector = |at: u32| &vectors[at as usize * row.len()..][..row.len()];
    let (eights, rest) = chosen.as_chunks::<SIDE>();
    for some in eights {
        out.extend(side_by_side(row, some.map(vector)));
    }
    for &one in rest {
        out.extend(side_by_side(row, [vector(one)]));
    }
}

#[inline(always)]
fn side_by_side<const N: usize>(row: &[f32], vectors: [&[f32]; N]) -> [f32; N] {
    let mut sums = [0.0f32; N];
    let vectors = vectors.map(|vector| &vector[..row.len()]);
    for (i, &x) in row.iter().enumerate() {
        for (sum, vector) in sums.iter_mut().zip(vectors) {
            *sum = x.mul_add(vector[i], *sum);
        }
    }
    sums
}
