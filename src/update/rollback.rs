//! Rollback: an operator has the image before started, on trial, as a new one is.
//!
//! Two images are known to have been kept: the one that runs, and the one before it, which lies in the slot until a
//! download overwrites it. So a rollback needs no download, and whatever goes wrong with it, the image that runs now
//! comes back. The service's workflow stays as it is: its result is that of the update.

use core::time::Duration;

use super::cause::Cause;
use super::machine::{Environment, Stage, Updates};
use super::manifest::UpdateId;
use super::record::{Installed, Kept, MAX_DETAILS};
use crate::application::{Permission, UpdateEvent, UpdateStatus, UpdateStep};
use crate::label::Label;
use crate::logging::{info, warn};
use crate::port::update::{MAX_VERSION, SlotImage};
use crate::report::UpdateState;

/// Time in which the answer to the operator leaves. Then the device restarts in any case.
const ANSWERED: Duration = Duration::from_secs(5);

impl Updates<'_> {
    /// Judges a rollback, and has the boot loader start the image before at the next restart, which is due then. Gives that
    /// image's version, which is empty if it is not known.
    #[inline(never)]
    pub(crate) fn roll_back(
        &mut self,
        environment: &mut Environment<'_>,
    ) -> Result<Label<MAX_VERSION>, &'static str> {
        if let Stage::Proving { .. } = self.stage {
            let version = self.previous_version();
            permit(version, environment)?;
            self.give_up(Cause::RolledBack, environment);
            self.restart_after_answer(environment);
            return Ok(version);
        }
        if self.stage != Stage::Idle {
            return Err("an update is under way: cancel it first, or wait for its end");
        }
        let previous = self.record.previous.as_ref();
        let version = previous.map(|(_, version)| *version);
        let version =
            version.ok_or("no image before the one that runs is known to have been kept")?;
        if self
            .installed()
            .is_none_or(|(_, own)| own.as_str() != self.version)
        {
            return Err("the image that runs did not come by an update");
        }
        if version.as_str() == self.version {
            return Err("the image before has the same version");
        }
        match environment.updater.slot_image() {
            Ok(SlotImage::Version(found)) if found == version => {}
            Ok(SlotImage::NotSupported) => {
                return Err("this platform cannot start the image before");
            }
            Ok(_) => return Err("the slot does not hold the image before any more"),
            Err(_) => return Err("the slot could not be read"),
        }
        permit(version, environment)?;
        let (kept, is_clean, restarts, note) = {
            let record = &self.record;
            (record.kept, record.is_clean, record.restarts, record.note)
        };
        self.record.kept = Kept::Trial;
        self.record.is_rollback = true;
        self.record.is_clean = true;
        self.record.restarts = 0;
        self.record.note = Label::EMPTY;
        // First, as with a new image.
        let prepared = match self.store(environment) {
            true => environment.updater.request_trial().is_ok(),
            false => false,
        };
        if !prepared {
            self.record.is_rollback = false;
            (self.record.kept, self.record.is_clean) = (kept, is_clean);
            (self.record.restarts, self.record.note) = (restarts, note);
            self.store(environment);
            return Err("the rollback could not be stored");
        }
        info!("update: an operator has the image before started, {version}, on trial");
        self.restart_after_answer(environment);
        Ok(version)
    }

    fn restart_after_answer(&mut self, environment: &mut Environment<'_>) {
        self.stage = Stage::RollingBack {
            until: environment.now.after(ANSWERED),
        };
        self.report_again();
    }

    /// The rollback has failed: the image that ran before it runs again.
    #[inline(never)]
    pub(super) fn rollback_failed(
        &mut self,
        details: Label<MAX_DETAILS>,
        environment: &mut Environment<'_>,
    ) {
        warn!("update: the rollback failed: {details}");
        // What lies in the slot has failed.
        self.record.previous = None;
        self.record.note = details;
        self.rollback_ended(environment);
        environment
            .application
            .tell(UpdateEvent::Failed(details.as_str()));
    }

    /// The image before is kept: the two have changed their roles.
    pub(super) fn rolled_back(&mut self, environment: &mut Environment<'_>) {
        info!("update: {} runs again, and is kept", self.version);
        core::mem::swap(&mut self.record.installed, &mut self.record.previous);
        self.rollback_ended(environment);
        environment.application.tell(UpdateEvent::Installed);
    }

    fn rollback_ended(&mut self, environment: &mut Environment<'_>) {
        self.stage = Stage::Idle;
        self.record.kept = Kept::Idle;
        self.record.is_rollback = false;
        self.store(environment);
        // Another workflow may have been desired meanwhile.
        self.wants_twin = true;
        self.report_again();
    }

    /// The update that the image that runs came by; `None` if it came in another way.
    pub(super) fn installed(&self) -> Option<&Installed> {
        let installed = self.record.installed.as_ref();
        installed.filter(|(_, version)| version.as_str() == self.version)
    }

    /// The same, with the device's own names for an image that came in another way.
    pub(super) fn installed_or_own(&self) -> Installed {
        let own = || {
            let id = UpdateId {
                provider: Label::new(self.settings.manufacturer)?,
                name: Label::new(self.settings.model)?,
                version: Label::new(self.version)?,
            };
            Some((id, id.version))
        };
        let installed = self.installed().copied();
        installed.or_else(own).unwrap_or_default()
    }

    /// Version of the image that a rollback starts; empty if there is none, or if it is not known.
    fn previous_version(&self) -> Label<MAX_VERSION> {
        let previous = match self.record.is_rollback {
            true => &self.record.installed,
            false => &self.record.previous,
        };
        let version = previous.as_ref().map(|(_, version)| *version);
        version.unwrap_or_default()
    }

    /// Version that the image on trial has to have.
    pub(super) fn target(&self) -> Label<MAX_VERSION> {
        match (self.record.is_rollback, &self.record.previous) {
            (true, Some((_, version))) => *version,
            _ => self.record.manifest.criterion,
        }
    }

    /// Fills in what a person may know.
    pub(crate) fn observe(&self, status: &mut UpdateStatus) {
        let is_named = match self.stage {
            Stage::New | Stage::Idle | Stage::Package => false,
            Stage::Proving { .. } => self.record.kept == Kept::Trial,
            _ => true,
        };
        status.version = match is_named {
            true => self.target(),
            false => Label::EMPTY,
        };
        status.reason = match (self.state(), &self.record.result) {
            (UpdateState::Failed, Some(result)) if self.record.note.is_empty() => result.details,
            (UpdateState::Failed, _) => self.record.note,
            _ => Label::EMPTY,
        };
        status.previous = self.previous_version();
    }
}

fn permit(
    version: Label<MAX_VERSION>,
    environment: &mut Environment<'_>,
) -> Result<(), &'static str> {
    let version = version.as_str();
    match environment
        .application
        .ask(UpdateStep::Rollback { version })
    {
        Permission::Granted => Ok(()),
        Permission::Later => Err("the application is not ready for a restart: try again later"),
        Permission::Refused(reason) => Err(reason),
    }
}
