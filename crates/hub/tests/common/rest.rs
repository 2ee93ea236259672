//! HTTP/1.1 over TLS in plain text.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "every test file uses another part"
)]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use local_hub::Hub;
use rustls::{ClientConnection, StreamOwned};
use serde_json::Value;
use tokio_rustls::rustls;

use super::{PATIENCE, client_config, token};

/// The token of a policy for the hub.
pub fn authorization(hub: &Hub, policy: &str) -> String {
    let text = hub.service_connection_string(policy).unwrap();
    let key = text.split_once("SharedAccessKey=").unwrap().1;
    let resource = format!("localhost:{}", hub.operator_endpoint().port());
    format!("{}&skn={policy}", token(&resource, key, 3600))
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    /// Status line and headers, in lower case.
    pub head: String,
    pub body: Value,
    /// Status line and headers, as they were sent.
    sent: String,
}

impl Reply {
    /// The ETag header, quotes included.
    pub fn etag(&self) -> String {
        self.header("etag").unwrap().to_owned()
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.sent.lines().find_map(|line| {
            let (given, value) = line.split_once(':')?;
            given.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// Sends these bytes on a connection of its own; gives what comes until the hub closes.
pub fn raw_text(hub: &Hub, bytes: &[u8]) -> String {
    let tcp = TcpStream::connect(hub.operator_endpoint()).unwrap();
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    let config = Arc::new(client_config(hub.ca_pem(), None));
    let connection = ClientConnection::new(config, "localhost".try_into().unwrap()).unwrap();
    let mut stream = StreamOwned::new(connection, tcp);
    // The hub may close before it has read everything, and without close_notify.
    let _ = stream.write_all(bytes).and_then(|()| stream.flush());
    let mut answer = Vec::new();
    let ended = stream.read_to_end(&mut answer);
    if let Err(error) = ended {
        assert!(
            !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
            "the hub did not close"
        );
    }
    String::from_utf8(answer).unwrap()
}

/// The same; there must be an answer.
pub fn raw(hub: &Hub, bytes: &[u8]) -> Reply {
    let answer = raw_text(hub, bytes);
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no answer: {answer:?}"));
    Reply {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        sent: head.to_owned(),
        head: head.to_ascii_lowercase(),
        body: serde_json::from_str(body).unwrap_or(Value::Null),
    }
}

/// One request on a connection of its own.
pub fn request(hub: &Hub, line: &str, headers: &[(&str, &str)], body: Option<Value>) -> Reply {
    let body = body.map(|body| body.to_string()).unwrap_or_default();
    let mut text = format!(
        "{line} HTTP/1.1\r\nHost: localhost:{}\r\nConnection: close\r\nContent-Length: {}\r\n",
        hub.operator_endpoint().port(),
        body.len()
    );
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        text.push_str("Content-Type: application/json\r\n");
    }
    raw(hub, format!("{text}\r\n{body}").as_bytes())
}

/// A request by the hub's owner; api-version is added.
pub fn as_owner(hub: &Hub, line: &str, body: Option<Value>) -> Reply {
    as_owner_with(hub, line, &[], body)
}

/// The same with more headers.
pub fn as_owner_with(
    hub: &Hub,
    line: &str,
    headers: &[(&str, &str)],
    body: Option<Value>,
) -> Reply {
    let joint = if line.contains('?') { "&" } else { "?" };
    let line = format!("{line}{joint}api-version=2021-04-12");
    let token = authorization(hub, "iothubowner");
    let headers = [&[("Authorization", token.as_str())][..], headers].concat();
    request(hub, &line, &headers, body)
}
