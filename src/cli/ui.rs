//! What people see: tables, numbers, progress, one line for each message.

use anyhow::Result;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use nearwise::corpus::plain_json;
pub(super) use nearwise::corpus::{clean, snippet};
use nearwise::{Error, Event, Job, NoteKind, Progress, Stage};
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

/// As [`clean`], keeping line ends.
pub(super) fn clean_lines(text: &str) -> String {
    text.split('\n').map(clean).collect::<Vec<_>>().join("\n")
}

/// Writes text to standard output. Nothing in it but line ends and tabs is obeyed by a terminal,
/// whatever it was made of. A reader that has gone, such as `head`, ends the program quietly.
pub(super) fn print(text: &str) -> Result<()> {
    let harmless: Vec<String> = text
        .split('\n')
        .map(|line| line.split('\t').map(clean).collect::<Vec<_>>().join("\t"))
        .collect();
    write(&harmless.join("\n"))
}

/// Before and behind what [`print_marked`] marks. No text that [`clean`] or [`snippet`] made holds
/// them.
pub(super) const MARK: char = '\u{1}';
pub(super) const UNMARK: char = '\u{2}';

/// As [`print`]; what stands between [`MARK`] and [`UNMARK`] is bold on a terminal, and between
/// two pairs of asterisks elsewhere.
pub(super) fn print_marked(text: &str) -> Result<()> {
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    let (on, off) = if std::io::stdout().is_terminal() && !dumb {
        ("\u{1b}[1m", "\u{1b}[0m")
    } else {
        ("**", "**")
    };
    let mut out = String::with_capacity(text.len());
    for piece in text.split_inclusive(['\n', MARK, UNMARK]) {
        let end = piece.chars().next_back();
        out.push_str(&clean(piece.trim_end_matches(['\n', MARK, UNMARK])));
        match end {
            Some('\n') => out.push('\n'),
            Some(MARK) => out.push_str(on),
            Some(UNMARK) => out.push_str(off),
            _ => {}
        }
    }
    write(&out)
}

/// Writes a value as JSON on standard output.
pub(super) fn print_json(value: &impl serde::Serialize) -> Result<()> {
    let json = serde_json::to_string_pretty(value)?;
    write(&format!("{}\n", plain_json(&json)))
}

/// Writes a value as JSON in one line on standard output.
pub(super) fn print_json_line(value: &impl serde::Serialize) -> Result<()> {
    let json = serde_json::to_string(value)?;
    write(&format!("{}\n", plain_json(&json)))
}

fn write(text: &str) -> Result<()> {
    let mut out = Stdout(std::io::stdout().lock());
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(|e| Error::io(STDOUT, e).into())
}

const STDOUT: &str = "standard output";

/// Standard output for whatever writes at length. It ends the program quietly when the reader has
/// gone.
pub(super) fn stdout() -> impl Write {
    std::io::BufWriter::new(Stdout(std::io::stdout().lock()))
}

struct Stdout<W: Write>(W);

impl<W: Write> Write for Stdout<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes).inspect_err(quiet)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush().inspect_err(quiet)
    }
}

fn quiet(e: &std::io::Error) {
    if e.kind() == std::io::ErrorKind::BrokenPipe {
        std::process::exit(0);
    }
}

/// A table without lines; columns named in `right` are aligned to the right.
pub(super) fn table(header: &[&str], right: &[usize], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(header.iter().map(|h| h.to_string()));
    if !std::io::stdout().is_terminal() {
        table.set_width(120);
    }
    for row in rows {
        table.add_row(row.iter().map(|cell| clean(cell)));
    }
    for &column in right {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut out = String::new();
    for line in table.lines() {
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// `12345` as `12,345`.
pub(super) fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// `1 article`, `2 articles`.
pub(super) fn count(n: u64, what: &str) -> String {
    format!("{} {what}{}", number(n), if n == 1 { "" } else { "s" })
}

/// A span of time in its two largest units.
pub(super) fn span(time: Duration) -> String {
    let s = time.as_secs();
    match s {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        10..60 => format!("{s} s"),
        60..3600 => format!("{} min {:02} s", s / 60, s % 60),
        _ => format!("{} h {:02} min", s / 3600, s % 3600 / 60),
    }
}

/// Writes a line to standard error. That nobody can read it is no reason to stop.
pub(super) fn tell(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", clean(line));
}

/// Operations that look at the flag.
static RUNNING: AtomicUsize = AtomicUsize::new(0);
/// How long an operation may take to stop by itself, and to leave what it began in order.
const GRACE: Duration = Duration::from_millis(700);

/// Set by Ctrl-C or a request to end; the second ends the program at once, which the corpus
/// survives. Only what looks at it may ask for it: the handler stays for the rest of the program.
fn stop_flag() -> Arc<AtomicBool> {
    static FLAG: LazyLock<Arc<AtomicBool>> = LazyLock::new(|| {
        let flag = Arc::new(AtomicBool::new(false));
        let set = flag.clone();
        let handler = ctrlc::set_handler(move || {
            // Where nothing that looks at the flag is at work, there is nothing to wait for. Asked
            // before the flag is set: what sees it may stop at once, and has a last word to say.
            let at_work = RUNNING.load(Ordering::SeqCst) > 0;
            if set.swap(true, Ordering::SeqCst) || !at_work {
                std::process::exit(130);
            }
            tell("stopping; press again to stop at once");
            // What cannot look, such as a read of a pipe that nobody writes to, a wait for another
            // program's lock or one long step in native code, is ended all the same: the corpus
            // survives that at any moment. A run that has ended by then has its own exit code.
            std::thread::sleep(GRACE);
            tell("nearwise: stopped; everything committed so far is kept");
            std::process::exit(130);
        });
        if let Err(e) = handler {
            tell(&format!(
                "nearwise: Ctrl-C cannot be caught ({e}); what is committed is kept all the same"
            ));
        }
        flag
    });
    FLAG.clone()
}

/// Something that takes a while: shows how it goes, a bar on a terminal and lines elsewhere, all on
/// standard error, and stops at Ctrl-C.
pub(super) struct Running {
    job: Job,
    shown: Arc<Mutex<Shown>>,
}

struct Shown {
    bar: ProgressBar,
    terminal: bool,
    stage: Option<Stage>,
    started: Instant,
    last: Instant,
    bad: u64,
    left_out: u64,
}

/// How often a line is written where there is no terminal.
const EVERY: Duration = Duration::from_secs(10);
/// Files and rows that are named before the rest is only counted.
const BAD: u64 = 20;
const LEFT_OUT: u64 = 5;

impl Running {
    pub(super) fn new() -> Self {
        let terminal = std::io::stderr().is_terminal();
        let target = if terminal {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(None, target);
        bar.set_style(style("{spinner} {msg}"));
        bar.enable_steady_tick(Duration::from_millis(100));
        let shown = Arc::new(Mutex::new(Shown {
            bar,
            terminal,
            stage: None,
            started: Instant::now(),
            last: Instant::now(),
            bad: 0,
            left_out: 0,
        }));
        RUNNING.fetch_add(1, Ordering::Relaxed);
        let (listener, stop) = (shown.clone(), stop_flag());
        let job = Job::new()
            .on_event(move |event| {
                if let Ok(mut shown) = listener.lock() {
                    shown.event(event);
                }
            })
            .cancel_when(move || stop.load(Ordering::Relaxed));
        Self { job, shown }
    }

    /// What is handed to the operation.
    pub(super) fn job(&self) -> &Job {
        &self.job
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Ordering::SeqCst);
        if let Ok(shown) = self.shown.lock() {
            shown.finish();
        }
    }
}

impl Shown {
    fn line(&self, text: &str) {
        self.bar.suspend(|| tell(text));
    }

    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Note { kind, text } => match kind {
                NoteKind::LeftOut | NoteKind::Link => {
                    self.left_out += 1;
                    if self.left_out <= LEFT_OUT {
                        self.line(text);
                    }
                }
                NoteKind::BadInput => {
                    self.bad += 1;
                    if self.bad <= BAD {
                        self.line(&format!("left out: {text}"));
                    }
                }
                NoteKind::SameId => self.line(&format!(
                    "{text}; --id-prefix puts a prefix of yours in front, --replace keeps the later one alone"
                )),
                _ => self.line(text),
            },
            Event::Estimate {
                articles,
                tokens,
                tokens_per_second,
                device,
            } => self.estimate(*articles, *tokens, *tokens_per_second, device),
            Event::Progress(progress) => self.progress(progress),
            _ => {}
        }
    }

    fn estimate(&mut self, articles: u64, tokens: u64, rate: Option<f64>, device: &str) {
        let mut line = format!(
            "{} to embed, about {} tokens, on {device}",
            count(articles, "article"),
            number(tokens),
        );
        if let Some(rate) = rate {
            let seconds = tokens as f64 / rate.max(1.0);
            line.push_str(&format!(
                ": about {} at {} tokens/s",
                span(Duration::from_secs_f64(seconds)),
                number(rate as u64)
            ));
        }
        self.line(&line);
    }

    fn progress(&mut self, progress: &Progress) {
        if self.stage != Some(progress.stage) {
            self.stage = Some(progress.stage);
            self.started = Instant::now();
            self.last = Instant::now();
            self.bar.set_style(if progress.total.is_some() {
                style("{bar:30} {pos}/{len}  {msg}")
            } else {
                style("{spinner} {msg}")
            });
        }
        let message = match progress.stage {
            Stage::Reading => format!("{} read", count(progress.done, "article")),
            Stage::Embedding => {
                let elapsed = self.started.elapsed().as_secs_f64();
                let rate = progress.tokens as f64 / elapsed.max(1e-3);
                let left = progress.seconds_left.unwrap_or(0.0);
                format!(
                    "{} tokens/s, {} left",
                    number(rate as u64),
                    span(Duration::from_secs_f64(left))
                )
            }
            stage => stage.to_string(),
        };
        if self.terminal {
            if let Some(total) = progress.total {
                self.bar.set_length(total);
                self.bar.set_position(progress.done);
            }
            self.bar.set_message(message);
        } else if self.last.elapsed() >= EVERY {
            self.last = Instant::now();
            let of = match progress.total {
                Some(total) if progress.stage == Stage::Embedding => {
                    format!("{} of {}, ", number(progress.done), count(total, "article"))
                }
                Some(total) => format!("{} of {}, ", number(progress.done), number(total)),
                None => String::new(),
            };
            self.line(&format!("{of}{message}"));
        }
    }

    fn finish(&self) {
        self.bar.finish_and_clear();
        if self.bad > BAD {
            self.line(&format!("left out: {} more", number(self.bad - BAD)));
        }
        if self.left_out > LEFT_OUT {
            self.line(&format!(
                "left out: {} more of no known format",
                count(self.left_out - LEFT_OUT, "file")
            ));
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    // The templates above are literals; were one malformed, the usual bar would do.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_do_not_pass() {
        assert_eq!(clean("a\x1b[31mb\u{202e}"), "a [31mb ");
    }

    #[test]
    fn numbers_and_spans() {
        assert_eq!(number(0), "0");
        assert_eq!(number(1_234_567), "1,234,567");
        assert_eq!(span(Duration::from_millis(640)), "0.6 s");
        assert_eq!(span(Duration::from_secs(3720)), "1 h 02 min");
        assert_eq!(snippet("one two three", 9), "one two…");
    }
}
