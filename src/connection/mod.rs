//! One connection at a time, opened again for ever, and the work on it.
//!
//! A [`Connection`] owns what any work on a server of IoT Hub's needs: the MQTT session, the attempts and their waits,
//! the phase of the open connection, the scratch buffer and the counters. The [`Work`] decides what is sent and what
//! follows from what comes: a [`Device`](crate::device::Device) on its hub, or a
//! [`Registration`](crate::provisioning::Registration) with the provisioning service. Both together are a [`Machine`].
//! It does no I/O: it says what to do next ([`Machine::task`]), is told what came of it, and is driven by [`run`] over
//! the ports of [`crate::port`], or on an executor by `run_async` (feature `async`):
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
//! Limits: one connection at a time.

mod attempts;
mod machine;
mod repetition;
mod run;
#[cfg(feature = "async")]
mod run_async;
mod scratch;
pub mod silence;
mod steps;
#[cfg(test)]
mod tests;
mod work;

use core::time::Duration;

use self::attempts::Attempts;
pub use self::machine::Machine;
pub(crate) use self::run::random;
pub use self::run::run;
#[cfg(feature = "async")]
pub use self::run_async::run_async;
pub(crate) use self::scratch::Scratch;
pub use self::work::{Task, Work};
use crate::backoff::{self, Merit};
use crate::failure::{CredentialKind, Failure};
use crate::logging::info;
use crate::mqtt::{self, PacketId};
use crate::port::Endpoint;
use crate::report::Report;
use crate::time::Instant;

/// Name of this software that the hub's operator sees: the user name's `DeviceClientType`.
pub(crate) const CLIENT_TYPE: &str = concat!("azure-device/", env!("CARGO_PKG_VERSION"));

/// Time that a planned reconnect waits for PUBACKs. What is not acknowledged by then is sent again.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// The memory that a machine works in. Sizes are in bytes.
#[derive(Debug)]
pub struct Buffers<'b> {
    /// The MQTT session's buffers.
    pub mqtt: mqtt::Buffers<'b>,
    /// For the texts of a CONNECT packet (client id, user name, will topic, SAS token), and for a message's
    /// topic and payload while they are written: 1,024 serve ids of usual length and a payload of 512.
    pub scratch: &'b mut [u8],
    /// For the desired values of the application's properties, as JSON, all together. They wait here until the
    /// twin has been read to its end. A value that does not fit is refused with status 413. 65,535 bytes at most
    /// are used, and no twin needs more.
    pub twin: &'b mut [u8],
}

impl Buffers<'_> {
    /// The same memory without the outbox, lent for a shorter time: its user leaves the messages alone.
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

/// Settings of a connection that its work makes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings<'b> {
    /// Server to connect to.
    pub(crate) endpoint: Endpoint<'b>,
    /// The kind of credential in use, for the advice in a failure.
    pub(crate) credential: CredentialKind,
    /// The longest time that a stop takes to send what is queued.
    pub(crate) stop_timeout: Duration,
}

/// A durable MQTT session, and the mortal connections below it.
#[derive(Debug)]
pub struct Connection<'b> {
    pub(crate) session: mqtt::Session<'b>,
    /// For texts that live shortly.
    pub(crate) scratch: &'b mut [u8],
    pub(crate) report: Report,
    settings: Settings<'b>,
    attempts: Attempts,
    state: State,
    /// Asked to stop: nothing more is measured.
    stopping: bool,
    /// Somebody asked for it: not the work by itself.
    asked_to_stop: bool,
}

/// Stage of its life.
#[derive(Clone, Copy, Debug)]
enum State {
    /// No connection.
    Offline,
    /// A connection is open.
    Online(Link),
    /// The work has ended.
    Ended,
}

/// An open connection: mortal, while the session outlives it.
#[derive(Clone, Copy, Debug)]
struct Link {
    /// Time at which the hub accepted the device; `None` before that.
    joined: Option<Instant>,
    /// True once it was of use, besides that it was accepted.
    made_progress: bool,
    /// Time at which the SAS token is to be renewed by a planned reconnect; `None` if it need not be.
    renew_at: Option<Instant>,
    phase: Phase,
}

/// Stages of an open connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// CONNECT is on its way.
    Connecting,
    /// SUBSCRIBE with this packet id is on its way.
    Subscribing(PacketId),
    /// Everything is set up.
    Running,
    /// Until then at most, PUBACKs are awaited: before a reconnect of the messages under way, and no new one
    /// starts; before a stop of all that are queued.
    Draining { until: Instant, then: Next },
    /// DISCONNECT is on its way.
    Closing(Next),
}

/// Sequel of a planned goodbye.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// A new connection with a new token.
    Reconnect,
    /// Nothing.
    Stop,
}

impl<'b> Connection<'b> {
    pub(crate) fn new(
        settings: Settings<'b>,
        backoff: backoff::Config,
        session: mqtt::Session<'b>,
        scratch: &'b mut [u8],
    ) -> Self {
        Self {
            session,
            scratch,
            report: Report::default(),
            settings,
            attempts: Attempts::new(backoff),
            state: State::Offline,
            stopping: false,
            asked_to_stop: false,
        }
    }

    /// Counters and the last failure.
    pub const fn report(&self) -> &Report {
        &self.report
    }

    /// The MQTT session, for its counters.
    pub const fn session(&self) -> &mqtt::Session<'b> {
        &self.session
    }

    /// Bytes to send now; empty if there are none.
    pub fn transmit(&mut self) -> &[u8] {
        self.session.transmit()
    }

    /// That many of [`Connection::transmit`]'s bytes were sent.
    pub fn transmitted(&mut self, count: usize, now: Instant) {
        self.session.transmitted(count, now);
    }

    /// Room for received bytes; empty if nothing more is wanted for now.
    pub fn receive_buffer(&mut self) -> &mut [u8] {
        self.session.receive_buffer()
    }

    /// That many bytes were put into [`Connection::receive_buffer`].
    pub fn received(&mut self, count: usize, now: Instant) {
        self.session.received(count, now);
    }
}

/// Methods for a [`Work`] on its connection.
impl Connection<'_> {
    /// True if everything is set up, and no goodbye is planned.
    pub(crate) const fn is_running(&self) -> bool {
        matches!(
            self.state,
            State::Online(Link {
                phase: Phase::Running,
                ..
            })
        )
    }

    /// True if the outbox may have no room for the next message: the scratch buffer is as long as the longest one.
    pub(crate) fn is_tight(&self) -> bool {
        let longest = self.scratch.len().min(self.session.outbox_size() / 2);
        self.session.outbox_free() < longest
    }

    /// True if the work has ended since somebody wanted that: by a stop, or for a restart.
    pub(crate) const fn has_stopped(&self) -> bool {
        matches!(self.state, State::Ended) && self.stopping
    }

    /// True if no connection is open.
    pub(crate) const fn is_offline(&self) -> bool {
        matches!(self.state, State::Offline)
    }

    /// True if it was asked to stop.
    pub(crate) const fn is_stopping(&self) -> bool {
        self.stopping
    }

    /// Reason why the last attempt failed, if it did.
    pub(crate) const fn last_failure(&self) -> Option<Failure> {
        self.attempts.last_failure()
    }

    /// CONNACK came, and this SUBSCRIBE is on its way. True if nothing is awaited, so that the connection is set up.
    pub(crate) fn accepted(&mut self, subscribing: Option<PacketId>) -> bool {
        let State::Online(link) = &mut self.state else {
            return false;
        };
        if link.phase == Phase::Connecting {
            link.phase = subscribing.map_or(Phase::Running, Phase::Subscribing);
        }
        link.phase == Phase::Running
    }

    /// SUBACK came for this packet. True if it was awaited, so that the connection is set up.
    pub(crate) fn subscribed(&mut self, packet_id: PacketId) -> bool {
        let State::Online(link) = &mut self.state else {
            return false;
        };
        let awaited = link.phase == Phase::Subscribing(packet_id);
        if awaited {
            link.phase = Phase::Running;
        }
        awaited
    }

    /// A hub accepted the device: the connection counts.
    pub(crate) fn joined(&mut self, now: Instant) {
        self.report.joined = true;
        self.report.connections = self.report.connections.saturating_add(1);
        self.session.set_hold(false);
        if let State::Online(link) = &mut self.state {
            link.joined = Some(now);
        }
    }

    /// The open connection is of use: the hub took a message of this device, or gave it something to do. The
    /// twin's part of each connect is not counted: it succeeds too where the first message ends the connection.
    pub(crate) fn made_progress(&mut self) {
        if let State::Online(link) = &mut self.state {
            link.made_progress = true;
        }
    }

    /// Starts a planned reconnect: what is under way gets its PUBACK first, what is not stays in the outbox.
    pub(crate) fn reconnect(&mut self, now: Instant) {
        if let State::Online(link) = &mut self.state
            && !matches!(link.phase, Phase::Draining { .. } | Phase::Closing(_))
        {
            self.session.set_hold(true);
            link.phase = Phase::Draining {
                until: now.after(DRAIN_TIMEOUT),
                then: Next::Reconnect,
            };
        }
    }

    /// Starts to say goodbye: what is queued is sent while there is time.
    fn stop_online(&mut self, now: Instant) {
        let State::Online(link) = &mut self.state else {
            return;
        };
        match &mut link.phase {
            // Asked for before: that time holds.
            Phase::Draining {
                then: Next::Stop, ..
            } => {}
            Phase::Closing(next) => *next = Next::Stop,
            phase => {
                let (queued, time) = (self.session.outbox_count(), self.settings.stop_timeout);
                if queued > 0 {
                    info!(
                        "stopping: sending {queued} queued messages, for {} s at most",
                        time.as_secs()
                    );
                }
                self.session.set_hold(false);
                *phase = Phase::Draining {
                    until: now.after(time),
                    then: Next::Stop,
                };
            }
        }
    }

    /// True if nothing is left of what is awaited before a planned goodbye.
    fn is_drained(&self, then: Next) -> bool {
        match then {
            Next::Reconnect => self.session.in_flight() == 0,
            Next::Stop => self.session.outbox_count() == 0,
        }
    }

    /// Notes in the back-off that a link ended; gives what it was worth.
    fn link_ended(&mut self, link: &Link, now: Instant) -> Merit {
        match link.joined {
            Some(joined) => {
                let age = now.since(joined);
                self.attempts.link_ended(age, link.made_progress)
            }
            None => Merit::Useless,
        }
    }
}
