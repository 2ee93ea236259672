//! Errors as IoT Hub's REST API words them.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::clock::iso_8601;
use crate::core::Core;
use crate::credentials::random;
use crate::error::Error;

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let body = json!({
            "Message": format!("ErrorCode:{};{self}", self.name()),
            "ExceptionMessage": format!("Tracking ID:{}", random::uuid()),
        });
        respond(&self, body)
    }
}

fn respond(error: &Error, body: Value) -> Response {
    let status = u16::try_from(error.code() / 1000)
        .ok()
        .and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, Json(body)).into_response();
    response
        .headers_mut()
        .insert("iothub-errorcode", HeaderValue::from_static(error.name()));
    response
}

/// A method call that took too long: IoT Hub words this in JSON within JSON.
pub(super) fn timed_out(core: &Core, error: &Error, timeout: Duration) -> Response {
    let seconds = timeout.as_secs();
    let message = json!({
        "errorCode": error.code(),
        "trackingId": random::uuid(),
        "message": error.to_string(),
        "info": { "timeout": format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60) },
        "timestampUtc": iso_8601(core.clock.unix_millis()),
    });
    respond(
        error,
        json!({ "Message": message.to_string(), "ExceptionMessage": "" }),
    )
}

/// The answer to a path that there is not.
pub(super) async fn no_such_route(uri: Uri) -> (StatusCode, Json<serde_json::Value>) {
    let message = format!("ErrorCode:InvalidOperation;there is no {}", uri.path());
    (StatusCode::NOT_FOUND, Json(json!({ "Message": message })))
}
