//! Errors of the library as Python's exceptions, by kind.

use nearwise::{Error, ErrorKind, Missing};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use std::error::Error as _;

/// What the system said.
fn io_error(error: &Error) -> Option<&std::io::Error> {
    error.source()?.downcast_ref()
}

/// The class in `nearwise.errors` for an error.
fn class(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::Io => match io_error(error).map(std::io::Error::kind) {
            Some(std::io::ErrorKind::NotFound) => "NotFoundError",
            Some(std::io::ErrorKind::PermissionDenied) => "PermissionError",
            _ => "FileError",
        },
        ErrorKind::DiskFull => "DiskFullError",
        ErrorKind::ReadOnly => "PermissionError",
        ErrorKind::InvalidInput => "InputError",
        ErrorKind::InvalidParameter(_) => "ParameterError",
        ErrorKind::InvalidFilter { .. } => "FilterError",
        ErrorKind::NotFound(missing) => match missing {
            Missing::Article | Missing::Topic => "UnknownError",
            Missing::Topics | Missing::Vectors => "NothingYetError",
            _ => "NotFoundError",
        },
        ErrorKind::AlreadyExists => "ExistsError",
        ErrorKind::Busy => "BusyError",
        ErrorKind::WrongModel => "WrongModelError",
        ErrorKind::NotACorpus => "NotACorpusError",
        ErrorKind::Damaged => "DamagedError",
        ErrorKind::Model => "ModelError",
        ErrorKind::Network => "NetworkError",
        ErrorKind::Device => "DeviceError",
        ErrorKind::NoResult => "NoResultError",
        ErrorKind::Cancelled => "CancelledError",
        ErrorKind::Internal => "InternalError",
        _ => "Error",
    }
}

/// The name that a parameter of the library has in Python, where sentence-transformers gave it one.
fn named(parameter: &'static str) -> &'static str {
    match parameter {
        "dimensions" => "truncate_dim",
        "prompt" => "prompt_name",
        "calibration" => "calibration_embeddings",
        "documents" => "texts",
        other => other,
    }
}

/// The exception for an error.
pub(crate) fn raised(py: Python<'_>, error: &Error) -> PyErr {
    let (place, text) = match error.kind() {
        ErrorKind::InvalidParameter(name) if error.place() == name => {
            (named(name), format!("{}: {}", named(name), error.message()))
        }
        _ => (error.place(), error.to_string()),
    };
    let of = |name| -> PyResult<PyErr> {
        let class = py.import("nearwise.errors")?.getattr(name)?;
        let exception = class.call1((&text,))?;
        exception.setattr("place", place)?;
        if let Some(number) = io_error(error).and_then(std::io::Error::raw_os_error) {
            exception.setattr("errno", number)?;
        }
        match error.kind() {
            ErrorKind::InvalidParameter(name) => exception.setattr("parameter", named(name))?,
            ErrorKind::InvalidFilter { position } => exception.setattr("position", position)?,
            _ => {}
        }
        Ok(PyErr::from_value(exception))
    };
    // The classes are the package's own; without them the text must do.
    of(class(error)).unwrap_or_else(|_| PyRuntimeError::new_err(text.clone()))
}

/// A parameter with a value that cannot be used.
pub(crate) fn parameter(py: Python<'_>, name: &'static str, message: impl Into<String>) -> PyErr {
    raised(py, &Error::parameter(name, message))
}
