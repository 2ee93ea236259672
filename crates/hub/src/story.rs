//! Stories of connections: what happened to each client, for the page.
//!
//! # Theory of operation
//! A happening is the begin or the end of a connection, with its reason, a fault, or a packet. Each subject (a client
//! or a registration) keeps its last ones, packets apart from the rest, so that many packets push no reason out. What
//! comes again and again (telemetry and its PUBACK, PINGREQ) is one happening with a count. Nothing is kept beyond the
//! process, and nothing at all without a page.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Serialize, Serializer};

use crate::clock::Clock;
use crate::shown;

/// Packets that are kept of a subject.
const MAX_PACKETS: usize = 48;
/// Other happenings that are kept of a subject.
const MAX_OTHERS: usize = 32;
/// Happenings that are kept of all subjects together, packets left out.
const MAX_RECENT: usize = 500;
/// Most bytes of what a happening says.
const MAX_DETAIL: usize = 300;

/// Event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum What {
    /// A CONNECT was accepted.
    Connected,
    /// A connection ended as its client wanted.
    Ended,
    /// A connection was closed or broke, or CONNECT was refused.
    Closed,
    /// The client uploads a file.
    File,
    /// An operator injected a fault.
    Fault,
    /// A packet came from the client.
    Received,
    /// A packet was sent to the client.
    Sent,
}

impl What {
    const fn is_packet(self) -> bool {
        matches!(self, Self::Received | Self::Sent)
    }
}

/// One happening, or several of the same kind.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Happening {
    /// Names it among those of all subjects.
    pub(crate) number: u64,
    /// Grows with every happening and every change of one.
    #[serde(skip)]
    changed: u64,
    /// Time at which it happened first, in milliseconds since 1970.
    time: u64,
    /// Time at which it happened last.
    last: u64,
    /// Number of times.
    count: u64,
    what: What,
    /// The packet, for packets.
    label: &'static str,
    /// The reason, or what was in the packet.
    detail: Detail,
}

/// Text of a happening. That of each message is put into words only for those who read it.
#[derive(Clone, Debug)]
pub(crate) enum Detail {
    Text(Box<str>),
    /// Identifier of a packet.
    Packet(u16),
    Publish(PublishFacts),
}

/// Parts of a message beside its topic and the contents of its payload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PublishFacts {
    pub(crate) bytes: usize,
    pub(crate) packet_id: Option<u16>,
    pub(crate) dup: bool,
    pub(crate) retain: bool,
}

impl fmt::Display for PublishFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes, QoS ", self.bytes)?;
        match self.packet_id {
            Some(packet_id) => write!(f, "1, packet {packet_id}")?,
            None => f.write_str("0")?,
        }
        for (flag, name) in [(self.dup, ", DUP"), (self.retain, ", RETAIN")] {
            f.write_str(if flag { name } else { "" })?;
        }
        Ok(())
    }
}

impl From<String> for Detail {
    fn from(text: String) -> Self {
        Self::Text(shortened(text))
    }
}

impl From<&str> for Detail {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Packet(packet_id) => write!(f, "packet {packet_id}"),
            Self::Publish(facts) => facts.fmt(f),
        }
    }
}

impl Serialize for Detail {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[derive(Debug, Default)]
struct Story {
    packets: VecDeque<Happening>,
    others: VecDeque<Happening>,
}

#[derive(Debug, Default)]
struct Inner {
    subjects: HashMap<String, Story>,
    /// Everything but packets, of all subjects.
    recent: VecDeque<Recent>,
    next: u64,
}

/// Story of one of many.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Recent {
    subject: Box<str>,
    #[serde(flatten)]
    happening: Happening,
}

/// The stories of all subjects of one kind.
#[derive(Debug)]
pub(crate) struct Stories {
    inner: Option<Mutex<Inner>>,
    max_subjects: usize,
}

impl Stories {
    /// Stories of this many subjects at most; none at all unless they are `wanted`.
    pub(crate) fn new(wanted: bool, max_subjects: usize) -> Self {
        Self {
            inner: wanted.then(Mutex::default),
            max_subjects,
        }
    }

    fn lock(&self) -> Option<MutexGuard<'_, Inner>> {
        let inner = self.inner.as_ref()?;
        Some(inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds what happened to a subject. `label` names a packet, and is empty otherwise.
    pub(crate) fn tell<D: Into<Detail>>(
        &self,
        subject: &str,
        clock: &Clock,
        what: What,
        label: &'static str,
        detail: impl FnOnce() -> D,
    ) {
        let Some(mut inner) = self.lock() else { return };
        let inner = &mut *inner;
        let (changed, time) = (inner.next, clock.unix_millis());
        inner.next += 1;
        let happening = Happening {
            number: changed,
            changed,
            time,
            last: time,
            count: 1,
            what,
            label,
            detail: detail().into(),
        };
        if !what.is_packet() {
            if inner.recent.len() == MAX_RECENT {
                inner.recent.pop_front();
            }
            inner.recent.push_back(Recent {
                subject: subject.into(),
                happening: happening.clone(),
            });
        }
        if let Some(story) = inner.subjects.get_mut(subject) {
            story.add(happening);
            return;
        }
        inner.make_room(self.max_subjects);
        let story = inner.subjects.entry(subject.to_owned()).or_default();
        story.add(happening);
    }

    /// Changes in the story of a subject since `changed`, oldest first, and the value for the next call.
    pub(crate) fn since(&self, subject: &str, changed: u64) -> (Vec<Happening>, u64) {
        let Some(inner) = self.lock() else {
            return (Vec::new(), changed);
        };
        let Some(story) = inner.subjects.get(subject) else {
            return (Vec::new(), inner.next);
        };
        let all = story.others.iter().chain(&story.packets);
        let mut found: Vec<_> = all.filter(|one| one.changed >= changed).cloned().collect();
        found.sort_by_key(|one| one.number);
        (found, inner.next)
    }

    /// Happenings of all subjects since `changed`, packets left out, and the value for the next call.
    pub(crate) fn recent(&self, changed: u64) -> (Vec<Recent>, u64) {
        let Some(inner) = self.lock() else {
            return (Vec::new(), changed);
        };
        let new = inner.recent.iter();
        let new = new.filter(|one| one.happening.changed >= changed);
        (new.cloned().collect(), inner.next)
    }

    /// The reason for which the last connection of a subject ended, if it ended after the last one began.
    pub(crate) fn last_reason(&self, subject: &str) -> Option<String> {
        let inner = self.lock()?;
        let mut others = inner.subjects.get(subject)?.others.iter().rev();
        let last = others.find(|one| one.what != What::Fault)?;
        (last.what != What::Connected).then(|| last.detail.to_string())
    }

    /// Every subject that has a story.
    pub(crate) fn subjects(&self) -> Vec<String> {
        let inner = self.lock();
        inner.map_or_else(Vec::new, |inner| inner.subjects.keys().cloned().collect())
    }

    /// Forgets the story of a subject.
    pub(crate) fn forget(&self, subject: &str) {
        if let Some(mut inner) = self.lock() {
            inner.subjects.remove(subject);
        }
    }
}

impl Inner {
    /// Forgets the subject to which nothing happened for the longest time, if there are too many.
    fn make_room(&mut self, max_subjects: usize) {
        if self.subjects.len() < max_subjects {
            return;
        }
        let oldest = self
            .subjects
            .iter()
            .min_by_key(|(_, story)| story.changed());
        if let Some(oldest) = oldest.map(|(subject, _)| subject.clone()) {
            self.subjects.remove(&oldest);
        }
    }
}

impl Story {
    fn changed(&self) -> u64 {
        let last = |all: &VecDeque<Happening>| all.iter().map(|one| one.changed).max();
        last(&self.packets).max(last(&self.others)).unwrap_or(0)
    }

    fn add(&mut self, happening: Happening) {
        if !happening.what.is_packet() {
            // Packets of the next connection are others.
            push(&mut self.others, happening, MAX_OTHERS);
            return;
        }
        let since = self.others.back().map_or(0, |other| other.number);
        let of_connection = self.packets.iter_mut().rev();
        let mut same = of_connection
            .take_while(|one| one.number >= since)
            .filter(|one| comes_again(one.label));
        match same.find(|one| one.what == happening.what && one.label == happening.label) {
            Some(again) => {
                again.count += 1;
                again.last = happening.time;
                again.changed = happening.changed;
                again.detail = happening.detail;
            }
            None => push(&mut self.packets, happening, MAX_PACKETS),
        }
    }
}

/// True for packets that a connection of many days consists of.
fn comes_again(label: &str) -> bool {
    matches!(
        label,
        "PUBLISH telemetry" | "PUBACK" | "PINGREQ" | "PINGRESP"
    )
}

fn push(all: &mut VecDeque<Happening>, one: Happening, max: usize) {
    if all.len() == max {
        all.pop_front();
    }
    all.push_back(one);
}

fn shortened(detail: String) -> Box<str> {
    match shown::beginning(&detail, MAX_DETAIL) {
        whole if whole.len() == detail.len() => detail.into(),
        beginning => format!("{beginning}…").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stories() -> (Stories, Clock) {
        (Stories::new(true, 3), Clock::new(0))
    }

    fn told(stories: &Stories, subject: &str) -> Vec<(&'static str, u64, String)> {
        let (all, _) = stories.since(subject, 0);
        all.into_iter()
            .map(|one| (one.label, one.count, one.detail.to_string()))
            .collect()
    }

    #[test]
    fn packets_that_come_again_and_again_are_counted_and_push_no_reason_out() {
        let (stories, clock) = stories();
        stories.tell("d", &clock, What::Closed, "", || "the reason");
        for number in 0..1000 {
            let detail = || number.to_string();
            stories.tell("d", &clock, What::Received, "PUBLISH telemetry", detail);
            stories.tell("d", &clock, What::Sent, "PUBACK", detail);
        }
        let expected = [
            ("", 1, "the reason".into()),
            ("PUBLISH telemetry", 1000, "999".into()),
            ("PUBACK", 1000, "999".into()),
        ];
        assert_eq!(told(&stories, "d"), expected);
        for number in 0..1000 {
            let detail = || number.to_string();
            stories.tell("d", &clock, What::Received, "SUBSCRIBE", detail);
        }
        let told = told(&stories, "d");
        assert_eq!(told.len(), MAX_PACKETS + 1);
        assert_eq!(told[0].2, "the reason");
        assert_eq!(told[MAX_PACKETS].2, "999");
    }

    #[test]
    fn packets_of_the_next_connection_are_counted_anew() {
        let (stories, clock) = stories();
        for reason in ["first", "second"] {
            stories.tell("d", &clock, What::Received, "PINGREQ", String::new);
            stories.tell("d", &clock, What::Ended, "", || reason);
        }
        let counts: Vec<_> = told(&stories, "d").iter().map(|one| one.1).collect();
        assert_eq!(counts, [1, 1, 1, 1]);
    }

    #[test]
    fn a_reader_gets_what_is_new_or_changed() {
        let (stories, clock) = stories();
        stories.tell("d", &clock, What::Connected, "", || "a");
        stories.tell("d", &clock, What::Received, "PINGREQ", String::new);
        let (all, next) = stories.since("d", 0);
        assert_eq!(all.len(), 2);
        assert!(stories.since("d", next).0.is_empty());
        stories.tell("d", &clock, What::Received, "PINGREQ", String::new);
        let (changed, _) = stories.since("d", next);
        assert_eq!((changed.len(), changed[0].count), (1, 2));
        assert_eq!(changed[0].number, all[1].number);
    }

    #[test]
    fn the_subject_with_the_oldest_story_makes_room() {
        let (stories, clock) = stories();
        for subject in ["a", "b", "a", "c", "d"] {
            stories.tell(subject, &clock, What::Connected, "", String::new);
        }
        let mut subjects = stories.subjects();
        subjects.sort();
        assert_eq!(subjects, ["a", "c", "d"]);
    }

    #[test]
    fn the_last_reason_is_told_until_the_subject_connects() {
        let (stories, clock) = stories();
        stories.tell("d", &clock, What::Closed, "", || "why");
        stories.tell("d", &clock, What::Fault, "", || "fault");
        assert_eq!(stories.last_reason("d").as_deref(), Some("why"));
        stories.tell("d", &clock, What::Connected, "", String::new);
        assert_eq!(stories.last_reason("d"), None);
        let off = Stories::new(false, 3);
        off.tell("d", &clock, What::Closed, "", || -> String {
            panic!("not wanted")
        });
        assert_eq!(off.last_reason("d"), None);
    }

    #[test]
    fn what_happened_to_all_is_kept_without_packets_and_in_a_limited_number() {
        let (stories, clock) = stories();
        for number in 0..MAX_RECENT + 3 {
            let subject = number.to_string();
            stories.tell(&subject, &clock, What::Connected, "", String::new);
            stories.tell(&subject, &clock, What::Received, "PINGREQ", String::new);
        }
        let (all, next) = stories.recent(0);
        assert_eq!(all.len(), MAX_RECENT);
        assert_eq!(&*all[0].subject, "3");
        stories.tell("d", &clock, What::Closed, "", || "why");
        let (new, _) = stories.recent(next);
        assert_eq!(new.len(), 1);
        assert_eq!(new[0].happening.detail.to_string(), "why");
    }

    #[test]
    fn what_a_client_says_at_length_is_cut() {
        let (stories, clock) = stories();
        stories.tell("d", &clock, What::Closed, "", || "ä".repeat(1000));
        assert!(told(&stories, "d")[0].2.len() <= MAX_DETAIL + 3);
    }
}
