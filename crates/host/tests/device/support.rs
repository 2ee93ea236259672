//! Hubs, devices on threads, and an application that tests can look into.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use azure_device::application::{self, Application, CloudMessage, Context, Receipt, Stream};
use azure_device::identity::ConnectionString;
use azure_device_app::App;
use azure_device_host::Options;
use azure_device_host::access::OwnedAccess;
use azure_device_host::runner::{DeviceThread, Settings};
use azure_device_host::tls::{ClientIdentity, roots_from_pem};
use local_hub::{Config, DeviceCertificate, Event, Hub};
use serde_json::{Value, json};

use crate::program::{Access, PATIENCE};

/// A cloud-to-device message as a device took it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) body: Vec<u8>,
    /// Decoded, in order; `None` for a key without a value.
    pub(crate) properties: Vec<(String, Option<String>)>,
    /// True if the hub has sent it before.
    pub(crate) redelivered: bool,
}

/// The product's application; what it takes goes to the test as well.
#[derive(Clone)]
pub(crate) struct Tested {
    app: App,
    taken: mpsc::Sender<Taken>,
}

impl Tested {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Taken>) {
        let (taken, receiver) = mpsc::channel();
        let app = App::default();
        (Self { app, taken }, receiver)
    }
}

impl Application for Tested {
    const STREAMS: &'static [Stream<Self>] = &[Stream::new("telemetry", |tested, message, _| {
        tested.app.sample(message)
    })];

    fn handle(&mut self, event: application::Event<'_>, device: &mut Context<'_>) {
        self.app.handle(event, device);
    }

    fn receive(&mut self, message: &CloudMessage<'_>, device: &mut Context<'_>) -> Receipt {
        let receipt = self.app.receive(message, device);
        let properties = message
            .properties
            .properties()
            .map(|property| property.unwrap())
            .map(|property| {
                (
                    property.key.to_string(),
                    property.value.map(|value| value.to_string()),
                )
            })
            .collect();
        let body = message.body.to_vec();
        // A test that does not care has dropped its end.
        let _ = self.taken.send(Taken {
            body,
            properties,
            redelivered: message.redelivered,
        });
        receipt
    }
}

pub(crate) fn hub() -> Hub {
    Hub::start(Config::temporary()).unwrap()
}

/// Returns the data with which the device of `connection_string` joins `hub`.
pub(crate) fn access<'a>(hub: &'a Hub, connection_string: &'a str) -> Access<'a> {
    Access {
        connection_string,
        ca_pem: hub.ca_pem(),
        endpoint: hub.endpoint().to_string(),
        certificate: None,
    }
}

/// The same for a device with a certificate.
pub(crate) fn x509_access<'a>(hub: &'a Hub, device: &'a DeviceCertificate) -> Access<'a> {
    Access {
        certificate: Some((&device.certificate_pem, &device.key_pem)),
        ..access(hub, &device.connection_string)
    }
}

/// Starts a device that sends ten messages a second, with changed settings.
pub(crate) fn start(
    access: &Access<'_>,
    change: impl FnOnce(&mut Settings),
) -> (DeviceThread, mpsc::Receiver<Taken>) {
    let (application, taken) = Tested::new();
    (start_with(access, change, application), taken)
}

/// The same with another application.
pub(crate) fn start_with(
    access: &Access<'_>,
    change: impl FnOnce(&mut Settings),
    application: impl Application + Clone + Send,
) -> DeviceThread {
    let identity = ConnectionString::parse(access.connection_string).unwrap();
    let certificate = access.certificate.map(|(certificate, key)| {
        let (certificate, key) = ((certificate.as_bytes(), "test"), (key.as_bytes(), "test"));
        ClientIdentity::from_pem(certificate, key).unwrap()
    });
    let trust = (access.ca_pem, access.endpoint.as_str());
    launch(identity.into(), trust, certificate, change, application)
}

/// The same for any way to a hub.
pub(crate) fn start_access(
    hub: &Hub,
    access: OwnedAccess,
    change: impl FnOnce(&mut Settings),
    application: impl Application + Clone + Send,
) -> DeviceThread {
    let trust = (hub.ca_pem(), &*hub.endpoint().to_string());
    launch(access, trust, None, change, application)
}

fn launch(
    access: OwnedAccess,
    (ca_pem, endpoint): (&str, &str),
    certificate: Option<ClientIdentity>,
    change: impl FnOnce(&mut Settings),
    application: impl Application + Clone + Send,
) -> DeviceThread {
    let roots = roots_from_pem(ca_pem.as_bytes(), "the hub's CA").unwrap();
    let mut options = Options::new(access.name(), roots).unwrap();
    options.status_lines = false;
    options.identity = certificate;
    let (address, port) = endpoint.rsplit_once(':').unwrap();
    let mut settings = Settings {
        address: Some(address.into()),
        port: port.parse().unwrap(),
        telemetry_interval: Some(Duration::from_millis(100)),
        ..Settings::default()
    };
    change(&mut settings);
    DeviceThread::start(access, settings, options, application).unwrap()
}

/// Returns the reported properties of a device's twin.
pub(crate) fn reported(hub: &Hub, id: &str) -> Value {
    hub.twin(id).unwrap()["properties"]["reported"].clone()
}

/// Waits until what the device reports is as `wanted` says; gives it.
#[track_caller]
pub(crate) fn wait_for_reported(hub: &Hub, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let reported = reported(hub, id);
        if wanted(&reported) {
            return reported;
        }
        assert!(Instant::now() < deadline, "{reported:#}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Changes desired properties.
pub(crate) fn desire(hub: &Hub, id: &str, desired: Value) {
    let patch = json!({ "properties": { "desired": desired } });
    hub.patch_twin(id, &patch).unwrap();
}

/// The `count` that the application wrote into a message.
pub(crate) fn count(event: &Event) -> u64 {
    let body = str::from_utf8(&event.body).unwrap();
    let after = body.split_once("\"count\":").unwrap().1;
    after
        .split([',', '}'])
        .next()
        .unwrap()
        .trim()
        .parse()
        .unwrap()
}

/// Asserts that every message from the first to the last arrived, but for those that the device counted as not
/// measured, and that the stream goes back, to send something again, at most once per reconnect.
#[track_caller]
pub(crate) fn assert_complete_and_in_order(counts: &[u64], reconnects: usize, not_sampled: u64) {
    let last = *counts.iter().max().unwrap();
    let missing: Vec<_> = (1..=last).filter(|count| !counts.contains(count)).collect();
    assert!(
        missing.len() as u64 <= not_sampled,
        "{missing:?} of {last} never arrived, and {not_sampled} were not measured"
    );
    let goes_back = counts.windows(2).filter(|pair| pair[1] <= pair[0]).count();
    assert!(
        goes_back <= reconnects,
        "out of order {goes_back} times in {reconnects} reconnects: {counts:?}"
    );
}
