//! Enrolments of the Device Provisioning Service in the shape of this hub's own, with what only it has.

use axum::Json;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::caller::{Caller, RegistryRead, RegistryWrite};
use super::extract::{Body, Path};
use super::route::{Operations, Routes};
use crate::dps::{Condition, Enrollment};
use crate::error::Error;

/// A handler serves groups with `true`, and single registrations with `false`.
pub(super) fn routes() -> Routes {
    Routes::new()
        .route("/provisioning", Operations::new().get(service))
        .route(
            "/provisioning/enrollments",
            Operations::new().get(list::<false>),
        )
        .route(
            "/provisioning/enrollmentGroups",
            Operations::new().get(list::<true>),
        )
        .route(
            "/provisioning/enrollments/{id}",
            Operations::new()
                .get(read::<false>)
                .put(put::<false>)
                .delete(delete::<false>),
        )
        .route(
            "/provisioning/enrollmentGroups/{id}",
            Operations::new()
                .get(read::<true>)
                .put(put::<true>)
                .delete(delete::<true>),
        )
}

async fn service(caller: Caller<RegistryRead>) -> Json<Value> {
    Json(json!({ "idScope": caller.core.provisioning.id_scope() }))
}

/// All of them, each with its id where Azure has it.
async fn list<const GROUP: bool>(caller: Caller<RegistryRead>) -> Result<Json<Vec<Value>>, Error> {
    let member = if GROUP {
        "enrollmentGroupId"
    } else {
        "registrationId"
    };
    let all = caller.core.provisioning.all(GROUP).into_iter();
    let shown = all.map(|(id, enrollment)| {
        let mut entry = serde_json::to_value(&enrollment)
            .map_err(|error| Error::Server(format!("an enrolment cannot be shown: {error}")))?;
        entry[member] = id.into();
        Ok(entry)
    });
    shown.collect::<Result<_, _>>().map(Json)
}

async fn read<const GROUP: bool>(
    caller: Caller<RegistryRead>,
    Path(id): Path<String>,
) -> Result<Json<Enrollment>, Error> {
    let found = caller.core.provisioning.get(&id, GROUP);
    found.map(Json).ok_or(Error::EnrollmentNotFound(id))
}

/// Enrols, or replaces an enrolment if the request has `If-Match`.
async fn put<const GROUP: bool>(
    caller: Caller<RegistryWrite>,
    Path(id): Path<String>,
    Body(enrollment): Body<Enrollment>,
) -> Result<Json<Enrollment>, Error> {
    let dps = &caller.core.provisioning;
    let condition = match caller.condition() {
        None => Condition::New,
        Some(None) => Condition::Any,
        Some(Some(etag)) => Condition::Etag(etag),
    };
    dps.put(&id, GROUP, condition, enrollment, None).map(Json)
}

async fn delete<const GROUP: bool>(
    caller: Caller<RegistryWrite>,
    Path(id): Path<String>,
) -> Result<StatusCode, Error> {
    caller.core.provisioning.remove(&id, GROUP)?;
    Ok(StatusCode::NO_CONTENT)
}
