//! Writing a corpus out as a stream.

use super::super::app::{App, blocking};
use super::super::error::ApiError;
use super::asked::{Names, Params, filter};
use super::served;
use crate::error::{Error, Result as Outcome};
use crate::job::Job;
use crate::store::{ExportFormat, Reader, export as to_file, export_text};
use axum::body::Body;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use serde::Deserialize;
use std::io::{self, Read, Write};
use std::sync::Arc;
use tokio::sync::mpsc;
use utoipa::{IntoParams, ToSchema};

/// Bytes that are sent together, and pieces that wait to be sent: a slow client holds up the
/// reading, and no memory.
const PIECE: usize = 64 << 10;
const WAITING: usize = 4;

/// A format to export to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum FormatAsked {
    /// JSON lines.
    #[default]
    Jsonl,
    /// CSV with a header.
    Csv,
    /// Parquet, with vectors.
    Parquet,
}

/// What is written out.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct ExportParams {
    /// The format; jsonl.
    #[param(inline)]
    format: FormatAsked,
    /// Only articles that this lets through.
    filter: Option<String>,
    /// Puts vectors into jsonl and csv too.
    vectors: bool,
}

type Pieces = mpsc::Sender<io::Result<Bytes>>;

/// Writes into a channel, piece by piece; fails when nobody reads any more.
struct Sender {
    pieces: Pieces,
    piece: Vec<u8>,
}

impl Sender {
    fn send(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        let sent = self.pieces.blocking_send(Ok(piece.into()));
        sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }
}

impl Write for Sender {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE {
            self.send()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send()
    }
}

fn write(
    reader: &Reader,
    pieces: Pieces,
    params: &ExportParams,
    job: &Job,
    wanted: Option<&crate::Filter>,
) -> Outcome<()> {
    let mut out = Sender {
        pieces,
        piece: Vec::with_capacity(PIECE),
    };
    let text = |format, out: &mut Sender| {
        export_text(reader, out, format, params.vectors, wanted, job).map(drop)
    };
    match params.format {
        FormatAsked::Jsonl => text(ExportFormat::Jsonl, &mut out)?,
        FormatAsked::Csv => text(ExportFormat::Csv, &mut out)?,
        FormatAsked::Parquet => {
            // Its end says where everything lies, so that it is made whole first.
            let io = |e| Error::io(std::env::temp_dir(), e);
            let folder = tempfile::tempdir().map_err(io)?;
            let path = folder.path().join("export.parquet");
            to_file(reader, &path, ExportFormat::Parquet, true, wanted, job)?;
            let mut file = std::fs::File::open(&path).map_err(io)?;
            let mut piece = vec![0; PIECE];
            loop {
                let n = file.read(&mut piece).map_err(io)?;
                if n == 0 {
                    break;
                }
                out.write_all(&piece[..n]).map_err(io)?;
            }
        }
    }
    out.flush().map_err(|e| Error::io("the client", e))
}

/// Writes the articles out as a file: of one snapshot, whatever is written meanwhile.
#[utoipa::path(
    get, path = "/corpora/{corpus}/export", tag = "Corpora", operation_id = "export",
    params(("corpus" = String, Path, description = "The corpus's name."), ExportParams),
    responses((status = 200, content(
        (String = "application/x-ndjson"), (String = "text/csv"),
        (Vec<u8> = "application/vnd.apache.parquet"),
    ))),
)]
pub(super) async fn export(
    State(app): State<Arc<App>>,
    Names(corpus): Names<String>,
    Params(params): Params<ExportParams>,
) -> Result<Response, ApiError> {
    let wanted = filter(params.filter.as_deref())?;
    let served = served(&app, &corpus)?;
    let (kind, ending) = match params.format {
        FormatAsked::Jsonl => ("application/x-ndjson", "jsonl"),
        FormatAsked::Csv => ("text/csv; charset=utf-8", "csv"),
        FormatAsked::Parquet => ("application/vnd.apache.parquet", "parquet"),
    };
    // What is wrong with the question is told before the answer begins.
    let (reader, wanted) = blocking(move || {
        let reader = served.reader()?;
        if let Some(filter) = &wanted {
            reader.condition(filter)?;
        }
        Ok((reader, wanted))
    })
    .await?;
    let (pieces, received) = mpsc::channel(WAITING);
    tokio::task::spawn_blocking(move || {
        let failed = pieces.clone();
        if let Err(e) = write(&reader, pieces, &params, &Job::new(), wanted.as_ref()) {
            // The answer ends before its end, which the client sees.
            let _ = failed.blocking_send(Err(io::Error::other(e)));
        }
    });
    let stream = unfold(received, |mut received| async move {
        received.recv().await.map(|piece| (piece, received))
    });
    let mut response = Body::from_stream(stream).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    let name: String = corpus
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "-_.".contains(c) {
                c
            } else {
                '_'
            }
        })
        .collect();
    if let Ok(name) = HeaderValue::from_str(&format!("attachment; filename=\"{name}.{ending}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(response)
}
