//! mbedTLS's and Zephyr's errors as the core knows them.

#![forbid(unsafe_code)]

use azure_device::failure::{CertificateDefect, Code, ConnectError, TcpFailure, TlsFailure};

use crate::ffi::{Error, Handshake};
use crate::kconfig;

/// Meanings of the shim's `AZURE_CERTIFICATE_...` bits, worst first: a chain that leads nowhere makes the
/// certificate's name and dates worthless.
const CERTIFICATE: [(u32, TlsFailure); 13] = [
    (0x10, TlsFailure::SelfSigned),
    // These explain why the chain leads nowhere.
    (
        0x1000,
        TlsFailure::Certificate(CertificateDefect::IssuerNotCa),
    ),
    (
        0x800,
        TlsFailure::Certificate(CertificateDefect::IssuerKeyUsage),
    ),
    (0x08, TlsFailure::UnknownAuthority),
    (0x02, TlsFailure::NotYetValid),
    (0x01, TlsFailure::Expired),
    (0x04, TlsFailure::WrongHostName),
    (0x40, TlsFailure::Certificate(CertificateDefect::KeyUsage)),
    (0x80, TlsFailure::Certificate(CertificateDefect::Purpose)),
    (
        0x100,
        TlsFailure::Certificate(CertificateDefect::WeakSignature),
    ),
    (0x200, TlsFailure::Certificate(CertificateDefect::SmallKey)),
    (0x400, TlsFailure::Certificate(CertificateDefect::Algorithm)),
    (0x20, TlsFailure::Certificate(CertificateDefect::Other)),
];

/// Reason why `connect_tls` failed, from its error and from what the handshake left.
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

/// Reason why an open connection could not be read, if it is one of TLS: an alert of the server, or a record that
/// exceeds the input buffer.
pub(crate) fn broken(reason: &Handshake) -> Option<(TlsFailure, Code)> {
    let failure = match reason.kind {
        2 => TlsFailure::Alert(u8::try_from(reason.alert).unwrap_or(u8::MAX)),
        4 => TlsFailure::RecordTooLong {
            bytes: u16::try_from(reason.record).unwrap_or(u16::MAX),
            limit: u16::try_from(kconfig::CONFIG_AZURE_TLS_IN_CONTENT_LEN).unwrap_or(u16::MAX),
        },
        _ => return None,
    };
    Some((failure, Code(reason.code)))
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
