//! Requests of C to the device, from any thread and from interrupts: bits, and a word each for times.
//!
//! The device looks at them when it is woken, and after each call of C.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use core::time::Duration;

use azure_device::application::Context;
use azure_device::mqtt::AckToken;

use super::MAX_STREAMS;
use crate::ffi::InterruptMutex;
use crate::ffi::c_api::{self, Table};
use crate::requests;

/// Streams whose message is wanted now, properties that have changed, and streams with a new interval: one bit each.
static WANTED: AtomicU32 = AtomicU32::new(0);
static CHANGED: AtomicU32 = AtomicU32::new(0);
static REPORTED_CHANGED: AtomicU32 = AtomicU32::new(0);
static INTERVAL_SET: AtomicU32 = AtomicU32::new(0);
static INTERVALS: [AtomicU32; MAX_STREAMS] = [const { AtomicU32::new(0) }; MAX_STREAMS];
static KEPT: AtomicU32 = AtomicU32::new(0);
/// Acknowledgements that the device has not taken yet.
static ACKNOWLEDGED: InterruptMutex<[Option<AckToken>; MOST_UNACKNOWLEDGED]> =
    InterruptMutex::new([None; MOST_UNACKNOWLEDGED]);
static TIMER_SET: AtomicBool = AtomicBool::new(false);
static TIMER: AtomicU32 = AtomicU32::new(0);
static RESTART: AtomicBool = AtomicBool::new(false);

/// The most messages that wait for their acknowledgement, as the session has it.
const MOST_UNACKNOWLEDGED: usize = 16;

const _: () = assert!(MAX_STREAMS <= 32, "a stream has a bit of a word");

/// The place of an entry of this name.
pub(crate) fn find(table: Table, name: &str) -> Option<usize> {
    let registered = c_api::registered()?;
    (0..registered.count(table)).find(|index| registered.name(table, *index) == Some(name))
}

fn ask(bits: &AtomicU32, index: usize) {
    bits.fetch_or(1 << index, Ordering::AcqRel);
    requests::wake_application();
}

/// Asks for a message of the stream of this place.
pub(crate) fn send_now(stream: usize) {
    ask(&WANTED, stream);
}

/// Asks for the report of a property.
pub(crate) fn report_changed(table: Table, index: usize) {
    match table {
        Table::Properties => ask(&CHANGED, index),
        _ => ask(&REPORTED_CHANGED, index),
    }
}

/// Sets the interval of a stream, in milliseconds as C has it.
pub(crate) fn set_interval(stream: usize, milliseconds: u32) {
    if let Some(interval) = INTERVALS.get(stream) {
        interval.store(milliseconds, Ordering::Release);
        ask(&INTERVAL_SET, stream);
    }
}

/// Sets the timer to this time from now; 0 stops it.
pub(crate) fn set_timer(milliseconds: u32) {
    TIMER.store(milliseconds, Ordering::Release);
    TIMER_SET.store(true, Ordering::Release);
    requests::wake_application();
}

/// Asks for a value to be saved.
pub(crate) fn keep(index: usize) {
    ask(&KEPT, index);
}

/// Asks for the acknowledgement of a message. False if there is no room for another one now.
pub(crate) fn acknowledge(token: AckToken) -> bool {
    let is_taken = ACKNOWLEDGED.with_locked(|tokens| {
        let place = tokens.iter_mut().find(|place| place.is_none());
        place.map(|place| *place = Some(token)).is_some()
    });
    requests::wake_application();
    is_taken
}

/// Acknowledges messages: some of them, if there are many, and the others soon.
fn apply_acknowledgements(device: &mut Context<'_>) {
    let some_wait = ACKNOWLEDGED.with_locked(|tokens| {
        for token in tokens.iter_mut() {
            if token.is_some_and(|token| device.acknowledge(token)) {
                *token = None;
            }
        }
        tokens.iter().any(Option::is_some)
    });
    if some_wait {
        requests::wake_application();
    }
}

/// Asks for a restart.
pub(crate) fn restart() {
    RESTART.store(true, Ordering::Release);
    requests::wake_application();
}

/// Has the device do what was asked for.
pub(super) fn apply(device: &mut Context<'_>) {
    let intervals = INTERVAL_SET.swap(0, Ordering::AcqRel);
    for_each(Table::Streams, intervals, |index, name| {
        let milliseconds = INTERVALS
            .get(index)
            .map_or(0, |interval| interval.load(Ordering::Acquire));
        match milliseconds {
            0 => device.reset_interval(name),
            u32::MAX => device.set_interval(name, None),
            some => device.set_interval(name, Some(Duration::from_millis(some.into()))),
        }
    });
    for_each(
        Table::Streams,
        WANTED.swap(0, Ordering::AcqRel),
        |_, name| device.send(name),
    );
    for (table, bits) in [
        (Table::Properties, &CHANGED),
        (Table::Reported, &REPORTED_CHANGED),
    ] {
        for_each(table, bits.swap(0, Ordering::AcqRel), |_, name| {
            device.report_changed(name)
        });
    }
    for_each(Table::Kept, KEPT.swap(0, Ordering::AcqRel), |_, name| {
        device.keep(name);
    });
    apply_acknowledgements(device);
    if TIMER_SET.swap(false, Ordering::AcqRel) {
        let timer = match TIMER.load(Ordering::Acquire) {
            0 => None,
            some => Some(device.now().after(Duration::from_millis(some.into()))),
        };
        device.set_timer(timer);
    }
    if RESTART.swap(false, Ordering::AcqRel) {
        device.restart();
    }
}

/// Calls `work` for each entry whose bit is set.
fn for_each(table: Table, bits: u32, mut work: impl FnMut(usize, &str)) {
    let Some(registered) = c_api::registered().filter(|_| bits != 0) else {
        return;
    };
    for index in (0..32).filter(|index| bits & 1 << index != 0) {
        if let Some(name) = registered.name(table, index) {
            work(index, name);
        }
    }
}
