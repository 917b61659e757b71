//! What people see: tables, numbers, progress, one line for each message.

use anyhow::Result;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use nearwise::corpus::ColumnReport;
pub(super) use nearwise::corpus::{clean, snippet};
use nearwise::index::{Estimate, Event, Progress};
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

/// As [`clean`], keeping line ends.
pub(super) fn clean_lines(text: &str) -> String {
    text.split('\n').map(clean).collect::<Vec<_>>().join("\n")
}

/// Writes to standard output. A reader that has gone, such as `head`, ends the program
/// quietly.
pub(super) fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        other => Ok(other?),
    }
}

/// Writes a value as JSON on standard output.
pub(super) fn print_json(value: &impl serde::Serialize) -> Result<()> {
    print(&format!("{}\n", serde_json::to_string_pretty(value)?))
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

/// Set by Ctrl-C or a request to end; the second press ends the program at once, which the
/// store survives.
pub(super) fn stop_flag() -> Arc<AtomicBool> {
    static FLAG: LazyLock<Arc<AtomicBool>> = LazyLock::new(|| {
        let flag = Arc::new(AtomicBool::new(false));
        let set = flag.clone();
        let handler = ctrlc::set_handler(move || {
            if set.swap(true, Ordering::Relaxed) {
                std::process::exit(130);
            }
            eprintln!("\nstopping after this batch; press again to stop at once");
        });
        if let Err(e) = handler {
            eprintln!(
                "nearwise: Ctrl-C cannot be caught ({e}); what is committed is kept all the same"
            );
        }
        flag
    });
    FLAG.clone()
}

/// Says on a terminal what a command is at, and is gone when it is done.
pub(super) struct Spinner(ProgressBar);

impl Spinner {
    pub fn new() -> Self {
        let bar = if std::io::stderr().is_terminal() {
            ProgressBar::new_spinner()
        } else {
            ProgressBar::hidden()
        };
        bar.enable_steady_tick(Duration::from_millis(100));
        Self(bar)
    }

    pub fn say(&self, what: &str) {
        self.0.set_message(clean(what));
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Shows how indexing goes: a bar on a terminal, lines otherwise, all on standard error.
pub(super) struct Watcher {
    bar: ProgressBar,
    terminal: bool,
    last: Instant,
    bad: u64,
    left_out: u64,
    device: String,
}

/// How often a line is written where there is no terminal.
const EVERY: Duration = Duration::from_secs(10);

impl Watcher {
    pub fn new(device: &str) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bar = ProgressBar::with_draw_target(
            None,
            if terminal {
                ProgressDrawTarget::stderr()
            } else {
                ProgressDrawTarget::hidden()
            },
        );
        Self {
            bar,
            terminal,
            last: Instant::now(),
            bad: 0,
            left_out: 0,
            device: device.to_string(),
        }
    }

    fn line(&self, text: &str) {
        self.bar.suspend(|| eprintln!("{}", clean(text)));
    }

    pub fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Columns(report) => self.line(&columns(report)),
            Event::Encoding { path, encoding } => self.line(&format!("{path}: read as {encoding}")),
            Event::LeftOut { path } => {
                self.left_out += 1;
                if self.left_out <= 5 {
                    self.line(&format!("{path}: left out, of no known format"));
                }
            }
            Event::Bad(problem) => {
                self.bad += 1;
                if self.bad <= 20 {
                    self.line(&format!("left out: {problem}"));
                }
            }
            Event::Read { articles } => {
                if self.terminal {
                    self.bar.set_style(style("{spinner} {msg}"));
                    self.bar
                        .set_message(format!("{} read", count(*articles, "article")));
                    self.bar.tick();
                } else if self.last.elapsed() >= EVERY {
                    self.last = Instant::now();
                    self.line(&format!("{} read", count(*articles, "article")));
                }
            }
            Event::Estimate(estimate) => self.estimate(estimate),
            Event::Embedded(progress) => self.progress(progress),
        }
    }

    fn estimate(&mut self, estimate: &Estimate) {
        let mut line = format!(
            "{} to embed, about {} tokens, on {}",
            count(estimate.articles, "article"),
            number(estimate.tokens),
            self.device
        );
        if let Some(rate) = estimate.tokens_per_second {
            let seconds = estimate.tokens as f64 / rate.max(1.0);
            line.push_str(&format!(
                ": about {} at {} tokens/s",
                span(Duration::from_secs_f64(seconds)),
                number(rate as u64)
            ));
        }
        self.line(&line);
        self.bar.set_length(estimate.articles);
        self.bar
            .set_style(style("{bar:30} {pos}/{len} articles  {msg}"));
        self.bar.set_position(0);
        self.last = Instant::now();
    }

    fn progress(&mut self, progress: &Progress) {
        let rate = progress.tokens as f64 / progress.elapsed.as_secs_f64().max(1e-3);
        let message = format!(
            "{} tokens/s, {} left",
            number(rate as u64),
            span(progress.left)
        );
        if self.terminal {
            self.bar.set_position(progress.articles);
            self.bar.set_message(message);
        } else if self.last.elapsed() >= EVERY {
            self.last = Instant::now();
            self.line(&format!(
                "{} of {}, {message}",
                number(progress.articles),
                count(progress.of, "article")
            ));
        }
    }

    pub fn finish(&self) {
        self.bar.finish_and_clear();
        if self.bad > 20 {
            self.line(&format!("left out: {} more", number(self.bad - 20)));
        }
        if self.left_out > 5 {
            self.line(&format!(
                "left out: {} more of no known format",
                count(self.left_out - 5, "file")
            ));
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    // The templates above are literals; were one malformed, the usual bar would do.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn columns(report: &ColumnReport) -> String {
    let roles: Vec<String> = report
        .roles
        .iter()
        .filter(|(_, name)| !name.starts_with('\0'))
        .map(|(role, name)| {
            if role.name() == name {
                name.clone()
            } else {
                format!("{}={name}", role.name())
            }
        })
        .collect();
    let mut line = format!("{}: columns {}", report.path, roles.join(", "));
    if !report.metadata.is_empty() {
        line.push_str(&format!(
            "; kept as metadata: {}",
            report.metadata.join(", ")
        ));
    }
    line
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
