//! The border to other people's code that reads what nobody vouched for: a panic there is an
//! error here.

use crate::error::{Error, ErrorKind, Result};
use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    /// How many guards this thread is inside of.
    static INSIDE: Cell<usize> = const { Cell::new(0) };
}

/// Runs `f`, which hands untrusted bytes to a crate that may panic on them. A panic is returned
/// as an error of the kind [`ErrorKind::Damaged`] at the place `what` (a file, a model), with what
/// the panic said in its message, and nothing appears on standard error.
///
/// `f` must not leave a value of the caller's half changed: drop what it borrowed mutably when
/// this fails. What cannot be caught is a stack overflow, running out of memory, and a panic on a
/// thread that `f` started and does not wait for.
///
/// # Errors
/// `f` panicked.
#[allow(dead_code, reason = "the borders that use it come next")]
pub(crate) fn guarded<T>(what: impl fmt::Display, f: impl FnOnce() -> T) -> Result<T> {
    quiet();
    INSIDE.with(|inside| inside.set(inside.get() + 1));
    let out = catch_unwind(AssertUnwindSafe(f));
    INSIDE.with(|inside| inside.set(inside.get() - 1));
    out.map_err(|panic| {
        let said = said(panic.as_ref());
        Error::new(
            ErrorKind::Damaged,
            what.to_string(),
            format!("it is damaged, or made so that its reader fails ({said})"),
        )
    })
}

/// Lets the usual hook, or that of the program around the library, hear of panics outside guards
/// only.
fn quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = take_hook();
        set_hook(Box::new(move |info| {
            // A thread that is ending has no such value any more, and is in no guard.
            if INSIDE.try_with(Cell::get).unwrap_or(0) == 0 {
                usual(info);
            }
        }));
    });
}

/// The first line of what a panic said, shortened.
fn said(panic: &(dyn Any + Send)) -> String {
    const LONGEST: usize = 120;
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no reason given");
    let line = text.lines().next().unwrap_or("");
    let mut short: String = line.chars().take(LONGEST).collect();
    if short.len() < line.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_with_its_reason() {
        assert_eq!(guarded("a.bin", || 7).unwrap(), 7);
        let index = std::hint::black_box(9);
        let error = guarded("a.bin", || [1, 2, 3][index]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged);
        assert_eq!(error.place(), "a.bin");
        assert!(error.message().contains("index is 9"), "{error}");
        // One within another ends at the inner one, and the outer goes on.
        let outer = guarded("outer", || {
            let inner = guarded("inner", || -> u8 { panic!("{}", "x".repeat(500)) });
            inner.unwrap_err().message().chars().count()
        });
        assert!(outer.unwrap() < 200);
        assert_eq!(INSIDE.with(Cell::get), 0);
    }
}
