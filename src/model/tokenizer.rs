//! Texts to token ids.

mod pairs;
mod pieces;
mod wordpiece;
mod words;

pub use pairs::PairForm;
pub use pieces::TokenPiece;
use words::Cut;
pub(crate) use words::TextIds;

use super::added_tokens;
use super::config::Config;
use super::files::ModelFiles;
use super::tokenizer_config::TokenizerSettings;
use super::tokenizer_limits as limits;
use crate::error::{Error, Result};
use crate::guard::guarded;
use rayon::prelude::*;
use std::borrow::Cow;
use std::io::Read;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;
use tokenizers::normalizers::{BertNormalizer, Lowercase, Sequence};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::utils::truncation::TruncationDirection;

/// How long a tokenizer may take to load and to take a short text apart. The largest take a few
/// seconds on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// A text with what the steps of tokenizers look for: words, blanks, digits, marks, other scripts,
/// long runs, characters of several code points.
const PROBE: &str = "The quick brown fox, 1,234.5 times!  \u{201c}Caf\u{e9}\u{301}\u{201d} \
    \u{fb01}\u{fdfa} \u{65e5}\u{672c} \u{1f468}\u{200d}\u{1f469} \
    aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n\t<s>[CLS]";
/// Tokens that a tokenizer may make of each byte of the probe: a byte is one at most, and a few
/// are put around all of them.
const PROBE_TOKENS: usize = 8 * PROBE.len();

/// Byte offsets of a text's tokens.
pub type Offsets = Vec<(usize, usize)>;

/// The token ids of one text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    /// The ids, special tokens included, at most the model's length.
    pub ids: Vec<u32>,
    /// How many tokens the text had beyond that.
    pub cut: usize,
}

/// A model's tokenizer.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    model: String,
    max_tokens: usize,
    /// Where a text that is too long is cut.
    cut: Cut,
    special: usize,
    /// How many special tokens are put around a pair of texts.
    special_of_pair: usize,
    /// The id that stands for what is not in the vocabulary.
    unknown: Option<u32>,
    /// What stands around every text, where the tokenizer works word by word.
    frame: Option<words::Frame>,
    /// What stands around a pair of texts, where it is the same around every pair.
    pair: Option<pairs::PairFrame>,
    /// The tokenizer's fast form, if it has one; it needs the frame.
    fast: Option<wordpiece::WordPieces>,
}

/// A tokenizer of a file, and what it does with a text.
struct Built {
    inner: tokenizers::Tokenizer,
    /// Whether the file has texts cut at their beginning.
    cuts_beginning: bool,
    /// The ids around every text.
    around: Vec<u32>,
    special: usize,
    special_of_pair: usize,
    frame: Option<words::Frame>,
    pair: Option<pairs::PairFrame>,
    fast: Option<wordpiece::WordPieces>,
}

/// What a tokenizer is opened with besides its file.
#[derive(Clone, Default)]
struct Asked {
    /// Whether texts are put in lower case before all other steps.
    lower_case: bool,
    own: TokenizerSettings,
    /// The rows of the model's embedding, where there is a model.
    rows: Option<usize>,
}

/// Fails where a tokenizer gives tokens that an embedding of so many rows has not. Special ones that
/// stand in no text but those that name them, such as one that pads, may be beyond.
fn fits(built: &Built, rows: usize) -> std::result::Result<(), String> {
    let words = built.inner.get_vocab_size(false);
    let added = built.inner.get_added_tokens_decoder();
    let added = added.iter().filter(|(_, token)| !token.special);
    let most = added.map(|(&id, _)| id).chain(built.around.iter().copied());
    let most = most.map(|id| id as usize + 1).fold(words, usize::max);
    if most > rows {
        return Err(format!(
            "it has {most} tokens, and the model's embedding {rows}; one of them is another model's"
        ));
    }
    Ok(())
}

/// The id of unknown tokens; models that spell every text in bytes have none.
fn unknown(tokenizer: &tokenizers::Tokenizer) -> Option<u32> {
    use tokenizers::models::ModelWrapper;
    let token = match tokenizer.get_model() {
        ModelWrapper::WordPiece(model) => model.unk_token.clone(),
        ModelWrapper::WordLevel(model) => model.unk_token.clone(),
        ModelWrapper::BPE(model) => model.unk_token.clone()?,
        // Unigram models spell out in bytes, or give <unk>.
        ModelWrapper::Unigram(_) => "<unk>".to_string(),
    };
    tokenizer.token_to_id(&token)
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokenizer")
            .field("model", &self.model)
            .field("max_tokens", &self.max_tokens)
            .finish_non_exhaustive()
    }
}

impl Tokenizer {
    /// Loads `tokenizer.json`.
    ///
    /// # Errors
    /// The file is missing, malformed or beyond what a tokenizer may ask for.
    pub fn load(files: &ModelFiles, config: &Config) -> Result<Self> {
        let path = files.file("tokenizer.json")?;
        let asked = Asked {
            lower_case: config.lower_case,
            own: config.tokenizer.clone(),
            rows: Some(config.described.architecture.vocabulary),
        };
        Self::open(&path, &files.id, config.max_tokens, asked)
    }

    /// Loads a tokenizer file for texts of at most `max_tokens`.
    ///
    /// # Errors
    /// As [`Tokenizer::load`].
    pub fn from_file(path: &Path, model: &str, max_tokens: usize) -> Result<Self> {
        Self::open(path, model, max_tokens, Asked::default())
    }

    fn open(path: &Path, model: &str, max_tokens: usize, asked: Asked) -> Result<Self> {
        let bad = |message: String| Error::model(model, format!("{}: {message}", path.display()));
        let io = |e: std::io::Error| bad(e.to_string()).with_source(e);
        let mut json = Vec::new();
        let file = std::fs::File::open(path).map_err(io)?;
        file.take(limits::FILE_BYTES + 1)
            .read_to_end(&mut json)
            .map_err(io)?;
        if json.len() as u64 > limits::FILE_BYTES {
            return Err(bad(format!("longer than {} MiB", limits::FILE_BYTES >> 20)));
        }
        limits::check(&json).map_err(bad)?;
        limits::check_added(&asked.own.added).map_err(bad)?;
        let (rows, cuts_beginning) = (asked.rows, asked.own.cuts_beginning);
        // On a thread that is given up where it does not end: the file is a program of a kind.
        let (send, receive) = mpsc::sync_channel(1);
        std::thread::spawn(move || {
            // Nobody may be waiting any more.
            let _ = send.send(guarded("tokenizer", || build(&json, &asked)));
        });
        let built = match receive.recv_timeout(PATIENCE) {
            Ok(built) => built.map_err(|e| bad(e.message().to_string()))?,
            Err(_) => Err(format!(
                "takes longer than {} s to load and to take a short text apart",
                PATIENCE.as_secs()
            )),
        };
        let built = built.map_err(bad)?;
        if let Some(rows) = rows {
            fits(&built, rows).map_err(bad)?;
        }
        let special = built.special;
        if special >= max_tokens {
            return Err(bad(format!(
                "puts {special} tokens around every text, and the model takes {max_tokens}"
            )));
        }
        Ok(Self {
            unknown: unknown(&built.inner),
            inner: built.inner,
            model: model.to_string(),
            max_tokens,
            cut: match cuts_beginning.unwrap_or(built.cuts_beginning) {
                true => Cut::Beginning,
                false => Cut::End,
            },
            special,
            special_of_pair: built.special_of_pair,
            frame: built.frame,
            pair: built.pair,
            fast: built.fast,
        })
    }

    /// The most tokens of one text, special tokens included.
    pub fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    /// How many special tokens are put around a text.
    pub fn special_tokens(&self) -> usize {
        self.special
    }

    /// How many special tokens are put around a pair of texts.
    pub fn special_tokens_of_pair(&self) -> usize {
        self.special_of_pair
    }

    /// The byte offsets of a text's tokens, special tokens left out.
    ///
    /// # Errors
    /// The tokenizer fails on the text.
    pub fn offsets(&self, text: &str) -> Result<Offsets> {
        Ok(self.offsets_and_unknown(text)?.0)
    }

    /// As [`Self::offsets`], and how many of the tokens are unknown to the model.
    ///
    /// # Errors
    /// The tokenizer fails on the text.
    pub fn offsets_and_unknown(&self, text: &str) -> Result<(Offsets, usize)> {
        let all = self.text_ids(text)?;
        Ok((all.offsets, all.unknown))
    }

    /// How many tokens a prompt takes at the beginning of a text, as sentence-transformers counts
    /// them: those of the prompt alone, without a special one at its end.
    pub(crate) fn prompt_tokens(&self, prompt: &str) -> Result<usize> {
        let ids = self.encode_one("", prompt)?.ids;
        let added = self.inner.get_added_tokens_decoder();
        let last = ids.last().and_then(|id| added.get(id));
        Ok(ids.len() - usize::from(last.is_some_and(|token| token.special)))
    }

    /// The ids of each text with a prompt in front; of many, on all threads.
    ///
    /// # Errors
    /// The tokenizer fails on a text.
    pub fn encode<S: AsRef<str> + Sync>(&self, prompt: &str, texts: &[S]) -> Result<Vec<Tokens>> {
        if let [one] = texts {
            return Ok(vec![self.encode_one(prompt, one.as_ref())?]);
        }
        texts
            .par_iter()
            .map(|text| self.encode_one(prompt, text.as_ref()))
            .collect()
    }

    fn encode_one(&self, prompt: &str, text: &str) -> Result<Tokens> {
        self.encode_cut(prompt, text, self.cut)
    }

    fn encode_cut(&self, prompt: &str, text: &str, cut: Cut) -> Result<Tokens> {
        let text = prompted(prompt, text);
        if let Some(tokens) = self.encode_words(&text, cut)? {
            return Ok(tokens);
        }
        let encoding = self.guard(|| self.inner.encode_fast(text, true))?;
        Ok(match cut {
            Cut::End => self.fit(&encoding),
            Cut::Beginning => self.fit_end(&encoding),
        })
    }

    /// What the crate says of a text. Its steps may panic on one, where the file is made for it.
    fn guard<T>(&self, f: impl FnOnce() -> tokenizers::Result<T>) -> Result<T> {
        let failed = |message: &str| Error::model(&self.model, format!("tokenizer: {message}"));
        let out = guarded("tokenizer", f).map_err(|e| failed(e.message()))?;
        out.map_err(|e| failed(&e.to_string()))
    }

    /// Cuts a text that is too long behind its last token that fits, and keeps the special
    /// tokens at its end.
    fn fit(&self, encoding: &tokenizers::Encoding) -> Tokens {
        let ids = encoding.get_ids();
        if ids.len() <= self.max_tokens {
            return Tokens {
                ids: ids.to_vec(),
                cut: 0,
            };
        }
        let mask = encoding.get_special_tokens_mask();
        let tail = mask.iter().rev().take_while(|&&m| m == 1).count();
        let tail = tail.min(self.max_tokens);
        let mut kept = ids[..self.max_tokens - tail].to_vec();
        kept.extend_from_slice(&ids[ids.len() - tail..]);
        Tokens {
            ids: kept,
            cut: ids.len() - self.max_tokens,
        }
    }
}

/// A text with a prompt in front.
fn prompted<'a>(prompt: &str, text: &'a str) -> Cow<'a, str> {
    match prompt {
        "" => Cow::Borrowed(text),
        prompt => Cow::Owned(format!("{prompt}{text}")),
    }
}

/// Has steps that spell in bytes put a blank in front of texts, or not.
fn put_blank(step: &mut PreTokenizerWrapper, yes: bool) {
    match step {
        PreTokenizerWrapper::ByteLevel(bytes) => bytes.add_prefix_space = yes,
        PreTokenizerWrapper::Sequence(steps) => {
            let steps = steps.as_mut().iter_mut();
            steps.for_each(|step| put_blank(step, yes));
        }
        _ => {}
    }
}

/// Makes a tokenizer of a file's content, tries it, and counts the special tokens that it puts
/// around a text and around a pair of texts.
fn build(json: &[u8], asked: &Asked) -> std::result::Result<Built, String> {
    let bad = |e: tokenizers::Error| e.to_string();
    let mut inner = tokenizers::Tokenizer::from_bytes(json).map_err(bad)?;
    let own = inner.get_truncation().map(|t| t.direction);
    let cuts_beginning = matches!(own, Some(TruncationDirection::Left));
    // The file may ask for padding and truncation of its own, often at another length
    // than the model's; both are done here, and truncation is counted.
    inner.with_padding(None);
    inner.with_truncation(None).map_err(bad)?;
    if let Some(steps) = asked.own.steps {
        let (accents, small) = (steps.strip_accents, steps.lower_case);
        let steps = BertNormalizer::new(true, steps.chinese, accents, small);
        inner.with_normalizer(Some(steps)).map_err(bad)?;
    }
    if let Some(yes) = asked.own.blank_in_front {
        let mut steps = inner.get_pre_tokenizer().cloned();
        steps.iter_mut().for_each(|step| put_blank(step, yes));
        inner.with_pre_tokenizer(steps);
    }
    added_tokens::add(&mut inner, &asked.own.added, asked.rows)?;
    if asked.lower_case {
        // In front of the tokenizer's own steps, so that offsets are those of the text.
        let own = inner.get_normalizer().cloned();
        let steps = std::iter::once(Lowercase.into()).chain(own).collect();
        let steps = Some(Sequence::new(steps));
        inner.with_normalizer(steps).map_err(bad)?;
    }
    let probe = inner.encode(PROBE, true).map_err(bad)?.len();
    if probe > PROBE_TOKENS {
        return Err(format!("makes {probe} tokens of {} bytes", PROBE.len()));
    }
    inner.encode(PROBE, false).map_err(bad)?;
    let around = inner.encode("", true).map_err(bad)?.get_ids().to_vec();
    let special = around.len();
    let pair = inner.encode(("", ""), true).map_err(bad)?;
    if pair.len() > PROBE_TOKENS {
        return Err(format!("puts {} tokens around a pair of texts", pair.len()));
    }
    let frame = words::frame(&inner);
    let framed = |f: &words::Frame| f.length() == special;
    let fast = frame.as_ref().filter(|f| framed(f));
    let fast = fast.and_then(|_| wordpiece::WordPieces::of(&inner));
    let around_pair = pairs::frame(&inner).filter(|f| f.length() == pair.len());
    Ok(Built {
        special,
        special_of_pair: pair.len(),
        frame,
        pair: fast.as_ref().and(around_pair),
        cuts_beginning,
        around,
        fast,
        inner,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What sentence-transformers 6.2 gives for the same folders and prompts.
    #[test]
    fn a_prompts_tokens_are_counted_as_sentence_transformers_does() {
        for (name, counts) in [
            ("bert-prompt-excluded", [5, 3, 2, 47]),
            ("qwen3-embedding", [7, 7, 1, 127]),
            ("xlm-roberta-e5", [5, 3, 2, 127]),
        ] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/families");
            let path = folder.join(name).join("tokenizer.json");
            let most = counts[3] + 1;
            let tokenizer = Tokenizer::from_file(&path, name, most).unwrap();
            let long = "x ".repeat(200);
            for (prompt, count) in ["for the vote: ", "日本 ", "a", &long]
                .into_iter()
                .zip(counts)
            {
                assert_eq!(
                    tokenizer.prompt_tokens(prompt).unwrap(),
                    count,
                    "{name} {prompt}"
                );
            }
        }
    }
}
