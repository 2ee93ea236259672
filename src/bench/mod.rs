//! Tests of an application on a host: an operator, a hub and a clock, without a network and without waiting.
//!
//! The device under the application is the real one. Its hub is a few lines that accept everything, and time is virtual:
//! [`Bench::tick`] passes a day in milliseconds. For tests only: it panics where a test would.
//!
//! ```
//! use azure_device::application::{Application, Method, Outcome, Property, Stream};
//! use azure_device::bench::{Bench, Memory};
//! use core::time::Duration;
//!
//! #[derive(Default)]
//! struct Fridge { setpoint: i64 }
//!
//! impl Application for Fridge {
//!     const STREAMS: &'static [Stream<Self>] = &[Stream::new("telemetry", |fridge, message, _| {
//!         message.object(|object| { object.integer("setpoint", fridge.setpoint); });
//!     })];
//!     const PROPERTIES: &'static [Property<Self>] = &[Property::integer(
//!         "setpoint", 2..=8, |fridge, value, _| fridge.setpoint = value.unwrap_or(4), |fridge| fridge.setpoint,
//!     )];
//! }
//!
//! let mut memory = Memory::default();
//! let mut bench = Bench::new(&mut memory, Fridge::default());
//! bench.desire(r#"{"setpoint":7}"#);
//! assert_eq!(bench.application().setpoint, 7);
//! assert_eq!(bench.acknowledgement("setpoint").unwrap().status, 200);
//! bench.tick(Duration::from_secs(60));
//! assert_eq!(bench.sent().last().unwrap().text(), r#"{"setpoint":7}"#);
//! ```
//!
//! A device whose application has two entries of one name does not compile:
//!
//! ```compile_fail
//! use azure_device::application::{Application, Stream};
//! use azure_device::bench::{Bench, Memory};
//! struct Twins;
//! impl Application for Twins {
//!     const STREAMS: &'static [Stream<Self>] =
//!         &[Stream::new("climate", |_, _, _| {}), Stream::new("climate", |_, _, _| {})];
//! }
//! Bench::new(&mut Memory::default(), Twins);
//! ```
//!
//! ```
//! use azure_device::application::{Application, Stream};
//! use azure_device::bench::{Bench, Memory};
//! struct Siblings;
//! impl Application for Siblings {
//!     const STREAMS: &'static [Stream<Self>] =
//!         &[Stream::new("climate", |_, _, _| {}), Stream::new("door", |_, _, _| {})];
//! }
//! Bench::new(&mut Memory::default(), Siblings);
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "for tests only"
)]

mod hub;
#[cfg(test)]
mod indexed_tests;
#[cfg(test)]
mod tests;

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use self::hub::Hub;
pub use self::hub::{Answer, Sent};
use crate::application::Application;
use crate::connection::{Buffers, Machine, Task};
use crate::device::{Config, Device, TELEMETRY_TOPIC_SIZE};
use crate::failure::{Code, ConnectError, TcpFailure};
use crate::identity::{ConnectionString, Identity};
use crate::json::Value;
use crate::mqtt;
use crate::outlet::{Delivery, Ring, SendError, Submission, Ticket};
use crate::port::{Reading, Readings, Requests, Sensor, SensorError};
use crate::report::{Condition, Report, Status};
use crate::time::{Instant, Moment, UnixTime};

/// 2026-06-01T00:00:00Z: when the bench's world begins.
const BEGIN: u64 = 1_780_272_000_000;

/// The longest that a call waits for its answer: IoT Hub's longest response time-out (Microsoft, "Understand and invoke
/// direct methods").
const CALL_TIMEOUT: Duration = Duration::from_secs(300);

/// Memory of the device under test.
#[derive(Debug)]
pub struct Memory {
    identity: Identity,
    receive: Vec<u8>,
    transmit: Vec<u8>,
    outbox: Vec<u8>,
    scratch: Vec<u8>,
    twin: Vec<u8>,
}

impl Default for Memory {
    /// As the firmware has it by default, with an outbox of 32 KB.
    fn default() -> Self {
        let identity = "HostName=bench.azure-devices.net;DeviceId=bench;x509=true";
        let space = |bytes| alloc::vec![0; bytes];
        Self {
            identity: ConnectionString::parse(identity).unwrap(),
            receive: space(2048),
            transmit: space(1024),
            outbox: space(32 * 1024),
            scratch: space(2048),
            twin: space(512),
        }
    }
}

/// Readings that a test has set.
#[derive(Debug, Default)]
struct Sensors {
    readings: Vec<Reading>,
    error: Option<SensorError>,
}

impl Sensor for Sensors {
    fn sample(&mut self, take: &mut dyn FnMut(Reading)) -> Result<(), SensorError> {
        self.readings.iter().for_each(|reading| take(*reading));
        self.error.map_or(Ok(()), Err)
    }
}

/// Acknowledgement of a writable property in the reported twin (IoT Plug and Play conventions).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledgement {
    /// The value in force, as JSON.
    pub value: String,
    /// 200 if the desired value is in force, 203 if none is desired, 400 and more if it was refused.
    pub status: i64,
    /// Reason of a refusal.
    pub description: Option<String>,
}

/// A device with its application, and what is around it.
#[allow(missing_debug_implementations, reason = "an application needs none")]
pub struct Bench<'m, A: Application> {
    machine: Machine<'m, Device<'m, A>>,
    now: u64,
    hub: Hub,
    sensors: Sensors,
    ring: Ring<Vec<u8>>,
    outcomes: Vec<(Ticket, Delivery)>,
    is_online: bool,
    is_open: bool,
    has_ended: bool,
}

impl<'m, A: Application> Bench<'m, A> {
    /// A device that has joined its hub, read an empty twin and reported its properties.
    pub fn new(memory: &'m mut Memory, application: A) -> Self {
        Self::with(memory, application, Config::default())
    }

    /// The same with a configuration.
    pub fn with(memory: &'m mut Memory, application: A, config: Config<'m>) -> Self {
        let Memory {
            identity,
            receive,
            transmit,
            outbox,
            scratch,
            twin,
        } = memory;
        let longest = scratch.len() - TELEMETRY_TOPIC_SIZE;
        let buffers = Buffers {
            mqtt: mqtt::Buffers {
                receive,
                transmit,
                outbox,
            },
            scratch,
            twin,
        };
        let most_awaited = config.most_awaited;
        let mut bench = Self {
            machine: Device::new(identity, config, buffers, application).unwrap(),
            now: 0,
            hub: Hub::default(),
            sensors: Sensors::default(),
            ring: Ring::new(alloc::vec![0; 16 * 1024], longest, most_awaited),
            outcomes: Vec::new(),
            is_online: true,
            is_open: false,
            has_ended: false,
        };
        bench.tick(Duration::ZERO);
        bench
    }

    /// The application.
    pub const fn application(&mut self) -> &mut A {
        self.machine.application()
    }

    /// Counters of the device.
    pub const fn report(&self) -> &Report {
        self.machine.report()
    }

    /// Status that the indicator shows.
    pub fn status(&self) -> Status {
        self.machine.status(self.at().now)
    }

    /// Time since the bench began.
    pub const fn elapsed(&self) -> Duration {
        Duration::from_millis(self.now)
    }

    /// True if the device has ended: it was asked to stop, or the application asked for a restart.
    pub const fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Lets time pass.
    pub fn tick(&mut self, duration: Duration) {
        let end = self.now + u64::try_from(duration.as_millis()).unwrap();
        // Turns without a step of the clock; more of them would be a device that spins.
        let mut turns = 0;
        loop {
            let before = self.now;
            if self.turn(end) {
                return;
            }
            turns = if self.now == before { turns + 1 } else { 0 };
            assert!(turns < 10_000, "the device spins");
        }
    }

    /// One step of the device. True if nothing is left to do until `end`.
    fn turn(&mut self, end: u64) -> bool {
        let at = self.at();
        while self.machine.wants_submission() {
            match self.ring.pop(self.machine.submission_space()) {
                Some(length) => self.machine.submitted(&at, length),
                None => break,
            }
        }
        let task = self.machine.task(&at);
        while let Some(outcome) = self.machine.take_outcome() {
            self.ring.settle();
            self.outcomes.push(outcome);
        }
        match task {
            Task::End => {
                self.has_ended = true;
                self.now = end;
                return true;
            }
            Task::SetClock => self.machine.clock_set(&at, None, Ok(self.unix())),
            Task::Measure => {
                let readings = Readings::of(&mut self.sensors);
                self.machine.measured(&at, &readings);
            }
            Task::OpenConnection { .. } if self.is_online => {
                self.hub.opened();
                self.is_open = true;
                self.machine.opened(&at, Condition::default());
            }
            Task::OpenConnection { .. } => {
                let refused = ConnectError::Tcp(TcpFailure::Refused, Code(0));
                self.machine.not_opened(&at, refused);
            }
            Task::CloseConnection => {
                self.is_open = false;
                self.machine.closed_cleanly(&at);
            }
            Task::Exchange { until } => {
                if !self.exchange() {
                    return self.advance(until, end);
                }
            }
            Task::Sleep { until } => return self.advance(until, end),
        }
        false
    }

    /// Moves the clock to what comes first. True if that is `end`.
    fn advance(&mut self, until: Instant, end: u64) -> bool {
        let until = until.as_millis().max(self.now);
        self.now = until.min(end);
        until > end
    }

    /// Moves bytes both ways. True if there were any.
    fn exchange(&mut self) -> bool {
        let at = self.at();
        let before = self.hub.packets();
        loop {
            let bytes = self.machine.connection_mut().transmit().to_vec();
            if bytes.is_empty() {
                break;
            }
            self.machine
                .connection_mut()
                .transmitted(bytes.len(), at.now);
            self.hub.receive(&bytes, self.elapsed());
        }
        let space = self.machine.connection_mut().receive_buffer();
        let count = self.hub.give(space);
        self.machine.connection_mut().received(count, at.now);
        if let Err(failure) = self.machine.serve(&at) {
            self.is_open = false;
            self.machine.lost(&at, failure);
            return true;
        }
        count > 0
            || self.hub.packets() != before
            || !self.machine.connection_mut().transmit().is_empty()
    }

    /// Sets desired properties, as an operator does with a patch. Sent to the device if it is connected, else read by it
    /// with its next connection.
    pub fn desire(&mut self, patch: &str) {
        Value::parse(patch.as_bytes()).unwrap();
        self.hub.desire(patch, self.is_open);
        self.tick(Duration::ZERO);
    }

    /// A reported property, or a component, as JSON.
    pub fn reported(&self, name: &str) -> Option<&str> {
        self.hub.reported(name)
    }

    /// Number of reported patches so far.
    pub const fn patches(&self) -> usize {
        self.hub.patches
    }

    /// The acknowledgement of a writable property. A component's is `component*property`.
    pub fn acknowledgement(&self, name: &str) -> Option<Acknowledgement> {
        let (component, name) = match name.split_once('*') {
            Some((component, name)) => (Some(component), name),
            None => (None, name),
        };
        let reported = self.hub.reported(component.unwrap_or(name))?;
        let reported = Value::parse(reported.as_bytes()).unwrap();
        let reported = match component {
            Some(_) => reported.get(name)?,
            None => reported,
        };
        let text = |value: Value<'_>| value.as_text().map(|text| text.to_string());
        Some(Acknowledgement {
            value: reported.get("value")?.text().into(),
            status: reported.get("ac")?.as_i64()?,
            description: reported.get("ad").and_then(text),
        })
    }

    /// Calls a direct method, and waits for its answer, for 300 s at most. An empty payload is none.
    pub fn call(&mut self, method: &str, payload: &str) -> Answer {
        assert!(
            self.is_open,
            "a device without a connection cannot be called"
        );
        self.hub.call(method, payload);
        let end = self.now + u64::try_from(CALL_TIMEOUT.as_millis()).unwrap();
        loop {
            if let Some(answer) = self.hub.take_answer() {
                return answer;
            }
            assert!(self.now < end, "no answer to {method} within 300 s");
            self.tick(Duration::from_millis(100));
        }
    }

    /// Sends a cloud-to-device message. True if the device has acknowledged it.
    pub fn receive(&mut self, body: &[u8]) -> bool {
        self.receive_with("", body)
    }

    /// The same with properties, such as `priority=high&%24.cid=7`.
    pub fn receive_with(&mut self, properties: &str, body: &[u8]) -> bool {
        let id = self.hub.message(properties, body);
        self.tick(Duration::ZERO);
        self.hub.is_acknowledged(id)
    }

    /// Number of cloud-to-device messages that the device has acknowledged.
    pub const fn acknowledged(&self) -> usize {
        self.hub.acknowledged.len()
    }

    /// Takes the telemetry messages that the hub has received since the last call.
    pub fn sent(&mut self) -> Vec<Sent> {
        core::mem::take(&mut self.hub.sent)
    }

    /// Asks for a message of the first stream, as a button does.
    pub fn press_button(&mut self) {
        let requests = Requests {
            send_now: true,
            ..Requests::default()
        };
        let at = self.at();
        self.machine.requested(&at, requests);
        self.tick(Duration::ZERO);
    }

    /// Asks for the application's attention, as another thread does: [`Event::Woken`](crate::application::Event::Woken).
    pub fn wake(&mut self) {
        let requests = Requests {
            woken: true,
            ..Requests::default()
        };
        let at = self.at();
        self.machine.requested(&at, requests);
        self.tick(Duration::ZERO);
    }

    /// Sends a message as another thread does.
    ///
    /// # Errors
    ///
    /// See [`SendError`].
    pub fn submit(&mut self, message: &Submission<'_>) -> Result<Option<Ticket>, SendError> {
        let now = self.at().now;
        let ticket = self.ring.push(message, now)?;
        self.tick(Duration::ZERO);
        Ok(ticket)
    }

    /// Takes the outcomes of messages of other threads since the last call.
    pub fn outcomes(&mut self) -> Vec<(Ticket, Delivery)> {
        core::mem::take(&mut self.outcomes)
    }

    /// Sets a reading of the board's sensors, in thousandths.
    pub fn sense(&mut self, name: &'static str, thousandths: i64) {
        self.sensors.readings.retain(|reading| reading.name != name);
        self.sensors.readings.push(Reading { name, thousandths });
    }

    /// Makes the sensors fail, or work again.
    pub fn sensors_fail(&mut self, error: Option<i32>) {
        self.sensors.error = error.map(SensorError);
    }

    /// Cuts the network. What is sent waits.
    pub fn disconnect(&mut self) {
        self.is_online = false;
        if core::mem::take(&mut self.is_open) {
            let at = self.at();
            self.machine.lost(&at, crate::failure::Failure::Closed);
        }
        self.tick(Duration::ZERO);
    }

    /// Brings the network back, and has the device connect at once.
    pub fn reconnect(&mut self) {
        self.is_online = true;
        let requests = Requests {
            retry_now: true,
            ..Requests::default()
        };
        let at = self.at();
        self.machine.requested(&at, requests);
        self.tick(Duration::ZERO);
    }

    /// Asks the device to stop.
    pub fn stop(&mut self) {
        let requests = Requests {
            stop: true,
            ..Requests::default()
        };
        let at = self.at();
        self.machine.requested(&at, requests);
        self.tick(Duration::from_secs(60));
    }

    const fn unix(&self) -> UnixTime {
        UnixTime::from_millis(BEGIN + self.now)
    }

    const fn at(&self) -> Moment {
        Moment {
            now: Instant::from_millis(self.now),
            unix: Some(self.unix()),
            random: 0x5eed_0000_0000_0001,
        }
    }
}
