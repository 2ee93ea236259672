//! `local-hub device-identity …`, in the words of `az iot hub device-identity`.

use clap::{Args, Subcommand, ValueEnum};
use hyper::Method;
use serde_json::{Value, json};

use super::Failure;
use super::client::Call;
use super::device::connection_string_with;
use super::keys::{Key, RenewedKeys};
use super::proof::Proof;
use super::shape::Shape;
use super::target::Target;
use crate::credentials::percent;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Register a device and print its entry
    Create(Create),
    /// Print the entries of the devices
    List(List),
    /// Print a device's entry
    Show(One),
    /// Change a device's status or proof of identity, and print its entry
    Update(Update),
    /// Delete a device and everything that the hub keeps for it
    Delete(One),
    /// Make new symmetric keys, or swap the two; connections of the device are closed
    RenewKey(RenewKey),
    /// Connection strings
    #[command(subcommand)]
    ConnectionString(ConnectionString),
}

#[derive(Subcommand)]
pub(super) enum ConnectionString {
    /// Print a device's connection string, as {"connectionString": …}
    Show(ShowConnectionString),
}

/// One device of one hub, as `az` names it.
#[derive(Args)]
pub(super) struct One {
    /// The device's id
    #[arg(short = 'd', long, value_name = "ID")]
    pub(super) device_id: String,
    #[command(flatten)]
    pub(super) target: Target,
    #[command(flatten)]
    pub(super) shape: Shape,
}

#[derive(Args)]
pub(super) struct List {
    /// List so many at most; 1000 is the most of one request
    #[arg(long, value_name = "N", default_value_t = 1000)]
    top: u32,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    shape: Shape,
}

/// Fields of an entry.
#[derive(Args)]
pub(super) struct Fields {
    #[command(flatten)]
    proof: Proof,
    /// Lets the device connect, or not
    #[arg(long, value_enum, value_name = "STATUS")]
    status: Option<MayConnect>,
    /// The reason of the status, of 128 characters at most
    #[arg(long, visible_alias = "star", value_name = "TEXT")]
    status_reason: Option<String>,
}

#[derive(Args)]
pub(super) struct Create {
    #[command(flatten)]
    one: One,
    #[command(flatten)]
    fields: Fields,
}

#[derive(Args)]
pub(super) struct Update {
    #[command(flatten)]
    one: One,
    #[command(flatten)]
    fields: Fields,
}

#[derive(Clone, Copy, ValueEnum)]
enum MayConnect {
    Enabled,
    Disabled,
}

#[derive(Args)]
pub(super) struct RenewKey {
    #[command(flatten)]
    one: One,
    #[command(flatten)]
    keys: RenewedKeys,
}

#[derive(Args)]
pub(super) struct ShowConnectionString {
    #[command(flatten)]
    one: One,
    #[command(flatten)]
    key: Key,
}

impl Command {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Create(Create { one, fields }) => {
                let body = fields.body(&one.device_id, true)?;
                one.ask(Method::PUT, Some(body), false)
            }
            Self::List(List { top, target, shape }) => {
                let path = format!("/devices?top={top}");
                let devices = target.operator()?.call(Call::new(Method::GET, &path))?;
                shape.print(&devices)
            }
            Self::Show(one) => one.ask(Method::GET, None, false),
            Self::Update(Update { one, fields }) => {
                let body = fields.body(&one.device_id, false)?;
                one.ask(Method::PUT, Some(body), true)
            }
            Self::Delete(one) => {
                let path = one.path();
                let call = Call::new(Method::DELETE, &path).existing();
                one.target.operator()?.call(call)?;
                Ok(())
            }
            Self::RenewKey(RenewKey { one, keys }) => {
                let entry = keys.renew(&one.target.operator()?, &one.path())?;
                one.shape.print(&entry)
            }
            Self::ConnectionString(ConnectionString::Show(ShowConnectionString { one, key })) => {
                let operator = one.target.operator()?;
                let entry = operator.call(Call::new(Method::GET, &one.path()))?;
                let text = connection_string_with(operator.host_name(), &entry, key.key_type);
                one.shape.print(&json!({ "connectionString": text }))
            }
        }
    }
}

impl One {
    fn path(&self) -> String {
        format!("/devices/{}", percent::encode(&self.device_id))
    }

    /// Sends a request about the device, and prints the entry that comes back.
    fn ask(&self, method: Method, body: Option<Value>, is_there: bool) -> Result<(), Failure> {
        let path = self.path();
        let mut call = Call::new(method, &path);
        call.body = body;
        if is_there {
            call = call.existing();
        }
        self.shape.print(&self.target.operator()?.call(call)?)
    }
}

impl Fields {
    /// The body of a request. A device that is new proves itself by keys if nothing else is said.
    fn body(&self, device_id: &str, is_new: bool) -> Result<Value, Failure> {
        let mut body = json!({ "deviceId": device_id });
        if let Some(authentication) = self.proof.authentication(is_new)? {
            body["authentication"] = authentication;
        }
        if let Some(status) = self.status {
            body["status"] = match status {
                MayConnect::Enabled => "enabled",
                MayConnect::Disabled => "disabled",
            }
            .into();
        }
        if let Some(reason) = &self.status_reason {
            body["statusReason"] = reason.as_str().into();
        }
        Ok(body)
    }
}
