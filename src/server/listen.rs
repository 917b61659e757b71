//! Connections: opening, bounding and closing them.

use super::app::App;
use crate::error::{Error, Result};
use axum::Router;
use axum::extract::{ConnectInfo, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io::ErrorKind as Io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_io_timeout::TimeoutStream;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

/// The longest head of a request, in bytes, and what is read ahead of a body.
const BUFFER: usize = 64 << 10;
/// How long no connection is taken where the system gives no more of them.
const PAUSE: Duration = Duration::from_millis(50);
/// How long connections that came while stopping are waited for at the very end.
const LATE: Duration = Duration::from_secs(1);
/// Connections that may be told at a time that there are too many, and how long each may take.
const REFUSED: (usize, Duration) = (64, Duration::from_secs(1));
/// What they are told. Nobody knows yet which interface they want.
const TOO_MANY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\n\
content-type: application/json\r\ncontent-length: 69\r\n\r\n\
{\"error\":\"too many connections are open\",\"error_type\":\"Overloaded\"}  ";
/// Open files that are left for other things than connections.
const OTHER_FILES: u64 = 128;

/// Opens the address to listen at, before anything that takes long.
///
/// # Errors
/// Another program listens there; it may not be opened; it is none of this host's.
pub fn listen(address: SocketAddr) -> Result<std::net::TcpListener> {
    std::net::TcpListener::bind(address).map_err(|e| {
        let message = match e.kind() {
            Io::AddrInUse => "another program listens there already".to_string(),
            Io::PermissionDenied => {
                "the system does not let this user listen there; ports below 1024 are often reserved"
                    .to_string()
            }
            Io::AddrNotAvailable => "this host has no such address".to_string(),
            _ => e.to_string(),
        };
        Error::new(crate::ErrorKind::Io, address.to_string(), message).with_source(e)
    })
}

/// How many connections may be open: as many as were asked for and the system gives.
fn most_connections(wanted: usize) -> usize {
    let wanted_files = (wanted as u64).saturating_add(OTHER_FILES);
    // Where the system does not tell, or has no such bound, what was asked for holds.
    match rlimit::increase_nofile_limit(wanted_files) {
        Ok(files) if files < wanted_files => {
            let most = files.saturating_sub(OTHER_FILES).max(16);
            tracing::warn!(
                connections = most,
                "the system gives fewer open files than connections were asked for"
            );
            usize::try_from(most).unwrap_or(wanted)
        }
        _ => wanted,
    }
}

/// Answers connections until `stop` ends, and then those that are running.
pub(super) async fn answer(
    listener: TcpListener,
    router: Router,
    app: Arc<App>,
    stop: impl Future<Output = ()>,
) {
    let most = most_connections(app.options.limits.max_connections);
    let refusing = Arc::new(Semaphore::new(REFUSED.0));
    let running = TaskTracker::new();
    let mut stop = pin!(stop);
    loop {
        let (stream, client) = tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = accept(&listener) => accepted,
        };
        if running.len() >= most {
            app.metrics.connections_refused.inc();
            if let Ok(permit) = refusing.clone().try_acquire_owned() {
                tokio::spawn(async move {
                    // The client may have gone; it hears no more than this either way.
                    let _ = timeout(REFUSED.1, refuse(stream)).await;
                    drop(permit);
                });
            }
            continue;
        }
        running.spawn(connection(stream, client, router.clone(), app.clone()));
    }

    // Connections that come from now on hear of it, and those of before end.
    app.stop.cancel();
    running.close();
    let grace = app.options.limits.grace;
    tracing::info!(
        running = app.metrics.running.get(),
        seconds = grace.as_secs(),
        "stopping: running requests are answered first"
    );
    // Requests that still come are told so, until the last one of before is answered.
    let late = TaskTracker::new();
    let end = Instant::now() + grace;
    loop {
        tokio::select! {
            biased;
            () = running.wait() => break,
            () = sleep_until(end) => {
                tracing::warn!(running = running.len(), "stopped before these were answered");
                break;
            }
            (stream, client) = accept(&listener) => {
                if late.len() < most {
                    late.spawn(connection(stream, client, router.clone(), app.clone()));
                }
            }
        }
    }
    drop(listener);
    late.close();
    // They were told what they can be told.
    let _ = timeout(LATE, late.wait()).await;
}

/// The next connection.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            // It was closed before it was taken.
            Err(e)
                if matches!(
                    e.kind(),
                    Io::ConnectionAborted | Io::ConnectionReset | Io::ConnectionRefused
                ) => {}
            Err(e) => {
                // No files or memory are left: others have to end first.
                tracing::warn!(error = %e, "no connection can be taken");
                sleep(PAUSE).await;
            }
        }
    }
}

/// Tells a client that too many connections are open, and reads what it has sent, as it would
/// otherwise not hear that.
async fn refuse(mut stream: TcpStream) -> std::io::Result<()> {
    stream.write_all(TOO_MANY).await?;
    stream.shutdown().await?;
    let mut sink = [0; 4096];
    while stream.read(&mut sink).await? > 0 {}
    Ok(())
}

/// Answers one connection to its end.
async fn connection(stream: TcpStream, client: SocketAddr, router: Router, app: Arc<App>) {
    let limits = &app.options.limits;
    // One that comes when the server is stopping is told so, and then closed.
    let late = app.stop.is_cancelled();
    let _open = Open::new(&app);
    // Answers are small; waiting for more to send with them costs a client tens of milliseconds.
    if let Err(e) = stream.set_nodelay(true) {
        tracing::debug!(error = %e, "TCP_NODELAY");
    }
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits.write_timeout));
    let stream = Box::pin(stream);
    let service = router.map_request(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(client));
        request
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(BUFFER)
        .keep_alive(!late);
    let answered = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let mut answered = pin!(answered);
    let end = tokio::select! {
        end = &mut answered => end,
        () = app.stop.cancelled(), if !late => {
            // The request that is running is answered; an idle connection is closed.
            answered.as_mut().graceful_shutdown();
            answered.await
        }
    };
    if let Err(e) = end {
        // A client that has gone, was too slow, or speaks something else.
        tracing::debug!(client = %client, error = %e, "a connection ended early");
    }
}

/// A connection that is counted while it is open.
struct Open<'a>(&'a App);

impl<'a> Open<'a> {
    fn new(app: &'a App) -> Self {
        app.metrics.connections.inc();
        Self(app)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.metrics.connections.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_too_many_is_whole() {
        let text = std::str::from_utf8(TOO_MANY).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let length = head.split("content-length: ").nth(1).unwrap();
        assert_eq!(length.parse::<usize>().unwrap(), body.len());
        serde_json::from_str::<serde_json::Value>(body).unwrap();
    }
}
