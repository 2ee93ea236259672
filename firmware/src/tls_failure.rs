//! Translation of the shim's words for a TLS handshake into the core's.

#![forbid(unsafe_code)]

use azure_device::failure::{
    CertificateDefect, Code, ConnectError, FailedAttempt, TlsError, TlsFailure,
};

use crate::ffi::{Error, Handshake, c};
use crate::kconfig;

/// Meanings of the shim's flags of a chain of certificates.
const CERTIFICATE: [(u32, TlsFailure); 13] = [
    (c::AZURE_CERTIFICATE_EXPIRED, TlsFailure::Expired),
    (c::AZURE_CERTIFICATE_FUTURE, TlsFailure::NotYetValid),
    (c::AZURE_CERTIFICATE_WRONG_NAME, TlsFailure::WrongHostName),
    (
        c::AZURE_CERTIFICATE_NOT_TRUSTED,
        TlsFailure::UnknownAuthority,
    ),
    (c::AZURE_CERTIFICATE_SELF_SIGNED, TlsFailure::SelfSigned),
    (c::AZURE_CERTIFICATE_OTHER, defect(CertificateDefect::Other)),
    (
        c::AZURE_CERTIFICATE_KEY_USAGE,
        defect(CertificateDefect::KeyUsage),
    ),
    (
        c::AZURE_CERTIFICATE_PURPOSE,
        defect(CertificateDefect::Purpose),
    ),
    (
        c::AZURE_CERTIFICATE_WEAK,
        defect(CertificateDefect::WeakSignature),
    ),
    (
        c::AZURE_CERTIFICATE_SMALL_KEY,
        defect(CertificateDefect::SmallKey),
    ),
    (
        c::AZURE_CERTIFICATE_ALGORITHM,
        defect(CertificateDefect::Algorithm),
    ),
    (
        c::AZURE_CERTIFICATE_ISSUER_USAGE,
        defect(CertificateDefect::IssuerKeyUsage),
    ),
    (
        c::AZURE_CERTIFICATE_ISSUER_NOT_CA,
        defect(CertificateDefect::IssuerNotCa),
    ),
];

const fn defect(defect: CertificateDefect) -> TlsFailure {
    TlsFailure::Certificate(defect)
}

/// Reason why `connect_tls` failed, from its error and from what the handshake left.
pub(crate) fn connect_error(error: Error, errno: i32, handshake: &Handshake) -> ConnectError {
    let failed = FailedAttempt {
        error,
        code: Code(errno),
        handshake_began: handshake.started != 0,
        tls: tls_error(handshake).map(|error| (error, Code(handshake.code))),
    };
    failed.reason()
}

/// Reason why an open connection could not be read, if it is one of TLS.
pub(crate) fn broken(reason: &Handshake) -> Option<(TlsFailure, Code)> {
    let limit = kconfig::CONFIG_AZURE_TLS_IN_CONTENT_LEN.unsigned_abs();
    let failure = tls_error(reason)?.while_reading(u32::try_from(limit).unwrap_or(u32::MAX))?;
    Some((failure, Code(reason.code)))
}

/// Error of mbedTLS; `None` if it saw none.
fn tls_error(handshake: &Handshake) -> Option<TlsError> {
    Some(match handshake.kind {
        c::AZURE_TLS_NONE => return None,
        c::AZURE_TLS_VERIFY => TlsError::Verification(certificate(handshake.flags)),
        c::AZURE_TLS_ALERT => TlsError::Alert(handshake.alert),
        c::AZURE_TLS_NEGOTIATION => TlsError::Negotiation,
        c::AZURE_TLS_TOO_LONG => TlsError::TooLong(handshake.record),
        c::AZURE_TLS_INTERRUPTED => TlsError::Interrupted,
        c::AZURE_TLS_NO_MEMORY => TlsError::NoMemory,
        c::AZURE_TLS_BAD_CERTIFICATE => TlsError::BadCertificate,
        c::AZURE_TLS_OWN_CREDENTIAL => TlsError::OwnCredential,
        _ => TlsError::Other,
    })
}

fn certificate(flags: u32) -> TlsFailure {
    let found = CERTIFICATE.iter().filter(|(flag, _)| flags & flag != 0);
    TlsFailure::worst(found.map(|(_, failure)| *failure))
}
