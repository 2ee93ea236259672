//! mqttbytes 0.6.0 as published, the MQTT 3.1.1 half, compiled as `no_std`.
//!
//! The published package uses `core` and `alloc` only, but never says `#![no_std]`, writes `std` in a few
//! paths and takes `String` from std's prelude. The build script finds the package as Cargo downloaded it;
//! the three lines below supply what is missing. No source of it is kept here, and what it does is
//! unchanged: the package's own documentation of its module `v4` describes the API.
//!
//! Limits that its callers must know: it allocates (`bytes::BytesMut`, `String`); writing cuts the lengths
//! of strings to 16 bits silently; reading checks neither the flags of the fixed header, nor topics, nor
//! packet identifiers of acknowledgements, nor bytes after the end of a packet's fields.

// The published unit tests need std's prelude and a crate that nothing else here needs.
#![cfg(not(test))]
#![no_std]
// Published code is compiled as it is; these are the lints that have findings in it.
#![allow(missing_docs, dead_code, rustdoc::bare_urls)]
#![allow(clippy::len_without_is_empty, clippy::len_zero, clippy::let_and_return)]
#![allow(
    clippy::needless_borrow,
    clippy::redundant_guards,
    clippy::redundant_pattern
)]
#![allow(clippy::unwrap_used, clippy::vec_init_then_push)]
// Published code is compiled as it is. Each of these lints has findings in it.

extern crate core as std;

use alloc::string::String;

include!(concat!(env!("OUT_DIR"), "/root.rs"));
