//! TLS as a device of IoT Hub needs it: the server always verified, the client certificate optional.
//!
//! Versions 1.2, which IoT Hub's classic host names speak, and 1.3, which its newer ones and other brokers
//! speak too (Microsoft, "Transport Layer Security (TLS) support in IoT Hub"). The chain, the host name
//! and the dates are checked, the dates by the device's own clock. Sessions are never resumed: IoT Hub does
//! not offer that, and a full handshake checks the certificate again.
//!
//! # Limits
//!
//! No revocation check: IoT Hub staples no OCSP answer, and a device trusts roots only. No CBC suites:
//! rustls has none; IoT Hub prefers GCM.

mod chain;
mod credentials;
mod failure;
mod trust;
mod verifier;

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, Error, InconsistentKeys, RootCertStore};

pub use credentials::ClientIdentity;
pub(crate) use failure::of_rustls;
pub use failure::{tcp_failure, tls_failure};
pub use trust::{azure_roots, roots_from_file, roots_from_pem};

use crate::clock::HostClock;
use crate::error::SetupError;
use verifier::TellingVerifier;

/// Parts that every connection of a device shares.
pub fn client_config(
    roots: RootCertStore,
    identity: Option<ClientIdentity>,
    clock: HostClock,
) -> Result<Arc<ClientConfig>, SetupError> {
    let provider = Arc::new(ring::default_provider());
    let verifier = TellingVerifier::new(roots, &provider)?;
    let builder = ClientConfig::builder_with_details(provider, Arc::new(clock))
        .with_protocol_versions(&[&TLS12, &TLS13])
        .map_err(SetupError::BadKey)?
        .dangerous() // TellingVerifier verifies with rustls, and refuses more.
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let (chain, key) = identity.into_parts();
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| match error {
                    Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                        SetupError::KeyMismatch
                    }
                    error => SetupError::BadKey(error),
                })?
        }
    };
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}
