//! Software updates, as an application sees them.

use crate::json::Object;
use crate::label::Label;
use crate::report::UpdateState;

/// The longest version, in bytes.
pub const MAX_VERSION: usize = crate::port::update::MAX_VERSION;
/// The longest reason of a failure, in bytes.
pub const MAX_REASON: usize = 128;

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
    /// The device is about to restart into the image before, as an operator asked.
    Rollback {
        /// The version of that image.
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

/// Status of software updates, as [`Context::update`](super::Context::update) gives it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UpdateStatus {
    /// State.
    pub state: UpdateState,
    /// Version of the update that is under way or that failed; empty if there is none.
    pub version: Label<MAX_VERSION>,
    /// Reason why the last update, or the last rollback, failed; empty if none did.
    pub reason: Label<MAX_REASON>,
    /// Version of the image that a rollback starts; empty if there is none.
    pub previous: Label<MAX_VERSION>,
    /// Progress of a rollback that was asked for.
    pub rollback: Rollback,
    /// This device takes updates.
    pub(crate) is_served: bool,
}

/// Progress of a rollback: the start of the image before the one that runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rollback {
    /// None was asked for.
    #[default]
    None,
    /// It was asked for, and is being judged: look again soon.
    Asked,
    /// The boot loader starts the image of this version at the next restart. The device restarts by itself after some
    /// seconds, or at once with [`Context::restart`](super::Context::restart).
    Ready(Label<MAX_VERSION>),
    /// It was refused, for this reason. Nothing has changed.
    Refused(&'static str),
}

impl UpdateStatus {
    /// Writes its members. Those without a value are `null`, since a twin keeps what it is not told about.
    pub fn write(&self, object: &mut Object<'_, '_>) {
        object.string("state", self.state.name());
        match self.state.percent() {
            Some(percent) => object.integer("percent", percent.into()),
            None => object.null("percent"),
        };
        for (name, text) in [
            ("version", self.version.as_str()),
            ("reason", self.reason.as_str()),
            ("previous", self.previous.as_str()),
        ] {
            match text {
                "" => object.null(name),
                text => object.string(name, text),
            };
        }
    }
}
