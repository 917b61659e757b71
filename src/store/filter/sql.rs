//! A filter as SQL: the condition, and the values that it holds places for.
//!
//! Nothing of a filter ever becomes part of the SQL text: names of metadata and values are bound.

use super::field::Known;
use super::{Field, Filter, Op, Value};
use crate::error::{Error, ErrorKind, Result};
use rusqlite::types::Value as Bound;
use std::collections::BTreeMap;

/// SQLite takes expressions up to 1000 deep; the queries around a condition need a few.
const HEIGHT: usize = 900;
/// The height of a comparison, at most: what surrounds the field, and the field.
const LEAF: usize = 16;
/// SQLite takes 32,766 values, but the time it takes to prepare grows with their square. A
/// comparison binds up to four.
const BOUND: usize = 20_000;

/// A condition over the table alias `a`, with a `?` for each value. It is in brackets, and its
/// result is 1, or 0 or NULL, which is as good as 0.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Condition {
    pub(crate) sql: String,
    pub(crate) values: Vec<Bound>,
}

/// What a filter is in SQL, in a corpus with this metadata.
pub(super) fn compile(filter: &Filter, metadata: &[String]) -> Result<Condition> {
    if filter.is_too_deep() {
        return Err(refused("it is nested too deeply"));
    }
    let mut compiler = Compiler {
        metadata,
        sql: "(".to_string(),
        values: Vec::new(),
    };
    let height = compiler.filter(filter)?;
    if height > HEIGHT {
        return Err(refused("it is nested too deeply"));
    }
    compiler.sql.push(')');
    Ok(Condition {
        sql: compiler.sql,
        values: compiler.values,
    })
}

/// There is no text that this would be a position in.
fn refused(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidFilter { position: 0 }, "filter", message)
}

struct Compiler<'a> {
    metadata: &'a [String],
    sql: String,
    values: Vec<Bound>,
}

/// As what a field is compared, which depends on the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Text,
    Number,
    /// This many characters of a date.
    Start(usize),
    /// The label of a topic.
    Label,
}

/// As what a field is compared with a value, and the value to bind.
fn operand(known: Known<'_>, value: &Value) -> Result<(Side, Bound)> {
    let number = match value {
        Value::Text(text) => {
            let side = match known {
                // Compare as many characters as are given: a day holds all its hours.
                Known::Date => Side::Start(text.chars().count()),
                Known::Topic => Side::Label,
                _ => Side::Text,
            };
            return Ok((side, Bound::Text(text.clone())));
        }
        Value::Number(number) if !number.is_finite() => {
            return Err(refused(format!("{number} is no number to compare with")));
        }
        Value::Number(number) => *number,
        Value::Bool(truth) => f64::from(u8::from(*truth)),
    };
    Ok(match known {
        Known::Date => (Side::Start(4), Bound::Text(format!("{number:04}"))),
        _ => (Side::Number, Bound::Real(number)),
    })
}

impl<'a> Compiler<'a> {
    /// Writes a filter, and returns how high its expression is.
    fn filter(&mut self, filter: &Filter) -> Result<usize> {
        match filter {
            Filter::And(parts) => self.chain(parts, "1", " AND ", Self::filter),
            Filter::Or(parts) => self.chain(parts, "0", " OR ", Self::filter),
            Filter::Not(inner) => {
                // An unknown value is no match, so its negation matches.
                self.sql.push_str("NOT coalesce(");
                let height = self.filter(inner)?;
                self.sql.push_str(", 0)");
                Ok(height + 2)
            }
            Filter::Compare { field, op, value } => {
                let known = self.find(field)?;
                self.compare(known, *op, value)
            }
            Filter::Between { field, low, high } => {
                let known = self.find(field)?;
                self.sql.push('(');
                self.compare(known, Op::Ge, low)?;
                self.sql.push_str(" AND ");
                self.compare(known, Op::Le, high)?;
                self.sql.push(')');
                Ok(LEAF + 1)
            }
            Filter::In { field, values } => {
                let known = self.find(field)?;
                self.any_of(known, values)
            }
            Filter::Contains { field, text } => {
                let known = self.find(field)?;
                // Not LIKE, which refuses long texts and stops at a NUL.
                self.sql.push_str("(instr(lower(");
                self.column(known)?;
                self.sql.push_str("), lower(?)) > 0)");
                self.bind(Bound::Text(text.clone()))?;
                Ok(LEAF)
            }
            Filter::IsNull { field } => {
                let known = self.find(field)?;
                self.sql.push('(');
                self.column(known)?;
                self.sql.push_str(" IS NULL)");
                Ok(LEAF)
            }
        }
    }

    /// Writes a chain as a balanced tree, which is as low as can be.
    fn chain<T>(
        &mut self,
        parts: &[T],
        empty: &str,
        operator: &str,
        one: fn(&mut Self, &T) -> Result<usize>,
    ) -> Result<usize> {
        match parts {
            [] => {
                self.sql.push_str(empty);
                Ok(1)
            }
            [part] => one(self, part),
            _ => {
                let (left, right) = parts.split_at(parts.len() / 2);
                self.sql.push('(');
                let left = self.chain(left, empty, operator, one)?;
                self.sql.push_str(operator);
                let right = self.chain(right, empty, operator, one)?;
                self.sql.push(')');
                Ok(left.max(right) + 1)
            }
        }
    }

    fn find(&self, field: &Field) -> Result<Known<'a>> {
        field.find(self.metadata).map_err(refused)
    }

    fn bind(&mut self, value: Bound) -> Result<()> {
        if self.values.len() == BOUND {
            return Err(refused("it has too many comparisons"));
        }
        self.values.push(value);
        Ok(())
    }

    fn compare(&mut self, known: Known<'_>, op: Op, value: &Value) -> Result<usize> {
        let (side, value) = operand(known, value)?;
        self.sql.push('(');
        self.side(known, side)?;
        self.sql.push_str(match op {
            Op::Eq => " = ?)",
            Op::Ne => " <> ?)",
            Op::Lt => " < ?)",
            Op::Le => " <= ?)",
            Op::Gt => " > ?)",
            Op::Ge => " >= ?)",
        });
        self.bind(value)?;
        Ok(LEAF)
    }

    /// However many values there are, they are bound as one list for each way of comparing.
    fn any_of(&mut self, known: Known<'_>, values: &[Value]) -> Result<usize> {
        let mut lists: BTreeMap<Side, Vec<serde_json::Value>> = BTreeMap::new();
        for value in values {
            let (side, value) = operand(known, value)?;
            lists.entry(side).or_default().push(match value {
                Bound::Real(number) => number.into(),
                Bound::Text(text) => text.into(),
                // `operand` makes no other.
                _ => serde_json::Value::Null,
            });
        }
        let lists: Vec<_> = lists
            .into_iter()
            .map(|(side, list)| (known, side, serde_json::Value::from(list).to_string()))
            .collect();
        self.chain(&lists, "0", " OR ", |to, (known, side, list)| {
            to.sql.push('(');
            to.side(*known, *side)?;
            to.sql.push_str(" IN (SELECT value FROM json_each(?)))");
            to.bind(Bound::Text(list.clone()))?;
            Ok(LEAF)
        })
    }

    /// Writes a field as it is compared.
    fn side(&mut self, known: Known<'_>, side: Side) -> Result<()> {
        let (before, after) = match side {
            Side::Text => ("CAST(", " AS TEXT)".to_string()),
            // Numbers from CSV are texts; a text that begins as no number is none.
            Side::Number => (
                "(SELECT CASE WHEN typeof(v) = 'text' AND v NOT GLOB '[-+.0-9]*' THEN NULL \
                 ELSE CAST(v AS REAL) END FROM (SELECT ",
                " AS v))".to_string(),
            ),
            Side::Start(length) => ("substr(", format!(", 1, {length})")),
            Side::Label => (
                "(SELECT l.label FROM topic l WHERE l.id = ",
                ")".to_string(),
            ),
        };
        self.sql.push_str(before);
        self.column(known)?;
        self.sql.push_str(&after);
        Ok(())
    }

    /// Writes a field.
    fn column(&mut self, known: Known<'_>) -> Result<()> {
        let column = match known {
            Known::Id => "a.ext_id",
            Known::Title => "a.title",
            Known::Text => "a.text",
            Known::Date => "a.date",
            Known::Url => "a.url",
            Known::Source => "a.source",
            Known::Origin => "a.origin",
            Known::Topic => "(SELECT t.topic FROM article_topic t WHERE t.article = a.id)",
            Known::Metadata(name) => {
                self.bind(Bound::Text(name.to_string()))?;
                "(SELECT j.value FROM json_each(a.meta) j WHERE j.key = ?)"
            }
        };
        self.sql.push_str(column);
        Ok(())
    }
}
