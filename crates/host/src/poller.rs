//! The one place where a device's thread sleeps.
//!
//! Events are hints: a thread that sleeps here looks at its own socket or flag before and after, so that an event
//! that another sleeper has seen is never missed (mio reports each change once).

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mio::event::Source;
use mio::{Events, Interest, Poll, Token, Waker};

/// Every event means "look again", so that one token does for all sources.
const LOOK_AGAIN: Token = Token(0);

/// Sleeps until a registered socket changes, a [`Waker`] fires or time has passed. Clones share the queue.
#[derive(Clone, Debug)]
pub(crate) struct Poller(Arc<Mutex<Queue>>);

#[derive(Debug)]
struct Queue {
    poll: Poll,
    events: Events,
}

impl Poller {
    /// A new queue, with the waker through which other threads reach it.
    pub(crate) fn new() -> io::Result<(Self, Waker)> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), LOOK_AGAIN)?;
        let events = Events::with_capacity(8);
        Ok((Self(Arc::new(Mutex::new(Queue { poll, events }))), waker))
    }

    /// Wakes sleepers whenever `source` becomes readable or writable.
    pub(crate) fn register(&self, source: &mut impl Source) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.lock()
            .poll
            .registry()
            .register(source, LOOK_AGAIN, interest)
    }

    /// Forgets `source`.
    pub(crate) fn deregister(&self, source: &mut impl Source) -> io::Result<()> {
        self.lock().poll.registry().deregister(source)
    }

    /// Sleeps at most `timeout`; may come back earlier without cause.
    pub(crate) fn sleep(&self, timeout: Duration) -> io::Result<()> {
        let queue = &mut *self.lock();
        match queue.poll.poll(&mut queue.events, Some(timeout)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            result => result,
        }
    }

    /// Sleeps until `deadline`, which is an error once it has passed; may come back earlier without cause.
    pub(crate) fn sleep_until(&self, deadline: Instant) -> io::Result<()> {
        match deadline.saturating_duration_since(Instant::now()) {
            Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
            left => self.sleep(left),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Queue> {
        // A sleeper that panicked leaves the queue whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
