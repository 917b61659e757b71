//! What servers answer in place of a page: errors, checks for robots, lists of files.
//!
//! A real article may quote any of it. So only short texts are looked at, and a headline must say nothing else.

/// Longer texts, in bytes, are articles whatever they begin with.
const LONGEST: usize = 1200;

/// What is said of a page that leads to another.
pub(super) const ELSEWHERE: &str = "a server's answer, to look elsewhere";

/// What the statuses of HTTP are called; in small letters.
const STATUSES: [&str; 26] = [
    "not found",
    "page not found",
    "file not found",
    "forbidden",
    "unauthorized",
    "authorization required",
    "access denied",
    "bad request",
    "payment required",
    "method not allowed",
    "request timeout",
    "request time out",
    "gone",
    "too many requests",
    "internal server error",
    "server error",
    "bad gateway",
    "service unavailable",
    "service temporarily unavailable",
    "gateway timeout",
    "gateway time out",
    "moved permanently",
    "moved temporarily",
    "temporary redirect",
    "permanent redirect",
    "found",
];

/// The whole titles of pages that ask whether their reader is one.
const CHECKS: [&str; 13] = [
    "just a moment",
    "attention required cloudflare",
    "please wait cloudflare",
    "access denied",
    "access to this page has been denied",
    "robot check",
    "are you a robot",
    "pardon our interruption",
    "security check",
    "human verification",
    "verify you are human",
    "checking your browser",
    "ddos guard",
];

/// Words of which such a page, or one of an error, has some.
const SIGNS: [&str; 18] = [
    "javascript",
    "cookies",
    "captcha",
    "robot",
    "human",
    "your browser",
    "ray id",
    "reference #",
    "permission",
    "on this server",
    "the server",
    "this server",
    "requested",
    "try again",
    "nginx",
    "apache",
    "cloudflare",
    "varnish",
];

/// What a page is, where it certainly is no article.
pub(super) fn of_page(title: &str, text: &str) -> Option<&'static str> {
    let head = words(title);
    if title.trim_start().to_lowercase().starts_with("index of /") {
        return Some("a server's list of files");
    }
    if text.len() > LONGEST {
        return None;
    }
    let small = text.to_lowercase();
    let any = |signs: &[&str]| signs.iter().any(|sign| small.contains(sign));
    let first = words(small.lines().find(|l| !l.trim().is_empty()).unwrap_or(""));
    let heads = [head.as_str(), first.as_str()];
    let status = heads.iter().any(|head| match status(head) {
        Some(Status::Whole) => true,
        // A number or a word alone may be the title of anything.
        Some(Status::Half) => any(&SIGNS),
        None => false,
    });
    if status {
        return Some("a server's answer, of an error");
    }
    let check = heads.iter().any(|head| CHECKS.contains(head)) && any(&SIGNS)
        || any(&[
            "enable javascript and cookies to continue",
            "checking your browser before accessing",
            "need to enable javascript to run this app",
        ])
        || any(&["ray id"]) && any(&["cloudflare", "verify you are"]);
    if check {
        return Some("a check whether its reader is a robot");
    }
    let moved = head == "redirecting" || head == "object moved" || head == "document moved";
    if moved && text.len() < 400 {
        return Some(ELSEWHERE);
    }
    let consent = heads.contains(&"before you continue") && any(&["cookies"]);
    consent.then_some("a question about cookies")
}

/// Whether a text, all of it, is a status: `404: Not Found`.
pub(super) fn is_status(text: &str) -> bool {
    let text = text.trim();
    text.len() < 100 && !text.contains('\n') && matches!(status(&words(text)), Some(Status::Whole))
}

enum Status {
    /// A number and its name.
    Whole,
    /// One of both.
    Half,
}

/// The status that [`words`] say, if they say nothing else.
fn status(words: &str) -> Option<Status> {
    let is_code = |word: &&str| {
        word.len() == 3 && word.starts_with(['3', '4', '5']) && word.parse::<u16>().is_ok()
    };
    let mut rest: Vec<&str> = words.split(' ').collect();
    rest.retain(|word| !matches!(*word, "error" | "http" | "status" | "code" | "1" | ""));
    let coded = rest.first().is_some_and(is_code);
    if coded {
        rest.remove(0);
    } else if !words.contains("error") && rest.is_empty() {
        return None;
    }
    let name = rest.join(" ");
    match (coded, STATUSES.contains(&name.as_str())) {
        (true, true) => Some(Status::Whole),
        (true, false) if name.is_empty() => Some(Status::Half),
        (false, true) => Some(Status::Half),
        _ => None,
    }
}

/// A headline in small letters, without marks.
fn words(text: &str) -> String {
    let text: String = text.chars().take(200).collect();
    let small = text.to_lowercase();
    let words = small.split(|c: char| !c.is_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_servers_are_told_from_articles() {
        for (title, text) in [
            ("404 Not Found", "nginx/1.18.0"),
            ("404 Not Found", "404 Not Found\n\nnginx/1.18.0"),
            (
                "Error 404 (Not Found)!!1",
                "The requested URL was not found.",
            ),
            (
                "503",
                "Service Unavailable\n\nThe server is busy; try again later.",
            ),
            (
                "Not Found",
                "The requested URL /a was not found on this server.",
            ),
            (
                "Access Denied",
                "You don't have permission to access \"/a\" on this server.\n\nReference #18.1",
            ),
            (
                "Just a moment...",
                "Enable JavaScript and cookies to continue",
            ),
            (
                "Robot Check",
                "Sorry, we just need to make sure you're not a robot.",
            ),
            (
                "A story",
                "Access denied\n\nPlease verify you are human. Ray ID: 7a",
            ),
            ("Redirecting...", "Redirecting to the new place"),
            ("Index of /news", "../\na.html 03-May-2024"),
            ("A story", "Before you continue\n\nWe use cookies and data."),
        ] {
            assert!(of_page(title, text).is_some(), "{title}: {text}");
        }
        let long = "The page said 404 Not Found, and the server said no more. ".repeat(40);
        for (title, text) in [
            (
                "404 Not Found: how an error became a joke",
                "The page said: 404 Not Found.",
            ),
            ("Gone", "She looked at the road. He was gone."),
            ("Forbidden", "The mountain was forbidden to all of us."),
            ("404 Not Found", long.as_str()),
            (
                "Access denied",
                "The council keeps the plans of the bridge to itself.",
            ),
            ("Index of consumer prices", "Prices rose."),
            ("Just a moment", "A poem about time."),
            ("Redirecting the river", "The river goes elsewhere."),
            ("A story", "The error page says: access denied."),
            ("Error", "A play in one act."),
            ("", ""),
        ] {
            assert_eq!(of_page(title, text), None, "{title}: {text}");
        }
        assert!(is_status("404: Not Found\n"));
        assert!(is_status("HTTP 503 Service Unavailable"));
        assert!(!is_status("Not found"));
        assert!(!is_status("404: Not Found\n\nA tale of a page."));
    }
}
