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
        let told = problem.to_string();
        assert!(!told.contains(char::is_control), "{told:?}");
        self.bad.push(told);
        Ok(())
    }

    fn note(&mut self, note: Note) {
        assert!(!note.to_string().contains(char::is_control), "{note}");
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
    let wide = "\u{feff}Title\n\nA wide text.".chars();
    vec![
        ("wide.txt", wide.flat_map(|c| u32::from(c).to_be_bytes()).collect()),
        ("hz.txt", b"Title\n\nA text ~{8[?Z5D>IGE~} ~~ and ~{=+SZ~}.\n".to_vec()),
        ("a.json", b"[\n {\"id\": 1, \"text\": \"[caption id=\\\"a\\\"]<b>one</b>[/caption] [sic]\"},\n {\"id\": 2, \"text\": \"two\"}\n]\n".to_vec()),
        ("a.txt", b"A title\n\nA text of two\nlines, and more.\n".to_vec()),
        ("a.md", b"---\ntitle: T\ndate: 2024-01-02\n---\n# Head\n\nText *with* [marks](x).\n\n> quote\n".to_vec()),
        ("a.html", b"<html><head><title>T</title><meta name=date content=2024-01-02></head><body><article><h1>T</h1><p>One &amp; two</p><p>Three</p></article></body></html>".to_vec()),
        ("a.jsonl", b"{\"id\": 1, \"title\": \"T\", \"text\": \"body\", \"date\": \"2024-01-02\"}\n{\"text\": \"\\ud83d\\ude00\"}\n".to_vec()),
        ("a.csv", b"id,title,text,date\n1,\"T, t\",\"a \"\"quoted\"\" text\nover lines\",2024-01-02\n2,U,more,\n".to_vec()),
        ("a.tsv", b"id\ttitle\ttext\n1\tT\tbody\n2\tU\tmore\n".to_vec()),
        ("a.ris", b"TY  - JOUR\nTI  - T\nAU  - A\nAB  - x\n y\nPY  - 2024\nER  - \n\nTY  - NEWS\nTI  - U\nER  - \n".to_vec()),
        ("a.nbib", b"PMID- 1\nTI  - T\n      more\nFAU - A\nDP  - 2024 May\nLID - 10.1/x [doi]\n\nPMID- 2\nTI  - U\n".to_vec()),
        ("a.enw", b"%0 Book\n%T T\n%K a\nb\n%X x\n\n%0 Book\n%T U\n".to_vec()),
        ("a.ciw", b"FN x\nVR 1.0\nPT J\nAU a\n   b\nTI T\nAB x\nER\n\nEF\n".to_vec()),
        ("a.bib", b"@string{c = \"C\"}\n@article{k, title = {T {\\\"u} \\emph{v} $x$}, journal = c # \"d\", year = 2024,\n month = may}\n@book(l, title = \"U\")\n".to_vec()),
        ("a.srt", b"1\n00:00:01,000 --> 00:00:02,000\n<i>a</i> {\\an8}b\n\n2\n00:00:09,000 --> 00:00:10,000\nc\n".to_vec()),
        ("a.vtt", b"WEBVTT\n\n00:01.000 --> 00:02.000 line:0\n<v A>a &amp; b\n".to_vec()),
        ("wiki.xml", b"<mediawiki><siteinfo><base>https://w.example/wiki/M</base></siteinfo><page><title>T</title><ns>0</ns><id>1</id><revision><text>A [[b|c]] {{d|[[e]]}} x&lt;ref&gt;y&lt;/ref&gt;\n{|\n! a !! b\n|-\n| c || d\n|}\n== x ==\n* y [https://z z]</text></revision></page></mediawiki>".to_vec()),
        ("nested.json", b"{\"article\": {\"title\": \"T\", \"body\": \"x\"}, \"groups\": [{\"articles\": [{\"title\": \"U\", \"text\": \"y\"}]}], \"articles\": [{\"title\": \"V\", \"sections\": [{\"title\": \"a\", \"text\": \"b\"}]}]}".to_vec()),
        ("rich.json", b"[{\"title\": \"T\", \"content\": {\"type\": \"doc\", \"content\": [{\"type\": \"paragraph\", \"content\": [{\"type\": \"text\", \"text\": \"x\"}]}]}}]".to_vec()),
        ("a.parquet", parquet),
        ("a.jsonl.gz", gz),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: common::cases(150), failure_persistence: None, ..ProptestConfig::default() })]

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
    let mut rows = 1;
    while text.len() < 66 << 20 {
        // Each is another article, as an exact copy is left out.
        let line = format!(
            "{},another row of the file that the quote takes in\n",
            rows + 2
        );
        text.extend_from_slice(line.as_bytes());
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
