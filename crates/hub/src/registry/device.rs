//! Entry of the registry about one device or module.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// A device, or a module of a device. Displayed as a module's client id: `device` or `device/module`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Identity {
    /// The device; case-sensitive.
    pub device_id: String,
    /// The module, if it is one.
    pub module_id: Option<String>,
}

impl Identity {
    /// A device.
    pub fn device(device_id: impl Into<String>) -> Self {
        Self {
            device_id: device_id.into(),
            module_id: None,
        }
    }

    /// A module of a device.
    pub fn module(device_id: impl Into<String>, module_id: impl Into<String>) -> Self {
        Self {
            device_id: device_id.into(),
            module_id: Some(module_id.into()),
        }
    }

    /// The identity whose client id this is: `device` or `device/module`. No id contains a slash.
    pub(crate) fn of_client(client_id: &str) -> Self {
        match client_id.split_once('/') {
            Some((device, module)) => Self::module(device, module),
            None => Self::device(client_id),
        }
    }

    /// Checks both ids: at most 128 characters out of those that Azure allows ("Understand the identity
    /// registry in your IoT hub"), not encoded.
    pub fn check(&self) -> Result<(), Error> {
        check_id("device id", &self.device_id)?;
        match &self.module_id {
            Some(module) => check_id("module id", module),
            None => Ok(()),
        }
    }
}

fn check_id(what: &str, id: &str) -> Result<(), Error> {
    const PUNCTUATION: &str = "-.+%_#*?!(),:=@$'";
    if id.is_empty() || id.len() > 128 {
        return Err(Error::ArgumentInvalid(format!(
            "a {what} has 1 to 128 characters; this one has {}",
            id.len()
        )));
    }
    match id
        .chars()
        .find(|c| !c.is_ascii_alphanumeric() && !PUNCTUATION.contains(*c))
    {
        Some(bad) => Err(Error::ArgumentInvalid(format!(
            "a {what} consists of ASCII letters, digits and {PUNCTUATION}; this one has {bad:?}"
        ))),
        None => Ok(()),
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.module_id {
            Some(module) => write!(f, "{}/{module}", self.device_id),
            None => f.write_str(&self.device_id),
        }
    }
}

/// Two base64 keys; either of them signs tokens.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SymmetricKeys {
    /// The one in connection strings.
    pub primary_key: String,
    /// The one that stays valid while the other is exchanged.
    pub secondary_key: String,
}

impl fmt::Debug for SymmetricKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SymmetricKeys([redacted])")
    }
}

impl SymmetricKeys {
    /// Two keys that the hub makes when the device is registered.
    pub const fn generated() -> Self {
        Self {
            primary_key: String::new(),
            secondary_key: String::new(),
        }
    }
}

/// Proof of a device's identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "type")]
pub enum Authentication {
    /// A SAS token under one of two keys.
    Sas(SymmetricKeys),
    /// A certificate with one of these SHA-1 or SHA-256 thumbprints of its DER form, in hex of any case.
    #[serde(rename_all = "camelCase")]
    X509Thumbprint {
        /// The first.
        primary: Option<String>,
        /// The second.
        secondary: Option<String>,
    },
    /// A certificate whose CN is the client id, with a chain to an uploaded CA.
    X509Ca,
}

/// True if a device may connect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Status {
    /// It may.
    #[default]
    Enabled,
    /// It may not.
    Disabled,
}

/// One entry of the registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    /// Identity of the device or module.
    pub identity: Identity,
    /// Tells devices of the same id apart that were created, deleted and created again.
    pub generation_id: String,
    /// Changes with every change of this entry.
    pub etag: String,
    /// True if it may connect.
    pub status: Status,
    /// Reason, in the words of the one who changed it last.
    #[serde(default)]
    pub status_reason: Option<String>,
    /// Time at which `status` changed, in milliseconds since 1970; 0 if it never did.
    #[serde(default)]
    pub status_changed: u64,
    /// Of a module: who looks after it.
    #[serde(default)]
    pub managed_by: Option<String>,
    /// Proof of its identity.
    pub authentication: Authentication,
}

impl Device {
    /// True if it may connect.
    pub(crate) fn is_enabled(&self) -> bool {
        self.status == Status::Enabled
    }

    /// Connection string of a device: `HostName=…;DeviceId=…;SharedAccessKey=…` or `…;x509=true`.
    pub fn connection_string(&self, host_name: &str) -> String {
        let mut text = format!("HostName={host_name};DeviceId={}", self.identity.device_id);
        if let Some(module) = &self.identity.module_id {
            text.push_str(";ModuleId=");
            text.push_str(module);
        }
        match &self.authentication {
            Authentication::Sas(keys) => {
                text.push_str(";SharedAccessKey=");
                text.push_str(&keys.primary_key);
            }
            Authentication::X509Thumbprint { .. } | Authentication::X509Ca => {
                text.push_str(";x509=true")
            }
        }
        text
    }
}
