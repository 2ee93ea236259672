//! Telemetry streams: messages of one kind, at an interval or on request.

use core::time::Duration;

use super::{Context, Message, Name};
use crate::outlet::Importance;
use crate::time::Instant;

/// A telemetry stream.
pub struct Stream<A> {
    pub(crate) name: Name,
    rate: Rates,
    pub(crate) component: Option<&'static str>,
    pub(crate) at_most_once: bool,
    pub(crate) importance: Importance,
    sample: Sample<A>,
}

/// Time between the messages of a stream, as its table says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// The configured interval ([`Config::telemetry_interval`](crate::device::Config)).
    Configured,
    /// An interval of its own. Zero is taken for one millisecond.
    Every(Duration),
    /// No interval: a message goes out when [`Context::send`] asks for it.
    OnRequest,
}

enum Rates {
    Fixed(Rate),
    Indexed(usize, fn(usize) -> Rate),
}

enum Sample<A> {
    Function(fn(&mut A, &mut Message<'_>, &mut Context<'_>)),
    Indexed(usize, fn(&mut A, usize, &mut Message<'_>, &mut Context<'_>)),
}

impl<A> Stream<A> {
    /// A stream at the configured interval ([`Config::telemetry_interval`](crate::device::Config),
    /// `CONFIG_AZURE_TELEMETRY_INTERVAL_S`). `sample` writes a message; nothing is sent if it writes none.
    pub const fn new(
        name: &'static str,
        sample: fn(&mut A, &mut Message<'_>, &mut Context<'_>),
    ) -> Self {
        Self {
            name: Name::Fixed(name),
            rate: Rates::Fixed(Rate::Configured),
            component: None,
            at_most_once: false,
            importance: Importance::ROUTINE,
            sample: Sample::Function(sample),
        }
    }

    /// A stream whose name is known at run time: `name` gives it for `index`, or `None` if the application has no such
    /// stream. `rate` gives the time between its messages, and `sample` gets the index too.
    pub const fn indexed(
        index: usize,
        name: fn(usize) -> Option<&'static str>,
        rate: fn(usize) -> Rate,
        sample: fn(&mut A, usize, &mut Message<'_>, &mut Context<'_>),
    ) -> Self {
        Self {
            name: Name::Indexed(index, name),
            rate: Rates::Indexed(index, rate),
            component: None,
            at_most_once: false,
            importance: Importance::ROUTINE,
            sample: Sample::Indexed(index, sample),
        }
    }

    /// The same at an interval of its own. Zero is taken for one millisecond.
    pub const fn every(mut self, interval: Duration) -> Self {
        self.rate = Rates::Fixed(Rate::Every(interval));
        self
    }

    /// The same without an interval: a message goes out when [`Context::send`] asks for it.
    pub const fn on_request(mut self) -> Self {
        self.rate = Rates::Fixed(Rate::OnRequest);
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

    /// The same with messages that are kept longer than others if a queue is full: an alarm outlives routine values.
    pub const fn urgent(mut self) -> Self {
        self.importance.urgent = true;
        self
    }

    /// The same with messages that are dropped if they were not sent after so many seconds.
    pub const fn time_to_live(mut self, seconds: u32) -> Self {
        self.importance.time_to_live = seconds;
        self
    }

    /// Its name; `None` if this is an entry that is not in use.
    pub fn name(&self) -> Option<&'static str> {
        self.name.get()
    }

    pub(crate) fn rate(&self) -> Rate {
        match self.rate {
            Rates::Fixed(rate) => rate,
            Rates::Indexed(index, rate) => rate(index),
        }
    }

    /// Writes a message.
    pub(crate) fn sample(
        &self,
        application: &mut A,
        message: &mut Message<'_>,
        device: &mut Context<'_>,
    ) {
        match self.sample {
            Sample::Function(sample) => sample(application, message, device),
            Sample::Indexed(index, sample) => sample(application, index, message, device),
        }
    }
}

/// Times at which the messages of a stream are due.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Schedule {
    /// The interval that is in force.
    pub(crate) interval: Option<Duration>,
    /// The interval from the next message on.
    pub(crate) wanted: Option<Duration>,
    /// The interval that the device was configured with.
    pub(crate) own: Option<Duration>,
    /// Time of the next message.
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
