//! SUBSCRIBE and UNSUBSCRIBE.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::*;

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
