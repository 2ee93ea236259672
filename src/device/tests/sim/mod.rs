//! A world for one device: a clock that jumps to the next deadline, and a hub of a few lines that speaks
//! MQTT 3.1.1 by its own reading of the bytes.

mod hub;
mod link;
mod platform;

use alloc::boxed::Box;
use core::time::Duration;
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::string::String;
use std::vec::Vec;

use self::hub::Hub;
pub(crate) use self::hub::Unreachable;
use self::link::Link;
pub(crate) use super::packets::{message, publish};
use crate::failure::ClockError;
use crate::port::{Queue, Requests, StorageError, Wake};
use crate::report::Status;
#[cfg(feature = "update")]
use crate::update::tests::world::Board;

/// 2026-06-01T00:00:00Z: when the simulated world begins.
pub(crate) const BEGIN: u64 = 1_780_272_000;

/// The simulated platform.
pub(crate) struct World {
    pub(crate) now: u64,
    /// Host name that the world expects the device to connect to.
    pub(crate) host_name: &'static str,
    /// Another place to connect to, and the id expected there: the provisioning service.
    pub(crate) other_host_name: Option<(&'static str, &'static str)>,
    /// Assignment of the provisioning service, if it is asked: a hub, which is without fault, and an id.
    pub(crate) assigned: Option<(&'static str, &'static str)>,
    next_hub: Option<(&'static str, &'static str)>,
    /// Values that the device has stored, by key.
    pub(crate) stored: BTreeMap<String, Vec<u8>>,
    /// The keys of what it has removed.
    pub(crate) removed: Vec<String>,
    /// True if nothing can be stored, read or removed.
    pub(crate) storage_fails: bool,
    /// Milliseconds that the device's clock differs from the world's; `None` before it is set.
    pub(crate) clock_error: Option<i64>,
    /// Answers of the next SNTP queries; right when there are none.
    pub(crate) sntp: VecDeque<Result<i64, ClockError>>,
    pub(crate) synchronizations: usize,
    pub(crate) hub: Rc<RefCell<Hub>>,
    /// QoS 0 messages that the hub sends at these times: topic and body.
    pub(crate) pushes: VecDeque<(u64, &'static str, &'static str)>,
    /// Bytes that the hub sends at these times, whatever they are.
    pub(crate) raw: VecDeque<(u64, Vec<u8>)>,
    /// Requests that come up at these times.
    pub(crate) requests: VecDeque<(u64, Requests)>,
    /// Time that opening a connection takes, whatever comes of it.
    pub(crate) connect_takes: Duration,
    /// True if opening comes back when it is asked to, as on a host; false if it blocks, as on Zephyr.
    pub(crate) connects_in_steps: bool,
    /// Times, in milliseconds, at which the sensor fails, and at which it answers again.
    pub(crate) sensor_fails: Vec<(u64, u64)>,
    pub(crate) shown: Vec<Status>,
    /// Two images, a boot loader, and a thread that downloads.
    #[cfg(feature = "update")]
    pub(crate) board: Option<Board>,
    /// The queue that outlives the device.
    pub(crate) queue: Option<Box<dyn Queue>>,
    /// The seed of what is random.
    pub(crate) random: u64,
    link: Option<Rc<RefCell<Link>>>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            now: 0,
            host_name: "contoso.azure-devices.net",
            other_host_name: None,
            assigned: None,
            next_hub: None,
            stored: BTreeMap::new(),
            removed: Vec::new(),
            storage_fails: false,
            clock_error: None,
            sntp: VecDeque::new(),
            synchronizations: 0,
            hub: Rc::new(RefCell::new(Hub::new())),
            pushes: VecDeque::new(),
            raw: VecDeque::new(),
            requests: VecDeque::new(),
            connect_takes: Duration::ZERO,
            connects_in_steps: false,
            sensor_fails: Vec::new(),
            shown: Vec::new(),
            #[cfg(feature = "update")]
            board: None,
            queue: None,
            random: 42,
            link: None,
        }
    }

    /// Asks the device to stop at that time.
    pub(crate) fn stop_after(&mut self, time: Duration) {
        let stop = Requests {
            stop: true,
            ..Requests::default()
        };
        self.requests.push_back((time.as_millis() as u64, stop));
    }

    /// Time at which the download has news.
    fn news_due(&self) -> Option<u64> {
        #[cfg(feature = "update")]
        if let Some(board) = &self.board {
            return board.news_due();
        }
        None
    }

    fn check_storage(&self) -> Result<(), StorageError> {
        match self.storage_fails {
            true => Err(StorageError::Medium(5)),
            false => Ok(()),
        }
    }

    /// Lets time pass to `until`, or to the next thing that happens.
    fn pass(&mut self, until: u64) -> Wake {
        let request = self.requests.front().map(|(at, _)| *at);
        let open = self.link.as_ref().filter(|link| !link.borrow().closed);
        let cut = open.and_then(|link| link.borrow().cut_at);
        let push = self
            .pushes
            .front()
            .map(|(at, ..)| *at)
            .filter(|_| open.is_some());
        let raw = self.raw.front().map(|(at, _)| *at);
        let raw = raw.filter(|_| open.is_some());
        let puback = open.and_then(|link| link.borrow().pubacks.front().map(|(at, _)| *at));
        let news = self.news_due();
        let next = [Some(until), request, cut, push, raw, puback, news]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(until);
        self.now = self.now.max(next);
        if cut.is_some_and(|cut| cut <= self.now) {
            self.link
                .as_ref()
                .expect("a cut belongs to a link")
                .borrow_mut()
                .ended = true;
            return Wake::Readable;
        }
        if let Some(link) = &self.link {
            link.borrow_mut().now = self.now;
        }
        if puback.is_some_and(|at| at <= self.now)
            && let Some(link) = &self.link
        {
            let mut link = link.borrow_mut();
            let due = link.pubacks.pop_front();
            link.to_device
                .extend(due.into_iter().flat_map(|(_, packet)| packet));
            return Wake::Readable;
        }
        if push.is_some_and(|at| at <= self.now)
            && let (Some(link), Some((_, topic, body))) = (&self.link, self.pushes.pop_front())
        {
            link.borrow_mut().to_device.extend(message(topic, body));
            self.hub.borrow_mut().desire(topic, body);
            return Wake::Readable;
        }
        if raw.is_some_and(|at| at <= self.now)
            && let (Some(link), Some((_, bytes))) = (&self.link, self.raw.pop_front())
        {
            link.borrow_mut().to_device.extend(bytes);
            return Wake::Readable;
        }
        if [request, news]
            .into_iter()
            .flatten()
            .any(|at| at <= self.now)
        {
            Wake::Request
        } else {
            Wake::Deadline
        }
    }
}
