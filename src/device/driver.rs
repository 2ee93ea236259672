//! The loop that joins a [`Machine`] with a [`Platform`]: it moves bytes and wakes up at deadlines.

use embedded_io::{Read as _, ReadReady as _, Write as _};

use super::Task;
use super::machine::Machine;
use crate::failure::ConnectError;
use crate::failure::Failure;
use crate::port::{PROGRESS_INTERVAL, Platform, Stream};
use crate::report::Status;
use crate::time::Instant;

/// The most reads from a connection that can no longer be written to: its other end may go on talking.
const LAST_READS: u32 = 16;

/// Runs a device, or one that is being provisioned, until it is done or asked to stop ([`crate::port::Requests::stop`]). No failure ends it.
///
/// ```text
/// let mut device = Device::new(&identity, config, buffers, application);
/// device::run(&mut device, &mut platform);
/// ```
pub fn run<P: Platform>(device: &mut dyn Machine, platform: &mut P) {
    let mut stream: Option<P::Stream> = None;
    let mut opening: Option<P::Opening> = None;
    let mut shown: Option<Status> = None;
    loop {
        platform.progress();
        let requests = platform.requests();
        device.requested(platform.now(), requests);
        let (now, unix, random) = (platform.now(), platform.unix(), random(platform));
        let task = device.task(now, unix, random);
        if task != Task::OpenConnection {
            opening = None;
        }
        match task {
            Task::End => {
                // How it ended.
                device
                    .report()
                    .into_iter()
                    .for_each(|report| platform.observe(report));
                return;
            }
            Task::SetClock => set_clock(device, platform),
            Task::OpenConnection => stream = open(device, platform, &mut opening),
            Task::Exchange { .. } => exchange(device, platform, &mut stream),
            Task::CloseConnection => {
                stream = None;
                device.closed_cleanly(platform.now());
            }
            Task::Sleep { until } => {
                stream = None;
                sleep(device, platform, until);
            }
        }
        if let Some(report) = device.report() {
            platform.observe(report);
        }
        let status = device.status(platform.now());
        if shown != Some(status) {
            shown = Some(status);
            platform.show(status);
        }
    }
}

fn set_clock<P: Platform>(device: &mut dyn Machine, platform: &mut P) {
    let (before, started) = (platform.unix(), platform.now());
    let result = platform.synchronize();
    let now = platform.now();
    // What the old clock would show by now: the time that setting it took is not its error.
    let before = before.map(|before| before.after(now.since(started)));
    device.clock_set(now, before, result, random(platform));
}

/// Opens a connection, or goes on with it, until something else is due.
fn open<P: Platform>(
    device: &mut dyn Machine,
    platform: &mut P,
    opening: &mut Option<P::Opening>,
) -> Option<P::Stream> {
    if opening.is_none() && device.status(platform.now()) != Status::Off {
        platform.show(Status::Starting);
    }
    let (now, unix, bits) = (platform.now(), platform.unix(), random(platform));
    device.serve_offline(now, unix, platform, bits);
    let until = now.after(PROGRESS_INTERVAL);
    let until = device
        .offline_deadline()
        .map_or(until, |due| until.min(due));
    let mut begun = opening.take().unwrap_or_default();
    let result = platform.connect(device.endpoint(), &mut begun, until);
    let (now, unix, random) = (platform.now(), platform.unix(), random(platform));
    match result {
        Ok(Some(stream)) => {
            device.opened(now, unix, random);
            device.condition(platform.condition());
            Some(stream)
        }
        Ok(None) => {
            *opening = Some(begun);
            None
        }
        Err(error) => {
            device.not_opened(now, error, random);
            None
        }
    }
}

/// One turn of an open connection: send, handle, and read or wait.
fn exchange<P: Platform>(
    device: &mut dyn Machine,
    platform: &mut P,
    stream: &mut Option<P::Stream>,
) {
    let Some(open) = stream.as_mut() else {
        let (now, random) = (platform.now(), random(platform));
        return device.lost(now, Failure::Io, random);
    };
    if let Err(failure) = turn(device, platform, open) {
        if matches!(failure, Failure::Io | Failure::Connect(_)) {
            take_last_words(device, platform, open);
        }
        *stream = None;
        let (now, random) = (platform.now(), random(platform));
        device.lost(now, failure, random);
    }
}

fn turn<P: Platform>(
    device: &mut dyn Machine,
    platform: &mut P,
    stream: &mut P::Stream,
) -> Result<(), Failure> {
    send(device, platform, stream)?;
    let mut received = false;
    // An empty buffer means that the session wants no more for now; it is asked again after `serve`.
    if !device.receive_buffer().is_empty() && ready(stream)? {
        let count = match stream.read(device.receive_buffer()) {
            Ok(count) => count,
            Err(_) => return Err(broken(stream)),
        };
        if count == 0 {
            return Err(Failure::Closed);
        }
        device.received(count, platform.now());
        received = true;
    }
    let (now, unix, random) = (platform.now(), platform.unix(), random(platform));
    device.serve(now, unix, platform, random)?;
    send(device, platform, stream)?;
    // What was just done can have moved the deadline.
    let Task::Exchange { until } = device.task(now, unix, random) else {
        return Ok(());
    };
    if !received && now < until {
        // Bytes that nobody has room for are no reason to wake up.
        let wanted = !device.receive_buffer().is_empty();
        let until = until.min(now.after(PROGRESS_INTERVAL));
        platform.wait(Some(stream).filter(|_| wanted), until);
    }
    Ok(())
}

/// Takes what the hub said before the connection broke: a PUBACK spares a duplicate, and shows that the
/// connection was of use.
fn take_last_words<P: Platform>(
    device: &mut dyn Machine,
    platform: &mut P,
    stream: &mut P::Stream,
) {
    for _ in 0..LAST_READS {
        if device.receive_buffer().is_empty() || !stream.read_ready().unwrap_or(false) {
            return;
        }
        let count = stream.read(device.receive_buffer()).unwrap_or(0);
        if count == 0 {
            return;
        }
        device.received(count, platform.now());
        let (now, unix, random) = (platform.now(), platform.unix(), random(platform));
        if device.serve(now, unix, platform, random).is_err() {
            return;
        }
    }
}

/// Sends all that the device wants to send.
fn send<P: Platform>(
    device: &mut dyn Machine,
    platform: &mut P,
    stream: &mut P::Stream,
) -> Result<(), Failure> {
    while !device.transmit().is_empty() {
        match stream.write(device.transmit()) {
            Ok(count @ 1..) => device.transmitted(count, platform.now()),
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

/// Without a connection, telemetry still falls due and waits in the outbox.
fn sleep<P: Platform>(device: &mut dyn Machine, platform: &mut P, until: Instant) {
    let (now, unix, random) = (platform.now(), platform.unix(), random(platform));
    device.serve_offline(now, unix, platform, random);
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
