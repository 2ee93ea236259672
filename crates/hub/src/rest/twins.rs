//! Device twins and direct methods.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::header::ETAG;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::caller::{Caller, ServiceConnect};
use super::extract::{Body, Path};
use super::reply;
use crate::core::Core;
use crate::error::Error;
use crate::methods::MethodCall;
use crate::registry::Identity;

/// Seconds that a device gets to answer a method, if the caller does not say.
const RESPONSE_TIMEOUT: u64 = 30;

pub(super) fn routes() -> Router<Arc<Core>> {
    let of_device = get(read_device).patch(patch_device).put(put_device);
    let of_module = get(read_module).patch(patch_module).put(put_module);
    Router::new()
        .route("/twins/{id}", of_device)
        .route("/twins/{id}/methods", post(call_device))
        .route("/twins/{id}/modules/{module}", of_module)
        .route("/twins/{id}/modules/{module}/methods", post(call_module))
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

fn read(core: &Core, identity: &Identity) -> Result<Response, Error> {
    Ok(with_etag(core.twin(identity)?))
}

fn change(
    core: &Core,
    caller: &Caller<ServiceConnect>,
    identity: &Identity,
    twin: &Value,
    replace: bool,
) -> Result<Response, Error> {
    let etag = caller.condition().flatten();
    let twin = core.change_twin(identity, etag, twin, replace)?;
    Ok(with_etag(twin))
}

async fn read_device(
    State(core): State<Arc<Core>>,
    _: Caller<ServiceConnect>,
    Path(id): Path<String>,
) -> Result<Response, Error> {
    read(&core, &Identity::device(id))
}

async fn patch_device(
    State(core): State<Arc<Core>>,
    caller: Caller<ServiceConnect>,
    Path(id): Path<String>,
    Body(body): Body<Value>,
) -> Result<Response, Error> {
    change(&core, &caller, &Identity::device(id), &body, false)
}

async fn put_device(
    State(core): State<Arc<Core>>,
    caller: Caller<ServiceConnect>,
    Path(id): Path<String>,
    Body(body): Body<Value>,
) -> Result<Response, Error> {
    change(&core, &caller, &Identity::device(id), &body, true)
}

async fn read_module(
    State(core): State<Arc<Core>>,
    _: Caller<ServiceConnect>,
    Path((id, module)): Path<(String, String)>,
) -> Result<Response, Error> {
    read(&core, &Identity::module(id, module))
}

async fn patch_module(
    State(core): State<Arc<Core>>,
    caller: Caller<ServiceConnect>,
    Path((id, module)): Path<(String, String)>,
    Body(body): Body<Value>,
) -> Result<Response, Error> {
    change(&core, &caller, &Identity::module(id, module), &body, false)
}

async fn put_module(
    State(core): State<Arc<Core>>,
    caller: Caller<ServiceConnect>,
    Path((id, module)): Path<(String, String)>,
    Body(body): Body<Value>,
) -> Result<Response, Error> {
    change(&core, &caller, &Identity::module(id, module), &body, true)
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

async fn call(core: &Core, identity: &Identity, body: CallBody) -> Result<Response, Error> {
    let call = body.into_call()?;
    let (response_timeout, connect_timeout) = (call.response_timeout, call.connect_timeout);
    match core.invoke_method(identity, call).await {
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

async fn call_device(
    State(core): State<Arc<Core>>,
    _: Caller<ServiceConnect>,
    Path(id): Path<String>,
    Body(body): Body<CallBody>,
) -> Result<Response, Error> {
    call(&core, &Identity::device(id), body).await
}

async fn call_module(
    State(core): State<Arc<Core>>,
    _: Caller<ServiceConnect>,
    Path((id, module)): Path<(String, String)>,
    Body(body): Body<CallBody>,
) -> Result<Response, Error> {
    call(&core, &Identity::module(id, module), body).await
}
