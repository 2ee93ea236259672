//! The hub's durable state: keys and JSON values in one append-only journal.
//!
//! # Theory of operation
//! Every change is one line: a checksum and a list of keys with their new values (`null` removes). A line
//! is written with one `write` before its effect is told to anyone, so a kill at any moment, `kill -9`
//! included, loses nothing that was acknowledged. All keys of one line change together or not at all.
//!
//! Everything acknowledged can be read again, by construction: before a line is written it is read back, by the
//! code that reads it at the next start, and what was read is what the hub goes on with. A line that cannot be
//! read is not written, and whoever asked for the change is told so.
//!
//! The journal is rewritten when it has grown to twice its live contents: into another file, synced, then
//! renamed over the old one.
//!
//! An append log was chosen over one file per entity with atomic renames because it costs one system call
//! a change instead of five and makes changes of several keys atomic.
//!
//! # What is wrong is not mended
//! The beginning of one record at the end of a file is cut off, with a line in the log: a kill or a full disk
//! leaves it, and nobody was told that it was kept ([`records`]). Anything else stops the start, with the
//! place and the remedy, and changes nothing: so do files that the hub did not make ([`files`]).
//!
//! # Limits
//! The medium is synced every second, not at every change: a power failure may lose the last second, never
//! the consistency. All values are held in memory.

mod append;
pub(crate) mod files;
pub(crate) mod records;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub(crate) use append::AppendFile;
pub(crate) use files::{DirectoryLock, options, write_atomically};

use crate::error::StartError;
use crate::json;
use records::Format;

/// The journal's format. Another way to write records, or other kinds of them, needs another number.
pub(crate) const JOURNAL: Format = Format {
    header: "local-hub journal, format 2",
    begins: b'[',
};
/// A file below this size is never rewritten.
const COMPACTION_FLOOR: u64 = 1024 * 1024;

/// A change could not be kept.
#[derive(Debug)]
pub(crate) enum StoreError {
    /// The file cannot be written.
    File(io::Error),
    /// The line to be written could not be read again.
    Unreadable(String),
}

impl std::fmt::Display for StoreError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the hub cannot keep its state: ")?;
        match self {
            Self::File(error) => error.fmt(f),
            Self::Unreadable(why) => write!(f, "it could not read it again: {why}"),
        }
    }
}

impl From<StoreError> for crate::error::Error {
    fn from(error: StoreError) -> Self {
        Self::Server(error.to_string())
    }
}

/// Keys with their new values; `None` removes.
pub(crate) type Changes = Vec<(String, Option<Value>)>;

/// Says what is wrong with a key and its value: no part of the hub keeps such a one.
pub(crate) type Check = fn(&str, &Value) -> Result<(), String>;

/// Changes that happen together or not at all.
#[derive(Debug, Default)]
pub(crate) struct Batch(Changes);

impl Batch {
    /// Sets `key`.
    pub(crate) fn put(
        &mut self,
        key: impl Into<String>,
        value: &impl Serialize,
    ) -> Result<(), StoreError> {
        let value = serde_json::to_value(value)
            .map_err(|error| StoreError::Unreadable(error.to_string()))?;
        self.0.push((key.into(), Some(value)));
        Ok(())
    }

    /// Removes `key`; it need not exist.
    pub(crate) fn remove(&mut self, key: impl Into<String>) {
        self.0.push((key.into(), None));
    }
}

/// Keys and values that outlive the process.
#[derive(Debug)]
pub(crate) struct Store {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    file: AppendFile,
    check: Check,
    live: BTreeMap<String, Value>,
    /// The journal's length after it was last rewritten, or read.
    compacted: u64,
    dirty: bool,
}

impl Store {
    /// Opens the journal in `directory`, or makes it. `check` judges what is read and what is to be written.
    pub(crate) fn open(directory: &Path, check: Check) -> Result<Self, StartError> {
        let path = directory.join("hub.journal");
        let mut live = BTreeMap::new();
        let file = AppendFile::open(&path, &JOURNAL, |json, _| {
            apply(&mut live, decode(json, check)?);
            Ok(())
        })?;
        Ok(Self {
            inner: Mutex::new(Inner {
                compacted: file.len(),
                path,
                file,
                check,
                live,
                dirty: false,
            }),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets one key.
    pub(crate) fn put(&self, key: &str, value: &impl Serialize) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        batch.put(key, value)?;
        self.write(batch)
    }

    /// Applies every change of `batch`, or none.
    pub(crate) fn write(&self, batch: Batch) -> Result<(), StoreError> {
        if batch.0.is_empty() {
            return Ok(());
        }
        let mut inner = self.lock();
        let json = encode(&batch.0)?;
        // What the next start would read is what counts from now on.
        let changes = decode(&json, inner.check).map_err(StoreError::Unreadable)?;
        if changes != batch.0 {
            return Err(StoreError::Unreadable(
                "it would read as something else".into(),
            ));
        }
        inner
            .file
            .append(&records::encode(&json))
            .map_err(StoreError::File)?;
        inner.dirty = true;
        apply(&mut inner.live, changes);
        if inner.file.len() > COMPACTION_FLOOR && inner.file.len() / 2 > inner.compacted {
            // The journal is as good as before if this fails.
            if let Err(error) = inner.compact() {
                log::warn!("cannot rewrite {}: {error}", inner.path.display());
                inner.compacted = inner.file.len();
            }
        }
        Ok(())
    }

    /// Rewrites the journal now.
    #[cfg(test)]
    pub(crate) fn compact(&self) -> Result<(), StoreError> {
        self.lock().compact().map_err(StoreError::File)
    }

    /// The value of `key`, if it has one of this type.
    pub(crate) fn get<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        let inner = self.lock();
        inner
            .live
            .get(key)
            .and_then(|value| T::deserialize(value).ok())
    }

    /// Every key that starts with `prefix`, in order, with its value; values of another type are left out.
    pub(crate) fn scan<T: DeserializeOwned>(&self, prefix: &str) -> Vec<(String, T)> {
        let inner = self.lock();
        keys_with(&inner.live, prefix)
            .filter_map(|(key, value)| Some((key.clone(), T::deserialize(value).ok()?)))
            .collect()
    }

    /// Removes every key that starts with `prefix`.
    pub(crate) fn remove_all(&self, prefix: &str) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        for (key, _) in keys_with(&self.lock().live, prefix) {
            batch.remove(key);
        }
        self.write(batch)
    }

    /// Waits until the medium has every change, if there was one since the last call.
    pub(crate) fn sync(&self) -> io::Result<()> {
        let handle = {
            let mut inner = self.lock();
            if !inner.dirty {
                return Ok(());
            }
            inner.dirty = false;
            inner.file.handle()?
        };
        handle.sync_data().inspect_err(|_| self.lock().dirty = true)
    }
}

impl Inner {
    fn compact(&mut self) -> io::Result<()> {
        let mut lines = Vec::new();
        for (key, value) in &self.live {
            let json = serde_json::to_vec(&[(key, value)])?;
            lines.extend(records::encode(&json));
        }
        self.file = AppendFile::create(&self.path, &JOURNAL, &lines)?;
        self.compacted = self.file.len();
        Ok(())
    }
}

fn keys_with<'a>(
    live: &'a BTreeMap<String, Value>,
    prefix: &'a str,
) -> impl Iterator<Item = (&'a String, &'a Value)> {
    live.range(prefix.to_owned()..)
        .take_while(move |(key, _)| key.starts_with(prefix))
}

fn apply(live: &mut BTreeMap<String, Value>, changes: Changes) {
    for (key, value) in changes {
        match value {
            Some(value) => live.insert(key, value),
            None => live.remove(&key),
        };
    }
}

/// `[[key, value], …]`.
fn encode(changes: &Changes) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(changes).map_err(|error| StoreError::Unreadable(error.to_string()))
}

/// The changes of one record. The text says what is wrong with it, without what stands in it: that may be a key.
pub(crate) fn decode(json: &[u8], check: Check) -> Result<Changes, String> {
    let levels = json::depth(json);
    if levels > json::READABLE {
        return Err(format!(
            "nests {levels} levels deep; {} can be read",
            json::READABLE
        ));
    }
    let changes: Changes =
        serde_json::from_slice(json).map_err(|_| "is no list of keys and values".to_owned())?;
    for (key, value) in &changes {
        if let Some(value) = value {
            check(key, value).map_err(|why| format!("has under {key:?} {why}"))?;
        }
    }
    Ok(changes)
}

#[cfg(test)]
mod tests;
