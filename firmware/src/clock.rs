//! Time by SNTP.

#![forbid(unsafe_code)]

use core::time::Duration;

use azure_device::failure::ClockError;
use azure_device::logging::{debug, info, warn};
use azure_device::sntp::{self, SntpError};
use azure_device::time::UnixTime;

use crate::ffi::{self, Address, Error, Socket};
use crate::kconfig;
use crate::logger::Line;

/// The port of time servers (RFC 5905, section 7.2).
const NTP_PORT: u16 = 123;

/// Number of addresses of a server that are asked.
const ADDRESSES: usize = 2;

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
                error = error.most_informative(reason);
            }
        }
    }
    Err(error)
}

fn ask(server: &str) -> Result<UnixTime, ClockError> {
    let (host, port) = azure_device::server::split(server).map_err(|_| ClockError::Unresolved)?;
    let host = Line::<256>::of(format_args!("{host}"));
    let port = Line::<8>::of(format_args!("{}", port.unwrap_or(NTP_PORT)));
    let mut addresses = [Address::default(); ADDRESSES];
    let count = ffi::resolve(host.as_c_str(), port.as_c_str(), false, &mut addresses)
        .map_err(|_| ClockError::Unresolved)?;
    let mut result = Err(ClockError::NoAnswer);
    for address in addresses.iter().take(count) {
        match exchange(address) {
            Ok(Ok(time)) => return Ok(time),
            Ok(Err(reason)) => {
                warn!("clock: the answer of {server} is not believed: {reason}");
                result = Err(ClockError::Implausible);
            }
            Err(error) => debug!("clock: {server}: {error:?} ({})", ffi::errno()),
        }
    }
    result
}

/// Sends one question to one address, and judges its answer.
fn exchange(server: &Address) -> Result<Result<UnixTime, SntpError>, Error> {
    let mut nonce = [0; 8];
    ffi::random(&mut nonce)?;
    let nonce = u64::from_ne_bytes(nonce);
    let mut socket = Socket::connect_udp(server)?;
    let patience =
        Duration::from_millis(kconfig::CONFIG_AZURE_SNTP_TIMEOUT_MS.unsigned_abs() as u64);
    let asked = ffi::uptime();
    socket.send(&sntp::request(nonce))?;
    loop {
        let waited = ffi::uptime().since(asked);
        let left = patience.saturating_sub(waited);
        if left.is_zero() {
            return Err(Error::TimedOut);
        }
        // What follows an answer's first bytes authenticates it, which nobody asked for.
        let mut packet = [0; sntp::PACKET];
        let left = u32::try_from(left.as_millis()).unwrap_or(u32::MAX);
        let length = match socket.receive_within(&mut packet, left) {
            Ok(length) => length,
            Err(Error::Again) => continue,
            Err(error) => return Err(error),
        };
        let packet = packet.get(..length).unwrap_or_default();
        let round_trip = ffi::uptime().since(asked);
        match sntp::read_answer(packet, nonce, round_trip) {
            // Late answers to earlier questions, and inventions, do not end the wait.
            Err(SntpError::NotAnAnswer) => {}
            result => return Ok(result),
        }
    }
}
