//! The page's server: who is let in, and what it tells.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::io::Write;
use std::net::{SocketAddr, TcpStream};

use common::dps;
use common::page::Page;
use common::program::{self, Serve, fail, succeed, value};
use common::*;
use local_hub::{Fault, Hub};
use serde_json::json;

/// A hub with a page.
fn hub_with_page() -> (Hub, Page) {
    let hub = hub_with(|config| config.page = Some(SocketAddr::from(([127, 0, 0, 1], 0))));
    let page = Page::at(&hub.page_address().unwrap());
    (hub, page)
}

const VERSION: &str = "?api-version=2021-04-12";

#[test]
fn every_request_but_for_the_files_needs_the_token_and_is_told_so_in_a_sentence() {
    let (_hub, page) = hub_with_page();
    for path in ["/", "/index.html", "/main.js", "/api.js", "/style.css"] {
        assert_eq!(page.send(&format!("GET {path}"), &[], "").status, 200);
    }
    for line in [
        "GET /api/page/hub".to_owned(),
        "GET /api/page/live/devices".to_owned(),
        "GET /api/page/no-such-thing".to_owned(),
        format!("GET /api/hub/devices{VERSION}"),
        format!("PUT /api/hub/devices/d{VERSION}"),
        format!("GET /api/hub/no-such-thing{VERSION}"),
    ] {
        let reply = page.send(&line, &[], "");
        assert_eq!(reply.status, 401, "{line}");
        assert!(reply.head.contains("www-authenticate: bearer"), "{line}");
        assert!(reply.message().contains("has no token"), "{line}");
        let wrong = format!("Bearer {}", page.token.to_ascii_uppercase());
        let reply = page.send(&line, &[("Authorization", &wrong)], "");
        assert_eq!(reply.status, 401, "{line}");
        assert!(reply.message().contains("not this hub's"), "{line}");
    }
    assert_eq!(page.ask("GET /api/page/hub", "").status, 200);
    assert_eq!(page.ask("GET /api/page/no-such-thing", "").status, 404);
    assert_eq!(page.ask("GET /api/page/ids", "").body, "[]");
}

#[test]
fn a_request_for_another_host_or_a_change_from_another_page_is_refused() {
    let (hub, page) = hub_with_page();
    let token = format!("Bearer {}", page.token);
    let reply = page.send("GET /", &[("Host", "rebound.example")], "");
    assert_eq!(reply.status, 421);
    assert!(reply.message().contains("Host"), "{reply:?}");

    let line = format!("PUT /api/hub/devices/d{VERSION}");
    let put = |origin: &str| {
        let headers = [("Authorization", token.as_str()), ("Origin", origin)];
        page.send(&line, &headers, "{}")
    };
    let reply = put("http://strange.example");
    assert_eq!(reply.status, 403);
    assert!(reply.message().contains("another page"), "{reply:?}");
    assert!(hub.device("d").is_err());
    let own = format!("http://{}", page.authority);
    assert_eq!(put(&own).status, 200);
    assert!(hub.device("d").is_ok());
}

#[test]
fn every_answer_forbids_what_is_inline_and_what_is_not_the_pages_own() {
    let (_hub, page) = hub_with_page();
    for line in ["GET /", "GET /no.js", "POST /", "GET /api/page/hub"] {
        let reply = page.send(line, &[], "");
        for header in [
            "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'",
            "require-trusted-types-for 'script'",
            "x-content-type-options: nosniff",
            "x-frame-options: deny",
            "referrer-policy: no-referrer",
            "cross-origin-resource-policy: same-origin",
            "cache-control: no-store",
        ] {
            assert!(reply.head.contains(header), "{line}: {header}");
        }
        assert!(!reply.head.contains("access-control"), "{line}");
        assert!(!reply.head.contains("set-cookie"), "{line}");
    }
    let html = page.send("GET /", &[], "").body;
    for inline in ["<style", " style=", "<script>", " onclick", "javascript:"] {
        assert!(!html.contains(inline), "{inline}");
    }
    assert_eq!(page.send("POST /", &[], "").status, 405);
}

#[test]
fn the_page_has_the_owners_rights_on_the_operators_interface() {
    let (hub, page) = hub_with_page();
    hub.create_sas_device("d/not").unwrap_err();
    hub.create_sas_device("a+b#c").unwrap();
    let reply = page.ask(&format!("GET /api/hub/devices/a%2Bb%23c{VERSION}"), "");
    assert_eq!(reply.json()["deviceId"], "a+b#c");
    let line = format!("PATCH /api/hub/twins/a%2Bb%23c{VERSION}");
    let reply = page.ask(&line, &json!({ "tags": { "floor": 2 } }).to_string());
    assert_eq!(reply.json()["tags"]["floor"], 2);
    let line = format!("POST /api/hub/faults/a%2Bb%23c{VERSION}");
    let reply = page.ask(&line, r#"{"fault":"dropConnection"}"#);
    assert_eq!(reply.status, 404);
    assert!(reply.message().contains("not connected"), "{reply:?}");
}

#[test]
fn a_device_is_told_with_its_messages_its_twin_and_the_reason_of_its_end() {
    let (hub, page) = hub_with_page();
    let device = Device::create(&hub, "d");
    let mut client = Client::accepted(&hub, &device, Options::default());
    let topic = format!("{}$.ct=application%2Fjson&a=b", device.events_topic());
    client.send(&publish(&topic, Some(1), b"{\"t\": 21.50}"));
    client.expect(&puback(1));

    let mut live = page.live("device?device=d");
    let entry = live.event("device");
    assert_eq!(entry["connected"], true);
    assert_eq!(entry["messages"], 1);
    let told = live.event("messages");
    assert_eq!(told["history"], true);
    let message = &told["messages"][0];
    assert_eq!(message["text"], "{\"t\": 21.50}");
    assert_eq!(message["properties"], json!({ "a": "b" }));
    assert_eq!(message["system"]["content_type"], "application/json");

    let patch = json!({ "properties": { "desired": { "x": 1 } } });
    hub.patch_twin("d", &patch).unwrap();
    let twin = live.event("twin");
    assert_eq!(twin["properties"]["desired"]["x"], 1);

    client.send(&publish("nowhere", Some(2), b""));
    client.expect_close();
    // Both come, in either order.
    let (mut told, mut reason) = (false, None);
    while !told || reason.is_none() {
        match live.next() {
            (name, story) if name == "story" => {
                let mut story = story.as_array().unwrap().iter();
                told |= story.any(|one| one["what"] == "closed");
            }
            (name, entry) if name == "device" => {
                reason = entry["reason"].as_str().map(str::to_owned);
            }
            _ => {}
        }
    }
    let reason = reason.unwrap();
    assert!(reason.contains("broke the rules"), "{reason}");

    hub.delete_device("d").unwrap();
    live.event("gone");
}

#[test]
fn a_page_that_is_slow_is_told_how_many_messages_it_missed() {
    const MESSAGES: u16 = 1500;
    let (hub, page) = hub_with_page();
    let device = Device::create(&hub, "d");
    let mut client = Client::accepted(&hub, &device, Options::default());
    let mut live = page.live("device?device=d");
    live.event("device");
    // Far more than sockets hold, while nobody reads.
    let body = vec![b'x'; 16 * 1024];
    for number in 1..=MESSAGES {
        client.send(&publish(&device.events_topic(), Some(number), &body));
        client.expect(&puback(number));
    }
    let (mut told, mut missed) = (0, 0);
    while told + missed < u64::from(MESSAGES) {
        let data = live.event("messages");
        let messages = data["messages"].as_array().unwrap();
        assert!(data.to_string().len() < 1024 * 1024);
        told += messages.len() as u64;
        missed += data["missed"].as_u64().unwrap();
    }
    assert_eq!(told + missed, u64::from(MESSAGES));
    assert!(missed > 0, "nothing was missed");
}

#[test]
fn the_list_of_devices_is_filtered_limited_and_told_as_it_changes() {
    let (hub, page) = hub_with_page();
    for number in 0..250 {
        hub.create_sas_device(&format!("pump-{number:03}")).unwrap();
    }
    let device = Device::create(&hub, "Fan");
    let mut live = page.live("devices");
    let first = live.event("devices");
    assert_eq!(first["changed"].as_array().unwrap().len(), 200);
    let totals = live.event("totals");
    assert_eq!(
        (&totals["registered"], &totals["shown"]),
        (&json!(251), &json!(200))
    );

    let mut filtered = page.live("devices?filter=fAN&state=disconnected");
    let rows = filtered.event("devices");
    assert_eq!(rows["changed"][0]["id"], "Fan");
    let _client = Client::accepted(&hub, &device, Options::default());
    let rows = filtered.event("devices");
    assert_eq!(rows["gone"], json!(["Fan"]));
    let totals = live.until("totals", |totals| totals["connected"] == 1);
    assert_eq!(totals["matching"], 251);
    assert_eq!(
        page.ask("GET /api/page/live/devices?state=odd", "").status,
        400
    );
}

#[test]
fn what_is_injected_is_told_until_it_is_used_up_or_removed() {
    let (hub, page) = hub_with_page();
    let device = Device::create(&hub, "d");
    let mut live = page.live("faults");
    assert_eq!(
        live.event("faults"),
        json!({ "clients": [], "registrations": [] })
    );
    hub.inject("d", Fault::RefuseConnect { code: 3, times: 1 })
        .unwrap();
    let told = live.event("faults");
    let fault = json!({ "fault": "refuseConnect", "code": 3, "times": 1 });
    assert_eq!(told["clients"], json!([{ "id": "d", "faults": [fault] }]));
    Client::connect(&hub, &device, Options::default());
    assert_eq!(live.event("faults")["clients"], json!([]));

    hub.inject("d", Fault::SuppressPuback).unwrap();
    assert_eq!(
        live.event("faults")["clients"][0]["faults"][0]["fault"],
        "suppressPuback"
    );
    let line = format!("DELETE /api/hub/faults/d{VERSION}");
    assert_eq!(page.ask(&line, "").status, 204);
    assert_eq!(live.event("faults")["clients"], json!([]));
    let _client = Client::accepted(&hub, &device, Options::default());
    hub.inject("d", Fault::HalfOpen).unwrap();
    assert_eq!(
        live.event("faults")["clients"][0]["faults"][0]["fault"],
        "halfOpen"
    );
    hub.fail_registration("r", 429, 2).unwrap();
    let told = live.event("faults");
    assert_eq!(
        told["registrations"],
        json!([{ "id": "r", "status": 429, "times": 2 }])
    );
}

#[test]
fn the_hub_tells_of_itself_and_of_registrations() {
    let (hub, page) = hub_with_page();
    let facts = page.ask("GET /api/page/hub", "").json();
    assert_eq!(facts["endpoints"]["mqtt"], hub.endpoint().to_string());
    assert_eq!(facts["idScope"], hub.id_scope());
    let certificates = facts["certificates"].as_array().unwrap();
    assert!(certificates.len() >= 3);
    for certificate in certificates {
        let [from, until] = ["notBefore", "notAfter"].map(|at| certificate[at].as_i64().unwrap());
        assert!(from < until, "{certificate}");
    }

    let enrolled = hub.enroll("pump-7", dps::by_keys()).unwrap();
    let key = dps::primary_key(&enrolled);
    let mut registering = dps::registration(&hub, "pump-7", &key);
    dps::provision(&mut registering, "pump-7");
    let mut live = page.live("hub");
    let told = live.until("registrations", |told| told["count"] == 1);
    let registration = &told["registrations"][0];
    assert_eq!(registration["id"], "pump-7");
    assert_eq!(registration["assigned"]["deviceId"], "pump-7");
    assert!(
        registration["story"].to_string().contains("assigned"),
        "{registration}"
    );
}

#[test]
fn the_story_of_a_registration_is_there_after_a_kill_and_goes_on() {
    let state = tempfile::tempdir().unwrap();
    let state = state.path();
    let serve = Serve::start(state, &[]);
    let scope = succeed(state, &["dps", "id-scope"]);
    let key = value(
        state,
        &[
            "dps",
            "enrollment",
            "create",
            "--eid",
            "pump-7",
            "--at",
            "symmetricKey",
        ],
    );
    let key = key["attestation"]["symmetricKey"]["primaryKey"]
        .as_str()
        .unwrap();
    let register = |serve: &Serve| {
        let mut client = serve.open(state);
        client.send(&dps::connect_packet(&scope, "pump-7", Some(key)));
        client.expect(&CONNACK_NEW);
        client.send(&subscribe(1, &[(dps::RESPONSES, 1)]));
        client.expect(&[0x90, 3, 0, 1, 1]);
        dps::provision(&mut client, "pump-7");
        client.send(&DISCONNECT);
        client.expect_close();
    };
    let story = |serve: &Serve, count: usize| {
        let mut live = Page::at(serve.page.as_ref().unwrap()).live("hub");
        let of = |told: &serde_json::Value| {
            let story = told["registrations"][0]["story"].as_array();
            story.cloned().unwrap_or_default()
        };
        of(&live.until("registrations", |told| of(told).len() == count))
    };
    register(&serve);
    let before = story(&serve, 4);
    assert!(before[1]["detail"].as_str().unwrap().contains("assigning"));
    assert!(
        before[2]["detail"]
            .as_str()
            .unwrap()
            .contains("\"assigned\"")
    );
    serve.kill();

    let serve = Serve::start(state, &[]);
    assert_eq!(story(&serve, 4), before);
    register(&serve);
    let after = story(&serve, 8);
    assert_eq!(after[..4], before[..]);
    serve.kill();
    // A hub without a page neither shows nor loses it.
    Serve::start(state, &["--page", "off"]).kill();
    let serve = Serve::start(state, &[]);
    assert_eq!(story(&serve, 8), after);
}

#[test]
fn the_page_is_where_it_was_after_a_restart_and_off_if_nobody_wants_it() {
    let state = tempfile::tempdir().unwrap();
    let state = state.path();
    let serve = Serve::start(state, &[]);
    let address = serve.page.clone().unwrap();
    assert_eq!(succeed(state, &["page"]), address);
    serve.kill();
    let serve = Serve::start(state, &[]);
    assert_eq!(serve.page.as_ref(), Some(&address));
    let page = Page::at(&address);
    assert_eq!(page.ask("GET /api/page/hub", "").status, 200);
    drop(serve);
    let serve = Serve::start(state, &["--page", "off"]);
    assert_eq!(serve.page, None);
    assert!(fail(state, &["page"]).contains("--page off"));
}

#[test]
fn the_log_of_the_program_is_told_line_by_line() {
    let state = tempfile::tempdir().unwrap();
    let serve = Serve::start(state.path(), &[]);
    let page = Page::at(serve.page.as_ref().unwrap());
    let mut live = page.live("log");
    let mut stranger = TcpStream::connect(serve.mqtt).unwrap();
    stranger.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let told = live.event("log");
    let line = told["lines"].as_array().unwrap().last().unwrap();
    assert_eq!(line["level"], "warn");
    assert!(line["text"].as_str().unwrap().contains("HTTP"), "{line}");
}

#[test]
fn the_page_is_served_on_a_loopback_address_only() {
    for address in ["0.0.0.0:0", "192.0.2.1:0", "[::]:0"] {
        let state = tempfile::tempdir().unwrap();
        let mut command = program::serve(state.path(), "warn");
        let output = command.args(["--allow-remote", "--page", address]).output();
        let error = String::from_utf8(output.unwrap().stderr).unwrap();
        assert!(error.contains("the page is for browsers"), "{error}");
    }
}
