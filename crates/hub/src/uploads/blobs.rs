//! Blobs: files of a folder, with what is known of them in the journal.
//!
//! Contents arrive in a file of their own, which becomes a blob, or a block of one, when it is whole. So a reader sees the
//! old blob or the new one, also after a power cut.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::arriving::{Arriving, Space};
use super::blocks::{MAX_BLOCKS, Source};
use super::refusal::Refusal;
use crate::clock::{Clock, iso_8601};
use crate::config::Limits;
use crate::credentials::random;
use crate::error::Error;
use crate::store::files::sync_directory;
use crate::store::{Batch, Store};

/// Most blocks that wait for a list.
const MAX_UNCOMMITTED: usize = 2 * MAX_BLOCKS;

/// Blob, without its contents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Blob {
    /// Name of its file.
    file: String,
    pub(super) size: u64,
    pub(super) content_type: String,
    pub(super) etag: String,
    /// In milliseconds since 1970.
    pub(super) created: u64,
    pub(super) modified: u64,
    /// MD5 in base64, computed by the hub if the blob came in one piece, or told by the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) md5: Option<String>,
    /// Ids and sizes of the blocks that it was made of; empty if it came in one piece.
    blocks: Vec<(String, u64)>,
}

impl Blob {
    /// Facts that operators are told.
    pub(super) fn shown(&self, blobs: &Blobs) -> Value {
        json!({
            "size": self.size,
            "contentType": self.content_type,
            "etag": self.etag,
            "created": iso_8601(self.created),
            "lastModified": iso_8601(self.modified),
            "file": blobs.path_of(self).display().to_string(),
        })
    }
}

/// Conditions and properties of a write.
#[derive(Debug, Default)]
pub(super) struct Writing {
    pub(super) content_type: Option<String>,
    /// MD5 in base64 that the blob shall have.
    pub(super) md5: Option<String>,
    /// `If-None-Match: *`: there must be no blob yet.
    pub(super) only_new: bool,
    /// `If-Match`: the blob must have this etag.
    pub(super) only_etag: Option<String>,
}

/// Uncommitted blocks of one blob.
type Uncommitted = HashMap<String, u64>;

/// All blobs.
pub(super) struct Blobs {
    folder: PathBuf,
    store: Arc<Store>,
    clock: Arc<Clock>,
    space: Space,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    blobs: BTreeMap<String, Blob>,
    /// By the name of the blob's folder of blocks.
    uncommitted: HashMap<String, Uncommitted>,
}

/// Name of the folder with a blob's blocks.
fn folder_of(blob: &str) -> String {
    let digest = digest(&SHA256, blob.as_bytes());
    hex(digest.as_ref().get(..16).unwrap_or_default())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Name of a block's file.
fn file_of(block: &str) -> String {
    hex(&STANDARD.decode(block).unwrap_or_default())
}

/// The block of a file of this name.
fn block_of(file: &str) -> Option<String> {
    let pairs = file.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = pairs.map(byte).collect();
    bytes
        .filter(|bytes| !bytes.is_empty())
        .map(|bytes| STANDARD.encode(bytes))
}

impl Blobs {
    /// Reads what is kept. Files that are no blob's and no block's are what an interrupted request left, and are removed.
    pub(super) fn open(
        folder: &Path,
        store: Arc<Store>,
        clock: Arc<Clock>,
        limits: &Limits,
    ) -> Self {
        let mut inner = Inner::default();
        for (key, blob) in store.scan::<Blob>("blob/") {
            inner
                .blobs
                .insert(key.trim_start_matches("blob/").to_owned(), blob);
        }
        let kept: Vec<&str> = inner
            .blobs
            .values()
            .map(|blob| blob.file.as_str())
            .collect();
        for (name, path) in own_entries(&folder.join("blobs")) {
            if name.len() == 32 && !kept.contains(&name.as_str()) {
                let _ = fs::remove_file(path);
            }
        }
        for (blob, path) in own_entries(&folder.join("blocks")) {
            let mut blocks = Uncommitted::new();
            for (name, path) in own_entries(&path) {
                match (block_of(&name), fs::metadata(&path)) {
                    (Some(block), Ok(metadata)) => {
                        blocks.insert(block, metadata.len());
                    }
                    _ => drop(fs::remove_file(path)),
                }
            }
            inner.uncommitted.insert(blob, blocks);
        }
        let of_blobs = inner.blobs.values().map(|blob| blob.size);
        let of_blocks = inner
            .uncommitted
            .values()
            .flat_map(HashMap::values)
            .copied();
        Self {
            space: Space::new(
                limits.upload_bytes,
                limits.uploads_bytes,
                of_blobs.chain(of_blocks).sum(),
            ),
            folder: folder.to_owned(),
            store,
            clock,
            inner: Mutex::new(inner),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.join("blobs").join(file)
    }

    /// Path of a blob's contents.
    pub(super) fn path_of(&self, blob: &Blob) -> PathBuf {
        self.path(&blob.file)
    }

    /// The blob of this name.
    pub(super) fn get(&self, name: &str) -> Option<Blob> {
        self.lock().blobs.get(name).cloned()
    }

    /// All of them, by name.
    pub(super) fn all(&self) -> Vec<(String, Blob)> {
        let inner = self.lock();
        let all = inner.blobs.iter();
        all.map(|(name, blob)| (name.clone(), blob.clone()))
            .collect()
    }

    /// The blob, and its contents to read.
    pub(super) fn read(&self, name: &str) -> Result<(Blob, File), Refusal> {
        let inner = self.lock();
        let blob = inner.blobs.get(name).ok_or_else(Refusal::not_found)?;
        // Opened under the lock: another write would remove the file.
        let file = File::open(self.path(&blob.file));
        let file = file.map_err(|error| Refusal::failed("read the file", &error))?;
        Ok((blob.clone(), file))
    }

    /// A place for contents that arrive.
    pub(super) fn receive(&self) -> Result<Arriving<'_>, Refusal> {
        Arriving::open(&self.folder.join("blobs"), &self.space)
    }

    /// Makes a blob of contents that arrived, and drops the blocks that wait for it.
    pub(super) fn put(
        &self,
        name: &str,
        arrived: Arriving<'_>,
        how: Writing,
    ) -> Result<Blob, Refusal> {
        arrived.sync()?;
        let mut inner = self.lock();
        self.replace(&mut inner, name, arrived, how, Vec::new())
    }

    fn replace(
        &self,
        inner: &mut Inner,
        name: &str,
        arrived: Arriving<'_>,
        how: Writing,
        blocks: Vec<(String, u64)>,
    ) -> Result<Blob, Refusal> {
        let old = inner.blobs.get(name);
        if how.only_new && old.is_some() {
            return Err(Refusal::new(
                StatusCode::CONFLICT,
                "BlobAlreadyExists",
                "The specified blob already exists.",
            ));
        }
        if how.only_etag.is_some() && how.only_etag.as_deref() != old.map(|blob| blob.etag.as_str())
        {
            return Err(Refusal::new(
                StatusCode::PRECONDITION_FAILED,
                "ConditionNotMet",
                "The condition specified using HTTP conditional header(s) is not met.",
            ));
        }
        let now = self.clock.unix_millis();
        let blob = Blob {
            file: arrived.name.clone(),
            size: arrived.size,
            content_type: how
                .content_type
                .unwrap_or_else(|| "application/octet-stream".into()),
            etag: format!("0x{:016X}", random::number()),
            created: old.map_or(now, |blob| blob.created),
            modified: now,
            md5: how.md5,
            blocks,
        };
        let old_file = old.map(|blob| (blob.file.clone(), blob.size));
        self.store.put(&format!("blob/{name}"), &blob)?;
        arrived.keep();
        inner.blobs.insert(name.to_owned(), blob.clone());
        if let Some((file, size)) = old_file {
            self.space.remove(&self.path(&file), size);
        }
        let folder = folder_of(name);
        if let Some(blocks) = inner.uncommitted.remove(&folder) {
            let path = self.folder.join("blocks").join(&folder);
            for (block, size) in blocks {
                self.space.remove(&path.join(file_of(&block)), size);
            }
            let _ = fs::remove_dir(path);
        }
        Ok(blob)
    }

    /// Keeps contents that arrived as a block of a blob. A block of the same id is replaced.
    pub(super) fn put_block(
        &self,
        name: &str,
        block: &str,
        arrived: Arriving<'_>,
    ) -> Result<(), Refusal> {
        arrived.sync()?;
        let folder = folder_of(name);
        let path = self.folder.join("blocks").join(&folder);
        let mut inner = self.lock();
        let blocks = inner.uncommitted.entry(folder).or_default();
        if blocks
            .keys()
            .next()
            .is_some_and(|other| file_of(other).len() != file_of(block).len())
        {
            return Err(Refusal::bad(
                "InvalidBlobOrBlock",
                "the ids of all blocks of a blob have the same length",
            ));
        }
        if blocks.len() >= MAX_UNCOMMITTED && !blocks.contains_key(block) {
            return Err(Refusal::new(
                StatusCode::CONFLICT,
                "BlockCountExceedsLimit",
                format!("{MAX_UNCOMMITTED} blocks wait for a list at most"),
            ));
        }
        let to = path.join(file_of(block));
        fs::create_dir_all(&path)
            .and_then(|()| fs::rename(&arrived.path, &to))
            .and_then(|()| sync_directory(&to))
            .map_err(|error| Refusal::failed("keep a block", &error))?;
        let size = arrived.size;
        arrived.keep();
        if let Some(old) = blocks.insert(block.to_owned(), size) {
            self.space.give_back(old);
        }
        Ok(())
    }

    /// Makes a blob of blocks.
    pub(super) fn put_list(
        &self,
        name: &str,
        list: &[(Source, String)],
        how: Writing,
    ) -> Result<Blob, Refusal> {
        // The blocks must not change while they are copied.
        let mut inner = self.lock();
        let mut arriving = self.receive()?;
        let folder = folder_of(name);
        let path = self.folder.join("blocks").join(&folder);
        let committed = Committed::of(inner.blobs.get(name));
        let mut old = match inner.blobs.get(name) {
            Some(blob) => Some(
                File::open(self.path(&blob.file))
                    .map_err(|error| Refusal::failed("read the file", &error))?,
            ),
            None => None,
        };
        let mut blocks = Vec::with_capacity(list.len());
        for (source, id) in list {
            let uncommitted = inner
                .uncommitted
                .get(&folder)
                .and_then(|blocks| blocks.get(id));
            let uncommitted = uncommitted.filter(|_| *source != Source::Committed);
            let before = committed.0.get(id.as_str());
            let before = before.filter(|_| *source != Source::Uncommitted);
            let size = if let Some(size) = uncommitted {
                let file = File::open(path.join(file_of(id)));
                let file = file.map_err(|error| Refusal::failed("read a block", &error))?;
                arriving.copy(file, *size)?;
                *size
            } else if let (Some((start, size)), Some(old)) = (before, &mut old) {
                old.seek(SeekFrom::Start(*start))
                    .map_err(|error| Refusal::failed("read the file", &error))?;
                arriving.copy(old, *size)?;
                *size
            } else {
                return Err(Refusal::bad(
                    "InvalidBlockList",
                    "the list names a block that did not arrive; put each block before the list",
                ));
            };
            blocks.push((id.clone(), size));
        }
        arriving.sync()?;
        self.replace(&mut inner, name, arriving, how, blocks)
    }

    /// Removes a blob; false if there is none.
    pub(super) fn delete(&self, name: &str) -> Result<bool, Error> {
        let mut inner = self.lock();
        let Some(blob) = inner.blobs.get(name) else {
            return Ok(false);
        };
        let mut batch = Batch::default();
        batch.remove(format!("blob/{name}"));
        self.store.write(batch)?;
        self.space.remove(&self.path(&blob.file), blob.size);
        inner.blobs.remove(name);
        Ok(true)
    }
}

/// Places and sizes of the blocks of a blob, by their ids.
struct Committed<'b>(HashMap<&'b str, (u64, u64)>);

impl<'b> Committed<'b> {
    fn of(blob: Option<&'b Blob>) -> Self {
        let mut start = 0;
        let mut places = HashMap::new();
        for (id, size) in blob.map(|blob| blob.blocks.as_slice()).unwrap_or_default() {
            places.insert(id.as_str(), (start, *size));
            start += size;
        }
        Self(places)
    }
}

/// Content of a folder that the hub made. A link in the place of the folder is not followed.
fn own_entries(folder: &Path) -> Vec<(String, PathBuf)> {
    let is_folder = fs::symlink_metadata(folder).is_ok_and(|metadata| metadata.is_dir());
    let entries = is_folder.then(|| fs::read_dir(folder).ok()).flatten();
    let entries = entries.into_iter().flatten().flatten();
    entries
        .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())))
        .collect()
}
