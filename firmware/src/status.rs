//! Content of `azure status`: kept by the device's thread, read by the shell's.

#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU32, Ordering};

use azure_device::failure::Failure;
use azure_device::pair::Choice;
use azure_device::report::Report;
use azure_device::report::Status;
use zephyr::sync::Mutex;

use crate::mutex::with_locked;

/// The device's state, as it was last seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Snapshot {
    /// Status that the indicator shows.
    pub(crate) status: Status,
    /// Counters and the last failure.
    pub(crate) report: Report,
}

/// The cipher suite of the last connection, by its number.
static SUITE: AtomicU32 = AtomicU32::new(0);

static SNAPSHOT: Mutex<Option<Snapshot>> = Mutex::new(None);

/// Notes what the indicator shows.
pub(crate) fn show(status: Status) {
    with_locked(&SNAPSHOT, |snapshot| {
        let report = snapshot.map(|snapshot| snapshot.report).unwrap_or_default();
        *snapshot = Some(Snapshot { status, report });
    });
}

/// Notes the counters.
pub(crate) fn report(report: &Report) {
    with_locked(&SNAPSHOT, |snapshot| {
        let status = snapshot.map_or(Status::Starting, |snapshot| snapshot.status);
        *snapshot = Some(Snapshot {
            status,
            report: *report,
        });
    });
}

/// The pair of certificate and key that the device shows, and why a new one was refused.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(CONFIG_AZURE_SHELL), expect(dead_code))] // Only the shell asks for it.
pub(crate) struct Pair {
    pub(crate) choice: Choice,
    pub(crate) failure: Option<Failure>,
}

static PAIR: Mutex<Option<Pair>> = Mutex::new(None);

/// Notes which pair the device shows, if it shows one.
pub(crate) fn show_pair(choice: Option<Choice>, failure: Option<Failure>) {
    with_locked(&PAIR, |pair| {
        *pair = choice.map(|choice| Pair { choice, failure })
    });
}

/// The pair that the device shows; `None` if it shows none.
#[cfg(CONFIG_AZURE_SHELL)]
pub(crate) fn pair() -> Option<Pair> {
    with_locked(&PAIR, |pair| *pair)
}

/// Notes the cipher suite of a new connection.
pub(crate) fn secured(suite: u32) {
    SUITE.store(suite, Ordering::Relaxed);
}

/// The name of the last connection's cipher suite (RFC 5289; those of azure_mbedtls_config.h).
#[cfg(CONFIG_AZURE_SHELL)]
pub(crate) fn suite() -> &'static str {
    match SUITE.load(Ordering::Relaxed) {
        0xc02b => "ECDHE-ECDSA-AES128-GCM-SHA256",
        0xc02c => "ECDHE-ECDSA-AES256-GCM-SHA384",
        0xc02f => "ECDHE-RSA-AES128-GCM-SHA256",
        0xc030 => "ECDHE-RSA-AES256-GCM-SHA384",
        _ => "another cipher suite",
    }
}

/// The device's state; `None` while it is not provisioned.
#[cfg(CONFIG_AZURE_SHELL)]
pub(crate) fn snapshot() -> Option<Snapshot> {
    with_locked(&SNAPSHOT, |snapshot| *snapshot)
}

/// There is no device: it is not provisioned, or is being provisioned again.
pub(crate) fn clear() {
    with_locked(&SNAPSHOT, |snapshot| *snapshot = None);
    show_pair(None, None);
}

/// The counters as they were last seen.
#[cfg(CONFIG_AZURE_IOT_DEVICE_C_API)]
pub(crate) fn current_report() -> Report {
    with_locked(&SNAPSHOT, |snapshot| {
        snapshot.map(|snapshot| snapshot.report)
    })
    .unwrap_or_default()
}
