//! What people collected: several lists in a file, data sets, what crawlers and databases give.

use super::documents::{one, read_bytes};
use std::fmt::Write;

const TEXT: &str = "The old bridge opens again in September, two years later than was planned.";

fn texts(name: &str, bytes: &[u8]) -> Vec<String> {
    let seen = read_bytes(name, bytes);
    assert!(seen.bad.is_empty(), "{name}: {:?}", seen.bad);
    seen.articles.into_iter().map(|a| a.text).collect()
}

#[test]
fn lists_that_are_alike_are_all_read() {
    let item = |n: u32| {
        format!(r#"{{"title": "T{n}", "text": "Text {n}", "url": "https://e.example/{n}"}}"#)
    };
    let (a, b, c) = (item(1), item(2), item(3));
    for json in [
        // Splits of a data set, the larger one last.
        format!(r#"{{"train": [{a}], "info": {{"x": [1, {{"y": "}}"}}]}}, "test": [{b}, {c}]}}"#),
        // Days, and newspapers with what is known of each.
        format!(r#"{{"2025-03-01": [{a}, {b}], "n": 3, "ok": true, "2025-03-02": [{c}]}}"#),
        format!(
            r#"{{"n": {{"one": {{"rss": "https://e.example", "articles": [{a}]}}, "two": {{"articles": [{b}, {c}]}}}}, "end": null}}"#
        ),
        // An object a line.
        format!("{{\"news\": [{a}], \"blogs\": [{b}]}}\n{{\"news\": [{c}]}}\n"),
    ] {
        assert_eq!(
            texts("a.json", json.as_bytes()),
            ["Text 1", "Text 2", "Text 3"],
            "{json}"
        );
    }
    // Each list is named.
    let json = format!(r#"{{"train": [{a}], "test": [{b}]}}"#);
    let told = read_bytes("a.json", json.as_bytes()).columns;
    for list in ["list train", "list test"] {
        assert!(told.iter().any(|path| path.contains(list)), "{told:?}");
    }
    // What is written about articles, and what has other members, is none.
    for (json, count) in [
        (
            format!(r#"{{"articles": [{a}, {b}], "comments": [{c}]}}"#),
            2,
        ),
        (
            format!(
                r#"{{"sources": [{{"id": 1, "name": "N", "description": "{TEXT}"}}], "articles": [{a}]}}"#
            ),
            1,
        ),
    ] {
        assert_eq!(texts("a.json", json.as_bytes()).len(), count, "{json}");
    }
}

#[test]
fn lists_longer_than_what_is_read_at_once_are_followed_by_others() {
    let mut json = String::from("{\"train\": [");
    for n in 0..60_000 {
        let _ = write!(
            json,
            "{}{{\"id\": {n}, \"text\": \"{TEXT} {n}\"}}",
            if n > 0 { "," } else { "" }
        );
    }
    json.push_str(
        "],\n \"meta\": {\"a\": [1, 2]}, \"test\": [{\"id\": 70000, \"text\": \"The last.\"}]}",
    );
    assert!(json.len() > 5 << 20);
    let all = texts("a.json", json.as_bytes());
    assert_eq!(all.len(), 60_001);
    assert_eq!(all[60_000], "The last.");
}

#[test]
fn a_cut_file_of_several_lists_keeps_what_came_before() {
    let json = r#"{"a": [{"title": "T", "text": "One"}], "b": [{"title": "T", "text": "Two"}, {"title": "T", "te"#;
    let seen = read_bytes("a.json", json.as_bytes());
    assert_eq!(seen.articles[0].text, "One");
    assert!(!seen.bad.is_empty());
}

#[test]
fn texts_in_lists_are_read_or_asked_for() {
    let paragraphs = format!(
        r#"{{"headline": "H", "sections": [{{"heading": "One", "text": "{TEXT}"}}, {{"text": "Two."}}]}}"#
    );
    let article = one("a.jsonl", paragraphs.as_bytes());
    assert!(
        article.text.contains("opens again") && article.text.contains("Two."),
        "{}",
        article.text
    );
    // One that nobody has a name for stops the run, as a plain one does.
    let unknown = format!(r#"{{"title": "T", "zeug": [{{"content": "{TEXT} {TEXT}"}}]}}"#);
    let seen = read_bytes("a.jsonl", unknown.as_bytes());
    assert!(seen.bad[0].contains("\"zeug\""), "{:?}", seen.bad);
}

#[test]
fn the_whole_text_is_taken_before_its_beginning() {
    let csv = format!(
        "title,content,full_content\nT,\"The old bridge opens… [+800 chars]\",\"{TEXT}\"\n"
    );
    assert_eq!(texts("a.csv", csv.as_bytes()), [TEXT]);
}

#[test]
fn what_crawlers_know_of_a_text_is_used() {
    let json = format!(
        r##"{{"markdown": "# The bridge\n\n[Home](https://e.example/) **{TEXT}** ![view](https://e.example/b.jpg)", "metadata": {{"title": "The bridge", "sourceURL": "https://e.example/b", "publishedTime": "2025-03-01T10:00:00Z"}}}}"##
    );
    let article = one("a.jsonl", json.as_bytes());
    assert_eq!(article.title, "The bridge");
    assert_eq!(article.text, format!("Home {TEXT}"));
    assert_eq!(article.url.as_deref(), Some("https://e.example/b"));
    assert_eq!(article.date.as_deref(), Some("2025-03-01T10:00:00"));
    // Without a title there, the text's first line is one, as ever.
    let plain = one(
        "b.jsonl",
        br#"{"text": "A heading\n\nAnd a text.", "metadata": {"n": 1}}"#,
    );
    assert_eq!(
        (plain.title.as_str(), plain.text.as_str()),
        ("A heading", "And a text.")
    );
}

#[test]
fn a_comment_has_its_own_id_and_not_its_storys() {
    let json = r#"{"hits": [{"objectID": "100", "story_id": 7, "comment_text": "One", "story_title": "T"}, {"objectID": "101", "story_id": 7, "comment_text": "Two", "story_title": "T"}]}"#;
    let seen = read_bytes("hn.json", json.as_bytes());
    let ids: Vec<_> = seen.articles.iter().map(|a| a.id.as_deref()).collect();
    assert_eq!(ids, [Some("100"), Some("101")]);
}

#[test]
fn what_was_removed_is_counted_and_not_read() {
    for (name, bytes) in [
        (
            "a.csv",
            "id,body\n1,[deleted]\n2,The bridge opens.\n3,[removed]\n",
        ),
        (
            "a.jsonl",
            "{\"id\": 1, \"body\": \"[deleted]\"}\n{\"id\": 2, \"body\": \"The bridge opens.\"}\n{\"id\": 3, \"body\": \"[removed]\"}\n",
        ),
        (
            "a.json",
            r#"{"articles": [{"title": "[Removed]", "content": "[Removed]"}, {"title": "", "content": "The bridge opens."}, {"title": "[Removed]", "content": "[Removed]"}]}"#,
        ),
    ] {
        let seen = read_bytes(name, bytes.as_bytes());
        assert!(seen.bad.is_empty(), "{name}: {:?}", seen.bad);
        assert_eq!(seen.articles.len(), 1, "{name}");
        assert_eq!(seen.articles[0].text, "The bridge opens.", "{name}");
        let told = seen
            .notes
            .iter()
            .any(|note| note.contains("2 rows whose text was removed"));
        assert!(told, "{name}: {:?}", seen.notes);
    }
    // An abstract that nobody has leaves a title.
    let csv = "Title,Abstract\nThe bridge,[No abstract available]\n";
    let article = one("a.csv", csv.as_bytes());
    assert_eq!(
        (article.title.as_str(), article.text.as_str()),
        ("The bridge", "")
    );
}

#[test]
fn a_mail_in_a_column_is_read_as_one() {
    let mail = "Message-ID: <1.evans@post.example>\nDate: Mon, 14 May 2001 16:39:00 -0700 (PDT)\nFrom: ann@post.example\nTo: bo@post.example\nSubject: The bridge\nMime-Version: 1.0\nContent-Type: text/plain; charset=us-ascii\n\nIt opens in June.\n";
    let csv = format!("file,message\nallen/1.,\"{mail}\"\n");
    let article = one("mails.csv", csv.as_bytes());
    assert_eq!(article.title, "The bridge");
    assert_eq!(article.text, "It opens in June.");
    assert_eq!(article.date.as_deref(), Some("2001-05-14T23:39:00"));
    // A text that begins with such words is none.
    let text = "Subject: the bridge. It opens in June, and all are glad.";
    let csv = format!("file,message\n1,\"{text}\"\n");
    assert_eq!(texts("texts.csv", csv.as_bytes()), [text]);
}

#[test]
fn messages_of_pictures_alone_are_counted() {
    let json = r#"{"messages": [{"id": "1", "content": "", "attachments": [{"url": "u"}]}, {"id": "2", "content": "The bridge opens.", "attachments": []}]}"#;
    let seen = read_bytes("chat.json", json.as_bytes());
    assert!(seen.bad.is_empty(), "{:?}", seen.bad);
    assert_eq!(seen.articles.len(), 1);
    assert!(
        seen.notes
            .iter()
            .any(|note| note.contains("1 of its messages")),
        "{:?}",
        seen.notes
    );
    let outbox = r#"{"@context": "x", "type": "OrderedCollection", "orderedItems": [{"id": "a", "type": "Create", "object": {"type": "Note", "content": "<p>The bridge opens.</p>", "published": "2025-03-01T10:00:00Z"}}, {"id": "b", "type": "Announce", "published": "2025-03-02T10:00:00Z", "object": "https://m.example/1"}]}"#;
    assert_eq!(
        texts("outbox.json", outbox.as_bytes()),
        ["The bridge opens."]
    );
}

#[test]
fn columns_have_names_in_many_languages() {
    for (title, text, date) in [
        ("标题", "正文", "发布时间"),
        ("見出し", "本文", "公開日"),
        ("제목", "본문", "일자"),
        ("Заголовок", "Текст", "Дата"),
        ("Tytuł", "Treść", "Data publikacji"),
        ("Başlık", "İçerik", "Tarih"),
        ("العنوان", "النص", "التاريخ"),
    ] {
        let csv = format!("{title},{text},{date}\nBridge,\"{TEXT}\",2025-03-01\n");
        let article = one("a.csv", csv.as_bytes());
        let found = (
            article.title.as_str(),
            article.text.as_str(),
            article.date.as_deref(),
        );
        let csv = csv.replace('\n', " / ");
        assert_eq!(found, ("Bridge", TEXT, Some("2025-03-01")), "{csv}");
    }
}

#[test]
fn an_answer_that_says_that_all_went_well_is_read() {
    let json = format!(
        r#"{{"data": {{"videos": [{{"id": 1, "video_description": "{TEXT}"}}]}}, "error": {{"code": "ok", "message": ""}}}}"#
    );
    assert_eq!(texts("a.json", json.as_bytes()), [TEXT]);
    let failed = r#"{"error": {"code": "invalid_token", "message": "No token"}}"#;
    assert!(!read_bytes("a.json", failed.as_bytes()).bad.is_empty());
}

#[test]
fn markup_of_journals_is_taken_off() {
    let json = r#"{"title": "T", "abstract": "<jats:title>Abstract</jats:title><jats:p>The <jats:italic>old</jats:italic> bridge opens.</jats:p>"}"#;
    let text = one("a.jsonl", json.as_bytes()).text;
    assert!(
        text.ends_with("The old bridge opens.") && !text.contains('<'),
        "{text}"
    );
}

#[test]
fn a_search_of_a_newspapers_database_is_its_articles() {
    let one_of = |title: &str, text: &str| {
        format!(
            "{title}\nThe Post\nMarch 1, 2025 Saturday\n\nLength: 9 words\nByline: Ann Orr\n\nBody\n\n{text}\n\nLoad-Date: March 2, 2025\n\nEnd of Document\n\n"
        )
    };
    let all = one_of("A late ferry", "No ferry came.") + &one_of("Frost", "It froze.");
    let seen = read_bytes("search.txt", all.as_bytes());
    assert!(seen.bad.is_empty(), "{:?}", seen.bad);
    let found: Vec<_> = seen
        .articles
        .iter()
        .map(|a| {
            (
                a.title.as_str(),
                a.text.as_str(),
                a.date.as_deref(),
                a.source.as_deref(),
            )
        })
        .collect();
    let (date, source) = (Some("2025-03-01"), Some("The Post"));
    assert_eq!(
        found,
        [
            ("A late ferry", "No ferry came.", date, source),
            ("Frost", "It froze.", date, source)
        ]
    );
    assert_eq!(seen.articles[0].meta["author"], "Ann Orr");
}
