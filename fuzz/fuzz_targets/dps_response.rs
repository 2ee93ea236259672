//! Answers of the provisioning service: no panic, and what is assigned is a host name and a device id that can
//! be.
//!
//! The first byte chooses the status, the second is the digit of `retry-after`; two bodies are separated by a zero
//! byte.

#![no_main]

#[path = "../bench.rs"]
mod bench;

use std::sync::LazyLock;
use std::time::Duration;

use azure_device::identity::{DeviceId, HostName};
use azure_device::json::Value;
use azure_device::provisioning::{
    Attestation, Config, Enrollment, IdScope, Registration, RegistrationId,
};
use bench::{Bench, Memory, publish};
use libfuzzer_sys::fuzz_target;

static ENROLLMENT: LazyLock<Enrollment> = LazyLock::new(|| {
    Enrollment::new(
        IdScope::parse("0ne00ABCDEF").expect("a legal one"),
        RegistrationId::parse("dev-01").expect("a legal one"),
        Attestation::X509,
    )
});

fuzz_target!(|input: &[u8]| {
    let Some(([status, wait], bodies)) = input.split_first_chunk() else {
        return;
    };
    let status = match status {
        b'2' => 200,
        b'0' => 202,
        b'4' => 404,
        b'5' => 500,
        other => 300 + u16::from(*other),
    };
    let wait = u64::from(wait.wrapping_sub(b'0'));
    let mut bodies = bodies.splitn(2, |byte| *byte == 0);
    let first = bodies.next().unwrap_or_default();
    let second = bodies.next().unwrap_or(first);
    let mut memory = Memory::new(4096, 0);
    let registration =
        Registration::new(&ENROLLMENT, Config::default(), memory.buffers()).expect("sizes");
    let mut bench = Bench::joined(registration);
    for body in [first, second] {
        let Some((topic, question)) = bench.published().pop() else {
            break;
        };
        assert!(topic.starts_with("$dps/registrations/"));
        assert!(question.is_empty() || Value::parse(&question).is_ok());
        let id = topic.split("$rid=").nth(1).expect("an id");
        let id = id.split('&').next().unwrap_or_default();
        let answer = format!("$dps/registrations/res/{status}/?$rid={id}&retry-after={wait}");
        let taken = bench
            .receive(&publish(&answer, body))
            .and_then(|()| bench.wait(Duration::from_secs(wait.clamp(1, 50))));
        if let Err(failure) = taken {
            assert!(!failure.to_string().is_empty());
            return;
        }
    }
    if let Some(assignment) = bench.machine.take_assignment() {
        assert!(HostName::parse(&assignment.host_name.to_string()).is_ok());
        assert!(DeviceId::parse(&assignment.device_id.to_string()).is_ok());
    }
});
