//! A filter as text.

use super::parse::{KEYWORDS, is_date, is_in_word};
use super::{Field, Filter, Op, Value};
use std::fmt::{self, Display, Formatter};

/// What a filter stands in, which says whether it needs brackets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Alone,
    Or,
    And,
    Not,
}

enum Left<'a> {
    Filter(&'a Filter, Place),
    Text(&'static str),
}

/// The text form; see [`Filter`].
impl Display for Filter {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut todo = vec![Left::Filter(self, Place::Alone)];
        while let Some(left) = todo.pop() {
            let (filter, place) = match left {
                Left::Filter(filter, place) => (single(filter), place),
                Left::Text(text) => {
                    f.write_str(text)?;
                    continue;
                }
            };
            match filter {
                Filter::And(parts) if parts.is_empty() => f.write_str("id IS NOT NULL")?,
                Filter::And(parts) => {
                    let brackets = matches!(place, Place::And | Place::Not);
                    list(&mut todo, parts, " AND ", Place::And, brackets);
                }
                Filter::Or(parts) if !parts.is_empty() => {
                    list(&mut todo, parts, " OR ", Place::Or, place != Place::Alone);
                }
                Filter::Not(inner) if !comparison(f, single(inner), "NOT ")? => {
                    f.write_str("NOT ")?;
                    todo.push(Left::Filter(inner, Place::Not));
                }
                Filter::Not(_) => {}
                _ => {
                    comparison(f, filter, "")?;
                }
            }
        }
        Ok(())
    }
}

/// The text form, since what would be derived recurses.
impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "Filter({self})")
    }
}

/// What an And or Or of one part is in truth.
fn single(mut filter: &Filter) -> &Filter {
    while let Filter::And(parts) | Filter::Or(parts) = filter
        && let [only] = parts.as_slice()
    {
        filter = only;
    }
    filter
}

fn list<'a>(
    todo: &mut Vec<Left<'a>>,
    parts: &'a [Filter],
    between: &'static str,
    place: Place,
    brackets: bool,
) {
    // The last to be written comes first.
    if brackets {
        todo.push(Left::Text(")"));
    }
    for (i, part) in parts.iter().enumerate().rev() {
        todo.push(Left::Filter(part, place));
        if i > 0 {
            todo.push(Left::Text(between));
        }
    }
    if brackets {
        todo.push(Left::Text("("));
    }
}

/// Writes a filter without parts. With a `not`, writes only those that have a place for it, and
/// says whether it did.
fn comparison(f: &mut Formatter<'_>, filter: &Filter, not: &str) -> Result<bool, fmt::Error> {
    match filter {
        Filter::In { field, values } if !values.is_empty() => {
            write!(f, "{field} {not}IN (")?;
            for (i, value) in values.iter().enumerate() {
                write!(f, "{}{value}", if i > 0 { ", " } else { "" })?;
            }
            f.write_str(")")?;
        }
        Filter::Between { field, low, high } => {
            write!(f, "{field} {not}BETWEEN {low} AND {high}")?;
        }
        Filter::IsNull { field } => write!(f, "{field} IS {not}NULL")?,
        _ if !not.is_empty() => return Ok(false),
        Filter::Compare { field, op, value } => write!(f, "{field} {op} {value}")?,
        Filter::Contains { field, text } => {
            write!(f, "{field} ~ ")?;
            quoted(f, text, '"')?;
        }
        // An Or or In of nothing: every article has an id.
        _ => f.write_str("id IS NULL")?,
    }
    Ok(true)
}

fn quoted(f: &mut Formatter<'_>, text: &str, quote: char) -> fmt::Result {
    use fmt::Write;
    f.write_char(quote)?;
    for c in text.chars() {
        if c == quote {
            f.write_char(c)?;
        }
        f.write_char(c)?;
    }
    f.write_char(quote)
}

impl Display for Field {
    /// As the text form has it: in backquotes where it needs them.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let name = self.name();
        let is_word = name.starts_with(|c: char| c.is_alphabetic() || c == '_')
            && name.chars().all(is_in_word)
            && !KEYWORDS.iter().any(|k| k.eq_ignore_ascii_case(name));
        if is_word && !self.is_metadata() {
            f.write_str(name)
        } else {
            quoted(f, name, '`')
        }
    }
}

impl Op {
    /// As it is in texts and in JSON.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Eq => "=",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
        }
    }
}

impl Display for Op {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.symbol())
    }
}

impl Display for Value {
    /// As the text form has it.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(truth) => write!(f, "{truth}"),
            Self::Long(number) => write!(f, "{number}"),
            Self::Number(number) => {
                write!(f, "{number}")?;
                // Without a point it would be read as another kind of number.
                let long = number.fract() == 0.0 && number.abs() >= super::EXACT as f64;
                f.write_str(if long { ".0" } else { "" })
            }
            Self::Text(text) if is_date(text) => f.write_str(text),
            Self::Text(text) => quoted(f, text, '"'),
        }
    }
}
