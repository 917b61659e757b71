//! Files from the hub, by hf-hub's synchronous client.

use super::files::Fetch;
use super::manifest::KnownModel;
use hf_hub::api::sync::{Api, ApiBuilder, ApiError};
use hf_hub::{Cache, Repo, RepoType};
use std::fs;
use std::path::{Component, Path, PathBuf};

/// The files of a sentence-transformers model besides those in its modules' folders.
const OPTIONAL: &[&str] = &[
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "tokenizer_config.json",
];
const MODULES: &str = "modules.json";
const REQUIRED: &[&str] = &["config.json", "tokenizer.json", "model.safetensors"];

/// Fetches a known model's files at its pinned revision.
pub(super) fn fetch_known(model: &KnownModel, to: &Path, fetch: &Fetch) -> Result<(), String> {
    let hub = Hub::open(&model.id, &model.revision, fetch)?;
    for file in &model.files {
        hub.get(&file.path)?.copy(to, &file.path)?;
    }
    Ok(())
}

/// Fetches the files of any model.
pub(super) fn fetch_any(id: &str, revision: &str, to: &Path, fetch: &Fetch) -> Result<(), String> {
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
    let optional = |file: &str| -> Result<(), String> {
        if listed
            .as_ref()
            .is_some_and(|l| !l.iter().any(|name| name == file))
        {
            return Ok(());
        }
        match hub.get(file) {
            Ok(found) => found.copy(to, file),
            // Offline, a file that the hub's cache lacks counts as one that the model lacks.
            Err(_) if listed.is_none() => Ok(()),
            Err(reason) => Err(reason),
        }
    };
    for file in OPTIONAL {
        optional(file)?;
    }
    // Which modules there are, and in which folders, the model says itself.
    optional(MODULES)?;
    for folder in modules(&to.join(MODULES))? {
        optional(&format!("{folder}/config.json"))?;
    }
    Ok(())
}

/// The folders of a model's modules; the transformer's own is the model's.
fn modules(path: &Path) -> Result<Vec<String>, String> {
    #[derive(serde::Deserialize)]
    struct Module {
        path: String,
    }
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(path).map_err(|e| format!("{MODULES}: {e}"))?;
    let modules: Vec<Module> =
        serde_json::from_str(&text).map_err(|e| format!("{MODULES}: {e}"))?;
    let mut out = Vec::new();
    for Module { path } in modules {
        let inside = |c: Component<'_>| matches!(c, Component::Normal(_));
        if !Path::new(&path).components().all(inside) {
            return Err(format!(
                "{MODULES} names the folder {path:?}, which is not the model's"
            ));
        }
        if !path.is_empty() {
            out.push(path);
        }
    }
    Ok(out)
}

struct Hub<'a> {
    api: Option<Api>,
    repo: Repo,
    fetch: &'a Fetch,
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
    fn open(id: &str, revision: &str, fetch: &'a Fetch) -> Result<Self, String> {
        let repo = Repo::with_revision(id.to_string(), RepoType::Model, revision.to_string());
        let api = if fetch.offline() {
            None
        } else {
            let api = ApiBuilder::from_env().with_progress(false).build();
            Some(api.map_err(|e| e.to_string())?)
        };
        Ok(Self { api, repo, fetch })
    }

    fn list(&self) -> Option<Vec<String>> {
        let of_model = self.api.as_ref()?.repo(self.repo.clone());
        let info = self.fetch.job.run_apart(move || of_model.info());
        let info = info.ok()?.ok()?;
        Some(info.siblings.into_iter().map(|s| s.rfilename).collect())
    }

    fn get(&self, file: &str) -> Result<Found, String> {
        if let Some(path) = Cache::from_env().repo(self.repo.clone()).get(file) {
            return Ok(Found(path));
        }
        let Some(api) = &self.api else {
            return Err("offline, and not in the hub client's cache".to_string());
        };
        self.fetch.say(format!(
            "fetching {file} of {} from the hub",
            self.repo.url()
        ));
        let (of_file, name) = (api.repo(self.repo.clone()), file.to_string());
        let path = self.fetch.job.run_apart(move || of_file.download(&name));
        let path = path.map_err(|e| e.to_string())?;
        path.map(Found).map_err(|e| match e {
            ApiError::RequestError(e) if e.to_string().starts_with("http status") => {
                format!("{file}: {e}")
            }
            ApiError::RequestError(e) => format!("cannot be reached ({e})"),
            e => format!("{file}: {e}"),
        })
    }
}
