//! One device or module, as a page shows it: its entry, its messages, its story, its twin.

use std::collections::VecDeque;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::live::{Frames, View};
use super::overview::Recent;
use crate::core::Core;
use crate::events::Event;
use crate::registry::{Device, Identity};

/// Messages that are told at a time; those before them are told as a number.
const MAX_MESSAGES: usize = 200;
/// Bytes of bodies and properties that are told at a time.
const MAX_BYTES: usize = 512 * 1024;
/// Bytes of a body that are told; the page asks for the whole message.
const MAX_BODY: usize = 16 * 1024;
/// Messages that a page begins with.
pub(super) const HISTORY: usize = 500;

/// A device or module, as a page knows it.
pub(super) struct DeviceView {
    core: Arc<Core>,
    recent: Arc<Recent>,
    identity: Identity,
    next_event: u64,
    next_happening: u64,
    entry: Value,
    twin: Option<(String, u64)>,
    began: bool,
}

impl DeviceView {
    /// Nothing was told yet.
    pub(super) fn new(core: Arc<Core>, recent: Arc<Recent>, identity: Identity) -> Self {
        Self {
            core,
            recent,
            identity,
            next_event: 0,
            next_happening: 0,
            entry: Value::Null,
            twin: None,
            began: false,
        }
    }

    fn tell_entry(&mut self, device: &Device, frames: &mut Frames) {
        let core = &self.core;
        let mut entry = self.recent.fresh_row(core, device);
        let link = core.sessions.get(&self.identity.to_string());
        entry["subscriptions"] = json!(link.map(|link| link.subscriptions()));
        entry["statusReason"] = json!(device.status_reason);
        entry["modules"] = json!(self.modules());
        if entry != self.entry {
            frames.add("device", &entry);
            self.entry = entry;
        }
    }

    fn modules(&self) -> Vec<Value> {
        if self.identity.module_id.is_some() {
            return Vec::new();
        }
        let modules = self.core.registry.modules_of(&self.identity.device_id);
        let rows = modules
            .iter()
            .map(|module| self.recent.row(&self.core, module));
        rows.collect()
    }

    fn tell_messages(&mut self, frames: &mut Frames) {
        let most = if self.began { MAX_MESSAGES } else { HISTORY };
        let mut kept: VecDeque<Event> = VecDeque::new();
        let (mut bytes, mut missed) = (0, 0_u64);
        loop {
            let piece = self.core.events.some_of(&self.identity, self.next_event);
            if piece.next == self.next_event {
                break;
            }
            self.next_event = piece.next;
            for event in piece.events {
                bytes += told_bytes(&event);
                kept.push_back(event);
                while kept.len() > most || (bytes > MAX_BYTES && kept.len() > 1) {
                    missed += 1;
                    bytes -= kept.pop_front().map_or(0, |event| told_bytes(&event));
                }
            }
        }
        if !kept.is_empty() {
            let messages: Vec<_> = kept.iter().map(message).collect();
            // What was there before the page is no loss.
            let missed = if self.began { missed } else { 0 };
            let told = json!({ "history": !self.began, "missed": missed, "messages": messages });
            frames.add("messages", &told);
        }
        self.began = true;
    }

    fn tell_twin(&mut self, device: &Device, frames: &mut Frames) {
        let twin = self.core.twins.get(device);
        let version = Some((twin.generation_id.clone(), twin.version));
        if version != self.twin {
            frames.add("twin", &self.core.twin_entity(device, &twin));
            self.twin = version;
        }
    }
}

impl View for DeviceView {
    fn tell(&mut self, frames: &mut Frames) {
        let Ok(device) = self.core.registry.get(&self.identity) else {
            if self.entry != json!(false) {
                frames.add("gone", &json!({}));
                self.entry = json!(false);
            }
            return;
        };
        self.tell_entry(&device, frames);
        self.tell_twin(&device, frames);
        let id = self.identity.to_string();
        let (happenings, next) = self.core.stories.since(&id, self.next_happening);
        self.next_happening = next;
        if !happenings.is_empty() {
            frames.add("story", &json!(happenings));
        }
        self.tell_messages(frames);
    }
}

fn told_bytes(event: &Event) -> usize {
    let system = event.system.iter().map(|(k, v)| k.len() + v.len());
    let properties = event.properties.iter();
    let properties = properties.map(|(k, v)| k.len() + v.as_ref().map_or(0, String::len));
    event.body.len().min(MAX_BODY) + system.sum::<usize>() + properties.sum::<usize>()
}

/// A message for the page: its body is text where it is UTF-8, and base64 elsewhere.
pub(super) fn message(event: &Event) -> Value {
    let cut = event.body.len() > MAX_BODY;
    let body = &event.body[..event.body.len().min(MAX_BODY)];
    let text = match std::str::from_utf8(body) {
        Ok(text) => Some(text),
        // A character may be cut in two.
        Err(error) if cut && error.error_len().is_none() => {
            std::str::from_utf8(&body[..error.valid_up_to()]).ok()
        }
        Err(_) => None,
    };
    let mut told = json!({
        "number": event.sequence_number,
        "time": event.enqueued_time,
        "size": event.body.len(),
        "cut": cut,
        "system": event.system,
        "properties": event.properties,
    });
    match text {
        Some(text) => told["text"] = text.into(),
        None => told["base64"] = STANDARD.encode(body).into(),
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn event(body: Vec<u8>) -> Event {
        Event {
            sequence_number: 7,
            enqueued_time: 1,
            origin: Identity::device("d"),
            system: BTreeMap::new(),
            properties: BTreeMap::from([("a".into(), None)]),
            annotations: BTreeMap::new(),
            body,
        }
    }

    #[test]
    fn a_body_is_text_or_base64_and_not_longer_than_a_page_needs() {
        let told = message(&event(b"{\"a\":1.50}".to_vec()));
        assert_eq!(told["text"], "{\"a\":1.50}");
        assert_eq!(told["cut"], false);
        assert_eq!(message(&event(vec![0xff, 0]))["base64"], "/wA=");
        let long = "ü".repeat(MAX_BODY);
        let told = message(&event(format!("a{long}").into_bytes()));
        assert_eq!(told["cut"], true);
        assert_eq!(told["size"], 1 + long.len());
        assert!(
            told["text"]
                .as_str()
                .is_some_and(|text| text.len() == MAX_BODY - 1)
        );
    }
}
