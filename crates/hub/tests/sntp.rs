//! SNTP over UDP.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::net::UdpSocket;

use common::*;
use local_hub::Hub;

/// The server's time in seconds since 1970.
fn ask(hub: &Hub) -> u64 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.connect(hub.sntp_endpoint().unwrap()).unwrap();
    let mut request = [0; 48];
    request[0] = 0x23;
    socket.send(&request).unwrap();
    let mut answer = [0; 100];
    assert_eq!(socket.recv(&mut answer).unwrap(), 48);
    let seconds = u32::from_be_bytes(answer[40..44].try_into().unwrap());
    u64::from(seconds) - 2_208_988_800
}

#[test]
fn the_hubs_time_is_told_and_a_wrong_one_if_that_is_wanted() {
    let hub = hub_with(|config| config.sntp = Some("127.0.0.1:0".parse().unwrap()));
    let is_about = |expected: u64| {
        let told = ask(&hub);
        assert!(told.abs_diff(expected) <= 5, "{told} instead of {expected}");
    };
    let now = hub.unix_millis() / 1000;
    is_about(now);
    hub.shift_clock(1000);
    is_about(now + 1000);
    hub.set_sntp_offset(-3600);
    is_about(now + 1000 - 3600);
}

#[test]
fn without_being_asked_for_there_is_no_sntp() {
    assert_eq!(hub().sntp_endpoint(), None);
}
