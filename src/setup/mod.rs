//! What a person gives a device before it can connect, and the wait for it.

pub mod pair;
pub mod paste;
pub mod waiting;
