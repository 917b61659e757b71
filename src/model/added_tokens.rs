//! Tokens that are listed beside a `tokenizer.json` and not in it, as HF transformers 5 adds them to
//! what the file has: behind its vocabulary, or as words of it that are never taken apart.

use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use tokenizers::AddedToken;

/// Files that list tokens, beside the tokenizer's settings.
pub(super) const ADDED_FILE: &str = "added_tokens.json";
pub(super) const SPECIAL_FILE: &str = "special_tokens_map.json";
/// The special tokens that every tokenizer has a name for, in the order in which they are added.
pub(super) const NAMED: [&str; 7] = [
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
];
/// The keys under which others are listed, the newer first.
const EXTRA: [&str; 2] = ["extra_special_tokens", "additional_special_tokens"];

/// A token that is added to those of a tokenizer's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Added {
    /// The token.
    pub(crate) token: AddedToken,
    /// Its number, where the files say it.
    pub(crate) id: Option<u32>,
}

impl Added {
    /// All that tells it from others.
    pub(super) fn in_hash(&self) -> String {
        let t = &self.token;
        let flags = [t.single_word, t.lstrip, t.rstrip, t.normalized, t.special].map(u8::from);
        format!("added {:?} {flags:?}", t.content)
    }
}

/// A token as the files have it.
#[derive(Deserialize)]
struct Written {
    content: String,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
    #[serde(default)]
    normalized: Option<bool>,
    #[serde(default)]
    special: bool,
}

impl Written {
    fn token(self, special: bool) -> AddedToken {
        AddedToken {
            content: self.content,
            single_word: self.single_word,
            lstrip: self.lstrip,
            rstrip: self.rstrip,
            normalized: self.normalized.unwrap_or(!self.special),
            special: self.special || special,
        }
    }
}

/// The tokens that the files beside a tokenizer's list and that are not among `known`, those that its
/// own file adds. `said` is the tokenizer's settings; `special` and `added` are the files of these
/// names, null where there are none.
///
/// # Errors
/// In one line: a token has no content, or no number where it needs one.
pub(super) fn missing(
    said: &Value,
    special: &Value,
    added: &Value,
    known: &BTreeSet<String>,
) -> Result<Vec<Added>, String> {
    let nothing = Map::new();
    let said = said.as_object().unwrap_or(&nothing);
    let decoder = said.get("added_tokens_decoder").and_then(Value::as_object);
    let mut keys = said.clone();
    if decoder.is_none() {
        // The older files count only where the newer list is not there.
        keys.extend(special.as_object().unwrap_or(&nothing).clone());
    }
    let specials = specials(&keys)?;
    let numbered = match decoder {
        Some(decoder) => numbered(decoder)?,
        None => of_older_file(added.as_object().unwrap_or(&nothing), &specials)?,
    };
    let mut seen = known.clone();
    let all = numbered.into_iter().chain(specials);
    let new = all.filter(|a| !a.token.content.is_empty() && seen.insert(a.token.content.clone()));
    Ok(new.collect())
}

/// A token that is text, or an object with flags.
fn special_token(value: &Value) -> Result<Option<Added>, String> {
    let token = match value {
        Value::String(content) => AddedToken::from(content.clone(), true),
        Value::Object(fields) if fields.contains_key("content") => {
            let written = Written::deserialize(value).map_err(|e| format!("{value}: {e}"))?;
            written.token(true)
        }
        _ => return Ok(None),
    };
    Ok(Some(Added { token, id: None }))
}

/// The special tokens under names of their own, then those that are only listed.
fn specials(keys: &Map<String, Value>) -> Result<Vec<Added>, String> {
    let others = keys
        .keys()
        .filter(|key| key.ends_with("_token") && !NAMED.contains(&key.as_str()));
    let names = NAMED.into_iter().chain(others.map(String::as_str));
    let named = names.filter_map(|key| keys.get(key));
    let extra = EXTRA.iter().find_map(|key| {
        let value = keys.get(*key)?;
        (value.is_array() || value.is_object()).then_some(value)
    });
    let extra: Vec<&Value> = match extra {
        Some(Value::Array(all)) => all.iter().collect(),
        Some(Value::Object(all)) => all.values().collect(),
        _ => Vec::new(),
    };
    let tokens = named.chain(extra).map(special_token);
    tokens.filter_map(Result::transpose).collect()
}

/// The tokens of `added_tokens_decoder`, by their numbers.
fn numbered(decoder: &Map<String, Value>) -> Result<Vec<Added>, String> {
    let one = |(number, value): (&String, &Value)| {
        let id = number.parse::<u32>();
        let id = id.map_err(|_| format!("added_tokens_decoder: {number:?} is no number"))?;
        let written = Written::deserialize(value);
        let written = written.map_err(|e| format!("added_tokens_decoder: {number}: {e}"))?;
        Ok(Added {
            token: written.token(false),
            id: Some(id),
        })
    };
    let mut all = decoder
        .iter()
        .map(one)
        .collect::<Result<Vec<_>, String>>()?;
    all.sort_by_key(|added| added.id);
    Ok(all)
}

/// The tokens of the older file, which says numbers alone.
fn of_older_file(file: &Map<String, Value>, specials: &[Added]) -> Result<Vec<Added>, String> {
    let one = |(content, number): (&String, &Value)| {
        let id = number.as_u64().and_then(|n| u32::try_from(n).ok());
        let id = id.ok_or_else(|| format!("{ADDED_FILE}: {content:?} has no number"))?;
        let special = specials.iter().any(|a| a.token.content == *content);
        Ok(Added {
            token: AddedToken::from(content.clone(), special),
            id: Some(id),
        })
    };
    let mut all = file.iter().map(one).collect::<Result<Vec<_>, String>>()?;
    all.sort_by_key(|added| added.id);
    Ok(all)
}

/// The tokens that a tokenizer gets of `all`, for an embedding of so many `rows`: special ones that
/// have no row are left out, so that a text which spells one out is read as text.
fn with_rows<'a>(
    tokenizer: &tokenizers::Tokenizer,
    all: &'a [Added],
    rows: Option<usize>,
) -> Vec<&'a Added> {
    let added = tokenizer.get_added_tokens_decoder();
    let behind = added.keys().map(|&id| id as usize + 1).max().unwrap_or(0);
    let mut next = behind.max(tokenizer.get_vocab_size(false));
    let kept = all.iter().filter(|added| {
        if tokenizer.token_to_id(&added.token.content).is_some() {
            return true;
        }
        let fits = rows.is_none_or(|rows| next < rows);
        next += usize::from(fits);
        fits || !added.token.special
    });
    kept.collect()
}

/// Adds tokens to a tokenizer, for an embedding of so many rows.
///
/// # Errors
/// In one line: one would get another number than the files say, so that its row of the embedding
/// would be another token's.
pub(super) fn add(
    tokenizer: &mut tokenizers::Tokenizer,
    all: &[Added],
    rows: Option<usize>,
) -> Result<(), String> {
    let all = with_rows(tokenizer, all, rows);
    // The number of a word of the vocabulary is the vocabulary's, whatever a stale file says.
    let is_new = |added: &Added| tokenizer.token_to_id(&added.token.content).is_none();
    let new: Vec<&Added> = all.iter().copied().filter(|added| is_new(added)).collect();
    let tokens = all.iter().map(|added| added.token.clone());
    tokenizer.add_tokens(tokens).map_err(|e| e.to_string())?;
    for added in new {
        let content = &added.token.content;
        if let (Some(id), Some(got)) = (added.id, tokenizer.token_to_id(content))
            && got != id
        {
            return Err(format!(
                "the token {content:?} is only listed beside it, as {id}, and would be {got} here; save the tokenizer anew (`AutoTokenizer.from_pretrained(...).save_pretrained(...)`)"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tokens_that_the_file_lacks_are_found_in_each_of_the_lists() {
        let known: BTreeSet<String> = ["[CLS]".to_string()].into();
        let of = |said: Value, special: Value, added: Value| {
            let all = missing(&said, &special, &added, &known).unwrap();
            let brief = all
                .into_iter()
                .map(|a| (a.token.content, a.token.special, a.id));
            brief.collect::<Vec<_>>()
        };
        let token = |name: &str, special, id| (name.to_string(), special, id);
        let none = || Value::Null;
        assert_eq!(of(json!({"cls_token": "[CLS]"}), none(), none()), []);
        let decoder = json!({"12": {"content": "b c"}, "7": {"content": "a", "special": true}, "1": {"content": "[CLS]"}});
        let said = json!({"added_tokens_decoder": decoder, "mask_token": {"content": "<m>", "lstrip": true}, "additional_special_tokens": ["[Q]", "a"]});
        let special = json!({"additional_special_tokens": ["[D]"]});
        assert_eq!(
            of(said, special.clone(), json!({"z": 9})),
            [
                token("a", true, Some(7)),
                token("b c", false, Some(12)),
                token("<m>", true, None),
                token("[Q]", true, None)
            ]
        );
        assert_eq!(
            of(none(), special, json!({"z": 9, "[D]": 8})),
            [token("[D]", true, Some(8)), token("z", false, Some(9))]
        );
        assert!(
            missing(
                &json!({"added_tokens_decoder": {"x": {}}}),
                &none(),
                &none(),
                &known
            )
            .is_err()
        );
        assert!(missing(&none(), &none(), &json!({"a": "b"}), &known).is_err());
    }
}
