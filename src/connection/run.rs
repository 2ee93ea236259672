//! The loop that joins a [`Machine`](super::Machine) with a [`Platform`]: it moves bytes, reads the sensors and wakes up
//! at deadlines.

use embedded_io::{Read as _, ReadReady as _, Write as _};

use super::Task;
use super::steps::{self, AnyMachine, OldClock};
use crate::failure::Failure;
use crate::logging::warn;
use crate::outlet::{Delivery, Ticket};
use crate::port::{
    Entropy, EntropyError, Immediate, Indicator, Platform, Queue, Readings, Requests, Stream,
};
use crate::report::{Condition, Report, Status};
use crate::storage;
use crate::time::{Instant, Moment, UnixTime};

/// Runs a device, or its registration, until it is done or asked to stop ([`crate::port::Requests::stop`]). No failure
/// ends it.
///
/// ```text
/// let mut device = Device::new(&identity, config, buffers, application)?;
/// connection::run(&mut device, &mut platform);
/// ```
pub fn run<P: Platform>(machine: &mut AnyMachine<'_, '_>, platform: &mut P) {
    let mut stream: Option<P::Stream> = None;
    let mut opening: Option<P::Opening> = None;
    let mut shown: Option<Status> = None;
    loop {
        let (task, at) = steps::begin(machine, &mut AtOnce(platform));
        if !steps::keeps_opening(&task) {
            opening = None;
        }
        match task {
            Task::End => {
                // How it ended.
                steps::tell_counters(machine, &mut AtOnce(platform));
                return;
            }
            Task::SetClock => {
                let old = OldClock::of(&AtOnce(platform));
                let result = platform.synchronize();
                old.set(machine, &mut AtOnce(platform), result);
            }
            Task::Measure => measure(machine, platform, &at),
            Task::OpenConnection { until } => {
                stream = open(machine, platform, &mut opening, until);
            }
            Task::Exchange { .. } => exchange(machine, platform, &mut stream, &at),
            Task::CloseConnection => {
                stream = None;
                machine.closed_cleanly(&steps::moment(&mut AtOnce(platform)));
            }
            Task::Sleep { until } => {
                stream = None;
                if let Some(until) = steps::sleep(&AtOnce(platform), until) {
                    platform.wait(None, until);
                }
            }
        }
        steps::tell(machine, &mut AtOnce(platform), &mut shown);
    }
}

/// Reads the sensors. Not inlined: the readings are on the stack only here.
#[inline(never)]
fn measure<P: Platform>(machine: &mut AnyMachine<'_, '_>, platform: &mut P, at: &Moment) {
    let readings = Readings::of(platform);
    machine.measured(at, &readings);
}

/// Opens a connection, or goes on with it, until something else is due.
fn open<P: Platform>(
    machine: &mut AnyMachine<'_, '_>,
    platform: &mut P,
    opening: &mut Option<P::Opening>,
    until: Instant,
) -> Option<P::Stream> {
    let until = steps::open(machine, &mut AtOnce(platform), opening.is_some(), until);
    let mut begun = opening.take().unwrap_or_default();
    let result = platform.connect(machine.endpoint(), &mut begun, until);
    let (stream, goes_on) = steps::opened(machine, &mut AtOnce(platform), result);
    *opening = goes_on.then_some(begun);
    stream
}

/// One turn of an open connection: send, handle, and read or wait.
fn exchange<P: Platform>(
    machine: &mut AnyMachine<'_, '_>,
    platform: &mut P,
    stream: &mut Option<P::Stream>,
    at: &Moment,
) {
    let Some(open) = stream.as_mut() else {
        return steps::lost(machine, &mut AtOnce(platform), Failure::Io);
    };
    if let Err(failure) = turn(machine, platform, open, at) {
        if steps::leaves_bytes(&failure) {
            read_last_bytes(machine, platform, open);
        }
        *stream = None;
        steps::lost(machine, &mut AtOnce(platform), failure);
    }
}

fn turn<P: Platform>(
    machine: &mut AnyMachine<'_, '_>,
    platform: &mut P,
    stream: &mut P::Stream,
    start: &Moment,
) -> Result<(), Failure> {
    send(machine, platform, stream)?;
    let mut received = false;
    // An empty buffer means that the session wants no more for now; it is asked again after `serve`.
    if steps::wants_bytes(machine) && ready(stream)? {
        let count = match stream.read(machine.connection_mut().receive_buffer()) {
            Ok(count) => count,
            Err(_) => return Err(steps::broken(stream.tls_failure())),
        };
        steps::received(machine, &AtOnce(platform), count)?;
        received = true;
    }
    let at = start.later(platform.now());
    machine.serve(&at)?;
    send(machine, platform, stream)?;
    let rest = steps::rest(machine, &at);
    if let Some(until) = rest.filter(|_| !received) {
        let wanted = steps::wants_bytes(machine);
        platform.wait(Some(stream).filter(|_| wanted), until);
    }
    Ok(())
}

/// Reads what the hub sent before the connection broke.
fn read_last_bytes<P: Platform>(
    machine: &mut AnyMachine<'_, '_>,
    platform: &mut P,
    stream: &mut P::Stream,
) {
    for _ in 0..steps::LAST_READS {
        if !steps::wants_bytes(machine) || !stream.read_ready().unwrap_or(false) {
            return;
        }
        let read = stream.read(machine.connection_mut().receive_buffer());
        if !steps::received_last(machine, &mut AtOnce(platform), read.unwrap_or(0)) {
            return;
        }
    }
}

/// Sends all that the machine wants to send.
fn send<P: Platform>(
    machine: &mut AnyMachine<'_, '_>,
    platform: &mut P,
    stream: &mut P::Stream,
) -> Result<(), Failure> {
    let connection = machine.connection_mut();
    while !connection.transmit().is_empty() {
        match stream.write(connection.transmit()) {
            Ok(count @ 1..) => connection.transmitted(count, platform.now()),
            _ => return Err(steps::broken(stream.tls_failure())),
        }
    }
    match stream.flush() {
        Ok(()) => Ok(()),
        Err(_) => Err(steps::broken(stream.tls_failure())),
    }
}

fn ready<S: Stream>(stream: &mut S) -> Result<bool, Failure> {
    match stream.read_ready() {
        Ok(ready) => Ok(ready),
        Err(_) => Err(steps::broken(stream.tls_failure())),
    }
}

/// 64 random bits: see [`steps::random`].
pub(crate) fn random<P: Platform>(platform: &mut P) -> u64 {
    steps::random(&mut AtOnce(platform))
}

/// The parts of a [`Platform`] that never wait.
struct AtOnce<'p, P>(&'p mut P);

impl<P: Platform> Entropy for AtOnce<'_, P> {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), EntropyError> {
        self.0.fill(buffer)
    }
}

impl<P: Platform> Indicator for AtOnce<'_, P> {
    fn show(&mut self, status: Status) {
        self.0.show(status);
    }
}

impl<P: Platform> Immediate for AtOnce<'_, P> {
    fn now(&self) -> Instant {
        self.0.now()
    }

    fn unix(&self) -> Option<UnixTime> {
        self.0.unix()
    }

    fn requests(&mut self) -> Requests {
        self.0.requests()
    }

    fn take_submission(&mut self, space: &mut [u8]) -> Option<usize> {
        self.0.take_submission(space)
    }

    fn queue(&mut self) -> Option<&mut dyn Queue> {
        self.0.queue()
    }

    fn keep(&mut self, name: &str, value: &[u8]) {
        if let Err(error) = storage::store_application(self.0, name, value) {
            warn!("storage: {name} of the application could not be kept: {error}");
        }
    }

    fn delivered(&mut self, ticket: Ticket, delivery: Delivery) {
        self.0.delivered(ticket, delivery);
    }

    fn condition(&mut self) -> Condition {
        self.0.condition()
    }

    fn progress(&mut self) {
        self.0.progress();
    }

    fn observe(&mut self, report: &Report) {
        self.0.observe(report);
    }

    #[cfg(feature = "update")]
    fn updater(&mut self) -> Option<&mut dyn crate::port::update::Updater> {
        self.0.updater()
    }
}
