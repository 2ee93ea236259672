//! `local-hub module-identity …`.
//!
//! With `az`'s options (`-d`, `-m`) the commands print JSON as `az` does, with positions they print text.

use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Value, json};

use super::Failure;
use super::client::Call;
use super::device::{connection_string, connection_string_with};
use super::keys::{Key, RenewedKeys};
use super::output::print;
use super::proof::Proof;
use super::shape::Shape;
use super::target::{DeviceName, ModuleName, Target};
use crate::credentials::percent;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Register a module of a device, and print its connection string
    Create {
        #[command(flatten)]
        one: One,
        #[command(flatten)]
        proof: Proof,
    },
    /// List the modules of a device
    List {
        #[command(flatten)]
        device: DeviceName,
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        shape: Shape,
    },
    /// Print a module's entry
    Show(One),
    /// Delete a module and everything that the hub keeps for it
    Delete(One),
    /// Make new symmetric keys, or swap the two; connections of the module are closed
    RenewKey {
        #[command(flatten)]
        one: One,
        #[command(flatten)]
        keys: RenewedKeys,
    },
    /// Print a module's connection string
    #[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
    ConnectionString {
        #[command(subcommand)]
        show: Option<Show>,
        #[command(flatten)]
        name: Option<ModuleName>,
        #[command(flatten)]
        target: Option<Target>,
    },
}

#[derive(Subcommand)]
pub(super) enum Show {
    /// Print it as `az` does: {"connectionString": …}
    Show {
        #[command(flatten)]
        one: One,
        #[command(flatten)]
        key: Key,
    },
}

/// One module of one hub.
#[derive(Args)]
pub(super) struct One {
    #[command(flatten)]
    name: ModuleName,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    shape: Shape,
}

impl Command {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Create { one, proof } => {
                let body = json!({
                    "deviceId": one.name.device(),
                    "moduleId": one.name.module(),
                    "authentication": proof.authentication(true)?,
                });
                let path = one.path();
                one.print_connection_string(Call::new(Method::PUT, &path).with(body))
            }
            Self::List {
                device,
                target,
                shape,
            } => {
                let path = format!("/devices/{}/modules", percent::encode(device.id()));
                let modules = target.operator()?.call(Call::new(Method::GET, &path))?;
                if device.is_by_option() || shape.is_given() {
                    return shape.print(&modules);
                }
                for module in modules.as_array().into_iter().flatten() {
                    print(module["moduleId"].as_str().unwrap_or_default())?;
                }
                Ok(())
            }
            Self::Show(one) => {
                let path = one.path();
                let entry = one.target.operator()?.call(Call::new(Method::GET, &path))?;
                one.shape.print(&entry)
            }
            Self::Delete(one) => {
                let path = one.path();
                let call = Call::new(Method::DELETE, &path).existing();
                one.target.operator()?.call(call)?;
                Ok(())
            }
            Self::RenewKey { one, keys } => {
                let entry = keys.renew(&one.target.operator()?, &one.path())?;
                one.shape.print(&entry)
            }
            Self::ConnectionString {
                show: Some(Show::Show { one, key }),
                ..
            } => {
                let (host_name, entry) = one.call(Call::new(Method::GET, &one.path()))?;
                let text = connection_string_with(&host_name, &entry, key.key_type);
                one.shape.print(&json!({ "connectionString": text }))
            }
            Self::ConnectionString { name, target, .. } => {
                let missing = || Failure("name the device, its module and --state".into());
                let (name, target) = name.zip(target).ok_or_else(missing)?;
                let operator = target.operator()?;
                let entry = operator.call(Call::new(Method::GET, &name.path()))?;
                print(&connection_string(operator.host_name(), &entry))
            }
        }
    }
}

impl One {
    fn path(&self) -> String {
        self.name.path()
    }

    /// The hub's host name, and its answer.
    fn call(&self, call: Call<'_>) -> Result<(String, Value), Failure> {
        let operator = self.target.operator()?;
        let entry = operator.call(call)?;
        Ok((operator.host_name().to_owned(), entry))
    }

    /// Of the entry that a call answers with.
    fn print_connection_string(&self, call: Call<'_>) -> Result<(), Failure> {
        let (host_name, entry) = self.call(call)?;
        if self.name.is_by_option() || self.shape.is_given() {
            return self.shape.print(&entry);
        }
        print(&connection_string(&host_name, &entry))
    }
}
