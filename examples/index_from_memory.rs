//! Articles that are in memory, such as rows of a database, become a corpus that is searched.
//!
//! `cargo run --release --example index_from_memory -- [MODEL]`

use nearwise::search::SearchOptions;
use nearwise::{Article, Corpus, Encoder, Event, Filter, Job};

fn main() -> nearwise::Result<()> {
    let mut encoder = Encoder::builder();
    if let Some(model) = std::env::args().nth(1) {
        encoder = encoder.model(model);
    }
    let encoder = encoder.open()?;
    let folder = tempfile::tempdir().map_err(|e| nearwise::Error::io("a temporary folder", e))?;
    let corpus = Corpus::create(folder.path().join("news.nearwise"))?;

    // Any iterator will do; nothing is held longer than a few hundred articles.
    let rows = (0..200).map(|i| Article {
        id: Some(format!("row-{i}")),
        title: format!("Report {i}"),
        text: match i % 3 {
            0 => format!("The bank set the rate for the year {i}, the market said."),
            1 => format!("The team won match {i} by a goal in the last minute."),
            _ => format!("The ship crossed the ice of river {i} with the doctors on board."),
        },
        source: Some(if i % 2 == 0 { "wire" } else { "desk" }.to_string()),
        ..Article::default()
    });
    let job = Job::new().on_event(|event| {
        if let Event::Progress(p) = event {
            println!("{}: {}", p.stage, p.done);
        }
    });
    let mut writer = corpus.writer()?;
    writer.add(rows, &job)?;
    writer.embed(&encoder, &job)?;
    // The lock is free when the writer is dropped.
    drop(writer);

    let options = SearchOptions {
        k: 3,
        filter: Some(Filter::eq("source", "wire")),
        ..SearchOptions::default()
    };
    let found = corpus
        .reader()?
        .search(&encoder, "a goal in the match", &options)?;
    for hit in found.hits {
        println!("{:.3}  {}  {}", hit.score, hit.id, hit.passage.text);
    }
    Ok(())
}
