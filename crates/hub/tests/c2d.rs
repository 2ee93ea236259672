//! Cloud-to-device messages over real TLS.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::time::Duration;

use common::module::Module;
use common::*;
use local_hub::{Ack, Hub, Message, Outcome};

fn message(id: &str) -> Message {
    Message {
        message_id: Some(id.into()),
        ack: Some(Ack::Full),
        ..Message::new(id)
    }
}

/// Message ids and outcomes of all feedback so far.
fn feedback(hub: &Hub) -> Vec<(String, Outcome)> {
    let records = hub.take_feedback().unwrap();
    records
        .into_iter()
        .map(|record| (record.original_message_id, record.status_code))
        .collect()
}

/// Waits until this many messages wait for the device.
fn wait_pending(hub: &Hub, id: &str, count: usize) {
    for _ in 0..2000 {
        if hub.pending_c2d(id) == count {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{} messages wait instead of {count}", hub.pending_c2d(id));
}

#[test]
fn a_message_arrives_under_the_topic_that_azure_uses_and_its_puback_completes_it() {
    let hub = hub();
    let device = Device::create(&hub, "MyDevice01");
    let mut client = Client::accepted(&hub, &device, Options::default());
    client.subscribe_c2d(&device, 1);
    let sent = Message {
        message_id: Some("m1".into()),
        properties: vec![("k".into(), "a+b".into())],
        ..Message::new("hi")
    };
    hub.send_c2d("MyDevice01", sent).unwrap();
    let topic = "devices/MyDevice01/messages/devicebound/%24.mid=m1&%24.to=%2Fdevices%2FMyDevice01%2Fmessages%2FdeviceBound&k=a%2Bb";
    client.expect(&publish(topic, Some(1), b"hi"));
    assert_eq!(hub.pending_c2d("MyDevice01"), 1);
    client.send(&puback(1));
    wait_pending(&hub, "MyDevice01", 0);
    assert!(feedback(&hub).is_empty(), "none was asked for");
}

#[test]
fn what_was_sent_while_the_device_was_away_comes_right_after_connack() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let mut client = Client::accepted(&hub, &device, Options::default());
    client.subscribe_c2d(&device, 1);
    client.send(&DISCONNECT);
    client.expect_close();
    for id in ["a", "b", "c"] {
        hub.send_c2d("d", message(id)).unwrap();
    }
    let (mut client, connack) = Client::connect(&hub, &device, Options::default());
    assert_eq!(connack, CONNACK_PRESENT);
    for id in ["a", "b", "c"] {
        let received = client.publish();
        assert_eq!(
            (received.first, received.payload.as_slice()),
            (0x32, id.as_bytes())
        );
        client.send(&puback(received.packet_id.unwrap()));
    }
    wait_pending(&hub, "d", 0);
    let ids = ["a", "b", "c"].map(|id| (id.to_owned(), Outcome::Success));
    assert_eq!(feedback(&hub), ids);
}

#[test]
fn nothing_comes_before_the_device_ever_subscribed_and_nothing_after_it_unsubscribed() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    hub.send_c2d("d", message("a")).unwrap();
    let mut client = Client::accepted(&hub, &device, Options::default());
    client.expect_silence(Duration::from_millis(300));
    client.subscribe_c2d(&device, 1);
    let received = client.publish();
    client.send(&puback(received.packet_id.unwrap()));
    wait_pending(&hub, "d", 0);
    client.send(&packet(
        0xa2,
        &[vec![0, 9], string(&device.c2d_filter())].concat(),
    ));
    client.expect(&[0xb0, 2, 0, 9]);
    hub.send_c2d("d", message("b")).unwrap();
    client.expect_silence(Duration::from_millis(300));
    assert_eq!(hub.pending_c2d("d"), 1);
}

#[test]
fn what_was_not_acknowledged_comes_again_on_the_next_connection_as_a_duplicate() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let mut client = Client::accepted(&hub, &device, Options::default());
    client.subscribe_c2d(&device, 1);
    hub.send_c2d("d", message("a")).unwrap();
    let first = client.publish();
    assert_eq!(first.first, 0x32);
    drop(client);
    let mut client = Client::accepted(&hub, &device, Options::default());
    let again = client.publish();
    assert_eq!(again.first, 0x3a, "DUP is set");
    assert_eq!(
        (again.packet_id, again.payload),
        (first.packet_id, first.payload)
    );
    client.send(&puback(again.packet_id.unwrap()));
    wait_pending(&hub, "d", 0);
}

#[test]
fn a_puback_out_of_order_is_ignored_and_the_connection_stays() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let mut client = Client::accepted(&hub, &device, Options::default());
    client.subscribe_c2d(&device, 1);
    hub.send_c2d("d", message("a")).unwrap();
    hub.send_c2d("d", message("b")).unwrap();
    let (a, b) = (
        client.publish().packet_id.unwrap(),
        client.publish().packet_id.unwrap(),
    );
    client.send(&puback(b));
    client.ping();
    assert_eq!(hub.pending_c2d("d"), 2);
    client.send(&puback(a));
    client.ping();
    assert_eq!(hub.pending_c2d("d"), 1);
    client.send(&puback(999));
    client.ping();
    hub.shift_clock(61);
    let again = client.publish();
    assert_eq!((again.first, again.payload.as_slice()), (0x3a, &b"b"[..]));
    client.send(&puback(b));
    wait_pending(&hub, "d", 0);
}

#[test]
fn a_message_whose_lock_times_out_comes_again_until_its_deliveries_are_used_up() {
    let hub = hub_with(|config| config.limits.c2d_max_delivery_count = 3);
    let device = Device::create(&hub, "d");
    let mut client = Client::accepted(&hub, &device, Options::default());
    client.subscribe_c2d(&device, 1);
    hub.send_c2d("d", message("a")).unwrap();
    for delivery in 1..=3 {
        assert_eq!(
            client.publish().first,
            if delivery == 1 { 0x32 } else { 0x3a }
        );
        hub.shift_clock(61);
    }
    wait_pending(&hub, "d", 0);
    assert_eq!(
        feedback(&hub),
        [("a".to_owned(), Outcome::DeliveryCountExceeded)]
    );
    client.ping();
}

#[test]
fn a_subscription_with_qos_0_gets_messages_with_qos_0_and_completes_them() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let mut client = Client::accepted(&hub, &device, Options::default());
    client.subscribe_c2d(&device, 0);
    hub.send_c2d("d", message("a")).unwrap();
    let received = client.publish();
    assert_eq!((received.first, received.packet_id), (0x30, None));
    wait_pending(&hub, "d", 0);
    assert_eq!(feedback(&hub), [("a".to_owned(), Outcome::Success)]);
}

#[test]
fn fifty_messages_wait_and_the_next_one_is_refused() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    for number in 0..50 {
        hub.send_c2d("d", message(&number.to_string())).unwrap();
    }
    let refused = hub.send_c2d("d", message("50")).unwrap_err();
    assert_eq!(
        (refused.code(), refused.name()),
        (403_004, "DeviceMaximumQueueDepthExceeded")
    );
    let mut client = Client::accepted(&hub, &device, Options::default());
    client.subscribe_c2d(&device, 1);
    for number in 0..50 {
        let received = client.publish();
        assert_eq!(received.payload, number.to_string().into_bytes());
        client.send(&puback(received.packet_id.unwrap()));
    }
    wait_pending(&hub, "d", 0);
}

#[test]
fn messages_expire_after_an_hour_or_when_their_sender_said() {
    let hub = hub();
    Device::create(&hub, "d");
    hub.send_c2d("d", message("hour")).unwrap();
    let soon = Message {
        expiry: Some(hub.unix_millis() + 60_000),
        ..message("minute")
    };
    hub.send_c2d("d", soon).unwrap();
    hub.shift_clock(61);
    wait_pending(&hub, "d", 1);
    hub.shift_clock(3600);
    wait_pending(&hub, "d", 0);
    let expired = ["minute", "hour"].map(|id| (id.to_owned(), Outcome::Expired));
    assert_eq!(feedback(&hub), expired);
}

#[test]
fn a_clean_session_discards_what_waits() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    hub.send_c2d("d", message("a")).unwrap();
    let clean = Options {
        clean: true,
        ..Options::default()
    };
    let mut client = Client::accepted(&hub, &device, clean);
    client.subscribe_c2d(&device, 1);
    client.expect_silence(Duration::from_millis(300));
    assert_eq!(feedback(&hub), [("a".to_owned(), Outcome::Purged)]);
    // While it lasts, a clean session gets messages like any other.
    hub.send_c2d("d", message("b")).unwrap();
    let received = client.publish();
    client.send(&puback(received.packet_id.unwrap()));
    wait_pending(&hub, "d", 0);
}

#[test]
fn a_takeover_moves_undelivered_messages_to_the_new_connection() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let mut old = Client::accepted(&hub, &device, Options::default());
    old.subscribe_c2d(&device, 1);
    hub.send_c2d("d", message("a")).unwrap();
    hub.send_c2d("d", message("b")).unwrap();
    old.publish();
    let mut new = Client::accepted(&hub, &device, Options::default());
    for id in ["a", "b"] {
        let received = new.publish();
        assert_eq!(received.payload, id.as_bytes());
        new.send(&puback(received.packet_id.unwrap()));
    }
    wait_pending(&hub, "d", 0);
}

#[test]
fn feedback_comes_only_for_the_outcomes_that_were_asked_for() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let mut client = Client::accepted(&hub, &device, Options::default());
    client.subscribe_c2d(&device, 0);
    for (id, ack) in [
        ("n", Ack::None),
        ("p", Ack::Positive),
        ("x", Ack::Negative),
        ("f", Ack::Full),
    ] {
        hub.send_c2d(
            "d",
            Message {
                ack: Some(ack),
                ..message(id)
            },
        )
        .unwrap();
        assert!(
            client
                .publish()
                .topic
                .contains(&format!("iothub-ack={}", format!("{ack:?}").to_lowercase()))
        );
    }
    wait_pending(&hub, "d", 0);
    let success = ["p", "f"].map(|id| (id.to_owned(), Outcome::Success));
    assert_eq!(feedback(&hub), success);
    client.send(&DISCONNECT);
    client.expect_close();
    for (id, ack) in [
        ("n", Ack::None),
        ("p", Ack::Positive),
        ("x", Ack::Negative),
        ("f", Ack::Full),
    ] {
        hub.send_c2d(
            "d",
            Message {
                ack: Some(ack),
                ..message(id)
            },
        )
        .unwrap();
    }
    assert_eq!(hub.purge_c2d("d"), Ok(4));
    let purged = ["x", "f"].map(|id| (id.to_owned(), Outcome::Purged));
    assert_eq!(feedback(&hub), purged);
}

#[test]
fn messages_that_the_service_does_not_take_are_refused() {
    let hub = hub();
    Device::create(&hub, "d");
    let with = |name: &str, value: &str| Message {
        properties: vec![(name.into(), value.into())],
        ..Message::new("")
    };
    let far = hub.unix_millis() + 3 * 24 * 3600 * 1000;
    let cases = [
        (with("a b", "c"), 400_004),
        (with("a", "b c"), 400_004),
        (with("", "b"), 400_004),
        (with("ä", "b"), 400_004),
        (Message::new(vec![0; 65_537]), 413_001),
        (
            Message {
                expiry: Some(far),
                ..Message::new("")
            },
            400_004,
        ),
        (
            Message {
                message_id: Some("x".repeat(129)),
                ..Message::new("")
            },
            400_004,
        ),
    ];
    for (message, code) in cases {
        assert_eq!(hub.send_c2d("d", message).unwrap_err().code(), code);
    }
    hub.send_c2d("d", Message::new(vec![0; 65_536])).unwrap();
    assert_eq!(
        hub.send_c2d("nobody", Message::new("")).unwrap_err().code(),
        404_001
    );
}

#[test]
fn a_module_gets_messages_under_its_own_topic_and_neither_its_device_nor_another_module_does() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let module = Module::create(&hub, "d", "m");
    let mut of_device = Client::accepted(&hub, &device, Options::default());
    of_device.subscribe_c2d(&device, 1);
    let mut other = Module::create(&hub, "d", "n").accepted(&hub);
    let wide = "devices/+/modules/+/messages/devicebound/#";
    other.send(&subscribe(1, &[(wide, 1)]));
    other.expect(&[0x90, 3, 0, 1, 1]);
    // It waits for the module, as for a device.
    hub.send_to_module("d", "m", message("m1")).unwrap();
    assert_eq!(hub.pending_c2d("d/m"), 1);
    let mut client = module.accepted(&hub);
    let filter = "devices/d/modules/m/messages/devicebound/#";
    client.send(&subscribe(1, &[(filter, 1)]));
    client.expect(&[0x90, 3, 0, 1, 1]);
    let topic = "devices/d/modules/m/messages/devicebound/\
                 %24.mid=m1&%24.to=%2Fdevices%2Fd%2Fmodules%2Fm%2Fmessages%2FdeviceBound&iothub-ack=full";
    client.expect(&publish(topic, Some(1), b"m1"));
    client.send(&puback(1));
    wait_pending(&hub, "d/m", 0);
    let records = hub.take_feedback().unwrap();
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].device_id, "d");
    assert_eq!(records[0].module_id.as_deref(), Some("m"));
    of_device.ping();
    other.ping();
    let unknown = hub.send_to_module("d", "x", message("m2")).unwrap_err();
    assert_eq!(unknown.code(), 404_010);
}

#[test]
fn what_waits_for_a_module_is_kept_over_a_restart_and_goes_with_the_module() {
    let state = tempfile::tempdir().unwrap();
    let start = || hub_with(|config| config.state = Some(state.path().to_owned()));
    let hub = start();
    let device = Device::create(&hub, "d");
    Module::create(&hub, "d", "m");
    hub.send_to_module("d", "m", message("of the module"))
        .unwrap();
    hub.send_c2d("d", message("of the device")).unwrap();
    drop(hub);
    let hub = start();
    assert_eq!((hub.pending_c2d("d"), hub.pending_c2d("d/m")), (1, 1));
    assert_eq!(
        common::rest::as_owner_with(&hub, "DELETE /devices/d/modules/m", &[], None).status,
        204
    );
    assert_eq!((hub.pending_c2d("d"), hub.pending_c2d("d/m")), (1, 0));
    let mut client = Client::accepted(&hub, &device, Options::default());
    client.subscribe_c2d(&device, 0);
    assert_eq!(client.publish().payload, b"of the device");
}

#[test]
fn names_and_values_of_properties_may_have_colons_and_no_spaces() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let mut client = Client::accepted(&hub, &device, Options::default());
    client.subscribe_c2d(&device, 0);
    let with = |name: &str, value: &str| Message {
        properties: vec![(name.into(), value.into())],
        ..Message::new("x")
    };
    hub.send_c2d("d", with("urn:a:b", "12:30")).unwrap();
    let topic = client.publish().topic;
    assert!(topic.ends_with("&urn%3Aa%3Ab=12%3A30"), "{topic}");
    for (name, value) in [
        ("a b", "c"),
        ("a", "b c"),
        ("", "x"),
        ("a/b", "c"),
        ("ä", "x"),
    ] {
        let refused = hub.send_c2d("d", with(name, value)).unwrap_err();
        assert_eq!(refused.code(), 400_004, "{name}={value}");
    }
}
