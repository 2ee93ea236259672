//! The flash partition of the queue.

#![allow(unsafe_code)]

use super::{Error, c, length, value};

/// Size of the partition and of its flash's units, in bytes, and the value of an erased byte.
pub(crate) struct Flash {
    pub(crate) size: u32,
    pub(crate) page: u32,
    pub(crate) word: u32,
    pub(crate) erased: u32,
}

/// Opens the partition.
pub(crate) fn open() -> Result<Flash, Error> {
    let mut flash = c::azure_queue_flash::default();
    // SAFETY: `flash` is written during the call only.
    value(unsafe { c::azure_queue_open(&raw mut flash) })?;
    let c::azure_queue_flash {
        size,
        page,
        word,
        erased,
    } = flash;
    Ok(Flash {
        size,
        page,
        word,
        erased,
    })
}

/// Reads bytes.
pub(crate) fn read(offset: u32, bytes: &mut [u8]) -> Result<(), Error> {
    // SAFETY: at most `bytes.len()` bytes are written.
    value(unsafe { c::azure_queue_read(offset, bytes.as_mut_ptr(), length(bytes)) }).map(|_| ())
}

/// Writes whole words.
pub(crate) fn write(offset: u32, bytes: &[u8]) -> Result<(), Error> {
    // SAFETY: `bytes` is read during the call only.
    value(unsafe { c::azure_queue_write(offset, bytes.as_ptr(), length(bytes)) }).map(|_| ())
}

/// Erases whole pages.
pub(crate) fn erase(offset: u32, bytes: u32) -> Result<(), Error> {
    // SAFETY: takes numbers; the driver refuses what lies outside of the partition.
    value(unsafe { c::azure_queue_erase(offset, bytes) }).map(|_| ())
}
