//! Throttling: the rates of IoT Hub's tiers ("IoT Hub quotas and throttling"), if they are switched on.
//!
//! # Theory of operation
//! Each kind of operation has a bucket that fills at its rate and holds one second of it; of registrations a
//! minute, so that a fleet that is powered on together gets in. What comes too fast waits its turn where the
//! protocol allows it (telemetry), and is refused otherwise. Telemetry that would have to wait for too long
//! closes the connection, without PUBACK; the provisioning service says when to come back.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The longest that a message waits its turn.
const MAX_WAIT: Duration = Duration::from_secs(5);
/// Calls of methods are metered in blocks of 4 KB.
const METHOD_BLOCK: u32 = 4096;
/// The time in which the questions of a registration are counted.
const POLL_WINDOW: Duration = Duration::from_secs(10);
/// Registrations whose questions are remembered before old ones are looked for.
const MAX_POLLING: usize = 10_000;

/// Operations that a hub takes of all devices together, unless it says otherwise. [`Tier::throttling`] gives
/// those of a tier.
///
/// [`Tier::throttling`]: crate::Tier::throttling
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Throttling {
    /// Device-to-cloud messages in a second.
    pub telemetry_per_second: u32,
    /// New connections in a second.
    pub connections_per_second: u32,
    /// Reads of twins in a second, by devices and operators.
    pub twin_reads_per_second: u32,
    /// Changes of twins in a second, by devices and operators.
    pub twin_updates_per_second: u32,
    /// Calls of direct methods in a second, in KB, each counted in blocks of 4 KB.
    pub method_kilobytes_per_second: u32,
    /// Cloud-to-device messages sent in a minute.
    pub c2d_per_minute: u32,
    /// Uploads of files begun in a minute.
    pub uploads_per_minute: u32,
    /// Registrations with the provisioning service in a minute.
    pub registrations_per_minute: u32,
    /// Questions of one registration for its operation in 10 s.
    pub registration_polls: u32,
}

/// Operations that are metered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Telemetry,
    Connect,
    TwinRead,
    TwinUpdate,
    /// With the bytes of its payload.
    Method(usize),
    C2d,
    Upload,
}

#[derive(Debug)]
struct Bucket {
    /// Per second.
    rate: f64,
    capacity: f64,
    /// Below zero: what waits its turn.
    level: f64,
    filled: Instant,
}

impl Bucket {
    fn new(rate: f64, now: Instant) -> Self {
        Self::holding(rate, Duration::from_secs(1), now)
    }

    /// A full bucket that holds this time of its rate.
    fn holding(rate: f64, time: Duration, now: Instant) -> Self {
        // A rate below one still lets one pass.
        let capacity = (rate * time.as_secs_f64()).max(1.0);
        Self {
            rate,
            capacity,
            level: capacity,
            filled: now,
        }
    }

    /// Takes `cost` if there is enough of it within `patience`; gives the time until then.
    fn take(&mut self, cost: f64, patience: Duration, now: Instant) -> Option<Duration> {
        let elapsed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.level = elapsed.mul_add(self.rate, self.level).min(self.capacity);
        self.filled = now;
        let missing = cost - self.level;
        if missing <= 0.0 {
            self.level -= cost;
            return Some(Duration::ZERO);
        }
        let wait = Duration::try_from_secs_f64(missing / self.rate).ok()?;
        (wait <= patience).then(|| {
            self.level -= cost;
            wait
        })
    }

    /// Takes one, or says how long it takes until there is one.
    fn take_or_wait(&mut self, now: Instant) -> Result<(), Duration> {
        match self.take(1.0, Duration::ZERO, now) {
            Some(_) => Ok(()),
            None => Err(Duration::try_from_secs_f64((1.0 - self.level) / self.rate)
                .unwrap_or(Duration::MAX)),
        }
    }
}

/// Times at which each registration asked in the last 10 s.
#[derive(Debug)]
struct Polls {
    limit: usize,
    asked: HashMap<String, VecDeque<Instant>>,
}

impl Polls {
    fn take_or_wait(&mut self, registration_id: &str, now: Instant) -> Result<(), Duration> {
        let left =
            |asked: Instant| POLL_WINDOW.saturating_sub(now.saturating_duration_since(asked));
        if self.asked.len() >= MAX_POLLING {
            let recent = |last: Option<&Instant>| last.is_some_and(|last| !left(*last).is_zero());
            self.asked.retain(|_, asked| recent(asked.back()));
        }
        let asked = self.asked.entry(registration_id.to_owned()).or_default();
        while asked.front().is_some_and(|first| left(*first).is_zero()) {
            asked.pop_front();
        }
        match asked.front() {
            Some(first) if asked.len() >= self.limit => Err(left(*first)),
            _ => {
                asked.push_back(now);
                Ok(())
            }
        }
    }
}

#[derive(Debug)]
struct Buckets {
    telemetry: Bucket,
    connections: Bucket,
    twin_reads: Bucket,
    twin_updates: Bucket,
    methods: Bucket,
    c2d: Bucket,
    uploads: Bucket,
    registrations: Bucket,
    polls: Polls,
}

/// The meters of a hub; without limits unless they are switched on.
#[derive(Debug)]
pub(crate) struct Throttle(Option<Mutex<Buckets>>);

impl Throttle {
    pub(crate) fn new(limits: Option<&Throttling>) -> Self {
        let now = Instant::now();
        let bucket = |rate: u32| Bucket::new(f64::from(rate), now);
        Self(limits.map(|limits| {
            Mutex::new(Buckets {
                telemetry: bucket(limits.telemetry_per_second),
                connections: bucket(limits.connections_per_second),
                twin_reads: bucket(limits.twin_reads_per_second),
                twin_updates: bucket(limits.twin_updates_per_second),
                methods: bucket(limits.method_kilobytes_per_second),
                c2d: Bucket::new(f64::from(limits.c2d_per_minute) / 60.0, now),
                uploads: Bucket::new(f64::from(limits.uploads_per_minute) / 60.0, now),
                registrations: Bucket::holding(
                    f64::from(limits.registrations_per_minute) / 60.0,
                    Duration::from_secs(60),
                    now,
                ),
                polls: Polls {
                    limit: usize::try_from(limits.registration_polls).unwrap_or(usize::MAX),
                    asked: HashMap::new(),
                },
            })
        }))
    }

    /// Counts an operation; gives how long it has to wait, which only telemetry does. `None`: it is refused.
    pub(crate) fn take(&self, operation: Operation) -> Option<Duration> {
        let Some(mut buckets) = self.buckets() else {
            return Some(Duration::ZERO);
        };
        let now = Instant::now();
        let at_once = Duration::ZERO;
        match operation {
            Operation::Telemetry => buckets.telemetry.take(1.0, MAX_WAIT, now),
            Operation::Connect => buckets.connections.take(1.0, at_once, now),
            Operation::TwinRead => buckets.twin_reads.take(1.0, at_once, now),
            Operation::TwinUpdate => buckets.twin_updates.take(1.0, at_once, now),
            Operation::Method(bytes) => {
                let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
                let blocks = bytes.div_ceil(METHOD_BLOCK).max(1);
                let kilobytes = f64::from(blocks) * f64::from(METHOD_BLOCK / 1024);
                buckets.methods.take(kilobytes, at_once, now)
            }
            Operation::C2d => buckets.c2d.take(1.0, at_once, now),
            Operation::Upload => buckets.uploads.take(1.0, at_once, now),
        }
    }

    /// Counts a registration with the provisioning service; the error is the time after which to try again.
    pub(crate) fn register(&self) -> Result<(), Duration> {
        self.buckets().map_or(Ok(()), |mut buckets| {
            buckets.registrations.take_or_wait(Instant::now())
        })
    }

    /// Counts a registration's question for its operation; the error is the time after which to try again.
    pub(crate) fn poll(&self, registration_id: &str) -> Result<(), Duration> {
        self.buckets().map_or(Ok(()), |mut buckets| {
            buckets.polls.take_or_wait(registration_id, Instant::now())
        })
    }

    fn buckets(&self) -> Option<MutexGuard<'_, Buckets>> {
        let buckets = self.0.as_ref()?;
        Some(buckets.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
#[path = "throttle_tests.rs"]
mod tests;
