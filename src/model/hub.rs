//! Files from the hub, by hf-hub's synchronous client.

use super::files::{Fetch, offline_by_environment};
use super::manifest::KnownModel;
use hf_hub::api::sync::{Api, ApiBuilder, ApiError};
use hf_hub::{Cache, Repo, RepoType};
use std::fs;
use std::path::{Path, PathBuf};

/// The files of a sentence-transformers model besides those in its modules' folders.
const OPTIONAL: &[&str] = &[
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "tokenizer_config.json",
    "1_Pooling/config.json",
];
const REQUIRED: &[&str] = &["config.json", "tokenizer.json", "model.safetensors"];

/// Fetches a known model's files at its pinned revision.
pub(super) fn fetch_known(model: &KnownModel, to: &Path, fetch: Fetch<'_>) -> Result<(), String> {
    let hub = Hub::open(&model.id, &model.revision, fetch)?;
    for file in &model.files {
        hub.get(&file.path)?.copy(to, &file.path)?;
    }
    Ok(())
}

/// Fetches the files of any model.
pub(super) fn fetch_any(
    id: &str,
    revision: &str,
    to: &Path,
    fetch: Fetch<'_>,
) -> Result<(), String> {
    let hub = Hub::open(id, revision, fetch)?;
    let listed = hub.list();
    for &file in REQUIRED {
        if let Some(listed) = &listed
            && !listed.iter().any(|name| name == file)
        {
            return Err(format!(
                "has no {file} on the hub; only models with safetensors weights and a fast tokenizer are read"
            ));
        }
        hub.get(file)?.copy(to, file)?;
    }
    for &file in OPTIONAL {
        if listed
            .as_ref()
            .is_some_and(|l| !l.iter().any(|name| name == file))
        {
            continue;
        }
        match hub.get(file) {
            Ok(found) => found.copy(to, file)?,
            // Offline, a file that the hub's cache lacks counts as one that the model lacks.
            Err(_) if listed.is_none() => {}
            Err(reason) => return Err(reason),
        }
    }
    Ok(())
}

struct Hub<'a> {
    api: Option<Api>,
    repo: Repo,
    fetch: Fetch<'a>,
}

struct Found(PathBuf);

impl Found {
    fn copy(&self, to: &Path, name: &str) -> Result<(), String> {
        let target = to.join(name);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).map_err(|e| format!("{}: {e}", parent.display()))?;
        }
        fs::copy(&self.0, &target).map_err(|e| format!("{}: {e}", target.display()))?;
        Ok(())
    }
}

impl<'a> Hub<'a> {
    fn open(id: &str, revision: &str, fetch: Fetch<'a>) -> Result<Self, String> {
        let repo = Repo::with_revision(id.to_string(), RepoType::Model, revision.to_string());
        let api = if fetch.offline || offline_by_environment() {
            None
        } else {
            let api = ApiBuilder::from_env().with_progress(false).build();
            Some(api.map_err(|e| e.to_string())?)
        };
        Ok(Self { api, repo, fetch })
    }

    fn list(&self) -> Option<Vec<String>> {
        let info = self.api.as_ref()?.repo(self.repo.clone()).info().ok()?;
        Some(info.siblings.into_iter().map(|s| s.rfilename).collect())
    }

    fn get(&self, file: &str) -> Result<Found, String> {
        if let Some(path) = Cache::from_env().repo(self.repo.clone()).get(file) {
            return Ok(Found(path));
        }
        let Some(api) = &self.api else {
            return Err("offline, and not in the hub client's cache".to_string());
        };
        (self.fetch.say)(&format!(
            "fetching {file} of {} from the hub",
            self.repo.url()
        ));
        let path = api.repo(self.repo.clone()).download(file);
        path.map(Found).map_err(|e| match e {
            ApiError::RequestError(e) if e.to_string().starts_with("http status") => {
                format!("{file}: {e}")
            }
            ApiError::RequestError(e) => format!("cannot be reached ({e})"),
            e => format!("{file}: {e}"),
        })
    }
}
