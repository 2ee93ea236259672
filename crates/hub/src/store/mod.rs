//! The hub's durable state: keys and JSON values in one append-only journal.
//!
//! # Theory of operation
//! Every change is one line: a checksum and a list of keys with their new values (`null` removes). A line
//! is written with one `write` before its effect is told to anyone, so a kill at any moment, `kill -9`
//! included, loses nothing that was acknowledged; a line that the kill tore is the last one and is cut off
//! at the next start. All keys of one line change together or not at all.
//!
//! The journal is rewritten when it has grown to twice its live contents: into another file, synced, then
//! renamed over the old one.
//!
//! An append log was chosen over one file per entity with atomic renames because it costs one system call
//! a change instead of five and makes changes of several keys atomic.
//!
//! # Limits
//! The medium is synced every second, not at every change: a power failure may lose the last second, never
//! the consistency. All values are held in memory.

mod append;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub(crate) use append::{AppendFile, options, sync_directory, write_atomically};

use crate::error::StartError;

/// A file below this size is never rewritten.
const COMPACTION_FLOOR: u64 = 1024 * 1024;

/// A change could not be kept.
#[derive(Debug)]
pub(crate) struct StoreError(io::Error);

impl std::fmt::Display for StoreError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the hub cannot keep its state: {}", self.0)
    }
}

impl From<StoreError> for crate::error::Error {
    fn from(error: StoreError) -> Self {
        Self::Server(error.to_string())
    }
}

/// Changes that happen together or not at all.
#[derive(Debug, Default)]
pub(crate) struct Batch(Vec<(String, Option<Value>)>);

impl Batch {
    /// Sets `key`.
    pub(crate) fn put(
        &mut self,
        key: impl Into<String>,
        value: &impl Serialize,
    ) -> Result<(), StoreError> {
        let value = serde_json::to_value(value).map_err(|error| StoreError(error.into()))?;
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
    live: BTreeMap<String, Value>,
    /// The journal's length after it was last rewritten, or read.
    compacted: u64,
    dirty: bool,
}

impl Store {
    /// Opens the journal in `directory`, or makes it.
    pub(crate) fn open(directory: &Path) -> Result<Self, StartError> {
        let path = directory.join("hub.journal");
        let unusable = |source| StartError::State {
            path: path.clone(),
            source,
        };
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(unusable(error)),
        };
        let (live, length) = replay(&bytes).map_err(|detail| StartError::CorruptState {
            path: path.clone(),
            detail,
        })?;
        if length < bytes.len() {
            log::warn!(
                "cut a torn record of {} bytes off {}",
                bytes.len() - length,
                path.display()
            );
        }
        let file = AppendFile::open(&path, length as u64).map_err(unusable)?;
        Ok(Self {
            inner: Mutex::new(Inner {
                compacted: file.len(),
                path,
                file,
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
        let line = encode(&batch.0).map_err(StoreError)?;
        let mut inner = self.lock();
        inner.file.append(&line).map_err(StoreError)?;
        inner.dirty = true;
        apply(&mut inner.live, batch.0);
        if inner.file.len() > COMPACTION_FLOOR && inner.file.len() / 2 > inner.compacted {
            // The journal is as good as before if this fails.
            if let Err(error) = inner.compact() {
                log::warn!("cannot rewrite {}: {error}", inner.path.display());
                inner.compacted = inner.file.len();
            }
        }
        Ok(())
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
        handle.sync_data()
    }
}

impl Inner {
    fn compact(&mut self) -> io::Result<()> {
        let replacement = self.path.with_extension("journal.new");
        let mut contents = Vec::new();
        for (key, value) in &self.live {
            contents.extend(encode(&[(key.clone(), Some(value.clone()))])?);
        }
        let _ = std::fs::remove_file(&replacement);
        let mut file = AppendFile::open(&replacement, 0)?;
        file.append(&contents)?;
        file.sync()?;
        std::fs::rename(&replacement, &self.path)?;
        self.file = file;
        self.compacted = self.file.len();
        sync_directory(&self.path)
    }
}

fn keys_with<'a>(
    live: &'a BTreeMap<String, Value>,
    prefix: &'a str,
) -> impl Iterator<Item = (&'a String, &'a Value)> {
    live.range(prefix.to_owned()..)
        .take_while(move |(key, _)| key.starts_with(prefix))
}

fn apply(live: &mut BTreeMap<String, Value>, changes: Vec<(String, Option<Value>)>) {
    for (key, value) in changes {
        match value {
            Some(value) => live.insert(key, value),
            None => live.remove(&key),
        };
    }
}

/// `checksum [[key, value], …]` and a line feed.
fn encode(changes: &[(String, Option<Value>)]) -> io::Result<Vec<u8>> {
    let json = serde_json::to_vec(changes)?;
    let mut line = checksum(&json).into_bytes();
    line.push(b' ');
    line.extend(json);
    line.push(b'\n');
    Ok(line)
}

/// The first 8 bytes of SHA-256 in hex: enough to tell a torn line from a whole one.
fn checksum(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    digest
        .as_ref()
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The live contents, and how many bytes of the journal are whole lines.
///
/// A broken line followed by a whole one is no torn write: that is an error.
fn replay(bytes: &[u8]) -> Result<(BTreeMap<String, Value>, usize), String> {
    let mut live = BTreeMap::new();
    let mut whole = 0;
    let mut position = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        position += line.len();
        let Some(changes) = decode(line) else {
            continue;
        };
        if whole + line.len() != position {
            return Err(format!(
                "a record at byte {whole} does not match its checksum"
            ));
        }
        whole = position;
        apply(&mut live, changes);
    }
    Ok((live, whole))
}

fn decode(line: &[u8]) -> Option<Vec<(String, Option<Value>)>> {
    let line = line.strip_suffix(b"\n")?;
    let (sum, json) = line.split_at_checked(16)?;
    let json = json.strip_prefix(b" ")?;
    (checksum(json).as_bytes() == sum).then_some(())?;
    serde_json::from_slice(json).ok()
}

/// Holds a state directory for one process; freed by the system when that process ends in any way.
#[derive(Debug)]
pub(crate) struct DirectoryLock(#[expect(dead_code, reason = "the open file is the lock")] File);

impl DirectoryLock {
    /// Takes the lock, or says that another process has it.
    pub(crate) fn take(directory: &Path) -> Result<Self, StartError> {
        let path = directory.join("lock");
        let unusable = |source| StartError::State {
            path: path.clone(),
            source,
        };
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(std::fs::TryLockError::WouldBlock) => Err(StartError::Locked(directory.to_owned())),
            Err(std::fs::TryLockError::Error(source)) => Err(unusable(source)),
        }
    }
}

#[cfg(test)]
mod tests;
