//! Objects that hold a table: its columns, as pandas writes them, or its rows by their keys.

use super::exports::pages;
use crate::corpus::columns::{Columns, Mapping, Role};
use serde_json::{Map, Value};

/// `{"columns": ["title", "text"], "data": [["T", "C"], …]}`, as pandas writes it where it is told to
/// split.
fn split(object: &Map<String, Value>) -> Option<Vec<Map<String, Value>>> {
    let names = object.get("columns")?.as_array()?;
    let names: Option<Vec<&str>> = names.iter().map(Value::as_str).collect();
    let names = names.filter(|names| !names.is_empty())?;
    let row = |row: &Value| {
        let cells = row.as_array().filter(|cells| cells.len() == names.len())?;
        let cells = names.iter().zip(cells);
        Some(
            cells
                .map(|(name, cell)| ((*name).to_string(), cell.clone()))
                .collect(),
        )
    };
    object.get("data")?.as_array()?.iter().map(row).collect()
}

/// `{"title": ["T", …], "text": ["C", …]}`: lists of one length, of which one has the text. A list
/// alone is the paragraphs of one.
fn columns_of(
    object: &Map<String, Value>,
    mapping: Option<&Mapping>,
) -> Option<Vec<Map<String, Value>>> {
    let mapping = mapping?;
    let texts = mapping.column(Role::Text).or(mapping.column(Role::Title))?;
    let texts = object.get(texts)?.as_array()?;
    let alike = |column: &Value| column.as_array().is_some_and(|c| c.len() == texts.len());
    if object.len() < 2 || texts.len() < 2 || !object.values().all(alike) {
        return None;
    }
    let row = |i: usize| {
        let cells = object.iter();
        cells
            .filter_map(|(name, column)| Some((name.clone(), column.get(i)?.clone())))
            .collect()
    };
    Some((0..texts.len()).map(row).collect())
}

/// The rows of an object that is no article: `{"title": {"0": …}, "text": {"0": …}}` with the roles
/// of its names in `mapping`, or `{"key": {"title": …, "text": …}}`.
pub(super) fn rows(
    object: &Map<String, Value>,
    mapping: Option<&Mapping>,
    columns: &Columns,
) -> Option<Vec<Map<String, Value>>> {
    let table = split(object).or_else(|| columns_of(object, mapping));
    if let Some(rows) = table.or_else(|| pages(object)) {
        return Some(rows);
    }
    if !object.values().all(Value::is_object) {
        return None;
    }
    if let Some(text) = mapping.and_then(|mapping| mapping.column(Role::Text)) {
        let cells = object.get(text)?.as_object()?;
        // An object that is one article has others in it.
        if cells.values().any(Value::is_object) {
            return None;
        }
        // Columns of one table have the same rows; objects about one thing have members of their own.
        let alike = |column: &Value| {
            let rows = column.as_object();
            rows.is_some_and(|rows| rows.len() == cells.len() && rows.keys().eq(cells.keys()))
        };
        if !object.values().all(alike) {
            return None;
        }
        let keys = cells.keys();
        let cell = |key: &String, (name, column): (&String, &Value)| {
            Some((name.clone(), column.as_object()?.get(key)?.clone()))
        };
        let row = |key| {
            object
                .iter()
                .filter_map(|member| cell(key, member))
                .collect()
        };
        return Some(keys.map(row).collect());
    }
    let members = object.iter();
    let rows = members.filter_map(|(key, row)| Some((key, row.as_object()?)));
    let (_, first) = rows.clone().next()?;
    let names: Vec<String> = first.keys().cloned().collect();
    let mapping = columns.map_first(&names).ok()?;
    mapping.column(Role::Text)?;
    // Its key names a row that has no other name.
    let id = mapping.column(Role::Id).is_none();
    let with_id = |(key, row): (&String, &Map<String, Value>)| {
        let mut row = row.clone();
        if id && !row.contains_key("id") {
            row.insert("id".to_string(), Value::String(key.clone()));
        }
        row
    };
    Some(rows.map(with_id).collect())
}
