//! The server side of the handshake.

use std::sync::Arc;

use rustls::crypto::ring::{cipher_suite, default_provider};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, SignatureAlgorithm, SupportedCipherSuite, version};
use tokio_rustls::rustls;

use super::authority::ServerChain;
use super::client::AnyCertificate;
use crate::error::StartError;

/// Azure's suites with AES-GCM, strongest first. Azure also offers AES-CBC ones, which rustls does not have.
const SUITES: [SupportedCipherSuite; 4] = [
    cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
];

/// Length of the header of a TLS record, in bytes (RFC 5246, section 6.2.1).
const RECORD_HEADER: usize = 5;

/// TLS settings of the hub with `chain`, or with `ecc` to clients that offer ECDSA only, in records that carry
/// `record_size` bytes at most.
pub(crate) fn server_config(
    chain: ServerChain,
    ecc: Option<ServerChain>,
    record_size: usize,
) -> Result<Arc<ServerConfig>, StartError> {
    let mut provider = default_provider();
    provider.cipher_suites = SUITES.to_vec();
    let algorithms = provider.signature_verification_algorithms;
    let certificates = Certificates {
        chain: certified(chain)?,
        ecc: ecc.map(certified).transpose()?,
    };
    let builder = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&version::TLS12])
        .map_err(|error| StartError::Certificate(error.to_string()))?;
    let mut config = builder
        .with_client_cert_verifier(Arc::new(AnyCertificate { algorithms }))
        .with_cert_resolver(Arc::new(certificates));
    // Each connection to IoT Hub is a full handshake: no session ids, no tickets.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    // rustls counts the header.
    config.max_fragment_size = Some(record_size.saturating_add(RECORD_HEADER));
    Ok(Arc::new(config))
}

fn certified(chain: ServerChain) -> Result<Arc<CertifiedKey>, StartError> {
    let key = rustls::crypto::ring::sign::any_supported_type(&chain.key)
        .map_err(|error| StartError::Certificate(error.to_string()))?;
    Ok(Arc::new(CertifiedKey::new(chain.certificates, key)))
}

/// Chooses between the two leaves.
#[derive(Debug)]
struct Certificates {
    chain: Arc<CertifiedKey>,
    ecc: Option<Arc<CertifiedKey>>,
}

impl ResolvesServerCert for Certificates {
    /// RSA unless the client could not use it, as Azure does.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let Some(ecc) = &self.ecc else {
            return Some(Arc::clone(&self.chain));
        };
        let takes_rsa = hello.cipher_suites().iter().any(|offered| {
            SUITES.iter().any(|suite| {
                suite.suite() == *offered
                    && suite.usable_for_signature_algorithm(SignatureAlgorithm::RSA)
            })
        });
        Some(Arc::clone(if takes_rsa { &self.chain } else { ecc }))
    }
}
