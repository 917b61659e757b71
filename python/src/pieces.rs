//! Articles with their passages' vectors: of texts that are in no corpus, for clusters, and of a
//! corpus, for whoever takes all of it elsewhere.

use crate::corpus::{Corpus, json};
use crate::encoder::Encoder;
use crate::run::{job, quick, run};
use crate::texts::Texts;
use nearwise::corpus::boilerplate;
use nearwise::encoder::{EncodeOptions, Prompt};
use nearwise::index::{KnownVectors, Prepared, article_vector, prepare};
use nearwise::{Error, ErrorKind, Filter, Reader, Result};
use numpy::{PyArray1, PyArrayMethods, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Mutex;

/// Passages of several articles, one article after the other.
#[derive(Default)]
struct Passages {
    /// How many each article has.
    counts: Vec<u32>,
    /// Where each stands in its article's text, in bytes.
    starts: Vec<u64>,
    ends: Vec<u64>,
    /// The tokens of each that no earlier one of its article holds.
    tokens: Vec<u32>,
    vectors: Vec<f32>,
    /// The vectors of the articles.
    articles: Vec<f32>,
}

type Array<'py> = Bound<'py, PyAny>;

/// Counts, starts, ends, tokens, vectors of shape (passages, dimensions), and of shape (articles,
/// dimensions).
type Arrays<'py> = (
    Array<'py>,
    Array<'py>,
    Array<'py>,
    Array<'py>,
    Array<'py>,
    Array<'py>,
);

impl Passages {
    fn arrays(self, py: Python<'_>, dim: usize) -> PyResult<Arrays<'_>> {
        let shape = [self.starts.len(), dim];
        let articles = [self.counts.len(), dim];
        Ok((
            PyArray1::from_vec(py, self.counts).into_any(),
            PyArray1::from_vec(py, self.starts).into_any(),
            PyArray1::from_vec(py, self.ends).into_any(),
            PyArray1::from_vec(py, self.tokens).into_any(),
            PyArray1::from_vec(py, self.vectors)
                .reshape(shape)?
                .into_any(),
            PyArray1::from_vec(py, self.articles)
                .reshape(articles)?
                .into_any(),
        ))
    }
}

/// The passages of texts and their vectors, as a corpus makes them. Of boilerplate, blocks with a
/// known heading are left out; what recurs in a source only a corpus can tell.
#[pyfunction]
#[pyo3(signature = (encoder, titles, texts))]
pub(crate) fn embed_articles<'py>(
    py: Python<'py>,
    encoder: &Encoder,
    titles: &Bound<'py, PyAny>,
    texts: &Bound<'py, PyAny>,
) -> PyResult<Arrays<'py>> {
    let encoder = &encoder.inner;
    let (titles, texts) = (Texts::take(titles)?, Texts::take(texts)?);
    let (titles, texts) = (titles.views(), texts.views());
    let job = job(None);
    let passages = run(py, &job, || {
        let prepared = prepared(encoder, &titles, &texts)?;
        let inputs: Vec<&str> = prepared
            .iter()
            .flat_map(|p| p.passages.iter().map(|passage| passage.input.as_str()))
            .collect();
        let options = EncodeOptions::from(Prompt::Document).bulk().job(&job);
        let vectors = encoder.encode(&inputs, options)?;
        let mut out = Passages::default();
        let mut rows = vectors.rows();
        for article in &prepared {
            let own: Vec<(u32, &[f32])> = article
                .passages
                .iter()
                .zip(&mut rows)
                .map(|(passage, vector)| (passage.fresh_tokens, vector))
                .collect();
            out.counts.push(own.len() as u32);
            out.articles.extend(article_vector(own.iter().copied()));
            for passage in &article.passages {
                out.starts.push(passage.range.start as u64);
                out.ends.push(passage.range.end as u64);
                out.tokens.push(passage.fresh_tokens);
            }
        }
        drop(rows);
        out.vectors = vectors.values;
        Ok(out)
    })?;
    passages.arrays(py, encoder.identity().dim)
}

/// What the encoder is given for each text; the tokenizing on all cores.
fn prepared(encoder: &nearwise::Encoder, titles: &[&str], texts: &[&str]) -> Result<Vec<Prepared>> {
    let one = |(title, text): (&&str, &&str)| {
        let spans = boilerplate::spans("", text, |_| None);
        prepare(encoder, title, text, &spans)
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let each = texts.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let parts: Vec<_> = titles
            .chunks(each)
            .zip(texts.chunks(each))
            .map(|(titles, texts)| {
                scope.spawn(move || {
                    titles
                        .iter()
                        .zip(texts)
                        .map(one)
                        .collect::<Result<Vec<_>>>()
                })
            })
            .collect();
        let mut out = Vec::with_capacity(texts.len());
        for part in parts {
            match part.join() {
                Ok(part) => out.extend(part?),
                // Told as what it is where all panics of the library are.
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok(out)
    })
}

/// Id, title, text, date, source, address, origin, metadata as JSON, topic and its label.
type Row = (
    String,
    String,
    String,
    Option<String>,
    Option<String>,
    Option<String>,
    String,
    String,
    Option<i64>,
    Option<String>,
);

/// One snapshot of a corpus, a few hundred articles at a time.
#[pyclass(module = "nearwise._nearwise", frozen)]
pub(crate) struct Pieces {
    state: Mutex<State>,
    dim: usize,
}

struct State {
    reader: Reader,
    /// The rows of the articles that are still to come.
    keys: std::vec::IntoIter<i64>,
}

#[pymethods]
impl Pieces {
    #[new]
    fn new(py: Python<'_>, corpus: &Corpus) -> PyResult<Self> {
        quick(py, || {
            let reader = corpus.inner.reader()?;
            let dim = reader.identity()?.map_or(0, |identity| identity.dim);
            let mut keys = Vec::new();
            if dim > 0 {
                reader.scan_articles(dim, None, |key, _| {
                    keys.push(key);
                    Ok(())
                })?;
            }
            keys.sort_unstable();
            let keys = keys.into_iter();
            let state = Mutex::new(State { reader, keys });
            Ok(Self { state, dim })
        })
    }

    /// How many articles are still to come: those that are embedded.
    fn __len__(&self) -> PyResult<usize> {
        Ok(self.state.lock().map_err(|_| poisoned())?.keys.len())
    }

    /// The next articles, at most so many, and their passages; nothing at the end.
    fn next<'py>(&self, py: Python<'py>, most: usize) -> PyResult<(Vec<Row>, Arrays<'py>)> {
        let (rows, passages) = quick(py, || {
            let mut state = self.state.lock().map_err(|_| broken())?;
            let keys: Vec<i64> = state.keys.by_ref().take(most).collect();
            read(&state.reader, &keys, self.dim)
        })?;
        Ok((rows, passages.arrays(py, self.dim)?))
    }
}

fn broken() -> Error {
    Error::new(
        ErrorKind::Internal,
        "internal error",
        "a thread failed while it read",
    )
}

fn poisoned() -> PyErr {
    pyo3::exceptions::PyRuntimeError::new_err("a thread failed while it read")
}

fn read(reader: &Reader, keys: &[i64], dim: usize) -> Result<(Vec<Row>, Passages)> {
    let mut rows = Vec::with_capacity(keys.len());
    let mut out = Passages::default();
    let mut ids = Vec::with_capacity(keys.len());
    for &key in keys {
        let article = reader.article_at(key)?;
        let topic = reader.topic_of(key)?;
        let passages = reader.passages(key)?;
        out.counts.push(passages.len() as u32);
        for passage in passages {
            out.starts.push(passage.range.start as u64);
            out.ends.push(passage.range.end as u64);
            out.tokens.push(passage.tokens);
        }
        let vector = reader.article_vector(key)?;
        out.articles.extend(vector.ok_or_else(broken)?);
        ids.push(article.id.clone());
        let meta = json(&article.meta)?;
        rows.push((
            article.id,
            article.title,
            article.text,
            article.date,
            article.source,
            article.url,
            article.origin,
            meta,
            topic.as_ref().map(|t| t.0),
            topic.map(|t| t.1),
        ));
    }
    // In the order of articles, and of passages within each, as above.
    if !ids.is_empty() {
        reader.scan_passages(dim, Some(&Filter::one_of("id", ids)), |_, vector| {
            out.vectors.extend_from_slice(vector);
            Ok(())
        })?;
    }
    Ok((rows, out))
}

/// Embeds what waits in a corpus, except for articles whose vectors are given: of each id the number
/// of its passages, of these starts, ends and vectors, and of each id a vector.
#[pyfunction]
#[pyo3(signature = (corpus, encoder, ids, counts, starts, ends, vectors, articles))]
#[allow(clippy::too_many_arguments)]
pub(crate) fn embed_unless(
    py: Python<'_>,
    corpus: &Corpus,
    encoder: &Encoder,
    ids: Vec<String>,
    counts: Vec<usize>,
    starts: Vec<usize>,
    ends: Vec<usize>,
    vectors: PyReadonlyArray2<'_, f32>,
    articles: PyReadonlyArray2<'_, f32>,
) -> PyResult<String> {
    let dim = vectors.shape()[1];
    let (vectors, articles) = (vectors.as_slice()?, articles.as_slice()?);
    let encoder = &encoder.inner;
    let job = job(None);
    run(py, &job, || {
        // Where the passages of each id begin, and which article it is.
        let mut places = HashMap::with_capacity(ids.len());
        let mut at = 0;
        for (number, (id, count)) in ids.iter().zip(&counts).enumerate() {
            places.insert(id.as_str(), (number, at..at + count));
            at += count;
        }
        let known = |id: &str, ranges: &[Range<usize>]| {
            let (number, of) = places.get(id)?;
            let same = starts.get(of.clone())?.iter().zip(ends.get(of.clone())?);
            let same = of.len() == ranges.len()
                && same
                    .zip(ranges)
                    .all(|((s, e), range)| *s == range.start && *e == range.end);
            if !same {
                return None;
            }
            Some(KnownVectors {
                passages: vectors.get(of.start * dim..of.end * dim)?.to_vec(),
                article: articles.get(number * dim..(number + 1) * dim)?.to_vec(),
            })
        };
        let mut writer = corpus.inner.writer()?;
        json(&writer.embed_unless(encoder, &known, &job)?)
    })
}

/// A filter's text as the JSON that a filter is as data.
#[pyfunction]
pub(crate) fn filter_data(py: Python<'_>, text: &str) -> PyResult<String> {
    quick(py, || json(&text.parse::<Filter>()?))
}

/// Dates as a corpus writes them; nothing for those that cannot be told.
#[pyfunction]
pub(crate) fn dates(py: Python<'_>, texts: Vec<Option<String>>) -> PyResult<Vec<Option<String>>> {
    quick(py, || {
        let date = |text: Option<String>| text.and_then(|text| nearwise::corpus::parse_date(&text));
        Ok(texts.into_iter().map(date).collect())
    })
}
