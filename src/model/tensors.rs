//! Where the weights of an architecture lie in a checkpoint: names of tensors, as data.

use std::ops::Range;

/// A tensor, or some of its rows where several weights were saved as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The tensor's name, behind the model's prefix.
    pub tensor: String,
    /// The rows that are meant, and how many the tensor has; `None` for all.
    pub rows: Option<(Range<usize>, usize)>,
}

impl Part {
    /// All of a tensor.
    pub fn whole(tensor: impl Into<String>) -> Self {
        Self {
            tensor: tensor.into(),
            rows: None,
        }
    }

    /// Some of the `of` rows of a tensor.
    pub fn rows(tensor: impl Into<String>, rows: Range<usize>, of: usize) -> Self {
        Self {
            tensor: tensor.into(),
            rows: Some((rows, of)),
        }
    }
}

/// A linear layer's weights (columns, inner) and bias (columns).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinearAt {
    /// The weights.
    pub weight: Part,
    /// The bias, where there is one.
    pub bias: Option<Part>,
}

impl LinearAt {
    /// `NAME.weight`, and `NAME.bias` where there is a bias.
    pub fn new(name: &str, bias: bool) -> Self {
        Self {
            weight: Part::whole(format!("{name}.weight")),
            bias: bias.then(|| Part::whole(format!("{name}.bias"))),
        }
    }

    /// Some of the `of` rows of `NAME.weight` and `NAME.bias`.
    pub fn rows(name: &str, bias: bool, rows: Range<usize>, of: usize) -> Self {
        Self {
            weight: Part::rows(format!("{name}.weight"), rows.clone(), of),
            bias: bias.then(|| Part::rows(format!("{name}.bias"), rows, of)),
        }
    }
}

/// A norm's gain and bias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NormAt {
    /// The name in front of `.weight` and `.bias` (`.gamma` and `.beta` in older checkpoints).
    pub name: String,
    /// Whether there is a bias.
    pub bias: bool,
    /// Whether the gain was saved less one (Gemma).
    pub plus_one: bool,
}

impl NormAt {
    /// A norm with a bias or without.
    pub fn new(name: impl Into<String>, bias: bool) -> Self {
        Self {
            name: name.into(),
            bias,
            plus_one: false,
        }
    }
}

/// The weights of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockAt {
    /// Queries, keys and values.
    pub qkv: [LinearAt; 3],
    /// What follows the attention.
    pub output: LinearAt,
    /// Of each head's queries and of its keys.
    pub head_norms: Option<[NormAt; 2]>,
    /// In the order of [`Norms`](super::architecture::Norms); `None` where there is none.
    pub norms: Vec<Option<NormAt>>,
    /// The gate of the feed-forward network, where it has one.
    pub gate: Option<LinearAt>,
    /// Its first product.
    pub up: LinearAt,
    /// Its last product.
    pub down: LinearAt,
}

/// The weights of a transformer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorsAt {
    /// What may stand before all names: the first with which the table of words is there.
    pub prefixes: &'static [&'static str],
    /// The table of words, (vocabulary, hidden).
    pub words: String,
    /// The table of positions.
    pub positions: Option<String>,
    /// The table of token types.
    pub types: Option<String>,
    /// The embedding's norm.
    pub embedding_norm: Option<NormAt>,
    /// The blocks' weights.
    pub blocks: Vec<BlockAt>,
    /// The norm behind the last block.
    pub last_norm: Option<NormAt>,
    /// The table of relative positions' buckets, (buckets, heads).
    pub buckets: Option<String>,
    /// Beginnings of names, before which the prefix may stand, of tensors that a checkpoint may
    /// have and that do not take part, such as those of the training's own head.
    pub unused: &'static [&'static str],
}
