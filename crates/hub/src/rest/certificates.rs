//! CAs whose certificates authenticate devices.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::put;
use axum::{Json, Router};
use serde::Deserialize;

use super::caller::Caller;
use crate::core::Core;
use crate::error::Error;
use crate::policy::Right;

pub(super) fn routes() -> Router<Arc<Core>> {
    Router::new().route("/certificates/{name}", put(upload))
}

#[derive(Deserialize)]
struct Body {
    /// The certificate in PEM.
    certificate: String,
}

async fn upload(
    State(core): State<Arc<Core>>,
    caller: Caller,
    Path(name): Path<String>,
    Json(body): Json<Body>,
) -> Result<StatusCode, Error> {
    caller.needs(Right::RegistryWrite)?;
    core.registry.upload_authority(&name, &body.certificate)?;
    Ok(StatusCode::NO_CONTENT)
}
