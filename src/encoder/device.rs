//! Which device computes.

use super::{CpuRate, Dtype, DtypeChoice, cpu_rates};
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::Level;
use crate::vectors::Accelerator;
use candle_core::Device;
use std::str::FromStr;
use std::sync::Arc;

/// The device that a user asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// All CUDA devices or the Metal device where they work, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The CUDA device of this number; all of them where there is none.
    Cuda(Option<usize>),
    /// The Metal device.
    Metal,
}

impl FromStr for DeviceChoice {
    type Err = String;

    fn from_str(name: &str) -> std::result::Result<Self, String> {
        match name.to_ascii_lowercase().as_str() {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "metal" => Ok(Self::Metal),
            "cuda" => Ok(Self::Cuda(None)),
            name => name
                .strip_prefix("cuda:")
                .and_then(|n| n.parse().ok())
                .map(|n| Self::Cuda(Some(n)))
                .ok_or_else(|| "use auto, cpu, cuda, cuda:N or metal".to_string()),
        }
    }
}

/// Where vectors are computed: the kind of device, and which.
#[derive(Debug, Clone)]
pub enum Place {
    /// The CPU.
    Cpu,
    /// CUDA devices, by their numbers.
    Cuda(Vec<usize>),
    /// candle's handle of the Metal device.
    Metal(Device),
}

/// A device that was opened and works.
#[derive(Debug, Clone)]
pub struct OpenDevice {
    /// Which device it is.
    pub place: Place,
    /// Its name, such as `cuda:0`.
    pub name: String,
    /// Why it is not the GPU, where one was looked for in vain.
    pub fallback: Option<String>,
}

impl OpenDevice {
    /// The CPU.
    pub fn cpu() -> Self {
        Self {
            place: Place::Cpu,
            name: "cpu".to_string(),
            fallback: None,
        }
    }

    /// The CPU, for a reason that the user is told.
    fn cpu_because(why: impl std::fmt::Display) -> Self {
        Self {
            fallback: Some(format!("using the CPU: {why}")),
            ..Self::cpu()
        }
    }

    /// The dtype to compute with, where it is left open; or why this device does not
    /// compute with the one that is wanted. `None` leaves the choice to the CPU's encoder.
    pub(super) fn dtype(&self, choice: DtypeChoice) -> std::result::Result<Option<Dtype>, String> {
        let only = |all: &[Dtype], other: Dtype| {
            let names: Vec<&str> = all.iter().map(|d| d.name()).collect();
            format!(
                "it computes with {}, not {}",
                names.join(", "),
                other.name()
            )
        };
        let made_with = |dtype: Dtype| {
            format!(
                "the vectors to go with were computed with {}, which only the CPU does",
                dtype.name()
            )
        };
        match &self.place {
            Place::Cpu => match choice {
                DtypeChoice::Auto => Ok(None),
                DtypeChoice::Only(Dtype::F16) => {
                    Err(only(&[Dtype::F32, Dtype::Bf16, Dtype::Int8], Dtype::F16))
                }
                // Vectors of f16 and of f32 differ by less than storing rounds them.
                DtypeChoice::Like(Dtype::F16) => Ok(Some(Dtype::F32)),
                DtypeChoice::Only(dtype) | DtypeChoice::Like(dtype) => Ok(Some(dtype)),
            },
            Place::Cuda(_) => match choice {
                DtypeChoice::Auto | DtypeChoice::Like(Dtype::F32 | Dtype::F16) => {
                    Ok(Some(Dtype::F16))
                }
                DtypeChoice::Only(Dtype::Int8) => {
                    Err(only(&[Dtype::F16, Dtype::Bf16, Dtype::F32], Dtype::Int8))
                }
                DtypeChoice::Like(Dtype::Int8) => Err(made_with(Dtype::Int8)),
                DtypeChoice::Only(dtype) | DtypeChoice::Like(dtype) => Ok(Some(dtype)),
            },
            Place::Metal(_) => match choice {
                DtypeChoice::Auto
                | DtypeChoice::Only(Dtype::F32)
                | DtypeChoice::Like(Dtype::F32 | Dtype::F16) => Ok(Some(Dtype::F32)),
                DtypeChoice::Only(dtype) => Err(only(&[Dtype::F32], dtype)),
                DtypeChoice::Like(dtype) => Err(made_with(dtype)),
            },
        }
    }
}

impl OpenDevice {
    /// Copies vectors, `dim` numbers each, to the device, which compares them from there; `None`
    /// on devices that do not, the CPU and Metal. What the device's memory does not hold passes
    /// by from the host's.
    ///
    /// # Errors
    /// The device fails or has no memory even for a part.
    pub fn hold(&self, vectors: &[f32], dim: usize) -> Result<Option<Arc<dyn Accelerator>>> {
        match &self.place {
            Place::Cuda(numbers) => hold(numbers, vectors, dim),
            Place::Cpu | Place::Metal(_) => Ok(None),
        }
    }
}

#[cfg(feature = "cuda")]
fn hold(numbers: &[usize], vectors: &[f32], dim: usize) -> Result<Option<Arc<dyn Accelerator>>> {
    use super::cuda::{DeviceVectors, Sizes, named, open};
    let Some(&number) = numbers.first() else {
        return Ok(None);
    };
    let held = open(number).and_then(|gpu| DeviceVectors::new(gpu, vectors, dim, Sizes::default()));
    match held {
        Ok(held) => Ok(Some(Arc::new(held))),
        Err(failure) => Err(named(&format!("cuda:{number}"), failure)),
    }
}

#[cfg(not(feature = "cuda"))]
fn hold(_: &[usize], _: &[f32], _: usize) -> Result<Option<Arc<dyn Accelerator>>> {
    Ok(None)
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
                    cuda(None)
                } else if cfg!(feature = "metal") {
                    metal()
                } else {
                    return Ok(OpenDevice::cpu());
                };
                Ok(gpu.unwrap_or_else(|why| OpenDevice::cpu_because(reason(&why))))
            }
        }
    }

    /// Fails where a device was named that cannot be used: for what uses it only where there is much to do,
    /// and would pass it over elsewhere.
    ///
    /// # Errors
    /// As [`DeviceChoice::open`].
    pub fn check(self) -> Result<()> {
        match self {
            Self::Auto => Ok(()),
            named => named.open().map(drop),
        }
    }

    /// As [`DeviceChoice::open`], for a dtype: where the choice of the device is left
    /// open, the CPU stands in for one that does not compute with it.
    ///
    /// # Errors
    /// As [`DeviceChoice::open`]; the device does not compute with the type.
    pub fn open_for(self, dtype: DtypeChoice) -> Result<OpenDevice> {
        let opened = self.open()?;
        match opened.dtype(dtype) {
            Ok(_) => Ok(opened),
            Err(why) if self == Self::Auto && !matches!(opened.place, Place::Cpu) => {
                Ok(OpenDevice::cpu_because(match dtype {
                    DtypeChoice::Like(d) => format!(
                        "the corpus was made with {}, which {} does not compute with",
                        d.name(),
                        opened.name
                    ),
                    _ => format!("{}: {why}", opened.name),
                }))
            }
            Err(message) => Err(Error::device(opened.name, message)),
        }
    }
}

fn reason(e: &Error) -> String {
    match e.kind() {
        ErrorKind::Device => e.message().to_string(),
        _ => e.to_string(),
    }
}

#[cfg(not(feature = "cuda"))]
fn cuda(n: Option<usize>) -> Result<OpenDevice> {
    Err(Error::device(
        n.map_or("cuda".to_string(), |n| format!("cuda:{n}")),
        "this build has no CUDA; build with the feature cuda",
    ))
}

#[cfg(feature = "cuda")]
fn cuda(n: Option<usize>) -> Result<OpenDevice> {
    let name = n.map_or("cuda".to_string(), |n| format!("cuda:{n}"));
    let failed = |message: String| Error::device(name.clone(), message);
    let seen = super::cuda::numbers().map_err(|e| failed(e.to_string()))?;
    let asked_for = seen
        .iter()
        .filter(|(number, _)| n.is_none_or(|n| n == *number));
    let (usable, unusable): (Vec<_>, Vec<_>) = asked_for.partition(|(_, why)| why.is_none());
    if usable.is_empty() {
        let whys: Vec<&str> = unusable
            .iter()
            .filter_map(|(_, why)| why.as_deref())
            .collect();
        return Err(failed(match (whys.is_empty(), seen.len()) {
            (false, _) => whys.join("; "),
            (true, 0) => "the NVIDIA driver sees no device".to_string(),
            (true, some) => {
                format!("there is no such device among the {some}")
            }
        }));
    }
    let numbers = usable.iter().map(|(number, _)| *number).collect();
    Ok(OpenDevice {
        place: Place::Cuda(numbers),
        name,
        fallback: None,
    })
}

fn metal() -> Result<OpenDevice> {
    let name = "metal".to_string();
    if !cfg!(feature = "metal") {
        return Err(Error::device(
            name,
            "this build has no Metal; build with the feature metal on a Mac",
        ));
    }
    match Device::new_metal(0) {
        Ok(device) => Ok(OpenDevice {
            place: Place::Metal(device),
            name,
            fallback: None,
        }),
        // candle appends a backtrace; its first line is the reason.
        Err(e) => {
            let text = e.to_string();
            let why = text.lines().next().unwrap_or("does not work");
            Err(Error::device(name, why).with_source(e))
        }
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
    /// How fast the CPU multiplies with each dtype; empty for other devices.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rates: Vec<CpuRate>,
}

/// Every kind of device and whether it can be used. Measures the CPU for a tenth of a second.
pub fn seen_devices() -> Vec<SeenDevice> {
    let mut out = vec![seen_cpu()];
    out.extend(seen_cuda());
    let metal = metal();
    out.push(SeenDevice {
        name: "metal".to_string(),
        usable: metal.is_ok(),
        about: metal.map_or_else(|e| reason(&e), |_| "works".to_string()),
        rates: Vec::new(),
    });
    out
}

fn seen_cpu() -> SeenDevice {
    let threads = rayon::current_num_threads();
    let name = "cpu".to_string();
    match cpu_rates() {
        Ok(rates) => SeenDevice {
            name,
            usable: true,
            about: format!("{threads} threads; kernels: {}", cpu_features()),
            rates,
        },
        Err(e) => SeenDevice {
            name,
            usable: false,
            about: e.to_string(),
            rates: Vec::new(),
        },
    }
}

#[cfg(not(feature = "cuda"))]
fn seen_cuda() -> Vec<SeenDevice> {
    let why = cuda(None).map_or_else(|e| reason(&e), |open| open.name);
    vec![SeenDevice {
        name: "cuda".to_string(),
        usable: false,
        about: why,
        rates: Vec::new(),
    }]
}

#[cfg(feature = "cuda")]
fn seen_cuda() -> Vec<SeenDevice> {
    let unusable = |about: String| {
        vec![SeenDevice {
            name: "cuda".to_string(),
            usable: false,
            about,
            rates: Vec::new(),
        }]
    };
    match super::cuda::cards() {
        Err(e) => unusable(e.to_string()),
        Ok((_, cards)) if cards.is_empty() => unusable("the NVIDIA driver sees no device".into()),
        Ok((driver, cards)) => cards
            .into_iter()
            .map(|card| SeenDevice {
                name: format!("cuda:{}", card.number),
                usable: card.unusable.is_none(),
                about: match card.unusable {
                    None => format!("{}; driver for CUDA {driver}", card.about),
                    Some(why) if card.about.is_empty() => why,
                    Some(why) => format!("{}; {why}", card.about),
                },
                rates: Vec::new(),
            })
            .collect(),
    }
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
        assert_eq!("cuda:3".parse(), Ok(DeviceChoice::Cuda(Some(3))));
        assert_eq!("cuda".parse(), Ok(DeviceChoice::Cuda(None)));
        assert_eq!("auto".parse(), Ok(DeviceChoice::Auto));
        assert_eq!("CPU".parse(), Ok(DeviceChoice::Cpu));
        assert_eq!("CUDA:1".parse(), Ok(DeviceChoice::Cuda(Some(1))));
        assert!("gpu".parse::<DeviceChoice>().is_err());
        assert!("cuda:x".parse::<DeviceChoice>().is_err());
    }

    fn cuda() -> OpenDevice {
        OpenDevice {
            place: Place::Cuda(vec![0]),
            name: "cuda:0".to_string(),
            fallback: None,
        }
    }

    #[test]
    fn a_corpus_goes_on_where_its_type_of_number_is_not_computed() {
        use DtypeChoice::{Auto, Like, Only};
        // Made on a device, searched on a CPU, and the other way round.
        assert_eq!(
            OpenDevice::cpu().dtype(Like(Dtype::F16)),
            Ok(Some(Dtype::F32))
        );
        assert_eq!(cuda().dtype(Like(Dtype::F32)), Ok(Some(Dtype::F16)));
        assert_eq!(cuda().dtype(Auto), Ok(Some(Dtype::F16)));
        assert_eq!(cuda().dtype(Only(Dtype::F32)), Ok(Some(Dtype::F32)));
        // int8 is the CPU's alone.
        assert!(
            cuda()
                .dtype(Like(Dtype::Int8))
                .unwrap_err()
                .contains("only the CPU does")
        );
        assert!(
            cuda()
                .dtype(Only(Dtype::Int8))
                .unwrap_err()
                .contains("not int8")
        );
        assert!(
            OpenDevice::cpu()
                .dtype(Only(Dtype::F16))
                .unwrap_err()
                .contains("not f16")
        );
    }
}
