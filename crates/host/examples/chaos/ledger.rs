//! Comparison of the messages that the hub has stored in the end with those that the device has measured.

use std::collections::HashMap;

use local_hub::Event;

use crate::journal::Account;

/// Counts of one device's messages.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ledger {
    /// Messages that fell due.
    pub(crate) measured: u64,
    /// Of these, the ones that were not measured, since the device was busy.
    pub(crate) unmeasured: u64,
    /// Of these, the ones that a kill came before: the device had not accepted them yet.
    pub(crate) unaccepted: u64,
    /// Of the others, the ones that the hub never stored.
    pub(crate) lost: u64,
    /// Copies of a stored message that say so (`mqtt-dup`).
    pub(crate) marked: u64,
    /// Copies that look like new messages.
    pub(crate) unmarked: u64,
    /// Copies whose message id or creation time differs from the first one's.
    pub(crate) changed: u64,
    /// First copies that came after one that was measured later.
    pub(crate) out_of_order: u64,
    /// Messages that the hub stored and the device says it never measured.
    pub(crate) unknown: u64,
}

impl Ledger {
    /// Counts; the application numbers the messages that fall due from 1.
    pub(crate) fn of(events: &[Event], account: &Account) -> Self {
        let mut ledger = Self {
            measured: account.last,
            unmeasured: account.unmeasured.len() as u64,
            ..Self::default()
        };
        let mut first = HashMap::new();
        let mut newest = 0;
        for event in events {
            let Some(count) = count(event) else {
                ledger.unknown += 1;
                continue;
            };
            if let Some(before) = first.get(&count) {
                match event.properties.contains_key("mqtt-dup") {
                    true => ledger.marked += 1,
                    false => ledger.unmarked += 1,
                }
                ledger.changed += u64::from(*before != signature(event));
                continue;
            }
            first.insert(count, signature(event));
            ledger.out_of_order += u64::from(count < newest);
            let is_known = count <= account.last && !account.unmeasured.contains(&count);
            ledger.unknown += u64::from(!is_known);
            newest = newest.max(count);
        }
        for count in (1..=account.last).filter(|count| !first.contains_key(count)) {
            if account.doubtful.contains(&count) {
                ledger.unaccepted += 1;
            } else if !account.unmeasured.contains(&count) {
                ledger.lost += 1;
            }
        }
        ledger
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.measured += other.measured;
        self.unmeasured += other.unmeasured;
        self.unaccepted += other.unaccepted;
        self.lost += other.lost;
        self.marked += other.marked;
        self.unmarked += other.unmarked;
        self.changed += other.changed;
        self.out_of_order += other.out_of_order;
        self.unknown += other.unknown;
    }

    /// Everything arrived, in order, and what came twice says so. After a kill, a device does not know what it has sent:
    /// so many copies may come unmarked.
    pub(crate) const fn is_clean(&self, unmarked: u64) -> bool {
        self.lost == 0
            && self.unmarked <= unmarked
            && self.changed == 0
            && self.out_of_order == 0
            && self.unknown == 0
    }
}

/// The number that the application wrote into the message.
fn count(event: &Event) -> Option<u64> {
    let body: serde_json::Value = serde_json::from_slice(&event.body).ok()?;
    body.get("count")?.as_u64()
}

/// Parts that must be the same in each copy of a message: id, creation time and body.
fn signature(event: &Event) -> (Option<String>, Option<String>, Vec<u8>) {
    let id = event.system.get("message_id").cloned();
    let created = event.properties.get("iothub-creation-time-utc");
    (id, created.cloned().flatten(), event.body.clone())
}
