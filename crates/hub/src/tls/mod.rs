//! TLS 1.2 as IoT Hub speaks it: its suites, a chain of its shape, no resumption, a certificate asked of
//! every client and demanded of none.

mod authority;
mod client;
mod device;
mod keys;
mod server;
mod socket;

pub(crate) use authority::{Hierarchy, ServerChain};
pub(crate) use device::{Credentials, DeviceAuthority, self_signed};
pub(crate) use server::server_config;
pub(crate) use socket::TlsSocket;
