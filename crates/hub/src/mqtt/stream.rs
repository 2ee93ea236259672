//! Transports of MQTT: TLS, and WebSocket over TLS.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::websocket::Messages;

/// A stream of bytes after its handshakes.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every connection is of the larger kind"
)]
pub(crate) enum Stream {
    /// TLS over TCP.
    Tls(TlsStream<TcpStream>),
    /// Binary messages of a WebSocket, and the certificates of the TLS client under it.
    WebSocket(Box<Messages>, Arc<[CertificateDer<'static>]>),
}

impl Stream {
    /// The chain that the client sent in the TLS handshake, leaf first.
    pub(super) fn peer_certificates(&self) -> &[CertificateDer<'static>] {
        match self {
            Self::Tls(tls) => tls.get_ref().1.peer_certificates().unwrap_or_default(),
            Self::WebSocket(_, certificates) => certificates,
        }
    }

    /// Sends the end of the stream, and discards what still comes until the client closes too.
    pub(super) async fn end(&mut self) -> io::Result<()> {
        self.shutdown().await?;
        let mut discarded = [0; 4096];
        match self {
            Self::Tls(tls) => {
                let (tcp, _) = tls.get_mut();
                while tcp.read(&mut discarded).await? > 0 {}
            }
            Self::WebSocket(messages, _) => while messages.read(&mut discarded).await? > 0 {},
        }
        Ok(())
    }
}

/// Passes a call on to the transport.
macro_rules! pass_on {
    ($stream:expr, $call:ident, $($argument:expr),*) => {
        match $stream.get_mut() {
            Self::Tls(tls) => Pin::new(tls).$call($($argument),*),
            Self::WebSocket(messages, _) => Pin::new(messages).$call($($argument),*),
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        pass_on!(self, poll_read, context, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        pass_on!(self, poll_write, context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        pass_on!(self, poll_flush, context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        pass_on!(self, poll_shutdown, context)
    }
}
