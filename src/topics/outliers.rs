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
use crate::store::dot;

/// Neighbours whose mean cosine says how near the others are.
const NEAREST: usize = 5;
/// Fewer points have no usual spread.
const LEAST: usize = 50;

/// Takes points out of their clusters that belong to none: those whose cosine to the
/// centroid is below `threshold`, or where there is none, those beyond both fences.
pub fn take_out(
    points: &Points,
    neighbours: &Neighbours,
    clustering: &mut Clustering,
    threshold: Option<f32>,
) {
    let dim = points.vectors.ncols();
    let centres = centroids(points, clustering);
    let cosine = |point: usize, cluster: u32| {
        dot(
            points.vector(point),
            &centres[cluster as usize * dim..][..dim],
        )
    };
    if let Some(threshold) = threshold {
        for point in 0..points.len() {
            let cluster = clustering.members[point];
            if cluster != NONE && cosine(point, cluster) < threshold {
                clustering.members[point] = NONE;
            }
        }
        return;
    }
    if neighbours.k < NEAREST || points.len() < LEAST {
        return;
    }
    let density: Vec<f32> = (0..points.len())
        .map(|p| neighbours.of(p).take(NEAREST).map(|n| n.1).sum::<f32>() / NEAREST as f32)
        .collect();
    let sparse = fence(&density);
    let mut cosines = vec![Vec::new(); clustering.k];
    for (point, &cluster) in clustering.members.iter().enumerate() {
        if cluster != NONE {
            cosines[cluster as usize].push(cosine(point, cluster));
        }
    }
    let far: Vec<f32> = cosines.iter().map(|c| fence(c)).collect();
    for (point, &density) in density.iter().enumerate() {
        let cluster = clustering.members[point];
        // Copies are near to each other, however far from the rest.
        let alone = points.weights[point] == 1 && density < sparse;
        if cluster != NONE && alone && cosine(point, cluster) < far[cluster as usize] {
            clustering.members[point] = NONE;
        }
    }
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
            crate::encoder::normalize(&mut v);
            v
        };
        vectors.row_mut(7).assign(&ndarray::Array1::from(away));
        let points = Points::new(vectors.view()).unwrap();
        let mut members = vec![0; points.len()];
        for (row, &t) in truth.iter().enumerate() {
            members[points.of_row(row)] = t;
        }
        let whole = Clustering { k: 3, members };
        let graph = neighbours(&points, 10, 1);
        let mut found = whole.clone();
        take_out(&points, &graph, &mut found, None);
        assert_eq!(found.members[points.of_row(7)], NONE);
        let out = found.members.iter().filter(|&&m| m == NONE).count();
        assert!(out <= 6, "{out}");
        // With a threshold of the user's.
        let mut found = whole.clone();
        take_out(&points, &graph, &mut found, Some(0.99));
        assert!(found.members.iter().filter(|&&m| m == NONE).count() > 50);
        take_out(&points, &graph, &mut { whole }, Some(-1.0));
    }
}
