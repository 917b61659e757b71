//! The text of a page written in wikitext, without its marks.
//!
//! What a reader of the page reads stays: words of links, lists, cells of tables, what a few templates show. Notes,
//! pictures, categories, other templates, and headings with nothing below them go. Nothing is said to be written wrongly:
//! a mark that is not closed is left out, and the text behind it stays.

use crate::corpus::formats::markup::entity;
use html5gum::{Token, Tokenizer};
use std::collections::HashMap;

/// Marks within marks, at most; those beyond stay as they are. Each closed mark copies what is in it.
const DEEPEST: usize = 40;

/// Stands where something was left out of a line, and where a line ends within a paragraph or a cell, until all is read;
/// no page has them.
const GONE: char = '\u{1}';
const BREAK: char = '\u{2}';

/// What is known of a wiki: the names of its kinds of pages, in small letters.
#[derive(Debug, Clone)]
pub(super) struct Names {
    pub files: Vec<String>,
    pub categories: Vec<String>,
}

impl Default for Names {
    fn default() -> Self {
        let all = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        Self {
            files: all(&[
                "file",
                "image",
                "media",
                "datei",
                "bild",
                "fichier",
                "archivo",
                "imagen",
                "immagine",
                "ficheiro",
                "imagem",
                "bestand",
                "afbeelding",
                "plik",
                "grafika",
                "soubor",
                "fil",
                "файл",
                "изображение",
                "ファイル",
                "画像",
                "文件",
                "图像",
                "圖像",
                "檔案",
                "파일",
                "그림",
                "ملف",
                "صورة",
            ]),
            categories: all(&[
                "category",
                "kategorie",
                "catégorie",
                "categoría",
                "categoria",
                "categorie",
                "kategoria",
                "kategori",
                "категория",
                "к",
                "カテゴリ",
                "分类",
                "分類",
                "분류",
                "تصنيف",
            ]),
        }
    }
}

/// A page's text, and the categories that it is in.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Page {
    pub text: String,
    pub categories: Vec<String>,
}

/// The text of a page.
pub(super) fn page(wikitext: &str, names: &Names) -> Page {
    let text = without_tags(&wikitext.replace([GONE, BREAK], ""));
    let mut brackets = Brackets {
        names,
        open: Vec::new(),
        out: String::with_capacity(text.len()),
        categories: Vec::new(),
    };
    brackets.read(&text);
    Page {
        text: decoded(&lines(&brackets.out)),
        categories: brackets.categories,
    }
}

/// Elements that are left out with what is in them: notes, formulas, pictures, maps.
const DROPPED: [&str; 21] = [
    "ref",
    "references",
    "math",
    "chem",
    "ce",
    "gallery",
    "imagemap",
    "timeline",
    "score",
    "graph",
    "mapframe",
    "maplink",
    "hiero",
    "templatestyles",
    "templatedata",
    "indicator",
    "includeonly",
    "infobox",
    "youtube",
    "pages",
    "pagequality",
];
/// Formulas, of which short ones are read as they are.
const FORMULAS: [&str; 3] = ["math", "chem", "ce"];
/// Elements in which nothing is a mark.
const VERBATIM: [&str; 4] = ["nowiki", "pre", "syntaxhighlight", "source"];
/// Elements whose marks alone are left out, and after which a line ends.
const BLOCKS: [&str; 25] = [
    "p",
    "div",
    "blockquote",
    "poem",
    "center",
    "table",
    "caption",
    "thead",
    "tbody",
    "tr",
    "td",
    "th",
    "ul",
    "ol",
    "li",
    "dl",
    "dd",
    "hr",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "tabber",
];
const INLINE: [&str; 42] = [
    "small",
    "big",
    "b",
    "i",
    "u",
    "s",
    "em",
    "strong",
    "span",
    "sub",
    "sup",
    "font",
    "code",
    "tt",
    "kbd",
    "samp",
    "var",
    "cite",
    "abbr",
    "q",
    "del",
    "ins",
    "bdi",
    "bdo",
    "noinclude",
    "onlyinclude",
    "section",
    "ruby",
    "rb",
    "rp",
    "rt",
    "strike",
    "mark",
    "dfn",
    "time",
    "wbr",
    "data",
    "nowiki",
    "pre",
    "syntaxhighlight",
    "source",
    "ref",
];

/// Takes tags and comments out.
fn without_tags(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // Where the next end of an element is: what is looked for once is not looked for again.
    let mut ends: HashMap<String, Option<usize>> = HashMap::new();
    let mut end_of = |needle: &str, from: usize| -> Option<usize> {
        let known = ends.get(needle).copied();
        let found = match known {
            Some(None) => None,
            Some(Some(at)) if at >= from => Some(at),
            _ => find(text, needle, from),
        };
        ends.insert(needle.to_string(), found);
        found
    };
    let mut at = 0;
    while let Some(n) = text[at..].find('<') {
        out.push_str(&text[at..at + n]);
        at += n;
        if text[at..].starts_with("<!--") {
            out.push(GONE);
            at = end_of("-->", at).map_or(at + 4, |end| end + 3);
            continue;
        }
        let Some(tag) = Tag::of(&text[at..]) else {
            out.push('<');
            at += 1;
            continue;
        };
        let behind = at + tag.length;
        if VERBATIM.contains(&tag.name.as_str()) && !tag.closes && !tag.alone {
            let end = end_of(&format!("</{}", tag.name), behind).unwrap_or(text.len());
            let block = tag.name != "nowiki";
            out.push_str(if block { "\n" } else { "" });
            escape(&text[behind..end], &mut out);
            out.push_str(if block { "\n" } else { "" });
            at = end;
        } else if tag.name == "br" {
            out.push(BREAK);
            at = behind;
        } else if DROPPED.contains(&tag.name.as_str()) {
            at = behind;
            out.push(GONE);
            if !tag.closes && !tag.alone {
                let end = end_of(&format!("</{}", tag.name), behind);
                let again = end_of(&format!("<{}", tag.name), behind);
                // One that another follows before it ends was not closed.
                at = match (end, again) {
                    (Some(end), Some(again)) if again < end => behind,
                    (Some(end), _) => {
                        if FORMULAS.contains(&tag.name.as_str()) && is_short(&text[behind..end]) {
                            escape(&text[behind..end], &mut out);
                        }
                        end
                    }
                    (None, _) => behind,
                };
            }
        } else if BLOCKS.contains(&tag.name.as_str()) {
            out.push('\n');
            at = behind;
        } else if INLINE.contains(&tag.name.as_str()) {
            at = behind;
        } else {
            out.push('<');
            at += 1;
        }
    }
    out.push_str(&text[at..]);
    out
}

/// Whether a formula can be read as it is written.
fn is_short(formula: &str) -> bool {
    formula.len() <= 60 && !formula.contains(['\\', '{', '<', '\n'])
}

/// Where a text in small letters of ASCII begins, in any case.
fn find(text: &str, small: &str, from: usize) -> Option<usize> {
    let (bytes, first) = (text.as_bytes(), small.as_bytes()[0]);
    let is_one = |at: &usize| {
        let there = bytes.get(*at..*at + small.len());
        there.is_some_and(|there| there.eq_ignore_ascii_case(small.as_bytes()))
    };
    // The first is a mark, which has no case.
    memchr::memchr_iter(first, bytes.get(from..)?)
        .map(|at| from + at)
        .find(is_one)
}

/// A tag that a text begins with.
struct Tag {
    name: String,
    length: usize,
    closes: bool,
    /// Whether it has no end of its own: `<ref name="a" />`.
    alone: bool,
}

impl Tag {
    fn of(text: &str) -> Option<Self> {
        /// Longer ones, in bytes, are none.
        const LONGEST: usize = 2000;
        let bytes = text.as_bytes();
        let closes = bytes.get(1) == Some(&b'/');
        let start = 1 + usize::from(closes);
        let n = bytes[start.min(bytes.len())..]
            .iter()
            .take_while(|b| b.is_ascii_alphanumeric())
            .count();
        if n == 0 || n > 20 {
            return None;
        }
        let mut quote = None;
        let rest = bytes.iter().enumerate().skip(start + n).take(LONGEST);
        for (at, b) in rest {
            match (quote, b) {
                (None, b'>') => {
                    return Some(Self {
                        name: text[start..start + n].to_ascii_lowercase(),
                        length: at + 1,
                        closes,
                        alone: bytes[at - 1] == b'/',
                    });
                }
                (None, b'<') => return None,
                (None, b'"') => quote = Some(*b),
                (Some(open), b) if open == *b => quote = None,
                _ => {}
            }
        }
        None
    }
}

/// Writes what is no mark although it looks like one.
fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '[' => out.push_str("&#91;"),
            ']' => out.push_str("&#93;"),
            '{' => out.push_str("&#123;"),
            '}' => out.push_str("&#125;"),
            '|' => out.push_str("&#124;"),
            '\'' => out.push_str("&#39;"),
            '=' => out.push_str("&#61;"),
            '*' => out.push_str("&#42;"),
            '#' => out.push_str("&#35;"),
            ':' => out.push_str("&#58;"),
            ';' => out.push_str("&#59;"),
            '_' => out.push_str("&#95;"),
            '-' => out.push_str("&#45;"),
            '<' => out.push_str("&lt;"),
            c => out.push(c),
        }
    }
}

/// What a mark opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `{{…}}`
    Template,
    /// `[[…]]`
    Link,
    /// `[https://… …]`
    Address,
    /// `{|…|}`
    Table,
}

/// Takes links, templates and tables apart.
struct Brackets<'n> {
    names: &'n Names,
    /// What is open, with what was written so far around it.
    open: Vec<(Kind, String)>,
    out: String,
    categories: Vec<String>,
}

impl Brackets<'_> {
    fn read(&mut self, text: &str) {
        let mut at = 0;
        while at < text.len() {
            let rest = &text[at..];
            let n = rest
                .find(['[', ']', '{', '}', '|', '\n'])
                .unwrap_or(rest.len());
            self.out.push_str(&rest[..n]);
            at += n;
            let rest = &text[at..];
            let before = text[..at].trim_end_matches([' ', '\t', ':', '*', '#', GONE]);
            let line_start = before.is_empty() || before.ends_with('\n');
            at += self.mark(rest, line_start);
        }
        while self.open.pop().is_some_and(|(_, before)| {
            // What is not closed stays.
            self.out.insert_str(0, &before);
            true
        }) {}
    }

    /// Takes the mark that a text begins with; its length.
    fn mark(&mut self, rest: &str, line_start: bool) -> usize {
        let room = self.open.len() < DEEPEST;
        let top = self.open.last().map(|(kind, _)| *kind);
        if rest.starts_with("{|") && line_start && room {
            self.begin(Kind::Table);
            return 2;
        }
        if rest.starts_with("{{") && room {
            self.begin(Kind::Template);
            return 2;
        }
        if rest.starts_with("[[") && room {
            self.begin(Kind::Link);
            return 2;
        }
        if rest.starts_with("|}")
            && !rest.starts_with("|}}")
            && line_start
            && self.is_open(Kind::Table)
        {
            self.close(Kind::Table);
            return 2;
        }
        if rest.starts_with("}}") && self.is_open(Kind::Template) {
            self.close(Kind::Template);
            return 2;
        }
        if rest.starts_with("]]") && top == Some(Kind::Link) {
            self.close(Kind::Link);
            return 2;
        }
        if rest.starts_with(']') && top == Some(Kind::Address) {
            self.close(Kind::Address);
            return 1;
        }
        if rest.starts_with('[') && room {
            const SCHEMES: [&str; 5] = ["http://", "https://", "//", "ftp://", "mailto:"];
            let inner = &rest[1..];
            if SCHEMES.iter().any(|scheme| inner.starts_with(scheme)) {
                let ends = |c: char| c.is_whitespace() || matches!(c, ']' | '[' | '{' | '|');
                self.begin(Kind::Address);
                return 1 + inner.find(ends).unwrap_or(inner.len());
            }
        }
        let Some(first) = rest.chars().next() else {
            return 0;
        };
        if first == '\n' {
            // Links end with their paragraph, and those to addresses with their line; what is said of a picture may
            // have several.
            while let Some((kind, _)) = self.open.last()
                && (*kind == Kind::Address
                    || *kind == Kind::Link && rest.starts_with("\n\n") && !self.is_file(&self.out))
            {
                self.flush();
            }
        }
        self.out.push(first);
        first.len_utf8()
    }

    fn begin(&mut self, kind: Kind) {
        self.open.push((kind, std::mem::take(&mut self.out)));
    }

    /// Whether such a mark is open, with nothing in it but links.
    fn is_open(&self, kind: Kind) -> bool {
        let mut inner = self.open.iter().rev().map(|(kind, _)| *kind);
        inner.find(|open| !matches!(open, Kind::Link | Kind::Address) || *open == kind)
            == Some(kind)
    }

    /// Ends what is open without a mark that ends it: what is in it stays.
    fn flush(&mut self) {
        if let Some((_, before)) = self.open.pop() {
            let inner = std::mem::replace(&mut self.out, before);
            self.out.push_str(&inner);
        }
    }

    fn close(&mut self, kind: Kind) {
        while self.open.last().is_some_and(|(open, _)| *open != kind) {
            self.flush();
        }
        let Some((_, before)) = self.open.pop() else {
            return;
        };
        let inner = std::mem::replace(&mut self.out, before);
        match kind {
            Kind::Template => template(&inner, &mut self.out),
            Kind::Link => self.link(&inner),
            Kind::Address => match inner.trim().trim_start_matches('|') {
                "" => self.out.push(GONE),
                label => self.out.push_str(label),
            },
            Kind::Table => table(&inner, &mut self.out),
        }
    }

    /// Whether what a link begins with is the name of a file.
    fn is_file(&self, target: &str) -> bool {
        let space = target.split_once(':').map(|(space, _)| space.trim());
        space.is_some_and(|space| {
            space.len() < 40 && self.names.files.contains(&space.to_lowercase())
        })
    }

    fn link(&mut self, inner: &str) {
        let (target, label) = match inner.split_once('|') {
            Some((target, label)) => (target.trim(), Some(label)),
            None => (inner.trim(), None),
        };
        if let Some(shown) = target.strip_prefix(':') {
            self.out.push_str(label.unwrap_or(shown).trim());
            return;
        }
        if let Some((space, name)) = target.split_once(':') {
            let space = space.trim().to_lowercase().replace('_', " ");
            if self.names.categories.contains(&space) {
                let name = name.trim().replace('_', " ");
                if !name.is_empty()
                    && self.categories.len() < 256
                    && !self.categories.contains(&name)
                {
                    self.categories.push(name);
                }
                return;
            }
            if self.is_file(target) || is_media(name) {
                return;
            }
            // The page in another language.
            let language = |target: &str| {
                let space = target.split([':', '-']).next().unwrap_or(target);
                let code = (2..=3).contains(&space.len()) || space == "simple";
                code && space.bytes().all(|b| b.is_ascii_lowercase())
            };
            if label.is_none() && language(target) && !name.starts_with(' ') {
                return;
            }
        }
        match label.map(str::trim) {
            Some("") => self
                .out
                .push_str(target.split(" (").next().unwrap_or(target)),
            Some(label) => self.out.push_str(label.rsplit('|').next().unwrap_or(label)),
            None => self.out.push_str(&target.replace('_', " ")),
        }
    }
}

/// Whether a file of this name is a picture, sound or film.
fn is_media(name: &str) -> bool {
    const ENDINGS: [&str; 14] = [
        "jpg", "jpeg", "png", "gif", "svg", "webp", "tif", "tiff", "ogg", "oga", "ogv", "webm",
        "mp3", "djvu",
    ];
    let ending = name
        .trim()
        .rsplit_once('.')
        .map(|(_, ending)| ending.to_ascii_lowercase());
    ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
}

/// Values of a template that are looked at.
const VALUES: usize = 64;

/// Templates that show their first value.
const FIRST: [&str; 69] = [
    "nowrap",
    "nobr",
    "nobreak",
    "small",
    "big",
    "em",
    "strong",
    "abbr",
    "tooltip",
    "sic",
    "visible anchor",
    "vanchor",
    "smallcaps",
    "sc",
    "ill",
    "interlanguage link",
    "circa",
    "c.",
    "chem",
    "chem2",
    "nihongo",
    "w",
    "flag",
    "flagcountry",
    "angbr",
    "angbr ipa",
    "ipa",
    "keypress",
    "key press",
    "val",
    "math",
    "mvar",
    "mono",
    "code",
    "hws",
    "larger",
    "center",
    "uc",
    "dropinitial",
    "drop initial",
    "citation needed span",
    "référence nécessaire",
    "refnec",
    "cita requerida",
    "siècle",
    "mme",
    "iw",
    "не переведено 5",
    "не переведено",
    "仮リンク",
    "読み仮名",
    "ruby",
    "link-en",
    "le",
    "要出典",
    "date de naissance",
    "число",
    "год",
    "s",
    "unité",
    "as written",
    "birth date text",
    "us$",
    "usd",
    "gbp",
    "euro",
    "l1",
    "sup",
    "sub",
];
/// Templates that show their second value, or the first where there is no other.
const SECOND: [&str; 14] = [
    "lang",
    "langx",
    "langi",
    "langue",
    "transl",
    "transliteration",
    "l",
    "m",
    "ux",
    "mention",
    "link",
    "tsl",
    "t",
    "t+",
];
/// Templates whose text is a paragraph of its own.
const QUOTES: [&str; 20] = [
    "quote",
    "blockquote",
    "cquote",
    "quotation",
    "quote box",
    "zitat",
    "\"",
    "citation bloc",
    "citation",
    "cita",
    "cita bloque",
    "цитата",
    "اقتباس",
    "poemquote",
    "poem quote",
    "ppoem",
    "bquote",
    "pull quote",
    "quote frame",
    "verse translation",
];
/// Templates that show all of their values, one after the other.
const ALL: [&str; 9] = [
    "hlist",
    "ubl",
    "unbulleted list",
    "plainlist",
    "flatlist",
    "columns-list",
    "div col",
    "collapsible list",
    "bulleted list",
];

/// What a template shows, of those whose text stands in their sentence; others go.
fn template(inner: &str, out: &mut String) {
    let mut parts = inner.split('|').take(VALUES);
    let name = parts.next().unwrap_or_default().replace([GONE, BREAK], "");
    let name = name.trim().to_lowercase().replace('_', " ");
    // Values with a name stand for themselves where it is a number or says that it is the text.
    let values: Vec<&str> = parts
        .filter_map(|part| match part.split_once('=') {
            Some((name, value)) => {
                let name = name.trim();
                let told = name.bytes().all(|b| b.is_ascii_digit())
                    || matches!(name, "text" | "quote" | "content" | "範囲");
                told.then_some(value)
            }
            None => Some(part),
        })
        .map(str::trim)
        .collect();
    let value = |n: usize| values.get(n).copied().unwrap_or_default();
    let before = out.len();
    match name.as_str() {
        name if FIRST.contains(&name) => out.push_str(value(0)),
        name if SECOND.contains(&name) => {
            out.push_str(
                values
                    .get(1)
                    .or(values.first())
                    .copied()
                    .unwrap_or_default(),
            );
        }
        name if QUOTES.contains(&name) => {
            out.push_str("\n\n");
            out.push_str(value(0));
            out.push_str("\n\n");
        }
        name if ALL.contains(&name) => out.push_str(&values.join(", ")),
        // A word, and then its language.
        "lien" => out.push_str(value(0)),
        "convert" | "cvt" | "nombre" | "unidad" => {
            let between = ["to", "and", "or", "-", "–", "by", "x", "×"];
            let n = if between.contains(&value(1)) { 4 } else { 2 };
            let shown: Vec<&str> = values.iter().take(n).copied().collect();
            out.push_str(&shown.join(" "));
        }
        "as of" | "date" | "fecha" | "s-" => {
            if name == "as of" {
                out.push_str("as of ");
            }
            out.push_str(&values.join(" "));
        }
        "start date" | "end date" | "birth date" | "death date" | "birth date and age"
        | "start date and age" | "birth-date" | "film date" => {
            let numbers = values
                .iter()
                .filter(|value| value.bytes().all(|b| b.is_ascii_digit()));
            let numbers: Vec<&str> = numbers.take(3).copied().collect();
            out.push_str(&numbers.join("-"));
        }
        "frac" | "fraction" | "sfrac" => match values.as_slice() {
            [whole, over, under, ..] => out.push_str(&format!("{whole} {over}/{under}")),
            _ => out.push_str(&values.join("/")),
        },
        "'s" => out.push_str("’s"),
        "snd" | "spnd" | "spaced ndash" | "spaced en dash" | "snds" => out.push_str(" – "),
        "nbsp" | "space" | "thinsp" => out.push(' '),
        "ndash" | "–" => out.push('–'),
        "mdash" | "—" => out.push('—'),
        "'" => out.push('’'),
        "=" => out.push_str("&#61;"),
        "!" => out.push_str("&#124;"),
        "br" | "pb" | "break" | "clear" | "-" | "paragraph break" => out.push('\n'),
        _ if name.starts_with("lang-") => out.push_str(value(0)),
        _ => {
            // `{{{1|what stands for it}}}`
            if name.starts_with('{') {
                out.push_str(value(0).trim_end_matches('}'));
            } else if let Some((_, number)) = name.split_once("formatnum:") {
                out.push_str(number);
            }
        }
    }
    if out.len() == before {
        out.push(GONE);
    }
}

/// The cells of a table, a row a line.
fn table(inner: &str, out: &mut String) {
    let mut row: Vec<String> = Vec::new();
    let mut cells = |row: &mut Vec<String>| {
        let filled: Vec<&str> = row
            .iter()
            .map(String::as_str)
            .filter(|cell| !cell.is_empty())
            .collect();
        if !filled.is_empty() {
            out.push('\n');
            out.push_str(&filled.join(", "));
        }
        row.clear();
    };
    // What stands behind the opening mark says how the table looks.
    for line in inner.lines().skip(1) {
        let line = line.trim();
        let (marks, rest) = match line.as_bytes() {
            [b'|', b'-', ..] => {
                cells(&mut row);
                continue;
            }
            [b'|', b'+', ..] => {
                cells(&mut row);
                row.push(cell(&line[2..]));
                cells(&mut row);
                continue;
            }
            [b'|', ..] => (["||", "||"], &line[1..]),
            [b'!', ..] => (["!!", "||"], &line[1..]),
            _ => {
                // A cell goes on, with a list as well.
                let line = line.trim_start_matches(['*', '#', ':', ';', ' ']);
                match row.last_mut().filter(|_| !line.is_empty()) {
                    Some(last) if last.is_empty() => last.push_str(line),
                    Some(last) => {
                        last.push(' ');
                        last.push_str(line);
                    }
                    None => row.push(line.to_string()),
                }
                continue;
            }
        };
        let parts = rest.split(marks[0]).flat_map(|part| part.split(marks[1]));
        row.extend(parts.map(cell));
        if row.len() > 1000 {
            cells(&mut row);
        }
    }
    cells(&mut row);
    out.push('\n');
}

/// A cell without what says how it looks: `style="…" | text`.
fn cell(part: &str) -> String {
    let part = part.trim_start_matches('|').replace(BREAK, " ");
    let part = part.trim_matches([' ', GONE]);
    let text = match part.split_once('|') {
        Some((look, text)) if look.contains('=') => text.trim_start_matches('|'),
        _ => part,
    };
    let text = text.trim_matches([' ', GONE]);
    if is_look(text) {
        String::new()
    } else {
        text.to_string()
    }
}

/// Whether a cell says nothing but how it looks: what it shows was a template.
fn is_look(text: &str) -> bool {
    const LOOKS: [&str; 9] = [
        "align", "bgcolor", "class", "colspan", "rowspan", "scope", "style", "valign", "width",
    ];
    text.split_once('=').is_some_and(|(name, value)| {
        LOOKS.contains(&name.trim())
            && (value.trim_start().starts_with('"') || !value.contains(' '))
    })
}

/// Takes marks at the beginnings of lines out, and headings with nothing below them.
fn lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut headings: Vec<(usize, String)> = Vec::new();
    for line in text.lines() {
        let line = words(line);
        let line = line.trim();
        if let Some((level, heading)) = heading(line) {
            headings.retain(|(above, _)| *above < level);
            if !heading.is_empty() {
                headings.push((level, heading.to_string()));
            }
            continue;
        }
        let listed = line.starts_with(['*', '#', ':', ';']);
        let plain = line.trim_start_matches(['*', '#', ':', ';', ' ']);
        // Of a table that does not end.
        let plain = match plain.as_bytes() {
            [b'|', b'-' | b'}', ..] | [b'{', b'|', ..] => "",
            [b'|', ..] => plain[1..].trim_start(),
            _ => plain,
        };
        let is_rule = line.len() >= 4 && line.bytes().all(|b| b == b'-');
        if plain.is_empty() || is_rule {
            end_paragraph(&mut out);
            continue;
        }
        for (_, heading) in headings.drain(..) {
            end_paragraph(&mut out);
            out.push_str(&heading);
            end_paragraph(&mut out);
        }
        if listed {
            end_paragraph(&mut out);
        }
        out.push_str(&plain.replace(BREAK, "\n"));
        out.push('\n');
    }
    out
}

fn end_paragraph(out: &mut String) {
    if !out.is_empty() && !out.ends_with("\n\n") {
        out.push_str(if out.ends_with('\n') { "\n" } else { "\n\n" });
    }
}

fn heading(line: &str) -> Option<(usize, &str)> {
    let level = line.bytes().take_while(|b| *b == b'=').count().min(6);
    if level == 0 || line.len() <= 2 * level {
        return None;
    }
    let inner = line[level..].trim_end().strip_suffix(&"======"[..level])?;
    Some((level, inner.trim()))
}

/// A line without marks of looks (`''`), switches (`__NOTOC__`), and what is told for several ways of writing Chinese.
fn words(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let surplus = unbalanced(line);
    let mut seen = 0;
    let mut rest = line;
    while let Some(at) = rest.find(['\'', '_', '-', '~']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let marks = rest.bytes().take_while(|b| *b == b'\'').count();
        if marks >= 2 {
            // Four are one that is read and three; of more than five, those in front are.
            let read = match marks {
                4 => 1,
                3 if surplus == Some(seen) => 1,
                marks => marks.saturating_sub(5),
            };
            out.push_str(&rest[..read]);
            seen += 1;
            rest = &rest[marks..];
            continue;
        }
        if let Some((shown, behind)) = converted(rest) {
            out.push_str(shown);
            rest = behind;
            continue;
        }
        let alone = !out.ends_with(char::is_alphanumeric);
        let switch = rest.strip_prefix("__").filter(|_| alone).and_then(|inner| {
            let (name, behind) = inner.split_once("__")?;
            let is_one = (3..60).contains(&name.len())
                && !name.contains(|c: char| c.is_lowercase() || c == ' ');
            is_one.then_some(behind)
        });
        if let Some(behind) = switch {
            rest = behind;
            continue;
        }
        if let Some(behind) = rest.strip_prefix("~~~") {
            rest = behind.trim_start_matches('~');
            continue;
        }
        out.push_str(&rest[..1]);
        rest = &rest[1..];
    }
    out.push_str(rest);
    without_gaps(&out)
}

/// Which run of apostrophes in a line is one that is read and two marks: where both kinds of marks are odd in number, the
/// first three behind a word of one letter, or else behind a word, or any. As in `L'''Iliade''`.
fn unbalanced(line: &str) -> Option<usize> {
    let (mut bold, mut italic) = (0, 0);
    let mut threes: Vec<(usize, u8)> = Vec::new();
    let (mut at, mut run) = (0, 0);
    let bytes = line.as_bytes();
    while let Some(n) = memchr::memchr(b'\'', &bytes[at..]) {
        at += n;
        let marks = bytes[at..].iter().take_while(|b| **b == b'\'').count();
        if marks >= 2 {
            let before = &line[..at];
            match marks {
                2 => italic += 1,
                3 | 4 => bold += 1,
                _ => (bold, italic) = (bold + 1, italic + 1),
            }
            if marks == 3 && threes.len() < 64 {
                let mut last = before.chars().rev();
                let rank = match (last.next(), last.next()) {
                    (None | Some(' '), _) => 2,
                    (Some(_), None | Some(' ' | '(' | GONE)) => 0,
                    _ => 1,
                };
                threes.push((run, rank));
            }
            run += 1;
        }
        at += marks;
    }
    if bold % 2 == 0 || italic % 2 == 0 {
        return None;
    }
    threes
        .into_iter()
        .min_by_key(|(_, rank)| *rank)
        .map(|(run, _)| run)
}

/// What stands for a mark of several ways of writing, as Chinese has them, and what is behind it:
/// `-{zh-hans:计算机; zh-hant:電腦}-`.
fn converted(text: &str) -> Option<(&str, &str)> {
    let (inner, behind) = text.strip_prefix("-{")?.split_once("}-")?;
    let (flags, rules) = match inner.split_once('|') {
        Some((flags, rules)) => (flags, rules),
        None => ("", inner),
    };
    // Titles, and rules for the rest of the page.
    if flags.contains(['T', 'H', '-', 'D']) {
        return Some(("", behind));
    }
    let first = rules.split(';').find(|rule| !rule.trim().is_empty())?;
    let shown = match first.split_once(':') {
        Some((way, text)) if way.trim().starts_with("zh") => text,
        _ => rules,
    };
    Some((shown.trim(), behind))
}

/// A line without what stood around what was left out: blanks side by side, and brackets around nothing.
fn without_gaps(line: &str) -> String {
    if !line.contains(GONE) {
        return line.to_string();
    }
    let mut out = String::with_capacity(line.len());
    let mut gone = false;
    for c in line.chars() {
        if c == GONE {
            gone = true;
            continue;
        }
        if gone {
            match c {
                ' ' if out.is_empty() || out.ends_with([' ', '(', '（']) => continue,
                // `(; born 1890)`
                ',' | ';' if out.ends_with('(') => continue,
                ',' | ';' | ')' if out.ends_with(' ') => {
                    out.pop();
                }
                _ => {}
            }
            if c == ')' && out.ends_with('(') {
                out.pop();
                if out.ends_with(' ') {
                    out.pop();
                }
                continue;
            }
            if c == '）' && out.ends_with('（') {
                out.pop();
                continue;
            }
        }
        gone = gone && matches!(c, ' ' | ',' | ';');
        out.push(c);
    }
    out
}

/// Replaces character references by what they stand for.
fn decoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.bytes().take(34).position(|b| b == b';');
        let name = end.map(|end| &rest[1..end]).filter(|name| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'#')
        });
        let Some(name) = name else {
            out.push('&');
            rest = &rest[1..];
            continue;
        };
        let reference = &rest[..name.len() + 2];
        match entity(name) {
            Some(c) if !c.is_control() || c == '\n' || c == '\t' => out.push(c),
            Some(_) => {}
            None => {
                let tokens = Tokenizer::new(reference).filter_map(Result::ok);
                for token in tokens {
                    if let Token::String(text) = token {
                        let text = String::from_utf8_lossy(&text.value);
                        // What is none stays as it is.
                        out.push_str(if text.ends_with(';') {
                            reference
                        } else {
                            &text
                        });
                    }
                }
            }
        }
        rest = &rest[reference.len()..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::article::tidy;

    fn text(wikitext: &str) -> String {
        tidy(&page(wikitext, &Names::default()).text)
    }

    #[test]
    fn marks_go_and_words_stay() {
        for (wikitext, wanted) in [
            (
                "'''Bridge''' is a [[River crossing|crossing]] of [[river]]s.",
                "Bridge is a crossing of rivers.",
            ),
            (
                "It opened{{cn|date=May 2024}} in 1890.<ref name=\"a>b\">{{cite|x}}</ref> It<ref name=a /> closed.",
                "It opened in 1890. It closed.",
            ),
            (
                "A <!-- hidden -->b, 2 < 3 &amp; 4 &minus; 1.",
                "A b, 2 < 3 & 4 − 1.",
            ),
            (
                "[[File:A.jpg|thumb|A [[bridge]] in 1890]]\nText.\n[[Category:Bridges]]\n[[de:Brücke]]",
                "Text.",
            ),
            ("[[File:A|thumb|One.\n\nTwo.]]Text.", "Text."),
            ("[[Datei:A.jpg|mini|Bild]]Text.", "Text."),
            (
                "See [https://e.example/a the page], [https://e.example/b] and [not this].",
                "See the page, and [not this].",
            ),
            (
                "== One ==\n=== Two ===\nText.\n== Notes ==\n<references />\n",
                "One\n\nTwo\n\nText.",
            ),
            ("* one\n* two\n: three", "one\n\ntwo\n\nthree"),
            (
                "It is {{convert|5|km|mi}} long, {{lang|de|Brücke}} in German{{snd}}old.",
                "It is 5 km long, Brücke in German – old.",
            ),
            (
                "{{Infobox\n| name = {{lang|de|x}}\n| image = [[File:x.jpg]]\n}}\nText.",
                "Text.",
            ),
            (
                "{| class=\"wikitable\"\n|+ Bridges\n! Name !! Length\n|-\n| style=\"a\" | Old || 5 km\n|-\n| New\n| 6 km\n|}\nText.",
                "Bridges\nName, Length\nOld, 5 km\nNew, 6 km\n\nText.",
            ),
            (
                "<nowiki>[[not]] a '''link'''</nowiki>",
                "[[not]] a '''link'''",
            ),
            (
                "l''''Odyssée''' d'Homère, L'''Iliade'' est",
                "l'Odyssée d'Homère, L'Iliade est",
            ),
            ("''a'' '''b''' '''''c'''''", "a b c"),
            (
                "-{zh-hans:计算机;zh-hant:電腦}-是-{于}-x-{T|zh:a}-",
                "计算机是于x",
            ),
            (
                "{|\n| '''x'''<br />y || z\n|-\n|style=a|{{IPA}}||bgcolor=\"b\"|{{c}}|| w\n|-\n| colspan=\"5\" {{M}}\n|-\n|\n* one\n** two\n|}",
                "x y, z\nw\none two",
            ),
            (
                "{{langx|de|Guten Tag}}, {{as of|2011}}, {{frac|1|2}}.",
                "Guten Tag, as of 2011, 1/2.",
            ),
            ("A{{quote|Said so.}}B", "A\n\nSaid so.\n\nB"),
            (
                "<syntaxhighlight lang=c>#include <a.h>\n* p = a[[0]];</syntaxhighlight>",
                "#include <a.h>\n* p = a[[0]];",
            ),
            ("[[CSI: NY]] and [[de:Brücke]][[simple:B]]", "CSI: NY and"),
            (
                "The area is <math>x^2</math>; smile ;) f(), g ()",
                "The area is x^2; smile ;) f(), g ()",
            ),
            (
                "<ruby>漢字<rp>(</rp><rt>かんじ</rt><rp>)</rp></ruby>です",
                "漢字(かんじ)です",
            ),
            ("__KEIN_INHALTSVERZEICHNIS__ x __目次非表示__", "x"),
            (
                "{|\n| One || two\n|-\n| three\n\nFour",
                "One || two\n\nthree\n\nFour",
            ),
            ("__NOTOC__A_b__c", "A_b__c"),
            (
                "Bridge ({{audio|x}}; {{b}}, old) and f() ({{x}}), {{y}} new",
                "Bridge (old) and f(), new",
            ),
            (
                "[[Bridge (music)|]] and [[:Category:Bridges]]",
                "Bridge and Category:Bridges",
            ),
        ] {
            assert_eq!(text(wikitext), tidy(wanted), "{wikitext}");
        }
        let page = page(
            "[[Category:Old bridges|*]] [[category:Rivers]]",
            &Names::default(),
        );
        assert_eq!(page.categories, ["Old bridges", "Rivers"]);
    }

    #[test]
    fn what_is_not_closed_is_not_lost() {
        for wikitext in [
            "One {{ two [[ three",
            "One <ref> two three",
            "One <!-- two three",
            "One [[two\n\nthree",
            "One [https://e.example two\nthree",
            "One <ref name=a> two <ref name=b>x</ref> three",
            "{|\n| One\n| two three",
        ] {
            let text = text(wikitext);
            for word in ["One", "two", "three"] {
                assert!(text.contains(word), "{wikitext}: {text}");
            }
        }
        for mark in [
            "{{",
            "[[",
            "[http://a ",
            "{|\n",
            "<ref>",
            "<!--",
            "}}",
            "]]",
            "''",
            "\n|",
            "&",
            "<",
        ] {
            let many = mark.repeat(100_000);
            let _ = text(&many);
            let _ = text(&format!("{many}a{}", "]]}}".repeat(50_000)));
        }
    }
}
