//! What scores get by the distance of query and key: MPNet's buckets, ALiBi's slopes.

/// Distances from here on share the last bucket.
const FARTHEST: f64 = 128.0;

/// The bucket of a distance, the key's position less the query's, among `buckets`: half of
/// them for each direction, a quarter exact, the others growing logarithmically
/// (<https://github.com/huggingface/transformers/blob/main/src/transformers/models/mpnet/modeling_mpnet.py>,
/// `relative_position_bucket`).
pub(super) fn bucket(distance: i64, buckets: usize) -> usize {
    let half = buckets / 2;
    let exact = half / 2;
    let offset = if distance > 0 { half } else { 0 };
    let n = distance.unsigned_abs() as usize;
    if n < exact {
        return offset + n;
    }
    let share = (n as f64 / exact as f64).ln() / (FARTHEST / exact as f64).ln();
    let far = exact + (share * (half - exact) as f64) as usize;
    offset + far.min(half - 1)
}

/// What each head's scores lose for each token of distance (<https://arxiv.org/abs/2108.12409>):
/// a geometric series for a power of two of heads; for other numbers, that of the next smaller
/// power, and then every other member of the next larger one's.
pub(super) fn alibi_slopes(heads: usize) -> Vec<f64> {
    let series = |n: usize| {
        let start = 2f64.powf(-8.0 / n as f64);
        (1..=n).map(move |i| start.powi(i as i32))
    };
    let below = if heads.is_power_of_two() {
        heads
    } else {
        heads.next_power_of_two() / 2
    };
    let between = series(2 * below).step_by(2).take(heads - below);
    series(below).chain(between).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the paper's own code gives.
    #[test]
    fn slopes_are_those_of_the_paper() {
        let near = |got: Vec<f64>, expected: &[f64]| {
            assert_eq!(got.len(), expected.len());
            for (got, expected) in got.iter().zip(expected) {
                assert!((got - expected).abs() < 1e-9, "{got} {expected}");
            }
        };
        near(alibi_slopes(1), &[1.0 / 256.0]);
        near(alibi_slopes(4), &[0.25, 0.0625, 0.015_625, 0.003_906_25]);
        let half = 0.5f64.sqrt();
        let eight = [
            0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625, 0.0078125, 0.00390625,
        ];
        let twelve = [half, half / 2.0, half / 4.0, half / 8.0];
        near(alibi_slopes(12), &[&eight[..], &twelve[..]].concat());
    }

    /// What HF transformers gives for these distances and 32 buckets.
    #[test]
    fn buckets_are_those_of_hf_transformers() {
        let distances = [
            -500, -128, -100, -20, -9, -8, -7, -1, 0, 1, 7, 8, 11, 12, 16, 23, 64, 127,
        ];
        let expected = [
            15, 15, 15, 10, 8, 8, 7, 1, 0, 17, 23, 24, 24, 25, 26, 27, 30, 31,
        ];
        for (distance, expected) in distances.into_iter().zip(expected) {
            assert_eq!(bucket(distance, 32), expected, "{distance}");
        }
    }
}
