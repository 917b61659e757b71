//! Vectors held by a device that compares them faster than the CPU does.

use crate::error::Result;

/// Vectors on a device, as `OpenDevice::hold` puts them there.
///
/// They are rounded to f16, as a corpus stores them; sums are f32.
pub trait Accelerator: Send + Sync + std::fmt::Debug {
    /// The `k` vectors with the highest dot product with each query, exactly: (product, number
    /// of the vector), highest first, of equal ones the first. Fewer where there are fewer
    /// vectors.
    ///
    /// # Errors
    /// The device fails; `k` is above 1024.
    fn top_k(&self, queries: &[f32], k: usize) -> Result<Vec<Vec<(f32, u32)>>>;

    /// The centre with the highest dot product plus offset for each vector, and that sum; of
    /// equal ones the first. There is an offset for each centre.
    ///
    /// # Errors
    /// The device fails.
    fn nearest(&self, centres: &[f32], offsets: &[f32]) -> Result<(Vec<u32>, Vec<f32>)>;

    /// The weighted sum of the vectors of each of `clusters`, (clusters, dim); `members` says
    /// which cluster a vector is in, `weights` what it counts.
    ///
    /// # Errors
    /// The device fails.
    fn sums(&self, members: &[u32], weights: &[f32], clusters: usize) -> Result<Vec<f32>>;
}
