//! An application for the tests: it counts, and has the entries that most devices have.

use crate::application::{
    Application, CloudMessage, Context, Event, Message, Method, Property, Receipt, Reported,
    Stream, standard,
};
use crate::logging::info;
use crate::text::Visible;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct App {
    count: u32,
}

impl App {
    /// Writes a message with its number and every reading.
    pub(crate) fn sample(&mut self, message: &mut Message<'_>) {
        self.count += 1;
        let readings = message.readings();
        message.object(|object| {
            object.integer("count", self.count.into());
            for reading in readings.iter() {
                object.thousandths(reading.name, reading.thousandths);
            }
        });
    }
}

impl Application for App {
    const STREAMS: &'static [Stream<Self>] = &[Stream::new("telemetry", |app, message, _| {
        app.sample(message)
    })];

    const PROPERTIES: &'static [Property<Self>] = &[
        Property::interval("telemetryInterval", "telemetry"),
        standard::indicator_enabled("indicator*enabled"),
    ];

    const REPORTED: &'static [Reported<Self>] = &[
        Reported::constant("firmwareVersion", env!("CARGO_PKG_VERSION")),
        standard::network_address(),
        standard::heap_peak(),
        standard::connections(),
        standard::last_failure(),
        standard::queued(),
        standard::dropped(),
        standard::messages_ignored(),
    ];

    const METHODS: &'static [Method<Self>] = &[
        standard::reboot(),
        standard::get_status(),
        Method::set_interval("setTelemetryInterval", "telemetry"),
        standard::blink("blink"),
        standard::blink("indicator*blink"),
    ];

    fn receive(&mut self, message: &CloudMessage<'_>, _: &mut Context<'_>) -> Receipt {
        let body = core::str::from_utf8(message.body).unwrap_or("(binary)");
        info!("cloud-to-device message: {}", Visible(body));
        Receipt::Accepted
    }

    fn handle(&mut self, event: Event<'_>, _: &mut Context<'_>) {
        if let Event::NotMeasured { messages, .. } = event {
            self.count += messages;
        }
    }
}
