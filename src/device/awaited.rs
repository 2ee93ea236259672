//! Messages whose senders want to know what becomes of them.

use alloc::boxed::Box;

use crate::mqtt::{PacketId, Session};
use crate::outlet::{Delivery, Ticket};
use crate::report::Cause;

/// See the module. Its default has room for none.
#[derive(Clone, Debug, Default)]
pub(super) struct Awaited(Box<[Option<(Ticket, Progress)>]>);

/// Progress of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// It is in the outbox.
    Queued(PacketId),
    /// It is in the queue behind the outbox, under this number.
    Stored(u32),
    /// It is lost. Nobody was told yet.
    Lost(Cause),
    /// Its outcome is known.
    Known(Delivery),
}

impl Awaited {
    /// Room for so many.
    pub(super) fn new(most: usize) -> Self {
        Self(core::iter::repeat_n(None, most).collect())
    }

    /// Room for so many, with those of an earlier device. More are kept if there were more.
    pub(super) fn resume(self, most: usize) -> Self {
        if self.0.len() >= most {
            return self;
        }
        let mut all = Self::new(most);
        for (place, old) in all.0.iter_mut().zip(self.0) {
            *place = old;
        }
        all
    }

    /// Remembers a message. False if there is no room.
    pub(super) fn queued(&mut self, ticket: Ticket, id: PacketId) -> bool {
        self.insert(ticket, Progress::Queued(id))
    }

    /// The outcome of a message is known at once. False if there is no room.
    pub(super) fn known(&mut self, ticket: Ticket, delivery: Delivery) -> bool {
        self.insert(ticket, Progress::Known(delivery))
    }

    fn insert(&mut self, ticket: Ticket, progress: Progress) -> bool {
        match self.0.iter_mut().find(|place| place.is_none()) {
            Some(place) => {
                *place = Some((ticket, progress));
                true
            }
            None => false,
        }
    }

    /// The hub has this message. Gives its ticket, if it is awaited.
    pub(super) fn delivered(&mut self, id: PacketId) -> Option<Ticket> {
        let mut queued = self.0.iter_mut().flatten();
        let (ticket, progress) = queued.find(|(_, progress)| *progress == Progress::Queued(id))?;
        *progress = Progress::Known(Delivery::Delivered);
        Some(*ticket)
    }

    /// A message went from the outbox to the queue behind it.
    pub(super) fn stored(&mut self, id: PacketId, number: u32) {
        self.replace(Progress::Queued(id), Progress::Stored(number));
    }

    /// A message came back from there.
    pub(super) fn loaded(&mut self, number: u32, id: PacketId) {
        self.replace(Progress::Stored(number), Progress::Queued(id));
    }

    /// A message has another number there.
    pub(super) fn renumbered(&mut self, old: u32, new: u32) {
        self.replace(Progress::Stored(old), Progress::Stored(new));
    }

    /// A message is not there any more.
    pub(super) fn lost(&mut self, number: u32, cause: Cause) {
        self.replace(Progress::Stored(number), Progress::Lost(cause));
    }

    /// Nothing is there any more.
    pub(super) fn lost_all(&mut self, cause: Cause) {
        for (_, progress) in self.0.iter_mut().flatten() {
            if matches!(progress, Progress::Stored(_)) {
                *progress = Progress::Lost(cause);
            }
        }
    }

    /// A message that is lost, if there is one more of which nobody was told.
    pub(super) fn next_untold(&mut self) -> Option<(Ticket, Cause)> {
        self.0.iter_mut().flatten().find_map(|(ticket, progress)| {
            let Progress::Lost(cause) = *progress else {
                return None;
            };
            *progress = Progress::Known(Delivery::Dropped(cause));
            Some((*ticket, cause))
        })
    }

    fn replace(&mut self, old: Progress, new: Progress) {
        let mut all = self.0.iter_mut().flatten();
        if let Some((_, progress)) = all.find(|(_, progress)| *progress == old) {
            *progress = new;
        }
    }

    /// A message that the outbox has lost for this reason, if there is one more. Gives its ticket.
    pub(super) fn next_dropped(&mut self, session: &Session<'_>, cause: Cause) -> Option<Ticket> {
        self.next_lost(|id| !session.has_queued(id), cause)
    }

    /// A message that is left behind, if there is one more. Gives its ticket.
    pub(super) fn next_left(&mut self, cause: Cause) -> Option<Ticket> {
        self.next_lost(|_| true, cause)
    }

    fn next_lost(&mut self, is_lost: impl Fn(PacketId) -> bool, cause: Cause) -> Option<Ticket> {
        let lost = |progress: &Progress| matches!(progress, Progress::Queued(id) if is_lost(*id));
        let mut all = self.0.iter_mut().flatten();
        let (ticket, progress) = all.find(|(_, progress)| lost(progress))?;
        *progress = Progress::Known(Delivery::Dropped(cause));
        Some(*ticket)
    }

    /// Takes an outcome that is known.
    pub(super) fn take(&mut self) -> Option<(Ticket, Delivery)> {
        self.0.iter_mut().find_map(|place| match place {
            Some((ticket, Progress::Known(delivery))) => {
                let outcome = (*ticket, *delivery);
                *place = None;
                Some(outcome)
            }
            _ => None,
        })
    }
}
