//! `azure set provisioning`, `symmetric-key`, `group-key` and `provisioning-host`.

#![forbid(unsafe_code)]

use azure_device::identity::{HostName, SharedAccessKey};
use azure_device::port::{Storage, StorageError};
use azure_device::provisioning::{Assignment, Enrollment, IdScope, Kept, RegistrationId};
use azure_device::sas;

use super::{Refusal, Stored, Then, done, say, set_text};
use crate::configuration;
use crate::ffi::Shell;
use crate::provisioning::{
    ENROLMENT, EnrollmentError, HOST, SYMMETRIC_KEY, enrolment_text, registration_id,
    stored_enrolment,
};
use crate::storage::{self, DeviceValues};

/// Part of an assignment that the core keeps.
const ASSIGNED: [&str; 2] = [Kept::STORAGE_KEY, Kept::PAYLOAD_STORAGE_KEY];

/// The hub that was assigned, for `azure status`.
pub(super) fn assignment(enrollment: &Enrollment) -> Option<Assignment> {
    Kept::load(&mut DeviceValues, enrollment).map(|kept| kept.assignment)
}

/// Forgets the enrolment and what came of it.
pub(super) fn forget() -> Result<(), StorageError> {
    for name in [ENROLMENT, SYMMETRIC_KEY] {
        storage::remove(name)?;
    }
    ASSIGNED
        .iter()
        .try_for_each(|name| DeviceValues.remove(name))
}

/// Sets the enrolment; from now on DPS names the hub, not a connection string.
pub(super) fn set_provisioning(
    shell: Shell<'_>,
    id_scope: &str,
    given: Option<&str>,
) -> Result<(), Refusal> {
    let id_scope = IdScope::parse(id_scope).map_err(EnrollmentError::IdScope)?;
    let id = registration_id(given)?;
    // The key was of the old registration.
    forget().map_err(Refusal::NotStored)?;
    let text = enrolment_text(&id_scope, given.map(|_| &id));
    storage::store(ENROLMENT, text.as_bytes()).map_err(Refusal::NotStored)?;
    storage::remove(configuration::CONNECTION_STRING).map_err(Refusal::NotStored)?;
    say!(
        shell,
        "Registration {} in {}. It proves itself with a certificate, or a key: azure set symmetric-key, azure set group-key.",
        id.as_str(),
        id_scope.as_str()
    );
    done(shell, Stored("Enrolment", Then::Reconfigure));
    Ok(())
}

/// Sets the endpoint of a provisioning service that is not the public cloud's.
pub(super) fn set_host(shell: Shell<'_>, name: &str) -> Result<(), Refusal> {
    HostName::parse(name).map_err(EnrollmentError::HostName)?;
    set_text(shell, HOST, name)
}

/// Stores the key of an individual enrolment, or one that was derived elsewhere.
pub(super) fn set_symmetric_key(text: &str) -> Result<Stored, Refusal> {
    stored_registration()?;
    store_key(&key(text)?)
}

/// Derives the device's key from the group's, which is not kept: it would open every device of the group.
pub(super) fn set_group_key(text: &str) -> Result<Stored, Refusal> {
    let id = stored_registration()?;
    store_key(&sas::derive_device_key(&key(text)?, id.as_str()))
}

fn key(text: &str) -> Result<SharedAccessKey, Refusal> {
    let key = SharedAccessKey::from_base64(text.trim()).map_err(EnrollmentError::Key);
    Ok(key?)
}

fn store_key(key: &SharedAccessKey) -> Result<Stored, Refusal> {
    storage::store(SYMMETRIC_KEY, key.expose()).map_err(Refusal::NotStored)?;
    Ok(Stored("Symmetric key", Then::Reconfigure))
}

/// A key belongs to a registration.
fn stored_registration() -> Result<RegistrationId, Refusal> {
    match stored_enrolment().map_err(Refusal::Configuration)? {
        Some((_, id)) => Ok(id),
        None => Err(Refusal::Because(
            "the key of which registration? First: azure set provisioning <id scope> [registration id]",
        )),
    }
}
