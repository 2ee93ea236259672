//! Reason why DPS assigned no hub.

use core::fmt;

/// An end of a registration that is not an assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProvisioningFailure {
    /// The service does not believe the key or the certificate (401). The extended code, such as 401002.
    Unauthorized(u32),
    /// There is no enrolment for this registration (404).
    NotFound(u32),
    /// The enrolment is disabled.
    Disabled,
    /// The allocation failed; the extended code, such as 400207 (custom allocation) or 400208 (no hub is
    /// linked to the service).
    AllocationFailed(u32),
    /// The service is busy (429, 5xx). The status.
    Busy(u16),
    /// Another status between 300 and 428.
    Refused(u16, u32),
    /// Nothing was assigned within the time that a registration may take.
    Timeout,
    /// The service's answer cannot be understood.
    Malformed,
    /// The service's answer does not fit the receive buffer: the size of its packet, and of the buffer, in
    /// bytes.
    TooLarge {
        /// Size of the PUBLISH packet.
        size: usize,
        /// Size of the receive buffer.
        buffer: usize,
    },
    /// The service assigned a hub or a device id that cannot be.
    BadAssignment,
}

impl ProvisioningFailure {
    /// True if it may pass by itself.
    pub(crate) const fn is_transient(self) -> bool {
        matches!(self, Self::Busy(_) | Self::Timeout | Self::Malformed)
    }
}

impl fmt::Display for ProvisioningFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unauthorized(code) => write!(
                f,
                "the service refused the key or certificate ({code}); check the registration id, the enrolment's attestation and this device's clock"
            ),
            Self::NotFound(code) => write!(
                f,
                "there is no enrolment for this registration id ({code}); create one, or check the id scope"
            ),
            Self::Disabled => f.write_str("the enrolment is disabled; enable it in the provisioning service"),
            Self::AllocationFailed(code) => write!(
                f,
                "no hub could be allocated ({code}); check the hubs linked to the provisioning service and its allocation policy"
            ),
            Self::Busy(status) => write!(f, "the service is busy ({status}); it is asked again"),
            Self::Refused(status, code) => {
                write!(f, "the service refused the registration ({status}, {code}); check the enrolment")
            }
            Self::Timeout => f.write_str("the service assigned no hub in time; it is asked again"),
            Self::Malformed => f.write_str("the service's answer cannot be understood; it is asked again"),
            Self::TooLarge { size, buffer } => write!(
                f,
                "the service's answer of {size} bytes does not fit the receive buffer of {buffer}; raise CONFIG_AZURE_RX_BUFFER_SIZE, or shorten what the allocation policy returns"
            ),
            Self::BadAssignment => {
                f.write_str("the service assigned a hub or device id that cannot be; check the allocation policy")
            }
        }
    }
}

impl core::error::Error for ProvisioningFailure {}
