//! A cold store: two sensors, a door contact that is reported at once, a setpoint, and an alarm that sounds for a minute.

#![no_std]
#![forbid(unsafe_code)]

use core::time::Duration;

use azure_device::application::{
    Application, Call, CloudMessage, Context, Event, Message, Method, Outcome, Property, Receipt,
    Reported, Stream, standard,
};
use azure_device::json::Slot;

/// Time between two looks at the door contact.
const LOOK: Duration = Duration::from_millis(250);
/// Time that the alarm sounds.
const ALARM: Duration = Duration::from_secs(60);
/// The setpoint of a store that nobody has set, in tenths of a degree Celsius.
const SETPOINT: i64 = -180;

/// The cold store.
#[derive(Clone, Debug)]
pub struct ColdStore {
    /// Reads the door contact: true if the door is open.
    contact: fn() -> bool,
    door_is_open: bool,
    setpoint: i64,
    alarm_sounds: bool,
}

impl Application for ColdStore {
    const STREAMS: &'static [Stream<Self>] = &[
        Stream::new("climate", Self::climate),
        Stream::new("door", Self::door).on_request(),
    ];

    const PROPERTIES: &'static [Property<Self>] = &[
        Property::interval("climateInterval", "climate"),
        Property::decimal(
            "setpoint",
            1,
            -300..=100,
            |store, tenths, _| store.setpoint = tenths.unwrap_or(SETPOINT),
            |store| store.setpoint,
        ),
    ];

    const REPORTED: &'static [Reported<Self>] = &[
        Reported::constant("softwareVersion", env!("CARGO_PKG_VERSION")),
        Reported::new("doorOpen", |store, _, value| {
            value.boolean(store.door_is_open)
        }),
        standard::last_fault(),
    ];

    const METHODS: &'static [Method<Self>] = &[
        standard::reboot(),
        Method::new("soundAlarm", Self::sound_alarm),
    ];

    fn receive(&mut self, message: &CloudMessage<'_>, _: &mut Context<'_>) -> Receipt {
        match message.body {
            b"silence" => self.alarm_sounds = false,
            _ => return Receipt::Rejected("the message is none of: silence"),
        }
        Receipt::Accepted
    }

    /// Looks at the door after each event; the timer makes one of them four times a second, without a connection too.
    fn handle(&mut self, _: Event<'_>, device: &mut Context<'_>) {
        if self.door_is_open != (self.contact)() {
            self.door_is_open = !self.door_is_open;
            device.send("door");
            device.report_changed("doorOpen");
        }
        device.set_timer(Some(device.now().after(LOOK)));
    }
}

impl ColdStore {
    /// A store with a closed door. `contact` gives true while the door is open.
    pub const fn new(contact: fn() -> bool) -> Self {
        Self {
            contact,
            door_is_open: false,
            setpoint: SETPOINT,
            alarm_sounds: false,
        }
    }

    fn climate(&mut self, message: &mut Message<'_>, _: &mut Context<'_>) {
        let readings = message.readings();
        message.object(|object| {
            for reading in readings.iter() {
                object.thousandths(reading.name, reading.thousandths);
            }
        });
    }

    fn door(&mut self, message: &mut Message<'_>, _: &mut Context<'_>) {
        message.object(|object| {
            object.boolean("doorOpen", self.door_is_open);
        });
        message.property("alert", self.door_is_open);
    }

    fn sound_alarm(
        &mut self,
        call: Call<'_>,
        device: &mut Context<'_>,
        result: Slot<'_, '_>,
    ) -> Outcome {
        if !call.again {
            self.alarm_sounds = true;
            return Outcome::Later(device.now().after(ALARM));
        }
        let was_silenced = !core::mem::take(&mut self.alarm_sounds);
        result.object(|result| {
            result.boolean("silenced", was_silenced);
        });
        Outcome::Done(200)
    }
}
