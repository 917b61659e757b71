//! What the server costs beside the encoder, and what it bears: `cargo bench --bench serve`.
//!
//! The program is started as a user starts it, on the loopback interface, and asked from here; the
//! same texts are embedded by the library in this process for comparison. Each line has the
//! processor's time that the server (not the clients) took for a text as well as the time by the
//! clock, as the clients take part of the processor too. `NEARWISE_BENCH_SECONDS` says how long
//! the overload lasts (60), `NEARWISE_BENCH_ONLY` which parts run (`singles`, `batches`,
//! `overload`, `peer`).
//!
//! Another server with OpenAI's interface is asked in turn with ours, once started, where
//! `NEARWISE_BENCH_PEER` names it as `ADDRESS PATH MODEL PROCESS`, such as
//! `127.0.0.1:7997 /embeddings m 1234`; ours then runs at its default number type and in f32.

use nearwise::Encoder;
use nearwise::encoder::Prompt;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};
use serde_json::json;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const CLIENTS: usize = 32;
const TEXTS: usize = 8192;
const BATCH: usize = 256;
const CONNECTIONS: usize = 1000;
/// Ticks a second of the times that Linux tells; it is 100 on all its processors.
const TICKS: f64 = 100.0;

fn main() {
    let only = std::env::var("NEARWISE_BENCH_ONLY").unwrap_or_default();
    let runs = |part: &str| only.is_empty() || only.split(',').any(|own| own == part);
    let texts = texts(TEXTS);
    let encoder = Encoder::open(nearwise::model::DEFAULT_MODEL).expect("the default model");
    let strings: Vec<&str> = texts.iter().map(String::as_str).collect();
    encoder.encode(&strings[..64], Prompt::Default).unwrap();
    println!(
        "{} on {}, {} texts of {:.0} tokens, {} cores",
        encoder.identity().model,
        encoder.about(),
        texts.len(),
        encoder.encode(&strings, Prompt::Default).unwrap().tokens() as f64 / texts.len() as f64,
        std::thread::available_parallelism().map_or(1, |n| n.get()),
    );
    let server = Server::start(&[]);
    server.warm(&texts);
    if runs("singles") {
        // Others work on this host too: several rounds, in turns.
        for _ in 0..3 {
            library_one_call(&encoder, &strings);
            library_single(&encoder, &strings);
            singles(&server, &texts);
        }
    }
    if runs("batches") {
        for _ in 0..3 {
            library_batches(&encoder, &strings);
            batches(&server, &texts, false);
            batches(&server, &texts, true);
        }
    }
    if runs("overload") {
        overload(&server, &texts);
    }
    if let Ok(peer) = std::env::var("NEARWISE_BENCH_PEER")
        && runs("peer")
    {
        let plain = Server::start(&["--dtype", "f32"]);
        plain.warm(&texts);
        let peer = Peer::new(&peer);
        // It is slower by far: a part of the texts is enough.
        let few = &texts[..TEXTS / 8];
        peer.singles(&few[..64]);
        for _ in 0..3 {
            peer.singles(few);
            singles(&server, few);
            singles_of("server in f32, 32 clients of single texts", &plain, few);
            peer.batches(few);
            batches(&server, few, false);
        }
    }
}

/// Texts of some twenty words, all different.
fn texts(n: usize) -> Vec<String> {
    let words: Vec<&str> = "the bank market minister goal team city price rate cup year of and in to for with \
        from government report company people court election weather economy science health police school \
        music film energy trade border river storm vaccine budget strike"
        .split_whitespace()
        .collect();
    let mut random = Xoshiro256PlusPlus::seed_from_u64(3);
    let mut word = || words[random.next_u32() as usize % words.len()];
    (0..n)
        .map(|i| {
            let text: Vec<&str> = (0..12 + i % 17).map(|_| word()).collect();
            format!("{} {i}", text.join(" "))
        })
        .collect()
}

/// Processor seconds that a process has taken.
fn cpu(process: &str) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The name before may hold blanks.
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or("")
        .split_whitespace()
        .collect();
    let ticks = |i: usize| {
        fields
            .get(i)
            .and_then(|f| f.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    (ticks(11) + ticks(12)) / TICKS
}

fn told(what: &str, texts: usize, wall: Duration, cpu: f64, more: &str) {
    println!(
        "{what:<44} {:>8.0} texts/s {:>7.1} µs of processor a text{more}",
        texts as f64 / wall.as_secs_f64(),
        cpu / texts as f64 * 1e6,
    );
}

/// All texts in one call: the encoder's own rate.
fn library_one_call(encoder: &Encoder, texts: &[&str]) {
    let (began, before) = (Instant::now(), cpu("self"));
    encoder.encode(texts, Prompt::Default).unwrap();
    told(
        "library, one call",
        texts.len(),
        began.elapsed(),
        cpu("self") - before,
        "",
    );
}

/// One text a call, from as many threads as there are clients.
fn library_single(encoder: &Encoder, texts: &[&str]) {
    let next = AtomicUsize::new(0);
    let (began, before) = (Instant::now(), cpu("self"));
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while let Some(text) = texts.get(next.fetch_add(1, Ordering::Relaxed)) {
                    encoder.encode(&[text], Prompt::Default).unwrap();
                }
            });
        }
    });
    told(
        "library, 32 threads of one text a call",
        texts.len(),
        began.elapsed(),
        cpu("self") - before,
        "",
    );
}

fn library_batches(encoder: &Encoder, texts: &[&str]) {
    let (began, before) = (Instant::now(), cpu("self"));
    for batch in texts.chunks(BATCH) {
        encoder.encode(batch, Prompt::Default).unwrap();
    }
    told(
        "library, 256 texts a call",
        texts.len(),
        began.elapsed(),
        cpu("self") - before,
        "",
    );
}

/// The program.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(options: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_nearwise"))
            .args(["serve", "--port", "0"])
            .args(options)
            .env_remove("NEARWISE_CORPUS")
            .env("NEARWISE_LOG", "info")
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program");
        let mut errors = BufReader::new(child.stderr.take().expect("its standard error"));
        let mut line = String::new();
        let address = loop {
            line.clear();
            assert!(errors.read_line(&mut line).unwrap_or(0) > 0, "it has ended");
            if let Some(rest) = line.strip_prefix("nearwise: http://") {
                break rest
                    .split(' ')
                    .next()
                    .unwrap_or("")
                    .parse()
                    .expect("an address");
            }
        };
        // Its log is read and thrown away.
        std::thread::spawn(move || std::io::copy(&mut errors, &mut std::io::sink()));
        Self { child, address }
    }

    fn cpu(&self) -> f64 {
        cpu(&self.child.id().to_string())
    }

    /// Its memory, in MiB.
    fn memory(&self) -> f64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
        kib.unwrap_or(0.0) / 1024.0
    }

    fn warm(&self, texts: &[String]) {
        let mut client = Client::new(self.address);
        for text in &texts[..64] {
            assert_eq!(
                client.ask("/embed", &json!({"inputs": text}).to_string()),
                200
            );
        }
    }
}

/// A connection that is kept.
struct Client {
    stream: BufReader<TcpStream>,
    body: Vec<u8>,
}

impl Client {
    fn new(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .expect("a timeout");
        Self {
            stream: BufReader::new(stream),
            body: Vec::new(),
        }
    }

    /// Sends a request and reads the answer; its status, 0 where the connection broke.
    fn ask(&mut self, path: &str, body: &str) -> u16 {
        self.try_ask(path, body).unwrap_or(0)
    }

    fn try_ask(&mut self, path: &str, body: &str) -> std::io::Result<u16> {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes())?;
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let status = line
            .split(' ')
            .nth(1)
            .and_then(|s| s.parse().ok())
            .unwrap_or(0);
        let mut length = 0;
        loop {
            line.clear();
            if self.stream.read_line(&mut line)? == 0 || line == "\r\n" {
                break;
            }
            if let Some(n) = line.strip_prefix("content-length: ") {
                length = n.trim().parse().unwrap_or(0);
            }
        }
        self.body.resize(length, 0);
        self.stream.read_exact(&mut self.body)?;
        Ok(status)
    }
}

/// The mean and the 99th percentile of times.
fn spread(times: &mut [f64]) -> (f64, f64) {
    times.sort_by(f64::total_cmp);
    let mean = times.iter().sum::<f64>() / times.len().max(1) as f64;
    let at = (times.len() * 99 / 100).min(times.len().saturating_sub(1));
    (mean, times.get(at).copied().unwrap_or(0.0))
}

/// 32 clients, each of which sends one text after another.
fn singles(server: &Server, texts: &[String]) {
    singles_of("server, 32 clients of single texts", server, texts);
}

fn singles_of(what: &str, server: &Server, texts: &[String]) {
    let bodies: Vec<String> = texts
        .iter()
        .map(|t| json!({"inputs": t}).to_string())
        .collect();
    let cpu = || server.cpu();
    ask_singly(what, server.address, "/embed", &bodies, &cpu);
}

fn ask_singly(
    what: &str,
    address: SocketAddr,
    path: &str,
    bodies: &[String],
    cpu: &dyn Fn() -> f64,
) {
    let next = AtomicUsize::new(0);
    let all = Mutex::new(Vec::new());
    let (began, before) = (Instant::now(), cpu());
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut client = Client::new(address);
                let mut times = Vec::new();
                while let Some(body) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let began = Instant::now();
                    assert_eq!(client.ask(path, body), 200);
                    times.push(began.elapsed().as_secs_f64() * 1e3);
                }
                all.lock().unwrap().extend(times);
            });
        }
    });
    let (mean, p99) = spread(&mut all.lock().unwrap());
    told(
        what,
        bodies.len(),
        began.elapsed(),
        cpu() - before,
        &format!(", mean {mean:.1} ms, p99 {p99:.1} ms ({:.1} ×)", p99 / mean),
    );
}

/// Another server, that somebody started.
struct Peer {
    address: SocketAddr,
    path: String,
    model: String,
    process: String,
}

impl Peer {
    fn new(given: &str) -> Self {
        let parts: Vec<&str> = given.split_whitespace().collect();
        let [address, path, model, process] = parts[..] else {
            panic!("NEARWISE_BENCH_PEER: ADDRESS PATH MODEL PROCESS, not {given:?}");
        };
        Self {
            address: address.parse().expect("the peer's address"),
            path: path.to_string(),
            model: model.to_string(),
            process: process.to_string(),
        }
    }

    fn singles(&self, texts: &[String]) {
        let bodies: Vec<String> = texts
            .iter()
            .map(|t| json!({"input": [t], "model": self.model}).to_string())
            .collect();
        let what = "peer, 32 clients of single texts";
        ask_singly(what, self.address, &self.path, &bodies, &|| {
            cpu(&self.process)
        });
    }

    fn batches(&self, texts: &[String]) {
        let bodies: Vec<String> = texts
            .chunks(BATCH)
            .map(|t| json!({"input": t, "model": self.model}).to_string())
            .collect();
        let what = "peer, 256 texts a request";
        ask_from_two(
            what,
            self.address,
            &self.path,
            &bodies,
            texts.len(),
            &|| cpu(&self.process),
        );
    }
}

/// Two clients that send all of these requests, of so many texts together.
fn ask_from_two(
    what: &str,
    address: SocketAddr,
    path: &str,
    bodies: &[String],
    texts: usize,
    cpu: &dyn Fn() -> f64,
) {
    let next = AtomicUsize::new(0);
    let (began, before) = (Instant::now(), cpu());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut client = Client::new(address);
                while let Some(body) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) {
                    assert_eq!(client.ask(path, body), 200);
                }
            });
        }
    });
    told(what, texts, began.elapsed(), cpu() - before, "");
}

/// Two clients that send 256 texts a request.
fn batches(server: &Server, texts: &[String], base64: bool) {
    let batches: Vec<String> = texts
        .chunks(BATCH)
        .map(|batch| match base64 {
            true => json!({"input": batch, "encoding_format": "base64"}).to_string(),
            false => json!({"inputs": batch}).to_string(),
        })
        .collect();
    let path = if base64 { "/v1/embeddings" } else { "/embed" };
    let what = format!("server, 256 texts a request, {path}");
    let (n, cpu) = (texts.len(), || server.cpu());
    ask_from_two(&what, server.address, path, &batches, n, &cpu);
}

/// A thousand connections that together ask twice what can be answered.
fn overload(server: &Server, texts: &[String]) {
    let seconds = std::env::var("NEARWISE_BENCH_SECONDS");
    let seconds: u64 = seconds.ok().and_then(|n| n.parse().ok()).unwrap_or(60);
    let bodies: Vec<String> = texts
        .iter()
        .map(|t| json!({"inputs": t}).to_string())
        .collect();
    let bodies = Arc::new(bodies);
    // What can be answered, with so many clients about.
    let began = Instant::now();
    let done = Arc::new(AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for c in 0..CLIENTS {
            let (bodies, done) = (&bodies, &done);
            scope.spawn(move || {
                let mut client = Client::new(server.address);
                while began.elapsed() < Duration::from_secs(5) {
                    let i = done.fetch_add(1, Ordering::Relaxed);
                    client.ask("/embed", &bodies[(i + c) % bodies.len()]);
                }
            });
        }
    });
    let rate = done.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64();
    let pause = Duration::from_secs_f64(CONNECTIONS as f64 / (2.0 * rate));
    let (stop, before) = (Arc::new(AtomicBool::new(false)), server.memory());
    let cpu_before = server.cpu();
    let counts: Arc<[AtomicUsize; 4]> = Arc::default();
    let all = Arc::new(Mutex::new(Vec::new()));
    let began = Instant::now();
    let clients: Vec<_> = (0..CONNECTIONS)
        .map(|c| {
            let (stop, counts, bodies) = (stop.clone(), counts.clone(), bodies.clone());
            let (all, address) = (all.clone(), server.address);
            let work = move || {
                let mut client = Client::new(address);
                let mut times = Vec::new();
                // Spread over the first turn.
                std::thread::sleep(pause.mul_f64(c as f64 / CONNECTIONS as f64));
                let mut next = Instant::now();
                let mut i = c;
                while !stop.load(Ordering::Relaxed) {
                    i += 1;
                    let sent = Instant::now();
                    let kind = match client.ask("/embed", &bodies[i % bodies.len()]) {
                        200 => {
                            times.push(sent.elapsed().as_secs_f64() * 1e3);
                            0
                        }
                        429 => 1,
                        0 => {
                            client = Client::new(address);
                            3
                        }
                        _ => 2,
                    };
                    counts[kind].fetch_add(1, Ordering::Relaxed);
                    next += pause;
                    std::thread::sleep(next.saturating_duration_since(Instant::now()));
                }
                all.lock().unwrap().extend(times);
            };
            std::thread::Builder::new()
                .stack_size(128 << 10)
                .spawn(work)
                .expect("a thread")
        })
        .collect();
    let mut most = 0f64;
    while began.elapsed() < Duration::from_secs(seconds) {
        std::thread::sleep(Duration::from_millis(250));
        most = most.max(server.memory());
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().expect("a client");
    }
    let wall = began.elapsed();
    let [answered, later, other, broken] = &*counts;
    let answered = answered.load(Ordering::Relaxed);
    let (mean, p99) = spread(&mut all.lock().unwrap());
    println!(
        "{CONNECTIONS} connections at {:.0} texts/s, twice what 32 clients get, for {:.0} s",
        2.0 * rate,
        wall.as_secs_f64()
    );
    told(
        "  answered",
        answered.max(1),
        wall,
        server.cpu() - cpu_before,
        &format!(", mean {mean:.0} ms, p99 {p99:.0} ms"),
    );
    println!(
        "  {answered} answered, {} told to come again (429), {} other answers, {} connections broken",
        later.load(Ordering::Relaxed),
        other.load(Ordering::Relaxed),
        broken.load(Ordering::Relaxed),
    );
    println!(
        "  memory {before:.0} MiB before, {most:.0} MiB at most, {:.0} MiB after",
        server.memory()
    );
}
