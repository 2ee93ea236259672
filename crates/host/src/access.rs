//! Access of a device to its hub: it knows its hub, or asks the Device Provisioning Service.

use std::fmt;
use std::time::Duration;

use azure_device::backoff;
use azure_device::identity::Identity;
use azure_device::json::{ParseError, Value};
use azure_device::provisioning::{self, Enrollment};

/// Access of a device to its hub: [`lifecycle::Access`], owned.
#[derive(Debug)]
pub enum OwnedAccess {
    /// The hub is known.
    Hub(Identity),
    /// The Device Provisioning Service knows it.
    Provisioning(Enrollment, Provisioning),
}

impl OwnedAccess {
    /// Name of the device: its id at the hub, or its registration id.
    pub fn name(&self) -> &str {
        match self {
            Self::Hub(identity) => identity.device_id().as_str(),
            Self::Provisioning(enrollment, _) => enrollment.registration_id().as_str(),
        }
    }
}

impl From<Identity> for OwnedAccess {
    fn from(identity: Identity) -> Self {
        Self::Hub(identity)
    }
}

/// Settings of provisioning that an engineer makes: [`provisioning::Config`], owned.
#[derive(Clone, Debug)]
#[expect(
    missing_docs,
    reason = "the fields are those of `azure_device::provisioning::Config`"
)]
pub struct Provisioning {
    pub host_name: String,
    pub address: Option<String>,
    pub port: u16,
    pub payload: Option<Payload>,
    pub reprovision_after: Duration,
    pub backoff: backoff::Config,
}

impl Default for Provisioning {
    fn default() -> Self {
        let provisioning::Config {
            host_name,
            port,
            reprovision_after,
            backoff,
            ..
        } = provisioning::Config::default();
        Self {
            host_name: host_name.into(),
            address: None,
            port,
            payload: None,
            reprovision_after,
            backoff,
        }
    }
}

impl Provisioning {
    pub(crate) fn config(&self) -> provisioning::Config<'_> {
        provisioning::Config {
            host_name: &self.host_name,
            address: self.address.as_deref(),
            port: self.port,
            payload: self.payload.as_ref().and_then(Payload::value),
            reprovision_after: self.reprovision_after,
            backoff: self.backoff,
            ..provisioning::Config::default()
        }
    }
}

/// JSON for a custom allocation policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload(String);

impl Payload {
    /// The longest payload, in bytes: with its topic it fits this device's buffers.
    pub const MAX_LEN: usize = 3072;

    /// Checks that `text` is JSON and not too long.
    pub fn parse(text: &str) -> Result<Self, PayloadError> {
        if text.len() > Self::MAX_LEN {
            return Err(PayloadError::TooLong(text.len()));
        }
        Value::parse(text.as_bytes()).map_err(PayloadError::NoJson)?;
        Ok(Self(text.to_owned()))
    }

    /// It was checked: there is always one.
    fn value(&self) -> Option<Value<'_>> {
        Value::parse(self.0.as_bytes()).ok()
    }
}

/// Reason why a payload was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PayloadError {
    /// It is not JSON.
    NoJson(ParseError),
    /// It has this many bytes, more than [`Payload::MAX_LEN`].
    TooLong(usize),
}

impl fmt::Display for PayloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoJson(error) => write!(f, "{error}; pass JSON such as {{\"site\":7}}"),
            Self::TooLong(bytes) => write!(
                f,
                "it has {bytes} bytes; shorten it to {} at most",
                Payload::MAX_LEN
            ),
        }
    }
}

impl std::error::Error for PayloadError {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_is_configured_of_provisioning_reaches_the_core() {
        let provisioning = Provisioning {
            host_name: "dps.example".into(),
            address: Some("127.0.0.1".into()),
            port: 1234,
            payload: Some(Payload::parse(r#" {"site":7} "#).unwrap()),
            ..Provisioning::default()
        };
        let config = provisioning.config();
        assert_eq!(
            (config.host_name, config.address, config.port),
            ("dps.example", Some("127.0.0.1"), 1234)
        );
        assert_eq!(config.payload.unwrap().text(), r#"{"site":7}"#);
        let default = Provisioning::default();
        assert_eq!(default.config().host_name, provisioning::GLOBAL_ENDPOINT);
        assert!(default.config().payload.is_none());
    }

    #[test]
    fn a_payload_is_json_of_a_size_that_fits() {
        for (text, reason) in [
            ("", "ends in the middle"),
            ("{site:7}", "at byte 1"),
            (&"7".repeat(Payload::MAX_LEN + 1), "3073 bytes"),
        ] {
            let error = Payload::parse(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
        assert!(Payload::parse(&"7".repeat(Payload::MAX_LEN)).is_ok());
    }
}
