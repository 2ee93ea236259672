//! How long to wait before the next attempt.
//!
//! Exponential with full jitter: the n-th wait is drawn uniformly between zero and a ceiling that doubles
//! from [`Config::min`] to [`Config::max`], so that a fleet that lost its hub together does not return in
//! lock-step (Microsoft, "Manage device reconnections to create resilient applications"). The count starts
//! anew only after a link was stable for [`Config::stable_after`]: a hub that accepts and then drops a device
//! within seconds is still an outage.

use core::time::Duration;

use crate::time::Instant;

/// Limits of the waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Ceiling of the first wait. Default 1 s.
    pub min: Duration,
    /// Ceiling of every wait. Default 10 min.
    pub max: Duration,
    /// How long a link must last to count as good. Default 60 s.
    pub stable_after: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            min: Duration::from_secs(1),
            max: Duration::from_secs(600),
            stable_after: Duration::from_secs(60),
        }
    }
}

/// The waits of one device.
#[derive(Clone, Debug)]
pub struct Backoff {
    config: Config,
    failures: u32,
}

impl Backoff {
    /// No failure so far.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            failures: 0,
        }
    }

    /// Failures since the last stable link.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// A link ended that had lasted this long: forgives earlier failures if it was stable, and says so.
    pub fn link_lasted(&mut self, duration: Duration) -> bool {
        let stable = duration >= self.config.stable_after;
        if stable {
            self.failures = 0;
        }
        stable
    }

    /// Counts a failure and gives the wait after it, drawn by `random` (uniform over all of `u64`).
    pub fn next(&mut self, random: u64) -> Duration {
        let ceiling = self.ceiling();
        self.failures = self.failures.saturating_add(1);
        scale(ceiling, random)
    }

    /// Counts a failure that only a person can mend, and gives the slow wait after it: between half of
    /// [`Config::max`] and all of it, from the first time on.
    pub fn next_slow(&mut self, random: u64) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let half = self.config.max / 2;
        half + scale(half, random)
    }

    /// The longest that the next wait can be.
    fn ceiling(&self) -> Duration {
        2_u32
            .checked_pow(self.failures)
            .and_then(|factor| self.config.min.checked_mul(factor))
            .map_or(self.config.max, |ceiling| ceiling.min(self.config.max))
    }
}

/// `random` of 2^64 parts of `ceiling`, in whole milliseconds. No ceiling above 49 days, which a `u32` counts, is
/// reached.
pub(crate) fn scale(ceiling: Duration, random: u64) -> Duration {
    let ceiling = Instant::default().after(ceiling).as_millis();
    Duration::from_millis((ceiling.min(u32::MAX.into()) * (random >> 32)) >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    const TOP: u64 = u64::MAX;

    #[test]
    fn ceilings_double_from_one_second_to_ten_minutes_and_stay_there() {
        let mut backoff = Backoff::new(Config::default());
        let waits: Vec<u64> = (0..12)
            .map(|_| backoff.next(TOP).as_millis() as u64)
            .collect();
        let expected = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600].map(|s| s * 1000 - 1);
        assert_eq!(waits, expected);
        for _ in 0..100 {
            assert!(backoff.next(TOP) < Duration::from_secs(600));
        }
    }

    #[test]
    fn waits_are_spread_over_the_whole_range() {
        let mut backoff = Backoff::new(Config::default());
        assert_eq!(backoff.next(0), Duration::ZERO);
        assert_eq!(backoff.next(TOP / 2), Duration::from_millis(999));
    }

    #[test]
    fn only_a_stable_link_forgives() {
        let mut backoff = Backoff::new(Config::default());
        backoff.next(0);
        assert!(!backoff.link_lasted(Duration::from_secs(59)));
        assert_eq!(backoff.failures(), 1);
        assert!(backoff.link_lasted(Duration::from_secs(60)));
        assert_eq!(backoff.failures(), 0);
    }

    #[test]
    fn a_failure_for_a_person_is_slow_from_the_first_time_on() {
        let mut backoff = Backoff::new(Config::default());
        assert_eq!(backoff.next_slow(0), Duration::from_secs(300));
        assert!(backoff.next_slow(TOP) >= Duration::from_millis(599_000));
    }
}
