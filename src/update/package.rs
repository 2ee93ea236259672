//! Root key packages: which keys are disabled, and which are new.
//!
//! Each root key that was built in has to have signed a package (Microsoft, Device Update agent). A signature is that of
//! the document's member `protected`, as it lies in the document, which has to be written without white space. The
//! signature of a root key has its place in the order of `rootKeys`. A package with a lower version than the one before
//! is refused, so that a disabled key stays disabled.

use super::base64::{decode_into, decode_number};
use super::key::{
    Added, MAX_ADDED, MAX_DISABLED_ROOTS, MAX_DISABLED_SIGNING, MAX_KEY_ID, MAX_MODULUS, RootKey,
    Rotation,
};
use crate::json::{JsonString, Value};
use crate::label::Label;
use crate::port::update::VerifyRs256;

/// Reason why a package is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PackageError {
    /// It is not JSON, or lacks a member.
    Malformed,
    /// It is for tests and this device is not, or the other way round.
    Kind,
    /// A newer one was taken before.
    Old,
    /// It lacks a root key that was built in, or has another one of that name.
    RootMissing,
    /// A root key that was built in did not sign it.
    Signature,
    /// It disables or adds more keys than this device can keep.
    TooMany,
}

impl core::fmt::Display for PackageError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Malformed => "the root key package is malformed",
            Self::Kind => {
                "the root key package is for tests and this device is not, or the other way round"
            }
            Self::Old => "the root key package is older than the one before",
            Self::RootMissing => "the root key package lacks a root key of this device",
            Self::Signature => "a root key of this device did not sign the root key package",
            Self::TooMany => "the root key package has more keys than this device can keep",
        })
    }
}

/// Verifies a package and takes what it says. `rotation` is unchanged if it is refused.
///
/// # Errors
///
/// The check that failed.
pub fn take(
    package: &[u8],
    roots: &[RootKey<'_>],
    rotation: &mut Rotation,
    verify: VerifyRs256,
) -> Result<(), PackageError> {
    let package = Value::parse(package).map_err(|_| PackageError::Malformed)?;
    let protected = package.get("protected").ok_or(PackageError::Malformed)?;
    let signatures = package.get("signatures").ok_or(PackageError::Malformed)?;
    let keys = protected.get("rootKeys").ok_or(PackageError::Malformed)?;
    for root in roots {
        check_signature(protected, keys, signatures, root, verify)?;
    }
    let is_test = protected.get("isTest").and_then(Value::as_bool);
    let is_test = is_test.ok_or(PackageError::Malformed)?;
    if is_test != roots.iter().any(RootKey::is_for_tests) {
        return Err(PackageError::Kind);
    }
    let version = protected.get("version").and_then(Value::as_i64);
    let version = version.and_then(|version| u64::try_from(version).ok());
    let version = version.ok_or(PackageError::Malformed)?;
    if version < rotation.version {
        return Err(PackageError::Old);
    }
    // Judged as a whole first: it is taken as a whole.
    read(protected, keys, roots, None)?;
    *rotation = Rotation {
        version,
        ..Rotation::default()
    };
    read(protected, keys, roots, Some(rotation))
}

/// True if the package has this root key as the device has it. A function of its own: its key is off the stack before the
/// signature is verified.
#[inline(never)]
fn is_same(root: &RootKey<'_>, key: Value<'_>) -> bool {
    let mut found = Added::NONE;
    read_key(root.id, key, &mut found).is_some() && found.as_root() == *root
}

fn check_signature(
    protected: Value<'_>,
    keys: Value<'_>,
    signatures: Value<'_>,
    root: &RootKey<'_>,
    verify: VerifyRs256,
) -> Result<(), PackageError> {
    let mut named = keys.members().enumerate();
    let found = named.find(|(_, (name, _))| name.is(root.id));
    let (place, (_, key)) = found.ok_or(PackageError::RootMissing)?;
    if !is_same(root, key) {
        return Err(PackageError::RootMissing);
    }
    let signature = signatures.as_array().and_then(|mut all| all.nth(place));
    let signature = signature.ok_or(PackageError::Signature)?;
    let algorithm = signature.get("alg").and_then(Value::as_text);
    let mut space = [0; MAX_MODULUS];
    let length = plain(signature, "sig").and_then(|text| decode_into(text, &mut space));
    let bytes = length.and_then(|length| space.get(..length));
    let is_good = algorithm.is_some_and(|algorithm| algorithm.is("RS256"))
        && bytes.is_some_and(|bytes| verify(root.key, protected.text().as_bytes(), bytes));
    match is_good {
        true => Ok(()),
        false => Err(PackageError::Signature),
    }
}

/// Reads what a verified package says into `rotation`, which is empty; without one, only judges it.
#[inline(never)]
fn read(
    protected: Value<'_>,
    keys: Value<'_>,
    roots: &[RootKey<'_>],
    mut rotation: Option<&mut Rotation>,
) -> Result<(), PackageError> {
    let array = |name| {
        protected
            .get(name)
            .and_then(Value::as_array)
            .ok_or(PackageError::Malformed)
    };
    for (at, id) in array("disabledRootKeys")?.enumerate() {
        let id = id
            .as_text()
            .and_then(Label::new)
            .ok_or(PackageError::Malformed)?;
        if at >= MAX_DISABLED_ROOTS {
            return Err(PackageError::TooMany);
        }
        if let Some(rotation) = rotation.as_deref_mut()
            && let Some(place) = rotation.disabled_roots.get_mut(at)
        {
            *place = id;
        }
    }
    for (at, key) in array("disabledSigningKeys")?.enumerate() {
        let algorithm = key.get("alg").and_then(Value::as_text);
        let digest = plain(key, "hash").and_then(super::base64::digest);
        let digest = digest.filter(|_| algorithm.is_some_and(|algorithm| algorithm.is("SHA256")));
        if at >= MAX_DISABLED_SIGNING {
            return Err(PackageError::TooMany);
        }
        let digest = digest.ok_or(PackageError::Malformed)?;
        if let Some(rotation) = rotation.as_deref_mut()
            && let Some(place) = rotation.disabled_signing.get_mut(at)
        {
            *place = digest;
        }
    }
    let is_new = |(id, _): &(JsonString<'_>, Value<'_>)| !roots.iter().any(|root| id.is(root.id));
    for (at, (id, key)) in keys.members().filter(is_new).enumerate() {
        let id = Label::<MAX_KEY_ID>::new(id).ok_or(PackageError::Malformed)?;
        if at >= MAX_ADDED {
            return Err(PackageError::TooMany);
        }
        let mut added = Added::NONE;
        read_key(id.as_str(), key, &mut added).ok_or(PackageError::Malformed)?;
        if let Some(rotation) = rotation.as_deref_mut() {
            rotation.added.push(added);
        }
    }
    Ok(())
}

/// Reads a key of a package: `n` in base64url, with leading zeros, and `e` as a number.
fn read_key(id: &str, key: Value<'_>, place: &mut Added) -> Option<()> {
    let is_rsa = key.get("keyType")?.as_text()?.is("RSA");
    let length = decode_number(plain(key, "n")?, &mut place.modulus)?;
    place.id = Label::new(id)?;
    place.exponent = u32::try_from(key.get("e")?.as_i64()?).ok()?;
    place.length = u16::try_from(length).ok()?;
    (is_rsa && length > 0).then_some(())
}

fn plain<'j>(value: Value<'j>, name: &str) -> Option<&'j str> {
    value
        .get(name)
        .and_then(Value::as_text)
        .and_then(JsonString::plain)
}

#[cfg(test)]
#[path = "package_tests.rs"]
mod tests;
