//! Patches of a twin: all or nothing, within the documented limits, and kept as they are.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| local_hub::fuzzing::twin(data));
