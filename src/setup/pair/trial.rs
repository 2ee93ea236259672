//! The choice of a pair for each connection, and the consequence of its success or failure.

use super::record::{Record, Slot};
use crate::failure::Failure;
use crate::logging::warn;
use crate::port::{Storage, StorageError};

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
