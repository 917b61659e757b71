//! Which problem of an input is its stream's, and that it is told once.

use super::compression::Health;
use crate::corpus::article::Article;
use crate::corpus::inputs::{Note, Sink};
use crate::error::{Error, Result};
use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

/// The sink of one input, which knows what is wrong with the input's stream.
pub(super) struct Watched<'a> {
    pub(super) inner: &'a mut dyn Sink,
    pub(super) path: &'a str,
    pub(super) health: &'a Health,
    /// Whether the reader has come to the damage.
    pub(super) met: Rc<Cell<bool>>,
    /// Whether the damage was told.
    pub(super) said: bool,
    /// Whether the sink itself ended the reading.
    pub(super) stopped: bool,
}

impl Sink for Watched<'_> {
    fn article(&mut self, article: Article) -> Result<()> {
        let outcome = self.inner.article(article);
        self.stopped |= outcome.is_err();
        outcome
    }

    fn bad(&mut self, problem: Error) -> Result<()> {
        // What a reader says of the place where its stream breaks off is the stream's fault, and
        // told once.
        let problem = match self.health.damage() {
            Some(_) if self.met.get() && self.said => return Ok(()),
            Some(damage) if self.met.get() => {
                self.said = true;
                Error::input(self.path, None, damage)
            }
            _ => problem,
        };
        let outcome = self.inner.bad(problem);
        self.stopped |= outcome.is_err();
        outcome
    }

    fn note(&mut self, note: Note) {
        self.inner.note(note);
    }

    fn incomplete(&mut self, origin: &str) {
        self.inner.incomplete(origin);
    }
}

/// A stream that marks when its reader comes to an error.
pub(super) struct Met<R> {
    pub(super) inner: R,
    pub(super) met: Rc<Cell<bool>>,
}

impl<R: Read> Read for Met<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer).inspect_err(|_| self.met.set(true))
    }
}
