//! The page: everything it is made of is inside the program.
//!
//! Its files stand below an address that names their content, so that browsers keep them for as long
//! as they like; the page itself is asked for anew each time, and answered by 304 where it is the
//! same. Articles come from anybody: the policy lets no script run but these files, no style but
//! theirs, and nothing be fetched from elsewhere.

use super::app::App;
use super::embedding;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use flate2::{Compression, write::GzEncoder};
use std::io::Write;
use std::sync::{Arc, LazyLock};

const INDEX: &str = include_str!("index.html");

/// What the page may do.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

macro_rules! files {
    ($($name:literal),* $(,)?) => { &[$(($name, include_str!($name))),*] };
}

/// The files, by their names below the page's address.
const FILES: &[(&str, &str)] = files![
    "style.css",
    "js/main.js",
    "js/api.js",
    "js/article.js",
    "js/chart.js",
    "js/counts.js",
    "js/course.js",
    "js/dom.js",
    "js/edits.js",
    "js/facets.js",
    "js/filter.js",
    "js/format.js",
    "js/hits.js",
    "js/keys.js",
    "js/mapview.js",
    "js/scroll.js",
    "js/search.js",
    "js/state.js",
    "js/theme.js",
    "js/time.js",
    "js/topics.js",
    "js/map/about.js",
    "js/map/colours.js",
    "js/map/density.js",
    "js/map/finder.js",
    "js/map/flat.js",
    "js/map/gestures.js",
    "js/map/gl.js",
    "js/map/labels.js",
    "js/map/legend.js",
    "js/map/map.js",
    "js/map/over.js",
    "js/map/points.js",
    "js/map/schemes.js",
    "js/map/strip.js",
    "js/map/titles.js",
    "js/map/view.js",
];

/// Something to send.
struct Asset {
    name: &'static str,
    kind: &'static str,
    plain: Vec<u8>,
    gzip: Vec<u8>,
    tag: String,
}

impl Asset {
    fn new(name: &'static str, text: &str) -> Self {
        let kind = match name.rsplit('.').next() {
            Some("js") => "text/javascript; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            _ => "text/html; charset=utf-8",
        };
        let plain = text.as_bytes().to_vec();
        let mut packed = GzEncoder::new(Vec::new(), Compression::best());
        // Writing to memory does not fail; if it ever did, the plain bytes are sent.
        let gzip = packed.write_all(&plain).and_then(|()| packed.finish());
        Self {
            name,
            kind,
            gzip: gzip.unwrap_or_default(),
            tag: format!("\"{}\"", &blake3::hash(&plain).to_hex()[..24]),
            plain,
        }
    }

    /// The answer, as the request's headers ask for it.
    fn answer(&self, headers: &HeaderMap, caching: &'static str) -> Response {
        let packed = accepts_gzip(headers) && !self.gzip.is_empty();
        // Each form has a tag of its own.
        let tag = match self.tag.strip_suffix('"') {
            Some(start) if packed => format!("{start}-gz\""),
            _ => self.tag.clone(),
        };
        let known = headers.get_all(header::IF_NONE_MATCH).iter();
        let known = known.filter_map(|v| v.to_str().ok());
        let same = known
            .flat_map(|v| v.split(','))
            .any(|t| t.trim().trim_start_matches("W/") == tag || t.trim() == "*");
        let mut answer = if same {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            let bytes = if packed { &self.gzip } else { &self.plain };
            bytes.clone().into_response()
        };
        let fields = [
            (header::CONTENT_TYPE, self.kind),
            (header::CACHE_CONTROL, caching),
            (header::VARY, "accept-encoding, accept"),
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "no-referrer"),
            (
                HeaderName::from_static("cross-origin-opener-policy"),
                "same-origin",
            ),
        ];
        let all = answer.headers_mut();
        for (name, value) in fields {
            all.insert(name, HeaderValue::from_static(value));
        }
        if packed && !same {
            all.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        if let Ok(tag) = HeaderValue::from_str(&tag) {
            all.insert(header::ETAG, tag);
        }
        answer
    }
}

/// The page, its files, and the name that these have together.
struct Page {
    version: String,
    index: Asset,
    files: Vec<Asset>,
}

static PAGE: LazyLock<Page> = LazyLock::new(|| {
    let mut hasher = blake3::Hasher::new();
    for (name, text) in FILES {
        hasher.update(name.as_bytes()).update(text.as_bytes());
    }
    let version = hasher.finalize().to_hex()[..16].to_string();
    let base = format!("page/{version}");
    let scripts = FILES.iter().filter(|f| f.0.ends_with(".js"));
    let preload: Vec<String> = scripts
        .map(|(name, _)| format!("<link rel=\"modulepreload\" href=\"{base}/{name}\">"))
        .collect();
    let index = INDEX
        .replace("{{files}}", &base)
        .replace("{{preload}}", &preload.join("\n"));
    Page {
        version,
        index: Asset::new("index.html", &index),
        files: FILES.iter().map(|f| Asset::new(f.0, f.1)).collect(),
    }
});

/// The page and its files.
pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(root))
        .route("/page/{*file}", get(file))
}

/// Whether whoever asks for `/` is a browser, and not a client of embedding servers.
fn is_wanted(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter();
    let mut accepted = accepted.filter_map(|v| v.to_str().ok());
    accepted.any(|v| v.to_ascii_lowercase().contains("text/html"))
}

/// The page.
fn index(headers: &HeaderMap) -> Response {
    PAGE.index.answer(headers, "no-cache")
}

/// The page for browsers; for clients of embedding servers, whether the server is ready.
async fn root(state: State<Arc<App>>, headers: HeaderMap) -> Response {
    if is_wanted(&headers) {
        index(&headers)
    } else {
        embedding::health(state).await.into_response()
    }
}

/// A file of the page.
async fn file(Path(path): Path<String>, headers: HeaderMap) -> Response {
    let (version, name) = path.split_once('/').unwrap_or(("", &path));
    let Some(asset) = PAGE.files.iter().find(|a| a.name == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    // A page of another version of the program gets what there is, and does not keep it.
    let caching = if version == PAGE.version {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    asset.answer(&headers, caching)
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT_ENCODING).iter();
    let accepted = accepted.filter_map(|v| v.to_str().ok());
    accepted.flat_map(|v| v.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let none = weight
            .trim()
            .strip_prefix("q=")
            .is_some_and(|q| q.parse() == Ok(0.0));
        matches!(name.trim(), "gzip" | "*") && !none
    })
}

#[cfg(test)]
mod tests;
