//! Cloud-to-device messages and their feedback.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::ETAG;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};

use super::caller::{Caller, ServiceConnect};
use super::extract::{Body, Path};
use crate::c2d::Message;
use crate::core::Core;
use crate::error::Error;
use crate::registry::Identity;

pub(super) fn routes() -> Router<Arc<Core>> {
    Router::new()
        .route("/devices/{id}/messages/deviceBound", post(send))
        .route(
            "/devices/{id}/modules/{module}/messages/deviceBound",
            post(send_to_module),
        )
        .route("/messages/serviceBound/feedback", get(feedback))
        .route(
            "/messages/serviceBound/feedback/{token}",
            delete(complete_feedback),
        )
}

async fn send(
    State(core): State<Arc<Core>>,
    _: Caller<ServiceConnect>,
    Path(id): Path<String>,
    Body(message): Body<Message>,
) -> Result<StatusCode, Error> {
    core.send_c2d(&Identity::device(id), message)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn send_to_module(
    State(core): State<Arc<Core>>,
    _: Caller<ServiceConnect>,
    Path((id, module)): Path<(String, String)>,
    Body(message): Body<Message>,
) -> Result<StatusCode, Error> {
    core.send_c2d(&Identity::module(id, module), message)?;
    Ok(StatusCode::NO_CONTENT)
}

/// One batch of records; its lock token is the etag, and names the first and the last of them.
async fn feedback(
    State(core): State<Arc<Core>>,
    _: Caller<ServiceConnect>,
) -> Result<Response, Error> {
    let batch = core.c2d.feedback(false);
    let (Some((first, _)), Some((last, _))) = (batch.first(), batch.last()) else {
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    let token = format!("\"{first}-{last}\"");
    let records: Vec<_> = batch.into_iter().map(|(_, record)| record).collect();
    Ok(([(ETAG, token)], Json(records)).into_response())
}

async fn complete_feedback(
    State(core): State<Arc<Core>>,
    _: Caller<ServiceConnect>,
    Path(token): Path<String>,
) -> Result<StatusCode, Error> {
    let range = token
        .trim_matches('"')
        .split_once('-')
        .and_then(|(first, last)| Some(first.parse::<u64>().ok()?..=last.parse::<u64>().ok()?));
    let range =
        range.ok_or_else(|| Error::MessageLockLost("the lock token names no records".into()))?;
    let waiting = core
        .c2d
        .feedback(true)
        .into_iter()
        .map(|(number, _)| number);
    let numbers: Vec<_> = waiting.filter(|number| range.contains(number)).collect();
    if numbers.is_empty() {
        return Err(Error::MessageLockLost(
            "these feedback records were completed already".into(),
        ));
    }
    core.c2d.remove_feedback(&numbers)?;
    Ok(StatusCode::NO_CONTENT)
}
