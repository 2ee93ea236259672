//! Proof of a device's identity.

use core::fmt;

use base64::engine::general_purpose::STANDARD;
use base64::{DecodeSliceError, Engine as _};
use zeroize::Zeroizing;

use crate::sas::SasToken;
use crate::secret::Secret;

/// Proof of a device's identity.
#[derive(Debug)]
pub enum Credential {
    /// A key shared with the hub, that the device makes SAS tokens with.
    SharedAccessKey(SharedAccessKey),
    /// A SAS token made elsewhere. It cannot be renewed: when it expires, somebody has to bring a new one.
    SasToken(SasToken),
    /// A certificate and its private key, which the platform holds and presents in the TLS handshake.
    X509,
}

/// A key of 16 to 64 bytes that the hub knows too. Printed as `[redacted]`, wiped when dropped.
#[derive(Debug)]
pub struct SharedAccessKey(Secret<[u8]>);

impl SharedAccessKey {
    /// The shortest key, in bytes.
    pub const MIN_LEN: usize = 16;
    /// The longest key, in bytes.
    pub const MAX_LEN: usize = 64;

    /// Decodes a key from base64, as connection strings and the portal give it.
    pub fn from_base64(text: &str) -> Result<Self, KeyError> {
        if text.is_empty() {
            return Err(KeyError::Empty);
        }
        let mut bytes = Zeroizing::new([0; Self::MAX_LEN + 2]);
        let length =
            STANDARD
                .decode_slice(text, bytes.as_mut_slice())
                .map_err(|error| match error {
                    DecodeSliceError::OutputSliceTooSmall => KeyError::TooLong,
                    DecodeSliceError::DecodeError(_) => KeyError::NotBase64,
                })?;
        Self::from_bytes(bytes.get(..length).unwrap_or_default())
    }

    /// Takes a key as bytes; the copy is wiped, the original is the caller's to wipe.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        match bytes.len() {
            Self::MIN_LEN..=Self::MAX_LEN => Ok(Self(bytes.into())),
            0 => Err(KeyError::Empty),
            length if length < Self::MIN_LEN => Err(KeyError::TooShort { bytes: length }),
            _ => Err(KeyError::TooLong),
        }
    }

    /// The same key once more. Not `Clone`: every copy of a secret should be meant.
    pub(crate) fn duplicate(&self) -> Self {
        Self(self.expose().into())
    }

    /// A key that is the output of HMAC-SHA256.
    pub(crate) fn from_digest(digest: &[u8; 32]) -> Self {
        Self(digest.as_slice().into())
    }

    /// The key in the clear.
    pub fn expose(&self) -> &[u8] {
        self.0.expose()
    }
}

/// Reason why a shared access key was rejected. Says nothing of the key's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// There is none.
    Empty,
    /// It is not base64, or its end is missing.
    NotBase64,
    /// It decodes to fewer than [`SharedAccessKey::MIN_LEN`] bytes.
    TooShort {
        /// Number of bytes that it decodes to.
        bytes: usize,
    },
    /// It decodes to more than [`SharedAccessKey::MAX_LEN`] bytes.
    TooLong,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("is empty")?,
            Self::NotBase64 => f.write_str("is not base64, or was cut")?,
            Self::TooShort { bytes } => write!(f, "has {bytes} bytes after base64 decoding")?,
            Self::TooLong => f.write_str("has more than 64 bytes after base64 decoding")?,
        }
        f.write_str("; a right one is base64 of 16 to 64 bytes, usually 44 characters with = at the end: copy the primary key of the device")
    }
}

impl core::error::Error for KeyError {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::string::ToString;

    #[test]
    fn keys_of_16_to_64_bytes_are_accepted() {
        for length in [16, 17, 18, 32, 63, 64] {
            let bytes = std::vec![0xa5; length];
            let key = SharedAccessKey::from_base64(&STANDARD.encode_to(&bytes)).unwrap();
            assert_eq!(key.expose(), bytes);
            assert_eq!(SharedAccessKey::from_bytes(&bytes).unwrap().expose(), bytes);
        }
    }

    #[test]
    fn what_is_no_key_is_rejected_with_its_reason_and_without_its_content() {
        let short = STANDARD.encode_to(&[0xa5; 15]);
        let long = STANDARD.encode_to(&[0xa5; 65]);
        for (text, error, reason) in [
            ("", KeyError::Empty, "is empty"),
            (&*short, KeyError::TooShort { bytes: 15 }, "has 15 bytes"),
            (&*long, KeyError::TooLong, "more than 64 bytes"),
            (
                &*"A".repeat(100_000),
                KeyError::TooLong,
                "more than 64 bytes",
            ),
            (
                "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
                KeyError::NotBase64,
                "cut",
            ),
            (
                "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh_=",
                KeyError::NotBase64,
                "base64",
            ),
            ("MDEyMzQ1Njc4OWFiY2Rl\nZg==", KeyError::NotBase64, "base64"),
        ] {
            let rejection = SharedAccessKey::from_base64(text).unwrap_err();
            assert_eq!(rejection, error);
            let message = rejection.to_string();
            assert!(message.contains(reason), "{message}");
            assert!(message.contains("base64 of 16 to 64 bytes"), "{message}");
            assert!(text.is_empty() || !message.contains(text));
        }
    }

    #[test]
    fn a_key_prints_as_redacted() {
        let key = SharedAccessKey::from_bytes(b"0123456789abcdef").unwrap();
        let printed = format!("{:?}", Credential::SharedAccessKey(key));
        assert_eq!(printed, "SharedAccessKey(SharedAccessKey([redacted]))");
    }

    /// base64 in one call: the allocating half of the crate is not compiled in.
    trait EncodeTo {
        fn encode_to(&self, bytes: &[u8]) -> std::string::String;
    }

    impl EncodeTo for base64::engine::GeneralPurpose {
        fn encode_to(&self, bytes: &[u8]) -> std::string::String {
            let mut text = std::vec![0; bytes.len().div_ceil(3) * 4];
            let length = self.encode_slice(bytes, &mut text).unwrap();
            text.truncate(length);
            std::string::String::from_utf8(text).unwrap()
        }
    }
}
