//! Published and recomputed vectors; the property tests are in `tests/sas_properties.rs`.

use super::*;
use std::string::{String, ToString};

/// Bytes 0 to 31.
const K1: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// The ASCII text `0123456789abcdef`.
const K2: &str = "MDEyMzQ1Njc4OWFiY2RlZg==";
/// The group key of Microsoft's sample for symmetric key attestation, and a device of that group.
const GROUP_KEY: &str =
    "8isrFI1sGsIlvvFSSFRiMfCNzv21fjbE/+ah/lSh3lF8e2YG1Te7w1KpZhJFFXJrqYKi9yegxkqIChbqOS9Egw==";
const GROUP_DEVICE: &str = "sn-007-888-abc-mac-a1-b2-c3-d4-e5-f6";

const HOST: &str = "contoso.azure-devices.net";
const EXPIRY: u64 = 1_767_225_600;

/// The token that Microsoft's Python SDK makes for K1, `MyDevice01` at `contoso`.
const V1: &str = "SharedAccessSignature sr=contoso.azure-devices.net%2Fdevices%2FMyDevice01&sig=Rn1z3LTQKSd8ipKdETk%2BoxrgqnzgySMJaAkZZmk3LoQ%3D&se=1767225600";

fn key(base64: &str) -> SharedAccessKey {
    SharedAccessKey::from_base64(base64).unwrap()
}

fn token(
    key: &SharedAccessKey,
    resource: Resource<'_>,
    expiry: u64,
    policy: Option<&str>,
) -> String {
    let mut buffer = [0xff; MAX_TOKEN_LEN];
    let expiry = UnixTime::from_secs(expiry);
    sign(key, resource, expiry, policy, &mut buffer)
        .unwrap()
        .to_string()
}

fn my_device() -> Resource<'static> {
    Resource::device(HOST, "MyDevice01", None)
}

#[test]
fn a_token_for_a_device_is_what_the_official_sdk_makes() {
    assert_eq!(token(&key(K1), my_device(), EXPIRY, None), V1);
}

#[test]
fn a_token_for_a_module_is_what_the_official_sdk_makes() {
    assert_eq!(
        token(
            &key(K1),
            Resource::device(HOST, "MyDevice01", Some("gps")),
            EXPIRY,
            None
        ),
        "SharedAccessSignature sr=contoso.azure-devices.net%2Fdevices%2FMyDevice01%2Fmodules%2Fgps&sig=8nfMWwzjyULEooV0hhOASHgtpR647mTCgwQXmeU7vyw%3D&se=1767225600"
    );
}

#[test]
fn a_token_for_a_policy_of_the_hub_is_what_the_official_sdk_makes() {
    assert_eq!(
        token(
            &key(K2),
            Resource::other(HOST),
            1_893_456_000,
            Some("iothubowner")
        ),
        "SharedAccessSignature sr=contoso.azure-devices.net&sig=bOXVh%2BVBv32WRVoDo%2FhQwRKaF4G0ytnyoy0l%2FKI2RlE%3D&se=1893456000&skn=iothubowner"
    );
}

#[test]
fn every_reserved_character_of_a_resource_is_encoded() {
    assert_eq!(
        token(
            &key(K1),
            Resource::device(HOST, "dev:A+b@c!(1)'*#%=,$;~_-.", None),
            EXPIRY,
            None
        ),
        "SharedAccessSignature sr=contoso.azure-devices.net%2Fdevices%2Fdev%3AA%2Bb%40c%21%281%29%27%2A%23%25%3D%2C%24%3B~_-.&sig=CuZM0uq9xb7GuZ9Q%2BsWQSmhKF%2Fa%2Bi%2FNPwXB%2B%2BNWBeCU%3D&se=1767225600"
    );
}

#[test]
fn tokens_for_provisioning_are_what_the_official_sdk_makes() {
    let derived = derive_device_key(&key(GROUP_KEY), GROUP_DEVICE);
    assert_eq!(
        token(
            &derived,
            Resource::registration("0ne00ABCDEF", GROUP_DEVICE),
            EXPIRY,
            Some(REGISTRATION_POLICY)
        ),
        "SharedAccessSignature sr=0ne00ABCDEF%2Fregistrations%2Fsn-007-888-abc-mac-a1-b2-c3-d4-e5-f6&sig=Tu2WusOot0iAj83eQ%2F%2BabKIC2qrEVuAVKuTlVwxrvpY%3D&se=1767225600&skn=registration"
    );
    assert_eq!(
        token(
            &key(K2),
            Resource::registration("0ne00ABCDEF", "dev-01"),
            2_000_000_000,
            Some(REGISTRATION_POLICY)
        ),
        "SharedAccessSignature sr=0ne00ABCDEF%2Fregistrations%2Fdev-01&sig=EjfFQBvbngddYtgEwZi8ncOaIDaW3fEV6XbkvVjmVWw%3D&se=2000000000&skn=registration"
    );
}

#[test]
fn derived_device_keys_are_those_that_microsoft_publishes() {
    for (group_key, registration_id, expected) in [
        (
            GROUP_KEY,
            GROUP_DEVICE,
            "Jsm0lyGpjaVYVP2g3FnmnmG9dI/9qU24wNoykUmermc=",
        ),
        (K1, "dev-01", "luaCqHSmg758Dy2PlrF3Vl83Pcf53G9Nc/vj86Xl0d4="),
    ] {
        let derived = derive_device_key(&key(group_key), registration_id);
        assert_eq!(derived.expose(), key(expected).expose());
    }
}

#[test]
fn the_known_wrong_signatures_are_not_what_is_made() {
    let made = token(&key(K1), my_device(), EXPIRY, None);
    let wrong = [
        // The HMAC of a resource that was not encoded, of the key without base64 decoding, and of `sr` with
        // lower-case digits.
        "6Nr2xuPyyNfF2qZhLRXlYF0FHTY4WZqXVqOj9SK4EJQ=",
        "YBByZUVfv5mLpk1GpSL9376IQi+xfOttEhqJ5sDS9E4=",
        "KDDpa284tykC+WwwIrIZKx7+Ku8xBXY9IKdmm3OGIS4=",
    ];
    for signature in wrong {
        assert!(!made.contains(&Encoded(signature).to_string()));
    }
    // Signing the text that a wrong implementation would sign gives exactly those signatures.
    let mac = |key: &SharedAccessKey, signed: &str| {
        let mut mac = keyed(key);
        mac.update(signed.as_bytes());
        base64_text(&finish(mac))
    };
    let plain = "contoso.azure-devices.net/devices/MyDevice01\n1767225600";
    let upper = "contoso.azure-devices.net%2Fdevices%2FMyDevice01\n1767225600";
    let lower = "contoso.azure-devices.net%2fdevices%2fMyDevice01\n1767225600";
    let undecoded = SharedAccessKey::from_bytes(K1.as_bytes()).unwrap();
    assert_eq!(mac(&key(K1), plain), wrong[0]);
    assert_eq!(mac(&undecoded, upper), wrong[1]);
    assert_eq!(mac(&key(K1), lower), wrong[2]);
}

fn base64_text(bytes: &[u8; 32]) -> String {
    let mut text = [0; SIGNATURE_BASE64_LEN];
    let length = STANDARD.encode_slice(bytes, &mut text).unwrap();
    written(&text, length).to_string()
}

#[test]
fn a_token_that_does_not_fit_leaves_nothing_of_itself_behind() {
    for capacity in 0..V1.len() {
        let mut buffer = std::vec![0xff; capacity];
        let expiry = UnixTime::from_secs(EXPIRY);
        let error = sign(&key(K1), my_device(), expiry, None, &mut buffer).unwrap_err();
        assert_eq!(error, SasError::BufferTooSmall { capacity });
        assert!(buffer.iter().all(|&byte| byte == 0));
        assert!(error.to_string().contains("enlarge it"));
    }
    let mut buffer = std::vec![0xff; V1.len()];
    let expiry = UnixTime::from_secs(EXPIRY);
    let token = sign(&key(K1), my_device(), expiry, None, &mut buffer).unwrap();
    assert_eq!(token, V1);
}

#[test]
fn the_longest_token_fits_the_documented_buffer() {
    let host = "h".repeat(HostName::MAX_LEN);
    let id = "%".repeat(DeviceId::MAX_LEN);
    let end = UnixTime::from_millis(u64::MAX);
    let policy = Some("a-policy-name-of-64-characters-which-is-as-long-as-a-name-may-be");
    assert_eq!(policy.map(str::len), Some(64));
    let resource = Resource::device(&host, &id, Some(&id));
    let longest = token(&key(K1), resource, end.as_secs(), policy);
    assert!(longest.len() <= MAX_TOKEN_LEN);
    let device_alone = token(
        &key(K1),
        Resource::device(&host, &id, None),
        end.as_secs(),
        None,
    );
    assert!(device_alone.len() <= 900);
}
