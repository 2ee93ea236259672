//! Tokens made elsewhere: accepted, checked, rejected.

use super::*;
use crate::percent::DecodeError;
use std::string::ToString;

/// The token that Microsoft's Python SDK makes for K1, `MyDevice01` at `contoso`.
const V1: &str = "SharedAccessSignature sr=contoso.azure-devices.net%2Fdevices%2FMyDevice01&sig=Rn1z3LTQKSd8ipKdETk%2BoxrgqnzgySMJaAkZZmk3LoQ%3D&se=1767225600";
/// The same with lower-case hexadecimal digits in `sr`, as other SDKs write it; the signature differs.
const V1_LOWER_CASE: &str = "SharedAccessSignature sr=contoso.azure-devices.net%2fdevices%2fMyDevice01&sig=KDDpa284tykC%2BWwwIrIZKx7%2BKu8xBXY9IKdmm3OGIS4%3D&se=1767225600";

fn my_device() -> Resource<'static> {
    Resource::device("contoso.azure-devices.net", "MyDevice01", None)
}

#[test]
fn a_ready_made_token_is_taken_in_every_spelling_of_the_sdks() {
    let fields: [&str; 3] = [
        "sr=contoso.azure-devices.net%2Fdevices%2FMyDevice01",
        "sig=Rn1z3LTQKSd8ipKdETk%2BoxrgqnzgySMJaAkZZmk3LoQ%3D",
        "se=1767225600",
    ];
    let [sr, sig, se] = fields;
    let spellings = [
        V1.to_string(),
        V1_LOWER_CASE.to_string(),
        std::format!("SharedAccessSignature {sig}&{se}&{sr}"),
        std::format!("SharedAccessSignature {sr}&{sig}&skn=&{se}"),
        std::format!("SharedAccessSignature {sr}&{sig}&{se}&skn=device&later=x"),
        V1.replace("sr=", "SR=")
            .replace("sig=", "Sig=")
            .replace("se=", "sE="),
    ];
    for spelling in spellings {
        let token = SasToken::parse(&spelling).unwrap();
        assert_eq!(token.expose(), spelling);
        assert_eq!(token.expiry(), UnixTime::from_secs(1_767_225_600));
        assert_eq!(token.check_scope(my_device()), Ok(()));
        assert_eq!(
            std::format!("{token:?}").matches("[redacted]").count(),
            1,
            "{token:?}"
        );
        assert!(!std::format!("{token:?}").contains("Rn1z"));
    }
}

#[test]
fn a_ready_made_token_must_cover_the_device() {
    let token = |sr: &str| {
        SasToken::parse(&V1.replace("contoso.azure-devices.net%2Fdevices%2FMyDevice01", sr))
            .unwrap()
    };
    for covering in [
        "contoso.azure-devices.net",
        "contoso.azure-devices.net%2F",
        "contoso.azure-devices.net%2fdevices",
        "Contoso.Azure-Devices.net/devices/MyDevice01",
        "contoso%2Eazure-devices.net%2Fdevices%2FMyDevice01",
    ] {
        assert_eq!(
            token(covering).check_scope(my_device()),
            Ok(()),
            "{covering}"
        );
    }
    for other in [
        "fabrikam.azure-devices.net%2Fdevices%2FMyDevice01",
        "contoso.azure-devices.net%2Fdevices%2FMyDevice0",
        "contoso.azure-devices.net%2Fdevices%2FMyDevice011",
        "contoso.azure-devices.net%2Fdevices%2Fmydevice01",
        "contoso.azure-devices.net%2FDevices%2FMyDevice01",
        "contoso.azure-devices.net%2Fdevices%2FMyDevice01%2Fmodules%2Fgps",
        "contoso.azure-devices.net%2Fdev",
        "contoso",
        "%2F",
        "0ne00ABCDEF%2Fregistrations%2FMyDevice01",
    ] {
        let error = token(other).check_scope(my_device()).unwrap_err();
        assert_eq!(error, TokenError::OtherResource, "{other}");
        assert!(
            error
                .to_string()
                .contains("{HostName}%2Fdevices%2F{DeviceId}")
        );
    }
    let module = Resource::device("contoso.azure-devices.net", "MyDevice01", Some("gps"));
    assert_eq!(
        SasToken::parse(V1).unwrap().check_scope(module),
        Ok(()),
        "a device's token covers its modules"
    );
}

#[test]
fn a_ready_made_token_is_valid_until_its_expiry_and_not_at_it() {
    let token = SasToken::parse(V1).unwrap();
    let expiry = token.expiry();
    assert_eq!(token.check_expiry(UnixTime::from_secs(0)), Ok(()));
    assert_eq!(
        token.check_expiry(UnixTime::from_millis(expiry.as_millis() - 1)),
        Ok(())
    );
    let error = token.check_expiry(expiry).unwrap_err();
    assert_eq!(error, TokenError::Expired { expiry });
    assert!(error.to_string().contains("2026-01-01T00:00:00.000Z"));
    let endless = SasToken::parse(&V1.replace("1767225600", "18446744073709551615")).unwrap();
    assert_eq!(
        endless.check_expiry(UnixTime::from_secs(u64::MAX / 1001)),
        Ok(())
    );
}

#[test]
fn what_is_no_token_is_rejected_with_its_reason_and_without_its_content() {
    let cases = [
        ("", TokenError::NoPrefix, "does not start with"),
        (
            "sr=a&sig=b&se=1",
            TokenError::NoPrefix,
            "does not start with",
        ),
        (
            "SharedAccessSignature",
            TokenError::NoPrefix,
            "does not start with",
        ),
        (
            "SharedAccessSignature ",
            TokenError::NotAField,
            "no name=value",
        ),
        (
            "SharedAccessSignature  sr=a",
            TokenError::Missing("sr"),
            "lacks the field sr",
        ),
        (
            "SharedAccessSignature sr=a&&se=1",
            TokenError::NotAField,
            "no name=value",
        ),
        (
            "SharedAccessSignature sr=a&sig=ab==&se=1",
            TokenError::UnencodedEquals,
            "%3D",
        ),
        (
            "SharedAccessSignature sig=a&se=1",
            TokenError::Missing("sr"),
            "field sr",
        ),
        (
            "SharedAccessSignature sr=a&se=1",
            TokenError::Missing("sig"),
            "field sig",
        ),
        (
            "SharedAccessSignature sr=a&sig=b",
            TokenError::Missing("se"),
            "field se",
        ),
        (
            "SharedAccessSignature sr=a&SR=a&sig=b",
            TokenError::Repeated("sr"),
            "sr twice",
        ),
    ];
    for (text, error, reason) in cases {
        assert_rejected(text, error, reason);
    }
    let damaged = |from: &str, to: &str| V1.replace(from, to);
    let truncated = TokenError::Resource(DecodeError::Truncated { at: 48 });
    for (text, error, reason) in [
        (damaged("Device01", "Device01%2"), truncated, "at byte 48"),
        (
            damaged("contoso.azure-devices.net%2Fdevices%2FMyDevice01", ""),
            TokenError::OtherResource,
            "sr=",
        ),
        (
            damaged("%3D", ""),
            TokenError::BadSignature,
            "base64 of 32 bytes",
        ),
        (
            damaged("Rn1z", ""),
            TokenError::BadSignature,
            "base64 of 32 bytes",
        ),
        (
            damaged("Rn1z", "Rn1zAAAA"),
            TokenError::BadSignature,
            "base64 of 32 bytes",
        ),
        (
            damaged("Rn1z", "Rn_z"),
            TokenError::BadSignature,
            "base64 of 32 bytes",
        ),
        (
            damaged("=1767225600", "="),
            TokenError::BadExpiry,
            "whole number of seconds",
        ),
        (
            damaged("1767225600", "+1"),
            TokenError::BadExpiry,
            "whole number of seconds",
        ),
        (
            damaged("1767225600", "-1"),
            TokenError::BadExpiry,
            "whole number of seconds",
        ),
        (
            damaged("1767225600", "1.5"),
            TokenError::BadExpiry,
            "whole number of seconds",
        ),
        (
            damaged("1767225600", "18446744073709551616"),
            TokenError::BadExpiry,
            "whole number",
        ),
        (
            damaged("1767225600", &"1".repeat(3000)),
            TokenError::TooLong { bytes: 3130 },
            "more than the 2048",
        ),
    ] {
        assert_rejected(&text, error, reason);
    }
}

fn assert_rejected(text: &str, error: TokenError, reason: &str) {
    assert_eq!(SasToken::parse(text).unwrap_err(), error, "{text}");
    let message = error.to_string();
    assert!(message.contains(reason), "{message}");
    assert!(message.contains("right one"), "{message}");
    assert!(!message.contains("Rn1z"), "{message}");
}
