//! The time for which a device believes that its hub is the right one.
//!
//! Only a device that was provisioned has limits: the Device Provisioning Service (DPS) can name another hub.
//! Refusals by the hub itself are few, minutes apart, and proof enough (Microsoft, "How to reprovision
//! devices"). Any other failure that another hub may cure can as well be an outage, of this network or of a
//! region, which passes; so there have to be many of them, over hours. CONNACK forgets all.

use core::time::Duration;

use crate::failure::Failure;
use crate::time::Instant;

/// Limits after which a device gives up its hub, so that DPS is asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GiveUp {
    /// Refusals in a row: CONNACK 4 or 5.
    pub refusals: u32,
    /// Failures in a row that another hub may cure ([`Failure::another_hub_may_cure`]), refusals among them.
    pub failures: u32,
    /// And the time that has to pass from the first of these.
    pub after: Duration,
    /// Not before, unless the hub accepted the device meanwhile: DPS was asked not long ago.
    pub not_before: Instant,
}

/// Failures since the hub last accepted the device.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Patience {
    refusals: u32,
    failures: u32,
    /// The first of `failures`.
    since: Option<Instant>,
    accepted: bool,
}

impl Patience {
    /// The hub accepted the device.
    pub(super) fn accepted(&mut self) {
        *self = Self {
            accepted: true,
            ..Self::default()
        };
    }

    /// True if the hub ever accepted the device.
    pub(super) const fn was_accepted(&self) -> bool {
        self.accepted
    }

    pub(super) fn failed(&mut self, now: Instant, failure: &Failure) {
        if failure.is_refused_credential() {
            self.refusals = self.refusals.saturating_add(1);
        }
        if failure.another_hub_may_cure() {
            self.failures = self.failures.saturating_add(1);
            self.since.get_or_insert(now);
        }
    }

    /// True if the hub is to be given up now.
    pub(super) fn is_exhausted(&self, now: Instant, limits: &GiveUp) -> bool {
        let lasted = |since| now.since(since) >= limits.after;
        let missing = self.failures >= limits.failures && self.since.is_some_and(lasted);
        // That the hub accepted the device was the end of what the last question was about.
        let rested = self.accepted || now >= limits.not_before;
        rested && (missing || self.refusals >= limits.refusals)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::CredentialKind;
    use crate::failure::{Code, ConnectError};
    use crate::mqtt::ConnectReturnCode;

    const HOUR: u64 = 3_600_000;
    const GONE: Failure = Failure::Connect(ConnectError::Dns(Code(0)));
    const REFUSED: Failure =
        Failure::Refused(ConnectReturnCode::NotAuthorized, CredentialKind::X509);

    fn limits() -> GiveUp {
        GiveUp {
            refusals: 3,
            failures: 12,
            after: Duration::from_secs(4 * 3600),
            not_before: Instant::default(),
        }
    }

    fn at(hours: u64) -> Instant {
        Instant::from_millis(hours * HOUR)
    }

    #[test]
    fn many_failures_in_a_short_time_or_few_in_a_long_one_are_not_enough() {
        let mut patience = Patience::default();
        for _ in 0..100 {
            patience.failed(at(1), &GONE);
        }
        assert!(!patience.is_exhausted(at(4), &limits()));
        assert!(patience.is_exhausted(at(5), &limits()));
        let mut patience = Patience::default();
        for hours in 0..11 {
            patience.failed(at(hours), &GONE);
            assert!(!patience.is_exhausted(at(hours), &limits()));
        }
        patience.failed(at(11), &GONE);
        assert!(patience.is_exhausted(at(11), &limits()));
    }

    #[test]
    fn three_refusals_are_enough_at_once() {
        let mut patience = Patience::default();
        for _ in 0..3 {
            assert!(!patience.is_exhausted(at(0), &limits()));
            patience.failed(at(0), &REFUSED);
        }
        assert!(patience.is_exhausted(at(0), &limits()));
    }

    #[test]
    fn nothing_is_enough_soon_after_the_last_question() {
        let mut patience = Patience::default();
        for _ in 0..100 {
            patience.failed(at(0), &REFUSED);
        }
        let limits = GiveUp {
            not_before: at(30),
            ..limits()
        };
        assert!(!patience.is_exhausted(at(29), &limits));
        assert!(patience.is_exhausted(at(30), &limits));
        patience.accepted();
        for _ in 0..3 {
            assert!(!patience.is_exhausted(at(1), &limits));
            patience.failed(at(1), &REFUSED);
        }
        assert!(patience.is_exhausted(at(1), &limits), "another outage");
    }

    #[test]
    fn a_hub_that_accepts_the_device_is_believed_again() {
        let mut patience = Patience::default();
        for _ in 0..100 {
            patience.failed(at(0), &REFUSED);
        }
        patience.accepted();
        assert!(!patience.is_exhausted(at(100), &limits()));
        patience.failed(at(100), &GONE);
        assert!(!patience.is_exhausted(at(200), &limits()) && patience.was_accepted());
    }
}
