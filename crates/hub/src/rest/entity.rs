//! Entries of the registry in JSON, as IoT Hub's REST API has them.

use axum::Json;
use axum::http::HeaderValue;
use axum::http::header::ETAG;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::core::Core;
use crate::error::Error;
use crate::registry::{Authentication, Device, Identity, Status, SymmetricKeys};

/// An entry in a request; what is absent is left as it is, or made up.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Body {
    device_id: Option<String>,
    module_id: Option<String>,
    /// Whether the device may connect.
    pub(super) status: Option<Status>,
    authentication: Option<AuthenticationBody>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AuthenticationBody {
    r#type: Option<String>,
    symmetric_key: Option<KeysBody>,
    x509_thumbprint: Option<ThumbprintBody>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeysBody {
    primary_key: Option<String>,
    secondary_key: Option<String>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ThumbprintBody {
    primary_thumbprint: Option<String>,
    secondary_thumbprint: Option<String>,
}

impl Body {
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

    /// How the device is to prove who it is, if the body says so. Empty keys are to be made up.
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

/// An entry in a response.
pub(super) fn entity(core: &Core, device: &Device) -> Value {
    let client_id = device.identity.to_string();
    let connected = core.sessions.get(&client_id).is_some();
    let mut entity = json!({
        "deviceId": device.identity.device_id,
        "generationId": device.generation_id,
        "etag": device.etag,
        "connectionState": if connected { "Connected" } else { "Disconnected" },
        "status": device.status,
        "cloudToDeviceMessageCount": core.c2d.pending(&client_id),
        "authentication": authentication_entity(&device.authentication),
    });
    match &device.identity.module_id {
        Some(module) => entity["moduleId"] = module.as_str().into(),
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
