//! Software updates: what Azure's Device Update does for devices of an IoT Hub, over the twin's component `deviceUpdate`;
//! over the session with the provisioning service, [`crate::dps`] does.
//!
//! # Theory of operation
//! An update is one file with a manifest (version 5) that says for which devices it is. Both lie in the folder `updates` of
//! the state directory. A deployment writes the manifest, its signature and the file's address into the desired properties
//! of the devices that are compatible, with a workflow of its own. What a device reports then is the state that `show`
//! gives. A deployment is in the twin and nowhere else, as Azure's is for the device.
//!
//! The signature is made with a key under a root of this hub's own, whose name ends in `.T`: a device that trusts it is one
//! for tests. Devices find the public halves of the roots in `updates/root-keys.json`.
//!
//! The file is served over plain HTTP, as Azure does it, or over TLS: trust comes from the manifest. [`UpdateFault`] makes things go
//! wrong.

mod deploy;
mod faults;
mod files;
mod import;
mod keys;
mod operate;
mod server;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use serde::{Deserialize, Serialize};

pub(crate) use self::deploy::{Group, incompatible};
pub(crate) use self::faults::Operation;
pub use self::faults::UpdateFault;
pub(crate) use self::files::store;
pub use self::import::{Import, UpdateId};
pub(crate) use self::server::serve;
use crate::error::Error;
use keys::Keys;

/// Folder of the state directory that has the files.
pub(crate) const FOLDER: &str = "updates";

/// Update that was imported.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Update {
    pub(crate) id: UpdateId,
    /// Sets of properties of devices that it is for.
    pub(crate) compatibility: Vec<BTreeMap<String, String>>,
    pub(crate) file_name: String,
    pub(crate) size: u64,
    /// In base64, as the manifest has it.
    pub(crate) sha256: String,
    /// The manifest, as it is signed.
    pub(crate) manifest: String,
}

/// Updates of a hub.
#[derive(Debug)]
pub(crate) struct Updates {
    folder: PathBuf,
    /// True if the state is gone with the process: keys are those of the process then.
    temporary: bool,
    updates: Mutex<Vec<Update>>,
    keys: OnceLock<Keys>,
    faults: Mutex<Vec<(UpdateFault, u32)>>,
    /// Address of the server of files for devices, once it listens, such as `http://127.0.0.1:8090`.
    server: OnceLock<String>,
}

impl Updates {
    /// Reads what was imported before.
    pub(crate) fn open(directory: &Path, temporary: bool) -> Self {
        let folder = directory.join(FOLDER);
        Self {
            updates: Mutex::new(files::read_all(&folder)),
            folder,
            temporary,
            keys: OnceLock::new(),
            faults: Mutex::default(),
            server: OnceLock::new(),
        }
    }

    /// Notes where files are served.
    pub(crate) fn served_at(&self, address: SocketAddr, host: Option<String>, tls: bool) {
        let scheme = if tls { "https" } else { "http" };
        let server = match host {
            None => format!("{scheme}://{address}"),
            Some(host) => format!("{scheme}://{host}:{}", address.port()),
        };
        let _ = self.server.set(server);
    }

    /// Address of the server of files for devices.
    pub(crate) fn server(&self) -> Result<&str, Error> {
        self.server.get().map(String::as_str).ok_or_else(|| {
            Error::ArgumentInvalid(
                "this hub serves no files of updates; serve with --updates ADDRESS:PORT".into(),
            )
        })
    }

    /// The imported updates, without the manifests.
    pub(crate) fn list(&self) -> serde_json::Value {
        let shown = |update: &Update| {
            serde_json::json!({
                "id": update.id, "compatibility": update.compatibility, "fileName": update.file_name,
                "size": update.size, "sha256": update.sha256,
            })
        };
        self.updates().iter().map(shown).collect()
    }

    fn updates(&self) -> MutexGuard<'_, Vec<Update>> {
        self.updates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The update of this name.
    pub(crate) fn update(&self, id: &UpdateId) -> Result<Update, Error> {
        let found = self
            .updates()
            .iter()
            .find(|update| update.id == *id)
            .cloned();
        found.ok_or_else(|| {
            Error::ArgumentInvalid(format!("there is no update {id}; import it first"))
        })
    }

    /// The keys, which are made when they are needed first.
    fn keys(&self) -> Result<&Keys, Error> {
        if let Some(keys) = self.keys.get() {
            return Ok(keys);
        }
        let keys = Keys::open(&self.folder, self.temporary).map_err(Error::Server)?;
        Ok(self.keys.get_or_init(|| keys))
    }
}
