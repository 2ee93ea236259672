//! Connected clients, and the sessions that are kept of connections that ended.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};

use crate::close::CloseReason;
use crate::mqtt::filter;
use crate::store::{Batch, Store, StoreError};

/// Filters and the QoS that was granted to each.
pub(crate) type Subscriptions = BTreeMap<String, u8>;

/// Pushes that wait for one connection; more mean that the client takes none.
const MAX_PUSHES: usize = 64;

/// A message that the hub sends with QoS 0 and never again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Push {
    /// The topic name.
    pub(crate) topic: String,
    /// The payload.
    pub(crate) payload: Vec<u8>,
}

impl Push {
    /// The kind of packet, for people.
    pub(crate) fn label(&self) -> &'static str {
        let kinds = [
            ("$iothub/twin/res/", "PUBLISH twin answer"),
            ("$iothub/twin/PATCH/", "PUBLISH desired properties"),
            ("$iothub/methods/", "PUBLISH method call"),
        ];
        let kind = kinds
            .iter()
            .find(|(topic, _)| self.topic.starts_with(topic));
        kind.map_or("PUBLISH", |(_, label)| label)
    }
}

/// Part of a live connection that the rest of the hub holds.
#[derive(Debug)]
pub(crate) struct Link {
    /// Names the connection; never used twice by one process.
    pub(crate) id: u64,
    /// `device` or `device/module`.
    pub(crate) client_id: String,
    /// Something waits to be sent: a push, or a cloud-to-device message.
    pub(crate) wake: Notify,
    pushes: Mutex<VecDeque<Push>>,
    /// `se` of the client's token, in seconds since 1970.
    pub(crate) expiry: Option<u64>,
    /// The user name had an api-version.
    pub(crate) versioned: bool,
    frozen: AtomicBool,
    /// Start of the connection, in milliseconds since 1970.
    began: u64,
    /// Time at which the client sent or took a message last.
    last_activity: AtomicU64,
    subscriptions: Mutex<Subscriptions>,
    cut: watch::Sender<Option<CloseReason>>,
}

/// Times at which something happened to a client last, in milliseconds since 1970; 0 if it never did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Activity {
    /// It connected, or its connection ended.
    pub(crate) state_changed: u64,
    /// It connected, or sent or took a message.
    pub(crate) last: u64,
}

impl Link {
    /// The client sent or took a message.
    pub(crate) fn touch(&self, now: u64) {
        self.last_activity.fetch_max(now, Ordering::Relaxed);
    }

    /// Ends the connection.
    pub(crate) fn cut(&self, reason: CloseReason) {
        self.cut.send_if_modified(|cut| {
            let first = cut.is_none();
            if first {
                *cut = Some(reason);
            }
            first
        });
    }

    /// Waits until somebody wants the connection to end.
    pub(crate) async fn cut_off(&self) -> CloseReason {
        let mut cut = self.cut.subscribe();
        match cut.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or(CloseReason::Operator),
            // The sender is a part of `self`.
            Err(_) => CloseReason::Operator,
        }
    }

    /// Sends a message soon; ends the connection if the client does not take those before it.
    pub(crate) fn push(&self, push: Push) {
        let mut pushes = self.pushes.lock().unwrap_or_else(PoisonError::into_inner);
        if pushes.len() >= MAX_PUSHES {
            self.cut(CloseReason::Socket("the client takes no bytes".into()));
            return;
        }
        pushes.push_back(push);
        drop(pushes);
        self.wake.notify_one();
    }

    /// Stops reading and writing on the connection, and leaves it open.
    pub(crate) fn freeze(&self) {
        self.frozen.store(true, Ordering::Relaxed);
        self.wake.notify_one();
    }

    /// True if [`Self::freeze`] was called.
    pub(crate) fn is_frozen(&self) -> bool {
        self.frozen.load(Ordering::Relaxed)
    }

    /// Everything that was pushed since the last call.
    pub(crate) fn take_pushes(&self) -> VecDeque<Push> {
        std::mem::take(&mut *self.pushes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The QoS that a message under `topic` is sent with: the highest one that was granted to a filter that
    /// matches it (MQTT 3.1.1, section 3.3.5). `None` if the client subscribed to no such filter.
    pub(crate) fn granted(&self, topic: &str) -> Option<u8> {
        self.subscriptions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .filter(|(filter, _)| filter::matches(filter, topic))
            .map(|(_, qos)| *qos)
            .max()
    }

    /// True if a direct method under `topic` reaches the client. It never does without an api-version.
    pub(crate) fn takes_methods(&self, topic: &str) -> bool {
        self.versioned && self.granted(topic).is_some()
    }

    /// Every filter that is subscribed to.
    pub(crate) fn subscriptions(&self) -> Subscriptions {
        self.subscriptions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Live connections by client id, and stored sessions.
#[derive(Debug)]
pub(crate) struct Sessions {
    store: Arc<Store>,
    live: Mutex<HashMap<String, Arc<Link>>>,
    changed: Condvar,
    changes: watch::Sender<()>,
    next: AtomicU64,
}

impl Sessions {
    /// Nobody is connected.
    pub(crate) fn new(store: Arc<Store>) -> Self {
        Self {
            store,
            live: Mutex::default(),
            changed: Condvar::new(),
            changes: watch::Sender::new(()),
            next: AtomicU64::new(1),
        }
    }

    /// A client is connected from now on. Gives the connection of the same client that it takes over.
    pub(crate) fn enter(
        &self,
        client_id: &str,
        subscriptions: Subscriptions,
        expiry: Option<u64>,
        versioned: bool,
        now: u64,
    ) -> (Arc<Link>, Option<Arc<Link>>) {
        let link = Arc::new(Link {
            id: self.next.fetch_add(1, Ordering::Relaxed),
            client_id: client_id.to_owned(),
            wake: Notify::new(),
            pushes: Mutex::default(),
            expiry,
            versioned,
            began: now,
            last_activity: AtomicU64::new(now),
            frozen: AtomicBool::new(false),
            subscriptions: Mutex::new(subscriptions),
            cut: watch::Sender::new(None),
        });
        let old = self.lock().insert(client_id.to_owned(), Arc::clone(&link));
        if let Some(old) = &old {
            old.cut(CloseReason::TakenOver);
        }
        self.changed.notify_all();
        self.changes.send_replace(());
        (link, old)
    }

    /// Replaces the filters of a live connection.
    pub(crate) fn subscribe(&self, link: &Link, subscriptions: Subscriptions) {
        *link
            .subscriptions
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = subscriptions;
        self.changes.send_replace(());
    }

    /// Signals that a client connects or changes its filters.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// A connection ended.
    pub(crate) fn leave(&self, link: &Link) {
        let mut live = self.lock();
        if live
            .get(&link.client_id)
            .is_some_and(|current| current.id == link.id)
        {
            live.remove(&link.client_id);
        }
        drop(live);
        self.changed.notify_all();
    }

    /// Keeps when a connection ended, which [`Self::leave`] was told of.
    pub(crate) fn keep_activity(&self, link: &Link, now: u64) -> Result<(), StoreError> {
        let activity = Activity {
            state_changed: now,
            last: link.last_activity.load(Ordering::Relaxed),
        };
        self.store.put(&activity_key(&link.client_id), &activity)
    }

    /// Times at which something happened to a client last.
    pub(crate) fn activity(&self, client_id: &str) -> Activity {
        match self.get(client_id) {
            Some(link) => Activity {
                state_changed: link.began,
                last: link.last_activity.load(Ordering::Relaxed),
            },
            None => self.store.get(&activity_key(client_id)).unwrap_or_default(),
        }
    }

    /// Forgets it of a client that was deleted.
    pub(crate) fn forget_activity(&self, client_id: &str) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        batch.remove(activity_key(client_id));
        self.store.write(batch)
    }

    /// The live connection of a client.
    pub(crate) fn get(&self, client_id: &str) -> Option<Arc<Link>> {
        self.lock().get(client_id).cloned()
    }

    /// The client ids of connections that [`Link::freeze`] stopped, in their order.
    pub(crate) fn frozen(&self) -> Vec<String> {
        let live = self.lock();
        let frozen = live.values().filter(|link| link.is_frozen());
        let mut ids: Vec<_> = frozen.map(|link| link.client_id.clone()).collect();
        ids.sort();
        ids
    }

    /// Number of those that are connected.
    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }

    /// Ends a client's connection; false if it has none.
    pub(crate) fn cut(&self, client_id: &str, reason: CloseReason) -> bool {
        let link = self.get(client_id);
        link.as_ref().inspect(|link| link.cut(reason)).is_some()
    }

    /// Ends every connection.
    pub(crate) fn cut_all(&self, reason: &CloseReason) {
        for link in self.lock().values() {
            link.cut(reason.clone());
        }
    }

    /// Waits until a client is connected, or no longer; false when `timeout` passed before.
    pub(crate) fn wait(&self, client_id: &str, connected: bool, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        let mut live = self.lock();
        while live.contains_key(client_id) != connected {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            live = self
                .changed
                .wait_timeout(live, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        true
    }

    /// State that is kept for a client that connects without a clean session; an empty session is kept from now
    /// on if there was none. The second value tells whether there was one: "session present".
    pub(crate) fn resume(&self, client_id: &str) -> Result<(Subscriptions, bool), StoreError> {
        match self.store.get(&key(client_id)) {
            Some(subscriptions) => Ok((subscriptions, true)),
            None => {
                self.keep(client_id, &Subscriptions::new())?;
                Ok((Subscriptions::new(), false))
            }
        }
    }

    /// Keeps the subscriptions of a client.
    pub(crate) fn keep(
        &self,
        client_id: &str,
        subscriptions: &Subscriptions,
    ) -> Result<(), StoreError> {
        self.store.put(&key(client_id), subscriptions)
    }

    /// Forgets what is kept for a client.
    pub(crate) fn forget(&self, client_id: &str) -> Result<(), StoreError> {
        let key = key(client_id);
        if self.store.get::<Subscriptions>(&key).is_none() {
            return Ok(());
        }
        let mut batch = Batch::default();
        batch.remove(key);
        self.store.write(batch)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Link>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(client_id: &str) -> String {
    format!("session/{client_id}")
}

fn activity_key(client_id: &str) -> String {
    format!("activity/{client_id}")
}
