//! What the command line adds to an error: the option that it is about, what to run, the exit code.

use nearwise::{Error, ErrorKind, Missing};
use std::fmt;

/// An option or argument of the command line that cannot be used as it was given.
#[derive(Debug)]
pub(super) struct Usage {
    option: &'static str,
    message: String,
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.option, self.message)
    }
}

impl std::error::Error for Usage {}

/// Wrong usage of an option.
pub(super) fn usage(option: &'static str, message: impl Into<String>) -> anyhow::Error {
    let message = message.into();
    Usage { option, message }.into()
}

/// The option that sets a parameter of the library.
fn option(parameter: &str) -> &str {
    match parameter {
        "k" => "--topics",
        "min_size" => "--min-size",
        "min_similarity" => "--min-similarity",
        "batch_size" => "--batch",
        "resolution" => "--resolution",
        "guides" => "--guide",
        "threshold" => "--threshold",
        "field" => "--field",
        "span" => "--by",
        "into" => "--into",
        "n" => "--cut",
        "exclude" => "--exclude",
        "query_prompt" => "--query-prompt",
        "document_prompt" => "--document-prompt",
        "to" => "--out",
        "format" => "--format",
        "topics" => "TOPIC",
        "delimiter" => "--delimiter",
        "offset" => "--offset",
        "diverse" => "--diverse",
        "fold" => "--fold",
        "half_life" => "--half-life",
        "now" => "--now",
        "facets" => "--facets",
        "sentences" => "--sentence",
        "by" => "--by",
        "like" => "ID|FILE",
        "unlike" => "--unlike",
        "dimensions" => "--dim",
        "label" => "--label",
        "prompt" => "--prompt",
        "precision" => "--precision",
        "calibration" => "--calibration",
        "corpora" => "--corpus",
        "max_client_batch" => "--max-client-batch",
        other => other,
    }
}

/// What to do about an error, in words of the command line.
fn advice(e: &Error) -> Option<&'static str> {
    Some(match e.kind() {
        ErrorKind::NotFound(Missing::Corpus) => "make one with `nearwise index PATH --corpus FILE`",
        ErrorKind::NotFound(Missing::Article) => "`nearwise search` and `nearwise export` show ids",
        ErrorKind::NotFound(Missing::Topic) => "see `nearwise topics`",
        ErrorKind::NotFound(Missing::Topics) => "run `nearwise topics fit`",
        ErrorKind::NotFound(Missing::Vectors) => "run `nearwise index`",
        ErrorKind::NotFound(Missing::Model) => "`nearwise model list` shows the known ones",
        ErrorKind::WrongModel => {
            "leave out --dtype, --device, --dim, --document-prompt and --model (or NEARWISE_MODEL), or index into a new corpus"
        }
        ErrorKind::Network => {
            "with a network, `nearwise model pull` fetches it; without, pass --model FOLDER"
        }
        ErrorKind::Device if e.place() != "device cpu" => {
            "`nearwise devices` shows what works; --device cpu always does"
        }
        ErrorKind::Damaged if e.place().starts_with("corpus ") => {
            "`nearwise check` tells what can be healed"
        }
        _ => return None,
    })
}

/// The option that helps where an input says that something about it is to be said.
pub(super) fn input_advice(message: &str) -> Option<&'static str> {
    const ADVICE: [(&str, &str); 3] = [
        (
            "say so if there is no header",
            "--no-header does, and columns then go by their numbers (as in --text-column 1)",
        ),
        ("say which delimiter does", "--delimiter names it"),
        (
            "name the column that holds the text",
            "--text-column names it",
        ),
    ];
    let known = ADVICE.iter().find(|(part, _)| message.contains(part));
    known.map(|(_, advice)| *advice)
}

/// An error and those behind it, in one line; what one of them has said is not said again.
fn chain(e: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in e.chain().map(ToString::to_string) {
        if line.contains(&cause) {
            continue;
        }
        if !line.is_empty() {
            line.push_str(": ");
        }
        line.push_str(&cause);
    }
    line
}

/// The line for an error, and the exit code.
pub(super) fn report(e: &anyhow::Error) -> (String, u8) {
    let Some(error) = e.downcast_ref::<Error>() else {
        let code = if e.is::<Usage>() { 2 } else { 1 };
        return (chain(e), code);
    };
    let line = match error.kind() {
        ErrorKind::InvalidParameter(name) => format!("{}: {}", option(name), error.message()),
        ErrorKind::InvalidFilter { .. } => format!("--where: {}", error.message()),
        _ => {
            // What was added on the way up stands in front.
            let mut outer: Vec<String> = e
                .chain()
                .take_while(|cause| !cause.is::<Error>())
                .map(ToString::to_string)
                .collect();
            let own = error.to_string();
            // It may have said the same.
            outer.retain(|said| !own.contains(said.as_str()));
            if outer.is_empty() {
                own
            } else {
                format!("{}: {own}", outer.join(": "))
            }
        }
    };
    let line = match advice(error) {
        Some(advice) => format!("{line}; {advice}"),
        None => line,
    };
    let code = match error.kind() {
        ErrorKind::Cancelled => 130,
        ErrorKind::InvalidParameter(_)
        | ErrorKind::InvalidFilter { .. }
        | ErrorKind::NotFound(Missing::Topic) => 2,
        _ => 1,
    };
    (line, code)
}
