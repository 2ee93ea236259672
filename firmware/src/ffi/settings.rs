//! Zephyr's settings.

#![allow(unsafe_code)]

use super::{Error, c, length, value};
use core::ffi::CStr;

/// Mounts the store.
pub(crate) fn init() -> Result<(), Error> {
    // SAFETY: takes nothing; a second call does nothing.
    value(unsafe { c::azure_settings_init() }).map(|_| ())
}

/// Reads a value as far as it fits, and gives the number of bytes read.
pub(crate) fn load(key: &CStr, buffer: &mut [u8]) -> Result<usize, Error> {
    // SAFETY: at most `buffer.len()` bytes are written; `key` ends with a zero.
    value(unsafe { c::azure_settings_load(key.as_ptr(), buffer.as_mut_ptr(), length(buffer)) })
}

/// The length of a value; 0 if there is none.
pub(crate) fn value_length(key: &CStr) -> Result<usize, Error> {
    // SAFETY: `key` ends with a zero.
    value(unsafe { c::azure_settings_length(key.as_ptr()) })
}

/// Writes a value.
pub(crate) fn save(key: &CStr, data: &[u8]) -> Result<(), Error> {
    // SAFETY: `data` is read during the call only; `key` ends with a zero.
    value(unsafe { c::azure_settings_save(key.as_ptr(), data.as_ptr(), length(data)) }).map(|_| ())
}

/// Erases a value.
pub(crate) fn delete(key: &CStr) -> Result<(), Error> {
    // SAFETY: `key` ends with a zero.
    value(unsafe { c::azure_settings_delete(key.as_ptr()) }).map(|_| ())
}
