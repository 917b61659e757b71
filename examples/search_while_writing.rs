//! One thread adds articles while others search: readers keep to their snapshot, and queries are
//! embedded before the bulk work that goes on beside them.
//!
//! `cargo run --release --example search_while_writing -- [MODEL]`

use nearwise::search::SearchOptions;
use nearwise::{Article, Corpus, Encoder, Job, Result};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

fn main() -> Result<()> {
    let mut encoder = Encoder::builder();
    if let Some(model) = std::env::args().nth(1) {
        encoder = encoder.model(model);
    }
    let encoder = encoder.open()?;
    let folder = tempfile::tempdir().map_err(|e| nearwise::Error::io("a temporary folder", e))?;
    let corpus = Corpus::create(folder.path().join("news.nearwise"))?;
    let done = AtomicBool::new(false);

    std::thread::scope(|scope| -> Result<()> {
        let searches: Vec<_> = (0..4)
            .map(|_| {
                // Both are cheap to clone: handles of what is shared.
                let (corpus, encoder, done) = (corpus.clone(), encoder.clone(), &done);
                scope.spawn(move || -> Result<(usize, f64)> {
                    let (mut count, mut slowest) = (0, 0.0f64);
                    while !done.load(Ordering::Relaxed) {
                        let started = Instant::now();
                        // A new reader sees what was committed until now.
                        let reader = corpus.reader()?;
                        if reader.identity()?.is_some() {
                            reader.search(&encoder, "a storm at sea", &SearchOptions::default())?;
                            count += 1;
                            slowest = slowest.max(started.elapsed().as_secs_f64());
                        }
                    }
                    Ok((count, slowest))
                })
            })
            .collect();

        let job = Job::new();
        let written = (|| {
            let mut writer = corpus.writer()?;
            for batch in 0..5 {
                writer.add((0..100).map(|i| article(batch * 100 + i)), &job)?;
                writer.embed(&encoder, &job)?;
            }
            Ok(())
        })();
        done.store(true, Ordering::Relaxed);
        for search in searches {
            if let Ok(outcome) = search.join() {
                let (count, slowest) = outcome?;
                println!(
                    "{count} searches meanwhile, the slowest in {:.0} ms",
                    slowest * 1e3
                );
            }
        }
        written
    })?;
    println!("{} articles", corpus.reader()?.counts()?.articles);
    Ok(())
}

fn article(i: usize) -> Article {
    Article {
        id: Some(i.to_string()),
        text: format!("Storm {i} came from the sea, and ship {i} lay in the ice of the river."),
        ..Article::default()
    }
}
