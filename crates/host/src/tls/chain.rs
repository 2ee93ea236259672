//! A server's chain, as far as rustls does not look at it or does not tell what it saw.

use azure_device::failure::CertificateDefect;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

/// Bits of an RSA key that IoT Hub's rules ask for at least (Microsoft, "TLS support in IoT Hub").
const RSA_BITS: usize = 2048;

fn parsed<'c>(certificate: &'c CertificateDer<'_>) -> Option<X509Certificate<'c>> {
    X509Certificate::from_der(certificate)
        .ok()
        .map(|(_, certificate)| certificate)
}

/// True if key usage, where there is one, lets the certificate sign other certificates (RFC 5280, section 4.2.1.3).
/// One that cannot be read is left to the verifier.
pub(super) fn may_sign_certificates(certificate: &CertificateDer<'_>) -> bool {
    parsed(certificate).is_none_or(|certificate| match certificate.key_usage() {
        Ok(Some(usage)) => usage.value.key_cert_sign(),
        Ok(None) => true,
        Err(_) => false,
    })
}

/// Defect of a server's certificate that rustls accepts: it must not sign the handshake, or its key is too small.
pub(super) fn defect_of_server(certificate: &CertificateDer<'_>) -> Option<CertificateDefect> {
    let Some(certificate) = parsed(certificate) else {
        return Some(CertificateDefect::Malformed);
    };
    match certificate.key_usage() {
        Ok(Some(usage)) if !usage.value.digital_signature() => {
            return Some(CertificateDefect::KeyUsage);
        }
        Err(_) => return Some(CertificateDefect::Malformed),
        Ok(_) => {}
    }
    is_small(certificate.public_key()).then_some(CertificateDefect::SmallKey)
}

/// True if the certificate has no alternative name.
pub(super) fn names_no_host(certificate: &CertificateDer<'_>) -> bool {
    parsed(certificate)
        .is_some_and(|certificate| matches!(certificate.subject_alternative_name(), Ok(None)))
}

/// True if a key of the chain, or of a root that it may lead to, is too small for the verifier.
pub(super) fn has_small_key(chain: &[CertificateDer<'_>], roots: &RootCertStore) -> bool {
    let in_chain = chain.iter().any(|certificate| {
        parsed(certificate).is_some_and(|certificate| is_small(certificate.public_key()))
    });
    in_chain
        || roots.roots.iter().any(|root| {
            // webpki keeps the content of the sequence without its header.
            let key = sequence(&root.subject_public_key_info);
            SubjectPublicKeyInfo::from_der(&key).is_ok_and(|(_, key)| is_small(&key))
        })
}

/// True if an intermediate of the chain has signed the server's certificate, by its name.
pub(super) fn has_issuer(
    certificate: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
) -> bool {
    parsed(certificate).is_some_and(|certificate| {
        intermediates
            .iter()
            .filter_map(parsed)
            .any(|issuer| issuer.subject() == certificate.issuer())
    })
}

/// True if the certificate is one of the trusted roots.
pub(super) fn is_root(certificate: &CertificateDer<'_>, roots: &RootCertStore) -> bool {
    webpki::anchor_from_trusted_cert(certificate).is_ok_and(|anchor| {
        roots.roots.iter().any(|root| {
            root.subject == anchor.subject
                && root.subject_public_key_info == anchor.subject_public_key_info
        })
    })
}

fn is_small(key: &SubjectPublicKeyInfo<'_>) -> bool {
    match key.parsed() {
        Ok(PublicKey::RSA(key)) => {
            let modulus = key.modulus;
            let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
            modulus.len().saturating_sub(zeros) * 8 < RSA_BITS
        }
        _ => false,
    }
}

/// The content with the header of a SEQUENCE (X.690, section 8.9): a key has fewer than 64 KB.
fn sequence(content: &[u8]) -> Vec<u8> {
    const SEQUENCE: u8 = 0x30;
    let [.., high, low] = content.len().to_be_bytes();
    [&[SEQUENCE, 0x82, high, low], content].concat()
}
