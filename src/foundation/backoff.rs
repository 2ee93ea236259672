//! Wait before the next attempt.
//!
//! Exponential with full jitter: the n-th wait is drawn uniformly between zero and a ceiling that doubles
//! from [`Config::min`] to [`Config::max`], so that a fleet that lost its hub together does not return in
//! lock-step (Microsoft, "Manage device reconnections to create resilient applications"). The count starts
//! again after a link that was stable for [`Config::stable_after`], or that was of use before it broke
//! ([`Merit`]): a hub that accepts and then drops a device within seconds is still an outage, and a network
//! that breaks each minute, after messages were delivered, is not. After a short link that was of use the wait also has
//! a floor, so that a hub that takes one message and drops the device does not get too many connections.

use core::time::Duration;

use crate::time::Instant;

/// Limits of the waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Ceiling of the first wait. Default 1 s.
    pub min: Duration,
    /// Ceiling of every wait. Default 10 min.
    pub max: Duration,
    /// Time that a link must last to count as good. Default 60 s.
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

/// Ceiling of the wait after the first short link that was of use; half of it is the floor. 4 s at least from
/// one link to the next, for a hub that takes one message a link.
const PROGRESS_MIN: Duration = Duration::from_secs(8);

/// The same after several in a row: 16 s to 32 s, which a fleet's hub can bear for as long as it lasts, and
/// which keeps a device that sends each minute up to date.
const PROGRESS_MAX: Duration = Duration::from_secs(32);

/// Worth of a link that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merit {
    /// It lasted long.
    Stable,
    /// It was short, and of use: the hub took a message, or gave something to do.
    Progress,
    /// There was none, or it was of no use.
    Useless,
}

/// The waits of one device.
#[derive(Clone, Debug)]
pub struct Backoff {
    config: Config,
    failures: u32,
    /// Short links of use since the last stable one.
    short_links: u32,
}

impl Backoff {
    /// No failure so far.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            failures: 0,
            short_links: 0,
        }
    }

    /// Failures since the last link that was stable or of use.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// A link ended that had lasted this long: forgives earlier failures if it was stable or of use, and says
    /// what it was worth.
    pub fn link_ended(&mut self, duration: Duration, made_progress: bool) -> Merit {
        if duration >= self.config.stable_after {
            (self.failures, self.short_links) = (0, 0);
            Merit::Stable
        } else if made_progress {
            self.failures = 0;
            Merit::Progress
        } else {
            Merit::Useless
        }
    }

    /// The wait after a short link that was of use: between half of its ceiling and all of it.
    pub fn next_after_progress(&mut self, random: u64) -> Duration {
        let longest = PROGRESS_MAX.min(self.config.max);
        let half = doubled(PROGRESS_MIN, self.short_links, longest) / 2;
        self.short_links = self.short_links.saturating_add(1);
        half + scale(half, random)
    }

    /// Counts a failure and gives the wait after it, drawn by `random` (uniform over all of `u64`).
    pub fn next(&mut self, random: u64) -> Duration {
        let ceiling = self.ceiling();
        self.failures = self.failures.saturating_add(1);
        scale(ceiling, random)
    }

    /// Counts a failure that only a person can fix, and gives the slow wait after it: between half of
    /// [`Config::max`] and all of it, from the first time on.
    pub fn next_slow(&mut self, random: u64) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let half = self.config.max / 2;
        half + scale(half, random)
    }

    /// The longest that the next wait can be.
    fn ceiling(&self) -> Duration {
        doubled(self.config.min, self.failures, self.config.max)
    }
}

/// `duration`, doubled so often, and `longest` at most.
pub(crate) fn doubled(duration: Duration, times: u32, longest: Duration) -> Duration {
    2_u32
        .checked_pow(times)
        .and_then(|factor| duration.checked_mul(factor))
        .map_or(longest, |doubled| doubled.min(longest))
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
    fn only_a_link_that_was_stable_or_of_use_forgives() {
        let mut backoff = Backoff::new(Config::default());
        let (short, long) = (Duration::from_secs(59), Duration::from_secs(60));
        for (duration, made_progress, merit) in [
            (long, false, Merit::Stable),
            (long, true, Merit::Stable),
            (short, true, Merit::Progress),
        ] {
            backoff.next(0);
            assert_eq!(backoff.link_ended(short, false), Merit::Useless);
            assert_eq!(backoff.failures(), 1);
            assert_eq!(backoff.link_ended(duration, made_progress), merit);
            assert_eq!(backoff.failures(), 0);
        }
    }

    #[test]
    fn the_waits_between_short_links_of_use_grow_from_4_seconds_to_32_and_are_spread() {
        let mut backoff = Backoff::new(Config::default());
        let mut bounds = |random: u64| {
            let mut waits = Vec::new();
            for _ in 0..5 {
                waits.push(backoff.next_after_progress(random).as_millis());
            }
            backoff.link_ended(Duration::from_secs(60), true);
            waits
        };
        assert_eq!(bounds(0), [4000, 8000, 16_000, 16_000, 16_000]);
        assert_eq!(bounds(TOP), [7999, 15_999, 31_999, 31_999, 31_999]);
    }

    #[test]
    fn the_configured_longest_wait_holds_between_short_links_of_use_too() {
        let config = Config {
            max: Duration::from_secs(1),
            ..Config::default()
        };
        assert!(Backoff::new(config).next_after_progress(TOP) < config.max);
    }

    #[test]
    fn a_failure_for_a_person_is_slow_from_the_first_time_on() {
        let mut backoff = Backoff::new(Config::default());
        assert_eq!(backoff.next_slow(0), Duration::from_secs(300));
        assert!(backoff.next_slow(TOP) >= Duration::from_millis(599_000));
    }
}
