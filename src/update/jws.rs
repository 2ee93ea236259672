//! The signature of a manifest: a JWS (RFC 7515) whose header has the signing key, which a root key signed.
//!
//! `header.payload.signature`, RS256. The header's `sjwk` is such a text again: its header names the root key, and its
//! payload is the signing key as a JWK (RFC 7517). The payload of the outer one is the SHA-256 of the manifest. All of it
//! is decoded where it lies, but for the header, which is needed as text and decoded: that takes three quarters of its
//! length in `space`.

use core::ops::Range;

use sha2::{Digest as _, Sha256};

use super::base64::{decode_in_place, digest};
use super::key::Trust;
use crate::json::{JsonString, Value};
use crate::port::update::{RsaKey, VerifyRs256};
use crate::text::find;

/// The only exponent of signing keys, 65537, in base64.
const EXPONENT: &str = "AQAB";

/// Check of the chain from a root key to a manifest that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrustError {
    /// The signature is not three parts of base64, or its header or payload is not JSON.
    NotJws,
    /// The space for decoding is too small.
    NoSpace,
    /// The signature's algorithm is not RS256.
    Algorithm,
    /// The header has no signing key, or what it has is no JWS.
    NoSigningKey,
    /// The signing key's own signature is not RS256.
    SigningKeyAlgorithm,
    /// No root key has the name that the signing key is signed under.
    UnknownRoot,
    /// A root key package disabled that root key.
    DisabledRoot,
    /// The root key did not sign the signing key.
    SigningKeySignature,
    /// The signing key is no RSA key for RS256 with the exponent 65537.
    SigningKeyKind,
    /// A root key package disabled the signing key.
    DisabledSigningKey,
    /// The signing key did not sign this.
    Signature,
    /// The payload has no digest of a manifest.
    NoDigest,
    /// The manifest is not the one that was signed.
    Digest,
}

impl core::fmt::Display for TrustError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::NotJws => "the signature is not a JWS",
            Self::NoSpace => {
                "the signature does not fit the space; raise its text size (Settings::text_size)"
            }
            Self::Algorithm => "the signature is not RS256",
            Self::NoSigningKey => "the signature has no signing key",
            Self::SigningKeyAlgorithm => "the signing key is not signed with RS256",
            Self::UnknownRoot => "the signing key is signed under a root key that is not known",
            Self::DisabledRoot => "the signing key is signed under a root key that is disabled",
            Self::SigningKeySignature => "the root key did not sign the signing key",
            Self::SigningKeyKind => "the signing key is not an RSA key for RS256",
            Self::DisabledSigningKey => "the signing key is disabled",
            Self::Signature => "the signing key did not make the signature",
            Self::NoDigest => "the signature has no digest of a manifest",
            Self::Digest => "the manifest is not the one that was signed",
        })
    }
}

/// Verifies that a manifest, as it came, is signed under a root key. `signature` is overwritten.
///
/// # Errors
///
/// The check that failed.
#[inline(never)]
pub fn verify(
    manifest: &[u8],
    signature: &mut [u8],
    space: &mut [u8],
    trust: &Trust<'_>,
    verify: VerifyRs256,
) -> Result<(), TrustError> {
    let outer = Parts::of(signature).ok_or(TrustError::NotJws)?;
    let length = outer.header.len();
    let space = space.get_mut(..length).ok_or(TrustError::NoSpace)?;
    space.copy_from_slice(outer.header);
    let space = decoded(space).ok_or(TrustError::NotJws)?;
    let header = Value::parse(space).map_err(|_| TrustError::NotJws)?;
    check_algorithm(header, TrustError::Algorithm)?;
    let sjwk = header.get("sjwk").and_then(Value::as_text);
    let range = sjwk.and_then(|sjwk| range_of(sjwk, space));
    let sjwk = range.and_then(|range| space.get_mut(range));
    let sjwk = sjwk.ok_or(TrustError::NoSigningKey)?;
    let key = signing_key(sjwk, trust, verify)?;
    if trust.is_signing_key_disabled(key) {
        return Err(TrustError::DisabledSigningKey);
    }
    let signed = outer.signed_length();
    let (signed, signature) = signature
        .split_at_mut_checked(signed)
        .ok_or(TrustError::NotJws)?;
    let (_, signature) = signature.split_first_mut().ok_or(TrustError::NotJws)?;
    let signature = decoded(signature).ok_or(TrustError::NotJws)?;
    if !verify(key, signed, signature) {
        return Err(TrustError::Signature);
    }
    let (_, payload) = signed
        .split_at_mut_checked(length + 1)
        .ok_or(TrustError::NotJws)?;
    let payload = decoded(payload).ok_or(TrustError::NotJws)?;
    let payload = Value::parse(payload).map_err(|_| TrustError::NotJws)?;
    let expected = payload
        .get("sha256")
        .and_then(Value::as_text)
        .and_then(JsonString::plain);
    let expected = expected.and_then(digest).ok_or(TrustError::NoDigest)?;
    match Sha256::digest(manifest)[..] == expected {
        true => Ok(()),
        false => Err(TrustError::Digest),
    }
}

/// Verifies that a root key signed the signing key, and gives it.
#[inline(never)]
fn signing_key<'s>(
    sjwk: &'s mut [u8],
    trust: &Trust<'_>,
    verify: VerifyRs256,
) -> Result<RsaKey<'s>, TrustError> {
    let inner = Parts::of(sjwk).ok_or(TrustError::NoSigningKey)?;
    let (header_length, signed_length) = (inner.header.len(), inner.signed_length());
    // It names an algorithm and a key.
    let mut header = [0; 128];
    let header = header
        .get_mut(..header_length)
        .ok_or(TrustError::NoSigningKey)?;
    header.copy_from_slice(inner.header);
    let header = decoded(header).ok_or(TrustError::NoSigningKey)?;
    let header = Value::parse(header).map_err(|_| TrustError::NoSigningKey)?;
    check_algorithm(header, TrustError::SigningKeyAlgorithm)?;
    let id = header
        .get("kid")
        .and_then(Value::as_text)
        .ok_or(TrustError::UnknownRoot)?;
    let root = trust
        .root(|known| id.is(known))
        .ok_or(TrustError::UnknownRoot)?;
    if trust.is_disabled(root.id) {
        return Err(TrustError::DisabledRoot);
    }
    let (signed, signature) = sjwk
        .split_at_mut_checked(signed_length)
        .ok_or(TrustError::NoSigningKey)?;
    let (_, signature) = signature
        .split_first_mut()
        .ok_or(TrustError::NoSigningKey)?;
    let signature = decoded(signature).ok_or(TrustError::NoSigningKey)?;
    if !verify(root.key, signed, signature) {
        return Err(TrustError::SigningKeySignature);
    }
    let (_, jwk) = signed
        .split_at_mut_checked(header_length + 1)
        .ok_or(TrustError::NoSigningKey)?;
    let jwk = decoded(jwk).ok_or(TrustError::NoSigningKey)?;
    modulus(jwk).map(|modulus| RsaKey {
        modulus,
        exponent: 65537,
    })
}

/// The modulus of a JWK, decoded where it lies.
#[inline(never)]
fn modulus(jwk: &mut [u8]) -> Result<&[u8], TrustError> {
    let value = Value::parse(jwk).map_err(|_| TrustError::SigningKeyKind)?;
    let has = |name, text| {
        value
            .get(name)
            .and_then(Value::as_text)
            .is_some_and(|is| is.is(text))
    };
    if !has("kty", "RSA") || !has("alg", "RS256") || !has("e", EXPONENT) {
        return Err(TrustError::SigningKeyKind);
    }
    let n = value.get("n").and_then(Value::as_text);
    let range = n.and_then(|n| range_of(n, jwk));
    let modulus = range.and_then(|range| jwk.get_mut(range)).and_then(decoded);
    let modulus = modulus.ok_or(TrustError::SigningKeyKind)?;
    let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
    let modulus = modulus.get(zeros..).filter(|modulus| !modulus.is_empty());
    modulus.ok_or(TrustError::SigningKeyKind)
}

fn check_algorithm(header: Value<'_>, error: TrustError) -> Result<(), TrustError> {
    match header.get("alg").and_then(Value::as_text) {
        Some(algorithm) if algorithm.is("RS256") => Ok(()),
        _ => Err(error),
    }
}

/// Place of a string without escapes in the bytes that it was read from. Another place with the same text is as good.
fn range_of(string: JsonString<'_>, bytes: &[u8]) -> Option<Range<usize>> {
    let plain = string.plain()?;
    let start = find(core::str::from_utf8(bytes).ok()?, plain)?;
    Some(start..start + plain.len())
}

/// Decodes in place.
fn decoded(text: &mut [u8]) -> Option<&mut [u8]> {
    let length = decode_in_place(text)?;
    text.get_mut(..length)
}

/// The three parts of a compact JWS, of which the last is what is behind the second point.
struct Parts<'t> {
    header: &'t [u8],
    payload: &'t [u8],
}

impl<'t> Parts<'t> {
    /// `None` if there are not exactly three, or one is empty.
    fn of(text: &'t [u8]) -> Option<Self> {
        let mut parts = text.split(|byte| *byte == b'.');
        let (header, payload, signature) = (parts.next()?, parts.next()?, parts.next()?);
        let is_whole = parts.next().is_none() && ![header, payload, signature].contains(&&[][..]);
        is_whole.then_some(Self { header, payload })
    }

    /// Bytes in front of the second point.
    const fn signed_length(&self) -> usize {
        self.header.len() + 1 + self.payload.len()
    }
}

#[cfg(test)]
#[path = "jws_tests.rs"]
mod tests;
