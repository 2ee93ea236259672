//! CONNECT: who is let in, who is not, and that nobody learns why.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::*;
use local_hub::{Authentication, DeviceCertificate, Hub, Status, SymmetricKeys};

/// Sends a CONNECT that must be refused; gives the reason in the hub's log.
fn refused(hub: &Hub, client_id: &str, connect: &[u8]) -> String {
    let before = hub.closes().len();
    let mut client = Client::open(hub);
    client.send(connect);
    client.expect(&CONNACK_REFUSED);
    client.expect_close();
    let mut seen = 0;
    let close = hub.wait_for_close(PATIENCE, |close| {
        seen += 1;
        seen > before && close.client_id.as_deref() == Some(client_id)
    });
    close.unwrap().reason
}

#[test]
fn the_first_connection_is_new_and_the_second_has_a_stored_session() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let (mut client, connack) = Client::connect(&hub, &device, Options::default());
    assert_eq!(connack, CONNACK_NEW);
    client.ping();
    client.send(&DISCONNECT);
    client.expect_close();
    let (_, connack) = Client::connect(&hub, &device, Options::default());
    assert_eq!(connack, CONNACK_PRESENT);
}

#[test]
fn a_clean_session_forgets_the_stored_one() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let clean = || Options {
        clean: true,
        ..Options::default()
    };
    Client::accepted(&hub, &device, Options::default());
    for _ in 0..2 {
        let (_, connack) = Client::connect(&hub, &device, clean());
        assert_eq!(connack, CONNACK_NEW);
    }
    let (_, connack) = Client::connect(&hub, &device, Options::default());
    assert_eq!(connack, CONNACK_NEW);
}

#[test]
fn every_credential_problem_is_answered_with_5_and_a_close() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let other = Device::create(&hub, "other");
    let user = device.user_name();
    let by = |user: &str, password: &str| connect("d", user, Some(password), Options::default());
    let good = device.token(3600);
    let cases = [
        (
            "neither key",
            by(
                &user,
                &Device {
                    key: other.key.clone(),
                    ..device.clone()
                }
                .token(3600),
            ),
        ),
        (
            "does not cover",
            by(&user, &token("localhost/devices/other", &device.key, 3600)),
        ),
        (
            "does not cover",
            by(&user, &token("elsewhere/devices/d", &device.key, 3600)),
        ),
        ("se passed", by(&user, &device.token(-310))),
        ("SharedAccessSignature", by(&user, "secret")),
        (
            "neither a password nor",
            connect("d", &user, None, Options::default()),
        ),
        ("neither a password nor", by(&user, "")),
        ("do not name the same client", by(&other.user_name(), &good)),
        (
            "do not name the same client",
            by("localhost/D/?api-version=2021-04-12", &good),
        ),
        ("names no device", by("d", &good)),
        ("no policy", by(&user, &format!("{good}&skn=nonsense"))),
    ];
    for (reason, connect) in cases {
        let logged = refused(&hub, "d", &connect);
        assert!(logged.contains(reason), "{logged:?} instead of {reason:?}");
    }
    let unknown = Device {
        id: "unknown".into(),
        key: device.key.clone(),
    };
    assert!(
        refused(&hub, "unknown", &unknown.connect(Options::default()))
            .contains("there is no device")
    );
    hub.set_status("d", Status::Disabled).unwrap();
    assert!(refused(&hub, "d", &device.connect(Options::default())).contains("disabled"));
}

#[test]
fn a_token_counts_for_five_minutes_after_its_end() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let late = Options {
        life: -290,
        ..Options::default()
    };
    Client::accepted(&hub, &device, late).ping();
}

#[test]
fn the_secondary_key_is_as_good_as_the_primary() {
    let hub = hub();
    Device::create(&hub, "d");
    let Authentication::Sas(keys) = hub.device("d").unwrap().authentication else {
        panic!("another kind of authentication");
    };
    let device = Device {
        id: "d".into(),
        key: keys.secondary_key,
    };
    Client::accepted(&hub, &device, Options::default()).ping();
}

#[test]
fn a_token_of_the_hubs_device_policy_connects_any_device() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let key = |policy| {
        let text = hub.service_connection_string(policy).unwrap();
        text.split_once("SharedAccessKey=").unwrap().1.to_owned()
    };
    let by = |policy| {
        let password = format!("{}&skn={policy}", token("localhost", &key(policy), 3600));
        connect(
            "d",
            &device.user_name(),
            Some(&password),
            Options::default(),
        )
    };
    let mut client = Client::open(&hub);
    client.send(&by("device"));
    client.expect(&CONNACK_NEW);
    assert!(refused(&hub, "d", &by("service")).contains("does not permit"));
}

#[test]
fn a_module_connects_with_its_own_key_under_its_own_name() {
    let hub = hub();
    Device::create(&hub, "d");
    let key = Device::from_connection_string(&hub.create_sas_module("d", "gps").unwrap()).key;
    let mut client = Client::open(&hub);
    let user_name = "localhost/d/gps/?api-version=2021-04-12";
    let password = token("localhost/devices/d/modules/gps", &key, 3600);
    client.send(&connect(
        "d/gps",
        user_name,
        Some(&password),
        Options::default(),
    ));
    client.expect(&CONNACK_NEW);
    client.send(&publish(
        "devices/d/modules/gps/messages/events/",
        Some(1),
        b"x",
    ));
    client.expect(&[0x40, 2, 0, 1]);
    let event = hub.events()[0].to_json();
    assert_eq!(event["event"]["module"], "gps");
    assert_eq!(
        event["event"]["annotations"]["iothub-connection-module-id"],
        "gps"
    );
}

#[test]
fn a_device_with_a_registered_thumbprint_connects_without_a_password() {
    let hub = hub();
    let certificate = hub.create_x509_device("d").unwrap();
    let (mut client, connack) = Client::connect_with_certificate(&hub, "d", &certificate);
    assert_eq!(connack, CONNACK_NEW);
    client.send(&publish("devices/d/messages/events/", Some(1), b"x"));
    client.expect(&[0x40, 2, 0, 1]);
}

/// `openssl x509 -req … -signkey` makes certificates of X.509 version 1, which verifiers of the web refuse.
const VERSION_1_CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----
MIIBFDCBuwIUH2nLjSYnXca/S0O8TsRVRfHXrq4wCgYIKoZIzj0EAwIwDDEKMAgG
A1UEAwwBZDAgFw0yNjExMjMxMDU2MTVaGA8yMTI2MTAzMDEwNTYxNVowDDEKMAgG
A1UEAwwBZDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABImHer/uXll2jI0QlHwR
DiuMs5nAReSDTuIbixjqSjE7u3hpvMLJ0w5X9+dDN66dJh9CQ1MycxJwP+bg9AsO
qo4wCgYIKoZIzj0EAwIDSAAwRQIgOVOIfJAfNhC7F55K7nQqeVn7A0IbTi3PnLyV
iuqFDh0CIQCBqWK3Hj9cAC6OcrseseW+al8HesvIX2pT919PVnWnMQ==
-----END CERTIFICATE-----
";
/// Its key, of no use elsewhere.
const VERSION_1_KEY: &str = "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgkadWqg5/Zhtqdf2q
h56ybP0sA+P1N0WEkIzmFJfGW7ShRANCAASJh3q/7l5ZdoyNEJR8EQ4rjLOZwEXk
g07iG4sY6koxO7t4abzCydMOV/fnQzeunSYfQkNTMnMScD/m4PQLDqqO
-----END PRIVATE KEY-----
";

#[test]
fn a_self_signed_certificate_of_version_1_connects_by_its_sha_1_thumbprint() {
    let hub = hub();
    // Into its validity, whatever this machine's date: 2030-01-01.
    let year_2030 = 1_893_456_000;
    hub.shift_clock(year_2030 - i64::try_from(hub.unix_millis() / 1000).unwrap());
    let thumbprint = Authentication::X509Thumbprint {
        primary: None,
        secondary: Some("fd7cd7f268974a54c2546d3a307166e728b97353".into()),
    };
    let device = hub.create_device("d", thumbprint).unwrap();
    let certificate = DeviceCertificate {
        connection_string: device.connection_string("localhost"),
        certificate_pem: VERSION_1_CERTIFICATE.into(),
        key_pem: VERSION_1_KEY.into(),
    };
    let (_, connack) = Client::connect_with_certificate(&hub, "d", &certificate);
    assert_eq!(connack, CONNACK_NEW);
}

#[test]
fn a_certificate_without_its_key_gets_no_further_than_the_handshake() {
    let hub = hub();
    let owner = hub.create_x509_device("d").unwrap();
    let thief = DeviceCertificate {
        key_pem: VERSION_1_KEY.into(),
        ..owner
    };
    let config = client_config(hub.ca_pem(), Some(&thief));
    assert!(Client::try_open(hub.endpoint(), config, "localhost").is_err());
    let close = hub.wait_for_close(PATIENCE, |close| close.reason.contains("TLS handshake"));
    assert!(close.unwrap().reason.contains("BadSignature"));
}

#[test]
fn a_device_under_an_uploaded_ca_connects_by_its_common_name() {
    let hub = hub();
    let certificate = hub.create_x509_ca_device("d").unwrap();
    let (_, connack) = Client::connect_with_certificate(&hub, "d", &certificate);
    assert_eq!(connack, CONNACK_NEW);
}

#[test]
fn certificates_that_prove_nothing_are_refused() {
    let hub = hub();
    let thumbprint = hub.create_x509_device("thumbprint").unwrap();
    let by_ca = hub.create_x509_ca_device("ca").unwrap();
    hub.create_x509_ca_device("ca2").unwrap();
    let another = hub.create_x509_device("another").unwrap();
    Device::create(&hub, "sas");
    let cases = [
        ("thumbprint", &another, "is not registered for this device"),
        ("ca2", &by_ca, "CN is \"ca\""),
        ("sas", &thumbprint, "registered for SAS"),
        ("ca", &thumbprint, "CN is \"thumbprint\""),
    ];
    for (id, certificate, reason) in cases {
        let (mut client, connack) = Client::connect_with_certificate(&hub, id, certificate);
        assert_eq!(connack, CONNACK_REFUSED, "{id}");
        client.expect_close();
        let logged = close_reason(&hub, id);
        assert!(logged.contains(reason), "{logged:?} instead of {reason:?}");
    }
    // The right name under a CA that was never uploaded: a certificate that signs itself.
    hub.create_device("another-ca", Authentication::X509Ca)
        .unwrap();
    let stranger = hub_with(|_| {})
        .create_x509_ca_device("another-ca")
        .unwrap();
    let (_, connack) = Client::connect_with_certificate(&hub, "another-ca", &stranger);
    assert_eq!(connack, CONNACK_REFUSED);
    assert!(close_reason(&hub, "another-ca").contains("does not chain"));
}

#[test]
fn a_certificate_that_has_expired_by_the_hubs_clock_is_refused() {
    let hub = hub();
    let certificate = hub.create_x509_device("d").unwrap();
    hub.shift_clock(20 * 365 * 24 * 3600);
    let (_, connack) = Client::connect_with_certificate(&hub, "d", &certificate);
    assert_eq!(connack, CONNACK_REFUSED);
    assert!(close_reason(&hub, "d").contains("has expired"));
}

#[test]
fn a_device_with_a_certificate_cannot_use_a_token_and_a_password_wins_over_a_certificate() {
    let hub = hub();
    let certificate = hub.create_x509_device("d").unwrap();
    let key = SymmetricKeys {
        primary_key: "AAECAwQFBgcICQoLDA0ODw==".into(),
        secondary_key: String::new(),
    };
    let device = Device {
        id: "d".into(),
        key: key.primary_key,
    };
    let mut client = Client::open_with(
        hub.endpoint(),
        client_config(hub.ca_pem(), Some(&certificate)),
    );
    client.send(&device.connect(Options::default()));
    client.expect(&CONNACK_REFUSED);
    assert!(close_reason(&hub, "d").contains("registered for X.509"));
}

#[test]
fn packets_that_come_right_behind_connect_are_processed_in_order() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let mut client = Client::open(&hub);
    let mut bytes = device.connect(Options::default());
    bytes.extend(subscribe(7, &[(&device.c2d_filter(), 1)]));
    bytes.extend(publish(&device.events_topic(), Some(8), b"x"));
    bytes.extend(PINGREQ);
    client.send(&bytes);
    client.expect(&CONNACK_NEW);
    client.expect(&[0x90, 3, 0, 7, 1]);
    client.expect(&[0x40, 2, 0, 8]);
    client.expect(&PINGRESP);
}

#[test]
fn a_refused_connect_is_answered_even_if_more_comes_behind_it() {
    let hub = hub();
    let device = Device {
        id: "unknown".into(),
        key: "AAECAwQFBgcICQoLDA0ODw==".into(),
    };
    let mut client = Client::open(&hub);
    let mut bytes = device.connect(Options::default());
    for _ in 0..1000 {
        bytes.extend(publish("devices/unknown/messages/events/", Some(8), b"x"));
    }
    client.send(&bytes);
    client.expect(&CONNACK_REFUSED);
    client.expect_close();
    assert!(hub.events().is_empty());
}

#[test]
fn anything_else_than_connect_first_is_closed_without_a_word() {
    let hub = hub();
    let other_protocol = packet(0x10, b"\x00\x04MQIs\x04\x02\x00\x3c\x00\x01d");
    let version_5 = packet(0x10, b"\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x01d");
    let version_3 = packet(0x10, b"\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x01d");
    let cases: [&[u8]; 7] = [
        &PINGREQ,
        &publish("devices/d/messages/events/", Some(1), b"x"),
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x20\x02\x00\x00",
        &other_protocol,
        &version_5,
        &version_3,
    ];
    for bytes in cases {
        let mut client = Client::open(&hub);
        client.try_send(bytes);
        client.expect_close();
    }
}

#[test]
fn a_client_that_says_nothing_is_closed_after_the_connect_timeout() {
    let hub =
        hub_with(|config| config.limits.connect_timeout = std::time::Duration::from_millis(300));
    let mut client = Client::open(&hub);
    client.expect_close();
    let close = hub.wait_for_close(PATIENCE, |close| close.reason.contains("no CONNECT came"));
    assert!(close.is_some());
}

#[test]
fn without_an_api_version_telemetry_and_messages_work_and_twins_and_methods_do_not() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    for user_name in [
        "localhost/d",
        "localhost/d/",
        "localhost/d/?DeviceClientType=x",
    ] {
        let mut client = Client::open(&hub);
        let password = device.token(3600);
        client.send(&connect(
            "d",
            user_name,
            Some(&password),
            Options::default(),
        ));
        assert_eq!(client.receive(4)[3], 0, "{user_name}");
        let filters = [
            &*device.c2d_filter(),
            "$iothub/twin/res/#",
            "$iothub/methods/POST/#",
        ];
        client.send(&subscribe(1, &filters.map(|filter| (filter, 1))));
        client.expect(&[0x90, 5, 0, 1, 1, 1, 1]);
        client.send(&publish(&device.events_topic(), Some(2), b"x"));
        client.expect(&[0x40, 2, 0, 2]);
        hub.send_c2d("d", local_hub::Message::new("hi")).unwrap();
        let message = client.publish();
        assert_eq!(message.payload, b"hi");
        client.send(&puback(message.packet_id.unwrap()));
        for topic in [
            "$iothub/twin/PATCH/properties/reported/?$rid=1",
            "$iothub/twin/GET/?$rid=1",
        ] {
            let body: &[u8] = if topic.contains("PATCH") { b"{}" } else { b"" };
            client.send(&publish(topic, None, body));
            let answer = client.publish();
            assert_eq!(answer.topic, "$iothub/twin/res/400/?$rid=1");
            assert!(
                String::from_utf8(answer.payload)
                    .unwrap()
                    .contains("api-version")
            );
        }
        let called = hub.invoke_method("d", "m", &serde_json::Value::Null, PATIENCE);
        assert_eq!(called.unwrap_err().code(), 404_103);
        client.send(&DISCONNECT);
        client.expect_close();
    }
    assert_eq!(
        hub.twin("d").unwrap()["properties"]["reported"]["$version"],
        1
    );
}
