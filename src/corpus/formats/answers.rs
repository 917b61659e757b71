//! What servers show in place of the page that was asked for: errors, checks for robots, redirects, lists of files.
//! Saved under an article's name, it would take the article's place.

/// What is said of it.
pub(super) const INSTEAD: &str = "no article but what a server shows in place of one (an error, a check for robots, a redirect, a list of files)";

/// A page with more text than this, in bytes, is no answer.
const LONGEST: usize = 600;

/// A title that is a word for an error needs a text that is this short, in bytes.
const SHORT: usize = 300;

/// What the errors of HTTP are called, by their numbers' pages.
const REASONS: [&str; 18] = [
    "access denied",
    "bad gateway",
    "bad request",
    "error",
    "forbidden",
    "gateway time-out",
    "gateway timeout",
    "gone",
    "internal server error",
    "method not allowed",
    "not found",
    "page not found",
    "request timeout",
    "service temporarily unavailable",
    "service unavailable",
    "temporarily unavailable",
    "too many requests",
    "unauthorized",
];

/// What the titles of other pages of this kind begin with; no article's does.
const TITLES: [&str; 12] = [
    "are you a robot",
    "attention required! | cloudflare",
    "checking your browser",
    "ddos-guard",
    "human verification",
    "index of /",
    "just a moment...",
    "pardon our interruption",
    "please verify you are a human",
    "request rejected",
    "robot check",
    "verify you are human",
];

/// Whether a page with this title and text is one.
pub(super) fn is_instead(title: &str, text: &str) -> bool {
    if text.len() > LONGEST && !title.starts_with("Index of /") {
        return false;
    }
    let title = title.trim().to_lowercase();
    if TITLES.iter().any(|known| title.starts_with(known)) {
        return true;
    }
    match status(&title) {
        Some(rest) => rest.is_empty() || REASONS.iter().any(|reason| rest.starts_with(reason)),
        None => text.len() <= SHORT && REASONS.contains(&title.as_str()) && title != "error",
    }
}

/// Whether a whole text is one: `404: Not Found`.
pub(super) fn is_text(text: &str) -> bool {
    let line = text.trim();
    if line.len() > 60 || line.contains('\n') {
        return false;
    }
    let line = line.trim_end_matches(['.', '!']).to_lowercase();
    status(&line).is_some_and(|rest| REASONS.contains(&rest))
}

/// What stands behind the number of an error of HTTP at the beginning of a text in lower case.
fn status(text: &str) -> Option<&str> {
    let text = text.strip_prefix("http ").unwrap_or(text);
    let text = text.strip_prefix("error ").unwrap_or(text);
    let (number, rest) = text.split_at_checked(3)?;
    let error = number.parse().is_ok_and(|n: u16| (400..600).contains(&n));
    let apart = rest.trim_start_matches([' ', ':', '-', '–', '—', '|', '.']);
    (error && (rest.is_empty() || apart.len() < rest.len())).then_some(apart)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_servers_show_is_told_from_articles() {
        for (title, text) in [
            ("404 Not Found", "nginx/1.18.0"),
            (
                "Not Found",
                "The requested URL was not found on this server.",
            ),
            ("503", "Service Unavailable"),
            ("Error 403: Forbidden", "You may not."),
            (
                "Access Denied",
                "You don't have permission to access it. Reference #18.1",
            ),
            ("Robot Check", "Enter the characters you see below"),
            ("Index of /news", "a.html 03-May-2024"),
        ] {
            assert!(is_instead(title, text), "{title}");
        }
        for (title, text) in [
            ("500 years of the old bridge", "It was built in 1524."),
            ("404 ships passed", "The bridge opened."),
            ("Not found in the archives", "The plans are lost."),
            (
                "Forbidden",
                &"The film was forbidden for years. ".repeat(20),
            ),
            ("4045 Not Found", "x"),
            ("", "404 Not Found"),
        ] {
            assert!(!is_instead(title, text), "{title}");
        }
        assert!(is_text("404: Not Found\n") && is_text("503 Service Unavailable"));
        assert!(!is_text("404: not found in the archives") && !is_text("Not Found"));
    }
}
