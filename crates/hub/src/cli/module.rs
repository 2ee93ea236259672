//! `local-hub module-identity …`.

use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::json;

use super::client::{Call, Operator};
use super::device::connection_string;
use super::output::print;
use super::{Failure, State};
use crate::credentials::percent;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Register a module of a device, with symmetric keys, and print its connection string
    Create(One),
    /// List the modules of a device
    List {
        /// The device's id
        device: String,
        #[command(flatten)]
        state: State,
    },
    /// Delete a module and everything that the hub keeps for it
    Delete(One),
    /// Print a module's connection string
    ConnectionString(One),
}

/// One module of one hub.
#[derive(Args)]
pub(super) struct One {
    /// The device's id
    device: String,
    /// The module's id
    module: String,
    #[command(flatten)]
    state: State,
}

impl Command {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Create(one) => {
                let body = json!({
                    "deviceId": one.device,
                    "moduleId": one.module,
                    "authentication": { "type": "sas" },
                });
                one.print_connection_string(Call::new(Method::PUT, &one.path()).with(body))
            }
            Self::List { device, state } => {
                let path = format!("/devices/{}/modules", percent::encode(&device));
                let modules =
                    Operator::of(&state.directory)?.call(Call::new(Method::GET, &path))?;
                for module in modules.as_array().into_iter().flatten() {
                    print(module["moduleId"].as_str().unwrap_or_default())?;
                }
                Ok(())
            }
            Self::Delete(one) => {
                let path = one.path();
                let call = Call::new(Method::DELETE, &path).existing();
                Operator::of(&one.state.directory)?.call(call)?;
                Ok(())
            }
            Self::ConnectionString(one) => {
                one.print_connection_string(Call::new(Method::GET, &one.path()))
            }
        }
    }
}

impl One {
    fn path(&self) -> String {
        let (device, module) = (percent::encode(&self.device), percent::encode(&self.module));
        format!("/devices/{device}/modules/{module}")
    }

    /// Of the entry that a call answers with.
    fn print_connection_string(&self, call: Call<'_>) -> Result<(), Failure> {
        let operator = Operator::of(&self.state.directory)?;
        let module = operator.call(call)?;
        print(&connection_string(operator.host_name(), &module))
    }
}
