use super::*;
use crate::update::TrustError;
use crate::update::key::Trust;
use crate::update::tests::{
    Chain, OTHER_ROOT, OTHER_ROOT_ID, PackageText, ROOT, ROOT_ID, STRANGER, check, manifest, roots,
    verify_rs256,
};
use std::string::{String, ToString};
use std::vec;

fn take_text(text: &str, rotation: &mut Rotation) -> Result<(), PackageError> {
    take(text.as_bytes(), &roots(), rotation, verify_rs256)
}

fn refused(change: impl FnOnce(&mut PackageText)) -> PackageError {
    let mut package = PackageText::default();
    change(&mut package);
    let mut rotation = Rotation::default();
    let error = take_text(&package.text(), &mut rotation).expect_err("a reason");
    assert_eq!(
        std::format!("{rotation:?}"),
        std::format!("{:?}", Rotation::default())
    );
    error
}

#[test]
fn a_package_that_every_root_key_signed_disables_and_adds_keys() {
    let mut package = PackageText::default();
    package.disabled_roots.push(ROOT_ID.to_string());
    package.disabled_signing.push([9; 32]);
    package.keys.push(("ADU.270101.R.T", &STRANGER));
    let mut rotation = Rotation::default();
    assert_eq!(take_text(&package.text(), &mut rotation), Ok(()));
    assert_eq!(rotation.version(), 2);
    assert_eq!(rotation.disabled_signing[0], [9; 32]);

    // The new root key signs, and the disabled one does not any more.
    let roots = roots();
    let manifest = manifest("2.0.0", b"image");
    let check = |chain: &Chain| check(chain.text().as_bytes(), &manifest, &rotation);
    let mut chain = Chain::of(&manifest);
    assert_eq!(check(&chain), Err(TrustError::DisabledRoot));
    (chain.root_id, chain.root) = ("ADU.270101.R.T", &STRANGER);
    assert_eq!(check(&chain), Ok(()));
    (chain.root_id, chain.root) = (OTHER_ROOT_ID, &OTHER_ROOT);
    assert_eq!(check(&chain), Ok(()));

    // The next one takes it all back.
    let next = PackageText {
        version: 3,
        ..PackageText::default()
    };
    assert_eq!(take_text(&next.text(), &mut rotation), Ok(()));
    let trust = Trust {
        roots: &roots,
        rotation: Some(&rotation),
    };
    assert!(!trust.is_disabled(ROOT_ID));
    assert!(trust.root(|id| id == "ADU.270101.R.T").is_none());
}

#[test]
fn each_check_of_a_package_refuses_what_fails_only_there() {
    assert_eq!(
        refused(|package| package.is_test = false),
        PackageError::Kind
    );
    assert_eq!(
        refused(|package| {
            package.keys.remove(0);
            package.signers.remove(0);
        }),
        PackageError::RootMissing
    );
    assert_eq!(
        refused(|package| package.keys[1].1 = &STRANGER),
        PackageError::RootMissing
    );
    assert_eq!(
        refused(|package| package.signers[1] = &STRANGER),
        PackageError::Signature
    );
    assert_eq!(
        refused(|package| package.signers.swap(0, 1)),
        PackageError::Signature
    );
    assert_eq!(
        refused(|package| package.signers.truncate(1)),
        PackageError::Signature
    );
    assert_eq!(
        refused(|package| package.disabled_roots = vec![String::from("ADU.1"); 5]),
        PackageError::TooMany
    );
    assert_eq!(
        refused(|package| package.disabled_signing = vec![[1; 32]; 9]),
        PackageError::TooMany
    );
    assert_eq!(
        refused(|package| package
            .keys
            .extend([("a", &*ROOT), ("b", &ROOT), ("c", &ROOT)])),
        PackageError::TooMany
    );
    let mut rotation = Rotation {
        version: 3,
        ..Rotation::default()
    };
    assert_eq!(
        take_text(&PackageText::default().text(), &mut rotation),
        Err(PackageError::Old)
    );
}

#[test]
fn a_package_that_was_changed_or_cut_is_refused() {
    let text = PackageText::default().text();
    let spaced = text.replacen("\"version\":2", "\"version\": 2", 1);
    assert_eq!(
        take_text(&spaced, &mut Rotation::default()),
        Err(PackageError::Signature)
    );
    let newer = text.replacen("\"version\":2", "\"version\":3", 1);
    assert_eq!(
        take_text(&newer, &mut Rotation::default()),
        Err(PackageError::Signature)
    );
    for cut in (0..text.len()).step_by(61) {
        assert!(
            take_text(&text[..cut], &mut Rotation::default()).is_err(),
            "{cut}"
        );
    }
    for bad in [
        "{}",
        "[]",
        r#"{"protected":{},"signatures":[]}"#,
        r#"{"protected":{"rootKeys":{}},"signatures":[]}"#,
    ] {
        assert!(take_text(bad, &mut Rotation::default()).is_err(), "{bad}");
    }
}
