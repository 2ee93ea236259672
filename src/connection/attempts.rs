//! Start of the next attempt: the clock is set first, then comes the wait that follows from the last failure.

use core::time::Duration;

use super::Task;
use super::repetition::Repetition;
use crate::backoff::{self, Backoff, Merit};
use crate::failure::{ClockError, Failure, Reaction};
use crate::logging::{debug, error, info, warn};
use crate::time::{Instant, Moment, SANE_CLOCK, UnixTime};

/// Interval at which the clock is set again: crystals drift by seconds a day at worst, and SNTP is cheap.
const CLOCK_INTERVAL: Duration = Duration::from_secs(24 * 3600);

/// Time until the next try after the clock could not be set again.
const CLOCK_RETRY: Duration = Duration::from_secs(3600);

/// A correction by more than this explains a refused token: the hub's own tolerance is 5 minutes.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(300);

/// The attempts of one device at one server.
#[derive(Clone, Debug)]
pub(super) struct Attempts {
    backoff: Backoff,
    shortest: Duration,
    /// Time at which the next attempt starts.
    until: Instant,
    /// Time at which the clock is to be set again; `None` before the first try that left a usable time.
    clock_due: Option<Instant>,
    /// A failure made the clock suspect: it is set before anything else.
    clock_suspect: bool,
    last_failure: Option<Failure>,
    repetition: Repetition,
}

impl Attempts {
    pub(super) fn new(config: backoff::Config) -> Self {
        Self {
            backoff: Backoff::new(config),
            shortest: config.min,
            until: Instant::default(),
            clock_due: None,
            clock_suspect: false,
            last_failure: None,
            repetition: Repetition::default(),
        }
    }

    /// Step without a connection; `None` if it is time to open one.
    pub(super) fn task(&self, at: &Moment) -> Option<Task> {
        if self.clock_suspect {
            Some(Task::SetClock)
        } else if at.now < self.until {
            Some(Task::Sleep { until: self.until })
        } else if self.clock_is_due(at.now) || at.sane_unix().is_none() {
            Some(Task::SetClock)
        } else {
            None
        }
    }

    pub(super) fn clock_is_due(&self, now: Instant) -> bool {
        self.clock_due.is_none_or(|due| now >= due)
    }

    /// Time at which the clock is to be set again; `None` before the first try that left a usable time.
    pub(super) fn clock_due(&self) -> Option<Instant> {
        self.clock_due
    }

    pub(super) const fn last_failure(&self) -> Option<Failure> {
        self.last_failure
    }

    /// The next attempt starts then.
    pub(super) fn start_at(&mut self, now: Instant) {
        self.until = now;
    }

    /// A link ended that had lasted this long, and had been of use or not.
    pub(super) fn link_ended(&mut self, duration: Duration, made_progress: bool) -> Merit {
        self.backoff.link_ended(duration, made_progress)
    }

    /// The clock was set, or could not be. `before` is what it showed until then.
    ///
    /// # Errors
    ///
    /// The clock was never set, so that no attempt can start.
    pub(super) fn clock_set(
        &mut self,
        at: &Moment,
        before: Option<UnixTime>,
        result: Result<UnixTime, ClockError>,
    ) -> Result<(), Failure> {
        let suspect = core::mem::take(&mut self.clock_suspect);
        let sane = |unix: &UnixTime| *unix >= SANE_CLOCK;
        let result = result.and_then(|unix| Some(unix).filter(sane).ok_or(ClockError::Implausible));
        match (result, before.filter(sane)) {
            (Ok(unix), before) => {
                self.clock_due = Some(at.now.after(CLOCK_INTERVAL));
                self.clock_was(before, unix, suspect, at);
                Ok(())
            }
            (Err(error), Some(_)) => {
                let failure = Failure::Clock(error);
                warn!("{failure}; going on with the clock as it is");
                self.clock_due = Some(at.now.after(CLOCK_RETRY));
                Ok(())
            }
            (Err(error), None) => Err(Failure::Clock(error)),
        }
    }

    /// Says what the clock shows, and tries again soon if its error explains the last failure.
    fn clock_was(&mut self, before: Option<UnixTime>, unix: UnixTime, suspect: bool, at: &Moment) {
        let Some(before) = before else {
            return info!("clock: set to {unix}");
        };
        let error = Duration::from_millis(unix.as_millis().abs_diff(before.as_millis()));
        if error <= CLOCK_TOLERANCE {
            let seconds = error.as_secs() + 1;
            return info!("clock: set to {unix}, it was right within {seconds} s");
        }
        let seconds = error.as_secs();
        warn!("clock: set to {unix}, it was wrong by {seconds} s");
        if suspect {
            self.until = at.now.after(self.backoff.next(at.random));
        }
    }

    /// Says what went wrong and decides when to try again. `merit` is that of the link until then.
    pub(super) fn failed(&mut self, at: &Moment, failure: Failure, merit: Merit) {
        let wait = match (failure.reaction(), merit) {
            (Reaction::WaitForOperator, _) => self.backoff.next_slow(at.random),
            // A hub that drops a whole fleet gets it back spread over the shortest wait.
            (Reaction::RetryNow, Merit::Stable) => backoff::scale(self.shortest, at.random),
            (_, Merit::Progress) => self.backoff.next_after_progress(at.random),
            _ => self.backoff.next(at.random),
        };
        if merit == Merit::Stable {
            self.repetition = Repetition::default();
        }
        let times = self.repetition.count(failure);
        let line = format_args!(
            "{failure} [attempt {}, next in {}.{:03} s{times}]",
            self.backoff.failures(),
            wait.as_secs(),
            wait.subsec_millis()
        );
        match times.is_told() {
            true => error!("{line}"),
            false => debug!("{line}"),
        }
        self.last_failure = Some(failure);
        self.clock_suspect |= failure.clock_is_suspect();
        self.until = at.now.after(wait);
    }
}
