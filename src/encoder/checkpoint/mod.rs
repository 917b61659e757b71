//! A model's weights as its files have them, read by what they are for.

mod shards;

pub(super) use shards::Table;

use super::relative::{alibi_slopes, bucket};
use crate::error::{Error, Result};
use crate::model::architecture::{Architecture, Module, Norm, NormKind, Norms, Place, Rotary};
use crate::model::{Config, Described, LinearAt, ModelFiles, NormAt, Part, StepAt};
use shards::Shards;
use std::collections::HashSet;
use std::f64::consts::LOG2_E;

/// Ends of the names of tensors that are made from the configuration anew.
const COMPUTED: [&str; 4] = ["position_ids", "token_type_ids", "inv_freq", "masked_bias"];

/// Gain and bias of a norm; the bias of one that has none is zero.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct NormWeights {
    pub kind: NormKind,
    pub eps: f32,
    pub weight: Vec<f32>,
    pub bias: Vec<f32>,
}

/// A linear layer: weights (columns, inner) and a bias for each column, zero where it has none.
pub(super) type Linear = (Vec<f32>, Vec<f32>);

/// A block's weights.
pub(super) struct BlockWeights {
    /// Queries of all heads, keys and values of all theirs: ((heads + 2 * kv heads) * head size,
    /// hidden). Where there are no norms of heads, queries are scaled so that 2^score is the
    /// softmax's numerator. Where pairs are rotated, they stand half of the rotated numbers apart.
    pub qkv: Linear,
    /// Gains of the norms of each head's queries and keys, (head size) each, the first with the
    /// scale that queries have else.
    pub head_norms: Option<[NormWeights; 2]>,
    pub output: Linear,
    pub norms: Norms<NormWeights>,
    /// The feed-forward network's first product; where it is gated, the gate's columns come first
    /// and then as many of what is gated.
    pub up: Linear,
    pub down: Linear,
}

/// What comes before the blocks.
pub(super) struct EmbeddingWeights {
    /// (vocabulary, hidden), not scaled.
    pub words: Table,
    /// What is added by place and type: (types, places, hidden). One place where places are not
    /// learned, one type where there are none; `None` where there is neither.
    pub places: Option<Vec<f32>>,
    /// Rows of `places` for each type: as many as a text may have tokens, and one in front for
    /// `padding`; or 1 for all of them.
    pub rows: usize,
    /// The token that takes no place.
    pub padding: Option<u32>,
    pub norm: Option<NormWeights>,
}

/// What is added to scores by distance: for each head, by the key's position less the query's,
/// from `1 - longest` to `longest - 1`, scaled as the queries are.
pub(super) struct RelativeBias {
    /// (heads, `2 * longest - 1`).
    pub values: Vec<f32>,
    /// The most tokens of a text.
    pub longest: usize,
}

/// Cosines and sines of a rotation, (positions, pairs) each.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RotaryTable {
    pub cos: Vec<f32>,
    pub sin: Vec<f32>,
    /// Pairs of numbers that are rotated.
    pub pairs: usize,
}

impl RotaryTable {
    /// Of the positions before `longest`.
    ///
    /// Angles are rounded to f32, as HF transformers computes them: models were trained so.
    pub(super) fn new(rotary: &Rotary, longest: usize) -> Self {
        let angle = |position: usize, frequency: f64| position as f32 * frequency as f32;
        let pairs = rotary.frequencies.len();
        let all = (0..longest).flat_map(|p| {
            rotary
                .frequencies
                .iter()
                .map(move |&f| f64::from(angle(p, f)))
        });
        let (cos, sin) = all.map(|a| (a.cos() as f32, a.sin() as f32)).unzip();
        Self { cos, sin, pairs }
    }
}

/// A step behind the pooling, with its weights.
#[derive(Debug, Clone)]
pub(super) enum StepWeights {
    Dense(Linear),
    Norm(NormWeights),
}

/// A model's files of weights, opened; its tensors are read one by one.
pub(super) struct Checkpoint {
    pub architecture: Architecture,
    /// The most tokens of a text.
    pub longest: usize,
    described: Described,
    shards: Shards,
    prefix: &'static str,
    /// Types of tokens that the model is given: one, or all for a model that judges pairs.
    types: usize,
}

impl Checkpoint {
    /// Opens a model's weights, and looks whether each tensor is there that the architecture
    /// needs, and none beside them that would take part.
    ///
    /// # Errors
    /// A file is damaged, or has other tensors than the configuration says.
    pub(super) fn open(files: &ModelFiles, config: &Config) -> Result<Self> {
        let shards = Shards::open(&files.id, &files.weights()?)?;
        let described = config.described.clone();
        let words = &described.tensors.words;
        let prefixes = described.tensors.prefixes.iter();
        let prefix = prefixes
            .copied()
            .find(|p| shards.has(&format!("{p}{words}")))
            .unwrap_or("");
        let out = Self {
            architecture: described.architecture.clone(),
            longest: config.max_tokens,
            shards,
            prefix,
            types: if config.judges_pairs() {
                described.architecture.embedding.types
            } else {
                described.architecture.embedding.types.min(1)
            },
            described,
        };
        out.compare(config)?;
        Ok(out)
    }

    /// Fails on the first tensor that is missing, or that nothing reads.
    fn compare(&self, config: &Config) -> Result<()> {
        let at = &self.described.tensors;
        let mut needed: Vec<String> = Vec::new();
        let linear = |l: &LinearAt| -> Vec<String> {
            let parts = std::iter::once(&l.weight).chain(&l.bias);
            parts.map(|p| self.name(&p.tensor)).collect()
        };
        let norm = |n: &NormAt| -> Vec<String> {
            let bias = n.bias.then(|| self.norm_name(&n.name, "bias", "beta"));
            let gain = self.norm_name(&n.name, "weight", "gamma");
            std::iter::once(gain).chain(bias).collect()
        };
        let tables = [
            Some(&at.words),
            at.positions.as_ref(),
            at.types.as_ref(),
            at.buckets.as_ref(),
        ];
        needed.extend(tables.into_iter().flatten().map(|n| self.name(n)));
        needed.extend(at.embedding_norm.iter().chain(&at.last_norm).flat_map(norm));
        for block in &at.blocks {
            let linears = block
                .qkv
                .iter()
                .chain([&block.output, &block.up, &block.down]);
            needed.extend(linears.chain(&block.gate).flat_map(linear));
            let heads = block.head_norms.iter().flatten();
            needed.extend(block.norms.iter().flatten().chain(heads).flat_map(norm));
        }
        if config.judges_pairs() {
            for (_, step) in self.described.classifier.iter().flat_map(|c| &c.steps) {
                needed.extend(match step {
                    StepAt::Dense(at) => linear(at),
                    StepAt::Norm(at) => norm(at),
                    StepAt::Difference { plus, minus } => {
                        let parts = std::iter::once(plus).chain(minus);
                        parts.map(|p| self.name(&p.tensor)).collect()
                    }
                });
            }
        }
        if let Some(name) = needed.iter().find(|n| !self.shards.has(n)) {
            return Err(self
                .shards
                .bad(None, format!("there is no tensor {name:?}")));
        }
        let needed: HashSet<&str> = needed.iter().map(String::as_str).collect();
        let unused = |name: &str| {
            let inner = name.strip_prefix(self.prefix).unwrap_or(name);
            let named = |u: &&str| name.starts_with(*u) || inner.starts_with(*u);
            at.unused.iter().any(named) || COMPUTED.iter().any(|c| name.ends_with(c))
        };
        let mut extra: Vec<&str> = self
            .shards
            .names()
            .filter(|name| !needed.contains(name) && !unused(name))
            .collect();
        extra.sort_unstable();
        match extra.first() {
            None => Ok(()),
            Some(name) => Err(self.shards.bad(
                Some(name),
                format!("the tensor {name:?} has no place in the model that config.json describes"),
            )),
        }
    }

    /// A tensor's full name; those of a classifier stand outside the model's prefix.
    fn name(&self, inner: &str) -> String {
        let full = format!("{}{inner}", self.prefix);
        if self.shards.has(&full) || !self.shards.has(inner) {
            full
        } else {
            inner.to_string()
        }
    }

    /// Checkpoints from TensorFlow have the older names.
    fn norm_name(&self, name: &str, new: &str, old: &str) -> String {
        let older = self.name(&format!("{name}.{old}"));
        if self.shards.has(&older) {
            older
        } else {
            self.name(&format!("{name}.{new}"))
        }
    }

    /// All rows of a tensor.
    fn whole(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        Ok(self.shards.rows(name, shape, 0..shape[0])?.into_f32())
    }

    /// A part of (rows, inner), or of (rows) where `inner` is `None`.
    fn part(&self, part: &Part, rows: usize, inner: Option<usize>) -> Result<Vec<f32>> {
        let (range, of) = part.rows.clone().unwrap_or((0..rows, rows));
        debug_assert_eq!(range.len(), rows);
        let shape: Vec<usize> = std::iter::once(of).chain(inner).collect();
        let table = self.shards.rows(&self.name(&part.tensor), &shape, range)?;
        Ok(table.into_f32())
    }

    fn linear(&self, at: &LinearAt, columns: usize, inner: usize) -> Result<Linear> {
        let weights = self.part(&at.weight, columns, Some(inner))?;
        let bias = match &at.bias {
            Some(part) => self.part(part, columns, None)?,
            None => vec![0.0; columns],
        };
        Ok((weights, bias))
    }

    fn norm(&self, at: &NormAt, norm: Norm, len: usize) -> Result<NormWeights> {
        let mut weight = self.whole(&self.norm_name(&at.name, "weight", "gamma"), &[len])?;
        if at.plus_one {
            weight.iter_mut().for_each(|x| *x += 1.0);
        }
        let bias = if at.bias {
            self.whole(&self.norm_name(&at.name, "bias", "beta"), &[len])?
        } else {
            vec![0.0; len]
        };
        Ok(NormWeights {
            kind: norm.kind,
            eps: norm.eps,
            weight,
            bias,
        })
    }

    fn optional_norm(
        &self,
        at: Option<&NormAt>,
        norm: Option<Norm>,
    ) -> Result<Option<NormWeights>> {
        match (at, norm) {
            (Some(at), Some(norm)) => Ok(Some(self.norm(at, norm, self.architecture.hidden)?)),
            _ => Ok(None),
        }
    }

    /// What comes before the blocks.
    ///
    /// # Errors
    /// A tensor has another shape or a value that is no finite number; there are fewer positions
    /// than a text may have tokens.
    pub(super) fn embedding(&self) -> Result<EmbeddingWeights> {
        let (at, a) = (&self.described.tensors, &self.architecture);
        let hidden = a.hidden;
        let shape = [a.vocabulary, hidden];
        let words = self
            .shards
            .rows(&self.name(&at.words), &shape, 0..shape[0])?;
        let mut rows = 1;
        let mut places = None;
        if let (Some(name), Some(table)) = (&at.positions, a.embedding.positions) {
            rows = table.rows.saturating_sub(table.first);
            let name = self.name(name);
            if rows < self.longest {
                return Err(self.shards.bad(
                    Some(&name),
                    format!(
                        "has {rows} positions, fewer than the {} tokens of a text",
                        self.longest
                    ),
                ));
            }
            let front = usize::from(table.padding.is_some());
            rows = self.longest + front;
            let first = table.first - front;
            let range = first..first + rows;
            places = Some(
                self.shards
                    .rows(&name, &[table.rows, hidden], range)?
                    .into_f32(),
            );
        }
        if let Some(name) = &at.types {
            let kinds = self.whole(&self.name(name), &[a.embedding.types, hidden])?;
            let of_position = places.unwrap_or_else(|| vec![0.0; hidden]);
            let mut all = Vec::with_capacity(self.types * of_position.len());
            for kind in kinds.chunks_exact(hidden).take(self.types) {
                for row in of_position.chunks_exact(hidden) {
                    all.extend(row.iter().zip(kind).map(|(x, kind)| x + kind));
                }
            }
            places = Some(all);
        }
        Ok(EmbeddingWeights {
            words,
            places,
            rows,
            padding: a.embedding.positions.and_then(|table| table.padding),
            norm: self.optional_norm(at.embedding_norm.as_ref(), a.embedding.norm)?,
        })
    }

    /// The block of this number.
    ///
    /// # Errors
    /// A tensor has another shape or a value that is no finite number.
    pub(super) fn block(&self, number: usize) -> Result<BlockWeights> {
        let (block, at) = (
            &self.architecture.blocks[number],
            &self.described.tensors.blocks[number],
        );
        let (hidden, a) = (self.architecture.hidden, &block.attention);
        let (queries, keys) = (a.heads * a.head_dim, a.kv_heads * a.head_dim);
        let mut qkv: Linear = (Vec::new(), Vec::new());
        // Scores come out scaled, and so that 2^score is the softmax's numerator.
        let scale = (LOG2_E * a.scale) as f32;
        for (i, (at, columns)) in at.qkv.iter().zip([queries, keys, keys]).enumerate() {
            let (mut w, mut b) = self.linear(at, columns, hidden)?;
            if let (true, Place::Rotary(rotary)) = (i < 2, &a.place) {
                w = apart(w, a.head_dim, hidden, rotary);
                b = apart(b, a.head_dim, 1, rotary);
            }
            if i == 0 && a.head_norm.is_none() {
                w.iter_mut().chain(&mut b).for_each(|x| *x *= scale);
            }
            qkv.0.extend(w);
            qkv.1.extend(b);
        }
        let head_norms = match (&at.head_norms, a.head_norm) {
            (Some(names), Some(norm)) => {
                let read = |at: &NormAt, scale: f32| -> Result<NormWeights> {
                    let mut out = self.norm(at, norm, a.head_dim)?;
                    if let Place::Rotary(rotary) = &a.place {
                        out.weight = apart(out.weight, a.head_dim, 1, rotary);
                        out.bias = apart(out.bias, a.head_dim, 1, rotary);
                    }
                    let all = out.weight.iter_mut().chain(&mut out.bias);
                    all.for_each(|x| *x *= scale);
                    Ok(out)
                };
                Some([read(&names[0], scale)?, read(&names[1], 1.0)?])
            }
            _ => None,
        };
        let width = block.feed_forward.width;
        let mut up = self.linear(&at.up, width, hidden)?;
        if let Some(gate) = &at.gate {
            let mut both = self.linear(gate, width, hidden)?;
            both.0.append(&mut up.0);
            both.1.append(&mut up.1);
            up = both;
        }
        let mut names = at.norms.iter().flatten();
        let norms = block.norms.try_map(|norm| match names.next() {
            Some(at) => self.norm(at, *norm, hidden),
            None => Err(Error::internal(format!(
                "block {number} names too few norms"
            ))),
        })?;
        Ok(BlockWeights {
            qkv,
            head_norms,
            output: self.linear(&at.output, hidden, queries)?,
            norms,
            up,
            down: self.linear(&at.down, hidden, width)?,
        })
    }

    /// The norm behind the last block.
    ///
    /// # Errors
    /// As [`Checkpoint::block`].
    pub(super) fn last_norm(&self) -> Result<Option<NormWeights>> {
        let at = self.described.tensors.last_norm.as_ref();
        self.optional_norm(at, self.architecture.last_norm)
    }

    /// What scores get by distance, in models that have that; the same in all blocks.
    ///
    /// # Errors
    /// As [`Checkpoint::block`].
    pub(super) fn relative_bias(&self) -> Result<Option<RelativeBias>> {
        let Some(first) = self.architecture.blocks.first() else {
            return Ok(None);
        };
        let (heads, longest) = (first.attention.heads, self.longest);
        let reach = longest as i64 - 1;
        let scale = LOG2_E as f32;
        let values: Vec<f32> = match (&first.attention.place, &self.described.tensors.buckets) {
            (Place::Buckets(buckets), Some(name)) => {
                let table = self.whole(&self.name(name), &[*buckets, heads])?;
                let of_head = |head: usize| {
                    let table = &table;
                    (-reach..=reach).map(move |d| table[bucket(d, *buckets) * heads + head] * scale)
                };
                (0..heads).flat_map(of_head).collect()
            }
            (Place::Alibi, _) => alibi_slopes(heads)
                .into_iter()
                .flat_map(|slope| {
                    (-reach..=reach).map(move |d| -(slope * d.abs() as f64 * LOG2_E) as f32)
                })
                .collect(),
            _ => return Ok(None),
        };
        Ok(Some(RelativeBias { values, longest }))
    }

    /// The weights of a step behind the pooling, `size` numbers going in, which lie in these files.
    ///
    /// # Errors
    /// As [`Checkpoint::block`].
    pub(super) fn step(&self, module: &Module, at: &StepAt, size: usize) -> Result<StepWeights> {
        Ok(match (module, at) {
            (Module::Dense { out, .. }, StepAt::Dense(at)) => {
                StepWeights::Dense(self.linear(at, *out, size)?)
            }
            (Module::Norm(norm), StepAt::Norm(at)) => {
                StepWeights::Norm(self.norm(at, *norm, size)?)
            }
            (Module::Dense { out: 1, .. }, StepAt::Difference { plus, minus }) => {
                let mut row = self.part(plus, 1, Some(size))?;
                if let Some(minus) = minus {
                    let minus = self.part(minus, 1, Some(size))?;
                    row.iter_mut().zip(minus).for_each(|(x, y)| *x -= y);
                }
                StepWeights::Dense((row, vec![0.0]))
            }
            _ => return Err(Error::internal("a step's weights are not of its kind")),
        })
    }

    /// A file with the weights of one step alone.
    ///
    /// # Errors
    /// The file is damaged.
    pub(super) fn of_step(files: &ModelFiles, config: &Config, file: &str) -> Result<Self> {
        Ok(Self {
            architecture: config.described.architecture.clone(),
            longest: config.max_tokens,
            described: config.described.clone(),
            shards: Shards::open(&files.id, &[files.folder.join(file)])?,
            prefix: "",
            types: 0,
        })
    }
}

/// Rows of queries or keys (heads * `head_dim`, `inner`), where a rotation's pairs stand beside
/// each other, reordered so that the first of all pairs come before the second of them. Queries
/// and keys are reordered alike, so scores stay as they are.
fn apart(rows: Vec<f32>, head_dim: usize, inner: usize, rotary: &Rotary) -> Vec<f32> {
    if !rotary.interleaved {
        return rows;
    }
    let pairs = rotary.frequencies.len();
    let from = |row: usize| {
        if row < pairs {
            2 * row
        } else if row < 2 * pairs {
            2 * (row - pairs) + 1
        } else {
            row
        }
    };
    rows.chunks_exact(head_dim * inner)
        .flat_map(|head| (0..head_dim).map(move |row| &head[from(row) * inner..][..inner]))
        .flatten()
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_beside_each_other_come_apart() {
        let rotary = Rotary {
            interleaved: true,
            ..Rotary::new(10.0, 4)
        };
        let rows: Vec<f32> = (0..12).map(|x| x as f32).collect();
        let expected = [0.0, 2.0, 1.0, 3.0, 4.0, 5.0, 6.0, 8.0, 7.0, 9.0, 10.0, 11.0];
        assert_eq!(apart(rows.clone(), 6, 1, &rotary), expected);
        assert_eq!(apart(rows.clone(), 6, 1, &Rotary::new(10.0, 4)), rows);
    }
}
