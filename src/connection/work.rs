//! Work on a connection: what a device does on its hub, or a registration with the provisioning service.

use super::Connection;
use crate::failure::Failure;
use crate::mqtt::Event;
use crate::outlet::{Delivery, Ticket};
use crate::port::{Queue, Readings, Requests};
use crate::report::Status;
use crate::time::{Instant, Moment, UnixTime};

/// Step that a [`Machine`](super::Machine) asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Set the clock and report to [`Machine::clock_set`](super::Machine::clock_set).
    SetClock,
    /// Read the sensors and report to [`Machine::measured`](super::Machine::measured).
    Measure,
    /// Open a connection to [`Machine::endpoint`](super::Machine::endpoint) and report to
    /// [`Machine::opened`](super::Machine::opened) or [`Machine::not_opened`](super::Machine::not_opened).
    OpenConnection {
        /// Time at which to ask again, if the connection can be opened in steps.
        until: Instant,
    },
    /// Move bytes both ways and call [`Machine::serve`](super::Machine::serve), until the deadline at the latest.
    Exchange {
        /// Time at which to call [`Machine::serve`](super::Machine::serve) even if nothing came.
        until: Instant,
    },
    /// Close the connection and report to [`Machine::closed_cleanly`](super::Machine::closed_cleanly).
    CloseConnection,
    /// Nothing to do until then, or until a request.
    Sleep {
        /// Time at which to ask again.
        until: Instant,
    },
    /// The work has ended.
    End,
}

/// Work on a [`Connection`]. It does no I/O.
pub trait Work {
    /// Checks whether a connection is worth opening.
    ///
    /// # Errors
    ///
    /// The failure that its server's answer is bound to be.
    fn check(&self, _unix: Option<UnixTime>) -> Result<(), Failure> {
        Ok(())
    }

    /// Queues CONNECT: a connection is open. Gives the time to renew its credential by a planned reconnect, if that
    /// is needed.
    ///
    /// # Errors
    ///
    /// The reason why there is no CONNECT.
    fn connect(
        &mut self,
        connection: &mut Connection<'_>,
        at: &Moment,
    ) -> Result<Option<Instant>, Failure>;

    /// Handles what the session received.
    ///
    /// # Errors
    ///
    /// The connection is of no more use.
    fn handle(
        &mut self,
        connection: &mut Connection<'_>,
        event: Event,
        at: &Moment,
    ) -> Result<(), Failure>;

    /// Does what is due on an open connection.
    ///
    /// # Errors
    ///
    /// The connection is of no more use.
    fn poll(&mut self, connection: &mut Connection<'_>, at: &Moment) -> Result<(), Failure>;

    /// Time of the next call of [`Work::poll`] on a connection that is set up, if nothing comes before.
    fn deadline(&self, connection: &Connection<'_>, now: Instant) -> Option<Instant>;

    /// True if nothing is left to do: the connection says goodbye, and the work ends.
    fn is_done(&self) -> bool;

    /// Notes that the clock was set.
    fn clock_set(&mut self, _connection: &mut Connection<'_>, _at: &Moment) {}

    /// Notes a failure of the connection that was open, or of an attempt to open one. True if the work ends with it.
    fn failed(&mut self, connection: &mut Connection<'_>, at: &Moment, failure: &Failure) -> bool;

    /// Notes that a connection ended by a planned goodbye.
    fn closed(&mut self, _connection: &mut Connection<'_>, _at: &Moment) {}

    /// Notes that the work is about to end: it was asked to stop.
    fn stopping(&mut self, _connection: &mut Connection<'_>, _at: &Moment) {}

    /// Notes that the work has ended after a goodbye, or by a stop.
    fn ended(&mut self, _connection: &mut Connection<'_>) {}

    /// Takes what a person or another thread asked for. The connection itself handles a stop and a retry.
    fn requested(&mut self, _connection: &mut Connection<'_>, _at: &Moment, _requests: Requests) {}

    /// True if a message of another thread can be taken.
    fn wants_submission(&self, _connection: &Connection<'_>) -> bool {
        false
    }

    /// Takes a message of another thread. It lies at the front of the connection's scratch buffer, as
    /// [`Ring::pop`](crate::outlet::Ring::pop) put it there, with this length.
    fn submitted(&mut self, _connection: &mut Connection<'_>, _at: &Moment, _length: usize) {}

    /// Takes an outcome that a sender wants to know.
    fn take_outcome(&mut self) -> Option<(Ticket, Delivery)> {
        None
    }

    /// Writes a value that is to survive a restart to the start of the connection's scratch buffer. Gives its name and
    /// its length; `None` if there is none.
    fn take_kept(&mut self, _connection: &mut Connection<'_>) -> Option<(&'static str, usize)> {
        None
    }

    /// Uses the queue that outlives restarts: called at each turn, before anything is sent.
    fn use_queue(
        &mut self,
        _connection: &mut Connection<'_>,
        _at: &Moment,
        _queue: &mut dyn Queue,
    ) {
    }

    /// Does what is due with updates. Called in each turn, with or without a connection, and once more at the end.
    #[cfg(feature = "update")]
    fn poll_updates(
        &mut self,
        _connection: &mut Connection<'_>,
        _at: &Moment,
        _updater: &mut dyn crate::port::update::Updater,
    ) {
    }

    /// Time at which [`Work::timer`] is due, with or without a connection.
    fn timer_due(&self) -> Option<Instant> {
        None
    }

    /// Does what was planned for this time.
    fn timer(&mut self, _connection: &mut Connection<'_>, _at: &Moment) {}

    /// Time of the next measurement, with or without a connection.
    fn measurement_due(&self) -> Option<Instant> {
        None
    }

    /// Takes the readings of a measurement that was due.
    fn measured(&mut self, _connection: &mut Connection<'_>, _at: &Moment, _readings: &Readings) {}

    /// Status that the indicator should show.
    fn status(&self, connection: &Connection<'_>, now: Instant) -> Status;
}
