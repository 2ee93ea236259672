//! RSA signatures, verified by mbedTLS, whose interface to keys takes them in DER.

use azure_device::port::update::RsaKey;
use sha2::{Digest as _, Sha256};

use crate::ffi::update as port;

/// The shortest modulus that is trusted, in bytes: 2048 bits.
const SHORTEST: usize = 256;
/// The longest modulus, in bytes: 4096 bits.
const LONGEST: usize = 512;
/// Room for what DER puts around a modulus, and the exponent.
const AROUND: usize = 64;

/// `AlgorithmIdentifier` of rsaEncryption (RFC 8017, appendix A.1).
const ALGORITHM: [u8; 15] = [
    0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
];
const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;

/// Verifies RSASSA-PKCS1-v1_5 with SHA-256, with keys of 2048 to 4096 bits.
pub(super) fn verify(key: RsaKey<'_>, message: &[u8], signature: &[u8]) -> bool {
    if !(SHORTEST..=LONGEST).contains(&key.modulus.len()) {
        return false;
    }
    let mut space = [0; LONGEST + AROUND];
    let mut der = Backwards {
        end: space.len(),
        space: &mut space,
    };
    der.public_key(&key);
    let hash: [u8; 32] = Sha256::digest(message).into();
    port::verify(der.written(), &hash, signature)
}

/// DER, written from its end: a length is known when its content is there.
struct Backwards<'s> {
    space: &'s mut [u8],
    /// Start of the content.
    end: usize,
}

impl Backwards<'_> {
    fn written(&self) -> &[u8] {
        self.space.get(self.end..).unwrap_or_default()
    }

    fn put(&mut self, bytes: &[u8]) {
        let start = self.end.saturating_sub(bytes.len());
        if let Some(place) = self.space.get_mut(start..self.end)
            && place.len() == bytes.len()
        {
            place.copy_from_slice(bytes);
        }
        self.end = start;
    }

    /// Puts tag and length before what was written behind `after`, counted from the end.
    fn wrap(&mut self, tag: u8, after: usize) {
        let length = self.written().len() - after;
        match u8::try_from(length) {
            Ok(short @ ..0x80) => self.put(&[tag, short]),
            Ok(byte) => self.put(&[tag, 0x81, byte]),
            Err(_) => self.put(&[tag, 0x82, (length >> 8) as u8, length as u8]),
        }
    }

    fn integer(&mut self, number: &[u8]) {
        let after = self.written().len();
        self.put(number);
        if number.first().is_none_or(|first| *first >= 0x80) {
            self.put(&[0]);
        }
        self.wrap(INTEGER, after);
    }

    /// `SubjectPublicKeyInfo` (RFC 5280, section 4.1) with an `RSAPublicKey` in it (RFC 8017, appendix A.1.1).
    fn public_key(&mut self, key: &RsaKey<'_>) {
        let exponent = key.exponent.to_be_bytes();
        let zeros = exponent.iter().take_while(|byte| **byte == 0).count();
        self.integer(exponent.get(zeros..).unwrap_or_default());
        self.integer(key.modulus);
        self.wrap(SEQUENCE, 0);
        // No unused bits.
        self.put(&[0]);
        self.wrap(BIT_STRING, 0);
        self.put(&ALGORITHM);
        self.wrap(SEQUENCE, 0);
    }
}
