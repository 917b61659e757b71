//! Bytes to text: UTF-8 where it is, detected where it is not.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, ISO_2022_JP, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use std::borrow::Cow;
use std::str::Utf8Error;

/// How many bytes of a file the encoding is guessed from.
pub(crate) const SAMPLE: usize = 1 << 20;

/// How many bytes tell text from anything else.
const LOOK: usize = 8192;

/// Turns the bytes of one file into text.
///
/// UTF-8 is taken wherever the bytes are valid, and, with its bad bytes replaced, where they
/// nearly are. Otherwise the encoding is guessed once from the first bytes that are not, and kept
/// for the file. NUL, which no text means, is dropped.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    fallback: Option<&'static Encoding>,
    /// What the beginning of the file says of UTF-8.
    evidence: Evidence,
    replaced: u64,
}

/// Characters of several bytes that are UTF-8, and places that are not.
#[derive(Debug, Default, Clone, Copy)]
struct Evidence {
    valid: usize,
    invalid: usize,
}

impl Evidence {
    fn of(bytes: &[u8]) -> Self {
        if let Ok(text) = std::str::from_utf8(bytes) {
            return Self::of_text(text);
        }
        let mut evidence = Self::default();
        for chunk in bytes.utf8_chunks() {
            evidence.valid += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
            evidence.invalid += usize::from(!chunk.invalid().is_empty());
        }
        evidence
    }

    fn of_text(text: &str) -> Self {
        Self {
            // Each character begins with one byte that goes on with others or is ASCII.
            valid: count(text.as_bytes(), |b| b >= 0xc0),
            invalid: 0,
        }
    }

    /// Whether it is UTF-8 with mistakes. In texts of other encodings, few pairs of bytes happen
    /// to be characters of UTF-8 beside those that are not: about one of seven in GBK, fewer in
    /// all others.
    fn is_utf8(self) -> bool {
        self.valid > 0 && self.valid >= 2 * self.invalid
    }
}

impl Decoder {
    /// A decoder that has seen the beginning of its file.
    pub(super) fn for_sample(sample: &[u8]) -> Self {
        let mut decoder = Self::default();
        let sample = match std::str::from_utf8(sample) {
            Ok(text) => {
                decoder.evidence = Evidence::of_text(text);
                return decoder;
            }
            // It ends within a character, which is not an error.
            Err(e) if is_cut(sample, e) => &sample[..e.valid_up_to()],
            Err(_) => sample,
        };
        decoder.evidence = Evidence::of(sample);
        if decoder.evidence.invalid > 0 && !decoder.evidence.is_utf8() {
            decoder.fallback = Some(guess(sample));
        }
        decoder
    }

    /// Settles the encoding of a file that says what it is in, by its beginning or by all of it. What
    /// is `declared`, best first, counts as far as the bytes fit it: what pages and feeds declare is
    /// often their template's, and not their text's.
    pub(super) fn settle(
        &mut self,
        bytes: &[u8],
        declared: &[&'static Encoding],
    ) -> &'static Encoding {
        self.fallback = None;
        match std::str::from_utf8(bytes) {
            Err(e) if !is_cut(bytes, e) => {}
            _ => return UTF_8,
        }
        self.evidence = Evidence::of(bytes);
        let declared_so = declared.is_empty() || declared.contains(&UTF_8);
        if self.evidence.is_utf8() && (declared_so || self.evidence.valid >= SURE) {
            self.replaced += self.evidence.invalid as u64;
            return UTF_8;
        }
        let guessed = guess(bytes);
        let encoding = declared
            .iter()
            .copied()
            .find(|&encoding| fits(bytes, encoding, guessed))
            .unwrap_or(guessed);
        self.fallback = Some(encoding);
        encoding
    }

    /// Decodes a whole file that says what it is in; see [`Decoder::settle`].
    pub(super) fn decode_declared<'a>(
        &mut self,
        bytes: &'a [u8],
        declared: &[&'static Encoding],
    ) -> Cow<'a, str> {
        if Encoding::for_bom(bytes).is_some() {
            return self.decode(bytes);
        }
        if let Ok(text) = std::str::from_utf8(bytes) {
            self.fallback = None;
            return without_nul(Cow::Borrowed(text));
        }
        let encoding = self.settle(bytes, declared);
        without_nul(encoding.decode_without_bom_handling(bytes).0)
    }

    /// Decodes a whole file or one line or field of it.
    pub(super) fn decode<'a>(&mut self, bytes: &'a [u8]) -> Cow<'a, str> {
        without_nul(self.text(bytes))
    }

    fn text<'a>(&mut self, bytes: &'a [u8]) -> Cow<'a, str> {
        if let Some((encoding, bom)) = Encoding::for_bom(bytes) {
            return encoding.decode_without_bom_handling(&bytes[bom..]).0;
        }
        if let Ok(text) = std::str::from_utf8(bytes) {
            return Cow::Borrowed(text);
        }
        if self.fallback.is_none() {
            let own = Evidence::of(bytes);
            if own.is_utf8() || self.evidence.is_utf8() {
                self.replaced += own.invalid as u64;
                return String::from_utf8_lossy(bytes);
            }
        }
        let encoding = *self.fallback.get_or_insert_with(|| guess(bytes));
        encoding.decode_without_bom_handling(bytes).0
    }

    /// The name of the encoding in use where it is not UTF-8.
    pub(super) fn other_than_utf8(&self) -> Option<&'static str> {
        self.fallback.map(Encoding::name)
    }

    /// In how many places bytes that are not UTF-8 were replaced.
    pub(super) fn replaced(&self) -> u64 {
        self.replaced
    }
}

fn without_nul(text: Cow<'_, str>) -> Cow<'_, str> {
    if memchr::memchr(0, text.as_bytes()).is_some() {
        return Cow::Owned(text.replace('\0', ""));
    }
    text
}

/// The encoding of a label that a document, a mail or a server declares, with blanks around it or not.
pub(super) fn encoding_of(label: &str) -> Option<&'static Encoding> {
    Encoding::for_label_no_replacement(label.trim().as_bytes())
}

/// The text of bytes that nearly always are UTF-8; the standard library's replacing reader takes
/// several times as long as its checking one.
pub(super) fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// Whether all that is wrong with a sample is that it ends within a character.
fn is_cut(sample: &[u8], e: Utf8Error) -> bool {
    e.error_len().is_none() && sample.len() >= SAMPLE
}

/// So many characters of UTF-8 are no accident of another encoding that is declared.
const SURE: usize = 8;

/// Of so many characters beyond ASCII, one may be none of an encoding and the text still be in it:
/// vendors have added characters to most encodings.
const STRAYS: usize = 20;

/// Whether bytes that are no UTF-8 may be in a declared encoding, where another was `guessed`.
fn fits(bytes: &[u8], declared: &'static Encoding, guessed: &'static Encoding) -> bool {
    if declared == guessed {
        return true;
    }
    // The declaration was read as ASCII, so what is not like it was not meant.
    if declared == UTF_8 || !declared.is_ascii_compatible() {
        return false;
    }
    if declared == WINDOWS_1252 && !alone(bytes) {
        // It is what tools declare that were never set up, and every byte is a character of it.
        return false;
    }
    let text = declared.decode_without_bom_handling(bytes).0;
    let others = text.chars().filter(|c| !c.is_ascii());
    let (mut errors, mut letters) = (0, 0);
    for c in others {
        errors += usize::from(c == '\u{fffd}');
        letters += usize::from(c != '\u{fffd}');
    }
    errors * STRAYS <= letters
}

/// Whether most bytes beyond ASCII stand alone, as letters with accents do among those without. In
/// other alphabets and in Chinese, Japanese and Korean they stand beside each other.
fn alone(bytes: &[u8]) -> bool {
    let (mut all, mut beside) = (0usize, 0usize);
    for pair in bytes.windows(2) {
        all += usize::from(pair[0] >= 0x80);
        beside += usize::from(pair[0] >= 0x80 && pair[1] >= 0x80);
    }
    // In a run of n bytes, n - 1 have one behind them.
    beside * 2 < all || all < 4
}

/// The encoding that bytes look like, which are no UTF-8.
pub(super) fn guess(bytes: &[u8]) -> &'static Encoding {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(bytes, true);
    detector.guess(None, Utf8Detection::Deny)
}

/// The encoding of a text whose bytes look like something else: Japanese in seven bits, whose
/// bytes are those of ASCII, by its escape sequences; UTF-16 without its mark, by the half of its
/// bytes that is NUL where letters are Latin. What delimits rows and fields may stand within
/// their characters, so such a stream is decoded before anything looks into it.
pub(super) fn unmarked(sample: &[u8]) -> Option<&'static Encoding> {
    if Encoding::for_bom(sample).is_some() {
        return None;
    }
    let escapes = |wanted: [&[u8]; 2]| {
        memchr::memchr_iter(0x1b, sample)
            .any(|at| wanted.iter().any(|w| sample[at + 1..].starts_with(w)))
    };
    if escapes([b"$B", b"$@"]) && escapes([b"(B", b"(J"]) && sample.is_ascii() {
        return Some(ISO_2022_JP);
    }
    let sample = &sample[..sample.len().min(LOOK) & !1];
    // A character or two tell nothing.
    if sample.len() < 8 {
        return None;
    }
    memchr::memchr(0, sample)?;
    let share = |from: usize| {
        let nul = sample.iter().skip(from).step_by(2).filter(|&&b| b == 0);
        nul.count() * 200 / sample.len().max(2)
    };
    match (share(0), share(1)) {
        (even, odd) if odd >= 70 && even <= 5 => Some(UTF_16LE),
        (even, odd) if even >= 70 && odd <= 5 => Some(UTF_16BE),
        _ => wide(sample),
    }
}

/// UTF-16 without its mark in scripts whose letters have no NUL in them; there is one in blanks and line ends
/// beside them. The upper halves of its characters are of one alphabet and of punctuation, or of Chinese, Japanese
/// and Korean; seen so, bytes of anything else are neither.
fn wide(sample: &[u8]) -> Option<&'static Encoding> {
    let pairs = sample.len() / 2;
    [(UTF_16LE, 1), (UTF_16BE, 0)]
        .into_iter()
        .find_map(|(encoding, at)| {
            let mut upper = [0usize; 256];
            // Control characters, and bytes below that would be some if they were characters.
            let (mut control, mut low) = (0, 0);
            for pair in sample.chunks_exact(2) {
                let (high, below) = (pair[at], pair[1 - at]);
                upper[usize::from(high)] += 1;
                let is_control = below < 0x20 && !matches!(below, b'\n' | b'\r' | b'\t');
                control += usize::from(is_control && high == 0);
                low += usize::from(is_control);
            }
            let of = |range: std::ops::RangeInclusive<usize>| upper[range].iter().sum::<usize>();
            // ASCII and Latin, general punctuation, symbols.
            let common = upper[0] + of(0x20..=0x27);
            if upper[0] == 0 || control * 50 > pairs {
                return None;
            }
            let alphabet = (1..=0x1f).map(|block| upper[block]).max().unwrap_or(0);
            let one_alphabet = alphabet * 20 >= pairs && (alphabet + common) * 20 >= pairs * 19;
            // Kana and marks, ideographs, Hangul, wide forms.
            let asian = of(0x30..=0x33) + of(0x34..=0x9f) + of(0xac..=0xd7) + upper[0xff];
            // Two letters of ASCII would be an ideograph as well, but no text in ASCII has such bytes.
            let is_asian =
                asian * 2 >= pairs && (asian + common) * 50 >= pairs * 49 && low * 50 >= pairs;
            (one_alphabet || is_asian).then_some(encoding)
        })
}

/// How many bytes are such. Sums of so few fit into a byte each, so that the compiler counts as many
/// at a time as a vector holds; counting the whole at once, it takes an eighth of that.
pub(super) fn count(bytes: &[u8], is_such: impl Fn(u8) -> bool) -> usize {
    let chunks = bytes.chunks(usize::from(u8::MAX));
    let of_chunk = |chunk: &[u8]| chunk.iter().map(|b| u8::from(is_such(*b))).sum::<u8>();
    chunks.map(|chunk| usize::from(of_chunk(chunk))).sum()
}

/// Whether the beginning of a file looks like anything but text. A stray NUL or two do not.
pub fn looks_binary(sample: &[u8]) -> bool {
    /// As many control characters make no text binary, however short it is.
    const STRAY: usize = 2;
    if Encoding::for_bom(sample).is_some() || unmarked(sample).is_some() {
        return false;
    }
    let sample = &sample[..sample.len().min(LOOK)];
    let control = count(sample, |b| {
        b < 0x20 && !matches!(b, b'\n' | b'\r' | b'\t' | 0x0c | 0x1b | 0x1a | 0x03 | 0x02)
    });
    control > STRAY && control * 20 > sample.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bytes_are_counted_whatever_their_number() {
        for n in [0, 1, 254, 255, 256, 600] {
            assert_eq!(count(&vec![b'a'; n], |b| b == b'a'), n);
            assert_eq!(count(&vec![b'a'; n], |b| b == b'b'), 0);
        }
    }

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
    fn no_legacy_encoding_is_taken_for_broken_utf8() {
        for (encoding, text) in [
            (
                encoding_rs::GBK,
                "港口的旧桥将于九月重新开放，工程师说新的轴承可以使用很多年。",
            ),
            (
                encoding_rs::SHIFT_JIS,
                "港の古い橋は九月に再び開くと、市議会が火曜日に決めた。",
            ),
            (
                encoding_rs::EUC_KR,
                "항구의 오래된 다리가 구월에 다시 열린다고 시의회가 밝혔다.",
            ),
            (
                encoding_rs::BIG5,
                "港口的舊橋將於九月重新開放，工程師說新的軸承可以使用很多年。",
            ),
            (
                encoding_rs::WINDOWS_1253,
                "Η παλιά γέφυρα του λιμανιού ανοίγει ξανά τον Σεπτέμβριο.",
            ),
        ] {
            let (bytes, _, bad) = encoding.encode(text);
            assert!(!bad);
            let mut d = Decoder::for_sample(&bytes);
            assert_eq!(d.decode(&bytes), text);
            assert_eq!(d.replaced(), 0);
        }
    }

    #[test]
    fn what_is_declared_gives_way_to_what_is_there() {
        use encoding_rs::{BIG5, GBK, KOI8_R, SHIFT_JIS, WINDOWS_1250, WINDOWS_1251};
        let read = |text: &str, written: &'static Encoding, declared: &'static Encoding| {
            let (bytes, _, bad) = written.encode(text);
            assert!(!bad);
            let mut d = Decoder::for_sample(&bytes);
            let read = d.decode_declared(&bytes, &[declared]).into_owned();
            assert_eq!(read, text, "{} as {}", written.name(), declared.name());
            assert_eq!(d.other_than_utf8(), Some(written.name()));
            assert_eq!(d.replaced(), 0);
        };
        let chinese = "港口的旧桥将于九月重新开放，工程师说新的轴承可以使用很多年。";
        let taiwanese = "港口的舊橋將於九月重新開放，工程師說新的軸承可以使用很多年。";
        let japanese = "港の古い橋は九月に再び開くと、市議会が火曜日に決めた。";
        let russian = "Министры договорились о новом графике поставок зерна в порты.";
        let french = "Le marché a été ouvert à Noël, où la façade était très jolie.";
        for declared in [UTF_8, WINDOWS_1252, GBK, UTF_16LE] {
            read(chinese, GBK, declared);
        }
        read(taiwanese, BIG5, UTF_8);
        read(taiwanese, BIG5, WINDOWS_1252);
        read(japanese, SHIFT_JIS, UTF_8);
        read(russian, WINDOWS_1251, UTF_8);
        read(russian, WINDOWS_1251, WINDOWS_1252);
        read(russian, KOI8_R, KOI8_R);
        read(french, WINDOWS_1252, UTF_8);
        read(french, WINDOWS_1252, WINDOWS_1252);
        read("Żółw idzie", WINDOWS_1250, WINDOWS_1250);
        read("é", WINDOWS_1252, WINDOWS_1252);

        // UTF-8 with a stray byte, whatever is declared.
        let mut bytes = "Zürich, Öl, Präsident, für, Übung, Straße, größer, schön"
            .as_bytes()
            .to_vec();
        bytes.push(0x92);
        for declared in [UTF_8, WINDOWS_1252] {
            let mut d = Decoder::for_sample(&bytes);
            let text = d.decode_declared(&bytes, &[declared]).into_owned();
            assert!(text.starts_with("Zürich") && text.ends_with("schön\u{fffd}"));
            assert_eq!((d.other_than_utf8(), d.replaced()), (None, 1));
        }
    }

    #[test]
    fn one_bad_byte_is_one_character() {
        let text = "Der Präsident sprach in Zürich über Öl; nächste Woche hört man mehr.";
        for at in [0, text.len() / 2, text.len()] {
            let at = (at..=text.len())
                .find(|&i| text.is_char_boundary(i))
                .unwrap();
            let mut bytes = text.as_bytes().to_vec();
            bytes.insert(at, 0xfc);
            let mut d = Decoder::for_sample(&bytes);
            let expected = format!("{}\u{fffd}{}", &text[..at], &text[at..]);
            assert_eq!(d.decode(&bytes), expected);
            assert_eq!((d.other_than_utf8(), d.replaced()), (None, 1));
        }
        // A field of a file that is UTF-8 elsewhere, also beyond the sample.
        let mut d = Decoder::for_sample(text.as_bytes());
        assert_eq!(d.decode(b"Caf\xe9"), "Caf\u{fffd}");
        assert_eq!(d.decode("é".as_bytes()), "é");
        // Nothing says that this is UTF-8.
        assert_eq!(Decoder::default().decode(b"Caf\xe9 noir"), "Café noir");
    }

    #[test]
    fn seven_bits_and_wide_ones_are_told_by_their_bytes() {
        let japanese = "橋が再開";
        let (bytes, _, _) = ISO_2022_JP.encode(japanese);
        assert_eq!(unmarked(&bytes), Some(ISO_2022_JP));
        assert_eq!(unmarked("\u{1b}[1mbold\u{1b}[0m".as_bytes()), None);
        let text = "id,text\n1,The bridge reopens – Zürich";
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(unmarked(&little), Some(UTF_16LE));
        assert_eq!(unmarked(&big), Some(UTF_16BE));
        assert_eq!(unmarked(b"plain"), None);
        assert_eq!(unmarked(b""), None);
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
        assert!(looks_binary(b"\x7fELF\0\0\0\0"));
        assert!(!looks_binary("текст\nline".as_bytes()));
        assert!(!looks_binary(b"id,text\n1,\"The \0 bridge\""));
        assert!(!looks_binary(b"a\0b"));
        assert_eq!(Decoder::default().decode(b"a\0b"), "ab");
    }

    proptest! {
        #[test]
        fn utf8_is_never_changed(text in "[^\0\u{feff}]{0,200}") {
            let mut d = Decoder::for_sample(text.as_bytes());
            prop_assert_eq!(d.decode(text.as_bytes()), text.as_str());
            prop_assert_eq!((d.other_than_utf8(), d.replaced()), (None, 0));
        }

        #[test]
        fn any_bytes_become_text(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut d = Decoder::for_sample(&bytes);
            let text = d.decode(&bytes).into_owned();
            prop_assert!(!text.contains('\0'));
            looks_binary(&bytes);
        }
    }
}
