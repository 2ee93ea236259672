//! The state machine from an id scope to an assignment.

use alloc::string::{String, ToString};
use core::time::Duration;

use zeroize::Zeroize;

use super::assignment::Assignment;
use super::enrollment::{Attestation, Enrollment, GLOBAL_ENDPOINT};
use super::response::{Answer, OPERATION_ID_SIZE, retry_after, understand};
use crate::backoff::{self, Merit};
use crate::device::{Attempts, Buffers, CLIENT_TYPE, Machine, Scratch, Task, is_sane};
use crate::failure::ProvisioningFailure;
use crate::failure::{self, Failure, Reaction};
use crate::failure::{ClockError, ConnectError};
use crate::json::{Object, Value};
use crate::logging::{debug, info, warn};
use crate::mqtt::{self, Event, Message, QoS, RequestError};
use crate::port::{Endpoint, Requests, Sensor};
use crate::report::Report;
use crate::report::Status;
use crate::sas::{self, REGISTRATION_POLICY};
use crate::text::{Text, render};
use crate::time::{Instant, UnixTime};
use crate::topic::{Filter, Inbound, Outbound};

/// Time that one registration may take, as in Microsoft's device SDK for C.
const REGISTRATION_TIMEOUT: Duration = Duration::from_secs(300);
/// Time that one answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// Life of a token: it serves one registration.
const TOKEN_LIFE: Duration = Duration::from_secs(3600);
/// The part of the scratch buffer, in bytes, that a topic takes.
const TOPIC_SIZE: usize = 96 + 3 * OPERATION_ID_SIZE;

/// Settings that an engineer makes.
#[derive(Clone, Debug)]
pub struct Config<'a> {
    /// The service's name. Default [`GLOBAL_ENDPOINT`].
    pub host_name: &'a str,
    /// Where to connect if not to that name.
    pub address: Option<&'a str>,
    /// TCP port. Default 8883.
    pub port: u16,
    /// JSON for a custom allocation policy.
    pub payload: Option<Value<'a>>,
    /// Time for which a device with an assignment goes on without its hub before the service is asked for
    /// another one: at least this, at most twice as long. Default 4 h.
    pub reprovision_after: Duration,
    /// Waits between attempts.
    pub backoff: backoff::Config,
    /// MQTT's own times and limits.
    pub mqtt: mqtt::Config,
}

impl Default for Config<'_> {
    fn default() -> Self {
        Self {
            host_name: GLOBAL_ENDPOINT,
            address: None,
            port: 8883,
            payload: None,
            reprovision_after: Duration::from_secs(4 * 3600),
            backoff: backoff::Config::default(),
            mqtt: mqtt::Config::default(),
        }
    }
}

/// Where the registration is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Offline,
    /// CONNECT is on its way.
    Connecting,
    /// SUBSCRIBE is on its way.
    Subscribing,
    /// A question waits for its answer.
    Asked {
        id: u32,
        until: Instant,
    },
    /// The next question is due then.
    Waiting {
        until: Instant,
    },
    /// DISCONNECT is on its way.
    Closing,
    Ended,
}

/// A device that is being provisioned.
pub struct Provisioner<'b> {
    enrollment: &'b Enrollment,
    config: Config<'b>,
    session: mqtt::Session<'b>,
    scratch: &'b mut [u8],
    attempts: Attempts,
    report: Report,
    state: State,
    /// When this registration has taken too long.
    deadline: Instant,
    /// Failures from now on after which it ends without an assignment.
    patience: Option<u32>,
    stopped: bool,
    asked_to_send: bool,
    last_id: u32,
    operation_id: Option<String>,
    assignment: Option<Assignment>,
}

impl<'b> Provisioner<'b> {
    /// A device that has not asked yet.
    ///
    /// # Errors
    ///
    /// A buffer that is too small, or a keep-alive interval that is too long.
    pub fn new(
        enrollment: &'b Enrollment,
        config: Config<'b>,
        buffers: Buffers<'b>,
    ) -> Result<Self, RequestError> {
        Ok(Self {
            enrollment,
            session: mqtt::Session::new(config.mqtt.clone(), buffers.mqtt)?,
            scratch: buffers.scratch,
            attempts: Attempts::new(config.backoff),
            report: Report::default(),
            config,
            state: State::Offline,
            deadline: Instant::default(),
            patience: None,
            stopped: false,
            asked_to_send: false,
            last_id: 0,
            operation_id: None,
            assignment: None,
        })
    }

    /// Ends after so many failures, or one that only a person can mend: the device has an assignment to go on
    /// with.
    pub const fn give_up_after(&mut self, failures: u32) {
        self.patience = Some(failures);
    }

    /// The result; `None` if it was asked to stop, or gave up, before there was one.
    pub fn into_assignment(self) -> Option<Assignment> {
        self.assignment
    }

    /// Goes on counting from this report.
    pub(crate) const fn set_report(&mut self, report: Report) {
        self.report = report;
        (self.report.joined, self.report.status) = (false, Status::Starting);
    }

    /// Its counters.
    pub(crate) const fn report(&self) -> &Report {
        &self.report
    }

    /// True if it was asked to stop.
    pub const fn was_stopped(&self) -> bool {
        self.stopped
    }

    /// True if a message was wanted meanwhile, which only a device can measure.
    pub const fn was_asked_to_send(&self) -> bool {
        self.asked_to_send
    }

    /// Reason why the last attempt failed, if it did.
    pub fn last_failure(&self) -> Option<Failure> {
        self.attempts.last_failure()
    }

    fn failed(&mut self, now: Instant, failure: Failure, random: u64) {
        self.attempts.failed(now, failure, Merit::Useless, random);
        self.report.failures = self.report.failures.saturating_add(1);
        self.report.last_failure = self.attempts.last_failure();
        self.patience = self.patience.map(|failures| failures.saturating_sub(1));
        let given_up = self.patience.is_some_and(|failures| {
            failures == 0 || failure.reaction() == Reaction::WaitForOperator
        });
        self.state = if given_up {
            State::Ended
        } else {
            State::Offline
        };
    }

    fn queue_connect(&mut self, now: Instant, unix: Option<UnixTime>) -> Result<(), Failure> {
        let unix = unix.filter(|unix| is_sane(Some(*unix)));
        let unix = unix.ok_or(Failure::Clock(ClockError::NoAnswer))?;
        let mut space = Scratch::new(&mut *self.scratch);
        let user_name = space.render(self.enrollment.user_name(CLIENT_TYPE))?;
        let password = match self.enrollment.attestation() {
            Attestation::SymmetricKey(key) => {
                let resource = self.enrollment.resource();
                let expiry = unix.after(TOKEN_LIFE);
                Some(sas::sign(
                    key,
                    resource,
                    expiry,
                    Some(REGISTRATION_POLICY),
                    space.rest(),
                )?)
            }
            Attestation::X509 => None,
        };
        let connect = mqtt::Connect {
            client_id: self.enrollment.registration_id().as_str(),
            user_name,
            password: password.map(str::as_bytes),
            // The service keeps no session whatever this says.
            clean_session: true,
            will: None,
        };
        let queued = self.session.connect(now, &connect);
        self.scratch.zeroize();
        Ok(queued?)
    }

    fn handle(&mut self, event: Event, now: Instant) -> Result<(), Failure> {
        match event {
            Event::Connected { .. } => {
                let filter = render(&mut *self.scratch, Filter::DpsResponses)?;
                self.session.subscribe(&[(filter, QoS::AtLeastOnce)])?;
                self.state = State::Subscribing;
            }
            Event::Subscribed { granted, .. } if !granted.all() => {
                return Err(Failure::SubscriptionRefused);
            }
            Event::Subscribed { .. } if self.state == State::Subscribing => {
                self.deadline = now.after(REGISTRATION_TIMEOUT);
                self.operation_id = None;
                self.state = State::Waiting { until: now };
            }
            Event::Message(message) => {
                if let Some(token) = message.ack() {
                    self.session.acknowledge(token);
                }
                self.answered(&message, now)?;
            }
            Event::LargeMessage { message, size } => return self.answered_too_much(&message, size),
            Event::LargeMessageEnd { ack: Some(token) } => self.session.acknowledge(token),
            Event::MessageTooLarge { size } => {
                self.report.messages_ignored = self.report.messages_ignored.saturating_add(1);
                warn!(
                    "provisioning: passed over a message of {size} bytes: its topic does not fit the receive buffer"
                );
            }
            _ => {}
        }
        Ok(())
    }

    /// Counts a message that made no sense.
    fn ignore(&mut self, what: &str) {
        self.report.messages_ignored = self.report.messages_ignored.saturating_add(1);
        debug!("provisioning: passed over {what}");
    }

    /// Asks to be registered, or how it is going.
    fn ask(&mut self, now: Instant) -> Result<(), Failure> {
        let too_small = Failure::Scratch(crate::text::Overflow {
            capacity: self.scratch.len(),
        });
        let (topic, payload) = self
            .scratch
            .split_at_mut_checked(TOPIC_SIZE)
            .ok_or(too_small)?;
        self.last_id = self.last_id.wrapping_add(1);
        let request_id = self.last_id;
        let mut payload = Text::new(payload);
        let topic = match &self.operation_id {
            Some(operation_id) => render(
                topic,
                Outbound::DpsOperationStatus {
                    request_id,
                    operation_id,
                },
            )?,
            None => {
                let mut body = Object::new(&mut payload);
                body.string("registrationId", self.enrollment.registration_id().as_str());
                if let Some(custom) = self.config.payload {
                    body.raw("payload", custom.text());
                }
                body.finish().map_err(|_| too_small)?;
                render(topic, Outbound::DpsRegister { request_id })?
            }
        };
        self.session
            .publish_now(topic, payload.as_str().as_bytes())?;
        self.state = State::Asked {
            id: request_id,
            until: now.after(ANSWER_TIMEOUT),
        };
        Ok(())
    }

    fn answered(&mut self, message: &Message, now: Instant) -> Result<(), Failure> {
        let Inbound::DpsResponse {
            status,
            request_id,
            retry_after: wait,
        } = Inbound::parse_dps(message.topic())
        else {
            self.ignore("a message on an unknown topic");
            return Ok(());
        };
        match self.state {
            State::Asked { id, .. } if request_id.parse() == Ok(id) => {}
            _ => {
                self.ignore("an answer to no question");
                return Ok(());
            }
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
                self.session.disconnect();
                self.state = State::Closing;
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

    /// An answer begins that does not fit the receive buffer.
    fn answered_too_much(&mut self, message: &Message, size: usize) -> Result<(), Failure> {
        let Inbound::DpsResponse { request_id, .. } = Inbound::parse_dps(message.topic()) else {
            self.ignore("a message on an unknown topic");
            return Ok(());
        };
        match self.state {
            State::Asked { id, .. } if request_id.parse() == Ok(id) => {
                let buffer = self.session.receive_buffer_size();
                let failure = ProvisioningFailure::TooLarge { size, buffer };
                Err(Failure::Provisioning(failure))
            }
            _ => {
                self.ignore("an answer to no question");
                Ok(())
            }
        }
    }

    fn session_failure(&self, error: mqtt::Error) -> Failure {
        let credential = match self.enrollment.attestation() {
            Attestation::SymmetricKey(_) => failure::Credential::RegistrationKey,
            Attestation::X509 => failure::Credential::RegistrationCertificate,
        };
        match error {
            mqtt::Error::Refused(code) => Failure::Refused(code, credential),
            other => Failure::Session(other),
        }
    }

    fn exchange_deadline(&self) -> Instant {
        let own = match self.state {
            State::Asked { until, .. } | State::Waiting { until } => Some(until.min(self.deadline)),
            _ => None,
        };
        let end = Instant::from_millis(u64::MAX);
        own.into_iter()
            .chain(self.session.deadline())
            .min()
            .unwrap_or(end)
    }
}

impl Machine for Provisioner<'_> {
    fn task(&mut self, now: Instant, unix: Option<UnixTime>, _random: u64) -> Task {
        match self.state {
            State::Ended => Task::End,
            State::Offline => self
                .attempts
                .task(now, unix)
                .unwrap_or(Task::OpenConnection),
            State::Closing if self.session.transmit().is_empty() => Task::CloseConnection,
            _ => Task::Exchange {
                until: self.exchange_deadline(),
            },
        }
    }

    fn endpoint(&self) -> Endpoint<'_> {
        let host_name = self.config.host_name;
        Endpoint {
            host_name,
            address: self.config.address.unwrap_or(host_name),
            port: self.config.port,
        }
    }

    fn clock_set(
        &mut self,
        now: Instant,
        before: Option<UnixTime>,
        result: Result<UnixTime, ClockError>,
        random: u64,
    ) {
        if let Err(failure) = self.attempts.clock_set(now, before, result, random) {
            self.failed(now, failure, random);
        }
    }

    fn opened(&mut self, now: Instant, unix: Option<UnixTime>, random: u64) {
        match self.queue_connect(now, unix) {
            Ok(()) => self.state = State::Connecting,
            Err(failure) => self.failed(now, failure, random),
        }
    }

    fn not_opened(&mut self, now: Instant, error: ConnectError, random: u64) {
        // No failure: the stop follows.
        if error != ConnectError::Cancelled {
            self.failed(now, Failure::Connect(error), random);
        }
    }

    fn lost(&mut self, now: Instant, failure: Failure, random: u64) {
        self.session.disconnected();
        match self.state {
            State::Closing => self.state = State::Ended,
            State::Offline | State::Ended => {}
            _ => self.failed(now, failure, random),
        }
    }

    fn closed_cleanly(&mut self, _now: Instant) {
        self.session.disconnected();
        self.state = State::Ended;
    }

    fn requested(&mut self, now: Instant, requests: Requests) {
        self.asked_to_send |= requests.send_now;
        if requests.retry_now || requests.reconnect {
            self.attempts.hurry(now);
        }
        if requests.stop {
            self.stopped = true;
            match self.state {
                State::Offline => self.state = State::Ended,
                State::Closing | State::Ended => {}
                _ => {
                    self.session.disconnect();
                    self.state = State::Closing;
                }
            }
        }
    }

    fn transmit(&mut self) -> &[u8] {
        self.session.transmit()
    }

    fn transmitted(&mut self, count: usize, now: Instant) {
        self.session.transmitted(count, now);
    }

    fn receive_buffer(&mut self) -> &mut [u8] {
        self.session.receive_buffer()
    }

    fn received(&mut self, count: usize, now: Instant) {
        self.session.received(count, now);
    }

    fn serve(
        &mut self,
        now: Instant,
        _unix: Option<UnixTime>,
        _sensor: &mut dyn Sensor,
        _random: u64,
    ) -> Result<(), Failure> {
        while let Some(event) = self
            .session
            .poll(now)
            .map_err(|error| self.session_failure(error))?
        {
            self.handle(event, now)?;
        }
        match self.state {
            State::Asked { .. } | State::Waiting { .. } if now >= self.deadline => {
                Err(Failure::Provisioning(ProvisioningFailure::Timeout))
            }
            State::Asked { until, .. } if now >= until => {
                Err(Failure::Provisioning(ProvisioningFailure::Timeout))
            }
            State::Waiting { until } if now >= until => self.ask(now),
            _ => Ok(()),
        }
    }

    fn serve_offline(&mut self, _: Instant, _: Option<UnixTime>, _: &mut dyn Sensor, _: u64) {}

    fn status(&self, _now: Instant) -> Status {
        match self.state {
            State::Offline if self.attempts.last_failure().is_some() => Status::Failed,
            _ => Status::Starting,
        }
    }

    fn report(&self) -> Option<&Report> {
        Some(&self.report)
    }
}
