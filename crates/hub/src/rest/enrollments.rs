//! Enrolments of the Device Provisioning Service: its paths, with bodies of this hub's own.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::caller::{Caller, RegistryRead, RegistryWrite};
use super::extract::{Body, Path};
use crate::core::Core;
use crate::dps::Enrollment;
use crate::error::Error;

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

async fn service(
    State(core): State<Arc<Core>>,
    _: Caller<RegistryRead>,
) -> Result<Json<Value>, Error> {
    Ok(Json(json!({ "idScope": core.provisioning.id_scope() })))
}

fn read(core: &Core, name: &str, group: bool) -> Result<Json<Enrollment>, Error> {
    let found = core.provisioning.get(name, group);
    found
        .map(Json)
        .ok_or_else(|| Error::EnrollmentNotFound(name.to_owned()))
}

/// Enrols, or replaces an enrolment if the request has `If-Match`; what has no etag is told by `*`.
fn put(
    core: &Core,
    caller: &Caller<RegistryWrite>,
    name: &str,
    group: bool,
    enrollment: Enrollment,
) -> Result<Json<Enrollment>, Error> {
    let dps = &core.provisioning;
    match caller.condition() {
        None => dps.create(name, group, enrollment),
        Some(None) => dps.replace(name, group, enrollment),
        Some(Some(_)) => Err(Error::PreconditionFailed(
            "an enrolment has no etag here; send If-Match: * to replace it".into(),
        )),
    }
    .map(Json)
}

fn delete(core: &Core, name: &str, group: bool) -> Result<StatusCode, Error> {
    core.provisioning.remove(name, group)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn read_individual(
    State(core): State<Arc<Core>>,
    _: Caller<RegistryRead>,
    Path(id): Path<String>,
) -> Result<Json<Enrollment>, Error> {
    read(&core, &id, false)
}

async fn put_individual(
    State(core): State<Arc<Core>>,
    caller: Caller<RegistryWrite>,
    Path(id): Path<String>,
    Body(body): Body<Enrollment>,
) -> Result<Json<Enrollment>, Error> {
    put(&core, &caller, &id, false, body)
}

async fn delete_individual(
    State(core): State<Arc<Core>>,
    _: Caller<RegistryWrite>,
    Path(id): Path<String>,
) -> Result<StatusCode, Error> {
    delete(&core, &id, false)
}

async fn read_group(
    State(core): State<Arc<Core>>,
    _: Caller<RegistryRead>,
    Path(name): Path<String>,
) -> Result<Json<Enrollment>, Error> {
    read(&core, &name, true)
}

async fn put_group(
    State(core): State<Arc<Core>>,
    caller: Caller<RegistryWrite>,
    Path(name): Path<String>,
    Body(body): Body<Enrollment>,
) -> Result<Json<Enrollment>, Error> {
    put(&core, &caller, &name, true, body)
}

async fn delete_group(
    State(core): State<Arc<Core>>,
    _: Caller<RegistryWrite>,
    Path(name): Path<String>,
) -> Result<StatusCode, Error> {
    delete(&core, &name, true)
}
