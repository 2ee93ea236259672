//! The network to join: its name and its password, as the module's commands can carry them.

use core::fmt;

use zeroize::Zeroize;

/// The longest network name, in bytes (IEEE 802.11, SSID).
const SSID: usize = 32;
/// The longest password, in bytes: WPA2 takes 8 to 63 characters, or 64 hexadecimal digits.
const PASSWORD: usize = 64;
/// The shortest passphrase of WPA2, in bytes.
const PASSWORD_MIN: usize = 8;

/// A network to join. An empty password means an open network.
#[derive(Clone, PartialEq, Eq)]
pub struct Network {
    ssid: [u8; SSID],
    ssid_length: u8,
    password: [u8; PASSWORD],
    password_length: u8,
}

/// The reason for which a network's name or password cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NetworkError {
    /// The name is empty or longer than 32 bytes.
    SsidLength,
    /// The name has a control character, which the module's command cannot carry.
    SsidCharacter,
    /// The password has fewer than 8 or more than 64 bytes.
    PasswordLength,
    /// The password has a control character, which the module's command cannot carry.
    PasswordCharacter,
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SsidLength => "the Wi-Fi network's name has 1 to 32 bytes",
            Self::SsidCharacter => "the Wi-Fi network's name has a control character, which the module cannot take",
            Self::PasswordLength => "the Wi-Fi password has 8 to 63 characters or 64 hexadecimal digits, or none for an open network",
            Self::PasswordCharacter => "the Wi-Fi password has a control character, which the module cannot take",
        })
    }
}

impl core::error::Error for NetworkError {}

impl Network {
    /// Checks a name and a password.
    ///
    /// # Errors
    /// The part that is wrong.
    pub fn new(ssid: &str, password: &str) -> Result<Self, NetworkError> {
        if ssid.is_empty() || ssid.len() > SSID {
            return Err(NetworkError::SsidLength);
        }
        if ssid.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(NetworkError::SsidCharacter);
        }
        if !password.is_empty() && !(PASSWORD_MIN..=PASSWORD).contains(&password.len()) {
            return Err(NetworkError::PasswordLength);
        }
        if password.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(NetworkError::PasswordCharacter);
        }
        let mut network = Self {
            ssid: [0; SSID],
            ssid_length: ssid.len() as u8,
            password: [0; PASSWORD],
            password_length: password.len() as u8,
        };
        network.ssid[..ssid.len()].copy_from_slice(ssid.as_bytes());
        network.password[..password.len()].copy_from_slice(password.as_bytes());
        Ok(network)
    }

    /// The network's name.
    #[must_use]
    pub fn ssid(&self) -> &str {
        text(&self.ssid, self.ssid_length)
    }

    /// The password; empty for an open network.
    pub(crate) fn password(&self) -> &str {
        text(&self.password, self.password_length)
    }
}

fn text(bytes: &[u8], length: u8) -> &str {
    bytes
        .get(..usize::from(length))
        .and_then(|bytes| core::str::from_utf8(bytes).ok())
        .unwrap_or("")
}

/// Without the password.
impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network")
            .field("ssid", &self.ssid())
            .finish_non_exhaustive()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.password.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    #[test]
    fn a_name_and_a_password_are_checked_and_kept() {
        let network = Network::new("IN, 2,4 GHz", "pass, word").unwrap();
        assert_eq!(network.ssid(), "IN, 2,4 GHz");
        assert_eq!(network.password(), "pass, word");
        assert!(Network::new(&"x".repeat(32), "").is_ok());
        assert_eq!(Network::new("", ""), Err(NetworkError::SsidLength));
        assert_eq!(
            Network::new(&"x".repeat(33), ""),
            Err(NetworkError::SsidLength)
        );
        assert_eq!(Network::new("a\rb", ""), Err(NetworkError::SsidCharacter));
        assert_eq!(
            Network::new("a", "1234567"),
            Err(NetworkError::PasswordLength)
        );
        assert_eq!(
            Network::new("a", "1234567\n"),
            Err(NetworkError::PasswordCharacter)
        );
    }

    #[test]
    fn the_password_is_not_in_a_debug_print() {
        let network = Network::new("home", "correct horse").unwrap();
        assert!(!format!("{network:?}").contains("horse"));
    }
}
