//! `local-hub fault …`.

use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::json;

use super::client::{Call, Operator};
use super::{Failure, State};
use crate::credentials::percent;
use crate::faults::Fault;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Close the connection without a word
    DropConnection(One),
    /// Leave the connection open, and never read or write on it again
    HalfOpen(One),
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
        /// How late
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
    /// Have everything go right again
    Clear(One),
}

/// One device of one hub.
#[derive(Args)]
pub(super) struct One {
    /// The device's id
    id: String,
    #[command(flatten)]
    state: State,
}

#[derive(Args)]
pub(super) struct Count {
    /// How many
    #[arg(long, default_value_t = 1)]
    times: u32,
}

impl Command {
    pub(super) fn run(self) -> Result<(), Failure> {
        let (one, fault) = match self {
            Self::DropConnection(one) => (one, Fault::DropConnection),
            Self::HalfOpen(one) => (one, Fault::HalfOpen),
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
            Self::Clear(one) => {
                let path = one.path();
                return one.call(Call::new(Method::DELETE, &path));
            }
        };
        let path = one.path();
        one.call(Call::new(Method::POST, &path).with(json!(fault)))
    }
}

impl One {
    fn path(&self) -> String {
        format!("/faults/{}", percent::encode(&self.id))
    }

    fn call(&self, call: Call<'_>) -> Result<(), Failure> {
        Operator::of(&self.state.directory)?.call(call)?;
        Ok(())
    }
}
