//! Types that callers of the session hold: identifiers, messages, events, counters.

use core::fmt;
use core::num::NonZeroU16;

use mqttbytes_nostd::v4;

/// Quality of service of a message or subscription (MQTT 3.1.1, section 4.3).
///
/// There is no QoS 2 here: IoT Hub closes the connection of a client that uses it (Microsoft,
/// "Communicate with an IoT hub using the MQTT protocol").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum QoS {
    /// QoS 0: sent once, lost if the connection is.
    AtMostOnce = 0,
    /// QoS 1: sent until acknowledged, so perhaps more than once.
    AtLeastOnce = 1,
}

/// A packet identifier (MQTT 3.1.1, section 2.3.1): never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PacketId(NonZeroU16);

impl PacketId {
    /// The first identifier that a session uses.
    pub(super) const FIRST: Self = Self(NonZeroU16::MIN);

    /// `None` if `number` is 0.
    pub(super) const fn new(number: u16) -> Option<Self> {
        match NonZeroU16::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The number on the wire.
    pub const fn get(self) -> u16 {
        self.0.get()
    }

    /// The next identifier: 65535 is followed by 1.
    pub(super) const fn next(self) -> Self {
        match self.0.checked_add(1) {
            Some(next) => Self(next),
            None => Self::FIRST,
        }
    }
}

impl fmt::Display for PacketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A claim check for a QoS 1 message: see [`Session::acknowledge`](super::Session::acknowledge).
///
/// It knows its connection. One from an earlier connection has no effect, since the server delivers what
/// was not acknowledged there again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a message that is never acknowledged is delivered again and holds up those behind it"]
pub struct AckToken {
    pub(super) connection: u32,
    pub(super) packet_id: PacketId,
}

impl AckToken {
    /// The identifier that the server gave to this delivery.
    pub const fn packet_id(self) -> PacketId {
        self.packet_id
    }

    /// The token as a number, never 0, for code that has no such type.
    pub const fn to_bits(self) -> u64 {
        (self.connection as u64) << 16 | self.packet_id.get() as u64
    }

    /// The token of a number that [`AckToken::to_bits`] gave; `None` for another one. A token that no message had has
    /// no effect.
    pub const fn from_bits(bits: u64) -> Option<Self> {
        match PacketId::new(bits as u16) {
            Some(packet_id) if bits >> 48 == 0 => Some(Self {
                connection: (bits >> 16) as u32,
                packet_id,
            }),
            _ => None,
        }
    }
}

/// A message from the server. It owns its bytes: the receive buffer is free again.
#[derive(Clone, PartialEq)]
pub struct Message {
    publish: v4::Publish,
    ack: Option<AckToken>,
}

impl Message {
    pub(super) const fn new(publish: v4::Publish, ack: Option<AckToken>) -> Self {
        Self { publish, ack }
    }

    /// The topic: at least one character, without wildcards and U+0000.
    pub fn topic(&self) -> &str {
        &self.publish.topic
    }

    /// The body, which may be empty.
    pub fn payload(&self) -> &[u8] {
        &self.publish.payload
    }

    /// QoS of the delivery.
    pub const fn qos(&self) -> QoS {
        match self.ack {
            Some(_) => QoS::AtLeastOnce,
            None => QoS::AtMostOnce,
        }
    }

    /// The server may have delivered it before (MQTT 3.1.1, section 3.3.1.1). False for QoS 0.
    pub const fn dup(&self) -> bool {
        self.publish.dup
    }

    /// It was stored before this client subscribed (MQTT 3.1.1, section 3.3.1.3). IoT Hub never says so.
    pub const fn retain(&self) -> bool {
        self.publish.retain
    }

    /// Identifier to acknowledge it with; `None` for QoS 0.
    pub const fn ack(&self) -> Option<AckToken> {
        self.ack
    }
}

/// The topic may hold personal data and the payload anything: only sizes and flags are printed.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("topic_bytes", &self.topic().len())
            .field("payload_bytes", &self.payload().len())
            .field("qos", &self.qos())
            .field("dup", &self.dup())
            .field("retain", &self.retain())
            .field("ack", &self.ack)
            .finish()
    }
}

/// The most topic filters in one SUBSCRIBE or UNSUBSCRIBE. IoT Hub allows 5 subscriptions a connection
/// (Microsoft, "IoT Hub quotas and throttling").
pub const MAX_FILTERS: usize = 8;

/// Grants of the server for each filter of a SUBSCRIBE, in the order of the filters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Granted {
    codes: [Option<QoS>; MAX_FILTERS],
    count: usize,
}

impl Granted {
    pub(super) const NONE: Self = Self {
        codes: [None; MAX_FILTERS],
        count: 0,
    };

    /// Appends; false if there is no room.
    pub(super) fn push(&mut self, code: Option<QoS>) -> bool {
        match self.codes.get_mut(self.count) {
            Some(slot) => {
                *slot = code;
                self.count += 1;
                true
            }
            None => false,
        }
    }

    /// One entry for each filter: the granted quality of service, or `None` if the server refused it.
    pub fn as_slice(&self) -> &[Option<QoS>] {
        self.codes.get(..self.count).unwrap_or_default()
    }

    /// Every filter was granted, if perhaps at a lower quality of service.
    pub fn all(&self) -> bool {
        self.as_slice().iter().all(Option::is_some)
    }
}

impl fmt::Debug for Granted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.as_slice()).finish()
    }
}

/// Something that the application should know.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The server accepted the connection. From now on, messages may be sent and come in.
    Connected {
        /// The server has kept this client's subscriptions from an earlier connection.
        session_present: bool,
    },
    /// The server answered [`Session::subscribe`](super::Session::subscribe).
    Subscribed {
        /// Identifier of the request that it answered.
        packet_id: PacketId,
        /// Grants for each filter.
        granted: Granted,
    },
    /// The server answered [`Session::unsubscribe`](super::Session::unsubscribe).
    Unsubscribed {
        /// Identifier of the request that it answered.
        packet_id: PacketId,
    },
    /// A message came in. At QoS 1, hand its token to [`Session::acknowledge`](super::Session::acknowledge)
    /// when it is safe.
    Message(Message),
    /// A message begins that does not fit the receive buffer. Its payload follows in [`Event::Piece`]s up to
    /// [`Event::LargeMessageEnd`], and nothing else comes between. If the connection ends before, the rest
    /// never comes; at QoS 1 the server delivers the message again.
    LargeMessage {
        /// The message, without its payload.
        message: Message,
        /// Size of the PUBLISH packet in bytes: the receive buffer that it would have needed.
        size: usize,
    },
    /// The next bytes of the payload are in [`Session::piece`](super::Session::piece): one or more.
    Piece,
    /// The payload of the large message is complete.
    LargeMessageEnd {
        /// Identifier to acknowledge it with, when it is safe; `None` for QoS 0.
        ack: Option<AckToken>,
    },
    /// A message came in whose topic does not fit the receive buffer. It was discarded and, at QoS 1,
    /// acknowledged: MQTT 3.1.1 knows no way to refuse it, and unacknowledged it would come again for ever.
    MessageTooLarge {
        /// Size of the PUBLISH packet in bytes: the receive buffer that it would have needed.
        size: usize,
    },
    /// The server has taken over the message of this identifier (PUBACK).
    Published(PacketId),
}

/// Facts about a message of the outbox that stay beside it, for its owner. The session itself does not look at them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Label {
    /// It matters more than others.
    pub urgent: bool,
    /// `created` counts from 1970; otherwise since the start of the device.
    pub dated: bool,
    /// Time at which it was made, in milliseconds.
    pub created: u64,
    /// Seconds after which it is of no use; 0 if it always is.
    pub time_to_live: u32,
}

impl Label {
    /// Length in the outbox, in bytes.
    pub(super) const LENGTH: usize = 1 + 8 + 4;

    pub(super) fn to_bytes(self) -> [u8; Self::LENGTH] {
        let [a, b, c, d] = self.time_to_live.to_le_bytes();
        let [e, f, g, h, i, j, k, l] = self.created.to_le_bytes();
        let flags = u8::from(self.urgent) | u8::from(self.dated) << 1;
        [flags, a, b, c, d, e, f, g, h, i, j, k, l]
    }

    pub(super) const fn from_bytes(bytes: [u8; Self::LENGTH]) -> Self {
        let [flags, a, b, c, d, created @ ..] = bytes;
        Self {
            urgent: flags & 1 != 0,
            dated: flags & 2 != 0,
            created: u64::from_le_bytes(created),
            time_to_live: u32::from_le_bytes([a, b, c, d]),
        }
    }
}

/// Counters since the session was made. They stop at their end instead of wrapping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Connections that the server accepted.
    pub connections: u32,
    /// Messages that the outbox took.
    pub queued: u32,
    /// PUBLISH packets of the outbox that went out completely, repetitions included.
    pub sent: u32,
    /// Those of them that had been tried on an earlier connection.
    pub resent: u32,
    /// Messages of the outbox that the server acknowledged.
    pub acknowledged: u32,
    /// Never-sent messages that were dropped for newer ones.
    pub dropped: u32,
    /// Messages that the outbox did not take, for whatever reason.
    pub refused: u32,
    /// Messages that were handed to the application, or that began to be.
    pub received: u32,
    /// Those of them that the server marked as perhaps delivered before.
    pub duplicates: u32,
    /// Messages whose topic did not fit the receive buffer.
    pub too_large: u32,
    /// PUBACKs for messages that are not in flight: see the module's limits.
    pub unexpected_pubacks: u32,
    /// Acknowledgements by the application that belonged to an earlier connection or to no message.
    pub stale_acknowledgements: u32,
}

/// One more.
pub(super) fn count(counter: &mut u32) {
    *counter = counter.saturating_add(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_and_its_number_are_the_same() {
        for (connection, packet_id) in [(0, 1), (1, u16::MAX), (u32::MAX, 258)] {
            let packet_id = PacketId::new(packet_id).expect("not 0");
            let token = AckToken {
                connection,
                packet_id,
            };
            assert_ne!(token.to_bits(), 0);
            assert_eq!(AckToken::from_bits(token.to_bits()), Some(token));
        }
        for none in [0, 1 << 16, 1 << 48 | 1, u64::MAX] {
            assert_eq!(AckToken::from_bits(none), None);
        }
    }
}
