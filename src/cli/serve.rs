//! `nearwise serve`

use super::args::ModelArgs;
use super::problem::usage;
use super::{Outcome, ui};
use anyhow::Result;
use clap::Args;
use nearwise::server::{
    ApiKey, CorpusAt, Limits, LogFormat, ServeOptions, Server, listen, log_to_stderr,
};
use nearwise::{Corpus, Error, Event, Job};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Serve embeddings and corpora over HTTP, with a page to look at
///
/// Speaks text-embeddings-inference's interface (/embed, /rerank, …), OpenAI's (/v1/embeddings), one to corpora
/// (/api, described at /docs) and the Model Context Protocol (/mcp); a browser gets a page at /. Without a
/// corpus it serves embeddings alone. It listens on this host only unless --host names another address.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  nearwise serve -c news.nearwise\n  nearwise serve -c news.nearwise -c old=archive/2024.nearwise --port 8080\n  \
    nearwise serve --model BAAI/bge-small-en-v1.5 --rerank cross-encoder/ms-marco-MiniLM-L6-v2\n  \
    NEARWISE_API_KEY=\"read:… full:…\" nearwise serve -c news.nearwise --host 0.0.0.0 --writable"
)]
pub(super) struct Serve {
    /// A corpus to serve, and the name that it goes by (by default its file's); may be given
    /// several times
    #[arg(short, long, value_name = "[NAME=]FILE", env = "NEARWISE_CORPUS")]
    corpus: Vec<PathBuf>,
    /// Where to listen: an address of this host, or a name
    #[arg(long, value_name = "HOST", default_value = "127.0.0.1")]
    host: String,
    /// The port to listen at; 0 for any that is free
    #[arg(short, long, value_name = "N", default_value_t = 7700)]
    port: u16,
    /// Where to listen, host and port in one
    #[arg(long, value_name = "HOST:PORT", conflicts_with_all = ["host", "port"])]
    listen: Option<String>,
    /// Let articles be added, replaced and deleted, and topics be made and edited; a corpus that is
    /// not there is made
    #[arg(long)]
    writable: bool,
    /// Load a model that judges pairs of texts (a cross-encoder), for /rerank and for searches that ask
    /// for it
    #[arg(long, value_name = "MODEL")]
    rerank: Option<String>,
    /// A key that clients have to send (Authorization: Bearer KEY); read:KEY may only read, full:KEY
    /// and KEY alone may write as well; may be given several times. Other users of this host can
    /// see it: --api-key-file and the environment variable NEARWISE_API_KEY (keys apart by blanks) keep
    /// it to itself
    #[arg(long, value_name = "[read:|full:]KEY")]
    api_key: Vec<String>,
    /// A file of such keys, one a line
    #[arg(long, value_name = "FILE")]
    api_key_file: Option<PathBuf>,
    /// Let pages of this origin ask (https://example.com; * for all); may be given several times
    #[arg(long, value_name = "ORIGIN")]
    cors: Vec<String>,
    /// A name of this host to answer to beside localhost, where it listens on this host only, for
    /// instance behind a proxy; may be given several times
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<String>,
    /// Leave out the page
    #[arg(long)]
    no_page: bool,
    /// How the log is written: text or json. The environment variable NEARWISE_LOG says what of it
    /// (warn, info, debug)
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    log_format: LogFormat,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    model: ModelArgs,
}

/// What the server bears.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
struct LimitArgs {
    /// The longest body of a request; 413 beyond
    #[arg(long, value_name = "MIB", default_value_t = 32, value_parser = within::<1, 4096>)]
    max_body: usize,
    /// Tokens that are computed together
    #[arg(long, value_name = "N", default_value_t = Limits::default().max_batch_tokens, value_parser = within::<1, 4_194_304>)]
    max_batch_tokens: usize,
    /// Texts of a request; they are split inside
    #[arg(long, value_name = "N", default_value_t = Limits::default().max_client_batch, value_parser = within::<1, { nearwise::server::MOST_TEXTS }>)]
    max_client_batch: usize,
    /// Requests that are accepted at a time, running and waiting; 429 beyond
    #[arg(long, visible_alias = "max-concurrent-requests", value_name = "N", default_value_t = Limits::default().max_concurrent_requests, value_parser = within::<1, 65_536>)]
    max_queued: usize,
    /// Memory for what accepted requests hold; 429 beyond
    #[arg(long, value_name = "MIB", default_value_t = 512, value_parser = within::<1, 1_048_576>)]
    max_queued_memory: usize,
    /// Connections that are open at a time; 503 beyond
    #[arg(long, value_name = "N", default_value_t = Limits::default().max_connections, value_parser = within::<1, 1_048_576>)]
    max_connections: usize,
    /// How long a client may take to send a request's head, a piece of its body, or to read a piece
    /// of the answer
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = within::<1, 3600>)]
    client_timeout: usize,
    /// How long running requests may take when the server is stopped
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = within::<0, 3600>)]
    grace: usize,
    /// Refuse a text that is too long for the model, instead of cutting it, where a request does not
    /// say
    #[arg(long)]
    refuse_long: bool,
}

/// A number within bounds.
fn within<const LEAST: usize, const MOST: usize>(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n) if (LEAST..=MOST).contains(&n) => Ok(n),
        _ => Err(format!("give a number from {LEAST} to {MOST}")),
    }
}

impl LimitArgs {
    fn limits(&self) -> Limits {
        let client = Duration::from_secs(self.client_timeout as u64);
        Limits {
            max_body: self.max_body << 20,
            max_client_batch: self.max_client_batch,
            max_batch_tokens: self.max_batch_tokens,
            max_concurrent_requests: self.max_queued,
            max_queued_bytes: self.max_queued_memory << 20,
            max_connections: self.max_connections,
            header_timeout: client,
            body_timeout: client,
            write_timeout: client,
            grace: Duration::from_secs(self.grace as u64),
            auto_truncate: !self.refuse_long,
        }
    }
}

/// The environment variable that keys may come from.
const KEYS: &str = "NEARWISE_API_KEY";

impl Serve {
    pub(super) fn run(self) -> Result<Outcome> {
        log_to_stderr(self.log_format).map_err(|e| usage("NEARWISE_LOG", e))?;
        let address = self.address()?;
        let keys = self.keys()?;
        let corpora: Vec<CorpusAt> = self.corpus.iter().map(|given| corpus(given)).collect();
        for origin in &self.cors {
            check_origin(origin)?;
        }
        let loopback = address.ip().is_loopback();
        // Before the models, which may take minutes.
        let listener = listen(address)?;
        let stop = Stop::catch()?;
        let job = stop.job();
        if self.writable {
            for at in corpora.iter().filter(|at| !at.path.exists()) {
                Corpus::create(&at.path)?;
                ui::tell(&format!("made {}, an empty corpus", at.path.display()));
            }
        }
        let rerank = self.rerank.as_deref().map(|model| {
            let (device, dtype) = (self.model.device, Default::default());
            super::rerank::builder(Some(model), device, dtype, self.model.offline, &job)
        });
        let server = Server::open(ServeOptions {
            corpora,
            encoder: self.model.builder(&job),
            rerank,
            writable: self.writable,
            limits: self.limits.limits(),
            api_keys: keys.clone(),
            cors: self.cors.clone(),
            loopback,
            allow_hosts: self.allow_host.clone(),
            no_page: self.no_page,
        })?;
        job.check()?;
        if !loopback && keys.is_empty() {
            ui::tell(&format!(
                "warning: whoever reaches {address} may ask{}: --api-key sets a key that is needed",
                if self.writable {
                    " and change everything"
                } else {
                    ""
                }
            ));
        }
        self.tell_unserved();
        let served = served(&self.corpus);
        let about = server.about();
        let host = self.host_shown(address);
        server.run(
            listener,
            move |at| {
                ui::tell(&format!(
                    "nearwise: http://{host}:{} serves {served}{about}",
                    at.port()
                ));
            },
            stop.wait(),
        )?;
        // Only a signal ends it.
        Err(Error::new(nearwise::ErrorKind::Cancelled, "", "stopped").into())
    }

    /// Where to listen.
    fn address(&self) -> Result<SocketAddr> {
        let (option, found) = match &self.listen {
            Some(listen) => ("--listen", listen.to_socket_addrs()),
            None => ("--host", (self.host.as_str(), self.port).to_socket_addrs()),
        };
        let name = self.listen.as_deref().unwrap_or(&self.host);
        let first = found.ok().and_then(|mut found| found.next());
        first.ok_or_else(|| {
            let message = match option {
                "--listen" => {
                    format!("{name:?} is no address; give HOST:PORT, such as 127.0.0.1:7700")
                }
                _ => format!("{name:?} is no address or name of this host"),
            };
            usage(option, message)
        })
    }

    /// The host as a person on it would type it.
    fn host_shown(&self, address: SocketAddr) -> String {
        match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.to_string(),
            IpAddr::V6(ip) if ip.is_unspecified() => "[::1]".to_string(),
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        }
    }

    /// The keys of all places that they come from.
    fn keys(&self) -> Result<Vec<ApiKey>> {
        let parse = |option: &'static str, key: &str| {
            ApiKey::parse(key)
                .map_err(|e| usage(option, format!("{e}; give KEY, read:KEY or full:KEY")))
        };
        let mut keys = Vec::new();
        for key in &self.api_key {
            keys.push(parse("--api-key", key)?);
        }
        if let Ok(list) = std::env::var(KEYS) {
            for key in list.split_whitespace() {
                keys.push(parse(KEYS, key)?);
            }
        }
        if let Some(path) = &self.api_key_file {
            let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
            let lines = text.lines().map(str::trim);
            let before = keys.len();
            for key in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
                keys.push(parse("--api-key-file", key)?);
            }
            if keys.len() == before {
                // Nobody asks for keys and means none.
                let message = format!("{} holds no key", path.display());
                return Err(usage("--api-key-file", message));
            }
        }
        Ok(keys)
    }

    /// Says that a corpus lies here and is not served.
    fn tell_unserved(&self) {
        if !self.corpus.is_empty() {
            return;
        }
        let found = super::args::CorpusArg { corpus: None };
        if let Ok(path) = found.path() {
            let path = path.display();
            ui::tell(&format!(
                "no corpus is served, only embeddings; -c {path} serves the one here"
            ));
        }
    }
}

/// The corpora, for people.
fn served(given: &[PathBuf]) -> String {
    let names: Vec<String> = given.iter().map(|g| corpus(g).name).collect();
    if names.is_empty() {
        String::new()
    } else {
        format!("{}, ", names.join(", "))
    }
}

/// A corpus as it is given: `NAME=FILE`, or a file whose name it goes by.
fn corpus(given: &Path) -> CorpusAt {
    let text = given.to_string_lossy();
    if !given.exists()
        && let Some((name, path)) = text.split_once('=')
        && !name.contains(['/', '\\'])
    {
        return CorpusAt {
            name: name.to_string(),
            path: PathBuf::from(path),
        };
    }
    CorpusAt {
        name: given
            .file_stem()
            .map_or_else(String::new, |s| s.to_string_lossy().into_owned()),
        path: given.to_path_buf(),
    }
}

/// Fails on what is no origin: a page's scheme, host and port, without a path.
fn check_origin(origin: &str) -> Result<()> {
    let rest = origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"));
    let plain =
        |rest: &str| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_graphic() && b != b'/');
    if origin == "*" || origin == "null" || rest.is_some_and(plain) {
        return Ok(());
    }
    let message = format!("{origin:?} is no origin; give one such as https://example.com, or *");
    Err(usage("--cors", message))
}

/// Ctrl-C and requests to end.
struct Stop {
    job: Job,
    stopped: tokio::sync::watch::Receiver<bool>,
}

impl Stop {
    /// Catches them: the first stops what is loaded or served, the second ends the program at once.
    fn catch() -> Result<Self> {
        let job = Job::new().on_event(|event| {
            if let Event::Note { text, .. } = event {
                ui::tell(text);
            }
        });
        let (tell, stopped) = tokio::sync::watch::channel(false);
        let cancel = job.clone();
        ctrlc::set_handler(move || {
            if tell.send_replace(true) {
                std::process::exit(130);
            }
            cancel.cancel();
            ui::tell("stopping; press again to stop at once");
        })?;
        Ok(Self { job, stopped })
    }

    /// What ends loading.
    fn job(&self) -> Job {
        self.job.clone()
    }

    /// Ends when the program is told to stop.
    fn wait(self) -> impl Future<Output = ()> + Send + 'static {
        let mut stopped = self.stopped;
        async move {
            // Without the handler nobody could tell it any more.
            let _ = stopped.wait_for(|stopped| *stopped).await;
        }
    }
}
