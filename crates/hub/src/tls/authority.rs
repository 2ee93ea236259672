//! The server's certificates: root, intermediate and leaf, shaped like those of `*.azure-devices.net`.
//!
//! Root and intermediate are made once and kept; the leaf's key is kept too, and its certificate is issued
//! again at every start, so that it fits the host name, the wanted size and the date.
//!
//! The Certificate message carries leaf and intermediate, not the root. Its size is reached the way Azure's
//! leaf reaches it, by alternative names; see [`ServerCertificate::message_size`].

use std::net::IpAddr;
use std::path::Path;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use time::{Duration, OffsetDateTime};

use super::keys::{Kind, Source, generate};
use crate::config::{CertificateFault, Chain, ServerCertificate};
use crate::credentials::x509;
use crate::error::StartError;
use crate::store::files::read_own;
use crate::store::write_atomically;

/// Days that a leaf is valid, from a day before it was issued.
const LEAF_DAYS: i64 = 180;
/// Bytes that the name of one region adds to a certificate: tag, length, and the name.
const REGION_BYTES: usize = 2 + "*.region-0000.device.local-iot-hub.invalid".len();
/// Days that root and intermediate are valid.
const AUTHORITY_DAYS: i64 = 20 * 365;

/// The root's CN.
const ROOT_NAME: &str = "Local IoT Hub Global Root";
/// Name that a leaf of [`CertificateFault::WrongHostName`] is valid for.
const WRONG_NAME: &str = "wrong.invalid";

/// A leaf with what it takes to serve it.
#[derive(Debug)]
pub(crate) struct ServerChain {
    /// Leaf first, root left out.
    pub(crate) certificates: Vec<CertificateDer<'static>>,
    /// The leaf's key.
    pub(crate) key: PrivateKeyDer<'static>,
}

impl ServerChain {
    /// Bytes of the TLS Certificate message (RFC 5246, section 7.4.2), its header included.
    pub(crate) fn message_size(&self) -> usize {
        message_size(&self.certificates)
    }
}

fn message_size(certificates: &[CertificateDer<'_>]) -> usize {
    // Type and length of the message, length of the list, length of each certificate.
    4 + 3
        + certificates
            .iter()
            .map(|certificate| 3 + certificate.len())
            .sum::<usize>()
}

/// Root and intermediate, and the keys of the leaves.
pub(crate) struct Hierarchy {
    chain: Chain,
    root_pem: String,
    intermediate_pem: String,
    intermediate_key: KeyPair,
    leaf_key: KeyPair,
    source: Source,
}

impl Hierarchy {
    /// Reads the hierarchy kept in `directory`, or makes it there.
    pub(crate) fn open(
        directory: &Path,
        chain: Chain,
        temporary: bool,
    ) -> Result<Self, StartError> {
        let name = match chain {
            Chain::Rsa => "server-rsa.pem",
            Chain::Ecc => "server-ecc.pem",
        };
        let path = directory.join(name);
        let source = if temporary {
            Source::Shared
        } else {
            Source::Fresh
        };
        if let Some(kept) = read_own(&path, |text| Self::from_pem(chain, text, source))? {
            return Ok(kept);
        }
        let made = Self::make(chain, source).map_err(StartError::Certificate)?;
        write_atomically(&path, made.to_pem().as_bytes(), true)
            .map_err(|source| StartError::State { path, source })?;
        Ok(made)
    }

    /// Says that a file is the root of a hub, of either kind of keys.
    pub(crate) fn is_root(pem: &[u8]) -> bool {
        CertificateDer::from_pem_slice(pem)
            .ok()
            .and_then(|der| x509::common_name_of(&der))
            .is_some_and(|name| name == ROOT_NAME)
    }

    fn make(chain: Chain, source: Source) -> Result<Self, String> {
        let [root_key, intermediate_key, leaf_key] = match chain {
            Chain::Rsa => source.rsa()?,
            Chain::Ecc => [
                generate(Kind::P384)?,
                generate(Kind::P256)?,
                generate(Kind::P256)?,
            ],
        };
        let root_params = authority_params(ROOT_NAME, BasicConstraints::Unconstrained);
        let root = root_params.self_signed(&root_key).map_err(text)?;
        let intermediate = intermediate_params()
            .signed_by(
                &intermediate_key,
                &Issuer::from_params(&root_params, &root_key),
            )
            .map_err(text)?;
        Ok(Self {
            chain,
            root_pem: root.pem(),
            intermediate_pem: intermediate.pem(),
            intermediate_key,
            leaf_key,
            source,
        })
    }

    /// The root's key is not kept: nothing needs it again.
    fn to_pem(&self) -> String {
        [
            self.root_pem.clone(),
            self.intermediate_pem.clone(),
            self.intermediate_key.serialize_pem(),
            self.leaf_key.serialize_pem(),
        ]
        .concat()
    }

    fn from_pem(chain: Chain, text: &str, source: Source) -> Result<Self, String> {
        let blocks = pem_blocks(text);
        let [root, intermediate, intermediate_key, leaf_key] = blocks.as_slice() else {
            return Err(format!("it has {} PEM blocks instead of 4", blocks.len()));
        };
        let key = |pem: &str| KeyPair::from_pem(pem).map_err(|error| error.to_string());
        Ok(Self {
            chain,
            root_pem: root.clone(),
            intermediate_pem: intermediate.clone(),
            intermediate_key: key(intermediate_key)?,
            leaf_key: key(leaf_key)?,
            source,
        })
    }

    /// Certificate that clients have to trust.
    pub(crate) fn root_pem(&self) -> &str {
        &self.root_pem
    }

    /// Issues the leaf that is served, with the fault that was asked for.
    pub(crate) fn issue(
        &self,
        host_name: &str,
        wanted: &ServerCertificate,
    ) -> Result<ServerChain, StartError> {
        self.issue_with(&self.leaf_key, host_name, wanted)
            .map_err(StartError::Certificate)
    }

    /// Issues a P-256 leaf under the same intermediate, for clients that offer ECDSA suites only.
    pub(crate) fn issue_ecc(
        &self,
        host_name: &str,
        wanted: &ServerCertificate,
    ) -> Result<Option<ServerChain>, StartError> {
        if self.chain == Chain::Ecc {
            return Ok(None);
        }
        let issue = || {
            let key = generate(Kind::P256)?;
            self.issue_with(&key, host_name, wanted)
        };
        issue().map(Some).map_err(StartError::Certificate)
    }

    fn issue_with(
        &self,
        key: &KeyPair,
        host_name: &str,
        wanted: &ServerCertificate,
    ) -> Result<ServerChain, String> {
        let private = PrivateKeyDer::try_from(key.serialize_der()).map_err(str::to_owned)?;
        let fault = wanted.fault;
        let name = match fault {
            Some(CertificateFault::WrongHostName) => WRONG_NAME,
            _ => host_name,
        };
        let (not_before, not_after) = validity(fault);
        let intermediate = match fault {
            Some(CertificateFault::UnknownAuthority) => self.intermediate_of_another_root()?,
            _ => certificate_from_pem(&self.intermediate_pem)?,
        };
        let issuer =
            Issuer::from_ca_cert_der(&intermediate, &self.intermediate_key).map_err(text)?;
        let issue = |regions: usize| -> Result<Certificate, String> {
            let mut params = leaf_params(name, regions)?;
            params.not_before = not_before;
            params.not_after = not_after;
            match fault {
                Some(CertificateFault::SelfSigned) => params.self_signed(key).map_err(text),
                _ => params.signed_by(key, &issuer).map_err(text),
            }
        };
        let chain_of = |leaf: Certificate| match fault {
            Some(CertificateFault::SelfSigned) => vec![leaf.der().clone()],
            _ => vec![leaf.der().clone(), intermediate.clone()],
        };
        let mut certificates = chain_of(issue(0)?);
        let mut regions = 0;
        while message_size(&certificates) < wanted.message_size {
            let missing = wanted.message_size - message_size(&certificates);
            regions += missing.div_ceil(REGION_BYTES);
            certificates = chain_of(issue(regions)?);
        }
        Ok(ServerChain {
            certificates,
            key: private,
        })
    }

    fn intermediate_of_another_root(&self) -> Result<CertificateDer<'static>, String> {
        let key = match self.chain {
            Chain::Rsa => {
                let [_, _, _, key] = self.source.rsa()?;
                key
            }
            Chain::Ecc => generate(Kind::P384)?,
        };
        let params = authority_params("Another Root", BasicConstraints::Unconstrained);
        let issuer = Issuer::from_params(&params, &key);
        let made = intermediate_params()
            .signed_by(&self.intermediate_key, &issuer)
            .map_err(text)?;
        Ok(made.der().clone())
    }
}

fn text(error: rcgen::Error) -> String {
    error.to_string()
}

/// Each `BEGIN … END` block of a PEM text.
fn pem_blocks(text: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut block = String::new();
    for line in text.lines() {
        block.push_str(line);
        block.push('\n');
        if line.starts_with("-----END ") {
            blocks.push(std::mem::take(&mut block));
        }
    }
    blocks
}

fn certificate_from_pem(pem: &str) -> Result<CertificateDer<'static>, String> {
    CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|error| error.to_string())
}

fn validity(fault: Option<CertificateFault>) -> (OffsetDateTime, OffsetDateTime) {
    let now = OffsetDateTime::now_utc();
    let day = Duration::days(1);
    match fault {
        Some(CertificateFault::Expired) => (now - day * 90, now - day),
        Some(CertificateFault::NotYetValid) => (now + day, now + day * 90),
        _ => (now - day, now + Duration::days(LEAF_DAYS)),
    }
}

fn authority_params(name: &str, constraints: BasicConstraints) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = distinguished_name(name);
    params.is_ca = IsCa::Ca(constraints);
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
    ];
    let now = OffsetDateTime::now_utc();
    params.not_before = now - Duration::days(1);
    params.not_after = now + Duration::days(AUTHORITY_DAYS);
    params
}

fn intermediate_params() -> CertificateParams {
    let mut params = authority_params(
        "Local IoT Hub TLS Issuing CA 01",
        BasicConstraints::Constrained(0),
    );
    params.use_authority_key_identifier_extension = true;
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    params
}

fn distinguished_name(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "Local IoT Hub");
    name.push(DnType::CommonName, common_name);
    name
}

/// A server certificate for `host_name` that also lists this many names of regions, as Azure's leaf does.
fn leaf_params(host_name: &str, regions: usize) -> Result<CertificateParams, String> {
    let mut params = CertificateParams::default();
    params.distinguished_name = distinguished_name(host_name);
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyEncipherment,
    ];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    params.subject_alt_names = alternative_names(host_name)?;
    for number in 0..regions {
        let name = format!("*.region-{number:04}.device.local-iot-hub.invalid");
        params
            .subject_alt_names
            .push(SanType::DnsName(name.try_into().map_err(text)?));
    }
    Ok(params)
}

fn alternative_names(host_name: &str) -> Result<Vec<SanType>, String> {
    if host_name == WRONG_NAME {
        return Ok(vec![SanType::DnsName(WRONG_NAME.try_into().map_err(text)?)]);
    }
    let mut names = vec![
        SanType::DnsName("localhost".try_into().map_err(text)?),
        SanType::IpAddress(IpAddr::from([127, 0, 0, 1])),
    ];
    match host_name.parse::<IpAddr>() {
        Ok(address) if address != IpAddr::from([127, 0, 0, 1]) => {
            names.push(SanType::IpAddress(address))
        }
        Ok(_) => {}
        Err(_) if host_name == "localhost" => {}
        Err(_) => names.insert(0, SanType::DnsName(host_name.try_into().map_err(text)?)),
    }
    Ok(names)
}
