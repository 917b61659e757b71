//! Writing a corpus out: JSON lines, CSV, Parquet, NumPy.
//!
//! What articles bring stands apart from what Nearwise adds: their metadata under `metadata`, so
//! that a column of theirs called `topic` or `vector` clashes with nothing, and reading the file
//! again gives the same articles.

use super::articles::StoredArticle;
use super::{Filter, Reader};
use crate::corpus::{EXPORTED, plain_json};
use crate::error::{Error, Result};
use crate::job::{Job, Stage};
use crate::new_file::NewFile;
use crate::vectors::npy_header_of;
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, FloatType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

/// A format to export to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// JSON lines: an article a line, its metadata an object, with its vector where asked for.
    Jsonl,
    /// CSV with a header: an article a row, its metadata (and its vector where asked for) as JSON.
    Csv,
    /// Parquet: an article a row, always with its vector, its metadata as JSON.
    Parquet,
    /// A NumPy array of the vectors, f32, (articles, dim), and beside it the ids, one a line.
    Npy,
}

/// What an export wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Exported {
    /// Articles written.
    pub articles: u64,
    /// Articles left out because they have no vector yet (NumPy only).
    pub without_vector: u64,
}

/// Writes the articles that the filter lets through.
///
/// The file appears under its name only when it is complete.
///
/// # Errors
/// The file cannot be written, the filter has a field that the corpus does not have, or the
/// corpus is damaged.
pub fn export(
    store: &Reader,
    to: &Path,
    format: ExportFormat,
    vectors: bool,
    filter: Option<&Filter>,
    job: &Job,
) -> Result<Exported> {
    let mut file = NewFile::create(to)?;
    let wanted: Option<HashSet<i64>> = match filter {
        Some(filter) => Some(store.matching(filter)?.into_iter().collect()),
        None => None,
    };
    let rows = Rows { store, wanted, job };
    let exported = match format {
        ExportFormat::Jsonl => jsonl(&rows, &mut file, to, vectors)?,
        ExportFormat::Csv => csv(&rows, &mut file, to, vectors)?,
        ExportFormat::Parquet => parquet(&rows, file.handle()?, to)?,
        ExportFormat::Npy => npy(&rows, &mut file, to)?,
    };
    file.finish()?;
    Ok(exported)
}

/// Writes JSON lines or CSV to any writer, such as standard output.
///
/// # Errors
/// As [`export`]; the format is Parquet or NumPy, which need a file.
pub fn export_text(
    store: &Reader,
    out: &mut impl Write,
    format: ExportFormat,
    vectors: bool,
    filter: Option<&Filter>,
    job: &Job,
) -> Result<Exported> {
    let wanted = match filter {
        Some(filter) => Some(store.matching(filter)?.into_iter().collect()),
        None => None,
    };
    let rows = Rows { store, wanted, job };
    match format {
        ExportFormat::Jsonl => jsonl(&rows, out, Path::new("standard output"), vectors),
        ExportFormat::Csv => csv(&rows, out, Path::new("standard output"), vectors),
        ExportFormat::Parquet | ExportFormat::Npy => Err(Error::parameter(
            "format",
            "Parquet and NumPy need a file to write to",
        )),
    }
}

struct Rows<'a> {
    store: &'a Reader,
    wanted: Option<HashSet<i64>>,
    job: &'a Job,
}

struct ExportRow {
    article: StoredArticle,
    topic: Option<(i64, String, f32)>,
    vector: Option<Vec<f32>>,
}

impl Rows<'_> {
    fn each(&self, mut f: impl FnMut(ExportRow) -> Result<()>) -> Result<()> {
        let mut seen = 0u64;
        self.store.each_article(|article| {
            seen += 1;
            if seen.is_multiple_of(256) {
                self.job.progress(Stage::Writing, seen, None);
                self.job.check()?;
            }
            if self
                .wanted
                .as_ref()
                .is_some_and(|w| !w.contains(&article.key))
            {
                return Ok(());
            }
            let topic = self.store.topic_of(article.key)?;
            let vector = self.store.article_vector(article.key)?;
            f(ExportRow {
                article,
                topic,
                vector,
            })
        })
    }
}

fn jsonl(rows: &Rows<'_>, out: &mut impl Write, to: &Path, vectors: bool) -> Result<Exported> {
    let mut exported = Exported::default();
    let io = |e| Error::io(to, e);
    rows.each(|row| {
        let a = &row.article;
        let mut object = json!({
            "id": a.id, "title": a.title, "text": a.text, "date": a.date, "source": a.source,
            "url": a.url,
        });
        if let Value::Object(map) = &mut object {
            map.retain(|_, value| !value.is_null());
            map.insert("metadata".into(), Value::Object(a.meta.clone()));
            if let Some((id, label, similarity)) = &row.topic {
                map.insert("topic".into(), json!(id));
                map.insert("topic_label".into(), json!(label));
                map.insert("topic_similarity".into(), json!(similarity));
            }
            if vectors {
                map.insert("vector".into(), json!(row.vector));
            }
        }
        // Lines may go to a terminal, which obeys some characters that JSON lets pass.
        let line = object.to_string();
        writeln!(out, "{}", plain_json(&line)).map_err(io)?;
        exported.articles += 1;
        Ok(())
    })?;
    out.flush().map_err(io)?;
    Ok(exported)
}

fn csv(rows: &Rows<'_>, out: &mut impl Write, to: &Path, vectors: bool) -> Result<Exported> {
    let mut exported = Exported::default();
    let failed = |e: csv::Error| match e.into_kind() {
        csv::ErrorKind::Io(e) => Error::io(to, e),
        other => Error::input(to.to_string_lossy(), None, format!("{other:?}")),
    };
    let mut table = csv::Writer::from_writer(out);
    let header = &EXPORTED[..EXPORTED.len() - usize::from(!vectors)];
    table.write_record(header).map_err(failed)?;
    rows.each(|row| {
        let a = row.article;
        let (topic, label, similarity) = match row.topic {
            Some((id, label, similarity)) => (id.to_string(), label, similarity.to_string()),
            None => Default::default(),
        };
        let mut record = vec![
            a.id,
            a.title,
            a.text,
            a.date.unwrap_or_default(),
            a.source.unwrap_or_default(),
            a.url.unwrap_or_default(),
            Value::Object(a.meta).to_string(),
            topic,
            label,
            similarity,
        ];
        record.extend(vectors.then(|| row.vector.map_or(String::new(), |v| json!(v).to_string())));
        table.write_record(&record).map_err(failed)?;
        exported.articles += 1;
        Ok(())
    })?;
    table.flush().map_err(|e| Error::io(to, e))?;
    Ok(exported)
}

fn npy(rows: &Rows<'_>, out: &mut NewFile, to: &Path) -> Result<Exported> {
    let io = |e| Error::io(to, e);
    let mut exported = Exported::default();
    let mut dim = rows.store.identity()?.map_or(0, |i| i.dim);
    // The shape is known at the end; the header keeps room for any.
    out.write_all(&npy_header(u64::MAX, dim)).map_err(io)?;
    let mut ids = String::new();
    rows.each(|row| {
        let Some(vector) = row.vector else {
            exported.without_vector += 1;
            return Ok(());
        };
        dim = vector.len();
        for x in vector {
            out.write_all(&x.to_le_bytes()).map_err(io)?;
        }
        ids.push_str(&row.article.id.replace('\n', " "));
        ids.push('\n');
        exported.articles += 1;
        Ok(())
    })?;
    out.seek(SeekFrom::Start(0)).map_err(|e| match e.kind() {
        // Its beginning says how many rows there are, and is written last.
        std::io::ErrorKind::NotSeekable => Error::parameter(
            "to",
            "NumPy's format needs a file, not a pipe: how many rows there are stands first in it",
        ),
        _ => Error::io(to, e),
    })?;
    out.write_all(&npy_header(exported.articles, dim))
        .map_err(io)?;
    out.flush().map_err(io)?;
    // Beside a device such as /dev/null nothing is made.
    if to.metadata().is_ok_and(|m| !m.is_file()) {
        return Ok(exported);
    }
    let ids_path = to.with_extension("ids.txt");
    let mut file = NewFile::create(&ids_path)?;
    let written = file.write_all(ids.as_bytes());
    written.map_err(|e| Error::io(&ids_path, e))?;
    file.finish()?;
    Ok(exported)
}

/// The header of NumPy's format 1.0 for an f32 array of (rows, dim), always 128 bytes:
/// <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.
pub fn npy_header(rows: u64, dim: usize) -> Vec<u8> {
    npy_header_of("<f4", rows, dim)
}

const SCHEMA: &str = "message article {
    required binary id (UTF8);
    required binary title (UTF8);
    required binary text (UTF8);
    optional binary date (UTF8);
    optional binary source (UTF8);
    optional binary url (UTF8);
    required binary metadata (UTF8);
    optional int64 topic;
    optional binary topic_label (UTF8);
    optional float topic_similarity;
    optional group vector (LIST) { repeated group list { required float element; } }
}";

fn parquet(rows: &Rows<'_>, file: File, to: &Path) -> Result<Exported> {
    let failed = |e: ParquetError| match e {
        ParquetError::External(source) => match source.downcast::<std::io::Error>() {
            Ok(e) => Error::io(to, *e),
            Err(e) => Error::input(to.to_string_lossy(), None, e.to_string()),
        },
        other => Error::input(to.to_string_lossy(), None, other.to_string()),
    };
    let schema = Arc::new(parse_message_type(SCHEMA).map_err(failed)?);
    let properties = Arc::new(
        WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_created_by(concat!("nearwise ", env!("CARGO_PKG_VERSION")).to_string())
            .build(),
    );
    let mut writer = SerializedFileWriter::new(file, schema, properties).map_err(failed)?;
    let mut exported = Exported::default();
    let mut group: Vec<ExportRow> = Vec::new();
    let mut flush = |group: &mut Vec<ExportRow>| -> Result<()> {
        if group.is_empty() {
            return Ok(());
        }
        let mut go = || -> std::result::Result<(), ParquetError> {
            let mut row_group = writer.next_row_group()?;
            write_group(&mut row_group, group)?;
            row_group.close()?;
            Ok(())
        };
        go().map_err(failed)?;
        group.clear();
        Ok(())
    };
    rows.each(|row| {
        exported.articles += 1;
        group.push(row);
        if group.len() >= 4096 {
            flush(&mut group)?;
        }
        Ok(())
    })?;
    flush(&mut group)?;
    writer.close().map_err(failed)?;
    Ok(exported)
}

fn write_group(
    group: &mut SerializedRowGroupWriter<'_, File>,
    rows: &[ExportRow],
) -> std::result::Result<(), ParquetError> {
    let text = |s: &str| ByteArray::from(s.as_bytes().to_vec());
    let optional = |get: &dyn Fn(&ExportRow) -> Option<String>| {
        let mut values = Vec::new();
        let mut levels = Vec::with_capacity(rows.len());
        for row in rows {
            let value = get(row);
            levels.push(i16::from(value.is_some()));
            values.extend(value.map(|v| ByteArray::from(v.into_bytes())));
        }
        (values, levels)
    };
    let mut column = 0;
    while let Some(mut writer) = group.next_column()? {
        let strings = match column {
            0 => Some((rows.iter().map(|r| text(&r.article.id)).collect(), None)),
            1 => Some((rows.iter().map(|r| text(&r.article.title)).collect(), None)),
            2 => Some((rows.iter().map(|r| text(&r.article.text)).collect(), None)),
            3 => Some(optional(&|r| r.article.date.clone())).map(|(v, l)| (v, Some(l))),
            4 => Some(optional(&|r| r.article.source.clone())).map(|(v, l)| (v, Some(l))),
            5 => Some(optional(&|r| r.article.url.clone())).map(|(v, l)| (v, Some(l))),
            6 => {
                let metadata =
                    |r: &ExportRow| text(&Value::Object(r.article.meta.clone()).to_string());
                Some((rows.iter().map(metadata).collect::<Vec<_>>(), None))
            }
            8 => {
                let labels = optional(&|r| r.topic.as_ref().map(|(_, label, _)| label.clone()));
                Some((labels.0, Some(labels.1)))
            }
            _ => None,
        };
        if let Some((values, levels)) = strings {
            writer
                .typed::<ByteArrayType>()
                .write_batch(&values, levels.as_deref(), None)?;
        } else if column == 7 {
            let values: Vec<i64> = rows
                .iter()
                .filter_map(|r| r.topic.as_ref().map(|t| t.0))
                .collect();
            let levels: Vec<i16> = rows.iter().map(|r| i16::from(r.topic.is_some())).collect();
            writer
                .typed::<Int64Type>()
                .write_batch(&values, Some(&levels), None)?;
        } else if column == 9 {
            let similarities = rows.iter().filter_map(|r| r.topic.as_ref().map(|t| t.2));
            let values: Vec<f32> = similarities.collect();
            let levels: Vec<i16> = rows.iter().map(|r| i16::from(r.topic.is_some())).collect();
            writer
                .typed::<FloatType>()
                .write_batch(&values, Some(&levels), None)?;
        } else {
            let mut values = Vec::new();
            let mut definition = Vec::new();
            let mut repetition = Vec::new();
            for row in rows {
                match &row.vector {
                    Some(vector) => {
                        for (i, &x) in vector.iter().enumerate() {
                            values.push(x);
                            definition.push(2);
                            repetition.push(i16::from(i > 0));
                        }
                    }
                    None => {
                        definition.push(0);
                        repetition.push(0);
                    }
                }
            }
            writer.typed::<FloatType>().write_batch(
                &values,
                Some(&definition),
                Some(&repetition),
            )?;
        }
        writer.close()?;
        column += 1;
    }
    Ok(())
}
