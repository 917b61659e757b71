//! Zip files whose end, with the list of their members, is missing: downloads that broke off.

use super::archives::{Metered, ZIP_TIMES, is_folder, label};
use super::compression::ALWAYS;
use super::member_names::decoded_one;
use super::{Context, Format, read_member};
use crate::error::{Error, Result};
use crate::guard::guarded;
use flate2::CrcReader;
use flate2::bufread::DeflateDecoder;
use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::rc::Rc;
use zip::read::read_zipfile_from_stream;

/// The first member of documents that Office saves.
const OFFICE: &str = "[Content_Types].xml";

/// Reads the members that stand whole; how many these are. Each is gone through once before, to see
/// whether it is whole.
pub(super) fn read(
    file: File,
    size: u64,
    given: Option<Format>,
    context: &mut Context<'_>,
) -> Result<u64> {
    let mut stream = BufReader::new(file);
    let most = ALWAYS.max(size.saturating_mul(ZIP_TIMES));
    // What is gone through, and what is read.
    let (passed, left) = (Rc::new(Cell::new(most)), Rc::new(Cell::new(most)));
    let (mut at, mut whole) = (0, 0);
    loop {
        let member = seek(&mut stream, at, context)
            .map(|()| guarded(context.path, || passed_through(&mut stream, &passed)))?;
        // What Office saves is one file, and not one of many.
        let Some(member) = member.ok().flatten().filter(|m| m.name != OFFICE) else {
            return Ok(whole);
        };
        let behind = stream.stream_position();
        let from = std::mem::replace(&mut at, behind.map_err(|e| Error::io(context.path, e))?);
        let Some(name) = label(&member.name).filter(|_| !is_folder(&member.name)) else {
            continue;
        };
        if let Some(data) = member.open_ended {
            seek(&mut stream, data, context)?;
            whole += 1;
            let member = Metered {
                inner: DeflateDecoder::new(&mut stream),
                left: left.clone(),
            };
            read_member(member, &name, given, context)?;
            continue;
        }
        seek(&mut stream, from, context)?;
        if let Ok(Ok(Some(member))) = guarded(&name, || read_zipfile_from_stream(&mut stream)) {
            whole += 1;
            let member = Metered {
                inner: member,
                left: left.clone(),
            };
            read_member(member, &name, given, context)?;
        }
    }
}

fn seek(stream: &mut BufReader<File>, at: u64, context: &Context<'_>) -> Result<()> {
    let sought = stream.seek(SeekFrom::Start(at));
    sought.map(|_| ()).map_err(|e| Error::io(context.path, e))
}

/// A member that is whole.
struct Member {
    name: String,
    /// Where its data begin, for one whose length is written behind it alone.
    open_ended: Option<u64>,
}

/// Goes through the member that begins here; `None` where it is not whole, or none. The stream stands
/// behind it then.
fn passed_through(stream: &mut BufReader<File>, left: &Rc<Cell<u64>>) -> Option<Member> {
    let from = stream.stream_position().ok()?;
    let header = Header::read(stream)?;
    if header.is_open_ended() {
        let data = stream.stream_position().ok()?;
        pass_deflated(stream, left)?;
        return Some(Member {
            name: header.name,
            open_ended: Some(data),
        });
    }
    stream.seek(SeekFrom::Start(from)).ok()?;
    let member = read_zipfile_from_stream(stream).ok().flatten()?;
    let mut member = Metered {
        inner: member,
        left: left.clone(),
    };
    // The crate compares the checksum at the end.
    io::copy(&mut member, &mut io::sink()).ok()?;
    Some(Member {
        name: header.name,
        open_ended: None,
    })
}

/// What stands before a member's data (APPNOTE.TXT of the format, 4.3.7).
struct Header {
    flags: u16,
    method: u16,
    name: String,
}

impl Header {
    fn read(stream: &mut impl Read) -> Option<Self> {
        let mut fixed = [0; 30];
        stream.read_exact(&mut fixed).ok()?;
        let word = |at: usize| u16::from_le_bytes([fixed[at], fixed[at + 1]]);
        if !fixed.starts_with(b"PK\x03\x04") {
            return None;
        }
        let mut name = vec![0; word(26).into()];
        stream.read_exact(&mut name).ok()?;
        let extra = u64::from(word(28));
        let passed = io::copy(&mut stream.take(extra), &mut io::sink()).ok()?;
        (passed == extra).then(|| Self {
            flags: word(6),
            method: word(8),
            name: decoded_one(&name),
        })
    }

    /// Whether its length is written behind its data, as programs do that write to a pipe. Where they
    /// end is seen from deflated data alone; encrypted ones are not looked into.
    fn is_open_ended(&self) -> bool {
        const ENCRYPTED: u16 = 1;
        const BEHIND: u16 = 1 << 3;
        const DEFLATED: u16 = 8;
        self.flags & (ENCRYPTED | BEHIND) == BEHIND && self.method == DEFLATED
    }
}

/// Goes through deflated data and what is written behind them, with which they are compared.
fn pass_deflated(stream: &mut BufReader<File>, left: &Rc<Cell<u64>>) -> Option<()> {
    let mut sum = CrcReader::new(Metered {
        inner: DeflateDecoder::new(&mut *stream),
        left: left.clone(),
    });
    io::copy(&mut sum, &mut io::sink()).ok()?;
    let (crc, decoder) = (sum.crc().sum(), &sum.get_ref().inner);
    let (bytes, packed) = (decoder.total_out(), decoder.total_in());
    let mut word = [0; 4];
    stream.read_exact(&mut word).ok()?;
    // The mark before the checksum may be missing.
    if word == *b"PK\x07\x08" {
        stream.read_exact(&mut word).ok()?;
    }
    if u32::from_le_bytes(word) != crc {
        return None;
    }
    // Lengths of four or of eight bytes, which nothing before says for sure.
    let at = stream.stream_position().ok()?;
    let mut ahead = Vec::new();
    stream.take(LENGTHS).read_to_end(&mut ahead).ok()?;
    let long = [packed, bytes].map(u64::to_le_bytes).concat();
    // Of lengths above 4 GiB the low parts.
    let short = [packed as u32, bytes as u32].map(u32::to_le_bytes).concat();
    let lengths = [long, short].into_iter().find(|l| ahead.starts_with(l))?;
    let behind = at + lengths.len() as u64;
    stream.seek(SeekFrom::Start(behind)).map(|_| ()).ok()
}

/// Two lengths of eight bytes.
const LENGTHS: u64 = 16;
