//! Telemetry streams: messages of one kind, at an interval or on request.

use core::time::Duration;

use super::{Context, Message};
use crate::time::Instant;

/// A telemetry stream.
pub struct Stream<A> {
    pub(crate) name: &'static str,
    pub(crate) rate: Rate,
    pub(crate) component: Option<&'static str>,
    pub(crate) at_most_once: bool,
    pub(crate) sample: fn(&mut A, &mut Message<'_>, &mut Context<'_>),
}

/// Time between the messages of a stream, as its table says it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rate {
    /// The configured interval ([`Config::telemetry_interval`](crate::device::Config)).
    Configured,
    Every(Duration),
    OnRequest,
}

impl<A> Stream<A> {
    /// A stream at the configured interval ([`Config::telemetry_interval`](crate::device::Config),
    /// `CONFIG_AZURE_TELEMETRY_INTERVAL_S`). `sample` writes a message; nothing is sent if it writes none.
    pub const fn new(
        name: &'static str,
        sample: fn(&mut A, &mut Message<'_>, &mut Context<'_>),
    ) -> Self {
        Self {
            name,
            rate: Rate::Configured,
            component: None,
            at_most_once: false,
            sample,
        }
    }

    /// The same at an interval of its own. Zero is taken for one millisecond.
    pub const fn every(mut self, interval: Duration) -> Self {
        self.rate = Rate::Every(interval);
        self
    }

    /// The same without an interval: a message goes out when [`Context::send`] asks for it.
    pub const fn on_request(mut self) -> Self {
        self.rate = Rate::OnRequest;
        self
    }

    /// The same for a component of the device's model (IoT Plug and Play conventions, "Telemetry": `$.sub`).
    pub const fn of_component(mut self, component: &'static str) -> Self {
        self.component = Some(component);
        self
    }

    /// The same at QoS 0: a message is sent once, or dropped if there is no connection. Default is QoS 1.
    pub const fn at_most_once(mut self) -> Self {
        self.at_most_once = true;
        self
    }

    /// Its name.
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

/// When the messages of a stream are due.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Schedule {
    /// The interval that is in force.
    pub(crate) interval: Option<Duration>,
    /// The interval from the next message on.
    pub(crate) wanted: Option<Duration>,
    /// The interval that the device was configured with.
    pub(crate) own: Option<Duration>,
    /// When the next message is due.
    pub(crate) next: Option<Instant>,
    /// The next message was asked for.
    pub(crate) asked: bool,
}

impl Schedule {
    /// One that has not started.
    pub(crate) fn new(rate: Rate, configured: Option<Duration>) -> Self {
        let own = match rate {
            Rate::Configured => configured,
            Rate::Every(interval) => Some(interval),
            Rate::OnRequest => None,
        };
        Self {
            interval: own,
            wanted: own,
            own,
            next: None,
            asked: false,
        }
    }

    /// Makes the next message due now, if it is not due already.
    pub(crate) fn send(&mut self, now: Instant) {
        self.asked = true;
        self.next = Some(self.next.map_or(now, |due| due.min(now)));
    }

    /// Makes the first message due, if there is an interval.
    pub(crate) fn start(&mut self, now: Instant) {
        if self.interval.is_some() {
            self.next.get_or_insert(now);
        }
    }

    /// Puts a new interval into force. What has fallen due is measured by the interval that was in force then.
    pub(crate) fn apply(&mut self, now: Instant, is_stopping: bool) {
        let is_due = self.next.is_some_and(|due| now >= due);
        if self.wanted != self.interval && (!is_due || is_stopping) {
            self.interval = self.wanted;
            self.next = self.wanted.map(|interval| now.after(interval));
            self.asked = false;
        }
    }

    /// Takes the message that is due, and sets when the one after it is. Gives how many fell due before it and were not
    /// measured; `None` if none is due.
    pub(crate) fn take(&mut self, now: Instant) -> Option<u32> {
        let due = self.next.filter(|due| now >= *due)?;
        self.next = None;
        self.asked = false;
        let Some(interval) = self.interval else {
            return Some(0);
        };
        let interval = Instant::default().after(interval).as_millis().max(1);
        let late = now.as_millis().saturating_sub(due.as_millis());
        let missed = late / interval;
        let next = due
            .as_millis()
            .saturating_add((missed + 1).saturating_mul(interval));
        self.next = Some(Instant::from_millis(next));
        Some(u32::try_from(missed).unwrap_or(u32::MAX))
    }
}
