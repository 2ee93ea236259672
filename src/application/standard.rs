//! Properties and methods that most devices offer, each one line in an application's table.
//!
//! ```
//! use azure_device::application::{Application, Method, Property, Reported, standard};
//!
//! struct Thermometer;
//!
//! impl Application for Thermometer {
//!     const REPORTED: &'static [Reported<Self>] = &[
//!         standard::firmware_version(),
//!         standard::last_fault(),
//!         standard::queued(),
//!         standard::dropped(),
//!     ];
//!     const METHODS: &'static [Method<Self>] = &[standard::reboot(), standard::get_status()];
//! }
//! ```

use core::time::Duration;

#[cfg(feature = "update")]
use super::Rollback;
use super::{Call, Context, Method, Outcome, Property, Reported, property};
use crate::json::{Slot, Value};

/// Time that one blink lasts.
const BLINK: Duration = Duration::from_millis(500);
/// The most blinks of one call.
const MAX_BLINKS: i64 = 60;
/// Name of the property that tells the state of software updates.
#[cfg(feature = "update")]
pub(crate) const UPDATE_STATUS: &str = "updateStatus";
/// Time after which a rollback that was asked for is looked at again.
#[cfg(feature = "update")]
const JUDGED: Duration = Duration::from_millis(100);

/// `firmwareVersion`: the version of the product's firmware.
pub const fn firmware_version<A>() -> Reported<A> {
    Reported::text("firmwareVersion", |device| device.facts().firmware_version)
}

/// `zephyrVersion`, if there is one.
pub const fn zephyr_version<A>() -> Reported<A> {
    Reported::text("zephyrVersion", |device| device.facts().zephyr_version)
}

/// `resetCause`: the reason why the device started, if it is known.
pub const fn reset_cause<A>() -> Reported<A> {
    Reported::text("resetCause", |device| device.facts().reset_cause)
}

/// `lastFault`: the fault or panic that ended the last run, if one did.
pub const fn last_fault<A>() -> Reported<A> {
    Reported::text("lastFault", |device| device.facts().last_fault)
}

/// `lastFailure`: the stage at which the last connection or attempt failed, if one did.
pub const fn last_failure<A>() -> Reported<A> {
    Reported::text("lastFailure", |device| {
        let failure = device.report().last_failure;
        failure.map_or("", |failure| failure.stage())
    })
}

/// `networkAddress`: the device's address in its network.
pub const fn network_address<A>() -> Reported<A> {
    // The hub merges: what is not known any more would stay without a null.
    Reported::new("networkAddress", |_, device, value| {
        match &device.report().condition.network_address {
            Some(address) => value.string(address.as_str()),
            None => value.null(),
        }
    })
}

/// `heapPeak`: the most bytes of heap that were in use at a time.
pub const fn heap_peak<A>() -> Reported<A> {
    Reported::new("heapPeak", |_, device, value| {
        match device.report().condition.heap_peak {
            Some(peak) => value.integer(peak.into()),
            None => value.null(),
        }
    })
}

/// `connections`: those that a hub accepted since the start.
pub const fn connections<A>() -> Reported<A> {
    Reported::new("connections", |_, device, value| {
        value.integer(device.report().connections.into());
    })
}

/// `queued`: messages that wait, also told when messages are dropped.
pub const fn queued<A>() -> Reported<A> {
    let reported = Reported::new("queued", |_, device, value| {
        value.integer(device.report().queued.into());
    });
    reported.with_drops()
}

/// `queuedInFlash`: messages that wait where a restart leaves them alone ([`crate::queue`]), also told when messages are
/// dropped.
pub const fn queued_in_flash<A>() -> Reported<A> {
    let reported = Reported::new("queuedInFlash", |_, device, value| {
        value.integer(device.report().queued_in_flash.into());
    });
    reported.with_drops()
}

/// `oldestQueued`: the time at which the oldest message in flash was made, if it is known.
pub const fn oldest_queued<A>() -> Reported<A> {
    let reported = Reported::new("oldestQueued", |_, device, value| {
        match device.report().oldest_queued {
            Some(time) => value.string(time),
            None => value.null(),
        }
    });
    reported.with_drops()
}

/// `dropped`: numbers of messages that were not delivered, by [`Cause`](crate::report::Cause). Told when an episode of
/// dropping begins and ends.
pub const fn dropped<A>() -> Reported<A> {
    let reported = Reported::new("dropped", |_, device, value| {
        value.object(|dropped| device.report().dropped.write(dropped));
    });
    reported.with_drops()
}

/// `messagesIgnored`: messages from the hub that made no sense or did not fit.
pub const fn messages_ignored<A>() -> Reported<A> {
    let reported = Reported::new("messagesIgnored", |_, device, value| {
        value.integer(number(device.report().messages_ignored));
    });
    reported.with_drops()
}

/// `messagesRejected`: cloud-to-device messages that the application refused.
pub const fn messages_rejected<A>() -> Reported<A> {
    Reported::new("messagesRejected", |_, device, value| {
        value.integer(number(device.report().messages_rejected));
    })
}

/// `updateStatus`: the state of software updates ([`UpdateStatus`](super::UpdateStatus)). Told when it changes, and at
/// each tenth of a download.
#[cfg(feature = "update")]
pub const fn update_status<A>() -> Reported<A> {
    Reported::new(UPDATE_STATUS, |_, device, value| match device.update() {
        Some(update) => value.object(|object| update.write(object)),
        None => value.null(),
    })
}

/// A writable property that keeps the indicator dark: `false` switches the LEDs off. Its name may be a component's, such
/// as `indicator*enabled`.
pub const fn indicator_enabled<A>(name: &'static str) -> Property<A> {
    Property::new(name, enable_indicator, |_, device, value| {
        value.boolean(device.indicator_enabled());
    })
}

fn enable_indicator<A>(
    _: &mut A,
    value: Value<'_>,
    device: &mut Context<'_>,
) -> Result<(), super::Refusal> {
    let enabled = match value.as_bool() {
        // The operator deleted it: as it was at the start.
        None if value.is_null() => true,
        None => return Err("must be true or false".into()),
        Some(enabled) => enabled,
    };
    device.enable_indicator(enabled);
    Ok(())
}

/// `reboot`: restarts the device after the answer is out.
pub const fn reboot<A>() -> Method<A> {
    Method::new("reboot", |_, _, device, result| {
        device.restart();
        result.object(|_| ());
        Outcome::Done(200)
    })
}

/// `clearQueue`: erases all messages that wait and were not sent yet.
pub const fn clear_queue<A>() -> Method<A> {
    Method::new("clearQueue", |_, _, device, result| {
        let queued = device.report().queued;
        device.clear_queue();
        result.object(|result| {
            result.integer("queued", queued.into());
        });
        Outcome::Done(200)
    })
}

/// `rollback`: starts the image before the one that runs, on trial, and answers with its version before the restart. It is
/// refused while an update is under way, if there is no image before that was kept, or if the application refuses it.
#[cfg(feature = "update")]
pub const fn rollback<A>() -> Method<A> {
    Method::new("rollback", run_rollback)
}

#[cfg(feature = "update")]
fn run_rollback<A>(
    _: &mut A,
    call: Call<'_>,
    device: &mut Context<'_>,
    result: Slot<'_, '_>,
) -> Outcome {
    if !call.again && !device.roll_back() {
        return Outcome::Refused(501, "this device takes no software updates".into());
    }
    match device.update().map(|update| update.rollback) {
        Some(Rollback::Ready(version)) => {
            result.object(|result| {
                result.string("version", version);
            });
            device.restart();
            Outcome::Done(200)
        }
        Some(Rollback::Refused(reason)) if call.again => Outcome::Refused(409, reason.into()),
        _ => Outcome::Later(device.now().after(JUDGED)),
    }
}

/// `getStatus`: answers with counters, and with the state of software updates. `telemetryInterval` is the first
/// stream's.
pub const fn get_status<A: super::Application>() -> Method<A> {
    Method::new("getStatus", |_, _, device, result| {
        result.object(|status| {
            let report = device.report();
            status
                .integer("uptimeSeconds", number(device.now().as_millis() / 1000))
                .integer("messages", number(report.telemetry_due))
                .integer("acknowledged", number(report.telemetry_acknowledged))
                .integer("queued", report.queued.into())
                .integer("queuedInFlash", report.queued_in_flash.into())
                .object("dropped", |dropped| report.dropped.write(dropped))
                .integer("messagesIgnored", number(report.messages_ignored));
            if let Some(stream) = A::STREAMS.first().and_then(|stream| stream.name()) {
                let interval = property::interval(device, stream);
                status.thousandths("telemetryInterval", interval);
            }
            #[cfg(feature = "update")]
            match device.update() {
                Some(update) => {
                    status.object("update", |object| update.write(object));
                }
                None => {
                    status.null("update");
                }
            }
        });
        Outcome::Done(200)
    })
}

/// A method that makes the indicator blink, and answers when it is over: `{"times": 5}`, or 5 alone; three times without
/// a payload. Its name may be a component's, such as `indicator*blink`.
pub const fn blink<A>(name: &'static str) -> Method<A> {
    Method::new(name, run_blink)
}

fn run_blink<A>(
    _: &mut A,
    call: Call<'_>,
    device: &mut Context<'_>,
    result: Slot<'_, '_>,
) -> Outcome {
    if call.again {
        result.object(|result| {
            result.boolean("blinked", true);
        });
        return Outcome::Done(200);
    }
    if device.blinks_until().is_some() {
        return Outcome::bad_payload("it is blinking already");
    }
    let times = match call.payload {
        None => Some(3),
        Some(_) => call.argument("times").and_then(Value::as_i64),
    };
    let Some(times @ 1..=MAX_BLINKS) = times else {
        return Outcome::bad_payload("pass how often, from 1 to 60, such as {\"times\": 5}");
    };
    let end = device
        .now()
        .after(BLINK * u32::try_from(times).unwrap_or(1));
    device.blink_until(end);
    Outcome::Later(end)
}

/// A counter as JSON has it.
fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
