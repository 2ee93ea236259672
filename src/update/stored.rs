//! Records that updates keep over a restart.

use super::key::Rotation;
use super::machine::{Environment, Updates};
use super::record::{RECORD_SIZE, ROTATION_SIZE, Record};
use crate::logging::warn;
use crate::port::update::Updater;
use crate::storage::CHECKSUM_LEN;

/// Key of the record in the storage.
const RECORD_KEY: &str = "update";
/// Key of the contents of the root key package.
const ROTATION_KEY: &str = "update-keys";

impl Updates<'_> {
    /// Stores the record. False if it could not be stored, which was logged.
    pub(super) fn store(&self, environment: &mut Environment<'_>) -> bool {
        self.store_record(environment.updater)
    }

    #[inline(never)]
    pub(super) fn store_record(&self, updater: &mut dyn Updater) -> bool {
        let mut space = [0; RECORD_SIZE];
        let Some(record) = self
            .record
            .write(&mut space)
            .and_then(|length| space.get(..length))
        else {
            return false;
        };
        updater
            .store(RECORD_KEY, record)
            .inspect_err(|error| {
                warn!("storage: the record of the update could not be stored: {error}")
            })
            .is_ok()
    }

    /// Stores what a root key package said.
    #[inline(never)]
    pub(super) fn store_rotation(&self, environment: &mut Environment<'_>) {
        let Some(rotation) = &self.rotation else {
            return;
        };
        let mut space = alloc::vec![0; ROTATION_SIZE];
        let length = rotation.write(&mut space);
        if let Some(bytes) = length.and_then(|length| space.get(..length))
            && let Err(error) = environment.updater.store(ROTATION_KEY, bytes)
        {
            warn!("storage: the root key package could not be stored: {error}");
        }
    }

    /// Reads what an earlier run, or the other image, has stored.
    #[inline(never)]
    pub(super) fn load(&mut self, updater: &mut dyn Updater) {
        let mut space = alloc::vec![0; ROTATION_SIZE + CHECKSUM_LEN];
        let mut load = |key: &str, space: &mut [u8]| match updater.load(key, space) {
            Ok(length) => length,
            Err(error) => {
                warn!("storage: {key} could not be read: {error}");
                None
            }
        };
        let length = load(RECORD_KEY, &mut space);
        let read = length.and_then(|length| self.record.read(space.get(..length)?));
        if read.is_none() {
            self.record = Record::default();
        }
        let length = load(ROTATION_KEY, &mut space);
        self.rotation = length.and_then(|length| Rotation::read(space.get(..length)?));
    }
}
