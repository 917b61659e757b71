//! Files of made articles, in every format that is read.

use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use std::fmt::Write as _;
use std::io::{Cursor, Seek, Write};
use std::process::Command;
use std::sync::Arc;

/// About so many articles a file of many.
const ARTICLES: usize = 4_000;

const WORDS: [&str; 24] = [
    "harbour", "bridge", "minister", "ferry", "market", "river", "league", "council", "rates",
    "the", "of", "and", "in", "a", "was", "closed", "opened", "said", "after", "new", "café",
    "storm", "engine", "library",
];

/// Paragraphs of about `words` words, the same for the same `n`.
fn paragraphs(n: usize, words: usize) -> Vec<String> {
    let mut state = n as u64 + 1;
    let mut next = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as usize
    };
    (0..words.div_ceil(60))
        .map(|_| {
            let mut out = String::new();
            for i in 0..60 {
                let word = WORDS[next() % WORDS.len()];
                out.push_str(word);
                out.push_str(if i % 12 == 11 { ". " } else { " " });
            }
            out.trim_end().to_string()
        })
        .collect()
}

/// Many articles, each written by `row`, which is given its number and paragraphs.
fn rows(mut row: impl FnMut(usize, &[String]) -> String) -> Vec<u8> {
    (0..ARTICLES)
        .map(|n| row(n, &paragraphs(n, 240)))
        .collect::<String>()
        .into_bytes()
}

/// A page with what surrounds an article on a page of news.
fn page(n: usize) -> String {
    let mut out = format!(
        "<!doctype html><html><head><meta charset=utf-8><title>Headline {n} | The Post</title>\
         <meta property=og:title content='Headline {n}'></head><body><nav><ul>"
    );
    for i in 0..40 {
        let _ = write!(out, "<li><a href='/s/{i}'>Section {i}</a></li>");
    }
    out.push_str("</ul></nav><main><article><h1>Headline</h1>");
    for paragraph in paragraphs(n, 900) {
        let _ = write!(out, "<p>{paragraph} <a href='/x'>more</a></p>");
    }
    out.push_str("</article><aside>");
    for i in 0..20 {
        let _ = write!(
            out,
            "<div class=teaser><h3><a href='/t{i}'>Teaser {i}</a></h3></div>"
        );
    }
    out.push_str("</aside></main><footer>The Post, all rights reserved</footer></body></html>");
    out
}

const DATE: &str = "Fri, 03 May 2024 10:11:12 +0200";

/// A file of each format by its name.
pub(super) fn files() -> Vec<(&'static str, Vec<u8>)> {
    let json = |n: usize, text: &[String]| {
        serde_json::json!({
            "id": n, "title": format!("Headline {n}"), "text": text.join("\n\n"),
            "date": "2024-05-03T10:11:12Z", "source": "Post", "tags": ["a", "b"],
        })
        .to_string()
    };
    let lines = rows(|n, text| json(n, text) + "\n");
    let list = rows(|n, text| format!("{}{}", if n == 0 { "[" } else { ",\n" }, json(n, text)));
    let csv = rows(|n, text| format!("{n},Headline {n},\"{}\",2024-05-03\n", text.join("\n\n")));
    let csv = [&b"id,title,text,date\n"[..], &csv].concat();
    let tsv = rows(|n, text| format!("{n}\tHeadline {n}\t{}\t2024-05-03\n", text.join(" ")));
    let tsv = [&b"id\ttitle\ttext\tdate\n"[..], &tsv].concat();
    let headlines = (0..40 * ARTICLES).map(|n| {
        let title: String = paragraphs(n, 60)[0].chars().take(60).collect();
        format!("{n},{title},2024-05-03\n")
    });
    let headlines = [
        b"id,headline,date\n".to_vec(),
        headlines.collect::<String>().into_bytes(),
    ]
    .concat();
    let long = |separator: &str| paragraphs(7, 600_000).join(separator).into_bytes();
    let mut files = vec![
        ("a.txt", long("\n\n")),
        (
            "a.md",
            long("\n\n## A heading\n\nWith *marks* and a [link](x). "),
        ),
        ("a.html", page(1).into_bytes()),
        ("a.json", [list, b"]".to_vec()].concat()),
        ("a.jsonl", lines.clone()),
        ("a.csv", csv),
        ("headlines.csv", headlines),
        ("a.tsv", tsv),
        ("snappy.parquet", parquet(Compression::SNAPPY)),
        (
            "zstd.parquet",
            parquet(Compression::ZSTD(Default::default())),
        ),
        ("a.rss", feed()),
        ("a.mbox", mailbox()),
        ("a.eml", mail(1).into_bytes()),
        ("a.mhtml", saved_page()),
        ("a.docx", docx()),
        ("a.warc", warc()),
        ("a.sgml", sgml()),
        ("a.ris", ris()),
        ("a.bib", bibtex()),
        ("wiki.xml", wiki()),
        ("a.jsonl.gz", gzip(&lines)),
        ("a.jsonl.bz2", bzip2(&lines)),
        (
            "a.jsonl.zst",
            zstd::encode_all(&lines[..], 3).expect("memory takes it"),
        ),
        ("texts.zip", zip()),
        ("texts.tar", tar()),
    ];
    files.extend(xz(&lines).map(|packed| ("a.jsonl.xz", packed)));
    if cfg!(feature = "documents") {
        files.push(("a.pdf", pdf()));
    }
    files
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    out.write_all(bytes).expect("memory takes it");
    out.finish().expect("memory takes it")
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut out = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::default());
    out.write_all(bytes).expect("memory takes it");
    out.finish().expect("memory takes it")
}

/// By the program of that name, since the crate that reads it is built without its writer; `None`
/// where there is none.
fn xz(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut file = tempfile::tempfile().ok()?;
    file.write_all(bytes).ok()?;
    file.rewind().ok()?;
    let output = Command::new("xz").arg("-1c").stdin(file).output().ok()?;
    output.status.success().then_some(output.stdout)
}

fn parquet(compression: Compression) -> Vec<u8> {
    let schema = "message m { required binary id (UTF8); required binary title (UTF8); \
                  required binary text (UTF8); required binary date (UTF8); }";
    let schema = Arc::new(parse_message_type(schema).expect("it is one"));
    let properties = WriterProperties::builder().set_compression(compression);
    let properties = Arc::new(properties.build());
    let mut writer =
        SerializedFileWriter::new(Vec::new(), schema, properties).expect("memory takes it");
    let mut group = writer.next_row_group().expect("memory takes it");
    let mut columns = [const { Vec::new() }; 4];
    for n in 0..ARTICLES {
        let text = paragraphs(n, 240).join("\n\n");
        let row = [n.to_string(), format!("Headline {n}"), text, DATE.into()];
        for (column, value) in columns.iter_mut().zip(row) {
            column.push(ByteArray::from(value.into_bytes()));
        }
    }
    for values in columns {
        let column = group.next_column().expect("memory takes it");
        let mut column = column.expect("there are four");
        column
            .typed::<ByteArrayType>()
            .write_batch(&values, None, None)
            .expect("memory takes it");
        column.close().expect("memory takes it");
    }
    group.close().expect("memory takes it");
    writer.into_inner().expect("memory takes it")
}

fn feed() -> Vec<u8> {
    let items = rows(|n, text| {
        format!(
            "<item><title>Headline {n}</title><link>https://a.example/{n}</link><pubDate>{DATE}</pubDate>\
             <description>&lt;p&gt;{}&lt;/p&gt;</description></item>\n",
            text.join("&lt;/p&gt;&lt;p&gt;")
        )
    });
    let begin = b"<?xml version=\"1.0\"?><rss version=\"2.0\"><channel><title>Post</title>\n";
    [&begin[..], &items, b"</channel></rss>"].concat()
}

fn wiki() -> Vec<u8> {
    let pages = rows(|n, text| {
        format!(
            "<page><title>Headline {n}</title><ns>0</ns><id>{n}</id><revision><timestamp>2024-05-03T10:11:12Z</timestamp>\
             <text>{{{{Infobox|a=[[b]]|c={{{{d}}}}}}}}\n{} [[Headline {n}|more]]&lt;ref&gt;{{{{cite|a=b}}}}&lt;/ref&gt;\n\n\
             == See also ==\n* [[Headline]]\n[[Category:A]]</text></revision></page>\n",
            text.join("&lt;ref name=a /&gt; '''and'''\n\n")
        )
    });
    let begin = b"<mediawiki><siteinfo><sitename>Post</sitename></siteinfo>\n";
    [&begin[..], &pages, b"</mediawiki>"].concat()
}

fn mail(n: usize) -> String {
    format!(
        "From: Ann Lee <ann@post.example>\nTo: all@post.example\nSubject: Headline {n}\nDate: {DATE}\n\
         Message-ID: <{n}@post.example>\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\n{}\n\n",
        paragraphs(n, 240).join("\n\n")
    )
}

fn mailbox() -> Vec<u8> {
    rows(|n, _| {
        format!(
            "From ann@post.example Fri May  3 10:11:12 2024\n{}",
            mail(n)
        )
    })
}

fn saved_page() -> Vec<u8> {
    let page = page(2).replace('\n', "\r\n");
    format!(
        "From: <Saved by a browser>\r\nSubject: Headline 2\r\nDate: {DATE}\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/related; type=\"text/html\"; boundary=\"part\"\r\n\r\n--part\r\n\
         Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\
         Content-Location: https://a.example/2\r\n\r\n{page}\r\n--part--\r\n"
    )
    .into_bytes()
}

fn zipped(members: impl Iterator<Item = (String, Vec<u8>)>) -> Vec<u8> {
    let mut out = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        let options = zip::write::SimpleFileOptions::default();
        out.start_file(name, options).expect("memory takes it");
        out.write_all(&bytes).expect("memory takes it");
    }
    out.finish().expect("memory takes it").into_inner()
}

fn docx() -> Vec<u8> {
    let mut body = String::new();
    for paragraph in paragraphs(3, 20_000) {
        let _ = write!(body, "<w:p><w:r><w:t>{paragraph}</w:t></w:r></w:p>");
    }
    let document = format!(
        "<?xml version=\"1.0\"?><w:document xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\">\
         <w:body>{body}</w:body></w:document>"
    );
    let types = "<?xml version=\"1.0\"?><Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"/>";
    let members = [
        ("[Content_Types].xml", types),
        ("word/document.xml", &document),
    ];
    zipped(
        members
            .map(|(name, text)| (name.to_string(), text.into()))
            .into_iter(),
    )
}

/// As a folder of small texts.
fn texts() -> impl Iterator<Item = (String, Vec<u8>)> {
    (0..ARTICLES).map(|n| {
        let text = format!("Headline {n}\n\n{}\n", paragraphs(n, 240).join("\n\n"));
        (format!("{n}.txt"), text.into_bytes())
    })
}

fn zip() -> Vec<u8> {
    zipped(texts())
}

fn tar() -> Vec<u8> {
    let mut out = tar::Builder::new(Vec::new());
    for (name, bytes) in texts() {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        out.append_data(&mut header, name, &bytes[..])
            .expect("memory takes it");
    }
    out.into_inner().expect("memory takes it")
}

fn warc() -> Vec<u8> {
    let mut out = Vec::new();
    for n in 0..100 {
        let page = page(n);
        let response =
            format!("HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n{page}");
        let _ = write!(
            out,
            "WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: https://a.example/{n}\r\n\
             WARC-Date: 2024-05-03T10:11:12Z\r\nContent-Type: application/http; msgtype=response\r\n\
             Content-Length: {}\r\n\r\n{response}\r\n\r\n",
            response.len()
        );
    }
    out
}

fn sgml() -> Vec<u8> {
    let stories = rows(|n, text| {
        format!(
            "<REUTERS NEWID=\"{n}\">\n<DATE>26-FEB-1987 15:01:01.79</DATE>\n<TEXT>\n<TITLE>Headline {n}</TITLE>\n\
             <BODY>{}\n</BODY></TEXT>\n</REUTERS>\n",
            text.join("\n    ")
        )
    });
    [&b"<!DOCTYPE lewis SYSTEM \"lewis.dtd\">\n"[..], &stories].concat()
}

fn ris() -> Vec<u8> {
    rows(|n, text| {
        format!(
            "TY  - JOUR\nID  - {n}\nTI  - Title {n}\nAU  - Lee, A.\nDA  - 2024/05/03/\nAB  - {}\nER  - \n\n",
            text.join("\n")
        )
    })
}

fn bibtex() -> Vec<u8> {
    rows(|n, text| {
        format!(
            "@article{{k{n},\n  author = {{Lee, A. and Kim, B.}},\n  title = {{Title {n}}},\n  year = 2024,\n  abstract = {{{}}}\n}}\n\n",
            text.join("\n")
        )
    })
}

fn pdf() -> Vec<u8> {
    const PAGES: usize = 20;
    let kids: Vec<String> = (0..PAGES).map(|n| format!("{} 0 R", 4 + 2 * n)).collect();
    let mut objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_string(),
        format!(
            "<< /Type /Pages /Kids [{}] /Count {PAGES} >>",
            kids.join(" ")
        ),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
            .to_string(),
    ];
    for n in 0..PAGES {
        let mut content = String::from("BT /F1 10 Tf 40 780 Td 12 TL\n");
        for paragraph in paragraphs(n, 480) {
            for line in paragraph.replace('é', "e").split_inclusive(". ") {
                let _ = writeln!(content, "({}) Tj T*", line.trim());
            }
            content.push_str("T*\n");
        }
        content.push_str("ET");
        objects.push(format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {} 0 R \
             /Resources << /Font << /F1 3 0 R >> >> >>",
            5 + 2 * n
        ));
        let length = content.len();
        objects.push(format!(
            "<< /Length {length} >>\nstream\n{content}\nendstream"
        ));
    }
    let mut out = b"%PDF-1.4\n".to_vec();
    let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for (i, object) in objects.iter().enumerate() {
        let _ = writeln!(table, "{:010} 00000 n ", out.len());
        out.extend_from_slice(format!("{} 0 obj\n{object}\nendobj\n", i + 1).as_bytes());
    }
    let start = out.len();
    let size = objects.len() + 1;
    let end =
        format!("{table}trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n");
    out.extend_from_slice(end.as_bytes());
    out
}
