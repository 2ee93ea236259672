//! mbedTLS's and Zephyr's errors as the core knows them.

#![forbid(unsafe_code)]

use azure_device::port::{CertificateDefect, Code, ConnectError, TcpFailure, TlsFailure};

use crate::ffi::{Error, Handshake};

/// What the shim's `AZURE_CERTIFICATE_...` bits say, worst first: a chain that leads nowhere makes the
/// certificate's name and dates worthless.
const CERTIFICATE: [(u32, TlsFailure); 6] = [
    (0x10, TlsFailure::SelfSigned),
    (0x08, TlsFailure::UnknownAuthority),
    (0x02, TlsFailure::NotYetValid),
    (0x01, TlsFailure::Expired),
    (0x04, TlsFailure::WrongHostName),
    (0x20, TlsFailure::Certificate(CertificateDefect::Other)),
];

/// Why `connect_tls` failed, from its error and from what the handshake left.
pub(crate) fn connect_error(error: Error, errno: i32, handshake: &Handshake) -> ConnectError {
    if handshake.started == 0 {
        return before_handshake(error, Code(errno));
    }
    let code = Code(handshake.code);
    match handshake.kind {
        // The handshake began and mbedTLS saw no error: Zephyr gave up waiting.
        0 => ConnectError::Tls(TlsFailure::Interrupted, Code(errno)),
        1 => ConnectError::Tls(certificate(handshake.flags), code),
        2 => ConnectError::Tls(alert(handshake.alert), code),
        3 => ConnectError::Tls(TlsFailure::Negotiation, code),
        4 => ConnectError::Tls(TlsFailure::MessageTooLong, code),
        5 => ConnectError::Tls(TlsFailure::Interrupted, code),
        6 => ConnectError::Resource(code),
        7 => ConnectError::Tls(TlsFailure::Certificate(CertificateDefect::Malformed), code),
        8 => ConnectError::Tls(TlsFailure::ClientCredential, code),
        _ => ConnectError::Tls(TlsFailure::Other, code),
    }
}

fn before_handshake(error: Error, code: Code) -> ConnectError {
    match error {
        Error::Refused => ConnectError::Tcp(TcpFailure::Refused, code),
        Error::TimedOut | Error::Again => ConnectError::Tcp(TcpFailure::TimedOut, code),
        Error::Unreachable => ConnectError::Tcp(TcpFailure::Unreachable, code),
        Error::NoMemory => ConnectError::Resource(code),
        // A tag without a credential. The shim says of one that cannot be parsed that memory ran out.
        Error::NotFound => ConnectError::Tls(TlsFailure::ClientCredential, code),
        Error::Invalid | Error::Closed | Error::Other => ConnectError::Tcp(TcpFailure::Other, code),
    }
}

fn certificate(flags: u32) -> TlsFailure {
    CERTIFICATE.iter().find(|(bit, _)| flags & bit != 0).map_or(
        TlsFailure::Certificate(CertificateDefect::Other),
        |(_, failure)| *failure,
    )
}

/// Alerts that say what the device could not see itself (RFC 5246, section 7.2.2): `handshake_failure` and
/// `protocol_version` mean that nothing in common was found.
fn alert(description: u32) -> TlsFailure {
    match description {
        40 | 70 => TlsFailure::Negotiation,
        _ => TlsFailure::Alert(u8::try_from(description).unwrap_or(u8::MAX)),
    }
}
