//! Manifest of an update, version 5: what it is, for which devices, and of which file.
//!
//! This engine installs one image, so it takes one step of one file. Reference steps and delta files, which Microsoft's
//! own agent for microcontrollers refuses too, are refused.

use super::base64::digest;
use crate::json::{JsonString, Value};
use crate::label::Label;

/// The longest provider, name or version, in bytes: Device Update's own limit.
pub(super) const MAX_NAME: usize = 64;
/// The longest key of a file in the manifest, in bytes.
pub(super) const MAX_FILE_ID: usize = 48;

/// Name of an update.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UpdateId {
    /// Name of the maker.
    pub provider: Label<MAX_NAME>,
    /// Name of the thing that it is a version of.
    pub name: Label<MAX_NAME>,
    /// Version.
    pub version: Label<MAX_NAME>,
}

/// File of an update.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct File {
    /// Its key in the manifest, under which the service gives its address.
    pub id: Label<MAX_FILE_ID>,
    /// Length in bytes.
    pub size: u32,
    /// SHA-256.
    pub digest: [u8; 32],
}

/// Contents of a manifest that this device can install.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// Name of the update.
    pub id: UpdateId,
    /// Version that the running image has once it is installed.
    pub criterion: Label<MAX_NAME>,
    /// The image.
    pub file: File,
}

/// Facts about the device that an update is chosen by.
#[derive(Clone, Copy, Debug)]
pub struct Compatibility<'a> {
    /// Maker of the device.
    pub manufacturer: &'a str,
    /// Model of the device.
    pub model: &'a str,
}

/// Reason why a manifest is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ManifestError {
    /// It is not JSON.
    NotJson,
    /// Its version is not 5.
    Version,
    /// It has no name that this device can keep.
    Id,
    /// It is for other devices.
    Incompatible,
    /// It has not exactly one step, with exactly one file and `installedCriteria`.
    Steps,
    /// Its file has no size or SHA-256, or is larger than the slot can be.
    File,
}

impl core::fmt::Display for ManifestError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::NotJson => "the manifest is not JSON",
            Self::Version => "the manifest has another version than 5",
            Self::Id => "the manifest's updateId lacks a member, or one is longer than 64 bytes",
            Self::Incompatible => {
                "the update is for other devices: see the manifest's compatibility"
            }
            Self::Steps => {
                "the manifest has not one inline step with one file and installedCriteria"
            }
            Self::File => "the manifest's file lacks a size or a SHA-256",
        })
    }
}

impl Manifest {
    /// Reads a manifest whose signature was verified.
    ///
    /// # Errors
    ///
    /// See [`ManifestError`].
    pub fn read(text: &[u8], device: &Compatibility<'_>) -> Result<Self, ManifestError> {
        let manifest = Value::parse(text).map_err(|_| ManifestError::NotJson)?;
        match manifest.get("manifestVersion") {
            Some(version) if version.as_text().is_some_and(|version| version.is("5")) => {}
            _ => return Err(ManifestError::Version),
        }
        let id = manifest.get("updateId").and_then(UpdateId::read);
        let id = id.ok_or(ManifestError::Id)?;
        if !is_compatible(manifest, device) {
            return Err(ManifestError::Incompatible);
        }
        let (file_id, criterion) = step(manifest).ok_or(ManifestError::Steps)?;
        let file = manifest.get("files").and_then(|files| file(files, file_id));
        Ok(Self {
            id,
            criterion,
            file: file.ok_or(ManifestError::File)?,
        })
    }
}

impl UpdateId {
    /// Reads `{"provider":…,"name":…,"version":…}`. `None` if a member is missing, empty or too long.
    pub(super) fn read(value: Value<'_>) -> Option<Self> {
        let member = |name| Label::new(value.get(name)?.as_text()?);
        let id = Self {
            provider: member("provider")?,
            name: member("name")?,
            version: member("version")?,
        };
        let is_whole = !(id.provider.is_empty() || id.name.is_empty() || id.version.is_empty());
        is_whole.then_some(id)
    }
}

/// Each entry of the compatibility is a set of properties that all have to be the device's. One entry is enough.
fn is_compatible(manifest: Value<'_>, device: &Compatibility<'_>) -> bool {
    let Some(sets) = manifest.get("compatibility").and_then(Value::as_array) else {
        return false;
    };
    for set in sets {
        let (mut count, mut others) = (0, 0);
        for (name, value) in set.members() {
            let own = match () {
                () if name.is("deviceManufacturer") || name.is("manufacturer") => {
                    Some(device.manufacturer)
                }
                () if name.is("deviceModel") || name.is("model") => Some(device.model),
                () => None,
            };
            let is_own = value
                .as_text()
                .is_some_and(|value| own.is_some_and(|own| is_alike(value, own)));
            count += 1;
            others += usize::from(!is_own);
        }
        if count > 0 && others == 0 {
            return true;
        }
    }
    false
}

/// Values of compatibility match whatever their case (Microsoft, software updates protocol).
fn is_alike(value: JsonString<'_>, own: &str) -> bool {
    let lower = |character: char| character.to_ascii_lowercase();
    value.chars().map(lower).eq(own.chars().map(lower))
}

/// The file and the criterion of the only step.
fn step(manifest: Value<'_>) -> Option<(JsonString<'_>, Label<MAX_NAME>)> {
    let mut steps = manifest.get("instructions")?.get("steps")?.as_array()?;
    let step = steps.next()?;
    let is_inline = step
        .get("type")
        .is_none_or(|kind| kind.as_text().is_some_and(|kind| kind.is("inline")));
    let mut files = step.get("files")?.as_array()?;
    let file = files.next()?.as_text()?;
    let criterion = step
        .get("handlerProperties")?
        .get("installedCriteria")?
        .as_text()?;
    let criterion = Label::new(criterion).filter(|criterion| !criterion.is_empty())?;
    let is_only = is_inline && steps.next().is_none() && files.next().is_none();
    is_only.then_some((file, criterion))
}

fn file(files: Value<'_>, id: JsonString<'_>) -> Option<File> {
    let id = Label::<MAX_FILE_ID>::new(id)?;
    let file = files.get(id.as_str())?;
    let size = u32::try_from(file.get("sizeInBytes")?.as_i64()?).ok()?;
    let hash = file.get("hashes")?.get("sha256")?.as_text()?.plain()?;
    Some(File {
        id,
        size: Some(size).filter(|size| *size > 0)?,
        digest: digest(hash)?,
    })
}

#[cfg(test)]
#[path = "manifest_tests.rs"]
mod tests;
