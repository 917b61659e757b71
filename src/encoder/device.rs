//! Which device computes.

use super::cpu::Level;
use crate::error::{Error, Result};
use candle_core::Device;
use std::str::FromStr;

/// The device that a user asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// A GPU where one works, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The CUDA device of this number.
    Cuda(usize),
    /// The Metal device.
    Metal,
}

impl FromStr for DeviceChoice {
    type Err = String;

    fn from_str(name: &str) -> std::result::Result<Self, String> {
        match name {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "metal" => Ok(Self::Metal),
            "cuda" => Ok(Self::Cuda(0)),
            _ => name
                .strip_prefix("cuda:")
                .and_then(|n| n.parse().ok())
                .map(Self::Cuda)
                .ok_or_else(|| "use auto, cpu, cuda, cuda:N or metal".to_string()),
        }
    }
}

/// A device that works.
#[derive(Debug, Clone)]
pub struct OpenDevice {
    /// candle's handle.
    pub device: Device,
    /// Its name, such as `cuda:0`.
    pub name: String,
    /// Why it is not the GPU, where one was looked for in vain.
    pub fallback: Option<String>,
}

impl OpenDevice {
    /// The CPU.
    pub fn cpu() -> Self {
        Self {
            device: Device::Cpu,
            name: "cpu".to_string(),
            fallback: None,
        }
    }
}

impl DeviceChoice {
    /// Opens the device.
    ///
    /// # Errors
    /// A device asked for by name is not built in, not there, or does not work.
    pub fn open(self) -> Result<OpenDevice> {
        match self {
            Self::Cpu => Ok(OpenDevice::cpu()),
            Self::Cuda(n) => cuda(n),
            Self::Metal => metal(),
            Self::Auto => {
                let gpu = if cfg!(feature = "cuda") {
                    cuda(0)
                } else if cfg!(feature = "metal") {
                    metal()
                } else {
                    return Ok(OpenDevice::cpu());
                };
                gpu.or_else(|why| {
                    Ok(OpenDevice {
                        fallback: Some(format!("using the CPU: {why}")),
                        ..OpenDevice::cpu()
                    })
                })
            }
        }
    }
}

fn cuda(n: usize) -> Result<OpenDevice> {
    let name = format!("cuda:{n}");
    if !cfg!(feature = "cuda") {
        return Err(Error::Device {
            device: name,
            message: "this build has no CUDA; build with `--features cuda`, or use --device cpu"
                .into(),
        });
    }
    open(name, || Device::new_cuda(n))
}

fn metal() -> Result<OpenDevice> {
    let name = "metal".to_string();
    if !cfg!(feature = "metal") {
        return Err(Error::Device {
            device: name,
            message: "this build has no Metal; build with `--features metal` on a Mac, or use --device cpu".into(),
        });
    }
    open(name, || Device::new_metal(0))
}

fn open(name: String, make: impl FnOnce() -> candle_core::Result<Device>) -> Result<OpenDevice> {
    match make() {
        Ok(device) => Ok(OpenDevice {
            device,
            name,
            fallback: None,
        }),
        Err(e) => Err(Error::Device {
            device: name,
            // candle appends a backtrace; its first line is the reason.
            message: e
                .to_string()
                .lines()
                .next()
                .unwrap_or("does not work")
                .to_string(),
        }),
    }
}

/// A device as `nearwise devices` shows it.
#[derive(Debug, Clone, serde::Serialize)]
pub struct SeenDevice {
    /// Its name as `--device` takes it.
    pub name: String,
    /// Whether it can be used.
    pub usable: bool,
    /// What it is, or why it cannot be used.
    pub about: String,
}

/// Every kind of device and whether it can be used.
pub fn seen_devices() -> Vec<SeenDevice> {
    let threads = rayon::current_num_threads();
    let mut out = vec![SeenDevice {
        name: "cpu".to_string(),
        usable: true,
        about: format!("{threads} threads; kernels: {}", cpu_features()),
    }];
    for choice in [DeviceChoice::Cuda(0), DeviceChoice::Metal] {
        let name = if choice == DeviceChoice::Metal {
            "metal"
        } else {
            "cuda:0"
        };
        out.push(match choice.open() {
            Ok(open) => SeenDevice {
                name: open.name,
                usable: true,
                about: "works".to_string(),
            },
            Err(Error::Device { message, .. }) => SeenDevice {
                name: name.to_string(),
                usable: false,
                about: message,
            },
            Err(e) => SeenDevice {
                name: name.to_string(),
                usable: false,
                about: e.to_string(),
            },
        });
    }
    out
}

/// The levels of instructions that the processor has, the one in use last.
fn cpu_features() -> String {
    let levels: Vec<&str> = Level::ALL
        .into_iter()
        .filter(|level| level.available())
        .map(Level::name)
        .collect();
    levels.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_devices() {
        assert_eq!("cuda:3".parse(), Ok(DeviceChoice::Cuda(3)));
        assert_eq!("auto".parse(), Ok(DeviceChoice::Auto));
        assert!("gpu".parse::<DeviceChoice>().is_err());
        assert!("cuda:x".parse::<DeviceChoice>().is_err());
    }

    #[test]
    fn auto_always_opens_something() {
        assert!(DeviceChoice::Auto.open().is_ok());
    }
}
