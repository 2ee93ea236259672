//! Direct methods: each call is answered once, with the caller's request id, a status and JSON, whatever its
//! payload is and whether it fits the receive buffer or not.
//!
//! The first byte chooses the method, and the size of the receive buffer.

#![no_main]

#[path = "../bench.rs"]
mod bench;

use std::sync::LazyLock;
use std::time::Duration;

use azure_device::application::Application;
use azure_device::device::{Config, Device};
use azure_device::identity::{ConnectionString, Identity};
use azure_device::json::Value;
use azure_device_app::App;
use bench::{Bench, Memory, publish};
use libfuzzer_sys::fuzz_target;

static IDENTITY: LazyLock<Identity> = LazyLock::new(|| {
    ConnectionString::parse("HostName=h;DeviceId=MyDevice01;x509=true").expect("a legal one")
});

fuzz_target!(|input: &[u8]| {
    let Some((choice, payload)) = input.split_first() else {
        return;
    };
    let names = App::METHODS.iter().filter_map(|method| method.name());
    let names: Vec<_> = names.chain(["unknown"]).collect();
    let name = names[usize::from(*choice) % names.len()];
    let large = *choice >= 128;
    let mut memory = Memory::new(if large { 128 } else { 8192 }, 64);
    let config = Config {
        telemetry_interval: None,
        ..Config::default()
    };
    let device = Device::new(&IDENTITY, config, memory.buffers(), App::default()).expect("sizes");
    let mut bench = Bench::joined(device);
    bench.published();
    let call = publish(&format!("$iothub/methods/POST/{name}/?$rid=4f"), payload);
    let fits = call.len() <= if large { 128 } else { 8192 };
    bench.receive(&call).expect("no violation");
    let mut answers = Vec::new();
    // A blink takes up to 30 seconds.
    for _ in 0..20 {
        answers.extend(
            bench
                .published()
                .into_iter()
                .filter(|(topic, _)| topic.starts_with("$iothub/methods/res/")),
        );
        if !answers.is_empty() {
            break;
        }
        // A twin that nobody answers is of no concern here.
        bench.wait(Duration::from_secs(2)).expect("no time-out");
    }
    let [(topic, answer)] = &answers[..] else {
        panic!("{answers:?}")
    };
    let status = topic
        .strip_prefix("$iothub/methods/res/")
        .and_then(|rest| rest.strip_suffix("/?$rid=4f"));
    let status: u16 = status.expect("the caller's id").parse().expect("a status");
    Value::parse(answer).expect("JSON is answered");
    let expected = match (name, fits) {
        ("unknown", _) => 404,
        (_, false) => 413,
        _ if !payload.is_empty() && Value::parse(payload).is_err() => 400,
        _ => status,
    };
    assert_eq!(status, expected);
});
