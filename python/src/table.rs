//! Articles of a corpus as Arrow record batches.

use arrow_array::builder::{FixedSizeListBuilder, Float32Builder, Int64Builder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch, RecordBatchIterator, RecordBatchReader};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use nearwise::store::StoredArticle;
use nearwise::{Error, ErrorKind, Filter, Job, Reader, Result};
use std::sync::Arc;

/// Rows of a batch.
const ROWS: usize = 4096;

/// A table in pieces.
pub(crate) struct Batches {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
}

impl Batches {
    /// Whatever reads the table; the memory is shared.
    pub(crate) fn reader(&self) -> Box<dyn RecordBatchReader + Send> {
        let batches = self.batches.clone().into_iter().map(Ok::<_, ArrowError>);
        Box::new(RecordBatchIterator::new(batches, self.schema.clone()))
    }

    pub(crate) fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let fields = self.schema.fields().iter();
        fields.map(|field| field.name().clone()).collect()
    }
}

/// The columns under way.
struct Building {
    schema: SchemaRef,
    /// id, title, text, date, source, url, origin, metadata
    texts: [StringBuilder; 8],
    topic: Int64Builder,
    topic_label: StringBuilder,
    vector: Option<FixedSizeListBuilder<Float32Builder>>,
    dim: usize,
    rows: usize,
    done: Vec<RecordBatch>,
}

const NAMES: [&str; 8] = [
    "id", "title", "text", "date", "source", "url", "origin", "metadata",
];

fn broken(e: ArrowError) -> Error {
    Error::new(ErrorKind::Internal, "internal error", e.to_string())
}

impl Building {
    fn new(dim: Option<usize>) -> Result<Self> {
        let width = dim.unwrap_or(0);
        let many = || {
            let message = format!("{width} values");
            Error::new(ErrorKind::Internal, "internal error", message)
        };
        let size = i32::try_from(width).map_err(|_| many())?;
        let item = Arc::new(Field::new("item", DataType::Float32, false));
        let mut fields: Vec<Field> = NAMES
            .iter()
            .map(|name| {
                let always = matches!(*name, "id" | "title" | "text" | "origin" | "metadata");
                Field::new(*name, DataType::Utf8, !always)
            })
            .collect();
        fields.push(Field::new("topic", DataType::Int64, true));
        fields.push(Field::new("topic_label", DataType::Utf8, true));
        let vector = dim.map(|_| {
            let list = DataType::FixedSizeList(item.clone(), size);
            fields.push(Field::new("vector", list, true));
            FixedSizeListBuilder::new(Float32Builder::new(), size).with_field(item)
        });
        Ok(Self {
            schema: Arc::new(Schema::new(fields)),
            texts: Default::default(),
            topic: Int64Builder::new(),
            topic_label: StringBuilder::new(),
            vector,
            dim: width,
            rows: 0,
            done: Vec::new(),
        })
    }

    fn push(&mut self, reader: &Reader, article: &StoredArticle) -> Result<()> {
        let meta = crate::corpus::json(&article.meta)?;
        let values = [
            Some(article.id.as_str()),
            Some(article.title.as_str()),
            Some(article.text.as_str()),
            article.date.as_deref(),
            article.source.as_deref(),
            article.url.as_deref(),
            Some(article.origin.as_str()),
            Some(meta.as_str()),
        ];
        for (column, value) in self.texts.iter_mut().zip(values) {
            column.append_option(value);
        }
        let topic = reader.topic_of(article.key)?;
        self.topic.append_option(topic.as_ref().map(|t| t.0));
        self.topic_label
            .append_option(topic.as_ref().map(|t| t.1.as_str()));
        if let Some(column) = &mut self.vector {
            let vector = reader.article_vector(article.key)?;
            let vector = vector.filter(|v| v.len() == self.dim);
            match &vector {
                Some(vector) => column.values().append_slice(vector),
                None => column.values().append_slice(&vec![0.0; self.dim]),
            }
            column.append(vector.is_some());
        }
        self.rows += 1;
        if self.rows == ROWS {
            self.cut()?;
        }
        Ok(())
    }

    fn cut(&mut self) -> Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        self.rows = 0;
        let mut columns: Vec<ArrayRef> = Vec::new();
        for column in &mut self.texts {
            columns.push(Arc::new(column.finish()));
        }
        columns.push(Arc::new(self.topic.finish()));
        columns.push(Arc::new(self.topic_label.finish()));
        if let Some(column) = &mut self.vector {
            columns.push(Arc::new(column.finish()));
        }
        let batch = RecordBatch::try_new(self.schema.clone(), columns).map_err(broken)?;
        self.done.push(batch);
        Ok(())
    }
}

/// The articles that the filter lets through, in the order in which they were read.
pub(crate) fn batches(
    reader: &Reader,
    filter: Option<&Filter>,
    vectors: bool,
    job: &Job,
) -> Result<Batches> {
    let dim = match vectors {
        true => Some(reader.identity()?.map_or(0, |identity| identity.dim)),
        false => None,
    };
    let mut building = Building::new(dim)?;
    match filter {
        None => reader.each_article(|article| {
            job.check()?;
            building.push(reader, &article)
        })?,
        Some(filter) => {
            for key in reader.matching(filter)? {
                job.check()?;
                building.push(reader, &reader.article_at(key)?)?;
            }
        }
    }
    building.cut()?;
    Ok(Batches {
        schema: building.schema,
        batches: building.done,
    })
}
