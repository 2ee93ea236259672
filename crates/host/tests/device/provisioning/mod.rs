//! A device that knows only an id scope is told its hub, joins it, and remembers it.

mod ends;
mod joining;
mod kept;
mod options;

use std::path::PathBuf;
use std::time::Duration;

use azure_device::backoff;
use azure_device::identity::SharedAccessKey;
use azure_device::provisioning::{Attestation as Proof, Enrollment as Registration};
use azure_device::provisioning::{IdScope, RegistrationId};
use azure_device_app::App;
use azure_device_host::access::{OwnedAccess, Provisioning};
use azure_device_host::runner::DeviceThread;
use local_hub::{Attestation, Enrollment, Event, Hub, SymmetricKeys};

use crate::program::{PATIENCE, Program};
use crate::support::start_access;

/// A key that no enrolment has.
const OTHER_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// The name of a device of these tests.
pub(crate) const ID: &str = "dev-01";

pub(crate) fn by_keys() -> Enrollment {
    Enrollment::new(Attestation::SymmetricKey(SymmetricKeys::generated()))
}

/// Enrols `dev-01`; gives its key.
fn enroll(hub: &Hub, enrollment: Enrollment) -> String {
    primary_key(&hub.enroll(ID, enrollment).unwrap())
}

/// Enrols `dev-01` with a service that asks for no pause; gives its key.
fn enroll_at_once(hub: &Hub) -> String {
    enroll(
        hub,
        Enrollment {
            retry_after: 0,
            ..by_keys()
        },
    )
}

pub(crate) fn primary_key(enrollment: &Enrollment) -> String {
    match &enrollment.attestation {
        Attestation::SymmetricKey(keys) => keys.primary_key.clone(),
        other => panic!("{other:?}"),
    }
}

/// Starts `dev-01` in this process, with this key for the provisioning service.
pub(crate) fn start_with_key(hub: &Hub, key: &str) -> DeviceThread {
    // Waits for an operator are half of this at least.
    let backoff = backoff::Config {
        max: Duration::from_secs(1),
        ..backoff::Config::default()
    };
    let provisioning = Provisioning {
        host_name: "localhost".into(),
        address: Some(hub.endpoint().ip().to_string()),
        port: hub.endpoint().port(),
        backoff,
        ..Provisioning::default()
    };
    let registration = Registration::new(
        IdScope::parse(hub.id_scope()).unwrap(),
        RegistrationId::parse(ID).unwrap(),
        Proof::SymmetricKey(SharedAccessKey::from_base64(key).unwrap()),
    );
    start_access(
        hub,
        OwnedAccess::Provisioning(registration, provisioning),
        |settings| settings.backoff = backoff,
        App::default(),
    )
}

/// Arguments that a device of these tests is started with. Its files and its state outlive the program.
pub(crate) struct Device {
    folder: tempfile::TempDir,
    arguments: Vec<String>,
}

impl Device {
    fn new(hub: &Hub) -> Self {
        let mut device = Self {
            folder: tempfile::tempdir().unwrap(),
            arguments: vec!["device".into()],
        };
        let endpoint = hub.endpoint().to_string();
        device.file("--ca", hub.ca_pem());
        device.options(&["--provisioning-host", "localhost"]);
        device.options(&[
            "--provisioning-endpoint",
            &endpoint,
            "--endpoint",
            &endpoint,
        ]);
        let state = device.state().to_str().unwrap().to_owned();
        device.options(&["--state", &state]);
        device
    }

    pub(crate) fn with_key(hub: &Hub, key: &str) -> Self {
        let mut device = Self::new(hub);
        device.options(&["--id-scope", hub.id_scope(), "--registration-id", ID]);
        device.file("--symmetric-key-file", key);
        device
    }

    fn with_certificate(hub: &Hub, certificate_pem: &str, key_pem: &str) -> Self {
        let mut device = Self::new(hub);
        device.options(&["--id-scope", hub.id_scope(), "--registration-id", ID]);
        device.file("--certificate", certificate_pem);
        device.file("--key", key_pem);
        device
    }

    pub(crate) fn options(&mut self, options: &[&str]) {
        self.arguments
            .extend(options.iter().map(ToString::to_string));
    }

    fn file(&mut self, option: &str, text: &str) {
        let path = self.folder.path().join(&option[2..]);
        std::fs::write(&path, text).unwrap();
        self.options(&[option, path.to_str().unwrap()]);
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    pub(crate) fn start(&self, more: &[&str]) -> Program {
        let arguments = self.arguments.iter().map(String::as_str);
        Program::start(&arguments.chain(more.iter().copied()).collect::<Vec<_>>())
    }

    /// Starts it, and gives what its first failed attempt says.
    #[track_caller]
    fn failure(&self) -> String {
        let program = self.start(&[]);
        let line = program.wait_for("[attempt 1, next in ");
        let (before, _) = line.split_once(" [attempt").unwrap();
        assert!(before.contains(ID), "{line}");
        let (_, message) = before.split_once(" ERROR ").expect(&line);
        message.trim().to_owned()
    }
}

/// Waits until the device called `id` has sent something.
#[track_caller]
fn assert_sends(hub: &Hub, id: &str) {
    let sent = |events: &[Event]| events.iter().any(|e| e.origin.device_id == id);
    let (found, events) = hub.wait_for_events(PATIENCE, sent);
    assert!(found, "{events:?}");
}
