//! The loop that joins a [`Machine`] with a [`Platform`]: it moves bytes, reads the sensors and wakes up at deadlines.

use embedded_io::{Read as _, ReadReady as _, Write as _};

use super::{Machine, Task, Work};
use crate::failure::{ConnectError, Failure};
use crate::port::{PROGRESS_INTERVAL, Platform, Readings, Stream};
use crate::report::Status;
use crate::time::{Instant, Moment};

/// The most reads from a connection that can no longer be written to: its other end may go on talking.
const LAST_READS: u32 = 16;

/// A machine, whatever its work.
type AnyMachine<'m, 'b> = Machine<'b, dyn Work + 'm>;

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
        platform.progress();
        let requests = platform.requests();
        machine.requested(platform.now(), requests);
        let at = moment(platform);
        let task = machine.task(&at);
        if !matches!(task, Task::OpenConnection { .. } | Task::Measure) {
            opening = None;
        }
        match task {
            Task::End => {
                // How it ended.
                platform.observe(machine.report());
                return;
            }
            Task::SetClock => set_clock(machine, platform),
            Task::Measure => measure(machine, platform, &at),
            Task::OpenConnection { until } => {
                stream = open(machine, platform, &mut opening, until);
            }
            Task::Exchange { .. } => exchange(machine, platform, &mut stream),
            Task::CloseConnection => {
                stream = None;
                machine.closed_cleanly(platform.now());
            }
            Task::Sleep { until } => {
                stream = None;
                sleep(platform, until);
            }
        }
        platform.observe(machine.report());
        let status = machine.status(platform.now());
        if shown != Some(status) {
            shown = Some(status);
            platform.show(status);
        }
    }
}

fn moment<P: Platform>(platform: &mut P) -> Moment {
    Moment {
        now: platform.now(),
        unix: platform.unix(),
        random: random(platform),
    }
}

fn set_clock<P: Platform>(machine: &mut AnyMachine<'_, '_>, platform: &mut P) {
    let (before, started) = (platform.unix(), platform.now());
    let result = platform.synchronize();
    let at = moment(platform);
    // What the old clock would show by now: the time that setting it took is not its error.
    let before = before.map(|before| before.after(at.now.since(started)));
    machine.clock_set(&at, before, result);
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
    if opening.is_none() && machine.status(platform.now()) != Status::Off {
        platform.show(Status::Starting);
    }
    let until = until.min(platform.now().after(PROGRESS_INTERVAL));
    let mut begun = opening.take().unwrap_or_default();
    let result = platform.connect(machine.endpoint(), &mut begun, until);
    let at = moment(platform);
    match result {
        Ok(Some(stream)) => {
            machine.opened(&at, platform.condition());
            Some(stream)
        }
        Ok(None) => {
            *opening = Some(begun);
            None
        }
        Err(error) => {
            machine.not_opened(&at, error);
            None
        }
    }
}

/// One turn of an open connection: send, handle, and read or wait.
fn exchange<P: Platform>(
    machine: &mut AnyMachine<'_, '_>,
    platform: &mut P,
    stream: &mut Option<P::Stream>,
) {
    let Some(open) = stream.as_mut() else {
        return machine.lost(&moment(platform), Failure::Io);
    };
    if let Err(failure) = turn(machine, platform, open) {
        if matches!(failure, Failure::Io | Failure::Connect(_)) {
            read_last_bytes(machine, platform, open);
        }
        *stream = None;
        machine.lost(&moment(platform), failure);
    }
}

fn turn<P: Platform>(
    machine: &mut AnyMachine<'_, '_>,
    platform: &mut P,
    stream: &mut P::Stream,
) -> Result<(), Failure> {
    send(machine, platform, stream)?;
    let mut received = false;
    // An empty buffer means that the session wants no more for now; it is asked again after `serve`.
    let connection = machine.connection_mut();
    if !connection.receive_buffer().is_empty() && ready(stream)? {
        let count = match stream.read(connection.receive_buffer()) {
            Ok(count) => count,
            Err(_) => return Err(broken(stream)),
        };
        if count == 0 {
            return Err(Failure::Closed);
        }
        connection.received(count, platform.now());
        received = true;
    }
    let at = moment(platform);
    machine.serve(&at)?;
    send(machine, platform, stream)?;
    // What was just done can have moved the deadline.
    let Task::Exchange { until } = machine.task(&at) else {
        return Ok(());
    };
    if !received && at.now < until {
        // Without room for bytes, their arrival is no reason to wake up.
        let wanted = !machine.connection_mut().receive_buffer().is_empty();
        let until = until.min(at.now.after(PROGRESS_INTERVAL));
        platform.wait(Some(stream).filter(|_| wanted), until);
    }
    Ok(())
}

/// Reads what the hub sent before the connection broke: a PUBACK spares a duplicate, and shows that the
/// connection was of use.
fn read_last_bytes<P: Platform>(
    machine: &mut AnyMachine<'_, '_>,
    platform: &mut P,
    stream: &mut P::Stream,
) {
    for _ in 0..LAST_READS {
        let connection = machine.connection_mut();
        if connection.receive_buffer().is_empty() || !stream.read_ready().unwrap_or(false) {
            return;
        }
        let count = stream.read(connection.receive_buffer()).unwrap_or(0);
        if count == 0 {
            return;
        }
        connection.received(count, platform.now());
        if machine.serve(&moment(platform)).is_err() {
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
            _ => return Err(broken(stream)),
        }
    }
    match stream.flush() {
        Ok(()) => Ok(()),
        Err(_) => Err(broken(stream)),
    }
}

fn ready<S: Stream>(stream: &mut S) -> Result<bool, Failure> {
    match stream.read_ready() {
        Ok(ready) => Ok(ready),
        Err(_) => Err(broken(stream)),
    }
}

/// Reason why reading or writing failed: TLS's, such as an alert of the server, or else the network's.
fn broken<S: Stream>(stream: &mut S) -> Failure {
    match stream.tls_failure() {
        Some((failure, code)) => Failure::Connect(ConnectError::Tls(failure, code)),
        None => Failure::Io,
    }
}

fn sleep<P: Platform>(platform: &mut P, until: Instant) {
    let now = platform.now();
    let until = until.min(now.after(PROGRESS_INTERVAL));
    if now < until {
        platform.wait(None, until);
    }
}

/// 64 random bits for jitter and message ids. If entropy fails, bits that differ between devices only by
/// their uptime: nothing secret depends on them, and TLS will report the failure by its own.
pub(crate) fn random<P: Platform>(platform: &mut P) -> u64 {
    let mut bytes = [0; 8];
    match platform.fill(&mut bytes) {
        Ok(()) => u64::from_le_bytes(bytes),
        Err(_) => platform
            .now()
            .as_millis()
            .wrapping_mul(0x9e37_79b9_7f4a_7c15),
    }
}
