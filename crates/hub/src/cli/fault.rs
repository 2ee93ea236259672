//! `local-hub fault …`.

use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::json;

use super::Failure;
use super::client::Call;
use super::target::{DeviceName, Target};
use crate::credentials::percent;
use crate::faults::Fault;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Close the connection without a word
    DropConnection(One),
    /// Leave the connection open, and never read or write on it again
    HalfOpen(One),
    /// Close the connection as if the same client had connected again elsewhere
    TakeOver(One),
    /// Have the SAS token of the connection expire
    ExpireToken(One),
    /// Refuse the next CONNECTs
    RefuseConnect {
        #[command(flatten)]
        one: One,
        /// The return code: 3 (server unavailable) or 5 (not authorized)
        #[arg(long)]
        code: u8,
        #[command(flatten)]
        count: Count,
    },
    /// Acknowledge telemetry late, until `fault clear`
    DelayPuback {
        #[command(flatten)]
        one: One,
        /// Delay of each PUBACK
        #[arg(long)]
        milliseconds: u64,
    },
    /// Acknowledge no telemetry, though it is stored, until `fault clear`
    SuppressPuback(One),
    /// Fail the next requests to the twin
    FailTwin {
        #[command(flatten)]
        one: One,
        /// The status: 429 (throttled), or 500 to 599
        #[arg(long)]
        status: u16,
        #[command(flatten)]
        count: Count,
    },
    /// Send the next cloud-to-device messages twice
    DuplicateC2d {
        #[command(flatten)]
        one: One,
        #[command(flatten)]
        count: Count,
    },
    /// Fail the next requests of a registration with the provisioning service
    FailRegistration {
        #[command(flatten)]
        registration: Registration,
        /// The status: 401 (unauthorized), 429 (throttled), or 500 to 599
        #[arg(long)]
        status: u16,
        #[command(flatten)]
        count: Count,
    },
    /// Have everything go right again
    Clear(One),
    /// Have everything go right again with a registration
    ClearRegistration(Registration),
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
}

/// One registration of one hub's provisioning service.
#[derive(Args)]
pub(super) struct Registration {
    /// The registration id
    id: String,
    #[command(flatten)]
    target: Target,
}

#[derive(Args)]
pub(super) struct Count {
    /// Number of times
    #[arg(long, default_value_t = 1)]
    times: u32,
}

impl Command {
    pub(super) fn run(self) -> Result<(), Failure> {
        let (one, fault) = match self {
            Self::DropConnection(one) => (one, Fault::DropConnection),
            Self::HalfOpen(one) => (one, Fault::HalfOpen),
            Self::TakeOver(one) => (one, Fault::TakeOver),
            Self::ExpireToken(one) => (one, Fault::ExpireToken),
            Self::RefuseConnect { one, code, count } => {
                let times = count.times;
                (one, Fault::RefuseConnect { code, times })
            }
            Self::DelayPuback { one, milliseconds } => (one, Fault::DelayPuback { milliseconds }),
            Self::SuppressPuback(one) => (one, Fault::SuppressPuback),
            Self::FailTwin { one, status, count } => {
                let times = count.times;
                (one, Fault::FailTwin { status, times })
            }
            Self::DuplicateC2d { one, count } => {
                let times = count.times;
                (one, Fault::DuplicateC2d { times })
            }
            Self::FailRegistration {
                registration,
                status,
                count,
            } => {
                let body = json!({ "status": status, "times": count.times });
                let path = registration.path();
                return call(
                    &registration.target,
                    Call::new(Method::POST, &path).with(body),
                );
            }
            Self::Clear(one) => {
                return call(&one.target, Call::new(Method::DELETE, &one.path()));
            }
            Self::ClearRegistration(registration) => {
                let path = registration.path();
                return call(&registration.target, Call::new(Method::DELETE, &path));
            }
        };
        call(
            &one.target,
            Call::new(Method::POST, &one.path()).with(json!(fault)),
        )
    }
}

fn call(target: &Target, call: Call<'_>) -> Result<(), Failure> {
    target.operator()?.call(call)?;
    Ok(())
}

impl One {
    fn path(&self) -> String {
        let device = format!("/faults/{}", percent::encode(self.name.id()));
        match &self.module {
            Some(module) => format!("{device}/modules/{}", percent::encode(module)),
            None => device,
        }
    }
}

impl Registration {
    fn path(&self) -> String {
        format!("/registrations/{}/faults", percent::encode(&self.id))
    }
}
