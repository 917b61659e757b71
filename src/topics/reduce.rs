//! Fewer dimensions before clustering: centring and principal components.
//!
//! Vectors of one corpus share a large common part (its language, its country, its kind of
//! text) and spread a little in hundreds of directions. Taking the mean away and keeping the
//! directions in which the corpus differs most leaves what sets its topics apart. Principal components are linfa-reduction's.

use super::watch::Watch;
use crate::error::{Error, Result};
use crate::vectors::normalize;
use linfa::DatasetBase;
use linfa::traits::{Fit, Predict};
use linfa_reduction::Pca;
use ndarray::{Array2, Axis};

/// Components that are kept.
pub(super) const COMPONENTS: usize = 12;
/// A corpus of fewer articles is clustered as it is: that many directions cannot be told from
/// so few articles.
const MIN_ARTICLES: usize = 4 * COMPONENTS;
/// The most articles that the components are found on.
const SAMPLE: usize = 10_000;

/// Vectors as rows of fewer dimensions, each of unit length.
///
/// # Errors
/// linfa's eigenvalue solver fails; the job is cancelled.
pub(super) fn reduce(vectors: &Array2<f32>, watch: &Watch) -> Result<Array2<f32>> {
    let (n, dim) = vectors.dim();
    if n < MIN_ARTICLES || dim <= 2 * COMPONENTS {
        return Ok(vectors.clone());
    }
    let step = n.div_ceil(SAMPLE);
    let rows: Vec<usize> = (0..n).step_by(step).collect();
    let sample = vectors.select(Axis(0), &rows).mapv(f64::from);
    let pca = components(sample, COMPONENTS, watch)?;
    let mut out = Array2::<f32>::zeros((n, COMPONENTS));
    for (block, mut target) in vectors
        .axis_chunks_iter(Axis(0), SAMPLE)
        .zip(out.axis_chunks_iter_mut(Axis(0), SAMPLE))
    {
        watch.check()?;
        let projected = pca.predict(&block.mapv(f64::from));
        target.assign(&projected.mapv(|x| x as f32));
    }
    for mut row in out.outer_iter_mut() {
        if let Some(row) = row.as_slice_mut() {
            normalize(row);
        }
    }
    Ok(out)
}

/// The first principal components of the rows, (rows, dim).
pub(super) fn components(rows: Array2<f64>, n: usize, watch: &Watch) -> Result<Pca<f64>> {
    watch.run_apart(move || {
        Pca::params(n)
            .fit(&DatasetBase::from(rows))
            .map_err(|e| Error::no_result(format!("principal components: {e}")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn articles_that_differ_stay_apart() {
        // Two groups that share a large common direction and differ in a small one.
        let mut flat = Vec::new();
        for i in 0..80 {
            let mut row = vec![0.0f32; 32];
            row[0] = 10.0;
            row[1 + i % 2] = 1.0;
            for (j, x) in row.iter_mut().enumerate().skip(4) {
                *x = 0.02 * (((i * 31 + j * 17) % 13) as f32 - 6.0);
            }
            normalize(&mut row);
            flat.extend(row);
        }
        let vectors = Array2::from_shape_vec((80, 32), flat).unwrap();
        let reduced = reduce(&vectors, &Watch::default()).unwrap();
        assert_eq!(reduced.dim(), (80, COMPONENTS));
        let cosine = |a: usize, b: usize| reduced.row(a).dot(&reduced.row(b));
        assert!(cosine(0, 2) > 0.5, "{}", cosine(0, 2));
        assert!(cosine(0, 1) < -0.5, "{}", cosine(0, 1));
        assert_eq!(reduced, reduce(&vectors, &Watch::default()).unwrap());
    }

    #[test]
    fn few_articles_stay_as_they_are() {
        let vectors = Array2::from_elem((3, 32), 0.1);
        assert_eq!(reduce(&vectors, &Watch::default()).unwrap(), vectors);
    }
}
