//! A filter as SQL: the condition, and the values that it holds places for.
//!
//! Nothing of a filter ever becomes part of the SQL text: names of metadata and values are bound.

use super::field::Known;
use super::{Field, Filter, Op, Value, date};
use crate::error::{Error, ErrorKind, Result};
use rusqlite::types::Value as Bound;
use std::collections::BTreeMap;

/// SQLite takes expressions up to 1000 deep; the queries around a condition need a few.
const HEIGHT: usize = 900;
/// The height of a comparison, at most: what surrounds the field, and the field.
const LEAF: usize = 24;
/// SQLite takes 32,766 values, but the time it takes to prepare grows with their square. A
/// comparison binds up to four, and one more for each step into an object.
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
fn operand(known: &Known<'_>, value: &Value) -> Result<(Side, Bound)> {
    match value {
        Value::Number(number) if !number.is_finite() => {
            return Err(refused(format!("{number} is no number to compare with")));
        }
        _ => {}
    }
    if *known == Known::Date {
        // Compare as many characters as are given: a day holds all its hours.
        let date = date::operand(value).map_err(refused)?;
        return Ok((Side::Start(date.chars().count()), Bound::Text(date)));
    }
    Ok(match value {
        Value::Text(text) => {
            let side = if *known == Known::Topic {
                Side::Label
            } else {
                Side::Text
            };
            (side, Bound::Text(text.clone()))
        }
        Value::Long(number) => (Side::Number, Bound::Integer(*number)),
        Value::Number(number) => (Side::Number, Bound::Real(*number)),
        Value::Bool(truth) => (Side::Number, Bound::Real(f64::from(u8::from(*truth)))),
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
                self.compare(&known, *op, value)
            }
            Filter::Between { field, low, high } => {
                let known = self.find(field)?;
                self.any(&known, |to| {
                    to.one(&known, Op::Ge, low)?;
                    to.sql.push_str(" AND ");
                    to.one(&known, Op::Le, high)
                })?;
                Ok(LEAF + 1)
            }
            Filter::In { field, values } => {
                let known = self.find(field)?;
                self.any_of(&known, values)
            }
            Filter::Contains { field, text } => {
                let known = self.find(field)?;
                // Not LIKE, which refuses long texts and stops at a NUL.
                self.any(&known, |to| {
                    to.sql.push_str("instr(lower(");
                    to.column(&known);
                    to.sql.push_str("), lower(?)) > 0");
                    to.bind(Bound::Text(text.clone()))
                })?;
                Ok(LEAF)
            }
            Filter::IsNull { field } => {
                let known = self.find(field)?;
                // Of a list, whether any element is something.
                self.sql.push_str("coalesce(");
                self.any(&known, |to| {
                    to.column(&known);
                    to.sql.push_str(" IS NOT NULL");
                    Ok(())
                })?;
                self.sql.push_str(", 0) = 0");
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

    fn find<'f>(&self, field: &'f Field) -> Result<Known<'f>>
    where
        'a: 'f,
    {
        field.find(self.metadata).map_err(refused)
    }

    fn bind(&mut self, value: Bound) -> Result<()> {
        if self.values.len() == BOUND {
            return Err(refused("it has too many comparisons"));
        }
        self.values.push(value);
        Ok(())
    }

    fn compare(&mut self, known: &Known<'_>, op: Op, value: &Value) -> Result<usize> {
        // None of a list equals, and there is one that could have.
        let is_none = op == Op::Ne;
        if is_none {
            self.sql.push('(');
        }
        let op = if is_none { Op::Eq } else { op };
        self.any(known, |to| to.one(known, op, value))?;
        if is_none {
            self.sql.push_str(" = 0)");
        }
        Ok(LEAF)
    }

    /// Whether one value of a field is such: metadata may have several. The condition that `one`
    /// writes is of [`Self::column`]; without a value the result is NULL.
    fn any(&mut self, known: &Known<'_>, one: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        let Known::Metadata(ways) = known else {
            self.sql.push('(');
            one(self)?;
            self.sql.push(')');
            return Ok(());
        };
        self.sql.push_str("(SELECT max(");
        one(self)?;
        self.sql.push_str(") FROM (");
        for (i, names) in ways.iter().enumerate() {
            if i > 0 {
                self.sql.push_str(" UNION ALL ");
            }
            self.way(names)?;
        }
        self.sql.push_str("))");
        Ok(())
    }

    /// Writes a query of the values that lie on a way into metadata, as `v`.
    fn way(&mut self, names: &[&str]) -> Result<()> {
        // At each step `j` is what has the name, and `e` its elements, also of lists in lists; of
        // what is no list, one element that is not looked at.
        let at = |i: usize, what: &str| {
            format!("CASE j{i}.type WHEN 'array' THEN e{i}.{what} ELSE j{i}.{what} END")
        };
        self.sql.push_str("SELECT ");
        self.sql.push_str(&at(names.len() - 1, "value"));
        self.sql.push_str(" AS v FROM ");
        for i in 0..names.len() {
            let object = match i {
                0 => "a.meta".to_string(),
                _ => format!(
                    "CASE WHEN {} = 'object' THEN {} ELSE '{{}}' END",
                    at(i - 1, "type"),
                    at(i - 1, "value")
                ),
            };
            let comma = if i == 0 { "" } else { ", " };
            self.sql
                .push_str(&format!("{comma}json_each({object}) j{i}"));
            self.sql.push_str(&format!(
                ", json_tree(CASE j{i}.type WHEN 'array' THEN j{i}.value ELSE '[0]' END) e{i}"
            ));
        }
        for (i, name) in names.iter().enumerate() {
            let and = if i == 0 { " WHERE" } else { " AND" };
            // A path with a dot leads through an object.
            self.sql.push_str(&format!(
                "{and} j{i}.key = ? AND e{i}.type <> 'array' AND instr(e{i}.fullkey, '.') = 0"
            ));
            self.bind(Bound::Text((*name).to_string()))?;
        }
        Ok(())
    }

    /// Writes a comparison of one value of a field.
    fn one(&mut self, known: &Known<'_>, op: Op, value: &Value) -> Result<()> {
        let (side, value) = operand(known, value)?;
        self.side(known, side);
        self.sql.push_str(match op {
            Op::Eq => " = ?",
            Op::Ne => " <> ?",
            Op::Lt => " < ?",
            Op::Le => " <= ?",
            Op::Gt => " > ?",
            Op::Ge => " >= ?",
        });
        self.bind(value)
    }

    /// However many values there are, they are bound as one list for each way of comparing.
    fn any_of(&mut self, known: &Known<'_>, values: &[Value]) -> Result<usize> {
        let mut lists: BTreeMap<Side, Vec<serde_json::Value>> = BTreeMap::new();
        for value in values {
            let (side, value) = operand(known, value)?;
            lists.entry(side).or_default().push(match value {
                Bound::Real(number) => number.into(),
                Bound::Integer(number) => number.into(),
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
            to.any(known, |to| {
                to.side(known, *side);
                to.sql.push_str(" IN (SELECT value FROM json_each(?))");
                to.bind(Bound::Text(list.clone()))
            })?;
            Ok(LEAF)
        })
    }

    /// Writes a field as it is compared.
    fn side(&mut self, known: &Known<'_>, side: Side) {
        let (before, after) = match side {
            Side::Text => ("CAST(", " AS TEXT)".to_string()),
            // Numbers from CSV are texts; a text that begins as no number is none. Whole numbers stay
            // whole, so that long ones are compared to the last digit.
            Side::Number => (
                "(SELECT CASE WHEN typeof(w) = 'text' AND t NOT GLOB '[0-9]*' \
                 AND t NOT GLOB '[-+.][0-9]*' AND t NOT GLOB '[-+].[0-9]*' THEN NULL \
                 ELSE CAST(w AS NUMERIC) END FROM (SELECT w, ltrim(w, char(9, 10, 13, 32)) AS t FROM (SELECT ",
                " AS w)))".to_string(),
            ),
            Side::Start(length) => ("substr(", format!(", 1, {length})")),
            Side::Label => (
                "(SELECT l.label FROM topic l WHERE l.id = ",
                ")".to_string(),
            ),
        };
        self.sql.push_str(before);
        self.column(known);
        self.sql.push_str(&after);
    }

    /// Writes a field; of metadata, one of its values within [`Self::any`].
    fn column(&mut self, known: &Known<'_>) {
        let column = match known {
            Known::Id => "a.ext_id",
            Known::Title => "a.title",
            Known::Text => "a.text",
            Known::Date => "a.date",
            Known::Url => "a.url",
            Known::Source => "a.source",
            Known::Origin => "a.origin",
            Known::Topic => "(SELECT t.topic FROM article_topic t WHERE t.article = a.id)",
            Known::Metadata(_) => "v",
        };
        self.sql.push_str(column);
    }
}
