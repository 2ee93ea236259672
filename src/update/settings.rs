//! Settings of updates.

use core::time::Duration;

use super::key::RootKey;
use crate::port::update::VerifyRs256;

/// Default of [`Settings::trial`].
const TRIAL: Duration = Duration::from_secs(600);
/// Default of [`Settings::restarts`].
const RESTARTS: u8 = 3;
/// Default of [`Settings::text_size`]: a manifest of some 1,500 bytes, with its signature of 2,405 and what decoding it
/// takes.
const TEXT_SIZE: usize = 6144;
/// Default of [`Settings::patience`].
const PATIENCE: u32 = 20;
/// Carrier of deployments and reports.
#[cfg(feature = "update-dps")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// The twin's component `deviceUpdate`.
    Twin,
    /// Operations on sessions with the provisioning service, a preview of Azure's (api-version 2026-11-02-preview). Only a
    /// device that the service has provisioned has them.
    Provisioning {
        /// Time between two questions for an update. A day is usual.
        poll: Duration,
    },
}

/// Settings of updates that an engineer makes.
#[derive(Clone, Copy, Debug)]
pub struct Settings<'a> {
    /// Maker of the device, by which updates are chosen.
    pub manufacturer: &'a str,
    /// Model of the device, by which updates are chosen.
    pub model: &'a str,
    /// Keys that updates must be signed under. Those of Microsoft are published by it. One whose name ends in `.T` is for
    /// tests, and has no place in a product.
    pub roots: &'a [RootKey<'a>],
    /// Verification of RSA signatures.
    pub verify: VerifyRs256,
    /// Bytes that the texts of a deployment, and a root key package, may take. Default 6,144.
    pub text_size: usize,
    /// Time in which a new image has to join its hub. Default 10 minutes.
    pub trial: Duration,
    /// Restarts that a new image may go through before it is kept. They count if they are in good order, or come before it
    /// could note that it began; any other one ends the trial. Default 3.
    pub restarts: u8,
    /// The most bytes a second of a download. Default no limit.
    pub rate: Option<u32>,
    /// Carrier of deployments and reports. Default the twin.
    #[cfg(feature = "update-dps")]
    pub channel: Channel,
    /// True if images are taken that are not newer than the one that runs, by the versions that the images themselves
    /// have. Default false. A rollback by an operator is possible in any case.
    pub downgrade: bool,
    /// Failures of a download in a row, without a byte between them, after which it is given up. Default 20: with the
    /// waits between them, a quarter of an hour.
    pub patience: u32,
}

impl<'a> Settings<'a> {
    /// Settings with the usual limits.
    pub const fn new(
        manufacturer: &'a str,
        model: &'a str,
        roots: &'a [RootKey<'a>],
        verify: VerifyRs256,
    ) -> Self {
        Self {
            manufacturer,
            model,
            roots,
            verify,
            text_size: TEXT_SIZE,
            trial: TRIAL,
            restarts: RESTARTS,
            rate: None,
            downgrade: false,
            #[cfg(feature = "update-dps")]
            channel: Channel::Twin,
            patience: PATIENCE,
        }
    }
}
