//! Web archives: pages as a crawler got them (WARC), and their texts (WET).

use super::compression::Compression;
use super::markup::page;
use super::{Context, LONGEST};
use crate::corpus::article::{Article, one_line, split_title, tidy};
use crate::corpus::dates::parse_date;
use crate::corpus::decode::looks_binary;
use crate::corpus::inputs::Note;
use crate::error::{Error, Result};
use serde_json::Value;
use std::io::{self, BufRead, Read};

/// The longest line of a header, and the most lines of one.
const HEADER_LINE: u64 = 64 << 10;
const HEADER_LINES: usize = 1000;

pub(super) fn read(mut stream: impl BufRead, context: &mut Context<'_>) -> Result<()> {
    let (mut row, mut articles, mut without, mut broken) = (0, 0u64, 0u64, false);
    loop {
        let header = match Header::read(&mut stream) {
            Ok(Some(header)) => header,
            Ok(None) => break,
            Err(Broken::Io(e)) => return Err(Error::io(context.path, e)),
            Err(Broken::Malformed(why)) => {
                return context.bad(Some(row + 1), format!("{why}; records before are read"));
            }
        };
        row += 1;
        let Some(length) = header
            .get("content-length")
            .and_then(|n| n.parse::<u64>().ok())
        else {
            return context.bad(
                Some(row),
                "a record without a length; records before are read",
            );
        };
        let kind = header.get("warc-type").unwrap_or("");
        let wanted = matches!(kind, "response" | "resource" | "conversion");
        if !wanted || length > LONGEST {
            let passed = io::copy(&mut stream.by_ref().take(length), &mut io::sink())
                .map_err(|e| Error::io(context.path, e))?;
            if passed < length {
                return context.bad(Some(row), "the file ends within this record");
            }
            if wanted {
                context.bad(
                    Some(row),
                    "a record longer than 64 MiB, which is no one article",
                )?;
            }
            continue;
        }
        let mut block = Vec::new();
        stream
            .by_ref()
            .take(length)
            .read_to_end(&mut block)
            .map_err(|e| Error::io(context.path, e))?;
        if (block.len() as u64) < length {
            return context.bad(Some(row), "the file ends within this record");
        }
        let page = match kind {
            "response" => response(&block),
            "conversion" => Page::Article(Box::new(text(&block))),
            _ => body(header.get("content-type").unwrap_or(""), &block),
        };
        match page {
            Page::Article(article) => {
                articles += 1;
                context.item(finished(*article, &header, row, context))?;
            }
            Page::WithoutArticle => without += 1,
            Page::Broken(why) => {
                broken = true;
                context.bad(Some(row), why)?;
            }
            Page::Other => {}
        }
    }
    if without > 0 {
        // A crawl has redirects, lists and frames; they are no faults of the file.
        context.sink.note(Note::Ignored {
            path: context.path.to_string(),
            what: format!("{without} of its pages, in which no article was found"),
        });
    }
    if articles == 0 && !broken {
        return context.bad(None, "a web archive without a page that holds an article");
    }
    Ok(())
}

/// What the record says of its article.
fn finished(mut article: Article, header: &Header, row: u64, context: &Context<'_>) -> Article {
    let id = header.get("warc-record-id").unwrap_or("");
    let id = id.trim_matches(['<', '>']).trim_start_matches("urn:uuid:");
    article.id = Some(id.to_string()).filter(|id| !id.is_empty());
    let target = header
        .get("warc-target-uri")
        .map(|uri| uri.trim_matches(['<', '>']));
    if let Some(target) = target {
        // The page's own canonical address comes first; the one asked for is kept.
        if article.url.as_deref().is_some_and(|url| url != target) {
            article
                .meta
                .insert("target".to_string(), Value::String(target.to_string()));
        }
        article.url.get_or_insert_with(|| target.to_string());
        if article.source.is_none() {
            let host = target
                .split("://")
                .nth(1)
                .and_then(|rest| rest.split(['/', ':', '?']).next());
            article.source = host.map(|host| host.trim_start_matches("www.").to_string());
        }
    }
    // When a page was fetched is not when it was published, but no page was published later.
    let fetched = header.get("warc-date").and_then(parse_date);
    if article.date.is_none() {
        article.date = fetched;
    } else if let Some(fetched) = fetched {
        article
            .meta
            .insert("fetched".to_string(), Value::String(fetched));
    }
    article.origin = context.origin.to_string();
    article.row = Some(row);
    article
}

/// Text that was taken out of a page: its first line is the page's title.
fn text(block: &[u8]) -> Article {
    let text = tidy(&String::from_utf8_lossy(block));
    let (title, body) = match text.split_once('\n') {
        Some((first, rest)) if !first.trim().is_empty() && first.chars().count() <= 250 => {
            (first.to_string(), rest.trim().to_string())
        }
        _ => split_title(&text),
    };
    Article {
        title: one_line(&title),
        text: body,
        ..Article::default()
    }
}

/// What a record turned out to be.
enum Page {
    Article(Box<Article>),
    /// A page in which none was found.
    WithoutArticle,
    /// A page of which a part is missing: what is left may read like a whole, shorter article.
    Broken(&'static str),
    /// No page.
    Other,
}

/// The article in an HTTP response.
fn response(block: &[u8]) -> Page {
    let mut stream = block;
    let Ok(Some(header)) = Header::read(&mut stream) else {
        return Page::Other;
    };
    // `HTTP/1.1 200 OK`
    let status = header.first.split_whitespace().nth(1).unwrap_or("");
    if !status.starts_with('2') {
        return Page::Other;
    }
    let kind = header
        .get("content-type")
        .unwrap_or("text/html")
        .to_ascii_lowercase();
    if !is_text(&kind) {
        return Page::Other;
    }
    let chunked = header
        .get("transfer-encoding")
        .is_some_and(|v| v.to_ascii_lowercase().contains("chunked"));
    // Many crawlers keep the header and take the encoding off; then the body is what it says it is not.
    let plain = match chunked.then(|| unchunked(stream)) {
        None | Some(Ok(None)) => None,
        Some(Ok(plain)) => plain,
        Some(Err(why)) => return Page::Broken(why),
    };
    let bytes = plain.as_deref().unwrap_or(stream);
    let coding = header
        .get("content-encoding")
        .unwrap_or("")
        .trim()
        .to_ascii_lowercase();
    match decoded(&coding, bytes) {
        Ok(unpacked) => body(&kind, unpacked.as_deref().unwrap_or(bytes)),
        Err(why) => Page::Broken(why),
    }
}

fn is_text(kind: &str) -> bool {
    ["text/html", "application/xhtml", "text/plain"]
        .iter()
        .any(|known| kind.trim_start().starts_with(known))
}

/// The article of a page with this content type.
fn body(kind: &str, bytes: &[u8]) -> Page {
    let kind = kind.to_ascii_lowercase();
    if !is_text(&kind) {
        return Page::Other;
    }
    if kind.contains("text/plain") {
        return Page::Article(Box::new(text(bytes)));
    }
    // The server's charset counts where the bytes are not UTF-8.
    let label = kind.split("charset=").nth(1).map(|rest| {
        let rest = rest.trim_start_matches(['"', '\'']);
        rest.split([';', '"', '\'', ' ']).next().unwrap_or(rest)
    });
    let encoding = label.and_then(|label| encoding_rs::Encoding::for_label(label.as_bytes()));
    let article = match encoding {
        Some(encoding) if std::str::from_utf8(bytes).is_err() => {
            page(encoding.decode(bytes).0.as_bytes())
        }
        _ => page(bytes),
    };
    article.map_or(Page::WithoutArticle, |article| {
        Page::Article(Box::new(article))
    })
}

/// The bytes without the framing of `Transfer-Encoding: chunked`; `None` if they have none.
///
/// # Errors
/// They end before the chunk of length 0 that ends a body.
fn unchunked(bytes: &[u8]) -> Framed {
    const CUT: &str = "a page that breaks off, as its last chunk is missing";
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    loop {
        let size = rest
            .iter()
            .take(1024)
            .position(|&b| b == b'\n')
            .and_then(|end| {
                let line = std::str::from_utf8(&rest[..end]).ok()?;
                let size = line.split(';').next().unwrap_or("").trim();
                Some((usize::from_str_radix(size, 16).ok()?, end + 1))
            });
        let Some((size, line)) = size else {
            // Not the first chunk: the framing was there, and ends.
            return if rest.len() == bytes.len() {
                Ok(None)
            } else {
                Err(CUT)
            };
        };
        rest = &rest[line..];
        if size == 0 {
            return Ok(Some(out));
        }
        let chunk = rest.get(..size).ok_or(CUT)?;
        out.extend_from_slice(chunk);
        rest = &rest[size..];
        rest = rest
            .strip_prefix(b"\r\n")
            .or(rest.strip_prefix(b"\n"))
            .unwrap_or(rest);
    }
}

/// Bytes without a framing; `None` if they have none; what is wrong if they break off.
type Framed = std::result::Result<Option<Vec<u8>>, &'static str>;

/// The bytes without a `Content-Encoding`; `None` if they have none.
///
/// # Errors
/// They break off, are damaged, or are far too much for one article.
fn decoded(coding: &str, bytes: &[u8]) -> Framed {
    let packed = Compression::of(bytes);
    let outcome = match coding {
        "gzip" | "x-gzip" if packed == Some(Compression::Gzip) => ungzipped(bytes),
        "zstd" if packed == Some(Compression::Zstd) => zstd::Decoder::new(bytes).and_then(whole),
        "deflate" => {
            // What the name means, and what some servers took it for.
            let outcome = whole(flate2::read::ZlibDecoder::new(bytes))
                .or_else(|_| whole(flate2::read::DeflateDecoder::new(bytes)));
            if outcome.is_err() && !looks_binary(bytes) {
                return Ok(None);
            }
            outcome
        }
        _ => return Ok(None),
    };
    match outcome {
        Ok(out) if out.len() as u64 > LONGEST => {
            Err("a page that unpacks to more than 64 MiB, which is no one article")
        }
        Ok(out) => Ok(Some(out)),
        Err(_) => Err("a page whose compressed text is damaged or breaks off"),
    }
}

/// All members of gzip data; what else is behind them is left, as gzip(1) does.
fn ungzipped(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    let mut rest = bytes;
    while Compression::of(rest) == Some(Compression::Gzip) && out.len() as u64 <= LONGEST {
        let mut decoder = flate2::bufread::GzDecoder::new(rest);
        decoder.by_ref().take(LONGEST + 1).read_to_end(&mut out)?;
        rest = decoder.into_inner();
    }
    Ok(out)
}

/// All that a decoder gives, and a byte more than an article may have at most.
fn whole(decoder: impl Read) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    decoder.take(LONGEST + 1).read_to_end(&mut out)?;
    Ok(out)
}

/// The header of a record or of an HTTP response: a first line, then `Name: value` lines to a blank one.
struct Header {
    first: String,
    fields: Vec<(String, String)>,
}

enum Broken {
    Io(io::Error),
    Malformed(&'static str),
}

impl Header {
    /// Reads one, past blank lines before it; `None` at the end of the stream.
    fn read(stream: &mut impl BufRead) -> std::result::Result<Option<Self>, Broken> {
        let mut header = Self {
            first: String::new(),
            fields: Vec::new(),
        };
        let mut line = Vec::new();
        for _ in 0..HEADER_LINES {
            line.clear();
            let n = stream
                .by_ref()
                .take(HEADER_LINE)
                .read_until(b'\n', &mut line)
                .map_err(Broken::Io)?;
            let text = String::from_utf8_lossy(&line);
            let text = text.trim_end();
            match (n, header.first.is_empty(), text.is_empty()) {
                (0, true, _) => return Ok(None),
                (0, false, _) => return Err(Broken::Malformed("the file ends within a header")),
                (_, true, true) => {}
                (_, true, false) => {
                    if !text.starts_with("WARC/") && !text.starts_with("HTTP/") {
                        return Err(Broken::Malformed(
                            "what should be a record begins otherwise",
                        ));
                    }
                    header.first = text.to_string();
                }
                (_, false, true) => return Ok(Some(header)),
                (_, false, false) => {
                    if let Some((name, value)) = text.split_once(':') {
                        let name = name.trim().to_ascii_lowercase();
                        header.fields.push((name, value.trim().to_string()));
                    }
                }
            }
        }
        Err(Broken::Malformed("a header without an end"))
    }

    fn get(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str())
    }
}
