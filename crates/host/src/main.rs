//! The `azure-device` program.
fn main() {}
