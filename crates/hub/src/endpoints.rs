//! How the commands find the hub that serves a state directory: two small files in it.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::core::Core;
use crate::error::StartError;
use crate::store::write_atomically;

/// Where a hub listens: `endpoints.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Endpoints {
    /// The name in certificates and tokens.
    pub(crate) host_name: String,
    /// MQTT over TLS.
    pub(crate) mqtt: SocketAddr,
    /// The operator's interface over HTTPS.
    pub(crate) operator: SocketAddr,
    /// SNTP over UDP, if it is served.
    pub(crate) sntp: Option<SocketAddr>,
}

/// The policy that the commands act under.
pub(crate) const POLICY: &str = "iothubowner";

impl Endpoints {
    const FILE: &'static str = "endpoints.json";
    /// Readable by this user only: it holds a key.
    const CONNECTION_STRING: &'static str = "service.connection-string";

    /// Writes both files.
    pub(crate) fn publish(&self, core: &Core, directory: &Path) -> Result<(), StartError> {
        let host = format!("{}:{}", self.host_name, self.operator.port());
        let connection_string = core
            .policies
            .connection_string(&host, POLICY)
            .map_err(|error| StartError::Certificate(error.to_string()))?;
        let json = serde_json::to_vec_pretty(self).unwrap_or_default();
        for (name, contents, private) in [
            (Self::CONNECTION_STRING, connection_string.as_bytes(), true),
            (Self::FILE, json.as_slice(), false),
        ] {
            let path = directory.join(name);
            write_atomically(&path, contents, private)
                .map_err(|source| StartError::State { path, source })?;
        }
        Ok(())
    }

    /// Reads where the hub of a directory listens, and the key of [`POLICY`].
    pub(crate) fn read(directory: &Path) -> io::Result<(Self, String)> {
        let endpoints = serde_json::from_slice(&std::fs::read(directory.join(Self::FILE))?)?;
        let text = std::fs::read_to_string(directory.join(Self::CONNECTION_STRING))?;
        let key = text
            .trim()
            .split(';')
            .find_map(|pair| pair.strip_prefix("SharedAccessKey="));
        let key = key.ok_or_else(|| io::Error::other("the connection string has no key"))?;
        Ok((endpoints, key.to_owned()))
    }
}
