//! Enrolments: devices that may be provisioned, their proofs, and what then happens.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::credentials::sas::Token;
use crate::credentials::{random, x509};
use crate::error::Error;
use crate::registry::{Authentication, Status, SymmetricKeys};
use crate::twin::rules;

/// Proof of a registration's identity.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
#[non_exhaustive]
pub enum Attestation {
    /// Tokens under one of two keys: of an individual its own, of a group those that the registration's
    /// own keys are derived from. Empty keys are made up.
    SymmetricKey(SymmetricKeys),
    /// Of an individual: the SHA-1 or SHA-256 thumbprint of its certificate, in hex.
    #[serde(rename_all = "camelCase")]
    X509Thumbprint {
        /// The thumbprint.
        thumbprint: String,
    },
    /// Of a group: a CA (PEM) that the registration's certificate chains to, with the registration id as CN.
    #[serde(rename_all = "camelCase")]
    X509Ca {
        /// The CA's certificate.
        certificate: String,
    },
}

impl fmt::Debug for Attestation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SymmetricKey(_) => "SymmetricKey([redacted])",
            Self::X509Thumbprint { .. } => "X509Thumbprint",
            Self::X509Ca { .. } => "X509Ca",
        })
    }
}

/// One enrolment, of an individual or of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Enrollment {
    /// Proof of a registration's identity.
    pub attestation: Attestation,
    /// A disabled enrolment provisions nobody; of an individual, it also keeps groups from doing so.
    #[serde(default)]
    pub status: Status,
    /// Of an individual: the device id, if it is not the registration id.
    #[serde(default)]
    pub device_id: Option<String>,
    /// Payload that the device gets with its assignment, as custom allocation can give it.
    #[serde(default)]
    pub payload: Option<Value>,
    /// Questions that are answered with `assigning` before the assignment is there.
    #[serde(default)]
    pub assigning: u32,
    /// Seconds after which the device is asked to come back.
    #[serde(default = "default_retry_after")]
    pub retry_after: u32,
    /// The allocation fails with this error code and text, such as 400207 for custom allocation.
    #[serde(default)]
    pub failure: Option<(u32, String)>,
}

/// Seconds after which a device is asked to come back, if nothing else is said.
pub(super) const RETRY_AFTER: u32 = 3;

const fn default_retry_after() -> u32 {
    RETRY_AFTER
}

impl Enrollment {
    /// An enrolment that assigns at the first question.
    pub const fn new(attestation: Attestation) -> Self {
        Self {
            attestation,
            status: Status::Enabled,
            device_id: None,
            payload: None,
            assigning: 0,
            retry_after: default_retry_after(),
            failure: None,
        }
    }

    /// Takes the symmetric keys that are not given from the enrolment that this one replaces.
    pub(super) fn keep_keys(&mut self, old: Self) {
        if let (Attestation::SymmetricKey(keys), Attestation::SymmetricKey(old)) =
            (&mut self.attestation, old.attestation)
        {
            for (key, old) in [
                (&mut keys.primary_key, old.primary_key),
                (&mut keys.secondary_key, old.secondary_key),
            ] {
                if key.is_empty() {
                    *key = old;
                }
            }
        }
    }

    /// Fills in missing keys; refuses what cannot be checked later.
    pub(crate) fn checked(mut self, group: bool) -> Result<Self, Error> {
        let refused = |text: &str| Err(Error::ArgumentInvalid(text.into()));
        match &mut self.attestation {
            Attestation::SymmetricKey(keys) => {
                for key in [&mut keys.primary_key, &mut keys.secondary_key] {
                    if key.is_empty() {
                        *key = random::symmetric_key();
                    }
                    if !STANDARD
                        .decode(&key)
                        .is_ok_and(|key| (16..=64).contains(&key.len()))
                    {
                        return refused("a symmetric key is base64 of 16 to 64 bytes");
                    }
                }
            }
            Attestation::X509Thumbprint { .. } if group => {
                return refused("a group is enrolled by symmetric keys or by a CA");
            }
            Attestation::X509Thumbprint { thumbprint } => {
                if !x509::is_thumbprint(thumbprint) {
                    return refused("a thumbprint has 40 (SHA-1) or 64 (SHA-256) hex digits");
                }
            }
            Attestation::X509Ca { .. } if !group => {
                return refused("an individual is enrolled by symmetric keys or by a thumbprint");
            }
            Attestation::X509Ca { certificate } => {
                let der = CertificateDer::from_pem_slice(certificate.as_bytes());
                let is_ca = der.is_ok_and(|der| x509::check_is_authority(&der).is_ok());
                if !is_ca {
                    return refused("the CA is not a CA certificate in PEM form");
                }
            }
        }
        if group && self.device_id.is_some() {
            return refused("a group's devices are called like their registrations");
        }
        if let Some(payload) = &self.payload {
            // Nothing is documented of its depth; it is kept as twins are.
            rules::check_depth(payload)
                .map_err(|why| Error::ArgumentInvalid(format!("payload: {why}")))?;
        }
        Ok(self)
    }
}

/// Proof that a registration sent, kept until it asks to be registered.
pub(crate) struct Proof {
    /// The SAS token in the password; may be empty.
    pub(crate) password: Vec<u8>,
    /// The TLS client's chain, leaf first.
    pub(crate) certificates: Vec<CertificateDer<'static>>,
}

/// Time and name that a proof is judged by.
#[derive(Clone, Copy)]
pub(super) struct Judge<'j> {
    pub(super) id_scope: &'j str,
    pub(super) registration_id: &'j str,
    pub(super) now: u64,
    pub(super) skew: u64,
}

impl Judge<'_> {
    /// Proof of the device's identity to the hub, if the proof suits the enrolment. The text says why
    /// not.
    pub(super) fn judge(
        &self,
        enrollment: &Enrollment,
        group: bool,
        proof: &Proof,
    ) -> Result<Authentication, String> {
        let leaf = proof.certificates.first();
        match &enrollment.attestation {
            Attestation::SymmetricKey(keys) => {
                let keys = if group {
                    self.derived(keys).ok_or("the group's keys are damaged")?
                } else {
                    keys.clone()
                };
                self.check_token(&keys, &proof.password)?;
                Ok(Authentication::Sas(keys))
            }
            Attestation::X509Thumbprint { thumbprint } => {
                let leaf = leaf.ok_or("there is no client certificate")?;
                x509::check_thumbprint(leaf, [thumbprint.as_str()], self.now)
                    .map_err(|error| error.to_string())?;
                Ok(by_thumbprint(leaf))
            }
            Attestation::X509Ca { certificate } => {
                let leaf = leaf.ok_or("there is no client certificate")?;
                let authority = CertificateDer::from_pem_slice(certificate.as_bytes())
                    .map_err(|_| "the group's CA is damaged")?;
                let (chain, id) = (&proof.certificates, self.registration_id);
                x509::check_registration(chain, &[authority], id, self.now)
                    .map_err(|error| error.to_string())?;
                Ok(by_thumbprint(leaf))
            }
        }
    }

    fn check_token(&self, keys: &SymmetricKeys, password: &[u8]) -> Result<(), String> {
        let text = std::str::from_utf8(password).map_err(|_| "the password is not text")?;
        let mut token = Token::parse(text).map_err(|error| error.to_string())?;
        // The device may write its registration id as it likes.
        token.ignore_case();
        let target = format!("{}/registrations/{}", self.id_scope, self.registration_id);
        let keys = [keys.primary_key.as_str(), keys.secondary_key.as_str()];
        token
            .check(keys, &target, self.now, self.skew)
            .map_err(|error| error.to_string())
    }

    /// HMAC-SHA256 of the registration id under the group's key ("Symmetric key attestation").
    fn derived(&self, keys: &SymmetricKeys) -> Option<SymmetricKeys> {
        Some(SymmetricKeys {
            primary_key: derive(&keys.primary_key, self.registration_id)?,
            secondary_key: derive(&keys.secondary_key, self.registration_id)?,
        })
    }
}

fn by_thumbprint(leaf: &[u8]) -> Authentication {
    Authentication::X509Thumbprint {
        primary: Some(x509::sha256_thumbprint(leaf)),
        secondary: None,
    }
}

/// The key of a registration of a group; `None` if the group's is not base64.
pub(crate) fn derive(group_key: &str, registration_id: &str) -> Option<String> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &STANDARD.decode(group_key).ok()?);
    Some(STANDARD.encode(hmac::sign(&key, registration_id.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::derive;

    #[test]
    fn a_derived_key_is_microsofts_published_one() {
        let group = "8isrFI1sGsIlvvFSSFRiMfCNzv21fjbE/+ah/lSh3lF8e2YG1Te7w1KpZhJFFXJrqYKi9yegxkqIChbqOS9Egw==";
        assert_eq!(
            derive(group, "sn-007-888-abc-mac-a1-b2-c3-d4-e5-f6").as_deref(),
            Some("Jsm0lyGpjaVYVP2g3FnmnmG9dI/9qU24wNoykUmermc=")
        );
    }
}
