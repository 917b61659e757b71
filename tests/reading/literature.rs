//! Bibliographic records, subtitles, texts of editors, and the encoding that the user says.

use super::documents::{one, read_bytes};
use crate::common::World;

#[test]
fn records_of_every_program_are_articles() {
    let ris = "TY  - JOUR\nID  - r1\nTI  - The old bridge\nAU  - Lee, A.\nAU  - Kim, B.\nAB  - It opens\nagain.\n\
               DA  - 2024/05/03/\nJO  - City Press\nDO  - 10.1/x\nER  - \n\nTY  - NEWS\nTI  - A headline alone\nER  - \n";
    let pubmed = "PMID- 11\nOWN - NLM\nTI  - The old\n      bridge\nAB  - It opens\n      again.\nFAU - Lee, A.\nAU  - Lee A\n\
                  FAU - Kim, B.\nDP  - 2024 May 3\nJT  - City Press\nAID - 10.1/x [doi]\n\nPMID- 12\nTI  - A headline alone\n";
    let endnote = "%0 Journal Article\n%T The old bridge\n%A Lee, A.\n%A Kim, B.\n%X It opens\nagain.\n%D 2024-05-03\n%J City Press\n\
                   %R 10.1/x\n\n%0 Journal Article\n%T A headline alone\n";
    let science = "\u{feff}FN Clarivate Analytics Web of Science\nVR 1.0\nPT J\nAU Lee, A\n   Kim, B\nAF Lee, A.\n   Kim, B.\n\
                   TI The old\n   bridge\nAB It opens\n   again.\nSO City Press\nPY 2024-05-03\nDI 10.1/x\nUT WOS:1\nER\n\n\
                   PT J\nTI A headline alone\nER\n\nEF\n";
    let bibtex = "% Encoding: UTF-8\n@string{press = {City Press}}\n\n@article{lee,\n  author = {Lee, A. and Kim, B.},\n  title = {The {o}ld bridge},\n\
                  abstract = {It opens again.},\n  date = {2024-05-03}, journal = press, doi = {10.1/x}\n}\n\n@preamble{\"x\"}\n\
                  @inproceedings(kim2, title = \"A headline alone\")\n@comment{jabref-meta: x}\n";
    for (names, text) in [
        (&["a.ris", "a.txt", "a"][..], ris),
        (&["a.nbib", "a.txt"], pubmed),
        (&["a.enw", "a"], endnote),
        (&["savedrecs.ciw", "savedrecs.txt"], science),
        (&["a.bib", "a.txt", "a"], bibtex),
    ] {
        for name in names {
            let seen = read_bytes(name, text.as_bytes());
            assert!(seen.bad.is_empty(), "{name}: {:?}", seen.bad);
            let [article, headline] = seen.articles.as_slice() else {
                panic!("{name}: {:?}", seen.articles);
            };
            assert_eq!(article.title, "The old bridge", "{name}");
            assert_eq!(article.text, "It opens again.", "{name}");
            assert_eq!(article.date.as_deref(), Some("2024-05-03"), "{name}");
            assert_eq!(article.source.as_deref(), Some("City Press"), "{name}");
            assert_eq!(
                article.url.as_deref(),
                Some("https://doi.org/10.1/x"),
                "{name}"
            );
            let authors = serde_json::json!(["Lee, A.", "Kim, B."]);
            assert_eq!(article.meta["author"], authors, "{name}");
            assert_eq!(headline.title, "A headline alone", "{name}");
            assert_eq!(headline.text, "", "{name}");
        }
    }
}

#[test]
fn a_brace_too_many_loses_no_field() {
    let text = "@article{a, title = {One}}, abstract = {It opens.},\n  year = 2024}\n@article{b, title = {Two}},\n@article{c, title = {Three}}\n";
    let seen = read_bytes("a.bib", text.as_bytes());
    assert!(seen.bad.is_empty(), "{:?}", seen.bad);
    let told: Vec<[&str; 2]> = seen
        .articles
        .iter()
        .map(|a| [a.title.as_str(), a.text.as_str()])
        .collect();
    assert_eq!(told, [["One", "It opens."], ["Two", ""], ["Three", ""]]);
    assert_eq!(seen.articles[0].date.as_deref(), Some("2024"));
}

#[test]
fn a_record_that_cannot_be_read_stops_no_other() {
    let text = "@article{a, title = {One}}\n@article{b, title = {Two}\n@article{c, title = {Th\\'{e}ree}, abstract = {A \\emph{b} $x^2$.}}\n";
    let seen = read_bytes("a.bib", text.as_bytes());
    assert_eq!(seen.bad.len(), 1, "{:?}", seen.bad);
    assert!(
        seen.bad[0].contains("a.bib:2: the entry \"b\" does not end"),
        "{:?}",
        seen.bad
    );
    let titles: Vec<&str> = seen.articles.iter().map(|a| a.title.as_str()).collect();
    assert_eq!(titles, ["One", "Théree"]);
    let text = "TY  - JOUR\nAU  - Lee\nER  - \nTY  - JOUR\nTI  - Two\n";
    let seen = read_bytes("a.ris", text.as_bytes());
    assert_eq!(seen.bad.len(), 1, "{:?}", seen.bad);
    assert_eq!(seen.articles.len(), 1);
    // A note is no text, whichever record has it; and files are put together.
    let note = "A long note about how the work was found. ".repeat(20);
    let text = format!(
        "@misc{{a, title={{One}}, note={{{note}}}}}\n  @article{{b, title={{Two\n  @standard{{c,\n title={{Three}}}}"
    );
    let seen = read_bytes("a.bib", text.as_bytes());
    assert_eq!(
        seen.articles
            .iter()
            .map(|a| a.title.as_str())
            .collect::<Vec<_>>(),
        ["One", "Three"]
    );
    assert_eq!(seen.bad.len(), 1, "{:?}", seen.bad);
    let export = |title: &str| {
        format!(
            "FN Clarivate\nVR 1.0\nPT J\nTI {title}\nAB Seen in\n   PT 5.\nPD OCT 5\nPY 2019\nER\n\nEF\n"
        )
    };
    let seen = read_bytes("a.ciw", [export("A"), export("B")].concat().as_bytes());
    assert!(seen.bad.is_empty(), "{:?}", seen.bad);
    assert_eq!(seen.articles.len(), 2);
    assert_eq!(
        (
            seen.articles[1].text.as_str(),
            seen.articles[1].date.as_deref()
        ),
        ("Seen in PT 5.", Some("2019-10-05"))
    );
    let text = "Provider: ACM\nDatabase: DL\n\nTY  - JOUR\nTI  - One\nAB  - Years\n2010 - 2015 in Rome\nER  - \nProvider: ACM\n\nTY - JOUR\nTI  - Two\nER  - \nExported today\n";
    let seen = read_bytes("a.txt", text.as_bytes());
    assert!(seen.bad.is_empty(), "{:?}", seen.bad);
    assert_eq!(
        seen.articles
            .iter()
            .map(|a| a.title.as_str())
            .collect::<Vec<_>>(),
        ["One", "Two"]
    );
    assert_eq!(seen.articles[0].text, "Years 2010 - 2015 in Rome");
    let prose = "# On RIS\n\nAn example:\n\nTY  - JOUR\nTI  - A title\nER  - \n\nThat is all.\n";
    assert!(one("a.md", prose.as_bytes()).text.contains("That is all."));
    // What only has the name of records.
    let seen = read_bytes("a.bib", b"Nothing of that kind.\n");
    assert!(
        seen.bad[0].contains("no bibliographic records in it"),
        "{:?}",
        seen.bad
    );
    // Columns can be chosen as elsewhere.
    let world = World::new();
    world.write("a.ris", "TY  - JOUR\nTI  - One\nAB  - An abstract.\nN1  - A note.\nER  - \nTY  - JOUR\nTI  - Two\nAB  - Another.\nER  - \n");
    world.run("index a.ris -c a.nearwise --text-column text,note");
    let out = world.run("export -c a.nearwise");
    assert!(out.contains("An abstract.\\n\\nA note."), "{out}");
}

#[test]
fn subtitles_are_what_is_said() {
    let srt = "1\r\n00:00:01,000 --> 00:00:03,000\r\nThe <i>old</i> bridge\r\nopens\r\n\r\n2\r\n00:00:03,100 --> 00:00:05,000\r\nagain.\r\n\r\n\
               3\r\n00:00:15,000 --> 00:00:16,000\r\nAnd the road?\r\n";
    let vtt = "WEBVTT\n\n1\n00:01.000 --> 00:03.000 line:0\n<v Ann>The old bridge\nopens\n\nNOTE by hand\n\n00:03.100 --> 00:05.000\n\
               opens\nagain.\n\n00:15.000 --> 00:16.000\nAnd the road?\n";
    for (names, text, wanted) in [
        (
            &["a.srt", "a.txt", "a"][..],
            srt,
            "The old bridge opens again.\n\nAnd the road?",
        ),
        (
            &["a.vtt", "a.txt"],
            vtt,
            "Ann: The old bridge opens again.\n\nAnd the road?",
        ),
    ] {
        for name in names {
            assert_eq!(one(name, text.as_bytes()).text, wanted, "{name}");
        }
    }
    let seen = read_bytes("a.vtt", b"WEBVTT\n\n00:01.000 --> 00:03.000\n\n");
    assert!(
        seen.bad[0].contains("no subtitles with a text"),
        "{:?}",
        seen.bad
    );
}

#[test]
fn texts_of_editors_are_read_from_their_trees() {
    for (body, wanted) in [
        (
            r#"[{"type": "paragraph", "children": [{"type": "text", "text": "It "}, {"type": "text", "bold": true, "text": "opens"}]},
                {"type": "heading", "level": 2, "children": [{"type": "text", "text": "Soon"}]}]"#,
            "It opens\n\nSoon",
        ),
        (
            r#"[{"_type": "block", "children": [{"_type": "span", "text": "It opens"}]}, {"_type": "image", "asset": {}},
                {"_type": "block", "children": [{"_type": "span", "text": "Soon"}]}]"#,
            "It opens\n\nSoon",
        ),
        (
            r#"{"time": 1, "blocks": [{"type": "paragraph", "data": {"text": "It <b>opens</b>"}}, {"type": "header", "data": {"text": "Soon", "level": 2}}]}"#,
            "It opens\n\nSoon",
        ),
        (
            r#"{"type": "doc", "content": [{"type": "paragraph", "content": [{"type": "text", "text": "It "}, {"type": "text", "text": "opens"}]},
                {"type": "heading", "content": [{"type": "text", "text": "Soon"}]}]}"#,
            "It opens\n\nSoon",
        ),
    ] {
        for json in [
            format!(r#"{{"id": 1, "title": "T", "content": {body}}}"#),
            format!(r#"{{"data": [{{"id": 1, "title": "T", "content": {body}}}], "meta": {{}}}}"#),
            format!(r#"{{"id": 1, "title": "T", "body": {body}}}"#),
        ] {
            let article = one("a.json", json.as_bytes());
            assert_eq!(article.title, "T", "{json}");
            assert_eq!(article.text, wanted, "{json}");
        }
    }
}

#[test]
fn an_article_is_not_replaced_by_what_stands_beside_it() {
    for json in [
        r#"{"data": {"type": "articles", "id": "1", "attributes": {"title": "T", "body": "B"}},
            "included": [{"type": "people", "id": "9", "attributes": {"name": "Jo", "bio": "Writes."}},
                {"type": "comments", "id": "5", "attributes": {"body": "A comment"}}]}"#,
        r#"{"data": {"id": 1, "attributes": {"title": "T", "content": "B",
            "related": {"data": [{"id": 2, "attributes": {"title": "R", "content": "Other"}}]}}}}"#,
        r#"{"data": {"article": {"id": 1, "headline": "T", "content": "B", "relatedArticles": [{"id": 2, "headline": "R", "content": "Other"}]}}}"#,
        r#"{"data": {"post": {"id": 1, "title": "T", "body": "B", "comments": [{"id": 2, "body": "A comment"}]}}}"#,
        r#"{"post_view": {"post": {"id": 1, "name": "T", "body": "B"}, "creator": {"id": 3, "name": "jo"}}, "cross_posts": []}"#,
        r#"{"hits": {"hits": [{"_id": "1", "_source": {"headline": "T", "article": "B"}, "highlight": {"article": ["<em>B</em>"]}}]}}"#,
        r#"{"db": [{"meta": {"version": "5"}, "data": {"posts": [{"id": 1, "title": "T", "html": "<p>B</p>"}],
            "tags": [{"id": 2, "name": "City", "description": "About it"}]}}]}"#,
        r#"{"results": [{"hits": [{"objectID": "1", "title": "T", "content": "B"}], "nbHits": 1, "index": "news"}]}"#,
        r#"{"data": {"id": 1, "attributes": {"title": "T", "content": "B", "comments": {"data": [{"id": 3, "attributes": {"content": "C"}}]}}}}"#,
        r#"{"data": {"post": {"title": "T", "content": "B", "comments": {"nodes": [{"content": "C"}]}}}}"#,
        r#"{"data": {"article": {"title": "T", "content": "B", "tags": [{"name": "x", "description": "tag"}]}}}"#,
        r#"{"post_view": {"post": {"id": 1, "name": "T", "body": "B"}}, "cross_posts": [{"post": {"id": 2, "name": "X", "body": "Y"}}]}"#,
        r#"{"docs": [{"id": 1, "title": "T", "content": {"root": {"type": "root", "children": [{"type": "paragraph", "children": [{"type": "text", "text": "B"}]}]}}}]}"#,
        r#"{"data": {"posts": [{"id": "a", "title": "T", "content": {"html": "<p>B</p>", "raw": {"children": [{"type": "paragraph", "children": [{"text": "B"}]}]}}}]}}"#,
        r#"[{"title": "T", "description": "B", "nav": {"items": [{"label": "Home", "items": [{"title": "Sub"}]}]}}]"#,
        r#"[{"title": "T", "content": "B", "table": {"rows": [{"id": 1, "values": [{"name": "cell"}]}]}}]"#,
        r#"{"total": 1, "results": [{"id": 1, "title": "T", "text": "B"}], "facets": {"list": [{"id": "year", "values": [{"name": "2000"}, {"name": "2001"}, {"name": "2002"}]}]}}"#,
        r#"{"data": {"text": "", "articles": [{"id": 1, "title": "T", "body": "B"}]}}"#,
        r#"{"data": {"text": "bridge", "hits": [{"id": 1, "title": "T", "body": "B"}], "total": 1}}"#,
        r#"{"blog": {"id": 1, "title": "News", "body_html": "", "articles": [{"title": "T", "body_html": "<p>B</p>"}]}}"#,
        r#"{"data": {"title": "Hub", "description": "About it", "related_articles": [{"title": "T", "body": "B"}]}}"#,
        r#"{"title": "Widget", "reviews": {"items": [{"title": "T", "text": "B"}]}}"#,
        r#"{"author": {"name": "Ann", "content": "About her.", "articles": [{"title": "T", "body": "B"}]}}"#,
        r#"{"data": [{"type": "node--article", "id": "1", "attributes": {"title": "T", "body": {"value": "<p>B</p>"}}, "relationships": {"field_tags": {"data": [{"type": "t", "id": "9", "meta": {"target_id": 5}}]}}}]}"#,
        r#"{"items": [{"sys": {"id": "e1", "type": "Entry"}, "fields": {"title": "T", "body": "B"}}]}"#,
        r#"{"title": {"rendered": "T"}, "content": {"rendered": "<p>B</p>"}, "items": [{"title": "I", "text": "x"}]}"#,
        r#"{"articles": [{"title": "T", "content": "B", "_source": {"name": "Post", "description": "A newspaper"}}]}"#,
        r#"[{"title": "T", "content": "", "html": "<p>B</p>", "embeds": [{"title": "Film", "description": "x"}]}]"#,
    ] {
        let seen = read_bytes("a.json", json.as_bytes());
        assert!(seen.bad.is_empty(), "{json}: {:?}", seen.bad);
        let [article] = seen.articles.as_slice() else {
            panic!("{json}: {:?}", seen.articles);
        };
        assert_eq!(
            (article.title.as_str(), article.text.as_str()),
            ("T", "B"),
            "{json}"
        );
    }
}

#[test]
fn lists_of_articles_are_no_trees() {
    for json in [
        r#"{"news": [{"_type": "news", "_id": "1", "title": "A", "content": [{"_type": "block", "children": [{"_type": "span", "text": "One."}]}]},
            {"_type": "news", "_id": "2", "title": "B", "content": [{"_type": "block", "children": [{"_type": "span", "text": "Two."}]}]}]}"#,
        r#"{"status": "ok", "news": [{"type": "article", "title": "A", "content": [{"type": "paragraph", "text": "One."}]},
            {"type": "article", "title": "B", "content": [{"type": "paragraph", "text": "Two."}]}]}"#,
        r#"{"posts": [{"post": {"id": 1, "name": "A", "body": "One."}}, {"post": {"id": 2, "name": "B", "body": "Two."}}]}"#,
    ] {
        let seen = read_bytes("a.json", json.as_bytes());
        assert!(seen.bad.is_empty(), "{json}: {:?}", seen.bad);
        let read: Vec<[&str; 2]> = seen
            .articles
            .iter()
            .map(|a| [a.title.as_str(), a.text.as_str()])
            .collect();
        assert_eq!(read, [["A", "One."], ["B", "Two."]], "{json}");
    }
    let people = r#"{"data": [{"id": 1, "name": "Ann", "post": {"name": "Manager"}}]}"#;
    assert_eq!(one("a.json", people.as_bytes()).title, "Ann");
    let shared = r#"[{"id": "c1", "conversations": [{"from": "human", "value": "When?"}, {"from": "gpt", "value": "Soon."}]}]"#;
    let shared = one("a.json", shared.as_bytes());
    assert_eq!(
        [shared.title.as_str(), shared.text.as_str()]
            .join(" ")
            .split_whitespace()
            .collect::<Vec<_>>(),
        ["When?", "Soon."]
    );
    let results = r#"[{"id": "2", "role": "user", "content": [{"type": "tool_result", "content": [{"type": "text", "text": "One"}, {"type": "text", "text": "Two"}]}]}]"#;
    let results = one("a.json", results.as_bytes());
    assert_eq!(
        [results.title.as_str(), results.text.as_str()],
        ["One", "Two"]
    );
    // A link that somebody posted has but a name.
    let link = r#"{"posts": [{"post": {"id": 1, "name": "A", "url": "https://a.example"}, "creator": {"id": 2, "name": "jo"}}]}"#;
    assert_eq!(one("a.json", link.as_bytes()).title, "A");
}

#[test]
fn more_of_what_people_wrote_to_each_other() {
    let youtube = r#"{"kind": "youtube#commentThreadListResponse", "items": [{"id": "c1", "snippet": {"videoId": "v",
        "topLevelComment": {"id": "c1", "snippet": {"textDisplay": "It <b>opens</b>", "textOriginal": "It opens", "authorDisplayName": "jo", "publishedAt": "2024-05-03T10:11:12Z"}}, "totalReplyCount": 0}}]}"#;
    let article = one("a.json", youtube.as_bytes());
    assert_eq!(article.text, "It opens");
    assert_eq!(article.date.as_deref(), Some("2024-05-03T10:11:12"));

    let discord = r#"{"channel": {"id": "2", "name": "news"}, "messages": [
        {"id": "10", "timestamp": "2024-05-03T10:11:12+00:00", "content": "https://x.example/a", "embeds": [{"title": "The bridge", "url": "https://x.example/a", "description": "It opens."}]},
        {"id": "11", "timestamp": "2024-05-03T10:11:12+00:00", "content": "", "embeds": [{"description": "From a program.", "fields": [{"name": "f", "value": "v"}]}]},
        {"id": "12", "timestamp": "2024-05-03T10:11:12+00:00", "content": "Words.", "embeds": [{"title": "Another's"}]},
        {"id": "13", "timestamp": "2024-05-03T10:11:12+00:00", "content": "", "embeds": []}]}"#;
    let seen = read_bytes("a.json", discord.as_bytes());
    assert!(seen.bad.is_empty(), "{:?}", seen.bad);
    let texts: Vec<[&str; 2]> = seen
        .articles
        .iter()
        .map(|a| [a.title.as_str(), a.text.as_str()])
        .collect();
    assert_eq!(
        texts,
        [
            ["The bridge", "It opens.\n\nhttps://x.example/a"],
            ["From a program.", "v"],
            ["", "Words."]
        ]
    );

    let poll = r#"{"name": "Chat", "type": "public_channel", "id": 1, "messages": [{"id": 2, "type": "message", "date": "2024-05-03T10:11:12", "date_unixtime": "1714731072",
        "text": "", "text_entities": [], "poll": {"question": "Which way?", "closed": false, "answers": [{"text": "Left", "voters": 1}, {"text": "Right", "voters": 2}]}}]}"#;
    let text = |article: &nearwise::corpus::Article| format!("{} {}", article.title, article.text);
    assert_eq!(
        text(&one("a.json", poll.as_bytes()))
            .split_whitespace()
            .collect::<Vec<_>>(),
        ["Which", "way?", "Left", "Right"]
    );

    let chat = |name: &str, text: &str| {
        format!(
            r#"{{"name": "{name}", "type": "private_group", "id": 1, "messages": [{{"id": 1, "type": "message", "date": "2024-05-03T10:11:12", "text": "{text}"}}]}}"#
        )
    };
    let left = format!(
        r#"{{"about": "x", "chats": {{"about": "y", "list": [{}, {}]}}, "left_chats": {{"about": "z", "list": [{}]}}}}"#,
        chat("A", "One"),
        chat("B", "Two"),
        chat("C", "Three")
    );
    let seen = read_bytes("a.json", left.as_bytes());
    assert!(seen.bad.is_empty(), "{:?}", seen.bad);
    assert_eq!(
        seen.articles
            .iter()
            .map(|a| a.text.as_str())
            .collect::<Vec<_>>(),
        ["One", "Two", "Three"]
    );

    let facebook = r#"[{"timestamp": 1714731072, "data": [{"update_timestamp": 1714731072}], "attachments": [{"data": [{"media": {"uri": "a.jpg", "description": "The caf\u00c3\u00a9 at noon"}}]}]},
        {"timestamp": 1714731073, "data": [], "attachments": [{"data": [{"media": {"uri": "b.jpg"}}]}]}]"#;
    let seen = read_bytes("a.json", facebook.as_bytes());
    assert!(seen.bad.is_empty(), "{:?}", seen.bad);
    assert_eq!(seen.articles.len(), 1);
    assert_eq!(seen.articles[0].text, "The café at noon");

    let asked = r#"[{"header": "Gemini Apps", "title": "Prompted when does it open", "time": "2024-05-03T10:11:12Z", "safeHtmlItem": [{"html": "<p>In September.</p>"}]}]"#;
    assert_eq!(one("a.json", asked.as_bytes()).text, "In September.");
}

#[test]
fn the_encoding_that_the_user_says_counts() {
    let world = World::new();
    let (text, _, _) = encoding_rs::WINDOWS_1251.encode("Мост открыт. Café");
    let text = text.into_owned();
    world.write("a.txt", &text);
    world.write("b.csv", [b"id,text\n1,".as_slice(), &text, b"\n"].concat());
    world.write(
        "c.html",
        [
            b"<html><head><meta charset=utf-8></head><body><p>".as_slice(),
            &text,
            b"</p></body></html>",
        ]
        .concat(),
    );
    world.write(
        "d.jsonl",
        [b"{\"id\": 2, \"text\": \"".as_slice(), &text, b"\"}\n"].concat(),
    );
    world.run("index a.txt b.csv c.html d.jsonl -c a.nearwise --encoding cp1251");
    let out = world.run("export -c a.nearwise");
    assert_eq!(out.matches("Мост открыт. Caf").count(), 4, "{out}");
    // Its second bytes are those of quotes and backslashes.
    let (bytes, _, _) = encoding_rs::SHIFT_JIS.encode("{\"text\": \"表示する能力\"}\n");
    world.write("e.jsonl", &bytes);
    world.run("index e.jsonl -c b.nearwise --encoding shift_jis");
    assert!(world.run("export -c b.nearwise").contains("表示する能力"));
    // A mark says more, and what is no character is told.
    world.write("f.txt", "\u{feff}Café");
    world.run("index f.txt -c c.nearwise --encoding latin1");
    assert!(world.run("export -c c.nearwise").contains("Café"));
    world.write("g.txt", b"Caf\xe9 and more");
    let output = world
        .command("index g.txt -c d.nearwise --encoding utf-8")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("g.txt") && said.contains("replaced"),
        "{said}"
    );
    world.fails(
        "index g.txt -c d.nearwise --encoding utf-9",
        2,
        &["--encoding", "cp1252"],
    );
}
