//! Queries over twins.

use axum::Json;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::Value;

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
    pub(super) query: String,
}

/// Answers a query.
pub(super) async fn query(
    caller: Caller<ServiceConnect>,
    headers: HeaderMap,
    Body(asked): Body<Asked>,
) -> Result<Response, Error> {
    let wanted = wanted(&headers)?;
    let page = caller.core.query(&asked.query, &wanted)?;
    let kind = if page.are_twins { "Twin" } else { "Raw" };
    Ok(answer(page.elements, kind, page.continuation))
}

/// The page that the headers of a request ask for.
fn wanted(headers: &HeaderMap) -> Result<Wanted, Error> {
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
    Ok(Wanted {
        size,
        continuation: header(CONTINUATION).map(str::to_owned),
    })
}

fn answer(elements: Vec<Value>, kind: &'static str, continuation: Option<String>) -> Response {
    let mut response = Json(elements).into_response();
    let answer = response.headers_mut();
    answer.insert(ITEM_TYPE, HeaderValue::from_static(kind));
    if let Some(token) = continuation.and_then(|token| token.try_into().ok()) {
        answer.insert(CONTINUATION, token);
    }
    response
}

/// The page of entries in the order of their ids that is asked for. The id of the last one is its token.
pub(super) fn paged(
    entries: Vec<(String, Value)>,
    headers: &HeaderMap,
    kind: &'static str,
) -> Result<Response, Error> {
    const SIZE: usize = 100;
    let wanted = wanted(headers)?;
    let size = wanted.size.unwrap_or(SIZE).min(SIZE);
    let after = wanted.continuation.as_ref();
    let mut rest = entries
        .into_iter()
        .filter(|(id, _)| after.is_none_or(|after| id > after))
        .peekable();
    let (mut page, mut last) = (Vec::new(), None);
    while page.len() < size
        && let Some((id, entry)) = rest.next()
    {
        page.push(entry);
        last = Some(id);
    }
    let continuation = last.filter(|_| rest.peek().is_some());
    Ok(answer(page, kind, continuation))
}
