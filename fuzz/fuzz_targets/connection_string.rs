//! Connection strings: no panic, and what is accepted gives names that are legal and fit their buffers.

#![no_main]

use azure_device::identity::{ConnectionString, DeviceId, HostName, UserName};
use azure_device::text::render;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match ConnectionString::parse(text) {
        Ok(identity) => {
            assert!(HostName::parse(identity.server_name().as_str()).is_ok());
            assert!(DeviceId::parse(identity.device_id().as_str()).is_ok());
            assert!(render(&mut [0; UserName::MAX_LEN], identity.user_name()).is_ok());
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
