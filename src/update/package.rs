//! Root key packages: which keys are disabled, and which are new.
//!
//! Each root key that was built in has to have signed a package (Microsoft, Device Update agent). A signature is that of
//! the document's member `protected`, as it lies in the document, which has to be written without white space. The
//! signature of a root key has its place in the order of `rootKeys`. A package with a lower version than the one before
//! is refused, so that a disabled key stays disabled.

use super::base64::decode_into;
use super::key::{Added, MAX_MODULUS, RootKey, Rotation};
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
    read(protected, keys, roots, &mut Rotation::default())?;
    *rotation = Rotation::default();
    rotation.version = version;
    read(protected, keys, roots, rotation)
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
    let key = added(root.id, key).ok_or(PackageError::RootMissing)?;
    if key.modulus.get(..key.length.into()) != Some(root.key.modulus)
        || key.exponent != root.key.exponent
    {
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

/// Reads what a verified package says.
fn read(
    protected: Value<'_>,
    keys: Value<'_>,
    roots: &[RootKey<'_>],
    rotation: &mut Rotation,
) -> Result<(), PackageError> {
    let array = |name| {
        protected
            .get(name)
            .and_then(Value::as_array)
            .ok_or(PackageError::Malformed)
    };
    let mut free = rotation.disabled_roots.iter_mut();
    for id in array("disabledRootKeys")? {
        let id = id
            .as_text()
            .and_then(Label::new)
            .ok_or(PackageError::Malformed)?;
        *free.next().ok_or(PackageError::TooMany)? = id;
    }
    let mut free = rotation.disabled_signing.iter_mut();
    for key in array("disabledSigningKeys")? {
        let algorithm = key.get("alg").and_then(Value::as_text);
        let digest = plain(key, "hash").and_then(super::base64::digest);
        let digest = digest.filter(|_| algorithm.is_some_and(|algorithm| algorithm.is("SHA256")));
        *free.next().ok_or(PackageError::TooMany)? = digest.ok_or(PackageError::Malformed)?;
    }
    let mut free = rotation.added.iter_mut();
    for (id, key) in keys.members() {
        if roots.iter().any(|root| id.is(root.id)) {
            continue;
        }
        let id = Label::<{ super::key::MAX_KEY_ID }>::new(id).ok_or(PackageError::Malformed)?;
        let key = added(id.as_str(), key).ok_or(PackageError::Malformed)?;
        *free.next().ok_or(PackageError::TooMany)? = key;
    }
    Ok(())
}

/// A key of a package: `n` in base64url with leading zeros, and `e` as a number.
fn added(id: &str, key: Value<'_>) -> Option<Added> {
    let is_rsa = key.get("keyType")?.as_text()?.is("RSA");
    let mut space = [0; MAX_MODULUS + 1];
    let length = decode_into(plain(key, "n")?, &mut space)?;
    let number = space.get(..length)?;
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let number = number
        .get(zeros..)
        .filter(|number| is_rsa && !number.is_empty())?;
    let mut added = Added::NONE;
    added.id = Label::new(id)?;
    added
        .modulus
        .get_mut(..number.len())?
        .copy_from_slice(number);
    added.length = u16::try_from(number.len()).ok()?;
    added.exponent = u32::try_from(key.get("e")?.as_i64()?).ok()?;
    Some(added)
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
