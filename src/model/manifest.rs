//! The manifest of known models, `models/models.toml`, compiled in.

use serde::Deserialize;
use std::sync::LazyLock;

/// What a model is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Purpose {
    /// It gives vectors of texts.
    #[default]
    Embedding,
    /// It judges pairs of texts.
    Reranking,
}

/// A model known by name, with its sources and the hash of each of its files. One without files is
/// pinned on first use: the hashes of its files are written down when they are fetched, and
/// compared from then on.
#[derive(Debug, Clone, Deserialize)]
pub struct KnownModel {
    /// Its id on the hub.
    pub id: String,
    /// Shorter names.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// The commit on the hub; a branch for a model that is pinned on first use.
    pub revision: String,
    /// What it is for.
    #[serde(default)]
    pub purpose: Purpose,
    /// The length of its vectors; 1 for a re-ranker.
    pub dim: usize,
    /// The most tokens of one text, or of one pair of texts.
    pub max_tokens: usize,
    /// Its weights, in millions.
    pub parameters: f64,
    /// Its licence, as an SPDX identifier.
    pub licence: String,
    /// One line about it.
    pub about: String,
    /// The languages that it was trained on, in ISO 639-3; `mul` for some hundred of them, none
    /// where they are not known.
    #[serde(default)]
    pub languages: Vec<String>,
    /// The least cosine of its vectors computed with int8 to those computed with f32, where it
    /// was measured (`benches/peers/speed.py`).
    pub int8_cosine: Option<f64>,
    /// A Python package that holds the same files.
    pub package: Option<Package>,
    /// Its files.
    #[serde(default)]
    pub files: Vec<KnownFile>,
}

impl KnownModel {
    /// The bytes of all its files, where they are known.
    pub fn bytes(&self) -> Option<u64> {
        let bytes = self.files.iter().map(|file| file.bytes).sum();
        (!self.files.is_empty()).then_some(bytes)
    }

    /// Whether it was trained on some hundred languages.
    pub fn is_multilingual(&self) -> bool {
        self.languages.iter().any(|l| l == "mul")
    }
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
    /// The length of its wheel, in bytes.
    pub bytes: u64,
    /// The wheel's SHA-256, in hexadecimal.
    pub sha256: String,
}

/// A file of a known model.
#[derive(Debug, Clone, Deserialize)]
pub struct KnownFile {
    /// Where it is in the model's folder.
    pub path: String,
    /// Its length in bytes.
    pub bytes: u64,
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
        assert!(known(crate::model::MULTILINGUAL).is_some_and(KnownModel::is_multilingual));
        let reranker = known(crate::model::DEFAULT_RERANKER).unwrap();
        assert_eq!(reranker.purpose, Purpose::Reranking);
        for model in known_models() {
            assert!(!model.licence.is_empty());
            assert!(model.dim > 0 && model.max_tokens > 0, "{}", model.id);
            if model.files.is_empty() {
                // Nothing is said of what was not seen.
                assert_eq!(model.revision, "main", "{}", model.id);
                assert!(model.package.is_none() && model.int8_cosine.is_none());
                continue;
            }
            assert_eq!(model.revision.len(), 40, "{}", model.id);
            for file in &model.files {
                assert_eq!(file.sha256.len(), 64, "{}", file.path);
                assert!(file.bytes > 0, "{}", file.path);
            }
            if let Some(package) = &model.package {
                assert_eq!(package.sha256.len(), 64, "{}", package.name);
            }
            for needed in ["config.json", "tokenizer.json", "model.safetensors"] {
                assert!(model.files.iter().any(|f| f.path == needed), "{needed}");
            }
        }
    }

    #[test]
    fn names_lead_to_one_model_each() {
        let mut names: Vec<&str> = known_models()
            .iter()
            .flat_map(|m| std::iter::once(&m.id).chain(&m.aliases))
            .map(String::as_str)
            .collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|w| w[0] != w[1]), "{names:?}");
    }
}
