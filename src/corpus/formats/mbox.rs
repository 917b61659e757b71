//! Mailboxes (mbox): mails one behind another, each after a line `From …`.

use super::mail::parse;
use super::mail_text::Remarks;
use super::{Context, LONGEST};
use crate::corpus::dates::parse_date;
use crate::error::{Error, Result};
use std::io::{self, BufRead, Read};

/// Reads a mailbox.
pub(super) fn read(stream: impl BufRead, context: &mut Context<'_>) -> Result<()> {
    let mut remarks = Remarks::default();
    let outcome = mails(stream, &mut remarks, context);
    remarks.report(context);
    outcome
}

fn mails(stream: impl BufRead, remarks: &mut Remarks, context: &mut Context<'_>) -> Result<()> {
    let mut lines = Lines {
        stream,
        line: Vec::new(),
        next: None,
    };
    let mut mail: Vec<u8> = Vec::new();
    let mut from_line: Vec<u8> = Vec::new();
    let (mut row, mut blank_before, mut too_long) = (0, true, false);
    loop {
        let any = lines.advance().map_err(|e| Error::io(context.path, e))?;
        let begins = any
            && lines.line.starts_with(b"From ")
            && (row == 0 || {
                // Some programs leave out the blank line before it; then it must be one for certain.
                let dated = begins_mail(&lines.line);
                let next = lines.peek().map_err(|e| Error::io(context.path, e))?;
                let header = begins_header(next);
                dated && header || blank_before && (dated || header)
            });
        if !any || begins {
            if row > 0 {
                if too_long {
                    context.bad(
                        Some(row),
                        "a mail longer than 64 MiB, which is no one article",
                    )?;
                } else {
                    take(&mail, &from_line, row, remarks, context)?;
                }
            }
            if !any {
                break;
            }
            row += 1;
            mail.clear();
            from_line.clone_from(&lines.line);
            (too_long, blank_before) = (false, false);
            continue;
        }
        let line = &lines.line;
        blank_before = line.iter().all(u8::is_ascii_whitespace);
        if (mail.len() + line.len()) as u64 > LONGEST {
            too_long = true;
            mail.clear();
        }
        // A line of the text that begins so was quoted when it was written.
        let quoted = line.iter().take_while(|&&b| b == b'>').count();
        let from = usize::from(quoted > 0 && line[quoted..].starts_with(b"From "));
        mail.extend_from_slice(&line[from..]);
    }
    if row == 0 {
        return context.bad(
            None,
            "a mailbox without a mail; each begins with a line \"From …\"",
        );
    }
    Ok(())
}

fn take(
    mail: &[u8],
    from_line: &[u8],
    row: u64,
    remarks: &mut Remarks,
    context: &mut Context<'_>,
) -> Result<()> {
    match parse(mail, 0, remarks) {
        Ok(mut article) => {
            // When it came, where it does not say when it was sent.
            if article.date.is_none() && !article.meta.contains_key("date") {
                article.date = arrival(from_line);
            }
            context.document(article, row)
        }
        Err(message) => context.bad(Some(row), message),
    }
}

/// Lines, and the one behind the last given.
struct Lines<R> {
    stream: R,
    line: Vec<u8>,
    next: Option<Vec<u8>>,
}

impl<R: BufRead> Lines<R> {
    /// Goes to the next line; `false` at the end.
    fn advance(&mut self) -> io::Result<bool> {
        match self.next.take() {
            Some(next) => self.line = next,
            None => {
                self.line.clear();
                read_line(&mut self.stream, &mut self.line)?;
            }
        }
        Ok(!self.line.is_empty())
    }

    /// The line behind; empty at the end.
    fn peek(&mut self) -> io::Result<&[u8]> {
        let mut next = Vec::new();
        if self.next.is_none() {
            read_line(&mut self.stream, &mut next)?;
        }
        Ok(self.next.get_or_insert(next))
    }
}

fn read_line(stream: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<()> {
    stream.by_ref().take(LONGEST).read_until(b'\n', line)?;
    Ok(())
}

/// The date in a line before a mail.
fn arrival(line: &[u8]) -> Option<String> {
    let line = String::from_utf8_lossy(line);
    let words: Vec<&str> = line.split_whitespace().skip(1).collect();
    // The sender may be of several words.
    (1..words.len().min(8)).find_map(|from| {
        let date = words.get(from..(from + 5).min(words.len()))?.join(" ");
        parse_date(&date)
    })
}

/// Whether a line is as programs write it before a mail, and not one of a text that begins with that
/// word: `From ann@example.org Fri May  3 10:11:12 2024`, also with zones, or with the day as mails
/// have it.
fn begins_mail(line: &[u8]) -> bool {
    const DAYS: [&[u8]; 7] = [b"mon", b"tue", b"wed", b"thu", b"fri", b"sat", b"sun"];
    const MONTHS: [&[u8]; 12] = [
        b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov",
        b"dec",
    ];
    let line = line.to_ascii_lowercase();
    let words: Vec<&[u8]> = line
        .split(|b| b.is_ascii_whitespace() || *b == b',')
        .filter(|word| !word.is_empty())
        // After a sender, which may have blanks in quotes, seven words are the longest date.
        .take(24)
        .collect();
    let is_day = |word: &[u8]| word.len() <= 2 && word.iter().all(u8::is_ascii_digit);
    let is_time = |word: &[u8]| {
        let mut parts = word.split(|b| *b == b':');
        (2..=3).contains(&parts.clone().count()) && parts.all(|p| is_day(p) && !p.is_empty())
    };
    words.windows(4).skip(1).any(|four| {
        let [a, b, c, d] = four else { return false };
        let dated = (MONTHS.contains(b) && is_day(c)) || (is_day(b) && MONTHS.contains(c));
        // The year may stand before the time.
        let timed = is_time(d) || (d.len() == 4 && d.iter().all(u8::is_ascii_digit));
        DAYS.contains(a) && dated && timed
    })
}

/// Whether a line is a field as mails begin with: a name that they have, and a colon.
fn begins_header(line: &[u8]) -> bool {
    const NAMES: [&[u8]; 12] = [
        b"from",
        b"to",
        b"cc",
        b"date",
        b"subject",
        b"received",
        b"sender",
        b"path",
        b"status",
        b"newsgroups",
        b"organization",
        b"lines",
    ];
    let Some(colon) = memchr::memchr(b':', &line[..line.len().min(80)]) else {
        return false;
    };
    let name = line[..colon].to_ascii_lowercase();
    let letters = name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-');
    // Message-ID, Return-Path, X-Mozilla-Status and so on.
    let joined = name.contains(&b'-') && name[0] != b'-';
    letters && (joined || NAMES.contains(&name.as_slice()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_before_a_mail_has_a_date() {
        for line in [
            "From ann@example.org Fri May  3 10:11:12 2024",
            "From ann@example.org  Fri May  3 10:11:12 MET DST 2024",
            "From ann@example.org Fri May  3 10:11:12 2024 +0200",
            "From ann@example.org Fri May 03 10:11 2024",
            "From ann@example.org Fri, 3 May 2024 10:11:12 +0200",
            "From - Fri May  3 10:11:12 2024",
            "From MAILER-DAEMON Fri May  3 10:11:12 2024",
            "From \"Ann Lee\"@example.org Fri May  3 10:11:12 2024 remote from host",
            "From 1234@xxx Fri May 3 10:11:12 +0000 2024",
        ] {
            assert!(begins_mail(format!("{line}\n").as_bytes()), "{line}");
        }
        for line in [
            "From here on the story goes on: it is long.",
            "From Fri May 3 on, all trains run again.",
            "From Monday on, the bridge is open.",
            "From May 3 10:11 on",
            "From 10:11 to 12:15 there is a break.",
            "From ",
        ] {
            assert!(!begins_mail(line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn a_header_has_names_of_mails() {
        for line in ["From: a@b", "Message-ID: <1>", "X-Status: ", "subject: S"] {
            assert!(begins_header(line.as_bytes()), "{line}");
        }
        for line in [
            "Note: this",
            "It goes on: so",
            "",
            ": x",
            "-: x",
            "More of it.",
        ] {
            assert!(!begins_header(line.as_bytes()), "{line}");
        }
    }
}
