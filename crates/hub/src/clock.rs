//! The hub's clock: this machine's, moved by a number of seconds that tests choose.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::watch;

/// Time as the hub sees it.
#[derive(Debug)]
pub(crate) struct Clock {
    offset_millis: AtomicI64,
    shifts: watch::Sender<()>,
}

impl Clock {
    /// A clock that is `offset` seconds ahead of this machine's.
    pub(crate) fn new(offset: i64) -> Self {
        Self {
            offset_millis: AtomicI64::new(offset.saturating_mul(1000)),
            shifts: watch::Sender::new(()),
        }
    }

    /// Milliseconds since 1970; 0 before.
    pub(crate) fn unix_millis(&self) -> u64 {
        let machine = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_millis();
        u64::try_from(machine)
            .unwrap_or(u64::MAX)
            .saturating_add_signed(self.offset_millis.load(Ordering::Relaxed))
    }

    /// Seconds since 1970.
    pub(crate) fn unix_secs(&self) -> u64 {
        self.unix_millis() / 1000
    }

    /// Moves the clock by `seconds`.
    pub(crate) fn shift(&self, seconds: i64) {
        let millis = seconds.saturating_mul(1000);
        let add = |offset: i64| Some(offset.saturating_add(millis));
        let _ = self
            .offset_millis
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
        self.shifts.send_replace(());
    }

    /// Signals that the clock was moved: a task that sleeps until a time on it computes its wait again.
    pub(crate) fn shifts(&self) -> watch::Receiver<()> {
        self.shifts.subscribe()
    }
}

/// ISO 8601 in UTC.
pub(crate) fn iso_8601(unix_millis: u64) -> String {
    let nanos = i128::from(unix_millis) * 1_000_000;
    OffsetDateTime::from_unix_timestamp_nanos(nanos)
        .ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        // Beyond the year 9999, where ISO 8601 ends too.
        .unwrap_or_else(|| "9999-12-31T23:59:59Z".into())
}

/// The same; Azure's time of what never happened if it is 0.
pub(crate) fn time_or_never(unix_millis: u64) -> String {
    match unix_millis {
        0 => "0001-01-01T00:00:00Z".into(),
        time => iso_8601(time),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_iso_8601() {
        assert_eq!(iso_8601(1_767_225_600_000), "2026-01-01T00:00:00Z");
        assert_eq!(iso_8601(1_767_225_600_120), "2026-01-01T00:00:00.12Z");
        assert_eq!(iso_8601(u64::MAX), "9999-12-31T23:59:59Z");
    }

    #[test]
    fn a_shift_moves_the_clock_and_is_told() {
        let clock = Clock::new(0);
        let mut shifts = clock.shifts();
        let before = clock.unix_secs();
        clock.shift(3600);
        assert!((3600..3605).contains(&(clock.unix_secs() - before)));
        assert!(shifts.has_changed().unwrap_or(false));
        shifts.mark_unchanged();
        clock.shift(i64::MIN);
        assert_eq!(clock.unix_millis(), 0);
    }
}
