//! Faults of updates that an operator asks for.

use std::fmt;

use serde::{Deserialize, Serialize};

use std::sync::PoisonError;

use super::Updates;

/// Fault of an update.
///
/// In JSON an object with the name as `fault`, such as `{"fault":"cut","bytes":4096}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub enum UpdateFault {
    /// The file that is served differs from the manifest's in one bit.
    WrongHash,
    /// The file that is served is shorter than the manifest says.
    WrongSize,
    /// The signature of a deployment is damaged.
    WrongSignature,
    /// A deployment's manifest is not the one that is signed.
    WrongManifest,
    /// A deployment's signing key is signed under a root that no device knows.
    UnknownKey,
    /// A deployment has a root key package that disables the root that it is signed under.
    DisabledRootKey,
    /// A deployment has a root key package that disables the signing key.
    DisabledSigningKey,
    /// Connections end after so many bytes of the file.
    Cut {
        /// Bytes of the body.
        bytes: u32,
    },
    /// The file comes slowly.
    Slow {
        /// Bytes a second.
        rate: u32,
    },
    /// The file is answered with this status, such as 404 or 503.
    Status {
        /// Status of the answer.
        status: u16,
    },
    /// The file is said to be on another server.
    Redirect,
    /// The file is said to be at another place of this server.
    Moved,
    /// Ranges are ignored: the whole file is sent.
    NoRanges,
    /// The question for an update before the registration is answered with this status.
    Onboarding {
        /// Status of the answer, such as 409, 429 or 500.
        status: u16,
    },
    /// The question for an update of a provisioned device is answered with this status.
    Get {
        /// Status of the answer.
        status: u16,
    },
    /// The report of an update is answered with this status.
    Report {
        /// Status of the answer.
        status: u16,
    },
}

/// Operation of updates on a session with the provisioning service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Asks for an update before the registration.
    Onboarding,
    /// Asks for an update.
    Get,
    /// Reports what became of one.
    Report,
}

impl Operation {
    /// The operation of this name in a topic.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "iotdps-get-onboarding-deviceupdate" => Self::Onboarding,
            "iotdps-get-deviceupdate" => Self::Get,
            "iotdps-report-deviceupdatestatus" => Self::Report,
            _ => return None,
        })
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Onboarding => "the question for an update before the registration",
            Self::Get => "the question for an update",
            Self::Report => "the report of an update",
        })
    }
}

impl UpdateFault {
    /// The operation that it is one of, and the status of its answer.
    const fn operation(self) -> Option<(Operation, u16)> {
        match self {
            Self::Onboarding { status } => Some((Operation::Onboarding, status)),
            Self::Get { status } => Some((Operation::Get, status)),
            Self::Report { status } => Some((Operation::Report, status)),
            _ => None,
        }
    }

    /// True if it is one of a deployment.
    const fn is_of_deployment(self) -> bool {
        matches!(
            self,
            Self::WrongSignature
                | Self::WrongManifest
                | Self::UnknownKey
                | Self::DisabledRootKey
                | Self::DisabledSigningKey
        )
    }
}

impl fmt::Display for UpdateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongHash => f.write_str("the file differs in one bit"),
            Self::WrongSize => f.write_str("the file is too short"),
            Self::WrongSignature => f.write_str("the signature is damaged"),
            Self::WrongManifest => f.write_str("the manifest is not the signed one"),
            Self::UnknownKey => f.write_str("the root key is unknown"),
            Self::DisabledRootKey => f.write_str("the root key is disabled"),
            Self::DisabledSigningKey => f.write_str("the signing key is disabled"),
            Self::Cut { bytes } => write!(f, "connections end after {bytes} bytes"),
            Self::Slow { rate } => write!(f, "the file comes with {rate} bytes a second"),
            Self::Status { status } => write!(f, "the file is answered with {status}"),
            Self::Redirect => f.write_str("the file is said to be on another server"),
            Self::Moved => f.write_str("the file is said to be at another place of this server"),
            Self::NoRanges => f.write_str("ranges are ignored"),
            Self::Onboarding { status } | Self::Get { status } | Self::Report { status } => {
                let (operation, _) = self.operation().unwrap_or((Operation::Get, 0));
                write!(f, "{operation} is answered with {status}")
            }
        }
    }
}

impl Updates {
    /// Has this go wrong with the next deployments or requests, so many times.
    pub(crate) fn inject(&self, fault: UpdateFault, times: u32) {
        log::info!("updates: {fault}, {times} times");
        self.lock_faults().push((fault, times));
    }

    /// Has everything go right again.
    pub(crate) fn clear_faults(&self) {
        self.lock_faults().clear();
    }

    /// Takes the next fault of a deployment, or of a request for a file.
    pub(super) fn take_fault(&self, of_deployment: bool) -> Option<UpdateFault> {
        self.take_fault_if(|fault| {
            fault.operation().is_none() && fault.is_of_deployment() == of_deployment
        })
    }

    /// Takes the next fault of an operation: the status of its answer.
    pub(crate) fn take_operation_fault(&self, operation: Operation) -> Option<u16> {
        let is_own = |fault: UpdateFault| fault.operation().is_some_and(|(of, _)| of == operation);
        let (_, status) = self.take_fault_if(is_own)?.operation()?;
        Some(status)
    }

    fn take_fault_if(&self, is_wanted: impl Fn(UpdateFault) -> bool) -> Option<UpdateFault> {
        let mut faults = self.lock_faults();
        faults.retain(|(_, times)| *times > 0);
        let (fault, times) = faults.iter_mut().find(|(fault, _)| is_wanted(*fault))?;
        *times -= 1;
        Some(*fault)
    }

    fn lock_faults(&self) -> std::sync::MutexGuard<'_, Vec<(UpdateFault, u32)>> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
