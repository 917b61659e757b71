//! README's commands are ones that the program knows.

mod common;

use assert_cmd::Command;
use common::repository;

/// The command lines that begin with `nearwise` in README's shell blocks, comments left out.
fn commands() -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(repository("README.md")).unwrap();
    let mut out = Vec::new();
    let mut shell = false;
    for line in text.lines() {
        if let Some(fence) = line.trim().strip_prefix("```") {
            shell = fence.starts_with("sh");
            continue;
        }
        let piped = line.rsplit(" | ").next().unwrap_or(line).trim();
        if shell && piped.starts_with("nearwise ") {
            out.push(words(piped));
        }
    }
    out
}

/// Splits a line as a shell does, as far as the README needs it.
fn words(line: &str) -> Vec<String> {
    let mut out = vec![String::new()];
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (None, '#') if out.last().is_some_and(String::is_empty) => break,
            (None, ' ') => out.push(String::new()),
            (None, '"' | '\'') => quote = Some(c),
            (Some(q), c) if c == q => quote = None,
            (_, c) => out.last_mut().unwrap().push(c),
        }
    }
    out.retain(|word| !word.is_empty());
    out
}

/// The text of `--help` of a command.
fn help(command: &[&str]) -> String {
    let mut program = Command::new(env!("CARGO_BIN_EXE_nearwise"));
    let output = program.args(command).arg("--help").output().unwrap();
    assert!(output.status.success(), "{command:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_command_and_option_of_the_readme_is_in_the_help() {
    let commands = commands();
    assert!(commands.len() > 25, "{}", commands.len());
    for words in commands {
        let mut path: Vec<&str> = vec![&words[1]];
        let mut text = help(&path);
        // A subcommand of it, such as `topics fit`.
        if let Some(next) = words.get(2).filter(|w| !w.starts_with('-'))
            && text.contains(&format!("\n  {next} "))
        {
            path.push(next);
            text = help(&path);
        }
        for word in words.iter().filter(|w| w.starts_with('-') && *w != "-") {
            let option = word.split('=').next().unwrap();
            let known = text
                .split(|c: char| c.is_whitespace() || ",[=".contains(c))
                .any(|w| w == option);
            assert!(known, "{words:?}: {option} is not in the help of {path:?}");
        }
    }
}

#[test]
fn every_subcommand_has_help_with_an_example() {
    let top = help(&[]);
    let list = top.split("Commands:").nth(1).unwrap();
    let names: Vec<&str> = list
        .lines()
        .skip(1)
        .take_while(|l| l.starts_with("  "))
        .filter_map(|l| l.strip_prefix("  ")?.split(' ').next())
        // Empty where a line goes on that was too long.
        .filter(|name| !name.is_empty() && *name != "help" && !name.starts_with('-'))
        .collect();
    assert!(names.len() >= 17, "{names:?}");
    for name in names {
        let text = help(&[name]);
        assert!(text.contains("Usage: nearwise"), "{name}");
        // `eval` has one command, whose help has the examples.
        assert!(name == "eval" || text.contains("Example"), "{name}: {text}");
    }
}
