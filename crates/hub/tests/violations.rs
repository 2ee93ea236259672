//! Violations of IoT Hub's rules: it closes without a packet, and executes the will.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::module::Module;
use common::*;
use local_hub::Hub;

/// A device on a hub that takes any filter, so that there can be too many.
fn lenient() -> (Hub, Device) {
    let hub = hub_with(|config| config.lenient_subscriptions = true);
    let device = Device::create(&hub, "d");
    Device::create(&hub, "other");
    (hub, device)
}

/// Connects with a will, sends what is not allowed, and expects a silent close and the will.
fn violate(hub: &Hub, device: &Device, what: &str, bytes: &[u8], reason: &str) {
    let before = hub.events().len();
    let options = Options {
        will: Some((device.events_topic(), "gone", 0x08)),
        clean: true,
        ..Options::default()
    };
    let mut client = Client::accepted(hub, device, options);
    client.try_send(bytes);
    client.expect_close();
    let events = wait_for_events(hub, before + 1);
    assert_eq!(events.len(), before + 1, "{what}");
    let will = events.last().unwrap();
    assert_eq!(will.body, b"gone", "{what}");
    assert_eq!(
        will.properties["iothub-MessageType"].as_deref(),
        Some("Will")
    );
    let last = hub.closes().pop().unwrap().reason;
    assert!(
        last.contains(reason),
        "{what}: {last:?} instead of {reason:?}"
    );
}

#[test]
fn every_violation_closes_without_a_packet_and_executes_the_will() {
    let (hub, device) = lenient();
    let own = device.events_topic();
    let mut qos_2 = publish(&own, Some(1), b"x");
    qos_2[0] = 0x34;
    let names = ["1", "2", "3", "4", "5", "6"];
    let six = names.map(|name| (name, 0));
    let cases = [
        (
            "second CONNECT",
            device.connect(Options::default()),
            "second CONNECT",
        ),
        ("QoS 2", qos_2, "QoS 2"),
        ("wrong topic", publish("a/b", Some(1), b"x"), "no topic"),
        (
            "below a topic",
            publish("$iothub/twin/GET/foo/?$rid=1", None, b""),
            "no topic",
        ),
        (
            "foreign device",
            publish("devices/other/messages/events/", Some(1), b"x"),
            "own",
        ),
        (
            "module of the device",
            publish("devices/d/modules/m/messages/events/", Some(1), b"x"),
            "own",
        ),
        (
            "oversize",
            publish(&own, Some(1), &vec![b'x'; 262_145]),
            "262145 bytes",
        ),
        (
            "too many subscriptions",
            subscribe(1, &six),
            "6 subscriptions",
        ),
        ("packet type 15", vec![0xf0, 0], "packet type 15"),
        ("CONNACK", CONNACK_NEW.to_vec(), "packet type 2"),
    ];
    for (what, bytes, reason) in cases {
        violate(&hub, &device, what, &bytes, reason);
    }
}

#[test]
fn an_unknown_filter_closes_without_suback_and_executes_the_will() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    for filter in [
        "#",
        "$iothub/twin/#",
        "devices/other/messages/devicebound/#",
    ] {
        let bytes = subscribe(1, &[("$iothub/twin/res/#", 0), (filter, 1)]);
        violate(&hub, &device, filter, &bytes, "IoT Hub has no filter");
    }
}

#[test]
fn a_module_may_neither_send_as_its_device_nor_as_another_module() {
    let hub = hub();
    Device::create(&hub, "d");
    let module = Module::create(&hub, "d", "m");
    Module::create(&hub, "d", "n");
    for topic in [
        "devices/d/messages/events/",
        "devices/d/modules/n/messages/events/",
    ] {
        let mut client = module.accepted(&hub);
        client.send(&publish(topic, Some(1), b"x"));
        client.expect_close();
    }
    let mut client = module.accepted(&hub);
    let filter = "devices/d/messages/devicebound/#";
    client.send(&subscribe(1, &[(filter, 1)]));
    client.expect_close();
    assert!(hub.events().is_empty());
}
