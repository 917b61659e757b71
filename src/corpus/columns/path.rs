//! Where a value stands in a row.

use serde_json::{Map, Value};

/// A column, or a way into the objects that it holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Path {
    pub(super) column: String,
    pub(super) inner: Vec<String>,
}

impl std::fmt::Display for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.column)?;
        self.inner.iter().try_for_each(|name| write!(f, ".{name}"))
    }
}

impl Path {
    pub(super) fn of(column: &str) -> Self {
        Self {
            column: column.to_string(),
            inner: Vec::new(),
        }
    }

    pub(super) fn get<'a>(&self, row: &'a Map<String, Value>) -> Option<&'a Value> {
        let first = row.get(&self.column);
        self.inner.iter().fold(first, |value, name| {
            let object = value?.as_object()?;
            object.get(key(object, name)?)
        })
    }

    /// Whether it leads into something that has no such key, or that has no keys. Where nothing stands, nobody
    /// knows what else would.
    pub(super) fn goes_astray(&self, row: &Map<String, Value>) -> bool {
        let mut value = row.get(&self.column);
        for name in &self.inner {
            value = match value {
                None | Some(Value::Null) => return false,
                Some(Value::Object(object)) if object.is_empty() => return false,
                Some(Value::Object(object)) => match key(object, name) {
                    Some(key) => object.get(key),
                    None => return true,
                },
                Some(_) => return true,
            };
        }
        false
    }

    /// Puts what is left of the value in its place, or takes it and objects that hold nothing
    /// else away.
    pub(super) fn put(&self, row: &mut Map<String, Value>, rest: Option<Value>) {
        fn inside(object: &mut Map<String, Value>, names: &[String], rest: Option<Value>) {
            let [name, inner @ ..] = names else { return };
            let Some(name) = key(object, name).cloned() else {
                return;
            };
            if let [_, ..] = inner
                && let Some(Value::Object(next)) = object.get_mut(&name)
            {
                inside(next, inner, rest);
                if next.is_empty() {
                    object.shift_remove(&name);
                }
                return;
            }
            match rest {
                Some(rest) => object.insert(name, rest),
                None => object.shift_remove(&name),
            };
        }
        if self.inner.is_empty() {
            // The row's last step takes out what is null; to take one out moves all behind it.
            if let Some(value) = row.get_mut(&self.column) {
                *value = rest.unwrap_or(Value::Null);
            }
            return;
        }
        let names: Vec<String> = std::iter::once(&self.column)
            .chain(&self.inner)
            .cloned()
            .collect();
        inside(row, &names, rest);
    }
}

/// The key as it is written, else in any case of letters.
fn key<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a String> {
    find(object.keys(), name)
}

pub(super) fn find<'a>(
    mut names: impl Iterator<Item = &'a String> + Clone,
    wanted: &str,
) -> Option<&'a String> {
    let lower = wanted.trim().to_lowercase();
    let exact = names.clone().find(|n| *n == wanted);
    exact.or_else(|| names.find(|n| n.trim().to_lowercase() == lower))
}
