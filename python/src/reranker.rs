//! `_nearwise.Reranker`: pairs of texts in, scores out.

use crate::encoder::{device, parsed};
use crate::run::{job, run};
use crate::texts::Texts;
use nearwise::encoder::RerankOptions;
use numpy::{PyArray1, PyArrayMethods};
use pyo3::prelude::*;

/// A model that judges pairs of texts.
#[pyclass(module = "nearwise._nearwise", frozen)]
pub(crate) struct Reranker {
    pub(crate) inner: nearwise::Reranker,
}

/// An index, a score, the passage that it is of, and how many tokens were cut.
type Ranked = (usize, f32, Option<(usize, usize)>, usize);

#[pymethods]
impl Reranker {
    #[new]
    #[pyo3(signature = (model=None, device="auto", dtype="auto", offline=false, threads=None, listener=None))]
    fn new(
        py: Python<'_>,
        model: Option<String>,
        device: &str,
        dtype: &str,
        offline: bool,
        threads: Option<usize>,
        listener: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let job = job(listener);
        let mut builder = nearwise::Reranker::builder()
            .device(self::device(py, device)?)
            .dtype(parsed(py, "dtype", dtype)?)
            .offline(offline)
            .job(&job);
        if let Some(model) = model {
            builder = builder.model(model);
        }
        if let Some(threads) = threads {
            builder = builder.threads(threads);
        }
        let inner = run(py, &job, || builder.open())?;
        Ok(Self { inner })
    }

    /// A value for each pair and label, f32 of shape (pairs, labels).
    fn scores<'py>(
        &self,
        py: Python<'py>,
        first: &Bound<'py, PyAny>,
        second: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (first, second) = (Texts::take(first)?, Texts::take(second)?);
        let pairs: Vec<(&str, &str)> = first.views().into_iter().zip(second.views()).collect();
        let job = job(None);
        let options = RerankOptions::new().bulk().job(&job);
        let scores = run(py, &job, || self.inner.scores(&pairs, &options))?;
        let shape = [pairs.len(), self.inner.labels().len()];
        Ok(PyArray1::from_vec(py, scores.values)
            .reshape(shape)?
            .into_any())
    }

    /// The texts in order, best first.
    #[pyo3(signature = (query, texts, top=None, passages=false, label=None))]
    fn rank(
        &self,
        py: Python<'_>,
        query: &str,
        texts: &Bound<'_, PyAny>,
        top: Option<usize>,
        passages: bool,
        label: Option<String>,
    ) -> PyResult<Vec<Ranked>> {
        let texts = Texts::take(texts)?;
        let views = texts.views();
        let job = job(None);
        let options = RerankOptions::new()
            .top(top)
            .passages(passages)
            .label(label)
            .job(&job);
        let ranked = run(py, &job, || self.inner.rerank(query, &views, &options))?;
        let out = ranked.into_iter().map(|r| {
            let passage = r.passage.map(|p| (p.start, p.end));
            (r.index, r.score, passage, r.cut)
        });
        Ok(out.collect())
    }

    #[getter]
    fn model(&self) -> &str {
        &self.inner.identity().model
    }

    #[getter]
    fn labels(&self) -> Vec<String> {
        self.inner.labels().to_vec()
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
}
