//! Adding articles: from any iterator, and from files.

use super::{IndexOptions, Report};
use crate::corpus::{Article, Input, Note, Sink, read};
use crate::error::{Error, Result};
use crate::job::{Job, NoteKind, Stage};
use crate::store::{Added, NewArticle, Writer};
use std::time::{Duration, Instant};

/// How often the job is asked while articles come slowly.
const LOOK: Duration = Duration::from_millis(200);
/// Articles stored in one transaction, and their bytes.
const BATCH_ARTICLES: usize = 256;
const BATCH_BYTES: usize = 4 << 20;

impl Writer {
    /// Adds articles, or replaces those of the same id. What is new or changed waits for
    /// [`Writer::embed`], unless it brings its vector; then [`Writer::bind`] must have said which
    /// model made the corpus's vectors. An article without an id gets one from its content.
    ///
    /// Commits every few hundred articles.
    ///
    /// # Errors
    /// An id comes twice; a vector has another length than the corpus's or holds a value that is
    /// no finite number, or no model is bound; the file cannot be written; the job is cancelled.
    /// Articles before the one at fault may have been added.
    pub fn add<A: Into<NewArticle>>(
        &mut self,
        articles: impl IntoIterator<Item = A>,
        job: &Job,
    ) -> Result<Report> {
        let started = Instant::now();
        let mut batch = Batch::begin(self, job)?;
        for article in articles {
            batch.push(article.into(), &mut |problem| Err(problem))?;
        }
        batch.flush(&mut |problem| Err(problem))?;
        let mut report = batch.report;
        self.update_recurring()?;
        report.reading_seconds = started.elapsed().as_secs_f64();
        Ok(report)
    }

    /// Adds the articles of files; see [`Writer::add`].
    ///
    /// # Errors
    /// An input cannot be read or used, unless [`IndexOptions::skip_bad`] leaves it out; the file
    /// cannot be written; the job is cancelled. What was read before is kept.
    pub fn add_files(
        &mut self,
        inputs: &[Input],
        options: &IndexOptions,
        job: &Job,
    ) -> Result<Report> {
        let started = Instant::now();
        let mut files = Files {
            batch: Batch::begin(self, job)?,
            skip_bad: options.skip_bad,
            job,
            bad: 0,
        };
        let outcome = read(inputs, &options.read, &mut files);
        // What was read before a problem is kept, so that the next run finds it done.
        let flushed = files.flush();
        let Files { batch, bad, .. } = files;
        let mut report = batch.report;
        report.bad = bad;
        outcome?;
        flushed?;
        if options.prune && bad > 0 {
            // What could not be read is not gone.
            let text = "nothing was pruned, because some of the input could not be read";
            job.note(NoteKind::BadInput, text);
        } else if options.prune {
            let origins = inputs
                .iter()
                .map(Input::origin)
                .collect::<Result<Vec<_>>>()?;
            report.pruned = self.prune(&origins)?;
        }
        self.update_recurring()?;
        report.reading_seconds = started.elapsed().as_secs_f64();
        Ok(report)
    }
}

/// What becomes of an article or row that cannot be used: an error stops the run.
type Refuse<'a> = dyn FnMut(Error) -> Result<()> + 'a;

/// Articles on their way to the store.
struct Batch<'a> {
    writer: &'a mut Writer,
    job: &'a Job,
    articles: Vec<NewArticle>,
    bytes: usize,
    report: Report,
    /// When the job was asked last.
    looked: Instant,
}

impl<'a> Batch<'a> {
    fn begin(writer: &'a mut Writer, job: &'a Job) -> Result<Self> {
        job.check()?;
        writer.begin_run()?;
        Ok(Self {
            writer,
            job,
            articles: Vec::new(),
            bytes: 0,
            report: Report::default(),
            looked: Instant::now(),
        })
    }

    fn push(&mut self, article: NewArticle, refuse: &mut Refuse<'_>) -> Result<()> {
        if self.looked.elapsed() >= LOOK {
            self.looked = Instant::now();
            self.job.check()?;
        }
        self.bytes += article.article.text.len();
        self.articles.push(article);
        if self.articles.len() >= BATCH_ARTICLES || self.bytes >= BATCH_BYTES {
            self.flush(refuse)?;
        }
        Ok(())
    }

    fn flush(&mut self, refuse: &mut Refuse<'_>) -> Result<()> {
        if self.articles.is_empty() {
            return self.job.check();
        }
        let articles = std::mem::take(&mut self.articles);
        self.bytes = 0;
        let outcomes = self.writer.add_batch(&articles)?;
        for (NewArticle { article, .. }, added) in articles.iter().zip(outcomes) {
            let count = match added {
                Added::New => &mut self.report.new,
                Added::Changed => &mut self.report.changed,
                Added::Described => &mut self.report.described,
                Added::Same => &mut self.report.same,
                Added::Repeated => {
                    let id = article.id.as_deref().unwrap_or_default();
                    refuse(Error::input(
                        &article.origin,
                        article.row,
                        format!("the id {id:?} came before in this input; ids must differ"),
                    ))?;
                    continue;
                }
            };
            *count += 1;
            self.report.read += 1;
        }
        self.job.progress(Stage::Reading, self.report.read, None);
        self.job.check()
    }
}

/// Takes what the readers of files find.
struct Files<'a> {
    batch: Batch<'a>,
    skip_bad: bool,
    job: &'a Job,
    bad: u64,
}

impl<'a> Files<'a> {
    /// The batch, and what becomes of an article that it cannot take.
    fn parts(&mut self) -> (&mut Batch<'a>, impl FnMut(Error) -> Result<()>) {
        let Self {
            batch,
            skip_bad,
            job,
            bad,
        } = self;
        (batch, |problem| refuse(problem, *skip_bad, job, bad))
    }

    fn flush(&mut self) -> Result<()> {
        let (batch, mut refuse) = self.parts();
        batch.flush(&mut refuse)
    }
}

fn refuse(problem: Error, skip_bad: bool, job: &Job, bad: &mut u64) -> Result<()> {
    if !skip_bad {
        return Err(problem);
    }
    *bad += 1;
    job.note(NoteKind::BadInput, problem.to_string());
    Ok(())
}

impl Sink for Files<'_> {
    fn article(&mut self, article: Article) -> Result<()> {
        let (batch, mut refuse) = self.parts();
        batch.push(article.into(), &mut refuse)
    }

    fn bad(&mut self, problem: Error) -> Result<()> {
        self.job.check()?;
        refuse(problem, self.skip_bad, self.job, &mut self.bad)
    }

    fn note(&mut self, note: Note) {
        self.job.note(note.kind(), note.to_string());
    }
}
