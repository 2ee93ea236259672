//! The device's side of an update, as a machine: what is desired, what runs, and what is due.

use alloc::boxed::Box;
use core::time::Duration;

use super::cause::Cause;
use super::key::Rotation;
use super::record::{InstallResult, Kept, MAX_DETAILS, Record};
use super::service::Service;
use super::settings::Settings;
use super::version::is_newer;
use crate::application::{Permission, UpdateEvent, UpdateStep};
use crate::label::Label;
use crate::logging::{info, warn};
use crate::port::update::{Job, News, SlotImage, Updater};
use crate::report::UpdateState as State;
use crate::time::Instant;

/// Time after which an application that said "later" is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(10);
/// Bytes of a download after which its progress is stored.
const CHECKPOINT: u32 = 32 * 1024;

/// Stage of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The record has not been read.
    New,
    /// Nothing is under way.
    Idle,
    /// A job waits for the application's permission.
    Download { ask: Instant },
    /// A root key package is being downloaded.
    Package,
    /// The image is being downloaded.
    Fetching,
    /// The download was asked to stop.
    Stopping,
    /// The image is whole, and waits for the application's permission.
    Install { ask: Instant },
    /// A restart is due.
    Restarting,
    /// The image is on trial.
    Proving { until: Instant },
    /// A restart is due when an operator's rollback has been answered.
    RollingBack { until: Instant },
}

/// World around the machine during one call.
pub(crate) struct Environment<'e> {
    pub(crate) now: Instant,
    pub(crate) updater: &'e mut dyn Updater,
    pub(crate) application: &'e mut dyn Side,
}

/// The application's side of updates.
pub(crate) trait Side {
    /// Asks whether a step may be taken now.
    fn ask(&mut self, step: UpdateStep<'_>) -> Permission;
    /// Tells what happened.
    fn tell(&mut self, event: UpdateEvent<'_>);
}

/// The device's side of updates.
#[derive(Debug)]
pub struct Updates<'a> {
    pub(super) settings: Settings<'a>,
    /// Version of the image that runs.
    pub(super) version: &'a str,
    /// Fault that ended the last run; empty if none did.
    pub(super) last_fault: &'a str,
    pub(super) stage: Stage,
    pub(super) record: Record,
    pub(super) rotation: Option<Box<Rotation>>,
    pub(super) service: Service,
    /// A document of the twin was read, and is to be judged: true if it was the whole twin.
    pub(super) read: Option<bool>,
    /// Version of the desired properties.
    pub(super) desired_version: u64,
    /// Answer to the service: status, and the version that it answers.
    pub(super) answer: Option<(u16, u64)>,
    pub(super) job: Option<Box<Job>>,
    pub(super) written: u32,
    stored: u32,
    /// The report has to be made again.
    changed: bool,
    /// The twin has to be read again.
    pub(super) wants_twin: bool,
    /// The hub acknowledged a report of this run.
    pub(super) is_reported: bool,
    /// The last reason why this device is not on its hub.
    pub(super) last_failure: Label<96>,
    wants_restart: bool,
    /// A person has the update ended.
    wants_cancel: bool,
}

impl<'a> Updates<'a> {
    /// A machine that has not started. `version` is that of the image that runs, `last_fault` the fault that ended the last
    /// run.
    pub fn new(settings: Settings<'a>, version: &'a str, last_fault: &'a str) -> Self {
        Self {
            settings,
            version,
            last_fault,
            stage: Stage::New,
            record: Record::default(),
            rotation: None,
            service: Service::new(settings.text_size),
            read: None,
            desired_version: 0,
            answer: None,
            job: None,
            written: 0,
            stored: 0,
            changed: false,
            wants_twin: false,
            is_reported: false,
            last_failure: Label::EMPTY,
            wants_restart: false,
            wants_cancel: false,
        }
    }

    /// State of the update.
    pub fn state(&self) -> State {
        match self.stage {
            Stage::New | Stage::Idle => match self.record.result {
                Some(InstallResult { code: 0, .. }) => State::Failed,
                _ if !self.record.note.is_empty() => State::Failed,
                _ => State::Idle,
            },
            Stage::Download { .. } | Stage::Install { .. } => State::Waiting,
            Stage::Package | Stage::Fetching | Stage::Stopping => {
                State::Downloading(self.written, self.record.manifest.file.size)
            }
            Stage::Restarting | Stage::RollingBack { .. } => State::Restarting,
            Stage::Proving { .. } => State::OnTrial,
        }
    }

    /// Result of the last update, if one has ended.
    pub const fn result(&self) -> Option<&InstallResult> {
        self.record.result.as_ref()
    }

    /// Takes the value of `deviceUpdate*service` from a document of the twin that begins.
    pub(crate) fn begin_document(&mut self) -> &mut Service {
        self.service.clear();
        &mut self.service
    }

    /// Sink of the value of `deviceUpdate*service`.
    pub(crate) const fn service(&mut self) -> &mut Service {
        &mut self.service
    }

    /// The document has ended: with the desired properties' version, or unreadable.
    pub(crate) fn end_document(&mut self, is_whole: bool, version: Option<u64>) {
        match version {
            Some(version) => {
                self.desired_version = version;
                self.read = Some(is_whole);
            }
            None => self.service.clear(),
        }
    }

    /// The hub acknowledged a report, and nothing has changed since.
    pub(crate) const fn reported(&mut self) {
        if !self.changed {
            self.is_reported = true;
        }
    }

    /// The device could not connect, or lost its connection.
    pub(crate) fn failed(&mut self, failure: &crate::failure::Failure) {
        self.last_failure = Label::cut(failure);
    }

    /// True, once, if the report is to be made again.
    pub(crate) const fn take_changed(&mut self) -> bool {
        core::mem::replace(&mut self.changed, false)
    }

    /// True, once, if the twin is to be read again.
    pub(crate) const fn take_wants_twin(&mut self) -> bool {
        core::mem::replace(&mut self.wants_twin, false)
    }

    /// True if the device has to restart.
    pub(crate) const fn wants_restart(&self) -> bool {
        self.wants_restart
    }

    /// Ends the update at the next [`Updates::poll`], if it can still be ended.
    pub(crate) const fn cancel_soon(&mut self) {
        self.wants_cancel = true;
    }

    /// Time at which [`Updates::poll`] has something to do by itself; `None` if it has nothing.
    pub(crate) const fn deadline(&self) -> Option<Instant> {
        match self.stage {
            Stage::Download { ask } | Stage::Install { ask } => Some(ask),
            Stage::Proving { until } | Stage::RollingBack { until } => Some(until),
            _ => None,
        }
    }

    pub(super) const fn report_again(&mut self) {
        self.changed = true;
    }

    /// Does what is due.
    pub(crate) fn poll(&mut self, environment: &mut Environment<'_>) {
        if self.stage == Stage::New {
            self.start(environment);
        }
        while let Some(news) = environment.updater.news() {
            self.handle_news(news, environment);
        }
        if core::mem::take(&mut self.wants_cancel) {
            self.cancel("a person", environment);
        }
        self.judge_document(environment);
        match self.stage {
            Stage::Download { ask } if environment.now >= ask => self.ask_to_download(environment),
            Stage::Install { ask } if environment.now >= ask => self.ask_to_install(environment),
            Stage::Proving { until } => self.poll_trial(until, environment),
            Stage::RollingBack { until } if environment.now >= until => self.restart(),
            _ => {}
        }
    }

    #[inline(never)]
    fn ask_to_download(&mut self, environment: &mut Environment<'_>) {
        let step = UpdateStep::Download {
            version: self.record.manifest.criterion.as_str(),
            size: self.record.manifest.file.size,
        };
        match environment.application.ask(step) {
            Permission::Granted => self.begin_download(environment),
            Permission::Later => {
                self.stage = Stage::Download {
                    ask: environment.now.after(ASK_AGAIN),
                }
            }
            Permission::Refused(reason) => self.fail(Cause::Application(reason), environment),
        }
    }

    #[inline(never)]
    fn begin_download(&mut self, environment: &mut Environment<'_>) {
        let Some(job) = self.job.take() else {
            return;
        };
        info!(
            "update: downloading {} of {} bytes, from byte {}",
            self.record.manifest.id.version, job.size, job.offset
        );
        (self.written, self.stored) = (job.offset, job.offset);
        self.stage = Stage::Fetching;
        self.record.kept = Kept::Fetching;
        self.record.previous = None;
        self.store(environment);
        environment.updater.begin(&job);
        self.report_again();
    }

    #[inline(never)]
    fn ask_to_install(&mut self, environment: &mut Environment<'_>) {
        let step = UpdateStep::Install {
            version: self.record.manifest.criterion.as_str(),
        };
        match environment.application.ask(step) {
            Permission::Granted => self.install(environment),
            Permission::Later => {
                self.stage = Stage::Install {
                    ask: environment.now.after(ASK_AGAIN),
                }
            }
            Permission::Refused(reason) => self.fail(Cause::Application(reason), environment),
        }
    }

    /// Starts the new image on trial at the next restart.
    #[inline(never)]
    fn install(&mut self, environment: &mut Environment<'_>) {
        if let Err(cause) = self.check_slot(environment.updater) {
            return self.fail(cause, environment);
        }
        self.record.previous = Some(self.installed_or_own());
        self.record.kept = Kept::Trial;
        self.record.is_clean = true;
        self.record.restarts = 0;
        // First: an image whose trial is not on record would not know what it has to prove.
        if !self.store(environment) {
            return self.fail(
                Cause::Workflow("the update's record could not be stored"),
                environment,
            );
        }
        info!(
            "update: restarting into {}, on trial",
            self.record.manifest.id.version
        );
        environment.application.tell(UpdateEvent::Installing);
        self.restart_on_trial(environment);
    }

    /// Looks at the image that was downloaded, as far as the platform can tell.
    fn check_slot(&self, updater: &mut dyn Updater) -> Result<(), Cause> {
        match updater.slot_image().map_err(Cause::Slot)? {
            SlotImage::None => Err(Cause::NoImage),
            SlotImage::Version(version)
                if !self.settings.downgrade
                    && is_newer(version.as_str(), self.version) == Some(false) =>
            {
                Err(Cause::NotNewer)
            }
            SlotImage::NotSupported | SlotImage::Version(_) => Ok(()),
        }
    }

    /// Has the boot loader start the image in the slot, and restarts.
    pub(super) fn restart_on_trial(&mut self, environment: &mut Environment<'_>) {
        match environment.updater.request_trial() {
            Ok(()) => self.restart(),
            Err(error) => self.fail(Cause::Slot(error), environment),
        }
    }

    pub(super) const fn restart(&mut self) {
        self.stage = Stage::Restarting;
        self.wants_restart = true;
    }

    #[inline(never)]
    fn handle_news(&mut self, news: News, environment: &mut Environment<'_>) {
        match (news, self.stage) {
            (News::Progress(written), Stage::Fetching) => {
                self.handle_progress(written, environment)
            }
            (News::Progress(_), _) => {}
            // What it stopped for is in the twin.
            (News::Ended(_), Stage::Stopping) => {
                self.stage = Stage::Idle;
                self.wants_twin = true;
            }
            (News::Ended(Ok(length)), Stage::Package) => self.handle_package(length, environment),
            (News::Ended(Ok(_)), Stage::Fetching) => {
                info!(
                    "update: the file of {} is whole and verified",
                    self.record.manifest.id.version
                );
                self.stage = Stage::Install {
                    ask: environment.now,
                };
            }
            (News::Ended(Err(failure)), Stage::Package | Stage::Fetching) => {
                self.fail(Cause::Fetch(failure), environment);
            }
            (News::Ended(_), _) => {}
        }
    }

    fn handle_progress(&mut self, written: u32, environment: &mut Environment<'_>) {
        self.written = written;
        if written.saturating_sub(self.stored) >= CHECKPOINT {
            self.stored = written;
            self.record.offset = written;
            self.store(environment);
        }
        environment.application.tell(UpdateEvent::Downloading {
            written,
            size: self.record.manifest.file.size,
        });
    }

    /// Ends a workflow that failed.
    pub(super) fn fail(&mut self, cause: Cause, environment: &mut Environment<'_>) {
        self.fail_with(cause, "", environment);
    }

    /// Ends a workflow that failed, and says what is known besides.
    #[inline(never)]
    pub(super) fn fail_with(
        &mut self,
        cause: Cause,
        more: &str,
        environment: &mut Environment<'_>,
    ) {
        let details = detailed(cause, more);
        if self.record.is_rollback {
            return self.rollback_failed(details, environment);
        }
        warn!("update: failed: {details}");
        self.finish(
            InstallResult {
                code: 0,
                extended: cause.code(),
                details,
            },
            environment,
        );
        let details = self.record.result.unwrap_or_default().details;
        environment
            .application
            .tell(UpdateEvent::Failed(details.as_str()));
    }

    /// Ends a workflow with its result.
    #[inline(never)]
    pub(super) fn finish(&mut self, result: InstallResult, environment: &mut Environment<'_>) {
        self.stage = Stage::Idle;
        self.job = None;
        if self.record.kept == Kept::Trial && result.code == 0 {
            // What lies in the slot has failed.
            self.record.previous = None;
        }
        self.record.kept = Kept::Idle;
        self.record.offset = 0;
        self.record.result = Some(result);
        #[cfg(feature = "update-dps")]
        {
            self.record.is_unreported = self.is_offered();
        }
        self.store(environment);
        self.report_again();
    }
}

/// A cause, and what is known besides.
pub(super) fn detailed(cause: Cause, more: &str) -> Label<MAX_DETAILS> {
    match more {
        "" => Label::cut(cause),
        more => Label::cut(format_args!("{cause}: {more}")),
    }
}
