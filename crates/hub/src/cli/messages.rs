//! `local-hub monitor-events`, `local-hub send-c2d` and `local-hub show-quota-metrics`.

use std::ops::ControlFlow;

use clap::{Args, ValueEnum};
use hyper::Method;

use super::client::{Call, Operator};
use super::output::{print, say};
use super::{Failure, State};
use crate::c2d::{Ack, Message};
use crate::clock::Clock;
use crate::credentials::{percent, random};

/// Prints what counts towards the quotas, as `az iot hub show-quota-metrics` does.
pub(super) fn show_quota_metrics(state: &State) -> Result<(), Failure> {
    let answer = Operator::of(&state.directory)?.call(Call::new(Method::GET, "/quotaMetrics"))?;
    let metrics = &answer["value"];
    if metrics.as_array().is_none_or(Vec::is_empty) {
        return Err(Failure(
            "the hub has no quota; serve with --throttle TIER or --daily-quota MESSAGES".into(),
        ));
    }
    print(&format!("{metrics:#}"))
}

#[derive(Args)]
pub(super) struct MonitorEvents {
    #[command(flatten)]
    state: State,
    /// Only what this device sends
    #[arg(long, value_name = "ID")]
    device: Option<String>,
    /// End after this many
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// Print what the hub still has of earlier messages first
    #[arg(long)]
    from_start: bool,
}

impl MonitorEvents {
    pub(super) fn run(self) -> Result<(), Failure> {
        let operator = Operator::of(&self.state.directory)?;
        let mut path = format!(
            "/messages/events?from={}",
            if self.from_start { "start" } else { "now" }
        );
        if let Some(device) = &self.device {
            path.push_str("&device=");
            path.push_str(&percent::encode(device));
        }
        let mut left = self.count.unwrap_or(u64::MAX);
        if left == 0 {
            return Ok(());
        }
        let take = |line: &str| {
            if let Err(failure) = print(line) {
                return ControlFlow::Break(Err(failure));
            }
            left -= 1;
            if left == 0 {
                ControlFlow::Break(Ok(()))
            } else {
                ControlFlow::Continue(())
            }
        };
        operator.lines(&path, take, || say("waiting for events"))
    }
}

#[derive(Args)]
pub(super) struct SendC2d {
    /// The device's id
    id: String,
    /// The id of the device's module that is meant
    #[arg(long, value_name = "ID")]
    module: Option<String>,
    #[command(flatten)]
    state: State,
    /// The payload
    #[arg(long, value_name = "TEXT")]
    data: String,
    /// An application property; may be given several times
    #[arg(long = "property", value_name = "NAME=VALUE", value_parser = parse_property)]
    properties: Vec<(String, String)>,
    /// Which feedback to ask for
    #[arg(long, value_enum)]
    ack: Option<Ack>,
    /// The message id; a random one if absent
    #[arg(long, value_name = "ID")]
    message_id: Option<String>,
    /// The correlation id
    #[arg(long, value_name = "ID")]
    correlation_id: Option<String>,
    /// The content type, such as application/json
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// The content encoding, such as utf-8
    #[arg(long, value_name = "ENCODING")]
    content_encoding: Option<String>,
    /// Seconds until the message expires; an hour if absent
    #[arg(long, value_name = "SECONDS")]
    expiry: Option<u64>,
}

fn parse_property(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as name=value")?;
    Ok((name.to_owned(), value.to_owned()))
}

impl SendC2d {
    pub(super) fn run(self) -> Result<(), Failure> {
        let operator = Operator::of(&self.state.directory)?;
        let now = Clock::new(0).unix_millis();
        let message = Message {
            message_id: Some(self.message_id.unwrap_or_else(random::uuid)),
            correlation_id: self.correlation_id,
            content_type: self.content_type,
            content_encoding: self.content_encoding,
            expiry: self
                .expiry
                .map(|seconds| now.saturating_add(seconds.saturating_mul(1000))),
            ack: self.ack,
            properties: self.properties,
            ..Message::new(self.data)
        };
        let body = serde_json::to_value(&message)
            .map_err(|error| Failure(format!("the message cannot be sent: {error}")))?;
        let mut path = format!("/devices/{}", percent::encode(&self.id));
        if let Some(module) = &self.module {
            path.push_str(&format!("/modules/{}", percent::encode(module)));
        }
        path.push_str("/messages/deviceBound");
        operator.call(Call::new(Method::POST, &path).with(body))?;
        Ok(())
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
