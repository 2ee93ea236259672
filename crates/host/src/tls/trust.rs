//! Certificate authorities that a device trusts.

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::credentials::pem;
use crate::error::SetupError;
use crate::roots;
use crate::text_file::read_text;

/// The authorities of Azure's public cloud, which ship with the program.
pub fn azure_roots() -> Result<RootCertStore, SetupError> {
    let mut store = RootCertStore::empty();
    for root in roots::AZURE {
        add(&mut store, root.pem, root.name)?;
    }
    Ok(store)
}

/// The authorities in a PEM file, and no others.
pub fn roots_from_file(path: &Path) -> Result<RootCertStore, SetupError> {
    let text = read_text("certificate", path)?;
    roots_from_pem(text.as_bytes(), &path.display().to_string())
}

/// The authorities in a PEM text, and no others. `source` names the text in errors.
pub fn roots_from_pem(text: &[u8], source: &str) -> Result<RootCertStore, SetupError> {
    let mut store = RootCertStore::empty();
    add(&mut store, text, source)?;
    Ok(store)
}

fn add(store: &mut RootCertStore, text: &[u8], source: &str) -> Result<(), SetupError> {
    let unusable = |cause| SetupError::NoPem {
        what: "certificate",
        source: source.to_owned(),
        cause,
    };
    let before = store.len();
    for certificate in CertificateDer::pem_slice_iter(pem(text).as_bytes()) {
        let certificate = certificate.map_err(|error| unusable(Some(error.to_string())))?;
        store
            .add(certificate)
            .map_err(|cause| SetupError::BadRoot {
                source: source.to_owned(),
                cause,
            })?;
    }
    if store.len() == before {
        return Err(unusable(None));
    }
    Ok(())
}
