use azure_device::identity::SharedAccessKey;
use azure_device::sas::{MAX_TOKEN_LEN, Resource, SasToken, TokenError, derive_device_key, sign};
use azure_device::time::UnixTime;
use proptest::prelude::*;
use ring::hmac;

use crate::arbitrary;
use crate::percent::reference_encode;

/// base64 (RFC 4648, section 4), three bytes at a time.
fn reference_base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let quad = |chunk: &[u8]| {
        let group = (0..3).fold(0_u32, |group, place| {
            group << 8 | u32::from(chunk.get(place).copied().unwrap_or(0))
        });
        let symbol = |place: usize| match place {
            place if place > chunk.len() => '=',
            place => char::from(ALPHABET[(group >> (18 - 6 * place) & 63) as usize]),
        };
        [0, 1, 2, 3].map(symbol)
    };
    bytes.chunks(3).flat_map(quad).collect()
}

fn reference_hmac(key: &[u8], text: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
}

/// The token by the documented recipe, with another HMAC and the encoders above.
fn reference_token(key: &[u8], resource: &str, expiry: u64, policy: Option<&str>) -> String {
    let resource = reference_encode(resource);
    let signature = reference_base64(&reference_hmac(key, &format!("{resource}\n{expiry}")));
    let signature = reference_encode(&signature);
    let policy = policy.map_or(String::new(), |policy| format!("&skn={policy}"));
    format!("SharedAccessSignature sr={resource}&sig={signature}&se={expiry}{policy}")
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 16..=64)
}

#[test]
fn the_references_agree_with_published_values() {
    // RFC 4648, section 10, and RFC 4231, section 4.3.
    for (plain, base64) in [
        ("", ""),
        ("f", "Zg=="),
        ("fo", "Zm8="),
        ("foobar", "Zm9vYmFy"),
    ] {
        assert_eq!(reference_base64(plain.as_bytes()), base64);
    }
    let digest = reference_hmac(b"Jefe", "what do ya want for nothing?");
    assert_eq!(digest[..4], [0x5b, 0xdc, 0xc1, 0x46]);
    assert_eq!(reference_encode("a b+%C3é~"), "a%20b%2B%25C3%C3%A9~");
}

proptest! {
    #[test]
    fn tokens_equal_those_of_an_independent_implementation(
        key in key(),
        host in arbitrary::host_name(),
        device in arbitrary::id(),
        module in proptest::option::of(arbitrary::id()),
        seconds in 0..=u64::MAX / 1000,
        policy in proptest::option::of("[a-zA-Z0-9_.-]{1,64}"),
    ) {
        let resource = Resource::device(&host, &device, module.as_deref());
        let plain = match &module {
            None => format!("{host}/devices/{device}"),
            Some(module) => format!("{host}/devices/{device}/modules/{module}"),
        };
        let expected = reference_token(&key, &plain, seconds, policy.as_deref());

        let key = SharedAccessKey::from_bytes(&key).unwrap();
        let expiry = UnixTime::from_secs(seconds);
        let mut buffer = [0xff; MAX_TOKEN_LEN];
        let token = sign(&key, resource, expiry, policy.as_deref(), &mut buffer).unwrap();
        prop_assert_eq!(token, expected);

        let parsed = SasToken::parse(token).unwrap();
        prop_assert_eq!(parsed.expiry(), expiry);
        prop_assert_eq!(parsed.check_scope(resource), Ok(()));
        let neighbour = format!("{device}2");
        let other = Resource::device(&host, &neighbour, None);
        prop_assert_eq!(parsed.check_scope(other), Err(TokenError::OtherResource));
    }

    #[test]
    fn tokens_for_any_resource_equal_those_of_an_independent_implementation(
        key in key(),
        resource in any::<String>(),
        seconds in 0..=u64::MAX / 1000,
    ) {
        let expected = reference_token(&key, &resource, seconds, None);
        let key = SharedAccessKey::from_bytes(&key).unwrap();
        let mut buffer = vec![0; expected.len()];
        let expiry = UnixTime::from_secs(seconds);
        let token = sign(&key, Resource::other(&resource), expiry, None, &mut buffer);
        prop_assert_eq!(token, Ok(&*expected));
        let too_small = &mut vec![0xff; expected.len() - 1];
        prop_assert!(sign(&key, Resource::other(&resource), expiry, None, too_small).is_err());
        prop_assert!(too_small.iter().all(|&byte| byte == 0));
    }

    #[test]
    fn derived_keys_equal_those_of_an_independent_implementation(key in key(), id in any::<String>()) {
        let derived = derive_device_key(&SharedAccessKey::from_bytes(&key).unwrap(), &id);
        prop_assert_eq!(derived.expose(), reference_hmac(&key, &id));
    }

    #[test]
    fn keys_are_read_from_base64_as_the_reference_writes_it(
        bytes in proptest::collection::vec(any::<u8>(), 0..80)
    ) {
        let key = SharedAccessKey::from_base64(&reference_base64(&bytes));
        prop_assert_eq!(key.is_ok(), (16..=64).contains(&bytes.len()));
        if let Ok(key) = key {
            prop_assert_eq!(key.expose(), bytes);
        }
    }

    #[test]
    fn no_text_makes_the_parsers_of_tokens_and_keys_panic(
        text in prop_oneof![
            arbitrary::text(),
            arbitrary::shuffled(&["SharedAccessSignature ", "sr=", "sig=", "se=", "&", "%3D", "1"]),
            arbitrary::damaged("SharedAccessSignature sr=h%2Fdevices%2Fd&sig=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8%3D&se=1"),
        ]
    ) {
        let device = Resource::device("h", "d", None);
        if let Ok(token) = SasToken::parse(&text) {
            prop_assert_eq!(token.expose(), &text);
            let _ = token.check_scope(device);
            let _ = token.check_expiry(UnixTime::from_secs(1));
        }
        let _ = SharedAccessKey::from_base64(&text);
    }
}
