//! `_nearwise.topics`: topics of vectors in memory.

use crate::corpus::{json, options};
use crate::encoder::{Encoder, usable_device};
use crate::errors::parameter;
use crate::run::{job, run};
use crate::texts::Texts;
use nearwise::topics::{Document, TopicOptions, find};
use numpy::{PyArray1, PyArrayMethods, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;
use serde::Serialize;

/// What was found without the arrays.
#[derive(Serialize)]
struct Told<'a> {
    found_by: String,
    silhouette: f32,
    topics: Vec<Topic<'a>>,
    parts: Vec<Topic<'a>>,
    tree: Option<nearwise::topics::nested::Branch>,
}

#[derive(Serialize)]
struct Topic<'a> {
    label: &'a str,
    size: usize,
    words: &'a [(String, f32)],
    #[serde(skip_serializing_if = "Option::is_none")]
    typical: Option<&'a [usize]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    named: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<usize>,
}

type Array<'py> = Bound<'py, PyAny>;

/// What was found as JSON, labels (-1 for none), parts (-1), similarities, centroids (topics,
/// dimensions).
type Found<'py> = (String, Array<'py>, Array<'py>, Array<'py>, Array<'py>);

/// Topics of vectors and their texts.
#[pyfunction]
#[pyo3(signature = (vectors, texts, titles, find_options, device="auto", encoder=None, listener=None))]
#[allow(clippy::too_many_arguments)]
pub(crate) fn topics<'py>(
    py: Python<'py>,
    vectors: PyReadonlyArray2<'py, f32>,
    texts: Option<&Bound<'py, PyAny>>,
    titles: Option<&Bound<'py, PyAny>>,
    find_options: &str,
    device: &str,
    encoder: Option<&Encoder>,
    listener: Option<Py<PyAny>>,
) -> PyResult<Found<'py>> {
    let job = job(listener);
    let device = usable_device(py, device)?;
    let (rows, dim) = (vectors.shape()[0], vectors.shape()[1]);
    let values = vectors.as_slice()?;
    let texts = texts.map(Texts::take).transpose()?;
    let titles = titles.map(Texts::take).transpose()?;
    let views = texts.as_ref().map(Texts::views).unwrap_or_default();
    let heads = titles.as_ref().map(Texts::views).unwrap_or_default();
    if texts.is_some() && views.len() != rows {
        let message = format!(
            "{} texts with {rows} vectors; give one for each",
            views.len()
        );
        return Err(parameter(py, "texts", message));
    }
    if titles.is_some() && heads.len() != views.len() {
        let message = format!("{} titles with {} texts", heads.len(), views.len());
        return Err(parameter(py, "titles", message));
    }
    let encoder = encoder.map(|e| &e.inner);
    let (told, found) = run(py, &job, || {
        let mut asked: TopicOptions = options(find_options)?;
        asked.device = device;
        let documents: Vec<Document<'_>> = views
            .iter()
            .enumerate()
            .map(|(i, text)| Document::from((heads.get(i).copied().unwrap_or_default(), *text)))
            .collect();
        let found = find(values, dim, &documents, &asked, encoder, &job)?;
        let told = Told {
            found_by: found.found_by.name().to_string(),
            silhouette: found.silhouette,
            topics: found
                .topics
                .iter()
                .map(|t| Topic {
                    label: &t.label,
                    size: t.size,
                    words: &t.words,
                    typical: Some(&t.typical),
                    named: Some(t.named),
                    topic: None,
                })
                .collect(),
            parts: found
                .parts
                .iter()
                .map(|p| Topic {
                    label: &p.label,
                    size: p.size,
                    words: &p.words,
                    typical: None,
                    named: None,
                    topic: Some(p.topic),
                })
                .collect(),
            tree: found.tree(),
        };
        Ok((json(&told)?, found))
    })?;
    let number = |n: Option<usize>| n.map_or(-1, |n| n as i64);
    let members = &found.members;
    let labels = members.iter().map(|m| number(m.topic)).collect();
    let parts = members.iter().map(|m| number(m.part)).collect();
    let similarities = members.iter().map(|m| m.similarity).collect();
    let centroids: Vec<f32> = found
        .topics
        .iter()
        .flat_map(|t| t.centroid.iter().copied())
        .collect();
    Ok((
        told,
        PyArray1::<i64>::from_vec(py, labels).into_any(),
        PyArray1::<i64>::from_vec(py, parts).into_any(),
        PyArray1::<f32>::from_vec(py, similarities).into_any(),
        PyArray1::from_vec(py, centroids)
            .reshape([found.topics.len(), dim])?
            .into_any(),
    ))
}
