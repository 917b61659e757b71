//! Running what takes long: without Python's lock, ended by Ctrl-C, and never in a process that
//! forked away from the threads that would do the work.

use crate::errors::raised;
use nearwise::{Error, ErrorKind, Event, Job, Result};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

/// How often it is looked whether somebody pressed Ctrl-C.
const LOOK: Duration = Duration::from_millis(100);
/// The stack of a thread that works, as large as a main thread's usually is: parsers of formats
/// recurse.
const STACK: usize = 8 << 20;

/// The process in which the library was first at work; 0 before.
static PROCESS: AtomicU32 = AtomicU32::new(0);

/// Fails in a process that was forked from one in which the library had been at work: a fork takes
/// no threads along, and whoever waits for these waits for ever.
fn check_fork() -> PyResult<()> {
    let own = std::process::id();
    match PROCESS.compare_exchange(0, own, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => Ok(()),
        Err(first) if first == own => Ok(()),
        Err(first) => Err(PyRuntimeError::new_err(format!(
            "nearwise was at work in the process {first} before this one was forked from it, and its threads did not come along; start processes by 'spawn' or 'forkserver' (multiprocessing.get_context), or use nearwise in the new processes only"
        ))),
    }
}

/// A job that tells Python what happens: `listener(name, what, done, total)` with the name
/// `progress` and a stage, or `note` and a line of text.
pub(crate) fn job(listener: Option<Py<PyAny>>) -> Job {
    let Some(listener) = listener else {
        return Job::new();
    };
    Job::new().on_event(move |event| {
        let (name, what, done, total) = match event {
            Event::Progress(p) => ("progress", p.stage.to_string(), p.done, p.total),
            Event::Note { text, .. } => ("note", text.to_string(), 0, None),
            _ => return,
        };
        // While the interpreter ends nobody listens. What the listener raises is told as what a
        // finalizer raises is: there is nobody who could catch it.
        Python::try_attach(|py| {
            if let Err(e) = listener.call1(py, (name, what, done, total)) {
                e.write_unraisable(py, None);
            }
        });
    })
}

/// Writes a text to a file, which appears when it is complete or stays as it was.
#[pyfunction]
pub(crate) fn write_file(py: Python<'_>, path: std::path::PathBuf, text: &str) -> PyResult<()> {
    let written = || {
        let mut file = nearwise::NewFile::create(&path)?;
        let done = std::io::Write::write_all(&mut file, text.as_bytes());
        done.map_err(|e| Error::io(&path, e))?;
        file.finish()
    };
    py.detach(written).map_err(|e| raised(py, &e))
}

/// Runs `f` on a thread of its own, without Python's lock, while this one looks for signals: where
/// a handler raises, as Ctrl-C's does, the job is cancelled, and what was raised goes on when the
/// work has ended. A panic is an internal error.
pub(crate) fn run<T: Send>(
    py: Python<'_>,
    job: &Job,
    f: impl FnOnce() -> Result<T> + Send,
) -> PyResult<T> {
    check_fork()?;
    let mut interrupted: Option<PyErr> = None;
    let outcome = py.detach(|| {
        std::thread::scope(|scope| {
            let (done, wait) = sync_channel(1);
            let work = move || {
                let out = catch_unwind(AssertUnwindSafe(f));
                // Whoever waits has not gone: the scope holds it.
                let _ = done.send(());
                out
            };
            let builder = std::thread::Builder::new().stack_size(STACK);
            let thread = match builder.spawn_scoped(scope, work) {
                Ok(thread) => thread,
                Err(e) => return Err(Error::io("a thread", e)),
            };
            while wait.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                if interrupted.is_some() {
                    continue;
                }
                if let Some(Err(e)) = Python::try_attach(|py| py.check_signals()) {
                    interrupted = Some(e);
                    job.cancel();
                }
            }
            match thread.join() {
                Ok(Ok(out)) => out,
                Ok(Err(panic)) | Err(panic) => Err(internal(panic.as_ref())),
            }
        })
    });
    match (interrupted, outcome) {
        (Some(e), _) => Err(e),
        (None, outcome) => outcome.map_err(|e| raised(py, &e)),
    }
}

/// Runs `f`, which is done in no time, without Python's lock.
pub(crate) fn quick<T: Send>(py: Python<'_>, f: impl FnOnce() -> Result<T> + Send) -> PyResult<T> {
    check_fork()?;
    unlocked(py, f)
}

/// As [`quick`], for what needs neither threads nor files and so minds no fork.
pub(crate) fn unlocked<T: Send>(
    py: Python<'_>,
    f: impl FnOnce() -> Result<T> + Send,
) -> PyResult<T> {
    let out = py.detach(|| {
        catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|panic| Err(internal(panic.as_ref())))
    });
    out.map_err(|e| raised(py, &e))
}

fn internal(panic: &(dyn std::any::Any + Send)) -> Error {
    let said = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no reason given");
    Error::new(
        ErrorKind::Internal,
        "internal error",
        format!("{said}; please report it"),
    )
}
