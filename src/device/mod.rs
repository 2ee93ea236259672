//! Work of a device on its hub: telemetry, cloud-to-device messages, the twin and direct methods.
//!
//! [`Device`] is a [`Work`](crate::connection::Work) without I/O, on a [`Connection`] that is opened again for ever. Both
//! together are a [`Machine`], which [`connection::run`](crate::connection::run) drives.
//!
//! Limits: messages live in the session's outbox, which outlives connections, and behind it in a [`crate::queue`] that
//! outlives restarts, if there is one; the ready-made SAS token cannot be renewed here.

mod awaited;
mod carryover;
mod connect;
mod dropped;
mod durable;
mod envelope;
mod exchange;
mod large;
mod methods;
mod patience;
mod properties;
mod subscription;
mod telemetry;
#[cfg(test)]
pub(crate) mod tests;
mod twin;
mod updates;

use alloc::boxed::Box;
use core::time::Duration;

use self::awaited::Awaited;
pub use self::carryover::Carryover;
use self::connect::credential_kind;
use self::dropped::Episode;
use self::durable::Durable;
pub use self::envelope::TELEMETRY_TOPIC_SIZE;
use self::envelope::{MessageIds, TopicStart};
use self::large::Large;
use self::methods::Calls;
pub use self::patience::GiveUp;
use self::patience::Patience;
use self::properties::names;
use self::twin::Twin;
use self::updates::Updating;
use crate::application::{Application, Control};
use crate::backoff;
use crate::connection::{Buffers, Connection, Machine, Settings};
use crate::identity::Identity;
use crate::mqtt::{self, RequestError};
use crate::port::{Endpoint, SensorError};
use crate::queue;
use crate::report::Facts;

/// Milliseconds of light, and of darkness, while the indicator blinks.
const BLINK_HALF: u64 = 250;

/// Default of [`Config::stop_timeout`].
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// Default of [`Config::most_awaited`].
const MOST_AWAITED: usize = 8;

/// Settings that an engineer makes.
#[derive(Clone, Debug)]
pub struct Config<'a> {
    /// Address to connect to, such as that of a gateway or a local hub; `None` for the identity's host name.
    pub address: Option<&'a str>,
    /// TCP port. Default 8883.
    pub port: u16,
    /// Life of a SAS token that the device signs. Default 24 h: each renewal is a full TLS handshake, and
    /// IoT Hub does not limit the expiry.
    pub token_life: Duration,
    /// Time between the messages of each stream that has no interval of its own; `None` sends them on request only.
    /// Default 60 s.
    pub telemetry_interval: Option<Duration>,
    /// Messages of other threads whose outcome may be awaited at a time. Default 8.
    pub most_awaited: usize,
    /// Facts that the platform knows about the device. Default none.
    pub facts: Facts,
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
    /// Software updates, if the device takes any.
    #[cfg(feature = "update")]
    pub update: Option<crate::update::Settings<'a>>,
    /// Times of sessions with the provisioning service about updates: [`crate::lifecycle`] sets this.
    #[cfg(feature = "update-dps")]
    pub update_sessions: Option<crate::update::SessionsDue>,
    /// Limits after which the device gives up its hub and ends, to be provisioned again. `None` never ends it:
    /// [`crate::lifecycle`] sets this.
    pub gives_up: Option<GiveUp>,
    /// Waits between attempts.
    pub backoff: backoff::Config,
    /// MQTT's own times and limits.
    pub mqtt: mqtt::Config,
    /// The queue behind the outbox, if the platform has one ([`crate::port::Platform::queue`]).
    pub queue: queue::Config,
}

impl Default for Config<'_> {
    fn default() -> Self {
        Self {
            address: None,
            port: 8883,
            token_life: Duration::from_secs(24 * 3600),
            telemetry_interval: Some(Duration::from_secs(60)),
            most_awaited: MOST_AWAITED,
            facts: Facts::default(),
            model_id: None,
            will: None,
            twin: true,
            stop_timeout: STOP_TIMEOUT,
            #[cfg(feature = "update")]
            update: None,
            #[cfg(feature = "update-dps")]
            update_sessions: None,
            gives_up: None,
            backoff: backoff::Config::default(),
            mqtt: mqtt::Config::default(),
            queue: queue::Config::default(),
        }
    }
}

/// A device on its hub: telemetry, twin, methods, and the application on top. Its connection is beside it, in a
/// [`Machine`].
pub struct Device<'b, A> {
    identity: &'b Identity,
    options: Options<'b>,
    /// True from CONNACK to the end of the connection.
    joined: bool,
    control: Control,
    twin: Twin<'b>,
    calls: Calls,
    updating: Updating<'b>,
    large: Large,
    message_ids: MessageIds,
    topic_start: TopicStart,
    awaited: Awaited,
    /// In a box: a device is moved several times, and each move has it on the stack twice.
    durable: Box<Durable>,
    sensor_failed: Option<SensorError>,
    patience: Patience,
    has_given_up: bool,
    episode: Episode,
    application: A,
}

/// Part of the [`Config`] that a device needs after its start.
#[derive(Clone, Copy, Debug)]
struct Options<'b> {
    token_life: Duration,
    model_id: Option<&'b str>,
    will: Option<&'b [u8]>,
    twin: bool,
    gives_up: Option<GiveUp>,
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
    ) -> Result<Machine<'b, Self>, RequestError> {
        let session = mqtt::Session::new(config.mqtt.clone(), buffers.mqtt)?;
        let spaces = (buffers.scratch, buffers.twin);
        Ok(Self::with_session(
            identity,
            &config,
            session,
            spaces,
            application,
        ))
    }

    fn with_session(
        identity: &'b Identity,
        config: &Config<'b>,
        session: mqtt::Session<'b>,
        (scratch, twin_space): (&'b mut [u8], &'b mut [u8]),
        application: A,
    ) -> Machine<'b, Self> {
        let host_name = identity.server_name().as_str();
        let settings = Settings {
            endpoint: Endpoint {
                host_name,
                address: config.address.unwrap_or(host_name),
                port: config.port,
            },
            credential: credential_kind(identity),
            stop_timeout: config.stop_timeout,
        };
        // In one expression: each part of it that has a name of its own is on the stack twice.
        Machine {
            connection: Connection::new(settings, config.backoff, session, scratch),
            work: Self {
                identity,
                joined: false,
                control: Control::new::<A>(config.telemetry_interval, config.facts),
                twin: Twin::new(twin_space, names::<A>()),
                calls: Calls::default(),
                updating: Updating::new(config),
                large: Large::default(),
                options: Options {
                    token_life: config.token_life,
                    model_id: config.model_id,
                    will: config.will,
                    twin: config.twin,
                    gives_up: config.gives_up,
                },
                message_ids: MessageIds::default(),
                topic_start: TopicStart::default(),
                awaited: Awaited::new(config.most_awaited),
                durable: Box::new(Durable::new(config.queue, config.mqtt.max_in_flight)),
                sensor_failed: None,
                patience: Patience::default(),
                has_given_up: false,
                episode: Episode::default(),
                application,
            },
        }
    }

    /// The application on top.
    pub const fn application(&self) -> &A {
        &self.application
    }

    /// True if the application asked for a restart: what to do after the device has ended.
    pub const fn wants_restart(&self) -> bool {
        self.control.restart
    }

    /// True if it ended because it does not believe any more that its hub is the right one.
    pub const fn has_given_up(&self) -> bool {
        self.has_given_up
    }

    /// True if it ended for a session with the provisioning service about updates.
    #[cfg(feature = "update-dps")]
    pub(crate) const fn wants_session(&self) -> bool {
        self.updating.wants_session() && !self.control.restart
    }

    /// True if the hub ever accepted this device.
    pub const fn was_accepted(&self) -> bool {
        self.patience.was_accepted()
    }
}

impl<A> Machine<'_, Device<'_, A>> {
    /// The application on top.
    pub const fn application(&mut self) -> &mut A {
        &mut self.work.application
    }
}
