//! Clocks that are right, wrong, unset, and set by a server.

#![allow(clippy::unwrap_used)]

use std::net::UdpSocket;
use std::thread;

use super::*;

/// Seconds from 1900, where NTP counts from, to 1970 (RFC 5905, section 6).
const NTP_TO_UNIX: u64 = 2_208_988_800;

/// Answers one SNTP request with `unix_seconds` (RFC 5905, section 7.3: 48 bytes, mode 4, stratum 1).
fn sntp_server(unix_seconds: u64) -> String {
    sntp_server_with(unix_seconds, |_| {})
}

/// As [`sntp_server`], with an answer that `change` spoils. A forged packet comes before it.
fn sntp_server_with(unix_seconds: u64, change: fn(&mut [u8; 48])) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let mut request = [0; 48];
        let (length, client) = socket.recv_from(&mut request).unwrap();
        assert_eq!(length, 48);
        let mut reply = [0; 48];
        reply[0] = 0x24;
        reply[1] = 1;
        reply[12..16].copy_from_slice(b"LOCL");
        reply[24..32].copy_from_slice(&request[40..48]);
        let seconds = u32::try_from(unix_seconds + NTP_TO_UNIX)
            .unwrap()
            .to_be_bytes();
        reply[32..36].copy_from_slice(&seconds);
        reply[40..44].copy_from_slice(&seconds);
        change(&mut reply);
        let mut forged = reply;
        forged[31] ^= 1;
        socket.send_to(&forged, client).unwrap();
        socket.send_to(&reply, client).unwrap();
    });
    address
}

#[test]
fn the_system_clock_is_set_from_the_start() {
    let clock = HostClock::new(Source::System);
    assert!(clock.unix().unwrap() >= SANE_CLOCK);
    assert_eq!(
        clock.clone().synchronize().unwrap().as_secs(),
        clock.unix().unwrap().as_secs()
    );
}

#[test]
fn a_clock_can_be_wrong_on_purpose() {
    let right = HostClock::new(Source::System).unix().unwrap().as_secs();
    let slow = HostClock::new(Source::SystemOffBy(-3600))
        .unix()
        .unwrap()
        .as_secs();
    let fast = HostClock::new(Source::SystemOffBy(3600))
        .unix()
        .unwrap()
        .as_secs();
    assert!((3598..=3600).contains(&(right - slow)), "{right} {slow}");
    assert!((3600..=3602).contains(&(fast - right)), "{right} {fast}");
}

#[test]
fn a_clock_without_a_source_stays_unset() {
    let mut clock = HostClock::new(Source::Nowhere);
    assert_eq!(clock.unix(), None);
    assert_eq!(clock.synchronize(), Err(ClockError::NoAnswer));
    assert_eq!(clock.unix(), None);
}

#[test]
fn an_sntp_server_sets_the_clock_that_also_judges_certificates() {
    use rustls::time_provider::TimeProvider;
    let mut clock = HostClock::new(Source::Sntp(sntp_server(2_085_978_495)));
    let shared = clock.clone();
    assert_eq!(shared.unix(), None);
    assert!(shared.current_time().is_none());
    assert_eq!(clock.synchronize().unwrap().as_secs(), 2_085_978_495);
    let told = shared.unix().unwrap().as_secs();
    assert!((2_085_978_494..2_085_978_500).contains(&told), "{told}");
    assert!(shared.current_time().unwrap().as_secs().abs_diff(told) <= 1);
}

#[test]
fn a_server_that_lives_in_the_past_is_not_believed() {
    let mut clock = HostClock::new(Source::Sntp(sntp_server(1_000_000_000)));
    assert_eq!(clock.synchronize(), Err(ClockError::Implausible));
    assert_eq!(clock.unix(), None);
}

#[test]
fn an_answer_without_a_time_or_of_a_server_without_one_is_not_believed() {
    let spoilt: [fn(&mut [u8; 48]); 4] = [
        |answer| answer[40..48].fill(0),
        |answer| answer[1] = 0,
        |answer| answer[0] |= 0xc0,
        |answer| answer[32..40].fill(0),
    ];
    for change in spoilt {
        let mut clock = HostClock::new(Source::Sntp(sntp_server_with(2_085_978_495, change)));
        assert_eq!(clock.synchronize(), Err(ClockError::Implausible));
        assert_eq!(clock.unix(), None);
    }
}

#[test]
fn a_server_that_nobody_runs_gives_no_answer() {
    let unused = UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string();
    let mut clock = HostClock::new(Source::Sntp(unused));
    assert_eq!(clock.synchronize(), Err(ClockError::NoAnswer));
}

#[test]
fn a_server_name_that_does_not_resolve_is_told_apart() {
    // A label of 64 letters fits no query (RFC 1035, section 2.3.4), so that none is sent.
    let mut clock = HostClock::new(Source::Sntp("a".repeat(64) + ":123"));
    assert_eq!(clock.synchronize(), Err(ClockError::Unresolved));
}

#[test]
fn deadlines_are_counted_from_the_start_and_never_go_back() {
    let clock = HostClock::new(Source::Nowhere);
    let first = clock.now();
    assert!(first.as_millis() < 1000);
    assert!(clock.now() >= first);
}
