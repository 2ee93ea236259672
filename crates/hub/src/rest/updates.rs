//! Software updates. Azure's Device Update has another interface, of its own account.

use axum::Json;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::caller::{Caller, ServiceConnect};
use super::extract::{Body, Query};
use super::route::{Operations, Routes};
use crate::error::Error;
use crate::update::{Group, Import, UpdateFault, UpdateId};

pub(super) fn routes() -> Routes {
    let deployments = Operations::new().post(deploy).delete(cancel).get(show);
    let faults = Operations::new().post(inject).delete(clear);
    Routes::new()
        .route("/updates", Operations::new().get(list).put(import))
        .route("/updates/deployments", deployments)
        .route("/updates/faults", faults)
}

/// Devices that a request is about: one, or those that a condition selects; without both, all.
#[derive(Deserialize)]
struct Devices {
    device: Option<String>,
    condition: Option<String>,
    /// A registration with the provisioning service.
    registration: Option<String>,
    /// The update is one for the time before the registration.
    #[serde(default)]
    onboarding: bool,
}

impl Devices {
    fn group(&self) -> Group<'_> {
        match (&self.device, &self.condition) {
            (Some(device), _) => Group::Device(device),
            (None, condition) => Group::Condition(condition.as_deref().unwrap_or_default()),
        }
    }
}

async fn list(caller: Caller<ServiceConnect>) -> Json<Value> {
    Json(caller.core.updates.list())
}

/// An update whose file the command has put into the state directory.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Imported {
    /// SHA-256 of the file, in hexadecimal.
    contents: String,
    update: Import,
}

async fn import(
    caller: Caller<ServiceConnect>,
    Body(imported): Body<Imported>,
) -> Result<Json<Value>, Error> {
    let core = caller.core;
    let now = core.clock.unix_millis();
    // The first one makes keys, which takes seconds.
    let work = move || {
        core.updates
            .import(imported.update, &imported.contents, now)
    };
    let made = tokio::task::spawn_blocking(work).await;
    let update = made.map_err(|error| Error::Server(error.to_string()))??;
    Ok(Json(json!(update)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Deployment {
    update: UpdateId,
}

async fn deploy(
    caller: Caller<ServiceConnect>,
    Query(devices): Query<Devices>,
    Body(deployment): Body<Deployment>,
) -> Result<Json<Value>, Error> {
    let core = &caller.core;
    match &devices.registration {
        Some(id) => {
            let workflow = core.offer_update(&deployment.update, id, devices.onboarding)?;
            Ok(Json(json!({ id: { "workflow": workflow } })))
        }
        None => core.deploy(&deployment.update, devices.group()).map(Json),
    }
}

async fn cancel(
    caller: Caller<ServiceConnect>,
    Query(devices): Query<Devices>,
) -> Result<Json<Value>, Error> {
    match &devices.registration {
        Some(id) => {
            caller.core.withdraw_update(id)?;
            Ok(Json(json!([id])))
        }
        None => caller.core.cancel_updates(devices.group()).map(Json),
    }
}

async fn show(
    caller: Caller<ServiceConnect>,
    Query(devices): Query<Devices>,
) -> Result<Json<Value>, Error> {
    match &devices.registration {
        Some(id) => Ok(Json(json!({ id: caller.core.offered_update(id) }))),
        None => caller.core.update_states(devices.group()).map(Json),
    }
}

#[derive(Deserialize)]
struct Injected {
    #[serde(flatten)]
    fault: UpdateFault,
    #[serde(default = "once")]
    times: u32,
}

const fn once() -> u32 {
    1
}

async fn inject(caller: Caller<ServiceConnect>, Body(injected): Body<Injected>) -> StatusCode {
    caller.core.updates.inject(injected.fault, injected.times);
    StatusCode::NO_CONTENT
}

async fn clear(caller: Caller<ServiceConnect>) -> StatusCode {
    caller.core.updates.clear_faults();
    StatusCode::NO_CONTENT
}
