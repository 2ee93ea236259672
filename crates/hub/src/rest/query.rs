//! Queries over twins.

use axum::Json;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::caller::{Caller, ServiceConnect};
use super::extract::Body;
use crate::error::Error;
use crate::query::Wanted;

/// Header of a request: the most elements that it wants.
const MAX_COUNT: &str = "x-ms-max-item-count";
/// Header of a request and of a response: the token of the next page.
const CONTINUATION: &str = "x-ms-continuation";
/// Header of a response: the kind of its elements.
const ITEM_TYPE: &str = "x-ms-item-type";

/// Body of a request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    query: String,
}

/// Answers a query.
pub(super) async fn query(
    caller: Caller<ServiceConnect>,
    headers: HeaderMap,
    Body(asked): Body<Asked>,
) -> Result<Response, Error> {
    let header = |name: &str| {
        let text = headers.get(name)?.to_str().unwrap_or_default();
        (!text.is_empty()).then_some(text)
    };
    let size = header(MAX_COUNT)
        .map(|text| text.parse().ok().filter(|size| *size > 0))
        .map(|size| {
            size.ok_or_else(|| {
                Error::ArgumentInvalid(format!("{MAX_COUNT} is a whole number above 0"))
            })
        })
        .transpose()?;
    let wanted = Wanted {
        size,
        continuation: header(CONTINUATION).map(str::to_owned),
    };
    let page = caller.core.query(&asked.query, &wanted)?;
    let mut response = Json(page.elements).into_response();
    let kind = if page.are_twins { "Twin" } else { "Raw" };
    let answer = response.headers_mut();
    answer.insert(ITEM_TYPE, HeaderValue::from_static(kind));
    if let Some(token) = page.continuation.and_then(|token| token.try_into().ok()) {
        answer.insert(CONTINUATION, token);
    }
    Ok(response)
}
