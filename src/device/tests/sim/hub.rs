//! The simulated hub: its behaviour, its log, and its answers to packets.

use core::time::Duration;
use std::collections::VecDeque;
use std::string::String;
use std::vec::Vec;

use super::link::Link;
use super::{BEGIN, message};
use crate::failure::ConnectError;

/// Behaviour of the simulated hub.
#[derive(Debug)]
pub(crate) struct Hub {
    /// Answers to the next CONNECTs; 0 when there are none.
    pub(crate) connacks: VecDeque<u8>,
    /// Errors of the next connection attempts, in order.
    pub(crate) connect_errors: VecDeque<ConnectError>,
    /// Times during which connections to a host fail.
    pub(crate) unreachable: Vec<Unreachable>,
    /// Connections are closed by the hub after this time.
    pub(crate) drops_after: Option<Duration>,
    /// Times, in milliseconds, at which the hub goes away, and at which it is back.
    pub(crate) outages: Vec<(u64, u64)>,
    /// Time after which they are.
    pub(crate) puback_delay: Duration,
    /// Connections are closed by the hub after one message.
    pub(crate) drops_after_message: bool,
    /// True if QoS 1 messages are acknowledged.
    pub(crate) acknowledges: bool,
    /// Starts of filters that it grants no subscription to.
    pub(crate) ungranted: Vec<&'static str>,
    /// The id that it expects.
    pub(crate) client_id: &'static str,
    /// True if it expects clients to want a persistent session.
    pub(crate) keeps_sessions: bool,
    /// Cuts a connection at its token's expiry plus 300 s, and refuses expired tokens, by the hub's clock.
    pub(crate) checks_expiry: bool,
    /// Answers to the next requests about the twin or a registration: status, the rest of the topic's query, and the body.
    pub(crate) answers: VecDeque<(u16, String, String)>,
    /// Answers of the provisioning service to the next operations: a part of the topic, status, the rest of the query,
    /// and the body. Status 0 is none.
    pub(crate) service: Vec<(&'static str, u16, &'static str, String)>,
    /// Desired properties of the twin that is given when `answers` has nothing; empty for none.
    pub(crate) desired: String,
    /// Their version.
    pub(crate) version: u64,
    /// True if requests about the twin are answered when `answers` has nothing for them.
    pub(crate) serves_twin: bool,
    /// The most bytes that one read gives.
    pub(crate) piece: usize,
    /// Sent straight after CONNACK.
    pub(crate) after_connack: VecDeque<Vec<u8>>,
    pub(crate) log: Log,
}

/// A time during which connections to a host fail.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unreachable {
    /// Of which host; empty is every host.
    pub(crate) host_name: &'static str,
    /// In milliseconds.
    pub(crate) from: u64,
    pub(crate) until: u64,
    pub(crate) error: ConnectError,
}

/// Events that the hub saw.
#[derive(Debug, Default)]
pub(crate) struct Log {
    /// The host of each of `attempts`.
    pub(crate) hosts: Vec<String>,
    /// Times of connection attempts, in milliseconds.
    pub(crate) attempts: Vec<u64>,
    /// User name and password of each CONNECT.
    pub(crate) connects: Vec<(String, String)>,
    /// `count` member of each telemetry message, with its DUP flag, as stored.
    pub(crate) stored: Vec<(u64, bool)>,
    /// Topic and payload of QoS 0 messages: requests and responses.
    pub(crate) requests: Vec<(String, String)>,
    /// Topic filters that the device subscribed to.
    pub(crate) filters: Vec<String>,
    /// Topics of telemetry messages.
    pub(crate) topics: Vec<String>,
    /// Packet ids of PUBACKs from the device.
    pub(crate) pubacks: Vec<u16>,
    pub(crate) disconnects: usize,
    /// Connections that ended without DISCONNECT.
    pub(crate) broken: usize,
}

/// A field with a 16-bit length before it, from the front of `bytes`.
fn take_field<'a>(bytes: &mut &'a [u8]) -> &'a [u8] {
    let length = usize::from(u16::from_be_bytes([bytes[0], bytes[1]]));
    let field = &bytes[2..2 + length];
    *bytes = &bytes[2 + length..];
    field
}

impl Hub {
    pub(super) fn new() -> Self {
        Self {
            connacks: VecDeque::new(),
            connect_errors: VecDeque::new(),
            unreachable: Vec::new(),
            drops_after: None,
            outages: Vec::new(),
            puback_delay: Duration::ZERO,
            drops_after_message: false,
            ungranted: Vec::new(),
            acknowledges: true,
            client_id: "MyDevice01",
            keeps_sessions: true,
            checks_expiry: true,
            answers: VecDeque::new(),
            service: Vec::new(),
            desired: String::new(),
            version: 1,
            serves_twin: false,
            piece: usize::MAX,
            after_connack: VecDeque::new(),
            log: Log::default(),
        }
    }

    /// Answers a packet from the device.
    pub(super) fn handle(&mut self, link: &mut Link, packet: &[u8]) {
        let body = &packet[1..];
        match packet[0] >> 4 {
            1 => self.connect(link, body),
            3 => self.publish(link, packet[0], body),
            4 => self
                .log
                .pubacks
                .push(u16::from_be_bytes([body[0], body[1]])),
            8 => self.subscribe(link, body),
            12 => link.to_device.extend([0xd0, 0]),
            14 => {
                self.log.disconnects += 1;
                link.said_goodbye = true;
            }
            other => panic!("a client does not send packet type {other}"),
        }
    }

    fn connect(&mut self, link: &mut Link, mut body: &[u8]) {
        assert_eq!(take_field(&mut body), b"MQTT");
        let (level, flags) = (body[0], body[1]);
        let clean = if self.keeps_sessions { 0 } else { 2 };
        assert_eq!((level, flags & 0x3f), (4, clean), "3.1.1, no will");
        body = &body[4..];
        assert_eq!(take_field(&mut body), self.client_id.as_bytes());
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
        let user_name = text(take_field(&mut body));
        let password = if flags & 0x40 == 0 {
            String::new()
        } else {
            text(take_field(&mut body))
        };
        let expiry: Option<u64> = password
            .split("&se=")
            .nth(1)
            .map(|rest| rest.split('&').next().unwrap_or_default())
            .map(|se| se.parse().expect("a number"));
        let now = self.log.attempts.last().copied().unwrap_or_default();
        let end = expiry.map(|se| (se + 300) * 1000);
        let cut = end.map(|end| end.saturating_sub(BEGIN * 1000));
        let expired = self.checks_expiry && end.is_some_and(|end| end < BEGIN * 1000 + now);
        self.log.connects.push((user_name, password));
        let code = self
            .connacks
            .pop_front()
            .unwrap_or(if expired { 5 } else { 0 });
        link.to_device.extend([0x20, 2, 0, code]);
        if code != 0 {
            link.ended = true;
        } else if self.checks_expiry {
            link.cut_at = [link.cut_at, cut].into_iter().flatten().min();
        }
        if let Some(bytes) = self.after_connack.pop_front() {
            link.to_device.extend(bytes);
        }
    }

    /// Grants filters at the quality of service that was asked for.
    fn subscribe(&mut self, link: &mut Link, body: &[u8]) {
        let (id, mut filters) = body.split_at(2);
        let mut granted = Vec::new();
        while !filters.is_empty() {
            let filter = String::from_utf8(take_field(&mut filters).to_vec()).expect("UTF-8");
            let refused = self.ungranted.iter().any(|start| filter.starts_with(start));
            granted.push(if refused { 0x80 } else { filters[0] });
            filters = &filters[1..];
            self.log.filters.push(filter);
        }
        let length = u8::try_from(2 + granted.len()).expect("few filters");
        link.to_device
            .extend([&[0x90, length], id, &granted].concat());
    }

    fn request(&mut self, link: &mut Link, topic: String, body: &[u8]) {
        let query = topic.split("$rid=").nth(1).expect("a request id");
        let id = query.split('&').next().unwrap_or_default();
        let responses = match topic.as_str() {
            topic if topic.starts_with("$iothub/twin/") => Some("$iothub/twin/res"),
            topic if topic.starts_with("$dps/") => Some("$dps/registrations/res"),
            _ => None,
        };
        if let Some(responses) = responses
            && let Some((status, query, answer)) = self
                .answer_of_service(&topic)
                .or_else(|| self.answers.pop_front())
                .or_else(|| self.usual_answer(&topic))
            && status > 0
        {
            let topic = std::format!("{responses}/{status}/?$rid={id}{query}");
            link.to_device.extend(message(&topic, &answer));
        }
        let body = String::from_utf8(body.to_vec()).expect("UTF-8");
        self.log.requests.push((topic, body));
    }

    /// The next answer to this operation.
    fn answer_of_service(&mut self, topic: &str) -> Option<(u16, String, String)> {
        let is_own = |(part, ..): &(&str, u16, &str, String)| topic.contains(part);
        let place = self.service.iter().position(is_own)?;
        let (_, status, query, body) = self.service.remove(place);
        Some((status, query.into(), body))
    }

    /// A deployment that is told is in the twin from then on.
    pub(super) fn desire(&mut self, topic: &str, body: &str) {
        let inner = body
            .strip_prefix('{')
            .and_then(|rest| rest.rsplit_once(",\"$version\":"));
        if topic.starts_with("$iothub/twin/PATCH/properties/desired/")
            && let Some((inner, _)) = inner.filter(|(inner, _)| inner.contains("deviceUpdate"))
        {
            self.version += 1;
            self.desired = inner.into();
        }
    }

    /// The twin with what is desired, or that a patch was taken.
    fn usual_answer(&self, topic: &str) -> Option<(u16, String, String)> {
        let comma = if self.desired.is_empty() { "" } else { "," };
        let desired = std::format!("{}{comma}\"$version\":{}", self.desired, self.version);
        let twin = std::format!("{{\"desired\":{{{desired}}},\"reported\":{{\"$version\":1}}}}");
        if !self.serves_twin {
            None
        } else if topic.starts_with("$dps/") {
            let body = match topic {
                topic if topic.contains("iotdps-register") => {
                    r#"{"operationId":"1","status":"assigned","registrationState":{"assignedHub":
                    "contoso.azure-devices.net","deviceId":"MyDevice01","status":"assigned"}}"#
                }
                topic if topic.contains("report") => "{}",
                _ => r#"{"agentInfoEtag":"a1","serviceConfigEtag":"c1","updateMetadata":null}"#,
            };
            Some((200, String::new(), body.into()))
        } else if topic.starts_with("$iothub/twin/GET/") {
            Some((200, String::new(), twin))
        } else {
            Some((204, String::new(), String::new()))
        }
    }

    fn publish(&mut self, link: &mut Link, header: u8, mut body: &[u8]) {
        let topic = String::from_utf8(take_field(&mut body).to_vec()).expect("UTF-8");
        if header & 0b110 == 0 {
            return self.request(link, topic, body);
        }
        assert_eq!(header & 0b110, 0b010, "QoS 1");
        let id = [body[0], body[1]];
        let payload = core::str::from_utf8(&body[2..]).expect("UTF-8");
        let count = payload.split("\"count\":").nth(1).expect("a count");
        let count: String = count.chars().take_while(char::is_ascii_digit).collect();
        if self.acknowledges {
            self.log.topics.push(topic);
            self.log
                .stored
                .push((count.parse().expect("a number"), header & 8 != 0));
            let puback = [0x40, 2, id[0], id[1]];
            match self.puback_delay {
                Duration::ZERO => link.to_device.extend(puback),
                delay => link
                    .pubacks
                    .push_back((link.now + delay.as_millis() as u64, puback)),
            }
            link.ended |= self.drops_after_message;
        }
    }
}
