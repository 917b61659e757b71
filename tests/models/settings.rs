//! Settings that change what a model computes: heeded as sentence-transformers heeds them, or refused
//! by name.

use super::{World, copy, edit, own_model, repository};
use nearwise::encoder::{DeviceChoice, Dtype, DtypeChoice, EncodeOptions, Prompt, RerankOptions};
use nearwise::model::Similarity;
use nearwise::{Encoder, Reranker};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::fs;
use std::path::Path;

/// What `tests/fixtures/make_settings.py` wrote down.
#[derive(Deserialize)]
struct Case {
    name: String,
    of: String,
    merged: Map<String, Value>,
    replaced: Map<String, Value>,
    #[serde(default)]
    removed: Vec<String>,
    #[serde(default)]
    texts: Vec<String>,
    #[serde(default)]
    vectors: Vec<Vec<f32>>,
    #[serde(default)]
    pairs: Vec<(String, String)>,
    #[serde(default)]
    scores: Vec<f32>,
}

impl Case {
    fn make(&self, folder: &Path) {
        let _ = fs::remove_dir_all(folder);
        fs::create_dir(folder).unwrap();
        copy(
            &repository("tests/fixtures/families").join(&self.of),
            folder,
        );
        for (name, keys) in &self.merged {
            let path = folder.join(name);
            let mut whole = match fs::read(&path) {
                Ok(json) => serde_json::from_slice(&json).unwrap(),
                Err(_) => json!({}),
            };
            match keys.as_object() {
                Some(keys) => keys.iter().for_each(|(k, v)| whole[k] = v.clone()),
                None => whole = keys.clone(),
            }
            fs::write(path, whole.to_string()).unwrap();
        }
        for (name, whole) in &self.replaced {
            fs::write(folder.join(name), whole.to_string()).unwrap();
        }
        for name in &self.removed {
            let path = folder.join(name);
            if path.is_dir() {
                fs::remove_dir_all(path).unwrap();
            } else {
                fs::remove_file(path).unwrap();
            }
        }
    }
}

fn near(got: &[f32], expected: &[f32]) -> bool {
    got.len() == expected.len() && got.iter().zip(expected).all(|(a, b)| (a - b).abs() < 3e-5)
}

#[test]
fn settings_are_heeded_as_sentence_transformers_does() {
    let world = World::new();
    let text = fs::read_to_string(repository("tests/fixtures/settings.json")).unwrap();
    let cases: Vec<Case> = serde_json::from_str(&text).unwrap();
    assert!(cases.len() > 20);
    let mut wrong = Vec::new();
    let mut hashes = Vec::new();
    for case in &cases {
        let folder = world.path("m");
        case.make(&folder);
        let name = folder.display().to_string();
        if case.scores.is_empty() {
            let encoder = Encoder::builder()
                .model(name)
                .device(DeviceChoice::Cpu)
                .dtype(DtypeChoice::Only(Dtype::F32));
            let encoder = encoder.open().unwrap();
            hashes.push((case.name.as_str(), encoder.identity().hash.clone()));
            // One text a call, and all in one.
            let options = || EncodeOptions::from(Prompt::None).normalize(false);
            let all = encoder.encode(&case.texts, options()).unwrap();
            for ((got, text), expected) in all.rows().zip(&case.texts).zip(&case.vectors) {
                let one = encoder.encode(&[text], options()).unwrap();
                if !near(got, expected) || one.values != got {
                    wrong.push(format!(
                        "{}: {text:?}: {}, not {}",
                        case.name, got[0], expected[0]
                    ));
                }
            }
        } else {
            let reranker = Reranker::builder()
                .model(name)
                .device(DeviceChoice::Cpu)
                .dtype(DtypeChoice::Only(Dtype::F32));
            let scores = reranker.open().unwrap();
            let scores = scores.scores(&case.pairs, &RerankOptions::new()).unwrap();
            if !near(&scores.values, &case.scores) {
                wrong.push(format!(
                    "{}: {:?}, not {:?}",
                    case.name, scores.values, case.scores
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Vectors that differ are of models that differ.
    let embedding: Vec<&Case> = cases.iter().filter(|c| c.scores.is_empty()).collect();
    for (case, (name, hash)) in embedding.iter().zip(&hashes) {
        assert_eq!(case.name, *name);
        let same = |other: &&Case| other.of == case.of && other.texts == case.texts;
        let first = embedding.iter().position(same).unwrap();
        if case.vectors != embedding[first].vectors {
            assert_ne!(*hash, hashes[first].1, "{name}");
        }
    }
}

#[test]
fn what_a_model_is_not_is_told_by_name() {
    let world = World::new();
    let line = "embed bank --model m";
    let refused = |change: &dyn Fn(&Path), parts: &[&str]| {
        let folder = own_model(&world);
        change(&folder);
        let parts: Vec<&str> = parts.iter().copied().chain(["m:"]).collect();
        world.fails(line, 1, &parts);
    };
    let modules = |kinds: Value| {
        move |folder: &Path| {
            edit(&folder.join("modules.json"), |v| {
                let kinds = kinds.as_array().unwrap().iter().enumerate();
                *v = kinds
                    .map(|(i, k)| json!({"idx": i, "name": i.to_string(), "path": if i == 0 { ".".to_string() } else { format!("{i}_Pooling") }, "type": k}))
                    .collect();
            });
        }
    };
    let own = "sentence_transformers.models.";
    // What such folders have in place of the files that are looked for is told before these.
    for class in [
        "StaticEmbedding",
        "Router",
        "Asym",
        "BoW",
        "CLIPModel",
        "WordEmbeddings",
    ] {
        let change = modules(json!([format!("{own}{class}")]));
        let change = |folder: &Path| {
            change(folder);
            for name in ["config.json", "tokenizer.json", "model.safetensors"] {
                fs::remove_file(folder.join(name)).unwrap();
            }
        };
        refused(
            &change,
            &[class, "is not supported", "Transformer, Pooling"],
        );
    }
    refused(
        &modules(json!(["custom_st.Transformer", format!("{own}Pooling")])),
        &[
            "custom_st.Transformer",
            "none of sentence_transformers' own",
            "is not run",
        ],
    );
    refused(
        &modules(json!([format!("{own}Transformer"), "my_pkg.Pooling"])),
        &["my_pkg.Pooling", "is not run"],
    );
    refused(
        &modules(json!([format!("{own}Transformer")])),
        &["modules.json", "no Pooling"],
    );
    refused(&modules(json!([])), &["modules.json", "no module"]);
    let adapter = |folder: &Path| {
        fs::write(
            folder.join("adapter_config.json"),
            r#"{"peft_type": "LORA"}"#,
        )
        .unwrap();
    };
    refused(&adapter, &["adapter_config.json", "merge_and_unload"]);
    refused(
        &|folder| {
            adapter(folder);
            for name in ["config.json", "model.safetensors", "modules.json"] {
                fs::remove_file(folder.join(name)).unwrap();
            }
        },
        &["adapter_config.json", "merge_and_unload"],
    );
    refused(
        &|folder| {
            edit(&folder.join("sentence_bert_config.json"), |v| {
                v["query_length"] = json!(8);
            });
        },
        &["sentence_bert_config.json", "query_length 8"],
    );
    refused(
        &|folder| {
            let text = r#"{"truncation_side": "middle"}"#;
            fs::write(folder.join("tokenizer_config.json"), text).unwrap();
        },
        &["tokenizer_config.json", "truncation_side", "middle"],
    );
    let config = |key: &'static str, value: Value| {
        move |folder: &Path| edit(&folder.join("config.json"), |v| v[key] = value.clone())
    };
    // What is false may be true where nothing is said.
    refused(
        &config("use_qk_norm", json!(false)),
        &["config.json", "use_qk_norm", "may change the vectors"],
    );
    refused(
        &config("architectures", json!(["HF_ColBERT"])),
        &["config.json", "HF_ColBERT", "a vector for each token"],
    );
    // A number that is none of a new token.
    refused(
        &|folder| {
            let text = json!({"added_tokens_decoder": {"7": {"content": "[Q]"}}}).to_string();
            fs::write(folder.join("tokenizer_config.json"), text).unwrap();
        },
        &["tokenizer.json", "[Q]", "as 7", "save the tokenizer anew"],
    );
    refused(
        &|folder| {
            let text = json!({"added_tokens_decoder": {"x": {"content": "[Q]"}}}).to_string();
            fs::write(folder.join("tokenizer_config.json"), text).unwrap();
        },
        &["tokenizer_config.json", "added_tokens_decoder", "\"x\""],
    );
    refused(
        &|folder| {
            let text = r#"{"similarity_fn_name": "maxsim"}"#;
            fs::write(folder.join("config_sentence_transformers.json"), text).unwrap();
        },
        &["similarity_fn_name", "maxsim", "manhattan"],
    );
    // A tokenizer of another model.
    refused(
        &|folder| {
            edit(&folder.join("tokenizer.json"), |v| {
                for extra in 0..200 {
                    let at = v["model"]["vocab"].as_object().unwrap().len();
                    v["model"]["vocab"][format!("extra{extra}")] = json!(at);
                }
            });
        },
        &["tokenizer.json", "the model's embedding"],
    );
}

#[test]
fn a_model_says_how_its_vectors_are_compared() {
    let world = World::new();
    let folder = own_model(&world);
    let open = || Encoder::open(&folder.display().to_string()).unwrap();
    assert_eq!(open().similarity_fn(), Similarity::Cosine);
    for (name, expected) in [
        ("cosine", Similarity::Cosine),
        ("dot", Similarity::Dot),
        ("euclidean", Similarity::Euclidean),
        ("manhattan", Similarity::Manhattan),
    ] {
        let text = json!({"similarity_fn_name": name}).to_string();
        fs::write(folder.join("config_sentence_transformers.json"), text).unwrap();
        assert_eq!(open().similarity_fn(), expected);
        assert_eq!(expected.name(), name);
    }
}

/// A folder of `of` with some of its files changed, as the model's folder `path`.
fn made(world: &World, path: &str, of: &str, change: impl FnOnce(&Path)) -> String {
    let folder = world.path(path);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    copy(&repository("tests/fixtures").join(of), &folder);
    change(&folder);
    folder.display().to_string()
}

fn open(model: &str) -> Encoder {
    let encoder = Encoder::builder()
        .model(model)
        .device(DeviceChoice::Cpu)
        .dtype(DtypeChoice::Only(Dtype::F32));
    encoder.open().unwrap()
}

#[test]
fn what_is_there_instead_of_weights_is_named_with_a_way_out() {
    let world = World::new();
    let line = "embed bank --model m";
    let missing = |others: &[&str], parts: &[&str]| {
        let folder = own_model(&world);
        fs::remove_file(folder.join("model.safetensors")).unwrap();
        for other in others {
            let path = folder.join(other);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "weights").unwrap();
        }
        world.fails(line, 1, parts);
    };
    let onnx = ["only an ONNX model", "original repository"];
    missing(&["onnx/model.onnx"], &onnx);
    missing(&["model_quantized.onnx"], &onnx);
    let variant = ["model.fp16.safetensors", "copy it to model.safetensors"];
    missing(&["model.fp16.safetensors", "onnx/model.onnx"], &variant);
    let pickle = ["pytorch_model.bin, a pickle", "save_pretrained"];
    missing(&["pytorch_model.bin", "onnx/model.onnx"], &pickle);
    missing(&["tf_model.h5"], &["tf_model.h5", "original repository"]);
    missing(&[], &["only safetensors weights are read"]);
    // GGUF has no other files.
    world.write("m.gguf", "GGUF");
    let gguf = ["GGUF is not read", "safetensors"];
    world.fails("embed bank --model m.gguf", 1, &gguf);
    fs::create_dir(world.path("gguf")).unwrap();
    world.write("gguf/model-q8_0.gguf", "GGUF");
    world.fails("embed bank --model gguf", 1, &gguf);
    // The folder of the hub client's cache in which the model's own is.
    let of_hub = "models--intfloat--e5-small-v2";
    for commit in ["0123", "4567"] {
        let path = format!("{of_hub}/snapshots/{commit}");
        made(&world, &path, "tiny-bert", |_| {});
    }
    let line = format!("embed bank --model {of_hub}");
    world.fails(&line, 1, &["hub's cache", "snapshots/0123"]);
    fs::create_dir(world.path(of_hub).join("refs")).unwrap();
    fs::write(world.path(of_hub).join("refs/main"), "4567\n").unwrap();
    world.fails(&line, 1, &["hub's cache", "snapshots/4567"]);
}

#[test]
fn prompts_are_those_of_the_name_in_a_path_of_a_cache() {
    let world = World::new();
    let of = |path: &str, prompts: Value| {
        let model = made(&world, path, "tiny-bert", |folder| {
            let text = json!({"prompts": prompts}).to_string();
            fs::write(folder.join("config_sentence_transformers.json"), text).unwrap();
        });
        let prompts = open(&model).prompts().clone();
        (prompts.query, prompts.document)
    };
    let pair = |query: &str, document: &str| (query.to_string(), document.to_string());
    let e5 = pair("query: ", "passage: ");
    assert_eq!(of("e5-small-v2", json!({})), e5);
    let cached =
        "hub/models--intfloat--e5-small-v2/snapshots/ffb93f3bd4047442299a41ebb6fa998a38507c52";
    assert_eq!(of(cached, json!({})), e5);
    assert_eq!(of("intfloat--e5-small-v2/main", json!({})), e5);
    assert_eq!(of("my--e5-small-v2/second", json!({})), pair("", ""));
    let arctic = "Snowflake/snowflake-arctic-embed-m-v2.0";
    assert_eq!(of(arctic, json!({})), pair("query: ", ""));
    // An empty prompt is the model's word too, and so is none of the names that are known.
    for prompts in [json!({"query": ""}), json!({"query": "", "document": ""})] {
        assert_eq!(of("e5-small-v2", prompts), pair("", ""));
    }
    assert_eq!(of("e5-small-v2", json!({"news": "the news: "})), e5);
}

#[test]
fn what_is_taken_for_granted_of_a_model_is_told() {
    let world = World::new();
    let told = |of: &str, change: &dyn Fn(&Path)| {
        made(&world, "m", of, change);
        let output = world.command("embed bank --model m").output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let said = told("families/qwen3-embedding", &|folder| {
        fs::remove_file(folder.join("modules.json")).unwrap();
    });
    assert!(
        said.contains("the last token, as of a language model"),
        "{said}"
    );
    let own_code = |class: &'static str| {
        move |folder: &Path| {
            edit(&folder.join("config.json"), |v| {
                v["auto_map"] = json!({"AutoModel": "modeling.Both"});
                v["architectures"] = json!([class]);
            });
        }
    };
    let said = told("tiny-bert", &own_code("BertBothWaysModel"));
    assert_eq!(
        said.matches("code of its own, which is not run").count(),
        1,
        "{said}"
    );
    assert!(said.contains("BertBothWaysModel"), "{said}");
    for (of, known) in [
        ("tiny-bert", "BertModel"),
        ("families/nomic", "NomicBertModel"),
    ] {
        let said = told(of, &own_code(known));
        assert!(!said.contains("code of its own"), "{said}");
    }
}

#[test]
fn a_special_token_without_a_row_is_read_as_text() {
    let world = World::new();
    let of = |settings: Value| {
        let model = made(&world, "m", "tiny-bert", |folder| {
            fs::write(folder.join("tokenizer_config.json"), settings.to_string()).unwrap();
        });
        let vectors = open(&model).encode(&["the <new> bank"], EncodeOptions::from(Prompt::None));
        vectors.unwrap().values
    };
    assert_eq!(of(json!({"bos_token": "<new>"})), of(json!({})));
}

#[test]
fn modernberts_layers_have_one_rotation_where_no_other_is_said() {
    let world = World::new();
    let of = |theta: Value| {
        let model = made(&world, "m", "families/modernbert", |folder| {
            edit(&folder.join("config.json"), |v| {
                v["local_rope_theta"] = theta
            });
        });
        let encoder = open(&model);
        let text = ["the market and the minister met in the city"];
        let vectors = encoder.encode(&text, EncodeOptions::from(Prompt::None));
        (vectors.unwrap().values, encoder.identity().hash.clone())
    };
    let (null, global, local) = (of(json!(null)), of(json!(160_000.0)), of(json!(10_000.0)));
    assert_eq!(null.0, global.0);
    assert_ne!(null.0, local.0);
    assert_ne!(null.1, local.1);
}

#[test]
fn a_file_is_no_model() {
    let world = World::new();
    world.write("a.txt", "a\n");
    world.fails(
        "embed bank --model a.txt",
        1,
        &["a.txt", "a file", "folder"],
    );
    // Nothing is guessed of what can be no name.
    world.fails(
        "embed bank --model ./nothing/there",
        1,
        &["./nothing/there", "no such folder"],
    );
}
