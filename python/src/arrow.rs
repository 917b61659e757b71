//! Tables and columns from and to whoever speaks Arrow's PyCapsule interface: pyarrow, polars,
//! pandas, duckdb. <https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html>
//!
//! This is the one module with unsafe code: a capsule holds a pointer, and only its name says at
//! what.

#![allow(unsafe_code)]

use arrow_array::cast::AsArray;
use arrow_array::ffi::{FFI_ArrowArray, FFI_ArrowSchema, from_ffi};
use arrow_array::ffi_stream::{ArrayStreamReader, FFI_ArrowArrayStream};
use arrow_array::{ArrayRef, RecordBatchReader, make_array};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyTuple};
use std::ffi::CStr;

const STREAM: &CStr = c"arrow_array_stream";
const SCHEMA: &CStr = c"arrow_schema";
const ARRAY: &CStr = c"arrow_array";

fn failed(e: impl std::fmt::Display) -> PyErr {
    PyValueError::new_err(format!("the Arrow data cannot be read: {e}"))
}

/// Calls a method of the interface; `None` where the object has none of this name.
fn asked<'py>(from: &Bound<'py, PyAny>, method: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
    // A class has the method as well, and is no table.
    if from.is_instance_of::<pyo3::types::PyType>() || !from.hasattr(method)? {
        return Ok(None);
    }
    from.call_method0(method).map(Some)
}

/// Moves the stream out of a capsule.
fn stream(capsule: &Bound<'_, PyAny>) -> PyResult<FFI_ArrowArrayStream> {
    let capsule = capsule.cast::<PyCapsule>()?;
    let pointer = capsule.pointer_checked(Some(STREAM))?;
    // SAFETY: a capsule of this name holds a pointer to a C stream by the interface's definition,
    // which it owns until its destructor runs, and that cannot be while `capsule` is borrowed.
    // Python's lock is held, so nobody else reads or moves the stream meanwhile. `from_raw` leaves a
    // released stream in its place, which the capsule's destructor then leaves alone.
    Ok(unsafe { FFI_ArrowArrayStream::from_raw(pointer.as_ptr().cast()) })
}

/// The pieces of an array that stands alone.
fn array(capsules: &Bound<'_, PyAny>) -> PyResult<ArrayRef> {
    let capsules = capsules.cast::<PyTuple>()?;
    let (schema, array) = (capsules.get_item(0)?, capsules.get_item(1)?);
    let schema = schema.cast::<PyCapsule>()?.pointer_checked(Some(SCHEMA))?;
    let array = array.cast::<PyCapsule>()?.pointer_checked(Some(ARRAY))?;
    // SAFETY: as for a stream: the names say what the pointers point at, both capsules live and
    // Python's lock is held; each struct is moved out, and a released one left in its place.
    let (schema, array) = unsafe {
        (
            FFI_ArrowSchema::from_raw(schema.as_ptr().cast()),
            FFI_ArrowArray::from_raw(array.as_ptr().cast()),
        )
    };
    // SAFETY: both came out of the same call of `__arrow_c_array__`, which promises that the schema
    // describes the array and that the array is laid out as Arrow's C data interface says. The
    // imported array keeps the struct, and releases it when it is dropped.
    let data = unsafe { from_ffi(array, &schema) }.map_err(failed)?;
    Ok(make_array(data))
}

/// A piece whose offsets are within its memory and whose strings are UTF-8: whoever made it need not
/// have looked, as pyarrow does not where it reads Parquet, and what reads strings here does not either.
fn checked(piece: ArrayRef, first: usize) -> PyResult<ArrayRef> {
    let wrong = |e| {
        let message = format!(
            "the Arrow data from row {first} on holds what is no text in UTF-8, or is damaged: {e}"
        );
        PyValueError::new_err(message)
    };
    piece.to_data().validate_full().map_err(wrong)?;
    Ok(piece)
}

/// The column of an object that speaks the interface; `None` where it does not.
///
/// # Errors
/// It is a table of several columns, cannot be read, or holds strings that are no UTF-8.
pub(crate) fn column(from: &Bound<'_, PyAny>) -> PyResult<Option<Vec<ArrayRef>>> {
    let mut pieces = Vec::new();
    if let Some(capsule) = asked(from, "__arrow_c_stream__")? {
        let reader = ArrayStreamReader::try_new(stream(&capsule)?).map_err(failed)?;
        for piece in reader {
            pieces.push(piece.map_err(failed)?);
        }
    } else if let Some(capsules) = asked(from, "__arrow_c_array__")? {
        pieces.push(array(&capsules)?);
    } else {
        return Ok(None);
    }
    let of_table = |piece: ArrayRef| match piece.as_struct_opt() {
        None => Ok(piece),
        Some(table) if table.num_columns() == 1 => Ok(table.column(0).clone()),
        Some(table) => Err(PyTypeError::new_err(format!(
            "a table of {} columns; give the column of texts alone",
            table.num_columns()
        ))),
    };
    let mut first = 0;
    let mut checked_pieces = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let piece = checked(of_table(piece)?, first)?;
        first += piece.len();
        checked_pieces.push(piece);
    }
    Ok(Some(checked_pieces))
}

/// A table as a capsule, which whoever takes it reads without a copy.
pub(crate) fn capsule<'py>(
    py: Python<'py>,
    table: Box<dyn RecordBatchReader + Send>,
) -> PyResult<Bound<'py, PyCapsule>> {
    PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(table), STREAM)
}
