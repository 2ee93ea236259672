//! The device's certificate and its key as one: a new pair is stored beside the one in use, tried, and takes its
//! place with the first connection that a hub accepts. If a hub refuses it, the device goes back to the old one.
//!
//! ```text
//!                certificate          key           connected (CONNACK 0)
//!  in use: old ───────────► staged ───────► on trial ──────────────► in use: new; the old one is erased
//!                  (or key first)             │ ▲
//!                        refused as a credential│ the old one is refused too
//!                                             ▼ │
//!                                        back to the old ──────────► the new one is refused; the old one stays
//!                                                       connected
//! ```
//!
//! The parts lie in two slots. A [`Record`] says which slot is in use and what the other one holds; it is one value,
//! so that a power cut leaves either what was before a step or what is after it. A part counts only after the record
//! says so, and the record is withdrawn before a part is overwritten.

use alloc::vec::Vec;
use core::fmt;

use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::logging::warn;
use crate::port::{Storage, StorageError};
use crate::storage;

/// The most certificates of a chain, the device's own included.
pub const CHAIN: usize = 3;

/// Key that the record is stored under.
const RECORD: &str = "pair";
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
    fn parts(self) -> impl Iterator<Item = &'static str> {
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

    fn store<S: Storage + ?Sized>(&self, storage: &mut S) -> Result<(), StorageError> {
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

/// State of a new pair after a part of it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Staged {
    /// Both parts are there and belong together: the pair can be tried.
    Complete,
    /// The certificate's key is still to come.
    KeyMissing,
    /// The key's certificate is still to come.
    CertificateMissing,
    /// The key is that of the pair in use.
    Known,
}

/// Reason why a part was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PairError {
    /// The key does not belong to the certificate that was set before it.
    Mismatch,
    /// The chain is longer than [`CHAIN`].
    ChainTooLong,
    /// The storage failed.
    Storage(StorageError),
}

impl From<StorageError> for PairError {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

impl fmt::Display for PairError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mismatch => f.write_str(
                "the key does not belong to the stored certificate: azure set certificate first, or paste its key",
            ),
            Self::ChainTooLong => write!(f, "at most {CHAIN} certificates can be kept"),
            Self::Storage(error) => {
                write!(f, "it could not be stored ({error}): is the storage full?")
            }
        }
    }
}

impl core::error::Error for PairError {}

/// The pair that the image carries; both empty if it carries none.
#[derive(Clone, Copy, Debug, Default)]
pub struct BuiltIn<'b> {
    /// The certificates, the device's own first, in DER.
    pub chain: &'b [&'b [u8]],
    /// The private key, in DER.
    pub key: Option<&'b [u8]>,
}

/// Takes the parts of a new pair. One at a time may exist.
pub struct Stage<'s, S: ?Sized> {
    storage: &'s mut S,
    /// Checks whether a key belongs to a certificate.
    belongs: &'s mut dyn FnMut(&[u8], &[u8]) -> bool,
    built_in: BuiltIn<'s>,
}

impl<'s, S: Storage + ?Sized> Stage<'s, S> {
    /// `belongs` is given a certificate and a key, in DER.
    pub fn new(
        storage: &'s mut S,
        built_in: BuiltIn<'s>,
        belongs: &'s mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Self {
        Self {
            storage,
            belongs,
            built_in,
        }
    }

    /// Stores the next certificate of a new chain, from index 0 on.
    ///
    /// # Errors
    ///
    /// The chain is too long, or the storage failed.
    pub fn add_certificate(&mut self, index: usize, der: &[u8]) -> Result<(), PairError> {
        let mut record = Record::load(self.storage)?;
        if index == 0 {
            // The record is withdrawn before a byte changes: the slot holds no pair until the new one is complete.
            record.has_certificate = false;
            record.is_refused = false;
            record.generation = record.generation.wrapping_add(1);
            record.store(self.storage)?;
        }
        let key = record.new_slot().certificate(index);
        let key = key.ok_or(PairError::ChainTooLong)?;
        Ok(storage::store(self.storage, key, der)?)
    }

    /// Completes a new chain of `count` certificates. Its key may be there already: one that came before it, or that
    /// of the pair in use, when only the certificate was renewed.
    ///
    /// # Errors
    ///
    /// The storage failed.
    pub fn finish_chain(&mut self, count: usize) -> Result<Staged, PairError> {
        let mut record = Record::load(self.storage)?;
        let slot = record.new_slot();
        for key in (count..CHAIN).filter_map(|index| slot.certificate(index)) {
            self.storage.remove(key)?;
        }
        let leaf = self.part(slot.certificate(0).unwrap_or_default())?;
        if record.has_key {
            let key = self.part(slot.key())?;
            record.has_key = (self.belongs)(&leaf, &key);
        }
        if !record.has_key {
            record.has_key = self.copy_known_key(&leaf, &record)?;
        }
        record.has_certificate = true;
        self.publish(record)
    }

    /// Copies the key of the pair in use to the new one, if it belongs to this certificate.
    fn copy_known_key(&mut self, leaf: &[u8], record: &Record) -> Result<bool, PairError> {
        let known = match (record.in_use, self.built_in.key) {
            (Some(slot), _) => self.part(slot.key())?,
            (None, Some(key)) => Zeroizing::new(key.into()),
            (None, None) => return Ok(false),
        };
        let belongs = (self.belongs)(leaf, &known);
        if belongs {
            storage::store(self.storage, record.new_slot().key(), &known)?;
        }
        Ok(belongs)
    }

    /// Takes a new key.
    ///
    /// # Errors
    ///
    /// It does not belong to the certificate that came before it, or the storage failed.
    pub fn set_key(&mut self, der: &[u8]) -> Result<Staged, PairError> {
        let mut record = Record::load(self.storage)?;
        let slot = record.new_slot();
        if record.is_refused {
            // A key that comes first begins another pair than the one that was refused.
            (record.has_certificate, record.has_key) = (false, false);
            record.store(self.storage)?;
        }
        if record.has_certificate {
            let leaf = self.part(slot.certificate(0).unwrap_or_default())?;
            if !(self.belongs)(&leaf, der) {
                return Err(PairError::Mismatch);
            }
        } else if let Some(in_use) = record.in_use {
            let leaf = self.part(in_use.certificate(0).unwrap_or_default())?;
            if (self.belongs)(&leaf, der) {
                return Ok(Staged::Known);
            }
        } else if let Some(leaf) = self.built_in.chain.first()
            && (self.belongs)(leaf, der)
        {
            for (certificate, index) in self.built_in.chain.iter().zip(0..CHAIN) {
                let key = slot.certificate(index).unwrap_or_default();
                storage::store(self.storage, key, certificate)?;
            }
            record.has_certificate = true;
        }
        if record.has_key {
            record.has_key = false;
            record.store(self.storage)?;
        }
        storage::store(self.storage, slot.key(), der)?;
        record.has_key = true;
        self.publish(record)
    }

    fn publish(&mut self, mut record: Record) -> Result<Staged, PairError> {
        record.generation = record.generation.wrapping_add(1);
        record.is_refused = false;
        record.store(self.storage)?;
        Ok(match (record.has_certificate, record.has_key) {
            (true, true) => Staged::Complete,
            (true, false) => Staged::KeyMissing,
            _ => Staged::CertificateMissing,
        })
    }

    /// A stored part, in no more memory than it takes; empty if it is absent or damaged.
    fn part(&mut self, key: &str) -> Result<Zeroizing<Vec<u8>>, StorageError> {
        let length = match self.storage.load(key, &mut []) {
            Err(StorageError::TooLong(length)) => length,
            Err(error) => return Err(error),
            Ok(_) => return Ok(Zeroizing::default()),
        };
        let mut part = Zeroizing::new(alloc::vec![0; length]);
        let length = storage::load(self.storage, key, "it must be provisioned again", &mut part)?;
        part.truncate(length.unwrap_or(0));
        Ok(part)
    }
}

impl<S: ?Sized> fmt::Debug for Stage<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stage").finish_non_exhaustive()
    }
}

/// Pair to connect with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The new pair, on trial.
    New(Slot),
    /// The pair that has connected before.
    InUse(Slot),
    /// The pair that the image carries.
    BuiltIn,
}

impl Choice {
    /// Slot of the pair; `None` for the image's.
    pub const fn slot(self) -> Option<Slot> {
        match self {
            Self::New(slot) | Self::InUse(slot) => Some(slot),
            Self::BuiltIn => None,
        }
    }
}

/// Knowledge of the device about its pairs since it started.
#[derive(Clone, Copy, Debug, Default)]
pub struct Trial {
    /// The record that this knowledge belongs to.
    generation: u32,
    choice: Option<Choice>,
    /// The old pair's turn, after the new one failed.
    old_first: bool,
    /// The new one failed as a credential does.
    failure: Option<Failure>,
}

/// Consequence for the pairs of a failure or a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Stay,
    /// The next attempt has the other pair. It should start at once.
    SwitchNow,
    /// The next attempt has the other pair.
    Switch,
    /// The new pair is the one in use from now on.
    Adopted,
    /// The new pair was refused, and the old one is in use.
    Refused,
}

impl Trial {
    /// The pair that was chosen last.
    pub const fn choice(&self) -> Option<Choice> {
        self.choice
    }

    /// Changes with each new pair.
    pub const fn generation(&self) -> u32 {
        self.generation
    }

    /// Reason why the hub refused the new pair, if it did since the start.
    pub const fn failure(&self) -> Option<Failure> {
        self.failure
    }

    /// The pair to connect with; `None` if there is none, of which `has_built_in` tells for the image.
    ///
    /// # Errors
    ///
    /// The medium cannot be read.
    pub fn choose<S: Storage + ?Sized>(
        &mut self,
        storage: &mut S,
        has_built_in: bool,
    ) -> Result<Option<Choice>, StorageError> {
        let record = Record::load(storage)?;
        if record.generation != self.generation {
            *self = Self {
                generation: record.generation,
                old_first: record.is_refused,
                ..Self::default()
            };
        }
        let old = match record.in_use {
            Some(slot) => Some(Choice::InUse(slot)),
            None => has_built_in.then_some(Choice::BuiltIn),
        };
        let new = record.is_complete().then(|| Choice::New(record.new_slot()));
        self.choice = if self.old_first {
            old.or(new)
        } else {
            new.or(old)
        };
        Ok(self.choice)
    }

    /// The connection attempt failed, or the pair could not be used at all.
    ///
    /// # Errors
    ///
    /// The medium cannot be read.
    pub fn failed<S: Storage + ?Sized>(
        &mut self,
        storage: &mut S,
        failure: Failure,
        has_built_in: bool,
    ) -> Result<Verdict, StorageError> {
        let record = Record::load(storage)?;
        let is_news = record.generation != self.generation;
        if is_news || !failure.is_explained_by_certificate() {
            return Ok(Verdict::Stay);
        }
        let has_old = record.in_use.is_some() || has_built_in;
        match self.choice {
            Some(Choice::New(_)) if has_old => {
                let first = self.failure.is_none();
                self.failure = Some(failure);
                self.old_first = true;
                warn!("certificate: the new pair was refused; going back to the old one");
                Ok(if first {
                    Verdict::SwitchNow
                } else {
                    Verdict::Switch
                })
            }
            Some(Choice::InUse(_) | Choice::BuiltIn) if record.is_complete() => {
                self.old_first = false;
                warn!("certificate: the old pair was refused too; trying the new one");
                Ok(Verdict::Switch)
            }
            _ => Ok(Verdict::Stay),
        }
    }

    /// A hub accepted the connection.
    ///
    /// # Errors
    ///
    /// The medium failed. The pair stays on trial.
    pub fn connected<S: Storage + ?Sized>(
        &mut self,
        storage: &mut S,
    ) -> Result<Verdict, StorageError> {
        let mut record = Record::load(storage)?;
        if record.generation != self.generation || !record.is_complete() {
            return Ok(Verdict::Stay);
        }
        match self.choice {
            Some(Choice::New(slot)) if slot == record.new_slot() => {
                let adopted = Record {
                    in_use: Some(slot),
                    generation: record.generation,
                    ..Record::default()
                };
                adopted.store(storage)?;
                self.choice = Some(Choice::InUse(slot));
                self.failure = None;
                self.old_first = false;
                // After a power cut, the rest of the old pair does not count.
                slot.other()
                    .parts()
                    .try_for_each(|key| storage.remove(key))?;
                Ok(Verdict::Adopted)
            }
            Some(Choice::InUse(_) | Choice::BuiltIn) if self.failure.is_some() => {
                if record.is_refused {
                    return Ok(Verdict::Stay);
                }
                record.is_refused = true;
                record.store(storage)?;
                Ok(Verdict::Refused)
            }
            _ => Ok(Verdict::Stay),
        }
    }
}

#[cfg(test)]
#[path = "pair_tests.rs"]
mod tests;
