//! What takes the place of data, what hides it, and what must be kept apart or put together.

use super::documents::{one, read_bytes, zip};
use crate::common::World;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const LONG: &str = "The harbour council voted on Tuesday to reopen the old swing bridge, after two years \
    of repairs that cost far more than anyone had planned. Engineers said that the new bearings would last \
    for forty years, and that tall ships could pass twice a day in summer.";

/// A page with parts around its article.
fn page() -> String {
    format!(
        "<!doctype html><html lang=en><head><title>Bridge to reopen | Harbour Post</title>\
         <meta property='article:published_time' content='2024-05-03T10:11:12Z'>\
         <meta property='og:site_name' content='Harbour Post'></head><body>\
         <nav><a href=/>Home</a> <a href=/n>NAVLINK</a></nav>\
         <div id=cookie-consent><p>COOKIE We use cookies.</p></div>\
         <article><h1>Bridge to reopen</h1><p>{LONG}</p><p>{LONG}</p></article>\
         <div class=comments><p>COMMENT What a scandal.</p></div><footer>FOOTER Terms</footer></body></html>"
    )
}

/// Texts of a corpus by id.
fn texts(world: &World) -> BTreeMap<String, String> {
    let part = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_string();
    let rows = world.exported("c.nearwise").into_iter();
    rows.map(|row| (part(&row, "id"), part(&row, "text")))
        .collect()
}

#[test]
fn an_answer_in_place_of_data_takes_nothing_away() {
    let error = "<!DOCTYPE html><html><head><title>503</title></head><body><h1>Service Unavailable</h1>\
        <p>The server is busy at the moment, please try again later on.</p></body></html>";
    let feed = |n: u8| {
        format!(
            "<rss><channel><title>C</title><item><title>F{n}</title><description>{LONG}</description></item></channel></rss>"
        )
    };
    for (name, data) in [
        (
            "x.csv",
            format!("id,title,text\n1,A,\"{LONG}\"\n2,B,\"{LONG} B\"\n"),
        ),
        (
            "x.tsv",
            format!("id\ttitle\ttext\n1\tA\t{LONG}\n2\tB\t{LONG} B\n"),
        ),
        ("x.xml", feed(1)),
        ("x.rss", feed(2)),
        (
            "x.eml",
            format!("From: a@post.example\nSubject: S\nMessage-ID: <1@post.example>\n\n{LONG}\n"),
        ),
    ] {
        for answer in [
            error,
            r#"{"status": "fail", "content": "Too many requests"}"#,
            r#"{"ok": false, "error_code": 401, "description": "Unauthorized"}"#,
        ] {
            let world = World::new();
            world.write(&format!("d/{name}"), &data);
            world.write("d/other.txt", format!("Other\n\n{LONG}"));
            world.run("index d -c c.nearwise");
            let before = texts(&world);
            world.write(&format!("d/{name}"), answer);
            let output = world
                .command("index d -c c.nearwise --prune --skip-bad")
                .output();
            let said = String::from_utf8(output.unwrap().stderr).unwrap();
            assert_eq!(texts(&world), before, "{name}: {answer}: {said}");
            assert!(said.contains("left out"), "{name}: {said}");
        }
    }
    for name in [
        "x.parquet",
        "x.mbox",
        "x.pdf",
        "x.docx",
        "x.zip",
        "x.tar",
        "x.warc",
        "x.sgm",
        "x.csv.gz",
        "x.rdf",
    ] {
        let seen = read_bytes(name, error.as_bytes());
        assert_eq!((seen.articles.len(), seen.bad.len()), (0, 1), "{name}");
        assert!(
            seen.bad[0].contains("a page of HTML, not the"),
            "{name}: {:?}",
            seen.bad
        );
    }
}

#[test]
fn error_pages_and_checks_for_robots_replace_no_story() {
    for (name, answer) in [
        (
            "x.html",
            "<html><head><title>404 Not Found</title></head><body><center><h1>404 Not Found</h1></center><hr><center>nginx/1.18.0</center></body></html>",
        ),
        (
            "x.html",
            "<html><head><title>Just a moment...</title></head><body><p>Checking if the site connection is secure. Enable JavaScript and cookies to continue.</p></body></html>",
        ),
        (
            "x.html",
            "<html><head><title>Access Denied</title></head><body><h1>Access Denied</h1>You don't have permission to access \"/a\" on this server.<p>Reference #18.1234</body></html>",
        ),
        (
            "x.html",
            "<html><head><title>Index of /news</title></head><body><h1>Index of /news</h1><pre><a href=../>../</a>\n<a href=a.html>a.html</a> 03-May-2024</pre></body></html>",
        ),
        ("x.txt", "404: Not Found"),
        ("x.md", "404: Not Found\n"),
    ] {
        let world = World::new();
        let (title, body) = ("The bridge", LONG);
        let story = match name {
            "x.html" => format!("<h1>{title}</h1><p>{body}</p>"),
            _ => format!("{title}\n\n{body}"),
        };
        world.write(&format!("d/{name}"), story);
        world.write("d/other.txt", format!("Other\n\n{LONG}"));
        world.run("index d -c c.nearwise");
        let before = texts(&world);
        world.write(&format!("d/{name}"), answer);
        world.run("index d -c c.nearwise --prune --skip-bad");
        assert_eq!(texts(&world), before, "{answer}");
    }
    // Articles about them stay.
    for (name, text) in [
        ("a.html", format!("<h1>404 Not Found</h1><p>{}</p>", LONG.repeat(6))),
        ("b.html", "<h1>What 403 Forbidden means</h1><p>The server says: 403 Forbidden.</p>".to_string()),
        ("c.txt", "404: Not Found\n\nA tale of a page that was lost.".to_string()),
        ("d.json", r#"{"id": "e", "title": "The error", "text": "Unauthorized", "status": 401, "date": "2024-05-03"}"#.to_string()),
    ] {
        one(name, text.as_bytes());
    }
}

#[test]
fn a_whole_page_in_a_column_a_feed_or_a_mail_is_read_as_one() {
    let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;");
    let row = |name: &str, text: String| format!("{}\n", json!({"id": "1", name: text}));
    for (name, input) in [
        ("a.jsonl", row("html", page())),
        ("b.jsonl", row("content", escape(&page()))),
        (
            "c.csv",
            format!("id,raw_html\n1,\"{}\"\n", page().replace('"', "\"\"")),
        ),
        (
            "d.xml",
            format!(
                "<rss xmlns:content='x'><channel><title>C</title><item><title>Bridge to reopen</title>\
                 <content:encoded><![CDATA[{}]]></content:encoded></item></channel></rss>",
                page()
            ),
        ),
        (
            "e.eml",
            format!(
                "From: a@post.example\nSubject: Bridge to reopen\nMIME-Version: 1.0\n\
                 Content-Type: text/html; charset=utf-8\n\n{}\n",
                page()
            ),
        ),
    ] {
        let article = one(name, input.as_bytes());
        assert_eq!(article.title, "Bridge to reopen", "{name}");
        assert!(
            article.text.contains("forty years"),
            "{name}: {}",
            article.text
        );
        for other in ["NAVLINK", "COOKIE", "COMMENT", "FOOTER", "Harbour Post"] {
            assert!(!article.text.contains(other), "{name}: {}", article.text);
        }
        if name.ends_with(".jsonl") || name.ends_with(".csv") {
            assert_eq!(
                article.date.as_deref(),
                Some("2024-05-03T10:11:12"),
                "{name}"
            );
            assert_eq!(article.source.as_deref(), Some("Harbour Post"), "{name}");
        }
    }
    // What the row says itself counts.
    let input =
        json!({"id": "1", "title": "Own", "date": "2020-01-01", "html": page()}).to_string();
    let article = one("a.jsonl", input.as_bytes());
    assert_eq!(
        (article.title.as_str(), article.date.as_deref()),
        ("Own", Some("2020-01-01"))
    );
    // A letter is shown whole, but for the title of its page.
    let letter = "From: a@post.example\nSubject: S\nMIME-Version: 1.0\nContent-Type: text/html\n\n\
        <html><head><title>TEMPLATE</title></head><body><table><tr><td>Dear Ann,</td></tr></table><p>See you.</p></body></html>\n";
    assert_eq!(
        one("a.eml", letter.as_bytes()).text,
        "Dear Ann,\n\nSee you."
    );
    // A text about pages is none.
    let about =
        json!({"id": "1", "text": "<html> is the element that holds all others."}).to_string();
    assert!(
        one("a.jsonl", about.as_bytes())
            .text
            .starts_with("<html> is")
    );
}

#[test]
fn the_later_of_two_articles_replaces_the_earlier_where_that_is_asked() {
    let row = |id: &str, text: &str| format!("{}\n", json!({"id": id, "text": text}));
    let world = World::new();
    world.write("d/1.jsonl", row("a", "One, first.") + &row("b", "Another."));
    world.write("d/2.jsonl", row("a", "One, second."));
    world.write(
        "e.jsonl",
        row("a", "One, third.") + &row("a", "One, fourth."),
    );
    world.run("index d/1.jsonl d/2.jsonl -c c.nearwise --replace");
    assert_eq!(texts(&world)["a"], "One, second.");
    assert_eq!(texts(&world).len(), 2);
    // Again, with all of them told: nothing is gone.
    world.run("index d -c c.nearwise --replace --prune");
    assert_eq!(texts(&world).len(), 2);
    world.run("index e.jsonl -c c.nearwise --replace");
    assert_eq!(texts(&world)["a"], "One, fourth.");
    // Without it, both are kept.
    world.run("index e.jsonl -c d.nearwise");
    assert_eq!(world.exported("d.nearwise").len(), 2);
}

#[test]
fn a_short_known_column_does_not_hide_a_long_unknown_one() {
    let world = World::new();
    for (name, known) in [
        ("a", "summary"),
        ("b", "description"),
        ("c", "abstract"),
        ("d", "excerpt"),
    ] {
        let row = json!({"id": "1", "title": "T", known: "Short.", "sisu": LONG});
        world.write(&format!("{name}.jsonl"), format!("{row}\n"));
        world.fails(
            &format!("index {name}.jsonl -c c.nearwise"),
            1,
            &[known, "\"sisu\"", "--text-column"],
        );
    }
    world.run("index a.jsonl -c c.nearwise --text-column summary");
    assert_eq!(texts(&world)["1"], "Short.");
    // Where the summary is all there is, or what is beside it is no text, it is the text.
    for row in [
        json!({"id": "1", "title": "T", "summary": "Short.", "authors": "Ann Lee, Bo Chu, ".repeat(20)}),
        json!({"id": "1", "title": "T", "summary": "Short.", "link": format!("https://a.example/{}", "x".repeat(300))}),
        json!({"id": "1", "title": "T", "description": "Short.", "summary": LONG}),
        json!({"id": "1", "title": "T", "abstract": LONG, "notes": LONG}),
    ] {
        one("a.jsonl", row.to_string().as_bytes());
    }
    // One long note among many rows stops nothing.
    let mut rows: Vec<String> = (0..5)
        .map(|i| json!({"id": i, "title": "T", "summary": "Short.", "note": ""}).to_string())
        .collect();
    rows.push(json!({"id": 9, "title": "T", "summary": "Short.", "note": LONG}).to_string());
    let seen = read_bytes("a.jsonl", rows.join("\n").as_bytes());
    assert_eq!(
        (seen.articles.len(), seen.bad.len()),
        (6, 0),
        "{:?}",
        seen.bad
    );
}

#[test]
fn columns_inside_objects_make_a_text_and_are_missed() {
    let world = World::new();
    let row = json!({"id": "1", "title": "T", "fields": {"lead": "L", "paras": ["p1", "p2"]}, "body": "B"});
    world.write("a.jsonl", format!("{row}\n"));
    for (columns, text) in [
        ("fields.lead,fields.paras", "L\n\np1\n\np2"),
        ("fields.lead,body", "L\n\nB"),
        ("body,fields.lead", "B\n\nL"),
        ("fields.lead,fields.nosuch", "L"),
    ] {
        let _ = std::fs::remove_file(world.path("c.nearwise"));
        world.run(&format!(
            "index a.jsonl -c c.nearwise --text-column {columns}"
        ));
        assert_eq!(texts(&world)["1"], text, "{columns}");
    }
    for columns in ["fields.nosuch", "body.nosuch", "fields.lead.nosuch"] {
        world.fails(
            &format!("index a.jsonl -c d.nearwise --text-column {columns}"),
            1,
            &[&format!("\"{columns}\"")],
        );
    }
    let output =
        world.command("index a.jsonl -c e.nearwise --text-column fields.lead,fields.nosuch");
    let said = { output }.output().unwrap().stderr;
    assert!(String::from_utf8(said).unwrap().contains("fields.nosuch"));
    // A later object may lack it.
    let rows = [
        row,
        json!({"id": "2", "title": "T2", "fields": {"other": 1}, "body": "B"}),
    ];
    world.write("b.jsonl", rows.map(|row| row.to_string()).join("\n"));
    world.run("index b.jsonl -c f.nearwise --text-column fields.lead");
}

#[test]
fn members_with_names_of_other_code_pages_are_all_read() {
    // The names' bytes are put in place of ASCII ones, which have no mark that they are UTF-8.
    let named = |names: [&[u8]; 2]| {
        let placeholders = [vec![b'Q'; names[0].len()], vec![b'R'; names[1].len()]];
        let as_text = placeholders
            .clone()
            .map(|name| String::from_utf8(name).unwrap());
        let mut archive = zip(&[(&as_text[0], b"A\n\nfirst"), (&as_text[1], b"B\n\nsecond")]);
        for (placeholder, name) in placeholders.iter().zip(names) {
            for at in 0..archive.len() - name.len() {
                if archive[at..].starts_with(placeholder) {
                    archive[at..at + name.len()].copy_from_slice(name);
                }
            }
        }
        archive
    };
    for (names, ids) in [
        // 表紙 and ソフト in Shift-JIS: their bytes include that of a backslash.
        (
            [
                &b"\x95\x5c\x8e\x86.txt"[..],
                b"\x83\x5c\x83\x74\x83\x67.txt",
            ],
            ["表紙.txt", "ソフト.txt"],
        ),
        ([b"caf\x82.txt", b"caf\x8a.txt"], ["café.txt", "cafè.txt"]),
    ] {
        let seen = read_bytes("a.zip", &named(names));
        assert!(
            seen.bad.is_empty() && seen.notes.is_empty(),
            "{:?} {:?}",
            seen.bad,
            seen.notes
        );
        let found: Vec<&str> = seen
            .articles
            .iter()
            .filter_map(|a| a.id.as_deref())
            .collect();
        for id in ids {
            assert!(
                found.iter().any(|found| found.ends_with(id)),
                "{id}: {found:?}"
            );
        }
        assert_eq!(found.len(), 2);
    }
}

#[test]
fn lines_of_a_bulk_request_say_the_ids_of_their_documents() {
    let lines = "{\"index\":{\"_index\":\"n\",\"_id\":\"x1\"}}\n{\"title\":\"A\",\"text\":\"One body.\"}\n\
        {\"create\":{\"_id\":\"x2\"}}\n{\"title\":\"B\",\"text\":\"Two bodies.\"}\n\
        {\"update\":{\"_id\":\"x3\"}}\n{\"doc\":{\"title\":\"C\",\"text\":\"Three bodies.\"}}\n\
        {\"delete\":{\"_id\":\"x4\"}}\n{\"index\":{}}\n{\"id\":\"own\",\"title\":\"D\",\"text\":\"Four bodies.\"}\n";
    let seen = read_bytes("a.jsonl", lines.as_bytes());
    assert!(seen.bad.is_empty(), "{:?}", seen.bad);
    let ids: Vec<&str> = seen
        .articles
        .iter()
        .filter_map(|a| a.id.as_deref())
        .collect();
    assert_eq!(ids, ["x1", "x2", "x3", "own"]);
}

#[test]
fn archives_of_social_networks_are_read_as_they_come() {
    let tweets = "window.YTD.tweets.part0 = [ {\n  \"tweet\" : {\"id_str\":\"1\",\"full_text\":\"Hello\",\
        \"created_at\":\"Wed Oct 10 20:19:24 +0000 2018\"}} ]";
    let article = one("tweets.js", tweets.as_bytes());
    assert_eq!(
        (article.id.as_deref(), article.text.as_str()),
        (Some("1"), "Hello")
    );
    assert_eq!(article.date.as_deref(), Some("2018-10-10T20:19:24"));
    assert!(
        read_bytes("a.js", b"window.YTD.account.part0 = [ {\"account\": {}} ]")
            .articles
            .is_empty()
    );
    let long = json!({"id_str": "2", "text": "Cut at…", "user": {"screen_name": "a"}, "retweet_count": 1,
        "note_tweet": {"text": "Cut at no place, all of it."}});
    assert_eq!(
        one("a.jsonl", long.to_string().as_bytes()).text,
        "Cut at no place, all of it."
    );
    let posts = r#"[{"timestamp": 1714731072, "data": [{"post": "Hello caf\u00c3\u00a9"}], "title": "Ann updated her status."}]"#;
    let article = one("posts.json", posts.as_bytes());
    assert_eq!(
        (article.title.as_str(), article.text.as_str()),
        ("Ann updated her status.", "Hello café")
    );
    assert_eq!(article.date.as_deref(), Some("2024-05-03T10:11:12"));
}

#[test]
fn a_blogs_export_is_its_posts() {
    let entry = |id: &str, kind: &str, text: &str| {
        format!(
            "<entry><id>tag:{id}</id><category scheme='http://schemas.google.com/g/2005#kind' \
             term='http://schemas.google.com/blogger/2008/kind#{kind}'/><category term='harbour'/>\
             <title>{id}</title><content type='html'>{text}</content></entry>"
        )
    };
    let export = format!(
        "<?xml version='1.0'?><feed xmlns='http://www.w3.org/2005/Atom'><title>B</title>{}{}{}{}</feed>",
        entry("t", "template", "TEMPLATE"),
        entry("s", "settings", "SETTING"),
        entry("p", "post", "A post."),
        entry("c", "comment", "A comment.")
    );
    let article = one("blog.xml", export.as_bytes());
    assert_eq!(article.id.as_deref(), Some("tag:p"));
    assert_eq!(article.meta["categories"], json!(["harbour"]));
    let paid = json!({"id": "1", "title": "T", "description": "What is known.", "content": "ONLY AVAILABLE IN PAID PLANS"});
    assert_eq!(
        one("a.json", paid.to_string().as_bytes()).text,
        "What is known."
    );
}

#[test]
fn wide_characters_of_any_script_are_read_without_their_mark() {
    let texts = [
        "Мост открыт\n\nПорт снова принимает суда, сказал во вторник городской совет.",
        "大桥重新开放\n\n港口的大桥将于九月重新开放，工程师说新的轴承可以使用很多年。",
        "Η γέφυρα ανοίγει\n\nΤο λιμάνι δέχεται πάλι πλοία, είπε το συμβούλιο.",
        "橋が再び開く\n\n港の古い橋は九月に再び開くと、市議会が火曜日に決めた。",
        "다리가 열린다\n\n항구의 오래된 다리가 구월에 다시 열린다고 시의회가 밝혔다.",
    ];
    for text in texts {
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for bytes in [little, big] {
            let article = one("a.txt", &bytes);
            assert_eq!(article.title, text.lines().next().unwrap());
            assert_eq!(article.text, text.lines().last().unwrap());
        }
    }
    let feed = "<?xml version=\"1.0\" encoding=\"utf-16\"?><rss version=\"2.0\"><channel><item><title>T é</title></item></channel></rss>";
    let little: Vec<u8> = feed.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(one("a.xml", &little).title, "T é");
    assert_eq!(
        one(
            "b.json",
            "\u{feff}\u{feff}[{\"id\": 2, \"text\": \"two\"}]".as_bytes()
        )
        .text,
        "two"
    );
}
