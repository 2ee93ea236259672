//! What `azure status` prints.

#![forbid(unsafe_code)]

use azure_device::port::Status;

#[cfg(CONFIG_AZURE_DPS)]
use super::enrollment;
use super::say;
#[cfg(CONFIG_AZURE_DPS)]
use crate::configuration::Way;
use crate::ffi::{self, Shell};
use crate::status;

/// Prints network, time, hub, queue, memory and the last failure.
pub(super) fn print_status(shell: Shell<'_>) {
    let mut text = [0; 48];
    say!(
        shell,
        "network       {}",
        ffi::network_address(&mut text).unwrap_or("no address")
    );
    match ffi::unix_time() {
        Some(time) => say!(shell, "time          {time}"),
        None => say!(shell, "time          not set"),
    }
    match status::snapshot() {
        Some(snapshot) => print_device(shell, &snapshot),
        None => say!(
            shell,
            "device        not provisioned, or wrongly: see the log"
        ),
    }
    #[cfg(CONFIG_AZURE_DPS)]
    print_provisioning(shell);
    let memory = ffi::memory();
    say!(
        shell,
        "heap          {} of {} bytes, peak {}",
        memory.heap_used,
        memory.heap_size,
        memory.heap_peak
    );
    say!(
        shell,
        "stack         {} of {} bytes at most",
        memory.stack_size.saturating_sub(memory.stack_unused),
        memory.stack_size
    );
}

#[cfg(CONFIG_AZURE_DPS)]
fn print_provisioning(shell: Shell<'_>) {
    let Ok(Some(Way::Provisioning(provisioning))) = Way::load() else {
        return;
    };
    let enrollment = &provisioning.enrollment;
    let id = enrollment.registration_id().as_str();
    let id_scope = enrollment.id_scope().as_str();
    match enrollment::assignment(enrollment) {
        Some(assignment) => say!(
            shell,
            "provisioning  {id} in {id_scope}: device {} of {}",
            assignment.device_id.as_str(),
            assignment.host_name.as_str()
        ),
        None => say!(
            shell,
            "provisioning  {id} in {id_scope}: no hub assigned yet"
        ),
    }
}

fn print_device(shell: Shell<'_>, snapshot: &status::Snapshot) {
    let report = &snapshot.report;
    match report.joined {
        true => say!(shell, "TLS           1.2, verified, {}", status::suite()),
        false => say!(shell, "TLS           no connection"),
    }
    say!(
        shell,
        "hub           {}",
        match (report.joined, snapshot.status) {
            (true, Status::Sending) => "connected, sending",
            (true, _) => "connected",
            (false, Status::Failed) => "not connected, waiting",
            (false, _) => "connecting",
        }
    );
    say!(
        shell,
        "connections   {}, {} of them to renew the token; {} failures",
        report.connections,
        report.renewals,
        report.failures
    );
    say!(
        shell,
        "telemetry     {} due, {} acknowledged, {} dropped, {} queued",
        report.telemetry_due,
        report.telemetry_acknowledged,
        report.dropped.total(),
        report.queued
    );
    say!(shell, "dropped       {}", report.dropped);
    say!(
        shell,
        "session       {} sent, {} of them again; {} PUBACKs for nothing",
        report.mqtt.sent,
        report.mqtt.resent,
        report.mqtt.unexpected_pubacks
    );
    say!(
        shell,
        "messages      {} taken, {} ignored; {} came again",
        report.messages_taken,
        report.messages_ignored,
        report.mqtt.duplicates
    );
    match &report.last_failure {
        Some(failure) => say!(shell, "last failure  {failure}"),
        None => say!(shell, "last failure  none"),
    }
}
