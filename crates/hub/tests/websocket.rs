//! MQTT over WebSocket on the operator's port, for the hub and for the provisioning service.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::time::Duration;

use common::dps::*;
use common::websocket::*;
use common::*;
use local_hub::Config;

const PATH: &str = "/$iothub/websocket";

#[test]
fn a_device_joins_over_websocket_and_its_packets_need_not_fit_messages() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    for path in [PATH, "/%24iothub/websocket?iothub-no-client-cert=true"] {
        let mut socket = WebSocket::open(&hub, path, None);
        let connect = device.connect(Options::default());
        // A packet in three messages, one of them empty; then two packets in one.
        socket.send(&connect[..7]);
        socket.send(&[]);
        socket.send(&connect[7..]);
        let (_, connack) = socket.next();
        assert!(connack == CONNACK_NEW || connack == CONNACK_PRESENT);
        let telemetry = publish(&device.events_topic(), Some(7), b"hi");
        socket.send(&[telemetry.as_slice(), &PINGREQ].concat());
        socket.expect(&[0x40, 2, 0, 7]);
        socket.expect(&PINGRESP);
        socket.message(PING, b"p");
        assert_eq!(socket.next(), (10, b"p".to_vec()));
        socket.send(&DISCONNECT);
        socket.expect_close();
    }
    assert_eq!(wait_for_events(&hub, 2)[1].body, b"hi");
}

#[test]
fn a_certificate_proves_a_device_over_websocket_too() {
    let hub = hub();
    let certificate = hub.create_x509_device("x").unwrap();
    let mut socket = WebSocket::open(&hub, PATH, Some(&certificate));
    let user_name = "localhost/x/?api-version=2021-04-12";
    socket.send(&connect("x", user_name, None, Options::default()));
    socket.expect(&CONNACK_NEW);
    let mut other = WebSocket::open(&hub, PATH, None);
    other.send(&connect("x", user_name, None, Options::default()));
    other.expect(&CONNACK_REFUSED);
    other.expect_close();
}

#[test]
fn a_registration_over_websocket_is_assigned() {
    let hub = hub();
    let key = primary_key(&hub.enroll("dev-01", by_keys()).unwrap());
    let mut socket = WebSocket::open(&hub, PATH, None);
    socket.send(&connect_packet(hub.id_scope(), "dev-01", Some(&key)));
    socket.expect(&CONNACK_NEW);
    socket.send(&subscribe(1, &[(RESPONSES, 0)]));
    socket.expect(&[0x90, 3, 0, 1, 0]);
    let ask = |topic: &str| publish(&format!("$dps/registrations/{topic}"), None, b"");
    socket.send(&ask("PUT/iotdps-register/?$rid=1"));
    let (_, answer) = socket.next();
    let text = String::from_utf8_lossy(&answer).into_owned();
    let (_, operation) = text.split_once("\"operationId\":\"").unwrap();
    let operation = operation.split('"').next().unwrap();
    socket.send(&ask(&format!(
        "GET/iotdps-get-operationstatus/?$rid=2&operationId={operation}"
    )));
    let (_, answer) = socket.next();
    let text = String::from_utf8_lossy(&answer);
    assert!(text.contains("\"status\":\"assigned\""), "{text}");
}

#[test]
fn a_text_message_ends_a_websocket_and_a_second_connection_takes_over() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let open = || {
        let mut socket = WebSocket::open(&hub, PATH, None);
        socket.send(&device.connect(Options::default()));
        socket
    };
    let mut first = open();
    first.expect(&CONNACK_NEW);
    let mut second = open();
    second.expect(&CONNACK_PRESENT);
    first.expect_close();
    second.message(TEXT, b"ping");
    second.expect_close();
    let of_text = |close: &local_hub::Close| close.reason.contains("text message");
    assert!(hub.wait_for_close(PATIENCE, of_text).is_some());
}

#[test]
fn a_websocket_of_another_protocol_is_refused_and_named() {
    let hub = hub();
    for (protocol, told) in [("AMQPWSB10", "AMQP"), ("chat", "offer mqtt")] {
        let answer = rest::raw_text(
            &hub,
            upgrade(PATH, protocol)
                .replace("keep-alive,", "close,")
                .as_bytes(),
        );
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(answer.contains(told), "{answer}");
        let named = |close: &local_hub::Close| close.reason.contains(told);
        assert!(hub.wait_for_close(PATIENCE, named).is_some());
    }
    let plain = format!("GET {PATH} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let answer = rest::raw_text(&hub, plain.as_bytes());
    assert!(answer.contains("Upgrade: websocket"), "{answer}");
}

#[test]
fn a_websocket_that_says_nothing_is_closed_and_so_are_all_when_the_hub_stops() {
    let hub = hub_with(|config: &mut Config| {
        config.limits.connect_timeout = Duration::from_millis(300);
    });
    let device = Device::create(&hub, "d");
    WebSocket::open(&hub, PATH, None).expect_end();
    let mut joined = WebSocket::open(&hub, PATH, None);
    joined.send(&device.connect(Options::default()));
    joined.expect(&CONNACK_NEW);
    hub.shutdown();
    joined.expect_end();
}
