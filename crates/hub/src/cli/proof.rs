//! Options for the proof of an identity, of a device or of a module, in the words of `az`.

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::Failure;

/// Proof of the identity of a device or a module.
#[derive(Args)]
pub(super) struct Proof {
    /// Proof of the identity
    #[arg(long, visible_alias = "am", value_enum, value_name = "METHOD")]
    auth_method: Option<AuthMethod>,
    /// For x509_thumbprint: the SHA-1 or SHA-256 thumbprint of the certificate, in hex
    #[arg(long, visible_alias = "ptp", value_name = "HEX")]
    primary_thumbprint: Option<String>,
    /// For x509_thumbprint: that of a second certificate
    #[arg(long, visible_alias = "stp", value_name = "HEX")]
    secondary_thumbprint: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum AuthMethod {
    /// By tokens under a symmetric key, which the hub makes
    SharedPrivateKey,
    /// By the thumbprint of a certificate
    #[value(name = "x509_thumbprint")]
    X509Thumbprint,
    /// By a certificate under an uploaded CA, whose CN is the device id, or `DEVICE/MODULE` for a module
    #[value(name = "x509_ca")]
    X509Ca,
}

impl Proof {
    /// The member `authentication` of an entry. `None` if nothing is said: then an entry that is there keeps its own.
    /// One that is new proves itself by keys.
    pub(super) fn authentication(&self, is_new: bool) -> Result<Option<Value>, Failure> {
        let has_thumbprint =
            self.primary_thumbprint.is_some() || self.secondary_thumbprint.is_some();
        let method = match self.auth_method {
            None if has_thumbprint => Some(AuthMethod::X509Thumbprint),
            None if is_new => Some(AuthMethod::SharedPrivateKey),
            given => given,
        };
        if has_thumbprint && method != Some(AuthMethod::X509Thumbprint) {
            return Err(Failure(
                "a thumbprint goes with --auth-method x509_thumbprint".into(),
            ));
        }
        if method == Some(AuthMethod::X509Thumbprint) && !has_thumbprint {
            return Err(Failure(
                "x509_thumbprint needs --primary-thumbprint; for a device, `device create --auth x509-thumbprint` \
                 makes a certificate and its key"
                    .into(),
            ));
        }
        Ok(method.map(|method| match method {
            AuthMethod::SharedPrivateKey => json!({ "type": "sas" }),
            AuthMethod::X509Thumbprint => json!({ "type": "selfSigned", "x509Thumbprint": {
                "primaryThumbprint": self.primary_thumbprint,
                "secondaryThumbprint": self.secondary_thumbprint,
            }}),
            AuthMethod::X509Ca => json!({ "type": "certificateAuthority" }),
        }))
    }
}
