//! `nearwise devices`

use super::{Outcome, ui};
use anyhow::Result;
use clap::Args;
use nearwise::encoder::{CpuRate, seen_devices};

/// Show the devices that can be computed on, and which dtype pays on this processor
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
            let mut out = ui::table(&["device", "usable", "about"], &[], rows);
            for device in devices.iter().filter(|d| !d.rates.is_empty()) {
                out.push_str(&format!("\n\n{}", rates(&device.rates)));
            }
            ui::print(&out)?;
        }
        Ok(Outcome::Done)
    }
}

/// What one thread of the CPU does, and what the dtype auto makes of it.
fn rates(rates: &[CpuRate]) -> String {
    let rows = rates
        .iter()
        .map(|r| {
            vec![
                r.dtype.name().to_string(),
                format!("{:.0}", r.gop_per_second),
                format!("{}, {}", if r.chosen { "yes" } else { "no" }, r.why),
            ]
        })
        .collect();
    let head = [
        "dtype on the CPU",
        "GOP/s of a thread, now",
        "taken by auto",
    ];
    ui::table(&head, &[1], rows)
}
