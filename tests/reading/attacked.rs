//! Files that say of themselves what they are not, or hold more than was looked at.

use super::documents::{http, one, pdf, read_bytes, read_unnamed, record, tar, zip};
use std::io::Write;

const BODY: &str =
    "The harbour's old bridge opens again in September, the council said on Tuesday.";

fn small_pdf(text: &str) -> Vec<u8> {
    pdf(&[text], "")
}

#[test]
#[cfg(feature = "documents")]
fn archives_of_pdf_files_are_archives() {
    let (one, two) = (
        small_pdf("The first story."),
        small_pdf("The second story."),
    );
    // The second member is stored, so that its bytes stand in the archive as they are.
    let packed = zip(&[
        ("0.txt", b"A title\n\nA text."),
        ("1.pdf", &one),
        ("2.pdf", &two),
    ]);
    let packed_tar = tar(&[("1.pdf", &one), ("2.pdf", &two)]);
    for (name, bytes, count) in [("a.zip", packed, 3), ("a.tar", packed_tar, 2)] {
        for seen in [read_bytes(name, &bytes), read_unnamed(&bytes)] {
            assert_eq!(
                (seen.bad.len(), seen.articles.len()),
                (0, count),
                "{name}: {:?}",
                seen.bad
            );
        }
    }
    for (name, bytes) in [
        ("a.txt", "A title\n\nFiles begin with %PDF-1.4 mostly.\n"),
        ("b.csv", "id,text\n1,Files begin with %PDF-1.4 mostly.\n"),
        (
            "c.html",
            "<html><body><p>Files begin with %PDF-1.4 mostly, as the one who made them said there.</p></body></html>",
        ),
        (
            "d.jsonl",
            "{\"text\": \"Files begin with %PDF-1.4 mostly.\"}\n",
        ),
    ] {
        let seen = read_bytes(name, bytes.as_bytes());
        assert_eq!(
            (seen.bad.len(), seen.articles.len()),
            (0, 1),
            "{name}: {:?}",
            seen.bad
        );
    }
}

#[test]
fn what_a_page_or_feed_declares_gives_way_to_what_it_is_in() {
    use encoding_rs::{BIG5, GBK, SHIFT_JIS, WINDOWS_1251, WINDOWS_1252};
    let french = "Le marché a été ouvert à Noël, où la façade était très jolie, dit le café.";
    for (text, encoding, declared) in [
        (
            "港口的旧桥将于九月重新开放，工程师说新的轴承可以使用很多年。",
            GBK,
            "utf-8",
        ),
        (
            "港口的旧桥将于九月重新开放，工程师说新的轴承可以使用很多年。",
            GBK,
            "iso-8859-1",
        ),
        (
            "港口的舊橋將於九月重新開放，工程師說新的軸承可以使用很多年。",
            BIG5,
            "utf-8",
        ),
        (
            "港の古い橋は九月に再び開くと、市議会が火曜日に決めた。",
            SHIFT_JIS,
            "utf-8",
        ),
        (
            "Министры договорились о новом графике поставок зерна.",
            WINDOWS_1251,
            "utf-8",
        ),
        (french, WINDOWS_1252, "utf-8"),
        (french, WINDOWS_1252, "utf-16"),
    ] {
        let page = format!(
            "<html><head><meta charset=\"{declared}\"><title>T</title></head><body><article><p>{text}</p></article></body></html>"
        );
        let feed = format!(
            "<?xml version=\"1.0\" encoding=\"{declared}\"?><rss><channel><title>C</title><item><title>T</title><description>{text}</description></item></channel></rss>"
        );
        for (name, source) in [("a.html", page), ("a.xml", feed)] {
            let (bytes, _, bad) = encoding.encode(&source);
            assert!(!bad);
            let seen = read_bytes(name, &bytes);
            assert_eq!(seen.articles[0].text, text, "{name} {declared}");
            assert!(
                seen.notes.iter().any(|n| n.contains(encoding.name())),
                "{:?}",
                seen.notes
            );
        }
    }
}

#[test]
fn mails_without_a_charset_are_told_by_their_bytes() {
    use encoding_rs::{KOI8_R, WINDOWS_1252};
    let french = (
        "caf\u{e9} ouvert",
        "D\u{e9}j\u{e0} vu \u{e0} No\u{eb}l, \u{201c}cit\u{e9}\u{201d}.",
    );
    let russian = (
        "Мост открыли",
        "Мост через реку открыли вчера утром для всех жителей города.",
    );
    for ((subject, text), encoding) in [(french, WINDOWS_1252), (russian, KOI8_R)] {
        for kind in [
            "",
            "Content-Type: text/plain\n",
            "Content-Type: text/plain; charset=us-ascii\nContent-Transfer-Encoding: 8bit\n",
            "Content-Type: text/plain; charset=x-unknown\n",
            "Content-Type: text/plain; charset=utf-8\n",
        ] {
            let mail = format!(
                "From: a@post.example\nSubject: {subject}\nMessage-ID: <1@post.example>\n{kind}\n{text}\n"
            );
            let (mail, _, _) = encoding.encode(&mail);
            let boxed = [b"From a@post.example Fri May  3 10:11:12 2024\n", &mail[..]].concat();
            for (name, bytes) in [("a.eml", mail.to_vec()), ("a.mbox", boxed)] {
                let seen = read_bytes(name, &bytes);
                let article = &seen.articles[0];
                assert_eq!(
                    (article.title.as_str(), article.text.as_str()),
                    (subject, text),
                    "{name} {kind}"
                );
                assert_eq!(seen.notes.len(), 1, "{kind}: {:?}", seen.notes);
                assert!(
                    seen.notes[0].contains(&encoding.name()[..4]),
                    "{:?}",
                    seen.notes
                );
            }
        }
    }
    // In quoted-printable, and what is declared rightly.
    let mail = "From: a@post.example\nSubject: S\nMessage-ID: <1@post.example>\nContent-Type: text/plain{}\nContent-Transfer-Encoding: quoted-printable\n\nD=E9j=E0 vu =E0=\n No=EBl.\n";
    for (charset, notes) in [("", 1), ("; charset=iso-8859-1", 0), ("; charset=utf-8", 1)] {
        let seen = read_bytes("a.eml", mail.replace("{}", charset).as_bytes());
        assert_eq!(seen.articles[0].text, "D\u{e9}j\u{e0} vu \u{e0} No\u{eb}l.");
        assert_eq!(seen.notes.len(), notes, "{charset}: {:?}", seen.notes);
    }
}

#[test]
fn what_is_replaced_in_a_mail_is_counted_once() {
    for kind in ["plain", "html"] {
        let head = format!(
            "From: a@post.example\nSubject: S\nMessage-ID: <1@post.example>\nContent-Type: text/{kind}; charset=utf-8\n\n"
        );
        let text = "Z\u{fc}rich, \u{d6}l, f\u{fc}r, \u{dc}bung, sch\u{f6}n";
        let mail = [head.as_bytes(), text.as_bytes(), b" \xff.\n"].concat();
        let seen = read_bytes("a.eml", &mail);
        assert_eq!(seen.articles[0].text, format!("{text} \u{fffd}."));
        assert_eq!(seen.notes.len(), 1, "{kind}: {:?}", seen.notes);
        assert!(
            seen.notes[0].contains("in 1 place,"),
            "{kind}: {:?}",
            seen.notes
        );
    }
}

#[test]
fn a_paragraph_that_begins_with_from_is_no_mail() {
    let mails = "From a@post.example Fri May  3 10:11:12 2024\nFrom: a@post.example\nSubject: One\n\nBody one\n\n\
        From here on the story goes on: it is long.\nMore of the story stands here.\n\nThe last paragraph.\n\n\
        From - Fri May  3 10:11:13 2024\nFrom: b@post.example\nSubject: Two\n\nBody two\n\n\
        From nobody knows where\nMessage-ID: <3@post.example>\nSubject: Three\n\nBody three\n";
    let seen = read_bytes("a.mbox", mails.as_bytes());
    assert_eq!(
        (seen.bad.len(), seen.articles.len()),
        (0, 3),
        "{:?}",
        seen.bad
    );
    assert!(seen.articles[0].text.ends_with("The last paragraph."));
    assert!(
        seen.articles[0]
            .text
            .contains("From here on the story goes on")
    );
    assert_eq!(seen.articles[2].title, "Three");
}

#[test]
fn mails_within_mails_are_kept() {
    let inner = "From: Bea Writer <b@post.example>\nSubject: The article\nDate: Fri, 3 May 2024 10:11:12 +0000\nContent-Type: text/plain\n\nThe bridge opens again.\n";
    let mail = |part: &str| {
        format!(
            "From: a@post.example\nSubject: Fwd\nMessage-ID: <9@post.example>\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\nsee below\n--b\nContent-Type: message/rfc822\n\n{part}--b--\n"
        )
    };
    let article = one("a.eml", mail(inner).as_bytes());
    assert_eq!(article.title, "Fwd");
    assert_eq!(
        article.text,
        "see below\n\nFrom: Bea Writer <b@post.example>\nDate: 2024-05-03T10:11:12\nSubject: The article\n\nThe bridge opens again."
    );
    // Deeper ones end somewhere.
    let mut deep = inner.to_string();
    for depth in 0..40 {
        deep = mail(&deep)
            .replace("=b\n", &format!("=b{depth}\n"))
            .replace("--b", &format!("--b{depth}"));
    }
    assert!(one("b.eml", deep.as_bytes()).text.starts_with("see below"));
}

#[test]
fn a_text_that_only_leads_to_the_html_is_none() {
    let mail = |text: &str| {
        let html = format!(
            "<p>{BODY}</p><p>{BODY} It was closed for two years.</p><p>Shops on the quay welcomed it, as trade had fallen.</p>"
        );
        let mail = format!(
            "From: a@post.example\nSubject: S\nMessage-ID: <9@post.example>\nMIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/plain\n\n{text}\n--b\nContent-Type: text/html\n\n{html}\n--b--\n"
        );
        one("a.eml", mail.as_bytes()).text
    };
    let stub = "Your mail program shows no HTML. To view this message in your browser, go to https://post.example/view?id=12345678901234567890&u=abcdefghijklmnopqrstuvwxyz there.";
    assert!(mail(stub).starts_with(BODY));
    let own =
        format!("{BODY}\n\n{BODY} It was closed for two years.\n\nRead on: https://post.example/1");
    assert_eq!(mail(&own), own);
}

fn document(body: &str, notes: &str) -> Vec<u8> {
    let part = |root: &str, text: &str| {
        format!(
            "<?xml version=\"1.0\"?><w:{root} xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\">{text}</w:{root}>"
        )
    };
    zip(&[
        ("[Content_Types].xml", b"<Types/>"),
        (
            "word/document.xml",
            part("document", &format!("<w:body>{body}</w:body>")).as_bytes(),
        ),
        ("word/footnotes.xml", part("footnotes", notes).as_bytes()),
    ])
}

#[test]
fn word_documents_have_notes_and_hidden_text() {
    let body = "<w:p><w:pPr><w:pStyle w:val=\"Title\"/></w:pPr><w:r><w:t>The bridge</w:t></w:r></w:p><w:p><w:pPr><w:rPr><w:vanish/></w:rPr></w:pPr><w:r><w:t>The bridge opens.</w:t></w:r>\
        <w:r><w:rPr><w:vanish/></w:rPr><w:t>HIDDEN</w:t></w:r><w:r><w:rPr><w:vanish w:val=\"0\"/></w:rPr><w:t> It is old.</w:t></w:r></w:p>\
        <w:p><w:moveFrom><w:r><w:t>MOVED</w:t></w:r></w:moveFrom><w:moveTo><w:r><w:t>Moved here.</w:t></w:r></w:moveTo></w:p>";
    let notes = "<w:footnote w:type=\"separator\"><w:p><w:r><w:separator/></w:r></w:p></w:footnote>\
        <w:footnote><w:p><w:r><w:footnoteRef/></w:r><w:r><w:t>As the council said.</w:t></w:r></w:p></w:footnote>";
    let article = one("a.docx", &document(body, notes));
    assert_eq!(
        article.text,
        "The bridge opens. It is old.\n\nMoved here.\n\nAs the council said."
    );
}

#[test]
fn feeds_of_videos_have_their_descriptions() {
    let feed = "<feed xmlns=\"http://www.w3.org/2005/Atom\" xmlns:media=\"http://search.yahoo.com/mrss/\"><title>Y</title>\
        <entry><id>1</id><title>V</title><media:group><media:title>V</media:title><media:description>A ferry &amp; a bridge.</media:description></media:group></entry>\
        <entry><id>2</id><title>W</title><media:description>A picture.</media:description><summary>Its own text.</summary></entry></feed>";
    let seen = read_bytes("a.xml", feed.as_bytes());
    let texts: Vec<&str> = seen.articles.iter().map(|a| a.text.as_str()).collect();
    assert_eq!(texts, ["A ferry & a bridge.", "Its own text."]);
}

#[test]
fn what_is_no_page_in_a_web_archive_is_counted() {
    let page = format!(
        "<html><head><title>A bridge</title></head><body><article><p>{BODY}</p></article></body></html>"
    );
    let answer = |uri: &str, kind: &str, body: &str| {
        record(
            "response",
            uri,
            "application/http",
            &http(&format!("Content-Type: {kind}"), body.as_bytes()),
        )
    };
    let missing = String::from_utf8(answer("https://post.example/4", "text/html", &page))
        .unwrap()
        .replace("200 OK", "404 No");
    let archive = [
        answer("https://post.example/1", "text/html", &page),
        answer("https://post.example/2", "application/json; x=y", "{}"),
        answer("https://post.example/3", "application/json", "{}"),
        missing.into_bytes(),
    ]
    .concat();
    let seen = read_bytes("a.warc", &archive);
    assert_eq!(
        (seen.bad.len(), seen.articles.len()),
        (0, 1),
        "{:?}",
        seen.bad
    );
    let said = "3 records that are no page (2 application/json, 1 with status 404)";
    assert!(
        seen.notes.iter().any(|n| n.contains(said)),
        "{:?}",
        seen.notes
    );

    // A length that is not the record's costs no other record.
    let length = format!(
        "Content-Length: {}\r\n",
        http("Content-Type: text/html", page.as_bytes()).len()
    );
    let whole = [
        answer("https://post.example/1", "text/html", &page),
        answer("https://post.example/2", "text/html", &page),
    ]
    .concat();
    for wrong in [
        "Content-Length: 10\r\n",
        "Content-Length: 700\r\n",
        "Content-Length: 99999999999\r\n",
        "",
    ] {
        let text = String::from_utf8(whole.clone())
            .unwrap()
            .replacen(&length, wrong, 1);
        assert_ne!(text.as_bytes(), whole);
        let seen = read_bytes("b.warc", text.as_bytes());
        assert_eq!(
            (seen.bad.len(), seen.articles.len()),
            (0, 2),
            "{wrong}: {:?}",
            seen.bad
        );
        assert_eq!(seen.articles[0].text, seen.articles[1].text);
        assert!(
            seen.notes
                .iter()
                .any(|n| n.contains("1 length of a record")),
            "{:?}",
            seen.notes
        );
    }
}

#[test]
fn the_whole_files_of_a_cut_zip_file_are_read() {
    let texts: Vec<(String, String)> = (0..4)
        .map(|i| {
            (
                format!("{i}.txt"),
                format!("Story {i}\n\n{}", BODY.repeat(20)),
            )
        })
        .collect();
    let members: Vec<(&str, &[u8])> = texts
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_bytes()))
        .collect();
    let whole = zip(&members);
    // Within the list of its files, and within the last of them.
    let within = memchr::memmem::find(&whole, b"3.txt").unwrap() + 200;
    let list = memchr::memmem::find(&whole, b"PK\x01\x02").unwrap() + 20;
    for (end, count) in [(list, 4), (within, 3), (10, 0)] {
        let seen = read_bytes("a.zip", &whole[..end]);
        assert_eq!(
            (seen.bad.len(), seen.articles.len()),
            (1, count),
            "{end}: {:?}",
            seen.bad
        );
        assert!(seen.bad[0].contains("zip file"), "{:?}", seen.bad);
    }
    // As programs write it that cannot go back to a member's beginning: its length stands behind it,
    // with its checksum, which nobody trusts unseen.
    let mut stream = zip::ZipWriter::new_stream(Vec::new());
    for (name, text) in &texts {
        let options = zip::write::SimpleFileOptions::default();
        stream.start_file(name.as_str(), options).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
    }
    let whole = stream.finish().unwrap().into_inner();
    let starts: Vec<usize> = memchr::memmem::find_iter(&whole, b"PK\x03\x04").collect();
    assert_eq!((starts.len(), whole[6] & 8), (4, 8));
    let list = memchr::memmem::find(&whole, b"PK\x01\x02").unwrap();
    let mut damaged = whole[..list].to_vec();
    damaged[starts[2] - 9] ^= 1;
    for (bytes, count) in [
        (&whole[..list + 20], 4),
        (&whole[..list], 4),
        (&whole[..list - 1], 3),
        (&whole[..starts[1] + 50], 1),
        (&damaged, 1),
    ] {
        let seen = read_bytes("a.zip", bytes);
        let titles: Vec<&str> = seen.articles.iter().map(|a| a.title.as_str()).collect();
        let expected: Vec<String> = (0..count).map(|i| format!("Story {i}")).collect();
        assert_eq!(titles, expected, "{:?}", seen.bad);
        assert_eq!(seen.bad.len(), 1, "{:?}", seen.bad);
    }
}

#[test]
fn dates_that_nobody_reads_are_counted_and_kept() {
    let page = |date: &str| {
        format!(
            "<html><head><title>A bridge</title><meta property=\"article:published_time\" content=\"{date}\"></head><body><article><p>{BODY}</p></article></body></html>"
        )
    };
    let feed = |date: &str| {
        format!(
            "<rss><channel><title>C</title><item><title>T</title><description>{BODY}</description><pubDate>{date}</pubDate></item></channel></rss>"
        )
    };
    let mail = |date: &str| {
        format!(
            "From: a@post.example\nSubject: S\nMessage-ID: <9@post.example>\nDate: {date}\n\n{BODY}\n"
        )
    };
    let sgml =
        |date: &str| format!("<DOC><DOCNO>1</DOCNO><DATE>{date}</DATE><TEXT>{BODY}</TEXT></DOC>");
    for (name, make) in [
        ("a.html", &page as &dyn Fn(&str) -> String),
        ("a.xml", &feed),
        ("a.eml", &mail),
        ("a.sgml", &sgml),
    ] {
        let article = one(name, make("Fri, 03 May 24 10:11:12 GMT").as_bytes());
        assert_eq!(
            article.date.as_deref(),
            Some("2024-05-03T10:11:12"),
            "{name}"
        );
        let seen = read_bytes(name, make("around noon").as_bytes());
        let article = &seen.articles[0];
        assert_eq!(article.date, None, "{name}");
        assert_eq!(
            article.meta.get("date").and_then(|d| d.as_str()),
            Some("around noon"),
            "{name}"
        );
        assert!(
            seen.notes.iter().any(|n| n.contains("around noon")),
            "{name}: {:?}",
            seen.notes
        );
    }
    // Of a draft, only the day on which it was written is real.
    let draft = "<rss><channel><title>C</title><item><title>T</title><pubDate>Mon, 30 Nov -0001 00:00:00 +0000</pubDate><description>x</description>\
        <wp:post_date>2024-05-03 10:11:12</wp:post_date><wp:post_date_gmt>0000-00-00 00:00:00</wp:post_date_gmt><wp:status>draft</wp:status></item></channel></rss>";
    assert_eq!(
        one("a.xml", draft.as_bytes()).date.as_deref(),
        Some("2024-05-03T10:11:12")
    );
}

#[test]
#[cfg(feature = "documents")]
fn a_title_is_taken_out_of_no_sentence() {
    // The file's own title is "Ferry fares rise".
    let seen = read_bytes("a.pdf", &pdf(&["Ferry fares rise on Monday."], ""));
    assert_eq!(seen.articles[0].text, "Ferry fares rise on Monday.");
    let seen = read_bytes(
        "b.pdf",
        &pdf(&["Ferry fares rise", "It was said on Monday."], ""),
    );
    assert_eq!(seen.articles[0].text, "It was said on Monday.");
}
