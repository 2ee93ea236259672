//! Devices' certificates: judged at CONNECT, by thumbprint or by CA.
//!
//! "Authenticate identities with X.509 certificates" of the IoT Hub documentation: a thumbprint is the hex
//! of SHA-1 or SHA-256 over the DER form and says nothing of names; a CA-signed certificate must carry the
//! device id as its CN and chain to an uploaded CA. Dates count in both cases; revocation is not checked.

use std::fmt;
use std::time::Duration;

use ring::digest;
use rustls_pki_types::{CertificateDer, UnixTime};
use serde::Serialize;
use webpki::{EndEntityCert, KeyUsage};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::x509::X509Name;

/// Reason why a certificate does not prove the identity.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum CertificateError {
    /// It is no X.509 certificate.
    Malformed,
    /// It is not valid yet.
    NotYetValid,
    /// It is no longer valid.
    Expired,
    /// Neither registered thumbprint is its own, which is this SHA-256.
    Thumbprint(String),
    /// Its CN is not the client id.
    CommonName {
        /// Its actual value.
        found: String,
        /// The value that it has to have.
        wanted: String,
    },
    /// No uploaded CA vouches for it, for this reason.
    Chain(String),
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("the client certificate is not X.509"),
            Self::NotYetValid => f.write_str(
                "the client certificate is not valid yet; check its dates and the clocks",
            ),
            Self::Expired => f.write_str("the client certificate has expired; issue another"),
            Self::Thumbprint(own) => write!(
                f,
                "the client certificate's SHA-256 thumbprint {own} is not registered for this device"
            ),
            Self::CommonName { found, wanted } => {
                write!(
                    f,
                    "the client certificate's CN is {found:?}, and has to be {wanted:?}"
                )
            }
            Self::Chain(why) => write!(
                f,
                "the client certificate does not chain to an uploaded CA: {why}"
            ),
        }
    }
}

/// The hex SHA-256 of a certificate's DER form, in upper case as Azure's tools print it.
pub(crate) fn sha256_thumbprint(certificate: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, certificate).as_ref())
}

/// The hex SHA-1 of a certificate's DER form.
pub(crate) fn sha1_thumbprint(certificate: &[u8]) -> String {
    hex(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, certificate).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// True if `text` has the form of a thumbprint: 40 (SHA-1) or 64 (SHA-256) hex digits.
pub(crate) fn is_thumbprint(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Accepts a certificate that has one of the `registered` thumbprints and is valid `now` (seconds since
/// 1970).
pub(crate) fn check_thumbprint<'t>(
    certificate: &[u8],
    registered: impl IntoIterator<Item = &'t str>,
    now: u64,
) -> Result<(), CertificateError> {
    check_dates(&parse(certificate)?, now)?;
    let own = [sha1_thumbprint(certificate), sha256_thumbprint(certificate)];
    let is_own = |registered: &str| own.iter().any(|own| own.eq_ignore_ascii_case(registered));
    if registered.into_iter().any(is_own) {
        return Ok(());
    }
    let [_, sha256] = own;
    Err(CertificateError::Thumbprint(sha256))
}

/// Accepts a chain, leaf first, whose CN is `client_id` and that leads to one of `authorities` (DER), at
/// `now` (seconds since 1970).
pub(crate) fn check_authority(
    chain: &[CertificateDer<'_>],
    authorities: &[CertificateDer<'_>],
    client_id: &str,
    now: u64,
) -> Result<(), CertificateError> {
    check_chain(chain, authorities, client_id, now, |found| {
        found == client_id
    })
}

/// The same for a registration id, which compares without case.
pub(crate) fn check_registration(
    chain: &[CertificateDer<'_>],
    authorities: &[CertificateDer<'_>],
    registration_id: &str,
    now: u64,
) -> Result<(), CertificateError> {
    check_chain(chain, authorities, registration_id, now, |found| {
        found.eq_ignore_ascii_case(registration_id)
    })
}

fn check_chain(
    chain: &[CertificateDer<'_>],
    authorities: &[CertificateDer<'_>],
    wanted: &str,
    now: u64,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<(), CertificateError> {
    let (leaf, intermediates) = chain.split_first().ok_or(CertificateError::Malformed)?;
    let parsed = parse(leaf)?;
    check_dates(&parsed, now)?;
    let found = common_name(&parsed).unwrap_or_default();
    if !is_wanted(found) {
        return Err(CertificateError::CommonName {
            found: found.to_owned(),
            wanted: wanted.to_owned(),
        });
    }
    let unsuitable = |error: webpki::Error| CertificateError::Chain(error.to_string());
    let anchors: Vec<_> = authorities
        .iter()
        .filter_map(|der| webpki::anchor_from_trusted_cert(der).ok())
        .collect();
    if anchors.is_empty() {
        return Err(CertificateError::Chain("no CA has been uploaded".into()));
    }
    EndEntityCert::try_from(leaf)
        .map_err(unsuitable)?
        .verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            &anchors,
            intermediates,
            UnixTime::since_unix_epoch(Duration::from_secs(now)),
            KeyUsage::client_auth(),
            None,
            None,
        )
        .map_err(unsuitable)?;
    Ok(())
}

/// Refuses a certificate that cannot be an uploaded CA.
pub(crate) fn check_is_authority(certificate: &CertificateDer<'_>) -> Result<(), CertificateError> {
    let parsed = parse(certificate)?;
    if !parsed.is_ca() {
        return Err(CertificateError::Chain(
            "its basic constraints do not say that it is a CA".into(),
        ));
    }
    webpki::anchor_from_trusted_cert(certificate)
        .map_err(|error| CertificateError::Chain(error.to_string()))?;
    Ok(())
}

/// The CN of a certificate's subject, if it has one.
pub(crate) fn common_name_of(certificate: &[u8]) -> Option<String> {
    common_name(&parse(certificate).ok()?).map(str::to_owned)
}

/// Statements of a certificate about itself, for people.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Summary {
    /// The subject's CN, or the whole subject.
    pub(crate) subject: String,
    /// The same of the issuer.
    pub(crate) issuer: String,
    /// Milliseconds since 1970.
    pub(crate) not_before: i64,
    /// Milliseconds since 1970.
    pub(crate) not_after: i64,
    /// SHA-256 of the DER form, in hex.
    pub(crate) thumbprint: String,
}

/// The summary of a certificate; `None` if it is none.
pub(crate) fn summary(certificate: &[u8]) -> Option<Summary> {
    let parsed = parse(certificate).ok()?;
    let name = |name: &X509Name<'_>| {
        let common_name = name.iter_common_name().next();
        let common_name = common_name.and_then(|common_name| common_name.as_str().ok());
        common_name.map_or_else(|| name.to_string(), str::to_owned)
    };
    let validity = parsed.validity();
    Some(Summary {
        subject: name(parsed.subject()),
        issuer: name(parsed.issuer()),
        not_before: validity.not_before.timestamp().saturating_mul(1000),
        not_after: validity.not_after.timestamp().saturating_mul(1000),
        thumbprint: sha256_thumbprint(certificate),
    })
}

fn parse(certificate: &[u8]) -> Result<X509Certificate<'_>, CertificateError> {
    match X509Certificate::from_der(certificate) {
        Ok(([], parsed)) => Ok(parsed),
        _ => Err(CertificateError::Malformed),
    }
}

fn common_name<'c>(certificate: &'c X509Certificate<'_>) -> Option<&'c str> {
    certificate
        .subject()
        .iter_common_name()
        .next()?
        .as_str()
        .ok()
}

fn check_dates(certificate: &X509Certificate<'_>, now: u64) -> Result<(), CertificateError> {
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let validity = certificate.validity();
    if now < validity.not_before.timestamp() {
        return Err(CertificateError::NotYetValid);
    }
    if now > validity.not_after.timestamp() {
        return Err(CertificateError::Expired);
    }
    Ok(())
}

#[cfg(test)]
#[path = "x509_tests.rs"]
mod tests;
