//! Pages as sites build them: what stands around an article, and what is a part of it.

use crate::common::World;
use serde_json::Value;

const FIRST: &str = "The ferry between the two islands will sail again from Monday, its owner said, \
    after a winter in the yard.";
const SECOND: &str = "Divers found that the propeller had lost a blade, and a foundry on the \
    mainland cast another within three weeks.";
const THIRD: &str = "Farmers had sent their milk by fishing boat, which took twice as long and \
    cost a good deal more.";

/// The articles of pages as the program indexes and exports them, in the order of the pages.
fn read(pages: &[&str]) -> Vec<Value> {
    let world = World::new();
    for (i, page) in pages.iter().enumerate() {
        let page = match page.starts_with("<html>") {
            true => (*page).to_string(),
            false => format!("<html><head><title>Ferry</title></head><body>{page}</body></html>"),
        };
        world.write(&format!("pages/{i:03}.html"), page);
    }
    world.run("index pages -c c.nearwise");
    let mut articles = world.exported("c.nearwise");
    articles.sort_by_key(|article| article["id"].to_string());
    assert_eq!(articles.len(), pages.len());
    articles
}

fn texts(pages: &[&str]) -> Vec<String> {
    let text = |article: Value| article["text"].as_str().unwrap().to_string();
    read(pages).into_iter().map(text).collect()
}

#[track_caller]
fn assert_texts(pages: &[(String, String)]) {
    let sources: Vec<&str> = pages.iter().map(|(page, _)| page.as_str()).collect();
    for ((page, wanted), found) in pages.iter().zip(texts(&sources)) {
        assert_eq!(&found, wanted, "{page}");
    }
}

/// Paragraphs as a page has them, and as an article has them.
fn paragraphs(texts: &[&str]) -> (String, String) {
    let page = texts.iter().map(|text| format!("<p>{text}</p>")).collect();
    (page, texts.join("\n\n"))
}

#[test]
fn what_asks_for_consent_or_to_subscribe_may_be_as_long_as_the_article() {
    let (body, text) = paragraphs(&[FIRST, SECOND, THIRD]);
    let asks = "<h2>Your choice</h2><p>We and those we work with keep small files on your device, \
        read them, and learn from them what you may like to buy, also on other pages than ours.</p>\
        <p>You can say no, or change your mind later at the end of any page.</p>";
    let mut pages = Vec::new();
    for around in [
        "<div id='cookie-consent'>",
        "<div id=CybotCookiebotDialog><div>",
        "<div class='qc-cmp2-container'>",
        "<section class='didomi-popup'>",
        "<div class='newsletter-block'>",
    ] {
        for landmark in ["main", "article"] {
            let page = format!(
                "{around}{asks}</div></section></div><{landmark}><h1>F</h1>{body}</{landmark}>"
            );
            pages.push((page, text.clone()));
            let page = format!("<{landmark}><h1>F</h1>{body}</{landmark}>{around}{asks}");
            pages.push((page, text.clone()));
        }
    }
    // What names a state of the page names no box.
    pages.push((
        format!("<div class='page cookies-accepted'>{body}</div><footer>{THIRD}</footer>"),
        text.clone(),
    ));
    assert_texts(&pages);
}

#[test]
fn a_question_is_read_with_its_answers() {
    let wanted = format!("{FIRST}\n\n{SECOND}\n\n{THIRD}");
    let named = format!(
        "<h1>When?</h1><div id=question><div class=post-text><p>{FIRST}</p></div>\
         <div class=comments><span>A remark on it</span></div></div><div id=answers>\
         <div class=answer><div class=post-text><p>{SECOND}</p></div></div>\
         <div id=answer-12><p>{THIRD}</p></div></div>"
    );
    let marked = format!(
        "<div itemscope itemtype='https://schema.org/Question'><h1>When?</h1><div>\
         <div itemprop=text><p>{FIRST}</p></div></div><div itemprop=acceptedAnswer>\
         <div itemprop=text><p>{SECOND}</p></div></div><div itemprop=suggestedAnswer>\
         <div itemprop=text><p>{THIRD}</p></div></div></div>"
    );
    let thread = format!(
        "<div class=thing><a class=title href=/x>Ferry</a><div class=usertext-body><p>{FIRST}</p>\
         </div></div><div class=commentarea><div class=comment><p>{SECOND}</p></div>\
         <div class=comment><p>{THIRD}</p></div><div class=comment><p>{SECOND}</p></div></div>"
    );
    assert_texts(&[
        (named, wanted.clone()),
        (marked, wanted),
        (thread, FIRST.to_string()),
    ]);
    // A conversation in print is more than its questions and answers.
    let (body, text) = paragraphs(&[FIRST, SECOND]);
    let printed = format!(
        "<article>{body}<p class=question>Why so late?</p><p class=answer>{THIRD}</p></article>"
    );
    assert_texts(&[(printed, format!("{text}\n\nWhy so late?\n\n{THIRD}"))]);
}

#[test]
fn a_brief_is_read_without_what_readers_say() {
    let brief = "The ferry sails again on Monday.";
    let said = "<p>SAID This has cost us all far too much, and I for one shall go by boat.</p>";
    let short = format!("<h1>Ferry sails</h1><p>{brief}</p>");
    let (body, text) = paragraphs(&[FIRST, SECOND]);
    let chinese = "两岛之间的渡轮将于周一恢复航行，船东表示。";
    let japanese = "島を結ぶ船は月曜日から再び運航すると、会社が発表した。";
    assert_texts(&[
        (
            format!("<article>{short}</article><div class=comments>{said}</div>"),
            brief.into(),
        ),
        (
            format!(
                "<div class=content>{short}</div><div class=comments>{said}</div><div class=related>\
                 <a href=1>Milk by boat</a></div><div class=site-footer>Island Post, the quay</div>"
            ),
            brief.into(),
        ),
        (
            format!("<article>{short}<section id=comments>{said}{said}{said}</section></article>"),
            brief.into(),
        ),
        (
            format!(
                "<div><h1>F</h1>{body}</div><div class=leserkommentare>{said}{said}{said}</div>"
            ),
            text.clone(),
        ),
        (
            format!(
                "<div><h1>F</h1>{body}</div><section class=discussion>{}</section>",
                said.repeat(9)
            ),
            text,
        ),
        (
            format!(
                "<div class=nav><a href=a>首页</a><a href=b>新闻</a></div><div class=content><h1>渡轮\
                 </h1><p>{chinese}</p><p>{chinese}</p></div><div class=footer>版权所有 © 2024</div>"
            ),
            format!("{chinese}\n\n{chinese}"),
        ),
        (
            format!(
                "<main><h1>渡し船</h1><p>{japanese}</p><p>{japanese}</p></main><aside><h3>関連記事\
                 </h3><a href=1>橋の料金</a></aside><div id=comments><p>コメント：高い。</p></div>"
            ),
            format!("{japanese}\n\n{japanese}"),
        ),
        // Where there is nothing else, it is the text.
        (
            format!(
                "<h1>What do you think of the ferry?</h1><div class=comments>{said}{said}</div>"
            ),
            paragraphs(&[&said[3..said.len() - 4]; 2]).1,
        ),
    ]);
}

#[test]
fn a_headline_with_its_description_is_an_article() {
    let articles = read(&[
        "<html><head><title>Ferry sails - Island Post</title><meta property=og:description \
         content='It sails on Monday.'></head><body><h1>Ferry sails</h1></body></html>",
        r#"<html><head><title>P</title><script type="application/ld+json">{"@type":"NewsArticle",
        "headline":"Ferry sails","description":"It sails on Monday.","datePublished":"2024-05-03"}
        </script></head><body><div id=app></div></body></html>"#,
    ]);
    for article in &articles {
        assert_eq!(article["title"], "Ferry sails");
        assert_eq!(article["text"], "It sails on Monday.");
    }
    assert_eq!(articles[1]["date"], "2024-05-03");
    // A page that says nothing of an article is none.
    let world = World::new();
    world.write(
        "x.html",
        "<html><head><title>App</title><meta name=description content='An app.'></head><body>",
    );
    world.fails("index x.html -c c.nearwise", 1, &["no article text"]);
}

#[test]
fn text_that_no_eye_sees_is_left_out() {
    let (_, text) = paragraphs(&[FIRST, SECOND]);
    let page = format!(
        "<article><h1>F</h1><p>{FIRST}<span style='position:absolute; left:-9999px'>UNSEEN</span>\
         <span class=visually-hidden>UNSEEN</span><em class='a sr-only'>UNSEEN</em></p>\
         <p class=screen-reader-text>UNSEEN</p><p>{SECOND}</p><p style='opacity: 0'>UNSEEN</p>\
         </article>"
    );
    let spoken = format!(
        "<article><p>It costs <span aria-hidden=true>4<sup>50</sup></span><span class=sr-only>4.50\
         </span> to cross.</p><div style='opacity:0;transform:translateY(9px)'><p>{FIRST}</p></div>\
         <p class=not-sr-only>{SECOND}</p></article>"
    );
    let wiki = format!(
        "<div id=mw-content-text><p>{FIRST}</p><h2>History<span class=mw-editsection>[<a href=e>edit\
         </a>]</span></h2><p>{SECOND}</p></div>"
    );
    let wall = format!(
        "<article><h1>F</h1><p>{FIRST}</p><p class=paywall>{SECOND}</p><div class=paywall><p>This \
         is for subscribers only, from 1 euro a month.</p></div></article>"
    );
    let changed =
        format!("<article><p>{FIRST}</p><p>In <del>May</del><ins>June</ins>.</p></article>");
    assert_texts(&[
        (page, text.clone()),
        (spoken, format!("It costs 4.50 to cross.\n\n{text}")),
        (wiki, format!("{FIRST}\n\nHistory\n\n{SECOND}")),
        (wall, text),
        (changed, format!("{FIRST}\n\nIn June.")),
    ]);
}

#[test]
fn a_break_parts_words_in_a_cell_of_a_layout() {
    let cell = |head: &str| {
        format!(
            "<table><tr><td><a href=1>Home</a></td><td>{head}<br>By Ann<br><br>{FIRST}<br><br>\
             {SECOND}<br><br>{THIRD}</td></tr></table>"
        )
    };
    for text in texts(&[&cell("The <i>old</i> ferry"), &cell("<b>The old ferry</b>")]) {
        assert!(text.starts_with("The old ferry By Ann"), "{text}");
    }
}

#[test]
fn a_date_stands_in_a_byline_or_in_a_description_with_a_comma_too_many() {
    let (body, _) = paragraphs(&[FIRST, SECOND, THIRD]);
    let byline = format!(
        "<article><h1>F</h1><p class=byline>By <a rel=author>Ann Lee</a> | Published 3 May 2024 \
         10:11</p>{body}</article>"
    );
    let changed = format!(
        "<article><h1>F</h1><p class=byline>By Ann Lee | Updated 3 May 2024</p>{body}</article>"
    );
    let comma = format!(
        r#"<script type="application/ld+json">{{"@type": "NewsArticle", "headline": "Ferry, ]",
        "datePublished": "2024-05-03", "keywords": ["a", "b",],}}</script><article>{body}</article>"#
    );
    let articles = read(&[&byline, &changed, &comma]);
    assert_eq!(articles[0]["date"], "2024-05-03T10:11:00");
    assert_eq!(articles[1]["date"], Value::Null);
    assert_eq!(articles[2]["date"], "2024-05-03");
}

const FOURTH: &str = "The school on the smaller island had sent its older pupils home by noon, lest \
    the weather kept them.";
const FIFTH: &str = "Its captain said that she had missed the sound of the engines more than she had \
    missed the sea.";

#[test]
fn an_article_in_parts_several_boxes_deep_is_read_whole() {
    let part = |names: [&str; 3], texts: &[&str]| {
        let [one, two, three] = names;
        let body = paragraphs(texts).0;
        format!("<div class={one}><div class={two}><div class={three}>{body}</div></div></div>")
    };
    let wanted = paragraphs(&[FIRST, SECOND, THIRD, FOURTH, FIFTH]).1;
    let mut pages = Vec::new();
    for names in [["a1", "b2", "c3"], ["row", "column", "inner"]] {
        let one = part(names, &[FIRST, SECOND, THIRD]);
        let two = part(names, &[FOURTH, FIFTH]);
        let figure = "<div class=m><div><figure><img src=a></figure></div></div>";
        for (open, close) in [
            ("<article>", "</article>"),
            ("<main>", "</main>"),
            ("<div class=page><div>", "</div></div>"),
            ("<div itemprop=articleBody>", "</div>"),
        ] {
            let page = format!(
                "<div class=nav><a href=1>Home</a></div>{open}<h1>Ferry</h1>{one}{figure}{two}\
                 {close}<div><div><div><h3><a href=2>Milk by boat</a></h3><p>Farmers send it at \
                 night.</p></div></div></div>"
            );
            pages.push((page, wanted.clone()));
        }
    }
    assert_texts(&pages);
}

#[test]
fn a_brief_is_read_without_a_box_behind_it_that_asks_for_consent() {
    let article = format!(
        "<main><article><h1>The ferry sails again from Monday on</h1><p>{FIRST}</p></article></main>"
    );
    let mut pages = Vec::new();
    for open in ["<div id=cookie-consent>", "<div class=cookie-bar><span>"] {
        for times in [1, 3] {
            let asks = format!("<p>{FOURTH}</p>").repeat(times);
            pages.push((format!("{article}{open}{asks}</div>"), FIRST.to_string()));
        }
    }
    assert_texts(&pages);
}

#[test]
fn paragraphs_are_text_whatever_scoring_makes_of_their_names() {
    let (body, text) = paragraphs(&[FIRST, SECOND, THIRD, FOURTH, FIFTH]);
    let pages: Vec<(String, String)> = [
        "scroll-reveal",
        "extra-content",
        "community-story",
        "text-header",
        "remarkable",
        "contact-block",
        "widget-text",
    ]
    .iter()
    .map(|class| {
        let named = format!(
            "<div class='{class}'>{}</div>",
            paragraphs(&[THIRD, FOURTH]).0
        );
        let inner = body.replace(&paragraphs(&[THIRD, FOURTH]).0, &named);
        (
            format!("<article><h1>Ferry</h1>{inner}</article>"),
            text.clone(),
        )
    })
    .collect();
    assert_texts(&pages);
    // A heading in boxes of its own is a part of the text, too.
    let widget = |inner: &str| {
        format!("<div class=x-widget><div class=x-widget-container>{inner}</div></div>")
    };
    let parts = [FIRST, SECOND].map(|t| widget(&format!("<p>{t}</p><p>{FIFTH}</p>")));
    let heading = widget("<h2>In the yard</h2>");
    let page = format!(
        "<main><h1>Ferry</h1>{}{heading}{}</main>",
        parts[0], parts[1]
    );
    assert_texts(&[(
        page,
        format!("{FIRST}\n\n{FIFTH}\n\nIn the yard\n\n{SECOND}\n\n{FIFTH}"),
    )]);
}

#[test]
fn updates_within_an_article_are_text() {
    let update = |time: &str, text: &str| {
        format!("<article><a href=#{time}>{time}</a><p>{text}</p></article>")
    };
    let intro = paragraphs(&[FIRST, SECOND, THIRD]);
    let page = format!(
        "<article><h1>Ferry</h1>{}{}{}<article><h3><a href=1>Milk by boat</a></h3><p>TEASER of it.</p></article></article>",
        intro.0,
        update("10.11", FOURTH),
        update("11.12", FIFTH)
    );
    let found = texts(&[&page]).remove(0);
    assert!(found.contains(FOURTH) && found.contains(FIFTH), "{found}");
    assert!(!found.contains("TEASER"), "{found}");
}

#[test]
fn names_of_components_states_and_opinions_are_not_those_of_boxes() {
    let (body, text) = paragraphs(&[FIRST, SECOND, THIRD]);
    let cookies = format!("<div class='cmp-overlay'><p>COOKIES {FOURTH}</p></div>");
    let components: String = [FIRST, SECOND, THIRD]
        .iter()
        .map(|text| format!("<div class='text cmp-text'><p>{text}</p></div>"))
        .collect();
    let mut pages = vec![(
        format!("<main><h1>Ferry</h1>{components}</main>{cookies}"),
        text.clone(),
    )];
    for class in [
        "entry comments-open",
        "js-comments-enabled",
        "nocomments",
        "post tag-comments category-social",
        "article comment",
    ] {
        pages.push((
            format!("<h1>Ferry</h1><div class='{class}'>{body}</div>{cookies}"),
            text.clone(),
        ));
    }
    assert_texts(&pages);
}

#[test]
fn the_part_for_subscribers_is_text_and_what_asks_to_subscribe_is_not() {
    let (_, text) = paragraphs(&[FIRST, SECOND, THIRD, FOURTH, FIFTH]);
    let first = paragraphs(&[FIRST, SECOND, THIRD]).0;
    let rest = paragraphs(&[FOURTH, FIFTH]).0;
    assert_texts(&[(
        format!(
            "<article><h1>Ferry</h1>{first}{first}<div class=subscriber-only>{rest}</div>\
             <div class=subscriber-offer><p>Subscribe for 1 euro a month.</p></div></article>"
        ),
        format!("{}\n\n{text}", paragraphs(&[FIRST, SECOND, THIRD]).1),
    )]);
}

#[test]
fn links_behind_a_short_text_are_left_out() {
    let list: String = (1..=12)
        .map(|i| format!("<li><a href={i}>Another film of ferries, number {i}</a></li>"))
        .collect();
    assert_texts(&[(
        format!("<main><h1>Ferry sails</h1><p>{FIRST}</p><ul>{list}</ul></main>"),
        FIRST.to_string(),
    )]);
}

#[test]
fn elements_that_end_in_their_own_tag_hold_nothing() {
    let (body, text) = paragraphs(&[FIRST, SECOND, THIRD]);
    let world = World::new();
    world.write(
        "x.html",
        format!(
            "<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'><head><title/><script \
             src='a.js'/></head><body><h1>Ferry</h1><iframe src='b'/>{body}</body></html>"
        ),
    );
    world.run("index x.html -c c.nearwise");
    assert_eq!(world.exported("c.nearwise")[0]["text"], text);
}

#[test]
fn what_is_shown_without_programs_is_read_where_nothing_else_is() {
    let (body, text) = paragraphs(&[FIRST, SECOND, THIRD]);
    assert_texts(&[(
        format!("<div id=app></div><noscript>{body}</noscript>"),
        text,
    )]);
}

#[test]
fn dates_stand_before_updates_in_lists_and_in_addresses() {
    let body = paragraphs(&[FIRST, SECOND, THIRD]).0;
    let page = |inner: &str| format!("<article><h1>F</h1>{inner}{body}</article>");
    let at = |path: &str| {
        format!(
            "<html><head><link rel=canonical href='https://post.example/{path}'></head><body>{body}"
        )
    };
    let pages = [
        page("<p class=post-date>Published May 3, 2024 | Updated May 5, 2024</p>"),
        page("<dl><dt>Author</dt><dd>Ann Lee</dd><dt>Published</dt><dd>3 May 2024</dd></dl>"),
        at("news/20240503/ferry"),
        at("2024-05-03-ferry.html"),
    ];
    for article in read(&pages.each_ref().map(String::as_str)) {
        assert_eq!(article["date"], "2024-05-03", "{article}");
    }
    assert_eq!(read(&[&at("news/12345678/ferry")])[0]["date"], Value::Null);
}

#[test]
fn a_headline_is_not_the_logo_and_is_escaped_once() {
    let body = paragraphs(&[FIRST, SECOND, THIRD]).0;
    let articles = read(&[
        &format!(
            "<html><head><title>Ferry sails on Monday | Island Post</title></head><body><h1>Island Post</h1>\
             <h2>Ferry sails on Monday</h2>{body}"
        ),
        &format!(
            "<html><head><meta property=og:title content='Boats &amp;amp; ferries'></head><body>{body}"
        ),
    ]);
    assert_eq!(articles[0]["title"], "Ferry sails on Monday");
    assert_eq!(articles[1]["title"], "Boats & ferries");
}

#[test]
fn an_author_is_a_person_and_not_the_site() {
    let body = paragraphs(&[FIRST, SECOND, THIRD]).0;
    let page = |head: &str, byline: &str| {
        format!(
            "<html><head><title>F</title>{head}</head>\
             <body><article><h1>F</h1>{byline}{body}</article>"
        )
    };
    let site = "<meta property=og:site_name content='Island Post'><meta name=author content='Island Post'>";
    let articles = read(&[
        &page("", "<p class=article-byline>By Ann Lee</p>"),
        &page("", "<p class=post-author-name>Ann Lee</p>"),
        &page("", "<div class=by-author>Ann Lee</div>"),
        &page("<meta name=author content='By Ann Lee'>", ""),
        &page(site, "<p class=author-info>Ann Lee</p>"),
    ]);
    for article in &articles {
        assert_eq!(article["metadata"]["author"], "Ann Lee", "{article}");
    }
}

#[test]
fn json_of_a_page_in_a_comment_that_ends_as_scripts_end_it() {
    let page = format!(
        "<html><head><title>X</title><script type=\"application/ld+json\">\n<!--\n{}\n//-->\n</script></head><body>{}</body></html>",
        r#"{"@type":"NewsArticle","headline":"A bridge opens","datePublished":"2024-03-05"}"#,
        "<article><p>The bridge over the river opened on Tuesday after two years of work, the city said.</p></article>"
    );
    let articles = read(&[&page]);
    assert_eq!(articles[0]["title"], "A bridge opens");
    assert_eq!(articles[0]["date"], "2024-03-05");
}

#[test]
fn json_of_a_page_with_bare_quotes_in_it() {
    let page = format!(
        "<html><head><title>X</title><script type=\"application/ld+json\">{}</script></head><body>{}</body></html>",
        r#"{"@type":"NewsArticle","headline":"A "new" bridge, "at last", opens","datePublished":"2024-03-05","author":{"name":"Ann \"A\" Lee"}}"#,
        "<article><p>The bridge over the river opened on Tuesday after two years of work, the city said.</p></article>"
    );
    let articles = read(&[&page]);
    assert_eq!(articles[0]["title"], "A \"new\" bridge, \"at last\", opens");
    assert_eq!(articles[0]["date"], "2024-03-05");
}

#[test]
fn marks_of_notes_are_no_text() {
    let page = "<html><head><title>Bridge</title></head><body><div id=\"mw-content-text\"><div class=\"mw-parser-output\">\
        <p>The bridge over the river opened in 1931,<sup id=\"cite_ref-1\" class=\"reference\"><a href=\"#cite_note-1\"><span>[</span>1<span>]</span></a></sup> \
        and was 10<sup>2</sup> metres long, as the city said<sup><a href=\"https://en.example/bridge#n2\">2</a></sup> when it was built.</p>\
        <h2>History</h2><p>Shop owners on the west bank had asked for it for many years, since most of their customers lived on the other.</p>\
        </div></div></body></html>";
    let articles = read(&[page]);
    assert_eq!(
        articles[0]["text"],
        "The bridge over the river opened in 1931, and was 102 metres long, as the city said when it was built.\n\n\
         History\n\n\
         Shop owners on the west bank had asked for it for many years, since most of their customers lived on the other."
    );
}
