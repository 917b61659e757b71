//! The command-line program.

// Printing macros panic where standard output or standard error is closed or full: `cli::ui` prints.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
