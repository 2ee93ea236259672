//! A hub whose page is open in a browser, and devices for it.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "every test file uses another part"
)]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::net::SocketAddr;

use local_hub::{Config, Hub};

use super::browser::Browser;
use super::*;

pub const TWIN: &[(&str, u8)] = &[
    ("$iothub/twin/res/#", 0),
    ("$iothub/twin/PATCH/properties/desired/#", 0),
    ("$iothub/methods/POST/#", 0),
];

/// A hub with a page, which is open in a browser; `None` without one.
pub fn open_with(configure: impl FnOnce(&mut Config)) -> Option<(Hub, Browser)> {
    let browser = Browser::start()?;
    let hub = hub_with(|config| {
        config.page = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
        configure(config);
    });
    browser.go(&hub.page_address().unwrap());
    Some((hub, browser))
}

pub fn open() -> Option<(Hub, Browser)> {
    open_with(|_| {})
}

/// A device that is connected and has subscribed.
pub fn connected(hub: &Hub, id: &str) -> (Device, Client) {
    let device = Device::create(hub, id);
    let mut client = Client::accepted(hub, &device, Options::default());
    client.send(&subscribe(1, TWIN));
    client.expect(&[0x90, 5, 0, 1, 0, 0, 0]);
    (device, client)
}

pub fn send(client: &mut Client, device: &Device, number: u16, body: &str) {
    let topic = format!(
        "{}$.ct=application%2Fjson&alert=true",
        device.events_topic()
    );
    client.send(&publish(&topic, Some(number), body.as_bytes()));
    client.expect(&puback(number));
}

/// Nothing was refused by the content policy, and no script failed.
pub fn is_content(browser: &Browser) {
    let mut complaints = browser.complaints();
    // What the hub refuses, the page tells.
    complaints.retain(|one| !(one.contains("/api/") && one.contains("status of 4")));
    assert!(complaints.is_empty(), "{complaints:#?}");
}
