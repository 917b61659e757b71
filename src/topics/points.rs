//! The vectors that are clustered: distinct ones in an order of their own.
//!
//! Topics must not depend on the order in which articles were read, nor part copies of one
//! article. Both hold for every method at once when it never sees the order nor the copies:
//! rows are sorted by their numbers, equal rows become one with a weight, and clusters are
//! carried back to all rows at the end.

use super::cluster::{Clustering, NONE};
use crate::encoder::{Accelerator, DeviceChoice};
use crate::error::{Error, Result};
use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;
use std::sync::{Arc, OnceLock};

/// Distinct unit vectors, each with the number of its copies.
#[derive(Debug, Clone)]
pub struct Points {
    /// The vectors, (points, dim), ascending by their numbers.
    pub vectors: Array2<f32>,
    /// How many rows are equal to each.
    pub weights: Vec<u32>,
    /// The point of each row.
    point: Vec<u32>,
    /// The vectors on a device, where one compares them.
    held: Option<Held>,
}

/// Points on a device, and why they are no longer used where it failed.
#[derive(Debug, Clone)]
struct Held {
    vectors: Arc<dyn Accelerator>,
    failed: Arc<OnceLock<String>>,
}

/// Fewer points are clustered sooner than a device is opened.
const LEAST_FOR_DEVICE: usize = 10_000;

impl Held {
    fn new(vectors: Arc<dyn Accelerator>) -> Self {
        Self {
            vectors,
            failed: Arc::default(),
        }
    }
}

impl Points {
    /// Sorts the rows and joins equal ones.
    ///
    /// # Errors
    /// A row holds a value that is no finite number; its index is in the message.
    pub fn new(rows: ArrayView2<'_, f32>) -> Result<Self> {
        let n = rows.nrows();
        let rows = rows.as_standard_layout();
        let dim = rows.ncols();
        let flat = rows.as_slice().unwrap_or_default();
        let row = |i: u32| &flat[i as usize * dim..][..dim];
        if let Some(bad) = (0..n as u32).find(|&i| row(i).iter().any(|x| !x.is_finite())) {
            return Err(Error::Topics(format!(
                "the vector of row {bad} holds a value that is no finite number"
            )));
        }
        let mut order: Vec<u32> = (0..n as u32).collect();
        let compare = |&a: &u32, &b: &u32| {
            let pairs = row(a).iter().zip(row(b));
            pairs
                .map(|(x, y)| x.total_cmp(y))
                .find(|o| o.is_ne())
                .unwrap_or(std::cmp::Ordering::Equal)
        };
        order.par_sort_by(compare);
        let mut point = vec![0u32; n];
        let mut weights: Vec<u32> = Vec::new();
        let mut firsts: Vec<u32> = Vec::new();
        for &i in &order {
            match (firsts.last(), weights.last_mut()) {
                (Some(first), Some(weight)) if compare(first, &i).is_eq() => *weight += 1,
                _ => {
                    firsts.push(i);
                    weights.push(1);
                }
            }
            point[i as usize] = firsts.len() as u32 - 1;
        }
        let mut values = Vec::with_capacity(firsts.len() * dim);
        for &i in &firsts {
            values.extend_from_slice(row(i));
        }
        let vectors = Array2::from_shape_vec((firsts.len(), dim), values)
            .map_err(|e| Error::Topics(e.to_string()))?;
        Ok(Self {
            vectors,
            weights,
            point,
            held: None,
        })
    }

    /// Lets a device compare the vectors, if it does and they are many.
    ///
    /// # Errors
    /// A device that was asked for by name cannot be used.
    pub fn on(mut self, device: DeviceChoice) -> Result<Self> {
        if self.len() < LEAST_FOR_DEVICE || device == DeviceChoice::Cpu {
            return Ok(self);
        }
        let dim = self.vectors.ncols();
        match device.open().and_then(|d| d.hold(self.flat(), dim)) {
            Ok(held) => self.held = held.map(Held::new),
            // The CPU does it as well; the encoder has said why there is no device.
            Err(_) if device == DeviceChoice::Auto => {}
            Err(e) => return Err(e),
        }
        Ok(self)
    }

    /// Holds the vectors on this device.
    #[cfg(test)]
    pub fn held_by(mut self, vectors: Arc<dyn Accelerator>) -> Self {
        self.held = Some(Held::new(vectors));
        self
    }

    /// What a device computes of the vectors; `None` where there is none or it failed, and the
    /// CPU is to do it.
    pub fn by_device<T>(&self, f: impl FnOnce(&dyn Accelerator) -> Result<T>) -> Option<T> {
        let held = self.held.as_ref().filter(|h| h.failed.get().is_none())?;
        match f(&*held.vectors) {
            Ok(out) => Some(out),
            Err(e) => {
                // Another thread may have said it already.
                let _ = held.failed.set(e.to_string());
                None
            }
        }
    }

    /// Why a device was given up, if it was.
    pub fn device_failure(&self) -> Option<&str> {
        self.held.as_ref()?.failed.get().map(String::as_str)
    }

    /// How many points.
    pub fn len(&self) -> usize {
        self.weights.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.weights.is_empty()
    }

    /// A point's vector.
    pub fn vector(&self, point: usize) -> &[f32] {
        let dim = self.vectors.ncols();
        &self.flat()[point * dim..][..dim]
    }

    /// Some of the vectors, one after another.
    pub fn gathered(&self, points: impl IntoIterator<Item = usize>) -> Vec<f32> {
        let mut out = Vec::new();
        for point in points {
            out.extend_from_slice(self.vector(point));
        }
        out
    }

    /// All vectors, one after another.
    pub fn flat(&self) -> &[f32] {
        self.vectors.as_slice().unwrap_or_default()
    }

    /// The point that stands for a row.
    pub fn of_row(&self, row: usize) -> usize {
        self.point[row] as usize
    }

    /// Points at even distances, at most about `most` of them.
    pub fn sample(&self, most: usize) -> Self {
        let step = self.len().div_ceil(most.max(1)).max(1);
        let chosen: Vec<usize> = (0..self.len()).step_by(step).collect();
        self.chosen(&chosen)
    }

    /// Some of the points, each a row of its own.
    pub fn chosen(&self, chosen: &[usize]) -> Self {
        Self {
            vectors: self.vectors.select(ndarray::Axis(0), chosen),
            weights: chosen.iter().map(|&p| self.weights[p]).collect(),
            point: (0..chosen.len() as u32).collect(),
            held: None,
        }
    }

    /// How many rows the points stand for, copies counted.
    pub fn articles(&self) -> u64 {
        self.weights.iter().map(|&w| u64::from(w)).sum()
    }

    /// The cluster of each row, from that of each point, numbered as by [`numbered`].
    pub fn to_rows(&self, clustering: &Clustering) -> Clustering {
        let Clustering { k, members } = numbered(clustering, &self.weights);
        let members = self.point.iter().map(|&p| members[p as usize]).collect();
        Clustering { k, members }
    }
}

/// The clustering with clusters numbered by weight, the largest first, and of equal weights that
/// with the first point; empty ones are dropped.
pub fn numbered(clustering: &Clustering, weights: &[u32]) -> Clustering {
    let mut size = vec![(0u64, u32::MAX); clustering.k];
    for (point, &cluster) in clustering.members.iter().enumerate() {
        if cluster != NONE {
            let (sum, first) = &mut size[cluster as usize];
            *sum += u64::from(weights[point]);
            *first = (*first).min(point as u32);
        }
    }
    let mut order: Vec<usize> = (0..clustering.k).filter(|&c| size[c].0 > 0).collect();
    order.sort_by_key(|&c| (std::cmp::Reverse(size[c].0), size[c].1));
    let mut number = vec![NONE; clustering.k];
    for (new, &old) in order.iter().enumerate() {
        number[old] = new as u32;
    }
    let members = clustering
        .members
        .iter()
        // A point in no cluster stays in none.
        .map(|&c| number.get(c as usize).copied().unwrap_or(NONE))
        .collect();
    Clustering {
        k: order.len(),
        members,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_rows_are_one_point() {
        let rows =
            Array2::from_shape_vec((4, 2), vec![0.6, 0.8, 1.0, 0.0, 0.6, 0.8, 0.0, 1.0]).unwrap();
        let points = Points::new(rows.view()).unwrap();
        assert_eq!(points.weights, [1, 2, 1]);
        assert_eq!(points.of_row(0), points.of_row(2));
        let rows = points.to_rows(&Clustering {
            k: 3,
            members: vec![2, 0, NONE],
        });
        assert_eq!(rows.members, [0, NONE, 0, 1]);
    }

    #[test]
    fn what_is_no_number_is_refused() {
        let rows = Array2::from_shape_vec((2, 2), vec![0.6, 0.8, f32::NAN, 0.0]).unwrap();
        let said = Points::new(rows.view()).unwrap_err().to_string();
        assert!(said.contains("row 1"), "{said}");
    }
}
