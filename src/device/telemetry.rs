//! Telemetry: messages of the application's streams and of other threads, on their way into the outbox.
//!
//! A message is due at a fixed time, also without a connection. One that falls due while the device is busy is counted as
//! not measured ([`Cause::NotSampled`]).

use core::fmt::{self, Display};

use super::Device;
use super::envelope::{Created, TELEMETRY_TOPIC_SIZE, UNKNOWN_TIME};
use crate::application::{Application, Context, Event, Message, MessageError};
use crate::connection::Connection;
use crate::logging::{debug, info, warn};
use crate::mqtt::{Label, PacketId, RequestError, Session};
use crate::outlet::{Delivery, Part, Record, Ticket};
use crate::port::Readings;
use crate::properties::SystemProperty;
use crate::report::{Cause, Status};
use crate::text::Text;
use crate::time::{Instant, Moment, UnixTime};

/// Reason why a message was not queued.
enum Unsent {
    /// It could not be written.
    Unwritten(MessageError),
    /// The outbox did not take it.
    Outbox(RequestError),
    /// It has QoS 0, and there is no connection.
    NotConnected,
    /// It is longer than the scratch buffer.
    Truncated(usize),
}

impl Unsent {
    const fn cause(&self) -> Cause {
        match self {
            Self::Outbox(RequestError::OutboxFull { .. } | RequestError::NoPacketId) => {
                Cause::OverflowNewest
            }
            Self::NotConnected => Cause::NotConnected,
            Self::Unwritten(_) | Self::Outbox(_) | Self::Truncated(_) => Cause::TooLarge,
        }
    }
}

impl From<MessageError> for Unsent {
    fn from(error: MessageError) -> Self {
        Self::Unwritten(error)
    }
}

impl Display for Unsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unwritten(error) => write!(f, "{error}"),
            Self::Outbox(error) => write!(f, "{error}"),
            Self::NotConnected => f.write_str(Cause::NotConnected.explanation()),
            Self::Truncated(bytes) => write!(
                f,
                "a message of {bytes} bytes does not fit the scratch buffer; raise its size (CONFIG_AZURE_SCRATCH_SIZE)"
            ),
        }
    }
}

/// Place of a message that was written.
enum Queued {
    /// The application had nothing to send.
    Nothing,
    /// The outbox.
    Outbox(PacketId),
    /// The connection, at QoS 0.
    Connection,
}

impl<A: Application> Device<'_, A> {
    /// The earliest time at which a message is due.
    pub(super) fn telemetry_due(&self) -> Option<Instant> {
        let schedules = self.control.schedules.iter();
        schedules.filter_map(|schedule| schedule.next).min()
    }

    /// Measures and queues the messages that are due.
    pub(super) fn send_telemetry(
        &mut self,
        connection: &mut Connection<'_>,
        at: &Moment,
        readings: &Readings,
    ) {
        self.observe_sensor(readings);
        for index in 0..self.control.schedules.len() {
            if connection.is_tight() && self.durable.makes_room() {
                // They are measured when the queue has taken what is in the outbox.
                return;
            }
            let schedule = self.control.schedules.get_mut(index);
            if let Some(missed) = schedule.and_then(|schedule| schedule.take(at.now)) {
                self.not_measured(connection, at, index, missed);
                self.queue(connection, at, None, &|device, connection| {
                    device.sample(connection, at, index, readings)
                });
            }
        }
    }

    /// Logs that the sensor fails or answers again: once, not with each message.
    fn observe_sensor(&mut self, readings: &Readings) {
        let failed = readings.error();
        match failed.filter(|_| failed != self.sensor_failed) {
            Some(error) => warn!("sensor: no reading (error {})", error.0),
            None if failed != self.sensor_failed => info!("sensor: it answers again"),
            None => {}
        }
        self.sensor_failed = failed;
    }

    /// Counts messages that fell due while the device was busy: their readings are lost. Their numbers are left out, so
    /// that the gap is visible.
    fn not_measured(
        &mut self,
        connection: &mut Connection<'_>,
        at: &Moment,
        stream: usize,
        messages: u32,
    ) {
        let stream = A::STREAMS.get(stream).filter(|_| messages > 0);
        let Some(stream) = stream.and_then(|stream| stream.name()) else {
            return;
        };
        let due = &mut connection.report.telemetry_due;
        *due = due.saturating_add(messages.into());
        self.message_ids.skip(messages);
        self.tell(connection, at, Event::NotMeasured { stream, messages });
        self.dropped(connection, at.now, Cause::NotSampled, messages);
    }

    /// Writes and queues one message, and counts what becomes of it.
    fn queue(
        &mut self,
        connection: &mut Connection<'_>,
        at: &Moment,
        ticket: Option<Ticket>,
        write: &dyn Fn(&mut Self, &mut Connection<'_>) -> Result<Queued, Unsent>,
    ) {
        let overwritten = connection.session.statistics().dropped;
        let queued = write(self, connection);
        let overwritten = connection.session.statistics().dropped - overwritten;
        let overwritten = match overwritten {
            0 => 0,
            some => {
                some - self
                    .durable
                    .forget_lost_copies(&connection.session)
                    .min(some)
            }
        };
        self.dropped(connection, at.now, Cause::OverflowOldest, overwritten);
        if overwritten > 0 {
            self.settle_dropped(connection, at, Cause::OverflowOldest);
        }
        if !matches!(queued, Ok(Queued::Nothing)) {
            let due = &mut connection.report.telemetry_due;
            *due = due.saturating_add(1);
        }
        let outcome = match queued {
            Ok(Queued::Outbox(id)) => {
                self.durable.added();
                if connection.report.status == Status::Connected {
                    connection.report.status = Status::Sending;
                }
                if ticket.is_some_and(|ticket| !self.awaited.queued(ticket, id)) {
                    warn!("telemetry: a sender will not be told what becomes of its message");
                }
                None
            }
            Ok(Queued::Connection) => {
                let acknowledged = &mut connection.report.telemetry_acknowledged;
                *acknowledged = acknowledged.saturating_add(1);
                Some(Delivery::Delivered)
            }
            Ok(Queued::Nothing) => {
                debug!("telemetry: the application had nothing to send");
                self.message_ids.put_back();
                None
            }
            Err(unsent) => {
                let cause = unsent.cause();
                match cause {
                    Cause::TooLarge => self.dropped_for(connection, at.now, cause, 1, &unsent),
                    cause => self.dropped(connection, at.now, cause, 1),
                }
                Some(Delivery::Dropped(cause))
            }
        };
        if let (Some(delivery), Some(ticket)) = (outcome, ticket) {
            self.awaited.known(ticket, delivery);
            self.tell(connection, at, Event::Outcome(ticket, delivery));
        }
        self.observe_session(connection);
    }

    /// Has the application write a message of a stream, and queues it.
    fn sample(
        &mut self,
        connection: &mut Connection<'_>,
        at: &Moment,
        stream: usize,
        readings: &Readings,
    ) -> Result<Queued, Unsent> {
        let Some(stream) = A::STREAMS.get(stream) else {
            return Ok(Queued::Nothing);
        };
        let Connection {
            session,
            scratch,
            report,
            ..
        } = connection;
        let (space, topic) = scratch
            .len()
            .checked_sub(TELEMETRY_TOPIC_SIZE)
            .and_then(|space| scratch.split_at_mut_checked(space))
            .ok_or(MessageError::BodyTooLong)?;
        let mut topic = Text::new(topic);
        let id = self.message_ids.next(at.random);
        let before_id = self.topic_start.write(&mut topic, self.identity, id);
        let before_id = before_id.map_err(MessageError::from)?;
        let mut message = Message::new(readings, space, topic, before_id);
        message.at_most_once = stream.at_most_once;
        message.importance = stream.importance;
        let mut context = Context::new(&mut self.control, report, at.now, at.unix);
        stream.sample(&mut self.application, &mut message, &mut context);
        if let Some(component) = stream.component {
            message.component(component);
        }
        match message.take_body() {
            Some(body) => send(session, message, body, at, at.now),
            None => message
                .check()
                .map(|()| Queued::Nothing)
                .map_err(Unsent::from),
        }
    }

    /// Queues a message of another thread, which lies at the front of the scratch buffer.
    pub(super) fn queue_submission(
        &mut self,
        connection: &mut Connection<'_>,
        at: &Moment,
        length: usize,
    ) {
        let ticket = Record::parse(connection.scratch).and_then(|record| record.ticket);
        self.queue(connection, at, ticket, &|device, connection| {
            device.forward(connection, at, length)
        });
    }

    fn forward(
        &mut self,
        connection: &mut Connection<'_>,
        at: &Moment,
        length: usize,
    ) -> Result<Queued, Unsent> {
        let Connection {
            session, scratch, ..
        } = connection;
        let truncated = Unsent::Truncated(length);
        let Some((record, topic)) = scratch.split_at_mut_checked(length) else {
            return Err(truncated);
        };
        let Some(record) = Record::parse(record) else {
            return Err(truncated);
        };
        let mut topic = Text::new(topic);
        let id = self.message_ids.next(at.random);
        let before_id = self.topic_start.write(&mut topic, self.identity, id);
        let before_id = before_id.map_err(MessageError::from)?;
        let readings = Readings::default();
        let mut message = Message::new(&readings, &mut [], topic, before_id);
        message.at_most_once = record.at_most_once;
        message.importance = record.importance;
        // The id comes first, since it takes the place of another.
        for part in record.parts() {
            if let Part::MessageId(id) = part {
                message.message_id(id);
            }
        }
        let (mut key, mut body) = ("", &[][..]);
        for part in record.parts() {
            match part {
                Part::Component(text) => message.system(SystemProperty::Component, text),
                Part::ContentType(text) => message.system(SystemProperty::ContentType, text),
                Part::ContentEncoding(text) => {
                    message.system(SystemProperty::ContentEncoding, text)
                }
                Part::CorrelationId(text) => message.system(SystemProperty::CorrelationId, text),
                Part::MessageId(_) => {}
                Part::Key(text) => key = text,
                Part::Value(text) => message.property(key, text),
                Part::Body(bytes) => body = bytes,
            }
        }
        send(session, message, body, at, record.created)
    }

    /// A message of the outbox was acknowledged.
    pub(super) fn acknowledged(
        &mut self,
        connection: &mut Connection<'_>,
        at: &Moment,
        id: PacketId,
    ) {
        let acknowledged = &mut connection.report.telemetry_acknowledged;
        *acknowledged = acknowledged.saturating_add(1);
        self.durable.delivered(id);
        self.observe_session(connection);
        if let Some(ticket) = self.awaited.delivered(id) {
            self.tell(connection, at, Event::Outcome(ticket, Delivery::Delivered));
        }
    }

    /// Tells those who wait for messages that the queue behind the outbox has lost.
    pub(super) fn settle_lost(&mut self, connection: &mut Connection<'_>, at: &Moment) {
        while let Some((ticket, cause)) = self.awaited.next_untold() {
            self.tell(
                connection,
                at,
                Event::Outcome(ticket, Delivery::Dropped(cause)),
            );
        }
    }

    /// Some messages have left the outbox for this cause: tells those who wait for them.
    pub(super) fn settle_dropped(
        &mut self,
        connection: &mut Connection<'_>,
        at: &Moment,
        cause: Cause,
    ) {
        while let Some(ticket) = self.awaited.next_dropped(&connection.session, cause) {
            self.tell(
                connection,
                at,
                Event::Outcome(ticket, Delivery::Dropped(cause)),
            );
        }
    }
}

/// Finishes a message that was made at `created`, and queues it, or sends it at QoS 0.
fn send(
    session: &mut Session<'_>,
    mut message: Message<'_>,
    body: &[u8],
    at: &Moment,
    created: Instant,
) -> Result<Queued, Unsent> {
    let unix = at.sane_unix().map(|unix| {
        let age = Instant::default().after(at.now.since(created));
        UnixTime::from_millis(unix.as_millis().saturating_sub(age.as_millis()))
    });
    // Without a clock, the place of the time is kept. It is written before a connection is open.
    message.append_encoded(Created(unix.unwrap_or(UNKNOWN_TIME)));
    let importance = message.importance;
    let (topic, at_most_once) = message.finish()?;
    if !at_most_once {
        let label = Label {
            urgent: importance.urgent,
            dated: unix.is_some(),
            created: unix.map_or(created.as_millis(), UnixTime::as_millis),
            time_to_live: importance.time_to_live,
        };
        let id = session.publish_labelled(topic, body, label);
        return Ok(Queued::Outbox(id.map_err(Unsent::Outbox)?));
    }
    match session.publish_now(topic, body) {
        Ok(()) => Ok(Queued::Connection),
        Err(RequestError::NotConnected | RequestError::TransmitBufferFull { .. }) => {
            Err(Unsent::NotConnected)
        }
        Err(error) => Err(Unsent::Outbox(error)),
    }
}
