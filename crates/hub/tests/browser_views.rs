//! The page in a real browser: each view, and each form.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::path::Path;

use common::browser::{Browser, LEFT};
use common::open_page::*;
use common::program::{Serve, succeed};
use common::*;
use local_hub::{Config, DailyQuota, Fault};
use serde_json::{Value, json};

#[test]
fn devices_are_listed_filtered_registered_and_switched_off() {
    let Some((hub, browser)) = open() else { return };
    let (device, mut client) = connected(&hub, "pump-1");
    hub.create_sas_device("fan-2").unwrap();
    send(&mut client, &device, 1, "{}");
    browser.wait_for("tbody tr", "pump-1");
    browser.wait_for(".totals", "2 devices · 1 connected");
    browser.wait("[...document.querySelectorAll('tbody tr')][1].innerText.includes('Connected')");
    assert_eq!(browser.text("tbody tr:nth-child(1) th"), "fan-2");

    browser.fill("#filter", "PUMP");
    browser.wait("document.querySelectorAll('tbody tr').length === 1");
    browser.choose("#state", "disconnected");
    browser.wait_for(".empty", "No device matches");
    browser.choose("#state", "all");

    browser.click("details.card summary");
    let field = browser.labelled("details.card", "Device id");
    browser.fill(&field, "pump 3");
    browser.press("details.card", "Register");
    browser.wait_for(".outcome.bad", "consists of ASCII letters");
    browser.fill(&field, "pump-3");
    browser.press("details.card", "Register");
    browser.wait_for("tbody tr", "pump-3");
    assert!(hub.device("pump-3").is_ok());

    browser.click("tbody tr:nth-child(1) a");
    browser.wait_for("h1", "pump-1");
    browser.wait_for(".headline .badge", "Connected");
    browser.press(".actions", "Disable");
    browser.wait_for(".headline .badge", "Disabled");
    browser.wait_for(".reason", "the device was disabled");
    client.expect_close();
    browser.press(".actions", "Enable");
    browser.wait_for(".headline .badge", "Not connected");
    is_content(&browser);
}

#[test]
fn telemetry_is_plotted_line_by_line_paused_and_read_by_pointer_and_keyboard() {
    let Some((hub, browser)) = open() else { return };
    let (device, mut client) = connected(&hub, "d");
    browser.view("#/device/d");
    for (number, t) in [(1, 20.5), (2, 21.25)] {
        let body =
            json!({ "t": t, "motor": { "rpm": 1000 + number }, "name": "x", "axes": [1, 2] });
        send(&mut client, &device, number, &body.to_string());
        // Points that are closer than 100 ms are one.
        std::thread::sleep(std::time::Duration::from_millis(300));
    }
    browser.wait("document.querySelectorAll('.plot').length === 4");
    let names =
        browser.value("[...document.querySelectorAll('.plot .name')].map((one) => one.innerText)");
    assert_eq!(names, json!(["t", "motor.rpm", "axes[0]", "axes[1]"]));
    browser.wait_for(".plot .now", "21.25");
    // Something is drawn in the colour of the line.
    let drawn = "(() => { const canvas = document.querySelector('.plot canvas');
        const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
        let found = 0;
        for (let at = 0; at < data.length; at += 4) if (data[at + 2] > data[at] + 80 && data[at + 3] > 200) found++;
        return found > 10; })()";
    browser.wait(drawn);
    browser.wait(
        "/20.5 to 21.25/.test(document.querySelector('.plot canvas').getAttribute('aria-label'))",
    );

    // The first point is at the left edge.
    browser.point(".plot canvas", -400, 0);
    browser.wait_for(".plot .now", "20.5");
    browser.wait("document.querySelector('.plot .at').innerText !== ''");
    browser.point("h1", 0, 0);
    browser.wait_for(".plot .now", "21.25");
    browser.run("document.querySelector('.plot canvas').focus()", json!([]));
    browser.keys(&[LEFT; 100]);
    browser.wait_for(".plot .now", "20.5");
    browser.run("document.activeElement.blur()", json!([]));

    let panel = "section[aria-label=Telemetry]";
    browser.press(panel, "Pause");
    browser.wait("document.querySelector('section[aria-label=Telemetry] button').getAttribute('aria-pressed') === 'true'");
    send(&mut client, &device, 3, "{\"t\": 99}");
    browser.view("#/device/d/messages");
    browser.wait_for(".message", "99");
    browser.view("#/device/d/live");
    browser.wait_for(".plot .now", "21.25");
    browser.press(panel, "Continue");
    browser.wait_for(".plot .now", "99");
    is_content(&browser);
}

#[test]
fn messages_are_shown_with_properties_and_the_story_with_packets_and_reasons() {
    let Some((hub, browser)) = open() else { return };
    let (device, mut client) = connected(&hub, "d");
    for number in 1..=3 {
        send(&mut client, &device, number, &format!("{{\"n\":{number}}}"));
    }
    let long = "x".repeat(20_000);
    client.send(&publish(&device.events_topic(), Some(4), long.as_bytes()));
    client.expect(&puback(4));
    browser.view("#/device/d/messages");
    browser.wait("document.querySelectorAll('.message').length === 4");
    browser.click(".message:nth-child(2) summary");
    browser.wait_for(".message .detail", "alert");
    let detail = browser.text(".message .detail");
    for part in ["\"n\": 3", "true", "content_type", "application/json"] {
        assert!(detail.contains(part), "{part}: {detail}");
    }
    browser.click(".message:nth-child(1) summary");
    browser.press(".message:nth-child(1)", "Show all 19.5 KB");
    browser
        .wait("document.querySelector('.message:nth-child(1) pre').textContent.length === 20000");
    browser.fill("section[aria-label=Messages] input", "\"n\":2");
    browser.wait("document.querySelectorAll('.message').length === 1");

    browser.view("#/device/d");
    browser.wait_for(".happening.connected", "Connected");
    browser.wait_for(".happening.received", "PUBLISH telemetry");
    browser.wait("[...document.querySelectorAll('.happening.sent')].some((one) => /PUBACK.*× 4/s.test(one.innerText))");
    client.send(&publish("devices/another/messages/events/", Some(5), b""));
    client.expect_close();
    browser.wait_for(".happening.closed", "broke the rules");
    browser.wait_for(".reason", "broke the rules");
    browser.click("#packets");
    browser.wait("getComputedStyle(document.querySelector('.happening.sent')).display === 'none'");
    browser
        .wait("getComputedStyle(document.querySelector('.happening.closed')).display !== 'none'");
    is_content(&browser);
}

#[test]
fn the_twin_is_compared_and_edited_and_a_mistake_is_told_before_it_is_sent() {
    let Some((hub, browser)) = open() else { return };
    let (_, mut client) = connected(&hub, "d");
    let desired = json!({ "same": 1, "interval": 5, "later": true });
    let twin = json!({ "properties": { "desired": desired }, "tags": { "floor": 2 } });
    hub.patch_twin("d", &twin).unwrap();
    client.publish();
    let reported = json!({ "same": 1, "interval": { "value": 10, "ac": 400, "av": 1, "ad": "too fast" }, "own": "x" });
    let topic = "$iothub/twin/PATCH/properties/reported/?$rid=1";
    client.send(&publish(topic, None, reported.to_string().as_bytes()));
    client.publish();
    browser.view("#/device/d/twin");
    let row = |name: &str, text: &str| {
        browser.wait(&format!(
            "[...document.querySelectorAll('.twin tbody tr')].some((row) => row.cells[0].innerText === {} && row.innerText.includes({}))",
            json!(name),
            json!(text)
        ));
    };
    row("same", "same");
    row("interval", "differs");
    row("interval", "400 for version 1, older: too fast");
    row("later", "not reported");
    row("own", "reported only");
    assert_eq!(browser.count(".twin tr.different"), 2);
    browser.wait_for(
        "section[aria-label=Twin]",
        "Desired: version 2 · Reported: version 2",
    );
    browser.click("#different");
    browser.wait("document.querySelectorAll('.twin tbody tr').length === 2");

    let editor = "section[aria-label='Change the twin'] textarea";
    browser.fill(editor, "{\"properties\": {\"desired\": {\"a\": 1,}}}");
    browser.wait_for(".outcome.bad", "line 1, column");
    browser.wait(
        "document.querySelector(\"section[aria-label='Change the twin'] .primary\").disabled",
    );
    browser.fill(editor, "{\"properties\": {\"reported\": {}}}");
    browser.wait_for(".outcome.bad", "properties.reported");
    // What only the hub can know.
    browser.fill(editor, "{\"properties\": {\"desired\": {\"a.b\": 1}}}");
    browser.press("section[aria-label='Change the twin']", "Save");
    browser.wait_for(".outcome.bad", "a.b");
    browser.fill(
        editor,
        "{\"properties\": {\"desired\": {\"interval\": 10, \"later\": null}}}",
    );
    browser.press("section[aria-label='Change the twin']", "Save");
    browser.wait_for(".outcome.good", "version 3");
    let told = client.publish();
    let told: Value = serde_json::from_slice(&told.payload).unwrap();
    assert_eq!(
        told,
        json!({ "interval": 10, "later": null, "$version": 3 })
    );
    let way = browser.labelled("section[aria-label='Change the twin']", "How");
    browser.choose(&way, "PUT");
    browser.fill(editor, "{\"properties\": {\"desired\": {\"only\": 1}}}");
    browser.press("section[aria-label='Change the twin']", "Save");
    browser.wait_for(".outcome.good", "version 4");
    assert_eq!(hub.twin("d").unwrap()["tags"], json!({}));

    // Somebody else changes it while this text is edited.
    browser.press(
        "section[aria-label='Change the twin']",
        "Load the current twin",
    );
    hub.patch_twin("d", &json!({ "properties": { "desired": { "b": 2 } } }))
        .unwrap();
    browser.wait_for(".outcome", "have version 5 now; this text began at 4");
    is_content(&browser);
}

#[test]
fn methods_and_messages_are_sent_from_forms_of_the_model_or_free_ones() {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let Some((hub, browser)) = open_with(|config| config.models = Some(models)) else {
        return;
    };
    let device = Device::create(&hub, "d");
    let mut client = Client::open(&hub);
    let user_name = "localhost/d/?api-version=2021-04-12&model-id=dtmi%3Aazure_device%3ADevice%3B1";
    client.send(&connect(
        "d",
        user_name,
        Some(&device.token(3600)),
        Options::default(),
    ));
    client.expect(&CONNACK_NEW);
    client.send(&subscribe(1, TWIN));
    client.expect(&[0x90, 5, 0, 1, 0, 0, 0]);
    let answer = |client: &mut Client, payload: &str, status: u16, text: &str| {
        let call = client.publish();
        assert_eq!(String::from_utf8(call.payload).unwrap(), payload);
        let (name, request) = call.topic.rsplit_once("/?$rid=").unwrap();
        let topic = format!("$iothub/methods/res/{status}/?$rid={request}");
        client.send(&publish(&topic, None, text.as_bytes()));
        name.rsplit_once('/').unwrap().1.to_owned()
    };
    browser.view("#/device/d/send");
    let blink = "form[aria-label='Call blink']";
    browser.wait(&format!("document.querySelector({})", json!(blink)));
    assert_eq!(browser.count("form.command"), 7);
    let times = browser.labelled(blink, "times");
    browser.fill(&times, "five");
    browser.press(blink, "Call");
    browser.wait_for(".outcome.bad", "times: write a number");
    browser.fill(&times, "5");
    browser.press(blink, "Call");
    assert_eq!(
        answer(&mut client, "{\"times\":5}", 200, "{\"blinked\":true}"),
        "blink"
    );
    browser.wait_for(".answers li", "\"blinked\": true");
    browser.press("form[aria-label='Call indicator*blink']", "Call");
    assert_eq!(answer(&mut client, "{}", 404, ""), "indicator*blink");
    browser.wait_for(".answers li .tag.bad", "indicator*blink: 404");
    browser.press("form[aria-label='Call rollback']", "Call");
    let refused = "{\"error\":\"an update is under way\"}";
    assert_eq!(answer(&mut client, "", 409, refused), "rollback");
    browser.wait_for(".answers li .tag.bad", "rollback: 409");

    let free = "form[aria-label='Call a method by its name']";
    browser.click("details.quiet summary");
    browser.fill(&browser.labelled(free, "Method"), "dance");
    browser.fill(&browser.labelled(free, "Payload"), "{\"steps\": [1, }");
    browser.press(free, "Call");
    browser.wait_for(".outcome.bad", "Payload: This is no JSON at line 1");
    browser.fill(&browser.labelled(free, "Payload"), "{\"steps\": [1, 2.50]}");
    browser.press(free, "Call");
    assert_eq!(
        answer(&mut client, "{\"steps\":[1,2.5]}", 200, "null"),
        "dance"
    );
    browser.wait_for(".answers li .tag.good", "dance: 200");

    let form = "form[aria-label='Send a message']";
    browser.fill(&browser.labelled(form, "Body"), "héllo");
    browser.press(form, "Add a property");
    browser.fill(".pair input:nth-child(1)", "level");
    browser.fill(".pair input:nth-child(2)", "high");
    browser.fill(&browser.labelled(form, "Message id"), "m1");
    browser.fill(&browser.labelled(form, "Content type"), "text/plain");
    browser.choose(&browser.labelled(form, "Feedback"), "full");
    browser.fill(&browser.labelled(form, "Seconds to live"), "60");
    browser.press(form, "Send");
    browser.wait_for(".outcome.good", "Queued, 6 B");
    browser.wait_for("main", "1 message waits");
    client.subscribe_c2d(&device, 1);
    let message = client.publish();
    assert_eq!(message.payload, "héllo".as_bytes());
    for part in [
        "level=high",
        "%24.mid=m1",
        "%24.ct=text%2Fplain",
        "iothub-ack=full",
    ] {
        assert!(message.topic.contains(part), "{part}: {}", message.topic);
    }
    client.send(&puback(message.packet_id.unwrap()));
    browser.wait_for("main", "No message waits");
    drop(client);
    browser.wait_for(".headline .badge", "Not connected");
    browser.press(form, "Send");
    browser.wait_for("main", "1 message waits");
    browser.press(form, "Discard what waits");
    browser.wait_for(".outcome.good", "1 message discarded");
    assert_eq!(hub.pending_c2d("d"), 0);
    browser.press("form[aria-label='Call reboot']", "Call");
    browser.wait_for(".outcome.bad", "not connected");
}

#[test]
fn every_fault_is_injected_by_its_form_and_taken_back() {
    let Some((hub, browser)) = open() else { return };
    let (_, mut client) = connected(&hub, "d");
    hub.create_sas_module("d", "m").unwrap();
    browser.view("#/faults");
    browser.wait_for(".empty", "Nothing is injected");
    browser.press("[data-fault=dropConnection]", "Inject");
    browser.wait_for(".outcome.bad", "Choose a device");
    browser.fill("#target", "d");
    // Every kind that the hub has, as its enum names them.
    let source = include_str!("../src/faults.rs");
    let kinds = source.split("pub enum Fault {").nth(1).unwrap();
    let kinds = kinds.split("\n}\n").next().unwrap();
    let names = kinds.lines().filter_map(|line| {
        let name = line.strip_prefix("    ")?;
        let first = name.chars().next()?;
        let name = name.trim_end_matches([',', '{', ' ']);
        first
            .is_ascii_uppercase()
            .then(|| format!("{}{}", first.to_ascii_lowercase(), &name[1..]))
    });
    let names: Vec<_> = names.collect();
    assert_eq!(names.len(), 9, "{names:?}");
    for name in &names {
        assert_eq!(browser.count(&format!("[data-fault={name}]")), 1, "{name}");
    }
    let inject = |name: &str| browser.press(&format!("[data-fault={name}]"), "Inject");
    let injected = |text: &str| browser.wait_for(".injected li", text);
    browser.choose("[data-fault=refuseConnect] select", "3");
    inject("refuseConnect");
    injected("CONNECT is refused with 3, once");
    browser.fill("[data-fault=delayPuback] input", "50");
    inject("delayPuback");
    injected("PUBACKs come 50 ms late");
    inject("suppressPuback");
    injected("Suppress PUBACKs");
    browser.fill("[data-fault=failTwin] .field:nth-child(1) input", "200");
    inject("failTwin");
    browser.wait_for(".outcome.bad", "status is 429, or 500 to 599");
    browser.fill("[data-fault=failTwin] .field:nth-child(1) input", "500");
    inject("failTwin");
    injected("Requests to the twin fail with 500, once");
    browser.fill("[data-fault=duplicateC2d] input", "4");
    inject("duplicateC2d");
    injected("The next 4 messages come twice");
    browser.press(".injected", "Remove");
    browser.wait_for(".empty", "Nothing is injected");
    inject("halfOpen");
    injected("Leave it half open");
    inject("dropConnection");
    client.expect_close();
    for (fault, reason) in [
        ("takeOver", "the same client connected again"),
        ("expireToken", "token expired"),
    ] {
        let (_, mut client) = match fault {
            "takeOver" => connected(&hub, "e"),
            _ => connected(&hub, "f"),
        };
        browser.fill("#target", if fault == "takeOver" { "e" } else { "f" });
        inject(fault);
        client.expect_close();
        let id = if fault == "takeOver" { "e" } else { "f" };
        assert!(close_reason(&hub, id).contains(reason));
    }
    browser.fill("#target", "d/m");
    inject("duplicateC2d");
    injected("d/m");
    let form = "form[aria-label='Fail a registration']";
    browser.fill(&browser.labelled(form, "Registration id"), "pump-7");
    browser.press(form, "Inject");
    injected("Fails with 429, once");
    hub.inject("d", Fault::SuppressPuback).unwrap();
    injected("Suppress PUBACKs");
}

#[test]
fn the_hub_shows_endpoints_certificates_limits_enrolments_and_registrations() {
    let quota = |config: &mut Config| config.daily_quota = Some(DailyQuota::new(10));
    let Some((hub, browser)) = open_with(quota) else {
        return;
    };
    let certificate = hub.create_x509_ca_device("by-ca").unwrap();
    assert!(!certificate.certificate_pem.is_empty());
    let enrolled = hub.enroll("pump-7", dps::by_keys()).unwrap();
    hub.enroll_group("plant", dps::by_keys()).unwrap();
    browser.view("#/hub");
    browser.wait_for("dd", &hub.endpoint().to_string());
    browser.wait_for("dd", hub.id_scope());
    browser.wait_for("tbody tr", "Root that devices trust (ca.pem)");
    browser.wait_for("tbody tr", "for 179 days");
    browser.wait_for("tbody tr", "CA of devices, uploaded");
    browser.wait_for("main", "0 of 10 messages today");
    browser.wait_for("main", "Nothing is throttled");
    browser.wait_for("tbody tr", "pump-7");
    browser.wait_for("tbody tr", "plant");
    let page = browser.text("main");
    assert!(
        !page.contains(&dps::primary_key(&enrolled)),
        "a key is shown"
    );
    let mut client = dps::registration(&hub, "pump-7", &dps::primary_key(&enrolled));
    dps::provision(&mut client, "pump-7");
    browser.wait_for(".registration summary", "pump-7 is device pump-7 since");
    browser.click(".registration summary");
    browser.wait_for(".registration .happening", "assigning");
    browser.wait_for(".registration .happening", "\"status\":\"assigned\"");
    hub.patch_twin("by-ca", &json!({ "tags": { "a": 1 } }))
        .unwrap();
    browser.wait_for("main", "1 of 10 messages today");
    is_content(&browser);
}

#[test]
fn modules_have_a_view_of_their_own() {
    let Some((hub, browser)) = open() else { return };
    hub.create_sas_device("d").unwrap();
    hub.create_sas_module("d", "motor").unwrap();
    browser.view("#/device/d/modules");
    browser.wait_for("tbody tr", "motor");
    browser.click("tbody a");
    browser.wait_for("h1", "motor");
    browser.view("#/module/d/motor/twin");
    let editor = "section[aria-label='Change the twin'] textarea";
    browser.wait("document.querySelector('textarea')?.value.includes('desired')");
    browser.fill(editor, "{\"properties\": {\"desired\": {\"speed\": 3}}}");
    browser.press("section[aria-label='Change the twin']", "Save");
    browser.wait_for(".twin tbody tr", "speed");
    assert_eq!(
        hub.module_twin("d", "motor").unwrap()["properties"]["desired"]["speed"],
        3
    );
    hub.delete_device("d").unwrap();
    browser.wait_for(".notice", "There is no module with this id");
    is_content(&browser);
}

#[test]
fn the_log_and_the_connections_are_filtered_by_text_and_level() {
    let Some(browser) = Browser::start() else {
        return;
    };
    let state = tempfile::tempdir().unwrap();
    let state = state.path();
    let log = state.join("log");
    let serve = Serve::start_logged(state, "info", &log);
    let text = succeed(state, &["device", "create", "pump-1", "--auth", "sas"]);
    let device = Device::from_connection_string(&text);
    let mut client = serve.open(state);
    client.send(&device.connect(Options::default()));
    client.receive(4);
    client.send(&publish("nowhere", Some(1), b""));
    client.expect_close();
    browser.go(serve.page.as_ref().unwrap());
    browser.view("#/log");
    browser.wait_for(".log .info", "\"pump-1\" connected from");
    browser.wait_for(".log .warn", "the client broke the rules");
    browser.choose(&browser.labelled("main", "Level"), "warn");
    browser.wait("document.querySelectorAll('.log .info').length === 0");
    browser.wait("document.querySelectorAll('.log .warn').length === 1");
    browser.choose(&browser.labelled("main", "Show"), "connections");
    browser.wait_for(".log .warn", "pump-1 the client broke the rules");
    browser.choose(&browser.labelled("main", "Level"), "trace");
    browser.wait("document.querySelectorAll('.log li').length === 2");
    browser.fill(&browser.labelled("main", "Filter"), "KEPT session");
    browser.wait("document.querySelectorAll('.log li').length === 1");
    browser.wait_for(".log .info", "connected");
    browser.fill(&browser.labelled("main", "Filter"), "no such thing");
    browser.wait_for(".empty", "No line matches");
    browser.fill(&browser.labelled("main", "Filter"), "pump");
    browser.click(".log a");
    browser.wait_for("h1", "pump-1");
    is_content(&browser);
}
