//! `azure set certificate`, `key` and `root-ca`: checked by mbedTLS before they are stored.

#![forbid(unsafe_code)]

use azure_device::pair::{CHAIN, PairError, Stage, Staged};
use azure_device::port::StorageError;
use azure_device::storage::CHECKSUM_LEN;
use zeroize::Zeroizing;

use super::paste::SIZE;
use super::{Refusal, Stored, Then, say};
use crate::credentials::{self, ROOT, stored_name};
use crate::ffi::{self, Shell};
use crate::storage::{self, Settings};

/// Name under which new roots are stored until all of them have come.
const NEW_ROOT: &str = "root-ca-new";

/// Works on a new pair of certificate and key.
fn with_stage<T>(
    work: impl FnOnce(&mut Stage<'_, Settings>) -> Result<T, PairError>,
) -> Result<T, Refusal> {
    let mut belongs = |certificate: &[u8], key: &[u8]| ffi::check_pair(certificate, key).is_ok();
    let result = credentials::with_pairs(|settings| {
        let built_in = credentials::built_in_pair();
        work(&mut Stage::new(settings, built_in, &mut belongs))
    });
    result.map_err(Refusal::Pair)
}

/// Takes the next certificate of the device's chain.
pub(super) fn take_certificate(
    shell: Shell<'_>,
    der: &[u8],
    index: usize,
) -> Result<Stored, Refusal> {
    check(shell, der, index)?;
    with_stage(|stage| stage.add_certificate(index, der))?;
    Ok(Stored("Certificate", Then::Nothing))
}

fn check(shell: Shell<'_>, der: &[u8], index: usize) -> Result<(), Refusal> {
    ffi::check_certificate(der).map_err(|code| Refusal::Unusable("certificate", code))?;
    if index >= CHAIN {
        return Err(Refusal::Pair(PairError::ChainTooLong));
    }
    say!(shell, "Certificate {} of {} bytes.", index + 1, der.len());
    Ok(())
}

/// Completes a chain of so many certificates.
pub(super) fn finish_chain(shell: Shell<'_>, count: usize) -> Result<Stored, Refusal> {
    let staged = with_stage(|stage| stage.finish_chain(count))?;
    Ok(Stored("Certificate", say_staged(shell, staged)))
}

/// Checks that the key is one, and that it belongs to the certificate that came before it.
pub(super) fn take_key(shell: Shell<'_>, der: &[u8]) -> Result<Stored, Refusal> {
    ffi::check_key(der).map_err(|code| Refusal::Unusable("key", code))?;
    let staged = with_stage(|stage| stage.set_key(der))?;
    Ok(Stored("Key", say_staged(shell, staged)))
}

/// Says what is still to come of the new pair.
fn say_staged(shell: Shell<'_>, staged: Staged) -> Then {
    let (text, then) = match staged {
        Staged::Complete => (
            "They belong together. The pair in use, if there is one, is kept until the new one has connected.",
            Then::Reconnect,
        ),
        Staged::KeyMissing => ("Its key is still to come: azure set key.", Then::Reconnect),
        Staged::CertificateMissing => (
            "Its certificate is still to come: azure set certificate.",
            Then::Reconnect,
        ),
        _ => ("It is the key of the pair in use.", Then::Nothing),
    };
    say!(shell, "{text}");
    match staged {
        // A device that shows another pair goes on undisturbed.
        Staged::KeyMissing | Staged::CertificateMissing if crate::status::pair().is_some() => {
            Then::Nothing
        }
        _ => then,
    }
}

/// Takes the next root CA.
pub(super) fn take_root(shell: Shell<'_>, der: &[u8], index: usize) -> Result<Stored, Refusal> {
    check(shell, der, index)?;
    let name = stored_name(NEW_ROOT, index);
    storage::store(name.as_str(), der).map_err(Refusal::NotStored)?;
    Ok(Stored("Root CAs", Then::Reconfigure))
}

/// Puts so many new root CAs in the place of the old ones.
pub(super) fn finish_roots(count: usize) -> Result<Stored, Refusal> {
    let mut der = Zeroizing::new(alloc::vec![0; SIZE + CHECKSUM_LEN]);
    (0..CHAIN)
        .try_for_each(|index| move_root(index, count, &mut der))
        .map_err(Refusal::NotStored)?;
    Ok(Stored("Root CAs", Then::Reconfigure))
}

fn move_root(index: usize, count: usize, der: &mut [u8]) -> Result<(), StorageError> {
    let (from, to) = (stored_name(NEW_ROOT, index), stored_name(ROOT, index));
    if index >= count {
        storage::remove(to.as_str())?;
    } else if let Some(length) = storage::load(from.as_str(), der)? {
        storage::store(to.as_str(), der.get(..length).unwrap_or_default())?;
    }
    storage::remove(from.as_str())
}

/// Forgets pairs and roots.
pub(super) fn forget() -> Result<(), StorageError> {
    credentials::with_pairs(azure_device::pair::forget)?;
    (0..CHAIN)
        .flat_map(|index| [stored_name(ROOT, index), stored_name(NEW_ROOT, index)])
        .try_for_each(|name| storage::remove(name.as_str()))
}
