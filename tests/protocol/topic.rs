use azure_device::identity::{ConnectionString, Identity};
use azure_device::properties::Bag;
use azure_device::topic::{Inbound, Outbound};
use proptest::prelude::*;

use crate::arbitrary;

fn identity(device_id: &str) -> Identity {
    ConnectionString::parse(&format!("HostName=h;DeviceId={device_id};x509=true")).unwrap()
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_of_topics_panic(
        text in prop_oneof![
            arbitrary::text(),
            arbitrary::shuffled(&[
                "devices/", "d", "/messages/devicebound/", "$iothub/methods/POST/", "$iothub/twin/res/",
                "$iothub/twin/PATCH/properties/desired/", "$dps/registrations/res/", "200", "/?", "$rid=1",
                "&", "$version=2", "retry-after=3", "%24.mid=a",
            ]),
            arbitrary::damaged("devices/d/messages/devicebound/%24.mid=m1&k=v"),
            arbitrary::damaged("$iothub/methods/POST/reboot/?$rid=1"),
            arbitrary::damaged("$iothub/twin/res/204/?$rid=7&$version=6"),
            arbitrary::damaged("$dps/registrations/res/202/?$rid=1&retry-after=3"),
        ]
    ) {
        let identity = identity("d");
        match Inbound::parse(&text, &identity) {
            Inbound::CloudToDevice { bag } => prop_assert!(text.ends_with(bag.raw())),
            Inbound::MethodRequest { name, request_id } => {
                prop_assert!(!name.is_empty() && !name.contains('/') && !request_id.is_empty());
                let response = Outbound::MethodResponse { status: 200, request_id }.to_string();
                prop_assert!(response.ends_with(request_id) && !response.contains(['#', '+']));
            }
            _ => {}
        }
        let _ = Inbound::parse_dps(&text);
    }

    #[test]
    fn a_cloud_to_device_message_is_for_one_device_alone(
        mine in arbitrary::id(),
        other in arbitrary::id(),
        bag in "[a-z0-9=&%]{0,40}",
    ) {
        prop_assume!(mine != other);
        let topic = format!("devices/{mine}/messages/devicebound/{bag}");
        let parsed = Inbound::parse(&topic, &identity(&mine));
        prop_assert_eq!(parsed, Inbound::CloudToDevice { bag: Bag::new(&bag) });
        prop_assert_eq!(Inbound::parse(&topic, &identity(&other)), Inbound::Unknown);
    }

    #[test]
    fn request_ids_come_back_from_the_responses(request_id in any::<u32>(), status in 100..600_u16) {
        let rid = request_id.to_string();
        let asked = Outbound::TwinGet { request_id }.to_string();
        prop_assert_eq!(asked, format!("$iothub/twin/GET/?$rid={}", rid));
        let topic = format!("$iothub/twin/res/{status}/?$rid={rid}&$version=3");
        let expected = Inbound::TwinResponse { status, request_id: &rid, version: Some(3) };
        prop_assert_eq!(Inbound::parse(&topic, &identity("d")), expected);
    }
}
