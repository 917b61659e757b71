//! Words as they are compared: what typography, encoding and case make of a text does not count.
//!
//! "didn't" with a typewriter's apostrophe and "didn’t" with a printer's, "ﬁnal" with a ligature,
//! "Brücke" with a combining mark and without, "rail\u{ad}way" with a soft hyphen are one word each.
//! Whatever compares words (duplicates, boilerplate, labels, the word index and its queries)
//! compares folded ones. No offset of a folded text is one of the text itself.

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::CodePointSetData;
use icu_properties::props::ExtendedPictographic;
use std::borrow::Cow;
use unicode_segmentation::UnicodeSegmentation;

const NFKC: ComposingNormalizerBorrowed<'static> = ComposingNormalizerBorrowed::new_nfkc();

/// The text in one form: Unicode's NFKC without soft hyphens and other invisible characters, and
/// with one apostrophe, one quotation mark and one hyphen for all that there are. Case stays.
pub fn plain(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    // NFKC takes some marks apart that are one here, such as ″ and ´.
    let shown = text.chars().filter(|&c| !invisible(c)).map(one_mark);
    Cow::Owned(NFKC.normalize_iter(shown).map(one_mark).collect())
}

/// The text as its words are compared: [`plain`], and without case.
pub fn fold(text: &str) -> String {
    let plain = plain(text);
    if plain.is_ascii() {
        return plain.to_ascii_lowercase();
    }
    // A letter in lower case may be one with the mark behind it, where the capital was not.
    NFKC.normalize_iter(plain.chars().flat_map(lower)).collect()
}

/// A letter as it is compared.
fn lower(c: char) -> impl Iterator<Item = char> {
    let (one, two) = match c {
        'ß' | 'ẞ' => (Some('s'), Some('s')),
        // A sigma at the end of a word has a form of its own, which capitals do not tell.
        'ς' => (Some('σ'), None),
        _ => (None, None),
    };
    let other = one.is_none().then(|| c.to_lowercase());
    one.into_iter()
        .chain(two)
        .chain(other.into_iter().flatten())
}

/// The words of a text that [`fold`] or [`plain`] made, emoji among them.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_word_bounds()
        .filter(|piece| piece.chars().any(|c| c.is_alphanumeric() || is_emoji(c)))
}

/// Whether a character is a picture that stands for a word.
pub fn is_emoji(c: char) -> bool {
    // Below are signs such as ©, and all of Latin, which need not be looked up.
    c >= '\u{2190}'
        && (CodePointSetData::new::<ExtendedPictographic>().contains(c)
            || matches!(c, '\u{1f1e6}'..='\u{1f1ff}'))
}

/// Whether a character belongs to a script that puts no blanks between words, or, as Korean does,
/// puts them where others end a phrase.
pub fn is_unspaced(c: char) -> bool {
    matches!(c,
        '\u{e00}'..='\u{eff}'       // Thai, Lao
        | '\u{1000}'..='\u{109f}'   // Burmese
        | '\u{1780}'..='\u{17ff}'   // Khmer
        | '\u{3005}'..='\u{3007}'
        | '\u{3040}'..='\u{30ff}'   // Hiragana, Katakana
        | '\u{3105}'..='\u{312f}' | '\u{31f0}'..='\u{31ff}'
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
        | '\u{ac00}'..='\u{d7af}'   // Hangul
        | '\u{20000}'..='\u{3ffff}')
        // Marks of these blocks that part words.
        && !matches!(c, '\u{e3f}' | '\u{e4f}' | '\u{e5a}' | '\u{e5b}' | '\u{104a}'..='\u{104f}'
            | '\u{17d4}'..='\u{17db}' | '\u{30a0}' | '\u{30fb}')
}

/// Characters that nobody sees: soft hyphens, joiners, directions, variants, the byte order mark.
fn invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{e0000}'..='\u{e0fff}')
}

fn one_mark(c: char) -> char {
    match c {
        '\u{2018}'..='\u{201b}'
        | '\u{2032}'
        | '\u{2035}'
        | '\u{2039}'
        | '\u{203a}'
        | '\u{b4}'
        | '\u{2b9}'
        | '\u{2bb}'..='\u{2bd}'
        | '\u{2c8}'
        | '\u{ff07}' => '\'',
        '\u{201c}'..='\u{201f}' | '\u{2033}' | '\u{2036}' | '\u{ab}' | '\u{bb}' | '\u{ff02}' => '"',
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}' => '-',
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn typography_is_no_difference() {
        for (a, b) in [
            ("The mayor’s office", "the MAYOR'S office"),
            ("“No”, she said – twice", "\"no\", she said - twice"),
            ("rail\u{ad}way brid\u{200b}ge", "railway bridge"),
            ("ﬁnal ２０２５", "final 2025"),
            ("Bru\u{308}cke", "BRÜCKE"),
            ("STRASSE ΟΔΟΣ", "straße οδος"),
            ("ｶﾀｶﾅ", "カタカナ"),
            ("❤\u{fe0f}", "❤"),
        ] {
            assert_eq!(fold(a), fold(b));
        }
        assert_ne!(fold("cafe"), fold("café"), "accents are letters");
    }

    #[test]
    fn emoji_are_words() {
        let found = |text: &str| words(&fold(text)).map(String::from).collect::<Vec<_>>();
        assert_eq!(found("Ship it 🚀🎉!"), ["ship", "it", "🚀", "🎉"]);
        assert_eq!(found("© — …").len(), 0);
    }

    proptest! {
        #[test]
        fn folding_twice_is_folding_once(text in "\\PC{0,40}|[a-zA-Z’ß\u{ad}Åﬁ´″ΣςİǅΌ\u{301} -]{0,40}") {
            let once = fold(&text);
            prop_assert_eq!(fold(&once), once);
        }

        #[test]
        fn ascii_changes_only_its_case(text in "[ -~]{0,60}") {
            prop_assert_eq!(fold(&text), text.to_ascii_lowercase());
        }
    }
}
