//! Messages from any thread of this process to its device.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use azure_device::device::TELEMETRY_TOPIC_SIZE;
use azure_device::outlet::{Delivery, Ring, SendError, Submission, Ticket};
use azure_device::time::Instant;

use crate::runner::SCRATCH;

/// Bytes for the messages that the device has not taken yet.
const SIZE: usize = 64 * 1024;
/// The longest message with its properties, in bytes. The device writes its topic behind it.
pub(crate) const LONGEST: usize = SCRATCH - TELEMETRY_TOPIC_SIZE;
/// Messages whose outcome may be awaited at a time.
pub(crate) const MOST_AWAITED: usize = 64;

/// Called once with the outcome of a message, in the device's thread.
pub type Notify = Box<dyn FnOnce(Delivery) + Send>;

/// See the module.
pub(crate) struct Letters(Mutex<Content>);

struct Content {
    ring: Ring<Vec<u8>>,
    notify: HashMap<u32, Notify>,
}

impl Letters {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Content {
            ring: Ring::new(vec![0; SIZE], LONGEST, MOST_AWAITED),
            notify: HashMap::new(),
        }))
    }

    /// State that a panic in another thread left is whole: each change is one call.
    fn content(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(
        &self,
        message: &Submission<'_>,
        now: Instant,
        notify: Option<Notify>,
    ) -> Result<Option<Ticket>, SendError> {
        let mut content = self.content();
        let ticket = content.ring.push(message, now)?;
        if let (Some(ticket), Some(notify)) = (ticket, notify) {
            content.notify.insert(ticket.number(), notify);
        }
        Ok(ticket)
    }

    pub(crate) fn pop(&self, space: &mut [u8]) -> Option<usize> {
        self.content().ring.pop(space)
    }

    pub(crate) fn settle(&self, ticket: Ticket, delivery: Delivery) {
        let mut content = self.content();
        content.ring.settle();
        let notify = content.notify.remove(&ticket.number());
        // It may send another message.
        drop(content);
        if let Some(notify) = notify {
            notify(delivery);
        }
    }
}

impl fmt::Debug for Letters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Letters").finish_non_exhaustive()
    }
}
