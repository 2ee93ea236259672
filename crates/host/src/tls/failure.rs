//! From what rustls and the system say to what the device core knows.

use std::io;

use azure_device::port::{Code, ConnectError, TcpFailure, TlsFailure};
use rustls::{CertificateError, Error, InvalidMessage};

use super::verifier::SelfSigned;

/// The name of a failure of TCP; a lack of this machine's own is not the peer's fault.
pub fn tcp_failure(error: &io::Error) -> ConnectError {
    use io::ErrorKind as Kind;
    let code = code(error);
    let failure = match error.kind() {
        Kind::OutOfMemory => return ConnectError::Resource(code),
        _ if lacks_sockets(error) => return ConnectError::Resource(code),
        Kind::ConnectionRefused => TcpFailure::Refused,
        Kind::TimedOut => TcpFailure::TimedOut,
        Kind::HostUnreachable
        | Kind::NetworkUnreachable
        | Kind::NetworkDown
        | Kind::AddrNotAvailable => TcpFailure::Unreachable,
        _ => TcpFailure::Other,
    };
    ConnectError::Tcp(failure, code)
}

/// The name of a failure during the handshake. rustls hides its own errors in those of std.
pub fn tls_failure(error: &io::Error) -> ConnectError {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    let Some(error) = inner else {
        return ConnectError::Tls(TlsFailure::Interrupted, code(error));
    };
    if matches!(error, Error::FailedToGetRandomBytes) {
        return ConnectError::Resource(Code(0));
    }
    ConnectError::Tls(of_rustls(error), Code(0))
}

fn of_rustls(error: &Error) -> TlsFailure {
    match error {
        Error::InvalidCertificate(reason) => of_certificate(reason),
        Error::NoCertificatesPresented => TlsFailure::BadCertificate,
        Error::AlertReceived(alert) => TlsFailure::Alert(u8::from(*alert)),
        Error::PeerIncompatible(_) => TlsFailure::Negotiation,
        Error::PeerSentOversizedRecord
        | Error::InvalidMessage(
            InvalidMessage::MessageTooLarge
            | InvalidMessage::HandshakePayloadTooLarge
            | InvalidMessage::CertificatePayloadTooLarge,
        ) => TlsFailure::MessageTooLong,
        Error::InconsistentKeys(_) => TlsFailure::ClientCredential,
        _ => TlsFailure::Other,
    }
}

fn of_certificate(reason: &CertificateError) -> TlsFailure {
    use CertificateError as Reason;
    match reason {
        Reason::UnknownIssuer => TlsFailure::UnknownAuthority,
        Reason::NotValidForName | Reason::NotValidForNameContext { .. } => {
            TlsFailure::WrongHostName
        }
        Reason::Expired | Reason::ExpiredContext { .. } => TlsFailure::Expired,
        Reason::NotValidYet | Reason::NotValidYetContext { .. } => TlsFailure::NotYetValid,
        Reason::Other(other) if other.0.is::<SelfSigned>() => TlsFailure::SelfSigned,
        _ => TlsFailure::BadCertificate,
    }
}

fn code(error: &io::Error) -> Code {
    Code(error.raw_os_error().unwrap_or(0))
}

/// Too many open files, in this process or the whole system: std has no stable name for either.
fn lacks_sockets(error: &io::Error) -> bool {
    const EMFILE: i32 = 24;
    const ENFILE: i32 = 23;
    const WSAEMFILE: i32 = 10_024;
    match error.raw_os_error() {
        Some(code) if cfg!(unix) => matches!(code, EMFILE | ENFILE),
        Some(code) => code == WSAEMFILE,
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::{AlertDescription, PeerIncompatible};

    fn named(error: Error) -> ConnectError {
        tls_failure(&io::Error::new(io::ErrorKind::InvalidData, error))
    }

    #[test]
    fn every_cause_of_a_failed_handshake_keeps_its_name() {
        use CertificateError as Reason;
        for (error, failure) in [
            (Reason::UnknownIssuer.into(), TlsFailure::UnknownAuthority),
            (Reason::NotValidForName.into(), TlsFailure::WrongHostName),
            (Reason::Expired.into(), TlsFailure::Expired),
            (Reason::NotValidYet.into(), TlsFailure::NotYetValid),
            (Reason::Revoked.into(), TlsFailure::BadCertificate),
            (Error::NoCertificatesPresented, TlsFailure::BadCertificate),
            (
                Error::AlertReceived(AlertDescription::UnknownCA),
                TlsFailure::Alert(48),
            ),
            (
                Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13),
                TlsFailure::Negotiation,
            ),
            (Error::PeerSentOversizedRecord, TlsFailure::MessageTooLong),
            (Error::DecryptError, TlsFailure::Other),
        ] {
            let shown = error.to_string();
            assert_eq!(named(error), ConnectError::Tls(failure, Code(0)), "{shown}");
        }
        assert_eq!(
            named(Error::FailedToGetRandomBytes),
            ConnectError::Resource(Code(0))
        );
    }

    #[test]
    fn a_peer_that_goes_away_during_the_handshake_interrupted_it() {
        for kind in [
            io::ErrorKind::UnexpectedEof,
            io::ErrorKind::ConnectionReset,
            io::ErrorKind::TimedOut,
        ] {
            let failure = tls_failure(&kind.into());
            assert_eq!(failure, ConnectError::Tls(TlsFailure::Interrupted, Code(0)));
        }
    }

    #[test]
    fn tcp_failures_keep_their_name_and_number() {
        let failure = |kind: io::ErrorKind| tcp_failure(&kind.into());
        let tcp = |failure| ConnectError::Tcp(failure, Code(0));
        assert_eq!(
            failure(io::ErrorKind::ConnectionRefused),
            tcp(TcpFailure::Refused)
        );
        assert_eq!(failure(io::ErrorKind::TimedOut), tcp(TcpFailure::TimedOut));
        assert_eq!(
            failure(io::ErrorKind::NetworkUnreachable),
            tcp(TcpFailure::Unreachable)
        );
        assert_eq!(
            failure(io::ErrorKind::PermissionDenied),
            tcp(TcpFailure::Other)
        );
        assert_eq!(
            failure(io::ErrorKind::OutOfMemory),
            ConnectError::Resource(Code(0))
        );
        #[cfg(unix)]
        assert_eq!(
            tcp_failure(&io::Error::from_raw_os_error(24)),
            ConnectError::Resource(Code(24))
        );
    }
}
