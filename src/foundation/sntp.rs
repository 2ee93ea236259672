//! SNTP: the request for the time, and the checks of a response (RFC 4330; RFC 5905 for the format).
//!
//! A device with a wrong clock trusts expired certificates. So a response is used only if its server says that its time
//! is good, and if it answers this request. Limits: the response is not authenticated, and half of the difference between
//! the two directions' delays is an error of the time.

use core::fmt;
use core::time::Duration;

use crate::time::SANE_CLOCK;
use crate::time::UnixTime;

/// Length of a question and of an answer without authentication, in bytes (RFC 4330, section 4).
pub const PACKET: usize = 48;

/// Seconds from 1900, where NTP counts from, to 1970 (RFC 4330, section 3).
const NTP_TO_UNIX: u64 = 2_208_988_800;
/// Seconds of an era. The second one begins on 2036-02-07 (RFC 4330, section 3).
const ERA: u64 = 1 << 32;
/// Time that no answer can give before this program is replaced: 2100-01-01.
const LATEST: UnixTime = UnixTime::from_secs(4_102_444_800);

/// The question. `nonce` must be random: the answer repeats it, and an attacker who does not see the question cannot.
pub fn request(nonce: u64) -> [u8; PACKET] {
    let mut packet = [0; PACKET];
    // Leap indicator 0, version 4, mode 3 (client).
    packet[0] = 0x23;
    packet[40..].copy_from_slice(&nonce.to_be_bytes());
    packet
}

/// The time now, by an answer that came `round_trip` after the question with this `nonce`.
///
/// # Errors
///
/// [`SntpError::NotAnAnswer`] for a packet to pass over while waiting for the answer; the others are the server's last
/// word.
pub fn read_answer(packet: &[u8], nonce: u64, round_trip: Duration) -> Result<UnixTime, SntpError> {
    let Some(packet) = packet.first_chunk::<PACKET>() else {
        return Err(SntpError::NotAnAnswer);
    };
    let word = |at: usize| {
        packet
            .get(at..)
            .and_then(<[u8]>::first_chunk)
            .map_or(0, |bytes| u64::from_be_bytes(*bytes))
    };
    let [flags, stratum, ..] = *packet;
    // A server's mode is 4; a broadcast is no answer.
    if flags & 0x07 != 4 || word(24) != nonce {
        return Err(SntpError::NotAnAnswer);
    }
    if stratum == 0 {
        return Err(SntpError::KissOfDeath);
    }
    // The leap indicator 3 and a stratum above 15 say that the server has no time itself.
    if flags >> 6 == 3 || stratum > 15 {
        return Err(SntpError::Unsynchronized);
    }
    let (received, sent) = (word(32), word(40));
    if received >> 32 == 0 || sent >> 32 == 0 {
        return Err(SntpError::NoTime);
    }
    let (received, sent) = (milliseconds(received), milliseconds(sent));
    let in_the_server = sent.checked_sub(received).ok_or(SntpError::Contradiction)?;
    let round_trip = u64::try_from(round_trip.as_millis()).unwrap_or(u64::MAX);
    // Clocks tick apart by less than a second in a round trip.
    if in_the_server > round_trip.saturating_add(1000) {
        return Err(SntpError::Contradiction);
    }
    let back = round_trip.saturating_sub(in_the_server) / 2;
    let now = sent
        .checked_sub(NTP_TO_UNIX * 1000)
        .map(|since_1970| UnixTime::from_millis(since_1970.saturating_add(back)));
    now.filter(|now| (SANE_CLOCK..LATEST).contains(now))
        .ok_or(SntpError::OutOfRange)
}

/// Milliseconds since 1900 of a time stamp: in the second era if its highest bit is 0 (RFC 4330, section 3).
const fn milliseconds(stamp: u64) -> u64 {
    let seconds = stamp >> 32;
    let era = if seconds >> 31 == 0 { ERA } else { 0 };
    (seconds + era) * 1000 + (((stamp & 0xffff_ffff) * 1000) >> 32)
}

/// Reason why an answer does not set the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SntpError {
    /// It answers another question, or none.
    NotAnAnswer,
    /// The server wants to be asked less, or not at all (kiss-o'-death).
    KissOfDeath,
    /// The server says that it has no time itself.
    Unsynchronized,
    /// A time stamp is empty.
    NoTime,
    /// The server sent before it received, or took longer than the answer was on its way.
    Contradiction,
    /// A time before this program was written, or after 2100.
    OutOfRange,
}

impl fmt::Display for SntpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAnAnswer => "it answers another question",
            Self::KissOfDeath => "it refuses to be asked (kiss-o'-death)",
            Self::Unsynchronized => "it says that it does not know the time itself",
            Self::NoTime => "it has an empty time stamp",
            Self::Contradiction => "its time stamps contradict each other",
            Self::OutOfRange => "it gives a time in the far past or future",
        })
    }
}

impl core::error::Error for SntpError {}

#[cfg(test)]
#[path = "sntp_tests.rs"]
mod tests;
