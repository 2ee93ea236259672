//! CAs whose certificates authenticate devices.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::put;
use serde::Deserialize;

use super::caller::{Caller, RegistryWrite};
use super::extract::{Body, Path};
use crate::core::Core;
use crate::error::Error;

pub(super) fn routes() -> Router<Arc<Core>> {
    Router::new().route("/certificates/{name}", put(upload))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Upload {
    /// The certificate in PEM.
    certificate: String,
}

async fn upload(
    State(core): State<Arc<Core>>,
    _: Caller<RegistryWrite>,
    Path(name): Path<String>,
    Body(body): Body<Upload>,
) -> Result<StatusCode, Error> {
    core.registry.upload_authority(&name, &body.certificate)?;
    Ok(StatusCode::NO_CONTENT)
}
