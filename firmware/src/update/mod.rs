//! Software updates: MCUboot under them, a thread for the download, and the keys that they are signed under.
//!
//! ```text
//! device's thread          download's thread
//! Updates ── ZephyrUpdater ── job ──► ZephyrFetcher ── sockets, slot 1
//!                  ▲───── news ────────────┘
//! ```
//!
//! The version of an image is that of its header, which MCUboot reads too. West signs an image with the application's
//! version.

#![forbid(unsafe_code)]

mod fetcher;
mod rsa;
mod updater;

use core::fmt;

use azure_device::logging::{error, warn};
use azure_device::port::update::RsaKey;
use azure_device::update::{RootKey, Settings};

pub(crate) use self::fetcher::fetch_next;
pub(crate) use self::updater::ZephyrUpdater;
use crate::configuration::{built_in, seconds};
use crate::ffi::update::{self as port, ImageVersion};
use crate::kconfig;
use crate::logger::Line;

/// Root keys of the image.
const ROOTS: [RootKey<'static>; built_in::UPDATE_ROOTS.len()] = {
    let mut roots = [RootKey {
        id: "",
        key: RsaKey {
            modulus: &[],
            exponent: 0,
        },
    }; built_in::UPDATE_ROOTS.len()];
    let mut index = 0;
    while index < roots.len() {
        let (id, modulus, exponent) = built_in::UPDATE_ROOTS[index];
        roots[index] = RootKey {
            id,
            key: RsaKey { modulus, exponent },
        };
        index += 1;
    }
    roots
};
static ROOT_KEYS: [RootKey<'static>; ROOTS.len()] = ROOTS;

/// Settings of updates, by Kconfig. `None`, after an error in the log, if the slot cannot be used.
pub(crate) fn settings() -> Option<Settings<'static>> {
    if let Err(error) = port::open() {
        error!("update: slot 1 cannot be used ({error:?}); the device takes no updates");
        return None;
    }
    if cfg!(CONFIG_AZURE_TEST_UPDATE_KEYS) {
        warn!("update: TEST IMAGE: it trusts keys that sign for tests");
    }
    Some(Settings {
        text_size: kconfig::CONFIG_AZURE_UPDATE_TEXT_SIZE.unsigned_abs(),
        trial: seconds(kconfig::CONFIG_AZURE_UPDATE_TRIAL_S),
        restarts: kconfig::CONFIG_AZURE_UPDATE_RESTARTS as u8,
        rate: u32::try_from(kconfig::CONFIG_AZURE_UPDATE_RATE)
            .ok()
            .filter(|rate| *rate > 0),
        patience: kconfig::CONFIG_AZURE_UPDATE_PATIENCE as u32,
        downgrade: cfg!(CONFIG_AZURE_UPDATE_DOWNGRADE),
        ..Settings::new(
            kconfig::CONFIG_AZURE_UPDATE_MANUFACTURER,
            kconfig::CONFIG_AZURE_UPDATE_MODEL,
            &ROOT_KEYS,
            rsa::verify,
        )
    })
}

/// Room for a version, in bytes: `255.255.65535+4294967295`, and a zero.
const VERSION: usize = 32;

impl fmt::Display for ImageVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.revision)?;
        match self.build {
            0 => Ok(()),
            build => write!(f, "+{build}"),
        }
    }
}

/// Version of the image that runs, or of that in the slot.
pub(crate) fn version(running: bool) -> Option<Line<VERSION>> {
    port::version(running).map(|version| Line::of(format_args!("{version}")))
}

/// Misbehaves, if the version says so, for tests of what follows.
#[cfg(CONFIG_AZURE_TEST_TRIAL)]
pub(crate) fn misbehave() {
    match port::version(true).map_or(0, |version| version.build) {
        1 => loop {
            core::hint::spin_loop();
        },
        2 => panic!("an image that panics, for a test"),
        _ => {}
    }
}
