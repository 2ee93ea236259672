//! The bytes of one connection: packets in, packets out, and the end of it.

use std::time::Duration;

use bytes::BytesMut;
use mqtt_protocol_core::mqtt::result_code::MqttError;
use tokio::time::timeout;

use super::codec::{self, Packet};
use super::stream::Stream;
use crate::close::CloseReason;

/// A client that takes no bytes for this long is cut off.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// After the last byte was sent, the client gets this long to read it and to close.
const LINGER: Duration = Duration::from_secs(1);
/// Bytes of memory for answers that are kept while there are none.
const OUTPUT_KEPT: usize = 64;
/// Answers that are collected before they are written out.
pub(crate) const OUTPUT_LIMIT: usize = 64 * 1024;

/// A stream cut into packets.
pub(crate) struct Connection {
    stream: Stream,
    input: BytesMut,
    output: Vec<u8>,
}

impl Connection {
    /// Takes over a stream after its handshake.
    pub(crate) fn new(stream: Stream) -> Self {
        Self {
            stream,
            input: BytesMut::new(),
            output: Vec::new(),
        }
    }

    /// The chain that the client sent in the handshake, leaf first.
    pub(crate) fn peer_certificates(&self) -> &[rustls_pki_types::CertificateDer<'static>] {
        self.stream.peer_certificates()
    }

    /// The next packet that has come completely, if there is one.
    pub(crate) fn packet(&mut self) -> Result<Option<Packet>, CloseReason> {
        codec::decode(&mut self.input).map_err(|error| CloseReason::Violation(error.to_string()))
    }

    /// Bytes that came and are no packet yet, or never will be.
    pub(crate) fn unread(&self) -> &[u8] {
        &self.input
    }

    /// Waits for more bytes. Nothing is lost if the wait is given up.
    pub(crate) async fn read(&mut self) -> Result<(), CloseReason> {
        if self.input.is_empty() {
            // A client that is silent needs no memory for what it said.
            self.input = BytesMut::new();
        }
        match self.stream.read(&mut self.input).await? {
            0 => Err(CloseReason::PeerClosed),
            _ => Ok(()),
        }
    }

    /// Adds a packet to what is written out by the next [`Self::flush`].
    pub(crate) fn queue(&mut self, packet: Result<Vec<u8>, MqttError>) -> Result<(), CloseReason> {
        let packet = packet.map_err(|error| {
            CloseReason::Violation(format!("a packet cannot be encoded: {error}"))
        })?;
        self.output.extend_from_slice(&packet);
        Ok(())
    }

    /// Bytes that wait to be written.
    pub(crate) const fn queued(&self) -> usize {
        self.output.len()
    }

    /// Writes out what was queued.
    pub(crate) async fn flush(&mut self) -> Result<(), CloseReason> {
        if self.output.is_empty() {
            return Ok(());
        }
        // The timer costs memory for as long as the future, and nearly every write succeeds at once.
        let write = Box::pin(timeout(WRITE_TIMEOUT, self.stream.write_all(&self.output)));
        match write.await {
            Ok(result) => result?,
            Err(_) => return Err(CloseReason::Socket("the client takes no bytes".into())),
        }
        self.output.clear();
        self.output.shrink_to(OUTPUT_KEPT);
        Ok(())
    }

    /// Closes without a word, in such a way that what was written before still arrives: a socket that is
    /// dropped with unread input is reset, and a reset may overtake the last packet.
    pub(crate) async fn close(mut self) {
        // Whatever fails here, the connection is over.
        let _ = timeout(LINGER, self.stream.end()).await;
    }
}
