//! Ends of connections, and the fate of the will.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::time::{Duration, Instant};

use common::*;
use local_hub::{Hub, Status};

const WILL_QOS_1: u8 = 0x08;
const WILL_RETAIN: u8 = 0x20;

fn with_will(device: &Device) -> Options {
    let topic = format!("devices/{}/messages/events/a=b", device.id);
    Options {
        will: Some((topic, "gone", WILL_QOS_1)),
        ..Options::default()
    }
}

fn assert_will(hub: &Hub, count: usize) {
    let events = wait_for_events(hub, count);
    let will = events.last().unwrap();
    assert_eq!(will.body, b"gone");
    assert_eq!(
        will.properties["iothub-MessageType"].as_deref(),
        Some("Will")
    );
    assert_eq!(will.properties["a"].as_deref(), Some("b"));
}

#[test]
fn the_newest_connection_wins_and_the_older_ones_will_is_executed() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let mut old = Client::accepted(&hub, &device, with_will(&device));
    let mut new = Client::accepted(&hub, &device, Options::default());
    old.expect_close();
    assert_will(&hub, 1);
    assert!(close_reason(&hub, "d").contains("connected again"));
    new.ping();
    assert!(hub.is_connected("d"));
}

#[test]
fn a_connection_that_is_refused_takes_nothing_over() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let mut old = Client::accepted(&hub, &device, Options::default());
    let stale = Options {
        life: -1000,
        ..Options::default()
    };
    let (_, connack) = Client::connect(&hub, &device, stale);
    assert_eq!(connack, CONNACK_REFUSED);
    old.ping();
}

#[test]
fn disconnect_discards_the_will() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let mut client = Client::accepted(&hub, &device, with_will(&device));
    client.send(&DISCONNECT);
    client.expect_close();
    assert!(close_reason(&hub, "d").contains("DISCONNECT"));
    assert!(hub.events().is_empty());
}

#[test]
fn a_connection_that_breaks_executes_the_will() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    drop(Client::accepted(&hub, &device, with_will(&device)));
    assert_will(&hub, 1);
}

#[test]
fn a_retained_will_is_marked_and_not_retained() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let mut options = with_will(&device);
    options.will.as_mut().unwrap().2 = WILL_RETAIN;
    drop(Client::accepted(&hub, &device, options));
    assert_eq!(
        wait_for_events(&hub, 1)[0].properties["mqtt-retain"].as_deref(),
        Some("true")
    );
}

#[test]
fn a_will_that_is_not_the_devices_own_telemetry_is_not_accepted() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let wills = [
        ("devices/other/messages/events/", 0),
        ("$iothub/twin/GET/?$rid=1", 0),
        ("devices/d/messages/events/", 0x10),
    ];
    for (topic, flags) in wills {
        let options = Options {
            will: Some((topic.into(), "gone", flags)),
            ..Options::default()
        };
        let mut client = Client::open(&hub);
        client.send(&device.connect(options));
        client.expect_close();
    }
    assert!(hub.events().is_empty());
    assert!(!hub.is_connected("d"));
}

#[test]
fn silence_for_one_and_a_half_keepalives_ends_the_connection_and_executes_the_will() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let options = Options {
        keep_alive: 1,
        ..with_will(&device)
    };
    let mut client = Client::accepted(&hub, &device, options);
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(700));
        client.ping();
    }
    let silent = Instant::now();
    client.expect_close();
    let after = silent.elapsed();
    assert!((1200..4000).contains(&after.as_millis()), "{after:?}");
    assert_will(&hub, 1);
    assert!(close_reason(&hub, "d").contains("nothing came for 1.5 s"));
}

#[test]
fn no_keepalive_is_the_longest_one_and_longer_ones_are_capped() {
    let hub = hub_with(|config| config.limits.keep_alive_cap = Duration::from_millis(500));
    let device = Device::create(&hub, "d");
    for keep_alive in [0, 1, 65_535] {
        let options = Options {
            keep_alive,
            ..Options::default()
        };
        let mut client = Client::accepted(&hub, &device, options);
        client.expect_close();
    }
    assert!(close_reason(&hub, "d").contains("nothing came for 0.5 s"));
}

#[test]
fn a_live_connection_is_cut_when_the_skew_after_the_tokens_end_is_over() {
    let hub = hub_with(|config| config.limits.sas_skew = Duration::from_secs(1));
    let device = Device::create(&hub, "d");
    let options = Options {
        life: 1,
        ..with_will(&device)
    };
    let mut client = Client::accepted(&hub, &device, options);
    client.ping();
    let connected = Instant::now();
    client.expect_close();
    let after = connected.elapsed();
    assert!((500..6000).contains(&after.as_millis()), "{after:?}");
    assert_will(&hub, 1);
    assert!(close_reason(&hub, "d").contains("token expired"));
}

#[test]
fn the_hubs_clock_decides_when_a_token_is_over() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let mut client = Client::accepted(&hub, &device, Options::default());
    hub.shift_clock(3600 + 290);
    client.ping();
    hub.shift_clock(15);
    client.expect_close();
    assert!(close_reason(&hub, "d").contains("token expired"));
}

#[test]
fn a_certificate_has_no_such_end() {
    let hub = hub();
    let certificate = hub.create_x509_device("d").unwrap();
    let (mut client, _) = Client::connect_with_certificate(&hub, "d", &certificate);
    hub.shift_clock(100_000);
    client.ping();
}

#[test]
fn disabling_deleting_and_dropping_a_device_ends_its_connection() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let mut client = Client::accepted(&hub, &device, Options::default());
    assert!(hub.disconnect("d"));
    client.expect_close();
    let mut client = Client::accepted(&hub, &device, Options::default());
    hub.set_status("d", Status::Disabled).unwrap();
    client.expect_close();
    hub.set_status("d", Status::Enabled).unwrap();
    let mut client = Client::accepted(&hub, &device, Options::default());
    hub.delete_device("d").unwrap();
    client.expect_close();
    assert!(!hub.disconnect("d"));
    let reasons: Vec<_> = hub.closes().into_iter().map(|close| close.reason).collect();
    for (reason, part) in reasons.iter().zip(["operator", "disabled", "deleted"]) {
        assert!(reason.contains(part), "{reasons:?}");
    }
}

#[test]
fn a_second_connect_on_the_same_connection_closes_it_and_executes_the_will() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let mut client = Client::accepted(&hub, &device, with_will(&device));
    client.send(&device.connect(Options::default()));
    client.expect_close();
    assert_will(&hub, 1);
}

#[test]
fn stopping_the_hub_closes_its_connections() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let mut client = Client::accepted(&hub, &device, Options::default());
    let endpoint = hub.endpoint();
    hub.shutdown();
    client.expect_close();
    assert!(std::net::TcpStream::connect(endpoint).is_err());
}
