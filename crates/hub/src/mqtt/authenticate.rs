//! CONNECT is judged: who it is, and whether that is proven.
//!
//! Every doubt ends in return code 5, whatever its reason, as IoT Hub does: an unknown device cannot be
//! told from a disabled one or a wrong key. The reason goes to the log.

use rustls_pki_types::CertificateDer;

use super::codec::Connect;
use super::user_name;
use crate::core::Core;
use crate::credentials::sas::Token;
use crate::credentials::x509;
use crate::events::{Sender, Stamp};
use crate::policy::Right;
use crate::registry::{Authentication, Device, Identity, Status};

/// A client whose identity is proven.
#[derive(Debug)]
pub(crate) struct Authenticated {
    /// Its entry in the registry.
    pub(crate) device: Device,
    /// Stamp of its events.
    pub(crate) sender: Sender,
    /// `se` of its token, in seconds since 1970.
    pub(crate) expiry: Option<u64>,
    /// The user name has an api-version: twins and methods are served.
    pub(crate) versioned: bool,
}

/// Judges a CONNECT with the certificates that the TLS client sent, leaf first. The text says why not.
pub(crate) fn authenticate(
    core: &Core,
    connect: &Connect,
    certificates: &[CertificateDer<'_>],
) -> Result<Authenticated, String> {
    let name = user_name::parse(&connect.user_name)?;
    if connect.client_id != name.identity.to_string() {
        return Err(format!(
            "the client id {:?} and the user name {:?} do not name the same client; both are case-sensitive \
             and not percent-encoded",
            connect.client_id, connect.user_name
        ));
    }
    let mut proven = prove(
        core,
        name.identity,
        &[&core.host_name],
        &connect.password,
        certificates,
    )?;
    proven.sender.model_id = name.model_id;
    proven.versioned = name.versioned;
    Ok(proven)
}

/// Judges the token, or else the certificates, of a client that says who it is. A token is for one of the `hosts`.
pub(crate) fn prove(
    core: &Core,
    identity: Identity,
    hosts: &[&str],
    token: &[u8],
    certificates: &[CertificateDer<'_>],
) -> Result<Authenticated, String> {
    let device = core
        .registry
        .get(&identity)
        .map_err(|error| error.to_string())?;
    if device.status == Status::Disabled {
        return Err(format!("device {:?} is disabled", identity.to_string()));
    }
    let (auth_method, expiry) = if !token.is_empty() {
        check_token(core, &device, hosts, token)?
    } else if !certificates.is_empty() {
        (check_certificate(core, &device, certificates)?, None)
    } else {
        return Err("there is neither a password nor a client certificate".into());
    };
    Ok(Authenticated {
        sender: Sender {
            identity,
            auth_method,
            generation_id: device.generation_id.clone(),
            model_id: None,
            stamp: Stamp::default(),
        },
        device,
        expiry,
        versioned: true,
    })
}

/// `{host}/devices/{device}[/modules/{module}]`: what a client's token has to cover.
fn resource(host_name: &str, identity: &Identity) -> String {
    match &identity.module_id {
        Some(module) => format!(
            "{host_name}/devices/{}/modules/{module}",
            identity.device_id
        ),
        None => format!("{host_name}/devices/{}", identity.device_id),
    }
}

fn check_token(
    core: &Core,
    device: &Device,
    hosts: &[&str],
    password: &[u8],
) -> Result<(&'static str, Option<u64>), String> {
    let text =
        std::str::from_utf8(password).map_err(|_| "the password is not text, so no SAS token")?;
    let token = Token::parse(text).map_err(|error| error.to_string())?;
    let resources = hosts.iter().map(|host| resource(host, &device.identity));
    let targets: Vec<_> = resources.collect();
    let now = core.clock.unix_secs();
    let skew = core.limits.sas_skew.as_secs();
    if token.policy.is_some() {
        core.policies
            .check(&token, Right::DeviceConnect, &targets, now, skew)?;
        return Ok((
            r#"{"scope":"hub","type":"sas","issuer":"iothub"}"#,
            Some(token.expiry),
        ));
    }
    let Authentication::Sas(keys) = &device.authentication else {
        return Err("the device is registered for X.509 and sent a SAS token".into());
    };
    token
        .check_any(
            [keys.primary_key.as_str(), keys.secondary_key.as_str()],
            &targets,
            now,
            skew,
        )
        .map_err(|error| error.to_string())?;
    let method = match device.identity.module_id {
        Some(_) => r#"{"scope":"module","type":"sas","issuer":"iothub"}"#,
        None => r#"{"scope":"device","type":"sas","issuer":"iothub"}"#,
    };
    Ok((method, Some(token.expiry)))
}

fn check_certificate(
    core: &Core,
    device: &Device,
    certificates: &[CertificateDer<'_>],
) -> Result<&'static str, String> {
    let now = core.clock.unix_secs();
    let checked = match &device.authentication {
        Authentication::Sas(_) => {
            return Err(
                "the device is registered for SAS and sent no token but a certificate".into(),
            );
        }
        Authentication::X509Thumbprint { primary, secondary } => {
            let registered = [primary, secondary]
                .into_iter()
                .flatten()
                .map(String::as_str);
            let leaf = certificates.first().map(AsRef::as_ref).unwrap_or_default();
            x509::check_thumbprint(leaf, registered, now)
        }
        Authentication::X509Ca => {
            let authorities = core.registry.authorities();
            x509::check_authority(
                certificates,
                &authorities,
                &device.identity.to_string(),
                now,
            )
        }
    };
    checked.map_err(|error| error.to_string())?;
    Ok(r#"{"scope":"device","type":"x509Certificate","issuer":"external"}"#)
}
