//! The formats and their names.

use super::compression::Compression;
use std::path::Path;

/// An input format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// A plain text file, one article.
    Text,
    /// A Markdown file, one article.
    Markdown,
    /// An HTML page, one article.
    Html,
    /// JSON: an array, objects one after another, or one object.
    Json,
    /// A JSON object a line, an article each.
    Jsonl,
    /// Comma-separated values with a header, an article a row.
    Csv,
    /// Tab-separated values with a header, an article a row.
    Tsv,
    /// Parquet, an article a row.
    Parquet,
    /// RSS, Atom or a WordPress export, an article an item.
    Feed,
    /// An e-mail, one article.
    Email,
    /// A mailbox, an article a mail.
    Mbox,
    /// A page saved with its parts (MHTML), one article.
    Mhtml,
    /// A Word document, one article.
    Docx,
    /// A PDF file with text, one article.
    Pdf,
    /// A web archive (WARC, WET), an article a page.
    Warc,
    /// Newswire in SGML, as Reuters-21578 and TREC have it, an article a document.
    Sgml,
    /// Bibliographic records (RIS, PubMed, EndNote, Web of Science, BibTeX), an article each.
    Records,
    /// A dump of a wiki (MediaWiki's XML), an article a page.
    Wiki,
    /// Subtitles or a transcript (SRT, WebVTT), one article.
    Subtitles,
    /// A zip archive of files.
    Zip,
    /// A tar archive of files.
    Tar,
}

/// Every format with its names, which are also the endings of files; the first stands in messages.
const NAMES: &[(Format, &[&str])] = &[
    (Format::Text, &["txt", "text"]),
    (Format::Markdown, &["md", "markdown"]),
    (Format::Html, &["html", "htm", "xhtml", "shtml"]),
    (Format::Json, &["json"]),
    (
        Format::Jsonl,
        &["jsonl", "ndjson", "jsonlines", "ldjson", "jl", "json-seq"],
    ),
    (Format::Csv, &["csv"]),
    (Format::Tsv, &["tsv", "tab"]),
    (Format::Parquet, &["parquet"]),
    (Format::Feed, &["xml", "rss", "atom", "rdf", "feed", "wxr"]),
    (Format::Email, &["eml", "email", "emlx"]),
    (Format::Mbox, &["mbox"]),
    (Format::Mhtml, &["mhtml", "mht"]),
    (Format::Docx, &["docx", "docm"]),
    (Format::Pdf, &["pdf"]),
    (Format::Warc, &["warc", "wet"]),
    (Format::Sgml, &["sgm", "sgml"]),
    (
        Format::Records,
        &["ris", "bib", "bibtex", "nbib", "enw", "ciw"],
    ),
    (Format::Wiki, &["mediawiki"]),
    (Format::Subtitles, &["srt", "vtt"]),
    (Format::Zip, &["zip"]),
    (Format::Tar, &["tar"]),
];

impl Format {
    /// The format by a name as in `--format`.
    pub fn from_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        NAMES
            .iter()
            .find(|(_, names)| names.contains(&name.as_str()))
            .map(|(format, _)| *format)
    }

    /// Its name, as in `--format`.
    pub(super) fn name(self) -> &'static str {
        let names = NAMES.iter().find(|(format, _)| *format == self);
        names.map_or("", |(_, names)| names[0])
    }

    /// The names of all formats, as a sentence of a message.
    pub fn list() -> String {
        let names: Vec<&str> = NAMES.iter().map(|(_, names)| names[0]).collect();
        format!(
            "formats are {} (xml is RSS, Atom, a WordPress export or a dump of a wiki), each also packed as .gz, .bz2, .xz or .zst",
            names.join(", ")
        )
    }

    /// The format that a file's name says, if it says any; packed or not.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let name = path
            .file_name()
            .map(|n| n.to_string_lossy().to_lowercase())
            .unwrap_or_default();
        let (name, _) = Compression::strip(&name);
        let (_, ending) = name.rsplit_once('.')?;
        // wget keeps what stood behind the name in the address: `index.html?p=3`, `index.html@p=3`.
        let ending = ending.split(['?', '@']).next().unwrap_or(ending);
        Self::from_name(ending)
    }

    /// Whether a file with its name may be a page of HTML that somebody saved.
    pub(super) fn may_be_a_page(self) -> bool {
        matches!(self, Self::Html | Self::Text | Self::Markdown | Self::Mhtml)
    }

    /// Whether it holds files.
    pub(super) fn is_archive(self) -> bool {
        matches!(self, Self::Zip | Self::Tar)
    }

    /// Whether it is read from any place in a file and not from its beginning to its end.
    pub(super) fn needs_file(self) -> bool {
        matches!(self, Self::Parquet | Self::Docx | Self::Pdf | Self::Zip)
    }
}
