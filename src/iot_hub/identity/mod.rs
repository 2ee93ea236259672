//! Identity of a device: its names, the host that it connects to, and its proof.
//!
//! Everything is checked once, when an [`Identity`] is made: from a connection string
//! ([`ConnectionString::parse`]) or from its parts ([`Identity::new`]). What comes later relies on it: ids
//! go into topics and the user name as they are, since IoT Hub does not decode them there.
//!
//! Limits: certificates and private keys are not here but with the platform, which presents them in the
//! TLS handshake; [`Credential::X509`] only says so.

mod connection_string;
mod credential;
mod device_id;
mod host_name;
mod model_id;
mod user_name;

use core::fmt;

pub use connection_string::{ConnectionString, ConnectionStringError};
pub use credential::{Credential, KeyError, SharedAccessKey};
pub use device_id::{DeviceId, IdError, ModuleId};
pub use host_name::{HostName, HostNameError};
pub use model_id::{MAX_LEN as MAX_MODEL_ID_LEN, is_model_id};
pub use user_name::{API_VERSION, ClientId, UserName};

use crate::sas::{Resource, TokenError};

/// A device, or a module on a device, as its hub knows it.
#[derive(Debug)]
pub struct Identity {
    host_name: HostName,
    device_id: DeviceId,
    module_id: Option<ModuleId>,
    gateway: Option<HostName>,
    credential: Credential,
}

impl Identity {
    /// A device of the hub `host_name`, or a module on it.
    ///
    /// # Errors
    ///
    /// [`IdentityError::SharedAccessSignature`] if `credential` is a token for something else. Its expiry
    /// is not looked at: see [`SasToken::check_expiry`](crate::sas::SasToken::check_expiry).
    pub fn new(
        host_name: HostName,
        device_id: DeviceId,
        module_id: Option<ModuleId>,
        credential: Credential,
    ) -> Result<Self, IdentityError> {
        let identity = Self {
            host_name,
            device_id,
            module_id,
            gateway: None,
            credential,
        };
        if let Credential::SasToken(token) = &identity.credential {
            token
                .check_scope(identity.resource())
                .map_err(IdentityError::SharedAccessSignature)?;
        }
        Ok(identity)
    }

    /// The same device, connected through the transparent gateway `gateway` (Azure IoT Edge, "Connect a
    /// downstream device to an IoT Edge gateway").
    pub fn with_gateway(self, gateway: HostName) -> Self {
        Self {
            gateway: Some(gateway),
            ..self
        }
    }

    /// The hub's name. What to connect to is [`Identity::server_name`].
    pub const fn host_name(&self) -> &HostName {
        &self.host_name
    }

    /// The device's id.
    pub const fn device_id(&self) -> &DeviceId {
        &self.device_id
    }

    /// The module's id, if this is a module.
    pub const fn module_id(&self) -> Option<&ModuleId> {
        self.module_id.as_ref()
    }

    /// The word for it: `device` or `module`.
    pub const fn kind(&self) -> &'static str {
        match self.module_id {
            None => "device",
            Some(_) => "module",
        }
    }

    /// The name to connect to, which the server's certificate must be valid for: the gateway's if there is
    /// one, else the hub's.
    pub fn server_name(&self) -> &HostName {
        self.gateway.as_ref().unwrap_or(&self.host_name)
    }

    /// Proof of the device's identity.
    pub const fn credential(&self) -> &Credential {
        &self.credential
    }

    /// Resource that a SAS token of this device is for.
    pub fn resource(&self) -> Resource<'_> {
        Resource::device(
            self.host_name.as_str(),
            self.device_id.as_str(),
            self.module_id.as_ref().map(ModuleId::as_str),
        )
    }
}

/// Reason why an identity was rejected: which field, and what is wrong with it. Contains no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdentityError {
    /// The connection string as a whole.
    ConnectionString(ConnectionStringError),
    /// The hub's name.
    HostName(HostNameError),
    /// The gateway's name.
    GatewayHostName(HostNameError),
    /// The device's id.
    DeviceId(IdError),
    /// The module's id.
    ModuleId(IdError),
    /// The shared access key.
    SharedAccessKey(KeyError),
    /// The ready-made SAS token.
    SharedAccessSignature(TokenError),
}

impl From<ConnectionStringError> for IdentityError {
    fn from(error: ConnectionStringError) -> Self {
        Self::ConnectionString(error)
    }
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (field, problem): (_, &dyn fmt::Display) = match self {
            Self::ConnectionString(problem) => ("the connection string", problem),
            Self::HostName(problem) => ("HostName", problem),
            Self::GatewayHostName(problem) => ("GatewayHostName", problem),
            Self::DeviceId(problem) => ("DeviceId", problem),
            Self::ModuleId(problem) => ("ModuleId", problem),
            Self::SharedAccessKey(problem) => ("SharedAccessKey", problem),
            Self::SharedAccessSignature(problem) => ("SharedAccessSignature", problem),
        };
        write!(f, "{field} {problem}")
    }
}

impl core::error::Error for IdentityError {}

#[cfg(test)]
mod tests;
