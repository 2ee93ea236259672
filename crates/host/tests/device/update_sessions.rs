//! Software updates over sessions with the provisioning service, of a device that the local hub provisions.

use std::time::{Duration, Instant};

use azure_device::backoff;
use azure_device::identity::SharedAccessKey;
use azure_device::provisioning::{Attestation, Enrollment, IdScope, RegistrationId};
use azure_device::update::Channel;
use azure_device_app::App;
use azure_device_host::Options;
use azure_device_host::access::{OwnedAccess, Provisioning};
use azure_device_host::runner::{DeviceThread, Settings};
use azure_device_host::tls::roots_from_pem;
use azure_device_host::update::{RootKeys, UpdateOptions};
use local_hub::{Config, UpdateFault};
use serde_json::Value;

use crate::program::PATIENCE;
use crate::provisioning::{Device, ID, by_keys, primary_key};
use crate::updates::{ALWAYS, Site, id};

/// Starts a device that asks every two seconds.
fn start(site: &Site, key: &str) -> DeviceThread {
    let endpoint = site.hub.endpoint();
    let backoff = backoff::Config {
        max: Duration::from_secs(1),
        ..backoff::Config::default()
    };
    let provisioning = Provisioning {
        host_name: "localhost".into(),
        address: Some(endpoint.ip().to_string()),
        port: endpoint.port(),
        backoff,
        ..Provisioning::default()
    };
    let registration = Enrollment::new(
        IdScope::parse(site.hub.id_scope()).unwrap(),
        RegistrationId::parse(ID).unwrap(),
        Attestation::SymmetricKey(SharedAccessKey::from_base64(key).unwrap()),
    );
    let roots = roots_from_pem(site.hub.ca_pem().as_bytes(), "test").unwrap();
    let mut options = Options::new("test", roots).unwrap();
    options.status_lines = false;
    let keys = RootKeys::read(&site.hub.update_root_keys()).unwrap();
    options.updates = Some(UpdateOptions {
        patience: 3,
        channel: Channel::Provisioning {
            poll: Duration::from_secs(2),
        },
        ..UpdateOptions::new(site.folder.path(), "Contoso", "Toaster", keys)
    });
    let settings = Settings {
        address: Some(endpoint.ip().to_string()),
        port: endpoint.port(),
        telemetry_interval: Some(Duration::from_millis(100)),
        backoff,
        ..Settings::default()
    };
    let access = OwnedAccess::Provisioning(registration, provisioning);
    DeviceThread::start(access, settings, options, App::default()).unwrap()
}

/// Waits until the offer is in this state, and gives its report.
fn report(site: &Site, state: &str) -> Value {
    let start = Instant::now();
    loop {
        let offered = site.hub.offered_update(ID);
        if offered["state"] == state {
            return offered["report"].clone();
        }
        assert!(start.elapsed() < PATIENCE, "{offered:#}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn installed(site: &Site) -> Value {
    let twin = site.hub.twin(ID).unwrap();
    twin["properties"]["reported"]["firmwareVersion"].clone()
}

#[test]
fn a_provisioned_device_is_updated_whatever_the_service_answers_at_first_and_a_failure_is_reported()
{
    let site = Site::with(Config::temporary());
    let key = primary_key(&site.hub.enroll(ID, by_keys()).unwrap());
    for fault in [
        UpdateFault::Onboarding { status: 409 },
        UpdateFault::Get { status: 429 },
        UpdateFault::Get { status: 500 },
        UpdateFault::Report { status: 429 },
        UpdateFault::Report { status: 500 },
    ] {
        site.hub.inject_update_fault(fault, 1);
    }
    site.hub.offer_update(&id("1.1.0"), ID, false).unwrap();
    let device = start(&site, &key);
    let done = report(&site, "Succeeded");
    assert_eq!(done["installedUpdateId"]["version"], "1.1.0");
    assert_eq!(done["installResult"]["resultCode"], 700);
    assert_eq!(installed(&site), "1.1.0");
    let twin = site.hub.twin(ID).unwrap();
    assert_eq!(twin["properties"]["reported"]["deviceUpdate"], Value::Null);

    site.import("1.2.0", "1.2.0");
    site.hub.inject_update_fault(UpdateFault::WrongHash, ALWAYS);
    site.hub.offer_update(&id("1.2.0"), ID, false).unwrap();
    let failed = report(&site, "Failed");
    let details = failed["installResult"]["resultDetails"].as_str().unwrap();
    assert!(details.contains("its SHA-256 differs"), "{details}");
    assert_eq!(failed["installedUpdateId"]["version"], "1.1.0");
    assert_eq!(installed(&site), "1.1.0");
    device.stop();
}

#[test]
fn an_update_that_is_offered_before_the_registration_is_installed() {
    let site = Site::with(Config::temporary());
    let key = primary_key(&site.hub.enroll(ID, by_keys()).unwrap());
    site.hub
        .inject_update_fault(UpdateFault::Onboarding { status: 503 }, 1);
    site.hub.offer_update(&id("1.1.0"), ID, true).unwrap();
    let device = start(&site, &key);
    let done = report(&site, "Succeeded");
    assert_eq!(done["installedUpdateId"]["version"], "1.1.0");
    assert_eq!(installed(&site), "1.1.0");
    device.stop();
}

#[test]
fn the_program_takes_an_update_by_a_session_that_its_options_ask_for() {
    let site = Site::with(Config::temporary());
    let key = primary_key(&site.hub.enroll(ID, by_keys()).unwrap());
    site.hub.offer_update(&id("1.1.0"), ID, true).unwrap();
    let keys = site.hub.update_root_keys();
    let mut device = Device::with_key(&site.hub, &key);
    device.options(&["--update-folder", site.folder.path().to_str().unwrap()]);
    device.options(&["--update-root-keys", keys.to_str().unwrap()]);
    device.options(&["--update-manufacturer", "Contoso"]);
    device.options(&["--update-model", "Toaster", "--update-channel", "dps"]);
    let program = device.start(&["--interval", "0.2"]);
    let done = report(&site, "Succeeded");
    assert_eq!(done["installedUpdateId"]["version"], "1.1.0");
    program.wait_for("1.1.0 is installed, and is kept");
    assert_eq!(installed(&site), "1.1.0");
}
