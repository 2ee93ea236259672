//! Reasons why an update failed, with the codes that the service is told.

use core::fmt;

use super::jws::TrustError;
use super::manifest::ManifestError;
use super::package::PackageError;
use crate::port::update::FetchFailure;
use crate::port::update::SlotError;

/// Reason why an update failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// The workflow lacks something, or its texts do not fit.
    Workflow(&'static str),
    /// The root key package was refused.
    Package(PackageError),
    /// The manifest's signature was refused.
    Trust(TrustError),
    /// The manifest was refused.
    Manifest(ManifestError),
    /// The application refused it.
    Application(&'static str),
    /// The download failed.
    Fetch(FetchFailure),
    /// The slot failed.
    Slot(SlotError),
    /// The downloaded file is no image that the boot loader could start.
    NoImage,
    /// The image that was downloaded is not newer than the one that runs.
    NotNewer,
    /// The new image did not start, or restarted before it was kept.
    NotKept,
    /// The new image was restarted too often before it was kept: in good order, or before it had noted that it began.
    Restarts,
    /// The new image's version is not the one of the manifest.
    Version,
    /// The new image did not join its hub in time.
    NotJoined,
    /// An operator had the image before started during the trial.
    RolledBack,
}

impl Cause {
    /// Number for `extendedResultCode`: the kind in the high half, and the place in its list in the low one.
    pub const fn code(&self) -> u32 {
        let (kind, detail) = match self {
            Self::Workflow(_) => (1, 0),
            Self::Package(error) => (2, *error as u32),
            Self::Trust(error) => (3, *error as u32),
            Self::Manifest(error) => (4, *error as u32),
            Self::Application(_) => (5, 0),
            Self::Fetch(failure) => (6, failure.number()),
            Self::Slot(_) => (7, 0),
            Self::NoImage => (7, 1),
            Self::NotNewer => (7, 2),
            Self::NotKept => (8, 0),
            Self::Restarts => (8, 1),
            Self::Version => (8, 2),
            Self::NotJoined => (8, 3),
            Self::RolledBack => (8, 4),
        };
        kind << 16 | detail
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workflow(reason) => f.write_str(reason),
            Self::Package(error) => error.fmt(f),
            Self::Trust(error) => error.fmt(f),
            Self::Manifest(error) => error.fmt(f),
            Self::Application(reason) => write!(f, "the application refused the update: {reason}"),
            Self::Fetch(failure) => failure.fmt(f),
            Self::Slot(error) => error.fmt(f),
            Self::NoImage => f.write_str("the file is no image that the boot loader could start"),
            Self::NotNewer => f.write_str("the image is not newer than the one that runs"),
            Self::NotKept => f.write_str("the new image restarted before it had joined its hub"),
            Self::Restarts => {
                f.write_str("the new image was restarted too often before it had joined its hub")
            }
            Self::Version => f.write_str(
                "the new image has another version than the manifest's installedCriteria",
            ),
            Self::NotJoined => f.write_str("the new image did not join its hub in time"),
            Self::RolledBack => f.write_str("an operator had the image before started"),
        }
    }
}
