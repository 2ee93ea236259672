//! CAs whose certificates authenticate devices.

use axum::http::StatusCode;
use serde::Deserialize;

use super::caller::{Caller, RegistryWrite};
use super::extract::{Body, Path};
use super::route::{Operations, Routes};
use crate::error::Error;

pub(super) fn routes() -> Routes {
    Routes::new().route("/certificates/{name}", Operations::new().put(upload))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Upload {
    /// The certificate in PEM.
    certificate: String,
}

async fn upload(
    caller: Caller<RegistryWrite>,
    Path(name): Path<String>,
    Body(body): Body<Upload>,
) -> Result<StatusCode, Error> {
    caller
        .core
        .registry
        .upload_authority(&name, &body.certificate)?;
    Ok(StatusCode::NO_CONTENT)
}
