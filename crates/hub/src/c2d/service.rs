//! The queue of every device and module, kept durably, and the feedback of what became of messages.
//!
//! A message is one key of the store, its count of deliveries another, so that a delivery does not write
//! the payload again. Changes are kept before their effect is told: an operator's send succeeds, and a
//! PUBACK counts, only once the store has it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::message::{Ack, Feedback, Message, Outcome};
use super::queue::{Acknowledged, ConnectionId, Entry, Queue, QueueLimits, Settled};
use crate::clock::{Clock, iso_8601};
use crate::config::Limits;
use crate::credentials::random;
use crate::error::Error;
use crate::registry::Device;
use crate::store::{Batch, Store, StoreError};

/// Time to live: from a minute to two days.
const MAX_TIME_TO_LIVE: u64 = 2 * 24 * 3600 * 1000;
/// Feedback records in one batch.
const FEEDBACK_BATCH: usize = 64;

/// Set in the number of each receiver over HTTP, and in no number of a connection.
const HTTP_RECEIVER: u64 = 1 << 63;

/// A message ready to be published.
pub(crate) struct Delivery {
    /// The message.
    pub(crate) message: Message,
    /// Its packet identifier, for QoS 1.
    pub(crate) packet_id: u16,
    /// Names it in the queue.
    pub(crate) sequence: u64,
    /// It was delivered before.
    pub(crate) again: bool,
}

/// All queues.
#[derive(Debug)]
pub(crate) struct CloudToDevice {
    store: Arc<Store>,
    clock: Arc<Clock>,
    limits: QueueLimits,
    time_to_live: u64,
    feedback_interval: Duration,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// By client id: `device` or `device/module`.
    queues: HashMap<String, Queue>,
    feedback: VecDeque<(u64, u64, Feedback)>,
    next_feedback: u64,
}

impl CloudToDevice {
    /// Restores every queue from the store.
    pub(crate) fn open(store: Arc<Store>, clock: Arc<Clock>, limits: &Limits) -> Self {
        let mut inner = Inner::default();
        let mut kept: HashMap<String, Vec<Entry>> = HashMap::new();
        for (key, mut entry) in store.scan::<Entry>("c2d/") {
            let Some((client, _)) = key
                .strip_prefix("c2d/")
                .and_then(|rest| rest.rsplit_once('/'))
            else {
                continue;
            };
            entry.deliveries = store
                .get(&deliveries_key(client, entry.sequence))
                .unwrap_or_default();
            kept.entry(client.to_owned()).or_default().push(entry);
        }
        for (key, next) in store.scan::<u64>("c2d-next/") {
            let client = key.trim_start_matches("c2d-next/").to_owned();
            let entries = kept.remove(&client).unwrap_or_default();
            inner.queues.insert(client, Queue::restore(entries, next));
        }
        for (key, feedback) in store.scan::<(u64, Feedback)>("feedback/") {
            let number = key
                .trim_start_matches("feedback/")
                .parse()
                .unwrap_or_default();
            inner.next_feedback = number + 1;
            inner.feedback.push_back((number, feedback.0, feedback.1));
        }
        Self {
            store,
            clock,
            limits: QueueLimits {
                depth: limits.c2d_queue_depth,
                lock: millis(limits.c2d_lock),
                max_deliveries: limits.c2d_max_delivery_count,
            },
            time_to_live: millis(limits.c2d_time_to_live),
            feedback_interval: limits.feedback_interval,
            inner: Mutex::new(inner),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a message for `device`.
    pub(crate) fn send(&self, device: &Device, message: Message) -> Result<(), Error> {
        let id = &device.identity.to_string();
        let now = self.clock.unix_millis();
        let expiry = match message.expiry {
            Some(expiry) if expiry > now.saturating_add(MAX_TIME_TO_LIVE) => {
                return Err(Error::ArgumentInvalid(
                    "a message lives for two days at most".into(),
                ));
            }
            Some(expiry) => expiry,
            None => now.saturating_add(self.time_to_live),
        };
        let mut inner = self.lock();
        self.tick_queue(&mut inner, device, now)?;
        let queue = inner.queues.entry(id.clone()).or_default();
        let entry = queue
            .prepare(message, expiry, now, self.limits)
            .ok_or_else(|| Error::QueueDepthExceeded(id.clone()))?;
        let mut batch = Batch::default();
        batch.put(message_key(id, entry.sequence), &entry)?;
        batch.put(format!("c2d-next/{id}"), &(entry.sequence + 1))?;
        self.store.write(batch)?;
        queue.push(entry);
        Ok(())
    }

    /// The next message for `connection`, which is locked from now on.
    pub(crate) fn deliver(
        &self,
        id: &str,
        connection: ConnectionId,
    ) -> Result<Option<Delivery>, StoreError> {
        let mut inner = self.lock();
        let Some(queue) = inner.queues.get_mut(id) else {
            return Ok(None);
        };
        let now = self.clock.unix_millis();
        let Some(entry) = queue.deliver(connection, now, self.limits) else {
            return Ok(None);
        };
        let delivery = Delivery {
            message: entry.message.clone(),
            packet_id: entry.packet_id(),
            sequence: entry.sequence,
            again: entry.deliveries > 1,
        };
        self.store
            .put(&deliveries_key(id, entry.sequence), &entry.deliveries)?;
        Ok(Some(delivery))
    }

    /// The next message for a receiver over HTTP, and the number of its lock.
    pub(crate) fn receive(&self, device: &Device) -> Result<Option<(Entry, u64)>, StoreError> {
        let now = self.clock.unix_millis();
        let id = &device.identity.to_string();
        let mut inner = self.lock();
        self.tick_queue(&mut inner, device, now)?;
        let Some(queue) = inner.queues.get_mut(id) else {
            return Ok(None);
        };
        let receiver = random::number() | HTTP_RECEIVER;
        let Some(entry) = queue.deliver(receiver, now, self.limits) else {
            return Ok(None);
        };
        self.store
            .put(&deliveries_key(id, entry.sequence), &entry.deliveries)?;
        Ok(Some((entry.clone(), receiver)))
    }

    /// Ends a lock that [`Self::receive`] gave: with an outcome, or by letting the message wait again.
    pub(crate) fn unlock(
        &self,
        device: &Device,
        receiver: u64,
        outcome: Option<Outcome>,
    ) -> Result<(), Error> {
        let gone = || {
            Error::MessageLockLost(
                "the lock token names no message that is locked; receive it again".into(),
            )
        };
        let mut inner = self.lock();
        let queue = inner.queues.get_mut(&device.identity.to_string());
        let queue = queue
            .filter(|queue| receiver & HTTP_RECEIVER != 0 && queue.is_locked(receiver))
            .ok_or_else(gone)?;
        let settled = match outcome {
            Some(outcome) => queue.settle_locked(receiver, outcome).into_iter().collect(),
            None => queue.release(receiver, self.limits),
        };
        Ok(self.settle(&mut inner, device, settled)?)
    }

    /// A delivery with QoS 0 went out: it is complete.
    pub(crate) fn complete_unacknowledged(
        &self,
        device: &Device,
        sequence: u64,
    ) -> Result<(), StoreError> {
        let mut inner = self.lock();
        let queue = inner.queues.get_mut(&device.identity.to_string());
        let settled = queue.and_then(|queue| queue.complete_unacknowledged(sequence));
        self.settle(&mut inner, device, settled.into_iter().collect())
    }

    /// A PUBACK came in. `Ok(Err(head))`: it was ignored, since `head`, if any, is to be acknowledged first.
    pub(crate) fn acknowledge(
        &self,
        device: &Device,
        connection: ConnectionId,
        packet_id: u16,
    ) -> Result<Result<(), Option<u16>>, StoreError> {
        let mut inner = self.lock();
        let Some(queue) = inner.queues.get_mut(&device.identity.to_string()) else {
            return Ok(Err(None));
        };
        match queue.acknowledge(connection, packet_id) {
            Acknowledged::Completed(settled) => {
                self.settle(&mut inner, device, vec![*settled])?;
                Ok(Ok(()))
            }
            Acknowledged::OutOfOrder(head) => Ok(Err(Some(head))),
            Acknowledged::Nothing => Ok(Err(None)),
        }
    }

    /// The connection ended.
    pub(crate) fn release(
        &self,
        device: &Device,
        connection: ConnectionId,
    ) -> Result<(), StoreError> {
        let mut inner = self.lock();
        let settled = match inner.queues.get_mut(&device.identity.to_string()) {
            Some(queue) => queue.release(connection, self.limits),
            None => return Ok(()),
        };
        self.settle(&mut inner, device, settled)
    }

    /// Ends the locks and the messages of one device whose time has come; gives the time of the next such change.
    pub(crate) fn tick(&self, device: &Device) -> Result<Option<u64>, StoreError> {
        let mut inner = self.lock();
        self.tick_queue(&mut inner, device, self.clock.unix_millis())?;
        Ok(inner
            .queues
            .get(&device.identity.to_string())
            .and_then(Queue::next_deadline))
    }

    /// Clients that [`Self::tick`] has something to do for.
    pub(crate) fn due(&self) -> Vec<String> {
        let now = self.clock.unix_millis();
        let inner = self.lock();
        let due = |queue: &Queue| {
            queue
                .next_deadline()
                .is_some_and(|deadline| deadline <= now)
        };
        inner
            .queues
            .iter()
            .filter(|(_, queue)| due(queue))
            .map(|(id, _)| id.clone())
            .collect()
    }

    /// Discards every message that waits for `device`; gives their number.
    pub(crate) fn purge(&self, device: &Device) -> Result<usize, StoreError> {
        let mut inner = self.lock();
        let settled = inner
            .queues
            .get_mut(&device.identity.to_string())
            .map(Queue::purge)
            .unwrap_or_default();
        let count = settled.len();
        self.settle(&mut inner, device, settled)?;
        Ok(count)
    }

    /// Forgets a device or module that was deleted, without feedback.
    pub(crate) fn forget(&self, client_id: &str) -> Result<(), StoreError> {
        let mut inner = self.lock();
        inner.queues.remove(client_id);
        self.store.remove_all(&format!("c2d/{client_id}/"))?;
        self.store.remove_all(&format!("c2d-count/{client_id}/"))?;
        let mut batch = Batch::default();
        batch.remove(format!("c2d-next/{client_id}"));
        self.store.write(batch)
    }

    /// Messages that wait for the device or for its acknowledgement.
    pub(crate) fn pending(&self, client_id: &str) -> usize {
        self.lock().queues.get(client_id).map_or(0, Queue::len)
    }

    fn tick_queue(&self, inner: &mut Inner, device: &Device, now: u64) -> Result<(), StoreError> {
        let settled = match inner.queues.get_mut(&device.identity.to_string()) {
            Some(queue) => queue.tick(now, self.limits),
            None => return Ok(()),
        };
        self.settle(inner, device, settled)
    }

    /// Keeps that messages are gone, and the feedback that their senders asked for.
    fn settle(
        &self,
        inner: &mut Inner,
        device: &Device,
        settled: Vec<Settled>,
    ) -> Result<(), StoreError> {
        let id = &device.identity.to_string();
        let now = self.clock.unix_millis();
        let mut batch = Batch::default();
        for Settled { entry, outcome } in settled {
            batch.remove(message_key(id, entry.sequence));
            batch.remove(deliveries_key(id, entry.sequence));
            if wants_feedback(entry.message.ack, outcome) {
                let feedback = feedback(device, &entry, outcome, now);
                let number = inner.next_feedback;
                inner.next_feedback += 1;
                batch.put(format!("feedback/{number:020}"), &(now, &feedback))?;
                inner.feedback.push_back((number, now, feedback));
            }
        }
        self.store.write(batch)
    }

    /// Feedback records that wait, as one batch: 64 of them, or fewer that waited for 15 s; all if
    /// `at_once`. They stay until [`Self::remove_feedback`].
    pub(crate) fn feedback(&self, at_once: bool) -> Vec<(u64, Feedback)> {
        let now = self.clock.unix_millis();
        let inner = self.lock();
        let waited = |created: u64| now.saturating_sub(created) >= millis(self.feedback_interval);
        let ready = at_once
            || inner.feedback.len() >= FEEDBACK_BATCH
            || inner
                .feedback
                .front()
                .is_some_and(|(_, created, _)| waited(*created));
        let count = match (ready, at_once) {
            (false, _) => 0,
            (true, false) => FEEDBACK_BATCH,
            (true, true) => usize::MAX,
        };
        inner
            .feedback
            .iter()
            .take(count)
            .map(|(number, _, record)| (*number, record.clone()))
            .collect()
    }

    /// Removes feedback records that were taken.
    pub(crate) fn remove_feedback(&self, numbers: &[u64]) -> Result<(), StoreError> {
        let mut inner = self.lock();
        let mut batch = Batch::default();
        for number in numbers {
            batch.remove(format!("feedback/{number:020}"));
        }
        self.store.write(batch)?;
        inner
            .feedback
            .retain(|(number, ..)| !numbers.contains(number));
        Ok(())
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn message_key(client_id: &str, sequence: u64) -> String {
    format!("c2d/{client_id}/{sequence:020}")
}

fn deliveries_key(client_id: &str, sequence: u64) -> String {
    format!("c2d-count/{client_id}/{sequence:020}")
}

const fn wants_feedback(ack: Option<Ack>, outcome: Outcome) -> bool {
    match (ack, outcome) {
        (Some(Ack::Full), _) | (Some(Ack::Positive), Outcome::Success) => true,
        (Some(Ack::Negative), outcome) => !matches!(outcome, Outcome::Success),
        _ => false,
    }
}

fn feedback(device: &Device, entry: &Entry, outcome: Outcome, now: u64) -> Feedback {
    let description = match outcome {
        Outcome::Success => "Success",
        Outcome::Expired => "Message expired",
        Outcome::DeliveryCountExceeded => "Message delivery count exceeded",
        Outcome::Rejected => "Message rejected",
        Outcome::Purged => "Message purged",
    };
    Feedback {
        original_message_id: entry.message.message_id.clone().unwrap_or_default(),
        enqueued_time_utc: iso_8601(now),
        status_code: outcome,
        description: description.into(),
        device_id: device.identity.device_id.clone(),
        module_id: device.identity.module_id.clone(),
        device_generation_id: device.generation_id.clone(),
    }
}
