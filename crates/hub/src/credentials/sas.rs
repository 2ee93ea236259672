//! Shared access signatures: parsed, checked and made as the service does.
//!
//! `SharedAccessSignature sr={resource}&sig={signature}&se={expiry}[&skn={policy}]`, where the signature is
//! the base64 of HMAC-SHA256 over `sr`, a line feed and `se` ("Control access to IoT Hub by using shared
//! access signatures"). The verifier signs the text of `sr` exactly as it was received, so that either case
//! of hex digits is right as long as the sender is consistent (Microsoft's .NET service code).

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

use super::percent;

/// Reason why a token is refused. None of the texts repeats a part of the token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum SasError {
    /// It does not start with `SharedAccessSignature` and one space.
    Prefix,
    /// A field has no `=` or more than one: base64 padding must be `%3D`.
    Field,
    /// The named field is missing, or there twice.
    FieldCount(&'static str),
    /// `sr` is not percent-encoded text.
    Resource,
    /// `sig` is not percent-encoded base64.
    SignatureEncoding,
    /// `se` is not a whole number of seconds.
    Expiry,
    /// The signature was made with neither key, or over another text.
    Signature,
    /// `sr` names something else than the resource in question.
    Scope {
        /// Resource that it names.
        named: String,
        /// Resource in question.
        target: String,
    },
    /// `se` passed, the skew included.
    Expired {
        /// Seconds since then.
        seconds_ago: u64,
    },
}

impl fmt::Display for SasError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefix => f.write_str("the token does not start with \"SharedAccessSignature \""),
            Self::Field => f.write_str(
                "a field of the token is not name=value; percent-encode sig, its padding too (%3D)",
            ),
            Self::FieldCount(name) => write!(f, "the token must have {name} exactly once"),
            Self::Resource => f.write_str("the token's sr is not percent-encoded text"),
            Self::SignatureEncoding => f.write_str("the token's sig is not percent-encoded base64"),
            Self::Expiry => f.write_str("the token's se is not a whole number of seconds since 1970"),
            Self::Signature => f.write_str(
                "the token's signature matches neither key; check the key, and that it is base64-decoded \
                 before use and that the percent-encoded sr is signed",
            ),
            Self::Scope { named, target } => {
                write!(f, "the token is for {named:?}, which does not cover {target:?}")
            }
            Self::Expired { seconds_ago } => write!(
                f,
                "the token expired: its se passed {seconds_ago} s ago, which is more than the tolerated skew; \
                 check the clock of the one who made it"
            ),
        }
    }
}

/// A parsed token, not yet checked.
pub(crate) struct Token<'a> {
    /// `sr` as received: what was signed.
    resource_text: &'a str,
    /// `sr`, decoded.
    resource: String,
    signature: Vec<u8>,
    expiry_text: &'a str,
    /// `se`: seconds since 1970.
    pub(crate) expiry: u64,
    /// `skn`: the policy whose key signed, if it is not the device's own.
    pub(crate) policy: Option<String>,
}

impl<'a> Token<'a> {
    /// Takes a token apart. Names of fields are case-insensitive, their order is free, unknown ones count
    /// for nothing.
    pub(crate) fn parse(text: &'a str) -> Result<Self, SasError> {
        let fields = text
            .strip_prefix("SharedAccessSignature ")
            .ok_or(SasError::Prefix)?;
        let (mut sr, mut sig, mut se, mut skn) = (None, None, None, None);
        for field in fields.split('&') {
            let (name, value) = field.split_once('=').ok_or(SasError::Field)?;
            if value.contains('=') {
                return Err(SasError::Field);
            }
            let (slot, name) = match name.to_ascii_lowercase().as_str() {
                "sr" => (&mut sr, "sr"),
                "sig" => (&mut sig, "sig"),
                "se" => (&mut se, "se"),
                "skn" => (&mut skn, "skn"),
                _ => continue,
            };
            if slot.replace(value).is_some() {
                return Err(SasError::FieldCount(name));
            }
        }
        let resource_text = sr.ok_or(SasError::FieldCount("sr"))?;
        let signature_text = sig.ok_or(SasError::FieldCount("sig"))?;
        let expiry_text = se.ok_or(SasError::FieldCount("se"))?;
        Ok(Self {
            resource_text,
            resource: percent::decode(resource_text).ok_or(SasError::Resource)?,
            signature: decode_signature(signature_text)?,
            expiry_text,
            expiry: parse_expiry(expiry_text)?,
            policy: skn.filter(|name| !name.is_empty()).map(str::to_owned),
        })
    }

    /// Checks signature, scope and expiry, in this order.
    ///
    /// `keys` are base64. `target` is the resource in question, such as
    /// `contoso.azure-devices.net/devices/MyDevice01`; the token may be for it or for a whole-segment
    /// prefix of it. `skew` and `now` are in seconds.
    pub(crate) fn check<'k>(
        &self,
        keys: impl IntoIterator<Item = &'k str>,
        target: &str,
        now: u64,
        skew: u64,
    ) -> Result<(), SasError> {
        self.check_any(keys, &[target], now, skew)
    }

    /// The same, for any of several names of the resource in question.
    pub(crate) fn check_any<'k>(
        &self,
        keys: impl IntoIterator<Item = &'k str>,
        targets: &[impl AsRef<str>],
        now: u64,
        skew: u64,
    ) -> Result<(), SasError> {
        if !keys.into_iter().any(|key| self.is_signed_by(key)) {
            return Err(SasError::Signature);
        }
        let covered = targets
            .iter()
            .any(|target| covers(&self.resource, target.as_ref()));
        if !covered {
            let target = targets.first().map(|target| target.as_ref().to_owned());
            return Err(SasError::Scope {
                named: self.resource.clone(),
                target: target.unwrap_or_default(),
            });
        }
        if self.expiry.saturating_add(skew) < now {
            return Err(SasError::Expired {
                seconds_ago: now - self.expiry,
            });
        }
        Ok(())
    }

    /// Compares ids in `sr` without case, as registration ids do.
    pub(crate) fn ignore_case(&mut self) {
        self.resource.make_ascii_lowercase();
    }

    fn is_signed_by(&self, key: &str) -> bool {
        let Ok(key) = STANDARD.decode(key) else {
            return false;
        };
        let message = format!("{}\n{}", self.resource_text, self.expiry_text);
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        hmac::verify(&key, message.as_bytes(), &self.signature).is_ok()
    }
}

/// The service decodes `+` as a space, as in HTML forms, so that a signature with a bare `+` is broken.
fn decode_signature(text: &str) -> Result<Vec<u8>, SasError> {
    let broken = SasError::SignatureEncoding;
    if text.contains('+') {
        return Err(broken);
    }
    let base64 = percent::decode(text).ok_or(SasError::SignatureEncoding)?;
    STANDARD.decode(base64).map_err(|_| broken)
}

fn parse_expiry(text: &str) -> Result<u64, SasError> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(SasError::Expiry);
    }
    text.parse().map_err(|_| SasError::Expiry)
}

/// True if `resource` is `target` or a prefix of it that ends at a segment. The host (first segment)
/// compares without case, as host names do; ids are case-sensitive.
fn covers(resource: &str, target: &str) -> bool {
    let mut of_target = target.split('/');
    resource.split('/').enumerate().all(|(position, named)| {
        of_target.next().is_some_and(|wanted| match position {
            0 => named.eq_ignore_ascii_case(wanted),
            _ => named == wanted,
        })
    })
}

/// Makes a token for `resource`, valid until `expiry` (seconds since 1970), under the base64 `key`.
/// `None` if the key is not base64.
pub(crate) fn sign(resource: &str, key: &str, expiry: u64, policy: Option<&str>) -> Option<String> {
    let resource = percent::encode(resource);
    let key = hmac::Key::new(hmac::HMAC_SHA256, &STANDARD.decode(key).ok()?);
    let signature = hmac::sign(&key, format!("{resource}\n{expiry}").as_bytes());
    let signature = percent::encode(&STANDARD.encode(signature));
    let mut token = format!("SharedAccessSignature sr={resource}&sig={signature}&se={expiry}");
    if let Some(policy) = policy {
        token.push_str("&skn=");
        token.push_str(policy);
    }
    Some(token)
}

#[cfg(test)]
#[path = "sas_tests.rs"]
mod tests;
