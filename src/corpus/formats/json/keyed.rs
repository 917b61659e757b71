//! Objects that hold a table: its columns, as pandas writes them, or its rows by their keys.

use crate::corpus::columns::{Columns, Mapping, Role};
use serde_json::{Map, Value};

/// The rows of an object that is no article: `{"title": {"0": …}, "text": {"0": …}}` with the roles
/// of its names in `mapping`, or `{"key": {"title": …, "text": …}}`.
pub(super) fn rows(
    object: &Map<String, Value>,
    mapping: Option<&Mapping>,
    columns: &Columns,
) -> Option<Vec<Map<String, Value>>> {
    if !object.values().all(Value::is_object) {
        return None;
    }
    if let Some(text) = mapping.and_then(|mapping| mapping.column(Role::Text)) {
        let keys = object.get(text)?.as_object()?.keys();
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
    let mapping = columns.map(&names).ok()?;
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
