//! Models as sentence-transformers saves them: what it computes with the same files, and what a
//! user is told of files that cannot be used.

mod common;

use common::{World, copy, on_cpu, repository, tiny};
use nearwise::encoder::{Dtype, EncodeOptions, Prompt};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

fn family(name: &str) -> PathBuf {
    repository("tests/fixtures/families").join(name)
}

/// What `tests/fixtures/make_families.py` wrote down of a model.
fn expected(name: &str) -> Vec<Value> {
    let text = fs::read_to_string(family(name).join("expected.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn distance(a: &[f32], b: &[f32]) -> f32 {
    let squares = a.iter().zip(b).map(|(a, b)| (a - b).powi(2));
    let length: f32 = b.iter().map(|b| b * b).sum::<f32>().sqrt();
    squares.sum::<f32>().sqrt() / length
}

/// The greatest distance of a model's vectors to those that sentence-transformers gives, by the
/// length of these.
fn worst(name: &str) -> f32 {
    let encoder = on_cpu(Dtype::F32)
        .model(family(name).display().to_string())
        .open()
        .unwrap_or_else(|e| panic!("{name}: {e}"));
    let mut worst = 0.0f32;
    for case in expected(name) {
        let prompt = match case["kind"].as_str().unwrap() {
            "query" => Prompt::Query,
            "document" => Prompt::Document,
            _ => Prompt::Default,
        };
        let text = case["text"].as_str().unwrap();
        let ids: Vec<u32> = serde_json::from_value(case["ids"].clone()).unwrap();
        let tokens = encoder.tokenize(&[text], prompt.clone()).unwrap();
        assert_eq!(tokens[0].ids, ids, "{name}: {text}");
        let options = EncodeOptions::from(prompt).normalize(false);
        let got = encoder.encode(&[text], options).unwrap();
        let vector: Vec<f32> = serde_json::from_value(case["vector"].clone()).unwrap();
        assert_eq!(got.values.len(), vector.len(), "{name}");
        worst = worst.max(distance(&got.values, &vector));
    }
    worst
}

#[test]
fn vectors_are_those_of_sentence_transformers() {
    for name in [
        "bert-cls-mean-sqrt",
        "bert-dense",
        "bert-max-normalize-dense",
        "bert-st6",
        "bert-weightedmean",
        "embeddinggemma",
        "qwen3-embedding",
        "xlm-roberta-e5",
    ] {
        let worst = worst(name);
        assert!(worst < 3e-5, "{name}: {worst}");
    }
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    let world = World::new();
    let changed = |name: &str, edit: &dyn Fn(&Path)| -> String {
        let folder = world.path("changed");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        copy(&family(name), &folder);
        edit(&folder);
        let output = world.command("embed a --model changed").output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
        let line = stderr.lines().last().unwrap_or("").to_string();
        assert!(line.starts_with("nearwise: "), "{stderr}");
        line
    };
    let check = |name: &str, edit: &dyn Fn(&Path), parts: &[&str]| {
        let line = changed(name, edit);
        for part in parts {
            assert!(line.contains(part), "{part:?} is not in {line:?}");
        }
    };
    // Modules of sentence-transformers that embed otherwise.
    for class in [
        "Router",
        "StaticEmbedding",
        "WordWeights",
        "CNN",
        "LSTM",
        "BoW",
        "CLIPModel",
        "Asym",
    ] {
        let edit = |folder: &Path| {
            replace(
                folder,
                "modules.json",
                "models.Dense",
                &format!("models.{class}"),
            );
        };
        check(
            "bert-dense",
            &edit,
            &["modules.json", class, "Pooling, Dense"],
        );
    }
    let json = |file: &'static str, key: &'static str, value: Value| {
        move |folder: &Path| set(folder, file, key, value.clone())
    };
    for (file, key, value, parts) in [
        (
            "2_Dense/config.json",
            "in_features",
            json!(16),
            &["2_Dense/config.json", "in_features is 16"][..],
        ),
        (
            "2_Dense/config.json",
            "out_features",
            json!(1u64 << 40),
            &["out_features"],
        ),
        (
            "2_Dense/config.json",
            "out_features",
            json!(-1),
            &["out_features"],
        ),
        (
            "2_Dense/config.json",
            "out_features",
            json!(12),
            &["3_LayerNorm/config.json", "dimension is 11"],
        ),
        (
            "2_Dense/config.json",
            "bias",
            json!(null),
            &["2_Dense/config.json", "bias"],
        ),
        (
            "2_Dense/config.json",
            "activation_function",
            json!("os.system"),
            &["activation_function", "os.system"],
        ),
        (
            "2_Dense/config.json",
            "use_residual",
            json!(true),
            &["use_residual"],
        ),
        (
            "2_Dense/config.json",
            "module_input_name",
            json!("token_embeddings"),
            &["token_embeddings"],
        ),
        (
            "3_LayerNorm/config.json",
            "dimension",
            json!(15),
            &["3_LayerNorm/config.json", "dimension is 15"],
        ),
        (
            "config.json",
            "hidden_size",
            json!(1u64 << 40),
            &["config.json", "hidden_size"],
        ),
        (
            "config.json",
            "hidden_size",
            json!(30),
            &["1_Pooling/config.json", "30 numbers"],
        ),
        (
            "config.json",
            "num_hidden_layers",
            json!(3),
            &["model.safetensors", "encoder.layer.2"],
        ),
        (
            "config.json",
            "num_hidden_layers",
            json!(1),
            &["model.safetensors", "encoder.layer.1", "no place"],
        ),
        (
            "config.json",
            "vocab_size",
            json!("many"),
            &["config.json", "vocab_size"],
        ),
        (
            "config.json",
            "hidden_act",
            json!("mish"),
            &["config.json", "mish"],
        ),
        (
            "config.json",
            "layer_norm_eps",
            json!(-1),
            &["config.json", "layer_norm_eps"],
        ),
        (
            "config.json",
            "model_type",
            json!("t5"),
            &["config.json", "\"t5\""],
        ),
        (
            "config.json",
            "a_new_key",
            json!(7),
            &["config.json", "a_new_key"],
        ),
        (
            "sentence_bert_config.json",
            "max_seq_length",
            json!(3),
            &["3 tokens"],
        ),
    ] {
        check("bert-dense", &json(file, key, value), parts);
    }
    let wide = json("3_Dense/config.json", "out_features", json!(12));
    check(
        "bert-max-normalize-dense",
        &wide,
        &["3_Dense/model.safetensors", "linear.weight", "[12, 18]"],
    );
    // Weights of modules.
    let weights = "2_Dense/model.safetensors";
    check(
        "bert-dense",
        &|f| fs::remove_file(f.join(weights)).unwrap(),
        &["Dense", weights],
    );
    check(
        "bert-dense",
        &|f| {
            fs::write(
                f.join(weights),
                "version https://git-lfs.github.com/spec/v1\noid x\n",
            )
            .unwrap()
        },
        &["Git LFS"],
    );
    check(
        "bert-dense",
        &|f| cut(&f.join(weights)),
        &[weights, "truncated"],
    );
    check(
        "bert-dense",
        &|f| nan(&f.join(weights)),
        &[weights, "NaN", "linear"],
    );
    check(
        "bert-dense",
        &|f| fs::remove_file(f.join("2_Dense/config.json")).unwrap(),
        &["2_Dense/config.json"],
    );
}

#[test]
fn weights_in_several_files_are_read_or_told() {
    let world = World::new();
    let index = "model.safetensors.index.json";
    let shard = "model-00002-of-00002.safetensors";
    let check = |edit: &dyn Fn(&Path), parts: &[&str]| {
        let folder = world.path("changed");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        copy(&family("qwen3-embedding"), &folder);
        edit(&folder);
        world.fails("embed a --model changed", 1, parts);
    };
    check(
        &|f| fs::remove_file(f.join(shard)).unwrap(),
        &[shard, "missing"],
    );
    check(&|f| cut(&f.join(shard)), &[shard, "truncated"]);
    check(&|f| nan(&f.join(shard)), &[shard, "NaN"]);
    check(&|f| fs::write(f.join(index), "{").unwrap(), &[index]);
    let map = |value: Value| json!({"weight_map": {"a": value}}).to_string();
    for name in [
        "../../etc/passwd",
        "/etc/passwd",
        "a/b.safetensors",
        "model.bin",
        "..",
        "",
    ] {
        check(
            &|f| fs::write(f.join(index), map(json!(name))).unwrap(),
            &[index, "no file of weights"],
        );
    }
    check(
        &|f| fs::write(f.join(index), "{\"weight_map\": {}}").unwrap(),
        &[index, "0 files"],
    );
    check(
        &|f| fs::write(f.join(index), map(json!(7))).unwrap(),
        &[index],
    );
    // The same file under two names.
    check(
        &|f| {
            fs::copy(f.join(shard), f.join("model-00003.safetensors")).unwrap();
            let text = fs::read_to_string(f.join(index)).unwrap();
            let mut all: Value = serde_json::from_str(&text).unwrap();
            all["weight_map"]["more"] = json!("model-00003.safetensors");
            fs::write(f.join(index), all.to_string()).unwrap();
        },
        &["in another file too"],
    );
}

/// Replaces all of a text in a file.
fn replace(folder: &Path, file: &str, from: &str, to: &str) {
    let path = folder.join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{from}");
    fs::write(path, text.replace(from, to)).unwrap();
}

/// Sets a key of a JSON file.
fn set(folder: &Path, file: &str, key: &str, value: Value) {
    let path = folder.join(file);
    let mut all: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    all[key] = value;
    fs::write(path, all.to_string()).unwrap();
}

/// Takes the end of a file away.
fn cut(path: &Path) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..bytes.len() - 10]).unwrap();
}

/// Makes all of a file's numbers no numbers.
fn nan(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    bytes[8 + header..].fill(0xff);
    fs::write(path, bytes).unwrap();
}

fn vector(line: &str) -> Vec<f32> {
    let line: Value = serde_json::from_str(line).unwrap();
    serde_json::from_value(line["vector"].clone()).unwrap()
}

fn length(vector: &[f32]) -> f32 {
    vector.iter().map(|x| x * x).sum::<f32>().sqrt()
}

#[test]
fn vectors_are_cut_and_left_as_they_are() {
    let world = World::new();
    let embed = |model: &str, rest: &str| {
        let model = family(model).display().to_string();
        let line = format!("embed goal --device cpu --dtype f32 --model {model} {rest}");
        vector(&world.run(&line))
    };
    // Cut, then scaled.
    let (whole, three) = (embed("bert-dense", ""), embed("bert-dense", "--dim 3"));
    assert_eq!((whole.len(), three.len()), (11, 3));
    assert!((length(&three) - 1.0).abs() < 1e-6);
    let scale = length(&whole[..3]);
    for (cut, whole) in three.iter().zip(&whole) {
        assert!((cut - whole / scale).abs() < 1e-6);
    }
    // As the modules make it: not of unit length without a Normalize, of it with one.
    let raw = embed("bert-dense", "--no-normalize");
    assert!((length(&raw) - 1.0).abs() > 0.1, "{}", length(&raw));
    let own = settings(&world, json!({"truncate_dim": 7}));
    let embed = |rest: &str| {
        let line = format!("embed goal --device cpu --dtype f32 --model {own} {rest}");
        vector(&world.run(&line))
    };
    // The model's own length, which can be undone: cut behind its Normalize, and scaled anew
    // unless that is left out.
    let seven = embed("");
    assert!(seven.len() == 7 && (length(&seven) - 1.0).abs() < 1e-6);
    let raw = embed("--no-normalize");
    assert!(raw.len() == 7 && length(&raw) < 0.999);
    let all = embed("--no-normalize --dim 32");
    assert!((length(&all) - 1.0).abs() < 1e-6);
    assert_eq!(all[..7], raw);
    for wrong in [json!(0), json!("7"), json!(-1)] {
        let own = settings(&world, json!({"truncate_dim": wrong}));
        world.fails(
            &format!("embed a --model {own}"),
            1,
            &["config_sentence_transformers.json", "truncate_dim"],
        );
    }
    let model = family("bert-dense").display().to_string();
    world.fails(
        &format!("embed a --dim 12 --model {model}"),
        2,
        &["--dim", "11 values"],
    );
    world.fails(&format!("embed a --dim 0 --model {model}"), 2, &["--dim"]);
}

#[test]
fn prompts_go_by_name() {
    let world = World::new();
    let model = settings(
        &world,
        json!({
            "prompts": {"query": "the match: ", "document": "", "news": "the news: "},
            "default_prompt_name": "news",
        }),
    );
    let embed = |rest: &str| {
        let mut command = world.command(&format!("embed --device cpu --model {model} {rest}"));
        command.arg("a goal");
        let output = command.output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let mut with = world.command(&format!("embed --device cpu --model {model}"));
    let spelled = with.arg("the news: a goal").output().unwrap().stdout;
    let spelled = String::from_utf8(spelled).unwrap();
    assert_eq!(vector(&embed("--prompt news")), vector(&spelled));
    assert_ne!(vector(&embed("")), vector(&spelled));
    assert_ne!(vector(&embed("--query")), vector(&embed("")));
    world.fails(
        &format!("embed a --prompt other --model {model}"),
        2,
        &["--prompt", "other", "document, news, query"],
    );
    let encoder = on_cpu(Dtype::F32).model(&model).open().unwrap();
    let ids = |prompt: Prompt, text: &str| encoder.tokenize(&[text], prompt).unwrap();
    assert_eq!(
        ids(Prompt::Default, "a goal"),
        ids(Prompt::None, "the news: a goal")
    );
    let unknown = settings(
        &world,
        json!({"prompts": {}, "default_prompt_name": "news"}),
    );
    world.fails(
        &format!("embed a --model {unknown}"),
        1,
        &[
            "config_sentence_transformers.json",
            "default_prompt_name",
            "news",
        ],
    );
}

/// The tiny BERT with settings of its own; its path.
fn settings(world: &World, settings: Value) -> String {
    let folder = world.path("own");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir(&folder).unwrap();
    copy(&tiny("tiny-bert"), &folder);
    let path = folder.join("config_sentence_transformers.json");
    fs::write(path, settings.to_string()).unwrap();
    folder.display().to_string()
}

#[test]
fn a_corpus_keeps_its_dimensions() {
    let world = World::new();
    world.articles();
    world.run("index six.jsonl -c c.nearwise --dim 6");
    let found = world.json("search goal -c c.nearwise --json");
    assert_eq!(found["hits"].as_array().unwrap().len(), 6);
    assert_eq!(world.json("stats -c c.nearwise --json")["model"]["dim"], 6);
    // Not said again, it stays; another is refused.
    world.write(
        "more.jsonl",
        "{\"id\": \"n\", \"title\": \"New\", \"text\": \"A goal of the team.\"}\n",
    );
    world.run("index more.jsonl -c c.nearwise");
    world.run("index more.jsonl -c c.nearwise --dim 6");
    for dim in ["5", "8"] {
        world.fails(
            &format!("index six.jsonl -c c.nearwise --dim {dim}"),
            1,
            &["c.nearwise", "6 values", dim],
        );
    }
    world.run("similar n -c c.nearwise");
    world.run("topics fit -c c.nearwise --topics 2");
    world.fails(
        "index six.jsonl -c d.nearwise --dim 5000",
        2,
        &["--dim", "5000"],
    );
    assert!(!world.path("d.nearwise").exists());
}

#[test]
fn vectors_of_fewer_bits_are_written() {
    let world = World::new();
    let texts = ["the bank", "a goal", "the minister met the market", "rates"];
    world.write("texts.txt", texts.join("\n"));
    world.run("embed --file texts.txt --out f.npy --dtype f32 --device cpu");
    let values = |file: &str, size: usize| {
        let bytes = fs::read(world.path(file)).unwrap();
        let head = String::from_utf8_lossy(&bytes[..128]).into_owned();
        assert_eq!((bytes.len() - 128) % (size * texts.len()), 0);
        (head, bytes[128..].to_vec())
    };
    let floats: Vec<f32> = values("f.npy", 4)
        .1
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
        .collect();
    let dim = floats.len() / texts.len();
    for (precision, kind, columns) in [
        ("int8", "|i1", dim),
        ("uint8", "|u1", dim),
        ("binary", "|i1", dim.div_ceil(8)),
        ("ubinary", "|u1", dim.div_ceil(8)),
    ] {
        let line =
            format!("embed --file texts.txt --dtype f32 --device cpu --precision {precision}");
        world.run(&format!("{line} --out q.npy"));
        let (head, bytes) = values("q.npy", 1);
        assert!(
            head.contains(kind) && head.contains(&format!("(4, {columns})")),
            "{head}"
        );
        assert_eq!(bytes.len(), 4 * columns);
        let document = world.json(&format!("{line} --json"));
        assert_eq!(document["precision"], precision);
        let first: Vec<i64> =
            serde_json::from_value(document["embeddings"][0]["vector"].clone()).unwrap();
        let same = |(x, byte): (&i64, &u8)| {
            *x == if kind == "|i1" {
                i64::from(*byte as i8)
            } else {
                i64::from(*byte)
            }
        };
        assert!(
            first.len() == columns && first.iter().zip(&bytes).all(same),
            "{precision}"
        );
        assert_eq!(world.run(&line).lines().count(), 4);
    }
    // The greatest value of a dimension is the last step.
    world.run("embed --file texts.txt --dtype f32 --device cpu --precision uint8 --out q.npy");
    let (_, bytes) = values("q.npy", 1);
    for column in 0..dim {
        let of = |row: usize| floats[row * dim + column];
        let greatest = (0..4).max_by(|&a, &b| of(a).total_cmp(&of(b))).unwrap();
        // Of 255 steps, and the division rounds.
        assert!(bytes[greatest * dim + column] >= 254);
    }
    // Ranges of a file are the same for one text as for all.
    let calibrated = "--dtype f32 --device cpu --precision uint8 --calibration f.npy";
    let one = world.run(&format!("embed rates {calibrated}"));
    let expected: Vec<f32> = bytes[3 * dim..].iter().map(|x| f32::from(*x)).collect();
    assert_eq!(vector(&one), expected);
    world.fails("embed a --precision int8", 2, &["--calibration", "not two"]);
    world.fails("embed a --precision int4", 2, &["--precision", "ubinary"]);
    world.fails(
        "embed a --calibration f.npy",
        2,
        &["--calibration", "float32"],
    );
    world.fails(
        "embed a --precision int8 --calibration texts.txt",
        1,
        &["texts.txt", "NumPy"],
    );
    world.fails(
        "embed a --precision int8 --dim 3 --calibration f.npy",
        1,
        &["f.npy", "not 3"],
    );
}
