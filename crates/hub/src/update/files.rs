//! Files of updates in the state directory: `<digest>.bin` is a file, `<digest>.json` what is known of an update.

use std::fs;
use std::path::{Path, PathBuf};

use ring::digest::{SHA256, digest};

use super::Update;
use super::import::UpdateId;
use crate::error::Error;
use crate::store::write_atomically;

/// Name of a file's contents: its SHA-256 in hexadecimal.
pub(crate) fn name_of(contents: &[u8]) -> String {
    let digest = digest(&SHA256, contents);
    digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Makes the folder.
pub(crate) fn make_folder(folder: &Path) -> Result<(), Error> {
    fs::create_dir_all(folder)
        .map_err(|error| Error::Server(format!("cannot make {}: {error}", folder.display())))
}

/// Puts the contents of a file into the folder, and gives their name.
pub(crate) fn store(folder: &Path, contents: &[u8]) -> Result<String, Error> {
    make_folder(folder)?;
    let name = name_of(contents);
    write(&folder.join(format!("{name}.bin")), contents)?;
    Ok(name)
}

/// Writes a file of the folder.
pub(super) fn write(path: &Path, contents: &[u8]) -> Result<(), Error> {
    write_atomically(path, contents, true)
        .map(drop)
        .map_err(|error| Error::Server(format!("cannot write {}: {error}", path.display())))
}

/// The contents of this name. `name` has to be a digest, so that no other file can be meant.
pub(super) fn load(folder: &Path, name: &str) -> Option<Vec<u8>> {
    let is_digest = name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    let contents = fs::read(folder.join(format!("{name}.bin"))).ok()?;
    (is_digest && name_of(&contents) == name).then_some(contents)
}

/// File of what is known of an update.
pub(super) fn entry(folder: &Path, id: &UpdateId) -> PathBuf {
    folder.join(format!("{}.json", name_of(id.to_string().as_bytes())))
}

/// Everything that was imported. What is damaged is named in the log, and left.
pub(super) fn read_all(folder: &Path) -> Vec<Update> {
    let mut updates = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else {
        return updates;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        let stem = path.file_stem().unwrap_or_default().len();
        if path.extension().is_none_or(|end| end != "json") || stem != 64 {
            continue;
        }
        let read = fs::read(&path).map_err(|error| error.to_string());
        match read
            .and_then(|bytes| serde_json::from_slice(&bytes).map_err(|error| error.to_string()))
        {
            Ok(update) => updates.push(update),
            Err(error) => log::warn!(
                "{} is passed over: {error}; import the update again",
                path.display()
            ),
        }
    }
    updates.sort_by_key(|update: &Update| update.id.to_string());
    updates
}
