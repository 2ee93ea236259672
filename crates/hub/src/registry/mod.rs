//! The identity registry: devices, modules, uploaded CAs.

mod device;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

pub use device::{Authentication, Device, Identity, Status, SymmetricKeys};

use crate::credentials::{random, x509};
use crate::error::Error;
use crate::store::{Batch, Store};

/// CAs that one hub takes.
const MAX_AUTHORITIES: usize = 25;

/// Every entry, held in memory and kept in the store.
#[derive(Debug)]
pub(crate) struct Registry {
    store: Arc<Store>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// By client id: `device` or `device/module`.
    devices: BTreeMap<String, Device>,
    /// By name; the PEM form as it was uploaded.
    authorities: BTreeMap<String, String>,
}

impl Registry {
    /// Restores the registry from the store.
    pub(crate) fn open(store: Arc<Store>) -> Self {
        let by_client_id = |(_, device): (String, Device)| (device.identity.to_string(), device);
        let name = |key: String| key.trim_start_matches("ca/").to_owned();
        let inner = Inner {
            devices: store
                .scan("identity/")
                .into_iter()
                .map(by_client_id)
                .collect(),
            authorities: store
                .scan("ca/")
                .into_iter()
                .map(|(key, pem)| (name(key), pem))
                .collect(),
        };
        Self {
            store,
            inner: Mutex::new(inner),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers a device or module.
    pub(crate) fn create(
        &self,
        identity: Identity,
        authentication: Authentication,
        status: Status,
    ) -> Result<Device, Error> {
        self.create_with(identity, authentication, status, |_| {})
    }

    /// The same, and `complete` fills in the rest of the entry.
    pub(crate) fn create_with(
        &self,
        identity: Identity,
        authentication: Authentication,
        status: Status,
        complete: impl FnOnce(&mut Device),
    ) -> Result<Device, Error> {
        identity.check()?;
        let mut device = Device {
            generation_id: random::generation_id(),
            etag: random::etag(),
            status,
            status_reason: None,
            status_changed: 0,
            managed_by: None,
            authentication: checked(authentication)?,
            identity,
        };
        complete(&mut device);
        let key = device.identity.to_string();
        let mut inner = self.lock();
        if inner.devices.contains_key(&key) {
            return Err(Error::DeviceAlreadyExists(key));
        }
        if device.identity.module_id.is_some()
            && !inner.devices.contains_key(&device.identity.device_id)
        {
            return Err(Error::DeviceNotFound(device.identity.device_id));
        }
        self.store.put(&format!("identity/{key}"), &device)?;
        inner.devices.insert(key, device.clone());
        Ok(device)
    }

    /// Changes an entry. `etag`: only if it still has this one.
    pub(crate) fn update(
        &self,
        identity: &Identity,
        etag: Option<&str>,
        change: impl FnOnce(&mut Device),
    ) -> Result<Device, Error> {
        let key = identity.to_string();
        let mut inner = self.lock();
        let mut device = inner
            .devices
            .get(&key)
            .cloned()
            .ok_or_else(|| not_found(identity))?;
        check_etag(&device, etag)?;
        change(&mut device);
        device.authentication = checked(device.authentication)?;
        device.etag = random::etag();
        self.store.put(&format!("identity/{key}"), &device)?;
        inner.devices.insert(key, device.clone());
        Ok(device)
    }

    /// Removes an entry, and those of its modules. `etag`: only if it still has this one.
    pub(crate) fn delete(
        &self,
        identity: &Identity,
        etag: Option<&str>,
    ) -> Result<Vec<Device>, Error> {
        let key = identity.to_string();
        let mut inner = self.lock();
        check_etag(
            inner.devices.get(&key).ok_or_else(|| not_found(identity))?,
            etag,
        )?;
        let modules = format!("{key}/");
        let doomed = |id: &String| *id == key || id.starts_with(&modules);
        let mut batch = Batch::default();
        for id in inner.devices.keys().filter(|id| doomed(id)) {
            batch.remove(format!("identity/{id}"));
        }
        self.store.write(batch)?;
        let (gone, kept) = std::mem::take(&mut inner.devices)
            .into_iter()
            .partition(|(id, _)| doomed(id));
        inner.devices = kept;
        let gone: BTreeMap<_, _> = gone;
        Ok(gone.into_values().collect())
    }

    /// The entry of a device or module.
    pub(crate) fn get(&self, identity: &Identity) -> Result<Device, Error> {
        self.lock()
            .devices
            .get(&identity.to_string())
            .cloned()
            .ok_or_else(|| not_found(identity))
    }

    /// Every entry, modules included, by client id.
    pub(crate) fn all(&self) -> Vec<Device> {
        self.lock().devices.values().cloned().collect()
    }

    /// The entries of devices, not modules, of which `wanted` says true: how many there are, and the first `most` of
    /// them by id.
    pub(crate) fn select(
        &self,
        most: usize,
        wanted: impl FnMut(&Device) -> bool,
    ) -> (usize, Vec<Device>) {
        self.select_from(0, most, wanted)
    }

    /// The same without the first `skip` ones, which are counted.
    pub(crate) fn select_from(
        &self,
        skip: usize,
        most: usize,
        mut wanted: impl FnMut(&Device) -> bool,
    ) -> (usize, Vec<Device>) {
        let (mut count, mut selected) = (0, Vec::new());
        let inner = self.lock();
        let devices = inner.devices.values();
        for device in devices.filter(|device| device.identity.module_id.is_none()) {
            if wanted(device) {
                count += 1;
                if count > skip && selected.len() < most {
                    selected.push(device.clone());
                }
            }
        }
        (count, selected)
    }

    /// Every module of a device, by id.
    pub(crate) fn modules_of(&self, device_id: &str) -> Vec<Device> {
        let first = format!("{device_id}/");
        let inner = self.lock();
        let from_there = inner.devices.range(first.clone()..);
        from_there
            .take_while(|(id, _)| id.starts_with(&first))
            .map(|(_, module)| module.clone())
            .collect()
    }

    /// Takes a CA certificate (PEM) under a name; one that is there already is replaced.
    pub(crate) fn upload_authority(&self, name: &str, pem: &str) -> Result<(), Error> {
        if name.is_empty() || name.contains('/') {
            return Err(Error::ArgumentInvalid(
                "a CA's name is not empty and has no slash".into(),
            ));
        }
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| {
            Error::ArgumentInvalid("the CA is not a certificate in PEM form".into())
        })?;
        x509::check_is_authority(&certificate).map_err(|error| {
            Error::ArgumentInvalid(format!("the certificate is no CA: {error}"))
        })?;
        let mut inner = self.lock();
        if inner.authorities.len() >= MAX_AUTHORITIES && !inner.authorities.contains_key(name) {
            return Err(Error::ArgumentInvalid(format!(
                "a hub takes {MAX_AUTHORITIES} CAs; delete one first"
            )));
        }
        self.store.put(&format!("ca/{name}"), &pem)?;
        inner.authorities.insert(name.to_owned(), pem.to_owned());
        Ok(())
    }

    /// The uploaded CA of this name, in PEM form.
    pub(crate) fn authority(&self, name: &str) -> Option<String> {
        self.lock().authorities.get(name).cloned()
    }

    /// Every uploaded CA, in DER form.
    pub(crate) fn authorities(&self) -> Vec<CertificateDer<'static>> {
        let inner = self.lock();
        inner
            .authorities
            .values()
            .filter_map(|pem| CertificateDer::from_pem_slice(pem.as_bytes()).ok())
            .collect()
    }
}

fn not_found(identity: &Identity) -> Error {
    match identity.module_id {
        Some(_) => Error::ModuleNotFound(identity.to_string()),
        None => Error::DeviceNotFound(identity.to_string()),
    }
}

fn check_etag(device: &Device, etag: Option<&str>) -> Result<(), Error> {
    match etag {
        Some(etag) if etag != device.etag => Err(Error::PreconditionFailed(format!(
            "device {:?} was changed by someone else; read it again",
            device.identity.to_string()
        ))),
        _ => Ok(()),
    }
}

/// Fills in missing keys; refuses malformed ones and malformed thumbprints.
fn checked(authentication: Authentication) -> Result<Authentication, Error> {
    match authentication {
        Authentication::Sas(keys) => Ok(Authentication::Sas(SymmetricKeys {
            primary_key: checked_key("primaryKey", keys.primary_key)?,
            secondary_key: checked_key("secondaryKey", keys.secondary_key)?,
        })),
        Authentication::X509Thumbprint { primary, secondary } => {
            let given: Vec<&String> = [&primary, &secondary].into_iter().flatten().collect();
            if given.is_empty()
                || !given
                    .iter()
                    .all(|thumbprint| x509::is_thumbprint(thumbprint))
            {
                return Err(Error::ArgumentInvalid(
                    "a thumbprint is the SHA-1 (40 hex digits) or SHA-256 (64) of the certificate's DER form"
                        .into(),
                ));
            }
            Ok(Authentication::X509Thumbprint { primary, secondary })
        }
        Authentication::X509Ca => Ok(Authentication::X509Ca),
    }
}

fn checked_key(name: &str, key: String) -> Result<String, Error> {
    if key.is_empty() {
        return Ok(random::symmetric_key());
    }
    match STANDARD.decode(&key) {
        Ok(bytes) if (16..=64).contains(&bytes.len()) => Ok(key),
        _ => Err(Error::ArgumentInvalid(format!(
            "{name} must be base64 of 16 to 64 bytes"
        ))),
    }
}

#[cfg(test)]
#[path = "registry_tests.rs"]
mod tests;
