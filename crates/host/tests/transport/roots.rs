//! The shipped roots are the ones that Azure publishes, and will be for a while.

use azure_device_host::roots::AZURE;
use azure_device_host::tls::azure_roots;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sha2::{Digest, Sha256};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use x509_parser::prelude::{FromDer, X509Certificate};

/// SHA-256 of the DER, as Microsoft publishes them ("Azure Certificate Authority details").
const FINGERPRINTS: [(&str, &str); 4] = [
    (
        "DigiCert Global Root G2",
        "CB3CCBB76031E5E0138F8DD39A23F9DE47FFC35E43C1144CEA27D46A5AB1CB5F",
    ),
    (
        "Microsoft RSA Root Certificate Authority 2017",
        "C741F70F4B2A8D88BF2E71C14122EF53EF10EBA0CFA5E64CFA20F418853073E0",
    ),
    (
        "DigiCert Global Root G3",
        "31AD6648F8104138C738F39EA4320133393E3A18CC02296EF97C2AC9EF6731D0",
    ),
    (
        "Microsoft ECC Root Certificate Authority 2017",
        "358DF39D764AF9E1B766E9C972DF352EE15CFAC227AF6AD1D70E8E4A6EDCBA02",
    ),
];

const TWO_YEARS: Duration = Duration::from_secs(2 * 365 * 86_400);

fn shipped() -> impl Iterator<Item = (&'static str, CertificateDer<'static>)> {
    AZURE
        .iter()
        .map(|root| (root.name, CertificateDer::from_pem_slice(root.pem).unwrap()))
}

#[test]
fn the_shipped_roots_are_the_published_ones() {
    let found: Vec<_> = shipped()
        .map(|(name, der)| {
            let digest = Sha256::digest(&der);
            (
                name,
                digest
                    .iter()
                    .map(|byte| format!("{byte:02X}"))
                    .collect::<String>(),
            )
        })
        .collect();
    let expected = FINGERPRINTS.map(|(name, fingerprint)| (name, fingerprint.to_owned()));
    assert_eq!(found, expected);
}

#[test]
fn the_shipped_roots_are_named_as_they_name_themselves() {
    for (name, der) in shipped() {
        let (_, root) = X509Certificate::from_der(&der).unwrap();
        let common_name = root
            .subject()
            .iter_common_name()
            .next()
            .unwrap()
            .as_str()
            .unwrap();
        assert_eq!(common_name, name);
        assert_eq!(root.subject(), root.issuer());
    }
}

#[test]
fn the_shipped_roots_stay_valid_for_two_more_years() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let horizon = i64::try_from((now + TWO_YEARS).as_secs()).unwrap();
    for (name, der) in shipped() {
        let (_, root) = X509Certificate::from_der(&der).unwrap();
        let end = root.validity().not_after;
        assert!(
            end.timestamp() > horizon,
            "{name} expires on {end}: replace it in certs/"
        );
    }
}

#[test]
fn the_verifier_takes_all_shipped_roots() {
    assert_eq!(azure_roots().unwrap().len(), AZURE.len());
}
