//! Time by SNTP.

#![forbid(unsafe_code)]

use crate::kconfig;
use azure_device::logging::{debug, info};
use azure_device::port::ClockError;
use azure_device::time::UnixTime;

use crate::ffi::{self, Address};
use crate::logger::Line;

/// The port of time servers (RFC 5905, section 7.2).
const NTP_PORT: &str = "123";

/// How many addresses of a server are asked.
const ADDRESSES: usize = 2;

/// No server knows a time before this program was written: 2025-01-01.
const PLAUSIBLE: UnixTime = UnixTime::from_secs(1_735_689_600);

/// Asks the servers, a list separated by `;`, in turn until one answers, and sets the clock.
pub(crate) fn synchronize(servers: &str) -> Result<UnixTime, ClockError> {
    let mut error = ClockError::Unresolved;
    for server in servers
        .split(';')
        .map(str::trim_ascii)
        .filter(|server| !server.is_empty())
    {
        match ask(server) {
            Ok(time) => {
                ffi::set_unix_time(time);
                info!("clock: {time} by {server}");
                return Ok(time);
            }
            Err(reason) => {
                debug!(
                    "clock: no time from {server}: {reason:?} ({})",
                    ffi::errno()
                );
                error = worse(error, reason);
            }
        }
    }
    Err(error)
}

/// What to report of several servers: what came nearest to an answer.
fn worse(first: ClockError, second: ClockError) -> ClockError {
    match (first, second) {
        (ClockError::Implausible, _) | (_, ClockError::Implausible) => ClockError::Implausible,
        (ClockError::NoAnswer, _) | (_, ClockError::NoAnswer) => ClockError::NoAnswer,
        _ => ClockError::Unresolved,
    }
}

fn ask(server: &str) -> Result<UnixTime, ClockError> {
    let (host, port) = match server.rsplit_once(':') {
        // More than one colon is an IPv6 address.
        Some((host, port)) if !host.as_bytes().contains(&b':') => (host, port),
        _ => (server, NTP_PORT),
    };
    let host = Line::<256>::of(format_args!("{host}"));
    let port = Line::<8>::of(format_args!("{port}"));
    let mut addresses = [Address::default(); ADDRESSES];
    let count = ffi::resolve(host.as_c_str(), port.as_c_str(), false, &mut addresses)
        .map_err(|_| ClockError::Unresolved)?;
    let mut result = Err(ClockError::NoAnswer);
    for address in addresses.iter().take(count) {
        let timeout = kconfig::CONFIG_AZURE_SNTP_TIMEOUT_MS.unsigned_abs();
        match ffi::sntp(address, u32::try_from(timeout).unwrap_or(u32::MAX)) {
            Ok(time) if time >= PLAUSIBLE => return Ok(time),
            Ok(_) => result = Err(ClockError::Implausible),
            Err(_) => {}
        }
    }
    result
}
