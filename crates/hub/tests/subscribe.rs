//! SUBSCRIBE and UNSUBSCRIBE.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::thread;
use std::time::Duration;

use common::module::Module;
use common::*;
use local_hub::{Hub, Message};
use serde_json::json;

const METHODS: &str = "$iothub/methods/POST/#";
const TWIN_RESPONSES: &str = "$iothub/twin/res/#";
const DESIRED: &str = "$iothub/twin/PATCH/properties/desired/#";

#[test]
fn the_subscription_of_the_documentation_has_these_bytes() {
    let hub = hub();
    let device = Device::create(&hub, "MyDevice01");
    let mut client = Client::accepted(&hub, &device, Options::default());
    let bytes = subscribe(1, &[(&device.c2d_filter(), 1)]);
    assert_eq!(bytes[..6], [0x82, 0x2e, 0, 1, 0, 0x29]);
    client.send(&bytes);
    client.expect(&[0x90, 3, 0, 1, 1]);
}

#[test]
fn one_code_for_each_filter_comes_in_their_order_and_qos_2_is_granted_as_1() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let mut client = Client::accepted(&hub, &device, Options::default());
    let c2d = device.c2d_filter();
    client.send(&subscribe(
        0x102,
        &[(METHODS, 0), (&c2d, 2), (TWIN_RESPONSES, 1), (DESIRED, 0)],
    ));
    client.expect(&[0x90, 6, 1, 2, 0, 1, 1, 0]);
}

#[test]
fn a_filter_that_iot_hub_does_not_have_closes_the_connection() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    for filter in [
        "#",
        "+",
        "",
        "devices/d/messages/devicebound/+",
        "devices/d/messages/devicebound",
        "devices/other/messages/devicebound/#",
        "devices/d/messages/events/#",
        "$iothub/twin/#",
        "$dps/registrations/res/#",
    ] {
        let mut client = Client::accepted(&hub, &device, Options::default());
        client.send(&subscribe(1, &[(METHODS, 0), (filter, 0)]));
        client.expect_close();
        assert!(
            hub.closes()
                .pop()
                .unwrap()
                .reason
                .contains("IoT Hub has no filter"),
            "{filter}"
        );
    }
    // Nothing of a refused packet is kept.
    let mut client = Client::accepted(&hub, &device, Options::default());
    client.send(&subscribe(1, &[(DESIRED, 0)]));
    client.expect(&[0x90, 3, 0, 1, 0]);
}

#[test]
fn a_lenient_hub_answers_any_filter_and_still_counts_to_five() {
    let hub = hub_with(|config| config.lenient_subscriptions = true);
    let device = Device::create(&hub, "d");
    let mut client = Client::accepted(&hub, &device, Options::default());
    client.send(&subscribe(
        1,
        &[("#", 1), ("a", 0), ("b", 0), ("c", 0), ("d", 2)],
    ));
    client.expect(&[0x90, 7, 0, 1, 1, 0, 0, 0, 1]);
    // The same again is not another.
    client.send(&subscribe(2, &[("d", 0)]));
    client.expect(&[0x90, 3, 0, 2, 0]);
    client.send(&subscribe(3, &[("e", 0)]));
    client.expect_close();
    assert!(close_reason(&hub, "d").contains("6 subscriptions"));
}

#[test]
fn unsubscribing_is_acknowledged_whether_there_was_a_subscription_or_not() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let mut client = Client::accepted(&hub, &device, Options::default());
    client.send(&subscribe(1, &[(METHODS, 1)]));
    client.expect(&[0x90, 3, 0, 1, 1]);
    for id in [2, 3] {
        client.send(&packet(
            0xa2,
            &[vec![0, id], string(METHODS), string("foo")].concat(),
        ));
        client.expect(&[0xb0, 2, 0, id]);
    }
}

#[test]
fn malformed_subscriptions_close_the_connection() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let no_filter = packet(0x82, &[0, 1]);
    let qos_3 = subscribe(1, &[(METHODS, 3)]);
    let id_0 = subscribe(0, &[(METHODS, 1)]);
    let mut no_flags = subscribe(1, &[(METHODS, 1)]);
    no_flags[0] = 0x80;
    let truncated = packet(0x82, &[0, 1, 0, 5, b'a']);
    for bytes in [no_filter, qos_3, id_0, no_flags, truncated] {
        let mut client = Client::accepted(&hub, &device, Options::default());
        client.send(&bytes);
        client.expect_close();
    }
}

/// A client that subscribed to these filters with QoS 1.
fn subscribed(hub: &Hub, device: &Device, filters: &[&str]) -> Client {
    let mut client = Client::accepted(hub, device, Options::default());
    let with_qos: Vec<_> = filters.iter().map(|filter| (*filter, 1)).collect();
    client.send(&subscribe(1, &with_qos));
    let length = u8::try_from(2 + filters.len()).unwrap();
    client.expect(&[&[0x90, length, 0, 1][..], &vec![1; filters.len()]].concat());
    client
}

fn get_twin(client: &mut Client) {
    client.send(&publish("$iothub/twin/GET/?$rid=1", None, b""));
}

fn report(client: &mut Client) {
    let topic = "$iothub/twin/PATCH/properties/reported/?$rid=2";
    client.send(&publish(topic, None, b"{\"a\":1}"));
}

/// Calls a method, which the client answers.
fn invoke(hub: &Hub, client: &mut Client) {
    let answered = thread::scope(|scope| {
        let call = scope.spawn(|| hub.invoke_method("d", "reboot", &json!(1), PATIENCE));
        let topic = client.publish().topic;
        let rid = topic
            .strip_prefix("$iothub/methods/POST/reboot/?$rid=")
            .unwrap();
        client.send(&publish(
            &format!("$iothub/methods/res/200/?$rid={rid}"),
            None,
            b"",
        ));
        call.join().unwrap()
    });
    assert_eq!(answered.unwrap().status, 200);
}

#[test]
fn the_wider_filters_that_microsofts_code_sends_are_served() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let mut client = subscribed(
        &hub,
        &device,
        &[
            "devices/+/messages/devicebound/#",
            "$iothub/methods/#",
            "$iothub/twin/res/200/#",
            "$iothub/credentials/res/#",
        ],
    );
    hub.send_c2d("d", Message::new("hi")).unwrap();
    let message = client.publish();
    assert_eq!((message.first, &*message.payload), (0x32, &b"hi"[..]));
    client.send(&puback(message.packet_id.unwrap()));
    invoke(&hub, &mut client);
    // 204 is another answer than 200.
    report(&mut client);
    get_twin(&mut client);
    let answer = client.publish();
    assert_eq!(answer.topic, "$iothub/twin/res/200/?$rid=1");
    assert!(
        answer
            .payload
            .ends_with(br#""reported":{"a":1,"$version":2}}"#)
    );
}

#[test]
fn a_filter_for_all_devices_brings_the_messages_of_ones_own_only() {
    for lenient in [false, true] {
        let hub = hub_with(|config| config.lenient_subscriptions = lenient);
        let device = Device::create(&hub, "d");
        let other = Device::create(&hub, "e");
        let filter = "devices/+/messages/devicebound/#";
        let mut client = subscribed(&hub, &device, &[filter]);
        let mut of_other = subscribed(&hub, &other, &[filter]);
        hub.send_c2d("e", Message::new("for e")).unwrap();
        assert_eq!(of_other.publish().payload, b"for e");
        client.expect_silence(Duration::from_millis(200));
        hub.send_c2d("d", Message::new("for d")).unwrap();
        assert_eq!(client.publish().payload, b"for d");
    }
}

#[test]
fn a_module_is_served_on_every_filter_of_its_own() {
    let hub = hub();
    Device::create(&hub, "d");
    let module = Module::create(&hub, "d", "m");
    for filter in [
        "devices/d/modules/m/#",
        "devices/d/modules/+/messages/devicebound/#",
        "devices/+/modules/m/messages/devicebound/#",
    ] {
        let mut client = module.accepted(&hub);
        client.send(&subscribe(1, &[(filter, 0)]));
        client.expect(&[0x90, 3, 0, 1, 0]);
        hub.send_to_module("d", "m", Message::new(filter)).unwrap();
        assert_eq!(client.publish().payload, filter.as_bytes());
        let unsubscribe = [vec![0, 2], string(filter)].concat();
        client.send(&packet(0xa2, &unsubscribe));
        client.expect(&[0xb0, 2, 0, 2]);
        client.send(&DISCONNECT);
        client.expect_close();
    }
}

#[test]
fn a_lenient_hub_serves_what_it_grants() {
    let hub = hub_with(|config| config.lenient_subscriptions = true);
    let device = Device::create(&hub, "d");
    // A wildcard in the first level matches no topic that begins with `$`.
    let mut client = subscribed(&hub, &device, &["#"]);
    get_twin(&mut client);
    hub.patch_twin("d", &json!({"properties": {"desired": {"x": 1}}}))
        .unwrap();
    let refused = hub.invoke_method("d", "reboot", &json!(1), PATIENCE);
    assert_eq!(refused.unwrap_err().code(), 404_103);
    hub.send_c2d("d", Message::new("hi")).unwrap();
    assert_eq!(client.publish().payload, b"hi");
    client.send(&puback(1));
    client.send(&packet(0xa2, &[vec![0, 2], string("#")].concat()));
    client.expect(&[0xb0, 2, 0, 2]);

    client.send(&subscribe(3, &[("$iothub/#", 0), ("devices/d/+/+/+", 0)]));
    client.expect(&[0x90, 4, 0, 3, 0, 0]);
    get_twin(&mut client);
    assert_eq!(client.publish().topic, "$iothub/twin/res/200/?$rid=1");
    report(&mut client);
    assert_eq!(
        client.publish().topic,
        "$iothub/twin/res/204/?$rid=2&$version=2"
    );
    hub.patch_twin("d", &json!({"properties": {"desired": {"x": 2}}}))
        .unwrap();
    assert_eq!(
        client.publish().topic,
        "$iothub/twin/PATCH/properties/desired/?$version=3"
    );
    invoke(&hub, &mut client);
    hub.send_c2d("d", Message::new("again")).unwrap();
    assert_eq!(client.publish().payload, b"again");
}

#[test]
fn what_is_no_filter_in_mqtt_closes_the_connection_of_a_lenient_hub_too() {
    let hub = hub_with(|config| config.lenient_subscriptions = true);
    let device = Device::create(&hub, "d");
    for filter in ["", "a#", "#/a", "a+/b"] {
        let mut client = Client::accepted(&hub, &device, Options::default());
        client.send(&subscribe(1, &[(filter, 0)]));
        client.expect_close();
    }
}

#[test]
fn the_highest_qos_of_the_filters_that_match_counts() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let mut client = Client::accepted(&hub, &device, Options::default());
    let wide = "devices/+/messages/devicebound/#";
    client.send(&subscribe(1, &[(&device.c2d_filter(), 0), (wide, 1)]));
    client.expect(&[0x90, 4, 0, 1, 0, 1]);
    hub.send_c2d("d", Message::new("once")).unwrap();
    assert_eq!(client.publish().first, 0x32);
    client.expect_silence(Duration::from_millis(200));
}
