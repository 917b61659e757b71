//! The families' models in `tests/fixtures/families`.

/// The folders of models that embed texts.
pub(super) const EMBEDDING: [&str; 19] = [
    "bert-cls-mean-sqrt",
    "bert-dense",
    "bert-max-normalize-dense",
    "bert-prompt-excluded",
    "bert-prompt-excluded-all",
    "bert-st6",
    "bert-weightedmean",
    "embeddinggemma",
    "gemma3-causal",
    "gte",
    "gte-ntk",
    "gte-prefixed",
    "jina-v2",
    "modernbert",
    "modernbert-v5",
    "nomic",
    "nomic-native",
    "qwen3-embedding",
    "xlm-roberta-e5",
];

/// How far `a` is from `b`, in lengths of `b`.
pub(super) fn distance(a: &[f32], b: &[f32]) -> f64 {
    let square = |x: f32| f64::from(x) * f64::from(x);
    let apart: f64 = a.iter().zip(b).map(|(x, y)| square(x - y)).sum();
    let length: f64 = b.iter().map(|y| square(*y)).sum();
    assert_eq!(a.len(), b.len());
    (apart / length.max(1e-20)).sqrt()
}
