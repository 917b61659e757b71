//! Files from the hub, by hf-hub's synchronous client.

use super::added_tokens::{ADDED_FILE, SPECIAL_FILE};
use super::files::Fetch;
use super::layout::{self, MODULES_FILE};
use super::manifest::KnownModel;
use super::{families, head};
use crate::error::{Error, ErrorKind, Result};
use hf_hub::api::sync::{Api, ApiBuilder, ApiError};
use hf_hub::{Cache, Repo, RepoType};
use std::fs;
use std::path::{Path, PathBuf};

/// The files of a sentence-transformers model besides those in its modules' folders.
const OPTIONAL: &[&str] = &[
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "tokenizer_config.json",
    SPECIAL_FILE,
    ADDED_FILE,
    layout::ADAPTER,
    layout::CHAT_TEMPLATE,
];
/// The transformer's files, besides its weights.
const REQUIRED: &[&str] = &["config.json", "tokenizer.json"];

/// Fetches a known model's files at its pinned revision.
pub(super) fn fetch_known(model: &KnownModel, to: &Path, fetch: &Fetch) -> Result<()> {
    let hub = Hub::open(&model.id, &model.revision, fetch)?;
    for file in &model.files {
        hub.get(&file.path)?.copy(to, &file.path)?;
    }
    Ok(())
}

/// Fetches the files of any model, and says which commit the hub has them of, where it tells.
///
/// What says that the model cannot be read is fetched first, before weights of gigabytes.
pub(super) fn fetch_any(
    id: &str,
    revision: &str,
    to: &Path,
    fetch: &Fetch,
) -> Result<Option<String>> {
    let hub = Hub::open(id, revision, fetch)?;
    let (commit, listed) = hub.list();
    let lacks = |file: &str| {
        let listed = listed.as_ref();
        listed.is_some_and(|l| !l.iter().any(|name| name == file))
    };
    let optional = |file: &str| -> Result<()> {
        if lacks(file) {
            return Ok(());
        }
        match hub.get(file) {
            Ok(found) => found.copy(to, file),
            // Offline, a file that the hub's cache lacks counts as one that the model lacks.
            Err(_) if listed.is_none() => Ok(()),
            Err(reason) => Err(reason),
        }
    };
    // Which modules there are, and in which folders, the model says itself.
    optional(MODULES_FILE)?;
    let layout = layout::Layout::read(id, to)?;
    head::check_classes(&layout.modules).map_err(unusable)?;
    optional(&layout.file(layout::ADAPTER))?;
    layout::no_adapter(&layout, to).map_err(unusable)?;
    for &name in REQUIRED {
        let file = &layout.file(name);
        if lacks(file) {
            return Err(unusable(format!(
                "has no {file} on the hub; only models with a fast tokenizer are read"
            )));
        }
        hub.get(file)?.copy(to, file)?;
        if name == "config.json" {
            let text = layout::read(id, &to.join(file))?.unwrap_or_default();
            families::describe(&text).map_err(|m| unusable(format!("{file}: {m}")))?;
        }
    }
    for &name in OPTIONAL {
        optional(name)?;
        if layout.file(name) != name {
            optional(&layout.file(name))?;
        }
    }
    for module in layout.modules.iter().filter(|m| !m.path.is_empty()) {
        optional(&module.file("config.json"))?;
        if module.has_weights() {
            optional(&module.file(layout::WEIGHTS))?;
        }
    }
    let (whole, index) = (
        layout.file(layout::WEIGHTS),
        layout.file(layout::WEIGHTS_INDEX),
    );
    match (lacks(&whole), lacks(&index)) {
        (true, true) => {
            return Err(unusable(format!(
                "has no {whole} on the hub; only models with safetensors weights are read"
            )));
        }
        (false, _) => match hub.get(&whole) {
            Ok(found) => {
                found.copy(to, &whole)?;
                return Ok(commit);
            }
            // Offline, the weights may be in several files.
            Err(reason) if listed.is_none() => {
                let Ok(found) = hub.get(&index) else {
                    return Err(reason);
                };
                found.copy(to, &index)?;
            }
            Err(reason) => return Err(reason),
        },
        (true, false) => hub.get(&index)?.copy(to, &index)?,
    }
    for shard in layout
        .weights(id, to)?
        .iter()
        .filter(|name| **name != index)
    {
        hub.get(shard)?.copy(to, shard)?;
    }
    Ok(commit)
}

fn unusable(message: String) -> Error {
    Error::new(ErrorKind::Model, "", message)
}

struct Hub<'a> {
    api: Option<Api>,
    repo: Repo,
    fetch: &'a Fetch,
}

struct Found(PathBuf);

impl Found {
    fn copy(&self, to: &Path, name: &str) -> Result<()> {
        let target = to.join(name);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).map_err(|e| Error::io(parent, e))?;
        }
        fs::copy(&self.0, &target).map_err(|e| Error::io(&target, e))?;
        Ok(())
    }
}

impl<'a> Hub<'a> {
    fn open(id: &str, revision: &str, fetch: &'a Fetch) -> Result<Self> {
        let repo = Repo::with_revision(id.to_string(), RepoType::Model, revision.to_string());
        let api = if fetch.offline() {
            None
        } else {
            let api = ApiBuilder::from_env().with_progress(false).build();
            Some(api.map_err(|e| failed("", e))?)
        };
        Ok(Self { api, repo, fetch })
    }

    /// The commit, and the names of all files.
    fn list(&self) -> (Option<String>, Option<Vec<String>>) {
        let Some(api) = self.api.as_ref() else {
            return (None, None);
        };
        let of_model = api.repo(self.repo.clone());
        match self.fetch.job.run_apart(move || of_model.info()) {
            Ok(Ok(info)) => {
                let names = info.siblings.into_iter().map(|s| s.rfilename);
                (Some(info.sha), Some(names.collect()))
            }
            _ => (None, None),
        }
    }

    fn get(&self, file: &str) -> Result<Found> {
        if let Some(path) = Cache::from_env().repo(self.repo.clone()).get(file) {
            return Ok(Found(path));
        }
        let Some(api) = &self.api else {
            let message = "offline, and not in the hub client's cache";
            return Err(Error::new(ErrorKind::Network, "", message));
        };
        self.fetch.say(format!(
            "fetching {file} of {} from the hub",
            self.repo.url()
        ));
        let (of_file, name) = (api.repo(self.repo.clone()), file.to_string());
        let path = self.fetch.job.run_apart(move || of_file.download(&name));
        path?.map(Found).map_err(|e| failed(file, e))
    }
}

/// What went wrong with a file of the hub, by kind.
fn failed(file: &str, e: ApiError) -> Error {
    let (kind, message) = match &e {
        ApiError::RequestError(e) if !e.to_string().starts_with("http status") => {
            let message = format!("cannot be reached ({e})");
            return Error::new(ErrorKind::Network, "", message).with_source(e.to_string());
        }
        ApiError::RequestError(e) => (ErrorKind::Network, e.to_string()),
        // The client's own cache may be on a disk that is full.
        ApiError::IoError(e) => {
            use std::io::ErrorKind as Io;
            let kind = match e.kind() {
                Io::StorageFull | Io::QuotaExceeded => ErrorKind::DiskFull,
                Io::ReadOnlyFilesystem | Io::PermissionDenied => ErrorKind::ReadOnly,
                _ => ErrorKind::Network,
            };
            (kind, e.to_string())
        }
        ApiError::InvalidResume => (ErrorKind::Damaged, e.to_string()),
        _ => (ErrorKind::Network, e.to_string()),
    };
    Error::new(kind, file, message).with_source(e)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    #[test]
    fn a_full_disk_is_no_failure_of_the_network() {
        for (code, kind) in [
            (std::io::ErrorKind::StorageFull, ErrorKind::DiskFull),
            (std::io::ErrorKind::ReadOnlyFilesystem, ErrorKind::ReadOnly),
            (std::io::ErrorKind::ConnectionReset, ErrorKind::Network),
        ] {
            let error = failed("config.json", ApiError::IoError(code.into()));
            assert_eq!(error.kind(), kind, "{error}");
            assert_eq!(error.place(), "config.json");
            assert!(error.source().is_some());
        }
    }
}
