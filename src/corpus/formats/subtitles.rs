//! Subtitles and transcripts (SRT, WebVTT): what is said, as one article.

use super::{Context, whole};
use crate::corpus::article::{Article, is_blank, tidy};
use crate::corpus::decode::Decoder;
use crate::error::Result;
use std::io::Read;

/// A silence that ends a paragraph, in seconds.
const SILENCE: f64 = 4.0;
/// A paragraph ends with the sentence behind so many characters.
const PARAGRAPH: usize = 600;

/// Whether a text begins as subtitles do.
pub(super) fn is_one(text: &str) -> bool {
    let mut lines = text.lines();
    let (first, second) = (lines.next().unwrap_or(""), lines.next().unwrap_or(""));
    first.trim_end() == "WEBVTT"
        || first.starts_with("WEBVTT ") && text.lines().any(|line| times(line).is_some())
        || first.trim().parse::<u32>().is_ok() && times(second).is_some()
}

pub(super) fn read(
    stream: impl Read,
    decoder: &mut Decoder,
    context: &mut Context<'_>,
) -> Result<()> {
    let Some(bytes) = whole(stream, context)? else {
        return Ok(());
    };
    let text = said(&tidy(&decoder.decode(&bytes)));
    if is_blank(&text) {
        return context.bad(None, "no subtitles with a text in it");
    }
    let article = Article {
        id: context.file_id.clone(),
        text,
        origin: context.origin.to_string(),
        ..Article::default()
    };
    context.sink.article(article)
}

/// When what follows a line is shown, in seconds: `00:01:02,500 --> 00:01:04,000`.
fn times(line: &str) -> Option<(f64, f64)> {
    let (from, to) = line.split_once("-->")?;
    Some((seconds(from)?, seconds(to.trim_start())?))
}

fn seconds(text: &str) -> Option<f64> {
    // Behind the time, places on the screen may follow.
    let time = text.split_whitespace().next()?;
    let mut sum = 0.0;
    for part in time.split(':') {
        let part: f64 = part.replace(',', ".").parse().ok()?;
        sum = 60.0 * sum + part;
    }
    (time.contains(':') && sum.is_finite()).then_some(sum)
}

/// What is said in subtitles, in paragraphs.
fn said(text: &str) -> String {
    let mut paragraphs: Vec<String> = Vec::new();
    let mut open = String::new();
    // Live subtitles show a line again below the next.
    let mut shown: Vec<String> = Vec::new();
    let mut end: Option<f64> = None;
    for block in blocks(text) {
        let Some((at, (from, to))) = block
            .iter()
            .enumerate()
            .find_map(|(i, line)| Some((i, times(line)?)))
        else {
            continue;
        };
        let silent = end.is_some_and(|end| from - end >= SILENCE);
        let ended = open.len() >= PARAGRAPH && open.ends_with(['.', '!', '?', '…', '。']);
        if (silent || ended) && !open.is_empty() {
            paragraphs.push(std::mem::take(&mut open));
        }
        end = Some(to);
        let lines: Vec<String> = block[at + 1..].iter().map(|line| plain(line)).collect();
        for line in lines.iter().filter(|line| !line.is_empty()) {
            if shown.contains(line) {
                continue;
            }
            if !open.is_empty() {
                open.push(' ');
            }
            open.push_str(line);
        }
        if lines.iter().any(|line| !line.is_empty()) {
            shown = lines;
        }
    }
    if !open.is_empty() {
        paragraphs.push(open);
    }
    paragraphs.join("\n\n")
}

/// The lines between blank ones. A time begins a block as well: some files leave the blank line out.
fn blocks(text: &str) -> Vec<Vec<&str>> {
    let mut blocks: Vec<Vec<&str>> = vec![Vec::new()];
    for line in text.lines() {
        let last = blocks.len() - 1;
        if line.trim().is_empty() {
            if !blocks[last].is_empty() {
                blocks.push(Vec::new());
            }
            continue;
        }
        if times(line).is_some() && blocks[last].iter().any(|line| times(line).is_some()) {
            // The number in front of it is its own.
            let number = blocks[last]
                .last()
                .is_some_and(|line| line.trim().parse::<u32>().is_ok());
            let number = if number { blocks[last].pop() } else { None };
            blocks.push(number.into_iter().collect());
        }
        let last = blocks.len() - 1;
        blocks[last].push(line);
    }
    blocks
}

/// A line without its marks: `<i>`, `<00:01.000>`, `<v Ann>`, `{\an8}`.
fn plain(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find(['<', '{']) {
        out.push_str(&rest[..at]);
        let behind = &rest[at + 1..];
        let (close, mark) = match rest.as_bytes()[at] {
            b'<' => (
                '>',
                behind.starts_with(|c: char| c == '/' || c.is_ascii_alphanumeric()),
            ),
            _ => ('}', behind.starts_with('\\')),
        };
        match behind.split_once(close).filter(|_| mark) {
            Some((mark, after)) => {
                // Who speaks.
                if let Some((tag, name)) = mark.split_once(' ')
                    && close == '>'
                    && (tag == "v" || tag.starts_with("v."))
                {
                    out.push_str(name.trim());
                    out.push_str(": ");
                }
                rest = after;
            }
            None => {
                out.push_str(&rest[at..=at]);
                rest = behind;
            }
        }
    }
    out.push_str(rest);
    let text = super::markup::entities(&out);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_put_together() {
        let srt = "1\n00:00:01,000 --> 00:00:03,000\n{\\an8}The <i>bridge</i>\nopens\n\n2\n00:00:03,100 --> 00:00:05,000\n\
                   today. 3 < 4\n3\n00:00:05,100 --> 00:00:06,000\nAt noon.\n\n4\n00:00:20,000 --> 00:00:22,000\n- And the road?\n";
        assert_eq!(
            said(srt),
            "The bridge opens today. 3 < 4 At noon.\n\n- And the road?"
        );
        let vtt = "WEBVTT - a title\nKind: captions\n\nNOTE a --> b\n\nSTYLE\n::cue {}\n\nintro\n00:01.000 --> 00:02.000 align:start\n\
                   <v Ann>The bridge &amp; the road\n\n00:02.000 --> 00:03.000\nThe bridge &amp; the road\n<c.x>open</c> <00:02.500>now\n\n\
                   00:03.000 --> 00:04.000\nopen now\nAt noon\n";
        assert_eq!(
            said(vtt),
            "Ann: The bridge & the road The bridge & the road open now At noon"
        );
        assert_eq!(said("WEBVTT\n\n00:01.000 --> 00:02.000\n\n"), "");
    }

    #[test]
    fn texts_are_no_subtitles() {
        assert!(is_one("WEBVTT\n"));
        assert!(is_one("\u{31}\n00:00:01,000 --> 00:00:02,000\nx"));
        for text in [
            "1\n00:00 is when\n",
            "WEBVTT is a format\n",
            "a --> b",
            "1\n2 --> 3\n",
        ] {
            assert!(!is_one(text), "{text}");
        }
    }
}
