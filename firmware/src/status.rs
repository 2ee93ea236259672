//! What `azure status` tells: kept by the device's thread, read by the shell's.

#![forbid(unsafe_code)]

use azure_device::device::Report;
use azure_device::port::Status;
use zephyr::sync::Mutex;

/// The device's state, as it was last seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Snapshot {
    /// What the indicator shows.
    pub(crate) status: Status,
    /// Counters and the last failure.
    pub(crate) report: Report,
}

static SNAPSHOT: Mutex<Option<Snapshot>> = Mutex::new(None);

fn with<T>(work: impl FnOnce(&mut Option<Snapshot>) -> T) -> T {
    match SNAPSHOT.lock() {
        Ok(mut snapshot) => work(&mut snapshot),
        Err(never) => match never {},
    }
}

/// Notes what the indicator shows.
pub(crate) fn show(status: Status) {
    with(|snapshot| {
        let report = snapshot.map(|snapshot| snapshot.report).unwrap_or_default();
        *snapshot = Some(Snapshot { status, report });
    });
}

/// Notes the counters.
pub(crate) fn report(report: &Report) {
    with(|snapshot| {
        let status = snapshot.map_or(Status::Starting, |snapshot| snapshot.status);
        *snapshot = Some(Snapshot {
            status,
            report: *report,
        });
    });
}

/// The device's state; `None` while it is not provisioned.
pub(crate) fn snapshot() -> Option<Snapshot> {
    with(|snapshot| *snapshot)
}

/// There is no device: it is not provisioned, or provisioned anew.
pub(crate) fn clear() {
    with(|snapshot| *snapshot = None);
}
