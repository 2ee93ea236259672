//! Cloud-to-device messages and their feedback.

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::ETAG;
use axum::response::{IntoResponse, Response};

use super::caller::{Caller, ServiceConnect};
use super::extract::{Body, Id, Path};
use super::route::{Operations, Routes};
use crate::c2d::Message;
use crate::error::Error;

pub(super) fn routes() -> Routes {
    Routes::new()
        .of_identity(
            "/devices",
            "/messages/deviceBound",
            Operations::new().post(send),
        )
        .route(
            "/messages/serviceBound/feedback",
            Operations::new().get(feedback),
        )
        .route(
            "/messages/serviceBound/feedback/{token}",
            Operations::new().delete(complete_feedback),
        )
}

async fn send(
    caller: Caller<ServiceConnect>,
    Id(identity): Id,
    Body(message): Body<Message>,
) -> Result<StatusCode, Error> {
    caller.core.send_c2d(&identity, message)?;
    Ok(StatusCode::NO_CONTENT)
}

/// One batch of records; its lock token is the etag, and names the first and the last of them.
async fn feedback(caller: Caller<ServiceConnect>) -> Result<Response, Error> {
    let batch = caller.core.c2d.feedback(false);
    let (Some((first, _)), Some((last, _))) = (batch.first(), batch.last()) else {
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    let token = format!("\"{first}-{last}\"");
    let records: Vec<_> = batch.into_iter().map(|(_, record)| record).collect();
    Ok(([(ETAG, token)], Json(records)).into_response())
}

async fn complete_feedback(
    caller: Caller<ServiceConnect>,
    Path(token): Path<String>,
) -> Result<StatusCode, Error> {
    let range = token
        .trim_matches('"')
        .split_once('-')
        .and_then(|(first, last)| Some(first.parse::<u64>().ok()?..=last.parse::<u64>().ok()?));
    let range =
        range.ok_or_else(|| Error::MessageLockLost("the lock token names no records".into()))?;
    let queues = &caller.core.c2d;
    let waiting = queues.feedback(true).into_iter().map(|(number, _)| number);
    let numbers: Vec<_> = waiting.filter(|number| range.contains(number)).collect();
    if numbers.is_empty() {
        return Err(Error::MessageLockLost(
            "these feedback records were completed already".into(),
        ));
    }
    queues.remove_feedback(&numbers)?;
    Ok(StatusCode::NO_CONTENT)
}
