//! The fast form against the crate, on texts of all kinds and for every setting of the normalizer.

use super::*;
use crate::model::offline::may_fetch;
use crate::model::{Config, DEFAULT_MODEL, Fetch, Tokenizer, find};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::OnceLock;

/// The words of the tests' vocabulary; each letter of them is a token as well, at the beginning of a
/// word and within one.
const WORDS: &str = "the quick brown fox jumps over lazy dog un aff able ing ed Berlin Straße strasse café cafe naïve \
    élan ñandú 日 本 語 東 한 국 가 ᄒ ᅡ ᆫ क ख ि ा 👩 💻 ς σ Σ İ i̇ ß ẞ fi ﬁ ﬃ а б в г д ё й и א ב ג ا ب \u{302e} \u{301} \u{93f} 1 2 19 2024";

/// The content of a tokenizer's file.
fn file(normalizer: Value) -> Value {
    let mut tokens: Vec<String> = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        .map(String::from)
        .to_vec();
    let marks = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~—–’“”…。、«»¿§";
    let words = WORDS.split_whitespace().map(String::from);
    let letters = WORDS.chars().filter(|c| !c.is_whitespace());
    let letters = letters.chain(marks.chars()).map(String::from);
    let all: Vec<String> = words.chain(letters).collect();
    tokens.extend(all.iter().filter(|t| *t != "x" && *t != "q").cloned());
    tokens.extend(all.iter().map(|t| format!("##{t}")));
    let mut vocabulary = serde_json::Map::new();
    for token in tokens {
        let id = vocabulary.len();
        vocabulary.entry(token).or_insert(json!(id));
    }
    let added: Vec<Value> = (0..5)
        .map(|id| {
            let (content, _) = vocabulary.iter().find(|(_, v)| **v == json!(id)).unwrap();
            json!({"id": id, "content": content, "single_word": false, "lstrip": false,
                "rstrip": false, "normalized": false, "special": true})
        })
        .collect();
    let special = |id: &str, kind: u32| json!({"SpecialToken": {"id": id, "type_id": kind}});
    let text = |id: &str, kind: u32| json!({"Sequence": {"id": id, "type_id": kind}});
    let (cls, sep) = (special("[CLS]", 0), special("[SEP]", 0));
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added,
        "normalizer": normalizer, "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [cls, text("A", 0), sep],
            "pair": [cls, text("A", 0), sep, text("B", 1), special("[SEP]", 1)],
            "special_tokens": {
                "[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]},
                "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]},
            },
        },
        "decoder": null,
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 20, "vocab": vocabulary,
        },
    })
}

fn bert(clean: bool, chinese: bool, strip: Option<bool>, lower: bool) -> Value {
    json!({
        "type": "BertNormalizer", "clean_text": clean, "handle_chinese_chars": chinese,
        "strip_accents": strip, "lowercase": lower,
    })
}

/// Every setting of the normalizer.
fn normalizers() -> Vec<Value> {
    let mut out = vec![
        Value::Null,
        json!({"type": "Lowercase"}),
        json!({"type": "Sequence", "normalizers": [
            {"type": "Lowercase"}, bert(true, true, Some(true), false),
        ]}),
    ];
    for (clean, chinese) in [(true, true), (true, false), (false, true), (false, false)] {
        for strip in [None, Some(true), Some(false)] {
            out.extend([true, false].map(|lower| bert(clean, chinese, strip, lower)));
        }
    }
    out
}

/// A tokenizer as it is, and without its fast form.
struct Twins {
    name: String,
    fast: Tokenizer,
    crates: Tokenizer,
}

impl Twins {
    fn new(name: String, open: impl Fn() -> Tokenizer) -> Self {
        let (fast, mut crates) = (open(), open());
        assert!(fast.fast.is_some() && fast.pair.is_some(), "{name}");
        crates.fast = None;
        crates.pair = None;
        Self { name, fast, crates }
    }

    fn of(file: &Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        std::fs::write(&path, file.to_string()).unwrap();
        Self::new(file["normalizer"].to_string(), || {
            Tokenizer::from_file(&path, "test", 16).unwrap()
        })
    }

    /// All that is asked of a tokenizer, of both.
    fn agree(&self, text: &str, other: &str) -> Result<(), TestCaseError> {
        let (a, b, name) = (&self.fast, &self.crates, &self.name);
        prop_assert_eq!(
            a.text_ids(text).unwrap(),
            b.text_ids(text).unwrap(),
            "{}",
            name
        );
        let texts = [text, other];
        for prompt in ["", "query: ", "caf\u{65}"] {
            prop_assert_eq!(
                a.encode(prompt, &texts).unwrap(),
                b.encode(prompt, &texts).unwrap()
            );
            let (ends, theirs) = (a.encode_ends(prompt, &texts), b.encode_ends(prompt, &texts));
            prop_assert_eq!(ends.unwrap(), theirs.unwrap(), "{}", name);
            for typed in [true, false] {
                let pairs = [(text, other), (other, text), (text, "")];
                let (ours, theirs) = (
                    a.encode_pairs(prompt, &pairs, typed),
                    b.encode_pairs(prompt, &pairs, typed),
                );
                prop_assert_eq!(ours.unwrap(), theirs.unwrap(), "{}", name);
            }
        }
        Ok(())
    }
}

fn twins() -> &'static [Twins] {
    static TWINS: OnceLock<Vec<Twins>> = OnceLock::new();
    TWINS.get_or_init(|| {
        let files = normalizers().into_iter().map(file);
        files.map(|file| Twins::of(&file)).collect()
    })
}

/// A piece of a text.
fn piece() -> impl Strategy<Value = String> {
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let odd = [
        "[MASK]",
        "[SEP]",
        "[CLS",
        "[mask]",
        "\u{0}",
        "\u{fffd}",
        "\u{b}",
        "\u{c}",
        "\u{1c}",
        "\u{7f}",
        "\u{85}",
        "\u{a0}",
        "\u{ad}",
        "\u{200b}",
        "\u{200d}",
        "\u{200e}",
        "\u{2028}",
        "\u{3000}",
        "\u{feff}",
        "\u{e000}",
        "\u{e0101}",
        "\u{10ffff}",
        "e\u{301}",
        "\u{301}",
        "\u{344}",
        "\u{f73}\u{323}",
        "o\u{302e}\u{323}",
        "\u{1d15e}",
        "\u{1b44}",
        "\u{37e}",
        "≠",
        "\u{1fef}",
        "İ",
        "\u{212a}",
        "Å",
        "ǆ",
        "豈",
        "각",
        "👩\u{200d}💻",
        "🏴\u{e0067}",
        "עִבְרִית",
        "العَرَبِيَّة",
        "हिन्दी",
        "ไทย",
        "việt",
        "Straße",
        "naïve",
        "don’t",
        "—",
    ];
    prop_oneof![
        6 => proptest::sample::select(words).prop_map(String::from),
        3 => "[a-zA-Z]{1,9}",
        3 => "[ \n\t\r]{1,2}",
        2 => "[!-/:-@\\[-`{-~]",
        1 => "[0-9]{1,4}",
        3 => proptest::sample::select(odd.to_vec()).prop_map(String::from),
        1 => any::<char>().prop_map(String::from),
        1 => "[\u{0}-\u{ff}]{1,3}",
        1 => "[\u{300}-\u{36f}]{1,3}",
        1 => "[\u{c0}-\u{24f}]{1,4}",
        1 => "(a|e\u{301}|é){17,24}",
    ]
}

fn text() -> impl Strategy<Value = String> {
    proptest::collection::vec(piece(), 0..16).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(crate::cases::cases(64)))]

    #[test]
    fn all_settings_give_what_the_crate_gives(text in text(), other in text()) {
        for twins in twins() {
            twins.agree(&text, &other)?;
        }
    }
}

/// Each character that there is, between letters, and with marks behind it that change places.
#[test]
fn every_character_is_treated_as_by_the_crate() {
    // Lower case and accents taken off, neither, only one of them, and nothing cleaned.
    let settings = [
        bert(true, true, None, true),
        bert(true, true, None, false),
        bert(true, true, Some(false), true),
        bert(false, false, Some(true), false),
    ];
    for twins in settings.map(|normalizer| Twins::of(&file(normalizer))) {
        // All of some planes, and a few of every block of the others.
        for first in (0..0x11_0000u32).step_by(64) {
            let step = if first < 0x3100 { 1 } else { 61 };
            let texts = (first..first + 64).step_by(step).filter_map(char::from_u32);
            let texts = texts.map(|c| format!("a{c}b{c}\u{301}\u{323} {c}{c}\n"));
            let text: String = texts.collect();
            let (ours, theirs) = (twins.fast.text_ids(&text), twins.crates.text_ids(&text));
            assert_eq!(ours.unwrap(), theirs.unwrap(), "{first:x} {}", twins.name);
        }
    }
}

#[test]
fn plain_texts_do_not_need_the_crate() {
    let json = file(bert(true, true, None, true)).to_string();
    let whole = tokenizers::Tokenizer::from_bytes(json).unwrap();
    let fast = WordPieces::of(&whole).unwrap();
    let stop = |text: &str| {
        let mut found = Found::default();
        let mut pass = Pass::<true>::new(&fast, &whole, text, &mut found);
        pass.plain(0, text.len())
    };
    for text in [
        "The quick brown fox — “naïve”, don’t…",
        "Größe, café, e\u{301}lan; Ελλάδα; Россия; việt nam",
        "日本語。한국어 हिन्दी עִבְרִית العَرَبِيَّة ไทย",
        "a\u{0}b \u{200d} \u{fffd} 👩\u{200d}💻 \u{e000}",
    ] {
        assert_eq!(stop(text), text.len(), "{text}");
    }
    // A tone mark is no accent that is taken off, and changes places with those that are.
    assert_eq!(stop("ab c\u{302e}d"), 4);
}

#[test]
fn long_words_and_long_texts_take_time_with_their_length() {
    let twins = &twins()[3];
    for piece in [
        "x",
        "é",
        "日",
        "a\u{301}",
        "[MASK]",
        "x\u{302e}",
        "[",
        "- ",
        "\u{0}",
        "ab\u{302e} ",
    ] {
        let text = piece.repeat((1 << 18) / piece.len());
        let ours = twins.fast.text_ids(&text).unwrap();
        // The crate is asked about a part, as some of these take it long.
        let part = &text[..text.floor_char_boundary(6000)];
        let (of_part, theirs) = (twins.fast.text_ids(part), twins.crates.text_ids(part));
        assert_eq!(of_part.unwrap(), theirs.unwrap(), "{piece:?}");
        assert!(
            ours.offsets
                .last()
                .is_none_or(|&(_, end)| end <= text.len())
        );
    }
}

#[test]
fn what_is_not_known_is_left_to_the_crate() {
    let known = |change: &dyn Fn(&mut Value)| {
        let mut file = file(bert(true, true, None, true));
        change(&mut file);
        let tokenizer = tokenizers::Tokenizer::from_bytes(file.to_string()).unwrap();
        WordPieces::of(&tokenizer).is_some()
    };
    assert!(known(&|_| ()));
    assert!(known(&|f| f["post_processor"] = json!({
        "type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2],
    })));
    assert!(!known(&|f| f["normalizer"] = json!({"type": "NFKC"})));
    assert!(!known(&|f| f["normalizer"] = json!({
        "type": "Sequence", "normalizers": [{"type": "NFC"}, bert(true, true, None, true)],
    })));
    assert!(!known(
        &|f| f["pre_tokenizer"] = json!({"type": "Whitespace"})
    ));
    assert!(!known(&|f| f["pre_tokenizer"] = Value::Null));
    assert!(!known(&|f| f["model"]["unk_token"] = json!("<unk>")));
    assert!(!known(
        &|f| f["model"]["max_input_chars_per_word"] = json!(WORD + 1)
    ));
    for option in ["lstrip", "rstrip", "normalized"] {
        assert!(
            !known(&|f| f["added_tokens"][4][option] = json!(true)),
            "{option}"
        );
    }
    assert!(known(&|f| f["added_tokens"][4]["single_word"] = json!(true)));
    assert!(!known(&|f| {
        let new = json!({"id": 9999, "content": "new york", "single_word": false, "lstrip": false,
            "rstrip": false, "normalized": false, "special": false});
        f["added_tokens"].as_array_mut().unwrap().push(new);
    }));
}

/// Added tokens that begin with letters, other prefixes, and short words.
#[test]
fn other_vocabularies_are_read_as_by_the_crate() {
    let mut file = file(bert(true, true, None, true));
    let new = json!({"id": 9999, "content": "foxy", "single_word": true, "lstrip": false,
        "rstrip": false, "normalized": false, "special": false});
    file["added_tokens"].as_array_mut().unwrap().push(new);
    file["model"]["max_input_chars_per_word"] = json!(3);
    let mut bare = file.clone();
    bare["model"]["continuing_subword_prefix"] = json!("");
    // Ids that leave some out, and two tokens of one id.
    let mut sparse = file.clone();
    sparse["model"]["vocab"]["brown"] = json!(70_000);
    sparse["model"]["vocab"]["foxy"] = sparse["model"]["vocab"]["fox"].clone();
    for twins in [Twins::of(&file), Twins::of(&bare), Twins::of(&sparse)] {
        for text in [
            "foxy",
            "the foxy dog",
            "unfoxy foxyish ééé éééé",
            "abc abcd abcdé 日本語",
            "",
        ] {
            twins.agree(text, "dog [SEP] dog").unwrap();
        }
    }
}

#[test]
fn the_default_model_gives_what_the_crate_gives() {
    if !may_fetch() {
        return;
    }
    let files = find(DEFAULT_MODEL, &Fetch::new()).unwrap();
    let config = Config::load(&files).unwrap();
    let twins = Twins::new(DEFAULT_MODEL.to_string(), || {
        Tokenizer::load(&files, &config).unwrap()
    });
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(
        crate::cases::cases(256),
    ));
    let tested = runner.run(&(text(), text()), |(text, other)| {
        twins.agree(&text, &other)
    });
    tested.unwrap();
    let english = "Unbelievably, the Eyjafjallajökull volcano’s ash—seen from 3,000 km—grounded \
        flights; “hyperparameterization” isn't anyone's favourite word.";
    let german =
        "Die Bundesregierung kündigte gestern größere Änderungen an der Straßenverkehrsordnung an.";
    twins.agree(&english.repeat(9), &german.repeat(9)).unwrap();
}
