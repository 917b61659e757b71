//! `nearwise duplicates`

use super::args::CorpusArg;
use super::{Outcome, ui};
use anyhow::Result;
use clap::{Args, ValueEnum};
use nearwise::search::{By, DuplicateOptions, Duplicates as Found, Group};

/// List groups of articles that are the same or nearly so
///
/// By words, a pair's score is the share of three-word sequences that both hold (Jaccard
/// index), 1.00 for copies. By containment it is the share of the shorter one's that the other
/// holds, which finds a brief within a longer story. By meaning it is the cosine of their vectors,
/// which also finds a story told in other words (a paraphrase).
///
/// Pairs join articles to groups. Of each group the article with the longest text is the one to
/// keep (of copies the earliest); the others follow with their similarity to it, those marked =
/// being copies of it or of another of the group.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  nearwise duplicates\n  nearwise duplicates --by containment\n  nearwise duplicates --by meaning --threshold 0.8 --json\n\n\
    JSON: {groups_found, articles, surplus, pairs_found, groups, pairs}, where surplus counts the articles\n\
    that could go. A group is {size, keep: {id, title, date, source}, members}; a member has the same fields,\n\
    words, contained and cosine to the kept one, and copy_of (an id) if it is a copy. A pair is\n\
    {a, b, titles, words, contained, cosine}. The ids that could go:\n  \
    nearwise duplicates -k 1000000 --json | jq -r '.groups[].members[].id'"
)]
pub(super) struct Duplicates {
    /// What counts
    #[arg(long, value_enum, default_value_t = Measure::Words)]
    by: Measure,
    /// The least score of a pair, 0.05 to 1; by default 0.5 by words, 0.7 by containment, 0.85 by
    /// meaning
    #[arg(long, value_name = "SCORE")]
    threshold: Option<f32>,
    /// Show at most this many groups (and pairs, as JSON)
    #[arg(short = 'k', long, value_name = "N", default_value_t = 100, value_parser = super::args::positive)]
    limit: usize,
    #[command(flatten)]
    corpus: CorpusArg,
    /// Print JSON, with all members of each group
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Measure {
    /// Shared wording
    Words,
    /// A text within a longer one
    Containment,
    /// Shared meaning
    Meaning,
}

/// Members of a group that are shown to people.
const MEMBERS: usize = 10;

impl Duplicates {
    pub(super) fn run(self) -> Result<Outcome> {
        let by = match self.by {
            Measure::Words => By::Words,
            Measure::Containment => By::Containment,
            Measure::Meaning => By::Meaning,
        };
        let mut options = DuplicateOptions {
            limit: self.limit,
            members: if self.json { usize::MAX } else { MEMBERS },
            ..DuplicateOptions::new(by)
        };
        if let Some(threshold) = self.threshold {
            options.threshold = threshold;
        }
        let running = ui::Running::new();
        let found = self.corpus.reader()?.duplicates(options, running.job())?;
        drop(running);
        if self.json {
            ui::print_json(&found)?;
        } else {
            ui::print(&to_text(&found))?;
        }
        Ok(if found.groups.is_empty() {
            Outcome::NothingFound
        } else {
            Outcome::Done
        })
    }
}

fn to_text(found: &Found) -> String {
    if found.groups.is_empty() {
        return "no pair is that much alike\n".to_string();
    }
    let mut rows = Vec::new();
    for group in &found.groups {
        rows.extend(lines(group));
    }
    let mut out = ui::table(
        &["words", "within", "cosine", "", "id", "date", "title"],
        &[0, 1, 2],
        rows,
    );
    let shown = found.groups.len() as u64;
    out.push_str(&format!(
        "{} in {}; {} could go\n",
        ui::count(found.articles, "article"),
        ui::count(found.groups_found, "group"),
        ui::number(found.surplus),
    ));
    if found.groups_found > shown {
        out.push_str(&format!(
            "{} more; show them with -k\n",
            ui::count(found.groups_found - shown, "group")
        ));
    }
    out
}

/// The kept article of a group and the others, as rows of the table.
fn lines(group: &Group) -> Vec<Vec<String>> {
    let text = |t: &Option<String>| t.clone().unwrap_or_default();
    let keep = &group.keep;
    let mut rows = vec![vec![
        "keep".to_string(),
        String::new(),
        String::new(),
        String::new(),
        keep.id.clone(),
        text(&keep.date),
        ui::snippet(&keep.title, 80),
    ]];
    for member in &group.members {
        rows.push(vec![
            format!("{:.2}", member.alike.words),
            format!("{:.2}", member.alike.contained),
            member
                .alike
                .cosine
                .map_or(String::new(), |c| format!("{c:.2}")),
            member.copy_of.as_ref().map_or("", |_| "=").to_string(),
            member.id.clone(),
            text(&member.date),
            ui::snippet(&member.title, 80),
        ]);
    }
    let more = group.size - 1 - group.members.len() as u64;
    if more > 0 {
        let mut row = vec![String::new(); 7];
        row[4] = format!("and {} more", ui::number(more));
        rows.push(row);
    }
    rows
}
