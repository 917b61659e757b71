//! What the targets of all formats do: read bytes as a format, and drop what comes of it.

use nearwise::corpus::{Article, Format, Note, ReadOptions, Sink, read_stream};
use nearwise::{Error, Result};
use std::io::Cursor;

struct Dropped;

impl Sink for Dropped {
    fn article(&mut self, article: Article) -> Result<()> {
        assert!(!article.text.contains('\0'));
        Ok(())
    }

    fn bad(&mut self, problem: Error) -> Result<()> {
        assert!(!problem.to_string().contains(char::is_control));
        Ok(())
    }

    fn note(&mut self, note: Note) {
        assert!(!note.to_string().contains(char::is_control));
    }

    fn incomplete(&mut self, _: &str) {}
}

/// Parsers of other crates panic on some files; the reader catches that and calls the file bad. The hook
/// that libfuzzer-sys sets would end the process before.
#[allow(dead_code, reason = "not every target needs it")]
pub fn quiet() {
    std::panic::set_hook(Box::new(|_| {}));
}

#[allow(dead_code, reason = "most targets say a format")]
pub fn read_unnamed(bytes: &[u8]) {
    read_as(None, bytes);
}

#[allow(dead_code, reason = "one target says no format")]
pub fn read(format: Format, bytes: &[u8]) {
    read_as(Some(format), bytes);
}

fn read_as(format: Option<Format>, bytes: &[u8]) {
    read_with(
        ReadOptions {
            format,
            ..ReadOptions::default()
        },
        bytes,
    );
}

#[allow(dead_code, reason = "not all targets have options")]
pub fn read_with(options: ReadOptions, bytes: &[u8]) {
    // An error is an answer; a panic, a hang or too much memory is not.
    let _ = read_stream(Cursor::new(bytes.to_vec()), "input", &options, &mut Dropped);
}
