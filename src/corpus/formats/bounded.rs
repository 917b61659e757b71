//! A stream of records that are bounded.

use super::LONGEST;
use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

/// A stream that fails when a record goes on for longer than [`LONGEST`] bytes: with a quote that is
/// never closed, all of a file would be one record in memory.
pub(super) struct Bounded<R> {
    inner: R,
    since_record: Rc<Cell<u64>>,
}

impl<R> Bounded<R> {
    /// The stream, and the count of bytes since the last record began, to be set to 0 at each.
    pub(super) fn new(inner: R) -> (Self, Rc<Cell<u64>>) {
        let since_record = Rc::new(Cell::new(0));
        let count = since_record.clone();
        let bounded = Self {
            inner,
            since_record,
        };
        (bounded, count)
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.since_record.get() > LONGEST {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let n = self.inner.read(buffer)?;
        self.since_record.set(self.since_record.get() + n as u64);
        Ok(n)
    }
}
