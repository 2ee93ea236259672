//! Who sent a request: the holder of a token under one of the hub's policies.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::{AUTHORIZATION, HOST, HeaderName, IF_MATCH};
use axum::http::request::Parts;

use crate::core::Core;
use crate::credentials::sas::Token;
use crate::error::Error;
use crate::policy::Right;

/// A request's token and conditions, to be checked by [`Self::needs`].
pub(super) struct Caller {
    core: Arc<Core>,
    authorization: String,
    /// What the token has to be for: `host[:port]` as the client wrote it, and the path.
    host: String,
    path: String,
    if_match: Option<String>,
}

impl FromRequestParts<Arc<Core>> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, core: &Arc<Core>) -> Result<Self, Error> {
        let header = |name: HeaderName| {
            parts
                .headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned)
        };
        let query = parts.uri.query().unwrap_or_default();
        let version = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("api-version="));
        if version.is_none_or(str::is_empty) {
            return Err(Error::ArgumentInvalid(
                "the request has no api-version; add ?api-version=2021-04-12".into(),
            ));
        }
        Ok(Self {
            core: Arc::clone(core),
            authorization: header(AUTHORIZATION).ok_or_else(|| {
                Error::Unauthorized("the request has no Authorization header".into())
            })?,
            host: header(HOST).unwrap_or_default(),
            path: parts.uri.path().to_owned(),
            if_match: header(IF_MATCH),
        })
    }
}

impl Caller {
    /// Refuses a caller whose token does not give this right on the hub.
    ///
    /// The token may be for the hub's name, with or without the port that a client on another port than
    /// 443 has in its connection string.
    pub(super) fn needs(&self, right: Right) -> Result<(), Error> {
        let token = Token::parse(&self.authorization)
            .map_err(|error| Error::Unauthorized(error.to_string()))?;
        let now = self.core.clock.unix_secs();
        let skew = self.core.limits.sas_skew.as_secs();
        let name = &self.core.host_name;
        let check = |host: &str| {
            let target = format!("{host}{}", self.path);
            self.core.policies.check(&token, right, &target, now, skew)
        };
        let with_port = self
            .host
            .rsplit_once(':')
            .map(|(_, port)| format!("{name}:{port}"));
        check(name)
            .or_else(|why| with_port.as_deref().map_or(Err(why), check))
            .map_err(Error::Unauthorized)
    }

    /// The condition of a change: `None` if there is no `If-Match`, `Some(None)` for `*`, or an etag.
    pub(super) fn condition(&self) -> Option<Option<&str>> {
        self.if_match.as_deref().map(|value| match value.trim() {
            "*" | "\"*\"" => None,
            etag => Some(etag.trim_matches('"')),
        })
    }
}
