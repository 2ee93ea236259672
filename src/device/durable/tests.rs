//! Messages that outlive restarts and power cuts, on a virtual clock.

use alloc::boxed::Box;
use alloc::rc::Rc;
use core::cell::RefCell;
use core::time::Duration;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::string::{String, ToString};
use std::vec::Vec;
use std::{format, vec};

use embedded_storage::nor_flash::{ErrorType, MultiwriteNorFlash, NorFlash, ReadNorFlash};

use super::Durable;
use crate::application::{Application, Stream};
use crate::connection::run;
use crate::device::tests::sim::World;
use crate::device::tests::{Memory, buffers};
use crate::device::{Carryover, Config, Device};
use crate::identity::{ConnectionString, Identity};
use crate::mqtt;
use crate::port::{Queue, QueueError, Requests, Visit};
use crate::queue::nor::{Nor, NorError};
use crate::queue::record::{Kind, Record};
use crate::queue::{self, Mode, Order, Overflow, Store};
use crate::report::{Cause, Report};
use crate::time::{Instant, Moment, UnixTime};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const PAGE: usize = 1024;

type Chip = Nor<PAGE, 4>;

/// A flash that outlives its device.
#[derive(Clone)]
struct Flash(Rc<RefCell<Chip>>);

impl Flash {
    fn new(pages: usize) -> Self {
        Self(Rc::new(RefCell::new(Chip::new(pages))))
    }
}

impl ErrorType for Flash {
    type Error = NorError;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = Chip::READ_SIZE;
    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorError> {
        self.0.borrow_mut().read(offset, bytes)
    }
    fn capacity(&self) -> usize {
        self.0.borrow().capacity()
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = Chip::WRITE_SIZE;
    const ERASE_SIZE: usize = PAGE;
    fn erase(&mut self, from: u32, to: u32) -> Result<(), NorError> {
        self.0.borrow_mut().erase(from, to)
    }
    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorError> {
        self.0.borrow_mut().write(offset, bytes)
    }
}

impl MultiwriteNorFlash for Flash {}

/// End of a run in the middle of anything.
struct PowerCut;

/// A queue that remembers what was promised, and ends the run when the power fails.
struct Watched {
    store: Store<'static, Flash>,
    flash: Flash,
    promised: Rc<RefCell<BTreeSet<u64>>>,
}

impl Watched {
    fn check<T>(&self, result: Result<T, QueueError>) -> Result<T, QueueError> {
        if self.flash.0.borrow().is_off() {
            resume_unwind(Box::new(PowerCut));
        }
        result
    }
}

impl Queue for Watched {
    fn push(&mut self, parts: &[&[u8]], urgent: bool) -> Result<(), QueueError> {
        let result = self.store.push(parts, urgent);
        let result = self.check(result);
        let body = parts.last().copied().unwrap_or_default();
        if let (Ok(()), Some(count)) = (&result, count(body)) {
            self.promised.borrow_mut().insert(count);
        }
        result
    }
    fn visit(&mut self, visit: &mut dyn FnMut(&[u8]) -> Visit) -> Result<(), QueueError> {
        let result = self.store.visit(visit);
        self.check(result)
    }
    fn free(&mut self) -> Result<u32, QueueError> {
        self.store.free()
    }
    fn size(&self) -> u32 {
        self.store.size()
    }
    fn clear(&mut self) -> Result<(), QueueError> {
        let result = self.store.clear();
        self.check(result)
    }
}

/// The `count` member of a message.
fn count(body: &[u8]) -> Option<u64> {
    let body = core::str::from_utf8(body).ok()?;
    let digits = body.split("\"count\":").nth(1)?;
    let digits: String = digits.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// An application whose count goes on after a restart, to know each message, and the time to live of its messages.
struct Counter(Rc<RefCell<u64>>, u32);

impl Application for Counter {
    const STREAMS: &'static [Stream<Self>] = &[Stream::new(
        "telemetry",
        |counter: &mut Self, message, _| {
            *counter.0.borrow_mut() += 1;
            let count = *counter.0.borrow();
            if count.is_multiple_of(10) {
                message.urgent();
            }
            message.time_to_live(counter.1);
            message.object(|object| {
                object
                    .integer("count", count as i64)
                    .string("filling", "x".repeat(60));
            });
        },
    )];
}

/// A device with its flash and its hub, over restarts.
struct Life {
    world: World,
    flash: Flash,
    counter: Rc<RefCell<u64>>,
    promised: Rc<RefCell<BTreeSet<u64>>>,
    config: Config<'static>,
    identity: &'static str,
    time_to_live: u32,
}

const KEY: &str = "HostName=contoso.azure-devices.net;DeviceId=MyDevice01;\
                   SharedAccessKey=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

impl Life {
    fn new(mode: Mode, pages: usize) -> Self {
        let mut config = Config {
            twin: false,
            ..Config::default()
        };
        config.queue.mode = mode;
        Self {
            world: World::new(),
            flash: Flash::new(pages),
            counter: Rc::default(),
            promised: Rc::default(),
            config,
            identity: KEY,
            time_to_live: 0,
        }
    }

    fn queue(&self) -> Box<dyn Queue> {
        let size = self.flash.capacity() as u32;
        let buffer = Box::leak(vec![0; 700].into_boxed_slice());
        let store = Store::new(self.flash.clone(), 0..size, buffer).unwrap();
        Box::new(Watched {
            store,
            flash: self.flash.clone(),
            promised: Rc::clone(&self.promised),
        })
    }

    /// Runs until the stop that is planned. `None` if the power failed before.
    fn run(&mut self) -> Option<Report> {
        self.world.queue = Some(self.queue());
        let identity: Identity = ConnectionString::parse(self.identity).unwrap();
        let mut memory = Memory::default();
        let counter = Counter(Rc::clone(&self.counter), self.time_to_live);
        let config = self.config.clone();
        let world = &mut self.world;
        let report = catch_unwind(AssertUnwindSafe(|| {
            let mut device = Device::new(&identity, config, buffers(&mut memory), counter).unwrap();
            run(&mut device, world);
            let report = *device.report();
            let (_, mut carryover): (_, Carryover) = device.into_parts();
            assert_eq!(
                carryover.leave_behind(),
                report.queued - report.queued_in_flash
            );
            report
        }));
        match report {
            Ok(report) => {
                let known = report.telemetry_acknowledged
                    + u64::from(report.queued)
                    + report.dropped.total();
                assert_eq!(report.telemetry_due, known, "{report:?}");
                Some(report)
            }
            Err(cause) if cause.is::<PowerCut>() => {
                self.flash.0.borrow_mut().power_on();
                self.world.requests.clear();
                None
            }
            Err(other) => resume_unwind(other),
        }
    }

    /// Runs for this time, to a planned stop.
    fn run_for(&mut self, time: Duration) -> Report {
        self.world.requests.clear();
        let end = Duration::from_millis(self.world.now) + time;
        self.world.stop_after(end);
        self.run().expect("the power is on")
    }

    fn outage(&mut self, from: Duration, to: Duration) {
        let outage = (from.as_millis() as u64, to.as_millis() as u64);
        self.world.hub.borrow_mut().outages = vec![outage];
    }

    fn stored(&self) -> Vec<u64> {
        let hub = self.world.hub.borrow();
        hub.log.stored.iter().map(|(count, _)| *count).collect()
    }

    fn topics(&self) -> Vec<String> {
        self.world.hub.borrow().log.topics.clone()
    }

    fn written(&self) -> u64 {
        self.flash.0.borrow().figures.written
    }
}

/// Each message once, in order.
#[track_caller]
fn assert_whole(stored: &[u64]) {
    let wrong = stored
        .iter()
        .zip(1..)
        .position(|(got, wanted)| *got != wanted);
    assert_eq!(
        wrong.map(|at| &stored[at.saturating_sub(2)..(at + 5).min(stored.len())]),
        None
    );
}

/// First occurrences, which must be in order.
fn firsts(all: &[u64]) -> Vec<u64> {
    let mut seen = BTreeSet::new();
    all.iter()
        .copied()
        .filter(|one| seen.insert(*one))
        .collect()
}

fn creation_time(topic: &str) -> &str {
    topic
        .split("iothub-creation-time-utc=")
        .nth(1)
        .unwrap_or("")
}

#[test]
fn a_day_without_the_hub_is_delivered_whole_and_in_order_with_the_times_of_measuring() {
    for mode in [Mode::Spill, Mode::Always] {
        let mut life = Life::new(mode, 400);
        life.outage(2 * MINUTE, 24 * HOUR);
        let report = life.run_for(25 * HOUR);
        assert_eq!(report.dropped.total(), 0, "{mode:?}");
        let stored = life.stored();
        assert_whole(&stored);
        assert_eq!(stored.len() as u64, report.telemetry_due);
        let topics = life.topics();
        let times: BTreeSet<&str> = topics.iter().map(|topic| creation_time(topic)).collect();
        assert_eq!(times.len(), topics.len(), "each minute has its own");
        assert!(topics.is_sorted_by_key(|topic| creation_time(topic).to_string()));
    }
}

#[test]
fn a_restart_in_an_outage_loses_nothing_and_sends_nothing_twice() {
    for mode in [Mode::Spill, Mode::Always] {
        let mut life = Life::new(mode, 100);
        life.outage(2 * MINUTE, 5 * HOUR);
        for _ in 0..4 {
            let report = life.run_for(HOUR);
            assert_eq!(report.dropped.total(), 0, "{report:?}");
            assert_eq!(report.queued, report.queued_in_flash);
        }
        let report = life.run_for(3 * HOUR);
        assert_eq!((report.queued, report.dropped.total()), (0, 0));
        let stored = life.stored();
        let measured = *life.counter.borrow();
        assert_whole(&stored);
        assert_eq!(stored.len() as u64, measured);
    }
}

#[test]
fn a_device_that_starts_in_an_outage_measures_from_its_start_if_it_has_a_queue() {
    for (mode, measured) in [(Mode::Off, 0), (Mode::Spill, 60), (Mode::Always, 60)] {
        let mut life = Life::new(mode, 100);
        life.outage(Duration::ZERO, 5 * HOUR);
        let report = life.run_for(HOUR - MINUTE / 2);
        assert_eq!(*life.counter.borrow(), measured, "{mode:?}");
        assert_eq!(u64::from(report.queued_in_flash), measured, "{mode:?}");
        life.run_for(6 * HOUR);
        assert_whole(&life.stored());
    }
}

#[test]
fn nothing_is_written_while_the_hub_takes_what_is_sent() {
    let mut life = Life::new(Mode::Spill, 8);
    let report = life.run_for(48 * HOUR);
    assert_eq!(report.dropped.total(), 0);
    assert_eq!(life.written(), 0);
}

#[test]
fn each_message_of_always_is_written_and_removed_once_and_a_page_erased_for_each_that_is_filled() {
    let mut life = Life::new(Mode::Always, 64);
    let report = life.run_for(24 * HOUR);
    assert_eq!((report.dropped.total(), report.queued), (0, 0));
    let messages = life.stored().len() as u64;
    assert_eq!(messages, *life.counter.borrow());
    let figures = life.flash.0.borrow().figures;
    let bytes = figures.written / messages;
    // Properties of 76 bytes, a body of 80, and the headers: of the record 24, of its item 8, twice.
    assert!((180..220).contains(&bytes), "{bytes} bytes a message");
    let filled = figures.written / PAGE as u64;
    let more = figures.erased.saturating_sub(filled * 9 / 10);
    assert!(
        more < filled / 4,
        "{} erased, {filled} filled",
        figures.erased
    );
    std::println!(
        "{bytes} bytes a message, {} pages of {PAGE} bytes erased a day",
        figures.erased
    );
}

#[test]
fn a_backlog_goes_out_at_its_rate() {
    let mut life = Life::new(Mode::Spill, 200);
    life.config.queue.rate = 1;
    life.config.telemetry_interval = Some(MINUTE / 3);
    life.outage(2 * MINUTE, 10 * HOUR);
    life.run_for(10 * HOUR + 20 * MINUTE);
    let sent = life.stored().len();
    // The device waits up to five minutes before it connects.
    assert!(
        (15 * 60..20 * 60 + 16).contains(&sent),
        "{sent} in twenty minutes"
    );
}

#[test]
fn new_messages_go_first_if_they_are_to() {
    let mut life = Life::new(Mode::Always, 200);
    life.config.queue.rate = 1;
    life.config.queue.order = Order::LiveFirst;
    life.outage(2 * MINUTE, 10 * HOUR);
    life.run_for(10 * HOUR + 5 * MINUTE);
    let early = life.stored();
    let newest = *life.counter.borrow();
    assert!(early.contains(&newest), "{newest} in {early:?}");
    life.run_for(HOUR);
    let stored = life.stored();
    let all: BTreeSet<u64> = stored.iter().copied().collect();
    assert_eq!(all, (1..=*life.counter.borrow()).collect());
    assert_eq!(stored.len(), all.len(), "none twice");
}

#[test]
fn a_full_queue_drops_what_its_policy_says_and_counts_it() {
    for mode in [Mode::Spill, Mode::Always] {
        for (overflow, cause) in [
            (Overflow::DropOldest, Cause::OverflowOldest),
            (Overflow::RefuseNewest, Cause::OverflowNewest),
            (Overflow::ThinOut, Cause::Thinned),
        ] {
            let mut life = Life::new(mode, 8);
            life.config.queue.overflow = overflow;
            if overflow == Overflow::RefuseNewest {
                life.config.mqtt.overflow = mqtt::OverflowPolicy::RefuseNewest;
            }
            life.outage(2 * MINUTE, 5 * HOUR);
            let report = life.run_for(6 * HOUR);
            assert_eq!(report.queued, 0, "{mode:?} {overflow:?}");
            let dropped = report.dropped.of(cause);
            assert!(dropped > 50, "{mode:?} {overflow:?} {report:?}");
            if overflow != Overflow::ThinOut {
                assert_eq!(report.dropped.total(), dropped.into());
            }
            let stored = life.stored();
            assert_eq!(firsts(&stored).len(), stored.len(), "none twice");
            assert_eq!(
                stored.len() as u64 + report.dropped.total(),
                *life.counter.borrow()
            );
            let urgent = stored.iter().filter(|count| count.is_multiple_of(10));
            if overflow == Overflow::DropOldest {
                let all = *life.counter.borrow() / 10;
                assert_eq!(
                    urgent.count() as u64,
                    all,
                    "{mode:?}: an alarm outlives others"
                );
            }
        }
    }
}

#[test]
fn a_message_of_no_more_use_is_dropped_and_counted() {
    for mode in [Mode::Off, Mode::Spill, Mode::Always] {
        let mut life = Life::new(mode, 50);
        life.time_to_live = 600;
        life.outage(2 * MINUTE, 18 * MINUTE);
        let report = life.run_for(2 * HOUR);
        let stored = life.stored();
        let expired = report.dropped.of(Cause::Expired);
        assert!((4..16).contains(&expired), "{mode:?}: {expired}");
        assert_eq!(report.dropped.total(), expired.into(), "{mode:?}");
        assert_eq!(
            stored.len() as u64 + u64::from(expired),
            *life.counter.borrow()
        );
        assert!(stored.is_sorted());
    }
}

#[test]
fn what_is_queued_goes_to_another_hub_under_another_id() {
    let mut life = Life::new(Mode::Spill, 50);
    life.outage(2 * MINUTE, 5 * HOUR);
    life.run_for(2 * HOUR);
    life.identity = "HostName=other.azure-devices.net;DeviceId=another-device-with-a-longer-name;\
                     SharedAccessKey=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    life.world.host_name = "other.azure-devices.net";
    life.world.hub.borrow_mut().client_id = "another-device-with-a-longer-name";
    life.world.hub.borrow_mut().outages.clear();
    life.world.hub.borrow_mut().log.topics.clear();
    life.run_for(HOUR);
    let topics = life.topics();
    assert!(topics.len() > 100);
    for topic in topics {
        let start = "devices/another-device-with-a-longer-name/messages/events/%24.mid=";
        assert!(topic.starts_with(start), "{topic}");
    }
    assert_whole(&life.stored());
    assert_eq!(life.stored().len() as u64, *life.counter.borrow());
}

#[test]
fn a_message_without_a_clock_gets_its_time_when_that_is_known_also_after_a_restart() {
    for restarts in [false, true] {
        let mut life = Life::new(Mode::Always, 50);
        // The time server is out of reach for ten minutes.
        life.world.sntp = (0..200)
            .map(|_| Err(crate::failure::ClockError::NoAnswer))
            .collect();
        life.config.telemetry_interval = Some(MINUTE);
        for at in 1..8_u64 {
            let request = Requests {
                send_now: true,
                ..Requests::default()
            };
            life.world.requests.push_back((at * 60_000, request));
        }
        life.outage(Duration::ZERO, 30 * MINUTE);
        life.world.stop_after(20 * MINUTE);
        if restarts {
            life.run().unwrap();
            life.world.sntp.clear();
            life.world.stop_after(2 * HOUR);
        } else {
            life.world.requests.pop_back();
            life.world.stop_after(2 * HOUR);
            life.world.sntp.truncate(4);
        }
        life.run().unwrap();
        let topics = life.topics();
        assert!(topics.len() > 8, "{topics:?}");
        for (minute, topic) in topics.iter().take(8).enumerate() {
            match restarts {
                // Its boot never learned the time: none is invented.
                true => {
                    let undated = format!("&createdBoot=0&createdUptimeMs={}", minute * 60_000);
                    assert!(topic.ends_with(&undated), "{topic}");
                    assert_eq!(creation_time(topic), "");
                }
                false => assert_eq!(
                    creation_time(topic),
                    format!("2026-06-01T00%3A{minute:02}%3A00.000Z")
                ),
            }
        }
    }
}

#[test]
fn a_clock_that_was_set_before_the_restart_dates_the_messages_of_its_boot() {
    let mut life = Life::new(Mode::Always, 50);
    life.world.sntp = vec![Err(crate::failure::ClockError::NoAnswer); 3].into();
    for at in 1..3_u64 {
        let request = Requests {
            send_now: true,
            ..Requests::default()
        };
        life.world.requests.push_back((at * 1_000, request));
    }
    life.outage(Duration::ZERO, HOUR);
    life.run_for_with_requests(30 * MINUTE);
    life.run_for(2 * HOUR);
    let topics = life.topics();
    for (second, topic) in topics.iter().take(3).enumerate() {
        let time = format!("2026-06-01T00%3A00%3A0{second}.000Z");
        assert_eq!(creation_time(topic), time);
    }
}

impl Life {
    fn run_for_with_requests(&mut self, time: Duration) {
        self.world.stop_after(time);
        self.run().expect("the power is on");
    }
}

#[test]
fn a_clock_that_outlives_the_messages_after_it_is_no_sign_of_a_loss() {
    let mut life = Life::new(Mode::Always, 50);
    life.world.sntp = vec![Err(crate::failure::ClockError::NoAnswer); 3].into();
    let hour = HOUR.as_millis() as u64;
    life.world.hub.borrow_mut().outages = vec![(0, hour), (2 * hour, 5 * hour)];
    let report = life.run_for(3 * HOUR);
    assert!(report.queued_in_flash > 50, "{report:?}");
    let mut clocks = 0;
    let mut queue = life.queue();
    let count = &mut |bytes: &[u8]| {
        clocks += u32::from(matches!(Record::parse(bytes).unwrap().kind, Kind::Clock(_)));
        Visit::Next
    };
    queue.visit(count).unwrap();
    assert_eq!(clocks, 1);
    let report = life.run_for(4 * HOUR);
    assert_eq!(
        (report.queued, report.dropped.total()),
        (0, 0),
        "{report:?}"
    );
    assert_whole(&life.stored());
}

#[test]
fn a_message_that_was_measured_before_the_clock_was_set_has_one_time_whenever_it_is_sent() {
    let mut durable = Durable::default();
    let moment = |now, unix: Option<u64>| Moment {
        now: Instant::from_millis(now),
        unix: unix.map(UnixTime::from_millis),
        random: 0,
    };
    assert_eq!(durable.boot_time(&moment(1_000, None)), None);
    let start = Some(UnixTime::from_millis(1_800_000_000_000));
    // Two clocks of whole milliseconds seem to differ; a clock is corrected.
    for unix in [1_800_000_002_000, 1_800_000_002_001, 1_800_003_602_000] {
        assert_eq!(durable.boot_time(&moment(2_000, Some(unix))), start);
    }
    assert_eq!(durable.boot_time(&moment(3_000, None)), None);
}

#[test]
fn damaged_records_cost_only_themselves() {
    let mut life = Life::new(Mode::Spill, 50);
    life.outage(2 * MINUTE, 5 * HOUR);
    life.run_for(2 * HOUR);
    let measured = *life.counter.borrow();
    // A bit in the body of three messages.
    for damaged in [20, 21, 50] {
        let mut chip = life.flash.0.borrow_mut();
        let needle = format!("\"count\":{damaged},");
        let bytes = chip.bytes();
        let at = bytes
            .windows(needle.len())
            .position(|window| window == needle.as_bytes())
            .unwrap();
        bytes[at + needle.len() + 20] ^= 4;
    }
    life.world.hub.borrow_mut().outages.clear();
    let report = life.run_for(HOUR);
    assert_eq!(report.queued, 0);
    let stored = life.stored();
    let expected: Vec<u64> = (1..=*life.counter.borrow())
        .filter(|count| ![20, 21, 50].contains(count))
        .collect();
    assert_eq!(stored, expected);
    assert_eq!(report.dropped.of(Cause::Damaged), 3, "of {measured}");
}

#[test]
fn clearing_erases_what_was_not_sent_and_says_how_much() {
    let mut life = Life::new(Mode::Spill, 50);
    life.outage(2 * MINUTE, 5 * HOUR);
    let clear = Requests {
        clear_queue: true,
        ..Requests::default()
    };
    life.world.requests.push_back((4 * 3_600_000, clear));
    life.world.stop_after(6 * HOUR);
    let report = life.run().unwrap();
    assert_eq!(report.queued, 0);
    let erased = report.dropped.of(Cause::Erased);
    assert!((230..240).contains(&erased), "{erased}");
    assert_eq!(report.dropped.total(), erased.into());
    assert_eq!(
        life.stored().len() as u64 + u64::from(erased),
        *life.counter.borrow()
    );
}

#[test]
fn a_flash_that_fails_is_told_and_tried_again_and_messages_go_on_in_ram() {
    let mut life = Life::new(Mode::Always, 8);
    life.outage(10 * MINUTE, 20 * MINUTE);
    // Not a cut of the device's power: only the flash is off.
    struct Failing(Rc<RefCell<u32>>);
    impl Queue for Failing {
        fn push(&mut self, _: &[&[u8]], _: bool) -> Result<(), QueueError> {
            *self.0.borrow_mut() += 1;
            Err(QueueError::Medium)
        }
        fn visit(&mut self, _: &mut dyn FnMut(&[u8]) -> Visit) -> Result<(), QueueError> {
            Ok(())
        }
        fn free(&mut self) -> Result<u32, QueueError> {
            Ok(8192)
        }
        fn size(&self) -> u32 {
            8192
        }
        fn clear(&mut self) -> Result<(), QueueError> {
            Err(QueueError::Medium)
        }
    }
    let tries = Rc::new(RefCell::new(0));
    let identity = ConnectionString::parse(KEY).unwrap();
    let mut memory = Memory::default();
    life.world.queue = Some(Box::new(Failing(Rc::clone(&tries))));
    life.world.stop_after(HOUR);
    let counter = Counter(Rc::clone(&life.counter), 0);
    let mut device = Device::new(
        &identity,
        life.config.clone(),
        buffers(&mut memory),
        counter,
    )
    .unwrap();
    run(&mut device, &mut life.world);
    assert_whole(&life.stored());
    assert_eq!(life.stored().len() as u64, *life.counter.borrow());
    let tries = *tries.borrow();
    assert!((30..=61).contains(&tries), "once a minute: {tries}");
}

/// Runs a device over many power cuts, and gives what the hub got.
fn over_cuts(mode: Mode, seed: u32, cuts: u32) -> (Life, u32) {
    let mut life = Life::new(mode, 60);
    life.config.telemetry_interval = Some(Duration::from_secs(5));
    life.config.queue.spill_after = Duration::from_secs(20);
    let mut random = seed | 1;
    let mut next = |below: u32| {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        random % below
    };
    let mut cut = 0;
    while cut < cuts {
        let now = life.world.now;
        // The hub is away half of the time.
        let away = now + u64::from(next(20_000));
        life.world.hub.borrow_mut().outages = vec![(away, away + u64::from(next(150_000)))];
        life.flash
            .0
            .borrow_mut()
            .cut_after(next(400), next(u32::MAX - 1));
        life.world.stop_after(Duration::from_millis(now + 200_000));
        match life.run() {
            None => cut += 1,
            Some(_) => {
                life.flash.0.borrow_mut().power_on();
                life.world.requests.clear();
            }
        }
        life.world.now += 1_000;
    }
    life.world.hub.borrow_mut().outages.clear();
    life.run_for(4 * HOUR);
    (life, cut)
}

#[test]
fn nothing_that_was_promised_is_lost_over_power_cuts() {
    let cuts_each = 25;
    for seed in 1..=8 {
        for mode in [Mode::Always, Mode::Spill] {
            let (life, cuts) = over_cuts(mode, seed, cuts_each);
            let stored = life.stored();
            let got: BTreeSet<u64> = stored.iter().copied().collect();
            let promised = life.promised.borrow();
            let missing: Vec<_> = promised.difference(&got).collect();
            assert!(missing.is_empty(), "{mode:?} {seed}: {missing:?}");
            let measured = *life.counter.borrow();
            assert!(
                got.last().is_none_or(|last| *last <= measured),
                "nothing is invented"
            );
            let firsts = firsts(&stored);
            assert!(firsts.is_sorted(), "{mode:?} {seed}: {firsts:?}");
            let twice = stored.len() - firsts.len();
            let most = (8 + 2 * 4) * cuts as usize;
            assert!(twice <= most, "{twice} of {most}");
        }
    }
}

#[test]
fn a_record_has_the_form_that_is_documented() {
    let life = {
        let mut life = Life::new(Mode::Always, 8);
        life.outage(Duration::ZERO, HOUR);
        life.config.telemetry_interval = None;
        let send_now = Requests {
            send_now: true,
            ..Requests::default()
        };
        life.world.requests.push_back((60_000, send_now));
        life.run_for_with_requests(5 * MINUTE);
        life
    };
    let mut records = 0;
    life.queue()
        .visit(&mut |bytes| {
            let record = Record::parse(bytes).unwrap();
            assert_eq!((record.number, record.boot), (records, 0));
            let Kind::Message(message) = record.kind else {
                panic!("a clock");
            };
            assert!(message.properties.starts_with("%24.mid="));
            assert!(
                message.properties.ends_with("&%24.ce=utf-8"),
                "{}",
                message.properties
            );
            assert_eq!(
                bytes.len(),
                queue::RECORD_HEADER + message.properties.len() + message.body.len()
            );
            records += 1;
            Visit::Next
        })
        .unwrap();
    assert_eq!(records, 1);
}
