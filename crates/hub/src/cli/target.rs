//! Names of the hub, of devices and of modules on a command line: in this program's words and in those of `az`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::Failure;
use super::client::Operator;
use super::output::say;
use crate::credentials::percent;

/// The hub that a command is for.
#[derive(Args)]
pub(super) struct Target {
    /// The hub's state directory
    // Not flattened, so that clap sees that an optional `Target` is there.
    #[arg(
        long = "state",
        value_name = "DIR",
        env = "LOCAL_HUB_STATE",
        hide_env_values = true
    )]
    directory: PathBuf,
    /// Taken as `az` takes it, and ignored: the state directory says which hub it is
    #[arg(
        short = 'n',
        long,
        alias = "dps-name",
        value_name = "NAME",
        hide_short_help = true
    )]
    hub_name: Option<String>,
    /// Ignored likewise
    #[arg(short = 'g', long, value_name = "NAME", hide_short_help = true)]
    resource_group: Option<String>,
}

impl Target {
    /// The hub, to ask it something.
    pub(super) fn operator(&self) -> Result<Operator, Failure> {
        for (option, given) in [("-n", &self.hub_name), ("-g", &self.resource_group)] {
            if given.is_some() {
                say(&format!(
                    "note: {option} is ignored; --state or LOCAL_HUB_STATE says which hub it is"
                ));
            }
        }
        Operator::of(self.directory())
    }

    /// Its state directory.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }
}

/// One device, by its position or by `az`'s option.
#[derive(Args)]
pub(super) struct DeviceName {
    /// The device's id
    #[arg(value_name = "ID", required_unless_present = "device_id")]
    id: Option<String>,
    /// The same, as `az` names it
    #[arg(short = 'd', long, value_name = "ID", conflicts_with = "id")]
    device_id: Option<String>,
}

impl DeviceName {
    /// The id.
    pub(super) fn id(&self) -> &str {
        let given = self.id.as_ref().or(self.device_id.as_ref());
        given.map_or("", String::as_str)
    }

    /// True if it was named as `az` names it.
    pub(super) const fn is_by_option(&self) -> bool {
        self.device_id.is_some()
    }
}

/// One module of a device, by their positions or by `az`'s options.
#[derive(Args)]
pub(super) struct ModuleName {
    /// The device's id
    #[arg(value_name = "DEVICE", required_unless_present = "device_id")]
    device: Option<String>,
    /// The module's id
    #[arg(value_name = "MODULE", required_unless_present = "module_id")]
    module: Option<String>,
    /// The device's id, as `az` names it
    #[arg(
        short = 'd',
        long,
        value_name = "ID",
        conflicts_with = "device",
        requires = "module_id"
    )]
    device_id: Option<String>,
    /// The module's id, as `az` names it
    #[arg(
        short = 'm',
        long,
        value_name = "ID",
        conflicts_with = "module",
        requires = "device_id"
    )]
    module_id: Option<String>,
}

impl ModuleName {
    /// The device's id.
    pub(super) fn device(&self) -> &str {
        let given = self.device.as_ref().or(self.device_id.as_ref());
        given.map_or("", String::as_str)
    }

    /// The module's id.
    pub(super) fn module(&self) -> &str {
        let given = self.module.as_ref().or(self.module_id.as_ref());
        given.map_or("", String::as_str)
    }

    /// The path of its entry.
    pub(super) fn path(&self) -> String {
        let device = percent::encode(self.device());
        format!(
            "/devices/{device}/modules/{}",
            percent::encode(self.module())
        )
    }

    /// True if it was named as `az` names it.
    pub(super) const fn is_by_option(&self) -> bool {
        self.device_id.is_some()
    }
}
