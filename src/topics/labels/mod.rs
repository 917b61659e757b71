//! Labels: the words and phrases that set a topic apart, by c-TF-IDF.
//!
//! Grootendorst, "BERTopic: Neural topic modeling with a class-based TF-IDF procedure", 2022:
//! the weight of term t in class c is tf(t, c) · ln(1 + A / f(t)), where tf is the share of t
//! in the class, f(t) its frequency over all classes and A the mean frequency of a class's
//! terms. Here an article counts 1 + ln(n) for a term it holds n times, so that one long
//! article does not name its topic alone.

use std::collections::{HashMap, HashSet};
use unicode_segmentation::UnicodeSegmentation;
use whatlang::Lang;

/// Terms of a label.
const LABEL: usize = 3;
/// How much less a term of a topic weighs that only one of its articles holds.
const LONELY: f32 = 0.3;

/// Collects the terms of topics.
#[derive(Debug)]
pub struct Labeller {
    /// For each term: its number, and its counts by topic.
    terms: HashMap<String, Counts>,
    articles: Vec<u32>,
    /// The sum of the weights of each topic's terms.
    length: Vec<f32>,
}

#[derive(Debug, Default)]
struct Counts {
    /// (topic, weight, articles).
    by_topic: Vec<(usize, f32, u32)>,
}

impl Labeller {
    /// For `topics` topics.
    pub fn new(topics: usize) -> Self {
        Self {
            terms: HashMap::new(),
            articles: vec![0; topics],
            length: vec![0.0; topics],
        }
    }

    /// Adds an article of a topic. Articles of a topic must come one after another.
    pub fn add(&mut self, topic: usize, title: &str, text: &str) {
        let mut counts: HashMap<String, u32> = HashMap::new();
        let language = language(text);
        for part in [title, text] {
            terms(part, language, |term| *counts.entry(term).or_default() += 1);
        }
        self.articles[topic] += 1;
        // The map's order is chance, and the last digit of a sum depends on the order.
        let mut repeats: Vec<u32> = counts.values().copied().collect();
        repeats.sort_unstable();
        self.length[topic] += repeats.into_iter().map(weight).sum::<f32>();
        for (term, n) in counts {
            let weight = weight(n);
            let by_topic = &mut self.terms.entry(term).or_default().by_topic;
            match by_topic.last_mut() {
                Some((last, sum, articles)) if *last == topic => {
                    *sum += weight;
                    *articles += 1;
                }
                _ => by_topic.push((topic, weight, 1)),
            }
        }
    }

    /// The `most` weightiest terms of each topic, with their c-TF-IDF weights.
    pub fn finish(self, most: usize) -> Vec<Vec<(String, f32)>> {
        let topics = self.articles.len();
        let length = self.length;
        let mean = length.iter().sum::<f32>() / topics.max(1) as f32;
        let mut out: Vec<Vec<(String, f32)>> = vec![Vec::new(); topics];
        for (term, counts) in self.terms {
            let frequency: f32 = counts.by_topic.iter().map(|&(_, weight, _)| weight).sum();
            let idf = (1.0 + mean / frequency).ln();
            for (topic, weight, articles) in counts.by_topic {
                let lonely = articles < 2 && self.articles[topic] > 2;
                let share = weight / length[topic].max(1.0);
                out[topic].push((
                    term.clone(),
                    share * idf * if lonely { LONELY } else { 1.0 },
                ));
            }
        }
        for words in &mut out {
            words.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            words.truncate(4 * most);
            *words = without_repeats(words, most);
        }
        out
    }
}

/// The weight of a term that an article holds `n` times.
fn weight(n: u32) -> f32 {
    1.0 + (n as f32).ln()
}

/// A label of a topic's weightiest terms.
pub fn readable(words: &[(String, f32)]) -> String {
    if words.is_empty() {
        return "(no words)".to_string();
    }
    words
        .iter()
        .take(LABEL)
        .map(|(w, _)| w.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}

/// Leaves out a term that a weightier one says already: a word of a phrase that is there, its
/// plural, a phrase that adds a word to two that are there.
fn without_repeats(ranked: &[(String, f32)], most: usize) -> Vec<(String, f32)> {
    let mut out: Vec<(String, f32)> = Vec::new();
    let mut said: HashSet<String> = HashSet::new();
    for (term, weight) in ranked {
        if out.len() == most {
            break;
        }
        let stems: Vec<String> = term.split(' ').map(stem).collect();
        if stems.len() == 1 && said.contains(&stems[0]) {
            continue;
        }
        if stems.len() > 1 && stems.iter().all(|s| said.contains(s)) {
            // "interest" and "rates" said apart are better said together.
            if let Some(at) = out.iter().position(|(t, w)| {
                !t.contains(' ') && stems.contains(&stem(t)) && *weight > 0.6 * w
            }) {
                out[at].0.clone_from(term);
            }
            continue;
        }
        said.extend(stems);
        out.push((term.clone(), *weight));
    }
    let mut seen = HashSet::new();
    out.retain(|(t, _)| seen.insert(t.clone()));
    // A phrase put in place of one word makes its other word a repeat.
    let phrases: Vec<String> = out
        .iter()
        .filter(|(t, _)| t.contains(' '))
        .map(|(t, _)| t.clone())
        .collect();
    out.retain(|(t, _)| {
        t.contains(' ')
            || !phrases
                .iter()
                .any(|p| p.split(' ').any(|w| stem(w) == stem(t)))
    });
    out
}

/// Enough of a stem to know a plural by.
fn stem(word: &str) -> String {
    word.strip_suffix('s')
        .filter(|w| w.chars().count() > 2)
        .unwrap_or(word)
        .to_string()
}

/// The language of a text, where it can be told.
fn language(text: &str) -> Option<Lang> {
    let start: String = text.chars().take(600).collect();
    whatlang::detect(&start)
        .filter(|info| info.is_reliable() || info.confidence() > 0.5)
        .map(|i| i.lang())
}

/// Stop words of a language and of English, whose words turn up in texts of any.
fn is_stop_word(word: &str, language: Option<Lang>) -> bool {
    use std::sync::LazyLock;
    static LISTS: LazyLock<HashMap<&str, HashSet<&'static str>>> = LazyLock::new(|| {
        stop_words::available_languages()
            .iter()
            .filter_map(|&code| Some((code, stop_words::lookup(code)?.iter().copied().collect())))
            .collect()
    });
    /// Words of reporting, which set no topic apart.
    const NEWS: &[&str] = &[
        "said",
        "says",
        "say",
        "told",
        "mr",
        "mrs",
        "ms",
        "dr",
        "year",
        "years",
        "week",
        "weeks",
        "month",
        "months",
        "day",
        "days",
        "today",
        "yesterday",
        "tomorrow",
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
        "january",
        "february",
        "march",
        "april",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
        "time",
        "people",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "first",
        "second",
        "third",
        "last",
        "new",
        "also",
        "would",
        "could",
        "per",
        "cent",
        "percent",
        "according",
        "made",
        "make",
        "including",
        "added",
        "way",
        "half",
        "hundred",
        "thousand",
        "million",
        "billion",
        "reuters",
        "twenty",
        "thirty",
        "forty",
        "fifty",
        "dozen",
    ];
    let in_list = |code: &str| LISTS.get(code).is_some_and(|list| list.contains(word));
    in_list("en") || language.and_then(code).is_some_and(in_list) || NEWS.contains(&word)
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

/// Calls `f` with every word of a text that is no stop word, and with every two such words
/// that stand side by side within a sentence.
fn terms(text: &str, language: Option<Lang>, mut f: impl FnMut(String)) {
    let mut before: Option<String> = None;
    for piece in text.split_word_bounds() {
        if piece.chars().all(char::is_whitespace) {
            // A line's end may wrap a sentence; two of them part paragraphs.
            if piece.matches('\n').count() > 1 {
                before = None;
            }
            continue;
        }
        if !piece.chars().any(char::is_alphanumeric) {
            if !matches!(piece, "-" | "‐" | "'" | "’") {
                before = None;
            }
            continue;
        }
        let word = piece.to_lowercase();
        let word = word
            .strip_suffix("'s")
            .or_else(|| word.strip_suffix("’s"))
            .unwrap_or(&word)
            .replace('’', "'");
        let counts = word.chars().count() > 1
            && word.chars().any(char::is_alphabetic)
            && !is_stop_word(&word, language);
        if !counts {
            before = None;
            continue;
        }
        if let Some(before) = before.take()
            && before != word
        {
            f(format!("{before} {word}"));
        }
        f(word.clone());
        before = Some(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_terms(text: &str) -> Vec<String> {
        let mut out = Vec::new();
        terms(text, language(text), |t| out.push(t));
        out
    }

    #[test]
    fn words_and_phrases_within_a_sentence() {
        assert_eq!(
            all_terms("Interest rates rose. The bank’s profit fell"),
            [
                "interest",
                "interest rates",
                "rates",
                "rates rose",
                "rose",
                "bank",
                "bank profit",
                "profit",
                "profit fell",
                "fell",
            ]
        );
        assert!(!all_terms("Interest rates rose. Banks fell").contains(&"rose banks".to_string()));
    }

    #[test]
    fn stop_words_of_the_text_s_language() {
        let german = "Die Regierung hat am Abend beschlossen, dass die Steuer nicht erhöht wird, und das Parlament wird darüber abstimmen.";
        let words = all_terms(german);
        assert!(words.contains(&"regierung".to_string()));
        for stop in ["die", "dass", "nicht", "und", "das"] {
            assert!(!words.contains(&stop.to_string()), "{stop}");
        }
    }

    #[test]
    fn labels_set_topics_apart() {
        let mut labeller = Labeller::new(2);
        for _ in 0..3 {
            labeller.add(
                0,
                "Central bank",
                "The central bank raised interest rates. Interest rates matter to markets.",
            );
        }
        for _ in 0..3 {
            labeller.add(
                1,
                "Cup final",
                "The striker scored in the cup final. Markets were not mentioned.",
            );
        }
        let words = labeller.finish(5);
        assert!(
            words[0].iter().any(|(w, _)| w == "interest rates"),
            "{words:?}"
        );
        assert!(words[1].iter().any(|(w, _)| w.contains("cup")), "{words:?}");
        assert!(!words[0].iter().any(|(w, _)| w.contains("striker")));
        // A word of a phrase is not said twice.
        assert!(!words[0].iter().any(|(w, _)| w == "interest"), "{words:?}");
    }
}
