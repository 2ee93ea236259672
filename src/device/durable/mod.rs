//! The queue behind the outbox: messages that wait on a medium which outlives a restart.
//!
//! Once the queue holds messages, it holds all that are not delivered, in their order: new ones go to its end, and the
//! oldest are read into the outbox, a few at a time. A [`Copy`] remembers which messages of the outbox are in the queue too.
//! The hub's acknowledgement removes such a message from both. With an empty queue, and not in
//! [`Mode::Always`](queue::Mode::Always), messages are in the outbox only, and nothing is written.

#![cfg_attr(
    not(any(test, feature = "queue")),
    allow(
        dead_code,
        reason = "without a queue only its figures are read, which are 0"
    )
)]

mod clear;
mod load;
mod store;
#[cfg(test)]
mod tests;

pub(super) use self::load::has_expired;
use alloc::boxed::Box;
use core::time::Duration;

use super::Device;
use crate::application::{Application, Event};
use crate::connection::Connection;
use crate::logging::{info, warn};
use crate::mqtt::{self, PacketId};
use crate::port::{Queue, QueueError, Visit};
use crate::queue::record::{Created, Kind, Record};
use crate::queue::{self, Mode, Order};
use crate::report::Cause;
use crate::time::{Instant, Moment, UnixTime};

/// Time after which a medium that failed is tried again.
const RETRY: Duration = Duration::from_secs(60);

/// The largest number of damaged records one after another that is believed.
const GAP: u32 = 1 << 16;

/// Boots whose clock is remembered, for messages that were made before it was set.
const CLOCKS: usize = 8;

/// State of the queue. See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Durable {
    config: queue::Config,
    state: State,
    /// Number of the next record.
    number: u32,
    /// Number of this start, larger than of those of which something is in the queue.
    boot: u32,
    /// Time at uptime 0 of this start, once it is known.
    boot_time: Option<UnixTime>,
    /// Times at uptime 0 of earlier boots.
    clocks: [Option<(u32, UnixTime)>; CLOCKS],
    /// The queue has messages of this boot that were made before the clock was set.
    clock_is_wanted: bool,
    copies: Box<[Option<Copy>]>,
    /// Messages in the queue that are not known to be delivered.
    stored: u32,
    /// Time at which the oldest message in the queue was made, if it is known.
    oldest: Option<UnixTime>,
    /// The earliest time at which more is read.
    next_load: Instant,
    /// Time since which the hub cannot be reached; `None` if it can.
    offline_since: Option<Instant>,
    /// Time at which messages in RAM are written next, while the hub cannot be reached.
    next_spill: Instant,
    /// Room was wanted in the outbox, and the queue could not make any.
    is_stuck: bool,
    /// Messages since the last one that was kept while thinning out.
    thinned: u32,
    /// Messages of the outbox are not in the queue.
    has_new: bool,
    clear: bool,
    /// The medium failed, and did not work since.
    failure_is_told: bool,
    /// A record was written since the last failure.
    has_written: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// It was not read yet.
    #[default]
    Unknown,
    Ready,
    /// The medium failed. It is tried again at that time.
    Failed(Instant),
}

/// A message that is in the outbox and in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Copy {
    id: PacketId,
    /// Number of its record; `None` if the queue has dropped it meanwhile.
    number: Option<u32>,
    /// It was read back from the queue.
    replayed: bool,
    /// The hub has it.
    delivered: bool,
}

impl Durable {
    /// The state at the start.
    pub(super) fn new(config: queue::Config, in_flight: u16) -> Self {
        let mut new = Self {
            config,
            ..Self::default()
        };
        new.resize(in_flight);
        new
    }

    /// Number of this start; 0 if it has none yet.
    pub(super) const fn boot(&self) -> u32 {
        self.boot
    }

    /// Numbers this start, before the queue is read. A start of which something is in the queue has a smaller number, or
    /// this one is raised then.
    pub(super) const fn set_boot(&mut self, number: u32) {
        self.boot = number;
    }

    /// Takes another device's settings.
    pub(super) fn resume(&mut self, config: queue::Config, in_flight: u16) {
        self.config = config;
        self.resize(in_flight);
    }

    /// Makes room for the copies of a window that is read, of one that is being sent, and of one of an earlier connection.
    fn resize(&mut self, in_flight: u16) {
        let room = usize::from(self.config.window.max(1)) + 2 * usize::from(in_flight.max(1)) + 4;
        if self.copies.len() < room {
            let old = core::mem::take(&mut self.copies);
            let more = core::iter::repeat_n(None, room - old.len());
            self.copies = old.into_iter().chain(more).collect();
        }
    }

    /// Time at uptime 0 of this start, as it was when the clock was set first. So a message that was measured before that
    /// has the same time whenever it is sent.
    pub(super) fn boot_time(&mut self, at: &Moment) -> Option<UnixTime> {
        let unix = at.sane_unix()?;
        let start = unix.as_millis().saturating_sub(at.now.as_millis());
        let start = UnixTime::from_millis(start);
        Some(*self.boot_time.get_or_insert(start))
    }

    const fn is_ready(&self) -> bool {
        matches!(self.state, State::Ready)
    }

    fn copies(&self) -> impl Iterator<Item = &Copy> {
        self.copies.iter().flatten()
    }

    fn has_copy(&self, id: PacketId) -> bool {
        self.copies().any(|copy| copy.id == id)
    }

    fn has_room_for_copy(&self) -> bool {
        self.copies.iter().any(Option::is_none)
    }

    fn insert(&mut self, copy: Copy) -> bool {
        match self.copies.iter_mut().find(|place| place.is_none()) {
            Some(place) => {
                *place = Some(copy);
                true
            }
            None => false,
        }
    }

    /// Messages that are in the outbox and in the queue.
    fn doubled(&self) -> u32 {
        let both = |copy: &&Copy| copy.number.is_some() && !copy.delivered;
        u32::try_from(self.copies().filter(both).count()).unwrap_or(u32::MAX)
    }

    /// Messages that are in the queue only.
    fn unloaded(&self) -> u32 {
        self.stored.saturating_sub(self.doubled())
    }

    /// Messages that wait, of which so many are in the outbox.
    pub(super) fn queued(&self, outbox: usize) -> u32 {
        let outbox = u32::try_from(outbox).unwrap_or(u32::MAX);
        let ram_only = outbox.saturating_sub(self.doubled());
        ram_only.saturating_add(self.stored)
    }

    /// Messages in the queue that are not known to be delivered.
    pub(super) const fn stored(&self) -> u32 {
        self.stored
    }

    /// Time at which the oldest message in the queue was made, if it is known.
    pub(super) fn oldest(&self) -> Option<UnixTime> {
        self.oldest.filter(|_| self.stored > 0)
    }

    /// A message was put into the outbox.
    pub(super) const fn added(&mut self) {
        self.has_new = true;
    }

    /// The hub has a message of the outbox.
    pub(super) fn delivered(&mut self, id: PacketId) {
        let found = self
            .copies
            .iter_mut()
            .find(|place| matches!(place, Some(copy) if copy.id == id && !copy.delivered));
        let Some(place) = found else {
            return;
        };
        match place {
            Some(copy) if copy.number.is_some() => {
                copy.delivered = true;
                self.stored = self.stored.saturating_sub(1);
            }
            _ => *place = None,
        }
    }

    /// Forgets copies that are no longer in the outbox. Gives how many of them are in the queue still.
    pub(super) fn forget_lost_copies(&mut self, session: &mqtt::Session<'_>) -> u32 {
        let mut kept: u32 = 0;
        for place in &mut self.copies {
            if let Some(copy) = place
                && !copy.delivered
                && !session.has_queued(copy.id)
            {
                kept = kept.saturating_add(u32::from(copy.number.is_some()));
                *place = None;
            }
        }
        kept
    }

    /// The hub can be reached, or not.
    pub(super) fn set_online(&mut self, online: bool, now: Instant) {
        match (online, self.offline_since) {
            (true, _) => self.offline_since = None,
            (false, None) => {
                self.offline_since = Some(now);
                self.next_spill = now.after(self.config.spill_after);
            }
            (false, Some(_)) => {}
        }
    }

    /// True if messages of the outbox wait until what is older was read from the queue.
    pub(super) fn holds(&self) -> bool {
        self.is_ready() && self.unloaded() > 0 && self.config.order == Order::OldestFirst
    }

    /// Has the queue cleared.
    pub(super) const fn clear(&mut self) {
        self.clear = true;
    }

    /// True if the outbox could get room by the queue.
    pub(super) fn makes_room(&self) -> bool {
        self.config.mode != Mode::Off && self.is_ready() && !self.is_stuck
    }

    /// True if a message from the queue is on its way.
    fn is_replaying(&self) -> bool {
        self.copies().any(|copy| copy.replayed && !copy.delivered)
    }

    /// Time at which the queue has something to do on an open connection, if nothing happens before.
    pub(super) fn due(&self) -> Option<Instant> {
        let is_next = self.is_ready() && self.unloaded() > 0 && !self.is_replaying();
        is_next.then_some(self.next_load)
    }

    /// The same without a connection: when messages in RAM are to be written.
    pub(super) fn due_offline(&self) -> Option<Instant> {
        let spills = self.config.mode == Mode::Spill && self.is_ready() && self.has_new;
        (spills && self.offline_since.is_some()).then_some(self.next_spill)
    }
}

impl<A: Application> Device<'_, A> {
    /// Does what is to be done with the queue: removes what was delivered, writes what is new, reads what is due.
    pub(super) fn use_queue(
        &mut self,
        connection: &mut Connection<'_>,
        at: &Moment,
        queue: &mut dyn Queue,
    ) {
        self.durable.boot_time(at);
        match self.durable.state {
            State::Failed(until) if at.now < until => return,
            State::Ready => {}
            State::Unknown | State::Failed(_) => {
                if let Err(error) = self.open_queue(connection, at, queue) {
                    return self.queue_failed(connection, at, queue, error);
                }
            }
        }
        let result = self
            .clear_queue(connection, at, queue)
            .and_then(|()| self.durable.remove_delivered(queue))
            .and_then(|()| self.store_messages(connection, at, queue))
            .and_then(|()| self.load_messages(connection, at, queue));
        match result {
            // Reading may work when writing does not.
            Ok(()) if self.durable.failure_is_told && self.durable.has_written => {
                self.durable.failure_is_told = false;
                info!("queue: it can be used again");
                self.tell(connection, at, Event::QueueRestored);
            }
            Ok(()) => {}
            Err(error) => self.queue_failed(connection, at, queue, error),
        }
        if connection.is_running() {
            // What is older is before it in the outbox now.
            connection.session.set_hold(false);
        }
        self.observe_session(connection);
    }

    /// Reads the queue once: what an earlier start left there.
    fn open_queue(
        &mut self,
        connection: &mut Connection<'_>,
        at: &Moment,
        queue: &mut dyn Queue,
    ) -> Result<(), QueueError> {
        let durable = &mut self.durable;
        let is_first = durable.state == State::Unknown;
        let order = durable.config.order;
        let (mut messages, mut damaged) = (0_u32, 0_u32);
        let mut last: Option<u32> = None;
        let mut before = None;
        let mut boot = durable.boot;
        let mut clocks = durable.clocks;
        let mut oldest = None;
        queue.visit(&mut |bytes| {
            let Some(record) = Record::parse(bytes) else {
                damaged = damaged.saturating_add(1);
                return Visit::Remove;
            };
            if let (Some(before), Order::OldestFirst) = (before, order) {
                // What is removed is the oldest: others are missing since they cannot be read.
                let gap = record.number.wrapping_sub(before).wrapping_sub(1);
                damaged = damaged.saturating_add(if gap < GAP { gap } else { 0 });
            }
            last = Some(record.number);
            // A clock stays while messages before and after it are delivered.
            before = last.filter(|_| matches!(record.kind, Kind::Message(_)));
            boot = boot.max(record.boot.wrapping_add(u32::from(is_first)));
            match record.kind {
                Kind::Clock(time) => remember(&mut clocks, record.boot, time),
                Kind::Message(message) => {
                    messages = messages.saturating_add(1);
                    if let (None, Created::At(time)) = (oldest, message.created) {
                        oldest = Some(time);
                    }
                }
            }
            Visit::Next
        })?;
        durable.state = State::Ready;
        durable.clocks = clocks;
        if is_first {
            durable.boot = boot;
            durable.number = last.map_or(0, |last| last.wrapping_add(1));
            durable.oldest = oldest;
            durable.has_new = true;
            if durable.config.mode != Mode::Off {
                // What is measured without a hub has a place now, also if the hub was never reached since the start.
                for schedule in &mut self.control.schedules {
                    schedule.start(at.now);
                }
            }
            let due = &mut connection.report.telemetry_due;
            *due = due.saturating_add(u64::from(messages) + u64::from(damaged));
            if messages > 0 {
                info!("queue: {messages} messages of an earlier start wait to be sent");
            }
        } else {
            damaged = durable.stored.saturating_sub(messages);
        }
        durable.stored = messages;
        self.dropped(connection, at.now, Cause::Damaged, damaged);
        Ok(())
    }

    /// Notes that the medium failed, or that it holds what makes no sense.
    fn queue_failed(
        &mut self,
        connection: &mut Connection<'_>,
        at: &Moment,
        queue: &mut dyn Queue,
        error: QueueError,
    ) {
        let durable = &mut self.durable;
        if error == QueueError::Damaged && queue.clear().is_ok() {
            warn!("queue: {error}; it was erased");
            let lost = durable.forget_records();
            durable.state = State::Ready;
            self.dropped(connection, at.now, Cause::Damaged, lost);
            self.tell(connection, at, Event::QueueFailed(error));
            return self.tell(connection, at, Event::QueueRestored);
        }
        durable.state = State::Failed(at.now.after(RETRY));
        durable.has_written = false;
        if !core::mem::replace(&mut durable.failure_is_told, true) {
            warn!("queue: {error}; messages stay in RAM, and are lost by a restart");
            self.tell(connection, at, Event::QueueFailed(error));
        }
    }
}

/// Remembers the clock of a boot, in place of the oldest one that is remembered.
fn remember(clocks: &mut [Option<(u32, UnixTime)>; CLOCKS], boot: u32, time: UnixTime) {
    if !clocks.iter().flatten().any(|(known, _)| *known == boot) {
        clocks.rotate_right(1);
        if let Some(first) = clocks.first_mut() {
            *first = Some((boot, time));
        }
    }
}
