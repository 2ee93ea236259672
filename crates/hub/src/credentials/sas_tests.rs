//! The vectors were computed with Microsoft's Python SDK, and again with Python's hmac and with openssl.

#![allow(clippy::unwrap_used)]

use super::*;

const K1: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const K2: &str = "MDEyMzQ1Njc4OWFiY2RlZg==";
const DERIVED: &str = "Jsm0lyGpjaVYVP2g3FnmnmG9dI/9qU24wNoykUmermc=";

const DEVICE: &str = "contoso.azure-devices.net/devices/MyDevice01";
const V1: &str = "SharedAccessSignature sr=contoso.azure-devices.net%2Fdevices%2FMyDevice01&sig=Rn1z3LTQKSd8ipKdETk%2BoxrgqnzgySMJaAkZZmk3LoQ%3D&se=1767225600";
const V1B: &str = "SharedAccessSignature sr=contoso.azure-devices.net%2fdevices%2fMyDevice01&sig=KDDpa284tykC%2BWwwIrIZKx7%2BKu8xBXY9IKdmm3OGIS4%3D&se=1767225600";

/// Resource, key, expiry, policy, token.
const VECTORS: [(&str, &str, u64, Option<&str>, &str); 6] = [
    (DEVICE, K1, 1_767_225_600, None, V1),
    (
        "contoso.azure-devices.net/devices/MyDevice01/modules/gps",
        K1,
        1_767_225_600,
        None,
        "SharedAccessSignature sr=contoso.azure-devices.net%2Fdevices%2FMyDevice01%2Fmodules%2Fgps&sig=8nfMWwzjyULEooV0hhOASHgtpR647mTCgwQXmeU7vyw%3D&se=1767225600",
    ),
    (
        "contoso.azure-devices.net",
        K2,
        1_893_456_000,
        Some("iothubowner"),
        "SharedAccessSignature sr=contoso.azure-devices.net&sig=bOXVh%2BVBv32WRVoDo%2FhQwRKaF4G0ytnyoy0l%2FKI2RlE%3D&se=1893456000&skn=iothubowner",
    ),
    (
        "contoso.azure-devices.net/devices/dev:A+b@c!(1)'*#%=,$;~_-.",
        K1,
        1_767_225_600,
        None,
        "SharedAccessSignature sr=contoso.azure-devices.net%2Fdevices%2Fdev%3AA%2Bb%40c%21%281%29%27%2A%23%25%3D%2C%24%3B~_-.&sig=CuZM0uq9xb7GuZ9Q%2BsWQSmhKF%2Fa%2Bi%2FNPwXB%2B%2BNWBeCU%3D&se=1767225600",
    ),
    (
        "0ne00ABCDEF/registrations/sn-007-888-abc-mac-a1-b2-c3-d4-e5-f6",
        DERIVED,
        1_767_225_600,
        Some("registration"),
        "SharedAccessSignature sr=0ne00ABCDEF%2Fregistrations%2Fsn-007-888-abc-mac-a1-b2-c3-d4-e5-f6&sig=Tu2WusOot0iAj83eQ%2F%2BabKIC2qrEVuAVKuTlVwxrvpY%3D&se=1767225600&skn=registration",
    ),
    (
        "0ne00ABCDEF/registrations/dev-01",
        K2,
        2_000_000_000,
        Some("registration"),
        "SharedAccessSignature sr=0ne00ABCDEF%2Fregistrations%2Fdev-01&sig=EjfFQBvbngddYtgEwZi8ncOaIDaW3fEV6XbkvVjmVWw%3D&se=2000000000&skn=registration",
    ),
];

fn check(token: &str, keys: &[&str], target: &str, now: u64) -> Result<(), SasError> {
    Token::parse(token)?.check(keys.iter().copied(), target, now, 300)
}

#[test]
fn tokens_are_made_byte_for_byte_as_microsofts_sdk_makes_them() {
    for (resource, key, expiry, policy, token) in VECTORS {
        assert_eq!(sign(resource, key, expiry, policy).unwrap(), token);
    }
}

#[test]
fn every_vector_is_accepted_for_its_own_resource_and_key() {
    for (resource, key, expiry, policy, token) in VECTORS {
        assert_eq!(check(token, &[key], resource, expiry), Ok(()));
        assert_eq!(Token::parse(token).unwrap().policy.as_deref(), policy);
    }
}

#[test]
fn lower_case_hex_digits_are_right_if_they_were_signed() {
    assert_eq!(check(V1B, &[K1], DEVICE, 0), Ok(()));
    let mixed = V1.replace("%2F", "%2f");
    assert_eq!(check(&mixed, &[K1], DEVICE, 0), Err(SasError::Signature));
}

#[test]
fn a_signature_over_the_decoded_resource_is_refused() {
    let token = V1.replace(
        "Rn1z3LTQKSd8ipKdETk%2BoxrgqnzgySMJaAkZZmk3LoQ%3D",
        "6Nr2xuPyyNfF2qZhLRXlYF0FHTY4WZqXVqOj9SK4EJQ%3D",
    );
    assert_eq!(check(&token, &[K1], DEVICE, 0), Err(SasError::Signature));
}

#[test]
fn a_signature_under_the_key_without_base64_decoding_is_refused() {
    let token = V1.replace(
        "Rn1z3LTQKSd8ipKdETk%2BoxrgqnzgySMJaAkZZmk3LoQ%3D",
        "YBByZUVfv5mLpk1GpSL9376IQi%2BxfOttEhqJ5sDS9E4%3D",
    );
    assert_eq!(check(&token, &[K1], DEVICE, 0), Err(SasError::Signature));
}

#[test]
fn either_key_will_do_and_a_third_will_not() {
    assert_eq!(check(V1, &[K2, K1], DEVICE, 0), Ok(()));
    assert_eq!(check(V1, &[K1, K2], DEVICE, 0), Ok(()));
    assert_eq!(
        check(V1, &[K2, DERIVED], DEVICE, 0),
        Err(SasError::Signature)
    );
    assert_eq!(
        check(V1, &["not base64!"], DEVICE, 0),
        Err(SasError::Signature)
    );
}

#[test]
fn a_token_counts_until_five_minutes_after_its_expiry() {
    let expiry = 1_767_225_600;
    assert_eq!(check(V1, &[K1], DEVICE, expiry + 300), Ok(()));
    assert_eq!(
        check(V1, &[K1], DEVICE, expiry + 301),
        Err(SasError::Expired { seconds_ago: 301 })
    );
}

#[test]
fn a_token_covers_whole_segments_below_its_resource() {
    let cases = [
        ("h", "h/devices/d", true),
        ("H", "h/devices/d", true),
        ("h/devices", "h/devices/d", true),
        ("h/devices/d", "h/devices/d", true),
        ("h/devices/d", "h/devices/d/modules/m", true),
        ("h/devices/D", "h/devices/d", false),
        ("h/devices/d", "h/devices/d2", false),
        ("h/dev", "h/devices/d", false),
        ("h/devices/d/modules/m", "h/devices/d", false),
        ("h/devices/d/", "h/devices/d", false),
        ("other", "h/devices/d", false),
        ("", "h/devices/d", false),
    ];
    for (resource, target, covered) in cases {
        let token = sign(resource, K1, 1000, None).unwrap();
        assert_eq!(
            check(&token, &[K1], target, 1000).is_ok(),
            covered,
            "{resource} for {target}"
        );
    }
}

#[test]
fn names_of_fields_are_case_insensitive_and_their_order_is_free() {
    let fields = V1.strip_prefix("SharedAccessSignature ").unwrap();
    let mut fields: Vec<_> = fields.split('&').collect();
    fields.reverse();
    let token = format!("SharedAccessSignature {}&skn=&x=y", fields.join("&"))
        .replace("sr=", "SR=")
        .replace("sig=", "Sig=");
    assert_eq!(check(&token, &[K1], DEVICE, 0), Ok(()));
    assert_eq!(Token::parse(&token).unwrap().policy, None);
}

#[test]
fn malformed_tokens_say_what_is_malformed() {
    let bare_padding = V1.replace("%3D", "=");
    let bare_plus = V1.replace("%2B", "+");
    let twice = format!("{V1}&se=1");
    let cases = [
        ("", SasError::Prefix),
        ("sharedaccesssignature sr=a&sig=b&se=1", SasError::Prefix),
        (
            "SharedAccessSignature  sr=a&sig=b&se=1",
            SasError::FieldCount("sr"),
        ),
        ("SharedAccessSignature sr", SasError::Field),
        (
            "SharedAccessSignature sig=YQ%3D%3D&se=1",
            SasError::FieldCount("sr"),
        ),
        (
            "SharedAccessSignature sr=a&se=1",
            SasError::FieldCount("sig"),
        ),
        (
            "SharedAccessSignature sr=a&sig=YQ%3D%3D",
            SasError::FieldCount("se"),
        ),
        (
            "SharedAccessSignature sr=%zz&sig=YQ%3D%3D&se=1",
            SasError::Resource,
        ),
        (
            "SharedAccessSignature sr=a&sig=%21&se=1",
            SasError::SignatureEncoding,
        ),
        (
            "SharedAccessSignature sr=a&sig=YQ%3D%3D&se=1.5",
            SasError::Expiry,
        ),
        (
            "SharedAccessSignature sr=a&sig=YQ%3D%3D&se=-1",
            SasError::Expiry,
        ),
        (
            "SharedAccessSignature sr=a&sig=YQ%3D%3D&se=99999999999999999999",
            SasError::Expiry,
        ),
        (&bare_padding, SasError::Field),
        (&bare_plus, SasError::SignatureEncoding),
        (&twice, SasError::FieldCount("se")),
    ];
    for (token, error) in cases {
        assert_eq!(Token::parse(token).err(), Some(error), "{token}");
    }
}

#[test]
fn an_expiry_at_the_end_of_time_does_not_overflow() {
    let token = sign("h", K1, u64::MAX, None).unwrap();
    assert_eq!(check(&token, &[K1], "h", u64::MAX), Ok(()));
}

#[test]
fn refusals_repeat_no_part_of_the_signature() {
    let error = check(V1, &[K2], DEVICE, 0).unwrap_err().to_string();
    assert!(!error.contains("Rn1z3"), "{error}");
}
