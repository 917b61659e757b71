//! What all routes that embed do.

use super::super::app::{App, blocking_job};
use super::super::batch::{Embedded, How, Text, Times, Took};
use super::super::dialect::Fault;
use super::asked::Held;
use crate::encoder::{EncodeOptions, Prompt, TokenVectors, TooLong};
use serde::Deserialize;
use std::time::Instant;
use utoipa::ToSchema;

/// Which end of a text that is too long is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Direction {
    /// The beginning.
    #[serde(alias = "Left")]
    Left,
    /// The end.
    #[default]
    #[serde(alias = "Right")]
    Right,
}

/// What a request says of how its texts are embedded.
#[derive(Debug, Clone, Default)]
pub(super) struct Wish {
    pub(super) truncate: Option<bool>,
    pub(super) direction: Option<Direction>,
    pub(super) prompt_name: Option<String>,
    pub(super) normalize: Option<bool>,
    pub(super) dimensions: Option<usize>,
}

/// The prompt of a name: the model's own of that name, or that which its family has for queries or
/// documents.
fn prompt(app: &App, name: Option<String>) -> Result<Prompt, Fault> {
    let Some(name) = name else {
        return Ok(Prompt::Default);
    };
    let own = app.encoder.prompts().named.contains_key(&name);
    let prompt = match name.as_str() {
        "query" if !own => Prompt::Query,
        "document" | "passage" if !own => Prompt::Document,
        _ => Prompt::Named(name),
    };
    // It says what is wrong with a name that the model does not have.
    match app.encoder.tokenize::<&str>(&[], prompt.clone()) {
        Ok(_) => Ok(prompt),
        Err(e) => Err(Fault::invalid("prompt_name", e.to_string())),
    }
}

/// What stands in front of each text.
pub(super) fn prompt_of(app: &App, wish: &Wish) -> Result<String, Fault> {
    let prompts = app.encoder.prompts();
    Ok(match prompt(app, wish.prompt_name.clone())? {
        Prompt::Query => prompts.query.clone(),
        Prompt::Document => prompts.document.clone(),
        Prompt::Named(name) => prompts.named.get(&name).cloned().unwrap_or_default(),
        _ => {
            let default = prompts.default.as_ref();
            let default = default.and_then(|name| prompts.named.get(name));
            default.cloned().unwrap_or_default()
        }
    })
}

/// Fails on a list of texts that is empty or too long, or holds an empty one.
pub(super) fn check<'a>(
    app: &App,
    parameter: &'static str,
    texts: impl ExactSizeIterator<Item = &'a Text>,
) -> Result<(), Fault> {
    let n = texts.len();
    if n == 0 {
        return Err(Fault::empty(parameter, format!("{parameter} is empty")));
    }
    at_most(app, parameter, n)?;
    for (i, text) in texts.enumerate() {
        let empty = match text {
            Text::Text(text) => text.is_empty(),
            Text::Ids(ids) => ids.is_empty(),
        };
        if empty {
            let message = match n {
                1 => format!("{parameter} is empty"),
                _ => format!("text {i} of {parameter} is empty"),
            };
            return Err(Fault::empty(parameter, message));
        }
    }
    Ok(())
}

/// Fails on more texts than a request may have.
pub(super) fn at_most(app: &App, parameter: &'static str, texts: usize) -> Result<(), Fault> {
    let most = app.options.limits.max_client_batch;
    if texts <= most {
        return Ok(());
    }
    let message = format!(
        "{texts} texts, and this server takes {most} in a request (its setting max-client-batch)"
    );
    Err(Fault::invalid(parameter, message))
}

/// Counts a request of `n` texts and what it cost; `work` says all of that but the whole time.
pub(super) async fn counted<T>(
    app: &App,
    n: usize,
    since: Instant,
    work: impl Future<Output = Result<(T, Took), Fault>>,
) -> Result<(T, Took), Fault> {
    app.metrics.began(n);
    match work.await {
        Ok((done, took)) => {
            let took = Took {
                total: since.elapsed(),
                ..took
            };
            app.metrics.answered(n, &took);
            Ok((done, took))
        }
        Err(fault) => {
            app.metrics.failed(fault.counted_as());
            Err(fault)
        }
    }
}

/// Embeds a request's texts and counts what it cost.
pub(super) async fn embed(
    app: &App,
    parameter: &'static str,
    texts: Vec<Text>,
    wish: Wish,
    held: &mut Held,
    since: Instant,
) -> Result<(Embedded, Took), Fault> {
    let (n, work) = (texts.len(), embedded(app, parameter, texts, wish, held));
    counted(app, n, since, work).await
}

/// Computes the vectors of all tokens of a request's texts and counts what that cost. It is bulk
/// work of its own, and is not batched with that of others.
pub(super) async fn embed_tokens(
    app: &App,
    texts: Vec<Text>,
    wish: Wish,
    held: &mut Held,
    since: Instant,
) -> Result<(TokenVectors, Took), Fault> {
    let (n, work) = (texts.len(), tokens(app, texts, wish, held));
    counted(app, n, since, work).await
}

async fn tokens(
    app: &App,
    texts: Vec<Text>,
    wish: Wish,
    held: &mut Held,
) -> Result<(TokenVectors, Took), Fault> {
    check(app, "inputs", texts.iter())?;
    if wish.direction == Some(Direction::Left) {
        let message = "vectors of tokens are of texts cut at their right end";
        return Err(Fault::invalid("truncation_direction", message));
    }
    let strings: Option<Vec<String>> = texts
        .into_iter()
        .map(|text| match text {
            Text::Text(text) => Some(text),
            Text::Ids(_) => None,
        })
        .collect();
    let Some(strings) = strings else {
        let message = "vectors of tokens are given for texts, not for ids";
        return Err(Fault::invalid("inputs", message));
    };
    let identity = app.encoder.identity();
    // A token is a byte at least; special tokens come along.
    let most = |text: &String| (text.len() + 2).min(identity.max_tokens);
    let tokens: usize = strings.iter().map(most).sum();
    let values = tokens.saturating_mul(identity.dim);
    app.admission.values(&mut held.memory, values)?;
    let characters = strings.iter().map(|text| text.chars().count()).sum();
    let too_long = match wish.truncate.unwrap_or(app.options.limits.auto_truncate) {
        true => TooLong::Cut,
        false => TooLong::Refuse,
    };
    let options = EncodeOptions::new()
        .prompt(prompt(app, wish.prompt_name)?)
        .too_long(too_long)
        .bulk();
    let encoder = app.encoder.clone();
    let vectors =
        blocking_job(move |job| encoder.encode_tokens(&strings, options.job(job))).await?;
    let took = Took::of(Times::default(), characters, &vectors.texts);
    Ok((vectors, took))
}

async fn embedded(
    app: &App,
    parameter: &'static str,
    texts: Vec<Text>,
    wish: Wish,
    held: &mut Held,
) -> Result<(Embedded, Took), Fault> {
    check(app, parameter, texts.iter())?;
    let how = How {
        prompt: prompt(app, wish.prompt_name)?,
        normalize: wish.normalize.unwrap_or(true),
        dimensions: wish.dimensions,
        truncate: wish.truncate.unwrap_or(app.options.limits.auto_truncate),
        keep_end: wish.direction == Some(Direction::Left),
    };
    let dim = wish.dimensions.unwrap_or(app.encoder.identity().dim);
    // More than the model has is refused; until then it must not take all memory.
    let values = texts.len().saturating_mul(dim.min(1 << 16));
    app.admission.values(&mut held.memory, values)?;
    let characters = |text: &Text| match text {
        Text::Text(text) => text.chars().count(),
        Text::Ids(_) => 0,
    };
    let characters = texts.iter().map(characters).sum();
    let embedded = app.batcher.embed(texts, how).await;
    // What the batcher finds of texts is of its own parameter.
    let embedded = embedded.map_err(|fault| fault.called("inputs", parameter))?;
    let took = Took::of(embedded.times, characters, &embedded.texts);
    Ok((embedded, took))
}
