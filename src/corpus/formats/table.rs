//! CSV and TSV with a header row.

use super::{Bounded, Context};
use crate::corpus::columns::proposed;
use crate::corpus::decode::Decoder;
use crate::error::{Error, Result};
use serde_json::{Map, Value};
use std::io::Read;

pub(super) fn read(
    stream: impl Read,
    delimiter: u8,
    decoder: &mut Decoder,
    context: &mut Context<'_>,
) -> Result<()> {
    let (stream, since_record) = Bounded::new(stream);
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .from_reader(stream);
    let header = match reader.byte_headers() {
        Ok(header) => header.clone(),
        Err(e) if too_long(&e) => return context.bad(Some(1), TOO_LONG),
        Err(e) => return Err(Error::input(context.path, Some(1), e.to_string())),
    };
    let names: Vec<String> = header
        .iter()
        .map(|name| decoder.decode(name).trim().to_string())
        .collect();
    let mapping = match context.columns.map(&names) {
        Ok(mapping) => mapping,
        Err(message) => {
            let rows = reader
                .into_byte_records()
                .take(SAMPLED)
                .filter_map(|record| record.ok());
            let sample: Vec<Map<String, Value>> = rows
                .map(|record: csv::ByteRecord| row(&names, &record, decoder))
                .collect();
            return context.bad(Some(1), proposed(message, &sample));
        }
    };
    context.report(&mapping);
    let mut record = csv::ByteRecord::new();
    loop {
        since_record.set(0);
        let begins = reader.position().line();
        match reader.read_byte_record(&mut record) {
            // Where the next record begins is not known.
            Err(e) if too_long(&e) => return context.bad(Some(begins), TOO_LONG),
            Ok(false) => return Ok(()),
            Ok(true) => {}
            Err(e) => {
                if e.is_io_error() {
                    return Err(Error::input(context.path, None, e.to_string()));
                }
                let row = e.position().map(csv::Position::line);
                let message = match e.kind() {
                    csv::ErrorKind::UnequalLengths {
                        expected_len, len, ..
                    } => format!(
                        "{len} fields where the header has {expected_len}; quote fields that hold the separator"
                    ),
                    _ => e.to_string(),
                };
                context.bad(row, message)?;
                continue;
            }
        }
        let line = record.position().map(csv::Position::line);
        match mapping.article(row(&names, &record, decoder)) {
            Ok(mut article) => {
                article.origin = context.origin.to_string();
                article.row = line;
                context.sink.article(article)?;
            }
            Err(message) => context.bad(line, message)?,
        }
    }
}

fn row(names: &[String], record: &csv::ByteRecord, decoder: &mut Decoder) -> Map<String, Value> {
    names
        .iter()
        .zip(record)
        .filter(|(_, field)| !field.is_empty())
        .map(|(name, field)| {
            let text = decoder.decode(field).into_owned();
            (name.clone(), Value::String(text))
        })
        .collect()
}

/// How many rows tell which column is likeliest the text, where none is called so.
const SAMPLED: usize = 20;

const TOO_LONG: &str = "a record longer than 64 MiB begins here; is a quote not closed?";

fn too_long(e: &csv::Error) -> bool {
    matches!(e.kind(), csv::ErrorKind::Io(e) if e.kind() == std::io::ErrorKind::FileTooLarge)
}
