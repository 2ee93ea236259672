//! MQTT packets as the local hub reads them: they do not depend on how their bytes arrive, and what the hub sends
//! is read as what was meant.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| local_hub::fuzzing::codec(data));
