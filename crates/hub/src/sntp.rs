//! An SNTP server (RFC 4330) for devices that have no other source of time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::net::UdpSocket;

use crate::clock::Clock;

/// Seconds from 1900, where NTP counts from, to 1970.
const UNIX_EPOCH_IN_NTP: u64 = 2_208_988_800;
/// Bytes of a message without authentication.
const MESSAGE: usize = 48;

/// Answers on `socket` with the hub's time, moved by `offset` seconds.
pub(crate) async fn serve(socket: UdpSocket, clock: Arc<Clock>, offset: Arc<AtomicI64>) {
    let mut request = [0; 512];
    loop {
        // An error here is one datagram's, such as a port that is unreachable.
        let Ok((length, peer)) = socket.recv_from(&mut request).await else {
            continue;
        };
        let moved = offset.load(Ordering::Relaxed).saturating_mul(1000);
        let now = clock.unix_millis().saturating_add_signed(moved);
        if let Some(answer) = answer(&request[..length.min(request.len())], now) {
            let _ = socket.send_to(&answer, peer).await;
        }
    }
}

/// The answer to a client's message (RFC 4330, section 6); `None` to anything else.
fn answer(request: &[u8], unix_millis: u64) -> Option<[u8; MESSAGE]> {
    let request = request.get(..MESSAGE)?;
    let (version, mode) = (request[0] >> 3 & 7, request[0] & 7);
    if !(1..=4).contains(&version) || mode != 3 {
        return None;
    }
    let now = ntp_timestamp(unix_millis);
    let mut answer = [0; MESSAGE];
    // No leap second announced, the client's version, mode 4 (server).
    answer[0] = version << 3 | 4;
    // Stratum 1, with a local clock as its reference.
    answer[1] = 1;
    answer[2] = request[2];
    // Precision: 2^-10 s.
    answer[3] = 0xf6;
    answer[12..16].copy_from_slice(b"LOCL");
    answer[16..24].copy_from_slice(&now);
    answer[24..32].copy_from_slice(&request[40..48]);
    answer[32..40].copy_from_slice(&now);
    answer[40..48].copy_from_slice(&now);
    Some(answer)
}

/// 32 bits of seconds since 1900, which wrap in 2036 (RFC 4330, section 3), and 32 bits of fraction.
fn ntp_timestamp(unix_millis: u64) -> [u8; 8] {
    let seconds = (unix_millis / 1000).wrapping_add(UNIX_EPOCH_IN_NTP) & 0xffff_ffff;
    let fraction = ((unix_millis % 1000) << 32) / 1000;
    (seconds << 32 | fraction).to_be_bytes()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_clients_request_is_answered_as_rfc_4330_says() {
        let mut request = [0; MESSAGE];
        request[0] = 0x23;
        request[40..48].copy_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8]);
        // 2026-01-01T00:00:00.5Z; 1900 to 2026 are 3976214400 s.
        let answer = answer(&request, 1_767_225_600_500).unwrap();
        assert_eq!(answer[0], 0x24);
        assert_eq!(answer[1], 1);
        assert_eq!(answer[24..32], [1, 2, 3, 4, 5, 6, 7, 8]);
        let mut time = 3_976_214_400_u32.to_be_bytes().to_vec();
        time.extend([0x80, 0, 0, 0]);
        assert_eq!(answer[32..40], time);
        assert_eq!(answer[40..48], time);
    }

    #[test]
    fn seconds_wrap_in_2036() {
        // 2036-02-07T06:28:16Z is second 0 of the next era.
        assert_eq!(ntp_timestamp(2_085_978_496_000), [0; 8]);
    }

    #[test]
    fn what_is_no_clients_request_is_not_answered() {
        let mut request = [0; MESSAGE];
        for first in [0x00, 0x24, 0x1c, 0x2b, 0x03, 0x3b] {
            request[0] = first;
            assert_eq!(answer(&request, 0), None, "{first:#x}");
        }
        request[0] = 0x23;
        assert_eq!(answer(&request[..47], 0), None);
        assert!(answer(&request, 0).is_some());
    }
}
