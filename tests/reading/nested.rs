//! JSON in which articles stand deep: in a page's data, in groups, beside other articles, in parts with headings, in what
//! was said to a model; and dumps of wikis.

use super::documents::{one, read_bytes};
use nearwise::corpus::Article;
use serde_json::{Value, json};

const TEXT: &str = "The old bridge opens again in September, two years later than was planned.";

fn articles(value: &Value) -> Vec<Article> {
    let seen = read_bytes("a.json", value.to_string().as_bytes());
    assert!(seen.bad.is_empty(), "{value}: {:?}", seen.bad);
    seen.articles
}

fn titles(value: &Value) -> Vec<String> {
    let articles = articles(value);
    articles.into_iter().map(|a| a.title).collect()
}

fn news(n: u32) -> Value {
    json!({"id": n, "title": format!("News {n}"), "body": format!("Text {n} of the news.")})
}

#[test]
fn an_article_stays_beside_lists_of_others() {
    let article = json!({"title": "T", "body": TEXT});
    let (one, two) = (news(1), news(2));
    // What its page shows besides is not what was asked for.
    for value in [
        json!({"article": article, "latest": [one, two]}),
        json!({"article": article, "sidebar": {"items": [one, two]}}),
        json!({"data": {"article": article, "trending": [one]}}),
        json!({"data": {"article": article, "latestArticles": {"nodes": [one]}}}),
        json!({"props": {"pageProps": {"post": article, "morePosts": [one]}}, "page": "/p", "query": {"slug": "p"}}),
        json!({"pageProps": {"article": article, "related": [one]}, "__N_SSG": true}),
        json!({"response": {"content": {"id": "a", "webTitle": "T", "fields": {"body": TEXT}},
            "relatedContent": [{"id": "b", "webTitle": "R", "fields": {"body": "Other."}}]}}),
    ] {
        let articles = articles(&value);
        assert_eq!(articles.len(), 1, "{value}");
        assert_eq!(
            (articles[0].title.as_str(), articles[0].text.as_str()),
            ("T", TEXT),
            "{value}"
        );
    }
    // What stands before a list is one as well.
    for value in [
        json!({"article": article, "articles": [one, two]}),
        json!({"data": {"post": article, "posts": [one, two]}}),
    ] {
        assert_eq!(titles(&value), ["T", "News 1", "News 2"], "{value}");
    }
    // What says what the list is about is none.
    for value in [
        json!({"content": {"text": "All the news."}, "items": [one, two]}),
        json!({"category": {"title": "News", "content": "All of them.", "posts": [one, two]}}),
        json!({"pageProps": {"posts": [one, two]}}),
    ] {
        assert_eq!(titles(&value), ["News 1", "News 2"], "{value}");
    }
}

#[test]
fn articles_in_groups_are_all_read() {
    let (one, two, three) = (news(1), news(2), news(3));
    let dated = |n| {
        let mut news = news(n);
        news["date"] = json!("2024-05-03");
        news
    };
    for value in [
        json!({"sections": [{"name": "World", "articles": [one, two]}, {"name": "Sport", "articles": [three]}]}),
        json!({"channels": [{"title": "World", "items": [one, two]}, {"title": "Sport", "items": [three]}]}),
        json!({"days": [{"date": "2024-05-03", "stories": [one, two]}, {"date": "2024-05-04", "stories": [three]}]}),
        json!({"journal": "J", "issues": [{"number": 0, "articles": []}, {"number": 1, "articles": [one, two]}, {"number": 2, "articles": [three]}]}),
        // A page of Spring's.
        json!({"content": [one, two, three], "pageable": {"pageNumber": 0}, "totalElements": 3}),
        json!({"title": "Daily", "sections": [{"title": "All", "items": [dated(1), dated(2), dated(3)]}]}),
    ] {
        assert_eq!(titles(&value).len(), 3, "{value}");
    }
    // A group without articles is none, and no reason to glue the others.
    for value in [
        json!({"sections": [{"name": "Arts", "articles": []}, {"name": "World", "articles": [one, two, three]}, {"name": "X", "articles": null}]}),
        json!({"pages": [one, two, three]}),
        json!({"content": [{"id": 1, "text": "One."}, {"id": 2, "text": "Two."}, {"id": 3, "text": "Three."}], "totalElements": 3}),
    ] {
        let seen = read_bytes("a.json", value.to_string().as_bytes());
        assert_eq!(seen.articles.len(), 3, "{value}: {:?}", seen.articles);
    }
    // Vectors are kept with what they stand for.
    let kept = |inner: &str| json!({"id": "x", "score": 0.5, inner: {"title": "T", "text": TEXT}});
    for value in [
        json!({"matches": [kept("metadata"), kept("metadata")], "namespace": ""}),
        json!({"result": {"points": [kept("payload"), kept("payload")]}, "status": "ok"}),
        json!({"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {"title": "T", "text": TEXT}}]}),
    ] {
        assert!(
            articles(&value)
                .iter()
                .all(|a| a.title == "T" && a.text == TEXT),
            "{value}"
        );
    }
}

#[test]
fn parts_with_headings_are_one_text_in_their_order() {
    let wanted = "One.\n\nFirst.\n\nOne one.\n\nSmall.\n\nTwo.\n\nSecond.";
    let parts = |title: &str, text: &str, inner: &str| {
        json!([
            {"number": 1, title: "One.", text: "First.", inner: [{title: "One one.", text: "Small."}]},
            {"number": 2, title: "Two.", text: "Second."}
        ])
    };
    for value in [
        json!({"title": "Act", "sections": parts("title", "text", "subsections")}),
        json!({"title": "Act", "chapters": parts("title", "text", "sections")}),
        json!([{"title": "Act", "body": parts("heading", "content", "sections")}]),
    ] {
        let articles = articles(&value);
        assert_eq!(articles.len(), 1, "{value}");
        assert_eq!(articles[0].text, wanted, "{value}");
    }
    let law = json!({"title": "Act", "chapters": [{"title": "Ch 1", "articles": [{"number": 1, "title": "Art 1", "text": "One."}]}]});
    assert_eq!(articles(&law)[0].text, "Ch 1\n\nArt 1\n\nOne.");
    // A text that stands deep below a title is asked for rather than lost.
    let deep = json!({"title": "Act", "volumes": [{"n": 1, "leaves": [{"text": TEXT.repeat(3)}]}]});
    let seen = read_bytes("a.json", deep.to_string().as_bytes());
    assert!(
        seen.articles.is_empty() && seen.bad[0].contains("\"volumes\""),
        "{:?}",
        seen.bad
    );
}

#[test]
fn questions_and_their_answers_are_one_article() {
    let said = json!([
        {"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is it?"},
        {"role": "assistant", "content": [{"type": "text", "text": TEXT}]}, {"role": "tool", "content": "{}"}
    ]);
    let exchange = ("What is it?", TEXT);
    for (value, (title, text)) in [
        (
            json!([{"messages": said}, {"messages": said, "n": 2}]),
            exchange,
        ),
        (
            json!({"id": "c", "title": "What is it?", "messages": said}),
            ("What is it?", &*format!("What is it?\n\n{TEXT}")),
        ),
        (json!([{"conversation": said, "model": "m"}]), exchange),
        (
            json!({"id": "c", "object": "chat.completion", "choices": [{"index": 0, "message": {"role": "assistant", "content": TEXT}}]}),
            ("", TEXT),
        ),
        (
            json!({"custom_id": "r", "response": {"status_code": 200, "body": {"choices": [{"message": {"content": TEXT}}]}}, "error": null}),
            ("", TEXT),
        ),
        (
            json!({"candidates": [{"content": {"parts": [{"text": TEXT}], "role": "model"}}]}),
            ("", TEXT),
        ),
        (
            json!([{"instruction": "What is it?", "input": "", "output": TEXT}]),
            exchange,
        ),
        (
            json!([{"prompt": "What is it?", "completion": TEXT}]),
            exchange,
        ),
        (
            json!([{"id": 1, "question": "What is it?", "context": TEXT, "answers": {"text": ["it"], "answer_start": [3]}}]),
            exchange,
        ),
        (
            json!({"data": [{"title": "T", "paragraphs": [{"context": TEXT, "qas": []}]}]}),
            ("T", TEXT),
        ),
    ] {
        let articles = articles(&value);
        assert!(!articles.is_empty(), "{value}");
        for article in articles {
            assert_eq!(
                (article.title.as_str(), article.text.as_str()),
                (title, text),
                "{value}"
            );
        }
    }
    let seen = read_bytes("a.csv", b"question,answer,round\nWhat is it?,A bridge.,1\n");
    assert_eq!(
        (
            seen.articles[0].title.as_str(),
            seen.articles[0].text.as_str()
        ),
        ("What is it?", "A bridge.")
    );
    let seen = read_bytes("a.jsonl", br#"{"question":"is it","passage":"It is a bridge over a river.","answer":true,"title":"Bridge"}"#);
    assert_eq!(seen.articles[0].text, "It is a bridge over a river.");
    // Numbers of pages and names of segments are no texts, and a schema is no article.
    for (name, bytes, texts) in [
        ("a.csv", "title,author,pages\nBook,Ann,300\n", &[""][..]),
        (
            "a.json",
            r#"[{"title":"Paper","pages":"12-34","doi":"x"}]"#,
            &[""],
        ),
        ("a.csv", "customer,segments\nAnn,vip\n", &[]),
        (
            "a.json",
            r#"{"properties":{"title":{"type":"string"},"text":{"type":"string","description":"the text"}}}"#,
            &[],
        ),
        (
            "a.json",
            r#"{"pages":[{"index":0,"markdown":"It opens."},{"index":1,"markdown":"It closes."}],"model":"m"}"#,
            &["It opens.", "It closes."],
        ),
        (
            "a.json",
            r#"{"id":1,"name":"Show","summary":"It is a show.","_embedded":{"episodes":[{"id":2,"name":"E","summary":"x"}]}}"#,
            &["It is a show."],
        ),
        (
            "a.json",
            r#"{"metadata":{"title":"Set","text":"About it"},"data":[{"title":"T","text":"It opens."}]}"#,
            &["It opens."],
        ),
    ] {
        let seen = read_bytes(name, bytes.as_bytes());
        let found: Vec<&str> = seen.articles.iter().map(|a| a.text.as_str()).collect();
        assert_eq!(found, texts, "{bytes}");
    }
    // In other tables these names say something else.
    let seen = read_bytes(
        "a.csv",
        b"title,context,response\nA headline,homepage,200\n",
    );
    assert_eq!(
        (
            seen.articles[0].title.as_str(),
            seen.articles[0].text.as_str()
        ),
        ("A headline", "")
    );
}

#[test]
fn abstracts_by_the_places_of_their_words_are_texts() {
    let work = json!({"id": "W1", "title": "T", "abstract_inverted_index": {"opens": [1, 3], "It": [0], "and": [2]}});
    let seen = articles(
        &json!({"meta": {"count": 2}, "results": [work, {"id": "W2", "title": "U", "abstract_inverted_index": null}]}),
    );
    assert_eq!(
        (seen[0].text.as_str(), seen[1].text.as_str()),
        ("It opens and opens", "")
    );
}

#[test]
fn pages_of_a_wiki_are_read_as_its_interface_answers_them() {
    for value in [
        json!({"query": {"pages": {"12": {"pageid": 12, "ns": 0, "title": "Bridge", "extract": TEXT}, "-1": {"title": "No", "missing": ""}}}}),
        json!({"query": {"pages": [{"pageid": 12, "ns": 0, "title": "Bridge", "extract": format!("<p>{TEXT}</p>")}]}}),
        json!({"query": {"pages": [{"title": "Bridge", "revisions": [{"slots": {"main": {"content": TEXT.replace("bridge", "[[b|bridge]]")}}}]}]}}),
        json!({"query": {"pages": {"12": {"title": "Bridge", "revisions": [{"*": TEXT}]}}}}),
        json!({"parse": {"title": "Bridge", "pageid": 12, "text": {"*": format!("<div><p>{TEXT}</p></div>")}, "categories": []}}),
        json!({"type": "standard", "title": "Bridge", "extract": TEXT, "extract_html": format!("<p>{TEXT}</p>"), "description": "a thing"}),
    ] {
        let articles = articles(&value);
        assert_eq!(articles.len(), 1, "{value}");
        assert_eq!(
            (articles[0].title.as_str(), articles[0].text.as_str()),
            ("Bridge", TEXT),
            "{value}"
        );
    }
}

const DUMP: &str = r#"<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="de">
<siteinfo><sitename>Brückenwiki</sitename><dbname>bw</dbname><base>https://w.example/wiki/Hauptseite</base>
<namespaces><namespace key="0" /><namespace key="6" case="first-letter">Datei</namespace><namespace key="14">Kategorie</namespace></namespaces></siteinfo>
<page><title>Alte Brücke?</title><ns>0</ns><id>12</id>
<revision><id>1</id><timestamp>2023-01-01T00:00:00Z</timestamp><contributor><id>9</id></contributor><model>wikitext</model><text>Older.</text></revision>
<revision><id>2</id><timestamp>2024-05-03T10:11:12Z</timestamp><model>wikitext</model><text bytes="9" xml:space="preserve">'''The bridge''' {{Infobox|a=[[b]]}} is a [[Bauwerk|structure]] &amp;amp; old.&lt;ref&gt;note&lt;/ref&gt;
[[Datei:Plan|mini|Plan]]
== Length ==
It is 5&amp;nbsp;km long.
== Notes ==
&lt;references /&gt;
[[Kategorie:Brücken]]</text></revision></page>
<page><title>Bridge</title><ns>0</ns><id>13</id><redirect title="Alte Brücke" /><revision><text>#REDIRECT [[Alte Brücke]]</text></revision></page>
<page><title>Talk:Bridge</title><ns>1</ns><id>14</id><revision><text>Who says so?</text></revision></page>
</mediawiki>"#;

#[test]
fn a_dump_of_a_wiki_is_its_articles() {
    for name in ["wiki.xml", "wiki-pages-articles.xml-p1p20", "wiki"] {
        let seen = read_bytes(name, DUMP.as_bytes());
        assert!(seen.bad.is_empty(), "{:?}", seen.bad);
        let [article] = seen.articles.as_slice() else {
            panic!("{:?}", seen.articles);
        };
        assert_eq!(article.title, "Alte Brücke?");
        assert_eq!(
            article.text,
            "The bridge is a structure & old.\n\nLength\n\nIt is 5\u{a0}km long."
        );
        assert_eq!(article.id.as_deref(), Some("12"));
        assert_eq!(
            article.url.as_deref(),
            Some("https://w.example/wiki/Alte_Brücke%3F")
        );
        assert_eq!(article.source.as_deref(), Some("Brückenwiki"));
        assert_eq!(article.date.as_deref(), Some("2024-05-03T10:11:12"));
        assert_eq!(article.meta["categories"], json!(["Brücken"]));
        assert!(
            seen.notes
                .iter()
                .any(|note| note.contains("2 of its pages")),
            "{:?}",
            seen.notes
        );
    }
    // What is cut keeps what came before.
    let at = DUMP.find("<page><title>Bridge").unwrap() + 18;
    let seen = read_bytes("wiki.xml", &DUMP.as_bytes()[..at]);
    assert_eq!(
        (seen.articles.len(), seen.bad.len()),
        (1, 1),
        "{:?}",
        seen.bad
    );
    assert!(
        seen.bad[0].contains("ends within this page"),
        "{:?}",
        seen.bad
    );
    // Redirects without an element that says so, in any language; a kind of page that only its title tells.
    let old = DUMP
        .replace("<ns>0</ns>", "")
        .replace("<ns>1</ns>", "")
        .replace("<redirect title=\"Alte Brücke\" />", "")
        .replace("#REDIRECT", "#WEITERLEITUNG")
        .replace(
            "</namespaces>",
            "<namespace key=\"1\">Talk</namespace></namespaces>",
        );
    assert_eq!(read_bytes("wiki.xml", old.as_bytes()).articles.len(), 1);
    // The newest revision counts, whichever comes first.
    let (before, rest) = DUMP.split_once("<revision><id>1").unwrap();
    let (older, rest) = rest.split_once("</revision>").unwrap();
    let (newer, rest) = rest.split_once("</revision>").unwrap();
    let turned = format!("{before}{newer}</revision><revision><id>1{older}</revision>{rest}");
    assert!(
        one("wiki.xml", turned.as_bytes())
            .text
            .starts_with("The bridge")
    );
    // A page that does not end loses no other, and what is missing at the end is said.
    let unended = DUMP
        .replacen("</page>", "", 1)
        .replace("<ns>1</ns>", "<ns>0</ns>");
    let seen = read_bytes("wiki.xml", unended.as_bytes());
    assert!(seen.bad[0].contains("does not end"), "{:?}", seen.bad);
    assert_eq!(seen.articles[0].text, "Who says so?");
    let seen = read_bytes("wiki.xml", DUMP.replace("</mediawiki>", "").as_bytes());
    assert!(
        seen.bad[0].contains("may be missing") && seen.articles.len() == 1,
        "{:?}",
        seen.bad
    );
    let deep = DUMP.replace("<page>", &format!("<page>{}", "<a>".repeat(200)));
    assert!(read_bytes("wiki.xml", deep.as_bytes()).bad[0].contains("nest deeper"));
    // Nothing but what is no article.
    let talk = DUMP.replace("<ns>0</ns>", "<ns>1</ns>");
    let seen = read_bytes("wiki.xml", talk.as_bytes());
    assert!(
        seen.articles.is_empty() && seen.bad[0].contains("without an article"),
        "{:?}",
        seen.bad
    );
    let _ = one("wiki.xml", DUMP.as_bytes());
}
