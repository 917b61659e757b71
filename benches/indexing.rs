//! The stages of `index`, each alone and beside each other, with a device that computes nothing and
//! takes a time for each token: `cargo bench --bench indexing`.
//!
//! With a device as fast as can be, what is left is reading, preparing and storing; with a slower one,
//! the run should take no longer than the device alone.

use nearwise::corpus::Article;
use nearwise::encoder::{Backend, Call, Done, Identity, Prompt, Queue};
use nearwise::index::{Prepared, prepare};
use nearwise::model::{Config, DEFAULT_MODEL, Fetch, Tokenizer, find};
use nearwise::{Corpus, Encoder, Job, Result};
use rayon::prelude::*;
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

const ARTICLES: usize = 6000;
const DIM: usize = 384;

/// A batch, and whom its vectors are told.
type Asked = (Vec<Vec<u32>>, Done);

/// A device whose queue has it work beside the host.
struct Timed {
    send: Mutex<Sender<Asked>>,
}

impl Timed {
    fn new(tokens_per_second: f64) -> Self {
        let (send, from) = channel::<Asked>();
        std::thread::spawn(move || {
            for (texts, done) in from {
                let tokens: usize = texts.iter().map(Vec::len).sum();
                if tokens_per_second.is_finite() {
                    let seconds = tokens as f64 / tokens_per_second;
                    std::thread::sleep(Duration::from_secs_f64(seconds));
                }
                done(Ok(vec![0.1; DIM * texts.len()]));
            }
        });
        Self {
            send: Mutex::new(send),
        }
    }
}

impl Backend for Timed {
    fn forward(&self, texts: &[&[u32]], call: &Call) -> Result<Vec<f32>> {
        let (send, receive) = channel();
        let texts = texts.iter().map(|text| text.to_vec()).collect();
        self.submit(texts, call, 1, Box::new(move |v| drop(send.send(v))));
        receive.recv().expect("it answers")
    }

    fn device(&self) -> String {
        "timed".to_string()
    }

    fn dtype(&self) -> &str {
        "f32"
    }

    fn token_budget(&self) -> usize {
        1 << 14
    }

    fn pads(&self) -> bool {
        false
    }

    fn batches_at_once(&self) -> usize {
        16
    }

    fn queue(&self) -> Option<&dyn Queue> {
        Some(self)
    }
}

impl Queue for Timed {
    fn submit(&self, texts: Vec<Vec<u32>>, _: &Call, _: usize, done: Done) {
        let send = self.send.lock().expect("nobody panics with it");
        send.send((texts, done)).expect("it is there");
    }
}

fn encoder(tokens_per_second: f64) -> Encoder {
    let files = find(DEFAULT_MODEL, &Fetch::new()).expect("the default model");
    let config = Config::load(&files).expect("its configuration");
    let identity = Identity {
        model: "timed".into(),
        revision: "local".into(),
        hash: "timed".into(),
        dim: DIM,
        max_tokens: config.max_tokens,
        dtype: "f32".into(),
    };
    let tokenizer = Tokenizer::load(&files, &config).expect("its tokenizer");
    Encoder::from_parts(tokenizer, Box::new(Timed::new(tokens_per_second)), identity)
}

fn articles() -> impl Iterator<Item = Article> {
    (0..ARTICLES).map(|n| Article {
        id: Some(format!("a{n}")),
        title: format!("the bank {n}"),
        text: format!("the bank cut interest rates after a match {n}. ").repeat(60),
        ..Article::default()
    })
}

fn main() {
    let seconds = |started: Instant| started.elapsed().as_secs_f64();
    let fast = encoder(f64::INFINITY);
    let all: Vec<Article> = articles().collect();
    let started = Instant::now();
    let prepared: Vec<Prepared> = all
        .par_iter()
        .map(|a| prepare(&fast, &a.title, &a.text, &[]).expect("it is a text"))
        .collect();
    println!("prepare {ARTICLES} articles: {:.2} s", seconds(started));
    let texts: Vec<&str> = prepared
        .iter()
        .flat_map(|p| p.passages.iter().map(|p| p.input.as_str()))
        .collect();
    let started = Instant::now();
    let encoded = fast.encode(&texts, Prompt::Document);
    let tokens = encoded.expect("they are texts").tokens();
    println!(
        "tokenize {} passages, {tokens} tokens: {:.2} s",
        texts.len(),
        seconds(started)
    );
    let folder = tempfile::tempdir().expect("a temporary folder");
    let job = Job::new();
    for rate in [f64::INFINITY, 2e6, 5e5] {
        let path = folder.path().join(format!("{rate}.nearwise"));
        let corpus = Corpus::create(path).expect("there is room");
        let mut writer = corpus.writer().expect("nobody else writes");
        let started = Instant::now();
        writer.add(articles(), &job).expect("they are articles");
        let added = seconds(started);
        let encoder = encoder(rate);
        let started = Instant::now();
        let report = writer.embed(&encoder, &job).expect("it computes");
        println!(
            "device of {rate:.0} tokens/s ({:.2} s alone): add {added:.2} s, embed {:.2} s",
            report.tokens as f64 / rate,
            seconds(started)
        );
    }
}
