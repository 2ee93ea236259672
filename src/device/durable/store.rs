//! Writing messages of the outbox to the queue.

use super::{Copy, Durable};
use crate::application::Application;
use crate::connection::Connection;
use crate::device::Device;
use crate::device::awaited::Awaited;
use crate::mqtt::{PacketId, Queued, Session};
use crate::port::{Queue, QueueError, Visit};
use crate::properties::CREATION_TIME_UTC;
use crate::queue::record::{Created, Kind, Message, Record};
use crate::queue::{Mode, Order, Overflow};
use crate::report::Cause;
use crate::time::{Instant, Moment, UnixTime};
use crate::topic::TELEMETRY;

/// Fate of a message that was to be written.
enum Stored {
    /// It is in the queue.
    Written,
    /// There is no room, and none could be made.
    NoRoom,
    /// It is too long for a record.
    TooLarge(QueueError),
    /// It is left out while the queue is thinned out.
    Thinned,
}

impl Durable {
    /// Number of the next record.
    const fn take_number(&mut self) -> u32 {
        let number = self.number;
        self.number = number.wrapping_add(1);
        number
    }

    /// True if messages of the outbox are to be written now.
    fn wants_to_store(&mut self, connection: &Connection<'_>, now: Instant) -> bool {
        let offline_for_long = self.offline_since.is_some() && now >= self.next_spill;
        if offline_for_long {
            self.next_spill = now.after(self.config.spill_after);
        }
        match self.config.mode {
            Mode::Off => false,
            Mode::Always => true,
            Mode::Spill => {
                let is_behind = self.unloaded() > 0
                    && connection.is_running()
                    && self.config.order == Order::OldestFirst;
                is_behind || offline_for_long || connection.is_tight() || connection.has_stopped()
            }
        }
    }

    /// The first message of the outbox that is not in the queue.
    fn first_new<'s>(&self, session: &'s Session<'_>) -> Option<Queued<'s>> {
        session.queued().find(|message| !self.has_copy(message.id))
    }

    /// Writes a message.
    fn write(
        &mut self,
        queue: &mut dyn Queue,
        scratch: &mut [u8],
        queued: &Queued<'_>,
        awaited: &mut Awaited,
        dropped: &mut u32,
    ) -> Result<Stored, QueueError> {
        let label = queued.label;
        if self.is_thinned_out(queue, queued)? {
            return Ok(Stored::Thinned);
        }
        let message = Message {
            urgent: label.urgent,
            created: match label.dated {
                true => Created::At(UnixTime::from_millis(label.created)),
                false => Created::Uptime(Instant::from_millis(label.created)),
            },
            time_to_live: label.time_to_live,
            properties: properties(queued.topic),
            body: queued.payload,
        };
        loop {
            // An urgent one that goes to the end takes a number.
            let record = Record {
                number: self.number,
                boot: self.boot,
                kind: Kind::Message(message),
            };
            // What is kept free is for urgent ones that make room for others, or for all of them if nothing makes room.
            let may_use_all = label.urgent && self.config.overflow == Overflow::RefuseNewest;
            match record.push(queue, may_use_all) {
                Ok(()) => {
                    self.take_number();
                    self.clock_is_wanted |= !label.dated;
                    if self.stored == 0 {
                        self.oldest = label.dated.then(|| UnixTime::from_millis(label.created));
                    }
                    self.stored = self.stored.saturating_add(1);
                    return Ok(Stored::Written);
                }
                Err(error @ QueueError::TooLarge(_)) => return Ok(Stored::TooLarge(error)),
                Err(QueueError::Full) if self.config.overflow == Overflow::RefuseNewest => {
                    return Ok(Stored::NoRoom);
                }
                Err(QueueError::Full) => {
                    if !self.drop_oldest(queue, scratch, awaited, dropped)? {
                        return Ok(Stored::NoRoom);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Drops the oldest record. An urgent one goes to the end instead, if there is room. False if there is none to drop.
    fn drop_oldest(
        &mut self,
        queue: &mut dyn Queue,
        scratch: &mut [u8],
        awaited: &mut Awaited,
        dropped: &mut u32,
    ) -> Result<bool, QueueError> {
        let mut urgent = None;
        queue.visit(&mut |bytes| {
            if let Some(record) = Record::parse(bytes)
                && matches!(record.kind, Kind::Message(message) if message.urgent)
                && let Some(space) = scratch.get_mut(..bytes.len())
            {
                space.copy_from_slice(bytes);
                urgent = Some(bytes.len());
            }
            Visit::Stop
        })?;
        let urgent = urgent.and_then(|length| Record::parse(scratch.get(..length)?));
        let is_kept = match urgent {
            Some(old) if !self.copies().any(|copy| copy.number == Some(old.number)) => {
                let moved = Record {
                    number: self.number,
                    ..old
                };
                let pushed = moved.push(queue, true).is_ok();
                if pushed {
                    awaited.renumbered(old.number, self.take_number());
                }
                pushed
            }
            _ => false,
        };
        let mut removed = None;
        queue.visit(&mut |bytes| {
            match removed {
                None => {
                    let record = Record::parse(bytes);
                    let is_message =
                        record.is_some_and(|record| matches!(record.kind, Kind::Message(_)));
                    removed = Some(record.map(|record| record.number).filter(|_| is_message));
                    Visit::Remove
                }
                // The next one is the oldest now.
                Some(_) => {
                    self.oldest = Record::parse(bytes).and_then(dated);
                    Visit::Stop
                }
            }
        })?;
        let number = match removed {
            None => return Ok(false),
            Some(None) => return Ok(true),
            Some(Some(number)) => number,
        };
        let copy = self.copies.iter_mut().flatten();
        let copy = copy.into_iter().find(|copy| copy.number == Some(number));
        match copy {
            // The outbox has it still, or the hub.
            Some(copy) if copy.delivered => {
                let id = copy.id;
                for place in &mut self.copies {
                    *place = place.filter(|copy| copy.id != id);
                }
            }
            Some(copy) => {
                copy.number = None;
                self.stored = self.stored.saturating_sub(1);
            }
            None if is_kept => {}
            None => {
                self.stored = self.stored.saturating_sub(1);
                *dropped = dropped.saturating_add(1);
                awaited.lost(number, Cause::OverflowOldest);
            }
        }
        Ok(true)
    }

    /// True if a message is to be left out, so that the queue lasts longer.
    fn is_thinned_out(
        &mut self,
        queue: &mut dyn Queue,
        message: &Queued<'_>,
    ) -> Result<bool, QueueError> {
        if self.config.overflow != Overflow::ThinOut || message.label.urgent || message.offered {
            return Ok(false);
        }
        let (free, size) = (queue.free()?, queue.size());
        let every = match size / free.max(1) {
            0..2 => 1,
            2..4 => 2,
            4..8 => 4,
            _ => 8,
        };
        self.thinned = self.thinned.wrapping_add(1);
        Ok(!self.thinned.is_multiple_of(every))
    }

    /// Writes the time at this boot's start, for the messages that were made before the clock was set.
    fn store_clock(&mut self, at: &Moment, queue: &mut dyn Queue) -> Result<(), QueueError> {
        let Some(start) = self.boot_time(at).filter(|_| self.clock_is_wanted) else {
            return Ok(());
        };
        let record = Record {
            number: self.number,
            boot: self.boot,
            kind: Kind::Clock(start),
        };
        match record.push(queue, true) {
            Ok(()) => {
                self.take_number();
                self.clock_is_wanted = false;
                Ok(())
            }
            // It matters only after a restart.
            Err(QueueError::Full | QueueError::TooLarge(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl<A: Application> Device<'_, A> {
    /// Writes the messages that are due to be.
    pub(super) fn store_messages(
        &mut self,
        connection: &mut Connection<'_>,
        at: &Moment,
        queue: &mut dyn Queue,
    ) -> Result<(), QueueError> {
        self.durable.store_clock(at, queue)?;
        if !self.durable.has_new || !self.durable.wants_to_store(connection, at.now) {
            return Ok(());
        }
        // Room is what is wanted then: no message that was not sent stays in the outbox.
        let is_tight = connection.is_tight();
        loop {
            let Some(message) = self.durable.first_new(&connection.session) else {
                self.durable.has_new = false;
                break;
            };
            if message.offered && !self.durable.has_room_for_copy() {
                break;
            }
            let (id, offered) = (message.id, message.offered);
            let in_order = self.durable.unloaded() == 0;
            let mut dropped = 0;
            let stored = self.durable.write(
                queue,
                &mut *connection.scratch,
                &message,
                &mut self.awaited,
                &mut dropped,
            );
            self.dropped(connection, at.now, Cause::OverflowOldest, dropped);
            self.settle_lost(connection, at);
            match stored? {
                Stored::Written => {
                    let number = self.durable.number.wrapping_sub(1);
                    let follows = in_order || self.durable.config.order == Order::LiveFirst;
                    let stays = follows && connection.is_running() && !is_tight;
                    self.stored(connection, (id, number), offered || stays);
                }
                Stored::NoRoom if self.durable.config.mode == Mode::Spill || offered => break,
                Stored::NoRoom => self.give_up(connection, at, id, Cause::OverflowNewest, None),
                Stored::Thinned => self.give_up(connection, at, id, Cause::Thinned, None),
                Stored::TooLarge(_) if offered => {
                    // It is on its way already.
                    self.durable.insert(Copy {
                        id,
                        number: None,
                        replayed: false,
                        delivered: false,
                    });
                }
                Stored::TooLarge(error) => {
                    self.give_up(connection, at, id, Cause::TooLarge, Some(error));
                }
            }
        }
        self.durable.is_stuck = connection.is_tight();
        Ok(())
    }

    /// A message is in the queue. It stays in the outbox too, or not.
    fn stored(
        &mut self,
        connection: &mut Connection<'_>,
        (id, number): (PacketId, u32),
        stays: bool,
    ) {
        self.durable.has_written = true;
        let copy = Copy {
            id,
            number: Some(number),
            replayed: false,
            delivered: false,
        };
        if !(stays && self.durable.insert(copy)) {
            connection.session.withdraw(id);
            self.awaited.stored(id, number);
        }
    }

    /// Drops a message of the outbox that the queue cannot take.
    fn give_up(
        &mut self,
        connection: &mut Connection<'_>,
        at: &Moment,
        id: PacketId,
        cause: Cause,
        error: Option<QueueError>,
    ) {
        connection.session.withdraw(id);
        match error {
            Some(error) => self.dropped_for(connection, at.now, cause, 1, &error),
            None => self.dropped(connection, at.now, cause, 1),
        }
        self.settle_dropped(connection, at, cause);
    }
}

/// Time at which the message of a record was made, if it has one.
pub(super) fn dated(record: Record<'_>) -> Option<UnixTime> {
    match record.kind {
        Kind::Message(Message {
            created: Created::At(time),
            ..
        }) => Some(time),
        _ => None,
    }
}

/// Properties in the topic of a telemetry message, without the time of creation, which comes last.
fn properties(topic: &str) -> &str {
    let all = topic.split_once(TELEMETRY).map_or("", |(_, all)| all);
    let last = all.rfind('&').filter(|at| {
        let key = all.get(at + 1..).unwrap_or_default();
        key.strip_prefix(CREATION_TIME_UTC)
            .is_some_and(|rest| rest.starts_with('='))
    });
    last.map_or(all, |at| all.get(..at).unwrap_or_default())
}
