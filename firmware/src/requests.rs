//! Requests of other threads to the device: the button, the shell, the network.

#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicBool, Ordering};

use azure_device::port::Requests;

use crate::ffi;

static SEND_NOW: AtomicBool = AtomicBool::new(false);
static RETRY_NOW: AtomicBool = AtomicBool::new(false);
static RECONFIGURE: AtomicBool = AtomicBool::new(false);
static RECONNECT: AtomicBool = AtomicBool::new(false);
static READY: AtomicBool = AtomicBool::new(false);

/// A telemetry message is wanted now.
pub(crate) fn send_now() {
    ask(&SEND_NOW);
}

/// The network came up: an attempt that waits should start.
pub(crate) fn retry_now() {
    ask(&RETRY_NOW);
}

/// The provisioning changed: the device ends, and starts with the new one.
#[cfg(CONFIG_AZURE_SHELL)]
pub(crate) fn reconfigure() {
    ask(&RECONFIGURE);
}

/// The pair of certificate and key changed: the device connects again with the new one.
#[cfg(CONFIG_AZURE_SHELL)]
pub(crate) fn reconnect() {
    ask(&RECONNECT);
}

/// The storage is mounted: what is provisioned can be read and kept.
pub(crate) fn set_ready() {
    READY.store(true, Ordering::Release);
}

/// True if the storage is mounted.
#[cfg(CONFIG_AZURE_SHELL)]
pub(crate) fn is_ready() -> bool {
    READY.load(Ordering::Acquire)
}

fn ask(flag: &AtomicBool) {
    flag.store(true, Ordering::Release);
    ffi::wake();
}

/// Takes what was asked for.
pub(crate) fn take() -> Requests {
    Requests {
        send_now: SEND_NOW.swap(false, Ordering::AcqRel),
        ..take_news()
    }
}

/// Takes the requests that end or shorten a wait for the network or for a person. A wanted message is left for the device, which
/// measures it as soon as it runs.
pub(crate) fn take_news() -> Requests {
    Requests {
        send_now: false,
        retry_now: RETRY_NOW.swap(false, Ordering::AcqRel),
        stop: RECONFIGURE.swap(false, Ordering::AcqRel),
        reconnect: RECONNECT.swap(false, Ordering::AcqRel),
        woken: false,
    }
}

/// True if the device is asked to end. Stays until it is taken.
pub(crate) fn wants_stop() -> bool {
    RECONFIGURE.load(Ordering::Acquire)
}

/// True if something was asked for and not taken yet.
pub(crate) fn pending() -> bool {
    [&SEND_NOW, &RETRY_NOW, &RECONFIGURE, &RECONNECT]
        .iter()
        .any(|flag| flag.load(Ordering::Acquire))
}
