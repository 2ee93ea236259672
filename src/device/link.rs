//! The life of the connection: which task is next, and what follows from how it ended.

use core::time::Duration;

use zeroize::Zeroize;

use super::attempts::is_sane;
use super::scratch::Scratch;
use super::{CLIENT_TYPE, Config, Device};
use crate::application::Application;
use crate::backoff::{self, Merit};
use crate::failure::{self, Failure};
use crate::failure::{ClockError, ConnectError};
use crate::identity::{Credential, Identity, UserName};
use crate::logging::{info, warn};
use crate::mqtt::{self, PacketId};
use crate::port::{Endpoint, Requests};
use crate::report::Status;
use crate::sas;
use crate::time::{Instant, UnixTime};
use crate::topic::Outbound;

/// Wish of the device for the next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Set the clock and report to [`Device::clock_set`].
    SetClock,
    /// Open a connection to [`Device::endpoint`] and report to [`Device::opened`] or [`Device::not_opened`].
    OpenConnection,
    /// Move bytes both ways and call [`Device::serve`], until the deadline at the latest.
    Exchange {
        /// When to call [`Device::serve`] even if nothing came.
        until: Instant,
    },
    /// Close the connection and report to [`Device::closed_cleanly`].
    CloseConnection,
    /// Nothing to do until then, or until a request.
    Sleep {
        /// When to ask again.
        until: Instant,
    },
    /// The device was asked to stop and has said goodbye.
    End,
}

/// Where in its life the connection is.
#[derive(Clone, Copy, Debug)]
pub(super) enum State {
    /// No connection.
    Offline,
    /// A connection is open.
    Online(Link),
    /// Asked to stop, and stopped.
    Stopped,
}

/// An open connection: mortal, while the session outlives it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    /// When the hub accepted it.
    pub(super) accepted: Option<Instant>,
    /// The hub refused the subscription to the twin's responses.
    pub(super) without_twin: bool,
    /// True once it was of use, besides that it was accepted.
    pub(super) made_progress: bool,
    /// When the SAS token is to be renewed by a planned reconnect.
    pub(super) renew_at: Option<Instant>,
    pub(super) phase: Phase,
}

/// Stages of an open connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
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
pub(super) enum Next {
    /// A new connection with a new token.
    Reconnect,
    /// Nothing.
    Stop,
}

impl<A: Application> Device<'_, A> {
    /// Step to be done now.
    pub fn task(&mut self, now: Instant, unix: Option<UnixTime>, random: u64) -> Task {
        match self.state {
            State::Stopped => Task::End,
            State::Offline => match self.attempts.task(now, unix) {
                Some(Task::Sleep { until }) => Task::Sleep {
                    until: self.earliest(until),
                },
                Some(task) => task,
                None if self.token_has_expired(unix) => {
                    // No handshake for a token that the hub is bound to refuse.
                    self.failed(now, Failure::TokenExpired, Merit::Useless, random);
                    Task::Sleep { until: now }
                }
                None => Task::OpenConnection,
            },
            State::Online(Link {
                phase: Phase::Closing(_),
                ..
            }) if self.session.transmit().is_empty() => Task::CloseConnection,
            State::Online(Link {
                phase: Phase::Running,
                ..
            }) if self.attempts.clock_is_due(now) => Task::SetClock,
            State::Online(link) => Task::Exchange {
                until: self.exchange_deadline(&link, now),
            },
        }
    }

    fn token_has_expired(&self, unix: Option<UnixTime>) -> bool {
        match (self.identity.credential(), unix) {
            (Credential::SasToken(token), Some(unix)) => token.check_expiry(unix).is_err(),
            _ => false,
        }
    }

    /// Where to connect.
    pub fn endpoint(&self) -> Endpoint<'_> {
        let host_name = self.identity.server_name().as_str();
        Endpoint {
            host_name,
            address: self.config.address.unwrap_or(host_name),
            port: self.config.port,
        }
    }

    /// The clock was set, or could not be. `before` is what it showed until then.
    pub fn clock_set(
        &mut self,
        now: Instant,
        before: Option<UnixTime>,
        result: Result<UnixTime, ClockError>,
        random: u64,
    ) {
        if let Err(failure) = self.attempts.clock_set(now, before, result, random) {
            self.failed(now, failure, Merit::Useless, random);
        }
    }

    /// A connection is open: signs the token and queues CONNECT.
    pub fn opened(&mut self, now: Instant, unix: Option<UnixTime>, random: u64) {
        match self.queue_connect(now, unix, random) {
            Ok(renew_at) => {
                self.state = State::Online(Link {
                    accepted: None,
                    without_twin: false,
                    made_progress: false,
                    renew_at,
                    phase: Phase::Connecting,
                });
            }
            Err(failure) => self.failed(now, failure, Merit::Useless, random),
        }
    }

    /// Queues CONNECT and gives the time to renew its token, if it has one that can be renewed.
    fn queue_connect(
        &mut self,
        now: Instant,
        unix: Option<UnixTime>,
        random: u64,
    ) -> Result<Option<Instant>, Failure> {
        let unix = unix
            .filter(|unix| is_sane(Some(*unix)))
            .ok_or(Failure::Clock(ClockError::NoAnswer))?;
        let life = self.config.token_life;
        let mut space = Scratch::new(&mut *self.scratch);
        let client_id = space.render(self.identity.client_id())?;
        let user_name = space.render(user_name(self.identity, &self.config))?;
        let will = match self.config.will {
            Some(payload) => Some(mqtt::Will {
                topic: space.render(Outbound::Telemetry(self.identity))?,
                payload,
                qos: mqtt::QoS::AtLeastOnce,
                retain: false,
            }),
            None => None,
        };
        let (password, renew_at) = match self.identity.credential() {
            Credential::SharedAccessKey(key) => {
                let token = sas::sign(
                    key,
                    self.identity.resource(),
                    unix.after(life),
                    None,
                    space.rest(),
                )?;
                (
                    Some(token.as_bytes()),
                    Some(now.after(renewal(life, random))),
                )
            }
            Credential::SasToken(token) => (Some(token.expose().as_bytes()), None),
            Credential::X509 => (None, None),
        };
        let connect = mqtt::Connect {
            client_id,
            user_name,
            password,
            clean_session: false,
            will,
        };
        let queued = self.session.connect(now, &connect);
        // The token was in there.
        self.scratch.zeroize();
        queued?;
        Ok(renew_at)
    }

    /// No connection could be opened.
    pub fn not_opened(&mut self, now: Instant, error: ConnectError, random: u64) {
        // No failure: the stop follows.
        if error != ConnectError::Cancelled {
            self.failed(now, Failure::Connect(error), Merit::Useless, random);
        }
    }

    /// The hub closed the connection, or it broke, or the session gave up on it.
    pub fn lost(&mut self, now: Instant, failure: Failure, random: u64) {
        self.report.joined = false;
        self.session.disconnected();
        match self.state {
            // It was about to end anyway.
            State::Online(Link {
                phase: Phase::Draining { then: next, .. } | Phase::Closing(next),
                ..
            }) => self.said_goodbye(now, next),
            State::Online(_) if self.control.restart => self.said_goodbye(now, Next::Stop),
            State::Online(link) => {
                let merit = self.link_ended(&link, now);
                self.failed(now, failure, merit, random);
            }
            State::Offline | State::Stopped => {}
        }
    }

    /// The connection was closed after [`Task::CloseConnection`].
    pub fn closed_cleanly(&mut self, now: Instant) {
        self.report.joined = false;
        self.session.disconnected();
        if let State::Online(
            link @ Link {
                phase: Phase::Closing(next),
                ..
            },
        ) = self.state
        {
            self.link_ended(&link, now);
            self.said_goodbye(now, next);
        }
    }

    /// Tells the back-off of a link that ended.
    fn link_ended(&mut self, link: &Link, now: Instant) -> Merit {
        match link.accepted {
            Some(accepted) => {
                let age = now.since(accepted);
                self.attempts.link_ended(age, link.made_progress)
            }
            None => Merit::Useless,
        }
    }

    /// The open connection is of use: the hub took a message of this device, or gave it something to do. The
    /// twin's part of each connect is not counted: it succeeds too where the first message ends the connection.
    pub(super) fn made_progress(&mut self) {
        if let State::Online(link) = &mut self.state {
            link.made_progress = true;
        }
    }

    fn said_goodbye(&mut self, now: Instant, next: Next) {
        self.state = match next {
            Next::Reconnect => {
                self.report.renewals = self.report.renewals.saturating_add(1);
                self.attempts.hurry(now);
                State::Offline
            }
            Next::Stop => return self.stopped(),
        };
    }

    /// Takes what a person or another thread asked for.
    pub fn requested(&mut self, now: Instant, requests: Requests) {
        if requests.send_now {
            self.send_now(now);
        }
        if requests.retry_now || requests.reconnect {
            self.attempts.hurry(now);
        }
        if let State::Online(link) = self.state
            && requests.reconnect
            && !matches!(link.phase, Phase::Draining { .. } | Phase::Closing(_))
        {
            self.drain(now, link);
        }
        if requests.stop {
            self.stop(now);
        }
    }

    /// Starts a planned reconnect: what is under way gets its PUBACK first, what is not stays in the outbox.
    pub(super) fn drain(&mut self, now: Instant, mut link: Link) {
        self.session.set_hold(true);
        link.phase = Phase::Draining {
            until: now.after(super::DRAIN_TIMEOUT),
            then: Next::Reconnect,
        };
        self.state = State::Online(link);
    }

    /// Starts to end: nothing more is measured, and what is queued is sent while there is time, if there is a
    /// connection.
    pub(super) fn stop(&mut self, now: Instant) {
        self.stopping = true;
        match self.state {
            State::Offline => self.stopped(),
            State::Online(link) => self.stop_online(now, link),
            State::Stopped => {}
        }
    }

    fn stop_online(&mut self, now: Instant, mut link: Link) {
        match &mut link.phase {
            // Asked for before: that time holds.
            Phase::Draining {
                then: Next::Stop, ..
            } => {}
            Phase::Closing(next) => *next = Next::Stop,
            phase => {
                let (queued, time) = (self.session.outbox_count(), self.config.stop_timeout);
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
        self.state = State::Online(link);
    }

    /// The device has ended: says how many messages it leaves.
    fn stopped(&mut self) {
        self.state = State::Stopped;
        self.end_episode();
        self.observe_session();
        match self.report.queued {
            0 => {}
            queued => warn!("stopped: {queued} messages stay behind in the queue"),
        }
    }

    fn failed(&mut self, now: Instant, failure: Failure, merit: Merit, random: u64) {
        self.attempts.failed(now, failure, merit, random);
        self.report.failures = self.report.failures.saturating_add(1);
        self.report.last_failure = self.attempts.last_failure();
        self.set_status(Status::Failed);
        self.patience.failed(now, &failure);
        let limits = self.config.gives_up.as_ref();
        self.has_given_up = limits.is_some_and(|limits| self.patience.is_exhausted(now, limits));
        self.state = if self.has_given_up {
            State::Stopped
        } else {
            State::Offline
        };
    }

    /// The kind of credential in use, for the advice in a failure.
    pub(super) fn credential_kind(&self) -> failure::Credential {
        match self.identity.credential() {
            Credential::SharedAccessKey(_) => failure::Credential::SharedAccessKey,
            Credential::SasToken(_) => failure::Credential::SasToken,
            Credential::X509 => failure::Credential::X509,
        }
    }
}

/// A random point between 70 and 85 % of a token's life, so that a fleet that was started together does
/// not renew together.
fn renewal(life: Duration, random: u64) -> Duration {
    let twentieth = life / 20;
    twentieth * 14 + backoff::scale(twentieth * 3, random)
}

/// With the software's name, and the model if there is one.
fn user_name<'a>(identity: &'a Identity, config: &Config<'a>) -> UserName<'a> {
    let user_name = identity.user_name().client_type(CLIENT_TYPE);
    match config.model_id {
        Some(model_id) => user_name.model_id(model_id),
        None => user_name,
    }
}
