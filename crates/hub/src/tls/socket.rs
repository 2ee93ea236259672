//! A TLS connection that holds no buffers while nothing is under way.
//!
//! # Theory of operation
//! Bytes are read into memory of the thread, decrypted there, and the plaintext goes to the caller. The connection keeps
//! what is left: the beginning of a record, which is nothing most of the time. What is written is encrypted into memory
//! that is given back once the system has it. So a connection that is silent costs its keys, and no buffer: with
//! thousands of them, buffers would be most of the memory.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncryptError, InsufficientSizeError, UnbufferedStatus,
};
use rustls::{CommonState, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::rustls;

/// Bytes that are read at once: a whole record and the beginning of the next.
const READ_SIZE: usize = 20 * 1024;
/// Bytes of records that are not whole: more than a handshake message of 64 KB in small records.
const MAX_INCOMING: usize = 128 * 1024;

thread_local! {
    /// Place to which bytes are read, and in which they are decrypted.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The server's side of a TLS connection over TCP.
pub(crate) struct TlsSocket {
    tcp: TcpStream,
    tls: Box<UnbufferedServerConnection>,
    /// Beginning of a record.
    incoming: Vec<u8>,
    /// Plaintext that came with the end of the handshake.
    early: BytesMut,
    outgoing: Outgoing,
    /// The client said that it sends nothing more.
    ended: bool,
}

/// Encrypted bytes that the system does not have yet.
#[derive(Default)]
struct Outgoing {
    bytes: Vec<u8>,
    written: usize,
}

impl TlsSocket {
    /// Shakes hands. What the client is told if that fails was written when this returns.
    pub(crate) async fn accept(tcp: TcpStream, config: Arc<ServerConfig>) -> io::Result<Self> {
        let tls = UnbufferedServerConnection::new(config).map_err(invalid)?;
        let mut socket = Self {
            tcp,
            tls: Box::new(tls),
            incoming: Vec::new(),
            early: BytesMut::new(),
            outgoing: Outgoing::default(),
            ended: false,
        };
        let mut early = BytesMut::new();
        while socket.tls.is_handshaking() {
            let read = std::future::poll_fn(|context| socket.poll_more(context, &mut early)).await;
            let flushed = socket.flush().await;
            match read {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Err(io::Error::new(error.kind(), "tls handshake eof"));
                }
                read => read?,
            };
            flushed?;
        }
        socket.early = early;
        Ok(socket)
    }

    /// Parameters that were agreed on.
    pub(crate) fn state(&self) -> &CommonState {
        &self.tls
    }

    /// Waits for plaintext and adds it to `input`; gives its length, 0 at the end. Nothing is lost if the wait is given
    /// up.
    pub(crate) async fn read(&mut self, input: &mut BytesMut) -> io::Result<usize> {
        std::future::poll_fn(|context| self.poll_read(context, input)).await
    }

    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        input: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        if !self.early.is_empty() {
            let early = std::mem::take(&mut self.early);
            input.extend_from_slice(&early);
            return Poll::Ready(Ok(early.len()));
        }
        loop {
            // An answer of TLS itself, to a record that came before.
            if !self.outgoing.bytes.is_empty()
                && let Poll::Ready(Err(error)) = self.poll_flush(context)
            {
                return Poll::Ready(Err(error));
            }
            if self.ended {
                return Poll::Ready(Ok(0));
            }
            let plain = ready!(self.poll_more(context, input))?;
            if plain > 0 {
                return Poll::Ready(Ok(plain));
            }
        }
    }

    /// Reads once, and decrypts what is whole by then; gives the length of the plaintext, which may be 0.
    fn poll_more(
        &mut self,
        context: &mut Context<'_>,
        input: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let kept = self.incoming.len();
            if kept > MAX_INCOMING {
                return Poll::Ready(Err(invalid("a TLS message is too long")));
            }
            if scratch.len() < kept + READ_SIZE {
                scratch.resize(kept + READ_SIZE, 0);
            }
            let (old, new) = scratch.split_at_mut(kept);
            let mut new = ReadBuf::new(new.get_mut(..READ_SIZE).unwrap_or_default());
            ready!(Pin::new(&mut self.tcp).poll_read(context, &mut new))?;
            let read = new.filled().len();
            if read == 0 {
                let why = "peer closed connection without sending TLS close_notify";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, why)));
            }
            old.copy_from_slice(&self.incoming);
            let bytes = scratch.get_mut(..kept + read).unwrap_or_default();
            Poll::Ready(self.decrypt(bytes, input))
        })
    }

    fn decrypt(&mut self, bytes: &mut [u8], input: &mut BytesMut) -> io::Result<usize> {
        let before = input.len();
        let mut used = 0;
        loop {
            let rest = bytes.get_mut(used..).unwrap_or_default();
            let UnbufferedStatus { discard, state } = self.tls.process_tls_records(rest);
            used += discard;
            let state = match state {
                Ok(state) => state,
                Err(error) => {
                    self.answer()?;
                    return Err(invalid(error));
                }
            };
            match state {
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(invalid)?;
                        used += record.discard;
                        input.extend_from_slice(record.payload);
                    }
                }
                ConnectionState::PeerClosed => self.ended = true,
                other => {
                    if !self.outgoing.take(other)? {
                        break;
                    }
                }
            }
        }
        let left = bytes.get(used..).unwrap_or_default();
        if !(left.is_empty() && self.incoming.is_empty()) {
            self.incoming = left.to_vec();
        }
        Ok(input.len() - before)
    }

    /// Takes what TLS itself has to say.
    fn answer(&mut self) -> io::Result<()> {
        loop {
            let UnbufferedStatus { state, .. } = self.tls.process_tls_records(&mut []);
            // The error was told already.
            let Ok(state) = state else { return Ok(()) };
            if !self.outgoing.take(state)? {
                return Ok(());
            }
        }
    }

    /// Encrypts all of `plain` and writes it. Given up, the rest is written before what is written next.
    pub(crate) async fn write_all(&mut self, plain: &[u8]) -> io::Result<()> {
        loop {
            let UnbufferedStatus { state, .. } = self.tls.process_tls_records(&mut []);
            match state.map_err(invalid)? {
                ConnectionState::WriteTraffic(mut traffic) => {
                    self.outgoing
                        .add(plain.len(), |room| traffic.encrypt(plain, room))?;
                    return self.flush().await;
                }
                other => {
                    if !self.outgoing.take(other)? {
                        return Err(io::ErrorKind::BrokenPipe.into());
                    }
                }
            }
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
        std::future::poll_fn(|context| self.poll_flush(context)).await
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest @ [_, ..]) = self.outgoing.bytes.get(self.outgoing.written..) {
            match ready!(Pin::new(&mut self.tcp).poll_write(context, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.outgoing.written += written,
            }
        }
        self.outgoing = Outgoing::default();
        Poll::Ready(Ok(()))
    }

    /// Says that nothing more is sent, and discards what still comes until the client closes too.
    pub(crate) async fn end(&mut self) -> io::Result<()> {
        let UnbufferedStatus { state, .. } = self.tls.process_tls_records(&mut []);
        if let Ok(ConnectionState::WriteTraffic(mut traffic)) = state {
            self.outgoing
                .add(0, |room| traffic.queue_close_notify(room))?;
        }
        self.flush().await?;
        self.tcp.shutdown().await?;
        let mut discarded = [0; 4096];
        while self.tcp.read(&mut discarded).await? > 0 {}
        Ok(())
    }
}

impl Outgoing {
    /// Takes what a state has to say; false if it has nothing, and waits for more input or output.
    fn take(&mut self, state: ConnectionState<'_, '_, ServerConnectionData>) -> io::Result<bool> {
        match state {
            ConnectionState::EncodeTlsData(mut data) => self.add(0, |room| data.encode(room))?,
            // It goes out before everything else.
            ConnectionState::TransmitTlsData(data) => data.done(),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Adds what `encode` writes into the room that it gets, or asks for.
    fn add<E: Into<Refusal>>(
        &mut self,
        plain: usize,
        mut encode: impl FnMut(&mut [u8]) -> Result<usize, E>,
    ) -> io::Result<()> {
        /// Header, nonce and tag of a record, and an alert.
        const OVERHEAD: usize = 64;
        let begin = self.bytes.len();
        let mut room = plain + OVERHEAD;
        loop {
            self.bytes.resize(begin + room, 0);
            let encoded = encode(self.bytes.get_mut(begin..).unwrap_or_default());
            match encoded.map_err(Into::into) {
                Ok(length) => {
                    self.bytes.truncate(begin + length);
                    return Ok(());
                }
                Err(Refusal::Needs(more)) if more > room => room = more,
                Err(Refusal::Needs(_)) => return Err(invalid("TLS asks for less room")),
                Err(Refusal::Never(error)) => return Err(invalid(error)),
            }
        }
    }
}

/// Reason why nothing was encoded.
enum Refusal {
    /// There is not this much room.
    Needs(usize),
    Never(String),
}

impl From<EncodeError> for Refusal {
    fn from(error: EncodeError) -> Self {
        match error {
            EncodeError::InsufficientSize(InsufficientSizeError { required_size }) => {
                Self::Needs(required_size)
            }
            error => Self::Never(error.to_string()),
        }
    }
}

impl From<EncryptError> for Refusal {
    fn from(error: EncryptError) -> Self {
        match error {
            EncryptError::InsufficientSize(InsufficientSizeError { required_size }) => {
                Self::Needs(required_size)
            }
            error => Self::Never(error.to_string()),
        }
    }
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
