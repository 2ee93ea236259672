//! Private keys: made, and kept for the life of a state directory.

use std::sync::{Mutex, PoisonError};

use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384};

/// The kind of an elliptic curve key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// NIST P-256.
    P256,
    /// NIST P-384.
    P384,
}

/// Makes an elliptic curve key.
pub(crate) fn generate(kind: Kind) -> Result<KeyPair, String> {
    let made = match kind {
        Kind::P256 => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
        Kind::P384 => KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384),
    };
    made.map_err(|error| error.to_string())
}

#[cfg(feature = "rsa")]
fn rsa_2048() -> Result<KeyPair, String> {
    use rsa::pkcs8::EncodePrivateKey;
    use rustls_pki_types::PrivatePkcs8KeyDer;

    let key = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048)
        .map_err(|error| error.to_string())?;
    let der = key.to_pkcs8_der().map_err(|error| error.to_string())?;
    KeyPair::try_from(&PrivatePkcs8KeyDer::from(der.as_bytes())).map_err(|error| error.to_string())
}

/// Refuses: who leaves the feature out wants nothing of the crate that makes RSA keys.
#[cfg(not(feature = "rsa"))]
fn rsa_2048() -> Result<KeyPair, String> {
    Err("this build makes no RSA keys; choose the chain `ecc`, or build local-hub with its feature `rsa`".into())
}

/// Makes several RSA keys at once: each takes a second or so, and there are processors.
fn rsa_keys(count: usize) -> Result<Vec<KeyPair>, String> {
    std::thread::scope(|scope| {
        let makers: Vec<_> = (0..count).map(|_| scope.spawn(rsa_2048)).collect();
        let made = makers.into_iter().map(|maker| maker.join());
        made.map(|made| made.unwrap_or_else(|_| Err("a key's maker panicked".into())))
            .collect()
    })
}

/// Source of keys: new ones, or, for hubs in temporary directories, the same ones for the whole
/// process, since RSA keys take longer to make than everything else at a hub's start together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// Every key is made for its use.
    Fresh,
    /// The `n`-th RSA key that a hub needs is the `n`-th of this process.
    Shared,
}

static SHARED_RSA_KEYS: Mutex<Vec<String>> = Mutex::new(Vec::new());

impl Source {
    /// The first `N` RSA keys of a hub.
    pub(crate) fn rsa<const N: usize>(self) -> Result<[KeyPair; N], String> {
        let keys = match self {
            Self::Fresh => rsa_keys(N)?,
            Self::Shared => {
                // Held while keys are made: who asks meanwhile waits for them instead of making others.
                let mut shared = SHARED_RSA_KEYS
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                let missing = rsa_keys(N.saturating_sub(shared.len()))?;
                shared.extend(missing.iter().map(KeyPair::serialize_pem));
                let read = |pem: &String| KeyPair::from_pem(pem).map_err(|error| error.to_string());
                shared.iter().take(N).map(read).collect::<Result<_, _>>()?
            }
        };
        keys.try_into()
            .map_err(|_| "there are not enough keys".into())
    }
}
