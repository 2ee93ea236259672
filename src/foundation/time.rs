//! Points in time: one clock that never jumps, one that people share.
//!
//! Deadlines are counted on [`Instant`], which only ever moves forward. Token expiry and message time
//! stamps use [`UnixTime`], which a device learns from SNTP and does not have before.

use core::fmt;
use core::time::Duration;

/// Milliseconds on a clock that starts anywhere, usually at boot, and never goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The end of time: a deadline that never comes.
    pub const MAX: Self = Self(u64::MAX);

    /// The moment `milliseconds` after the clock's start.
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self(milliseconds)
    }

    /// Milliseconds since the clock's start.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The moment `duration` later; stays at the end of time instead of wrapping.
    pub const fn after(self, duration: Duration) -> Self {
        Self(later(self.0, duration))
    }

    /// Time since `earlier`; zero if it is not in the past.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// The earlier of two points in time, of which there may be none.
pub(crate) fn earliest(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, None) => one,
        (None, other) => other,
    }
}

/// The time so much later, at most `u64::MAX`. Not inlined, and not by way of `Duration::as_millis`, which counts
/// in 128 bits.
#[inline(never)]
const fn later(milliseconds: u64, duration: Duration) -> u64 {
    let more = duration.as_secs().saturating_mul(1000);
    milliseconds
        .saturating_add(more)
        .saturating_add(duration.subsec_millis() as u64)
}

/// The earliest time that a set clock can show: 2026-01-01. Anything before means that it is not set.
pub const SANE_CLOCK: UnixTime = UnixTime::from_secs(1_767_225_600);

/// The moment of a decision: the time on both clocks, and random bits.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Time on the clock that deadlines are counted on.
    pub now: Instant,
    /// Time as people count it; `None` until the clock has been set.
    pub unix: Option<UnixTime>,
    /// Random bits for jitter and message ids, uniform over all of `u64`.
    pub random: u64,
}

impl Moment {
    /// Time as people count it, if the clock shows one that can be true.
    pub fn sane_unix(&self) -> Option<UnixTime> {
        self.unix.filter(|unix| *unix >= SANE_CLOCK)
    }

    /// The moment `now`, later in the same turn: with the same random bits, and the other clock as much later. To ask the
    /// clock and the source of entropy again costs a device more than the rest of a turn.
    pub(crate) fn later(&self, now: Instant) -> Self {
        let passed = now.since(self.now);
        Self {
            now,
            unix: self.unix.map(|unix| unix.after(passed)),
            random: self.random,
        }
    }
}

/// Milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(u64);

impl UnixTime {
    /// From whole seconds since 1970.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// From milliseconds since 1970.
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self(milliseconds)
    }

    /// Whole seconds since 1970: what a SAS token's `se` counts.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// Milliseconds since 1970.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The moment `duration` later.
    pub const fn after(self, duration: Duration) -> Self {
        Self(later(self.0, duration))
    }
}

/// ISO 8601 in UTC with milliseconds and `Z`: what `iothub-creation-time-utc` takes
/// (Azure IoT Hub, "Create and read messages").
impl fmt::Display for UnixTime {
    // Digit by digit into one text: a message has a time, and `write!` with widths takes six times the instructions.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DAY: u64 = 24 * 3600 * 1000;
        let (year, month, day) = civil_from_days(self.0 / DAY);
        let time = (self.0 % DAY) as u32;
        let mut text = *b"0000-00-00T00:00:00.000Z";
        for (end, value) in [
            (4, year),
            (7, month),
            (10, day),
            (13, time / 3_600_000),
            (16, time / 60_000 % 60),
            (19, time / 1000 % 60),
            (23, time % 1000),
        ] {
            let mut left = value;
            for digit in text.iter_mut().take(end).rev() {
                if !digit.is_ascii_digit() {
                    break;
                }
                *digit = b'0' + (left % 10) as u8;
                left /= 10;
            }
        }
        let mut text = core::str::from_utf8(&text).unwrap_or_default();
        if year > 9999 {
            write!(f, "{year}")?;
            text = text.get(4..).unwrap_or_default();
        }
        f.write_str(text)
    }
}

/// Year, month and day of a day counted from 1970-01-01, in the proleptic Gregorian calendar.
///
/// Counts years from March, so that the leap day is the last of its year and months follow one rule. The days of a
/// [`UnixTime`] are so few that their years fit 32 bits.
const fn civil_from_days(days: u64) -> (u32, u32, u32) {
    const DAYS_FROM_0000_03_01: u64 = 719_468;
    const DAYS_IN_400_YEARS: u64 = 146_097;
    let day = days + DAYS_FROM_0000_03_01;
    let era = (day / DAYS_IN_400_YEARS) as u32;
    let day_of_era = (day % DAYS_IN_400_YEARS) as u32;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day_of_month)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn time_is_printed_as_iso_8601_in_utc() {
        for (milliseconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_767_225_600_001, "2026-01-01T00:00:00.001Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
            (253_402_300_800_000, "10000-01-01T00:00:00.000Z"),
            (u64::MAX, "584556019-04-03T14:25:51.615Z"),
        ] {
            assert_eq!(UnixTime::from_millis(milliseconds).to_string(), text);
        }
    }

    #[test]
    fn instants_saturate_at_both_ends() {
        let end = Instant::from_millis(u64::MAX);
        assert_eq!(end.after(Duration::from_secs(1)), end);
        assert_eq!(Instant::default().since(end), Duration::ZERO);
    }
}
