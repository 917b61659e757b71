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

/// What is said of it.
pub(crate) const ANSWER: &str = "what a server answers where something went wrong";
/// And what it says beside these, as articles do too.
const SAID: [&str; 12] = [
    "ok", "success", "result", "name", "kind", "data", "text", "content", "body", "summary", "msg",
    "meta",
];
/// An answer about an error is no longer, in bytes.
const LONGEST_ANSWER: usize = 1000;

/// Whether an object is certainly what a server answers where something went wrong: it says so, and has nothing
/// that such an answer has not.
pub(crate) fn is_answer(object: &Map<String, Value>) -> bool {
    let mut failed = false;
    let mut length = 0;
    for (name, value) in object {
        let name = plain(name);
        if !ANSWERED.contains(&name.as_str()) && !SAID.contains(&name.as_str()) {
            return false;
        }
        length += value.as_str().map_or(0, str::len);
        failed |= match name.as_str() {
            "ok" | "success" => value == false || value == "false",
            "status" | "result" | "type" | "name" => {
                is_failure(value) || name == "status" && is_status(value)
            }
            "code" | "errorcode" | "statuscode" => is_status(value),
            "error" | "errors" => match value {
                Value::Bool(truth) => *truth,
                Value::String(text) => !text.is_empty(),
                Value::Array(list) => !list.is_empty(),
                Value::Object(inner) => inner.contains_key("message") || inner.contains_key("code"),
                Value::Number(_) => is_status(value),
                Value::Null => false,
            },
            _ => false,
        };
    }
    failed && length <= LONGEST_ANSWER
}

/// Whether a value is a word for something that went wrong.
fn is_failure(value: &Value) -> bool {
    let word = value.as_str().unwrap_or_default();
    ["error", "fail", "failed", "failure"]
        .iter()
        .any(|known| word.eq_ignore_ascii_case(known))
}

/// Whether a value is a status of HTTP of an error.
fn is_status(value: &Value) -> bool {
    let number = match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    number.is_some_and(|number| (400..600).contains(&number))
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
        return Some(ANSWER);
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
    fn answers_are_told_by_what_they_say() {
        let is = |json| {
            is_answer(
                serde_json::from_str::<Value>(json)
                    .unwrap()
                    .as_object()
                    .unwrap(),
            )
        };
        for answer in [
            r#"{"ok": false, "error_code": 401, "description": "Unauthorized"}"#,
            r#"{"success": false, "data": null, "description": "Invalid token"}"#,
            r#"{"status": "fail", "content": "Too many requests"}"#,
            r#"{"code": 429, "text": "Too many requests"}"#,
            r#"{"title": "Unauthorized", "status": 401}"#,
            r#"{"result": "error", "msg": "x", "summary": "Limit reached"}"#,
            r#"{"error": {"message": "x", "code": 190}, "title": "Err", "text": "text here"}"#,
            r#"{"name": "Error", "title": "Not Found", "body": "It could not be found", "code": 404}"#,
        ] {
            assert!(is(answer), "{answer}");
        }
        for article in [
            r#"{"title": "T", "text": "C"}"#,
            r#"{"title": "T", "status": "publish", "content": "C"}"#,
            r#"{"code": 12, "text": "C"}"#,
            r#"{"code": 404, "text": "C", "date": "2024-05-03"}"#,
            r#"{"ok": true, "title": "T", "text": "C"}"#,
            r#"{"error": null, "title": "T", "body": "C"}"#,
        ] {
            assert!(!is(article), "{article}");
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
