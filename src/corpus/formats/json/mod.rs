//! JSON: an object a line, objects one after the other in any layout, lists of objects, and lists
//! inside an object, told apart by what is there.

mod chats;
mod envelope;
mod exports;
mod keyed;
mod replies;
mod scan;
mod take;
#[cfg(test)]
mod tests;
mod value;

pub(super) use value::repaired;

use super::window::Window;
use super::{Context, LONGEST};
use crate::corpus::columns::{Mapping, Unread};
use crate::corpus::decode::Decoder;
use crate::corpus::inputs::Note;
use crate::error::{Error, Result};
use memchr::memchr;
use scan::Skip;
use std::cell::Cell;
use std::collections::HashMap;
use std::io::Read;
use std::rc::Rc;

/// Members of an object, at most, and all their names together in bytes: as for tables.
const MOST_COLUMNS: usize = 16_384;
const LONGEST_NAMES: usize = 1 << 20;
/// Values in an article, at most. Each takes some 80 bytes of memory, but only two in the file.
const MOST_VALUES: usize = 1 << 20;
/// Objects may differ in their keys; this many different sets of keys are remembered, and so many
/// bytes of them.
const MAPPINGS: usize = 256;
const MAPPINGS_BYTES: usize = 4 << 20;
/// Of an object beyond this many bytes it is asked whether it holds a list of articles, before
/// its end is known.
const LARGE: usize = 4 << 20;
/// Lists in lists, at most.
const DEEPEST: usize = 32;

pub(super) fn read(
    stream: impl Read,
    decoder: &mut Decoder,
    context: &mut Context<'_>,
) -> Result<()> {
    let mut reader = Reader {
        window: Window::new(stream),
        decoder,
        context,
        known: HashMap::new(),
        known_bytes: 0,
        last: None,
        open: Vec::new(),
        list: String::new(),
        kin: Vec::new(),
        met: false,
        items: 0,
        row: 0,
        line_start: true,
        indent: 0,
        passed: 0,
        again: 0,
        notices: 0,
        lacking: None,
        action: None,
    };
    reader.prefix()?;
    while reader.next()? {}
    if !reader.met {
        return reader.context.bad(None, "no JSON in it");
    }
    if reader.notices > 0 {
        reader.context.sink.note(Note::Ignored {
            path: reader.context.path.to_string(),
            what: format!(
                "{} of its messages, which have no text (pictures, calls, who joined)",
                reader.notices
            ),
        });
    }
    // One of several columns may be missing in a row, but hardly in all.
    if let Some(lacking) = reader.lacking.filter(|names| !names.is_empty()) {
        let (column, is) = match lacking.len() {
            1 => ("column", "is"),
            _ => ("columns", "are"),
        };
        reader.context.sink.note(Note::Ignored {
            path: reader.context.path.to_string(),
            what: format!(
                "the {column} {}, which {is} in none of its objects",
                lacking.join(", ")
            ),
        });
    }
    Ok(())
}

/// What the reader stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    /// A list, whose items are articles.
    List,
    /// So many objects, around a list that was read.
    Objects(u64),
}

/// What a list in objects is told by.
struct Kin {
    /// The names of the members of its articles.
    keys: Vec<String>,
    /// Those of the objects around it, the outermost one apart.
    around: Vec<String>,
    /// Whether its items hold lists of articles.
    groups: bool,
}

/// What is known of a set of keys.
struct Known {
    /// Their roles, or what they lack.
    roles: std::result::Result<Mapping, String>,
    /// Whether the roles were told.
    told: Cell<bool>,
    /// Whether objects with these are nothing but rows: of most files all are, and need not be asked each.
    plain: bool,
}

impl Known {
    fn new(roles: std::result::Result<Mapping, String>, plain: bool) -> Rc<Self> {
        let told = Cell::new(false);
        Rc::new(Self { roles, told, plain })
    }
}

struct Reader<'r, 'a, R> {
    window: Window<R>,
    decoder: &'r mut Decoder,
    context: &'r mut Context<'a>,
    known: HashMap<Vec<String>, Rc<Known>>,
    known_bytes: usize,
    last: Option<(Vec<String>, Rc<Known>)>,
    open: Vec<Open>,
    /// The name of the list that is read, if it has one.
    list: String,
    /// What lists like those that are open are told by, the outermost first.
    kin: Vec<Kin>,
    /// Whether anything was met but what stands between values.
    met: bool,
    /// Items of lists so far.
    items: u64,
    /// The last article's row.
    row: u64,
    /// Whether nothing but blanks is before the window on its line, and how many.
    line_start: bool,
    indent: usize,
    /// Bytes passed, and bytes that are read once more after an object went wrong.
    passed: u64,
    again: u64,
    /// Messages of a chat that have no text.
    notices: u64,
    /// Of several columns that the user named, those that no object had so far; `None` until one had the
    /// columns that an article needs.
    lacking: Option<Vec<String>>,
    /// What the line before says of the object that is due, as the index of a search engine is told.
    action: Option<exports::Action>,
}

impl<R: Read> Reader<'_, '_, R> {
    fn failed(&self, e: std::io::Error) -> Error {
        Error::io(self.context.path, e)
    }

    fn widen(&mut self) -> Result<bool> {
        self.window.widen().map_err(|e| self.failed(e))
    }

    /// Passes bytes that are more than blanks.
    fn pass(&mut self, n: usize) {
        self.line_start = self.window.bytes()[..n].last() == Some(&b'\n');
        self.indent = 0;
        if n > 0 {
            self.passed += n as u64;
            self.window.pass(n);
        }
    }

    fn bad(&mut self, line: u64, why: impl Into<Unread>) -> Result<()> {
        let why = match why.into() {
            Unread::Bad(message) if !self.open.is_empty() => {
                format!("item {}: {message}", self.items).into()
            }
            why => why,
        };
        self.context.bad(Some(line), why)
    }

    /// Passes an assignment or a call around the JSON, as in archives for browsers.
    fn prefix(&mut self) -> Result<()> {
        self.window.widen_to(256);
        // Files that were put together have more marks of their encoding than one.
        while self.window.bytes().starts_with("\u{feff}".as_bytes()) {
            self.pass("\u{feff}".len());
        }
        let bytes = self.window.bytes();
        let Some(n) = bytes
            .iter()
            .take(256)
            .position(|b| matches!(b, b'{' | b'['))
        else {
            return Ok(());
        };
        let before = &bytes[..n];
        let name = |b: &u8| b.is_ascii_alphanumeric() || b"_.$ =(\t\r\n".contains(b);
        let ends = before.trim_ascii_end().last();
        if matches!(ends, Some(b'=' | b'(')) && before.iter().all(name) {
            self.pass(n);
        }
        Ok(())
    }

    /// Reads what comes next; `false` at the end.
    fn next(&mut self) -> Result<bool> {
        if let Some(Open::Objects(depth)) = self.open.last() {
            let depth = *depth;
            self.open.pop();
            self.list.clear();
            if !self.onward(depth)? {
                self.kin.pop();
            }
            return Ok(true);
        }
        let top = self.open.is_empty();
        let bytes = self.window.bytes();
        let between = |b: &u8| {
            b.is_ascii_whitespace() || *b == b',' || top && matches!(b, b';' | b')' | 0x1e)
        };
        let n = bytes.iter().take_while(|b| between(b)).count();
        if n > 0 {
            match bytes[..n].iter().rposition(|b| *b == b'\n') {
                Some(at) => (self.line_start, self.indent) = (true, n - at - 1),
                None => self.indent += n,
            }
            self.window.pass(n);
        }
        let line = self.window.line();
        let Some(&first) = self.window.bytes().first() else {
            let more = self
                .window
                .next()
                .map_err(|e| Error::io(self.context.path, e))?;
            if !more && !top {
                let message = "the file ends within a list; a part of it is missing";
                self.context.bad(Some(line), message)?;
            }
            return Ok(more);
        };
        self.met = true;
        match first {
            b']' if !top => {
                self.open.pop();
                self.pass(1);
            }
            b'[' if self.open.len() < DEEPEST => {
                self.open.push(Open::List);
                self.pass(1);
            }
            b'{' if top => self.top()?,
            b'{' => {
                self.items += 1;
                self.value(line)?;
            }
            _ if top => self.no_object(line)?,
            _ => {
                self.items += 1;
                self.no_item(line, first)?;
            }
        }
        Ok(true)
    }

    /// An object outside any list: if it is a line, whatever is wrong with it ends there.
    fn top(&mut self) -> Result<()> {
        let line = self.window.line();
        if !self.line_start {
            return self.value(line);
        }
        let Some(end) = self.line_end(true)? else {
            return Ok(());
        };
        let text = self.decoder.decode(&self.window.bytes()[..end]);
        match value::object(text.trim_end()) {
            Ok(object) => self.take(object, end, line),
            Err(message) if self.is_cut(end)? => {
                if self.salvage(end, line, UNENDED)? {
                    return Ok(());
                }
                self.bad(line, format!("not a JSON object ({message})"))?;
                self.pass(end);
                Ok(())
            }
            Err(_) => self.value(line),
        }
    }

    /// Where the line ends, with its line end. `None` if it was left otherwise: too long, or a list
    /// of articles in it is to be read.
    fn line_end(&mut self, object: bool) -> Result<Option<usize>> {
        let line = self.window.line();
        let mut seen = 0;
        let mut asked = false;
        loop {
            let bytes = self.window.bytes();
            if let Some(n) = memchr(b'\n', &bytes[seen..]) {
                if (seen + n) as u64 <= LONGEST {
                    return Ok(Some(seen + n + 1));
                }
            } else if self.window.at_end() && bytes.len() as u64 <= LONGEST {
                return Ok(Some(bytes.len()));
            }
            if bytes.len() as u64 > LONGEST {
                self.bad(line, too_long("a line"))?;
                self.skip_line()?;
                return Ok(None);
            }
            if object && !asked && bytes.len() > LARGE {
                asked = true;
                if self.enter_part() {
                    return Ok(None);
                }
            }
            seen = self.window.bytes().len();
            self.widen()?;
        }
    }

    /// Whether the line of `end` bytes here, which is no object, is one that was cut off, so that the
    /// next is another.
    fn is_cut(&mut self, end: usize) -> Result<bool> {
        let line = &self.window.bytes()[..end];
        let mut skip = Skip::default();
        if skip.feed(line).is_some() {
            return Ok(false);
        }
        // Where it could go on, an object may be the value that is due.
        let last = line.trim_ascii_end().last();
        if !skip.in_string() && matches!(last, Some(b'[' | b'{' | b',' | b':')) {
            return Ok(false);
        }
        loop {
            let rest = &self.window.bytes()[end..];
            if let Some(next) = rest.trim_ascii_start().first() {
                return Ok(*next == b'{');
            }
            if rest.len() as u64 > LONGEST || !self.widen()? {
                return Ok(true);
            }
        }
    }

    /// An object in any layout.
    fn value(&mut self, line: u64) -> Result<()> {
        let mut asked = false;
        let n = loop {
            let bytes = self.window.bytes();
            if let Some(n) = scan::length(bytes).filter(|n| *n as u64 <= LONGEST) {
                break n;
            }
            if bytes.len() as u64 > LONGEST {
                let n = bytes.len();
                match self.resume(n) {
                    Some(n) => {
                        self.bad(line, UNENDED)?;
                        self.pass(n);
                    }
                    None => {
                        self.bad(line, too_long("an object"))?;
                        self.skip(Skip::default())?;
                    }
                }
                return Ok(());
            }
            if self.window.at_end() {
                let n = bytes.len();
                let n = match self.resume(n) {
                    Some(n) => n,
                    None if self.salvage(n, line, UNENDED)? => return Ok(()),
                    None => n,
                };
                self.bad(line, UNENDED)?;
                self.pass(n);
                return Ok(());
            }
            if !asked && bytes.len() > LARGE {
                asked = true;
                if self.enter_part() {
                    return Ok(());
                }
            }
            self.widen()?;
        };
        let text = self.decoder.decode(&self.window.bytes()[..n]);
        match value::object(&text) {
            Ok(object) => self.take(object, n, line),
            Err(message) => {
                let message = format!("not a JSON object ({message})");
                let n = match self.resume(n) {
                    Some(n) => n,
                    None if self.salvage(n, line, &message)? => return Ok(()),
                    None => n,
                };
                self.bad(line, message)?;
                self.pass(n);
                Ok(())
            }
        }
    }

    /// Whether the `n` bytes here may be read once more, which is counted: not so often that time grows
    /// faster than the input.
    fn may_read_again(&mut self, n: usize) -> bool {
        self.again += n as u64;
        self.again <= 4 * LONGEST + 4 * self.passed
    }

    /// Where the next object begins inside the `n` bytes here, which are none because a string or a
    /// bracket in them is not closed: on a line of its own, no deeper than this one; or in a list without
    /// line ends, where one begins as this one does.
    fn resume(&mut self, n: usize) -> Option<usize> {
        if !self.may_read_again(n) {
            return None;
        }
        let bytes = &self.window.bytes()[..n];
        let indent = if self.line_start { self.indent } else { 0 };
        let on_a_line = memchr::memchr_iter(b'\n', bytes)
            .map(|at| at + 1)
            .find(|&at| {
                let line = &bytes[at..];
                let blanks = line
                    .iter()
                    .take(indent + 1)
                    .take_while(|b| matches!(b, b' ' | b'\t'));
                let blanks = blanks.count();
                blanks <= indent && line.get(blanks) == Some(&b'{')
            });
        if on_a_line.is_some() || self.open.is_empty() {
            return on_a_line;
        }
        envelope::next_item(bytes, &self.context.options.columns, self.decoder)
    }

    /// A line outside any list that begins no object.
    fn no_object(&mut self, line: u64) -> Result<()> {
        let Some(end) = self.line_end(false)? else {
            return Ok(());
        };
        let text = self.decoder.decode(&self.window.bytes()[..end]);
        let message = match value::object(text.trim()) {
            // It does not begin with a brace.
            Ok(_) => String::new(),
            Err(message) => message,
        };
        self.bad(line, format!("not a JSON object ({message})"))?;
        self.pass(end);
        Ok(())
    }

    /// An item of a list that is no object.
    fn no_item(&mut self, line: u64, first: u8) -> Result<()> {
        let what = match first {
            b'[' => "lists too deep in each other",
            b'"' => "a string",
            b'}' => "a brace that closes nothing",
            _ => "a number or a word",
        };
        self.bad(line, format!("not a JSON object ({what})"))?;
        if matches!(first, b'[' | b'"') {
            return self.skip(Skip::default());
        }
        self.pass(1);
        self.pass_word()
    }

    /// Passes a value of any length.
    fn skip(&mut self, mut skip: Skip) -> Result<()> {
        loop {
            if let Some(n) = skip.feed(self.window.bytes()) {
                self.pass(n);
                return Ok(());
            }
            self.pass(self.window.bytes().len());
            if !self.window.next().map_err(|e| self.failed(e))? {
                return Ok(());
            }
        }
    }

    /// Passes a line of any length.
    fn skip_line(&mut self) -> Result<()> {
        loop {
            if let Some(n) = memchr(b'\n', self.window.bytes()) {
                self.pass(n + 1);
                return Ok(());
            }
            self.pass(self.window.bytes().len());
            if !self.window.next().map_err(|e| self.failed(e))? {
                return Ok(());
            }
        }
    }
}

const UNENDED: &str = "the object that begins here does not end";

fn too_long(what: &str) -> String {
    format!(
        "{what} longer than {} MiB begins here, which is no one article",
        LONGEST >> 20
    )
}
