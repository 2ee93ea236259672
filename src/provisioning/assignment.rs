//! The answer of DPS: a hub, and the device's id there.

use alloc::boxed::Box;
use core::fmt;

use crate::identity::{DeviceId, HostName, HostNameError, IdError};

/// A hub, and the device's id there, which can differ from the registration id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The hub.
    pub host_name: HostName,
    /// The device.
    pub device_id: DeviceId,
    /// Payload that the custom allocation policy returned, as JSON.
    pub payload: Option<Box<str>>,
}

/// Reason why a kept assignment is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AssignmentError {
    /// It is not what [`Kept::store`](super::Kept::store) writes.
    Format,
    /// It was made for another id scope or registration id.
    OtherEnrollment,
    /// The hub's name.
    HostName(HostNameError),
    /// The device's id.
    DeviceId(IdError),
}

impl fmt::Display for AssignmentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format => f.write_str("the kept assignment is damaged"),
            Self::OtherEnrollment => {
                f.write_str("the kept assignment is for another id scope or registration id")
            }
            Self::HostName(error) => write!(f, "the assigned hub {error}"),
            Self::DeviceId(error) => write!(f, "the assigned device id {error}"),
        }
    }
}

impl core::error::Error for AssignmentError {}

impl Assignment {
    /// Checks what the service answered.
    ///
    /// # Errors
    ///
    /// A name that cannot be a hub's or a device's.
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
}
