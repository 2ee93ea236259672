//! The twin: whatever the hub answers or changes, the device reports JSON, and it reports the same whether the
//! document came in one or in pieces.
//!
//! The twin and the change are separated by a zero byte.

#![no_main]

#[path = "../bench.rs"]
mod bench;

use std::sync::LazyLock;
use std::time::Duration;

use azure_device::device::{Config, Device};
use azure_device::identity::{ConnectionString, Identity};
use azure_device::json::Value;
use azure_device_app::App;
use bench::{Bench, Memory, publish};
use libfuzzer_sys::fuzz_target;

static IDENTITY: LazyLock<Identity> = LazyLock::new(|| {
    ConnectionString::parse("HostName=h;DeviceId=MyDevice01;x509=true").expect("a legal one")
});

/// Returns the reports of a device with this receive buffer about a twin and about a change after it.
fn reported(receive: usize, twin: &[u8], change: &[u8]) -> Vec<Vec<u8>> {
    let mut memory = Memory::new(receive, 32);
    let config = Config {
        telemetry_interval: None,
        ..Config::default()
    };
    let device = Device::new(&IDENTITY, config, memory.buffers(), App::default()).expect("sizes");
    let mut bench = Bench::joined(device);
    let mut reported = Vec::new();
    // A GET, the answer to it, a PATCH, the answer to it, and so on.
    for turn in 0..6 {
        for (topic, payload) in bench.published() {
            let id = topic.rsplit('=').next().expect("an id").to_owned();
            if topic.starts_with("$iothub/twin/GET/") {
                let answer = format!("$iothub/twin/res/200/?$rid={id}");
                bench
                    .receive(&publish(&answer, twin))
                    .expect("no violation");
            } else if topic.starts_with("$iothub/twin/PATCH/properties/reported/") {
                Value::parse(&payload).expect("JSON is reported");
                reported.push(payload);
                let answer = format!("$iothub/twin/res/204/?$rid={id}&$version=1");
                bench.receive(&publish(&answer, b"")).expect("no violation");
            }
        }
        if turn == 3 {
            let topic = "$iothub/twin/PATCH/properties/desired/?$version=7";
            bench
                .receive(&publish(topic, change))
                .expect("no violation");
        }
        bench.wait(Duration::from_secs(5)).expect("no time-out");
    }
    reported
}

fuzz_target!(|input: &[u8]| {
    let (twin, change) = match input.iter().position(|byte| *byte == 0) {
        Some(at) => (&input[..at], &input[at + 1..]),
        None => (input, &b"{}"[..]),
    };
    let in_one = reported(8192, twin, change);
    let in_pieces = reported(128, twin, change);
    assert_eq!(in_one, in_pieces);
    let expected = [twin, change].map(|text| Value::parse(text).is_ok());
    assert!(
        expected[0] || in_one.is_empty(),
        "a twin that is no JSON was taken"
    );
    // What follows the first report then is counters alone.
    let acknowledges = |patch: &Vec<u8>| patch.windows(5).any(|part| part == b"\"ac\":");
    assert!(
        expected[1] || !in_one.iter().skip(1).any(acknowledges),
        "a change that is no JSON was taken"
    );
});
