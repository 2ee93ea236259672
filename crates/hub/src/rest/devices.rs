//! The identity registry.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{delete, get};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::caller::{Caller, RegistryRead, RegistryWrite, ServiceConnect};
use super::entity::{Entry, entity, with_etag};
use super::extract::{Body, Path, Query};
use crate::core::Core;
use crate::error::Error;
use crate::registry::{Authentication, Device, Identity, Status, SymmetricKeys};

/// Devices that one request lists at most.
const MAX_TOP: usize = 1000;

pub(super) fn routes() -> Router<Arc<Core>> {
    Router::new()
        .route("/devices", get(list))
        .route(
            "/devices/{id}",
            get(read_device).put(put_device).delete(delete_device),
        )
        .route("/devices/{id}/commands", delete(purge))
        .route("/devices/{id}/modules", get(list_modules))
        .route(
            "/devices/{id}/modules/{module}",
            get(read_module).put(put_module).delete(delete_module),
        )
        .route("/statistics/devices", get(registry_statistics))
        .route("/statistics/service", get(service_statistics))
        .route("/quotaMetrics", get(quota_metrics))
}

fn read(core: &Core, identity: &Identity) -> Result<Response, Error> {
    Ok(with_etag(core, &core.registry.get(identity)?))
}

/// Registers an identity, or changes it if the request has `If-Match`.
fn put(
    core: &Core,
    caller: &Caller<RegistryWrite>,
    identity: Identity,
    entry: Entry,
) -> Result<Response, Error> {
    entry.check_ids(&identity)?;
    let authentication = entry.authentication()?;
    let device = match caller.condition() {
        None => {
            entry.check(&identity, None)?;
            let authentication =
                authentication.unwrap_or(Authentication::Sas(SymmetricKeys::generated()));
            let status = entry.status.unwrap_or_default();
            core.registry
                .create_with(identity, authentication, status, |device| {
                    entry.apply(device)
                })?
        }
        Some(etag) => {
            let current = entity(core, &core.registry.get(&identity)?);
            entry.check(&identity, Some(&current))?;
            core.update_device(&identity, etag, |device| {
                entry.apply(device);
                if let Some(authentication) = authentication {
                    device.authentication = authentication;
                }
            })?
        }
    };
    Ok(with_etag(core, &device))
}

fn remove(
    core: &Core,
    caller: &Caller<RegistryWrite>,
    identity: &Identity,
) -> Result<StatusCode, Error> {
    core.delete_device(identity, caller.condition().flatten())?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
struct Top {
    top: Option<usize>,
}

async fn list(
    State(core): State<Arc<Core>>,
    _: Caller<RegistryRead>,
    Query(Top { top }): Query<Top>,
) -> Result<Json<Vec<Value>>, Error> {
    let devices = core
        .registry
        .all()
        .into_iter()
        .filter(|device| device.identity.module_id.is_none());
    let top = top.unwrap_or(MAX_TOP).min(MAX_TOP);
    Ok(Json(
        devices
            .take(top)
            .map(|device| entity(&core, &device))
            .collect(),
    ))
}

async fn list_modules(
    State(core): State<Arc<Core>>,
    _: Caller<RegistryRead>,
    Path(id): Path<String>,
) -> Result<Json<Vec<Value>>, Error> {
    core.registry.get(&Identity::device(id.as_str()))?;
    let of_device =
        |device: &Device| device.identity.device_id == id && device.identity.module_id.is_some();
    Ok(Json(
        core.registry
            .all()
            .iter()
            .filter(|d| of_device(d))
            .map(|d| entity(&core, d))
            .collect(),
    ))
}

async fn read_device(
    State(core): State<Arc<Core>>,
    _: Caller<RegistryRead>,
    Path(id): Path<String>,
) -> Result<Response, Error> {
    read(&core, &Identity::device(id))
}

async fn put_device(
    State(core): State<Arc<Core>>,
    caller: Caller<RegistryWrite>,
    Path(id): Path<String>,
    Body(entry): Body<Entry>,
) -> Result<Response, Error> {
    put(&core, &caller, Identity::device(id), entry)
}

async fn delete_device(
    State(core): State<Arc<Core>>,
    caller: Caller<RegistryWrite>,
    Path(id): Path<String>,
) -> Result<StatusCode, Error> {
    remove(&core, &caller, &Identity::device(id))
}

async fn read_module(
    State(core): State<Arc<Core>>,
    _: Caller<RegistryRead>,
    Path((id, module)): Path<(String, String)>,
) -> Result<Response, Error> {
    read(&core, &Identity::module(id, module))
}

async fn put_module(
    State(core): State<Arc<Core>>,
    caller: Caller<RegistryWrite>,
    Path((id, module)): Path<(String, String)>,
    Body(entry): Body<Entry>,
) -> Result<Response, Error> {
    put(&core, &caller, Identity::module(id, module), entry)
}

async fn delete_module(
    State(core): State<Arc<Core>>,
    caller: Caller<RegistryWrite>,
    Path((id, module)): Path<(String, String)>,
) -> Result<StatusCode, Error> {
    remove(&core, &caller, &Identity::module(id, module))
}

async fn purge(
    State(core): State<Arc<Core>>,
    _: Caller<RegistryWrite>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Error> {
    let device = core.registry.get(&Identity::device(id.as_str()))?;
    let purged = core.c2d.purge(&device)?;
    Ok(Json(
        json!({ "deviceId": id, "totalMessagesPurged": purged, "moduleId": null }),
    ))
}

async fn registry_statistics(
    State(core): State<Arc<Core>>,
    _: Caller<RegistryRead>,
) -> Result<Json<Value>, Error> {
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

async fn service_statistics(
    State(core): State<Arc<Core>>,
    _: Caller<ServiceConnect>,
) -> Result<Json<Value>, Error> {
    Ok(Json(
        json!({ "connectedDeviceCount": core.sessions.count() }),
    ))
}

/// In the shape of `az iot hub show-quota-metrics`; without a quota there is nothing to show.
async fn quota_metrics(
    State(core): State<Arc<Core>>,
    _: Caller<RegistryRead>,
) -> Result<Json<Value>, Error> {
    let metrics: Vec<_> = core
        .quota
        .usage()
        .into_iter()
        .map(|(used, limit)| json!({ "name": "TotalMessages", "currentValue": used, "maxValue": limit }))
        .collect();
    Ok(Json(json!({ "value": metrics })))
}
