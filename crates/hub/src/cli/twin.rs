//! `local-hub device-twin …`, `local-hub invoke-device-method`, and the same of modules.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Map, Value, json};

use super::Failure;
use super::client::Call;
use super::output::print;
use super::shape::Shape;
use super::target::{DeviceName, Target};
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

/// One device or module of one hub.
#[derive(Args)]
pub(super) struct One {
    #[command(flatten)]
    name: DeviceName,
    /// The id of the device's module that is meant
    #[arg(short, long, visible_alias = "module-id", value_name = "ID")]
    module: Option<String>,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    shape: Shape,
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
    /// The same of a module.
    pub(super) fn run_of_module(self) -> Result<(), Failure> {
        match &self {
            Self::Show(one) => one.check_module()?,
            Self::Update(update) => update.one.check_module()?,
            Self::Replace(replace) => replace.one.check_module()?,
        }
        self.run()
    }

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
        let path = self.path();
        let mut call = Call::new(method, &path);
        call.body = body;
        self.shape.print(&self.target.operator()?.call(call)?)
    }

    fn path(&self) -> String {
        let device = format!("/twins/{}", percent::encode(self.name.id()));
        match &self.module {
            Some(module) => format!("{device}/modules/{}", percent::encode(module)),
            None => device,
        }
    }

    /// Refuses that no module is named.
    fn check_module(&self) -> Result<(), Failure> {
        match self.module {
            Some(_) => Ok(()),
            None => Err(Failure(
                "name the module with --module; the same command for a device has device in its name".into(),
            )),
        }
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
        let path = format!("{}/methods", self.one.path());
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
        let response = self.one.target.operator()?.call(call)?;
        if self.one.shape.is_given() {
            return self.one.shape.print(&response);
        }
        print(&response.to_string())
    }

    /// The same of a module.
    pub(super) fn run_of_module(self) -> Result<(), Failure> {
        self.one.check_module()?;
        self.run()
    }
}
