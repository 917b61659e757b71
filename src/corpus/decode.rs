//! Bytes to text: UTF-8 where it is, detected where it is not.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::Encoding;
use std::borrow::Cow;

/// How many bytes of a file the encoding is guessed from.
pub(crate) const SAMPLE: usize = 1 << 20;

/// Turns the bytes of one file into text.
///
/// UTF-8 is taken wherever the bytes are valid; otherwise the encoding is guessed once from
/// the first bytes that are not, and kept for the file.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    fallback: Option<&'static Encoding>,
}

impl Decoder {
    /// A decoder that has seen the beginning of its file.
    pub(super) fn for_sample(sample: &[u8]) -> Self {
        let mut decoder = Self::default();
        // A multi-byte character may be cut at the sample's end, which is not an error.
        let invalid = match std::str::from_utf8(sample) {
            Ok(_) => false,
            Err(e) => e.error_len().is_some() || sample.len() < SAMPLE,
        };
        if invalid {
            decoder.fallback = Some(guess(sample));
        }
        decoder
    }

    /// Decodes a whole file or one line or field of it.
    pub(super) fn decode<'a>(&mut self, bytes: &'a [u8]) -> Cow<'a, str> {
        if let Some((encoding, bom)) = Encoding::for_bom(bytes) {
            return encoding.decode_without_bom_handling(&bytes[bom..]).0;
        }
        if let Ok(text) = std::str::from_utf8(bytes) {
            return Cow::Borrowed(text);
        }
        let encoding = *self.fallback.get_or_insert_with(|| guess(bytes));
        encoding.decode_without_bom_handling(bytes).0
    }

    /// The name of the encoding in use where it is not UTF-8.
    pub(super) fn other_than_utf8(&self) -> Option<&'static str> {
        self.fallback.map(Encoding::name)
    }
}

fn guess(bytes: &[u8]) -> &'static Encoding {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(bytes, true);
    detector.guess(None, Utf8Detection::Deny)
}

/// Whether the beginning of a file looks like anything but text.
pub fn looks_binary(sample: &[u8]) -> bool {
    if Encoding::for_bom(sample).is_some() {
        return false;
    }
    let sample = &sample[..sample.len().min(8192)];
    if sample.contains(&0) {
        return true;
    }
    let control = sample
        .iter()
        .filter(|&&b| {
            b < 0x20 && !matches!(b, b'\n' | b'\r' | b'\t' | 0x0c | 0x1b | 0x1a | 0x03 | 0x02)
        })
        .count();
    control * 20 > sample.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf8_is_kept() {
        let mut d = Decoder::for_sample("naïve “quotes”".as_bytes());
        assert_eq!(d.decode("naïve “quotes”".as_bytes()), "naïve “quotes”");
        assert_eq!(d.other_than_utf8(), None);
    }

    #[test]
    fn windows_1252_and_1251_are_detected() {
        let french = "Le président a déclaré que la réunion était « très réussie » à Genève, où l’été s’achève.";
        let (bytes, _, _) = encoding_rs::WINDOWS_1252.encode(french);
        let mut d = Decoder::for_sample(&bytes);
        assert_eq!(d.decode(&bytes), french);
        assert_eq!(d.other_than_utf8(), Some("windows-1252"));

        let russian = "Министры договорились о новом графике поставок зерна в порты Чёрного моря.";
        let (bytes, _, _) = encoding_rs::WINDOWS_1251.encode(russian);
        let mut d = Decoder::for_sample(&bytes);
        assert_eq!(d.decode(&bytes), russian);
    }

    #[test]
    fn utf16_by_its_mark() {
        let mut bytes = vec![0xff, 0xfe];
        bytes.extend("Zürich".encode_utf16().flat_map(u16::to_le_bytes));
        assert_eq!(Decoder::default().decode(&bytes), "Zürich");
    }

    #[test]
    fn binary_is_seen() {
        assert!(looks_binary(b"\x7fELF\x02\x01\x01\0\0\0"));
        assert!(!looks_binary("текст\nline".as_bytes()));
    }
}
