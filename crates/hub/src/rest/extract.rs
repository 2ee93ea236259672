//! Paths, queries and bodies of requests: what is wrong with them is told as IoT Hub's REST API does.

use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use tokio::time::timeout;

use crate::core::Core;
use crate::error::Error;
use crate::registry::Identity;

/// Most bytes of a body: a twin of the largest size, with the metadata that it was read with.
const MAX_BODY: usize = 1024 * 1024;

/// The ids in a path.
pub(super) struct Path<T>(pub(super) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Arc<Core>> for Path<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, core: &Arc<Core>) -> Result<Self, Error> {
        let path = axum::extract::Path::from_request_parts(parts, core).await;
        path.map(|axum::extract::Path(ids)| Self(ids))
            .map_err(|why| Error::ArgumentInvalid(format!("the path is malformed: {why}")))
    }
}

/// Path of queries, and of a device with this id.
pub(super) const QUERY: &str = "/devices/query";

/// The device in a path, or the module where the path names one.
pub(super) struct Id(pub(super) Identity);

#[derive(Deserialize)]
struct IdInPath {
    id: String,
    module: Option<String>,
}

impl FromRequestParts<Arc<Core>> for Id {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, core: &Arc<Core>) -> Result<Self, Error> {
        if parts.uri.path() == QUERY {
            return Ok(Self(Identity::device("query")));
        }
        let Path(IdInPath { id, module }) = Path::from_request_parts(parts, core).await?;
        Ok(Self(match module {
            Some(module) => Identity::module(id, module),
            None => Identity::device(id),
        }))
    }
}

/// The parameters after `?`; ones that have no meaning are passed over.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<Arc<Core>> for Query<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, core: &Arc<Core>) -> Result<Self, Error> {
        let query = axum::extract::Query::from_request_parts(parts, core).await;
        query
            .map(|axum::extract::Query(query)| Self(query))
            .map_err(|why| Error::ArgumentInvalid(format!("the query is malformed: {why}")))
    }
}

/// A body in JSON, of a limited size and within a limited time.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<Core>> for Body<T> {
    type Rejection = Error;

    async fn from_request(request: Request, core: &Arc<Core>) -> Result<Self, Error> {
        check_type(&request)?;
        parse(&collect(request.into_body(), core, MAX_BODY).await?).map(Self)
    }
}

/// Reads a body of `most` bytes at most, within a limited time.
pub(super) async fn collect(
    body: axum::body::Body,
    core: &Core,
    most: usize,
) -> Result<Bytes, Error> {
    let patience = core.limits.operator_timeout;
    let reading = Limited::new(body, most).collect();
    match timeout(patience, reading).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Error::MessageTooLarge(format!(
            "the body has more than {most} bytes"
        ))),
        Ok(Err(error)) => Err(Error::ArgumentInvalid(format!(
            "the body did not arrive: {error}"
        ))),
        Err(_) => Err(Error::TimedOut(format!(
            "the body did not arrive within {} s",
            patience.as_secs_f32()
        ))),
    }
}

/// A body whose type is named has to be JSON.
fn check_type(request: &Request) -> Result<(), Error> {
    let Some(named) = request.headers().get(CONTENT_TYPE) else {
        return Ok(());
    };
    let named = named.to_str().unwrap_or_default();
    let kind = named.split(';').next().unwrap_or_default().trim();
    let is_json = kind.eq_ignore_ascii_case("application/json")
        || kind.to_ascii_lowercase().ends_with("+json");
    if is_json {
        Ok(())
    } else {
        Err(Error::UnsupportedMediaType(
            "the body is not JSON by its Content-Type; send application/json".into(),
        ))
    }
}

/// Reads JSON; tells what is wrong without the text that is.
pub(super) fn parse<T: DeserializeOwned>(body: &Bytes) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|error| {
        Error::Deserialization(match error.classify() {
            Category::Data => format!(
                "the body does not suit: {}",
                without_text(&error.to_string())
            ),
            _ => format!("the body is not JSON: {error}"),
        })
    })
}

/// Complaint of serde, without the text that it found in place of something else: that may be a key.
fn without_text(error: &str) -> String {
    const FOUND: &str = "string \"";
    match (error.find(FOUND), error.rfind("\", expected")) {
        (Some(start), Some(end)) if start + FOUND.len() <= end => {
            let (before, after) = (&error[..start], &error[end + 1..]);
            format!("{before}a string{after}")
        }
        _ => error.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[serde(rename = "number")]
        _number: u8,
    }

    fn refused(body: &str) -> String {
        match parse::<Sample>(&Bytes::copy_from_slice(body.as_bytes())) {
            Ok(sample) => panic!("{sample:?}"),
            Err(error) => {
                assert_eq!(error.code(), 400_012);
                error.to_string()
            }
        }
    }

    #[test]
    fn a_body_that_does_not_suit_is_explained_without_its_text() {
        for text in ["c2VjcmV0", "a\\\", expected b", "\\\"", ""] {
            let told = refused(&format!("{{\"number\":\"{text}\"}}"));
            assert!(
                told.contains("invalid type: a string, expected u8"),
                "{told}"
            );
        }
        assert!(refused("{\"numbre\":1}").contains("unknown field `numbre`"));
        assert!(refused("{\"number\":256}").contains("256"));
        assert!(refused("{").contains("not JSON"));
        assert!(refused("").contains("not JSON"));
    }
}
