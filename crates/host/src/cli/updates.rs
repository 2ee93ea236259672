//! The options of a device that takes software updates.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// The options of `device` for updates.
#[derive(Args, Debug)]
#[command(next_help_heading = "Software updates")]
pub(crate) struct Updates {
    /// Take software updates, with their images in this folder, which is made if it does not exist
    #[arg(long, value_name = "DIR", requires = "update_root_keys")]
    pub(crate) update_folder: Option<PathBuf>,
    /// File with the root keys that updates must be signed under. A local hub writes one to
    /// updates/root-keys.json in its state directory
    #[arg(long, value_name = "FILE", requires = "update_folder")]
    pub(crate) update_root_keys: Option<PathBuf>,
    /// Maker of the device, by which updates are chosen
    #[arg(long, value_name = "NAME", default_value = "Contoso")]
    pub(crate) update_manufacturer: String,
    /// Model of the device, by which updates are chosen
    #[arg(long, value_name = "NAME", default_value = "Virtual-Device")]
    pub(crate) update_model: String,
    /// The most bytes a second of a download [default: no limit]
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1..), requires = "update_folder")]
    pub(crate) update_rate: Option<u32>,
    /// Source of updates: the twin, or sessions with the provisioning service, which is a preview of Azure's and needs
    /// --id-scope
    #[arg(
        long,
        value_name = "CHANNEL",
        value_enum,
        default_value_t,
        requires = "update_folder"
    )]
    pub(crate) update_channel: ChannelName,
    /// Seconds between two questions to the provisioning service for an update
    #[arg(long, value_name = "SECONDS", default_value = "86400", value_parser = clap::value_parser!(u32).range(60..))]
    pub(crate) update_poll: u32,
}

/// Carriers of updates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ChannelName {
    /// The twin's component deviceUpdate
    #[default]
    Twin,
    /// Sessions with the provisioning service
    Dps,
}
