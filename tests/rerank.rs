//! Cross-encoders: what sentence-transformers computes with the same models, and what a user sees.

mod common;

use common::{World, copy, on_cpu, repository, tiny};
use nearwise::Reranker;
use nearwise::encoder::{DeviceChoice, Dtype, DtypeChoice, RerankOptions};
use nearwise::model::{Config, Fetch, Tokenizer, find, tokens};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;

fn family(name: &str) -> PathBuf {
    repository("tests/fixtures/families").join(name)
}

const CROSS: [&str; 11] = [
    "bert-cross",
    "bert-cross-st6",
    "bert-cross-three",
    "distilbert-cross",
    "gte-cross",
    "modernbert-cross-cls",
    "modernbert-cross-mean",
    "qwen3-cross",
    "qwen3-cross-three",
    "roberta-cross",
    "xlm-roberta-cross",
];

/// Language models, which have a pair written as one text.
const WRITTEN: [&str; 4] = [
    "qwen3-cross-chat",
    "qwen3-logit-one",
    "qwen3-logit-score",
    "tiny-qwen3-reranker",
];

/// What `tests/fixtures/make_families.py` wrote down of a model.
fn expected(name: &str) -> Vec<Value> {
    let text = fs::read_to_string(family(name).join("expected.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn open(name: &str, dtype: Dtype) -> Reranker {
    Reranker::builder()
        .model(family(name).display().to_string())
        .device(DeviceChoice::Cpu)
        .dtype(DtypeChoice::Only(dtype))
        .open()
        .unwrap()
}

fn numbers(value: &Value) -> Vec<f32> {
    match value.as_array() {
        Some(all) => all.iter().map(|x| x.as_f64().unwrap() as f32).collect(),
        None => vec![value.as_f64().unwrap() as f32],
    }
}

fn pairs(cases: &[Value]) -> Vec<(&str, &str)> {
    fn text(v: &Value) -> &str {
        v.as_str().unwrap()
    }
    cases
        .iter()
        .map(|c| (text(&c["query"]), text(&c["text"])))
        .collect()
}

#[test]
fn pairs_are_put_together_as_their_tokenizers_do_it() {
    for name in CROSS {
        let files = find(&family(name).display().to_string(), &Fetch::new()).unwrap();
        let config = Config::load(&files).unwrap();
        let tokenizer = Tokenizer::load(&files, &config).unwrap();
        let cases = expected(name);
        let typed = config.judge.as_ref().unwrap().typed;
        let got = tokenizer.encode_pairs("", &pairs(&cases), typed).unwrap();
        for (got, case) in got.iter().zip(&cases) {
            let ids: Vec<u32> = got.ids.iter().map(|&t| tokens::id(t)).collect();
            let types: Vec<u32> = got.ids.iter().map(|&t| tokens::kind(t)).collect();
            let list = |key: &str| -> Vec<u32> {
                serde_json::from_value(case[key].clone()).unwrap_or_default()
            };
            assert_eq!(ids, list("ids"), "{name}: {case}");
            let expected = list("types");
            if expected.is_empty() {
                assert!(types.iter().all(|&t| t == 0), "{name}");
            } else {
                assert_eq!(types, expected, "{name}: {case}");
            }
        }
    }
}

#[test]
fn pairs_are_written_as_templates_have_them() {
    for name in WRITTEN {
        let files = find(&family(name).display().to_string(), &Fetch::new()).unwrap();
        let config = Config::load(&files).unwrap();
        let tokenizer = Tokenizer::load(&files, &config).unwrap();
        let judge = config.judge.as_ref().unwrap();
        let form = tokenizer.pair_form(judge).unwrap();
        let cases = expected(name);
        let got = tokenizer.encode_as(&form, &pairs(&cases)).unwrap();
        let mut cut = 0;
        for (got, case) in got.iter().zip(&cases) {
            assert_eq!(json!(got.ids), case["ids"], "{name}: {case}");
            cut += got.cut;
        }
        assert!(cut > 0, "{name}");
        assert_eq!(judge.by_name, name == "tiny-qwen3-reranker");
    }
}

#[test]
fn scores_are_those_of_sentence_transformers() {
    for name in CROSS.into_iter().chain(WRITTEN) {
        let cases = expected(name);
        let reranker = open(name, Dtype::F32);
        let scores = reranker
            .scores(&pairs(&cases), &RerankOptions::new())
            .unwrap();
        assert_eq!(scores.rows().len(), cases.len());
        for (got, case) in scores.rows().zip(&cases) {
            let expected = numbers(&case["score"]);
            assert_eq!(got.len(), expected.len(), "{name}");
            for (got, expected) in got.iter().zip(&expected) {
                let d = (got - expected).abs();
                assert!(d < 2e-5, "{name}: {got}, not {expected} ({})", case["text"]);
            }
        }
        // A pair alone gives what it gives among others, to the bit.
        for (pair, among) in pairs(&cases).into_iter().zip(scores.rows()) {
            let one = reranker.scores(&[pair], &RerankOptions::new()).unwrap();
            assert_eq!(one.values, among, "{name}: {pair:?}");
        }
    }
}

#[test]
fn other_dtypes_stay_near() {
    for name in [
        "bert-cross",
        "modernbert-cross-mean",
        "roberta-cross",
        "qwen3-logit-score",
    ] {
        let cases = expected(name);
        for dtype in [Dtype::Bf16, Dtype::Int8] {
            let scores = open(name, dtype)
                .scores(&pairs(&cases), &RerankOptions::new())
                .unwrap();
            for (got, case) in scores.rows().zip(&cases) {
                let expected = numbers(&case["score"])[0];
                // Tiny random models are far more sensitive than trained ones.
                let d = (got[0] - expected).abs();
                assert!(d < 0.1, "{name} {}: {} {expected}", dtype.name(), got[0]);
            }
        }
    }
}

#[test]
fn texts_are_ordered_by_their_scores() {
    let reranker = open("bert-cross", Dtype::F32);
    let texts = [
        "the bank cut interest rates",
        "goal in the last minute of the cup final",
        "a",
    ];
    let options = RerankOptions::new();
    let all = reranker.rerank("rate cut", &texts, &options).unwrap();
    let scores = reranker
        .scores(&texts.map(|t| ("rate cut", t)), &options)
        .unwrap();
    assert_eq!(all.len(), 3);
    assert!(all.windows(2).all(|w| w[0].score >= w[1].score));
    for ranked in &all {
        assert_eq!(
            ranked.score.to_bits(),
            scores.values[ranked.index].to_bits()
        );
    }
    let two = reranker
        .rerank("rate cut", &texts, &options.clone().top(Some(2)))
        .unwrap();
    assert_eq!(two, all[..2]);
    let same = reranker.rerank("rate cut", &["a", "a"], &options).unwrap();
    assert_eq!((same[0].index, same[1].index), (0, 1));
    let none: [&str; 0] = [];
    assert!(reranker.rerank("x", &none, &options).unwrap().is_empty());
}

#[test]
fn a_long_text_counts_by_its_best_passage() {
    let reranker = open("bert-cross", Dtype::F32);
    let sentence = "The market and the minister met in the city. ";
    let best = "The bank cut interest rates. ";
    let long = [sentence.repeat(12), best.repeat(4), sentence.repeat(12)].concat();
    let options = RerankOptions::new();
    let beginning = &reranker.rerank("rate cut", &[&long], &options).unwrap()[0];
    assert!(beginning.cut > 0 && beginning.passage.is_none());
    let options = options.passages(true);
    let whole = &reranker.rerank("rate cut", &[&long], &options).unwrap()[0];
    assert_eq!(whole.cut, 0);
    let passage = &long[whole.passage.clone().unwrap()];
    let own = reranker
        .scores(&[("rate cut", passage.trim())], &RerankOptions::new())
        .unwrap();
    assert!((own.values[0] - whole.score).abs() < 1e-6);
    assert!(whole.score >= beginning.score);
    // A text that fits is judged whole; one with nothing in it too.
    for text in ["a", ""] {
        let short = &reranker.rerank("rate cut", &[text], &options).unwrap()[0];
        assert!(short.passage.is_none());
    }
    // A query that is longer than the model leaves room for a text.
    let query = "the bank ".repeat(100);
    assert!(
        reranker.rerank(&query, &[&long], &options).unwrap()[0]
            .passage
            .is_some()
    );
}

#[test]
fn a_long_text_is_written_by_its_passages() {
    let reranker = open("qwen3-logit-score", Dtype::F32);
    let long = "The market and the minister met in the city. ".repeat(12);
    let options = RerankOptions::new().passages(true);
    let whole = &reranker.rerank("rate cut", &[&long], &options).unwrap()[0];
    assert_eq!(whole.cut, 0);
    let passage = long[whole.passage.clone().unwrap()].trim();
    let own = reranker.scores(&[("rate cut", passage)], &options).unwrap();
    assert_eq!(own.values[0], whole.score);
    let query = "the bank ".repeat(100);
    let cut = &reranker.rerank(&query, &[&long], &options).unwrap()[0];
    assert!(cut.passage.is_some() && cut.cut > 0);
}

#[test]
fn what_is_judged_by_can_be_given() {
    let model = family("qwen3-cross-chat").display().to_string();
    let cases = expected("qwen3-cross-chat");
    let scores = |prompt: Option<&str>| {
        let builder = Reranker::builder()
            .model(&model)
            .prompt(prompt.map(str::to_string));
        let f32 = DtypeChoice::Only(Dtype::F32);
        let reranker = builder.device(DeviceChoice::Cpu).dtype(f32).open().unwrap();
        let scores = reranker.scores(&pairs(&cases), &RerankOptions::new());
        scores.unwrap().values
    };
    assert_eq!(scores(Some("rate it")), scores(None));
    let usual = scores(Some(""));
    assert_eq!(scores(Some("find it")), usual);
    assert!(usual.iter().zip(scores(None)).all(|(a, b)| *a != b));
    let world = World::new();
    world.write("a.txt", "the bank cut interest rates\n");
    let score = |more: &str| {
        let line = format!("rerank rate a.txt --json --dtype f32 --model {model} {more}");
        world.json(&line)["results"][0]["score"].as_f64().unwrap()
    };
    assert_eq!(score("--prompt=find"), score("--prompt=find"));
    assert_ne!(score("--prompt=find"), score(""));
    // Of other models it is put in front of the query.
    let bert = family("bert-cross").display().to_string();
    let bert = Reranker::builder().model(bert).device(DeviceChoice::Cpu);
    let open = |prompt: &str| {
        bert.clone()
            .prompt(Some(prompt.to_string()))
            .open()
            .unwrap()
    };
    let options = RerankOptions::new();
    let prompted = open("the bank: ")
        .scores(&[("rates", "a")], &options)
        .unwrap();
    let written = open("")
        .scores(&[("the bank: rates", "a")], &options)
        .unwrap();
    assert_eq!(prompted.values, written.values);
}

/// A model that writes text, in a folder of a name that says nothing.
fn renamed(world: &World, from: &str, to: &str) -> PathBuf {
    let folder = world.path(to);
    fs::create_dir(&folder).unwrap();
    copy(&family(from), &folder);
    folder
}

#[test]
fn a_language_model_judges_by_its_name_or_where_it_is_asked_to() {
    let world = World::new();
    let folder = renamed(&world, "tiny-qwen3-reranker", "any");
    let open = |path: &PathBuf| {
        let builder = Reranker::builder().model(path.display().to_string());
        let f32 = DtypeChoice::Only(Dtype::F32);
        builder.device(DeviceChoice::Cpu).dtype(f32).open().unwrap()
    };
    let cases = expected("tiny-qwen3-reranker");
    let scores = |reranker: Reranker| {
        let all = reranker.scores(&pairs(&cases), &RerankOptions::new());
        all.unwrap().values
    };
    let named = scores(open(&family("tiny-qwen3-reranker")));
    assert_eq!(scores(open(&folder)), named);
    // Its own files go before its name.
    let path = folder.join("chat_template.jinja");
    fs::write(
        &path,
        "{{ messages[0].content }}: {{ messages[1].content }}\n",
    )
    .unwrap();
    let own = scores(open(&folder));
    assert!(own.iter().zip(&named).all(|(a, b)| a != b));
    // One for talks says nothing of pairs.
    let talk =
        "{% for m in messages %}{% if m.role == 'user' %}{{ m.content }}{% endif %}{% endfor %}";
    fs::write(&path, talk).unwrap();
    assert_eq!(scores(open(&folder)), named);
    fs::write(
        &path,
        talk.replace("user", "query") + "{{ 'document' }}{{ query }}",
    )
    .unwrap();
    world.write("a.txt", "a\n");
    world.fails(
        "rerank x a.txt --model any",
        1,
        &["any", "chat_template.jinja", "document"],
    );
    fs::remove_file(&path).unwrap();

    // For vectors it is a model of no pooling; one that is named a re-ranker has none to give.
    assert!(
        on_cpu(Dtype::F32)
            .model(folder.display().to_string())
            .open()
            .is_ok()
    );
    let named = family("tiny-qwen3-reranker").display().to_string();
    let e = on_cpu(Dtype::F32).model(&named).open().unwrap_err();
    assert!(e.to_string().contains("judges pairs"), "{e}");

    // What is assumed is said.
    let said = world
        .command(&format!("rerank bank a.txt --model {named}"))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&said.stderr);
    assert!(told.contains("taken for a Qwen3-Reranker"), "{told}");
    // Tokens that are not there, and an embedding model of the family.
    let path = folder.join("tokenizer.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"yes\"", "\"yea\"")).unwrap();
    world.fails(
        "rerank x a.txt --model any",
        1,
        &["tokenizer.json", "no token \"yes\""],
    );
    let embedder = family("qwen3-embedding").display().to_string();
    let line = format!("rerank bank a.txt --model {embedder}");
    world.fails(&line, 1, &["embeds single texts"]);
}

#[test]
fn settings_of_a_language_model_that_cannot_be_used_are_told() {
    let world = World::new();
    world.write("a.txt", "a\n");
    let folder = renamed(&world, "qwen3-logit-score", "changed");
    let changed = |file: &str, key: &str, value: Value, parts: &[&str]| {
        let path = folder.join(file);
        let kept = fs::read_to_string(&path).unwrap();
        let mut settings: Value = serde_json::from_str(&kept).unwrap();
        settings[key] = value;
        fs::write(&path, settings.to_string()).unwrap();
        world.fails("rerank x a.txt --model changed", 1, parts);
        fs::write(&path, kept).unwrap();
    };
    let score = "1_LogitScore/config.json";
    changed(
        score,
        "true_token_id",
        json!(100_000),
        &[score, "true_token_id is 100000"],
    );
    changed(
        score,
        "true_token_id",
        json!(null),
        &[score, "true_token_id is missing"],
    );
    changed(
        score,
        "false_token_id",
        json!("no"),
        &[score, "false_token_id"],
    );
    changed(
        score,
        "module_input_name",
        json!("scores"),
        &[score, "causal_logits"],
    );
    changed(
        "config.json",
        "architectures",
        json!(["Qwen3Model"]),
        &["LogitScore", "language model"],
    );
    let kwargs = json!({"chat_template": {"continue_final_message": true}});
    changed(
        "sentence_bert_config.json",
        "processing_kwargs",
        kwargs,
        &["sentence_bert_config.json", "continue_final_message"],
    );
    changed(
        "config.json",
        "tie_word_embeddings",
        json!(false),
        &["lm_head.weight"],
    );
    let template = folder.join("chat_template.jinja");
    let kept = fs::read_to_string(&template).unwrap();
    for (text, part) in [
        ("{{ messages[0].content }}", "leaves out the document"),
        (
            "{{ messages[0].content }} {{ messages[1].content | upper }}",
            "changes the texts",
        ),
        ("{% for", "syntax error"),
    ] {
        fs::write(&template, text).unwrap();
        world.fails(
            "rerank x a.txt --model changed",
            1,
            &["chat_template.jinja", part],
        );
    }
    fs::remove_file(&template).unwrap();
    world.fails("rerank x a.txt --model changed", 1, &["no chat template"]);
    fs::write(&template, kept).unwrap();
    assert!(world.run("rerank x a.txt --model changed").contains('a'));
    // A pair that has no room beside what is written around it.
    let path = folder.join("tokenizer_config.json");
    let mut settings: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    settings["model_max_length"] = json!(20);
    fs::write(&path, settings.to_string()).unwrap();
    world.fails(
        "rerank x a.txt --model changed",
        1,
        &["form of a pair takes", "20"],
    );
}

#[test]
fn several_labels_need_a_name() {
    let reranker = open("bert-cross-three", Dtype::F32);
    assert_eq!(
        reranker.labels(),
        ["contradiction", "entailment", "neutral"]
    );
    let options = RerankOptions::new();
    let e = reranker.rerank("a", &["b"], &options).unwrap_err();
    assert!(
        e.to_string().contains("contradiction, entailment, neutral"),
        "{e}"
    );
    let named = options.clone().label(Some("entailment".to_string()));
    let ranked = reranker
        .rerank("rate cut", &["the bank cut interest rates"], &named)
        .unwrap();
    let expected = numbers(&expected("bert-cross-three")[0]["score"])[1];
    assert!((ranked[0].score - expected).abs() < 2e-5);
    let other = options.label(Some("other".to_string()));
    assert!(reranker.rerank("a", &["b"], &other).is_err());
}

#[test]
fn each_kind_of_model_is_for_one_thing() {
    let cross = family("bert-cross").display().to_string();
    let e = on_cpu(Dtype::F32).model(&cross).open().unwrap_err();
    assert!(e.to_string().contains("judges pairs"), "{e}");
    let embedder = tiny("tiny-bert").display().to_string();
    let e = Reranker::open(&embedder).unwrap_err();
    assert!(e.to_string().contains("embeds single texts"), "{e}");
    let world = World::new();
    world.articles();
    for line in [
        format!("embed bank --model {cross}"),
        format!("index six.jsonl -c c.nearwise --model {cross}"),
    ] {
        world.fails(&line, 1, &["bert-cross", "judges pairs", "re-ranking"]);
    }
    assert!(!world.path("c.nearwise").exists());
    world.write("lines.txt", "the bank\n");
    let line = format!("rerank bank lines.txt --model {embedder}");
    world.fails(&line, 1, &["tiny-bert", "cannot re-rank", "cross-encoder"]);
}

#[test]
fn a_wrong_model_is_told_before_the_search() {
    let world = World::new();
    world.articles();
    world.run("index six.jsonl -c c.nearwise");
    // The search's own model would fail as well.
    world.fails(
        "search bank --model nobody/embeds --rerank nobody/judges",
        1,
        &["nobody/judges"],
    );
    let embedder = tiny("tiny-bert").display().to_string();
    world.fails(
        &format!("search bank --model nobody/embeds --rerank {embedder}"),
        1,
        &["cannot re-rank"],
    );
}

#[test]
fn lines_and_json_lines_are_ordered() {
    let world = World::new();
    let model = family("bert-cross").display().to_string();
    let lines = "the bank cut interest rates\n\na\ngoal in the last minute of the cup final\n";
    world.write("lines.txt", lines);
    let rerank = |rest: &str| {
        format!("rerank ice lines.txt --device cpu --dtype f32 --model {model} {rest}")
    };
    let out = world.run(&rerank(""));
    assert_eq!(out.lines().count(), 3, "{out}");
    let found = world.json(&rerank("--json --top 2"));
    let rows = found["results"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    assert!(rows[0]["score"].as_f64() >= rows[1]["score"].as_f64());
    // Lines are numbered as they stand in the file.
    let ids: Vec<&str> = rows.iter().map(|r| r["id"].as_str().unwrap()).collect();
    assert!(ids.iter().all(|id| ["1", "3", "4"].contains(id)), "{ids:?}");
    // Standard input, JSON lines with ids.
    let json =
        "{\"id\": \"x\", \"title\": \"A\", \"text\": \"the bank\"}\n{\"text\": \"a goal\"}\n";
    let mut command = world.command(&format!("rerank bank --json --device cpu --model {model}"));
    let output = command.write_stdin(json).output().unwrap();
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = found["results"].as_array().unwrap();
    let x = rows.iter().find(|r| r["id"] == "x").unwrap();
    assert_eq!(x["text"], "A\nthe bank");
    assert!(rows.iter().any(|r| r["id"] == "2"));
    assert_eq!(found["model"]["dim"], 1);
}

#[test]
fn what_cannot_be_ordered_is_told_in_a_line() {
    let world = World::new();
    let model = family("bert-cross").display().to_string();
    world.write("bad.jsonl", "{\"text\": \"a\"}\n{\"title\": \"b\"}\n");
    world.fails(
        &format!("rerank x bad.jsonl --model {model}"),
        1,
        &["bad.jsonl:2", "\"text\""],
    );
    world.write("bytes.txt", b"\xff\xfe\n");
    world.fails(
        &format!("rerank x bytes.txt --model {model}"),
        1,
        &["bytes.txt", "UTF-8"],
    );
    world.fails(
        &format!("rerank x none.txt --model {model}"),
        1,
        &["none.txt"],
    );
    world.write("empty.txt", "\n\n");
    let output = world
        .command(&format!("rerank x empty.txt --model {model}"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    let three = family("bert-cross-three").display().to_string();
    world.write("a.txt", "a\n");
    world.fails(
        &format!("rerank x a.txt --model {three}"),
        2,
        &["--label", "neutral"],
    );
    assert!(
        world
            .run(&format!("rerank x a.txt --label neutral --model {three}"))
            .contains("  1  a")
    );
    world.fails(
        "rerank x a.txt --model nobody/nothing",
        1,
        &["nobody/nothing", "offline"],
    );
}

#[test]
fn settings_of_a_cross_encoder_that_cannot_be_used_are_told() {
    let world = World::new();
    world.write("a.txt", "a\n");
    for (key, value, parts) in [
        (
            "sentence_transformers",
            json!({"activation_fn": "os.system"}),
            &["activation_fn", "os.system"][..],
        ),
        (
            "sbert_ce_default_activation_function",
            json!("torch.nn.Mish"),
            &["sbert_ce", "Mish"],
        ),
        ("id2label", json!({}), &["0 labels"]),
        (
            "id2label",
            json!({"0": "a", "1": "b"}),
            &["classifier.weight", "[2, 18]"],
        ),
    ] {
        let folder = world.path("changed");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        copy(&family("bert-cross"), &folder);
        let path = folder.join("config.json");
        let mut config: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        config[key] = value;
        fs::write(&path, config.to_string()).unwrap();
        let parts: Vec<&str> = parts.iter().copied().chain(["changed"]).collect();
        world.fails("rerank x a.txt --model changed", 1, &parts);
    }
}

#[test]
fn a_search_is_ordered_by_a_reranker() {
    let world = World::new();
    world.articles();
    world.run("index six.jsonl -c c.nearwise");
    let model = family("bert-cross").display().to_string();
    let plain = world.json("search goal -c c.nearwise --json -k 6");
    let line = format!("search goal -c c.nearwise --rerank {model}");
    let found = world.json(&format!("{line} --json -k 6"));
    let hits = found["hits"].as_array().unwrap();
    assert_eq!(hits.len(), 6);
    let scores: Vec<f64> = hits.iter().map(|h| h["rerank"].as_f64().unwrap()).collect();
    assert!(scores.windows(2).all(|w| w[0] >= w[1]), "{scores:?}");
    // Each keeps what the search found of it.
    for hit in hits {
        let all = plain["hits"].as_array().unwrap();
        let own = all.iter().find(|h| h["id"] == hit["id"]).unwrap();
        assert_eq!(own["cosine"], hit["cosine"]);
        assert_eq!(own["passage"], hit["passage"]);
    }
    // The best two of all six, not of the two nearest.
    let two = world.json(&format!("{line} --json -k 2"));
    assert_eq!(two["hits"].as_array().unwrap()[..], hits[..2]);
    let few = world.json(&format!("{line} --json -k 2 --rerank-depth 2"));
    let near: Vec<&Value> = plain["hits"].as_array().unwrap()[..2]
        .iter()
        .map(|h| &h["id"])
        .collect();
    for hit in few["hits"].as_array().unwrap() {
        assert!(near.contains(&&hit["id"]));
    }
    let narrowed = world.json(&format!("{line} --json --hybrid --where date>=2025-04"));
    assert_eq!(narrowed["hits"].as_array().unwrap().len(), 3);
    let text = world.run(&line);
    assert!(
        text.contains("cosine 0.") || text.contains("cosine -0."),
        "{text}"
    );
    world.fails(
        &format!("{line} --rerank-depth 3"),
        2,
        &["--rerank-depth", "10 articles"],
    );
    world.fails(
        "search goal -c c.nearwise --rerank-depth 30",
        2,
        &["--rerank"],
    );
    let embedder = tiny("tiny-bert").display().to_string();
    world.fails(
        &format!("search goal -c c.nearwise --rerank {embedder}"),
        1,
        &["tiny-bert", "cannot re-rank"],
    );
}
