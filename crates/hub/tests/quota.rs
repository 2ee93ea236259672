//! The daily quota of messages, when it is switched on.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::time::Duration;

use common::module::Module;
use common::program::{Serve, fail, succeed};
use common::rest::as_owner;
use common::*;
use local_hub::{DailyQuota, Hub, Message};
use serde_json::{Value, json};

const SECONDS_PER_DAY: u64 = 24 * 3600;

/// Seconds from this machine's clock to the last noon (UTC), so that no day ends during a test.
fn to_last_noon() -> i64 {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    -i64::try_from((now + SECONDS_PER_DAY / 2) % SECONDS_PER_DAY).unwrap()
}

/// A hub whose clock says the last noon.
fn with_quota(messages: u64) -> Hub {
    hub_with(|config| {
        config.clock_offset = to_last_noon();
        config.daily_quota = Some(DailyQuota::new(messages));
    })
}

/// A connection whose token lives for two of the hub's days.
fn accepted(hub: &Hub, device: &Device) -> Client {
    let options = Options {
        life: 3 * 24 * 3600,
        ..Options::default()
    };
    Client::accepted(hub, device, options)
}

#[test]
fn telemetry_beyond_the_quota_closes_the_connection_without_puback_until_midnight() {
    let hub = with_quota(2);
    let device = Device::create(&hub, "d");
    let mut client = accepted(&hub, &device);
    for id in 1..=2 {
        client.send(&publish(&device.events_topic(), Some(id), b"1"));
        client.expect(&[0x40, 2, 0, u8::try_from(id).unwrap()]);
    }
    for _ in 0..2 {
        client.send(&publish(&device.events_topic(), Some(3), b"1"));
        client.expect_close();
        assert!(close_reason(&hub, "d").contains("2 messages a day is used up (403002)"));
        // Connecting goes on, and so does everything that is no message.
        client = accepted(&hub, &device);
        client.subscribe_c2d(&device, 1);
        client.ping();
    }
    assert_eq!(hub.events().len(), 2);
    assert_eq!(hub.quota_usage(), Some((2, 2)));

    hub.shift_clock(12 * 3600 + 1);
    client.send(&publish(&device.events_topic(), Some(4), b"1"));
    client.expect(&[0x40, 2, 0, 4]);
    assert_eq!(hub.events().len(), 3);
    assert_eq!(hub.quota_usage(), Some((1, 2)));
}

#[test]
fn messages_count_by_4_kilobytes_and_modules_and_wills_count_too() {
    let hub = with_quota(10);
    let device = Device::create(&hub, "d");
    let mut client = accepted(&hub, &device);
    let used = || hub.quota_usage().unwrap().0;
    for (id, bytes, after) in [(1, 0, 1), (2, 4096, 2), (3, 4097, 4)] {
        let body = vec![b'x'; bytes];
        client.send(&publish(&device.events_topic(), Some(id), &body));
        client.expect(&[0x40, 2, 0, u8::try_from(id).unwrap()]);
        assert_eq!(used(), after, "{bytes} bytes");
    }
    let module = Module::create(&hub, "d", "m");
    let mut of_module = module.accepted(&hub);
    of_module.send(&publish(&module.events_topic(), None, b"1"));
    of_module.ping();
    assert_eq!(used(), 5);
    drop(client);
    let will = Options {
        will: Some((device.events_topic(), "gone", 0)),
        ..Options::default()
    };
    drop(Client::accepted(&hub, &device, will));
    wait_for_events(&hub, 5);
    assert_eq!(used(), 6);
}

#[test]
fn twins_methods_and_messages_to_devices_count_and_are_refused_with_403002() {
    let hub = with_quota(5);
    let device = Device::create(&hub, "d");
    let mut client = accepted(&hub, &device);
    client.send(&subscribe(1, &[("$iothub/twin/res/#", 0)]));
    client.expect(&[0x90, 3, 0, 1, 0]);
    let requests = [
        ("$iothub/twin/GET/?$rid=1", &b""[..]),
        ("$iothub/twin/PATCH/properties/reported/?$rid=2", b"{}"),
    ];
    let ask = |client: &mut Client| {
        requests.map(|(topic, body)| {
            client.send(&publish(topic, None, body));
            client.publish()
        })
    };
    let [get, patch] = ask(&mut client);
    assert_eq!(get.topic, "$iothub/twin/res/200/?$rid=1");
    assert_eq!(patch.topic, "$iothub/twin/res/204/?$rid=2&$version=2");
    hub.send_c2d("d", Message::new("a")).unwrap();
    hub.patch_twin("d", &json!({"tags": {"a": 1}})).unwrap();
    let call = || hub.invoke_method("d", "m", &Value::Null, PATIENCE);
    // A request to a device that is not there counts as well.
    assert_eq!(call().unwrap_err().code(), 404_103);
    assert_eq!(hub.quota_usage(), Some((5, 5)));

    for refused in ask(&mut client) {
        assert!(refused.topic.starts_with("$iothub/twin/res/403/?$rid="));
        let body: Value = serde_json::from_slice(&refused.payload).unwrap();
        assert_eq!(body["errorCode"], 403_002);
    }
    client.ping();
    assert_eq!(call().unwrap_err().code(), 403_002);
    let c2d = hub.send_c2d("d", Message::new("b"));
    assert_eq!(c2d.unwrap_err().code(), 403_002);
    let reply = as_owner(&hub, "GET /twins/d", None);
    assert_eq!(reply.status, 403);
    assert!(reply.head.contains("iothub-errorcode: iothubquotaexceeded"));
    // The registry costs nothing.
    assert_eq!(as_owner(&hub, "GET /devices/d", None).status, 200);
    assert_eq!(hub.pending_c2d("d"), 1);
}

#[test]
fn the_count_is_shown_to_operators() {
    let hub = with_quota(9);
    let device = Device::create(&hub, "d");
    let mut client = accepted(&hub, &device);
    client.send(&publish(&device.events_topic(), Some(1), b"1"));
    client.expect(&[0x40, 2, 0, 1]);
    let reply = as_owner(&hub, "GET /quotaMetrics", None);
    let metric = json!({"name": "TotalMessages", "currentValue": 1, "maxValue": 9});
    assert_eq!(reply.body, json!({ "value": [metric] }));
    let unlimited = common::hub();
    assert_eq!(unlimited.quota_usage(), None);
    let reply = as_owner(&unlimited, "GET /quotaMetrics", None);
    assert_eq!(reply.body, json!({ "value": [] }));
}

#[test]
fn a_kill_does_not_give_the_messages_of_the_day_back() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path();
    // The free tier has 0.5 KB for a message, also with another number of them.
    let offset = to_last_noon().to_string();
    let limits = ["--throttle", "free", "--daily-quota", "4"];
    let arguments = [&limits[..], &["--clock-offset", &offset]].concat();
    let serve = || Serve::start(state, &arguments);
    let serving = serve();
    let text = succeed(state, &["device", "create", "d", "--auth", "sas"]);
    let device = Device::from_connection_string(&text);
    let open = |serving: &Serve, connack: &[u8; 4]| {
        let mut client = serving.open(state);
        client.send(&device.connect(Options::default()));
        client.expect(connack);
        client
    };
    // Three messages of 512 bytes, and one.
    let mut client = open(&serving, &CONNACK_NEW);
    client.send(&publish(&device.events_topic(), Some(1), &[b'x'; 1025]));
    client.expect(&[0x40, 2, 0, 1]);
    serving.kill();

    let serving = serve();
    let metrics: Value = serde_json::from_str(&succeed(state, &["show-quota-metrics"])).unwrap();
    assert_eq!(metrics[0]["currentValue"], 3);
    assert_eq!(metrics[0]["maxValue"], 4);
    let mut client = open(&serving, &CONNACK_PRESENT);
    client.send(&publish(&device.events_topic(), Some(2), b"x"));
    client.expect(&[0x40, 2, 0, 2]);
    client.send(&publish(&device.events_topic(), Some(3), b"x"));
    client.expect_close();
    serving.kill();

    let serving = Serve::start(state, &[]);
    let refusal = fail(state, &["show-quota-metrics"]);
    assert!(refusal.contains("--daily-quota"), "{refusal}");
    let mut client = open(&serving, &CONNACK_PRESENT);
    client.send(&publish(&device.events_topic(), Some(4), b"x"));
    client.expect(&[0x40, 2, 0, 4]);
    client.expect_silence(Duration::from_millis(50));
}
