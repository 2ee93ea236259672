//! From what rustls and the system say to what the device core knows.

use std::io;

use azure_device::failure::{CertificateDefect, Code, ConnectError, TcpFailure, TlsFailure};
use rustls::{CertificateError, Error, InvalidMessage, OtherError, PeerMisbehaved};

use super::verifier::Refusal;

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

/// The name of an error of rustls, in the handshake or after it.
pub(crate) fn of_rustls(error: &Error) -> TlsFailure {
    match error {
        Error::InvalidCertificate(reason) => of_certificate(reason),
        Error::NoCertificatesPresented => TlsFailure::Certificate(CertificateDefect::Missing),
        Error::AlertReceived(alert) => TlsFailure::Alert(u8::from(*alert)),
        Error::PeerIncompatible(_) => TlsFailure::Negotiation,
        Error::PeerMisbehaved(reason) => of_misbehaviour(reason),
        Error::InvalidMessage(reason) => of_message(reason),
        Error::PeerSentOversizedRecord => TlsFailure::MessageTooLong,
        Error::InconsistentKeys(_) => TlsFailure::ClientCredential,
        _ => TlsFailure::Other,
    }
}

fn of_misbehaviour(reason: &PeerMisbehaved) -> TlsFailure {
    use PeerMisbehaved as Reason;
    match reason {
        Reason::AttemptedDowngradeToTls12WhenTls13IsSupported => TlsFailure::Downgrade,
        Reason::SelectedUnofferedCompression => TlsFailure::Compression,
        Reason::SelectedUnofferedCipherSuite
        | Reason::SelectedUnofferedKxGroup
        | Reason::SelectedUnusableCipherSuiteForVersion
        | Reason::SelectedTls12UsingTls13VersionExtension
        | Reason::SignedHandshakeWithUnadvertisedSigScheme
        | Reason::SignedKxWithWrongAlgorithm => TlsFailure::Negotiation,
        _ => TlsFailure::Other,
    }
}

fn of_message(reason: &InvalidMessage) -> TlsFailure {
    match reason {
        InvalidMessage::MessageTooLarge
        | InvalidMessage::HandshakePayloadTooLarge
        | InvalidMessage::CertificatePayloadTooLarge => TlsFailure::MessageTooLong,
        // The first bytes are no record's: those of HTTP, of MQTT without TLS, of any other protocol.
        InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion => {
            TlsFailure::NotTls
        }
        InvalidMessage::UnsupportedCompression => TlsFailure::Compression,
        _ => TlsFailure::Other,
    }
}

fn of_certificate(reason: &CertificateError) -> TlsFailure {
    use CertificateDefect as Defect;
    use CertificateError as Reason;
    TlsFailure::Certificate(match reason {
        Reason::UnknownIssuer => return TlsFailure::UnknownAuthority,
        Reason::NotValidForName | Reason::NotValidForNameContext { .. } => {
            return TlsFailure::WrongHostName;
        }
        Reason::Expired | Reason::ExpiredContext { .. } => return TlsFailure::Expired,
        Reason::NotValidYet | Reason::NotValidYetContext { .. } => return TlsFailure::NotYetValid,
        Reason::BadEncoding => Defect::Malformed,
        Reason::BadSignature => Defect::Signature,
        Reason::UnhandledCriticalExtension => Defect::CriticalExtension,
        Reason::InvalidPurpose | Reason::InvalidPurposeContext { .. } => Defect::Purpose,
        Reason::UnsupportedSignatureAlgorithmContext {
            signature_algorithm_id,
            ..
        } => of_algorithm(signature_algorithm_id),
        Reason::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => Defect::Algorithm,
        Reason::Other(OtherError(other)) => return of_other(other.as_ref()),
        _ => Defect::Other,
    })
}

/// Signatures with SHA-1 or MD5, by the content of their algorithm identifier (RFC 8017, appendix A.2; RFC 5758,
/// section 3.2): its first part is the object identifier with its header.
fn of_algorithm(identifier: &[u8]) -> CertificateDefect {
    const MD5_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 4];
    const SHA1_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 5];
    const SHA1_ECDSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1];
    let is = |oid: &[u8]| identifier.windows(oid.len()).any(|part| part == oid);
    // ECDSA with SHA-2 has one arc more (4.3.n), with SHA-1 it ends there.
    if is(MD5_RSA) || is(SHA1_RSA) || is(SHA1_ECDSA) {
        CertificateDefect::WeakSignature
    } else {
        CertificateDefect::Algorithm
    }
}

fn of_other(other: &(dyn std::error::Error + Send + Sync + 'static)) -> TlsFailure {
    use CertificateDefect as Defect;
    use webpki::Error as Reason;
    match other.downcast_ref() {
        Some(Refusal::SelfSigned) => return TlsFailure::SelfSigned,
        Some(Refusal::Defect(defect)) => return TlsFailure::Certificate(*defect),
        None => {}
    }
    TlsFailure::Certificate(match other.downcast_ref() {
        Some(Reason::CaUsedAsEndEntity) => Defect::CaAsServer,
        Some(Reason::EndEntityUsedAsCa) => Defect::IssuerNotCa,
        Some(
            Reason::NameConstraintViolation
            | Reason::MalformedNameConstraint
            | Reason::InvalidNetworkMaskConstraint
            | Reason::MaximumNameConstraintComparisonsExceeded,
        ) => Defect::NameConstraints,
        Some(
            Reason::PathLenConstraintViolated
            | Reason::MaximumPathDepthExceeded
            | Reason::MaximumPathBuildCallsExceeded
            | Reason::MaximumSignatureChecksExceeded,
        ) => Defect::PathLength,
        Some(Reason::UnsupportedCertVersion) => Defect::Version,
        Some(Reason::UnsupportedCriticalExtension) => Defect::CriticalExtension,
        Some(Reason::EmptyEkuExtension) => Defect::Purpose,
        Some(_) => Defect::Malformed,
        None => Defect::Other,
    })
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
            (
                Reason::Revoked.into(),
                TlsFailure::Certificate(CertificateDefect::Other),
            ),
            (
                Error::NoCertificatesPresented,
                TlsFailure::Certificate(CertificateDefect::Missing),
            ),
            (
                Error::PeerMisbehaved(
                    PeerMisbehaved::AttemptedDowngradeToTls12WhenTls13IsSupported,
                ),
                TlsFailure::Downgrade,
            ),
            (
                Error::PeerMisbehaved(PeerMisbehaved::SelectedUnofferedCompression),
                TlsFailure::Compression,
            ),
            (
                Error::PeerMisbehaved(PeerMisbehaved::SelectedUnofferedCipherSuite),
                TlsFailure::Negotiation,
            ),
            (
                Error::InvalidMessage(InvalidMessage::InvalidContentType),
                TlsFailure::NotTls,
            ),
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
