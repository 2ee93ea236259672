//! Identities from connection strings and from parts, and what they call themselves.

use super::*;
use crate::text::render;
use std::format;
use std::string::{String, ToString};

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const TOKEN: &str = "SharedAccessSignature sr=contoso.azure-devices.net%2Fdevices%2FMyDevice01&sig=Rn1z3LTQKSd8ipKdETk%2BoxrgqnzgySMJaAkZZmk3LoQ%3D&se=1767225600";
const DEVICE: &str = "HostName=contoso.azure-devices.net;DeviceId=MyDevice01";

fn parse(text: &str) -> Identity {
    ConnectionString::parse(text).unwrap()
}

fn error(text: &str) -> IdentityError {
    ConnectionString::parse(text).unwrap_err()
}

fn from_parts(module_id: Option<&str>, credential: Credential) -> Result<Identity, IdentityError> {
    Identity::new(
        HostName::parse("contoso.azure-devices.net").unwrap(),
        DeviceId::parse("MyDevice01").unwrap(),
        module_id.map(|id| ModuleId::parse(id).unwrap()),
        credential,
    )
}

#[test]
fn a_connection_string_with_a_key_gives_host_device_and_key() {
    let identity = parse(&format!("{DEVICE};SharedAccessKey={KEY}"));
    assert_eq!(identity.host_name().as_str(), "contoso.azure-devices.net");
    assert_eq!(identity.server_name(), identity.host_name());
    assert_eq!(identity.device_id().as_str(), "MyDevice01");
    assert_eq!(identity.module_id(), None);
    let Credential::SharedAccessKey(key) = identity.credential() else {
        panic!("not a key: {identity:?}")
    };
    assert!(key.expose().iter().copied().eq(0..32));
}

#[test]
fn order_case_final_semicolon_and_outer_white_space_do_not_matter() {
    for text in [
        format!("SharedAccessKey={KEY};DeviceId=MyDevice01;HostName=contoso.azure-devices.net"),
        format!("hostname=contoso.azure-devices.net;DEVICEID=MyDevice01;sharedAccessKey={KEY};"),
        format!(" {DEVICE};SharedAccessKey={KEY}\r\n"),
        format!("{DEVICE};x509=False;SharedAccessKey={KEY}"),
    ] {
        let identity = parse(&text);
        assert_eq!(identity.client_id().to_string(), "MyDevice01");
        assert!(matches!(
            identity.credential(),
            Credential::SharedAccessKey(_)
        ));
    }
}

#[test]
fn a_certificate_is_announced_by_x509_true() {
    for value in ["true", "True"] {
        let identity = parse(&format!("{DEVICE};x509={value}"));
        assert!(matches!(identity.credential(), Credential::X509));
    }
}

#[test]
fn a_ready_made_token_is_accepted_for_the_device_that_it_covers() {
    let identity = parse(&format!("{DEVICE};SharedAccessSignature={TOKEN}"));
    let Credential::SasToken(token) = identity.credential() else {
        panic!("not a token: {identity:?}")
    };
    assert_eq!(token.expose(), TOKEN);

    let other = format!("{DEVICE}2;SharedAccessSignature={TOKEN}");
    let rejection = error(&other);
    assert_eq!(
        rejection,
        IdentityError::SharedAccessSignature(TokenError::OtherResource)
    );
    assert!(rejection.to_string().starts_with(
        "SharedAccessSignature has a field sr that does not cover this device; a right one is sr="
    ));
}

#[test]
fn a_token_of_a_module_is_for_that_module_alone() {
    let token = TOKEN.replace("MyDevice01", "MyDevice01%2Fmodules%2Fgps");
    let credential = || Credential::SasToken(crate::sas::SasToken::parse(&token).unwrap());
    assert!(from_parts(Some("gps"), credential()).is_ok());
    for module_id in [None, Some("gp"), Some("gps2")] {
        assert!(from_parts(module_id, credential()).is_err());
    }
    let identity = parse(&format!(
        "{DEVICE};ModuleId=gps;SharedAccessSignature={token}"
    ));
    assert_eq!(identity.client_id().to_string(), "MyDevice01/gps");
}

#[test]
fn a_gateway_is_connected_to_in_place_of_the_hub_that_the_device_belongs_to() {
    let identity = parse(&format!(
        "{DEVICE};GatewayHostName=edge.local;SharedAccessKey={KEY}"
    ));
    assert_eq!(identity.server_name().as_str(), "edge.local");
    assert_eq!(identity.host_name().as_str(), "contoso.azure-devices.net");
    assert!(identity.user_name().to_string().starts_with("contoso."));
}

#[test]
fn the_user_name_is_what_iot_hub_documents() {
    let device = from_parts(None, Credential::X509).unwrap();
    assert_eq!(
        device.user_name().to_string(),
        "contoso.azure-devices.net/MyDevice01/?api-version=2021-04-12"
    );
    let module = from_parts(Some("gps"), Credential::X509).unwrap();
    assert_eq!(
        module.user_name().to_string(),
        "contoso.azure-devices.net/MyDevice01/gps/?api-version=2021-04-12"
    );
    // The two optional values, encoded as in a unit test of Azure's SDK for embedded C.
    assert_eq!(
        device
            .user_name()
            .client_type("azsdk-c/1.6.0")
            .model_id("dtmi:YOUR_COMPANY_NAME_HERE:sample_device;1")
            .to_string(),
        "contoso.azure-devices.net/MyDevice01/?api-version=2021-04-12&DeviceClientType=azsdk-c%2F1.6.0&model-id=dtmi%3AYOUR_COMPANY_NAME_HERE%3Asample_device%3B1"
    );
}

#[test]
fn ids_stand_unencoded_in_client_id_and_user_name() {
    let identity = parse("HostName=h;DeviceId=a%2Fb$c=d?;ModuleId=m@1,2;x509=true");
    assert_eq!(identity.client_id().to_string(), "a%2Fb$c=d?/m@1,2");
    assert_eq!(
        identity.user_name().to_string(),
        "h/a%2Fb$c=d?/m@1,2/?api-version=2021-04-12"
    );
    assert_eq!(
        identity.resource().to_string(),
        "h/devices/a%2Fb$c=d?/modules/m@1,2"
    );
}

#[test]
fn the_longest_names_fit_the_documented_buffers() {
    let label = "h".repeat(63);
    let host = [&*label, &*label, &*label, &label[..61]].join(".");
    let id = "%".repeat(DeviceId::MAX_LEN);
    let identity = parse(&format!(
        "HostName={host};DeviceId={id};ModuleId={id};x509=true"
    ));
    let client_id = identity.client_id().to_string();
    assert_eq!(client_id.len(), ClientId::MAX_LEN);
    let mut buffer = [0; UserName::MAX_LEN];
    let user_name = render(&mut buffer, identity.user_name()).unwrap();
    assert_eq!(user_name.len(), UserName::MAX_LEN);
}

#[test]
fn every_bad_field_is_named_with_what_is_wrong_and_what_is_right() {
    let with_key = |text: &str| format!("{text};SharedAccessKey={KEY}");
    let cases: [(String, &str, &str); 12] = [
        (
            with_key("HostName=contoso.net:8883;DeviceId=d"),
            "HostName contains a colon",
            "contoso.azure-devices.net",
        ),
        (
            with_key("HostName=;DeviceId=d"),
            "HostName is empty",
            "contoso.azure-devices.net",
        ),
        (
            with_key("HostName=h;DeviceId=a b"),
            "DeviceId has a character at byte 1",
            "sensor-01",
        ),
        (
            with_key("HostName=h;DeviceId=a+b"),
            "DeviceId has a # or + at byte 1, which IoT Hub allows but MQTT does not",
            "sensor-01",
        ),
        (
            with_key("HostName=h;DeviceId="),
            "DeviceId is empty",
            "sensor-01",
        ),
        (
            with_key("HostName=h;DeviceId=d;ModuleId=a/b"),
            "ModuleId has a character at byte 1",
            "sensor-01",
        ),
        (
            with_key("HostName=h;DeviceId=d;GatewayHostName=a/b"),
            "GatewayHostName has a character at byte 1",
            "contoso.azure-devices.net",
        ),
        (
            format!("{DEVICE};SharedAccessKey="),
            "SharedAccessKey is empty",
            "base64 of 16 to 64 bytes",
        ),
        (
            format!("{DEVICE};SharedAccessKey=secret"),
            "SharedAccessKey is not base64",
            "base64 of 16 to 64 bytes",
        ),
        (
            format!("{DEVICE};SharedAccessKey=c2VjcmV0"),
            "SharedAccessKey has 6 bytes after base64",
            "base64 of 16 to 64 bytes",
        ),
        (
            format!("{DEVICE};SharedAccessSignature=sr=a"),
            "SharedAccessSignature does not start with",
            "SharedAccessSignature sr=",
        ),
        (
            format!(
                "{DEVICE};SharedAccessSignature={}",
                TOKEN.replace("se=", "se=x")
            ),
            "SharedAccessSignature has a field se that is not",
            "se={expiry}",
        ),
    ];
    for (text, problem, right) in cases {
        let message = error(&text).to_string();
        assert!(message.starts_with(problem), "{message}");
        assert!(message.contains(right), "{message}");
        assert!(!message.contains("c2VjcmV0"), "{message}");
    }
}

#[test]
fn a_connection_string_that_is_wrong_as_a_whole_says_how() {
    use ConnectionStringError as E;
    let cases = [
        (String::new(), E::Empty, "is empty"),
        (" \n".to_string(), E::Empty, "is empty"),
        (
            format!("\"{DEVICE};x509=true\""),
            E::Quoted,
            "leave the quotes away",
        ),
        (
            "HostName=h;DeviceId".to_string(),
            E::NotAField { position: 2 },
            "no = in field number 2",
        ),
        (
            ";;".to_string(),
            E::NotAField { position: 1 },
            "no = in field number 1",
        ),
        (
            format!("{DEVICE};;x509=true"),
            E::NotAField { position: 3 },
            "no = in field number 3",
        ),
        (
            format!("{DEVICE};{KEY}"),
            E::Unknown { position: 3 },
            "number 3, whose name is unknown: known are HostName",
        ),
        (
            format!("HostName=h;SharedAccessKeyName=iothubowner;SharedAccessKey={KEY}"),
            E::ServicePolicy,
            "one of the hub's, for services",
        ),
        (
            "DeviceId=d;x509=true".to_string(),
            E::Missing("HostName"),
            "lacks the field HostName",
        ),
        (
            "HostName=h;x509=true".to_string(),
            E::Missing("DeviceId"),
            "lacks the field DeviceId",
        ),
        (
            format!("{DEVICE};deviceid=e"),
            E::Repeated("DeviceId"),
            "DeviceId twice",
        ),
        (
            format!("{DEVICE};x509=yes"),
            E::BadX509,
            "neither true nor false",
        ),
        (
            DEVICE.to_string(),
            E::NoCredential,
            "add SharedAccessKey={base64}, or x509=true",
        ),
        (
            format!("{DEVICE};x509=false"),
            E::NoCredential,
            "add SharedAccessKey",
        ),
        (
            format!("{DEVICE};x509=true;SharedAccessKey={KEY}"),
            E::SeveralCredentials,
            "more than one",
        ),
        (
            format!("{DEVICE};SharedAccessSignature={TOKEN};SharedAccessKey={KEY}"),
            E::SeveralCredentials,
            "more than one",
        ),
    ];
    for (text, expected, reason) in cases {
        let rejection = error(&text);
        assert_eq!(rejection, IdentityError::from(expected), "{text}");
        let message = rejection.to_string();
        assert!(message.starts_with("the connection string "), "{message}");
        assert!(message.contains(reason), "{message}");
        assert!(
            message.contains("a right one looks like HostName="),
            "{message}"
        );
        assert!(!message.contains(KEY), "{message}");
    }
}

#[test]
fn an_identity_prints_without_its_secrets() {
    for text in [
        format!("{DEVICE};SharedAccessKey={KEY}"),
        format!("{DEVICE};SharedAccessSignature={TOKEN}"),
    ] {
        let printed = format!("{:#?}", parse(&text));
        assert!(printed.contains("MyDevice01"));
        assert!(printed.contains("[redacted]"));
        assert!(!printed.contains("Rn1z") && !printed.contains("AAEC"));
    }
}
