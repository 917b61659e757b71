//! Topics as time goes on: their course, articles that join, drift.

use super::super::args::CorpusArg;
use super::super::{Outcome, ui};
use anyhow::Result;
use clap::Args;
use nearwise::topics::DRIFT_LIMIT;
use nearwise::topics::timeline::{Span, Timeline, Trend};
use serde_json::json;
use std::fmt::Write as _;

/// Show topics over time, and which come up or fade
///
/// A topic is emerging or fading when its share of the articles differs between the last quarter
/// of the spans and those before by more than chance (two proportions, 99 %).
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  nearwise topics over-time\n  nearwise topics over-time --by month --field source\n  \
    nearwise topics over-time --json"
)]
pub(super) struct OverTime {
    /// The span: day, week, month, quarter or year; by default one that gives at most 60
    #[arg(long, value_name = "SPAN")]
    by: Option<Span>,
    /// Follow topics for each value of a field: source or any metadata
    #[arg(long, value_name = "FIELD")]
    field: Option<String>,
    #[command(flatten)]
    corpus: CorpusArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl OverTime {
    pub(super) fn run(self) -> Result<Outcome> {
        let store = self.corpus.reader()?;
        let found = store.topics_over_time(self.by, self.field.as_deref())?;
        if self.json {
            ui::print_json(&found)?;
        } else {
            ui::print(&ui::clean_lines(&text(&found)))?;
        }
        Ok(Outcome::Done)
    }
}

/// Bars for shares, the highest of the row full.
fn bars(shares: &[f64]) -> String {
    const WIDTH: usize = 60;
    const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    // More spans than columns: those that share a column are averaged.
    let per = shares.len().div_ceil(WIDTH).max(1);
    let columns: Vec<f64> = shares
        .chunks(per)
        .map(|c| c.iter().sum::<f64>() / c.len() as f64)
        .collect();
    let most = columns.iter().copied().fold(0.0, f64::max);
    columns
        .iter()
        .map(|x| {
            if most > 0.0 {
                BARS[(x / most * 8.0).ceil() as usize]
            } else {
                ' '
            }
        })
        .collect()
}

fn text(t: &Timeline) -> String {
    let (first, last) = (t.spans.first(), t.spans.last());
    let mut out = format!(
        "{} by {}, {} to {}; bars are shares of the articles of a {}\n\n",
        ui::count(t.articles.iter().sum(), "article"),
        t.span,
        first.map_or("", String::as_str),
        last.map_or("", String::as_str),
        t.span
    );
    let rows = t
        .courses
        .iter()
        .map(|c| {
            let peak = (0..c.shares.len())
                .max_by(|&a, &b| c.shares[a].total_cmp(&c.shares[b]).then(b.cmp(&a)));
            let mut name = ui::snippet(&c.label, 40);
            if let Some(value) = &c.value {
                let _ = write!(name, " · {}", ui::snippet(value, 20));
            }
            vec![
                c.topic.to_string(),
                name,
                format!("|{}|", bars(&c.shares)),
                ui::number(c.counts.iter().sum()),
                peak.map_or(String::new(), |p| {
                    format!("{} ({:.0} %)", t.spans[p], 100.0 * c.shares[p])
                }),
                match c.trend {
                    Trend::Emerging => "emerging",
                    Trend::Fading => "fading",
                    Trend::Steady => "",
                }
                .to_string(),
            ]
        })
        .collect();
    out.push_str(&ui::table(
        &["", "topic", "", "articles", "highest", ""],
        &[0, 3],
        rows,
    ));
    if t.undated > 0 {
        let _ = writeln!(
            out,
            "\n{} left out, without a date or with one that does not say the {}",
            ui::count(t.undated, "article"),
            t.span
        );
    }
    out
}

/// Put articles into topics without finding topics anew
///
/// New articles join the topic of the nearest centroid, or none where they are farther from it
/// than nearly all of its own. With --threshold, articles that are in no topic join the nearest
/// as well where their cosine to it is at least that.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  nearwise topics assign\n  nearwise topics assign --threshold 0.3"
)]
pub(super) struct Assign {
    /// The cosine from which an article in no topic joins the nearest
    #[arg(long, value_name = "COSINE", allow_negative_numbers = true)]
    threshold: Option<f32>,
    #[command(flatten)]
    corpus: CorpusArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Assign {
    pub(super) fn run(self) -> Result<Outcome> {
        let mut store = self.corpus.writer()?;
        let running = ui::Running::new();
        let new = store.join_topics(running.job())?;
        let outliers = self
            .threshold
            .map(|t| store.assign_outliers(t, running.job()))
            .transpose()?;
        drop(running);
        if self.json {
            ui::print_json(&json!({
                "joined": new.joined, "in_none": new.in_none,
                "assigned": outliers.map(|o| o.joined), "left_in_none": outliers.map(|o| o.in_none),
            }))?;
            return Ok(Outcome::Done);
        }
        let mut out = format!(
            "{} joined a topic, {} none\n",
            ui::count(new.joined, "new article"),
            ui::number(new.in_none)
        );
        if let Some(outliers) = outliers {
            let _ = writeln!(
                out,
                "{} in no topic joined one, {} did not",
                ui::count(outliers.joined, "article"),
                ui::number(outliers.in_none)
            );
        }
        ui::print(&out)?;
        Ok(Outcome::Done)
    }
}

/// Show how far the corpus has moved from its topics, and whether to find them anew
#[derive(Debug, Args)]
pub(super) struct Drift {
    #[command(flatten)]
    corpus: CorpusArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Drift {
    pub(super) fn run(self) -> Result<Outcome> {
        let store = self.corpus.reader()?;
        let drift = store.topic_drift()?;
        if self.json {
            ui::print_json(&drift)?;
            return Ok(Outcome::Done);
        }
        let mut out = String::new();
        let mut line = |name: &str, value: String| {
            let _ = writeln!(out, "{name:<14} {value}");
        };
        line("fitted on", ui::count(drift.fitted, "article"));
        line("joined since", ui::count(drift.joined, "article"));
        if drift.waiting > 0 {
            line(
                "waiting",
                format!(
                    "{}; run `nearwise topics assign`",
                    ui::count(drift.waiting, "article")
                ),
            );
        }
        line(
            "mean cosine",
            format!(
                "{:.3} fitted, {:.3} joined",
                drift.cohesion_fitted, drift.cohesion_joined
            ),
        );
        line(
            "in no topic",
            format!(
                "{:.1} % of the fitted, {:.1} % of the joined",
                100.0 * drift.no_topic_fitted,
                100.0 * drift.no_topic_joined
            ),
        );
        line(
            "shift",
            format!(
                "{:.3} (Jensen-Shannon divergence of the topics' shares)",
                drift.shift
            ),
        );
        line(
            "drift",
            format!("{:.3} of {} at most", drift.drift, DRIFT_LIMIT),
        );
        out.push_str(if drift.refit {
            "\nThe topics no longer fit: run `nearwise topics fit`.\n"
        } else {
            "\nThe topics still fit.\n"
        });
        ui::print(&out)?;
        Ok(Outcome::Done)
    }
}
