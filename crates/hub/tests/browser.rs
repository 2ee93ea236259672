//! The page in a real browser: what devices say to harm it, restarts of the hub, its token, every size, the keyboard,
//! and load.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::net::SocketAddr;

use common::browser::{Browser, ENTER, TAB};
use common::open_page::*;
use common::program::{Serve, succeed};
use common::*;
use local_hub::{Config, Fault, Hub};
use serde_json::{Value, json};

/// Text that would act if it became markup, ended an event, or turned the direction of what follows.
const HOSTILE: &str = "</pre><img src=x onerror=\"window.harmed=1\"><script>window.harmed=1</script>\n\nevent: forged\ndata: 1\n\n\u{202e}${window.harmed=1}";

/// The same as a name of a number, which may not be long.
const SHORT: &str = "<img src=x onerror=\"window.harmed=1\">";

#[test]
fn nothing_that_a_device_says_becomes_markup() {
    let Some((hub, browser)) = open() else { return };
    // The registry takes no id with < or >; these are what an id may have at worst.
    let (id, other) = ("a'%(b):=@$?*!,_.-", "c%2F#+?d");
    let (device, mut client) = connected(&hub, id);
    hub.create_sas_device(other).unwrap();
    let mut topic = device.events_topic();
    let escaped: String = HOSTILE.bytes().map(|byte| format!("%{byte:02X}")).collect();
    topic.push_str(&format!(
        "{escaped}={escaped}&$.mid=%3Cb%3E&$.ct=application%2Fjson"
    ));
    let body = json!({ SHORT: 1, "text": HOSTILE, "__proto__": 5, "constructor": 6 }).to_string();
    client.send(&publish(&topic, Some(1), body.as_bytes()));
    client.expect(&puback(1));
    client.send(&publish(&topic, Some(2), HOSTILE.as_bytes()));
    client.expect(&puback(2));
    let reported =
        json!({ "text": HOSTILE, "code": { "value": 1, "ac": 500, "av": 1, "ad": HOSTILE } });
    let patch = "$iothub/twin/PATCH/properties/reported/?$rid=1";
    client.send(&publish(patch, None, reported.to_string().as_bytes()));
    client.publish();
    hub.patch_twin(id, &json!({ "tags": { "text": HOSTILE } }))
        .unwrap();
    // A filter that there is not, which the reason of the end repeats.
    client.send(&subscribe(9, &[(HOSTILE, 0)]));
    client.expect_close();

    let before = browser.count("script, img");
    browser.wait("document.querySelectorAll('tbody tr').length === 2");
    browser.click("tbody tr:nth-child(2) a");
    browser.wait_for("h1", other);
    browser.click(".up");
    browser.wait("document.querySelectorAll('tbody tr').length === 2");
    assert_eq!(browser.text("tbody th"), id);
    browser.click("tbody th a");
    browser.wait("document.querySelector('h1')?.innerText.includes('(b)')");
    assert_eq!(browser.text("h1"), id);
    browser.wait_for(".plot .name", "onerror");
    browser.wait_for(".plot .name", "constructor");
    browser.wait_for(".happening.closed", "onerror");
    let hash = browser.value("location.hash");
    let hash = hash.as_str().unwrap();
    browser.view(&format!("{hash}/messages"));
    browser.wait("document.querySelectorAll('.message').length === 2");
    for row in [1, 2] {
        browser.click(&format!(".message:nth-child({row}) summary"));
    }
    browser.wait_for(".detail dd", "onerror");
    browser.wait_for(".detail pre", "<script>");
    browser.view(&format!("{hash}/twin"));
    browser.wait_for(".twin td", "onerror");
    browser.wait_for("section[aria-label=Twin] pre", "<script>");
    browser.view("#/log");
    browser.wait("document.querySelector('.log')");
    assert_eq!(browser.count("script, img"), before, "markup was made");
    assert_eq!(browser.value("window.harmed ?? null"), Value::Null);
    // What turns the direction of text is written out.
    browser.view(&format!("{hash}/messages"));
    browser.wait("document.querySelectorAll('.message').length === 2");
    let shown = browser.value("document.body.innerText.includes('\\u202e')");
    assert_eq!(shown, json!(false));
    browser.wait_for(".message code", "\\u202e");
    is_content(&browser);
}

#[test]
fn the_page_finds_the_hub_again_after_its_restart_and_shows_what_it_keeps() {
    let Some(browser) = Browser::start() else {
        return;
    };
    let state = tempfile::tempdir().unwrap();
    let state = state.path();
    let serve = Serve::start(state, &[]);
    let text = succeed(state, &["device", "create", "d", "--auth", "sas"]);
    let device = Device::from_connection_string(&text);
    let connect = |serve: &Serve, number: u16| {
        let mut client = serve.open(state);
        client.send(&device.connect(Options::default()));
        client.receive(4);
        send(&mut client, &device, number, &format!("{{\"n\":{number}}}"));
        client
    };
    let first = connect(&serve, 1);
    browser.go(serve.page.as_ref().unwrap());
    browser.wait_for("#live", "Live");
    // The token is not in the address any more.
    browser.wait("!location.href.includes('token')");
    browser.view("#/device/d/messages");
    browser.wait("document.querySelectorAll('.message').length === 1");
    drop(first);
    serve.kill();
    browser.wait_for("#live", "Reconnecting");
    let serve = Serve::start(state, &[]);
    browser.wait_for("#live", "Live");
    let _second = connect(&serve, 2);
    browser.wait("document.querySelectorAll('.message').length === 2");
    browser.wait_for(".message", "{\"n\":2}");
    // A reload needs no token again.
    browser.go(&format!(
        "{}#/devices",
        browser.value("location.origin + '/'").as_str().unwrap()
    ));
    browser.wait_for("tbody tr", "d");
}

#[test]
fn without_its_token_the_page_is_locked_and_shows_nothing() {
    let Some(browser) = Browser::start() else {
        return;
    };
    let page = |config: &mut Config| config.page = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    let hub = hub_with(page);
    hub.create_sas_device("secret-name").unwrap();
    let address = hub.page_address().unwrap();
    let (server, token) = address.split_once("#token=").unwrap();
    browser.go(server);
    browser.wait_for("h1", "This hub is locked");
    browser.fill("#token", "wrong");
    browser.press("main", "Open");
    browser.wait_for("main", "does not take this token");
    assert!(!browser.text("body").contains("secret-name"));
    browser.fill("#token", token);
    browser.press("main", "Open");
    browser.wait_for("tbody tr", "secret-name");
    assert_eq!(browser.value("document.cookie"), json!(""));
    // Another tab gets it from this one.
    browser.new_tab();
    browser.go(server);
    browser.wait_for("tbody tr", "secret-name");
}

const VIEWS: [&str; 10] = [
    "#/devices",
    "#/device/pump-1",
    "#/device/pump-1/messages",
    "#/device/pump-1/twin",
    "#/device/pump-1/send",
    "#/device/pump-1/modules",
    "#/faults/pump-1",
    "#/hub",
    "#/updates",
    "#/log",
];

/// A hub with something to see in every view.
fn open_full() -> Option<(Hub, Browser, Client)> {
    let (hub, browser) = open()?;
    let (device, mut client) = connected(&hub, "pump-1");
    let body = json!({ "temperature": 21.5, "a-long-name-without-any-space-in-it-that-goes-on-and-on": 1 });
    send(&mut client, &device, 1, &body.to_string());
    hub.create_sas_module("pump-1", "motor").unwrap();
    hub.create_sas_device(&"long-".repeat(25)).unwrap();
    let desired =
        json!({ "a-long-name-without-any-space-in-it-that-goes-on-and-on": "x".repeat(300) });
    hub.patch_twin(
        "pump-1",
        &json!({ "properties": { "desired": desired }, "tags": { "a": 1 } }),
    )
    .unwrap();
    hub.enroll("pump-7", dps::by_keys()).unwrap();
    hub.inject("pump-1", Fault::SuppressPuback).unwrap();
    Some((hub, browser, client))
}

fn show(browser: &Browser, view: &str) {
    browser.view(view);
    browser.wait_for("#live", "Live");
    browser.wait("document.querySelector('h1')");
}

#[test]
fn every_view_fits_360_and_1600_pixels_in_dark_and_in_light() {
    let Some((_hub, browser, _client)) = open_full() else {
        return;
    };
    for (width, dark) in [(360, true), (360, false), (1600, true), (1600, false)] {
        browser.size(width, 900);
        browser.dark(dark);
        for view in VIEWS {
            show(&browser, view);
            let wide = browser.value("document.documentElement.scrollWidth");
            assert_eq!(wide, json!(width), "{view}");
            let ground =
                "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)";
            let ground = browser.value(ground);
            let light = ground[0].as_u64().unwrap() > 128;
            assert_eq!(light, !dark, "{view}: {ground}");
        }
    }
    is_content(&browser);
}

#[test]
fn everything_has_a_name_and_is_reached_by_the_keyboard() {
    let Some((_hub, browser, _client)) = open_full() else {
        return;
    };
    for view in VIEWS {
        show(&browser, view);
        let all = "[...document.querySelectorAll('a, button, input, select, textarea, summary, canvas[tabindex], nav, section, table')].filter((one) => one.checkVisibility())";
        for element in browser.value(all).as_array().unwrap() {
            let (role, name) = browser.accessible(element);
            let named = !name.trim().is_empty() || role == "table";
            assert!(named, "{view}: a {role} has no name: {element}");
        }
        assert_eq!(browser.count("h1"), 1, "{view}");
        let ids = "[...document.querySelectorAll('[id]')].map((one) => one.id)";
        let ids = browser.value(ids);
        let ids: Vec<_> = ids.as_array().unwrap().iter().collect();
        let unique: std::collections::HashSet<_> = ids.iter().map(|id| id.as_str()).collect();
        assert_eq!(ids.len(), unique.len(), "{view}: {ids:?}");
    }
    // From the list to a device's twin, without a pointer.
    show(&browser, "#/devices");
    browser.run(
        "document.activeElement.blur(); document.getElementById('filter').focus()",
        json!([]),
    );
    let focused = || browser.value("document.activeElement.innerText");
    let tab_to = |name: &str| {
        for _ in 0..40 {
            if focused() == json!(name) {
                return;
            }
            browser.keys(&[TAB]);
        }
        panic!("{name:?} is not reached");
    };
    tab_to("pump-1");
    browser.keys(&[ENTER]);
    browser.wait_for("h1", "pump-1");
    tab_to("Twin");
    let ring = browser.value("getComputedStyle(document.activeElement).outlineStyle");
    assert_eq!(ring, json!("solid"));
    browser.keys(&[ENTER]);
    browser.wait("document.querySelector('.twin')");
}

#[test]
fn a_page_that_nobody_sees_holds_no_connection_and_misses_nothing() {
    let Some((hub, browser)) = open() else { return };
    let (device, mut client) = connected(&hub, "d");
    browser.view("#/device/d/messages");
    browser.wait_for("#live", "Live");
    // As the browser says when another tab is in front.
    let front = |hidden: bool| {
        let script = "Object.defineProperty(document, 'hidden', { value: arguments[0], configurable: true });
            document.dispatchEvent(new Event('visibilitychange'));";
        browser.run(script, json!([hidden]));
    };
    front(true);
    browser.wait_for("#live", "Paused");
    send(&mut client, &device, 1, "{\"n\":1}");
    browser.run(
        "return new Promise((done) => setTimeout(done, 1000))",
        json!([]),
    );
    assert_eq!(browser.count(".message"), 0);
    front(false);
    browser.wait_for("#live", "Live");
    browser.wait_for(".message", "{\"n\":1}");
}

/// Devices that are connected while the page is looked at.
const DEVICES: usize = 200;

#[test]
fn two_hundred_devices_and_a_hundred_messages_a_second_do_not_make_the_page_grow() {
    let Some((hub, browser)) = open() else { return };
    let mut all: Vec<_> = (0..DEVICES)
        .map(|number| {
            let device = Device::create(&hub, &format!("pump-{number:03}"));
            let client = Client::accepted(&hub, &device, Options::default());
            (device, client)
        })
        .collect();
    browser.wait_for(".totals", "200 devices · 200 connected");
    let mut number = 0_u16;
    // Of all devices in turn, or of one.
    let mut send_for = |seconds: u16, one: bool| {
        for _ in 0..seconds * 10 {
            for _ in 0..10 {
                number = number % 60_000 + 1;
                let at = if one {
                    0
                } else {
                    usize::from(number) % DEVICES
                };
                let (device, client) = &mut all[at];
                let t = 20 + number % 7;
                send(
                    client,
                    device,
                    number,
                    &format!("{{\"t\":{t},\"n\":{number}}}"),
                );
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        number
    };
    send_for(3, false);
    let (heap, nodes) = (browser.heap(), browser.count("*"));
    send_for(8, false);
    assert!(browser.count("*") <= nodes + 10, "elements grow");
    let grown = browser.heap().saturating_sub(heap);
    assert!(grown < 1024 * 1024, "the list takes {grown} bytes more");

    browser.view("#/device/pump-000");
    browser.wait("document.querySelectorAll('.plot').length === 2");
    send_for(4, true);
    browser.view("#/device/pump-000/messages");
    browser.wait("document.querySelectorAll('.message').length === 200");
    let (heap, nodes) = (browser.heap(), browser.count("*"));
    let last = send_for(10, true);
    browser.wait_for(".message:first-child", &format!("\"n\":{last}}}"));
    assert_eq!(browser.count(".message"), 200);
    assert!(browser.count("*") <= nodes + 10, "elements grow");
    let grown = browser.heap().saturating_sub(heap);
    // A thousand messages of 30 bytes are 80 points of two lines, each of four numbers.
    assert!(grown < 1024 * 1024, "a device takes {grown} bytes more");
    is_content(&browser);
}
