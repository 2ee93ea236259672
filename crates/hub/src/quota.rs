//! The daily quota of messages ("Azure IoT Hub billing information"), if it is switched on.
//!
//! # Theory of operation
//! Messages of devices and operators count by size: each started block of 4 KB (0.5 KB in the free tier) is one,
//! and what has no body is one. Once a day's messages are used up, what would exceed them is refused until
//! 00:00 UTC on the hub's clock; telemetry closes the connection without PUBACK, since MQTT 3.1.1 has no other
//! way to say no. The count is kept in the state before the message is taken, so it outlives the hub.
//!
//! # Limits
//! Counted are telemetry, wills included, messages to devices, reads and updates of twins, and requests and
//! answers of methods. Registry, connecting, PINGREQ and provisioning cost nothing, as in Azure. Without a quota
//! nothing is counted.

use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::error::Error;
use crate::store::Store;

const KEY: &str = "daily-quota";
const MILLIS_PER_DAY: u64 = 24 * 3600 * 1000;

/// Number of messages that a hub takes in a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DailyQuota {
    /// Messages from 00:00 to 24:00 UTC.
    pub messages: u64,
    /// Bytes that count as one message: 4096, in the free tier 512. At least 1.
    pub message_bytes: usize,
}

impl DailyQuota {
    /// Size that counts as one message in every tier but the free one: 4 KB.
    pub const MESSAGE_BYTES: usize = 4096;

    /// This many messages of 4 KB.
    pub const fn new(messages: u64) -> Self {
        Self {
            messages,
            message_bytes: Self::MESSAGE_BYTES,
        }
    }

    /// Number of messages that `bytes` count as.
    fn messages_in(&self, bytes: usize) -> u64 {
        let messages = bytes.div_ceil(self.message_bytes.max(1)).max(1);
        u64::try_from(messages).unwrap_or(u64::MAX)
    }
}

/// Use of one day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Used {
    /// Days since 1970 in UTC.
    day: u64,
    messages: u64,
}

/// The count of a hub.
#[derive(Debug)]
pub(crate) struct Quota {
    daily: Option<DailyQuota>,
    store: Arc<Store>,
    clock: Arc<Clock>,
    used: Mutex<Used>,
}

impl Quota {
    /// Goes on counting where the state ends; without a quota, everything passes.
    pub(crate) fn open(daily: Option<DailyQuota>, store: Arc<Store>, clock: Arc<Clock>) -> Self {
        let used = store.get(KEY).unwrap_or_default();
        Self {
            daily,
            store,
            clock,
            used: Mutex::new(used),
        }
    }

    fn today(&self) -> u64 {
        self.clock.unix_millis() / MILLIS_PER_DAY
    }

    /// Counts a message of `bytes`; refuses it, uncounted, if it exceeds the day's quota.
    pub(crate) fn spend(&self, bytes: usize) -> Result<(), Error> {
        let Some(daily) = &self.daily else {
            return Ok(());
        };
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let today = self.today();
        let before = if used.day == today { used.messages } else { 0 };
        let messages = before.saturating_add(daily.messages_in(bytes));
        if messages > daily.messages {
            return Err(Error::QuotaExceeded(daily.messages));
        }
        let counted = Used {
            day: today,
            messages,
        };
        self.store.put(KEY, &counted)?;
        *used = counted;
        Ok(())
    }

    /// Messages of today, and how many there may be; `None` without a quota.
    pub(crate) fn usage(&self) -> Option<(u64, u64)> {
        let daily = self.daily.as_ref()?;
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let messages = if used.day == self.today() {
            used.messages
        } else {
            0
        };
        Some((messages, daily.messages))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn quota(directory: &tempfile::TempDir, daily: DailyQuota) -> (Quota, Arc<Clock>) {
        let store = Arc::new(Store::open(directory.path(), crate::kinds::check).unwrap());
        let clock = Arc::new(Clock::new(0));
        (Quota::open(Some(daily), store, Arc::clone(&clock)), clock)
    }

    #[test]
    fn every_begun_4_kilobytes_are_a_message_and_so_is_nothing_at_all() {
        let s1 = DailyQuota::new(1);
        let free = DailyQuota {
            message_bytes: 512,
            ..s1
        };
        for (bytes, in_s1, in_free) in [(0, 1, 1), (512, 1, 1), (513, 1, 2), (4097, 2, 9)] {
            assert_eq!(s1.messages_in(bytes), in_s1, "{bytes}");
            assert_eq!(free.messages_in(bytes), in_free, "{bytes}");
        }
    }

    #[test]
    fn what_exceeds_the_quota_is_refused_and_does_not_count() {
        let directory = tempfile::tempdir().unwrap();
        let (quota, _) = quota(&directory, DailyQuota::new(3));
        quota.spend(5000).unwrap();
        assert_eq!(quota.spend(5000).unwrap_err().code(), 403_002);
        assert_eq!(quota.usage(), Some((2, 3)));
        quota.spend(1).unwrap();
        assert!(quota.spend(0).is_err());
        assert_eq!(quota.usage(), Some((3, 3)));
    }

    #[test]
    fn the_count_outlives_the_hub_and_ends_with_the_day() {
        let directory = tempfile::tempdir().unwrap();
        let (first, _) = quota(&directory, DailyQuota::new(2));
        first.spend(1).unwrap();
        first.spend(1).unwrap();
        drop(first);
        let (second, clock) = quota(&directory, DailyQuota::new(2));
        assert!(second.spend(1).is_err());
        let left = MILLIS_PER_DAY - clock.unix_millis() % MILLIS_PER_DAY;
        clock.shift(i64::try_from(left / 1000).unwrap() + 1);
        assert_eq!(second.usage(), Some((0, 2)));
        second.spend(1).unwrap();
        assert_eq!(second.usage(), Some((1, 2)));
    }

    #[test]
    fn without_a_quota_everything_passes() {
        let directory = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(directory.path(), crate::kinds::check).unwrap());
        let quota = Quota::open(None, Arc::clone(&store), Arc::new(Clock::new(0)));
        quota.spend(usize::MAX).unwrap();
        assert_eq!(quota.usage(), None);
        assert_eq!(store.get::<Used>(KEY), None);
    }
}
