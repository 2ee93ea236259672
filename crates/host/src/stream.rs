//! An open TLS connection over a socket that never blocks by itself.

use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use embedded_io::{ErrorType, Read, ReadReady, Write};
use log::trace;
use mio::net::TcpStream;
use rustls::ClientConnection;

use azure_device::failure::{Code, TlsFailure};

use crate::poller::Poller;
use crate::tls::of_rustls;

/// Time that a peer may take none of what is sent to it before the connection counts as lost.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);

/// A connection whose handshake is complete or under way. Dropping it says goodbye and closes it.
#[derive(Debug)]
pub struct TlsStream {
    tls: ClientConnection,
    socket: TcpStream,
    poller: Poller,
    /// TCP ended.
    ended: bool,
    /// Result that the next `read` gives: it came between two calls.
    failure: Option<io::Error>,
    /// The last failure of TLS itself.
    told: Option<TlsFailure>,
}

impl TlsStream {
    /// A connection on a socket that `poller` knows, before its handshake.
    pub(crate) fn new(tls: ClientConnection, socket: TcpStream, poller: Poller) -> Self {
        Self {
            tls,
            socket,
            poller,
            ended: false,
            failure: None,
            told: None,
        }
    }

    /// Goes on with the handshake as far as the socket lets it. True when it is complete.
    pub(crate) fn advance_handshake(&mut self) -> io::Result<bool> {
        loop {
            if !self.send_some()? {
                return Ok(false);
            }
            if !self.tls.is_handshaking() {
                return Ok(true);
            }
            if !self.receive()? {
                return Ok(false);
            }
        }
    }

    /// Takes what the socket has, at most one read's worth. False if there was nothing.
    fn receive(&mut self) -> io::Result<bool> {
        match self.tls.read_tls(&mut self.socket) {
            Ok(0) if self.tls.is_handshaking() => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(0) => self.ended = true,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if let Err(error) = self.tls.process_new_packets() {
            self.told = Some(of_rustls(&error));
            // The alert that tells the peer why; the connection is lost either way.
            let _ = self.tls.write_tls(&mut self.socket);
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
        Ok(true)
    }

    /// Sends what TLS has to send, as far as the socket takes it. True when that was all.
    fn send_some(&mut self) -> io::Result<bool> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.socket) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Sends all that TLS has to send.
    fn send(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + WRITE_TIMEOUT;
        while !self.send_some()? {
            self.poller.sleep_until(deadline)?;
        }
        Ok(())
    }

    /// True if `read` has something to say: plaintext, the end, or a failure. TLS records that carry none
    /// (session tickets, alerts) are digested on the way.
    fn readable(&mut self) -> io::Result<bool> {
        loop {
            let state = self.tls.process_new_packets();
            let state = state.map_err(|error| {
                self.told = Some(of_rustls(&error));
                io::Error::new(io::ErrorKind::InvalidData, error)
            })?;
            if state.plaintext_bytes_to_read() > 0 || state.peer_has_closed() || self.ended {
                return Ok(true);
            }
            self.send_some()?;
            if !self.receive()? {
                return Ok(false);
            }
        }
    }
}

impl ErrorType for TlsStream {
    type Error = io::Error;
}

impl ReadReady for TlsStream {
    /// Never blocks, never fails: a failure makes the stream readable, and `read` tells it.
    fn read_ready(&mut self) -> io::Result<bool> {
        if self.failure.is_some() {
            return Ok(true);
        }
        Ok(self.readable().unwrap_or_else(|error| {
            trace!("connection lost: {error}");
            self.failure = Some(error);
            true
        }))
    }
}

impl Read for TlsStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !buffer.is_empty() {
            // Without a call of `read_ready` before, this waits, as embedded-io has it.
            while !self.read_ready()? {
                self.poller.sleep(WRITE_TIMEOUT)?;
            }
        }
        if let Some(error) = self.failure.take() {
            return Err(error);
        }
        match self.tls.reader().read(buffer) {
            // TCP ended without TLS's goodbye, as brokers do. MQTT says where its packets end, so that a
            // truncated one cannot be taken for a whole one.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
            result => result,
        }
    }
}

impl Write for TlsStream {
    /// Hands over at least one byte and sends all that it handed over.
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let length = self.tls.writer().write(buffer)?;
        self.flush()?;
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send()
    }
}

impl azure_device::port::Stream for TlsStream {
    /// A server of TLS 1.3 refuses a client certificate after the handshake, by an alert that may lie unread when
    /// writing fails.
    fn tls_failure(&mut self) -> Option<(TlsFailure, Code)> {
        while self.told.is_none() && matches!(self.receive(), Ok(true)) && !self.ended {}
        self.told.take().map(|failure| (failure, Code(0)))
    }
}

impl Drop for TlsStream {
    fn drop(&mut self) {
        // Best effort: the peer may be gone. Unread bytes would turn the close into a reset, which could
        // destroy the goodbye on its way.
        self.tls.send_close_notify();
        let _ = self.tls.write_tls(&mut self.socket);
        let _ = self.socket.shutdown(Shutdown::Write);
        let mut unread = [0; 1024];
        while matches!(self.socket.read(&mut unread), Ok(1..)) {}
        let _ = self.poller.deregister(&mut self.socket);
    }
}
