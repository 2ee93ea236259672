//! The device, as the program that people run, against mosquitto: a broker that has never heard of Azure, with
//! verified TLS on its side and ours.

use std::path::Path;

use libtest_mimic::Trial;
use serde_json::Value;

use crate::broker::{Authentication, Authority, Broker};
use crate::peers::{MOSQUITTO, trials};
use crate::program::{Access, Program};

/// A ready-made SAS token is an MQTT password to a broker that does not know what it means. It is valid until
/// 2100, since this device checks that.
const TOKEN: &str = "SharedAccessSignature sr=localhost%2Fdevices%2Fdevice\
    &sig=MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE%3D&se=4102444800";
const X509: &str = "HostName=localhost;DeviceId=device;x509=true";

pub(crate) fn trials() -> Vec<Trial> {
    trials!(
        "mosquitto",
        MOSQUITTO,
        a_device_joins_by_password_sends_receives_and_leaves,
        a_device_joins_by_client_certificate_sends_receives_and_leaves,
        a_device_comes_back_to_a_broker_that_restarted_and_subscribes_again,
        a_wrong_password_is_refused_at_connack,
        a_client_certificate_of_another_authority_is_refused,
        a_device_without_its_client_certificate_is_refused,
    )
}

/// By the documented form of IoT Hub's user name, with the model that the program announces.
fn user_name() -> String {
    format!(
        "localhost/device/?api-version=2021-04-12&DeviceClientType=azure-device%2F{}\
         &model-id=dtmi%3Aazure_device%3ADevice%3B1",
        env!("CARGO_PKG_VERSION")
    )
}

fn token_connection_string(token: &str) -> String {
    format!("HostName=localhost;DeviceId=device;SharedAccessSignature={token}")
}

fn broker_with_password(server: &Path) -> Broker {
    let (user_name, password) = (&*user_name(), TOKEN);
    Broker::start(
        server,
        &Authentication::Password {
            user_name,
            password,
        },
    )
}

fn a_device_joins_by_password_sends_receives_and_leaves(server: &Path) {
    let broker = broker_with_password(server);
    let connection_string = token_connection_string(TOKEN);
    let access = broker.access(&connection_string, None);
    joins_sends_receives_and_leaves(&broker, &access, &user_name());
}

fn a_device_joins_by_client_certificate_sends_receives_and_leaves(server: &Path) {
    let broker = Broker::start(server, &Authentication::Certificate);
    let (certificate, key) = broker.authority.certify("device", &[]);
    let access = broker.access(X509, Some((&certificate, &key)));
    joins_sends_receives_and_leaves(&broker, &access, "device");
}

/// Joins as a `user` whom the broker has authenticated.
fn joins_sends_receives_and_leaves(broker: &Broker, access: &Access<'_>, user: &str) {
    let monitor = broker.monitor();
    let device = Program::device(access, &["--interval", "0.2"]);
    let line = broker.wait_for(" as device (");
    assert!(line.contains(&format!("u'{user}'")), "{line}");
    assert!(line.contains("c0"), "it keeps its session: {line}");

    for (index, line) in monitor
        .wait_for_times("messages/events", 3)
        .iter()
        .enumerate()
    {
        assert_is_telemetry(line, index + 1);
    }
    receives(broker, &device, "hello");
    device.interrupt();
    broker.wait_for("Received DISCONNECT from device");
    let (status, lines) = device.finish();
    assert!(status.success(), "{}", lines.join("\n"));
}

/// A line of QoS, topic and payload.
#[track_caller]
fn assert_is_telemetry(line: &str, count: usize) {
    let [qos, topic, payload] = *line.splitn(3, ' ').collect::<Vec<_>>() else {
        panic!("{line}");
    };
    assert_eq!(qos, "1");
    let bag = topic
        .strip_prefix("devices/device/messages/events/")
        .unwrap();
    for part in [
        "%24.ct=application%2Fjson",
        "%24.ce=utf-8",
        "%24.mid=",
        "iothub-creation-time-utc=20",
    ] {
        assert!(bag.contains(part), "{part}: {bag}");
    }
    let payload: Value = serde_json::from_str(payload).unwrap();
    assert_eq!(payload["count"], count);
    assert!(payload["temperature"].is_number(), "{payload}");
}

/// A message in Azure's form reaches the device, which acknowledges it.
#[track_caller]
fn receives(broker: &Broker, device: &Program, text: &str) {
    let topic = "devices/device/messages/devicebound/%24.mid=m1&%24.to=%2Fdevices%2Fdevice&k=a%2Bb";
    broker.publish(topic, text);
    device.wait_for(&format!(
        "cloud-to-device message of {} bytes: {text}",
        text.len()
    ));
    broker.wait_for("Received PUBACK from device");
}

fn a_device_comes_back_to_a_broker_that_restarted_and_subscribes_again(server: &Path) {
    let mut broker = broker_with_password(server);
    let connection_string = token_connection_string(TOKEN);
    let access = broker.access(&connection_string, None);
    let device = Program::device(&access, &["--interval", "0.2"]);
    device.wait_for("joined localhost");
    broker.restart();
    device.wait_for_times("joined localhost", 2);
    receives(&broker, &device, "still there?");
    broker
        .monitor()
        .wait_for_times("devices/device/messages/events", 2);
}

fn a_wrong_password_is_refused_at_connack(server: &Path) {
    let broker = broker_with_password(server);
    let connection_string = token_connection_string(&TOKEN.replace("sig=MDEy", "sig=MTEy"));
    let device = Program::device(&broker.access(&connection_string, None), &[]);
    let line = device.wait_for("CONNACK 5: not authorized; ");
    assert!(line.contains(" ERROR "), "{line}");
}

fn a_client_certificate_of_another_authority_is_refused(server: &Path) {
    let broker = Broker::start(server, &Authentication::Certificate);
    let (certificate, key) = Authority::new("a stranger").certify("device", &[]);
    let access = broker.access(X509, Some((&certificate, &key)));
    assert_refused_in_tls(&broker, &access, "certificate verify failed");
}

fn a_device_without_its_client_certificate_is_refused(server: &Path) {
    let broker = Broker::start(server, &Authentication::Certificate);
    let connection_string = token_connection_string(TOKEN);
    let access = broker.access(&connection_string, None);
    assert_refused_in_tls(&broker, &access, "peer did not return a certificate");
}

/// In TLS 1.3 the server refuses after the client's side of the handshake is complete.
#[track_caller]
fn assert_refused_in_tls(broker: &Broker, access: &Access<'_>, broker_says: &str) {
    let device = Program::device(access, &[]);
    broker.wait_for(broker_says);
    let line = device.wait_for("[attempt 1, next in ");
    assert!(line.contains(" ERROR "), "{line}");
    device.wait_for("[attempt 2, next in ");
    assert!(!device.lines().iter().any(|line| line.contains("joined")));
}
