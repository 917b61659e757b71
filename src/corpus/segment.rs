//! Texts and queries as the word index takes them.
//!
//! SQLite's tokenizer takes what stands between two blanks for a word, and so a whole sentence of
//! Chinese for one. Scripts without blanks are therefore indexed as overlapping pairs of
//! characters, as Lucene's CJK analyzer does: a text that holds a string of two or more of them
//! holds its pairs. Other scripts are indexed by words, [folded](super::fold), as they always were.

use super::fold::{fold, is_emoji, is_unspaced, words};
use icu_normalizer::DecomposingNormalizerBorrowed;
use icu_properties::CodePointMapData;
use icu_properties::props::{GeneralCategory, GeneralCategoryGroup};

/// The text with a blank between each two words, for the word index.
pub fn indexed(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 4);
    for run in runs(&fold(text)) {
        match run {
            Run::Spaced(text) => spaced(text, bare, &mut out),
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
                    let mut forms: Vec<fn(char) -> Option<char>> = vec![bare];
                    if word.chars().any(is_written_in_two_ways) {
                        // Articles that earlier versions indexed have the word as it is written.
                        forms.push(Some);
                    }
                    for form in forms {
                        let mut term = String::new();
                        spaced(word, form, &mut term);
                        let tokens: Vec<&str> = term.split_whitespace().collect();
                        if !tokens.is_empty() {
                            terms.push(format!("\"{}\"", tokens.join(" ")));
                        }
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

/// What is no letter, digit or emoji parts words; the tokenizer keeps the rest. `form` is that in which a letter is
/// kept, if it is.
fn spaced(text: &str, form: impl Fn(char) -> Option<char>, out: &mut String) {
    for c in text.chars() {
        if c.is_alphanumeric() || is_mark(c) || matches!(c, '\u{e000}'..='\u{f8ff}') {
            out.extend(form(c));
        } else if is_emoji(c) {
            out.extend([' ', c, ' ']);
        } else {
            out.push(' ');
        }
    }
}

/// A letter in the index, where there are two ways to write it: with a mark that most writers leave out, in Greek,
/// Russian, Arabic and Hebrew, or without one that hardly any keyboard elsewhere has. SQLite's tokenizer does the
/// same for the accents of Latin letters.
fn bare(c: char) -> Option<char> {
    if c < '\u{80}' {
        return Some(c);
    }
    Some(match c {
        'ё' => 'е',
        'ı' => 'i',
        'ł' => 'l',
        'ø' => 'o',
        'đ' => 'd',
        'ά' => 'α',
        'έ' => 'ε',
        'ή' => 'η',
        'ί' | 'ϊ' | 'ΐ' => 'ι',
        'ό' => 'ο',
        'ύ' | 'ϋ' | 'ΰ' => 'υ',
        'ώ' => 'ω',
        // Of old Greek spelling.
        '\u{1f00}'..='\u{1fff}' => {
            let apart = DecomposingNormalizerBorrowed::new_nfd();
            apart.normalize_iter(std::iter::once(c)).next()?
        }
        // Points of Hebrew, vowels of Arabic and what stretches its words.
        '\u{591}'..='\u{5bd}'
        | '\u{5bf}'
        | '\u{5c1}'
        | '\u{5c2}'
        | '\u{5c4}'
        | '\u{5c5}'
        | '\u{5c7}' => {
            return None;
        }
        '\u{640}' | '\u{64b}'..='\u{65f}' | '\u{670}' => return None,
        c => c,
    })
}

fn is_written_in_two_ways(c: char) -> bool {
    bare(c) != Some(c)
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
    fn a_word_is_found_however_its_letters_are_marked() {
        for (a, b) in [
            ("ΣΙΣΥΦΟΣ", "Σίσυφος"),
            ("Ёлка Пётр", "елка петр"),
            ("IĞDIR", "ığdır"),
            ("Łódź", "lódź"),
            ("الجِسْرُ", "الجسر"),
            ("הַגֶּשֶׁר", "הגשר"),
        ] {
            assert_eq!(tokens(a), tokens(b), "{a}");
        }
        assert_ne!(tokens("мой"), tokens("мои"), "another letter");
        // As it stands in older corpora as well.
        assert_eq!(expression("Ёлка"), r#""елка" OR "ёлка""#);
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
