//! Compression: told by the first bytes, unpacked on the fly, and bounded.
//!
//! A file may be cut, padded or damaged: what came before is read, and one problem is told.

use super::members::{Members, Pushback};
use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::rc::Rc;

/// A stream may unpack to this many times its size: ordinary text packs to a twentieth, tables of
/// very like rows to a two-hundredth, and a bomb to a thousandth or less.
pub(super) const MOST_TIMES: u64 = 500;

/// What may be unpacked whatever the ratio.
pub(super) const ALWAYS: u64 = 256 << 20;

/// How often a file may be compressed over (`a.csv.gz.gz`).
const LAYERS: usize = 3;

/// How many bytes tell a compression.
pub(super) const MAGIC: usize = 10;

/// How a stream is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    Gzip,
    Zstd,
    Bzip2,
    Xz,
}

impl Compression {
    /// By the first bytes of a stream.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Self::Zstd),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            // The magic number of a block, or of the end of an empty stream, follows the level.
            [b'B', b'Z', b'h', b'1'..=b'9', rest @ ..]
                if rest.starts_with(b"1AY&SY") || rest.starts_with(b"\x17rE8P\x90") =>
            {
                Some(Self::Bzip2)
            }
            _ => None,
        }
    }

    /// A name without the endings of compressed files, and whether it had any: `a.csv` for
    /// `a.csv.gz`, `a.tar` for `a.tgz`. The name is in lower case.
    pub(super) fn strip(name: &str) -> (String, bool) {
        let mut name = name.to_string();
        let mut any = false;
        'again: loop {
            for (ending, plain) in [
                (".gz", ""),
                (".gzip", ""),
                (".zst", ""),
                (".zstd", ""),
                (".bz2", ""),
                (".xz", ""),
                (".tgz", ".tar"),
                (".tbz2", ".tar"),
                (".tbz", ".tar"),
                (".txz", ".tar"),
                (".tzst", ".tar"),
            ] {
                if let Some(stem) = name.strip_suffix(ending) {
                    name = format!("{stem}{plain}");
                    any = true;
                    continue 'again;
                }
            }
            return (name, any);
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
        }
    }
}

/// What is known of a stream while it is unpacked; shared by its layers and its reader.
#[derive(Debug, Default)]
pub(super) struct Health {
    damage: RefCell<Option<String>>,
    /// Bytes after the end of the compressed data, which were not read.
    trailing: Cell<bool>,
    packed: Cell<u64>,
    unpacked: Cell<u64>,
}

impl Health {
    /// What is wrong with the stream, once it is met.
    pub(super) fn damage(&self) -> Option<String> {
        self.damage.borrow().clone()
    }

    pub(super) fn trailing(&self) -> bool {
        self.trailing.get()
    }

    pub(super) fn mark_trailing(&self) {
        self.trailing.set(true);
    }

    fn fail(&self, why: impl Display) -> io::Error {
        let mut damage = self.damage.borrow_mut();
        let damage = damage.get_or_insert_with(|| {
            let at = match self.unpacked.get() {
                0 => String::new(),
                n => format!(" after {n} bytes"),
            };
            format!("damaged or cut off{at} ({why}); what came before is read")
        });
        io::Error::new(io::ErrorKind::InvalidData, damage.clone())
    }
}

/// A stream without its layers of compression. After an error every further read gives that error
/// again, so that whoever looked ahead hides none.
pub(super) struct Unpacked<'r> {
    inner: Box<dyn Read + 'r>,
    health: Rc<Health>,
    compressed: bool,
}

impl<'r> Unpacked<'r> {
    /// Takes the layers off. `packed` is the size of the stream where that is known before.
    ///
    /// # Errors
    /// The stream's first bytes cannot be read.
    pub(super) fn new(stream: impl Read + 'r) -> io::Result<Self> {
        let health = Rc::new(Health::default());
        let counted = Counted {
            inner: stream,
            health: health.clone(),
        };
        let mut source = Pushback::new(Box::new(counted));
        let mut layers = 0;
        while layers < LAYERS
            && let Some(compression) = Compression::of(source.peek(MAGIC)?)
        {
            layers += 1;
            source = Pushback::new(Box::new(Members::new(compression, source, health.clone())));
            // Damage at the very beginning is met by whoever reads.
            if source.peek(1).is_err() {
                break;
            }
        }
        Ok(Self {
            inner: Box::new(source),
            health,
            compressed: layers > 0,
        })
    }

    /// What is, or will be, known of the stream.
    pub(super) fn health(&self) -> Rc<Health> {
        self.health.clone()
    }

    /// Whether it had any layer of compression.
    pub(super) fn was_compressed(&self) -> bool {
        self.compressed
    }
}

impl Read for Unpacked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.health.damage.borrow().is_some() {
            return Err(self.health.fail(""));
        }
        loop {
            match self.inner.read(buffer) {
                Ok(n) => {
                    let unpacked = self.health.unpacked.get() + n as u64;
                    self.health.unpacked.set(unpacked);
                    if self.compressed && is_bomb(self.health.packed.get(), unpacked) {
                        return Err(self.health.fail(TOO_MUCH));
                    }
                    return Ok(n);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.health.fail(e)),
            }
        }
    }
}

pub(super) const TOO_MUCH: &str = "it unpacks to more than 500 times its size";

/// Whether so much out of so little is no text that anybody packed.
pub(super) fn is_bomb(packed: u64, unpacked: u64) -> bool {
    unpacked > ALWAYS && unpacked / MOST_TIMES > packed
}

/// What a file of a format that is read from any place may unpack to on the disk, by its packed size:
/// such formats (Parquet, PDF, Word) are packed within themselves.
const SPOOLED_TIMES: u64 = 50;

/// Writes a stream to an unnamed temporary file.
///
/// # Errors
/// The stream is damaged or unpacks to too much, which its health then says; or the temporary file cannot
/// be written.
pub(super) fn spool(mut stream: impl Read, health: &Health, compressed: bool) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    let mut buffer = vec![0; 1 << 16];
    let mut total = 0;
    loop {
        let n = stream.read(&mut buffer)?;
        if n == 0 {
            file.rewind()?;
            return Ok(file);
        }
        total += n as u64;
        if compressed && total > ALWAYS.max(health.packed.get() * SPOOLED_TIMES) {
            return Err(health.fail("it unpacks to more than 50 times its size"));
        }
        file.write_all(&buffer[..n])?;
    }
}

/// Counts what is read of the compressed bytes.
struct Counted<R> {
    inner: R,
    health: Rc<Health>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.health.packed.set(self.health.packed.get() + n as u64);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Pack = fn(&[u8]) -> Vec<u8>;

    fn gz(bytes: &[u8]) -> Vec<u8> {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    }

    fn bz2(bytes: &[u8]) -> Vec<u8> {
        let mut out = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    }

    fn zst(bytes: &[u8]) -> Vec<u8> {
        zstd::encode_all(bytes, 3).unwrap()
    }

    /// What could be read, what is wrong, and whether something followed.
    fn unpack(bytes: &[u8]) -> (Vec<u8>, Option<String>, bool) {
        let mut out = Vec::new();
        let mut stream = Unpacked::new(bytes).unwrap();
        let health = stream.health();
        let outcome = stream.read_to_end(&mut out);
        assert_eq!(outcome.is_err(), health.damage().is_some());
        (out, health.damage(), health.trailing())
    }

    #[test]
    fn members_padding_and_layers() {
        let pack: [Pack; 3] = [gz, bz2, zst];
        for pack in pack {
            let two = [pack(b"one "), pack(b"two")].concat();
            assert_eq!(unpack(&two), (b"one two".to_vec(), None, false));
            let padded = [two.clone(), vec![0; 700]].concat();
            assert_eq!(unpack(&padded), (b"one two".to_vec(), None, true));
            let rubbish = [two.clone(), b"rubbish".to_vec()].concat();
            assert_eq!(unpack(&rubbish), (b"one two".to_vec(), None, true));
            assert_eq!(unpack(&pack(&gz(&two))), (b"one two".to_vec(), None, false));
            assert_eq!(unpack(&pack(b"")), (Vec::new(), None, false));
        }
        assert_eq!(unpack(b"plain"), (b"plain".to_vec(), None, false));
    }

    #[test]
    fn many_members_need_no_deep_stack() {
        let many = gz(b"x").repeat(50_000);
        assert_eq!(unpack(&many).0.len(), 50_000);
    }

    #[test]
    fn a_cut_stream_gives_what_came_before_and_says_so() {
        let text: Vec<u8> = (0..40_000u32).flat_map(u32::to_le_bytes).collect();
        let pack: [Pack; 2] = [gz, zst];
        for pack in pack {
            let whole = pack(&text);
            let (out, damage, _) = unpack(&whole[..whole.len() - 5]);
            assert!(text.starts_with(&out) && out.len() > text.len() / 2);
            assert!(damage.unwrap().contains("cut off after "));
        }
    }

    /// Whatever is missing, reading ends, and what was said stays said.
    #[test]
    fn a_stream_cut_anywhere_ends() {
        let xz = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, XZ).unwrap();
        for whole in [gz(b"some text"), bz2(b"some text"), zst(b"some text"), xz] {
            for n in 0..whole.len() {
                let mut stream = Unpacked::new(&whole[..n]).unwrap();
                let mut out = Vec::new();
                let first = stream.read_to_end(&mut out).map_err(|e| e.to_string());
                let again = stream.read_to_end(&mut out).map_err(|e| e.to_string());
                assert_eq!(first.is_err(), again.is_err(), "{n}");
            }
        }
    }

    /// `printf 'some text' | xz | base64`
    const XZ: &str = "/Td6WFoAAATm1rRGAgAhARYAAAB0L+WjAQAIc29tZSB0ZXh0AAAAAJGAVGO7L3CvAAEhCWwYxdUftvN9AQAAAAAEWVo=";

    #[test]
    fn a_bomb_is_stopped() {
        let zeros = vec![0u8; 64 << 20];
        let bomb = bz2(&zeros).repeat(8);
        let (out, damage, _) = unpack(&bomb);
        assert!(out.len() as u64 <= ALWAYS + (1 << 20));
        assert!(damage.unwrap().contains("500 times"));
    }

    #[test]
    fn endings() {
        for (name, plain) in [
            ("a.csv.gz", "a.csv"),
            ("a.csv.gz.bz2", "a.csv"),
            ("a.tgz", "a.tar"),
            ("a.txt", "a.txt"),
            ("a.xz", "a"),
        ] {
            let (stripped, any) = Compression::strip(name);
            assert_eq!((stripped.as_str(), any), (plain, plain != name));
        }
    }
}
