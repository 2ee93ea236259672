//! A world for one device: a clock that jumps to the next deadline, and a hub of a few lines that speaks
//! MQTT 3.1.1 by its own reading of the bytes.

use alloc::boxed::Box;
use core::time::Duration;
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::string::String;
use std::vec::Vec;

pub(crate) use super::packets::{message, publish};
use crate::failure::{ClockError, Code, ConnectError, TcpFailure};
use crate::port::{
    Clock, Connector, Endpoint, Entropy, EntropyError, Indicator, Platform, Queue, Reading,
    Requests, Sensor, SensorError, Storage, StorageError, Stream, Wake,
};
use crate::report::{Condition, NetworkAddress, Status};
use crate::time::{Instant, UnixTime};
#[cfg(feature = "update")]
use crate::update::tests::world::Board;

/// 2026-06-01T00:00:00Z: when the simulated world begins.
pub(crate) const BEGIN: u64 = 1_780_272_000;

/// Behaviour of the simulated hub.
#[derive(Debug)]
pub(crate) struct Hub {
    /// Answers to the next CONNECTs; 0 when there are none.
    pub(crate) connacks: VecDeque<u8>,
    /// Errors of the next connection attempts, in order.
    pub(crate) connect_errors: VecDeque<ConnectError>,
    /// Times during which connections to a host fail.
    pub(crate) unreachable: Vec<Unreachable>,
    /// Connections are closed by the hub after this time.
    pub(crate) drops_after: Option<Duration>,
    /// Times, in milliseconds, at which the hub goes away, and at which it is back.
    pub(crate) outages: Vec<(u64, u64)>,
    /// Time after which they are.
    pub(crate) puback_delay: Duration,
    /// Connections are closed by the hub after one message.
    pub(crate) drops_after_message: bool,
    /// True if QoS 1 messages are acknowledged.
    pub(crate) acknowledges: bool,
    /// Starts of filters that it grants no subscription to.
    pub(crate) ungranted: Vec<&'static str>,
    /// The id that it expects.
    pub(crate) client_id: &'static str,
    /// True if it expects clients to want a persistent session.
    pub(crate) keeps_sessions: bool,
    /// Cuts a connection at its token's expiry plus 300 s, and refuses expired tokens, by the hub's clock.
    pub(crate) checks_expiry: bool,
    /// Answers to the next requests about the twin or a registration: status, the rest of the topic's query, and the body.
    pub(crate) answers: VecDeque<(u16, String, String)>,
    /// Answers of the provisioning service to the next operations: a part of the topic, status, the rest of the query,
    /// and the body. Status 0 is none.
    pub(crate) service: Vec<(&'static str, u16, &'static str, String)>,
    /// Desired properties of the twin that is given when `answers` has nothing; empty for none.
    pub(crate) desired: String,
    /// Their version.
    pub(crate) version: u64,
    /// True if requests about the twin are answered when `answers` has nothing for them.
    pub(crate) serves_twin: bool,
    /// The most bytes that one read gives.
    pub(crate) piece: usize,
    /// Sent straight after CONNACK.
    pub(crate) after_connack: VecDeque<Vec<u8>>,
    pub(crate) log: Log,
}

/// A time during which connections to a host fail.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unreachable {
    /// Of which host; empty is every host.
    pub(crate) host_name: &'static str,
    /// In milliseconds.
    pub(crate) from: u64,
    pub(crate) until: u64,
    pub(crate) error: ConnectError,
}

/// Events that the hub saw.
#[derive(Debug, Default)]
pub(crate) struct Log {
    /// The host of each of `attempts`.
    pub(crate) hosts: Vec<String>,
    /// Times of connection attempts, in milliseconds.
    pub(crate) attempts: Vec<u64>,
    /// User name and password of each CONNECT.
    pub(crate) connects: Vec<(String, String)>,
    /// `count` member of each telemetry message, with its DUP flag, as stored.
    pub(crate) stored: Vec<(u64, bool)>,
    /// Topic and payload of QoS 0 messages: requests and responses.
    pub(crate) requests: Vec<(String, String)>,
    /// Topic filters that the device subscribed to.
    pub(crate) filters: Vec<String>,
    /// Topics of telemetry messages.
    pub(crate) topics: Vec<String>,
    /// Packet ids of PUBACKs from the device.
    pub(crate) pubacks: Vec<u16>,
    pub(crate) disconnects: usize,
    /// Connections that ended without DISCONNECT.
    pub(crate) broken: usize,
}

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

/// One connection, from the hub's side.
#[derive(Debug, Default)]
struct Link {
    to_device: VecDeque<u8>,
    /// PUBACKs that are due at these times.
    pubacks: VecDeque<(u64, [u8; 4])>,
    /// The time, for who has no clock.
    now: u64,
    from_device: Vec<u8>,
    ended: bool,
    cut_at: Option<u64>,
    said_goodbye: bool,
    /// The device dropped its end.
    closed: bool,
}

/// The device's end of it.
pub(crate) struct Pipe {
    link: Rc<RefCell<Link>>,
    hub: Rc<RefCell<Hub>>,
}

impl World {
    pub(crate) fn new() -> Self {
        let hub = Hub {
            connacks: VecDeque::new(),
            connect_errors: VecDeque::new(),
            unreachable: Vec::new(),
            drops_after: None,
            outages: Vec::new(),
            puback_delay: Duration::ZERO,
            drops_after_message: false,
            ungranted: Vec::new(),
            acknowledges: true,
            client_id: "MyDevice01",
            keeps_sessions: true,
            checks_expiry: true,
            answers: VecDeque::new(),
            service: Vec::new(),
            desired: String::new(),
            version: 1,
            serves_twin: false,
            piece: usize::MAX,
            after_connack: VecDeque::new(),
            log: Log::default(),
        };
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
            hub: Rc::new(RefCell::new(hub)),
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

impl Clock for World {
    fn now(&self) -> Instant {
        Instant::from_millis(self.now)
    }

    fn unix(&self) -> Option<UnixTime> {
        let error = self.clock_error?;
        Some(UnixTime::from_millis(
            (BEGIN * 1000 + self.now).saturating_add_signed(error),
        ))
    }

    fn synchronize(&mut self) -> Result<UnixTime, ClockError> {
        self.synchronizations += 1;
        let error = self.sntp.pop_front().unwrap_or(Ok(0))?;
        self.clock_error = Some(error);
        Ok(UnixTime::from_millis(
            (BEGIN * 1000 + self.now).saturating_add_signed(error),
        ))
    }
}

impl Entropy for World {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), EntropyError> {
        for byte in buffer {
            // splitmix64, for repeatable runs.
            self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut word = self.random;
            word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            *byte = (word ^ (word >> 31)) as u8;
        }
        Ok(())
    }
}

impl Connector for World {
    type Stream = Pipe;
    type Opening = Option<u64>;

    fn connect(
        &mut self,
        endpoint: Endpoint<'_>,
        opening: &mut Option<u64>,
        until: Instant,
    ) -> Result<Option<Pipe>, ConnectError> {
        let begun = *opening.get_or_insert(self.now);
        let complete = begun + self.connect_takes.as_millis() as u64;
        if self.connects_in_steps {
            let mut until = until.as_millis().min(complete);
            if let Some((at, _)) = self.requests.front() {
                until = until.min(*at);
            }
            self.now = self.now.max(until);
            if self.now < complete {
                return Ok(None);
            }
        }
        self.now = self.now.max(complete);
        self.open(endpoint).map(Some)
    }
}

impl World {
    fn open(&mut self, endpoint: Endpoint<'_>) -> Result<Pipe, ConnectError> {
        let mut hub = self.hub.borrow_mut();
        match self.other_host_name {
            Some((host_name, client_id)) if endpoint.host_name == host_name => {
                (hub.client_id, hub.keeps_sessions) = (client_id, false);
                self.next_hub = self.next_hub.or(self.assigned.take());
            }
            Some(_) if self.next_hub.is_some() => {
                let (host_name, client_id) = self.next_hub.unwrap_or_default();
                assert_eq!(endpoint.host_name, host_name);
                (hub.client_id, hub.keeps_sessions) = (client_id, true);
                (hub.acknowledges, hub.drops_after) = (true, None);
            }
            Some(_) => (hub.client_id, hub.keeps_sessions) = ("MyDevice01", true),
            None => assert_eq!(endpoint.host_name, self.host_name),
        }
        hub.log.attempts.push(self.now);
        hub.log.hosts.push(endpoint.host_name.into());
        let failing = hub.unreachable.iter().find(|host| {
            ["", endpoint.host_name].contains(&host.host_name)
                && (host.from..host.until).contains(&self.now)
        });
        if let Some(host) = failing {
            return Err(host.error);
        }
        if let Some(error) = hub.connect_errors.pop_front() {
            return Err(error);
        }
        let now = self.now;
        if hub
            .outages
            .iter()
            .any(|(from, to)| (*from..*to).contains(&now))
        {
            return Err(ConnectError::Tcp(TcpFailure::Refused, Code(111)));
        }
        let dropped = hub.drops_after.map(|after| now + after.as_millis() as u64);
        let outage = hub
            .outages
            .iter()
            .map(|(from, _)| *from)
            .filter(|from| *from > now)
            .min();
        let cut_at = [dropped, outage].into_iter().flatten().min();
        let link = Rc::new(RefCell::new(Link {
            cut_at,
            now,
            ..Link::default()
        }));
        self.link = Some(Rc::clone(&link));
        Ok(Pipe {
            link,
            hub: Rc::clone(&self.hub),
        })
    }
}

impl Storage for World {
    fn load(&mut self, key: &str, buffer: &mut [u8]) -> Result<Option<usize>, StorageError> {
        self.check_storage()?;
        let Some(value) = self.stored.get(key) else {
            return Ok(None);
        };
        let space = buffer
            .get_mut(..value.len())
            .ok_or(StorageError::TooLong(value.len()))?;
        space.copy_from_slice(value);
        Ok(Some(value.len()))
    }

    fn store(&mut self, key: &str, value: &[u8]) -> Result<(), StorageError> {
        self.check_storage()?;
        self.stored.insert(key.into(), value.to_vec());
        Ok(())
    }

    fn remove(&mut self, key: &str) -> Result<(), StorageError> {
        self.check_storage()?;
        self.removed.push(key.into());
        self.stored.remove(key);
        Ok(())
    }
}

impl Indicator for World {
    fn show(&mut self, status: Status) {
        self.shown.push(status);
    }
}

impl Sensor for World {
    fn sample(&mut self, take: &mut dyn FnMut(Reading)) -> Result<(), SensorError> {
        let now = self.now;
        if self
            .sensor_fails
            .iter()
            .any(|(from, to)| (*from..*to).contains(&now))
        {
            return Err(SensorError(5));
        }
        take(Reading {
            name: "temperature",
            thousandths: 21_500,
        });
        Ok(())
    }
}

impl Platform for World {
    fn wait(&mut self, stream: Option<&mut Pipe>, until: Instant) -> Wake {
        if let Some(pipe) = stream {
            let link = pipe.link.borrow();
            if !link.to_device.is_empty() || link.ended {
                return Wake::Readable;
            }
        }
        self.pass(until.as_millis())
    }

    fn queue(&mut self) -> Option<&mut dyn Queue> {
        self.queue
            .as_deref_mut()
            .map(|queue| queue as &mut dyn Queue)
    }

    #[cfg(feature = "update")]
    fn updater(&mut self) -> Option<&mut dyn crate::port::update::Updater> {
        let board = self.board.as_mut()?;
        board.now = self.now;
        Some(board)
    }

    fn condition(&mut self) -> Condition {
        Condition {
            network_address: NetworkAddress::new("192.0.2.7"),
            heap_peak: Some(12_345),
        }
    }

    fn requests(&mut self) -> Requests {
        match self.requests.front() {
            Some((at, requests)) if *at <= self.now => {
                let requests = *requests;
                self.requests.pop_front();
                requests
            }
            _ => Requests::default(),
        }
    }
}

impl embedded_io::ErrorType for Pipe {
    type Error = embedded_io::ErrorKind;
}

impl embedded_io::Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Self::Error> {
        let mut link = self.link.borrow_mut();
        let count = buffer.len().min(link.to_device.len());
        let count = count.min(self.hub.borrow().piece);
        for (to, from) in buffer.iter_mut().zip(link.to_device.drain(..count)) {
            *to = from;
        }
        Ok(count)
    }
}

impl embedded_io::ReadReady for Pipe {
    fn read_ready(&mut self) -> Result<bool, Self::Error> {
        let link = self.link.borrow();
        Ok(link.ended || !link.to_device.is_empty())
    }
}

impl embedded_io::Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Self::Error> {
        let mut link = self.link.borrow_mut();
        if link.ended {
            return Err(embedded_io::ErrorKind::BrokenPipe);
        }
        link.from_device.extend_from_slice(bytes);
        let mut hub = self.hub.borrow_mut();
        while let Some(packet) = take_packet(&mut link.from_device) {
            hub.handle(&mut link, &packet);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}

impl Stream for Pipe {}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.link.borrow_mut().closed = true;
        if !self.link.borrow().said_goodbye {
            self.hub.borrow_mut().log.broken += 1;
        }
    }
}

/// A whole packet from the front of `bytes` (MQTT 3.1.1, section 2.2): type and flags, then its body.
fn take_packet(bytes: &mut Vec<u8>) -> Option<Vec<u8>> {
    let (mut length, mut header) = (0_usize, 1);
    loop {
        let byte = *bytes.get(header)?;
        length |= usize::from(byte & 0x7f) << (7 * (header - 1));
        header += 1;
        if byte & 0x80 == 0 {
            break;
        }
    }
    if bytes.len() < header + length {
        return None;
    }
    let packet: Vec<u8> = bytes.drain(..header + length).collect();
    Some([&packet[..1], &packet[header..]].concat())
}

/// A field with a 16-bit length before it, from the front of `bytes`.
fn take_field<'a>(bytes: &mut &'a [u8]) -> &'a [u8] {
    let length = usize::from(u16::from_be_bytes([bytes[0], bytes[1]]));
    let field = &bytes[2..2 + length];
    *bytes = &bytes[2 + length..];
    field
}

impl Hub {
    fn handle(&mut self, link: &mut Link, packet: &[u8]) {
        let body = &packet[1..];
        match packet[0] >> 4 {
            1 => self.connect(link, body),
            3 => self.publish(link, packet[0], body),
            4 => self
                .log
                .pubacks
                .push(u16::from_be_bytes([body[0], body[1]])),
            8 => self.subscribe(link, body),
            12 => link.to_device.extend([0xd0, 0]),
            14 => {
                self.log.disconnects += 1;
                link.said_goodbye = true;
            }
            other => panic!("a client does not send packet type {other}"),
        }
    }

    fn connect(&mut self, link: &mut Link, mut body: &[u8]) {
        assert_eq!(take_field(&mut body), b"MQTT");
        let (level, flags) = (body[0], body[1]);
        let clean = if self.keeps_sessions { 0 } else { 2 };
        assert_eq!((level, flags & 0x3f), (4, clean), "3.1.1, no will");
        body = &body[4..];
        assert_eq!(take_field(&mut body), self.client_id.as_bytes());
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
        let user_name = text(take_field(&mut body));
        let password = if flags & 0x40 == 0 {
            String::new()
        } else {
            text(take_field(&mut body))
        };
        let expiry: Option<u64> = password
            .split("&se=")
            .nth(1)
            .map(|rest| rest.split('&').next().unwrap_or_default())
            .map(|se| se.parse().expect("a number"));
        let now = self.log.attempts.last().copied().unwrap_or_default();
        let end = expiry.map(|se| (se + 300) * 1000);
        let cut = end.map(|end| end.saturating_sub(BEGIN * 1000));
        let expired = self.checks_expiry && end.is_some_and(|end| end < BEGIN * 1000 + now);
        self.log.connects.push((user_name, password));
        let code = self
            .connacks
            .pop_front()
            .unwrap_or(if expired { 5 } else { 0 });
        link.to_device.extend([0x20, 2, 0, code]);
        if code != 0 {
            link.ended = true;
        } else if self.checks_expiry {
            link.cut_at = [link.cut_at, cut].into_iter().flatten().min();
        }
        if let Some(bytes) = self.after_connack.pop_front() {
            link.to_device.extend(bytes);
        }
    }

    /// Grants filters at the quality of service that was asked for.
    fn subscribe(&mut self, link: &mut Link, body: &[u8]) {
        let (id, mut filters) = body.split_at(2);
        let mut granted = Vec::new();
        while !filters.is_empty() {
            let filter = String::from_utf8(take_field(&mut filters).to_vec()).expect("UTF-8");
            let refused = self.ungranted.iter().any(|start| filter.starts_with(start));
            granted.push(if refused { 0x80 } else { filters[0] });
            filters = &filters[1..];
            self.log.filters.push(filter);
        }
        let length = u8::try_from(2 + granted.len()).expect("few filters");
        link.to_device
            .extend([&[0x90, length], id, &granted].concat());
    }

    fn request(&mut self, link: &mut Link, topic: String, body: &[u8]) {
        let query = topic.split("$rid=").nth(1).expect("a request id");
        let id = query.split('&').next().unwrap_or_default();
        let responses = match topic.as_str() {
            topic if topic.starts_with("$iothub/twin/") => Some("$iothub/twin/res"),
            topic if topic.starts_with("$dps/") => Some("$dps/registrations/res"),
            _ => None,
        };
        if let Some(responses) = responses
            && let Some((status, query, answer)) = self
                .answer_of_service(&topic)
                .or_else(|| self.answers.pop_front())
                .or_else(|| self.usual_answer(&topic))
            && status > 0
        {
            let topic = std::format!("{responses}/{status}/?$rid={id}{query}");
            link.to_device.extend(message(&topic, &answer));
        }
        let body = String::from_utf8(body.to_vec()).expect("UTF-8");
        self.log.requests.push((topic, body));
    }

    /// The next answer to this operation.
    fn answer_of_service(&mut self, topic: &str) -> Option<(u16, String, String)> {
        let is_own = |(part, ..): &(&str, u16, &str, String)| topic.contains(part);
        let place = self.service.iter().position(is_own)?;
        let (_, status, query, body) = self.service.remove(place);
        Some((status, query.into(), body))
    }

    /// A deployment that is told is in the twin from then on.
    fn desire(&mut self, topic: &str, body: &str) {
        let inner = body
            .strip_prefix('{')
            .and_then(|rest| rest.rsplit_once(",\"$version\":"));
        if topic.starts_with("$iothub/twin/PATCH/properties/desired/")
            && let Some((inner, _)) = inner.filter(|(inner, _)| inner.contains("deviceUpdate"))
        {
            self.version += 1;
            self.desired = inner.into();
        }
    }

    /// The twin with what is desired, or that a patch was taken.
    fn usual_answer(&self, topic: &str) -> Option<(u16, String, String)> {
        let comma = if self.desired.is_empty() { "" } else { "," };
        let desired = std::format!("{}{comma}\"$version\":{}", self.desired, self.version);
        let twin = std::format!("{{\"desired\":{{{desired}}},\"reported\":{{\"$version\":1}}}}");
        if !self.serves_twin {
            None
        } else if topic.starts_with("$dps/") {
            let body = match topic {
                topic if topic.contains("iotdps-register") => {
                    r#"{"operationId":"1","status":"assigned","registrationState":{"assignedHub":
                    "contoso.azure-devices.net","deviceId":"MyDevice01","status":"assigned"}}"#
                }
                topic if topic.contains("report") => "{}",
                _ => r#"{"agentInfoEtag":"a1","serviceConfigEtag":"c1","updateMetadata":null}"#,
            };
            Some((200, String::new(), body.into()))
        } else if topic.starts_with("$iothub/twin/GET/") {
            Some((200, String::new(), twin))
        } else {
            Some((204, String::new(), String::new()))
        }
    }

    fn publish(&mut self, link: &mut Link, header: u8, mut body: &[u8]) {
        let topic = String::from_utf8(take_field(&mut body).to_vec()).expect("UTF-8");
        if header & 0b110 == 0 {
            return self.request(link, topic, body);
        }
        assert_eq!(header & 0b110, 0b010, "QoS 1");
        let id = [body[0], body[1]];
        let payload = core::str::from_utf8(&body[2..]).expect("UTF-8");
        let count = payload.split("\"count\":").nth(1).expect("a count");
        let count: String = count.chars().take_while(char::is_ascii_digit).collect();
        if self.acknowledges {
            self.log.topics.push(topic);
            self.log
                .stored
                .push((count.parse().expect("a number"), header & 8 != 0));
            let puback = [0x40, 2, id[0], id[1]];
            match self.puback_delay {
                Duration::ZERO => link.to_device.extend(puback),
                delay => link
                    .pubacks
                    .push_back((link.now + delay.as_millis() as u64, puback)),
            }
            link.ended |= self.drops_after_message;
        }
    }
}
