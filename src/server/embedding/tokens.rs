//! A text's tokens, and the way back.

use super::super::app::{App, blocking};
use super::super::dialect::Fault;
use super::asked::Asked;
use super::embed::{Wish, at_most, prompt_of};
use super::inputs::{IdLists, Strings};
use super::tei::Refused;
use super::written;
use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

fn yes() -> bool {
    true
}

/// As [`yes`], where it may be null.
fn yes_or<'de, D: serde::Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or(true))
}

/// Values of an answer for each byte of a text: a token is some 60 characters of JSON.
const VALUES_PER_BYTE: usize = 4;

/// Texts to take apart.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub(super) struct TokenizeRequest {
    inputs: Strings,
    /// Whether special tokens are put around each text.
    #[serde(default = "yes", deserialize_with = "yes_or")]
    #[schema(default = true, value_type = Option<bool>)]
    add_special_tokens: bool,
    /// The name of the model's prompt to put in front of each text.
    #[serde(default)]
    prompt_name: Option<String>,
}

/// A token.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct SimpleToken {
    id: u32,
    /// What it stands for.
    text: String,
    /// Whether the tokenizer put it there.
    special: bool,
    /// Where it begins in the text, in characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<usize>,
    /// Where it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    stop: Option<usize>,
}

/// Tokens of texts. None are cut off.
#[utoipa::path(
    post, path = "/tokenize", tag = "embedding", request_body = TokenizeRequest,
    responses(
        (status = 200, description = "The tokens of each text", body = Vec<Vec<SimpleToken>>),
        Refused,
    )
)]
pub(super) async fn tokenize(
    State(app): State<Arc<App>>,
    asked: Asked<TokenizeRequest>,
) -> Result<Response, Fault> {
    let Asked {
        value, mut held, ..
    } = asked;
    let texts = match value.inputs {
        Strings::One(text) => vec![text],
        Strings::Many(texts) => texts,
    };
    if texts.is_empty() || texts.iter().any(String::is_empty) {
        return Err(Fault::empty(
            "inputs",
            "inputs is empty, or holds an empty text",
        ));
    }
    at_most(&app, "inputs", texts.len())?;
    let bytes: usize = texts.iter().map(String::len).sum();
    app.admission
        .values(&mut held.memory, bytes.saturating_mul(VALUES_PER_BYTE))?;
    let wish = Wish {
        prompt_name: value.prompt_name,
        ..Wish::default()
    };
    let prompt = prompt_of(&app, &wish)?;
    let special = value.add_special_tokens;
    let encoder = app.encoder.clone();
    let tokens = blocking(move || {
        texts
            .iter()
            .map(|text| {
                let pieces = if prompt.is_empty() {
                    encoder.tokenizer().pieces(text, special)?
                } else {
                    encoder
                        .tokenizer()
                        .pieces(&format!("{prompt}{text}"), special)?
                };
                let token = |piece: crate::model::TokenPiece| SimpleToken {
                    id: piece.id,
                    text: piece.text,
                    special: piece.special,
                    start: piece.range.map(|(start, _)| start),
                    stop: piece.range.map(|(_, stop)| stop),
                };
                Ok(pieces.into_iter().map(token).collect())
            })
            .collect::<crate::Result<Vec<Vec<SimpleToken>>>>()
    })
    .await?;
    written::value(&tokens, held)
}

/// Token ids to put together.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub(super) struct DecodeRequest {
    ids: IdLists,
    /// Whether special tokens are left out.
    #[serde(default = "yes", deserialize_with = "yes_or")]
    #[schema(default = true, value_type = Option<bool>)]
    skip_special_tokens: bool,
}

/// The texts that token ids stand for.
#[utoipa::path(
    post, path = "/decode", tag = "embedding", request_body = DecodeRequest,
    responses(
        (status = 200, description = "A text for each list", body = Vec<String>),
        Refused,
    )
)]
pub(super) async fn decode(
    State(app): State<Arc<App>>,
    asked: Asked<DecodeRequest>,
) -> Result<Response, Fault> {
    let Asked {
        value, mut held, ..
    } = asked;
    let lists = match value.ids {
        IdLists::One(ids) => vec![ids],
        IdLists::Many(lists) => lists,
    };
    if lists.is_empty() || lists.iter().any(Vec::is_empty) {
        return Err(Fault::empty("ids", "ids is empty, or holds an empty list"));
    }
    at_most(&app, "ids", lists.len())?;
    let ids: usize = lists.iter().map(Vec::len).sum();
    app.admission.values(&mut held.memory, ids)?;
    let (encoder, skip) = (app.encoder.clone(), value.skip_special_tokens);
    let texts = blocking(move || {
        let text = |ids: &Vec<u32>| encoder.tokenizer().decode(ids, skip);
        lists.iter().map(text).collect::<crate::Result<Vec<_>>>()
    })
    .await?;
    written::value(&texts, held)
}
