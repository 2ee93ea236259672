//! Messages from any thread: queued without waiting, in bounded memory, until the device takes them.
//!
//! The device's loop has one thread. Code of other threads, and of interrupts where the platform allows it, hands its
//! messages to an [`Outlet`]. Behind it is a [`Ring`], which the platform guards by a lock of its own. The device moves
//! the messages into its outbox, in their order, and tells what became of those that asked for it.
//!
//! A message that finds no room is refused at once ([`SendError`]): its sender knows best what to do. One that was taken
//! counts like every telemetry message: it is delivered, or dropped for a counted [`Cause`].

use core::fmt::{self, Display};

use crate::report::Cause;
use crate::time::Instant;

/// Length of a record's fixed part, in bytes: its length, flags, ticket, time, and time to live.
const HEADER: usize = 2 + 1 + 4 + 8 + 4;
/// Length of a field's fixed part, in bytes: its tag and length.
const FIELD_HEADER: usize = 3;
/// Flag of a message at QoS 0.
const AT_MOST_ONCE: u8 = 1;
/// Flag of an urgent message.
const URGENT: u8 = 2;

/// Importance of a message, if a queue is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Importance {
    /// It outlives others.
    pub(crate) urgent: bool,
    /// Seconds after which it is of no use; 0 if it always is.
    pub(crate) time_to_live: u32,
}

impl Importance {
    pub(crate) const ROUTINE: Self = Self {
        urgent: false,
        time_to_live: 0,
    };
}

/// Fields of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Tag {
    Component = 1,
    ContentType,
    ContentEncoding,
    CorrelationId,
    MessageId,
    Key,
    Value,
    Body,
}

impl Tag {
    const ALL: [Self; 8] = [
        Self::Component,
        Self::ContentType,
        Self::ContentEncoding,
        Self::CorrelationId,
        Self::MessageId,
        Self::Key,
        Self::Value,
        Self::Body,
    ];
}

/// A message with its data, to be sent as soon as there is a connection.
///
/// ```
/// use azure_device::outlet::Submission;
/// let alarm = Submission::json(r#"{"door":"open"}"#).properties(&[("alert", "true")]).confirmed();
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Submission<'a> {
    body: &'a [u8],
    content_type: Option<&'a str>,
    content_encoding: Option<&'a str>,
    component: Option<&'a str>,
    correlation_id: Option<&'a str>,
    message_id: Option<&'a str>,
    properties: &'a [(&'a str, &'a str)],
    at_most_once: bool,
    importance: Importance,
    confirmed: bool,
}

impl<'a> Submission<'a> {
    /// A JSON text, which is sent as it is: `application/json` in UTF-8, so that message routing can look into it.
    pub const fn json(text: &'a str) -> Self {
        let message = Self::bytes(text.as_bytes());
        message.content("application/json", "utf-8")
    }

    /// A body of any bytes, without content type.
    pub const fn bytes(body: &'a [u8]) -> Self {
        Self {
            body,
            content_type: None,
            content_encoding: None,
            component: None,
            correlation_id: None,
            message_id: None,
            properties: &[],
            at_most_once: false,
            importance: Importance::ROUTINE,
            confirmed: false,
        }
    }

    /// The same with the type of its body (`$.ct`), such as `application/cbor`, and the encoding (`$.ce`). An empty text
    /// leaves the property out.
    pub const fn content(mut self, content_type: &'a str, encoding: &'a str) -> Self {
        self.content_type = if content_type.is_empty() {
            None
        } else {
            Some(content_type)
        };
        self.content_encoding = if encoding.is_empty() {
            None
        } else {
            Some(encoding)
        };
        self
    }

    /// The same with application properties: keys and values. A key is neither empty nor starts with `$.`.
    pub const fn properties(mut self, properties: &'a [(&'a str, &'a str)]) -> Self {
        self.properties = properties;
        self
    }

    /// The same for a component of the device's model (`$.sub`).
    pub const fn of_component(mut self, component: &'a str) -> Self {
        self.component = Some(component);
        self
    }

    /// The same with the id of the message that it answers (`$.cid`).
    pub const fn correlation_id(mut self, id: &'a str) -> Self {
        self.correlation_id = Some(id);
        self
    }

    /// The same with an id of its own (`$.mid`) in place of the one that the device gives.
    pub const fn message_id(mut self, id: &'a str) -> Self {
        self.message_id = Some(id);
        self
    }

    /// The same at QoS 0: sent once, or dropped if there is no connection.
    pub const fn at_most_once(mut self) -> Self {
        self.at_most_once = true;
        self
    }

    /// The same, kept longer than others if a queue is full: an alarm outlives routine values.
    pub const fn urgent(mut self) -> Self {
        self.importance.urgent = true;
        self
    }

    /// The same, dropped if it was not sent after so many seconds.
    pub const fn time_to_live(mut self, seconds: u32) -> Self {
        self.importance.time_to_live = seconds;
        self
    }

    /// The same with a [`Ticket`]: its sender is told what became of it.
    pub const fn confirmed(mut self) -> Self {
        self.confirmed = true;
        self
    }

    fn fields(&self) -> impl Iterator<Item = (Tag, &'a [u8])> {
        let single = [
            (Tag::Component, self.component),
            (Tag::ContentType, self.content_type),
            (Tag::ContentEncoding, self.content_encoding),
            (Tag::CorrelationId, self.correlation_id),
            (Tag::MessageId, self.message_id),
        ];
        let single = single
            .into_iter()
            .filter_map(|(tag, text)| Some((tag, text?.as_bytes())));
        let properties = self
            .properties
            .iter()
            .flat_map(|(key, value)| [(Tag::Key, key.as_bytes()), (Tag::Value, value.as_bytes())]);
        single.chain(properties).chain([(Tag::Body, self.body)])
    }
}

/// Number of a message whose sender wants to know what becomes of it. Unique among those that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket(u32);

impl Ticket {
    /// The number, never 0.
    pub const fn number(self) -> u32 {
        self.0
    }
}

/// Outcome of a message whose sender wanted to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The hub has it; at QoS 0: it was handed to an open connection.
    Delivered,
    /// It will not be delivered.
    Dropped(Cause),
}

/// Reason why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// There is no room now. Try again later, or count it as lost.
    Full,
    /// It has this many bytes with its properties, and can never be taken.
    TooLarge {
        /// Bytes that it needs.
        needed: usize,
        /// Bytes that there are.
        size: usize,
    },
    /// The key of an application property is empty, or starts with `$.`, which only system properties do.
    BadKey,
    /// As many messages as can be remembered wait for their outcome: send it without a ticket, or later.
    TooManyTickets,
}

impl Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("there is no room for another message now"),
            Self::TooLarge { needed, size } => write!(
                f,
                "the message has {needed} bytes with its properties, and {size} at most can be taken"
            ),
            Self::BadKey => f.write_str(
                "a property's key is empty or starts with $., which is kept for system properties: name it otherwise",
            ),
            Self::TooManyTickets => {
                f.write_str("too many messages wait for their outcome: send this one without asking for it, or later")
            }
        }
    }
}

impl core::error::Error for SendError {}

/// Takes messages from any thread.
pub trait Outlet {
    /// Queues a message, and gives its ticket if one was asked for. Does not wait.
    ///
    /// # Errors
    ///
    /// The message was not taken: see [`SendError`].
    fn send(&self, message: &Submission<'_>) -> Result<Option<Ticket>, SendError>;
}

/// Memory behind an [`Outlet`]: records in a ring of bytes.
#[derive(Debug)]
pub struct Ring<S> {
    storage: S,
    /// Place at which the oldest record begins.
    head: usize,
    /// Bytes in use.
    used: usize,
    /// The longest record.
    longest: usize,
    last_ticket: u32,
    /// Tickets without an outcome.
    tickets: usize,
    most_tickets: usize,
}

impl<S: AsRef<[u8]> + AsMut<[u8]>> Ring<S> {
    /// An empty ring. A record has `longest` bytes at most (the message, its properties, 19 bytes, and 3 for each of its
    /// parts); so many tickets may wait.
    pub const fn new(storage: S, longest: usize, most_tickets: usize) -> Self {
        Self {
            storage,
            head: 0,
            used: 0,
            longest,
            last_ticket: 0,
            tickets: 0,
            most_tickets,
        }
    }

    /// True if nothing waits in it.
    pub const fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Queues a message that was made at this time.
    ///
    /// # Errors
    ///
    /// See [`SendError`]; nothing has changed then.
    pub fn push(
        &mut self,
        message: &Submission<'_>,
        now: Instant,
    ) -> Result<Option<Ticket>, SendError> {
        let bad = |key: &str| key.is_empty() || key.starts_with("$.");
        if message.properties.iter().any(|(key, _)| bad(key)) {
            return Err(SendError::BadKey);
        }
        let fields = message
            .fields()
            .map(|(_, bytes)| FIELD_HEADER + bytes.len());
        let needed = HEADER + fields.sum::<usize>();
        let capacity = self.storage.as_ref().len();
        let size = self.longest.min(capacity).min(usize::from(u16::MAX));
        if needed > size {
            return Err(SendError::TooLarge { needed, size });
        }
        if needed > capacity - self.used {
            return Err(SendError::Full);
        }
        if message.confirmed && self.tickets >= self.most_tickets {
            return Err(SendError::TooManyTickets);
        }
        let ticket = message.confirmed.then(|| {
            self.tickets += 1;
            self.last_ticket = self.last_ticket.checked_add(1).unwrap_or(1);
            Ticket(self.last_ticket)
        });
        // They fit, as was checked above.
        self.put(&(needed as u16).to_le_bytes());
        let at_most_once = if message.at_most_once {
            AT_MOST_ONCE
        } else {
            0
        };
        let Importance {
            urgent,
            time_to_live,
        } = message.importance;
        self.put(&[at_most_once | if urgent { URGENT } else { 0 }]);
        self.put(&ticket.map_or(0, Ticket::number).to_le_bytes());
        self.put(&now.as_millis().to_le_bytes());
        self.put(&time_to_live.to_le_bytes());
        for (tag, bytes) in message.fields() {
            self.put(&[tag as u8]);
            self.put(&(bytes.len() as u16).to_le_bytes());
            self.put(bytes);
        }
        Ok(ticket)
    }

    /// Moves the oldest record into `space`, and gives its length; `None` if there is none. If it is longer than
    /// `space`, only its start is there, and the rest is gone.
    pub fn pop(&mut self, space: &mut [u8]) -> Option<usize> {
        let mut length = [0; 2];
        if self.used < HEADER {
            return None;
        }
        self.copy(&mut length);
        let length = usize::from(u16::from_le_bytes(length)).min(self.used);
        let kept = length.min(space.len());
        self.copy(space.get_mut(..kept)?);
        self.head = (self.head + length) % self.storage.as_ref().len().max(1);
        self.used -= length;
        Some(length)
    }

    /// A ticket has its outcome.
    pub const fn settle(&mut self) {
        self.tickets = self.tickets.saturating_sub(1);
    }

    /// Appends bytes for which there is room.
    fn put(&mut self, bytes: &[u8]) {
        let storage = self.storage.as_mut();
        let at = (self.head + self.used) % storage.len().max(1);
        let (low, high) = storage.split_at_mut(at);
        let first = bytes.len().min(high.len());
        let (first, second) = bytes.split_at(first);
        for (to, part) in [(high, first), (low, second)] {
            if let Some(to) = to.get_mut(..part.len()) {
                to.copy_from_slice(part);
            }
        }
        self.used += bytes.len();
    }

    /// Copies the first bytes.
    fn copy(&self, space: &mut [u8]) {
        let (low, high) = self.storage.as_ref().split_at(self.head);
        let first = space.len().min(high.len());
        let (to_first, to_second) = space.split_at_mut(first);
        for (to, from) in [(to_first, high), (to_second, low)] {
            if let Some(from) = from.get(..to.len()) {
                to.copy_from_slice(from);
            }
        }
    }
}

/// A message as the device takes it from the ring.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'r> {
    pub(crate) at_most_once: bool,
    pub(crate) importance: Importance,
    pub(crate) ticket: Option<Ticket>,
    /// Time at which it was made.
    pub(crate) created: Instant,
    fields: &'r [u8],
}

/// A part of a [`Record`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part<'r> {
    Component(&'r str),
    ContentType(&'r str),
    ContentEncoding(&'r str),
    CorrelationId(&'r str),
    MessageId(&'r str),
    Key(&'r str),
    Value(&'r str),
    Body(&'r [u8]),
}

impl<'r> Record<'r> {
    /// A record at the front of `bytes`, of which the end may be missing. `None` if not even its header is there.
    pub(crate) fn parse(bytes: &'r [u8]) -> Option<Self> {
        let (header, fields) = bytes.split_first_chunk::<HEADER>()?;
        let (created, time_to_live) = header.get(7..)?.split_first_chunk()?;
        let [_, _, flags, a, b, c, d, ..] = *header;
        let ticket = u32::from_le_bytes([a, b, c, d]);
        Some(Self {
            at_most_once: flags & AT_MOST_ONCE != 0,
            importance: Importance {
                urgent: flags & URGENT != 0,
                time_to_live: u32::from_le_bytes(*time_to_live.first_chunk()?),
            },
            ticket: (ticket != 0).then_some(Ticket(ticket)),
            created: Instant::from_millis(u64::from_le_bytes(*created)),
            fields,
        })
    }

    /// Its parts, in the order of [`Part`]; the body comes last.
    pub(crate) fn parts(&self) -> impl Iterator<Item = Part<'r>> + use<'r> {
        let mut rest = self.fields;
        core::iter::from_fn(move || {
            let ([tag, low, high], after) = rest.split_first_chunk::<FIELD_HEADER>()?;
            let length = usize::from(u16::from_le_bytes([*low, *high]));
            let (bytes, after) = after.split_at_checked(length)?;
            rest = after;
            let tag = Tag::ALL.into_iter().find(|known| *known as u8 == *tag)?;
            let text = || core::str::from_utf8(bytes).ok();
            Some(match tag {
                Tag::Component => Part::Component(text()?),
                Tag::ContentType => Part::ContentType(text()?),
                Tag::ContentEncoding => Part::ContentEncoding(text()?),
                Tag::CorrelationId => Part::CorrelationId(text()?),
                Tag::MessageId => Part::MessageId(text()?),
                Tag::Key => Part::Key(text()?),
                Tag::Value => Part::Value(text()?),
                Tag::Body => Part::Body(bytes),
            })
        })
    }
}

#[cfg(test)]
#[path = "outlet_tests.rs"]
mod tests;
