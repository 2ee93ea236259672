//! Requests that only the page makes; the rest it gets from the operator's interface.

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use serde_json::{Value, json};

use super::device::DeviceView;
use super::facts::{self, Facts};
use super::guard::refuse;
use super::live::{Frames, View, Whole, stream};
use super::models;
use super::overview::{Overview, Recent, Wanted};
use super::services;
use crate::core::Core;
use crate::logged;
use crate::registry::Identity;

/// Needs of the handlers.
pub(super) struct Context {
    pub(super) core: Arc<Core>,
    pub(super) facts: Facts,
    pub(super) recent: Arc<Recent>,
}

/// The page's own paths.
pub(super) fn router(context: Arc<Context>) -> Router {
    Router::new()
        .route("/api/page/hub", get(hub))
        .route("/api/page/ids", get(ids))
        .route("/api/page/updates", get(updates))
        .route("/api/page/files-and-feedback", get(files_and_feedback))
        .route("/api/page/message", get(message))
        .route("/api/page/models", get(all_models))
        .route("/api/page/live/devices", get(live_devices))
        .route("/api/page/live/device", get(live_device))
        .route("/api/page/live/faults", get(live_faults))
        .route("/api/page/live/hub", get(live_hub))
        .route("/api/page/live/log", get(live_log))
        .fallback(async || refuse(StatusCode::NOT_FOUND, "the page has no such path"))
        .with_state(context)
}

type Shared = State<Arc<Context>>;

async fn hub(State(context): Shared) -> Json<Value> {
    Json(context.facts.of(&context.core))
}

/// Ids that are offered for a choice.
const MAX_IDS: usize = 500;

/// The first devices' ids.
async fn ids(State(context): Shared) -> Json<Vec<String>> {
    let (_, devices) = context.core.registry.select(MAX_IDS, |_| true);
    let ids = devices.into_iter().map(|device| device.identity.device_id);
    Json(ids.collect())
}

async fn updates(State(context): Shared) -> Response {
    // Looks at each device's twin.
    let looking = tokio::task::spawn_blocking(move || services::updates(&context.core));
    match looking.await {
        Ok(updates) => Json(updates).into_response(),
        Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

async fn files_and_feedback(State(context): Shared) -> Json<Value> {
    Json(services::files_and_feedback(&context.core))
}

#[derive(Deserialize)]
struct Number {
    number: u64,
}

/// A whole message, as `monitor-events` prints it.
async fn message(State(context): Shared, Query(Number { number }): Query<Number>) -> Response {
    let found = context.core.events.some_since(number, 1).events.pop();
    match found.filter(|event| event.sequence_number == number) {
        Some(event) => Json(event.to_json()).into_response(),
        None => refuse(
            StatusCode::NOT_FOUND,
            "the hub no longer keeps this message",
        ),
    }
}

async fn all_models(State(context): Shared) -> Json<Value> {
    let directory = context.facts.models.as_deref();
    Json(directory.map_or_else(
        || json!([]),
        |directory| models::interfaces(directory).into(),
    ))
}

async fn live_devices(State(context): Shared, Query(wanted): Query<Wanted>) -> Response {
    let (core, recent) = (Arc::clone(&context.core), Arc::clone(&context.recent));
    stream(Overview::new(core, recent, wanted))
}

#[derive(Deserialize)]
struct Which {
    device: String,
    module: Option<String>,
}

async fn live_device(State(context): Shared, Query(which): Query<Which>) -> Response {
    let identity = match which.module {
        Some(module) => Identity::module(which.device, module),
        None => Identity::device(which.device),
    };
    let (core, recent) = (Arc::clone(&context.core), Arc::clone(&context.recent));
    stream(DeviceView::new(core, recent, identity))
}

async fn live_faults(State(context): Shared) -> Response {
    stream(Whole::new("faults", move || facts::faults(&context.core)))
}

async fn live_hub(State(context): Shared) -> Response {
    let registrations = Arc::clone(&context);
    let mut hub = Whole::new("hub", move || context.facts.of(&context.core));
    let mut registrations = Whole::new("registrations", move || {
        facts::registrations(&registrations.core)
    });
    stream(move |frames: &mut Frames| {
        hub.tell(frames);
        registrations.tell(frames);
    })
}

impl<F: FnMut(&mut Frames) + Send + 'static> View for F {
    fn tell(&mut self, frames: &mut Frames) {
        self(frames);
    }
}

async fn live_log(State(context): Shared) -> Response {
    let (mut next, mut next_happening) = (0, 0);
    stream(move |frames: &mut Frames| {
        let (happenings, newest) = context.core.stories.recent(next_happening);
        next_happening = newest;
        if !happenings.is_empty() {
            frames.add("connections", &happenings);
        }
        let (lines, newest) = logged::since(next);
        if let Some(first) = lines.first() {
            let missed = if next == 0 { 0 } else { first.number - next };
            frames.add("log", &json!({ "missed": missed, "lines": lines }));
        }
        next = newest;
    })
}
