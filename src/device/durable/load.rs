//! Reading messages of the queue into the outbox.

use core::time::Duration;

use super::{Copy, Durable};
use crate::application::Application;
use crate::connection::Connection;
use crate::device::Device;
use crate::device::envelope::{Created as CreatedProperty, Undated};
use crate::mqtt::{Label, RequestError};
use crate::port::{Queue, QueueError, Visit};
use crate::queue::record::{Created, Kind, Message, Record};
use crate::report::Cause;
use crate::text::Text;
use crate::time::{Instant, Moment, UnixTime};
use crate::topic::Outbound;

/// Time at which a message was made, as far as it is known.
enum Known {
    At(UnixTime),
    Uptime { boot: u32, at: Instant },
}

impl Durable {
    /// Time at which the message of a record was made.
    fn created(&self, record: &Record<'_>, created: Created) -> Known {
        let uptime = match created {
            Created::At(time) => return Known::At(time),
            Created::Uptime(uptime) => uptime,
        };
        let start = match self.boot_time.filter(|_| record.boot == self.boot) {
            Some(start) => Some(start.as_millis()),
            None => {
                let mut clocks = self.clocks.iter().flatten();
                let clock = clocks.find(|(boot, _)| *boot == record.boot);
                clock.map(|(_, start)| start.as_millis())
            }
        };
        match start {
            Some(start) => Known::At(UnixTime::from_millis(
                start.saturating_add(uptime.as_millis()),
            )),
            None => Known::Uptime {
                boot: record.boot,
                at: uptime,
            },
        }
    }
}

/// Messages that were not read into the outbox, by cause.
#[derive(Default)]
struct Losses {
    expired: u32,
    damaged: u32,
    too_large: u32,
}

impl<A: Application> Device<'_, A> {
    /// Reads the next messages, if they are due.
    pub(super) fn load_messages(
        &mut self,
        connection: &mut Connection<'_>,
        at: &Moment,
        queue: &mut dyn Queue,
    ) -> Result<(), QueueError> {
        let unloaded = self.durable.unloaded();
        let is_due = unloaded > 0 && at.now >= self.durable.next_load;
        if !is_due
            || !connection.is_running()
            || connection.is_stopping()
            || self.durable.is_replaying()
        {
            return Ok(());
        }
        let limit = u32::from(self.durable.config.window.max(1));
        let (mut seen, mut count, mut stopped) = (0_u32, 0_u32, false);
        let mut losses = Losses::default();
        let mut oldest = None;
        let result = queue.visit(&mut |bytes| {
            let Some(record) = Record::parse(bytes) else {
                losses.damaged += 1;
                return Visit::Remove;
            };
            let message = match record.kind {
                Kind::Message(message) => message,
                // All messages of its boot are delivered.
                Kind::Clock(_) if seen == 0 && record.boot != self.durable.boot => {
                    return Visit::Remove;
                }
                Kind::Clock(_) => return Visit::Next,
            };
            seen = seen.saturating_add(1);
            let known = self.durable.created(&record, message.created);
            if let (None, Known::At(time)) = (oldest, &known) {
                oldest = Some(*time);
            }
            if self
                .durable
                .copies()
                .any(|copy| copy.number == Some(record.number))
            {
                return Visit::Next;
            }
            if is_expired(&message, &known, at) {
                losses.expired += 1;
                self.awaited.lost(record.number, Cause::Expired);
                return Visit::Remove;
            }
            match self.load(connection, &record, &message, &known) {
                Ok(()) => {
                    count += 1;
                    stopped = count >= limit;
                }
                Err(RequestError::OutboxFull { .. } | RequestError::NoPacketId) => stopped = true,
                Err(_) => {
                    losses.too_large += 1;
                    self.awaited.lost(record.number, Cause::TooLarge);
                    return Visit::Remove;
                }
            }
            match stopped {
                true => Visit::Stop,
                false => Visit::Next,
            }
        });
        let removed = losses.expired + losses.damaged + losses.too_large;
        let durable = &mut self.durable;
        durable.stored = durable.stored.saturating_sub(removed);
        durable.oldest = oldest;
        result?;
        if !stopped && durable.unloaded() > 0 {
            // They were counted when they were written, and are not there any more.
            losses.damaged += durable.unloaded();
            durable.stored = durable.doubled();
        }
        // At least one, also if the outbox had no room: it is not asked again at once.
        let pause = u64::from(count.max(1)) * 1000 / u64::from(durable.config.rate.max(1));
        durable.next_load = at.now.after(Duration::from_millis(pause));
        self.dropped(connection, at.now, Cause::Expired, losses.expired);
        self.dropped(connection, at.now, Cause::Damaged, losses.damaged);
        self.dropped(connection, at.now, Cause::TooLarge, losses.too_large);
        self.settle_lost(connection, at);
        Ok(())
    }

    /// Puts a message of the queue into the outbox.
    fn load(
        &mut self,
        connection: &mut Connection<'_>,
        record: &Record<'_>,
        message: &Message<'_>,
        created: &Known,
    ) -> Result<(), RequestError> {
        let full = RequestError::OutboxFull { needed: 0, free: 0 };
        if !self.durable.has_room_for_copy() || connection.is_tight() {
            return Err(full);
        }
        let free = connection.session.outbox_free();
        let mut topic = Text::new(&mut *connection.scratch);
        let written = topic
            .append(Outbound::Telemetry(self.identity))
            .and_then(|()| topic.append(message.properties))
            .and_then(|()| match created {
                Known::At(time) => topic.append(CreatedProperty(*time)),
                Known::Uptime { boot, at } => topic.append(Undated {
                    boot: *boot,
                    at: *at,
                }),
            });
        // Truncated, it would be another message: better none.
        if written.is_err() {
            return Err(RequestError::NotConnected);
        }
        let topic = topic.as_str();
        // None that was not sent yet makes room for an older one.
        if free < topic.len() + message.body.len() + 64 && connection.session.outbox_count() > 0 {
            return Err(full);
        }
        let label = Label {
            urgent: message.urgent,
            dated: matches!(created, Known::At(_)),
            created: match created {
                Known::At(time) => time.as_millis(),
                Known::Uptime { at, .. } => at.as_millis(),
            },
            time_to_live: message.time_to_live,
        };
        let id = connection
            .session
            .publish_labelled(topic, message.body, label)?;
        self.durable.insert(Copy {
            id,
            number: Some(record.number),
            replayed: true,
            delivered: false,
        });
        self.awaited.loaded(record.number, id);
        Ok(())
    }
}

/// True if the message is of no use any more.
fn is_expired(message: &Message<'_>, created: &Known, at: &Moment) -> bool {
    let (Known::At(created), Some(now)) = (created, at.unix) else {
        return false;
    };
    has_expired(*created, message.time_to_live, now)
}

/// True if a message of this time of creation has outlived its use; with a time to live of 0 s it never has.
pub(in crate::device) fn has_expired(created: UnixTime, time_to_live: u32, now: UnixTime) -> bool {
    let life = Duration::from_secs(time_to_live.into());
    time_to_live > 0 && now > created.after(life)
}
