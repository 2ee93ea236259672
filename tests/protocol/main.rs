//! Texts that the device writes and reads on the wire, with inputs that nobody thought of: every parser takes
//! arbitrary text without a panic, what is written is read back, and tokens equal those of an independent
//! implementation.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a failed unwrap is a failed test"
)]

mod arbitrary;
mod identity;
mod percent;
mod properties;
mod sas;
mod topic;
