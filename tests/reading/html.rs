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

#[test]
fn of_several_stories_the_one_with_the_pages_title_is_the_article() {
    let [one, two] = ["First", "Second"].map(|n| format!("{n} story of the bridge"));
    let other = "<p>The ferry across the bay costs more from June, its owners said, as fuel does.</p>\
        <p>It carries some two thousand people a day in summer, and half as many in winter.</p>\
        <p>Fishermen wait for an answer from the ministry, which has none as yet.</p>";
    let page = |title: &str| {
        format!(
            "<html><head><title>{title}</title></head><body><main><article><h1>{one}</h1>{BODY}</article>\
             <article><h1>{two}</h1>{other}{other}</article></main></body></html>"
        )
    };
    let article = read(page(&one));
    assert_eq!(article["text"], paragraphs());
    let article = read(page(&two));
    assert!(
        article["text"]
            .as_str()
            .unwrap()
            .starts_with("The ferry across")
    );
    // However short it is.
    let short = "The bridge across the harbour opens again in autumn, the council said on Tuesday, as it had to.";
    let article = read(page(&one).replace(BODY, &format!("<p>{short}</p>")));
    assert_eq!(article["text"], short);
    // A page of several has the text of all.
    let text = read(page("News of the harbour"))["text"].to_string();
    assert!(
        text.contains("harbour council") && text.contains("The ferry across"),
        "{text}"
    );
}

/// Three stories, each a few sentences.
const STORIES: [[&str; 2]; 3] = [
    [
        "Storm over the coast",
        "<p>A storm hit the coast on Tuesday, and many owners closed their shops for the day, the mayor said.</p>\
         <p>The harbour stayed shut until the evening, when the wind turned and the first boats came in again.</p>",
    ],
    [
        "The bridge will be wider",
        "<p>The council voted on Monday to widen the bridge after years of debate, and work starts in spring.</p>\
         <p>It is to carry two lanes for bicycles, which is what most of those who wrote to it had asked for.</p>",
    ],
    [
        "A note on ferries",
        "<p>The last ferry leaves an hour earlier from June.</p>",
    ],
];

#[test]
fn a_front_page_is_all_of_its_stories() {
    let page = |story: &dyn Fn(&str, &str) -> String, more: &str| {
        let stories = STORIES.map(|[title, text]| story(title, text)).concat();
        format!(
            "<html><head><title>Harbour Post</title></head><body><main>{stories}</main>{more}</body></html>"
        )
    };
    let plain = |title: &str, text: &str| format!("<article><h2>{title}</h2>{text}</article>");
    let linked = |title: &str, text: &str| {
        format!(
            "<article class=post><header class=entry-header><h2 class=entry-title><a href=/x>{title}</a></h2>\
             <time datetime=2024-03-05>March 5, 2024</time></header><div class=entry-content>{text}</div></article>"
        )
    };
    for page in [page(&plain, ""), page(&linked, "")] {
        let text = read(&page)["text"].as_str().unwrap().to_string();
        let parts: Vec<&str> = text.split("\n\n").collect();
        assert_eq!(parts.len(), 8, "{text}");
        for (at, [title, _]) in [0, 3, 6].into_iter().zip(STORIES) {
            assert_eq!(parts[at], title);
        }
        assert!(!text.contains("March"), "{text}");
    }
    // What leads to others beside an article is none of it.
    let card = |title: &str, text: &str| {
        let first = text.split("</p>").next().unwrap_or(text);
        format!("<article><h3><a href=/x>{title}</a></h3>{first}</p></article>")
    };
    let article = format!("<main><div><h1>Bridge to reopen</h1>{BODY}</div>");
    assert_eq!(
        read(page(&card, "").replace("<main>", &article))["text"],
        paragraphs()
    );
}

#[test]
fn cards_beside_an_article_are_left_out() {
    let excerpts = STORIES.map(|[title, text]| (title, text.split("</p>").next().unwrap_or(text)));
    // As themes of WordPress and Ghost have them.
    let plain = |title: &str, text: &str| {
        format!(
            "<article class=card><a href=/1/><img src=i.jpg alt=''></a><h3 class=card-title><a href=/1/>{title}</a></h3>{text}</p></article>"
        )
    };
    let ghost = |title: &str, text: &str| {
        format!(
            "<article class=post-card><div class=post-card-content><a class=post-card-content-link href=/1/><header class=post-card-header>\
             <div class=post-card-tags><span>News</span></div><h2 class=post-card-title>{title}</h2></header></a>\
             <div class=post-card-excerpt>{text}</p></div></div></article>"
        )
    };
    let title = "<title>Bridge to reopen – Harbour Post</title><meta property=og:title content='Bridge to reopen'>";
    let head = "<header class=entry-header><h1 class=entry-title>Bridge to reopen</h1></header>";
    for card in [&plain as &dyn Fn(&str, &str) -> String, &ghost] {
        let cards: String = excerpts
            .iter()
            .map(|(title, text)| card(title, text))
            .collect();
        for body in [
            format!("<main><article class='post hentry'>{head}{BODY}</article>{cards}</main>"),
            format!("<main><article>{head}{BODY}</article><div class=feed>{cards}</div></main>"),
            // The headline stands outside, and another heading begins the text.
            format!(
                "<main>{head}<article><h2>What was decided</h2>{BODY}{BODY}{BODY}{BODY}</article></main>{cards}"
            ),
        ] {
            let text = read(format!(
                "<html><head>{title}</head><body>{body}</body></html>"
            ))["text"]
                .to_string();
            assert!(
                text.contains("The harbour council") && text.contains("fallen by a third"),
                "{text}"
            );
            for (title, excerpt) in excerpts {
                assert!(!text.contains(title), "{title}: {text}");
                assert!(!text.contains(&excerpt[3..40]), "{title}: {text}");
            }
        }
    }
    // Updates whose headings lead to themselves are the article's.
    let update = |n: u32| {
        format!(
            "<article id=u{n}><h3><a href='#u{n}'>Update {n}</a></h3><p>The wind turned at {n} o'clock.</p></article>"
        )
    };
    let live = format!(
        "<html><head>{title}</head><body><main><article>{head}{BODY}{}</article></main></body></html>",
        (1..5).map(update).collect::<String>()
    );
    let text = read(live)["text"].to_string();
    assert!(
        (1..5).all(|n| text.contains(&format!("turned at {n} o'clock"))),
        "{text}"
    );
}

#[test]
fn a_page_of_what_leads_elsewhere_is_all_of_it() {
    let item = |tag: &str, title: &str, text: &str| {
        format!(
            "<article class=item><{tag}><a href='https://ferry.example/1'>{title}</a></{tag}>{text}</article>"
        )
    };
    let items: String = STORIES[..2]
        .iter()
        .chain(&STORIES[..2])
        .map(|[title, text]| item("h2", title, text))
        .collect();
    let head = "<title>Ferries worth a trip – Harbour Post</title>";
    for body in [
        // A section with what it is about, and a list within its article or beside its beginning.
        format!(
            "<main><header><h1>Ferries worth a trip</h1><div>{BODY}</div></header>{items}</main>"
        ),
        format!(
            "<main><article><header><h1>Ferries worth a trip</h1></header>{BODY}{items}</article></main>"
        ),
        // The same where its parts are long and stand behind the article with its title.
        format!(
            "<main><article><h1>Ferries worth a trip</h1><p>These are the ones that we liked best.</p></article>{}</main>",
            items.replace("</article>", &format!("{BODY}</article>"))
        ),
        // One story of a front page without a link.
        format!("<main><article><h2>Bridge to reopen</h2>{BODY}</article>{items}</main>"),
    ] {
        let text = read(format!(
            "<html><head>{head}</head><body>{body}</body></html>"
        ))["text"]
            .to_string();
        for said in [
            "The harbour council",
            "A storm hit",
            "The council voted",
            "two lanes",
        ] {
            assert!(text.contains(said), "{said}: {body}: {text}");
        }
    }
}

#[test]
fn a_discussion_is_all_that_is_said() {
    let says = STORIES
        .map(|[_, text]| format!("<article class=reply>{text}</article>"))
        .concat();
    for class in ["reply", "comment"] {
        let page = format!(
            "<html><head><title>How wide will it be?</title></head><body><main><h1>How wide will it be?</h1>{}</main></body></html>",
            says.replace("class=reply", &format!("class={class}"))
        );
        let text = read(page)["text"].to_string();
        for said in [
            "A storm hit",
            "The harbour stayed",
            "The council voted",
            "two lanes",
        ] {
            assert!(text.contains(said), "{class}: {text}");
        }
    }
}

#[test]
fn a_story_in_several_articles_is_one() {
    let [first, second] = [STORIES[0][1], STORIES[1][1]];
    let text = |html: &str| {
        html.replace("</p><p>", "\n\n")
            .replace("<p>", "")
            .replace("</p>", "")
    };
    let whole = format!("{}\n\n{}", text(first), text(second));
    for head in ["", "<h1>A long read</h1>"] {
        let page = format!(
            "<html><head><title>A long read</title></head><body><article>{head}{first}</article><div class=ad>Buy this</div>\
             <article>{second}</article></body></html>"
        );
        assert_eq!(read(page)["text"], whole, "{head}");
    }
    // What a reader says is no part.
    let page = format!(
        "<html><head><title>A long read</title></head><body><article class=post><h2>A long read</h2>{first}</article>\
         <article class=comment>{second}</article></body></html>"
    );
    assert_eq!(read(page)["text"], text(first));
}

#[test]
fn xhtml_with_sections_of_text_and_names_of_its_own() {
    let page = format!(
        "<?xml version=\"1.0\"?><!DOCTYPE html [<!ENTITY post \"Harbour Post\">]>\
         <html xmlns=\"http://www.w3.org/1999/xhtml\"><head><title>T</title></head><body>{BODY}\
         <p>The &post; wrote: <![CDATA[a < b && c]]> is so.</p></body></html>"
    );
    let text = read(&page)["text"].as_str().unwrap().to_string();
    assert!(
        text.ends_with("\n\nThe Harbour Post wrote: a < b && c is so."),
        "{text}"
    );
    assert!(text.starts_with("The harbour council"), "{text}");
    // Elsewhere it is a comment.
    let html = page
        .replace("<?xml version=\"1.0\"?>", "")
        .replace("&post;", "Post");
    assert!(!read(html)["text"].as_str().unwrap().contains("a < b"));
}

#[test]
fn a_question_that_opens_its_answer_is_text() {
    let sentences: Vec<String> = BODY
        .split("</p>")
        .filter(|p| !p.is_empty())
        .map(|p| format!("{p}</p>"))
        .collect();
    let answer = |i: usize| format!("<div class=\"accordion-body\">{}</div>", sentences[i]);
    for (open, close) in [
        (
            "<h2 class=accordion-header><button class=accordion-button>",
            "</button></h2>",
        ),
        ("<h3><button>", "</button></h3>"),
        ("<button aria-expanded=false>", "</button>"),
    ] {
        let parts: String = (0..3)
            .map(|i| {
                format!(
                    "<div>{open}What of ships, number {i}?{close}{}</div>",
                    answer(i)
                )
            })
            .collect();
        let page = format!(
            "<html><head><title>Questions</title></head><body><article><h1>Questions</h1>{BODY}<button>Share this now</button>\
             <h2>Contents <button>hide</button></h2>{parts}</article></body></html>"
        );
        let text = read(page)["text"].as_str().unwrap().to_string();
        for i in 0..3 {
            assert!(
                text.contains(&format!("What of ships, number {i}?\n\n")),
                "{open}: {text}"
            );
        }
        assert!(
            !text.contains("Share") && !text.contains("hide"),
            "{open}: {text}"
        );
    }
}

#[test]
fn a_lead_between_headline_and_text_is_text() {
    let lead = "LEAD The decision ends two years of detours for drivers and ships, but the cost has angered many.";
    let by = "<p>By Ann Lee, who writes on ships and on whatever else floats in the harbour and beyond it</p>";
    for (before, after) in [
        (
            format!("<article><header><h1>Bridge to reopen</h1><h2>{lead}</h2>{by}</header><div>"),
            "</div></article>",
        ),
        (
            format!(
                "<article><div class=top><h1>Bridge to reopen</h1><p>{lead}</p></div><div class=body>"
            ),
            "</div></article>",
        ),
        (
            format!(
                "<main><div class=top><h1>Bridge to reopen</h1><div class=lead>{lead}</div></div><figure><img></figure><div class=body>"
            ),
            "</div></main>",
        ),
        (
            format!(
                "<article><h1>Bridge to reopen</h1><h3>{lead}</h3><p style=\"visibility:hidden\">{lead} UNSEEN</p><div class=body>"
            ),
            "</div></article>",
        ),
    ] {
        let page = format!(
            "<html><head><title>Bridge to reopen</title></head><body>{before}{BODY}{after}</body></html>"
        );
        assert_eq!(
            read(page)["text"],
            format!("{lead}\n\n{}", paragraphs()),
            "{before}"
        );
    }
}

#[test]
fn an_author_is_known_by_its_class_where_nothing_else_says_it() {
    for (byline, author) in [
        (
            "<span class=byline>by <span class=\"author vcard\"><a href=x>Ann Lee</a></span></span>",
            Some("Ann Lee"),
        ),
        ("<p class=author>Ann Lee</p>", Some("Ann Lee")),
        (
            "<p class=byline>By Ann Lee | May 3, 2024</p>",
            Some("Ann Lee"),
        ),
        (
            "<div class=author-name>Ann Lee<br>Editor of ships</div>",
            Some("Ann Lee"),
        ),
        ("<p class=byline>May 3, 2024</p>", None),
        (
            "<div class=comments><span class=author>Ann Lee</span></div>",
            None,
        ),
        ("<aside><span class=author>Ann Lee</span></aside>", None),
    ] {
        let page = format!(
            "<html><head><title>Bridge to reopen</title></head><body><main><h1>Bridge to reopen</h1>{byline}{BODY}</main></body></html>"
        );
        assert_eq!(
            read(page)["metadata"]["author"].as_str(),
            author,
            "{byline}"
        );
    }
}

#[test]
fn a_title_that_is_the_sites_name_gives_way_to_the_headline() {
    let page = format!(
        "<html><head><title>Harbour Post</title><meta property=og:title content=\"Harbour Post\"><meta property=og:site_name content=\"Harbour Post\"></head>\
         <body><main><h1>Bridge to reopen after two years<a href=#a>¶</a></h1>{BODY}</main></body></html>"
    );
    let article = read(page);
    assert_eq!(article["title"], "Bridge to reopen after two years");
    assert_eq!(article["text"], paragraphs());
}

#[test]
fn what_a_class_hides_on_every_screen_is_no_text() {
    for (class, seen) in [
        ("hidden", false),
        ("d-none", false),
        ("hidden md:block", true),
        ("d-none d-md-flex", true),
    ] {
        let page = format!(
            "<html><head><title>T</title></head><body><article><h1>Bridge</h1>{BODY}<div class=\"{class}\"><p>MAYBE this is seen by readers of the page, or it is not.</p></div></article></body></html>"
        );
        assert_eq!(
            read(page)["text"].as_str().unwrap().contains("MAYBE"),
            seen,
            "{class}"
        );
    }
}
