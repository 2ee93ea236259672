//! `--key-type`, and renewing symmetric keys.

use clap::{Args, ValueEnum};
use hyper::Method;
use serde_json::{Value, json};

use super::Failure;
use super::client::{Call, Operator};
use crate::credentials::random;

/// Choice of one of an entry's symmetric keys.
#[derive(Args)]
pub(super) struct Key {
    /// The symmetric key
    #[arg(
        long,
        visible_alias = "kt",
        value_enum,
        value_name = "KEY",
        default_value_t
    )]
    pub(super) key_type: KeyType,
}

/// Choice of the keys that are renewed.
#[derive(Args)]
pub(super) struct RenewedKeys {
    /// The symmetric keys
    #[arg(long, visible_alias = "kt", value_enum, value_name = "KEY")]
    key_type: Renewed,
}

/// One of an entry's symmetric keys.
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum KeyType {
    /// The first one, which connection strings name
    #[default]
    Primary,
    /// The second one
    Secondary,
}

impl KeyType {
    /// Its name in an entry.
    pub(super) const fn member(self) -> &'static str {
        match self {
            Self::Primary => "primaryKey",
            Self::Secondary => "secondaryKey",
        }
    }
}

/// Keys that are renewed.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Renewed {
    /// A new primary key
    Primary,
    /// A new secondary key
    Secondary,
    /// Two new keys
    Both,
    /// The secondary key becomes the primary one, and the other way round
    Swap,
}

impl RenewedKeys {
    /// Renews keys of the entry at `path`, unless somebody else changed it meanwhile. Gives the entry.
    pub(super) fn renew(&self, operator: &Operator, path: &str) -> Result<Value, Failure> {
        let mut entry = operator.call(Call::new(Method::GET, path))?;
        if entry["authentication"]["type"] != "sas" {
            return Err(Failure(
                "this one proves itself by a certificate, and has no symmetric keys".into(),
            ));
        }
        let etag = entry["etag"].as_str().unwrap_or_default().to_owned();
        let keys = &mut entry["authentication"]["symmetricKey"];
        let (primary, secondary) = (keys["primaryKey"].take(), keys["secondaryKey"].take());
        let made = || Value::from(random::symmetric_key());
        let (primary, secondary) = match self.key_type {
            Renewed::Primary => (made(), secondary),
            Renewed::Secondary => (primary, made()),
            Renewed::Both => (made(), made()),
            Renewed::Swap => (secondary, primary),
        };
        let mut body = json!({ "authentication": {
            "type": "sas",
            "symmetricKey": { "primaryKey": primary, "secondaryKey": secondary },
        }});
        body["deviceId"] = entry["deviceId"].take();
        if let Some(module) = entry.get("moduleId") {
            body["moduleId"] = module.clone();
        }
        operator.call(
            Call::new(Method::PUT, path)
                .with(body)
                .unchanged_since(&etag),
        )
    }
}
