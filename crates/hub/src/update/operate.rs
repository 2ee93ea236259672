//! Requests of the holder of a [`Hub`] for updates.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::Value;

use super::deploy::Group;
use super::faults::UpdateFault;
use super::import::{Import, UpdateId};
use super::{FOLDER, files};
use crate::error::Error;
use crate::hub::Hub;

impl Hub {
    /// Address at which files of updates are served, if they are.
    pub const fn updates_endpoint(&self) -> Option<SocketAddr> {
        self.started().updates_endpoint
    }

    /// Address of the server of files for devices, such as `http://127.0.0.1:8090`, if files are served.
    pub fn updates_address(&self) -> Option<&str> {
        self.core.updates.server().ok()
    }

    /// File with the public halves of the root keys that updates are signed under. It exists once an update was imported.
    pub fn update_root_keys(&self) -> PathBuf {
        self.state_directory().join(FOLDER).join("root-keys.json")
    }

    /// Imports an update. Replaces one of the same name. The first import makes keys, which takes seconds.
    ///
    /// # Errors
    ///
    /// Part of the import that is not acceptable.
    pub fn import_update(&self, import: Import, file: &[u8]) -> Result<(), Error> {
        let folder = self.state_directory().join(FOLDER);
        let contents = files::store(&folder, file)?;
        let now = self.core.clock.unix_millis();
        self.core.updates.import(import, &contents, now).map(drop)
    }

    /// Deploys an update to a device. Gives the workflow.
    ///
    /// # Errors
    ///
    /// There is no such update or device, or the update is not for this device.
    pub fn deploy_update(&self, id: &UpdateId, device: &str) -> Result<String, Error> {
        let deployed = self.core.deploy(id, Group::Device(device))?;
        match &deployed[device]["workflow"] {
            Value::String(workflow) => Ok(workflow.clone()),
            _ => Err(Error::ArgumentInvalid(
                deployed[device]["refused"]
                    .as_str()
                    .unwrap_or_default()
                    .into(),
            )),
        }
    }

    /// Cancels what is deployed to a device.
    ///
    /// # Errors
    ///
    /// There is no such device.
    pub fn cancel_update(&self, device: &str) -> Result<(), Error> {
        self.core.cancel_updates(Group::Device(device)).map(drop)
    }

    /// State of a device's update: `state`, `workflow`, `update`, `installed`, `resultCode`, `extendedResultCode`,
    /// `resultDetails`. `Null` if it has nothing to do with updates.
    ///
    /// # Errors
    ///
    /// There is no such device.
    pub fn update_state(&self, device: &str) -> Result<Value, Error> {
        let states = self.core.update_states(Group::Device(device))?;
        Ok(states[device].clone())
    }

    /// Offers an update to a registration on its session with the provisioning service (api-version
    /// 2026-11-02-preview): before it is registered, or once it is provisioned. Gives the workflow.
    ///
    /// # Errors
    ///
    /// There is no such update, no files are served, or this is no registration id.
    pub fn offer_update(
        &self,
        id: &UpdateId,
        registration_id: &str,
        onboarding: bool,
    ) -> Result<String, Error> {
        self.core.offer_update(id, registration_id, onboarding)
    }

    /// Offers an update to a registration no longer.
    ///
    /// # Errors
    ///
    /// It could not be stored.
    pub fn withdraw_update(&self, registration_id: &str) -> Result<(), Error> {
        self.core.withdraw_update(registration_id)
    }

    /// State of the update that is offered to a registration: `state`, `workflow`, `update`, `onboarding`, `report`. `Null`
    /// if there is none.
    pub fn offered_update(&self, registration_id: &str) -> Value {
        self.core.offered_update(registration_id)
    }

    /// Has something go wrong with the next deployments, or with the next requests for a file, so many times.
    pub fn inject_update_fault(&self, fault: UpdateFault, times: u32) {
        self.core.updates.inject(fault, times);
    }

    /// Has everything go right again with updates.
    pub fn clear_update_faults(&self) {
        self.core.updates.clear_faults();
    }
}
