//! The device's certificate and its key as one: a new pair is stored beside the one in use, tried, and takes its
//! place with the first connection that a hub accepts. If a hub refuses it, the device goes back to the old one.
//!
//! ```text
//!                certificate          key           connected (CONNACK 0)
//!  in use: old ───────────► staged ───────► on trial ──────────────► in use: new; the old one is erased
//!                  (or key first)             │ ▲
//!                        refused as a credential│ the old one is refused too
//!                                             ▼ │
//!                                        back to the old ──────────► the new one is refused; the old one stays
//!                                                       connected
//! ```
//!
//! The parts lie in two slots. A [`Record`] says which slot is in use and what the other one holds; it is one value,
//! so that a power cut leaves either what was before a step or what is after it. A part counts only after the record
//! says so, and the record is withdrawn before a part is overwritten.

mod record;
mod stage;
#[cfg(test)]
mod tests;
mod trial;

pub use self::record::{CHAIN, Record, Slot, forget};
pub use self::stage::{BuiltIn, PairError, Stage, Staged};
pub use self::trial::{Choice, Trial, Verdict};
