//! Errors, by who must act. An error of the peer ends the connection; an error of a request does not.

use core::fmt;
use core::time::Duration;

use super::types::MAX_FILTERS;
use super::violation::Violation;

/// The connection is over: close the transport and open a new one. The outbox is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The server answered CONNECT with a refusal.
    Refused(ConnectReturnCode),
    /// The server did not answer in time: it is overloaded, or the connection is half-open.
    Timeout(Awaited),
    /// The server sent something that MQTT 3.1.1 does not allow.
    Protocol(Violation),
}

impl From<Violation> for Error {
    fn from(violation: Violation) -> Self {
        Self::Protocol(violation)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(code) => write!(f, "the server refused the connection: {code}"),
            Self::Timeout(awaited) => write!(f, "the server did not send {awaited} in time"),
            Self::Protocol(violation) => {
                write!(f, "the server broke the MQTT protocol: {violation}")
            }
        }
    }
}

impl core::error::Error for Error {}

/// Reason why the server refused a CONNECT (MQTT 3.1.1, section 3.2.2.3).
///
/// The descriptions say when IoT Hub uses the code, after Microsoft's device SDK for C.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectReturnCode {
    /// 1: the server does not speak MQTT 3.1.1. IoT Hub does; something else answered.
    UnacceptableProtocolVersion,
    /// 2: the client identifier is not allowed. IoT Hub says 5 instead.
    IdentifierRejected,
    /// 3: the service is unavailable for the moment; also what a malformed user name may lead to.
    ServerUnavailable,
    /// 4: user name or password are malformed. IoT Hub says 5 instead.
    BadUserNameOrPassword,
    /// 5: IoT Hub's answer to every credential that it does not accept: a wrong key, an expired token, an
    /// unknown or disabled device, a certificate of another thumbprint. It never says which.
    NotAuthorized,
    /// A code that MQTT 3.1.1 reserves.
    Reserved(u8),
}

impl ConnectReturnCode {
    /// The code on the wire.
    pub const fn code(self) -> u8 {
        match self {
            Self::UnacceptableProtocolVersion => 1,
            Self::IdentifierRejected => 2,
            Self::ServerUnavailable => 3,
            Self::BadUserNameOrPassword => 4,
            Self::NotAuthorized => 5,
            Self::Reserved(code) => code,
        }
    }
}

impl fmt::Display for ConnectReturnCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let meaning = match self {
            Self::UnacceptableProtocolVersion => {
                "unacceptable protocol version; it does not speak MQTT 3.1.1, so check the host name and port"
            }
            Self::IdentifierRejected => {
                "identifier rejected; the client identifier must be the device id"
            }
            Self::ServerUnavailable => {
                "server unavailable; it may be for the moment, or the user name may be malformed"
            }
            Self::BadUserNameOrPassword => {
                "bad user name or password; check the device id and the key, token or certificate"
            }
            Self::NotAuthorized => {
                "not authorized; check that the device exists and is enabled, that the key, token or \
                 certificate is the device's, that the token has not expired and that the clock is right"
            }
            Self::Reserved(_) => "a reserved code; this is no MQTT 3.1.1 server",
        };
        write!(f, "CONNACK {}: {meaning}", self.code())
    }
}

/// Packet that the server owed when the time ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Awaited {
    /// The answer to CONNECT.
    Connack,
    /// The answer to PINGREQ.
    Pingresp,
    /// The acknowledgement of the oldest message in flight.
    Puback,
    /// The answer to SUBSCRIBE or UNSUBSCRIBE.
    Suback,
}

impl fmt::Display for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connack => "CONNACK",
            Self::Pingresp => "PINGRESP",
            Self::Puback => "PUBACK",
            Self::Suback => "SUBACK or UNSUBACK",
        })
    }
}

/// A call could not be done. Nothing has changed, the connection included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestError {
    /// It needs an accepted connection that is not being closed: wait for [`Event::Connected`](super::Event).
    NotConnected,
    /// A value cannot be sent.
    Field(Field, Fault),
    /// A buffer given to [`Session::new`](super::Session::new) can never hold this.
    TooLarge {
        /// Buffer that is too small.
        buffer: Buffer,
        /// Bytes that are needed.
        needed: usize,
        /// Bytes that it has.
        size: usize,
    },
    /// The transmit buffer is occupied: call again after [`Session::transmitted`](super::Session::transmitted).
    TransmitBufferFull {
        /// Bytes that are needed.
        needed: usize,
        /// Bytes that are free.
        free: usize,
    },
    /// The outbox is full, and its overflow policy does not, or cannot, drop anything for this message.
    OutboxFull {
        /// Bytes that are needed.
        needed: usize,
        /// Bytes that are free.
        free: usize,
    },
    /// No topic filters, or more than [`MAX_FILTERS`](super::MAX_FILTERS).
    FilterCount(usize),
    /// Too many SUBSCRIBEs and UNSUBSCRIBEs wait for an answer: call again after one came.
    TooManyRequests,
    /// All 65535 packet identifiers are taken.
    NoPacketId,
    /// The keep-alive interval is longer than the 65535 seconds that CONNECT can carry.
    Keepalive(Duration),
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConnected => {
                f.write_str("there is no accepted connection; wait until there is one")
            }
            Self::Field(field, fault) => write!(f, "the {field} {fault}"),
            Self::TooLarge {
                buffer,
                needed,
                size,
            } => {
                write!(
                    f,
                    "the {buffer} buffer has {size} bytes, but this takes {needed}; make it larger"
                )
            }
            Self::TransmitBufferFull { needed, free } => {
                write!(
                    f,
                    "the transmit buffer has {free} bytes free, but this takes {needed}; send first"
                )
            }
            Self::OutboxFull { needed, free } => {
                write!(
                    f,
                    "the outbox has {free} bytes free, but the message takes {needed}"
                )
            }
            Self::FilterCount(count) => {
                write!(
                    f,
                    "{count} topic filters were given; give 1 to {MAX_FILTERS}"
                )
            }
            Self::TooManyRequests => f.write_str(
                "too many SUBSCRIBE and UNSUBSCRIBE wait for their answers; wait for one",
            ),
            Self::NoPacketId => {
                f.write_str("all packet identifiers are in use; wait for acknowledgements")
            }
            Self::Keepalive(interval) => {
                write!(
                    f,
                    "a keep-alive interval of {} s is too long; at most 65535 s",
                    interval.as_secs()
                )
            }
        }
    }
}

impl core::error::Error for RequestError {}

/// A value that goes into a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Field {
    /// CONNECT's client identifier: the device id.
    ClientId,
    /// CONNECT's user name.
    UserName,
    /// CONNECT's password: the SAS token.
    Password,
    /// The topic of the will.
    WillTopic,
    /// The payload of the will.
    WillPayload,
    /// The topic of a message.
    Topic,
    /// The payload of a message.
    Payload,
    /// A topic filter.
    TopicFilter,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClientId => "client identifier",
            Self::UserName => "user name",
            Self::Password => "password",
            Self::WillTopic => "will topic",
            Self::WillPayload => "will payload",
            Self::Topic => "topic",
            Self::Payload => "payload",
            Self::TopicFilter => "topic filter",
        })
    }
}

/// Fault of a [`Field`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It must have at least one character.
    Empty,
    /// It is longer than its length field can say; the number is its size in bytes.
    TooLong(usize),
    /// It contains U+0000, which MQTT forbids in strings.
    Nul,
    /// It is not UTF-8, which the codec needs.
    NotUtf8,
    /// It contains `+` or `#`, which only topic filters may.
    Wildcard,
    /// Its `+` or `#` stands where MQTT 3.1.1, section 4.7.1, does not allow it.
    MisplacedWildcard,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("is empty; it takes at least one character"),
            Self::TooLong(size) => write!(f, "has {size} bytes, more than MQTT can carry"),
            Self::Nul => f.write_str("contains U+0000, which MQTT forbids"),
            Self::NotUtf8 => f.write_str("is not UTF-8"),
            Self::Wildcard => f.write_str("contains `+` or `#`, which only topic filters may"),
            Self::MisplacedWildcard => {
                f.write_str("has a misplaced wildcard; `+` must fill a level, `#` the last one")
            }
        }
    }
}

/// One of [`Buffers`](super::Buffers).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as in Buffers, and described there")]
pub enum Buffer {
    Receive,
    Transmit,
    Outbox,
}

impl fmt::Display for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Receive => "receive",
            Self::Transmit => "transmit",
            Self::Outbox => "outbox",
        })
    }
}
