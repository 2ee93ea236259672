//! Secrets and certificates that are pasted into the console, without echo.
//!
//! The command itself reads the console until its paste is over, so that no byte of it comes to the shell, which
//! would run and echo it. What belongs to a paste, and when it is over, [`azure_device::paste`] decides.

#![forbid(unsafe_code)]

use azure_device::paste::{Item, Outcome, Paste, Progress, Wanted};
use zeroize::Zeroizing;

#[cfg(CONFIG_AZURE_WIFI)]
use super::Then;
#[cfg(CONFIG_AZURE_DPS)]
use super::enrollment;
use super::{Refusal, Stored, certificates, done, say, set_connection_string};
use crate::ffi::{self, Shell};
use crate::kconfig;
#[cfg(CONFIG_AZURE_WIFI)]
use crate::{configuration, storage};

/// The longest line, certificate or key, in bytes.
pub(super) const SIZE: usize = kconfig::CONFIG_AZURE_PASTE_SIZE.unsigned_abs();

/// Bytes that are taken from the console at a time.
const CHUNK: usize = 32;

/// Purpose of a paste.
#[derive(Clone, Copy)]
pub(super) enum Target<'t> {
    ConnectionString,
    #[cfg(CONFIG_AZURE_DPS)]
    SymmetricKey,
    #[cfg(CONFIG_AZURE_DPS)]
    GroupKey,
    Certificate,
    Key,
    Root,
    /// The password of the network with this name.
    #[cfg_attr(not(CONFIG_AZURE_WIFI), allow(dead_code))] // Only boards with Wi-Fi ask for it.
    Wifi(&'t str),
}

impl Target<'_> {
    const fn wanted(&self) -> Wanted {
        match self {
            Self::Certificate | Self::Root => Wanted::Certificates,
            Self::Key => Wanted::Key,
            _ => Wanted::Line,
        }
    }

    const fn prompt(&self) -> &'static str {
        match self {
            Self::ConnectionString => {
                "Paste the connection string and press Enter; it is not shown."
            }
            Self::Certificate => "Paste the certificate in PEM, then press Ctrl-D.",
            Self::Key => "Paste the private key in PEM; it is not shown.",
            Self::Root => "Paste the root CAs in PEM, then press Ctrl-D.",
            #[cfg(CONFIG_AZURE_DPS)]
            Self::SymmetricKey => {
                "Paste the enrolment's symmetric key and press Enter; it is not shown."
            }
            #[cfg(CONFIG_AZURE_DPS)]
            Self::GroupKey => {
                "Paste the group's symmetric key and press Enter; it is neither shown nor kept."
            }
            Self::Wifi(_) => {
                "Type the password (nothing for an open network) and press Enter; it is not shown."
            }
        }
    }

    /// Checks and stores what was pasted, or a part of it; says what it was.
    fn take(&self, shell: Shell<'_>, item: &Item<'_>, index: usize) -> Result<Stored, Refusal> {
        match (self, item) {
            (Self::Root, Item::Certificate(der)) => certificates::take_root(shell, der, index),
            (_, Item::Certificate(der)) => certificates::take_certificate(shell, der, index),
            (_, Item::Key(der)) => certificates::take_key(shell, der),
            (_, Item::Line(text)) => self.take_line(shell, text),
        }
    }

    fn take_line(&self, shell: Shell<'_>, text: &str) -> Result<Stored, Refusal> {
        match self {
            #[cfg(CONFIG_AZURE_WIFI)]
            Self::Wifi(ssid) => store_wifi(ssid, text),
            #[cfg(CONFIG_AZURE_DPS)]
            Self::SymmetricKey => enrollment::set_symmetric_key(text),
            #[cfg(CONFIG_AZURE_DPS)]
            Self::GroupKey => enrollment::set_group_key(text),
            _ => set_connection_string(shell, text),
        }
    }

    /// Completes what is made of several items.
    fn finish(&self, shell: Shell<'_>, stored: Stored, items: usize) -> Result<Stored, Refusal> {
        match self {
            Self::Certificate => certificates::finish_chain(shell, items),
            Self::Root => certificates::finish_roots(items),
            _ => Ok(stored),
        }
    }
}

/// Prompts, takes what is pasted until it is over, and says what came of it.
pub(super) fn ask(shell: Shell<'_>, target: Target<'_>) -> Result<(), Refusal> {
    say!(shell, "{} Ctrl-C gives up.", target.prompt());
    let mut paste = Paste::new(target.wanted(), SIZE, ffi::uptime());
    // What is taken first is the outcome of a paste without items.
    let mut taken = Err(Refusal::Because("nothing came"));
    let outcome = loop {
        match paste.poll(ffi::uptime()) {
            Progress::Over(outcome) => break outcome,
            Progress::Open { until } => {
                let wait = until.since(ffi::uptime()).as_millis();
                let wait = u32::try_from(wait).unwrap_or(u32::MAX);
                take_bytes(shell, target, &mut paste, wait, &mut taken);
            }
        }
    };
    match outcome {
        Outcome::Refused(error) => Err(Refusal::Paste(error)),
        Outcome::GivenUp => Err(Refusal::Because("Given up; nothing was changed.")),
        _ => {
            let stored = target.finish(shell, taken?, paste.certificates())?;
            done(shell, stored);
            Ok(())
        }
    }
}

/// Gives the paste what the console has, or will have within some milliseconds.
#[inline(never)]
fn take_bytes(
    shell: Shell<'_>,
    target: Target<'_>,
    paste: &mut Paste,
    wait_ms: u32,
    taken: &mut Result<Stored, Refusal>,
) {
    let mut bytes = Zeroizing::new([0; CHUNK]);
    let count = shell.read(bytes.as_mut_slice(), wait_ms);
    for byte in bytes.get(..count).unwrap_or_default() {
        let index = paste.certificates();
        let item = paste.push(*byte, ffi::uptime());
        let Some(result) = item.map(|item| target.take(shell, &item, index)) else {
            continue;
        };
        if result.is_err() {
            paste.reject();
        }
        *taken = result;
    }
}

/// Asks for the password of a Wi-Fi network.
#[cfg(CONFIG_AZURE_WIFI)]
pub(super) fn ask_wifi(shell: Shell<'_>, name: &str) -> Result<(), Refusal> {
    if name.len() > 32 {
        return Err(Refusal::Because("a network's name has at most 32 bytes"));
    }
    ask(shell, Target::Wifi(name))
}

#[cfg(CONFIG_AZURE_WIFI)]
fn store_wifi(ssid: &str, password: &str) -> Result<Stored, Refusal> {
    if !matches!(password.len(), 0 | 8..=63) {
        return Err(Refusal::Because("a WPA2 password has 8 to 63 characters"));
    }
    let mut value = Zeroizing::new(alloc::vec::Vec::with_capacity(
        ssid.len() + 1 + password.len(),
    ));
    value.extend_from_slice(ssid.as_bytes());
    value.push(b'\n');
    value.extend_from_slice(password.as_bytes());
    storage::store(configuration::WIFI, &value).map_err(Refusal::NotStored)?;
    Ok(Stored("Wi-Fi network", Then::Reconfigure))
}
