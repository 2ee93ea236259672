//! Failures that repeat: their line is told ever more rarely, with how often it came.
//!
//! A hub that drops each connection, or a message that fits no buffer and comes with each connection, brings the same
//! line at each attempt. It is told the first time, the second, the fourth, the eighth and so on. Another failure is
//! told at once, and a connection that was stable begins anew.

use core::fmt;

use crate::failure::{ConnectError, Failure, TlsFailure};

/// The last failure, and how often it came in a row.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Repetition {
    last: Option<Failure>,
    times: u32,
}

/// Number of failures of one kind in a row, 1 or more. As text it continues a line: nothing the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times(u32);

impl Times {
    /// True for 1 and each power of two.
    pub(super) const fn is_told(self) -> bool {
        self.0.is_power_of_two()
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => Ok(()),
            times => write!(f, "; {times} times in a row"),
        }
    }
}

impl Repetition {
    /// Counts a failure.
    pub(super) fn count(&mut self, failure: Failure) -> Times {
        let repeats = self.last.is_some_and(|last| is_alike(last, failure));
        self.times = if repeats {
            self.times.saturating_add(1)
        } else {
            1
        };
        self.last = Some(failure);
        Times(self.times)
    }
}

/// True if a person would take both for the same. Records that are too long differ by some bytes each time.
fn is_alike(one: Failure, other: Failure) -> bool {
    let too_long = |failure| {
        matches!(
            failure,
            Failure::Connect(ConnectError::Tls(TlsFailure::RecordTooLong { .. }, _))
        )
    };
    one == other || (too_long(one) && too_long(other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Code;
    use std::string::ToString;
    use std::vec::Vec;

    const NAME: Failure = Failure::Connect(ConnectError::Dns(Code(-2)));

    #[test]
    fn a_failure_that_repeats_is_told_ever_more_rarely_with_its_number() {
        let mut repetition = Repetition::default();
        let told: Vec<_> = (0..1000)
            .map(|_| repetition.count(Failure::Io))
            .filter(|times| times.is_told())
            .map(|times| times.0)
            .collect();
        assert_eq!(told, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]);
        assert_eq!(Times(1).to_string(), "");
        assert_eq!(Times(8).to_string(), "; 8 times in a row");
    }

    #[test]
    fn another_failure_is_told_at_once_and_so_is_the_first_one_after_it() {
        let mut repetition = Repetition::default();
        for failure in [NAME, NAME, NAME, Failure::Io, NAME] {
            repetition.count(failure);
        }
        assert_eq!(repetition.count(Failure::Io), Times(1));
    }

    #[test]
    fn records_that_are_too_long_are_alike_whatever_their_length() {
        let mut repetition = Repetition::default();
        for (bytes, times) in [(12_029, 1), (12_030, 2)] {
            let long = TlsFailure::RecordTooLong { bytes, limit: 7168 };
            let failure = Failure::Connect(ConnectError::Tls(long, Code(0)));
            assert_eq!(repetition.count(failure), Times(times));
        }
    }

    #[test]
    fn the_number_stops_at_its_greatest_value() {
        let mut repetition = Repetition {
            last: Some(Failure::Io),
            times: u32::MAX,
        };
        assert_eq!(repetition.count(Failure::Io), Times(u32::MAX));
    }
}
