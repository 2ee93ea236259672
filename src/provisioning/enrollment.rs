//! Enrolment of a device: the registration that asks DPS for a hub, and its proof.

use alloc::boxed::Box;
use core::fmt;

use crate::identity::{Credential, SharedAccessKey};
use crate::percent::Encoded;
use crate::sas::{Resource, derive_device_key};

/// The endpoint that serves every id scope of the public cloud.
pub const GLOBAL_ENDPOINT: &str = "global.azure-devices-provisioning.net";

/// The version of the service's device API that this device speaks.
pub(super) const API_VERSION: &str = "2019-03-31";

/// The id scope of a provisioning service, such as `0ne00ABCDEF`: the portal shows it on its overview.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdScope(Box<str>);

impl IdScope {
    /// The longest id scope, in bytes.
    pub const MAX_LEN: usize = 128;

    /// Checks `text` and copies it. ASCII letters, digits and hyphens are taken.
    pub fn parse(text: &str) -> Result<Self, RegistrationIdError> {
        check(text, Self::MAX_LEN, |byte| {
            byte.is_ascii_alphanumeric() || byte == b'-'
        })?;
        Ok(Self(text.into()))
    }

    /// The id scope as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A registration id: 1 to 128 lower-case letters, digits and `-._:`, the last one a letter, a digit or a
/// hyphen (Microsoft, "DPS terminology"). Since the service ignores case, upper-case letters are made lower.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrationId(Box<str>);

impl RegistrationId {
    /// The longest registration id, in bytes.
    pub const MAX_LEN: usize = 128;

    /// Checks `text` and copies it in lower case.
    pub fn parse(text: &str) -> Result<Self, RegistrationIdError> {
        if text.contains('/') {
            return Err(RegistrationIdError::Module);
        }
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
        check(text, Self::MAX_LEN, legal)?;
        if text.ends_with(['.', '_', ':']) {
            return Err(RegistrationIdError::IllegalCharacter { at: text.len() - 1 });
        }
        Ok(Self(text.to_ascii_lowercase().into()))
    }

    /// The registration id, in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Reason why an id scope or a registration id was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegistrationIdError {
    /// There is none.
    Empty,
    /// It is too long.
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// It contains, or ends with, something that it may not.
    IllegalCharacter {
        /// Byte offset, from 0.
        at: usize,
    },
    /// It has a slash, as a module's client id does.
    Module,
}

impl fmt::Display for RegistrationIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("is empty")?,
            Self::TooLong { bytes } => write!(f, "has {bytes} bytes, more than 128")?,
            Self::IllegalCharacter { at } => write!(f, "has an illegal character at byte {at}")?,
            Self::Module => f.write_str(
                "has a slash, as a module's has, and DPS provisions devices only: give a module the \
                 connection string that its hub shows for it",
            )?,
        }
        f.write_str("; an id scope looks like 0ne00ABCDEF, a registration id like sensor-01")
    }
}

impl core::error::Error for RegistrationIdError {}

fn check(
    text: &str,
    longest: usize,
    legal: impl Fn(u8) -> bool,
) -> Result<(), RegistrationIdError> {
    if text.is_empty() {
        return Err(RegistrationIdError::Empty);
    }
    if text.len() > longest {
        return Err(RegistrationIdError::TooLong { bytes: text.len() });
    }
    match text.bytes().position(|byte| !legal(byte)) {
        Some(at) => Err(RegistrationIdError::IllegalCharacter { at }),
        None => Ok(()),
    }
}

/// Proof of a registration.
#[derive(Debug)]
pub enum Attestation {
    /// A symmetric key: of an individual enrolment, or already derived from a group's.
    SymmetricKey(SharedAccessKey),
    /// A certificate, which the platform presents: its common name is the registration id.
    X509,
}

/// Everything that a device has to know before it is provisioned.
#[derive(Debug)]
pub struct Enrollment {
    id_scope: IdScope,
    registration_id: RegistrationId,
    attestation: Attestation,
}

impl Enrollment {
    /// An individual enrolment, or one of a group by certificate.
    pub const fn new(
        id_scope: IdScope,
        registration_id: RegistrationId,
        attestation: Attestation,
    ) -> Self {
        Self {
            id_scope,
            registration_id,
            attestation,
        }
    }

    /// A member of a group that shares a symmetric key: the device's own key is derived from it. A device
    /// in the field should be given the derived key instead, since the group's opens every member.
    pub fn of_group(
        id_scope: IdScope,
        registration_id: RegistrationId,
        group_key: &SharedAccessKey,
    ) -> Self {
        let key = derive_device_key(group_key, registration_id.as_str());
        Self::new(id_scope, registration_id, Attestation::SymmetricKey(key))
    }

    /// The provisioning service's id scope.
    pub const fn id_scope(&self) -> &IdScope {
        &self.id_scope
    }

    /// The registration's id, which is also the MQTT client id.
    pub const fn registration_id(&self) -> &RegistrationId {
        &self.registration_id
    }

    /// Proof of the registration.
    pub const fn attestation(&self) -> &Attestation {
        &self.attestation
    }

    /// Resource that a SAS token of this registration is for.
    pub fn resource(&self) -> Resource<'_> {
        Resource::registration(self.id_scope.as_str(), self.registration_id.as_str())
    }

    /// Proof of the device's identity at the hub that it was assigned to: the same.
    pub fn credential(&self) -> Credential {
        match &self.attestation {
            Attestation::SymmetricKey(key) => Credential::SharedAccessKey(key.duplicate()),
            Attestation::X509 => Credential::X509,
        }
    }

    /// Displays the MQTT user name:
    /// `{id scope}/registrations/{registration id}/api-version=…&ClientVersion=…`. Unlike a hub's, it has
    /// no question mark.
    pub(super) const fn user_name<'a>(
        &'a self,
        api_version: &'a str,
        client_version: &'a str,
    ) -> RegistrationUserName<'a> {
        RegistrationUserName {
            enrollment: self,
            api_version,
            client_version,
        }
    }
}

/// See [`Enrollment::user_name`].
pub(super) struct RegistrationUserName<'a> {
    enrollment: &'a Enrollment,
    api_version: &'a str,
    client_version: &'a str,
}

impl fmt::Display for RegistrationUserName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/registrations/{}/api-version={}&ClientVersion={}",
            self.enrollment.id_scope.as_str(),
            self.enrollment.registration_id.as_str(),
            self.api_version,
            Encoded(self.client_version)
        )
    }
}
