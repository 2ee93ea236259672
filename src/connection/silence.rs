//! A network link that brings nothing, as a serial line does whose other end was restarted: PPP of Zephyr 4.3 sends no
//! LCP echo (RFC 1661, section 5.8) that would show it, and goes on as before.

use core::time::Duration;

use crate::failure::{ClockError, ConnectError, TcpFailure};
use crate::time::Instant;

/// Attempts in a row without any answer after which a link is taken down and up again. Of a link that is well, a hub and
/// time servers out of reach cost it some seconds then.
pub const LIMIT: u32 = 3;

/// Shortest time from the first of these attempts, or from the last time that the link was taken down: a link needs some
/// seconds to come up.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Attempts in a row that brought no answer from anybody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Silence {
    attempts: u32,
    /// Time at which the first of them ended, or at which the link was taken down.
    since: Option<Instant>,
}

impl Silence {
    /// Takes what came of an attempt to connect; true if the link is to be taken down and up again.
    pub fn connected<T>(&mut self, now: Instant, result: &Result<T, ConnectError>) -> bool {
        match result {
            Err(ConnectError::Dns(_) | ConnectError::Tcp(TcpFailure::TimedOut, _)) => {
                self.missed(now)
            }
            // The device's own part: nothing is known of the link.
            Err(
                ConnectError::Resource(_)
                | ConnectError::Cancelled
                | ConnectError::Tcp(TcpFailure::Unreachable | TcpFailure::Other, _),
            ) => false,
            Ok(_) | Err(_) => self.answered(),
        }
    }

    /// The same for a question for the time.
    pub fn synchronized<T>(&mut self, now: Instant, result: &Result<T, ClockError>) -> bool {
        match result {
            Err(ClockError::NoAnswer | ClockError::Unresolved) => self.missed(now),
            Ok(_) | Err(ClockError::Implausible) => self.answered(),
        }
    }

    fn answered(&mut self) -> bool {
        *self = Self::default();
        false
    }

    /// Begins to count anew when both limits are reached.
    fn missed(&mut self, now: Instant) -> bool {
        self.attempts = self.attempts.saturating_add(1);
        let since = *self.since.get_or_insert(now);
        let silent = self.attempts >= LIMIT && now.since(since) >= PATIENCE;
        if silent {
            (self.attempts, self.since) = (0, Some(now));
        }
        silent
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::{Code, TlsFailure};
    use std::vec::Vec;

    const NAME: Result<(), ConnectError> = Err(ConnectError::Dns(Code(-2)));
    const TIMED_OUT: Result<(), ConnectError> =
        Err(ConnectError::Tcp(TcpFailure::TimedOut, Code(116)));
    const NO_TIME: Result<(), ClockError> = Err(ClockError::NoAnswer);

    fn at(seconds: u64) -> Instant {
        Instant::from_millis(seconds * 1000)
    }

    /// Two attempts without an answer, the first one a minute ago.
    fn silent() -> Silence {
        let mut silence = Silence::default();
        assert!(!silence.connected(at(0), &NAME));
        assert!(!silence.connected(at(1), &TIMED_OUT));
        silence
    }

    #[test]
    fn slow_attempts_renew_the_link_at_each_third_one() {
        let mut silence = Silence::default();
        let mut renewed = Vec::new();
        for attempt in 1..=9 {
            let result = if attempt % 2 == 0 { &NAME } else { &TIMED_OUT };
            if silence.connected(at(attempt * 20), result) {
                renewed.push(attempt);
            }
        }
        assert_eq!(renewed, [3, 6, 9]);
    }

    #[test]
    fn quick_attempts_leave_the_link_time_to_come_up() {
        let mut silence = Silence::default();
        let renewed: Vec<u64> = (0..100)
            .filter(|second| silence.connected(at(*second), &NAME))
            .collect();
        assert_eq!(renewed, [30, 60, 90]);
    }

    #[test]
    fn time_servers_that_do_not_answer_count_too() {
        let mut silence = Silence::default();
        assert!(!silence.synchronized(at(0), &NO_TIME));
        assert!(!silence.synchronized::<()>(at(20), &Err(ClockError::Unresolved)));
        assert!(silence.connected(at(40), &NAME));
    }

    #[test]
    fn any_answer_shows_a_link_that_is_well() {
        let refused = Err(ConnectError::Tcp(TcpFailure::Refused, Code(111)));
        let alert = Err(ConnectError::Tls(TlsFailure::Alert(48), Code(0)));
        for answer in [Ok(()), refused, alert] {
            let mut silence = silent();
            assert!(!silence.connected(at(60), &answer));
            assert_eq!(silence, Silence::default(), "{answer:?}");
        }
        for answer in [Ok(()), Err(ClockError::Implausible)] {
            let mut silence = silent();
            assert!(!silence.synchronized(at(60), &answer));
            assert_eq!(silence, Silence::default(), "{answer:?}");
        }
    }

    #[test]
    fn what_the_device_itself_lacks_says_nothing_of_the_link() {
        let mut silence = silent();
        let before = silence;
        for error in [
            ConnectError::Resource(Code(12)),
            ConnectError::Cancelled,
            ConnectError::Tcp(TcpFailure::Unreachable, Code(118)),
        ] {
            assert!(!silence.connected::<()>(at(60), &Err(error)));
            assert_eq!(silence, before);
        }
        assert!(silence.connected(at(60), &NAME));
    }
}
