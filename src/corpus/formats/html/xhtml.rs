//! Pages in XML's syntax, where any element may end in its own tag: `<script src="a.js"/>`. To a parser of HTML it
//! is open, and holds the rest of the page.

use html5ever::LocalName;
use memchr::memmem;
use std::borrow::Cow;

/// Elements that hold whatever follows them until their end tag.
const HOLDING: [&str; 8] = [
    "script", "style", "title", "iframe", "textarea", "noscript", "div", "a",
];

/// What a page of this kind may begin with.
const XML: &str = "<?xml?>";

/// How far into a page it says that it is of this kind, in bytes.
const HEAD: usize = 1024;

/// Whether a page is of this kind.
pub(super) fn is_xhtml(source: &str) -> bool {
    let start = start(source);
    let head = &start.as_bytes()[..start.len().min(HEAD)];
    start.starts_with("<?xml") || memmem::find(head, b"www.w3.org/1999/xhtml").is_some()
}

/// Whether a page says at its very beginning that it is XML: what is said later is said by many that are read as HTML.
pub(super) fn is_declared(source: &str) -> bool {
    start(source).starts_with("<?xml")
}

fn start(source: &str) -> &str {
    source.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n'])
}

/// A page without the declarations in its document type, and with the text that they give a name in place of each use
/// of that name.
pub(super) fn without_entities(source: &str) -> Cow<'_, str> {
    /// So many are read, each of so many bytes, and the page grows by so many at most: names in the texts of others
    /// stay as they are.
    const MOST: usize = 100;
    const LONGEST: usize = 1000;
    const GROWTH: usize = 1 << 20;
    let declared = || {
        if !is_declared(source) {
            return None;
        }
        let bytes = source.as_bytes();
        let near = bytes.get(..4 * HEAD).unwrap_or(bytes);
        let begins = memmem::find(near, b"<!DOCTYPE")?;
        let (name, inner) = source[begins..].split_once('[')?;
        // The document type ended before.
        if name.contains('>') {
            return None;
        }
        let end = end_of_declarations(inner)?;
        Some((
            begins + name.len(),
            &inner[..end.0],
            inner[end.1..].trim_start(),
        ))
    };
    let Some((at, inner, rest)) = declared() else {
        return Cow::Borrowed(source);
    };
    let mut entities = Vec::new();
    for declaration in inner.split("<!ENTITY").skip(1).take(MOST) {
        let declaration = declaration.trim_start();
        let Some((name, value)) = declaration.split_once(char::is_whitespace) else {
            continue;
        };
        let value = value.trim_start();
        let Some(quote) = value.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
            continue;
        };
        let text = value[1..].split(quote).next().unwrap_or_default();
        // Such an element would hold the rest of the page.
        let holds = ["<script", "<style", "<!--"]
            .iter()
            .any(|tag| text.contains(tag));
        if !holds
            && text.len() <= LONGEST
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        {
            entities.push((name, text));
        }
    }
    let mut page = source[..at].to_string();
    let mut grown = 0;
    let mut rest = rest;
    while let Some(n) = memchr::memchr(b'&', rest.as_bytes()) {
        let (before, behind) = rest.split_at(n);
        page.push_str(before);
        let used = entities.iter().find(|(name, _)| {
            let behind = behind[1..].strip_prefix(name);
            behind.is_some_and(|behind| behind.starts_with(';'))
        });
        match used {
            Some((name, text)) if grown < GROWTH => {
                page.push_str(text);
                grown += text.len().saturating_sub(name.len() + 2);
                rest = &behind[name.len() + 2..];
            }
            _ => {
                page.push('&');
                rest = &behind[1..];
            }
        }
    }
    page.push_str(rest);
    Cow::Owned(page)
}

/// Where the declarations within a document type end, and where what follows its end begins; `None` where it does not
/// end before the page begins.
fn end_of_declarations(inner: &str) -> Option<(usize, usize)> {
    /// As long as they may be, in bytes.
    const LONGEST: usize = 1 << 16;
    let bytes = &inner.as_bytes()[..inner.len().min(LONGEST)];
    let behind =
        |at: usize, end: &[u8]| memmem::find(bytes.get(at..)?, end).map(|n| at + n + end.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let rest = &bytes[at..];
        at = match byte {
            b']' => {
                let blanks = rest[1..]
                    .iter()
                    .take_while(|b| b.is_ascii_whitespace())
                    .count();
                let end = at + 1 + blanks;
                return (bytes.get(end) == Some(&b'>')).then_some((at, end));
            }
            quote @ (b'"' | b'\'') => behind(at + 1, &[quote])?,
            b'<' if rest.starts_with(b"<!--") => behind(at + 4, b"-->")?,
            b'<' if rest.starts_with(b"<?") => behind(at + 2, b"?>")?,
            b'<' if !rest.starts_with(b"<!") => return None,
            _ => at + 1,
        };
    }
    None
}

/// Whether an element holds whatever follows it in HTML's syntax, so that it is to be ended where XML ends it.
pub(super) fn holds(name: &LocalName) -> bool {
    HOLDING.contains(&name.as_ref())
}

/// What a page shows where no program runs: all that its `<noscript>` elements hold.
pub(super) fn unscripted(source: &str) -> String {
    let lower = source.to_ascii_lowercase();
    let xhtml = is_xhtml(source);
    // What was in a page of this kind is read as one.
    let mut all = if xhtml {
        XML.to_string()
    } else {
        String::new()
    };
    let mut at = 0;
    while let Some(start) = lower[at..].find("<noscript") {
        let Some(open) = lower[at + start..]
            .find('>')
            .map(|end| at + start + end + 1)
        else {
            break;
        };
        if xhtml && lower[..open].ends_with("/>") {
            at = open;
            continue;
        }
        let end = lower[open..]
            .find("</noscript")
            .map_or(lower.len(), |end| open + end);
        all.push_str(&source[open..end]);
        at = end;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::{unscripted, without_entities};

    #[test]
    fn names_that_a_page_gives_its_texts_are_read() {
        let page = "<?xml version='1.0'?><!DOCTYPE html [<!ENTITY co \"Harbour &amp; Sons\"> <!ENTITY a '&co;&co;'>\n]>\
            <p>&co; &amp; &a; &cob; &";
        assert_eq!(
            without_entities(page),
            "<?xml version='1.0'?><!DOCTYPE html ><p>Harbour &amp; Sons &amp; &co;&co; &cob; &"
        );
        // What ends declarations may stand in a text or a remark.
        let odd = "<?xml version='1.0'?><!DOCTYPE html [<!-- it's ] --><!ENTITY co \"[1]\"><?a ]?><!ENTITY s '<script>'>]><p>&co;&s;";
        assert_eq!(
            without_entities(odd),
            "<?xml version='1.0'?><!DOCTYPE html ><p>[1]&s;"
        );
        // However often one is used.
        let long = page.replace("&co; &amp;", &"&co;".repeat(1_000_000));
        assert!(without_entities(&long).len() < long.len() + (2 << 20));
        for other in [
            "<!DOCTYPE html [<!ENTITY co 'x'>]>&co;",
            "<?xml version='1.0'?><!DOCTYPE html><p>[&co;]",
            "<?xml version='1.0'?><!DOCTYPE html [",
            "<?xml version='1.0'?><!DOCTYPE html [<!ENTITY co 'x'><html><p>[&co;]>",
            "<?xml version='1.0'?><!DOCTYPE html [<!ENTITY co 'x'>] &co;",
        ] {
            assert_eq!(without_entities(other), other);
        }
    }

    #[test]
    fn what_is_shown_without_programs_is_found() {
        assert_eq!(
            unscripted("a<NOSCRIPT x><p>b</p></noscript>c<noscript>d"),
            "<p>b</p>d"
        );
        assert_eq!(unscripted("<noscript"), "");
        let xhtml = "<?xml version='1.0'?><noscript/><p>a</p><noscript>b</noscript>";
        assert_eq!(unscripted(xhtml), "<?xml?>b");
    }
}
