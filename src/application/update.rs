//! Software updates, as an application sees them.

/// Step of an update that an application may hold up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpdateStep<'a> {
    /// A file of so many bytes is about to be downloaded, beside everything else.
    Download {
        /// The version that it makes of this device.
        version: &'a str,
        /// Its length.
        size: u32,
    },
    /// The device is about to restart into the new image.
    Install {
        /// The version that it makes of this device.
        version: &'a str,
    },
}

/// Answer of an application to a step of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Go on.
    Granted,
    /// Not now, such as while a pump runs. The question comes again after ten seconds.
    Later,
    /// Not at all, for this reason, which the service is told.
    Refused(&'static str),
}

/// Progress of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpdateEvent<'a> {
    /// So many bytes of the file are in flash.
    Downloading {
        /// Bytes in flash.
        written: u32,
        /// Bytes of the file.
        size: u32,
    },
    /// The file is whole and verified: the device restarts into it.
    Installing,
    /// The new image runs and was kept.
    Installed,
    /// The update failed, for this reason. The image before it runs.
    Failed(&'a str),
    /// The service cancelled the update.
    Cancelled,
}
