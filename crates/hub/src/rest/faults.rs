//! Faults on demand; Azure has nothing like it.

use axum::http::StatusCode;
use serde::Deserialize;

use super::caller::{Caller, ServiceConnect};
use super::extract::{Body, Id, Path};
use super::route::{Operations, Routes};
use crate::error::Error;
use crate::faults::Fault;

pub(super) fn routes() -> Routes {
    let registration = Operations::new()
        .post(fail_registration)
        .delete(clear_registration);
    Routes::new()
        .of_identity("/faults", "", Operations::new().post(inject).delete(clear))
        .route("/registrations/{id}/faults", registration)
}

async fn inject(
    caller: Caller<ServiceConnect>,
    Id(identity): Id,
    Body(fault): Body<Fault>,
) -> Result<StatusCode, Error> {
    caller.core.inject(&identity, fault)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn clear(caller: Caller<ServiceConnect>, Id(identity): Id) -> StatusCode {
    caller.core.faults.clear(&identity.to_string());
    StatusCode::NO_CONTENT
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
    caller: Caller<ServiceConnect>,
    Path(id): Path<String>,
    Body(fault): Body<RegistrationFault>,
) -> Result<StatusCode, Error> {
    let faults = &caller.core.faults;
    faults.fail_registration(&id, fault.status, fault.times)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn clear_registration(caller: Caller<ServiceConnect>, Path(id): Path<String>) -> StatusCode {
    caller.core.faults.clear_registration(&id);
    StatusCode::NO_CONTENT
}
