//! A time server that can be wrong and then right, or silent.

use std::net::UdpSocket;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds from 1900, where NTP counts from, to 1970 (RFC 5905, section 6).
const NTP_TO_UNIX: i64 = 2_208_988_800;

/// Starts a server on loopback that is off by these seconds, one answer after the other, the last one for
/// ever, and gives its address. It ends with the test's process.
pub(crate) fn server_that_is_off_by(seconds: &'static [i64]) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let mut left = seconds.iter();
        let mut off_by = 0;
        loop {
            let mut request = [0; 48];
            let (_, client) = socket.recv_from(&mut request).unwrap();
            off_by = left.next().copied().unwrap_or(off_by);
            socket.send_to(&reply(&request, off_by), client).unwrap();
        }
    });
    address
}

/// RFC 5905, section 7.3: version 4, server, stratum 1; the request's transmit time as its origin.
fn reply(request: &[u8; 48], off_by: i64) -> [u8; 48] {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seconds = i64::try_from(now.as_secs()).unwrap() + off_by + NTP_TO_UNIX;
    let time = u32::try_from(seconds).unwrap().to_be_bytes();
    let mut reply = [0; 48];
    reply[0] = 0x24;
    reply[1] = 1;
    reply[12..16].copy_from_slice(b"LOCL");
    reply[24..32].copy_from_slice(&request[40..48]);
    reply[32..36].copy_from_slice(&time);
    reply[40..44].copy_from_slice(&time);
    reply
}
