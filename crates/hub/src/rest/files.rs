//! File upload: what devices ask for, the feed of notifications, and files for operators.

use std::collections::BTreeMap;

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::ETAG;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::Value;

use super::caller::{Caller, ServiceConnect};
use super::device_caller::DeviceCaller;
use super::extract::{Body, Path, Query};
use super::route::{Operations, Routes};
use crate::error::Error;
use crate::story::What;
use crate::throttle::Operation;
use crate::uploads::Completion;

pub(super) fn routes() -> Routes {
    let files = Operations::new().get(list).delete(delete);
    Routes::new()
        .route("/files", files)
        .route("/devices/{id}/files", Operations::new().post(begin))
        .route(
            "/devices/{id}/files/notifications",
            Operations::new().post(end),
        )
        // Microsoft's Node.js client names the upload in the path.
        .route(
            "/devices/{id}/files/notifications/{correlation}",
            Operations::new().post(end),
        )
        // Microsoft's clients write it in both ways.
        .of_locks(
            [
                "/messages/serviceBound/filenotifications",
                "/messages/servicebound/filenotifications",
            ],
            &Operations::new().get(notification),
            &Operations::new().delete(complete),
            &Operations::new().post(abandon),
        )
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Begin {
    blob_name: String,
}

async fn begin(caller: DeviceCaller, Body(begin): Body<Begin>) -> Result<Json<Value>, Error> {
    let core = &caller.core;
    let device = &caller.who.device.identity.device_id;
    core.meter(Operation::Upload)?;
    let place = core.uploads.begin(device, &begin.blob_name)?;
    core.tell(device, What::File, "", || {
        format!("begins to upload {:?}", begin.blob_name)
    });
    Ok(Json(place))
}

async fn end(
    caller: DeviceCaller,
    Path(named): Path<BTreeMap<String, String>>,
    Body(completion): Body<Completion>,
) -> Result<StatusCode, Error> {
    let core = &caller.core;
    let device = &caller.who.device.identity.device_id;
    let in_path = named.get("correlation").map(String::as_str);
    let id = in_path
        .or(completion.correlation_id.as_deref())
        .map(str::to_owned);
    let id = id.ok_or_else(|| {
        Error::ArgumentInvalid("the body names no correlationId; take the one of the upload".into())
    })?;
    let told = core.uploads.end(device, &id, completion)?;
    core.tell(device, What::File, "", || told);
    Ok(StatusCode::NO_CONTENT)
}

/// The oldest notification; its lock token is the etag.
async fn notification(caller: Caller<ServiceConnect>) -> Response {
    match caller.core.uploads.notifications().first() {
        None => StatusCode::NO_CONTENT.into_response(),
        Some((number, notification)) => {
            ([(ETAG, format!("\"{number}\""))], Json(notification)).into_response()
        }
    }
}

fn number(token: &str) -> Result<u64, Error> {
    let token = token.trim_matches('"').parse();
    token.map_err(|_| Error::MessageLockLost("the lock token names no notification".into()))
}

fn gone() -> Error {
    Error::MessageLockLost("this notification was completed already, or has expired".into())
}

async fn complete(
    caller: Caller<ServiceConnect>,
    Path(token): Path<String>,
) -> Result<StatusCode, Error> {
    let taken = caller
        .core
        .uploads
        .notifications()
        .remove(number(&token)?)?;
    taken.then_some(StatusCode::NO_CONTENT).ok_or_else(gone)
}

async fn abandon(
    caller: Caller<ServiceConnect>,
    Path(token): Path<String>,
) -> Result<StatusCode, Error> {
    let waits = caller.core.uploads.notifications().has(number(&token)?);
    waits.then_some(StatusCode::NO_CONTENT).ok_or_else(gone)
}

#[derive(Deserialize)]
struct OfDevice {
    device: Option<String>,
}

async fn list(caller: Caller<ServiceConnect>, Query(of): Query<OfDevice>) -> Json<Value> {
    Json(caller.core.uploads.list(of.device.as_deref()).into())
}

#[derive(Deserialize)]
struct Named {
    blob: String,
}

async fn delete(
    caller: Caller<ServiceConnect>,
    Query(named): Query<Named>,
) -> Result<StatusCode, Error> {
    caller.core.uploads.delete(&named.blob)?;
    Ok(StatusCode::NO_CONTENT)
}
