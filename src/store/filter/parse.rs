//! The text form of a filter, parsed.

use super::field::Known;
use super::{Field, Filter, Op, Value, date};
use crate::error::{Error, ErrorKind, Result};

/// Words that stand for something; a field so called is written in backquotes.
pub(super) const KEYWORDS: [&str; 10] = [
    "and", "or", "not", "in", "is", "null", "between", "contains", "true", "false",
];
/// Brackets nested deeper than anyone writes would overflow the stack.
pub(super) const DEPTH: usize = 64;
/// Nor does anyone write more NOTs around one comparison.
const NEGATIONS: usize = 2 * DEPTH;

/// Parses an expression, and looks for its fields where the metadata are given that there are.
pub(super) fn parse(expression: &str, metadata: Option<&[String]>) -> Result<Filter> {
    let mut parser = Parser {
        tokens: tokens(expression)?,
        at: 0,
        depth: 0,
        negations: 0,
        expression,
        metadata,
    };
    let filter = parser.or()?;
    if parser.at < parser.tokens.len() {
        return Err(parser.fail("expected AND, OR or the end"));
    }
    Ok(filter)
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Quoted(String),
    Text(String),
    /// A number as it is written.
    Number(String),
    Date(String),
    Symbol(&'static str),
}

fn error(expression: &str, byte: usize, message: impl Into<String>) -> Error {
    let rest = &expression[byte.min(expression.len())..];
    let position = expression[..byte.min(expression.len())].chars().count() + 1;
    let snippet: String = if rest.is_empty() {
        "the end".to_string()
    } else {
        rest.chars().take(24).collect()
    };
    Error::new(
        ErrorKind::InvalidFilter { position },
        "filter",
        format!("{}, at character {position}: {snippet}", message.into()),
    )
}

/// Whether a character may be part of a word, a number or a date.
pub(super) fn is_in_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '+')
}

fn tokens(expression: &str) -> Result<Vec<(Token, usize)>> {
    const SYMBOLS: [&str; 12] = [
        "!=", "<>", "<=", ">=", "==", "=", "<", ">", "~", "(", ")", ",",
    ];
    let mut out = Vec::new();
    let mut at = 0;
    'next: while let Some(c) = expression[at..].chars().next() {
        let rest = &expression[at..];
        if c.is_whitespace() {
            at += c.len_utf8();
            continue;
        }
        for symbol in SYMBOLS {
            if rest.starts_with(symbol) {
                out.push((Token::Symbol(symbol), at));
                at += symbol.len();
                continue 'next;
            }
        }
        if matches!(c, '"' | '\'' | '`' | '“' | '‘') {
            let close = match c {
                '“' => '”',
                '‘' => '’',
                c => c,
            };
            let (text, length) = quoted(rest, c, close)
                .ok_or_else(|| error(expression, at, format!("no closing {close}")))?;
            let token = if c == '`' {
                Token::Quoted(text)
            } else {
                Token::Text(text)
            };
            out.push((token, at));
            at += length;
            continue;
        }
        let word: String = rest.chars().take_while(|&c| is_in_word(c)).collect();
        if word.is_empty() {
            return Err(error(expression, at, format!("unexpected {c:?}")));
        }
        let length = word.len();
        let begins = c.is_ascii_digit() || matches!(c, '-' | '+' | '.');
        let token = if is_date(&word) {
            Token::Date(word)
        } else if begins && word.parse::<f64>().is_ok_and(f64::is_finite) {
            Token::Number(word)
        } else {
            Token::Word(word)
        };
        out.push((token, at));
        at += length;
    }
    Ok(out)
}

/// The number that a word is, to the last digit where it is whole; or why it cannot be compared with.
fn number(word: &str) -> std::result::Result<Value, &'static str> {
    if let Ok(whole) = word.parse::<i64>() {
        return Ok(whole.into());
    }
    let mut digits = word.trim_start_matches(['-', '+']).bytes();
    match word.parse() {
        Ok(number) if !digits.all(|b| b.is_ascii_digit()) => Ok(Value::Number(number)),
        _ => Err(
            "a whole number of more than 64 bits is compared as text, in quotes, or roughly, with .0 behind it",
        ),
    }
}

/// A quoted text and its length in bytes with its quotes; a doubled quote stands for one.
fn quoted(rest: &str, open: char, close: char) -> Option<(String, usize)> {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((i, c)) = chars.next() {
        if c == close {
            if open == close && chars.peek().is_some_and(|&(_, next)| next == close) {
                text.push(c);
                chars.next();
                continue;
            }
            return Some((text, i + c.len_utf8()));
        }
        text.push(c);
    }
    None
}

/// `2016-03`, `2016-03-01`, `2016-03-01T10:00` and the like.
pub(super) fn is_date(word: &str) -> bool {
    let shape: String = word
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    matches!(
        shape.as_str(),
        "0000-00" | "0000-00-00" | "0000-00-00T00:00" | "0000-00-00T00:00:00"
    )
}

struct Parser<'a> {
    tokens: Vec<(Token, usize)>,
    at: usize,
    /// Brackets that are open, and one.
    depth: usize,
    /// NOTs whose operand is not over.
    negations: usize,
    expression: &'a str,
    metadata: Option<&'a [String]>,
}

impl Parser<'_> {
    fn fail(&self, message: impl Into<String>) -> Error {
        let byte = self
            .tokens
            .get(self.at)
            .map_or(self.expression.len(), |(_, b)| *b);
        error(self.expression, byte, message)
    }

    fn keyword(&mut self, word: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some((Token::Word(w), _)) if w.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    fn symbol(&mut self, symbol: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some((Token::Symbol(s), _)) if *s == symbol);
        self.at += usize::from(found);
        found
    }

    fn or(&mut self) -> Result<Filter> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(self.fail("nested too deeply"));
        }
        let first = self.and()?;
        let filter = self.chain("OR", first, Self::and, Filter::Or)?;
        self.depth -= 1;
        Ok(filter)
    }

    fn and(&mut self) -> Result<Filter> {
        let first = self.not()?;
        self.chain("AND", first, Self::not, Filter::And)
    }

    /// What follows the first part of a chain; the first itself where nothing does.
    fn chain(
        &mut self,
        keyword: &str,
        first: Filter,
        next: fn(&mut Self) -> Result<Filter>,
        of: fn(Vec<Filter>) -> Filter,
    ) -> Result<Filter> {
        if !self.keyword(keyword) {
            return Ok(first);
        }
        let mut parts = vec![first, next(self)?];
        while self.keyword(keyword) {
            parts.push(next(self)?);
        }
        Ok(of(parts))
    }

    fn not(&mut self) -> Result<Filter> {
        let before = self.negations;
        while self.keyword("NOT") {
            self.negations += 1;
            if self.negations > NEGATIONS {
                return Err(self.fail("nested too deeply"));
            }
        }
        let mut filter = if self.symbol("(") {
            let filter = self.or()?;
            if !self.symbol(")") {
                return Err(self.fail("expected )"));
            }
            filter
        } else {
            self.comparison()?
        };
        while self.negations > before {
            self.negations -= 1;
            filter = filter.not();
        }
        Ok(filter)
    }

    fn field(&mut self) -> Result<Field> {
        let field = match self.tokens.get(self.at) {
            Some((Token::Word(name), _)) => Field::new(name.as_str()),
            Some((Token::Quoted(name), _)) => Field::metadata(name.as_str()),
            _ => return Err(self.fail("expected a field")),
        };
        if let Some(metadata) = self.metadata {
            field.find(metadata).map_err(|message| self.fail(message))?;
        }
        self.at += 1;
        Ok(field)
    }

    fn literal(&mut self) -> Result<Value> {
        let value = match self.tokens.get(self.at) {
            Some((Token::Word(w), _)) if w.eq_ignore_ascii_case("true") => Value::Bool(true),
            Some((Token::Word(w), _)) if w.eq_ignore_ascii_case("false") => Value::Bool(false),
            Some((Token::Word(w), _)) => {
                let message = format!("expected a value; text stands in quotes: \"{w}\"");
                return Err(self.fail(message));
            }
            Some((Token::Text(text) | Token::Date(text), _)) => Value::Text(text.clone()),
            Some((Token::Number(word), _)) => number(word).map_err(|message| self.fail(message))?,
            _ => return Err(self.fail("expected a value: \"text\", 12 or 2016-03-01")),
        };
        self.at += 1;
        Ok(value)
    }

    /// A literal that a field can be compared with.
    fn value(&mut self, field: &Field) -> Result<Value> {
        let at = self.at;
        let value = self.literal()?;
        let known = field.find(self.metadata.unwrap_or(&[]));
        if known == Ok(Known::Date)
            && let Err(message) = date::operand(&value)
        {
            self.at = at;
            return Err(self.fail(message));
        }
        Ok(value)
    }

    fn comparison(&mut self) -> Result<Filter> {
        let field = self.field()?;
        if self.keyword("IS") {
            let negated = self.keyword("NOT");
            if !self.keyword("NULL") {
                return Err(self.fail("expected NULL"));
            }
            return Ok(negate(Filter::IsNull { field }, negated));
        }
        let negated = self.keyword("NOT");
        if self.keyword("IN") {
            let values = self.list(&field)?;
            return Ok(negate(Filter::In { field, values }, negated));
        }
        if self.keyword("BETWEEN") {
            let low = self.value(&field)?;
            if !self.keyword("AND") {
                return Err(self.fail("expected AND"));
            }
            let high = self.value(&field)?;
            return Ok(negate(Filter::Between { field, low, high }, negated));
        }
        if negated {
            return Err(self.fail("expected IN or BETWEEN"));
        }
        for (symbol, op) in [
            ("=", Op::Eq),
            ("==", Op::Eq),
            ("!=", Op::Ne),
            ("<>", Op::Ne),
            ("<=", Op::Le),
            (">=", Op::Ge),
            ("<", Op::Lt),
            (">", Op::Gt),
        ] {
            if self.symbol(symbol) {
                let value = self.value(&field)?;
                return Ok(Filter::Compare { field, op, value });
            }
        }
        if self.symbol("~") || self.keyword("CONTAINS") {
            // A number as it is written: 007 is another text than 7.
            if let Some((Token::Number(word), _)) = self.tokens.get(self.at) {
                let text = word.clone();
                self.at += 1;
                return Ok(Filter::Contains { field, text });
            }
            let text = match self.literal()? {
                Value::Text(text) => text,
                other => other.to_string(),
            };
            return Ok(Filter::Contains { field, text });
        }
        Err(self.fail("expected =, !=, <, <=, >, >=, ~, IN, BETWEEN or IS"))
    }

    fn list(&mut self, field: &Field) -> Result<Vec<Value>> {
        if !self.symbol("(") {
            return Err(self.fail("expected ("));
        }
        let mut values = vec![self.value(field)?];
        while self.symbol(",") {
            values.push(self.value(field)?);
        }
        if !self.symbol(")") {
            return Err(self.fail("expected , or )"));
        }
        Ok(values)
    }
}

fn negate(filter: Filter, negated: bool) -> Filter {
    if negated { filter.not() } else { filter }
}
