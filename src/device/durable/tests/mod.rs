//! Messages that outlive restarts and power cuts, on a virtual clock.

mod delivery;
mod faults;
mod policy;
mod time;

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
use crate::application::{
    Application, CloudMessage, Context, Event, Method, Property, Receipt, Stream, standard,
};
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

/// An application whose count goes on after a restart, to know each message.
struct Counter {
    count: Rc<RefCell<u64>>,
    /// Time to live, in seconds, of each message whose count is a multiple of the second number.
    time_to_live: (u32, u64),
    events: Rc<RefCell<Vec<String>>>,
}

impl Application for Counter {
    const STREAMS: &'static [Stream<Self>] = &[Stream::new(
        "telemetry",
        |counter: &mut Self, message, _| {
            *counter.count.borrow_mut() += 1;
            let count = *counter.count.borrow();
            if count.is_multiple_of(10) {
                message.urgent();
            }
            let (life, each) = counter.time_to_live;
            if count.is_multiple_of(each) {
                message.time_to_live(life);
            }
            message.object(|object| {
                object
                    .integer("count", count as i64)
                    .string("filling", "x".repeat(60));
            });
        },
    )];

    const PROPERTIES: &'static [Property<Self>] =
        &[Property::interval("telemetryInterval", "telemetry")];

    const METHODS: &'static [Method<Self>] = &[standard::get_status()];

    fn receive(&mut self, _: &CloudMessage<'_>, _: &mut Context<'_>) -> Receipt {
        Receipt::Accepted
    }

    fn handle(&mut self, event: Event<'_>, _: &mut Context<'_>) {
        if let Event::QueueFailed(_) | Event::QueueRestored = event {
            self.events.borrow_mut().push(format!("{event:?}"));
        }
    }
}

/// A device with its flash and its hub, over restarts.
struct Life {
    world: World,
    flash: Flash,
    counter: Rc<RefCell<u64>>,
    promised: Rc<RefCell<BTreeSet<u64>>>,
    config: Config<'static>,
    identity: &'static str,
    /// As [`Counter`]'s.
    time_to_live: (u32, u64),
    events: Rc<RefCell<Vec<String>>>,
    /// Number of the next start.
    start: u32,
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
            time_to_live: (0, 1),
            events: Rc::default(),
            start: 0,
        }
    }

    fn application(&self) -> Counter {
        Counter {
            count: Rc::clone(&self.counter),
            time_to_live: self.time_to_live,
            events: Rc::clone(&self.events),
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
        let counter = self.application();
        let config = self.config.clone();
        let (world, start) = (&mut self.world, self.start);
        let report = catch_unwind(AssertUnwindSafe(|| {
            let mut carryover = Carryover::default();
            carryover.set_start(start);
            let buffers = buffers(&mut memory);
            let device = Device::resume(&identity, &config, buffers, counter, &mut carryover);
            let mut device = device.unwrap();
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
