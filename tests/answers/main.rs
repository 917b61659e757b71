//! What people ask of an answer: pages, folds, recency, diversity, facets, sentences, many queries
//! at once; against brute force, and as a user meets them.

#[path = "../common/mod.rs"]
mod common;

mod brute;
mod program;
mod queries;
mod reference;
