//! Stored device-to-cloud messages: a log that is kept in memory and on disk up to a size.
//!
//! An event is one line of JSON, written with one `write` before its PUBACK is sent, so that a kill of the
//! process loses nothing that was acknowledged. Two files take turns: when the newer one has half of the
//! allowed size, it replaces the older one.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::Event;
use crate::error::StartError;
use crate::store::AppendFile;

/// The log of one hub.
#[derive(Debug)]
pub(crate) struct EventLog {
    inner: Mutex<Inner>,
    grown: Condvar,
    next: watch::Sender<u64>,
}

#[derive(Debug)]
struct Inner {
    events: VecDeque<Arc<Event>>,
    /// Bytes of `events`, as lines.
    bytes: VecDeque<usize>,
    total: usize,
    limit: usize,
    next: u64,
    newer: PathBuf,
    older: PathBuf,
    file: AppendFile,
    dirty: bool,
}

impl EventLog {
    /// Opens the log in `directory`, which keeps about `limit` bytes.
    pub(crate) fn open(directory: &Path, limit: usize) -> Result<Self, StartError> {
        let newer = directory.join("events.jsonl");
        let older = directory.join("events.old.jsonl");
        let unusable = |path: &Path| {
            let path = path.to_owned();
            move |source| StartError::State { path, source }
        };
        let (old_events, _) = read(&older).map_err(unusable(&older))?;
        let (new_events, whole) = read(&newer).map_err(unusable(&newer))?;
        let file = AppendFile::open(&newer, whole).map_err(unusable(&newer))?;
        let mut inner = Inner {
            events: VecDeque::new(),
            bytes: VecDeque::new(),
            total: 0,
            limit,
            next: 0,
            newer,
            older,
            file,
            dirty: false,
        };
        for (event, length) in old_events.into_iter().chain(new_events) {
            inner.next = event.sequence_number.saturating_add(1);
            inner.keep(event, length);
        }
        Ok(Self {
            next: watch::Sender::new(inner.next),
            inner: Mutex::new(inner),
            grown: Condvar::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores `event` and gives it its sequence number. When this returns, it may be acknowledged.
    pub(crate) fn append(&self, mut event: Event) -> io::Result<()> {
        let mut inner = self.lock();
        event.sequence_number = inner.next;
        let mut line = serde_json::to_vec(&event)?;
        line.push(b'\n');
        inner.rotate_if_full()?;
        inner.file.append(&line)?;
        inner.dirty = true;
        inner.next += 1;
        inner.keep(event, line.len());
        self.next.send_replace(inner.next);
        drop(inner);
        self.grown.notify_all();
        Ok(())
    }

    /// Kept events from `sequence_number` on.
    pub(crate) fn since(&self, sequence_number: u64) -> Vec<Arc<Event>> {
        let inner = self.lock();
        let start = inner
            .events
            .partition_point(|event| event.sequence_number < sequence_number);
        inner.events.range(start..).cloned().collect()
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
            let start = inner
                .events
                .partition_point(|event| event.sequence_number < next);
            seen.extend(inner.events.range(start..).map(|event| Event::clone(event)));
            next = inner.next;
            drop(inner);
            if enough(&seen) {
                return (true, seen);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return (false, seen);
            }
            inner = self.lock();
            if inner.next == next {
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
        handle.sync_data()
    }
}

impl Inner {
    fn keep(&mut self, event: Event, length: usize) {
        self.events.push_back(Arc::new(event));
        self.bytes.push_back(length);
        self.total += length;
        while self.total > self.limit && self.events.len() > 1 {
            self.events.pop_front();
            self.total -= self.bytes.pop_front().unwrap_or_default();
        }
    }

    fn rotate_if_full(&mut self) -> io::Result<()> {
        if self.file.len() < self.limit as u64 / 2 {
            return Ok(());
        }
        std::fs::rename(&self.newer, &self.older)?;
        self.file = AppendFile::open(&self.newer, 0)?;
        Ok(())
    }
}

/// The events in a file with the lengths of their lines, and how many bytes of it are whole lines.
fn read(path: &Path) -> io::Result<(Vec<(Event, usize)>, u64)> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    let mut events = Vec::new();
    let mut whole = 0;
    for line in bytes
        .split_inclusive(|byte| *byte == b'\n')
        .filter(|line| line.ends_with(b"\n"))
    {
        whole += line.len() as u64;
        match serde_json::from_slice(line) {
            Ok(event) => events.push((event, line.len())),
            Err(error) => log::warn!(
                "skipped a line of {} that is no event: {error}",
                path.display()
            ),
        }
    }
    Ok((events, whole))
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

    #[test]
    fn a_torn_last_line_is_cut_off() {
        let directory = tempfile::tempdir().unwrap();
        let log = EventLog::open(directory.path(), 1 << 20).unwrap();
        log.append(event("a")).unwrap();
        log.append(event("b")).unwrap();
        drop(log);
        let path = directory.path().join("events.jsonl");
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
        let log = EventLog::open(directory.path(), 1 << 20).unwrap();
        log.append(event("c")).unwrap();
        drop(log);
        let log = EventLog::open(directory.path(), 1 << 20).unwrap();
        assert_eq!(bodies(&log, 0), ["a", "c"]);
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
        let on_disk: u64 = ["events.jsonl", "events.old.jsonl"]
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
