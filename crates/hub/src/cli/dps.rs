//! `local-hub dps …`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use hyper::Method;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value, json};

use super::client::Call;
use super::output::print;
use super::shape::Shape;
use super::target::Target;
use super::{Failure, enrollment};
use crate::credentials::{percent, x509};
use crate::dps;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Print the id scope
    IdScope(Target),
    /// Print names of the service; the id scope is properties.idScope
    Show(Show),
    /// Enrolments of one registration, in the words of `az`
    #[command(subcommand)]
    Enrollment(enrollment::Individual),
    /// Enrolments of groups, in the words of `az`
    #[command(subcommand)]
    EnrollmentGroup(enrollment::Group),
    /// Enrol one registration, and print its enrolment
    Enroll(Enroll),
    /// Enrol a group of registrations, and print its enrolment
    EnrollGroup(EnrollGroup),
    /// Remove the enrolment of one registration
    Remove(One),
    /// Remove a group
    RemoveGroup(One),
    /// Print the key of a registration of a group
    ComputeDeviceKey {
        /// File with the group's key, in base64. Without it the environment variable LOCAL_HUB_GROUP_KEY is
        /// used
        #[arg(long, value_name = "FILE")]
        key_file: Option<PathBuf>,
        /// The group's key itself; others on this computer may see it in the list of processes
        #[arg(long, value_name = "BASE64", conflicts_with = "key_file")]
        key: Option<String>,
        /// The registration id
        #[arg(long, visible_alias = "rid", value_name = "ID")]
        registration_id: String,
    },
}

#[derive(Args)]
pub(super) struct Show {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    shape: Shape,
}

/// One enrolment of one hub.
#[derive(Args)]
pub(super) struct One {
    /// The registration id, or the group's name
    id: String,
    #[command(flatten)]
    target: Target,
}

/// Outcome of a registration.
#[derive(Args)]
struct Fate {
    /// Enrol, but provision nobody
    #[arg(long)]
    disabled: bool,
    /// Answer "assigning" this often first
    #[arg(long, value_name = "N", default_value_t = 0)]
    assigning: u32,
    /// Seconds after which the device is asked to come back
    #[arg(long, value_name = "SECONDS", default_value_t = 3)]
    retry_after: u32,
    /// Fail the allocation with this error code, such as 400207
    #[arg(long, value_name = "CODE")]
    fail: Option<u32>,
    /// Replace the enrolment that is there; symmetric keys stay as they are
    #[arg(long)]
    replace: bool,
}

#[derive(Args)]
pub(super) struct Enroll {
    #[command(flatten)]
    one: One,
    /// The device's certificate (PEM); without it, it has symmetric keys, which are made
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// The device id, if it is not the registration id
    #[arg(long, value_name = "ID")]
    device_id: Option<String>,
    #[command(flatten)]
    fate: Fate,
}

#[derive(Args)]
pub(super) struct EnrollGroup {
    #[command(flatten)]
    one: One,
    /// The CA of the devices' certificates (PEM); without it, the group has symmetric keys, which are made
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    #[command(flatten)]
    fate: Fate,
}

impl Command {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::IdScope(target) => {
                let service = target
                    .operator()?
                    .call(Call::new(Method::GET, "/provisioning"))?;
                print(service["idScope"].as_str().unwrap_or_default())
            }
            Self::Show(Show { target, shape }) => {
                let operator = target.operator()?;
                let service = operator.call(Call::new(Method::GET, "/provisioning"))?;
                let host_name = operator.host_name();
                shape.print(&json!({
                    "name": host_name,
                    "properties": {
                        "deviceProvisioningHostName": host_name,
                        "idScope": service["idScope"],
                        "serviceOperationsHostName": host_name,
                    },
                }))
            }
            Self::Enrollment(command) => command.run(),
            Self::EnrollmentGroup(command) => command.run(),
            Self::Enroll(Enroll {
                one,
                certificate: file,
                device_id,
                fate,
            }) => {
                let attestation = match &file {
                    None => symmetric_key(),
                    Some(file) => certificate(file)?,
                };
                let mut body = fate.body(attestation);
                body["deviceId"] = json!(device_id);
                one.put(false, body, fate.replace)
            }
            Self::EnrollGroup(EnrollGroup { one, ca, fate }) => {
                let attestation = match &ca {
                    None => symmetric_key(),
                    Some(file) => authority(file)?,
                };
                one.put(true, fate.body(attestation), fate.replace)
            }
            Self::Remove(one) => one.remove(false),
            Self::RemoveGroup(one) => one.remove(true),
            Self::ComputeDeviceKey {
                key_file,
                key,
                registration_id,
            } => {
                let key = group_key(key_file.as_ref(), key)?;
                match dps::derive(key.trim(), &registration_id) {
                    Some(key) => print(&key),
                    None => Err(Failure("the group's key is not base64".into())),
                }
            }
        }
    }
}

/// The group's key: from the file, from the option or from the environment.
fn group_key(file: Option<&PathBuf>, option: Option<String>) -> Result<String, Failure> {
    const VARIABLE: &str = "LOCAL_HUB_GROUP_KEY";
    match (file, option) {
        (Some(file), _) => read(file),
        (None, Some(key)) => Ok(key),
        (None, None) => std::env::var(VARIABLE).map_err(|_| {
            Failure(format!(
                "no group key; give its file with --key-file, or set {VARIABLE}"
            ))
        }),
    }
}

/// The attestation by a device's certificate, by its thumbprint.
pub(super) fn certificate(file: &PathBuf) -> Result<Value, Failure> {
    let der = CertificateDer::from_pem_slice(read(file)?.as_bytes()).map_err(|_| {
        let file = file.display();
        Failure(format!("{file} is not a certificate in PEM form"))
    })?;
    Ok(json!({ "type": "x509Thumbprint", "thumbprint": x509::sha256_thumbprint(&der) }))
}

/// The attestation by certificates under a CA.
pub(super) fn authority(file: &PathBuf) -> Result<Value, Failure> {
    Ok(json!({ "type": "x509Ca", "certificate": read(file)? }))
}

/// Keys that the hub makes.
pub(super) fn symmetric_key() -> Value {
    json!({ "type": "symmetricKey", "primaryKey": "", "secondaryKey": "" })
}

fn read(file: &PathBuf) -> Result<String, Failure> {
    std::fs::read_to_string(file)
        .map_err(|error| Failure(format!("cannot read {}: {error}", file.display())))
}

impl Fate {
    fn body(&self, attestation: Value) -> Value {
        let failure = self.fail.map(|code| (code, "Allocation failed"));
        json!({
            "attestation": attestation,
            "status": if self.disabled { "disabled" } else { "enabled" },
            "assigning": self.assigning,
            "retryAfter": self.retry_after,
            "failure": failure,
        })
    }
}

impl One {
    fn path(&self, group: bool) -> String {
        let collection = if group {
            "/provisioning/enrollmentGroups"
        } else {
            "/provisioning/enrollments"
        };
        format!("{collection}/{}", percent::encode(&self.id))
    }

    fn put(&self, group: bool, body: Value, replace: bool) -> Result<(), Failure> {
        let path = self.path(group);
        let mut call = Call::new(Method::PUT, &path).with(body);
        if replace {
            call = call.existing();
        }
        let enrollment = self.target.operator()?.call(call)?;
        let shown = enrollment::as_az_shows(&self.id, group, &enrollment, true);
        print(&format!("{shown:#}"))
    }

    fn remove(&self, group: bool) -> Result<(), Failure> {
        let path = self.path(group);
        self.target
            .operator()?
            .call(Call::new(Method::DELETE, &path))?;
        Ok(())
    }
}
