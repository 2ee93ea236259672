//! RSA signatures, verified by mbedTLS, whose interface to keys takes them in DER.

use azure_device::port::update::RsaKey;
use azure_device::update::write_der;
use sha2::{Digest as _, Sha256};

use crate::ffi::update as port;

/// The shortest modulus that is trusted, in bytes: 2048 bits.
const SHORTEST: usize = 256;
/// The longest modulus, in bytes: 4096 bits.
const LONGEST: usize = 512;
/// Room for what DER puts around a modulus, and the exponent.
const AROUND: usize = 64;

/// Verifies RSASSA-PKCS1-v1_5 with SHA-256, with keys of 2048 to 4096 bits.
pub(super) fn verify(key: RsaKey<'_>, message: &[u8], signature: &[u8]) -> bool {
    if !(SHORTEST..=LONGEST).contains(&key.modulus.len()) {
        return false;
    }
    let mut space = [0; LONGEST + AROUND];
    let mut length = 0;
    write_der(key, true, &mut |bytes| {
        let end = length + bytes.len();
        if let Some(place) = space.get_mut(length..end) {
            place.copy_from_slice(bytes);
        }
        length = end;
    });
    let hash: [u8; 32] = Sha256::digest(message).into();
    let key = space.get(..length).unwrap_or_default();
    port::verify(key, &hash, signature)
}
