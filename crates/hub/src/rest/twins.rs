//! Device twins and direct methods.

use std::time::Duration;

use axum::Json;
use axum::http::header::ETAG;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::caller::{Caller, ServiceConnect};
use super::extract::{Body, Id};
use super::reply;
use super::route::{Operations, Routes};
use crate::error::Error;
use crate::methods::MethodCall;

/// Seconds that a device gets to answer a method, if the caller does not say.
const RESPONSE_TIMEOUT: u64 = 30;

pub(super) fn routes() -> Routes {
    let twin = Operations::new()
        .get(read)
        .patch(change::<false>)
        .put(change::<true>);
    Routes::new().of_identity("/twins", "", twin).of_identity(
        "/twins",
        "/methods",
        Operations::new().post(call),
    )
}

fn with_etag(twin: Value) -> Response {
    let etag = twin["etag"].as_str().unwrap_or_default();
    let etag = HeaderValue::try_from(format!("\"{etag}\""));
    let mut response = Json(twin).into_response();
    if let Ok(etag) = etag {
        response.headers_mut().insert(ETAG, etag);
    }
    response
}

async fn read(caller: Caller<ServiceConnect>, Id(identity): Id) -> Result<Response, Error> {
    Ok(with_etag(caller.core.twin(&identity)?))
}

/// Merges the body into the twin, or replaces the twin by it.
async fn change<const REPLACE: bool>(
    caller: Caller<ServiceConnect>,
    Id(identity): Id,
    Body(twin): Body<Value>,
) -> Result<Response, Error> {
    let etag = caller.condition().flatten();
    let twin = caller.core.change_twin(&identity, etag, &twin, REPLACE)?;
    Ok(with_etag(twin))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CallBody {
    method_name: String,
    response_timeout_in_seconds: Option<Value>,
    connect_timeout_in_seconds: Option<Value>,
    /// `null` is a payload, and not the same as none.
    #[serde(default, deserialize_with = "present")]
    payload: Option<Value>,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl CallBody {
    fn into_call(self) -> Result<MethodCall, Error> {
        let response = self.response_timeout_in_seconds;
        let connect = self.connect_timeout_in_seconds;
        Ok(MethodCall {
            name: self.method_name,
            payload: self.payload,
            response_timeout: seconds("responseTimeoutInSeconds", response, 5, RESPONSE_TIMEOUT)?,
            connect_timeout: seconds("connectTimeoutInSeconds", connect, 0, 0)?,
        })
    }
}

/// Seconds from `least` to 300, as a number or in digits: `az` sends text.
fn seconds(name: &str, value: Option<Value>, least: u64, default: u64) -> Result<Duration, Error> {
    let given = match value {
        None | Some(Value::Null) => Some(default),
        Some(Value::String(text)) => text.parse().ok(),
        Some(value) => value.as_u64(),
    };
    match given {
        Some(seconds) if (least..=300).contains(&seconds) => Ok(Duration::from_secs(seconds)),
        _ => Err(Error::ArgumentInvalid(format!(
            "{name} must be within [{least}; 300]"
        ))),
    }
}

async fn call(
    caller: Caller<ServiceConnect>,
    Id(identity): Id,
    Body(body): Body<CallBody>,
) -> Result<Response, Error> {
    let core = &caller.core;
    let call = body.into_call()?;
    let (response_timeout, connect_timeout) = (call.response_timeout, call.connect_timeout);
    match core.invoke_method(&identity, call).await {
        Ok(response) => {
            let body = json!({ "status": response.status, "payload": response.payload });
            Ok((StatusCode::OK, Json(body)).into_response())
        }
        Err(error @ Error::DeviceNotOnline(_)) => {
            Ok(reply::timed_out(core, &error, connect_timeout))
        }
        Err(error @ Error::GatewayTimeout(_)) => {
            Ok(reply::timed_out(core, &error, response_timeout))
        }
        Err(error) => Err(error),
    }
}
