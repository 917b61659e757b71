//! Parquet, read row by row.

use super::Context;
use crate::error::Result;
use chrono::DateTime;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use serde_json::{Map, Number, Value};
use std::fs::File;

pub(super) fn read(file: File, context: &mut Context<'_>) -> Result<()> {
    let reader = match SerializedFileReader::new(file) {
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
    let rows = match reader.get_row_iter(None) {
        Ok(rows) => rows,
        Err(e) => return context.bad(None, format!("not a readable Parquet file ({e})")),
    };
    for (number, row) in (1..).zip(rows) {
        let row = match row {
            Ok(row) => row,
            // A page that cannot be read ends the file: what follows it has no known start.
            Err(e) => return context.bad(Some(number), format!("damaged ({e})")),
        };
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
