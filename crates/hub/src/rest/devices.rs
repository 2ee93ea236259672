//! The identity registry.

use axum::Json;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::caller::{Caller, RegistryRead, RegistryWrite, ServiceConnect};
use super::entity::{Entry, entity, with_etag};
use super::extract::{Body, Id, Path, QUERY, Query};
use super::query::query;
use super::route::{Operations, Routes};
use crate::core::Core;
use crate::error::Error;
use crate::registry::{Authentication, Device, Identity, Status, SymmetricKeys};

/// Devices that one request lists at most.
const MAX_TOP: usize = 1000;
/// Identities in one bulk change.
const MAX_BULK: usize = 100;

pub(super) fn routes() -> Routes {
    let entry = Operations::new().get(read).put(put).delete(remove);
    Routes::new()
        .route("/devices", Operations::new().get(list).post(bulk))
        .of_identity("/devices", "", entry.clone())
        // A device may be called query, too.
        .route(QUERY, entry.post(query))
        .route("/devices/{id}/commands", Operations::new().delete(purge))
        .route("/devices/{id}/modules", Operations::new().get(list_modules))
        .route(
            "/statistics/devices",
            Operations::new().get(registry_statistics),
        )
        .route(
            "/statistics/service",
            Operations::new().get(service_statistics),
        )
        .route("/quotaMetrics", Operations::new().get(quota_metrics))
}

async fn read(caller: Caller<RegistryRead>, Id(identity): Id) -> Result<Response, Error> {
    let core = &caller.core;
    Ok(with_etag(core, &core.registry.get(&identity)?))
}

/// Registers an identity, or changes it if the request has `If-Match`.
async fn put(
    caller: Caller<RegistryWrite>,
    Id(identity): Id,
    Body(entry): Body<Entry>,
) -> Result<Response, Error> {
    let device = apply(&caller.core, identity, entry, caller.condition())?;
    Ok(with_etag(&caller.core, &device))
}

/// Registers an identity, or changes it on a condition.
fn apply(
    core: &Core,
    identity: Identity,
    entry: Entry,
    condition: Option<Option<&str>>,
) -> Result<Device, Error> {
    entry.check_ids(&identity)?;
    let authentication = entry.authentication()?;
    match condition {
        None => {
            entry.check(&identity, None)?;
            let authentication =
                authentication.unwrap_or(Authentication::Sas(SymmetricKeys::generated()));
            let status = entry.status.unwrap_or_default();
            core.registry
                .create_with(identity, authentication, status, |device| {
                    entry.apply(device)
                })
        }
        Some(etag) => {
            let current = entity(core, &core.registry.get(&identity)?);
            entry.check(&identity, Some(&current))?;
            core.update_device(&identity, etag, |device| {
                entry.apply(device);
                if let Some(authentication) = authentication {
                    device.authentication = authentication;
                }
            })
        }
    }
}

/// Several identities; each succeeds or fails by itself ("Bulk Registry – Update Registry").
async fn bulk(
    caller: Caller<RegistryWrite>,
    Body(entries): Body<Vec<Map<String, Value>>>,
) -> Result<Json<Value>, Error> {
    if entries.len() > MAX_BULK {
        let why = format!("a bulk change has {MAX_BULK} identities at most");
        return Err(Error::ArgumentInvalid(why));
    }
    let mut errors = Vec::new();
    for mut entry in entries {
        let mut text = |name: &str| match entry.remove(name) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        let id = text("id").unwrap_or_default();
        let identity = match text("moduleId") {
            Some(module) => Identity::module(id, module),
            None => Identity::device(id),
        };
        let mode = text("importMode").unwrap_or_else(|| "createOrUpdate".into());
        let etag = text("eTag");
        if let Err(error) = change(&caller.core, identity.clone(), &mode, etag, entry) {
            errors.push(json!({
                "deviceId": identity.device_id,
                "moduleId": identity.module_id,
                "errorCode": error.name(),
                "errorStatus": error.to_string(),
            }));
        }
    }
    Ok(Json(
        json!({ "isSuccessful": errors.is_empty(), "errors": errors, "warnings": [] }),
    ))
}

fn change(
    core: &Core,
    identity: Identity,
    mode: &str,
    etag: Option<String>,
    entry: Map<String, Value>,
) -> Result<(), Error> {
    let etag = etag.as_deref().map(|etag| etag.trim_matches('"'));
    // Microsoft's clients write it in several ways.
    let condition = match mode.to_ascii_lowercase().as_str() {
        "delete" => return core.delete_device(&identity, None),
        "deleteifmatchetag" => return core.delete_device(&identity, etag),
        "create" => None,
        "update" => Some(None),
        "updateifmatchetag" => Some(etag),
        "createorupdate" => core.registry.get(&identity).is_ok().then_some(None),
        _ => {
            return Err(Error::ArgumentInvalid(
                "importMode is create, update, updateIfMatchETag, createOrUpdate, delete or \
                 deleteIfMatchETag here"
                    .into(),
            ));
        }
    };
    let entry = serde_json::from_value(Value::Object(entry)).map_err(|_| {
        Error::Deserialization("an identity of the bulk has a member that there is not".into())
    })?;
    apply(core, identity, entry, condition).map(drop)
}

async fn remove(caller: Caller<RegistryWrite>, Id(identity): Id) -> Result<StatusCode, Error> {
    let etag = caller.condition().flatten();
    caller.core.delete_device(&identity, etag)?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
struct Top {
    top: Option<usize>,
}

async fn list(
    caller: Caller<RegistryRead>,
    Query(Top { top }): Query<Top>,
) -> Result<Json<Vec<Value>>, Error> {
    let core = &caller.core;
    let devices = core
        .registry
        .all()
        .into_iter()
        .filter(|device| device.identity.module_id.is_none());
    let top = top.unwrap_or(MAX_TOP).min(MAX_TOP);
    Ok(Json(
        devices
            .take(top)
            .map(|device| entity(core, &device))
            .collect(),
    ))
}

async fn list_modules(
    caller: Caller<RegistryRead>,
    Path(id): Path<String>,
) -> Result<Json<Vec<Value>>, Error> {
    let core = &caller.core;
    core.registry.get(&Identity::device(id.as_str()))?;
    let of_device =
        |device: &Device| device.identity.device_id == id && device.identity.module_id.is_some();
    Ok(Json(
        core.registry
            .all()
            .iter()
            .filter(|d| of_device(d))
            .map(|d| entity(core, d))
            .collect(),
    ))
}

async fn purge(
    caller: Caller<RegistryWrite>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Error> {
    let core = &caller.core;
    let device = core.registry.get(&Identity::device(id.as_str()))?;
    let purged = core.c2d.purge(&device)?;
    Ok(Json(
        json!({ "deviceId": id, "totalMessagesPurged": purged, "moduleId": null }),
    ))
}

async fn registry_statistics(caller: Caller<RegistryRead>) -> Result<Json<Value>, Error> {
    let core = &caller.core;
    let devices: Vec<_> = core
        .registry
        .all()
        .into_iter()
        .filter(|device| device.identity.module_id.is_none())
        .collect();
    let enabled = devices
        .iter()
        .filter(|device| device.status == Status::Enabled)
        .count();
    Ok(Json(json!({
        "totalDeviceCount": devices.len(),
        "enabledDeviceCount": enabled,
        "disabledDeviceCount": devices.len() - enabled,
    })))
}

async fn service_statistics(caller: Caller<ServiceConnect>) -> Result<Json<Value>, Error> {
    let core = &caller.core;
    Ok(Json(
        json!({ "connectedDeviceCount": core.sessions.count() }),
    ))
}

/// In the shape of `az iot hub show-quota-metrics`; without a quota there is nothing to show.
async fn quota_metrics(caller: Caller<RegistryRead>) -> Result<Json<Value>, Error> {
    let core = &caller.core;
    let metrics: Vec<_> = core
        .quota
        .usage()
        .into_iter()
        .map(|(used, limit)| json!({ "name": "TotalMessages", "currentValue": used, "maxValue": limit }))
        .collect();
    Ok(Json(json!({ "value": metrics })))
}
