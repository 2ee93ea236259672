//! Stored device-to-cloud messages: a log that is kept on disk up to a size.
//!
//! An event is one record with a checksum, written with one `write` before its PUBACK is sent, so that a kill of
//! the process loses nothing that was acknowledged. Two files take turns: when the newer one has half of the
//! allowed size, it replaces the older one.
//!
//! Memory holds the place of each event and no more: 4 bytes. Readers read the files, which the system caches, some
//! events at a time, and without holding up those that append.
//!
//! A fault of a file is treated as in the [store](crate::store): the beginning of one event at the end is
//! cut off, everything else stops the start. Events count up by one, so that one that is missing is noticed too.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use super::Event;
use super::segment::{Lines, Places, Segment};
use crate::error::StartError;
use crate::registry::Identity;
use crate::store::AppendFile;
use crate::store::records::{self, Format};

/// The format of both files.
pub(crate) const EVENTS: Format = Format {
    header: "local-hub events, format 2",
    begins: b'{',
};

/// Events that are read in one piece.
const PIECE: usize = 4096;
/// Bytes that are read in one piece, unless one event has more.
const PIECE_BYTES: u64 = 1024 * 1024;
/// Bytes of a line in which its sender begins.
const ORIGIN_WITHIN: usize = 128;
/// Bytes of a buffer that is kept from one event to the next.
const LINE_KEPT: usize = 16 * 1024;

/// The log of one hub.
#[derive(Debug)]
pub(crate) struct EventLog {
    inner: Mutex<Inner>,
    grown: Condvar,
    next: watch::Sender<u64>,
}

#[derive(Debug)]
struct Inner {
    older: Option<Segment>,
    newer: Segment,
    limit: u64,
    newer_path: PathBuf,
    older_path: PathBuf,
    file: AppendFile,
    dirty: bool,
    /// The line that is being written.
    line: Vec<u8>,
    /// Threads in [`EventLog::wait`].
    waiting: usize,
}

/// An event before it is stored, written as [`Event`] is read.
pub(crate) trait Unnumbered {
    /// Adds it to `json`, with its sequence number.
    fn write(&self, sequence_number: u64, json: &mut Vec<u8>) -> io::Result<()>;
}

/// Some events, and the sequence number from which on the next ones are.
#[derive(Debug)]
pub(crate) struct Piece<T> {
    pub(crate) events: Vec<T>,
    /// The same as was asked for if there was nothing more.
    pub(crate) next: u64,
}

/// Sender and time of an event.
#[derive(Debug, Deserialize)]
pub(crate) struct Head {
    pub(crate) enqueued_time: u64,
    pub(crate) origin: Identity,
}

impl EventLog {
    /// Opens the log in `directory`, which keeps `limit` bytes at most, and half of them at least.
    pub(crate) fn open(directory: &Path, limit: usize) -> Result<Self, StartError> {
        let newer_path = directory.join("events.journal");
        let older_path = directory.join("events.old.journal");
        let mut reading = Reading::default();
        let older = AppendFile::read_finished(&older_path, &EVENTS, |json, length| {
            reading.take(json, length)
        })?;
        let older = older.map(|(file, end)| reading.segment(file, end));
        let file = AppendFile::open(&newer_path, &EVENTS, |json, length| {
            reading.take(json, length)
        })?;
        let handle = file.handle().map_err(|source| StartError::State {
            path: newer_path.clone(),
            source,
        })?;
        let newer = reading.segment(handle, file.len());
        Ok(Self {
            next: watch::Sender::new(newer.next()),
            inner: Mutex::new(Inner {
                older,
                newer,
                // A place has 4 bytes.
                limit: (limit as u64).min(u64::from(u32::MAX)),
                newer_path,
                older_path,
                file,
                dirty: false,
                line: Vec::new(),
                waiting: 0,
            }),
            grown: Condvar::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores `event` and gives it its sequence number. When this returns, it may be acknowledged.
    pub(crate) fn append(&self, event: impl Unnumbered) -> io::Result<()> {
        let mut inner = self.lock();
        inner.append(&event)?;
        self.next.send_replace(inner.newer.next());
        let waiting = inner.waiting > 0;
        drop(inner);
        if waiting {
            self.grown.notify_all();
        }
        Ok(())
    }

    /// Kept events from `sequence_number` on.
    pub(crate) fn since(&self, sequence_number: u64) -> Vec<Event> {
        let mut all = Vec::new();
        let mut next = sequence_number;
        loop {
            let piece = self.some_since(next, PIECE);
            if piece.next == next {
                return all;
            }
            next = piece.next;
            all.extend(piece.events);
        }
    }

    /// The first kept events from `sequence_number` on, `most` of them at most, and fewer of large ones.
    pub(crate) fn some_since(&self, sequence_number: u64, most: usize) -> Piece<Event> {
        self.read(sequence_number, most, |_| true)
    }

    /// Those of them that a device or module sent.
    pub(crate) fn some_of(&self, sender: &Identity, sequence_number: u64) -> Piece<Event> {
        let origin = serde_json::to_string(sender).unwrap_or_default();
        let origin = format!("\"origin\":{origin}");
        let sent_it = |json: &[u8]| {
            let end = json.len().min(ORIGIN_WITHIN + origin.len());
            let mut places = json.get(..end).unwrap_or_default().windows(origin.len());
            places.any(|place| place == origin.as_bytes())
        };
        self.read(sequence_number, PIECE, sent_it)
    }

    /// Sender and time of the first kept events from `sequence_number` on.
    pub(crate) fn heads(&self, sequence_number: u64) -> Piece<Head> {
        self.read(sequence_number, PIECE, |_| true)
    }

    fn read<T: DeserializeOwned>(
        &self,
        from: u64,
        most: usize,
        mut wanted: impl FnMut(&[u8]) -> bool,
    ) -> Piece<T> {
        let mut events = Vec::new();
        let Some(lines) = self.lock().lines(from, most) else {
            return Piece { events, next: from };
        };
        let read = lines.read(|line| {
            let json = records::json(line);
            if !wanted(json) {
                return;
            }
            match serde_json::from_slice(json) {
                Ok(event) => events.push(event),
                Err(error) => log::error!("a stored event was damaged since the start: {error}"),
            }
        });
        if let Err(error) = read {
            log::error!("cannot read stored events from {from} on: {error}");
        }
        let next = lines.next;
        Piece { events, next }
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
        loop {
            loop {
                let piece = self.some_since(next, PIECE);
                if piece.next == next {
                    break;
                }
                next = piece.next;
                seen.extend(piece.events);
            }
            if enough(&seen) {
                return (true, seen);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return (false, seen);
            }
            let mut inner = self.lock();
            if inner.newer.next() <= next {
                inner.waiting += 1;
                let waited = self.grown.wait_timeout(inner, left);
                waited.unwrap_or_else(PoisonError::into_inner).0.waiting -= 1;
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

/// Knowledge of the files while they are read at the start.
#[derive(Default)]
struct Reading {
    places: Option<Places>,
    /// The sequence number of the next event, once there was one.
    next: Option<u64>,
    count: u64,
}

impl Reading {
    /// Takes an event out of a file.
    fn take(&mut self, json: &[u8], length: usize) -> Result<(), String> {
        let event: Event =
            serde_json::from_slice(json).map_err(|_| "is no event of this version".to_owned())?;
        let number = event.sequence_number;
        if let Some(next) = self.next.filter(|next| *next != number) {
            return Err(format!("holds event {number}, and event {next} is missing"));
        }
        let places = self.places.get_or_insert_with(no_places);
        places.push(length)?;
        self.next = Some(number.saturating_add(1));
        self.count += 1;
        Ok(())
    }

    /// The events that were taken out of this file since the last call.
    fn segment(&mut self, file: std::fs::File, end: u64) -> Segment {
        let mut places = self.places.take().unwrap_or_else(no_places);
        places.end_at(end);
        let next = self.next.unwrap_or_default();
        let first = next - std::mem::take(&mut self.count);
        Segment::new(file, first, places)
    }
}

/// The beginning of a file.
fn no_places() -> Places {
    Places::after(records::header(&EVENTS).len() as u64)
}

impl Inner {
    fn append(&mut self, event: &impl Unnumbered) -> io::Result<()> {
        records::begin(&mut self.line);
        event.write(self.newer.next(), &mut self.line)?;
        records::end(&mut self.line);
        self.rotate_if_full()?;
        self.file.append(&self.line)?;
        self.dirty = true;
        self.newer.push(self.line.len()).map_err(io::Error::other)?;
        if self.line.capacity() > LINE_KEPT {
            self.line = Vec::new();
        }
        Ok(())
    }

    fn lines(&self, from: u64, most: usize) -> Option<Lines> {
        let lines = |segment: &Segment| segment.lines(from, most, PIECE_BYTES);
        self.older
            .as_ref()
            .and_then(lines)
            .or_else(|| lines(&self.newer))
    }

    fn rotate_if_full(&mut self) -> io::Result<()> {
        if self.file.len() < self.limit / 2 || self.file.is_broken() {
            return Ok(());
        }
        // The older file is never mended: it has to be whole, also after a power failure.
        self.file.sync()?;
        match std::fs::rename(&self.newer_path, &self.older_path) {
            // It was renamed the last time, and no other could be made.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            renamed => renamed?,
        }
        self.file = AppendFile::create(&self.newer_path, &EVENTS, &[])?;
        let newer = Segment::new(self.file.handle()?, self.newer.next(), no_places());
        self.older = Some(std::mem::replace(&mut self.newer, newer));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::events::{Flags, Sender, Stamp, event_from};

    fn sender(device_id: &str) -> Sender {
        Sender {
            identity: Identity::device(device_id),
            auth_method: "{}",
            generation_id: "1".into(),
            model_id: None,
            stamp: Stamp::default(),
        }
    }

    fn append_of(log: &EventLog, device_id: &str, body: &str) {
        let sender = sender(device_id);
        let made = event_from(&sender, Vec::new(), body.into(), Flags::default(), 1);
        log.append(made.unwrap().0).unwrap();
    }

    fn append(log: &EventLog, body: &str) {
        append_of(log, "d", body);
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
        append(&log, "a");
        append(&log, "b");
        drop(log);
        let log = EventLog::open(directory.path(), 1 << 20).unwrap();
        append(&log, "c");
        assert_eq!(bodies(&log, 0), ["a", "b", "c"]);
        assert_eq!(bodies(&log, 2), ["c"]);
        assert_eq!(*log.watch().borrow(), 3);
    }

    /// Opens a log with two events whose file was changed.
    fn reopened(change: impl FnOnce(&mut Vec<u8>)) -> (Result<EventLog, StartError>, bool) {
        let directory = tempfile::tempdir().unwrap();
        let log = EventLog::open(directory.path(), 1 << 20).unwrap();
        append(&log, "a");
        append(&log, "b");
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
        append(&log, "c");
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
            append(&log, body);
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
            append(&log, &format!("body {number}"));
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
            append(&log, &format!("body {number}"));
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
    fn what_is_read_is_some_events_at_a_time_over_both_files() {
        let directory = tempfile::tempdir().unwrap();
        let log = EventLog::open(directory.path(), 8000).unwrap();
        for number in 0..30 {
            append_of(
                &log,
                if number % 3 == 0 { "a" } else { "b" },
                &number.to_string(),
            );
        }
        let kept = log.since(0);
        let first = kept[0].sequence_number;
        assert!((1..29).contains(&first), "{first}");
        let mut next = first;
        for event in &kept {
            let piece = log.some_since(next, 1);
            assert_eq!(piece.events, std::slice::from_ref(event));
            next = piece.next;
        }
        assert_eq!(next, 30);
        let end = log.some_since(next, 1);
        assert!(end.events.is_empty() && end.next == 30);
        let (mut of_a, mut next) = (Vec::new(), 0);
        loop {
            let piece = log.some_of(&Identity::device("a"), next);
            if piece.next == next {
                break;
            }
            next = piece.next;
            of_a.extend(piece.events);
        }
        let expected = kept.iter().filter(|event| event.origin.device_id == "a");
        assert!(expected.eq(&of_a));
        let heads = log.heads(0).events;
        assert_eq!(heads[0].origin, kept[0].origin);
    }

    #[test]
    fn a_large_event_is_read_alone() {
        let directory = tempfile::tempdir().unwrap();
        let log = EventLog::open(directory.path(), 1 << 26).unwrap();
        let body = "x".repeat(250_000);
        for _ in 0..9 {
            append(&log, &body);
        }
        let piece = log.some_since(0, 100);
        assert_eq!((piece.events.len(), piece.next), (3, 3));
        assert_eq!(log.since(0).len(), 9);
    }

    #[test]
    fn waiting_sees_what_other_threads_append() {
        let directory = tempfile::tempdir().unwrap();
        let log = EventLog::open(directory.path(), 1 << 20).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..3 {
                    append(&log, "x");
                }
            });
            let (enough, events) = log.wait(Duration::from_secs(10), |events| events.len() == 3);
            assert!(enough && events.len() == 3);
        });
        let (enough, events) = log.wait(Duration::ZERO, |events| events.len() > 3);
        assert!(!enough && events.len() == 3);
    }
}
