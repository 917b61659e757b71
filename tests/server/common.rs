//! A server in this process, and a client that sends what it is told to.

use crate::world::{World, on_cpu, tiny};
use nearwise::encoder::{Dtype, EncoderBuilder};
use nearwise::server::{CorpusAt, ServeOptions, Server, listen};
use nearwise::{Encoder, encoder::Prompt};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How long an answer is waited for before the test fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A tiny model on the CPU.
pub fn model() -> EncoderBuilder {
    on_cpu(Dtype::F32).model(tiny("tiny-bert").display().to_string())
}

/// What the server computes with, to compare its answers with.
pub fn encoder() -> Encoder {
    model().open().unwrap()
}

/// The vectors that the library gives, one for each text.
pub fn vectors(texts: &[&str]) -> Vec<Vec<f32>> {
    let vectors = encoder().encode(texts, Prompt::Default).unwrap();
    vectors.rows().map(<[f32]>::to_vec).collect()
}

/// Options of a server with the tiny model and no corpus.
pub fn options() -> ServeOptions {
    ServeOptions {
        encoder: model(),
        loopback: true,
        ..ServeOptions::default()
    }
}

/// A server in this process; it is stopped when it is dropped.
pub struct Api {
    pub address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    /// The folder of the corpora.
    pub world: Option<World>,
}

impl Api {
    /// Starts a server.
    pub fn start(options: ServeOptions) -> Self {
        let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let server = Server::open(options).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let (tell, ready) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let stop = async move {
                let _ = stopped.await;
            };
            server
                .run(listener, move |at| tell.send(at).unwrap(), stop)
                .unwrap();
        });
        Self {
            address: ready.recv_timeout(PATIENCE).unwrap(),
            stop: Some(stop),
            thread: Some(thread),
            world: None,
        }
    }

    /// Starts one of the six articles of [`World::articles`] as the corpus `six`.
    pub fn with_corpus(change: impl FnOnce(&mut ServeOptions)) -> Self {
        let world = World::new();
        world.articles();
        world.run("index six.jsonl -c six.nearwise --device cpu --dtype f32");
        let mut options = options();
        options.corpora = vec![CorpusAt {
            name: "six".to_string(),
            path: world.path("six.nearwise"),
        }];
        change(&mut options);
        let mut api = Self::start(options);
        api.world = Some(world);
        api
    }

    /// Tells the server to stop.
    pub fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    /// Waits until the server has stopped.
    pub fn join(&mut self) {
        self.stop();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }

    /// A connection.
    pub fn connect(&self) -> TcpStream {
        connect(self.address)
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], None)
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[], Some(body))
    }

    /// Waits for a job; what it became.
    pub fn waited(&self, job: &Value) -> Value {
        let id = job.as_str().expect("a job");
        let begun = Instant::now();
        loop {
            let info = self.get(&format!("/api/jobs/{id}")).ok();
            if info["state"] != "running" {
                return info;
            }
            assert!(begun.elapsed() < PATIENCE, "{info}");
            std::thread::yield_now();
        }
    }

    /// Sends a request on a connection of its own.
    pub fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Answer {
        let mut all = vec![("connection", "close")];
        all.extend_from_slice(headers);
        let body = body.map(|body| body.to_string().into_bytes());
        if body.is_some() {
            all.push(("content-type", "application/json"));
        }
        let mut stream = self.connect();
        let request = request(method, path, &all, body.as_deref());
        // A server that refuses may close before it has read all.
        let _ = stream.write_all(&request);
        Answer::read(&mut stream)
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.stop();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            if !std::thread::panicking() {
                ended.unwrap();
            }
        }
    }
}

/// A connection that does not wait for ever.
pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// The bytes of a request.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Vec<u8> {
    let mut out = format!("{method} {path} HTTP/1.1\r\n");
    if !headers.iter().any(|(name, _)| *name == "host") {
        out.push_str("host: localhost\r\n");
    }
    for (name, value) in headers {
        out.push_str(&format!("{name}: {value}\r\n"));
    }
    let given = |what: &str| headers.iter().any(|(name, _)| *name == what);
    if let Some(body) = body
        && !given("content-length")
        && !given("transfer-encoding")
    {
        out.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    out.push_str("\r\n");
    let mut out = out.into_bytes();
    out.extend_from_slice(body.unwrap_or_default());
    out
}

/// What the server answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// Reads one answer.
    pub fn read(stream: &mut impl Read) -> Self {
        Self::try_read(stream).expect("an answer")
    }

    /// Reads one answer; `None` where the connection is closed instead.
    pub fn try_read(stream: &mut impl Read) -> Option<Self> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read(&mut byte) {
                Ok(1) => head.push(byte[0]),
                _ => return None,
            }
        }
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_string()))
            .collect();
        let find = |what: &str| headers.iter().find(|(name, _)| name == what);
        let mut body = Vec::new();
        if let Some((_, length)) = find("content-length") {
            body = vec![0; length.parse().unwrap()];
            stream.read_exact(&mut body).ok()?;
        } else if find("transfer-encoding").is_some() {
            loop {
                let mut line = Vec::new();
                while !line.ends_with(b"\r\n") {
                    stream.read_exact(&mut byte).ok()?;
                    line.push(byte[0]);
                }
                let size = std::str::from_utf8(&line).unwrap().trim();
                let size = usize::from_str_radix(size, 16).unwrap();
                let mut chunk = vec![0; size + 2];
                stream.read_exact(&mut chunk).ok()?;
                if size == 0 {
                    break;
                }
                body.extend_from_slice(&chunk[..size]);
            }
        }
        Some(Self {
            status,
            headers,
            body,
        })
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e}: {} {}", self.status, self.text()))
    }

    /// The body as JSON of an answer that must be a success.
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        self.json()
    }

    /// The body as vectors.
    pub fn vectors(&self) -> Vec<Vec<f32>> {
        serde_json::from_value(self.ok()).unwrap()
    }

    /// The error's status and message, of an interface's own form.
    pub fn error(&self) -> (u16, String) {
        let json = self.json();
        let message = match &json["error"] {
            Value::String(message) => message.clone(),
            error => error["message"].as_str().unwrap_or_default().to_string(),
        };
        assert!(!message.is_empty() && !message.contains('\n'), "{json}");
        (self.status, message)
    }
}
