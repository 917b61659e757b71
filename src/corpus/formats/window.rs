//! A stream seen through a window of its bytes, as wide as one record.

use memchr::{memchr, memchr_iter};
use std::io::{self, Read};

/// Bytes read at once.
const STEP: usize = 1 << 16;
/// A window that one long record made wider than this is made small again after it.
const USUAL: usize = 1 << 22;

/// The bytes of a stream from where its reader stands, with the number of the line there.
///
/// Stray NUL bytes, which no text holds, are dropped. A failure of the stream is told only when
/// the bytes before it are used up.
pub(super) struct Window<R> {
    inner: R,
    buffer: Vec<u8>,
    start: usize,
    line: u64,
    line_end: u8,
    eof: bool,
    failure: Option<io::Error>,
}

impl<R: Read> Window<R> {
    pub(super) fn new(inner: R) -> Self {
        Self {
            inner,
            buffer: Vec::new(),
            start: 0,
            line: 1,
            line_end: b'\n',
            eof: false,
            failure: None,
        }
    }

    /// What has been read and not been passed yet.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// The number of the line that the window begins in, from 1.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// Lines end with this byte, by which they are counted; `\n` unless it is set.
    pub(super) fn set_line_end(&mut self, byte: u8) {
        self.line_end = byte;
    }

    /// Whether the window reaches the stream's end.
    pub(super) fn at_end(&self) -> bool {
        self.eof
    }

    /// Passes the first `n` bytes.
    pub(super) fn pass(&mut self, n: usize) {
        let passed = &self.buffer[self.start..self.start + n];
        self.line += memchr_iter(self.line_end, passed).count() as u64;
        self.start += n;
    }

    /// Widens the window: to twice its width, so that looking again from its start at each step
    /// costs no more than reading. `false` where the stream is at its end.
    pub(super) fn widen(&mut self) -> io::Result<bool> {
        self.read(self.bytes().len().max(STEP))
    }

    /// Moves a window on whose bytes were all passed; it does not grow.
    pub(super) fn next(&mut self) -> io::Result<bool> {
        debug_assert!(self.bytes().is_empty());
        self.read(STEP)
    }

    /// Widens the window to `width` bytes, as far as the stream goes without failing.
    pub(super) fn widen_to(&mut self, width: usize) {
        while self.bytes().len() < width && !self.eof && self.failure.is_none() {
            // The failure is kept for whoever needs what is behind it.
            if let Err(e) = self.widen() {
                self.failure = Some(e);
            }
        }
    }

    fn read(&mut self, more: usize) -> io::Result<bool> {
        if let Some(e) = self.failure.take() {
            return Err(e);
        }
        if self.eof {
            return Ok(false);
        }
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
            if self.buffer.capacity() > USUAL && self.buffer.len() + more < USUAL {
                self.buffer.shrink_to(USUAL);
            }
        }
        let from = self.buffer.len();
        self.buffer.reserve_exact(more);
        let outcome = self
            .inner
            .by_ref()
            .take(more as u64)
            .read_to_end(&mut self.buffer);
        self.drop_nul(from);
        match outcome {
            Ok(n) if n < more => self.eof = true,
            Ok(_) => {}
            Err(e) if self.buffer.len() == from => return Err(e),
            Err(e) => self.failure = Some(e),
        }
        // All that was read may have been NUL.
        if self.buffer.len() == from {
            return if self.eof { Ok(false) } else { self.read(more) };
        }
        Ok(true)
    }

    fn drop_nul(&mut self, from: usize) {
        let Some(first) = memchr(0, &self.buffer[from..]) else {
            return;
        };
        let first = from + first;
        let (mut from, mut kept) = (first, first);
        while from < self.buffer.len() {
            let byte = self.buffer[from];
            if byte != 0 {
                self.buffer[kept] = byte;
                kept += 1;
            }
            from += 1;
        }
        self.buffer.truncate(kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_after_what_came_before() {
        struct Fails;
        impl Read for Fails {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::InvalidData.into())
            }
        }
        let mut window = Window::new(io::Cursor::new(b"a\0b\nc").chain(Fails));
        window.widen_to(100);
        assert_eq!((window.bytes(), window.at_end()), (&b"ab\nc"[..], false));
        window.pass(3);
        assert_eq!(window.line(), 2);
        assert!(window.widen().is_err());
        assert_eq!(window.bytes(), b"c");
    }

    #[test]
    fn nothing_but_nul_bytes_is_nothing() {
        let mut window = Window::new(io::repeat(0).take(1 << 20));
        window.widen_to(1);
        assert!(window.bytes().is_empty() && window.at_end());
        assert!(!window.next().unwrap());
    }
}
