//! What a sentence-transformers folder says of its model: architecture, pooling, length, prompts.

use super::added_tokens::{ADDED_FILE, SPECIAL_FILE};
use super::architecture::{Module, Pooling};
use super::families::{self, Described};
use super::files::{ModelFiles, hex};
use super::head::{self, Head};
use super::judge::{self, Asked, Evidence, Judge};
use super::layout::{Layout, MODULES_FILE, TOKENIZER_CONFIG};
use super::manifest::Purpose;
use super::prompts::{self, Prompts, Similarity};
use super::sentence;
use super::tokenizer_config::{self, Beside, TokenizerSettings};
use crate::error::{Error, Result};
use sha2::{Digest, Sha256};

/// A model's configuration, as its own files give it.
#[derive(Debug, Clone)]
pub struct Config {
    /// The transformer, and where its weights lie.
    pub described: Described,
    /// What becomes of the token vectors.
    pub head: Head,
    /// The length of a vector: all values that the head gives, or fewer where the model's own
    /// files say that only the first are to be kept. The number of labels of a model that judges
    /// pairs.
    pub dim: usize,
    /// The values that the head gives.
    pub full_dim: usize,
    /// The most tokens of one text, special tokens included.
    pub max_tokens: usize,
    /// Whether the model does not say its pooling, so that the one was taken for it that
    /// sentence-transformers takes.
    pub pooling_assumed: bool,
    /// The class that the model was saved as, where it is one of its own code, which is not run.
    pub own_class: Option<String>,
    /// Whether texts are put in lower case before the tokenizer has them.
    pub lower_case: bool,
    /// What is done to texts that the tokenizer's own file does not say.
    pub tokenizer: TokenizerSettings,
    /// How near two of the model's vectors are to each other, as its own files have it.
    pub similarity: Similarity,
    /// What to put in front of texts: what the model's own files say, else what its family is
    /// known to want.
    pub prompts: Prompts,
    /// How pairs of texts are judged, by a model that does that instead of embedding single ones.
    pub judge: Option<Judge>,
    /// SHA-256 over everything that decides a vector: weights, tokenizer, configuration.
    pub hash: String,
}

impl Config {
    /// Reads the configuration of a model.
    ///
    /// # Errors
    /// A file is missing or malformed, or says something that is not supported; the message
    /// says what.
    pub fn load(files: &ModelFiles) -> Result<Self> {
        Self::read(files, None)
    }

    /// As [`Config::load`], for a model that is to judge pairs: one that writes text does so by how
    /// likely it is to go on with "yes", even where nothing else says that it was trained for it.
    /// `prompt` stands in the place of the model's own; see [`Judge::prompt`].
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load_to_judge(files: &ModelFiles, prompt: Option<&str>) -> Result<Self> {
        Self::read(files, Some(Asked { prompt }))
    }

    fn read(files: &ModelFiles, asked: Option<Asked<'_>>) -> Result<Self> {
        let bad = |message: String| Error::model(&files.id, message);
        let layout = Layout::read(&files.id, &files.folder)?;
        let name = layout.file("config.json");
        let json = read(files, &name)?.ok_or_else(|| bad(format!("{name} is missing")))?;
        let mut described = families::describe(&json).map_err(|m| bad(format!("{name}: {m}")))?;
        let hidden = described.architecture.hidden;
        let found = head::of_modules(files, &layout.modules, hidden)?;
        let called = families::saved_as(&json);
        let evidence = Evidence::of(files, &layout, &called, asked.is_some());
        if found.is_none()
            && let Some(classifier) = judge::by_tokens(files, &layout, &described, evidence)?
        {
            described.classifier = Some(classifier);
        }
        // A classifier's checkpoint may have been made an embedding model of, by a pooling.
        let classifier = described.classifier.as_ref().filter(|_| found.is_none());
        let judge = classifier
            .map(|c| {
                judge::of(
                    files,
                    &layout,
                    &json,
                    c,
                    evidence,
                    asked.unwrap_or_default(),
                )
            })
            .transpose()?;
        let pooling_assumed = found.is_none() && classifier.is_none();
        if pooling_assumed && !layout.modules.is_empty() {
            return Err(bad(format!(
                "{MODULES_FILE} names no Pooling, so that nothing says how the vectors of tokens become that of a text"
            )));
        }
        let purpose = match classifier {
            None => Purpose::Embedding,
            Some(_) => Purpose::Reranking,
        };
        let head = match (classifier, found) {
            (Some(classifier), _) => Head::of_classifier(classifier),
            (None, found) => found.unwrap_or_else(|| Head::only(families::assumed_pooling(&json))),
        };

        let positions = described.architecture.longest;
        let settings = Settings::read(files, &layout, purpose, &json)?;
        let types = described.architecture.embedding.types;
        let judge = judge.map(|judge| Judge {
            typed: judge.typed && settings.tokenizer.typed && types > 1,
            ..judge
        });
        let max_tokens = settings
            .max_tokens
            .as_ref()
            .map_or(positions, |(n, _)| positions.min(*n));
        if max_tokens < 8 {
            return Err(bad(format!(
                "a length of {max_tokens} tokens is too short to use"
            )));
        }
        let prompts = prompts::of(files, &called)?;
        let mut read_anew = families::read_anew(&json);
        if pooling_assumed && head.pooling == Pooling::Last {
            read_anew.push("lasttoken");
        }
        let hash = identity(files, &layout, &settings, &head, judge.as_ref(), &read_anew)?;
        let full_dim = head.dim(hidden);
        Ok(Self {
            dim: prompts::kept_dim(files)?.map_or(full_dim, |n| n.min(full_dim)),
            full_dim,
            max_tokens,
            pooling_assumed,
            own_class: families::own_class(&json),
            lower_case: settings.lower_case,
            tokenizer: settings.tokenizer,
            similarity: match purpose {
                Purpose::Embedding => prompts::similarity(files)?,
                Purpose::Reranking => Similarity::default(),
            },
            prompts,
            hash,
            described,
            head,
            judge,
        })
    }

    /// Whether the model judges pairs of texts instead of embedding single ones.
    pub fn judges_pairs(&self) -> bool {
        self.judge.is_some()
    }

    /// Whether the model's own modules scale its vectors to unit length last of all.
    pub(crate) fn ends_in_unit_length(&self) -> bool {
        let last = self.head.steps.last();
        last.is_some_and(|step| step.module == Module::Normalize)
    }
}

fn read(files: &ModelFiles, name: &str) -> Result<Option<String>> {
    super::layout::read(&files.id, &files.folder.join(name))
}

/// The transformer's settings, by the name of their file, which stands in the transformer's folder in
/// older models.
pub(super) fn sentence_file(files: &ModelFiles, layout: &Layout) -> String {
    let inside = layout.file(SENTENCE);
    if files.folder.join(&inside).is_file() {
        inside
    } else {
        SENTENCE.to_string()
    }
}

const SENTENCE: &str = "sentence_bert_config.json";

/// What is done to texts before the transformer has them.
struct Settings {
    /// The length that the model was trained for, from the first file that says it, and that file.
    max_tokens: Option<(usize, String)>,
    lower_case: bool,
    tokenizer: TokenizerSettings,
    /// The transformer's settings, by the name of their file.
    sentence: String,
}

impl Settings {
    fn read(files: &ModelFiles, layout: &Layout, purpose: Purpose, config: &str) -> Result<Self> {
        let sentence = sentence_file(files, layout);
        let json = |name: &str| -> Result<serde_json::Value> {
            let Some(text) = read(files, name)? else {
                return Ok(serde_json::Value::Null);
            };
            serde_json::from_str(&text).map_err(|e| Error::model(&files.id, format!("{name}: {e}")))
        };
        // It was read before.
        let config = serde_json::from_str(config).unwrap_or_default();
        let bad = |name: &str, m: String| Error::model(&files.id, format!("{name}: {m}"));
        let said = sentence::read(&json(&sentence)?, purpose, &config);
        let said = said.map_err(|m| bad(&sentence, m))?;
        let name = layout.file(TOKENIZER_CONFIG);
        let of_tokenizer = json(&name)?;
        let mut max_tokens = said.max_tokens.map(|n| (n, sentence.clone()));
        if max_tokens.is_none() {
            max_tokens = length(&of_tokenizer, "model_max_length").map(|n| (n, name.clone()));
        }
        let of_tokenizer = tokenizer_config::with(of_tokenizer, said.tokenizer);
        let file = files.folder.join(layout.file("tokenizer.json"));
        let beside = Beside {
            said: &of_tokenizer,
            special: &json(&layout.file(SPECIAL_FILE))?,
            added: &json(&layout.file(ADDED_FILE))?,
            config: &config,
        };
        let tokenizer = TokenizerSettings::of(&beside, &file);
        Ok(Self {
            max_tokens,
            lower_case: said.lower_case,
            tokenizer: tokenizer.map_err(|m| bad(&name, m))?,
            sentence,
        })
    }
}

fn length(settings: &serde_json::Value, key: &str) -> Option<usize> {
    let n = settings.get(key)?.as_f64()?;
    // Tokenizers without a limit write an astronomically large one.
    (1.0..1e6).contains(&n).then_some(n as usize)
}

/// One hash over every file that decides a vector.
fn identity(
    files: &ModelFiles,
    layout: &Layout,
    settings: &Settings,
    head: &Head,
    judge: Option<&Judge>,
    read_anew: &[&str],
) -> Result<String> {
    let mut names = vec![
        layout.file("config.json"),
        MODULES_FILE.to_string(),
        settings.sentence.clone(),
        prompts::FILE.to_string(),
        layout.file("tokenizer.json"),
    ];
    names.extend(layout.weights(&files.id, &files.folder)?);
    // The length may stand there; where it does not, corpora keep the hash that they have.
    if let Some((_, file)) = &settings.max_tokens
        && *file != settings.sentence
    {
        names.push(file.clone());
    }
    let pooling = layout.modules.iter().filter(|m| m.class() == "Pooling");
    names.extend(pooling.map(|m| m.file("config.json")));
    names.extend(head.files());
    if judge.is_some_and(|judge| judge.written.is_some()) {
        names.extend(judge::files(layout));
    }
    let mut hasher = Sha256::new();
    for name in names {
        let path = files.folder.join(&name);
        let hash = match files.hashes.get(&name) {
            Some(verified) => verified.clone(),
            None if path.is_file() => super::files::sha256(&path)
                .map_err(|e| Error::model(&files.id, format!("{}: {e}", path.display())))?,
            None => continue,
        };
        hasher.update(name.as_bytes());
        hasher.update(hash.as_bytes());
    }
    // Earlier versions did not heed these: their vectors are not those of now.
    if settings.lower_case {
        hasher.update(b"do_lower_case");
    }
    for key in read_anew {
        hasher.update(key.as_bytes());
    }
    hasher.update(settings.tokenizer.in_hash().as_bytes());
    Ok(hex(&hasher.finalize()))
}
