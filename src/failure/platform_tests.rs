use super::*;

const CODE: Code = Code(-0x2700);

fn attempt(error: PlatformError) -> FailedAttempt {
    FailedAttempt {
        error,
        code: Code(111),
        handshake_began: false,
        tls: None,
    }
}

fn defect(defect: CertificateDefect) -> TlsFailure {
    TlsFailure::Certificate(defect)
}

#[test]
fn an_attempt_without_a_handshake_fails_as_its_socket_says() {
    let code = Code(111);
    let tcp = |failure| ConnectError::Tcp(failure, code);
    for (error, reason) in [
        (PlatformError::Refused, tcp(TcpFailure::Refused)),
        (PlatformError::TimedOut, tcp(TcpFailure::TimedOut)),
        (PlatformError::Again, tcp(TcpFailure::TimedOut)),
        (PlatformError::Unreachable, tcp(TcpFailure::Unreachable)),
        (PlatformError::NoMemory, ConnectError::Resource(code)),
        (
            PlatformError::NotFound,
            ConnectError::Tls(TlsFailure::ClientCredential, code),
        ),
        (PlatformError::Invalid, tcp(TcpFailure::Other)),
        (PlatformError::Closed, tcp(TcpFailure::Other)),
        (PlatformError::Other, tcp(TcpFailure::Other)),
    ] {
        assert_eq!(attempt(error).reason(), reason, "{error:?}");
        // What an earlier handshake left counts not.
        let stale = FailedAttempt {
            tls: Some((TlsError::NoMemory, CODE)),
            ..attempt(error)
        };
        assert_eq!(stale.reason(), reason, "{error:?}");
    }
}

#[test]
fn a_handshake_fails_as_the_tls_library_says_whatever_the_socket_says() {
    let tls = |failure| ConnectError::Tls(failure, CODE);
    for (error, reason) in [
        (
            TlsError::Verification(TlsFailure::Expired),
            tls(TlsFailure::Expired),
        ),
        (TlsError::Alert(42), tls(TlsFailure::Alert(42))),
        (TlsError::Alert(40), tls(TlsFailure::Negotiation)),
        (TlsError::Alert(70), tls(TlsFailure::Negotiation)),
        (TlsError::Alert(u32::MAX), tls(TlsFailure::Alert(u8::MAX))),
        (TlsError::Negotiation, tls(TlsFailure::Negotiation)),
        (TlsError::TooLong(4097), tls(TlsFailure::MessageTooLong)),
        (TlsError::Interrupted, tls(TlsFailure::Interrupted)),
        (TlsError::NoMemory, ConnectError::Resource(CODE)),
        (
            TlsError::BadCertificate,
            tls(defect(CertificateDefect::Malformed)),
        ),
        (TlsError::OwnCredential, tls(TlsFailure::ClientCredential)),
        (TlsError::Other, tls(TlsFailure::Other)),
    ] {
        let failed = FailedAttempt {
            handshake_began: true,
            tls: Some((error, CODE)),
            ..attempt(PlatformError::Refused)
        };
        assert_eq!(failed.reason(), reason, "{error:?}");
    }
}

#[test]
fn a_handshake_without_an_error_of_tls_was_waited_for_too_long() {
    let failed = FailedAttempt {
        handshake_began: true,
        ..attempt(PlatformError::TimedOut)
    };
    let reason = ConnectError::Tls(TlsFailure::Interrupted, Code(111));
    assert_eq!(failed.reason(), reason);
}

#[test]
fn a_name_that_is_not_resolved_is_no_fault_of_dns_if_nobody_can_be_asked() {
    let code = Code(-2);
    for (error, reason) in [
        (PlatformError::NoMemory, ConnectError::Resource(code)),
        (
            PlatformError::Unreachable,
            ConnectError::Tcp(TcpFailure::Unreachable, code),
        ),
        (PlatformError::NotFound, ConnectError::Dns(code)),
        (PlatformError::Again, ConnectError::Dns(code)),
        (PlatformError::Other, ConnectError::Dns(code)),
    ] {
        assert_eq!(error.resolving(code), reason, "{error:?}");
    }
}

#[test]
fn an_open_connection_tells_of_alerts_and_of_records_that_do_not_fit() {
    assert_eq!(
        TlsError::Alert(48).while_reading(4096),
        Some(TlsFailure::Alert(48))
    );
    // No negotiation is left to fail.
    assert_eq!(
        TlsError::Alert(40).while_reading(4096),
        Some(TlsFailure::Alert(40))
    );
    for (bytes, limit, told) in [
        (4097, 4096, (4097, 4096)),
        (u32::MAX, u32::MAX, (u16::MAX, u16::MAX)),
    ] {
        let failure = TlsFailure::RecordTooLong {
            bytes: told.0,
            limit: told.1,
        };
        assert_eq!(TlsError::TooLong(bytes).while_reading(limit), Some(failure));
    }
    for error in [
        TlsError::Interrupted,
        TlsError::Verification(TlsFailure::Expired),
        TlsError::Negotiation,
        TlsError::NoMemory,
        TlsError::BadCertificate,
        TlsError::OwnCredential,
        TlsError::Other,
    ] {
        assert_eq!(error.while_reading(4096), None, "{error:?}");
    }
}

#[test]
fn of_all_that_is_wrong_with_a_chain_the_worst_is_reported_in_any_order() {
    let ordered = [
        TlsFailure::SelfSigned,
        defect(CertificateDefect::IssuerNotCa),
        TlsFailure::UnknownAuthority,
        TlsFailure::Expired,
        TlsFailure::WrongHostName,
        defect(CertificateDefect::SmallKey),
        defect(CertificateDefect::Other),
    ];
    for (worst, _) in ordered.iter().enumerate() {
        let found = ordered.get(worst..).unwrap();
        let failure = found.first().copied().unwrap();
        assert_eq!(TlsFailure::worst(found.iter().copied()), failure);
        assert_eq!(TlsFailure::worst(found.iter().rev().copied()), failure);
    }
}

#[test]
fn a_chain_that_is_refused_for_no_known_reason_has_another_defect() {
    let nothing = TlsFailure::worst(core::iter::empty());
    assert_eq!(nothing, defect(CertificateDefect::Other));
}

#[test]
fn of_several_time_servers_the_one_nearest_to_an_answer_is_reported() {
    use ClockError::{Implausible, NoAnswer, Unresolved};
    for (one, other, nearest) in [
        (Unresolved, Unresolved, Unresolved),
        (Unresolved, NoAnswer, NoAnswer),
        (NoAnswer, Implausible, Implausible),
        (Unresolved, Implausible, Implausible),
    ] {
        assert_eq!(one.most_informative(other), nearest);
        assert_eq!(other.most_informative(one), nearest);
    }
}

#[test]
fn the_kind_of_a_streams_error_tells_whether_to_wait() {
    for (error, kind) in [
        (PlatformError::Again, ErrorKind::TimedOut),
        (PlatformError::TimedOut, ErrorKind::TimedOut),
        (PlatformError::Closed, ErrorKind::ConnectionReset),
        (PlatformError::NoMemory, ErrorKind::OutOfMemory),
        (PlatformError::Unreachable, ErrorKind::Other),
    ] {
        assert_eq!(error.kind(), kind, "{error:?}");
    }
}
