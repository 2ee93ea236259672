//! `azure send`: a message now, and what came of it.

#![forbid(unsafe_code)]

use core::time::Duration;

use azure_device::report::Report;

use super::{Refusal, say};
use crate::ffi::{self, Shell};
use crate::{requests, status};

/// The longest wait for the message to be measured, and for its acknowledgement.
const PATIENCE: Duration = Duration::from_secs(10);
/// Time between two looks at the counters, in milliseconds.
const STEP_MS: u32 = 20;

/// Asks for a message, and waits for a bounded time to see what comes of it.
#[inline(never)] // Its copy of the report is not on the stack of the other commands.
pub(super) fn send(shell: Shell<'_>) -> Result<(), Refusal> {
    let Some(before) = report() else {
        return Err(Refusal::Because(
            "nothing was sent: the device is not provisioned, or wrongly; see the log",
        ));
    };
    requests::send_now();
    let Some(queued) = wait_for(|now| now.telemetry_due > before.telemetry_due) else {
        say!(
            shell,
            "Asked for; the device is busy, and measures as soon as it can: azure status"
        );
        return Ok(());
    };
    if queued.dropped.total() > before.dropped.total() && queued.queued <= before.queued {
        return Err(Refusal::Because(
            "the message was dropped: azure status says why",
        ));
    }
    if !queued.joined {
        say!(
            shell,
            "Queued: not connected. {} messages wait for the hub.",
            queued.queued
        );
        return Ok(());
    }
    // The hub acknowledges in order: those before this one first.
    let wanted = queued.telemetry_acknowledged + u64::from(queued.queued);
    match wait_for(|now| now.telemetry_acknowledged >= wanted || !now.joined) {
        Some(now) if now.telemetry_acknowledged >= wanted => {
            say!(shell, "Sent, and acknowledged by the hub.");
        }
        Some(_) => say!(shell, "Queued: the connection was lost meanwhile."),
        None => say!(
            shell,
            "Queued; the hub has not acknowledged it within {} s: azure status",
            PATIENCE.as_secs()
        ),
    }
    Ok(())
}

fn report() -> Option<Report> {
    status::snapshot().map(|snapshot| snapshot.report)
}

/// Waits until the counters are so; `None` if they are not in time.
fn wait_for(wanted: impl Fn(&Report) -> bool) -> Option<Report> {
    let until = ffi::uptime().after(PATIENCE);
    loop {
        if let Some(report) = report().filter(|report| wanted(report)) {
            return Some(report);
        }
        if ffi::uptime() >= until {
            return None;
        }
        ffi::sleep_ms(STEP_MS);
    }
}
