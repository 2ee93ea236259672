//! Answers of time servers, true and otherwise.

use super::*;

const NONCE: u64 = 0x0123_4567_89ab_cdef;
/// 2026-11-26T00:00:00Z.
const TODAY: u64 = 1_795_651_200;
const AT_ONCE: Duration = Duration::ZERO;

/// A good answer with these times of receiving and sending, in seconds since 1970 and 1/2^32 of them.
fn answer(received: (u64, u32), sent: (u64, u32)) -> [u8; PACKET] {
    let mut packet = [0; PACKET];
    packet[0] = 0x24;
    packet[1] = 2;
    packet[24..32].copy_from_slice(&NONCE.to_be_bytes());
    for (at, (seconds, fraction)) in [(32, received), (40, sent)] {
        let seconds = (seconds + NTP_TO_UNIX) % ERA;
        let stamp = seconds << 32 | u64::from(fraction);
        packet[at..at + 8].copy_from_slice(&stamp.to_be_bytes());
    }
    packet
}

fn good() -> [u8; PACKET] {
    answer((TODAY, 0), (TODAY, 0))
}

#[test]
fn the_question_is_a_client_s_of_version_4_with_the_nonce() {
    let packet = request(NONCE);
    assert_eq!(packet[0], 0b00_100_011);
    assert_eq!(packet[40..], NONCE.to_be_bytes());
    assert_eq!(packet[1..40], [0; 39]);
}

#[test]
fn the_way_back_is_half_of_what_the_server_did_not_take() {
    let half = 1 << 31;
    let packet = answer((TODAY, 0), (TODAY, half));
    let now = read_answer(&packet, NONCE, Duration::from_millis(2500)).unwrap();
    assert_eq!(now.as_millis(), TODAY * 1000 + 500 + 1000);
}

#[test]
fn the_second_era_begins_in_2036() {
    let last = ERA - 1 - NTP_TO_UNIX;
    for seconds in [last, last + 2, LATEST.as_secs() - 1] {
        let packet = answer((seconds, 0), (seconds, 0));
        let now = read_answer(&packet, NONCE, AT_ONCE).map(UnixTime::as_secs);
        assert_eq!(now, Ok(seconds));
    }
}

#[test]
fn every_implausible_answer_is_refused_by_its_reason() {
    let changed = |at: usize, bytes: &[u8]| {
        let mut packet = good();
        packet[at..at + bytes.len()].copy_from_slice(bytes);
        packet
    };
    for (packet, error) in [
        (changed(0, &[0x23]), SntpError::NotAnAnswer),
        (changed(0, &[0x25]), SntpError::NotAnAnswer),
        (changed(24, &[0; 8]), SntpError::NotAnAnswer),
        (changed(31, &[0xee]), SntpError::NotAnAnswer),
        (changed(1, &[0]), SntpError::KissOfDeath),
        (changed(1, &[16]), SntpError::Unsynchronized),
        (changed(0, &[0xe4]), SntpError::Unsynchronized),
        (changed(40, &[0; 8]), SntpError::NoTime),
        (changed(40, &[0, 0, 0, 0, 1]), SntpError::NoTime),
        (changed(32, &[0; 8]), SntpError::NoTime),
        (changed(32, &[0; 16]), SntpError::NoTime),
        (answer((TODAY, 0), (TODAY - 1, 0)), SntpError::Contradiction),
        (
            answer((TODAY - 60, 0), (TODAY, 0)),
            SntpError::Contradiction,
        ),
        (
            answer((1_000_000_000, 0), (1_000_000_000, 0)),
            SntpError::OutOfRange,
        ),
        (
            answer((LATEST.as_secs(), 0), (LATEST.as_secs(), 0)),
            SntpError::OutOfRange,
        ),
    ] {
        let result = read_answer(&packet, NONCE, AT_ONCE);
        assert_eq!(result, Err(error), "{packet:02x?}");
    }
    let shorter = good();
    for length in [0, 1, PACKET - 1] {
        let result = read_answer(&shorter[..length], NONCE, AT_ONCE);
        assert_eq!(result, Err(SntpError::NotAnAnswer));
    }
    // Authentication may follow.
    assert!(read_answer(&[&good()[..], &[7; 20]].concat(), NONCE, AT_ONCE).is_ok());
}
