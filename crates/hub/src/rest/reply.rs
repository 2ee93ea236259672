//! Errors as IoT Hub's REST API words them.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::caller::authorize;
use crate::clock::{Clock, iso_8601};
use crate::core::Core;
use crate::credentials::random;
use crate::error::Error;
use crate::policy::Right;

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status = u16::try_from(self.code() / 1000)
            .ok()
            .and_then(|code| StatusCode::from_u16(code).ok());
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = refuse(status, self.name(), &self.to_string());
        response.extensions_mut().insert(Refused(self));
        response
    }
}

/// Extension of an answer: the error that it tells, for an interface that words errors in another way.
#[derive(Clone)]
pub(super) struct Refused(pub(super) Error);

/// The same error as the provisioning service words it.
pub(super) fn of_provisioning(error: &Error) -> Response {
    // The time is this machine's, which nobody computes with.
    let now = Clock::new(0).unix_millis();
    let answer = crate::dps::failure(error.code(), &error.to_string(), now);
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Json(answer.body)).into_response()
}

fn refuse(status: StatusCode, name: &'static str, why: &str) -> Response {
    let body = json!({
        "Message": format!("ErrorCode:{name};{why}"),
        "ExceptionMessage": format!("Tracking ID:{}", random::uuid()),
    });
    respond(status, name, body)
}

fn respond(status: StatusCode, name: &'static str, body: Value) -> Response {
    let mut response = (status, Json(body)).into_response();
    response
        .headers_mut()
        .insert("iothub-errorcode", HeaderValue::from_static(name));
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
    let status = match error {
        Error::DeviceNotOnline(_) => StatusCode::NOT_FOUND,
        _ => StatusCode::GATEWAY_TIMEOUT,
    };
    let body = json!({ "Message": message.to_string(), "ExceptionMessage": "" });
    respond(status, error.name(), body)
}

/// The answer to a path that there is not.
pub(super) async fn no_such_path(State(core): State<Arc<Core>>, request: Request) -> Response {
    unserved(&core, request, StatusCode::NOT_FOUND)
}

/// The answer to a method that a path does not have; the router adds `Allow`.
pub(super) async fn no_such_method(State(core): State<Arc<Core>>, request: Request) -> Response {
    unserved(&core, request, StatusCode::METHOD_NOT_ALLOWED)
}

/// Whoever has no right at all is not told what there is.
fn unserved(core: &Core, request: Request, status: StatusCode) -> Response {
    let (parts, _) = request.into_parts();
    let rights = [
        Right::RegistryRead,
        Right::RegistryWrite,
        Right::ServiceConnect,
        Right::DeviceConnect,
    ];
    let mut refused = None;
    for right in rights {
        match authorize(&parts, core, right) {
            Ok(()) => {
                let path = parts.uri.path();
                let why = match path == "/jobs" || path.starts_with("/jobs/") {
                    true => "jobs are not served; change devices and twins one by one, or by POST /devices".into(),
                    false => format!("there is no {} {path}", parts.method),
                };
                return refuse(status, "InvalidOperation", &why);
            }
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    refused.map_or_else(|| status.into_response(), Error::into_response)
}
