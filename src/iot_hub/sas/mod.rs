//! Shared access signatures: the tokens that a device with a symmetric key presents as MQTT password.
//!
//! A token names a resource (`sr`), when it ends to be valid (`se`, in seconds since 1970), and carries an
//! HMAC-SHA256 of both under the device's key (`sig`):
//!
//! ```text
//! sr    = percent-encoded resource, such as contoso.azure-devices.net%2Fdevices%2FMyDevice01
//! sig   = percent-encoded base64 of HMAC-SHA256(key, sr + "\n" + se)
//! token = "SharedAccessSignature sr=" sr "&sig=" sig "&se=" se [ "&skn=" policy ]
//! ```
//!
//! Source: Azure IoT Hub, "Control access to IoT Hub with shared access signatures". The service computes
//! the HMAC over `sr` as it received it, so nothing is converted to lower case.
//!
//! [`sign`] makes a token in a caller's buffer, [`SasToken`] takes one that was made elsewhere, and
//! [`derive_device_key`] makes a device's key from the one of its enrolment group.
//!
//! Limits: what is computed on the way to a token is wiped, except the block in which the hmac crate pads
//! the key: that stays on the stack until other calls overwrite it.

mod token;

use core::fmt::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

pub use token::{SasToken, TokenError};

use crate::identity::{DeviceId, HostName, SharedAccessKey};
use crate::percent::{Encoded, Encoder};
use crate::text::{Text, written};
use crate::time::UnixTime;

/// The most bytes that a token for a device or a module has, with the longest names and a policy name
/// that encodes to at most 64 bytes. A token for short names takes about 150, one for a device alone
/// never more than 900.
pub const MAX_TOKEN_LEN: usize = PREFIX.len()
    + FIELD_LEN
    + HostName::MAX_LEN
    + ENCODED * ("/devices/".len() + DeviceId::MAX_LEN)
    + ENCODED * ("/modules/".len() + DeviceId::MAX_LEN)
    + 3 * FIELD_LEN
    + ENCODED * SIGNATURE_BASE64_LEN
    + MAX_DECIMAL_LEN
    + 64;

/// Start of every token.
const PREFIX: &str = "SharedAccessSignature ";
/// The longest `&key=` in a token.
const FIELD_LEN: usize = "&skn=".len();
/// Factor by which percent-encoding can lengthen a text.
const ENCODED: usize = 3;
/// HMAC-SHA256 in bytes (RFC 2104 with FIPS 180-4), and in base64.
const SIGNATURE_LEN: usize = 32;
const SIGNATURE_BASE64_LEN: usize = SIGNATURE_LEN.div_ceil(3) * 4;
/// Digits of the largest `u64`.
const MAX_DECIMAL_LEN: usize = 20;

/// Resource that a token gives access to, not yet encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resource<'a>([&'a str; 5]);

impl<'a> Resource<'a> {
    /// `{host}/devices/{device}` or `{host}/devices/{device}/modules/{module}`: what a hub's device or
    /// module connects to.
    pub const fn device(host: &'a str, device: &'a str, module: Option<&'a str>) -> Self {
        match module {
            None => Self([host, "/devices/", device, "", ""]),
            Some(module) => Self([host, "/devices/", device, "/modules/", module]),
        }
    }

    /// `{id_scope}/registrations/{registration_id}`: what a device that the Device Provisioning Service
    /// shall assign connects to. Its tokens name the policy [`REGISTRATION_POLICY`].
    pub const fn registration(id_scope: &'a str, registration_id: &'a str) -> Self {
        Self([id_scope, "/registrations/", registration_id, "", ""])
    }

    /// Any other resource, such as the host name alone, which a policy of the hub gives access to.
    pub const fn other(resource: &'a str) -> Self {
        Self([resource, "", "", "", ""])
    }

    fn chars(&self) -> impl Iterator<Item = char> {
        self.0.iter().flat_map(|part| part.chars())
    }
}

impl fmt::Display for Resource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| f.write_str(part))
    }
}

/// The policy that tokens for the Device Provisioning Service name.
pub const REGISTRATION_POLICY: &str = "registration";

/// Writes a token for `resource`, valid until `expiry`, to the start of `out`.
///
/// `policy` is the name of the shared access policy that `key` belongs to: `None` for the key of a device
/// or a module, [`REGISTRATION_POLICY`] for provisioning. A buffer of [`MAX_TOKEN_LEN`] always suffices for
/// a device or a module. Nothing is allocated; on failure, nothing of the token stays in `out`.
///
/// # Errors
///
/// [`SasError::BufferTooSmall`] if the token does not fit.
pub fn sign<'o>(
    key: &SharedAccessKey,
    resource: Resource<'_>,
    expiry: UnixTime,
    policy: Option<&str>,
    out: &'o mut [u8],
) -> Result<&'o str, SasError> {
    let capacity = out.len();
    let mut token = Text::new(&mut *out);
    let result = write_token(key, resource, expiry, policy, &mut token);
    let length = token.len();
    match result {
        Ok(()) => Ok(written(out, length)),
        Err(fmt::Error) => {
            out.zeroize();
            Err(SasError::BufferTooSmall { capacity })
        }
    }
}

fn write_token(
    key: &SharedAccessKey,
    resource: Resource<'_>,
    expiry: UnixTime,
    policy: Option<&str>,
    token: &mut Text<'_>,
) -> fmt::Result {
    token.write_str(PREFIX)?;
    token.write_str("sr=")?;
    let start = token.len();
    write!(Encoder(&mut *token), "{resource}")?;

    let mut mac = keyed(key);
    mac.update(token.as_str().get(start..).unwrap_or_default().as_bytes());
    let mut decimal = [0; MAX_DECIMAL_LEN];
    let mut seconds = Text::new(&mut decimal);
    write!(seconds, "{}", expiry.as_secs())?;
    mac.update(b"\n");
    mac.update(seconds.as_str().as_bytes());

    token.write_str("&sig=")?;
    write_signature(mac, token)?;
    write!(token, "&se={}", seconds.as_str())?;
    match policy {
        Some(policy) => write!(token, "&skn={}", Encoded(policy)),
        None => Ok(()),
    }
}

fn write_signature(mac: Hmac<Sha256>, token: &mut Text<'_>) -> fmt::Result {
    let signature = finish(mac);
    let mut base64 = Zeroizing::new([0; SIGNATURE_BASE64_LEN]);
    let length = STANDARD
        .encode_slice(signature.as_slice(), base64.as_mut_slice())
        .map_err(|_| fmt::Error)?;
    write!(token, "{}", Encoded(written(base64.as_slice(), length)))
}

/// The key that a device of an enrolment group has: base64 decoded, the HMAC-SHA256 of its registration id
/// under the group's key (Azure IoT Hub DPS, "Symmetric key attestation", "Group enrollments").
///
/// The device signs with it both when it registers and later at its hub. `registration_id` must be spelled
/// as the device will send it; lower case is the rule.
pub fn derive_device_key(group_key: &SharedAccessKey, registration_id: &str) -> SharedAccessKey {
    let mut mac = keyed(group_key);
    mac.update(registration_id.as_bytes());
    SharedAccessKey::from_digest(&finish(mac))
}

/// An HMAC that has taken the key. Keys have at most one block (64 bytes), and HMAC pads them with zeros
/// itself (RFC 2104, section 2), so that this form cannot fail.
fn keyed(key: &SharedAccessKey) -> Hmac<Sha256> {
    let mut block = Zeroizing::new([0; SharedAccessKey::MAX_LEN]);
    for (to, from) in block.iter_mut().zip(key.expose()) {
        *to = *from;
    }
    Hmac::new((&*block).into())
}

fn finish(mac: Hmac<Sha256>) -> Zeroizing<[u8; SIGNATURE_LEN]> {
    Zeroizing::new(mac.finalize().into_bytes().into())
}

/// Reason why no token was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SasError {
    /// The caller's buffer cannot hold the token.
    BufferTooSmall {
        /// Its size in bytes.
        capacity: usize,
    },
}

impl fmt::Display for SasError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BufferTooSmall { capacity } => write!(
                f,
                "the SAS token does not fit into a buffer of {capacity} bytes: enlarge it; {MAX_TOKEN_LEN} bytes suffice for the longest names"
            ),
        }
    }
}

impl core::error::Error for SasError {}

#[cfg(test)]
mod tests;
