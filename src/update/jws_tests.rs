use super::*;
use crate::update::key::{RootKey, Rotation, der_digest};
use crate::update::tests::{
    Chain, OTHER_ROOT, ROOT, ROOT_ID, SIGNING, STRANGER, base64, check as check_with, check_in,
    jwk, manifest, url64,
};
use std::format;
use std::string::String;
use std::vec::Vec;

fn check(chain: &str, manifest: &str) -> Result<(), TrustError> {
    check_with(chain.as_bytes(), manifest, &Rotation::default())
}

fn good() -> String {
    manifest("1.1.0", b"image")
}

/// A good chain with one part changed.
fn changed(change: impl FnOnce(&mut Chain)) -> String {
    let mut chain = Chain::of(&good());
    change(&mut chain);
    chain.text()
}

#[test]
fn a_signature_that_leads_back_to_a_root_key_is_accepted() {
    assert_eq!(check(&changed(|_| ()), &good()), Ok(()));
    let other = changed(|chain| (chain.root_id, chain.root) = ("ADU.260102.R.T", &OTHER_ROOT));
    assert_eq!(check(&other, &good()), Ok(()));
    // As RFC 7517 has the modulus, in base64url.
    let jwk = |chain: &mut Chain| {
        chain.jwk = chain
            .jwk
            .replace(&base64(&SIGNING.modulus), &url64(&SIGNING.modulus))
    };
    assert_eq!(check(&changed(jwk), &good()), Ok(()));
}

/// Name of a part, a change to it, and the check that refuses it.
type Case = (&'static str, fn(&mut Chain), TrustError);

#[test]
fn each_check_of_the_chain_refuses_what_fails_only_there() {
    let cases: [Case; 11] = [
        (
            "alg",
            |chain| chain.algorithm = "none",
            TrustError::Algorithm,
        ),
        (
            "alg of HMAC",
            |chain| chain.algorithm = "HS256",
            TrustError::Algorithm,
        ),
        (
            "root's alg",
            |chain| chain.root_algorithm = "RS384",
            TrustError::SigningKeyAlgorithm,
        ),
        (
            "unknown kid",
            |chain| chain.root_id = "ADU.260109.R.T",
            TrustError::UnknownRoot,
        ),
        (
            "another root's key",
            |chain| chain.root = &OTHER_ROOT,
            TrustError::SigningKeySignature,
        ),
        (
            "a stranger as root",
            |chain| chain.root = &STRANGER,
            TrustError::SigningKeySignature,
        ),
        (
            "kty",
            |chain| chain.jwk = jwk("EC", "AQAB", "RS256"),
            TrustError::SigningKeyKind,
        ),
        (
            "e",
            |chain| chain.jwk = jwk("RSA", "Aw", "RS256"),
            TrustError::SigningKeyKind,
        ),
        (
            "key's alg",
            |chain| chain.jwk = jwk("RSA", "AQAB", "PS256"),
            TrustError::SigningKeyKind,
        ),
        (
            "another signer",
            |chain| chain.signer = &STRANGER,
            TrustError::Signature,
        ),
        (
            "no digest",
            |chain| chain.payload = String::from("{\"sha512\":\"\"}"),
            TrustError::NoDigest,
        ),
    ];
    for (name, change, expected) in cases {
        assert_eq!(check(&changed(change), &good()), Err(expected), "{name}");
    }
    assert_eq!(
        check(&changed(|_| ()), &manifest("1.1.1", b"image")),
        Err(TrustError::Digest)
    );
}

#[test]
fn a_disabled_root_key_and_a_disabled_signing_key_are_refused() {
    let text = changed(|_| ());
    let mut rotation = Rotation::default();
    rotation.disabled_roots[1] = crate::label::Label::new(ROOT_ID).unwrap();
    assert_eq!(
        check_with(text.as_bytes(), &good(), &rotation),
        Err(TrustError::DisabledRoot)
    );
    for with_info in [false, true] {
        let mut rotation = Rotation::default();
        rotation.disabled_signing[3] = der_digest(SIGNING.public(), with_info);
        assert_eq!(
            check_with(text.as_bytes(), &good(), &rotation),
            Err(TrustError::DisabledSigningKey)
        );
        rotation.disabled_signing[3] = der_digest(STRANGER.public(), with_info);
        assert_eq!(check_with(text.as_bytes(), &good(), &rotation), Ok(()));
    }
}

#[test]
fn a_digest_of_a_key_is_that_of_its_der_form() {
    use rsa::pkcs1::EncodeRsaPublicKey;
    use rsa::pkcs8::EncodePublicKey;
    let number = rsa::BigUint::from_bytes_be(&ROOT.modulus);
    let key = rsa::RsaPublicKey::new(number, 65537_u32.into()).unwrap();
    let plain = key.to_pkcs1_der().unwrap();
    let with_info = key.to_public_key_der().unwrap();
    assert_eq!(
        der_digest(ROOT.public(), false)[..],
        Sha256::digest(plain.as_bytes())[..]
    );
    assert_eq!(
        der_digest(ROOT.public(), true)[..],
        Sha256::digest(with_info.as_bytes())[..]
    );
}

#[test]
fn a_signature_with_any_one_bit_flipped_is_refused() {
    let text = changed(|_| ()).into_bytes();
    // Each bit of some bytes, and one bit of each byte.
    for bit in (0..8 * text.len()).filter(|bit| bit % 8 == 3 || bit % 997 < 8) {
        let mut flipped = text.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let result = check_with(&flipped, &good(), &Rotation::default());
        assert!(result.is_err(), "bit {bit}");
    }
}

#[test]
fn what_is_no_signature_is_refused_and_a_small_space_is_named() {
    let text = changed(|_| ());
    let parts: Vec<&str> = text.split('.').collect();
    let (header, payload, signature) = (parts[0], parts[1], parts[2]);
    for (bad, expected) in [
        (String::new(), TrustError::NotJws),
        (format!("{header}.{payload}"), TrustError::NotJws),
        (format!("{text}.AA"), TrustError::NotJws),
        (format!("{header}..{signature}"), TrustError::NotJws),
        (format!("{header}.{payload}.!!!!"), TrustError::NotJws),
        (
            format!("{}.{payload}.{signature}", url64("{")),
            TrustError::NotJws,
        ),
        (
            format!("{}.{payload}.{signature}", url64("[]")),
            TrustError::Algorithm,
        ),
        (
            format!("{}.{payload}.{signature}", url64(r#"{"alg":"RS256"}"#)),
            TrustError::NoSigningKey,
        ),
        (
            format!(
                "{}.{payload}.{signature}",
                url64(r#"{"alg":"RS256","sjwk":"a.b"}"#)
            ),
            TrustError::NoSigningKey,
        ),
        (
            format!(
                "{}.{payload}.{signature}",
                url64(r#"{"alg":"RS256","sjwk":7}"#)
            ),
            TrustError::NoSigningKey,
        ),
    ] {
        assert_eq!(check(&bad, &good()), Err(expected), "{bad:.60}");
    }
    let small = header.len() - 1;
    let result = check_in(small, text.as_bytes(), &good(), &Rotation::default());
    assert_eq!(result, Err(TrustError::NoSpace));
}

#[test]
fn a_key_under_a_name_of_microsofts_has_its_fingerprint() {
    let own = RootKey {
        id: ROOT_ID,
        key: ROOT.public(),
    };
    assert!(own.is_genuine() && own.is_for_tests());
    let false_one = RootKey {
        id: "ADU.200702.R",
        ..own
    };
    assert!(!false_one.is_genuine() && !false_one.is_for_tests());
}
