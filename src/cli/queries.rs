//! Many queries from a file, each answered with a line of JSON.

use super::problem::usage;
use super::{Outcome, ui};
use anyhow::Result;
use nearwise::search::{Found, SearchOptions};
use nearwise::{Encoder, Error, Job, Reader};
use serde::Serialize;
use serde_json::Value;
use std::io::{BufRead, IsTerminal, Read, Write};
use std::path::Path;

/// Queries that are answered before the first of them is written.
const TOGETHER: usize = 512;
/// The longest line, in bytes.
const LONGEST: u64 = 1 << 20;

/// A query as it is answered.
#[derive(Serialize)]
struct Answer<'a> {
    /// As the file gives it, else the number of the line.
    id: &'a Value,
    query: &'a str,
    #[serde(flatten)]
    found: Found,
}

/// A line that is a query, or why it is none.
fn parse(line: &[u8], row: u64, json: bool) -> Result<Option<(Value, String)>, String> {
    if line.len() as u64 >= LONGEST {
        return Err("the line is longer than a MiB".to_string());
    }
    let line = std::str::from_utf8(line).map_err(|_| "not UTF-8".to_string())?;
    let line = line.trim_start_matches('\u{feff}').trim();
    if line.is_empty() {
        return Ok(None);
    }
    if !json {
        let object = line
            .starts_with('{')
            .then(|| serde_json::from_str::<Value>(line).ok());
        if object.flatten().is_some_and(|o| o.get("query").is_some()) {
            return Err("a query in JSON below one in words; give all alike".to_string());
        }
        return Ok(Some((row.into(), line.to_string())));
    }
    let wrong = "not an object of JSON with a \"query\"";
    let value: Value = serde_json::from_str(line).map_err(|e| format!("{wrong}: {e}"))?;
    let query = value.get("query").and_then(Value::as_str);
    let query = query.ok_or_else(|| wrong.to_string())?.trim();
    if query.is_empty() {
        return Err("the query is empty".to_string());
    }
    let id = match value.get("id") {
        None | Some(Value::Null) => row.into(),
        Some(id @ (Value::String(_) | Value::Number(_))) => id.clone(),
        Some(_) => return Err("the id is neither a text nor a number".to_string()),
    };
    Ok(Some((id, query.to_string())))
}

/// The query that standard input holds, of whatever length and number of lines.
pub(super) fn from_stdin() -> Result<String> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        let message = "- reads it from standard input, which is a terminal; give words, or send a text to the command";
        return Err(usage("QUERY", message));
    }
    let bad = |message: &str| Error::input("standard input", None, message);
    let mut bytes = Vec::new();
    stdin
        .lock()
        .take(LONGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| Error::io("standard input", e))?;
    if bytes.len() as u64 > LONGEST {
        return Err(bad("the query is longer than a MiB; `similar -` compares whole texts").into());
    }
    let query = String::from_utf8(bytes).map_err(|_| bad("the query is not UTF-8"))?;
    let query = query.trim_start_matches('\u{feff}').trim();
    if query.is_empty() {
        return Err(usage("QUERY", "standard input holds none; send some words"));
    }
    Ok(query.to_string())
}

/// Answers all queries of a file (`-` is standard input), in their order.
pub(super) fn answer(
    path: &Path,
    reader: &Reader,
    encoder: Option<&Encoder>,
    options: &SearchOptions,
    job: &Job,
) -> Result<Outcome> {
    let name = path.to_string_lossy();
    let mut lines = super::args::lines(path)?;
    // Lines of JSON are told by the first that is not empty.
    let mut json = None;
    let mut out = ui::stdout();
    let mut queries: Vec<(Value, String)> = Vec::new();
    let (mut row, mut any, mut found) = (0, false, false);
    loop {
        let mut line = Vec::new();
        let n = lines
            .by_ref()
            .take(LONGEST)
            .read_until(b'\n', &mut line)
            .map_err(|e| Error::io(path, e))?;
        let mut problem = None;
        if n > 0 {
            row += 1;
            let text = line
                .strip_prefix(b"\xef\xbb\xbf")
                .unwrap_or(&line)
                .trim_ascii();
            if json.is_none() && !text.is_empty() {
                json = Some(text.starts_with(b"{"));
            }
            match parse(&line, row, json.unwrap_or(false)) {
                Ok(query) => queries.extend(query),
                Err(message) => problem = Some(Error::input(name.as_ref(), Some(row), message)),
            }
        }
        if n == 0 || problem.is_some() || queries.len() == TOGETHER {
            job.check()?;
            any |= !queries.is_empty();
            for ((id, query), answer) in queries
                .iter()
                .zip(several(reader, encoder, &queries, options)?)
            {
                found |= !answer.hits.is_empty();
                let answer = Answer {
                    id,
                    query,
                    found: answer,
                };
                let json = serde_json::to_string(&answer)?;
                let line = format!("{}\n", nearwise::corpus::plain_json(&json));
                out.write_all(line.as_bytes())
                    .map_err(|e| Error::io("standard output", e))?;
            }
            out.flush().map_err(|e| Error::io("standard output", e))?;
            queries.clear();
        }
        if let Some(problem) = problem {
            return Err(problem.into());
        }
        if n == 0 {
            break;
        }
    }
    if !any {
        return Err(Error::input(name.as_ref(), None, "it holds no query; give one a line").into());
    }
    Ok(if found {
        Outcome::Done
    } else {
        Outcome::NothingFound
    })
}

fn several(
    reader: &Reader,
    encoder: Option<&Encoder>,
    queries: &[(Value, String)],
    options: &SearchOptions,
) -> Result<Vec<Found>> {
    let texts: Vec<&str> = queries.iter().map(|(_, query)| query.as_str()).collect();
    Ok(match encoder {
        Some(encoder) => reader.search_many(encoder, &texts, options)?,
        None => texts
            .into_iter()
            .map(|text| reader.search_words(text, options))
            .collect::<Result<_, _>>()?,
    })
}
