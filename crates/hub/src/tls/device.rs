//! Certificates for devices: self-signed, or under the hub's own device CA.

use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use time::{Duration, OffsetDateTime};

use super::keys::{self, Kind};
use crate::error::StartError;
use crate::store::files::read_own;
use crate::store::write_atomically;

/// Years that a device's certificate is valid.
const DEVICE_YEARS: i64 = 10;

/// A certificate and its key, both in PEM.
pub(crate) struct Credentials {
    /// The certificate.
    pub(crate) certificate_pem: String,
    /// The key, PKCS #8.
    pub(crate) key_pem: String,
    /// The certificate's DER form.
    pub(crate) der: CertificateDer<'static>,
}

/// Makes a P-256 certificate for `common_name` that signs itself.
pub(crate) fn self_signed(common_name: &str) -> Result<Credentials, String> {
    let key = keys::generate(Kind::P256)?;
    let made = device_params(common_name)
        .self_signed(&key)
        .map_err(|error| error.to_string())?;
    Ok(Credentials {
        certificate_pem: made.pem(),
        key_pem: key.serialize_pem(),
        der: made.der().clone(),
    })
}

/// A CA for devices, kept in the state directory, whose certificate the hub trusts like an uploaded one.
pub(crate) struct DeviceAuthority {
    certificate_pem: String,
    certificate: CertificateDer<'static>,
    key: KeyPair,
}

impl DeviceAuthority {
    /// The file in a state directory that holds certificate and key.
    const FILE: &'static str = "device-ca.pem";
    /// Its name among the uploaded CAs.
    pub(crate) const NAME: &'static str = "local-hub-device-ca";

    /// Reads the CA kept in `directory`, or makes it there.
    pub(crate) fn open(directory: &Path) -> Result<Self, StartError> {
        let path = directory.join(Self::FILE);
        if let Some(kept) = read_own(&path, Self::from_pem)? {
            return Ok(kept);
        }
        let made = Self::make().map_err(StartError::Certificate)?;
        let text = format!("{}{}", made.certificate_pem, made.key.serialize_pem());
        write_atomically(&path, text.as_bytes(), true)
            .map_err(|source| StartError::State { path, source })?;
        Ok(made)
    }

    fn make() -> Result<Self, String> {
        let key = keys::generate(Kind::P256)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name_only("Local IoT Hub Device CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.not_before = OffsetDateTime::now_utc() - Duration::days(1);
        params.not_after = OffsetDateTime::now_utc() + Duration::days(365 * 2 * DEVICE_YEARS);
        let made = params
            .self_signed(&key)
            .map_err(|error| error.to_string())?;
        Ok(Self {
            certificate_pem: made.pem(),
            certificate: made.der().clone(),
            key,
        })
    }

    pub(crate) fn from_pem(text: &str) -> Result<Self, String> {
        let certificate =
            CertificateDer::from_pem_slice(text.as_bytes()).map_err(|error| error.to_string())?;
        let split = text
            .find("-----BEGIN PRIVATE KEY")
            .ok_or("it holds no private key")?;
        let (certificate_pem, key_pem) = text.split_at(split);
        Ok(Self {
            certificate_pem: certificate_pem.to_owned(),
            certificate,
            key: KeyPair::from_pem(key_pem).map_err(|error| error.to_string())?,
        })
    }

    /// The CA's own certificate.
    pub(crate) fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// Makes a P-256 certificate for `common_name` under this CA.
    pub(crate) fn issue(&self, common_name: &str) -> Result<Credentials, String> {
        let issue = || {
            let key = KeyPair::generate()?;
            let issuer = Issuer::from_ca_cert_der(&self.certificate, &self.key)?;
            let mut params = device_params(common_name);
            params.use_authority_key_identifier_extension = true;
            let made = params.signed_by(&key, &issuer)?;
            Ok(Credentials {
                certificate_pem: made.pem(),
                key_pem: key.serialize_pem(),
                der: made.der().clone(),
            })
        };
        issue().map_err(|error: rcgen::Error| error.to_string())
    }
}

fn device_params(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name_only(common_name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.not_before = OffsetDateTime::now_utc() - Duration::days(1);
    params.not_after = OffsetDateTime::now_utc() + Duration::days(365 * DEVICE_YEARS);
    params
}

fn common_name_only(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}
