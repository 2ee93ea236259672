//! Errors as Azure's Blob Storage words them: a status, a code, and XML ("Status and error codes").

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Response, StatusCode};

use crate::store::StoreError;

/// Reason why a request to the storage account is refused. The text repeats nothing secret.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) why: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &'static str, why: impl Into<String>) -> Self {
        Self {
            status,
            code,
            why: why.into(),
        }
    }

    /// A malformed request.
    pub(super) fn bad(code: &'static str, why: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, why)
    }

    /// The signature does not permit the request.
    pub(super) fn forbidden(code: &'static str, why: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, why)
    }

    /// There is no such blob.
    pub(super) fn not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "BlobNotFound",
            "The specified blob does not exist.",
        )
    }

    /// The file system fails. Clients try again.
    pub(super) fn failed(doing: &str, error: &std::io::Error) -> Self {
        log::error!("cannot {doing} of an upload: {error}");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalError",
            format!("the hub cannot {doing}: {error}"),
        )
    }

    /// The answer.
    pub(super) fn into_response(self) -> Response<Body> {
        let mut why = String::new();
        for c in self.why.chars() {
            match c {
                '&' => why.push_str("&amp;"),
                '<' => why.push_str("&lt;"),
                '>' => why.push_str("&gt;"),
                c if c.is_control() => why.push(' '),
                c => why.push(c),
            }
        }
        let code = self.code;
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>{code}</Code><Message>{why}</Message></Error>"
        );
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        headers.insert("x-ms-error-code", HeaderValue::from_static(code));
        response
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        log::error!("{error}");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalError",
            error.to_string(),
        )
    }
}
