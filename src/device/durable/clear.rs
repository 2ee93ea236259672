//! Removing messages from the queue.

use super::{Durable, Record};
use crate::application::Application;
use crate::connection::Connection;
use crate::device::Device;
use crate::logging::warn;
use crate::port::{Queue, QueueError, Visit};
use crate::report::Cause;
use crate::time::Moment;

impl Durable {
    /// Removes the records of messages that the hub has.
    pub(super) fn remove_delivered(&mut self, queue: &mut dyn Queue) -> Result<(), QueueError> {
        let mut left = self.copies().filter(|copy| copy.delivered).count();
        if left == 0 {
            return Ok(());
        }
        let copies = &mut self.copies;
        let result = queue.visit(&mut |bytes| {
            let number = Record::parse(bytes).map(|record| record.number);
            let found = copies.iter_mut().find(|place| {
                matches!(place, Some(copy) if copy.delivered && copy.number == number && number.is_some())
            });
            if let Some(place) = found {
                *place = None;
                left -= 1;
                return match left {
                    0 => Visit::RemoveAndStop,
                    _ => Visit::Remove,
                };
            }
            Visit::Next
        });
        // One that is not there any more needs no removal.
        if result.is_ok() && left > 0 {
            for place in &mut self.copies {
                *place = place.filter(|copy| !copy.delivered);
            }
        }
        result
    }

    /// All records are gone. Copies in the outbox stay. Gives how many messages were in the queue only.
    pub(super) fn forget_records(&mut self) -> u32 {
        let lost = self.unloaded();
        for place in &mut self.copies {
            *place = place.filter(|copy| !copy.delivered);
            if let Some(copy) = place {
                copy.number = None;
            }
        }
        self.stored = 0;
        self.oldest = None;
        self.is_stuck = false;
        lost
    }
}

impl<A: Application> Device<'_, A> {
    /// Erases the queue, if somebody wants that.
    pub(super) fn clear_queue(
        &mut self,
        connection: &mut Connection<'_>,
        at: &Moment,
        queue: &mut dyn Queue,
    ) -> Result<(), QueueError> {
        if !self.durable.clear {
            return Ok(());
        }
        queue.clear()?;
        self.durable.clear = false;
        let mut erased = self.durable.forget_records();
        // What was not sent yet goes too.
        let fresh = |connection: &Connection<'_>| {
            let mut queued = connection.session.queued();
            queued
                .find(|message| !message.offered)
                .map(|message| message.id)
        };
        while let Some(id) = fresh(connection) {
            if !connection.session.withdraw(id) {
                break;
            }
            erased = erased.saturating_add(1);
        }
        self.durable.forget_lost_copies(&connection.session);
        warn!("queue: {erased} messages were erased, as asked");
        self.awaited.lost_all(Cause::Erased);
        self.settle_lost(connection, at);
        self.settle_dropped(connection, at, Cause::Erased);
        self.dropped(connection, at.now, Cause::Erased, erased);
        Ok(())
    }
}
