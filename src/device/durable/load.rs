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

/// Outcome of reading a record.
enum Read {
    /// It is the time of a boot.
    Clock { is_wanted: bool },
    /// Its message is in the outbox already.
    Known,
    /// Its message is in the outbox now.
    Loaded,
    /// The outbox has no room for it.
    NoRoom,
    /// It is of no use, for this cause. Its number, if it has one.
    Useless(Cause, Option<u32>),
}

/// Messages that were not read into the outbox, by cause.
#[derive(Default)]
struct Losses {
    expired: u32,
    damaged: u32,
    too_large: u32,
}

impl Losses {
    const fn add(&mut self, cause: Cause) {
        match cause {
            Cause::Expired => self.expired += 1,
            Cause::TooLarge => self.too_large += 1,
            _ => self.damaged += 1,
        }
    }

    const fn total(&self) -> u32 {
        self.expired + self.damaged + self.too_large
    }
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
        let (mut count, mut stopped) = (0_u32, false);
        // Only the oldest is removed: a gap between records tells the next start of damage.
        let mut is_oldest = true;
        let mut losses = Losses::default();
        let mut oldest = None;
        let result = queue.visit(&mut |bytes| {
            match self.read(connection, at, bytes, &mut oldest) {
                Read::Clock { is_wanted } => {
                    return match is_wanted || !is_oldest {
                        true => Visit::Next,
                        false => Visit::Remove,
                    };
                }
                Read::Known => is_oldest = false,
                Read::Loaded => {
                    is_oldest = false;
                    count += 1;
                    stopped = count >= limit;
                }
                Read::NoRoom => stopped = true,
                Read::Useless(cause, number) if is_oldest => {
                    losses.add(cause);
                    if let Some(number) = number {
                        self.awaited.lost(number, cause);
                    }
                    oldest = None;
                    return Visit::Remove;
                }
                Read::Useless(..) => stopped = true,
            }
            match stopped {
                true => Visit::Stop,
                false => Visit::Next,
            }
        });
        let durable = &mut self.durable;
        durable.stored = durable.stored.saturating_sub(losses.total());
        durable.oldest = oldest;
        if result.is_ok() && !stopped && durable.unloaded() > 0 {
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
        result
    }

    /// Reads a record, and puts its message into the outbox. `oldest` is set by the first that is dated.
    fn read(
        &mut self,
        connection: &mut Connection<'_>,
        at: &Moment,
        bytes: &[u8],
        oldest: &mut Option<UnixTime>,
    ) -> Read {
        let Some(record) = Record::parse(bytes) else {
            return Read::Useless(Cause::Damaged, None);
        };
        let message = match record.kind {
            Kind::Message(message) => message,
            // As the oldest record, all messages of its boot are delivered.
            Kind::Clock(_) => {
                let is_wanted = record.boot == self.durable.boot;
                return Read::Clock { is_wanted };
            }
        };
        let number = record.number;
        let known = self.durable.created(&record, message.created);
        if let (None, Known::At(time)) = (&oldest, &known) {
            *oldest = Some(*time);
        }
        if self
            .durable
            .copies()
            .any(|copy| copy.number == Some(number))
        {
            return Read::Known;
        }
        if is_expired(&message, &known, at) {
            return Read::Useless(Cause::Expired, Some(number));
        }
        match self.load(connection, &record, &message, &known) {
            Ok(()) => Read::Loaded,
            Err(RequestError::OutboxFull { .. } | RequestError::NoPacketId) => Read::NoRoom,
            Err(_) => Read::Useless(Cause::TooLarge, Some(number)),
        }
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
