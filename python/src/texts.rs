//! Texts from Python, not copied: the strings of a list, or a column in Arrow's memory.

use crate::arrow;
use crate::errors::parameter;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use pyo3::exceptions::{PyTypeError, PyUnicodeEncodeError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::PyString;

/// Texts that Python holds.
pub(crate) enum Texts {
    /// The strings of a sequence.
    Strings(Vec<PyBackedStr>),
    /// A column, in one or several pieces.
    Column(Vec<ArrayRef>),
}

impl Texts {
    /// The texts of a column that speaks the Arrow PyCapsule interface, or of an iterable.
    ///
    /// # Errors
    /// One is no string, missing, or holds half a character.
    pub(crate) fn take(from: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = from.py();
        if let Some(column) = arrow::column(from)? {
            let mut row = 0;
            for piece in &column {
                check(py, piece, row)?;
                row += piece.len();
            }
            return Ok(Self::Column(column));
        }
        let mut strings = Vec::with_capacity(from.len().unwrap_or(0));
        for (i, item) in from.try_iter()?.enumerate() {
            let item = item?;
            let text = item.cast::<PyString>().map_err(|_| {
                let kind = item.get_type().name();
                let kind = kind.map_or_else(|_| "an object".into(), |k| k.to_string());
                PyTypeError::new_err(format!("text {i} is of the type {kind}; a text is a str"))
            })?;
            let text = PyBackedStr::try_from(text.clone()).map_err(|e| {
                if e.is_instance_of::<PyUnicodeEncodeError>(py) {
                    let message = format!("text {i} holds half a character (a lone surrogate)");
                    return parameter(py, "texts", message);
                }
                e
            })?;
            strings.push(text);
        }
        Ok(Self::Strings(strings))
    }

    /// The texts.
    pub(crate) fn views(&self) -> Vec<&str> {
        match self {
            Self::Strings(strings) => strings.iter().map(|s| &**s).collect(),
            Self::Column(pieces) => pieces.iter().flat_map(|piece| strings(piece)).collect(),
        }
    }
}

/// Fails where a piece of a column, which begins at `row`, holds no texts, or not only.
fn check(py: Python<'_>, piece: &ArrayRef, row: usize) -> PyResult<()> {
    let texts = match piece.data_type() {
        DataType::Dictionary(_, values) => values.as_ref(),
        other => other,
    };
    if !matches!(
        texts,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    ) {
        return Err(PyTypeError::new_err(format!(
            "the column is of the type {}; texts are strings",
            piece.data_type()
        )));
    }
    let missing = match piece.logical_nulls() {
        Some(nulls) if nulls.null_count() > 0 => (0..piece.len()).find(|&i| nulls.is_null(i)),
        _ => None,
    };
    match missing {
        Some(i) => Err(parameter(
            py,
            "texts",
            format!("text {} is missing (null); leave such rows out", row + i),
        )),
        None => Ok(()),
    }
}

/// The strings of a piece that [`check`] let through.
fn strings(piece: &ArrayRef) -> Vec<&str> {
    match piece.data_type() {
        DataType::Utf8 => piece.as_string::<i32>().iter().flatten().collect(),
        DataType::LargeUtf8 => piece.as_string::<i64>().iter().flatten().collect(),
        DataType::Utf8View => piece.as_string_view().iter().flatten().collect(),
        DataType::Dictionary(..) => {
            let dictionary = piece.as_any_dictionary();
            let values = strings(dictionary.values());
            let keys = dictionary.normalized_keys();
            keys.into_iter().map(|key| values[key]).collect()
        }
        _ => Vec::new(),
    }
}
