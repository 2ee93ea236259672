//! `local-hub module-identity create` with a proof by certificate, and modules that connect with it.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::path::Path;

use common::program::{Serve, fail, succeed};
use common::*;
use local_hub::DeviceCertificate;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value, json};

/// A certificate of no CA's.
fn self_signed() -> DeviceCertificate {
    hub().create_x509_device("any-name").unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

fn der(certificate: &DeviceCertificate) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(certificate.certificate_pem.as_bytes()).unwrap()
}

fn named(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params
}

/// The return code of the CONNACK to module `m` of device `d` with this certificate.
fn connack(serve: &Serve, state: &Path, certificate: &DeviceCertificate) -> u8 {
    let mut client = serve.open_with(state, Some(certificate));
    let user_name = "localhost/d/m/?api-version=2021-04-12";
    client.send(&connect("d/m", user_name, None, Options::default()));
    let [_, _, _, code] = client.receive(4).try_into().unwrap();
    code
}

fn start(state: &Path) -> Serve {
    let serve = Serve::start(state, &[]);
    succeed(state, &["device", "create", "d", "--auth", "sas"]);
    serve
}

fn module<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [&["module-identity"], arguments].concat()
}

#[test]
fn a_module_is_registered_by_the_thumbprints_of_its_certificates_and_joins_with_each() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path();
    let serve = start(state);
    let (first, second, stranger) = (self_signed(), self_signed(), self_signed());
    let primary = hex(digest(&SHA256, &der(&first)).as_ref());
    let secondary = hex(digest(&SHA1_FOR_LEGACY_USE_ONLY, &der(&second)).as_ref());

    let options = ["--am", "x509_thumbprint", "--ptp", &primary, "--stp"];
    let create = [&["create", "-d", "d", "-m", "m"], &options[..]].concat();
    let entry = succeed(state, &module(&[&create[..], &[&secondary]].concat()));
    let entry: Value = serde_json::from_str(&entry).unwrap();
    let thumbprints = json!({ "primaryThumbprint": primary, "secondaryThumbprint": secondary });
    assert_eq!(entry["authentication"]["type"], "selfSigned");
    assert_eq!(entry["authentication"]["x509Thumbprint"], thumbprints);
    assert_eq!(
        succeed(state, &module(&["connection-string", "d", "m"])),
        "HostName=localhost;DeviceId=d;ModuleId=m;x509=true"
    );

    assert_eq!(connack(&serve, state, &first), 0);
    assert_eq!(connack(&serve, state, &second), 0);
    assert_eq!(connack(&serve, state, &stranger), 5);
    let keys = module(&["renew-key", "d", "m", "--kt", "both"]);
    assert!(fail(state, &keys).contains("has no symmetric keys"));
}

#[test]
fn a_module_is_registered_for_a_certificate_under_an_uploaded_ca_that_names_device_and_module() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path();
    let serve = start(state);
    let mut root = named("Modules' CA");
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = CertifiedIssuer::self_signed(root, KeyPair::generate().unwrap()).unwrap();
    let file = directory.path().join("modules-ca.pem");
    std::fs::write(&file, root.pem()).unwrap();
    // The CA is uploaded with a device under it.
    let upload = ["device", "create", "e", "--auth", "x509-ca"];
    let file = ["--certificate", file.to_str().unwrap()];
    succeed(state, &[&upload[..], &file].concat());

    assert_eq!(
        succeed(state, &module(&["create", "d", "m", "--am", "x509_ca"])),
        "HostName=localhost;DeviceId=d;ModuleId=m;x509=true"
    );
    for (common_name, code) in [("d/m", 0), ("d", 5), ("m", 5), ("d/n", 5)] {
        let key = KeyPair::generate().unwrap();
        let certificate = DeviceCertificate {
            connection_string: String::new(),
            certificate_pem: named(common_name).signed_by(&key, &root).unwrap().pem(),
            key_pem: key.serialize_pem(),
        };
        let answer = connack(&serve, state, &certificate);
        assert_eq!(answer, code, "{common_name}");
    }
}

#[test]
fn a_proof_of_a_module_that_contradicts_itself_is_refused_and_nothing_is_registered() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path();
    let _serve = start(state);
    for (options, words) in [
        (&["--am", "x509_thumbprint"][..], "--primary-thumbprint"),
        (&["--am", "x509_ca", "--ptp", "A"], "x509_thumbprint"),
        (
            &["--am", "shared_private_key", "--stp", "A"],
            "x509_thumbprint",
        ),
        (&["--ptp", "no-hex"], "thumbprint"),
    ] {
        let create = [&["create", "d", "m"], options].concat();
        let error = fail(state, &module(&create));
        assert!(error.contains(words), "{options:?}: {error}");
    }
    assert_eq!(succeed(state, &module(&["list", "d"])), "");
}
