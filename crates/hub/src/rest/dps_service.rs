//! The provisioning service's own API in Azure's shape: enrolments and groups, their keys, queries, bulk changes,
//! and registrations ("Service – Individual Enrollment", "Enrollment Group", "Device Registration State").

use std::sync::Arc;

use axum::Json;
use axum::http::header::ETAG;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::caller::{Caller, RegistryRead, RegistryWrite};
use super::dps_shape::{self, from_azure, to_azure};
use super::extract::{Body, Path};
use super::query::{Asked, paged};
use super::reply;
use super::route::{Operations, Routes};
use crate::core::Core;
use crate::dps::{Condition, check_policy, is_registration_id};
use crate::error::Error;

/// Most enrolments in one bulk change.
const MAX_BULK: usize = 10;

/// A handler serves groups with `true`, and individuals with `false`.
pub(super) fn routes() -> Routes {
    Routes::new()
        .route("/enrollments", Operations::new().post(bulk))
        .route(
            "/enrollments/{id}",
            Operations::new()
                .get(read::<false>)
                .put(put::<false>)
                .delete(delete::<false>)
                .post(query::<false>),
        )
        .route(
            "/enrollments/{id}/attestationmechanism",
            Operations::new().post(attestation::<false>),
        )
        .route(
            "/enrollmentGroups/{id}",
            Operations::new()
                .get(read::<true>)
                .put(put::<true>)
                .delete(delete::<true>)
                .post(query::<true>),
        )
        .route(
            "/enrollmentGroups/{id}/attestationmechanism",
            Operations::new().post(attestation::<true>),
        )
        .route(
            "/registrations/{id}",
            Operations::new()
                .get(registration)
                .delete(forget_registration),
        )
        .route(
            "/registrations/{id}/query",
            Operations::new().post(query_registrations),
        )
        .worded(reply::of_provisioning)
}

/// Condition of a change by its `If-Match`.
fn condition<R>(caller: &Caller<R>) -> Condition<'_> {
    match caller.condition() {
        None => Condition::New,
        Some(None) => Condition::Any,
        Some(Some(etag)) => Condition::Etag(etag),
    }
}

fn shown(core: &Core, id: &str, group: bool) -> Result<Value, Error> {
    let dps = &core.provisioning;
    let found = dps.get(id, group);
    let enrollment = found.ok_or_else(|| Error::EnrollmentNotFound(id.to_owned()))?;
    let mut shown = to_azure(id, group, &enrollment, &dps.details(id, group));
    if !group && let Ok(registration) = dps.registration(id) {
        shown["registrationState"] = registration.to_json(id, &core.host_name);
    }
    Ok(shown)
}

/// An enrolment with its etag in the header, too.
fn with_etag(shown: Value) -> Response {
    let etag = HeaderValue::try_from(shown["etag"].as_str().unwrap_or_default());
    let mut response = Json(shown).into_response();
    if let Ok(etag) = etag {
        response.headers_mut().insert(ETAG, etag);
    }
    response
}

async fn read<const GROUP: bool>(
    caller: Caller<RegistryRead>,
    Path(id): Path<String>,
) -> Result<Response, Error> {
    shown(&caller.core, &id, GROUP).map(with_etag)
}

async fn put<const GROUP: bool>(
    caller: Caller<RegistryWrite>,
    Path(id): Path<String>,
    Body(body): Body<Value>,
) -> Result<Response, Error> {
    change(&caller.core, &id, GROUP, condition(&caller), body)?;
    shown(&caller.core, &id, GROUP).map(with_etag)
}

/// Enrols, or changes; members that this hub has beside Azure's stay as they are.
fn change(
    core: &Core,
    id: &str,
    group: bool,
    condition: Condition<'_>,
    body: Value,
) -> Result<(), Error> {
    let old = core.provisioning.get(id, group);
    let authority = |name: &str| core.registry.authority(name);
    let (enrollment, more) = from_azure(id, group, body, old, authority)?;
    check_policy(&more, &core.host_name)?;
    core.provisioning
        .put(id, group, condition, enrollment, Some(more))
        .map(drop)
}

async fn delete<const GROUP: bool>(
    caller: Caller<RegistryWrite>,
    Path(id): Path<String>,
) -> Result<StatusCode, Error> {
    let condition = match condition(&caller) {
        Condition::New => Condition::Any,
        condition => condition,
    };
    caller.core.provisioning.remove_if(&id, GROUP, condition)?;
    Ok(StatusCode::NO_CONTENT)
}

/// The one answer that has the symmetric keys.
async fn attestation<const GROUP: bool>(
    caller: Caller<RegistryWrite>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Error> {
    let dps = &caller.core.provisioning;
    let enrollment = dps
        .get(&id, GROUP)
        .ok_or_else(|| Error::EnrollmentNotFound(id.clone()))?;
    let details = dps.details(&id, GROUP);
    Ok(Json(dps_shape::attestation(&enrollment, &details, true)))
}

/// `POST /enrollments/query`; no id of an enrolment takes a POST.
async fn query<const GROUP: bool>(
    caller: Caller<RegistryRead>,
    Path(id): Path<String>,
    Queried(headers, asked): Queried,
) -> Result<Response, Error> {
    if id != "query" {
        return Err(Error::ArgumentInvalid(
            "an enrolment is changed by PUT, not by POST".into(),
        ));
    }
    let (source, kind) = match GROUP {
        true => ("enrollmentgroups", "EnrollmentGroup"),
        false => ("enrollments", "Enrollment"),
    };
    check_query(&asked.query, source)?;
    let core = &caller.core;
    let all = core.provisioning.all(GROUP).into_iter();
    let named = all.filter_map(|(id, _)| {
        let entry = shown(core, &id, GROUP).ok()?;
        Some((id, entry))
    });
    paged(named.collect(), &headers, kind)
}

/// Headers and body of a query.
struct Queried(HeaderMap, Asked);

impl axum::extract::FromRequest<Arc<Core>> for Queried {
    type Rejection = Error;

    async fn from_request(
        request: axum::extract::Request,
        core: &Arc<Core>,
    ) -> Result<Self, Error> {
        let headers = request.headers().clone();
        let Body(asked) = Body::from_request(request, core).await?;
        Ok(Self(headers, asked))
    }
}

/// The service's query language is served as far as tools send it: everything there is.
fn check_query(text: &str, source: &str) -> Result<(), Error> {
    // `az` (azure-iot 0.25.0) sends its own object as Python prints it.
    let printed = text.strip_prefix("{'additional_properties': {}, 'query': '");
    let text = printed
        .and_then(|text| text.strip_suffix("'}"))
        .unwrap_or(text);
    let words: Vec<_> = text.split_whitespace().collect();
    // `az` names no source.
    let is_short = matches!(words.as_slice(), [select, all]
        if select.eq_ignore_ascii_case("select") && *all == "*");
    let is_whole = matches!(words.as_slice(), [select, all, from, named]
        if select.eq_ignore_ascii_case("select") && *all == "*" && from.eq_ignore_ascii_case("from")
            && named.eq_ignore_ascii_case(source));
    if is_short || is_whole {
        return Ok(());
    }
    Err(Error::ArgumentInvalid(format!(
        "this query is not supported; the one that is: SELECT * FROM {source}"
    )))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bulk {
    mode: String,
    enrollments: Vec<Value>,
}

/// Several individual enrolments; each succeeds or fails by itself.
async fn bulk(caller: Caller<RegistryWrite>, Body(bulk): Body<Bulk>) -> Result<Json<Value>, Error> {
    let core = &caller.core;
    if bulk.enrollments.len() > MAX_BULK {
        let why = format!("a bulk change has {MAX_BULK} enrolments at most");
        return Err(Error::ArgumentInvalid(why));
    }
    let mut errors = Vec::new();
    for entry in bulk.enrollments {
        let id = entry["registrationId"].as_str().unwrap_or_default();
        let id = id.to_owned();
        let etag = entry["etag"].as_str().unwrap_or_default();
        let etag = etag.trim_matches('"').to_owned();
        let dps = &core.provisioning;
        let done = match bulk.mode.as_str() {
            _ if !is_registration_id(&id) => Err(Error::ArgumentInvalid(
                "an enrolment of the bulk has no valid registrationId".into(),
            )),
            "create" => change(core, &id, false, Condition::New, entry),
            "update" => change(core, &id, false, Condition::Any, entry),
            "updateIfMatchETag" => change(core, &id, false, Condition::Etag(&etag), entry),
            "delete" => dps.remove_if(&id, false, Condition::Any),
            _ => {
                return Err(Error::ArgumentInvalid(
                    "mode is create, update, updateIfMatchETag or delete".into(),
                ));
            }
        };
        if let Err(error) = done {
            errors.push(json!({
                "registrationId": id,
                "errorCode": error.code(),
                "errorStatus": error.to_string(),
            }));
        }
    }
    Ok(Json(
        json!({ "isSuccessful": errors.is_empty(), "errors": errors }),
    ))
}

async fn registration(
    caller: Caller<RegistryRead>,
    Path(id): Path<String>,
) -> Result<Response, Error> {
    let registration = caller.core.provisioning.registration(&id)?;
    Ok(with_etag(registration.to_json(&id, &caller.core.host_name)))
}

async fn forget_registration(
    caller: Caller<RegistryWrite>,
    Path(id): Path<String>,
) -> Result<StatusCode, Error> {
    caller.core.provisioning.forget_registration(&id)?;
    Ok(StatusCode::NO_CONTENT)
}

/// The registrations that a group assigned. Some clients send no body, and there is nothing to say in one.
async fn query_registrations(
    caller: Caller<RegistryRead>,
    Path(group): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let core = &caller.core;
    if core.provisioning.get(&group, true).is_none() {
        return Err(Error::EnrollmentNotFound(group));
    }
    let all = core.provisioning.registrations().into_iter();
    let of_group = all.filter(|(_, registration)| registration.group() == Some(group.as_str()));
    let shown = of_group.map(|(id, registration)| {
        let state = registration.to_json(&id, &core.host_name);
        (id, state)
    });
    paged(shown.collect(), &headers, "DeviceRegistration")
}
