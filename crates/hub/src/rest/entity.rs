//! Entries of the registry in JSON, as IoT Hub's REST API has them.

use axum::Json;
use axum::http::HeaderValue;
use axum::http::header::ETAG;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::clock::time_or_never;
use crate::core::Core;
use crate::error::Error;
use crate::registry::{Authentication, Device, Identity, Status, SymmetricKeys};

/// An entry in a request; what is absent is left as it is, or made up. A member that there is not is refused.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Entry {
    device_id: Option<String>,
    module_id: Option<String>,
    /// True if the device may connect.
    pub(super) status: Option<Status>,
    /// Reason; `null` takes it away.
    #[serde(default, deserialize_with = "present")]
    status_reason: Option<Option<String>>,
    authentication: Option<AuthenticationBody>,
    capabilities: Option<Capabilities>,
    /// Of a module: who looks after it.
    #[serde(default, deserialize_with = "present")]
    managed_by: Option<Option<String>>,
    /// The hub's own times: what was read may be sent back.
    connection_state_updated_time: Option<String>,
    status_updated_time: Option<String>,
    last_activity_time: Option<String>,
    /// The hub's own too, and of no effect, as in Azure.
    #[serde(rename = "generationId")]
    _generation_id: Option<String>,
    #[serde(rename = "etag")]
    _etag: Option<String>,
    #[serde(rename = "connectionState")]
    _connection_state: Option<String>,
    #[serde(rename = "cloudToDeviceMessageCount")]
    _message_count: Option<u64>,
    /// Of IoT Edge; only nothing is taken.
    device_scope: Option<String>,
    parent_scopes: Option<Vec<String>>,
}

/// Capabilities of a device.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Capabilities {
    iot_edge: Option<bool>,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Most characters of a reason or of `managedBy`.
const MAX_TEXT: usize = 128;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AuthenticationBody {
    r#type: Option<String>,
    symmetric_key: Option<KeysBody>,
    x509_thumbprint: Option<ThumbprintBody>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct KeysBody {
    primary_key: Option<String>,
    secondary_key: Option<String>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ThumbprintBody {
    primary_thumbprint: Option<String>,
    secondary_thumbprint: Option<String>,
}

impl Entry {
    /// Refuses a body that names another entry than the path.
    pub(super) fn check_ids(&self, identity: &Identity) -> Result<(), Error> {
        let differs =
            |given: Option<&String>, wanted: Option<&String>| given.is_some() && given != wanted;
        if differs(self.device_id.as_ref(), Some(&identity.device_id))
            || differs(self.module_id.as_ref(), identity.module_id.as_ref())
        {
            return Err(Error::ArgumentInvalid(
                "the ids in path and body differ".into(),
            ));
        }
        Ok(())
    }

    /// Refuses what this hub cannot keep. `current`: the entry as it is, if it is there.
    pub(super) fn check(&self, identity: &Identity, current: Option<&Value>) -> Result<(), Error> {
        let refused = |text: String| Err(Error::ArgumentInvalid(text));
        let is_edge = self.capabilities.as_ref().and_then(|all| all.iot_edge) == Some(true);
        let in_scope = self
            .device_scope
            .as_ref()
            .is_some_and(|scope| !scope.is_empty())
            || self
                .parent_scopes
                .as_ref()
                .is_some_and(|scopes| !scopes.is_empty());
        if is_edge || in_scope {
            let names = "capabilities.iotEdge, deviceScope and parentScopes";
            return refused(format!("this hub has no IoT Edge; leave out {names}"));
        }
        if identity.module_id.is_some() && self.capabilities.is_some() {
            return refused("a module has no capabilities; leave them out".into());
        }
        if identity.module_id.is_none() && self.managed_by.as_ref().is_some_and(Option::is_some) {
            return refused("managedBy is of modules only; leave it out".into());
        }
        for (name, text) in [
            ("statusReason", &self.status_reason),
            ("managedBy", &self.managed_by),
        ] {
            let length = text.iter().flatten().map(|text| text.chars().count()).max();
            if length.is_some_and(|length| length > MAX_TEXT) {
                return refused(format!("{name} has {MAX_TEXT} characters at most"));
            }
        }
        for (name, given) in [
            (CONNECTION_CHANGED, &self.connection_state_updated_time),
            (STATUS_CHANGED, &self.status_updated_time),
            (LAST_ACTIVITY, &self.last_activity_time),
        ] {
            let own = current
                .and_then(|entry| entry[name].as_str())
                .unwrap_or(NEVER);
            if given.as_deref().is_some_and(|given| !was_read(given, own)) {
                return refused(format!(
                    "{name} is the hub's own; leave it out, or send back what was read"
                ));
            }
        }
        Ok(())
    }

    /// Enters what is kept as it is given.
    pub(super) fn apply(&self, device: &mut Device) {
        device.status = self.status.unwrap_or(device.status);
        if let Some(reason) = &self.status_reason {
            device.status_reason.clone_from(reason);
        }
        if let Some(managed_by) = &self.managed_by {
            device.managed_by.clone_from(managed_by);
        }
    }

    /// Proof of the device's identity, if the body names one. Empty keys are to be made up.
    pub(super) fn authentication(&self) -> Result<Option<Authentication>, Error> {
        let Some(body) = &self.authentication else {
            return Ok(None);
        };
        let authentication = match body.r#type.as_deref().unwrap_or("sas") {
            "sas" => {
                let mut keys = SymmetricKeys::generated();
                if let Some(given) = body.symmetric_key.clone() {
                    keys.primary_key = given.primary_key.unwrap_or_default();
                    keys.secondary_key = given.secondary_key.unwrap_or_default();
                }
                Authentication::Sas(keys)
            }
            "selfSigned" => {
                let missing =
                    || Error::ArgumentInvalid("selfSigned needs an x509Thumbprint".into());
                let given = body.x509_thumbprint.clone().ok_or_else(missing)?;
                Authentication::X509Thumbprint {
                    primary: given.primary_thumbprint.filter(|text| !text.is_empty()),
                    secondary: given.secondary_thumbprint.filter(|text| !text.is_empty()),
                }
            }
            "certificateAuthority" => Authentication::X509Ca,
            other => {
                return Err(Error::ArgumentInvalid(format!(
                    "authentication type {other:?} is none of sas, selfSigned, certificateAuthority"
                )));
            }
        };
        Ok(Some(authentication))
    }
}

/// Names of the hub's own times.
const CONNECTION_CHANGED: &str = "connectionStateUpdatedTime";
const STATUS_CHANGED: &str = "statusUpdatedTime";
const LAST_ACTIVITY: &str = "lastActivityTime";
/// The time of what never happened, as Azure tells it.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// True if the hub can have told the time `given`: it tells `own` now, and told earlier ones before.
fn was_read(given: &str, own: &str) -> bool {
    let time = |text: &str| {
        // Azure's samples write the time of what never happened without a zone.
        OffsetDateTime::parse(text, &Rfc3339)
            .or_else(|_| OffsetDateTime::parse(&format!("{text}Z"), &Rfc3339))
            .ok()
    };
    match (time(given), time(own)) {
        (Some(given), Some(own)) => given <= own,
        _ => false,
    }
}

/// An entry in a response.
pub(super) fn entity(core: &Core, device: &Device) -> Value {
    let client_id = device.identity.to_string();
    let connected = core.sessions.get(&client_id).is_some();
    let activity = core.sessions.activity(&client_id);
    let mut entity = json!({
        "deviceId": device.identity.device_id,
        "generationId": device.generation_id,
        "etag": device.etag,
        "connectionState": if connected { "Connected" } else { "Disconnected" },
        "connectionStateUpdatedTime": time_or_never(activity.state_changed),
        "lastActivityTime": time_or_never(activity.last),
        "status": device.status,
        "statusReason": device.status_reason,
        "statusUpdatedTime": time_or_never(device.status_changed),
        "cloudToDeviceMessageCount": core.c2d.pending(&client_id),
        "authentication": authentication_entity(&device.authentication),
    });
    match &device.identity.module_id {
        Some(module) => {
            entity["moduleId"] = module.as_str().into();
            entity["managedBy"] = json!(device.managed_by);
        }
        None => entity["capabilities"] = json!({ "iotEdge": false }),
    }
    entity
}

fn authentication_entity(authentication: &Authentication) -> Value {
    let mut entity = json!({
        "symmetricKey": { "primaryKey": null, "secondaryKey": null },
        "x509Thumbprint": { "primaryThumbprint": null, "secondaryThumbprint": null },
    });
    entity["type"] = match authentication {
        Authentication::Sas(keys) => {
            entity["symmetricKey"] =
                json!({ "primaryKey": keys.primary_key, "secondaryKey": keys.secondary_key });
            "sas"
        }
        Authentication::X509Thumbprint { primary, secondary } => {
            entity["x509Thumbprint"] =
                json!({ "primaryThumbprint": primary, "secondaryThumbprint": secondary });
            "selfSigned"
        }
        Authentication::X509Ca => "certificateAuthority",
    }
    .into();
    entity
}

/// A response of one entry, with its etag as a header too.
pub(super) fn with_etag(core: &Core, device: &Device) -> Response {
    let mut response = Json(entity(core, device)).into_response();
    if let Ok(etag) = HeaderValue::from_str(&format!("\"{}\"", device.etag)) {
        response.headers_mut().insert(ETAG, etag);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::was_read;

    #[test]
    fn only_times_that_the_hub_can_have_told_may_be_sent_back() {
        let own = "2026-01-01T00:00:00.5Z";
        for read in [
            own,
            "2026-01-01T01:00:00.5+01:00",
            "2025-12-31T23:59:59Z",
            "0001-01-01T00:00:00Z",
            "0001-01-01T00:00:00",
        ] {
            assert!(was_read(read, own), "{read}");
        }
        for other in ["2026-01-01T00:00:00.6Z", "9999-12-31T23:59:59Z", "now", ""] {
            assert!(!was_read(other, own), "{other}");
        }
    }
}
