//! Comparing topics with labels that people gave, and judging their words.
//!
//! Clusterings are lists of numbers, one for each article; articles in no topic count as a
//! topic of their own, as they do in scikit-learn with the label -1.

use std::collections::{BTreeMap, HashMap, HashSet};

/// How often each pair of a label and a cluster occurs.
struct Table {
    n: f64,
    labels: Vec<f64>,
    clusters: Vec<f64>,
    both: Vec<(usize, usize, f64)>,
}

impl Table {
    fn new<A: Copy + Ord, B: Copy + Ord>(labels: &[A], clusters: &[B]) -> Self {
        let mut both: BTreeMap<(A, B), f64> = BTreeMap::new();
        for (&l, &c) in labels.iter().zip(clusters) {
            *both.entry((l, c)).or_default() += 1.0;
        }
        let (mut of_label, mut of_cluster) = (BTreeMap::new(), BTreeMap::new());
        for &(l, c) in both.keys() {
            let next = of_label.len();
            of_label.entry(l).or_insert(next);
            let next = of_cluster.len();
            of_cluster.entry(c).or_insert(next);
        }
        let mut table = Self {
            n: both.values().sum(),
            labels: vec![0.0; of_label.len()],
            clusters: vec![0.0; of_cluster.len()],
            both: Vec::new(),
        };
        for ((l, c), x) in both {
            let (l, c) = (of_label[&l], of_cluster[&c]);
            table.labels[l] += x;
            table.clusters[c] += x;
            table.both.push((l, c, x));
        }
        table
    }

    fn entropy(&self, counts: &[f64]) -> f64 {
        counts
            .iter()
            .map(|&x| -x / self.n * (x / self.n).ln())
            .sum()
    }

    /// The mutual information, in nats.
    fn shared(&self) -> f64 {
        let information = |&(l, c, x): &(usize, usize, f64)| {
            x / self.n * (self.n * x / (self.labels[l] * self.clusters[c])).ln()
        };
        self.both.iter().map(information).sum::<f64>().max(0.0)
    }
}

/// Rosenberg and Hirschberg's V-measure (2007), 0 to 1: the harmonic mean of homogeneity (a
/// cluster holds one label) and completeness (a label is in one cluster). Equals
/// scikit-learn's `v_measure_score`, and its `normalized_mutual_info_score` with the default
/// arithmetic mean, which is the same number.
///
/// Returns 1 for two empty lists.
pub fn v_measure<A: Copy + Ord, B: Copy + Ord>(labels: &[A], clusters: &[B]) -> f64 {
    let table = Table::new(labels, clusters);
    if table.n == 0.0 {
        return 1.0;
    }
    let (of_labels, of_clusters) = (table.entropy(&table.labels), table.entropy(&table.clusters));
    let shared = table.shared();
    let share = |of: f64| if of > 0.0 { shared / of } else { 1.0 };
    let (homogeneity, completeness) = (share(of_labels), share(of_clusters));
    if homogeneity + completeness <= 0.0 {
        return 0.0;
    }
    (2.0 * homogeneity * completeness / (homogeneity + completeness)).clamp(0.0, 1.0)
}

/// Hubert and Arabie's adjusted Rand index (1985), -0.5 to 1: the share of pairs that are
/// together in both or apart in both, less what chance gives. Equals scikit-learn's
/// `adjusted_rand_score`.
pub fn adjusted_rand<A: Copy + Ord, B: Copy + Ord>(labels: &[A], clusters: &[B]) -> f64 {
    let table = Table::new(labels, clusters);
    let pairs = |x: f64| x * (x - 1.0) / 2.0;
    let together: f64 = table.both.iter().map(|&(_, _, x)| pairs(x)).sum();
    let of_labels: f64 = table.labels.iter().map(|&x| pairs(x)).sum();
    let of_clusters: f64 = table.clusters.iter().map(|&x| pairs(x)).sum();
    let all = pairs(table.n);
    let expected = if all > 0.0 {
        of_labels * of_clusters / all
    } else {
        0.0
    };
    let most = f64::midpoint(of_labels, of_clusters);
    if (most - expected).abs() < 1e-12 {
        return 1.0;
    }
    (together - expected) / (most - expected)
}

/// The share of distinct words among all topics' words, 0 to 1 (Dieng, Ruiz and Blei, 2020).
pub fn diversity<S: AsRef<str>>(topics: &[Vec<S>]) -> f64 {
    let all: Vec<&str> = topics.iter().flatten().map(AsRef::as_ref).collect();
    if all.is_empty() {
        return 0.0;
    }
    all.iter().collect::<HashSet<_>>().len() as f64 / all.len() as f64
}

/// Counts in how many articles terms occur, alone and with each other, for [`Coherence::npmi`].
///
/// A term is one word or several in a row; it occurs where its words follow each other, upper
/// and lower case alike.
#[derive(Debug)]
pub struct Coherence {
    topics: Vec<Vec<usize>>,
    /// By their first word: the terms' numbers and words.
    terms: HashMap<String, Vec<(usize, Vec<String>)>>,
    count: Vec<u64>,
    /// For each topic, the articles that hold both of a pair of its terms.
    pairs: Vec<Vec<u64>>,
    articles: u64,
}

impl Coherence {
    /// For the words of topics.
    pub fn new<S: AsRef<str>>(topics: &[Vec<S>]) -> Self {
        let mut number: HashMap<&str, usize> = HashMap::new();
        let mut terms: HashMap<String, Vec<(usize, Vec<String>)>> = HashMap::new();
        let mut lists = Vec::new();
        for topic in topics {
            let mut list = Vec::new();
            for term in topic {
                let next = number.len();
                let n = *number.entry(term.as_ref()).or_insert_with(|| {
                    let words = words(term.as_ref());
                    if let Some(first) = words.first() {
                        terms.entry(first.clone()).or_default().push((next, words));
                    }
                    next
                });
                list.push(n);
            }
            lists.push(list);
        }
        Self {
            count: vec![0; number.len()],
            pairs: lists.iter().map(|l| vec![0; l.len() * l.len()]).collect(),
            topics: lists,
            terms,
            articles: 0,
        }
    }

    /// Counts an article.
    pub fn add(&mut self, text: &str) {
        self.articles += 1;
        let text = words(text);
        let mut has: HashSet<usize> = HashSet::new();
        for (at, word) in text.iter().enumerate() {
            for (term, phrase) in self.terms.get(word).into_iter().flatten() {
                if text[at..].starts_with(phrase) {
                    has.insert(*term);
                }
            }
        }
        for &term in &has {
            self.count[term] += 1;
        }
        for (topic, pairs) in self.topics.iter().zip(&mut self.pairs) {
            for (i, a) in topic.iter().enumerate() {
                for (j, b) in topic.iter().enumerate().take(i) {
                    if has.contains(a) && has.contains(b) {
                        pairs[i * topic.len() + j] += 1;
                    }
                }
            }
        }
    }

    /// Normalised pointwise mutual information (Bouma, 2009), -1 to 1: the mean over the pairs
    /// of a topic's terms, then over the topics, with articles as the contexts. A pair that is
    /// never together counts -1.
    pub fn npmi(&self) -> f64 {
        let n = self.articles as f64;
        let mut sum = 0.0;
        let mut topics = 0.0;
        for (topic, pairs) in self.topics.iter().zip(&self.pairs) {
            let mut of_topic = Vec::new();
            for i in 0..topic.len() {
                for j in 0..i {
                    let both = pairs[i * topic.len() + j] as f64 / n;
                    let (a, b) = (
                        self.count[topic[i]] as f64 / n,
                        self.count[topic[j]] as f64 / n,
                    );
                    of_topic.push(if both <= 0.0 {
                        -1.0
                    } else if both >= 1.0 {
                        1.0
                    } else {
                        (both / (a * b)).ln() / -both.ln()
                    });
                }
            }
            if !of_topic.is_empty() {
                sum += of_topic.iter().sum::<f64>() / of_topic.len() as f64;
                topics += 1.0;
            }
        }
        if topics > 0.0 { sum / topics } else { 0.0 }
    }
}

/// The runs of letters, digits and underscores of a text, in lower case.
fn words(text: &str) -> Vec<String> {
    text.to_lowercase()
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|w| !w.is_empty())
        .map(str::to_string)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// What scikit-learn and numpy say, as `tests/fixtures/make_topics.py` wrote it.
    fn expected() -> Value {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/fixtures/topics/eval.json"
        );
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    fn numbers(value: &Value) -> Vec<i64> {
        serde_json::from_value(value.clone()).unwrap()
    }

    #[test]
    fn measures_equal_scikit_learn() {
        let cases = expected();
        let cases = cases["clusterings"].as_array().unwrap();
        assert!(cases.len() >= 10);
        for case in cases {
            let (a, b) = (numbers(&case["labels"]), numbers(&case["clusters"]));
            for (name, got) in [
                ("v_measure", v_measure(&a, &b)),
                ("nmi", v_measure(&a, &b)),
                ("ari", adjusted_rand(&a, &b)),
            ] {
                let want = case[name].as_f64().unwrap();
                assert!((got - want).abs() < 1e-9, "{name}: {got}, not {want}");
            }
        }
    }

    #[test]
    fn coherence_and_diversity_equal_their_definitions() {
        let cases = expected();
        let texts: Vec<String> = serde_json::from_value(cases["texts"].clone()).unwrap();
        let topics: Vec<Vec<String>> = serde_json::from_value(cases["topics"].clone()).unwrap();
        let mut coherence = Coherence::new(&topics);
        for text in &texts {
            coherence.add(text);
        }
        let want = cases["npmi"].as_f64().unwrap();
        assert!(
            (coherence.npmi() - want).abs() < 1e-9,
            "{}",
            coherence.npmi()
        );
        let want = cases["diversity"].as_f64().unwrap();
        assert!((diversity(&topics) - want).abs() < 1e-12);
    }

    #[test]
    fn empty_lists_agree() {
        assert_eq!(v_measure::<u32, u32>(&[], &[]), 1.0);
        assert_eq!(adjusted_rand::<u32, u32>(&[], &[]), 1.0);
        assert_eq!(diversity::<&str>(&[]), 0.0);
    }
}
