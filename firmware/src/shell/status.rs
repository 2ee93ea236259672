//! Output of `azure status`.

#![forbid(unsafe_code)]

use azure_device::pair::{Choice, Record};
use azure_device::report::Status;

#[cfg(CONFIG_AZURE_DPS)]
use super::enrollment;
use super::say;
#[cfg(CONFIG_AZURE_DPS)]
use crate::configuration::OwnedAccess;
use crate::ffi::{self, Memory, Shell};
use crate::status::Pair;
use crate::{credentials, requests, status};

/// Prints network, time, hub, queue, memory and the last failure.
#[inline(never)] // Its copy of the report is not on the stack of the other commands.
pub(super) fn print_status(shell: Shell<'_>) {
    let mut text = [0; 64];
    say!(
        shell,
        "network       {}",
        ffi::network_address(&mut text).unwrap_or("no address")
    );
    #[cfg(CONFIG_AZURE_ISM43362)]
    {
        let mut line = crate::logger::Line::of(format_args!(""));
        crate::ism43362::describe(&mut line);
        say!(shell, "Wi-Fi         {}", line.as_str());
    }
    match ffi::unix_time() {
        Some(time) => say!(shell, "time          {time}"),
        None => say!(shell, "time          not set"),
    }
    match status::snapshot() {
        Some(snapshot) => print_device(shell, &snapshot),
        None if !requests::is_ready() => say!(shell, "device        starting"),
        None => say!(
            shell,
            "device        not provisioned, or wrongly: see the log"
        ),
    }
    #[cfg(CONFIG_AZURE_DPS)]
    if requests::is_ready() {
        print_provisioning(shell);
    }
    if requests::is_ready() {
        print_pair(shell);
    }
    print_memory(shell, &ffi::memory());
}

/// Prints which certificate is shown, and what becomes of a new one.
fn print_pair(shell: Shell<'_>) {
    let Ok(record) = credentials::with_pairs(Record::load) else {
        return say!(shell, "certificate   the storage cannot be read");
    };
    let pair = status::pair();
    let shown = match pair.map(|pair| pair.choice) {
        None if record == Record::default() => return,
        None => "not in use",
        Some(Choice::New(_)) if record.in_use.is_none() => "the new pair, on trial",
        Some(Choice::New(_)) => {
            "the new pair, on trial; the old one is kept until it has connected"
        }
        Some(Choice::InUse(_)) => "the pair that has connected",
        Some(Choice::BuiltIn) => "the image's",
    };
    let news = match (record.has_certificate, record.has_key) {
        (true, true) if record.is_refused => "; a new pair was refused: bring another one",
        (true, true)
            if matches!(
                pair,
                Some(Pair {
                    failure: Some(_),
                    ..
                })
            ) =>
        {
            "; a new pair was refused"
        }
        (true, false) => "; a new certificate waits for its key: azure set key",
        (false, true) => "; a new key waits for its certificate: azure set certificate",
        _ => "",
    };
    say!(shell, "certificate   {shown}{news}");
    if let Some(failure) = pair.and_then(|pair| pair.failure) {
        say!(shell, "refused pair  {failure}");
    }
}

fn print_memory(shell: Shell<'_>, memory: &Memory) {
    match memory.heap_size {
        0 => say!(
            shell,
            "heap          not known: the simulator uses the computer's"
        ),
        size => say!(
            shell,
            "heap          {} of {size} bytes, peak {}",
            memory.heap_used,
            memory.heap_peak
        ),
    }
    match memory.stack_size {
        0 => say!(
            shell,
            "stack         not known: the simulator uses the computer's"
        ),
        size => say!(
            shell,
            "stack         {} of {size} bytes at most",
            size.saturating_sub(memory.stack_unused)
        ),
    }
}

#[cfg(CONFIG_AZURE_DPS)]
fn print_provisioning(shell: Shell<'_>) {
    let Ok(Some(OwnedAccess::Provisioning(provisioning))) = OwnedAccess::load() else {
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

/// Prints what waits in flash.
#[cfg(CONFIG_AZURE_QUEUE)]
#[inline(never)] // Its copy of the report is not on the stack of the other commands.
pub(super) fn print_queue(shell: Shell<'_>) {
    match status::snapshot() {
        Some(snapshot) => print_queue_of(shell, &snapshot.report),
        None => say!(shell, "queue         not known: the device does not run"),
    }
}

#[cfg(CONFIG_AZURE_QUEUE)]
fn print_queue_of(shell: Shell<'_>, report: &azure_device::report::Report) {
    match report.oldest_queued {
        Some(oldest) => say!(
            shell,
            "queue         {} messages in flash, the oldest of {oldest}",
            report.queued_in_flash
        ),
        None => say!(
            shell,
            "queue         {} messages in flash",
            report.queued_in_flash
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
    #[cfg(CONFIG_AZURE_QUEUE)]
    print_queue_of(shell, report);
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
