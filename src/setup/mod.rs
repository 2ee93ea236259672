//! Things that a person gives a device before it can connect, and the wait for them.

pub mod pair;
pub mod paste;
pub mod waiting;
