//! A client of WebSocket made of bytes (RFC 6455), over the operator's port.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "every test file uses another part"
)]
#![allow(clippy::unwrap_used, reason = "tests")]

use local_hub::{DeviceCertificate, Hub};

use super::*;

/// The example of RFC 6455, section 1.3.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

pub const BINARY: u8 = 2;
pub const TEXT: u8 = 1;
pub const PING: u8 = 9;

/// A connection whose bytes are those of MQTT.
pub struct WebSocket {
    client: Client,
    unread: Vec<u8>,
}

/// The head of a request for a WebSocket.
pub fn upgrade(path: &str, protocol: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Protocol: {protocol}\r\n\r\n"
    )
}

impl WebSocket {
    pub fn open(hub: &Hub, path: &str, certificate: Option<&DeviceCertificate>) -> Self {
        let config = client_config(hub.ca_pem(), certificate);
        let mut client = Client::open_with(hub.operator_endpoint(), config);
        client.send(upgrade(path, "mqtt").as_bytes());
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.extend(client.receive(1));
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        let accept = format!("sec-websocket-accept: {ACCEPT}\r\n");
        assert!(head.contains(&accept), "{head}");
        assert!(head.contains("sec-websocket-protocol: mqtt\r\n"), "{head}");
        Self {
            client,
            unread: Vec::new(),
        }
    }

    /// Sends a masked message.
    pub fn message(&mut self, kind: u8, bytes: &[u8]) {
        const MASK: [u8; 4] = [1, 2, 3, 4];
        let mut frame = vec![0x80 | kind];
        match u16::try_from(bytes.len()).unwrap() {
            short @ ..126 => frame.push(0x80 | u8::try_from(short).unwrap()),
            long => {
                frame.push(0x80 | 126);
                frame.extend(long.to_be_bytes());
            }
        }
        frame.extend(MASK);
        frame.extend(bytes.iter().zip(MASK.iter().cycle()).map(|(b, m)| b ^ m));
        self.client.send(&frame);
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.message(BINARY, bytes);
    }

    /// A message from the hub: its kind and its bytes.
    pub fn next(&mut self) -> (u8, Vec<u8>) {
        let head = self.client.receive(2);
        let length = match head[1] {
            126 => u16::from_be_bytes(self.client.receive(2).try_into().unwrap()).into(),
            short => usize::from(short),
        };
        (head[0] & 0x0f, self.client.receive(length))
    }

    /// Exactly these bytes of MQTT.
    pub fn expect(&mut self, bytes: &[u8]) {
        while self.unread.len() < bytes.len() {
            let (kind, more) = self.next();
            assert_eq!(kind, BINARY, "{more:02x?}");
            self.unread.extend(more);
        }
        let rest = self.unread.split_off(bytes.len());
        assert_eq!(self.unread, bytes);
        self.unread = rest;
    }

    /// The hub closes, perhaps without saying so.
    pub fn expect_end(mut self) {
        if let Some(head) = self.client.try_receive(2) {
            assert_eq!(head[0] & 0x0f, 8);
            self.client.try_receive(usize::from(head[1]));
        }
        self.client.expect_close();
    }

    /// The hub says that it closes, and closes.
    pub fn expect_close(mut self) {
        let (kind, _) = self.next();
        assert_eq!(kind, 8);
        self.client.expect_close();
    }
}
