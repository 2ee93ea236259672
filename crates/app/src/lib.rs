//! The ready-made application: sends every reading of the sensors, prints what arrives, and offers what an operator
//! expects of a device.
//!
//! It is what an application's author writes, in a crate of its own over `azure-device`; `docs/application.md` is the guide.

#![no_std]
#![forbid(unsafe_code)]

use core::str;

use azure_device::application::{
    Application, CloudMessage, Context, Event, Message, Method, Property, Receipt, Reported,
    Stream, standard,
};
use azure_device::json::Value;
use azure_device::logging::info;
use azure_device::text::Visible;

/// The Plug and Play model that this application follows: `docs/device.dtdl.json`.
pub const MODEL_ID: &str = "dtmi:azure_device:Device;1";

/// Name of the one stream.
const TELEMETRY: &str = "telemetry";

/// The longest part of a message's body that is printed, in bytes.
const PRINTED: usize = 256;

/// See the crate.
#[derive(Clone, Debug, Default)]
pub struct App {
    sent: u32,
}

impl Application for App {
    const STREAMS: &'static [Stream<Self>] = &[Stream::new(TELEMETRY, |app, message, _| {
        app.sample(message);
    })];

    const PROPERTIES: &'static [Property<Self>] = &[
        Property::interval("telemetryInterval", TELEMETRY),
        standard::indicator_enabled("indicator*enabled"),
    ];

    const REPORTED: &'static [Reported<Self>] = &[
        standard::firmware_version(),
        standard::zephyr_version(),
        standard::reset_cause(),
        standard::last_fault(),
        standard::network_address(),
        standard::heap_peak(),
        standard::connections(),
        standard::last_failure(),
        standard::queued(),
        standard::queued_in_flash(),
        standard::oldest_queued(),
        standard::dropped(),
        standard::messages_ignored(),
        #[cfg(feature = "update")]
        standard::update_status(),
    ];

    const METHODS: &'static [Method<Self>] = &[
        standard::reboot(),
        standard::get_status(),
        standard::clear_queue(),
        #[cfg(feature = "update")]
        standard::rollback(),
        Method::set_interval("setTelemetryInterval", TELEMETRY),
        standard::blink("blink"),
        standard::blink("indicator*blink"),
    ];

    fn receive(&mut self, message: &CloudMessage<'_>, _: &mut Context<'_>) -> Receipt {
        let again = if message.redelivered { ", again" } else { "" };
        info!(
            "cloud-to-device message of {} bytes{again}: {}",
            message.body.len(),
            Printable(message.body)
        );
        Receipt::Accepted
    }

    fn assigned(&mut self, payload: Value<'_>) {
        info!(
            "the provisioning service's allocation gave {}",
            Printable(payload.text().as_bytes())
        );
    }

    fn handle(&mut self, event: Event<'_>, _: &mut Context<'_>) {
        if let Event::NotMeasured { messages, .. } = event {
            self.sent = self.sent.wrapping_add(messages);
        }
    }
}

impl App {
    /// Writes a message: a count, and every reading.
    pub fn sample(&mut self, message: &mut Message<'_>) {
        self.sent = self.sent.wrapping_add(1);
        let readings = message.readings();
        message.object(|object| {
            object.integer("count", self.sent.into());
            for reading in readings.iter() {
                object.thousandths(reading.name, reading.thousandths);
            }
        });
    }
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

/// The guide's example must compile.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/application.md")]
mod application_guide {}
