//! `azure set provisioning`, `symmetric-key`, `group-key` and `provisioning-host`.

#![forbid(unsafe_code)]

use azure_device::identity::{HostName, SharedAccessKey};
use azure_device::port::StorageError;
use azure_device::provisioning::{Assignment, Enrollment, IdScope, RegistrationId};
use azure_device::sas;

use super::{Refusal, done, say, set_text};
use crate::configuration;
use crate::ffi::Shell;
use crate::platform::device_key;
use crate::provisioning::{
    HOST, ID_SCOPE, Problem, REGISTRATION_ID, SYMMETRIC_KEY, registration_id,
    stored_registration_id,
};
use crate::storage;

/// What the core keeps of an assignment.
const ASSIGNED: [&str; 2] = [Assignment::STORAGE_KEY, Assignment::PAYLOAD_STORAGE_KEY];

/// The hub that was assigned, for `azure status`.
pub(super) fn assignment(enrollment: &Enrollment) -> Option<Assignment> {
    let mut buffer = [0; Assignment::MAX_LEN];
    let key = device_key(Assignment::STORAGE_KEY);
    let length = storage::load(key.as_str(), &mut buffer).ok()??;
    Assignment::decode(buffer.get(..length)?, enrollment).ok()
}

/// Forgets the enrolment and what came of it.
pub(super) fn forget() -> Result<(), StorageError> {
    for name in [ID_SCOPE, REGISTRATION_ID, SYMMETRIC_KEY] {
        storage::remove(name)?;
    }
    ASSIGNED
        .iter()
        .try_for_each(|name| storage::remove(device_key(name).as_str()))
}

/// Sets the enrolment; from now on DPS names the hub, not a connection string.
pub(super) fn set_provisioning(
    shell: Shell<'_>,
    id_scope: &str,
    given: Option<&str>,
) -> Result<(), Refusal> {
    let id_scope = IdScope::parse(id_scope).map_err(Problem::IdScope)?;
    let id = registration_id(given)?;
    // The key was of the old registration.
    forget().map_err(Refusal::NotStored)?;
    if given.is_some() {
        store(REGISTRATION_ID, id.as_str())?;
    }
    store(ID_SCOPE, id_scope.as_str())?;
    storage::remove(configuration::CONNECTION_STRING).map_err(Refusal::NotStored)?;
    say!(
        shell,
        "Registration {} in {}. It proves itself with a certificate, or a key: azure set symmetric-key, azure set group-key.",
        id.as_str(),
        id_scope.as_str()
    );
    done(shell, "Enrolment")
}

/// Sets the endpoint of a provisioning service that is not the public cloud's.
pub(super) fn set_host(shell: Shell<'_>, name: &str) -> Result<(), Refusal> {
    HostName::parse(name).map_err(Problem::HostName)?;
    set_text(shell, HOST, name)
}

/// Stores the key of an individual enrolment, or one that was derived elsewhere.
pub(super) fn set_symmetric_key(shell: Shell<'_>, text: &str) -> Result<(), Refusal> {
    stored_registration()?;
    store_key(shell, &key(text)?)
}

/// Derives the device's key from the group's, which is not kept: it would open every device of the group.
pub(super) fn set_group_key(shell: Shell<'_>, text: &str) -> Result<(), Refusal> {
    let id = stored_registration()?;
    store_key(shell, &sas::derive_device_key(&key(text)?, id.as_str()))
}

fn key(text: &str) -> Result<SharedAccessKey, Refusal> {
    let key = SharedAccessKey::from_base64(text.trim()).map_err(Problem::Key);
    Ok(key?)
}

fn store_key(shell: Shell<'_>, key: &SharedAccessKey) -> Result<(), Refusal> {
    storage::store(SYMMETRIC_KEY, key.expose()).map_err(Refusal::NotStored)?;
    done(shell, "Symmetric key")
}

/// A key belongs to a registration.
fn stored_registration() -> Result<RegistrationId, Refusal> {
    let id_scope = configuration::text(None, ID_SCOPE, "").map_err(Refusal::Configuration)?;
    if id_scope.is_none() {
        return Err(Refusal::Because(
            "the key of which registration? First: azure set provisioning <id scope> [registration id]",
        ));
    }
    stored_registration_id().map_err(Refusal::Configuration)
}

fn store(name: &str, text: &str) -> Result<(), Refusal> {
    storage::store(name, text.as_bytes()).map_err(Refusal::NotStored)
}
