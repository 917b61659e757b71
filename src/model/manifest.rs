//! The manifest of known models, `models/models.toml`, compiled in.

use serde::Deserialize;
use std::sync::LazyLock;

/// A model known by name, with its sources and the hash of each of its files.
#[derive(Debug, Clone, Deserialize)]
pub struct KnownModel {
    /// Its id on the hub.
    pub id: String,
    /// Shorter names.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// The commit on the hub.
    pub revision: String,
    /// Its licence, as an SPDX identifier.
    pub licence: String,
    /// One line about it.
    pub about: String,
    /// The languages that it was trained on, in ISO 639-3; none where they are not known.
    #[serde(default)]
    pub languages: Vec<String>,
    /// The least cosine of its vectors computed with int8 to those computed with f32, where it
    /// was measured (`benches/peers/speed.py`).
    pub int8_cosine: Option<f64>,
    /// A Python package that holds the same files.
    pub package: Option<Package>,
    /// Its files.
    pub files: Vec<KnownFile>,
}

/// A Python package that holds a model's files.
#[derive(Debug, Clone, Deserialize)]
pub struct Package {
    /// The package's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The folder of the files in it.
    pub folder: String,
}

/// A file of a known model.
#[derive(Debug, Clone, Deserialize)]
pub struct KnownFile {
    /// Where it is in the model's folder.
    pub path: String,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

#[derive(Deserialize)]
struct Manifest {
    model: Vec<KnownModel>,
}

static KNOWN: LazyLock<Vec<KnownModel>> = LazyLock::new(|| {
    toml::from_str::<Manifest>(include_str!("../../models/models.toml"))
        .map(|manifest| manifest.model)
        // The manifest is part of the program, and a test parses it.
        .unwrap_or_default()
});

/// Every known model.
pub fn known_models() -> &'static [KnownModel] {
    &KNOWN
}

/// The known model of this id or alias.
pub(crate) fn known(name: &str) -> Option<&'static KnownModel> {
    known_models()
        .iter()
        .find(|m| m.id == name || m.aliases.iter().any(|a| a == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_parses_and_pins_everything() {
        assert!(known(crate::model::DEFAULT_MODEL).is_some());
        assert!(known("all-MiniLM-L6-v2").is_some());
        for model in known_models() {
            assert_eq!(model.revision.len(), 40, "{}", model.id);
            assert!(!model.licence.is_empty());
            for file in &model.files {
                assert_eq!(file.sha256.len(), 64, "{}", file.path);
            }
            for needed in ["config.json", "tokenizer.json", "model.safetensors"] {
                assert!(model.files.iter().any(|f| f.path == needed), "{needed}");
            }
        }
    }
}
