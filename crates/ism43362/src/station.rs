//! The state machine over the module: started, joined, watched, recovered.

use crate::answer::LONGEST;
use crate::module::{Joined, Module};
use crate::network::Network;
use crate::socket::{Kind, Received, Socket, State};
use crate::{Address, Bus, Error, PAYLOAD, SOCKETS};

/// Time between two looks at the link, in milliseconds.
const WATCH: u64 = 10_000;
/// Time between joining and the first look, in milliseconds.
const FIRST_WATCH: u64 = 1_000;
/// Time between two attempts to join, in milliseconds.
const REJOIN: u64 = 10_000;
/// Attempts to join after which a failure that lasts is told again: five minutes.
const TELL_AGAIN: u32 = 30;
/// Time before the second reset in a row, in milliseconds. It doubles with each further one up to [`RESET_MAX`].
const RESET_MIN: u64 = 1_000;
/// The longest time between two resets, in milliseconds.
const RESET_MAX: u64 = 60_000;
/// Failed attempts to join in a row after which the module is reset, in case that it is the cause.
const JOINS_BEFORE_RESET: u32 = 6;
/// Time to sleep when nothing is due, in milliseconds.
const IDLE: u64 = 60_000;

/// The reason for which the network could not be joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JoinFailure {
    /// The module did not get into the network: its name or password is wrong, or it is out of reach.
    NotJoined,
    /// The module is in the network, whose DHCP server gave no address.
    NoAddress,
    /// The module's answer made no sense.
    Garbled,
    /// The module stopped answering while it joined. It is reset.
    Silent,
}

/// The reason for which the network was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Loss {
    /// The module says that it is not in the network any more.
    Network,
    /// The module does not answer. It is reset.
    Silent,
    /// Another network is to be joined.
    Changed,
}

/// Event of the link, for a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// In the network, with this address.
    Joined(Address),
    /// Out of the network; its sockets are broken.
    Lost(Loss),
    /// Not in the network. Told once for each failure, and again after five minutes.
    NotJoined(JoinFailure),
    /// The module does not answer after a reset by its pin. Told once until it does.
    NoModule,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    /// To be reset.
    Down,
    /// Started, and in no network.
    Started,
    Joined(Address),
}

/// The memory of a [`Station`] with `N` sockets: [`PAYLOAD`] bytes for each, and 1,474 for an answer.
pub struct Buffers<const N: usize> {
    answer: [u8; LONGEST],
    sockets: [[u8; PAYLOAD]; N],
}

impl<const N: usize> Buffers<N> {
    /// Buffers of zeros, which cost no flash in a static.
    #[must_use]
    #[allow(clippy::new_without_default)] // A default would be built on the stack.
    pub const fn new() -> Self {
        Self {
            answer: [0; LONGEST],
            sockets: [[0; PAYLOAD]; N],
        }
    }
}

/// The module, its network and its sockets.
///
/// All times are milliseconds of one clock that never goes back.
pub struct Station<'b, B> {
    module: Module<'b, B>,
    sockets: [Socket; SOCKETS],
    /// Bytes that have arrived on each socket that may be used.
    data: &'b mut [[u8; PAYLOAD]],
    network: Option<Network>,
    link: Link,
    /// Time of the next step of the link.
    due: u64,
    /// Time from the end of this step to the next one.
    pause: Option<u64>,
    /// The socket that was read last: the next one has its turn first.
    last_read: usize,
    resets: u32,
    /// Resets since the module last answered, and attempts to join since the last success.
    silent: u32,
    attempts: u32,
    told: Option<JoinFailure>,
    signal: Option<i32>,
    event: Option<Event>,
}

impl<'b, B: Bus> Station<'b, B> {
    /// A module that is to be started. There are as many sockets as buffers, at most [`SOCKETS`].
    pub fn new<const N: usize>(bus: B, buffers: &'b mut Buffers<N>) -> Self {
        const { assert!(N > 0 && N <= SOCKETS, "the module has four sockets") };
        Self {
            module: Module::new(bus, &mut buffers.answer),
            sockets: [const { Socket::new() }; SOCKETS],
            data: &mut buffers.sockets,
            network: None,
            link: Link::Down,
            due: 0,
            pause: None,
            last_read: 0,
            resets: 0,
            silent: 0,
            attempts: 0,
            told: None,
            signal: None,
            event: None,
        }
    }

    /// Names the network to join; takes effect with the next [`Station::poll`]. The network that it is in already is
    /// not joined again; gives `false` for that one.
    pub fn set_network(&mut self, network: Network, now: u64) -> bool {
        if self.network.as_ref() == Some(&network) {
            return false;
        }
        self.network = Some(network);
        self.told = None;
        self.attempts = 0;
        match self.link {
            Link::Joined(_) => {
                self.out_of_network(Loss::Changed, now);
                if self.module.leave() == Err(Error::Silent) {
                    self.give_up(now);
                }
            }
            Link::Started => (self.due, self.pause) = (now, None),
            Link::Down => {}
        }
        true
    }

    /// The network to join.
    #[must_use]
    pub fn network(&self) -> Option<&Network> {
        self.network.as_ref()
    }

    /// The address, while the module is in its network.
    #[must_use]
    pub fn address(&self) -> Option<Address> {
        match self.link {
            Link::Joined(address) => Some(address),
            _ => None,
        }
    }

    /// Strength of the signal in dBm, as it was last seen.
    #[must_use]
    pub fn signal(&self) -> Option<i32> {
        self.signal
    }

    /// Number of resets by the pin, but for the first.
    #[must_use]
    pub fn resets(&self) -> u32 {
        self.resets.saturating_sub(1)
    }

    /// Does one step that is due. Gives the time of the next one and what happened.
    pub fn poll(&mut self, now: u64) -> (u64, Option<Event>) {
        // A pause is counted from the end of the step before it, which may have taken seconds.
        if let Some(pause) = self.pause.take() {
            self.due = now + pause;
        }
        if self.event.is_none() {
            self.step(now);
        }
        let next = match self.event {
            Some(_) => now,
            None if self.pause.is_some() => now,
            None => self.next_due(),
        };
        (next, self.event.take())
    }

    fn step(&mut self, now: u64) {
        if now < self.due {
            return self.read(now);
        }
        match self.link {
            Link::Down => self.start(now),
            Link::Started => self.join(now),
            Link::Joined(_) => self.watch(now),
        }
    }

    fn next_due(&self) -> u64 {
        let reads = self.sockets.iter().filter_map(Socket::read_due);
        reads.chain([self.due]).min().unwrap_or(self.due)
    }

    fn start(&mut self, now: u64) {
        self.resets = self.resets.saturating_add(1);
        match self.module.start() {
            Ok(()) => {
                self.silent = 0;
                self.link = Link::Started;
                self.due = now;
            }
            Err(_) => {
                if self.silent == 0 {
                    self.event = Some(Event::NoModule);
                }
                self.silent = self.silent.saturating_add(1);
                let wait = RESET_MIN << self.silent.min(16);
                self.pause = Some(wait.min(RESET_MAX));
            }
        }
    }

    fn join(&mut self, now: u64) {
        let Some(network) = &self.network else {
            self.due = now + IDLE;
            return;
        };
        let failure = match self.module.join(network) {
            Ok(Joined::Address(address)) => {
                self.link = Link::Joined(address);
                (self.attempts, self.told) = (0, None);
                // The signal's strength is wanted soon.
                self.due = now + FIRST_WATCH;
                self.event = Some(Event::Joined(address));
                return;
            }
            Err(Error::Silent) => JoinFailure::Silent,
            Ok(Joined::Failed) => JoinFailure::NotJoined,
            Ok(Joined::NoAddress) => JoinFailure::NoAddress,
            Err(_) => JoinFailure::Garbled,
        };
        self.attempts += 1;
        self.pause = Some(REJOIN);
        if self.told != Some(failure) || self.attempts.is_multiple_of(TELL_AGAIN) {
            self.told = Some(failure);
            self.event = Some(Event::NotJoined(failure));
        }
        if failure == JoinFailure::Silent || self.attempts.is_multiple_of(JOINS_BEFORE_RESET) {
            self.link = Link::Down;
        }
    }

    fn watch(&mut self, now: u64) {
        self.due = now + WATCH;
        match self.module.is_joined() {
            Ok(true) => match self.module.signal() {
                Ok(signal) => self.signal = Some(signal),
                Err(Error::Silent) => self.give_up(now),
                Err(_) => self.signal = None,
            },
            Ok(false) => self.out_of_network(Loss::Network, now),
            Err(Error::Silent) => self.give_up(now),
            Err(_) => {}
        }
    }

    /// Reads one socket that is due.
    fn read(&mut self, now: u64) {
        let due = |socket: &Socket| socket.read_due().is_some_and(|due| due <= now);
        let count = self.sockets.len();
        let turns = (1..=count).map(|turn| (self.last_read + turn) % count);
        let Some(index) = { turns }.find(|&index| self.sockets.get(index).is_some_and(due)) else {
            return;
        };
        self.last_read = index;
        let (Some(socket), Some(data)) = (self.sockets.get_mut(index), self.data.get_mut(index))
        else {
            return;
        };
        match self.module.read(index as u8, data) {
            Ok(length) => socket.filled(length, now),
            Err(Error::Silent) => self.give_up(now),
            // A read that was garbled has lost bytes of a stream. Perhaps the network is lost: that is seen at once.
            Err(_) => {
                socket.break_off();
                self.due = now;
            }
        }
    }

    /// The module is not in the network; it joins again at once.
    fn out_of_network(&mut self, loss: Loss, now: u64) {
        if matches!(self.link, Link::Joined(_)) {
            self.event = Some(Event::Lost(loss));
        }
        self.link = Link::Started;
        self.signal = None;
        (self.due, self.pause) = (now, None);
        for socket in &mut self.sockets {
            socket.break_off();
        }
    }

    /// The module does not answer: it is reset with the next step.
    fn give_up(&mut self, now: u64) {
        self.out_of_network(Loss::Silent, now);
        self.link = Link::Down;
    }

    /// Passes a result on, and gives the module up if it was silent.
    fn noted<T>(&mut self, result: Result<T, Error>, now: u64) -> Result<T, Error> {
        match result {
            Err(Error::Silent) => self.give_up(now),
            // Perhaps since the module has lost its network, or restarted by itself: a look tells.
            Err(Error::Refused | Error::Ended) if self.address().is_some() => self.due = now,
            _ => {}
        }
        result
    }

    fn online(&self) -> Result<(), Error> {
        self.address().map(drop).ok_or(Error::NoNetwork)
    }

    /// Resolves a name; `None` if there is no such name.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub fn resolve(&mut self, host: &str, now: u64) -> Result<Option<Address>, Error> {
        self.online()?;
        let result = self.module.resolve(host);
        self.noted(result, now)
    }

    /// Takes a socket that nobody has; gives its number.
    ///
    /// # Errors
    /// [`Error::NoSocket`] if all are taken.
    pub fn socket(&mut self, kind: Kind) -> Result<usize, Error> {
        let free = |socket: &Socket| socket.state == State::Free;
        let mut usable = self.sockets.iter().take(self.data.len());
        let index = usable.position(free).ok_or(Error::NoSocket)?;
        if let Some(socket) = self.sockets.get_mut(index) {
            socket.reset(State::Idle, kind);
        }
        Ok(index)
    }

    /// Connects a socket to a peer.
    ///
    /// # Errors
    /// [`Error::Argument`] for a socket that is connected or not taken, otherwise as [`Error`] says.
    pub fn connect(
        &mut self,
        index: usize,
        address: Address,
        port: u16,
        now: u64,
    ) -> Result<(), Error> {
        self.online()?;
        let kind = match self.sockets.get(index) {
            Some(socket) if socket.state == State::Idle => socket.kind,
            _ => return Err(Error::Argument),
        };
        let result = self.module.open(index as u8, kind, address, port);
        if let Err(error) = self.noted(result, now) {
            // It may be open all the same.
            if error != Error::Silent {
                let closed = self.module.close(index as u8);
                let _ = self.noted(closed, now);
            }
            return Err(error);
        }
        if let Some(socket) = self.sockets.get_mut(index) {
            socket.reset(State::Open, kind);
            socket.touch(now);
        }
        Ok(())
    }

    /// Writes; gives how many bytes were taken, at most [`crate::PAYLOAD`].
    ///
    /// # Errors
    /// [`Error::Ended`] if the connection is over, otherwise as [`Error`] says. A stream that was not written whole
    /// and in order is broken, so that nothing can follow.
    pub fn send(&mut self, index: usize, data: &[u8], now: u64) -> Result<usize, Error> {
        match self.sockets.get_mut(index) {
            Some(socket) if socket.state == State::Open => socket.touch(now),
            _ => return Err(Error::Ended),
        }
        if data.is_empty() {
            return Ok(0);
        }
        let result = self.module.write(index as u8, data);
        let result = self.noted(result, now);
        if result.is_err()
            && let Some(socket) = self.sockets.get_mut(index)
        {
            socket.break_off();
        }
        result
    }

    /// Gives what has arrived. `peek` leaves it for the next call.
    ///
    /// # Errors
    /// [`Error::Ended`] once everything was read and no more can come.
    pub fn receive(
        &mut self,
        index: usize,
        buffer: &mut [u8],
        peek: bool,
    ) -> Result<Received, Error> {
        match (self.sockets.get_mut(index), self.data.get(index)) {
            (Some(socket), Some(data)) => socket.take(data, buffer, peek),
            _ => Err(Error::Argument),
        }
    }

    /// True if [`Station::receive`] would give data or tell the end.
    #[must_use]
    pub fn is_readable(&self, index: usize) -> bool {
        self.sockets.get(index).is_some_and(Socket::is_readable)
    }

    /// Gives a socket back.
    pub fn close(&mut self, index: usize, now: u64) {
        let Some(socket) = self.sockets.get_mut(index) else {
            return;
        };
        let was = socket.state;
        socket.reset(State::Free, Kind::Tcp);
        // One that has ended may still hold a connection in the module.
        if matches!(was, State::Open | State::Ended) && self.address().is_some() {
            let result = self.module.close(index as u8);
            // A refusal leaves nothing to do: opening it again closes it first.
            let _ = self.noted(result, now);
        }
    }
}
