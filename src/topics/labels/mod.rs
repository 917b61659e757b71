//! Labels: the words and phrases that set a topic apart.
//!
//! By c-TF-IDF (Grootendorst, "BERTopic: Neural topic modeling with a class-based TF-IDF
//! procedure", 2022): the weight of term t in class c is tf(t, c) · ln(1 + A / f(t)), where tf
//! is the share of t in the class, f(t) its frequency over all classes and A the mean frequency
//! of a class's terms; then, with an encoder, by [`meaning`].

mod markup;
pub(super) mod meaning;
mod stop;
mod terms;

pub(super) use stop::language;
pub(super) use terms::{Counted, Terms};

use crate::error::Result;
use crate::topics::watch::Watch;
use std::collections::{HashMap, HashSet};
use terms::Term;

/// Terms of a label.
const LABEL: usize = 3;
/// How much less a term of a topic weighs that only one of its articles holds.
const LONELY: f32 = 0.3;

impl Terms {
    /// The weightiest terms of each class, `max_terms` at most, with their c-TF-IDF weights. A class
    /// is made of groups; `class_of` has that of each group.
    ///
    /// # Errors
    /// The job is cancelled.
    pub(super) fn weightiest(
        &self,
        class_of: &[u32],
        classes: usize,
        max_terms: usize,
        watch: &Watch,
    ) -> Result<Vec<Vec<(String, f32)>>> {
        /// Terms between two looks at the job.
        const LOOK: usize = 1 << 16;
        let mut length = vec![0.0f32; classes];
        let mut articles = vec![0u32; classes];
        for (group, &class) in class_of.iter().enumerate() {
            length[class as usize] += self.length[group];
            articles[class as usize] += self.articles[group];
        }
        let mean = length.iter().sum::<f32>() / classes.max(1) as f32;
        let mut out: Vec<Vec<(Term, f32)>> = vec![Vec::new(); classes];
        let mut of_class: Vec<(u32, f32, u32)> = Vec::new();
        for (at, term) in self.terms().enumerate() {
            if at.is_multiple_of(LOOK) {
                watch.check()?;
            }
            of_class.clear();
            for count in self.counts(term) {
                let class = class_of[count.group as usize];
                match of_class.iter_mut().find(|c| c.0 == class) {
                    Some(c) => {
                        c.1 += count.weight;
                        c.2 += count.articles;
                    }
                    None => of_class.push((class, count.weight, count.articles)),
                }
            }
            let frequency: f32 = of_class.iter().map(|c| c.1).sum();
            let idf = (1.0 + mean / frequency).ln();
            for &(class, weight, holders) in &of_class {
                let class = class as usize;
                // Most terms are in one article alone; they need no place in the order.
                if holders < 2 && articles[class] > 20 {
                    continue;
                }
                let lonely = holders < 2 && articles[class] > 2;
                let share = weight / length[class].max(1.0);
                out[class].push((term, share * idf * if lonely { LONELY } else { 1.0 }));
            }
        }
        out.into_iter()
            .map(|mut terms| {
                watch.check()?;
                let wanted = 6 * max_terms;
                let by_weight = |a: &(Term, f32), b: &(Term, f32)| {
                    b.1.total_cmp(&a.1)
                        .then_with(|| self.text(a.0).cmp(&self.text(b.0)))
                };
                if terms.len() > wanted {
                    terms.select_nth_unstable_by(wanted, by_weight);
                    terms.truncate(wanted);
                }
                terms.sort_by(by_weight);
                let named: Vec<(String, f32)> = terms
                    .into_iter()
                    .map(|(t, w)| (self.display(t), w))
                    .collect();
                Ok(without_repeats(&named, max_terms))
            })
            .collect()
    }

    /// The terms that set the first of two classes of groups apart from the second, and the
    /// other way round, each with its z-score: log-odds of the articles that hold a term, with
    /// an uninformative Dirichlet prior (Monroe, Colaresi and Quinn, "Fightin' words", 2008).
    pub(super) fn apart(&self, max_terms: usize) -> [Vec<(String, f32)>; 2] {
        const PRIOR: f64 = 0.5;
        let total: Vec<f64> = (0..2)
            .map(|g| f64::from(self.articles.get(g).copied().unwrap_or(0)))
            .collect();
        let mut scored: Vec<(Term, f32)> = Vec::new();
        for term in self.terms() {
            let mut held = [0.0; 2];
            for count in self.counts(term) {
                held[count.group as usize] += f64::from(count.articles);
            }
            if held[0] + held[1] < 2.0 {
                continue;
            }
            let odds = |g: usize| ((held[g] + PRIOR) / (total[g] - held[g] + PRIOR)).ln();
            let variance = 1.0 / (held[0] + PRIOR) + 1.0 / (held[1] + PRIOR);
            scored.push((term, ((odds(0) - odds(1)) / variance.sqrt()) as f32));
        }
        [1.0f32, -1.0].map(|sign| {
            let mut side: Vec<(String, f32)> = scored
                .iter()
                .filter(|s| s.1 * sign > 0.0)
                .map(|&(t, s)| (self.display(t), s * sign))
                .collect();
            side.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            side.truncate(6 * max_terms);
            without_repeats(&side, max_terms)
        })
    }
}

/// A label of a topic's weightiest terms.
pub(super) fn readable(words: &[(String, f32)]) -> String {
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

/// Labels of topics; a number keeps apart those that share their words.
pub(super) fn distinct<'a>(topics: impl Iterator<Item = &'a [(String, f32)]>) -> Vec<String> {
    let mut used: HashMap<String, usize> = HashMap::new();
    topics
        .map(|words| {
            let label = readable(words);
            let count = used.entry(label.clone()).or_default();
            *count += 1;
            if *count > 1 {
                format!("{label} ({count})")
            } else {
                label
            }
        })
        .collect()
}

/// Leaves out a term that a weightier one says already: a word of a phrase that is there, its
/// plural, a phrase that adds a word to two that are there.
fn without_repeats(ranked: &[(String, f32)], max_terms: usize) -> Vec<(String, f32)> {
    let mut out: Vec<(String, f32)> = Vec::new();
    let mut said: HashSet<String> = HashSet::new();
    for (term, weight) in ranked {
        if out.len() == max_terms {
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
    let word = word.to_lowercase();
    match word.strip_suffix('s').filter(|w| w.chars().count() > 2) {
        Some(stem) => stem.to_string(),
        None => word,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn documents() -> Vec<Counted> {
        let document = |group, title: &str, text: &str| Counted {
            group,
            title: title.into(),
            text: text.into(),
        };
        let mut out = Vec::new();
        for _ in 0..3 {
            out.push(document(
                0,
                "Central bank",
                "The central bank raised interest rates. Interest rates matter to markets.",
            ));
            out.push(document(
                1,
                "Cup final",
                "The striker scored in the cup final. Markets were not mentioned.",
            ));
        }
        out
    }

    fn weightiest(
        documents: &[Counted],
        groups: usize,
        class_of: &[u32],
    ) -> Vec<Vec<(String, f32)>> {
        let watch = Watch::default();
        let terms = Terms::new(documents, groups, &watch).unwrap();
        terms.weightiest(class_of, 2, 5, &watch).unwrap()
    }

    #[test]
    fn labels_set_topics_apart() {
        let words = weightiest(&documents(), 2, &[0, 1]);
        assert!(
            words[0].iter().any(|(w, _)| w == "interest rates"),
            "{words:?}"
        );
        assert!(words[1].iter().any(|(w, _)| w.contains("cup")), "{words:?}");
        assert!(!words[0].iter().any(|(w, _)| w.contains("striker")));
        // A word of a phrase is not said twice.
        assert!(!words[0].iter().any(|(w, _)| w == "interest"), "{words:?}");
    }

    #[test]
    fn classes_add_their_groups() {
        let mut apart = documents();
        for (i, document) in apart.iter_mut().enumerate() {
            document.group = i as u32;
        }
        let class_of: Vec<u32> = (0..6).map(|i| i % 2).collect();
        let joined = weightiest(&apart, 6, &class_of);
        let whole = weightiest(&documents(), 2, &[0, 1]);
        for (a, b) in joined.iter().flatten().zip(whole.iter().flatten()) {
            assert_eq!(a.0, b.0);
            assert!((a.1 - b.1).abs() < 1e-5);
        }
    }

    #[test]
    fn two_topics_are_told_apart() {
        let terms = Terms::new(&documents(), 2, &Watch::default()).unwrap();
        let [first, second] = terms.apart(4);
        assert!(first.iter().any(|(w, _)| w.contains("bank")), "{first:?}");
        assert!(second.iter().any(|(w, _)| w.contains("cup")), "{second:?}");
        assert!(
            first
                .iter()
                .chain(&second)
                .all(|(w, z)| *z > 0.0 && w != "markets")
        );
    }

    #[test]
    fn equal_labels_are_numbered() {
        let words = [("bank".to_string(), 1.0)];
        let labels = distinct([&words[..], &words[..], &[]].into_iter());
        assert_eq!(labels, ["bank", "bank (2)", "(no words)"]);
    }
}
