//! Import of an update: checks, and the manifest.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Update, Updates, files};
use crate::clock::iso_8601;
use crate::error::Error;

/// The longest provider, name or version: Device Update's own limit.
const MAX_NAME: usize = 64;
/// Properties that devices report for their compatibility, beginning with these two.
const MAX_COMPATIBILITY: usize = 5;

/// Name of an update.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateId {
    /// Its maker.
    pub provider: String,
    /// Of what it is a version.
    pub name: String,
    /// Version: two to four numbers with dots between them.
    pub version: String,
}

impl fmt::Display for UpdateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.provider, self.name, self.version)
    }
}

impl UpdateId {
    fn check(&self) -> Result<(), Error> {
        for (what, text) in [("provider", &self.provider), ("name", &self.name)] {
            let is_good = (1..=MAX_NAME).contains(&text.len())
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
            if !is_good {
                return Err(Error::ArgumentInvalid(format!(
                    "the {what} has 1 to 64 letters, digits, dots, hyphens and underscores"
                )));
            }
        }
        let numbers = self.version.split('.');
        let is_number = |part: &str| {
            part.parse::<u32>()
                .is_ok_and(|number| number <= i32::MAX as u32)
                && !part.starts_with('+')
        };
        if !(2..=4).contains(&numbers.clone().count()) || !numbers.clone().all(is_number) {
            return Err(Error::ArgumentInvalid(
                "the version has two to four numbers with dots between them, such as 1.2.0".into(),
            ));
        }
        Ok(())
    }
}

/// Update to import.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Import {
    /// Its name.
    pub id: UpdateId,
    /// Sets of properties of devices that it is for, such as `deviceManufacturer` and `deviceModel`.
    pub compatibility: Vec<BTreeMap<String, String>>,
    /// Name of the file, for people.
    pub file_name: String,
    /// Version that a device says it has once the update is installed; the update's own by default.
    #[serde(default)]
    pub installed_criteria: Option<String>,
}

impl Updates {
    /// Imports an update whose file lies in the folder under the name of its contents. Replaces one of the same name.
    pub(crate) fn import(&self, import: Import, contents: &str, now: u64) -> Result<Update, Error> {
        import.id.check()?;
        let sets = &import.compatibility;
        let is_set = |set: &BTreeMap<String, String>| (1..=MAX_COMPATIBILITY).contains(&set.len());
        if sets.is_empty() || !sets.iter().all(is_set) {
            return Err(Error::ArgumentInvalid(
                "the compatibility has at least one set, each of 1 to 5 properties, such as \
                 deviceManufacturer=Contoso,deviceModel=Toaster"
                    .into(),
            ));
        }
        let file = files::load(&self.folder, contents)
            .filter(|file| !file.is_empty())
            .ok_or_else(|| {
                Error::ArgumentInvalid("the file is not in the state directory, or empty".into())
            })?;
        let digest = ring::digest::digest(&ring::digest::SHA256, &file);
        let sha256 = STANDARD.encode(digest.as_ref());
        let manifest = json!({
            "manifestVersion": "5",
            "updateId": import.id,
            "compatibility": sets,
            "instructions": {"steps": [{
                "handler": "microsoft/swupdate:1",
                "files": [file_id(contents)],
                "handlerProperties": {
                    "installedCriteria": import.installed_criteria.as_ref().unwrap_or(&import.id.version),
                },
            }]},
            "files": {file_id(contents): {
                "fileName": import.file_name,
                "sizeInBytes": file.len(),
                "hashes": {"sha256": sha256},
            }},
            "createdDateTime": iso_8601(now),
        });
        let update = Update {
            id: import.id,
            compatibility: import.compatibility,
            file_name: import.file_name,
            size: file.len() as u64,
            sha256,
            manifest: manifest.to_string(),
        };
        // Made now, so that no device waits for them.
        self.keys()?;
        let json =
            serde_json::to_vec_pretty(&update).map_err(|error| Error::Server(error.to_string()))?;
        files::write(&files::entry(&self.folder, &update.id), &json)?;
        let mut updates = self.updates();
        updates.retain(|other| other.id != update.id);
        updates.push(update.clone());
        updates.sort_by_key(|update| update.id.to_string());
        Ok(update)
    }

    /// Name of the contents of an update's file.
    pub(super) fn contents(update: &Update) -> String {
        let digest = STANDARD.decode(&update.sha256).unwrap_or_default();
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Key of a file in its manifest.
pub(super) fn file_id(contents: &str) -> String {
    format!("f{}", contents.get(..16).unwrap_or_default())
}
