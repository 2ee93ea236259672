#![allow(clippy::unwrap_used)]

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384,
    SignatureAlgorithm,
};
use time::{Duration, OffsetDateTime};

use super::*;

/// A certificate and what it was made from.
struct Made {
    params: CertificateParams,
    key: KeyPair,
    certificate: Certificate,
}

fn params(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params.not_before = OffsetDateTime::UNIX_EPOCH + Duration::seconds(1000);
    params.not_after = OffsetDateTime::UNIX_EPOCH + Duration::seconds(2000);
    params
}

fn make(
    params: CertificateParams,
    issuer: Option<&Made>,
    algorithm: &'static SignatureAlgorithm,
) -> Made {
    let key = KeyPair::generate_for(algorithm).unwrap();
    let certificate = match issuer {
        None => params.self_signed(&key),
        Some(issuer) => params.signed_by(&key, &Issuer::from_params(&issuer.params, &issuer.key)),
    };
    Made {
        certificate: certificate.unwrap(),
        params,
        key,
    }
}

fn authority(name: &str, issuer: Option<&Made>) -> Made {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    make(params, issuer, &PKCS_ECDSA_P384_SHA384)
}

fn leaf(name: &str, issuer: Option<&Made>) -> Made {
    make(params(name), issuer, &PKCS_ECDSA_P256_SHA256)
}

fn ders(chain: &[&Made]) -> Vec<CertificateDer<'static>> {
    chain
        .iter()
        .map(|made| made.certificate.der().clone())
        .collect()
}

fn check(chain: &[&Made], authorities: &[&Made], client_id: &str) -> Result<(), CertificateError> {
    check_authority(&ders(chain), &ders(authorities), client_id, 1500)
}

#[test]
fn either_digest_in_either_case_is_a_thumbprint() {
    let made = leaf("whoever", None);
    let der = made.certificate.der();
    let (sha1, sha256) = (sha1_thumbprint(der), sha256_thumbprint(der));
    for registered in [&sha1, &sha256, &sha1.to_lowercase(), &sha256.to_lowercase()] {
        assert!(is_thumbprint(registered));
        assert_eq!(check_thumbprint(der, ["00", registered], 1500), Ok(()));
    }
    let other = "0".repeat(64);
    assert_eq!(
        check_thumbprint(der, [other.as_str()], 1500),
        Err(CertificateError::Thumbprint(sha256))
    );
}

#[test]
fn a_certificate_counts_between_its_dates_only() {
    let made = leaf("d", None);
    let der = made.certificate.der();
    let thumbprint = sha256_thumbprint(der);
    for (now, expected) in [
        (999, Err(CertificateError::NotYetValid)),
        (1000, Ok(())),
        (2000, Ok(())),
        (2001, Err(CertificateError::Expired)),
        (u64::MAX, Err(CertificateError::Expired)),
    ] {
        assert_eq!(
            check_thumbprint(der, [thumbprint.as_str()], now),
            expected,
            "at {now}"
        );
    }
}

#[test]
fn a_leaf_counts_with_its_intermediates_up_to_an_uploaded_ca() {
    let root = authority("root", None);
    let intermediate = authority("intermediate", Some(&root));
    let device = leaf("d", Some(&intermediate));
    assert_eq!(check(&[&device, &intermediate], &[&root], "d"), Ok(()));
    assert_eq!(
        check(&[&device, &intermediate, &root], &[&root], "d"),
        Ok(())
    );
    assert_eq!(
        check(&[&device], &[&intermediate], "d"),
        Ok(()),
        "the intermediate was uploaded"
    );
    let other = authority("other", None);
    assert_eq!(
        check(&[&device, &intermediate], &[&other, &root], "d"),
        Ok(())
    );
    for (chain, uploaded) in [
        (vec![&device], vec![&root]),
        (vec![&device, &intermediate], vec![&other]),
        (vec![&device, &intermediate], vec![]),
    ] {
        let refused = check(&chain, &uploaded, "d");
        assert!(
            matches!(refused, Err(CertificateError::Chain(_))),
            "{refused:?}"
        );
    }
}

#[test]
fn the_common_name_is_the_client_id_in_its_own_case() {
    let root = authority("root", None);
    let device = leaf("d", Some(&root));
    let module = leaf("d/m", Some(&root));
    assert_eq!(check(&[&module], &[&root], "d/m"), Ok(()));
    for client_id in ["D", "d/m", ""] {
        let refused = check(&[&device], &[&root], client_id);
        assert!(
            matches!(refused, Err(CertificateError::CommonName { .. })),
            "{refused:?}"
        );
    }
}

#[test]
fn a_certificate_for_servers_only_is_refused() {
    let root = authority("root", None);
    let mut for_servers = params("d");
    for_servers.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let device = make(for_servers, Some(&root), &PKCS_ECDSA_P256_SHA256);
    assert!(matches!(
        check(&[&device], &[&root], "d"),
        Err(CertificateError::Chain(_))
    ));
}

#[test]
fn only_a_ca_is_an_authority() {
    let root = authority("root", None);
    assert_eq!(check_is_authority(root.certificate.der()), Ok(()));
    assert!(check_is_authority(leaf("d", None).certificate.der()).is_err());
    assert_eq!(
        check_is_authority(&CertificateDer::from(vec![1, 2, 3])),
        Err(CertificateError::Malformed)
    );
}

#[test]
fn what_is_no_certificate_is_malformed() {
    let made = leaf("d", None);
    let der = made.certificate.der().as_ref();
    assert_eq!(
        check_thumbprint(&[], [], 0),
        Err(CertificateError::Malformed)
    );
    assert_eq!(
        check_thumbprint(&der[..der.len() - 1], [], 0),
        Err(CertificateError::Malformed)
    );
    assert_eq!(
        check_thumbprint(&[der, b"x"].concat(), [], 0),
        Err(CertificateError::Malformed)
    );
    assert_eq!(
        check_authority(&[], &[], "d", 0),
        Err(CertificateError::Malformed)
    );
}
