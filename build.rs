//! Compiles the CUDA kernels where the feature `cuda` asks for them: by nvcc into one file of machine
//! code, or by NVRTC, which needs neither nvcc nor a host compiler, into one for each architecture.
//!
//! Either writes `kernels.rs`, the table that `src/encoder/cuda/machine_code.rs` chooses from.

#[cfg(feature = "cuda")]
#[path = "build/nvrtc.rs"]
mod nvrtc;

use std::path::{Path, PathBuf};
use std::process::Command;

/// Machine code for each of these architectures, from Ampere to Blackwell, where the compiler has it.
/// 8.6 takes that of 8.0 where there is none of its own.
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
/// Makes the compiler's warnings, a spilled register among them, errors: for whoever changes the
/// kernels. A newer compiler that warns of something must not keep users from building.
const STRICT: &str = "NEARWISE_CUDA_STRICT";
/// The file of NVRTC, to be used in place of nvcc.
const NVRTC: &str = "NEARWISE_NVRTC";
const KERNELS: &str = "src/encoder/cuda/kernels";
/// The oldest compiler that is good enough, as the driver counts.
const OLDEST: u32 = 12_000;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=build");
    if std::env::var_os("CARGO_FEATURE_CUDA").is_none() {
        return;
    }
    println!("cargo:rerun-if-changed={KERNELS}");
    for variable in ["NVCC", NVRTC, STRICT].into_iter().chain(VARIABLES) {
        println!("cargo:rerun-if-env-changed={variable}");
    }
    if let Err(message) = compile() {
        eprintln!("{message}");
        std::process::exit(1);
    }
}

/// What the kernels are compiled by.
enum Compiler {
    Nvcc(PathBuf),
    /// The library.
    Nvrtc(PathBuf),
}

/// A file of machine code and what it is for: ten times the compute capability, 0 for what the
/// driver chooses from or compiles itself.
struct Code {
    architecture: u32,
    file: String,
    bytes: Vec<u8>,
}

fn compile() -> Result<(), String> {
    let (codes, version, said) = match compiler()? {
        Compiler::Nvcc(nvcc) => by_nvcc(&nvcc)?,
        Compiler::Nvrtc(library) => by_nvrtc(&library)?,
    };
    let warnings: Vec<&str> = said.lines().filter(|l| !l.trim().is_empty()).collect();
    if strict() && !warnings.is_empty() {
        return Err(format!(
            "the compiler warns of the kernels, which {STRICT} makes an error:\n{}",
            warnings.join("\n")
        ));
    }
    for line in warnings {
        println!("cargo:warning={line}");
    }
    println!("cargo:rustc-env=NEARWISE_CUDA_VERSION={version}");
    let out = std::env::var_os("OUT_DIR").ok_or("cargo sets no OUT_DIR")?;
    let out = Path::new(&out);
    let write = |name: &str, bytes: &[u8]| {
        let file = out.join(name);
        std::fs::write(&file, bytes).map_err(|e| format!("{}: {e}", file.display()))
    };
    let mut table = String::from("[\n");
    for code in codes {
        write(&code.file, &code.bytes)?;
        table += &format!(
            "    ({}, include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{}\")).as_slice()),\n",
            code.architecture, code.file
        );
    }
    write("kernels.rs", (table + "]\n").as_bytes())
}

fn strict() -> bool {
    std::env::var_os(STRICT).is_some_and(|v| !v.is_empty() && v != "0")
}

/// The compiler: the one that a variable names, that of a toolkit that the environment names, NVRTC
/// as `scripts/cuda-toolkit.sh --cuda12` fetches it, the nvcc in the path, or that of
/// `scripts/cuda-toolkit.sh`.
fn compiler() -> Result<Compiler, String> {
    if let Some(library) = std::env::var_os(NVRTC) {
        return Ok(Compiler::Nvrtc(library.into()));
    }
    if let Some(nvcc) = std::env::var_os("NVCC") {
        return Ok(Compiler::Nvcc(nvcc.into()));
    }
    let nvcc_in = |folder: PathBuf| Some(folder.join("nvcc")).filter(|nvcc| nvcc.is_file());
    let named = VARIABLES
        .into_iter()
        .filter_map(std::env::var_os)
        .find_map(|toolkit| nvcc_in(PathBuf::from(toolkit).join("bin")));
    if let Some(nvcc) = named {
        return Ok(Compiler::Nvcc(nvcc));
    }
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))
        .map(|cache| cache.join("nearwise"));
    let library = cache
        .as_ref()
        .map(|c| c.join("cuda12/nvidia/cuda_nvrtc/lib/libnvrtc.so.12"));
    if let Some(library) = library.filter(|l| l.is_file()) {
        return Ok(Compiler::Nvrtc(library));
    }
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths)
        .chain(cache.map(|c| c.join("cuda/nvidia/cu13/bin")))
        .chain([PathBuf::from("/usr/local/cuda/bin")])
        .find_map(nvcc_in)
        .map(Compiler::Nvcc)
        .ok_or_else(|| {
            "the feature `cuda` needs nvcc, and none was found: set CUDA_HOME to a CUDA toolkit of version 12.0 or later, or run scripts/cuda-toolkit.sh, which fetches one".to_string()
        })
}

/// One file for all architectures that this nvcc has.
fn by_nvcc(nvcc: &Path) -> Result<(Vec<Code>, u32, String), String> {
    let run = |command: &mut Command| {
        let output = command
            .output()
            .map_err(|e| format!("{}: {e}", nvcc.display()))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let said = text(&output.stderr);
        if output.status.success() {
            Ok((text(&output.stdout), said))
        } else {
            Err(format!(
                "{} could not compile the kernels:\n{said}",
                nvcc.display()
            ))
        }
    };
    let version = version(nvcc, &run(Command::new(nvcc).arg("--version"))?.0)?;
    new_enough(nvcc, version)?;
    let (listed, _) = run(Command::new(nvcc).arg("--list-gpu-arch"))?;
    let known = |a: &str| {
        let base = format!("compute_{}", a.trim_end_matches(char::is_alphabetic));
        listed.lines().any(|line| line.trim() == base)
    };
    let out = std::env::var_os("OUT_DIR").ok_or("cargo sets no OUT_DIR")?;
    let file = Path::new(&out).join("kernels.fatbin");
    let mut command = Command::new(nvcc);
    command.args(["-O3", "-std=c++17", "--fatbin", "--threads", "0"]);
    // A kernel that keeps its numbers in memory for want of registers is a defect.
    command.args(["-Xptxas", "--warn-on-spills"]);
    for a in ARCHITECTURES.into_iter().filter(|a| known(a)) {
        command.arg(format!("-gencode=arch=compute_{a},code=sm_{a}"));
    }
    command.arg(format!(
        "-gencode=arch=compute_{NEWER},code=compute_{NEWER}"
    ));
    command.arg("-o").arg(&file);
    command.arg(Path::new(KERNELS).join("all.cu"));
    let (_, said) = run(&mut command)?;
    let bytes = std::fs::read(&file).map_err(|e| format!("{}: {e}", file.display()))?;
    let code = Code {
        architecture: 0,
        file: "kernels.fatbin".to_string(),
        bytes,
    };
    Ok((vec![code], version, said))
}

/// The toolkit's version as the driver counts: 13000 for 13.0.
fn version(nvcc: &Path, said: &str) -> Result<u32, String> {
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

fn new_enough(compiler: &Path, version: u32) -> Result<(), String> {
    if version >= OLDEST {
        return Ok(());
    }
    Err(format!(
        "{} is of CUDA {}.{}, and the feature `cuda` needs {} or later: set CUDA_HOME to a newer toolkit, or run scripts/cuda-toolkit.sh, which fetches one",
        compiler.display(),
        version / 1000,
        version % 1000 / 10,
        OLDEST / 1000
    ))
}

#[cfg(not(feature = "cuda"))]
fn by_nvrtc(_: &Path) -> Result<(Vec<Code>, u32, String), String> {
    Err("the feature `cuda` is off".to_string())
}

/// A file for each architecture that this NVRTC has.
#[cfg(feature = "cuda")]
fn by_nvrtc(library: &Path) -> Result<(Vec<Code>, u32, String), String> {
    let compiler = nvrtc::Nvrtc::open(library, Path::new(KERNELS))?;
    new_enough(library, compiler.version)?;
    // Machine code of 8.0 serves 8.6, which saves a sixth of the time.
    let wanted = ARCHITECTURES.into_iter().filter(|a| *a != "86");
    let wanted = wanted.filter_map(|a| {
        let number = a.trim_end_matches(char::is_alphabetic).parse().ok()?;
        compiler
            .architectures
            .contains(&number)
            .then_some((a, number))
    });
    let one = |a: &str, architecture| {
        let (bytes, said) = compiler.machine_code(a)?;
        let code = Code {
            architecture,
            file: format!("sm_{a}.cubin"),
            bytes,
        };
        Ok::<_, String>((code, said))
    };
    let compiled: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = wanted
            .map(|(a, number)| scope.spawn(move || one(a, number)))
            .collect();
        let done = threads.into_iter().map(|t| {
            t.join()
                .unwrap_or_else(|_| Err("NVRTC's thread panicked".to_string()))
        });
        done.collect()
    });
    let mut codes = Vec::new();
    let mut all = String::new();
    for outcome in compiled {
        let (code, said) = outcome?;
        codes.push(code);
        all += &said;
    }
    let (mut bytes, said) = compiler.newer(NEWER)?;
    all += &said;
    // The driver reads it as a string of C.
    bytes.push(0);
    codes.push(Code {
        architecture: 0,
        file: "kernels.ptx".to_string(),
        bytes,
    });
    Ok((codes, compiler.version, all))
}
