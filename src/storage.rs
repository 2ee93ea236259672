//! Values that survive a restart, each with a checksum.
//!
//! Flash loses bits, and a file can be cut or edited. So a value is kept with the CRC-32 of its key and of
//! itself, and one whose checksum is wrong counts as absent: the device asks for it again, instead of going on
//! with a hub, a key or a port that is wrong. The key is part of the checksum, so that a value under the name of
//! another one is detected too.
//!
//! This does not protect against a person who can write to the medium, and so can write a checksum too.
//! The medium itself is [`crate::port::Storage`].

use alloc::vec::Vec;

use zeroize::Zeroizing;

use crate::logging::warn;
use crate::port::{Storage, StorageError};
use crate::text::{Text, written};

/// Bytes that a checksum takes behind a value.
pub const CHECKSUM_LEN: usize = 4;

/// Words of [`load`]'s warning for the values of updates ([`crate::port::update::Updater::load`]).
pub const REMEDY_OF_UPDATES: &str = "what is known of the last update is lost";

/// CRC-32 (ISO/IEC 8802-3, ITU-T V.42): its generator polynomial, bits reversed.
const POLYNOMIAL: u32 = 0xedb8_8320;

/// Copies the value to the start of `buffer`, which has room for it and its checksum, and gives its length.
/// `None` if there is none, or if its checksum is wrong: a warning then names the key and `remedy`.
///
/// # Errors
///
/// The medium cannot be read, or `buffer` is too small.
pub fn load<S: Storage + ?Sized>(
    storage: &mut S,
    key: &str,
    remedy: &str,
    buffer: &mut [u8],
) -> Result<Option<usize>, StorageError> {
    let Some(length) = storage.load(key, buffer)? else {
        return Ok(None);
    };
    let length = buffer
        .get(..length)
        .and_then(|sealed| sealed.split_last_chunk::<CHECKSUM_LEN>())
        .filter(|(value, sum)| checksum(key, value) == u32::from_le_bytes(**sum))
        .map(|(value, _)| value.len());
    if length.is_none() {
        warn!("storage: the checksum of {key} is wrong, so it counts as absent; {remedy}");
    }
    Ok(length)
}

/// Stores a value with its checksum, all or nothing.
///
/// # Errors
///
/// The medium cannot be written.
pub fn store<S: Storage + ?Sized>(
    storage: &mut S,
    key: &str,
    value: &[u8],
) -> Result<(), StorageError> {
    // The medium takes one piece. It may be a secret.
    let mut sealed = Zeroizing::new(Vec::with_capacity(value.len() + CHECKSUM_LEN));
    sealed.extend_from_slice(value);
    sealed.extend_from_slice(&checksum(key, value).to_le_bytes());
    storage.store(key, &sealed)
}

/// The key of a value of the application.
struct ApplicationKey([u8; 64], usize);

impl ApplicationKey {
    /// Apart from the device's own keys.
    fn new(name: &str) -> Self {
        let mut bytes = [0; 64];
        let mut text = Text::new(&mut bytes);
        // A name has 32 bytes at most.
        let length = text.append(format_args!("app-{name}")).map(|()| text.len());
        Self(bytes, length.unwrap_or(0))
    }

    fn as_str(&self) -> &str {
        written(&self.0, self.1)
    }
}

/// Stores a value of the application with its checksum.
///
/// # Errors
///
/// The medium cannot be written.
pub(crate) fn store_application<S: Storage + ?Sized>(
    storage: &mut S,
    name: &str,
    value: &[u8],
) -> Result<(), StorageError> {
    store(storage, ApplicationKey::new(name).as_str(), value)
}

/// Reads a value of the application, as [`load`] does.
///
/// # Errors
///
/// The medium cannot be read, or `buffer` is too small.
pub(crate) fn load_application<S: Storage + ?Sized>(
    storage: &mut S,
    name: &str,
    buffer: &mut [u8],
) -> Result<Option<usize>, StorageError> {
    let key = ApplicationKey::new(name);
    load(
        storage,
        key.as_str(),
        "the application goes on without it",
        buffer,
    )
}

/// The checksum of a value under this key. No key has a zero byte, so that none runs into its value.
fn checksum(key: &str, value: &[u8]) -> u32 {
    !crc(crc(crc(!0, key.as_bytes()), &[0]), value)
}

/// CRC-32 of any text or bytes, such as to tell whether two values belong together.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    !crc(!0, bytes)
}

/// Takes bytes into a running CRC-32. Bit by bit: values are short and rare, and a table has 1,024 bytes.
fn crc(running: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(running, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (POLYNOMIAL & (crc & 1).wrapping_neg())
        })
    })
}

#[cfg(test)]
#[path = "storage_tests.rs"]
mod tests;
