//! Device-to-cloud messages over real TLS, byte for byte.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::*;

#[test]
fn a_message_is_acknowledged_after_it_was_stored() {
    let hub = hub();
    let device = Device::create(&hub, "MyDevice01");
    let mut client = Client::accepted(&hub, &device, Options::default());
    let topic = "devices/MyDevice01/messages/events/$.ct=application%2Fjson&$.ce=utf-8";
    let bytes = publish(topic, Some(2), br#"{"t":21.5}"#);
    assert_eq!(bytes[..4], [0x32, 0x53, 0x00, 0x45]);
    client.send(&bytes);
    client.expect(&[0x40, 2, 0, 2]);

    let events = hub.events();
    assert_eq!(events.len(), 1);
    let event = &events[0].to_json()["event"];
    assert_eq!(event["payload"]["t"], 21.5);
    assert_eq!(event["origin"], "MyDevice01");
    assert_eq!(
        event["properties"]["system"]["content_type"],
        "application/json"
    );
    let annotations = &event["annotations"];
    assert_eq!(annotations["iothub-connection-device-id"], "MyDevice01");
    assert_eq!(annotations["iothub-message-source"], "Telemetry");
    assert_eq!(
        annotations["iothub-connection-auth-method"],
        r#"{"scope":"device","type":"sas","issuer":"iothub"}"#
    );
    let generation = hub.device("MyDevice01").unwrap().generation_id;
    assert_eq!(
        annotations["iothub-connection-auth-generation-id"],
        generation
    );
}

#[test]
fn a_message_with_qos_0_is_stored_and_not_acknowledged() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let mut client = Client::accepted(&hub, &device, Options::default());
    client.send(&publish(
        "devices/d/messages/events/k&l=&m=a%20b%2Bc",
        None,
        b"\xff",
    ));
    client.ping();
    let event = &hub.events()[0];
    assert_eq!(event.properties["k"], None);
    assert_eq!(event.properties["l"].as_deref(), Some(""));
    assert_eq!(event.properties["m"].as_deref(), Some("a b+c"));
    assert_eq!(event.to_json()["event"]["payload"], "/w==");
}

#[test]
fn retain_and_dup_become_properties_and_redelivery_is_not_recognised() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let mut client = Client::accepted(&hub, &device, Options::default());
    for first in [0x33, 0x3b] {
        let mut bytes = publish(&device.events_topic(), Some(9), b"x");
        bytes[0] = first;
        client.send(&bytes);
        client.expect(&[0x40, 2, 0, 9]);
    }
    let events = hub.events();
    assert_eq!(events.len(), 2);
    assert_eq!(events[0].properties["mqtt-retain"].as_deref(), Some("true"));
    assert!(!events[0].properties.contains_key("mqtt-dup"));
    assert_eq!(events[1].properties["mqtt-dup"].as_deref(), Some("true"));
}

#[test]
fn packets_may_come_one_byte_at_a_time_or_many_at_once() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let mut client = Client::accepted(&hub, &device, Options::default());
    for byte in publish(&device.events_topic(), Some(1), b"slow") {
        client.send(&[byte]);
    }
    client.expect(&[0x40, 2, 0, 1]);
    let many: Vec<u8> = (1..=500)
        .flat_map(|id| publish(&device.events_topic(), Some(id), b"fast"))
        .collect();
    client.send(&many);
    for id in 1..=500_u16 {
        let [high, low] = id.to_be_bytes();
        client.expect(&[0x40, 2, high, low]);
    }
    assert_eq!(hub.events().len(), 501);
}

#[test]
fn a_message_of_256_kilobytes_is_taken_and_one_more_byte_closes_the_connection() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let mut client = Client::accepted(&hub, &device, Options::default());
    // The value of a system property, and name and value of another, count too: 5 + 3 + 5 bytes.
    let topic = "devices/d/messages/events/$.ce=utf-8&key=value";
    client.send(&publish(topic, Some(1), &vec![b'x'; 262_144 - 13]));
    client.expect(&[0x40, 2, 0, 1]);
    client.send(&publish(topic, Some(2), &vec![b'x'; 262_144 - 12]));
    client.expect_close();
    assert_eq!(hub.events().len(), 1);
    assert!(close_reason(&hub, "d").contains("262145 bytes"));
}

#[test]
fn a_packet_that_is_longer_than_any_message_is_not_waited_for() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let mut client = Client::accepted(&hub, &device, Options::default());
    client.send(b"\x32\xff\xff\xff\x7f");
    client.expect_close();
    assert!(close_reason(&hub, "d").contains("268435455 bytes"));
}

#[test]
fn what_no_iot_hub_takes_closes_the_connection_without_a_word() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    Device::create(&hub, "other");
    let qos_2 = packet(
        0x34,
        &[string("devices/d/messages/events/"), vec![0, 1]].concat(),
    );
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("QoS 2", qos_2),
        ("no topic", publish("foo", Some(1), b"x")),
        (
            "not this client's own",
            publish("devices/other/messages/events/", Some(1), b"x"),
        ),
        (
            "no topic",
            publish("devices/d/messages/devicebound/", Some(1), b"x"),
        ),
        (
            "%2F",
            publish("devices/d/messages/events/a=b/c", Some(1), b"x"),
        ),
        (
            "malformed",
            publish("devices/d/messages/events/a=%zz", Some(1), b"x"),
        ),
        (
            "wildcard",
            publish("devices/d/messages/events/#", Some(1), b"x"),
        ),
        ("empty", publish("", Some(1), b"x")),
        (
            "packet identifier 0",
            publish("devices/d/messages/events/", Some(0), b"x"),
        ),
        ("packet type 15", b"\xf0\x00".to_vec()),
        ("packet type 0", b"\x00\x00".to_vec()),
        ("flags", b"\x80\x00".to_vec()),
        ("QoS 2", b"\x50\x02\x00\x01".to_vec()),
        ("packet type 2", CONNACK_NEW.to_vec()),
    ];
    for (number, (reason, bytes)) in cases.into_iter().enumerate() {
        let mut client = Client::accepted(&hub, &device, Options::default());
        client.send(&bytes);
        client.expect_close();
        // The hub writes the reason down before it closes.
        let closes = hub.closes();
        assert_eq!(closes.len(), number + 1);
        let last = &closes[number].reason;
        assert!(last.contains(reason), "{last:?} instead of {reason:?}");
    }
    assert!(hub.events().is_empty());
}
