//! Objects and tables that programs write for each other: their settings, their logs, and what they answer
//! where something went wrong. They have a `message`, a `title` or a `description` as articles have.
//!
//! All names here are as [`plain`](super::names::plain) makes them.

use super::names::{MESSAGE, plain};
use serde_json::{Map, Value};

/// Columns that stand beside a `message` which is no post: of errors and of logs.
const FAULTS: [&str; 25] = [
    "status",
    "statuscode",
    "statusmessage",
    "code",
    "error",
    "errors",
    "errorcode",
    "errortype",
    "errno",
    "exception",
    "success",
    "ok",
    "fault",
    "requestid",
    "documentationurl",
    "level",
    "loglevel",
    "levelname",
    "levelno",
    "severity",
    "logger",
    "loggername",
    "threadname",
    "stack",
    "stacktrace",
];
/// Columns of which a post or a mail has one at least, and so a data set of them.
const POSTS: [&str; 38] = [
    "id",
    "idstr",
    "messageid",
    "postid",
    "uid",
    "uuid",
    "guid",
    "date",
    "datetime",
    "time",
    "timestamp",
    "createdat",
    "createdtime",
    "created",
    "updatedtime",
    "sent",
    "sentat",
    "from",
    "to",
    "sender",
    "recipient",
    "author",
    "user",
    "username",
    "userid",
    "screenname",
    "name",
    "channel",
    "subject",
    "title",
    "story",
    "permalinkurl",
    "file",
    "label",
    "category",
    "class",
    "target",
    "genre",
];
/// All that an answer about an error says (RFC 9457, and what others write).
const ANSWERED: [&str; 20] = [
    "status",
    "statuscode",
    "statustext",
    "code",
    "error",
    "errors",
    "errorcode",
    "errordescription",
    "message",
    "title",
    "detail",
    "details",
    "description",
    "type",
    "instance",
    "reason",
    "timestamp",
    "path",
    "traceid",
    "requestid",
];

/// What an answer about an error is.
pub(crate) const FAILURE: &str = "what a server answers where something went wrong";

/// What stands beside these in answers whose values alone tell that they are no articles.
const BESIDE: [&str; 14] = [
    "ok",
    "success",
    "data",
    "result",
    "results",
    "msg",
    "content",
    "text",
    "body",
    "summary",
    "name",
    "kind",
    "documentationurl",
    "help",
];

/// Longer texts, in bytes, are more than an answer about an error says.
const LONGEST_ANSWER: usize = 1000;

/// Whether an object that stands alone is what a server answers where something went wrong, by its values: a text
/// about one may have any of the names, but hardly no others and a value of failure.
pub(crate) fn is_failure(row: &Map<String, Value>) -> bool {
    let known = |name: &str| ANSWERED.contains(&name) || BESIDE.contains(&name);
    let code = |value: &Value| {
        let number = match value {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        number.is_some_and(|number| (400..600).contains(&number))
    };
    let says = |value: &Value, words: &[&str]| {
        let text = value.as_str().map(str::to_lowercase);
        text.is_some_and(|text| words.contains(&text.as_str()))
    };
    let mut failed = false;
    let mut length = 0;
    for (name, value) in row {
        let name = plain(name);
        if !known(&name) {
            return false;
        }
        length += value.as_str().map_or(0, str::len);
        failed |= match name.as_str() {
            "ok" | "success" => *value == Value::Bool(false),
            "status" | "result" => {
                code(value) || says(value, &["error", "fail", "failed", "failure"])
            }
            "code" | "statuscode" | "errorcode" => code(value),
            "error" | "errors" => match value {
                Value::Bool(is) => *is,
                Value::Object(object) => !object.is_empty() && !is_fine(object),
                Value::Array(items) => !items.is_empty(),
                Value::String(text) => !text.is_empty(),
                other => code(other),
            },
            _ => false,
        };
    }
    failed && length <= LONGEST_ANSWER
}

/// Whether what stands where a failure is told says that there was none: `{"code": "ok", "message": ""}`.
fn is_fine(told: &Map<String, Value>) -> bool {
    told.get("code").is_some_and(|code| match code {
        Value::String(code) => code.eq_ignore_ascii_case("ok") || code == "0",
        Value::Number(code) => matches!(code.as_u64(), Some(0 | 200)),
        _ => false,
    })
}

/// Whether a `message` beside these columns is likely a post or a mail.
pub(super) fn is_post(names: &[String]) -> bool {
    let has = |all: &[&str]| names.iter().any(|name| all.contains(&name.as_str()));
    !has(&FAULTS) && has(&POSTS)
}

/// What the columns are, where they are certainly no article's.
pub(super) fn no_article(names: &[String]) -> Option<&'static str> {
    let has = |wanted: &str| names.iter().any(|name| name == wanted);
    let any = |wanted: &[&str]| wanted.iter().any(|name| has(name));
    let failed = any(&["error", "errors", "errorcode", "statuscode"])
        || has("status") && any(&["detail", "type", "code", MESSAGE]);
    if failed && names.iter().all(|name| ANSWERED.contains(&name.as_str())) {
        return Some(FAILURE);
    }
    // Settings of packages and programs. A description is all that they say in words.
    let package = has("name")
        && (has("version") && any(&["main", "private", "lockfileversion", "exports"])
            || any(&[
                "dependencies",
                "devdependencies",
                "peerdependencies",
                "scripts",
                "engines",
                "autoload",
                "requiredev",
                "manifestversion",
            ]));
    let web = has("icons") && any(&["shortname", "starturl", "themecolor", "display"]);
    (package || web).then_some("the settings of a program")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &str) -> Vec<String> {
        list.split(' ').map(ToString::to_string).collect()
    }

    #[test]
    fn messages_of_people_and_of_programs() {
        for post in [
            "id message",
            "message from createdtime",
            "file message",
            "label message",
        ] {
            assert!(is_post(&names(post)), "{post}");
        }
        for other in [
            "message",
            "status message",
            "id level message",
            "code message data",
        ] {
            assert!(!is_post(&names(other)), "{other}");
        }
    }

    #[test]
    fn values_tell_failures_that_have_an_articles_names() {
        let failed = |json: &str| match serde_json::from_str(json).unwrap() {
            Value::Object(row) => is_failure(&row),
            _ => unreachable!("tests pass objects"),
        };
        for failure in [
            r#"{"ok": false, "error_code": 401, "description": "Unauthorized"}"#,
            r#"{"success": false, "data": null, "description": "Invalid token"}"#,
            r#"{"status": "fail", "content": "Too many requests"}"#,
            r#"{"code": 429, "text": "Too many requests"}"#,
            r#"{"title": "Unauthorized", "status": "401"}"#,
            r#"{"error": {"code": 190}, "title": "Err", "text": "No token"}"#,
        ] {
            assert!(failed(failure), "{failure}");
        }
        for article in [
            r#"{"title": "The error", "text": "A story.", "id": 1, "status": "fail"}"#,
            r#"{"title": "The error", "text": "A story.", "error": null}"#,
            r#"{"title": "The error", "text": "A story.", "status": "published"}"#,
            r#"{"title": "Room 404", "text": "A story.", "code": "A"}"#,
            r#"{"ok": true, "text": "A story."}"#,
            r#"{"data": {}, "error": {"code": "ok", "message": "", "log_id": "1"}}"#,
        ] {
            assert!(!failed(article), "{article}");
        }
    }

    #[test]
    fn answers_and_settings_are_told_from_articles() {
        for other in [
            "status message",
            "type title status detail instance",
            "error description",
            "name version description main",
            "name description scripts",
            "name shortname icons starturl description",
        ] {
            assert!(no_article(&names(other)).is_some(), "{other}");
        }
        for article in [
            "title description",
            "status title content",
            "code title description",
            "name version description license",
            "id title text status error",
        ] {
            assert_eq!(no_article(&names(article)), None, "{article}");
        }
    }
}
