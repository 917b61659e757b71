//! The border to foreign code that may panic on a file that is not what it says it is.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs a decoder or parser of another crate; `None` if it panicked.
///
/// Nothing is printed then: on the first call the process's panic hook is wrapped in one that says
/// nothing of panics in here, and hands every other on.
pub(super) fn guarded<T>(f: impl FnOnce() -> T) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let others = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                others(info);
            }
        }));
    });
    let before = QUIET.replace(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(f));
    QUIET.set(before);
    outcome.ok()
}

#[cfg(test)]
mod tests {
    use super::guarded;

    #[test]
    fn a_panic_becomes_nothing() {
        assert_eq!(guarded(|| 1), Some(1));
        assert_eq!(guarded(|| [1, 2][std::hint::black_box(2)]), None);
    }
}
