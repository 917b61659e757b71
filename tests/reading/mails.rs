//! Mails as programs of all times wrote them, of which nothing may be lost.

use super::documents::{one, read_bytes};

const TEXT: &str = "The old bridge opens again in September.";

#[test]
fn a_header_that_cannot_be_read_costs_neither_the_next_nor_the_text() {
    let odd = [
        "Date: Fri, 3 May 2024 10:11:12 Z",
        "Date: Fri, 3 May 2024 10:11:12 UT",
        "Date: Fri, 3 May 2024 10:11:12 A",
        "Date: Fri, 3 May 2024 10:11:12 +0000 (",
        "Date:",
        "Resent-Date: Fri, 3 May 2024 10:11:12 Z",
        "Received: from a.example by b.example; Fri, 3 May 2024 10:11:12 Z",
        "To: \"Ann <ann@post.example>",
        "Cc: (",
        "Message-ID: <1@post.example",
        "References: <1@post.example> <2",
        "Keywords: a, \"b",
        "List-Id: <a",
        "Content-ID: <a",
        "X-Mailer: (",
    ];
    for header in odd {
        for mail in [
            format!("From: a@post.example\n{header}\nSubject: A bridge\n\n{TEXT}\n"),
            format!("From: a@post.example\nSubject: A bridge\n{header}\n\n{TEXT}\n"),
        ] {
            for mail in [mail.clone(), mail.replace('\n', "\r\n")] {
                let article = one("a.eml", mail.as_bytes());
                assert_eq!(
                    (article.title.as_str(), article.text.as_str()),
                    ("A bridge", TEXT),
                    "{mail}"
                );
            }
        }
    }
    for zone in ["Z", "UT", "+0000"] {
        let mail = format!(
            "From: a@post.example\nSubject: S\nDate: Fri, 3 May 2024 10:11:12 {zone}\n\n{TEXT}\n"
        );
        let article = one("a.eml", mail.as_bytes());
        assert_eq!(
            article.date.as_deref(),
            Some("2024-05-03T10:11:12"),
            "{zone}"
        );
    }
}

#[test]
fn a_text_of_any_type_is_the_mails_where_it_has_no_other() {
    for kind in [
        "Content-Type: text",
        "Content-Type: text/markdown",
        "Content-Type: text/enriched",
        "Content-Type: text/x-amp-html",
        "Content-Type: application/octet-stream",
        "Content-Type: multipart/mixed",
        "Content-Type: multipart/alternative; boundary=\"\"",
        "Content-Type: message/rfc822",
        "Content-Disposition: attachment; filename=a.txt",
        "Content-Type: text/plain; name=a.txt\nContent-Disposition: attachment",
        "Content-Type: text/html\nContent-Disposition: attachment",
    ] {
        let mail =
            format!("From: a@post.example\nMIME-Version: 1.0\nSubject: S\n{kind}\n\n{TEXT}\n");
        assert_eq!(one("a.eml", mail.as_bytes()).text, TEXT, "{kind}");
    }
    let parts = |first: &str, second: &str| {
        let mail = format!(
            "From: a@post.example\nSubject: S\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n{first}\n--b\n{second}\n--b--\n"
        );
        one("a.eml", mail.as_bytes()).text
    };
    let attached =
        "Content-Type: text/plain\nContent-Disposition: attachment; filename=b.txt\n\nAttached";
    let picture = "Content-Type: image/png\nContent-Transfer-Encoding: base64\n\niVBORw0KGgo=";
    // An attachment beside a text is none of it.
    assert_eq!(
        parts(&format!("Content-Type: text/plain\n\n{TEXT}"), attached),
        TEXT
    );
    assert_eq!(parts(picture, attached), "Attached");
    // What nobody reads is no text.
    let calendar = "Content-Type: text/calendar\n\nBEGIN:VCALENDAR\nEND:VCALENDAR";
    assert_eq!(parts(picture, calendar), "");
}

#[test]
fn what_a_newsletter_shows_in_lists_of_mails_alone_is_not_its_text() {
    let mail = format!(
        "From: a@post.example\nSubject: S\nMIME-Version: 1.0\nContent-Type: text/html; charset=utf-8\n\n\
         <html><body><div style=\"display:none;max-height:0\">PREHEADER</div><table><tr><td><p>{TEXT}</p>\
         <p hidden>UNSEEN</p></td></tr></table></body></html>\n"
    );
    assert_eq!(one("a.eml", mail.as_bytes()).text, TEXT);
}

#[test]
fn mails_as_apples_program_keeps_them() {
    let mail = format!(
        "From: a@post.example\nSubject: A bridge\nMessage-ID: <1@post.example>\n\n{TEXT}\n"
    );
    let kept = format!(
        "{}        \n{mail}<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<plist version=\"1.0\"><dict><key>flags</key></dict></plist>\n",
        mail.len()
    );
    for name in ["1.emlx", "1.eml", "1"] {
        let article = one(name, kept.as_bytes());
        assert_eq!(
            (article.title.as_str(), article.text.as_str()),
            ("A bridge", TEXT),
            "{name}"
        );
    }
    // A length that is wrong loses nothing.
    let wrong = kept.replacen(&mail.len().to_string(), &(mail.len() - 5).to_string(), 1);
    assert_eq!(one("2.emlx", wrong.as_bytes()).text, TEXT);
    // Of a part of one, as much as there is.
    let cut = format!("5000\n{mail}");
    assert_eq!(
        read_bytes("1.partial.emlx", cut.as_bytes()).articles[0].text,
        TEXT
    );
}

#[test]
fn letters_cut_in_two_and_lines_left_out() {
    let mail = format!(
        "\n\nFrom: a@post.example\nMessage-ID: <1@post.example>\nSubject: =?utf-8?Q?Die_Br=C3=BC?=\n =?utf-8?Q?cke_=C3?=\n =?utf-8?Q?=B6ffnet?=\n\n{TEXT}\n"
    );
    for name in ["a.eml", "a"] {
        let article = one(name, mail.as_bytes());
        assert_eq!(
            (article.title.as_str(), article.text.as_str()),
            ("Die Brücke öffnet", TEXT)
        );
    }
    let mails = "From - Fri May  3 10:11:12 2024\nX-Mozilla-Status: 0001\nFrom: a@post.example\nSubject: One\n\nBody one\nFrom here on it goes on.\n\
        From b@post.example Fri May  3 10:12:12 2024\nFrom: b@post.example\nSubject: Two\n\nBody two\n";
    let seen = read_bytes("a.mbox", mails.as_bytes());
    assert!(seen.bad.is_empty(), "{:?}", seen.bad);
    let all: Vec<(&str, &str, Option<&str>)> = seen
        .articles
        .iter()
        .map(|a| (a.title.as_str(), a.text.as_str(), a.date.as_deref()))
        .collect();
    assert_eq!(
        all,
        [
            (
                "One",
                "Body one\nFrom here on it goes on.",
                Some("2024-05-03T10:11:12")
            ),
            ("Two", "Body two", Some("2024-05-03T10:12:12")),
        ]
    );
}

#[test]
fn files_that_came_with_mails_are_named() {
    let part = |kind: &str, name: &str| {
        format!(
            "--B\nContent-Type: {kind}; name={name}\nContent-Disposition: attachment; filename={name}\n\nOther words.\n"
        )
    };
    let mail = |parts: &str| {
        format!(
            "From: a@post.example\nSubject: S\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=B\n\n\
             --B\nContent-Type: text/plain\n\n{TEXT}\n{parts}--B--\n"
        )
    };
    let notes = part("text/plain", "notes.txt");
    let picture = part("image/png", "a.png");
    let report = part("application/pdf", "report.pdf");
    for (parts, said) in [
        (picture.clone(), None),
        (
            format!("{picture}{notes}"),
            Some("the file \"notes.txt\" that came with a mail"),
        ),
        (
            format!("{report}{notes}"),
            Some("2 files that came with mails, as \"report.pdf\""),
        ),
    ] {
        for (name, bytes) in [
            ("a.eml", mail(&parts)),
            (
                "a.mbox",
                format!(
                    "From a@post.example Fri May  3 10:11:12 2024\n{}",
                    mail(&parts)
                ),
            ),
        ] {
            let seen = read_bytes(name, bytes.as_bytes());
            assert!(seen.bad.is_empty(), "{:?}", seen.bad);
            assert_eq!(seen.articles[0].text, TEXT);
            match said {
                Some(said) => assert!(
                    seen.notes.iter().any(|note| note.contains(said)),
                    "{name}: {:?}",
                    seen.notes
                ),
                None => assert!(seen.notes.is_empty(), "{name}: {:?}", seen.notes),
            }
        }
    }
}

#[test]
fn a_text_that_is_a_mails_only_one_is_no_file_left_out() {
    let mail = |kind: &str, name: &str, text: &str| {
        format!(
            "From: a@post.example\nSubject: S\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=B\n\n\
             --B\nContent-Type: {kind}; name={name}\nContent-Disposition: attachment; filename={name}\n\n{text}\n--B--\n"
        )
    };
    let seen = read_bytes("a.eml", mail("text/plain", "text.txt", TEXT).as_bytes());
    assert_eq!(seen.articles[0].text, TEXT);
    assert!(seen.notes.is_empty(), "{:?}", seen.notes);
    // Where nothing of it is text, whatever came is named.
    let seen = read_bytes(
        "a.eml",
        mail("application/ms-tnef", "winmail.dat", "x").as_bytes(),
    );
    assert_eq!(
        (
            seen.articles[0].title.as_str(),
            seen.articles[0].text.as_str()
        ),
        ("S", "")
    );
    assert!(
        seen.notes.iter().any(|n| n.contains("winmail.dat")),
        "{:?}",
        seen.notes
    );
}
