//! Conventions of IoT Hub on top of MQTT: names, tokens, topics and properties.

pub mod identity;
pub mod percent;
pub mod properties;
pub mod sas;
pub mod topic;
