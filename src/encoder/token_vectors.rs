//! A vector for every token, before any pooling.

use super::{EncodeOptions, Encoder, TextTokens};
use crate::error::{Error, Result};

/// Texts between two looks at the job, and two checks of what came back.
const TOGETHER: usize = 64;

/// Vectors of the tokens of texts.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenVectors {
    /// The values, `dim` for each token, one token after another, in the order of the texts.
    pub values: Vec<f32>,
    /// The values of a token, as many as the transformer is wide.
    pub dim: usize,
    /// How many tokens each text has, special tokens and prompt included.
    pub texts: Vec<TextTokens>,
}

impl TokenVectors {
    /// The values of each text, one token after another.
    pub fn rows(&self) -> impl Iterator<Item = &[f32]> {
        let mut rest = self.values.as_slice();
        self.texts.iter().map(move |text| {
            let (own, behind) = rest.split_at(text.tokens * self.dim);
            rest = behind;
            own
        })
    }
}

impl Encoder {
    /// The vectors of all tokens of texts, as the transformer gives them: what pooling and the
    /// modules behind it make a text's vector of. Of `options`, what is about a text's vector (its
    /// length and dimensions) is not used. Memory holds `dim` values for every token.
    ///
    /// # Errors
    /// As [`Encoder::encode`]; the device gives no vectors of single tokens, as CUDA devices do not.
    pub fn encode_tokens<S: AsRef<str> + Sync>(
        &self,
        texts: &[S],
        options: impl Into<EncodeOptions>,
    ) -> Result<TokenVectors> {
        let options = options.into();
        let prompt = self.prompt(&options.prompt)?;
        let mut out = TokenVectors {
            values: Vec::new(),
            dim: 0,
            texts: Vec::with_capacity(texts.len()),
        };
        for (number, part) in texts.chunks(TOGETHER).enumerate() {
            options.call.job.check()?;
            let tokens = self.inner.tokenizer.encode(prompt, part)?;
            self.check_lengths(&tokens, number * TOGETHER, &options)?;
            let ids: Vec<&[u32]> = tokens.iter().map(|t| t.ids.as_slice()).collect();
            let values = self.inner.backend.tokens(&ids, &options.call)?;
            let count: usize = ids.iter().map(|ids| ids.len()).sum();
            let whole = count == 0 || values.len().is_multiple_of(count);
            if !whole || values.iter().any(|x| !x.is_finite()) {
                let model = &self.identity().model;
                return Err(Error::device(
                    self.device(),
                    format!("model {model} computed a value that is no finite number"),
                ));
            }
            out.dim = out.dim.max(values.len() / count.max(1));
            out.values.extend(values);
            out.texts.extend(tokens.iter().map(TextTokens::of));
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoder::{DeviceChoice, Dtype, DtypeChoice, OpenDevice, PlainBackend, Prompt};
    use crate::model::{Config, Fetch, find};
    use crate::vectors::{dot, normalize};

    /// The mean over its tokens is what a text's vector is made of, and the plain reference gives
    /// the same tokens.
    #[test]
    fn tokens_are_what_is_pooled() {
        let model = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tiny-bert");
        let encoder = Encoder::builder()
            .model(model)
            .device(DeviceChoice::Cpu)
            .dtype(DtypeChoice::Only(Dtype::F32))
            .open()
            .unwrap();
        let long = "the bank cut interest rates ".repeat(30);
        let mut texts = vec!["rates", long.as_str(), "a late goal decided the final"];
        texts.extend(["the ice of the river"; TOGETHER]);
        let tokens = encoder.encode_tokens(&texts, Prompt::None).unwrap();
        let vectors = encoder.encode(&texts, Prompt::None).unwrap();
        assert_eq!(tokens.texts, vectors.texts);
        assert!(tokens.texts[1].cut > 0);
        for (rows, vector) in tokens.rows().zip(vectors.rows()) {
            let mut mean = vec![0.0; tokens.dim];
            for row in rows.chunks_exact(tokens.dim) {
                mean.iter_mut().zip(row).for_each(|(m, x)| *m += x);
            }
            normalize(&mut mean);
            assert!(dot(&mean, vector) > 0.99999);
        }
        let files = find(model, &Fetch::new()).unwrap();
        let config = Config::load(&files).unwrap();
        let plain = PlainBackend::load(&files, &config, OpenDevice::cpu()).unwrap();
        let ids = encoder.tokenize(&texts, Prompt::None).unwrap();
        let ids: Vec<&[u32]> = ids.iter().map(|t| t.ids.as_slice()).collect();
        let others = crate::encoder::Backend::tokens(&plain, &ids, &Default::default()).unwrap();
        assert_eq!(others.len(), tokens.values.len());
        let far = tokens.values.iter().zip(&others);
        assert!(far.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) < 1e-4);
        assert!(
            encoder
                .encode_tokens::<&str>(&[], Prompt::None)
                .unwrap()
                .values
                .is_empty()
        );
        assert!(
            encoder
                .encode_tokens(&texts, Prompt::Named("none".into()))
                .is_err()
        );
    }
}
