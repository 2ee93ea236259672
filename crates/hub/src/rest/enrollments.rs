//! Enrolments of the Device Provisioning Service: its paths, with bodies of this hub's own.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::caller::Caller;
use crate::core::Core;
use crate::dps::Enrollment;
use crate::error::Error;
use crate::policy::Right;

pub(super) fn routes() -> Router<Arc<Core>> {
    let individual = get(read_individual)
        .put(put_individual)
        .delete(delete_individual);
    let group = get(read_group).put(put_group).delete(delete_group);
    Router::new()
        .route("/provisioning", get(service))
        .route("/enrollments/{id}", individual)
        .route("/enrollmentGroups/{name}", group)
}

async fn service(State(core): State<Arc<Core>>, caller: Caller) -> Result<Json<Value>, Error> {
    caller.needs(Right::RegistryRead)?;
    Ok(Json(json!({ "idScope": core.provisioning.id_scope() })))
}

fn read(core: &Core, caller: &Caller, name: &str, group: bool) -> Result<Json<Enrollment>, Error> {
    caller.needs(Right::RegistryRead)?;
    let found = core.provisioning.get(name, group);
    found
        .map(Json)
        .ok_or_else(|| Error::EnrollmentNotFound(name.to_owned()))
}

fn put(
    core: &Core,
    caller: &Caller,
    name: &str,
    group: bool,
    enrollment: Enrollment,
) -> Result<Json<Enrollment>, Error> {
    caller.needs(Right::RegistryWrite)?;
    core.provisioning.enroll(name, group, enrollment).map(Json)
}

fn delete(core: &Core, caller: &Caller, name: &str, group: bool) -> Result<StatusCode, Error> {
    caller.needs(Right::RegistryWrite)?;
    core.provisioning.remove(name, group)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn read_individual(
    State(core): State<Arc<Core>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Enrollment>, Error> {
    read(&core, &caller, &id, false)
}

async fn put_individual(
    State(core): State<Arc<Core>>,
    caller: Caller,
    Path(id): Path<String>,
    Json(body): Json<Enrollment>,
) -> Result<Json<Enrollment>, Error> {
    put(&core, &caller, &id, false, body)
}

async fn delete_individual(
    State(core): State<Arc<Core>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Error> {
    delete(&core, &caller, &id, false)
}

async fn read_group(
    State(core): State<Arc<Core>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<Enrollment>, Error> {
    read(&core, &caller, &name, true)
}

async fn put_group(
    State(core): State<Arc<Core>>,
    caller: Caller,
    Path(name): Path<String>,
    Json(body): Json<Enrollment>,
) -> Result<Json<Enrollment>, Error> {
    put(&core, &caller, &name, true, body)
}

async fn delete_group(
    State(core): State<Arc<Core>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<StatusCode, Error> {
    delete(&core, &caller, &name, true)
}
