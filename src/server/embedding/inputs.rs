//! Texts to embed, as clients write them: one or a list, each a string or a list of token ids.

use super::super::batch::Text;
use super::super::limits::MOST_TEXTS;
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use std::fmt;
use utoipa::ToSchema;

/// Texts to embed.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Inputs {
    One(Text),
    Many(Vec<Text>),
}

/// How [`Inputs`] is written.
#[derive(ToSchema)]
#[schema(as = Inputs)]
#[serde(untagged)]
#[allow(dead_code, reason = "it only stands in the document of the interface")]
pub(super) enum InputsDoc {
    /// A text.
    Text(String),
    /// Texts.
    Texts(Vec<InputDoc>),
    /// A text as ids of the model's own tokens, special tokens included.
    Ids(Vec<u32>),
}

/// A text, or its token ids.
#[derive(ToSchema)]
#[schema(as = Input)]
#[serde(untagged)]
#[allow(dead_code, reason = "it only stands in the document of the interface")]
pub(super) enum InputDoc {
    /// A text.
    Text(String),
    /// Ids of the model's own tokens, special tokens included.
    Ids(Vec<u32>),
}

/// An element of a list: a text, a list of ids, or an id.
enum Element {
    Text(Text),
    Id(u32),
}

impl<'de> Deserialize<'de> for Element {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements;
        impl<'de> Visitor<'de> for Elements {
            type Value = Element;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a token id or a list of token ids")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Element, E> {
                Ok(Element::Text(Text::Text(text.to_string())))
            }

            fn visit_string<E: Error>(self, text: String) -> Result<Element, E> {
                Ok(Element::Text(Text::Text(text)))
            }

            fn visit_u64<E: Error>(self, id: u64) -> Result<Element, E> {
                let id = u32::try_from(id);
                id.map(Element::Id)
                    .map_err(|_| E::custom("a token id is too large"))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Element, A::Error> {
                let mut ids = Vec::new();
                while let Some(id) = list.next_element()? {
                    ids.push(id);
                }
                Ok(Element::Text(Text::Ids(ids)))
            }
        }
        deserializer.deserialize_any(Elements)
    }
}

impl<'de> Deserialize<'de> for Inputs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Inputs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a list of texts, or token ids in their place")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Inputs, E> {
                Ok(Inputs::One(Text::Text(text.to_string())))
            }

            fn visit_string<E: Error>(self, text: String) -> Result<Inputs, E> {
                Ok(Inputs::One(Text::Text(text)))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Inputs, A::Error> {
                let mut texts = Vec::new();
                let mut ids = Vec::new();
                while let Some(element) = list.next_element()? {
                    match element {
                        Element::Text(_) if !ids.is_empty() => {
                            return Err(A::Error::custom("a text stands among token ids"));
                        }
                        Element::Id(_) if !texts.is_empty() => {
                            return Err(A::Error::custom("a token id stands among texts"));
                        }
                        Element::Text(_) if texts.len() == MOST_TEXTS => {
                            let message = format!("more than {MOST_TEXTS} texts");
                            return Err(A::Error::custom(message));
                        }
                        Element::Text(text) => texts.push(text),
                        Element::Id(id) => ids.push(id),
                    }
                }
                Ok(if ids.is_empty() {
                    Inputs::Many(texts)
                } else {
                    Inputs::One(Text::Ids(ids))
                })
            }
        }
        deserializer.deserialize_any(All)
    }
}

impl Inputs {
    /// The texts.
    pub(super) fn texts(self) -> Vec<Text> {
        match self {
            Self::One(text) => vec![text],
            Self::Many(texts) => texts,
        }
    }
}

/// A text or several, for what takes no ids.
#[derive(Debug, Clone, PartialEq, serde::Deserialize, ToSchema)]
#[serde(untagged, expecting = "a text or a list of texts")]
pub(super) enum Strings {
    /// A text.
    One(String),
    /// Texts.
    Many(Vec<String>),
}

/// Token ids of a text or of several.
#[derive(Debug, Clone, PartialEq, serde::Deserialize, ToSchema)]
#[serde(untagged, expecting = "a list of token ids, or a list of such lists")]
pub(super) enum IdLists {
    /// Of a text.
    One(Vec<u32>),
    /// Of several.
    Many(Vec<Vec<u32>>),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Text {
        Text::Text(text.to_string())
    }

    #[test]
    fn one_many_and_ids() {
        let read = |json: &str| serde_json::from_str::<Inputs>(json);
        for (json, inputs) in [
            (r#""a""#, Inputs::One(text("a"))),
            (r#""\u00e9""#, Inputs::One(text("\u{e9}"))),
            (r#"["a","b"]"#, Inputs::Many(vec![text("a"), text("b")])),
            ("[1,2]", Inputs::One(Text::Ids(vec![1, 2]))),
            (
                "[[1],[2,3]]",
                Inputs::Many(vec![Text::Ids(vec![1]), Text::Ids(vec![2, 3])]),
            ),
            (
                r#"["a",[7]]"#,
                Inputs::Many(vec![text("a"), Text::Ids(vec![7])]),
            ),
            ("[]", Inputs::Many(vec![])),
        ] {
            assert_eq!(read(json).unwrap(), inputs, "{json}");
        }
        for json in [
            "7",
            "null",
            "{}",
            "[1,\"a\"]",
            "[\"a\",1]",
            "[-1]",
            "[5000000000]",
            "[[\"a\"]]",
            "[1.5]",
        ] {
            assert!(read(json).is_err(), "{json}");
        }
        let many = format!("[{}\"x\"]", "\"x\",".repeat(MOST_TEXTS));
        assert!(read(&many).is_err());
    }
}
