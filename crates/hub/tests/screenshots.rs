//! The pictures of the page in the documentation, with devices that never were. This makes them again:
//!
//! ```text
//! PICTURES=docs/images cargo test -p local-hub --test screenshots
//! ```
//!
//! Without the variable they are made and thrown away, so that they can be made whenever somebody wants them. With `REVIEW`
//! in its place, every view is pictured at 360 and at 1,600 pixels, in dark and in light, to be looked at. The hub's
//! clock starts some minutes ago and is moved ahead with each message: minutes of telemetry take a second.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::net::SocketAddr;
use std::path::Path;

use common::browser::Browser;
use common::rest::as_owner;
use common::uploads::{ask, begin, put};
use common::*;
use local_hub::{Ack, Fault, Hub, Import, Message, Tier, UpdateId};
use serde_json::{Value, json};

/// Messages of the device that is looked at, and seconds between two of them.
const MESSAGES: u16 = 150;
const INTERVAL: i64 = 3;
/// Largest picture, in bytes.
const MAX_SIZE: usize = 200 * 1024;
const MODEL: &str = "dtmi%3Aazure_device%3ADevice%3B1";
const FILTERS: &[(&str, u8)] = &[
    ("$iothub/twin/res/#", 0),
    ("$iothub/twin/PATCH/properties/desired/#", 0),
    ("$iothub/methods/POST/#", 0),
];

#[test]
fn the_pictures_of_the_documentation_are_made_and_small() {
    let Some(browser) = Browser::start() else {
        return;
    };
    let mut config = local_hub::Config::temporary();
    config.page = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    // Cargo runs tests in the folder of the crate; the hub shows this path.
    config.models = Some("../../docs".into());
    config.updates = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    config.clock_offset = -i64::from(MESSAGES) * INTERVAL - 5;
    // Telemetry and uploads are hardly throttled: minutes of them come at once.
    let mut throttling = Tier::S1.throttling(1);
    throttling.telemetry_per_second = 100_000;
    throttling.uploads_per_minute = 1000;
    config.throttling = Some(throttling);
    config.daily_quota = Some(Tier::S1.daily_quota(1));
    let hub = Hub::start(config).unwrap();
    let mut plant = plant(&hub);
    let mut pump = Pump::start(&hub);
    pump.set_twin(&hub);
    for number in 1..=MESSAGES {
        if number == MESSAGES * 2 / 3 {
            pump = pump.after_a_takeover(&hub);
        }
        pump.send(number);
        for (at, (device, client)) in (7..).zip(&mut plant) {
            if number % at == 0 {
                client.send(&publish(
                    &device.events_topic(),
                    Some(number),
                    b"{\"open\":1}",
                ));
                client.expect(&puback(number));
            }
        }
        hub.shift_clock(INTERVAL);
    }
    let _installs = install_update(&hub);
    files_and_feedback(&hub);
    hub.inject("valve-north", Fault::DelayPuback { milliseconds: 2000 })
        .unwrap();
    hub.inject(
        "pump-2",
        Fault::FailTwin {
            status: 503,
            times: 3,
        },
    )
    .unwrap();
    hub.fail_registration("meter-9", 429, 2).unwrap();

    browser.go(&hub.page_address().unwrap());
    let thrown_away = tempfile::tempdir().unwrap();
    let images = match std::env::var_os("PICTURES") {
        Some(folder) => Path::new("../..").join(folder),
        None => thrown_away.path().to_owned(),
    };
    std::fs::create_dir_all(&images).unwrap();
    let picture = |view: &str, shown: &str, (width, height): (u32, u32), dark: bool| {
        browser.size(width, height);
        browser.dark(dark);
        browser.view(view);
        browser.wait_for("main", shown);
        // The plots and the animations come to rest.
        std::thread::sleep(std::time::Duration::from_millis(900));
        browser.screenshot()
    };
    if let Some(folder) = std::env::var_os("REVIEW") {
        return review(Path::new(&folder), picture);
    }
    let take = |name: &str, view: &str, shown: &str, size: (u32, u32), dark: bool| {
        let png = picture(view, shown, size, dark);
        assert!(png.len() < MAX_SIZE, "{name} has {} bytes", png.len());
        std::fs::write(images.join(name), png).unwrap();
    };
    let (wide, tall) = ((1280, 800), (1280, 900));
    take("page-devices.png", "#/devices", "pump-1", wide, false);
    take(
        "page-device.png",
        "#/device/pump-1",
        "temperature",
        tall,
        false,
    );
    take(
        "page-twin.png",
        "#/device/pump-1/twin",
        "telemetryInterval",
        wide,
        true,
    );
    take(
        "page-send.png",
        "#/device/pump-1/send",
        "setTelemetryInterval",
        wide,
        false,
    );
    take(
        "page-faults.png",
        "#/faults/pump-2",
        "valve-north",
        wide,
        false,
    );
    take(
        "page-hub.png",
        "#/hub",
        "Root that devices trust",
        wide,
        true,
    );
    take(
        "page-updates.png",
        "#/updates",
        "monday.txt",
        (1280, 1060),
        false,
    );
    take(
        "page-narrow.png",
        "#/device/pump-1",
        "temperature",
        (360, 720),
        true,
    );
}

/// Pictures every view for somebody who looks at them.
fn review(folder: &Path, picture: impl Fn(&str, &str, (u32, u32), bool) -> Vec<u8>) {
    std::fs::create_dir_all(folder).unwrap();
    for (name, view, shown) in [
        ("devices", "#/devices", "pump-1"),
        ("live", "#/device/pump-1", "temperature"),
        ("messages", "#/device/pump-1/messages", "temperature"),
        ("twin", "#/device/pump-1/twin", "telemetryInterval"),
        ("send", "#/device/pump-1/send", "setTelemetryInterval"),
        ("modules", "#/device/pump-1/modules", "motor"),
        ("faults", "#/faults/pump-2", "valve-north"),
        ("hub", "#/hub", "Root that devices trust"),
        ("updates", "#/updates", "monday.txt"),
        ("log", "#/log", "Level"),
    ] {
        for (width, height) in [(360, 2400), (1600, 1200)] {
            for (colours, dark) in [("light", false), ("dark", true)] {
                let png = picture(view, shown, (width, height), dark);
                let file = format!("{name}-{width}-{colours}.png");
                std::fs::write(folder.join(file), png).unwrap();
            }
        }
    }
}

/// A device that installs an update, as long as its connection lasts.
fn install_update(hub: &Hub) -> Client {
    let device = Device::create(hub, "boiler-3");
    let mut client = Client::accepted(hub, &device, Options::default());
    client.send(&subscribe(1, FILTERS));
    client.receive(7);
    let mut report = |state: i64, workflow: &Value| {
        let patch = json!({ "deviceUpdate": { "__t": "c", "agent": {
            "state": state,
            "workflow": { "action": 3, "id": workflow },
            "deviceProperties": { "manufacturer": "Contoso", "model": "Boiler" },
            "installedUpdateId": r#"{"provider":"Contoso","name":"Boiler","version":"1.1.0"}"#,
        } } });
        let topic = "$iothub/twin/PATCH/properties/reported/?$rid=3";
        client.send(&publish(topic, None, patch.to_string().as_bytes()));
        client.publish();
    };
    report(0, &json!(null));
    let set = [("deviceManufacturer", "Contoso"), ("deviceModel", "Boiler")];
    let set = set.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let import = Import {
        id: UpdateId {
            provider: "Contoso".into(),
            name: "Boiler".into(),
            version: "1.2.0".into(),
        },
        compatibility: vec![set.into()],
        file_name: "boiler-1.2.0.bin".into(),
        installed_criteria: None,
    };
    hub.import_update(import, &[0; 300_000]).unwrap();
    let line = "POST /updates/deployments?device=boiler-3";
    let id = json!({ "provider": "Contoso", "name": "Boiler", "version": "1.2.0" });
    let deployed = as_owner(hub, line, Some(json!({ "update": id })));
    assert_eq!(deployed.status, 200, "{deployed:?}");
    let twin = hub.twin("boiler-3").unwrap();
    let service = &twin["properties"]["desired"]["deviceUpdate"]["service"];
    // Its report, and before the answer to it what is desired.
    report(6, &service["workflow"]["id"]);
    client
}

/// Files of which one failed, and feedback that waits.
fn files_and_feedback(hub: &Hub) {
    for (id, name, is_stored) in [
        ("boiler-1", "logs/monday.txt", true),
        ("pump-2", "trace.bin", false),
    ] {
        let entry = as_owner(hub, &format!("GET /devices/{id}"), None).body;
        let key = &entry["authentication"]["symmetricKey"]["primaryKey"];
        let device = Device {
            id: id.into(),
            key: key.as_str().unwrap().into(),
        };
        let place = begin(hub, &device, name);
        if is_stored {
            put(hub, &place, &"06:00 pressure 1.2 bar\n".repeat(90));
        }
        let body = json!({
            "correlationId": place.correlation,
            "isSuccess": is_stored,
            "statusCode": if is_stored { 201 } else { 507 },
            "statusDescription": if is_stored { "Created" } else { "the flash is full" },
        });
        ask(
            hub,
            &device,
            &format!("POST /devices/{id}/files/notifications"),
            &body,
        );
    }
    let message = Message {
        message_id: Some("open-valve".into()),
        ack: Some(Ack::Full),
        ..Message::new("open")
    };
    hub.send_c2d("meter-yard", message).unwrap();
    hub.purge_c2d("meter-yard").unwrap();
}

/// Devices around the one that is looked at; their connections last as long as what is given.
fn plant(hub: &Hub) -> Vec<(Device, Client)> {
    let mut clients = Vec::new();
    for (id, messages) in [
        ("boiler-1", 40),
        ("boiler-2", 38),
        ("meter-hall", 120),
        ("pump-2", 64),
        ("valve-north", 12),
        ("valve-south", 9),
    ] {
        let device = Device::create(hub, id);
        let mut client = Client::accepted(hub, &device, Options::default());
        for number in 1..=messages {
            client.send(&publish(
                &device.events_topic(),
                Some(number),
                b"{\"open\":1}",
            ));
            client.expect(&puback(number));
        }
        clients.push((device, client));
    }
    for id in ["meter-yard", "pump-3", "tank-1"] {
        hub.create_sas_device(id).unwrap();
    }
    hub.set_status("tank-1", local_hub::Status::Disabled)
        .unwrap();
    let device = Device::from_connection_string(&hub.create_sas_device("fan-4").unwrap());
    let mut fan = Client::accepted(hub, &device, Options::default());
    fan.send(&publish("devices/fan-5/messages/events/", Some(1), b"{}"));
    fan.expect_close();
    hub.send_c2d("pump-3", local_hub::Message::new("start"))
        .unwrap();
    let enrolled = hub.enroll("meter-7", dps::by_keys()).unwrap();
    hub.enroll("meter-9", dps::by_keys()).unwrap();
    hub.enroll_group("meters", dps::by_keys()).unwrap();
    let mut meter = dps::registration(hub, "meter-7", &dps::primary_key(&enrolled));
    dps::provision(&mut meter, "meter-7");
    clients
}

/// The device that is looked at.
struct Pump {
    device: Device,
    client: Client,
}

impl Pump {
    fn start(hub: &Hub) -> Self {
        let device = Device::create(hub, "pump-1");
        hub.create_sas_module("pump-1", "motor").unwrap();
        let client = Self::connect(hub, &device);
        Self { device, client }
    }

    fn connect(hub: &Hub, device: &Device) -> Client {
        let mut client = Client::open(hub);
        let user_name = format!("{}&model-id={MODEL}", device.user_name());
        client.send(&connect(
            "pump-1",
            &user_name,
            Some(&device.token(3600)),
            Options::default(),
        ));
        client.receive(4);
        client.send(&subscribe(1, FILTERS));
        client.receive(7);
        client.send(&publish("$iothub/twin/GET/?$rid=1", None, b""));
        client.publish();
        client
    }

    fn after_a_takeover(mut self, hub: &Hub) -> Self {
        hub.inject("pump-1", Fault::TakeOver).unwrap();
        self.client.expect_close();
        hub.shift_clock(4);
        self.client = Self::connect(hub, &self.device);
        self
    }

    fn send(&mut self, number: u16) {
        let at = f64::from(number);
        // A slow swing, a faster one, and a little noise that is the same each time.
        let noise = u32::from(number).wrapping_mul(2_654_435_761) >> 16;
        let noise = f64::from(noise % 101) / 101.0 - 0.5;
        let round = |value: f64| (value * 100.0).round() / 100.0;
        let body = json!({
            "count": number,
            "temperature": round(46.0 + 5.0 * (at / 23.0).sin() + 0.8 * noise),
            "humidity": round(38.0 - 4.0 * (at / 31.0).cos() + noise),
            "pressure": round(1013.0 + 2.5 * (at / 12.0).sin() * (at / 90.0).cos() + 0.4 * noise),
        });
        let topic = format!(
            "{}$.ct=application%2Fjson&$.ce=utf-8&alert=false",
            self.device.events_topic()
        );
        let packet = number % 60_000 + 1;
        self.client
            .send(&publish(&topic, Some(packet), body.to_string().as_bytes()));
        self.client.expect(&puback(packet));
    }

    fn set_twin(&mut self, hub: &Hub) {
        let change = |value: Value| hub.patch_twin("pump-1", &value).unwrap();
        change(json!({ "tags": { "hall": 3, "owner": "maintenance" } }));
        let desired =
            json!({ "telemetryInterval": 3, "indicator": { "__t": "c", "enabled": false } });
        change(json!({ "properties": { "desired": desired } }));
        self.client.publish();
        let acknowledged = |value: Value, version: u32| json!({ "value": value, "ac": 200, "av": version, "ad": "done" });
        let reported = json!({
            "firmwareVersion": "0.1.0",
            "networkAddress": "10.0.3.21",
            "connections": 2,
            "queued": 0,
            "telemetryInterval": acknowledged(json!(3), 2),
            "indicator": { "__t": "c", "enabled": acknowledged(json!(false), 2) },
        });
        let topic = "$iothub/twin/PATCH/properties/reported/?$rid=2";
        self.client
            .send(&publish(topic, None, reported.to_string().as_bytes()));
        self.client.publish();
        change(
            json!({ "properties": { "desired": { "telemetryInterval": 10, "speedLimit": 1450 } } }),
        );
        self.client.publish();
    }
}
