//! `local-hub send-c2d`, the same in the words of `az iot device c2d-message`, and `local-hub show-quota-metrics`.

use clap::{Args, Subcommand, ValueEnum};
use hyper::Method;

use super::Failure;
use super::client::Call;
use super::identity;
use super::output::print;
use super::target::{DeviceName, Target};
use crate::c2d::{Ack, Message};
use crate::clock::Clock;
use crate::credentials::{percent, random};

/// Prints what counts towards the quotas, as `az iot hub show-quota-metrics` does.
pub(super) fn show_quota_metrics(target: &Target) -> Result<(), Failure> {
    let answer = target
        .operator()?
        .call(Call::new(Method::GET, "/quotaMetrics"))?;
    let metrics = &answer["value"];
    if metrics.as_array().is_none_or(Vec::is_empty) {
        return Err(Failure(
            "the hub has no quota; serve with --throttle TIER or --daily-quota MESSAGES".into(),
        ));
    }
    print(&format!("{metrics:#}"))
}

#[derive(Args)]
pub(super) struct SendC2d {
    #[command(flatten)]
    name: DeviceName,
    /// The id of the device's module that is meant
    #[arg(short, long, visible_alias = "module-id", value_name = "ID")]
    module: Option<String>,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    fields: Fields,
    /// An application property; may be given several times
    #[arg(long = "property", value_name = "NAME=VALUE", value_parser = parse_property)]
    properties: Vec<(String, String)>,
    /// Seconds until the message expires; an hour if absent
    #[arg(long, value_name = "SECONDS")]
    expiry: Option<u64>,
}

#[derive(Subcommand)]
pub(super) enum C2dMessage {
    /// Send a message to a device
    Send(Send),
    /// Discard the messages that wait for a device
    Purge(identity::One),
}

#[derive(Args)]
pub(super) struct Send {
    /// The device's id
    #[arg(short = 'd', long, value_name = "ID")]
    device_id: String,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    fields: Fields,
    /// Application properties, as "name=value;other=value"
    #[arg(short = 'p', long = "props", visible_alias = "properties", value_name = "PROPERTIES",
        value_parser = parse_properties)]
    properties: Option<Properties>,
    /// Time at which the message expires, in milliseconds since 1970; after an hour if absent
    #[arg(long, visible_alias = "expiry", value_name = "MILLISECONDS")]
    expiry_time_utc: Option<u64>,
}

/// Fields of a message to a device.
#[derive(Args)]
struct Fields {
    /// The payload
    #[arg(long, value_name = "TEXT")]
    data: String,
    /// Feedback to ask for [default: none]
    #[arg(long, value_enum)]
    ack: Option<Ack>,
    /// The message id; a random one if absent
    #[arg(long, visible_alias = "mid", value_name = "ID")]
    message_id: Option<String>,
    /// The correlation id
    #[arg(long, visible_alias = "cid", value_name = "ID")]
    correlation_id: Option<String>,
    /// The content type, such as application/json
    #[arg(long, visible_alias = "ct", value_name = "TYPE")]
    content_type: Option<String>,
    /// The content encoding, such as utf-8
    #[arg(long, visible_alias = "ce", value_name = "ENCODING")]
    content_encoding: Option<String>,
}

/// Names and values of application properties.
pub(super) type Properties = std::sync::Arc<[(String, String)]>;

fn parse_property(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as name=value")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// `name=value;other=value`, as `az` writes it.
pub(super) fn parse_properties(text: &str) -> Result<Properties, String> {
    text.split(';')
        .filter(|pair| !pair.is_empty())
        .map(parse_property)
        .collect()
}

impl Fields {
    fn into_message(self, expiry: Option<u64>, properties: Vec<(String, String)>) -> Message {
        Message {
            message_id: Some(self.message_id.unwrap_or_else(random::uuid)),
            correlation_id: self.correlation_id,
            content_type: self.content_type,
            content_encoding: self.content_encoding,
            expiry,
            ack: self.ack,
            properties,
            ..Message::new(self.data)
        }
    }
}

/// Sends a message to a device or module.
fn send(
    target: &Target,
    device: &str,
    module: Option<&str>,
    message: &Message,
) -> Result<(), Failure> {
    let body = serde_json::to_value(message)
        .map_err(|error| Failure(format!("the message cannot be sent: {error}")))?;
    let mut path = format!("/devices/{}", percent::encode(device));
    if let Some(module) = module {
        path.push_str(&format!("/modules/{}", percent::encode(module)));
    }
    path.push_str("/messages/deviceBound");
    target
        .operator()?
        .call(Call::new(Method::POST, &path).with(body))?;
    Ok(())
}

impl SendC2d {
    pub(super) fn run(self) -> Result<(), Failure> {
        let now = Clock::new(0).unix_millis();
        let expiry = self
            .expiry
            .map(|seconds| now.saturating_add(seconds.saturating_mul(1000)));
        let message = self.fields.into_message(expiry, self.properties);
        send(
            &self.target,
            self.name.id(),
            self.module.as_deref(),
            &message,
        )
    }
}

impl C2dMessage {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Send(given) => {
                let properties = given.properties.as_deref().unwrap_or_default().to_vec();
                let message = given.fields.into_message(given.expiry_time_utc, properties);
                send(&given.target, &given.device_id, None, &message)
            }
            Self::Purge(purge) => {
                let path = format!("/devices/{}/commands", percent::encode(&purge.device_id));
                let call = Call::new(Method::DELETE, &path);
                purge.shape.print(&purge.target.operator()?.call(call)?)
            }
        }
    }
}

impl ValueEnum for Ack {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::None, Self::Positive, Self::Negative, Self::Full]
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(match self {
            Self::None => clap::builder::PossibleValue::new("none"),
            Self::Positive => {
                clap::builder::PossibleValue::new("positive").help("when the device took it")
            }
            Self::Negative => {
                clap::builder::PossibleValue::new("negative").help("when it never did")
            }
            Self::Full => clap::builder::PossibleValue::new("full").help("in either case"),
        })
    }
}
