//! `azure-device device --id-scope …`: the enrolment, and where its assignment is kept.

use std::env;
use std::path::Path;

use azure_device::identity::SharedAccessKey;
use azure_device::port::Storage;
use azure_device::provisioning::{Attestation, Enrollment, IdScope, Kept, RegistrationId};
use azure_device_host::access::{self, OwnedAccess};
use azure_device_host::storage::FileStorage;
use azure_device_host::text_file::read_text;
use zeroize::Zeroizing;

use super::device::TOKEN_LIFE;
use super::{CommandError, state};
use crate::cli::Device;

/// Environment variable with the registration's key. It is read if no option gives a key.
const KEY_VARIABLE: &str = "AZURE_DPS_SYMMETRIC_KEY";
/// Environment variable with the group's key. It is read if no option gives a key.
const GROUP_KEY_VARIABLE: &str = "AZURE_DPS_GROUP_KEY";

/// Way to the service, and the device's folder; `None` if the service is not to be asked.
pub(super) fn access(
    arguments: &Device,
) -> Result<Option<(OwnedAccess, FileStorage)>, CommandError> {
    let options = &arguments.provisioning;
    let (Some(id_scope), Some(registration_id)) = (&options.id_scope, &options.registration_id)
    else {
        return Ok(None);
    };
    let enrollment = enrollment(arguments, id_scope, registration_id)?;
    let storage = storage(arguments, id_scope, registration_id)?;
    let defaults = access::Provisioning::default();
    let endpoint = options.provisioning_endpoint.clone();
    let (address, port) = endpoint.map_or((None, None), |endpoint| {
        (Some(endpoint.host), endpoint.port)
    });
    let provisioning = access::Provisioning {
        host_name: options.provisioning_host.as_str().into(),
        address,
        port: port.unwrap_or(defaults.port),
        payload: options.payload.clone(),
        reprovision_after: options.reprovision_after,
        ..defaults
    };
    Ok(Some((
        OwnedAccess::Provisioning(enrollment, provisioning),
        storage,
    )))
}

/// The registration, with the one proof that was given; options win over the environment.
fn enrollment(
    arguments: &Device,
    id_scope: &IdScope,
    registration_id: &RegistrationId,
) -> Result<Enrollment, CommandError> {
    let options = &arguments.provisioning;
    let own = |attestation| Enrollment::new(id_scope.clone(), registration_id.clone(), attestation);
    let by_key = |key| own(Attestation::SymmetricKey(key));
    let of_group = |key| Enrollment::of_group(id_scope.clone(), registration_id.clone(), &key);
    if arguments.certificate.is_some() {
        if arguments.token_life.is_some() {
            return Err(TOKEN_LIFE.into());
        }
        return Ok(own(Attestation::X509));
    }
    if let Some(file) = &options.symmetric_key_file {
        return key_from_file(file).map(by_key);
    }
    if let Some(file) = &options.group_key_file {
        return key_from_file(file).map(of_group);
    }
    match (variable(KEY_VARIABLE), variable(GROUP_KEY_VARIABLE)) {
        (Some(text), None) => key(&text, KEY_VARIABLE).map(by_key),
        (None, Some(text)) => key(&text, GROUP_KEY_VARIABLE).map(of_group),
        (Some(_), Some(_)) => Err(format!(
            "both {KEY_VARIABLE} and {GROUP_KEY_VARIABLE} are set; unset the one that is not meant"
        )
        .into()),
        (None, None) => Err(format!(
            "the registration has nothing to prove itself with; give its key with --symmetric-key-file \
             or {KEY_VARIABLE}, its group's with --group-key-file or {GROUP_KEY_VARIABLE}, or its \
             certificate with --certificate and --key"
        )
        .into()),
    }
}

fn variable(name: &str) -> Option<Zeroizing<String>> {
    env::var(name).ok().map(Zeroizing::new)
}

fn key_from_file(file: &Path) -> Result<SharedAccessKey, CommandError> {
    let text = read_text("symmetric key", file)?;
    key(&text, &file.display().to_string())
}

fn key(text: &str, origin: &str) -> Result<SharedAccessKey, CommandError> {
    SharedAccessKey::from_base64(text.trim())
        .map_err(|error| format!("{origin}: the symmetric key {error}").into())
}

fn storage(
    arguments: &Device,
    id_scope: &IdScope,
    registration_id: &RegistrationId,
) -> Result<FileStorage, CommandError> {
    // A colon is the one character of a registration id that some file systems do not take.
    let registration = registration_id.as_str().replace(':', "%3a");
    let mut storage = state::folder(arguments, id_scope.as_str(), &registration)?;
    let folder = storage.folder().to_owned();
    if arguments.provisioning.reprovision {
        let removed = storage
            .remove(Kept::STORAGE_KEY)
            .and_then(|()| storage.remove(Kept::PAYLOAD_STORAGE_KEY));
        removed.map_err(|error| {
            format!(
                "--reprovision: the assignment in {} cannot be removed: {error:?}; check who may write there",
                folder.display()
            )
        })?;
    }
    log::debug!("the assignment is kept in {}", folder.display());
    Ok(storage)
}
