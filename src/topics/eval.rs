//! Comparing topics with labels that people gave.

use std::collections::HashMap;

/// Rosenberg and Hirschberg's V-measure (2007), 0 to 1: the harmonic mean of homogeneity (a
/// cluster holds one label) and completeness (a label is in one cluster). Equals
/// scikit-learn's `v_measure_score`.
///
/// Returns 1 for two empty lists.
pub fn v_measure(labels: &[usize], clusters: &[usize]) -> f64 {
    let n = labels.len().min(clusters.len());
    if n == 0 {
        return 1.0;
    }
    let mut by_label: HashMap<usize, f64> = HashMap::new();
    let mut by_cluster: HashMap<usize, f64> = HashMap::new();
    let mut both: HashMap<(usize, usize), f64> = HashMap::new();
    for (&l, &c) in labels.iter().zip(clusters) {
        *by_label.entry(l).or_default() += 1.0;
        *by_cluster.entry(c).or_default() += 1.0;
        *both.entry((l, c)).or_default() += 1.0;
    }
    let n = n as f64;
    let entropy = |counts: &HashMap<usize, f64>| -> f64 {
        counts.values().map(|&x| -x / n * (x / n).ln()).sum()
    };
    let (of_labels, of_clusters) = (entropy(&by_label), entropy(&by_cluster));
    let shared: f64 = both
        .iter()
        .map(|(&(l, c), &x)| x / n * (n * x / (by_label[&l] * by_cluster[&c])).ln())
        .sum();
    let homogeneity = if of_labels > 0.0 {
        shared / of_labels
    } else {
        1.0
    };
    let completeness = if of_clusters > 0.0 {
        shared / of_clusters
    } else {
        1.0
    };
    if homogeneity + completeness <= 0.0 {
        return 0.0;
    }
    (2.0 * homogeneity * completeness / (homogeneity + completeness)).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::v_measure;

    #[test]
    fn equals_scikit_learn() {
        // sklearn.metrics.v_measure_score, 1.9.1
        for (labels, clusters, expected) in [
            (&[0, 0, 1, 1][..], &[0, 0, 1, 1][..], 1.0),
            (&[0, 0, 1, 1], &[1, 1, 0, 0], 1.0),
            (&[0, 0, 1, 1], &[0, 1, 0, 1], 0.0),
            (&[0, 0, 1, 1], &[0, 0, 1, 2], 0.8),
            (&[0, 0, 1, 1], &[0, 1, 2, 3], 0.666_666_666_666_666_7),
            (
                &[0, 1, 2, 0, 1, 2, 0, 1],
                &[0, 1, 1, 0, 2, 2, 0, 1],
                0.619_311_301_132_630_9,
            ),
        ] {
            let got = v_measure(labels, clusters);
            assert!(
                (got - expected).abs() < 1e-9,
                "{labels:?} {clusters:?} {got}"
            );
        }
    }
}
