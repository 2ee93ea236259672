//! Transports of MQTT: TLS, and WebSocket over TLS.

use std::io;
use std::sync::Arc;

use bytes::BytesMut;
use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::websocket::Messages;
use crate::tls::TlsSocket;

/// Bytes that are read at once from a WebSocket.
const READ_SIZE: usize = 4096;

/// A stream of bytes after its handshakes.
pub(crate) enum Stream {
    /// TLS over TCP.
    Tls(TlsSocket),
    /// Binary messages of a WebSocket, and the certificates of the TLS client under it.
    WebSocket(Box<Messages>, Arc<[CertificateDer<'static>]>),
}

impl Stream {
    /// The chain that the client sent in the TLS handshake, leaf first.
    pub(super) fn peer_certificates(&self) -> &[CertificateDer<'static>] {
        match self {
            Self::Tls(tls) => tls.state().peer_certificates().unwrap_or_default(),
            Self::WebSocket(_, certificates) => certificates,
        }
    }

    /// Waits for bytes and adds them to `input`; gives their number, 0 at the end. Nothing is lost if the wait is
    /// given up.
    pub(super) async fn read(&mut self, input: &mut BytesMut) -> io::Result<usize> {
        match self {
            Self::Tls(tls) => tls.read(input).await,
            Self::WebSocket(messages, _) => {
                // Otherwise it would be read in pieces of 64 bytes.
                input.reserve(READ_SIZE);
                messages.read_buf(input).await
            }
        }
    }

    /// Writes all of `bytes` out.
    pub(super) async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tls(tls) => tls.write_all(bytes).await,
            Self::WebSocket(messages, _) => {
                messages.write_all(bytes).await?;
                messages.flush().await
            }
        }
    }

    /// Sends the end of the stream, and discards what still comes until the client closes too.
    pub(super) async fn end(&mut self) -> io::Result<()> {
        match self {
            Self::Tls(tls) => tls.end().await,
            Self::WebSocket(messages, _) => {
                messages.shutdown().await?;
                let mut discarded = [0; 4096];
                while messages.read(&mut discarded).await? > 0 {}
                Ok(())
            }
        }
    }
}
