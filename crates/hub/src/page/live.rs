//! Live data of the page as Server-Sent Events (HTML Standard, section 9.2).
//!
//! # Theory of operation
//! A page subscribes to one view at a time. Every [`TICK`] the view says what changed since it was asked last. It is
//! asked only when the page took what came before, so a slow page gets fewer and later answers, each of a bounded
//! size, and is told how many messages it missed. Nothing piles up for it.
//!
//! A view that takes long is asked less often: a page costs a twentieth of a core at most.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures_core::Stream;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::sleep;

/// Time between two looks at what changed.
const TICK: Duration = Duration::from_millis(250);
/// A page that hears nothing for this long is told that the hub is still there.
const STILL_THERE: Duration = Duration::from_secs(5);
/// Answers that wait for a slow page.
const WAITING: usize = 2;
/// Time between two looks, in times of what a look takes.
const IDLE_PER_WORK: u32 = 20;

/// Events for a page.
#[derive(Default)]
pub(super) struct Frames(String);

impl Frames {
    /// Adds an event. JSON has no line feeds, which would end it.
    pub(super) fn add(&mut self, name: &str, data: &impl Serialize) {
        let data = serde_json::to_string(data).unwrap_or_default();
        for part in ["event: ", name, "\ndata: ", &data, "\n\n"] {
            self.0.push_str(part);
        }
    }
}

/// View that a page looks at.
pub(super) trait View: Send + 'static {
    /// Adds what changed since the last call.
    fn tell(&mut self, frames: &mut Frames);
}

/// A value that is told whenever it changed.
pub(super) struct Whole<F> {
    name: &'static str,
    value: F,
    told: Option<Value>,
}

impl<F: FnMut() -> Value + Send + 'static> Whole<F> {
    /// The value is told under this name.
    pub(super) fn new(name: &'static str, value: F) -> Self {
        Self {
            name,
            value,
            told: None,
        }
    }
}

impl<F: FnMut() -> Value + Send + 'static> View for Whole<F> {
    fn tell(&mut self, frames: &mut Frames) {
        let value = Some((self.value)());
        if value != self.told {
            frames.add(self.name, &value);
            self.told = value;
        }
    }
}

/// The stream of a view.
pub(super) fn stream(view: impl View) -> Response {
    let (sender, receiver) = mpsc::channel(WAITING);
    tokio::spawn(follow(view, sender));
    let kind = [(CONTENT_TYPE, "text/event-stream")];
    (kind, Body::from_stream(Chunks(receiver))).into_response()
}

async fn follow(mut view: impl View, chunks: mpsc::Sender<Bytes>) {
    let mut told = Instant::now();
    loop {
        let Ok(permit) = chunks.reserve().await else {
            return;
        };
        let began = Instant::now();
        let mut frames = Frames::default();
        view.tell(&mut frames);
        if frames.0.is_empty() && told.elapsed() >= STILL_THERE {
            frames.0.push_str(": still there\n\n");
        }
        if !frames.0.is_empty() {
            told = Instant::now();
            permit.send(frames.0.into());
        }
        let idle = began.elapsed().saturating_mul(IDLE_PER_WORK).max(TICK);
        tokio::select! {
            () = sleep(idle) => {}
            () = chunks.closed() => return,
        }
    }
}

struct Chunks(mpsc::Receiver<Bytes>);

impl Stream for Chunks {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context).map(|chunk| chunk.map(Ok))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn an_event_is_two_lines_whatever_is_in_it() {
        let mut frames = Frames::default();
        frames.add("messages", &"a\n\nevent: forged\r\n\u{2028}");
        let lines: Vec<_> = frames.0.split('\n').collect();
        assert_eq!(lines[0], "event: messages");
        assert_eq!(lines[1], "data: \"a\\n\\nevent: forged\\r\\n\u{2028}\"");
        assert_eq!(lines[2..], ["", ""]);
    }

    #[test]
    fn a_value_is_told_when_it_changed() {
        let mut values = [1, 1, 2].into_iter();
        let mut view = Whole::new("value", move || values.next().into());
        let mut told = || {
            let mut frames = Frames::default();
            view.tell(&mut frames);
            frames.0
        };
        assert_eq!(told(), "event: value\ndata: 1\n\n");
        assert_eq!(told(), "");
        assert_eq!(told(), "event: value\ndata: 2\n\n");
    }

    #[tokio::test]
    async fn a_page_that_takes_nothing_gets_no_more_than_what_waits_for_it() {
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        let view = Whole::new("value", move || {
            counter.fetch_add(1, Ordering::Relaxed).into()
        });
        let (sender, mut receiver) = mpsc::channel(WAITING);
        let following = tokio::spawn(follow(view, sender));
        while asked.load(Ordering::Relaxed) < WAITING {
            sleep(TICK).await;
        }
        sleep(TICK * 4).await;
        assert_eq!(asked.load(Ordering::Relaxed), WAITING);
        assert!(receiver.recv().await.is_some());
        while asked.load(Ordering::Relaxed) == WAITING {
            sleep(TICK).await;
        }
        assert_eq!(asked.load(Ordering::Relaxed), WAITING + 1);
        drop(receiver);
        assert!(following.await.is_ok());
    }
}
