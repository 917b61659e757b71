//! `nearwise completions` and `nearwise man`

use super::{Outcome, ui};
use anyhow::Result;
use clap::Args;
use clap_complete::Shell;
use std::path::PathBuf;

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
                std::fs::create_dir_all(&folder).map_err(|e| nearwise::Error::io(&folder, e))?;
                clap_mangen::generate_to(super::command(), &folder)
                    .map_err(|e| nearwise::Error::io(&folder, e))?;
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
