//! Files of one article each, archives of them, and how they are told and unpacked.

use crate::common::{World, damage, damaged};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use nearwise::corpus::{Article, Input, Note, ReadOptions, Sink, read, read_stream};
use nearwise::{Error, Result};
use proptest::prelude::*;
use std::io::{Cursor, Write};
use std::path::Path;

/// What reading gave.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) articles: Vec<Article>,
    pub(super) bad: Vec<String>,
    pub(super) notes: Vec<String>,
    /// The files and lists whose columns were told.
    pub(super) columns: Vec<String>,
    incomplete: Vec<String>,
}

impl Sink for Seen {
    fn article(&mut self, article: Article) -> Result<()> {
        assert!(!article.text.contains('\0') && !article.origin.is_empty());
        self.articles.push(article);
        Ok(())
    }

    fn bad(&mut self, problem: Error) -> Result<()> {
        let told = problem.to_string();
        assert!(!told.contains(char::is_control), "{told:?}");
        self.bad.push(told);
        Ok(())
    }

    fn note(&mut self, note: Note) {
        let told = note.to_string();
        assert!(!told.contains(char::is_control), "{told:?}");
        match note {
            Note::Columns(report) => self.columns.push(report.path),
            _ => self.notes.push(told),
        }
    }

    fn incomplete(&mut self, origin: &str) {
        self.incomplete.push(origin.to_string());
    }
}

impl Seen {
    fn titles(&self) -> Vec<&str> {
        self.articles.iter().map(|a| a.title.as_str()).collect()
    }
}

fn read_path(path: &Path) -> Seen {
    let mut seen = Seen::default();
    let inputs = Input::parse(path.to_str().unwrap()).unwrap();
    read(&inputs, &ReadOptions::default(), &mut seen).unwrap();
    seen
}

/// Reads a file of this name.
pub(super) fn read_bytes(name: &str, bytes: &[u8]) -> Seen {
    let world = World::new();
    read_path(&world.write(name, bytes))
}

/// Reads bytes without a name, as on standard input.
pub(super) fn read_unnamed(bytes: &[u8]) -> Seen {
    let mut seen = Seen::default();
    let stream = Cursor::new(bytes.to_vec());
    read_stream(stream, "-", &ReadOptions::default(), &mut seen).unwrap();
    seen
}

/// The only article of a file in which nothing is wrong.
pub(super) fn one(name: &str, bytes: &[u8]) -> Article {
    let mut seen = read_bytes(name, bytes);
    assert!(seen.bad.is_empty(), "{name}: {:?}", seen.bad);
    assert_eq!(seen.articles.len(), 1, "{name}: {:?}", seen.articles);
    seen.articles.remove(0)
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn bz2(bytes: &[u8]) -> Vec<u8> {
    let mut out = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::default());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn zst(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

pub(super) fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (i, (name, bytes)) in members.iter().enumerate() {
        let method = [
            zip::CompressionMethod::Deflated,
            zip::CompressionMethod::Stored,
        ][i % 2];
        let options = zip::write::SimpleFileOptions::default().compression_method(method);
        out.start_file(*name, options).unwrap();
        out.write_all(bytes).unwrap();
    }
    out.finish().unwrap().into_inner()
}

pub(super) fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = tar::Header::new_ustar();
        // Written as it is: the builder itself refuses names that lead out of the archive.
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        out.append(&header, *bytes).unwrap();
    }
    out.into_inner().unwrap()
}

/// Two JSON lines, packed by xz 5.4 (`printf … | xz | base64`).
const XZ: &str = "/Td6WFoAAATm1rRGAgAhARYAAAB0L+Wj4ABcAD5dAD2IiobUVOndN3jT8gxFI0TT06297BfF5nWRxFWkLpZnza7B26W6+Gs7iBqSppvOE032IZzCFn7y8ONmcGQAAAAA+i6U6D7EqHkAAVpdvC0IdR+2830BAAAAAARZWg==";

const TWO: &[u8] = b"{\"title\": \"One\", \"text\": \"The first of two.\"}\n{\"title\": \"Two\", \"text\": \"The second of two.\"}\n";

const RSS: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:media="http://search.yahoo.com/mrss/">
<channel><title>Harbour &amp; Post</title><link>https://post.example/</link><image><title>Logo</title></image>
<item><title>Ferry fares rise</title><link>https://post.example/1</link><guid isPermaLink="false">post-1</guid>
<pubDate>Fri, 03 May 2024 10:11:12 +0200</pubDate><dc:creator>A. Writer</dc:creator><category>ferries</category><category>fares</category>
<media:title>A picture of a ferry</media:title>
<description>Fares go up.</description><content:encoded><![CDATA[<p>Fares go up in <b>June</b>.</p><p>The council voted.</p>]]></content:encoded></item>
<item><title>Bridge &#8220;closed&#8221;</title><description>&lt;p&gt;The bridge is closed &amp;amp; fenced.&lt;/p&gt;</description><guid>https://post.example/2</guid></item>
<item><title>Only a headline</title></item>
</channel></rss>"#;

const ATOM: &str = r#"<feed xmlns="http://www.w3.org/2005/Atom"><title>Harbour Post</title><id>urn:feed</id>
<entry><title type="html">Ferry &lt;i&gt;fares&lt;/i&gt;</title><link rel="self" href="https://post.example/1.atom"/><link rel="alternate" href="https://post.example/1"/>
<id>urn:1</id><updated>2024-05-04T00:00:00Z</updated><published>2024-05-03T08:11:12Z</published><author><name>A. Writer</name><email>a@post.example</email></author>
<category term="ferries"/><summary>Short.</summary>
<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>Fares go up, if 5 &lt; 6.</p><p>The <b>council</b><br/>voted.</p></div></content></entry></feed>"#;

const RDF: &str = r#"<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/">
<channel rdf:about="https://post.example/"><title>Post</title></channel>
<item rdf:about="https://post.example/1"><title>Ferry</title><description>The ferry is late.</description><dc:date>2024-05-03</dc:date></item></rdf:RDF>"#;

const WXR: &str = r#"<?xml version="1.0" encoding="UTF-8" ?>
<rss version="2.0" xmlns:excerpt="http://wordpress.org/export/1.2/excerpt/" xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:wp="http://wordpress.org/export/1.2/" xmlns:dc="http://purl.org/dc/elements/1.1/">
<channel><title>My blog</title><wp:wxr_version>1.2</wp:wxr_version>
<item><title>First post</title><link>https://blog.example/first</link><dc:creator><![CDATA[anna]]></dc:creator><guid isPermaLink="false">https://blog.example/?p=1</guid><description></description>
<content:encoded><![CDATA[The first <em>paragraph</em>.

The second one.]]></content:encoded><excerpt:encoded><![CDATA[]]></excerpt:encoded>
<wp:post_date_gmt>2024-05-03 08:11:12</wp:post_date_gmt><wp:status>publish</wp:status><wp:post_type>post</wp:post_type>
<category domain="post_tag" nicename="sea"><![CDATA[Sea]]></category>
<wp:comment><wp:comment_content><![CDATA[A comment that is no text.]]></wp:comment_content></wp:comment></item>
<item><title>picture.jpg</title><wp:status>inherit</wp:status><wp:post_type>attachment</wp:post_type></item>
<item><title>Menu</title><wp:status>publish</wp:status><wp:post_type>nav_menu_item</wp:post_type></item>
<item><title>Thrown away</title><content:encoded>x</content:encoded><wp:status>trash</wp:status><wp:post_type>post</wp:post_type></item>
</channel></rss>"#;

const EML: &str = "Return-Path: <anna@post.example>\r\nMessage-ID: <1@post.example>\r\nDate: Fri, 3 May 2024 10:11:12 +0200\r\nFrom: Anna Writer <anna@post.example>\r\nTo: all@post.example\r\nSubject: =?utf-8?Q?F=C3=A4hre_teurer?=\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=\"b\"\r\n\r\n--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nDie F=E4hre wird teurer.\r\n\r\nDer Rat hat abgestimmt.\r\n--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>Die F\u{e4}hre wird teurer.</p>\r\n--b--\r\n";

const MHTML: &str = "From: <Saved by Blink>\r\nSnapshot-Content-Location: https://post.example/1\r\nSubject: Ferry fares rise\r\nDate: Sat, 4 May 2024 00:00:00 -0000\r\nMIME-Version: 1.0\r\nContent-Type: multipart/related; type=\"text/html\"; boundary=\"b\"\r\n\r\n--b\r\nContent-Type: text/html\r\nContent-ID: <f@mhtml.blink>\r\nContent-Transfer-Encoding: quoted-printable\r\nContent-Location: https://post.example/1\r\n\r\n<html><head><title>Ferry fares rise</title><meta property=3D\"og:site_name\" content=3D\"Post\"></head><body><article><h1>Ferry fares rise</h1><p>Fares go up in June, the council of the town said on Friday.</p><p>The ferry is =\r\nthe only way to the island, and it is used by many.</p></article></body></html>\r\n--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\nContent-Location: https://post.example/x.png\r\n\r\niVBORw0KGgo=\r\n--b--\r\n";

const SGML: &str = "<!DOCTYPE lewis SYSTEM \"lewis.dtd\">\n<REUTERS TOPICS=\"YES\" LEWISSPLIT=\"TRAIN\" CGISPLIT=\"TRAINING-SET\" OLDID=\"5544\" NEWID=\"1\">\n<DATE>26-FEB-1987 15:01:01.79</DATE>\n<TOPICS><D>cocoa</D><D>coffee</D></TOPICS>\n<PLACES><D>brazil</D></PLACES>\n<UNKNOWN>\n&#5;&#5;&#5;C T</UNKNOWN>\n<TEXT>&#2;\n<TITLE>RAIN &amp; COCOA</TITLE>\n<DATELINE>    SALVADOR, Feb 26 - </DATELINE><BODY>Showers continued in the\nzone of the cocoa &lt;XYZ.N>.\n    The dry period means the harvest\nwill be late.\n Reuter\n&#3;</BODY></TEXT>\n</REUTERS>\n<REUTERS TOPICS=\"NO\" LEWISSPLIT=\"TEST\" OLDID=\"5545\" NEWID=\"2\">\n<DATE>26-FEB-1987 15:02:20.00</DATE>\n<TOPICS></TOPICS>\n<TEXT TYPE=\"BRIEF\">&#2;\n<TITLE>A HEADLINE ONLY</TITLE></TEXT>\n</REUTERS>\n";

const PAGE: &str = "<html><head><title>Ferry fares rise</title></head><body><article><h1>Ferry fares rise</h1><p>Fares go up in June, the council of the town said on Friday.</p><p>The ferry is the only way to the island, and it is used by many.</p></article></body></html>";

fn mbox() -> String {
    let mail = |n: u32, text: &str| {
        format!(
            "From a@post.example Fri May  3 10:11:12 2024\nMessage-ID: <{n}@post.example>\nFrom: a@post.example\nSubject: Mail {n}\nDate: Fri, 3 May 2024 10:11:12 +0200\n\n{text}\n\n"
        )
    };
    mail(1, "The first.\n>From here on it is quoted.") + &mail(2, "The second.")
}

pub(super) fn record(kind: &str, uri: &str, content_type: &str, block: &[u8]) -> Vec<u8> {
    let mut out = format!("WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Target-URI: {uri}\r\nWARC-Date: 2024-05-04T00:00:00Z\r\nWARC-Record-ID: <urn:uuid:{kind}-{}>\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n", uri.len(), block.len()).into_bytes();
    out.extend_from_slice(block);
    out.extend_from_slice(b"\r\n\r\n");
    out
}

pub(super) fn http(headers: &str, body: &[u8]) -> Vec<u8> {
    [
        format!("HTTP/1.1 200 OK\r\n{headers}\r\n\r\n").as_bytes(),
        body,
    ]
    .concat()
}

fn chunked(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for chunk in body.chunks(100) {
        out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\n\r\n");
    out
}

fn warc() -> Vec<u8> {
    let page = PAGE.as_bytes();
    let packed = chunked(&gz(page));
    let http_type = "application/http; msgtype=response";
    [
        record(
            "warcinfo",
            "",
            "application/warc-fields",
            b"software: x\r\n",
        ),
        record(
            "request",
            "https://post.example/1",
            "application/http; msgtype=request",
            b"GET / HTTP/1.1\r\n\r\n",
        ),
        record(
            "response",
            "https://post.example/1",
            http_type,
            &http("Content-Type: text/html; charset=utf-8", page),
        ),
        record(
            "response",
            "https://www.post.example/22",
            http_type,
            &http(
                "Content-Type: text/html\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked",
                &packed,
            ),
        ),
        record(
            "response",
            "https://post.example/x.png",
            http_type,
            &http("Content-Type: image/png", b"\x89PNG"),
        ),
        record(
            "response",
            "https://post.example/none",
            http_type,
            &http("Content-Type: text/html", b"<html><body></body></html>"),
        ),
    ]
    .concat()
}

fn docx(body: &str, properties: &str) -> Vec<u8> {
    let document = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?><w:document xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\"><w:body>{body}</w:body></w:document>"
    );
    let core = format!(
        "<cp:coreProperties xmlns:cp=\"x\" xmlns:dc=\"y\" xmlns:dcterms=\"z\">{properties}</cp:coreProperties>"
    );
    zip(&[
        ("[Content_Types].xml", b"<Types/>"),
        ("word/document.xml", document.as_bytes()),
        ("docProps/core.xml", core.as_bytes()),
    ])
}

const DOCX: &str = "<w:p><w:pPr><w:pStyle w:val=\"Title\"/></w:pPr><w:r><w:t>Ferry fares &amp; more</w:t></w:r></w:p><w:p><w:r><w:t xml:space=\"preserve\">Fares go </w:t></w:r><w:del><w:r><w:delText>down</w:delText></w:r></w:del><w:r><w:t>up.</w:t></w:r></w:p><w:tbl><w:tr><w:tc><w:p><w:r><w:t>Year</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>Ships</w:t></w:r></w:p></w:tc></w:tr></w:tbl>";

/// A PDF file with a line for each of `lines`; an empty one makes a gap.
pub(super) fn pdf(lines: &[&str], extra: &str) -> Vec<u8> {
    let mut content = String::from("BT /F1 12 Tf 72 720 Td 14 TL\n");
    for line in lines {
        content.push_str(&format!("({line}) Tj T*\n"));
        if line.is_empty() {
            content.push_str("T*\n");
        }
    }
    content.push_str("ET");
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_string(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_string(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> /XObject << /X 7 0 R >> >> >>".to_string(),
        format!("<< /Length {} >>\nstream\n{content}\nendstream", content.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>".to_string(),
        "<< /Title (Ferry fares rise) /Author (A. Writer) /CreationDate (D:20240503101112+02'00') >>".to_string(),
        extra.to_string(),
    ];
    let mut out = b"%PDF-1.4\n".to_vec();
    let mut places = Vec::new();
    for (i, object) in objects.iter().enumerate() {
        places.push(out.len());
        out.extend_from_slice(format!("{} 0 obj\n{object}\nendobj\n", i + 1).as_bytes());
    }
    let start = out.len();
    out.extend_from_slice(
        format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1).as_bytes(),
    );
    for place in places {
        out.extend_from_slice(format!("{place:010} 00000 n \n").as_bytes());
    }
    out.extend_from_slice(
        format!(
            "trailer\n<< /Size {} /Root 1 0 R /Info 6 0 R >>\nstartxref\n{start}\n%%EOF\n",
            objects.len() + 1
        )
        .as_bytes(),
    );
    out
}

fn plain_pdf() -> Vec<u8> {
    pdf(
        &[
            "Fares go up in June, the infor-",
            "mation says.",
            "",
            "The council voted.",
        ],
        "null",
    )
}

#[test]
fn feeds() {
    let seen = read_bytes("a.xml", RSS.as_bytes());
    assert!(seen.bad.is_empty(), "{:?}", seen.bad);
    assert_eq!(
        seen.titles(),
        ["Ferry fares rise", "Bridge “closed”", "Only a headline"]
    );
    let first = &seen.articles[0];
    assert_eq!(first.text, "Fares go up in June.\n\nThe council voted.");
    assert_eq!(first.date.as_deref(), Some("2024-05-03T08:11:12"));
    assert_eq!(first.url.as_deref(), Some("https://post.example/1"));
    assert_eq!(first.source.as_deref(), Some("Harbour & Post"));
    assert_eq!(first.id.as_deref(), Some("post-1"));
    assert_eq!(first.meta["author"], "A. Writer");
    assert_eq!(
        first.meta["categories"],
        serde_json::json!(["ferries", "fares"])
    );
    assert_eq!(seen.articles[1].text, "The bridge is closed & fenced.");
    assert_eq!(
        seen.articles[1].url.as_deref(),
        Some("https://post.example/2")
    );

    let entry = one("a.atom", ATOM.as_bytes());
    assert_eq!(entry.title, "Ferry fares");
    assert_eq!(entry.text, "Fares go up, if 5 < 6.\n\nThe council voted.");
    assert_eq!(entry.date.as_deref(), Some("2024-05-03T08:11:12"));
    assert_eq!(entry.url.as_deref(), Some("https://post.example/1"));
    assert_eq!(entry.source.as_deref(), Some("Harbour Post"));
    assert_eq!(entry.meta["author"], "A. Writer");

    let item = one("a.rdf", RDF.as_bytes());
    assert_eq!(
        (item.title.as_str(), item.text.as_str()),
        ("Ferry", "The ferry is late.")
    );
    assert_eq!(item.date.as_deref(), Some("2024-05-03"));
    assert_eq!(item.source.as_deref(), Some("Post"));
}

#[test]
fn a_wordpress_export_gives_its_posts() {
    let post = one("export.xml", WXR.as_bytes());
    assert_eq!(post.title, "First post");
    assert_eq!(post.text, "The first paragraph.\n\nThe second one.");
    assert_eq!(post.date.as_deref(), Some("2024-05-03T08:11:12"));
    assert_eq!(post.meta["author"], "anna");
    assert_eq!(post.meta["categories"], serde_json::json!(["Sea"]));
}

#[test]
fn feeds_in_other_encodings_and_damaged_ones() {
    let feed = "<?xml version='1.0' encoding='windows-1251'?><rss><channel><title>Газета</title><item><title>Мост</title><description>Мост закрыт.</description></item></channel></rss>";
    let (bytes, _, _) = encoding_rs::WINDOWS_1251.encode(feed);
    let article = one("a.rss", &bytes);
    assert_eq!(
        (article.title.as_str(), article.text.as_str()),
        ("Мост", "Мост закрыт.")
    );
    // What came before the cut is kept, and the cut is told once.
    let seen = read_bytes("a.rss", &RSS.as_bytes()[..RSS.find("Bridge").unwrap() + 3]);
    assert_eq!(seen.titles(), ["Ferry fares rise"]);
    assert_eq!(seen.bad.len(), 1, "{:?}", seen.bad);
    let seen = read_bytes("a.xml", b"<?xml version='1.0'?><note><to>x</to></note>");
    assert!(
        seen.articles.is_empty() && seen.bad[0].contains("RSS"),
        "{:?}",
        seen.bad
    );
}

#[test]
fn mails() {
    let mail = one("a.eml", EML.as_bytes());
    assert_eq!(mail.title, "Fähre teurer");
    assert_eq!(
        mail.text,
        "Die Fähre wird teurer.\n\nDer Rat hat abgestimmt."
    );
    assert_eq!(mail.date.as_deref(), Some("2024-05-03T08:11:12"));
    assert_eq!(mail.source.as_deref(), Some("Anna Writer"));
    assert_eq!(mail.meta["author"], "Anna Writer <anna@post.example>");

    let seen = read_bytes("a.mbox", mbox().as_bytes());
    assert!(seen.bad.is_empty(), "{:?}", seen.bad);
    assert_eq!(seen.titles(), ["Mail 1", "Mail 2"]);
    assert_eq!(
        seen.articles[0].text,
        "The first.\nFrom here on it is quoted."
    );
    assert_eq!(seen.articles[1].id.as_deref(), Some("2@post.example"));
}

#[test]
fn a_saved_page_is_a_page() {
    // Browsers save it as .mhtml, people rename it.
    for name in ["a.mhtml", "a.mht", "a.html"] {
        let page = one(name, MHTML.as_bytes());
        assert_eq!(page.title, "Ferry fares rise", "{name}");
        assert!(page.text.contains("the only way to the island") && !page.text.contains("iVBOR"));
        assert_eq!(page.url.as_deref(), Some("https://post.example/1"));
    }
}

#[test]
fn word_documents() {
    let properties = "<dc:title>Word Document</dc:title><dc:creator>A. Writer</dc:creator><dcterms:created xsi:type=\"dcterms:W3CDTF\">2024-05-03T08:11:12Z</dcterms:created>";
    let article = one("a.docx", &docx(DOCX, properties));
    assert_eq!(article.title, "Ferry fares & more");
    assert_eq!(article.text, "Fares go up.\n\nYear\n\nShips");
    assert_eq!(article.date.as_deref(), Some("2024-05-03T08:11:12"));
    assert_eq!(article.meta["author"], "A. Writer");
    // Without a title in it, the properties' is taken; packed once more, it is the same.
    let body = "<w:p><w:r><w:t>One line of text.</w:t></w:r></w:p>";
    let bytes = docx(body, "<dc:title>The title</dc:title>");
    let article = one("b.docx.gz", &gz(&bytes));
    assert_eq!(
        (article.title.as_str(), article.text.as_str()),
        ("The title", "One line of text.")
    );
    let seen = read_bytes("empty.docx", &docx("", ""));
    assert!(seen.bad[0].contains("without text"), "{:?}", seen.bad);
}

#[cfg(feature = "documents")]
#[test]
fn pdf_files() {
    // Told by content whatever the name says.
    for name in ["a.pdf", "a.txt", "a"] {
        let article = one(name, &plain_pdf());
        assert_eq!(article.title, "Ferry fares rise", "{name}");
        assert_eq!(
            article.text,
            "Fares go up in June, the information says.\n\nThe council voted."
        );
        assert_eq!(article.date.as_deref(), Some("2024-05-03T08:11:12"));
        assert_eq!(article.meta["author"], "A. Writer");
    }
    // Something before the header does no harm.
    let behind = [b"\r\nsent by a server\r\n", plain_pdf().as_slice()].concat();
    assert_eq!(one("b.pdf", &behind).title, "Ferry fares rise");
    let picture = "<< /Type /XObject /Subtype /Image /Width 1 /Height 1 /Length 4 >>\nstream\n(((q\nendstream";
    let seen = read_bytes("scan.pdf", &pdf(&[], picture));
    assert!(
        seen.articles.is_empty() && seen.bad[0].contains("OCR"),
        "{:?}",
        seen.bad
    );
    // A form that draws itself has no end.
    let form = "<< /Type /XObject /Subtype /Form /BBox [0 0 1 1] /Resources << /XObject << /X 7 0 R >> >> /Length 5 >>\nstream\n/X Do\nendstream";
    let seen = read_bytes("loop.pdf", &pdf(&["Text) Tj /X Do (x"], form));
    assert!(
        seen.articles.is_empty() && seen.bad.len() == 1,
        "{:?}",
        seen.bad
    );
    let mut cut = plain_pdf();
    cut.truncate(200);
    let seen = read_bytes("cut.pdf", &cut);
    assert!(
        seen.articles.is_empty() && seen.bad.len() == 1,
        "{:?}",
        seen.bad
    );
    // Packed streams that unpack to far too much are looked at before they are held.
    let mut zeros = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    zeros.write_all(&vec![b' '; 300 << 20]).unwrap();
    let zeros = zeros.finish().unwrap();
    let bomb = [
        b"%PDF-1.4\n4 0 obj\n<< /Filter /FlateDecode >>\nstream\n",
        zeros.as_slice(),
        b"\nendstream\n",
    ]
    .concat();
    let seen = read_bytes("bomb.pdf", &bomb);
    assert!(seen.bad[0].contains("200 times"), "{:?}", seen.bad);
}

#[test]
fn web_archives() {
    let plain = warc();
    for (name, bytes) in [("a.warc", plain.clone()), ("a.warc.gz", gz(&plain))] {
        let seen = read_bytes(name, &bytes);
        assert!(seen.bad.is_empty(), "{name}: {:?}", seen.bad);
        assert_eq!(seen.titles(), ["Ferry fares rise"; 2], "{name}");
        for article in &seen.articles {
            assert!(
                article.text.contains("the only way to the island"),
                "{}",
                article.text
            );
            assert_eq!(article.date.as_deref(), Some("2024-05-04T00:00:00"));
            assert_eq!(article.source.as_deref(), Some("post.example"));
        }
        assert_eq!(
            seen.articles[1].url.as_deref(),
            Some("https://www.post.example/22")
        );
        assert!(seen.notes[0].contains("1 of its pages"), "{:?}", seen.notes);
    }
    let wet = record(
        "conversion",
        "https://post.example/1",
        "text/plain",
        "Ferry fares rise\nFares go up.\nMore.".as_bytes(),
    );
    let article = one("a.warc.wet.gz", &gz(&wet));
    assert_eq!(
        (article.title.as_str(), article.text.as_str()),
        ("Ferry fares rise", "Fares go up.\nMore.")
    );
    // Cut within the second page: the first is kept.
    let at = plain.windows(4).rposition(|w| w == b"gzip").unwrap();
    let seen = read_bytes("cut.warc", &plain[..at + 150]);
    assert_eq!(
        (seen.articles.len(), seen.bad.len()),
        (1, 1),
        "{:?}",
        seen.bad
    );
}

#[test]
fn pages_that_break_off_are_no_shorter_articles() {
    let page = PAGE.as_bytes();
    let response = |uri: &str, headers: &str, body: &[u8]| {
        let headers = format!("Content-Type: text/html{headers}");
        record("response", uri, "application/http", &http(&headers, body))
    };
    let packed = gz(page);
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    zlib.write_all(page).unwrap();
    let zlib = zlib.finish().unwrap();
    let framed = chunked(page);
    let cut = |bytes: &[u8]| bytes[..bytes.len() - 12].to_vec();
    let (gzip, deflate, zstd, chunks) = (
        "\r\nContent-Encoding: gzip",
        "\r\nContent-Encoding: deflate",
        "\r\nContent-Encoding: zstd",
        "\r\nTransfer-Encoding: chunked",
    );
    for (headers, body) in [
        (gzip, &packed),
        (deflate, &zlib),
        (zstd, &zst(page)),
        (chunks, &framed),
    ] {
        let archive = [
            response("https://post.example/first", "", page),
            response("https://post.example/cut", headers, &cut(body)),
            response("https://post.example/whole", headers, body),
        ]
        .concat();
        let seen = read_bytes("a.warc", &archive);
        let urls: Vec<_> = seen
            .articles
            .iter()
            .filter_map(|a| a.url.as_deref())
            .collect();
        assert_eq!(
            urls,
            ["https://post.example/first", "https://post.example/whole"],
            "{headers}"
        );
        assert_eq!(seen.bad.len(), 1, "{headers}: {:?}", seen.bad);
        assert!(
            seen.bad[0].contains("a.warc:2: ") && seen.bad[0].contains("break"),
            "{:?}",
            seen.bad
        );
        assert_eq!(seen.articles[0].text, seen.articles[1].text, "{headers}");
    }
    // A crawler that keeps the header and takes the packing off; padding behind the end.
    for (headers, body) in [
        (gzip, page.to_vec()),
        (deflate, page.to_vec()),
        (chunks, page.to_vec()),
        (gzip, [&packed[..], b"\0\0\0\0"].concat()),
        (gzip, [gz(&page[..100]), gz(&page[100..])].concat()),
    ] {
        let article = one(
            "b.warc",
            &response("https://post.example/1", headers, &body),
        );
        assert!(article.text.contains("the only way to the island"));
    }
}

#[test]
fn ids_that_come_again_stop_no_run() {
    let copy = mbox();
    let other = copy.replace("The second", "Another second");
    let feed = "<rss version=\"2.0\"><channel><title>Post</title>\
        <item><title>One</title><guid>post</guid><description>The first text.</description></item>\
        <item><title>Two</title><guid>post</guid><description>The second text.</description></item>\
        <item><title>One</title><guid>post</guid><description>The first text.</description></item>\
        </channel></rss>";
    let sgml = "<DOC><DOCNO>7</DOCNO><TEXT>One.</TEXT></DOC>\n<DOC><DOCNO>7</DOCNO><TEXT>Two.</TEXT></DOC>\n";
    let page = record("conversion", "u", "text/plain", b"Title\nOne text.");
    let again = record("conversion", "v", "text/plain", b"Title\nTwo texts.");
    for (name, bytes, ids, note) in [
        (
            "copy.mbox",
            [copy.clone(), copy.clone()].concat().into_bytes(),
            vec!["1@post.example", "2@post.example"],
            "2 exact copies",
        ),
        (
            "other.mbox",
            [copy, other].concat().into_bytes(),
            vec!["1@post.example", "2@post.example", "2@post.example-2"],
            "both are kept",
        ),
        (
            "feed.xml",
            feed.as_bytes().to_vec(),
            vec!["post", "post-2"],
            "an exact copy",
        ),
        (
            "docs.sgml",
            sgml.as_bytes().to_vec(),
            vec!["7", "7-2"],
            "both are kept",
        ),
        (
            "pages.warc.wet",
            [page, again].concat(),
            vec!["conversion-1", "conversion-1-2"],
            "both are kept",
        ),
    ] {
        let world = World::new();
        let seen = read_path(&world.write(name, bytes));
        let found: Vec<_> = seen
            .articles
            .iter()
            .filter_map(|a| a.id.as_deref())
            .collect();
        assert_eq!(found, ids, "{name}");
        assert!(seen.bad.is_empty(), "{name}: {:?}", seen.bad);
        assert!(
            seen.notes.iter().any(|n| n.contains(note)),
            "{name}: {:?}",
            seen.notes
        );
        // Nothing has to be said for it, and the next run finds the same articles.
        let line = format!("index {name} -c c.nearwise --json");
        assert_eq!(world.json(&line)["new"], ids.len(), "{name}");
        assert_eq!(world.json(&line)["same"], ids.len(), "{name}");
    }
}

#[test]
fn the_last_member_of_a_name_counts() {
    let members: Vec<(&str, &[u8])> = vec![
        ("a.txt", b"Old\n\nThe bridge is closed.\n"),
        ("b.txt", b"Other\n\nThe ferry is late.\n"),
        ("rows.jsonl", TWO),
        ("./a.txt", b"New\n\nThe bridge is open.\n"),
        ("rows.jsonl", TWO),
    ];
    let tar = tar(&members);
    for (name, bytes) in [
        ("a.tar", tar.clone()),
        ("a.tgz", gz(&tar)),
        ("a.tar.zst", zst(&tar)),
    ] {
        let world = World::new();
        let seen = read_path(&world.write(name, bytes));
        assert!(seen.bad.is_empty(), "{name}: {:?}", seen.bad);
        assert_eq!(seen.titles(), ["Other", "New", "One", "Two"], "{name}");
        assert_eq!(seen.notes.len(), 1, "{:?}", seen.notes);
        assert!(
            seen.notes[0].contains("2 members that came again"),
            "{:?}",
            seen.notes
        );
        let report = world.json(&format!("index {name} -c c.nearwise --json"));
        assert_eq!(report["new"], 4, "{name}: {report}");
    }
    // What comes only once is not read ahead, and the newer is not left in silence.
    let seen = read_unnamed(&tar);
    assert_eq!(seen.titles(), ["Old", "Other", "One", "Two"]);
    assert!(
        seen.notes[0].contains("2 members with the name of one before"),
        "{:?}",
        seen.notes
    );
    // A newer one that is cut off does not take the older's place.
    let at = tar
        .windows(14)
        .position(|w| w == b"bridge is open")
        .unwrap();
    let seen = read_bytes("cut.tar", &tar[..at]);
    assert_eq!(seen.titles()[..2], ["Old", "Other"]);
    assert!(!seen.bad.is_empty());
    let seen = read_bytes("a.zip", &zip(&[members[0], members[3]]));
    assert_eq!(seen.titles(), ["New"]);
    assert!(
        seen.bad.is_empty() && seen.notes.len() == 1,
        "{:?}",
        seen.notes
    );
}

#[test]
fn members_of_one_name_in_a_zip_are_told() {
    let text = |n: u32| format!("Bridge {n}\n\nThe bridge is open.\n").into_bytes();
    let [one, two, three] = [1, 2, 3].map(text);
    let mut bytes = zip(&[("a.txt", &one), ("b.txt", &two), ("c.txt", &three)]);
    for name in [b"b.txt", b"c.txt"] {
        while let Some(at) = bytes.windows(5).position(|w| w == name) {
            bytes[at] = b'a';
        }
        let seen = read_bytes("a.zip", &bytes);
        assert!(seen.bad.is_empty(), "{:?}", seen.bad);
        let last = if name == b"b.txt" {
            ["Bridge 2", "Bridge 3"].as_slice()
        } else {
            &["Bridge 3"]
        };
        assert_eq!(seen.titles(), last);
        let said = if name == b"b.txt" {
            "a member that came again behind"
        } else {
            "2 members that came again behind"
        };
        assert!(
            seen.notes.len() == 1 && seen.notes[0].contains(said),
            "{:?}",
            seen.notes
        );
    }
}

#[test]
fn pruning_spares_members_that_were_left_out() {
    let members: [(&str, &[u8]); 2] = [
        ("a.txt", b"Bridge\n\nThe bridge is open.\n"),
        // A script, unless somebody says that it is text.
        ("notes", b"#!/bin/sh\n# Ferry\necho The ferry is late.\n"),
    ];
    for (name, bytes) in [("a.zip", zip(&members)), ("a.tar.gz", gz(&tar(&members)))] {
        let world = World::new();
        let path = world.write(name, bytes);
        world.run(&format!("index {name} -c c.nearwise --format txt"));
        let report = world.json(&format!("index {name} -c c.nearwise --prune --json"));
        assert_eq!(report["pruned"], 0, "{name}: {report}");
        assert_eq!(
            world.run("export -c c.nearwise").lines().count(),
            2,
            "{name}"
        );
        let left_out = format!("{}/notes", std::fs::canonicalize(&path).unwrap().display());
        assert!(read_path(&path).incomplete.contains(&left_out), "{name}");
    }
}

#[test]
fn json_of_programs_in_a_folder_is_left_out() {
    let world = World::new();
    world.write("site/a.txt", "Bridge\n\nThe bridge is open.\n");
    world.write(
        "site/build.json",
        r#"{"compiler": {"strict": true}, "files": ["a.ts"]}"#,
    );
    world.write(
        "site/places.json",
        r#"[{"lat": 1.5, "lon": 2}, {"lat": 3, "lon": 4}]"#,
    );
    let report = world.json("index site -c c.nearwise --json");
    assert_eq!(report["new"], 1, "{report}");
    let seen = read_path(&world.path("site"));
    assert!(seen.bad.is_empty(), "{:?}", seen.bad);
    assert_eq!(seen.notes.len(), 2, "{:?}", seen.notes);
    assert!(seen.notes[0].contains("build.json: ignored: it holds no article"));
    assert_eq!(seen.incomplete.len(), 2, "{:?}", seen.incomplete);
    // Named outright, and where some objects are articles, it is a mistake to be told.
    world.fails(
        "index site/places.json -c d.nearwise",
        1,
        &["places.json", "name"],
    );
    world.write(
        "site/mixed.json",
        r#"[{"lat": 1.5}, {"title": "Ferry", "text": "It is late."}, {"lat": 3}]"#,
    );
    let seen = read_path(&world.path("site"));
    assert_eq!(
        (seen.articles.len(), seen.bad.len()),
        (2, 2),
        "{:?}",
        seen.bad
    );
    // So it is of what is broken.
    world.write("site/mixed.json", r#"[{"lat": 1.5}, {"title": "Fer"#);
    assert_eq!(read_path(&world.path("site")).bad.len(), 3);
}

#[test]
fn newswire_in_sgml() {
    for name in ["reut2-000.sgm", "reut2-000.txt"] {
        let seen = read_bytes(name, SGML.as_bytes());
        assert!(seen.bad.is_empty(), "{:?}", seen.bad);
        assert_eq!(seen.titles(), ["RAIN & COCOA", "A HEADLINE ONLY"]);
        let first = &seen.articles[0];
        assert_eq!(first.id.as_deref(), Some("1"));
        assert_eq!(first.date.as_deref(), Some("1987-02-26T15:01:01"));
        assert_eq!(first.meta["topics"], serde_json::json!(["cocoa", "coffee"]));
        assert_eq!(first.meta["split"], "TRAIN");
        assert!(first.text.starts_with("Showers continued in the zone of the cocoa <XYZ.N>.\n\nThe dry period means the harvest will be late."), "{}", first.text);
    }
    let trec = "<DOC>\n<DOCNO> AP880212-0001 </DOCNO>\n<HEAD>A head</HEAD>\n<TEXT>\n   First paragraph\ngoes on.\n   Second.\n</TEXT>\n</DOC>\n";
    let article = one("ap.sgml", trec.as_bytes());
    assert_eq!(
        (article.id.as_deref(), article.title.as_str()),
        (Some("AP880212-0001"), "A head")
    );
    assert_eq!(article.text, "First paragraph goes on.\n\nSecond.");
}

#[test]
fn documents_on_one_line_cost_no_more_than_on_many() {
    let text = "The bridge is open again, and the ferry is not. ".repeat(2);
    let document =
        |n: usize| format!("<DOC><DOCNO>{n}</DOCNO><HEAD>Head {n}</HEAD><TEXT>{text}</TEXT></DOC>");
    let line: String = (0..40_000).map(document).collect();
    let began = std::time::Instant::now();
    let seen = read_bytes("line.sgml", line.as_bytes());
    assert_eq!((seen.articles.len(), seen.bad.len()), (40_000, 0));
    let last = seen.articles.last().unwrap();
    assert_eq!(last.id.as_deref(), Some("39999"));
    assert_eq!((last.row, last.text.as_str()), (Some(40_000), text.trim()));
    // Where each costs all of the line behind it, minutes.
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
}

#[test]
fn archives_are_read_as_folders_are() {
    let members: Vec<(&str, &[u8])> = vec![
        ("b/two.txt", b"Two\n\nThe second text.\n"),
        ("a/one.html", PAGE.as_bytes()),
        ("rows.jsonl", TWO),
        ("../../outside.txt", b"Outside\n\nA name is a label.\n"),
        (".hidden.txt", b"Hidden\n\nx\n"),
        ("__MACOSX/._one.txt", b"\0\x05\x16\x07"),
        ("unknown.bin", b"\0\x01"),
    ];
    let sorted = ["Outside", "Ferry fares rise", "Two", "One", "Two"];
    let stored = ["Two", "Ferry fares rise", "One", "Two", "Outside"];
    let tar = tar(&members);
    for (name, bytes, titles) in [
        ("a.zip", zip(&members), sorted),
        ("a.tar", tar.clone(), stored),
        ("a.tgz", gz(&tar), stored),
        ("a.tar.bz2", bz2(&tar), stored),
        ("a.tar.zst", zst(&tar), stored),
        // Told by content.
        ("a.dat", zip(&members), sorted),
    ] {
        let world = World::new();
        let path = world.write(name, bytes);
        let seen = read_path(&path);
        assert!(seen.bad.is_empty(), "{name}: {:?}", seen.bad);
        assert_eq!(seen.titles(), titles, "{name}");
        let two = seen
            .articles
            .iter()
            .find(|a| a.text == "The second text.")
            .unwrap();
        let absolute = std::fs::canonicalize(&path).unwrap();
        assert_eq!(two.origin, format!("{}/b/two.txt", absolute.display()));
        assert!(
            two.id
                .as_deref()
                .unwrap()
                .ends_with(&format!("{name}/b/two.txt")),
            "{:?}",
            two.id
        );
        assert!(
            seen.notes
                .iter()
                .any(|n| n.contains(&format!("{name}/unknown.bin: left out"))),
            "{:?}",
            seen.notes
        );
        // Nothing was written anywhere.
        assert_eq!(std::fs::read_dir(world.folder.path()).unwrap().count(), 1);
    }
    let nested = zip(&[("in.zip", &zip(&members)), ("a.txt", b"A\n\nText.\n")]);
    let seen = read_bytes("nested.zip", &nested);
    assert_eq!(seen.titles(), ["A"]);
    assert!(
        seen.bad[0].contains("nested.zip/in.zip") && seen.bad[0].contains("within an archive"),
        "{:?}",
        seen.bad
    );
}

/// `one.txt` and `two.jsonl`, packed by GNU tar 1.34 and xz 5.4 (`tar -c … | xz | base64`).
const TAR_XZ: &str = "/Td6WFoAAATm1rRGAgAhARYAAAB0L+Wj4Cf/ALRdADebiM9rZPoj+eQO2wIWgK/ecWsZfVgasHOrk5/NyasNaGNQUi234kbslgrh9zP+U449qNhp8EmHxAlK0HT/lzWDS+cET7hJFxrOz6AyI1bmDsDVKKx4L9JSffiCpFZkSQ7su+vIKlZ2aJf0FDfNn/58TGJt/SmkcOnjOz4Y1lg/CPV8wu/IjMCX+4TOFyX94IeyuoemaI/szfZACFUXGLYDY4MKYdaxHneYZUoLu9p5nAxzAABZQ/0ijsMC4AAB0AGAUAAAyXnubbHEZ/sCAAAAAARZWg==";

#[test]
fn an_archive_packed_by_xz_is_read() {
    let bytes = STANDARD.decode(TAR_XZ).unwrap();
    for name in ["a.tar.xz", "a.txz", "a.dat"] {
        let seen = read_bytes(name, &bytes);
        assert!(seen.bad.is_empty(), "{name}: {:?}", seen.bad);
        assert_eq!(seen.titles(), ["One", "Two"], "{name}");
        let cut = read_bytes(name, &bytes[..bytes.len() / 2]);
        assert_eq!(cut.bad.len(), 1, "{name}: {:?}", cut.bad);
    }
}

#[test]
fn bombs_are_one_bad_file() {
    let zeros = vec![0u8; 64 << 20];
    let members: Vec<(String, &[u8])> = (0..8)
        .map(|i| (format!("{i}.parquet"), zeros.as_slice()))
        .collect();
    let members: Vec<(&str, &[u8])> = members.iter().map(|(n, b)| (n.as_str(), *b)).collect();
    let seen = read_bytes("bomb.zip", &zip(&members[..1]));
    assert!(
        seen.articles.is_empty() && !seen.bad.is_empty(),
        "{:?}",
        seen.bad
    );
    let bomb = bz2(&zeros).repeat(5);
    let seen = read_bytes("bomb.parquet.bz2", &bomb);
    assert_eq!(seen.bad.len(), 1, "{:?}", seen.bad);
    assert!(seen.bad[0].contains("times its size"), "{:?}", seen.bad);
}

#[test]
fn packed_files() {
    let xz = STANDARD.decode(XZ).unwrap();
    for (name, bytes) in [
        ("a.jsonl.gz", gz(TWO)),
        ("a.jsonl.bz2", bz2(TWO)),
        ("a.jsonl.zst", zst(TWO)),
        ("a.jsonl.xz", xz.clone()),
        ("A.JSONL.GZ", gz(TWO)),
        ("a.jsonl.gz.gz", gz(&gz(TWO))),
        // Only the content says that it is packed, or that it is not.
        ("a.jsonl", gz(TWO)),
        ("b.jsonl.gz", TWO.to_vec()),
        ("c.jsonl.gz", xz),
        ("no-ending", zst(TWO)),
    ] {
        let seen = read_bytes(name, &bytes);
        assert!(seen.bad.is_empty(), "{name}: {:?}", seen.bad);
        assert_eq!(seen.titles(), ["One", "Two"], "{name}");
        assert!(seen.notes.is_empty(), "{name}: {:?}", seen.notes);
    }
}

#[test]
fn a_folder_of_packed_files_of_which_some_are_padded_or_cut() {
    let world = World::new();
    let lines: String = (0..3000)
        .map(|i| {
            format!(
                "{{\"id\": \"{i}\", \"text\": \"Text number {i} of a file that is cut, {}.\"}}\n",
                i * 7919 % 1000
            )
        })
        .collect();
    let whole = gz(lines.as_bytes());
    world.write(
        "d/a.jsonl.gz",
        [gz(b"{\"text\": \"Padded text.\"}\n"), vec![0; 512]].concat(),
    );
    world.write("d/b.jsonl.gz", &whole[..whole.len() / 2]);
    world.write("d/c.txt.gz", &gz(b"A title\n\nA text that is cut.\n")[..20]);
    world.write("d/d.txt", "A title\n\nA text that is whole.\n");
    let seen = read_path(&world.path("d"));
    assert_eq!(seen.bad.len(), 2, "{:?}", seen.bad);
    assert!(
        seen.bad[0].contains("b.jsonl.gz: damaged or cut off"),
        "{:?}",
        seen.bad
    );
    assert!(
        seen.bad[1].contains("c.txt.gz: damaged or cut off"),
        "{:?}",
        seen.bad
    );
    assert!(
        seen.notes.iter().any(|n| n.contains("a.jsonl.gz: ignored")),
        "{:?}",
        seen.notes
    );
    assert!(
        (1000..2000).contains(&seen.articles.len()),
        "{}",
        seen.articles.len()
    );
    assert!(seen.articles.iter().all(|a| a.text.ends_with('.')));
    // The same for a table: no row is half a row.
    let rows: String = (0..3000)
        .map(|i| format!("{i},Text number {i} {}.\n", i * 7919 % 1000))
        .collect();
    let table = gz(format!("id,text\n{rows}").as_bytes());
    let seen = read_bytes("t.csv.gz", &table[..table.len() / 2]);
    assert_eq!(seen.bad.len(), 1, "{:?}", seen.bad);
    assert!(seen.articles.len() > 1000 && seen.articles.iter().all(|a| a.text.ends_with('.')));
    // As a user meets it: the run goes on, and says so.
    let output = world
        .command("index d --skip-bad -c c.nearwise")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("b.jsonl.gz: damaged"),
        "{said}"
    );
    world.fails(
        "index d/b.jsonl.gz -c d.nearwise",
        1,
        &["b.jsonl.gz: damaged or cut off"],
    );
}

#[test]
fn formats_are_told_by_content() {
    for (name, bytes, title) in [
        ("a.csv", TWO, "One"),
        ("page.txt", PAGE.as_bytes(), "Ferry fares rise"),
        ("feed.txt", RSS.as_bytes(), "Ferry fares rise"),
        ("page.md", PAGE.as_bytes(), "Ferry fares rise"),
        ("index.html@p=3", PAGE.as_bytes(), "Ferry fares rise"),
        ("mail", EML.as_bytes(), "Fähre teurer"),
        ("A.TXT", b"A title\n\nA text.\n", "A title"),
    ] {
        let seen = read_bytes(name, bytes);
        assert!(seen.bad.is_empty(), "{name}: {:?}", seen.bad);
        assert_eq!(seen.articles[0].title, title, "{name}");
    }
    let table = b"id,title,text\n1,First,\"The text, quoted\"\n2,Second,More text\n";
    assert_eq!(read_unnamed(table).titles(), ["First", "Second"]);
    assert_eq!(read_unnamed(&gz(table)).titles(), ["First", "Second"]);
    assert_eq!(read_unnamed(PAGE.as_bytes()).titles(), ["Ferry fares rise"]);
    assert_eq!(read_unnamed(TWO).titles(), ["One", "Two"]);
    assert_eq!(read_unnamed(b"A title\n\nA text.\n").titles(), ["A title"]);
    // A text stays one, whatever it begins with.
    for text in [
        "{curly} is how it begins\n\nA text.\n",
        "name,place\nAnna,Bern\n",
    ] {
        assert_eq!(
            one("a.txt", text.as_bytes()).text.lines().last(),
            text.lines().last()
        );
    }
}

#[test]
fn what_is_not_read_is_named_with_the_way_out() {
    let world = World::new();
    for (name, bytes, parts) in [
        ("a.png", &b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..], ["an image", "OCR"]),
        ("a.txt", b"\xff\xd8\xff\xe0\0\x10JFIF", ["an image", "OCR"]),
        ("old.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0\0\0", ["Office", "DOCX"]),
        ("a.ppt", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1P\0o\0w\0e\0r\0P\0o\0i\0n\0t\0 \0D\0o\0c\0u\0m\0e\0n\0t\0", ["a PowerPoint file", "PDF or text"]),
        ("a.rtf", b"{\\rtf1\\ansi Text}", ["RTF", "DOCX"]),
        ("main.py", b"import os\n\ndef f(x):\n    return x\n", ["source code", "leave it out"]),
        ("prog", b"\x7fELF\x02\x01\x01\0", ["a program", "leave it out"]),
        ("a.7z", b"7z\xbc\xaf\x27\x1c\0\x04", ["archive", "zip"]),
    ] {
        world.write(name, bytes);
        world.fails(&format!("index {name} -c c.nearwise"), 1, &[name, parts[0], parts[1]]);
    }
    let sheet = zip(&[
        ("[Content_Types].xml", b"<Types/>"),
        ("xl/workbook.xml", b"<workbook/>"),
    ]);
    let slides = zip(&[("ppt/presentation.xml", b"<p/>")]);
    let book = zip(&[
        ("mimetype", b"application/epub+zip"),
        ("a.html", PAGE.as_bytes()),
    ]);
    for (name, bytes, what) in [
        ("a.xlsx", sheet, "Excel"),
        ("a.pptx", slides, "PowerPoint"),
        ("a.epub", book, "EPUB"),
    ] {
        let seen = read_bytes(name, &bytes);
        assert!(
            seen.articles.is_empty() && seen.bad[0].contains(what),
            "{name}: {:?}",
            seen.bad
        );
    }
    // On standard input as well.
    let mut command = world.command("index - -c c.nearwise");
    command.write_stdin(&b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..]);
    world.fails_with(&mut command, "an image on standard input", 1, &["an image"]);
    // Whoever wants source code as text says so.
    world.run("index main.py --format txt -c code.nearwise");
}

/// A name that would start a line of its own, steer the terminal, and turn its own end around.
#[cfg(unix)]
const STEERING: &str = "a\n\nb\u{1b}[31m\u{202e}";

#[cfg(unix)]
#[test]
fn names_that_hold_line_ends_and_controls_are_told_in_one_plain_line() {
    let of = |name: &str| format!("{STEERING}{name}");
    let files: Vec<(String, &[u8])> = vec![
        (of("/m.txt"), b"Ferry\n\nIt sails at nine."),
        (of(".unknown"), b"\0\x01\x02"),
        (of(".csv"), b"title,body\nx,one\n\"y,open\n"),
        (
            of(".jsonl"),
            b"{\"title\": \"t\", \"text\": \"Some.\"}\n{\"tex",
        ),
        (of(".xml"), b"<?xml version=\"1.0\"?><nothing/>"),
        (of(".gz"), b"\x1f\x8b\x08 cut"),
        (of(".txt"), b"Caf\xe9 and bridge"),
        (of(".eml"), b"Subject"),
    ];
    let members: Vec<(&str, &[u8])> = files.iter().map(|(n, b)| (n.as_str(), *b)).collect();
    let world = World::new();
    let folder = world.path("d");
    std::fs::create_dir_all(folder.join(STEERING)).unwrap();
    for (name, bytes) in &members {
        std::fs::write(folder.join(name), bytes).unwrap();
    }
    std::os::unix::fs::symlink("nowhere", folder.join(of("link"))).unwrap();
    std::fs::write(folder.join(of(".tar")), tar(&members)).unwrap();
    std::fs::write(folder.join(of(".zip")), zip(&members)).unwrap();
    // The sink refuses what is no plain line.
    let seen = read_path(&folder);
    assert_eq!(seen.titles().iter().filter(|t| **t == "Ferry").count(), 3);
    assert!(
        seen.notes.len() >= 4 && seen.bad.len() >= 6 && seen.columns.len() >= 2,
        "{:?} {:?} {:?}",
        seen.notes,
        seen.bad,
        seen.columns
    );

    // As a person sees it.
    let out = world
        .command("index d -c c.nearwise --skip-bad")
        .output()
        .unwrap();
    let said = String::from_utf8(out.stderr).unwrap();
    assert!(out.status.success(), "{said}");
    assert!(!said.contains(|c: char| c.is_control() && c != '\n') && !said.contains('\u{202e}'));
    assert!(
        said.lines().all(|line| !line.starts_with('b')),
        "a name starts a line of its own: {said}"
    );
    assert!(
        said.lines().filter(|l| l.contains("d/a  b")).count() >= 10,
        "{said}"
    );
}

#[cfg(unix)]
#[test]
fn what_is_no_file_in_a_folder_is_told() {
    let world = World::new();
    let path = world.write("d/a.txt", "Ferry\n\nIt sails at nine.");
    let folder = path.parent().unwrap();
    let _listening = std::os::unix::net::UnixListener::bind(folder.join("s.txt")).unwrap();
    std::os::unix::fs::symlink("s.txt", folder.join("link.txt")).unwrap();
    let seen = read_path(folder);
    assert_eq!(seen.titles(), ["Ferry"]);
    assert_eq!(seen.notes.len(), 2, "{:?}", seen.notes);
    assert!(
        seen.notes
            .iter()
            .all(|note| note.contains("a pipe, socket or device"))
    );
}

#[test]
fn a_file_that_shows_nothing_is_told() {
    for name in [
        "a.txt",
        "a.md",
        "a.html",
        "a.json",
        "a.jsonl",
        "a.csv",
        "a.tsv",
        "a.eml",
        "a.rss",
        "a.sgm",
        "a",
        "a.jsonl.bz2",
    ] {
        for nothing in [
            "",
            " ",
            "\n \n",
            "\0",
            "\0\0\n",
            "\0\u{c}",
            "\u{feff}",
            "\u{feff}\n\n",
            "\u{200b}\n",
        ] {
            let seen = read_bytes(name, nothing.as_bytes());
            assert!(
                seen.articles.is_empty(),
                "{name} {nothing:?}: {:?}",
                seen.articles
            );
            assert_eq!(seen.bad.len(), 1, "{name} {nothing:?}: {:?}", seen.bad);
        }
    }
    for between in [",", ";", ")\n", "\u{feff},", ", ,\n;\n"] {
        for name in ["a.json", "a.jsonl", "a.jsonl.zst"] {
            let seen = read_bytes(name, between.as_bytes());
            assert!(
                seen.articles.is_empty() && seen.bad.len() == 1,
                "{name} {between:?}"
            );
        }
    }
    // A list of none is a list.
    let seen = read_bytes("a.json", b"[]\n");
    assert!(seen.articles.is_empty() && seen.bad.is_empty());
}

/// A small file of each format.
fn samples() -> Vec<(&'static str, Vec<u8>)> {
    let xz = STANDARD.decode(XZ).unwrap();
    let members: [(&str, &[u8]); 2] = [("a.txt", b"A\n\nText.\n"), ("b.jsonl", TWO)];
    vec![
        ("a.rss", RSS.into()),
        ("a.atom", ATOM.into()),
        ("w.xml", WXR.into()),
        ("a.eml", EML.into()),
        ("a.mbox", mbox().into()),
        ("a.mhtml", MHTML.into()),
        ("a.docx", docx(DOCX, "<dc:title>T</dc:title>")),
        ("a.pdf", plain_pdf()),
        ("a.warc", warc()),
        ("b.warc.gz", gz(&warc())),
        ("a.sgm", SGML.into()),
        ("a.zip", zip(&members)),
        ("a.tar", tar(&members)),
        ("b.tar.bz2", bz2(&tar(&members))),
        ("a.jsonl.bz2", bz2(TWO)),
        ("a.jsonl.xz", xz),
        ("a.jsonl.zst", zst(TWO)),
        ("plain", TWO.to_vec()),
    ]
}

#[test]
fn the_samples_are_read_as_they_are() {
    for (name, bytes) in samples() {
        if name == "a.pdf" && !cfg!(feature = "documents") {
            continue;
        }
        let seen = read_bytes(name, &bytes);
        assert!(
            !seen.articles.is_empty() && seen.bad.is_empty(),
            "{name}: {:?}",
            seen.bad
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: crate::common::cases(200), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_files_end_in_articles_or_problems(damages in proptest::collection::vec(damage(), 1..6)) {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in samples() {
            let path = folder.path().join(name);
            std::fs::write(&path, damaged(&bytes, &damages)).unwrap();
            let seen = read_path(&path);
            for line in &seen.bad {
                prop_assert!(line.contains(name) && line.lines().count() == 1, "{name}: {line}");
            }
            prop_assert!(!seen.articles.is_empty() || !seen.bad.is_empty() || !seen.notes.is_empty(), "{name}");
        }
    }
}

#[test]
fn the_other_endings_of_a_page() {
    let page = b"<title>Bridge</title><p>One paragraph.</p>";
    for name in ["a.html", "a.htm", "a.xhtml", "a"] {
        let article = one(name, page);
        assert_eq!(
            (article.title.as_str(), article.text.as_str()),
            ("Bridge", "One paragraph."),
            "{name}"
        );
    }
}
