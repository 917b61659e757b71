//! Passages: windows of an article that fit the model, cut where sentences end.

use super::paragraphs::{paragraphs, sentences, trimmed};
use std::ops::Range;

/// One passage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// What the encoder is given: the title, a line end, and the passage's text.
    pub input: String,
    /// The passage in the article's text, as a byte range.
    pub range: Range<usize>,
    /// Tokens that no earlier passage holds, title left out; the passage's weight in the
    /// article's vector.
    pub fresh_tokens: u32,
}

/// How an article is cut.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// Tokens that a passage may have with its title, without the model's special tokens.
    pub tokens: usize,
    /// Tokens of the sentences repeated from the passage before, at most.
    pub overlap: usize,
}

/// The tokens of a passage for models that take many more: one vector of a long text says little
/// of each of its parts, and an answer should be read at a glance.
const LONGEST: usize = 512;

impl Window {
    /// The window of a model that takes `max_tokens` with `special` special tokens.
    pub fn of(max_tokens: usize, special: usize) -> Self {
        let tokens = max_tokens.min(LONGEST).saturating_sub(special).max(8);
        Self {
            tokens,
            overlap: tokens / 8,
        }
    }
}

/// A text and the byte offsets of each of its tokens, special tokens left out.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tokenized<'a> {
    /// The text.
    pub text: &'a str,
    /// Where each token begins and ends.
    pub tokens: &'a [(usize, usize)],
}

#[derive(Debug, Clone)]
struct Unit {
    range: Range<usize>,
    tokens: usize,
}

/// Cuts an article into passages.
///
/// Sentences are kept whole and packed to windows of about equal length; the last ones of a
/// window are repeated at the start of the next. A sentence longer than a window is cut at
/// white space. A title longer than a quarter of the window is put in front of the first
/// passage only as text of its own, and shortened in front of the others, so that no token
/// of it is lost. `skip` are ranges to leave out (boilerplate). Every token outside `skip` is
/// in some passage.
pub fn split(
    title: Tokenized<'_>,
    text: Tokenized<'_>,
    skip: &[Range<usize>],
    window: Window,
) -> Vec<Passage> {
    let Tokenized {
        text: title,
        tokens: title_tokens,
    } = title;
    let Tokenized {
        text,
        tokens: offsets,
    } = text;
    let longest_prefix = window.tokens / 4;
    let (prefix, long_title) = if title_tokens.len() > longest_prefix {
        (
            title[..title_tokens[longest_prefix - 1].1].to_string(),
            true,
        )
    } else {
        (title.to_string(), false)
    };
    let prefix_tokens = title_tokens.len().min(longest_prefix);
    let room = window.tokens - prefix_tokens;

    let units = units(text, offsets, skip, room);
    let mut out = Vec::new();
    if long_title {
        // The whole title, cut only where it exceeds the window.
        for piece in cut(title, title_tokens, 0..title.len(), window.tokens) {
            out.push(Passage {
                input: title[piece.range].to_string(),
                range: 0..0,
                fresh_tokens: piece.tokens as u32,
            });
        }
    }
    let total: usize = units.iter().map(|u| u.tokens).sum();
    if total == 0 {
        if out.is_empty() && !title.is_empty() {
            out.push(Passage {
                input: title.to_string(),
                range: 0..0,
                fresh_tokens: title_tokens.len() as u32,
            });
        }
        return out;
    }
    // All windows about equally long rather than full ones and a short rest.
    let windows = if total <= room {
        1
    } else {
        let step = room.saturating_sub(window.overlap).max(1);
        (total - window.overlap).div_ceil(step).max(2)
    };
    let target = if windows == 1 {
        room
    } else {
        (total.div_ceil(windows) + window.overlap).min(room)
    };

    let mut start = 0; // the first unit that no passage holds yet
    while start < units.len() {
        let mut first = start;
        let mut tokens = 0;
        if start > 0 {
            while first > 0 && tokens + units[first - 1].tokens <= window.overlap {
                first -= 1;
                tokens += units[first].tokens;
            }
            // The sentence that follows must still fit.
            while first < start && tokens + units[start].tokens > room {
                tokens -= units[first].tokens;
                first += 1;
            }
        }
        let mut end = start;
        let mut fresh = 0;
        while end < units.len()
            && tokens + units[end].tokens <= room
            && (end == start || tokens + units[end].tokens / 2 < target)
        {
            tokens += units[end].tokens;
            fresh += units[end].tokens;
            end += 1;
        }
        let input = joined(&prefix, text, &units[first..end]);
        out.push(Passage {
            input,
            range: units[first].range.start..units[end - 1].range.end,
            fresh_tokens: fresh as u32,
        });
        start = end;
    }
    out
}

fn joined(prefix: &str, text: &str, units: &[Unit]) -> String {
    let length: usize = units.iter().map(|u| u.range.len() + 1).sum();
    let mut input = String::with_capacity(prefix.len() + 1 + length);
    input.push_str(prefix);
    let mut at: Option<usize> = None;
    for unit in units {
        match at {
            // What stands between two sentences stands between them here too, unless it
            // was left out.
            Some(end) if text[end..unit.range.start].trim().is_empty() => {
                input.push_str(&text[end..unit.range.start]);
            }
            _ if !input.is_empty() => input.push('\n'),
            _ => {}
        }
        input.push_str(&text[unit.range.clone()]);
        at = Some(unit.range.end);
    }
    input
}

/// Sentences with their token counts, none longer than `room`.
fn units(text: &str, offsets: &[(usize, usize)], skip: &[Range<usize>], room: usize) -> Vec<Unit> {
    let mut out = Vec::new();
    for paragraph in paragraphs(text) {
        if skip
            .iter()
            .any(|s| s.start <= paragraph.start && paragraph.end <= s.end)
        {
            continue;
        }
        for sentence in sentences(text, paragraph) {
            out.extend(cut(text, offsets, sentence, room));
        }
    }
    out.retain(|unit| unit.tokens > 0);
    out
}

/// `range` in pieces of at most `room` tokens, cut at white space where there is some.
fn cut(text: &str, offsets: &[(usize, usize)], range: Range<usize>, room: usize) -> Vec<Unit> {
    let mut low = offsets.partition_point(|&(start, _)| start < range.start);
    let high = low + offsets[low..].partition_point(|&(start, _)| start < range.end);
    if high - low <= room {
        return vec![Unit {
            range,
            tokens: high - low,
        }];
    }
    let mut out = Vec::new();
    let mut start = range.start;
    while high - low > room {
        let full = low + room;
        let after_space = |i: usize| {
            let (end, next) = (offsets[i - 1].1, offsets[i].0);
            end < next && text[end..next].contains(char::is_whitespace)
        };
        let at = (low + room / 2..=full)
            .rev()
            .find(|&i| i > low && after_space(i))
            .unwrap_or(full);
        // A token may begin inside a character that another began: step to a boundary.
        let mut byte = offsets[at].0;
        while !text.is_char_boundary(byte) {
            byte -= 1;
        }
        let mut at = at;
        if byte <= start {
            byte = range.end;
            at = high;
        }
        out.push(Unit {
            range: trimmed(text, start..byte),
            tokens: at - low,
        });
        start = byte;
        low = at;
    }
    if start < range.end {
        out.push(Unit {
            range: trimmed(text, start..range.end),
            tokens: high - low,
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A token for each run of letters and for each other visible character.
    fn words(text: &str) -> Vec<(usize, usize)> {
        let mut out: Vec<(usize, usize)> = Vec::new();
        let mut letters = false;
        for (i, c) in text.char_indices() {
            let end = i + c.len_utf8();
            if c.is_whitespace() {
                letters = false;
            } else if c.is_alphanumeric() && letters {
                out.last_mut().unwrap().1 = end;
            } else {
                out.push((i, end));
                letters = c.is_alphanumeric();
            }
        }
        out
    }

    fn split_by_words(
        title: &str,
        text: &str,
        skip: &[Range<usize>],
        window: Window,
    ) -> Vec<Passage> {
        let (of_title, of_text) = (words(title), words(text));
        let tokenized = |text, tokens| Tokenized { text, tokens };
        split(
            tokenized(title, &of_title),
            tokenized(text, &of_text),
            skip,
            window,
        )
    }

    fn cut_up(title: &str, text: &str, tokens: usize) -> Vec<Passage> {
        let window = Window {
            tokens,
            overlap: tokens / 8,
        };
        split_by_words(title, text, &[], window)
    }

    #[test]
    fn a_short_article_is_one_passage() {
        let passages = cut_up("Title", "One sentence. Another.", 32);
        assert_eq!(passages.len(), 1);
        assert_eq!(passages[0].input, "Title\nOne sentence. Another.");
        assert_eq!(passages[0].range, 0..22);
    }

    #[test]
    fn exactly_full_and_one_above() {
        let text = |n: usize| vec!["w"; n].join(" ");
        assert_eq!(cut_up("", &text(32), 32).len(), 1);
        assert_eq!(cut_up("", &text(33), 32).len(), 2);
    }

    #[test]
    fn skipped_ranges_are_in_no_passage() {
        let text = "Own one.\n\nADVERTISEMENT\n\nOwn two.";
        let window = Window {
            tokens: 32,
            overlap: 4,
        };
        let passages = split_by_words("", text, std::slice::from_ref(&(10..23)), window);
        assert_eq!(passages[0].input, "Own one.\nOwn two.");
    }

    #[test]
    fn a_title_alone_is_a_passage() {
        assert_eq!(cut_up("Only a title", "", 32)[0].input, "Only a title");
        assert!(cut_up("", "", 32).is_empty());
    }

    proptest! {
        #[test]
        fn no_passage_is_too_long_and_no_token_is_lost(
            title in "[a-z]{0,6}( [a-z]{1,4}){0,30}",
            text in "([a-zé]{1,9}[ .!\n,“]{1,3}){0,150}",
            tokens in 16usize..64,
        ) {
            let passages = cut_up(&title, &text, tokens);
            let mut covered = vec![false; text.len()];
            let mut fresh = 0;
            for p in &passages {
                prop_assert!(words(&p.input).len() <= tokens, "{p:?}");
                covered[p.range.clone()].fill(true);
                fresh += p.fresh_tokens as usize;
            }
            let offsets = words(&text);
            for (start, _) in &offsets {
                prop_assert!(covered[*start], "token at {start} is in no passage");
            }
            prop_assert!(fresh >= offsets.len());
            if !title.is_empty() {
                for (start, end) in words(&title) {
                    prop_assert!(passages.iter().any(|p| p.input.contains(&title[start..end])));
                }
            }
        }
    }
}
