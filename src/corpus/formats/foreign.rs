//! Kinds of files that are not read: their names, and the way out.

/// A kind of file that is not read.
#[derive(Debug, PartialEq)]
pub(super) struct Foreign {
    /// Its name, with an article.
    what: &'static str,
    /// What to do.
    way: &'static str,
    /// Whether it can be nothing else, so that no name or wish of the user's makes it readable.
    pub(super) certain: bool,
    /// Whether it is data whose source nobody reads as a text, so that the name of a text makes none of it.
    pub(super) data: bool,
}

impl Foreign {
    /// What is said of such a file.
    pub(super) fn message(&self) -> String {
        format!("{}, which is not read; {}", self.what, self.way)
    }
}

const fn certain(what: &'static str, way: &'static str) -> Foreign {
    Foreign {
        what,
        way,
        certain: true,
        data: true,
    }
}

const fn likely(what: &'static str, way: &'static str) -> Foreign {
    Foreign {
        what,
        way,
        certain: false,
        data: false,
    }
}

const fn data(what: &'static str, way: &'static str) -> Foreign {
    Foreign {
        what,
        way,
        certain: false,
        data: true,
    }
}

const AS_TEXT: &str = "save it as DOCX, PDF or plain text";
const AS_TABLE: &str = "export its rows as CSV, JSON lines or Parquet";
const UNPACK: &str = "unpack it, or pack it anew as .zip or .tar.gz";

pub(super) static IMAGE: Foreign = certain(
    "an image",
    "save the text that is seen in it (OCR) as plain text",
);
static SOUND: Foreign = certain("a sound or film", "save what is said in it as plain text");
static OFFICE: Foreign = certain(
    "an Office file of the kind before 2007",
    "save it as DOCX, PDF or text, and a table as CSV",
);
static WORD: Foreign = certain("a Word file of the kind before 2007", AS_TEXT);
static EXCEL: Foreign = certain("an Excel file", "save the sheet as CSV");
static POWERPOINT: Foreign = certain("a PowerPoint file", "save it as PDF or text");
static OUTLOOK: Foreign = certain("an Outlook message", "save it as .eml");
static OPEN_DOCUMENT: Foreign = certain(
    "an OpenDocument file",
    "save it as DOCX, PDF or text, and a table as CSV",
);
static EPUB: Foreign = certain("an EPUB book", "convert it to HTML or text");
static KINDLE: Foreign = certain("a Kindle book", "convert it to HTML or text");
static RTF: Foreign = certain("an RTF file", AS_TEXT);
static POSTSCRIPT: Foreign = certain("a PostScript file", "convert it to PDF or text");
static PROGRAM: Foreign = certain("a program", "leave it out");
static SQLITE: Foreign = certain("an SQLite database", AS_TABLE);
static TABLE: Foreign = certain(
    "a table in the format of Arrow, Avro, ORC, HDF5 or NumPy",
    AS_TABLE,
);
static PACKED: Foreign = certain(
    "an archive or compressed file of a kind other than zip, tar, gz, bz2, xz and zst",
    UNPACK,
);
static ARC: Foreign = certain(
    "a web archive of the kind before WARC (ARC)",
    "convert it to WARC, as `warcio recompress` does",
);
static POINTER: Foreign = certain(
    "a pointer of Git LFS to a file that was not fetched",
    "fetch it with `git lfs pull`",
);
static LATEX: Foreign = likely(
    "a LaTeX file",
    "convert it to text or HTML; or, to read it as it stands, say that it is text",
);
static SQL: Foreign = likely("an SQL dump", AS_TABLE);
pub(super) static XML: Foreign = data(
    "XML that is no RSS, Atom, WordPress export or dump of a wiki",
    "convert it to HTML, CSV or JSON lines",
);
pub(super) static CODE: Foreign = likely(
    "source code",
    "leave it out; or, to read it as it stands, say that it is text",
);

/// Magic numbers: where they stand, and whose they are.
static SIGNATURES: &[(usize, &[u8], &Foreign)] = &[
    (0, b"\x89PNG\r\n\x1a\n", &IMAGE),
    (0, b"\xff\xd8\xff", &IMAGE),
    (0, b"GIF87a", &IMAGE),
    (0, b"GIF89a", &IMAGE),
    (0, b"II*\0", &IMAGE),
    (0, b"MM\0*", &IMAGE),
    (8, b"WEBP", &IMAGE),
    (0, b"AT&TFORM", &IMAGE),
    (4, b"ftypheic", &IMAGE),
    (4, b"ftypavif", &IMAGE),
    (4, b"ftyp", &SOUND),
    (8, b"WAVEfmt", &SOUND),
    (8, b"AVI LIST", &SOUND),
    (0, b"ID3", &SOUND),
    (0, b"OggS\0", &SOUND),
    (0, b"fLaC\0", &SOUND),
    (0, b"\x1a\x45\xdf\xa3", &SOUND),
    (0, b"{\\rtf", &RTF),
    (0, b"%!PS", &POSTSCRIPT),
    (60, b"BOOKMOBI", &KINDLE),
    (0, b"\x7fELF", &PROGRAM),
    (0, b"MZ\x90\0", &PROGRAM),
    (0, b"\0asm", &PROGRAM),
    (0, b"\xca\xfe\xba\xbe", &PROGRAM),
    (0, b"\xcf\xfa\xed\xfe", &PROGRAM),
    (0, b"SQLite format 3\0", &SQLITE),
    (0, b"ARROW1\0", &TABLE),
    (0, b"\xff\xff\xff\xff", &TABLE),
    (0, b"Obj\x01", &TABLE),
    (0, b"ORC\n", &TABLE),
    (0, b"\x89HDF\r\n", &TABLE),
    (0, b"\x93NUMPY", &TABLE),
    (0, b"7z\xbc\xaf\x27\x1c", &PACKED),
    (0, b"Rar!\x1a\x07", &PACKED),
    (0, b"\x04\x22\x4d\x18", &PACKED),
    (0, b"LZIP\x01", &PACKED),
    (0, b"MSCF\0", &PACKED),
    (0, b"\x1f\x9d", &PACKED),
    (0, b"]\0\0", &PACKED),
    (0, b"filedesc://", &ARC),
    (0, b"version https://git-lfs.github.com/spec/", &POINTER),
];

pub(super) fn by_signature(head: &[u8]) -> Option<&'static Foreign> {
    if head.starts_with(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") {
        // The names of the streams in it stand in UTF-16, often near the beginning.
        let holds = |name: &str| {
            let wide: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
            head.windows(wide.len()).any(|w| w == wide)
        };
        return Some(if holds("WordDocument") {
            &WORD
        } else if holds("PowerPoint Document") {
            &POWERPOINT
        } else if holds("Workbook") {
            &EXCEL
        } else if holds("__substg1.0") {
            &OUTLOOK
        } else {
            &OFFICE
        });
    }
    SIGNATURES
        .iter()
        .find(|(at, magic, _)| head.get(*at..*at + magic.len()) == Some(*magic))
        .map(|(_, _, foreign)| *foreign)
}

/// A zip file that is no archive of files but a document, by the names in it and its `mimetype`.
pub(super) fn by_members<'n>(
    mut names: impl Iterator<Item = &'n str>,
    mimetype: &str,
) -> Option<&'static Foreign> {
    if mimetype.contains("epub") {
        return Some(&EPUB);
    }
    if mimetype.contains("opendocument") {
        return Some(&OPEN_DOCUMENT);
    }
    names.find_map(|name| match name {
        "xl/workbook.xml" | "xl/workbook.bin" => Some(&EXCEL),
        "ppt/presentation.xml" => Some(&POWERPOINT),
        "META-INF/MANIFEST.MF" | "AndroidManifest.xml" => Some(&PROGRAM),
        _ => None,
    })
}

/// The first bytes of a text, up to `most` of them.
pub(super) fn beginning(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// By the words at the beginning of a text.
pub(super) fn by_text(text: &str) -> Option<&'static Foreign> {
    let head = beginning(text, 2048);
    let upper = head.to_ascii_uppercase();
    let statement = upper.contains("\nCREATE TABLE") || upper.contains("\nINSERT INTO");
    if head.contains("\\documentclass") || head.starts_with("\\documentstyle") {
        Some(&LATEX)
    } else if upper.starts_with("CREATE TABLE")
        || upper.starts_with("INSERT INTO")
        || (upper.starts_with("--") && statement)
        || upper.starts_with("PRAGMA FOREIGN_KEYS")
    {
        Some(&SQL)
    } else {
        None
    }
}

/// By the ending of a file whose contents say nothing.
pub(super) fn by_name(name: &str) -> Option<&'static Foreign> {
    let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let ending = name.rsplit_once('.').map_or(name, |(_, ending)| ending);
    match ending {
        "makefile" | "dockerfile" | "gemfile" | "rakefile" | "license" | "licence" | "copying"
        | "cfg" | "conf" | "lock" | "map" | "properties" | "mk" | "cmake" | "gradle" | "proto"
        | "env" => Some(&CODE),
        "py" | "js" | "mjs" | "ts" | "tsx" | "jsx" | "c" | "h" | "cc" | "cpp" | "hpp" | "cs"
        | "java" | "kt" | "go" | "rs" | "rb" | "pl" | "php" | "sh" | "bash" | "ps1" | "bat"
        | "swift" | "scala" | "lua" | "css" | "scss" | "less" | "vue" | "toml" | "ini" | "yaml"
        | "yml" => Some(&CODE),
        "sql" => Some(&SQL),
        "tex" | "sty" => Some(&LATEX),
        _ => None,
    }
}
