//! `_nearwise.Corpus`: a file of articles. Options and answers are JSON here.

use crate::arrow;
use crate::encoder::{Encoder, parsed, usable_device};
use crate::errors::parameter;
use crate::new_articles::{Articles, Batches};
use crate::run::{job, quick, run};
use crate::table;
use nearwise::corpus::{Columns, Input, ReadOptions};
use nearwise::encoder::Identity;
use nearwise::index::IndexOptions;
use nearwise::search::{By, DuplicateOptions, Example, Examples, Mode, SearchOptions};
use nearwise::topics::map::columns::Columns as MapColumns;
use nearwise::topics::map::{Layout, Map};
use nearwise::{Error, ErrorKind, Filter, Job, Missing, Reader, Result};
use numpy::{PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyIterator};
use serde::Serialize;
use std::sync::Mutex;

/// What serde makes of a result.
pub(crate) fn json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|e| Error::new(ErrorKind::Internal, "internal error", e.to_string()))
}

/// Options that Python wrote down as JSON.
pub(crate) fn options<T: serde::de::DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|e| {
        // serde's place in a JSON that the user did not write says nothing to them.
        let line = e.to_string();
        let line = line.split(" at line ").next().unwrap_or_default();
        Error::parameter("options", line.to_string())
    })
}

/// A filter as text, of which fields are looked for, or as JSON.
fn filter(reader: &Reader, filter: Option<(bool, String)>) -> Result<Option<Filter>> {
    Ok(match filter {
        None => None,
        Some((true, text)) => Some(reader.filter(&text)?),
        Some((false, json)) => Some(serde_json::from_str(&json).map_err(|e| {
            let line = e.to_string();
            let line = line.split(" at line ").next().unwrap_or_default();
            Error::new(ErrorKind::InvalidFilter { position: 0 }, "filter", line)
        })?),
    })
}

fn span(py: Python<'_>, name: Option<&str>) -> PyResult<Option<nearwise::topics::timeline::Span>> {
    name.map(|name| parsed(py, "span", name)).transpose()
}

/// A corpus.
#[pyclass(module = "nearwise._nearwise", frozen)]
pub(crate) struct Corpus {
    pub(crate) inner: nearwise::Corpus,
}

impl Corpus {
    /// Asks a snapshot something that is done within a second or so.
    fn ask<T: Send>(
        &self,
        py: Python<'_>,
        f: impl FnOnce(&Reader) -> Result<T> + Send,
    ) -> PyResult<T> {
        quick(py, || f(&self.inner.reader()?))
    }
}

#[pymethods]
impl Corpus {
    /// Opens a corpus: `how` is `open`, `create` or `either`.
    #[new]
    fn new(py: Python<'_>, path: std::path::PathBuf, how: &str) -> PyResult<Self> {
        let inner = quick(py, || match how {
            "create" => nearwise::Corpus::create(&path),
            "open" => nearwise::Corpus::open(&path),
            _ => nearwise::Corpus::open_or_create(&path),
        })?;
        Ok(Self { inner })
    }

    #[getter]
    fn path(&self) -> std::path::PathBuf {
        self.inner.path().to_path_buf()
    }

    /// Counts, the model's identity and the fields of a filter.
    fn about(&self, py: Python<'_>) -> PyResult<(String, String, Vec<String>)> {
        self.ask(py, |reader| {
            let identity = reader.identity()?;
            Ok((json(&reader.counts()?)?, json(&identity)?, reader.fields()?))
        })
    }

    /// How many articles there are.
    fn articles(&self, py: Python<'_>) -> PyResult<u64> {
        self.ask(py, |reader| Ok(reader.counts()?.articles))
    }

    /// The encoder of the corpus's vectors.
    #[pyo3(signature = (model=None, device="auto", dtype="auto", dimensions=None, offline=false, threads=None, listener=None))]
    #[allow(clippy::too_many_arguments)]
    fn encoder(
        &self,
        py: Python<'_>,
        model: Option<String>,
        device: &str,
        dtype: &str,
        dimensions: Option<usize>,
        offline: bool,
        threads: Option<usize>,
        listener: Option<Py<PyAny>>,
    ) -> PyResult<Encoder> {
        let job = job(listener);
        let builder =
            crate::encoder::builder(py, model, device, dtype, dimensions, offline, threads, &job)?;
        let inner = run(py, &job, || self.inner.reader()?.encoder(builder))?;
        Ok(Encoder { inner })
    }

    /// Adds articles: `batches` gives lists of tuples (id, title, text, date, url, source,
    /// metadata as JSON). With `vectors`, each brings its own, of the model `external` or of the
    /// encoder.
    #[pyo3(signature = (batches, vectors=None, external=None, encoder=None, listener=None))]
    fn add(
        &self,
        py: Python<'_>,
        batches: &Bound<'_, PyIterator>,
        vectors: Option<PyReadonlyArray2<'_, f32>>,
        external: Option<&str>,
        encoder: Option<&Encoder>,
        listener: Option<Py<PyAny>>,
    ) -> PyResult<String> {
        let job = job(listener);
        let own = vectors
            .as_ref()
            .map(|v| Ok::<_, PyErr>((v.as_slice()?, v.shape()[1])));
        let own = own.transpose()?;
        let identity = own.map(|(_, dim)| match encoder {
            Some(encoder) => encoder.inner.identity().clone(),
            None => Identity::external(external.unwrap_or("external"), dim),
        });
        let raised = Mutex::new(None);
        let batches = Batches::new(batches.clone().unbind(), &raised);
        let done = run(py, &job, || {
            let mut writer = self.inner.writer()?;
            if let Some(identity) = &identity {
                writer.bind(identity)?;
            }
            let report = writer.add(Articles::new(batches, own), &job)?;
            json(&report)
        });
        match raised.into_inner() {
            // What Python raised while it gave articles is why the adding failed.
            Ok(Some(e)) => Err(e),
            _ => done,
        }
    }

    /// Embeds what waits for it, and brings the approximate index up to date.
    #[pyo3(signature = (encoder, listener=None))]
    fn embed(
        &self,
        py: Python<'_>,
        encoder: &Encoder,
        listener: Option<Py<PyAny>>,
    ) -> PyResult<String> {
        let job = job(listener);
        let encoder = &encoder.inner;
        run(py, &job, || {
            let mut writer = self.inner.writer()?;
            let report = writer.embed(encoder, &job)?;
            writer.refresh_index(Mode::Auto, &job)?;
            json(&report)
        })
    }

    /// Reads files and embeds what is new or changed.
    #[pyo3(signature = (paths, encoder, columns, exclude, skip_bad=false, prune=false, prune_most=false, id_prefix="", replace=false, listener=None))]
    #[allow(clippy::too_many_arguments)]
    fn index(
        &self,
        py: Python<'_>,
        paths: Vec<std::path::PathBuf>,
        encoder: &Encoder,
        columns: std::collections::HashMap<String, String>,
        exclude: Vec<String>,
        skip_bad: bool,
        prune: bool,
        prune_most: bool,
        id_prefix: &str,
        replace: bool,
        listener: Option<Py<PyAny>>,
    ) -> PyResult<String> {
        let job = job(listener);
        let of = |name: &str| columns.get(name).cloned();
        let index = IndexOptions {
            read: ReadOptions {
                columns: Columns {
                    id: of("id"),
                    title: of("title"),
                    text: of("text"),
                    date: of("date"),
                    url: of("url"),
                    source: of("source"),
                },
                exclude,
                ..ReadOptions::default()
            },
            skip_bad,
            prune,
            prune_most,
            id_prefix: id_prefix.to_string(),
            replace,
        };
        let encoder = &encoder.inner;
        run(py, &job, || {
            let mut inputs = Vec::new();
            for path in &paths {
                // Python has its own standard input, which is not for us to read.
                if path.as_os_str() == "-" {
                    let message = "\"-\" is no file; give articles from elsewhere to add()";
                    return Err(Error::parameter("paths", message));
                }
                inputs.extend(Input::parse(path)?);
            }
            let mut writer = self.inner.writer()?;
            let report = writer.index(encoder, &inputs, &index, &job)?;
            writer.refresh_index(Mode::Auto, &job)?;
            json(&report)
        })
    }

    /// Finds articles by a text, a vector, or words. `search` is a `SearchOptions` as JSON.
    #[pyo3(signature = (query, search, filter=None, encoder=None, vector=None))]
    fn search(
        &self,
        py: Python<'_>,
        query: &str,
        search: &str,
        filter: Option<(bool, String)>,
        encoder: Option<&Encoder>,
        vector: Option<PyReadonlyArray1<'_, f32>>,
    ) -> PyResult<String> {
        let vector = vector.as_ref().map(|v| v.as_slice()).transpose()?;
        let encoder = encoder.map(|e| &e.inner);
        run(py, &Job::new(), || {
            let reader = self.inner.reader()?;
            let mut search: SearchOptions = options(search)?;
            search.filter = self::filter(&reader, filter)?;
            let found = match (vector, encoder) {
                (Some(vector), _) => {
                    let mut unit = vector.to_vec();
                    nearwise::vectors::normalize(&mut unit);
                    reader.search_vector(&unit, query, &search)?
                }
                (None, Some(encoder)) => reader.search(encoder, query, &search)?,
                (None, None) => reader.search_words(query, &search)?,
            };
            json(&found)
        })
    }

    /// Finds articles for many texts.
    #[pyo3(signature = (queries, search, encoder, filter=None))]
    fn search_many(
        &self,
        py: Python<'_>,
        queries: Vec<String>,
        search: &str,
        encoder: &Encoder,
        filter: Option<(bool, String)>,
    ) -> PyResult<String> {
        let encoder = &encoder.inner;
        run(py, &Job::new(), || {
            let reader = self.inner.reader()?;
            let mut search: SearchOptions = options(search)?;
            search.filter = self::filter(&reader, filter)?;
            json(&reader.search_many(encoder, &queries, &search)?)
        })
    }

    /// Finds articles like some and unlike others: ids, and vectors.
    #[pyo3(signature = (like, unlike, like_vectors, unlike_vectors, search, filter=None))]
    #[allow(clippy::too_many_arguments)]
    fn similar(
        &self,
        py: Python<'_>,
        like: Vec<String>,
        unlike: Vec<String>,
        like_vectors: Vec<Vec<f32>>,
        unlike_vectors: Vec<Vec<f32>>,
        search: &str,
        filter: Option<(bool, String)>,
    ) -> PyResult<String> {
        let examples = |ids: Vec<String>, vectors: Vec<Vec<f32>>| {
            let ids = ids.into_iter().map(Example::Id);
            let vectors = vectors.into_iter().map(|mut v| {
                nearwise::vectors::normalize(&mut v);
                Example::Vector(v)
            });
            ids.chain(vectors).collect()
        };
        let examples = Examples {
            like: examples(like, like_vectors),
            unlike: examples(unlike, unlike_vectors),
        };
        run(py, &Job::new(), || {
            let reader = self.inner.reader()?;
            let mut search: SearchOptions = options(search)?;
            search.filter = self::filter(&reader, filter)?;
            json(&reader.similar_articles(&examples, &search)?)
        })
    }

    /// Groups and pairs of articles that are nearly the same.
    #[pyo3(signature = (by, threshold=None, limit=None, members=None, reworded=false, listener=None))]
    #[allow(clippy::too_many_arguments)]
    fn duplicates(
        &self,
        py: Python<'_>,
        by: &str,
        threshold: Option<f32>,
        limit: Option<usize>,
        members: Option<usize>,
        reworded: bool,
        listener: Option<Py<PyAny>>,
    ) -> PyResult<String> {
        let by = match by {
            "words" => By::Words,
            "containment" => By::Containment,
            "meaning" => By::Meaning,
            _ => {
                let message = format!("{by:?}; use words, containment or meaning");
                return Err(parameter(py, "by", message));
            }
        };
        let usual = DuplicateOptions::new(by);
        let asked = DuplicateOptions {
            by,
            threshold: threshold.unwrap_or(usual.threshold),
            limit: limit.unwrap_or(usual.limit),
            members: members.unwrap_or(usual.members),
            reworded,
        };
        let job = job(listener);
        run(py, &job, || {
            json(&self.inner.reader()?.duplicates(asked, &job)?)
        })
    }

    /// An article by its id; `None` where there is none.
    fn article(&self, py: Python<'_>, id: &str) -> PyResult<Option<String>> {
        self.ask(py, |reader| match reader.article(id) {
            Err(e) if e.kind() == ErrorKind::NotFound(Missing::Article) => Ok(None),
            Err(e) => Err(e),
            Ok(article) => {
                #[derive(Serialize)]
                struct Whole<'a> {
                    #[serde(flatten)]
                    article: &'a nearwise::store::StoredArticle,
                    topic: Option<i64>,
                    topic_label: Option<String>,
                    passages: Vec<nearwise::store::StoredPassage>,
                }
                let topic = reader.topic_of(article.key)?;
                let passages = reader.passages(article.key)?;
                let whole = Whole {
                    article: &article,
                    topic: topic.as_ref().map(|t| t.0),
                    topic_label: topic.map(|t| t.1),
                    passages,
                };
                json(&whole).map(Some)
            }
        })
    }

    /// Whether there is an article with an id.
    fn contains(&self, py: Python<'_>, id: &str) -> PyResult<bool> {
        self.ask(py, |reader| match reader.key_of(id) {
            Ok(_) => Ok(true),
            Err(e) if e.kind() == ErrorKind::NotFound(Missing::Article) => Ok(false),
            Err(e) => Err(e),
        })
    }

    /// Deletes articles; how many there were.
    fn delete(&self, py: Python<'_>, ids: Vec<String>) -> PyResult<u64> {
        let job = Job::new();
        run(py, &job, || self.inner.writer()?.delete_with(&ids, &job))
    }

    /// The articles as a table, which speaks Arrow's PyCapsule interface.
    #[pyo3(signature = (filter=None, vectors=false))]
    fn table(
        &self,
        py: Python<'_>,
        filter: Option<(bool, String)>,
        vectors: bool,
    ) -> PyResult<Table> {
        let job = Job::new();
        let batches = run(py, &job, || {
            let reader = self.inner.reader()?;
            let filter = self::filter(&reader, filter)?;
            table::batches(&reader, filter.as_ref(), vectors, &job)
        })?;
        Ok(Table { batches })
    }

    // Topics

    /// Finds topics and stores them. `find` is a `TopicOptions` as JSON.
    #[pyo3(signature = (find, device="auto", encoder=None, listener=None))]
    fn fit_topics(
        &self,
        py: Python<'_>,
        find: &str,
        device: &str,
        encoder: Option<&Encoder>,
        listener: Option<Py<PyAny>>,
    ) -> PyResult<()> {
        let job = job(listener);
        let encoder = encoder.map(|e| &e.inner);
        let device = usable_device(py, device)?;
        run(py, &job, || {
            let mut find: nearwise::topics::TopicOptions = options(find)?;
            find.device = device;
            self.inner.writer()?.fit_topics(&find, encoder, &job)?;
            Ok(())
        })
    }

    /// The stored topics: how they were made, topics, their typical articles, parts.
    fn topics(&self, py: Python<'_>) -> PyResult<String> {
        self.ask(py, |reader| {
            let topics = nearwise::topics::Topics::stored(reader)?;
            let mut typical = Vec::new();
            for topic in &topics.topics {
                let mut ids = Vec::new();
                for &key in &topic.typical {
                    ids.push(reader.described_at(key)?.id);
                }
                typical.push(ids);
            }
            #[derive(Serialize)]
            struct All<'a> {
                run: &'a nearwise::store::TopicRun,
                topics: &'a [nearwise::store::StoredTopic],
                parts: &'a [nearwise::store::StoredPart],
                typical: Vec<Vec<String>>,
            }
            json(&All {
                run: &topics.run,
                topics: &topics.topics,
                parts: &topics.parts,
                typical,
            })
        })
    }

    /// Each article's id and topic.
    fn members(&self, py: Python<'_>) -> PyResult<Vec<(String, i64)>> {
        self.ask(py, |reader| reader.topic_members())
    }

    /// The tree of topics, whole or cut into so many branches.
    #[pyo3(signature = (cut=None))]
    fn tree(&self, py: Python<'_>, cut: Option<usize>) -> PyResult<String> {
        self.ask(py, |reader| {
            let stored = nearwise::topics::stored(reader)?;
            match cut {
                Some(n) => json(&nearwise::topics::nested::cut(&stored, n)?),
                None => json(&nearwise::topics::nested::whole(&stored)),
            }
        })
    }

    /// How topics change with time.
    #[pyo3(signature = (span=None, field=None))]
    fn over_time(
        &self,
        py: Python<'_>,
        span: Option<&str>,
        field: Option<&str>,
    ) -> PyResult<String> {
        let span = self::span(py, span)?;
        self.ask(py, |reader| json(&reader.topics_over_time(span, field)?))
    }

    fn rename_topic(&self, py: Python<'_>, id: i64, label: &str) -> PyResult<()> {
        run(py, &Job::new(), || {
            self.inner.writer()?.rename_topic(id, label)
        })
    }

    #[pyo3(signature = (ids, encoder=None, listener=None))]
    fn merge_topics(
        &self,
        py: Python<'_>,
        ids: Vec<i64>,
        encoder: Option<&Encoder>,
        listener: Option<Py<PyAny>>,
    ) -> PyResult<i64> {
        let (job, encoder) = (job(listener), encoder.map(|e| &e.inner));
        run(py, &job, || {
            self.inner.writer()?.merge_topics(&ids, encoder, &job)
        })
    }

    #[pyo3(signature = (id, into, encoder=None, listener=None))]
    fn split_topic(
        &self,
        py: Python<'_>,
        id: i64,
        into: usize,
        encoder: Option<&Encoder>,
        listener: Option<Py<PyAny>>,
    ) -> PyResult<Vec<i64>> {
        let (job, encoder) = (job(listener), encoder.map(|e| &e.inner));
        run(py, &job, || {
            self.inner.writer()?.split_topic(id, into, encoder, &job)
        })
    }

    #[pyo3(signature = (n, encoder=None, listener=None))]
    fn cut_topics(
        &self,
        py: Python<'_>,
        n: usize,
        encoder: Option<&Encoder>,
        listener: Option<Py<PyAny>>,
    ) -> PyResult<()> {
        let (job, encoder) = (job(listener), encoder.map(|e| &e.inner));
        run(py, &job, || {
            self.inner.writer()?.cut_topics(n, encoder, &job)
        })
    }

    /// Puts articles that came since into the topics that are there.
    #[pyo3(signature = (listener=None))]
    fn join_topics(&self, py: Python<'_>, listener: Option<Py<PyAny>>) -> PyResult<(u64, u64)> {
        let job = job(listener);
        run(py, &job, || {
            let placed = self.inner.writer()?.join_topics(&job)?;
            Ok((placed.joined, placed.in_none))
        })
    }

    /// The page of the map; the layout is stored where nobody else is writing.
    #[pyo3(signature = (seed, device="auto", listener=None))]
    fn map_page(
        &self,
        py: Python<'_>,
        seed: u64,
        device: &str,
        listener: Option<Py<PyAny>>,
    ) -> PyResult<String> {
        let job = job(listener);
        let device = usable_device(py, device)?;
        run(py, &job, || {
            let (reader, layout) = laid_out(&self.inner, seed, device, &job)?;
            let map = Map::new(&reader, &layout, &job)?;
            let columns = MapColumns::new(&reader, &layout, &job)?;
            Ok(nearwise::topics::map::page(&map, &columns))
        })
    }

    /// The map as a picture: SVG's text, or a PNG in a file.
    #[pyo3(signature = (seed, device="auto", png=None, listener=None))]
    fn map_picture(
        &self,
        py: Python<'_>,
        seed: u64,
        device: &str,
        png: Option<std::path::PathBuf>,
        listener: Option<Py<PyAny>>,
    ) -> PyResult<String> {
        let job = job(listener);
        let device = usable_device(py, device)?;
        run(py, &job, || {
            let (reader, layout) = laid_out(&self.inner, seed, device, &job)?;
            let map = Map::new(&reader, &layout, &job)?;
            match png {
                None => nearwise::topics::map::svg(&map),
                Some(path) => {
                    let file = nearwise::NewFile::create(&path)?;
                    nearwise::topics::map::png(&map, file.path())?;
                    file.finish().map(|()| String::new())
                }
            }
        })
    }
}

/// Where articles stand on the map, which is kept in the corpus where it can be.
fn laid_out(
    corpus: &nearwise::Corpus,
    seed: u64,
    device: nearwise::encoder::DeviceChoice,
    job: &Job,
) -> Result<(Reader, Layout)> {
    let reader = corpus.reader()?;
    nearwise::topics::stored(&reader)?;
    if !reader.has_layout(seed)? {
        match corpus.writer() {
            Ok(mut writer) => {
                writer.lay_out(seed, device, job)?;
            }
            // It is made for this map alone.
            Err(e) if matches!(e.kind(), ErrorKind::Busy | ErrorKind::ReadOnly) => {}
            Err(e) => return Err(e),
        }
    }
    let reader = corpus.reader()?;
    let layout = reader.layout_of_map(seed, device, job)?;
    Ok((reader, layout))
}

/// Articles of a corpus as a table.
#[pyclass(module = "nearwise._nearwise", frozen)]
pub(crate) struct Table {
    batches: table::Batches,
}

#[pymethods]
impl Table {
    /// The table as Arrow's stream. Asked for another schema, it gives the one that it has, as the
    /// interface allows.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let _ = requested_schema;
        arrow::capsule(py, self.batches.reader())
    }

    fn __len__(&self) -> usize {
        self.batches.rows()
    }

    /// The columns' names.
    fn columns(&self) -> Vec<String> {
        self.batches.names()
    }
}
