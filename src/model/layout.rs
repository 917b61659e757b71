//! Where the files of a model stand in its folder.

use crate::error::{Error, Result};
use serde::Deserialize;
use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

/// The most of a file of settings that is read: real ones have a few KB.
pub(super) const SETTINGS_BYTES: u64 = 1 << 20;
/// As much of the tokenizer's settings, which may list added tokens: Gemma's have 6,000 of them and
/// 1.2 MB.
const LISTS_BYTES: u64 = 16 << 20;
/// The most modules of a model: real ones have two to four.
const MODULES: usize = 16;
/// The file that lists them.
pub(super) const MODULES_FILE: &str = "modules.json";
/// The tokenizer's settings, of which the length and the inputs are read.
pub(super) const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
/// What says that weights are only what is added to those of another model.
pub(super) const ADAPTER: &str = "adapter_config.json";
/// What the classes of sentence-transformers' own modules begin with.
const OWN: &str = "sentence_transformers.";
/// How messages become one text, of models that are given some.
pub(super) const CHAT_TEMPLATE: &str = "chat_template.jinja";
/// What a checkout without Git LFS has in place of a large file.
const LFS: &[u8] = b"version https://git-lfs.github.com/spec/";

/// One of a model's modules.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Module {
    /// Its folder in that of the model; empty for the model's own.
    pub path: String,
    /// Its class in Python.
    #[serde(rename = "type")]
    pub kind: String,
}

impl Module {
    /// The class, without where it stands; the whole of it where it is none of
    /// sentence-transformers' own, whatever it is called.
    pub(super) fn class(&self) -> &str {
        match self.kind.strip_prefix(OWN) {
            Some(own) => own.rsplit('.').next().unwrap_or(""),
            None => &self.kind,
        }
    }

    /// Whether it has a file of weights of its own, beside those of the transformer.
    pub(super) fn has_weights(&self) -> bool {
        matches!(self.class(), "Dense" | "LayerNorm")
    }

    /// A file of the module, by its path in the model's folder.
    pub(super) fn file(&self, name: &str) -> String {
        inside(&self.path, name)
    }
}

fn inside(folder: &str, name: &str) -> String {
    if folder.is_empty() {
        name.to_string()
    } else {
        format!("{folder}/{name}")
    }
}

/// The modules of a model, and where its transformer's files are.
#[derive(Debug, Clone, Default)]
pub(super) struct Layout {
    /// As `modules.json` lists them; none where there is no such file.
    pub modules: Vec<Module>,
    /// The folder of the transformer; empty for the model's own. Older models have
    /// `0_Transformer`.
    transformer: String,
}

impl Layout {
    /// Reads `modules.json`.
    ///
    /// # Errors
    /// It is malformed, or names a folder that is not the model's.
    pub(super) fn read(model: &str, folder: &Path) -> Result<Self> {
        let Some(text) = read(model, &folder.join(MODULES_FILE))? else {
            return Ok(Self::default());
        };
        let bad = |m: String| Error::model(model, format!("{MODULES_FILE}: {m}"));
        let modules = parse(&text).map_err(bad)?;
        if modules.is_empty() {
            return Err(bad("it lists no module".to_string()));
        }
        let transformer = modules.iter().find(|m| m.class() == "Transformer");
        let transformer = transformer.map_or(String::new(), |m| m.path.clone());
        Ok(Self {
            modules,
            transformer,
        })
    }

    /// A file of the transformer, by its path in the model's folder.
    pub(super) fn file(&self, name: &str) -> String {
        inside(&self.transformer, name)
    }

    /// The transformer's files of weights, by their paths in the model's folder: one, or those
    /// that an index lists, whose own comes first.
    ///
    /// # Errors
    /// The index is malformed, or names a file outside the folder.
    pub(super) fn weights(&self, model: &str, folder: &Path) -> Result<Vec<String>> {
        let whole = self.file(WEIGHTS);
        let index = self.file(WEIGHTS_INDEX);
        if folder.join(&whole).is_file() {
            return Ok(vec![whole]);
        }
        let Some(text) = read_up_to(model, &folder.join(&index), INDEX_BYTES)? else {
            return Ok(vec![whole]);
        };
        let shards = shards(&text).map_err(|m| Error::model(model, format!("{index}: {m}")))?;
        let shards = shards.iter().map(|name| self.file(name));
        Ok(std::iter::once(index).chain(shards).collect())
    }
}

/// The transformer's weights.
pub(super) const WEIGHTS: &str = "model.safetensors";
/// The list of the files of weights, where there are several.
pub(super) const WEIGHTS_INDEX: &str = "model.safetensors.index.json";
/// The most of such a list that is read; that of a model of 100,000 tensors has some 10 MB.
const INDEX_BYTES: u64 = 32 << 20;
/// The most files of weights.
const SHARDS: usize = 1024;

/// The files that an index of weights names, each once.
fn shards(text: &str) -> std::result::Result<Vec<String>, String> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: std::collections::HashMap<String, String>,
    }
    let index: Index = serde_json::from_str(text).map_err(|e| e.to_string())?;
    let names: std::collections::BTreeSet<String> = index.weight_map.into_values().collect();
    if names.is_empty() || names.len() > SHARDS {
        return Err(format!(
            "names {} files; 1 to {SHARDS} can be used",
            names.len()
        ));
    }
    for name in &names {
        let mut parts = Path::new(name).components();
        let plain = matches!(parts.next(), Some(Component::Normal(_))) && parts.next().is_none();
        if !plain || name.contains('\\') || !name.ends_with(".safetensors") {
            return Err(format!(
                "{name:?} is no file of weights in the model's folder"
            ));
        }
    }
    Ok(names.into_iter().collect())
}

/// The modules that a `modules.json` lists.
pub(super) fn parse(text: &str) -> std::result::Result<Vec<Module>, String> {
    let mut modules: Vec<Module> = serde_json::from_str(text).map_err(|e| e.to_string())?;
    if modules.len() > MODULES {
        return Err(format!(
            "{} modules, and at most {MODULES} are read",
            modules.len()
        ));
    }
    for module in &mut modules {
        let inside = |c: Component<'_>| matches!(c, Component::Normal(_) | Component::CurDir);
        // A backslash parts folders on Windows alone, and stands in no model's.
        if !Path::new(&module.path).components().all(inside) || module.path.contains('\\') {
            return Err(format!(
                "the folder {:?} is not inside the model's",
                module.path
            ));
        }
        let parts = module.path.split('/');
        let parts: Vec<&str> = parts.filter(|p| !p.is_empty() && *p != ".").collect();
        module.path = parts.join("/");
    }
    Ok(modules)
}

/// A file of settings; `None` where there is none.
pub(super) fn read(model: &str, path: &Path) -> Result<Option<String>> {
    let lists = path.ends_with(TOKENIZER_CONFIG);
    let most = if lists { LISTS_BYTES } else { SETTINGS_BYTES };
    read_up_to(model, path, most)
}

fn read_up_to(model: &str, path: &Path, most: u64) -> Result<Option<String>> {
    let bad = |message: String| Error::model(model, format!("{}: {message}", path.display()));
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(bad(e.to_string()).with_source(e)),
    };
    let mut text = String::new();
    let read = file.take(most + 1).read_to_string(&mut text);
    read.map_err(|e| bad(e.to_string()).with_source(e))?;
    if text.len() as u64 > most {
        return Err(bad(format!("longer than {} KiB", most >> 10)));
    }
    Ok(Some(text))
}

/// Whether a model can be read from its folder: safetensors weights, a fast tokenizer, a
/// configuration. Weights in pickles are never read, because a pickle runs code.
///
/// # Errors
/// A file is missing, or is not what its name says.
pub(super) fn require(model: &str, folder: &Path) -> Result<()> {
    let layout = Layout::read(model, folder)?;
    for (name, hint) in [
        ("config.json", "is this a sentence-transformers folder?"),
        (
            "tokenizer.json",
            "save the model's fast tokenizer there (`AutoTokenizer.from_pretrained(...).save_pretrained(...)`)",
        ),
        (
            WEIGHTS,
            "only safetensors weights are read; convert other weights with `save_pretrained(..., safe_serialization=True)`",
        ),
    ] {
        let path = folder.join(layout.file(name));
        if path.is_file() {
            pointer(model, &path)?;
            continue;
        }
        if name == WEIGHTS && path.with_file_name(WEIGHTS_INDEX).is_file() {
            for shard in layout.weights(model, folder)? {
                let path = folder.join(&shard);
                if !path.is_file() {
                    let message = format!("{} names {shard}, which is missing", WEIGHTS_INDEX);
                    return Err(Error::model(model, message));
                }
                pointer(model, &path)?;
            }
            continue;
        }
        let place = path.parent().unwrap_or(folder);
        let instead = match name {
            "config.json" => in_place_of_model(place),
            WEIGHTS => in_place_of_weights(place),
            _ => None,
        };
        let hint = instead.unwrap_or_else(|| hint.to_string());
        let place = place.display();
        return Err(Error::model(
            model,
            format!("{place} has no {name}; {hint}"),
        ));
    }
    for module in layout.modules.iter().filter(|m| m.has_weights()) {
        for name in [module.file("config.json"), module.file(WEIGHTS)] {
            let path = folder.join(&name);
            if !path.is_file() {
                let message = format!(
                    "{MODULES_FILE} names a {}, and there is no {name}; only safetensors weights are read",
                    module.class()
                );
                return Err(Error::model(model, message));
            }
            pointer(model, &path)?;
        }
    }
    Ok(())
}

/// What is said of a model as llama.cpp has it.
pub(super) const GGUF: &str = "GGUF is not read; name the model that it was made of, with its config.json, tokenizer.json and safetensors weights";
/// The most entries of a folder that are looked at for what there is instead of a file.
const ENTRIES: usize = 1000;

/// The names of what is in a folder, in order; none where it cannot be read.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let names = entries.take(ENTRIES).filter_map(|entry| {
        let entry = entry.ok()?;
        entry.file_name().into_string().ok()
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// What a folder without a configuration has instead, and what can be done with it.
fn in_place_of_model(folder: &Path) -> Option<String> {
    let snapshots = folder.join("snapshots");
    if let Some(commit) = snapshot(folder, &snapshots) {
        let path = snapshots.join(commit);
        return Some(format!(
            "it is a folder of the hub's cache; the model is in {}",
            path.display()
        ));
    }
    let is_gguf = |name: &String| name.ends_with(".gguf");
    names(folder).iter().any(is_gguf).then(|| GGUF.to_string())
}

/// The commit in a folder of the hub's cache that `main` is, else the first that there is.
fn snapshot(folder: &Path, snapshots: &Path) -> Option<String> {
    let main = read("", &folder.join("refs/main")).ok().flatten();
    let main = main.map(|commit| commit.trim().to_string());
    let mut all = names(snapshots);
    let at = main.and_then(|main| all.iter().position(|name| *name == main));
    (!all.is_empty()).then(|| all.swap_remove(at.unwrap_or(0)))
}

/// The files of weights that a folder has instead of those that are read, and what can be done with
/// them; `None` where there are none, or what is usually said of weights helps.
fn in_place_of_weights(folder: &Path) -> Option<String> {
    let here = names(folder);
    let with = |end: &str| here.iter().find(|name| name.ends_with(end));
    if let Some(name) = with(".safetensors") {
        return Some(format!(
            "there is {name}: where it has all weights of this model, copy it to {WEIGHTS}"
        ));
    }
    // Pickles, which `save_pretrained` turns into safetensors.
    if let Some(name) = with(".bin") {
        return Some(format!(
            "there is {name}, a pickle, which is not read; convert it with `AutoModel.from_pretrained(...).save_pretrained(..., safe_serialization=True)`"
        ));
    }
    let onnx = names(&folder.join("onnx"));
    if here.iter().chain(&onnx).any(|name| name.ends_with(".onnx")) {
        return Some(
            "only an ONNX model is here, which is not read; take the original repository, from which it was made, with safetensors weights"
                .to_string(),
        );
    }
    if with(".gguf").is_some() {
        return Some(GGUF.to_string());
    }
    let other = [".h5", ".msgpack", ".ot"].into_iter().find_map(with)?;
    Some(format!(
        "there is {other}, which is not read; take the original repository with safetensors weights, or convert it with HF transformers 4 (`AutoModel.from_pretrained(..., from_tf=True)`, `from_flax=True`, then `save_pretrained`)"
    ))
}

/// Fails where the weights are those of an adapter, or are to be changed by one.
///
/// # Errors
/// As said, in one line without the model's name.
pub(super) fn no_adapter(layout: &Layout, folder: &Path) -> std::result::Result<(), String> {
    let name = layout.file(ADAPTER);
    if !folder.join(&name).is_file() {
        return Ok(());
    }
    Err(format!(
        "{name}: the model is an adapter of another one (LoRA or the like), which is not read; put both together with peft (`model.merge_and_unload()`) and save the result"
    ))
}

/// Fails where a file is Git LFS's note of where the file itself is.
fn pointer(model: &str, path: &Path) -> Result<()> {
    let mut start = [0; LFS.len()];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut start));
    if read.is_ok() && start == *LFS {
        return Err(Error::model(
            model,
            format!(
                "{} is a Git LFS pointer, not the file itself; run `git lfs pull` in its folder",
                path.display()
            ),
        ));
    }
    Ok(())
}

/// A file of the transformer of the model in `folder`; the model was found by [`require`] before.
pub(super) fn file(model: &str, folder: &Path, name: &str) -> Result<PathBuf> {
    Ok(folder.join(Layout::read(model, folder)?.file(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_outside_the_model_are_refused() {
        let of = |path: &str| {
            parse(&format!(
                r#"[{{"idx": 0, "path": {path:?}, "type": "sentence_transformers.models.Pooling"}}]"#
            ))
        };
        assert_eq!(of("1_Pooling").unwrap()[0].file("a"), "1_Pooling/a");
        assert_eq!(of("1_Pooling/").unwrap()[0].file("a"), "1_Pooling/a");
        for path in ["", ".", "./"] {
            assert_eq!(of(path).unwrap()[0].file("a"), "a", "{path}");
        }
        assert_eq!(of("./1_Pooling").unwrap()[0].file("a"), "1_Pooling/a");
        for path in ["../out", "/etc", "a/../../b", "./..", "a\\..\\b"] {
            assert!(of(path).is_err(), "{path}");
        }
        let many = format!("[{}]", vec![r#"{"path": "", "type": "x"}"#; 17].join(","));
        assert!(parse(&many).unwrap_err().contains("17 modules"));
    }

    #[test]
    fn a_long_file_of_settings_is_refused_unread() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        assert!(read("m", &path).unwrap().is_none());
        let file = File::create(&path).unwrap();
        file.set_len(SETTINGS_BYTES * 1000).unwrap();
        let e = read("m", &path).unwrap_err();
        assert!(e.to_string().contains("longer than 1024 KiB"), "{e}");
    }
}
