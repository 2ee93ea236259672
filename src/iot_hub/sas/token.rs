//! A SAS token that somebody else made.

use core::fmt;
use core::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::{PREFIX, Resource, SIGNATURE_BASE64_LEN, SIGNATURE_LEN};
use crate::percent::{self, Escaped};
use crate::secret::Secret;
use crate::time::UnixTime;

/// A SAS token in the form that a device presents it. Its form is checked; its signature cannot be without
/// the key. Printed as `[redacted]`, wiped when dropped.
#[derive(Debug)]
pub struct SasToken {
    text: Secret<str>,
    /// Byte range of the percent-encoded resource in `text`.
    resource: Range<usize>,
    expiry: UnixTime,
}

impl SasToken {
    /// The longest token that is accepted, in bytes: far more than any that the service makes, little
    /// enough for a device's memory.
    pub const MAX_LEN: usize = 2048;

    /// Checks the form of `text` and copies it.
    ///
    /// Fields come in any order, their names in any case, unknown ones are ignored: as the service reads
    /// them. `sr`, `sig` and `se` must be there, once.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        if text.len() > Self::MAX_LEN {
            return Err(TokenError::TooLong { bytes: text.len() });
        }
        let fields = text.strip_prefix(PREFIX).ok_or(TokenError::NoPrefix)?;
        let (mut resource, mut signature, mut expiry) = (None, None, None);
        let mut at = PREFIX.len();
        for field in fields.split('&') {
            let (name, value) = field.split_once('=').ok_or(TokenError::NotAField)?;
            if value.as_bytes().contains(&b'=') {
                return Err(TokenError::UnencodedEquals);
            }
            let start = at + name.len() + 1;
            if name.eq_ignore_ascii_case("sr") {
                take_once("sr", &mut resource, (start, value))?;
            } else if name.eq_ignore_ascii_case("sig") {
                take_once("sig", &mut signature, value)?;
            } else if name.eq_ignore_ascii_case("se") {
                take_once("se", &mut expiry, value)?;
            }
            at += field.len() + 1;
        }
        let (start, resource) = resource.ok_or(TokenError::Missing("sr"))?;
        let signature = signature.ok_or(TokenError::Missing("sig"))?;
        let expiry = expiry.ok_or(TokenError::Missing("se"))?;
        check_resource(resource)?;
        check_signature(signature)?;
        Ok(Self {
            resource: start..start + resource.len(),
            expiry: parse_expiry(expiry)?,
            text: text.into(),
        })
    }

    /// The whole token in the clear: the MQTT password.
    pub fn expose(&self) -> &str {
        self.text.expose()
    }

    /// Time at which the token expires (`se`).
    pub const fn expiry(&self) -> UnixTime {
        self.expiry
    }

    /// Checks that the token is still valid at `now`. The service tolerates five minutes more, which this
    /// does not count on.
    pub fn check_expiry(&self, now: UnixTime) -> Result<(), TokenError> {
        if now < self.expiry {
            Ok(())
        } else {
            Err(TokenError::Expired {
                expiry: self.expiry,
            })
        }
    }

    /// True if `sr` gives access to `resource`: equal to it, or to its first whole segments. Case matters,
    /// except in the host name.
    pub fn check_scope(&self, resource: Resource<'_>) -> Result<(), TokenError> {
        let scope = self
            .text
            .expose()
            .get(self.resource.clone())
            .unwrap_or_default();
        let scope = Escaped::parse(scope).map_err(TokenError::Resource)?;
        let mut target = resource.chars().peekable();
        let mut in_host = true;
        let mut last = None;
        for granted in scope.chars() {
            let same = target.next().is_some_and(|wanted| {
                in_host &= wanted != '/';
                wanted == granted || in_host && wanted.eq_ignore_ascii_case(&granted)
            });
            if !same {
                return Err(TokenError::OtherResource);
            }
            last = Some(granted);
        }
        match (last, target.peek()) {
            (Some('/'), _) | (Some(_), None | Some('/')) => Ok(()),
            _ => Err(TokenError::OtherResource),
        }
    }
}

fn take_once<T>(field: &'static str, slot: &mut Option<T>, value: T) -> Result<(), TokenError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(TokenError::Repeated(field)),
    }
}

fn check_resource(resource: &str) -> Result<(), TokenError> {
    match Escaped::parse(resource) {
        Ok(resource) if resource.raw().is_empty() => Err(TokenError::OtherResource),
        Ok(_) => Ok(()),
        Err(error) => Err(TokenError::Resource(error)),
    }
}

fn check_signature(signature: &str) -> Result<(), TokenError> {
    let mut base64 = Zeroizing::new([0; SIGNATURE_BASE64_LEN]);
    let base64 =
        percent::decode(signature, base64.as_mut_slice()).map_err(|_| TokenError::BadSignature)?;
    let mut bytes = Zeroizing::new([0; SIGNATURE_LEN]);
    match STANDARD.decode_slice(base64, bytes.as_mut_slice()) {
        Ok(SIGNATURE_LEN) => Ok(()),
        _ => Err(TokenError::BadSignature),
    }
}

fn parse_expiry(expiry: &str) -> Result<UnixTime, TokenError> {
    if expiry.bytes().all(|byte| byte.is_ascii_digit())
        && let Ok(seconds) = expiry.parse()
    {
        Ok(UnixTime::from_secs(seconds))
    } else {
        Err(TokenError::BadExpiry)
    }
}

/// Reason why a SAS token was rejected. Says nothing of the token's content but its expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenError {
    /// It does not start with `SharedAccessSignature` and one space.
    NoPrefix,
    /// It is longer than [`SasToken::MAX_LEN`].
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// Something between two `&` has no `=`.
    NotAField,
    /// A value contains `=`.
    UnencodedEquals,
    /// This field is not there.
    Missing(&'static str),
    /// This field is there twice.
    Repeated(&'static str),
    /// `sr` is not percent-encoded correctly.
    Resource(percent::DecodeError),
    /// `sig` is not percent-encoded base64 of 32 bytes.
    BadSignature,
    /// `se` is not a whole number of seconds.
    BadExpiry,
    /// `sr` gives access to something else than this device.
    OtherResource,
    /// `se` is over.
    Expired {
        /// Time at which the token expired.
        expiry: UnixTime,
    },
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPrefix => f.write_str("does not start with \"SharedAccessSignature \""),
            Self::TooLong { bytes } => write!(
                f,
                "has {bytes} bytes, more than the {} that are accepted",
                SasToken::MAX_LEN
            ),
            Self::NotAField => f.write_str("has something between two & that is no name=value"),
            Self::UnencodedEquals => f.write_str(
                "has an = within a value, where %3D must stand, usually at the end of sig",
            ),
            Self::Missing(field) => write!(f, "lacks the field {field}"),
            Self::Repeated(field) => write!(f, "has the field {field} twice"),
            Self::Resource(error) => return write!(f, "has a damaged field sr: {error}"),
            Self::BadSignature => {
                f.write_str("has a field sig that is not percent-encoded base64 of 32 bytes")
            }
            Self::BadExpiry => {
                f.write_str("has a field se that is not a whole number of seconds since 1970")
            }
            Self::OtherResource => {
                return f.write_str("has a field sr that does not cover this device; a right one is sr={HostName}%2Fdevices%2F{DeviceId}, with exactly the host name and device id that the device is configured with");
            }
            Self::Expired { expiry } => {
                return write!(
                    f,
                    "expired at {expiry} (field se): make a new one, such as with `az iot hub generate-sas-token`, or configure the shared access key, from which the device makes tokens itself"
                );
            }
        }?;
        f.write_str("; a right one looks like SharedAccessSignature sr={resource}&sig={signature}&se={expiry}, each value percent-encoded")
    }
}

impl core::error::Error for TokenError {}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
