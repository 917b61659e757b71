//! Streams of XML.

use super::bounded::Bounded;
use crate::corpus::decode::{Decoder, encoding_of};
use crate::error::{Error, Result};
use encoding_rs::Encoding;
use encoding_rs_io::{DecodeReaderBytes, DecodeReaderBytesBuilder};
use quick_xml::Reader;
use std::cell::Cell;
use std::io::{self, BufReader, Read};
use std::rc::Rc;

/// XML whose records are bounded.
type Xml<R> = Reader<BufReader<Bounded<DecodeReaderBytes<R, Vec<u8>>>>>;

/// Reads a stream as XML that may be written carelessly, in the encoding that it declares; with the count of bytes since
/// the last record began, to be set to 0 at each.
pub(super) fn reader<R: Read>(
    stream: R,
    sample: &[u8],
    decoder: &mut Decoder,
) -> (Xml<R>, Rc<Cell<u64>>) {
    let encoding = decoder.settle(sample, declared(sample).as_slice());
    let stream = DecodeReaderBytesBuilder::new()
        .encoding(Some(encoding))
        .build(stream);
    let (stream, since_record) = Bounded::new(stream);
    let mut reader = Reader::from_reader(BufReader::with_capacity(1 << 16, stream));
    let config = reader.config_mut();
    config.check_end_names = false;
    config.allow_unmatched_ends = true;
    config.allow_dangling_amp = true;
    (reader, since_record)
}

/// Why XML ends before its end.
pub(super) enum Ended {
    /// A record is longer than may be.
    TooLong,
    /// What is wrong with it.
    Malformed(String),
}

impl Ended {
    /// # Errors
    /// The stream could not be read.
    pub(super) fn of(error: quick_xml::Error, path: &str) -> Result<Self> {
        match error {
            quick_xml::Error::Io(e) if e.kind() == io::ErrorKind::FileTooLarge => Ok(Self::TooLong),
            quick_xml::Error::Io(e) => {
                Err(Error::io(path, io::Error::new(e.kind(), e.to_string())))
            }
            e => Ok(Self::Malformed(format!(
                "not well-formed XML ({e}); items before are read"
            ))),
        }
    }
}

/// The encoding that the XML declares.
fn declared(sample: &[u8]) -> Option<&'static Encoding> {
    let head = String::from_utf8_lossy(&sample[..sample.len().min(200)]);
    let rest = head.trim_start().strip_prefix("<?xml")?;
    let (declaration, _) = rest.split_once("?>")?;
    let label = declaration.split_once("encoding")?.1;
    let label = label.trim_start().strip_prefix('=')?.trim_start();
    let label = label.get(1..)?.split(['"', '\'']).next()?;
    encoding_of(label)
}
