//! `_nearwise.Encoder`: texts in, arrays out.

use crate::errors::parameter;
use crate::run::{job, run, unlocked};
use crate::texts::Texts;
use nearwise::Job;
use nearwise::encoder::{DeviceChoice, EncodeOptions, EncoderBuilder, Prompt};
use nearwise::vectors::{Precision, Quantized, Ranges};
use numpy::{PyArray1, PyArrayMethods, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// A choice by its name, or what the library says of it.
pub(crate) fn parsed<T: std::str::FromStr>(
    py: Python<'_>,
    parameter_name: &'static str,
    text: &str,
) -> PyResult<T>
where
    T::Err: std::fmt::Display,
{
    text.parse()
        .map_err(|e: T::Err| parameter(py, parameter_name, format!("{text:?}: {e}")))
}

/// The device that a name asks for, as PyTorch's names too.
pub(crate) fn device(py: Python<'_>, name: &str) -> PyResult<DeviceChoice> {
    let name = if name == "mps" { "metal" } else { name };
    parsed(py, "device", name)
}

/// As [`device`], of one that is used only where there is much to do: one that was named must work.
pub(crate) fn usable_device(py: Python<'_>, name: &str) -> PyResult<DeviceChoice> {
    let device = device(py, name)?;
    device.check().map_err(|e| crate::errors::raised(py, &e))?;
    Ok(device)
}

/// What is put in front of texts: a kind, and a name or a text for some of them.
fn prompt(kind: &str, value: Option<String>) -> Prompt {
    match (kind, value) {
        ("query", _) => Prompt::Query,
        ("document", _) => Prompt::Document,
        ("named", Some(name)) => Prompt::Named(name),
        ("text", Some(text)) => Prompt::Text(text),
        ("default", _) => Prompt::Default,
        _ => Prompt::None,
    }
}

/// What an encoder is opened with, as far as its arguments and those of a corpus's encoder are the
/// same.
#[allow(clippy::too_many_arguments)]
pub(crate) fn builder(
    py: Python<'_>,
    model: Option<String>,
    device: &str,
    dtype: &str,
    dimensions: Option<usize>,
    offline: bool,
    threads: Option<usize>,
    job: &Job,
) -> PyResult<EncoderBuilder> {
    let mut builder = nearwise::Encoder::builder()
        .device(self::device(py, device)?)
        .dtype(parsed(py, "dtype", dtype)?)
        .dimensions(dimensions)
        .offline(offline)
        .job(job);
    if let Some(model) = model {
        builder = builder.model(model);
    }
    if let Some(threads) = threads {
        builder = builder.threads(threads);
    }
    Ok(builder)
}

/// A model that embeds texts.
#[pyclass(module = "nearwise._nearwise", frozen)]
pub(crate) struct Encoder {
    pub(crate) inner: nearwise::Encoder,
}

#[pymethods]
impl Encoder {
    #[new]
    #[pyo3(signature = (model=None, device="auto", dtype="auto", truncate_dim=None, offline=false, threads=None, query_prompt=None, document_prompt=None, listener=None))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        py: Python<'_>,
        model: Option<String>,
        device: &str,
        dtype: &str,
        truncate_dim: Option<usize>,
        offline: bool,
        threads: Option<usize>,
        query_prompt: Option<String>,
        document_prompt: Option<String>,
        listener: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let job = job(listener);
        let mut builder = builder(
            py,
            model,
            device,
            dtype,
            truncate_dim,
            offline,
            threads,
            &job,
        )?;
        if let Some(prompt) = query_prompt {
            builder = builder.query_prompt(prompt);
        }
        if let Some(prompt) = document_prompt {
            builder = builder.document_prompt(prompt);
        }
        let inner = run(py, &job, || builder.open())?;
        Ok(Self { inner })
    }

    /// The vectors of texts, f32 of shape (texts, dimensions).
    #[pyo3(signature = (texts, prompt_kind, prompt_value=None, normalize=false, dimensions=None, batch_tokens=None))]
    #[allow(clippy::too_many_arguments)]
    fn encode<'py>(
        &self,
        py: Python<'py>,
        texts: &Bound<'py, PyAny>,
        prompt_kind: &str,
        prompt_value: Option<String>,
        normalize: bool,
        dimensions: Option<usize>,
        batch_tokens: Option<usize>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let texts = Texts::take(texts)?;
        let views = texts.views();
        let job = job(None);
        let mut options = EncodeOptions::from(prompt(prompt_kind, prompt_value))
            .normalize(normalize)
            .dimensions(dimensions)
            .job(&job);
        if views.len() > 1 {
            options = options.bulk();
        }
        let encoder = match batch_tokens {
            Some(tokens) => self.inner.clone().with_token_budget(tokens),
            None => self.inner.clone(),
        };
        let vectors = run(py, &job, || encoder.encode(&views, options))?;
        let shape = [views.len(), vectors.dim];
        let array = PyArray1::from_vec(py, vectors.values).reshape(shape)?;
        Ok(array.into_any())
    }

    /// The vectors of all tokens, f32 of shape (tokens, width), and how many tokens each text has.
    #[pyo3(signature = (texts, prompt_kind, prompt_value=None))]
    fn encode_tokens<'py>(
        &self,
        py: Python<'py>,
        texts: &Bound<'py, PyAny>,
        prompt_kind: &str,
        prompt_value: Option<String>,
    ) -> PyResult<(Bound<'py, PyAny>, Vec<usize>)> {
        let texts = Texts::take(texts)?;
        let views = texts.views();
        let job = job(None);
        let options = EncodeOptions::from(prompt(prompt_kind, prompt_value)).job(&job);
        let found = run(py, &job, || self.inner.encode_tokens(&views, options))?;
        let counts: Vec<usize> = found.texts.iter().map(|t| t.tokens).collect();
        let shape = [counts.iter().sum::<usize>(), found.dim];
        let array = PyArray1::from_vec(py, found.values).reshape(shape)?;
        Ok((array.into_any(), counts))
    }

    /// The token ids of texts.
    #[pyo3(signature = (texts, prompt_kind, prompt_value=None))]
    fn tokenize(
        &self,
        py: Python<'_>,
        texts: &Bound<'_, PyAny>,
        prompt_kind: &str,
        prompt_value: Option<String>,
    ) -> PyResult<Vec<Vec<u32>>> {
        let texts = Texts::take(texts)?;
        let views = texts.views();
        let prompt = prompt(prompt_kind, prompt_value);
        let tokens = run(py, &job(None), || self.inner.tokenize(&views, prompt))?;
        Ok(tokens.into_iter().map(|t| t.ids).collect())
    }

    #[getter]
    fn model(&self) -> &str {
        &self.inner.identity().model
    }

    #[getter]
    fn revision(&self) -> &str {
        &self.inner.identity().revision
    }

    #[getter]
    fn hash(&self) -> &str {
        &self.inner.identity().hash
    }

    #[getter]
    fn dimensions(&self) -> usize {
        self.inner.identity().dim
    }

    #[getter]
    fn max_tokens(&self) -> usize {
        self.inner.identity().max_tokens
    }

    #[getter]
    fn dtype(&self) -> &str {
        &self.inner.identity().dtype
    }

    #[getter]
    fn device(&self) -> String {
        self.inner.device()
    }

    /// How near two of the model's vectors are to each other: "cosine", "dot", "euclidean" or
    /// "manhattan".
    #[getter]
    fn similarity_fn_name(&self) -> &'static str {
        self.inner.similarity_fn().name()
    }

    #[getter]
    fn about(&self) -> String {
        self.inner.about()
    }

    /// The model's prompts by name, the name of the default one, and those of queries and
    /// documents.
    fn prompts<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<(Bound<'py, PyDict>, Option<String>, String, String)> {
        let prompts = self.inner.prompts();
        let named = PyDict::new(py);
        for (name, text) in &prompts.named {
            named.set_item(name, text)?;
        }
        Ok((
            named,
            prompts.default.clone(),
            prompts.query.clone(),
            prompts.document.clone(),
        ))
    }
}

/// Vectors of shape (texts, dimensions) brought to a precision, by the ranges of `ranges` where it
/// needs some.
#[pyfunction]
#[pyo3(signature = (vectors, precision, ranges=None))]
pub(crate) fn quantize<'py>(
    py: Python<'py>,
    vectors: PyReadonlyArray2<'py, f32>,
    precision: &str,
    ranges: Option<PyReadonlyArray2<'py, f32>>,
) -> PyResult<Bound<'py, PyAny>> {
    let precision: Precision = parsed(py, "precision", precision)?;
    let (rows, dim) = (vectors.shape()[0], vectors.shape()[1]);
    if dim == 0 {
        return Err(parameter(py, "vectors", "they have no values"));
    }
    if ranges.is_some() && !precision.needs_ranges() {
        let message = format!("{} needs none; leave it out", precision.name());
        return Err(parameter(py, "calibration_embeddings", message));
    }
    let values = vectors.as_slice()?;
    let of = ranges.as_ref().unwrap_or(&vectors);
    let from = of.as_slice()?;
    let of_dim = of.shape()[1];
    let quantized = unlocked(py, || {
        let mut ranges = Ranges::new(of_dim);
        if precision.needs_ranges() && of_dim > 0 {
            from.chunks_exact(of_dim).for_each(|row| ranges.add(row));
        }
        nearwise::vectors::quantize(values, dim, precision, Some(&ranges))
    })?;
    let shape = [rows, precision.length(dim)];
    Ok(match quantized {
        Quantized::Float32(values) => PyArray1::from_vec(py, values).reshape(shape)?.into_any(),
        Quantized::Signed(values) => PyArray1::from_vec(py, values).reshape(shape)?.into_any(),
        Quantized::Unsigned(values) => PyArray1::from_vec(py, values).reshape(shape)?.into_any(),
    })
}
