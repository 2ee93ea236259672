//! TLS's rows of the table, and its sentences.

use core::fmt;

use super::Reaction;
use crate::failure::{CertificateDefect, Code, TlsFailure};

pub(super) fn reaction(failure: TlsFailure) -> Reaction {
    match failure {
        TlsFailure::UnknownAuthority
        | TlsFailure::SelfSigned
        | TlsFailure::WrongHostName
        | TlsFailure::Certificate(_)
        | TlsFailure::Negotiation
        | TlsFailure::Downgrade
        | TlsFailure::Compression
        | TlsFailure::MessageTooLong
        | TlsFailure::ClientCredential => Reaction::WaitForOperator,
        // The hub's side renews its certificate, or this clock is set, without anyone at the device.
        TlsFailure::Expired | TlsFailure::NotYetValid => Reaction::BackOff,
        // A hub gives a message up that it has delivered ten times; a captive portal lets a device through later.
        TlsFailure::RecordTooLong { .. } | TlsFailure::NotTls => Reaction::BackOff,
        TlsFailure::Alert(_) | TlsFailure::Interrupted | TlsFailure::Other => Reaction::BackOff,
    }
}

/// True if a failure is about the server, not about this device's memory or credential.
pub(super) const fn is_of_the_hub(failure: TlsFailure) -> bool {
    match failure {
        TlsFailure::UnknownAuthority
        | TlsFailure::SelfSigned
        | TlsFailure::WrongHostName
        | TlsFailure::Certificate(_)
        | TlsFailure::Negotiation
        | TlsFailure::Downgrade
        | TlsFailure::Compression
        | TlsFailure::NotTls
        | TlsFailure::Alert(_)
        | TlsFailure::Interrupted
        | TlsFailure::Other => true,
        // The clock is set before the attempt that follows one of these, so that what lasts is the hub's.
        TlsFailure::Expired | TlsFailure::NotYetValid => true,
        TlsFailure::MessageTooLong
        | TlsFailure::RecordTooLong { .. }
        | TlsFailure::ClientCredential => false,
    }
}

pub(super) fn explain(failure: TlsFailure, code: Code, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (what, remedy) = match failure {
        TlsFailure::Certificate(defect) => return certificate(defect, code, f),
        TlsFailure::Alert(number) => return alert(number, code, f),
        TlsFailure::RecordTooLong { bytes, limit } => {
            return write!(
                f,
                "a record of {bytes} bytes does not fit the input buffer of {limit}{code}; raise \
                 CONFIG_AZURE_TLS_IN_CONTENT_LEN, or send smaller messages to the device"
            );
        }
        other => sentence(other),
    };
    write!(f, "{what}{code}; {remedy}")
}

/// Sentence for a failure, and the remedy.
const fn sentence(failure: TlsFailure) -> (&'static str, &'static str) {
    match failure {
        TlsFailure::UnknownAuthority => (
            "the hub's certificate leads to no trusted root",
            "give it the root CA of this hub (a board: `azure set root-ca`, a computer: --ca FILE)",
        ),
        TlsFailure::SelfSigned => (
            "the server's certificate is self-signed",
            "check that this is the hub, then give its root CA (a board: `azure set root-ca`, a computer: --ca FILE)",
        ),
        TlsFailure::WrongHostName => (
            "the server's certificate is for another host",
            "check the host name in the configuration",
        ),
        TlsFailure::Expired => (
            "the server's certificate has expired",
            "if it has not, this device's clock is ahead: check its SNTP server",
        ),
        TlsFailure::NotYetValid => (
            "the server's certificate is not valid yet",
            "this device's clock is likely behind: check its SNTP server",
        ),
        TlsFailure::Negotiation => (
            "no common version, cipher suite or curve",
            "enable TLS 1.2 with ECDHE and AES-GCM at the server",
        ),
        TlsFailure::Downgrade => (
            "TLS was downgraded to 1.2 although the server knows 1.3",
            "check what stands between the device and the hub, such as a proxy that reads along",
        ),
        TlsFailure::Compression => (
            "the server chose compression, which was not offered",
            "check that this is the hub, and switch compression off there",
        ),
        TlsFailure::NotTls => (
            "what answers there does not speak TLS",
            "check the port (8883 for IoT Hub, not HTTP's), and that no proxy or captive portal answers",
        ),
        TlsFailure::MessageTooLong => (
            "a handshake message does not fit the TLS input buffer",
            "raise CONFIG_AZURE_TLS_IN_CONTENT_LEN to the size of the hub's Certificate message",
        ),
        TlsFailure::ClientCredential => (
            "the device's own certificate or private key is unusable",
            "provision a matching pair in PEM or DER",
        ),
        TlsFailure::Interrupted => (
            "the server closed or fell silent during the handshake",
            "check the network, and on a slow link raise the connect timeout",
        ),
        _ => (
            "the handshake failed",
            "check that this is the hub, and the network to it",
        ),
    }
}

fn certificate(defect: CertificateDefect, code: Code, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let what = match defect {
        CertificateDefect::Missing => "the server showed no certificate",
        CertificateDefect::Malformed => "the server's chain has a malformed certificate",
        CertificateDefect::Version => "the server's chain has a certificate of X.509 version 1",
        CertificateDefect::Signature => {
            "the server's chain has a certificate with a wrong signature"
        }
        CertificateDefect::WeakSignature => "the server's chain is signed with SHA-1 or MD5",
        CertificateDefect::SmallKey => "the server's chain has an RSA key below 2048 bits",
        CertificateDefect::Algorithm => {
            "the server's chain has a key or signature of an unknown kind"
        }
        CertificateDefect::Purpose => {
            "the certificate is not for servers (extended key usage lacks serverAuth)"
        }
        CertificateDefect::KeyUsage => {
            "the certificate must not sign (key usage lacks digitalSignature)"
        }
        CertificateDefect::IssuerKeyUsage => {
            "an intermediate CA must not sign certificates (key usage lacks keyCertSign)"
        }
        CertificateDefect::IssuerNotCa => {
            "the certificate was signed by one that is no CA's (CA:FALSE)"
        }
        CertificateDefect::CaAsServer => "the server shows a CA's certificate (CA:TRUE) as its own",
        CertificateDefect::PathLength => "the chain has more CAs than its path length allows",
        CertificateDefect::NameConstraints => {
            "a CA of the chain may not sign for this host (name constraints)"
        }
        CertificateDefect::CriticalExtension => {
            "the chain has a critical extension that is not known"
        }
        CertificateDefect::NoHostName => "the certificate names no host (no subjectAltName)",
        CertificateDefect::Other => "the server's certificate is unfit",
    };
    let remedy = match defect {
        CertificateDefect::Missing => "give the server its certificate",
        CertificateDefect::CaAsServer => {
            "give the server a certificate of its own that this CA has signed"
        }
        _ => "check that this is the hub, then have a new certificate issued without this fault",
    };
    write!(f, "{what}{code}; {remedy}")
}

/// An alert by its name (RFC 8446, section 6), and what to do when the server means it.
fn alert(number: u8, code: Code, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const REFUSED: &str = "the server refuses the device's certificate: check that it is this device's, is valid, and \
         that the hub knows its CA";
    const NOTHING_COMMON: &str = "enable TLS 1.2 with ECDHE and AES-GCM at the server, and give the device its \
         certificate if the server asks for one";
    let (name, remedy) = match number {
        40 => ("handshake_failure", NOTHING_COMMON),
        42 => ("bad_certificate", REFUSED),
        43 => ("unsupported_certificate", REFUSED),
        44 => ("certificate_revoked", REFUSED),
        45 => ("certificate_expired", REFUSED),
        46 => ("certificate_unknown", REFUSED),
        48 => ("unknown_ca", REFUSED),
        49 => ("access_denied", REFUSED),
        51 => ("decrypt_error", REFUSED),
        70 => ("protocol_version", NOTHING_COMMON),
        71 => ("insufficient_security", NOTHING_COMMON),
        112 => (
            "unrecognized_name",
            "the server does not know the host name: check it",
        ),
        116 => (
            "certificate_required",
            "give the device its certificate and key",
        ),
        _ => (
            "another reason",
            "check the server's log, the host name and the TLS settings",
        ),
    };
    write!(
        f,
        "the server ended it with alert {number} ({name}){code}; {remedy}"
    )
}

#[cfg(test)]
#[path = "tls_tests.rs"]
mod tests;
