//! Certificates of devices, as a factory makes them.

use std::fmt::Write;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use sha2::{Digest, Sha256};

/// A certificate authority.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A device's certificate and its key.
pub(crate) struct Certified {
    certificate: Certificate,
    key: KeyPair,
}

impl Authority {
    /// A root.
    pub(crate) fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(authority(name), key).unwrap())
    }

    /// An authority under this one.
    pub(crate) fn intermediate(&self, name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::signed_by(authority(name), key, &self.0).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A device's certificate.
    pub(crate) fn issue(&self, name: &str) -> Certified {
        let key = KeyPair::generate().unwrap();
        let certificate = device(name).signed_by(&key, &self.0).unwrap();
        Certified { certificate, key }
    }
}

impl Certified {
    pub(crate) fn self_signed(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = device(name).self_signed(&key).unwrap();
        Self { certificate, key }
    }

    pub(crate) fn pem(&self) -> String {
        self.certificate.pem()
    }

    pub(crate) fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// SHA-256 of the certificate, in hex.
    pub(crate) fn thumbprint(&self) -> String {
        let mut text = String::new();
        for byte in Sha256::digest(self.certificate.der()) {
            write!(text, "{byte:02X}").unwrap();
        }
        text
    }
}

fn authority(name: &str) -> CertificateParams {
    let mut params = device(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.extended_key_usages.clear();
    params
}

fn device(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}
