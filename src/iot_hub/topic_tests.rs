//! Topics byte by byte as documented, in both directions, and what is none.

use super::*;
use crate::identity::ConnectionString;
use crate::properties::SystemProperty;
use std::string::ToString;

fn device() -> Identity {
    ConnectionString::parse("HostName=contoso.azure-devices.net;DeviceId=MyDevice01;x509=true")
        .unwrap()
}

fn module() -> Identity {
    ConnectionString::parse("HostName=h;DeviceId=MyDevice01;ModuleId=gps;x509=true").unwrap()
}

#[test]
fn outbound_topics_are_those_that_are_documented() {
    let (device, module) = (device(), module());
    for (topic, expected) in [
        (
            Outbound::Telemetry(&device),
            "devices/MyDevice01/messages/events/",
        ),
        (
            Outbound::Telemetry(&module),
            "devices/MyDevice01/modules/gps/messages/events/",
        ),
        (
            Outbound::MethodResponse {
                status: 200,
                request_id: "1",
            },
            "$iothub/methods/res/200/?$rid=1",
        ),
        (
            Outbound::MethodResponse {
                status: -1,
                request_id: "a-b%20",
            },
            "$iothub/methods/res/-1/?$rid=a-b%20",
        ),
        (
            Outbound::TwinGet { request_id: 1 },
            "$iothub/twin/GET/?$rid=1",
        ),
        (
            Outbound::ReportedPatch { request_id: 7 },
            "$iothub/twin/PATCH/properties/reported/?$rid=7",
        ),
        (
            Outbound::DpsRegister { request_id: 1 },
            "$dps/registrations/PUT/iotdps-register/?$rid=1",
        ),
        (
            Outbound::DpsOperationStatus {
                request_id: u32::MAX,
                operation_id: "4.d0a6-e7/x",
            },
            "$dps/registrations/GET/iotdps-get-operationstatus/?$rid=4294967295&operationId=4.d0a6-e7%2Fx",
        ),
    ] {
        assert_eq!(topic.to_string(), expected);
    }
}

#[test]
fn filters_are_those_that_the_hub_accepts() {
    let device = device();
    for (filter, expected) in [
        (
            Filter::CloudToDevice(&device),
            "devices/MyDevice01/messages/devicebound/#",
        ),
        (Filter::Methods, "$iothub/methods/POST/#"),
        (Filter::TwinResponses, "$iothub/twin/res/#"),
        (
            Filter::DesiredUpdates,
            "$iothub/twin/PATCH/properties/desired/#",
        ),
        (Filter::DpsResponses, "$dps/registrations/res/#"),
    ] {
        assert_eq!(filter.to_string(), expected);
    }
}

#[test]
fn a_cloud_to_device_message_comes_with_its_bag() {
    let topic = "devices/MyDevice01/messages/devicebound/%24.mid=m1&%24.to=%2Fdevices%2FMyDevice01%2Fmessages%2Fdevicebound&k=a%2Bb";
    let Inbound::CloudToDevice { bag } = Inbound::parse(topic, &device()) else {
        panic!("not a cloud-to-device message")
    };
    assert!(bag.system(SystemProperty::MessageId).unwrap().is("m1"));
    assert!(bag.get("k").unwrap().value.unwrap().is("a+b"));
    for empty in [
        "devices/MyDevice01/messages/devicebound",
        "devices/MyDevice01/messages/devicebound/",
    ] {
        let bag = Bag::new("");
        assert_eq!(
            Inbound::parse(empty, &device()),
            Inbound::CloudToDevice { bag }
        );
    }
}

#[test]
fn a_method_request_gives_its_name_and_id_as_they_stand() {
    for (topic, name, request_id) in [
        ("$iothub/methods/POST/reboot/?$rid=1", "reboot", "1"),
        (
            "$iothub/methods/POST/led*blink/?x=y&$rid=a=b%20c",
            "led*blink",
            "a=b%20c",
        ),
        ("$iothub/methods/POST/a b?/?%24rid=0f", "a b?", "0f"),
    ] {
        let expected = Inbound::MethodRequest { name, request_id };
        assert_eq!(Inbound::parse(topic, &device()), expected);
        assert_eq!(Inbound::parse(topic, &module()), expected);
    }
}

#[test]
fn twin_topics_are_read_by_name_in_any_order() {
    let response = |status, request_id, version| Inbound::TwinResponse {
        status,
        request_id,
        version,
    };
    for (topic, expected) in [
        ("$iothub/twin/res/200/?$rid=1", response(200, "1", None)),
        (
            "$iothub/twin/res/204/?$rid=7&$version=6",
            response(204, "7", Some(6)),
        ),
        (
            "$iothub/twin/res/204/?$version=6&$rid=7",
            response(204, "7", Some(6)),
        ),
        (
            "$iothub/twin/res/429/?$rid=7&new=",
            response(429, "7", None),
        ),
        (
            "$iothub/twin/PATCH/properties/desired/?$version=5",
            Inbound::DesiredUpdate { version: Some(5) },
        ),
        (
            "$iothub/twin/PATCH/properties/desired/",
            Inbound::DesiredUpdate { version: None },
        ),
        (
            "$iothub/twin/PATCH/properties/desired/?a&%24version=18446744073709551615",
            Inbound::DesiredUpdate {
                version: Some(u64::MAX),
            },
        ),
    ] {
        assert_eq!(Inbound::parse(topic, &device()), expected, "{topic}");
    }
}

#[test]
fn responses_of_dps_are_read_by_name_in_any_order() {
    let response = |status, request_id, seconds: Option<u64>| Inbound::DpsResponse {
        status,
        request_id,
        retry_after: seconds.map(Duration::from_secs),
    };
    for (topic, expected) in [
        (
            "$dps/registrations/res/202/?$rid=1&retry-after=3",
            response(202, "1", Some(3)),
        ),
        (
            "$dps/registrations/res/202/?retry-after=120&$rid=1",
            response(202, "1", Some(120)),
        ),
        (
            "$dps/registrations/res/200/?$rid=2",
            response(200, "2", None),
        ),
        (
            "$dps/registrations/res/401/?$rid=2",
            response(401, "2", None),
        ),
    ] {
        assert_eq!(Inbound::parse_dps(topic), expected, "{topic}");
        assert_eq!(Inbound::parse(topic, &device()), expected, "{topic}");
    }
    let others = "$iothub/twin/res/200/?$rid=1";
    assert_eq!(Inbound::parse_dps(others), Inbound::Unknown);
}

#[test]
fn everything_else_is_unknown() {
    for topic in [
        "",
        "/",
        "devices/",
        "devices/MyDevice02/messages/devicebound/a=b",
        "devices/MyDevice011/messages/devicebound/a=b",
        "devices/mydevice01/messages/devicebound/a=b",
        "devices/MyDevice01/messages/deviceboundx",
        "devices/MyDevice01/messages/events/",
        "devices/MyDevice01/modules/gps/messages/devicebound/",
        "$iothub/methods/POST/",
        "$iothub/methods/POST/reboot",
        "$iothub/methods/POST/reboot/",
        "$iothub/methods/POST/reboot/?",
        "$iothub/methods/POST/reboot/?$rid=",
        "$iothub/methods/POST/reboot/?$rid",
        "$iothub/methods/POST/reboot/?rid=1",
        "$iothub/methods/POST/reboot/?%2=1",
        "$iothub/methods/POST/reboot/?$rid=a+b",
        "$iothub/methods/POST/reboot/?$rid=#",
        "$iothub/methods/POST//?$rid=1",
        "$iothub/methods/POST/a/b/?$rid=1",
        "$iothub/methods/res/200/?$rid=1",
        "$iothub/twin/res/ok/?$rid=1",
        "$iothub/twin/res//?$rid=1",
        "$iothub/twin/res/+200/?$rid=1",
        "$iothub/twin/res/65536/?$rid=1",
        "$iothub/twin/res/200/?$version=1",
        "$iothub/twin/res/204/?$rid=1&$version=-1",
        "$iothub/twin/res/204/?$rid=1&$version=",
        "$iothub/twin/PATCH/properties/desired/?$version=x",
        "$iothub/twin/PATCH/properties/desired/x",
        "$iothub/twin/PATCH/properties/reported/?$rid=1",
        "$dps/registrations/res/202/?$rid=1&retry-after=soon",
        "$dps/registrations/res/202/?retry-after=3",
        "$dps/registrations/PUT/iotdps-register/?$rid=1",
    ] {
        assert_eq!(
            Inbound::parse(topic, &device()),
            Inbound::Unknown,
            "{topic}"
        );
    }
}

#[test]
fn the_longest_topics_of_mqtt_are_parsed() {
    let fill = |start: &str| start.to_string() + &"a&".repeat(40_000)[..65_535 - start.len()];
    let bag = fill("devices/MyDevice01/messages/devicebound/");
    let Inbound::CloudToDevice { bag } = Inbound::parse(&bag, &device()) else {
        panic!("not a cloud-to-device message")
    };
    assert_eq!(bag.properties().count(), 32_748);
    let method = fill("$iothub/methods/POST/reboot/?$rid=1&");
    assert_eq!(
        Inbound::parse(&method, &device()),
        Inbound::MethodRequest {
            name: "reboot",
            request_id: "1"
        }
    );
    assert_eq!(
        Inbound::parse(&fill("$iothub/twin/res/"), &device()),
        Inbound::Unknown
    );
}
