//! Faults on demand; Azure has nothing like it.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};

use super::caller::Caller;
use crate::core::Core;
use crate::error::Error;
use crate::faults::Fault;
use crate::policy::Right;
use crate::registry::Identity;

pub(super) fn routes() -> Router<Arc<Core>> {
    Router::new().route("/faults/{id}", post(inject).delete(clear))
}

async fn inject(
    State(core): State<Arc<Core>>,
    caller: Caller,
    Path(id): Path<String>,
    Json(fault): Json<Fault>,
) -> Result<StatusCode, Error> {
    caller.needs(Right::ServiceConnect)?;
    core.inject(&Identity::device(id), fault)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn clear(
    State(core): State<Arc<Core>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Error> {
    caller.needs(Right::ServiceConnect)?;
    core.faults.clear(&id);
    Ok(StatusCode::NO_CONTENT)
}
