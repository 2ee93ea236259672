//! Files of the local hub's state: what is taken is written again as it was, what is refused is not touched.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| local_hub::fuzzing::store(data));
