//! Software updates: Azure's Device Update over the twin, without I/O.
//!
//! [`Updates`] is the device's side. It reads the twin's component `deviceUpdate` ([`Service`]), verifies the manifest's
//! signature up to a root key ([`verify`], [`Trust`]), reads the manifest ([`Manifest`]), has the file downloaded beside
//! the device loop ([`Job`](crate::port::update::Job), [`fetch`], [`Download`]), has the boot loader start the new image on trial, and keeps it only
//! after it has joined the hub and the hub has acknowledged its report. Whatever fails, the image before it comes back and
//! says why ([`Cause`]).
//!
//! Sources: Microsoft's Device Update agent and its Azure SDK for Embedded C (agent state, manifest version 5, signature,
//! root key package), as noted at each part.
//!
//! Memory: [`Updates`] takes 1.8 KB, and what a root key package said up to 1.5 KB. The texts of a deployment take
//! [`Settings::text_size`] bytes of the heap while they are read and judged, and a root key package that many. The thread of
//! the download has a job of 0.6 KB, a [`Download`] of 1.1 KB, and a buffer of 1 KB at least.
//!
//! Limits: one image, so one step with one file; no reference steps and no delta files. The boot loader must be able to
//! go back to the image before.

mod address;
mod base64;
mod cause;
#[cfg(feature = "update-dps")]
pub(crate) mod channel;
mod download;
mod fetch;
mod http;
mod jws;
mod key;
mod machine;
mod manifest;
mod number;
mod package;
mod record;
mod report;
mod rollback;
mod service;
mod settings;
mod stored;
#[cfg(test)]
pub(crate) mod tests;
mod trial;
mod unescape;
mod version;
mod workflow;

pub use self::address::Address;
pub use self::cause::Cause;
#[cfg(feature = "update-dps")]
pub use self::channel::SessionsDue;
pub use self::download::{Download, Turn};
pub use self::fetch::{MIN_BUFFER, fetch};
pub use self::jws::{TrustError, verify};
pub use self::key::{RootKey, Rotation, Trust, write_der};
pub use self::machine::Updates;
pub(crate) use self::machine::{Environment, Side};
pub use self::manifest::{Compatibility, File, Manifest, ManifestError, UpdateId};
pub use self::package::{PackageError, take as take_package};
pub use self::record::InstallResult;
pub(crate) use self::report::COMPONENT;
pub use self::service::{Service, Workflow};
#[cfg(feature = "update-dps")]
pub use self::settings::Channel;
pub use self::settings::Settings;
pub use crate::report::UpdateState as State;
