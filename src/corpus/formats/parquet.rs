//! Parquet, read row by row.

use super::{Context, LONGEST};
use chrono::DateTime;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use serde_json::{Map, Number, Value};
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub(super) fn read(file: File, context: &mut Context<'_>) -> crate::error::Result<()> {
    let reader = match guarded(|| SerializedFileReader::new(file)) {
        Ok(reader) => reader,
        Err(e) => return context.bad(None, format!("not a readable Parquet file ({e})")),
    };
    let names: Vec<String> = reader
        .metadata()
        .file_metadata()
        .schema()
        .get_fields()
        .iter()
        .map(|field| field.name().to_string())
        .collect();
    let mapping = match context.columns.map(&names) {
        Ok(mapping) => mapping,
        Err(message) => return context.bad(None, message),
    };
    context.report(&mapping);
    let mut rows = match guarded(|| reader.get_row_iter(None)) {
        Ok(rows) => rows,
        Err(e) => return context.bad(None, format!("not a readable Parquet file ({e})")),
    };
    for number in 1.. {
        let row = match guarded(|| rows.next().transpose()) {
            Ok(Some(row)) => row,
            Ok(None) => return Ok(()),
            // A page that cannot be read ends the file: what follows it has no known start.
            Err(e) => return context.bad(Some(number), format!("damaged ({e})")),
        };
        let bytes: u64 = row.get_column_iter().map(|(_, field)| size(field)).sum();
        if bytes > LONGEST {
            context.bad(
                Some(number),
                "a row longer than 64 MiB, which is no one article",
            )?;
            continue;
        }
        let fields: Map<String, Value> = row
            .get_column_iter()
            .map(|(name, field)| (name.clone(), value(field)))
            .collect();
        match mapping.article(fields) {
            Ok(mut article) => {
                article.origin = context.origin.to_string();
                article.row = Some(number);
                context.sink.article(article)?;
            }
            Err(message) => context.bad(Some(number), message)?,
        }
    }
    Ok(())
}

/// What the Parquet library says, also where it panics on a file that is not what it says it is.
fn guarded<T>(f: impl FnOnce() -> parquet::errors::Result<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(outcome) => outcome.map_err(|e| e.to_string()),
        Err(_) => Err("its pages contradict each other".to_string()),
    }
}

/// About the bytes of a field's texts.
fn size(field: &Field) -> u64 {
    match field {
        Field::Str(s) => s.len() as u64,
        Field::Bytes(b) => b.len() as u64,
        Field::ListInternal(list) => list.elements().iter().map(size).sum(),
        Field::Group(row) => row.get_column_iter().map(|(_, field)| size(field)).sum(),
        _ => 8,
    }
}

fn value(field: &Field) -> Value {
    let seconds = |t: Option<DateTime<chrono::Utc>>| {
        t.map_or(Value::Null, |t| {
            Value::String(t.format("%Y-%m-%dT%H:%M:%S").to_string())
        })
    };
    match field {
        Field::Null => Value::Null,
        Field::Bool(b) => Value::Bool(*b),
        Field::Byte(n) => Value::from(*n),
        Field::Short(n) => Value::from(*n),
        Field::Int(n) => Value::from(*n),
        Field::Long(n) => Value::from(*n),
        Field::UByte(n) => Value::from(*n),
        Field::UShort(n) => Value::from(*n),
        Field::UInt(n) => Value::from(*n),
        Field::ULong(n) => Value::from(*n),
        Field::Float(x) => Number::from_f64(f64::from(*x)).map_or(Value::Null, Value::Number),
        Field::Double(x) => Number::from_f64(*x).map_or(Value::Null, Value::Number),
        Field::Str(s) => Value::String(s.clone()),
        // Strings written without their logical type come as bytes.
        Field::Bytes(b) => match b.as_utf8() {
            Ok(s) => Value::String(s.to_string()),
            Err(_) => Value::Null,
        },
        Field::Date(days) => DateTime::from_timestamp(i64::from(*days) * 86_400, 0)
            .map_or(Value::Null, |t| {
                Value::String(t.format("%Y-%m-%d").to_string())
            }),
        Field::TimestampMillis(ms) => seconds(DateTime::from_timestamp_millis(*ms)),
        Field::TimestampMicros(us) => seconds(DateTime::from_timestamp_micros(*us)),
        Field::ListInternal(list) => Value::Array(list.elements().iter().map(value).collect()),
        Field::Group(row) => Value::Object(
            row.get_column_iter()
                .map(|(name, field)| (name.clone(), value(field)))
                .collect(),
        ),
        other => Value::String(other.to_string()),
    }
}
