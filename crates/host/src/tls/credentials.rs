//! The device's own certificate and key, from PEM.

use std::fmt;
use std::path::Path;

use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use crate::error::SetupError;
use crate::text_file::{read_text, text_of, unindented};

/// An X.509 certificate, the intermediates up to the authority that the hub knows, and the private key.
pub struct ClientIdentity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl ClientIdentity {
    /// From two PEM files, which may be the same. Keys are PKCS#8, PKCS#1 or SEC1, not encrypted.
    pub fn from_files(certificate: &Path, key: &Path) -> Result<Self, SetupError> {
        Self::from_pem(
            (
                read_text("certificate", certificate)?.as_bytes(),
                &certificate.display().to_string(),
            ),
            (
                read_text("private key", key)?.as_bytes(),
                &key.display().to_string(),
            ),
        )
    }

    /// From two PEM texts, each with a name for errors.
    pub fn from_pem(certificate: (&[u8], &str), key: (&[u8], &str)) -> Result<Self, SetupError> {
        let (text, source) = certificate;
        let unusable = |cause| SetupError::NoPem {
            what: "certificate",
            source: source.to_owned(),
            cause,
        };
        let chain: Vec<_> = CertificateDer::pem_slice_iter(pem(text).as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|error| unusable(Some(error.to_string())))?;
        let Some(own) = chain.first() else {
            return Err(unusable(None));
        };
        match webpki::EndEntityCert::try_from(own) {
            Ok(_) => {}
            Err(webpki::Error::UnsupportedCertVersion) => {
                return Err(SetupError::CertificateVersion {
                    source: source.to_owned(),
                });
            }
            Err(error) => return Err(unusable(Some(format!("{error:?}")))),
        }
        let (text, source) = key;
        let key = private_key(text, source)?;
        Ok(Self { chain, key })
    }

    pub(super) fn into_parts(self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        (self.chain, self.key)
    }
}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientIdentity")
            .field("certificates", &self.chain.len())
            .field("key", &format_args!("[redacted]"))
            .finish()
    }
}

fn private_key(text: &[u8], source: &str) -> Result<PrivateKeyDer<'static>, SetupError> {
    let text = pem(text);
    let text = text.as_bytes();
    PrivateKeyDer::from_pem_slice(text).map_err(|error| {
        // PKCS#8 says it in its label (RFC 7468, section 11), PKCS#1 and SEC1 in a header (RFC 1421).
        let says = |marker: &[u8]| text.windows(marker.len()).any(|window| window == marker);
        let source = source.to_owned();
        if says(b"BEGIN ENCRYPTED PRIVATE KEY") || says(b"Proc-Type: 4,ENCRYPTED") {
            return SetupError::EncryptedKey { source };
        }
        SetupError::NoPem {
            what: "private key",
            source,
            cause: match error {
                PemError::NoItemsFound => None,
                error => Some(error.to_string()),
            },
        }
    })
}

/// PEM as the reader wants it: in UTF-8, without a byte order mark, each line at its margin.
pub(super) fn pem(text: &[u8]) -> Zeroizing<String> {
    unindented(&text_of(text).unwrap_or_default())
}
