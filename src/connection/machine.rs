//! Methods by which [`run`](super::run) drives a machine.

use super::work::{Task, Work};
use super::{Connection, Link, Next, Phase, State};
use crate::backoff::Merit;
use crate::failure::{ClockError, ConnectError, Failure};
use crate::logging::info;
use crate::mqtt;
use crate::outlet::{Delivery, Ticket};
use crate::port::{Endpoint, Queue, Readings, Requests};
use crate::report::{Condition, Report, Status};
use crate::time::{Instant, Moment, UnixTime, earliest};

/// A connection with the work on it.
#[derive(Debug)]
pub struct Machine<'b, W: ?Sized> {
    pub(crate) connection: Connection<'b>,
    pub(crate) work: W,
}

impl<'b, W: Work + ?Sized> Machine<'b, W> {
    /// The connection, for bytes and counters.
    pub const fn connection(&self) -> &Connection<'b> {
        &self.connection
    }

    /// The connection, to move bytes.
    pub const fn connection_mut(&mut self) -> &mut Connection<'b> {
        &mut self.connection
    }

    /// Counters and the last failure, for a status command or a twin.
    pub const fn report(&self) -> &Report {
        &self.connection.report
    }

    /// The work.
    pub const fn work(&self) -> &W {
        &self.work
    }

    /// True if it was asked to stop, also after it had ended for another reason.
    pub const fn was_stopped(&self) -> bool {
        self.connection.stopping
    }

    /// True if somebody asked it to stop, and not the work by itself.
    #[cfg(feature = "update-dps")]
    pub(crate) const fn was_asked_to_stop(&self) -> bool {
        self.connection.asked_to_stop
    }

    /// Step to be done now.
    pub fn task(&mut self, at: &Moment) -> Task {
        let is_due = self.work.timer_due().is_some_and(|due| at.now >= due);
        if is_due && !matches!(self.connection.state, State::Ended) {
            self.work.timer(&mut self.connection, at);
        }
        if self.connection.is_offline() && self.work.is_done() {
            self.stop(at);
        }
        match self.connection.state {
            State::Ended => Task::End,
            State::Offline => self.task_offline(at),
            State::Online(Link {
                phase: Phase::Closing(_),
                ..
            }) if self.connection.session.transmit().is_empty() => Task::CloseConnection,
            State::Online(Link {
                phase: Phase::Running,
                ..
            }) if self.connection.attempts.clock_is_due(at.now) => Task::SetClock,
            State::Online(_) if self.measurement_is_due(at.now) => Task::Measure,
            State::Online(link) => Task::Exchange {
                until: self.exchange_deadline(&link, at.now),
            },
        }
    }

    fn task_offline(&mut self, at: &Moment) -> Task {
        let task = self.connection.attempts.task(at);
        if task != Some(Task::SetClock) && self.measurement_is_due(at.now) {
            // Without a connection, telemetry still falls due and waits in the outbox.
            return Task::Measure;
        }
        match task {
            Some(Task::Sleep { until }) => Task::Sleep {
                until: self.earliest(until),
            },
            Some(task) => task,
            None => match self.work.check(at.unix) {
                Ok(()) => Task::OpenConnection {
                    until: self.earliest(Instant::MAX),
                },
                Err(failure) => {
                    self.fail(at, failure, Merit::Useless);
                    Task::Sleep { until: at.now }
                }
            },
        }
    }

    /// Time at which the next message is to be measured; `None` if the work is about to end.
    fn measurement_due(&self) -> Option<Instant> {
        let due = self.work.measurement_due();
        due.filter(|_| !self.connection.stopping)
    }

    fn measurement_is_due(&self, now: Instant) -> bool {
        self.measurement_due().is_some_and(|due| now >= due)
    }

    /// `until`, or earlier if a measurement or the timer is due.
    fn earliest(&self, until: Instant) -> Instant {
        let due = [self.measurement_due(), self.work.timer_due()];
        due.into_iter().flatten().fold(until, Instant::min)
    }

    /// Time at which [`Machine::serve`] has something to do although nothing came in.
    fn exchange_deadline(&self, link: &Link, now: Instant) -> Instant {
        let connection = &self.connection;
        let phase = match link.phase {
            Phase::Running => {
                let clocks = earliest(link.renew_at, connection.attempts.clock_due());
                earliest(clocks, self.work.deadline(connection, now))
            }
            Phase::Draining { then, .. } if connection.is_drained(then) => Some(now),
            Phase::Draining { until, .. } => Some(until),
            _ => None,
        };
        let due = earliest(phase, connection.session.deadline());
        self.earliest(due.unwrap_or(Instant::MAX))
    }

    /// Server to connect to.
    pub const fn endpoint(&self) -> Endpoint<'b> {
        self.connection.settings.endpoint
    }

    /// The clock was set, or could not be. `before` is what it showed until then.
    pub fn clock_set(
        &mut self,
        at: &Moment,
        before: Option<UnixTime>,
        result: Result<UnixTime, ClockError>,
    ) {
        match self.connection.attempts.clock_set(at, before, result) {
            Ok(()) => self.work.clock_set(&mut self.connection, at),
            Err(failure) => self.fail(at, failure, Merit::Useless),
        }
    }

    /// The sensors were read, as [`Task::Measure`] asked for.
    pub fn measured(&mut self, at: &Moment, readings: &Readings) {
        self.work.measured(&mut self.connection, at, readings);
    }

    /// A connection is open. `condition` is that of the platform then.
    pub fn opened(&mut self, at: &Moment, condition: Condition) {
        match self.work.connect(&mut self.connection, at) {
            Ok(renew_at) => {
                self.connection.state = State::Online(Link {
                    joined: None,
                    made_progress: false,
                    renew_at,
                    phase: Phase::Connecting,
                });
            }
            Err(failure) => self.fail(at, failure, Merit::Useless),
        }
        self.connection.report.condition = condition;
    }

    /// No connection could be opened.
    pub fn not_opened(&mut self, at: &Moment, error: ConnectError) {
        // No failure: the stop follows.
        if error != ConnectError::Cancelled {
            self.fail(at, Failure::Connect(error), Merit::Useless);
        }
    }

    /// The server closed the connection, or it broke, or the session gave up on it.
    pub fn lost(&mut self, at: &Moment, failure: Failure) {
        self.connection.report.joined = false;
        self.connection.session.disconnected();
        match self.connection.state {
            // It was about to end anyway.
            State::Online(Link {
                phase: Phase::Draining { then: next, .. } | Phase::Closing(next),
                ..
            }) => self.said_goodbye(at, next),
            State::Online(_) if self.work.is_done() => self.said_goodbye(at, Next::Stop),
            State::Online(link) => {
                let merit = self.connection.link_ended(&link, at.now);
                self.fail(at, failure, merit);
            }
            State::Offline | State::Ended => {}
        }
    }

    /// The connection was closed after [`Task::CloseConnection`].
    pub fn closed_cleanly(&mut self, at: &Moment) {
        self.connection.report.joined = false;
        self.connection.session.disconnected();
        if let State::Online(
            link @ Link {
                phase: Phase::Closing(next),
                ..
            },
        ) = self.connection.state
        {
            self.connection.link_ended(&link, at.now);
            self.said_goodbye(at, next);
        }
    }

    fn said_goodbye(&mut self, at: &Moment, next: Next) {
        self.work.closed(&mut self.connection, at);
        match next {
            Next::Reconnect => {
                let renewals = &mut self.connection.report.renewals;
                *renewals = renewals.saturating_add(1);
                self.connection.attempts.start_at(at.now);
                self.connection.state = State::Offline;
            }
            Next::Stop => self.end(),
        }
    }

    /// Takes what a person or another thread asked for.
    pub fn requested(&mut self, at: &Moment, requests: Requests) {
        self.work.requested(&mut self.connection, at, requests);
        if requests.retry_now || requests.reconnect {
            self.connection.attempts.start_at(at.now);
        }
        if requests.stop {
            self.connection.asked_to_stop = true;
            self.stop(at);
        }
    }

    /// True if a message of another thread can be taken: give it to [`Machine::submitted`].
    pub fn wants_submission(&self) -> bool {
        !matches!(self.connection.state, State::Ended)
            && self.work.wants_submission(&self.connection)
    }

    /// Space for the message of another thread.
    pub const fn submission_space(&mut self) -> &mut [u8] {
        self.connection.scratch
    }

    /// A message of another thread with this length is in [`Machine::submission_space`].
    pub fn submitted(&mut self, at: &Moment, length: usize) {
        self.work.submitted(&mut self.connection, at, length);
    }

    /// Uses the platform's queue: called at each turn, before anything is sent, and once more at the end.
    pub fn use_queue(&mut self, at: &Moment, queue: &mut dyn Queue) {
        self.work.use_queue(&mut self.connection, at, queue);
    }

    /// Takes a value that is to survive a restart: its name, and the value.
    pub fn take_kept(&mut self) -> Option<(&'static str, &[u8])> {
        let (name, length) = self.work.take_kept(&mut self.connection)?;
        Some((name, self.connection.scratch.get(..length)?))
    }

    /// Does what is due with updates.
    #[cfg(feature = "update")]
    pub fn poll_updates(&mut self, at: &Moment, updater: &mut dyn crate::port::update::Updater) {
        self.work.poll_updates(&mut self.connection, at, updater);
    }

    /// Takes an outcome that the sender of a message wants to know.
    pub fn take_outcome(&mut self) -> Option<(Ticket, Delivery)> {
        self.work.take_outcome()
    }

    /// Starts to end: nothing more is measured, and what is queued is sent while there is time, if there is a
    /// connection.
    fn stop(&mut self, at: &Moment) {
        if !core::mem::replace(&mut self.connection.stopping, true)
            && !matches!(self.connection.state, State::Ended)
        {
            self.work.stopping(&mut self.connection, at);
        }
        match self.connection.state {
            State::Offline => self.end(),
            State::Online(_) => self.connection.stop_online(at.now),
            State::Ended => {}
        }
    }

    fn end(&mut self) {
        self.connection.state = State::Ended;
        self.work.ended(&mut self.connection);
    }

    /// Counts a failure, and decides when to try again, or not at all.
    fn fail(&mut self, at: &Moment, failure: Failure, merit: Merit) {
        let connection = &mut self.connection;
        connection.attempts.failed(at, failure, merit);
        connection.report.failures = connection.report.failures.saturating_add(1);
        connection.report.last_failure = connection.attempts.last_failure();
        connection.state = match self.work.failed(connection, at, &failure) {
            true => State::Ended,
            false => State::Offline,
        };
    }

    /// Handles what came in and what fell due. On an error the connection is of no more use: drop it and
    /// report to [`Machine::lost`].
    ///
    /// # Errors
    ///
    /// The connection is of no more use.
    pub fn serve(&mut self, at: &Moment) -> Result<(), Failure> {
        let connection = &mut self.connection;
        loop {
            match connection.session.poll(at.now) {
                Ok(Some(event)) => self.work.handle(connection, event, at)?,
                Ok(None) => break,
                Err(mqtt::Error::Refused(code)) => {
                    return Err(Failure::Refused(code, connection.settings.credential));
                }
                Err(error) => return Err(Failure::Session(error)),
            }
        }
        self.work.poll(connection, at)?;
        self.advance(at);
        Ok(())
    }

    /// Makes the planned changes of an open connection.
    fn advance(&mut self, at: &Moment) {
        let now = at.now;
        let State::Online(Link {
            phase, renew_at, ..
        }) = self.connection.state
        else {
            return;
        };
        match phase {
            Phase::Running if renew_at.is_some_and(|at| now >= at) => {
                info!("SAS token: renewing it by a new connection");
                self.connection.reconnect(now);
            }
            Phase::Running if self.work.is_done() => self.stop(at),
            Phase::Draining { until, then } if self.connection.is_drained(then) || now >= until => {
                self.connection.session.disconnect();
                if let State::Online(link) = &mut self.connection.state {
                    link.phase = Phase::Closing(then);
                }
            }
            _ => {}
        }
    }

    /// Status that the indicator should show.
    pub fn status(&self, now: Instant) -> Status {
        self.work.status(&self.connection, now)
    }
}
