//! The tiers of IoT Hub, and what each allows ("IoT Hub quotas and throttling").

use crate::quota::DailyQuota;
use crate::throttle::Throttling;

/// A tier of IoT Hub, by the name that Azure gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// Free (F1): one unit.
    Free,
    /// Standard 1.
    S1,
    /// Standard 2.
    S2,
    /// Standard 3.
    S3,
}

const fn higher(left: u32, right: u32) -> u32 {
    if left > right { left } else { right }
}

impl Tier {
    /// The rates with this many units, of which the free tier has one.
    pub const fn throttling(self, units: u32) -> Throttling {
        let units = self.units(units);
        let sends = match self {
            Self::Free | Self::S1 => higher(100, units.saturating_mul(12)),
            Self::S2 => units.saturating_mul(120),
            Self::S3 => units.saturating_mul(6000),
        };
        let (twin_reads, twin_updates) = match self {
            Self::Free | Self::S1 => (100, 50),
            Self::S2 => (
                higher(100, units.saturating_mul(10)),
                higher(50, units.saturating_mul(5)),
            ),
            Self::S3 => (units.saturating_mul(500), units.saturating_mul(250)),
        };
        let (methods, c2d) = match self {
            Self::Free | Self::S1 => (160, 100),
            Self::S2 => (480, 100),
            Self::S3 => (24 * 1024, 5000),
        };
        Throttling {
            telemetry_per_second: sends,
            connections_per_second: sends,
            twin_reads_per_second: twin_reads,
            twin_updates_per_second: twin_updates,
            method_kilobytes_per_second: units.saturating_mul(methods),
            c2d_per_minute: units.saturating_mul(c2d),
            // The same numbers.
            uploads_per_minute: units.saturating_mul(c2d),
            // The provisioning service has one tier.
            registrations_per_minute: 1000,
            registration_polls: 5,
        }
    }

    /// The messages of a day with this many units, of which the free tier has one.
    pub const fn daily_quota(self, units: u32) -> DailyQuota {
        let messages: u64 = match self {
            Self::Free => 8000,
            Self::S1 => 400_000,
            Self::S2 => 6_000_000,
            Self::S3 => 300_000_000,
        };
        DailyQuota {
            messages: messages.saturating_mul(self.units(units) as u64),
            message_bytes: match self {
                Self::Free => 512,
                _ => DailyQuota::MESSAGE_BYTES,
            },
        }
    }

    const fn units(self, units: u32) -> u32 {
        match self {
            Self::Free => 1,
            _ => units,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_azures() {
        let rates = |tier: Tier, units| tier.throttling(units);
        assert_eq!(rates(Tier::S1, 1).telemetry_per_second, 100);
        assert_eq!(rates(Tier::S1, 10).telemetry_per_second, 120);
        assert_eq!(rates(Tier::Free, 10).telemetry_per_second, 100);
        assert_eq!(rates(Tier::S2, 2).connections_per_second, 240);
        assert_eq!(rates(Tier::S3, 1).telemetry_per_second, 6000);
        assert_eq!(rates(Tier::S1, 2).method_kilobytes_per_second, 320);
        assert_eq!(rates(Tier::S1, 1).c2d_per_minute, 100);
        assert_eq!(rates(Tier::S3, 2).uploads_per_minute, 10_000);
        assert_eq!(rates(Tier::S1, 9).twin_reads_per_second, 100);
        assert_eq!(rates(Tier::S2, 20).twin_updates_per_second, 100);
    }

    #[test]
    fn quotas_are_azures() {
        let messages = |tier: Tier, units| tier.daily_quota(units).messages;
        assert_eq!(messages(Tier::Free, 3), 8000);
        assert_eq!(messages(Tier::S1, 3), 1_200_000);
        assert_eq!(messages(Tier::S2, 1), 6_000_000);
        assert_eq!(messages(Tier::S3, 1), 300_000_000);
        assert_eq!(Tier::Free.daily_quota(1).message_bytes, 512);
        assert_eq!(Tier::S1.daily_quota(1).message_bytes, 4096);
    }
}
