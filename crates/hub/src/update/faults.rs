//! What goes wrong with updates when an operator says so.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Updates;
use std::sync::PoisonError;

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
    /// Ranges are ignored: the whole file is sent.
    NoRanges,
}

impl UpdateFault {
    /// True if it is one of a deployment, false if it is one of the server of files.
    pub(super) const fn is_of_deployment(self) -> bool {
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
            Self::NoRanges => f.write_str("ranges are ignored"),
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
        let mut faults = self.lock_faults();
        faults.retain(|(_, times)| *times > 0);
        let mut own = faults
            .iter_mut()
            .filter(|(fault, _)| fault.is_of_deployment() == of_deployment);
        let (fault, times) = own.next()?;
        *times -= 1;
        Some(*fault)
    }

    fn lock_faults(&self) -> std::sync::MutexGuard<'_, Vec<(UpdateFault, u32)>> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
