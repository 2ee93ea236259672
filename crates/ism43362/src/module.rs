//! One function for each thing that the module can do.

use core::fmt::Arguments;
use core::ops::Range;

use crate::answer::{self, Answer};
use crate::command::Command;
use crate::network::Network;
use crate::socket::Kind;
use crate::{Address, Bus, BusError, Error, PAYLOAD};

/// Time for an answer to an ordinary command, in milliseconds. The module answers within a few.
const ORDINARY: u32 = 5_000;
/// Time for the prompt after a reset, in milliseconds. It comes within 0.5 to 1.5 seconds.
const START: u32 = 5_000;
/// Time for joining a network, in milliseconds: association, key exchange and DHCP.
const JOIN: u32 = 40_000;
/// Time for a name and for opening a connection, in milliseconds. The module has timers of its own for both.
const REMOTE: u32 = 20_000;
/// Time for a write, in milliseconds.
const WRITE: u32 = 10_000;
/// Time that the module itself waits for data in a read, in milliseconds (command `R2`).
const READ_WAIT: u32 = 10;
/// Time in which a stray answer has to show itself, in milliseconds.
const STRAY: u32 = 500;
/// Attempts to bring commands and answers into step.
const ATTEMPTS: u32 = 4;

/// The length of a MAC address as the module writes it: `C4:7F:51:00:00:01`.
const MAC: usize = 17;

/// Outcome of [`Module::join`], as the module's answer tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Joined {
    /// In the network, with this address.
    Address(Address),
    /// In the network, without an address of its DHCP server.
    NoAddress,
    /// Not in the network.
    Failed,
}

/// The module on its bus.
pub(crate) struct Module<'b, B> {
    bus: B,
    /// The last answer.
    buffer: &'b mut [u8; answer::LONGEST],
    /// The command that is carried out. It is here, since it would be too large for a small stack.
    command: Command,
    /// The answer by which commands and answers are known to be in step.
    mac: [u8; MAC],
    /// The socket that the module's commands are about.
    selected: Option<u8>,
}

impl<'b, B: Bus> Module<'b, B> {
    pub(crate) fn new(bus: B, buffer: &'b mut [u8; answer::LONGEST]) -> Self {
        Self {
            bus,
            buffer,
            command: Command::new(),
            mac: [0; MAC],
            selected: None,
        }
    }

    /// Resets the module by its pin, and prepares it: DHCP on, no bypass of its sockets.
    pub(crate) fn start(&mut self) -> Result<(), Error> {
        self.selected = None;
        self.bus.reset();
        // The prompt. Whatever else is said, the answer to the next command decides.
        self.bus
            .exchange(&[], &[], self.buffer, START)
            .map_err(|_| Error::Silent)?;
        self.mac = self.read_mac().ok_or(Error::Silent)?;
        self.prepare()
    }

    fn read_mac(&mut self) -> Option<[u8; MAC]> {
        (0..ATTEMPTS).find_map(|_| {
            let place = self.ask_once(format_args!("Z5"), &[], ORDINARY).ok()?;
            let mac = self.buffer.get(place)?.try_into().ok()?;
            is_mac(&mac).then_some(mac)
        })
    }

    /// Settings that a module forgets when it restarts by itself.
    fn prepare(&mut self) -> Result<(), Error> {
        self.selected = None;
        self.set(format_args!("C4=1"))?;
        self.set(format_args!("PR=0"))
    }

    /// Joins a network.
    pub(crate) fn join(&mut self, network: &Network) -> Result<Joined, Error> {
        self.prepare()?;
        self.set(format_args!("C1={}", network.ssid()))?;
        let result = self.set(format_args!("C2={}", network.password()));
        self.command.wipe();
        result?;
        // WPA and WPA2, whichever the network has; or no key.
        let security = if network.password().is_empty() { 0 } else { 4 };
        self.set(format_args!("C3={security}"))?;
        match self.ask(format_args!("C0"), &[], JOIN) {
            Ok(data) => Ok(joined(data, network.ssid())),
            Err(Error::Refused) => Ok(Joined::Failed),
            Err(error) => Err(error),
        }
    }

    /// Leaves the network.
    pub(crate) fn leave(&mut self) -> Result<(), Error> {
        self.selected = None;
        match self.ask(format_args!("CD"), &[], ORDINARY) {
            Ok(_) | Err(Error::Refused) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// True while the module is in its network.
    pub(crate) fn is_joined(&mut self) -> Result<bool, Error> {
        match self.ask(format_args!("CS"), &[], ORDINARY)? {
            b"1" => Ok(true),
            b"0" => Ok(false),
            _ => self.resync().and(Err(Error::Garbled)),
        }
    }

    /// Strength of the signal, in dBm.
    pub(crate) fn signal(&mut self) -> Result<i32, Error> {
        let data = self.ask(format_args!("CR"), &[], ORDINARY)?;
        answer::number(data).ok_or(Error::Garbled)
    }

    /// Resolves a name; `None` if there is no such name.
    pub(crate) fn resolve(&mut self, host: &str) -> Result<Option<Address>, Error> {
        if host.is_empty() || host.bytes().any(|byte| !byte.is_ascii_graphic()) {
            return Err(Error::Argument);
        }
        match self.ask(format_args!("D0={host}"), &[], REMOTE) {
            // The module says 0.0.0.0 of a name that does not exist.
            Ok(data) => Ok(answer::address(data).filter(|address| *address != [0; 4])),
            Err(Error::Refused) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens a connection: TCP, or UDP to one peer.
    pub(crate) fn open(
        &mut self,
        socket: u8,
        kind: Kind,
        address: Address,
        port: u16,
    ) -> Result<(), Error> {
        self.select(socket)?;
        self.set(format_args!("P1={}", kind as u8))?;
        // Whatever an earlier life of this socket left open.
        self.tolerate(format_args!("P6=0"))?;
        self.tolerate(format_args!("P5=0"))?;
        self.set(format_args!("P2=0"))?;
        let [a, b, c, d] = address;
        self.set(format_args!("P3={a}.{b}.{c}.{d}"))?;
        self.set(format_args!("P4={port}"))?;
        let data = self.ask(format_args!("P6=1"), &[], REMOTE)?;
        if data == b"-1" || answer::contains(data, b"Failed") {
            return Err(Error::Refused);
        }
        self.set(format_args!("R1={PAYLOAD}"))?;
        self.set(format_args!("R2={READ_WAIT}"))
    }

    /// Closes a connection.
    pub(crate) fn close(&mut self, socket: u8) -> Result<(), Error> {
        self.select(socket)?;
        self.tolerate(format_args!("P6=0"))
    }

    /// Writes up to [`PAYLOAD`] bytes; gives how many the module took.
    pub(crate) fn write(&mut self, socket: u8, data: &[u8]) -> Result<usize, Error> {
        let data = data.get(..PAYLOAD).unwrap_or(data);
        self.select(socket)?;
        // Four digits: with them the command is whole words on SPI, and the data begins with a word of its own.
        let answer = self.ask(format_args!("S3={:04}", data.len()), data, WRITE)?;
        match answer::number(answer).map(usize::try_from) {
            Some(Ok(taken @ 1..)) if taken <= data.len() => Ok(taken),
            Some(Err(_) | Ok(0)) => Err(Error::Ended),
            _ => self.resync().and(Err(Error::Garbled)),
        }
    }

    /// Reads what has arrived; gives no bytes if that is nothing.
    pub(crate) fn read(&mut self, socket: u8, buffer: &mut [u8; PAYLOAD]) -> Result<usize, Error> {
        self.select(socket)?;
        match self.ask(format_args!("R0"), &[], READ_WAIT + ORDINARY) {
            Ok(b"-1") | Err(Error::Refused) => Err(Error::Ended),
            Ok(data) => {
                let place = buffer.get_mut(..data.len()).ok_or(Error::Garbled)?;
                place.copy_from_slice(data);
                Ok(data.len())
            }
            Err(error) => Err(error),
        }
    }

    /// Makes the following commands about this socket.
    fn select(&mut self, socket: u8) -> Result<(), Error> {
        if self.selected == Some(socket) {
            return Ok(());
        }
        self.selected = None;
        self.set(format_args!("P0={socket}"))?;
        self.selected = Some(socket);
        Ok(())
    }

    /// Carries out a command whose answer has no data.
    fn set(&mut self, command: Arguments<'_>) -> Result<(), Error> {
        let socket = self.selected;
        if self.ask(command, &[], ORDINARY)?.is_empty() {
            return Ok(());
        }
        // Perhaps another command's answer, and this one was not carried out. Once more, in step: a module that has
        // something to say again is only talkative.
        self.resync()?;
        if let Some(socket) = socket {
            self.select(socket)?;
        }
        self.ask(command, &[], ORDINARY).map(drop)
    }

    /// Carries out a command that may be refused.
    fn tolerate(&mut self, command: Arguments<'_>) -> Result<(), Error> {
        match self.ask(command, &[], ORDINARY) {
            Ok(_) | Err(Error::Refused) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Gives a command's data. What is no answer leads to [`Error::Garbled`], once both are in step again.
    fn ask(
        &mut self,
        command: Arguments<'_>,
        payload: &[u8],
        timeout: u32,
    ) -> Result<&[u8], Error> {
        match self.ask_once(command, payload, timeout) {
            Ok(data) => Ok(self.buffer.get(data).unwrap_or(&[])),
            Err(Error::Garbled) => self.resync().and(Err(Error::Garbled)),
            Err(error) => Err(error),
        }
    }

    /// The same, without getting into step again; gives the data's place in the buffer.
    fn ask_once(
        &mut self,
        command: Arguments<'_>,
        payload: &[u8],
        timeout: u32,
    ) -> Result<Range<usize>, Error> {
        let command = self.command.format(command).ok_or(Error::Argument)?;
        let length = self
            .bus
            .exchange(command, payload, self.buffer, timeout)
            .map_err(|(BusError::Silent | BusError::Failed)| Error::Silent)?;
        match answer::parse(self.buffer.get(..length).unwrap_or(self.buffer)) {
            Answer::Data(data) => Ok(data),
            Answer::Refused => Err(Error::Refused),
            Answer::Prompt | Answer::Garbage => Err(Error::Garbled),
        }
    }

    /// True if a command's answer has data that satisfies `wanted`. A silence is an error: it ends the attempt.
    fn answers(
        &mut self,
        command: Arguments<'_>,
        wanted: impl Fn(&[u8]) -> bool,
    ) -> Result<bool, Error> {
        match self.ask_once(command, &[], ORDINARY) {
            Ok(data) => Ok(self.buffer.get(data).is_some_and(wanted)),
            Err(Error::Silent) => Err(Error::Silent),
            Err(_) => Ok(false),
        }
    }

    /// Brings commands and answers into step: two commands whose answers cannot be taken for each other's.
    fn resync(&mut self) -> Result<(), Error> {
        self.selected = None;
        let mac = self.mac;
        for _ in 0..ATTEMPTS {
            if self.answers(format_args!("Z5"), |data| data == mac)?
                && self.answers(format_args!("CS"), |data| matches!(data, b"0" | b"1"))?
            {
                return Ok(());
            }
            // An answer too many is still to be read.
            let _ = self.bus.exchange(&[], &[], self.buffer, STRAY);
        }
        Err(Error::Silent)
    }
}

/// Reads the answer to `C0`: `[JOIN   ] SSID,192.168.2.18,0,0`, among other lines.
fn joined(data: &[u8], ssid: &str) -> Joined {
    let mut found = Joined::Failed;
    for line in answer::lines(data) {
        let Some(rest) = line.strip_prefix(b"[JOIN   ] ") else {
            continue;
        };
        let Some(rest) = rest.strip_prefix(ssid.as_bytes()) else {
            continue;
        };
        match rest {
            [b',', fields @ ..] => {
                let address = fields.split(|&byte| byte == b',').next().unwrap_or(fields);
                return match answer::address(address) {
                    Some(address) if address != [0; 4] => Joined::Address(address),
                    _ => Joined::NoAddress,
                };
            }
            [] => found = Joined::Failed,
            _ => {}
        }
    }
    found
}

fn is_mac(mac: &[u8; MAC]) -> bool {
    mac.iter().enumerate().all(|(index, byte)| {
        if index % 3 == 2 {
            *byte == b':'
        } else {
            byte.is_ascii_hexdigit()
        }
    })
}
