#![allow(clippy::unwrap_used)]

use super::*;

fn registry(directory: &std::path::Path) -> Registry {
    Registry::open(Arc::new(
        Store::open(directory, crate::kinds::check).unwrap(),
    ))
}

fn sas() -> Authentication {
    Authentication::Sas(SymmetricKeys::generated())
}

#[test]
fn devices_survive_reopening_with_their_keys() {
    let directory = tempfile::tempdir().unwrap();
    let made = registry(directory.path())
        .create(Identity::device("d"), sas(), Status::Enabled)
        .unwrap();
    let read = registry(directory.path())
        .get(&Identity::device("d"))
        .unwrap();
    assert_eq!(made, read);
    let Authentication::Sas(keys) = read.authentication else {
        panic!("another kind of authentication");
    };
    assert_eq!(STANDARD.decode(keys.primary_key).unwrap().len(), 32);
}

#[test]
fn an_id_is_taken_once_and_is_case_sensitive() {
    let directory = tempfile::tempdir().unwrap();
    let registry = registry(directory.path());
    registry
        .create(Identity::device("d"), sas(), Status::Enabled)
        .unwrap();
    let again = registry.create(Identity::device("d"), sas(), Status::Enabled);
    assert_eq!(again.unwrap_err().code(), 409_001);
    registry
        .create(Identity::device("D"), sas(), Status::Enabled)
        .unwrap();
}

#[test]
fn ids_outside_azures_alphabet_are_refused() {
    let long = "x".repeat(129);
    for id in ["", "a b", "a/b", "ä", "a;b", &long] {
        assert_eq!(
            Identity::device(id).check().unwrap_err().code(),
            400_004,
            "{id}"
        );
    }
    Identity::device("aZ09-.+%_#*?!(),:=@$'").check().unwrap();
}

#[test]
fn a_device_takes_its_modules_along_and_no_others() {
    let directory = tempfile::tempdir().unwrap();
    let registry = registry(directory.path());
    for identity in [
        Identity::device("d"),
        Identity::module("d", "m"),
        Identity::device("d2"),
    ] {
        registry.create(identity, sas(), Status::Enabled).unwrap();
    }
    assert_eq!(
        registry.delete(&Identity::device("d"), None).unwrap().len(),
        2
    );
    assert_eq!(registry.all().len(), 1);
    let orphan = registry.create(Identity::module("d", "m"), sas(), Status::Enabled);
    assert_eq!(orphan.unwrap_err().code(), 404_001);
}

#[test]
fn a_change_needs_the_current_etag_if_it_names_one() {
    let directory = tempfile::tempdir().unwrap();
    let registry = registry(directory.path());
    let device = registry
        .create(Identity::device("d"), sas(), Status::Enabled)
        .unwrap();
    let disable = |device: &mut Device| device.status = Status::Disabled;
    let changed = registry
        .update(&device.identity, Some(&device.etag), disable)
        .unwrap();
    assert_eq!(changed.status, Status::Disabled);
    let stale = registry.update(&device.identity, Some(&device.etag), disable);
    assert_eq!(stale.unwrap_err().code(), 412_001);
    assert_eq!(
        registry
            .delete(&device.identity, Some("x"))
            .unwrap_err()
            .code(),
        412_001
    );
}

#[test]
fn keys_and_thumbprints_must_have_their_form() {
    let directory = tempfile::tempdir().unwrap();
    let registry = registry(directory.path());
    let keys = |primary: &str| {
        Authentication::Sas(SymmetricKeys {
            primary_key: primary.into(),
            secondary_key: String::new(),
        })
    };
    let thumbprint = |primary: Option<&str>| Authentication::X509Thumbprint {
        primary: primary.map(str::to_owned),
        secondary: None,
    };
    for bad in [
        keys("!"),
        keys("c2hvcnQ="),
        thumbprint(None),
        thumbprint(Some("abc")),
        thumbprint(Some(&"g".repeat(40))),
    ] {
        let refused = registry.create(Identity::device("d"), bad, Status::Enabled);
        assert_eq!(refused.unwrap_err().code(), 400_004);
    }
    registry
        .create(
            Identity::device("d"),
            thumbprint(Some(&"aB".repeat(32))),
            Status::Enabled,
        )
        .unwrap();
}

#[test]
fn only_ca_certificates_are_taken_as_authorities() {
    let directory = tempfile::tempdir().unwrap();
    let registry = registry(directory.path());
    assert_eq!(
        registry
            .upload_authority("x", "nonsense")
            .unwrap_err()
            .code(),
        400_004
    );
    let leaf = crate::tls::self_signed("d").unwrap();
    assert_eq!(
        registry
            .upload_authority("x", &leaf.certificate_pem)
            .unwrap_err()
            .code(),
        400_004
    );
    assert!(registry.authorities().is_empty());
}

#[test]
fn keys_are_not_in_debug_output() {
    let keys = SymmetricKeys {
        primary_key: "c2VjcmV0c2VjcmV0c2VjcmV0".into(),
        secondary_key: "c2VjcmV0c2VjcmV0c2VjcmV0".into(),
    };
    let text = format!("{:?}", Authentication::Sas(keys));
    assert!(!text.contains("c2VjcmV0"), "{text}");
}
