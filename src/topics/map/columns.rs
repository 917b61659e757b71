//! The map as columns of numbers: what a page draws a million points from.
//!
//! Points are in a fixed pseudo-random order, so that any first part of them is a fair sample of
//! all: drawing fewer is drawing the first ones. An article keeps its place in that order among
//! the others, whatever comes or goes.

use super::{Colour, GREY, Layout, colour};
use crate::error::{Error, ErrorKind, Missing, Result};
use crate::job::{Job, Stage};
use crate::store::{FieldInfo, NO_TOPIC, Reader};
use crate::topics::about::day;
use crate::topics::nested::nodes;
use chrono::NaiveDate;
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

/// A publisher's number for all that have none of their own, and for none.
pub const OTHER_SOURCE: u16 = u16::MAX;
/// The day of an article without a date.
pub const NO_DAY: i32 = i32::MIN;
/// Publishers that have a number: more are of no use in a legend.
const SOURCES: usize = 1_000;
/// Publishers that have a colour.
const COLOURED: usize = 20;
/// Values of a field that have a colour.
pub const VALUES: usize = 20;
/// The number of a value that has none.
pub const OTHER_VALUE: u8 = u8::MAX;
/// Points between two looks at the job.
const LOOK: usize = 4096;

/// The type of a column's numbers, which are little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum ColumnType {
    /// Two bytes, from 0.
    U16,
    /// Two bytes, signed.
    I16,
    /// Four bytes, signed.
    I32,
    /// Four bytes, from 0.
    U32,
}

/// Where a column lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Column {
    /// `x` and `y` (0 to 65535 over the bounds, `y` growing downwards), `topic` (the index among
    /// the topics, -1 for none), `source` (the index among the sources, 65535 for another or none),
    /// `day` (days since 1970-01-01, -2147483648 for none), `key` (a number that the article keeps).
    pub name: &'static str,
    /// The type of its numbers.
    #[serde(rename = "type")]
    pub kind: ColumnType,
    /// Where it begins, in bytes; a multiple of the size of a number.
    pub offset: usize,
    /// How long it is, in bytes.
    pub length: usize,
}

/// A topic on the map.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct ColumnTopic {
    /// Its number.
    pub id: i64,
    /// Its label.
    pub label: String,
    /// Its articles.
    pub size: u64,
    /// Its colour: red, green, blue.
    #[cfg_attr(feature = "server", schema(value_type = Vec<u8>))]
    pub colour: Colour,
    /// Where its label stands, in the numbers of the column `x`: the middle of its articles; `None`
    /// without any.
    pub x: Option<u16>,
    /// As `x`.
    pub y: Option<u16>,
}

/// A branch of the topics' tree on the map.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct ColumnNode {
    /// Its number.
    pub id: usize,
    /// The branch that it is a part of; `None` for the root.
    pub parent: Option<usize>,
    /// Its label.
    pub label: String,
    /// Its articles.
    pub size: u64,
    /// Where its label stands, in the numbers of the column `x`; `None` without articles.
    pub x: Option<u16>,
    /// As `x`.
    pub y: Option<u16>,
    /// How many branches lie above it.
    pub level: usize,
    /// The topic that it is, where it is one.
    pub topic: Option<i64>,
}

/// A publisher on the map.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct ColumnSource {
    /// Its name.
    pub name: String,
    /// Its articles on the map.
    pub count: u64,
    /// Its colour: red, green, blue; the first twenty have one of their own.
    #[cfg_attr(feature = "server", schema(value_type = Vec<u8>))]
    pub colour: Colour,
}

/// What the columns mean.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct ColumnHead {
    /// How many points there are.
    pub points: usize,
    /// The corpus's generation when the map was made.
    pub generation: i64,
    /// The hash of all columns: points of another version are another map's.
    pub version: String,
    /// Where the columns lie.
    pub columns: Vec<Column>,
    /// The places that 0 and 65535 stand for: left, top, right, bottom.
    #[cfg_attr(feature = "server", schema(value_type = Vec<f32>))]
    pub bounds: [f32; 4],
    /// The topics, largest first; none where none were fitted.
    pub topics: Vec<ColumnTopic>,
    /// How the topics nest, the root first.
    pub tree: Vec<ColumnNode>,
    /// The publishers with the most articles.
    pub sources: Vec<ColumnSource>,
    /// The first and the last day.
    #[cfg_attr(feature = "server", schema(value_type = Option<Vec<i32>>))]
    pub dates: Option<[i32; 2]>,
    /// The fields that points can be coloured by.
    pub fields: Vec<FieldInfo>,
    /// How well near articles were kept near, 0 to 1; `None` where it is not known.
    pub trustworthiness: Option<f32>,
}

/// The map of a corpus as columns. Memory is some 40 bytes a point while it is made, and 28 after.
#[derive(Debug, Clone, PartialEq)]
pub struct Columns {
    /// What they mean.
    pub head: ColumnHead,
    /// The columns, one behind another.
    pub bytes: Vec<u8>,
    /// The row in the store of each point.
    keys: Vec<i64>,
}

/// The values of a field as JSON, each with how many points have it, and the place among them of
/// each point's value.
pub type Valued = (Vec<(String, u64)>, Vec<u8>);

/// A point while columns are made.
struct Point {
    key: i64,
    x: u16,
    y: u16,
    topic: i16,
    source: u16,
    day: i32,
}

impl Columns {
    /// The columns of a corpus by a layout of it; articles that are new since the layout was made
    /// are not on it, and those that went are left out.
    ///
    /// # Errors
    /// The file is damaged; the job is cancelled; an article's row needs more than 32 bits.
    pub fn new(reader: &Reader, layout: &Layout, job: &Job) -> Result<Self> {
        let trust = Some(layout.trustworthiness());
        Self::of_places(reader, layout.places().collect(), trust, job)
    }

    /// The columns of a corpus by the layout that it holds; `None` where it holds none.
    ///
    /// # Errors
    /// As [`Columns::new`].
    pub fn stored(reader: &Reader, job: &Job) -> Result<Option<Self>> {
        let places = reader.layout()?;
        if places.is_empty() {
            return Ok(None);
        }
        let trust = super::how_made(reader)?.map(|made| made.trustworthiness);
        Self::of_places(reader, places, trust, job).map(Some)
    }

    /// The columns of places, (row, x, y); articles that went since are left out.
    ///
    /// # Errors
    /// There are no places; else as [`Columns::new`].
    pub fn of_places(
        reader: &Reader,
        mut places: Vec<(i64, f32, f32)>,
        trustworthiness: Option<f32>,
        job: &Job,
    ) -> Result<Self> {
        if places.is_empty() {
            return Err(Error::corpus(
                ErrorKind::NotFound(Missing::Vectors),
                reader.path(),
                "it holds no embedded articles",
            ));
        }
        places.sort_by_key(|&(key, ..)| mixed(key));
        let bounds = bounds(&places);
        let topics = reader.topics()?;
        let index: HashMap<i64, i16> = topics
            .iter()
            .enumerate()
            .filter_map(|(i, t)| Some((t.id, i16::try_from(i).ok()?)))
            .collect();
        let mut members: HashMap<i64, (i16, Option<i64>)> = HashMap::new();
        for member in reader.members()? {
            if member.topic != NO_TOPIC {
                let topic = index.get(&member.topic).copied().unwrap_or(-1);
                members.insert(member.article, (topic, member.part));
            }
        }
        let (sources, source_of) = sources(reader, &places, job)?;
        let mut points = Vec::with_capacity(places.len());
        reader.run(|c| {
            let mut query = c.prepare("SELECT source, date FROM article WHERE id = ?1")?;
            for (at, &(key, x, y)) in places.iter().enumerate() {
                if at.is_multiple_of(LOOK) {
                    if job.is_cancelled() {
                        break;
                    }
                    job.progress(Stage::Reading, at as u64, Some(places.len() as u64));
                }
                let mut found = query.query([key])?;
                let Some(row) = found.next()? else { continue };
                let source = row.get_ref(0)?.as_str_or_null()?;
                let day = row.get_ref(1)?.as_str_or_null()?.and_then(day);
                points.push(Point {
                    key,
                    x: scaled(x, bounds[0], bounds[2]),
                    y: scaled(-y, bounds[1], bounds[3]),
                    topic: members.get(&key).map_or(-1, |m| m.0),
                    source: source
                        .and_then(|s| source_of.get(s).copied())
                        .unwrap_or(OTHER_SOURCE),
                    day: day.map_or(NO_DAY, days),
                });
            }
            Ok(())
        })?;
        job.check()?;
        drop(places);
        let by_topic = middles(&points, topics.len(), |p| usize::try_from(p.topic).ok());
        let topics: Vec<ColumnTopic> = topics
            .into_iter()
            .zip(&by_topic)
            .enumerate()
            .map(|(i, (topic, middle))| ColumnTopic {
                id: topic.id,
                label: topic.label,
                size: topic.size,
                colour: colour(i),
                x: middle.map(|m| m[0]),
                y: middle.map(|m| m[1]),
            })
            .collect();
        let tree = tree(reader, &topics, &points, &members)?;
        drop(members);
        let dated = || points.iter().map(|p| p.day).filter(|&d| d != NO_DAY);
        let dates = dated().min().zip(dated().max()).map(|(a, b)| [a, b]);
        let (bytes, columns) = packed(&points)?;
        let version = blake3::hash(&bytes).to_hex()[..16].to_string();
        let fields = reader.field_kinds()?;
        Ok(Self {
            head: ColumnHead {
                points: points.len(),
                generation: reader.generation()?,
                version,
                columns,
                bounds,
                topics,
                tree,
                sources,
                dates,
                fields,
                trustworthiness,
            },
            bytes,
            keys: points.into_iter().map(|p| p.key).collect(),
        })
    }

    /// Columns of these parts, for tests.
    #[cfg(test)]
    pub(super) fn of_parts(head: ColumnHead, bytes: Vec<u8>, keys: Vec<i64>) -> Self {
        Self { head, bytes, keys }
    }

    /// The row in the store of a point.
    pub fn key(&self, point: usize) -> Option<i64> {
        self.keys.get(point).copied()
    }

    /// The rows in the store of points.
    ///
    /// # Errors
    /// A point is none.
    pub fn keys(&self, points: &[u32]) -> Result<Vec<i64>> {
        let keys = points.iter().map(|&point| {
            self.key(point as usize).ok_or_else(|| {
                let message = format!("{point} is no point: there are {}", self.keys.len());
                Error::parameter("rows", message)
            })
        });
        keys.collect()
    }

    /// The points of rows in the store, `None` for what is not on the map.
    pub fn points_of(&self, keys: &[Option<i64>]) -> Vec<Option<u32>> {
        let wanted: HashSet<i64> = keys.iter().flatten().copied().collect();
        let mut found: HashMap<i64, u32> = HashMap::with_capacity(wanted.len());
        for (point, key) in self.keys.iter().enumerate() {
            if wanted.contains(key) {
                found.insert(*key, point as u32);
            }
        }
        let of = |key: &Option<i64>| found.get(key.as_ref()?).copied();
        keys.iter().map(of).collect()
    }

    /// The number of each point's value among `values`, the values of a field that most points
    /// have, as JSON; [`OTHER_VALUE`] for another or none.
    ///
    /// # Errors
    /// The field is unknown; the file is damaged; the job is cancelled.
    pub fn field(&self, reader: &Reader, name: &crate::store::Field, job: &Job) -> Result<Valued> {
        // Numbers of values, so that a million points of a few values hold few texts.
        let mut known: HashMap<String, u32> = HashMap::new();
        let mut counts: Vec<u64> = Vec::new();
        let mut of: HashMap<i64, u32> = HashMap::with_capacity(self.keys.len());
        reader.each_value(name, |key, value| {
            if of.len().is_multiple_of(LOOK) {
                job.check()?;
            }
            if let Some(value) = value {
                let next = counts.len() as u32;
                let number = *known.entry(value).or_insert(next);
                if number == next {
                    counts.push(0);
                }
                of.insert(key, number);
            }
            Ok(())
        })?;
        let numbers: Vec<Option<u32>> = self.keys.iter().map(|key| of.get(key).copied()).collect();
        for number in numbers.iter().flatten() {
            counts[*number as usize] += 1;
        }
        let mut values: Vec<(String, u32)> = known.into_iter().collect();
        values.retain(|v| counts[v.1 as usize] > 0);
        values.sort_by(|a, b| {
            let count = |v: &(String, u32)| Reverse(counts[v.1 as usize]);
            count(a).cmp(&count(b)).then_with(|| a.0.cmp(&b.0))
        });
        values.truncate(VALUES);
        let mut place = vec![OTHER_VALUE; counts.len()];
        for (i, value) in values.iter().enumerate() {
            place[value.1 as usize] = i as u8;
        }
        let of = numbers
            .into_iter()
            .map(|number| number.map_or(OTHER_VALUE, |n| place[n as usize]))
            .collect();
        let values = values
            .into_iter()
            .map(|(value, number)| (value, counts[number as usize]))
            .collect();
        Ok((values, of))
    }
}

/// A number that looks random and is always the same of the same row (the finaliser of SplitMix64,
/// Steele, Lea and Flood, OOPSLA 2014).
fn mixed(key: i64) -> u64 {
    let mut z = (key as u64).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Left, top, right, bottom, as `y` grows downwards.
fn bounds(places: &[(i64, f32, f32)]) -> [f32; 4] {
    let mut out = [f32::MAX, f32::MAX, f32::MIN, f32::MIN];
    for &(_, x, y) in places {
        out[0] = out[0].min(x);
        out[1] = out[1].min(-y);
        out[2] = out[2].max(x);
        out[3] = out[3].max(-y);
    }
    out
}

fn scaled(x: f32, low: f32, high: f32) -> u16 {
    let width = f64::from(high) - f64::from(low);
    if width <= 0.0 {
        return u16::MAX / 2;
    }
    let share = (f64::from(x) - f64::from(low)) / width;
    // Saturates, and is 0 for what is no number.
    (share * f64::from(u16::MAX)).round() as u16
}

fn days(day: NaiveDate) -> i32 {
    day.signed_duration_since(NaiveDate::default()).num_days() as i32
}

/// The publishers that have a number, and the number of each.
fn sources(
    reader: &Reader,
    places: &[(i64, f32, f32)],
    job: &Job,
) -> Result<(Vec<ColumnSource>, HashMap<String, u16>)> {
    let mut counts: HashMap<String, u64> = HashMap::new();
    reader.run(|c| {
        let mut query = c.prepare("SELECT source FROM article WHERE id = ?1 AND source <> ''")?;
        for (at, &(key, ..)) in places.iter().enumerate() {
            if at.is_multiple_of(LOOK) && job.is_cancelled() {
                break;
            }
            let mut found = query.query([key])?;
            let Some(row) = found.next()? else { continue };
            let source = row.get_ref(0)?.as_str()?;
            match counts.get_mut(source) {
                Some(count) => *count += 1,
                None => {
                    counts.insert(source.to_string(), 1);
                }
            }
        }
        Ok(())
    })?;
    job.check()?;
    let mut names: Vec<(String, u64)> = counts.into_iter().collect();
    names.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    names.truncate(SOURCES);
    let numbers = names.iter().enumerate();
    let numbers = numbers.map(|(i, (name, _))| (name.clone(), i as u16));
    let numbers = numbers.collect();
    let named = names.into_iter().enumerate();
    let named = named.map(|(i, (name, count))| ColumnSource {
        name,
        count,
        colour: if i < COLOURED { colour(i) } else { GREY },
    });
    Ok((named.collect(), numbers))
}

/// The middle of the points of each of `n` groups: where a group has islands, that is on the
/// largest.
fn middles(
    points: &[Point],
    n: usize,
    group: impl Fn(&Point) -> Option<usize>,
) -> Vec<Option<[u16; 2]>> {
    let mut axes = vec![[Vec::new(), Vec::new()]; n];
    for point in points {
        if let Some(axes) = group(point).and_then(|g| axes.get_mut(g)) {
            axes[0].push(point.x);
            axes[1].push(point.y);
        }
    }
    axes.into_iter()
        .map(|[mut xs, mut ys]| {
            xs.sort_unstable();
            ys.sort_unstable();
            Some([*xs.get(xs.len() / 2)?, *ys.get(ys.len() / 2)?])
        })
        .collect()
}

/// The branches, each where its points are.
fn tree(
    reader: &Reader,
    topics: &[ColumnTopic],
    points: &[Point],
    members: &HashMap<i64, (i16, Option<i64>)>,
) -> Result<Vec<ColumnNode>> {
    let Some(stored) = reader.stored_topics()? else {
        return Ok(Vec::new());
    };
    let nodes = nodes(&stored);
    drop(stored);
    let of_part: HashMap<i64, usize> = nodes
        .iter()
        .enumerate()
        .filter(|(_, node)| node.topic.is_none() && node.parts.len() == 1)
        .map(|(i, node)| (node.parts[0], i))
        .collect();
    let part = |p: &Point| of_part.get(&members.get(&p.key)?.1?).copied();
    let of_parts = middles(points, nodes.len(), part);
    let of_topic: HashMap<i64, &ColumnTopic> = topics.iter().map(|t| (t.id, t)).collect();
    let mut out: Vec<ColumnNode> = nodes
        .into_iter()
        .zip(of_parts)
        .map(|(node, middle)| {
            let topic = node.topic.and_then(|t| of_topic.get(&t));
            let place = topic.map_or(middle, |t| t.x.zip(t.y).map(|(x, y)| [x, y]));
            ColumnNode {
                id: node.id,
                parent: node.parent,
                label: node.label,
                size: topic.map_or(node.size, |t| t.size),
                x: place.map(|p| p[0]),
                y: place.map(|p| p[1]),
                level: node.level,
                topic: node.topic,
            }
        })
        .collect();
    // Branches above topics stand in the middle of those below, each by its size. Whatever is
    // below a branch comes after it.
    let mut sums = vec![[0.0f64; 3]; out.len()];
    for i in (0..out.len()).rev() {
        let [x, y, weight] = sums[i];
        let node = &mut out[i];
        if node.x.is_none() && node.topic.is_none() && weight > 0.0 {
            node.x = Some((x / weight).round() as u16);
            node.y = Some((y / weight).round() as u16);
        }
        if let (Some(x), Some(y), Some(parent)) = (node.x, node.y, node.parent) {
            let weight = node.size as f64;
            sums[parent][0] += weight * f64::from(x);
            sums[parent][1] += weight * f64::from(y);
            sums[parent][2] += weight;
        }
    }
    Ok(out)
}

/// The columns of points, one behind another, and where each lies.
fn packed(points: &[Point]) -> Result<(Vec<u8>, Vec<Column>)> {
    let mut bytes = Vec::with_capacity(16 * points.len());
    let mut columns = Vec::new();
    let mut add = |name, kind, values: &mut dyn FnMut(&mut Vec<u8>, &Point)| {
        let offset = bytes.len();
        points.iter().for_each(|point| values(&mut bytes, point));
        columns.push(Column {
            name,
            kind,
            offset,
            length: bytes.len() - offset,
        });
    };
    add("x", ColumnType::U16, &mut |out, p| {
        out.extend(p.x.to_le_bytes())
    });
    add("y", ColumnType::U16, &mut |out, p| {
        out.extend(p.y.to_le_bytes())
    });
    add("topic", ColumnType::I16, &mut |out, p| {
        out.extend(p.topic.to_le_bytes())
    });
    add("source", ColumnType::U16, &mut |out, p| {
        out.extend(p.source.to_le_bytes())
    });
    add("day", ColumnType::I32, &mut |out, p| {
        out.extend(p.day.to_le_bytes())
    });
    let mut large = false;
    add("key", ColumnType::U32, &mut |out, p| {
        let key = u32::try_from(p.key);
        large |= key.is_err();
        out.extend(key.unwrap_or(0).to_le_bytes());
    });
    if large {
        return Err(Error::no_result(
            "the corpus has had more than four thousand million articles, and the map knows fewer",
        ));
    }
    Ok((bytes, columns))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoder::Identity;
    use crate::{Article, Corpus};

    #[test]
    fn columns_of_places() {
        let folder = tempfile::tempdir().unwrap();
        let corpus = Corpus::create(folder.path().join("c.nearwise")).unwrap();
        let articles = (0..50).map(|i| {
            let article = Article {
                id: Some(format!("a{i}")),
                text: format!("Text {i}."),
                date: [
                    None,
                    Some("1969-12-31"),
                    Some("2024-03"),
                    Some("2024-03-05T10:00:00"),
                ][i % 4]
                    .map(String::from),
                source: Some(["x", "y", "x", "z", ""][i % 5].to_string()),
                ..Article::default()
            };
            (article, vec![1.0, i as f32])
        });
        let mut writer = corpus.writer().unwrap();
        writer.bind(&Identity::external("two", 2)).unwrap();
        writer.add(articles, &Job::new()).unwrap();
        let key = |i: usize| writer.key_of(&format!("a{i}")).unwrap();
        let mut places: Vec<(i64, f32, f32)> =
            (0..50).map(|i| (key(i), i as f32, -(i as f32))).collect();
        places.push((999, 100.0, 0.0));
        let columns = Columns::of_places(&writer, places.clone(), None, &Job::new()).unwrap();
        assert_eq!((columns.head.points, columns.bytes.len()), (50, 50 * 16));
        assert_eq!(columns.head.bounds, [0.0, 0.0, 100.0, 49.0]);
        let at = |name: &str, i: usize| {
            let column = columns
                .head
                .columns
                .iter()
                .find(|c| c.name == name)
                .unwrap();
            let size = column.length / 50;
            &columns.bytes[column.offset + i * size..][..size]
        };
        for (i, &row) in columns.keys.iter().enumerate() {
            let n = places.iter().find(|p| p.0 == row).unwrap().1;
            let x = f64::from(u16::from_le_bytes(at("x", i).try_into().unwrap()));
            let y = f64::from(u16::from_le_bytes(at("y", i).try_into().unwrap()));
            assert!((x / 655.35 - f64::from(n)).abs() < 0.01);
            assert!((y / 65535.0 * 49.0 - f64::from(n)).abs() < 0.01);
            let n = n as usize;
            let source = u16::from_le_bytes(at("source", i).try_into().unwrap());
            assert_eq!(source, [0, 1, 0, 2, OTHER_SOURCE][n % 5]);
            let day = i32::from_le_bytes(at("day", i).try_into().unwrap());
            assert_eq!(day, [NO_DAY, -1, 19_783, 19_787][n % 4]);
            assert_eq!(i16::from_le_bytes(at("topic", i).try_into().unwrap()), -1);
            assert_eq!(
                u32::from_le_bytes(at("key", i).try_into().unwrap()),
                row as u32
            );
        }
        assert_eq!(columns.head.dates, Some([-1, 19_787]));
        assert_eq!(
            (
                columns.head.sources[0].name.as_str(),
                columns.head.sources[0].count
            ),
            ("x", 20)
        );
        // The order is the same whatever else is there.
        let fewer: Vec<_> = places.iter().copied().filter(|p| p.0 % 2 == 0).collect();
        let fewer = Columns::of_places(&writer, fewer, None, &Job::new()).unwrap();
        let kept: Vec<i64> = columns
            .keys
            .iter()
            .copied()
            .filter(|k| k % 2 == 0)
            .collect();
        assert_eq!(fewer.keys, kept);
        let (values, of) = columns
            .field(&writer, &"source".into(), &Job::new())
            .unwrap();
        assert_eq!(values[0], ("\"x\"".to_string(), 20));
        assert_eq!(of.iter().filter(|&&v| v == OTHER_VALUE).count(), 10);
        let there = [
            Some(columns.keys[7]),
            None,
            Some(999),
            Some(columns.keys[0]),
        ];
        assert_eq!(columns.points_of(&there), [Some(7), None, None, Some(0)]);
        assert!(columns.keys(&[0, 49]).is_ok() && columns.keys(&[50]).is_err());
        assert!(Columns::of_places(&writer, Vec::new(), None, &Job::new()).is_err());
        let cancelled = Job::new();
        cancelled.cancel();
        assert!(
            Columns::of_places(&writer, places, None, &cancelled)
                .unwrap_err()
                .is_cancelled()
        );
    }
}
