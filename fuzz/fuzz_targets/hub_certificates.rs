//! Certificates, DER and PEM, as the local hub reads them: none but its CA's own proves a name.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| local_hub::fuzzing::certificates(data));
