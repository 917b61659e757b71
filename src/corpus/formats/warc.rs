//! Web archives: pages as a crawler got them (WARC), and their texts (WET).

use super::compression::Compression;
use super::markup::page;
use super::warc_records::Records;
use super::{Context, LONGEST};
use crate::corpus::article::{Article, one_line, site, split_title, tidy};
use crate::corpus::dates::parse_date;
use crate::corpus::decode::{Decoder, encoding_of, looks_binary};
use crate::corpus::inputs::Note;
use crate::error::{Error, Result};
use crate::line::snippet;
use encoding_rs::Encoding;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{self, BufRead, Read};

/// The longest line of a header, and the most lines of one.
const HEADER_LINE: u64 = 64 << 10;
const HEADER_LINES: usize = 1000;

pub(super) fn read(stream: impl BufRead, context: &mut Context<'_>) -> Result<()> {
    let mut records = Records::new(stream);
    let mut count = Count::default();
    let outcome = pages(&mut records, &mut count, context);
    count.report(context);
    outcome?;
    if count.articles == 0 && !count.broken {
        return context.bad(None, "a web archive without a page that holds an article");
    }
    Ok(())
}

fn pages(
    records: &mut Records<impl BufRead>,
    count: &mut Count,
    context: &mut Context<'_>,
) -> Result<()> {
    let failed = |e, context: &Context<'_>| Error::io(context.path, e);
    let mut row = 0;
    loop {
        let header = match records.header() {
            Ok(Some(header)) => header,
            Ok(None) => return Ok(()),
            Err(Broken::Io(e)) => return Err(failed(e, context)),
            Err(Broken::Malformed(why)) => {
                row += 1;
                count.broken = true;
                context.bad(Some(row), why)?;
                if records.pass_to_record().map_err(|e| failed(e, context))? {
                    continue;
                }
                return Ok(());
            }
        };
        row += 1;
        let length = header.get("content-length").and_then(|n| n.parse().ok());
        let block = records.block(length).map_err(|e| failed(e, context))?;
        count.wrong += u64::from(block.wrong);
        if block.cut {
            count.broken = true;
            return context.bad(Some(row), "the file ends within this record");
        }
        let kind = header.get("warc-type").unwrap_or("");
        let page = match kind {
            "response" | "resource" | "conversion" if block.too_long => {
                Page::Broken("a record longer than 64 MiB, which is no one article")
            }
            "response" => response(&block.bytes),
            "resource" => body(header.get("content-type").unwrap_or(""), &block.bytes),
            "conversion" => Page::Article(Box::new(text(&block.bytes, None))),
            // What a crawler notes of its own work.
            _ => continue,
        };
        match page {
            Page::Article(article) => {
                count.articles += 1;
                context.document(finished(*article, &header), row)?;
            }
            Page::WithoutArticle => count.without += 1,
            Page::Broken(why) => {
                count.broken = true;
                context.bad(Some(row), why)?;
            }
            Page::Other(what) => count.other(what),
        }
    }
}

/// What was found in a web archive.
#[derive(Default)]
struct Count {
    articles: u64,
    /// Pages in which no article was found.
    without: u64,
    /// What is no page, by what it is.
    others: BTreeMap<String, u64>,
    /// Records whose length is not what they say.
    wrong: u64,
    /// Whether anything was told to be bad.
    broken: bool,
}

impl Count {
    /// So many kinds are told apart; servers make up types of their own.
    const KINDS: usize = 100;
    /// And so many are named.
    const NAMED: usize = 4;

    fn other(&mut self, what: String) {
        let what = if self.others.len() < Self::KINDS || self.others.contains_key(&what) {
            what
        } else {
            "other".to_string()
        };
        *self.others.entry(what).or_default() += 1;
    }

    /// Says what is not read. A crawl has redirects, pictures and lists; they are no faults of it.
    fn report(&self, context: &mut Context<'_>) {
        let mut said = Vec::new();
        if self.without > 0 {
            let n = self.without;
            said.push(format!("{n} of its pages, in which no article was found"));
        }
        let all: u64 = self.others.values().sum();
        if all > 0 {
            let mut kinds: Vec<(&String, &u64)> = self.others.iter().collect();
            kinds.sort_by_key(|(_, n)| std::cmp::Reverse(**n));
            let rest: u64 = kinds.iter().skip(Self::NAMED).map(|(_, n)| **n).sum();
            let named = kinds.iter().take(Self::NAMED);
            let mut kinds: Vec<String> = named.map(|(what, n)| format!("{n} {what}")).collect();
            if rest > 0 {
                kinds.push(format!("{rest} of other kinds"));
            }
            let records = if all == 1 {
                "record that is"
            } else {
                "records that are"
            };
            said.push(format!("{all} {records} no page ({})", kinds.join(", ")));
        }
        if self.wrong > 0 {
            let (n, what) = match self.wrong {
                1 => (1, "length of a record, which is"),
                n => (n, "lengths of records, which are"),
            };
            said.push(format!("{n} {what} not where the next begins"));
        }
        for what in said {
            context.sink.note(Note::Ignored {
                path: context.path.to_string(),
                what,
            });
        }
    }
}

/// What the record says of its article.
fn finished(mut article: Article, header: &Header) -> Article {
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
            article.source = site(target);
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
    article
}

/// Text that was taken out of a page: its first line is the page's title.
fn text(block: &[u8], server: Option<&'static Encoding>) -> Article {
    let mut decoder = Decoder::default();
    let text = tidy(&decoder.decode_declared(block, server.as_slice()));
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
    /// No page, but what is named.
    Other(String),
}

/// The article in an HTTP response.
fn response(block: &[u8]) -> Page {
    let mut stream = block;
    let Ok(Some(header)) = Header::read(&mut stream) else {
        return Page::Other("without the header of an answer".to_string());
    };
    // `HTTP/1.1 200 OK`
    let status = header.first.split_whitespace().nth(1).unwrap_or("");
    if !status.starts_with('2') {
        return Page::Other(format!("with status {}", snippet(status, 10)));
    }
    let kind = header
        .get("content-type")
        .unwrap_or("text/html")
        .to_ascii_lowercase();
    if !is_text(&kind) {
        return Page::Other(named(&kind));
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
        // Crawlers take off what they know, and leave the header.
        Ok(None) if !coding.is_empty() && looks_binary(bytes) => {
            Page::Other(format!("packed as {}", snippet(&coding, 20)))
        }
        Ok(unpacked) => body(&kind, unpacked.as_deref().unwrap_or(bytes)),
        Err(why) => Page::Broken(why),
    }
}

fn is_text(kind: &str) -> bool {
    ["text/html", "application/xhtml", "text/plain"]
        .iter()
        .any(|known| kind.trim_start().starts_with(known))
}

/// A content type without what is said beside it, for a message.
fn named(kind: &str) -> String {
    match kind.split(';').next().unwrap_or("").trim() {
        "" => "without a type".to_string(),
        kind => snippet(kind, 60),
    }
}

/// The article of a page with this content type.
fn body(kind: &str, bytes: &[u8]) -> Page {
    let kind = kind.to_ascii_lowercase();
    if !is_text(&kind) {
        return Page::Other(named(&kind));
    }
    let label = kind.split("charset=").nth(1).map(|rest| {
        let rest = rest.trim_start_matches(['"', '\'']);
        rest.split([';', '"', '\'', ' ']).next().unwrap_or(rest)
    });
    let server = label.and_then(encoding_of);
    if kind.contains("text/plain") {
        return Page::Article(Box::new(text(bytes, server)));
    }
    let article = page(bytes, server);
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

/// How much the decoder of Brotli reads at once, in bytes.
const BROTLI_BUFFER: usize = 4096;

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
        // Nothing tells its bytes from others but that they unpack.
        "br" => match whole(brotli::Decompressor::new(bytes, BROTLI_BUFFER)) {
            Err(_) if !looks_binary(bytes) => return Ok(None),
            outcome => outcome,
        },
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
pub(super) struct Header {
    first: String,
    fields: Vec<(String, String)>,
}

pub(super) enum Broken {
    Io(io::Error),
    Malformed(&'static str),
}

impl Header {
    /// Reads one, past blank lines before it; `None` at the end of the stream.
    pub(super) fn read(stream: &mut impl BufRead) -> std::result::Result<Option<Self>, Broken> {
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

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str())
    }
}
