//! Application of the product on its connection: the one interface that an application's author implements.
//!
//! Telemetry and cloud-to-device messages are functions. Twin properties and direct methods are tables: an
//! entry gives a name and its functions, and the device does the rest (versions, Plug and
//! Play acknowledgements, retries, status codes).

use core::time::Duration;

use crate::json::{MAX_NAME, Object, Value};
use crate::port::Readings;
use crate::properties::Bag;
use crate::report::Report;
use crate::time::Instant;

/// A cloud-to-device message.
#[derive(Clone, Copy, Debug)]
pub struct CloudMessage<'a> {
    /// The body, as the operator sent it.
    pub body: &'a [u8],
    /// System and application properties.
    pub properties: Bag<'a>,
    /// True if the hub has sent it before: the first copy may have been taken already.
    pub redelivered: bool,
}

/// The application on top of the device loop. Calls must not block for long: the keepalive waits.
pub trait Application: Sized + 'static {
    /// Properties of the device twin that an operator may set. At most [`MAX_PROPERTIES`].
    const PROPERTIES: &'static [Property<Self>] = &[];

    /// Direct methods that an operator may call.
    const METHODS: &'static [Method<Self>] = &[];

    /// Writes the members of one telemetry message. Nothing is sent if it writes none.
    fn telemetry(&mut self, readings: &Readings, message: &mut Object<'_, '_>);

    /// Notes that so many messages fell due and were not measured, since the device was busy, such as with a
    /// TLS handshake. An application that numbers its messages passes over their numbers.
    fn not_measured(&mut self, _messages: u32) {}

    /// Takes a cloud-to-device message. It is acknowledged when this returns.
    fn cloud_message(&mut self, message: &CloudMessage<'_>);

    /// Takes what a custom allocation policy of the provisioning service gave this device with its hub: JSON
    /// of the operator's own. Called before the device joins, also with a kept assignment.
    fn assigned(&mut self, _payload: Value<'_>) {}

    /// Writes the twin properties that only the device sets. Called after each connect.
    fn report(&mut self, _report: &Report, _reported: &mut Object<'_, '_>) {}

    /// Writes the twin properties that count. Called after each connect, and when messages are dropped: when an
    /// episode of dropping begins and when it has ended, and every ten minutes while it goes on.
    fn report_counters(&mut self, report: &Report, reported: &mut Object<'_, '_>) {
        reported.integer("queued", report.queued.into());
        reported.object("dropped", |dropped| report.dropped.write(dropped));
        let ignored = i64::try_from(report.messages_ignored).unwrap_or(i64::MAX);
        reported.integer("messagesIgnored", ignored);
    }
}

/// The most entries of [`Application::PROPERTIES`]. A device with more does not compile.
pub const MAX_PROPERTIES: usize = 16;

/// A writable property (IoT Plug and Play conventions, "Writable properties").
pub struct Property<A> {
    /// Its name, as in the DTDL model. A component's is `component*property`, by analogy with commands; in
    /// the twin it lies in the component's object (IoT Plug and Play conventions, "Sample component
    /// writable property"). Component and property have at most [`MAX_NAME`] bytes each.
    pub name: &'static str,
    /// Takes the value that an operator desires; `null` when the operator deleted it: then the device's own
    /// value is in force again. A refusal is reported with status 400 and its reason. A value that does not fit
    /// [`Buffers::twin`](crate::connection::Buffers::twin) is refused with status 413, and never comes here.
    pub apply: fn(&mut A, Value<'_>, &mut Control) -> Result<(), &'static str>,
    /// Writes the value in force, as a member that must be called `value`. The hub merges an object into the
    /// one that was reported before: write `null` for a member that is gone.
    pub value: fn(&A, &Control, &mut Object<'_, '_>),
}

/// The component, if an entry of a table is of one, and the name there.
pub(crate) fn path(name: &'static str) -> (Option<&'static str>, &'static str) {
    match name.split_once('*') {
        Some((component, name)) => (Some(component), name),
        None => (None, name),
    }
}

/// True if a device can serve this table: it is not too long, and neither is a name in it.
pub(crate) const fn can_serve<A>(properties: &[Property<A>]) -> bool {
    let mut index = 0;
    while index < properties.len() {
        let name = properties[index].name.as_bytes();
        let (mut at, mut length) = (0, 0);
        while at < name.len() {
            length = if name[at] == b'*' { 0 } else { length + 1 };
            if length > MAX_NAME {
                return false;
            }
            at += 1;
        }
        index += 1;
    }
    properties.len() <= MAX_PROPERTIES
}

/// A direct method.
pub struct Method<A> {
    /// Its name, as in the DTDL model. A component's is `component*command`.
    pub name: &'static str,
    /// Runs it, and writes the members of its result.
    pub run: fn(&mut A, Call<'_>, &mut Control, &mut Object<'_, '_>) -> Outcome,
}

/// One call of a direct method.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Payload of the operator. `None` for a call without a payload, and when a method that answered
    /// [`Outcome::Later`] is asked again.
    pub payload: Option<Value<'a>>,
    /// False on the first call, true when a method that answered [`Outcome::Later`] is asked again.
    pub again: bool,
    /// Now.
    pub now: Instant,
    /// Counters and the last failure of the device.
    pub report: &'a Report,
}

/// Outcome of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done, with this status and what was written.
    Done(i32),
    /// Refused with status 400 and this reason; what was written is dropped.
    BadPayload(&'static str),
    /// Not done yet: ask again then. The connection goes on meanwhile.
    Later(Instant),
}

/// Changes that a property or a method may make to the device.
#[derive(Clone, Debug)]
pub struct Control {
    pub(crate) telemetry_interval: Option<Duration>,
    /// Settings that the device was configured with.
    own_telemetry_interval: Option<Duration>,
    pub(crate) send_now: bool,
    pub(crate) restart: bool,
    pub(crate) blink_until: Option<Instant>,
    pub(crate) dark: bool,
    pub(crate) changed: bool,
}

impl Control {
    /// One that belongs to no device, for an application's own tests.
    pub const fn for_tests() -> Self {
        Self::new(None)
    }

    pub(crate) const fn new(telemetry_interval: Option<Duration>) -> Self {
        Self {
            telemetry_interval,
            own_telemetry_interval: telemetry_interval,
            send_now: false,
            restart: false,
            blink_until: None,
            dark: false,
            changed: false,
        }
    }

    /// Time between telemetry messages; `None` for on request only.
    pub const fn telemetry_interval(&self) -> Option<Duration> {
        self.telemetry_interval
    }

    /// Sets the time between telemetry messages, from the next one on.
    pub const fn set_telemetry_interval(&mut self, interval: Option<Duration>) {
        self.telemetry_interval = interval;
        self.changed = true;
    }

    /// Sets the time between telemetry messages to what the device was configured with.
    pub const fn reset_telemetry_interval(&mut self) {
        self.set_telemetry_interval(self.own_telemetry_interval);
    }

    /// Reports all writable properties again: a method changed what one of them says.
    pub const fn property_changed(&mut self) {
        self.changed = true;
    }

    /// Sends a telemetry message now.
    pub const fn send_now(&mut self) {
        self.send_now = true;
    }

    /// Restarts the device with a clean goodbye, once the response to this call has been sent.
    pub const fn restart(&mut self) {
        self.restart = true;
    }

    /// True if the indicator shows the device's state.
    pub const fn indicator_enabled(&self) -> bool {
        !self.dark
    }

    /// Shows the device's state on the indicator, or keeps it dark. [`Control::blink_until`] works in both cases.
    pub const fn enable_indicator(&mut self, enabled: bool) {
        self.dark = !enabled;
        self.changed = true;
    }

    /// Makes the indicator blink until then.
    pub const fn blink_until(&mut self, end: Instant) {
        self.blink_until = Some(end);
    }
}
