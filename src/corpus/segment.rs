//! Texts and queries as the word index takes them.
//!
//! SQLite's tokenizer takes what stands between two blanks for a word, and so a whole sentence of
//! Chinese for one. Scripts without blanks are therefore indexed as overlapping pairs of
//! characters, as Lucene's CJK analyzer does: a text that holds a string of two or more of them
//! holds its pairs. Other scripts are indexed by words, [folded](super::fold), as they always were.

use super::fold::{fold, is_emoji, is_unspaced, words};
use icu_properties::CodePointMapData;
use icu_properties::props::{GeneralCategory, GeneralCategoryGroup};

/// The text with a blank between each two words, for the word index.
pub fn indexed(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 4);
    for run in runs(&fold(text)) {
        match run {
            Run::Spaced(text) => spaced(text, &mut out),
            Run::Unspaced(text) => {
                let mut before: Option<char> = None;
                for c in text.chars() {
                    if let Some(before) = before {
                        out.extend([before, c, ' ']);
                    }
                    before = Some(c);
                }
                // By itself the last would be found by no query of one character.
                out.extend(before);
            }
        }
        out.push(' ');
    }
    out
}

/// A query of FTS5 that finds a text by any word of `query`: all that is syntax there is in
/// quotes. Of a script without blanks, any pair of characters finds a text, and a text that holds
/// all that stands together counts the more. Empty where the query has no word.
pub fn expression(query: &str) -> String {
    let mut terms: Vec<String> = Vec::new();
    for run in runs(&fold(query)) {
        match run {
            Run::Spaced(text) => {
                for word in words(text) {
                    let mut term = String::new();
                    spaced(word, &mut term);
                    let tokens: Vec<&str> = term.split_whitespace().collect();
                    if !tokens.is_empty() {
                        terms.push(format!("\"{}\"", tokens.join(" ")));
                    }
                }
            }
            Run::Unspaced(text) => {
                let chars: Vec<char> = text.chars().collect();
                let pairs: Vec<String> = chars.windows(2).map(|p| p.iter().collect()).collect();
                match pairs.as_slice() {
                    [] => terms.push(format!("\"{text}\" *")),
                    [_] => {}
                    pairs => terms.push(format!("\"{}\"", pairs.join(" "))),
                }
                terms.extend(pairs.iter().map(|pair| format!("\"{pair}\"")));
            }
        }
    }
    terms.join(" OR ")
}

/// A part of a text whose words are parted in one way.
enum Run<'a> {
    Spaced(&'a str),
    Unspaced(&'a str),
}

fn runs(text: &str) -> impl Iterator<Item = Run<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let unspaced = is_unspaced(rest.chars().next()?);
        let end = rest
            .find(|c| is_unspaced(c) != unspaced)
            .unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        rest = after;
        Some(if unspaced {
            Run::Unspaced(run)
        } else {
            Run::Spaced(run)
        })
    })
}

/// What is no letter, digit or emoji parts words; the tokenizer keeps the rest.
fn spaced(text: &str, out: &mut String) {
    for c in text.chars() {
        if c.is_alphanumeric() || is_mark(c) || matches!(c, '\u{e000}'..='\u{f8ff}') {
            out.push(c);
        } else if is_emoji(c) {
            out.extend([' ', c, ' ']);
        } else {
            out.push(' ');
        }
    }
}

/// Whether a character goes onto the letter before it, as the vowels of Hindi do.
fn is_mark(c: char) -> bool {
    c >= '\u{300}'
        && GeneralCategoryGroup::Mark.contains(CodePointMapData::<GeneralCategory>::new().get(c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tokens(text: &str) -> Vec<String> {
        indexed(text).split_whitespace().map(String::from).collect()
    }

    #[test]
    fn syntax_is_taken_for_words() {
        assert_eq!(expression("tax* AND (cut"), r#""tax" OR "and" OR "cut""#);
        assert_eq!(expression("\"; --"), "");
        assert_eq!(expression("didn’t"), r#""didn t""#);
    }

    #[test]
    fn scripts_without_blanks_are_pairs() {
        assert_eq!(tokens("5G网络 is 好"), ["5g", "网络", "络", "is", "好"]);
        assert_eq!(expression("票价"), r#""票价""#);
        assert_eq!(expression("市议会"), r#""市议 议会" OR "市议" OR "议会""#);
        assert_eq!(expression("价"), r#""价" *"#);
        assert_eq!(tokens("हिन्दी में 🚀!"), ["हिन्दी", "में", "🚀"]);
    }

    proptest! {
        /// Every pair of a string that stands in a text is a token of that text.
        #[test]
        fn a_string_of_a_text_is_found(
            before in "[a-z 。]{0,4}", found in "[一-三กะพาคーあ가-다]{2,6}", after in "[一-三ก!]{0,4}",
        ) {
            let text = tokens(&format!("{before}{found}{after}"));
            for pair in fold(&found).chars().collect::<Vec<_>>().windows(2) {
                prop_assert!(text.contains(&pair.iter().collect::<String>()));
            }
        }
    }
}
