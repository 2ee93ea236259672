//! Steps that both drivers share: the blocking one ([`run`](super::run)), and the one on an executor. They move bytes
//! and wait; what is done with a result is decided here.

use super::{Machine, Task, Work};
use crate::failure::{ClockError, Code, ConnectError, Failure, TlsFailure};
use crate::port::{Immediate, PROGRESS_INTERVAL};
use crate::report::Status;
use crate::time::{Instant, Moment, UnixTime};

/// The most reads from a connection that can no longer be written to: its other end may go on talking.
pub(super) const LAST_READS: u32 = 16;

/// The most messages of other threads that are taken in one turn.
const SUBMISSIONS: u32 = 16;

/// A machine, whatever its work.
pub(super) type AnyMachine<'m, 'b> = Machine<'b, dyn Work + 'm>;

/// Takes what was asked for. Gives the task of this turn.
pub(super) fn begin(
    machine: &mut AnyMachine<'_, '_>,
    ports: &mut impl Immediate,
) -> (Task, Moment) {
    ports.progress();
    let requests = ports.requests();
    let at = moment(ports);
    machine.requested(&at, requests);
    use_queue(machine, ports, &at);
    if take_submissions(machine, ports, &at) {
        use_queue(machine, ports, &at);
    }
    let task = machine.task(&at);
    if task == Task::End {
        // What is queued is to survive.
        use_queue(machine, ports, &at);
    }
    (task, at)
}

fn use_queue(machine: &mut AnyMachine<'_, '_>, ports: &mut impl Immediate, at: &Moment) {
    if let Some(queue) = ports.queue() {
        machine.use_queue(at, queue);
    }
}

/// Takes messages of other threads, a few at a time: their senders may never end. True if there were some.
fn take_submissions(
    machine: &mut AnyMachine<'_, '_>,
    ports: &mut impl Immediate,
    at: &Moment,
) -> bool {
    for taken in 0..SUBMISSIONS {
        if !machine.wants_submission() {
            return taken > 0;
        }
        match ports.take_submission(machine.submission_space()) {
            Some(length) => machine.submitted(at, length),
            None => return taken > 0,
        }
    }
    true
}

/// True if the task leaves a connection that is being opened as it is.
pub(super) const fn keeps_opening(task: &Task) -> bool {
    matches!(task, Task::OpenConnection { .. } | Task::Measure)
}

/// Tells the outcomes and the counters that a turn left.
pub(super) fn tell_counters(machine: &mut AnyMachine<'_, '_>, ports: &mut impl Immediate) {
    while let Some((ticket, delivery)) = machine.take_outcome() {
        ports.delivered(ticket, delivery);
    }
    while let Some((name, value)) = machine.take_kept() {
        ports.keep(name, value);
    }
    #[cfg(feature = "update")]
    poll_updates(machine, ports);
    ports.observe(machine.report());
}

/// Does what is due with updates. Also at the end, so that a restart in good order is noted.
#[cfg(feature = "update")]
fn poll_updates(machine: &mut AnyMachine<'_, '_>, ports: &mut impl Immediate) {
    // Random bits are not needed here, and cost a device more than the rest.
    let at = Moment {
        now: ports.now(),
        unix: ports.unix(),
        random: 0,
    };
    if let Some(updater) = ports.updater() {
        machine.poll_updates(&at, updater);
    }
}

/// Tells what a turn left: outcomes, counters, and the status. `shown` is the status that was told last.
pub(super) fn tell(
    machine: &mut AnyMachine<'_, '_>,
    ports: &mut impl Immediate,
    shown: &mut Option<Status>,
) {
    tell_counters(machine, ports);
    let status = machine.status(ports.now());
    if *shown != Some(status) {
        *shown = Some(status);
        ports.show(status);
    }
}

pub(super) fn moment(ports: &mut impl Immediate) -> Moment {
    Moment {
        now: ports.now(),
        unix: ports.unix(),
        random: random(ports),
    }
}

/// 64 random bits for jitter and message ids. If entropy fails, bits that differ between devices only by
/// their uptime: nothing secret depends on them, and TLS will report the failure by its own.
pub(super) fn random(ports: &mut impl Immediate) -> u64 {
    let mut bytes = [0; 8];
    match ports.fill(&mut bytes) {
        Ok(()) => u64::from_le_bytes(bytes),
        Err(_) => ports.now().as_millis().wrapping_mul(0x9e37_79b9_7f4a_7c15),
    }
}

/// The clock before it is set.
pub(super) struct OldClock {
    unix: Option<UnixTime>,
    started: Instant,
}

impl OldClock {
    pub(super) fn of(ports: &impl Immediate) -> Self {
        Self {
            unix: ports.unix(),
            started: ports.now(),
        }
    }

    /// The clock was set, or could not be.
    pub(super) fn set(
        self,
        machine: &mut AnyMachine<'_, '_>,
        ports: &mut impl Immediate,
        result: Result<UnixTime, ClockError>,
    ) {
        let at = moment(ports);
        // What the old clock would show by now: the time that setting it took is not its error.
        let unix = self.unix;
        let before = unix.map(|before| before.after(at.now.since(self.started)));
        machine.clock_set(&at, before, result);
    }
}

/// A connection is opened, or goes on to be if it `is_begun`. Gives the time of the next turn.
pub(super) fn open(
    machine: &AnyMachine<'_, '_>,
    ports: &mut impl Immediate,
    is_begun: bool,
    until: Instant,
) -> Instant {
    if !is_begun && machine.status(ports.now()) != Status::Off {
        ports.show(Status::Starting);
    }
    until.min(ports.now().after(PROGRESS_INTERVAL))
}

/// A turn of opening a connection has ended. Gives the stream, and true if it is to go on.
pub(super) fn opened<S>(
    machine: &mut AnyMachine<'_, '_>,
    ports: &mut impl Immediate,
    result: Result<Option<S>, ConnectError>,
) -> (Option<S>, bool) {
    let at = moment(ports);
    match result {
        Ok(Some(stream)) => {
            machine.opened(&at, ports.condition());
            (Some(stream), false)
        }
        Ok(None) => (None, true),
        Err(error) => {
            machine.not_opened(&at, error);
            (None, false)
        }
    }
}

/// The connection is of no more use.
pub(super) fn lost(machine: &mut AnyMachine<'_, '_>, ports: &mut impl Immediate, failure: Failure) {
    machine.lost(&moment(ports), failure);
}

/// That many bytes were read, of which none mark the end.
pub(super) fn received(
    machine: &mut AnyMachine<'_, '_>,
    ports: &impl Immediate,
    count: usize,
) -> Result<(), Failure> {
    if count == 0 {
        return Err(Failure::Closed);
    }
    machine.connection_mut().received(count, ports.now());
    Ok(())
}

/// True if the session has room for bytes. Without room, their arrival is no reason to wake up.
pub(super) fn wants_bytes(machine: &mut AnyMachine<'_, '_>) -> bool {
    !machine.connection_mut().receive_buffer().is_empty()
}

/// Time until which nothing is to be done on an open connection but to wait for bytes; `None` if something is.
pub(super) fn rest(machine: &mut AnyMachine<'_, '_>, at: &Moment) -> Option<Instant> {
    // What was just done can have moved the deadline.
    match machine.task(at) {
        Task::Exchange { until } if at.now < until => {
            Some(until.min(at.now.after(PROGRESS_INTERVAL)))
        }
        _ => None,
    }
}

/// True if the failure may have left bytes of the hub unread: a PUBACK spares a duplicate, and shows that the connection
/// was of use.
pub(super) const fn leaves_bytes(failure: &Failure) -> bool {
    matches!(failure, Failure::Io | Failure::Connect(_))
}

/// Bytes were read after the connection broke. True if there may be more.
pub(super) fn received_last(
    machine: &mut AnyMachine<'_, '_>,
    ports: &mut impl Immediate,
    count: usize,
) -> bool {
    received(machine, ports, count).is_ok() && machine.serve(&moment(ports)).is_ok()
}

/// Reason why reading or writing failed: TLS's, such as an alert of the server, or else the network's.
pub(super) const fn broken(tls: Option<(TlsFailure, Code)>) -> Failure {
    match tls {
        Some((failure, code)) => Failure::Connect(ConnectError::Tls(failure, code)),
        None => Failure::Io,
    }
}

/// Time of the next turn without a connection; `None` if that is now.
pub(super) fn sleep(ports: &impl Immediate, until: Instant) -> Option<Instant> {
    let now = ports.now();
    let until = until.min(now.after(PROGRESS_INTERVAL));
    (now < until).then_some(until)
}
