//! Connection strings: everything that a device needs to know to connect, in one line.
//!
//! ```text
//! HostName=contoso.azure-devices.net;DeviceId=MyDevice01;SharedAccessKey=AAECAwQFBgcICQoLDA0ODw==
//! ```
//!
//! Fields are separated by `;` and split at their first `=`; they come in any order and their names in any
//! case. `ModuleId` makes it a module's, `GatewayHostName` connects through a transparent gateway. The
//! credential is one of `SharedAccessKey`, `SharedAccessSignature` (a ready-made SAS token) and `x509=true`.
//! Source: Azure IoT Hub, "Control access to IoT Hub with shared access signatures", and the device SDKs.

use core::fmt;

use super::{Credential, DeviceId, HostName, Identity, IdentityError, ModuleId, SharedAccessKey};
use crate::sas::SasToken;

/// Byte order mark (Unicode, section 23.8).
const BOM: char = '\u{feff}';
/// The quotes of shells and JSON, and those that word processors make of them.
const QUOTES: [char; 6] = ['"', '\'', '\u{201c}', '\u{201d}', '\u{2018}', '\u{2019}'];

/// The parser of connection strings.
#[derive(Clone, Copy, Debug)]
pub enum ConnectionString {}

impl ConnectionString {
    /// Parses a connection string. White space around it, such as a file's last newline, is ignored.
    ///
    /// Secrets are copied into the result and wiped with it; `text` is the caller's to wipe. A ready-made
    /// token's scope is checked here, its expiry is not: see [`SasToken::check_expiry`].
    pub fn parse(text: &str) -> Result<Identity, IdentityError> {
        let fields = Fields::split(text)?;
        let host_name = fields
            .host_name
            .ok_or(ConnectionStringError::Missing("HostName"))?;
        let device_id = fields
            .device_id
            .ok_or(ConnectionStringError::Missing("DeviceId"))?;
        let identity = Identity::new(
            HostName::parse(host_name).map_err(IdentityError::HostName)?,
            DeviceId::parse(device_id).map_err(IdentityError::DeviceId)?,
            fields
                .module_id
                .map(ModuleId::parse)
                .transpose()
                .map_err(IdentityError::ModuleId)?,
            fields.credential()?,
        )?;
        Ok(match fields.gateway_host_name {
            None => identity,
            Some(name) => identity
                .with_gateway(HostName::parse(name).map_err(IdentityError::GatewayHostName)?),
        })
    }
}

/// The fields of a connection string, not yet checked.
#[derive(Default)]
struct Fields<'t> {
    host_name: Option<&'t str>,
    device_id: Option<&'t str>,
    module_id: Option<&'t str>,
    gateway_host_name: Option<&'t str>,
    shared_access_key: Option<&'t str>,
    shared_access_signature: Option<&'t str>,
    x509: Option<&'t str>,
}

impl<'t> Fields<'t> {
    fn split(text: &'t str) -> Result<Self, ConnectionStringError> {
        // Windows' editors put a byte order mark before the text of a file; web pages, spaces that do not break.
        let text =
            text.trim_matches(|character: char| character.is_whitespace() || character == BOM);
        if text.is_empty() {
            return Err(ConnectionStringError::Empty);
        }
        if text.starts_with(QUOTES) {
            return Err(ConnectionStringError::Quoted);
        }
        let mut fields = Self::default();
        let text = text.strip_suffix(';').unwrap_or(text);
        for (position, field) in (1..).zip(text.split(';')) {
            let (name, value) = field
                .split_once('=')
                .ok_or(ConnectionStringError::NotAField { position })?;
            let (name, slot) = fields.slot(name).ok_or_else(|| unknown(name, position))?;
            if slot.replace(value).is_some() {
                return Err(ConnectionStringError::Repeated(name));
            }
        }
        Ok(fields)
    }

    /// The field of this name, with the name as it is documented.
    fn slot(&mut self, name: &str) -> Option<(&'static str, &mut Option<&'t str>)> {
        let fields = [
            ("HostName", &mut self.host_name),
            ("DeviceId", &mut self.device_id),
            ("ModuleId", &mut self.module_id),
            ("GatewayHostName", &mut self.gateway_host_name),
            ("SharedAccessKey", &mut self.shared_access_key),
            ("SharedAccessSignature", &mut self.shared_access_signature),
            ("x509", &mut self.x509),
        ];
        fields
            .into_iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
    }

    fn credential(&self) -> Result<Credential, IdentityError> {
        let x509 = match self.x509 {
            None => false,
            Some(value) if value.eq_ignore_ascii_case("true") => true,
            Some(value) if value.eq_ignore_ascii_case("false") => false,
            Some(_) => return Err(ConnectionStringError::BadX509.into()),
        };
        match (self.shared_access_key, self.shared_access_signature, x509) {
            (Some(key), None, false) => SharedAccessKey::from_base64(key)
                .map(Credential::SharedAccessKey)
                .map_err(IdentityError::SharedAccessKey),
            (None, Some(token), false) => SasToken::parse(token)
                .map(Credential::SasToken)
                .map_err(IdentityError::SharedAccessSignature),
            (None, None, true) => Ok(Credential::X509),
            (None, None, false) => Err(ConnectionStringError::NoCredential.into()),
            _ => Err(ConnectionStringError::SeveralCredentials.into()),
        }
    }
}

/// The error for a field that no device's connection string has. Its name may be a piece of a key that was
/// pasted in the wrong place, so it is not repeated.
fn unknown(name: &str, position: usize) -> ConnectionStringError {
    if name.eq_ignore_ascii_case("SharedAccessKeyName") {
        ConnectionStringError::ServicePolicy
    } else {
        ConnectionStringError::Unknown { position }
    }
}

/// Reason why a connection string was rejected as a whole. Says nothing of its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionStringError {
    /// There is none.
    Empty,
    /// It has the quotes of a shell or a JSON file around it.
    Quoted,
    /// Something between two `;` has no `=`.
    NotAField {
        /// Number of the part between two `;`, from 1.
        position: usize,
    },
    /// A field has a name that is not known.
    Unknown {
        /// Number of the field, from 1.
        position: usize,
    },
    /// It is one of the hub's, for services, with a `SharedAccessKeyName`.
    ServicePolicy,
    /// This field is not there.
    Missing(&'static str),
    /// This field is there twice.
    Repeated(&'static str),
    /// `x509` is neither `true` nor `false`.
    BadX509,
    /// There is neither a key nor a token nor `x509=true`.
    NoCredential,
    /// There is more than one of them.
    SeveralCredentials,
}

impl fmt::Display for ConnectionStringError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("is empty"),
            Self::Quoted => f.write_str("starts with a quote: leave the quotes away"),
            Self::NotAField { position } => write!(f, "has no = in field number {position}"),
            Self::Unknown { position } => write!(
                f,
                "has a field, number {position}, whose name is unknown: known are HostName, DeviceId, ModuleId, GatewayHostName, SharedAccessKey, SharedAccessSignature and x509"
            ),
            Self::ServicePolicy => f.write_str(
                "has a SharedAccessKeyName, so it is one of the hub's, for services: take the device's, such as from `az iot hub device-identity connection-string show`",
            ),
            Self::Missing(field) => write!(f, "lacks the field {field}"),
            Self::Repeated(field) => write!(f, "has the field {field} twice"),
            Self::BadX509 => f.write_str("has a field x509 that is neither true nor false"),
            Self::NoCredential => f.write_str(
                "has no credential: add SharedAccessKey={base64}, or x509=true for a certificate",
            ),
            Self::SeveralCredentials => f.write_str(
                "has more than one of SharedAccessKey, SharedAccessSignature and x509=true: keep the one that the device is registered with",
            ),
        }?;
        f.write_str("; a right one looks like HostName=contoso.azure-devices.net;DeviceId=sensor-01;SharedAccessKey={base64}")
    }
}

impl core::error::Error for ConnectionStringError {}
