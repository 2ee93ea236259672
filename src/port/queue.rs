//! A queue of records that outlives the device's run.

use core::fmt;

/// A first-in, first-out queue of records on a medium that keeps them over restarts and power cuts.
///
/// Calls block while the medium works: some milliseconds for a record, and as long as an erasure takes.
/// [`queue::Store`](crate::queue::Store) is one over any NOR flash.
pub trait Queue {
    /// Appends a record, given in parts. It survives a power cut from then on. `urgent` records may use the space that is
    /// kept free for them.
    ///
    /// # Errors
    ///
    /// [`QueueError::Full`] and [`QueueError::TooLarge`]: nothing has changed. Otherwise the medium failed.
    fn push(&mut self, parts: &[&[u8]], urgent: bool) -> Result<(), QueueError>;

    /// Gives each record to `visit`, oldest first, until it says [`Visit::Stop`] or there are no more. Damaged records are
    /// passed over.
    ///
    /// # Errors
    ///
    /// The medium failed.
    fn visit(&mut self, visit: &mut dyn FnMut(&[u8]) -> Visit) -> Result<(), QueueError>;

    /// Bytes that are free, roughly: records have a header, and none lies across two pages.
    ///
    /// # Errors
    ///
    /// The medium failed.
    fn free(&mut self) -> Result<u32, QueueError>;

    /// Bytes of the medium.
    fn size(&self) -> u32;

    /// Removes all records.
    ///
    /// # Errors
    ///
    /// The medium failed.
    fn clear(&mut self) -> Result<(), QueueError>;
}

/// Fate of a record that was visited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visit {
    /// It stays, and the next one follows.
    Next,
    /// It stays, and was the last one to be visited.
    Stop,
    /// It is removed, and the next one follows.
    Remove,
    /// It is removed, and was the last one to be visited.
    RemoveAndStop,
}

/// Reason why a [`Queue`] did not do what it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QueueError {
    /// There is no room for the record.
    Full,
    /// The record has this many bytes, and never fits: its space, or a page of the medium, is smaller.
    TooLarge(usize),
    /// The medium could not be read, written or erased.
    Medium,
    /// The content of the medium makes no sense, and could not be repaired.
    Damaged,
}

impl fmt::Display for QueueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("there is no room"),
            Self::TooLarge(bytes) => write!(
                f,
                "a message of {bytes} bytes does not fit a record of the queue (on a board CONFIG_AZURE_QUEUE_RECORD_SIZE), or \
                 a page of its medium"
            ),
            Self::Medium => f.write_str("the flash or the file could not be read or written"),
            Self::Damaged => f.write_str("its content makes no sense"),
        }
    }
}

impl core::error::Error for QueueError {}
