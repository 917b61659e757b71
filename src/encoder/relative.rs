//! MPNet's relative positions.

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

#[cfg(test)]
mod tests {
    use super::*;

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
