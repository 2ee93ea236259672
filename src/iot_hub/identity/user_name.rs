//! Name that a device gives itself in CONNECT (Azure IoT Hub, "Use MQTT to establish communication").

use core::fmt;

use super::{DeviceId, HostName, Identity, ModuleId};
use crate::percent::Encoded;

/// The version of IoT Hub's device API that this device speaks.
pub const API_VERSION: &str = "2021-04-12";

/// Displays the MQTT client id: `{device}` or `{device}/{module}`.
#[derive(Clone, Copy, Debug)]
pub struct ClientId<'a>(&'a Identity);

impl ClientId<'_> {
    /// The longest client id, in bytes.
    pub const MAX_LEN: usize = DeviceId::MAX_LEN + 1 + ModuleId::MAX_LEN;
}

/// Displays the MQTT user name:
/// `{host}/{device}[/{module}]/?api-version=…[&DeviceClientType=…][&model-id=…]`.
///
/// Host name and ids stand there as they are, the values of the query percent-encoded, since that is what
/// IoT Hub decodes.
#[derive(Clone, Copy, Debug)]
pub struct UserName<'a> {
    identity: &'a Identity,
    client_type: Option<&'a str>,
    model_id: Option<&'a str>,
}

impl<'a> UserName<'a> {
    /// The longest user name without the two optional values, in bytes. Add for each of them 18 bytes and
    /// its encoded length: three times its length at most.
    pub const MAX_LEN: usize =
        HostName::MAX_LEN + 1 + ClientId::MAX_LEN + "/?api-version=".len() + API_VERSION.len();

    /// Adds the name and version of the device's software, such as `azure-device/1.2.0 (Zephyr)`, which the
    /// hub's operator sees.
    pub const fn client_type(self, client_type: &'a str) -> Self {
        Self {
            client_type: Some(client_type),
            ..self
        }
    }

    /// Adds the id of the device's DTDL model, such as `dtmi:com:example:Sensor;1` (IoT Plug and Play
    /// conventions). The hub learns it on each connection.
    pub const fn model_id(self, model_id: &'a str) -> Self {
        Self {
            model_id: Some(model_id),
            ..self
        }
    }
}

impl Identity {
    /// Client id to send.
    pub const fn client_id(&self) -> ClientId<'_> {
        ClientId(self)
    }

    /// User name to send, with either kind of credential.
    pub const fn user_name(&self) -> UserName<'_> {
        UserName {
            identity: self,
            client_type: None,
            model_id: None,
        }
    }
}

impl fmt::Display for ClientId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.device_id().as_str())?;
        match self.0.module_id() {
            Some(module_id) => write!(f, "/{module_id}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for UserName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let identity = self.identity;
        write!(
            f,
            "{}/{}/?api-version={API_VERSION}",
            identity.host_name(),
            identity.client_id()
        )?;
        if let Some(client_type) = self.client_type {
            write!(f, "&DeviceClientType={}", Encoded(client_type))?;
        }
        if let Some(model_id) = self.model_id {
            write!(f, "&model-id={}", Encoded(model_id))?;
        }
        Ok(())
    }
}
