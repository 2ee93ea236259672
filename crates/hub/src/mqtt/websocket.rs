//! MQTT over WebSocket (MQTT 3.1.1, section 6; RFC 6455): binary messages whose bytes are one stream.
//!
//! IoT Hub and its provisioning service serve it on the port of HTTPS at `/$iothub/websocket`, with the
//! subprotocol `mqtt`. Packets need not be aligned with messages.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use axum::http::header::{
    CONNECTION, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_core::Stream as _;
use futures_util::Sink;
use hyper::Request;
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use ring::digest;
use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Message};

use super::listener;
use super::stream::Stream;
use crate::close::CloseReason;
use crate::core::Core;
use crate::error::Error;

/// Most bytes of a message: some packets of the largest size.
const MAX_MESSAGE: usize = 1024 * 1024;
/// Bytes that are read at once.
const READ_SIZE: usize = 4096;
/// Appended to a key before it is digested (RFC 6455, section 1.3).
const ACCEPT_GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A WebSocket as a stream of bytes.
pub(crate) struct Messages {
    socket: WebSocketStream<TokioIo<Upgraded>>,
    /// The rest of a message.
    unread: Bytes,
}

impl Messages {
    async fn new(upgraded: Upgraded) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_SIZE)
            .write_buffer_size(0)
            .max_message_size(Some(MAX_MESSAGE))
            .max_frame_size(Some(MAX_MESSAGE));
        let io = TokioIo::new(upgraded);
        Self {
            socket: WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await,
            unread: Bytes::new(),
        }
    }
}

/// The end of a WebSocket is the end of its stream.
fn ended(error: tungstenite::Error) -> io::Result<()> {
    match error {
        tungstenite::Error::ConnectionClosed | tungstenite::Error::AlreadyClosed => Ok(()),
        tungstenite::Error::Io(error) => Err(error),
        error => Err(io::Error::other(format!("WebSocket: {error}"))),
    }
}

impl AsyncRead for Messages {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.unread.is_empty() {
            match ready!(Pin::new(&mut self.socket).poll_next(context)) {
                Some(Ok(Message::Binary(bytes))) => self.unread = bytes,
                Some(Ok(Message::Text(_))) => {
                    // MQTT 3.1.1, section 6: the connection must be closed.
                    let why = "WebSocket: a text message; MQTT packets are in binary ones";
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, why)));
                }
                Some(Ok(Message::Close(_))) | None => return Poll::Ready(Ok(())),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(ended(error)),
            }
        }
        let length = buffer.remaining().min(self.unread.len());
        buffer.put_slice(&self.unread.split_to(length));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Messages {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut socket = Pin::new(&mut self.socket);
        if let Err(error) = ready!(socket.as_mut().poll_ready(context)) {
            return Poll::Ready(Err(io::Error::other(error)));
        }
        let message = Message::Binary(Bytes::copy_from_slice(bytes));
        let sent = socket.start_send(message).map_err(io::Error::other);
        Poll::Ready(sent.map(|()| bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = ready!(Pin::new(&mut self.socket).poll_flush(context));
        Poll::Ready(flushed.or_else(ended))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = ready!(Pin::new(&mut self.socket).poll_close(context));
        Poll::Ready(closed.or_else(ended))
    }
}

/// Source of requests for a WebSocket, and the hub that serves them.
#[derive(Clone)]
pub(crate) struct WebSockets {
    /// The hub.
    pub(crate) core: Arc<Core>,
    /// The TCP client.
    pub(crate) peer: SocketAddr,
    /// The chain of the TLS client, leaf first.
    pub(crate) certificates: Arc<[CertificateDer<'static>]>,
    /// Says when the hub stops.
    pub(crate) stop: watch::Receiver<bool>,
}

/// True if the request is for MQTT over WebSocket.
pub(crate) fn is_wanted(request: &Request<Incoming>) -> bool {
    matches!(
        request.uri().path(),
        "/$iothub/websocket" | "/%24iothub/websocket"
    )
}

impl WebSockets {
    /// Answers the request, and follows the connection in a task of its own if it is one.
    pub(crate) fn open(self, request: &mut Request<Incoming>) -> Response {
        let (accept, protocol) = match check(request) {
            Ok(accepted) => accepted,
            Err(why) => {
                let peer = self.peer.to_string();
                let reason = CloseReason::Foreign(why);
                self.core.closes.record(&peer, None, &reason);
                return Error::ArgumentInvalid(why.into()).into_response();
            }
        };
        let upgrade = hyper::upgrade::on(request);
        tokio::spawn(async move {
            match upgrade.await {
                Ok(upgraded) => {
                    let messages = Box::new(Messages::new(upgraded).await);
                    let stream = Stream::WebSocket(messages, self.certificates);
                    listener::follow(self.core, self.peer, stream, self.stop).await;
                }
                Err(error) => log::debug!("{} did not become a WebSocket: {error}", self.peer),
            }
        });
        let mut response = (StatusCode::SWITCHING_PROTOCOLS, Body::empty()).into_response();
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
        headers.insert(SEC_WEBSOCKET_PROTOCOL, protocol);
        response
    }
}

/// The values of `Sec-WebSocket-Accept` and `Sec-WebSocket-Protocol`; the text says why there is no WebSocket.
fn check(request: &Request<Incoming>) -> Result<(HeaderValue, HeaderValue), &'static str> {
    let listed = |name: HeaderName, wanted: &str| {
        let values = request.headers().get_all(name).iter();
        values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .find(|value| value.eq_ignore_ascii_case(wanted))
            .map(str::to_owned)
    };
    if request.method() != Method::GET
        || listed(UPGRADE, "websocket").is_none()
        || listed(CONNECTION, "upgrade").is_none()
    {
        return Err("the request is for no WebSocket; send GET with Upgrade: websocket");
    }
    if listed(SEC_WEBSOCKET_VERSION, "13").is_none() {
        return Err("the WebSocket is not of version 13 (RFC 6455)");
    }
    let key = request.headers().get(SEC_WEBSOCKET_KEY);
    let key = key.ok_or("the request has no Sec-WebSocket-Key")?;
    // The C SDK writes it in capitals, and wants it back so.
    let Some(protocol) = listed(SEC_WEBSOCKET_PROTOCOL, "mqtt") else {
        return Err(match listed(SEC_WEBSOCKET_PROTOCOL, "AMQPWSB10") {
            Some(_) => {
                "the client speaks AMQP over WebSocket; this hub has MQTT 3.1.1 only: choose MQTT over WebSocket"
            }
            None => "the client offers no subprotocol that is served; offer mqtt",
        });
    };
    let mut context = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    context.update(key.as_bytes());
    context.update(ACCEPT_GUID.as_bytes());
    let accept = STANDARD.encode(context.finish().as_ref());
    let value = |text: String| {
        HeaderValue::try_from(text).map_err(|_| "a header of the WebSocket is no text")
    };
    Ok((value(accept)?, value(protocol)?))
}
