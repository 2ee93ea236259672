//! Root keys in a file, and the verification of signatures.

use std::path::Path;

use azure_device::json::Value;
use azure_device::port::update::RsaKey;
use azure_device::update::RootKey;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};

use crate::error::SetupError;

/// Keys that updates must be signed under.
#[derive(Clone, Copy, Debug)]
pub struct RootKeys(pub(crate) &'static [RootKey<'static>]);

impl RootKeys {
    /// Reads keys in the form of a root key package's `rootKeys`: `{"kid":{"keyType":"RSA","n":"<base64url>","e":65537}}`.
    /// They stay in memory for the life of the program.
    ///
    /// # Errors
    ///
    /// The file cannot be read, holds no such keys, or a key that is not the one of Microsoft that its name says.
    pub fn read(path: &Path) -> Result<Self, SetupError> {
        let bytes = std::fs::read(path).map_err(|cause| SetupError::Unreadable {
            what: "root keys of updates",
            path: path.to_owned(),
            cause,
        })?;
        let keys = parse(&bytes).ok_or_else(|| SetupError::RootKeys {
            path: path.to_owned(),
        })?;
        Ok(Self(Vec::leak(keys)))
    }
}

/// `None` if this is not a list of genuine keys.
fn parse(bytes: &[u8]) -> Option<Vec<RootKey<'static>>> {
    let mut keys = Vec::new();
    for (id, key) in Value::parse(bytes).ok()?.members() {
        let text = |name: &str| Some(key.get(name)?.as_text()?.to_string());
        let number = URL_SAFE_NO_PAD.decode(text("n")?).ok()?;
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        let modulus = number.get(zeros..).filter(|number| number.len() >= 256)?;
        let root = RootKey {
            id: String::leak(id.to_string()),
            key: RsaKey {
                modulus: Vec::leak(modulus.to_vec()),
                exponent: u32::try_from(key.get("e")?.as_i64()?).ok()?,
            },
        };
        if text("keyType")? != "RSA" || !root.is_genuine() {
            return None;
        }
        keys.push(root);
    }
    (!keys.is_empty()).then_some(keys)
}

/// Verifies RSASSA-PKCS1-v1_5 with SHA-256, with keys of 2048 bits and more.
pub fn verify_rs256(key: RsaKey<'_>, message: &[u8], signature: &[u8]) -> bool {
    let exponent = key.exponent.to_be_bytes();
    let zeros = exponent.iter().take_while(|byte| **byte == 0).count();
    let components = RsaPublicKeyComponents {
        n: key.modulus,
        e: exponent.get(zeros..).unwrap_or_default(),
    };
    let verified = components.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature);
    verified.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_keys_are_read_and_what_is_none_is_refused() {
        let n = URL_SAFE_NO_PAD.encode([&[0][..], &[0x9f; 384]].concat());
        let good = format!("{{\"ADU.1.R.T\":{{\"keyType\":\"RSA\",\"n\":\"{n}\",\"e\":65537}}}}");
        let keys = parse(good.as_bytes()).expect("a key");
        assert_eq!((keys[0].id, keys[0].key.modulus.len()), ("ADU.1.R.T", 384));
        for bad in [
            "{}".to_owned(),
            "x".to_owned(),
            good.replace("RSA", "EC"),
            good.replace("65537", "-1"),
            good.replace(&n, "AAAA"),
            // Not Microsoft's key.
            good.replace("ADU.1.R.T", "ADU.200702.R"),
        ] {
            assert!(parse(bad.as_bytes()).is_none(), "{bad:.40}");
        }
    }
}
