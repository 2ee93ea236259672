//! Sender of a request: the holder of a token under one of the hub's policies.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::{AUTHORIZATION, HOST, HeaderName, IF_MATCH};
use axum::http::request::Parts;

use crate::core::Core;
use crate::credentials::sas::Token;
use crate::error::Error;
use crate::policy::Right;

/// A right that a handler needs, as a type: an extractor knows no values.
pub(super) trait Needs {
    /// The right.
    const RIGHT: Right;
}

macro_rules! rights {
    ($($name:ident),*) => {$(
        /// The right of the same name.
        pub(super) struct $name;

        impl Needs for $name {
            const RIGHT: Right = Right::$name;
        }
    )*};
}

rights!(RegistryRead, RegistryWrite, ServiceConnect);

/// A caller whose token gives the right `R` on the hub, the conditions of the request, and the hub that it is for.
/// The head of a request is judged before its body is read.
pub(super) struct Caller<R> {
    /// The hub.
    pub(super) core: Arc<Core>,
    if_match: Option<String>,
    right: PhantomData<R>,
}

impl<R: Needs> FromRequestParts<Arc<Core>> for Caller<R> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, core: &Arc<Core>) -> Result<Self, Error> {
        authorize(parts, core, R::RIGHT)?;
        check_version(parts)?;
        Ok(Self {
            core: Arc::clone(core),
            if_match: header(parts, IF_MATCH).map(str::to_owned),
            right: PhantomData,
        })
    }
}

impl<R> Caller<R> {
    /// The condition of a change: `None` if there is no `If-Match`, `Some(None)` for `*`, or an etag.
    pub(super) fn condition(&self) -> Option<Option<&str>> {
        self.if_match.as_deref().map(|value| match value.trim() {
            "*" | "\"*\"" => None,
            etag => Some(etag.trim_matches('"')),
        })
    }
}

pub(super) fn header(parts: &Parts, name: HeaderName) -> Option<&str> {
    parts
        .headers
        .get(name)
        .and_then(|value| value.to_str().ok())
}

/// Refuses a request without an api-version.
pub(super) fn check_version(parts: &Parts) -> Result<(), Error> {
    let query = parts.uri.query().unwrap_or_default();
    let version = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("api-version="));
    if version.is_none_or(str::is_empty) {
        return Err(Error::ArgumentInvalid(
            "the request has no api-version; add ?api-version=2021-04-12".into(),
        ));
    }
    Ok(())
}

/// Mark of a request whose sender proved elsewhere to be the hub's owner. No header of a request makes one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner(());

impl Owner {
    /// The mark.
    pub(crate) const fn new() -> Self {
        Self(())
    }
}

/// Refuses a request whose token does not give this right on the hub.
///
/// The token may be for the hub's name, with or without the port that a client on another port than 443 has
/// in its connection string.
pub(super) fn authorize(parts: &Parts, core: &Core, right: Right) -> Result<(), Error> {
    if parts.extensions.get::<Owner>().is_some() {
        return Ok(());
    }
    let text = header(parts, AUTHORIZATION)
        .ok_or_else(|| Error::Unauthorized("the request has no Authorization header".into()))?;
    let token = Token::parse(text).map_err(|error| Error::Unauthorized(error.to_string()))?;
    let (name, path) = (&core.host_name, parts.uri.path());
    let mut targets = vec![format!("{name}{path}")];
    let host = header(parts, HOST).unwrap_or_default();
    if let Some((_, port)) = host.rsplit_once(':') {
        targets.push(format!("{name}:{port}{path}"));
    }
    let now = core.clock.unix_secs();
    let skew = core.limits.sas_skew.as_secs();
    core.policies
        .check(&token, right, &targets, now, skew)
        .map_err(Error::Unauthorized)
}
