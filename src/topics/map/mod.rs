//! The map of a corpus, as a page or a picture.
//!
//! What the page shows comes from articles, which nobody vouches for. Its data stand in the
//! page as JSON in which no `<` is left, its script writes them as text alone, and its
//! content security policy lets no script run but that one, known by its hash, and nothing be
//! fetched from anywhere.

mod page;
mod picture;

pub use page::page;
pub use picture::{png, svg};

use super::graph::neighbours;
use super::{layout, none_yet, points};
use crate::corpus::snippet;
use crate::encoder::DeviceChoice;
use crate::error::Result;
use crate::store::Store;
use std::collections::HashMap;

/// Neighbours of each article that the map names.
const NEIGHBOURS: usize = 8;
/// Characters of a title.
const TITLE: usize = 140;
/// Sources that have a colour of their own, those with the most articles.
const SOURCES: usize = 20;

/// A colour: red, green, blue.
pub type Colour = [u8; 3];

/// What is in no topic, or of no named source.
const GREY: Colour = [150, 150, 150];

/// A topic on the map.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct MapTopic {
    /// Its number.
    pub id: i64,
    /// Its label.
    pub label: String,
    /// Its articles.
    pub size: u64,
    /// Its colour.
    pub colour: Colour,
    /// Where its label stands: in the middle of its articles; `None` without any.
    pub x: Option<f32>,
    /// As `x`.
    pub y: Option<f32>,
}

/// An article on the map.
#[derive(Debug, Clone, PartialEq)]
pub struct MapArticle {
    /// Its id.
    pub id: String,
    /// Its title, or the start of its text, cut short.
    pub title: String,
    /// Its date, as it is stored.
    pub date: Option<String>,
    /// Its source.
    pub source: Option<String>,
    /// The index of its topic among [`Map::topics`].
    pub topic: Option<usize>,
    /// Where it stands.
    pub place: [f32; 2],
    /// The indices of its nearest articles, by cosine.
    pub nearest: Vec<u32>,
}

/// The map of a corpus.
#[derive(Debug, Clone, PartialEq)]
pub struct Map {
    /// The corpus's name.
    pub name: String,
    /// The topics, largest first.
    pub topics: Vec<MapTopic>,
    /// The articles.
    pub articles: Vec<MapArticle>,
    /// How well near ones were kept near: [`layout::trustworthiness`] of the ten nearest.
    pub trustworthiness: f32,
}

/// Colours that are far from each other: hues by the golden angle, in turns of lightness.
pub fn colour(i: usize) -> Colour {
    let hue = (i as f32 * 137.508 + 215.0) % 360.0;
    let lightness = [0.48, 0.62, 0.38][(i / 12) % 3];
    let saturation = [0.70, 0.55, 0.80][(i / 5) % 3];
    let chroma = (1.0 - (2.0 * lightness - 1.0f32).abs()) * saturation;
    let base = lightness - chroma / 2.0;
    let second = chroma * (1.0 - ((hue / 60.0) % 2.0 - 1.0).abs());
    let (r, g, b) = match (hue / 60.0) as u32 {
        0 => (chroma, second, 0.0),
        1 => (second, chroma, 0.0),
        2 => (0.0, chroma, second),
        3 => (0.0, second, chroma),
        4 => (second, 0.0, chroma),
        _ => (chroma, 0.0, second),
    };
    [r, g, b].map(|x| ((x + base) * 255.0).round() as u8)
}

impl Map {
    /// Makes the map of a corpus that has topics, comparing vectors on a device; its layout is
    /// kept in the corpus.
    ///
    /// # Errors
    /// There are no topics; a vector is no number; the file cannot be written; a device asked
    /// for by name cannot be used.
    pub fn new(store: &mut Store, seed: u64, device: DeviceChoice) -> Result<Self> {
        if store.topic_run()?.is_none() {
            return Err(none_yet(store));
        }
        let (keys, points) = points(store)?;
        let points = points.on(device)?;
        let near = neighbours(&points, layout::NEIGHBOURS, seed);
        let (places, trustworthiness) = layout::fitted(store, &keys, &points, &near, seed)?;
        let mut topics: Vec<MapTopic> = store
            .topics()?
            .into_iter()
            .enumerate()
            .map(|(i, t)| MapTopic {
                id: t.id,
                label: t.label,
                size: t.size,
                colour: colour(i),
                x: None,
                y: None,
            })
            .collect();
        let index: HashMap<i64, usize> =
            topics.iter().enumerate().map(|(i, t)| (t.id, i)).collect();
        let topic_of: HashMap<i64, i64> = store
            .members()?
            .iter()
            .map(|m| (m.article, m.topic))
            .collect();

        // An article for each point; copies of one article share a point.
        let mut first: Vec<Option<u32>> = vec![None; points.len()];
        for row in 0..keys.len() {
            first[points.of_row(row)].get_or_insert(row as u32);
        }
        let mut articles = Vec::with_capacity(keys.len());
        let mut axes = vec![[Vec::new(), Vec::new()]; topics.len()];
        for (row, (&key, &place)) in keys.iter().zip(&places).enumerate() {
            let article = store.described_at(key)?;
            let point = points.of_row(row);
            let copy = first[point].filter(|&f| f as usize != row);
            let others = near.of(point).filter_map(|n| first[n.0 as usize]);
            let topic = topic_of.get(&key).and_then(|t| index.get(t).copied());
            if let Some(topic) = topic {
                for (axis, x) in axes[topic].iter_mut().zip(place) {
                    axis.push(x);
                }
            }
            articles.push(MapArticle {
                id: article.id,
                title: snippet(&article.title, TITLE),
                date: article.date,
                source: article.source,
                topic,
                place,
                nearest: copy.into_iter().chain(others).take(NEIGHBOURS).collect(),
            });
        }
        for (topic, [x, y]) in topics.iter_mut().zip(axes) {
            topic.x = median(x);
            topic.y = median(y);
        }
        let name = store.path().file_stem().unwrap_or_default();
        Ok(Self {
            name: name.to_string_lossy().into_owned(),
            topics,
            articles,
            trustworthiness,
        })
    }

    fn about(&self) -> String {
        format!(
            "{} articles, {} topics; trustworthiness {:.2} of 1",
            self.articles.len(),
            self.topics.len(),
            self.trustworthiness
        )
    }
}

/// The middle one: where a topic has islands its label stands on the largest.
fn median(mut all: Vec<f32>) -> Option<f32> {
    all.sort_by(f32::total_cmp);
    all.get(all.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_differ() {
        let all: Vec<Colour> = (0..24).map(colour).collect();
        for (i, a) in all.iter().enumerate() {
            for b in &all[..i] {
                let distance: i32 = a
                    .iter()
                    .zip(b)
                    .map(|(x, y)| (i32::from(*x) - i32::from(*y)).abs())
                    .sum();
                assert!(distance > 20, "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn titles_are_one_short_line() {
        assert_eq!(snippet("a\n b\tc", TITLE), "a b c");
        let long = snippet(&"word ".repeat(60), TITLE);
        assert!(long.ends_with("word…") && long.chars().count() <= TITLE + 1);
    }
}
