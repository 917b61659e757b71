//! Words: BM25 by SQLite's FTS5.

use crate::error::Result;
use crate::store::{Filter, Reader};
use unicode_segmentation::UnicodeSegmentation;

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
    let expression = expression(query);
    if expression.is_empty() {
        return Ok(Vec::new());
    }
    store.bm25(&expression, TITLE_WEIGHT, k, filter)
}

/// Every word in quotes, so that nothing in a query is taken for FTS5's own syntax.
fn expression(query: &str) -> String {
    query
        .unicode_words()
        .map(|word| format!("\"{}\"", word.replace('"', "")))
        .collect::<Vec<_>>()
        .join(" OR ")
}

#[cfg(test)]
mod tests {
    use super::expression;

    #[test]
    fn syntax_is_taken_for_words() {
        assert_eq!(expression("tax* AND (cut"), r#""tax" OR "AND" OR "cut""#);
        assert_eq!(expression("\"; --"), "");
    }
}
