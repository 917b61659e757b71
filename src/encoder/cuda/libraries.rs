//! Where cuBLASLt is looked for: a toolkit, a Python environment's packages, our own cache, the
//! loader's path. Nothing here is CUDA's; the files are only opened.
#![allow(unsafe_code)]

use libloading::Library;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Names the library itself, or the folder that it lies in.
pub(super) const VARIABLE: &str = "NEARWISE_CUBLASLT";
/// The major versions whose interface we know, the newest first.
const KNOWN: [i32; 2] = [13, 12];
/// Where a toolkit keeps its libraries.
const IN_TOOLKIT: [&str; 4] = [
    "lib64",
    "lib",
    "targets/x86_64-linux/lib",
    "targets/sbsa-linux/lib",
];
/// Where NVIDIA's Python packages keep them, of CUDA 13 and before.
const IN_PACKAGES: [&str; 2] = ["nvidia/cu13/lib", "nvidia/cublas/lib"];
/// What a library must have to be cuBLASLt.
const SYMBOL: &[u8] = b"cublasLtMatmul\0";

/// The versions that work with a driver of a major version, the best first: a library needs a
/// driver as new as itself.
pub(super) fn versions(driver: i32) -> Vec<i32> {
    KNOWN.into_iter().filter(|v| *v <= driver).collect()
}

/// Folders in the order in which they are looked through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Places {
    named: Option<PathBuf>,
    folders: Vec<PathBuf>,
    /// Whether the loader is asked too.
    loader: bool,
}

impl Places {
    /// Those of this host, by its environment. `root` is the root of the file system.
    pub(super) fn new(variable: impl Fn(&str) -> Option<OsString>, root: &Path) -> Self {
        let path = |name: &str| {
            let value = variable(name).filter(|v| !v.is_empty());
            value.map(PathBuf::from)
        };
        let home = path("HOME");
        let caches = [path("XDG_CACHE_HOME"), home.map(|h| h.join(".cache"))];
        let own = caches.into_iter().flatten().flat_map(|cache| {
            // As `scripts/cuda-toolkit.sh` puts them.
            ["cuda/nvidia/cu13/lib", "cuda12/nvidia/cublas/lib"]
                .map(|place| cache.join("nearwise").join(place))
        });
        let named = ["CUDA_HOME", "CUDA_PATH"].into_iter().filter_map(path);
        let installed = matching(&root.join("usr/local"), "cuda").into_iter().rev();
        let toolkits = named
            .chain(installed)
            .flat_map(|toolkit| IN_TOOLKIT.map(|lib| toolkit.join(lib)));
        let environments: Vec<PathBuf> = ["VIRTUAL_ENV", "CONDA_PREFIX"]
            .into_iter()
            .filter_map(path)
            .chain(pythons(&variable("PATH").unwrap_or_default()))
            .collect();
        let packages = environments.iter().flat_map(|environment| {
            // conda's own package of cuBLAS lies in the environment's `lib`.
            let mut all = packages(environment);
            all.push(environment.join("lib"));
            all
        });
        Self {
            named: path(VARIABLE),
            folders: own.chain(toolkits).chain(packages).collect(),
            loader: true,
        }
    }

    /// Those of this process, on this host.
    pub(super) fn of_this_host() -> Self {
        Self::new(variable, Path::new("/"))
    }

    /// The files that there are of a version.
    fn files(&self, version: i32) -> impl Iterator<Item = PathBuf> {
        let name = file_name(version);
        let files = self.folders.iter().map(move |folder| folder.join(&name));
        files.filter(|file| file.exists())
    }

    /// Opens cuBLASLt for a driver of a major version, and says which file it is.
    ///
    /// # Errors
    /// None was found, or none of those could be opened; the file that the variable names is not
    /// one.
    pub(super) fn open(&self, driver: i32) -> Result<(Library, PathBuf), String> {
        let versions = versions(driver);
        if let Some(named) = &self.named {
            return open_named(named, &versions);
        }
        let mut failed = Vec::new();
        for &version in &versions {
            let by_name = self.loader.then(|| PathBuf::from(file_name(version)));
            for file in self.files(version).chain(by_name) {
                match open_one(&file) {
                    Ok(library) => return Ok((library, file)),
                    // What the loader does not find by its name is no news.
                    Err(e) if file.is_absolute() => failed.push(format!("{}: {e}", file.display())),
                    Err(_) => {}
                }
            }
        }
        if let Some(first) = failed.first() {
            return Err(format!("cuBLASLt cannot be opened: {first}"));
        }
        Err(format!(
            "cuBLASLt ({}) was not found: install CUDA's libraries or Python's package nvidia-cublas, run scripts/cuda-toolkit.sh --libraries, or name the file in {VARIABLE}",
            file_names(&versions)
        ))
    }
}

fn file_name(version: i32) -> String {
    format!("libcublasLt.so.{version}")
}

/// As messages name them, the best first.
fn file_names(versions: &[i32]) -> String {
    let names: Vec<String> = versions.iter().map(|v| file_name(*v)).collect();
    names.join(" or ")
}

/// A variable of this process. A service may run without HOME, and its user has one nevertheless.
fn variable(name: &str) -> Option<OsString> {
    match name {
        "HOME" => dirs::home_dir().map(PathBuf::into_os_string),
        _ => std::env::var_os(name),
    }
}

fn open_named(named: &Path, versions: &[i32]) -> Result<(Library, PathBuf), String> {
    let file = if named.is_dir() {
        let files = versions.iter().map(|v| named.join(file_name(*v)));
        files.into_iter().find(|f| f.exists()).ok_or_else(|| {
            let names = file_names(versions);
            format!("{VARIABLE}: {} holds no {names}", named.display())
        })?
    } else {
        named.to_path_buf()
    };
    match open_one(&file) {
        Ok(library) => Ok((library, file)),
        Err(e) => Err(format!("{VARIABLE}: {}: {e}", file.display())),
    }
}

fn open_one(file: &Path) -> Result<Library, String> {
    // SAFETY: it runs the library's initialisers, as linking it would; it is one that the user
    // installed or named, and is asked for nothing but an address.
    unsafe {
        let library = Library::new(file).map_err(|e| e.to_string())?;
        match library.get::<*const ()>(SYMBOL) {
            Ok(_) => Ok(library),
            Err(_) => Err("it is not cuBLASLt".to_string()),
        }
    }
}

/// The subfolders whose name begins so, in the order of their names.
fn matching(folder: &Path, start: &str) -> Vec<PathBuf> {
    let begins = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default();
        name.to_string_lossy().starts_with(start)
    };
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries.map(|e| e.path()).filter(begins).collect();
    found.sort();
    found
}

/// The environments whose Python is in the path: one may be used without being activated.
fn pythons(path: &std::ffi::OsStr) -> Vec<PathBuf> {
    std::env::split_paths(path)
        .filter(|bin| bin.join("python3").exists())
        .filter_map(|bin| bin.parent().map(Path::to_path_buf))
        .collect()
}

/// The folders of NVIDIA's packages in a Python environment.
fn packages(environment: &Path) -> Vec<PathBuf> {
    let pythons = matching(&environment.join("lib"), "python");
    let packages = pythons
        .iter()
        .flat_map(|python| ["site-packages", "dist-packages"].map(|p| python.join(p)));
    packages
        .flat_map(|folder| IN_PACKAGES.map(|lib| folder.join(lib)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::process::Command;

    /// A library that is cuBLASLt by its looks.
    fn library(at: &Path) {
        let source = at.with_extension("cpp");
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        fs::write(&source, "extern \"C\" int cublasLtMatmul() { return 0; }").unwrap();
        let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".to_string());
        let done = Command::new(compiler)
            .args(["-shared", "-fPIC", "-o"])
            .args([at, &source])
            .status();
        assert!(done.unwrap().success());
    }

    fn no_library(at: &Path) {
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        fs::write(at, "no library").unwrap();
    }

    /// Places on a host with these variables, whose root is this folder.
    fn places(root: &Path, variables: &[(&str, &Path)]) -> Places {
        let variable = |name: &str| {
            let found = variables.iter().find(|(n, _)| *n == name);
            found.map(|(_, value)| value.as_os_str().to_os_string())
        };
        Places {
            // What this host has is no part of the test.
            loader: false,
            ..Places::new(variable, root)
        }
    }

    #[test]
    fn it_is_found_where_people_have_it() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let made = root.join("made/libcublasLt.so.13");
        library(&made);
        let venv = root.join("venv");
        let conda = root.join("conda");
        let python = root.join("opt/python");
        fs::create_dir_all(python.join("bin")).unwrap();
        fs::write(python.join("bin/python3"), "").unwrap();
        let bin = python.join("bin");
        for (place, variable, value) in [
            (
                "home/.cache/nearwise/cuda/nvidia/cu13/lib",
                "HOME",
                root.join("home"),
            ),
            (
                "cache/nearwise/cuda/nvidia/cu13/lib",
                "XDG_CACHE_HOME",
                root.join("cache"),
            ),
            ("toolkit/lib64", "CUDA_HOME", root.join("toolkit")),
            ("tk/targets/sbsa-linux/lib", "CUDA_PATH", root.join("tk")),
            ("usr/local/cuda-13.1/lib64", "UNUSED", root.join("")),
            (
                "venv/lib/python3.12/site-packages/nvidia/cu13/lib",
                "VIRTUAL_ENV",
                venv.clone(),
            ),
            (
                "venv/lib/python3.9/site-packages/nvidia/cublas/lib",
                "VIRTUAL_ENV",
                venv,
            ),
            ("conda/lib", "CONDA_PREFIX", conda),
            (
                "opt/python/lib/python3.11/dist-packages/nvidia/cublas/lib",
                "PATH",
                bin,
            ),
            ("made", VARIABLE, root.join("made")),
            ("made", VARIABLE, made.clone()),
        ] {
            let at = root.join(place).join("libcublasLt.so.13");
            if !at.exists() {
                fs::create_dir_all(at.parent().unwrap()).unwrap();
                fs::copy(&made, &at).unwrap();
            }
            let (_, found) = places(root, &[(variable, &value)]).open(13).unwrap();
            assert_eq!(found, at, "{variable}");
            if at != made {
                fs::remove_file(at).unwrap();
            }
        }
    }

    #[test]
    fn without_home_the_users_folder_is_looked_through() {
        const NAME: &str =
            "encoder::cuda::libraries::tests::without_home_the_users_folder_is_looked_through";
        if std::env::var_os("HOME").is_some() {
            // Variables are the whole process's: in one of its own.
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args(["--exact", NAME]).env_remove("HOME");
            let output = command.env_remove("XDG_CACHE_HOME").output().unwrap();
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success(), "{said}");
            assert!(said.contains("1 passed"), "{said}");
            return;
        }
        // A user of no name has no folder.
        let Some(home) = dirs::home_dir() else { return };
        let own = home.join(".cache/nearwise/cuda/nvidia/cu13/lib");
        assert!(Places::of_this_host().folders.contains(&own));
    }

    #[test]
    fn the_version_that_fits_the_driver_comes_first() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        // The older one lies where it is looked for first.
        let old = root.join("toolkit/lib64/libcublasLt.so.12");
        let new = root.join("venv/lib/python3.12/site-packages/nvidia/cu13/lib/libcublasLt.so.13");
        library(&old);
        library(&new);
        let (toolkit, venv) = (root.join("toolkit"), root.join("venv"));
        let all = places(root, &[("CUDA_HOME", &toolkit), ("VIRTUAL_ENV", &venv)]);
        let found = |driver| all.open(driver).unwrap().1;
        assert_eq!(found(12), old);
        assert_eq!(found(13), new);
        assert_eq!(found(14), new);
        // A newer driver takes an older library where there is no other.
        fs::remove_file(&new).unwrap();
        assert_eq!(found(13), old);
        // An older one does not take a newer.
        fs::rename(&old, root.join("toolkit/lib64/libcublasLt.so.13")).unwrap();
        let error = all.open(12).unwrap_err();
        assert!(
            error.contains("libcublasLt.so.12) was not found"),
            "{error}"
        );
    }

    #[test]
    fn what_is_no_library_is_passed_over_and_named_where_there_is_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let torn = root.join("toolkit/lib64/libcublasLt.so.13");
        no_library(&torn);
        let toolkit = root.join("toolkit");
        let all = places(root, &[("CUDA_HOME", &toolkit)]);
        let error = all.open(13).unwrap_err();
        assert!(error.contains(&torn.display().to_string()), "{error}");
        let good = root.join("usr/local/cuda/lib64/libcublasLt.so.13");
        library(&good);
        assert_eq!(
            places(root, &[("CUDA_HOME", &toolkit)]).open(13).unwrap().1,
            good
        );
        // What is named is taken, or told to be wrong.
        for (named, why) in [
            (torn.clone(), "libcublasLt.so.13: "),
            (
                root.to_path_buf(),
                "holds no libcublasLt.so.13 or libcublasLt.so.12",
            ),
            (root.join("gone.so"), "gone.so"),
        ] {
            let error = places(root, &[(VARIABLE, &named), ("CUDA_HOME", &toolkit)])
                .open(13)
                .unwrap_err();
            assert!(error.starts_with("NEARWISE_CUBLASLT: "), "{error}");
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn without_any_it_is_said_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let error = places(folder.path(), &[]).open(13).unwrap_err();
        for part in [
            "libcublasLt.so.13",
            "libcublasLt.so.12",
            "nvidia-cublas",
            VARIABLE,
        ] {
            assert!(error.contains(part), "{error}");
        }
    }
}
