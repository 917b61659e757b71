//! Words: BM25 by SQLite's FTS5.

use crate::corpus::segment;
use crate::error::Result;
use crate::store::{Filter, Reader};

/// How much more a word in the title counts than one in the text.
const TITLE_WEIGHT: f64 = 4.0;

/// The articles that hold any of the query's words, best first, as (row, BM25 score, higher
/// is better).
pub(super) fn bm25(
    store: &Reader,
    query: &str,
    k: usize,
    filter: Option<&Filter>,
) -> Result<Vec<(i64, f64)>> {
    let expression = segment::expression(query);
    if expression.is_empty() {
        return Ok(Vec::new());
    }
    store.bm25(&expression, TITLE_WEIGHT, k, filter)
}
