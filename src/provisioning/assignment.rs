//! What DPS decided, and how it is kept.

use alloc::boxed::Box;
use core::fmt::{self, Write};

use super::enrollment::{Enrollment, IdScope, RegistrationId};
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
    /// The key under which an assignment is kept in [`crate::port::Storage`].
    pub const STORAGE_KEY: &'static str = "assignment";

    /// The key under which its payload is kept, if it has one.
    pub const PAYLOAD_STORAGE_KEY: &'static str = "assignment-payload";

    /// The most bytes of an encoded assignment.
    pub const MAX_LEN: usize =
        IdScope::MAX_LEN + RegistrationId::MAX_LEN + HostName::MAX_LEN + DeviceId::MAX_LEN + 3;

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

    /// Writes it for storage: the id scope and the registration id that it was made for, the hub, and the
    /// device's id, a line each. The payload is kept by itself.
    pub fn encode<'b>(
        &self,
        enrollment: &Enrollment,
        buffer: &'b mut [u8],
    ) -> Result<&'b str, Overflow> {
        let capacity = buffer.len();
        let mut text = Text::new(buffer);
        write!(
            text,
            "{}\n{}\n{}\n{}",
            enrollment.id_scope().as_str(),
            enrollment.registration_id().as_str(),
            self.host_name,
            self.device_id
        )
        .map_err(|_| Overflow { capacity })?;
        Ok(text.into_str())
    }

    /// Reads what [`Assignment::encode`] wrote for the same enrolment: a device that was given another id
    /// scope or registration id must not go on with the hub of the old one.
    pub fn decode(bytes: &[u8], enrollment: &Enrollment) -> Result<Self, AssignmentError> {
        let text = core::str::from_utf8(bytes).map_err(|_| AssignmentError::Format)?;
        let mut lines = text.splitn(4, '\n');
        let mut line = || lines.next().ok_or(AssignmentError::Format);
        let (id_scope, registration_id) = (line()?, line()?);
        let assignment = Self::new(line()?, line()?, None)?;
        if id_scope != enrollment.id_scope().as_str()
            || registration_id != enrollment.registration_id().as_str()
        {
            return Err(AssignmentError::OtherEnrollment);
        }
        Ok(assignment)
    }
}
