//! Time on a computer: the monotonic clock for deadlines, the system's or an SNTP server's for dates.
//!
//! The same clock judges certificates' dates and stamps tokens, as it does on a device. [`Source`] makes it
//! wrong on purpose where a test or a demonstration needs that.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use azure_device::device::SANE_CLOCK;
use azure_device::port::{Clock, ClockError};
use azure_device::time::{Instant, UnixTime};
use log::debug;
use rsntp::{SntpClient, SynchronizationError};

/// How long an SNTP server may take to answer.
const SNTP_TIMEOUT: Duration = Duration::from_secs(5);

/// Where the date comes from.
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
    /// What SNTP gave, as the milliseconds since 1970 when `start` was; 0 until then.
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

    fn ask(&self, server: &str) -> Result<UnixTime, ClockError> {
        let config = rsntp::Config::default().timeout(SNTP_TIMEOUT);
        let answer = SntpClient::with_config(config)
            .synchronize(server)
            .map_err(|error| {
                debug!("SNTP server {server}: {error}");
                sntp_failure(&error)
            })?;
        let since_1970 = answer.datetime().unix_timestamp();
        let now = since_1970.map_err(|_| ClockError::Implausible).map(unix)?;
        if now < SANE_CLOCK {
            debug!("SNTP server {server} says that it is {now}");
            return Err(ClockError::Implausible);
        }
        let start_unix = now.as_millis().saturating_sub(self.since_start());
        self.start_unix.store(start_unix, Ordering::Release);
        Ok(now)
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

fn sntp_failure(error: &SynchronizationError) -> ClockError {
    use std::io::ErrorKind::{ConnectionRefused, TimedOut, WouldBlock};
    match error {
        SynchronizationError::IOError(error) => match error.kind() {
            TimedOut | WouldBlock | ConnectionRefused => ClockError::NoAnswer,
            _ if error.raw_os_error().is_some() => ClockError::NoAnswer,
            // The resolver's errors carry no number of the system's.
            _ => ClockError::Unresolved,
        },
        SynchronizationError::ProtocolError(_) => ClockError::Implausible,
    }
}

#[cfg(test)]
#[path = "clock_tests.rs"]
mod tests;
