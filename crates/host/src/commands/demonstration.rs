//! `azure-device` without a command: a hub on loopback and two devices that join it.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anstyle::AnsiColor;
use azure_device::identity::ConnectionString;
use azure_device_app::{App, MODEL_ID};
use azure_device_host::Options;
use azure_device_host::indicator::print_line;
use azure_device_host::runner::{DeviceThread, Settings};
use azure_device_host::tls::{ClientIdentity, roots_from_pem};
use local_hub::{Chain, Config, Hub};

use super::CommandError;
use super::device::summary;
use super::operator::Operator;
use super::person::Person;
use crate::cli::Demonstration;

/// Time between a device's messages, if nothing else was asked for.
const INTERVAL: Duration = Duration::from_secs(1);

/// Time that a hub may take to notice that a device has gone.
const GOODBYE: Duration = Duration::from_secs(5);

/// Runs until Ctrl-C, or until there were enough messages.
pub(crate) fn run(arguments: &Demonstration) -> Result<(), CommandError> {
    let person = Person::listen()?;
    let hub = start_hub()?;
    let interval = arguments.interval.unwrap_or(INTERVAL);
    let devices = [
        Participant::with_symmetric_key(&hub, "sas-device", interval)?,
        Participant::with_certificate(&hub, "x509-device", interval)?,
    ];
    for device in &devices {
        person.takes(device.thread.remote());
    }

    let mut operator = Operator::new(&hub, devices.iter().map(|device| device.id));
    let interrupted = || devices.iter().all(|device| device.thread.has_ended());
    let result = operator.work(
        arguments.messages,
        time_limit(arguments, interval),
        interrupted,
    );

    for device in devices {
        let report = device.thread.stop();
        print_line(AnsiColor::Cyan, device.id, &summary(&report));
        if !hub.wait_connected(device.id, false, GOODBYE) {
            log::warn!("the hub still sees {} connected", device.id);
        }
    }
    let summary = operator.summary();
    hub.shutdown();
    print_line(AnsiColor::Cyan, "hub", &summary);
    result.map_err(Into::into)
}

/// As asked for, or else plenty: building up takes seconds, and the messages their time.
fn time_limit(arguments: &Demonstration, interval: Duration) -> Duration {
    let messages = u32::try_from(arguments.messages.unwrap_or(0)).unwrap_or(u32::MAX);
    let plenty = interval.saturating_mul(messages).saturating_mul(2);
    arguments
        .time_limit
        .unwrap_or(plenty.saturating_add(Duration::from_secs(60)))
}

fn start_hub() -> Result<Hub, CommandError> {
    let mut config = Config::temporary();
    // Made in no time, and without the crate that makes RSA keys.
    config.certificate.chain = Chain::Ecc;
    // Only the newest events are looked at; hours of them need not be kept.
    config.limits.event_bytes = 1024 * 1024;
    config.page = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    // Where this was built; elsewhere the page has no forms of the model.
    config.models = Some(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs").into());
    let hub = Hub::start(config)?;
    let text = format!("serves MQTT over TLS on {}", hub.endpoint());
    print_line(AnsiColor::Cyan, "hub", &text);
    if let Some(page) = hub.page_address() {
        let text = format!("shows everything in a browser: {page}");
        print_line(AnsiColor::Cyan, "hub", &text);
    }
    Ok(hub)
}

/// A device of the demonstration.
struct Participant {
    id: &'static str,
    thread: DeviceThread,
}

impl Participant {
    fn with_symmetric_key(
        hub: &Hub,
        id: &'static str,
        interval: Duration,
    ) -> Result<Self, CommandError> {
        let connection_string = hub.create_sas_device(id)?;
        Self::start(hub, id, interval, &connection_string, None)
    }

    fn with_certificate(
        hub: &Hub,
        id: &'static str,
        interval: Duration,
    ) -> Result<Self, CommandError> {
        let device = hub.create_x509_device(id)?;
        let identity = ClientIdentity::from_pem(
            (device.certificate_pem.as_bytes(), "the hub's answer"),
            (device.key_pem.as_bytes(), "the hub's answer"),
        )?;
        Self::start(hub, id, interval, &device.connection_string, Some(identity))
    }

    fn start(
        hub: &Hub,
        id: &'static str,
        interval: Duration,
        connection_string: &str,
        certificate: Option<ClientIdentity>,
    ) -> Result<Self, CommandError> {
        let mut options =
            Options::new(id, roots_from_pem(hub.ca_pem().as_bytes(), "the hub's CA")?)?;
        options.identity = certificate;
        let settings = Settings {
            address: Some(hub.endpoint().ip().to_string()),
            port: hub.endpoint().port(),
            telemetry_interval: Some(interval),
            model_id: Some(MODEL_ID.into()),
            ..Settings::default()
        };
        let identity = ConnectionString::parse(connection_string)?;
        let thread = DeviceThread::start(identity, settings, options, App::default())?;
        Ok(Self { id, thread })
    }
}
