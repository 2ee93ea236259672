//! View of operators on the twin, and their changes: in the shape of IoT Hub's REST API.

use serde_json::{Value, json};

use super::Twin;
use crate::clock::time_or_never;
use crate::core::Core;
use crate::error::Error;
use crate::registry::{Authentication, Device, Identity};
use crate::sessions::Push;
use crate::throttle::Operation;

impl Core {
    /// The twin of a device or module.
    pub(crate) fn twin(&self, identity: &Identity) -> Result<Value, Error> {
        let device = self.registry.get(identity)?;
        self.meter(Operation::TwinRead)?;
        let twin = self.twin_entity(&device, &self.twins.get(&device));
        self.quota.spend(twin.to_string().len())?;
        Ok(twin)
    }

    /// Changes tags and desired properties by a merge patch, or replaces them; tells the device if it is
    /// connected and wants to know. `etag`: only if the twin still has this one.
    pub(crate) fn change_twin(
        &self,
        identity: &Identity,
        etag: Option<&str>,
        change: &Value,
        replace: bool,
    ) -> Result<Value, Error> {
        let device = self.registry.get(identity)?;
        self.meter(Operation::TwinUpdate)?;
        self.quota.spend(change.to_string().len())?;
        let tell = |version: u64, notification: &Value| {
            let link = self.sessions.get(&identity.to_string());
            let topic = format!("$iothub/twin/PATCH/properties/desired/?$version={version}");
            let link = link.filter(|link| link.granted(&topic).is_some());
            let told = if link.is_some() {
                "and is told"
            } else {
                "and is not told now"
            };
            log::debug!(
                "{:?} has desired properties of version {version} {told}",
                identity.to_string()
            );
            if let Some(link) = link {
                link.push(Push {
                    topic,
                    payload: notification.to_string().into_bytes(),
                });
            }
        };
        let twin = self.twins.change(&device, etag, change, replace, tell)?;
        Ok(self.twin_entity(&device, &twin))
    }

    /// A twin as operators see it. Reading it so is not metered.
    pub(crate) fn twin_entity(&self, device: &Device, twin: &Twin) -> Value {
        let client_id = device.identity.to_string();
        let connected = self.sessions.get(&client_id).is_some();
        let mut entity = json!({ "deviceId": device.identity.device_id });
        if let Some(module) = &device.identity.module_id {
            entity["moduleId"] = module.as_str().into();
        }
        entity["etag"] = twin.etag().into();
        entity["deviceEtag"] = device.etag.as_str().into();
        entity["status"] = json!(device.status);
        entity["statusReason"] = json!(device.status_reason);
        entity["statusUpdateTime"] = time_or_never(device.status_changed).into();
        entity["connectionState"] = if connected {
            "Connected"
        } else {
            "Disconnected"
        }
        .into();
        entity["lastActivityTime"] = time_or_never(self.sessions.activity(&client_id).last).into();
        entity["cloudToDeviceMessageCount"] = self.c2d.pending(&client_id).into();
        let thumbprints = match &device.authentication {
            Authentication::X509Thumbprint { primary, secondary } => {
                (primary.as_deref(), secondary.as_deref())
            }
            _ => (None, None),
        };
        entity["authenticationType"] = match &device.authentication {
            Authentication::Sas(_) => "sas",
            Authentication::X509Thumbprint { .. } => "selfSigned",
            Authentication::X509Ca => "certificateAuthority",
        }
        .into();
        entity["x509Thumbprint"] =
            json!({ "primaryThumbprint": thumbprints.0, "secondaryThumbprint": thumbprints.1 });
        entity["modelId"] = twin.model_id.as_deref().unwrap_or_default().into();
        entity["version"] = twin.version.into();
        entity["tags"] = Value::Object(twin.tags.clone());
        entity["properties"] = json!({
            "desired": twin.desired.with_metadata(),
            "reported": twin.reported.with_metadata(),
        });
        if device.identity.module_id.is_none() {
            entity["capabilities"] = json!({ "iotEdge": false });
        }
        entity
    }
}
