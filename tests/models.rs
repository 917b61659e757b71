//! Where a model's files come from, with a hub of the test's own in place of the real one.

mod common;

use assert_cmd::Command;
use common::{World, tiny};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;

/// A hub that has one model under `test/tiny`, and answers as the real one does: headers with
/// the commit, an etag, and byte ranges.
struct Hub {
    endpoint: String,
}

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

impl Hub {
    fn start(change: impl Fn(&str, Option<Vec<u8>>) -> Option<Vec<u8>> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                answer(stream.unwrap(), &change);
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

fn answer(mut stream: TcpStream, change: &impl Fn(&str, Option<Vec<u8>>) -> Option<Vec<u8>>) {
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
    let names = [
        "config.json",
        "tokenizer.json",
        "model.safetensors",
        "modules.json",
        "1_Pooling/config.json",
        "sentence_bert_config.json",
        "config_sentence_transformers.json",
    ];
    // /OWNER/NAME/resolve/REVISION/FILE
    let file = path
        .split_once("/resolve/")
        .and_then(|(_, rest)| rest.split_once('/'))
        .map(|(_, file)| file.replace("%2F", "/"));
    let served = file.and_then(|file| {
        let bytes = change(&file, fs::read(tiny("tiny-bert").join(&file)).ok())?;
        Some((file, bytes))
    });
    let response = if path.starts_with("/api/models/") {
        let list: Vec<_> = names
            .iter()
            .filter(|name| tiny("tiny-bert").join(name).is_file())
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
        &["config.json has sha256", "--again"],
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
        &["test/tiny", "config.json has sha256"],
    );
    // The hub puts it right.
    let mut command = hub.command(&world, "model pull test/tiny --again");
    stdout(&mut command);
    stdout(&mut alone(&world, "model verify test/tiny"));
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
            &["all-MiniLM-L6-v2", "config.json has sha256"],
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
