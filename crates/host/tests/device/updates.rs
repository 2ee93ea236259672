//! Software updates: a device on a thread, a local hub that publishes them, and everything that goes wrong between them.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use azure_device::backoff;
use azure_device::identity::ConnectionString;
use azure_device_app::App;
use azure_device_host::Options;
use azure_device_host::runner::{DeviceThread, Settings};
use azure_device_host::tls::roots_from_pem;
use azure_device_host::update::{RootKeys, Slots, UpdateOptions};
use local_hub::{Config, Fault, Hub, Import, UpdateFault, UpdateId};
use serde_json::Value;
use tempfile::TempDir;

use crate::program::PATIENCE;
use crate::support::{assert_complete_and_in_order, count};

pub(crate) const DEVICE: &str = "toaster";
/// A fault for as long as a test runs.
pub(crate) const ALWAYS: u32 = 1000;

/// A hub that publishes updates, and the folder of a device's images.
pub(crate) struct Site {
    pub(crate) hub: Hub,
    pub(crate) connection_string: String,
    pub(crate) folder: TempDir,
}

pub(crate) fn id(version: &str) -> UpdateId {
    UpdateId {
        provider: "Contoso".into(),
        name: "Toaster".into(),
        version: version.into(),
    }
}

impl Site {
    fn new() -> Self {
        Self::with(Config::temporary())
    }

    /// A hub of this configuration that serves files.
    pub(crate) fn with(config: Config) -> Self {
        let hub = Hub::start(Config {
            updates: Some(([127, 0, 0, 1], 0).into()),
            ..config
        })
        .unwrap();
        let connection_string = hub.create_sas_device(DEVICE).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let site = Self {
            hub,
            connection_string,
            folder,
        };
        site.import("1.1.0", "1.1.0");
        site
    }

    /// Imports an update whose image says that it has this version.
    pub(crate) fn import(&self, version: &str, says: &str) {
        let rest: Vec<u8> = (0..60_000_u32).map(|at| (at % 249) as u8).collect();
        let compatibility = [
            ("deviceManufacturer", "Contoso"),
            ("deviceModel", "Toaster"),
        ];
        let set: BTreeMap<_, _> = compatibility
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        let import = Import {
            id: id(version),
            compatibility: vec![set],
            file_name: "image.bin".into(),
            installed_criteria: None,
        };
        let image = Slots::image(says, &rest);
        self.hub.import_update(import, &image).unwrap();
    }

    /// Starts the device, and waits until the hub knows that it takes updates.
    fn start(&self) -> DeviceThread {
        self.start_with(None)
    }

    /// The same with a limit of the rate, in bytes a second.
    pub(crate) fn start_with(&self, rate: Option<u32>) -> DeviceThread {
        let roots = roots_from_pem(self.hub.ca_pem().as_bytes(), "test").unwrap();
        let keys = RootKeys::read(&self.hub.update_root_keys()).unwrap();
        let updates = UpdateOptions::new(self.folder.path(), "Contoso", "Toaster", keys);
        let mut options = Options::new("test", roots).unwrap();
        options.status_lines = false;
        options.updates = Some(UpdateOptions {
            trial: Duration::from_secs(5),
            patience: 3,
            rate,
            ..updates
        });
        let settings = Settings {
            address: Some(self.hub.endpoint().ip().to_string()),
            port: self.hub.endpoint().port(),
            telemetry_interval: Some(Duration::from_millis(100)),
            backoff: backoff::Config {
                max: Duration::from_secs(1),
                ..backoff::Config::default()
            },
            ..Settings::default()
        };
        let identity = ConnectionString::parse(&self.connection_string).unwrap();
        let device = DeviceThread::start(identity, settings, options, App::default()).unwrap();
        self.wait(|state| !state["installed"]["version"].is_null());
        device
    }

    /// Waits until the state of the device's update is like this.
    pub(crate) fn wait(&self, mut is_so: impl FnMut(&Value) -> bool) -> Value {
        let start = Instant::now();
        loop {
            let state = self.hub.update_state(DEVICE).unwrap();
            if is_so(&state) {
                return state;
            }
            assert!(start.elapsed() < PATIENCE, "{state:#}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Deploys an update, and waits for the end of it.
    pub(crate) fn deploy(&self, version: &str) -> Value {
        let workflow = self.hub.deploy_update(&id(version), DEVICE).unwrap();
        self.end(&workflow)
    }

    pub(crate) fn end(&self, workflow: &str) -> Value {
        self.wait(|state| {
            let ends = ["Succeeded", "Failed", "Canceled"];
            state["workflow"] == workflow && ends.contains(&state["state"].as_str().unwrap())
        })
    }

    /// Waits until the boot loader's record is like this: the last byte says what is next.
    pub(crate) fn wait_for_boot_loader(&self, is_so: impl Fn(&[u8]) -> bool) {
        wait_for_file(&self.folder.path().join("boot.value"), is_so);
    }
}

pub(crate) fn wait_for_file(path: &Path, is_so: impl Fn(&[u8]) -> bool) {
    let start = Instant::now();
    while !std::fs::read(path).is_ok_and(|bytes| is_so(&bytes)) {
        assert!(start.elapsed() < PATIENCE, "{}", path.display());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn an_update_that_is_published_is_installed_proves_itself_and_is_kept_and_no_message_is_missing() {
    let site = Site::new();
    let device = site.start();
    let state = site.deploy("1.1.0");
    assert_eq!(state["state"], "Succeeded", "{state:#}");
    assert_eq!(state["resultCode"], 700);
    assert_eq!(state["acknowledged"], 200);
    assert_eq!(state["installed"]["version"], "1.1.0");
    let twin = site.hub.twin(DEVICE).unwrap();
    assert_eq!(twin["properties"]["reported"]["firmwareVersion"], "1.1.0");
    // It is kept over a restart of the program, and so is the next one.
    device.stop();
    let device = site.start();
    assert_eq!(site.hub.update_state(DEVICE).unwrap()["state"], "Succeeded");
    site.import("1.2.0", "1.2.0");
    let state = site.deploy("1.2.0");
    assert_eq!(
        (&state["state"], &state["installed"]["version"]),
        (&"Succeeded".into(), &"1.2.0".into())
    );
    let (enough, _) = site.hub.wait_for_events(PATIENCE, |events| {
        let last = events.iter().rposition(|event| count(event) == 1);
        last.is_some_and(|last| events.len() > last + 10)
    });
    assert!(enough);
    device.stop();
    let counts: Vec<_> = site.hub.events().iter().map(count).collect();
    // Each run counts from 1.
    let last = counts.iter().rposition(|count| *count == 1).unwrap();
    assert_complete_and_in_order(&counts[last..], 1, 0);
}

#[test]
fn what_is_installed_already_ends_without_a_download() {
    let site = Site::new();
    let device = site.start();
    let own = env!("CARGO_PKG_VERSION");
    site.import(own, own);
    site.hub
        .inject_update_fault(UpdateFault::Status { status: 404 }, ALWAYS);
    let state = site.deploy(own);
    assert_eq!(
        (&state["state"], &state["resultDetails"]),
        (&"Succeeded".into(), &"already installed".into())
    );
    device.stop();
}

#[test]
fn each_fault_of_a_deployment_or_of_a_file_ends_with_its_reason_and_the_image_before() {
    let site = Site::new();
    let device = site.start();
    for (fault, times, reason) in [
        (UpdateFault::WrongHash, ALWAYS, "its SHA-256 differs"),
        (
            UpdateFault::WrongSize,
            ALWAYS,
            "the file has another length than its manifest says",
        ),
        (
            UpdateFault::Status { status: 404 },
            ALWAYS,
            "the server of the file answered 404",
        ),
        (
            UpdateFault::Status { status: 503 },
            ALWAYS,
            "the server of the file answered 503",
        ),
        (UpdateFault::Redirect, ALWAYS, "redirects to another server"),
        (
            UpdateFault::Cut { bytes: 0 },
            ALWAYS,
            "broke again and again",
        ),
        (
            UpdateFault::WrongSignature,
            1,
            "the signing key did not make the signature",
        ),
        (
            UpdateFault::WrongManifest,
            1,
            "the manifest is not the one that was signed",
        ),
        (
            UpdateFault::UnknownKey,
            1,
            "under a root key that is not known",
        ),
        // Last: what a root key package disables stays disabled.
        (
            UpdateFault::DisabledSigningKey,
            1,
            "the signing key is disabled",
        ),
    ] {
        site.hub.inject_update_fault(fault, times);
        let state = site.deploy("1.1.0");
        site.hub.clear_update_faults();
        assert_eq!(state["state"], "Failed", "{fault}: {state:#}");
        let details = state["resultDetails"].as_str().unwrap();
        assert!(details.contains(reason), "{fault}: {details}");
        assert_ne!(state["extendedResultCode"], 0);
        assert_eq!(state["installed"]["version"], env!("CARGO_PKG_VERSION"));
    }
    device.stop();
}

#[test]
fn a_root_key_that_a_package_disabled_stays_disabled_over_a_restart() {
    let site = Site::new();
    let device = site.start();
    site.hub
        .inject_update_fault(UpdateFault::DisabledRootKey, 1);
    let reason = "under a root key that is disabled";
    assert!(
        site.deploy("1.1.0")["resultDetails"]
            .as_str()
            .unwrap()
            .contains(reason)
    );
    device.stop();
    let device = site.start();
    let state = site.deploy("1.1.0");
    assert!(
        state["resultDetails"].as_str().unwrap().contains(reason),
        "{state:#}"
    );
    device.stop();
}

#[test]
fn a_download_that_is_cut_or_refused_for_a_while_goes_on_and_succeeds() {
    let site = Site::new();
    let device = site.start();
    for (fault, times) in [
        (UpdateFault::Cut { bytes: 9000 }, 3),
        (UpdateFault::Status { status: 503 }, 1),
        (UpdateFault::NoRanges, 1),
    ] {
        site.hub.inject_update_fault(fault, times);
    }
    assert_eq!(site.deploy("1.1.0")["state"], "Succeeded");
    device.stop();
}

#[test]
fn a_download_that_the_end_of_the_program_interrupts_goes_on_where_it_was() {
    let site = Site::new();
    let device = site.start();
    site.hub
        .inject_update_fault(UpdateFault::Slow { rate: 20_000 }, ALWAYS);
    let workflow = site.hub.deploy_update(&id("1.1.0"), DEVICE).unwrap();
    let slot = site.folder.path().join("slot-1.image");
    wait_for_file(&slot, |bytes| bytes.len() > 30_000);
    device.stop();
    let before = std::fs::read(&slot).unwrap();
    assert!(before.len() < 60_000, "the download was over already");
    site.hub.clear_update_faults();
    let device = site.start();
    assert_eq!(site.end(&workflow)["state"], "Succeeded");
    device.stop();
}

#[test]
fn a_workflow_that_is_cancelled_ends_and_one_that_is_replaced_gives_way() {
    let site = Site::new();
    let device = site.start();
    site.import("1.2.0", "1.2.0");
    site.hub
        .inject_update_fault(UpdateFault::Slow { rate: 5000 }, ALWAYS);
    let workflow = site.hub.deploy_update(&id("1.1.0"), DEVICE).unwrap();
    site.wait(|state| state["state"] == "InProgress");
    site.hub.cancel_update(DEVICE).unwrap();
    let state = site.end(&workflow);
    assert_eq!(state["state"], "Canceled", "{state:#}");
    site.wait(|state| state["resultCode"] == -1);

    let slow = site.hub.deploy_update(&id("1.1.0"), DEVICE).unwrap();
    site.wait(|state| state["workflow"] == slow.as_str() && state["state"] == "InProgress");
    site.hub.clear_update_faults();
    let state = site.deploy("1.2.0");
    assert_eq!(
        (&state["state"], &state["installed"]["version"]),
        (&"Succeeded".into(), &"1.2.0".into())
    );
    device.stop();
}

#[test]
fn an_image_that_cannot_join_its_hub_gives_way_to_the_one_before_which_says_so() {
    let site = Site::new();
    let device = site.start();
    // Of CONNECTs that follow: the new image has none that is accepted.
    let refuse = Fault::RefuseConnect {
        code: 3,
        times: ALWAYS,
    };
    site.hub.inject(DEVICE, refuse).unwrap();
    let workflow = site.hub.deploy_update(&id("1.1.0"), DEVICE).unwrap();
    site.wait_for_boot_loader(|record| record.ends_with(b"b"));
    site.wait_for_boot_loader(|record| record.ends_with(b"s"));
    site.hub.clear_faults(DEVICE);
    let state = site.end(&workflow);
    assert_eq!(state["state"], "Failed", "{state:#}");
    let details = state["resultDetails"].as_str().unwrap();
    assert!(
        details.starts_with("the new image did not join its hub in time: "),
        "{details}"
    );
    assert_eq!(state["installed"]["version"], env!("CARGO_PKG_VERSION"));
    device.stop();
}

#[test]
fn an_image_of_another_version_than_its_manifest_says_is_not_kept() {
    let site = Site::new();
    let device = site.start();
    site.import("1.3.0", "1.2.9");
    let state = site.deploy("1.3.0");
    assert_eq!(state["state"], "Failed");
    let details = state["resultDetails"].as_str().unwrap();
    assert!(details.contains("another version"), "{details}");
    device.stop();
}

#[test]
fn an_update_for_other_devices_is_not_deployed() {
    let site = Site::new();
    let device = site.start();
    let import = Import {
        id: id("9.0.0"),
        compatibility: vec![[("deviceModel".to_owned(), "Kettle".to_owned())].into()],
        file_name: "image.bin".into(),
        installed_criteria: None,
    };
    site.hub.import_update(import, b"x").unwrap();
    let error = site.hub.deploy_update(&id("9.0.0"), DEVICE).unwrap_err();
    assert!(error.to_string().contains("other devices"), "{error}");
    let error = site.hub.deploy_update(&id("7.0.0"), DEVICE).unwrap_err();
    assert!(error.to_string().contains("import it first"), "{error}");
    device.stop();
}

#[test]
fn an_operator_has_the_image_before_started_which_is_answered_before_the_restart() {
    let site = Site::new();
    let device = site.start();
    let call = |name: &str| {
        let answer = site.hub.invoke_method(DEVICE, name, &Value::Null, PATIENCE);
        let answer = answer.unwrap();
        (answer.status, answer.payload)
    };
    let (status, answer) = call("rollback");
    assert_eq!(status, 409, "{answer}");
    assert_eq!(site.deploy("1.1.0")["state"], "Succeeded");
    let own = env!("CARGO_PKG_VERSION");
    let (_, answer) = call("getStatus");
    assert_eq!(answer["update"]["state"], "idle");
    assert_eq!(answer["update"]["previous"], own);
    assert_eq!(
        call("rollback"),
        (200, serde_json::json!({ "version": own }))
    );
    let state = site.wait(|state| state["installed"]["version"] == own);
    assert_eq!(state["state"], "Succeeded", "the workflow is what it was");
    site.wait_for_boot_loader(|record| record.ends_with(b"s"));
    let reported = |name: &str| {
        let twin = site.hub.twin(DEVICE).unwrap();
        twin["properties"]["reported"][name].clone()
    };
    site.wait(|_| reported("updateStatus")["previous"] == "1.1.0");
    assert_eq!(reported("firmwareVersion"), own);
    device.stop();
}

#[test]
fn the_twin_tells_the_state_of_an_update_in_tenths() {
    let site = Site::new();
    let device = site.start();
    site.hub
        .inject_update_fault(UpdateFault::Slow { rate: 40_000 }, ALWAYS);
    let workflow = site.hub.deploy_update(&id("1.1.0"), DEVICE).unwrap();
    let mut percents = Vec::new();
    site.wait(|state| {
        let twin = site.hub.twin(DEVICE).unwrap();
        let status = &twin["properties"]["reported"]["updateStatus"];
        if status["state"] == "downloading" {
            assert_eq!(status["version"], "1.1.0");
            percents.push(status["percent"].as_i64().unwrap());
        }
        state["workflow"] == workflow.as_str() && state["state"] == "Succeeded"
    });
    percents.dedup();
    assert!(percents.len() > 2 && percents.is_sorted(), "{percents:?}");
    site.hub.clear_update_faults();
    device.stop();
}
