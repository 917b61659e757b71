//! What `search` and `similar` share: the options of an answer, and how hits and counts are shown.

use super::problem::usage;
use super::ui;
use anyhow::Result;
use clap::Args;
use nearwise::search::{
    CountedOver, Facets, FoldBy, Folded, Found, HalfLife, Hit, Mode, SearchBy, SearchOptions,
};
use nearwise::store::Field;
use nearwise::{Filter, Reader};

/// What is asked of an answer.
#[derive(Debug, Args)]
pub(super) struct AnswerArgs {
    /// How many articles
    #[arg(short = 'k', long, value_name = "N", default_value_t = 10, value_parser = super::args::positive)]
    pub limit: usize,
    /// Leave out the first N: the next page
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = offset, hide_default_value = true, allow_negative_numbers = true)]
    pub offset: usize,
    /// Only articles that match, such as 'source = "x" AND date >= 2016-03-01'
    #[arg(long = "where", value_name = "FILTER")]
    pub filter: Option<String>,
    /// Only articles whose cosine is at least this, -1 to 1, also of those that words found; a search
    /// by words alone has none
    #[arg(long, value_name = "COSINE", allow_negative_numbers = true)]
    pub threshold: Option<f32>,
    /// Spare repeats, by maximal marginal relevance: LAMBDA is the weight of being relevant against
    /// being unlike the hits before, 0 to 1 [default where it is left out: 0.8]
    #[arg(long, value_name = "LAMBDA", num_args = 0..=1, require_equals = true, default_missing_value = "0.8")]
    pub diverse: Option<f32>,
    /// Fold articles that are nearly the same into one hit with their count: by words (half of the
    /// wording shared; the default), meaning (a cosine of 0.85), or either
    #[arg(long, value_name = "BY", num_args = 0..=1, require_equals = true, default_missing_value = "words", value_parser = fold)]
    pub fold: Option<FoldBy>,
    /// Newer first: an article this old counts half, such as 30d, 2w, 6m or 1.5y
    #[arg(long, value_name = "TIME", value_parser = half_life)]
    pub half_life: Option<HalfLife>,
    /// The date from which age counts [default: the latest in the corpus, today at most]
    #[arg(long, value_name = "DATE")]
    pub now: Option<String>,
    /// Count values over the whole result: source, topic, year, month, date, origin or any
    /// metadata, several apart by commas
    #[arg(long, value_name = "FIELD,…")]
    pub facets: Option<String>,
    /// How many values of each are listed
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = super::args::positive, requires = "facets")]
    pub facets_limit: usize,
}

impl AnswerArgs {
    /// The options of the library, by meaning and without sentences.
    pub(super) fn options(&self, reader: &Reader) -> Result<SearchOptions> {
        Ok(SearchOptions {
            k: self.limit,
            offset: self.offset,
            filter: self.filter(reader)?,
            threshold: self.threshold,
            diverse: self.diverse,
            fold: self.fold,
            half_life: self.half_life,
            now: self.now.clone(),
            facets: self.facets.as_deref().map_or(Ok(Vec::new()), fields)?,
            facets_limit: self.facets_limit,
            ..SearchOptions::default()
        })
    }

    fn filter(&self, reader: &Reader) -> Result<Option<Filter>> {
        let filter = self.filter.as_deref();
        filter.map(|f| super::args::filter(f, reader)).transpose()
    }
}

/// Says why the approximate index that was asked for is not used.
pub(super) fn tell_exact(options: &SearchOptions) {
    let why = if options.half_life.is_some() {
        "--half-life"
    } else if options.threshold.is_some() && !options.facets.is_empty() {
        "--facets and --threshold"
    } else {
        return;
    };
    if options.mode == Mode::Approximate {
        ui::tell(&format!(
            "with {why} every vector is compared, and --approximate changes nothing"
        ));
    }
}

fn offset(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n @ 0..=1_000_000) => Ok(n),
        _ => Err("give a number from 0 to 1000000".to_string()),
    }
}

fn fold(text: &str) -> Result<FoldBy, String> {
    Ok(match text {
        "words" => FoldBy::Words,
        "meaning" => FoldBy::Meaning,
        "either" => FoldBy::Either,
        _ => return Err("give words, meaning or either".to_string()),
    })
}

/// By what is searched.
pub(super) fn by(text: &str) -> Result<SearchBy, String> {
    Ok(match text {
        "meaning" => SearchBy::Meaning,
        "words" => SearchBy::Words,
        "both" => SearchBy::Both,
        _ => return Err("give meaning, words or both".to_string()),
    })
}

fn half_life(text: &str) -> Result<HalfLife, String> {
    text.parse()
        .map_err(|e: nearwise::Error| e.message().to_string())
}

/// Names apart by commas; one in backquotes is metadata, and may hold a comma.
fn fields(list: &str) -> Result<Vec<Field>> {
    let mut out = Vec::new();
    let mut rest = list.trim();
    while !rest.is_empty() {
        let after = if let Some(quoted) = rest.strip_prefix('`') {
            let Some((name, after)) = quoted.split_once('`') else {
                return Err(usage(
                    "--facets",
                    format!("the backquote in {list:?} is not closed"),
                ));
            };
            out.push(Field::metadata(name));
            after.trim_start()
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            if !rest[..end].trim().is_empty() {
                out.push(Field::new(rest[..end].trim()));
            }
            &rest[end..]
        };
        rest = match after.strip_prefix(',') {
            Some(after) => after.trim_start(),
            None if after.is_empty() => after,
            None => {
                return Err(usage(
                    "--facets",
                    format!("there is no comma behind the backquotes in {list:?}"),
                ));
            }
        };
    }
    if out.is_empty() {
        return Err(usage("--facets", "name a field, such as source"));
    }
    Ok(out)
}

/// Hits with their passages, as text for [`ui::print_marked`].
pub(super) fn hits(found: &Found, options: &SearchOptions, full: bool) -> String {
    let mut out = String::new();
    for hit in &found.hits {
        // By both, the score is that of ranks, which says nothing to people.
        let score = match hit.fused {
            Some(_) => hit.cosine.unwrap_or(hit.score),
            None => hit.score,
        };
        out.push_str(&entry(score, hit, options.half_life.is_some(), full));
    }
    if found.hits.is_empty() {
        out.push_str(if options.offset > 0 {
            "nothing more found\n"
        } else {
            "nothing found\n"
        });
    } else if options.offset > 0 {
        out.push_str(&page_line(found, options));
    }
    out
}

/// A hit under the score that it is ordered by, with its cosine where that is another.
pub(super) fn entry(score: f32, hit: &Hit, cosine_too: bool, full: bool) -> String {
    let mut about = vec![ui::clean(&hit.id)];
    about.extend(hit.date.as_deref().map(ui::clean));
    about.extend(hit.source.as_deref().map(ui::clean));
    if let (true, Some(cosine)) = (cosine_too, hit.cosine) {
        about.push(format!("cosine {cosine:.3}"));
    }
    let title = if hit.title.is_empty() {
        "(no title)"
    } else {
        &hit.title
    };
    let mut out = format!(
        "{score:.3}  {}\n       {}\n",
        ui::snippet(title, 110),
        about.join("  "),
    );
    let passage = passage(hit, if full { usize::MAX } else { SHOWN });
    if !passage.is_empty() {
        out.push_str(&format!("       {passage}\n"));
    }
    if let Some(folded) = &hit.folded {
        out.push_str(&format!("       {}\n", folded_line(folded)));
    }
    out.push('\n');
    out
}

/// Which hits these are, and how to see the next.
pub(super) fn page_line(found: &Found, options: &SearchOptions) -> String {
    let end = options.offset + found.hits.len();
    let next = if found.more {
        format!("; the next with --offset {end}")
    } else {
        String::new()
    };
    format!("{} to {end}{next}\n", options.offset + 1)
}

/// Characters of a passage.
const SHOWN: usize = 280;

/// A passage, or the part of it around the sentence that answers best, which is marked.
fn passage(hit: &Hit, most: usize) -> String {
    let text = &hit.passage.text;
    let at = hit
        .sentence
        .as_ref()
        .and_then(|s| Some((text.find(&s.text)?, s.text.len())));
    let Some((start, length)) = at.filter(|(_, length)| *length > 0) else {
        return ui::snippet(text, most);
    };
    let line = |part: &str| ui::snippet(part, usize::MAX);
    let count = |part: &str| part.chars().count();
    let mut before = line(&text[..start]);
    let sentence = ui::snippet(&text[start..start + length], most);
    let after = line(&text[start + length..]);
    let room = most.saturating_sub(count(&sentence));
    if count(&before) > room {
        // Some words of what stands before it, and more of what follows.
        let from = before.chars().count().saturating_sub(room / 3);
        let cut: String = before.chars().skip(from).collect();
        before = match cut.split_once(' ') {
            Some((_, words)) if !words.is_empty() => format!("… {words}"),
            _ => "…".to_string(),
        };
    }
    let room = room.saturating_sub(count(&before));
    let mut out = before;
    if !out.is_empty() {
        out.push(' ');
    }
    out.extend([ui::MARK]);
    out.push_str(&sentence);
    out.extend([ui::UNMARK]);
    if !after.is_empty() {
        // A word or two say nothing.
        if count(&after) <= room || room >= 20 {
            out.push(' ');
            out.push_str(&ui::snippet(&after, room));
        } else {
            out.push_str(" …");
        }
    }
    out
}

/// Folded articles that are named in a line.
const NAMED: usize = 3;

fn folded_line(folded: &Folded) -> String {
    let named: Vec<String> = folded
        .articles
        .iter()
        .take(NAMED)
        .map(|article| {
            let about = [article.source.as_deref(), article.date.as_deref()];
            let about: Vec<String> = about.into_iter().flatten().map(ui::clean).collect();
            let id = ui::clean(&article.id);
            if about.is_empty() {
                id
            } else {
                format!("{id} ({})", about.join(", "))
            }
        })
        .collect();
    let more = folded.count.saturating_sub(named.len() as u64);
    let more = if more > 0 {
        format!(" and {} more", ui::number(more))
    } else {
        String::new()
    };
    format!(
        "+ {} nearly the same: {}{more}",
        ui::number(folded.count),
        named.join(", ")
    )
}

/// Counts as text.
pub(super) fn facets(facets: &Facets, options: &SearchOptions) -> String {
    let count = ui::count(facets.articles, "article");
    let over = match facets.over {
        CountedOver::Corpus => format!("all {count}"),
        CountedOver::Filter => format!("the {count} of the filter"),
        CountedOver::Threshold => format!(
            "the {count} with a cosine of at least {}",
            options.threshold.unwrap_or_default()
        ),
        CountedOver::Words => format!("the {count} with one of the words"),
    };
    let mut out = format!("Counts over {over}\n");
    for facet in &facets.fields {
        out.push_str(&format!("  {}\n", ui::clean(&facet.field)));
        for value in &facet.values {
            let text = match &value.value {
                serde_json::Value::String(text) => ui::snippet(text, 80),
                other => ui::snippet(&other.to_string(), 80),
            };
            let label = value.label.as_deref().map_or(String::new(), |label| {
                format!("  {}", ui::snippet(label, 80))
            });
            out.push_str(&format!(
                "  {:>9}  {text}{label}\n",
                ui::number(value.count)
            ));
        }
        if facet.more > 0 {
            out.push_str(&format!(
                "             and {}\n",
                ui::count(facet.more, "other value")
            ));
        }
        if facet.missing > 0 {
            out.push_str(&format!(
                "  {:>9}  without one\n",
                ui::number(facet.missing)
            ));
        }
    }
    out
}
