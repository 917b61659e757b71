//! The numbers of some tokens, found in a `tokenizer.json` without making a tokenizer of it.

use super::tokenizer_limits::FILE_BYTES;
use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::io::Read;
use std::path::Path;

/// The numbers of `names` in a vocabulary that is a list of words by name, the added tokens among
/// them.
///
/// # Errors
/// In one line, without the file's name: it cannot be read, or has no such token.
pub(super) fn ids<const N: usize>(path: &Path, names: [&str; N]) -> Result<[u32; N], String> {
    let mut json = Vec::new();
    let file = std::fs::File::open(path).map_err(|e| e.to_string())?;
    let read = file.take(FILE_BYTES + 1).read_to_end(&mut json);
    read.map_err(|e| e.to_string())?;
    if json.len() as u64 > FILE_BYTES {
        return Err(format!("longer than {} MiB", FILE_BYTES >> 20));
    }
    let mut found = [None; N];
    let mut parser = serde_json::Deserializer::from_slice(&json);
    let mut within = Within {
        names: &names,
        found: &mut found,
        key: "",
    };
    within.object(&mut parser).map_err(|e| e.to_string())?;
    let mut ids = [0; N];
    for ((id, found), name) in ids.iter_mut().zip(found).zip(names) {
        *id = found.ok_or_else(|| format!("there is no token {name:?}"))?;
    }
    Ok(ids)
}

/// A token that was added to the vocabulary.
#[derive(Deserialize)]
struct Added {
    id: u32,
    content: String,
}

/// Looks for names below a key: the whole file, its `model`, `vocab` in that, or `added_tokens`.
struct Within<'a> {
    names: &'a [&'a str],
    found: &'a mut [Option<u32>],
    key: &'static str,
}

impl Within<'_> {
    fn object<'de, D: Deserializer<'de>>(&mut self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self.at(self.key))
    }

    fn at(&mut self, key: &'static str) -> Within<'_> {
        Within {
            names: self.names,
            found: &mut *self.found,
            key,
        }
    }

    fn put(&mut self, name: &str, id: u32) {
        if let Some(at) = self.names.iter().position(|n| *n == name) {
            self.found[at] = Some(id);
        }
    }
}

impl<'de> DeserializeSeed<'de> for Within<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(mut self, from: D) -> Result<(), D::Error> {
        self.object(from)
    }
}

impl<'de> Visitor<'de> for Within<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a tokenizer")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            match (self.key, name.as_str()) {
                ("", "model") => map.next_value_seed(self.at("model"))?,
                ("", "added_tokens") => map.next_value_seed(self.at("added"))?,
                ("model", "vocab") => map.next_value_seed(self.at("vocab"))?,
                ("vocab", name) => {
                    let id = map.next_value()?;
                    self.put(name, id);
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut all: A) -> Result<(), A::Error> {
        if self.key == "added" {
            while let Some(token) = all.next_element::<Added>()? {
                self.put(&token.content, token.id);
            }
            return Ok(());
        }
        // Of models whose words have scores, the place is the number.
        let mut id = 0;
        while let Some((word, _)) = all.next_element::<(String, IgnoredAny)>()? {
            self.put(&word, id);
            id += 1;
        }
        Ok(())
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_in_each_kind_of_vocabulary() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        let of = |json: &str, names: [&str; 2]| {
            std::fs::write(&path, json).unwrap();
            ids(&path, names)
        };
        let words = r#"{"version": "1.0", "added_tokens": [{"id": 9, "content": "<yes>", "special": true}],
            "model": {"type": "BPE", "vocab": {"no": 3, "maybe": 4}, "merges": [["n", "o"]]}}"#;
        assert_eq!(of(words, ["<yes>", "no"]), Ok([9, 3]));
        let e = of(words, ["yes", "no"]).unwrap_err();
        assert!(e.contains("no token \"yes\""), "{e}");
        let pieces = r#"{"added_tokens": null, "model": {"vocab": [["<unk>", 0.0], ["no", -1.5], ["yes", -2.0]]}}"#;
        assert_eq!(of(pieces, ["yes", "no"]), Ok([2, 1]));
        for bad in ["", "[]]", "{\"model\": {\"vocab\": {\"no\": -1}}}", "7"] {
            assert!(of(bad, ["yes", "no"]).is_err(), "{bad}");
        }
        assert!(ids(&folder.path().join("none"), ["yes"]).is_err());
    }
}
