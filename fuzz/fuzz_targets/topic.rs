//! Topics: no panic, and a method's response can be published.

#![no_main]

use std::sync::LazyLock;

use azure_device::identity::{ConnectionString, Identity};
use azure_device::topic::{Inbound, Outbound};
use libfuzzer_sys::fuzz_target;

static IDENTITY: LazyLock<Identity> = LazyLock::new(|| {
    ConnectionString::parse("HostName=h;DeviceId=MyDevice01;x509=true").expect("a legal one")
});

fuzz_target!(|topic: &str| {
    match Inbound::parse(topic, &IDENTITY) {
        Inbound::CloudToDevice { bag } => assert!(bag.properties().count() <= topic.len()),
        Inbound::MethodRequest { name, request_id } => {
            assert!(!name.is_empty());
            let response = Outbound::MethodResponse {
                status: 200,
                request_id,
            };
            assert!(!response.to_string().contains(['#', '+']));
        }
        _ => {}
    }
    let _ = Inbound::parse_dps(topic);
});
