//! Compiles the CUDA kernels where the feature `cuda` asks for them.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Machine code for each of these architectures, from Ampere to Blackwell.
const ARCHITECTURES: [&str; 6] = ["80", "86", "89", "90a", "100", "120"];
/// Code for newer architectures, which the driver compiles when it is first used.
const NEWER: &str = "90";
/// Where a toolkit is looked for, as usual.
const VARIABLES: [&str; 4] = [
    "CUDA_HOME",
    "CUDA_PATH",
    "CUDA_ROOT",
    "CUDA_TOOLKIT_ROOT_DIR",
];
const KERNELS: &str = "src/encoder/cuda/kernels";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_FEATURE_CUDA").is_none() {
        return;
    }
    println!("cargo:rerun-if-changed={KERNELS}");
    println!("cargo:rerun-if-env-changed=NVCC");
    for variable in VARIABLES {
        println!("cargo:rerun-if-env-changed={variable}");
    }
    if let Err(message) = compile() {
        eprintln!("{message}");
        std::process::exit(1);
    }
}

fn compile() -> Result<(), String> {
    let nvcc = nvcc()?;
    println!("cargo:rustc-env=NEARWISE_CUDA_VERSION={}", version(&nvcc)?);
    let out = std::env::var_os("OUT_DIR").ok_or("cargo sets no OUT_DIR")?;
    let mut command = Command::new(&nvcc);
    command.args(["-O3", "-std=c++17", "--fatbin", "--threads", "0"]);
    // A kernel that keeps its numbers in memory for want of registers is a defect.
    command.args(["-Xptxas", "--warn-on-spills", "-Werror", "all-warnings"]);
    for a in ARCHITECTURES {
        command.arg(format!("-gencode=arch=compute_{a},code=sm_{a}"));
    }
    command.arg(format!(
        "-gencode=arch=compute_{NEWER},code=compute_{NEWER}"
    ));
    command
        .arg("-o")
        .arg(Path::new(&out).join("kernels.fatbin"));
    command.arg(Path::new(KERNELS).join("all.cu"));
    let output = command
        .output()
        .map_err(|e| format!("{}: {e}", nvcc.display()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "{} could not compile the kernels:\n{}",
        nvcc.display(),
        String::from_utf8_lossy(&output.stderr)
    ))
}

/// The compiler: the one that `NVCC` names, that of a toolkit that the environment names, the
/// one in the path, or that of `scripts/cuda-toolkit.sh`.
fn nvcc() -> Result<PathBuf, String> {
    if let Some(nvcc) = std::env::var_os("NVCC") {
        return Ok(nvcc.into());
    }
    let toolkits = VARIABLES.into_iter().filter_map(std::env::var_os);
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
    toolkits
        .map(|toolkit| PathBuf::from(toolkit).join("bin"))
        .chain(std::env::split_paths(&paths))
        .chain(cache.map(|c| c.join("nearwise/cuda/nvidia/cu13/bin")))
        .chain([PathBuf::from("/usr/local/cuda/bin")])
        .map(|folder| folder.join("nvcc"))
        .find(|nvcc| nvcc.is_file())
        .ok_or_else(|| {
            "the feature `cuda` needs nvcc, and none was found: set CUDA_HOME to a CUDA toolkit of version 12.8 or later, or run scripts/cuda-toolkit.sh, which fetches one".to_string()
        })
}

/// The toolkit's version as the driver counts: 13000 for 13.0.
fn version(nvcc: &Path) -> Result<u32, String> {
    let said = Command::new(nvcc)
        .arg("--version")
        .output()
        .map_err(|e| format!("{}: {e}", nvcc.display()))?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let number = said
        .split("release ")
        .nth(1)
        .and_then(|rest| rest.split(',').next())
        .and_then(|version| version.trim().split_once('.'))
        .and_then(|(major, minor)| Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?)));
    match number {
        Some((major, minor)) => Ok(1000 * major + 10 * minor),
        None => Err(format!("{} does not say its version", nvcc.display())),
    }
}
