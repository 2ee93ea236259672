//! Search of the commands for the hub that serves a state directory: two small files in it.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::core::Core;
use crate::error::StartError;
use crate::store::files::refuse_to_replace;
use crate::store::write_atomically;

/// Addresses at which a hub listens: `endpoints.json`.
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
    /// The page, if it is served.
    #[serde(default)]
    pub(crate) page: Option<SocketAddr>,
}

/// The policy that the commands act under.
pub(crate) const POLICY: &str = "iothubowner";

/// `name:port`, or the name alone where the port is that of HTTPS (RFC 9110, section 4.2.2).
pub(crate) fn authority(host_name: &str, port: u16) -> String {
    const HTTPS: u16 = 443;
    match port {
        HTTPS => host_name.to_owned(),
        port => format!("{host_name}:{port}"),
    }
}

impl Endpoints {
    const FILE: &'static str = "endpoints.json";
    /// It holds a key.
    const CONNECTION_STRING: &'static str = "service.connection-string";

    /// Refuses a directory in which another program keeps files under these names.
    pub(crate) fn check_replaceable(directory: &Path) -> Result<(), StartError> {
        let policy = format!(";SharedAccessKeyName={POLICY};SharedAccessKey=");
        let is_connection_string = |bytes: &[u8]| {
            std::str::from_utf8(bytes)
                .is_ok_and(|text| text.starts_with("HostName=") && text.contains(&policy))
        };
        refuse_to_replace(
            &directory.join(Self::CONNECTION_STRING),
            is_connection_string,
        )?;
        refuse_to_replace(&directory.join(Self::FILE), |bytes| {
            serde_json::from_slice::<Self>(bytes).is_ok()
        })
    }

    /// Writes both files, readable by this user only.
    pub(crate) fn publish(&self, core: &Core, directory: &Path) -> Result<(), StartError> {
        let host = authority(&self.host_name, self.operator.port());
        let connection_string = core
            .policies
            .connection_string(&host, POLICY)
            .map_err(|error| StartError::Certificate(error.to_string()))?;
        let json = serde_json::to_vec_pretty(self).unwrap_or_default();
        for (name, contents) in [
            (Self::CONNECTION_STRING, connection_string.as_bytes()),
            (Self::FILE, json.as_slice()),
        ] {
            let path = directory.join(name);
            write_atomically(&path, contents, true)
                .map_err(|source| StartError::State { path, source })?;
        }
        Ok(())
    }

    /// Address at which the page was served last from this directory.
    pub(crate) fn last_page(directory: &Path) -> Option<SocketAddr> {
        let bytes = std::fs::read(directory.join(Self::FILE)).ok()?;
        serde_json::from_slice::<Self>(&bytes).ok()?.page
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

#[cfg(test)]
mod tests {
    use super::authority;

    #[test]
    fn the_port_of_https_is_not_named() {
        assert_eq!(authority("hub", 443), "hub");
        assert_eq!(authority("hub", 8443), "hub:8443");
    }
}
