//! `nearwise devices`

use super::{Outcome, ui};
use anyhow::Result;
use clap::Args;
use nearwise::encoder::seen_devices;

/// Show the devices that can be computed on
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  nearwise devices")]
pub(super) struct Devices {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Devices {
    pub(super) fn run(self) -> Result<Outcome> {
        let devices = seen_devices();
        if self.json {
            ui::print_json(&devices)?;
        } else {
            let rows = devices
                .iter()
                .map(|d| {
                    vec![
                        d.name.clone(),
                        if d.usable { "yes" } else { "no" }.into(),
                        d.about.clone(),
                    ]
                })
                .collect();
            ui::print(&ui::table(&["device", "usable", "about"], &[], rows))?;
        }
        Ok(Outcome::Done)
    }
}
