//! Root keys, and what a root key package revoked or added.

use alloc::vec::Vec;

use sha2::{Digest as _, Sha256};

use crate::label::Label;
use crate::port::update::RsaKey;

/// The longest name of a key, in bytes. Microsoft's have 14.
pub(super) const MAX_KEY_ID: usize = 32;
/// The longest modulus that is taken, in bytes: RSA of 4096 bits.
pub(super) const MAX_MODULUS: usize = 512;
/// The most root keys that a package may add.
pub(super) const MAX_ADDED: usize = 2;
/// The most names of disabled root keys that are kept.
pub(super) const MAX_DISABLED_ROOTS: usize = 4;
/// The most disabled signing keys that are kept.
pub(super) const MAX_DISABLED_SIGNING: usize = 8;

/// End of the names of keys that sign for tests.
const TEST_SUFFIX: &str = ".T";

/// SHA-256 of the moduli of Microsoft's root keys.
const KNOWN: [(&str, [u8; 32]); 2] = [
    (
        "ADU.200702.R",
        [
            0x62, 0x42, 0xc8, 0xe6, 0x38, 0x5f, 0x17, 0x4d, 0x8a, 0xb5, 0xc8, 0x96, 0xd9, 0x9d,
            0xeb, 0x33, 0x4e, 0x07, 0x00, 0xc8, 0xd7, 0xba, 0x84, 0xdc, 0xf6, 0x55, 0x66, 0x8d,
            0x60, 0xe8, 0xde, 0x66,
        ],
    ),
    (
        "ADU.200703.R",
        [
            0x6c, 0x75, 0x46, 0x35, 0x09, 0x19, 0xe4, 0xe6, 0x05, 0xbc, 0x94, 0xf9, 0xab, 0x29,
            0x7a, 0xf6, 0x0e, 0xd5, 0xcf, 0xc1, 0xe2, 0x91, 0xa2, 0xac, 0x7b, 0x8d, 0xd3, 0xd6,
            0xf2, 0x76, 0xc0, 0x9c,
        ],
    ),
];

/// A key that an update's signature leads back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RootKey<'k> {
    /// Its name (`kid`), such as `ADU.200702.R`.
    pub id: &'k str,
    /// The key.
    pub key: RsaKey<'k>,
}

impl RootKey<'_> {
    /// True if this key is what its name says: a key under a name of Microsoft's has its fingerprint.
    pub fn is_genuine(&self) -> bool {
        let known = KNOWN.iter().find(|(id, _)| *id == self.id);
        known.is_none_or(|(_, fingerprint)| Sha256::digest(self.key.modulus)[..] == fingerprint[..])
    }

    /// True if it signs for tests only.
    pub fn is_for_tests(&self) -> bool {
        self.id.ends_with(TEST_SUFFIX)
    }
}

/// A root key that a package added.
#[derive(Clone, Copy, Debug)]
pub(super) struct Added {
    pub(super) id: Label<MAX_KEY_ID>,
    pub(super) modulus: [u8; MAX_MODULUS],
    pub(super) length: u16,
    pub(super) exponent: u32,
}

impl Added {
    pub(super) const NONE: Self = Self {
        id: Label::EMPTY,
        modulus: [0; MAX_MODULUS],
        length: 0,
        exponent: 0,
    };

    pub(super) fn as_root(&self) -> RootKey<'_> {
        RootKey {
            id: self.id.as_str(),
            key: RsaKey {
                modulus: self.modulus.get(..self.length.into()).unwrap_or_default(),
                exponent: self.exponent,
            },
        }
    }
}

/// Contents of the newest root key package. It takes some 1,600 bytes.
#[derive(Clone, Debug)]
pub struct Rotation {
    /// Number of the package; 0 before the first.
    pub(super) version: u64,
    pub(super) disabled_roots: [Label<MAX_KEY_ID>; MAX_DISABLED_ROOTS],
    pub(super) disabled_signing: [[u8; 32]; MAX_DISABLED_SIGNING],
    /// At most [`MAX_ADDED`]. On the heap: they are large, and rare.
    pub(super) added: Vec<Added>,
}

impl Default for Rotation {
    fn default() -> Self {
        Self {
            version: 0,
            disabled_roots: [Label::EMPTY; MAX_DISABLED_ROOTS],
            disabled_signing: [[0; 32]; MAX_DISABLED_SIGNING],
            added: Vec::new(),
        }
    }
}

impl Rotation {
    /// Number of the package that was taken last; 0 before the first.
    pub const fn version(&self) -> u64 {
        self.version
    }
}

/// Keys that an update may be signed under.
#[derive(Clone, Copy, Debug)]
pub struct Trust<'k> {
    /// Keys that were built in.
    pub roots: &'k [RootKey<'k>],
    /// Changes that a root key package made to them.
    pub rotation: Option<&'k Rotation>,
}

impl<'k> Trust<'k> {
    /// The root key of this name, built in or added.
    pub(super) fn root(&self, is_id: impl Fn(&str) -> bool) -> Option<RootKey<'k>> {
        let added = self.rotation.into_iter().flat_map(|kept| &kept.added);
        let mut all = self.roots.iter().copied().chain(added.map(Added::as_root));
        all.find(|root| is_id(root.id))
    }

    pub(super) fn is_disabled(&self, id: &str) -> bool {
        let is_one = |other: &Label<MAX_KEY_ID>| !other.is_empty() && other.as_str() == id;
        self.rotation
            .is_some_and(|kept| kept.disabled_roots.iter().any(is_one))
    }

    /// True if a package disabled this signing key.
    ///
    /// A package names it by a SHA-256 of its DER form. Whether that is the form of RFC 8017 or the one of RFC 5280 is not
    /// documented, so the key is refused if either is listed.
    pub(super) fn is_signing_key_disabled(&self, key: RsaKey<'_>) -> bool {
        let Some(Rotation {
            disabled_signing: disabled,
            ..
        }) = self.rotation
        else {
            return false;
        };
        if disabled.iter().all(|digest| *digest == [0; 32]) {
            return false;
        }
        let is_listed = |digest: [u8; 32]| disabled.contains(&digest);
        is_listed(der_digest(key, false)) || is_listed(der_digest(key, true))
    }
}

/// AlgorithmIdentifier of `rsaEncryption` with NULL parameters (RFC 3279, section 2.3.1).
const RSA_ENCRYPTION: [u8; 15] = [
    0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
];

/// SHA-256 of a key's DER form.
pub(super) fn der_digest(key: RsaKey<'_>, with_info: bool) -> [u8; 32] {
    let mut hash = Sha256::new();
    write_der(key, with_info, &mut |bytes| hash.update(bytes));
    hash.finalize().into()
}

/// Gives a key's DER form to `put`, in pieces: `RSAPublicKey` (RFC 8017, appendix A.1.1), or with `with_info`
/// `SubjectPublicKeyInfo` (RFC 5280, section 4.1) around it.
pub fn write_der(key: RsaKey<'_>, with_info: bool, put: &mut dyn FnMut(&[u8])) {
    let exponent = key.exponent.to_be_bytes();
    let zeros = exponent.iter().take_while(|byte| **byte == 0).count();
    let exponent = exponent.get(zeros..).unwrap_or_default();
    let content = integer_length(key.modulus) + integer_length(exponent);
    let sequence = header_length(content) + content;
    if with_info {
        header(
            put,
            0x30,
            RSA_ENCRYPTION.len() + header_length(sequence + 1) + sequence + 1,
        );
        put(&RSA_ENCRYPTION);
        header(put, 0x03, sequence + 1);
        // No unused bits.
        put(&[0]);
    }
    header(put, 0x30, content);
    for number in [key.modulus, exponent] {
        header(put, 0x02, number.len() + sign(number));
        put(&[0][..sign(number)]);
        put(number);
    }
}

/// Zero bytes in front of a number, which keep it positive.
fn sign(number: &[u8]) -> usize {
    usize::from(number.first().is_none_or(|first| *first >= 0x80))
}

fn integer_length(number: &[u8]) -> usize {
    let content = number.len() + sign(number);
    header_length(content) + content
}

const fn header_length(content: usize) -> usize {
    match content {
        0..0x80 => 2,
        0x80..0x100 => 3,
        _ => 4,
    }
}

fn header(put: &mut dyn FnMut(&[u8]), tag: u8, content: usize) {
    let [high, low] = (content as u16).to_be_bytes();
    match content {
        0..0x80 => put(&[tag, low]),
        0x80..0x100 => put(&[tag, 0x81, low]),
        _ => put(&[tag, 0x82, high, low]),
    }
}
