//! Software updates of the program: images in two files, and a restart.
//!
//! # Theory of operation
//! A folder holds two slots, and a record of the boot loader: which slot runs, and whether it is confirmed, on trial, or
//! to be followed by the other one. [`Slots::boot`] is the boot loader: it is called when a device starts, and again
//! whenever it restarts. The end of the process is a power cut to it. An image is a file whose first line names its
//! version: `azure-device-image 1.2.0`. What follows is not looked at.
//!
//! [`HostUpdater`] is the device loop's side; its download runs in a thread of its own.

mod fetcher;
mod keys;
mod slots;
mod updater;

use std::path::PathBuf;
use std::time::Duration;

use azure_device::update::{self, Channel};

pub use self::keys::{RootKeys, verify_rs256};
pub use self::slots::Slots;
pub(crate) use self::updater::HostUpdater;

/// Settings of updates.
#[derive(Clone, Debug)]
pub struct UpdateOptions {
    /// Folder of the images.
    pub folder: PathBuf,
    /// Maker of the device, by which updates are chosen.
    pub manufacturer: String,
    /// Model of the device, by which updates are chosen.
    pub model: String,
    /// Keys that updates must be signed under.
    pub root_keys: RootKeys,
    /// The most bytes a second of a download.
    pub rate: Option<u32>,
    /// Time in which a new image has to join its hub.
    pub trial: Duration,
    /// Failures of a download in a row after which it is given up.
    pub patience: u32,
    /// Carrier of deployments and reports.
    pub channel: Channel,
}

impl UpdateOptions {
    /// Settings with the usual limits.
    pub fn new(
        folder: impl Into<PathBuf>,
        manufacturer: impl Into<String>,
        model: impl Into<String>,
        root_keys: RootKeys,
    ) -> Self {
        Self {
            folder: folder.into(),
            manufacturer: manufacturer.into(),
            model: model.into(),
            root_keys,
            rate: None,
            trial: Duration::from_secs(600),
            patience: 20,
            channel: Channel::Twin,
        }
    }

    /// Settings of the core.
    pub(crate) fn settings(&self) -> update::Settings<'_> {
        let keys = self.root_keys.0;
        update::Settings {
            trial: self.trial,
            rate: self.rate,
            patience: self.patience,
            channel: self.channel,
            ..update::Settings::new(&self.manufacturer, &self.model, keys, verify_rs256)
        }
    }
}
