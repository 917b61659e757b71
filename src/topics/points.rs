//! The vectors that are clustered: distinct ones in an order of their own.
//!
//! Topics must not depend on the order in which articles were read, nor part copies of one
//! article. Both hold for every method at once when it never sees the order nor the copies:
//! rows are sorted by their numbers, equal rows become one with a weight, and clusters are
//! carried back to all rows at the end.

use super::cluster::{Clustering, NONE};
use super::watch::Watch;
use crate::encoder::DeviceChoice;
use crate::error::{Error, Result};
use crate::job::{Job, NoteKind};
use crate::vectors::Accelerator;
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
    on_device: Option<OnDevice>,
    /// Who waits for what is done with them.
    watch: Watch,
}

/// Points on a device, and why they are no longer used where it failed.
#[derive(Debug, Clone)]
struct OnDevice {
    vectors: Arc<dyn Accelerator>,
    failed: Arc<OnceLock<String>>,
}

/// Fewer points are clustered sooner than a device is opened.
const MIN_FOR_DEVICE: usize = 10_000;

impl OnDevice {
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
        Self::watched(rows, Watch::default())
    }

    /// The same, and whatever is done with them tells `job` how far it is and ends with an error
    /// when it is cancelled.
    #[must_use]
    pub fn with_job(mut self, job: &Job) -> Self {
        self.watch = Watch::new(job);
        self
    }

    /// The job that they belong to.
    pub fn job(&self) -> &Job {
        self.watch.job()
    }

    /// As [`Points::with_job`], which is looked at now and then.
    pub(crate) fn watched(rows: ArrayView2<'_, f32>, watch: Watch) -> Result<Self> {
        let n = rows.nrows();
        let rows = rows.as_standard_layout();
        let dim = rows.ncols();
        let flat = rows.as_slice().unwrap_or_default();
        let row = |i: u32| &flat[i as usize * dim..][..dim];
        if let Some(bad) = (0..n as u32).find(|&i| row(i).iter().any(|x| !x.is_finite())) {
            return Err(Error::parameter(
                "vectors",
                format!("row {bad} holds a value that is no finite number"),
            ));
        }
        watch.check()?;
        // Most rows are told apart by their first two values, which are near at hand.
        let key = |i: u32| match row(i) {
            [] => 0,
            [x] => u64::from(ascending(*x)),
            [x, y, ..] => u64::from(ascending(*x)) << 32 | u64::from(ascending(*y)),
        };
        let mut order: Vec<(u64, u32)> = (0..n as u32).map(|i| (key(i), i)).collect();
        let compare = |&a: &u32, &b: &u32| {
            let pairs = row(a).iter().zip(row(b));
            pairs
                .map(|(x, y)| x.total_cmp(y))
                .find(|o| o.is_ne())
                .unwrap_or(std::cmp::Ordering::Equal)
        };
        order.par_sort_unstable_by(|a, b| {
            let equal = || compare(&a.1, &b.1).then(a.1.cmp(&b.1));
            a.0.cmp(&b.0).then_with(equal)
        });
        watch.check()?;
        let mut point = vec![0u32; n];
        let mut weights: Vec<u32> = Vec::new();
        let mut firsts: Vec<u32> = Vec::new();
        for &(_, i) in &order {
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
            .map_err(|e| Error::internal(e.to_string()))?;
        Ok(Self {
            vectors,
            weights,
            point,
            on_device: None,
            watch,
        })
    }

    /// Lets a device compare the vectors, if it does and they are many.
    ///
    /// # Errors
    /// A device that was asked for by name cannot be used.
    pub fn on(mut self, device: DeviceChoice) -> Result<Self> {
        if self.len() < MIN_FOR_DEVICE || device == DeviceChoice::Cpu {
            device.check()?;
            return Ok(self);
        }
        let dim = self.vectors.ncols();
        match device.open().and_then(|d| d.hold(self.flat(), dim)) {
            Ok(vectors) => self.on_device = vectors.map(OnDevice::new),
            // The CPU does it as well.
            Err(e) if device == DeviceChoice::Auto => {
                self.job().note(NoteKind::Device, e.to_string());
            }
            Err(e) => return Err(e),
        }
        Ok(self)
    }

    /// Holds the vectors on this device.
    #[cfg(test)]
    pub fn on_this(mut self, vectors: Arc<dyn Accelerator>) -> Self {
        self.on_device = Some(OnDevice::new(vectors));
        self
    }

    /// What a device computes of the vectors; `None` where there is none or it failed, and the
    /// CPU is to do it.
    pub fn by_device<T>(&self, f: impl FnOnce(&dyn Accelerator) -> Result<T>) -> Option<T> {
        let device = self.on_device.as_ref();
        let device = device.filter(|d| d.failed.get().is_none())?;
        match f(&*device.vectors) {
            Ok(out) => Some(out),
            // The job was cancelled, which the CPU finds at once as well.
            Err(e) if e.is_cancelled() => None,
            Err(e) => {
                // Another thread may have said it already.
                let _ = device.failed.set(e.to_string());
                None
            }
        }
    }

    /// Why a device was given up, if it was.
    pub fn device_failure(&self) -> Option<&str> {
        self.on_device.as_ref()?.failed.get().map(String::as_str)
    }

    /// Tells the job why a device was given up, if it was.
    pub(crate) fn tell_device_failure(&self) {
        if let Some(why) = self.device_failure() {
            let line = format!("{why}; the CPU did the rest");
            self.job().note(NoteKind::Device, line);
        }
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

    /// Points at even distances, at most about `max_points` of them.
    pub fn sample(&self, max_points: usize) -> Self {
        let step = self.len().div_ceil(max_points.max(1)).max(1);
        let chosen: Vec<usize> = (0..self.len()).step_by(step).collect();
        self.chosen(&chosen)
    }

    /// Some of the points, each a row of its own.
    pub fn chosen(&self, chosen: &[usize]) -> Self {
        Self {
            vectors: self.vectors.select(ndarray::Axis(0), chosen),
            weights: chosen.iter().map(|&p| self.weights[p]).collect(),
            point: (0..chosen.len() as u32).collect(),
            on_device: None,
            watch: self.watch.clone(),
        }
    }

    /// The same points, whose clustering is no step that is told.
    pub(crate) fn quiet(mut self) -> Self {
        self.watch = self.watch.quiet();
        self
    }

    /// The job, as loops look at it.
    pub(crate) fn watch(&self) -> &Watch {
        &self.watch
    }

    /// Calls `f` with every point and its vector, in parallel; what it returns, in their order.
    ///
    /// # Errors
    /// The job is cancelled.
    pub(crate) fn map<T: Send>(
        &self,
        f: impl Fn(usize, &[f32]) -> T + Sync + Send,
    ) -> Result<Vec<T>> {
        const BLOCK: usize = 1024;
        let blocks = (0..self.len().div_ceil(BLOCK)).into_par_iter();
        let found = blocks.map(|block| {
            self.watch.check()?;
            let points = block * BLOCK..((block + 1) * BLOCK).min(self.len());
            Ok(points.map(|p| f(p, self.vector(p))).collect::<Vec<T>>())
        });
        Ok(found
            .collect::<Result<Vec<_>>>()?
            .into_iter()
            .flatten()
            .collect())
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

/// Bits that ascend as [`f32::total_cmp`] has it.
fn ascending(x: f32) -> u32 {
    let bits = x.to_bits();
    if bits >> 31 == 1 {
        !bits
    } else {
        bits | 1 << 31
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

    proptest::proptest! {
        #[test]
        fn rows_ascend_by_their_values(
            values in proptest::collection::vec(-2i8..3, 0..60), zero in proptest::bool::ANY,
        ) {
            // Few different values, so that rows are often equal in the first ones.
            let values: Vec<f32> = values
                .iter()
                .map(|&v| if v == 0 && zero { -0.0 } else { f32::from(v) })
                .collect();
            let n = values.len() / 3;
            let rows = Array2::from_shape_vec((n, 3), values[..n * 3].to_vec()).unwrap();
            let points = Points::new(rows.view()).unwrap();
            let bits = |v: &[f32]| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            let mut expected: Vec<Vec<f32>> = values[..n * 3].chunks(3).map(<[f32]>::to_vec).collect();
            expected.sort_by(|a, b| {
                let order = a.iter().zip(b).map(|(x, y)| x.total_cmp(y));
                order.reduce(|a, b| a.then(b)).unwrap()
            });
            expected.dedup_by(|a, b| bits(a) == bits(b));
            proptest::prop_assert_eq!(bits(points.flat()), bits(&expected.concat()));
            for (row, vector) in values[..n * 3].chunks(3).enumerate() {
                proptest::prop_assert_eq!(bits(points.vector(points.of_row(row))), bits(vector));
            }
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        let rows = Array2::from_shape_vec((2, 2), vec![0.6, 0.8, f32::NAN, 0.0]).unwrap();
        let said = Points::new(rows.view()).unwrap_err().to_string();
        assert!(said.contains("row 1"), "{said}");
    }
}
