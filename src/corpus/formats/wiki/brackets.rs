//! Links, templates and tables of wikitext, which stand in each other.

use super::table::table;
use super::template::template;
use super::text::{GONE, Names};

/// Marks within marks, at most; those beyond stay as they are. Each closed mark copies what is in it.
const DEEPEST: usize = 40;

/// A text without links, templates and tables, but with what they show; and the categories that it names.
pub(super) fn without_brackets(text: &str, names: &Names) -> (String, Vec<String>) {
    let mut brackets = Brackets {
        names,
        open: Vec::new(),
        out: String::with_capacity(text.len()),
        categories: Vec::new(),
    };
    brackets.read(text);
    (brackets.out, brackets.categories)
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
