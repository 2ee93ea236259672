//! Texts that look like secrets.

use std::fmt;

/// Kind of secret that a text looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secret {
    /// A connection string with a key, or a SAS token.
    ConnectionString,
    /// A symmetric key in base64.
    Key,
    /// The text of a PEM file.
    Pem,
}

impl Secret {
    /// The kind of secret that `text` looks like, or has as its value after an option's name; `None` if it
    /// looks like none.
    pub fn of(text: &str) -> Option<Self> {
        let text = text.trim();
        let folded = text.to_ascii_lowercase();
        if ["sharedaccesskey", "sharedaccesssignature", "hostname="]
            .iter()
            .any(|part| folded.contains(part))
        {
            return Some(Self::ConnectionString);
        }
        if folded.contains("-----begin ") {
            return Some(Self::Pem);
        }
        let value = text
            .strip_prefix("--")
            .and_then(|option| option.split_once('='))
            .map_or(text, |(_, value)| value);
        is_key(value).then_some(Self::Key)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ConnectionString => "a connection string or a SAS token",
            Self::Key => "a symmetric key",
            Self::Pem => "the text of a PEM file",
        })
    }
}

/// Base64 of 16 to 64 bytes, which IoT Hub's keys have, that ends in `=`.
fn is_key(text: &str) -> bool {
    let digits = text.trim_end_matches('=');
    let padding = text.len() - digits.len();
    (22..=86).contains(&digits.len())
        && (1..=2).contains(&padding)
        && text.len().is_multiple_of(4)
        && digits
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_recognised_in_the_shapes_that_people_have_them_in() {
        let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        for (text, secret) in [
            (key.to_owned(), Secret::Key),
            (format!("--registration={key}"), Secret::Key),
            (format!(" {key}\n"), Secret::Key),
            ("AAECAwQFBgcICQoLDA0ODw==".into(), Secret::Key),
            (format!("{}==", "A".repeat(86)), Secret::Key),
            (
                format!("HostName=h;DeviceId=d;SharedAccessKey={key}"),
                Secret::ConnectionString,
            ),
            (format!("sharedaccesskey={key}"), Secret::ConnectionString),
            (
                "SharedAccessSignature sr=h&sig=x&se=1".into(),
                Secret::ConnectionString,
            ),
            (
                "HostName=h;DeviceId=d;x509=true".into(),
                Secret::ConnectionString,
            ),
            ("-----BEGIN PRIVATE KEY-----\nMIG".into(), Secret::Pem),
        ] {
            assert_eq!(Secret::of(&text), Some(secret), "{text}");
        }
    }

    #[test]
    fn ids_paths_and_addresses_are_no_secrets() {
        for text in [
            "",
            "device",
            "pump-7",
            "0ne00ABCDEF",
            "/home/someone/keys/device.key",
            "name=value",
            "localhost:8883",
            "dtmi:com:example:Thermostat;1",
            "{\"site\":7}",
            "3c6a8f1e-7d0b-4f4e-9f5b-0c8f6a3f9d10",
            "a=====",
            "=",
        ] {
            assert_eq!(Secret::of(text), None, "{text}");
        }
    }
}
