//! What the server bears, whom it lets in, and how it stops.

use crate::common::{Answer, Api, PATIENCE, connect, options, request};
use crate::world::World;
use nearwise::server::{ApiKey, ServeOptions};
use serde_json::json;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const JSON: (&str, &str) = ("content-type", "application/json");

/// What is answered to a body as it stands.
fn post(api: &Api, path: &str, body: &[u8]) -> Answer {
    let mut stream = api.connect();
    let _ = stream.write_all(&request(
        "POST",
        path,
        &[JSON, ("connection", "close")],
        Some(body),
    ));
    Answer::read(&mut stream)
}

/// A request whose body is only begun; it takes a place until it is ended.
fn begun(address: SocketAddr, path: &str, body: &[u8]) -> TcpStream {
    let mut stream = connect(address);
    let whole = request("POST", path, &[JSON, ("connection", "close")], Some(body));
    let half = whole.len() - body.len() / 2;
    stream.write_all(&whole[..half]).unwrap();
    stream
}

/// Waits until the server says of itself what is expected.
fn until(api: &Api, expected: &str) {
    let expected = &format!("{expected}\n");
    let end = Instant::now() + PATIENCE;
    while !api.get("/metrics").text().contains(expected) {
        assert!(
            Instant::now() < end,
            "{expected}: {}",
            api.get("/metrics").text()
        );
        std::thread::yield_now();
    }
}

#[test]
fn what_is_no_json_is_refused_at_once() {
    let api = Api::start(options());
    let deep = format!(
        "{{\"inputs\":{}{}}}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let open = "[".repeat(1_000_000);
    for path in ["/embed", "/v1/embeddings", "/rerank", "/tokenize", "/"] {
        for body in [
            &b"{\"inputs\": "[..],
            b"{\"inputs\": \"\xff\xfe\"}",
            b"{\"input\": \"\xed\xa0\x80\", \"inputs\": \"\xc3\"}",
            b"not json",
            b"",
            b"\0\0\0",
            b"{\"inputs\": \"\\ud800\"}",
            deep.as_bytes(),
            open.as_bytes(),
        ] {
            let (status, message) = post(&api, path, body).error();
            // What stands in a field that a route does not know is passed over, and what is nested
            // may be no text before it is too deep.
            let told = path == "/rerank" || body.len() > 1000;
            assert!(
                status == 400 || told && status == 422,
                "{path}: {status} {message}"
            );
        }
    }
    let mut stream = api.connect();
    let plain = [("content-type", "text/plain"), ("connection", "close")];
    let body = br#"{"inputs": "a"}"#;
    stream
        .write_all(&request("POST", "/embed", &plain, Some(body)))
        .unwrap();
    assert_eq!(Answer::read(&mut stream).error().0, 415);
    // What is no HTTP at all.
    let mut stream = api.connect();
    stream
        .write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n")
        .unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(
        rest.is_empty() || rest.starts_with(b"HTTP/1.1 400"),
        "{rest:?}"
    );
    assert_eq!(api.post("/embed", &json!({"inputs": "a"})).status, 200);
}

#[test]
fn a_body_that_is_too_long_is_refused_before_it_is_read() {
    let mut small = options();
    small.limits.max_body = 10_000;
    let api = Api::start(small);
    for (path, kind) in [
        ("/embed", "Validation"),
        ("/v1/embeddings", "invalid_request_error"),
    ] {
        // Announced, and not sent.
        let mut stream = api.connect();
        let announced = [JSON, ("content-length", "10001")];
        stream
            .write_all(&request("POST", path, &announced, None))
            .unwrap();
        let answer = Answer::read(&mut stream);
        assert_eq!(answer.error().0, 413);
        assert!(
            answer.text().contains("10000") && answer.text().contains(kind),
            "{}",
            answer.text()
        );
        // Not announced, and sent.
        let mut stream = api.connect();
        let chunked = [JSON, ("transfer-encoding", "chunked")];
        stream
            .write_all(&request("POST", path, &chunked, None))
            .unwrap();
        let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
        for _ in 0..3 {
            stream.write_all(chunk.as_bytes()).unwrap();
        }
        assert_eq!(Answer::read(&mut stream).error().0, 413);
    }
    let fits = json!({"inputs": "x".repeat(9_000)});
    assert_eq!(api.post("/embed", &fits).status, 200);
    // A body in chunks that fits is a body like any other.
    let mut stream = api.connect();
    let chunked = [
        JSON,
        ("transfer-encoding", "chunked"),
        ("connection", "close"),
    ];
    stream
        .write_all(&request("POST", "/embed", &chunked, None))
        .unwrap();
    stream
        .write_all(b"9\r\n{\"inputs\"\r\n5\r\n:\"a\"}\r\n0\r\n\r\n")
        .unwrap();
    assert_eq!(Answer::read(&mut stream).status, 200);
}

#[test]
fn too_many_requests_are_told_to_come_again_and_none_is_dropped() {
    let mut few = options();
    few.limits.max_concurrent_requests = 2;
    let api = Api::start(few);
    let body = json!({"inputs": "a text that waits"})
        .to_string()
        .into_bytes();
    let waiting: Vec<TcpStream> = (0..2)
        .map(|_| begun(api.address, "/embed", &body))
        .collect();
    until(&api, "nearwise_requests_running 3");
    for path in ["/embed", "/v1/embeddings"] {
        let refused = api.post(path, &json!({"inputs": "a", "input": "a"}));
        assert_eq!(refused.error().0, 429);
        assert_eq!(refused.header("retry-after"), Some("1"));
    }
    assert!(
        api.post("/embed", &json!({"inputs": "a"}))
            .text()
            .contains("\"Overloaded\"")
    );
    // What watches the server is answered all the same.
    assert_eq!(api.get("/health").status, 200);
    for mut stream in waiting {
        stream
            .write_all(&body[body.len() - body.len() / 2..])
            .unwrap();
        assert_eq!(Answer::read(&mut stream).status, 200);
    }
    assert_eq!(api.post("/embed", &json!({"inputs": "a"})).status, 200);
}

#[test]
fn memory_is_set_aside_before_it_is_taken() {
    let mut little = options();
    little.limits.max_queued_bytes = 1 << 20;
    let api = Api::start(little);
    // Each body counts four times.
    let body = json!({"inputs": "x".repeat(200_000)})
        .to_string()
        .into_bytes();
    let mut first = begun(api.address, "/embed", &body);
    until(&api, "nearwise_requests_running 2");
    let refused = post(&api, "/embed", &body);
    assert_eq!(refused.error().0, 429);
    // One that needs little is let in beside it.
    assert_eq!(api.post("/embed", &json!({"inputs": "a"})).status, 200);
    first
        .write_all(&body[body.len() - body.len() / 2..])
        .unwrap();
    assert_eq!(Answer::read(&mut first).status, 200);
    // One that needs more than all is let in alone.
    let large = json!({"inputs": "y".repeat(2_000_000)}).to_string();
    assert_eq!(post(&api, "/embed", large.as_bytes()).status, 200);
    until(&api, "nearwise_queued_bytes 0");
}

#[test]
fn slow_and_silent_clients_are_let_go() {
    let mut hasty = options();
    hasty.limits.header_timeout = Duration::from_millis(200);
    hasty.limits.body_timeout = Duration::from_millis(200);
    let api = Api::start(hasty);
    // Nothing at all, half a head, and nothing after an answer.
    let silent = api.connect();
    let mut half = api.connect();
    half.write_all(b"POST /embed HTTP/1.1\r\nhost: loc")
        .unwrap();
    let mut idle = api.connect();
    idle.write_all(&request("GET", "/health", &[], None))
        .unwrap();
    assert_eq!(Answer::read(&mut idle).status, 200);
    for mut stream in [silent, half, idle] {
        let mut rest = Vec::new();
        // It is closed well before the client loses patience.
        let _ = stream.read_to_end(&mut rest);
        assert!(
            rest.is_empty() || rest.starts_with(b"HTTP/1.1 408"),
            "{rest:?}"
        );
    }
    // Half a body.
    let mut stream = begun(api.address, "/embed", br#"{"inputs": "a text"}"#);
    let answer = Answer::read(&mut stream);
    assert_eq!(answer.error().0, 408);
    // Clients that go away in the middle leave nothing behind.
    for _ in 0..20 {
        drop(begun(api.address, "/embed", br#"{"inputs": "a text"}"#));
    }
    until(&api, "nearwise_requests_running 1");
    until(&api, "nearwise_connections 1");
    until(&api, "nearwise_queued_bytes 0");
}

#[test]
fn too_many_connections_are_refused() {
    let mut few = options();
    few.limits.max_connections = 2;
    let api = Api::start(few);
    let mut open: Vec<TcpStream> = (0..2).map(|_| api.connect()).collect();
    for stream in &mut open {
        stream
            .write_all(&request("GET", "/health", &[], None))
            .unwrap();
        assert_eq!(Answer::read(stream).status, 200);
    }
    let refused = api.get("/health");
    assert_eq!(refused.error().0, 503);
    assert_eq!(refused.header("retry-after"), Some("1"));
    drop(open);
    let end = Instant::now() + PATIENCE;
    while api.get("/health").status != 200 {
        assert!(Instant::now() < end);
    }
}

fn with_keys(options: &mut ServeOptions) {
    options.api_keys = ["read:reader", "full:writer", "plain"]
        .map(|key| ApiKey::parse(key).unwrap())
        .to_vec();
}

#[test]
fn keys_open_what_they_are_for() {
    let mut locked = options();
    with_keys(&mut locked);
    let api = Api::start(locked);
    let body = json!({"inputs": "a", "input": "a"});
    for path in [
        "/embed",
        "/v1/embeddings",
        "/info",
        "/metrics",
        "/api/corpora",
        "/nothing",
    ] {
        let method = if path.contains("embed") {
            "POST"
        } else {
            "GET"
        };
        let body = (method == "POST").then_some(&body);
        for headers in [
            &[] as &[(&str, &str)],
            &[("authorization", "Bearer reade")],
            &[("authorization", "Bearer readers")],
            &[("authorization", "Bearer read:reader")],
            &[("authorization", "Basic reader")],
            &[("authorization", "Bearer ")],
            &[("x-api-key", "")],
        ] {
            let answer = api.send(method, path, headers, body);
            assert_eq!(answer.error().0, 401, "{path} {headers:?}");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        }
        for header in [
            ("authorization", "Bearer reader"),
            ("authorization", "bearer writer"),
            ("x-api-key", "plain"),
        ] {
            let answer = api.send(method, path, &[header], body);
            let expected = if path == "/nothing" { 404 } else { 200 };
            assert_eq!(answer.status, expected, "{path} {header:?}");
        }
    }
    for path in ["/health", "/ping", "/api/openapi.json"] {
        assert_eq!(api.get(path).status, 200, "{path}");
    }
}

/// A client that sends first and reads then hears why it was refused, whoever refused it.
#[test]
fn a_refusal_is_heard_by_who_still_sends() {
    let mut locked = options();
    with_keys(&mut locked);
    let (locked, open) = (Api::start(locked), Api::start(options()));
    let long = json!({"inputs": "x".repeat(6 << 20)}).to_string();
    let length = long.len().to_string();
    for (what, path, headers, status) in [
        ("no key", "/embed", vec![JSON], 401),
        ("no place", "/nothing", vec![JSON], 404),
        ("no method", "/health", vec![JSON], 405),
        (
            "another host",
            "/embed",
            vec![JSON, ("host", "evil.example")],
            421,
        ),
        (
            "another site",
            "/embed",
            vec![JSON, ("origin", "https://evil.example")],
            403,
        ),
        (
            "no JSON",
            "/embed",
            vec![("content-type", "text/plain")],
            415,
        ),
    ] {
        let api = if status == 401 { &locked } else { &open };
        let mut stream = api.connect();
        let mut headers = headers;
        headers.push(("content-length", &length));
        stream
            .write_all(&request("POST", path, &headers, None))
            .unwrap();
        // All of it, before the answer is looked at.
        stream
            .write_all(long.as_bytes())
            .unwrap_or_else(|e| panic!("{what}: {e}"));
        assert_eq!(Answer::read(&mut stream).status, status, "{what}");
    }
}

#[test]
fn pages_of_other_sites_are_kept_out() {
    let mut some = options();
    some.cors = vec!["https://friend.example".to_string()];
    some.allow_hosts = vec!["search.example".to_string()];
    let api = Api::start(some);
    let body = json!({"inputs": "a"});
    for (host, status) in [
        ("localhost:1234", 200),
        ("127.0.0.1", 200),
        ("[::1]:7700", 200),
        ("search.example", 200),
        ("SEARCH.example:443", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
    ] {
        let answer = api.send("POST", "/embed", &[("host", host)], Some(&body));
        assert_eq!(answer.status, status, "{host}");
    }
    for (origin, status) in [
        ("http://localhost", 200),
        ("https://friend.example", 200),
        ("https://search.example", 200),
        ("https://evil.example", 403),
        ("null", 403),
    ] {
        let answer = api.send("POST", "/embed", &[("origin", origin)], Some(&body));
        assert_eq!(answer.status, status, "{origin}");
        let allowed = answer.header("access-control-allow-origin");
        assert_eq!(
            allowed,
            (origin == "https://friend.example").then_some(origin)
        );
    }
    let asks = [
        ("origin", "https://friend.example"),
        ("access-control-request-method", "POST"),
        (
            "access-control-request-headers",
            "content-type,authorization,x-stainless-lang,x-token-ids",
        ),
    ];
    let answer = api.send("OPTIONS", "/embed", &asks, None);
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("https://friend.example")
    );
}

#[test]
fn healthy_is_who_can_read_its_corpora() {
    let api = Api::with_corpus(|_| ());
    assert_eq!(api.get("/health").status, 200);
    let world = api.world.as_ref().unwrap();
    std::fs::rename(world.path("six.nearwise"), world.path("gone.nearwise")).unwrap();
    let unwell = api.get("/health");
    let (status, message) = unwell.error();
    assert_eq!(status, 503);
    assert!(message.contains("six.nearwise"), "{message}");
    assert!(unwell.text().contains("Unhealthy"));
    // Embedding goes on.
    assert_eq!(api.post("/embed", &json!({"inputs": "a"})).status, 200);
    std::fs::rename(world.path("gone.nearwise"), world.path("six.nearwise")).unwrap();
    assert_eq!(api.get("/health").status, 200);
}

#[test]
fn requests_have_ids() {
    let api = Api::start(options());
    let own = api.send("GET", "/health", &[("x-request-id", "my-id-7")], None);
    assert_eq!(own.header("x-request-id"), Some("my-id-7"));
    let (one, two) = (api.get("/health"), api.get("/nothing"));
    let ids = [
        one.header("x-request-id").unwrap(),
        two.header("x-request-id").unwrap(),
    ];
    assert!(ids[0] != ids[1] && ids[0].len() == 24, "{ids:?}");
    let long = "x".repeat(129);
    let other = api.send("GET", "/health", &[("x-request-id", &long)], None);
    assert_eq!(other.header("x-request-id").unwrap().len(), 24);
}

#[test]
fn a_request_that_runs_is_answered_when_the_server_stops() {
    let mut api = Api::start(options());
    let body = json!({"inputs": "a text"}).to_string().into_bytes();
    let mut running = begun(api.address, "/embed", &body);
    let mut idle = api.connect();
    idle.write_all(&request("GET", "/health", &[], None))
        .unwrap();
    assert_eq!(Answer::read(&mut idle).status, 200);
    until(&api, "nearwise_requests_running 2");
    api.stop();
    // An idle connection is closed; then new requests are told.
    let mut rest = Vec::new();
    let _ = idle.read_to_end(&mut rest);
    for path in ["/embed", "/v1/embeddings", "/health"] {
        let method = if path == "/health" { "GET" } else { "POST" };
        let told = api.send(method, path, &[], Some(&json!({"inputs": "a"})));
        assert_eq!(told.error().0, 503, "{path}");
        assert_eq!(told.header("retry-after"), Some("1"));
    }
    running
        .write_all(&body[body.len() - body.len() / 2..])
        .unwrap();
    assert_eq!(Answer::read(&mut running).status, 200);
    api.join();
    assert!(TcpStream::connect_timeout(&api.address, PATIENCE).is_err());
}

#[test]
fn a_request_that_does_not_end_is_not_waited_for_longer_than_the_grace() {
    let mut hasty = options();
    hasty.limits.grace = Duration::from_millis(100);
    let mut api = Api::start(hasty);
    let mut running = begun(api.address, "/embed", br#"{"inputs": "a text"}"#);
    until(&api, "nearwise_requests_running 2");
    api.join();
    assert!(Answer::try_read(&mut running).is_none());
}

/// The program as it is started by a user.
struct Program {
    child: Child,
    address: SocketAddr,
    errors: BufReader<std::process::ChildStderr>,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Program {
    /// Asks until an answer is as it is wanted.
    fn until(&self, path: &str, wanted: impl Fn(&Answer) -> bool) {
        let end = Instant::now() + PATIENCE;
        loop {
            let mut stream = connect(self.address);
            stream
                .write_all(&request("GET", path, &[("connection", "close")], None))
                .unwrap();
            if Answer::try_read(&mut stream).is_some_and(|answer| wanted(&answer)) {
                break;
            }
            assert!(Instant::now() < end, "{path}");
        }
    }

    /// Waits until a request that was begun is being answered: one that the server has not read yet
    /// is not waited for when it stops. What asks is the second.
    fn until_two_run(&self) {
        self.until("/metrics", |answer| {
            answer.text().contains("nearwise_requests_running 2\n")
        });
    }

    fn start(world: &World, line: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_nearwise"))
            .current_dir(world.folder.path())
            .env("NEARWISE_MODEL", crate::world::tiny("tiny-bert"))
            .env("HF_HUB_OFFLINE", "1")
            .env_remove("NEARWISE_CORPUS")
            .env_remove("NEARWISE_API_KEY")
            .args(line.split_whitespace())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        let address = loop {
            let mut text = String::new();
            assert!(errors.read_line(&mut text).unwrap() > 0, "it has ended");
            if let Some(rest) = text.strip_prefix("nearwise: http://") {
                break rest.split(' ').next().unwrap().parse().unwrap();
            }
            assert!(!text.starts_with("nearwise: "), "{text}");
        };
        Self {
            child,
            address,
            errors,
        }
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([name, &id]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for the end; the exit code, and what was said to the end.
    fn end(mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        self.errors.read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code(), said)
    }
}

#[cfg(unix)]
#[test]
fn the_program_ends_gracefully_when_it_is_told_to() {
    let world = World::new();
    world.articles();
    world.run("index six.jsonl -c six.nearwise");
    let program = Program::start(
        &world,
        "serve -c news=six.nearwise --port 0 --log-format json",
    );
    let body = json!({"inputs": "a text"}).to_string().into_bytes();
    let mut running = begun(program.address, "/embed", &body);
    program.until_two_run();
    program.signal("-TERM");
    program.until("/health", |answer| answer.status == 503);
    running
        .write_all(&body[body.len() - body.len() / 2..])
        .unwrap();
    assert_eq!(Answer::read(&mut running).status, 200);
    let (code, said) = program.end();
    assert_eq!(code, Some(130), "{said}");
    assert!(said.contains("nearwise: stopped"), "{said}");
    // The log is JSON, a line for each request.
    let line = said
        .lines()
        .find(|line| line.contains("\"/embed\""))
        .unwrap();
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(
        (&line["status"], &line["method"]),
        (&json!(200), &json!("POST"))
    );
    assert!(!said.contains("panicked"), "{said}");
}

#[cfg(unix)]
#[test]
fn a_second_signal_ends_the_program_at_once() {
    let world = World::new();
    let program = Program::start(&world, "serve --port 0");
    let _running = begun(program.address, "/embed", br#"{"inputs": "a text"}"#);
    program.until_two_run();
    program.signal("-INT");
    program.until("/health", |answer| answer.status == 503);
    program.signal("-INT");
    let began = Instant::now();
    let (code, said) = program.end();
    assert_eq!(code, Some(130), "{said}");
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "it waited for the grace"
    );
}

#[test]
fn what_cannot_be_served_is_said_in_a_line() {
    let world = World::new();
    world.articles();
    world.run("index six.jsonl -c six.nearwise");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    world.fails(
        &format!("serve --port {port}"),
        1,
        &["another program listens there already"],
    );
    world.fails(
        "serve -c none.nearwise --port 0",
        1,
        &["none.nearwise", "no such corpus"],
    );
    world.fails(
        "serve -c a=six.nearwise -c a=six.nearwise --port 0",
        2,
        &["--corpus", "\"a\""],
    );
    world.fails(
        "serve --host no.such.host.invalid",
        2,
        &["--host", "no.such.host.invalid"],
    );
    world.fails("serve --listen 7700", 2, &["--listen", "HOST:PORT"]);
    world.fails("serve --api-key read: --port 0", 2, &["--api-key", "empty"]);
    world.fails("serve --api-key-file none.txt --port 0", 1, &["none.txt"]);
    world.write("keys.txt", "# nothing\n\n");
    world.fails(
        "serve --api-key-file keys.txt --port 0",
        2,
        &["--api-key-file", "no key"],
    );
    world.fails(
        "serve --cors example.com --port 0",
        2,
        &["--cors", "https://example.com"],
    );
    world.fails(
        "serve --max-client-batch 0 --port 0",
        2,
        &["--max-client-batch"],
    );
    world.fails(
        "serve --model no-such-folder --offline --port 0",
        1,
        &["no-such-folder"],
    );
    let other = crate::world::tiny("tiny-mpnet").display().to_string();
    world.fails(
        &format!("serve -c six.nearwise --model {other} --port 0"),
        1,
        &["cannot be compared"],
    );
    let cross = crate::world::repository("tests/fixtures/families/bert-cross");
    world.fails(
        &format!("serve --model {} --port 0", cross.display()),
        1,
        &["judges pairs"],
    );
    world.fails(
        &format!("serve --rerank {other} --port 0"),
        1,
        &["cannot re-rank"],
    );
}

#[test]
fn a_corpus_begins_empty_where_it_may_be_written_to() {
    let world = World::new();
    world.fails("serve -c new.nearwise --port 0", 1, &["new.nearwise"]);
    assert!(!world.path("new.nearwise").exists());
    let program = Program::start(&world, "serve -c new.nearwise --writable --port 0");
    let mut stream = connect(program.address);
    let body = br#"{"id": "a", "text": "The bridge reopens."}"#;
    let headers = [
        ("content-type", "application/json"),
        ("connection", "close"),
    ];
    let path = "/api/corpora/new/articles";
    stream
        .write_all(&request("POST", path, &headers, Some(body)))
        .unwrap();
    let answer = Answer::read(&mut stream);
    assert_eq!((answer.status, &answer.json()["added"]), (200, &json!(1)));
    program.until("/api/corpora/new/search?q=a+bridge", |answer| {
        answer.status == 200 && answer.json()["hits"][0]["id"] == "a"
    });
}
