//! rustls's verification of the server, which says more clearly what it refuses, and refuses a little more.
//!
//! A server whose certificate signs itself, and one whose chain ends in another authority, are different
//! mistakes with different remedies. rustls calls both an unknown issuer, or says something about the
//! chain's inside if the authority has a name that is trusted with another key. Key usage, which rustls does not
//! look at, counts as RFC 5280, section 4.2.1.3, has it: an intermediate without `keyCertSign` signs nothing, and a
//! server's certificate without `digitalSignature` signs no handshake. Nothing that rustls refuses is accepted here.

use std::sync::Arc;

use azure_device::failure::CertificateDefect;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};

use super::chain;
use crate::error::SetupError;

/// Reason that rustls has no name for: what [`CertificateError::Other`] then holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Refusal {
    /// The server's certificate signs itself, and is not trusted.
    SelfSigned,
    /// A certificate of the chain is unfit.
    Defect(CertificateDefect),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::SelfSigned => f.write_str("the certificate signs itself and is not trusted"),
            Self::Defect(defect) => write!(f, "the chain is unfit: {defect:?}"),
        }
    }
}

impl std::error::Error for Refusal {}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        CertificateError::Other(OtherError(Arc::new(refusal))).into()
    }
}

#[derive(Debug)]
pub(super) struct TellingVerifier {
    verifier: Arc<WebPkiServerVerifier>,
    roots: Arc<RootCertStore>,
}

impl TellingVerifier {
    pub(super) fn new(
        roots: RootCertStore,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, SetupError> {
        let roots = Arc::new(roots);
        WebPkiServerVerifier::builder_with_provider(roots.clone(), provider.clone())
            .build()
            .map(|verifier| Self { verifier, roots })
            .map_err(|error| SetupError::NoPem {
                what: "certificate",
                source: "the list of trusted authorities".into(),
                cause: Some(error.to_string()),
            })
    }

    /// Failure to report of a chain that rustls refuses.
    fn rename(
        &self,
        error: Error,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
    ) -> Error {
        let Error::InvalidCertificate(reason) = &error else {
            return error;
        };
        let unknown = matches!(
            reason,
            CertificateError::UnknownIssuer
                | CertificateError::BadSignature
                | CertificateError::Other(_)
        );
        // `Other`: among others a certificate of an authority in a server's place, which is how most tools make a
        // self-signed one. One that is trusted already is not cured by trusting it.
        if unknown && signs_itself(end_entity) && !chain::is_root(end_entity, &self.roots) {
            return Refusal::SelfSigned.into();
        }
        match reason {
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
                if chain::names_no_host(end_entity) =>
            {
                Refusal::Defect(CertificateDefect::NoHostName).into()
            }
            CertificateError::BadSignature => {
                let mut all = intermediates.to_vec();
                all.push(end_entity.clone());
                if chain::has_small_key(&all, &self.roots) {
                    Refusal::Defect(CertificateDefect::SmallKey).into()
                } else if chain::has_issuer(end_entity, intermediates) {
                    Refusal::Defect(CertificateDefect::Signature).into()
                } else {
                    // A trusted root has the right name and another key, such as a new test authority.
                    CertificateError::UnknownIssuer.into()
                }
            }
            _ => error,
        }
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
        let verify = |intermediates: &[CertificateDer<'_>]| {
            self.verifier.verify_server_cert(
                end_entity,
                intermediates,
                server_name,
                ocsp_response,
                now,
            )
        };
        // An intermediate that must not sign is as good as not there.
        let signers: Vec<_> = intermediates
            .iter()
            .filter(|certificate| chain::may_sign_certificates(certificate))
            .cloned()
            .collect();
        let verified = match verify(&signers) {
            Err(_) if signers.len() < intermediates.len() && verify(intermediates).is_ok() => {
                return Err(Refusal::Defect(CertificateDefect::IssuerKeyUsage).into());
            }
            Err(error) => return Err(self.rename(error, end_entity, intermediates)),
            Ok(verified) => verified,
        };
        match chain::defect_of_server(end_entity) {
            Some(defect) => Err(Refusal::Defect(defect).into()),
            None => Ok(verified),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

fn signs_itself(certificate: &CertificateDer<'_>) -> bool {
    webpki::EndEntityCert::try_from(certificate)
        .is_ok_and(|certificate| certificate.issuer() == certificate.subject())
}
