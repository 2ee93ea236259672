//! Shared access policies of the hub: who may do what without being a device.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::credentials::random;
use crate::credentials::sas::Token;
use crate::error::Error;
use crate::store::{Store, StoreError};

/// Permissions of a policy ("Control access to IoT Hub by using shared access signatures").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Right {
    /// Read the registry.
    RegistryRead,
    /// Change the registry.
    RegistryWrite,
    /// Send messages, call methods, read events.
    ServiceConnect,
    /// Connect as any device.
    DeviceConnect,
}

/// The policies that every hub has, with their rights.
const POLICIES: [(&str, &[Right]); 5] = [
    (
        "iothubowner",
        &[
            Right::RegistryRead,
            Right::RegistryWrite,
            Right::ServiceConnect,
            Right::DeviceConnect,
        ],
    ),
    ("service", &[Right::ServiceConnect]),
    ("device", &[Right::DeviceConnect]),
    ("registryRead", &[Right::RegistryRead]),
    (
        "registryReadWrite",
        &[Right::RegistryRead, Right::RegistryWrite],
    ),
];

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Keys {
    primary: String,
    secondary: String,
}

/// The keys of every policy.
pub(crate) struct Policies(Vec<(&'static str, &'static [Right], Keys)>);

impl fmt::Debug for Policies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Policies([redacted])")
    }
}

impl Policies {
    /// Reads the keys from the store, or makes them.
    pub(crate) fn open(store: &Arc<Store>) -> Result<Self, StoreError> {
        let mut policies = Vec::new();
        for (name, rights) in POLICIES {
            let key = format!("policy/{name}");
            let keys = match store.get(&key) {
                Some(keys) => keys,
                None => {
                    let keys = Keys {
                        primary: random::symmetric_key(),
                        secondary: random::symmetric_key(),
                    };
                    store.put(&key, &keys)?;
                    keys
                }
            };
            policies.push((name, rights, keys));
        }
        Ok(Self(policies))
    }

    /// The primary key of a policy.
    pub(crate) fn key(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(policy, ..)| *policy == name)
            .map(|(_, _, keys)| keys.primary.as_str())
    }

    /// Checks a token that names a policy: its key, that the policy has `right`, and that it is for one of the
    /// `targets` and not expired. The text says why not.
    pub(crate) fn check(
        &self,
        token: &Token<'_>,
        right: Right,
        targets: &[impl AsRef<str>],
        now: u64,
        skew: u64,
    ) -> Result<(), String> {
        let named = token
            .policy
            .as_deref()
            .ok_or("the token names no policy (skn)")?;
        let (_, rights, keys) = self
            .0
            .iter()
            .find(|(policy, ..)| *policy == named)
            .ok_or_else(|| format!("there is no policy {named:?}"))?;
        if !rights.contains(&right) {
            return Err(format!("policy {named:?} does not permit this"));
        }
        token
            .check_any(
                [keys.primary.as_str(), keys.secondary.as_str()],
                targets,
                now,
                skew,
            )
            .map_err(|error| error.to_string())
    }

    /// Connection string of an operator's tool.
    pub(crate) fn connection_string(&self, host: &str, name: &str) -> Result<String, Error> {
        let key = self
            .key(name)
            .ok_or_else(|| Error::ArgumentInvalid(format!("there is no policy {name:?}")))?;
        Ok(format!(
            "HostName={host};SharedAccessKeyName={name};SharedAccessKey={key}"
        ))
    }
}
