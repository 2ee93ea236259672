//! MQTT as IoT Hub speaks it: one task for each connection.

mod authenticate;
pub(crate) mod bag;
mod codec;
mod connection;
pub(crate) mod filter;
mod foreign;
mod listener;
mod provisioning;
mod requests;
mod session;
mod topic;
mod user_name;

pub(crate) use listener::{Service, serve};
