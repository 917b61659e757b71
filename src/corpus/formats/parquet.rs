//! Parquet, read row by row.

mod footer;

use super::{Context, LONGEST};
use crate::corpus::columns::proposed;
use crate::corpus::decode::looks_binary;
use crate::guard;
use chrono::{DateTime, Utc};
use parquet::basic::{LogicalType, TimeUnit};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use parquet::schema::types::Type;
use serde_json::{Map, Number, Value};
use std::fs::File;

/// How many rows tell which column is likeliest the text, where none is called so.
const SAMPLED: usize = 20;

pub(super) fn read(mut file: File, context: &mut Context<'_>) -> crate::error::Result<()> {
    if let Err(why) = footer::check(&mut file) {
        return context.bad(None, format!("not a readable Parquet file ({why})"));
    }
    let reader = match guarded(context.path, || SerializedFileReader::new(file)) {
        Ok(reader) => reader,
        Err(e) => return context.bad(None, format!("not a readable Parquet file ({e})")),
    };
    let schema = reader.metadata().file_metadata().schema();
    let names: Vec<String> = schema
        .get_fields()
        .iter()
        .map(|f| f.name().to_string())
        .collect();
    let mut rows = match guarded(context.path, || reader.get_row_iter(None)) {
        Ok(rows) => rows,
        Err(e) => return context.bad(None, format!("not a readable Parquet file ({e})")),
    };
    let mapping = match context.options.columns.map(&names) {
        Ok(mapping) => mapping,
        Err(message) => {
            let mut next = || {
                guarded(context.path, || rows.next().transpose())
                    .ok()
                    .flatten()
            };
            let sample: Vec<_> = std::iter::from_fn(|| next().map(|row| fields(&row, schema)))
                .take(SAMPLED)
                .collect();
            return context.bad(None, proposed(message, &sample));
        }
    };
    context.report(&mapping);
    for number in 1.. {
        let row = match guarded(context.path, || rows.next().transpose()) {
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
        match mapping.article(fields(&row, schema)) {
            Ok(article) => context.item(article, number)?,
            Err(message) => context.bad(Some(number), message)?,
        }
    }
    Ok(())
}

/// What the Parquet library says, also where it panics on a file that is not what it says it is.
fn guarded<T>(path: &str, f: impl FnOnce() -> parquet::errors::Result<T>) -> Result<T, String> {
    match guard::guarded(path, f) {
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
        Field::MapInternal(map) => map.entries().iter().map(|(k, v)| size(k) + size(v)).sum(),
        Field::Group(row) => row.get_column_iter().map(|(_, field)| size(field)).sum(),
        _ => 8,
    }
}

/// The row or struct as JSON. The reader leaves some types as plain numbers and bytes, so the
/// schema goes along.
fn fields(row: &Row, schema: &Type) -> Map<String, Value> {
    let types = if schema.is_group() {
        schema.get_fields()
    } else {
        &[]
    };
    let named = |name: &str, i: usize| types.get(i).filter(|t| t.name() == name);
    row.get_column_iter()
        .enumerate()
        .map(|(i, (name, field))| {
            (
                name.clone(),
                value(field, named(name, i).map(AsRef::as_ref)),
            )
        })
        .collect()
}

/// The type of a list's elements, of three levels or of the two of old writers.
fn element(list: Option<&Type>) -> Option<&Type> {
    let list = list?;
    if list.is_primitive() {
        return Some(list);
    }
    let repeated = list.get_fields().first()?;
    if repeated.is_group() && repeated.get_fields().len() == 1 {
        return repeated.get_fields().first().map(AsRef::as_ref);
    }
    Some(repeated)
}

fn value(field: &Field, kind: Option<&Type>) -> Value {
    let logical = kind.and_then(|k| k.get_basic_info().logical_type_ref());
    let seconds = |t: Option<DateTime<Utc>>, raw: i64| {
        t.map_or(Value::from(raw), |t| {
            Value::String(t.format("%Y-%m-%dT%H:%M:%S").to_string())
        })
    };
    match field {
        Field::Null => Value::Null,
        Field::Bool(b) => Value::Bool(*b),
        Field::Byte(n) => Value::from(*n),
        Field::Short(n) => Value::from(*n),
        Field::Int(n) => Value::from(*n),
        Field::Long(n) => match logical {
            Some(LogicalType::Timestamp(time)) if time.unit == TimeUnit::NANOS => {
                seconds(Some(DateTime::from_timestamp_nanos(*n)), *n)
            }
            _ => Value::from(*n),
        },
        Field::UByte(n) => Value::from(*n),
        Field::UShort(n) => Value::from(*n),
        Field::UInt(n) => Value::from(*n),
        Field::ULong(n) => Value::from(*n),
        Field::Float16(x) => Number::from_f64(f64::from(*x)).map_or(Value::Null, Value::Number),
        // As short as it was written: 0.1 and not 0.10000000149011612.
        Field::Float(x) => match x.to_string().parse().ok().and_then(Number::from_f64) {
            Some(number) => Value::Number(number),
            None => Value::Null,
        },
        Field::Double(x) => Number::from_f64(*x).map_or(Value::Null, Value::Number),
        Field::Decimal(_) => decimal(&field.to_string()),
        Field::Str(s) if logical == Some(&LogicalType::Json) => {
            serde_json::from_str(s).unwrap_or_else(|_| Value::String(s.clone()))
        }
        Field::Str(s) => Value::String(s.clone()),
        Field::Bytes(b) if logical == Some(&LogicalType::Uuid) && b.len() == 16 => {
            Value::String(uuid(b.data()))
        }
        // Strings written without their logical type come as bytes; what is no text is a picture
        // or the like, and no metadata.
        Field::Bytes(b) => match b.as_utf8() {
            Ok(s) => Value::String(s.to_string()),
            // A byte that is wrong is replaced, as in any other text.
            Err(_) if !looks_binary(b.data()) => {
                Value::String(String::from_utf8_lossy(b.data()).into_owned())
            }
            Err(_) => Value::Null,
        },
        Field::Date(days) => DateTime::from_timestamp(i64::from(*days) * 86_400, 0)
            .map_or(Value::from(*days), |t| {
                Value::String(t.format("%Y-%m-%d").to_string())
            }),
        Field::TimestampMillis(ms) => seconds(DateTime::from_timestamp_millis(*ms), *ms),
        Field::TimestampMicros(us) => seconds(DateTime::from_timestamp_micros(*us), *us),
        Field::ListInternal(list) => {
            let kind = element(kind);
            Value::Array(list.elements().iter().map(|f| value(f, kind)).collect())
        }
        Field::MapInternal(map) => {
            let entry = kind
                .filter(|k| k.is_group())
                .and_then(|k| k.get_fields().first());
            let entry = entry
                .filter(|e| e.is_group())
                .map_or(&[][..], |e| e.get_fields());
            let kind = entry.get(1).map(AsRef::as_ref);
            let key = |field: &Field| match value(field, entry.first().map(AsRef::as_ref)) {
                Value::String(text) => text,
                other => other.to_string(),
            };
            let entries = map.entries().iter();
            Value::Object(entries.map(|(k, v)| (key(k), value(v, kind))).collect())
        }
        Field::Group(row) => match kind {
            Some(kind) => Value::Object(fields(row, kind)),
            None => Value::Object(
                row.get_column_iter()
                    .map(|(name, field)| (name.clone(), value(field, None)))
                    .collect(),
            ),
        },
        other => Value::String(other.to_string()),
    }
}

/// A number where it is one to the last digit, else its digits.
fn decimal(text: &str) -> Value {
    let digits = text.split_once('.').map_or(0, |(_, digits)| digits.len());
    text.parse::<f64>()
        .ok()
        .filter(|x| format!("{x:.digits$}") == text)
        .and_then(Number::from_f64)
        .map_or_else(|| Value::String(text.to_string()), Value::Number)
}

fn uuid(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(36);
    for (i, byte) in bytes.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}
