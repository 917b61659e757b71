//! The map of a corpus, as a page or a picture.
//!
//! What the page shows comes from articles, which nobody vouches for. Its data stand in the
//! page as JSON in which no `<` is left, its script writes them as text alone, and its
//! content security policy lets no script run but that one, known by its hash, and nothing be
//! fetched from anywhere.

pub mod columns;
mod page;
#[cfg(feature = "plots")]
mod picture;

pub use page::page;
#[cfg(feature = "plots")]
pub use picture::{png, svg};

use super::graph::{Neighbours, neighbours};
use super::points::Points;
use super::watch::Watch;
use super::{layout, none_yet, points};
use crate::corpus::snippet;
use crate::encoder::DeviceChoice;
use crate::error::{Error, ErrorKind, Missing, Result};
use crate::job::{Job, Stage};
use crate::store::{Reader, Writer};
use std::collections::HashMap;

/// Neighbours of each article that the map names.
const NEIGHBOURS: usize = 8;
/// Characters of a title.
const TITLE: usize = 140;

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
    /// Its row in the store.
    pub key: i64,
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
    /// How well near ones were kept near, 0 to 1: [`Layout::trustworthiness`].
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

/// Where the articles of a corpus stand on its map: what takes long about a map.
#[derive(Debug, Clone)]
pub struct Layout {
    keys: Vec<i64>,
    points: Points,
    near: Neighbours,
    /// A place for each key.
    places: Vec<[f32; 2]>,
    trustworthiness: f32,
    generation: i64,
    seed: u64,
    /// Whether the corpus holds it.
    is_stored: bool,
}

impl Layout {
    /// Whether it was read from the corpus, or is kept there now.
    pub fn is_stored(&self) -> bool {
        self.is_stored
    }

    /// Where each article stands, as (row, x, y), in the order of rows.
    pub fn places(&self) -> impl Iterator<Item = (i64, f32, f32)> + '_ {
        let rows = self.keys.iter().zip(&self.places);
        rows.map(|(&key, &[x, y])| (key, x, y))
    }

    /// How well near articles were kept near, 0 to 1: the trustworthiness of the ten nearest
    /// (Venna and Kaski, 2001), on at most 2,000 of the articles.
    pub fn trustworthiness(&self) -> f32 {
        self.trustworthiness
    }
}

/// Of what a stored layout was made, and how well.
#[derive(serde::Serialize, serde::Deserialize)]
struct Made {
    generation: i64,
    seed: u64,
    trustworthiness: f32,
}

impl Reader {
    /// Whether the corpus holds a layout of its map as it is now, from this seed.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn has_layout(&self, seed: u64) -> Result<bool> {
        Ok(made(self, seed)?.is_some())
    }

    /// The layout of the map: the one that the corpus holds, or a new one, which is not stored; for
    /// that there is [`Writer::lay_out`].
    ///
    /// # Errors
    /// There are no embedded articles; a vector is no number; a device asked for by name cannot be
    /// used; the job is cancelled.
    pub fn layout_of_map(&self, seed: u64, device: DeviceChoice, job: &Job) -> Result<Layout> {
        let (keys, points) = points(self, &Watch::new(job))?;
        if keys.is_empty() {
            return Err(Error::corpus(
                ErrorKind::NotFound(Missing::Vectors),
                self.path(),
                "it holds no embedded articles",
            ));
        }
        let points = points.on(device)?;
        let near = neighbours(&points, layout::NEIGHBOURS, seed)?;
        points.tell_device_failure();
        let mut stored = None;
        if let Some(made) = made(self, seed)? {
            let places = self.layout()?;
            if places.iter().map(|p| &p.0).eq(&keys) {
                let places: Vec<[f32; 2]> = places.iter().map(|&(_, x, y)| [x, y]).collect();
                stored = Some((places, made.trustworthiness));
            }
        }
        let is_stored = stored.is_some();
        let (places, trustworthiness) = match stored {
            Some(stored) => stored,
            None => {
                let flat = layout::layout(&points, &near, seed)?;
                let trust = layout::trustworthiness(&points, &flat, 10)?;
                let rows = 0..keys.len();
                (rows.map(|row| flat[points.of_row(row)]).collect(), trust)
            }
        };
        job.check()?;
        Ok(Layout {
            keys,
            points,
            near,
            places,
            trustworthiness,
            generation: self.generation()?,
            seed,
            is_stored,
        })
    }

    /// The map of a corpus that has topics, by the layout that it holds, or by one that is made for
    /// this map alone.
    ///
    /// # Errors
    /// There are no topics; else as [`Reader::layout_of_map`].
    pub fn map(&self, seed: u64, device: DeviceChoice, job: &Job) -> Result<Map> {
        if self.topic_run()?.is_none() {
            return Err(none_yet(self));
        }
        Map::new(self, &self.layout_of_map(seed, device, job)?, job)
    }
}

/// How the stored layout was made; `None` where that is not known, as without a layout.
fn how_made(reader: &Reader) -> Result<Option<Made>> {
    let made = reader.meta("layout")?;
    Ok(made.and_then(|m| serde_json::from_str(&m).ok()))
}

/// How the stored layout was made, where it is of these vectors and this seed.
fn made(reader: &Reader, seed: u64) -> Result<Option<Made>> {
    let generation = reader.generation()?;
    Ok(how_made(reader)?.filter(|m| m.generation == generation && m.seed == seed))
}

impl Writer {
    /// The layout of the map, as [`Reader::layout_of_map`]; a new one is stored.
    ///
    /// # Errors
    /// As [`Reader::layout_of_map`]; the file cannot be written.
    pub fn lay_out(&mut self, seed: u64, device: DeviceChoice, job: &Job) -> Result<Layout> {
        let mut layout = self.layout_of_map(seed, device, job)?;
        self.keep_layout(&mut layout, job)?;
        Ok(layout)
    }

    /// Stores a layout that a reader made ([`Reader::layout_of_map`]), so that nobody need wait to
    /// write while it is made. One of an earlier state of the corpus is not stored, which
    /// [`Layout::is_stored`] tells.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn keep_layout(&mut self, layout: &mut Layout, job: &Job) -> Result<()> {
        if !layout.is_stored && layout.generation == self.generation()? {
            let rows = layout.keys.iter().zip(&layout.places);
            let rows: Vec<(i64, f32, f32)> = rows.map(|(&key, &[x, y])| (key, x, y)).collect();
            let made = Made {
                generation: layout.generation,
                seed: layout.seed,
                trustworthiness: layout.trustworthiness,
            };
            let made = serde_json::to_string(&made).map_err(|e| Error::internal(e.to_string()))?;
            job.progress(Stage::Writing, 0, Some(rows.len() as u64));
            self.replace_layout(&rows, &made)?;
            layout.is_stored = true;
        }
        Ok(())
    }
}

impl Map {
    /// The map of a corpus that has topics, by a layout of the same corpus. Articles that are new
    /// since the layout was made are not on it, and those that were deleted are left out.
    ///
    /// # Errors
    /// There are no topics; the file is damaged; the job is cancelled.
    pub fn new(reader: &Reader, layout: &Layout, job: &Job) -> Result<Self> {
        if reader.topic_run()?.is_none() {
            return Err(none_yet(reader));
        }
        let Layout {
            keys,
            points,
            near,
            places,
            ..
        } = layout;
        let watch = Watch::new(job);
        let mut topics: Vec<MapTopic> = reader
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
        let topic_of: HashMap<i64, i64> = reader
            .members()?
            .iter()
            .map(|m| (m.article, m.topic))
            .collect();
        // The place of each row among the articles that are still there.
        let mut at: Vec<Option<u32>> = Vec::with_capacity(keys.len());
        let mut there = 0;
        let mut described = Vec::with_capacity(keys.len());
        let is_new = reader.generation()? == layout.generation;
        for (row, &key) in keys.iter().enumerate() {
            watch.check()?;
            watch.progress(Stage::Reading, row, keys.len());
            let article = if is_new || reader.article_vector(key)?.is_some() {
                Some(reader.described_at(key)?)
            } else {
                None
            };
            at.push(article.is_some().then_some(there));
            there += u32::from(article.is_some());
            described.push(article);
        }

        // An article for each point; copies of one article share a point.
        let mut first: Vec<Option<u32>> = vec![None; points.len()];
        for (row, &at) in at.iter().enumerate() {
            let first = &mut first[points.of_row(row)];
            *first = first.or(at);
        }
        let mut articles = Vec::with_capacity(there as usize);
        let mut axes = vec![[Vec::new(), Vec::new()]; topics.len()];
        for (row, (article, &place)) in described.into_iter().zip(places).enumerate() {
            watch.check()?;
            let Some(article) = article else { continue };
            let point = points.of_row(row);
            let copy = first[point].filter(|&f| Some(f) != at[row]);
            let others = near.of(point).filter_map(|n| first[n.0 as usize]);
            let topic = topic_of.get(&keys[row]).and_then(|t| index.get(t).copied());
            if let Some(topic) = topic {
                for (axis, x) in axes[topic].iter_mut().zip(place) {
                    axis.push(x);
                }
            }
            articles.push(MapArticle {
                key: keys[row],
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
        let name = reader.path().file_stem().unwrap_or_default();
        Ok(Self {
            name: name.to_string_lossy().into_owned(),
            topics,
            articles,
            trustworthiness: layout.trustworthiness,
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
