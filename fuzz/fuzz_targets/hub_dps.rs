//! Bodies, tokens and user names of the provisioning service: no panic, and only a right token registers.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| local_hub::fuzzing::dps(data));
