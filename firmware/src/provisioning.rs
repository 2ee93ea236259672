//! The enrolment with the Device Provisioning Service (DPS): an id scope, a registration id, and what the
//! registration proves itself with.
//!
//! The registration id is the one that was given, or the processor's own id, so that one image serves a
//! fleet. A symmetric key is kept as the device's own: of a group's key, only what is derived from it.

#![forbid(unsafe_code)]

#[cfg(CONFIG_AZURE_SHELL)]
use alloc::format;
use alloc::string::String;
use core::fmt::{self, Write};

use azure_device::identity::{HostName, HostNameError, KeyError, SharedAccessKey};
use azure_device::json::Value;
use azure_device::provisioning::{
    Attestation, Config, Enrollment, IdScope, RegistrationId, RegistrationIdError,
};
use azure_device::storage::CHECKSUM_LEN;
use zeroize::Zeroizing;

use crate::configuration::{self, built_in, text};
use crate::kconfig;
use crate::{ffi, storage};

/// The storage's names of what "azure set" brings.
pub(crate) const ENROLMENT: &str = "provisioning";
/// The device's own key, as bytes.
pub(crate) const SYMMETRIC_KEY: &str = "symmetric-key";
/// Another service endpoint than the public cloud's.
pub(crate) const HOST: &str = "provisioning-host";

/// An enrolment and the service to ask.
#[derive(Debug)]
pub(crate) struct Provisioning {
    /// Registration that asks, and its proof.
    pub(crate) enrollment: Enrollment,
    host_name: HostName,
}

impl Provisioning {
    /// The enrolment that "azure set provisioning" brought.
    pub(crate) fn stored() -> Result<Option<Self>, configuration::ConfigurationError> {
        let Some((id_scope, registration_id)) = stored_enrolment()? else {
            return Ok(None);
        };
        let attestation = match stored_key()? {
            Some(key) => Attestation::SymmetricKey(key),
            None => Attestation::X509,
        };
        let enrollment = Enrollment::new(id_scope, registration_id, attestation);
        Self::with(enrollment).map(Some)
    }

    /// The enrolment that the image carries.
    pub(crate) fn built_in() -> Result<Option<Self>, configuration::ConfigurationError> {
        let id_scope = kconfig::CONFIG_AZURE_DPS_ID_SCOPE;
        if id_scope.is_empty() || !built_in::ENROLLED {
            return Ok(None);
        }
        let id_scope = IdScope::parse(id_scope).map_err(EnrollmentError::IdScope)?;
        let given = kconfig::CONFIG_AZURE_DPS_REGISTRATION_ID;
        let registration_id = registration_id(Some(given).filter(|id| !id.is_empty()))?;
        let key = |text| SharedAccessKey::from_base64(text).map_err(EnrollmentError::Key);
        let enrollment = match built_in::ENROLLMENT_KEY {
            None => Enrollment::new(id_scope, registration_id, Attestation::X509),
            Some(text) if cfg!(CONFIG_AZURE_DPS_GROUP_KEY) => {
                Enrollment::of_group(id_scope, registration_id, &key(text)?)
            }
            Some(text) => Enrollment::new(
                id_scope,
                registration_id,
                Attestation::SymmetricKey(key(text)?),
            ),
        };
        Self::with(enrollment).map(Some)
    }

    fn with(enrollment: Enrollment) -> Result<Self, configuration::ConfigurationError> {
        let host_name = text(None, HOST, kconfig::CONFIG_AZURE_DPS_HOST_NAME)?.unwrap_or_default();
        Ok(Self {
            enrollment,
            host_name: HostName::parse(&host_name).map_err(EnrollmentError::HostName)?,
        })
    }

    /// Configuration for the registration. The other values are those of the hub.
    pub(crate) fn config<'a>(&'a self, hub: Config<'a>) -> Result<Config<'a>, EnrollmentError> {
        let payload = kconfig::CONFIG_AZURE_DPS_PAYLOAD;
        let payload = (!payload.is_empty()).then(|| Value::parse(payload.as_bytes()));
        Ok(Config {
            host_name: self.host_name.as_str(),
            payload: payload.transpose().map_err(|_| EnrollmentError::Payload)?,
            reprovision_after: configuration::seconds(
                kconfig::CONFIG_AZURE_DPS_REPROVISION_AFTER_S,
            ),
            ..hub
        })
    }
}

/// The registration id that was given, or the processor's own id in hexadecimal.
pub(crate) fn registration_id(given: Option<&str>) -> Result<RegistrationId, EnrollmentError> {
    if let Some(given) = given {
        return RegistrationId::parse(given).map_err(EnrollmentError::RegistrationId);
    }
    let mut id = [0; 16];
    let id = ffi::hardware_id(&mut id).ok_or(EnrollmentError::NoHardwareId)?;
    let mut text = String::with_capacity(2 * id.len());
    for byte in id {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    RegistrationId::parse(&text).map_err(EnrollmentError::RegistrationId)
}

/// Stored form of an enrolment: the id scope, a line feed, and the registration id unless it is the processor's
/// own. One value, so that a damaged one is not half an enrolment.
#[cfg(CONFIG_AZURE_SHELL)]
pub(crate) fn enrolment_text(id_scope: &IdScope, given: Option<&RegistrationId>) -> String {
    let id = given.map_or("", RegistrationId::as_str);
    format!("{}\n{id}", id_scope.as_str())
}

/// The stored enrolment, without its key.
pub(crate) fn stored_enrolment()
-> Result<Option<(IdScope, RegistrationId)>, configuration::ConfigurationError> {
    let Some(text) = text(None, ENROLMENT, "")? else {
        return Ok(None);
    };
    let (id_scope, given) = text.split_once('\n').unwrap_or((&text, ""));
    Ok(Some((
        IdScope::parse(id_scope).map_err(EnrollmentError::IdScope)?,
        registration_id(Some(given).filter(|id| !id.is_empty()))?,
    )))
}

fn stored_key() -> Result<Option<SharedAccessKey>, configuration::ConfigurationError> {
    let mut buffer = Zeroizing::new([0; SharedAccessKey::MAX_LEN + CHECKSUM_LEN]);
    let length = storage::load(SYMMETRIC_KEY, buffer.as_mut_slice())
        .map_err(configuration::ConfigurationError::Storage)?;
    let key = length.map(|length| {
        SharedAccessKey::from_bytes(buffer.get(..length).unwrap_or_default())
            .map_err(EnrollmentError::Key)
    });
    Ok(key.transpose()?)
}

/// Reason why there can be no enrolment.
#[derive(Clone, Copy, Debug)]
pub(crate) enum EnrollmentError {
    /// The id scope.
    IdScope(RegistrationIdError),
    /// The registration id.
    RegistrationId(RegistrationIdError),
    /// None was given, and the processor has none.
    NoHardwareId,
    /// The symmetric key.
    Key(KeyError),
    /// The service's name.
    HostName(HostNameError),
    /// The payload for a custom allocation policy.
    Payload,
}

impl fmt::Display for EnrollmentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IdScope(error) => write!(f, "the id scope {error}"),
            Self::RegistrationId(error) => write!(f, "the registration id {error}"),
            Self::NoHardwareId => f.write_str(if cfg!(CONFIG_AZURE_SHELL) {
                "this processor has no id of its own: azure set provisioning <id scope> <registration id>"
            } else {
                "this processor has no id of its own: set CONFIG_AZURE_DPS_REGISTRATION_ID"
            }),
            Self::Key(error) => write!(f, "the symmetric key {error}"),
            Self::HostName(error) => write!(f, "the provisioning service's name {error}"),
            Self::Payload => f.write_str("CONFIG_AZURE_DPS_PAYLOAD is no JSON: correct it"),
        }
    }
}
