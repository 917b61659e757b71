//! What of a request's body nobody read.
//!
//! A client that still sends does not hear an answer: its connection is reset where the server closes
//! it with something unread. So whatever a refusal left of a body is read for a moment and thrown away,
//! whoever refused: for its length, its key, its address or its kind.

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::header;
use axum::middleware::Next;
use axum::response::Response;
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::oneshot;

/// How long what is left of a body is read.
const MOMENT: Duration = Duration::from_millis(500);

/// A body that comes back where it is not read to its end.
struct Lent {
    /// The body, and where it comes back; `None` once it has ended.
    lent: Option<(Body, oneshot::Sender<Body>)>,
}

impl Lent {
    fn body(&self) -> Option<&Body> {
        self.lent.as_ref().map(|(body, _)| body)
    }
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some((body, _)) = &mut self.lent else {
            return Poll::Ready(None);
        };
        let frame = Pin::new(body).poll_frame(context);
        // After an error nothing more comes.
        if matches!(frame, Poll::Ready(None | Some(Err(_)))) {
            self.lent = None;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body()
            .map_or(SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some((body, back)) = self.lent.take() {
            // Nobody waits for it where the request was given up.
            let _ = back.send(body);
        }
    }
}

/// Reads on for a moment what an answer left of the request's body, before the answer is sent.
pub(super) async fn read_on(request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    // It waits to be told whether to send.
    let waits = request.headers().contains_key(header::EXPECT);
    let (back, mut left) = oneshot::channel();
    let request = request.map(|body| {
        Body::new(Lent {
            lent: Some((body, back)),
        })
    });
    let response = next.run(request).await;
    if !waits
        && !response.status().is_success()
        && let Ok(mut body) = left.try_recv()
    {
        let read = async { while let Some(Ok(_)) = body.frame().await {} };
        let _ = tokio::time::timeout(MOMENT, read).await;
    }
    response
}
