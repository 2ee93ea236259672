//! Errors of a platform's sockets and of its TLS library, and the failures that follow.
//!
//! Libraries number their errors differently. A platform translates the numbers, and decides nothing: what an error
//! means is decided here, by the same code for every platform that uses it.

use embedded_io::ErrorKind;

use super::{CertificateDefect, ClockError, Code, ConnectError, TcpFailure, TlsFailure};

/// Error of a call to the platform, as POSIX's errno tells it (IEEE Std 1003.1, `errno.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlatformError {
    /// Nothing is there yet (`EAGAIN`).
    Again,
    /// The peer accepts no connection (`ECONNREFUSED`).
    Refused,
    /// No answer in time (`ETIMEDOUT`).
    TimedOut,
    /// No way to the peer (`ENETUNREACH`, `EHOSTUNREACH`).
    Unreachable,
    /// No memory, or another resource that this device lacks (`ENOMEM`).
    NoMemory,
    /// An argument that cannot be used (`EINVAL`).
    Invalid,
    /// Something that was named does not exist (`ENOENT`).
    NotFound,
    /// The peer ended the connection (`ECONNRESET`, `ENOTCONN`).
    Closed,
    /// Anything else.
    Other,
}

impl PlatformError {
    /// Failure of an attempt to connect whose host name could not be resolved.
    #[must_use]
    pub const fn resolving(self, code: Code) -> ConnectError {
        match self {
            Self::NoMemory => ConnectError::Resource(code),
            // No name server can be asked.
            Self::Unreachable => ConnectError::Tcp(TcpFailure::Unreachable, code),
            _ => ConnectError::Dns(code),
        }
    }

    /// Failure of an attempt to connect that ended before the TLS handshake.
    #[must_use]
    pub const fn connecting(self, code: Code) -> ConnectError {
        match self {
            Self::Refused => ConnectError::Tcp(TcpFailure::Refused, code),
            Self::TimedOut | Self::Again => ConnectError::Tcp(TcpFailure::TimedOut, code),
            Self::Unreachable => ConnectError::Tcp(TcpFailure::Unreachable, code),
            Self::NoMemory => ConnectError::Resource(code),
            // The socket names credentials, and one of them is not there.
            Self::NotFound => ConnectError::Tls(TlsFailure::ClientCredential, code),
            Self::Invalid | Self::Closed | Self::Other => {
                ConnectError::Tcp(TcpFailure::Other, code)
            }
        }
    }

    /// Kind of the error of a stream that was read or written.
    #[must_use]
    pub const fn kind(self) -> ErrorKind {
        match self {
            Self::Again | Self::TimedOut => ErrorKind::TimedOut,
            Self::Closed => ErrorKind::ConnectionReset,
            Self::NoMemory => ErrorKind::OutOfMemory,
            _ => ErrorKind::Other,
        }
    }
}

/// Error of a TLS library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsError {
    /// The server's chain is not trusted; [`TlsFailure::worst`] of what is wrong with it.
    Verification(TlsFailure),
    /// The server sent an alert; its description (RFC 5246, section 7.2).
    Alert(u32),
    /// Both sides have no version, suite or parameter in common.
    Negotiation,
    /// A record does not fit the input buffer; its length in bytes.
    TooLong(u32),
    /// The peer closed or fell silent.
    Interrupted,
    /// No memory.
    NoMemory,
    /// The server's certificate cannot be parsed.
    BadCertificate,
    /// This device's own certificate or key cannot be used.
    OwnCredential,
    /// Anything else.
    Other,
}

impl TlsError {
    /// Failure of an attempt to connect whose handshake ended with this error.
    #[must_use]
    pub const fn in_handshake(self, code: Code) -> ConnectError {
        let failure = match self {
            Self::Verification(failure) => failure,
            // Alerts that say what the device could not see itself (RFC 5246, section 7.2.2): `handshake_failure` and
            // `protocol_version` mean that nothing in common was found.
            Self::Alert(40 | 70) | Self::Negotiation => TlsFailure::Negotiation,
            Self::Alert(description) => TlsFailure::Alert(narrow(description)),
            Self::TooLong(_) => TlsFailure::MessageTooLong,
            Self::Interrupted => TlsFailure::Interrupted,
            Self::NoMemory => return ConnectError::Resource(code),
            Self::BadCertificate => TlsFailure::Certificate(CertificateDefect::Malformed),
            Self::OwnCredential => TlsFailure::ClientCredential,
            Self::Other => TlsFailure::Other,
        };
        ConnectError::Tls(failure, code)
    }

    /// Failure of an open connection that could not be read, if it is one of TLS: an alert of the server, or a record
    /// that exceeds the input buffer of `limit` bytes.
    #[must_use]
    pub fn while_reading(self, limit: u32) -> Option<TlsFailure> {
        let length = |bytes| u16::try_from(bytes).unwrap_or(u16::MAX);
        match self {
            Self::Alert(description) => Some(TlsFailure::Alert(narrow(description))),
            Self::TooLong(bytes) => Some(TlsFailure::RecordTooLong {
                bytes: length(bytes),
                limit: length(limit),
            }),
            _ => None,
        }
    }
}

/// An alert's description, which is a byte on the wire.
const fn narrow(description: u32) -> u8 {
    if description > u8::MAX as u32 {
        return u8::MAX;
    }
    description as u8
}

/// Facts about an attempt to connect that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailedAttempt {
    /// Error of the socket.
    pub error: PlatformError,
    /// The platform's number of that error.
    pub code: Code,
    /// True once TCP was connected and the handshake began.
    pub handshake_began: bool,
    /// Error of the TLS library with its number; `None` if it saw none.
    pub tls: Option<(TlsError, Code)>,
}

impl FailedAttempt {
    /// Reason of the failure.
    #[must_use]
    pub const fn reason(&self) -> ConnectError {
        match self.tls {
            _ if !self.handshake_began => self.error.connecting(self.code),
            Some((error, code)) => error.in_handshake(code),
            // The platform gave up waiting.
            None => ConnectError::Tls(TlsFailure::Interrupted, self.code),
        }
    }
}

/// Place of a failure among the defects of a chain of certificates, worst first. A chain that leads nowhere makes the
/// certificate's name and dates worthless, and the defects of an issuer explain why it leads nowhere.
const fn rank(failure: TlsFailure) -> u8 {
    match failure {
        TlsFailure::SelfSigned => 0,
        TlsFailure::Certificate(CertificateDefect::IssuerNotCa) => 1,
        TlsFailure::Certificate(CertificateDefect::IssuerKeyUsage) => 2,
        TlsFailure::UnknownAuthority => 3,
        TlsFailure::NotYetValid => 4,
        TlsFailure::Expired => 5,
        TlsFailure::WrongHostName => 6,
        TlsFailure::Certificate(CertificateDefect::KeyUsage) => 7,
        TlsFailure::Certificate(CertificateDefect::Purpose) => 8,
        TlsFailure::Certificate(CertificateDefect::WeakSignature) => 9,
        TlsFailure::Certificate(CertificateDefect::SmallKey) => 10,
        TlsFailure::Certificate(CertificateDefect::Algorithm) => 11,
        _ => u8::MAX,
    }
}

impl TlsFailure {
    /// The failure to report of all that a TLS library found wrong with a chain of certificates.
    #[must_use]
    pub fn worst(found: impl Iterator<Item = Self>) -> Self {
        let mut worst = Self::Certificate(CertificateDefect::Other);
        for failure in found {
            if rank(failure) < rank(worst) {
                worst = failure;
            }
        }
        worst
    }
}

impl ClockError {
    /// The error to report of two time servers: that of the server that came nearer to giving the time.
    #[must_use]
    pub const fn most_informative(self, other: Self) -> Self {
        match (self, other) {
            (Self::Implausible, _) | (_, Self::Implausible) => Self::Implausible,
            (Self::NoAnswer, _) | (_, Self::NoAnswer) => Self::NoAnswer,
            (Self::Unresolved, Self::Unresolved) => Self::Unresolved,
        }
    }
}

#[cfg(test)]
#[path = "platform_tests.rs"]
mod tests;
