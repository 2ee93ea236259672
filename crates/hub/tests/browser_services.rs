//! The page in a browser: software updates, files, feedback, and a list of many devices.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::net::SocketAddr;
use std::time::Instant;

use common::open_page::*;
use common::rest::as_owner;
use common::*;
use local_hub::{Ack, Authentication, Config, Import, Message, SymmetricKeys, UpdateId};
use serde_json::json;

/// Reports that a device takes updates, with this state of the workflow.
fn report(client: &mut Client, number: u32, workflow: &serde_json::Value, state: i64) {
    let agent = json!({
        "state": state,
        "workflow": { "action": 3, "id": workflow },
        "deviceProperties": { "manufacturer": "Contoso", "model": "Toaster" },
        "lastInstallResult": { "resultCode": 0, "extendedResultCode": 0, "resultDetails": "out of <b>disk" },
    });
    let patch = json!({ "deviceUpdate": { "__t": "c", "agent": agent } }).to_string();
    let topic = format!("$iothub/twin/PATCH/properties/reported/?$rid={number}");
    client.send(&publish(&topic, None, patch.as_bytes()));
    assert!(client.publish().topic.starts_with("$iothub/twin/res/204/"));
}

#[test]
fn updates_are_deployed_by_a_form_their_states_are_shown_and_they_are_cancelled() {
    let updates =
        |config: &mut Config| config.updates = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    let Some((hub, browser)) = open_with(updates) else {
        return;
    };
    let (_, mut client) = connected(&hub, "toaster-1");
    connected(&hub, "other");
    report(&mut client, 1, &json!(null), 0);
    browser.view("#/updates");
    browser.wait_for("main", "No update is imported");
    let set = [
        ("deviceManufacturer", "Contoso"),
        ("deviceModel", "Toaster"),
    ];
    let set = set.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let import = Import {
        id: UpdateId {
            provider: "Contoso".into(),
            name: "Toaster".into(),
            version: "1.2.0".into(),
        },
        compatibility: vec![set.into()],
        file_name: "image.bin".into(),
        installed_criteria: None,
    };
    hub.import_update(import, b"an image").unwrap();
    browser.wait_for("tbody tr", "Contoso Toaster 1.2.0");
    let within = "form[aria-label='Deploy an update']";
    browser.press(within, "Deploy");
    browser.wait_for(".outcome", "Deployed to 1; 1 refused");
    browser.wait_for("tbody tr", "Pending");
    let workflow = hub.twin("toaster-1").unwrap()["properties"]["desired"]["deviceUpdate"]["service"]["workflow"]["id"].clone();
    // What the deployment told the device.
    assert!(client.publish().topic.contains("desired"));
    report(&mut client, 2, &workflow, 6);
    browser.wait_for("tbody tr", "InProgress");
    browser.click("button[aria-label='Cancel the update of toaster-1']");
    browser.wait_for(".outcome", "is cancelled");
    assert!(client.publish().topic.contains("desired"));
    report(&mut client, 3, &workflow, 255);
    // Text of a device is no markup.
    browser.wait_for("tbody tr", "out of <b>disk");
    browser.fill(&browser.labelled(within, "Device"), "a");
    browser.fill(&browser.labelled(within, "Or those where"), "tags.a = 1");
    browser.press(within, "Deploy");
    browser.wait_for(".outcome", "not both");
    is_content(&browser);
}

#[test]
fn files_and_feedback_are_shown_and_stay_for_operators() {
    let Some((hub, browser)) = open() else { return };
    let device = Device::create(&hub, "pump");
    browser.view("#/updates");
    browser.wait_for("main", "No device has uploaded a file");
    browser.wait_for("main", "No feedback waits");
    let body = json!({ "blobName": "<i>log.txt" });
    let begun = as_owner(&hub, "POST /devices/pump/files", Some(body));
    assert_eq!(begun.status, 200, "{begun:?}");
    browser.wait_for("tbody tr", "active");
    let body = json!({
        "correlationId": begun.body["correlationId"], "isSuccess": false, "statusDescription": "no disk",
    });
    let ended = as_owner(&hub, "POST /devices/pump/files/notifications", Some(body));
    assert_eq!(ended.status, 204);
    browser.wait_for("tbody tr", "pump/<i>log.txt");
    browser.wait_for("tbody tr", "no disk");
    let message = Message {
        message_id: Some("m-1".into()),
        ack: Some(Ack::Full),
        ..Message::new("hi")
    };
    hub.send_c2d(&device.id, message).unwrap();
    hub.purge_c2d(&device.id).unwrap();
    browser.wait_for("tbody tr", "Message purged");
    assert_eq!(hub.take_feedback().unwrap().len(), 1, "nothing was taken");
    // The device's own story has it, too.
    browser.view("#/device/pump");
    browser.wait_for(".happening.file", "begins to upload");
    is_content(&browser);
}

#[test]
fn twenty_thousand_devices_are_listed_page_by_page_and_the_page_holds_one() {
    const DEVICES: usize = 20_000;
    let Some((hub, browser)) = open() else { return };
    let keys = SymmetricKeys::generated();
    for number in 0..DEVICES {
        let id = format!("d{number:05}");
        hub.create_device(&id, Authentication::Sas(keys.clone()))
            .unwrap();
    }
    let begin = Instant::now();
    browser.view("#/devices");
    browser.wait_for("main", "1 to 200 of 20,000");
    let first = begin.elapsed();
    assert_eq!(browser.count("tbody tr"), 200);
    let begin = Instant::now();
    browser.press(".pages", "Next");
    browser.wait_for("main", "201 to 400 of 20,000");
    browser.wait_for("tbody tr", "d00200");
    let next = begin.elapsed();
    assert_eq!(browser.count("tbody tr"), 200);
    // On the second page, too, a row follows what happens.
    let begin = Instant::now();
    hub.set_status("d00300", local_hub::Status::Disabled)
        .unwrap();
    browser.wait_for("tbody tr", "Disabled");
    let change = begin.elapsed();
    let begin = Instant::now();
    browser.fill("#filter", "d19999");
    browser.wait_for("tbody tr", "d19999");
    browser.wait("document.querySelectorAll('tbody tr').length === 1");
    let filter = begin.elapsed();
    println!("first page {first:?}, next {next:?}, a change {change:?}, the filter {filter:?}");
    is_content(&browser);
}
