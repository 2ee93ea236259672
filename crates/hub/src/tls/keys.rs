//! Private keys: made, and kept for the life of a state directory.

use std::sync::{Mutex, PoisonError};

use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384};
use rsa::pkcs8::EncodePrivateKey;
use rustls_pki_types::PrivatePkcs8KeyDer;

/// The kind of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// RSA with 2048 bits.
    Rsa2048,
    /// NIST P-256.
    P256,
    /// NIST P-384.
    P384,
}

/// Makes a key.
pub(crate) fn generate(kind: Kind) -> Result<KeyPair, String> {
    let made = match kind {
        Kind::Rsa2048 => return rsa_2048(),
        Kind::P256 => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
        Kind::P384 => KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384),
    };
    made.map_err(|error| error.to_string())
}

fn rsa_2048() -> Result<KeyPair, String> {
    let key = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048)
        .map_err(|error| error.to_string())?;
    let der = key.to_pkcs8_der().map_err(|error| error.to_string())?;
    KeyPair::try_from(&PrivatePkcs8KeyDer::from(der.as_bytes())).map_err(|error| error.to_string())
}

/// Where keys come from: made anew, or, for hubs in temporary directories, the same ones for the whole
/// process, since an RSA key takes as long to make as everything else at a hub's start together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// Every key is made for its use.
    Fresh,
    /// The `n`-th RSA key asked for by a hub is the `n`-th of this process.
    Shared,
}

static SHARED_RSA_KEYS: Mutex<Vec<String>> = Mutex::new(Vec::new());

impl Source {
    /// A key for the `position`-th role in a hierarchy.
    pub(crate) fn key(self, kind: Kind, position: usize) -> Result<KeyPair, String> {
        if self == Self::Fresh || kind != Kind::Rsa2048 {
            return generate(kind);
        }
        // Held while a key is made: the next one who asks waits for this key instead of making another.
        let mut shared = SHARED_RSA_KEYS
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        while shared.len() <= position {
            shared.push(generate(kind)?.serialize_pem());
        }
        KeyPair::from_pem(&shared[position]).map_err(|error| error.to_string())
    }
}
