//! What Prometheus is told: text-embeddings-inference's figures under its names, and our own.

use super::batch::{Times, Took};
use crate::error::{Error, Result};
use prometheus::{
    Encoder as _, Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec,
    IntGauge, Opts, Registry, TextEncoder,
};
use std::time::Duration;

/// Upper bounds of times, in seconds.
const SECONDS: [f64; 16] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
    120.0,
];
/// Upper bounds of numbers of tokens and texts.
const NUMBERS: [f64; 12] = [
    1.0, 4.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 4096.0, 16_384.0, 65_536.0,
];

/// All figures.
pub(super) struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    successes: IntCounterVec,
    failures: IntCounterVec,
    durations: Durations,
    /// Texts that were embedded, and pairs that were judged.
    pub(super) embedded: IntCounter,
    pub(super) judged: IntCounter,
    /// Tokens of a text.
    input_length: Histogram,
    /// Requests that wait for the next batch.
    pub(super) queue_size: IntGauge,
    batch_size: Histogram,
    batch_tokens: Histogram,
    tokens: IntCounter,
    cut: IntCounter,
    http: IntCounterVec,
    http_seconds: HistogramVec,
    /// Connections that are open.
    pub(super) connections: IntGauge,
    /// Connections that were refused because too many were open.
    pub(super) connections_refused: IntCounter,
    /// Requests that are being answered.
    pub(super) running: IntGauge,
    /// Memory that requests hold, in bytes.
    pub(super) queued_bytes: Gauge,
}

struct Durations {
    total: Histogram,
    tokenization: Histogram,
    queue: Histogram,
    inference: Histogram,
}

impl Metrics {
    /// # Errors
    /// Two figures have one name.
    pub(super) fn new() -> Result<Self> {
        Self::build().map_err(|e| Error::internal(e.to_string()))
    }

    fn build() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let r = &registry;
        Ok(Self {
            requests: counters(
                r,
                "te_request_count",
                "Requests to embed or judge",
                &["method"],
            )?,
            successes: counters(r, "te_request_success", "Those answered", &["method"])?,
            failures: counters(r, "te_request_failure", "Those that failed", &["err"])?,
            durations: Durations {
                total: seconds(r, "te_request_duration", "From a request to its answer")?,
                tokenization: seconds(
                    r,
                    "te_request_tokenization_duration",
                    "Spent on tokenizing a request's texts",
                )?,
                queue: seconds(r, "te_request_queue_duration", "Waited for a batch")?,
                inference: seconds(r, "te_request_inference_duration", "Spent on computing")?,
            },
            embedded: counter(r, "te_embed_count", "Texts embedded")?,
            judged: counter(r, "te_predict_count", "Pairs of texts judged")?,
            input_length: numbers(r, "te_request_input_length", "Tokens of a text")?,
            queue_size: gauge(r, "te_queue_size", "Requests that wait for a batch")?,
            batch_size: numbers(r, "te_batch_next_size", "Texts of a batch")?,
            batch_tokens: numbers(r, "te_batch_next_tokens", "Tokens of a batch")?,
            tokens: counter(r, "nearwise_tokens_total", "Tokens computed")?,
            cut: counter(
                r,
                "nearwise_texts_cut_total",
                "Texts cut because the model takes no more",
            )?,
            http: counters(
                r,
                "nearwise_http_requests_total",
                "Requests by route and status",
                &["method", "route", "status"],
            )?,
            http_seconds: {
                let opts = HistogramOpts::new(
                    "nearwise_http_request_duration_seconds",
                    "From a request's head to its answer's",
                );
                let opts = opts.buckets(SECONDS.to_vec());
                let histogram = HistogramVec::new(opts, &["route"])?;
                r.register(Box::new(histogram.clone()))?;
                histogram
            },
            connections: gauge(r, "nearwise_connections", "Connections that are open")?,
            connections_refused: counter(
                r,
                "nearwise_connections_refused_total",
                "Connections refused because too many were open",
            )?,
            running: gauge(r, "nearwise_requests_running", "Requests being answered")?,
            queued_bytes: {
                let gauge = Gauge::new(
                    "nearwise_queued_bytes",
                    "Memory set aside for requests, in bytes",
                )?;
                r.register(Box::new(gauge.clone()))?;
                gauge
            },
            registry,
        })
    }

    /// A request to embed or judge began.
    pub(super) fn began(&self, texts: usize) {
        self.requests.with_label_values(&[method(texts)]).inc();
    }

    /// It was answered.
    pub(super) fn answered(&self, texts: usize, took: &Took) {
        self.successes.with_label_values(&[method(texts)]).inc();
        let d = &self.durations;
        d.total.observe(took.total.as_secs_f64());
        let Times {
            tokenization,
            queue,
            inference,
        } = took.times;
        d.tokenization.observe(tokenization.as_secs_f64());
        d.queue.observe(queue.as_secs_f64());
        d.inference.observe(inference.as_secs_f64());
        self.tokens.inc_by(took.tokens as u64);
        self.cut.inc_by(took.cut as u64);
    }

    /// The tokens of a text.
    pub(super) fn length(&self, tokens: usize) {
        self.input_length.observe(tokens as f64);
    }

    /// A request failed.
    pub(super) fn failed(&self, why: &str) {
        self.failures.with_label_values(&[why]).inc();
    }

    /// A batch is computed.
    pub(super) fn batch(&self, texts: usize, tokens: usize) {
        self.batch_size.observe(texts as f64);
        self.batch_tokens.observe(tokens as f64);
    }

    /// A request of any route was answered. `route` is its pattern, of which there are few.
    pub(super) fn http(&self, method: &str, route: &str, status: u16, took: Duration) {
        let status = status.to_string();
        self.http
            .with_label_values(&[method, route, status.as_str()])
            .inc();
        self.http_seconds
            .with_label_values(&[route])
            .observe(took.as_secs_f64());
    }

    /// All figures as Prometheus reads them.
    ///
    /// # Errors
    /// One cannot be written.
    pub(super) fn text(&self) -> Result<String> {
        let mut out = Vec::new();
        TextEncoder::new()
            .encode(&self.registry.gather(), &mut out)
            .map_err(|e| Error::internal(e.to_string()))?;
        String::from_utf8(out).map_err(|e| Error::internal(e.to_string()))
    }
}

fn method(texts: usize) -> &'static str {
    if texts == 1 { "single" } else { "batch" }
}

fn counters(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> prometheus::Result<IntCounterVec> {
    let counters = IntCounterVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(counters.clone()))?;
    Ok(counters)
}

fn counter(registry: &Registry, name: &str, help: &str) -> prometheus::Result<IntCounter> {
    let counter = IntCounter::new(name, help)?;
    registry.register(Box::new(counter.clone()))?;
    Ok(counter)
}

fn gauge(registry: &Registry, name: &str, help: &str) -> prometheus::Result<IntGauge> {
    let gauge = IntGauge::new(name, help)?;
    registry.register(Box::new(gauge.clone()))?;
    Ok(gauge)
}

fn seconds(registry: &Registry, name: &str, help: &str) -> prometheus::Result<Histogram> {
    histogram(registry, name, &format!("{help}, in seconds"), &SECONDS)
}

fn numbers(registry: &Registry, name: &str, help: &str) -> prometheus::Result<Histogram> {
    histogram(registry, name, help, &NUMBERS)
}

fn histogram(
    registry: &Registry,
    name: &str,
    help: &str,
    bounds: &[f64],
) -> prometheus::Result<Histogram> {
    let opts = HistogramOpts::new(name, help).buckets(bounds.to_vec());
    let histogram = Histogram::with_opts(opts)?;
    registry.register(Box::new(histogram.clone()))?;
    Ok(histogram)
}
