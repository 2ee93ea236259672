use azure_device::identity::{
    ConnectionString, Credential, DeviceId, HostName, IdentityError, ModuleId,
};
use proptest::prelude::*;

use crate::arbitrary;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const RIGHT: &str = "HostName=contoso.azure-devices.net;DeviceId=MyDevice01;SharedAccessKey=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

proptest! {
    #[test]
    fn every_legal_connection_string_is_accepted(
        host in arbitrary::host_name(),
        device in arbitrary::id(),
        module in proptest::option::of(arbitrary::id()),
        key_first in any::<bool>(),
    ) {
        let module_field = module.as_ref().map_or(String::new(), |id| format!(";ModuleId={id}"));
        let names = format!("HostName={host};DeviceId={device}{module_field}");
        let text = if key_first {
            format!("SharedAccessKey={KEY};{names}")
        } else {
            format!("{names};SharedAccessKey={KEY}")
        };
        let identity = ConnectionString::parse(&text).unwrap();
        prop_assert_eq!(identity.host_name().as_str(), host);
        prop_assert_eq!(identity.device_id().as_str(), device);
        prop_assert_eq!(identity.module_id().map(ModuleId::as_str), module.as_deref());
        prop_assert!(matches!(identity.credential(), Credential::SharedAccessKey(_)));
    }

    #[test]
    fn no_text_makes_the_parser_of_connection_strings_panic(
        text in prop_oneof![
            arbitrary::text(),
            arbitrary::damaged(RIGHT),
            arbitrary::shuffled(&[
                "HostName=", "DeviceId=", "ModuleId=", "GatewayHostName=", "SharedAccessKey=",
                "SharedAccessSignature=", "x509=true", ";", "h", "d", KEY,
            ]),
        ]
    ) {
        match ConnectionString::parse(&text) {
            Ok(identity) => {
                prop_assert!(HostName::parse(identity.host_name().as_str()).is_ok());
                prop_assert!(DeviceId::parse(identity.device_id().as_str()).is_ok());
                let printed = format!("{identity:?}");
                prop_assert!(!printed.contains(KEY));
            }
            Err(error) => assert_is_helpful(error, &text)?,
        }
    }

    #[test]
    fn no_text_makes_the_parsers_of_names_panic(text in arbitrary::text()) {
        let legal_id = |character: char| {
            character.is_ascii_alphanumeric() || "-.%_*?!(),:=@$'".contains(character)
        };
        let is_id = (1..=128).contains(&text.len()) && text.chars().all(legal_id);
        prop_assert_eq!(DeviceId::parse(&text).is_ok(), is_id);
        prop_assert_eq!(ModuleId::parse(&text).is_ok(), is_id);
        let _ = HostName::parse(&text);
    }
}

/// Every rejection names the field and a right form, and repeats no piece of the input that could be secret.
fn assert_is_helpful(error: IdentityError, text: &str) -> Result<(), TestCaseError> {
    let message = error.to_string();
    let fields = [
        "the connection string ",
        "HostName ",
        "GatewayHostName ",
        "DeviceId ",
        "ModuleId ",
        "SharedAccessKey ",
        "SharedAccessSignature ",
    ];
    prop_assert!(
        fields.iter().any(|field| message.starts_with(field)),
        "{message}"
    );
    prop_assert!(
        message.contains("right one") || message.contains("such as"),
        "{message}"
    );
    prop_assert!(
        !text.contains(KEY) || !message.contains(&KEY[..8]),
        "{message}"
    );
    Ok(())
}
