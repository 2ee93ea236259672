//! Events as they are stored, one JSON object a line, for as long as the caller listens.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_core::Stream;
use serde::Deserialize;
use tokio::sync::mpsc;

use super::caller::{Caller, ServiceConnect};
use super::extract::Query;
use super::route::{Operations, Routes};
use crate::core::Core;
use crate::error::Error;

/// Lines that wait for a slow reader; the log keeps the rest.
const LINES: usize = 64;

pub(super) fn routes() -> Routes {
    Routes::new().route("/messages/events", Operations::new().get(monitor))
}

#[derive(Deserialize)]
struct Wanted {
    /// Of this device and its modules only.
    device: Option<String>,
    /// `start` for everything that is kept; from now on otherwise.
    from: Option<String>,
}

async fn monitor(
    caller: Caller<ServiceConnect>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Error> {
    let next = match wanted.from.as_deref() {
        Some("start") => 0,
        None | Some("now") => *caller.core.events.watch().borrow(),
        Some(_) => return Err(Error::ArgumentInvalid("from is either start or now".into())),
    };
    let (sender, receiver) = mpsc::channel(LINES);
    tokio::spawn(follow(caller.core, next, wanted.device, sender));
    Ok((
        [(CONTENT_TYPE, "application/x-ndjson")],
        Body::from_stream(Lines(receiver)),
    )
        .into_response())
}

async fn follow(
    core: Arc<Core>,
    mut next: u64,
    device: Option<String>,
    lines: mpsc::Sender<Bytes>,
) {
    let mut grown = core.events.watch();
    loop {
        grown.mark_unchanged();
        let piece = core.events.some_since(next, LINES);
        let at_end = piece.next == next;
        next = piece.next;
        for event in piece.events {
            if device
                .as_ref()
                .is_some_and(|device| *device != event.origin.device_id)
            {
                continue;
            }
            let line = format!("{}\n", event.to_json());
            if lines.send(line.into()).await.is_err() {
                return;
            }
        }
        if !at_end {
            continue;
        }
        tokio::select! {
            changed = grown.changed() => if changed.is_err() { return },
            () = lines.closed() => return,
        }
    }
}

struct Lines(mpsc::Receiver<Bytes>);

impl Stream for Lines {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context).map(|line| line.map(Ok))
    }
}
