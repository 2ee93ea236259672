//! `local-hub dps enrollment …` and `dps enrollment-group …`, in the words of `az iot dps`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use hyper::Method;
use serde_json::{Value, json};

use super::Failure;
use super::client::Call;
use super::dps::{authority, certificate, symmetric_key};
use super::shape::Shape;
use super::target::Target;
use crate::credentials::percent;

#[derive(Subcommand)]
pub(super) enum Individual {
    /// Enrol one registration, and print its enrolment
    Create(Fields<One>),
    /// Print all enrolments
    List(List),
    /// Print an enrolment
    Show(Show<One>),
    /// Change an enrolment; its symmetric keys stay as they are
    Update(Fields<One>),
    /// Remove an enrolment; a device that was assigned stays
    Delete(One),
}

#[derive(Subcommand)]
pub(super) enum Group {
    /// Enrol a group of registrations, and print its enrolment
    Create(Fields<OneGroup>),
    /// Print all enrolments
    List(List),
    /// Print a group's enrolment
    Show(Show<OneGroup>),
    /// Change a group's enrolment; its symmetric keys stay as they are
    Update(Fields<OneGroup>),
    /// Remove a group; devices that were assigned stay
    Delete(OneGroup),
}

/// One enrolment of one hub.
#[derive(Args)]
pub(super) struct One {
    /// The registration id
    #[arg(long, visible_alias = "eid", value_name = "ID")]
    enrollment_id: String,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    shape: Shape,
}

/// One group of one hub.
#[derive(Args)]
pub(super) struct OneGroup {
    /// The group's name
    #[arg(long, visible_aliases = ["gid", "group-id"], value_name = "ID")]
    enrollment_id: String,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    shape: Shape,
}

#[derive(Args)]
pub(super) struct List {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    shape: Shape,
    /// Print the symmetric keys too
    #[arg(long, visible_alias = "keys")]
    show_keys: bool,
}

#[derive(Args)]
pub(super) struct Show<O: Args> {
    #[command(flatten)]
    one: O,
    /// Print the symmetric keys too
    #[arg(long, visible_alias = "keys")]
    show_keys: bool,
}

#[derive(Args)]
pub(super) struct Fields<O: Args> {
    #[command(flatten)]
    one: O,
    /// Proof of the device's identity: symmetricKey, whose keys are made, or x509
    #[arg(long, visible_alias = "at", value_enum, value_name = "TYPE")]
    attestation_type: Option<Type>,
    /// For x509: the device's certificate, or the CA of a group's certificates (PEM)
    #[arg(long, visible_alias = "cp", value_name = "FILE")]
    certificate_path: Option<PathBuf>,
    /// The device id, if it is not the registration id; not for a group
    #[arg(long, value_name = "ID")]
    device_id: Option<String>,
    /// Lets devices be provisioned, or not
    #[arg(long, visible_alias = "ps", value_enum, value_name = "STATUS")]
    provisioning_status: Option<Provisioned>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "camelCase")]
enum Type {
    SymmetricKey,
    X509,
}

#[derive(Clone, Copy, ValueEnum)]
enum Provisioned {
    Enabled,
    Disabled,
}

/// An individual or a group.
pub(super) trait Named {
    /// True for a group.
    const GROUP: bool;

    fn id(&self) -> &str;
    fn target(&self) -> &Target;
    fn shape(&self) -> &Shape;

    /// The path of the enrolment.
    fn path(&self) -> String {
        let collection = if Self::GROUP {
            "/provisioning/enrollmentGroups"
        } else {
            "/provisioning/enrollments"
        };
        format!("{collection}/{}", percent::encode(self.id()))
    }

    /// Prints an enrolment as `az` does.
    fn print(&self, enrollment: &Value, with_keys: bool) -> Result<(), Failure> {
        let shown = as_az_shows(self.id(), Self::GROUP, enrollment, with_keys);
        self.shape().print(&shown)
    }

    fn delete(&self) -> Result<(), Failure> {
        let path = self.path();
        self.target()
            .operator()?
            .call(Call::new(Method::DELETE, &path))?;
        Ok(())
    }
}

macro_rules! named {
    ($($type:ident, $group:literal);*) => {$(
        impl Named for $type {
            const GROUP: bool = $group;

            fn id(&self) -> &str {
                &self.enrollment_id
            }

            fn target(&self) -> &Target {
                &self.target
            }

            fn shape(&self) -> &Shape {
                &self.shape
            }
        }
    )*};
}

named!(One, false; OneGroup, true);

impl Individual {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Create(fields) => fields.create(),
            Self::List(list) => list.run(false),
            Self::Show(show) => show.run(),
            Self::Update(fields) => fields.update(),
            Self::Delete(one) => one.delete(),
        }
    }
}

impl Group {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Create(fields) => fields.create(),
            Self::List(list) => list.run(true),
            Self::Show(show) => show.run(),
            Self::Update(fields) => fields.update(),
            Self::Delete(one) => one.delete(),
        }
    }
}

impl List {
    fn run(self, group: bool) -> Result<(), Failure> {
        let (path, member) = if group {
            ("/provisioning/enrollmentGroups", "enrollmentGroupId")
        } else {
            ("/provisioning/enrollments", "registrationId")
        };
        let all = self.target.operator()?.call(Call::new(Method::GET, path))?;
        let shown = all.as_array().into_iter().flatten().map(|enrollment| {
            let id = enrollment[member].as_str().unwrap_or_default();
            as_az_shows(id, group, enrollment, self.show_keys)
        });
        self.shape.print(&shown.collect())
    }
}

impl<O: Args + Named> Show<O> {
    fn run(self) -> Result<(), Failure> {
        let path = self.one.path();
        let call = Call::new(Method::GET, &path);
        let enrollment = self.one.target().operator()?.call(call)?;
        self.one.print(&enrollment, self.show_keys)
    }
}

impl<O: Args + Named> Fields<O> {
    fn create(self) -> Result<(), Failure> {
        let attestation = self.attestation()?;
        let missing = || Failure("say how it proves who it is: --attestation-type".into());
        let mut body = json!({ "attestation": attestation.ok_or_else(missing)? });
        self.enter(&mut body)?;
        let path = self.one.path();
        let call = Call::new(Method::PUT, &path).with(body);
        let enrollment = self.one.target().operator()?.call(call)?;
        self.one.print(&enrollment, true)
    }

    fn update(self) -> Result<(), Failure> {
        let attestation = self.attestation()?;
        let operator = self.one.target().operator()?;
        let path = self.one.path();
        let mut body = operator.call(Call::new(Method::GET, &path))?;
        if let Some(attestation) = attestation {
            body["attestation"] = attestation;
        }
        self.enter(&mut body)?;
        let call = Call::new(Method::PUT, &path).with(body).existing();
        self.one.print(&operator.call(call)?, true)
    }

    /// As the hub's REST interface takes it; `None` if nothing is said about it.
    fn attestation(&self) -> Result<Option<Value>, Failure> {
        let wrong = |text: &str| Err(Failure(text.into()));
        match (self.attestation_type, &self.certificate_path) {
            (None, None) => Ok(None),
            (Some(Type::SymmetricKey), None) => Ok(Some(symmetric_key())),
            (Some(Type::SymmetricKey), Some(_)) => {
                wrong("--certificate-path goes with --attestation-type x509")
            }
            (Some(Type::X509), None) => {
                wrong("x509 needs the certificate: --certificate-path FILE")
            }
            (_, Some(file)) if O::GROUP => authority(file).map(Some),
            (_, Some(file)) => certificate(file).map(Some),
        }
    }

    fn enter(&self, body: &mut Value) -> Result<(), Failure> {
        if let Some(id) = &self.device_id {
            if O::GROUP {
                return Err(Failure("the devices of a group have their own ids".into()));
            }
            body["deviceId"] = id.as_str().into();
        }
        if let Some(status) = self.provisioning_status {
            body["status"] = match status {
                Provisioned::Enabled => "enabled",
                Provisioned::Disabled => "disabled",
            }
            .into();
        }
        Ok(())
    }
}

/// An enrolment with its members where Azure's service has them. What only this hub has keeps its name.
pub(super) fn as_az_shows(id: &str, group: bool, enrollment: &Value, with_keys: bool) -> Value {
    let given = &enrollment["attestation"];
    let attestation = match given["type"].as_str().unwrap_or_default() {
        "symmetricKey" if with_keys => json!({
            "type": "symmetricKey",
            "symmetricKey": { "primaryKey": given["primaryKey"], "secondaryKey": given["secondaryKey"] },
        }),
        "symmetricKey" => json!({ "type": "symmetricKey" }),
        "x509Ca" => json!({
            "type": "x509",
            "x509": { "signingCertificates": { "primary": { "certificate": given["certificate"] } } },
        }),
        _ => json!({
            "type": "x509",
            "x509": { "clientCertificates": { "primary": { "info": {
                "sha256Thumbprint": given["thumbprint"],
            } } } },
        }),
    };
    let mut shown =
        json!({ "attestation": attestation, "provisioningStatus": enrollment["status"] });
    if group {
        shown["enrollmentGroupId"] = id.into();
    } else {
        shown["registrationId"] = id.into();
        shown["deviceId"] = enrollment["deviceId"].clone();
    }
    for own in ["payload", "assigning", "retryAfter", "failure"] {
        shown[own] = enrollment[own].clone();
    }
    shown
}
