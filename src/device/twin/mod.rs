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
//! each such read ([`patch`]), since the reported properties may be those of another device, or missing.
//!
//! A writable property without a desired value is reported with status 203 and version 0, and again when a method
//! changed it (IoT Plug and Play conventions, "Acknowledgment responses"): the twin shows what is in force.
//!
//! [`Twin`] is a machine of its own. It is told what the hub answered, and gives the next request. The application's
//! side of it is behind [`Properties`], so that it is tested without a device.
//!
//! Limits: one request at a time; one document at a time, as MQTT has it.

mod desired;
mod document;
mod patch;
#[cfg(test)]
mod tests;

use core::time::Duration;

use self::document::{Document, NameOf, Unknown};
use self::patch::Patch;
use super::updates::Tap;
use crate::application::{self, MAX_PROPERTIES, property_names};
use crate::json::{Object, Slot, TooLong, Value};
use crate::logging::{debug, info, warn};
use crate::text::{render, written};
use crate::time::Instant;
use crate::topic::Outbound;

/// Time that an answer is waited for, and how long the next piece of one.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The first wait before a request is repeated; it doubles.
const RETRY_MIN: Duration = Duration::from_secs(2);
/// The longest wait before a request is repeated.
const RETRY_MAX: Duration = Duration::from_secs(600);
/// The part of the space for a request, in bytes, that its topic takes.
const TOPIC_SIZE: usize = 64;

/// The application's side of the twin: its properties, by their numbers. Writable ones begin at 0, those that only the
/// device sets at [`MAX_PROPERTIES`].
pub(super) trait Properties {
    /// Takes a desired value; `null` if it was deleted.
    ///
    /// # Errors
    ///
    /// The reason why the application refuses it.
    fn apply(&mut self, index: usize, value: Value<'_>) -> Result<(), application::Refusal>;
    /// True if there is a value to report.
    fn is_present(&mut self, index: usize) -> bool;
    /// Writes the value in force.
    fn write(&mut self, index: usize, value: Slot<'_, '_>);
    /// Writes the component of updates.
    fn write_update(&mut self, _reported: &mut Object<'_, '_>) {}
}

/// Names of an application's properties.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names {
    /// Of the writable ones.
    pub(super) writable: NameOf,
    /// Of those that only the device sets.
    pub(super) reported: NameOf,
    /// Those that are reported when messages are dropped, one bit each.
    pub(super) counting: u64,
}

impl Names {
    /// All properties, with their numbers: first those that only the device sets.
    fn all(self) -> impl Iterator<Item = (usize, &'static str)> + Clone {
        property_names(self.writable, self.reported)
    }
}

/// A bit for a property, by its number.
const fn bit(index: usize) -> u64 {
    1 << index
}

/// The component of updates.
#[cfg(feature = "update")]
pub(super) const UPDATE: u64 = bit(63);
/// No component of updates.
#[cfg(not(feature = "update"))]
const UPDATE: u64 = 0;

/// All writable properties.
pub(super) const WRITABLE: u64 = bit(MAX_PROPERTIES) - 1;

/// Kind of a response of the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ResponseKind {
    /// It answers no request.
    Unexpected,
    /// It was taken.
    Taken,
    /// Its body is the whole twin, for [`Twin::feed`] and [`Twin::read_whole`] with this request's id.
    Whole(u32),
}

/// A reason why a document was passed over.
pub(super) type PassedOver = &'static str;

/// State of the twin on this device.
#[derive(Debug)]
pub(super) struct Twin<'b> {
    /// For the desired values of a document, until it has ended.
    space: &'b mut [u8],
    names: Names,
    /// The hub serves it on this connection.
    is_served: bool,
    /// The version of the desired properties that were applied last.
    desired_version: u64,
    /// The version of the reported properties after the last patch.
    reported_version: Option<u64>,
    /// The twin was read on this connection.
    current: bool,
    request: Option<Request>,
    last_request_id: u32,
    /// Earliest time for the next request after one that failed; `None` if none failed.
    not_before: Option<Instant>,
    failures: u32,
    /// Properties that are to be reported.
    due: Patch,
    /// Result of each property's desired value.
    verdicts: [Verdict; MAX_PROPERTIES],
    /// The document that is being read.
    document: Document,
    unknown: Unknown,
    /// The hub acknowledged a report of the component of updates, which has not changed since.
    #[cfg(feature = "update")]
    update_reported: bool,
}

/// Result of a property's desired value.
#[derive(Clone, Copy, Debug, Default)]
struct Verdict {
    /// The version of the desired properties that has it; 0 if none has.
    version: u64,
    refusal: Option<Refusal>,
}

/// Reason why a desired value is not in force.
#[derive(Clone, Copy, Debug)]
struct Refusal {
    status: u16,
    reason: application::Refusal,
}

/// A request that waits for its answer.
#[derive(Clone, Copy, Debug)]
struct Request {
    id: u32,
    until: Instant,
    /// Properties that it reports, to mark them again should it fail; `None` if it reads the twin.
    patch: Option<Patch>,
}

impl<'b> Twin<'b> {
    /// A twin that was never read, of an application whose properties have these names.
    pub(super) fn new(space: &'b mut [u8], names: Names) -> Self {
        Self {
            space,
            names,
            is_served: false,
            desired_version: 0,
            reported_version: None,
            current: false,
            request: None,
            last_request_id: 0,
            not_before: None,
            failures: 0,
            due: Patch::default(),
            verdicts: [Verdict::default(); MAX_PROPERTIES],
            document: Document::default(),
            unknown: Unknown::default(),
            #[cfg(feature = "update")]
            update_reported: false,
        }
    }

    /// A new connection: nothing of the last one's is under way. `is_served` is false if its hub has no twins.
    pub(super) fn connected(&mut self, is_served: bool) {
        self.abandon();
        self.is_served = is_served;
        self.current = false;
        self.changed(!WRITABLE);
        self.not_before = None;
        self.failures = 0;
    }

    /// The hub refuses to serve it on this connection.
    pub(super) const fn not_served(&mut self) {
        self.is_served = false;
    }

    /// Marks that the device's counters have changed.
    pub(super) const fn counters_changed(&mut self) {
        self.due = self.due.with(Patch(self.names.counting));
    }

    /// Marks these properties, as far as they exist: their values may have changed.
    pub(super) fn changed(&mut self, properties: u64) {
        let all = self.names.all().map(|(index, _)| bit(index));
        self.due = self
            .due
            .with(Patch(properties & all.fold(UPDATE, |all, bit| all | bit)));
    }

    /// Reads the twin again.
    #[cfg(feature = "update")]
    pub(super) const fn read_again(&mut self) {
        self.current = false;
    }

    /// True, once, after the hub acknowledged a report of the component of updates.
    #[cfg(feature = "update")]
    pub(super) const fn take_update_reported(&mut self) -> bool {
        core::mem::replace(&mut self.update_reported, false)
    }

    /// The writable properties, with their numbers.
    fn table(&self) -> impl Iterator<Item = (usize, &'static str)> + Clone + use<> {
        let names = self.names.all();
        names.filter(|(index, _)| *index < MAX_PROPERTIES)
    }

    /// Marks again what the request under way wanted to report.
    fn abandon(&mut self) {
        if let Some(Request {
            patch: Some(patch), ..
        }) = self.request.take()
        {
            self.due = self.due.with(patch);
        }
    }

    /// The request under way failed, or could not be sent: it is repeated after a wait.
    pub(super) fn failed(&mut self, now: Instant) {
        self.abandon();
        let wait = RETRY_MIN
            .saturating_mul(1 << self.failures.min(16))
            .min(RETRY_MAX);
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(now.after(wait));
    }

    /// Writes the request that is due into `space`: its topic and its payload. `None` if none is due. If it cannot be
    /// sent, tell [`Twin::failed`].
    ///
    /// # Errors
    ///
    /// It does not fit, not even the smallest part of what is to be reported.
    pub(super) fn poll<'s>(
        &mut self,
        now: Instant,
        properties: &mut dyn Properties,
        space: &'s mut [u8],
    ) -> Option<Result<(&'s str, &'s str), TooLong>> {
        let is_read = self.next(now)?;
        let written = match is_read {
            true => self.write_read(now, space),
            false => self.write_largest_patch(now, properties, space),
        };
        if written.is_err() {
            self.failed(now);
        }
        Some(written)
    }

    /// True if the twin is to be read now, false if something is to be reported; `None` if there is nothing to do.
    fn next(&mut self, now: Instant) -> Option<bool> {
        if !self.is_served {
            return None;
        }
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
        match self.current {
            true => (!self.due.is_empty()).then_some(false),
            false => Some(true),
        }
    }

    /// Notes a new request; gives its id.
    fn begin(&mut self, now: Instant, patch: Option<Patch>) -> u32 {
        self.last_request_id = self.last_request_id.wrapping_add(1);
        self.request = Some(Request {
            id: self.last_request_id,
            until: now.after(TIMEOUT),
            patch,
        });
        self.last_request_id
    }

    fn write_read<'s>(
        &mut self,
        now: Instant,
        space: &'s mut [u8],
    ) -> Result<(&'s str, &'s str), TooLong> {
        let request_id = self.begin(now, None);
        let topic = render(space, Outbound::TwinGet { request_id }).map_err(|_| TooLong)?;
        Ok((topic, ""))
    }

    /// Writes as much of what is due as fits.
    fn write_largest_patch<'s>(
        &mut self,
        now: Instant,
        properties: &mut dyn Properties,
        space: &'s mut [u8],
    ) -> Result<(&'s str, &'s str), TooLong> {
        let (topic, payload) = space.split_at_mut_checked(TOPIC_SIZE).ok_or(TooLong)?;
        let mut patch = self.due;
        let length = loop {
            match (
                self.write_patch(patch, properties, payload),
                patch.smaller(),
            ) {
                (Err(TooLong), Some(smaller)) => patch = smaller,
                (length, _) => break length?,
            }
        };
        self.due = self.due.without(patch);
        let request_id = self.begin(now, Some(patch));
        let topic = render(topic, Outbound::ReportedPatch { request_id }).map_err(|_| TooLong)?;
        Ok((topic, written(payload, length)))
    }

    /// Time at which [`Twin::poll`] has something to do by itself; `None` if it has nothing.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match (self.request, self.not_before) {
            _ if !self.is_served => None,
            (Some(request), _) => Some(request.until),
            (None, wait) if !self.current || !self.due.is_empty() => Some(wait.unwrap_or_default()),
            _ => None,
        }
    }

    /// Handles the beginning of an answer.
    pub(super) fn handle_response(
        &mut self,
        now: Instant,
        status: u16,
        request_id: &str,
        version: Option<u64>,
    ) -> ResponseKind {
        let request = self
            .request
            .filter(|request| request_id.parse() == Ok(request.id));
        let Some(request) = request else {
            return ResponseKind::Unexpected;
        };
        match (status, request.patch) {
            (200..=299, Some(_patch)) => {
                self.request = None;
                #[cfg(feature = "update")]
                {
                    self.update_reported = _patch.0 & !self.due.0 & UPDATE != 0;
                }
                self.failures = 0;
                self.reported_version = version.or(self.reported_version);
                debug!(
                    "twin: reported, version {}",
                    self.reported_version.unwrap_or_default()
                );
            }
            (200..=299, None) => {
                self.document = Document::whole();
                return ResponseKind::Whole(request.id);
            }
            (429 | 500.., _) => {
                info!("twin: the hub answered {status}; asking again");
                self.failed(now);
            }
            (_, patch) => {
                // The same again would be refused again: give up what it was about.
                warn!(
                    "twin: the hub refused the {} with status {status}",
                    if patch.is_some() { "patch" } else { "read" }
                );
                self.request = None;
                self.current = true;
            }
        }
        ResponseKind::Taken
    }

    /// The document goes on with these bytes.
    pub(super) fn feed(&mut self, now: Instant, bytes: &[u8], tap: Tap<'_>) {
        // On a slow link, a large twin takes its time: it is late only if nothing comes.
        if let Some(request) = &mut self.request {
            request.until = now.after(TIMEOUT);
        }
        self.document.feed(
            bytes,
            self.space,
            self.names.writable,
            (&mut self.unknown, tap),
        );
    }
}
