//! The download's thread: sockets, the slot, and a word from the device loop.

use core::ffi::CStr;
use core::time::Duration;

#[cfg(not(CONFIG_AZURE_UPDATE_HTTPS))]
use azure_device::failure::TlsFailure;
use azure_device::failure::{Code, ConnectError, TcpFailure};
use azure_device::logging::{debug, warn};
use azure_device::port::update::{FetchFailure, Fetcher, FileServer, News, Slot, SlotError};
use azure_device::time::Instant;
use azure_device::update::fetch;
use embedded_io::{ErrorKind, ErrorType, Read, Write};

use super::updater::{is_stopped, slot_error, take_job, tell};
use crate::connector::{ADDRESSES, SEND_TIMEOUT_MS};
#[cfg(CONFIG_AZURE_UPDATE_HTTPS)]
use crate::credentials::Tags;
#[cfg(CONFIG_AZURE_UPDATE_HTTPS)]
use crate::ffi::Handshake;
use crate::ffi::{self, Address, Error, Socket, update as port};
use crate::logger::Line;
#[cfg(CONFIG_AZURE_UPDATE_HTTPS)]
use crate::tls_failure::connect_error;

/// Time in which something has to come.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest wait without a look whether the download is to stop.
const LOOK_MS: u32 = 1000;

/// Does the job that waits.
pub(crate) fn fetch_next() {
    let Some((number, job)) = take_job() else {
        return;
    };
    let result = match port::open() {
        Ok(slot) => {
            let mut fetcher = ZephyrFetcher { slot, number };
            port::with_buffer(|buffer| fetch(&job, &mut fetcher, buffer))
                .unwrap_or(Err(FetchFailure::Buffer))
        }
        Err(error) => Err(FetchFailure::Slot(slot_error(error))),
    };
    drop(job);
    tell(number, News::Ended(result));
}

/// World of a download.
struct ZephyrFetcher {
    slot: port::Slot,
    number: u32,
}

impl Slot for ZephyrFetcher {
    fn capacity(&self) -> u32 {
        self.slot.capacity
    }

    fn write_block(&self) -> usize {
        self.slot.word as usize
    }

    fn erase_block(&self, offset: u32) -> (u32, u32) {
        // An offset outside of the flash has no page; erasing there fails.
        port::page(offset).unwrap_or((offset, 1))
    }

    fn erase(&mut self, start: u32, length: u32) -> Result<(), SlotError> {
        port::erase(start, length).map_err(slot_error)
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), SlotError> {
        port::write(offset, bytes).map_err(slot_error)
    }

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), SlotError> {
        port::read(offset, bytes).map_err(slot_error)
    }
}

impl Fetcher for ZephyrFetcher {
    type Stream = FileStream;

    fn speaks_tls(&self) -> bool {
        if cfg!(not(CONFIG_AZURE_UPDATE_HTTPS)) {
            warn!("update: an address of https is passed over (CONFIG_AZURE_UPDATE_HTTPS=n)");
        }
        cfg!(CONFIG_AZURE_UPDATE_HTTPS)
    }

    // Not inlined: names and addresses are off the stack during the download.
    #[inline(never)]
    fn open(&mut self, server: FileServer<'_>) -> Result<FileStream, ConnectError> {
        let host = Line::<256>::of(format_args!("{}", server.host));
        let port = Line::<8>::of(format_args!("{}", server.port));
        let mut addresses = [Address::default(); ADDRESSES];
        let count = ffi::resolve(host.as_c_str(), port.as_c_str(), true, &mut addresses)
            .map_err(|error| error.resolving(Code(ffi::errno())))?;
        let mut last = ConnectError::Tcp(TcpFailure::Other, Code(0));
        for address in addresses.iter().take(count) {
            let connected = match server.tls {
                true => self.connect_tls(address, host.as_c_str()),
                false => Socket::connect_tcp(address, SEND_TIMEOUT_MS)
                    .map_err(|error| error.connecting(Code(ffi::errno()))),
            };
            match connected {
                Ok(socket) => {
                    return Ok(FileStream {
                        socket,
                        number: self.number,
                    });
                }
                Err(error) => last = error,
            }
            // Another address of the same server shows the same certificate.
            if matches!(last, ConnectError::Tls(..)) {
                break;
            }
        }
        Err(last)
    }

    fn now(&self) -> Instant {
        ffi::uptime()
    }

    fn sleep(&mut self, until: Instant) {
        let left = until.since(ffi::uptime()).as_millis();
        if !self.is_stopped() {
            port::sleep(u32::try_from(left).unwrap_or(u32::MAX));
        }
    }

    fn is_stopped(&self) -> bool {
        is_stopped(self.number)
    }

    fn progress(&mut self, written: u32) {
        tell(self.number, News::Progress(written));
    }
}

impl ZephyrFetcher {
    /// Connects with TLS, and trusts the roots that the hub is trusted by. The device's own certificate stays unknown to
    /// the server.
    #[cfg(CONFIG_AZURE_UPDATE_HTTPS)]
    fn connect_tls(&self, address: &Address, host: &CStr) -> Result<Socket, ConnectError> {
        let _turn = loop {
            if let Some(turn) = ffi::Turn::take(LOOK_MS) {
                break turn;
            }
            if is_stopped(self.number) {
                return Err(ConnectError::Cancelled);
            }
        };
        let tags = Tags::of_roots();
        let mut handshake = Handshake::default();
        Socket::connect_tls(address, host, &tags, SEND_TIMEOUT_MS, &mut handshake)
            .map_err(|error| connect_error(error, ffi::errno(), &handshake))
    }

    /// Is not called: [`Fetcher::speaks_tls`] says no.
    #[cfg(not(CONFIG_AZURE_UPDATE_HTTPS))]
    fn connect_tls(&self, _: &Address, _: &CStr) -> Result<Socket, ConnectError> {
        Err(ConnectError::Tls(TlsFailure::Other, Code(0)))
    }
}

/// A connection to a server of files.
struct FileStream {
    socket: Socket,
    number: u32,
}

impl ErrorType for FileStream {
    type Error = ErrorKind;
}

fn kind(error: Error) -> ErrorKind {
    debug!("update: {error:?} ({})", ffi::errno());
    error.kind()
}

impl Read for FileStream {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
        let until = ffi::uptime().after(PATIENCE);
        loop {
            match self.socket.receive_within(buffer, LOOK_MS) {
                Err(Error::Again) if ffi::uptime() >= until || is_stopped(self.number) => {
                    return Err(ErrorKind::TimedOut);
                }
                Err(Error::Again) => {}
                result => return result.map_err(kind),
            }
        }
    }
}

impl Write for FileStream {
    fn write(&mut self, data: &[u8]) -> Result<usize, ErrorKind> {
        self.socket.send(data).map_err(kind)
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}
