//! A hub of a few lines that accepts everything.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use bytes::BytesMut;
use mqttbytes_nostd::QoS;
use mqttbytes_nostd::v4::{
    self, ConnAck, ConnectReturnCode, Packet, PingResp, PubAck, Publish, SubAck,
    SubscribeReasonCode,
};

use crate::json::Value;
use crate::properties::Bag;

const TELEMETRY: &str = "/messages/events/";
const METHOD_RESPONSE: &str = "$iothub/methods/res/";
const TWIN_GET: &str = "$iothub/twin/GET/";
const REPORTED_PATCH: &str = "$iothub/twin/PATCH/properties/reported/";

/// A telemetry message as the hub received it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Time since the bench began.
    pub at: Duration,
    /// Keys and values of all properties, decoded; system properties begin with `$.`.
    pub properties: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// False for QoS 0.
    pub at_least_once: bool,
}

impl Sent {
    /// The body as text.
    pub fn text(&self) -> &str {
        core::str::from_utf8(&self.body).unwrap()
    }

    /// The value of a property.
    pub fn property(&self, key: &str) -> Option<&str> {
        let mut properties = self.properties.iter();
        let (_, value) = properties.find(|(found, _)| found == key)?;
        Some(value)
    }
}

/// Answer of a direct method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status, such as 200.
    pub status: i32,
    /// The body: JSON.
    pub body: String,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Hub {
    from_device: BytesMut,
    to_device: VecDeque<u8>,
    packets: usize,
    pub(super) sent: Vec<Sent>,
    answers: VecDeque<Answer>,
    /// Members of the reported properties, as JSON.
    reported: BTreeMap<String, String>,
    pub(super) patches: usize,
    /// Members of the desired properties, as JSON.
    desired: BTreeMap<String, String>,
    version: u64,
    last_message: u16,
    last_call: u32,
    pub(super) acknowledged: Vec<u16>,
}

impl Hub {
    /// A new connection.
    pub(super) fn opened(&mut self) {
        self.from_device.clear();
        self.to_device.clear();
    }

    /// Packets that came and went so far.
    pub(super) const fn packets(&self) -> usize {
        self.packets
    }

    /// Takes bytes from the device.
    pub(super) fn receive(&mut self, bytes: &[u8], at: Duration) {
        self.from_device.extend_from_slice(bytes);
        while let Ok(packet) = v4::read(&mut self.from_device, usize::MAX) {
            self.packets += 1;
            self.handle(packet, at);
        }
    }

    /// Gives bytes to the device; says how many.
    pub(super) fn give(&mut self, space: &mut [u8]) -> usize {
        let count = space.len().min(self.to_device.len());
        for (to, from) in space.iter_mut().zip(self.to_device.drain(..count)) {
            *to = from;
        }
        count
    }

    fn handle(&mut self, packet: Packet, at: Duration) {
        match packet {
            Packet::Connect(_) => self.send(|to| {
                ConnAck::new(ConnectReturnCode::Success, false)
                    .write(to)
                    .unwrap();
            }),
            Packet::Subscribe(subscribe) => {
                let granted = subscribe.filters.iter();
                let granted = granted.map(|filter| SubscribeReasonCode::Success(filter.qos));
                let suback = SubAck::new(subscribe.pkid, granted.collect());
                self.send(|to| {
                    suback.write(to).unwrap();
                });
            }
            Packet::Publish(publish) => self.publish(&publish, at),
            Packet::PubAck(ack) => self.acknowledged.push(ack.pkid),
            Packet::PingReq => self.send(|to| {
                PingResp.write(to).unwrap();
            }),
            _ => {}
        }
    }

    fn publish(&mut self, publish: &Publish, at: Duration) {
        let topic = publish.topic.as_str();
        if publish.qos == QoS::AtLeastOnce {
            let ack = PubAck::new(publish.pkid);
            self.send(|to| {
                ack.write(to).unwrap();
            });
        }
        let id = topic.split("$rid=").nth(1).unwrap_or_default();
        if let Some((_, bag)) = topic.split_once(TELEMETRY) {
            let properties = Bag::new(bag).properties().map(Result::unwrap);
            self.sent.push(Sent {
                at,
                properties: properties
                    .map(|property| {
                        let value = property.value.map(|value| value.to_string());
                        (property.key.to_string(), value.unwrap_or_default())
                    })
                    .collect(),
                body: publish.payload.to_vec(),
                at_least_once: publish.qos == QoS::AtLeastOnce,
            });
        } else if let Some(rest) = topic.strip_prefix(METHOD_RESPONSE) {
            let status = rest.split('/').next().unwrap();
            self.answers.push_back(Answer {
                status: status.parse().unwrap(),
                body: String::from_utf8(publish.payload.to_vec()).unwrap(),
            });
        } else if topic.starts_with(TWIN_GET) {
            let desired = self.desired.iter();
            let desired = desired.map(|(name, value)| format!("{name}:{value},"));
            let twin = format!(
                r#"{{"desired":{{{}"$version":{}}},"reported":{{"$version":1}}}}"#,
                desired.collect::<String>(),
                self.version.max(1)
            );
            self.push(&format!("$iothub/twin/res/200/?$rid={id}"), twin.as_bytes());
        } else if topic.starts_with(REPORTED_PATCH) {
            self.patches += 1;
            merge(&mut self.reported, &publish.payload);
            let topic = format!("$iothub/twin/res/204/?$rid={id}&$version={}", self.patches);
            self.push(&topic, b"");
        }
    }

    /// Sends a message at QoS 0.
    fn push(&mut self, topic: &str, body: &[u8]) {
        let publish = Publish::new(topic, QoS::AtMostOnce, body);
        self.send(|to| {
            publish.write(to).unwrap();
        });
    }

    fn send(&mut self, write: impl FnOnce(&mut BytesMut)) {
        let mut bytes = BytesMut::new();
        write(&mut bytes);
        self.to_device.extend(bytes);
        self.packets += 1;
    }

    pub(super) fn desire(&mut self, patch: &str, is_open: bool) {
        merge(&mut self.desired, patch.as_bytes());
        self.desired.retain(|_, value| value != "null");
        self.version = self.version.max(1) + 1;
        if is_open {
            let members = patch.trim().strip_suffix('}').unwrap();
            let comma = if members.ends_with('{') { "" } else { "," };
            let body = format!("{members}{comma}\"$version\":{}}}", self.version);
            let topic = "$iothub/twin/PATCH/properties/desired/?$version=";
            self.push(&format!("{topic}{}", self.version), body.as_bytes());
        }
    }

    pub(super) fn reported(&self, name: &str) -> Option<&str> {
        let name = format!("\"{name}\"");
        self.reported.get(&name).map(String::as_str)
    }

    pub(super) fn call(&mut self, method: &str, payload: &str) {
        self.last_call += 1;
        let topic = format!("$iothub/methods/POST/{method}/?$rid={:x}", self.last_call);
        self.push(&topic, payload.as_bytes());
    }

    pub(super) fn take_answer(&mut self) -> Option<Answer> {
        self.answers.pop_front()
    }

    /// Sends a cloud-to-device message; gives its identifier.
    pub(super) fn message(&mut self, properties: &str, body: &[u8]) -> u16 {
        self.last_message += 1;
        let topic = format!("devices/bench/messages/devicebound/{properties}");
        let mut publish = Publish::new(topic, QoS::AtLeastOnce, body);
        publish.pkid = self.last_message;
        self.send(|to| {
            publish.write(to).unwrap();
        });
        self.last_message
    }

    pub(super) fn is_acknowledged(&self, id: u16) -> bool {
        self.acknowledged.contains(&id)
    }
}

/// Merges the members of an object of the top level. Components are merged one level deeper.
fn merge(into: &mut BTreeMap<String, String>, patch: &[u8]) {
    let patch = Value::parse(patch).unwrap();
    for (name, value) in patch.members() {
        let name = format!("\"{name}\"");
        let is_component = value.get("__t").is_some();
        let merged = match into.get(&name).filter(|_| is_component) {
            None => value.text().into(),
            Some(old) => {
                let mut members = BTreeMap::new();
                merge(&mut members, old.as_bytes());
                for (name, value) in value.members() {
                    members.insert(format!("\"{name}\""), value.text().into());
                }
                let members = members
                    .iter()
                    .map(|(name, value)| format!("{name}:{value}"));
                format!("{{{}}}", members.collect::<Vec<_>>().join(","))
            }
        };
        into.insert(name, merged);
    }
}
