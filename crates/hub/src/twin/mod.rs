//! Device twins: a JSON document for each device and module, kept durably ("Understand and use device twins
//! in IoT Hub").
//!
//! # Theory of operation
//! A twin comes into being when it is first read or changed. A change is kept before anybody is told of it,
//! and told while the next one waits, so that a device sees desired properties in the order of versions.
//!
//! # Limits
//! A twin is one value of the store: each change writes all of it, 72 KB at most.

mod document;
mod metadata;
mod operator;
pub(crate) mod rules;

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

pub(crate) use document::Twin;

use crate::clock::{Clock, iso_8601};
use crate::error::Error;
use crate::registry::Device;
use crate::store::{Batch, Store, StoreError};

/// Every twin.
#[derive(Debug)]
pub(crate) struct Twins {
    store: Arc<Store>,
    clock: Arc<Clock>,
    changing: Mutex<()>,
}

impl Twins {
    /// The twins in `store`.
    pub(crate) const fn new(store: Arc<Store>, clock: Arc<Clock>) -> Self {
        Self {
            store,
            clock,
            changing: Mutex::new(()),
        }
    }

    /// The twin of a device or module.
    pub(crate) fn get(&self, device: &Device) -> Twin {
        self.store
            .get(&key(&device.identity.to_string()))
            .filter(|twin: &Twin| twin.generation_id == device.generation_id)
            .unwrap_or_else(|| Twin::new(&device.generation_id))
    }

    /// The device reports; gives the new version of the reported properties.
    pub(crate) fn report(&self, device: &Device, patch: &[u8]) -> Result<u64, Error> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut twin = self.get(device);
        let version = twin
            .report(patch, &self.now())
            .map_err(Error::ArgumentInvalid)?;
        self.keep(device, &twin)?;
        Ok(version)
    }

    /// An operator changes the twin by a merge patch, or replaces it. `etag`: only if it still has this
    /// one. `tell` gets the new version of the desired properties, and what the device is to be told.
    pub(crate) fn change(
        &self,
        device: &Device,
        etag: Option<&str>,
        change: &Value,
        replace: bool,
        tell: impl FnOnce(u64, &Value),
    ) -> Result<Twin, Error> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut twin = self.get(device);
        if etag.is_some_and(|etag| etag != twin.etag()) {
            return Err(Error::PreconditionFailed(format!(
                "the twin of {:?} was changed by someone else; read it again",
                device.identity.to_string()
            )));
        }
        let notification = twin
            .change(change, replace, &self.now())
            .map_err(Error::ArgumentInvalid)?;
        self.keep(device, &twin)?;
        if let Some(notification) = notification {
            tell(twin.desired.version, &notification);
        }
        Ok(twin)
    }

    /// The device connected, and announced this model or none.
    pub(crate) fn announce(
        &self,
        device: &Device,
        model_id: Option<&str>,
    ) -> Result<(), StoreError> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut twin = self.get(device);
        if twin.model_id.as_deref() == model_id {
            return Ok(());
        }
        twin.model_id = model_id.map(str::to_owned);
        self.keep(device, &twin)
    }

    /// Forgets the twin of a device or module that was deleted.
    pub(crate) fn forget(&self, client_id: &str) -> Result<(), StoreError> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut batch = Batch::default();
        batch.remove(key(client_id));
        self.store.write(batch)
    }

    fn keep(&self, device: &Device, twin: &Twin) -> Result<(), StoreError> {
        self.store.put(&key(&device.identity.to_string()), twin)
    }

    fn now(&self) -> String {
        iso_8601(self.clock.unix_millis())
    }
}

fn key(client_id: &str) -> String {
    format!("twin/{client_id}")
}
