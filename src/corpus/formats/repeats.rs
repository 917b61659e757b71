//! Ids that come again within one input.
//!
//! A copy of a mail has the mail's id, and some feeds give all of their items one. Neither is a fault
//! of which a reader can say what to mend, so both are read.

use crate::corpus::article::Article;
use crate::corpus::fingerprint::fingerprint;
use std::collections::{HashMap, HashSet};

/// Ids that are remembered of an input, so that memory does not grow with it: some 2 MB, as tables of
/// these hold 28,672 before they double. An id that comes
/// again behind so many others is one for the corpus, whose own list of a run's ids lies on the disk,
/// to refuse.
const MOST: usize = 28_000;

/// The first ids that an input gave. Only their fingerprints are held: some 100 bytes an article.
#[derive(Default)]
pub(super) struct Ids {
    /// How many articles have each id.
    known: HashMap<u128, u32>,
    /// Articles with their ids.
    articles: HashSet<u128>,
    copies: u64,
    numbered: u64,
    example: Option<(String, String)>,
}

impl Ids {
    /// Gives an article whose id came before a number behind it; `false` for an exact copy of the other.
    pub(super) fn admit(&mut self, article: &mut Article) -> bool {
        let Some(id) = &article.id else { return true };
        let key = fingerprint([id.as_bytes()]);
        let full = self.articles.len() >= MOST;
        if full && !self.known.contains_key(&key) {
            return true;
        }
        let print = of(article);
        let is_copy = match full {
            true => self.articles.contains(&print),
            false => !self.articles.insert(print),
        };
        if is_copy {
            self.copies += 1;
            return false;
        }
        let Some(&before) = self.known.get(&key) else {
            self.known.insert(key, 1);
            return true;
        };
        let mut count = before;
        let (taken, taken_key) = loop {
            count += 1;
            let taken = format!("{id}-{count}");
            let key = fingerprint([taken.as_bytes()]);
            // That id may be another article's own.
            if !self.known.contains_key(&key) {
                break (taken, key);
            }
        };
        self.known.insert(key, count);
        if !full {
            self.known.insert(taken_key, 1);
        }
        self.numbered += 1;
        self.example
            .get_or_insert_with(|| (id.clone(), taken.clone()));
        article.id = Some(taken);
        true
    }

    /// How many articles were exact copies of others, since this was last asked.
    pub(super) fn take_copies(&mut self) -> u64 {
        std::mem::take(&mut self.copies)
    }

    /// How many articles got a number behind their id, since this was last asked, and the first of them:
    /// its id as it was and as it is.
    pub(super) fn take_numbered(&mut self) -> Option<(u64, String, String)> {
        let (own, id) = self.example.take()?;
        Some((std::mem::take(&mut self.numbered), own, id))
    }
}

/// The fingerprint of an article, wherever in its input it stands.
fn of(article: &Article) -> u128 {
    let meta = serde_json::to_vec(&article.meta).unwrap_or_default();
    let described = [&article.id, &article.date, &article.url, &article.source];
    let described = described.map(|part| part.as_deref().unwrap_or_default().as_bytes());
    let parts = [article.title.as_bytes(), article.text.as_bytes(), &meta];
    fingerprint(parts.into_iter().chain(described))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admit(ids: &mut Ids, id: &str, text: &str) -> Option<String> {
        let mut article = Article {
            id: Some(id.to_string()),
            text: text.to_string(),
            ..Article::default()
        };
        ids.admit(&mut article).then_some(article.id).flatten()
    }

    #[test]
    fn the_second_of_an_id_gets_a_number() {
        let mut ids = Ids::default();
        for (id, text, expected) in [
            ("a", "One.", Some("a")),
            ("a", "Two.", Some("a-2")),
            ("a", "One.", None),
            ("a", "Two.", None),
            ("a-3", "Three.", Some("a-3")),
            ("a", "Four.", Some("a-4")),
            ("a-2", "Five.", Some("a-2-2")),
            ("b", "One.", Some("b")),
        ] {
            assert_eq!(
                admit(&mut ids, id, text).as_deref(),
                expected,
                "{id} {text}"
            );
        }
        assert_eq!(ids.take_copies(), 2);
        let told = (3, "a".to_string(), "a-2".to_string());
        assert_eq!(ids.take_numbered(), Some(told));
        assert_eq!((ids.take_copies(), ids.take_numbered()), (0, None));
        // Without an id, the same text is another article.
        let mut nameless = Article::default();
        assert!(ids.admit(&mut nameless) && ids.admit(&mut nameless));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut ids = Ids::default();
        for n in 0..MOST + 1000 {
            assert_eq!(
                admit(&mut ids, &n.to_string(), "Text."),
                Some(n.to_string())
            );
        }
        assert_eq!((ids.known.len(), ids.articles.len()), (MOST, MOST));
        // What came first is known on, and takes no more room.
        assert_eq!(admit(&mut ids, "0", "Text."), None);
        assert_eq!(admit(&mut ids, "0", "Another."), Some("0-2".to_string()));
        assert_eq!(admit(&mut ids, "0", "A third."), Some("0-3".to_string()));
        assert_eq!((ids.known.len(), ids.articles.len()), (MOST, MOST));
        let late = (MOST + 7).to_string();
        assert_eq!(admit(&mut ids, &late, "Text."), Some(late.clone()));
    }

    #[test]
    fn one_id_for_all_costs_no_search() {
        let mut ids = Ids::default();
        for n in 1..100_000 {
            let expected = if n == 1 {
                "x".to_string()
            } else {
                format!("x-{n}")
            };
            assert_eq!(admit(&mut ids, "x", &n.to_string()), Some(expected));
        }
    }
}
