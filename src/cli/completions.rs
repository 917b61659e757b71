//! `nearwise completions` and `nearwise man`

use super::{Outcome, ui};
use anyhow::Result;
use clap::Args;
use clap_complete::Shell;
use nearwise::{Error, NewFile};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Print the completions of a shell
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  nearwise completions bash > ~/.local/share/bash-completion/completions/nearwise"
)]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self) -> Result<Outcome> {
        let mut out = Vec::new();
        clap_complete::generate(self.shell, &mut super::command(), "nearwise", &mut out);
        ui::print(&String::from_utf8_lossy(&out))?;
        Ok(Outcome::Done)
    }
}

/// Print the man page, or write a page for each command into a folder
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  nearwise man | man -l -\n  nearwise man --out ~/.local/share/man/man1"
)]
pub(super) struct Man {
    /// The folder
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

impl Man {
    pub(super) fn run(self) -> Result<Outcome> {
        match self.out {
            Some(folder) => {
                std::fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, e))?;
                let mut command = super::command().disable_help_subcommand(true);
                command.build();
                pages(&command, &folder)?;
            }
            None => {
                let mut out = Vec::new();
                clap_mangen::Man::new(super::command()).render(&mut out)?;
                ui::print(&String::from_utf8_lossy(&out))?;
            }
        }
        Ok(Outcome::Done)
    }
}

/// Writes the page of a command and those of its subcommands.
fn pages(command: &clap::Command, folder: &Path) -> Result<()> {
    for sub in command.get_subcommands().filter(|c| !c.is_hide_set()) {
        pages(sub, folder)?;
    }
    let page = clap_mangen::Man::new(command.clone());
    let path = folder.join(page.get_filename());
    let mut text = Vec::new();
    page.render(&mut text)?;
    let mut file = NewFile::create(&path)?;
    file.write_all(&text).map_err(|e| Error::io(&path, e))?;
    Ok(file.finish()?)
}
