//! Decisions of a device that waits: for its network, or for a person to provision it.

use core::time::Duration;

use crate::backoff::doubled;
use crate::port::Requests;
use crate::time::Instant;

/// Meaning of a request for a device that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// The configuration changed: it may wait for another thing now, so the wait starts again.
    Changed,
    /// Reason to look at once: what it waits for may have come.
    Look,
    /// No reason to end or shorten the wait. A request for a message is none: it is measured once the device runs.
    None,
}

impl News {
    /// Reads what was asked for. A change wins, whatever came with it.
    pub fn of(asked: Requests) -> Self {
        if asked.stop || asked.reconnect {
            Self::Changed
        } else if asked.retry_now {
            Self::Look
        } else {
            Self::None
        }
    }
}

/// Times at which a device says what it waits for: at once, and then at pauses that double.
#[derive(Clone, Copy, Debug)]
pub struct Reminder {
    next: Instant,
    first: Duration,
    longest: Duration,
    told: u32,
}

impl Reminder {
    /// One that is due now, again after `first`, and never later than after `longest`.
    pub const fn new(now: Instant, first: Duration, longest: Duration) -> Self {
        Self {
            next: now,
            first,
            longest,
            told: 0,
        }
    }

    /// Time of the next line.
    pub const fn next(&self) -> Instant {
        self.next
    }

    /// True if the line is due. The next one then is due after the next pause.
    pub fn is_due(&mut self, now: Instant) -> bool {
        if now < self.next {
            return false;
        }
        self.next = now.after(doubled(self.first, self.told, self.longest));
        self.told = self.told.saturating_add(1);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn a_change_ends_a_wait_whatever_came_with_it_and_a_wanted_message_does_not() {
        for bits in 0..256 {
            let asked = Requests {
                send_now: bits & 1 != 0,
                retry_now: bits & 2 != 0,
                stop: bits & 4 != 0,
                reconnect: bits & 8 != 0,
                woken: bits & 16 != 0,
                clear_queue: bits & 32 != 0,
                cancel_update: bits & 64 != 0,
                roll_back: bits & 128 != 0,
            };
            let expected = match (asked.stop || asked.reconnect, asked.retry_now) {
                (true, _) => News::Changed,
                (false, true) => News::Look,
                (false, false) => News::None,
            };
            assert_eq!(News::of(asked), expected, "{asked:?}");
        }
        assert_eq!(
            News::of(Requests {
                send_now: true,
                ..Requests::default()
            }),
            News::None
        );
    }

    #[test]
    fn a_reminder_is_due_at_once_and_then_ever_less_often() {
        let seconds = Duration::from_secs;
        let mut reminder = Reminder::new(Instant::default(), seconds(30), seconds(300));
        // Looked at each second, as by a device that is woken for other things.
        let told: Vec<u64> = (0..1500)
            .filter(|now| reminder.is_due(Instant::from_millis(now * 1000)))
            .collect();
        assert_eq!(told, [0, 30, 90, 210, 450, 750, 1050, 1350]);
        assert_eq!(reminder.next(), Instant::from_millis(1_650_000));
    }
}
