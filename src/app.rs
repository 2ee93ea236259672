//! THE APPLICATION: what this product measures, sends and does with messages. Change this file.

use core::str;
use core::time::Duration;

use crate::application::{Application, Call, CloudMessage, Control, Method, Outcome, Property};
use crate::json::{Object, Value};
use crate::logging::{info, warn};
use crate::port::{Readings, SensorError};
use crate::report::Report;
use crate::text::Visible;
use crate::time::Instant;

/// The Plug and Play model that this application follows: `docs/device.dtdl.json`.
pub const MODEL_ID: &str = "dtmi:azure_device:Device;1";

/// The longest part of a message's body that is printed, in bytes.
const PRINTED: usize = 256;
/// The longest telemetry interval that can be set, in seconds: a day.
const MAX_INTERVAL: i64 = 24 * 3600;
/// Time that one blink lasts.
const BLINK: Duration = Duration::from_millis(500);
/// The most blinks of one call.
const MAX_BLINKS: i64 = 60;

/// Sends every reading of the sensor, prints what arrives, and offers what an operator expects of a device.
#[derive(Clone, Debug, Default)]
pub struct App {
    facts: Facts,
    sent: u32,
    sensor_failed: Option<SensorError>,
    blinks_until: Option<Instant>,
}

/// Facts that the platform knows about the device and the twin reports.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts {
    /// Version of Zephyr; empty on a host.
    pub zephyr_version: &'static str,
    /// Reason why the device started: `power-on`, `watchdog`, `software`…
    pub reset_cause: &'static str,
    /// The fault or panic that ended the last run, with its addresses; empty if none did.
    pub last_fault: &'static str,
}

impl App {
    /// An application that reports these facts in the twin.
    pub fn new(facts: Facts) -> Self {
        Self {
            facts,
            ..Self::default()
        }
    }
}

impl Application for App {
    const PROPERTIES: &'static [Property<Self>] = &[
        Property {
            name: "telemetryInterval",
            apply: |_, value, control| set_interval(value, control),
            value: |_, control, ack| write_interval("value", control, ack),
        },
        Property {
            name: "indicator*enabled",
            apply: |_, value, control| enable_indicator(value, control),
            value: |_, control, ack| {
                ack.boolean("value", control.indicator_enabled());
            },
        },
    ];

    const METHODS: &'static [Method<Self>] = &[
        Method {
            name: "reboot",
            run: reboot,
        },
        Method {
            name: "getStatus",
            run: get_status,
        },
        Method {
            name: "setTelemetryInterval",
            run: set_telemetry_interval,
        },
        Method {
            name: "blink",
            run: blink,
        },
        Method {
            name: "indicator*blink",
            run: blink,
        },
    ];

    fn telemetry(&mut self, readings: &Readings, message: &mut Object<'_, '_>) {
        self.sent = self.sent.wrapping_add(1);
        message.integer("count", self.sent.into());
        for reading in readings.iter() {
            message.thousandths(reading.name, reading.thousandths);
        }
        let failed = readings.error();
        // Once when it fails and once when it is back, not with each message.
        match failed.filter(|_| failed != self.sensor_failed) {
            Some(error) => warn!("sensor: no reading (error {})", error.0),
            None if failed != self.sensor_failed => info!("sensor: it answers again"),
            None => {}
        }
        self.sensor_failed = failed;
    }

    fn not_measured(&mut self, messages: u32) {
        self.sent = self.sent.wrapping_add(messages);
    }

    fn cloud_message(&mut self, message: &CloudMessage<'_>) {
        let again = if message.redelivered { ", again" } else { "" };
        info!(
            "cloud-to-device message of {} bytes{again}: {}",
            message.body.len(),
            Printable(message.body)
        );
    }

    fn assigned(&mut self, payload: Value<'_>) {
        info!(
            "the provisioning service's allocation gave {}",
            Printable(payload.text().as_bytes())
        );
    }

    fn report(&mut self, report: &Report, reported: &mut Object<'_, '_>) {
        reported.string("firmwareVersion", env!("CARGO_PKG_VERSION"));
        if !self.facts.zephyr_version.is_empty() {
            reported.string("zephyrVersion", self.facts.zephyr_version);
        }
        if !self.facts.reset_cause.is_empty() {
            reported.string("resetCause", self.facts.reset_cause);
        }
        if !self.facts.last_fault.is_empty() {
            reported.string("lastFault", self.facts.last_fault);
        }
        // The hub merges: what is not known any more would stay.
        match report.condition.network_address {
            Some(address) => reported.string("networkAddress", address.as_str()),
            None => reported.null("networkAddress"),
        };
        match report.condition.heap_peak {
            Some(peak) => reported.integer("heapPeak", peak.into()),
            None => reported.null("heapPeak"),
        };
        reported.integer("connections", report.connections.into());
        if let Some(failure) = report.last_failure {
            reported.string("lastFailure", failure.stage());
        }
    }
}

/// `telemetryInterval` in seconds: 0 sends on request only.
fn set_interval(value: Value<'_>, control: &mut Control) -> Result<(), &'static str> {
    match value.as_i64() {
        Some(0) => control.set_telemetry_interval(None),
        Some(seconds @ 1..=MAX_INTERVAL) => {
            control.set_telemetry_interval(Some(Duration::from_secs(seconds.unsigned_abs())));
        }
        // The operator deleted it: as it was configured.
        _ if value.is_null() => control.reset_telemetry_interval(),
        _ => return Err("must be a whole number of seconds from 0 (on request only) to 86400"),
    }
    Ok(())
}

/// `enabled` of the component `indicator`: false keeps the LEDs dark.
fn enable_indicator(value: Value<'_>, control: &mut Control) -> Result<(), &'static str> {
    let enabled = match value.as_bool() {
        // The operator deleted it: as it was at the start.
        None if value.is_null() => true,
        None => return Err("must be true or false"),
        Some(enabled) => enabled,
    };
    control.enable_indicator(enabled);
    Ok(())
}

fn write_interval(name: &str, control: &Control, object: &mut Object<'_, '_>) {
    // Whole seconds if an operator set it. 0 means that there is none, so a fraction may not become that.
    let milliseconds = control
        .telemetry_interval()
        .map_or(0, |interval| interval.as_millis());
    object.thousandths(name, i64::try_from(milliseconds).unwrap_or(i64::MAX));
}

/// Restarts the device after the answer is out.
fn reboot(_: &mut App, _: Call<'_>, control: &mut Control, _: &mut Object<'_, '_>) -> Outcome {
    control.restart();
    Outcome::Done(200)
}

/// Answers what the device is doing.
fn get_status(
    _: &mut App,
    call: Call<'_>,
    control: &mut Control,
    result: &mut Object<'_, '_>,
) -> Outcome {
    result.integer(
        "uptimeSeconds",
        i64::try_from(call.now.as_millis() / 1000).unwrap_or(i64::MAX),
    );
    let report = call.report;
    let due = i64::try_from(report.telemetry_due).unwrap_or(i64::MAX);
    result.integer("messages", due);
    let acknowledged = i64::try_from(report.telemetry_acknowledged).unwrap_or(i64::MAX);
    result.integer("acknowledged", acknowledged);
    result.integer("queued", report.queued.into());
    result.object("dropped", |dropped| report.dropped.write(dropped));
    let ignored = i64::try_from(report.messages_ignored).unwrap_or(i64::MAX);
    result.integer("messagesIgnored", ignored);
    write_interval("telemetryInterval", control, result);
    Outcome::Done(200)
}

/// `{"seconds": 30}`, or 30 alone.
fn set_telemetry_interval(
    _: &mut App,
    call: Call<'_>,
    control: &mut Control,
    result: &mut Object<'_, '_>,
) -> Outcome {
    let value = call
        .payload
        .and_then(|payload| payload.get("seconds").or(Some(payload)));
    let Some(value) = value.filter(|value| !value.is_null()) else {
        return Outcome::BadPayload("pass the seconds, such as {\"seconds\": 30}");
    };
    match set_interval(value, control) {
        Ok(()) => {
            write_interval("seconds", control, result);
            Outcome::Done(200)
        }
        Err(reason) => Outcome::BadPayload(reason),
    }
}

/// `{"times": 5}`: blinks, and answers when it is over. An example of a method that takes its time.
fn blink(
    app: &mut App,
    call: Call<'_>,
    control: &mut Control,
    result: &mut Object<'_, '_>,
) -> Outcome {
    if call.again {
        app.blinks_until = None;
        result.boolean("blinked", true);
        return Outcome::Done(200);
    }
    if app.blinks_until.is_some_and(|end| end > call.now) {
        return Outcome::BadPayload("it is blinking already");
    }
    let times = call.payload.map_or(Some(3), |payload| {
        payload.get("times").and_then(Value::as_i64)
    });
    let Some(times @ 1..=MAX_BLINKS) = times else {
        return Outcome::BadPayload("pass how often, from 1 to 60, such as {\"times\": 5}");
    };
    let end = call.now.after(BLINK * u32::try_from(times).unwrap_or(1));
    app.blinks_until = Some(end);
    control.blink_until(end);
    Outcome::Later(end)
}

/// A body as text, as far as it is text.
struct Printable<'a>(&'a [u8]);

impl core::fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let shown = self.0.get(..PRINTED).unwrap_or(self.0);
        let text = match str::from_utf8(shown) {
            Ok(text) => text,
            // A cut character at the end is no reason to call it binary.
            Err(error) if error.error_len().is_none() => {
                str::from_utf8(shown.get(..error.valid_up_to()).unwrap_or_default())
                    .unwrap_or_default()
            }
            Err(_) => return f.write_str("(binary)"),
        };
        write!(f, "{}", Visible(text))?;
        if self.0.len() > shown.len() {
            f.write_str("…")
        } else {
            Ok(())
        }
    }
}
