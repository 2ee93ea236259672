//! rustls's verification of the server, with two of its answers said more clearly.
//!
//! A server whose certificate signs itself, and one whose chain ends in another authority, are different
//! mistakes with different remedies. rustls calls both an unknown issuer, or says something about the
//! chain's inside if the authority has a name that is trusted with another key. Nothing that rustls refuses
//! is accepted here.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};

use crate::error::SetupError;

/// The server's certificate signs itself: what [`CertificateError::Other`] then holds.
#[derive(Debug)]
pub(super) struct SelfSigned;

impl std::fmt::Display for SelfSigned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the certificate signs itself and is not trusted")
    }
}

impl std::error::Error for SelfSigned {}

#[derive(Debug)]
pub(super) struct TellingVerifier(Arc<WebPkiServerVerifier>);

impl TellingVerifier {
    pub(super) fn new(
        roots: RootCertStore,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, SetupError> {
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
            .build()
            .map(Self)
            .map_err(|error| SetupError::NoPem {
                what: "certificate",
                source: "the list of trusted authorities".into(),
                cause: Some(error.to_string()),
            })
    }
}

impl ServerCertVerifier for TellingVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.0
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            .map_err(|error| rename(error, end_entity))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// `UnknownIssuer`: nothing leads to a trusted root. `BadSignature`: a trusted root has the right name and
/// another key, such as a test authority that was made anew. `Other`: among others a certificate of an
/// authority in a server's place, which is how most tools make a self-signed one.
fn rename(error: Error, end_entity: &CertificateDer<'_>) -> Error {
    let Error::InvalidCertificate(reason) = &error else {
        return error;
    };
    let ours = matches!(
        reason,
        CertificateError::UnknownIssuer
            | CertificateError::BadSignature
            | CertificateError::Other(_)
    );
    if ours && signs_itself(end_entity) {
        let told = OtherError(Arc::new(SelfSigned));
        return CertificateError::Other(told).into();
    }
    match reason {
        CertificateError::BadSignature => CertificateError::UnknownIssuer.into(),
        _ => error,
    }
}

fn signs_itself(certificate: &CertificateDer<'_>) -> bool {
    webpki::EndEntityCert::try_from(certificate)
        .is_ok_and(|certificate| certificate.issuer() == certificate.subject())
}
