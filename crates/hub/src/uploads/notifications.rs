//! Notifications of files, for operators: they wait until one of them takes them, for an hour at most.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::store::{Batch, Store, StoreError};

/// Milliseconds for which a notification waits: Azure's default.
const LIFE: u64 = 3600 * 1000;
/// Notifications that wait at most; the oldest one makes room.
const MAX_WAITING: usize = 1000;

/// Notification of a file that was uploaded ("File upload notifications").
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Notification {
    pub(crate) device_id: String,
    pub(crate) blob_uri: String,
    pub(crate) blob_name: String,
    pub(crate) last_updated_time: String,
    pub(crate) blob_size_in_bytes: u64,
    pub(crate) enqueued_time_utc: String,
}

/// Notifications that wait, oldest first.
pub(crate) struct Notifications {
    store: Arc<Store>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    next: u64,
    /// With their numbers and times.
    waiting: VecDeque<(u64, u64, Notification)>,
}

impl Notifications {
    /// Reads what waits.
    pub(super) fn open(store: Arc<Store>) -> Self {
        let mut inner = Inner::default();
        for (key, (time, notification)) in store.scan::<(u64, Notification)>("file-notification/") {
            let number = key.trim_start_matches("file-notification/").parse();
            let number = number.unwrap_or_default();
            inner.next = number + 1;
            inner.waiting.push_back((number, time, notification));
        }
        Self {
            store,
            inner: Mutex::new(inner),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the changes of `batch`, and the notification with them if there is one.
    pub(super) fn add(
        &self,
        notification: Option<(u64, Notification)>,
        mut batch: Batch,
    ) -> Result<(), StoreError> {
        let Some((now, notification)) = notification else {
            return self.store.write(batch);
        };
        let mut inner = self.lock();
        let number = inner.next;
        batch.put(key(number), &(now, &notification))?;
        let is_full = inner.waiting.len() >= MAX_WAITING;
        let oldest = inner.waiting.front().map(|(number, ..)| *number);
        if let (true, Some(oldest)) = (is_full, oldest) {
            batch.remove(key(oldest));
        }
        self.store.write(batch)?;
        inner.next += 1;
        inner.waiting.push_back((number, now, notification));
        if is_full {
            inner.waiting.pop_front();
            log::warn!(
                "{MAX_WAITING} notifications of files wait; the oldest one is dropped. `local-hub files monitor` \
                 takes them"
            );
        }
        Ok(())
    }

    /// Drops what has waited for too long.
    pub(super) fn expire(&self, now: u64) -> Result<(), StoreError> {
        let mut inner = self.lock();
        while let Some((number, time, _)) = inner.waiting.front() {
            if time.saturating_add(LIFE) > now {
                break;
            }
            let mut batch = Batch::default();
            batch.remove(key(*number));
            self.store.write(batch)?;
            inner.waiting.pop_front();
        }
        Ok(())
    }

    /// The oldest one, with its number. It stays until [`Self::remove`].
    pub(crate) fn first(&self) -> Option<(u64, Notification)> {
        let inner = self.lock();
        let first = inner.waiting.front();
        first.map(|(number, _, notification)| (*number, notification.clone()))
    }

    /// True if this one waits.
    pub(crate) fn has(&self, number: u64) -> bool {
        self.lock().waiting.iter().any(|(one, ..)| *one == number)
    }

    /// Takes one off; false if it does not wait.
    pub(crate) fn remove(&self, number: u64) -> Result<bool, StoreError> {
        let mut inner = self.lock();
        let Some(place) = inner.waiting.iter().position(|(one, ..)| *one == number) else {
            return Ok(false);
        };
        let mut batch = Batch::default();
        batch.remove(key(number));
        self.store.write(batch)?;
        inner.waiting.remove(place);
        Ok(true)
    }
}

fn key(number: u64) -> String {
    format!("file-notification/{number:020}")
}
