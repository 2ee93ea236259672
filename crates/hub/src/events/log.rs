//! Stored device-to-cloud messages: a log that is kept in memory and on disk up to a size.
//!
//! An event is one record with a checksum, written with one `write` before its PUBACK is sent, so that a kill of
//! the process loses nothing that was acknowledged. Two files take turns: when the newer one has half of the
//! allowed size, it replaces the older one.
//!
//! A fault of a file is treated as in the [store](crate::store): the beginning of one event at the end is
//! cut off, everything else stops the start. Events count up by one, so that one that is missing is noticed too.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::Event;
use crate::error::StartError;
use crate::store::AppendFile;
use crate::store::records::{self, Format};

/// The format of both files.
pub(crate) const EVENTS: Format = Format {
    header: "local-hub events, format 2",
    begins: b'{',
};

/// The log of one hub.
#[derive(Debug)]
pub(crate) struct EventLog {
    inner: Mutex<Inner>,
    grown: Condvar,
    next: watch::Sender<u64>,
}

/// The events in memory.
#[derive(Debug, Default)]
struct Kept {
    events: VecDeque<Arc<Event>>,
    /// Bytes of `events`, as lines.
    bytes: VecDeque<usize>,
    total: usize,
    /// The sequence number of the next event.
    next: u64,
}

#[derive(Debug)]
struct Inner {
    kept: Kept,
    limit: usize,
    newer: PathBuf,
    older: PathBuf,
    file: AppendFile,
    dirty: bool,
}

impl EventLog {
    /// Opens the log in `directory`, which keeps about `limit` bytes.
    pub(crate) fn open(directory: &Path, limit: usize) -> Result<Self, StartError> {
        let newer = directory.join("events.journal");
        let older = directory.join("events.old.journal");
        let mut kept = Kept::default();
        AppendFile::read_finished(&older, &EVENTS, |json, length| {
            kept.read(json, length, limit)
        })?;
        let file = AppendFile::open(&newer, &EVENTS, |json, length| {
            kept.read(json, length, limit)
        })?;
        Ok(Self {
            next: watch::Sender::new(kept.next),
            inner: Mutex::new(Inner {
                kept,
                limit,
                newer,
                older,
                file,
                dirty: false,
            }),
            grown: Condvar::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores `event` and gives it its sequence number. When this returns, it may be acknowledged.
    pub(crate) fn append(&self, mut event: Event) -> io::Result<()> {
        let mut inner = self.lock();
        event.sequence_number = inner.kept.next;
        let line = records::encode(&serde_json::to_vec(&event)?);
        inner.rotate_if_full()?;
        inner.file.append(&line)?;
        inner.dirty = true;
        let limit = inner.limit;
        inner.kept.push(event, line.len(), limit);
        self.next.send_replace(inner.kept.next);
        drop(inner);
        self.grown.notify_all();
        Ok(())
    }

    /// Kept events from `sequence_number` on.
    pub(crate) fn since(&self, sequence_number: u64) -> Vec<Arc<Event>> {
        self.lock().kept.since(sequence_number).cloned().collect()
    }

    /// The first kept events from `sequence_number` on, `most` of them at most.
    pub(crate) fn some_since(&self, sequence_number: u64, most: usize) -> Vec<Arc<Event>> {
        let inner = self.lock();
        let some = inner.kept.since(sequence_number).take(most);
        some.cloned().collect()
    }

    /// The sequence number that the next event gets, and when it changes.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.next.subscribe()
    }

    /// Waits until `enough` says true of the kept events; gives them in any case, and what it said last.
    pub(crate) fn wait(
        &self,
        timeout: Duration,
        mut enough: impl FnMut(&[Event]) -> bool,
    ) -> (bool, Vec<Event>) {
        let deadline = Instant::now() + timeout;
        let mut seen: Vec<Event> = Vec::new();
        let mut next = 0;
        let mut inner = self.lock();
        loop {
            seen.extend(inner.kept.since(next).map(|event| Event::clone(event)));
            next = inner.kept.next;
            drop(inner);
            if enough(&seen) {
                return (true, seen);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return (false, seen);
            }
            inner = self.lock();
            if inner.kept.next == next {
                let waited = self.grown.wait_timeout(inner, left);
                inner = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }

    /// Waits until the medium has every event, if there was one since the last call.
    pub(crate) fn sync(&self) -> io::Result<()> {
        let handle = {
            let mut inner = self.lock();
            if !inner.dirty {
                return Ok(());
            }
            inner.dirty = false;
            inner.file.handle()?
        };
        handle.sync_data().inspect_err(|_| self.lock().dirty = true)
    }
}

impl Kept {
    /// Takes an event out of a file.
    fn read(&mut self, json: &[u8], length: usize, limit: usize) -> Result<(), String> {
        let event: Event =
            serde_json::from_slice(json).map_err(|_| "is no event of this version".to_owned())?;
        let number = event.sequence_number;
        if number != self.next && !self.events.is_empty() {
            return Err(format!(
                "holds event {number}, and event {} is missing",
                self.next
            ));
        }
        self.push(event, length, limit);
        Ok(())
    }

    /// Keeps an event, and drops the oldest ones that have no more room in `limit` bytes.
    fn push(&mut self, event: Event, length: usize, limit: usize) {
        self.next = event.sequence_number.saturating_add(1);
        self.events.push_back(Arc::new(event));
        self.bytes.push_back(length);
        self.total += length;
        while self.total > limit && self.events.len() > 1 {
            self.events.pop_front();
            self.total -= self.bytes.pop_front().unwrap_or_default();
        }
    }

    /// Those from `sequence_number` on.
    fn since(&self, sequence_number: u64) -> impl Iterator<Item = &Arc<Event>> {
        let start = self
            .events
            .partition_point(|event| event.sequence_number < sequence_number);
        self.events.range(start..)
    }
}

impl Inner {
    fn rotate_if_full(&mut self) -> io::Result<()> {
        if self.file.len() < self.limit as u64 / 2 || self.file.is_broken() {
            return Ok(());
        }
        // The older file is never mended: it has to be whole, also after a power failure.
        self.file.sync()?;
        match std::fs::rename(&self.newer, &self.older) {
            // It was renamed the last time, and no other could be made.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            renamed => renamed?,
        }
        self.file = AppendFile::create(&self.newer, &EVENTS, &[])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::registry::Identity;
    use std::collections::BTreeMap;

    fn event(body: &str) -> Event {
        Event {
            sequence_number: 0,
            enqueued_time: 1,
            origin: Identity::device("d"),
            system: BTreeMap::new(),
            properties: BTreeMap::new(),
            annotations: BTreeMap::new(),
            body: body.into(),
        }
    }

    fn bodies(log: &EventLog, since: u64) -> Vec<String> {
        log.since(since)
            .iter()
            .map(|event| String::from_utf8(event.body.clone()).unwrap())
            .collect()
    }

    #[test]
    fn events_are_numbered_and_survive_reopening() {
        let directory = tempfile::tempdir().unwrap();
        let log = EventLog::open(directory.path(), 1 << 20).unwrap();
        log.append(event("a")).unwrap();
        log.append(event("b")).unwrap();
        drop(log);
        let log = EventLog::open(directory.path(), 1 << 20).unwrap();
        log.append(event("c")).unwrap();
        assert_eq!(bodies(&log, 0), ["a", "b", "c"]);
        assert_eq!(bodies(&log, 2), ["c"]);
        assert_eq!(*log.watch().borrow(), 3);
    }

    /// Opens a log with two events whose file was changed.
    fn reopened(change: impl FnOnce(&mut Vec<u8>)) -> (Result<EventLog, StartError>, bool) {
        let directory = tempfile::tempdir().unwrap();
        let log = EventLog::open(directory.path(), 1 << 20).unwrap();
        log.append(event("a")).unwrap();
        log.append(event("b")).unwrap();
        drop(log);
        let path = directory.path().join("events.journal");
        let mut bytes = std::fs::read(&path).unwrap();
        change(&mut bytes);
        std::fs::write(&path, &bytes).unwrap();
        let opened = EventLog::open(directory.path(), 1 << 20);
        (opened, std::fs::read(&path).unwrap() == bytes)
    }

    fn last_line(bytes: &[u8]) -> usize {
        let end = bytes.len() - 1;
        bytes[..end]
            .iter()
            .rposition(|byte| *byte == b'\n')
            .unwrap()
            + 1
    }

    #[test]
    fn the_beginning_of_one_event_at_the_end_is_cut_off() {
        let (log, unchanged) = reopened(|bytes| bytes.truncate(bytes.len() - 3));
        let log = log.unwrap();
        assert!(!unchanged);
        assert_eq!(bodies(&log, 0), ["a"]);
        log.append(event("c")).unwrap();
        assert_eq!(bodies(&log, 0), ["a", "c"]);
    }

    #[test]
    fn a_damaged_event_stops_the_start_wherever_it_is_and_is_left_as_it_is() {
        type Change = fn(&mut Vec<u8>);
        let changes: [Change; 6] = [
            |bytes| {
                let last = bytes.len() - 9;
                bytes[last] ^= 1;
            },
            |bytes| bytes[60] ^= 1,
            |bytes| bytes.fill(0),
            |bytes| bytes.extend([0; 512]),
            |bytes| bytes.extend(b"{\"sequence_number\":2}\n"),
            // An event that is missing.
            |bytes| {
                let last = last_line(bytes);
                bytes.drain(records::header(&EVENTS).len()..last);
                let again = records::encode(br#"{"sequence_number":3}"#);
                bytes.extend(again);
            },
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let (log, unchanged) = reopened(change);
            let error = log.unwrap_err();
            assert!(
                matches!(
                    error,
                    StartError::CorruptState { .. } | StartError::ForeignState { .. }
                ),
                "{number}: {error}"
            );
            assert!(unchanged, "{number}");
        }
    }

    #[test]
    fn an_event_that_is_missing_between_others_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let log = EventLog::open(directory.path(), 1 << 20).unwrap();
        for body in ["a", "b", "c"] {
            log.append(event(body)).unwrap();
        }
        drop(log);
        let path = directory.path().join("events.journal");
        let text = std::fs::read_to_string(&path).unwrap();
        let without: Vec<&str> = text
            .split_inclusive('\n')
            .enumerate()
            .filter(|(n, _)| *n != 2)
            .map(|(_, line)| line)
            .collect();
        std::fs::write(&path, without.concat()).unwrap();
        let error = EventLog::open(directory.path(), 1 << 20)
            .unwrap_err()
            .to_string();
        assert!(error.contains("line 3, at byte"), "{error}");
        assert!(
            error.contains("holds event 2, and event 1 is missing"),
            "{error}"
        );
    }

    #[test]
    fn the_older_file_is_never_cut() {
        let directory = tempfile::tempdir().unwrap();
        let log = EventLog::open(directory.path(), 4000).unwrap();
        for number in 0..20 {
            log.append(event(&format!("body {number}"))).unwrap();
        }
        drop(log);
        let path = directory.path().join("events.old.journal");
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
        let error = EventLog::open(directory.path(), 4000)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("is only the beginning of a record"),
            "{error}"
        );
        assert_eq!(std::fs::read(&path).unwrap(), bytes[..bytes.len() - 3]);
    }

    #[test]
    fn old_events_make_room_for_new_ones_in_memory_and_on_disk() {
        let directory = tempfile::tempdir().unwrap();
        let log = EventLog::open(directory.path(), 4000).unwrap();
        for number in 0..200 {
            log.append(event(&format!("body {number}"))).unwrap();
        }
        let kept = bodies(&log, 0);
        assert_eq!(kept.last().unwrap(), "body 199");
        assert!((5..40).contains(&kept.len()), "{} events", kept.len());
        let on_disk: u64 = ["events.journal", "events.old.journal"]
            .map(|name| {
                std::fs::metadata(directory.path().join(name))
                    .unwrap()
                    .len()
            })
            .iter()
            .sum();
        assert!(on_disk < 5000, "{on_disk} bytes");
        drop(log);
        let log = EventLog::open(directory.path(), 4000).unwrap();
        assert_eq!(log.since(0).last().unwrap().sequence_number, 199);
    }

    #[test]
    fn waiting_sees_what_other_threads_append() {
        let directory = tempfile::tempdir().unwrap();
        let log = EventLog::open(directory.path(), 1 << 20).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..3 {
                    log.append(event("x")).unwrap();
                }
            });
            let (enough, events) = log.wait(Duration::from_secs(10), |events| events.len() == 3);
            assert!(enough && events.len() == 3);
        });
        let (enough, events) = log.wait(Duration::ZERO, |events| events.len() > 3);
        assert!(!enough && events.len() == 3);
    }
}
