//! The loop that joins a [`Machine`](super::Machine) with an [`AsyncPlatform`]: as [`run`](super::run), with its waiting
//! left to an executor. Behind the feature `async`.

use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;

use embedded_io_async::{Read as _, Write as _};

use super::Task;
use super::steps::{self, AnyMachine, OldClock};
use crate::failure::Failure;
use crate::port::{AsyncPlatform, AsyncStream as _, Readings};
use crate::report::Status;
use crate::time::{Instant, Moment};

/// The longest wait for each part of what the hub sent before the connection broke. It is here already, or on its last
/// way: an executor may need a turn to see it.
const LAST_READ_TIME: Duration = Duration::from_millis(100);

/// Runs a device, or its registration, until it is done or asked to stop ([`crate::port::Requests::stop`]). No failure
/// ends it.
///
/// ```text
/// let mut device = Device::new(&identity, config, buffers, application)?;
/// connection::run_async(&mut device, &mut platform).await;
/// ```
///
/// Dropping the future leaves the machine as it is at that point: its messages stay queued, and the connection is closed
/// without a goodbye.
pub async fn run_async<P: AsyncPlatform>(machine: &mut AnyMachine<'_, '_>, platform: &mut P) {
    let mut stream: Option<P::Stream> = None;
    let mut opening: Option<P::Opening> = None;
    let mut shown: Option<Status> = None;
    loop {
        let (task, at) = steps::begin(machine, platform);
        if !steps::keeps_opening(&task) {
            opening = None;
        }
        match task {
            Task::End => {
                // How it ended.
                steps::tell_counters(machine, platform);
                return;
            }
            Task::SetClock => {
                let old = OldClock::of(platform);
                let result = platform.synchronize().await;
                old.set(machine, platform, result);
            }
            Task::Measure => {
                let readings = Readings::of_async(platform).await;
                machine.measured(&at, &readings);
            }
            Task::OpenConnection { until } => {
                let until = steps::open(machine, platform, opening.is_some(), until);
                let mut begun = opening.take().unwrap_or_default();
                let endpoint = machine.endpoint();
                let result = platform.connect(endpoint, &mut begun, until).await;
                let (opened, goes_on) = steps::opened(machine, platform, result);
                opening = goes_on.then_some(begun);
                stream = opened;
            }
            Task::Exchange { .. } => exchange(machine, platform, &mut stream, &at).await,
            Task::CloseConnection => {
                stream = None;
                machine.closed_cleanly(&steps::moment(platform));
            }
            Task::Sleep { until } => {
                stream = None;
                if let Some(until) = steps::sleep(platform, until) {
                    platform.wait(until).await;
                }
            }
        }
        steps::tell(machine, platform, &mut shown);
    }
}

/// One turn of an open connection: send, wait for bytes, and handle them.
async fn exchange<P: AsyncPlatform>(
    machine: &mut AnyMachine<'_, '_>,
    platform: &mut P,
    stream: &mut Option<P::Stream>,
    at: &Moment,
) {
    let Some(open) = stream.as_mut() else {
        return steps::lost(machine, platform, Failure::Io);
    };
    if let Err(failure) = turn(machine, platform, open, at).await {
        if steps::leaves_bytes(&failure) {
            read_last_bytes(machine, platform, open).await;
        }
        *stream = None;
        steps::lost(machine, platform, failure);
    }
}

async fn turn<P: AsyncPlatform>(
    machine: &mut AnyMachine<'_, '_>,
    platform: &mut P,
    stream: &mut P::Stream,
    start: &Moment,
) -> Result<(), Failure> {
    send(machine, platform, stream).await?;
    let at = start.later(platform.now());
    // Bytes that are here are taken also when something else is due.
    let until = steps::rest(machine, &at).unwrap_or(at.now);
    read(machine, platform, stream, until).await?;
    machine.serve(&start.later(platform.now()))?;
    send(machine, platform, stream).await
}

/// Waits for bytes and takes them, until then at most.
async fn read<P: AsyncPlatform>(
    machine: &mut AnyMachine<'_, '_>,
    platform: &mut P,
    stream: &mut P::Stream,
    until: Instant,
) -> Result<(), Failure> {
    if !steps::wants_bytes(machine) {
        platform.wait(until).await;
        return Ok(());
    }
    let buffer = machine.connection_mut().receive_buffer();
    match first(stream.read(buffer), platform.wait(until)).await {
        None => Ok(()),
        Some(Ok(count)) => steps::received(machine, platform, count),
        Some(Err(_)) => Err(steps::broken(stream.tls_failure())),
    }
}

/// Reads what the hub sent before the connection broke.
async fn read_last_bytes<P: AsyncPlatform>(
    machine: &mut AnyMachine<'_, '_>,
    platform: &mut P,
    stream: &mut P::Stream,
) {
    for _ in 0..steps::LAST_READS {
        if !steps::wants_bytes(machine) {
            return;
        }
        let buffer = machine.connection_mut().receive_buffer();
        let until = platform.now().after(LAST_READ_TIME);
        let read = first(stream.read(buffer), platform.wait(until)).await;
        let count = read.map_or(0, |read| read.unwrap_or(0));
        if !steps::received_last(machine, platform, count) {
            return;
        }
    }
}

/// Sends all that the machine wants to send.
async fn send<P: AsyncPlatform>(
    machine: &mut AnyMachine<'_, '_>,
    platform: &mut P,
    stream: &mut P::Stream,
) -> Result<(), Failure> {
    let connection = machine.connection_mut();
    while !connection.transmit().is_empty() {
        match stream.write(connection.transmit()).await {
            Ok(count @ 1..) => connection.transmitted(count, platform.now()),
            _ => return Err(steps::broken(stream.tls_failure())),
        }
    }
    match stream.flush().await {
        Ok(()) => Ok(()),
        Err(_) => Err(steps::broken(stream.tls_failure())),
    }
}

/// Output of `wanted`, or `None` if `limit` is complete before it. The other future is dropped.
async fn first<T>(wanted: impl Future<Output = T>, limit: impl Future<Output = ()>) -> Option<T> {
    let mut wanted = pin!(wanted);
    let mut limit = pin!(limit);
    poll_fn(|context| match wanted.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => limit.as_mut().poll(context).map(|()| None),
    })
    .await
}
