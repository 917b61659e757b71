//! What BERT-like families share.

use super::{
    Classifier, Described, HEADS, HIDDEN, LAYERS, VOCABULARY, dense, even_share, labels,
    usual_scale,
};
use crate::model::architecture::{
    Activation, Architecture, Attention, Block, Embedding, Place, Pooling, Reach,
};
use crate::model::settings::{Result, Settings};
use crate::model::tensors::{BlockAt, LinearAt, NormAt, TensorsAt};

/// The sizes that all BERT-like models name, each under one of some names.
pub(super) struct Sizes {
    pub hidden: usize,
    heads: usize,
    pub head_dim: usize,
    pub layers: usize,
}

impl Sizes {
    pub(super) fn read(
        s: &Settings,
        hidden: &[&str],
        heads: &[&str],
        layers: &[&str],
    ) -> Result<Self> {
        let hidden = s.size(hidden, HIDDEN)?;
        let heads = s.size(heads, HEADS)?;
        Ok(Self {
            hidden,
            heads,
            head_dim: even_share(hidden, heads)?,
            layers: s.size(layers, LAYERS)?,
        })
    }

    /// Under the names that most configurations have.
    pub(super) fn usual(s: &Settings) -> Result<Self> {
        Self::read(
            s,
            &["hidden_size"],
            &["num_attention_heads"],
            &["num_hidden_layers"],
        )
    }

    /// Attention over all of the text, with as many heads of keys as of queries.
    pub(super) fn attention(&self, place: Place) -> Attention {
        Attention {
            heads: self.heads,
            kv_heads: self.heads,
            head_dim: self.head_dim,
            scale: usual_scale(self.head_dim),
            head_norm: None,
            place,
            reach: Reach::ALL,
        }
    }

    /// Queries, keys and values that were saved as one, `name`.
    pub(super) fn thirds(&self, name: &str, bias: bool) -> [LinearAt; 3] {
        let hidden = self.hidden;
        [0, 1, 2].map(|n| LinearAt::rows(name, bias, n * hidden..(n + 1) * hidden, 3 * hidden))
    }

    /// A classifier of the first token's state: two dense steps with a bias.
    pub(super) fn classifier(
        &self,
        s: &Settings,
        first: &str,
        activation: Activation,
        last: &str,
    ) -> Result<Option<Classifier>> {
        let classifier = |labels| Classifier {
            pooling: Pooling::Cls,
            steps: vec![
                dense(first, self.hidden, activation),
                dense(last, labels, Activation::Identity),
            ],
            labels,
            padding: None,
            of_tokens: false,
        };
        Ok(labels(s)?.map(classifier))
    }

    /// A model of equal blocks, with nothing behind the last.
    pub(super) fn described(
        &self,
        s: &Settings,
        longest: usize,
        embedding: Embedding,
        block: Block,
        tensors: TensorsAt,
        classifier: Option<Classifier>,
    ) -> Result<Described> {
        Ok(Described {
            architecture: Architecture {
                vocabulary: s.size(&["vocab_size"], VOCABULARY)?,
                hidden: self.hidden,
                longest,
                embedding,
                blocks: vec![block; self.layers],
                last_norm: None,
            },
            tensors,
            classifier,
            language_head: None,
        })
    }
}

/// A norm with a bias behind each of the two parts of a block.
pub(super) fn two_norms(names: [String; 2]) -> Vec<Option<NormAt>> {
    names.map(|n| Some(NormAt::new(n, true))).to_vec()
}

/// The tensors of BERT-like models; of those with a table of positions, with that.
pub(super) fn tensors(
    prefixes: &'static [&'static str],
    embedding: &Embedding,
    blocks: impl Iterator<Item = BlockAt>,
    unused: &'static [&'static str],
) -> TensorsAt {
    let table = |there: bool, name: &str| there.then(|| format!("embeddings.{name}.weight"));
    TensorsAt {
        prefixes,
        words: "embeddings.word_embeddings.weight".into(),
        positions: table(embedding.positions.is_some(), "position_embeddings"),
        types: table(embedding.types > 0, "token_type_embeddings"),
        embedding_norm: Some(NormAt::new("embeddings.LayerNorm", true)),
        blocks: blocks.collect(),
        last_norm: None,
        buckets: None,
        unused,
    }
}
