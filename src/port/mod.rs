//! Needs of the device from the place it runs on: one trait per concern, implemented once over Zephyr
//! and once over std.
//!
//! [`crate::report`] is what the device tells about itself, and [`crate::failure`] why a connection fails.
//!
//! Calls may block where their documentation says so, and only there. None of them may panic.

#[cfg(feature = "async")]
mod asynchronous;
mod queue;
#[cfg(feature = "update")]
pub mod update;

use core::fmt;
use core::time::Duration;

#[cfg(feature = "async")]
pub use self::asynchronous::{AsyncPlatform, AsyncStream};
pub use self::queue::{Queue, QueueError, Visit};

use crate::failure::{ClockError, Code, ConnectError, TlsFailure};
use crate::logging::warn;
use crate::outlet::{Delivery, Ticket};
use crate::report::{Condition, Report, Status};
use crate::time::{Instant, UnixTime};

/// Time: one clock that never jumps and one that people share.
pub trait Clock {
    /// Now, on the clock that deadlines are counted on.
    fn now(&self) -> Instant;

    /// Now, as people count it; `None` until the clock has been set.
    fn unix(&self) -> Option<UnixTime>;

    /// Sets the shared clock (SNTP on a device; a host has it already). May block for some seconds.
    fn synchronize(&mut self) -> Result<UnixTime, ClockError>;
}

/// Random bytes that an attacker cannot guess.
pub trait Entropy {
    /// Fills `buffer` completely.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), EntropyError>;
}

/// The name and port of a hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint<'a> {
    /// Name that the certificate must be valid for and SNI carries.
    pub host_name: &'a str,
    /// Address to connect to: `host_name` again, or that of a gateway or a local test hub.
    pub address: &'a str,
    /// TCP port; IoT Hub listens on 8883.
    pub port: u16,
}

/// Opens verified TLS connections.
pub trait Connector {
    /// Stream that it opens.
    type Stream: Stream;

    /// Progress of a connection that is being opened; its default is one that was not begun. Dropping it gives
    /// the attempt up.
    type Opening: Default;

    /// Resolves, connects and completes the TLS handshake, presenting the client certificate that the
    /// platform was configured with, if any. The server's chain, name and dates must have been verified.
    ///
    /// `None` if it is not complete when `until` has come, or when somebody asks for something: call it again
    /// with the same `opening` and endpoint, so that the device can measure what is due meanwhile. An
    /// implementation that can only do it all at once blocks for longer, for a time that it bounds; what falls
    /// due meanwhile is counted as not measured.
    ///
    /// The whole attempt ends within a time that the implementation bounds.
    fn connect(
        &mut self,
        endpoint: Endpoint<'_>,
        opening: &mut Self::Opening,
        until: Instant,
    ) -> Result<Option<Self::Stream>, ConnectError>;
}

/// An open TLS connection. Dropping it closes it.
///
/// `read` is called only after `read_ready` said true, and then does not block; it returns 0 at the end of
/// the stream. `write` may block for a time that the implementation bounds.
pub trait Stream: embedded_io::Read + embedded_io::ReadReady + embedded_io::Write {
    /// Reason of TLS, with the platform's code, why reading or writing failed; `None` if TLS knows none. Asked once,
    /// after the failure.
    fn tls_failure(&mut self) -> Option<(TlsFailure, Code)> {
        None
    }
}

/// A place for a few small values that survive a restart.
pub trait Storage {
    /// Copies the value into `buffer` and gives its length; `None` if there is none.
    fn load(&mut self, key: &str, buffer: &mut [u8]) -> Result<Option<usize>, StorageError>;
    /// Stores the value, all or nothing.
    fn store(&mut self, key: &str, value: &[u8]) -> Result<(), StorageError>;
    /// Removes the value; it is no error if there is none.
    fn remove(&mut self, key: &str) -> Result<(), StorageError>;
}

/// Shows [`Status`]. A board without LEDs does nothing.
pub trait Indicator {
    /// Shows `status` until told otherwise.
    fn show(&mut self, status: Status);
}

/// One reading: a JSON member of the telemetry message.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reading {
    /// The member's name, also the name of the DTDL telemetry, such as `temperature`.
    pub name: &'static str,
    /// The value, in thousandths of the unit that the name's documentation gives: no floating point is
    /// needed on a device to print it.
    pub thousandths: i64,
}

/// The readings of one measurement.
#[derive(Clone, Debug, Default)]
pub struct Readings {
    list: [Reading; Self::MAX],
    count: usize,
    error: Option<SensorError>,
}

impl Readings {
    /// The most readings of one measurement. Those beyond are left out, with a warning.
    pub const MAX: usize = 16;

    /// Reads the sensor. May block as [`Sensor::sample`] does.
    pub fn of(sensor: &mut dyn Sensor) -> Self {
        let mut readings = Self::default();
        let error = sensor.sample(&mut |reading| readings.push(reading)).err();
        readings.error = error;
        readings
    }

    /// Reads the sensor of a platform on an executor.
    #[cfg(feature = "async")]
    pub async fn of_async<P: AsyncPlatform>(platform: &mut P) -> Self {
        let mut readings = Self::default();
        let mut push = |reading| readings.push(reading);
        let error = platform.sample(&mut push).await.err();
        readings.error = error;
        readings
    }

    fn push(&mut self, reading: Reading) {
        match self.list.get_mut(self.count) {
            Some(place) => {
                *place = reading;
                self.count += 1;
            }
            None => warn!(
                "sensor: {} is left out, since a measurement has {} readings at most; raise Readings::MAX",
                reading.name,
                Self::MAX
            ),
        }
    }

    /// The readings, in the sensor's order.
    pub fn iter(&self) -> impl Iterator<Item = &Reading> {
        self.list.iter().take(self.count)
    }

    /// Reason why the sensor gave no more readings than these, if it failed.
    pub const fn error(&self) -> Option<SensorError> {
        self.error
    }
}

/// Measures something.
pub trait Sensor {
    /// Gives every reading to `take`. May block for a measurement's time (some milliseconds).
    fn sample(&mut self, take: &mut dyn FnMut(Reading)) -> Result<(), SensorError>;
}

/// Reason why [`Platform::wait`] came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// The stream has bytes, or has ended.
    Readable,
    /// The deadline passed.
    Deadline,
    /// A person or another thread asks for something: see [`Platform::requests`].
    Request,
}

/// Requests of a person or another thread since the last look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// Send a telemetry message now: the button of the board, a shell command.
    pub send_now: bool,
    /// Say goodbye and end `connection::run`.
    pub stop: bool,
    /// The network came up, or the configuration changed: an attempt that waits should start at once.
    pub retry_now: bool,
    /// The client certificate changed: say goodbye, and connect again with the new one.
    pub reconnect: bool,
    /// Tell the application that another thread has news for it:
    /// [`Event::Woken`](crate::application::Event::Woken). Not while the device is being provisioned.
    pub woken: bool,
    /// Erase the queue of messages: nothing of it is sent.
    pub clear_queue: bool,
    /// End a software update before the new image starts.
    pub cancel_update: bool,
    /// Start the image before the one that runs, on trial.
    pub roll_back: bool,
}

/// Parts of a platform that never wait. What drives a device needs them, whatever waits for it: a thread, or an
/// executor. Every [`Platform`] has them already.
pub trait Immediate: Entropy + Indicator {
    /// Now, on the clock that deadlines are counted on.
    fn now(&self) -> Instant;

    /// Now, as people count it; `None` until the clock has been set.
    fn unix(&self) -> Option<UnixTime>;

    /// Takes what was asked for since the last call.
    fn requests(&mut self) -> Requests;

    /// Takes a message of another thread: see [`Platform::take_submission`].
    fn take_submission(&mut self, _space: &mut [u8]) -> Option<usize> {
        None
    }

    /// Tells the sender of a message what became of it.
    fn delivered(&mut self, _ticket: Ticket, _delivery: Delivery) {}

    /// The queue of messages that outlives restarts ([`crate::queue`]); `None` if this platform has none.
    fn queue(&mut self) -> Option<&mut dyn Queue> {
        None
    }

    /// Keeps a value of the application over a restart, under a name that no other one has.
    fn keep(&mut self, name: &str, _value: &[u8]) {
        warn!("storage: {name} of the application is not kept: this platform has no place for it");
    }

    /// Condition of the platform now. Called after each connect.
    fn condition(&mut self) -> Condition {
        Condition::default()
    }

    /// Proof of life for a watchdog: see [`Platform::progress`].
    fn progress(&mut self) {}

    /// Takes the counters and the last failure: see [`Platform::observe`].
    fn observe(&mut self, _report: &Report) {}

    /// The platform's side of updates: see [`Platform::updater`].
    #[cfg(feature = "update")]
    fn updater(&mut self) -> Option<&mut dyn update::Updater> {
        None
    }
}

/// Everything together.
pub trait Platform: Clock + Entropy + Connector + Indicator + Sensor + Storage {
    /// Sleeps until `stream` can be read, somebody asks for something, or `until` has come.
    fn wait(&mut self, stream: Option<&mut Self::Stream>, until: Instant) -> Wake;

    /// Takes what was asked for since the last call.
    fn requests(&mut self) -> Requests;

    /// Moves the oldest message of other threads into `space` and gives its length, as
    /// [`Ring::pop`](crate::outlet::Ring::pop) does; `None` if there is none. A new one ends [`Platform::wait`].
    fn take_submission(&mut self, _space: &mut [u8]) -> Option<usize> {
        None
    }

    /// Tells the sender of a message what became of it.
    fn delivered(&mut self, _ticket: Ticket, _delivery: Delivery) {}

    /// The queue of messages that outlives restarts ([`crate::queue`]); `None` if this platform has none.
    fn queue(&mut self) -> Option<&mut dyn Queue> {
        None
    }

    /// Condition of the platform now. Called after each connect.
    fn condition(&mut self) -> Condition {
        Condition::default()
    }

    /// Proof of life for a watchdog: called whenever the device loop made progress, and at least every
    /// [`PROGRESS_INTERVAL`] while nothing is wrong.
    fn progress(&mut self) {}

    /// Takes the counters and the last failure, such as for a status command. Called at each turn of the loop.
    fn observe(&mut self, _report: &Report) {}

    /// The platform's side of updates, if it has one.
    #[cfg(feature = "update")]
    fn updater(&mut self) -> Option<&mut dyn update::Updater> {
        None
    }
}

/// The longest that the device loop sleeps without calling [`Platform::progress`].
pub const PROGRESS_INTERVAL: Duration = Duration::from_secs(20);

/// The source of random bytes failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntropyError;

/// A value could not be kept or read. The number is the platform's own code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StorageError {
    /// The buffer is smaller than the value, which has this many bytes.
    TooLong(usize),
    /// The medium failed, with the platform's error code.
    Medium(i32),
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(bytes) => write!(f, "a value has {bytes} bytes, too many"),
            Self::Medium(code) => write!(f, "error {code}"),
        }
    }
}

/// A sensor did not answer. The number is the platform's own code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SensorError(pub i32);

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// Gives that many readings, and then its result.
    struct Many(i64, Result<(), SensorError>);

    impl Sensor for Many {
        fn sample(&mut self, take: &mut dyn FnMut(Reading)) -> Result<(), SensorError> {
            for thousandths in 0..self.0 {
                take(Reading {
                    name: "level",
                    thousandths,
                });
            }
            self.1
        }
    }

    #[test]
    fn readings_are_kept_in_order_up_to_the_limit_with_the_error_that_ended_them() {
        for (given, kept) in [(0, 0), (1, 1), (16, 16), (17, 16)] {
            let readings = Readings::of(&mut Many(given, Ok(())));
            let values: Vec<i64> = readings.iter().map(|reading| reading.thousandths).collect();
            assert_eq!(values, (0..kept).collect::<Vec<_>>());
            assert_eq!(readings.error(), None);
        }
        let readings = Readings::of(&mut Many(2, Err(SensorError(5))));
        assert_eq!(
            (readings.iter().count(), readings.error()),
            (2, Some(SensorError(5)))
        );
    }
}
