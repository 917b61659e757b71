//! What the tools answer: the library's answers, short enough to be read by a model.

use super::super::corpora::{ExampleAsked, TextExample, examples, over_time, shown};
use super::Known;
use super::tools::{Article, Search, Similar, Timeline, Topics};
use crate::corpus::{clean, snippet};
use crate::error::{Error, ErrorKind, Missing, Result};
use crate::job::Job;
use crate::search::{Examples, FoldBy, Found, SearchBy, SearchOptions};
use crate::store::Filter;
use crate::topics::{TopicCard, Topics as Stored};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// What is given where nothing is said, and at most.
const HITS: usize = 8;
const MOST_HITS: usize = 50;
const CHARACTERS: usize = 20_000;
const MOST_CHARACTERS: usize = 100_000;
/// Characters of a passage, and topics that are listed with their courses.
const PASSAGE: usize = 600;
const COURSES: usize = 20;
/// Topics that are listed where nothing is said, and at most.
const TOPICS: usize = 30;
const MOST_TOPICS: usize = 200;
const TYPICAL: usize = 3;

/// An answer, for programs and in words.
pub(super) struct Answer {
    pub(super) value: Value,
    pub(super) text: String,
}

/// Answers a call.
///
/// # Errors
/// An argument cannot be used; what the library says.
pub(super) fn call(corpora: &[Known], name: &str, arguments: Value, job: &Job) -> Result<Answer> {
    match name {
        "search" => search(corpora, read(arguments)?, job),
        "similar" => similar(corpora, read(arguments)?, job),
        "article" => article(corpora, &read(arguments)?, job),
        "topics" => topics(corpora, &read(arguments)?, job),
        _ => timeline(corpora, read(arguments)?, job),
    }
}

/// A call's arguments; what is wrong is told with the argument's name.
fn read<T: DeserializeOwned>(mut arguments: Value) -> Result<T> {
    whole(&mut arguments);
    let wrong = match T::deserialize(&arguments) {
        Ok(read) => return Ok(read),
        Err(e) => e.to_string(),
    };
    // It is one without which all others can be read; of several wrong ones none is told.
    let names = arguments.as_object().map(|all| all.keys().cloned());
    let named = names.into_iter().flatten().find(|name| {
        let mut others = arguments.clone();
        let all = others.as_object_mut();
        all.and_then(|all| all.remove(name)).is_some() && T::deserialize(others).is_ok()
    });
    Err(match named {
        Some(name) if !wrong.contains(&format!("`{name}`")) => {
            Error::new(ErrorKind::InvalidInput, "", format!("{name}: {wrong}"))
        }
        _ => Error::new(ErrorKind::InvalidInput, "arguments", wrong),
    })
}

/// Makes whole numbers of those that a program wrote with a point, as JSON Schema's "integer" has
/// them.
fn whole(value: &mut Value) {
    /// Up to which a number of that kind is exact.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Number(number) if !number.is_i64() && !number.is_u64() => {
            if let Some(x) = number.as_f64()
                && x.fract() == 0.0
                && x.abs() <= EXACT
            {
                *value = json!(x as i64);
            }
        }
        Value::Array(list) => list.iter_mut().for_each(whole),
        Value::Object(object) => object.values_mut().for_each(whole),
        _ => {}
    }
}

fn known<'a>(corpora: &'a [Known], name: Option<&str>) -> Result<&'a Known> {
    let names = || {
        let names: Vec<&str> = corpora.iter().map(|known| known.name.as_str()).collect();
        names.join(", ")
    };
    match (name, corpora) {
        (None, [one]) => Ok(one),
        (None, _) => Err(Error::parameter(
            "corpus",
            format!("name one of {}", names()),
        )),
        (Some(name), _) => corpora
            .iter()
            .find(|known| known.name == name)
            .ok_or_else(|| {
                let message = format!("there is no corpus {name:?}; there are {}", names());
                Error::new(ErrorKind::NotFound(Missing::Corpus), "", message)
            }),
    }
}

fn filter(text: Option<&str>) -> Result<Option<Filter>> {
    let text = text.filter(|text| !text.trim().is_empty());
    text.map(str::parse).transpose()
}

fn hits(k: Option<usize>) -> Result<usize> {
    within(k, HITS, MOST_HITS)
}

/// How many are asked for.
fn within(k: Option<usize>, usual: usize, most: usize) -> Result<usize> {
    let k = k.unwrap_or(usual);
    if (1..=most).contains(&k) {
        return Ok(k);
    }
    Err(Error::parameter("k", format!("give 1 to {most}")))
}

fn search(corpora: &[Known], asked: Search, job: &Job) -> Result<Answer> {
    let known = known(corpora, asked.corpus.as_deref())?;
    let query = asked.query.trim();
    let by = asked.by.unwrap_or_default();
    let mut options = SearchOptions {
        k: hits(asked.k)?,
        offset: asked.offset,
        filter: filter(asked.filter.as_deref())?,
        by,
        half_life: asked.half_life.as_deref().map(str::parse).transpose()?,
        fold: asked.fold.unwrap_or(true).then_some(FoldBy::Words),
        ..SearchOptions::default()
    };
    options.check()?;
    let reader = known.reader(job)?;
    let found = if query.is_empty() {
        options.fold = None;
        reader.newest(&options)?
    } else if by == SearchBy::Words {
        reader.search_words(query, &options)?
    } else {
        reader.search(&*(known.encoder)()?, query, &options)?
    };
    Ok(listed(&found))
}

fn similar(corpora: &[Known], asked: Similar, job: &Job) -> Result<Answer> {
    let known = known(corpora, asked.corpus.as_deref())?;
    let like = match (asked.id, asked.text) {
        (Some(id), None) => ExampleAsked::Id(id),
        (None, Some(text)) => ExampleAsked::Text(TextExample {
            text,
            title: String::new(),
        }),
        _ => return Err(Error::parameter("id", "give either an id or a text")),
    };
    let options = SearchOptions {
        k: hits(asked.k)?,
        filter: filter(asked.filter.as_deref())?,
        ..SearchOptions::default()
    };
    let reader = known.reader(job)?;
    let mut encoder = || (known.encoder)();
    let unlike = asked.unlike.into_iter().map(ExampleAsked::Id).collect();
    let examples = Examples {
        like: examples(&reader, &mut encoder, vec![like])?,
        unlike: examples(&reader, &mut encoder, unlike)?,
    };
    Ok(listed(&reader.similar_articles(&examples, &options)?))
}

/// Hits with the passages that answer.
fn listed(found: &Found) -> Answer {
    let mut text = String::new();
    let mut list = Vec::new();
    for (i, hit) in found.hits.iter().enumerate() {
        let passage = snippet(&hit.passage.text, PASSAGE);
        let copies = hit.folded.as_ref().map_or(0, |folded| folded.count);
        let about: Vec<&str> = [&hit.date, &hit.source]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        let _ = writeln!(
            text,
            "{}. {} [id {}] ({})\n   {passage}",
            i + 1,
            clean(&hit.title),
            clean(&hit.id),
            clean(&about.join(", ")),
        );
        if copies > 0 {
            let _ = writeln!(text, "   and {copies} nearly the same");
        }
        list.push(json!({
            "id": hit.id, "title": hit.title, "date": hit.date, "source": hit.source, "url": hit.url,
            "score": hit.score, "passage": passage, "nearly_the_same": copies,
        }));
    }
    if found.hits.is_empty() {
        text.push_str("Nothing was found.");
    } else if found.more {
        text.push_str("There are more; ask with a higher offset or k.");
    }
    Answer {
        value: json!({"hits": list, "more": found.more}),
        text,
    }
}

fn article(corpora: &[Known], asked: &Article, job: &Job) -> Result<Answer> {
    let known = known(corpora, asked.corpus.as_deref())?;
    let most = asked
        .characters
        .unwrap_or(CHARACTERS)
        .clamp(1, MOST_CHARACTERS);
    let reader = known.reader(job)?;
    let mut shown = shown(&reader, &asked.id, false)?;
    let whole = shown.text.chars().count();
    let part: String = shown.text.chars().skip(asked.from).take(most).collect();
    let end = asked.from.saturating_add(part.chars().count()).min(whole);
    shown.text = part;
    let about: Vec<&str> = [&shown.date, &shown.source, &shown.url]
        .into_iter()
        .flatten()
        .map(String::as_str)
        .collect();
    let mut text = format!(
        "{}\n{}\n\n{}",
        clean(&shown.title),
        clean(&about.join(", ")),
        shown.text
    );
    if end < whole {
        let _ = write!(
            text,
            "\n\n(characters {} to {end} of {whole}; read on with from: {end})",
            asked.from
        );
    }
    let value = json!({
        "id": shown.id, "title": shown.title, "text": shown.text, "date": shown.date,
        "source": shown.source, "url": shown.url, "from": asked.from.min(whole), "to": end, "characters": whole,
    });
    Ok(Answer { value, text })
}

fn topics(corpora: &[Known], asked: &Topics, job: &Job) -> Result<Answer> {
    let known = known(corpora, asked.corpus.as_deref())?;
    let reader = known.reader(job)?;
    // Of a list, no typical articles are told, which would be read one by one.
    let cards = reader.topic_cards(asked.topic.map_or(0, |_| TYPICAL))?;
    let line = |text: &mut String, card: &TopicCard| {
        let rising = match card.rising {
            Some(z) if z > 2.58 => ", coming up",
            Some(z) if z < -2.58 => ", fading",
            _ => "",
        };
        let terms: Vec<String> = card.terms.iter().take(6).map(|term| clean(term)).collect();
        let _ = writeln!(
            text,
            "{}. {} ({} articles{rising}): {}",
            card.id,
            clean(&card.label),
            card.size,
            terms.join(", ")
        );
    };
    let mut text = String::new();
    let Some(id) = asked.topic else {
        let k = within(asked.k, TOPICS, MOST_TOPICS)?;
        let shown = cards.iter().skip(asked.offset).take(k);
        let brief = |card: &TopicCard| {
            line(&mut text, card);
            json!({
                "id": card.id, "label": card.label, "size": card.size, "share": card.share,
                "terms": card.terms, "dates": card.dates, "rising": card.rising,
            })
        };
        let topics: Vec<Value> = shown.map(brief).collect();
        let end = asked.offset.saturating_add(topics.len());
        if end < cards.len() {
            let more = cards.len() - end;
            let _ = writeln!(text, "({more} smaller ones; read on with offset: {end})");
        }
        return Ok(Answer {
            value: json!({"topics": topics, "all": cards.len()}),
            text,
        });
    };
    let card = cards.iter().find(|card| card.id == id);
    let card = card.ok_or_else(|| Error::unknown_topic(id))?;
    line(&mut text, card);
    for article in &card.typical {
        let _ = writeln!(
            text,
            "   typical: {} [id {}]",
            clean(&article.title),
            clean(&article.id)
        );
    }
    let stored = Stored::stored(&reader)?;
    let mut parts = Vec::new();
    for part in stored.parts_of(id) {
        let _ = writeln!(
            text,
            "   part: {} ({} articles)",
            clean(&part.label),
            part.size
        );
        parts.push(json!({"label": part.label, "size": part.size}));
    }
    Ok(Answer {
        value: json!({"topic": card, "parts": parts}),
        text,
    })
}

fn timeline(corpora: &[Known], asked: Timeline, job: &Job) -> Result<Answer> {
    let known = known(corpora, asked.corpus.as_deref())?;
    let reader = known.reader(job)?;
    let source = asked.source.as_deref().filter(|source| !source.is_empty());
    let mut found = over_time(&reader, asked.by, source)?;
    match &asked.topics {
        Some(wanted) => found.topics.retain(|course| wanted.contains(&course.id)),
        None => found.topics.truncate(COURSES),
    }
    let mut text = format!(
        "Articles by {}: {}\n",
        found.by,
        pairs(&found.bins, &found.totals)
    );
    for course in &found.topics {
        let _ = writeln!(
            text,
            "{}. {} ({:+.1} standard errors of late): {}",
            course.id,
            clean(&course.label),
            course.rising,
            pairs(&found.bins, &course.counts)
        );
    }
    let value = serde_json::to_value(&found).map_err(|e| Error::internal(e.to_string()))?;
    Ok(Answer { value, text })
}

/// Spans with their counts, those without articles left out.
fn pairs(bins: &[String], counts: &[u64]) -> String {
    let some = bins.iter().zip(counts).filter(|(_, count)| **count > 0);
    let texts: Vec<String> = some.map(|(bin, count)| format!("{bin} {count}")).collect();
    texts.join(", ")
}
