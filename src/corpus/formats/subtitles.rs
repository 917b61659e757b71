//! Subtitles and transcripts (SRT, WebVTT): what is said, as one article.

use super::{Context, whole};
use crate::corpus::article::{Article, is_blank, tidy};
use crate::corpus::decode::Decoder;
use crate::error::Result;
use std::io::Read;

/// A silence that ends a paragraph, in seconds.
const SILENCE: f64 = 4.0;
/// The longest mark in a line, in characters.
const LONGEST_MARK: usize = 200;
/// A paragraph ends with the sentence behind so many characters.
const PARAGRAPH: usize = 600;

/// Whether a text begins as subtitles do.
pub(super) fn is_one(text: &str) -> bool {
    let mut lines = text.lines();
    let (first, second) = (lines.next().unwrap_or(""), lines.next().unwrap_or(""));
    let begins = first.trim_end() == "WEBVTT" || first.starts_with("WEBVTT ");
    // An agenda has no seconds.
    let exact = |line: &str| {
        let (from, _) = line.split_once("-->").unwrap_or_default();
        from.contains([',', '.']) || from.matches(':').count() == 2
    };
    begins && text.lines().any(|line| times(line).is_some())
        || first.trim().parse::<u32>().is_ok() && times(second).is_some() && exact(second)
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

/// When what follows a line is shown, in seconds: `00:01:02,500 --> 00:01:04,000`. People and programs write the arrow
/// in several ways, and may leave out the end.
fn times(line: &str) -> Option<(f64, f64)> {
    let (from, to) = line.split_once('>')?;
    let from = from.trim_end().strip_suffix(['-', '–', '—'])?;
    let from = seconds(from.trim_end_matches(['-', '–', '—']))?;
    // Behind the time, places on the screen may follow.
    let end = to.find(|c: char| c.is_alphabetic()).unwrap_or(to.len());
    let last = to[..end]
        .trim()
        .split_once("  ")
        .map_or(&to[..end], |(time, _)| time);
    Some((from, seconds(last).unwrap_or(from)))
}

fn seconds(text: &str) -> Option<f64> {
    let time: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let is_time = |c: char| c.is_ascii_digit() || ":,.;".contains(c);
    if !time.contains(':') || !time.chars().all(is_time) {
        return None;
    }
    let mut sum = 0.0;
    for part in time.split(':') {
        let part: f64 = part.replace([',', ';'], ".").parse().ok()?;
        sum = 60.0 * sum + part;
    }
    sum.is_finite().then_some(sum)
}

/// What is shown at a time.
struct Cue<'t> {
    from: f64,
    to: f64,
    lines: Vec<&'t str>,
}

/// The cues of subtitles. A cue may have a blank line within, or none behind it.
fn cues(text: &str) -> Vec<Cue<'_>> {
    let mut cues: Vec<Cue<'_>> = Vec::new();
    // Of WebVTT, what stands before the first cue and in notes is not shown.
    let mut hidden = true;
    let mut blank = true;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim().is_empty() {
            blank = true;
            continue;
        }
        if let Some((from, to)) = times(line) {
            hidden = false;
            cues.push(Cue {
                from,
                to,
                lines: Vec::new(),
            });
        } else if blank
            && ["NOTE", "STYLE", "REGION"].iter().any(|name| {
                line.strip_prefix(name)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
            })
        {
            hidden = true;
        } else if !hidden
            && !is_name(line, blank, lines.clone())
            && let Some(cue) = cues.last_mut()
        {
            cue.lines.push(line);
        }
        blank = false;
    }
    cues
}

/// Whether a line is the number or the name of the cue that follows.
fn is_name<'t>(line: &str, behind_blank: bool, mut rest: impl Iterator<Item = &'t str>) -> bool {
    let number = line.trim().bytes().all(|b| b.is_ascii_digit());
    if !number && !behind_blank {
        return false;
    }
    let mut next = rest.next();
    // Some files have a blank line behind every line.
    if number && next.is_some_and(|line| line.trim().is_empty()) {
        next = rest.next();
    }
    next.is_some_and(|line| times(line).is_some())
}

/// What is said in subtitles, in paragraphs.
fn said(text: &str) -> String {
    /// Cues shorter than this are there for what moves on the screen.
    const BRIEF: f64 = 0.1;
    let mut paragraphs: Vec<String> = Vec::new();
    let mut open = String::new();
    let mut shown: Vec<String> = Vec::new();
    let mut end: Option<f64> = None;
    for cue in cues(text) {
        let silent = end.is_some_and(|end| cue.from - end >= SILENCE);
        let ended = open.len() >= PARAGRAPH && open.ends_with(['.', '!', '?', '…', '。']);
        if (silent || ended) && !open.is_empty() {
            paragraphs.push(std::mem::take(&mut open));
        }
        end = Some(cue.to);
        let lines: Vec<String> = cue.lines.iter().map(|line| plain(line)).collect();
        let lines: Vec<String> = lines.into_iter().filter(|line| !line.is_empty()).collect();
        if lines.is_empty() {
            continue;
        }
        // Live subtitles show a line again above the next.
        let again = lines.len() > 1 || cue.to - cue.from < BRIEF && cue.to > cue.from;
        for line in &lines {
            if again && shown.contains(line) {
                continue;
            }
            if !open.is_empty() {
                open.push(' ');
            }
            open.push_str(line);
        }
        shown = lines;
    }
    if !open.is_empty() {
        paragraphs.push(open);
    }
    paragraphs.join("\n\n")
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
        // Where none ends soon, it is no mark.
        let near = behind
            .char_indices()
            .nth(LONGEST_MARK)
            .map_or(behind, |(at, _)| &behind[..at]);
        match near.find(close).filter(|_| mark) {
            Some(end) => {
                let (mark, after) = (&behind[..end], &behind[end + 1..]);
                // Who speaks.
                if let Some((tag, name)) = mark.split_once(' ')
                    && close == '>'
                    && (tag == "v" || tag.starts_with("v."))
                {
                    out.push(' ');
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
    let text = super::markup::entities(&out).replace("\\N", " ");
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
    fn what_is_said_again_is_text_and_what_is_shown_again_is_not() {
        let cue =
            |from: &str, to: &str, text: &str| format!("00:00:{from} --> 00:00:{to}\n{text}\n\n");
        let rolling = [
            cue("01.000", "03.000", " \nThe<00:00:01.500><c> bridge</c>"),
            cue("03.000", "03.010", "The bridge\n "),
            cue("03.010", "05.000", "The bridge\nopens<c> today</c>"),
            cue("05.000", "05.010", "opens today\n "),
        ];
        assert_eq!(
            said(&format!("WEBVTT\n\n{}", rolling.concat())),
            "The bridge opens today"
        );
        let shouted = [
            cue("01.000", "02.000", "Go!"),
            cue("02.000", "03.000", "Go!"),
        ];
        assert_eq!(said(&shouted.concat()), "Go! Go!");
    }

    #[test]
    fn nothing_is_lost_of_files_that_are_a_little_wrong() {
        for (text, wanted) in [
            (
                "1\n00:00:01,000 --> 00:00:03,000\nShe said:\n\n\"I go.\"\n\n2\n00:00:03,000 --> 00:00:04,000\nTwo\n",
                "She said: \"I go.\" Two",
            ),
            (
                "1\n\n00:00:01,000 --> 00:00:03,000\n\nOne\n\n2\n\n00:00:03,000 --> 00:00:04,000\n\nTwo\n",
                "One Two",
            ),
            (
                "1\n00:00:01,000 -> 00:00:03,000\nOne\n\n2\n00 : 00 : 03,000 --> 00 : 00 : 04;100\nTwo\n\n3\n00:00:05,000 —>\nThree\n",
                "One Two Three",
            ),
            (
                "1\n00:00:01,000 --> 00:00:03,000\n1984\n\n2\n00:00:03,000 --> 00:00:04,000 X1:40 X2:600\na\\Nb\n",
                "1984 a b",
            ),
        ] {
            assert_eq!(said(text), wanted, "{text}");
        }
        let open = format!("00:00:01,000 --> 00:00:02,000\nx{}", "<a".repeat(300_000));
        assert_eq!(said(&open).len(), 600_001);
    }

    #[test]
    fn texts_are_no_subtitles() {
        assert!(is_one("WEBVTT\n\n00:01.000 --> 00:02.000\nx"));
        assert!(is_one("\u{31}\n00:00:01,000 --> 00:00:02,000\nx"));
        for text in [
            "1\n00:00 is when\n",
            "WEBVTT\nis a format\n",
            "a --> b",
            "1\n2 --> 3\n",
            "-> a",
            ">",
        ] {
            assert!(!is_one(text), "{text}");
        }
    }
}
