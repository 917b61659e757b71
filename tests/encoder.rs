//! The encoder against HF transformers, whose outputs are in `tests/fixtures`, and the laws
//! that vectors obey.

mod common;

use common::{copy, on_cpu, tiny, tiny_encoder};
use nearwise::encoder::{DeviceChoice, Dtype, MOST_THREADS, Prompt};
use nearwise::model::DEFAULT_MODEL;
use nearwise::{Encoder, ErrorKind};
use proptest::prelude::*;
use serde::Deserialize;
use std::sync::LazyLock;

#[derive(Deserialize)]
struct Expected {
    kind: String,
    text: String,
    vector: Vec<f32>,
}

fn expected(name: &str) -> Vec<Expected> {
    let path = tiny(name).join("expected.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let product = |x: &[f32], y: &[f32]| -> f64 {
        x.iter()
            .zip(y)
            .map(|(p, q)| f64::from(*p) * f64::from(*q))
            .sum()
    };
    product(a, b) / (product(a, a).sqrt() * product(b, b).sqrt())
}

/// Every architecture, pooling and prompt, all texts in one batch of mixed lengths.
#[test]
fn vectors_equal_those_of_hf_transformers() {
    for name in ["tiny-bert", "tiny-distilbert", "tiny-roberta", "tiny-mpnet"] {
        let encoder = tiny_encoder(name);
        for (kind, label) in [(Prompt::Document, "document"), (Prompt::Query, "query")] {
            let expected: Vec<Expected> = expected(name)
                .into_iter()
                .filter(|e| e.kind == label)
                .collect();
            let texts: Vec<&str> = expected.iter().map(|e| e.text.as_str()).collect();
            let vectors = encoder.encode(&texts, kind.clone()).unwrap();
            for (e, got) in expected.iter().zip(vectors.rows()) {
                let cosine = cosine(&e.vector, got);
                assert!(cosine > 0.999_999, "{name} {label} {:?}: {cosine}", e.text);
                let norm: f32 = got.iter().map(|x| x * x).sum();
                assert!((norm - 1.0).abs() < 1e-5);
            }
        }
    }
}

/// The default model against sentence-transformers; `tests/fixtures/make_minilm.py`.
#[test]
fn the_default_model_equals_sentence_transformers() {
    if !common::may_fetch() {
        return;
    }
    for (dtype, least) in [
        (Dtype::F32, 0.999_99),
        (Dtype::Bf16, 0.999_9),
        (Dtype::Int8, 0.994),
    ] {
        default_model_is_within(dtype, least);
    }
}

fn default_model_is_within(dtype: Dtype, least: f64) {
    let encoder = on_cpu(dtype).model(DEFAULT_MODEL).open().unwrap();
    let path = common::repository("tests/fixtures/minilm.json");
    let expected: Vec<Expected> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let texts: Vec<&str> = expected.iter().map(|e| e.text.as_str()).collect();
    let vectors = encoder.encode(&texts, Prompt::Document).unwrap();
    assert_eq!(
        vectors.cut(),
        1,
        "one text is longer than the model's length"
    );
    for (e, got) in expected.iter().zip(vectors.rows()) {
        let cosine = cosine(&e.vector, got);
        // Without a word, all of the vector is two special tokens' rounding.
        let least = if e.text.is_empty() {
            least.min(0.99)
        } else {
            least
        };
        assert!(
            cosine > least,
            "{dtype:?} {:?}: {cosine}",
            &e.text[..e.text.len().min(40)]
        );
    }
}

#[test]
fn lengths_around_the_model_s_own() {
    let encoder = tiny_encoder("tiny-bert");
    assert_eq!(encoder.identity().max_tokens, 32);
    let words = |n: usize| vec!["the"; n].join(" ");
    let (empty, one, full, over) = (String::new(), words(1), words(30), words(31));
    let texts = [empty.as_str(), &one, &full, &over];
    let vectors = encoder.encode(&texts, Prompt::Document).unwrap();
    assert_eq!(vectors.cut(), 1);
    assert_eq!(vectors.tokens(), 2 + 3 + 32 + 32);
    let rows: Vec<&[f32]> = vectors.rows().collect();
    // Thirty tokens fill the window, so that the thirty-first changes nothing.
    assert!(cosine(rows[2], rows[3]) > 0.999_999);
    assert!(vectors.values.iter().all(|x| x.is_finite()));
    assert!(
        encoder
            .encode(&[""; 0], Prompt::Document)
            .unwrap()
            .values
            .is_empty()
    );
}

static ENCODER: LazyLock<Encoder> = LazyLock::new(|| tiny_encoder("tiny-bert"));

proptest! {
    #![proptest_config(ProptestConfig::with_cases(common::cases(24)))]

    /// A text's vector does not depend by a bit on what else is in the batch, nor on where it
    /// stands.
    #[test]
    fn batches_do_not_matter(
        texts in proptest::collection::vec("(the|bank|goal|zz|[a-z]{1,3})( (ice|cup|[a-z]{1,4}|,)){0,40}", 1..12),
        budget in 1usize..400,
        rotation in 0usize..12,
    ) {
        let alone: Vec<Vec<f32>> = texts
            .iter()
            .map(|t| ENCODER.encode(&[t], Prompt::Document).unwrap().values)
            .collect();
        let encoder = ENCODER.clone().with_token_budget(budget);
        let mut order: Vec<usize> = (0..texts.len()).collect();
        order.rotate_left(rotation % texts.len());
        let rotated: Vec<&str> = order.iter().map(|&i| texts[i].as_str()).collect();
        let together = encoder.encode(&rotated, Prompt::Document).unwrap();
        for (&i, vector) in order.iter().zip(together.rows()) {
            for (a, b) in alone[i].iter().zip(vector) {
                prop_assert_eq!(a.to_bits(), b.to_bits(), "{} {} of {:?}", a, b, texts[i]);
            }
        }
    }
}

/// Files that cannot be used, each with its reason; copies of the tiny model, damaged.
#[test]
fn damaged_models_are_refused() {
    let damage = |file: &str, change: &dyn Fn(Vec<u8>) -> Option<Vec<u8>>| {
        let folder = tempfile::tempdir().unwrap();
        copy(&tiny("tiny-bert"), folder.path());
        let path = folder.path().join(file);
        let bytes = std::fs::read(&path).unwrap();
        match change(bytes) {
            Some(bytes) => std::fs::write(&path, bytes).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
        let opened = Encoder::builder()
            .model(folder.path().to_str().unwrap())
            .device(DeviceChoice::Cpu)
            .open();
        opened.expect_err("the model must be refused").to_string()
    };
    let replace = |from: &'static str, to: &'static str| {
        move |bytes: Vec<u8>| {
            Some(
                String::from_utf8(bytes)
                    .unwrap()
                    .replace(from, to)
                    .into_bytes(),
            )
        }
    };
    let truncated = damage("model.safetensors", &|b| Some(b[..b.len() / 2].to_vec()));
    assert!(truncated.contains("truncated or damaged"), "{truncated}");
    let missing = damage("model.safetensors", &|_| None);
    assert!(missing.contains("only safetensors"), "{missing}");
    let tokenizer = damage("tokenizer.json", &|_| Some(b"{".to_vec()));
    assert!(tokenizer.contains("tokenizer.json"), "{tokenizer}");
    let architecture = damage("config.json", &replace("\"bert\"", "\"gpt2\""));
    assert!(architecture.contains("gpt2"), "{architecture}");
    let shape = damage(
        "config.json",
        &replace("\"intermediate_size\": 64", "\"intermediate_size\": 65"),
    );
    assert!(shape.contains("does not fit"), "{shape}");
    let pooling = damage(
        "1_Pooling/config.json",
        &replace("mean_tokens", "attention"),
    );
    assert!(
        pooling.contains("not supported") && pooling.contains("attention"),
        "{pooling}"
    );
    let dense = damage("modules.json", &replace("models.Normalize", "models.Dense"));
    assert!(dense.contains("Dense"), "{dense}");
    let nan = damage("model.safetensors", &|mut b| {
        // The last tensor's last value: a weight of the last layer or of an embedding.
        let end = b.len();
        b[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
        Some(b)
    });
    assert!(nan.contains("NaN"), "{nan}");
}

#[test]
fn a_number_of_threads_that_cannot_be_is_refused() {
    let with = |threads: usize| {
        let model = tiny("tiny-bert");
        let builder = Encoder::builder().model(model.to_str().unwrap());
        builder.device(DeviceChoice::Cpu).threads(threads).open()
    };
    for threads in [0, MOST_THREADS + 1, usize::MAX] {
        let error = with(threads).err().unwrap();
        assert_eq!(
            error.kind(),
            ErrorKind::InvalidParameter("threads"),
            "{error}"
        );
    }
    assert!(with(2).is_ok());
}

/// The length is part of what decides a vector, wherever the model says it.
#[test]
fn the_identity_covers_the_length() {
    let with = |length: usize| {
        let folder = tempfile::tempdir().unwrap();
        copy(&tiny("tiny-bert"), folder.path());
        std::fs::remove_file(folder.path().join("sentence_bert_config.json")).unwrap();
        let config = format!(r#"{{"model_max_length": {length}}}"#);
        std::fs::write(folder.path().join("tokenizer_config.json"), config).unwrap();
        let model = folder.path().to_str().unwrap().to_string();
        let encoder = on_cpu(Dtype::F32).model(model).open().unwrap();
        assert_eq!(encoder.identity().max_tokens, length);
        encoder.identity().hash.clone()
    };
    assert_ne!(with(16), with(24));
    assert_eq!(with(16), with(16));
    // Where the length stands elsewhere, the file decides nothing.
    let folder = tempfile::tempdir().unwrap();
    copy(&tiny("tiny-bert"), folder.path());
    std::fs::write(folder.path().join("tokenizer_config.json"), "{}").unwrap();
    let model = folder.path().to_str().unwrap().to_string();
    let other = on_cpu(Dtype::F32).model(model).open().unwrap();
    assert_eq!(
        other.identity().hash,
        tiny_encoder("tiny-bert").identity().hash
    );
}
