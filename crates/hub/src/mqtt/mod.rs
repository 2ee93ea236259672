//! MQTT as IoT Hub speaks it: one task for each connection.

mod authenticate;
pub(crate) mod bag;
pub(crate) mod codec;
mod connection;
pub(crate) mod filter;
mod foreign;
mod listener;
mod opened;
pub(crate) mod provisioning;
mod requests;
mod session;
mod stream;
pub(crate) mod topic;
pub(crate) mod user_name;
pub(crate) mod websocket;

pub(crate) use authenticate::{Authenticated, prove};
pub(crate) use listener::{Service, serve};
