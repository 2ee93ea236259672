//! Stories of connections: what happened to each client, for the page.
//!
//! # Theory of operation
//! A happening is the begin or the end of a connection, with its reason, a fault, or a packet. Each subject (a client
//! or a registration) keeps its last ones, packets apart from the rest, so that many packets push no reason out. What
//! comes again and again (telemetry and its PUBACK, PINGREQ) is one happening with a count. Nothing is kept without a
//! page. The stories of clients end with the process; those of registrations are in the journal.

mod kept;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize, Serializer};

use crate::clock::Clock;
use crate::shown;
use crate::store::Store;
pub(crate) use kept::{ANSWER, Kept};
use kept::{Changes, Journal};

/// Happenings that are kept of all subjects together, packets left out.
const MAX_RECENT: usize = 500;
/// Most bytes of what a happening says.
const MAX_DETAIL: usize = 300;

/// Bounds of stories.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Subjects that have a story.
    pub(crate) subjects: usize,
    /// Packets of a subject.
    pub(crate) packets: usize,
    /// Other happenings of a subject.
    pub(crate) others: usize,
}

/// Event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    bounds: Bounds,
    journal: Option<Journal>,
}

impl Stories {
    /// Stories that end with the process; none at all unless they are `wanted`.
    pub(crate) fn new(wanted: bool, bounds: Bounds) -> Self {
        Self {
            inner: wanted.then(Mutex::default),
            bounds,
            journal: None,
        }
    }

    /// Stories that are kept in `store`, with those that it holds.
    pub(crate) fn kept(wanted: bool, bounds: Bounds, store: Arc<Store>) -> Self {
        let journal = Journal::new(store);
        let inner = wanted.then(|| {
            let mut inner = Inner::default();
            let mut changes = Changes::default();
            for (subject, happening) in journal.read() {
                inner.next = happening.number + 1;
                // More may have been kept once than is now.
                changes.remove(&subject, inner.add(&subject, happening, &bounds));
            }
            journal.write(changes);
            Mutex::new(inner)
        });
        Self {
            inner,
            bounds,
            journal: Some(journal),
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
        let dropped = inner.add(subject, happening, &self.bounds);
        if let (Some(journal), Some(story)) = (&self.journal, inner.subjects.get(subject)) {
            let mut changes = Changes::default();
            changes.keep(subject, story.all().filter(|one| one.changed == changed));
            changes.remove(subject, dropped);
            journal.write(changes);
        }
    }

    /// Changes in the story of a subject since `changed`, oldest first, and the value for the next call.
    pub(crate) fn since(&self, subject: &str, changed: u64) -> (Vec<Happening>, u64) {
        let Some(inner) = self.lock() else {
            return (Vec::new(), changed);
        };
        let Some(story) = inner.subjects.get(subject) else {
            return (Vec::new(), inner.next);
        };
        let new = story.all().filter(|one| one.changed >= changed);
        let mut found: Vec<_> = new.cloned().collect();
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
    /// Adds what happened to a subject; gives what made room for it.
    fn add(&mut self, subject: &str, happening: Happening, bounds: &Bounds) -> Dropped {
        if let Some(story) = self.subjects.get_mut(subject) {
            return Dropped {
                happening: story.add(happening, bounds),
                story: None,
            };
        }
        let story = self.make_room(bounds.subjects);
        let mut own = Story::default();
        let happening = own.add(happening, bounds);
        self.subjects.insert(subject.to_owned(), own);
        Dropped { happening, story }
    }

    /// Forgets the subject to which nothing happened for the longest time, if there are too many.
    fn make_room(&mut self, max_subjects: usize) -> Option<(String, Story)> {
        if self.subjects.len() < max_subjects {
            return None;
        }
        let oldest = self
            .subjects
            .iter()
            .min_by_key(|(_, story)| story.changed());
        let oldest = oldest.map(|(subject, _)| subject.clone())?;
        self.subjects.remove_entry(&oldest)
    }
}

/// Happenings that made room for a new one.
#[derive(Debug)]
struct Dropped {
    /// Of the same subject.
    happening: Option<Happening>,
    /// All of another subject.
    story: Option<(String, Story)>,
}

impl Story {
    fn all(&self) -> impl Iterator<Item = &Happening> {
        self.others.iter().chain(&self.packets)
    }

    fn changed(&self) -> u64 {
        self.all().map(|one| one.changed).max().unwrap_or(0)
    }

    /// Adds a happening; gives the one that made room for it.
    fn add(&mut self, happening: Happening, bounds: &Bounds) -> Option<Happening> {
        if !happening.what.is_packet() {
            // Packets of the next connection are others.
            return push(&mut self.others, happening, bounds.others);
        }
        if comes_again(happening.label) {
            let since = self.others.back().map_or(0, |other| other.number);
            let of_connection = self.packets.iter_mut().rev();
            let mut of_connection = of_connection.take_while(|one| one.number >= since);
            let same =
                |one: &&mut Happening| one.what == happening.what && one.label == happening.label;
            if let Some(again) = of_connection.find(same) {
                again.count += 1;
                again.last = happening.time;
                again.changed = happening.changed;
                again.detail = happening.detail;
                return None;
            }
        }
        push(&mut self.packets, happening, bounds.packets)
    }
}

/// True for packets that a connection of many days consists of.
fn comes_again(label: &str) -> bool {
    matches!(
        label,
        "PUBLISH telemetry" | "PUBACK" | "PINGREQ" | "PINGRESP"
    )
}

fn push(all: &mut VecDeque<Happening>, one: Happening, max: usize) -> Option<Happening> {
    let dropped = (all.len() >= max).then(|| all.pop_front()).flatten();
    all.push_back(one);
    dropped
}

fn shortened(detail: String) -> Box<str> {
    match shown::beginning(&detail, MAX_DETAIL) {
        whole if whole.len() == detail.len() => detail.into(),
        beginning => format!("{beginning}…").into(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const BOUNDS: Bounds = Bounds {
        subjects: 3,
        packets: 48,
        others: 32,
    };

    fn stories() -> (Stories, Clock) {
        (Stories::new(true, BOUNDS), Clock::new(0))
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
        assert_eq!(told.len(), BOUNDS.packets + 1);
        assert_eq!(told[0].2, "the reason");
        assert_eq!(told[BOUNDS.packets].2, "999");
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
        let off = Stories::new(false, BOUNDS);
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

    #[test]
    fn stories_of_a_journal_are_there_after_a_restart_within_the_same_bounds() {
        let directory = tempfile::tempdir().unwrap();
        let clock = Clock::new(0);
        let open = |bounds: Bounds| {
            let store = Store::open(directory.path(), crate::kinds::check).unwrap();
            let store = Arc::new(store);
            (Stories::kept(true, bounds, Arc::clone(&store)), store)
        };
        let shown = |stories: &Stories, subject: &str| {
            let (all, _) = stories.since(subject, 0);
            serde_json::to_value(all).unwrap()
        };
        let bounds = Bounds {
            subjects: 2,
            packets: 3,
            others: 2,
        };
        let (stories, store) = open(bounds);
        for number in 0..5 {
            let detail = || format!("202, number {number}");
            stories.tell("a", &clock, What::Sent, ANSWER, detail);
            stories.tell("a", &clock, What::Ended, "", || "the end");
        }
        stories.tell("b", &clock, What::Closed, "", || "why");
        stories.tell("c", &clock, What::Closed, "", || "why");
        let before = ["b", "c"].map(|subject| shown(&stories, subject));
        assert_eq!(store.scan::<Kept>("").len(), 2);
        stories.tell("b", &clock, What::Sent, ANSWER, || "200");
        let of_b = shown(&stories, "b");
        drop((stories, store));

        let (stories, store) = open(bounds);
        let mut subjects = stories.subjects();
        subjects.sort();
        assert_eq!(subjects, ["b", "c"]);
        assert_eq!(shown(&stories, "b"), of_b);
        assert_eq!(shown(&stories, "c"), before[1]);
        // What happens now comes after.
        for number in 0..9 {
            stories.tell("b", &clock, What::Sent, ANSWER, || number.to_string());
        }
        let details: Vec<_> = told(&stories, "b").into_iter().map(|one| one.2).collect();
        assert_eq!(details, ["why", "6", "7", "8"]);
        assert_eq!(store.scan::<Kept>("").len(), 5);
        drop((stories, store));

        let (stories, store) = open(Bounds {
            subjects: 1,
            packets: 1,
            ..bounds
        });
        let details: Vec<_> = told(&stories, "b").into_iter().map(|one| one.2).collect();
        assert_eq!(details, ["8"]);
        assert_eq!(store.scan::<Kept>("").len(), 1);
    }
}
