//! World of the thread that downloads: sockets, TLS, the slot, and a word from the device loop.

use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use azure_device::failure::{Code, ConnectError, TcpFailure, TlsFailure};
use azure_device::port::Clock;
use azure_device::port::update::{Fetcher, FileServer, News, Slot, SlotError};
use azure_device::time::Instant;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::slots::OtherSlot;
use super::updater::Stop;
use crate::clock::HostClock;
use crate::platform::Remote;

/// Time that connecting may take, and that nothing may come.
const PATIENCE: Duration = Duration::from_secs(30);

/// World of a download.
pub(super) struct HostFetcher {
    pub(super) slot: OtherSlot,
    pub(super) tls: Arc<ClientConfig>,
    pub(super) clock: HostClock,
    pub(super) stop: Stop,
    pub(super) news: Sender<News>,
    pub(super) remote: Remote,
}

/// A connection to a server of files.
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl embedded_io::ErrorType for Stream {
    type Error = io::Error;
}

impl embedded_io::Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => io::Read::read(stream, buffer),
            Self::Tls(stream) => io::Read::read(stream, buffer),
        }
    }
}

impl embedded_io::Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => io::Write::write(stream, bytes),
            Self::Tls(stream) => io::Write::write(stream, bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => io::Write::flush(stream),
            Self::Tls(stream) => io::Write::flush(stream),
        }
    }
}

impl Slot for HostFetcher {
    fn capacity(&self) -> u32 {
        self.slot.capacity()
    }

    fn write_block(&self) -> usize {
        self.slot.write_block()
    }

    fn erase_block(&self, offset: u32) -> (u32, u32) {
        self.slot.erase_block(offset)
    }

    fn erase(&mut self, start: u32, length: u32) -> Result<(), SlotError> {
        self.slot.erase(start, length)
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), SlotError> {
        self.slot.write(offset, bytes)
    }

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), SlotError> {
        self.slot.read(offset, bytes)
    }
}

impl Fetcher for HostFetcher {
    type Stream = Stream;

    fn open(&mut self, server: FileServer<'_>) -> Result<Stream, ConnectError> {
        let addresses = (server.host, server.port).to_socket_addrs();
        let addresses = addresses.map_err(|error| ConnectError::Dns(code(&error)))?;
        let mut last = ConnectError::Dns(Code(0));
        for address in addresses {
            match TcpStream::connect_timeout(&address, PATIENCE) {
                Ok(tcp) => return self.over(tcp, server),
                Err(error) => last = ConnectError::Tcp(failure(&error), code(&error)),
            }
        }
        Err(last)
    }

    fn now(&self) -> Instant {
        self.clock.now()
    }

    fn sleep(&mut self, until: Instant) {
        self.stop.wait(until.since(self.clock.now()));
    }

    fn is_stopped(&self) -> bool {
        self.stop.is_set()
    }

    fn progress(&mut self, written: u32) {
        // A device that has ended wants no news.
        let _ = self.news.send(News::Progress(written));
        self.remote.update_has_news();
    }
}

impl HostFetcher {
    fn over(&self, tcp: TcpStream, server: FileServer<'_>) -> Result<Stream, ConnectError> {
        let limited = tcp
            .set_read_timeout(Some(PATIENCE))
            .and_then(|()| tcp.set_write_timeout(Some(PATIENCE)));
        limited.map_err(|error| ConnectError::Resource(code(&error)))?;
        if !server.tls {
            return Ok(Stream::Plain(tcp));
        }
        let failed = ConnectError::Tls(TlsFailure::Other, Code(0));
        let name = ServerName::try_from(server.host.to_owned()).map_err(|_| failed)?;
        let connection = ClientConnection::new(Arc::clone(&self.tls), name).map_err(|_| failed)?;
        Ok(Stream::Tls(Box::new(StreamOwned::new(connection, tcp))))
    }
}

fn code(error: &io::Error) -> Code {
    Code(error.raw_os_error().unwrap_or(0))
}

fn failure(error: &io::Error) -> TcpFailure {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => TcpFailure::Refused,
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => TcpFailure::TimedOut,
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => {
            TcpFailure::Unreachable
        }
        _ => TcpFailure::Other,
    }
}
