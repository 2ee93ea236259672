//! Throttling: the rates of IoT Hub's tiers ("IoT Hub quotas and throttling"), if they are switched on.
//!
//! # Theory of operation
//! Each kind of operation has a bucket that fills at its rate and holds one second of it. What comes too
//! fast waits its turn where the protocol allows it (telemetry), and is refused otherwise. Telemetry that
//! would have to wait for too long closes the connection, without PUBACK.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The longest that a message waits its turn.
const MAX_WAIT: Duration = Duration::from_secs(5);
/// Calls of methods are metered in blocks of 4 KB.
const METHOD_BLOCK: u32 = 4096;

/// Operations of all devices together that a hub takes.
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
}

impl Throttling {
    /// Those of tier S1 with this many units.
    pub const fn s1(units: u32) -> Self {
        let telemetry = units.saturating_mul(12);
        let telemetry = if telemetry > 100 { telemetry } else { 100 };
        Self {
            telemetry_per_second: telemetry,
            connections_per_second: telemetry,
            twin_reads_per_second: 100,
            twin_updates_per_second: 50,
            method_kilobytes_per_second: units.saturating_mul(160),
            c2d_per_minute: units.saturating_mul(100),
        }
    }
}

/// What is metered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Telemetry,
    Connect,
    TwinRead,
    TwinUpdate,
    /// With the bytes of its payload.
    Method(usize),
    C2d,
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
        // A rate below one a second still lets one pass.
        let capacity = rate.max(1.0);
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
}

#[derive(Debug)]
struct Buckets {
    telemetry: Bucket,
    connections: Bucket,
    twin_reads: Bucket,
    twin_updates: Bucket,
    methods: Bucket,
    c2d: Bucket,
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
            })
        }))
    }

    /// Counts an operation; gives how long it has to wait, which only telemetry does. `None`: it is refused.
    pub(crate) fn take(&self, operation: Operation) -> Option<Duration> {
        let Some(buckets) = &self.0 else {
            return Some(Duration::ZERO);
        };
        let mut buckets = buckets.lock().unwrap_or_else(PoisonError::into_inner);
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
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s1_has_azures_numbers() {
        assert_eq!(Throttling::s1(1).telemetry_per_second, 100);
        assert_eq!(Throttling::s1(10).telemetry_per_second, 120);
        assert_eq!(Throttling::s1(2).method_kilobytes_per_second, 320);
        assert_eq!(Throttling::s1(1).c2d_per_minute, 100);
    }

    #[test]
    fn a_bucket_lets_a_second_of_its_rate_pass_and_then_its_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::new(10.0, start);
        for _ in 0..10 {
            assert_eq!(
                bucket.take(1.0, Duration::ZERO, start),
                Some(Duration::ZERO)
            );
        }
        assert_eq!(bucket.take(1.0, Duration::ZERO, start), None);
        let later = start + Duration::from_millis(101);
        assert_eq!(
            bucket.take(1.0, Duration::ZERO, later),
            Some(Duration::ZERO)
        );
        assert_eq!(bucket.take(1.0, Duration::ZERO, later), None);
    }

    #[test]
    fn what_waits_its_turn_waits_longer_the_more_there_is() {
        let now = Instant::now();
        let mut bucket = Bucket::new(2.0, now);
        let patience = Duration::from_secs(1);
        let waits: Vec<_> = (0..5).map(|_| bucket.take(1.0, patience, now)).collect();
        let millis = |millis| Some(Duration::from_millis(millis));
        assert_eq!(
            waits,
            [millis(0), millis(0), millis(500), millis(1000), None]
        );
    }

    #[test]
    fn nothing_is_refused_unless_it_is_switched_on() {
        let throttle = Throttle::new(None);
        for _ in 0..1000 {
            assert_eq!(throttle.take(Operation::C2d), Some(Duration::ZERO));
        }
    }
}
