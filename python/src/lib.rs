//! Nearwise for Python: the compiled part of the package `nearwise`.
//!
//! What is here is thin: it takes texts and numbers from Python, lets the library work without
//! Python's lock, and gives numbers back. Keywords, defaults and what users see are in
//! `nearwise/*.py`. Options and results without large arrays cross as JSON, in the form that the
//! library's types have for serde.

#![deny(unsafe_code)]
#![warn(unreachable_pub)]

mod arrow;
mod corpus;
mod encoder;
mod errors;
mod new_articles;
mod pieces;
mod reranker;
mod run;
mod table;
mod texts;
mod topics;

use pyo3::prelude::*;

/// The compiled part of the package; not for direct use.
#[pymodule]
fn _nearwise(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<encoder::Encoder>()?;
    module.add_class::<reranker::Reranker>()?;
    module.add_class::<corpus::Corpus>()?;
    module.add_class::<corpus::Table>()?;
    module.add_class::<pieces::Pieces>()?;
    module.add_function(wrap_pyfunction!(encoder::quantize, module)?)?;
    module.add_function(wrap_pyfunction!(pieces::embed_articles, module)?)?;
    module.add_function(wrap_pyfunction!(pieces::dates, module)?)?;
    module.add_function(wrap_pyfunction!(pieces::embed_unless, module)?)?;
    module.add_function(wrap_pyfunction!(pieces::filter_data, module)?)?;
    module.add_function(wrap_pyfunction!(topics::topics, module)?)?;
    module.add_function(wrap_pyfunction!(run::write_file, module)?)?;
    Ok(())
}
