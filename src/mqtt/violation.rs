//! Violations of a server, by the rule that it breaks.

use core::fmt;

/// A control packet type (MQTT 3.1.1, section 2.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the specification's")]
pub enum PacketType {
    Connect,
    Connack,
    Publish,
    Puback,
    Pubrec,
    Pubrel,
    Pubcomp,
    Subscribe,
    Suback,
    Unsubscribe,
    Unsuback,
    Pingreq,
    Pingresp,
    Disconnect,
}

impl fmt::Display for PacketType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "CONNECT",
            Self::Connack => "CONNACK",
            Self::Publish => "PUBLISH",
            Self::Puback => "PUBACK",
            Self::Pubrec => "PUBREC",
            Self::Pubrel => "PUBREL",
            Self::Pubcomp => "PUBCOMP",
            Self::Subscribe => "SUBSCRIBE",
            Self::Suback => "SUBACK",
            Self::Unsubscribe => "UNSUBSCRIBE",
            Self::Unsuback => "UNSUBACK",
            Self::Pingreq => "PINGREQ",
            Self::Pingresp => "PINGRESP",
            Self::Disconnect => "DISCONNECT",
        })
    }
}

/// Violation by the server of MQTT 3.1.1; the sections are that document's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Violation {
    /// Packet type 0 or 15, which are reserved (2.2.1).
    ReservedType(u8),
    /// A packet that only clients send, or that belongs to QoS 2, which this client never uses (2.2.1).
    Unexpected(PacketType),
    /// The flags of the fixed header are not those of the packet (2.2.2).
    Flags(PacketType, u8),
    /// The remaining length takes more than four bytes (2.2.3).
    RemainingLength,
    /// The remaining length is impossible for the packet (2.2.3).
    Length(PacketType, usize),
    /// Something came before CONNACK (3.2).
    BeforeConnack(PacketType),
    /// A second CONNACK (3.2).
    SecondConnack,
    /// Reserved CONNACK flags are set (3.2.2.1).
    ConnackFlags(u8),
    /// Session present, although a clean session was asked for (3.2.2.2).
    SessionPresent,
    /// A packet identifier of 0 (2.3.1).
    PacketIdZero(PacketType),
    /// A message of QoS 2, which was never subscribed to, or 3, which does not exist (3.3.1.2).
    QoS(u8),
    /// A message of QoS 0 is marked as a duplicate (3.3.1.1).
    DupAtQoS0,
    /// A topic without a character (4.7.3).
    TopicEmpty,
    /// A topic that is not UTF-8 (1.5.3).
    TopicNotUtf8,
    /// A topic with U+0000 (1.5.3).
    TopicNul,
    /// A topic with a wildcard (3.3.2.1).
    TopicWildcard,
    /// The answer to a SUBSCRIBE or UNSUBSCRIBE that was not asked, with its packet identifier (3.9, 3.11).
    Unasked(PacketType, u16),
    /// A SUBACK with a wrong number of return codes (3.9.3).
    SubackCount {
        /// Filters in the SUBSCRIBE.
        expected: usize,
        /// Return codes in the SUBACK.
        found: usize,
    },
    /// A SUBACK return code that is reserved, or that grants more than was asked for (3.9.3).
    SubackCode(u8),
    /// A PINGRESP without a PINGREQ (3.13).
    UnaskedPingresp,
    /// The fields do not fit the packet.
    Malformed(PacketType),
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReservedType(packet) => write!(f, "packet type {packet} is reserved"),
            Self::Unexpected(packet) => write!(f, "a client cannot receive {packet}"),
            Self::Flags(packet, flags) => write!(f, "{packet} has fixed header flags {flags:#06b}"),
            Self::RemainingLength => f.write_str("the remaining length takes more than 4 bytes"),
            Self::Length(packet, length) => {
                write!(f, "{packet} has a remaining length of {length}")
            }
            Self::BeforeConnack(packet) => write!(f, "{packet} came before CONNACK"),
            Self::SecondConnack => f.write_str("a second CONNACK came"),
            Self::ConnackFlags(flags) => write!(f, "CONNACK has acknowledge flags {flags:#010b}"),
            Self::SessionPresent => {
                f.write_str("a session is present although a clean one was asked for")
            }
            Self::PacketIdZero(packet) => write!(f, "{packet} has packet identifier 0"),
            Self::QoS(qos) => write!(
                f,
                "PUBLISH has QoS {qos}, but only 0 and 1 were subscribed to"
            ),
            Self::DupAtQoS0 => f.write_str("PUBLISH has QoS 0 and DUP"),
            Self::TopicEmpty => f.write_str("PUBLISH has an empty topic"),
            Self::TopicNotUtf8 => f.write_str("PUBLISH has a topic that is not UTF-8"),
            Self::TopicNul => f.write_str("PUBLISH has a topic with U+0000"),
            Self::TopicWildcard => f.write_str("PUBLISH has a topic with a wildcard"),
            Self::Unasked(packet, id) => write!(
                f,
                "{packet} answers packet identifier {id}, which waits for none"
            ),
            Self::SubackCount { expected, found } => {
                write!(
                    f,
                    "SUBACK has {found} return codes, but SUBSCRIBE had {expected} topic filters"
                )
            }
            Self::SubackCode(code) => write!(
                f,
                "SUBACK has return code {code:#04x}, which was not asked for"
            ),
            Self::UnaskedPingresp => f.write_str("PINGRESP came without a PINGREQ"),
            Self::Malformed(packet) => write!(f, "the fields of {packet} do not fit its length"),
        }
    }
}
