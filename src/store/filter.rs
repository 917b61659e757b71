//! The filter language of `--where`: parsed to a tree, then to SQL with bound values.
//!
//! ```text
//! source = "x" AND date >= 2016-03-01
//! NOT (section IN ("sport", "tv") OR words > 500)
//! title ~ "budget" AND url IS NOT NULL
//! ```
//!
//! Fields are id, title, text, date, url, source, origin, topic, and any metadata; a name
//! with other characters than letters, digits, `_`, `-` and `.` stands in backquotes. A date
//! compares as far as it is given: `date = 2016-03` is all of that month.

use super::Store;
use crate::error::{Error, Result};
use rusqlite::types::Value;

/// A filter on articles, ready to be part of a query.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    /// A condition over the table alias `a`, with a `?` for each value.
    pub(crate) sql: String,
    pub(crate) values: Vec<Value>,
}

const FIELDS: [&str; 8] = [
    "id", "title", "text", "date", "url", "source", "origin", "topic",
];
/// Deeper nesting than anyone writes would overflow the stack.
const DEPTH: usize = 64;

impl Filter {
    /// Parses an expression over the fields that the corpus has.
    ///
    /// # Errors
    /// It does not parse, or a field is unknown; the message says where and which there are.
    pub fn parse(expression: &str, store: &Store) -> Result<Self> {
        Self::with_fields(expression, &store.fields()?)
    }

    fn with_fields(expression: &str, metadata: &[String]) -> Result<Self> {
        let mut parser = Parser {
            tokens: tokens(expression)?,
            at: 0,
            depth: 0,
            expression,
            metadata,
            values: Vec::new(),
        };
        let sql = parser.or()?;
        if parser.at < parser.tokens.len() {
            return Err(parser.fail("expected AND, OR or the end"));
        }
        Ok(Self {
            sql,
            values: parser.values,
        })
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Quoted(String),
    Text(String),
    Number(f64),
    Date(String),
    Symbol(&'static str),
}

fn error(expression: &str, byte: usize, message: impl Into<String>) -> Error {
    let rest = &expression[byte.min(expression.len())..];
    Error::Filter {
        message: message.into(),
        position: expression[..byte.min(expression.len())].chars().count() + 1,
        snippet: if rest.is_empty() {
            "the end".to_string()
        } else {
            rest.chars().take(24).collect()
        },
    }
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
        let word: String = rest
            .chars()
            .take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '+'))
            .collect();
        if word.is_empty() {
            return Err(error(expression, at, format!("unexpected {c:?}")));
        }
        let length = word.len();
        let token = if is_date(&word) {
            Token::Date(word)
        } else if let (true, Ok(number)) = (
            c.is_ascii_digit() || matches!(c, '-' | '+' | '.'),
            word.parse::<f64>(),
        ) {
            Token::Number(number)
        } else {
            Token::Word(word)
        };
        out.push((token, at));
        at += length;
    }
    Ok(out)
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
fn is_date(word: &str) -> bool {
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
    depth: usize,
    expression: &'a str,
    metadata: &'a [String],
    values: Vec<Value>,
}

/// A field as SQL, and how it compares.
struct Field {
    sql: String,
    is_date: bool,
    is_topic: bool,
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

    fn or(&mut self) -> Result<String> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(self.fail("nested too deeply"));
        }
        let mut sql = self.and()?;
        while self.keyword("OR") {
            sql = format!("({sql} OR {})", self.and()?);
        }
        self.depth -= 1;
        Ok(sql)
    }

    fn and(&mut self) -> Result<String> {
        let mut sql = self.not()?;
        while self.keyword("AND") {
            sql = format!("({sql} AND {})", self.not()?);
        }
        Ok(sql)
    }

    fn not(&mut self) -> Result<String> {
        let mut negations = 0;
        while self.keyword("NOT") {
            negations += 1;
        }
        let sql = if self.symbol("(") {
            let sql = self.or()?;
            if !self.symbol(")") {
                return Err(self.fail("expected )"));
            }
            sql
        } else {
            self.comparison()?
        };
        // An unknown value is no match, and so is its negation's operand: NOT of it matches.
        Ok(if negations % 2 == 1 {
            format!("NOT coalesce({sql}, 0)")
        } else {
            sql
        })
    }

    fn field(&mut self) -> Result<Field> {
        let (name, exact) = match self.tokens.get(self.at) {
            Some((Token::Word(name), _)) => (name.clone(), false),
            Some((Token::Quoted(name), _)) => (name.clone(), true),
            _ => return Err(self.fail("expected a field")),
        };
        let lower = name.to_lowercase();
        let column = match lower.as_str() {
            _ if exact && self.metadata.contains(&name) => None,
            "id" => Some("a.ext_id"),
            "title" => Some("a.title"),
            "text" => Some("a.text"),
            "date" => Some("a.date"),
            "url" => Some("a.url"),
            "source" => Some("a.source"),
            "origin" => Some("a.origin"),
            "topic" => Some("(SELECT t.topic FROM article_topic t WHERE t.article = a.id)"),
            _ => None,
        };
        let sql = if let Some(column) = column {
            column.to_string()
        } else {
            let Some(known) = self
                .metadata
                .iter()
                .find(|m| **m == name)
                .or_else(|| self.metadata.iter().find(|m| m.to_lowercase() == lower))
            else {
                let all: Vec<&str> = FIELDS
                    .iter()
                    .copied()
                    .chain(self.metadata.iter().map(String::as_str))
                    .collect();
                return Err(self.fail(format!("no field {name:?}; there are {}", all.join(", "))));
            };
            self.values.push(Value::Text(known.clone()));
            "(SELECT j.value FROM json_each(a.meta) j WHERE j.key = ?)".to_string()
        };
        self.at += 1;
        Ok(Field {
            sql,
            is_date: column == Some("a.date"),
            is_topic: lower == "topic" && column.is_some(),
        })
    }

    fn literal(&mut self) -> Result<Token> {
        let token = match self.tokens.get(self.at) {
            Some((Token::Word(w), _)) if w.eq_ignore_ascii_case("true") => Token::Number(1.0),
            Some((Token::Word(w), _)) if w.eq_ignore_ascii_case("false") => Token::Number(0.0),
            Some((Token::Word(w), _)) => {
                let message = format!("expected a value; text stands in quotes: \"{w}\"");
                return Err(self.fail(message));
            }
            Some((token @ (Token::Text(_) | Token::Number(_) | Token::Date(_)), _)) => {
                token.clone()
            }
            _ => return Err(self.fail("expected a value: \"text\", 12 or 2016-03-01")),
        };
        self.at += 1;
        Ok(token)
    }

    fn comparison(&mut self) -> Result<String> {
        let field = self.field()?;
        if self.keyword("IS") {
            let not = self.keyword("NOT");
            if !self.keyword("NULL") {
                return Err(self.fail("expected NULL"));
            }
            return Ok(format!(
                "({} IS {}NULL)",
                field.sql,
                if not { "NOT " } else { "" }
            ));
        }
        let negated = self.keyword("NOT");
        if self.keyword("IN") {
            if !self.symbol("(") {
                return Err(self.fail("expected ("));
            }
            // Values are bound in the order of their question marks, so the field's own
            // value, bound already, must come again before each alternative but the first.
            let own = self.last_bound(&field);
            let mut alternatives = Vec::new();
            loop {
                if !alternatives.is_empty() {
                    self.values.extend(own.clone());
                }
                let value = self.literal()?;
                alternatives.push(self.compare(&field, "=", value));
                if !self.symbol(",") {
                    break;
                }
            }
            if !self.symbol(")") {
                return Err(self.fail("expected , or )"));
            }
            let sql = format!("({})", alternatives.join(" OR "));
            return Ok(if negated {
                format!("NOT coalesce({sql}, 0)")
            } else {
                sql
            });
        }
        if self.keyword("BETWEEN") {
            let own = self.last_bound(&field);
            let low = self.literal()?;
            let low = self.compare(&field, ">=", low);
            if !self.keyword("AND") {
                return Err(self.fail("expected AND"));
            }
            self.values.extend(own);
            let high = self.literal()?;
            let high = self.compare(&field, "<=", high);
            let sql = format!("({low} AND {high})");
            return Ok(if negated {
                format!("NOT coalesce({sql}, 0)")
            } else {
                sql
            });
        }
        if negated {
            return Err(self.fail("expected IN or BETWEEN"));
        }
        for (symbol, operator) in [
            ("=", "="),
            ("==", "="),
            ("!=", "<>"),
            ("<>", "<>"),
            ("<=", "<="),
            (">=", ">="),
            ("<", "<"),
            (">", ">"),
        ] {
            if self.symbol(symbol) {
                let value = self.literal()?;
                return Ok(self.compare(&field, operator, value));
            }
        }
        if self.symbol("~") || self.keyword("CONTAINS") {
            let value = match self.literal()? {
                Token::Text(text) | Token::Date(text) => text,
                Token::Number(number) => number.to_string(),
                _ => String::new(),
            };
            let escaped = value
                .replace('\\', "\\\\")
                .replace('%', "\\%")
                .replace('_', "\\_");
            self.values.push(Value::Text(format!("%{escaped}%")));
            return Ok(format!("({} LIKE ? ESCAPE '\\')", field.sql));
        }
        Err(self.fail("expected =, !=, <, <=, >, >=, ~, IN, BETWEEN or IS"))
    }

    /// The value that the field itself has bound: a metadata field's name.
    fn last_bound(&self, field: &Field) -> Option<Value> {
        field
            .sql
            .contains('?')
            .then(|| self.values.last().cloned())
            .flatten()
    }

    fn compare(&mut self, field: &Field, operator: &str, value: Token) -> String {
        let sql = &field.sql;
        match value {
            Token::Text(text) if field.is_topic => {
                self.values.push(Value::Text(text));
                format!("((SELECT l.label FROM topic l WHERE l.id = {sql}) {operator} ?)")
            }
            Token::Text(text) | Token::Date(text) if field.is_date => {
                // Compare as many characters as the user gave: a day holds all its hours.
                let length = text.chars().count();
                self.values.push(Value::Text(text));
                format!("(substr({sql}, 1, {length}) {operator} ?)")
            }
            Token::Number(year) if field.is_date => {
                self.values.push(Value::Text(format!("{year:04}")));
                format!("(substr({sql}, 1, 4) {operator} ?)")
            }
            Token::Number(number) => {
                self.values.push(Value::Real(number));
                // Numbers from CSV are texts; a text that begins as no number is none.
                format!(
                    "((SELECT CASE WHEN typeof(v) = 'text' AND v NOT GLOB '[-+.0-9]*' THEN NULL \
                     ELSE CAST(v AS REAL) END FROM (SELECT {sql} AS v)) {operator} ?)"
                )
            }
            Token::Text(text) | Token::Date(text) => {
                self.values.push(Value::Text(text));
                format!("(CAST({sql} AS TEXT) {operator} ?)")
            }
            // `literal` returns no other token.
            Token::Word(_) | Token::Quoted(_) | Token::Symbol(_) => "0".to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rusqlite::{Connection, params_from_iter};

    fn matches(expression: &str) -> Vec<i64> {
        let c = Connection::open_in_memory().unwrap();
        c.execute_batch(
            r#"CREATE TABLE article (id INTEGER PRIMARY KEY, ext_id, title, text, date, url, source, origin, meta);
            CREATE TABLE article_topic (article, topic); CREATE TABLE topic (id, label);
            INSERT INTO topic VALUES (4, 'football, cup');
            INSERT INTO article_topic VALUES (1, 4);
            INSERT INTO article VALUES
             (1, 'a', 'Budget vote', 't', '2016-03-01T10:00:00', NULL, 'x', '-', '{"section": "sport", "words": "600", "odd name": 1}'),
             (2, 'b', 'Cup 100%', 't', '2016-03-02', 'u', 'y', '-', '{"section": "tv", "words": 90}'),
             (3, 'c', 'O''Brien', 't', NULL, 'u', NULL, '-', '{"words": "none"}');"#,
        )
        .unwrap();
        let fields = ["section", "words", "odd name"].map(String::from);
        let filter = Filter::with_fields(expression, &fields).unwrap();
        c.prepare(&format!(
            "SELECT id FROM article a WHERE {} ORDER BY id",
            filter.sql
        ))
        .unwrap()
        .query_map(params_from_iter(filter.values), |row| row.get(0))
        .unwrap()
        .map(std::result::Result::unwrap)
        .collect()
    }

    #[test]
    fn comparisons() {
        for (expression, ids) in [
            (r#"source = "x""#, vec![1]),
            ("date >= 2016-03-01 AND date <= 2016-03-01", vec![1]),
            ("date = 2016-03", vec![1, 2]),
            ("date >= 2016", vec![1, 2]),
            ("date > 2016-03-01", vec![2]),
            ("words > 100", vec![1]),
            ("words = 90", vec![2]),
            (r#"section IN ("tv", "sport")"#, vec![1, 2]),
            (r#"section NOT IN ("tv")"#, vec![1, 3]),
            ("words BETWEEN 50 AND 100", vec![2]),
            (r#"title ~ "100%""#, vec![2]),
            (r#"title ~ "budget""#, vec![1]),
            (r#"title = "O'Brien""#, vec![3]),
            ("title = 'O''Brien'", vec![3]),
            ("source IS NULL", vec![3]),
            ("NOT source = 'x'", vec![2, 3]),
            ("source = 'x' OR source = 'y' AND url IS NULL", vec![1]),
            (
                "(source = 'x' OR source = 'y') AND url IS NOT NULL",
                vec![2],
            ),
            ("`odd name` = 1", vec![1]),
            ("topic = 4", vec![1]),
            (r#"topic = "football, cup""#, vec![1]),
        ] {
            assert_eq!(matches(expression), ids, "{expression}");
        }
    }

    #[test]
    fn mistakes_are_located() {
        for (expression, position, part) in [
            ("sorce = 'x'", 1, "no field"),
            ("source = x", 10, "quotes"),
            ("source = 'x", 10, "closing"),
            ("source", 7, "expected ="),
            ("source = 'x' source", 14, "expected AND"),
            ("(source = 'x'", 14, "expected )"),
            ("", 1, "expected a field"),
            ("source = 'x'; DROP TABLE article", 13, "unexpected"),
        ] {
            match Filter::with_fields(expression, &[]) {
                Err(Error::Filter {
                    message,
                    position: p,
                    ..
                }) => {
                    assert_eq!(p, position, "{expression}: {message}");
                    assert!(message.contains(part), "{expression}: {message}");
                }
                other => panic!("{expression}: {other:?}"),
            }
        }
    }

    proptest! {
        #[test]
        fn nothing_a_user_types_reaches_sql(expression in r#"[a-z"'`()=<>~;, %0-9-]{0,40}"#) {
            if let Ok(filter) = Filter::with_fields(&expression, &[]) {
                prop_assert!(!filter.sql.contains(';'));
                prop_assert_eq!(filter.sql.matches('?').count(), filter.values.len());
            }
        }

        #[test]
        fn any_text_is_a_value(text in "[^\"]{0,30}") {
            let filter = Filter::with_fields(&format!("title = \"{text}\""), &[]).unwrap();
            prop_assert_eq!(filter.values, vec![Value::Text(text)]);
        }

        #[test]
        fn deep_nesting_is_refused_not_fatal(n in 60usize..5000) {
            let expression = "(".repeat(n) + "id = 'a'" + &")".repeat(n);
            prop_assert_eq!(Filter::with_fields(&expression, &[]).is_ok(), n < DEPTH);
        }
    }
}
