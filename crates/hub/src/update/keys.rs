//! Keys that sign updates: two roots, and a signing key that they sign. RSA-3072, as Azure's.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::files;

/// Names of the roots. The end `.T` marks keys for tests.
pub(super) const ROOTS: [&str; 2] = ["ADU.260101.R.T", "ADU.260102.R.T"];
/// Name of the signing key.
const SIGNING: &str = "ADU.260103.R.T.S";
/// Private keys.
const FILE: &str = "keys.json";
/// Public halves of the roots, for devices.
const PUBLIC_FILE: &str = "root-keys.json";

/// Private keys in base64 of PKCS #8, the roots first.
#[derive(Serialize, Deserialize)]
struct Kept {
    keys: [String; 3],
}

/// Keys that sign updates.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) roots: [RsaKeyPair; 2],
    pub(super) signing: RsaKeyPair,
}

impl Keys {
    /// The keys of the folder, which are made if there are none.
    pub(super) fn open(folder: &Path, temporary: bool) -> Result<Self, String> {
        let path = folder.join(FILE);
        let kept = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|_| format!("{} is damaged; restore it from a copy, or remove it for new keys, which no device trusts yet", path.display()))?,
            Err(_) => {
                let kept = if temporary { shared()? } else { generate()? };
                files::make_folder(folder).map_err(|error| error.to_string())?;
                let bytes = serde_json::to_vec(&kept).map_err(|error| error.to_string())?;
                files::write(&path, &bytes).map_err(|error| error.to_string())?;
                kept
            }
        };
        let Kept { keys } = kept;
        let [one, other, signing] = keys.map(|key| {
            let der = STANDARD.decode(key).map_err(|error| error.to_string())?;
            RsaKeyPair::from_pkcs8(&der).map_err(|error| format!("a key of updates: {error}"))
        });
        let keys = Self {
            roots: [one?, other?],
            signing: signing?,
        };
        let public =
            serde_json::to_vec_pretty(&keys.public_roots()).map_err(|error| error.to_string())?;
        // Devices of other users need these.
        crate::store::write_atomically(&folder.join(PUBLIC_FILE), &public, false)
            .map_err(|error| error.to_string())?;
        Ok(keys)
    }

    /// Public halves of the roots, as a root key package has them.
    pub(super) fn public_roots(&self) -> Value {
        let key = |key: &RsaKeyPair| {
            let number = [&[0][..], &modulus(key)].concat();
            json!({"keyType": "RSA", "n": URL_SAFE_NO_PAD.encode(number), "e": 65537})
        };
        let [one, other] = &self.roots;
        json!({ROOTS[0]: key(one), ROOTS[1]: key(other)})
    }

    /// The signing key as a JWK. Its modulus is in base64 with padding, as Azure has it.
    pub(super) fn jwk(&self) -> Value {
        json!({
            "kty": "RSA", "n": STANDARD.encode(modulus(&self.signing)), "e": "AQAB", "alg": "RS256", "kid": SIGNING,
        })
    }
}

fn modulus(key: &RsaKeyPair) -> Vec<u8> {
    RsaPublicKeyComponents::<Vec<u8>>::from(key.public()).n
}

/// RSASSA-PKCS1-v1_5 with SHA-256.
pub(super) fn sign(key: &RsaKeyPair, message: &[u8]) -> Vec<u8> {
    let mut signature = vec![0; key.public().modulus_len()];
    // It fails without random numbers only, and then nothing could be secure.
    let signed = key.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        message,
        &mut signature,
    );
    debug_assert!(signed.is_ok());
    signature
}

/// Keys of this process, for hubs in temporary directories: RSA keys take seconds to make.
fn shared() -> Result<Kept, String> {
    static SHARED: std::sync::Mutex<Option<[String; 3]>> = std::sync::Mutex::new(None);
    let mut shared = SHARED
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if shared.is_none() {
        *shared = Some(generate()?.keys);
    }
    let keys = shared.clone().ok_or("no keys")?;
    Ok(Kept { keys })
}

/// Makes three keys at once.
#[cfg(feature = "rsa")]
fn generate() -> Result<Kept, String> {
    use rsa::pkcs8::EncodePrivateKey;
    let make = || -> Result<String, String> {
        let key = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 3072)
            .map_err(|error| error.to_string())?;
        let der = key.to_pkcs8_der().map_err(|error| error.to_string())?;
        Ok(STANDARD.encode(der.as_bytes()))
    };
    std::thread::scope(|scope| {
        let makers: [_; 3] = std::array::from_fn(|_| scope.spawn(make));
        let [one, other, signing] = makers.map(|maker| {
            maker
                .join()
                .unwrap_or_else(|_| Err("a key's maker panicked".into()))
        });
        Ok(Kept {
            keys: [one?, other?, signing?],
        })
    })
}

/// Refuses: who leaves the feature out wants nothing of the crate that makes RSA keys.
#[cfg(not(feature = "rsa"))]
fn generate() -> Result<Kept, String> {
    Err(
        "this build makes no RSA keys, which sign updates; build local-hub with its feature `rsa`"
            .into(),
    )
}
