//! `local-hub device-twin …` and `local-hub invoke-device-method`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Map, Value, json};

use super::client::{Call, Operator};
use super::output::print;
use super::{Failure, State};
use crate::credentials::percent;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Print a device's twin
    Show(One),
    /// Change tags and desired properties by merge patches: null deletes
    Update(Update),
    /// Replace tags and desired properties
    Replace(Replace),
}

/// The twin of one device of one hub.
#[derive(Args)]
pub(super) struct One {
    /// The device's id
    id: String,
    #[command(flatten)]
    state: State,
}

#[derive(Args)]
pub(super) struct Update {
    #[command(flatten)]
    one: One,
    /// Changes of the desired properties, such as {"telemetryInterval": 10}
    #[arg(long, value_name = "JSON", value_parser = object, required_unless_present = "tags")]
    desired: Option<Value>,
    /// Changes of the tags
    #[arg(long, value_name = "JSON", value_parser = object)]
    tags: Option<Value>,
}

#[derive(Args)]
pub(super) struct Replace {
    #[command(flatten)]
    one: One,
    /// File with the twin: {"tags": {…}, "properties": {"desired": {…}}}
    #[arg(short, long, value_name = "FILE")]
    json: PathBuf,
}

fn object(text: &str) -> Result<Value, String> {
    let object: Map<String, Value> =
        serde_json::from_str(text).map_err(|error| format!("no JSON object: {error}"))?;
    Ok(Value::Object(object))
}

impl Command {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Show(one) => one.ask(Method::GET, None),
            Self::Update(Update { one, desired, tags }) => {
                let mut patch = json!({});
                if let Some(tags) = tags {
                    patch["tags"] = tags;
                }
                if let Some(desired) = desired {
                    patch["properties"] = json!({ "desired": desired });
                }
                one.ask(Method::PATCH, Some(patch))
            }
            Self::Replace(Replace { one, json }) => {
                let file = json.display();
                let text = std::fs::read_to_string(&json)
                    .map_err(|error| Failure(format!("cannot read {file}: {error}")))?;
                let twin = object(&text).map_err(|why| Failure(format!("{file} has {why}")))?;
                one.ask(Method::PUT, Some(twin))
            }
        }
    }
}

impl One {
    /// Sends a request about the twin, and prints the twin that comes back.
    fn ask(&self, method: Method, body: Option<Value>) -> Result<(), Failure> {
        let path = format!("/twins/{}", percent::encode(&self.id));
        let mut call = Call::new(method, &path);
        call.body = body;
        let twin = Operator::of(&self.state.directory)?.call(call)?;
        print(&format!("{twin:#}"))
    }
}

#[derive(Args)]
pub(super) struct Invoke {
    #[command(flatten)]
    one: One,
    /// The method's name
    #[arg(long, visible_alias = "mn", value_name = "NAME")]
    method_name: String,
    /// The argument, such as {"times": 3}; without it the device gets an empty payload
    #[arg(long, visible_alias = "mp", value_name = "JSON", value_parser = json_value)]
    method_payload: Option<Value>,
    /// Seconds that the device may take to answer, from 5 to 300
    #[arg(
        long,
        visible_alias = "to",
        value_name = "SECONDS",
        default_value_t = 30
    )]
    timeout: u64,
    /// Seconds to wait for the device to connect, up to 300
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    connect_timeout: u64,
}

fn json_value(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("no JSON: {error}"))
}

impl Invoke {
    /// Prints what the device answered: `{"status":…,"payload":…}`.
    pub(super) fn run(self) -> Result<(), Failure> {
        let path = format!("/twins/{}/methods", percent::encode(&self.one.id));
        let mut body = json!({
            "methodName": self.method_name,
            "responseTimeoutInSeconds": self.timeout,
            "connectTimeoutInSeconds": self.connect_timeout,
        });
        if let Some(payload) = self.method_payload {
            body["payload"] = payload;
        }
        let longest = Duration::from_secs(self.timeout.saturating_add(self.connect_timeout));
        let call = Call::new(Method::POST, &path).with(body).lasting(longest);
        let response = Operator::of(&self.one.state.directory)?.call(call)?;
        print(&response.to_string())
    }
}
