//! Certificates and keys in every form that people have them in, and what is said about wrong ones.

use std::io::Write;

use azure_device_host::clock::{HostClock, Source};
use azure_device_host::error::SetupError;
use azure_device_host::tls::{
    ClientIdentity, azure_roots, client_config, roots_from_file, roots_from_pem,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rsa::pkcs1::EncodeRsaPrivateKey;
use rsa::pkcs8::{EncodePrivateKey, LineEnding};
use tempfile::NamedTempFile;

use crate::support::{Authority, Certified};

/// RFC 7468: base64 in lines of 64 between the label's lines.
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text
        .as_bytes()
        .chunks(64)
        .map(|line| str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}

fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

/// Loads the two texts and makes a TLS configuration with them; returns the first error.
fn load(certificate: &str, key: &str) -> Result<(), SetupError> {
    let (certificate, key) = (file(certificate), file(key));
    let identity = ClientIdentity::from_files(certificate.path(), key.path())?;
    assert!(format!("{identity:?}").contains("[redacted]"));
    client_config(
        azure_roots()?,
        Some(identity),
        HostClock::new(Source::System),
    )
    .map(|_| ())
}

fn certificate_pem(certified: &Certified) -> String {
    pem("CERTIFICATE", &certified.chain[0])
}

#[test]
fn elliptic_keys_load_as_pkcs8_and_as_sec1() {
    let certified = Authority::new("Test Root").certify("device", |_| {});
    let certificate = certificate_pem(&certified);
    load(&certificate, &certified.key.serialize_pem()).unwrap();

    // RFC 5915: PKCS#8 wraps an ECPrivateKey, here of 0x6d bytes, in its last field.
    let pkcs8 = certified.key.serialize_der();
    let sec1 = &pkcs8[pkcs8.len() - 0x6d..];
    assert_eq!(pkcs8[pkcs8.len() - 0x6f..][..2], [0x04, 0x6d]);
    load(&certificate, &pem("EC PRIVATE KEY", sec1)).unwrap();

    // `openssl ecparam -genkey` puts the curve's name before the key.
    let parameters = pem(
        "EC PARAMETERS",
        &[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7],
    );
    load(&certificate, &(parameters + &pem("EC PRIVATE KEY", sec1))).unwrap();
}

#[test]
fn rsa_keys_load_as_pkcs8_and_as_pkcs1() {
    let key = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).unwrap();
    let pkcs8 = key.to_pkcs8_pem(LineEnding::LF).unwrap();
    let pkcs1 = key.to_pkcs1_pem(LineEnding::CRLF).unwrap();
    let pair = rcgen::KeyPair::from_pem(&pkcs8).unwrap();
    let certificate = rcgen::CertificateParams::default()
        .self_signed(&pair)
        .unwrap()
        .pem();
    load(&certificate, &pkcs8).unwrap();
    load(&certificate, &pkcs1).unwrap();
}

#[test]
fn certificate_and_key_may_share_a_file_and_have_words_around_them() {
    let certified = Authority::new("Test Root").certify("device", |_| {});
    let text = format!(
        "subject=CN = device\n{}\nsome words\n{}",
        certificate_pem(&certified),
        certified.key.serialize_pem()
    );
    load(&text, &text).unwrap();
}

#[test]
fn a_key_of_another_certificate_is_noticed_before_any_connection() {
    let authority = Authority::new("Test Root");
    let (one, other) = (
        authority.certify("one", |_| {}),
        authority.certify("other", |_| {}),
    );
    let error = load(&certificate_pem(&one), &other.key.serialize_pem()).unwrap_err();
    assert!(matches!(error, SetupError::KeyMismatch), "{error}");
}

#[test]
fn every_unusable_text_is_answered_by_a_sentence_that_says_what_to_do() {
    let certified = Authority::new("Test Root").certify("device", |_| {});
    let (certificate, key) = (certificate_pem(&certified), certified.key.serialize_pem());
    let encrypted = pem("ENCRYPTED PRIVATE KEY", &[0x30, 0]);
    let old_encrypted = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\
                         DEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    for (certificate, key, expected) in [
        ("", key.as_str(), "BEGIN CERTIFICATE"),
        (&key, &key, "BEGIN CERTIFICATE"),
        (&certificate, "", "BEGIN PRIVATE KEY"),
        (&certificate, &certificate, "BEGIN PRIVATE KEY"),
        (&certificate, &encrypted, "openssl pkey"),
        (&certificate, old_encrypted, "openssl pkey"),
        (
            &certificate,
            &pem("PRIVATE KEY", &[1, 2, 3]),
            "RSA keys of at least 2048 bits",
        ),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n",
            &key,
            "BEGIN CERTIFICATE",
        ),
        (
            "-----BEGIN CERTIFICATE-----\n?!\n-----END CERTIFICATE-----\n",
            &key,
            "BEGIN CERTIFICATE",
        ),
    ] {
        let error = load(certificate, key).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = roots_from_file("/no/such/ca.pem".as_ref())
        .unwrap_err()
        .to_string();
    assert!(error.contains("/no/such/ca.pem"), "{error}");
    assert!(error.contains("check the path"), "{error}");
}

#[test]
fn authorities_come_from_pem_alone() {
    let authority = Authority::new("Test Root");
    assert_eq!(
        roots_from_pem((authority.pem() + &authority.pem()).as_bytes(), "two")
            .unwrap()
            .len(),
        2
    );
    for (text, expected) in [
        (String::new(), "holds no usable certificate"),
        (
            pem("CERTIFICATE", b"no certificate"),
            "cannot be trusted as a root",
        ),
    ] {
        let error = roots_from_pem(text.as_bytes(), "ca.pem")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(expected) && error.contains("ca.pem"),
            "{error}"
        );
    }
}
