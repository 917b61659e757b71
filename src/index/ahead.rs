//! Reading beside storing: files are read on a thread of its own, a batch ahead of whoever stores
//! what they hold.

use super::IndexOptions;
use super::add::{BATCH_ARTICLES, BATCH_BYTES};
use crate::corpus::{Article, Input, Note, ReadOptions, Sink};
use crate::error::{Error, Result};
use crate::job::Job;
use std::sync::mpsc::{SyncSender, sync_channel};

/// Batches that wait to be stored. With the one that is read and the one that is stored they bound
/// the memory.
const WAITING: usize = 1;
/// The stack of the thread that reads, that of a program's first thread: formats nest.
const STACK: usize = 8 << 20;

/// What readers find.
pub(super) enum Told {
    Article(Box<Article>),
    /// What is left out, as the options say.
    Bad(Error),
    Note(Note),
    /// The origin of what was not read to its end.
    Incomplete(String),
}

/// Reads the inputs and hands what they hold to `take`, on this thread and in its order, until it
/// fails.
///
/// # Errors
/// That of `take`; an input cannot be read or used, unless that is left out; the job is cancelled.
pub(super) fn read(
    inputs: &[Input],
    options: &IndexOptions,
    job: &Job,
    mut take: impl FnMut(Told) -> Result<()>,
) -> Result<()> {
    let read = ReadOptions {
        keep_ids: options.read.keep_ids || options.replace,
        ..options.read.clone()
    };
    let (send, batches) = sync_channel(WAITING);
    std::thread::scope(|scope| {
        let reading = move || {
            let mut ahead = Ahead {
                send,
                batch: Vec::new(),
                bytes: 0,
                skip_bad: options.skip_bad,
                job,
            };
            let outcome = crate::corpus::read(inputs, &read, &mut ahead);
            // What was read before a problem.
            ahead.flush().and(outcome)
        };
        let thread = std::thread::Builder::new()
            .name("nearwise-read".to_string())
            .stack_size(STACK)
            .spawn_scoped(scope, reading)
            .map_err(|e| Error::internal(format!("no thread can be started ({e})")))?;
        let taken = batches.iter().flatten().try_for_each(&mut take);
        // The reader ends at its next batch where nobody takes it any more.
        drop(batches);
        let outcome = thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        taken.and(outcome)
    })
}

/// Collects what readers find, a batch at a time.
struct Ahead<'a> {
    send: SyncSender<Vec<Told>>,
    batch: Vec<Told>,
    bytes: usize,
    skip_bad: bool,
    job: &'a Job,
}

impl Ahead<'_> {
    fn push(&mut self, told: Told, bytes: usize) -> Result<()> {
        self.batch.push(told);
        self.bytes += bytes;
        if self.batch.len() >= BATCH_ARTICLES || self.bytes >= BATCH_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Fails where nobody takes it any more, who says why.
    fn flush(&mut self) -> Result<()> {
        self.bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        self.send.send(batch).map_err(|_| Error::cancelled())
    }
}

impl Sink for Ahead<'_> {
    fn article(&mut self, article: Article) -> Result<()> {
        let bytes = article.text.len();
        self.push(Told::Article(Box::new(article)), bytes)
    }

    fn bad(&mut self, problem: Error) -> Result<()> {
        self.job.check()?;
        if !self.skip_bad {
            return Err(problem);
        }
        self.push(Told::Bad(problem), 0)
    }

    fn note(&mut self, note: Note) {
        // Where nobody takes it any more, the next article finds out.
        let _ = self.push(Told::Note(note), 0);
    }

    fn incomplete(&mut self, origin: &str) {
        let _ = self.push(Told::Incomplete(origin.to_string()), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    fn folder(files: usize) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for n in 0..files {
            let file = folder.path().join(format!("{n:04}.txt"));
            std::fs::write(file, format!("Article {n}\n\nThe bank cut rates.")).unwrap();
        }
        folder
    }

    #[test]
    fn everything_comes_in_the_order_of_the_inputs() {
        let folder = folder(700);
        std::fs::write(folder.path().join("0300.json"), "{\"a\": [").unwrap();
        let inputs = [Input::Path(folder.path().to_path_buf())];
        let options = IndexOptions {
            skip_bad: true,
            ..IndexOptions::default()
        };
        let mut told = Vec::new();
        read(&inputs, &options, &Job::new(), |one| {
            match one {
                Told::Article(article) => told.push(article.title),
                Told::Bad(_) => told.push("bad".to_string()),
                Told::Note(_) | Told::Incomplete(_) => {}
            }
            Ok(())
        })
        .unwrap();
        let expected = (0..700).map(|n| format!("Article {n}"));
        let mut expected: Vec<String> = expected.collect();
        expected.insert(300, "bad".to_string());
        assert_eq!(told, expected);
    }

    #[test]
    fn whoever_stores_ends_the_reading() {
        let folder = folder(2000);
        let inputs = [Input::Path(folder.path().to_path_buf())];
        let mut taken = 0;
        let error = read(&inputs, &IndexOptions::default(), &Job::new(), |_| {
            taken += 1;
            match taken {
                300 => Err(Error::internal("the disk is full")),
                _ => Ok(()),
            }
        });
        assert!(error.unwrap_err().to_string().contains("the disk is full"));
        assert_eq!(taken, 300);
    }

    #[test]
    fn what_was_read_before_a_problem_is_taken() {
        let folder = folder(3);
        std::fs::write(folder.path().join("0001b.json"), "{\"a\": [").unwrap();
        let inputs = [Input::Path(folder.path().to_path_buf())];
        let taken = Mutex::new(0);
        let error = read(&inputs, &IndexOptions::default(), &Job::new(), |told| {
            *taken.lock().unwrap() += usize::from(matches!(told, Told::Article(_)));
            Ok(())
        });
        assert!(error.unwrap_err().to_string().contains("0001b.json"));
        assert_eq!(*taken.lock().unwrap(), 2);
    }
}
