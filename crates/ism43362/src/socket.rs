//! A socket of the module, and what has arrived on it. The bytes themselves are in a buffer of the station's.

use crate::{Error, PAYLOAD};

/// Time between two reads of a socket on which something happened lately, in milliseconds.
const EAGER: u64 = 10;
/// Time between two reads of a quiet socket, in milliseconds.
const QUIET: u64 = 100;
/// Time after which a socket counts as quiet, in milliseconds.
const ACTIVE: u64 = 2_000;

/// Transport protocol, by the number that the module's command `P1` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A stream.
    Tcp = 0,
    /// Datagrams to and from one peer.
    Udp = 1,
}

/// Outcome of a read of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// This many bytes.
    Data(usize),
    /// Nothing yet.
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Nobody has it.
    Free,
    /// Somebody has it, and it is not connected.
    Idle,
    /// Connected.
    Open,
    /// Connected no more: the peer ended it, or the module lost it.
    Ended,
}

pub(crate) struct Socket {
    pub(crate) state: State,
    pub(crate) kind: Kind,
    start: usize,
    end: usize,
    /// Time of the next read, and of the last thing that happened, in milliseconds.
    next_read: u64,
    active: u64,
}

impl Socket {
    pub(crate) const fn new() -> Self {
        Self {
            state: State::Free,
            kind: Kind::Tcp,
            start: 0,
            end: 0,
            next_read: 0,
            active: 0,
        }
    }

    /// Makes it somebody's, or nobody's.
    pub(crate) fn reset(&mut self, state: State, kind: Kind) {
        (self.state, self.kind) = (state, kind);
        (self.start, self.end) = (0, 0);
    }

    /// Notes that something was written or opened, so that an answer is looked for soon.
    pub(crate) fn touch(&mut self, now: u64) {
        (self.active, self.next_read) = (now, now);
    }

    /// Breaks a connection. What had arrived can still be read.
    pub(crate) fn break_off(&mut self) {
        if self.state == State::Open {
            self.state = State::Ended;
        }
    }

    /// Time at which the module is to be asked for more; `None` while there is no room, or no connection.
    pub(crate) fn read_due(&self) -> Option<u64> {
        (self.state == State::Open && self.is_empty()).then_some(self.next_read)
    }

    /// Notes that `length` bytes were read into the buffer.
    pub(crate) fn filled(&mut self, length: usize, now: u64) {
        (self.start, self.end) = (0, length.min(PAYLOAD));
        if length > 0 {
            self.touch(now);
        } else {
            let quiet = now.saturating_sub(self.active) > ACTIVE;
            self.next_read = now + if quiet { QUIET } else { EAGER };
        }
    }

    fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// True if a read would not have to wait: for data, or to tell the end.
    pub(crate) fn is_readable(&self) -> bool {
        !self.is_empty() || self.state == State::Ended
    }

    /// Gives what has arrived. A datagram's rest is dropped; `peek` leaves everything for the next read.
    pub(crate) fn take(
        &mut self,
        data: &[u8; PAYLOAD],
        buffer: &mut [u8],
        peek: bool,
    ) -> Result<Received, Error> {
        if self.is_empty() {
            return match self.state {
                State::Open => Ok(Received::Nothing),
                _ => Err(Error::Ended),
            };
        }
        let arrived = data.get(self.start..self.end).unwrap_or(&[]);
        let length = arrived.len().min(buffer.len());
        if let (Some(place), Some(part)) = (buffer.get_mut(..length), arrived.get(..length)) {
            place.copy_from_slice(part);
        }
        if !peek {
            match self.kind {
                Kind::Tcp => self.start += length,
                Kind::Udp => self.start = self.end,
            }
        }
        Ok(Received::Data(length))
    }
}
