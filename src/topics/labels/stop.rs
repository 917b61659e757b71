//! Words that set no topic apart, and the language of a text.

use crate::corpus::fold::fold;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;
use whatlang::Lang;

/// Words of reporting, of dates and of counting.
const NEWS: &str = "said says say told mr mrs ms dr year years week weeks month months day days today \
    yesterday tomorrow monday tuesday wednesday thursday friday saturday sunday january february march april \
    june july august september october november december time people one two three four five six seven eight \
    nine ten first second third last new also would could per cent percent according made make including added \
    way half hundred thousand million billion reuters ap afp upi dpa twenty thirty forty fifty dozen mln bln dlrs back go goes going went get gets got like want \
    come comes came think know take takes took set put good well still even much many may might";

/// The like in other languages, and what their lists leave out.
const OTHERS: &[(&str, &str)] = &[
    (
        "de",
        "sagte sagt worden wurde wurden jahr jahre jahren prozent millionen milliarden mehr beim sowie laut rund \
        zwei drei montag dienstag mittwoch donnerstag freitag samstag sonntag heute neue neuen",
    ),
    (
        "fr",
        "dit été plus cette selon ans année années deux trois pour cent millions milliards lundi mardi mercredi \
        jeudi vendredi samedi dimanche aussi comme être fait faire tout tous",
    ),
    (
        "es",
        "dijo año años según dos tres ciento millones lunes martes miércoles jueves viernes sábado domingo \
        además ser hace puede tras",
    ),
    (
        "ru",
        "это эти этой этого этот также который которая которое которые которых года год году лет сказал сказала \
        заявил заявила тысяч млн млрд процентов понедельник вторник среду четверг пятницу своей своих",
    ),
];

/// What is left of markup and addresses.
const MARKUP: &str = "http https www com org html href quot amp nbsp lt gt";

/// The language of a text, where it can be told.
pub(crate) fn language(text: &str) -> Option<Lang> {
    let end = text.char_indices().nth(400).map_or(text.len(), |(i, _)| i);
    whatlang::detect(&text[..end])
        .filter(|info| info.is_reliable() || info.confidence() > 0.5)
        .map(|i| i.lang())
}

/// A word of a list as words are compared.
fn folded(word: &'static str) -> Cow<'static, str> {
    match fold(word) {
        same if same == word => Cow::Borrowed(word),
        folded => Cow::Owned(folded),
    }
}

/// Stop words of a language and of English, whose words turn up in texts of any. `word` is
/// folded.
pub(super) fn is_stop_word(word: &str, language: Option<Lang>) -> bool {
    static LISTS: LazyLock<HashMap<&str, HashSet<Cow<'static, str>>>> = LazyLock::new(|| {
        let mut lists: HashMap<&str, HashSet<Cow<'static, str>>> =
            stop_words::available_languages()
                .iter()
                .filter_map(|&code| {
                    let words = stop_words::lookup(code)?.iter();
                    Some((code, words.map(|word| folded(word)).collect()))
                })
                .collect();
        let own = NEWS.split_whitespace().chain(MARKUP.split_whitespace());
        lists.entry("en").or_default().extend(own.map(folded));
        for (code, words) in OTHERS {
            lists
                .entry(code)
                .or_default()
                .extend(words.split_whitespace().map(folded));
        }
        lists
    });
    let in_list = |code: &str| LISTS.get(code).is_some_and(|list| list.contains(word));
    in_list("en") || language.and_then(code).is_some_and(in_list)
}

/// ISO 639-1 for the languages that have a list of stop words.
fn code(language: Lang) -> Option<&'static str> {
    Some(match language {
        Lang::Deu => "de",
        Lang::Fra => "fr",
        Lang::Spa => "es",
        Lang::Rus => "ru",
        Lang::Ita => "it",
        Lang::Por => "pt",
        Lang::Nld => "nl",
        Lang::Pol => "pl",
        Lang::Swe => "sv",
        Lang::Dan => "da",
        Lang::Nob => "no",
        Lang::Fin => "fi",
        Lang::Ces => "cs",
        Lang::Hun => "hu",
        Lang::Ron => "ro",
        Lang::Tur => "tr",
        Lang::Ell => "el",
        Lang::Bul => "bg",
        Lang::Ukr => "uk",
        Lang::Ara => "ar",
        Lang::Heb => "he",
        Lang::Hin => "hi",
        Lang::Ind => "id",
        Lang::Vie => "vi",
        Lang::Eng => "en",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stop_words_of_five_languages() {
        for (lang, stops, kept) in [
            (Lang::Eng, "the and not said", "bank"),
            (Lang::Deu, "die dass nicht und wird", "regierung"),
            (Lang::Fra, "les est dans pour avec", "banque"),
            (Lang::Spa, "los está para con del", "banco"),
            (Lang::Rus, "и не что это был", "банк"),
        ] {
            for word in stops.split(' ') {
                assert!(is_stop_word(word, Some(lang)), "{word}");
            }
            assert!(!is_stop_word(kept, Some(lang)), "{kept}");
        }
    }
}
