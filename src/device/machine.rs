//! Machine that [`run`](super::run) drives: a device, or one that is being provisioned.

use super::{Device, Report, Task};
use crate::application::Application;
use crate::failure::Failure;
use crate::failure::{ClockError, ConnectError};
use crate::port::{Endpoint, Requests, Sensor};
use crate::report::{Condition, Status};
use crate::time::{Instant, UnixTime};

/// A state machine that wants a connection and says what it does with it. It does no I/O: see [`Task`] for
/// what it asks for, and the methods for what it is told. `random` is always uniform over all of `u64`.
pub trait Machine {
    /// Step to be done now.
    fn task(&mut self, now: Instant, unix: Option<UnixTime>, random: u64) -> Task;
    /// Where to connect.
    fn endpoint(&self) -> Endpoint<'_>;
    /// The clock was set, or could not be. `before` is what it showed until then.
    fn clock_set(
        &mut self,
        now: Instant,
        before: Option<UnixTime>,
        result: Result<UnixTime, ClockError>,
        random: u64,
    );
    /// A connection is open.
    fn opened(&mut self, now: Instant, unix: Option<UnixTime>, random: u64);
    /// Condition of the platform, told after each [`Machine::opened`].
    fn condition(&mut self, _condition: Condition) {}
    /// No connection could be opened.
    fn not_opened(&mut self, now: Instant, error: ConnectError, random: u64);
    /// The connection ended, or is of no more use.
    fn lost(&mut self, now: Instant, failure: Failure, random: u64);
    /// The connection was closed after [`Task::CloseConnection`].
    fn closed_cleanly(&mut self, now: Instant);
    /// Takes what a person or another thread asked for.
    fn requested(&mut self, now: Instant, requests: Requests);
    /// Bytes to send now; empty if there are none.
    fn transmit(&mut self) -> &[u8];
    /// That many of [`Machine::transmit`]'s bytes were sent.
    fn transmitted(&mut self, count: usize, now: Instant);
    /// Room for received bytes; empty if nothing more is wanted for now.
    fn receive_buffer(&mut self) -> &mut [u8];
    /// That many bytes were put into [`Machine::receive_buffer`].
    fn received(&mut self, count: usize, now: Instant);
    /// Handles what came in and what fell due. On an error the connection is of no more use: drop it and
    /// report to [`Machine::lost`].
    fn serve(
        &mut self,
        now: Instant,
        unix: Option<UnixTime>,
        sensor: &mut dyn Sensor,
        random: u64,
    ) -> Result<(), Failure>;
    /// Does what falls due while there is no connection.
    fn serve_offline(
        &mut self,
        now: Instant,
        unix: Option<UnixTime>,
        sensor: &mut dyn Sensor,
        random: u64,
    );
    /// When there is something for [`Machine::serve_offline`].
    fn offline_deadline(&self) -> Option<Instant> {
        None
    }
    /// Status that the indicator should show.
    fn status(&self, now: Instant) -> Status;
    /// Its counters, if it has any.
    fn report(&self) -> Option<&Report> {
        None
    }
}

impl<A: Application> Machine for Device<'_, A> {
    fn task(&mut self, now: Instant, unix: Option<UnixTime>, random: u64) -> Task {
        Device::task(self, now, unix, random)
    }

    fn endpoint(&self) -> Endpoint<'_> {
        Device::endpoint(self)
    }

    fn clock_set(
        &mut self,
        now: Instant,
        before: Option<UnixTime>,
        result: Result<UnixTime, ClockError>,
        random: u64,
    ) {
        Device::clock_set(self, now, before, result, random);
    }

    fn opened(&mut self, now: Instant, unix: Option<UnixTime>, random: u64) {
        Device::opened(self, now, unix, random);
    }

    fn condition(&mut self, condition: Condition) {
        self.report.condition = condition;
    }

    fn not_opened(&mut self, now: Instant, error: ConnectError, random: u64) {
        Device::not_opened(self, now, error, random);
    }

    fn lost(&mut self, now: Instant, failure: Failure, random: u64) {
        Device::lost(self, now, failure, random);
    }

    fn closed_cleanly(&mut self, now: Instant) {
        Device::closed_cleanly(self, now);
    }

    fn requested(&mut self, now: Instant, requests: Requests) {
        Device::requested(self, now, requests);
    }

    fn transmit(&mut self) -> &[u8] {
        Device::transmit(self)
    }

    fn transmitted(&mut self, count: usize, now: Instant) {
        Device::transmitted(self, count, now);
    }

    fn receive_buffer(&mut self) -> &mut [u8] {
        Device::receive_buffer(self)
    }

    fn received(&mut self, count: usize, now: Instant) {
        Device::received(self, count, now);
    }

    fn serve(
        &mut self,
        now: Instant,
        unix: Option<UnixTime>,
        sensor: &mut dyn Sensor,
        random: u64,
    ) -> Result<(), Failure> {
        Device::serve(self, now, unix, sensor, random)
    }

    fn serve_offline(
        &mut self,
        now: Instant,
        unix: Option<UnixTime>,
        sensor: &mut dyn Sensor,
        random: u64,
    ) {
        Device::serve_offline(self, now, unix, sensor, random);
    }

    fn offline_deadline(&self) -> Option<Instant> {
        self.sampling_deadline()
    }

    fn status(&self, now: Instant) -> Status {
        Device::status(self, now)
    }

    fn report(&self) -> Option<&Report> {
        Some(Device::report(self))
    }
}
