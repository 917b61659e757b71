//! Whatever a file holds, reading it ends, without a panic, in articles or in errors that name it.

mod common;

use common::{damage, damaged};
use nearwise::corpus::{Article, Input, Note, ReadOptions, Sink, read};
use nearwise::{Error, Result};
use proptest::prelude::*;

#[derive(Default)]
struct Seen {
    articles: usize,
    bad: Vec<String>,
}

impl Sink for Seen {
    fn article(&mut self, article: Article) -> Result<()> {
        assert!(!article.text.contains('\0') && !article.origin.is_empty());
        self.articles += 1;
        Ok(())
    }

    fn bad(&mut self, problem: Error) -> Result<()> {
        self.bad.push(problem.to_string());
        Ok(())
    }

    fn note(&mut self, note: Note) {
        assert!(!note.to_string().contains('\n'));
    }

    fn incomplete(&mut self, _: &str) {}
}

/// Something of each format, to be damaged.
fn samples() -> Vec<(&'static str, Vec<u8>)> {
    let parquet = std::fs::read_dir(common::repository("tests/fixtures"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .find(|p| p.extension().is_some_and(|e| e == "parquet"))
        .map(|p| std::fs::read(p).unwrap())
        .unwrap();
    let gz = {
        use std::io::Write;
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(b"{\"text\": \"one\"}\n{\"text\": \"two\", \"n\": [1, {\"a\": null}]}\n")
            .unwrap();
        out.finish().unwrap()
    };
    let zip = {
        use std::io::Write;
        let mut out = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default();
        out.start_file("folder/b.csv", options).unwrap();
        out.write_all(b"id,text\n1,one\n").unwrap();
        out.finish().unwrap().into_inner()
    };
    let tar = {
        let mut out = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(8);
        out.append_data(&mut header, "folder/b.txt", &b"A text.\n"[..])
            .unwrap();
        out.into_inner().unwrap()
    };
    let wide = "\u{feff}Title\n\nA wide text.".chars();
    vec![
        ("a.zip", zip),
        ("a.tar", tar),
        ("wide.txt", wide.flat_map(|c| u32::from(c).to_be_bytes()).collect()),
        ("hz.txt", b"Title\n\nA text ~{8[?Z5D>IGE~} ~~ and ~{=+SZ~}.\n".to_vec()),
        ("a.json", b"[\n {\"id\": 1, \"text\": \"[caption id=\\\"a\\\"]<b>one</b>[/caption] [sic]\"},\n {\"id\": 2, \"text\": \"two\"}\n]\n".to_vec()),
        ("a.rss", b"<?xml version=\"1.0\"?><rss version=\"2.0\"><channel><title>P</title><item><title>T</title><link>https://a.example/1</link><description>&lt;p&gt;One&lt;/p&gt;</description></item></channel></rss>".to_vec()),
        ("a.eml", b"From: a@a.example\nSubject: =?utf-8?q?T=C3=A9?=\nDate: Fri, 3 May 2024 10:11:12 +0200\nMIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\nOne t=65xt.\n\n--b--\n".to_vec()),
        ("a.mbox", b"From a@a.example Fri May  3 10:11:12 2024\nFrom: a@a.example\nSubject: T\n\nOne.\n\nFrom b@a.example Fri May  3 10:11:13 2024\nFrom: b@a.example\nSubject: U\n\nTwo.\n".to_vec()),
        ("a.sgml", b"<!DOCTYPE lewis SYSTEM \"lewis.dtd\">\n<REUTERS NEWID=\"1\">\n<DATE>26-FEB-1987 15:01:01.79</DATE>\n<TEXT>\n<TITLE>T</TITLE>\n<BODY>One &lt;A.B>.\n</BODY></TEXT>\n</REUTERS>\n".to_vec()),
        ("a.warc", b"WARC/1.0\r\nWARC-Type: conversion\r\nWARC-Target-URI: https://a.example/1\r\nContent-Type: text/plain\r\nContent-Length: 18\r\n\r\nTitle\n\nOne text of.\r\n\r\n".to_vec()),
        ("a.txt", b"A title\n\nA text of two\nlines, and more.\n".to_vec()),
        ("a.md", b"---\ntitle: T\ndate: 2024-01-02\n---\n# Head\n\nText *with* [marks](x).\n\n> quote\n".to_vec()),
        ("a.html", b"<html><head><title>T</title><meta name=date content=2024-01-02></head><body><article><h1>T</h1><p>One &amp; two</p><p>Three</p></article></body></html>".to_vec()),
        ("a.jsonl", b"{\"id\": 1, \"title\": \"T\", \"text\": \"body\", \"date\": \"2024-01-02\"}\n{\"text\": \"\\ud83d\\ude00\"}\n".to_vec()),
        ("a.csv", b"id,title,text,date\n1,\"T, t\",\"a \"\"quoted\"\" text\nover lines\",2024-01-02\n2,U,more,\n".to_vec()),
        ("a.tsv", b"id\ttitle\ttext\n1\tT\tbody\n2\tU\tmore\n".to_vec()),
        ("a.parquet", parquet),
        ("a.jsonl.gz", gz),
    ]
}

/// As many as `PROPTEST_CASES` says, few otherwise.
fn cases() -> u32 {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default().cases,
        None => 150,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_files_end_in_articles_or_errors(damages in proptest::collection::vec(damage(), 1..5)) {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in samples() {
            let path = folder.path().join(name);
            std::fs::write(&path, damaged(&bytes, &damages)).unwrap();
            let mut seen = Seen::default();
            let inputs = Input::parse(path.to_str().unwrap()).unwrap();
            let outcome = read(&inputs, &ReadOptions::default(), &mut seen);
            for line in seen.bad.iter().chain(outcome.err().map(|e| e.to_string()).as_ref()) {
                prop_assert!(line.contains(name) && line.lines().count() == 1, "{name}: {line}");
            }
        }
    }
}

#[test]
fn the_samples_are_read_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in samples() {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let mut seen = Seen::default();
        let inputs = Input::parse(path.to_str().unwrap()).unwrap();
        read(&inputs, &ReadOptions::default(), &mut seen).unwrap();
        assert!(
            seen.articles > 0 && seen.bad.is_empty(),
            "{name}: {:?}",
            seen.bad
        );
    }
}

/// With a quote that is never closed, all that follows would be one record in memory; it costs its
/// row.
#[test]
fn a_record_without_an_end_is_one_bad_row() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = b"id,text\n1,first\n2,\"never closed\n".to_vec();
    let line = b"3,another row of the file that the quote takes in\n";
    let mut rows = 1;
    while text.len() < 66 << 20 {
        text.extend_from_slice(line);
        rows += 1;
    }
    let path = folder.path().join("open.csv");
    std::fs::write(&path, text).unwrap();
    let mut seen = Seen::default();
    let inputs = Input::parse(path.to_str().unwrap()).unwrap();
    read(&inputs, &ReadOptions::default(), &mut seen).unwrap();
    assert_eq!(seen.articles, rows);
    assert_eq!(seen.bad.len(), 1);
    assert!(seen.bad[0].contains("open.csv:3: "), "{:?}", seen.bad);
    assert!(seen.bad[0].contains("quote"), "{:?}", seen.bad);
}
