//! The state machine from an id scope to an assignment.

use alloc::string::{String, ToString};
use core::time::Duration;

use super::assignment::Assignment;
use super::config::Config;
use super::enrollment::{Attestation, Enrollment};
use super::response::{Answer, OPERATION_ID_SIZE, retry_after, understand};
use super::updates::Talk;
use crate::connection::{Buffers, Connection, Machine, Settings, Work};
use crate::failure::{self, Failure, ProvisioningFailure, Reaction};
use crate::json::Value;
use crate::logging::{debug, info, warn};
use crate::mqtt::{self, Event, Message, QoS, RequestError};
use crate::port::{Endpoint, Requests};
use crate::report::{Report, Status};
use crate::text::render;
use crate::time::{Instant, Moment};
use crate::topic::{Filter, Inbound};

/// Time that one registration may take, as in Microsoft's device SDK for C.
const REGISTRATION_TIMEOUT: Duration = Duration::from_secs(300);
/// Stage of the registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing is asked, and nothing is due.
    Idle,
    /// A question waits for its answer.
    Asked { id: u32, until: Instant },
    /// The next question is due then.
    Waiting { until: Instant },
}

/// Work of a device that is being provisioned.
#[derive(Debug)]
pub struct Registration<'b> {
    pub(super) enrollment: &'b Enrollment,
    /// JSON for a custom allocation policy.
    pub(super) payload: Option<Value<'b>>,
    pub(super) state: State,
    /// Time at which this registration has taken too long.
    deadline: Instant,
    /// Failures from now on after which it ends without an assignment.
    patience: Option<u32>,
    asked_to_send: bool,
    pub(super) last_id: u32,
    pub(super) operation_id: Option<String>,
    pub(super) talk: Talk<'b>,
    /// A large answer about updates is being read.
    is_large: bool,
    /// All has been said about updates, and nothing else is wanted.
    is_talked: bool,
    assignment: Option<Assignment>,
}

impl<'b> Registration<'b> {
    /// A device that has not asked yet.
    ///
    /// # Errors
    ///
    /// A buffer that is too small, or a keep-alive interval that is too long.
    pub fn new(
        enrollment: &'b Enrollment,
        config: Config<'b>,
        buffers: Buffers<'b>,
    ) -> Result<Machine<'b, Self>, RequestError> {
        let session = mqtt::Session::new(config.mqtt.clone(), buffers.mqtt)?;
        let host_name = config.host_name;
        let settings = Settings {
            endpoint: Endpoint {
                host_name,
                address: config.address.unwrap_or(host_name),
                port: config.port,
            },
            credential: match enrollment.attestation() {
                Attestation::SymmetricKey(_) => failure::CredentialKind::RegistrationKey,
                Attestation::X509 => failure::CredentialKind::RegistrationCertificate,
            },
            // Nothing is queued here that a stop could wait for.
            stop_timeout: Duration::ZERO,
        };
        Ok(Machine {
            connection: Connection::new(settings, config.backoff, session, buffers.scratch),
            work: Self {
                enrollment,
                payload: config.payload,
                state: State::Idle,
                deadline: Instant::default(),
                patience: None,
                asked_to_send: false,
                last_id: 0,
                operation_id: None,
                talk: Talk::default(),
                is_large: false,
                is_talked: false,
                assignment: None,
            },
        })
    }

    /// True if a message was wanted meanwhile, which only a device can measure.
    pub const fn was_asked_to_send(&self) -> bool {
        self.asked_to_send
    }

    fn handle_answer(
        &mut self,
        connection: &mut Connection<'_>,
        message: &Message,
        now: Instant,
    ) -> Result<(), Failure> {
        let Inbound::DpsResponse {
            status,
            request_id,
            retry_after: wait,
        } = Inbound::parse_dps(message.topic())
        else {
            ignore(connection, "a message on an unknown topic");
            return Ok(());
        };
        match self.state {
            State::Asked { id, .. } if request_id.parse() == Ok(id) => {}
            _ => {
                ignore(connection, "an answer to no question");
                return Ok(());
            }
        }
        if self.talk.is_asking() {
            self.talk.begin_answer(status, wait);
            self.talk.feed(message.payload());
            self.answer_about_updates(now);
            return Ok(());
        }
        match understand(status, wait, message.payload()) {
            Ok(Answer::Assigning {
                operation_id,
                retry_after,
            }) => {
                if let Some(id) = operation_id.filter(|id| id.chars().count() <= OPERATION_ID_SIZE)
                {
                    self.operation_id = Some(id.to_string());
                }
                info!("provisioning: the service is assigning a hub");
                self.state = State::Waiting {
                    until: now.after(retry_after),
                };
            }
            Ok(Answer::Assigned(assignment)) => {
                info!(
                    "provisioning: assigned to {} as {}",
                    assignment.host_name, assignment.device_id
                );
                self.assignment = Some(assignment);
                self.state = State::Idle;
            }
            // Throttled while it is going on: the same connection can ask again.
            Err(ProvisioningFailure::Busy(status)) => {
                warn!("provisioning: {}", ProvisioningFailure::Busy(status));
                self.state = State::Waiting {
                    until: now.after(retry_after(wait)),
                };
            }
            Err(failure) => return Err(Failure::Provisioning(failure)),
        }
        Ok(())
    }

    /// An answer about updates is complete.
    fn answer_about_updates(&mut self, now: Instant) {
        let until = self.talk.end_answer(now);
        self.state = State::Waiting { until };
    }

    /// An answer begins that does not fit the receive buffer: one about updates is read in pieces.
    fn begin_large_answer(
        &mut self,
        connection: &mut Connection<'_>,
        message: &Message,
        size: usize,
    ) -> Result<(), Failure> {
        let Inbound::DpsResponse {
            status,
            request_id,
            retry_after: wait,
        } = Inbound::parse_dps(message.topic())
        else {
            ignore(connection, "a message on an unknown topic");
            return Ok(());
        };
        match self.state {
            State::Asked { id, .. } if request_id.parse() == Ok(id) && self.talk.is_asking() => {
                self.talk.begin_answer(status, wait);
                self.is_large = true;
                Ok(())
            }
            State::Asked { id, .. } if request_id.parse() == Ok(id) => {
                let buffer = connection.session.receive_buffer_size();
                let failure = ProvisioningFailure::TooLarge { size, buffer };
                Err(Failure::Provisioning(failure))
            }
            _ => {
                ignore(connection, "an answer to no question");
                Ok(())
            }
        }
    }
}

impl<'b> Machine<'_, Registration<'b>> {
    /// Ends after so many failures, or one that only a person can fix: the device has an assignment to go on with.
    pub const fn give_up_after(&mut self, failures: u32) {
        self.work.patience = Some(failures);
    }

    /// The result; `None` if it was asked to stop, or gave up, before there was one.
    /// Gives it once: the machine stays where it is, since a move would have room for a second one.
    pub const fn take_assignment(&mut self) -> Option<Assignment> {
        self.work.assignment.take()
    }

    /// Has updates be talked of, before the registration or instead of it.
    #[cfg(feature = "update-dps")]
    pub(crate) fn set_talk(&mut self, talk: Talk<'b>) {
        self.work.talk = talk;
    }

    /// Result of the talk of updates.
    #[cfg(feature = "update-dps")]
    pub(crate) fn take_talk(&mut self) -> Talk<'b> {
        core::mem::take(&mut self.work.talk)
    }

    /// Goes on counting from this report.
    pub(crate) const fn set_report(&mut self, mut report: Report) {
        (report.joined, report.status) = (false, Status::Starting);
        self.connection.report = report;
    }
}

impl Work for Registration<'_> {
    fn connect(
        &mut self,
        connection: &mut Connection<'_>,
        at: &Moment,
    ) -> Result<Option<Instant>, Failure> {
        self.state = State::Idle;
        self.is_large = false;
        self.queue_connect(connection, at).map(|()| None)
    }

    fn handle(
        &mut self,
        connection: &mut Connection<'_>,
        event: Event,
        at: &Moment,
    ) -> Result<(), Failure> {
        match event {
            Event::Connected { .. } => {
                let filter = render(&mut *connection.scratch, Filter::DpsResponses)?;
                let subscribing = connection
                    .session
                    .subscribe(&[(filter, QoS::AtLeastOnce)])?;
                connection.accepted(Some(subscribing));
            }
            Event::Subscribed { granted, .. } if !granted.all() => {
                return Err(Failure::SubscriptionRefused);
            }
            Event::Subscribed { packet_id, .. } if connection.subscribed(packet_id) => {
                self.deadline = at.now.after(REGISTRATION_TIMEOUT);
                self.operation_id = None;
                self.talk.begin(at.now);
                self.state = State::Waiting { until: at.now };
            }
            Event::Message(message) => {
                if let Some(token) = message.ack() {
                    connection.session.acknowledge(token);
                }
                self.handle_answer(connection, &message, at.now)?;
            }
            Event::LargeMessage { message, size } => {
                return self.begin_large_answer(connection, &message, size);
            }
            Event::Piece if self.is_large => self.talk.feed(connection.session.piece()),
            Event::LargeMessageEnd { ack } => {
                if core::mem::take(&mut self.is_large) {
                    self.answer_about_updates(at.now);
                }
                if let Some(token) = ack {
                    connection.session.acknowledge(token);
                }
            }
            Event::MessageTooLarge { size } => {
                let ignored = &mut connection.report.messages_ignored;
                *ignored = ignored.saturating_add(1);
                warn!(
                    "provisioning: passed over a message of {size} bytes: its topic does not fit the receive buffer"
                );
            }
            _ => {}
        }
        Ok(())
    }

    fn poll(&mut self, connection: &mut Connection<'_>, at: &Moment) -> Result<(), Failure> {
        if !connection.is_running() {
            return Ok(());
        }
        let timeout = Failure::Provisioning(ProvisioningFailure::Timeout);
        match self.state {
            State::Asked { .. } | State::Waiting { .. } if at.now >= self.deadline => Err(timeout),
            State::Asked { until, .. } if at.now >= until => match self.talk.timed_out() {
                true => {
                    self.state = State::Waiting { until: at.now };
                    Ok(())
                }
                false => Err(timeout),
            },
            State::Waiting { until } if at.now >= until && self.talk.is_due(at.now) => {
                self.ask_for_updates(connection, at.now)
            }
            State::Waiting { .. } if self.talk.is_only_purpose() => {
                self.is_talked = true;
                Ok(())
            }
            State::Waiting { until } if at.now >= until => self.ask(connection, at.now),
            _ => Ok(()),
        }
    }

    fn deadline(&self, _connection: &Connection<'_>, _now: Instant) -> Option<Instant> {
        match self.state {
            State::Asked { until, .. } | State::Waiting { until } => Some(until.min(self.deadline)),
            State::Idle => None,
        }
    }

    fn is_done(&self) -> bool {
        self.assignment.is_some() || self.is_talked
    }

    fn failed(
        &mut self,
        _connection: &mut Connection<'_>,
        _at: &Moment,
        failure: &Failure,
    ) -> bool {
        self.patience = self.patience.map(|failures| failures.saturating_sub(1));
        self.patience.is_some_and(|failures| {
            failures == 0 || failure.reaction() == Reaction::WaitForOperator
        })
    }

    fn requested(&mut self, _connection: &mut Connection<'_>, _at: &Moment, requests: Requests) {
        self.asked_to_send |= requests.send_now;
    }

    fn status(&self, connection: &Connection<'_>, _now: Instant) -> Status {
        match connection.last_failure() {
            Some(_) if connection.is_offline() => Status::Failed,
            _ => Status::Starting,
        }
    }
}

/// Counts a message that made no sense.
fn ignore(connection: &mut Connection<'_>, what: &str) {
    let ignored = &mut connection.report.messages_ignored;
    *ignored = ignored.saturating_add(1);
    debug!("provisioning: passed over {what}");
}
