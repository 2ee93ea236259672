//! The bytes and the session that Microsoft documents, against the hub's socket.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::thread;

use common::*;
use local_hub::{Authentication, Config, Hub, Message, SymmetricKeys};
use serde_json::json;

const HOST: &str = "contoso.azure-devices.net";
const ID: &str = "MyDevice01";
const USER_NAME: &str = "contoso.azure-devices.net/MyDevice01/?api-version=2021-04-12";
/// The bytes 00 to 1f.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// By Microsoft's Python SDK, for `KEY`.
const TOKEN: &str = "SharedAccessSignature sr=contoso.azure-devices.net%2Fdevices%2FMyDevice01&sig=Rn1z3LTQKSd8ipKdETk%2BoxrgqnzgySMJaAkZZmk3LoQ%3D&se=1767225600";
const TOKEN_END: i64 = 1_767_225_600;
const TWIN: &[(&str, u8)] = &[("$iothub/twin/res/#", 0)];
const DESIRED: &[(&str, u8)] = &[("$iothub/twin/PATCH/properties/desired/#", 0)];
const METHODS: &[(&str, u8)] = &[("$iothub/methods/POST/#", 0)];
const DEVICEBOUND: &[(&str, u8)] = &[("devices/MyDevice01/messages/devicebound/#", 1)];

/// The hub of the examples, an hour before their token ends, with their device.
fn contoso(change: impl FnOnce(&mut Config)) -> Hub {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let hub = hub_with(|config| {
        config.host_name = HOST.into();
        config.clock_offset = TOKEN_END - 3600 - i64::try_from(now).unwrap();
        change(config);
    });
    let keys = SymmetricKeys {
        primary_key: KEY.into(),
        ..SymmetricKeys::generated()
    };
    hub.create_device(ID, Authentication::Sas(keys)).unwrap();
    hub
}

/// CONNECT by token: 229 bytes.
fn connect_by_token() -> Vec<u8> {
    [
        b"\x10\xe2\x01\x00\x04MQTT\x04\xc0\x00\xf0\x00\x0aMyDevice01\x00\x3c".as_slice(),
        USER_NAME.as_bytes(),
        b"\x00\x8c",
        TOKEN.as_bytes(),
    ]
    .concat()
}

#[test]
fn connect_by_token_has_the_documented_bytes() {
    let hub = contoso(|_| {});
    let connect = connect_by_token();
    assert_eq!(connect.len(), 229);
    for connack in [CONNACK_NEW, CONNACK_PRESENT] {
        let mut client = Client::open(&hub);
        client.send(&connect);
        client.expect(&connack);
    }
    // The same signature over other text is none: percent-encoding in lower case is signed differently.
    let mut changed = connect;
    let position = changed
        .windows(3)
        .position(|bytes| bytes == b"%2F")
        .unwrap();
    changed[position + 2] = b'f';
    let mut client = Client::open(&hub);
    client.send(&changed);
    client.expect(&CONNACK_REFUSED);
    client.expect_close();
}

#[test]
fn connect_by_certificate_has_the_documented_bytes() {
    let hub = hub_with(|config| config.host_name = HOST.into());
    let certificate = hub.create_x509_device(ID).unwrap();
    let connect = [
        b"\x10\x54\x00\x04MQTT\x04\x80\x00\xf0\x00\x0aMyDevice01\x00\x3c".as_slice(),
        USER_NAME.as_bytes(),
    ]
    .concat();
    assert_eq!(connect.len(), 86);
    let config = client_config(hub.ca_pem(), Some(&certificate));
    let mut client = Client::open_with(hub.endpoint(), config);
    client.send(&connect);
    client.expect(&CONNACK_NEW);
    // Without the certificate in the handshake, the same bytes prove nothing.
    let mut client = Client::open(&hub);
    client.send(&connect);
    client.expect(&CONNACK_REFUSED);
    client.expect_close();
}

#[test]
fn a_first_session_goes_as_documented_from_connect_to_the_message_that_waited() {
    let hub = contoso(|_| {});
    for _ in 0..3 {
        hub.patch_twin(ID, &json!({"properties": {"desired": {"interval": 30}}}))
            .unwrap();
    }
    let mut client = Client::open(&hub);
    client.send(&connect_by_token());
    client.expect(&CONNACK_NEW);
    for (id, filters) in [(1, TWIN), (2, DESIRED), (3, METHODS), (4, DEVICEBOUND)] {
        client.send(&subscribe(id, filters));
        client.expect(&[0x90, 3, 0, u8::try_from(id).unwrap(), filters[0].1]);
    }
    // Its reported properties were changed six times before.
    for rid in 0..6 {
        let topic = format!("$iothub/twin/PATCH/properties/reported/?$rid=x{rid}");
        client.send(&publish(&topic, None, b"{}"));
        client.publish();
    }
    client.send(&publish("$iothub/twin/GET/?$rid=1", None, b""));
    client.expect(&publish(
        "$iothub/twin/res/200/?$rid=1",
        None,
        br#"{"desired":{"interval":30,"$version":4},"reported":{"$version":7}}"#,
    ));
    client.send(&publish(
        "$iothub/twin/PATCH/properties/reported/?$rid=2",
        None,
        br#"{"interval":{"value":30,"ac":200,"av":4,"ad":"ok"}}"#,
    ));
    let response = publish("$iothub/twin/res/204/?$rid=2&$version=8", None, b"");
    client.expect(&response);
    client.send(&publish(
        "devices/MyDevice01/messages/events/%24.ct=application%2Fjson&%24.ce=utf-8",
        Some(5),
        br#"{"t":21.5}"#,
    ));
    client.expect(&[0x40, 2, 0, 5]);
    assert_eq!(hub.events()[0].body, br#"{"t":21.5}"#);

    method(&hub, &mut client);
    hub.patch_twin(ID, &json!({"properties": {"desired": {"interval": 60}}}))
        .unwrap();
    client.expect(&publish(
        "$iothub/twin/PATCH/properties/desired/?$version=5",
        None,
        br#"{"interval":60,"$version":5}"#,
    ));
    message(&hub, "m1", "hi");
    client.expect(&to_device("m1", 1, b"hi"));
    client.send(&puback(1));
    client.send(&DISCONNECT);
    client.expect_close();

    message(&hub, "m2", "ho");
    let mut client = Client::open(&hub);
    client.send(&connect_by_token());
    client.expect(&CONNACK_PRESENT);
    // Before any SUBSCRIBE.
    client.expect(&to_device("m2", 2, b"ho"));
    client.send(&puback(2));
    client.ping();
    assert_eq!(hub.pending_c2d(ID), 0);
    assert_eq!(hub.events().len(), 1, "no will");
}

/// Calls `reboot`, whose request id is the hub's own choice.
fn method(hub: &Hub, client: &mut Client) {
    let delay = json!({"delay": 5});
    thread::scope(|scope| {
        let call = scope.spawn(|| hub.invoke_method(ID, "reboot", &delay, PATIENCE));
        let request = client.publish();
        assert_eq!(
            (request.first, request.payload.as_slice()),
            (0x30, br#"{"delay":5}"#.as_slice())
        );
        let rid = request
            .topic
            .strip_prefix("$iothub/methods/POST/reboot/?$rid=")
            .unwrap();
        let topic = format!("$iothub/methods/res/200/?$rid={rid}");
        client.send(&publish(&topic, None, b"{}"));
        let answer = call.join().unwrap().unwrap();
        assert_eq!((answer.status, answer.payload), (200, json!({})));
    });
}

fn message(hub: &Hub, id: &str, body: &str) {
    let message = Message {
        message_id: Some(id.into()),
        ..Message::new(body)
    };
    hub.send_c2d(ID, message).unwrap();
}

/// The PUBLISH of a message to the device.
fn to_device(id: &str, packet_id: u16, body: &[u8]) -> Vec<u8> {
    let topic = format!(
        "devices/MyDevice01/messages/devicebound/%24.mid={id}&%24.to=%2Fdevices%2FMyDevice01%2Fmessages%2FdeviceBound"
    );
    publish(&topic, Some(packet_id), body)
}
