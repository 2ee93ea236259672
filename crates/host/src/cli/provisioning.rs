//! The options of a device that learns its hub from the Device Provisioning Service.

use std::path::PathBuf;
use std::time::Duration;

use azure_device::identity::HostName;
use azure_device::provisioning::{GLOBAL_ENDPOINT, IdScope, RegistrationId};
use azure_device_host::access::Payload;
use clap::Args;

use super::Endpoint;

/// The options of `device` that take the place of a connection string.
#[derive(Args, Debug)]
#[command(next_help_heading = "Device Provisioning Service")]
pub(crate) struct Provisioning {
    /// Ask the provisioning service with this id scope which hub is the device's, instead of taking a
    /// connection string: `az iot dps show -n DPS --query properties.idScope`
    #[arg(long, value_name = "ID", requires = "registration_id", value_parser = IdScope::parse)]
    #[arg(conflicts_with_all = ["connection_string", "connection_string_file"])]
    pub(crate) id_scope: Option<IdScope>,
    /// The registration id of the device's enrolment; with a certificate, the certificate's common name
    #[arg(long, value_name = "ID", requires = "id_scope", value_parser = RegistrationId::parse)]
    pub(crate) registration_id: Option<RegistrationId>,
    /// File with the registration's symmetric key, in base64. Without any key or certificate the
    /// environment variable AZURE_DPS_SYMMETRIC_KEY is used
    #[arg(long, value_name = "FILE", requires = "id_scope")]
    #[arg(conflicts_with_all = ["group_key_file", "certificate"])]
    pub(crate) symmetric_key_file: Option<PathBuf>,
    /// File with the symmetric key of the enrolment group, from which the device derives its own; or the
    /// environment variable AZURE_DPS_GROUP_KEY. It opens every device of the group: give a device in the
    /// field its derived key instead
    #[arg(
        long,
        value_name = "FILE",
        requires = "id_scope",
        conflicts_with = "certificate"
    )]
    pub(crate) group_key_file: Option<PathBuf>,
    /// The service's name, which its certificate must be valid for
    #[arg(long, value_name = "NAME", requires = "id_scope", value_parser = HostName::parse)]
    #[arg(default_value = GLOBAL_ENDPOINT)]
    pub(crate) provisioning_host: HostName,
    /// Connect to the service there, such as to a local hub; the server must still prove that it is
    /// --provisioning-host [default: that host, port 8883]
    #[arg(long, value_name = "HOST:PORT", requires = "id_scope")]
    pub(crate) provisioning_endpoint: Option<Endpoint>,
    /// JSON for a custom allocation policy
    #[arg(long, value_name = "JSON", requires = "id_scope", value_parser = Payload::parse)]
    pub(crate) payload: Option<Payload>,
    /// Seconds without the assigned hub after which the service is asked for another one: from this to twice
    /// as long, drawn at random, and only after 12 failed attempts. The old assignment stays in use until there
    /// is a new one. From 600 to 604800
    #[arg(
        long,
        value_name = "SECONDS",
        requires = "id_scope",
        default_value = "14400"
    )]
    #[arg(value_parser = reprovision_after)]
    pub(crate) reprovision_after: Duration,
    /// Forget the assignment that was kept, and ask the service again
    #[arg(long, requires = "id_scope")]
    pub(crate) reprovision: bool,
}

/// From ten minutes, below which an outage is no reason to ask, to a week.
fn reprovision_after(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds @ 600..=604_800) => Ok(Duration::from_secs(seconds)),
        _ => Err("expected whole seconds from 600 to 604800, such as 14400 for four hours".into()),
    }
}
