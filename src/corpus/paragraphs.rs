//! Paragraphs and sentences of a text, as byte ranges of it.

use std::ops::Range;
use unicode_segmentation::UnicodeSegmentation;

/// The paragraphs of `text`, as byte ranges without surrounding white space.
///
/// Blank lines part them. A text without blank lines has a paragraph a line where its lines
/// are long, and otherwise counts as hard-wrapped: a paragraph begins at each indented line.
pub fn paragraphs(text: &str) -> Vec<Range<usize>> {
    let lines: Vec<Range<usize>> = lines(text).collect();
    let blank = |r: &Range<usize>| text[r.clone()].trim().is_empty();
    let any_blank = lines.iter().any(blank);
    let mut lengths: Vec<usize> = lines.iter().map(Range::len).collect();
    lengths.sort_unstable();
    let wrapped = lengths
        .get(lengths.len() / 2)
        .is_some_and(|&median| median <= 100);

    let mut out: Vec<Range<usize>> = Vec::new();
    let mut open: Option<Range<usize>> = None;
    for line in lines {
        let is_blank = blank(&line);
        let begins = if any_blank {
            is_blank
        } else {
            !wrapped || text[line.clone()].starts_with([' ', '\t', '\u{3000}'])
        };
        if begins && let Some(done) = open.take() {
            out.push(done);
        }
        if !is_blank {
            open = Some(match open {
                Some(paragraph) => paragraph.start..line.end,
                None => line,
            });
        }
    }
    out.extend(open);
    for range in &mut out {
        *range = trimmed(text, range.clone());
    }
    out
}

fn lines(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    text.split('\n').map(move |line| {
        let range = start..start + line.len();
        start = range.end + 1;
        range
    })
}

/// `range` without white space at its ends.
pub(crate) fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let slice = &text[range.clone()];
    let start = range.start + (slice.len() - slice.trim_start().len());
    let end = start + text[start..range.end].trim_end().len();
    start..end
}

/// Abbreviations after which a sentence usually goes on.
const ABBREVIATIONS: &[&str] = &[
    "mr.", "mrs.", "ms.", "dr.", "prof.", "st.", "sr.", "jr.", "gen.", "col.", "lt.", "sgt.",
    "gov.", "sen.", "rep.", "rev.", "hon.", "no.", "nr.", "vs.", "etc.", "e.g.", "i.e.", "cf.",
    "al.", "inc.", "ltd.", "co.", "corp.", "u.s.", "u.k.", "u.n.", "e.u.", "jan.", "feb.", "mar.",
    "apr.", "jun.", "jul.", "aug.", "sep.", "sept.", "oct.", "nov.", "dec.", "z.b.", "d.h.",
    "bzw.", "ca.", "м.", "г.", "ул.", "т.е.",
];

/// The sentences of `text[range]`, as byte ranges of `text` without surrounding white space
/// and covering everything else.
///
/// Bounds are those of Unicode's annex 29, but not after a known abbreviation or an initial.
pub fn sentences(text: &str, range: Range<usize>) -> Vec<Range<usize>> {
    let mut out: Vec<Range<usize>> = Vec::new();
    let mut joins = false;
    for (offset, piece) in text[range.clone()].split_sentence_bound_indices() {
        let start = range.start + offset;
        let sentence = trimmed(text, start..start + piece.len());
        if sentence.is_empty() {
            continue;
        }
        let continues = ends_in_abbreviation(&text[sentence.clone()]);
        match out.last_mut() {
            Some(last) if joins => last.end = sentence.end,
            _ => out.push(sentence),
        }
        joins = continues;
    }
    out
}

fn ends_in_abbreviation(sentence: &str) -> bool {
    let Some(last) = sentence.split_whitespace().next_back() else {
        return false;
    };
    let last = last.trim_start_matches(['(', '"', '“', '\'', '‘']);
    let mut chars = last.chars();
    let initial = matches!((chars.next(), chars.next(), chars.next()), (Some(c), Some('.'), None) if c.is_uppercase());
    initial || ABBREVIATIONS.contains(&last.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts<'a>(text: &'a str, ranges: &[Range<usize>]) -> Vec<&'a str> {
        ranges.iter().map(|r| &text[r.clone()]).collect()
    }

    #[test]
    fn blank_lines_part_paragraphs() {
        let text = "One\nstill one.\n\n \nTwo.";
        assert_eq!(texts(text, &paragraphs(text)), ["One\nstill one.", "Two."]);
    }

    #[test]
    fn indented_lines_part_wrapped_text() {
        let text = "    First line\nof one.\n    Second\nof two.";
        assert_eq!(
            texts(text, &paragraphs(text)),
            ["First line\nof one.", "Second\nof two."]
        );
    }

    #[test]
    fn long_lines_are_paragraphs() {
        let line = "word ".repeat(40);
        let text = format!("{line}\n{line}\n{line}");
        assert_eq!(paragraphs(&text).len(), 3);
    }

    #[test]
    fn abbreviations_do_not_end_sentences() {
        let text =
            "Mr. Kerry met J. Smith of the U.S. Senate. “It works,” he said. Then they left!";
        assert_eq!(
            texts(text, &sentences(text, 0..text.len())),
            [
                "Mr. Kerry met J. Smith of the U.S. Senate.",
                "“It works,” he said.",
                "Then they left!"
            ]
        );
    }

    proptest! {
        #[test]
        fn nothing_but_white_space_is_lost(text in "[a-zA-Zäßж .!?\n\r\t“”]{0,200}") {
            let kept: String = paragraphs(&text)
                .into_iter()
                .flat_map(|p| sentences(&text, p))
                .map(|s| text[s].to_string())
                .collect();
            let squeeze = |s: &str| s.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert_eq!(squeeze(&kept), squeeze(&text));
        }
    }
}
