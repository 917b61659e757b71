//! Vectors, scores and tokens over HTTP are those of the library.

use crate::common::{Api, encoder, model, options, vectors};
use crate::world::{repository, tiny};
use base64::Engine as _;
use nearwise::Reranker;
use nearwise::encoder::{
    DeviceChoice, Dtype, DtypeChoice, EncodeOptions, Prompt, RerankOptions, RerankerBuilder,
};
use serde_json::{Value, json};

const TEXTS: [&str; 4] = [
    "The bank cut the interest rate.",
    "A goal in the last minute of the cup final.",
    "rate",
    "The minister met the market, the team and the city; prices and rates again.",
];

fn words(n: usize) -> String {
    let words = ["bank", "market", "minister", "goal", "team", "city"];
    (0..n)
        .map(|i| words[i % words.len()])
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn embed_gives_the_librarys_vectors() {
    let api = Api::start(options());
    let own = vectors(&TEXTS);
    let answer = api.post("/embed", &json!({"inputs": TEXTS}));
    assert_eq!(answer.vectors(), own);
    let tokens = encoder().encode(&TEXTS, Prompt::Default).unwrap().tokens();
    assert_eq!(
        answer.header("x-compute-tokens"),
        Some(tokens.to_string().as_str())
    );
    assert_eq!(answer.header("x-compute-type"), Some("cpu"));
    let characters: usize = TEXTS.iter().map(|t| t.len()).sum();
    assert_eq!(
        answer.header("x-compute-characters"),
        Some(characters.to_string().as_str())
    );
    for name in [
        "x-compute-time",
        "x-total-time",
        "x-tokenization-time",
        "x-queue-time",
        "x-inference-time",
    ] {
        answer.header(name).unwrap().parse::<u64>().unwrap();
    }
    assert_eq!(answer.header("x-truncated"), None);
    // One text is nested too, at any of these addresses.
    for path in ["/embed", "/", "/invocations"] {
        let one = api.post(path, &json!({"inputs": TEXTS[0], "truncate": null}));
        assert_eq!(one.vectors(), own[..1], "{path}");
    }
    // The program's own.
    let world = crate::world::World::new();
    world.write("lines.txt", TEXTS.join("\n"));
    let printed = world.json("embed --file lines.txt --json --device cpu --dtype f32");
    let printed: Vec<Vec<f32>> = printed["embeddings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| serde_json::from_value(e["vector"].clone()).unwrap())
        .collect();
    assert_eq!(printed, own);
}

#[test]
fn tokens_have_the_librarys_vectors() {
    let api = Api::start(options());
    let own = encoder().encode_tokens(&TEXTS, Prompt::Default).unwrap();
    let answer = api.post("/embed_all", &json!({"inputs": TEXTS}));
    let told: Vec<Vec<Vec<f32>>> = serde_json::from_value(answer.json()).unwrap();
    assert_eq!(told.len(), TEXTS.len());
    for (text, rows) in told.iter().zip(own.rows()) {
        assert_eq!(text.concat(), rows);
    }
    let long = json!({"inputs": words(600), "truncate": false});
    assert_eq!(api.post("/embed_all", &long).error().0, 422);
    let cut = api.post("/embed_all", &json!({"inputs": words(600)}));
    assert_eq!(cut.header("x-truncated"), Some("1"));
}

#[test]
fn vectors_do_not_depend_on_who_else_asks() {
    let api = Api::start(options());
    let texts: Vec<String> = (0..2048).map(|i| words(1 + i % 37)).collect();
    let few: Vec<&str> = texts[..37].iter().map(String::as_str).collect();
    let own = vectors(&few);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (api, own, texts) = (&api, &own, &texts);
            scope.spawn(move || {
                for i in (thread..37).step_by(8) {
                    let one = api.post("/embed", &json!({"inputs": texts[i]}));
                    assert_eq!(one.vectors()[0], own[i]);
                }
            });
        }
        let all = api.post("/embed", &json!({"inputs": texts})).vectors();
        assert_eq!(all.len(), 2048);
        for (i, vector) in all.iter().enumerate() {
            assert_eq!(*vector, own[i % 37]);
        }
    });
    let figures = api.get("/metrics").text();
    let count = |name: &str| -> f64 {
        let line = figures
            .lines()
            .find(|line| line.starts_with(&format!("{name} ")));
        line.unwrap_or_else(|| panic!("{name}: {figures}"))
            .rsplit(' ')
            .next()
            .unwrap()
            .parse()
            .unwrap()
    };
    assert_eq!(count("te_embed_count"), 2048.0 + 37.0);
    assert_eq!(count("te_request_success{method=\"single\"}"), 37.0);
    assert_eq!(count("te_request_success{method=\"batch\"}"), 1.0);
    assert_eq!(count("te_queue_size"), 0.0);
    assert!(count("te_request_duration_count") == 38.0);
    assert!(count("te_batch_next_tokens_count") >= 2.0);
}

#[test]
fn every_option_of_embed_is_the_librarys() {
    let api = Api::start(options());
    let encoder = encoder();
    let own = |options: EncodeOptions| -> Vec<Vec<f32>> {
        let vectors = encoder
            .encode(&TEXTS, options.prompt(Prompt::Default))
            .unwrap();
        vectors.rows().map(<[f32]>::to_vec).collect()
    };
    let raw = api.post("/embed", &json!({"inputs": TEXTS, "normalize": false}));
    assert_eq!(raw.vectors(), own(EncodeOptions::new().normalize(false)));
    let short = api.post("/embed", &json!({"inputs": TEXTS, "dimensions": 5}));
    assert_eq!(
        short.vectors(),
        own(EncodeOptions::new().dimensions(Some(5)))
    );
    for dimensions in [0, 100_000] {
        let wrong = api.post(
            "/embed",
            &json!({"inputs": TEXTS, "dimensions": dimensions}),
        );
        let (status, message) = wrong.error();
        assert_eq!(status, 422);
        assert!(message.contains("dimensions"), "{message}");
    }

    // The ids that its own tokenizer gives are the text.
    let tokens = encoder.tokenize(&TEXTS, Prompt::Default).unwrap();
    let ids: Vec<Vec<u32>> = tokens.into_iter().map(|t| t.ids).collect();
    assert_eq!(
        api.post("/embed", &json!({"inputs": ids})).vectors(),
        own(EncodeOptions::new())
    );
    let mixed = json!({"inputs": [TEXTS[0], ids[1], TEXTS[2], ids[3]]});
    assert_eq!(
        api.post("/embed", &mixed).vectors(),
        own(EncodeOptions::new())
    );
    let one = api.post("/embed", &json!({"inputs": ids[1]})).vectors();
    assert_eq!(one, own(EncodeOptions::new())[1..2]);
    let (status, message) = api
        .post("/embed", &json!({"inputs": [[1, 2, 9_999_999]]}))
        .error();
    assert_eq!(status, 422);
    assert!(message.contains("9999999"), "{message}");
    // It has failed nobody, and the server is well.
    assert_eq!(api.get("/health").status, 200);

    let (status, message) = api
        .post("/embed", &json!({"inputs": "a", "prompt_name": "nonsense"}))
        .error();
    assert_eq!(status, 422);
    assert!(message.contains("nonsense"), "{message}");
}

#[test]
fn prompts_go_by_name() {
    let folder = tiny("tiny-distilbert");
    let builder = || model().model(folder.display().to_string());
    let encoder = builder().open().unwrap();
    let mut options = options();
    options.encoder = builder();
    let api = Api::start(options);
    let own = |prompt: Prompt| encoder.encode(&TEXTS, prompt).unwrap().values;
    let sent = |body: Value| -> Vec<f32> { api.post("/embed", &body).vectors().concat() };
    assert_eq!(sent(json!({"inputs": TEXTS})), own(Prompt::Default));
    let names: Vec<String> = encoder.prompts().named.keys().cloned().collect();
    assert!(!names.is_empty());
    for name in names {
        let named = sent(json!({"inputs": TEXTS, "prompt_name": name}));
        assert_eq!(named, own(Prompt::Named(name.clone())));
        // Cut at the other end, the texts are whole all the same.
        let left = json!({"inputs": TEXTS, "prompt_name": name, "truncation_direction": "left"});
        assert_eq!(sent(left), named);
    }
    assert_eq!(
        sent(json!({"inputs": TEXTS, "prompt_name": "query"})),
        own(Prompt::Query)
    );
}

#[test]
fn a_text_that_is_too_long_is_cut_and_told_or_refused() {
    let api = Api::start(options());
    let encoder = encoder();
    let long = words(3 * encoder.identity().max_tokens);
    let whole = encoder.encode(&[&long], Prompt::Default).unwrap();
    let answer = api.post("/embed", &json!({"inputs": [long, "short"]}));
    assert_eq!(answer.vectors()[0], whole.values);
    assert_eq!(answer.header("x-truncated"), Some("1"));
    for path in ["/embed", "/"] {
        let refused = api.post(path, &json!({"inputs": ["short", long], "truncate": false}));
        let (status, message) = refused.error();
        assert_eq!(status, 422);
        assert!(message.contains("text 1 has"), "{message}");
    }
    let openai = api.post(
        "/v1/embeddings",
        &json!({"input": [long], "truncate": false, "model": "m"}),
    );
    assert_eq!(openai.error().0, 400);
    let openai = api.post("/v1/embeddings", &json!({"input": [long], "model": "m"}));
    assert_eq!(openai.header("x-truncated"), Some("1"));

    // The end instead of the beginning: as a text that begins later.
    let most = encoder.identity().max_tokens - encoder.tokenizer().special_tokens();
    let all: Vec<&str> = long.split(' ').collect();
    let end = all[all.len() - most..].join(" ");
    for side in ["left", "Left"] {
        let body = json!({"inputs": long, "truncation_direction": side});
        let left = api.post("/embed", &body);
        assert_eq!(left.vectors(), vectors(&[&end]));
        assert_eq!(left.header("x-truncated"), Some("1"));
    }

    let mut options = options();
    options.limits.auto_truncate = false;
    let strict = Api::start(options);
    assert_eq!(strict.post("/embed", &json!({"inputs": long})).status, 422);
    let body = json!({"inputs": long, "truncate": true});
    assert_eq!(strict.post("/embed", &body).vectors()[0], whole.values);
}

#[test]
fn openais_interface_gives_the_same_vectors() {
    let api = Api::start(options());
    let own = vectors(&TEXTS);
    let floats = api.post("/v1/embeddings", &json!({"input": TEXTS, "model": "m"}));
    let answer = floats.ok();
    assert_eq!(answer["object"], "list");
    assert_eq!(answer["model"], "tiny-bert");
    let tokens = encoder().encode(&TEXTS, Prompt::Default).unwrap().tokens();
    assert_eq!(
        answer["usage"],
        json!({"prompt_tokens": tokens, "total_tokens": tokens})
    );
    for (i, data) in answer["data"].as_array().unwrap().iter().enumerate() {
        assert_eq!(
            (&data["object"], &data["index"]),
            (&json!("embedding"), &json!(i))
        );
        let vector: Vec<f32> = serde_json::from_value(data["embedding"].clone()).unwrap();
        assert_eq!(vector, own[i]);
    }
    let body = json!({"input": TEXTS[1], "encoding_format": "base64", "user": "u"});
    let answer = api.post("/v1/embeddings", &body).ok();
    let text = answer["data"][0]["embedding"].as_str().unwrap();
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(text)
        .unwrap();
    let values: Vec<f32> = bytes
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
        .collect();
    assert_eq!(values, own[1]);
    let body = json!({"input": TEXTS[1], "dimensions": 3});
    let answer = api.post("/v1/embeddings", &body).ok();
    assert_eq!(answer["data"][0]["embedding"].as_array().unwrap().len(), 3);

    // Ids of another vocabulary would give nonsense.
    for input in [json!([1, 2]), json!([[1, 2], [3]])] {
        let body = json!({"input": input, "model": "m"});
        let refused = api.post("/v1/embeddings", &body);
        let (status, message) = refused.error();
        assert_eq!(status, 400);
        assert!(
            message.contains("check_embedding_ctx_length=False"),
            "{message}"
        );
        assert_eq!(refused.json()["error"]["param"], "input");
        assert_eq!(refused.json()["error"]["type"], "invalid_request_error");
        let own = [("x-token-ids", "own")];
        let taken = api.send("POST", "/v1/embeddings", &own, Some(&body));
        assert_eq!(taken.status, 200);
    }
    let models = api.get("/v1/models").ok();
    let id = models["data"][0]["id"].as_str().unwrap();
    for id in [id.to_string(), id.replace('/', "%2F")] {
        let one = api.get(&format!("/v1/models/{id}")).ok();
        assert_eq!(one, models["data"][0]);
    }
    assert_eq!(api.get("/v1/models/no/such").error().0, 404);
    assert_eq!(models["data"].as_array().unwrap().len(), 1);
    assert_eq!(models["data"][0]["object"], "model");
    assert_eq!(models["data"][0]["id"], answer["model"]);
}

#[test]
fn what_cannot_be_used_is_told_in_the_words_of_its_interface() {
    let mut options = options();
    options.limits.max_client_batch = 3;
    let api = Api::start(options);
    for (body, status, kind) in [
        (json!({"inputs": ""}), 400, "Empty"),
        (json!({"inputs": []}), 400, "Empty"),
        (json!({"inputs": ["a", ""]}), 400, "Empty"),
        (json!({"inputs": [[]]}), 400, "Empty"),
        (json!({"inputs": ["a", "b", "c", "d"]}), 422, "Validation"),
        (json!({}), 422, "Validation"),
        (json!({"inputs": 7}), 422, "Validation"),
        (
            json!({"inputs": "a", "truncation_direction": "up"}),
            422,
            "Validation",
        ),
        (json!([]), 422, "Validation"),
    ] {
        let answer = api.post("/embed", &body);
        assert_eq!(answer.error().0, status, "{body}: {}", answer.text());
        assert_eq!(answer.json()["error_type"], kind, "{body}");
    }
    for (body, status) in [
        (json!({"input": ""}), 400),
        (json!({"input": []}), 400),
        (json!({"input": ["a", "b", "c", "d"]}), 400),
        (json!({"input": "a", "encoding_format": "int8"}), 400),
        (json!({"input": "a", "dimensions": -1}), 400),
    ] {
        let answer = api.post("/v1/embeddings", &body);
        assert_eq!(answer.error().0, status, "{body}: {}", answer.text());
        assert_eq!(answer.json()["error"]["type"], "invalid_request_error");
    }
    // A field is called as its own interface calls it.
    for body in [
        json!({"input": ["a", "b", "c", "d"]}),
        json!({"input": [4_000_000]}),
    ] {
        let own = [("x-token-ids", "own")];
        let answer = api.send("POST", "/v1/embeddings", &own, Some(&body));
        assert_eq!(answer.error().0, 400, "{}", answer.text());
        assert_eq!(answer.json()["error"]["param"], "input", "{body}");
    }
    // Fields are not taken from a list, and what is null is left out.
    for (path, body) in [
        ("/embed", json!(["a"])),
        ("/v1/embeddings", json!(["hello"])),
        ("/tokenize", json!(["a", true, null])),
        ("/similarity", json!(["a"])),
    ] {
        let answer = api.post(path, &body);
        assert!(
            matches!(answer.error().0, 400 | 422),
            "{path}: {}",
            answer.text()
        );
        assert!(answer.text().contains("JSON object"), "{}", answer.text());
    }
    let nulls = json!({"inputs": "a", "add_special_tokens": null, "prompt_name": null});
    let plain = api.post("/tokenize", &json!({"inputs": "a"})).ok();
    assert_eq!(api.post("/tokenize", &nulls).ok(), plain);
    // What the program calls its types stays inside.
    for (path, body) in [
        ("/tokenize", json!({"inputs": 7})),
        ("/decode", json!({"ids": "a"})),
    ] {
        let answer = api.post(path, &body);
        assert!(!answer.text().contains("untagged"), "{}", answer.text());
        assert!(answer.text().contains("list"), "{}", answer.text());
    }
    // Bodies are read as they are sent.
    let packed = [("content-encoding", "gzip")];
    let answer = api.send("POST", "/embed", &packed, Some(&json!({"inputs": "a"})));
    assert_eq!(answer.error().0, 415);
    assert!(
        answer.text().contains("Content-Encoding: gzip"),
        "{}",
        answer.text()
    );
    let answer = api.post("/embed_sparse", &json!({"inputs": "a"}));
    assert_eq!(answer.error().0, 424);
    assert_eq!(answer.json()["error_type"], "Backend");
    for body in [
        json!({"inputs": [[1, 2]]}),
        json!({"inputs": "a", "truncation_direction": "Left"}),
        json!({"inputs": "a", "prompt_name": "none of its"}),
    ] {
        let answer = api.post("/embed_all", &body);
        assert_eq!(answer.error().0, 422, "{body}: {}", answer.text());
    }
    // Nothing is there, or only under another method.
    for (method, path, status) in [
        ("GET", "/nothing", 404),
        ("GET", "/v1/nothing", 404),
        ("GET", "/api/nothing", 404),
        ("GET", "/embed", 405),
    ] {
        let answer = api.send(method, path, &[], None);
        assert_eq!(answer.error().0, status, "{path}");
    }
    let figures = api.get("/metrics").text();
    assert!(
        figures.contains("te_request_failure{err=\"validation\"}"),
        "{figures}"
    );
}

#[test]
fn similarities_are_cosines() {
    let api = Api::start(options());
    let own = vectors(&TEXTS);
    let body = json!({"inputs": {"source_sentence": TEXTS[0], "sentences": &TEXTS[1..]}});
    for path in ["/similarity", "/"] {
        let answer: Vec<f32> = serde_json::from_value(api.post(path, &body).ok()).unwrap();
        assert_eq!(answer.len(), 3);
        for (cosine, row) in answer.iter().zip(&own[1..]) {
            let sum: f32 = row.iter().zip(&own[0]).map(|(a, b)| a * b).sum();
            assert!((cosine - sum).abs() < 1e-6);
        }
    }
    let body = json!({"inputs": {"source_sentence": "a", "sentences": []}});
    assert_eq!(api.post("/similarity", &body).status, 400);
}

#[test]
fn tokens_and_back() {
    let api = Api::start(options());
    let text = "The bank \u{e9} met the market";
    let answer = api.post("/tokenize", &json!({"inputs": text})).ok();
    let tokens = answer[0].as_array().unwrap();
    let ids: Vec<u32> = tokens
        .iter()
        .map(|t| t["id"].as_u64().unwrap() as u32)
        .collect();
    assert_eq!(
        ids,
        encoder().tokenize(&[text], Prompt::Default).unwrap()[0].ids
    );
    assert_eq!(tokens[0]["special"], true);
    assert!(tokens[0].get("start").is_none());
    let characters: Vec<char> = text.chars().collect();
    for token in tokens.iter().filter(|t| t["special"] == false) {
        let at = |name: &str| token[name].as_u64().unwrap() as usize;
        let part: String = characters[at("start")..at("stop")].iter().collect();
        assert_eq!(token["text"], part);
    }
    let bare = json!({"inputs": [text, "a"], "add_special_tokens": false});
    let bare = api.post("/tokenize", &bare).ok();
    assert_eq!(bare[0].as_array().unwrap().len(), tokens.len() - 2);
    let back = api.post("/decode", &json!({"ids": ids})).ok();
    assert!(back[0].as_str().unwrap().contains("bank"), "{back}");
    assert!(!back[0].as_str().unwrap().contains("[CLS]"), "{back}");
    let marked = json!({"ids": [ids, ids], "skip_special_tokens": false});
    let marked = api.post("/decode", &marked).ok();
    assert!(marked[1].as_str().unwrap().contains("[CLS]"), "{marked}");
    assert_eq!(api.post("/decode", &json!({"ids": [[]]})).status, 400);
    assert_eq!(api.post("/tokenize", &json!({"inputs": []})).status, 400);
}

/// A tiny cross-encoder on the CPU.
fn judge() -> RerankerBuilder {
    let folder = repository("tests/fixtures/families/bert-cross");
    Reranker::builder()
        .model(folder.display().to_string())
        .device(DeviceChoice::Cpu)
        .dtype(DtypeChoice::Only(Dtype::F32))
}

#[test]
fn a_cross_encoder_ranks_and_judges() {
    let mut with = options();
    with.rerank = Some(judge());
    let api = Api::start(with);
    let reranker = judge().open().unwrap();
    let query = "interest rates";
    let pairs: Vec<(&str, &str)> = TEXTS.iter().map(|t| (query, *t)).collect();
    let logits = reranker
        .raw_scores(&pairs, &RerankOptions::new())
        .unwrap()
        .values;
    let mut order: Vec<usize> = (0..TEXTS.len()).collect();
    order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));

    let body = json!({"query": query, "texts": TEXTS, "raw_scores": true, "return_text": true});
    for path in ["/rerank", "/"] {
        let ranks = api.post(path, &body).ok();
        for (rank, &i) in ranks.as_array().unwrap().iter().zip(&order) {
            assert_eq!(rank["index"], i);
            assert_eq!(rank["score"].as_f64().unwrap() as f32, logits[i]);
            assert_eq!(rank["text"], TEXTS[i]);
        }
    }
    let ranks = api
        .post("/rerank", &json!({"query": query, "texts": TEXTS}))
        .ok();
    let score = ranks[0]["score"].as_f64().unwrap() as f32;
    let sigmoid = |x: f32| 1.0 / (1.0 + (-x).exp());
    assert!((score - sigmoid(logits[order[0]])).abs() < 1e-6);
    assert!(ranks[0].get("text").is_none());
    assert_eq!(
        api.post("/rerank", &json!({"query": query, "texts": []}))
            .status,
        422
    );

    let documents = json!([TEXTS[0], {"text": TEXTS[1]}, TEXTS[2], TEXTS[3]]);
    let body = json!({"model": "m", "query": query, "documents": documents, "top_n": 2, "return_documents": true});
    let answer = api.post("/v1/rerank", &body).ok();
    assert_eq!(answer["results"].as_array().unwrap().len(), 2);
    assert_eq!(answer["results"][0]["index"], order[0]);
    assert_eq!(answer["results"][0]["document"]["text"], TEXTS[order[0]]);
    assert_eq!(api.post("/v2/rerank", &body).ok(), answer);
    let nothing = api.post("/v2/rerank", &json!({"query": query, "documents": []}));
    assert_eq!(nothing.error().0, 400);
    assert_eq!(nothing.json()["error"]["param"], "documents");

    let single = api
        .post(
            "/predict",
            &json!({"inputs": [query, TEXTS[0]], "raw_scores": true}),
        )
        .ok();
    assert_eq!(single[0]["score"].as_f64().unwrap() as f32, logits[0]);
    let many = json!({"inputs": [[query, TEXTS[0]], [query, TEXTS[1]]]});
    let many = api.post("/predict", &many).ok();
    assert_eq!(many.as_array().unwrap().len(), 2);
    assert!(many[1][0]["label"].is_string());
    assert_eq!(
        api.post("/predict", &json!({"inputs": "alone"})).error().0,
        422
    );
    assert_eq!(
        api.get("/v1/models").ok()["data"].as_array().unwrap().len(),
        2
    );
    assert!(api.get("/info").ok()["reranker"]["model_type"]["reranker"].is_object());

    // Without one it is said what is missing.
    let api = Api::start(options());
    let answer = api.post("/rerank", &json!({"query": query, "texts": TEXTS}));
    assert_eq!(answer.error().0, 424);
    assert_eq!(answer.json()["error_type"], "Backend");
    assert_eq!(
        api.post("/predict", &json!({"inputs": [query, "b"]}))
            .error()
            .0,
        424
    );
    let body = json!({"query": query, "documents": TEXTS});
    assert_eq!(api.post("/v1/rerank", &body).error().0, 400);
}

#[test]
fn what_is_wrong_with_documents_to_rank_names_their_field() {
    let mut options = options();
    options.rerank = Some(judge());
    options.limits.max_client_batch = 2;
    options.limits.auto_truncate = false;
    let api = Api::start(options);
    for documents in [
        json!([]),
        json!(["a", "b", "c"]),
        json!(["a", "rate ".repeat(1000)]),
    ] {
        let body = json!({"query": "rates", "documents": documents});
        let answer = api.post("/v1/rerank", &body);
        assert_eq!(answer.error().0, 400, "{}", answer.text());
        assert_eq!(
            answer.json()["error"]["param"],
            "documents",
            "{}",
            answer.text()
        );
    }
}

#[test]
fn it_tells_what_it_serves() {
    let api = Api::start(options());
    let info = api.get("/info").ok();
    let identity = encoder().identity().clone();
    // A folder's name, and not where it lies on this host.
    assert!(std::path::Path::new(&identity.model).is_absolute());
    assert_eq!(info["model_id"], "tiny-bert");
    assert_eq!(info["served_model_name"], "tiny-bert");
    let models = api.get("/v1/models").ok();
    assert_eq!(models["data"][0]["id"], "tiny-bert");
    assert_eq!(models["data"][0]["owned_by"], "nearwise");
    assert_eq!(info["max_input_length"], identity.max_tokens);
    assert_eq!(info["dimensions"], identity.dim);
    assert_eq!(info["model_dtype"], "f32");
    assert_eq!(info["max_client_batch_size"], 2048);
    assert_eq!(info["max_concurrent_requests"], 512);
    assert_eq!(info["model_type"]["embedding"]["pooling"], "mean");
    for path in ["/health", "/ping"] {
        assert_eq!(api.get(path).status, 200);
    }
    let document = api.get("/api/openapi.json").ok();
    for path in ["/embed", "/v1/embeddings", "/rerank", "/health", "/metrics"] {
        assert!(document["paths"].get(path).is_some(), "{path}");
    }
}
