//! The two slots, and the record of what they hold.

use crate::port::{Storage, StorageError};
use crate::storage;

/// The most certificates of a chain, the device's own included.
pub const CHAIN: usize = 3;

/// Key that the record is stored under.
pub(super) const RECORD: &str = "pair";
/// The version of the record's form.
const VERSION: u8 = 1;
/// Bytes of the record, without the checksum.
const RECORD_LEN: usize = 7;

const CERTIFICATE_BIT: u8 = 1;
const KEY_BIT: u8 = 2;
const REFUSED_BIT: u8 = 4;

/// Place for a pair in the storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// The first one.
    A,
    /// The second one.
    B,
}

impl Slot {
    /// The other one.
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// The storage key of a certificate of the chain; `None` from [`CHAIN`] on.
    pub fn certificate(self, index: usize) -> Option<&'static str> {
        const KEYS: [[&str; CHAIN]; 2] = [
            ["certificate/0", "certificate/1", "certificate/2"],
            ["certificate-b/0", "certificate-b/1", "certificate-b/2"],
        ];
        KEYS.get(self as usize)?.get(index).copied()
    }

    /// The storage key of the private key.
    pub const fn key(self) -> &'static str {
        match self {
            Self::A => "key/0",
            Self::B => "key-b/0",
        }
    }

    /// All storage keys.
    pub(super) fn parts(self) -> impl Iterator<Item = &'static str> {
        let chain = (0..CHAIN).filter_map(move |index| self.certificate(index));
        chain.chain([self.key()])
    }
}

/// Content of the slots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The pair that has connected; `None` if the image's own is in use, or none.
    pub in_use: Option<Slot>,
    /// The other slot has a new certificate.
    pub has_certificate: bool,
    /// The other slot has a new key.
    pub has_key: bool,
    /// The hub refused the new pair, and accepted the old one after it.
    pub is_refused: bool,
    /// Changes with each new pair, so that a refusal of one does not count for the next.
    pub generation: u32,
}

impl Record {
    /// Reads the record. If it is absent or damaged, what the slots hold says which is in use.
    ///
    /// # Errors
    ///
    /// The medium cannot be read.
    pub fn load<S: Storage + ?Sized>(storage: &mut S) -> Result<Self, StorageError> {
        let mut buffer = [0; RECORD_LEN + storage::CHECKSUM_LEN];
        let remedy = "the certificates themselves say which is in use";
        let length = match storage::load(storage, RECORD, remedy, &mut buffer) {
            // Of another version.
            Err(StorageError::TooLong(_)) => None,
            length => length?,
        };
        let bytes = length.and_then(|length| buffer.get(..length));
        match bytes.and_then(Self::decode) {
            Some(record) => Ok(record),
            None => Self::infer(storage),
        }
    }

    fn infer<S: Storage + ?Sized>(storage: &mut S) -> Result<Self, StorageError> {
        let mut record = Self::default();
        for slot in [Slot::A, Slot::B] {
            let has_certificate = match slot.certificate(0) {
                Some(key) => exists(storage, key)?,
                None => false,
            };
            let has_key = exists(storage, slot.key())?;
            match record.in_use {
                None if has_certificate && has_key => record.in_use = Some(slot),
                // Both are whole: one of them was on trial, and each of them is tried.
                Some(_) if has_certificate && has_key => {
                    (record.has_certificate, record.has_key) = (true, true);
                }
                None if slot == Slot::A => {
                    (record.has_certificate, record.has_key) = (has_certificate, has_key);
                }
                _ => {}
            }
        }
        if record.in_use == Some(Slot::B) {
            // Slot A holds no whole pair, and its age is unknown.
            (record.has_certificate, record.has_key) = (false, false);
        }
        Ok(record)
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let [VERSION, in_use, flags, a, b, c, d] = *bytes else {
            return None;
        };
        Some(Self {
            in_use: match in_use {
                0 => None,
                1 => Some(Slot::A),
                2 => Some(Slot::B),
                _ => return None,
            },
            has_certificate: flags & CERTIFICATE_BIT != 0,
            has_key: flags & KEY_BIT != 0,
            is_refused: flags & REFUSED_BIT != 0,
            generation: u32::from_le_bytes([a, b, c, d]),
        })
    }

    pub(super) fn store<S: Storage + ?Sized>(&self, storage: &mut S) -> Result<(), StorageError> {
        let in_use = match self.in_use {
            None => 0,
            Some(Slot::A) => 1,
            Some(Slot::B) => 2,
        };
        let bit = |set: bool, bit: u8| if set { bit } else { 0 };
        let flags = bit(self.has_certificate, CERTIFICATE_BIT)
            | bit(self.has_key, KEY_BIT)
            | bit(self.is_refused, REFUSED_BIT);
        let [a, b, c, d] = self.generation.to_le_bytes();
        storage::store(storage, RECORD, &[VERSION, in_use, flags, a, b, c, d])
    }

    /// Slot for a new pair: the one that is not in use.
    pub fn new_slot(&self) -> Slot {
        self.in_use.map_or(Slot::A, Slot::other)
    }

    /// True if the new pair has both parts.
    pub const fn is_complete(&self) -> bool {
        self.has_certificate && self.has_key
    }
}

fn exists<S: Storage + ?Sized>(storage: &mut S, key: &str) -> Result<bool, StorageError> {
    match storage.load(key, &mut []) {
        Ok(None) => Ok(false),
        Ok(Some(_)) | Err(StorageError::TooLong(_)) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Erases all pairs.
///
/// # Errors
///
/// The medium cannot be written.
pub fn forget<S: Storage + ?Sized>(storage: &mut S) -> Result<(), StorageError> {
    // The record first: without it, what is left of the parts is no pair or the one in use.
    storage.remove(RECORD)?;
    for slot in [Slot::A, Slot::B] {
        slot.parts().try_for_each(|key| storage.remove(key))?;
    }
    Ok(())
}
