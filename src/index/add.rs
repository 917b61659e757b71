//! Adding articles: from any iterator, and from files.

use super::ahead::{self, Told};
use super::{IndexOptions, Report};
use crate::corpus::{Article, Input};
use crate::error::{Error, ErrorKind, Result};
use crate::job::{Job, NoteKind, Stage};
use crate::store::{Added, NewArticle, Writer};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How often the job is asked while articles come slowly.
const LOOK: Duration = Duration::from_millis(200);
/// Articles stored in one transaction, and their bytes.
pub(super) const BATCH_ARTICLES: usize = 256;
pub(super) const BATCH_BYTES: usize = 4 << 20;

impl Writer {
    /// Adds articles, or replaces those of the same id. What is new or changed waits for
    /// [`Writer::embed`], unless it brings its vector; then [`Writer::bind`] must have said which
    /// model made the corpus's vectors. An article without an id gets one from its content.
    ///
    /// An article that says where it comes from ([`Article::origin`](crate::corpus::Article)) never
    /// replaces one from elsewhere: where such a one has its id, it gets a longer id.
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
        let mut batch = Batch::begin(self, &IndexOptions::default(), job)?;
        for article in articles {
            batch.push(article.into(), &mut |problem| Err(problem))?;
        }
        batch.flush(&mut |problem| Err(problem))?;
        batch.tell();
        let mut report = batch.report;
        self.update_recurring()?;
        report.reading_seconds = started.elapsed().as_secs_f64();
        Ok(report)
    }

    /// Adds the articles of files; see [`Writer::add`].
    ///
    /// # Errors
    /// An input cannot be read or used, unless [`IndexOptions::skip_bad`] leaves it out; with that,
    /// nothing in any input could be used and the corpus is empty. The file cannot be written; the job is cancelled. What
    /// was read before is kept.
    pub fn add_files(
        &mut self,
        inputs: &[Input],
        options: &IndexOptions,
        job: &Job,
    ) -> Result<Report> {
        let started = Instant::now();
        let mut files = Files {
            batch: Batch::begin(self, options, job)?,
            skip_bad: options.skip_bad,
            job,
            bad: 0,
            spared: Vec::new(),
        };
        let outcome = ahead::read(inputs, options, job, |told| files.take(told));
        // What was read before a problem is kept, so that the next run finds it done.
        let flushed = files.flush();
        files.batch.tell();
        let Files {
            batch, bad, spared, ..
        } = files;
        let mut report = batch.report;
        report.bad = bad;
        outcome?;
        flushed?;
        if report.read == 0 && bad > 0 && self.counts()?.articles == 0 {
            let text = format!("nothing in the input could be used; files or rows left out: {bad}");
            return Err(Error::new(ErrorKind::InvalidInput, "", text));
        }
        if options.prune {
            self.prune_unseen(inputs, &spared, options, job, &mut report)?;
        }
        self.update_recurring()?;
        report.reading_seconds = started.elapsed().as_secs_f64();
        Ok(report)
    }

    /// Removes what is gone from the inputs: never what only could not be read, and not most of
    /// what is known, unless that was allowed.
    fn prune_unseen(
        &mut self,
        inputs: &[Input],
        spared: &[String],
        options: &IndexOptions,
        job: &Job,
        report: &mut Report,
    ) -> Result<()> {
        let mut origins = Vec::new();
        let mut patterns = Vec::new();
        for input in inputs {
            if let Input::Pattern(pattern) = input {
                patterns.push(pattern.clone());
                continue;
            }
            match input.origin() {
                Ok(origin) => origins.push(origin),
                // It cannot be looked at, and nothing of it is pruned.
                Err(_) if options.skip_bad => {}
                Err(e) => return Err(e),
            }
        }
        let (known, unseen) = self.unseen(&origins, &patterns, spared)?;
        if !spared.is_empty() {
            let first = &spared[0];
            let text = match spared.len() {
                1 => format!(
                    "nothing of {first} was pruned: it could not be read to its end, or held nothing"
                ),
                n => format!(
                    "nothing of {first} and {} others was pruned: they could not be read to their end, or held nothing",
                    n - 1
                ),
            };
            job.note(NoteKind::NotPruned, text);
        }
        if 2 * unseen > known && !options.prune_most {
            report.not_pruned = unseen;
            return Ok(());
        }
        let still = self.still_there()?;
        report.pruned = self.prune()?;
        if let Some((first, count)) = still {
            let text = match count {
                1 => format!(
                    "{first} is there, but no longer among the inputs (it is left out of its folder, or not named); its articles were removed"
                ),
                n => format!(
                    "{first} and {} more are there, but no longer among the inputs (they are left out of their folders, or not named); their articles were removed",
                    n - 1
                ),
            };
            job.note(NoteKind::Ignored, text);
        }
        Ok(())
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
    replace: bool,
    id_prefix: String,
    report: Report,
    /// When the job was asked last.
    looked: Instant,
    /// Ids that were taken: for each origin the first of them, as it was and as it became, whose
    /// it is, and how many there were.
    taken: BTreeMap<String, Taken>,
    /// Articles of earlier streams that such of the same id replaced.
    streamed: Option<Streamed>,
}

/// How many articles were replaced, and the id of the first.
struct Streamed {
    id: String,
    count: u64,
}

/// Ids of one origin that articles from elsewhere have.
struct Taken {
    own: String,
    id: String,
    by: String,
    count: u64,
}

/// Whether an origin is a stream, of which nobody knows whether it is the one that was read before.
fn is_stream(origin: &str) -> bool {
    ["/dev/fd/", "/dev/stdin", "/proc/self/fd/"]
        .iter()
        .any(|stream| origin.starts_with(stream))
        || origin == "-"
}

/// So many origins with ids that were taken are told.
const TOLD: usize = 5;

impl<'a> Batch<'a> {
    fn begin(writer: &'a mut Writer, options: &IndexOptions, job: &'a Job) -> Result<Self> {
        job.check()?;
        writer.begin_run()?;
        Ok(Self {
            writer,
            job,
            articles: Vec::new(),
            bytes: 0,
            replace: options.replace,
            id_prefix: options.id_prefix.clone(),
            taken: BTreeMap::new(),
            streamed: None,
            report: Report::default(),
            looked: Instant::now(),
        })
    }

    fn push(&mut self, mut article: NewArticle, refuse: &mut Refuse<'_>) -> Result<()> {
        // A file's own id is its path, which needs no prefix; front matter may give another.
        let Article {
            id, row, origin, ..
        } = &mut article.article;
        if let Some(id) = id
            && (row.is_some() || !origin.ends_with(id.as_str()))
        {
            id.insert_str(0, &self.id_prefix);
        }
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
        let outcomes = self.writer.add_batch(&articles, self.replace)?;
        for (NewArticle { article, .. }, outcome) in articles.iter().zip(outcomes) {
            let count = match outcome.added {
                Added::New => &mut self.report.new,
                Added::Changed => &mut self.report.changed,
                Added::Described => &mut self.report.described,
                Added::Same => &mut self.report.same,
                Added::Repeated => {
                    let id = article.id.as_deref().unwrap_or_default();
                    refuse(Error::input(
                        &article.origin,
                        article.row,
                        format!(
                            "the id {id:?} came before in this input; ids must differ, unless the later is to replace the earlier"
                        ),
                    ))?;
                    continue;
                }
            };
            *count += 1;
            self.report.read += 1;
            if matches!(outcome.added, Added::Changed)
                && !self.replace
                && is_stream(&article.origin)
            {
                let streamed = self.streamed.get_or_insert_with(|| Streamed {
                    id: outcome.id.clone(),
                    count: 0,
                });
                streamed.count += 1;
            }
            if let Some(by) = outcome.taken_by {
                self.report.renamed += 1;
                let taken = self.taken.entry(article.origin.clone());
                let taken = taken.or_insert_with(|| Taken {
                    own: article.id.clone().unwrap_or_default(),
                    id: outcome.id,
                    by,
                    count: 0,
                });
                taken.count += 1;
            }
        }
        self.job.progress(Stage::Reading, self.report.read, None);
        self.job.check()
    }
}

impl Batch<'_> {
    /// Says which ids were taken, and what took the place of other articles.
    fn tell(&self) {
        if let Some(Streamed { id, count }) = &self.streamed {
            let what = match count {
                1 => format!("1 article of an earlier one was replaced, of the id {id:?}"),
                n => format!(
                    "{n} articles of earlier ones were replaced, such as that of the id {id:?}"
                ),
            };
            let text = format!(
                "standard input: {what}; where these are others, a prefix for their ids keeps both"
            );
            self.job.note(NoteKind::SameId, text);
        }
        for (origin, taken) in self.taken.iter().take(TOLD) {
            let Taken { own, id, by, count } = taken;
            let by = if by.is_empty() { "the corpus" } else { by };
            let text = match count {
                1 => format!(
                    "{origin}: the id {own:?} is that of an article from {by}; both are kept, this one as {id:?}"
                ),
                n => format!(
                    "{origin}: {n} ids are those of articles from elsewhere, such as {own:?} from {by}; both are kept, these as {id:?} and so on"
                ),
            };
            self.job.note(NoteKind::SameId, text);
        }
        if self.taken.len() > TOLD {
            let text = format!("and so for {} more files", self.taken.len() - TOLD);
            self.job.note(NoteKind::SameId, text);
        }
    }
}

/// Takes what the readers of files find.
struct Files<'a> {
    batch: Batch<'a>,
    /// Whether an article of an id that came before is left out; whoever reads decides of the rest.
    skip_bad: bool,
    job: &'a Job,
    bad: u64,
    /// Origins that were not read to their end.
    spared: Vec<String>,
}

impl<'a> Files<'a> {
    /// The batch, and what becomes of an article that it cannot take.
    fn parts(&mut self) -> (&mut Batch<'a>, impl FnMut(Error) -> Result<()>) {
        let Self {
            batch,
            skip_bad,
            job,
            bad,
            ..
        } = self;
        (batch, |problem| {
            if !*skip_bad {
                return Err(problem);
            }
            leave_out(&problem, job, bad);
            Ok(())
        })
    }

    fn flush(&mut self) -> Result<()> {
        let (batch, mut refuse) = self.parts();
        batch.flush(&mut refuse)
    }
}

fn leave_out(problem: &Error, job: &Job, bad: &mut u64) {
    *bad += 1;
    job.note(NoteKind::BadInput, problem.to_string());
}

impl Files<'_> {
    /// Takes what the readers told, in their order.
    fn take(&mut self, told: Told) -> Result<()> {
        match told {
            Told::Article(article) => {
                let (batch, mut refuse) = self.parts();
                batch.push((*article).into(), &mut refuse)
            }
            Told::Bad(problem) => {
                leave_out(&problem, self.job, &mut self.bad);
                Ok(())
            }
            Told::Note(note) => {
                self.job.note(note.kind(), note.to_string());
                Ok(())
            }
            Told::Incomplete(origin) => {
                self.spared.push(origin);
                Ok(())
            }
        }
    }
}
