//! Re-ranking and judging pairs, where a cross-encoder is loaded.

use super::super::app::{App, blocking_job};
use super::super::batch::{Times, Took};
use super::super::dialect::{Fault, FaultKind};
use super::asked::{Asked, Held};
use super::embed::{Direction, at_most, counted};
use super::tei::{ErrorResponse, Refused};
use super::written;
use crate::encoder::{RerankOptions, Reranker, Scores, TextTokens};
use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Instant;
use utoipa::ToSchema;

/// Pairs up to which a request is computed before bulk work.
const FEW: usize = 32;

/// The cross-encoder.
pub(super) fn reranker(app: &App) -> Result<Arc<Reranker>, Fault> {
    app.reranker.clone().ok_or_else(|| {
        let message =
            "no model that judges pairs of texts is served (the server's setting rerank names one)";
        Fault::new(FaultKind::Backend, message)
    })
}

/// What the last layer gives for pairs, and what it cost.
pub(super) async fn judged(
    app: &Arc<App>,
    parameter: &'static str,
    pairs: Vec<(String, String)>,
    truncate: Option<bool>,
    held: &mut Held,
    since: Instant,
) -> Result<(Scores, Took), Fault> {
    let (n, work) = (pairs.len(), scores(app, parameter, pairs, truncate, held));
    let judged = counted(app, n, since, work).await?;
    app.metrics.judged.inc_by(n as u64);
    Ok(judged)
}

async fn scores(
    app: &Arc<App>,
    parameter: &'static str,
    pairs: Vec<(String, String)>,
    truncate: Option<bool>,
    held: &mut Held,
) -> Result<(Scores, Took), Fault> {
    at_most(app, parameter, pairs.len())?;
    let reranker = reranker(app)?;
    // The query stands in each pair.
    let bytes: usize = pairs.iter().map(|(a, b)| a.len() + b.len()).sum();
    app.admission.body(&mut held.memory, bytes)?;
    let characters = pairs.iter();
    let characters = characters.map(|(a, b)| a.chars().count() + b.chars().count());
    let characters = characters.sum();
    let cut = truncate.unwrap_or(app.options.limits.auto_truncate);
    let asked = Instant::now();
    let turn = app.judging.clone().acquire_owned().await;
    let turn = turn.map_err(|_| Fault::stopping())?;
    let begun = Instant::now();
    let scores = blocking_job(move |job| {
        let mut options = RerankOptions::new().job(job);
        if pairs.len() > FEW {
            options = options.bulk();
        }
        let scores = reranker.raw_scores(&pairs, &options);
        drop(turn);
        scores
    })
    .await?;
    let times = Times {
        queue: begun - asked,
        inference: begun.elapsed(),
        ..Times::default()
    };
    if !cut && let Some(i) = scores.pairs.iter().position(|p: &TextTokens| p.cut > 0) {
        let TextTokens { tokens, cut } = scores.pairs[i];
        let message = format!(
            "pair {i} has {} tokens, and the model takes {tokens}",
            tokens + cut
        );
        return Err(Fault::invalid(parameter, message));
    }
    let took = Took::of(times, characters, &scores.pairs);
    Ok((scores, took))
}

/// A probability of a logit.
fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

/// Probabilities of a pair's labels.
fn probabilities(logits: &[f32]) -> Vec<f32> {
    if let [only] = logits {
        return vec![sigmoid(*only)];
    }
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f32> = logits.iter().map(|x| (x - most).exp()).collect();
    let sum: f32 = powers.iter().sum();
    powers.iter().map(|p| p / sum).collect()
}

/// A query and texts to order by how well they answer it.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub(super) struct RerankRequest {
    query: String,
    texts: Vec<String>,
    /// Whether a pair that is too long for the model is cut, or the request refused.
    #[serde(default)]
    truncate: Option<bool>,
    /// Which end is cut off; only `right` is known for pairs.
    #[serde(default)]
    truncation_direction: Option<Direction>,
    /// Whether scores are what the model's last layer gives, instead of from 0 to 1.
    #[serde(default, deserialize_with = "crate::server::or_usual")]
    #[schema(value_type = Option<bool>)]
    raw_scores: bool,
    /// Whether texts are repeated in the answer.
    #[serde(default, deserialize_with = "crate::server::or_usual")]
    #[schema(value_type = Option<bool>)]
    return_text: bool,
}

/// A text at its place in the order.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Rank {
    /// Which of the texts it is.
    pub(super) index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<String>,
    pub(super) score: f32,
}

fn only_right(direction: Option<Direction>) -> Result<(), Fault> {
    match direction {
        Some(Direction::Left) => Err(Fault::invalid(
            "truncation_direction",
            "of a pair only the end can be cut off (right)",
        )),
        _ => Ok(()),
    }
}

/// Orders texts by a query, best first.
///
/// # Errors
/// The request cannot be used, or no model for it is loaded.
pub(super) async fn ranked(
    app: &Arc<App>,
    query: &str,
    texts: &[String],
    raw: bool,
    truncate: Option<bool>,
    held: &mut Held,
    since: Instant,
) -> Result<(Vec<Rank>, Took), Fault> {
    let labels = reranker(app)?.labels().len();
    if labels != 1 {
        let message = format!(
            "the model judges by {labels} labels and so ranks nothing; /predict shows them"
        );
        return Err(Fault::new(FaultKind::Backend, message));
    }
    // Before the query is repeated so many times.
    at_most(app, "texts", texts.len())?;
    let pair = |text: &String| (query.to_string(), text.clone());
    let pairs = texts.iter().map(pair).collect();
    let (scores, took) = judged(app, "texts", pairs, truncate, held, since).await?;
    let mut ranks: Vec<Rank> = scores
        .values
        .iter()
        .enumerate()
        .map(|(index, &score)| Rank {
            index,
            text: None,
            score,
        })
        .collect();
    ranks.sort_by(|a, b| b.score.total_cmp(&a.score));
    if !raw {
        ranks.iter_mut().for_each(|r| r.score = sigmoid(r.score));
    }
    Ok((ranks, took))
}

/// Orders texts by how well they answer a query.
#[utoipa::path(
    post, path = "/rerank", tag = "embedding", request_body = RerankRequest,
    responses(
        (status = 200, description = "Best first", body = Vec<Rank>),
        Refused,
        (status = 424, description = "No cross-encoder is loaded", body = ErrorResponse),
    )
)]
pub(super) async fn rerank(
    State(app): State<Arc<App>>,
    asked: Asked<RerankRequest>,
) -> Result<Response, Fault> {
    let Asked {
        value,
        mut held,
        since,
        ..
    } = asked;
    only_right(value.truncation_direction)?;
    if value.texts.is_empty() {
        return Err(Fault::invalid("texts", "texts is empty"));
    }
    let (raw, truncate) = (value.raw_scores, value.truncate);
    let (mut ranks, took) = ranked(
        &app,
        &value.query,
        &value.texts,
        raw,
        truncate,
        &mut held,
        since,
    )
    .await?;
    if value.return_text {
        let mut texts = value.texts;
        for rank in &mut ranks {
            rank.text = Some(std::mem::take(&mut texts[rank.index]));
        }
    }
    Ok(written::told(&app, written::value(&ranks, held)?, &took))
}

/// One text or a pair, or several of these.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(
    untagged,
    expecting = "a text, a pair of texts, or a list of lists of one or two texts"
)]
pub(super) enum PredictInputs {
    /// A single text.
    Text(String),
    /// A pair.
    Pair(Vec<String>),
    /// Several.
    Many(Vec<Vec<String>>),
}

/// Pairs to judge.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub(super) struct PredictRequest {
    inputs: PredictInputs,
    #[serde(default)]
    truncate: Option<bool>,
    #[serde(default)]
    truncation_direction: Option<Direction>,
    /// Whether scores are what the model's last layer gives, instead of probabilities.
    #[serde(default, deserialize_with = "crate::server::or_usual")]
    #[schema(value_type = Option<bool>)]
    raw_scores: bool,
}

/// A label's score.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Prediction {
    score: f32,
    label: String,
}

fn pair(texts: Vec<String>) -> Result<(String, String), Fault> {
    match <[String; 2]>::try_from(texts) {
        Ok([a, b]) => Ok((a, b)),
        Err(texts) => Err(Fault::invalid(
            "inputs",
            format!(
                "the model judges pairs of texts, and {} is given",
                match texts.len() {
                    1 => "a single text".to_string(),
                    n => format!("a list of {n}"),
                }
            ),
        )),
    }
}

/// Judges pairs: a score for each label, the best first.
#[utoipa::path(
    post, path = "/predict", tag = "embedding", request_body = PredictRequest,
    responses(
        (status = 200, description = "Scores of a pair, or a list of them for several", body = Vec<Prediction>),
        Refused,
        (status = 424, description = "No cross-encoder is loaded", body = ErrorResponse),
    )
)]
pub(super) async fn predict(
    State(app): State<Arc<App>>,
    asked: Asked<PredictRequest>,
) -> Result<Response, Fault> {
    let Asked {
        value,
        mut held,
        since,
        ..
    } = asked;
    only_right(value.truncation_direction)?;
    reranker(&app)?;
    let (single, pairs) = match value.inputs {
        PredictInputs::Text(text) => (true, vec![pair(vec![text])?]),
        PredictInputs::Pair(texts) => (true, vec![pair(texts)?]),
        PredictInputs::Many(lists) => {
            let pairs: Result<Vec<_>, Fault> = lists.into_iter().map(pair).collect();
            (false, pairs?)
        }
    };
    if pairs.is_empty() {
        return Err(Fault::empty("inputs", "inputs is empty"));
    }
    let (scores, took) = judged(&app, "inputs", pairs, value.truncate, &mut held, since).await?;
    let predictions: Vec<Vec<Prediction>> = scores
        .rows()
        .map(|logits| {
            let values = match value.raw_scores {
                true => logits.to_vec(),
                false => probabilities(logits),
            };
            let mut row: Vec<Prediction> = values
                .into_iter()
                .zip(&scores.labels)
                .map(|(score, label)| Prediction {
                    score,
                    label: label.clone(),
                })
                .collect();
            row.sort_by(|a, b| b.score.total_cmp(&a.score));
            row
        })
        .collect();
    let response = match (single, predictions.as_slice()) {
        (true, [only]) => written::value(only, held)?,
        _ => written::value(&predictions, held)?,
    };
    Ok(written::told(&app, response, &took))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_add_up() {
        assert_eq!(probabilities(&[0.0]), [0.5]);
        let three = probabilities(&[1000.0, 1001.0, 1002.0]);
        assert!((three.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert!(three.is_sorted());
        assert!(sigmoid(-200.0) >= 0.0 && sigmoid(200.0) <= 1.0);
    }
}
