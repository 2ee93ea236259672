//! `local-hub update …`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Value, json};

use super::Failure;
use super::client::Call;
use super::output::print;
use super::target::Target;
use crate::credentials::percent;
use crate::update::{self, Import, UpdateFault, UpdateId};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Import a file as an update, and sign its manifest
    Import(ImportFile),
    /// Print the updates that were imported
    List(Target),
    /// Have devices take an update, as far as it is for them
    Deploy {
        #[command(flatten)]
        id: Id,
        #[command(flatten)]
        devices: Devices,
        /// For the time before the registration
        #[arg(long, requires = "registration")]
        onboarding: bool,
        #[command(flatten)]
        target: Target,
    },
    /// Cancel what is deployed to devices
    Cancel {
        #[command(flatten)]
        devices: Devices,
        #[command(flatten)]
        target: Target,
    },
    /// Print the state of devices' updates
    Show {
        #[command(flatten)]
        devices: Devices,
        #[command(flatten)]
        target: Target,
    },
    /// Have something go wrong with the next deployments, or with the next requests for a file
    Fault {
        /// The fault: wrong-hash, wrong-size, wrong-signature, wrong-manifest, unknown-key, disabled-root-key,
        /// disabled-signing-key, cut, slow, status, redirect, moved, no-ranges, onboarding, get, report, or clear
        #[arg(value_parser = ["wrong-hash", "wrong-size", "wrong-signature", "wrong-manifest", "unknown-key",
            "disabled-root-key", "disabled-signing-key", "cut", "slow", "status", "redirect", "moved", "no-ranges",
            "onboarding", "get", "report", "clear"])]
        fault: String,
        /// Bytes after which a connection is cut, bytes a second, or the status
        #[arg(long, value_name = "NUMBER", required_if_eq_any([("fault", "cut"), ("fault", "slow"), ("fault", "status"),
            ("fault", "onboarding"), ("fault", "get"), ("fault", "report")]))]
        value: Option<u32>,
        /// Number of times
        #[arg(long, default_value_t = 1)]
        times: u32,
        #[command(flatten)]
        target: Target,
    },
}

/// The name of an update.
#[derive(Args)]
pub(super) struct Id {
    /// Maker of the update
    #[arg(long)]
    provider: String,
    /// Of what it is a version
    #[arg(long)]
    name: String,
    /// Its version, such as 1.2.0
    #[arg(
        long = "update-version",
        visible_alias = "version",
        value_name = "VERSION"
    )]
    version: String,
}

impl Id {
    fn id(&self) -> UpdateId {
        UpdateId {
            provider: self.provider.clone(),
            name: self.name.clone(),
            version: self.version.clone(),
        }
    }
}

/// Devices that a command is about; all of them if nothing is said.
#[derive(Args)]
pub(super) struct Devices {
    /// One device
    #[arg(short, long, visible_alias = "device-id", value_name = "ID")]
    device: Option<String>,
    /// Devices that a condition of the query language selects, such as "tags.site = 'north'"
    #[arg(long, value_name = "CONDITION", conflicts_with = "device")]
    group: Option<String>,
    /// One registration with the provisioning service, which asks for its update there (a preview of Azure's)
    #[arg(long, value_name = "ID", conflicts_with_all = ["device", "group"])]
    registration: Option<String>,
}

impl Devices {
    fn path(&self) -> String {
        let path = "/updates/deployments";
        if let Some(registration) = &self.registration {
            return format!("{path}?registration={}", percent::encode(registration));
        }
        match (&self.device, &self.group) {
            (Some(device), _) => format!("{path}?device={}", percent::encode(device)),
            (None, Some(group)) => format!("{path}?condition={}", percent::encode(group)),
            (None, None) => path.into(),
        }
    }
}

#[derive(Args)]
pub(super) struct ImportFile {
    /// The file
    file: PathBuf,
    #[command(flatten)]
    id: Id,
    /// Properties of the devices that it is for; several times for several kinds of devices
    #[arg(long, required = true, value_name = "deviceManufacturer=M,deviceModel=N", value_parser = parse_set)]
    compatibility: Vec<BTreeMap<String, String>>,
    /// Version that a device says it has once the update is installed [default: the update's]
    #[arg(long, value_name = "VERSION")]
    installed_criteria: Option<String>,
    #[command(flatten)]
    target: Target,
}

/// Properties with commas between them.
fn parse_set(text: &str) -> Result<BTreeMap<String, String>, String> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        let is_good = !name.trim().is_empty() && !value.trim().is_empty();
        is_good.then(|| (name.trim().to_owned(), value.trim().to_owned()))
    };
    text.split(',')
        .map(pair)
        .collect::<Option<_>>()
        .ok_or_else(|| {
            "give names and values, such as deviceManufacturer=Contoso,deviceModel=Toaster".into()
        })
}

impl ImportFile {
    fn run(self) -> Result<(), Failure> {
        let shown = self.file.display().to_string();
        let contents = std::fs::read(&self.file)
            .map_err(|error| Failure(format!("cannot read {shown}: {error}")))?;
        // Found first: a folder without a hub gets no files.
        let operator = self.target.operator()?;
        let folder = self.target.directory().join(update::FOLDER);
        let name = update::store(&folder, &contents)?;
        let file_name = self.file.file_name().unwrap_or_default().to_string_lossy();
        let import = Import {
            id: self.id.id(),
            compatibility: self.compatibility,
            file_name: file_name.into_owned(),
            installed_criteria: self.installed_criteria,
        };
        let body = json!({"contents": name, "update": import});
        let call = Call::new(Method::PUT, "/updates").with(body);
        // The first import makes keys.
        show(&operator.call(call.lasting(std::time::Duration::from_secs(120)))?)?;
        let keys = folder.join("root-keys.json");
        print(&format!(
            "devices have to trust the root keys in {}",
            keys.display()
        ))
    }
}

fn show(value: &Value) -> Result<(), Failure> {
    print(&format!("{value:#}"))
}

/// The fault of this name; `None` to clear all.
fn fault_of(name: &str, value: u32) -> Option<UpdateFault> {
    let status = u16::try_from(value).unwrap_or(500);
    Some(match name {
        "wrong-hash" => UpdateFault::WrongHash,
        "wrong-size" => UpdateFault::WrongSize,
        "wrong-signature" => UpdateFault::WrongSignature,
        "wrong-manifest" => UpdateFault::WrongManifest,
        "unknown-key" => UpdateFault::UnknownKey,
        "disabled-root-key" => UpdateFault::DisabledRootKey,
        "disabled-signing-key" => UpdateFault::DisabledSigningKey,
        "cut" => UpdateFault::Cut { bytes: value },
        "slow" => UpdateFault::Slow { rate: value },
        "status" => UpdateFault::Status { status },
        "onboarding" => UpdateFault::Onboarding { status },
        "get" => UpdateFault::Get { status },
        "report" => UpdateFault::Report { status },
        "redirect" => UpdateFault::Redirect,
        "moved" => UpdateFault::Moved,
        "no-ranges" => UpdateFault::NoRanges,
        _ => return None,
    })
}

impl Command {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Import(import) => import.run(),
            Self::List(target) => show(
                &target
                    .operator()?
                    .call(Call::new(Method::GET, "/updates"))?,
            ),
            Self::Deploy {
                id,
                devices,
                onboarding,
                target,
            } => {
                let mut path = devices.path();
                if onboarding {
                    path.push_str("&onboarding=true");
                }
                let call = Call::new(Method::POST, &path).with(json!({"update": id.id()}));
                show(&target.operator()?.call(call)?)
            }
            Self::Cancel { devices, target } => show(
                &target
                    .operator()?
                    .call(Call::new(Method::DELETE, &devices.path()))?,
            ),
            Self::Show { devices, target } => show(
                &target
                    .operator()?
                    .call(Call::new(Method::GET, &devices.path()))?,
            ),
            Self::Fault {
                fault,
                value,
                times,
                target,
            } => {
                let call = match fault_of(&fault, value.unwrap_or_default()) {
                    None => Call::new(Method::DELETE, "/updates/faults"),
                    Some(fault) => {
                        let mut body = json!(fault);
                        body["times"] = times.into();
                        Call::new(Method::POST, "/updates/faults").with(body)
                    }
                };
                target.operator()?.call(call).map(drop)
            }
        }
    }
}
