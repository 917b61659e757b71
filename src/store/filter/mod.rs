//! Filters on articles: data that a program builds, a text that a person types, and the
//! condition that the store makes of either.

mod date;
mod field;
mod parse;
mod show;
mod sql;
mod tree;

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

pub use field::Field;

use super::Reader;
use crate::error::Result;
use serde::{Deserialize, Serialize};

/// Which articles are wanted.
///
/// A filter is plain data: a program builds it with the functions below, reads it from JSON (or
/// whatever else serde reads), or has a text parsed that a person typed. Nothing in it is ever
/// taken for SQL, and it belongs to no corpus: whether its fields exist is looked at when it is
/// used, or before that by [`Reader::filter`].
///
/// ```
/// use nearwise::store::Filter;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let built = Filter::eq("source", "Reuters")
///     .and(Filter::ge("date", "2016-03"))
///     .and(Filter::one_of("section", ["tv", "sport"]).not());
///
/// let typed: Filter =
///     r#"source = "Reuters" AND date >= 2016-03 AND section NOT IN ("tv", "sport")"#.parse()?;
/// assert_eq!(typed, built);
/// assert_eq!(built.to_string().parse::<Filter>()?, built);
///
/// let sent: Filter = serde_json::from_str(
///     r#"{"and": [
///         {"compare": {"field": "source", "op": "=", "value": "Reuters"}},
///         {"compare": {"field": "date", "op": ">=", "value": "2016-03"}},
///         {"not": {"in": {"field": "section", "values": ["tv", "sport"]}}}
///     ]}"#,
/// )?;
/// assert_eq!(sent, built);
/// # Ok(())
/// # }
/// ```
///
/// # The text form
///
/// ```text
/// source = "x" AND date >= 2016-03-01
/// NOT (section IN ("sport", "tv") OR words > 500)
/// title ~ "budget" AND url IS NOT NULL
/// topic = "football" OR topic = 4 OR words BETWEEN 100 AND 200
/// ```
///
/// Keywords are in any case; `!=` is also `<>`, `=` also `==`, and `~` also `CONTAINS`. A text
/// stands in quotes, in which a doubled quote is one; a date as `2016-03-01` needs none. A
/// field's name with other characters than letters, digits, `_`, `-` and `.` stands in
/// backquotes. Brackets nest up to 64 deep.
///
/// `Display` writes this form, and parsing that gives the same filter, as long as every `And`
/// and `Or` has at least two parts, every `In` a value and every number is finite. (What the
/// text form cannot say, such as an `And` of nothing, is written as something that lets the same
/// articles through.)
///
/// # What is compared with what
///
/// See [`Field`] for the fields, and [`Value`] for how values compare. A field without a value
/// (or without a number, where a number is asked for) matches no comparison, and so the negation
/// of the comparison matches it.
///
/// Of metadata that is a list, one element that matches is enough: `tags = "bridge"`, `tags ~
/// "brid"`, `tags IN ("a", "b")`, `years BETWEEN 2010 AND 2015`. Only `!=` says that there are
/// elements and none of them equals. The elements of a list in a list are the list's, and an object is
/// compared as its JSON; `author.name` leads into an object, and into each of a list of them. A list of nothing is no
/// value: it `IS NULL`.
///
/// # Limits
///
/// A filter may nest 256 levels deep (a little less where every level has many parts) and hold
/// 5,000 comparisons of any kind, and any number of values in an `In`; whatever uses a larger one
/// answers with an error.
///
/// Because dropping a filter takes care of deep ones too, its parts cannot be moved out by a
/// pattern; match on a reference.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Filter {
    /// All of these hold; everything is let through where there are none.
    And(#[serde(with = "tree::nested")] Vec<Filter>),
    /// At least one of these holds; nothing is let through where there are none.
    Or(#[serde(with = "tree::nested")] Vec<Filter>),
    /// This does not hold.
    Not(#[serde(with = "tree::nested")] Box<Filter>),
    /// A field compares so with a value.
    Compare {
        /// The field.
        field: Field,
        /// The comparison.
        op: Op,
        /// What the field is compared with.
        value: Value,
    },
    /// A field equals one of the values.
    In {
        /// The field.
        field: Field,
        /// The values, of any kinds.
        values: Vec<Value>,
    },
    /// A field is at least `low` and at most `high`.
    Between {
        /// The field.
        field: Field,
        /// The least value.
        low: Value,
        /// The greatest value.
        high: Value,
    },
    /// A field holds this text; capitals of A to Z count as small letters.
    Contains {
        /// The field.
        field: Field,
        /// The text.
        text: String,
    },
    /// A field has no value.
    IsNull {
        /// The field.
        field: Field,
    },
}

/// How a field compares with a value: `=`, `!=`, `<`, `<=`, `>` or `>=`, in JSON as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Op {
    /// It equals the value.
    #[serde(rename = "=", alias = "==")]
    Eq,
    /// It is another than the value.
    #[serde(rename = "!=", alias = "<>")]
    Ne,
    /// It is less, earlier, or before in the order of characters.
    #[serde(rename = "<")]
    Lt,
    /// It is less or equal.
    #[serde(rename = "<=")]
    Le,
    /// It is greater, later, or after in the order of characters.
    #[serde(rename = ">")]
    Gt,
    /// It is greater or equal.
    #[serde(rename = ">=")]
    Ge,
}

/// What a field is compared with; in JSON a string, a number, or `true` or `false`.
///
/// - The field `date` is compared as far as the value is given, be it a text or a number:
///   `"2016-03"` equals every day of that month, and `2016` every day of that year. So a date is
///   a text, and has no kind of its own. Other spellings that [`parse_date`](crate::corpus::parse_date)
///   reads are dates as well; what is none (`2025-13-45`, `"soon"`) is an error.
/// - The field `topic` is compared by its number with a number, and by its label with a text.
/// - Any other field is compared as text with a text. With a number it is compared as a number,
///   also where it is stored as a text, as what comes from CSV is; a text that does not begin as
///   a number is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a value: a string, a number, or true or false")]
#[non_exhaustive]
pub enum Value {
    /// `true` and `false` are the numbers 1 and 0, as which they are stored.
    Bool(bool),
    /// A whole number beyond ±2⁵³, of which [`Value::Number`] would hold a neighbour: ids are such
    /// numbers. Nearer ones are `Number`s.
    #[serde(deserialize_with = "long")]
    Long(i64),
    /// A number; it must be finite.
    Number(f64),
    /// A text, or a date as ISO 8601 writes it, whole or its beginning.
    Text(String),
}

impl Filter {
    /// The field equals the value.
    pub fn eq(field: impl Into<Field>, value: impl Into<Value>) -> Self {
        Self::compare(field, Op::Eq, value)
    }

    /// The field has another value than this.
    pub fn ne(field: impl Into<Field>, value: impl Into<Value>) -> Self {
        Self::compare(field, Op::Ne, value)
    }

    /// The field is less than the value.
    pub fn lt(field: impl Into<Field>, value: impl Into<Value>) -> Self {
        Self::compare(field, Op::Lt, value)
    }

    /// The field is at most the value.
    pub fn le(field: impl Into<Field>, value: impl Into<Value>) -> Self {
        Self::compare(field, Op::Le, value)
    }

    /// The field is greater than the value.
    pub fn gt(field: impl Into<Field>, value: impl Into<Value>) -> Self {
        Self::compare(field, Op::Gt, value)
    }

    /// The field is at least the value.
    pub fn ge(field: impl Into<Field>, value: impl Into<Value>) -> Self {
        Self::compare(field, Op::Ge, value)
    }

    /// The field compares so with the value.
    pub fn compare(field: impl Into<Field>, op: Op, value: impl Into<Value>) -> Self {
        Self::Compare {
            field: field.into(),
            op,
            value: value.into(),
        }
    }

    /// The field equals one of the values.
    pub fn one_of<V: Into<Value>>(
        field: impl Into<Field>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        Self::In {
            field: field.into(),
            values: values.into_iter().map(Into::into).collect(),
        }
    }

    /// The field is at least `low` and at most `high`.
    pub fn between(field: impl Into<Field>, low: impl Into<Value>, high: impl Into<Value>) -> Self {
        Self::Between {
            field: field.into(),
            low: low.into(),
            high: high.into(),
        }
    }

    /// The field holds the text.
    pub fn contains(field: impl Into<Field>, text: impl Into<String>) -> Self {
        Self::Contains {
            field: field.into(),
            text: text.into(),
        }
    }

    /// The field has no value.
    pub fn is_null(field: impl Into<Field>) -> Self {
        Self::IsNull {
            field: field.into(),
        }
    }

    /// Both hold. A chain of these is one `And`.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        if let Self::And(parts) = &mut self {
            parts.push(other);
            return self;
        }
        Self::And(vec![self, other])
    }

    /// At least one of both holds. A chain of these is one `Or`.
    #[must_use]
    pub fn or(mut self, other: Self) -> Self {
        if let Self::Or(parts) = &mut self {
            parts.push(other);
            return self;
        }
        Self::Or(vec![self, other])
    }

    /// This does not hold; `!filter` is the same.
    #[must_use]
    #[expect(
        clippy::should_implement_trait,
        reason = "it implements it, but its method would have to be imported"
    )]
    pub fn not(self) -> Self {
        Self::Not(Box::new(self))
    }

    /// Parses the text form. No corpus is needed, and so fields are not looked for; see
    /// [`Reader::filter`].
    ///
    /// # Errors
    /// It does not parse; the message and the kind say where.
    pub fn parse(expression: &str) -> Result<Self> {
        parse::parse(expression, None)
    }
}

impl Reader {
    /// Parses the text form of a filter, and sees to it that the corpus has every field in it.
    ///
    /// # Errors
    /// It does not parse, or a field is unknown; the message says where and which there are, and
    /// the kind says where.
    pub fn filter(&self, expression: &str) -> Result<Filter> {
        parse::parse(expression, Some(&self.fields()?))
    }

    /// Whether a filter is about the topics of articles, of which none has any.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn asks_for_no_topics(&self, filter: &Filter) -> Result<bool> {
        let metadata = self.fields()?;
        let mut fields = filter.fields().into_iter();
        Ok(fields.any(|field| field.is_own("topic", &metadata)) && self.topics()?.is_empty())
    }

    /// What a filter is in SQL, for this corpus.
    pub(crate) fn condition(&self, filter: &Filter) -> Result<sql::Condition> {
        sql::compile(filter, &self.fields()?)
    }
}

impl std::ops::Not for Filter {
    type Output = Self;

    fn not(self) -> Self {
        Self::Not(Box::new(self))
    }
}

impl std::str::FromStr for Filter {
    type Err = crate::Error;

    fn from_str(expression: &str) -> Result<Self> {
        Self::parse(expression)
    }
}

/// The largest number up to which `f64` holds all whole ones.
const EXACT: u64 = 1 << 53;

/// A number that [`Value::Long`] is for; another is left to the next kind of value.
fn long<'de, D: serde::Deserializer<'de>>(from: D) -> std::result::Result<i64, D::Error> {
    let number = i64::deserialize(from)?;
    match Value::from(number) {
        Value::Long(number) => Ok(number),
        _ => Err(serde::de::Error::custom("a number that f64 holds")),
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_string())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<i32> for Value {
    fn from(number: i32) -> Self {
        Self::Number(number.into())
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        if number.unsigned_abs() > EXACT {
            Self::Long(number)
        } else {
            Self::Number(number as f64)
        }
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}
