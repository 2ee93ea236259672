//! The local IoT Hub: behaves towards a device as Azure IoT Hub does, on this machine, without an account.
//!
//! [`Hub::start`] gives a running hub to blocking code (tests, the host program); the `local-hub` program
//! is the same for people.

mod c2d;
pub mod cli;
mod clock;
mod close;
mod config;
mod core;
mod credentials;
mod endpoints;
mod error;
mod events;
mod hub;
mod methods;
mod mqtt;
mod operate;
mod policy;
mod registry;
mod rest;
mod sessions;
mod sntp;
mod start;
mod store;
mod tls;
mod twin;

pub use c2d::{Ack, Feedback, Message, Outcome};
pub use close::Close;
pub use config::{CertificateFault, Chain, Config, Limits, ServerCertificate};
pub use error::{Error, StartError};
pub use events::Event;
pub use hub::{DeviceCertificate, Hub};
pub use methods::MethodResponse;
pub use registry::{Authentication, Device, Identity, Status, SymmetricKeys};
