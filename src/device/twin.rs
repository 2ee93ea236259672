//! The device twin: get it after each connect, apply what is desired, report what is.
//!
//! Theory (Microsoft, "Understand and use device twins" and "Communicate with an IoT hub using the MQTT
//! protocol"): desired changes are told only to a connected device, so each connection begins with a GET;
//! notifications with a version that the GET already had are dropped. What is to be reported is kept as
//! marks, not as text: an update that happens while a patch is under way is part of the next one, and any
//! number of them is one patch, or several if one does not fit the buffer. A request without an answer, or with
//! 429 or 5xx, is repeated after a growing wait.
//!
//! A writable property that nobody desires is reported with status 203 and version 0, and again when a method
//! changed it (IoT Plug and Play conventions, "Acknowledgment responses"): the twin shows what is in force.
//!
//! Limits: one request at a time; a twin larger than the receive buffer is reported by the session and
//! asked for again, slowly.

use core::fmt::{self, Display};
use core::time::Duration;

use super::Device;
use super::link::{Link, Phase, State};
use crate::application::{Application, Control, MAX_PROPERTIES, Property};
use crate::json::{Object, TooLong, Value};
use crate::logging::{debug, info, warn};
use crate::mqtt::RequestError;
use crate::text::{Text, render};
use crate::time::Instant;
use crate::topic::Outbound;

/// How long an answer is waited for.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The first wait before a request is repeated; it doubles.
const RETRY_MIN: Duration = Duration::from_secs(2);
/// The longest wait before a request is repeated.
const RETRY_MAX: Duration = Duration::from_secs(600);
/// Status of a property that is as the device has it by itself (IoT Plug and Play conventions).
const INITIAL: i64 = 203;
/// The part of the scratch buffer, in bytes, that a twin topic takes.
const TOPIC_SIZE: usize = 64;

/// What is known of the twin, and what is to be said about it.
#[derive(Clone, Debug, Default)]
pub(super) struct Twin {
    /// The version of the desired properties that were applied last.
    desired_version: u64,
    /// The version of the reported properties after the last patch.
    reported_version: Option<u64>,
    /// The twin was read on this connection.
    current: bool,
    request: Option<Request>,
    last_request_id: u32,
    /// When a request may be sent again after one that failed.
    not_before: Option<Instant>,
    failures: u32,
    /// The device's own properties are to be reported.
    report_due: bool,
    /// The counters are to be reported.
    counters_due: bool,
    /// Properties to acknowledge, one bit for each entry of the table, and how they fared.
    due: u16,
    refusals: [Option<&'static str>; MAX_PROPERTIES],
    versions: [u64; MAX_PROPERTIES],
}

/// A request that waits for its answer.
#[derive(Clone, Copy, Debug)]
struct Request {
    id: u32,
    until: Instant,
    patch: Option<Patch>,
}

/// What a patch reports, to mark it again should it fail.
#[derive(Clone, Copy, Debug)]
struct Patch {
    report: bool,
    counters: bool,
    due: u16,
}

impl Patch {
    /// Less than this: the device's own properties alone, its counters alone, or half of the others. `None` for a
    /// single one.
    fn smaller(self) -> Option<Self> {
        let rest = self.counters || self.due != 0;
        if self.report && rest {
            return Some(Self {
                counters: false,
                due: 0,
                ..self
            });
        }
        if self.counters && self.due != 0 {
            return Some(Self { due: 0, ..self });
        }
        let mut due = self.due;
        for _ in 0..self.due.count_ones() / 2 {
            due &= due - 1;
        }
        (due != self.due).then_some(Self { due, ..self })
    }
}

impl Twin {
    /// A new connection: nothing of the last one's is under way.
    pub(super) fn connected(&mut self) {
        self.abandon();
        self.current = false;
        self.report_due = true;
        self.counters_due = true;
        self.not_before = None;
        self.failures = 0;
    }

    /// What the device counts has changed.
    pub(super) const fn counters_changed(&mut self) {
        self.counters_due = true;
    }

    /// What the request under way wanted to report is due again.
    fn abandon(&mut self) {
        if let Some(Request {
            patch: Some(patch), ..
        }) = self.request.take()
        {
            self.report_due |= patch.report;
            self.counters_due |= patch.counters;
            self.due |= patch.due;
        }
    }

    fn failed(&mut self, now: Instant) {
        self.abandon();
        let wait = RETRY_MIN
            .saturating_mul(1 << self.failures.min(16))
            .min(RETRY_MAX);
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(now.after(wait));
    }

    /// Starts a request if one is due: its id, and what it reports if it is a patch.
    fn next(&mut self, now: Instant) -> Option<(u32, Option<Patch>)> {
        if let Some(request) = self.request {
            if now < request.until {
                return None;
            }
            warn!("twin: the hub does not answer; asking again");
            self.failed(now);
        }
        if self.not_before.is_some_and(|time| now < time) {
            return None;
        }
        let patch = self.current.then_some(Patch {
            report: self.report_due,
            counters: self.counters_due,
            due: self.due,
        });
        if patch.is_some_and(|patch| !patch.report && !patch.counters && patch.due == 0) {
            return None;
        }
        self.last_request_id = self.last_request_id.wrapping_add(1);
        self.request = Some(Request {
            id: self.last_request_id,
            until: now.after(TIMEOUT),
            patch,
        });
        Some((self.last_request_id, patch))
    }

    /// Writes the acknowledgement of a writable property (IoT Plug and Play conventions).
    fn acknowledge<A>(
        &self,
        (index, property): (usize, &Property<A>),
        application: &A,
        control: &Control,
        reported: &mut Object<'_, '_>,
    ) {
        let refusal = self.refusals.get(index).copied().flatten();
        let version = self.versions.get(index).copied().unwrap_or_default();
        let status = match (refusal, version) {
            (Some(_), _) => 400,
            (None, 0) => INITIAL,
            (None, _) => 200,
        };
        reported.object(property.path().1, |ack| {
            (property.value)(application, control, ack);
            ack.integer("ac", status);
            ack.integer("av", i64::try_from(version).unwrap_or(i64::MAX));
            if let Some(reason) = refusal {
                ack.string("ad", reason);
            }
        });
    }

    /// When there is something to do by itself.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match (self.request, self.not_before) {
            (Some(request), _) => Some(request.until),
            (None, wait)
                if !self.current || self.report_due || self.counters_due || self.due != 0 =>
            {
                Some(wait.unwrap_or_default())
            }
            _ => None,
        }
    }
}

impl<A: Application> Device<'_, A> {
    /// Sends the request that is due, if any.
    pub(super) fn serve_twin(&mut self, now: Instant) {
        let running = matches!(
            self.state,
            State::Online(Link {
                phase: Phase::Running,
                ..
            })
        );
        if !self.config.twin || !running {
            return;
        }
        let Some((id, patch)) = self.twin.next(now) else {
            return;
        };
        let sent = match patch {
            Some(patch) => self.send_patch(id, patch),
            None => self.send_get(id),
        };
        match sent {
            Ok(()) => {}
            Err(unsent) => {
                warn!("twin: {unsent}");
                self.twin.request = None;
                self.twin.failed(now);
            }
        }
    }

    fn send_get(&mut self, id: u32) -> Result<(), Unsent> {
        let topic = render(&mut *self.scratch, Outbound::TwinGet { request_id: id })
            .map_err(|_| Unsent::TooLong)?;
        self.session.publish_now(topic, b"").map_err(Unsent::from)
    }

    /// Reports as much of it as fits.
    fn send_patch(&mut self, id: u32, mut patch: Patch) -> Result<(), Unsent> {
        let sent = loop {
            match (self.try_patch(id, patch), patch.smaller()) {
                (Err(Unsent::TooLong), Some(smaller)) => patch = smaller,
                (sent, _) => break sent,
            }
        };
        if sent.is_ok() {
            self.twin.report_due &= !patch.report;
            self.twin.counters_due &= !patch.counters;
            self.twin.due &= !patch.due;
            if let Some(request) = &mut self.twin.request {
                request.patch = Some(patch);
            }
        }
        sent
    }

    fn try_patch(&mut self, id: u32, patch: Patch) -> Result<(), Unsent> {
        let (topic, payload) = self
            .scratch
            .split_at_mut_checked(TOPIC_SIZE)
            .ok_or(Unsent::TooLong)?;
        let topic = render(topic, Outbound::ReportedPatch { request_id: id })
            .map_err(|_| Unsent::TooLong)?;
        let mut payload = Text::new(payload);
        let mut reported = Object::new(&mut payload);
        if patch.report {
            self.application.report(&self.report, &mut reported);
        }
        if patch.counters {
            self.application
                .report_counters(&self.report, &mut reported);
        }
        let due = |index: usize| patch.due & 1 << index != 0;
        let acknowledge = |entry, reported: &mut Object<'_, '_>| {
            let (application, control) = (&self.application, &self.control);
            self.twin.acknowledge(entry, application, control, reported);
        };
        for (index, property) in properties::<A>().filter(|(index, _)| due(*index)) {
            let (component, _) = property.path();
            let Some(component) = component else {
                acknowledge((index, property), &mut reported);
                continue;
            };
            let all = properties::<A>()
                .filter(|(index, other)| due(*index) && other.path().0 == Some(component));
            // All of a component are one object, written with its first.
            if all.clone().next().is_some_and(|(first, _)| first == index) {
                reported.component(component, |reported| {
                    all.for_each(|entry| acknowledge(entry, reported));
                });
            }
        }
        reported.finish().map_err(|TooLong| Unsent::TooLong)?;
        self.session
            .publish_now(topic, payload.as_str().as_bytes())
            .map_err(Unsent::from)
    }

    /// The hub answered a request.
    pub(super) fn twin_answered(
        &mut self,
        now: Instant,
        status: u16,
        request_id: &str,
        version: Option<u64>,
        body: &[u8],
    ) {
        let request = self
            .twin
            .request
            .filter(|request| request_id.parse() == Ok(request.id));
        let Some(request) = request else {
            return self.ignore("an answer to no twin request");
        };
        match (status, request.patch) {
            (200..=299, Some(_)) => {
                self.twin.request = None;
                self.twin.failures = 0;
                self.twin.reported_version = version.or(self.twin.reported_version);
                debug!(
                    "twin: reported, version {}",
                    self.twin.reported_version.unwrap_or_default()
                );
            }
            (200..=299, None) => {
                self.twin.request = None;
                match Value::parse(body) {
                    Ok(twin) => self.twin_read(twin),
                    Err(error) => {
                        warn!("twin: {error}");
                        self.ignore("a twin that is not JSON");
                        self.twin.failed(now);
                    }
                }
            }
            (429 | 500.., _) => {
                info!("twin: the hub answered {status}; asking again");
                self.twin.failed(now);
            }
            (_, patch) => {
                // The same again would be refused again: give up what it was about.
                warn!(
                    "twin: the hub refused the {} with status {status}",
                    if patch.is_some() { "patch" } else { "read" }
                );
                self.twin.request = None;
                self.twin.current = true;
            }
        }
    }

    fn twin_read(&mut self, twin: Value<'_>) {
        let desired = twin.get("desired");
        let version = desired.and_then(|desired| desired.get("$version")?.as_i64());
        let Some((desired, version)) =
            desired.zip(version.and_then(|version| u64::try_from(version).ok()))
        else {
            warn!("twin: the hub's answer has no desired version");
            self.twin.current = true;
            return self.ignore("a twin without a desired version");
        };
        info!("twin: read, desired version {version}");
        self.twin.failures = 0;
        self.twin.current = true;
        self.twin.desired_version = version;
        self.apply(desired, version);
        self.twin.due |= properties::<A>()
            .filter(|(index, _)| self.twin.versions.get(*index) == Some(&0))
            .fold(0, |due, (index, _)| due | 1 << index);
    }

    /// A method may have changed what properties say.
    pub(super) fn properties_changed(&mut self) {
        self.twin.due |= properties::<A>().fold(0, |due, (index, _)| due | 1 << index);
    }

    /// An operator changed desired properties.
    pub(super) fn twin_desired(&mut self, version: Option<u64>, body: &[u8]) {
        let patch = match Value::parse(body) {
            Ok(patch) => patch,
            Err(error) => {
                warn!("twin: {error}");
                return self.ignore("a desired update that is not JSON");
            }
        };
        let in_body = patch.get("$version").and_then(Value::as_i64);
        let Some(version) = in_body
            .and_then(|version| u64::try_from(version).ok())
            .or(version)
        else {
            return self.ignore("a desired update without a version");
        };
        if !self.twin.current || version <= self.twin.desired_version {
            // The twin that was read, or is about to be, contains it.
            return debug!("twin: passed over desired version {version}");
        }
        self.twin.desired_version = version;
        self.apply(patch, version);
    }

    fn apply(&mut self, desired: Value<'_>, version: u64) {
        for (name, value) in desired.members() {
            for (index, property) in properties::<A>() {
                let value = match property.path() {
                    (None, plain) => name.is(plain).then_some(value),
                    // A component that was deleted takes its properties along.
                    (Some(component), _) if value.is_null() => name.is(component).then_some(value),
                    (Some(component), inner) => Some(value)
                        .filter(|_| name.is(component))
                        .and_then(|value| value.get(inner)),
                };
                if let Some(value) = value {
                    self.apply_property(index, property, value, version);
                }
            }
        }
    }

    fn apply_property(
        &mut self,
        index: usize,
        property: &Property<A>,
        value: Value<'_>,
        version: u64,
    ) {
        let result = (property.apply)(&mut self.application, value, &mut self.control);
        // It is acknowledged anyway.
        self.control.changed = false;
        match result {
            Ok(()) => info!("twin: {} applied, version {version}", property.name),
            Err(reason) => warn!("twin: {} refused: {reason}", property.name),
        }
        if let Some(refusal) = self.twin.refusals.get_mut(index) {
            *refusal = result.err();
        }
        if let Some(at) = self.twin.versions.get_mut(index) {
            *at = version;
        }
        self.twin.due |= 1 << index;
    }
}

/// The served entries of an application's table, with their numbers.
fn properties<A: Application>() -> impl Iterator<Item = (usize, &'static Property<A>)> + Clone {
    A::PROPERTIES.iter().take(MAX_PROPERTIES).enumerate()
}

/// Why a request was not sent.
enum Unsent {
    TooLong,
    Session(RequestError),
}

impl Display for Unsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => {
                f.write_str("the properties do not fit the scratch buffer; raise its size")
            }
            Self::Session(error) => write!(f, "{error}"),
        }
    }
}

impl From<RequestError> for Unsent {
    fn from(error: RequestError) -> Self {
        Self::Session(error)
    }
}
