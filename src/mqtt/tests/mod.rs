//! The session against scripted servers. Packets are written out in bytes, so that no codec can agree with
//! itself.

#![allow(clippy::unwrap_used)]

mod backlog;
mod connect;
mod deliveries;
mod inbound;
mod keepalive;
mod model;
mod outbox;
mod random;
mod subscribe;

use std::format;
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

use super::*;
use crate::time::Instant;

/// CONNACK: accepted, no stored session.
const CONNACK: &[u8] = &[0x20, 2, 0, 0];

/// A session over leaked buffers, a clock, and the server's end of the wire.
struct Bench {
    session: Session<'static>,
    now: Instant,
    /// The payloads of large messages, one behind the other.
    pieces: Vec<u8>,
}

impl Bench {
    fn new(config: Config) -> Self {
        Self::sized(config, 256, 1024, 512)
    }

    fn sized(config: Config, receive: usize, transmit: usize, outbox: usize) -> Self {
        let buffers = Buffers {
            receive: vec![0; receive].leak(),
            transmit: vec![0; transmit].leak(),
            outbox: vec![0; outbox].leak(),
        };
        Self {
            session: Session::new(config, buffers).unwrap(),
            now: Instant::from_millis(1_000),
            pieces: Vec::new(),
        }
    }

    /// With an accepted connection, its CONNECT already read.
    fn connected(config: Config) -> Self {
        let mut bench = Self::new(config);
        bench.connect();
        bench
    }

    fn connect(&mut self) {
        self.session.connect(self.now, &CONNECT).unwrap();
        self.sent();
        assert_eq!(
            self.feed(CONNACK),
            [Event::Connected {
                session_present: false
            }]
        );
    }

    /// Everything that the session has to send, taken by the transport at once.
    fn sent(&mut self) -> Vec<u8> {
        let mut sent = Vec::new();
        loop {
            let bytes = self.session.transmit();
            if bytes.is_empty() {
                return sent;
            }
            sent.extend_from_slice(bytes);
            let n = bytes.len();
            self.session.transmitted(n, self.now);
        }
    }

    /// Bytes from the server, and the events that they cause, but for the pieces of large messages.
    fn feed(&mut self, bytes: &[u8]) -> Vec<Event> {
        self.try_feed(bytes).unwrap()
    }

    fn try_feed(&mut self, mut bytes: &[u8]) -> Result<Vec<Event>, Error> {
        let mut events = Vec::new();
        loop {
            let space = self.session.receive_buffer();
            let n = space.len().min(bytes.len());
            space[..n].copy_from_slice(&bytes[..n]);
            bytes = &bytes[n..];
            self.session.received(n, self.now);
            while let Some(event) = self.session.poll(self.now)? {
                match event {
                    Event::Piece => self.pieces.extend(self.session.piece()),
                    event => events.push(event),
                }
            }
            if bytes.is_empty() {
                return Ok(events);
            }
            assert!(n > 0, "the session stopped reading");
        }
    }

    fn wait(&mut self, duration: Duration) {
        self.now = self.now.after(duration);
    }
}

const CONNECT: Connect<'static> = Connect {
    client_id: "dev",
    user_name: "host/dev/?v=1",
    password: Some(b"token"),
    clean_session: false,
    will: None,
};

/// A PUBLISH packet as a server writes it.
fn publish(first: u8, topic: &str, id: Option<u16>, payload: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend_from_slice(&u16::try_from(topic.len()).unwrap().to_be_bytes());
    body.extend_from_slice(topic.as_bytes());
    if let Some(id) = id {
        body.extend_from_slice(&id.to_be_bytes());
    }
    body.extend_from_slice(payload);
    let mut packet = vec![first];
    let mut length = body.len();
    loop {
        let byte = u8::try_from(length % 128).unwrap();
        length /= 128;
        packet.push(if length > 0 { byte | 0x80 } else { byte });
        if length == 0 {
            break;
        }
    }
    packet.extend_from_slice(&body);
    packet
}

/// Topic and payload of the messages among `events`.
fn messages(events: &[Event]) -> Vec<(String, Vec<u8>)> {
    let message = |event: &Event| match event {
        Event::Message(message) => Some((message.topic().into(), message.payload().into())),
        _ => None,
    };
    events.iter().filter_map(message).collect()
}
