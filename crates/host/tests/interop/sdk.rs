//! Microsoft's device SDK for Python (`azure-iot-device`) against the local hub: what the SDK's users rely on
//! must work unchanged, and what the hub refuses must look to them as it does with Azure.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use libtest_mimic::Trial;
use local_hub::{Ack, Config, DeviceCertificate, Event, Hub, Message, Outcome, Status};
use serde_json::{Value, json};

use crate::broker::Authority;
use crate::peers::{SDK, trials};
use crate::program::{Access, PATIENCE};
use crate::sdk_device::SdkDevice;

/// The only port that the SDK knows.
const PORT: u16 = 8883;

pub(crate) fn trials() -> Vec<Trial> {
    trials!(
        "azure-iot-device",
        SDK,
        a_device_with_a_symmetric_key_sends_telemetry_with_all_its_properties,
        a_device_with_a_registered_certificate_sends_telemetry,
        a_device_with_a_certificate_of_a_registered_authority_sends_telemetry,
        a_module_sends_telemetry,
        a_message_from_the_cloud_arrives_with_its_properties_and_feedback_says_success,
        messages_sent_to_a_device_that_is_offline_arrive_when_it_comes_back,
        a_device_whose_connection_is_cut_comes_back_and_is_still_subscribed,
        a_wrong_key_is_refused_as_a_credential_error,
        a_disabled_device_is_refused_as_a_credential_error,
        a_certificate_that_is_not_the_registered_one_is_refused_as_a_credential_error,
        a_hub_that_the_sdk_does_not_trust_is_refused_by_the_sdk,
    )
}

/// The hub on the SDK's port, which one test at a time can have.
pub(crate) struct World {
    pub(crate) hub: Hub,
    _port: MutexGuard<'static, ()>,
}

impl World {
    pub(crate) fn new() -> Self {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let port = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let config = Config {
            listen: (Ipv4Addr::LOCALHOST, PORT).into(),
            ..Config::temporary()
        };
        let hub = Hub::start(config).unwrap_or_else(|error| {
            panic!("{error}. The SDK knows no other port: end the program that has it")
        });
        Self { hub, _port: port }
    }

    pub(crate) fn access<'a>(&'a self, connection_string: &'a str) -> Access<'a> {
        Access {
            connection_string,
            ca_pem: self.hub.ca_pem(),
            endpoint: self.hub.endpoint().to_string(),
            certificate: None,
        }
    }

    fn x509_access<'a>(&'a self, device: &'a DeviceCertificate) -> Access<'a> {
        Access {
            certificate: Some((&device.certificate_pem, &device.key_pem)),
            ..self.access(&device.connection_string)
        }
    }

    /// A device with a symmetric key, connected.
    #[track_caller]
    pub(crate) fn connected(&self, python: &Path) -> SdkDevice {
        let connection_string = self.hub.create_sas_device("device").unwrap();
        let mut device = SdkDevice::start(python, &self.access(&connection_string));
        device.connect();
        assert!(self.hub.is_connected("device"));
        device
    }

    #[track_caller]
    fn events(&self, count: usize) -> Vec<Event> {
        let (enough, events) = self
            .hub
            .wait_for_events(PATIENCE, |events| events.len() >= count);
        assert!(enough, "{events:?}");
        events
    }
}

/// Connects, sends one message and leaves; gives it as the hub stored it.
#[track_caller]
fn sends_and_leaves(python: &Path, world: &World, access: &Access<'_>) -> Event {
    let mut device = SdkDevice::start(python, access);
    device.connect();
    device.run("send", json!({ "body": "hi", "properties": {} }));
    device.leave();
    assert!(world.hub.wait_connected("device", false, PATIENCE));
    let closes = world.hub.closes();
    assert!(closes[0].reason.contains("DISCONNECT"), "{closes:?}");
    let mut events = world.events(1);
    assert_eq!(events.len(), 1);
    let event = events.remove(0);
    assert_eq!(event.body, b"hi");
    event
}

fn auth_method(event: &Event) -> Value {
    serde_json::from_str(&event.annotations["iothub-connection-auth-method"]).unwrap()
}

fn a_device_with_a_symmetric_key_sends_telemetry_with_all_its_properties(python: &Path) {
    let world = World::new();
    let mut device = world.connected(python);
    let body = json!({ "temperature": 21.5, "text": "°C" });
    device.run(
        "send",
        json!({
            "body": body.to_string(),
            "properties": { "alert": "yes", "a/b c": "1+1=2&%/ü" },
            "message_id": "m-1",
            "correlation_id": "c 1",
            "user_id": "u/1",
            "content_type": "application/json",
            "content_encoding": "utf-8",
        }),
    );
    device.run("send", json!({ "body": "", "properties": {} }));
    device.leave();

    let events = world.events(2);
    let event = &events[0];
    assert_eq!(event.origin.device_id, "device");
    let payload = &event.to_json()["event"]["payload"];
    assert_eq!(payload, &body, "parsed, since its type is application/json");
    let system: Vec<_> = event
        .system
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_str()))
        .collect();
    assert_eq!(
        system,
        [
            ("content_encoding", "utf-8"),
            ("content_type", "application/json"),
            ("correlation_id", "c 1"),
            ("message_id", "m-1"),
            ("user_id", "u/1"),
        ]
    );
    let application: Vec<_> = event
        .properties
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_deref()))
        .collect();
    assert_eq!(
        application,
        [("a/b c", Some("1+1=2&%/ü")), ("alert", Some("yes"))]
    );
    assert_eq!(event.annotations["iothub-connection-device-id"], "device");
    assert_eq!(auth_method(event)["type"], "sas");
    assert!(events[1].body.is_empty() && events[1].properties.is_empty());
}

fn a_device_with_a_registered_certificate_sends_telemetry(python: &Path) {
    let world = World::new();
    let device = world.hub.create_x509_device("device").unwrap();
    let event = sends_and_leaves(python, &world, &world.x509_access(&device));
    assert_eq!(auth_method(&event)["type"], "x509Certificate");
}

fn a_device_with_a_certificate_of_a_registered_authority_sends_telemetry(python: &Path) {
    let world = World::new();
    let device = world.hub.create_x509_ca_device("device").unwrap();
    let event = sends_and_leaves(python, &world, &world.x509_access(&device));
    assert_eq!(auth_method(&event)["type"], "x509Certificate");
}

fn a_module_sends_telemetry(python: &Path) {
    let world = World::new();
    world.hub.create_sas_device("device").unwrap();
    let module = world.hub.create_sas_module("device", "module").unwrap();
    let event = sends_and_leaves(python, &world, &world.access(&module));
    assert_eq!(event.origin.module_id.as_deref(), Some("module"));
}

fn a_message_from_the_cloud_arrives_with_its_properties_and_feedback_says_success(python: &Path) {
    let world = World::new();
    let mut device = world.connected(python);
    device.receive();
    let message = Message {
        message_id: Some("m-1".into()),
        correlation_id: Some("c 1".into()),
        user_id: Some("operator".into()),
        content_type: Some("text/plain".into()),
        content_encoding: Some("utf-8".into()),
        ack: Some(Ack::Full),
        properties: vec![
            ("alert".into(), "yes".into()),
            ("a&b".into(), "1+1%2B#|~".into()),
        ],
        ..Message::new("21 °C")
    };
    world.hub.send_c2d("device", message).unwrap();
    let received = &device.messages(1)[0];
    assert_eq!(received["body"], "21 °C");
    assert_eq!(received["message_id"], "m-1");
    assert_eq!(received["correlation_id"], "c 1");
    assert_eq!(received["user_id"], "operator");
    assert_eq!(received["content_type"], "text/plain");
    assert_eq!(received["content_encoding"], "utf-8");
    assert_eq!(received["ack"], "full");
    assert_eq!(received["properties"]["alert"], "yes");
    assert_eq!(received["properties"]["a&b"], "1+1%2B#|~");
    // The goodbye comes after the acknowledgement.
    device.leave();
    assert!(world.hub.wait_connected("device", false, PATIENCE));
    assert_eq!(world.hub.pending_c2d("device"), 0);
    let feedback = world.hub.take_feedback().unwrap();
    assert_eq!(feedback.len(), 1, "{feedback:?}");
    assert_eq!(feedback[0].original_message_id, "m-1");
    assert_eq!(feedback[0].status_code, Outcome::Success);
}

fn messages_sent_to_a_device_that_is_offline_arrive_when_it_comes_back(python: &Path) {
    let world = World::new();
    let mut device = world.connected(python);
    device.receive();
    device.run("disconnect", json!({}));
    assert!(world.hub.wait_connected("device", false, PATIENCE));
    for text in ["first", "second"] {
        world.hub.send_c2d("device", Message::new(text)).unwrap();
    }
    device.connect();
    let bodies: Vec<_> = device
        .messages(2)
        .iter()
        .map(|message| message["body"].clone())
        .collect();
    assert_eq!(bodies, ["first", "second"]);
    device.leave();
    assert_eq!(world.hub.pending_c2d("device"), 0);
}

fn a_device_whose_connection_is_cut_comes_back_and_is_still_subscribed(python: &Path) {
    let world = World::new();
    let mut device = world.connected(python);
    device.receive();
    for cut in 1..=2 {
        assert!(world.hub.disconnect("device"));
        device.wait_connected(1 + cut);
        let text = format!("after cut {cut}");
        world
            .hub
            .send_c2d("device", Message::new(text.clone()))
            .unwrap();
        assert_eq!(device.messages(cut)[cut - 1]["body"], *text);
        device.run("send", json!({ "body": text, "properties": {} }));
        assert_eq!(world.events(cut)[cut - 1].body, text.as_bytes());
    }
    device.leave();
}

/// Connecting fails as bad credentials do with Azure: CONNACK 5; only the hub's log says more.
#[track_caller]
fn assert_refused(python: &Path, world: &World, access: &Access<'_>, hub_says: &str) {
    let causes = SdkDevice::start(python, access).attempt("connect", json!({}));
    assert!(causes[0].starts_with("CredentialError: "), "{causes:?}");
    let connack = |cause: &String| cause.contains("Connection Refused: not authorised");
    assert!(causes.iter().any(connack), "{causes:?}");
    let found = world
        .hub
        .wait_for_close(PATIENCE, |close| close.reason.contains(hub_says));
    assert!(found.is_some(), "{:?}", world.hub.closes());
    assert!(!world.hub.is_connected("device"));
}

fn a_wrong_key_is_refused_as_a_credential_error(python: &Path) {
    let world = World::new();
    let own = world.hub.create_sas_device("device").unwrap();
    let other = world.hub.create_sas_device("other").unwrap();
    let key = |text: &str| text.split_once("SharedAccessKey=").unwrap().1.to_owned();
    let mixed = own.replace(&key(&own), &key(&other));
    assert_refused(python, &world, &world.access(&mixed), "signature");
}

fn a_disabled_device_is_refused_as_a_credential_error(python: &Path) {
    let world = World::new();
    let connection_string = world.hub.create_sas_device("device").unwrap();
    world.hub.set_status("device", Status::Disabled).unwrap();
    assert_refused(
        python,
        &world,
        &world.access(&connection_string),
        "disabled",
    );
}

fn a_certificate_that_is_not_the_registered_one_is_refused_as_a_credential_error(python: &Path) {
    let world = World::new();
    let own = world.hub.create_x509_device("device").unwrap();
    let other = world.hub.create_x509_device("other").unwrap();
    let mut access = world.x509_access(&own);
    access.certificate = Some((&other.certificate_pem, &other.key_pem));
    assert_refused(python, &world, &access, "thumbprint");
}

fn a_hub_that_the_sdk_does_not_trust_is_refused_by_the_sdk(python: &Path) {
    let world = World::new();
    let connection_string = world.hub.create_sas_device("device").unwrap();
    let stranger = Authority::new("a stranger").pem();
    let mut access = world.access(&connection_string);
    access.ca_pem = &stranger;
    let causes = SdkDevice::start(python, &access).attempt("connect", json!({}));
    let verification = |cause: &String| cause.contains("CERTIFICATE_VERIFY_FAILED");
    assert!(causes.iter().any(verification), "{causes:?}");
    assert!(!world.hub.is_connected("device"));
}
