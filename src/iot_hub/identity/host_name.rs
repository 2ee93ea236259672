//! The name of a hub or a gateway.

use alloc::boxed::Box;
use core::fmt;

use crate::text::find;

/// A DNS host name, such as `contoso.azure-devices.net`, kept as it was written.
///
/// Labels of letters, digits and inner hyphens, 63 bytes each and 253 in all (RFC 1123, section 2.1). It
/// ends up in the TLS server name, in the MQTT user name and in the resource that a SAS token is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName(Box<str>);

impl HostName {
    /// The longest host name, in bytes (RFC 1123, section 2.1, less what DNS itself needs).
    pub const MAX_LEN: usize = 253;

    /// Checks `text` and copies it.
    pub fn parse(text: &str) -> Result<Self, HostNameError> {
        if text.is_empty() {
            return Err(HostNameError::Empty);
        }
        if find(text, "://").is_some() {
            return Err(HostNameError::Scheme);
        }
        if text.as_bytes().contains(&b':') {
            return Err(HostNameError::Port);
        }
        if text.len() > Self::MAX_LEN {
            return Err(HostNameError::TooLong { bytes: text.len() });
        }
        let legal =
            |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '.');
        if let Some(at) = text.find(|character| !legal(character)) {
            return Err(HostNameError::IllegalCharacter { at });
        }
        let good = |label: &str| {
            (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
        };
        if !text.split('.').all(good) {
            return Err(HostNameError::BadLabel);
        }
        Ok(Self(text.into()))
    }

    /// The name as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reason why a host name was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HostNameError {
    /// There is none.
    Empty,
    /// It starts with `https://` or the like.
    Scheme,
    /// It has a port, or is an IPv6 address.
    Port,
    /// It is longer than [`HostName::MAX_LEN`].
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// It contains something that no host name contains.
    IllegalCharacter {
        /// Byte offset of the first illegal character, from 0.
        at: usize,
    },
    /// A part between dots is empty, longer than 63 bytes, or starts or ends with a hyphen.
    BadLabel,
}

impl fmt::Display for HostNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("is empty")?,
            Self::Scheme => f.write_str("contains ://, but a host name has no protocol before it")?,
            Self::Port => f.write_str("contains a colon, but a host name has no port after it")?,
            Self::TooLong { bytes } => {
                write!(f, "has {bytes} bytes, more than the {} of a host name", HostName::MAX_LEN)?;
            }
            Self::IllegalCharacter { at } => {
                write!(f, "has a character at byte {at} that is no letter, digit, hyphen or dot")?;
            }
            Self::BadLabel => f.write_str(
                "has a part between dots that is empty, longer than 63 bytes, or starts or ends with a hyphen",
            )?,
        }
        f.write_str("; a right one looks like contoso.azure-devices.net")
    }
}

impl core::error::Error for HostNameError {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn names_of_hubs_gateways_and_test_hosts_are_accepted_as_written() {
        let label = "a".repeat(63);
        let longest = [&*label, &*label, &*label, &label[..61]].join(".");
        assert_eq!(longest.len(), HostName::MAX_LEN);
        for name in [
            "contoso.azure-devices.net",
            "Contoso-2.Azure-Devices.net",
            "localhost",
            "127.0.0.1",
            "0.pool",
            &longest,
        ] {
            assert_eq!(HostName::parse(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn what_is_no_host_name_is_rejected_with_its_reason() {
        let cases = [
            ("", HostNameError::Empty, "is empty"),
            (
                "mqtts://contoso.net",
                HostNameError::Scheme,
                "no protocol before it",
            ),
            ("contoso.net:8883", HostNameError::Port, "no port after it"),
            ("::1", HostNameError::Port, "no port after it"),
            (
                "contoso.net/",
                HostNameError::IllegalCharacter { at: 11 },
                "at byte 11",
            ),
            (
                "con toso",
                HostNameError::IllegalCharacter { at: 3 },
                "at byte 3",
            ),
            (
                "contoso_2",
                HostNameError::IllegalCharacter { at: 7 },
                "at byte 7",
            ),
            (
                "münchen",
                HostNameError::IllegalCharacter { at: 1 },
                "at byte 1",
            ),
            (
                "a\0",
                HostNameError::IllegalCharacter { at: 1 },
                "at byte 1",
            ),
            ("contoso.", HostNameError::BadLabel, "part between dots"),
            (".net", HostNameError::BadLabel, "part between dots"),
            ("a..b", HostNameError::BadLabel, "part between dots"),
            ("-a.net", HostNameError::BadLabel, "part between dots"),
            ("a-.net", HostNameError::BadLabel, "part between dots"),
        ];
        for (text, error, reason) in cases {
            assert_eq!(HostName::parse(text), Err(error), "{text}");
            let message = error.to_string();
            assert!(message.contains(reason), "{message}");
            assert!(
                message.ends_with("looks like contoso.azure-devices.net"),
                "{message}"
            );
        }
        assert_eq!(
            HostName::parse(&"a".repeat(64)),
            Err(HostNameError::BadLabel)
        );
        let too_long = HostNameError::TooLong { bytes: 254 };
        assert_eq!(HostName::parse(&"a.".repeat(127)), Err(too_long));
        assert!(
            too_long
                .to_string()
                .contains("has 254 bytes, more than the 253")
        );
    }
}
