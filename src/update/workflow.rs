//! Workflows: what the service desires is judged, and taken, replaced or cancelled.

use alloc::boxed::Box;

use super::address::Address;
use super::cause::Cause;
use super::jws::verify;
use super::key::Trust;
use super::machine::{Environment, Stage, Updates};
use super::manifest::{Compatibility, Manifest};
use super::package;
use super::record::{InstallResult, Kept};
use super::service::{ACTION_CANCEL, ACTION_PROCESS};
use crate::application::UpdateEvent;
use crate::label::Label;
use crate::logging::{debug, info};
use crate::port::update::Updater;
use crate::port::update::{Job, MAX_ADDRESS, MAX_ADDRESSES};
use crate::storage::crc32;

/// Status of a deployment that is taken.
const ACCEPTED: u16 = 200;
/// Status of a deployment that is refused.
const NOT_ACCEPTABLE: u16 = 406;
/// The one that cancels a workflow in the twin.
const SERVICE: &str = "the service";
/// Device Update's code for a workflow that was cancelled.
const CANCELLED: i32 = -1;

impl Updates<'_> {
    /// Judges the document of the twin that was read last.
    #[inline(never)]
    pub(super) fn judge_document(&mut self, environment: &mut Environment<'_>) {
        let Some(is_whole) = self.read.take() else {
            return;
        };
        let is_gone = !self.service.is_present() && (is_whole || self.service.is_mentioned());
        match self.service.action() {
            _ if is_gone => self.cancel(SERVICE, environment),
            Some(ACTION_CANCEL) => self.cancel(SERVICE, environment),
            Some(ACTION_PROCESS) => self.process(is_whole, environment),
            // A change of something else.
            _ => {}
        }
        // A deployment that was taken has a job. One that a session offered may not be offered again.
        if !(self.stage == Stage::Package && self.keeps_offers()) {
            self.service.clear();
        }
    }

    /// Ends what is under way, as `who` wants it.
    pub(super) fn cancel(&mut self, who: &str, environment: &mut Environment<'_>) {
        match self.stage {
            Stage::Download { .. } | Stage::Install { .. } => {}
            Stage::Package | Stage::Fetching => {
                environment.updater.stop();
                self.end_cancelled(who, environment);
                self.stage = Stage::Stopping;
                return;
            }
            // A download that a restart interrupted.
            Stage::Idle if self.record.kept == Kept::Fetching => {}
            // Nothing is under way, or it is too late: the new image has to prove itself.
            _ => return,
        }
        self.end_cancelled(who, environment);
    }

    #[inline(never)]
    fn end_cancelled(&mut self, who: &str, environment: &mut Environment<'_>) {
        info!(
            "update: {who} cancelled the workflow {}",
            self.record.workflow.id
        );
        let result = InstallResult {
            code: CANCELLED,
            extended: 0,
            details: Label::cut("cancelled"),
        };
        self.finish(result, environment);
        self.answer(ACCEPTED);
        environment.application.tell(UpdateEvent::Cancelled);
    }

    fn answer(&mut self, status: u16) {
        self.answer = Some((status, self.desired_version));
        self.report_again();
    }

    /// Takes a deployment, if it is not the one that is under way or was done.
    #[inline(never)]
    fn process(&mut self, is_whole: bool, environment: &mut Environment<'_>) {
        let is_known = self.record.workflow == *self.service.workflow();
        match self.stage {
            // It is under way.
            _ if is_known && self.stage != Stage::Idle => return,
            // Another one: first the download has to end.
            Stage::Package | Stage::Fetching => {
                info!(
                    "update: another workflow replaces {}",
                    self.record.workflow.id
                );
                environment.updater.stop();
                self.stage = Stage::Stopping;
                return;
            }
            // The twin is read again afterwards.
            Stage::New
            | Stage::Stopping
            | Stage::Restarting
            | Stage::RollingBack { .. }
            | Stage::Proving { .. } => return,
            Stage::Idle | Stage::Download { .. } | Stage::Install { .. } => {}
        }
        if is_known && self.record.kept == Kept::Idle {
            debug!(
                "update: the workflow {} was done before",
                self.record.workflow.id
            );
            return;
        }
        if !is_known {
            self.job = None;
            self.record.workflow = *self.service.workflow();
            self.record.kept = Kept::Idle;
            self.record.result = None;
            self.record.note = Label::EMPTY;
            self.record.offset = 0;
            self.record.package = 0;
            info!(
                "update: the service wants the workflow {}",
                self.record.workflow.id
            );
        }
        match self.take(is_whole, environment) {
            Ok(()) => {}
            Err(cause) => {
                self.answer(NOT_ACCEPTABLE);
                self.fail(cause, environment);
            }
        }
    }

    /// Verifies a deployment, and prepares its download.
    #[inline(never)]
    fn take(&mut self, is_whole: bool, environment: &mut Environment<'_>) -> Result<(), Cause> {
        if self.service.is_too_long() {
            return Err(Cause::Workflow(
                "the deployment does not fit the space; raise its text size (Settings::text_size)",
            ));
        }
        if !self.service.is_complete() {
            // A change of the twin may have a part of it only.
            if !is_whole {
                self.wants_twin = true;
                self.record.kept = Kept::Idle;
                self.record.workflow = super::service::Workflow::default();
                self.stage = Stage::Idle;
                return Ok(());
            }
            return Err(Cause::Workflow(
                "the deployment lacks its manifest, its signature or the address of a file",
            ));
        }
        if self.begin_package(environment)? {
            return Ok(());
        }
        self.check_signature()?;
        self.read_manifest()?;
        self.answer(ACCEPTED);
        if self.record.manifest.criterion.as_str() == self.version {
            info!(
                "update: {} is installed already",
                self.record.manifest.id.version
            );
            self.finish_installed("already installed", environment);
            return Ok(());
        }
        self.prepare_job()?;
        self.stage = Stage::Download {
            ask: environment.now,
        };
        Ok(())
    }

    /// Begins the download of the root key package, if this workflow has one that it has not used yet.
    #[inline(never)]
    fn begin_package(&mut self, environment: &mut Environment<'_>) -> Result<bool, Cause> {
        let address = self.service.package();
        let mark = crc32(address.as_bytes());
        if address.is_empty() || mark == self.record.package {
            return Ok(false);
        }
        let label = Label::new(address).filter(|_| Address::parse(address).is_some());
        let label = label.ok_or(Cause::Workflow(
            "the address of the root key package is not one of HTTP",
        ))?;
        let job = Job {
            addresses: [label, Label::EMPTY],
            size: u32::try_from(self.settings.text_size).unwrap_or(u32::MAX),
            digest: None,
            offset: 0,
            rate: self.settings.rate,
            patience: self.settings.patience,
        };
        self.record.package = mark;
        self.stage = Stage::Package;
        self.written = 0;
        if self.record.previous.take().is_some() {
            // The slot is about to be overwritten.
            self.store(environment);
        }
        environment.updater.begin(&job);
        Ok(true)
    }

    /// True if a deployment comes once, by a session.
    const fn keeps_offers(&self) -> bool {
        #[cfg(feature = "update-dps")]
        let keeps = !matches!(self.settings.channel, super::settings::Channel::Twin);
        #[cfg(not(feature = "update-dps"))]
        let keeps = false;
        keeps
    }

    /// The root key package lies in the slot: nothing else is there yet.
    #[inline(never)]
    pub(super) fn handle_package(&mut self, length: u32, environment: &mut Environment<'_>) {
        match self.take_package(length, environment.updater) {
            Ok(()) => {
                self.store_rotation(environment);
                // The deployment is in the twin. It is not under way, but begins again there.
                self.stage = Stage::Idle;
                self.record.kept = Kept::Fetching;
                // Another carrier than the twin has another machine go on.
                self.store(environment);
                match self.service.is_present() {
                    true => self.read = Some(true),
                    false => self.wants_twin = true,
                }
            }
            Err(cause) => {
                self.answer(NOT_ACCEPTABLE);
                self.fail(cause, environment);
            }
        }
    }

    #[inline(never)]
    fn take_package(&mut self, length: u32, updater: &mut dyn Updater) -> Result<(), Cause> {
        let mut text = alloc::vec::Vec::new();
        let length = length as usize;
        if text.try_reserve_exact(length).is_err() {
            return Err(Cause::Workflow("no memory for the root key package"));
        }
        text.resize(length, 0);
        updater.read(0, &mut text).map_err(Cause::Slot)?;
        let settings = &self.settings;
        let rotation = self.rotation.get_or_insert_default();
        package::take(&text, settings.roots, rotation, settings.verify).map_err(Cause::Package)?;
        info!(
            "update: root key package {} is in force",
            rotation.version()
        );
        Ok(())
    }

    // Functions of their own, each of which needs stack for itself alone: RSA needs most of it.

    /// Verifies the manifest's signature.
    #[inline(never)]
    fn check_signature(&mut self) -> Result<(), Cause> {
        let (settings, rotation) = (&self.settings, self.rotation.as_deref());
        let trust = Trust {
            roots: settings.roots,
            rotation,
        };
        let (manifest, signature, space) = self
            .service
            .judged()
            .ok_or(Cause::Workflow("the deployment is damaged"))?;
        verify(manifest, signature, space, &trust, settings.verify).map_err(Cause::Trust)
    }

    /// Reads the manifest, whose signature is verified.
    #[inline(never)]
    fn read_manifest(&mut self) -> Result<(), Cause> {
        let device = Compatibility {
            manufacturer: self.settings.manufacturer,
            model: self.settings.model,
        };
        let read = Manifest::read(self.service.manifest(), &device);
        let manifest = read.map_err(Cause::Manifest)?;
        if manifest != self.record.manifest || self.record.kept != Kept::Fetching {
            self.record.offset = 0;
        }
        self.record.manifest = manifest;
        Ok(())
    }

    #[inline(never)]
    fn prepare_job(&mut self) -> Result<(), Cause> {
        let file = &self.record.manifest.file;
        let mut addresses = [Label::<MAX_ADDRESS>::EMPTY; MAX_ADDRESSES];
        let known = self.service.addresses(file.id.as_str());
        let good = known.filter(|address| Address::parse(address).is_some());
        let mut fitting = good.filter_map(Label::new);
        for (place, address) in addresses.iter_mut().zip(&mut fitting) {
            *place = address;
        }
        if addresses.iter().all(Label::is_empty) {
            return Err(Cause::Workflow(
                "the deployment has no address of HTTP for its file, or only one of more than 256 bytes",
            ));
        }
        self.job = Some(Box::new(Job {
            addresses,
            size: file.size,
            digest: Some(file.digest),
            offset: self.record.offset,
            rate: self.settings.rate,
            patience: self.settings.patience,
        }));
        Ok(())
    }
}
