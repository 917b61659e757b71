//! The names of an archive's members, whatever their bytes are in.
//!
//! Of a zip file only those that are marked so are UTF-8; the others are in the code page of whoever packed it,
//! which nothing says. Names that differ must stay apart, and a byte of a character is no backslash.

use crate::corpus::decode::guess;
use encoding_rs::{BIG5, Encoding, GBK, SHIFT_JIS, WINDOWS_1252};
use std::borrow::Cow;

/// The characters of MS-DOS's code page 437 from 0x80 on, which the format's specification names.
const CP437: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐\
                     └┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";

/// Names as texts, in their order: UTF-8 where they are, else in the encoding that all others together look like.
pub(super) fn decoded<'a>(names: &[&'a [u8]]) -> Vec<Cow<'a, str>> {
    let others: Vec<&[u8]> = names
        .iter()
        .copied()
        .filter(|name| std::str::from_utf8(name).is_err())
        .collect();
    let others = others.join(&b'\n');
    let guessed = guess(&others);
    let text = guessed.decode_without_bom_handling_and_without_replacement(&others);
    // Letters with accents stand alone among others, which these code pages do not tell; in other scripts they
    // stand together.
    let backslashed = with_backslashes(&others);
    let encoding = match text {
        Some(text) if together(&text) && (backslashed.is_none() || !guessed.is_single_byte()) => {
            Some(guessed)
        }
        _ if backslashed.is_some() => backslashed,
        _ if others
            .iter()
            .all(|b| b.is_ascii() || *b >= 0xc0 && *b != 0xe1) =>
        {
            Some(WINDOWS_1252)
        }
        _ => None,
    };
    names
        .iter()
        .map(|name| {
            if let Ok(text) = std::str::from_utf8(name) {
                return Cow::Borrowed(text);
            }
            let text = encoding.and_then(|encoding| {
                encoding.decode_without_bom_handling_and_without_replacement(name)
            });
            text.unwrap_or_else(|| Cow::Owned(name.iter().map(|b| of_cp437(*b)).collect()))
        })
        .collect()
}

/// The encoding in which a backslash that stands behind a byte beyond ASCII is a part of its character. A few names
/// are too little to guess by, and one that is taken apart there may be lost.
fn with_backslashes(names: &[u8]) -> Option<&'static Encoding> {
    let behind = |end: &[u8]| {
        names
            .windows(1 + end.len())
            .any(|w| w[0] >= 0x80 && w[1..] == *end)
    };
    if !behind(b"\\") {
        return None;
    }
    // No folder holds a file that has an ending and no name.
    let sure = behind(b"\\.");
    [SHIFT_JIS, GBK, BIG5].into_iter().find(|encoding| {
        let text = encoding.decode_without_bom_handling_and_without_replacement(names);
        text.is_some_and(|text| sure || together(&text))
    })
}

/// Whether most characters beyond ASCII stand beside another.
fn together(text: &str) -> bool {
    let (mut all, mut beside) = (0usize, 0usize);
    let mut before = false;
    for c in text.chars() {
        all += usize::from(!c.is_ascii());
        beside += usize::from(before && !c.is_ascii());
        before = !c.is_ascii();
    }
    // In a run of n characters, n - 1 have one before them.
    all > 0 && beside * 2 >= all
}

fn of_cp437(byte: u8) -> char {
    match byte.checked_sub(0x80) {
        None => char::from(byte),
        Some(at) => CP437
            .chars()
            .nth(at.into())
            .unwrap_or(char::REPLACEMENT_CHARACTER),
    }
}

/// The same of one name alone.
pub(super) fn decoded_one(name: &[u8]) -> String {
    decoded(&[name]).pop().unwrap_or_default().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_any_code_page_stay_apart() {
        assert_eq!(CP437.chars().count(), 128);
        for (names, expected) in [
            // 表 and ソ end with the byte of a backslash.
            (
                vec![
                    &b"\x95\x5c\x8e\x86.txt"[..],
                    b"\x83\x5c\x83\x74\x83\x67.txt",
                    b"\x93\xfa\x96\x7b\x8c\xea\x82\xcc.txt",
                ],
                vec!["表紙.txt", "ソフト.txt", "日本語の.txt"],
            ),
            // 橋が and ソ, too short to guess by.
            (
                vec![b"\x8b\xb4\x82\xaa.txt", b"\x83\x5c.txt"],
                vec!["橋が.txt", "ソ.txt"],
            ),
            // A folder of Windows, packed with its backslash.
            (
                vec![b"caf\x82\x5ca.txt", b"caf\x8a\x5cb.txt"],
                vec!["café\\a.txt", "cafè\\b.txt"],
            ),
            (
                vec![b"caf\x82.txt", b"caf\x8a.txt"],
                vec!["café.txt", "cafè.txt"],
            ),
            (
                vec![b"caf\xe9.txt", b"plain.txt"],
                vec!["café.txt", "plain.txt"],
            ),
            (
                "тест é".split(' ').map(str::as_bytes).collect(),
                vec!["тест", "é"],
            ),
        ] {
            assert_eq!(decoded(&names), expected);
        }
    }
}
