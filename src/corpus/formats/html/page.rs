//! A page to its article.

use super::linked::linked;
use super::marks::Marks;
use super::metadata::{self, Metas};
use super::{body, parse};
use crate::corpus::article::{Article, is_blank, site, tidy};
use serde_json::Value;

pub(super) fn extract(source: &str) -> Article {
    let document = parse::page(source);
    let marks = Marks::of(&document);
    let metas = Metas::of(&marks);
    let linked = linked(&marks.descriptions, &metadata::about(&marks, &metas));
    let title = metadata::title(&marks, &metas, &linked);
    let url = metadata::address(&marks, &metas, &linked);
    let date = metadata::date(&document, &marks, &metas, &linked, url.as_deref());
    let description = metadata::description(&marks, &metas, &linked);
    let mut meta = metadata::rest(&marks, &metas, &linked);
    if let Some(said) = metadata::unread_date(&metas, &linked).filter(|_| date.is_none()) {
        meta.insert("date".to_string(), Value::String(said));
    }
    let blocks = body::body(source, document, &linked, &title);
    let text: Vec<String> = blocks.into_iter().map(|b| b.text).collect();
    let mut text = tidy(&text.join("\n\n"));
    if is_blank(&text) {
        let blocks = body::unscripted(source, &title);
        let told: Vec<String> = blocks.into_iter().map(|b| b.text).collect();
        text = tidy(&told.join("\n\n"));
    }
    if is_blank(&text)
        && let Some(description) = description
    {
        text = tidy(&description);
    }
    // One without its site leads nowhere.
    let url = url.filter(|url| url.contains("://"));
    let source = metadata::source(&metas, &linked);
    Article {
        text,
        date,
        source: source.or_else(|| site(url.as_deref()?)),
        url,
        meta,
        title,
        ..Article::default()
    }
}

/// Whether a page with so little text is there only to lead to another at once.
pub(super) fn leads_on(source: &str, text: &str) -> bool {
    /// The longest text of such a page, and how far into it that stands, in bytes.
    const LONGEST: usize = 300;
    const HEAD: usize = 4096;
    if text.len() > LONGEST {
        return false;
    }
    let mut end = source.len().min(HEAD);
    while !source.is_char_boundary(end) {
        end -= 1;
    }
    let head = source[..end].to_ascii_lowercase();
    head.split("<meta").skip(1).any(|rest| {
        let tag = rest.split('>').next().unwrap_or("");
        let Some((_, content)) = tag.split_once("content=") else {
            return false;
        };
        let content = content.trim_start_matches(['"', '\'', ' ']);
        let seconds = content.split([';', ',', '"', '\'']).next().unwrap_or("");
        let soon = seconds.trim().parse().is_ok_and(|n: f32| n <= 5.0);
        tag.contains("refresh") && soon && content.contains("url=")
    })
}

#[cfg(test)]
mod tests {
    use super::extract;

    const BODY: &str = "<p>The harbour council voted on Tuesday to reopen the old swing bridge, \
        after two years of repairs that cost more than anyone had planned.</p>\
        <p>Engineers said that the new bearings would last for forty years, and that tall ships \
        could pass twice a day in summer.</p>\
        <p>Shopkeepers on the quay welcomed the decision, because trade had fallen by a third.</p>";

    fn of_body(body: &str) -> String {
        extract(&format!(
            "<html><head><title>Bridge to reopen | The Post</title></head><body>{body}</body></html>"
        ))
        .text
    }

    fn text() -> String {
        BODY.replace("</p><p>", "\n\n")
            .replace("<p>", "")
            .replace("</p>", "")
    }

    #[test]
    fn the_article_is_found_in_its_page() {
        let article = extract(
            r#"<html><head><title>Site - T</title><meta property="og:title" content="The title">
            <meta property="article:published_time" content="2016-03-24T08:00:00Z">
            <meta property="og:site_name" content="The Site"></head>
            <body><nav>Home News</nav><article><h1>The title</h1><p>One <b>bold</b> word.</p>
            <script>alert(1)</script><div><p>Two.</p></div></article><footer>Terms</footer></body></html>"#,
        );
        assert_eq!(article.title, "The title");
        assert_eq!(article.text, "One bold word.\n\nTwo.");
        assert_eq!(article.date.as_deref(), Some("2016-03-24T08:00:00"));
        assert_eq!(article.source.as_deref(), Some("The Site"));
    }

    #[test]
    fn what_surrounds_an_article_is_left_out_with_landmarks_or_without() {
        let around = |article: &str| {
            format!(
                r##"<div class="topNav"><a href="#">Home</a> <a href="#">World</a></div>
                <div id="cookie-banner"><p>We and our partners store information.</p></div>{article}
                <div class="related"><ul><li><a href="#">Ferry fares to rise</a></li></ul></div>
                <div style="display: none">UNSEEN</div><p hidden>UNSEEN</p>
                <div style="font-size:0; line-height:0px">UNSEEN</div><p style="mso-hide:all">UNSEEN</p>
                <div style="max-height: 0; overflow: hidden">UNSEEN</div>
                <p style="position:absolute; clip: rect(0 0 0 0)">UNSEEN</p>
                <div id="comments"><p>First reader: this is a scandal, and so is that.</p></div>
                <div class="footer"><p>Registered in Harbour Town.</p></div>"##
            )
        };
        for article in [
            format!("<div class=content><h1>Bridge to reopen</h1>{BODY}</div>"),
            format!("<article><h1>Bridge to reopen</h1>{BODY}</article>"),
            format!("<form id=aspnetForm><div><h1>Bridge to reopen</h1>{BODY}</div></form>"),
            format!(
                "<div><h1>Bridge to reopen</h1>{BODY}</div><section>\
                 <article><h3>TEASER Ferry fares</h3><p>Fares go up.</p></article>\
                 <article><h3>Beaches</h3><p>Ten best.</p></article></section>"
            ),
            BODY.replace("<p>", "<p itemprop=articleBody>"),
            format!(
                "<table><tr><td>{}</td></tr></table>",
                BODY.replace("</p><p>", "<br><br>")
            ),
        ] {
            assert_eq!(of_body(&around(&article)), text(), "{article}");
        }
    }

    #[test]
    fn boxes_of_no_size_that_show_what_is_in_them_are_read() {
        // So pages end the gaps between boxes, and keep an image's shape.
        for style in [
            "font-size: 0",
            "height:0",
            "overflow:hidden",
            "max-height:0.5em;overflow:hidden",
        ] {
            let page =
                format!("<article style='{style}'><h1>Bridge to reopen</h1>{BODY}</article>");
            assert_eq!(of_body(&page), text(), "{style}");
        }
    }

    #[test]
    fn a_lead_in_a_header_and_rows_of_a_table_are_text() {
        let page = format!(
            "<article><header><h1>Bridge to reopen</h1><p>STANDFIRST The bridge will carry traffic \
             again this autumn.</p></header>{BODY}<table><tr><th>Year</th><th>Ships</th></tr>\
             <tr><td>Ferry</td><td>Tanker</td></tr></table></article>"
        );
        let wanted = format!(
            "STANDFIRST The bridge will carry traffic again this autumn.\n\n{}\n\nYear Ships\n\nFerry Tanker",
            text()
        );
        assert_eq!(of_body(&page), wanted);
    }

    #[test]
    fn a_page_that_only_tells_search_engines_its_text_is_read() {
        let article = extract(
            r#"<html><head><script type="application/ld+json">{"@context":"https://schema.org",
            "@graph":[{"@type":"WebPage","name":"x"},{"@type":["NewsArticle"],"headline":"Bridge to reopen",
            "datePublished":"2024-05-03T10:11:12+02:00","author":[{"@type":"Person","name":"Ann Lee"},
            {"@id":"https://post.example/#bo"}],"publisher":{"name":"Harbour Post"},
            "url":"https://post.example/bridge","keywords":"bridge, harbour",
            "articleBody":"The council voted.&nbsp;It was late.
            Nobody was surprised that the bridge reopens."},
            {"@type":"Person","@id":"https://post.example/#bo","name":"Bo Chu"}]}</script></head>
            <body><div>Subscribe to read on</div></body></html>"#,
        );
        assert_eq!(article.title, "Bridge to reopen");
        assert!(
            article.text.starts_with("The council voted. It was late."),
            "{}",
            article.text
        );
        assert!(
            article.text.ends_with("the bridge reopens."),
            "{}",
            article.text
        );
        assert_eq!(article.date.as_deref(), Some("2024-05-03T08:11:12"));
        assert_eq!(article.source.as_deref(), Some("Harbour Post"));
        assert_eq!(article.url.as_deref(), Some("https://post.example/bridge"));
        assert_eq!(article.meta["author"], "Ann Lee, Bo Chu");
        assert_eq!(
            article.meta["tags"],
            serde_json::json!(["bridge", "harbour"])
        );
    }

    #[test]
    fn the_date_is_the_articles_and_not_the_clocks() {
        let date = |body: &str| extract(&format!("<body>{body}")).date;
        let clock = r#"<div class=top><time datetime="2026-01-01">Today</time></div>"#;
        let own = r#"<time datetime="2024-05-03T10:11:12+02:00">3 May 2024</time>"#;
        let of_article = Some("2024-05-03T08:11:12".to_string());
        assert_eq!(
            date(&format!("{clock}<article><h1>A</h1>{own}{BODY}</article>")),
            of_article
        );
        assert_eq!(
            date(&format!("{clock}<div><h1>A</h1>{own}{BODY}</div>")),
            of_article
        );
        assert_eq!(date(&format!("{clock}<div><h1>A</h1>{BODY}</div>")), None);
        assert_eq!(
            date(&format!(
                "<h1>A</h1><span class=post-date>Published: 3 May 2024</span>{BODY}"
            ))
            .as_deref(),
            Some("2024-05-03")
        );
        let page = format!(
            r#"<link rel=canonical href="https://a.example/2024/05/03/bridge"><body>{BODY}"#
        );
        assert_eq!(extract(&page).date.as_deref(), Some("2024-05-03"));
    }

    #[test]
    fn a_title_is_the_headline_without_its_site() {
        for (page, title) in [
            (
                "<title>Bridge to reopen | Harbour Post</title><h1>Bridge to reopen</h1>",
                "Bridge to reopen",
            ),
            (
                "<title>Harbour Post: Bridge to reopen</title><h1>Harbour Post</h1><h1>Bridge to reopen</h1>",
                "Bridge to reopen",
            ),
            (
                r#"<meta property="og:title" content="Bridge to reopen - Harbour Post"><meta property="og:site_name" content="Harbour Post">"#,
                "Bridge to reopen",
            ),
            (
                r#"<title>Bridge to reopen | Harbour Post</title><meta property="og:title" content="Bridge to reopen"><h1>Harbour Post</h1><h2>Bridge to reopen</h2>"#,
                "Bridge to reopen",
            ),
            (
                "<title>The old bridge is to reopen – Harbour Post</title>",
                "The old bridge is to reopen",
            ),
        ] {
            assert_eq!(extract(page).title, title, "{page}");
        }
    }

    #[test]
    fn scripts_without_blanks_are_read() {
        let sentence = "港の橋は秋に再び開くと、評議会が火曜日に決めた。技師によれば、新しい軸受は四十年もつ。";
        let page = format!(
            "<div class=nav><a href=/>首页</a><a href=/2>新闻</a></div><div id=main><h1>橋が再開</h1>\
             <p>{sentence}</p><p>{sentence}</p><p>{sentence}</p></div><div class=footer>版权所有</div>"
        );
        let text = of_body(&page);
        assert_eq!(text.matches(sentence).count(), 3, "{text}");
        assert!(
            !text.contains("首页") && !text.contains("版权所有"),
            "{text}"
        );
    }

    #[test]
    fn an_address_without_its_site_is_none() {
        let article = |href: &str, more: &str| {
            extract(&format!(
                "<head><link rel=canonical href='{href}'>{more}</head><body>{BODY}</body>"
            ))
        };
        let url = |href: &str, more: &str| article(href, more).url;
        let og = "<meta property='og:url' content='https://post.example/og'>";
        let own = Some("https://post.example/a".to_string());
        assert_eq!(url("https://post.example/a", og), own);
        assert_eq!(url("//post.example/a", ""), own);
        assert_eq!(url("/a?x=1", ""), None);
        assert_eq!(url("/a", og).as_deref(), Some("https://post.example/og"));
        // It names the source where nothing else does.
        let source = |href: &str, more: &str| article(href, more).source;
        assert_eq!(
            source("https://www.post.example/a", "").as_deref(),
            Some("post.example")
        );
        let name = "<meta property='og:site_name' content='The Post'>";
        assert_eq!(
            source("https://www.post.example/a", name).as_deref(),
            Some("The Post")
        );
        assert_eq!(source("/a", ""), None);
    }

    #[test]
    fn what_archives_and_programs_of_blogs_put_around_a_text_is_left_out() {
        let page = format!(
            "<div id=\"wm-ipp-base\" lang=en><p>The Wayback Machine has 12 captures of this page.</p></div>\
             <div id=main>{BODY}<p>Share this: <a href=#>Facebook</a> <a href=#>Twitter</a></p>\
             <p>Filed under: <a href=#>Bridges</a>, <a href=#>Harbour</a></p></div>"
        );
        assert_eq!(of_body(&page), text());
    }

    #[test]
    fn a_short_page_is_not_empty() {
        assert_eq!(of_body("<p>Only this.</p>"), "Only this.");
        assert_eq!(of_body("Only this."), "Only this.");
        assert_eq!(of_body("<div class=comment>Only this.</div>"), "Only this.");
    }
}
