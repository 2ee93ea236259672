//! Bags, user names, topics, filters, tokens, queries and JSON as the local hub reads them: what is written is read as
//! the same.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| local_hub::fuzzing::texts(text));
