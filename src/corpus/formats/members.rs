//! Streams of compressed members, one after another.

use super::compression::{Compression, Health, MAGIC};
use crate::guard::guarded;
use std::io::{self, BufRead, BufReader, Read};
use std::rc::Rc;

/// What a decoder of xz may need, in KiB: `xz -9` needs 65 MiB, and half a GiB is the most that
/// xz's own presets and tar's users set.
const XZ_MEMORY: u32 = 512 << 10;

/// The binary logarithm of zstd's longest window in bytes. Collections are published with `--long=31`
/// (Pushshift's); the memory is touched only as far as the stream really unpacks.
const ZSTD_WINDOW: u32 = 31;

/// A buffered stream whose next bytes can be looked at.
pub(super) struct Pushback<'r> {
    head: Vec<u8>,
    at: usize,
    inner: BufReader<Box<dyn Read + 'r>>,
}

/// How far is read ahead. The buffer is zeroed for each file, which for small ones took longer than
/// reading them; what asks for more than this at once passes it by.
const AHEAD: usize = 1 << 13;

impl<'r> Pushback<'r> {
    pub(super) fn new(inner: Box<dyn Read + 'r>) -> Self {
        Self {
            head: Vec::new(),
            at: 0,
            inner: BufReader::with_capacity(AHEAD, inner),
        }
    }

    /// The next bytes, `n` of them or what there is.
    pub(super) fn peek(&mut self, n: usize) -> io::Result<&[u8]> {
        self.head.drain(..self.at);
        self.at = 0;
        let missing = n.saturating_sub(self.head.len()) as u64;
        let outcome = self
            .inner
            .by_ref()
            .take(missing)
            .read_to_end(&mut self.head);
        if self.head.is_empty() {
            outcome?;
        }
        Ok(&self.head)
    }
}

impl Read for Pushback<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.head.len() {
            return self.inner.read(buffer);
        }
        let n = (&self.head[self.at..]).read(buffer)?;
        self.at += n;
        Ok(n)
    }
}

impl BufRead for Pushback<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.head.len() {
            self.inner.fill_buf()
        } else {
            Ok(&self.head[self.at..])
        }
    }

    fn consume(&mut self, n: usize) {
        if self.at == self.head.len() {
            self.inner.consume(n);
        } else {
            self.at += n;
        }
    }
}

/// A compressed stream of one member after another, as `cat a.gz b.gz` makes; what follows the last
/// and begins no other is left, as gzip(1) does.
pub(super) struct Members<'r> {
    compression: Compression,
    source: Option<Pushback<'r>>,
    current: Option<Member<'r>>,
    /// What went wrong. A decoder is not asked again then: some answer such a question without an end.
    failed: Option<String>,
    health: Rc<Health>,
}

enum Member<'r> {
    Gzip(Box<flate2::bufread::GzDecoder<Pushback<'r>>>),
    Zstd(zstd::Decoder<'static, Pushback<'r>>),
    Bzip2(bzip2::bufread::BzDecoder<Pushback<'r>>),
    Xz(Box<lzma_rust2::XzReader<Pushback<'r>>>),
}

impl<'r> Member<'r> {
    fn new(compression: Compression, source: Pushback<'r>) -> io::Result<Self> {
        Ok(match compression {
            Compression::Gzip => Self::Gzip(Box::new(flate2::bufread::GzDecoder::new(source))),
            Compression::Zstd => {
                let mut decoder = zstd::Decoder::with_buffer(source)?.single_frame();
                decoder.window_log_max(ZSTD_WINDOW)?;
                Self::Zstd(decoder)
            }
            Compression::Bzip2 => Self::Bzip2(bzip2::bufread::BzDecoder::new(source)),
            Compression::Xz => Self::Xz(Box::new(lzma_rust2::XzReader::new_mem_limit(
                source, false, XZ_MEMORY,
            ))),
        })
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Gzip(decoder) => decoder.read(buffer),
            Self::Zstd(decoder) => decoder.read(buffer),
            Self::Bzip2(decoder) => decoder.read(buffer),
            Self::Xz(decoder) => decoder.read(buffer),
        }
    }

    /// The stream behind the end of this member.
    fn finish(self) -> Pushback<'r> {
        match self {
            Self::Gzip(decoder) => decoder.into_inner(),
            Self::Zstd(decoder) => decoder.finish(),
            Self::Bzip2(decoder) => decoder.into_inner(),
            Self::Xz(decoder) => decoder.into_inner(),
        }
    }
}

impl Read for Members<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.failed.is_none() {
            match self.next(buffer) {
                Ok(n) => return Ok(n),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => return Err(e),
                Err(e) => self.failed = Some(format!("{}: {e}", self.compression.name())),
            }
        }
        let failed = self.failed.clone().unwrap_or_default();
        Err(io::Error::new(io::ErrorKind::InvalidData, failed))
    }
}

impl<'r> Members<'r> {
    pub(super) fn new(compression: Compression, source: Pushback<'r>, health: Rc<Health>) -> Self {
        Self {
            compression,
            source: Some(source),
            current: None,
            failed: None,
            health,
        }
    }

    fn next(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(member) = &mut self.current {
                match guarded(self.compression.name(), || member.read(buffer)) {
                    Ok(Ok(0)) => self.source = self.current.take().map(Member::finish),
                    Ok(outcome) => return outcome,
                    Err(_) => return Err(io::Error::other("its parts contradict each other")),
                }
            }
            let Some(mut source) = self.source.take() else {
                return Ok(0);
            };
            let padded = skip_zeros(&mut source)?;
            let next = source.peek(MAGIC)?;
            if Compression::of(next) != Some(self.compression) {
                if padded || !next.is_empty() {
                    self.health.mark_trailing();
                }
                return Ok(0);
            }
            self.current = Some(Member::new(self.compression, source)?);
        }
    }
}

/// Skips zero bytes; `true` if there were any.
fn skip_zeros(source: &mut Pushback<'_>) -> io::Result<bool> {
    let mut any = false;
    loop {
        let buffer = source.fill_buf()?;
        let zeros = buffer.iter().take_while(|&&b| b == 0).count();
        if zeros == 0 {
            return Ok(any);
        }
        any = true;
        source.consume(zeros);
    }
}
