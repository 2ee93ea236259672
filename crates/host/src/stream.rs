//! An open TLS connection over a socket that never blocks by itself.

use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use embedded_io::{ErrorType, Read, ReadReady, Write};
use log::trace;
use mio::net::TcpStream;
use rustls::ClientConnection;

use crate::poller::Poller;

/// How long a peer may take none of what is sent to it before the connection counts as lost.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);

/// A connection whose handshake is complete or under way. Dropping it says goodbye and closes it.
#[derive(Debug)]
pub struct TlsStream {
    tls: ClientConnection,
    socket: TcpStream,
    poller: Poller,
    /// TCP ended.
    ended: bool,
    /// What `read` will say: noticed while nobody was reading.
    failure: Option<io::Error>,
}

impl TlsStream {
    /// Completes the handshake on a connected socket that `poller` knows, until `deadline`.
    pub(crate) fn handshake(
        tls: ClientConnection,
        socket: TcpStream,
        poller: Poller,
        deadline: Instant,
    ) -> io::Result<Self> {
        let mut stream = Self {
            tls,
            socket,
            poller,
            ended: false,
            failure: None,
        };
        while stream.tls.is_handshaking() {
            stream.send(deadline)?;
            if stream.tls.is_handshaking() && !stream.receive()? {
                stream.sleep(deadline)?;
            }
        }
        stream.send(deadline)?;
        Ok(stream)
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
            // The alert that tells the peer why; the connection is lost either way.
            let _ = self.tls.write_tls(&mut self.socket);
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
        Ok(true)
    }

    /// Sends all that TLS has to send, until `deadline`.
    fn send(&mut self, deadline: Instant) -> io::Result<()> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.socket) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.sleep(deadline)?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Sleeps until something about the socket may have changed.
    fn sleep(&self, deadline: Instant) -> io::Result<()> {
        match deadline.saturating_duration_since(Instant::now()) {
            Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
            left => self.poller.sleep(left),
        }
    }

    /// Whether `read` has something to say: plaintext, the end, or a failure. TLS records that carry none
    /// (session tickets, alerts) are digested on the way.
    fn readable(&mut self) -> io::Result<bool> {
        loop {
            let state = self.tls.process_new_packets();
            let state = state.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            if state.plaintext_bytes_to_read() > 0 || state.peer_has_closed() || self.ended {
                return Ok(true);
            }
            if self.tls.wants_write() {
                self.send(Instant::now() + WRITE_TIMEOUT)?;
            }
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
            // Whoever did not ask before waits here, as embedded-io has it.
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
        self.send(Instant::now() + WRITE_TIMEOUT)
    }
}

impl azure_device::port::Stream for TlsStream {}

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
