//! What a transformer computes, whatever its family: plain data that every backend reads.
//!
//! A file for each family (`model/families`) makes an [`Architecture`] of a `config.json`
//! and says where the tensors lie; a backend interprets the description and knows no family.
//! What can be settled when weights are read is settled there (the scale of scores, RMSNorm's
//! "one plus", the order of a rotation's pairs), so that a backend does not see it.

/// A transformer: embedding, blocks, a norm behind the last.
#[derive(Debug, Clone, PartialEq)]
pub struct Architecture {
    /// Rows of the table of words.
    pub vocabulary: usize,
    /// Numbers of a token's hidden state.
    pub hidden: usize,
    /// The most tokens of a text that have a place.
    pub longest: usize,
    /// What comes before the blocks.
    pub embedding: Embedding,
    /// The blocks, first to last; they may differ.
    pub blocks: Vec<Block>,
    /// After the last block, where blocks leave the stream as it is (pre-norm families).
    pub last_norm: Option<Norm>,
}

/// Tokens to hidden states.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Embedding {
    /// The table of positions, where places are learned.
    pub positions: Option<Positions>,
    /// Kinds of tokens that have an embedding of their own, such as those of a pair's second
    /// text; 0 for none.
    pub types: usize,
    /// What the embedding of a word is multiplied by.
    pub scale: f32,
    /// The norm behind it.
    pub norm: Option<Norm>,
}

/// A table of positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Positions {
    /// Its rows.
    pub rows: usize,
    /// The row of a text's first token.
    pub first: usize,
    /// The token that takes no place (RoBERTa and its kin): it has the row in front of `first`, and
    /// those behind it are counted as if it was not there.
    pub padding: Option<u32>,
}

/// How rows are normalised.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Norm {
    /// The kind.
    pub kind: NormKind,
    /// What is added to the variance or the mean square.
    pub eps: f32,
}

/// The kinds of norms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormKind {
    /// LayerNorm (<https://arxiv.org/abs/1607.06450>).
    Layer,
    /// RMSNorm (<https://arxiv.org/abs/1910.07467>): no mean is taken off, and there is no bias.
    Rms,
}

/// A block: attention, then a feed-forward network, each added to the stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// The attention.
    pub attention: Attention,
    /// The feed-forward network.
    pub feed_forward: FeedForward,
    /// Where norms are.
    pub norms: Norms,
}

/// Where a block's norms are, in the order in which they are computed: their descriptions, or the
/// weights that a backend has for them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Norms<N = Norm> {
    /// Of the stream, after each of the two was added (BERT).
    Post([N; 2]),
    /// Of what goes into each of the two (ModernBERT, whose first block has none before the
    /// attention; Qwen3).
    Pre([Option<N>; 2]),
    /// Of what goes into each of the two, and of what comes out before it is added (Gemma 3):
    /// attention in, attention out, feed-forward in, feed-forward out.
    Sandwich([N; 4]),
}

impl<N> Norms<N> {
    /// What `f` makes of each, in order.
    ///
    /// # Errors
    /// The first of `f`.
    pub fn try_map<M, E>(&self, mut f: impl FnMut(&N) -> Result<M, E>) -> Result<Norms<M>, E> {
        Ok(match self {
            Self::Post([a, b]) => Norms::Post([f(a)?, f(b)?]),
            Self::Pre([a, b]) => Norms::Pre([
                a.as_ref().map(&mut f).transpose()?,
                b.as_ref().map(&mut f).transpose()?,
            ]),
            Self::Sandwich([a, b, c, d]) => Norms::Sandwich([f(a)?, f(b)?, f(c)?, f(d)?]),
        })
    }
}

/// Self-attention.
#[derive(Debug, Clone, PartialEq)]
pub struct Attention {
    /// Heads of queries.
    pub heads: usize,
    /// Heads of keys and values; each serves `heads / kv_heads` heads of queries in a row.
    pub kv_heads: usize,
    /// Numbers of a head.
    pub head_dim: usize,
    /// What scores are multiplied by.
    pub scale: f64,
    /// Of each head's queries and of its keys, before they are rotated.
    pub head_norm: Option<Norm>,
    /// How attention knows places.
    pub place: Place,
    /// Which keys a query sees.
    pub reach: Reach,
}

/// How attention knows places, besides a table of positions.
#[derive(Debug, Clone, PartialEq)]
pub enum Place {
    /// Not at all.
    None,
    /// Queries and keys are rotated by their positions.
    Rotary(Rotary),
    /// Scores lose in proportion to the distance (<https://arxiv.org/abs/2108.12409>).
    Alibi,
    /// Scores get a learned number for the distance's bucket, of so many (MPNet, T5).
    Buckets(usize),
}

/// A rotation by position (<https://arxiv.org/abs/2104.09864>): pair `i` of a head's first
/// `2 * frequencies.len()` numbers is turned by the position times `frequencies[i]` radians.
#[derive(Debug, Clone, PartialEq)]
pub struct Rotary {
    /// Radians for each position, of each pair.
    pub frequencies: Vec<f64>,
    /// Whether a pair's numbers stand beside each other; else half of the rotated numbers apart.
    /// Readers of weights settle it by reordering the rows of queries and keys.
    pub interleaved: bool,
}

impl Rotary {
    /// The usual frequencies: `theta^(-2i / dim)` of `dim` rotated numbers.
    pub fn new(theta: f64, dim: usize) -> Self {
        let frequencies = (0..dim / 2)
            .map(|i| theta.powf(-((2 * i) as f64) / dim as f64))
            .collect();
        Self {
            frequencies,
            interleaved: false,
        }
    }

    /// Numbers of a head that are rotated.
    pub fn dim(&self) -> usize {
        2 * self.frequencies.len()
    }
}

/// Which keys a query sees: those at most so many tokens before and behind it, itself always.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// Tokens before; `usize::MAX` for all.
    pub before: usize,
    /// Tokens behind; 0 where attention is causal.
    pub behind: usize,
}

impl Reach {
    /// All of the text.
    pub const ALL: Self = Self {
        before: usize::MAX,
        behind: usize::MAX,
    };
    /// What stands before.
    pub const CAUSAL: Self = Self {
        before: usize::MAX,
        behind: 0,
    };

    /// So many on both sides.
    pub fn window(each_side: usize) -> Self {
        Self {
            before: each_side,
            behind: each_side,
        }
    }

    /// The keys that the query at `position` sees in a text of so many tokens.
    pub fn keys(self, position: usize, tokens: usize) -> std::ops::Range<usize> {
        position.saturating_sub(self.before)
            ..position
                .saturating_add(self.behind)
                .saturating_add(1)
                .min(tokens)
    }
}

/// The feed-forward network: down(activation(up(x))), or, with a gate,
/// down(activation(gate(x)) * up(x)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedForward {
    /// Numbers between.
    pub width: usize,
    /// The activation.
    pub activation: Activation,
    /// Whether there is a gate.
    pub gated: bool,
}

/// What is done to single numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// GELU by the error function (<https://arxiv.org/abs/1606.08415>).
    Gelu,
    /// GELU by its tanh approximation.
    GeluTanh,
    /// Zero below zero.
    Relu,
    /// x times its logistic function; also called swish.
    Silu,
    /// The hyperbolic tangent.
    Tanh,
    /// The logistic function.
    Sigmoid,
    /// Nothing.
    Identity,
}

impl Activation {
    /// The activation of this name in HF transformers' configurations.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "gelu" | "gelu_python" => Self::Gelu,
            "gelu_new" | "gelu_pytorch_tanh" | "gelu_approximate" | "gelu_fast" => Self::GeluTanh,
            "relu" => Self::Relu,
            "silu" | "swish" => Self::Silu,
            "tanh" => Self::Tanh,
            "sigmoid" => Self::Sigmoid,
            "linear" | "identity" => Self::Identity,
            _ => return None,
        })
    }

    /// The activation of a number; the definition that kernels are tested against.
    pub fn of(self, x: f32) -> f32 {
        match self {
            Self::Gelu => {
                let x = f64::from(x);
                (0.5 * x * (1.0 + libm::erf(x * std::f64::consts::FRAC_1_SQRT_2))) as f32
            }
            Self::GeluTanh => {
                let x = f64::from(x);
                let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x * x * x);
                (0.5 * x * (1.0 + inner.tanh())) as f32
            }
            Self::Relu => x.max(0.0),
            Self::Silu => x / (1.0 + (-x).exp()),
            Self::Tanh => x.tanh(),
            Self::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Self::Identity => x,
        }
    }
}

/// How token vectors become one vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// The first token's.
    Cls,
    /// The mean over tokens.
    Mean,
    /// The largest value of each dimension over tokens.
    Max,
    /// The sum over tokens divided by the square root of their number.
    MeanSqrtLen,
    /// The mean over tokens, each weighted by its position, which begins at 1
    /// (<https://arxiv.org/abs/2202.08904>).
    Weighted,
    /// The last token's.
    Last,
}

impl Pooling {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cls => "cls",
            Self::Mean => "mean",
            Self::Max => "max",
            Self::MeanSqrtLen => "mean_sqrt_len",
            Self::Weighted => "weightedmean",
            Self::Last => "lasttoken",
        }
    }
}

/// A step behind the pooling.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Module {
    /// A product with weights (`out`, what comes in), with or without a bias, and an activation.
    Dense {
        /// Numbers that come out.
        out: usize,
        /// Whether there is a bias.
        bias: bool,
        /// The activation.
        activation: Activation,
    },
    /// A norm.
    Norm(Norm),
    /// The vector is scaled to unit length.
    Normalize,
}

impl Architecture {
    /// The numbers of the widest product between a feed-forward pair.
    pub fn widest(&self) -> usize {
        let widths = self.blocks.iter().map(|b| b.feed_forward.width);
        widths.max().unwrap_or(0)
    }

    /// Multiplications and additions of weights for one token, those of the attention's scores
    /// left out.
    pub fn operations(&self) -> usize {
        let block = |b: &Block| {
            let a = &b.attention;
            let attention = a.head_dim * (2 * a.heads + 2 * a.kv_heads);
            let wide = b.feed_forward.width * if b.feed_forward.gated { 3 } else { 2 };
            2 * self.hidden * (attention + wide)
        };
        self.blocks.iter().map(block).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_a_query_sees() {
        assert_eq!(Reach::ALL.keys(3, 10), 0..10);
        assert_eq!(Reach::CAUSAL.keys(3, 10), 0..4);
        assert_eq!(Reach::window(2).keys(0, 10), 0..3);
        assert_eq!(Reach::window(2).keys(5, 10), 3..8);
        assert_eq!(Reach::window(2).keys(9, 10), 7..10);
    }

    #[test]
    fn frequencies_begin_at_one_and_fall() {
        let rotary = Rotary::new(10_000.0, 8);
        let expected = [1.0, 0.1, 0.01, 0.001];
        for (got, expected) in rotary.frequencies.iter().zip(expected) {
            assert!((got - expected).abs() < 1e-12);
        }
        assert_eq!(rotary.dim(), 8);
    }

    #[test]
    fn activations_at_known_points() {
        // torch.nn.functional's values at 0.5.
        for (activation, expected) in [
            (Activation::Gelu, 0.345_731_23),
            (Activation::GeluTanh, 0.345_714),
            (Activation::Relu, 0.5),
            (Activation::Silu, 0.311_229_67),
            (Activation::Tanh, 0.462_117_16),
            (Activation::Sigmoid, 0.622_459_35),
            (Activation::Identity, 0.5),
        ] {
            assert!(
                (activation.of(0.5) - expected).abs() < 1e-6,
                "{activation:?}"
            );
        }
    }
}
