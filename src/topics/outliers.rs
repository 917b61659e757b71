//! Which articles belong to no topic.
//!
//! An article is in no topic when it is far from every other article and from its topic's
//! centre as well: its mean cosine to its nearest neighbours, and its cosine to the centroid, both
//! lie below the lower fence of what is usual (Tukey, "Exploratory data analysis", 1977: the
//! first quartile less one and a half times the range between the quartiles). So a corpus of
//! articles that are all about something has next to none.

use super::cluster::{Clustering, NONE, centroids};
use super::graph::Neighbours;
use super::points::Points;
use crate::error::Result;
use crate::vectors::dot;

/// Neighbours whose mean cosine says how near the others are.
const NEAREST: usize = 5;
/// Fewer points have no usual spread.
const MIN_POINTS: usize = 50;

/// Takes points out of their clusters that belong to none: those whose cosine to the
/// centroid is below `threshold`, or where there is none, those beyond both fences.
pub(super) fn take_out(
    points: &Points,
    neighbours: &Neighbours,
    clustering: &mut Clustering,
    threshold: Option<f32>,
) -> Result<()> {
    let dim = points.vectors.ncols();
    let centres = centroids(points, clustering)?;
    // To the centroid of its own cluster; whatever for a point in none.
    let cosines = points.map(|point, vector| match clustering.members[point] {
        NONE => 0.0,
        cluster => dot(vector, &centres[cluster as usize * dim..][..dim]),
    })?;
    if let Some(threshold) = threshold {
        for (cluster, &cosine) in clustering.members.iter_mut().zip(&cosines) {
            if *cluster != NONE && cosine < threshold {
                *cluster = NONE;
            }
        }
        return Ok(());
    }
    if neighbours.k < NEAREST || points.len() < MIN_POINTS {
        return Ok(());
    }
    let density = points.map(|p, _| {
        let nearest = neighbours.of(p).take(NEAREST);
        nearest.map(|n| n.1).sum::<f32>() / NEAREST as f32
    })?;
    let sparse = fence(&density);
    let mut usual = vec![Vec::new(); clustering.k];
    for (point, &cluster) in clustering.members.iter().enumerate() {
        if cluster != NONE {
            usual[cluster as usize].push(cosines[point]);
        }
    }
    let far: Vec<f32> = usual.iter().map(|c| fence(c)).collect();
    for (point, &density) in density.iter().enumerate() {
        let cluster = clustering.members[point];
        // Copies are near to each other, however far from the rest.
        let alone = points.weights[point] == 1 && density < sparse;
        if cluster != NONE && alone && cosines[point] < far[cluster as usize] {
            clustering.members[point] = NONE;
        }
    }
    Ok(())
}

/// Tukey's lower fence.
fn fence(values: &[f32]) -> f32 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f32::total_cmp);
    let quantile = |q: f32| match sorted.len() {
        0 => f32::NEG_INFINITY,
        n => sorted[((n - 1) as f32 * q).round() as usize],
    };
    let (low, high) = (quantile(0.25), quantile(0.75));
    low - 1.5 * (high - low)
}

#[cfg(test)]
mod tests {
    use super::super::graph::neighbours;
    use super::super::testing::blobs;
    use super::*;

    #[test]
    fn what_is_far_from_all_is_taken_out() {
        let (mut vectors, truth) = blobs(300, 16, 3, 0.3, 4);
        // One that points away from the mean of all.
        let away: Vec<f32> = {
            let mut v: Vec<f32> = (0..16).map(|j| -vectors.column(j).sum()).collect();
            crate::vectors::normalize(&mut v);
            v
        };
        vectors.row_mut(7).assign(&ndarray::Array1::from(away));
        let points = Points::new(vectors.view()).unwrap();
        let mut members = vec![0; points.len()];
        for (row, &t) in truth.iter().enumerate() {
            members[points.of_row(row)] = t;
        }
        let whole = Clustering { k: 3, members };
        let graph = neighbours(&points, 10, 1).unwrap();
        let mut found = whole.clone();
        take_out(&points, &graph, &mut found, None).unwrap();
        assert_eq!(found.members[points.of_row(7)], NONE);
        let out = found.members.iter().filter(|&&m| m == NONE).count();
        assert!(out <= 6, "{out}");
        // With a threshold of the user's.
        let mut found = whole.clone();
        take_out(&points, &graph, &mut found, Some(0.99)).unwrap();
        assert!(found.members.iter().filter(|&&m| m == NONE).count() > 50);
        take_out(&points, &graph, &mut { whole }, Some(-1.0)).unwrap();
    }
}
