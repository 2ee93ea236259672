//! The list of devices, as far as a page shows it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;
use serde_json::{Value, json};

use super::live::{Frames, View};
use crate::core::Core;
use crate::registry::{Authentication, Device};

/// Rows that a page gets at most; the others are behind `from`, or found by the filter.
const MAX_ROWS: usize = 200;
/// Senders that are known before those of deleted devices are forgotten.
const MAX_SENDERS: usize = 8192;

/// Facts of the messages of each sender, as far as the event log was read.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<Read>);

#[derive(Debug, Default)]
struct Read {
    next: u64,
    /// Number of messages and time of the last one, by client id.
    senders: HashMap<String, (u64, u64)>,
}

impl Recent {
    /// Reads on to the end of the log.
    fn catch_up(&self, core: &Core) {
        let mut read = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let piece = core.events.heads(read.next);
            if piece.next == read.next {
                break;
            }
            read.next = piece.next;
            for event in &piece.events {
                let sender = event.origin.to_string();
                let known = read.senders.entry(sender).or_default();
                *known = (known.0 + 1, event.enqueued_time);
            }
        }
        // Those of devices that were deleted.
        if read.senders.len() > MAX_SENDERS {
            let exists = |id: &String| {
                let identity = crate::registry::Identity::of_client(id);
                core.registry.get(&identity).is_ok()
            };
            read.senders.retain(|id, _| exists(id));
        }
    }

    fn of(&self, client_id: &str) -> (u64, u64) {
        let read = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        read.senders.get(client_id).copied().unwrap_or_default()
    }

    /// The row of a device or module.
    pub(super) fn row(&self, core: &Core, device: &Device) -> Value {
        let id = device.identity.to_string();
        let (messages, last_message) = self.of(&id);
        let activity = core.sessions.activity(&id);
        json!({
            "id": id,
            "enabled": device.is_enabled(),
            "connected": core.sessions.get(&id).is_some(),
            "since": activity.state_changed,
            "lastActivity": activity.last,
            "messages": messages,
            "lastMessage": last_message,
            "queue": core.c2d.pending(&id),
            "authentication": match device.authentication {
                Authentication::Sas(_) => "Symmetric key",
                Authentication::X509Thumbprint { .. } => "X.509 thumbprint",
                Authentication::X509Ca => "X.509 CA",
            },
            "reason": core.stories.last_reason(&id),
        })
    }

    /// Reads on, and gives the row.
    pub(super) fn fresh_row(&self, core: &Core, device: &Device) -> Value {
        self.catch_up(core);
        self.row(core, device)
    }
}

/// Devices that are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum State {
    #[default]
    All,
    Connected,
    Disconnected,
    Disabled,
}

/// Devices that a page wants to see.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    filter: String,
    #[serde(default)]
    state: State,
    /// Number of devices before the first row.
    #[serde(default)]
    from: usize,
}

impl Wanted {
    fn wants(&self, core: &Core, device: &Device) -> bool {
        let id = device.identity.device_id.as_str();
        let connected = || core.sessions.get(id).is_some();
        let in_state = match self.state {
            State::All => true,
            State::Connected => connected(),
            State::Disconnected => device.is_enabled() && !connected(),
            State::Disabled => !device.is_enabled(),
        };
        in_state && (self.filter.is_empty() || id.to_ascii_lowercase().contains(&self.filter))
    }
}

/// The list, as a page knows it.
pub(super) struct Overview {
    core: Arc<Core>,
    recent: Arc<Recent>,
    wanted: Wanted,
    rows: HashMap<String, Value>,
    totals: Value,
}

impl Overview {
    /// Nothing was told yet.
    pub(super) fn new(core: Arc<Core>, recent: Arc<Recent>, mut wanted: Wanted) -> Self {
        wanted.filter.make_ascii_lowercase();
        Self {
            core,
            recent,
            wanted,
            rows: HashMap::new(),
            totals: Value::Null,
        }
    }
}

impl View for Overview {
    fn tell(&mut self, frames: &mut Frames) {
        let core = &self.core;
        self.recent.catch_up(core);
        // One way through all of them, which may be many.
        let (mut registered, mut disabled) = (0_usize, 0_usize);
        let (matching, devices) = core
            .registry
            .select_from(self.wanted.from, MAX_ROWS, |device| {
                registered += 1;
                disabled += usize::from(!device.is_enabled());
                self.wanted.wants(core, device)
            });
        let mut rows = HashMap::new();
        let mut changed = Vec::new();
        for device in &devices {
            let row = self.recent.row(core, device);
            let id = device.identity.device_id.clone();
            if self.rows.get(&id) != Some(&row) {
                changed.push(row.clone());
            }
            rows.insert(id, row);
        }
        let gone: Vec<_> = self
            .rows
            .keys()
            .filter(|id| !rows.contains_key(*id))
            .collect();
        if !changed.is_empty() || !gone.is_empty() {
            frames.add("devices", &json!({ "changed": changed, "gone": gone }));
        }
        self.rows = rows;
        let totals = json!({
            "registered": registered,
            "disabled": disabled,
            "connected": core.sessions.count(),
            "matching": matching,
            "from": self.wanted.from,
            "shown": devices.len(),
        });
        if totals != self.totals {
            frames.add("totals", &totals);
            self.totals = totals;
        }
    }
}
