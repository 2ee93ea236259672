//! Faults on demand; Azure has nothing like it.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use serde::Deserialize;

use super::caller::{Caller, ServiceConnect};
use super::extract::{Body, Path};
use crate::core::Core;
use crate::error::Error;
use crate::faults::Fault;
use crate::registry::Identity;

pub(super) fn routes() -> Router<Arc<Core>> {
    let registration = post(fail_registration).delete(clear_registration);
    Router::new()
        .route("/faults/{id}", post(inject).delete(clear))
        .route(
            "/faults/{id}/modules/{module}",
            post(inject_module).delete(clear_module),
        )
        .route("/registrations/{id}/faults", registration)
}

async fn inject(
    State(core): State<Arc<Core>>,
    _: Caller<ServiceConnect>,
    Path(id): Path<String>,
    Body(fault): Body<Fault>,
) -> Result<StatusCode, Error> {
    core.inject(&Identity::device(id), fault)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn clear(
    State(core): State<Arc<Core>>,
    _: Caller<ServiceConnect>,
    Path(id): Path<String>,
) -> Result<StatusCode, Error> {
    core.faults.clear(&id);
    Ok(StatusCode::NO_CONTENT)
}

async fn inject_module(
    State(core): State<Arc<Core>>,
    _: Caller<ServiceConnect>,
    Path((id, module)): Path<(String, String)>,
    Body(fault): Body<Fault>,
) -> Result<StatusCode, Error> {
    core.inject(&Identity::module(id, module), fault)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn clear_module(
    State(core): State<Arc<Core>>,
    _: Caller<ServiceConnect>,
    Path((id, module)): Path<(String, String)>,
) -> Result<StatusCode, Error> {
    let identity = Identity::module(id, module);
    core.faults.clear(&identity.to_string());
    Ok(StatusCode::NO_CONTENT)
}

/// Failure of the next requests of a registration.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RegistrationFault {
    status: u16,
    #[serde(default = "once")]
    times: u32,
}

const fn once() -> u32 {
    1
}

async fn fail_registration(
    State(core): State<Arc<Core>>,
    _: Caller<ServiceConnect>,
    Path(id): Path<String>,
    Body(fault): Body<RegistrationFault>,
) -> Result<StatusCode, Error> {
    core.faults
        .fail_registration(&id, fault.status, fault.times)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn clear_registration(
    State(core): State<Arc<Core>>,
    _: Caller<ServiceConnect>,
    Path(id): Path<String>,
) -> Result<StatusCode, Error> {
    core.faults.clear_registration(&id);
    Ok(StatusCode::NO_CONTENT)
}
