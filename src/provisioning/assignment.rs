//! What DPS decided, and how it is kept.

use alloc::boxed::Box;
use core::fmt::{self, Write};

use crate::identity::{DeviceId, HostName, HostNameError, IdError};
use crate::text::{Overflow, Text};

/// A hub, and the device's id there, which can differ from the registration id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The hub.
    pub host_name: HostName,
    /// The device.
    pub device_id: DeviceId,
    /// What the custom allocation policy returned, as JSON.
    pub payload: Option<Box<str>>,
}

/// Why a kept assignment is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AssignmentError {
    /// It is not what [`Assignment::encode`] writes.
    Format,
    /// The hub's name.
    HostName(HostNameError),
    /// The device's id.
    DeviceId(IdError),
}

impl fmt::Display for AssignmentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format => f.write_str("the kept assignment is damaged"),
            Self::HostName(error) => write!(f, "the assigned hub {error}"),
            Self::DeviceId(error) => write!(f, "the assigned device id {error}"),
        }
    }
}

impl core::error::Error for AssignmentError {}

impl Assignment {
    /// The key under which an assignment is kept in [`crate::port::Storage`].
    pub const STORAGE_KEY: &'static str = "assignment";

    /// The most bytes of an encoded assignment. Its payload is not kept.
    pub const MAX_LEN: usize = HostName::MAX_LEN + 1 + DeviceId::MAX_LEN;

    /// Checks what the service answered.
    pub fn new(
        host_name: &str,
        device_id: &str,
        payload: Option<&str>,
    ) -> Result<Self, AssignmentError> {
        Ok(Self {
            host_name: HostName::parse(host_name).map_err(AssignmentError::HostName)?,
            device_id: DeviceId::parse(device_id).map_err(AssignmentError::DeviceId)?,
            payload: payload.map(Into::into),
        })
    }

    /// Writes it for storage: two lines.
    pub fn encode<'b>(&self, buffer: &'b mut [u8]) -> Result<&'b str, Overflow> {
        let capacity = buffer.len();
        let mut text = Text::new(buffer);
        write!(text, "{}\n{}", self.host_name, self.device_id)
            .map_err(|_| Overflow { capacity })?;
        Ok(text.into_str())
    }

    /// Reads what [`Assignment::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, AssignmentError> {
        let text = core::str::from_utf8(bytes).map_err(|_| AssignmentError::Format)?;
        let (host_name, device_id) = text.split_once('\n').ok_or(AssignmentError::Format)?;
        Self::new(host_name, device_id, None)
    }
}
