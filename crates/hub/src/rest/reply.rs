//! Errors as IoT Hub's REST API words them.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::credentials::random;
use crate::error::Error;

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status = u16::try_from(self.code() / 1000)
            .ok()
            .and_then(|code| StatusCode::from_u16(code).ok());
        let body = json!({
            "Message": format!("ErrorCode:{};{self}", self.name()),
            "ExceptionMessage": format!("Tracking ID:{}", random::uuid()),
        });
        let mut response = (
            status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            Json(body),
        )
            .into_response();
        response
            .headers_mut()
            .insert("iothub-errorcode", HeaderValue::from_static(self.name()));
        response
    }
}

/// The answer to a path that there is not.
pub(super) async fn no_such_route(uri: Uri) -> (StatusCode, Json<serde_json::Value>) {
    let message = format!("ErrorCode:InvalidOperation;there is no {}", uri.path());
    (StatusCode::NOT_FOUND, Json(json!({ "Message": message })))
}
