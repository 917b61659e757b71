//! HTML pages.

use crate::common::World;
use serde_json::Value;
use std::fmt::Write;

const BODY: &str = "<p>The harbour council voted on Tuesday to reopen the old swing bridge, after \
    two years of repairs that cost far more than anyone had planned.</p><p>Engineers said the new \
    bearings would last for forty years, and that the bridge would open for tall ships.</p>\
    <p>Shopkeepers on the quay welcomed it, because trade had fallen by a third.</p>";

/// The article of a page as the program indexes and exports it.
fn read(page: impl AsRef<[u8]>) -> Value {
    let world = World::new();
    world.write("x.html", page);
    world.run("index x.html -c c.nearwise");
    world.exported("c.nearwise").remove(0)
}

fn paragraphs() -> String {
    BODY.replace("</p><p>", "\n\n")
        .replace("<p>", "")
        .replace("</p>", "")
}

#[test]
fn a_page_without_landmarks_gives_its_article_and_what_it_says_of_it() {
    let article = read(format!(
        r##"<!DOCTYPE html><html lang=en><head><title>Bridge to reopen - Harbour Post</title>
        <script type="application/ld+json">{{"@context":"https://schema.org","@type":"NewsArticle",
        "headline":"Bridge to reopen","datePublished":"2024-05-03T10:11:12+02:00",
        "author":{{"name":"Ann Lee"}},"publisher":{{"name":"Harbour Post"}}}}</script>
        <link rel=canonical href="https://post.example/bridge"></head><body>
        <div class=topnav><a href=#>Home</a> <a href=#>World</a></div>
        <div class=clock><time datetime=2026-01-01>Today</time></div>
        <div id=cookie-banner><p>COOKIES We and our partners store information.</p></div>
        <div class=content><h1>Bridge to reopen</h1>{BODY}</div>
        <div class=related><ul><li><a href=#>RELATED Ferry fares to rise</a></ul></div>
        <div id=comments><p>COMMENTS First reader: this is a scandal.</p></div></body></html>"##
    ));
    assert_eq!(article["title"], "Bridge to reopen");
    assert_eq!(article["text"], paragraphs());
    assert_eq!(article["date"], "2024-05-03T08:11:12");
    assert_eq!(article["source"], "Harbour Post");
    assert_eq!(article["url"], "https://post.example/bridge");
    assert!(article.to_string().contains("Ann Lee"), "{article}");
}

#[test]
fn a_declared_seven_bit_encoding_is_read() {
    let mut page =
        b"<html><head><meta charset=\"iso-2022-jp\"><title>x</title></head><body><h1>".to_vec();
    // "Bridge" and "harbour", as JIS X 0208 between escape sequences.
    page.extend(b"\x1b$B66\x1b(B</h1><p>\x1b$B9A\x1b(B</p></body></html>");
    let article = read(page);
    assert_eq!(article["text"], "港");
}

#[test]
fn hostile_pages_are_articles_like_others() {
    let world = World::new();
    let mut attributes = String::new();
    for i in 0..200_000 {
        write!(attributes, " a{i}").unwrap();
    }
    for (name, start) in [
        ("articles", "<article><p>More of it.</p>".repeat(10_000)),
        ("divs", "<div>".repeat(100_000)),
        ("links", "<a><b>".repeat(20_000)),
        ("attributes", format!("<div{attributes}>")),
    ] {
        world.write(
            &format!("pages/{name}.html"),
            format!("<h1>A bridge</h1>{start}{BODY}"),
        );
    }
    world.run("index pages -c c.nearwise");
    let out = world.run("export -c c.nearwise");
    assert_eq!(out.lines().count(), 4);
    for line in out.lines() {
        assert!(
            line.contains("swing bridge") && line.contains("by a third"),
            "{:.300}",
            line
        );
    }
}
