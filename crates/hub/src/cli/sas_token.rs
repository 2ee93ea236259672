//! `local-hub generate-sas-token`.

use clap::Args;
use hyper::Method;
use serde_json::json;

use super::Failure;
use super::client::Call;
use super::keys::Key;
use super::shape::Shape;
use super::target::Target;
use crate::clock::Clock;
use crate::credentials::{percent, sas};
use crate::endpoints::POLICY;

#[derive(Args)]
pub(super) struct GenerateSasToken {
    /// For this device; without it, for the hub under the policy iothubowner
    #[arg(short = 'd', long, value_name = "ID")]
    device_id: Option<String>,
    /// For this module of the device
    #[arg(short = 'm', long, value_name = "ID", requires = "device_id")]
    module_id: Option<String>,
    /// Seconds that the token is valid
    #[arg(long, visible_alias = "du", value_name = "SECONDS", default_value_t = 3600,
        value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    duration: u64,
    #[command(flatten)]
    key: Key,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    shape: Shape,
}

impl GenerateSasToken {
    /// Prints `{"sas": …}`.
    pub(super) fn run(self) -> Result<(), Failure> {
        let operator = self.target.operator()?;
        let expiry = Clock::new(0).unix_secs().saturating_add(self.duration);
        let host_name = operator.host_name();
        let token = match &self.device_id {
            None => sas::sign(host_name, operator.policy_key(), expiry, Some(POLICY)),
            Some(device) => {
                let mut resource = format!("{host_name}/devices/{device}");
                let mut path = format!("/devices/{}", percent::encode(device));
                if let Some(module) = &self.module_id {
                    resource.push_str(&format!("/modules/{module}"));
                    path.push_str(&format!("/modules/{}", percent::encode(module)));
                }
                let entry = operator.call(Call::new(Method::GET, &path))?;
                let key = &entry["authentication"]["symmetricKey"][self.key.key_type.member()];
                let key = key.as_str().ok_or_else(|| {
                    Failure("this one proves itself by a certificate, and has no tokens".into())
                })?;
                sas::sign(&resource, key, expiry, None)
            }
        };
        let token = token.ok_or_else(|| Failure("the key is not base64".into()))?;
        self.shape.print(&json!({ "sas": token }))
    }
}
