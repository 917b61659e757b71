//! NVRTC, CUDA's compiler as a library: machine code without nvcc and without a host compiler.

use libloading::Library;
use std::ffi::{CString, c_char, c_int, c_void};
use std::path::{Path, PathBuf};

type Program = *mut c_void;

/// NVRTC has no headers of the C library.
const STDINT: &str = "
typedef signed char int8_t;
typedef unsigned char uint8_t;
typedef short int16_t;
typedef unsigned short uint16_t;
typedef int int32_t;
typedef unsigned int uint32_t;
typedef long long int64_t;
typedef unsigned long long uint64_t;
#define INFINITY __int_as_float(0x7f800000)
";

/// The compiler.
pub struct Nvrtc {
    library: Library,
    folder: PathBuf,
    headers: PathBuf,
    /// Its version as the driver counts.
    pub version: u32,
    /// The architectures that it compiles for, ten times the compute capability.
    pub architectures: Vec<u32>,
}

impl Nvrtc {
    /// Opens it for kernels in a folder. CUDA's headers lie beside it: in a toolkit's `include`, or
    /// in that of the Python package of CUDA's runtime.
    pub fn open(file: &Path, kernels: &Path) -> Result<Self, String> {
        // SAFETY: it runs the library's initialisers, as linking it would.
        let library =
            unsafe { Library::new(file) }.map_err(|e| format!("{}: {e}", file.display()))?;
        let toolkit = file.parent().and_then(Path::parent);
        let beside = ["include", "../cuda_runtime/include"];
        let headers = beside
            .into_iter()
            .filter_map(|place| Some(toolkit?.join(place)))
            .find(|folder| folder.join("cuda_fp16.h").is_file())
            .ok_or_else(|| {
                format!(
                    "{}: CUDA's headers (cuda_fp16.h) are not beside it; scripts/cuda-toolkit.sh --cuda12 fetches both",
                    file.display()
                )
            })?;
        let mut out = Self {
            library,
            folder: kernels.to_path_buf(),
            headers,
            version: 0,
            architectures: Vec::new(),
        };
        let (mut major, mut minor, mut count) = (0, 0, 0);
        // SAFETY: the functions have these types in all versions from 12 on, and write as many
        // numbers as there is room for.
        unsafe {
            let version = out.function::<unsafe extern "C" fn(*mut c_int, *mut c_int) -> c_int>(
                "nvrtcVersion",
            )?;
            let number = out.function::<unsafe extern "C" fn(*mut c_int) -> c_int>(
                "nvrtcGetNumSupportedArchs",
            )?;
            let list = out
                .function::<unsafe extern "C" fn(*mut c_int) -> c_int>("nvrtcGetSupportedArchs")?;
            version(&raw mut major, &raw mut minor);
            number(&raw mut count);
            let mut all = vec![0; usize::try_from(count).unwrap_or(0)];
            list(all.as_mut_ptr());
            out.architectures = all.into_iter().map(|a| a as u32).collect();
        }
        out.version = 1000 * major as u32 + 10 * minor as u32;
        Ok(out)
    }

    /// Machine code for an architecture, and what the compiler said.
    pub fn machine_code(&self, architecture: &str) -> Result<(Vec<u8>, String), String> {
        self.compile(&format!("sm_{architecture}"), "CUBIN")
    }

    /// Code that a driver compiles for this and newer architectures.
    pub fn newer(&self, architecture: &str) -> Result<(Vec<u8>, String), String> {
        self.compile(&format!("compute_{architecture}"), "PTX")
    }

    /// # Safety
    /// The function has this type.
    unsafe fn function<F: Copy>(&self, name: &str) -> Result<F, String> {
        // SAFETY: the caller's.
        let found = unsafe { self.library.get::<F>(name.as_bytes()) };
        found.map(|f| *f).map_err(|e| format!("NVRTC: {name}: {e}"))
    }

    fn compile(&self, target: &str, what: &str) -> Result<(Vec<u8>, String), String> {
        let file = self.folder.join("all.cu");
        let source = std::fs::read(&file).map_err(|e| format!("{}: {e}", file.display()))?;
        let text = |s: Vec<u8>| CString::new(s).map_err(|e| format!("{}: {e}", file.display()));
        let (source, name) = (text(source)?, text(b"all.cu".to_vec())?);
        let (header, header_name) = (text(STDINT.into())?, text(b"stdint.h".to_vec())?);
        let mut options = vec![
            format!("--gpu-architecture={target}"),
            "--std=c++17".to_string(),
            format!("--include-path={}", self.folder.display()),
            format!("--include-path={}", self.headers.display()),
        ];
        if what == "CUBIN" {
            options.push("--ptxas-options=--warn-on-spills".to_string());
        }
        let options: Vec<CString> = options
            .into_iter()
            .map(|o| text(o.into_bytes()))
            .collect::<Result<_, _>>()?;
        let options: Vec<*const c_char> = options.iter().map(|o| o.as_ptr()).collect();
        type Create = unsafe extern "C" fn(
            *mut Program,
            *const c_char,
            *const c_char,
            c_int,
            *const *const c_char,
            *const *const c_char,
        ) -> c_int;
        type Compile = unsafe extern "C" fn(Program, c_int, *const *const c_char) -> c_int;
        type Destroy = unsafe extern "C" fn(*mut Program) -> c_int;
        // SAFETY: the functions have these types; all strings live as long as they are used, and
        // the program is destroyed once.
        unsafe {
            let mut program: Program = std::ptr::null_mut();
            let made = self.function::<Create>("nvrtcCreateProgram")?(
                &raw mut program,
                source.as_ptr(),
                name.as_ptr(),
                1,
                [header.as_ptr()].as_ptr(),
                [header_name.as_ptr()].as_ptr(),
            );
            if made != 0 {
                return Err(format!("NVRTC makes no program (error {made})"));
            }
            let count = c_int::try_from(options.len()).unwrap_or(0);
            let done =
                self.function::<Compile>("nvrtcCompileProgram")?(program, count, options.as_ptr());
            let said = self.text_of(program, "ProgramLog");
            let code = if done == 0 {
                self.text_of(program, what)
            } else {
                Ok(Vec::new())
            };
            self.function::<Destroy>("nvrtcDestroyProgram")?(&raw mut program);
            let said = String::from_utf8_lossy(&said?)
                .trim_end_matches('\0')
                .to_string();
            if done != 0 {
                return Err(format!(
                    "NVRTC could not compile the kernels for {target} (error {done}):\n{said}"
                ));
            }
            Ok((code?, said))
        }
    }

    /// What a program has of a kind: its size is asked for first.
    ///
    /// # Safety
    /// The program is alive.
    unsafe fn text_of(&self, program: Program, what: &str) -> Result<Vec<u8>, String> {
        type Size = unsafe extern "C" fn(Program, *mut usize) -> c_int;
        type Get = unsafe extern "C" fn(Program, *mut c_char) -> c_int;
        // SAFETY: the functions have these types; the second writes as many bytes as the first says.
        unsafe {
            let mut size = 0;
            let sized =
                self.function::<Size>(&format!("nvrtcGet{what}Size"))?(program, &raw mut size);
            let mut bytes = vec![0u8; size];
            let got = self.function::<Get>(&format!("nvrtcGet{what}"))?(
                program,
                bytes.as_mut_ptr().cast(),
            );
            match (sized, got) {
                (0, 0) => Ok(bytes),
                _ => Err(format!("NVRTC gives no {what} (errors {sized} and {got})")),
            }
        }
    }
}
