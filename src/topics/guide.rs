//! Topics that the user describes: guided by words or articles, or named with a description.
//!
//! A guide's text (name, description, words) and its articles are vectors. The articles nearest
//! to the text above a cosine are its seeds, with those that the user named; the mean of the
//! seeds is the guide's centre. An article belongs to the guide whose centre is nearest, if it
//! is as near as most of the guide's seeds are; what no guide catches clusters freely.

use super::articles::Articles;
use super::points::Points;
use crate::encoder::{EncodeOptions, Encoder, Prompt};
use crate::error::{Error, Result};
use crate::vectors::{dot, normalize};
use std::path::Path;

/// The cosine to a guide's text from which an article is a seed: a short text of the same
/// subject is seldom nearer than 0.5 and an unrelated one seldom beyond 0.2.
const THRESHOLD: f32 = 0.3;
/// The most seeds found by text.
const SEEDS: usize = 200;
/// The share of seeds that must be farther from the centre than what is caught.
const FARTHEST: f32 = 0.2;
/// The cosine to a single seed from which an article belongs to it.
const ALONE: f32 = 0.5;

/// A topic that the user describes.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Guide {
    /// Its label.
    pub name: String,
    /// What it is about.
    #[serde(default)]
    pub description: String,
    /// Words that its articles use.
    #[serde(default)]
    pub words: Vec<String>,
    /// Ids of articles that belong to it; without a corpus, the rows of their vectors.
    #[serde(default)]
    pub articles: Vec<String>,
    /// The cosine to the text from which an article is a seed; 0.3 where it is not given.
    #[serde(default)]
    pub threshold: Option<f32>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    topic: Vec<Guide>,
}

/// Reads guides from a TOML file of `[[topic]]` tables: a convenience for those who keep them in
/// files. A table has the fields of [`Guide`].
///
/// # Errors
/// The file cannot be read or is no such TOML; a guide has no name or that of another.
pub fn read(path: &Path) -> Result<Vec<Guide>> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
    let file: File = toml::from_str(&text).map_err(|e| {
        let row = e.span().map(|s| text[..s.start].matches('\n').count() as u64 + 1);
        let message = e.message().trim().replace('\n', " ");
        Error::input(&name, row, format!("{message}; a guide is a table [[topic]] with name, and description, words, articles or threshold"))
    })?;
    if file.topic.is_empty() {
        return Err(Error::input(&name, None, "it holds no [[topic]] table"));
    }
    for (i, guide) in file.topic.iter().enumerate() {
        if guide.name.trim().is_empty() {
            return Err(Error::input(
                &name,
                None,
                format!("topic {} has an empty name", i + 1),
            ));
        }
        if file.topic[..i].iter().any(|g| g.name == guide.name) {
            return Err(Error::input(
                &name,
                None,
                format!("two topics have the name {:?}", guide.name),
            ));
        }
    }
    Ok(file.topic)
}

/// The guide that catches each point.
///
/// # Errors
/// A guide names an unknown article or finds no seed; the encoder fails; the points' job is
/// cancelled.
pub(super) fn catch(
    articles: &dyn Articles,
    points: &Points,
    encoder: &Encoder,
    guides: &[Guide],
) -> Result<Vec<Option<u32>>> {
    let dim = points.vectors.ncols();
    let texts: Vec<String> = guides.iter().map(text).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let options = EncodeOptions::from(Prompt::Query).job(points.job());
    let anchors = encoder.encode(&texts, options)?;
    let anchors: Vec<&[f32]> = anchors.rows().collect();
    // How near each point is to each guide's text.
    let near: Vec<Vec<f32>> =
        points.map(|_, vector| anchors.iter().map(|a| dot(a, vector)).collect())?;
    let best = |p: usize| -> usize {
        (0..guides.len())
            .max_by(|&a, &b| near[p][a].total_cmp(&near[p][b]).then(b.cmp(&a)))
            .unwrap_or(0)
    };
    let mut named: Vec<Vec<usize>> = vec![Vec::new(); guides.len()];
    for (g, guide) in guides.iter().enumerate() {
        for id in &guide.articles {
            named[g].push(points.of_row(articles.row_of(id)?));
        }
    }
    let mut centres = Vec::new();
    let mut limits = Vec::new();
    for (g, guide) in guides.iter().enumerate() {
        points.watch().check()?;
        let threshold = guide.threshold.unwrap_or(THRESHOLD);
        let mut found: Vec<usize> = (0..points.len())
            .filter(|&p| near[p][g] >= threshold && best(p) == g)
            .collect();
        found.sort_by(|&a, &b| near[b][g].total_cmp(&near[a][g]).then(a.cmp(&b)));
        found.truncate(SEEDS);
        let mut seeds = named[g].clone();
        // Named articles say better than words what is meant.
        if seeds.len() < 3 {
            seeds.extend(found);
        }
        seeds.sort_unstable();
        seeds.dedup();
        if seeds.is_empty() {
            return Err(Error::no_result(format!(
                "guide {:?} finds no article at a cosine of {threshold} or more; describe it in other words, name articles, or lower its threshold",
                guide.name
            )));
        }
        let mut sum = vec![0.0f32; dim];
        for &p in &seeds {
            for (s, x) in sum.iter_mut().zip(points.vector(p)) {
                *s += x;
            }
        }
        // How near a seed is to the others: to the centre that it is a part of itself it is
        // nearer than any other article can be.
        let mut cosines: Vec<f32> = seeds
            .iter()
            .map(|&p| {
                let vector = points.vector(p);
                let mut others: Vec<f32> = sum.iter().zip(vector).map(|(s, x)| s - x).collect();
                normalize(&mut others);
                dot(&others, vector)
            })
            .collect();
        cosines.sort_by(f32::total_cmp);
        limits.push(match cosines.as_slice() {
            [_] => ALONE,
            all => all[(all.len() as f32 * FARTHEST) as usize],
        });
        normalize(&mut sum);
        centres.push(sum);
    }
    let mut caught: Vec<Option<u32>> = points.map(|_, vector| {
        (0..guides.len())
            .map(|g| (dot(&centres[g], vector), g))
            .filter(|&(cosine, g)| cosine >= limits[g])
            .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)))
            .map(|(_, g)| g as u32)
    })?;
    for (g, points) in named.iter().enumerate() {
        for &p in points {
            caught[p] = Some(g as u32);
        }
    }
    Ok(caught)
}

fn text(guide: &Guide) -> String {
    let mut parts = vec![guide.name.clone()];
    if !guide.description.is_empty() {
        parts.push(guide.description.clone());
    }
    if !guide.words.is_empty() {
        parts.push(guide.words.join(", "));
    }
    parts.join(". ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Vec<Guide>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("guides.toml");
        std::fs::write(&path, text).unwrap();
        read(&path)
    }

    #[test]
    fn guides_are_read() {
        let guides = read_text("[[topic]]\nname = \"Space\"\nwords = [\"rocket\"]\n[[topic]]\nname = \"Food\"\ndescription = \"meals\"\narticles = [\"a-1\"]\nthreshold = 0.4\n").unwrap();
        assert_eq!(text(&guides[0]), "Space. rocket");
        assert_eq!(guides[1].articles, ["a-1"]);
        assert_eq!(guides[1].threshold, Some(0.4));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (file, said) in [
            ("", "no [[topic]]"),
            ("[[topic]]\nname = \"\"", "empty name"),
            (
                "[[topic]]\nname = \"a\"\n[[topic]]\nname = \"a\"",
                "two topics",
            ),
            ("[[topic]]\nname = \"a\"\ncolour = 3", ":3: "),
            ("[[topic]\n", "[[topic]]"),
        ] {
            let message = read_text(file).unwrap_err().to_string();
            assert!(message.contains(said), "{message}");
        }
    }
}
