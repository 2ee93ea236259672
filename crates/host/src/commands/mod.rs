//! Commands of the program.

pub(crate) mod demonstration;
pub(crate) mod device;
mod operator;
mod person;
mod provisioning;
mod state;

/// End of a command without success: a sentence.
pub(crate) type CommandError = Box<dyn std::error::Error + Send + Sync>;
