//! The device twin: get it after each connect, apply what is desired, report what is.
//!
//! Theory (Microsoft, "Understand and use device twins" and "Communicate with an IoT hub using the MQTT
//! protocol"): desired changes are told only to a connected device, so each connection begins with a GET;
//! notifications with a version that the GET already had are dropped. What is to be reported is kept as
//! marks, not as text: an update that happens while a patch is under way is part of the next one, and any
//! number of them is one patch, or several if one does not fit the buffer. A request without an answer, or with
//! 429 or 5xx, is repeated after a growing wait.
//!
//! Documents of the twin are read as they come, in pieces if they are larger than the receive buffer
//! ([`document`]), and applied as a whole when they have ended ([`desired`]). A twin that was read in full says
//! all that is desired: a property that is not in it was deleted. All writable properties are reported after
//! each such read ([`report`]), since the reported properties may be another device's, or nobody's.
//!
//! A writable property that nobody desires is reported with status 203 and version 0, and again when a method
//! changed it (IoT Plug and Play conventions, "Acknowledgment responses"): the twin shows what is in force.
//!
//! Limits: one request at a time; one document at a time, as MQTT has it.

mod desired;
mod document;
mod report;

use core::fmt::{self, Display};
use core::time::Duration;

use self::document::{Document, NameOf, Unknown};
use super::Device;
use super::exchange::ignore;
use crate::application::{Application, MAX_PROPERTIES, Property};
use crate::connection::Connection;
use crate::logging::{debug, info, warn};
use crate::mqtt::RequestError;
use crate::text::render;
use crate::time::Instant;
use crate::topic::Outbound;

/// Time that an answer is waited for, and how long the next piece of one.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The first wait before a request is repeated; it doubles.
const RETRY_MIN: Duration = Duration::from_secs(2);
/// The longest wait before a request is repeated.
const RETRY_MAX: Duration = Duration::from_secs(600);

/// Knowledge of the twin, and what is to be said about it.
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
    verdicts: [Verdict; MAX_PROPERTIES],
    /// The document that is being read.
    document: Document,
    unknown: Unknown,
}

/// Fate of a property's desired value.
#[derive(Clone, Copy, Debug, Default)]
struct Verdict {
    /// The version that desired it; 0 if none does.
    version: u64,
    refusal: Option<Refusal>,
}

/// Reason why a desired value is not in force.
#[derive(Clone, Copy, Debug)]
struct Refusal {
    status: u16,
    reason: &'static str,
}

/// A request that waits for its answer.
#[derive(Clone, Copy, Debug)]
struct Request {
    id: u32,
    until: Instant,
    patch: Option<Patch>,
}

/// Properties that a patch reports, to mark them again should it fail.
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

    /// Marks that the device's counters have changed.
    pub(super) const fn counters_changed(&mut self) {
        self.counters_due = true;
    }

    /// Marks again what the request under way wanted to report.
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

    /// The document goes on with these bytes.
    fn read_on(&mut self, now: Instant, bytes: &[u8], space: &mut [u8], names: NameOf) {
        // On a slow link, a large twin takes its time: it is late only if nothing comes.
        if let Some(request) = &mut self.request {
            request.until = now.after(TIMEOUT);
        }
        self.document.feed(bytes, space, names, &mut self.unknown);
    }

    /// The request that an answer with this id is for.
    fn request_of(&self, request_id: &str) -> Option<Request> {
        self.request
            .filter(|request| request_id.parse() == Ok(request.id))
    }
}

impl<A: Application> Device<'_, A> {
    /// Sends the request that is due, if any.
    pub(super) fn poll_twin(&mut self, connection: &mut Connection<'_>, now: Instant) {
        if !self.config.twin || self.without_twin || !connection.is_running() {
            return;
        }
        let Some((id, patch)) = self.twin.next(now) else {
            return;
        };
        let sent = match patch {
            Some(patch) => self.send_patch(connection, id, patch),
            None => send_get(connection, id),
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

    /// An answer to a request begins. If its body is the twin, gives the request's id: then the body is for
    /// [`Device::twin_piece`], and its end for [`Device::twin_ended`].
    pub(super) fn twin_answered(
        &mut self,
        connection: &mut Connection<'_>,
        now: Instant,
        status: u16,
        request_id: &str,
        version: Option<u64>,
    ) -> Option<u32> {
        let Some(request) = self.twin.request_of(request_id) else {
            ignore(connection, "an answer to no twin request");
            return None;
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
                self.twin.document = Document::whole();
                return Some(request.id);
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
        None
    }

    /// The twin, or a change of it, goes on with these bytes.
    pub(super) fn twin_piece(&mut self, now: Instant, bytes: &[u8]) {
        self.twin
            .read_on(now, bytes, &mut *self.twin_space, name_of::<A>);
    }
}

fn send_get(connection: &mut Connection<'_>, id: u32) -> Result<(), Unsent> {
    let topic = render(
        &mut *connection.scratch,
        Outbound::TwinGet { request_id: id },
    )
    .map_err(|_| Unsent::TooLong)?;
    connection
        .session
        .publish_now(topic, b"")
        .map_err(Unsent::from)
}

/// The name of an entry of an application's table.
fn name_of<A: Application>(index: usize) -> Option<&'static str> {
    Some(A::PROPERTIES.get(index)?.name)
}

/// The entries of an application's table, with their numbers.
fn properties<A: Application>() -> impl Iterator<Item = (usize, &'static Property<A>)> + Clone {
    A::PROPERTIES.iter().take(MAX_PROPERTIES).enumerate()
}

/// Reason why a request was not sent.
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
