//! The `local-hub` program.
fn main() {}
