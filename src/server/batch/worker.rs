//! A thread that makes batches and has them computed.

use super::super::dialect::{Fault, FaultKind};
use super::super::metrics::Metrics;
use super::broken;
use super::lanes::{Lane, Lanes, Piece};
use super::work::{How, Part, Text};
use crate::encoder::{EncodeOptions, Encoder, TextTokens, Vectors};
use crate::error::Result;
use crate::model::Tokens;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A thread of a lane.
pub(super) struct Worker {
    pub(super) lane: Lane,
    pub(super) number: usize,
    pub(super) lanes: Arc<Lanes>,
    pub(super) encoder: Arc<Encoder>,
    pub(super) metrics: Arc<Metrics>,
}

/// Texts of one request with their tokens.
struct Ready {
    piece: Piece,
    tokens: Vec<Tokens>,
    tokenization: Duration,
}

impl Worker {
    pub(super) fn run(self) {
        while let Some(pieces) = self.lanes.take(self.lane) {
            let works: Vec<_> = pieces.iter().map(|p| p.work.clone()).collect();
            let done = catch_unwind(AssertUnwindSafe(|| self.batch(pieces)));
            if self.lane == Lane::Bulk {
                self.lanes.bulk_ends(self.number);
            }
            if done.is_err() {
                self.lanes.failing(true);
                works.iter().for_each(|work| work.fail(broken()));
            }
        }
    }

    fn batch(&self, pieces: Vec<Piece>) {
        let ready: Vec<Ready> = pieces.into_iter().filter_map(|p| self.ready(p)).collect();
        let texts: usize = ready.iter().map(|r| r.tokens.len()).sum();
        if texts == 0 {
            return;
        }
        let lengths = ready.iter().flat_map(|r| &r.tokens).map(|t| t.ids.len());
        let tokens = lengths.inspect(|&n| self.metrics.length(n)).sum();
        self.metrics.batch(texts, tokens);
        if self.lane == Lane::Bulk {
            self.lanes.bulk_begins(self.number, tokens);
        }
        match self.compute(&ready) {
            Ok(()) => self.lanes.failing(false),
            Err(fault) if ready.len() == 1 => {
                self.lanes.failing(fault.kind != FaultKind::Invalid);
                ready[0].piece.work.fail(fault);
            }
            // One text that cannot be computed fails none of the others.
            Err(_) => {
                for one in ready.chunks(1) {
                    match self.compute(one) {
                        Ok(()) => self.lanes.failing(false),
                        Err(fault) => {
                            self.lanes.failing(fault.kind != FaultKind::Invalid);
                            one[0].piece.work.fail(fault);
                        }
                    }
                }
            }
        }
    }

    /// Tokenizes the texts of a piece; answers the request where that fails.
    fn ready(&self, piece: Piece) -> Option<Ready> {
        piece.work.begin();
        let started = Instant::now();
        let texts = &piece.work.texts[piece.range.clone()];
        let tokens = match tokens(&self.encoder, texts, &piece.work.how) {
            Ok(tokens) => tokens,
            Err(e) => {
                piece.work.fail(e.into());
                return None;
            }
        };
        if let Some(fault) = self.unfit(&piece, &tokens) {
            piece.work.fail(fault);
            return None;
        }
        Some(Ready {
            piece,
            tokens,
            tokenization: started.elapsed(),
        })
    }

    /// What is wrong with the tokens of a piece.
    fn unfit(&self, piece: &Piece, tokens: &[Tokens]) -> Option<Fault> {
        let which = |i: usize| match piece.work.texts.len() {
            1 => "the text".to_string(),
            _ => format!("text {}", piece.range.start + i),
        };
        let most = self.encoder.identity().max_tokens;
        let vocabulary = self.encoder.tokenizer().vocabulary();
        for (i, t) in tokens.iter().enumerate() {
            if t.cut > 0 && !piece.work.how.truncate {
                let message = format!(
                    "{} has {} tokens, and the model takes {most}",
                    which(i),
                    t.ids.len() + t.cut
                );
                return Some(Fault::invalid("inputs", message));
            }
            let own = matches!(piece.work.texts[piece.range.start + i], Text::Ids(_));
            if own && let Some(id) = t.ids.iter().find(|id| **id as usize >= vocabulary) {
                let message = format!(
                    "{} has the token {id}, and the model's vocabulary has {vocabulary}",
                    which(i)
                );
                return Some(Fault::invalid("inputs", message));
            }
        }
        None
    }

    /// Computes a batch and hands each request its vectors.
    fn compute(&self, ready: &[Ready]) -> std::result::Result<(), Fault> {
        let how = &ready[0].piece.work.how;
        let mut options = EncodeOptions::new()
            .normalize(how.normalize)
            .dimensions(how.dimensions);
        if self.lane == Lane::Bulk {
            options = options.bulk();
        }
        let ids: Vec<&[u32]> = ready
            .iter()
            .flat_map(|r| r.tokens.iter().map(|t| t.ids.as_slice()))
            .collect();
        let started = Instant::now();
        let Vectors { values, dim, .. } = self.encoder.encode_ids(&ids, options)?;
        let inference = started.elapsed();
        let mut rest = values.as_slice();
        for r in ready {
            let own;
            (own, rest) = rest.split_at(r.tokens.len() * dim);
            let counts = |t: &Tokens| TextTokens {
                tokens: t.ids.len(),
                cut: t.cut,
            };
            let texts: Vec<TextTokens> = r.tokens.iter().map(counts).collect();
            self.metrics.embedded.inc_by(texts.len() as u64);
            let part = Part {
                values: own,
                dim,
                texts: &texts,
                tokenization: r.tokenization,
                inference,
            };
            r.piece.work.deliver(r.piece.range.clone(), part);
        }
        Ok(())
    }
}

/// The tokens of texts, cut at the model's length.
fn tokens(encoder: &Encoder, texts: &[Text], how: &How) -> Result<Vec<Tokens>> {
    let mut out = Vec::with_capacity(texts.len());
    let mut rest = texts;
    while let Some(first) = rest.first() {
        // Runs of one kind, as lists of texts and ids may be mixed.
        let is_text = matches!(first, Text::Text(_));
        let same = |t: &&Text| matches!(t, Text::Text(_)) == is_text;
        let run;
        (run, rest) = rest.split_at(rest.iter().take_while(same).count());
        if is_text {
            let strings = run.iter().filter_map(|t| match t {
                Text::Text(text) => Some(text.as_str()),
                Text::Ids(_) => None,
            });
            let strings: Vec<&str> = strings.collect();
            out.extend(encoder.tokenize_to_encode(&strings, &how.prompt, how.keep_end)?);
        } else {
            let most = encoder.identity().max_tokens;
            out.extend(run.iter().filter_map(|t| match t {
                Text::Ids(ids) => Some(fit(ids, most, how.keep_end)),
                Text::Text(_) => None,
            }));
        }
    }
    Ok(out)
}

/// Cuts ids at the model's length.
fn fit(ids: &[u32], most: usize, keep_end: bool) -> Tokens {
    let cut = ids.len().saturating_sub(most);
    let kept = if keep_end {
        &ids[cut..]
    } else {
        &ids[..ids.len() - cut]
    };
    Tokens {
        ids: kept.to_vec(),
        cut,
    }
}
