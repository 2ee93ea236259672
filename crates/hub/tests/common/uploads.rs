//! Requests of a device that uploads a file.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "every test file uses another part"
)]
#![allow(clippy::unwrap_used, reason = "tests")]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use local_hub::Hub;
use serde_json::{Value, json};

use super::Device;
use super::rest::{Reply, raw, raw_text};

pub const VERSION: &str = "api-version=2021-04-12";

/// A request with the device's own token.
pub fn ask(hub: &Hub, device: &Device, line: &str, body: &Value) -> Reply {
    let token = device.token(3600);
    let joint = if line.contains('?') { "&" } else { "?" };
    let body = body.to_string();
    let text = format!(
        "{line}{joint}{VERSION} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: {token}\r\n\
         Content-Type: application/json; charset=utf-8\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    raw(hub, text.as_bytes())
}

/// A place for a file.
pub struct Place {
    pub correlation: String,
    /// Path and query.
    pub address: String,
}

pub fn begin(hub: &Hub, device: &Device, name: &str) -> Place {
    let line = format!("POST /devices/{}/files", device.id);
    let reply = ask(hub, device, &line, &json!({ "blobName": name }));
    assert_eq!(reply.status, 200, "{reply:?}");
    let part = |name: &str| reply.body[name].as_str().unwrap().to_owned();
    let port = hub.operator_endpoint().port();
    assert_eq!(part("hostName"), format!("localhost:{port}"));
    assert_eq!(part("blobName"), format!("{}/{name}", device.id));
    let address = format!(
        "/{}/{}{}",
        part("containerName"),
        part("blobName").replace(' ', "%20"),
        part("sasToken")
    );
    Place {
        correlation: part("correlationId"),
        address,
    }
}

/// A request for the storage account; a body is text.
pub fn store(
    hub: &Hub,
    method: &str,
    address: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> String {
    let mut text = format!(
        "{method} {address} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    raw_text(hub, format!("{text}\r\n{body}").as_bytes())
}

pub const BLOCK_BLOB: (&str, &str) = ("x-ms-blob-type", "BlockBlob");

pub fn put(hub: &Hub, place: &Place, body: &str) -> String {
    let headers = [BLOCK_BLOB, ("Content-Type", "text/plain")];
    store(hub, "PUT", &place.address, &headers, body)
}

pub fn put_block(hub: &Hub, place: &Place, id: &str, body: &str) -> String {
    let id = STANDARD.encode(id).replace('=', "%3D").replace('+', "%2B");
    let address = format!("{}&comp=block&blockid={id}", place.address);
    store(hub, "PUT", &address, &[], body)
}

pub fn put_list(hub: &Hub, place: &Place, ids: &[&str]) -> String {
    let ids = ids
        .iter()
        .map(|id| format!("<Latest>{}</Latest>", STANDARD.encode(id)));
    let xml = format!(
        "<?xml version=\"1.0\"?><BlockList>{}</BlockList>",
        ids.collect::<String>()
    );
    let address = format!("{}&comp=blocklist", place.address);
    let headers = [
        ("Content-Type", "application/xml"),
        ("x-ms-blob-content-type", "text/csv"),
    ];
    store(hub, "PUT", &address, &headers, &xml)
}

pub fn read(hub: &Hub, place: &Place) -> String {
    let reply = store(hub, "GET", &place.address, &[], "");
    assert!(reply.starts_with("HTTP/1.1 200"), "{reply}");
    reply.split_once("\r\n\r\n").unwrap().1.to_owned()
}

pub fn code(reply: &str) -> &str {
    let code = reply
        .split_once("<Code>")
        .and_then(|(_, rest)| rest.split_once("</Code>"));
    code.unwrap_or_else(|| panic!("{reply}")).0
}
