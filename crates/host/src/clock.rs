//! Time on a computer: the monotonic clock for deadlines, the system's or an SNTP server's for dates.
//!
//! The same clock judges certificates' dates and stamps tokens, as it does on a device. [`Source`] makes it
//! wrong on purpose where a test or a demonstration needs that.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use azure_device::failure::ClockError;
use azure_device::port::Clock;
use azure_device::time::SANE_CLOCK;
use azure_device::time::{Instant, UnixTime};
use log::{debug, warn};

use azure_device::sntp::{self, SntpError};

/// Time for the answers of a time server, all its addresses together. A link of 5 seconds each way needs 10.
const SNTP_TIMEOUT: Duration = Duration::from_secs(12);

/// Source of the date.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// The system's clock.
    #[default]
    System,
    /// The system's clock, wrong by this many seconds.
    SystemOffBy(i64),
    /// An SNTP server, `HOST:PORT`: the clock is unset until it has answered.
    Sntp(String),
    /// Nowhere: the clock stays unset.
    Nowhere,
}

/// A clock. Clones share its state.
#[derive(Clone, Debug)]
pub struct HostClock {
    start: std::time::Instant,
    source: Source,
    /// Time by SNTP, as the milliseconds since 1970 when `start` was; 0 until then.
    start_unix: Arc<AtomicU64>,
}

impl HostClock {
    /// A clock that starts now.
    pub fn new(source: Source) -> Self {
        Self {
            start: std::time::Instant::now(),
            source,
            start_unix: Arc::default(),
        }
    }

    fn since_start(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Asks every address of the server in turn, until one gives a time.
    fn ask(&self, server: &str) -> Result<UnixTime, ClockError> {
        let addresses: Vec<SocketAddr> = server
            .to_socket_addrs()
            .map_err(|error| {
                debug!("SNTP server {server}: {error}");
                ClockError::Unresolved
            })?
            .collect();
        let mut failure = ClockError::NoAnswer;
        let share = SNTP_TIMEOUT / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
        for address in addresses {
            match exchange(address, share) {
                Ok(Ok(now)) => {
                    let start_unix = now.as_millis().saturating_sub(self.since_start());
                    self.start_unix.store(start_unix, Ordering::Release);
                    return Ok(now);
                }
                Ok(Err(reason)) => {
                    warn!("the answer of the SNTP server {server} is not believed: {reason}");
                    failure = ClockError::Implausible;
                }
                Err(error) => debug!("SNTP server {server} at {address}: {error}"),
            }
        }
        Err(failure)
    }
}

/// One question to one address, and the judgement of its answer.
fn exchange(server: SocketAddr, patience: Duration) -> io::Result<Result<UnixTime, SntpError>> {
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => ([0; 4], 0).into(),
        SocketAddr::V6(_) => ([0; 16], 0).into(),
    };
    let socket = UdpSocket::bind(any)?;
    // Only this server's packets arrive then, and the word that nobody listens there.
    socket.connect(server)?;
    let nonce = getrandom::u64().map_err(io::Error::other)?;
    let asked = std::time::Instant::now();
    socket.send(&sntp::request(nonce))?;
    loop {
        let left = patience.saturating_sub(asked.elapsed());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        socket.set_read_timeout(Some(left))?;
        let mut packet = [0; 2 * sntp::PACKET];
        let length = socket.recv(&mut packet)?;
        let packet = packet.get(..length).unwrap_or_default();
        match sntp::read_answer(packet, nonce, asked.elapsed()) {
            // Late answers to earlier questions, and inventions, do not end the wait.
            Err(SntpError::NotAnAnswer) => {}
            result => return Ok(result),
        }
    }
}

impl Clock for HostClock {
    fn now(&self) -> Instant {
        Instant::from_millis(self.since_start())
    }

    fn unix(&self) -> Option<UnixTime> {
        let now = match &self.source {
            Source::System => system()?,
            Source::SystemOffBy(seconds) => {
                let milliseconds = seconds.saturating_mul(1000);
                let shifted = system()?.as_millis().checked_add_signed(milliseconds)?;
                return Some(UnixTime::from_millis(shifted));
            }
            Source::Sntp(_) => match self.start_unix.load(Ordering::Acquire) {
                0 => return None,
                start => UnixTime::from_millis(start.saturating_add(self.since_start())),
            },
            Source::Nowhere => return None,
        };
        (now >= SANE_CLOCK).then_some(now)
    }

    fn synchronize(&mut self) -> Result<UnixTime, ClockError> {
        match &self.source {
            Source::System | Source::SystemOffBy(_) => self.unix().ok_or(ClockError::Implausible),
            Source::Sntp(server) => self.ask(server),
            Source::Nowhere => Err(ClockError::NoAnswer),
        }
    }
}

/// Certificates' dates are judged by the device's clock, not behind its back by the system's.
impl rustls::time_provider::TimeProvider for HostClock {
    fn current_time(&self) -> Option<rustls::pki_types::UnixTime> {
        let now = Duration::from_millis(self.unix()?.as_millis());
        Some(rustls::pki_types::UnixTime::since_unix_epoch(now))
    }
}

fn system() -> Option<UnixTime> {
    SystemTime::now().duration_since(UNIX_EPOCH).ok().map(unix)
}

fn unix(since_1970: Duration) -> UnixTime {
    UnixTime::from_millis(u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
#[path = "clock_tests.rs"]
mod tests;
