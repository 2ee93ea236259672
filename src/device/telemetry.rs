//! Telemetry: when it is due, what it consists of, and where it waits.
//!
//! From the first time that the device has joined, a message is measured and time-stamped when it is due, connected
//! or not, and then waits in the session's outbox, which is bounded and drops by the configured policy. Messages are
//! due at fixed times, an interval apart; one that could not be measured at its time is counted
//! ([`Cause::NotSampled`]).

use core::fmt::{self, Display};

use super::{Device, MessageIds};
use crate::application::Application;
use crate::connection::Connection;
use crate::identity::Identity;
use crate::json::Object;
use crate::logging::debug;
use crate::mqtt::RequestError;
use crate::port::Readings;
use crate::properties::{BagWriter, CREATION_TIME_UTC, SystemProperty, WriteError};
use crate::report::{Cause, Status};
use crate::text::{Text, render};
use crate::time::{Instant, Moment, UnixTime};
use crate::topic::Outbound;

/// The part of the scratch buffer, in bytes, that a telemetry topic may take: 46 for the fixed parts, 128 for
/// the device's id, 143 for the properties, and room for a module's id.
const TOPIC_SIZE: usize = 448;

/// A message id or a time, in bytes: 24 for an ISO 8601 time, 37 for the longest id.
const VALUE_SIZE: usize = 40;

/// Reason why a message was not queued.
enum Unsent {
    /// The topic or the payload does not fit its part of the scratch buffer.
    TooLong,
    /// The outbox did not take it.
    Outbox(RequestError),
}

impl Unsent {
    fn cause(&self) -> Cause {
        match self {
            Self::Outbox(RequestError::OutboxFull { .. } | RequestError::NoPacketId) => {
                Cause::OverflowNewest
            }
            Self::TooLong | Self::Outbox(_) => Cause::TooLarge,
        }
    }
}

impl Display for Unsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => {
                f.write_str("a message does not fit the scratch buffer; raise its size")
            }
            Self::Outbox(error) => write!(f, "{error}"),
        }
    }
}

impl<A: Application> Device<'_, A> {
    /// Makes the next message due now, if it is not due already.
    pub(super) fn send_now(&mut self, connection: &Connection<'_>, now: Instant) {
        if connection.is_stopping() || self.has_given_up {
            self.wanted = Some(now);
            return;
        }
        self.next_telemetry = Some(self.next_telemetry.map_or(now, |due| due.min(now)));
    }

    /// Sets when the message after this one is due. Those that fell due while the device was busy are counted:
    /// their readings are lost. Their numbers are left out, so that the gap is visible.
    fn schedule(&mut self, connection: &mut Connection<'_>, now: Instant) {
        let due = self.next_telemetry.take().unwrap_or(now);
        let Some(interval) = self.telemetry_interval else {
            return;
        };
        let interval = Instant::default().after(interval).as_millis().max(1);
        let late = now.as_millis().saturating_sub(due.as_millis());
        let missed = late / interval;
        let next = due
            .as_millis()
            .saturating_add((missed + 1).saturating_mul(interval));
        self.next_telemetry = Some(Instant::from_millis(next));
        if missed > 0 {
            let missed = u32::try_from(missed).unwrap_or(u32::MAX);
            let due = &mut connection.report.telemetry_due;
            *due = due.saturating_add(missed.into());
            self.message_ids.skip(missed);
            self.application.not_measured(missed);
            self.dropped(connection, now, Cause::NotSampled, missed);
        }
    }

    /// Writes and queues one message.
    pub(super) fn send_telemetry(
        &mut self,
        connection: &mut Connection<'_>,
        at: &Moment,
        readings: &Readings,
    ) {
        let now = at.now;
        self.schedule(connection, now);
        let overwritten = connection.session.statistics().dropped;
        let queued = self.queue_telemetry(connection, at, readings);
        let overwritten = connection.session.statistics().dropped - overwritten;
        self.dropped(connection, now, Cause::OverflowOldest, overwritten);
        if !matches!(queued, Ok(false)) {
            let due = &mut connection.report.telemetry_due;
            *due = due.saturating_add(1);
        }
        match queued {
            Ok(true) => {
                if connection.report.status == Status::Connected {
                    connection.report.status = Status::Sending;
                }
            }
            Ok(false) => debug!("telemetry: the application had nothing to send"),
            Err(unsent) => match unsent.cause() {
                Cause::TooLarge => self.dropped_for(connection, now, Cause::TooLarge, 1, &unsent),
                cause => self.dropped(connection, now, cause, 1),
            },
        }
        self.observe_session(connection);
    }

    fn queue_telemetry(
        &mut self,
        connection: &mut Connection<'_>,
        at: &Moment,
        readings: &Readings,
    ) -> Result<bool, Unsent> {
        let Some(payload_space) = connection.scratch.len().checked_sub(TOPIC_SIZE) else {
            return Err(Unsent::TooLong);
        };
        let (payload_space, topic_space) = connection.scratch.split_at_mut(payload_space);
        let mut payload = Text::new(payload_space);
        let mut object = Object::new(&mut payload);
        self.application.telemetry(readings, &mut object);
        let is_empty = object.is_empty();
        object.finish().map_err(|_| Unsent::TooLong)?;
        if is_empty {
            return Ok(false);
        }
        let mut topic = Text::new(topic_space);
        write_topic(
            &mut topic,
            self.identity,
            self.message_ids.next(at.random),
            at.unix,
        )
        .map_err(|_| Unsent::TooLong)?;
        connection
            .session
            .publish(topic.as_str(), payload.as_str().as_bytes())
            .map_err(Unsent::Outbox)
            .map(|_| true)
    }
}

/// The telemetry topic of this device with the properties of one message.
fn write_topic(
    topic: &mut Text<'_>,
    identity: &Identity,
    id: MessageId,
    unix: Option<UnixTime>,
) -> Result<(), WriteError> {
    let mut value = [0; VALUE_SIZE];
    topic
        .append(Outbound::Telemetry(identity))
        .map_err(WriteError::Overflow)?;
    let mut bag = BagWriter::new(topic);
    bag.system(
        SystemProperty::MessageId,
        render(&mut value, id).map_err(WriteError::Overflow)?,
    )?
    .system(SystemProperty::ContentType, "application/json")?
    .system(SystemProperty::ContentEncoding, "utf-8")?;
    if let Some(unix) = unix {
        bag.application(
            CREATION_TIME_UTC,
            Some(render(&mut value, unix).map_err(WriteError::Overflow)?),
        )?;
    }
    Ok(())
}

impl MessageIds {
    /// Passes over the ids of messages that were not measured.
    fn skip(&mut self, messages: u32) {
        self.count = self.count.wrapping_add(messages.into());
    }

    /// The next id: 64 random bits of this start, and a count.
    pub(super) fn next(&mut self, random: u64) -> MessageId {
        self.count = self.count.wrapping_add(1);
        MessageId {
            start: *self.start.get_or_insert(random),
            count: self.count,
        }
    }
}

/// Unique among this device's messages.
#[derive(Clone, Copy, Debug)]
pub(super) struct MessageId {
    start: u64,
    count: u64,
}

impl Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.start, self.count)
    }
}
