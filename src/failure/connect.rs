//! Reasons why no connection came to be: the clock, DNS, TCP, TLS.

use core::fmt;

/// The clock could not be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClockError {
    /// No configured server's name could be resolved.
    Unresolved,
    /// No server answered in time.
    NoAnswer,
    /// A server answered with nonsense, or with a time before this program was written.
    Implausible,
}

/// Reason why no connection came to be: which stage, and what it said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectError {
    /// The host name could not be resolved.
    Dns(Code),
    /// No address accepted a TCP connection.
    Tcp(TcpFailure, Code),
    /// The TLS handshake failed.
    Tls(TlsFailure, Code),
    /// This device lacks something: memory, sockets. Not the peer's fault.
    Resource(Code),
    /// Given up because of a stop that was asked for, which the platform is about to give.
    Cancelled,
}

/// The platform's own error number (errno, mbedTLS), for the log line; 0 if it has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(pub i32);

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            code if code < -0xff => write!(f, " (-0x{:04x})", code.unsigned_abs()),
            code => write!(f, " ({code})"),
        }
    }
}

/// Reason why TCP did not connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TcpFailure {
    /// No server listens there.
    Refused,
    /// No answer in time.
    TimedOut,
    /// No route: the network is down or the address is wrong.
    Unreachable,
    /// Anything else.
    Other,
}

/// Reason why a certificate of the server's chain must not be used as it is (RFC 5280, where no other source is given).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateDefect {
    /// The server showed none.
    Missing,
    /// It is not encoded as a certificate is (section 4.1).
    Malformed,
    /// It is of version 1 or 2 (section 4.1.2.1).
    Version,
    /// Its signature is wrong.
    Signature,
    /// It is signed with SHA-1 or MD5 (RFC 9155).
    WeakSignature,
    /// Its key has fewer bits than IoT Hub's rules ask for: RSA below 2048.
    SmallKey,
    /// Its key or signature is of a kind that this device does not know.
    Algorithm,
    /// The server's is not for servers: extended key usage (section 4.2.1.12).
    Purpose,
    /// The server's must not sign: key usage without `digitalSignature` (section 4.2.1.3).
    KeyUsage,
    /// An authority's must not sign certificates: key usage without `keyCertSign` (section 4.2.1.3).
    IssuerKeyUsage,
    /// An authority's is no authority's: basic constraints (section 4.2.1.9).
    IssuerNotCa,
    /// The server shows an authority's certificate as its own (section 4.2.1.9).
    CaAsServer,
    /// More authorities than one of them allows, or than this device follows (section 4.2.1.9).
    PathLength,
    /// An authority may not sign for this name (section 4.2.1.10).
    NameConstraints,
    /// A critical extension is not known (section 4.2).
    CriticalExtension,
    /// It names no host in its alternative names, which alone count (RFC 9525, section 2).
    NoHostName,
    /// Anything else.
    Other,
}

/// Reason why TLS did not trust, or was not trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsFailure {
    /// The chain ends in no root that this device trusts.
    UnknownAuthority,
    /// The server's certificate signs itself and is not trusted.
    SelfSigned,
    /// The certificate is valid, for another host name.
    WrongHostName,
    /// The server's certificate has expired, or this clock is ahead.
    Expired,
    /// The server's certificate is not valid yet, or this clock is behind.
    NotYetValid,
    /// The server's certificate, or one of its chain, must not be used as it is.
    Certificate(CertificateDefect),
    /// The server ended TLS with this alert (RFC 8446, section 6). With TLS 1.3 a client certificate is refused
    /// after the handshake.
    Alert(u8),
    /// No common version, suite or curve.
    Negotiation,
    /// The server, or somebody on the way, chose TLS 1.2 although both sides know 1.3 (RFC 8446, section 4.1.3).
    Downgrade,
    /// The server chose compression, which was not offered (RFC 3749; it betrays secrets).
    Compression,
    /// The bytes that came are no TLS.
    NotTls,
    /// A handshake message does not fit the configured buffer.
    MessageTooLong,
    /// A record of an open connection does not fit the configured buffer.
    RecordTooLong {
        /// Length of the record, in bytes.
        bytes: u16,
        /// Length that fits, in bytes.
        limit: u16,
    },
    /// The device's own certificate or key is unusable.
    ClientCredential,
    /// The peer closed or fell silent during the handshake.
    Interrupted,
    /// Anything else.
    Other,
}
