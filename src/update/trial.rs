//! The trial of a new image: it is kept after it has joined its hub and its report was acknowledged, and otherwise the
//! image before it comes back and tells why.
//!
//! The boot loader starts an image on trial once. If the image does not keep itself, the next restart starts the one
//! before, whatever the reason: a hang, a fault, a power cut. The record tells the two images apart:
//!
//! - A restart in good order, such as an operator's, is noted before it happens. The image before then starts the new one
//!   on trial again, up to [`Settings::restarts`](super::Settings::restarts) times.
//! - An image that does not join its hub in time notes why, and restarts.
//! - An image that noted that it began, and nothing more, has failed.
//! - An image that ended before it could note even that is started again, up to as many times. To the image before, it
//!   looks like a power cut before the trial.
//!
//! Keeping the image comes before noting it. If a power cut is between the two, the kept image finds that it runs, with
//! the version that the manifest names, and notes it then.

use super::cause::Cause;
use super::machine::{Environment, Stage, Updates, detailed};
use super::record::{InstallResult, Kept};
use crate::application::UpdateEvent;
use crate::label::Label;
use crate::logging::{info, warn};
use crate::port::update::ImageState;
use crate::time::Instant;

/// Device Update's code for success.
const SUCCESS: i32 = 700;

impl Updates<'_> {
    /// Finds out which image runs, and what is due with it.
    #[inline(never)]
    pub(super) fn start(&mut self, environment: &mut Environment<'_>) {
        self.load(environment.updater);
        self.stage = Stage::Idle;
        self.report_again();
        let is_new = self.target().as_str() == self.version;
        match (environment.updater.image_state(), self.record.kept) {
            (ImageState::OnTrial, Kept::Trial) if !is_new => {
                self.give_up(Cause::Version, environment);
            }
            // Also an image that came in another way than by the service has to prove itself.
            (ImageState::OnTrial, kept) => {
                self.stage = Stage::Proving {
                    until: environment.now.after(self.settings.trial),
                };
                if kept == Kept::Trial {
                    self.record.is_clean = false;
                    self.store(environment);
                }
                // After the note: whoever reads this knows that the trial counts from now.
                info!(
                    "update: {} is on trial for {} s",
                    self.version,
                    self.settings.trial.as_secs()
                );
            }
            (ImageState::Confirmed, Kept::Trial) if is_new => self.succeed(environment),
            (ImageState::Confirmed, Kept::Trial) => self.reverted(environment),
            (ImageState::Confirmed, _) => {}
        }
    }

    /// The image before the new one runs again, or still.
    #[inline(never)]
    fn reverted(&mut self, environment: &mut Environment<'_>) {
        if self.record.is_rollback && !self.record.note.is_empty() {
            return self.rollback_failed(self.record.note, environment);
        }
        let result = self.record.result.filter(|_| !self.record.is_rollback);
        if let Some(result) = result.filter(|result| result.code == 0) {
            warn!("update: went back to the image before: {}", result.details);
            self.finish(result, environment);
            environment
                .application
                .tell(UpdateEvent::Failed(result.details.as_str()));
            return;
        }
        if !self.record.is_clean {
            // What ended it is this run's last fault.
            let fault = self.last_fault;
            return self.fail_with(Cause::NotKept, fault, environment);
        }
        if self.record.restarts >= self.settings.restarts {
            // Empty if each restart was in good order. An image that faults before its note has this one alone to say.
            let fault = self.last_fault;
            return self.fail_with(Cause::Restarts, fault, environment);
        }
        self.record.restarts += 1;
        if !self.store(environment) {
            // Without the count there is no end.
            return self.fail(Cause::Restarts, environment);
        }
        info!("update: starting the new image on trial again");
        self.restart_on_trial(environment);
    }

    #[inline(never)]
    pub(super) fn poll_trial(&mut self, until: Instant, environment: &mut Environment<'_>) {
        if self.is_reported {
            match environment.updater.confirm() {
                Ok(()) if self.record.kept == Kept::Trial => self.succeed(environment),
                Ok(()) => {
                    info!("update: this image is kept");
                    self.stage = Stage::Idle;
                }
                Err(error) => self.give_up(Cause::Slot(error), environment),
            }
        } else if environment.now >= until {
            self.give_up(Cause::NotJoined, environment);
        }
    }

    /// The new image is kept.
    #[inline(never)]
    fn succeed(&mut self, environment: &mut Environment<'_>) {
        if self.record.is_rollback {
            return self.rolled_back(environment);
        }
        info!(
            "update: {} is installed, and is kept",
            self.record.manifest.id.version
        );
        self.finish_installed("", environment);
        // Another workflow may have been desired meanwhile.
        self.wants_twin = true;
        environment.application.tell(UpdateEvent::Installed);
    }

    /// The update of the record is the one that runs.
    #[inline(never)]
    pub(super) fn finish_installed(&mut self, details: &str, environment: &mut Environment<'_>) {
        let manifest = &self.record.manifest;
        self.record.installed = Some((manifest.id, manifest.criterion));
        self.finish(
            InstallResult {
                code: SUCCESS,
                extended: 0,
                details: Label::cut(details),
            },
            environment,
        );
    }

    /// Notes why this image is not kept, and restarts into the one before.
    #[inline(never)]
    pub(super) fn give_up(&mut self, cause: Cause, environment: &mut Environment<'_>) {
        let details = detailed(cause, self.last_failure.as_str());
        warn!("update: going back to the image before: {details}");
        match self.record.is_rollback {
            true => self.record.note = details,
            false => {
                self.record.result = Some(InstallResult {
                    code: 0,
                    extended: cause.code(),
                    details,
                });
            }
        }
        self.record.is_clean = false;
        self.store(environment);
        self.restart();
    }

    /// The device is about to restart, or to stop, in good order.
    pub(crate) fn stopping(&mut self, environment: &mut Environment<'_>) {
        if matches!(self.stage, Stage::Proving { .. }) && self.record.kept == Kept::Trial {
            self.record.is_clean = true;
            self.store(environment);
        }
        if self.stage == Stage::Fetching {
            self.record.offset = self.written;
            self.store(environment);
        }
    }
}
