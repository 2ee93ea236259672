//! Taking the parts of a new pair, each of which is stored beside the pair in use.

use alloc::vec::Vec;
use core::fmt;

use zeroize::Zeroizing;

use super::record::{CHAIN, Record};
use crate::port::{Storage, StorageError};
use crate::storage;

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
