//! The device loop: set the clock, connect, authenticate, subscribe, run, and recover for ever.
//!
//! [`Device`] is a state machine without I/O. It says what to do next ([`Device::task`]), is told what came
//! of it, and is driven by [`run`] over the ports of [`crate::port`]:
//!
//! ```text
//!            ┌──────────── failure: wait by the table of `Failure::reaction` ───────────┐
//!            ▼                                                                          │
//!  Offline ──┬─ SetClock ──┬─ OpenConnection ── CONNACK ── SUBACK ── Running ── closed ─┤
//!            │ not sane    │ DNS, TCP, TLS                              │              │
//!            └─────────────┘                            token at 70-85 % │ of its life  │
//!            ▲                                                           ▼              │
//!            └──────── at once ── Closing (DISCONNECT) ◄── Draining (in-flight PUBACKs) ┘
//! ```
//!
//! Limits: one connection at a time; messages live in the session's outbox, which outlives connections but
//! not a restart; the ready-made SAS token cannot be renewed here.

mod attempts;
mod carryover;
mod driver;
mod dropped;
mod exchange;
mod large;
mod link;
mod machine;
mod methods;
mod patience;
mod scratch;
mod send;
mod subscription;
#[cfg(test)]
pub(crate) mod tests;
mod twin;

use core::time::Duration;

pub(crate) use self::attempts::{Attempts, is_sane};
pub use self::carryover::Carryover;
pub(crate) use self::driver::random;
pub use self::driver::run;
use self::dropped::Episode;
use self::large::Large;
use self::link::State;
pub use self::link::Task;
pub use self::machine::Machine;
use self::methods::Calls;
pub use self::patience::GiveUp;
use self::patience::Patience;
pub(crate) use self::scratch::Scratch;
use self::twin::Twin;
use crate::application::{Application, Control, can_serve};
use crate::backoff;
use crate::identity::Identity;
use crate::mqtt::{self, RequestError};
use crate::report::{Report, Status};
use crate::time::{Instant, UnixTime};

/// The earliest time that a set clock can show: 2026-01-01. Anything before means that it is not set.
pub const SANE_CLOCK: UnixTime = UnixTime::from_secs(1_767_225_600);

/// Name of this software that the hub's operator sees: the user name's `DeviceClientType`.
pub(crate) const CLIENT_TYPE: &str = concat!("azure-device/", env!("CARGO_PKG_VERSION"));

/// Interval at which the clock is set again: crystals drift by seconds a day at worst, and SNTP is cheap.
const CLOCK_INTERVAL: Duration = Duration::from_secs(24 * 3600);

/// When the next try is due after the clock could not be set again.
const CLOCK_RETRY: Duration = Duration::from_secs(3600);

/// A correction by more than this explains a refused token: the hub's own tolerance is 5 minutes.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(300);

/// Milliseconds of light, and of darkness, while the indicator blinks.
const BLINK_HALF: u64 = 250;

/// Default of [`Config::stop_timeout`].
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// Time that a planned reconnect waits for PUBACKs. What is not acknowledged by then is sent again.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// Settings that an engineer makes.
#[derive(Clone, Debug)]
pub struct Config<'a> {
    /// Where to connect if not to the identity's host name: a gateway, or a local hub.
    pub address: Option<&'a str>,
    /// TCP port. Default 8883.
    pub port: u16,
    /// Life of a SAS token that the device signs. Default 24 h: each renewal is a full TLS handshake, and
    /// IoT Hub does not limit the expiry.
    pub token_life: Duration,
    /// Time between telemetry messages; `None` sends on request only. Default 60 s.
    pub telemetry_interval: Option<Duration>,
    /// DTMI of the device's Plug and Play model.
    pub model_id: Option<&'a str>,
    /// Telemetry that the hub sends in the device's name when the connection breaks (MQTT's will).
    pub will: Option<&'a [u8]>,
    /// Use of the device twin and direct methods. IoT Hub's basic tier has neither, nor has
    /// another MQTT broker. Default true.
    pub twin: bool,
    /// The longest time that a stop or a restart takes to send what is queued, on a connection that is open.
    /// Default 10 s. Zero leaves at once.
    pub stop_timeout: Duration,
    /// Limits after which the device gives up its hub and ends, to be provisioned again. `None` never ends it:
    /// [`crate::lifecycle`] sets this.
    pub gives_up: Option<GiveUp>,
    /// Waits between attempts.
    pub backoff: backoff::Config,
    /// MQTT's own times and limits.
    pub mqtt: mqtt::Config,
}

impl Default for Config<'_> {
    fn default() -> Self {
        Self {
            address: None,
            port: 8883,
            token_life: Duration::from_secs(24 * 3600),
            telemetry_interval: Some(Duration::from_secs(60)),
            model_id: None,
            will: None,
            twin: true,
            stop_timeout: STOP_TIMEOUT,
            gives_up: None,
            backoff: backoff::Config::default(),
            mqtt: mqtt::Config::default(),
        }
    }
}

/// The memory that a device works in. Sizes are in bytes.
#[derive(Debug)]
pub struct Buffers<'b> {
    /// The MQTT session's buffers.
    pub mqtt: mqtt::Buffers<'b>,
    /// For the texts of a CONNECT packet (client id, user name, will topic, SAS token), and for a message's
    /// topic and payload while they are written: 1,024 serve ids of usual length and a payload of 512.
    pub scratch: &'b mut [u8],
    /// For the values that the twin desires of the application's properties, as JSON, all together: they wait
    /// here until the twin has been read to its end. Too little refuses values with status 413. 65,535 at most
    /// are used, and 64 KB are more than any twin takes.
    pub twin: &'b mut [u8],
}

impl Buffers<'_> {
    /// The same memory without the outbox, lent for a shorter time: whoever works in it leaves the messages alone.
    pub fn without_outbox(&mut self) -> Buffers<'_> {
        let mut buffers = self.reborrow();
        buffers.mqtt.outbox = &mut [];
        buffers
    }

    /// The same memory, lent for a shorter time.
    pub fn reborrow(&mut self) -> Buffers<'_> {
        Buffers {
            mqtt: mqtt::Buffers {
                receive: &mut *self.mqtt.receive,
                transmit: &mut *self.mqtt.transmit,
                outbox: &mut *self.mqtt.outbox,
            },
            scratch: &mut *self.scratch,
            twin: &mut *self.twin,
        }
    }
}

/// A device: its durable MQTT session, its connection's state, and the application on top.
pub struct Device<'b, A> {
    identity: &'b Identity,
    config: Config<'b>,
    session: mqtt::Session<'b>,
    scratch: &'b mut [u8],
    twin_space: &'b mut [u8],
    attempts: Attempts,
    state: State,
    /// Asked to stop: nothing more is measured.
    stopping: bool,
    telemetry_interval: Option<Duration>,
    next_telemetry: Option<Instant>,
    /// When a message was wanted after the device had ended.
    wanted: Option<Instant>,
    control: Control,
    twin: Twin,
    calls: Calls,
    large: Large,
    message_ids: MessageIds,
    patience: Patience,
    has_given_up: bool,
    status: Status,
    report: Report,
    episode: Episode,
    application: A,
}

/// Ids of telemetry messages: unique for this start by its random part.
#[derive(Clone, Copy, Debug, Default)]
struct MessageIds {
    start: Option<u64>,
    count: u64,
}

impl<'b, A: Application> Device<'b, A> {
    /// A device that has not started.
    ///
    /// # Errors
    ///
    /// A buffer that is too small, or a keep-alive interval that is too long.
    pub fn new(
        identity: &'b Identity,
        config: Config<'b>,
        buffers: Buffers<'b>,
        application: A,
    ) -> Result<Self, RequestError> {
        let session = mqtt::Session::new(config.mqtt.clone(), buffers.mqtt)?;
        let spaces = (buffers.scratch, buffers.twin);
        Ok(Self::with_session(
            identity,
            config,
            session,
            spaces,
            application,
        ))
    }

    fn with_session(
        identity: &'b Identity,
        config: Config<'b>,
        session: mqtt::Session<'b>,
        (scratch, twin_space): (&'b mut [u8], &'b mut [u8]),
        application: A,
    ) -> Self {
        const {
            assert!(
                can_serve(A::PROPERTIES),
                "16 properties at most, with names of 64 bytes at most"
            );
        }
        Self {
            identity,
            session,
            scratch,
            twin_space,
            attempts: Attempts::new(config.backoff),
            state: State::Offline,
            stopping: false,
            telemetry_interval: config.telemetry_interval,
            next_telemetry: None,
            wanted: None,
            control: Control::new(config.telemetry_interval),
            twin: Twin::default(),
            calls: Calls::default(),
            large: Large::default(),
            config,
            message_ids: MessageIds::default(),
            patience: Patience::default(),
            has_given_up: false,
            status: Status::Starting,
            report: Report::default(),
            episode: Episode::default(),
            application,
        }
    }

    /// Counters and the last failure, for a status command or a twin.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Status that the indicator should show.
    pub fn status(&self, now: Instant) -> Status {
        match self.control.blink_until {
            Some(end) if now < end && (now.as_millis() / BLINK_HALF).is_multiple_of(2) => {
                Status::Sending
            }
            Some(end) if now < end => Status::Off,
            _ if self.control.dark => Status::Off,
            _ => self.status,
        }
    }

    /// True if the application asked for a restart: what to do after [`run`] has ended.
    pub fn wants_restart(&self) -> bool {
        self.control.restart
    }

    /// True if it ended because it does not believe any more that its hub is the right one.
    pub const fn has_given_up(&self) -> bool {
        self.has_given_up
    }

    /// True if it was asked to stop, also after it had ended for another reason.
    pub const fn was_stopped(&self) -> bool {
        self.stopping
    }

    /// True if the hub ever accepted this device.
    pub const fn was_accepted(&self) -> bool {
        self.patience.was_accepted()
    }

    /// The application on top.
    pub fn application(&mut self) -> &mut A {
        &mut self.application
    }

    /// The MQTT session, for its counters.
    pub fn session(&self) -> &mqtt::Session<'b> {
        &self.session
    }
}
