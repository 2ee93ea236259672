//! The kept assignment: what a device that was provisioned once uses at its next start.
//!
//! Two values, each with a checksum ([`crate::storage`]): the assignment, with the id scope and the
//! registration id that it was made for, and the payload of the custom allocation policy, which can be long.
//! The payload is written first, and the assignment names it by its CRC-32. So a power cut between the two is
//! noticed at the next start: the assignment is still a whole one, and its payload is of another.

use core::fmt::Write;

use super::assignment::{Assignment, AssignmentError};
use super::enrollment::{Enrollment, IdScope, RegistrationId};
use crate::identity::{DeviceId, HostName};
use crate::json::Value;
use crate::logging::warn;
use crate::port::{Storage, StorageError};
use crate::storage::{self, CHECKSUM_LEN, crc32};
use crate::text::{Overflow, Text};

/// An assignment as it was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The hub, and the device's id there. Its payload is read by [`Kept::payload`].
    pub assignment: Assignment,
    /// The CRC-32 of its payload, if it has one.
    payload: Option<u32>,
}

/// The payload of a kept assignment is lost: it is damaged, or of another assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PayloadLost;

/// The consequence of a wrong checksum here.
const REMEDY: &str = "the Device Provisioning Service is asked again";

impl Kept {
    /// The key of the assignment in [`crate::port::Storage`].
    pub const STORAGE_KEY: &'static str = "assignment";

    /// The key of its payload, if it has one.
    pub const PAYLOAD_STORAGE_KEY: &'static str = "assignment-payload";

    /// The most bytes of an encoded assignment: five lines, the last with the payload's CRC-32.
    const MAX_LEN: usize =
        IdScope::MAX_LEN + RegistrationId::MAX_LEN + HostName::MAX_LEN + DeviceId::MAX_LEN + 4 + 8;

    /// The assignment that was kept for this enrolment: a device that was given another id scope or
    /// registration id must not go on with the hub of the old one. `None` with a warning if it is of no use.
    // Not inlined: its buffer is gone before the next step of a life.
    #[inline(never)]
    pub fn load<S: Storage + ?Sized>(storage: &mut S, enrollment: &Enrollment) -> Option<Self> {
        let mut buffer = [0; Self::MAX_LEN + CHECKSUM_LEN];
        match storage::load(storage, Self::STORAGE_KEY, REMEDY, &mut buffer) {
            Ok(length) => Self::decode(buffer.get(..length?)?, enrollment)
                .inspect_err(|error| warn!("provisioning: {error}; asking for a new one"))
                .ok(),
            Err(error) => {
                warn!("storage: the kept assignment could not be read: {error}");
                None
            }
        }
    }

    /// The payload, if the assignment has one, read into `buffer`. One that is longer is passed over with a
    /// warning, since it would be so again.
    ///
    /// # Errors
    ///
    /// It is damaged, or of another assignment.
    #[inline(never)]
    pub fn payload<'b, S: Storage + ?Sized>(
        &self,
        storage: &mut S,
        buffer: &'b mut [u8],
    ) -> Result<Option<Value<'b>>, PayloadLost> {
        let Some(sum) = self.payload else {
            return Ok(None);
        };
        match storage::load(storage, Self::PAYLOAD_STORAGE_KEY, REMEDY, buffer) {
            Ok(length) => length
                .and_then(|length| buffer.get(..length))
                .filter(|payload| crc32(payload) == sum)
                .and_then(|payload| Value::parse(payload).ok())
                .map(Some)
                .ok_or(PayloadLost),
            Err(error @ StorageError::TooLong(_)) => {
                warn!(
                    "storage: the assignment's payload does not fit the scratch buffer ({error}); \
                     raise its size"
                );
                Ok(None)
            }
            Err(error) => {
                warn!("storage: the assignment's payload could not be read: {error}");
                Err(PayloadLost)
            }
        }
    }

    /// Keeps an assignment: the payload first, so that an assignment that is read has its own.
    ///
    /// # Errors
    ///
    /// The medium failed. The assignment that was kept before may still be there.
    #[inline(never)]
    pub fn store<S: Storage + ?Sized>(
        storage: &mut S,
        assignment: &Assignment,
        enrollment: &Enrollment,
    ) -> Result<(), StorageError> {
        if let Some(payload) = &assignment.payload {
            storage::store(storage, Self::PAYLOAD_STORAGE_KEY, payload.as_bytes())?;
        }
        let mut buffer = [0; Self::MAX_LEN];
        let text = encode(assignment, enrollment, &mut buffer)
            .map_err(|overflow| StorageError::TooLong(overflow.capacity))?;
        storage::store(storage, Self::STORAGE_KEY, text.as_bytes())?;
        // The payload that was kept before belongs to no assignment any more.
        match assignment.payload {
            Some(_) => Ok(()),
            None => storage.remove(Self::PAYLOAD_STORAGE_KEY),
        }
    }

    fn decode(bytes: &[u8], enrollment: &Enrollment) -> Result<Self, AssignmentError> {
        let text = core::str::from_utf8(bytes).map_err(|_| AssignmentError::Format)?;
        let mut lines = text.splitn(5, '\n');
        let mut line = || lines.next().ok_or(AssignmentError::Format);
        let (id_scope, registration_id) = (line()?, line()?);
        let assignment = Assignment::new(line()?, line()?, None)?;
        let payload = match line()? {
            "" => None,
            sum => Some(u32::from_str_radix(sum, 16).map_err(|_| AssignmentError::Format)?),
        };
        if id_scope != enrollment.id_scope().as_str()
            || registration_id != enrollment.registration_id().as_str()
        {
            return Err(AssignmentError::OtherEnrollment);
        }
        Ok(Self {
            assignment,
            payload,
        })
    }
}

/// A line each: the id scope and the registration id that it was made for, the hub, the device's id, and the
/// CRC-32 of the payload in hexadecimal.
fn encode<'b>(
    assignment: &Assignment,
    enrollment: &Enrollment,
    buffer: &'b mut [u8],
) -> Result<&'b str, Overflow> {
    let capacity = buffer.len();
    let mut text = Text::new(buffer);
    let mut write = || {
        writeln!(text, "{}", enrollment.id_scope().as_str())?;
        writeln!(text, "{}", enrollment.registration_id().as_str())?;
        writeln!(text, "{}", assignment.host_name)?;
        writeln!(text, "{}", assignment.device_id)?;
        match &assignment.payload {
            Some(payload) => write!(text, "{:08x}", crc32(payload.as_bytes())),
            None => Ok(()),
        }
    };
    write().map_err(|_| Overflow { capacity })?;
    Ok(text.into_str())
}

#[cfg(test)]
#[path = "kept_tests.rs"]
mod tests;
