//! An MQTT 3.1.1 client session without I/O: bytes and the time in, bytes, events and the next deadline out.
//!
//! # Theory of operation
//!
//! A [`Session`] outlives connections. What lasts is the outbox: a region of bytes that holds queued QoS 1
//! messages and those in flight, in the order of publishing, until the server acknowledges them. What dies
//! with a connection is kept apart, and [`Session::connect`] starts it again: its handshake, its timers, the
//! messages that the application has not acknowledged, the SUBSCRIBEs that wait for an answer. On a new
//! connection, what was sent before goes out first, in its old order and marked DUP.
//!
//! One turn of a driving loop, over any transport and clock:
//!
//! ```
//! use azure_device::mqtt::{Error, Event, Session};
//! use azure_device::time::Instant;
//!
//! fn turn(
//!     session: &mut Session<'_>,
//!     transport: &mut (impl embedded_io::Read + embedded_io::ReadReady + embedded_io::Write),
//!     now: Instant,
//! ) -> Result<Option<Instant>, Error> {
//!     while transport.read_ready().unwrap_or(false) {
//!         let space = session.receive_buffer();
//!         if space.is_empty() {
//!             break; // the application owes acknowledgements
//!         }
//!         match transport.read(space) {
//!             Ok(n) if n > 0 => session.received(n, now),
//!             _ => {
//!                 session.disconnected();
//!                 break;
//!             }
//!         }
//!         while let Some(event) = session.poll(now)? {
//!             match event {
//!                 Event::Connected { .. } => { /* subscribe */ }
//!                 Event::Message(message) => {
//!                     // take it, then:
//!                     if let Some(token) = message.ack() {
//!                         session.acknowledge(token);
//!                     }
//!                 }
//!                 _ => {}
//!             }
//!         }
//!     }
//!     session.poll(now)?; // the timers, even if nothing came in
//!     loop {
//!         let bytes = session.transmit();
//!         if bytes.is_empty() {
//!             break;
//!         }
//!         match transport.write(bytes) {
//!             Ok(n) => session.transmitted(n, now),
//!             Err(_) => session.disconnected(),
//!         }
//!     }
//!     Ok(session.deadline())
//! }
//! ```
//!
//! mqttbytes encodes and decodes every packet. It allocates: for the time of a call, the heap holds a copy
//! of the packet and of its strings; a [`Message`] keeps its packet and its topic until it is dropped. The
//! pieces of a large message are not copied.
//!
//! # Limits
//!
//! - QoS 2 is not spoken, since IoT Hub does not.
//! - 16 QoS 1 messages may be unacknowledged by the application at a time. Then nothing more is read:
//!   [`Session::poll`] gives no further message of QoS 1 and [`Session::receive_buffer`] may become empty.
//!   Meanwhile PINGREQs keep the connection up, but no time-out finds out that it is half-open.
//! - A PUBACK for a message that is not in flight is counted, not punished: a server that stored a message
//!   of the last connection may acknowledge it late, and again when it was sent again.
//! - The payload of a message that does not fit the receive buffer is given out in pieces
//!   ([`Event::LargeMessage`]). A message whose topic does not fit is discarded, acknowledged and reported.
//! - What was sent without being acknowledged is sent again, marked DUP, on a clean session too: the server
//!   may have stored it, and a message counts for more than a session.
//! - Read what the transport has before calling [`Session::poll`] at a deadline: an answer that came in time
//!   but was not read looks like none.
//! - The outbox is memory: what a restart must survive belongs into storage first.

mod backlog;
mod buffer;
mod codec;
mod connect;
mod connection;
mod deliveries;
mod error;
mod field;
mod inbound;
mod keepalive;
mod outbox;
mod poll;
mod publish;
mod subscribe;
mod timers;
mod transmit;
mod types;
mod violation;

#[cfg(test)]
mod tests;

use core::fmt;
use core::time::Duration;

use buffer::{ReceiveBuffer, TransmitBuffer};
use connection::{LinkState, Phase};
use outbox::Outbox;

pub use backlog::Backlog;
pub use connect::{Connect, Will};
pub use error::{Awaited, Buffer, ConnectReturnCode, Error, Fault, Field, RequestError};
pub use publish::Queued;
pub use types::{AckToken, Event, Granted, Label, MAX_FILTERS, Message, PacketId, QoS, Statistics};
pub use violation::{PacketType, Violation};

/// The longest keep-alive interval that has an effect with IoT Hub, which closes a connection after 1.5
/// times the interval, but after 1767 s at the latest (Microsoft, "Communicate with an IoT hub using the
/// MQTT protocol").
pub const IOT_HUB_MAX_KEEPALIVE: Duration = Duration::from_secs(1177);

/// The smallest receive and transmit buffers in bytes: every packet but CONNECT, SUBSCRIBE, UNSUBSCRIBE and
/// PUBLISH fits.
pub const MIN_BUFFER: usize = 16;

/// The memory of a session. All of it is the caller's, and nothing grows.
#[derive(Debug)]
pub struct Buffers<'b> {
    /// Bytes from the transport. The payload of a message that is larger, as a packet, comes in pieces; one
    /// whose topic is larger is discarded. For a cloud-to-device message of `n` bytes in one, `n` + 512 leave
    /// room for its topic with properties; IoT Hub's largest has 64 KB. At least [`MIN_BUFFER`].
    pub receive: &'b mut [u8],
    /// Control packets and QoS 0 messages on their way out. CONNECT is the largest: 768 bytes hold any
    /// device id and SAS token without a will. At least [`MIN_BUFFER`].
    pub transmit: &'b mut [u8],
    /// Queued and unacknowledged messages, each with its topic and 26 bytes or less around them. Its size
    /// decides how long an outage loses nothing.
    pub outbox: &'b mut [u8],
}

/// Fate of a message that the outbox has no room for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OverflowPolicy {
    /// The oldest messages that were never sent are dropped until it fits: the newest readings survive.
    /// Those in flight stay, and if they leave no room, the new one is refused.
    #[default]
    DropOldest,
    /// The new message is refused: the oldest readings survive.
    RefuseNewest,
}

/// Behaviour of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The longest silence of this client. The server closes after 1.5 times as much. Zero switches
    /// PINGREQs off, which IoT Hub takes as its own maximum. See [`IOT_HUB_MAX_KEEPALIVE`].
    pub keepalive: Duration,
    /// The longest wait for CONNACK.
    pub connack_timeout: Duration,
    /// The longest silence of the server after a PINGREQ.
    pub ping_timeout: Duration,
    /// The longest wait for the acknowledgement of the oldest message in flight; also for SUBACK and
    /// UNSUBACK.
    pub puback_timeout: Duration,
    /// Messages that may be sent without being acknowledged; 0 counts as 1.
    pub max_in_flight: u16,
    /// Reaction to a full outbox.
    pub overflow: OverflowPolicy,
}

impl Default for Config {
    /// 240 s of keep-alive, as Microsoft's device SDK for C; 30 s, 30 s and 60 s of patience; 4 messages in
    /// flight.
    fn default() -> Self {
        Self {
            keepalive: Duration::from_secs(240),
            connack_timeout: Duration::from_secs(30),
            ping_timeout: Duration::from_secs(30),
            puback_timeout: Duration::from_secs(60),
            max_in_flight: 4,
            overflow: OverflowPolicy::default(),
        }
    }
}

/// A client's session with one server: see the module.
pub struct Session<'b> {
    config: Config,
    keepalive_seconds: u16,
    receive_buffer: ReceiveBuffer<'b>,
    transmit_buffer: TransmitBuffer<'b>,
    outbox: Outbox<'b>,
    next_packet_id: PacketId,
    statistics: Statistics,
    connection: LinkState,
}

impl<'b> Session<'b> {
    /// A session with an empty outbox and no connection.
    ///
    /// # Errors
    /// [`RequestError::TooLarge`] for a buffer below its minimum, [`RequestError::Keepalive`].
    pub fn new(config: Config, buffers: Buffers<'b>) -> Result<Self, RequestError> {
        for (buffer, size) in [
            (Buffer::Receive, buffers.receive.len()),
            (Buffer::Transmit, buffers.transmit.len()),
        ] {
            if size < MIN_BUFFER {
                return Err(RequestError::TooLarge {
                    buffer,
                    needed: MIN_BUFFER,
                    size,
                });
            }
        }
        // Rounded up, so that the server is never less patient than this side thinks.
        let seconds = config.keepalive.as_secs() + u64::from(config.keepalive.subsec_nanos() > 0);
        let keepalive_seconds =
            u16::try_from(seconds).map_err(|_| RequestError::Keepalive(config.keepalive))?;
        Ok(Self {
            config,
            keepalive_seconds,
            receive_buffer: ReceiveBuffer::new(buffers.receive),
            transmit_buffer: TransmitBuffer::new(buffers.transmit),
            outbox: Outbox::new(buffers.outbox),
            next_packet_id: PacketId::FIRST,
            statistics: Statistics::default(),
            connection: LinkState::none(0),
        })
    }

    /// Holds back the outbox, until told otherwise or until the next connection: no PUBLISH of it starts,
    /// so that those in flight can drain before a planned reconnect.
    pub fn set_hold(&mut self, hold: bool) {
        self.connection.hold = hold;
    }

    /// The server accepted the connection, and it has not ended.
    pub fn is_connected(&self) -> bool {
        matches!(
            self.connection.phase,
            Phase::Connected | Phase::Leaving | Phase::Left
        )
    }

    /// Nothing that was started is unfinished: no message is in flight in either direction, no request
    /// waits for an answer, nothing waits for the transport. Messages that were not sent on this
    /// connection do not count.
    pub fn is_drained(&self) -> bool {
        self.outbox.in_flight() == 0
            && self.transmit_buffer.is_empty()
            && self.connection.deliveries.is_empty()
            && self.connection.requests.count() == 0
    }

    /// Messages sent on this connection that the server has not acknowledged.
    pub fn in_flight(&self) -> usize {
        usize::from(self.outbox.in_flight())
    }

    /// Messages in the outbox, in flight or not.
    pub fn outbox_count(&self) -> usize {
        self.outbox.count()
    }

    /// True if the message of this identifier is in the outbox.
    pub fn has_queued(&self, id: PacketId) -> bool {
        self.outbox.contains(id)
    }

    /// Messages in the outbox that were never given to a transport.
    pub fn unsent_count(&self) -> usize {
        self.outbox.unsent()
    }

    /// Bytes of the outbox, free or not.
    pub const fn outbox_size(&self) -> usize {
        self.outbox.size()
    }

    /// True if a full outbox makes room by dropping its oldest messages.
    pub const fn drops_oldest(&self) -> bool {
        matches!(self.config.overflow, OverflowPolicy::DropOldest)
    }

    /// Bytes that are free in the outbox.
    pub fn outbox_free(&self) -> usize {
        self.outbox.free()
    }

    /// Size of the receive buffer in bytes: that of the largest packet that is taken in one.
    pub fn receive_buffer_size(&self) -> usize {
        self.receive_buffer.size()
    }

    /// The most bytes of topic and payload that [`Session::publish_now`] takes, when nothing else waits to be sent.
    pub const fn publish_now_size(&self) -> usize {
        // Type, remaining length of 4 bytes at most, and the topic's length (MQTT 3.1.1, section 3.3).
        self.transmit_buffer.size().saturating_sub(1 + 4 + 2)
    }

    /// Messages of QoS 1 whose acknowledgement has not been queued for the server.
    pub fn unacknowledged(&self) -> usize {
        self.connection.deliveries.count()
    }

    /// Counters since the session was made.
    pub const fn statistics(&self) -> &Statistics {
        &self.statistics
    }
}

/// Sizes and counts; no byte of a packet.
impl fmt::Debug for Session<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("config", &self.config)
            .field("phase", &self.connection.phase)
            .field("in_flight", &self.in_flight())
            .field("outbox_count", &self.outbox_count())
            .field("outbox_free", &self.outbox_free())
            .field("transmit_buffer", &self.transmit_buffer.size())
            .field("receive_buffer", &self.receive_buffer.size())
            .field("statistics", &self.statistics)
            .finish_non_exhaustive()
    }
}
