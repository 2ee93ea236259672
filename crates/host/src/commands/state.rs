//! The folder of a device, for what outlives a restart.

use std::env;
use std::path::PathBuf;

use azure_device_host::storage::FileStorage;

use super::CommandError;
use crate::cli::Device;

/// The folder of `--state`, or else the one of this name in the user's state folder.
pub(super) fn folder(
    arguments: &Device,
    group: &str,
    name: &str,
) -> Result<FileStorage, CommandError> {
    let folder = match &arguments.state {
        Some(folder) => folder.clone(),
        None => default_folder(group, name).ok_or(
            "this system names no folder for the state of programs; give one with --state FOLDER",
        )?,
    };
    FileStorage::in_folder(&folder).map_err(|error| {
        format!(
            "the folder {} for the device's state cannot be made: {error}; give another one with --state",
            folder.display()
        )
        .into()
    })
}

/// A folder for each device: XDG's state folder (XDG Base Directory Specification), or Windows' folder of local
/// application data.
fn default_folder(group: &str, name: &str) -> Option<PathBuf> {
    let set = |name| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let state = set("XDG_STATE_HOME")
        .or_else(|| Some(set("HOME")?.join(".local/state")))
        .or_else(|| set("LOCALAPPDATA"))?;
    Some(state.join("azure-device").join(group).join(name))
}
