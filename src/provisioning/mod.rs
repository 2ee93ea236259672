//! The Device Provisioning Service (DPS): a device that knows only an id scope learns its hub.
//!
//! Theory of operation (Microsoft, "Communicate with DPS using the MQTT protocol"): connect to the global
//! endpoint as the registration, subscribe to the responses, ask to be registered, and ask how it is going
//! as often as the service allows until it has assigned a hub and a device id. Then the device is one like
//! any other, with the same key or certificate. The assignment is kept and used until the hub has refused
//! the device several times.
//!
//! [`Registration`] is the state machine, driven by [`crate::connection::run`] like a device; its result is
//! an [`Assignment`], which [`Kept`] keeps.
//!
//! Limits: TPM attestation does not exist on MQTT; the preview of certificate signing is not implemented.

mod assignment;
mod config;
mod enrollment;
mod kept;
mod registration;
mod requests;
mod response;
#[cfg(test)]
mod tests;
mod updates;

pub use self::assignment::{Assignment, AssignmentError};
pub use self::config::Config;
pub use self::enrollment::{
    Attestation, Enrollment, GLOBAL_ENDPOINT, IdScope, RegistrationId, RegistrationIdError,
};
pub use self::kept::{Kept, PayloadLost};
pub use self::registration::Registration;
#[cfg(feature = "update-dps")]
pub(crate) use self::updates::{Purpose, Talk, Talked};
