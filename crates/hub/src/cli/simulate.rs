//! `local-hub simulate` and `local-hub send-d2c-message`.

use std::pin::pin;
use std::time::Duration;

use clap::{Args, ValueEnum};
use hyper::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

use super::Failure;
use super::client::{Call, Operator};
use super::messages::{Properties, parse_properties};
use super::output::{print, say};
use super::simulated::{Connection, Credentials};
use super::target::Target;
use crate::clock::{Clock, iso_8601};
use crate::credentials::{percent, random, sas};
use crate::mqtt::codec::Publish;
use crate::mqtt::codec::client::Packet;

/// A PUBACK, and the answer to CONNECT, come within this time.
const PATIENCE: Duration = Duration::from_secs(30);
/// Time between two PINGREQs: well below the keep-alive.
const PING_PERIOD: Duration = Duration::from_secs(240);
/// Seconds that the device's token outlives its messages.
const TOKEN_LIFE: u64 = 24 * 3600;
/// Most bytes of a payload (256 KB, topic and properties included).
const MAX_DATA: usize = 256 * 1024;

#[derive(Args)]
pub(super) struct Simulate {
    /// The device's id; it is one with symmetric keys
    #[arg(short = 'd', long, value_name = "ID")]
    device_id: String,
    #[command(flatten)]
    target: Target,
    /// The payload, sent as it is; without it, JSON with a number and the time
    #[arg(long, value_name = "TEXT")]
    data: Option<String>,
    /// Number of messages; 0 sends none, and the device stays until it is interrupted
    #[arg(long, visible_alias = "mc", value_name = "N", default_value_t = 100)]
    msg_count: u64,
    /// Seconds between two messages
    #[arg(long, visible_alias = "mi", value_name = "SECONDS", default_value_t = 3,
        value_parser = clap::value_parser!(u32).range(1..=86_400))]
    msg_interval: u32,
    /// Properties of each message, as "name=value;$.ct=application/json"
    #[arg(short = 'p', long = "properties", visible_alias = "props", value_name = "PROPERTIES",
        value_parser = parse_properties)]
    properties: Option<Properties>,
    /// End of messages to the device: complete, or abandon, which leaves them at the hub
    #[arg(
        long,
        visible_alias = "rs",
        value_enum,
        value_name = "HOW",
        default_value_t
    )]
    receive_settle: Settle,
    /// The status that methods are answered with
    #[arg(
        long,
        visible_alias = "mrc",
        value_name = "STATUS",
        default_value_t = 200
    )]
    method_response_code: i32,
    /// The payload that methods are answered with
    #[arg(long, visible_alias = "mrp", value_name = "JSON", default_value = "{}",
        value_parser = json_value)]
    method_response_payload: Value,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Settle {
    #[default]
    Complete,
    Abandon,
}

#[derive(Args)]
pub(super) struct SendD2cMessage {
    /// The device's id; it is one with symmetric keys
    #[arg(short = 'd', long, value_name = "ID")]
    device_id: String,
    #[command(flatten)]
    target: Target,
    /// The payload
    #[arg(long, value_name = "TEXT")]
    data: String,
    /// Properties of the message, as "name=value;$.ct=application/json"
    #[arg(short = 'p', long = "properties", visible_alias = "props", value_name = "PROPERTIES",
        value_parser = parse_properties)]
    properties: Option<Properties>,
}

fn json_value(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("no JSON: {error}"))
}

impl SendD2cMessage {
    /// Sends one message, and ends when the hub has it.
    pub(super) fn run(self) -> Result<(), Failure> {
        Simulate {
            device_id: self.device_id,
            target: self.target,
            data: Some(self.data),
            msg_count: 1,
            msg_interval: 1,
            properties: self.properties,
            receive_settle: Settle::Abandon,
            method_response_code: 200,
            method_response_payload: json!({}),
        }
        .run_with(&[], false)
    }
}

impl Simulate {
    pub(super) fn run(self) -> Result<(), Failure> {
        let filters = [
            format!("devices/{}/messages/devicebound/#", self.device_id),
            "$iothub/methods/POST/#".to_owned(),
        ];
        self.run_with(&filters, true)
    }

    /// `is_told`: with a line for each message.
    fn run_with(&self, filters: &[String], is_told: bool) -> Result<(), Failure> {
        if self.data.as_ref().is_some_and(|data| data.len() > MAX_DATA) {
            return Err(Failure(format!("a message has {MAX_DATA} bytes at most")));
        }
        let operator = self.target.operator()?;
        let token = self.token(&operator)?;
        let credentials = Credentials {
            host_name: operator.host_name(),
            id: &self.device_id,
            token: &token,
        };
        operator.runtime().block_on(async {
            let opening =
                Connection::open(operator.connector(), operator.mqtt(), &credentials, filters);
            let connection = timeout(PATIENCE, opening)
                .await
                .map_err(|_| Failure("the hub did not answer the device within 30 s".into()))??;
            if is_told {
                say("connected");
            }
            self.live(connection, is_told).await
        })
    }

    fn token(&self, operator: &Operator) -> Result<String, Failure> {
        let id = &self.device_id;
        let path = format!("/devices/{}", percent::encode(id));
        let entry = operator.call(Call::new(Method::GET, &path))?;
        let key = entry["authentication"]["symmetricKey"]["primaryKey"].as_str();
        let key = key.ok_or_else(|| {
            Failure(
                "the device proves itself by a certificate; simulate one with symmetric keys"
                    .into(),
            )
        })?;
        let seconds = self.msg_count.saturating_mul(self.msg_interval.into());
        let now = Clock::new(0).unix_secs();
        let expiry = now.saturating_add(seconds).saturating_add(TOKEN_LIFE);
        let resource = format!("{}/devices/{id}", operator.host_name());
        sas::sign(&resource, key, expiry, None)
            .ok_or_else(|| Failure("the device's key is not base64".into()))
    }

    /// Sends all messages, and says goodbye when each is acknowledged, or at Ctrl-C. One is on its way at a time.
    async fn live(&self, mut connection: Connection, is_told: bool) -> Result<(), Failure> {
        let topic = self.topic();
        let mut due = interval(Duration::from_secs(self.msg_interval.into()));
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut ping = interval(PING_PERIOD);
        let (mut sent, mut acknowledged) = (0_u64, 0_u64);
        let mut give_up = Instant::now();
        let mut interrupted = pin!(tokio::signal::ctrl_c());
        while self.msg_count == 0 || acknowledged < self.msg_count {
            let is_waiting = sent > acknowledged;
            tokio::select! {
                packet = connection.receive() => match packet? {
                    Packet::Puback(id) if is_waiting && id == packet_id(sent) => {
                        acknowledged += 1;
                        if is_told {
                            say(&format!("message {acknowledged} of {} acknowledged", self.msg_count));
                        }
                    }
                    Packet::Publish(message) => self.take(&mut connection, &message).await?,
                    _ => {}
                },
                _ = due.tick(), if !is_waiting && sent < self.msg_count => {
                    sent += 1;
                    connection.publish(&topic, packet_id(sent), self.payload(sent).as_bytes()).await?;
                    give_up = Instant::now() + PATIENCE;
                }
                () = sleep_until(give_up), if is_waiting => {
                    return Err(Failure("no PUBACK came within 30 s; the hub's log says why".into()));
                }
                _ = ping.tick() => connection.ping().await?,
                result = &mut interrupted => {
                    result.map_err(|error| Failure(format!("cannot watch for signals: {error}")))?;
                    break;
                }
            }
        }
        connection.close().await
    }

    /// A message to the device, or a call of a method.
    async fn take(&self, connection: &mut Connection, message: &Publish) -> Result<(), Failure> {
        let topic = message.topic.as_str();
        let text = String::from_utf8_lossy(&message.payload);
        if let Some(call) = topic.strip_prefix("$iothub/methods/POST/") {
            let (name, request_id) = call.split_once("/?$rid=").unwrap_or((call, ""));
            print(&json!({ "method": { "name": name, "payload": text } }).to_string())?;
            let status = self.method_response_code;
            let topic = format!("$iothub/methods/res/{status}/?$rid={request_id}");
            let answer = self.method_response_payload.to_string();
            connection.answer(&topic, answer.as_bytes()).await?;
        } else {
            let bag = topic.rsplit_once('/').map_or("", |(_, bag)| bag);
            let mut properties = json!({});
            for pair in bag.split('&').filter(|pair| !pair.is_empty()) {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                let decoded = |text: &str| percent::decode(text).unwrap_or_else(|| text.to_owned());
                properties[decoded(name)] = decoded(value).into();
            }
            let shown = json!({ "properties": properties, "payload": text });
            print(&json!({ "c2d": shown }).to_string())?;
            if self.receive_settle == Settle::Abandon {
                return Ok(());
            }
        }
        match message.packet_id {
            Some(packet_id) => connection.acknowledge(packet_id).await,
            None => Ok(()),
        }
    }

    /// The topic of its messages.
    fn topic(&self) -> String {
        let given = self.properties.as_deref().unwrap_or_default();
        let own = [("$.ct", "application/json"), ("$.ce", "utf-8")];
        let own = own.into_iter().filter(|_| self.data.is_none());
        let own = own.filter(|(name, _)| given.iter().all(|(given, _)| given != name));
        let given = given
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let bag: Vec<_> = own
            .chain(given)
            .map(|(name, value)| format!("{}={}", percent::encode(name), percent::encode(value)))
            .collect();
        format!(
            "devices/{}/messages/events/{}",
            self.device_id,
            bag.join("&")
        )
    }

    /// The `number`th message, from 1 on; in the shape of `az`'s if nothing else is said.
    fn payload(&self, number: u64) -> String {
        match &self.data {
            Some(data) => data.clone(),
            None => json!({
                "id": random::uuid(),
                "timestamp": iso_8601(Clock::new(0).unix_millis()),
                "data": format!("Ping from local-hub #{number}"),
            })
            .to_string(),
        }
    }
}

/// The packet identifier of the `number`th message: never 0.
fn packet_id(number: u64) -> u16 {
    u16::try_from((number - 1) % 65_535 + 1).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::packet_id;

    #[test]
    fn packet_identifiers_begin_anew_after_65535_and_are_never_0() {
        let ids = [1, 2, 65_535, 65_536, 131_070, 131_071].map(packet_id);
        assert_eq!(ids, [1, 2, 65_535, 1, 65_535, 1]);
        assert_ne!(packet_id(u64::MAX), 0);
    }
}
