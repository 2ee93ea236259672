//! Device-to-cloud messages over real TLS, byte for byte.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::*;

#[test]
fn a_message_is_acknowledged_after_it_was_stored() {
    let hub = hub();
    let device = Device::create(&hub, "MyDevice01");
    let (mut client, connack) = Client::connect(&hub, &device, Options::default());
    assert_eq!(connack, CONNACK_NEW);

    let topic = "devices/MyDevice01/messages/events/$.ct=application%2Fjson&$.ce=utf-8";
    let bytes = publish(topic, Some(2), br#"{"t":21.5}"#);
    assert_eq!(bytes[..4], [0x32, 0x53, 0x00, 0x45]);
    client.send(&bytes);
    client.expect(&[0x40, 2, 0, 2]);

    let events = hub.events();
    assert_eq!(events.len(), 1);
    let shape = events[0].to_json();
    assert_eq!(shape["event"]["payload"]["t"], 21.5);
    assert_eq!(shape["event"]["origin"], "MyDevice01");
    assert_eq!(
        shape["event"]["properties"]["system"]["content_type"],
        "application/json"
    );
    assert_eq!(
        shape["event"]["annotations"]["iothub-connection-device-id"],
        "MyDevice01"
    );
    assert_eq!(
        shape["event"]["annotations"]["iothub-connection-auth-method"],
        r#"{"scope":"device","type":"sas","issuer":"iothub"}"#
    );
}
