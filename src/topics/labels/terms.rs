//! The words and phrases of articles, counted by group.

use super::markup::without_markup;
use super::stop::{is_stop_word, language};
use crate::corpus::fold::{fold, is_emoji, plain};
use crate::error::Result;
use crate::topics::watch::Watch;
use rayon::prelude::*;
use rustc_hash::FxHashMap;
use std::borrow::Cow;
use unicode_segmentation::UnicodeSegmentation;
use whatlang::Lang;

/// An article whose terms are counted.
#[derive(Debug, Clone)]
pub(crate) struct Counted {
    /// The group it belongs to.
    pub group: u32,
    /// Its title.
    pub title: String,
    /// Its text, without boilerplate.
    pub text: String,
}

/// A word, or two words side by side; words are numbers of a vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Term(u64);

impl Term {
    fn word(word: u32) -> Self {
        Self(u64::from(word))
    }

    fn phrase(first: u32, second: u32) -> Self {
        Self((u64::from(first) + 1) << 32 | u64::from(second))
    }

    /// Its words.
    pub(super) fn words(self) -> (Option<u32>, u32) {
        let first = (self.0 >> 32) as u32;
        (first.checked_sub(1), self.0 as u32)
    }
}

/// How much of a term a group holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Count {
    pub group: u32,
    /// The sum over articles of 1 + ln(n), where n is how often an article holds the term, so
    /// that one long article does not name its topic alone.
    pub weight: f32,
    /// Articles that hold it.
    pub articles: u32,
}

/// Before the first of a term's counts.
const END: u32 = u32::MAX;

/// Terms of groups of articles.
#[derive(Debug, Default)]
pub(crate) struct Terms {
    vocabulary: Vocabulary,
    /// For each term the last of its counts; each names the one before.
    last: FxHashMap<Term, u32>,
    counts: Vec<(Count, u32)>,
    /// The articles of each group.
    pub(super) articles: Vec<u32>,
    /// The sum of the weights of each group's terms.
    pub(super) length: Vec<f32>,
}

/// The language of articles: that of all of a sample where it has one alone, else each its own.
enum Languages {
    One(Option<Lang>),
    Many,
}

/// Articles of the sample.
const SAMPLE: usize = 256;

impl Languages {
    fn new(documents: &[Counted]) -> Self {
        let step = documents.len().div_ceil(SAMPLE).max(1);
        let found: Vec<Option<Lang>> = documents
            .par_iter()
            .step_by(step)
            .map(|d| language(&d.text))
            .collect();
        // Of a text of few words it often cannot be told.
        let mut known = found.iter().flatten();
        let first = known.next().copied();
        if known.all(|l| Some(*l) == first) {
            Self::One(first)
        } else {
            Self::Many
        }
    }

    fn of(&self, document: &Counted) -> Option<Lang> {
        match self {
            Self::One(lang) => *lang,
            Self::Many => language(&document.text),
        }
    }
}

/// Articles that one task counts.
const CHUNK: usize = 64;

impl Terms {
    /// Counts the terms of `documents`, whose groups are below `groups`.
    ///
    /// # Errors
    /// The job is cancelled.
    pub(crate) fn new(documents: &[Counted], groups: usize, watch: &Watch) -> Result<Self> {
        watch.check()?;
        let languages = Languages::new(documents);
        let chunks: Vec<Chunk> = documents
            .par_chunks(CHUNK)
            .map(|chunk| {
                watch.check()?;
                Ok(Chunk::new(chunk, &languages))
            })
            .collect::<Result<_>>()?;
        let mut out = Self {
            articles: vec![0; groups],
            length: vec![0.0; groups],
            ..Self::default()
        };
        // One after another, in the order of the documents: the sums must not depend on chance.
        for chunk in chunks {
            watch.check()?;
            let number: Vec<u32> = chunk
                .vocabulary
                .words
                .into_iter()
                .zip(chunk.vocabulary.forms)
                .map(|(word, forms)| {
                    let id = out.vocabulary.number(word);
                    for (form, n) in forms {
                        out.vocabulary.saw(id, &form, n);
                    }
                    id
                })
                .collect();
            for article in chunk.articles {
                let group = article.group as usize;
                out.articles[group] += 1;
                for (term, n) in article.terms {
                    let weight = 1.0 + (n as f32).ln();
                    out.length[group] += weight;
                    let term = match term.words() {
                        (None, word) => Term::word(number[word as usize]),
                        (Some(a), b) => Term::phrase(number[a as usize], number[b as usize]),
                    };
                    out.add(term, article.group, weight);
                }
            }
        }
        Ok(out)
    }

    fn add(&mut self, term: Term, group: u32, weight: f32) {
        let new = self.counts.len() as u32;
        let last = self.last.entry(term).or_insert(END);
        let mut at = *last;
        while let Some((count, before)) = self.counts.get_mut(at as usize) {
            if count.group == group {
                count.weight += weight;
                count.articles += 1;
                return;
            }
            at = *before;
        }
        let count = Count {
            group,
            weight,
            articles: 1,
        };
        self.counts.push((count, *last));
        *last = new;
    }

    /// The terms, in no order that means anything.
    pub(super) fn terms(&self) -> impl Iterator<Item = Term> + '_ {
        self.last.keys().copied()
    }

    /// How much of a term each group holds that has any.
    pub(super) fn counts(&self, term: Term) -> impl Iterator<Item = Count> + '_ {
        let mut at = self.last.get(&term).copied().unwrap_or(END);
        std::iter::from_fn(move || {
            let &(count, before) = self.counts.get(at as usize)?;
            at = before;
            Some(count)
        })
    }

    /// The term's text in lower case.
    pub(super) fn text(&self, term: Term) -> String {
        self.joined(term, |id| {
            Cow::Borrowed(&self.vocabulary.words[id as usize])
        })
    }

    /// The term's text as people write it: names keep their capitals.
    pub(super) fn display(&self, term: Term) -> String {
        self.joined(term, |id| self.vocabulary.display(id))
    }

    fn joined<'a>(&'a self, term: Term, word: impl Fn(u32) -> Cow<'a, str>) -> String {
        match term.words() {
            (None, b) => word(b).into_owned(),
            (Some(a), b) => {
                let (a, b) = (word(a), word(b));
                if is_ideograph(&a) && is_ideograph(&b) {
                    format!("{a}{b}")
                } else {
                    format!("{a} {b}")
                }
            }
        }
    }
}

/// Words in lower case, with the forms they were met in.
#[derive(Debug, Default)]
struct Vocabulary {
    number: FxHashMap<String, u32>,
    words: Vec<String>,
    forms: Vec<Vec<(String, u32)>>,
}

/// The share of a word's occurrences that must have a form with capitals for it to be shown.
const CAPITALS: f32 = 0.8;

impl Vocabulary {
    fn number(&mut self, word: String) -> u32 {
        if let Some(&id) = self.number.get(&word) {
            return id;
        }
        let id = self.words.len() as u32;
        self.words.push(word.clone());
        self.forms.push(Vec::new());
        self.number.insert(word, id);
        id
    }

    fn saw(&mut self, id: u32, form: &str, n: u32) {
        let forms = &mut self.forms[id as usize];
        match forms.iter_mut().find(|f| f.0 == form) {
            Some(f) => f.1 += n,
            None => forms.push((form.to_string(), n)),
        }
    }

    fn display(&self, id: u32) -> Cow<'_, str> {
        let word = &self.words[id as usize];
        let forms = &self.forms[id as usize];
        let all: u32 = forms.iter().map(|f| f.1).sum();
        let capitals = forms.iter().filter(|f| f.0 != *word);
        let commonest = capitals.clone().max_by_key(|f| (f.1, &f.0));
        let share = capitals.map(|f| f.1).sum::<u32>() as f32 / all.max(1) as f32;
        match commonest {
            Some((form, _)) if share >= CAPITALS => Cow::Borrowed(form),
            _ => Cow::Borrowed(word),
        }
    }
}

/// The terms of a few articles, with a vocabulary of their own.
struct Chunk {
    vocabulary: Vocabulary,
    articles: Vec<ArticleTerms>,
}

struct ArticleTerms {
    group: u32,
    terms: Vec<(Term, u32)>,
}

impl Chunk {
    fn new(documents: &[Counted], languages: &Languages) -> Self {
        let mut chunk = Self {
            vocabulary: Vocabulary::default(),
            articles: Vec::with_capacity(documents.len()),
        };
        // What became of each form before: most words of a text were met in it already.
        let mut known: FxHashMap<(Option<Lang>, String), Option<u32>> = FxHashMap::default();
        for document in documents {
            let language = languages.of(document);
            let mut terms: Vec<Term> = Vec::new();
            for (part, is_text) in [(&document.title, false), (&document.text, true)] {
                let part = without_markup(part);
                let part = plain(&part);
                let mut before: Option<u32> = None;
                let mut key = (language, String::new());
                for piece in part.split_word_bounds() {
                    let Some(kind) = kind(piece) else {
                        before = before.filter(|_| !parts(piece));
                        continue;
                    };
                    key.1.clear();
                    key.1.push_str(piece);
                    let word = match known.get(&key) {
                        Some(&word) => word,
                        None => {
                            let word =
                                counted(piece, kind, language).map(|w| chunk.vocabulary.number(w));
                            known.insert(key.clone(), word);
                            word
                        }
                    };
                    let Some(word) = word else {
                        before = None;
                        continue;
                    };
                    if is_text {
                        chunk.vocabulary.saw(word, trimmed(piece), 1);
                    }
                    if let Some(first) = before.filter(|&b| b != word) {
                        terms.push(Term::phrase(first, word));
                    }
                    // A character of Chinese or Japanese is seldom a word; two of them are.
                    if kind == Kind::Word {
                        terms.push(Term::word(word));
                    }
                    before = Some(word);
                }
            }
            if terms.is_empty() {
                terms = chunk.emoji(document);
            }
            terms.sort_unstable();
            let mut counts: Vec<(Term, u32)> = Vec::new();
            for term in terms {
                match counts.last_mut() {
                    Some((last, n)) if *last == term => *n += 1,
                    _ => counts.push((term, 1)),
                }
            }
            chunk.articles.push(ArticleTerms {
                group: document.group,
                terms: counts,
            });
        }
        chunk
    }

    /// The emoji of a text that has no words: it says what it says in them.
    fn emoji(&mut self, document: &Counted) -> Vec<Term> {
        [&document.title, &document.text]
            .into_iter()
            .flat_map(|part| part.split_word_bounds())
            .filter(|piece| piece.starts_with(is_emoji))
            .map(|piece| Term::word(self.vocabulary.number(piece.to_string())))
            .collect()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Word,
    Ideograph,
}

/// What a piece between word bounds is; `None` where it is no word.
fn kind(piece: &str) -> Option<Kind> {
    let first = piece.chars().next()?;
    if is_ideograph(piece) {
        return Some(Kind::Ideograph);
    }
    (first.is_alphanumeric() || first == '_').then_some(Kind::Word)
}

/// One character of a script that puts no blanks between words.
fn is_ideograph(piece: &str) -> bool {
    let mut chars = piece.chars();
    let one = chars.next().filter(|_| chars.next().is_none());
    one.is_some_and(|c| matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{e00}'..='\u{e7f}' | '\u{20000}'..='\u{2ffff}'))
}

/// Whether what stands between two words keeps them from being a phrase. A line's end may wrap
/// a sentence; two of them part paragraphs.
fn parts(piece: &str) -> bool {
    if piece.chars().all(char::is_whitespace) {
        piece.matches('\n').count() > 1
    } else {
        !matches!(piece, "-" | "'")
    }
}

/// A word without a possessive ending; in its plain form, as all pieces here.
fn trimmed(piece: &str) -> &str {
    piece
        .strip_suffix("'s")
        .or_else(|| piece.strip_suffix("'S"))
        .unwrap_or(piece)
}

/// The word to count, folded; `None` for one that does not count.
fn counted(piece: &str, kind: Kind, language: Option<Lang>) -> Option<String> {
    let word = fold(trimmed(piece));
    let long = kind == Kind::Ideograph || word.chars().nth(1).is_some();
    // A word of more than forty characters is an address or a blob.
    let counts = long
        && word.chars().nth(40).is_none()
        && word.chars().any(char::is_alphabetic)
        && !word.contains('_')
        && !is_stop_word(&word, language);
    counts.then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_terms(text: &str) -> Vec<String> {
        let document = Counted {
            group: 0,
            title: String::new(),
            text: text.to_string(),
        };
        let terms = Terms::new(&[document], 1, &Watch::default()).unwrap();
        let mut out: Vec<String> = terms.terms().map(|t| terms.text(t)).collect();
        out.sort();
        out
    }

    #[test]
    fn words_and_phrases_within_a_sentence() {
        assert_eq!(
            all_terms("Interest rates rose. The bank’s profit fell"),
            [
                "bank",
                "bank profit",
                "fell",
                "interest",
                "interest rates",
                "profit",
                "profit fell",
                "rates",
                "rates rose",
                "rose",
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
    fn markup_is_no_word() {
        let words = all_terms(
            "&lt;A HREF=\"http://www.x.com/y\"&gt;Shares&lt;/A&gt; of Google #39;s rival &amp; <b>bold</b> at https://a.example/b?c=d rose &quot;fast&quot;",
        );
        assert_eq!(
            words,
            [
                "bold",
                "fast",
                "google",
                "google rival",
                "rival",
                "rose",
                "shares"
            ]
        );
        // What only looks like markup stays.
        assert!(all_terms("profit < loss & tax # seven").contains(&"loss".to_string()));
    }

    #[test]
    fn scripts_without_blanks_count_pairs() {
        let words = all_terms("经济增长放缓");
        assert!(words.contains(&"经济".to_string()), "{words:?}");
        assert!(words.iter().all(|w| w.chars().count() == 2), "{words:?}");
    }

    #[test]
    fn typography_makes_no_other_word() {
        let words = all_terms("The coun\u{ad}cil’s oﬃce. The COUNCIL's office");
        assert_eq!(words, ["council", "council office", "office"]);
        assert_eq!(all_terms("🚀🚀 🎉"), ["🎉", "🚀"]);
    }

    #[test]
    fn names_keep_their_capitals() {
        let document = Counted {
            group: 0,
            title: "RATES RISE".into(),
            text: "The EU and Tony Blair spoke of rates. Rates rose, rates fell, and rates stay, as Blair said, in the EU.".into(),
        };
        let terms = Terms::new(&[document], 1, &Watch::default()).unwrap();
        let shown: Vec<String> = terms.terms().map(|t| terms.display(t)).collect();
        for name in ["EU", "Blair", "Tony Blair", "rates"] {
            assert!(shown.contains(&name.to_string()), "{name}: {shown:?}");
        }
    }

    #[test]
    fn counts_do_not_depend_on_threads() {
        let documents: Vec<Counted> = (0..300)
            .map(|i| Counted {
                group: i % 3,
                title: format!("title{} bank", i % 7),
                text: format!("alpha beta{} gamma delta{} alpha", i % 11, i % 5),
            })
            .collect();
        let count = |threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            let terms = pool.install(|| Terms::new(&documents, 3, &Watch::default()).unwrap());
            let mut all: Vec<String> = terms
                .terms()
                .map(|t| {
                    format!(
                        "{} {:?}",
                        terms.text(t),
                        terms.counts(t).collect::<Vec<_>>()
                    )
                })
                .collect();
            all.sort();
            (all, terms.length)
        };
        assert_eq!(count(1), count(2));
    }
}
