//! Foundations: nothing here knows of IoT Hub or MQTT.

pub mod backoff;
#[cfg(feature = "update")]
pub mod label;
pub mod logging;
pub mod pem;
pub mod secret;
pub mod server;
pub mod sntp;
pub mod text;
pub mod time;
