//! Values that survive a restart: Zephyr's settings, or memory where the board has no place for them.
//!
//! Each value has a checksum behind it ([`azure_device::storage`]); one whose checksum is wrong counts as absent.

#![forbid(unsafe_code)]

use azure_device::port::{Storage, StorageError};
use azure_device::storage;
use zeroize::Zeroizing;

use crate::logger::Line;

/// The values of "azure set", with the checksums that are in the storage.
pub(crate) struct Settings;

impl Storage for Settings {
    fn load(&mut self, key: &str, buffer: &mut [u8]) -> Result<Option<usize>, StorageError> {
        backend::load(key, buffer)
    }

    fn store(&mut self, key: &str, value: &[u8]) -> Result<(), StorageError> {
        backend::store(key, value)
    }

    fn remove(&mut self, key: &str) -> Result<(), StorageError> {
        backend::remove(key)
    }
}

/// The values of the core: beside those of "azure set", under a prefix of their own.
pub(crate) struct DeviceValues;

/// The storage's name of a value of the core.
fn device_key(key: &str) -> Line<48> {
    Line::of(format_args!("device/{key}"))
}

impl Storage for DeviceValues {
    fn load(&mut self, key: &str, buffer: &mut [u8]) -> Result<Option<usize>, StorageError> {
        backend::load(device_key(key).as_str(), buffer)
    }

    fn store(&mut self, key: &str, value: &[u8]) -> Result<(), StorageError> {
        backend::store(device_key(key).as_str(), value)
    }

    fn remove(&mut self, key: &str) -> Result<(), StorageError> {
        backend::remove(device_key(key).as_str())
    }
}

/// Reads a value of "azure set" into a buffer with room for [`storage::CHECKSUM_LEN`] more bytes.
pub(crate) fn load(name: &str, buffer: &mut [u8]) -> Result<Option<usize>, StorageError> {
    // The command is named as the value's first part: `root-ca/0` came by "azure set root-ca".
    let command = name.split('/').next().unwrap_or(name);
    let remedy = Line::<64>::of(format_args!("azure set {command} brings it again"));
    storage::load(&mut Settings, name, remedy.as_str(), buffer)
}

/// Stores a value of "azure set".
#[cfg(CONFIG_AZURE_SHELL)]
pub(crate) fn store(name: &str, value: &[u8]) -> Result<(), StorageError> {
    storage::store(&mut Settings, name, value)
}

/// True if there is a value, be it damaged or not.
pub(crate) fn exists(name: &str) -> Result<bool, StorageError> {
    match backend::load(name, &mut []) {
        Ok(None) => Ok(false),
        Ok(Some(_)) | Err(StorageError::TooLong(_)) => Ok(true),
        Err(error) => Err(error),
    }
}

#[cfg(CONFIG_AZURE_SETTINGS)]
mod backend {
    use super::{StorageError, Zeroizing};
    use crate::ffi::{Error, settings};
    use crate::logger::Line;

    /// The longest key, with prefix, in bytes: Zephyr's limit is 64.
    const KEY: usize = 64;

    fn key(name: &str) -> Line<KEY> {
        Line::of(format_args!("azure/{name}"))
    }

    fn medium(error: Error) -> StorageError {
        StorageError::Medium(error as i32)
    }

    pub(crate) fn init() -> Result<(), StorageError> {
        settings::init().map_err(medium)
    }

    pub(crate) fn load(name: &str, buffer: &mut [u8]) -> Result<Option<usize>, StorageError> {
        let key = key(name);
        let length = settings::value_length(key.as_c_str()).map_err(medium)?;
        if length == 0 {
            return Ok(None);
        }
        let room = buffer
            .get_mut(..length)
            .ok_or(StorageError::TooLong(length))?;
        let mut read = Zeroizing::new(0);
        *read = settings::load(key.as_c_str(), room).map_err(medium)?;
        if *read == length {
            Ok(Some(length))
        } else {
            Err(StorageError::Medium(0))
        }
    }

    pub(crate) fn store(name: &str, value: &[u8]) -> Result<(), StorageError> {
        settings::save(key(name).as_c_str(), value).map_err(medium)
    }

    pub(crate) fn remove(name: &str) -> Result<(), StorageError> {
        match settings::delete(key(name).as_c_str()) {
            Ok(()) | Err(Error::NotFound) => Ok(()),
            Err(error) => Err(medium(error)),
        }
    }

    /// True if values outlive a restart.
    #[cfg(CONFIG_AZURE_SHELL)]
    pub(crate) const LASTING: bool = true;
}

#[cfg(not(CONFIG_AZURE_SETTINGS))]
mod backend {
    use super::{StorageError, Zeroizing};
    use crate::mutex::with_locked;
    use alloc::string::String;
    use alloc::vec::Vec;
    use zephyr::sync::Mutex;

    type Values = Vec<(String, Zeroizing<Vec<u8>>)>;

    static VALUES: Mutex<Values> = Mutex::new(Vec::new());

    pub(crate) fn init() -> Result<(), StorageError> {
        Ok(())
    }

    pub(crate) fn load(name: &str, buffer: &mut [u8]) -> Result<Option<usize>, StorageError> {
        with_locked(&VALUES, |values| {
            let Some((_, value)) = values.iter().find(|(known, _)| known == name) else {
                return Ok(None);
            };
            let room = buffer
                .get_mut(..value.len())
                .ok_or(StorageError::TooLong(value.len()))?;
            room.copy_from_slice(value);
            Ok(Some(value.len()))
        })
    }

    pub(crate) fn store(name: &str, value: &[u8]) -> Result<(), StorageError> {
        with_locked(&VALUES, |values| {
            values.retain(|(known, _)| known != name);
            values.push((name.into(), Zeroizing::new(value.into())));
        });
        Ok(())
    }

    pub(crate) fn remove(name: &str) -> Result<(), StorageError> {
        with_locked(&VALUES, |values| values.retain(|(known, _)| known != name));
        Ok(())
    }

    /// True if values outlive a restart.
    #[cfg(CONFIG_AZURE_SHELL)]
    pub(crate) const LASTING: bool = false;
}

pub(crate) use backend::init;
#[cfg(CONFIG_AZURE_SHELL)]
pub(crate) use backend::{LASTING, remove};
