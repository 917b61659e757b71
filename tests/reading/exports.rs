//! Exports of programs that many people use, each in its own form.

use super::documents::{http, one, read_bytes, record};
use std::io::Write;

const TEXT: &str = "The old bridge opens again in September.";

#[test]
fn chats_of_telegram_are_their_messages() {
    let message = |id: u32, text: &str| {
        format!(
            r#"{{"id": {id}, "type": "message", "date": "2024-05-03T10:11:12", "date_unixtime": "1714731072", "from": "Ann", "text": {text}, "text_entities": []}}"#
        )
    };
    let chat = |n: u32| {
        format!(
            r#"{{"name": "Chat {n}", "type": "public_channel", "id": {n}, "messages": [{}, {}, {}, {}]}}"#,
            r#"{"id": 1, "type": "service", "date": "2024-05-03T10:11:12", "actor": "Ann", "action": "create"}"#,
            message(
                n * 10,
                r#"["The ", {"type": "bold", "text": "bridge"}, " opens"]"#
            ),
            message(n * 10 + 1, r#""Plain text""#),
            message(n * 10 + 2, r#""""#),
        )
    };
    let all = format!(
        r#"{{"about": "Here is the data you requested.", "chats": {{"about": "These are your chats.", "list": [{}, {}]}}}}"#,
        chat(1),
        chat(2)
    );
    for (json, count) in [(chat(1), 2), (all, 4)] {
        let seen = read_bytes("result.json", json.as_bytes());
        assert!(seen.bad.is_empty(), "{:?}", seen.bad);
        let texts: Vec<&str> = seen.articles.iter().map(|a| a.text.as_str()).collect();
        assert_eq!(texts.len(), count, "{texts:?}");
        assert_eq!(texts[..2], ["The bridge opens", "Plain text"]);
        assert_eq!(
            seen.articles[0].date.as_deref(),
            Some("2024-05-03T10:11:12")
        );
        let said = format!("{} of its messages", count);
        assert!(
            seen.notes.iter().any(|n| n.contains(&said)),
            "{:?}",
            seen.notes
        );
    }
    // Comments are no articles where an article has them.
    let article = r#"{"title": "T", "comments": [{"text": "C"}], "text": "B"}"#;
    assert_eq!(one("a.json", article.as_bytes()).text, "B");
}

#[test]
fn what_is_said_below_an_article_is_one_too() {
    let comment = |id: &str, replies: &str| {
        format!(
            r#"{{"kind": "t1", "data": {{"id": "{id}", "body": "Comment {id}", "author": "ann", "replies": {replies}}}}}"#
        )
    };
    let listing = |items: &str| {
        format!(r#"{{"kind": "Listing", "data": {{"after": null, "children": [{items}]}}}}"#)
    };
    let more = r#"{"kind": "more", "data": {"id": "m", "count": 3, "children": ["x", "y"]}}"#;
    let deepest = listing(&comment("A2", "\"\""));
    let below = listing(&format!("{},{more}", comment("A1", &deepest)));
    let post =
        r#"{"kind": "t3", "data": {"id": "P", "title": "T", "selftext": "Post", "author": "bo"}}"#;
    let reddit = format!(
        "[{},{}]",
        listing(post),
        listing(&format!(
            "{},{},{more}",
            comment("A", &below),
            comment("B", "\"\"")
        ))
    );
    let seen = read_bytes("a.json", reddit.as_bytes());
    assert!(seen.bad.is_empty(), "{:?}", seen.bad);
    let texts: Vec<&str> = seen.articles.iter().map(|a| a.text.as_str()).collect();
    assert_eq!(
        texts,
        ["Post", "Comment A", "Comment A1", "Comment A2", "Comment B"]
    );
    assert_eq!(seen.articles[3].meta["parent"], "A1");
    assert!(!seen.articles[1].meta.contains_key("replies"));
    assert!(
        seen.notes.iter().any(|n| n.contains("2 of its messages")),
        "{:?}",
        seen.notes
    );

    // Of a story that is a link the title is there; what was taken back has no text.
    let news = r#"{"id": 1, "author": "ann", "title": "A link", "url": "https://post.example/1", "text": null, "children": [
        {"id": 2, "author": "bo", "title": null, "url": null, "text": "<p>One", "children": [
            {"id": 3, "author": null, "title": null, "url": null, "text": null, "children": [
                {"id": 4, "author": "cy", "title": null, "url": null, "text": "Two", "parent_id": 3, "children": []}]}]}]}"#;
    let seen = read_bytes("item.json", news.as_bytes());
    assert!(seen.bad.is_empty(), "{:?}", seen.bad);
    let ids: Vec<_> = seen
        .articles
        .iter()
        .map(|a| a.id.clone().unwrap_or_default())
        .collect();
    assert_eq!(ids, ["1", "2", "4"]);
    assert_eq!(seen.articles[0].title, "A link");
    assert_eq!(seen.articles[2].text, "Two");

    // An object of a list that holds an article is one, whatever list that has beside.
    let wrapped = r#"[{"data": {"id": "A", "text": "Text A", "items": [{"id": "x", "text": "X"}]}}, {"data": {"id": "B", "text": "Text B"}}]"#;
    let seen = read_bytes("a.json", wrapped.as_bytes());
    let texts: Vec<&str> = seen.articles.iter().map(|a| a.text.as_str()).collect();
    assert_eq!(texts, ["Text A", "Text B"]);
}

#[test]
fn what_stands_above_replies_is_read_with_them() {
    let post = |text: &str, replies: &str| {
        format!(
            r#"{{"$type": "t", "post": {{"uri": "at://{text}", "author": {{"handle": "ann"}}, "record": {{"text": "{text}", "createdAt": "2024-05-03T10:11:12Z"}}}}, "replies": [{replies}]}}"#
        )
    };
    let thread = format!(
        r#"{{"thread": {}}}"#,
        post("One", &post("Two", &post("Three", "")))
    );
    let node = r#"{"data": {"post": {"id": "P", "title": "T", "body": "One", "replies": {"nodes": [{"id": "R", "body": "Two"}, {"id": "S", "body": "Three"}]}}}}"#;
    // Each object here is about one comment, and none is a table.
    let lemmy = ["One", "Two", "Three"].map(|text| {
        format!(
            r#"{{"comment": {{"id": 1, "content": "{text}", "published": "2024-05-03T10:11:12Z"}}, "creator": {{"id": 2, "name": "ann"}}, "counts": {{"score": 3}}}}"#
        )
    });
    let lemmy = format!(r#"{{"comments": [{}]}}"#, lemmy.join(","));
    let discourse = ["One", "Two", "Three"].map(|text| {
        format!(r#"{{"id": 1, "name": "Ann Lee", "username": "ann", "cooked": "<p>{text}</p>", "created_at": "2024-05-03T10:11:12Z"}}"#)
    });
    let discourse = format!(
        r#"{{"post_stream": {{"posts": [{}]}}, "title": "T"}}"#,
        discourse.join(",")
    );
    let answers = r#"{"items": [{"question_id": 1, "owner": {"user_id": 7}, "title": "T", "body": "<p>One</p>", "answers": [
        {"answer_id": 2, "owner": {"user_id": 8}, "body": "<p>Two</p>"}, {"answer_id": 3, "owner": {"user_id": 9}, "body": "<p>Three</p>"}]}]}"#;
    for json in [thread.as_str(), node, &lemmy, &discourse, answers] {
        let seen = read_bytes("a.json", json.as_bytes());
        assert!(seen.bad.is_empty(), "{:?}", seen.bad);
        let texts: Vec<&str> = seen.articles.iter().map(|a| a.text.as_str()).collect();
        assert_eq!(texts, ["One", "Two", "Three"], "{json}");
        assert!(
            seen.articles
                .iter()
                .all(|a| matches!(a.title.as_str(), "" | "T"))
        );
    }
    // What is to be chosen from was said by nobody.
    for json in [
        r#"{"id": 1, "text": "Which is it?", "answers": [{"id": 1, "text": "Paris"}, {"id": 2, "text": "London"}]}"#,
        r#"{"id": 1, "text": "Write a poem.", "responses": [{"model": "a", "text": "Roses"}, {"model": "b", "text": "Violets"}]}"#,
    ] {
        assert_eq!(
            read_bytes("a.json", json.as_bytes()).articles.len(),
            1,
            "{json}"
        );
    }
    // A mark of what is gone is none in HTML either.
    let gone = r#"[{"id": "a", "name": "t1_a", "subreddit_id": "t5_1", "body": "[deleted]", "body_html": "<div class=\"md\"><p>[deleted]</p></div>"},
        {"id": "b", "name": "t1_b", "subreddit_id": "t5_1", "body": "Said", "body_html": "<div class=\"md\"><p>Said</p></div>"}]"#;
    let seen = read_bytes("a.json", gone.as_bytes());
    let titles: Vec<&str> = seen.articles.iter().map(|a| a.title.as_str()).collect();
    assert_eq!(titles, [""], "{:?}", seen.articles);
}

#[test]
fn conversations_are_their_messages() {
    let node = |id: &str, time: &str, role: &str, parts: &str| {
        format!(
            r#""{id}": {{"id": "{id}", "parent": null, "children": [], "message": {{"id": "{id}", "author": {{"role": "{role}"}},
                "create_time": {time}, "content": {{"content_type": "text", "parts": [{parts}]}}}}}}"#
        )
    };
    let root = r#""r": {"id": "r", "message": null, "parent": null, "children": ["s"]}"#;
    let chat = format!(
        r#"[{{"title": "Bridges", "create_time": 1714731072.5, "id": "c1", "mapping": {{{root}, {}, {}, {}, {}}}, "current_node": "b"}},
            {{"title": "New chat", "create_time": 1714731073.5, "id": "c2", "mapping": {{{root}}}, "current_node": "r"}}]"#,
        node("s", "null", "system", "\"\""),
        node(
            "b",
            "3.5",
            "assistant",
            r#""In September.", {"asset_pointer": "file://1"}"#
        ),
        node("t", "3", "tool", "\"search\""),
        node("a", "2.5", "user", "\"When does it open?\""),
    );
    let claude = r#"[{"uuid": "c1", "name": "Bridges", "created_at": "2024-05-03T10:11:12.5Z", "chat_messages": [
        {"uuid": "a", "text": "", "sender": "human", "content": [], "attachments": [{"file_name": "a.txt", "extracted_content": "When does it open?"}]},
        {"uuid": "b", "text": "", "sender": "assistant", "content": [{"type": "text", "text": "In September."}]}]},
        {"uuid": "c2", "name": "", "created_at": "2024-05-03T10:11:12.5Z", "chat_messages": []}]"#;
    for json in [chat.as_str(), claude] {
        let seen = read_bytes("conversations.json", json.as_bytes());
        assert!(seen.bad.is_empty(), "{:?}", seen.bad);
        let [article] = seen.articles.as_slice() else {
            panic!("{:?}", seen.articles);
        };
        assert_eq!(article.title, "Bridges");
        assert_eq!(article.text, "When does it open?\n\nIn September.");
        assert_eq!(article.date.as_deref(), Some("2024-05-03T10:11:12"));
        assert!(
            seen.notes.iter().any(|n| n.contains("1 of its messages")),
            "{:?}",
            seen.notes
        );
    }
}

#[test]
fn messages_of_slack_and_facebook() {
    let slack = r#"[{"type": "message", "subtype": "channel_join", "ts": "1714731072.000100", "user": "U1", "text": "<@U1> has joined the channel"},
        {"type": "message", "text": "<@U2> the bridge is <https://post.example|open> &amp; &lt;free&gt;", "user": "U1", "ts": "1714731072.000200"},
        {"type": "message", "text": "", "files": [{"name": "a.png"}], "user": "U1", "ts": "1714731073.000200"},
        {"type": "message", "subtype": "bot_message", "text": "", "ts": "1714731074.000200", "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "Build <https://e.example|12> failed"}}, {"type": "divider"}]},
        {"type": "message", "subtype": "bot_message", "text": null, "ts": "1714731075.000200", "attachments": [{"fallback": "Build 13 failed", "color": "red"}]},
        {"type": "message", "subtype": "bot_message", "text": "", "ts": "1714731076.000200", "blocks": [{"type": "divider"}]}]"#;
    let seen = read_bytes("2024-05-03.json", slack.as_bytes());
    assert!(seen.bad.is_empty(), "{:?}", seen.bad);
    assert_eq!(seen.articles.len(), 3);
    assert_eq!(seen.articles[1].text, "Build 12 failed");
    assert_eq!(seen.articles[2].text, "Build 13 failed");
    assert_eq!(seen.articles[0].text, "@U2 the bridge is open & <free>");
    assert_eq!(
        seen.articles[0].date.as_deref(),
        Some("2024-05-03T10:11:12")
    );

    let facebook = r#"{"participants": [{"name": "Ren\u00c3\u00a9"}], "title": "Chat", "messages": [
        {"sender_name": "Ren\u00c3\u00a9", "timestamp_ms": 1714731072123, "content": "The caf\u00c3\u00a9 is open"},
        {"sender_name": "Ann", "timestamp_ms": 1714731073123, "photos": [{"uri": "a.jpg"}]}]}"#;
    let seen = read_bytes("message_1.json", facebook.as_bytes());
    assert!(seen.bad.is_empty(), "{:?}", seen.bad);
    assert_eq!(seen.articles.len(), 1);
    assert_eq!(seen.articles[0].text, "The café is open");
    assert_eq!(seen.articles[0].meta["sender_name"], "René");
    assert_eq!(
        seen.articles[0].date.as_deref(),
        Some("2024-05-03T10:11:12")
    );

    let comments = r#"{"comments_v2": [{"timestamp": 1714731072, "title": "Ann commented.", "data": [
        {"comment": {"timestamp": 1714731072, "comment": "The caf\u00c3\u00a9 is open", "author": "Ann"}}]}]}"#;
    assert_eq!(
        one("comments.json", comments.as_bytes()).text,
        "The café is open"
    );
}

#[test]
fn articles_within_two_objects_are_found() {
    let feed = r#"{"feed": [{"post": {"uri": "at://1", "author": {"handle": "ann"}, "record": {"text": "One", "createdAt": "2024-05-03T10:11:12Z"}, "likeCount": 3}},
        {"post": {"uri": "at://2", "author": {"handle": "bo"}, "record": {"text": "Two", "createdAt": "2024-05-04T10:11:12Z"}}}], "cursor": "x"}"#;
    let seen = read_bytes("feed.json", feed.as_bytes());
    assert!(seen.bad.is_empty(), "{:?}", seen.bad);
    let texts: Vec<&str> = seen.articles.iter().map(|a| a.text.as_str()).collect();
    assert_eq!(texts, ["One", "Two"]);
    assert_eq!(
        seen.articles[1].date.as_deref(),
        Some("2024-05-04T10:11:12")
    );
    assert_eq!(seen.articles[0].meta["likeCount"], 3);
    let one_of_it = r#"{"article": {"title": "T", "text": "B"}}"#;
    let article = one("a.json", one_of_it.as_bytes());
    assert_eq!((article.title.as_str(), article.text.as_str()), ("T", "B"));
}

#[test]
fn a_source_that_is_an_address_is_the_articles() {
    let article = |more: &str| {
        format!(
            r#"{{"title": "T", "hostname": "post.example", "text": "B", "source": "https://www.post.example/a"{more}}}"#
        )
    };
    for (more, source, url) in [
        (
            r#", "source-hostname": "Harbour Post""#,
            "Harbour Post",
            "https://www.post.example/a",
        ),
        ("", "post.example", "https://www.post.example/a"),
        (
            r#", "url": "https://post.example/b", "publisher": "Harbour Post""#,
            "Harbour Post",
            "https://post.example/b",
        ),
    ] {
        let article = one("a.json", article(more).as_bytes());
        assert_eq!(article.source.as_deref(), Some(source), "{more}");
        assert_eq!(article.url.as_deref(), Some(url), "{more}");
    }
    // A site's address is its name.
    let site = r#"{"title": "T", "text": "B", "source": "https://post.example/"}"#;
    assert_eq!(
        one("a.json", site.as_bytes()).source.as_deref(),
        Some("https://post.example/")
    );
}

#[test]
fn documents_with_their_names_as_attributes() {
    let wiki = "<doc id=\"12\" url=\"https://wiki.example/?curid=12\" title=\"The \"old\" bridge &amp; quay\">\nThe \"old\" bridge &amp; quay\n\nIt was built in 1524 &lt;x&gt;.\n\nIt opens.\n</doc>\n\
        <doc id=\"13\" url=\"https://wiki.example/?curid=13\" title=\"Ferry\">\nFerry\n\n</doc>\n";
    for name in ["wiki_00", "wiki.txt"] {
        let seen = read_bytes(name, wiki.as_bytes());
        assert!(seen.bad.is_empty(), "{:?}", seen.bad);
        let article = &seen.articles[0];
        assert_eq!(seen.articles.len(), 2);
        assert_eq!(article.title, "The \"old\" bridge & quay");
        assert_eq!(article.text, "It was built in 1524 <x>.\n\nIt opens.");
        assert_eq!(article.id.as_deref(), Some("12"));
        assert_eq!(
            article.url.as_deref(),
            Some("https://wiki.example/?curid=12")
        );
        assert_eq!(seen.articles[1].title, "Ferry");
    }
    let cut = &wiki[..wiki.len() - 8];
    assert_eq!(read_bytes("wiki_00", cut.as_bytes()).bad.len(), 1);
    let wire = "<DOC id=\"POST_ENG_20040101.0003\" type=\"story\" >\n<HEADLINE>\nA ferry\n</HEADLINE>\n<DATELINE>\nHARBOUR, Jan. 1\n</DATELINE>\n<TEXT>\n<P>\nOne\nline.\n</P>\n<P>\nTwo.\n</P>\n</TEXT>\n</DOC>\n";
    for name in ["a.sgm", "a.txt", "a"] {
        let article = one(name, wire.as_bytes());
        assert_eq!(article.title, "A ferry", "{name}");
        assert_eq!(article.text, "One line.\n\nTwo.");
        assert_eq!(article.id.as_deref(), Some("POST_ENG_20040101.0003"));
        assert_eq!(article.meta["type"], "story");
    }
}

#[test]
fn pages_of_a_web_archive_packed_by_brotli() {
    let page = format!(
        "<html><head><title>A bridge</title></head><body><article><p>{TEXT}</p></article></body></html>"
    );
    let mut packed = Vec::new();
    brotli::CompressorWriter::new(&mut packed, 4096, 5, 20)
        .write_all(page.as_bytes())
        .unwrap();
    let warc = |body: &[u8], coding: &str| {
        let header = format!("Content-Type: text/html\r\nContent-Encoding: {coding}");
        record(
            "response",
            "https://post.example/1",
            "application/http",
            &http(&header, body),
        )
    };
    assert_eq!(one("a.warc", &warc(&packed, "br")).text, TEXT);
    // Crawlers take it off and leave the header.
    assert_eq!(one("a.warc", &warc(page.as_bytes(), "br")).text, TEXT);
    let seen = read_bytes("a.warc", &warc(&packed[..packed.len() / 2], "br"));
    assert!(
        seen.articles.is_empty() && seen.bad[0].contains("breaks off"),
        "{:?}",
        seen.bad
    );
    // One that nobody knows is passed over, and said.
    let seen = read_bytes(
        "a.warc",
        &warc(b"\x01\x02\x03\x04\x05\x06\x07\x08", "x-other"),
    );
    assert!(seen.articles.is_empty());
    assert!(
        seen.notes.iter().any(|n| n.contains("packed as x-other")),
        "{:?}",
        seen.notes
    );
}

#[test]
fn what_is_not_read_is_told_by_name_and_not_read_as_its_source() {
    for (names, bytes, what) in [
        (
            &["a.arc", "a"][..],
            "filedesc://a.arc 0.0.0.0 20040101000000 text/plain 76\n1 0 Archive\n",
            "WARC",
        ),
        (
            &["a.nitf", "a.txt"],
            "<nitf><head><title>N</title></head><body><body.content><p>text</p></body.content></body></nitf>",
            "XML",
        ),
        (
            &["a.html", "a.txt"],
            "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>",
            "XML",
        ),
        (
            &["a.txt", "a.jsonl", "a.csv", "a.html"],
            "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
            "git lfs pull",
        ),
    ] {
        for name in names {
            let seen = read_bytes(name, bytes.as_bytes());
            assert!(seen.articles.is_empty(), "{name}: {:?}", seen.articles);
            assert!(
                seen.bad.len() == 1 && seen.bad[0].contains(what),
                "{name}: {:?}",
                seen.bad
            );
        }
    }
    for text in [
        "@ann wrote {curly} braces\nand more, as she said.\n",
        "1\n00:00 is when it begins.\n",
        "FN is short for false negative.\nVR is something else.\n",
        "%0 of nothing is nothing.\nIt was said.\n",
        "WEBVTT is a format of subtitles.\n\nIt has times in it.\n",
    ] {
        assert_eq!(
            read_bytes("a.txt", text.as_bytes()).articles.len(),
            1,
            "{text}"
        );
    }
}
