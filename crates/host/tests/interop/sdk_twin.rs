//! Microsoft's device SDK for Python against the local hub: the device twin and direct methods.

use std::path::Path;

use libtest_mimic::Trial;
use serde_json::json;

use crate::peers::{SDK, trials};
use crate::program::PATIENCE;
use crate::sdk::World;

pub(crate) fn trials() -> Vec<Trial> {
    trials!(
        "azure-iot-device",
        SDK,
        the_twin_is_read_reported_and_watched,
        a_reported_property_that_the_hub_refuses_is_an_error,
        a_direct_method_is_answered,
    )
}

fn the_twin_is_read_reported_and_watched(python: &Path) {
    let world = World::new();
    let mut device = world.connected(python);
    let desire = |value: u32| {
        let patch = json!({ "properties": { "desired": { "interval": value } } });
        world.hub.patch_twin("device", &patch).unwrap();
    };
    desire(30);
    device.run("get_twin", json!({}));
    let twin = &device.events("twin", 1)[0]["twin"];
    assert_eq!(twin["desired"], json!({ "interval": 30, "$version": 2 }));
    assert_eq!(twin["reported"], json!({ "$version": 1 }));

    let reported = json!({ "interval": { "value": 30, "ac": 200 }, "text": "21 °C" });
    device.run("report", json!({ "properties": reported }));
    let twin = world.hub.twin("device").unwrap();
    assert_eq!(
        twin["properties"]["reported"]["interval"],
        reported["interval"]
    );
    assert_eq!(twin["properties"]["reported"]["text"], "21 °C");
    assert_eq!(twin["properties"]["reported"]["$version"], 2);

    device.run("watch", json!({}));
    desire(60);
    let patch = &device.events("desired", 1)[0]["patch"];
    assert_eq!(*patch, json!({ "interval": 60, "$version": 3 }));
    device.leave();
}

fn a_reported_property_that_the_hub_refuses_is_an_error(python: &Path) {
    let world = World::new();
    let mut device = world.connected(python);
    // Keys starting with `$` are the service's.
    let causes = device.attempt("report", json!({ "properties": { "$mine": 1 } }));
    assert!(
        causes.iter().any(|cause| cause.contains("400")),
        "{causes:?}"
    );
    assert!(world.hub.is_connected("device"));
}

fn a_direct_method_is_answered(python: &Path) {
    let world = World::new();
    let mut device = world.connected(python);
    device.run("answer", json!({ "status": 207 }));
    for payload in [json!({ "delay": 5 }), json!("text"), json!(null)] {
        let response = world
            .hub
            .invoke_method("device", "reboot", &payload, PATIENCE)
            .unwrap();
        assert_eq!(response.status, 207);
        assert_eq!(
            response.payload,
            json!({ "name": "reboot", "payload": payload })
        );
    }
    device.leave();
}
