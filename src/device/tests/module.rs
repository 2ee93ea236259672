//! A module on a device, and subscriptions that a hub does not grant.

use super::*;
use crate::device::tests::application::App;

const MODULE: &str = "HostName=contoso.azure-devices.net;DeviceId=MyDevice01;ModuleId=gps;\
                      SharedAccessKey=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn module_world() -> World {
    let world = World::new();
    world.hub.borrow_mut().client_id = "MyDevice01/gps";
    world
}

/// Runs the product's application for five minutes.
fn live_with_twin(world: &mut World, connection_string: &str, config: Config<'_>) -> Report {
    world.stop_after(5 * MINUTE);
    let identity = identity(connection_string);
    let mut memory = Memory::default();
    let mut device =
        Device::new(&identity, config, buffers(&mut memory), App::default()).expect("good sizes");
    run(&mut device, world);
    *device.report()
}

#[test]
fn a_module_has_its_own_names_a_twin_and_methods_and_no_cloud_to_device_messages() {
    let mut world = module_world();
    let twin = r#"{"desired":{"telemetryInterval":30,"$version":2},"reported":{"$version":1}}"#;
    let answer = (200, String::new(), twin.to_string());
    world.hub.borrow_mut().answers.push_back(answer);
    let taken = (2..9).map(|version| (204, std::format!("&$version={version}"), String::new()));
    world.hub.borrow_mut().answers.extend(taken);
    let method = "$iothub/methods/POST/getStatus/?$rid=1";
    world.pushes.push_back((120_000, method, ""));
    let report = live_with_twin(&mut world, MODULE, Config::default());
    assert_eq!((report.connections, report.failures), (1, 0));
    let hub = world.hub.borrow();
    assert_eq!(
        hub.log.filters,
        [
            "$iothub/twin/res/#",
            "$iothub/twin/PATCH/properties/desired/#",
            "$iothub/methods/POST/#"
        ]
    );
    let (user_name, password) = &hub.log.connects[0];
    assert!(
        user_name.starts_with("contoso.azure-devices.net/MyDevice01/gps/?api-version="),
        "{user_name}"
    );
    assert!(
        password.contains("sr=contoso.azure-devices.net%2Fdevices%2FMyDevice01%2Fmodules%2Fgps&"),
        "the token is the module's"
    );
    // Every 30 s, as its twin wants.
    assert_eq!(hub.log.stored.len(), 10);
    let topics = &hub.log.topics;
    assert!(
        topics
            .iter()
            .all(|topic| topic.starts_with("devices/MyDevice01/modules/gps/messages/events/")),
        "{topics:?}"
    );
    let answered = |(topic, _): &(String, String)| topic == "$iothub/methods/res/200/?$rid=1";
    assert!(
        hub.log.requests.iter().any(answered),
        "{:?}",
        hub.log.requests
    );
}

#[test]
fn a_module_without_a_twin_subscribes_to_nothing_and_sends() {
    let mut world = module_world();
    let config = Config {
        twin: false,
        ..Config::default()
    };
    let report = live_with_twin(&mut world, MODULE, config);
    assert_eq!((report.connections, report.failures), (1, 0));
    assert!(world.hub.borrow().log.filters.is_empty());
    assert_eq!(world.hub.borrow().log.stored.len(), 5);
}

#[test]
fn a_subscription_that_is_refused_costs_no_connection_and_no_message() {
    for (ungranted, twin) in [
        ("devices/", true),
        ("$iothub/methods/", true),
        ("$iothub/twin/PATCH/", true),
        ("$iothub/twin/res/", false),
        ("", false),
    ] {
        let mut world = World::new();
        world.hub.borrow_mut().ungranted.push(ungranted);
        let answer = (204, "&$version=2".to_string(), String::new());
        let read = r#"{"desired":{"$version":2},"reported":{"$version":1}}"#;
        let read = (200, String::new(), read.to_string());
        world.hub.borrow_mut().answers.extend([read, answer]);
        let report = live_with_twin(&mut world, KEY, Config::default());
        assert_eq!((report.connections, report.failures), (1, 0), "{ungranted}");
        let hub = world.hub.borrow();
        assert_eq!(hub.log.stored.len(), 5, "{ungranted}");
        assert_eq!(!hub.log.requests.is_empty(), twin, "{ungranted}");
    }
}
