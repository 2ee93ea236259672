//! Sender of a device's request: the device itself, by its token or certificate, or the holder of a token under a
//! policy that may connect as any device.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::{AUTHORIZATION, HOST};
use axum::http::request::Parts;
use rustls_pki_types::CertificateDer;

use super::caller::{Owner, authorize, check_version, header};
use super::extract::Id;
use crate::core::Core;
use crate::credentials::sas::Token;
use crate::error::Error;
use crate::events::{Sender, Stamp};
use crate::mqtt::{Authenticated, prove};
use crate::policy::Right;
use crate::registry::Identity;

/// Extension of a request: the chain of its TLS client, leaf first.
#[derive(Clone)]
pub(super) struct Certificates(pub(super) Arc<[CertificateDer<'static>]>);

/// The device or module of the path, whose identity is proven, and the hub that its request is for.
pub(super) struct DeviceCaller {
    /// The hub.
    pub(super) core: Arc<Core>,
    /// The device or module.
    pub(super) who: Authenticated,
}

impl FromRequestParts<Arc<Core>> for DeviceCaller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, core: &Arc<Core>) -> Result<Self, Error> {
        let Id(identity) = Id::from_request_parts(parts, core).await?;
        let token = header(parts, AUTHORIZATION).unwrap_or_default();
        let names_policy = Token::parse(token).is_ok_and(|token| token.policy.is_some());
        let who = if names_policy || parts.extensions.get::<Owner>().is_some() {
            authorize(parts, core, Right::DeviceConnect)?;
            as_any(core, identity)?
        } else {
            itself(parts, core, identity, token)?
        };
        check_version(parts)?;
        Ok(Self {
            core: Arc::clone(core),
            who,
        })
    }
}

/// The identity in the path, for a caller that may act for each.
fn as_any(core: &Core, identity: Identity) -> Result<Authenticated, Error> {
    let device = core.registry.get(&identity)?;
    if !device.is_enabled() {
        let why = format!("device {:?} is disabled", identity.to_string());
        return Err(Error::Unauthorized(why));
    }
    Ok(Authenticated {
        sender: Sender {
            identity,
            auth_method: r#"{"scope":"hub","type":"sas","issuer":"iothub"}"#,
            generation_id: device.generation_id.clone(),
            model_id: None,
            stamp: Stamp::default(),
        },
        device,
        expiry: None,
        versioned: true,
    })
}

/// The reason of a refusal is for the log only: whoever is no device does not learn which there are.
fn itself(
    parts: &Parts,
    core: &Core,
    identity: Identity,
    token: &str,
) -> Result<Authenticated, Error> {
    let mut hosts = vec![core.host_name.clone()];
    let host = header(parts, HOST).unwrap_or_default();
    if let Some((_, port)) = host.rsplit_once(':') {
        hosts.push(format!("{}:{port}", core.host_name));
    }
    let hosts: Vec<_> = hosts.iter().map(String::as_str).collect();
    let certificates = parts.extensions.get::<Certificates>();
    let certificates = certificates.map_or(&[][..], |Certificates(chain)| chain);
    let id = identity.to_string();
    prove(core, identity, &hosts, token.as_bytes(), certificates).map_err(|why| {
        log::warn!("a request of device {id:?} is refused: {why}");
        Error::Unauthorized(
            "the request does not prove to be the device's of its path; the hub's log says why"
                .into(),
        )
    })
}
