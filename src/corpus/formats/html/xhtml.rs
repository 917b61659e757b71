//! Pages in XML's syntax, where any element may end in its own tag: `<script src="a.js"/>`. To a parser of HTML it
//! is open, and holds the rest of the page.

use html5ever::LocalName;

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
    let start = source.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
    let head = &start.as_bytes()[..start.len().min(HEAD)];
    start.starts_with("<?xml") || memchr::memmem::find(head, b"www.w3.org/1999/xhtml").is_some()
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
    use super::unscripted;

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
