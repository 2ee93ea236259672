//! Deployments: the desired properties that have a device take an update, and what devices report of it.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};
use ring::signature::RsaKeyPair;
use serde_json::{Map, Value, json};

use super::faults::UpdateFault;
use super::import::{UpdateId, file_id};
use super::keys::{Keys, ROOTS, sign};
use super::{Update, Updates};
use crate::core::Core;
use crate::credentials::random;
use crate::error::Error;
use crate::query::Wanted;
use crate::registry::{Device, Identity};

/// Action of a workflow: process the deployment.
const PROCESS: i64 = 3;
/// Action of a workflow: cancel it.
const CANCEL: i64 = 255;
/// Names of compatibility in a manifest, and what a device calls them.
const NAMES: [(&str, &str); 2] = [
    ("deviceManufacturer", "manufacturer"),
    ("deviceModel", "model"),
];

/// Devices that are meant: each of these, or those that a condition selects, such as `tags.site = 'north'`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Group<'g> {
    Device(&'g str),
    Condition(&'g str),
}

impl Core {
    /// Deploys an update to devices. Gives the workflow of each, and the reason for those that it is not for.
    pub(crate) fn deploy(&self, id: &UpdateId, group: Group<'_>) -> Result<Value, Error> {
        let update = self.updates.update(id)?;
        self.updates.server()?;
        let mut deployed = Map::new();
        for device in self.devices(group)? {
            let identity = Identity::device(device.as_str());
            let twin = self.twin(&identity)?;
            let outcome = match not_for(&update, &twin) {
                Some(reason) => json!({ "refused": reason }),
                None => {
                    let workflow = random::uuid();
                    let service = self.updates.service(&update, &workflow, &twin)?;
                    let component = json!({"deviceUpdate": {"__t": "c", "service": service}});
                    let patch = json!({"properties": {"desired": component}});
                    self.change_twin(&identity, None, &patch, false)?;
                    log::info!("{device:?} is to install {id} (workflow {workflow})");
                    json!({ "workflow": workflow })
                }
            };
            deployed.insert(device, outcome);
        }
        Ok(Value::Object(deployed))
    }

    /// Cancels what is deployed to devices. Gives their ids.
    pub(crate) fn cancel_updates(&self, group: Group<'_>) -> Result<Value, Error> {
        let mut cancelled = Vec::new();
        for device in self.devices(group)? {
            let identity = Identity::device(device.as_str());
            let twin = self.twin(&identity)?;
            if desired(&twin)["workflow"]["id"].is_null() {
                continue;
            }
            let component =
                json!({"deviceUpdate": {"__t": "c", "service": {"workflow": {"action": CANCEL}}}});
            self.change_twin(
                &identity,
                None,
                &json!({"properties": {"desired": component}}),
                false,
            )?;
            cancelled.push(device);
        }
        Ok(json!(cancelled))
    }

    /// State of updates of devices that report any, or have one deployed.
    pub(crate) fn update_states(&self, group: Group<'_>) -> Result<Value, Error> {
        let mut states = Map::new();
        for device in self.devices(group)? {
            let twin = self.twin(&Identity::device(device.as_str()))?;
            if let Some(state) = state(&twin) {
                states.insert(device, state);
            }
        }
        Ok(Value::Object(states))
    }

    /// State of updates of one device, if it reports any or has one deployed. Reading it so is not metered.
    pub(crate) fn update_state(&self, device: &Device) -> Option<Value> {
        state(&self.twin_entity(device, &self.twins.get(device)))
    }

    fn devices(&self, group: Group<'_>) -> Result<Vec<String>, Error> {
        let condition = match group {
            Group::Device(id) => {
                self.registry.get(&Identity::device(id))?;
                return Ok(vec![id.to_owned()]);
            }
            Group::Condition("") => String::new(),
            Group::Condition(condition) => format!(" where {condition}"),
        };
        let query = format!("select deviceId from devices{condition}");
        let mut devices = Vec::new();
        let mut wanted = Wanted {
            size: None,
            continuation: None,
        };
        loop {
            let page = self.query(&query, &wanted)?;
            let ids = page
                .elements
                .iter()
                .filter_map(|element| element["deviceId"].as_str());
            devices.extend(ids.map(str::to_owned));
            wanted.continuation = page.continuation;
            if wanted.continuation.is_none() {
                return Ok(devices);
            }
        }
    }
}

fn desired(twin: &Value) -> &Value {
    &twin["properties"]["desired"]["deviceUpdate"]["service"]
}

fn agent(twin: &Value) -> &Value {
    &twin["properties"]["reported"]["deviceUpdate"]["agent"]
}

/// Reason why an update is not for a device with this twin; `None` if it is.
fn not_for(update: &Update, twin: &Value) -> Option<&'static str> {
    match &agent(twin)["deviceProperties"] {
        Value::Null => Some("it has not reported that it takes updates"),
        properties => incompatible(update, properties),
    }
}

/// Reason why an update is not for a device with these properties; `None` if it is.
pub(crate) fn incompatible(update: &Update, properties: &Value) -> Option<&'static str> {
    let own = |name: &str| {
        let own = NAMES.iter().find(|(manifest, _)| *manifest == name);
        let own = own.map_or(name, |(_, own)| own);
        properties[own]
            .as_str()
            .or_else(|| properties[name].as_str())
    };
    let is_own = |(name, value): (&String, &String)| {
        own(name).is_some_and(|own| own.eq_ignore_ascii_case(value))
    };
    let is_compatible = update
        .compatibility
        .iter()
        .any(|set| set.iter().all(is_own));
    (!is_compatible).then_some("the update's compatibility is that of other devices")
}

/// State of a device, as Azure names it.
fn state(twin: &Value) -> Option<Value> {
    let (service, agent) = (desired(twin), agent(twin));
    if service.is_null() && agent.is_null() {
        return None;
    }
    let workflow = &service["workflow"]["id"];
    let result = &agent["lastInstallResult"];
    let code = result["resultCode"].as_i64();
    let is_current = !workflow.is_null() && agent["workflow"]["id"] == *workflow;
    let state = match (agent["state"].as_i64(), code) {
        _ if workflow.is_null() => "None",
        (Some(6), _) if is_current => "InProgress",
        (Some(255), _) if is_current => "Failed",
        (Some(0), Some(-1)) if is_current => "Canceled",
        (Some(0), Some(1..)) if is_current => "Succeeded",
        _ if service["workflow"]["action"] == CANCEL => "Canceled",
        _ => "Pending",
    };
    let manifest = service["updateManifest"].as_str().unwrap_or_default();
    let manifest: Value = serde_json::from_str(manifest).unwrap_or_default();
    let installed = agent["installedUpdateId"].as_str().unwrap_or_default();
    let installed: Value = serde_json::from_str(installed).unwrap_or_default();
    Some(json!({
        "state": state,
        "workflow": workflow,
        "update": manifest["updateId"],
        "installed": installed,
        "resultCode": result["resultCode"],
        "extendedResultCode": result["extendedResultCode"],
        "resultDetails": result["resultDetails"],
        "acknowledged": twin["properties"]["reported"]["deviceUpdate"]["service"]["ac"],
    }))
}

impl Updates {
    /// The value of `deviceUpdate*service` that deploys an update. What an earlier deployment had is deleted.
    fn service(&self, update: &Update, workflow: &str, twin: &Value) -> Result<Value, Error> {
        let keys = self.keys()?;
        let server = self.server()?;
        let fault = self.take_fault(true);
        let contents = Self::contents(update);
        let mut files = Map::new();
        let earlier = desired(twin)["fileUrls"].as_object();
        for id in earlier.into_iter().flat_map(Map::keys) {
            files.insert(id.clone(), Value::Null);
        }
        files.insert(
            file_id(&contents),
            format!(
                "{server}/files/{contents}/{}",
                crate::credentials::percent::encode(&update.file_name)
            )
            .into(),
        );
        let manifest = match fault {
            Some(UpdateFault::WrongManifest) => {
                update.manifest.replacen("sizeInBytes", "sizeInByteS", 1)
            }
            _ => update.manifest.clone(),
        };
        let package = match fault {
            Some(UpdateFault::DisabledRootKey) => {
                format!("{server}/root-keys/disabled-root").into()
            }
            Some(UpdateFault::DisabledSigningKey) => {
                format!("{server}/root-keys/disabled-signing").into()
            }
            _ => Value::Null,
        };
        Ok(json!({
            "workflow": {"action": PROCESS, "id": workflow, "retryTimestamp": null},
            "updateManifest": manifest,
            "updateManifestSignature": signature(keys, &update.manifest, fault),
            "fileUrls": files,
            "rootKeyPackageUrl": package,
        }))
    }

    /// The update as the provisioning service offers it, and the address of the root key package.
    pub(crate) fn offer(&self, update: &Update, workflow: &str) -> Result<(Value, Value), Error> {
        let mut service = self.service(update, workflow, &Value::Null)?;
        let root_keys = match service["rootKeyPackageUrl"].take() {
            Value::Null => self.root_key_address()?.into(),
            address => address,
        };
        let metadata = json!({
            "workflowId": workflow,
            "updateManifest": service["updateManifest"].take(),
            "updateManifestSignature": service["updateManifestSignature"].take(),
            "fileUrls": service["fileUrls"].take(),
        });
        Ok((metadata, root_keys))
    }

    /// Address of a root key package that disables nothing.
    pub(crate) fn root_key_address(&self) -> Result<String, Error> {
        Ok(format!("{}/root-keys/current", self.server()?))
    }

    /// A root key package: the first, or one that disables a root key, or the signing key.
    pub(super) fn package(&self, name: &str) -> Option<String> {
        let keys = self.keys().ok()?;
        let (version, roots, signing) = match name {
            "current" => (1, json!([]), json!([])),
            "disabled-root" => (2, json!([ROOTS[0]]), json!([])),
            "disabled-signing" => {
                let mut der = Vec::new();
                // RSAPublicKey of RFC 8017, as ring writes it.
                der.extend_from_slice(keys.signing.public().as_ref());
                let hash = URL_SAFE_NO_PAD.encode(digest(&SHA256, &der));
                (2, json!([]), json!([{"alg": "SHA256", "hash": hash}]))
            }
            _ => return None,
        };
        let protected = json!({
            "isTest": true, "version": version, "published": 1_764_158_400, "disabledRootKeys": roots,
            "disabledSigningKeys": signing, "rootKeys": keys.public_roots(),
        })
        .to_string();
        let sign = |key: &RsaKeyPair| json!({"alg": "RS256", "sig": URL_SAFE_NO_PAD.encode(sign(key, protected.as_bytes()))});
        let signatures: Vec<Value> = keys.roots.iter().map(sign).collect();
        Some(format!(
            "{{\"protected\":{protected},\"signatures\":{}}}",
            json!(signatures)
        ))
    }
}

/// A compact JWS.
fn jws(header: &Value, payload: &Value, key: &RsaKeyPair) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(payload));
    format!(
        "{signed}.{}",
        URL_SAFE_NO_PAD.encode(sign(key, signed.as_bytes()))
    )
}

/// The signature of a manifest.
fn signature(keys: &Keys, manifest: &str, fault: Option<UpdateFault>) -> String {
    let root = match fault {
        Some(UpdateFault::UnknownKey) => "ADU.260109.R.T",
        _ => ROOTS[0],
    };
    let sjwk = jws(
        &json!({"alg": "RS256", "kid": root}),
        &keys.jwk(),
        &keys.roots[0],
    );
    let payload = json!({ "sha256": STANDARD.encode(digest(&SHA256, manifest.as_bytes())) });
    let text = jws(
        &json!({"alg": "RS256", "sjwk": sjwk}),
        &payload,
        &keys.signing,
    );
    match fault {
        Some(UpdateFault::WrongSignature) => {
            let (signed, signature) = text.rsplit_once('.').unwrap_or_default();
            let turned: String = signature.chars().rev().collect();
            format!("{signed}.{turned}")
        }
        _ => text,
    }
}
