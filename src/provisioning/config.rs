//! Settings of a registration.

use core::time::Duration;

use super::enrollment::GLOBAL_ENDPOINT;
use crate::backoff;
use crate::json::Value;
use crate::mqtt;

/// Settings that an engineer makes.
#[derive(Clone, Debug)]
pub struct Config<'a> {
    /// The service's name. Default [`GLOBAL_ENDPOINT`].
    pub host_name: &'a str,
    /// Address to connect to; `None` for that name.
    pub address: Option<&'a str>,
    /// TCP port. Default 8883.
    pub port: u16,
    /// JSON for a custom allocation policy.
    pub payload: Option<Value<'a>>,
    /// Time for which a device with an assignment goes on without its hub before the service is asked for
    /// another one: at least this, at most twice as long. Default 4 h.
    pub reprovision_after: Duration,
    /// Waits between attempts.
    pub backoff: backoff::Config,
    /// MQTT's own times and limits.
    pub mqtt: mqtt::Config,
}

impl Default for Config<'_> {
    fn default() -> Self {
        Self {
            host_name: GLOBAL_ENDPOINT,
            address: None,
            port: 8883,
            payload: None,
            reprovision_after: Duration::from_secs(4 * 3600),
            backoff: backoff::Config::default(),
            mqtt: mqtt::Config::default(),
        }
    }
}
