//! What a `tokenizer.json` may ask for. It describes a small program: steps that rewrite a text one
//! after the other. A file made for it takes any time or memory, so its size is looked at before
//! the crate that runs it.

use super::added_tokens::Added;
use base64::Engine;
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::fmt;

/// The file's length: the largest in use, of half a million tokens in many scripts, has 33 MB.
pub(super) const FILE_BYTES: u64 = 64 << 20;
/// Steps of the normalizer and of the pre-tokenizer each, with those that hold others; real ones
/// have up to ten.
const STEPS: usize = 32;
/// Values in one of the parts that are no vocabulary.
const VALUES: usize = 4096;
/// The longest string there, but for a precompiled map: a pattern, or what is put in its place.
const STRING: usize = 16 << 10;
/// A precompiled map in base64; that of XLM-RoBERTa has 317 KB.
const MAP_BYTES: usize = 4 << 20;
/// What such a map puts in the place of one character; the longest of Unicode's has 33 bytes.
const MAPPED: usize = 64;
/// How many times longer all replacements together may make a text; real ones come to 12.
const GROWTH: usize = 64;
/// What is put in front of a text.
const PREPENDED: usize = 1024;
/// All tokens of the vocabulary together; LaBSE's half a million have 5 MB.
const VOCABULARY: usize = 8 << 20;
/// As much for a model that keeps a tree of them, at some 300 bytes for each of theirs.
const TREE: usize = 4 << 20;
/// Tokens added to the vocabulary, and the longest of them.
const ADDED: usize = 100_000;
const ADDED_BYTES: usize = 1 << 20;
/// A word that WordPiece takes apart, which takes time with its square; 100 in all models.
const WORD: usize = 256;

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    pre_tokenizer: Value,
    #[serde(default)]
    post_processor: Value,
    #[serde(default)]
    decoder: Value,
    #[serde(default)]
    added_tokens: Weight,
    model: Model,
}

#[derive(Deserialize)]
struct Model {
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    vocab: Weight,
    #[serde(default)]
    max_input_chars_per_word: Option<usize>,
    #[serde(default)]
    dropout: Option<f64>,
}

/// Looks whether a file keeps to the limits.
///
/// # Errors
/// It does not, or is malformed; the message says what.
pub(super) fn check(json: &[u8]) -> Result<(), String> {
    let file: File = serde_json::from_slice(json).map_err(|e| e.to_string())?;
    for (name, part) in [
        ("normalizer", &file.normalizer),
        ("pre_tokenizer", &file.pre_tokenizer),
        ("post_processor", &file.post_processor),
        ("decoder", &file.decoder),
    ] {
        let mut size = Size::default();
        size.add(part)?;
        let steps = matches!(name, "normalizer" | "pre_tokenizer");
        limit(&format!("{name}: values"), size.values, VALUES)?;
        if steps {
            limit(&format!("{name}: steps"), size.steps, STEPS)?;
            limit("growth of a text by replacements", size.growth, GROWTH)?;
            limit("bytes in front of a text", size.prepended, PREPENDED)?;
        }
    }
    limit("added tokens", file.added_tokens.items, ADDED)?;
    limit(
        "bytes of added tokens",
        file.added_tokens.bytes,
        ADDED_BYTES,
    )?;
    let model = &file.model;
    let tree = model.kind.as_deref() == Some("Unigram") || model.kind.is_none();
    let most = if tree { TREE } else { VOCABULARY };
    limit("bytes of the vocabulary", model.vocab.bytes, most)?;
    if let Some(longest) = model.max_input_chars_per_word {
        limit("max_input_chars_per_word", longest, WORD)?;
    }
    if model.dropout.is_some_and(|share| share != 0.0) {
        return Err("a dropout makes tokens of the same text differ; set it to null".to_string());
    }
    Ok(())
}

/// Looks whether tokens that are listed beside a file keep to the limits.
///
/// # Errors
/// They do not; the message says what.
pub(super) fn check_added(tokens: &[Added]) -> Result<(), String> {
    limit("added tokens", tokens.len(), ADDED)?;
    let bytes = tokens.iter().map(|added| added.token.content.len()).sum();
    limit("bytes of added tokens", bytes, ADDED_BYTES)
}

fn limit(what: &str, found: usize, most: usize) -> Result<(), String> {
    if found <= most {
        return Ok(());
    }
    Err(format!("{what}: {found}, and at most {most} can be used"))
}

/// What a part of the file costs.
struct Size {
    values: usize,
    steps: usize,
    growth: usize,
    prepended: usize,
}

impl Default for Size {
    fn default() -> Self {
        Self {
            values: 0,
            steps: 0,
            growth: 1,
            prepended: 0,
        }
    }
}

impl Size {
    // A step is told by its fields, as the crate does where it has no type.
    fn add(&mut self, value: &Value) -> Result<(), String> {
        self.values += 1;
        match value {
            Value::Object(fields) => {
                self.steps += 1;
                if let Some(Value::String(content)) = fields.get("content") {
                    let times = growth(fields.get("pattern"), content);
                    self.growth = self.growth.saturating_mul(times);
                }
                if let Some(Value::String(text)) = fields.get("prepend") {
                    self.prepended += text.len();
                }
                for (name, value) in fields {
                    match value {
                        Value::String(map) if name == "precompiled_charsmap" => charsmap(map)?,
                        // The pattern is no step of its own.
                        Value::Object(pattern) if name == "pattern" => {
                            pattern.values().try_for_each(|v| self.add(v))?;
                        }
                        value => self.add(value)?,
                    }
                }
            }
            Value::Array(values) => values.iter().try_for_each(|v| self.add(v))?,
            Value::String(text) => limit("bytes of a string", text.len(), STRING)?,
            _ => {}
        }
        Ok(())
    }
}

/// How many times longer a replacement may make a text.
fn growth(pattern: Option<&Value>, content: &str) -> usize {
    let string = pattern
        .and_then(|p| p.get("String"))
        .and_then(Value::as_str);
    match string {
        Some(pattern) if !pattern.is_empty() => content.len().div_ceil(pattern.len()).max(1),
        // It may match nothing, between any two characters.
        _ => content.len() + 1,
    }
}

/// A map of characters that sentencepiece compiled: the length of its tree, the tree, and what it
/// leads to, each with a zero at its end.
fn charsmap(base64: &str) -> Result<(), String> {
    limit("bytes of a precompiled map", base64.len(), MAP_BYTES)?;
    let broken = || "the precompiled map is damaged".to_string();
    let map = base64::engine::general_purpose::STANDARD
        .decode(base64)
        .map_err(|_| broken())?;
    let (length, rest) = map.split_first_chunk().ok_or_else(broken)?;
    let tree = u32::from_le_bytes(*length) as usize;
    let pieces = rest.get(tree..).ok_or_else(broken)?;
    let longest = pieces.split(|&b| b == 0).map(<[u8]>::len).max();
    limit(
        "bytes that a precompiled map puts for one character",
        longest.unwrap_or(0),
        MAPPED,
    )
}

/// How much a value holds, without keeping it.
#[derive(Default, Clone, Copy)]
struct Weight {
    /// The items of the outermost list or map.
    items: usize,
    /// The bytes of all strings in it, keys included.
    bytes: usize,
}

impl<'de> Deserialize<'de> for Weight {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Weigh)
    }
}

struct Weigh;

impl<'de> Visitor<'de> for Weigh {
    type Value = Weight;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Weight, E> {
        Ok(Weight::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Weight, E> {
        Ok(Weight::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Weight, E> {
        Ok(Weight::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Weight, E> {
        Ok(Weight::default())
    }

    fn visit_unit<E>(self) -> Result<Weight, E> {
        Ok(Weight::default())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Weight, E> {
        Ok(Weight {
            items: 0,
            bytes: text.len(),
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Weight, A::Error> {
        let mut sum = Weight::default();
        while let Some(item) = list.next_element::<Weight>()? {
            sum.items += 1;
            sum.bytes += item.bytes;
        }
        Ok(sum)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Weight, A::Error> {
        let mut sum = Weight::default();
        while let Some(key) = map.next_key::<Weight>()? {
            sum.items += 1;
            sum.bytes += key.bytes + map.next_value::<Weight>()?.bytes;
        }
        Ok(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn with(part: &str, value: Value) -> Result<(), String> {
        let mut file = json!({"model": {"type": "WordPiece", "vocab": {"a": 0}}});
        file[part] = value;
        check(file.to_string().as_bytes())
    }

    fn replace(from: &str, to: &str) -> Value {
        json!({"type": "Replace", "pattern": {"String": from}, "content": to})
    }

    #[test]
    fn replacements_that_double_a_text_again_and_again_are_refused() {
        let of = |steps: Vec<Value>| {
            with(
                "normalizer",
                json!({"type": "Sequence", "normalizers": steps}),
            )
        };
        assert_eq!(of(vec![replace("``", "\""), replace(" ", "▁")]), Ok(()));
        let e = of(vec![replace("a", "aa"); 30]).unwrap_err();
        assert!(e.contains("growth"), "{e}");
        // Without a type, and where a pattern may match nothing at all.
        let untyped = json!({"pattern": {"Regex": "x*"}, "content": "y".repeat(70)});
        assert!(with("normalizer", untyped).unwrap_err().contains("growth"));
        let e = of(vec![json!({"type": "NFC"}); 40]).unwrap_err();
        assert!(e.contains("steps: 41"), "{e}");
        let long = json!({"type": "Prepend", "prepend": "x".repeat(10 << 10)});
        assert!(with("normalizer", long).unwrap_err().contains("in front"));
        let pattern = json!({"type": "Split", "pattern": {"Regex": "a".repeat(1 << 20)}});
        assert!(with("pre_tokenizer", pattern).is_err());
        let many = json!(vec![json!({"SpecialToken": {"id": "x"}}); 5000]);
        assert!(with("post_processor", many).is_err());
    }

    #[test]
    fn maps_and_vocabularies_are_bounded() {
        let map = |tree: u32, pieces: &[u8]| {
            let bytes = [&tree.to_le_bytes()[..], &[0; 8], pieces].concat();
            let map = base64::engine::general_purpose::STANDARD.encode(bytes);
            with(
                "normalizer",
                json!({"type": "Precompiled", "precompiled_charsmap": map}),
            )
        };
        assert_eq!(map(8, b"fi\0ff\0"), Ok(()));
        assert!(map(99, b"fi\0").unwrap_err().contains("damaged"));
        assert!(map(8, &[b'x'; 1000]).unwrap_err().contains("one character"));
        let model = |value: Value| with("model", value);
        let long = "x".repeat(TREE + 1);
        assert!(model(json!({"type": "Unigram", "vocab": [[&long, 0.0]]})).is_err());
        assert!(model(json!({"type": "BPE", "vocab": {&long: 0}})).is_ok());
        let words =
            json!({"type": "WordPiece", "vocab": {}, "max_input_chars_per_word": 1_000_000});
        assert!(model(words).is_err());
        assert!(model(json!({"type": "BPE", "vocab": {}, "dropout": 0.5})).is_err());
        assert!(check(b"{").is_err());
    }
}
