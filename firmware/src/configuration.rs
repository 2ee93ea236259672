//! Configuration of the device: its identity and where its hub and its time are.
//!
//! Sources, the first that has a value wins: the simulator's command line, what "azure set" stored, what
//! Kconfig built in. A connection string names the hub; an enrolment asks the Device Provisioning Service.

#![forbid(unsafe_code)]

use alloc::string::String;
use core::fmt;
use core::time::Duration;

use crate::kconfig;
use azure_device::backoff;
use azure_device::device::Config;
use azure_device::identity::{ConnectionString, Credential, Identity, IdentityError, is_model_id};
use azure_device::lifecycle::Access;
use azure_device::mqtt;
use azure_device::port::StorageError;
#[cfg(CONFIG_AZURE_DPS)]
use azure_device::provisioning::Attestation;
use azure_device::storage::CHECKSUM_LEN;
use zeroize::Zeroizing;

use crate::ffi;
#[cfg(CONFIG_AZURE_DPS)]
use crate::provisioning::{self, Provisioning};
use crate::storage;

/// Content of the image: written by firmware/scripts/embed.py at configure time.
pub(crate) mod built_in {
    include!(concat!(env!("AZURE_CREDENTIALS"), "/credentials.rs"));
}

const _: () = assert!(
    kconfig::CONFIG_AZURE_MODEL_ID.is_empty() || is_model_id(kconfig::CONFIG_AZURE_MODEL_ID),
    "CONFIG_AZURE_MODEL_ID is no model id: write it like \"dtmi:azure_device:Device;1\", or leave it empty"
);

/// The storage's names of what "azure set" brings.
pub(crate) const CONNECTION_STRING: &str = "connection-string";
/// See [`CONNECTION_STRING`].
pub(crate) const ADDRESS: &str = "address";
/// See [`CONNECTION_STRING`].
pub(crate) const PORT: &str = "port";
/// See [`CONNECTION_STRING`].
pub(crate) const SNTP: &str = "sntp";
/// Network name, a line feed, password.
#[cfg(CONFIG_AZURE_WIFI)]
pub(crate) const WIFI: &str = "wifi";

/// The longest stored text, in bytes: a connection string with a long SAS token.
pub(crate) const MAX_TEXT: usize = 1024;

/// Access of the device to its hub: [`lifecycle::Access`](azure_device::lifecycle::Access), owned.
#[derive(Debug)]
pub(crate) enum OwnedAccess {
    /// The hub is known.
    Hub(Identity),
    /// DPS is asked.
    #[cfg(CONFIG_AZURE_DPS)]
    Provisioning(Provisioning),
}

impl OwnedAccess {
    /// Reads it; `None` if the device has no identity yet.
    #[inline(never)]
    pub(crate) fn load() -> Result<Option<Self>, ConfigurationError> {
        let [argument, ..] = ffi::arguments();
        if let Some(text) = text(argument, CONNECTION_STRING, "")? {
            return Self::hub(&text);
        }
        #[cfg(CONFIG_AZURE_DPS)]
        if let Some(stored) = Provisioning::stored()? {
            return Ok(Some(Self::Provisioning(stored)));
        }
        if let Some(text) = built_in::CONNECTION_STRING {
            return Self::hub(text);
        }
        #[cfg(CONFIG_AZURE_DPS)]
        if let Some(built_in) = Provisioning::built_in()? {
            return Ok(Some(Self::Provisioning(built_in)));
        }
        Ok(None)
    }

    fn hub(text: &str) -> Result<Option<Self>, ConfigurationError> {
        let identity = ConnectionString::parse(text).map_err(ConfigurationError::Identity)?;
        Ok(Some(Self::Hub(identity)))
    }

    /// True if the device shows a certificate in TLS handshakes.
    pub(crate) const fn is_x509(&self) -> bool {
        match self {
            Self::Hub(identity) => matches!(identity.credential(), Credential::X509),
            #[cfg(CONFIG_AZURE_DPS)]
            Self::Provisioning(Provisioning { enrollment, .. }) => {
                matches!(enrollment.attestation(), Attestation::X509)
            }
        }
    }
}

/// The device's configuration.
#[derive(Debug)]
pub(crate) struct Configuration {
    /// Identity at a hub, or enrolment with DPS.
    pub(crate) access: OwnedAccess,
    /// Address to connect to; `None` for the host names of hub and DPS.
    address: Option<String>,
    /// TCP port of hub and DPS.
    port: u16,
}

impl Configuration {
    /// Reads the configuration; `None` if the device has no identity yet.
    #[inline(never)]
    pub(crate) fn load() -> Result<Option<Self>, ConfigurationError> {
        let Some(access) = OwnedAccess::load()? else {
            return Ok(None);
        };
        let [_, address, port, _] = ffi::arguments();
        let address = self::text(address, ADDRESS, kconfig::CONFIG_AZURE_HUB_ADDRESS)?;
        let port = match self::text(port, PORT, "")? {
            Some(port) => port.parse().map_err(|_| ConfigurationError::Port)?,
            None => u16::try_from(kconfig::CONFIG_AZURE_HUB_PORT)
                .map_err(|_| ConfigurationError::Port)?,
        };
        Ok(Some(Self {
            access,
            address: address.map(|address| (*address).clone()),
            port,
        }))
    }

    /// Access for the lifecycle.
    pub(crate) fn access(&self) -> Result<Access<'_>, ConfigurationError> {
        match &self.access {
            OwnedAccess::Hub(identity) => Ok(Access::Hub(identity)),
            #[cfg(CONFIG_AZURE_DPS)]
            OwnedAccess::Provisioning(provisioning) => {
                let device = self.device();
                let config = provisioning.config(azure_device::provisioning::Config {
                    address: self.address.as_deref(),
                    port: self.port,
                    backoff: device.backoff,
                    mqtt: device.mqtt,
                    ..azure_device::provisioning::Config::default()
                })?;
                Ok(Access::Provisioning(&provisioning.enrollment, config))
            }
        }
    }

    /// Configuration for the device loop.
    pub(crate) fn device(&self) -> Config<'_> {
        Config {
            #[cfg(CONFIG_AZURE_OUTLET)]
            most_awaited: crate::outlet::MOST_AWAITED,
            #[cfg(not(CONFIG_AZURE_OUTLET))]
            most_awaited: 0,
            address: self.address.as_deref(),
            port: self.port,
            token_life: seconds(kconfig::CONFIG_AZURE_TOKEN_LIFE_S),
            telemetry_interval: match kconfig::CONFIG_AZURE_TELEMETRY_INTERVAL_S {
                0 => None,
                interval => Some(seconds(interval)),
            },
            model_id: Some(kconfig::CONFIG_AZURE_MODEL_ID).filter(|id| !id.is_empty()),
            twin: cfg!(CONFIG_AZURE_TWIN),
            stop_timeout: seconds(kconfig::CONFIG_AZURE_STOP_TIMEOUT_S),
            backoff: backoff::Config {
                min: Duration::from_millis(unsigned(kconfig::CONFIG_AZURE_BACKOFF_MIN_MS)),
                max: seconds(kconfig::CONFIG_AZURE_BACKOFF_MAX_S),
                stable_after: seconds(kconfig::CONFIG_AZURE_BACKOFF_STABLE_S),
            },
            mqtt: mqtt::Config {
                keepalive: seconds(kconfig::CONFIG_AZURE_KEEPALIVE_S),
                #[cfg(CONFIG_AZURE_QUEUE_REFUSE_NEWEST)]
                overflow: mqtt::OverflowPolicy::RefuseNewest,
                ..mqtt::Config::default()
            },
            #[cfg(CONFIG_AZURE_QUEUE)]
            queue: crate::queue::config(),
            // What only the core sets, such as when it asks to be provisioned again.
            ..Config::default()
        }
    }
}

const fn unsigned(value: isize) -> u64 {
    value.unsigned_abs() as u64
}

pub(crate) const fn seconds(value: isize) -> Duration {
    Duration::from_secs(unsigned(value))
}

/// The time servers, separated by `;`.
pub(crate) fn time_servers() -> Result<Zeroizing<String>, ConfigurationError> {
    let [_, _, _, servers] = ffi::arguments();
    Ok(text(servers, SNTP, kconfig::CONFIG_AZURE_SNTP_SERVERS)?.unwrap_or_default())
}

/// Name and password of a Wi-Fi network.
#[cfg(CONFIG_AZURE_WIFI)]
pub(crate) type Network = (Zeroizing<String>, Zeroizing<String>);

/// The Wi-Fi network to join.
#[cfg(CONFIG_AZURE_WIFI)]
pub(crate) fn wifi() -> Result<Option<Network>, ConfigurationError> {
    if let Some(stored) = text(None, WIFI, "")? {
        let (ssid, password) = stored.split_once('\n').unwrap_or((&stored, ""));
        return Ok(Some((
            Zeroizing::new(ssid.into()),
            Zeroizing::new(password.into()),
        )));
    }
    let ssid = kconfig::CONFIG_AZURE_WIFI_SSID;
    let password = built_in::WIFI_PASSWORD;
    Ok((!ssid.is_empty()).then(|| (Zeroizing::new(ssid.into()), Zeroizing::new(password.into()))))
}

/// A text from the command line, from the storage, or built in; `None` if it is empty.
// Not inlined: callers on the shell's small stack should not hold several of its buffers.
#[inline(never)]
pub(crate) fn text(
    argument: Option<&str>,
    stored: &str,
    built_in: &str,
) -> Result<Option<Zeroizing<String>>, ConfigurationError> {
    if let Some(argument) = argument {
        return Ok(Some(Zeroizing::new(argument.into())));
    }
    let mut buffer = Zeroizing::new([0; MAX_TEXT + CHECKSUM_LEN]);
    if let Some(length) =
        storage::load(stored, buffer.as_mut_slice()).map_err(ConfigurationError::Storage)?
    {
        let bytes = buffer.get(..length).unwrap_or_default();
        let text = str::from_utf8(bytes).map_err(|_| ConfigurationError::NotText)?;
        return Ok(Some(Zeroizing::new(text.into())));
    }
    Ok((!built_in.is_empty()).then(|| Zeroizing::new(built_in.into())))
}

/// Reason why the configuration cannot be used.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ConfigurationError {
    /// The identity is malformed.
    Identity(IdentityError),
    /// The enrolment is malformed.
    #[cfg(CONFIG_AZURE_DPS)]
    Enrollment(provisioning::EnrollmentError),
    /// The port is no number from 1 to 65535.
    Port,
    /// A stored text is no text.
    NotText,
    /// The storage failed.
    Storage(StorageError),
}

#[cfg(CONFIG_AZURE_DPS)]
impl From<provisioning::EnrollmentError> for ConfigurationError {
    fn from(problem: provisioning::EnrollmentError) -> Self {
        Self::Enrollment(problem)
    }
}

impl fmt::Display for ConfigurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identity(error) => write!(f, "{error}"),
            #[cfg(CONFIG_AZURE_DPS)]
            Self::Enrollment(problem) => write!(f, "{problem}"),
            Self::Port => f.write_str("the port is no number from 1 to 65535: azure set port 8883"),
            Self::NotText => {
                f.write_str("a stored value is no text: azure forget, then provision again")
            }
            Self::Storage(error) => write!(
                f,
                "the storage cannot be read ({error}): azure forget, then provision again"
            ),
        }
    }
}
