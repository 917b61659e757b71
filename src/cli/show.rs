//! `nearwise show`

use super::args::CorpusArg;
use super::{Outcome, ui};
use anyhow::Result;
use clap::Args;
use serde_json::json;

/// Show an article: its text with boilerplate marked, its passages, its topic
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  nearwise show wire-017\n  nearwise show wire-017 --json\n\n\
    Lines that begin with | are boilerplate: kept in the text, kept out of the vectors."
)]
pub(super) struct Show {
    /// The article's id
    id: String,
    #[command(flatten)]
    corpus: CorpusArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Show {
    pub(super) fn run(self) -> Result<Outcome> {
        let store = self.corpus.reader()?;
        let article = store.article(&self.id)?;
        let passages = store.passages(article.key)?;
        let topic = store.topic_of(article.key)?;
        let also = store.also_told(article.key)?;
        if self.json {
            let topic = topic.map(|(id, label, similarity)| {
                json!({"topic": id, "label": label, "similarity": similarity})
            });
            let also: Vec<_> = also
                .into_iter()
                .map(|(origin, row)| json!({"origin": origin, "row": row}))
                .collect();
            ui::print_json(&json!({
                "article": article, "passages": passages, "topic": topic, "also_told": also,
            }))?;
            return Ok(Outcome::Done);
        }
        let mut out = format!(
            "{}\n\n",
            ui::clean(if article.title.is_empty() {
                "(no title)"
            } else {
                &article.title
            })
        );
        let mut line =
            |name: &str, value: &str| out.push_str(&format!("{name:<10} {}\n", ui::clean(value)));
        line("id", &article.id);
        for (name, value) in [
            ("date", &article.date),
            ("source", &article.source),
            ("url", &article.url),
        ] {
            if let Some(value) = value {
                line(name, value);
            }
        }
        for (name, value) in &article.meta {
            match value.as_str() {
                Some(text) => line(name, text),
                None => line(name, &value.to_string()),
            }
        }
        let place = |origin: &str, row: Option<u64>| match row {
            Some(row) => format!("{origin}, row {row}"),
            None => origin.to_string(),
        };
        line("read from", &place(&article.origin, article.row));
        for (origin, row) in &also {
            line("and from", &place(origin, *row));
        }
        if let Some((id, label, similarity)) = topic {
            line("topic", &format!("{id} {label} ({similarity:.2})"));
        }
        let tokens: u64 = passages.iter().map(|p| u64::from(p.tokens)).sum();
        line(
            "passages",
            &format!("{}, {}", passages.len(), ui::count(tokens, "token")),
        );
        out.push('\n');
        let mut at = 0;
        for span in &article.boilerplate {
            out.push_str(&ui::clean_lines(
                article.text.get(at..span.start).unwrap_or(""),
            ));
            for line in article.text.get(span.clone()).unwrap_or("").split('\n') {
                out.push_str(format!("| {}", ui::clean(line)).trim_end());
                out.push('\n');
            }
            at = span.end;
        }
        out.push_str(&ui::clean_lines(article.text.get(at..).unwrap_or("")));
        out.push('\n');
        ui::print(&out)?;
        Ok(Outcome::Done)
    }
}
