//! Many texts through devices that compute while the host does something else: the tokenizer
//! runs ahead on all cores, batches wait in one queue, and each device takes the next as soon
//! as it has room for it.

use super::{Queue, Vectors, place, plan, tokens_of};
use crate::error::{Error, Result};
use crate::model::Tokenizer;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};

/// Texts that are tokenized at a time: some dozens of batches, so that texts of a like length
/// meet in one.
const AHEAD: usize = 8192;

/// A batch on its way to a device: the texts' indices and their tokens.
struct Job {
    texts: Vec<usize>,
    ids: Vec<Vec<u32>>,
}

/// A batch's texts and their vectors.
type Done = (Vec<usize>, Vec<f32>);

/// What all texts are embedded with.
pub(super) struct Pipeline<'a> {
    pub tokenizer: &'a Tokenizer,
    /// Put in front of each text.
    pub prompt: &'a str,
    /// Tokens of a batch.
    pub budget: usize,
    /// The length of a vector.
    pub dim: usize,
}

impl Pipeline<'_> {
    /// The vectors of `texts`, of unit length, by all of `queues`.
    ///
    /// # Errors
    /// The tokenizer or a device fails; the first failure ends all of it.
    pub fn run(&self, texts: &[&str], queues: Vec<Box<dyn Queue + '_>>) -> Result<Vectors> {
        let mut values = vec![0.0; texts.len() * self.dim];
        let stop = AtomicBool::new(false);
        let (send, receive) = sync_channel::<Job>(2 * queues.len());
        let receive = Mutex::new(receive);
        let (counted, done) = std::thread::scope(|scope| {
            let workers: Vec<_> = queues
                .into_iter()
                .map(|queue| {
                    let (receive, stop) = (&receive, &stop);
                    scope.spawn(move || work(queue, receive, stop))
                })
                .collect();
            let counted = self.feed(texts, &stop, |job| send.send(job).is_ok());
            drop(send);
            let done: Vec<Result<Vec<Done>>> = workers
                .into_iter()
                .map(|worker| {
                    worker.join().unwrap_or_else(|_| {
                        Err(Error::Device {
                            device: "cuda".to_string(),
                            message: "the thread that drives it ended unexpectedly".to_string(),
                        })
                    })
                })
                .collect();
            (counted, done)
        });
        let (tokens, cut) = counted?;
        for done in done {
            for (texts, vectors) in done? {
                place(&texts, &vectors, self.dim, &mut values);
            }
        }
        Ok(Vectors {
            values,
            dim: self.dim,
            tokens,
            cut,
        })
    }

    /// Tokenizes and hands over batches until all are taken or someone asks to stop. The tokens
    /// and how many texts were cut.
    fn feed(
        &self,
        texts: &[&str],
        stop: &AtomicBool,
        mut hand: impl FnMut(Job) -> bool,
    ) -> Result<(usize, usize)> {
        let (mut tokens, mut cut) = (0, 0);
        for (chunk, some) in texts.chunks(AHEAD).enumerate() {
            let mut encoded = tokens_of(self.tokenizer, self.prompt, some)?;
            cut += encoded.iter().filter(|t| t.cut > 0).count();
            let lengths: Vec<usize> = encoded.iter().map(|t| t.ids.len()).collect();
            tokens += lengths.iter().sum::<usize>();
            for batch in plan(&lengths, self.budget, false) {
                let take = |&i: &usize| std::mem::take(&mut encoded[i].ids);
                let ids = batch.texts.iter().map(take).collect();
                let texts = batch.texts.iter().map(|i| chunk * AHEAD + i).collect();
                if stop.load(Ordering::Relaxed) || !hand(Job { texts, ids }) {
                    return Ok((tokens, cut));
                }
            }
        }
        Ok((tokens, cut))
    }
}

/// Takes batches until there are no more; after a failure they are taken and dropped, so that
/// nobody waits for room in the queue.
fn work(
    mut queue: Box<dyn Queue + '_>,
    jobs: &Mutex<Receiver<Job>>,
    stop: &AtomicBool,
) -> Result<Vec<Done>> {
    let outcome = drive(&mut *queue, jobs);
    if outcome.is_err() {
        stop.store(true, Ordering::Relaxed);
        while let Some(Next::Job(_)) = next(jobs, true) {}
    }
    outcome
}

fn drive(queue: &mut dyn Queue, jobs: &Mutex<Receiver<Job>>) -> Result<Vec<Done>> {
    let mut waiting = std::collections::VecDeque::new();
    let mut done = Vec::new();
    let mut open = true;
    loop {
        while open && waiting.len() < queue.depth() {
            match next(jobs, waiting.is_empty()) {
                Some(Next::Job(job)) => {
                    let ids: Vec<&[u32]> = job.ids.iter().map(Vec::as_slice).collect();
                    queue.submit(&ids)?;
                    waiting.push_back(job.texts);
                }
                Some(Next::Nothing) => break,
                None => open = false,
            }
        }
        let Some(texts) = waiting.pop_front() else {
            return Ok(done);
        };
        done.push((texts, queue.collect()?));
    }
}

enum Next {
    Job(Job),
    /// Not now.
    Nothing,
}

/// The next batch; `None` when there will be no more. One that has batches under way does not
/// wait for another.
fn next(jobs: &Mutex<Receiver<Job>>, wait: bool) -> Option<Next> {
    if wait {
        // A thread that failed holds no lock, for receiving does not fail.
        let jobs = jobs.lock().ok()?;
        return jobs.recv().ok().map(Next::Job);
    }
    let Ok(jobs) = jobs.try_lock() else {
        return Some(Next::Nothing);
    };
    match jobs.try_recv() {
        Ok(job) => Some(Next::Job(job)),
        Err(TryRecvError::Empty) => Some(Next::Nothing),
        Err(TryRecvError::Disconnected) => None,
    }
}
