//! Ports of a device on an executor: the same needs, for [`run_async`](crate::connection::run_async).

use core::future::Future;

use super::{Endpoint, Immediate, Reading, SensorError};
use crate::failure::{ClockError, Code, ConnectError, TlsFailure};
use crate::time::{Instant, UnixTime};

/// An open TLS connection. Dropping it closes it.
///
/// A future of `read` that is dropped before it is complete must have taken no byte from the stream ("side-effect-free on
/// cancel" in `embedded-io-async`). A future of `write` or `flush` ends within a time that the implementation bounds.
pub trait AsyncStream: embedded_io_async::Read + embedded_io_async::Write {
    /// Reason of TLS, with the platform's code, why reading or writing failed; `None` if TLS knows none. Asked once,
    /// after the failure.
    fn tls_failure(&mut self) -> Option<(TlsFailure, Code)> {
        None
    }
}

/// A platform whose waiting is left to an executor.
///
/// The device runs in one task. No future here has to be `Send`. Calls of a queue ([`Immediate::queue`]) block, as long as
/// its medium takes: other tasks of the thread wait meanwhile.
pub trait AsyncPlatform: Immediate {
    /// Stream that it opens.
    type Stream: AsyncStream;

    /// Progress of a connection that is being opened; its default is one that was not begun. Dropping it gives
    /// the attempt up.
    type Opening: Default;

    /// Sets the shared clock.
    fn synchronize(&mut self) -> impl Future<Output = Result<UnixTime, ClockError>>;

    /// Resolves, connects and completes the TLS handshake: see [`Connector::connect`](super::Connector::connect), whose
    /// rules hold here too.
    fn connect(
        &mut self,
        endpoint: Endpoint<'_>,
        opening: &mut Self::Opening,
        until: Instant,
    ) -> impl Future<Output = Result<Option<Self::Stream>, ConnectError>>;

    /// Gives every reading to `take`.
    fn sample(
        &mut self,
        take: &mut dyn FnMut(Reading),
    ) -> impl Future<Output = Result<(), SensorError>>;

    /// Sleeps until somebody asks for something, or `until` has come. The future is dropped when bytes come first: a
    /// request that it saw must still be in [`Immediate::requests`].
    fn wait(&mut self, until: Instant) -> impl Future<Output = ()>;
}
